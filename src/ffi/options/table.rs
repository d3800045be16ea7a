//! How an option is described: one row says its key, its bounds and where it lives.

use super::draft::Draft;
use crate::error::{Code, Error, Result};

/// One integer option: its key, its bounds, and where it lives.
pub struct IntOption {
    /// WSOCK_OPT_*.
    pub key: i32,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// Reads it.
    pub get: fn(&Draft) -> i64,
    /// Writes it; the value is within the bounds.
    pub set: fn(&mut Draft, i64),
}

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;
/// 2^30.
pub(super) const GIB: i64 = 1 << 30;

macro_rules! int_option {
    ($key:ident, $min:expr, $max:expr, $($field:ident).+ as $type:ty) => {
        IntOption {
            key: $key,
            min: $min,
            max: $max,
            get: |draft| draft.$($field).+ as i64,
            set: |draft, value| draft.$($field).+ = value as $type,
        }
    };
    ($key:ident, $($field:ident).+ as bool) => {
        IntOption {
            key: $key,
            min: 0,
            max: 1,
            get: |draft| draft.$($field).+ as i64,
            set: |draft, value| draft.$($field).+ = value != 0,
        }
    };
}

pub(super) use int_option;

/// Every integer option, by the part of the library that has it.
fn groups() -> [(&'static [IntOption], Option<&'static str>); 6] {
    let deflate = (!cfg!(feature = "deflate")).then_some("permessage-deflate");
    [
        (super::general::INT_OPTIONS, None),
        (super::limits::INT_OPTIONS, None),
        (super::client::INT_OPTIONS, None),
        (super::sockets::INT_OPTIONS, None),
        (super::deflate::INT_OPTIONS, deflate),
        (super::tls::INT_OPTIONS, super::tls::MISSING),
    ]
}

/// All that this build has.
#[cfg(test)]
fn all() -> impl Iterator<Item = &'static IntOption> {
    groups().into_iter().filter(|(_, missing)| missing.is_none()).flat_map(|(group, _)| group)
}

/// The row of a key.
pub fn find(key: i32) -> Result<&'static IntOption> {
    for (group, missing) in groups() {
        let Some(option) = group.iter().find(|option| option.key == key) else { continue };
        return match missing {
            None => Ok(option),
            Some(part) => Err(absent(part)),
        };
    }
    Err(Error::new(
        Code::Unsupported,
        format!("this version of the library has no integer option with the number {key}"),
    ))
}

/// Sets a text option.
pub fn set_text(draft: &mut Draft, key: i32, value: &str) -> Result<()> {
    let groups: [SetText; 4] = [
        super::general::set_text,
        super::client::set_text,
        super::sockets::set_text,
        super::tls::set_text,
    ];
    groups.into_iter().find_map(|set| set(draft, key, value)).unwrap_or_else(|| {
        Err(Error::new(
            Code::Unsupported,
            format!("this version of the library has no text option with the number {key}"),
        ))
    })
}

/// Sets a text option of one part; `None` when the key is not one of its.
type SetText = fn(&mut Draft, i32, &str) -> Option<Result<()>>;

/// What a build without that part says to all that belongs to it.
pub fn absent(part: &str) -> Error {
    Error::new(
        Code::Unsupported,
        format!("this build of the library has no {part}; see wsock_features"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_bounds_and_every_option_moves_its_own_field() {
        let all: Vec<&IntOption> = all().collect();
        let defaults: Vec<i64> = all.iter().map(|o| (o.get)(&Draft::default())).collect();
        for (n, option) in all.iter().enumerate() {
            assert!((option.min..=option.max).contains(&defaults[n]), "option {}", option.key);
            let mut draft = Draft::default();
            let other = if defaults[n] == option.max { option.min } else { option.max };
            (option.set)(&mut draft, other);
            for (m, look) in all.iter().enumerate() {
                let expected = if m == n { other } else { defaults[m] };
                assert_eq!((look.get)(&draft), expected, "{} by {}", look.key, option.key);
            }
        }
    }
}
