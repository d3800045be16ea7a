//! Decisions out of bytes. An input that has ended goes on with zeros.

/// What is left of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Input<'a> {
        Input(data)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// One of `n` cases.
    pub fn below(&mut self, n: usize) -> usize {
        self.byte() as usize % n
    }

    /// The next `n` bytes, or what there is.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// A length: mostly short, around the places where frame headers change, sometimes long.
pub fn length(byte: u8) -> usize {
    match byte {
        0..=199 => byte as usize,
        200..=219 => 65_526 + byte as usize - 200,
        220..=239 => (byte as usize - 219) * 1000,
        240..=255 => (byte as usize - 239) * 4000,
    }
}

/// `data` cut into pieces whose sizes come from `sizes`, again and again; 0 is all that is left.
pub fn pieces<'a>(sizes: &[u8], mut data: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !data.is_empty() {
        let size = sizes.next().map_or(0, |&size| length(size));
        let size = if size == 0 { data.len() } else { size.min(data.len()) };
        let (piece, rest) = data.split_at(size);
        pieces.push(piece);
        data = rest;
    }
    pieces
}
