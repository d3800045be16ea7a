//! How long a server asks to be left alone (RFC 9110 section 10.2.3).

use super::Headers;

/// The seconds of a `Retry-After` header. `None` without one, and for a date, which needs a clock.
pub fn retry_after(headers: &Headers) -> Option<u64> {
    let text = headers.get("Retry-After")?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Only what is too large can fail.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_nothing_else() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1.5", None),
            ("5s", None),
            ("1, 2", None),
            ("\u{661}", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ] {
            let mut headers = Headers::default();
            headers.push("retry-after", text);
            assert_eq!(retry_after(&headers), seconds, "{text}");
        }
        assert_eq!(retry_after(&Headers::default()), None);
    }
}
