use std::time::Duration;

use super::super::entries::Entry;
use super::super::fixtures::{Dice, Log, new_loop};
use super::super::session::{Phase, Session};
use super::super::settings::{Settings, Shared};
use super::super::setup::Setup;
use super::super::turn;
use super::*;
use crate::proto::event::Kind as MessageKind;
use crate::util::id::Kind;
use crate::util::registry::Registry;

fn new_hub() -> Arc<Hub> {
    static IDS: once_cell::sync::Lazy<Registry<()>> = once_cell::sync::Lazy::new(Default::default);
    Hub::new(IDS.insert(Kind::Hub, |_| ()).unwrap())
}

/// A connection that can subscribe, and whose messages go nowhere.
fn join(owner: Loop) -> Id {
    let joined = owner.with(|core| {
        let id = core.allocate(Kind::Conn, state::OPEN)?;
        let shared = Shared::new(&Settings::default(), &*Log::new());
        let setup = Setup::new(Log::new(), shared, None);
        core.insert(id, Entry::Session(Session::new(id, setup, Phase::Answered)));
        Ok(id)
    });
    joined.unwrap()
}

fn bury(owner: Loop, conn: Id) {
    owner
        .with(|core| {
            core.bury(conn);
            Ok(())
        })
        .unwrap();
}

fn message(topic: &str, size: usize) -> Publication {
    let message = Prepared::new(MessageKind::Binary, Arc::new(vec![0; size])).unwrap();
    Publication {
        topic: topic.into(),
        message: Arc::new(message),
        except: None,
        manner: Manner::default(),
    }
}

fn turn_once(owner: Loop) {
    turn::poll(owner, Some(Duration::ZERO)).unwrap();
}

/// Subscriptions, and whether anything is still on its way.
fn books(hub: &Hub) -> (u64, u64, bool) {
    let stats = hub.stats();
    (stats.topics, stats.subscriptions, !hub.state().waiting.is_empty())
}

fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap())
}

#[test]
fn at_home_a_request_is_done_when_the_call_returns() {
    let (owner, hub) = (new_loop(), new_hub());
    let (one, other) = (join(owner), join(owner));
    hub.subscribe(one, "a").unwrap();
    hub.subscribe(one, "a").unwrap();
    hub.subscribe(other, "a").unwrap();
    hub.subscribe(other, "b*").unwrap();
    assert_eq!(books(&hub), (2, 3, false));
    hub.unsubscribe(one, Some("a")).unwrap();
    hub.unsubscribe(one, Some("a")).unwrap();
    hub.unsubscribe(other, Some("b")).unwrap();
    assert_eq!(books(&hub), (2, 2, false));
    hub.unsubscribe(other, None).unwrap();
    assert_eq!(books(&hub), (0, 0, false));
    turn::free(owner).unwrap();
}

#[test]
fn from_elsewhere_it_waits_for_the_loop_and_what_is_asked_at_home_waits_behind_it() {
    let (owner, hub) = (new_loop(), new_hub());
    let conn = join(owner);
    elsewhere(|| hub.subscribe(conn, "a").unwrap());
    assert_eq!(books(&hub), (1, 1, true));
    // Done now, it would leave a subscription that nobody wants.
    hub.unsubscribe(conn, Some("a")).unwrap();
    assert_eq!(books(&hub), (1, 1, true));
    turn_once(owner);
    assert_eq!(books(&hub), (0, 0, false));
    turn::free(owner).unwrap();
}

#[test]
fn subscriptions_end_with_the_connection_the_loop_and_the_hub() {
    let (owner, hub, other_hub) = (new_loop(), new_hub(), new_hub());
    let conns: Vec<Id> = (0..3).map(|_| join(owner)).collect();
    for &conn in &conns {
        hub.subscribe(conn, "a").unwrap();
        hub.subscribe(conn, "*").unwrap();
        other_hub.subscribe(conn, "a").unwrap();
    }
    bury(owner, conns[0]);
    assert_eq!((books(&hub), books(&other_hub)), ((2, 4, false), (1, 2, false)));
    hub.end();
    assert_eq!(hub.subscribe(conns[1], "b").unwrap_err().code, Code::InvalidHandle);
    assert_eq!(hub.publish(message("a", 1), true).unwrap_err().code, Code::InvalidHandle);
    turn_once(owner);
    assert_eq!((books(&hub), books(&other_hub)), ((0, 0, false), (1, 2, false)));
    turn::free(owner).unwrap();
    assert_eq!(books(&other_hub), (0, 0, false));
    assert_eq!((Arc::strong_count(&hub), Arc::strong_count(&other_hub)), (1, 1));
}

#[test]
fn what_a_loop_never_came_to_leaves_nothing_behind() {
    let (owner, hub) = (new_loop(), new_hub());
    let (conn, gone) = (join(owner), join(owner));
    elsewhere(|| {
        hub.subscribe(gone, "b").unwrap();
        hub.subscribe(conn, "a").unwrap();
        hub.publish(message("a", 10), true).unwrap();
    });
    bury(owner, gone);
    assert_eq!(books(&hub), (2, 2, true));
    turn::free(owner).unwrap();
    assert_eq!(books(&hub), (0, 0, false));
    assert_eq!((hub.stats().kept, Arc::strong_count(&hub)), (1, 1));
    assert_eq!(hub.subscribe(conn, "a").unwrap_err().code, Code::InvalidHandle);
}

#[test]
fn who_is_gone_when_its_subscription_arrives_has_none() {
    let (owner, hub) = (new_loop(), new_hub());
    let conn = join(owner);
    elsewhere(|| hub.subscribe(conn, "a").unwrap());
    bury(owner, conn);
    turn_once(owner);
    assert_eq!(books(&hub), (0, 0, false));
    turn::free(owner).unwrap();
}

#[test]
fn a_loop_that_does_not_keep_up_gets_no_more_and_the_publisher_is_told() {
    let (owner, hub) = (new_loop(), new_hub());
    let conn = join(owner);
    hub.subscribe(conn, "a").unwrap();
    let publish = || elsewhere(|| hub.publish(message("a", 10 << 20), false).unwrap());
    let told: Vec<Accepted> = (0..8).map(|_| publish()).collect();
    let (whole, behind, missed) = (Accepted::Whole, Accepted::Behind, Accepted::Missed);
    assert_eq!(told, [whole, behind, behind, behind, behind, behind, missed, missed]);
    assert_eq!(hub.publish(message("b", 1), false).unwrap(), whole, "nobody wants it");
    assert_eq!((hub.stats().published, hub.stats().missed), (9, 2));
    turn_once(owner);
    assert_eq!(publish(), whole);
    turn::free(owner).unwrap();
}

#[test]
fn kept_messages_are_those_of_each_topic_that_came_last() {
    let hub = new_hub();
    for topic in ["a.1", "a.2", "a.1", "b"] {
        hub.publish(message(topic, 1), true).unwrap();
    }
    hub.publish(message("c", 1), false).unwrap();
    assert_eq!(hub.stats().kept, 3);
    hub.forget("a.1").unwrap();
    hub.forget("a.1").unwrap();
    assert_eq!(hub.stats().kept, 2);
    hub.forget("*").unwrap();
    assert_eq!((hub.stats().kept, hub.stats().published), (0, 5));
    assert_eq!(hub.publish(message("a*", 1), true).unwrap_err().code, Code::InvalidArgument);
}

/// Whatever happens in whatever order, the hub's books and those of its loops agree.
#[test]
fn books_agree_after_any_sequence() {
    let mut dice = Dice(7);
    for _ in 0..60 {
        let (mut owners, hub) = (vec![new_loop(), new_loop()], new_hub());
        let mut conns: Vec<(usize, Id)> = (0..6).map(|n| (n % 2, join(owners[n % 2]))).collect();
        for _ in 0..60 {
            let topic = ["a", "b", "a*", "*"][dice.throw(4)];
            let (which, what, away) = (dice.throw(6), dice.throw(10), dice.throw(2) == 0);
            let (at, conn) = conns[which];
            let act = || match what {
                0..4 => hub.subscribe(conn, topic).unwrap(),
                4..6 => hub.unsubscribe(conn, Some(topic)).unwrap(),
                6 => hub.unsubscribe(conn, None).unwrap(),
                _ => drop(hub.publish(message("a", 1), true).unwrap()),
            };
            match what {
                7 => turn_once(owners[at]),
                8 => {
                    bury(owners[at], conn);
                    conns[which].1 = join(owners[at]);
                }
                _ if away => elsewhere(act),
                _ => act(),
            }
        }
        owners.iter().for_each(|&owner| turn_once(owner));
        let held = |owner: &Loop| owner.with(|core| Ok(core.subscribers.held(&hub))).unwrap();
        let subscriptions: usize = owners.iter().map(held).sum();
        assert_eq!((hub.stats().subscriptions, books(&hub).2), (subscriptions as u64, false));
        turn::free(owners.pop().unwrap()).unwrap();
        assert_eq!(hub.stats().subscriptions, held(&owners[0]) as u64);
        turn::free(owners.pop().unwrap()).unwrap();
        assert_eq!((books(&hub), Arc::strong_count(&hub)), ((0, 0, false), 1));
    }
}
