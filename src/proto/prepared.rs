//! A message made ready once for many connections.

use crate::error::{Code, Error, Result};
use crate::proto::event::Kind;
use crate::proto::utf8;
use crate::util::bytes::Bytes;

/// See the module.
pub struct Prepared {
    kind: Kind,
    data: Bytes,
}

impl Prepared {
    /// Text must be UTF-8.
    pub fn new(kind: Kind, data: Bytes) -> Result<Prepared> {
        if kind == Kind::Text && !utf8::is_valid((*data).as_ref()) {
            return Err(Error::new(Code::InvalidArgument, "text message is not valid UTF-8"));
        }
        Ok(Prepared { kind, data })
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message itself.
    pub fn data(&self) -> &[u8] {
        (*self.data).as_ref()
    }
}
