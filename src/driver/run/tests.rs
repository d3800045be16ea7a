use std::io::Write;
use std::sync::Mutex;

use super::*;
use crate::driver::fixtures::{Log, REQUEST, new_loop, turn_until};
use crate::driver::loops::Loop;
use crate::driver::settings::Settings;
use crate::driver::{client, conn, figures, listen, server, turn};

/// Looks at the figures within each callback, and pauses the connection in every third.
struct Curious {
    owner: Loop,
    seen: Mutex<Vec<(String, u64)>>,
}

impl Curious {
    fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Handler for Curious {
    fn on_message(&self, id: Id, _: Kind, data: &[u8]) {
        let callbacks = figures::stats(self.owner).unwrap().figures.callbacks;
        let mut seen = self.seen.lock().unwrap();
        seen.push((String::from_utf8_lossy(data).into_owned(), callbacks));
        if seen.len().is_multiple_of(3) {
            conn::pause(id, true).unwrap();
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The client's messages are masked, so what goes back to where it came from is masked again.
#[test]
fn each_message_of_a_read_is_told_once_and_counted_when_it_is_told() {
    let (here, owner) = (Log::new(), new_loop());
    let there = Arc::new(Curious { owner, seen: Mutex::default() });
    let settings = Settings::default();
    let server = listen::listen(owner, "127.0.0.1", 0, &settings, there.clone()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", server::port(owner, server).unwrap());
    let id = client::connect(owner, &url, &settings, here.clone()).unwrap();
    assert!(turn_until(owner, || here.count("open") == 1), "{:?}", here.events());
    let sent: Vec<String> = (0..200).map(|number| format!("message {number}")).collect();
    for text in &sent {
        conn::send(id, Kind::Text, text.as_bytes(), false).unwrap();
    }
    let accepted = owner
        .with(|core| Ok(core.sessions_where(|session| session.setup.server == Some(server))))
        .unwrap()[0];
    for told in (3..200).step_by(3) {
        assert!(turn_until(owner, || there.count() >= told));
        assert_eq!(there.count(), told, "it is paused");
        conn::pause(accepted, false).unwrap();
    }
    assert!(turn_until(owner, || there.count() == 200));
    let seen = there.seen.lock().unwrap();
    let (texts, counted): (Vec<String>, Vec<u64>) = seen.iter().cloned().unzip();
    assert_eq!(texts, sent);
    assert!(counted.windows(2).all(|pair| pair[1] == pair[0] + 1), "{counted:?}");
    drop(seen);
    turn::free(owner).unwrap();
}

/// Tens of thousands of messages that came before theirs do not make others wait.
#[test]
fn who_says_much_does_not_make_others_wait() {
    let (owner, log) = (new_loop(), Log::new());
    let id = listen::listen(owner, "127.0.0.1", 0, &Settings::default(), log.clone()).unwrap();
    let port = server::port(owner, id).unwrap();
    let mut peers = [0, 1].map(|_| {
        let mut peer = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        peer.write_all(REQUEST).unwrap();
        peer
    });
    assert!(turn_until(owner, || log.count("open") == 2), "{:?}", log.events());
    let flood = b"\x81\x81\0\0\0\0f".repeat(20_000);
    peers[0].write_all(&flood).unwrap();
    peers[1].write_all(b"\x81\x81\0\0\0\0q").unwrap();
    assert!(turn_until(owner, || log.count("message q") == 1));
    let before = log.events().iter().take_while(|event| *event != "message q").count();
    assert!(before < 2_000, "{before} messages of the other one came before");
    assert!(turn_until(owner, || log.count("message f") == 20_000), "none is lost");
    turn::free(owner).unwrap();
}
