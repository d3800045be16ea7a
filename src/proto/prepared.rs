//! A message that goes to many connections: checked once, compressed at most once for each way of
//! compressing that somebody has negotiated, and referred to by all instead of copied.

use super::event::Kind;
use super::utf8;
use crate::error::{Code, Error, Result};
use crate::util::bytes::Bytes;
use std::sync::{Mutex, PoisonError};

/// The message. Any number of connections, of any number of loops, may send it at the same time.
pub struct Prepared {
    kind: Kind,
    data: Bytes,
    forms: Mutex<Vec<Form>>,
}

/// What compressing it came to.
struct Form {
    level: u8,
    bits: u8,
    /// `None` when it does not get smaller.
    bytes: Option<Bytes>,
}

impl Prepared {
    /// Refuses text that is not UTF-8.
    pub fn new(kind: Kind, data: Bytes) -> Result<Prepared> {
        if kind == Kind::Text && !utf8::is_valid((*data).as_ref()) {
            return Err(Error::new(Code::InvalidArgument, "text message is not valid UTF-8"));
        }
        Ok(Prepared::received(kind, data))
    }

    /// What a connection has received, and has checked.
    pub fn received(kind: Kind, data: Bytes) -> Prepared {
        Prepared { kind, data, forms: Mutex::default() }
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message.
    pub fn data(&self) -> &[u8] {
        (*self.data).as_ref()
    }

    /// The same, to be held on to.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// How often it has been compressed.
    pub fn compressions(&self) -> usize {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The compressed form for that level and window, which `make` makes when nobody has asked for it
    /// before. Whoever asks meanwhile waits: that is sooner than making it twice.
    pub fn compressed(
        &self,
        level: u8,
        bits: u8,
        make: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Bytes> {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let made = forms.iter().find(|form| (form.level, form.bits) == (level, bits));
        if let Some(form) = made {
            return form.bytes.clone();
        }
        let bytes = make(self.data()).map(|bytes| {
            let bytes: Bytes = std::sync::Arc::new(bytes.into_boxed_slice());
            bytes
        });
        forms.push(Form { level, bits, bytes: bytes.clone() });
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn text_is_checked_once() {
        assert!(Prepared::new(Kind::Text, Arc::new(b"\xff".to_vec())).is_err());
        assert!(Prepared::new(Kind::Binary, Arc::new(b"\xff".to_vec())).is_ok());
        assert_eq!(
            Prepared::new(Kind::Text, Arc::new("é".as_bytes().to_vec())).unwrap().data(),
            "é".as_bytes()
        );
    }

    #[test]
    fn each_form_is_made_once() {
        let message = Prepared::new(Kind::Text, Arc::new(b"text".to_vec())).unwrap();
        let first = message.compressed(1, 15, |data| Some(data[1..].to_vec())).unwrap();
        assert_eq!((*first).as_ref(), b"ext");
        let again = message.compressed(1, 15, |_| unreachable!("it has been made")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(message.compressed(6, 15, |_| None).is_none());
        assert!(message.compressed(6, 15, |_| unreachable!("it is known not to shrink")).is_none());
    }
}
