//! Tokens and comma-separated lists of them (RFC 9110 sections 5.6.1 and 5.6.2).

/// One byte of a token: a visible ASCII character that is no delimiter.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A word of at least one such byte: header names, methods, subprotocols, extension names.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The token that a text begins with: as much of a name that is none as may be shown. Behind it may stand the
/// value, which may be a secret, when somebody has passed both as the name.
pub fn leading_token(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
    &text[..end]
}

/// The space and tab that HTTP allows around a value. Unlike `str::trim` nothing else goes.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The elements of a list that may be spread over several headers of one name. Empty elements are
/// skipped, as section 5.6.1.2 asks.
pub fn list<'a>(values: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    values.flat_map(|value| value.split(',')).map(trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_and_controls_are_no_token_bytes() {
        let tokens = (0..=255).filter(|&byte| is_token_byte(byte)).count();
        assert_eq!(tokens, 26 + 26 + 10 + 15);
        for byte in *b"\"(),/:;<=>?@[\\]{} \t\r\n\0\x7f\x80\xff" {
            assert!(!is_token_byte(byte), "{byte:#04x}");
        }
        assert!(is_token("chat.v1+json") && !is_token("") && !is_token("a b") && !is_token("é"));
    }

    #[test]
    fn a_text_begins_with_a_token_or_with_none() {
        for (text, token) in [("a", "a"), ("a: b", "a"), ("a=b", "a"), (" a", ""), ("é", "")] {
            assert_eq!(leading_token(text), token, "{text}");
        }
    }

    #[test]
    fn a_list_runs_over_repeated_values_and_skips_what_is_empty() {
        let values = ["a, b", "", " ,\tc ,, d\t"];
        assert_eq!(list(values.into_iter()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim(" \t x\u{a0}\u{b} "), "x\u{a0}\u{b}");
    }
}
