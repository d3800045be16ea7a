//! Compression: anything can be inflated within bounds, and what was compressed comes back.

use super::Seed;
use super::input::{Input, length, pieces};
use wsock::error::{Code, Result};
use wsock::proto::config::{Config, Role};
use wsock::proto::deflate::codec::{CodecPool, Deflate};
use wsock::proto::deflate::{self, Params};
use wsock::util::pool::BufferPool;
use wsock::util::time::Time;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let params = params(&mut input);
    let sizes = input.bytes(4);
    if flags & 1 == 0 {
        let limit = length(input.byte()) as u64;
        anything(params, limit, sizes, input.rest());
    } else {
        there_and_back(params, flags, sizes, input);
    }
}

/// Two bytes say what was negotiated.
pub fn params(input: &mut Input) -> Params {
    let (flags, bits) = (input.byte(), input.byte());
    Params {
        server_no_takeover: flags & 1 != 0,
        client_no_takeover: flags & 2 != 0,
        server_bits: 9 + bits % 7,
        client_bits: 8 + bits / 7 % 8,
    }
}

/// The same verdict in one piece and in many; never more memory than the limit asks for.
fn anything(params: Params, limit: u64, sizes: &[u8], bytes: &[u8]) {
    let whole = inflate(params, limit, &[bytes]);
    let cut = inflate(params, limit, &pieces(sizes, bytes));
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        (Err(whole), Err(cut)) => assert_eq!(whole, cut),
        _ => panic!("{whole:?} in one piece, {cut:?} in many"),
    }
}

/// As earlier messages have left them.
fn buffers() -> BufferPool {
    let mut pool = BufferPool::default();
    for size in [100_000, 300_000, 1 << 20] {
        pool.put(Vec::with_capacity(size));
    }
    pool
}

/// The message twice, as the second may refer to the first.
fn inflate(params: Params, limit: u64, pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
    let mut pool = CodecPool::default();
    let mut side = Deflate::new(Role::Server, &Config::default(), params).expect("is built in");
    let mut messages = Vec::new();
    for _ in 0..2 {
        let (mut inflater, mut out) = (side.inflater(&mut pool), Vec::new());
        let mut buffers = buffers();
        for piece in pieces {
            inflater.push(&mut buffers, piece, &mut out, limit).inspect_err(known)?;
            assert!(out.len() as u64 <= limit && out.capacity() as u64 <= limit + 1);
        }
        inflater.finish(&mut buffers, &mut out, limit).inspect_err(known)?;
        assert!(out.len() as u64 <= limit && out.capacity() as u64 <= limit + 1);
        side.give_back(&mut pool, inflater);
        messages.push(out);
    }
    Ok(messages)
}

fn known(error: &wsock::error::Error) {
    assert!(matches!(
        (error.code, error.close_code),
        (Code::TooBig, 1009) | (Code::InvalidData, 1007)
    ));
}

/// A conversation: each message names its sender, how it repeats, and whether time passes before it.
fn there_and_back(params: Params, flags: u8, sizes: &[u8], mut input: Input) {
    let wanted = deflate::Config {
        level: 1 + u32::from(flags >> 4),
        server_takeover: flags & 2 != 0,
        client_takeover: flags & 4 != 0,
        ..deflate::Config::default()
    };
    let config = Config { deflate: Some(wanted), ..Config::default() };
    let mut pool = CodecPool::default();
    let [mut client, mut server] = [Role::Client, Role::Server]
        .map(|role| Deflate::new(role, &config, params).expect("is built in"));
    let mut now = Time(1);
    for _ in 0..16 {
        if input.is_empty() {
            break;
        }
        let (how, data) = (input.byte(), message(&mut input));
        let (from, to) =
            if how & 1 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        if how & 2 != 0 {
            now = now.plus_ms(6000);
            from.handle_timeout(now, &config);
            assert!(from.next_timeout(&config).is_none_or(|due| due > now));
        }
        let mut sent = Vec::new();
        if !from.compress(&mut pool, now, &data, &mut sent) {
            continue;
        }
        let (mut inflater, mut out) = (to.inflater(&mut pool), Vec::new());
        let mut buffers = buffers();
        let limit = data.len() as u64;
        for piece in pieces(sizes, &sent) {
            inflater
                .push(&mut buffers, piece, &mut out, limit)
                .expect("what was compressed is not corrupt");
        }
        inflater.finish(&mut buffers, &mut out, limit).expect("what was compressed is whole");
        assert!(out == data);
        to.give_back(&mut pool, inflater);
    }
}

/// Some bytes of the input, repeated to a length, with something that does not repeat in it.
fn message(input: &mut Input) -> Vec<u8> {
    let (len, unit) = (length(input.byte()), input.byte());
    let unit = input.bytes(unit as usize % 64 + 1);
    let mut data: Vec<u8> = unit.iter().copied().cycle().take(len).collect();
    for (i, chunk) in data.chunks_mut(97).enumerate() {
        chunk[0] ^= (i * i) as u8;
    }
    data
}

pub fn seeds() -> Vec<Seed> {
    let hello: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let final_block: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    let stored: &[u8] = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    let (mut bomb, mut pool) = (Vec::new(), CodecPool::default());
    let any = Params {
        server_no_takeover: true,
        client_no_takeover: true,
        server_bits: 15,
        client_bits: 15,
    };
    let mut side = Deflate::new(Role::Client, &Config::default(), any).expect("is built in");
    assert!(side.compress(&mut pool, Time(1), &[0; 60_000], &mut bomb));
    vec![
        ("hello", [&[0, 0, 55, 0, 0, 0, 0, 100], hello].concat()),
        ("by_bytes", [&[0, 2, 55, 1, 1, 1, 1, 100], hello].concat()),
        ("final", [&[0, 0, 55, 2, 0, 0, 0, 100], final_block, hello].concat()),
        ("stored", [&[0, 3, 0, 3, 0, 0, 0, 5], stored].concat()),
        ("bomb", [&[0, 2, 55, 3, 0, 0, 0, 230], &bomb[..]].concat()),
        ("fits", [&[0, 2, 55, 3, 0, 0, 0, 255], &bomb[..]].concat()),
        ("talk", b"\x17\x00\x37\x05\x00\x03\x00\x00\x40\x08helloworld\x01\xf0\x03abcdefg\x02\x80\x05again".to_vec()),
        ("no_takeover", b"\x07\x03\x00\x01\x00\x00\x00\x00\x60\x10hello hello hello world\x01\xdd\x03abcdefg".to_vec()),
    ]
}
