//! Frame headers, RFC 6455 section 5.2: reading them with every rule that a header alone can break,
//! and writing them.

use super::close;
use super::event::Kind;
use crate::error::Result;

/// Bytes of the longest header: two, an eight-byte length, a masking key.
pub const MAX_HEADER: usize = 14;
/// Payload of a control frame, section 5.5.
pub const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;
const FIN_TEXT: u8 = FIN | Opcode::Text as u8;
const FIN_BINARY: u8 = FIN | Opcode::Binary as u8;

/// The frame types of RFC 6455.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the RFC
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// Close, ping, pong: short, whole, allowed between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= Opcode::Close as u8
    }
}

/// What the receiver insists on.
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// Frames of a client must be masked, those of a server must not.
    pub masked: bool,
    /// permessage-deflate was negotiated, so RSV1 may be set.
    pub compression: bool,
}

/// A header that passed every check of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The message is compressed.
    pub rsv1: bool,
    /// The type.
    pub opcode: Opcode,
    /// The masking key; zeros when the frame is not masked.
    pub key: [u8; 4],
    /// Bytes of the header itself.
    pub size: usize,
    /// Bytes of payload that follow. Only announced: nothing is to be allocated for it.
    pub len: u64,
}

/// Reads a header; `None` when more bytes are needed. A violation is reported from the first byte
/// that shows it.
#[inline]
pub fn parse(input: &[u8], expect: Expect) -> Result<Option<Header>> {
    let Some(&first) = input.first() else { return Ok(None) };
    let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
    let opcode = match Opcode::from_bits(first & 0x0F) {
        Some(opcode) if first & RSV2_RSV3 == 0 => opcode,
        _ => return Err(close::violation("reserved bits or a reserved opcode in a frame")),
    };
    if rsv1 && (!expect.compression || !matches!(opcode, Opcode::Text | Opcode::Binary)) {
        return Err(close::violation("RSV1 set on a frame that cannot begin a compressed message"));
    }
    if !fin && opcode.is_control() {
        return Err(close::violation("fragmented control frame"));
    }
    let Some(&second) = input.get(1) else { return Ok(None) };
    if (second & MASKED != 0) != expect.masked {
        return Err(close::violation(if expect.masked {
            "a frame of the client is not masked"
        } else {
            "a frame of the server is masked"
        }));
    }
    let short = second & !MASKED;
    if opcode.is_control() && short as usize > MAX_CONTROL {
        return Err(close::violation("control frame with more than 125 bytes"));
    }
    let (len, mut size) = match short {
        126 => match input.get(2..4) {
            Some(bytes) => (u64::from(u16::from_be_bytes([bytes[0], bytes[1]])), 4),
            None => return Ok(None),
        },
        127 => match input.get(2..10) {
            Some(bytes) => (u64::from_be_bytes(bytes.try_into().expect("eight bytes")), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if (short == 126 && len < 126) || (short == 127 && len <= 0xFFFF) {
        return Err(close::violation("payload length not in its shortest form"));
    }
    if len > i64::MAX as u64 {
        return Err(close::violation("payload length of 2^63 or more"));
    }
    let mut key = [0; 4];
    if expect.masked {
        match input.get(size..size + 4) {
            Some(bytes) => key.copy_from_slice(bytes),
            None => return Ok(None),
        }
        size += 4;
    }
    Ok(Some(Header { fin, rsv1, opcode, key, size, len }))
}

/// The header of a frame that is a whole message by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeHeader {
    /// Text or binary.
    pub kind: Kind,
    /// The masking key; zeros when the frame is not masked.
    pub key: [u8; 4],
    /// Bytes of the header itself.
    pub size: usize,
    /// Bytes of payload that follow.
    pub len: usize,
}

/// Reads the header of an uncompressed message in one frame of at most 65,535 bytes, if that is what comes
/// and if it is as it must be. Everything else is for [`parse`] to judge.
#[inline]
pub fn parse_whole(input: &[u8], masked: bool) -> Option<WholeHeader> {
    let &[first, second, ..] = input else { return None };
    let kind = match first {
        FIN_TEXT => Kind::Text,
        FIN_BINARY => Kind::Binary,
        _ => return None,
    };
    let len = second.wrapping_sub(if masked { MASKED } else { 0 });
    let (len, size) = match len {
        0..126 => (len as usize, 2),
        126 => {
            let &[_, _, high, low, ..] = input else { return None };
            (u16::from_be_bytes([high, low]) as usize, 4)
        }
        _ => return None,
    };
    if size == 4 && len < 126 {
        return None;
    }
    match masked {
        false => Some(WholeHeader { kind, key: [0; 4], size, len }),
        true => {
            let key = *input.get(size..)?.first_chunk()?;
            Some(WholeHeader { kind, key, size: size + 4, len })
        }
    }
}

/// Appends the header of a frame that is a whole message or control frame.
#[inline]
pub fn write(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, key: Option<[u8; 4]>, len: usize) {
    write_part(out, true, opcode, rsv1, key, len);
}

/// Appends the header of a frame that ends its message only with `fin`.
#[inline(always)]
pub fn write_part(
    out: &mut Vec<u8>,
    fin: bool,
    opcode: Opcode,
    rsv1: bool,
    key: Option<[u8; 4]>,
    len: usize,
) {
    let first = if fin { FIN } else { 0 } | if rsv1 { RSV1 } else { 0 } | opcode as u8;
    let masked = if key.is_some() { MASKED } else { 0 };
    match len {
        0..=125 => out.extend_from_slice(&[first, masked | len as u8]),
        126..=0xFFFF => {
            let [high, low] = (len as u16).to_be_bytes();
            out.extend_from_slice(&[first, masked | 126, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
}

/// Whole length of the frame that `write` began at the start of `frames`.
pub fn span(frames: &[u8]) -> usize {
    let key = if frames[1] & MASKED != 0 { 4 } else { 0 };
    match frames[1] & !MASKED {
        126 => 4 + key + u16::from_be_bytes([frames[2], frames[3]]) as usize,
        127 => {
            10 + key + u64::from_be_bytes(frames[2..10].try_into().expect("eight bytes")) as usize
        }
        short => 2 + key + short as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const SERVER: Expect = Expect { masked: true, compression: false };
    const CLIENT: Expect = Expect { masked: false, compression: false };

    fn refused(bytes: &[u8], expect: Expect) -> bool {
        match parse(bytes, expect) {
            Err(error) => error.code == Code::Protocol && error.close_code == 1002,
            Ok(_) => false,
        }
    }

    #[test]
    fn what_is_written_is_read_at_every_length_boundary() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40] {
            for key in [None, Some([1, 2, 3, 4])] {
                let mut bytes = Vec::new();
                write(&mut bytes, Opcode::Binary, false, key, len);
                let expect = Expect { masked: key.is_some(), compression: false };
                for cut in 0..bytes.len() {
                    assert_eq!(parse(&bytes[..cut], expect), Ok(None));
                }
                let header = parse(&bytes, expect).unwrap().unwrap();
                assert_eq!((header.len, header.size), (len as u64, bytes.len()));
                assert_eq!(header.key, key.unwrap_or_default());
                assert!(header.fin && header.opcode == Opcode::Binary);
                assert_eq!(span(&bytes), bytes.len() + len);
            }
        }
    }

    /// What the short way takes, the other takes alike; what it leaves, nobody may have taken.
    #[test]
    fn whole_messages_are_read_alike_by_both_ways() {
        let lengths: [&[u8]; 8] = [
            &[0],
            &[1],
            &[125],
            &[126, 0, 125],
            &[126, 0, 126],
            &[126, 255, 255],
            &[127, 0, 0, 0, 0, 0, 1, 0, 0],
            &[127, 0, 0, 0, 0, 0, 0, 0, 9],
        ];
        let mut whole = 0;
        for first in 0..=255 {
            for (masked, length) in [false, true].into_iter().flat_map(|m| lengths.map(|l| (m, l)))
            {
                let mut bytes = vec![first];
                bytes.extend_from_slice(length);
                bytes[1] |= if masked { MASKED } else { 0 };
                bytes.extend_from_slice(&[7, 8, 9, 10]);
                for expect in [SERVER, CLIENT] {
                    for cut in 0..=bytes.len() {
                        let short = parse_whole(&bytes[..cut], expect.masked);
                        let long = parse(&bytes[..cut], expect).ok().flatten();
                        if let Some(it) = short {
                            let long = long.expect("the other way takes it, too");
                            assert!(long.fin && !long.rsv1);
                            assert_eq!(long.opcode == Opcode::Text, it.kind == Kind::Text);
                            assert!(matches!(long.opcode, Opcode::Text | Opcode::Binary));
                            assert_eq!((long.key, long.size), (it.key, it.size));
                            assert_eq!(long.len, it.len as u64);
                            whole += 1;
                        } else if let Some(long) = long {
                            let plain = matches!(long.opcode, Opcode::Text | Opcode::Binary);
                            assert!(!(plain && long.fin && long.len <= 0xFFFF), "{bytes:?}");
                        }
                    }
                }
            }
        }
        assert!(whole > 20, "{whole}");
    }

    #[test]
    fn the_first_byte_is_judged_alone() {
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert!(refused(&[0x80 | opcode], SERVER));
        }
        for rsv in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
            assert!(refused(&[0x81 | rsv], SERVER));
        }
        for fragmented_control in [0x08, 0x09, 0x0A] {
            assert!(refused(&[fragmented_control], SERVER));
        }
        let compressed = Expect { masked: true, compression: true };
        assert!(parse(&[0xC1], compressed).is_ok() && parse(&[0x42], compressed).is_ok());
        for never in [0xC0, 0xC8, 0xC9, 0xCA, 0xE1, 0xD1] {
            assert!(refused(&[never], compressed));
        }
    }

    #[test]
    fn masking_is_required_one_way_and_refused_the_other() {
        assert!(refused(&[0x81, 0x00], SERVER));
        assert!(refused(&[0x81, 0x80], CLIENT));
    }

    #[test]
    fn control_frames_are_short() {
        assert!(parse(&[0x89, 125], CLIENT).is_ok());
        assert!(refused(&[0x89, 126], CLIENT));
        assert!(refused(&[0x88, 127], CLIENT));
    }

    #[test]
    fn lengths_are_minimal_and_below_2_to_63() {
        assert!(refused(&[0x82, 126, 0, 125], CLIENT));
        assert!(refused(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], CLIENT));
        assert!(refused(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], CLIENT));
        let longest = [0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(parse(&longest, CLIENT).unwrap().unwrap().len, i64::MAX as u64);
    }
}
