//! One connection and a peer that sends anything: however the bytes are cut, the same happens; whatever
//! happens, what leaves is valid and the connection comes to an end.

use super::Seed;
use super::input::{Input, length, pieces};
use super::support::raw::{self, BINARY, CLOSE, CONT, FIN, PING, PONG, Solo, TEXT};
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::{Kind, Transport};
use wsock::proto::frame::{self, Expect, Opcode};

const DEFLATE: u8 = 1;
const TIGHT: u8 = 2;
const TIMERS: u8 = 4;
const EOF: u8 = 8;
const TALKS: u8 = 16;
const CLOSES: u8 = 32;

pub fn run(role: Role, data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let params = params(&mut input, flags);
    let (sizes, steps) = (input.bytes(4), input.bytes(3));
    let stream = input.rest();
    let new = || Solo::with_deflate(role, config(flags), params);
    if flags & TIMERS == 0 {
        cut_anyhow(new(), new(), flags, sizes, stream);
    } else {
        at_any_pace(new(), flags, sizes, steps, stream);
    }
}

fn params(input: &mut Input, flags: u8) -> Option<Params> {
    let (takeover, bits) = (input.byte(), input.byte());
    (flags & DEFLATE != 0).then_some(Params {
        server_no_takeover: takeover & 1 != 0,
        client_no_takeover: takeover & 2 != 0,
        server_bits: 9 + bits % 7,
        client_bits: 8 + bits / 7 % 8,
    })
}

fn config(flags: u8) -> Config {
    let tight = flags & TIGHT != 0;
    let timers = flags & TIMERS != 0;
    Config {
        max_message: if tight { 300 } else { 100_000 },
        max_frame: if tight { 200 } else { 0 },
        max_fragments: if tight { 4 } else { 1000 },
        parts: false,
        max_control_rate: if tight { 5 } else { 0 },
        ping_interval_ms: if timers { 100 } else { 0 },
        pong_timeout_ms: 50,
        idle_timeout_ms: if timers { 1000 } else { 0 },
        close_timeout_ms: 70,
        deflate: Some(deflate::Config { min_size: 4, idle_ms: 150, ..deflate::Config::default() }),
        trace_frames: if tight { 3 } else { 0 },
    }
}

/// In one piece and in many, at one moment.
fn cut_anyhow(mut whole: Solo, mut cut: Solo, flags: u8, sizes: &[u8], stream: &[u8]) {
    for solo in [&mut whole, &mut cut] {
        if flags & TALKS != 0 {
            solo.conn.send(&mut solo.cx, solo.now, Kind::Text, b"hello hello hello", true).unwrap();
        }
        if flags & CLOSES != 0 {
            solo.conn.close(&mut solo.cx, solo.now, Some(3000), "enough").unwrap();
        }
    }
    whole.feed(stream);
    for piece in pieces(sizes, stream) {
        cut.feed(piece);
    }
    assert!(whole.seen == cut.seen, "{:?}\n{:?}", whole.seen, cut.seen);
    assert_eq!(whole.conn.stats(), cut.conn.stats());
    assert_eq!(whole.conn.next_timeout(), cut.conn.next_timeout());
    let (mut sent, mut sent_cut) = (whole.take_all(), cut.take_all());
    let either = flags & DEFLATE != 0 && [&whole, &cut].into_iter().all(inflating_failed);
    if !either {
        assert_eq!(whole.conn.closed(), cut.conn.closed());
        assert_eq!(sent, sent_cut);
    }
    end(&mut whole, flags, &mut sent);
    end(&mut cut, flags, &mut sent_cut);
    check_sent(&whole, &sent);
    check_sent(&cut, &sent_cut);
    assert!(either || whole.conn.closed() == cut.conn.closed());
}

/// A compressed text may be corrupt, too long and no UTF-8, all in one piece: which of these is told
/// depends on where the piece ends.
fn inflating_failed(solo: &Solo) -> bool {
    let error = solo.conn.closed().and_then(|closed| closed.error.as_ref());
    error.is_some_and(|error| {
        error.message.contains("compressed")
            || error.message.contains("message of more")
            || error.message.contains("UTF-8")
    })
}

/// Between the pieces time passes, the network takes some of what waits, and the application acts.
fn at_any_pace(mut solo: Solo, flags: u8, sizes: &[u8], steps: &[u8], stream: &[u8]) {
    let (mut sent, mut steps) = (Vec::new(), steps.iter().copied().cycle());
    for piece in pieces(sizes, stream) {
        solo.feed(piece);
        let step = steps.next().unwrap_or(0);
        let (conn, cx) = (&mut solo.conn, &mut solo.cx);
        let open = conn.closed().is_none();
        match step % 8 {
            1 if flags & TALKS != 0 => {
                let data = vec![b'a'; length(step) % 1000];
                let done = conn.send(cx, solo.now, Kind::Text, &data, step & 8 == 0);
                assert!(done.is_ok() || !open || flags & TIGHT != 0);
            }
            2 if flags & TALKS != 0 => {
                let pinged = conn.ping(cx, solo.now, b"?").map_err(|e| e.code);
                // The network may have taken nothing for long.
                assert!(pinged == Err(Code::Limit) || pinged.is_ok() == open, "{pinged:?}");
            }
            3 if flags & CLOSES != 0 => conn.close(cx, solo.now, None, "").expect("valid"),
            _ => {}
        }
        sent.extend(solo.take(length(step.rotate_left(3))));
        pass(&mut solo, u64::from(step));
    }
    sent.extend(solo.take_all());
    end_at_any_pace(&mut solo, flags, &mut sent);
    check_sent(&solo, &sent);
}

fn end_at_any_pace(solo: &mut Solo, flags: u8, sent: &mut Vec<u8>) {
    // Sooner or later the timers see that nobody is there.
    for _ in 0..100 {
        sent.extend(solo.take_all());
        pass(solo, 60);
    }
    end(solo, flags, sent);
}

/// Time passes; every timer fires when it is due and leaves nothing due.
fn pass(solo: &mut Solo, ms: u64) {
    let end = solo.now.plus_ms(ms);
    while let Some(due) = solo.conn.next_timeout().filter(|&due| due <= end) {
        solo.now = solo.now.max(due);
        solo.conn.handle_timeout(&mut solo.cx, solo.now);
        let next = solo.conn.next_timeout();
        assert!(next.is_none_or(|next| next > solo.now), "{next:?} at {:?}", solo.now);
    }
    solo.now = end;
}

/// All has been sent; the peer goes away, or the wait for it ends.
fn end(solo: &mut Solo, flags: u8, sent: &mut Vec<u8>) {
    sent.extend(solo.take_all());
    let closing = solo.conn.closed().is_some();
    if flags & EOF != 0 || !closing {
        solo.conn.recv_eof(solo.now);
    }
    pass(solo, 1000);
    assert_eq!(solo.conn.transport(), Transport::Drop);
    assert!(!solo.conn.has_output() && solo.conn.buffered() == 0);
    assert_eq!(solo.conn.next_timeout(), None);
    let closed = solo.closed().clone();
    assert!(!closed.clean || closed.code != 1006);
    assert!(closed.error.is_some() || closed.clean, "{closed:?}");
    assert!(!closed.reason.chars().any(|c| c == '\0') || closed.code != 1006);
    // What comes after the end changes nothing.
    solo.feed(&raw::frame_to(solo.role, FIN | TEXT, b"late"));
    let refused = solo.conn.send(&mut solo.cx, solo.now, Kind::Binary, b"", true).unwrap_err();
    assert_eq!(refused.code, Code::State);
    solo.conn.recv_eof(solo.now);
    assert_eq!(solo.closed(), &closed);
}

/// Valid frames of our role, the last perhaps cut off; one close frame at most, and nothing after it.
fn check_sent(solo: &Solo, mut bytes: &[u8]) {
    let expect = Expect { masked: solo.role == Role::Client, compression: true };
    let mut closed = false;
    while let Some(header) = frame::parse(bytes, expect).expect("we send valid frames") {
        assert!(!closed, "a frame after the close frame");
        assert!(header.fin && header.opcode != Opcode::Continuation);
        let rest = &bytes[header.size..];
        let Some(payload) = rest.get(..header.len as usize) else { break };
        if header.opcode == Opcode::Close {
            closed = true;
            let mut payload = payload.to_vec();
            payload.iter_mut().zip(header.key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
            wsock::proto::close::parse(&payload).expect("we send valid close frames");
        }
        bytes = &rest[header.len as usize..];
    }
    let sent_code = solo.conn.closed().and_then(|closed| closed.sent_code);
    assert!(sent_code.is_none() || closed, "a close frame that was not sent");
}

pub fn seeds(role: Role) -> Vec<Seed> {
    let frame = |first, payload: &[u8]| {
        let mut bytes = raw::frame_to(role, first, payload);
        // A key of zeros lets mutations through as they are.
        if role == Role::Server {
            let header = bytes.len() - payload.len();
            bytes[header - 4..header].fill(0);
            bytes[header..].copy_from_slice(payload);
        }
        bytes
    };
    let close = |code, reason| frame(FIN | CLOSE, &raw::close_payload(code, reason));
    let messages = [
        frame(FIN | TEXT, "κόσμε".as_bytes()),
        frame(BINARY, b"one"),
        frame(FIN | PING, b"?"),
        frame(FIN | CONT, b"two"),
        frame(FIN | PONG, b""),
        frame(FIN | BINARY, &[7; 300]),
        close(1000, "bye"),
    ]
    .concat();
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let again = b"\xf2\x00\x11\x00\x00";
    let compressed = [
        frame(FIN | 0x40 | TEXT, hello),
        frame(0x40 | BINARY, &hello[..3]),
        frame(FIN | CONT, &hello[3..]),
        frame(FIN | 0x40 | TEXT, again),
    ]
    .concat();
    let bad_text = [frame(TEXT, b"ok"), frame(CONT, b"\xf0\x9f"), frame(FIN | CONT, b"x")].concat();
    let pings = frame(FIN | PING, b"many").repeat(8);
    let with = |settings: [u8; 10], stream: &[u8]| [&settings, stream].concat();
    vec![
        ("whole", with([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &messages)),
        ("by_bytes", with([EOF, 0, 0, 1, 1, 1, 1, 0, 0, 0], &messages)),
        ("pieces", with([TALKS | CLOSES, 0, 0, 3, 17, 2, 64, 0, 0, 0], &messages)),
        ("paced", with([TIMERS | TALKS, 0, 0, 9, 5, 30, 2, 1, 10, 200], &messages)),
        ("compressed", with([DEFLATE, 0, 55, 2, 5, 3, 1, 0, 0, 0], &compressed)),
        (
            "no_takeover",
            with([DEFLATE | TIMERS | TALKS, 3, 6, 4, 5, 6, 7, 17, 25, 90], &compressed),
        ),
        ("bad_text", with([0, 0, 0, 4, 4, 4, 4, 0, 0, 0], &bad_text)),
        ("tight", with([TIGHT, 0, 0, 50, 50, 50, 50, 0, 0, 0], &[messages, pings].concat())),
        ("bad_code", with([EOF, 0, 0, 2, 2, 2, 2, 0, 0, 0], &close(1005, "no"))),
    ]
}
