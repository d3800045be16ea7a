//! Subprotocol names (RFC 6455 sections 4.1, 4.2.2 and 11.3.4). They are compared as they are written.

use crate::error::{Code, Error, Result};
use crate::proto::http::token::{is_token, list};
use std::collections::HashSet;

/// Checks what an application offers or supports: tokens, each once.
pub fn check(protocols: &[String]) -> Result<()> {
    unique_tokens(protocols.iter().map(String::as_str))
        .map_err(|message| Error::new(Code::InvalidArgument, message))
}

/// What a client offers in its headers of that name, in order of its preference.
pub fn parse<'a>(
    values: impl Iterator<Item = &'a str>,
) -> std::result::Result<Vec<String>, String> {
    let names: Vec<String> = list(values).map(str::to_owned).collect();
    unique_tokens(names.iter().map(String::as_str))?;
    Ok(names)
}

/// The first of the offered names that is known.
pub fn select<'a>(offered: &'a [String], known: &[String]) -> Option<&'a str> {
    offered.iter().find(|name| known.contains(name)).map(String::as_str)
}

fn unique_tokens<'a>(names: impl Iterator<Item = &'a str>) -> std::result::Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if !is_token(name) {
            // It is not shown: browsers, which cannot add headers, put tokens there that log them in.
            return Err("a subprotocol is empty or has characters not allowed there".to_owned());
        }
        if !seen.insert(name) {
            return Err("a subprotocol is named twice".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn applications_name_tokens_and_each_once() {
        assert!(check(&[]).is_ok());
        assert!(check(&names(&["chat", "Chat", "v2.chat"])).is_ok());
        for bad in [&["a", "b", "a"][..], &[""], &["a b"], &["a,b"], &["a\r\nX: y"], &["é"]] {
            assert_eq!(check(&names(bad)).unwrap_err().code, Code::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn offers_run_over_repeated_headers() {
        assert_eq!(parse(["a, b", "c"].into_iter()).unwrap(), ["a", "b", "c"]);
        assert_eq!(parse([""].into_iter()).unwrap(), Vec::<String>::new());
        assert!(parse(["a, b", "a"].into_iter()).unwrap_err().contains("twice"));
        assert!(parse(["a;b"].into_iter()).is_err());
    }

    #[test]
    fn the_client_s_order_decides_and_case_counts() {
        let offered = names(&["X", "b", "a"]);
        assert_eq!(select(&offered, &names(&["a", "b", "x"])), Some("b"));
        assert_eq!(select(&offered, &names(&["x"])), None);
        assert_eq!(select(&[], &names(&["x"])), None);
    }
}
