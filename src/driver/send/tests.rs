use super::*;
use crate::driver::fixtures::{Log, REQUEST, accepted, new_loop, turn_until};
use crate::driver::handler::Handler;
use crate::driver::loops::Loop;
use crate::driver::marks::Mark;
use crate::driver::ready::SHARE;
use crate::driver::settings::Settings;
use crate::driver::settle::MOST_SENT;
use crate::driver::{client, conn, listen, parts, retain, server, turn};
use socket2::SockRef;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

/// A client that is connected to a server of the same loop, and the logs of both.
fn open() -> (Loop, Id, [Arc<Log>; 2]) {
    open_with(&Settings::default())
}

fn open_with(settings: &Settings) -> (Loop, Id, [Arc<Log>; 2]) {
    let (owner, logs) = (new_loop(), [Log::new(), Log::new()]);
    let [here, there] = &logs;
    let server = listen::listen(owner, "127.0.0.1", 0, settings, there.clone()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    let id = client::connect(owner, &url, settings, here.clone()).unwrap();
    assert!(turn_until(owner, || here.count("open") == 1), "{:?}", here.events());
    (owner, id, logs)
}

/// On a thread that is not the loop's.
fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap())
}

fn text(id: Id, text: &str, overflow: Overflow) -> Option<Code> {
    let manner = Manner { overflow: Some(overflow), ..Manner::default() };
    let body = Body::Copy(Kind::Text, text.as_bytes());
    send(id, &body, manner).err().map(|error| error.code)
}

/// What other threads see of it: full, although it drained a moment ago.
fn looks_full(owner: Loop, id: Id) {
    let cell = owner.table().get(id).unwrap();
    cell.set_limits(10, 10);
    cell.set_buffered(100);
}

#[test]
fn who_was_refused_when_the_queue_had_just_drained_is_told() {
    let (owner, id, [log, _]) = open();
    looks_full(owner, id);
    let refused = elsewhere(|| [text(id, "x", Overflow::Refuse), text(id, "x", Overflow::Refuse)]);
    assert_eq!(refused, [Some(Code::Limit); 2]);
    assert_eq!(owner.inbox.take().len(), 1, "the loop is asked once");
    owner.push(Command::Refused(id)).unwrap();
    assert!(turn_until(owner, || log.count("drain") == 1), "{:?}", log.events());
    turn::free(owner).unwrap();
}

#[test]
fn who_is_paused_after_sending_has_failed_ends_all_the_same() {
    let (owner, log) = (new_loop(), Log::new());
    let (accepted, peer) = accepted(owner, &Settings::default(), &log);
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    conn::send(accepted, Kind::Text, b"nobody reads this", false).unwrap();
    conn::pause(accepted, true).unwrap();
    assert!(turn_until(owner, || log.count("close") == 1), "{:?}", log.events());
    assert_eq!(log.count("error ConnectionLost"), 1, "{:?}", log.events());
    turn::free(owner).unwrap();
}

#[test]
fn a_peer_that_is_too_slow_is_told_of_once() {
    let (owner, id, [log, _]) = open();
    looks_full(owner, id);
    owner.table().get(id).unwrap().refuse();
    let refused = elsewhere(|| [0; 100].map(|_| text(id, "x", Overflow::Close)));
    assert_eq!(refused, [Some(Code::Limit); 100]);
    let mut asked = owner.inbox.take();
    assert_eq!(asked.len(), 1, "memory must not pay for a loop that does not keep up");
    owner.push(asked.remove(0)).unwrap();
    assert!(turn_until(owner, || log.count("close") == 1), "{:?}", log.events());
    assert_eq!(log.count("error Policy"), 1, "{:?}", log.events());
    turn::free(owner).unwrap();
}

#[test]
fn what_one_thread_sends_keeps_its_order_also_behind_what_others_have_queued() {
    let (owner, id, [_, log]) = open();
    elsewhere(|| assert_eq!(text(id, "other", Overflow::Refuse), None));
    parts::send(id, Kind::Text, b"fir", true, false).unwrap();
    parts::send(id, Kind::Text, b"st", true, true).unwrap();
    conn::send(id, Kind::Text, b"second", true).unwrap();
    assert_eq!(text(id, "third", Overflow::Refuse), None);
    assert!(turn_until(owner, || log.count("message") == 4), "{:?}", log.events());
    let mine: Vec<_> = log.events().into_iter().filter(|it| !it.ends_with("other")).collect();
    assert_eq!(mine, ["open", "message first", "message second", "message third"]);
    turn::free(owner).unwrap();
}

#[test]
fn a_large_message_leaves_in_shares_so_that_others_have_their_turn() {
    let (owner, log) = (new_loop(), Log::new());
    let settings = Settings { max_buffered: 100 << 20, ..Settings::default() };
    let (id, mut peer) = accepted(owner, &settings, &log);
    let left = || owner.with(|core| Ok(core.session(id).unwrap().buffered())).unwrap();
    let total = 16 << 20;
    // Until the end: who went away with the last bytes unread would end the connection.
    let reader = std::thread::spawn(move || {
        let mut room = vec![0; 64 * 1024];
        let reads = std::iter::from_fn(|| peer.read(&mut room).ok().filter(|count| *count > 0));
        reads.sum::<usize>()
    });
    let body = Body::Owned(Kind::Binary, Arc::new(vec![0_u8; total]));
    send(id, &body, Manner::default()).unwrap();
    let mut before = total + 10;
    assert!(before - left() <= SHARE, "{} bytes left at once", before - left());
    // Nobody but the loop itself knows that the socket would take more.
    while left() > 0 {
        before = left();
        turn::turn(owner, &owner.enter_to_poll().unwrap(), Some(Duration::from_secs(10))).unwrap();
        let most = if before > MOST_SENT { SHARE } else { before };
        assert!(before - left() <= most, "{} of {before} bytes left in a turn", before - left());
    }
    turn::free(owner).unwrap();
    assert!(reader.join().unwrap() > 0);
}

#[test]
#[cfg(feature = "deflate")]
fn a_large_message_is_compressed_in_shares_so_that_others_have_their_turn() {
    let mut settings = Settings::default();
    settings.conn.deflate = Some(crate::proto::deflate::Config::default());
    let (owner, id, [_, there]) = open_with(&settings);
    let left = || owner.with(|core| Ok(core.session(id).unwrap().buffered())).unwrap();
    let message = "a".repeat(4 << 20);
    conn::send(id, Kind::Text, message.as_bytes(), true).unwrap();
    conn::close(id, None, "").unwrap();
    // Nobody but the loop itself knows that there is more to do.
    let mut turns = 0;
    while left() > 1 << 20 {
        turn::turn(owner, &owner.enter_to_poll().unwrap(), Some(Duration::from_secs(10))).unwrap();
        turns += 1;
    }
    assert!(turns >= 30, "{turns} turns");
    assert!(turn_until(owner, || there.count("close") == 1), "{:?}", there.events());
    assert!(there.events().contains(&format!("message {message}")));
    turn::free(owner).unwrap();
}

#[test]
#[cfg(feature = "deflate")]
fn what_compressing_makes_room_for_is_not_refused() {
    let mut settings = Settings { max_buffered: 1 << 20, ..Settings::default() };
    settings.conn.deflate = Some(crate::proto::deflate::Config::default());
    let (owner, id, [_, there]) = open_with(&settings);
    let message = "a".repeat(400_000);
    for _ in 0..10 {
        conn::send(id, Kind::Text, message.as_bytes(), true).unwrap();
    }
    let all = || there.count("message") == 10;
    assert!(turn_until(owner, all), "{}", there.count("message"));
    turn::free(owner).unwrap();
}

#[test]
fn who_waits_for_its_turn_to_send_is_not_taken_for_one_whose_peer_reads_nothing() {
    let (owner, log) = (new_loop(), Log::new());
    let mut settings = Settings { max_buffered: 100 << 20, ..Settings::default() };
    settings.conn.close_timeout_ms = 100;
    let (id, peer) = accepted(owner, &settings, &log);
    let body = Body::Owned(Kind::Binary, Arc::new(vec![0_u8; 64 << 20]));
    send(id, &body, Manner::default()).unwrap();
    conn::close(id, Some(1000), "").unwrap();
    std::thread::scope(|scope| {
        let mut reader = peer.try_clone().unwrap();
        scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        // The program was busy.
        std::thread::sleep(Duration::from_millis(300));
        let (before, after) = owner
            .with(|core| {
                let session = core.session(id).unwrap();
                let before = session.buffered();
                // However much its socket took of the message.
                session.mark(Mark::Writable, true);
                session.mark(Mark::Owes, true);
                core.tick();
                core.timed_out(id);
                let is_open = |it: &&mut Session| matches!(it.phase, Phase::Open(_));
                Ok((before, core.session(id).filter(is_open).map(|it| it.buffered())))
            })
            .unwrap();
        assert!(after.is_some_and(|after| after > 0 && after < before), "{before} {after:?}");
        turn::free(owner).unwrap();
        let _ = peer.shutdown(std::net::Shutdown::Both);
    });
}

/// Answers with two messages for which there is room only one after the other, the second in one part.
#[derive(Default)]
struct Two(Mutex<Vec<Option<Code>>>);

impl Handler for Two {
    fn on_message(&self, id: Id, kind: Kind, data: &[u8]) {
        let whole = conn::send(id, kind, data, true).map(drop);
        let part = parts::send(id, kind, data, true, true).map(drop);
        *self.0.lock().unwrap() = [whole, part].map(|it| it.err().map(|it| it.code)).into();
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn what_only_waits_for_the_end_of_the_turn_makes_room_for_a_part_too() {
    let (owner, two) = (new_loop(), Arc::new(Two::default()));
    let settings = Settings { max_buffered: 100, ..Settings::default() };
    let server = listen::listen(owner, "127.0.0.1", 0, &settings, two.clone()).unwrap();
    let log = Log::new();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    let id = client::connect(owner, &url, &Settings::default(), log.clone()).unwrap();
    assert!(turn_until(owner, || log.count("open") == 1), "{:?}", log.events());
    conn::send(id, Kind::Binary, &[0; 80], true).unwrap();
    assert!(turn_until(owner, || log.count("message") == 2), "{:?}", two.0.lock().unwrap());
    turn::free(owner).unwrap();
}

/// Answers with a message that is above the high-water mark alone, and notes what that was answered.
#[derive(Default)]
struct Large(Mutex<Option<Sent>>);

impl Handler for Large {
    fn on_message(&self, id: Id, kind: Kind, _: &[u8]) {
        *self.0.lock().unwrap() = conn::send(id, kind, &[b'x'; 70_000], true).ok();
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn what_has_left_at_once_is_not_above_the_high_water_mark() {
    let (owner, log, large) = (new_loop(), Log::new(), Arc::new(Large::default()));
    let settings = Settings { high_water: 32 * 1024, low_water: 8 * 1024, ..Settings::default() };
    let server = listen::listen(owner, "127.0.0.1", 0, &Settings::default(), log.clone()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    client::connect(owner, &url, &settings, large.clone()).unwrap();
    assert!(turn_until(owner, || log.count("open") == 1), "{:?}", log.events());
    let accepted = owner.with(|core| Ok(core.sessions_where(|it| it.client().is_none()))).unwrap();
    conn::send(accepted[0], Kind::Text, b"go", true).unwrap();
    assert!(turn_until(owner, || log.events().len() == 2), "{:?}", log.events());
    assert_eq!(*large.0.lock().unwrap(), Some(Sent::Queued));
    turn::free(owner).unwrap();
}

/// Sends back what it is given, in every way, and notes where that was.
#[derive(Default)]
struct Relay {
    shown: Mutex<Vec<Range<usize>>>,
}

impl Handler for Relay {
    fn on_message(&self, id: Id, kind: Kind, data: &[u8]) {
        let bytes = data.as_ptr_range();
        self.shown.lock().unwrap().push(bytes.start.addr()..bytes.end.addr());
        conn::send(id, kind, data, true).unwrap();
        send(id, &retain::body(id, kind, data), Manner::default()).unwrap();
        // What is only a part of it, or lies elsewhere, is a message of its own.
        conn::send(id, kind, &data[1..], true).unwrap();
        let elsewhere = Vec::from(data);
        conn::send(id, kind, &elsewhere, true).unwrap();
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Where the pieces are that would be written next, and what they end with.
fn waiting_at(owner: Loop) -> Vec<Range<usize>> {
    owner
        .with(|core| {
            let id = core.sessions_where(|session| session.buffered() > 0)[0];
            let Phase::Open(conn) = &core.session(id).unwrap().phase else { panic!("it is open") };
            let mut slices = [IoSlice::new(&[]); 8];
            let count = conn.transmit(&mut slices);
            Ok(slices[..count]
                .iter()
                .map(|it| it.as_ptr_range())
                .map(|it| it.start.addr()..it.end.addr())
                .collect())
        })
        .unwrap()
}

#[test]
fn a_large_message_is_sent_on_without_a_copy() {
    let (owner, relay) = (new_loop(), Arc::new(Relay::default()));
    let settings = Settings { max_buffered: 100 << 20, ..Settings::default() };
    let server = listen::listen(owner, "127.0.0.1", 0, &settings, relay.clone()).unwrap();
    let port = server::port(owner, server).unwrap();
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.write_all(REQUEST).unwrap();
    let len = 8 << 20;
    let mut frame = vec![0x82, 0xff];
    frame.extend((len as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + len, b'x');
    std::thread::scope(|scope| {
        scope.spawn(|| peer.write_all(&frame).unwrap());
        assert!(turn_until(owner, || relay.shown.lock().unwrap().len() == 1));
    });
    // Nobody reads, so most of it waits; in the middle of it is where it was cut off.
    let (shown, waiting) = (relay.shown.lock().unwrap()[0].clone(), waiting_at(owner));
    let within = |it: &&Range<usize>| shown.contains(&it.start) && it.end <= shown.end;
    assert_eq!(waiting.iter().filter(within).map(|it| it.end).collect::<Vec<_>>(), [shown.end; 2]);
    assert!(waiting.len() > 4, "others wait behind it: {waiting:?}");
    turn::free(owner).unwrap();
}
