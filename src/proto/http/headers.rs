//! A list of header fields, and the rules for those that an application adds.

use std::ops::Range;

use super::token::{is_token, leading_token, list, trim};
use crate::error::{Code, Error, Result};

/// Header fields in the order they came. Names are compared without regard to ASCII case.
///
/// All of them share one text, so that a head of any number of fields costs two allocations.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    text: String,
    fields: Vec<Field>,
}

/// What a head says under one name.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    headers: &'a Headers,
    name: &'static str,
    first: Option<&'a str>,
    several: bool,
}

impl<'a> Found<'a> {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.first.is_some()
    }

    /// The value, when it may stand there once only.
    pub fn single(&self) -> std::result::Result<Option<&'a str>, String> {
        match self.several {
            true => Err(format!("more than one {} header", self.name)),
            false => Ok(self.first),
        }
    }

    /// Whether a comma-separated list, possibly over repeated fields, has this token in any case.
    pub fn lists(&self, token: &str) -> bool {
        // Mostly it is the whole value.
        self.first.is_some_and(|first| first.eq_ignore_ascii_case(token))
            || list(self.all()).any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Every value.
    pub fn all(&self) -> impl Iterator<Item = &'a str> {
        let (headers, name) = (self.headers, self.name);
        // Mostly there is none.
        self.first.into_iter().flat_map(move |_| headers.get_all(name))
    }
}

/// Where in the text a field is.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

impl Headers {
    /// The fields of a head that is kept whole.
    pub(super) fn of_head(text: String, fields: Vec<Field>) -> Headers {
        Headers { text, fields }
    }

    /// Adds a field at the end; the spaces around its value go.
    pub fn push(&mut self, name: &str, value: &str) {
        let name = self.append(name);
        let value = self.append(trim(value));
        self.fields.push(Field { name, value });
    }

    fn append(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// The first value under this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every value under this name.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |field| self.is_named(field, name));
        named.map(|field| &self.text[field.value.clone()])
    }

    fn is_named(&self, field: &Field, name: &str) -> bool {
        // Most differ in length already.
        field.name.len() == name.len()
            && self.text.as_bytes()[field.name.clone()].eq_ignore_ascii_case(name.as_bytes())
    }

    /// What there is under each of these names, all found in one pass.
    pub fn find<const N: usize>(&self, names: [&'static str; N]) -> [Found<'_>; N] {
        let mut found =
            names.map(|name| Found { headers: self, name, first: None, several: false });
        for field in &self.fields {
            for found in &mut found {
                if self.is_named(field, found.name) {
                    found.several = found.first.is_some();
                    found.first.get_or_insert(&self.text[field.value.clone()]);
                }
            }
        }
        found
    }

    /// All fields as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |range: &Range<usize>| &self.text[range.clone()];
        self.fields.iter().map(move |field| (part(&field.name), part(&field.value)))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The value under a name that may stand there once only.
    pub fn single(&self, name: &'static str) -> std::result::Result<Option<&str>, String> {
        let [found] = self.find([name]);
        found.single()
    }

    /// Whether a comma-separated list, possibly over repeated fields, has this token in any case.
    pub fn lists(&self, name: &'static str, token: &str) -> bool {
        let [found] = self.find([name]);
        found.lists(token)
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Refuses a header that would not arrive as one field: the name must be a token and the value must
/// have no control character but the tab.
pub fn check_header(name: &str, value: &str) -> Result<()> {
    let refuse = |message: String| Err(Error::new(Code::InvalidArgument, message));
    if !is_token(name) {
        return refuse(format!(
            "the name of a header is empty or has characters not allowed there, after {:?}",
            leading_token(name)
        ));
    }
    if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return refuse(format!(
            "the value of the header {name:?} has a line break or another control character"
        ));
    }
    Ok(())
}

/// [`check_header`] for a field that an application adds: those that this library writes itself, and
/// those that would change where the message ends, are refused too.
pub fn check_application_header(name: &str, value: &str) -> Result<()> {
    const OURS: [&str; 5] =
        ["Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"];
    const PREFIX: &str = "Sec-WebSocket-";
    check_header(name, value)?;
    let prefixed = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    if prefixed || OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("the header {name:?} is set by the library and cannot be added"),
        ));
    }
    Ok(())
}

/// Writes one field. Values were checked when the application set them; should one slip through,
/// a space takes the place of what could start another field.
pub fn write_header(out: &mut Vec<u8>, name: &str, value: &str) {
    let safe = |byte: u8| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte };
    out.extend(name.bytes().map(safe));
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(safe));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Headers {
        let mut headers = Headers::default();
        headers.push("Cookie", " a=1\t");
        headers.push("Connection", "keep-alive, UPGRADE");
        headers.push("cookie", "b=2");
        headers
    }

    #[test]
    fn names_are_found_in_any_case_and_values_in_order() {
        let headers = fields();
        assert_eq!((headers.len(), headers.is_empty()), (3, false));
        assert_eq!(headers.get("COOKIE"), Some("a=1"));
        assert_eq!(headers.get_all("Cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(headers.get("Host"), None);
        assert_eq!(headers.iter().nth(2), Some(("cookie", "b=2")));
        assert!(Headers::default().is_empty());
    }

    #[test]
    fn two_are_not_single() {
        let headers = fields();
        assert_eq!(headers.single("Connection"), Ok(Some("keep-alive, UPGRADE")));
        assert_eq!(headers.single("Host"), Ok(None));
        assert_eq!(headers.single("Cookie"), Err("more than one Cookie header".to_owned()));
    }

    #[test]
    fn lists_have_whole_tokens() {
        let headers = fields();
        assert!(
            headers.lists("connection", "Upgrade") && headers.lists("connection", "keep-alive")
        );
        assert!(!headers.lists("connection", "keep") && !headers.lists("connection", ""));
    }

    #[test]
    fn what_could_start_another_field_is_refused() {
        assert!(check_header("X-Token", "a b\tc; \u{e9}").is_ok() && check_header("X", "").is_ok());
        for name in ["", "a b", "a:", "a\r\nb", "\u{e9}", "a\0"] {
            assert_eq!(
                check_header(name, "v").unwrap_err().code,
                Code::InvalidArgument,
                "{name:?}"
            );
        }
        for value in ["a\rb", "a\nb", "a\r\nX: y", "\0", "a\x7f", "\x1b[0m"] {
            assert_eq!(
                check_header("X", value).unwrap_err().code,
                Code::InvalidArgument,
                "{value:?}"
            );
        }
    }

    #[test]
    fn what_the_library_writes_is_not_for_the_application() {
        for name in [
            "host",
            "UPGRADE",
            "Connection",
            "sec-websocket-key",
            "Sec-WebSocket-",
            "Content-length",
            "transfer-encoding",
        ] {
            assert!(check_header(name, "v").is_ok());
            assert!(check_application_header(name, "v").is_err(), "{name}");
        }
        for name in
            ["Authorization", "Cookie", "Origin", "Sec-WebSocke", "Sec-Fetch-Mode", "X-Host"]
        {
            assert!(check_application_header(name, "v").is_ok(), "{name}");
        }
        assert!(check_application_header("X", "a\nb").is_err());
    }

    #[test]
    fn a_line_break_never_reaches_the_wire() {
        let mut out = Vec::new();
        write_header(&mut out, "X\r\nY", "a\r\nZ: \0b");
        assert_eq!(out, b"X  Y: a  Z:  b\r\n");
    }
}
