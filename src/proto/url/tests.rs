use super::*;
use crate::proto::http::auth::basic;
use proptest::prelude::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn refusal(text: &str) -> String {
    let error = Url::parse(text).expect_err(text);
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(!error.message.contains('\n'), "one line: {}", error.message);
    error.message.to_string()
}

#[test]
fn schemes_and_their_ports() {
    for (text, secure, port, href) in [
        ("ws://h", false, 80, "ws://h/"),
        ("WSS://h", true, 443, "wss://h/"),
        ("http://h", false, 80, "ws://h/"),
        ("HttpS://h", true, 443, "wss://h/"),
        ("ws://h:80", false, 80, "ws://h/"),
        ("wss://h:443", true, 443, "wss://h/"),
        ("ws://h:443", false, 443, "ws://h:443/"),
        ("wss://h:80", true, 80, "wss://h:80/"),
        ("ws://h:", false, 80, "ws://h/"),
        ("ws://h:0", false, 0, "ws://h:0/"),
        ("ws://h:65535/x", false, 65535, "ws://h:65535/x"),
        ("ws://h:0080/", false, 80, "ws://h/"),
    ] {
        let url = url(text);
        assert_eq!((url.secure, url.port, url.href().as_str()), (secure, port, href), "{text}");
    }
}

#[test]
fn bad_schemes_and_ports() {
    for text in ["", " ", "h", "/path", "ws:h", "ws:/h", "//h", "?"] {
        refusal(text);
    }
    for text in ["ftp://h", "://h", "ws+tls://h", "wss //h", "w\u{17f}://h"] {
        refusal(text);
    }
    assert!(refusal("ftp://h").contains("ws or wss"));
    assert!(refusal("example.com").contains("absolute"));
    for port in ["65536", "99999999999", "-1", "+80", "8o", "80:80", "%38", "\u{661}"] {
        assert!(refusal(&format!("ws://h:{port}/")).contains("from 0 to 65535"), "{port}");
    }
}

#[test]
fn hosts() {
    for (text, host, header) in [
        ("ws://ExAmple.COM/", "example.com", "example.com"),
        ("ws://ex%41mple.com", "example.com", "example.com"),
        ("ws://a_b.c.:81", "a_b.c.", "a_b.c.:81"),
        ("ws://127.0.0.1:8080", "127.0.0.1", "127.0.0.1:8080"),
        ("ws://xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("ws://[::1]", "::1", "[::1]"),
        ("ws://[2001:DB8:0:0::1]:9000/", "2001:db8::1", "[2001:db8::1]:9000"),
        ("wss://[::]:443", "::", "[::]"),
    ] {
        let url = url(text);
        assert_eq!((url.host.as_str(), url.host_header().as_str()), (host, header), "{text}");
    }
}

#[test]
fn bad_hosts() {
    assert!(refusal("ws:///path").contains("no host"));
    assert!(refusal("ws://?q").contains("no host"));
    assert!(refusal("ws://:80").contains("no host"));
    assert!(refusal("ws://user@/").contains("no host"));
    assert!(refusal("ws://b\u{fc}cher.example").contains("punycode"));
    assert!(refusal("ws://b%C3%BCcher.example").contains("punycode"));
    for text in [
        "[::1",
        "[::1]x",
        "[::1]]",
        "[]",
        "[::g]",
        "[1.2.3.4]",
        "[fe80::1%25eth0]",
        "[::1",
        "::1]",
        "[[::1]]",
    ] {
        refusal(&format!("ws://{text}/"));
    }
    for text in [
        "a%00b", "a%20b", "a%2fb", "a%3a80", "a%40b", "a%23b", "a%5bb", "a%7f", "a%", "a%zz",
        "a%2541", "a<b", "a|b", "a^b",
    ] {
        assert!(refusal(&format!("ws://{text}/")).contains("in its host"), "{text}");
    }
}

#[test]
fn characters_that_browsers_would_strip_are_told() {
    assert!(refusal("ws://h/a b").contains("%20"));
    assert!(refusal(" ws://h/").contains("space"));
    assert!(refusal("ws://h/#x").contains("fragment"));
    assert!(refusal("ws://h#").contains("fragment"));
    assert!(refusal("ws://h\\@evil/").contains("backslash"));
    for c in ['\r', '\n', '\t', '\0', '\x1b', '\x7f', '\u{85}'] {
        for text in [
            format!("ws://h/{c}"),
            format!("{c}ws://h"),
            format!("ws://h{c}/"),
            format!("ws://u{c}@h/"),
        ] {
            assert!(refusal(&text).contains("control character"), "{text:?}");
        }
    }
}

#[test]
fn resources() {
    for (text, resource) in [
        ("ws://h", "/"),
        ("ws://h?", "/?"),
        ("ws://h?a=/b?c@d:1", "/?a=/b?c@d:1"),
        ("ws://h/a/b;c=1,2?x=%20y&z", "/a/b;c=1,2?x=%20y&z"),
        ("ws://h/%7e~%zz%", "/%7e~%zz%"),
        ("ws://h/\"<>^`{}|'[]", "/%22%3C%3E%5E%60%7B%7D|'[]"),
        ("ws://h/?\"<>^`{}|'[]", "/?%22%3C%3E^`{}|%27[]"),
        ("ws://h/\u{e9}?\u{1f600}", "/%C3%A9?%F0%9F%98%80"),
        ("ws://h//a///b/", "//a///b/"),
        ("ws://h/@x:y", "/@x:y"),
    ] {
        assert_eq!(url(text).resource, resource, "{text}");
    }
}

#[test]
fn another_resource_of_the_same_server() {
    let from = url("wss://u:p@h:1/a?b");
    let next = from.with_resource("/c/../\u{e9}?\"").unwrap();
    assert_eq!(next, Url { resource: "/%C3%A9?%22".into(), ..from.clone() });
    for bad in ["/a b", "/a\r\nX: y", "/#x", "\\", ""] {
        assert!(from.with_resource(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn dot_segments_go() {
    for (path, resource) in [
        ("/.", "/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a/./b", "/a/b"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e", "/"),
        ("/a/%2e/b", "/a/b"),
        ("/a//../b", "/a/b"),
        ("/.//a", "//a"),
        ("/...", "/..."),
        ("/a?/../b", "/a?/../b"),
    ] {
        assert_eq!(url(&format!("ws://h{path}")).resource, resource, "{path}");
    }
}

#[test]
fn no_part_of_a_password_is_shown() {
    for text in ["ws://user:sec/ret@h/", "ws://user:sec?ret@h", "user:sec://ret@h"] {
        let error = Url::parse(text).expect_err(text);
        let message = &error.message;
        assert!(!message.contains("sec") && !message.contains("ret"), "{message}");
    }
    assert!(Url::parse("ws://h:x/@").is_err() && Url::parse("ws://h:80/a@b").is_ok());
}

#[test]
fn credentials_become_basic_authorization() {
    for (userinfo, header) in [
        ("Aladdin:open%20sesame", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        ("user", Some("Basic dXNlcjo=")),
        ("user:", Some("Basic dXNlcjo=")),
        (":pass", Some("Basic OnBhc3M=")),
        ("a:b:c", Some("Basic YTpiOmM=")),
        ("a@b", Some("Basic YUBiOg==")),
        ("\u{e9}", Some("Basic w6k6")),
        ("", None),
    ] {
        let url = url(&format!("ws://{userinfo}@h/p"));
        let value = url.credentials.as_ref().map(|credentials| basic(credentials).unwrap());
        assert_eq!((value.as_deref(), url.host.as_str()), (header, "h"), "{userinfo}");
        assert_eq!(url.href(), "ws://h/p", "no secrets on display");
    }
    assert_eq!(url("ws://h/").credentials, None);
    let expected = Credentials { user: "us er".into(), password: "p:\u{e9}".into() };
    assert_eq!(url("ws://us%20er:p:%C3%A9@h/").credentials, Some(expected));
    assert!(refusal("ws://%E9@h/").contains("UTF-8") && refusal("ws://a:%ff@h/").contains("UTF-8"));
    assert!(refusal("ws://a%3Ab:c@h/").contains("colon"));
    for text in ["a%0d%0aX:%20y", "a:b%00", "%7f"] {
        assert!(refusal(&format!("ws://{text}@h/")).contains("control character"), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*|wss?\\+unix:(//)?[/@][a-z/%:?0-9é]{0,20}|(ws|wss|http)://.{0,40}|ws://[\\[\\]:@%/?.#a-f0-9\\\\ é-]{0,30}") {
        if let Ok(url) = Url::parse(&text) {
            prop_assert!(url.resource.starts_with('/'));
            prop_assert!(url.resource.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(url.host_header().bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn a_normalised_url_stays_what_it_is(
        text in "(ws|wss|HTTP|https)://(([a-z:%0-9@]{0,6})@)?(\\[([0-9a-f]{0,4}:){1,7}(:?[0-9a-f]{1,4}|[0-9.]{7,11})\\]|[A-Za-z0-9._~!$&'()*+,;=-]{1,12}|[a-f0-9%]{4})(:[0-9]{0,4})?(/[^#\\\\\\s\\pC]{0,20}){0,3}(\\?[^#\\\\\\s\\pC]{0,20})?"
    ) {
        if let Ok(url) = Url::parse(&text) {
            let again = Url::parse(&url.href());
            prop_assert_eq!(again, Ok(Url { credentials: None, ..url }));
        }
    }

    #[test]
    fn a_normalised_path_of_a_socket_stays_what_it_is(
        text in "(ws|WSS)\\+unix:(//)?[/@]([^#\\\\\\s\\pC]|%[0-7][0-9A-F]){0,20}(:/[^#\\\\\\s\\pC]{0,10})?"
    ) {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.href()), Ok(url));
        }
    }
}
