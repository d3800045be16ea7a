//! From the bytes of a complete head to its parts, by way of httparse.

use super::{head::Fault, headers::Headers};

/// A request line and its headers.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// `GET`, mostly.
    pub method: String,
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
    let mut fields = vec![httparse::EMPTY_HEADER; count_lines(&head)];
    let mut request = httparse::Request::new(&mut fields);
    complete(request.parse(&head))?;
    Ok(RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        at_least_1_1: request.version == Some(1),
        headers: collect(request.headers),
    })
}

/// Parses a response head that [`HeadReader`](super::head::HeadReader) found complete.
pub fn parse_response(mut head: Vec<u8>) -> Result<ResponseHead, Fault> {
    settle_version(head.first_chunk_mut())?;
    let mut fields = vec![httparse::EMPTY_HEADER; count_lines(&head)];
    let mut response = httparse::Response::new(&mut fields);
    complete(response.parse(&head))?;
    let status = response.code.filter(|&code| code >= 100).ok_or(Fault::StartLine)?;
    Ok(ResponseHead {
        at_least_1_1: response.version == Some(1),
        status,
        reason: response.reason.unwrap_or_default().to_owned(),
        headers: collect(response.headers),
    })
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

fn count_lines(head: &[u8]) -> usize {
    head.iter().filter(|&&byte| byte == b'\n').count()
}

fn complete(parsed: httparse::Result<usize>) -> Result<(), Fault> {
    use httparse::Error;
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(Error::HeaderName | Error::HeaderValue) => Err(Fault::HeaderLine),
        Ok(httparse::Status::Partial) | Err(_) => Err(Fault::StartLine),
    }
}

fn collect(fields: &[httparse::Header<'_>]) -> Headers {
    let mut headers = Headers::default();
    for field in fields {
        match std::str::from_utf8(field.value) {
            Ok(value) => headers.push(field.name, value),
            // What is not UTF-8 was meant as Latin-1, the old encoding of HTTP.
            Err(_) => headers
                .push(field.name, &field.value.iter().copied().map(char::from).collect::<String>()),
        }
    }
    headers
}
