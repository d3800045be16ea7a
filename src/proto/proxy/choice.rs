//! Which proxy a connection goes through.

use super::{NoProxy, ProxyUrl};
use crate::error::{Error, Result};

/// Where the proxy is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// Nowhere: every connection is direct.
    #[default]
    None,
    /// By the application.
    Fixed(ProxyUrl),
    /// In environment variables, see [`from_environment`].
    Environment,
}

/// Which connections go through which proxy. By default none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyRules {
    /// Where the proxy is named.
    pub proxies: Proxies,
    /// Hosts that are connected to directly, besides those that the environment names.
    pub no_proxy: NoProxy,
}

impl ProxyRules {
    /// The proxy for a connection to this host, `secure` for wss. `lookup` reads an environment
    /// variable.
    pub fn choose(
        &self,
        lookup: impl Fn(&str) -> Option<String>,
        secure: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<ProxyUrl>> {
        match &self.proxies {
            _ if self.no_proxy.matches(host, port) => Ok(None),
            Proxies::None => Ok(None),
            Proxies::Fixed(url) => Ok(Some(url.clone())),
            Proxies::Environment => from_environment(lookup, secure, host, port),
        }
    }
}

/// The proxy that the environment names for a connection to this host, as curl looks for it: in
/// `wss_proxy`, `https_proxy` and `all_proxy`, or in `ws_proxy`, `http_proxy` and `all_proxy`; none for
/// hosts in `no_proxy`. Each name is tried in lower case first, then in upper case. Empty is not set.
pub fn from_environment(
    lookup: impl Fn(&str) -> Option<String>,
    secure: bool,
    host: &str,
    port: u16,
) -> Result<Option<ProxyUrl>> {
    let names = if secure { ["wss_proxy", "https_proxy"] } else { ["ws_proxy", "http_proxy"] };
    let proxy = names.iter().chain(&["all_proxy"]).find_map(|name| variable(&lookup, name));
    let Some((name, url)) = proxy else { return Ok(None) };
    if let Some((name, hosts)) = variable(&lookup, "no_proxy") {
        let hosts = NoProxy::parse(&hosts).map_err(|error| blame(&name, error))?;
        if hosts.matches(host, port) {
            return Ok(None);
        }
    }
    ProxyUrl::parse(&url).map(Some).map_err(|error| blame(&name, error))
}

/// A variable that is set, under the name that it has.
fn variable(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<(String, String)> {
    let upper = name.to_ascii_uppercase();
    // A CGI program gets the header "Proxy" of a request in HTTP_PROXY: CVE-2016-5385 and others.
    let forged = upper == "HTTP_PROXY" && lookup("REQUEST_METHOD").is_some();
    let names = [Some(name.to_owned()), Some(upper).filter(|_| !forged)];
    names.into_iter().flatten().find_map(|name| {
        let value = lookup(&name).filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

fn blame(name: &str, error: Error) -> Error {
    let message = format!("the environment variable {name} cannot be used: {error}");
    error.with(|it| it.message = message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn lookup(variables: Variables<'_>) -> impl Fn(&str) -> Option<String> {
        move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn chosen(variables: Variables<'_>, secure: bool) -> Option<String> {
        let proxy = from_environment(lookup(variables), secure, "h.example", 80).unwrap();
        proxy.map(|proxy| proxy.host)
    }

    fn refusal(variables: Variables<'_>) -> String {
        let error = from_environment(lookup(variables), false, "h.example", 80).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        error.message.to_string()
    }

    #[test]
    fn variables_in_their_order() {
        let all = [
            ("wss_proxy", "a"),
            ("WSS_PROXY", "b"),
            ("https_proxy", "c"),
            ("HTTPS_PROXY", "d"),
            ("all_proxy", "e"),
            ("ALL_PROXY", "f"),
        ];
        for first in 0..all.len() {
            assert_eq!(chosen(&all[first..], true).as_deref(), Some(all[first].1));
        }
        assert_eq!(chosen(&all[..4], false), None, "those are for wss");
        let all = [
            ("ws_proxy", "a"),
            ("WS_PROXY", "b"),
            ("http_proxy", "c"),
            ("HTTP_PROXY", "d"),
            ("all_proxy", "e"),
            ("ALL_PROXY", "f"),
        ];
        for first in 0..all.len() {
            assert_eq!(chosen(&all[first..], false).as_deref(), Some(all[first].1));
        }
        assert_eq!(chosen(&all[..4], true), None, "those are for ws");
        assert_eq!(chosen(&[], true), None);
    }

    #[test]
    fn empty_is_not_set() {
        assert_eq!(chosen(&[("http_proxy", ""), ("HTTP_PROXY", "a")], false).as_deref(), Some("a"));
        assert_eq!(chosen(&[("http_proxy", ""), ("all_proxy", "")], false), None);
        let hosts = [("all_proxy", "a"), ("no_proxy", ""), ("NO_PROXY", "h.example")];
        assert_eq!(chosen(&hosts, false), None);
    }

    #[test]
    fn a_request_header_names_no_proxy() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "evil"), ("HTTPS_PROXY", "good")];
        assert_eq!(chosen(&cgi, false), None);
        assert_eq!(chosen(&cgi, true).as_deref(), Some("good"));
        assert_eq!(
            chosen(&[("http_proxy", "good"), cgi[0], cgi[1]], false).as_deref(),
            Some("good")
        );
        assert_eq!(
            chosen(&[cgi[0], cgi[1], ("ALL_PROXY", "good")], false).as_deref(),
            Some("good")
        );
    }

    #[test]
    fn hosts_in_no_proxy_are_direct() {
        let with = |hosts| [("all_proxy", "p"), ("NO_PROXY", hosts)];
        assert_eq!(chosen(&with("other, .example"), false), None);
        assert_eq!(chosen(&with("h.example:80"), true), None);
        assert_eq!(chosen(&with("h.example:81"), true).as_deref(), Some("p"));
        let both = [("all_proxy", "p"), ("no_proxy", "other"), ("NO_PROXY", "*")];
        assert_eq!(chosen(&both, true).as_deref(), Some("p"), "lower case goes first");
    }

    #[test]
    fn what_is_wrong_is_told_with_the_variable() {
        let message = refusal(&[("HTTP_PROXY", "socks9://p")]);
        assert!(
            message
                .starts_with("the environment variable HTTP_PROXY cannot be used: the proxy URL")
        );
        assert!(message.contains("socks9"));
        let message = refusal(&[("all_proxy", "p"), ("NO_PROXY", "a, 10.0.0.1/8")]);
        assert!(
            message.starts_with("the environment variable NO_PROXY cannot be used: "),
            "{message}"
        );
        assert!(message.contains("\"10.0.0.1/8\""));
    }

    #[test]
    fn what_is_not_needed_is_not_looked_at() {
        assert_eq!(chosen(&[("no_proxy", "10.0.0.1/8")], false), None);
        assert_eq!(chosen(&[("http_proxy", "socks9://p"), ("no_proxy", "*")], false), None);
        assert_eq!(chosen(&[("http_proxy", "socks9://p")], true), None);
    }

    #[test]
    fn rules() {
        let environment = lookup(&[("all_proxy", "p"), ("no_proxy", "direct")]);
        let fixed = ProxyUrl::parse("socks5://fixed").unwrap();
        let no_proxy = NoProxy::parse("h.example:80").unwrap();
        let chosen = |proxies: &Proxies, host, port| {
            let rules = ProxyRules { proxies: proxies.clone(), no_proxy: no_proxy.clone() };
            rules.choose(&environment, false, host, port).unwrap().map(|proxy| proxy.host)
        };
        for (proxies, there) in [
            (Proxies::None, None),
            (Proxies::Fixed(fixed), Some("fixed".to_owned())),
            (Proxies::Environment, Some("p".to_owned())),
        ] {
            assert_eq!(chosen(&proxies, "h.example", 80), None);
            assert_eq!(chosen(&proxies, "h.example", 81), there);
        }
        assert_eq!(chosen(&Proxies::Environment, "direct", 80), None);
        assert_eq!(ProxyRules::default().proxies, Proxies::None);
    }
}
