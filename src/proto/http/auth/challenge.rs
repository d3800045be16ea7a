//! What a server asks for: the `WWW-Authenticate` header (RFC 9110 section 11.6.1).

use super::digest::Digest;
use crate::proto::http::token::{is_token, is_token_byte, trim};
use std::fmt;

/// More than any server asks for; bounds on what a stranger can make us keep.
const MAX_CHALLENGES: usize = 16;
const MAX_PARAMS: usize = 32;

/// Longer names do not get into messages.
const MAX_SHOWN: usize = 32;

/// One way to prove who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// A token, as sent.
    pub scheme: String,
    /// Names and values as sent, without quotes and without control characters. A token68 is left out.
    pub params: Vec<(String, String)>,
}

impl Challenge {
    /// Whether this is the scheme.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The first parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.params.iter().find(|param| param.0.eq_ignore_ascii_case(name));
        found.map(|param| param.1.as_str())
    }
}

/// For messages: the scheme, and the algorithm where it may be the reason why we cannot answer.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.MAX_SHOWN$}", self.scheme)?;
        match self.get("algorithm").filter(|name| self.is("Digest") && is_token(name)) {
            Some(algorithm) => write!(f, " ({algorithm:.MAX_SHOWN$})"),
            None => Ok(()),
        }
    }
}

/// All that a server accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenges(Vec<Challenge>);

impl Challenges {
    /// Reads the values of all `WWW-Authenticate` headers. What makes no sense ends its header, and the
    /// challenges before it count.
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Challenges {
        let mut all = Vec::new();
        for value in values {
            read(value, &mut all);
        }
        Challenges(all)
    }

    /// In the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &Challenge> {
        self.0.iter()
    }

    /// Whether only the nonce was too old (RFC 7616 section 3.3): the same credentials are worth
    /// another answer, once.
    pub fn stale(&self) -> bool {
        Digest::strongest(self).is_some_and(|digest| digest.stale)
    }
}

/// Appends the challenges of one header. Commas separate both challenges and parameters; a word that
/// an equals sign follows is a parameter. A missing comma is forgiven.
fn read(value: &str, all: &mut Vec<Challenge>) {
    let (before, mut rest) = (all.len(), value);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return;
        }
        match trim(after).strip_prefix('=') {
            Some(after) => {
                let Some(challenge) = all[before..].last_mut() else { return };
                let Some((value, after)) = split_value(trim(after)) else { return };
                if challenge.params.len() < MAX_PARAMS {
                    challenge.params.push((word.to_owned(), value));
                }
                rest = after;
            }
            None if all.len() == MAX_CHALLENGES => return,
            None => {
                all.push(Challenge { scheme: word.to_owned(), params: Vec::new() });
                rest = skip_token68(trim(after));
            }
        }
    }
}

/// A quoted string, or everything up to the next comma; and what follows.
fn split_value(text: &str) -> Option<(String, &str)> {
    let (value, rest) = match text.strip_prefix('"') {
        Some(inner) => unquote(inner)?,
        None => {
            let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
            (trim(value).to_owned(), rest)
        }
    };
    let clean = !value.chars().any(|c| c.is_control() && c != '\t');
    clean.then_some((value, rest))
}

/// RFC 9110 section 5.6.4, after the opening quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    loop {
        match chars.next()?.1 {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
}

/// RFC 9110 section 11.2: base64 or the like stands alone where parameters may be.
fn skip_token68(text: &str) -> &str {
    let other = |c: char| !c.is_ascii_alphanumeric() && !"-._~+/".contains(c);
    let rest = trim(text.trim_start_matches(|c| !other(c)).trim_start_matches('='));
    if rest.is_empty() || rest.starts_with(',') { rest } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `Scheme name=value|name=value`.
    fn texts(values: &[&str]) -> Vec<String> {
        let one = |challenge: &Challenge| {
            let params: Vec<_> =
                challenge.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {}", challenge.scheme, params.join("|")).trim_end().to_owned()
        };
        Challenges::parse(values.iter().copied()).iter().map(one).collect()
    }

    #[test]
    fn several_in_one_header_and_several_headers() {
        // RFC 9110 section 11.6.1.
        assert_eq!(
            texts(&[
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#
            ]),
            ["Basic realm=simple", r#"Newauth realm=apps|type=1|title=Login to "apps""#]
        );
        assert_eq!(
            texts(&[",, Negotiate ,\tNTLM,", "", r#"Digest realm = "a, b=c" , nonce= x=="#]),
            ["Negotiate", "NTLM", "Digest realm=a, b=c|nonce=x=="]
        );
    }

    #[test]
    fn a_token68_is_no_parameter_and_no_scheme() {
        for (text, expected) in [
            ("Negotiate oYG2MIGz/+A==, Basic realm=x", &["Negotiate", "Basic realm=x"][..]),
            ("Negotiate abc=", &["Negotiate"]),
            ("Negotiate abc , Basic", &["Negotiate", "Basic"]),
            ("A a=, b=c", &["A b=c"]),
            ("A a=b, c=d", &["A a=b|c=d"]),
        ] {
            assert_eq!(texts(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn quoted_strings() {
        for (text, expected) in [
            (r#"A b="""#, &["A b="][..]),
            (r#"A b="\\\"\c,", d=e"#, &[r#"A b=\"c,|d=e"#]),
            ("A b=\"\u{e9}\t\"", &["A b=\u{e9}"]),
            (r#"A b="c" d="e""#, &["A b=c|d=e"]),
            (r#"A b="c"d="e""#, &["A b=c|d=e"]),
        ] {
            assert_eq!(texts(&[text]), expected, "{text}");
        }
        assert_eq!(Challenges::parse(["A b=\"c\td\""].into_iter()).0[0].get("B"), Some("c\td"));
    }

    #[test]
    fn what_makes_no_sense_ends_its_header_only() {
        for bad in
            [r#"realm="x""#, "=", "\"", r#"A b="c"#, r#"A b="c\"#, "A b=\"\r\n\"", "A b=\u{1}c"]
        {
            let mut all = texts(&[&format!("{bad}, Lost"), "Next"]);
            assert_eq!(all.pop().as_deref(), Some("Next"), "{bad}");
            assert!(all.iter().all(|challenge| !challenge.contains("Lost")), "{bad}: {all:?}");
        }
        assert_eq!(texts(&["First a=b, \u{e9}, Lost", "c=d"]), ["First a=b"]);
    }

    #[test]
    fn a_flood_is_cut_off() {
        let many = vec!["A"; 100].join(",");
        assert_eq!(texts(&[&many, &many]).len(), MAX_CHALLENGES);
        let params = format!("A {}", vec!["b=c"; 100].join(","));
        assert_eq!(Challenges::parse([&*params].into_iter()).0[0].params.len(), MAX_PARAMS);
    }

    #[test]
    fn the_first_of_equal_names_counts_in_any_case() {
        let all = Challenges::parse(["dIGEST Nonce=a, nonce=b"].into_iter());
        assert_eq!((all.0[0].get("NONCE"), all.0[0].get("realm")), (Some("a"), None));
        assert!(all.0[0].is("Digest") && !all.0[0].is("Digest-x"));
    }

    #[test]
    fn only_a_digest_that_we_would_answer_is_stale() {
        for (text, stale) in [
            ("Digest realm=a, nonce=b, stale=TRUE", true),
            ("Digest realm=a, nonce=b, stale=\"true\", Basic", true),
            ("Digest realm=a, nonce=b, stale=false", false),
            ("Digest realm=a, nonce=b", false),
            ("Digest realm=a, nonce=b, stale=true, algorithm=x", false),
            ("Basic realm=a, stale=true", false),
            ("", false),
        ] {
            assert_eq!(Challenges::parse([text].into_iter()).stale(), stale, "{text}");
        }
    }
}
