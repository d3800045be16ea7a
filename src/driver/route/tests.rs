use std::net::SocketAddr;

use crate::driver::core::Core;
use crate::driver::fixtures::{Log, new_loop, turn_until};
use crate::driver::session::{Phase, state};
use crate::driver::settings::Settings;
use crate::driver::{client, conn, turn};
use crate::error::{Code, Error};
use crate::proto::proxy::{Proxies, ProxyUrl};
use crate::util::id::Id;

/// For a host that only the test looks up, so that an answer comes when it wants.
const URL: &str = "ws://no-such-host.invalid/";

fn through_socks() -> Settings {
    let mut settings = Settings::default();
    settings.proxy.proxies = Proxies::Fixed(ProxyUrl::parse("socks5://127.0.0.1:1").unwrap());
    settings
}

fn answer() -> Vec<SocketAddr> {
    vec!["127.0.0.1:80".parse().unwrap()]
}

fn way(core: &mut Core, id: Id) -> u32 {
    core.session(id).unwrap().client().unwrap().way
}

#[test]
fn a_look_up_that_ends_after_its_client_does_not_revive_it() {
    let (owner, log) = (new_loop(), Log::new());
    let id = client::connect(owner, URL, &through_socks(), log.clone()).unwrap();
    conn::close(id, None, "").unwrap();
    let late = |core: &mut Core| {
        let way = way(core, id);
        core.resolved(id, way, Ok(answer()));
        Ok(())
    };
    owner.with(late).unwrap();
    assert!(turn_until(owner, || log.count("close") == 1), "{:?}", log.events());
    assert_eq!(log.events(), ["error Aborted", "close unsent 0"]);
    turn::run(owner).unwrap();
    turn::free(owner).unwrap();
}

#[test]
fn a_look_up_that_ends_after_its_attempt_does_not_begin_another() {
    let (owner, log) = (new_loop(), Log::new());
    let mut settings = through_socks();
    settings.retry.attempts = 5;
    settings.retry.first_ms = 60_000;
    settings.retry.max_ms = 60_000;
    let id = client::connect(owner, URL, &settings, log.clone()).unwrap();
    let fail = |core: &mut Core| {
        core.fail(id, Error::new(Code::ConnectTimeout, "too slow"));
        Ok(way(core, id))
    };
    let way = owner.with(fail).unwrap();
    let late = |core: &mut Core| {
        core.resolved(id, way, Ok(answer()));
        let session = core.session(id).unwrap();
        Ok(matches!(session.phase, Phase::Waiting))
    };
    assert!(owner.with(late).unwrap(), "it did not wait");
    assert_eq!(conn::ready_state(id).unwrap(), state::CONNECTING);
    turn::free(owner).unwrap();
    assert_eq!(log.count("close"), 1, "{:?}", log.events());
}

#[test]
fn the_limit_for_connecting_holds_for_both_look_ups_together() {
    let (owner, log) = (new_loop(), Log::new());
    let id = client::connect(owner, URL, &through_socks(), log).unwrap();
    let deadlines = |core: &mut Core| {
        let before = core.session(id).unwrap().deadline();
        core.now = core.now.plus_ms(1_000);
        let way = way(core, id);
        core.resolved(id, way, Ok(answer()));
        Ok((before, core.session(id).unwrap().deadline()))
    };
    let (before, after) = owner.with(deadlines).unwrap();
    assert!(before.is_some() && before == after);
    turn::free(owner).unwrap();
}
