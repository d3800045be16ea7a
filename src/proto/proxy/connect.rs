//! Through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6).

use crate::error::{Code, Error, Result};
use crate::proto::config::HeadLimits;
use crate::proto::http::auth::{Credentials, basic};
use crate::proto::http::head::{Fault, HeadReader, Kind};
use crate::proto::http::headers::write_header;
use crate::proto::http::parse::{ResponseHead, parse_response};
use crate::proto::http::reason_phrase;
use crate::proto::http::token::{is_token, list};
use crate::proto::url::parts::bracketed;

/// Asks a proxy for a tunnel and judges its answer.
pub struct Connect {
    request: Vec<u8>,
    authorized: bool,
    reader: HeadReader,
    done: bool,
}

/// Without the request, since there is a password in it.
impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Connect {
    /// `host` is that of a URL: a name or an address, IPv6 without brackets. Refuses what Basic
    /// authorization cannot carry.
    pub fn new(
        host: &str,
        port: u16,
        credentials: Option<&Credentials>,
        limits: &HeadLimits,
    ) -> Result<Connect> {
        let authority = format!("{}:{port}", bracketed(host));
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\n").into_bytes();
        write_header(&mut request, "Host", &authority);
        if let Some(credentials) = credentials {
            write_header(&mut request, "Proxy-Authorization", &basic(credentials)?);
        }
        request.extend_from_slice(b"\r\n");
        Ok(Connect {
            request,
            authorized: credentials.is_some(),
            reader: HeadReader::new(Kind::Response, limits),
            done: false,
        })
    }

    /// The bytes to send.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Takes bytes; says how many, and the end when there is one: the tunnel is open, or
    /// [`Code::Proxy`]. Bytes after the head are not taken: they come from the server.
    pub fn recv(&mut self, input: &[u8]) -> (usize, Option<Result<()>>) {
        let mut used = 0;
        while !self.done {
            let (count, end) = self.reader.push(&input[used..]);
            used += count;
            let Some(end) = end else { break };
            let head = end.and_then(|()| parse_response(self.reader.take()));
            if let Some(outcome) = self.judge(head) {
                self.done = true;
                return (used, Some(outcome));
            }
        }
        (used, None)
    }

    /// The proxy ended the stream.
    pub fn recv_eof(&self) -> Error {
        failed("the proxy closed the connection before the end of its answer")
    }

    /// The outcome of a head; `None` when more is to come.
    fn judge(&self, head: std::result::Result<ResponseHead, Fault>) -> Option<Result<()>> {
        match head {
            Err(fault) => Some(Err(failed(describe(fault)))),
            // Nothing was said that could be switched from: 101 is as wrong as any other.
            Ok(head) if head.status < 200 && head.status != 101 => None,
            Ok(head) if (200..300).contains(&head.status) => Some(Ok(())),
            Ok(head) => Some(Err(self.refused(&head))),
        }
    }

    fn refused(&self, head: &ResponseHead) -> Error {
        let status = head.status;
        let line = match printable(&head.reason) {
            reason if reason.is_empty() => format!("{status} {}", reason_phrase(status)),
            reason => format!("{status} {reason}"),
        };
        let message = match (status, self.authorized, other_scheme(head)) {
            (407, _, Some(other)) => format!(
                "the proxy refused with {line}: it wants {other} authorization, and only Basic is known here"
            ),
            (407, true, None) => format!("the proxy rejected the user and password with {line}"),
            (407, false, None) => {
                format!("the proxy refused with {line}: give user and password in the proxy URL")
            }
            _ => format!("the proxy refused to connect with {line}"),
        };
        failed(message.trim_end().to_owned()).with(|it| it.http_status = status)
    }
}

/// The scheme that a proxy asks for when it does not take Basic (RFC 9110 section 11.7.1).
fn other_scheme(head: &ResponseHead) -> Option<&str> {
    // Parameters are elements of the same list; their first word has a "=" and is no token.
    let elements = list(head.headers.get_all("Proxy-Authenticate"));
    let words = elements.filter_map(|element| element.split(' ').next());
    let mut schemes: Vec<&str> = words.filter(|word| is_token(word)).collect();
    schemes.retain(|word| word.len() <= 32);
    let basic = schemes.iter().any(|word| word.eq_ignore_ascii_case("Basic"));
    schemes.first().copied().filter(|_| !basic)
}

/// What of a reason phrase may stand in a line for a person.
fn printable(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::Proxy, message)
}

fn describe(fault: Fault) -> String {
    match fault {
        Fault::Tls => "the proxy speaks TLS on this port: use https://".into(),
        Fault::Frame | Fault::NotHttp => "the proxy does not speak HTTP on this port".into(),
        fault => format!("cannot read the proxy's answer: {fault}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::cuts::at_every_cut;

    fn user() -> Credentials {
        Credentials { user: "Aladdin".into(), password: "open sesame".into() }
    }

    fn connect(credentials: Option<&Credentials>) -> Connect {
        Connect::new("h", 80, credentials, &HeadLimits::default()).unwrap()
    }

    fn answered(credentials: Option<&Credentials>, answer: &str) -> (usize, Option<Result<()>>) {
        at_every_cut(answer.as_bytes(), || connect(credentials), Connect::recv)
    }

    fn refusal(credentials: Option<&Credentials>, answer: &str) -> Error {
        let error = answered(credentials, answer).1.expect("an outcome").expect_err(answer);
        assert_eq!(error.code, Code::Proxy);
        assert!(!error.message.contains(char::is_control) && !error.message.ends_with('.'));
        error
    }

    #[test]
    fn requests() {
        let request = |host, port, credentials: Option<&Credentials>| {
            let connect = Connect::new(host, port, credentials, &HeadLimits::default()).unwrap();
            String::from_utf8(connect.request().to_vec()).unwrap()
        };
        assert_eq!(
            request("example.com", 443, None),
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
        );
        assert_eq!(
            request("2001:db8::1", 80, None),
            "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"
        );
        assert_eq!(
            request("h", 80, Some(&user())),
            "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
    }

    #[test]
    fn success_takes_the_head_and_nothing_after_it() {
        for head in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n",
            // RFC 9110 section 9.3.6: such fields mean nothing here.
            "HTTP/1.1 204\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            for rest in ["", "HTTP/1.1 101 ", "\u{1}"] {
                let outcome = answered(None, &format!("{head}{rest}"));
                assert_eq!(outcome, (head.len(), Some(Ok(()))), "{head}");
            }
        }
    }

    #[test]
    fn an_answer_that_has_not_ended() {
        for answer in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 199 x\r\n\r\n"] {
            assert_eq!(answered(None, answer), (answer.len(), None));
        }
        let error = connect(None).recv_eof();
        assert_eq!((error.code, error.http_status), (Code::Proxy, 0));
        assert!(error.message.contains("closed the connection"));
    }

    #[test]
    fn refusals_say_the_status() {
        for (answer, status, message) in [
            ("HTTP/1.1 403 Forbidden", 403, "the proxy refused to connect with 403 Forbidden"),
            ("HTTP/1.1 502", 502, "the proxy refused to connect with 502 Bad Gateway"),
            ("HTTP/1.1 503 No route\t", 503, "the proxy refused to connect with 503 No route"),
            ("HTTP/1.1 302 Found", 302, "the proxy refused to connect with 302 Found"),
            ("HTTP/1.1 101 x", 101, "the proxy refused to connect with 101 x"),
            ("HTTP/1.0 999 ", 999, "the proxy refused to connect with 999 Unknown"),
        ] {
            let error = refusal(None, &format!("{answer}\r\nA: b\r\n\r\nbody"));
            assert_eq!((error.http_status, &*error.message), (status, message));
        }
        let long = refusal(None, &format!("HTTP/1.1 500 {}\r\n\r\n", "x".repeat(1000)));
        assert!(long.message.ends_with(&format!("500 {}", "x".repeat(100))));
    }

    #[test]
    fn a_407_says_what_to_do() {
        let answer = |headers: &str| format!("HTTP/1.1 407 Auth\r\n{headers}\r\n");
        for headers in [
            "",
            "Proxy-Authenticate: Basic realm=\"a, b\"\r\n",
            "Proxy-Authenticate: Digest realm=\"a\", qop=x, basic\r\n",
            "Proxy-Authenticate: NTLM\r\nProxy-Authenticate: BASIC realm=x\r\n",
        ] {
            let unknown = refusal(None, &answer(headers));
            assert_eq!(unknown.http_status, 407);
            let expected =
                "the proxy refused with 407 Auth: give user and password in the proxy URL";
            assert_eq!(unknown.message, expected, "{headers}");
            let known = refusal(Some(&user()), &answer(headers));
            assert_eq!(known.http_status, 407);
            assert_eq!(known.message, "the proxy rejected the user and password with 407 Auth");
        }
        for credentials in [None, Some(user())] {
            let headers = "Proxy-Authenticate: Negotiate, NTLM\r\n";
            let message = refusal(credentials.as_ref(), &answer(headers)).message.clone();
            assert!(message.contains("it wants Negotiate authorization"), "{message}");
            let headers = "Proxy-Authenticate: Digest realm=\"Basic, x\", nonce=\"a\"\r\n";
            let message = refusal(credentials.as_ref(), &answer(headers)).message.clone();
            assert!(message.contains("it wants Digest authorization"), "{message}");
        }
    }

    #[test]
    fn what_is_no_answer() {
        for (answer, part) in [
            ("\u{15}\u{3}\u{1}", "use https://"),
            ("\u{5}\u{0}", "does not speak HTTP"),
            ("SSH-2.0", "does not speak HTTP"),
            ("HTTP/2.0 200 OK\r\n\r\n", "version"),
            ("HTTP/1.1 20 OK\r\n\r\n", "first line is malformed"),
            ("HTTP/1.1 200 OK\n", "CR LF"),
            ("HTTP/1.1 200 OK\r\nA b\r\n\r\n", "header line is malformed"),
        ] {
            let error = refusal(None, answer);
            assert_eq!(error.http_status, 0);
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        let connect = connect(Some(&user()));
        let header = basic(&user()).unwrap();
        assert!(connect.request().windows(header.len()).any(|part| part == header.as_bytes()));
        let bytes = format!("{:?}", header.as_bytes());
        let bytes = bytes.trim_matches(['[', ']']);
        let shown = format!("{connect:?}");
        assert!(!shown.contains(&header) && !shown.contains(bytes), "{shown}");
    }

    #[test]
    fn limits_hold_over_all_heads() {
        let limits = HeadLimits { max_bytes: 60, ..HeadLimits::default() };
        let answer = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(3);
        let new = || Connect::new("h", 80, None, &limits).unwrap();
        let (used, outcome) = at_every_cut(&answer, new, Connect::recv);
        assert_eq!(used, 61);
        let error = outcome.expect("an outcome").expect_err("too much");
        assert!(error.message.contains("larger than 60 bytes"), "{error}");
    }
}
