use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::driver::fixtures::{Dice, Log, new_loop, turn_until};
use crate::driver::handler::Handler;
use crate::driver::inbox::Command;
use crate::driver::loops::Loop;
use crate::driver::session::state;
use crate::driver::settings::Settings;
use crate::driver::setup::Agreed;
use crate::driver::{client, conn, listen, parts, request, server, turn};
use crate::proto::event::Kind;
use crate::proto::http::auth::Credentials;

/// Comes back, at once or not before the test is over.
fn settings(first_ms: u64, queue: usize) -> Settings {
    let retry = RetrySettings { attempts: 1_000, first_ms, queue, ..RetrySettings::default() };
    Settings { retry: RetrySettings { max_ms: 60_000, ..retry }, ..Settings::default() }
}

/// A client that is connected to a server of the same loop.
fn open(settings: &Settings) -> (Loop, Id, Arc<Log>) {
    let (owner, log) = (new_loop(), Log::new());
    let server = listen::listen(owner, "127.0.0.1", 0, &Settings::default(), Log::new()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    let id = client::connect(owner, &url, settings, log.clone()).unwrap();
    assert!(turn_until(owner, || log.count("open") == 1), "{:?}", log.events());
    (owner, id, log)
}

/// A client that nobody answers.
fn refused(settings: &Settings) -> (Loop, Id, Arc<Log>) {
    let (owner, log) = (new_loop(), Log::new());
    let id = client::connect(owner, "ws://127.0.0.1:1/", settings, log.clone()).unwrap();
    assert!(turn_until(owner, || log.count("retry") > 0), "{:?}", log.events());
    (owner, id, log)
}

fn lose(core: &mut Core, id: Id) {
    core.fail(id, Error::new(Code::ConnectionLost, "cut by the test"));
}

fn send(id: Id, text: &str) -> Option<Code> {
    conn::send(id, Kind::Text, text.as_bytes(), true).err().map(|error| error.code)
}

#[test]
fn what_other_threads_sent_into_a_lost_connection_is_counted_once() {
    let (owner, id, log) = open(&settings(60_000, 0));
    let late = |core: &mut Core| {
        assert!(core.table().get(id).unwrap().reserve(id, 5, 1));
        lose(core, id);
        let data = b"hello".to_vec();
        core.obey(Command::Send { conn: id, kind: Kind::Text, data, compress: true });
        Ok(())
    };
    owner.with(late).unwrap();
    assert!(turn_until(owner, || log.count("retry 1 unsent 5") == 1), "{:?}", log.events());
    assert_eq!(conn::buffered_amount(id).unwrap(), 0, "it stays reserved for ever");
    turn::free(owner).unwrap();
    assert_eq!(log.count("close unsent 0"), 1, "{:?}", log.events());
}

#[test]
fn what_was_lost_with_a_client_that_was_closed_before_it_could_say_so_is_told_at_the_end() {
    let (owner, id, log) = open(&settings(60_000, 0));
    let down = |core: &mut Core| {
        lose(core, id);
        core.session(id).unwrap().missed(5);
        core.settle_all();
        Ok(())
    };
    owner.with(down).unwrap();
    conn::close(id, None, "").unwrap();
    assert!(turn_until(owner, || log.count("close") == 1));
    assert_eq!(log.events(), ["open", "error Aborted", "close unsent 5"]);
    turn::free(owner).unwrap();
}

#[test]
fn empty_messages_fill_the_queue_too() {
    let (owner, id, log) = refused(&settings(60_000, 4));
    assert_eq!(conn::ready_state(id).unwrap(), state::CONNECTING);
    let sent = (0..10).filter(|_| send(id, "").is_none()).count();
    assert_eq!((sent, send(id, "")), (4, Some(Code::Limit)));
    turn::free(owner).unwrap();
    assert_eq!(log.count("close"), 1);
}

#[test]
fn who_was_refused_while_it_was_down_hears_when_there_is_room() {
    let (owner, id, log) = open(&settings(0, 10));
    let down = |core: &mut Core| {
        lose(core, id);
        core.settle_all();
        Ok(())
    };
    owner.with(down).unwrap();
    assert_eq!(send(id, "more than ten bytes"), Some(Code::Limit));
    assert!(turn_until(owner, || log.count("drain") == 1), "{:?}", log.events());
    assert_eq!(log.count("open"), 2, "{:?}", log.events());
    turn::free(owner).unwrap();
}

/// A client that is open and has not been told of it, as when events are fetched in batches, and a message that
/// waits for that; its server, on a loop of its own; and what that hears.
fn open_and_untold() -> (Loop, Id, Loop, Arc<Log>) {
    let (owner, elsewhere, there) = (new_loop(), new_loop(), Log::new());
    let plain = Settings::default();
    let server = listen::listen(elsewhere, "127.0.0.1", 0, &plain, there.clone()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(elsewhere, server).unwrap());
    let id = client::connect(owner, &url, &settings(0, 100), Log::new()).unwrap();
    assert_eq!(send(id, "waits"), None);
    set_queueing(owner, true);
    let is_open = || conn::ready_state(id) == Ok(state::OPEN) && there.count("open") == 1;
    assert!(turn_both_until(owner, elsewhere, is_open));
    (owner, id, elsewhere, there)
}

fn set_queueing(owner: Loop, on: bool) {
    let set = |core: &mut Core| {
        core.queueing = on;
        Ok(())
    };
    owner.with(set).unwrap();
}

fn turn_both_until(owner: Loop, elsewhere: Loop, is_so: impl Fn() -> bool) -> bool {
    turn_until(owner, || {
        turn::poll(elsewhere, Some(Duration::ZERO)).unwrap();
        is_so()
    })
}

#[test]
fn what_waits_for_on_open_counts_while_other_things_are_sent() {
    let (owner, id, elsewhere, there) = open_and_untold();
    assert_eq!(conn::buffered_amount(id), Ok(5));
    let open = |it: &Session| matches!(it.phase, Phase::Open(_));
    let peer = elsewhere.with(|core| Ok(core.sessions_where(open)[0])).unwrap();
    conn::ping(peer, b"answered at once").unwrap();
    let answered = || conn::stats(peer).unwrap().pongs_received == 1;
    assert!(turn_both_until(owner, elsewhere, answered));
    assert_eq!(conn::buffered_amount(id), Ok(5));
    assert_eq!(send(id, "goes before"), None);
    assert_eq!(conn::buffered_amount(id), Ok(5));
    set_queueing(owner, false);
    assert!(turn_both_until(owner, elsewhere, || there.count("message") == 2));
    assert_eq!(there.events(), ["open", "message goes before", "message waits"]);
    assert_eq!(conn::buffered_amount(id), Ok(0));
    turn::free(owner).unwrap();
    turn::free(elsewhere).unwrap();
}

#[test]
fn parts_that_are_taken_up_go_behind_what_waits_for_on_open() {
    let (owner, id, elsewhere, there) = open_and_untold();
    std::thread::scope(|scope| {
        scope.spawn(|| parts::send(id, Kind::Text, b"in parts", true, true).unwrap());
    });
    assert!(turn_both_until(owner, elsewhere, || there.count("message in parts") == 1));
    assert_eq!(there.events(), ["open", "message waits", "message in parts"]);
    set_queueing(owner, false);
    turn::free(owner).unwrap();
    turn::free(elsewhere).unwrap();
}

#[test]
fn another_target_may_have_another_queue() {
    let (owner, id, log) = refused(&settings(0, 0));
    assert_eq!(send(id, "x"), Some(Code::State));
    client::set_target(id, None, Some(&settings(0, 10))).unwrap();
    assert!(turn_until(owner, || log.count("retry") >= 3));
    assert_eq!(send(id, "x"), None);
    client::set_target(id, None, Some(&settings(0, 0))).unwrap();
    let told = log.count("retry");
    assert!(turn_until(owner, || log.count("retry") >= told + 2));
    assert_eq!(send(id, "x"), Some(Code::State));
    turn::free(owner).unwrap();
    assert_eq!(log.count("close unsent 1"), 1, "{:?}", log.events());
}

#[test]
fn texts_of_the_last_connection_do_not_pile_up() {
    let (owner, id, _) = refused(&settings(60_000, 0));
    let again = |core: &mut Core| {
        let session = core.session(id).unwrap();
        session.details().texts.get((1, String::new(), 0), "of the last");
        drop(session.set_up(|setup| setup.agreed = Agreed::new("ws://elsewhere/", "chat", "")));
        core.try_again(id);
        let session = core.session(id).unwrap();
        let agreed = &session.setup.agreed;
        assert_eq!((agreed.url(), agreed.protocol()), ("ws://127.0.0.1:1/", ""));
        assert!(!format!("{:?}", session.details().texts).contains("of the last"));
        Ok(())
    };
    owner.with(again).unwrap();
    turn::free(owner).unwrap();
}

/// A server that answers as it likes.
struct Moody {
    owner: Loop,
    dice: Mutex<Dice>,
}

impl Moody {
    fn throw(&self, sides: usize) -> usize {
        self.dice.lock().unwrap().throw(sides)
    }
}

impl Handler for Moody {
    fn on_request(&self, _: Id, id: Id) -> i32 {
        let (status, name, value) = match self.throw(8) {
            0 => (302, "Location", "/elsewhere"),
            1 => (307, "Location", "//127.0.0.1:1/"),
            2 => (401, "WWW-Authenticate", "Basic realm=x"),
            3 => (401, "WWW-Authenticate", "Digest realm=x, nonce=y, stale=true"),
            4 => (503, "Retry-After", "0"),
            _ => return 0,
        };
        request::with(self.owner, id, |pending| pending.add_header(name, value)).unwrap();
        status
    }
    fn on_open(&self, id: Id) {
        match self.throw(4) {
            0 => conn::abort(id).unwrap(),
            1 => conn::close(id, Some(1001), "").unwrap(),
            2 => drop(conn::send(id, Kind::Text, b"hello", true)),
            _ => {}
        }
    }
    fn on_message(&self, id: Id, _: Kind, _: &[u8]) {
        if self.throw(3) == 0 {
            conn::abort(id).unwrap();
        }
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn moods(seed: u64) {
    let (owner, log) = (new_loop(), Log::new());
    let mut dice = Dice(seed);
    let moody = Arc::new(Moody { owner, dice: Mutex::new(Dice(seed + 1)) });
    let server = listen::listen(owner, "127.0.0.1", 0, &Settings::default(), moody).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
    let mut settings = settings(0, 100);
    settings.max_redirects = 3;
    settings.credentials = Some(credentials);
    let id = client::connect(owner, &url, &settings, log.clone()).unwrap();
    for _ in 0..200 {
        match dice.throw(20) {
            0 => drop(send(id, "from the client")),
            1 => drop(conn::pause(id, true)),
            2..4 => drop(conn::pause(id, false)),
            4 => client::set_target(id, Some(&url), Some(&settings)).unwrap(),
            5 if dice.throw(20) == 0 => conn::close(id, None, "").unwrap(),
            6 if dice.throw(20) == 0 => conn::abort(id).unwrap(),
            _ => {}
        }
        turn::poll(owner, Some(Duration::ZERO)).unwrap();
        if log.count("close") == 1 {
            break;
        }
    }
    let _ = conn::abort(id);
    assert!(turn_until(owner, || log.count("close") == 1), "seed {seed}: {:?}", log.events());
    server::close(owner, server, 0, None, "").unwrap();
    turn::run(owner).unwrap();
    turn::free(owner).unwrap();
    let events = log.events();
    let last = events.iter().position(|event| event.starts_with("close")).unwrap();
    assert_eq!(
        (last + 1, log.count("error") <= 1),
        (events.len(), true),
        "seed {seed}: {events:?}"
    );
    let twice = events.windows(2).any(|pair| pair[0] == "open" && pair[1] == "open");
    assert!(!twice, "seed {seed}: {events:?}");
}

#[test]
fn whatever_a_server_does_a_client_ends_once() {
    (0..50).for_each(moods);
}
