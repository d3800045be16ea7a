//! From the bytes of a complete head to its parts, by way of httparse.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::head::Fault;
use super::headers::{Field, Headers};

/// A request line and its headers.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// `GET`, mostly.
    pub method: Cow<'static, str>,
    /// As sent.
    pub target: String,
    /// HTTP/1.1 or a later 1.x.
    pub at_least_1_1: bool,
    /// In their order.
    pub headers: Headers,
}

/// A status line and its headers.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// HTTP/1.1 or a later 1.x.
    pub at_least_1_1: bool,
    /// Three digits, at least 100.
    pub status: u16,
    /// May be empty.
    pub reason: String,
    /// In their order.
    pub headers: Headers,
}

/// Parses a request head that [`HeadReader`](super::head::HeadReader) found complete.
pub fn parse_request(mut head: Vec<u8>) -> Result<RequestHead, Fault> {
    let line_end = head.iter().position(|&byte| byte == b'\r').ok_or(Fault::StartLine)?;
    settle_version(head[..line_end].last_chunk_mut())?;
    let (mut few, mut many) = ([const { MaybeUninit::uninit() }; FEW], Vec::new());
    let mut request = httparse::Request::new(&mut []);
    complete(request.parse_with_uninit_headers(&head, room(&head, &mut few, &mut many)))?;
    let method = match request.method.unwrap_or_default() {
        "GET" => Cow::Borrowed("GET"),
        other => Cow::Owned(other.to_owned()),
    };
    let target = request.path.unwrap_or_default().to_owned();
    let at_least_1_1 = request.version == Some(1);
    let fields = locate(&head, request.headers);
    Ok(RequestHead { method, target, at_least_1_1, headers: collect(head, fields) })
}

/// Parses a response head that [`HeadReader`](super::head::HeadReader) found complete.
pub fn parse_response(mut head: Vec<u8>) -> Result<ResponseHead, Fault> {
    settle_version(head.first_chunk_mut())?;
    let (mut few, mut many) = ([const { MaybeUninit::uninit() }; FEW], Vec::new());
    let mut response = httparse::Response::new(&mut []);
    let room = room(&head, &mut few, &mut many);
    complete(httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        &head,
        room,
    ))?;
    let status = response.code.filter(|&code| code >= 100).ok_or(Fault::StartLine)?;
    let reason = response.reason.unwrap_or_default().to_owned();
    let at_least_1_1 = response.version == Some(1);
    let fields = locate(&head, response.headers);
    Ok(ResponseHead { at_least_1_1, status, reason, headers: collect(head, fields) })
}

/// So many fields are parsed without an allocation.
const FEW: usize = 32;

/// Room for as many fields as there are lines.
fn room<'r, 'b>(
    head: &[u8],
    few: &'r mut [MaybeUninit<httparse::Header<'b>>; FEW],
    many: &'r mut Vec<MaybeUninit<httparse::Header<'b>>>,
) -> &'r mut [MaybeUninit<httparse::Header<'b>>] {
    let lines = head.iter().filter(|&&byte| byte == b'\n').count();
    if lines <= FEW {
        return few;
    }
    many.resize_with(lines, MaybeUninit::uninit);
    many
}

/// A later HTTP/1.x is to be treated as the latest that we know (RFC 9110 section 2.5), which
/// httparse leaves to us; another major version is a different protocol.
fn settle_version(version: Option<&mut [u8; 8]>) -> Result<(), Fault> {
    match version {
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor]) if minor.is_ascii_digit() => {
            *minor = (*minor).min(b'1');
            Ok(())
        }
        Some([b'H', b'T', b'T', b'P', b'/', ..]) => Err(Fault::Version),
        _ => Err(Fault::StartLine),
    }
}

fn complete(parsed: httparse::Result<usize>) -> Result<(), Fault> {
    use httparse::Error;
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(Error::HeaderName | Error::HeaderValue) => Err(Fault::HeaderLine),
        Ok(httparse::Status::Partial) | Err(_) => Err(Fault::StartLine),
    }
}

/// Where in the head the fields are that were found there.
fn locate(head: &[u8], fields: &[httparse::Header<'_>]) -> Vec<Field> {
    let place = |part: &[u8]| {
        let start = part.as_ptr() as usize - head.as_ptr() as usize;
        start..start + part.len()
    };
    let at = |field: &httparse::Header<'_>| Field {
        name: place(field.name.as_bytes()),
        value: place(trim_bytes(field.value)),
    };
    fields.iter().map(at).collect()
}

/// As [`trim`](super::token::trim).
fn trim_bytes(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn collect(head: Vec<u8>, fields: Vec<Field>) -> Headers {
    let head = match String::from_utf8(head) {
        Ok(text) => return Headers::of_head(text, fields),
        Err(e) => e.into_bytes(),
    };
    let mut headers = Headers::default();
    for field in fields {
        let name = String::from_utf8_lossy(&head[field.name]);
        match std::str::from_utf8(&head[field.value.clone()]) {
            Ok(value) => headers.push(&name, value),
            // What is not UTF-8 was meant as Latin-1, the old encoding of HTTP.
            Err(_) => headers.push(
                &name,
                &head[field.value].iter().copied().map(char::from).collect::<String>(),
            ),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &[u8]) -> Result<RequestHead, Fault> {
        parse_request(head.to_vec())
    }

    fn response(head: &[u8]) -> Result<ResponseHead, Fault> {
        parse_response(head.to_vec())
    }

    #[test]
    fn parts_of_a_request() {
        let head =
            request(b"GET /a?b HTTP/1.1\r\nHost: h\r\nX-Empty:\r\nx-a:\t 1 \r\n\r\n").unwrap();
        assert_eq!((&*head.method, head.target.as_str(), head.at_least_1_1), ("GET", "/a?b", true));
        let fields: Vec<_> = head.headers.iter().collect();
        assert_eq!(fields, [("Host", "h"), ("X-Empty", ""), ("x-a", "1")]);
    }

    #[test]
    fn parts_of_a_response() {
        let head = response(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n").unwrap();
        assert_eq!(
            (head.status, head.reason.as_str(), head.headers.get("a")),
            (404, "Not Found", Some("b"))
        );
        let bare = response(b"HTTP/1.1 500\r\n\r\n").unwrap();
        assert_eq!((bare.status, bare.reason.as_str(), bare.headers.len()), (500, "", 0));
    }

    #[test]
    fn versions() {
        for (version, expected) in [
            ("HTTP/1.0", Ok(false)),
            ("HTTP/1.1", Ok(true)),
            ("HTTP/1.2", Ok(true)),
            ("HTTP/1.9", Ok(true)),
            ("HTTP/2.0", Err(Fault::Version)),
            ("HTTP/0.9", Err(Fault::Version)),
            ("http/1.1", Err(Fault::StartLine)),
        ] {
            let asked = request(format!("GET / {version}\r\n\r\n").as_bytes());
            assert_eq!(asked.map(|head| head.at_least_1_1), expected, "{version}");
            let answered = response(format!("{version} 200 OK\r\n\r\n").as_bytes());
            assert_eq!(answered.map(|head| head.at_least_1_1), expected, "{version}");
        }
    }

    #[test]
    fn malformed_start_lines() {
        for line in [
            "GET  / HTTP/1.1",
            "GET / x HTTP/1.1",
            "GET HTTP/1.1",
            "G@T / HTTP/1.1",
            " / HTTP/1.1",
            "GET /\t HTTP/1.1",
        ] {
            assert_eq!(
                request(format!("{line}\r\n\r\n").as_bytes()),
                Err(Fault::StartLine),
                "{line}"
            );
        }
        for line in [
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1",
            "HTTP/1.1 099 x",
            "HTTP/1.1  200 OK",
            "HTTP/1.1200 OK",
        ] {
            assert_eq!(
                response(format!("{line}\r\n\r\n").as_bytes()),
                Err(Fault::StartLine),
                "{line}"
            );
        }
        assert_eq!(request(b"GET /\xff HTTP/1.1\r\n\r\n"), Err(Fault::StartLine));
    }

    #[test]
    fn malformed_header_lines() {
        for line in ["Host : h", "Host\t: h", ": h", "Host", "Ho st: h", "H(: h", "\u{e9}: h"] {
            let request = request(format!("GET / HTTP/1.1\r\n{line}\r\nA: b\r\n\r\n").as_bytes());
            assert_eq!(request, Err(Fault::HeaderLine), "{line}");
            let response =
                response(format!("HTTP/1.1 200 OK\r\n{line}\r\nA: b\r\n\r\n").as_bytes());
            assert_eq!(response, Err(Fault::HeaderLine), "{line}");
        }
    }

    #[test]
    fn values_are_utf_8_or_latin_1() {
        let head = request(b"GET / HTTP/1.1\r\nA: \xc3\xa9\r\nB: \xe9\r\n\r\n").unwrap();
        assert_eq!(
            (head.headers.get("A"), head.headers.get("B")),
            (Some("\u{e9}"), Some("\u{e9}"))
        );
    }
}
