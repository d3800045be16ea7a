//! Complete HTTP responses: what a listener answers when it does not switch protocols.

use super::headers::write_header;

/// The usual words after a status.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "Unknown",
    }
}

/// A whole response that says that the connection ends after it. `head_only` answers a HEAD request:
/// the length is told, the body stays here.
pub fn http_response(
    status: u16,
    headers: &[(String, String)],
    content_type: Option<&str>,
    body: &[u8],
    head_only: bool,
) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status)).into_bytes();
    // RFC 9110 section 15.5.22: 426 must say what to upgrade to.
    if status == 426 {
        write_header(&mut out, "Upgrade", "websocket");
        write_header(&mut out, "Connection", "Upgrade, close");
    } else {
        write_header(&mut out, "Connection", "close");
    }
    let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    // RFC 9110 section 8.6: these statuses have no content, and 204 not even a length.
    let has_content = !matches!(status, 100..=199 | 204 | 304);
    if has_content {
        if let Some(content_type) = content_type.filter(|_| !has_type) {
            write_header(&mut out, "Content-Type", content_type);
        }
        write_header(&mut out, "Content-Length", &body.len().to_string());
    }
    for (name, value) in headers {
        write_header(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    if has_content && !head_only {
        out.extend_from_slice(body);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(
        status: u16,
        headers: &[(&str, &str)],
        content_type: Option<&str>,
        body: &str,
        head_only: bool,
    ) -> String {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        String::from_utf8(http_response(status, &headers, content_type, body.as_bytes(), head_only))
            .unwrap()
    }

    #[test]
    fn a_page() {
        assert_eq!(
            text(200, &[("X-A", "1")], Some("text/html"), "<p>hi", false),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n<p>hi"
        );
    }

    #[test]
    fn head_tells_the_length_and_keeps_the_body() {
        let response = text(200, &[], None, "hello", true);
        assert!(response.contains("Content-Length: 5\r\n") && response.ends_with("\r\n\r\n"));
    }

    #[test]
    fn no_content_has_no_length() {
        assert_eq!(
            text(204, &[], Some("a/b"), "x", false),
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        );
        assert!(!text(304, &[], None, "x", false).contains("Content-Length"));
    }

    #[test]
    fn an_application_s_content_type_stays_alone() {
        let response = text(200, &[("content-type", "a/b")], Some("c/d"), "", false);
        assert!(response.contains("content-type: a/b\r\n") && !response.contains("c/d"));
    }

    #[test]
    fn upgrade_required_says_to_what() {
        let response = text(426, &[], None, "", false);
        assert!(
            response.contains("Upgrade: websocket\r\nConnection: Upgrade, close\r\n"),
            "{response}"
        );
    }

    #[test]
    fn every_status_has_a_phrase() {
        for status in 100..=999 {
            assert!(!reason_phrase(status).is_empty());
        }
        assert_eq!((reason_phrase(101), reason_phrase(599)), ("Switching Protocols", "Unknown"));
    }
}
