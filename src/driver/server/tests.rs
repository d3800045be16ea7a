//! Strangers who come, say part of what they should and go, in any order, while the server may be closed:
//! whatever happens, the figures add up and nothing is left.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::SockRef;

use super::*;
use crate::driver::fixtures::{Dice, Log, REQUEST, new_loop, turn_until};
use crate::driver::marks::Mark;
use crate::driver::preface::TrustedProxy;
use crate::driver::{adopt, conn, listen, turn};
use crate::proto::handshake::server::SLOW_MS;
use crate::util::offer::Offer;

const CLOSE_FRAME: &[u8] = &[0x88, 0x80, 1, 2, 3, 4];

/// What a stranger would say.
fn speech(behind_proxy: bool, dice: &mut Dice) -> Vec<u8> {
    let mut says = Vec::new();
    if behind_proxy {
        let address = dice.throw(3);
        says.extend(format!("PROXY TCP4 203.0.113.{address} 10.0.0.1 1 80\r\n").bytes());
    }
    match dice.throw(4) {
        0 => says.extend(b"nonsense\r\n\r\n"),
        1 => says.extend(b"GET /plain HTTP/1.1\r\nHost: h\r\n\r\n"),
        _ => says.extend(REQUEST),
    }
    says.extend(CLOSE_FRAME);
    says
}

/// Says some more, or goes.
fn act((stream, says): &mut (TcpStream, Vec<u8>), dice: &mut Dice) -> bool {
    let _ = stream.read(&mut [0; 512]);
    match dice.throw(12) {
        0 => return false,
        1 => {
            let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            return false;
        }
        2 => drop(stream.shutdown(std::net::Shutdown::Write)),
        _ => {
            let length = dice.throw(says.len() + 1);
            let _ = stream.write_all(&says[..length]);
            says.drain(..length);
        }
    }
    true
}

fn storm(seed: u64) {
    let mut dice = Dice(seed);
    let (owner, log) = (new_loop(), Log::new());
    let mut settings = Settings::default();
    settings.limits.max_connections = 6;
    settings.limits.max_handshakes = 4;
    settings.limits.max_per_address = 2;
    settings.handshake_timeout_ms = 30;
    settings.conn.close_timeout_ms = 30;
    let behind_proxy = dice.throw(2) == 0;
    if behind_proxy {
        settings.trusted_proxies.push(TrustedProxy::parse("127.0.0.1").unwrap());
    }
    let id = listen::listen(owner, "127.0.0.1", 0, &settings, log.clone()).unwrap();
    let port = port(owner, id).unwrap();
    let mut strangers = Vec::new();
    for _ in 0..100 {
        match dice.throw(10) {
            0..3 if owner.table().get(id).is_ok() => {
                if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                    stream.set_nonblocking(true).unwrap();
                    strangers.push((stream, speech(behind_proxy, &mut dice)));
                }
            }
            3 => {
                let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
                drop(adopt::adopt(owner, id, Offer::from(OwnedFd::from(ours)), REQUEST));
                drop(theirs);
            }
            4 if dice.throw(8) == 0 => {
                let grace = dice.throw(40) as u64;
                let _ = close(owner, id, grace, None, "");
            }
            5 => {
                let all = |core: &mut Core| {
                    Ok(core.sessions_where(|session| session.is(Mark::Announced)))
                };
                for session in owner.with(all).unwrap().into_iter().take(1) {
                    let _ = conn::abort(session);
                }
            }
            _ => strangers.retain_mut(|stranger| act(stranger, &mut dice)),
        }
        turn::poll(owner, Some(Duration::ZERO)).unwrap();
        let figures = |core: &mut Core| {
            let sessions = core.sessions_where(|session| session.setup.server == Some(id));
            let Some(server) = core.server(id) else { return Ok(sessions.is_empty()) };
            let stats = server.stats;
            let counted = server.sessions == sessions.len() as u64;
            Ok(counted && stats.handshakes + stats.connections <= server.sessions)
        };
        assert!(owner.with(figures).unwrap(), "seed {seed}");
    }
    drop(strangers);
    let _ = close(owner, id, 5, None, "");
    turn::run(owner).unwrap();
    assert!(owner.table().get(id).is_err() && log.count("open") == log.count("close"));
    turn::free(owner).unwrap();
}

#[test]
fn whatever_strangers_do_the_figures_add_up_and_nothing_is_left() {
    (0..100).for_each(storm);
}

#[test]
fn who_only_occupies_a_place_makes_way() {
    let (owner, log) = (new_loop(), Log::new());
    let mut settings = Settings::default();
    settings.limits.max_handshakes = 2;
    let id = listen::listen(owner, "127.0.0.1", 0, &settings, log.clone()).unwrap();
    let port = port(owner, id).unwrap();
    let stats = || owner.with(|core| Ok(core.server_stats(id))).unwrap();
    let come = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut idle = [come(), come()];
    assert!(turn_until(owner, || stats().handshakes == 2));
    let mut late = come();
    assert!(turn_until(owner, || stats().refused_handshakes == 1), "both have still time");
    let mut told = [0; 12];
    late.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 503");
    std::thread::sleep(Duration::from_millis(SLOW_MS));
    let mut welcome = come();
    welcome.write_all(REQUEST).unwrap();
    assert!(turn_until(owner, || log.count("open") == 1), "{:?}", log.events());
    assert_eq!(idle[0].read(&mut told).unwrap(), 0, "the first had to go");
    idle[1].set_nonblocking(true).unwrap();
    assert!(idle[1].read(&mut told).is_err(), "and nobody else");
    assert_eq!((stats().handshake_timeouts, stats().refused_handshakes), (1, 1));
    turn::free(owner).unwrap();
}
