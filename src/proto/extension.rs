//! The `Sec-WebSocket-Extensions` header (RFC 6455 section 9.1).

use super::http::token::{is_token, trim};
use std::fmt;

/// One extension with its parameters, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// A token.
    pub name: String,
    /// Names, and values where there are some; quotes are gone.
    pub params: Vec<(String, Option<String>)>,
}

impl Extension {
    /// An extension without parameters yet.
    pub fn new(name: &str) -> Extension {
        Extension { name: name.to_owned(), params: Vec::new() }
    }

    /// Adds a parameter.
    pub fn with(mut self, name: &str, value: Option<String>) -> Extension {
        self.params.push((name.to_owned(), value));
        self
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// More offers than anybody makes; a bound on what a stranger can make us keep.
const MAX_EXTENSIONS: usize = 64;

/// The extensions of all headers of that name, in their order. Empty list elements are skipped.
pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<Extension>, String> {
    let mut extensions = Vec::new();
    for value in values {
        for element in split(value, ',') {
            if trim(element).is_empty() {
                continue;
            }
            if extensions.len() == MAX_EXTENSIONS {
                return Err(format!("more than {MAX_EXTENSIONS} extensions"));
            }
            extensions.push(parse_one(element)?);
        }
    }
    Ok(extensions)
}

fn parse_one(text: &str) -> Result<Extension, String> {
    let mut parts = split(text, ';');
    let name = trim(parts.next().unwrap_or_default());
    if !is_token(name) {
        return Err(format!("{name:?} is no extension name"));
    }
    let mut extension = Extension::new(name);
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (trim(name), Some(unquote(trim(value))?)),
            None => (trim(part), None),
        };
        if !is_token(name) {
            return Err(format!("{name:?} is no extension parameter"));
        }
        extension = extension.with(name, value);
    }
    Ok(extension)
}

/// A token, or a quoted string whose content is a token (RFC 6455 section 9.1).
fn unquote(text: &str) -> Result<String, String> {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut escaped = false;
    let value: String = match quoted {
        None => text.to_owned(),
        Some(inner) => inner
            .chars()
            .filter(|&c| {
                escaped = c == '\\' && !escaped;
                !escaped
            })
            .collect(),
    };
    if escaped || !is_token(&value) {
        return Err(format!("{text:?} is no value of an extension parameter"));
    }
    Ok(value)
}

/// Splits at a separator outside of quoted strings.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let skip = std::mem::take(&mut escaped);
        match c {
            _ if skip => false,
            '\\' => {
                escaped = true;
                false
            }
            '"' => {
                quoted = !quoted;
                false
            }
            _ => c == separator && !quoted,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Result<Vec<String>, String> {
        Ok(parse(values.iter().copied())?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_with_parameters_over_repeated_headers() {
        let all = texts(&["a; x; y=1 , b", ",, c;z = 2,", ""]).unwrap();
        assert_eq!(all, ["a; x; y=1", "b", "c; z=2"]);
    }

    #[test]
    fn quoted_values_lose_their_quotes() {
        let one = parse([r#"a; x="10"; y="b\c\d""#].into_iter()).unwrap();
        let expected = [("x".into(), Some("10".into())), ("y".into(), Some("bcd".into()))];
        assert_eq!(one[0].params, expected);
    }

    #[test]
    fn a_quoted_value_must_still_be_a_token() {
        for bad in [
            r#"a; x="b,c""#,
            r#"a; x="b;c""#,
            r#"a; x="b c""#,
            r#"a; x="""#,
            r#"a; x="b\""#,
            r#"a; x="b"#,
            r#"a; x=b""#,
            r#"a; x=""b"#,
            r#"a; x=""#,
        ] {
            assert!(texts(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn separators_inside_quotes_do_not_separate() {
        let message = texts(&[r#"a; x="b\",c;d", e"#]).unwrap_err();
        assert!(message.contains(r#"b\\\",c;d"#), "{message}");
    }

    #[test]
    fn malformed_lists() {
        for bad in [
            "a b", "a;", "a; ;b", "a; =1", "a; x=", "a; x=1=2", "a; x y", ";", "=", "a/b", "\u{e9}",
        ] {
            assert!(texts(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flood_is_cut_off() {
        let many = vec!["a"; MAX_EXTENSIONS].join(",");
        assert_eq!(texts(&[&many]).unwrap().len(), MAX_EXTENSIONS);
        assert!(texts(&[&many, "b"]).is_err());
    }
}
