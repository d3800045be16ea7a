use std::sync::Arc;

use super::*;
use crate::driver::fixtures::{Log, new_loop, turn_until};
use crate::driver::inbox::Command;
use crate::driver::loops::Loop;
use crate::driver::session::state;
use crate::driver::settings::Settings;
use crate::driver::{client, conn, listen, server, turn};

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
        assert!(core.table().get(id).unwrap().reserve(id, 5));
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
        let details = &mut core.session(id).unwrap().details;
        details.texts.get((1, String::new(), 0), "of the last");
        details.protocol = "chat".to_owned();
        core.try_again(id);
        let details = &core.session(id).unwrap().details;
        assert_eq!((&*details.url, &*details.protocol), ("ws://127.0.0.1:1/", ""));
        assert!(!format!("{:?}", details.texts).contains("of the last"));
        Ok(())
    };
    owner.with(again).unwrap();
    turn::free(owner).unwrap();
}
