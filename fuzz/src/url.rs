//! URLs: what is accepted is normal, stays as it is when it is read again, and makes a request that a
//! server understands.

use super::Seed;
use wsock::proto::config::HeadLimits;
use wsock::proto::handshake::client::{ClientHandshake, ClientSettings};
use wsock::proto::handshake::server::ServerHandshake;
use wsock::proto::http::auth::basic;
use wsock::proto::url::Url;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            assert!(!error.message.chars().any(char::is_control), "{error}");
            return;
        }
    };
    assert!(!url.host.is_empty() && !url.host.bytes().any(|byte| byte.is_ascii_uppercase()));
    assert!(url.resource.starts_with('/'));
    assert!(url.resource.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let again = Url::parse(&url.href()).expect("a normal URL is a URL");
    assert_eq!(again, Url { credentials: None, ..url.clone() });
    assert_eq!(again.href(), url.href());
    requested(&url);
}

fn requested(url: &Url) {
    let limits =
        HeadLimits { max_bytes: usize::MAX, max_line: usize::MAX, ..HeadLimits::default() };
    let client = ClientHandshake::new(url, &ClientSettings::default(), [7; 16])
        .expect("every URL can be asked for");
    let (used, outcome) = ServerHandshake::new(&limits).recv(client.request());
    // WHATWG allows a few characters in a host that RFC 3986 does not, and the server insists.
    if url.host.bytes().any(|byte| b"\"`{}".contains(&byte)) {
        return;
    }
    assert_eq!(used, client.request().len());
    let request = outcome.expect("a whole request").expect("a valid request");
    assert!(request.upgrade.is_some());
    assert_eq!((&*request.target, request.host()), (&*url.resource, &*url.host_header()));
    let authorization = url.credentials.as_ref().map(|who| basic(who).expect("as checked"));
    assert_eq!(request.headers.get("Authorization"), authorization.as_deref());
}

pub fn seeds() -> Vec<Seed> {
    [
        ("plain", "ws://example.com/chat?room=1"),
        ("secure", "WSS://user:p%40ss@Example.com:8443/a/../b/./c"),
        ("ipv6", "ws://[2001:DB8::1]:9001/"),
        ("http", "http://localhost:80?x=<y>'\"z"),
        ("escapes", "ws://ex%61mple.com/%2e%2E/a%zz/ä\"<>^`{|}"),
        ("port", "ws://h:65536/"),
        ("fragment", "ws://h/#x"),
        ("credentials", "ws://a%3Ab:c@h:/"),
        ("unix", "ws+unix:/run/%3Aa/../b.sock:/chat?x=1"),
        ("unix_slashes", "WSS+unix:////run/\u{e9}%25.sock"),
        ("abstract", "ws+unix:@name:?q"),
    ]
    .map(|(name, text)| (name, text.as_bytes().to_vec()))
    .to_vec()
}
