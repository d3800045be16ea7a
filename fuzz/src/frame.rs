//! Frame headers: judged at every prefix as the rules say, and written as they were read.

use super::Seed;
use super::input::{Input, length};
use wsock::proto::frame::{Expect, MAX_HEADER, Opcode, parse, span, write};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let expect = Expect { masked: flags & 1 != 0, compression: flags & 2 != 0 };
    let bytes = input.rest();
    read(bytes, expect);
    written(bytes, expect);
}

fn read(bytes: &[u8], expect: Expect) {
    let (whole, broken) = (parse(bytes, expect), broken_after(bytes, expect));
    for end in 0..=bytes.len().min(MAX_HEADER + 1) {
        let verdict = parse(&bytes[..end], expect);
        assert_eq!(verdict.is_err(), broken.is_some_and(|at| at <= end), "{end} bytes");
        match (&verdict, &whole) {
            (Ok(None), Ok(Some(header))) => assert!(end < header.size),
            (Ok(None), _) => {}
            _ => assert_eq!(verdict, whole),
        }
    }
    let Ok(Some(header)) = whole else { return };
    assert!(header.size <= MAX_HEADER && header.len <= i64::MAX as u64);
    let mut again = Vec::new();
    let key = expect.masked.then_some(header.key);
    write(&mut again, header.opcode, header.rsv1, key, header.len as usize);
    again[0] &= if header.fin { 0xFF } else { 0x7F };
    assert_eq!(again, bytes[..header.size]);
    assert_eq!(span(&again) as u64, header.size as u64 + header.len);
}

/// Any frame that can be sent is read as it was meant.
fn written(bytes: &[u8], expect: Expect) {
    const OPCODES: [Opcode; 5] =
        [Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
    let mut input = Input::new(bytes);
    let opcode = OPCODES[input.below(5)];
    let len = length(input.byte()) << (input.byte() % 40);
    let len = if opcode.is_control() { len % 126 } else { len };
    let rsv1 = expect.compression && !opcode.is_control();
    let key = [input.byte(), input.byte(), input.byte(), input.byte()];
    let mut out = Vec::new();
    write(&mut out, opcode, rsv1, expect.masked.then_some(key), len);
    let header = parse(&out, expect).expect("valid").expect("whole");
    assert_eq!((header.fin, header.rsv1, header.opcode), (true, rsv1, opcode));
    assert_eq!((header.size, header.len), (out.len(), len as u64));
    assert_eq!(header.key, if expect.masked { key } else { [0; 4] });
}

/// After how many bytes sections 5.2 and 5.5 are broken.
fn broken_after(bytes: &[u8], expect: Expect) -> Option<usize> {
    let first = *bytes.first()?;
    let (opcode, fin) = (first & 0x0F, first & 0x80 != 0);
    let compressed = first & 0x40 != 0;
    if first & 0x30 != 0
        || matches!(opcode, 3..=7 | 11..=15)
        || (compressed && (!expect.compression || !matches!(opcode, 1 | 2)))
        || (opcode >= 8 && !fin)
    {
        return Some(1);
    }
    let second = *bytes.get(1)?;
    let short = second & 0x7F;
    if (second & 0x80 != 0) != expect.masked || (opcode >= 8 && short > 125) {
        return Some(2);
    }
    let (end, least) = match short {
        126 => (4, 126),
        127 => (10, 65_536),
        _ => return None,
    };
    let len = bytes.get(2..end)?.iter().fold(0, |len, &byte| len << 8 | u64::from(byte));
    (len < least || len >= 1 << 63).then_some(end)
}

pub fn seeds() -> Vec<Seed> {
    vec![
        ("text", b"\x00\x81\x05Hello".to_vec()),
        ("masked", b"\x01\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec()),
        ("compressed", b"\x02\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec()),
        ("fragment", b"\x00\x01\x03Hel\x80\x02lo".to_vec()),
        ("length_16", b"\x00\x82\x7e\x01\x00".to_vec()),
        ("length_64", b"\x01\x82\xff\0\0\0\0\0\x01\0\0\x01\x02\x03\x04".to_vec()),
        ("not_shortest", b"\x00\x82\x7f\0\0\0\0\0\0\xff\xff".to_vec()),
        ("ping", b"\x00\x89\x05Hello".to_vec()),
        ("long_close", b"\x00\x88\x7e\x00\x7e".to_vec()),
    ]
}
