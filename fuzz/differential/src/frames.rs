//! What an input of frames is, by a reader of its own that judges nothing: whatever a frame says, the next one
//! begins behind it.

/// One frame, perhaps cut off.
pub struct Frame {
    pub first: u8,
    /// The length is written as short as it can be.
    pub shortest: bool,
    pub length: u64,
    /// All of it is there.
    pub whole: bool,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0F
    }

    pub fn is_final(&self) -> bool {
        self.first & 0x80 != 0
    }
}

/// All of them, the last perhaps cut off; and whether a part of a header is left.
pub fn read(mut bytes: &[u8]) -> (Vec<Frame>, bool) {
    let mut frames = Vec::new();
    while let Some((frame, size)) = read_one(bytes) {
        frames.push(frame);
        bytes = bytes.get(size..).unwrap_or_default();
    }
    (frames, !bytes.is_empty())
}

/// Whether a message has begun in these frames and not ended.
pub fn is_unfinished(frames: &[Frame]) -> bool {
    let mut data = frames.iter().filter(|frame| frame.opcode() < 8);
    data.next_back().is_some_and(|frame| !frame.is_final())
}

fn read_one(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (extra, least) = match second & 0x7F {
        126 => (2, 126),
        127 => (8, 1 << 16),
        _ => (0, 0),
    };
    let digits = bytes.get(2..2 + extra)?;
    let length = match extra {
        0 => u64::from(second & 0x7F),
        _ => digits.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
    };
    let mut at = 2 + extra;
    let mut key = [0; 4];
    if second & 0x80 != 0 {
        key.copy_from_slice(bytes.get(at..at + 4)?);
        at += 4;
    }
    let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
    let there = &bytes[at..end.unwrap_or(bytes.len()).min(bytes.len())];
    let payload = there.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let whole = there.len() as u64 == length;
    let frame = Frame { first, shortest: length >= least, length, whole, payload };
    Some((frame, end.unwrap_or(usize::MAX)))
}
