//! Cookies (RFC 6265): their values in headers, and writing them.

use super::token::{is_token, leading_token, trim};
use crate::error::{Code, Error, Result};

/// The value that a response's `Set-Cookie` headers leave under this name: that of the last one, or
/// `None` when that deletes it. Quotes belong to the value, as in browsers. A date of expiry needs a
/// clock and is not looked at; `Max-Age` is.
pub fn value<'a>(set_cookie_headers: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let set = set_cookie_headers.filter_map(|header| {
        let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
        let (_, value) = split_pair(pair).filter(|(set, _)| *set == name)?;
        Some((value, attributes))
    });
    set.last().filter(|(_, attributes)| !deletes(attributes)).map(|(value, _)| value)
}

/// The value under this name in a request's `Cookie` header; the first one, which has the longest path.
pub fn request_value<'a>(cookie_header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cookie_header.split(';').filter_map(split_pair);
    pairs.find(|(sent, _)| *sent == name).map(|(_, value)| value)
}

/// Refuses what RFC 6265 section 4.1.1 does not allow a program to set: it would arrive as something
/// else.
pub fn check(name: &str, value: &str) -> Result<()> {
    let refuse = |message: String| Err(Error::new(Code::InvalidArgument, message));
    if !is_token(name) {
        return refuse(format!(
            "the name of a cookie is empty or has characters not allowed there, after {:?}",
            leading_token(name)
        ));
    }
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted.unwrap_or(value).chars().find(|&c| !is_octet(c)) {
        None => Ok(()),
        Some(c) => refuse(format!(
            "the value of the cookie {name:?} has the character {c:?}: percent-encode or base64 it"
        )),
    }
}

/// The value of a `Cookie` header with all of them.
pub fn join<'a>(cookies: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> =
        cookies.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// RFC 6265 section 5.2: without a name it is no cookie.
fn split_pair(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    Some((trim(name), trim(value))).filter(|(name, _)| !name.is_empty())
}

/// RFC 6265 section 5.2.2: whether the last `Max-Age` that is a number is not above 0.
fn deletes(attributes: &str) -> bool {
    let mut ages = attributes.split(';').filter_map(split_pair).filter_map(|(name, value)| {
        let digits = value.strip_prefix('-').unwrap_or(value);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (number && name.eq_ignore_ascii_case("Max-Age")).then_some(value)
    });
    ages.next_back().is_some_and(|age| age.starts_with('-') || age.bytes().all(|byte| byte == b'0'))
}

fn is_octet(c: char) -> bool {
    c.is_ascii_graphic() && !"\",;\\".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(headers: &[&'static str]) -> Option<&'static str> {
        value(headers.iter().copied(), "a")
    }

    #[test]
    fn what_responses_set() {
        for (headers, expected) in [
            (&["a=b"][..], Some("b")),
            (&[" a =\tb=c d ; Path=/; Secure; HttpOnly"], Some("b=c d")),
            (&["a=\"b\"; Path=/"], Some("\"b\"")),
            (&["a="], Some("")),
            (&["a=b", "c=d", "a=e;"], Some("e")),
            (&["A=b", "aa=b", "b; a=c", "a", "=a", "", ";a=b"], None),
            (&[], None),
        ] {
            assert_eq!(set(headers), expected, "{headers:?}");
        }
        assert_eq!(value(["=b"].into_iter(), ""), None);
    }

    #[test]
    fn max_age_deletes() {
        for (headers, expected) in [
            (&["a=b; Max-Age=0"][..], None),
            (&["a=b; path=/;MAX-AGE = -5"], None),
            (&["a=b; Max-Age=00"], None),
            (&["a=b; Max-Age=99999999999999999999"], Some("b")),
            (&["a=b; Max-Age=0; Max-Age=1"], Some("b")),
            (&["a=b; Max-Age=1; Max-Age=0"], None),
            (&["a=b; Max-Age=0; Max-Age=x"], None),
            (&["a=b; Max-Age="], Some("b")),
            (&["a=b; Max-Age=-"], Some("b")),
            (&["a=b; Max-Age=+0"], Some("b")),
            (&["a=b; Max-Age; Max-Ages=0; Expires=0"], Some("b")),
            (&["a=b", "a=; Max-Age=0"], None),
            (&["a=b; Max-Age=0", "a=c"], Some("c")),
            (&["a=b", "c=; Max-Age=0"], Some("b")),
        ] {
            assert_eq!(set(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_requests_bring() {
        let header = "a=1; b=\"2\";c=3 ;  d=4=5; e; =f; a=6; g=";
        for (name, expected) in [
            ("a", Some("1")),
            ("b", Some("\"2\"")),
            ("c", Some("3")),
            ("d", Some("4=5")),
            ("e", None),
            ("", None),
            ("f", None),
            ("A", None),
            ("g", Some("")),
        ] {
            assert_eq!(request_value(header, name), expected, "{name}");
        }
        assert_eq!(request_value("", "a"), None);
    }

    #[test]
    fn what_may_be_set() {
        for (name, value) in [
            ("a", ""),
            ("__Host-a", "b=c"),
            ("a", "\"b\""),
            ("a", "\"\""),
            ("a", "!#$%&'()*+-./:<"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}={value}");
        }
        for (name, value) in [
            ("", "b"),
            ("a b", "c"),
            ("a=", "c"),
            ("a;", "c"),
            ("\u{e9}", "c"),
            ("a\r\n", "c"),
            ("a", "b c"),
            ("a", "b;c"),
            ("a", "b,c"),
            ("a", "b\\c"),
            ("a", "\"b"),
            ("a", "b\"c"),
            ("a", "\""),
            ("a", "\"b\"c\""),
            ("a", "\u{e9}"),
            ("a", "b\r\nX: y"),
            ("a", "\0"),
        ] {
            let error = check(name, value).expect_err(value);
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(!error.message.chars().any(char::is_control), "{}", error.message);
        }
    }

    #[test]
    fn what_is_joined_is_found_again() {
        let header = join([("a", "1"), ("b", "\"2\""), ("c", "")]);
        assert_eq!(header, "a=1; b=\"2\"; c=");
        assert_eq!(request_value(&header, "b"), Some("\"2\""));
        assert_eq!(join([]), "");
    }
}
