//! Everything that can be sent, by a connection whose peer reads now and then: whole messages of every form,
//! those that may be dropped or replaced while they wait, messages in parts, pings; and the peer gets what was
//! accepted and not dropped, once and in order.

use super::Seed;
use super::input::{Input, length};
use super::support::Seen;
use super::support::raw::Solo;
use std::collections::BTreeMap;
use std::sync::Arc;
use wsock::error::Code;
use wsock::proto::config::{Config, Role};
use wsock::proto::conn::{Body, Queued, SendOptions, State, Taken};
use wsock::proto::deflate::{self, Params};
use wsock::proto::event::Kind;
use wsock::proto::prepared::Prepared;

const MAX_STEPS: usize = 200;
const PARTS: u8 = 2;
const DEFLATE: u8 = 4;
const LEAVES_UNFINISHED: u8 = 8;

/// A message that was accepted: where it stands in line, and its bytes.
#[derive(Clone)]
struct Accepted {
    place: usize,
    data: Vec<u8>,
}

/// A message in parts: its number, what has come of it, and whether it goes on after a close.
struct Stream {
    id: u32,
    accepted: Accepted,
    is_source: bool,
}

struct Talk {
    us: Solo,
    peer: Solo,
    flags: u8,
    places: usize,
    accepted: Vec<Accepted>,
    streams: Vec<Stream>,
    /// The place of the last message with that key.
    keys: BTreeMap<u64, usize>,
    dropped: u64,
    /// What we have sent and the peer has not read.
    wire: Vec<u8>,
    /// What the peer has been told in parts.
    partial: Vec<u8>,
    told: Vec<Vec<u8>>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut talk = Talk::new(&mut input);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        talk.step(&mut input);
    }
    talk.finish();
}

impl Talk {
    fn new(input: &mut Input) -> Talk {
        let (flags, takeover, bits) = (input.byte(), input.byte(), input.byte());
        let role = if flags & 1 == 0 { Role::Server } else { Role::Client };
        let params = (flags & DEFLATE != 0).then_some(Params {
            server_no_takeover: takeover & 1 != 0,
            client_no_takeover: takeover & 2 != 0,
            server_bits: 9 + bits % 7,
            client_bits: 9 + bits / 7 % 7,
        });
        let config = |parts| Config {
            parts,
            max_message: 1 << 26,
            max_control_rate: 0,
            ping_interval_ms: 0,
            deflate: Some(deflate::Config {
                min_size: 20,
                level: 1 + u32::from(takeover >> 6),
                server_takeover: takeover & 4 != 0,
                client_takeover: takeover & 8 != 0,
                ..deflate::Config::default()
            }),
            ..Config::default()
        };
        Talk {
            us: Solo::with_deflate(role, config(false), params),
            peer: Solo::with_deflate(role.peer(), config(flags & PARTS != 0), params),
            flags,
            places: 0,
            accepted: Vec::new(),
            streams: Vec::new(),
            keys: BTreeMap::new(),
            dropped: 0,
            wire: Vec::new(),
            partial: Vec::new(),
            told: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input) {
        match input.below(14) {
            0 => self.send(input),
            1..=3 => self.send_message(input),
            4 => self.send_quickly(input),
            5 => self.drop_oldest(length(input.byte())),
            6 => self.begin(input.byte()),
            7 | 8 => self.add_part(input),
            9 => self.abandon(input.byte()),
            10 => self.transmit(length(input.byte())),
            11 => self.refuse(),
            12 => self.peer_pings(input),
            _ => self.arrive(length(input.byte()).max(1)),
        }
        let buffered = self.us.conn.buffered();
        assert!(buffered == 0 || self.us.conn.state() != State::Open || self.has_more());
    }

    /// Something is left to be sent, or to come from a message in parts.
    fn has_more(&self) -> bool {
        self.us.conn.has_output() || !self.streams.is_empty()
    }

    /// The next message: its number, so that no two are alike, and more that compresses well or badly.
    fn message(&mut self, input: &mut Input) -> (Kind, Accepted) {
        let (how, size) = (input.byte(), input.byte());
        let seed = input.bytes(4).iter().map(|byte| byte & 0x7F);
        let place = self.new_place();
        let mut data = format!("{place:04x}").into_bytes();
        let body: Vec<u8> = match how & 2 {
            0 => seed.cycle().take(length(size)).collect(),
            _ => (0..length(size)).map(|n| (n.wrapping_mul(n) >> 3) as u8 & 0x7F).collect(),
        };
        data.extend(body);
        let kind = if how & 1 == 0 { Kind::Text } else { Kind::Binary };
        (kind, Accepted { place, data })
    }

    fn new_place(&mut self) -> usize {
        self.places += 1;
        self.places - 1
    }

    fn send(&mut self, input: &mut Input) {
        let (kind, message) = self.message(input);
        let compress = input.byte() & 1 == 0;
        let Solo { conn, cx, now, .. } = &mut self.us;
        let queued = conn.send(cx, *now, kind, &message.data, compress);
        assert_eq!(queued.expect("it is open").dropped.messages, 0);
        self.accepted.push(message);
    }

    fn send_message(&mut self, input: &mut Input) {
        let (kind, mut message) = self.message(input);
        let how = input.byte();
        let key = u64::from(how >> 2) % 4;
        let options = SendOptions { compress: how & 1 == 0, key, droppable: how & 2 != 0 };
        let (data, shared) = (message.data.clone(), Arc::new(message.data.clone()));
        let prepared = Arc::new(Prepared::new(kind, shared.clone()).expect("ASCII"));
        let body = match how >> 4 & 3 {
            0 => Body::Copy(kind, &data),
            1 => Body::Owned(kind, shared),
            _ => Body::Prepared(&prepared),
        };
        let replaceable = self.us.conn.replaceable(key);
        let Solo { conn, cx, now, .. } = &mut self.us;
        let Queued { buffered, dropped } =
            conn.send_message(cx, *now, &body, options).expect("it is open");
        assert_eq!(buffered, conn.buffered());
        assert!(dropped.messages <= 1 && (dropped.messages == 1) == replaceable.is_some());
        assert!(key != 0 || replaceable.is_none());
        if dropped.messages == 1 {
            assert_eq!(Some(dropped.bytes as usize), replaceable);
            message.place = self.keys[&key];
            self.dropped += 1;
        }
        self.keys.insert(key, message.place);
        self.accepted.push(message);
    }

    /// The ways for the usual case.
    fn send_quickly(&mut self, input: &mut Input) {
        let (kind, message) = self.message(input);
        let (how, most) = (input.byte(), length(input.byte()));
        let Solo { conn, cx, now, .. } = &mut self.us;
        let waited = conn.buffered();
        let taken = match how % 3 {
            0 => conn.send_plain(cx, *now, kind, &message.data, most),
            1 => {
                let prepared = Prepared::new(kind, Arc::new(message.data.clone())).expect("ASCII");
                conn.send_plain_prepared(cx, *now, &prepared, most)
            }
            _ if !conn.sends_directly(how & 4 == 0) => None,
            _ => {
                let wire = &mut self.wire;
                let queued = conn.send_from(cx, *now, kind, &message.data, |slices| {
                    let before = wire.len();
                    let all = slices.iter().flat_map(|slice| slice.iter());
                    wire.extend(all.take(most));
                    Taken { count: wire.len() - before, held: 0 }
                });
                assert_eq!(queued.expect("it is open").buffered, conn.buffered());
                self.accepted.push(message);
                return;
            }
        };
        if let Some(buffered) = taken {
            assert!(buffered <= most || waited == 0);
            assert_eq!(buffered, conn.buffered());
            self.accepted.push(message);
        }
    }

    fn drop_oldest(&mut self, bytes: usize) {
        let before = self.us.conn.buffered();
        let dropped = self.us.conn.drop_oldest(bytes);
        assert!(dropped.messages == 0 || dropped.bytes >= bytes as u64);
        assert!(self.us.conn.buffered() <= before);
        self.dropped += dropped.messages;
    }

    fn begin(&mut self, how: u8) {
        let kind = if how & 1 == 0 { Kind::Text } else { Kind::Binary };
        let (conn, compress, is_source) = (&mut self.us.conn, how & 2 == 0, how & 4 != 0);
        let begun = match is_source {
            true => conn.begin_source(kind, compress),
            false => conn.begin_stream(kind, compress),
        };
        let accepted = Accepted { place: self.new_place(), data: Vec::new() };
        self.streams.push(Stream { id: begun.expect("it is open"), accepted, is_source });
    }

    fn add_part(&mut self, input: &mut Input) {
        let (which, how, size) = (input.byte(), input.byte(), input.byte());
        if self.streams.is_empty() {
            return;
        }
        let which = usize::from(which) % self.streams.len();
        let text = format!("{which}:{size};").repeat(length(size) / 4 + 1);
        self.part(which, text.as_bytes(), how & 7 == 0);
    }

    fn part(&mut self, which: usize, data: &[u8], last: bool) {
        let stream = &mut self.streams[which];
        let Solo { conn, cx, now, .. } = &mut self.us;
        let bad = conn.stream_part(cx, *now, stream.id + 1_000, b"", false).expect_err("no such");
        assert_eq!(bad.code, Code::State);
        // No two messages are alike.
        let number = match stream.accepted.data.is_empty() {
            true => format!("{:04x}", stream.accepted.place),
            false => String::new(),
        };
        let data = [number.as_bytes(), data].concat();
        conn.stream_part(cx, *now, stream.id, &data, last).expect("it goes on");
        stream.accepted.data.extend(data);
        if last {
            let stream = self.streams.remove(which);
            self.accepted.push(stream.accepted);
        }
    }

    fn abandon(&mut self, which: u8) {
        if let Some(which) = usize::from(which).checked_rem(self.streams.len())
            && self.us.conn.abandon_stream(self.streams[which].id)
        {
            self.streams.remove(which);
        }
    }

    fn transmit(&mut self, limit: usize) {
        let bytes = self.us.take(limit);
        self.wire.extend(bytes);
    }

    /// The transport takes nothing.
    fn refuse(&mut self) {
        let Solo { conn, cx, now, .. } = &mut self.us;
        conn.sent(cx, *now, 0, 0);
    }

    fn peer_pings(&mut self, input: &mut Input) {
        let Solo { conn, cx, now, .. } = &mut self.peer;
        conn.ping(cx, *now, input.bytes(3)).expect("not a thousand of them");
        let bytes = self.peer.take_all();
        self.us.feed(&bytes);
    }

    /// So much of what was sent comes to the peer.
    fn arrive(&mut self, most: usize) {
        let piece: Vec<u8> = self.wire.drain(..most.min(self.wire.len())).collect();
        self.peer.feed(&piece);
        for seen in std::mem::take(&mut self.peer.seen) {
            match seen {
                Seen::Text(text) => self.told.push(text.into_bytes()),
                Seen::Binary(data) => self.told.push(data),
                Seen::Part(_, data, first, last) => {
                    assert_eq!(first, self.partial.is_empty());
                    self.partial.extend(data);
                    if last {
                        self.told.push(std::mem::take(&mut self.partial));
                    }
                }
                Seen::Ping(_) | Seen::Pong(_) => {}
            }
        }
    }

    fn finish(&mut self) {
        while self.flags & LEAVES_UNFINISHED == 0 && !self.streams.is_empty() {
            self.part(0, b"end", true);
        }
        // What only the loop can go on with is finished by it, after the close; the rest is lost.
        let unfinished = self.streams.len();
        self.streams.retain(|stream| stream.is_source);
        let lost = unfinished > self.streams.len();
        let Solo { conn, cx, now, .. } = &mut self.us;
        conn.close(cx, *now, Some(1000), "").expect("valid");
        while !self.peer.conn.closed().is_some_and(|closed| closed.clean) {
            let before = (self.told.len(), self.wire.len(), self.streams.len());
            self.transmit(usize::MAX);
            if let Some(id) = self.us.conn.stream_wants() {
                let which = self.streams.iter().position(|stream| stream.id == id);
                self.part(which.expect("one of ours"), b"end", true);
            }
            self.arrive(usize::MAX);
            let answers = self.peer.take_all();
            self.us.feed(&answers);
            let wrong = self.peer.conn.closed().and_then(|closed| closed.error.clone());
            assert_eq!(wrong, None);
            assert!(
                before != (self.told.len(), self.wire.len(), self.streams.len())
                    || self.peer.conn.closed().is_some()
                    || self.us.conn.has_output(),
                "nothing moves"
            );
        }
        self.check(lost);
    }

    fn check(&self, lost: bool) {
        let by_data: BTreeMap<&[u8], usize> =
            self.accepted.iter().map(|it| (&*it.data, it.place)).collect();
        let places: Vec<Option<&usize>> =
            self.told.iter().map(|data| by_data.get(&**data)).collect();
        assert!(places.iter().all(Option::is_some), "nobody sent that");
        assert!(places.is_sorted() && places.windows(2).all(|two| two[0] != two[1]), "{places:?}");
        let stats = self.us.conn.stats();
        assert_eq!(stats.dropped.messages, self.dropped);
        let all = self.told.len() as u64 + self.dropped;
        assert!(all == self.accepted.len() as u64 || lost && all < self.accepted.len() as u64);
        let closed = self.us.closed();
        assert!(closed.clean && (lost || closed.unsent == 0), "{closed:?}");
    }
}

pub fn seeds() -> Vec<Seed> {
    let with = |settings: [u8; 3], steps: &[&[u8]]| [&settings, &steps.concat()[..]].concat();
    let send: &[u8] = &[0, 0, 100, 1, 2, 3, 4, 0];
    let large: &[u8] = &[0, 3, 215, 1, 2, 3, 4, 0];
    let keyed = |how: u8| [1, 1, 90, 5, 6, 7, 8, how];
    let (copy, owned, prepared) = (keyed(4), keyed(16 + 6), keyed(32 + 10));
    let quick: &[u8] = &[4, 0, 60, 1, 1, 1, 1, 0, 200, 4, 1, 60, 1, 1, 1, 1, 1, 200];
    let direct: &[u8] = &[4, 1, 250, 1, 2, 3, 4, 6, 230];
    let (begin, source): (&[u8], &[u8]) = (&[6, 0], &[6, 5]);
    let (part, last): (&[u8], &[u8]) = (&[7, 0, 1, 200], &[7, 0, 0, 20]);
    let (take, arrive): (&[u8], &[u8]) = (&[10, 150], &[13, 120]);
    let ping: &[u8] = &[12, 1, 2, 3];
    let all: &[&[u8]] = &[send, take, &copy, &owned, &copy, &prepared, arrive, &[5, 90], large];
    vec![
        ("whole", with([0, 0, 0], all)),
        ("client", with([1, 0, 0], &[all, &[ping, take, &[11], arrive]].concat())),
        ("compressed", with([4, 12, 55], &[all, all].concat())),
        ("no_takeover", with([5, 3, 6], &[all, all].concat())),
        ("quick", with([0, 0, 0], &[quick, direct, take, quick, direct, arrive])),
        ("parts", with([2, 0, 0], &[begin, part, send, take, part, begin, part, ping, last, last])),
        ("parts_compressed", with([6, 12, 55], &[begin, part, take, part, arrive, last, send])),
        ("unfinished", with([8, 0, 0], &[begin, send, part, source, part, send, take, &[9, 0]])),
        ("source", with([9, 0, 0], &[source, part, take, send, &copy, ping, &[9, 0]])),
        ("abandoned", with([0, 0, 0], &[begin, begin, &[9, 1], &[9, 0], send, take])),
    ]
}
