//! The heap of deadlines, used as sessions use it: each deadline comes, not before its time and not after the
//! next turn. And how long one waits before trying again.

use super::Seed;
use super::input::Input;
use wsock::driver::timers::{NEVER, Timers};
use wsock::util::backoff::Backoff;
use wsock::util::id::{Id, Kind};
use wsock::util::time::Time;

const SESSIONS: usize = 5;
/// What the heap rounds times up to, in microseconds.
const STEP: u64 = 64;
const MAX_STEPS: usize = 400;

/// A session: the entry that counts, and when it wants to be called.
#[derive(Clone, Copy)]
struct Session {
    scheduled: Time,
    wanted: Option<Time>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    waits(&mut input);
    let mut timers = Timers::default();
    let mut sessions = [Session { scheduled: NEVER, wanted: None }; SESSIONS];
    let mut now = Time(u64::from(input.u16()));
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let (what, which) = (input.byte(), input.below(SESSIONS));
        let session = &mut sessions[which];
        match what % 5 {
            0..=2 => {
                session.wanted = at(now, &mut input);
                arm(&mut timers, which, session);
            }
            3 => session.wanted = None,
            _ => {
                now = Time(now.0 + (u64::from(input.byte()) << (input.byte() % 20)));
                fire(&mut timers, &mut sessions, now);
            }
        }
        if timers.len() > 3 * SESSIONS {
            timers.retain(|at, slot| sessions[slot].scheduled == at);
        }
        let entry = |it: &Session| it.wanted.filter(|at| at.0 < NEVER.0 >> 1);
        let due = sessions.iter().filter_map(entry).min();
        let next = timers.next().map(|(at, _)| at);
        assert!(due.is_none_or(|due| next.is_some_and(|next| next.0 < due.0 + STEP)));
        assert_eq!(timers.is_empty(), next.is_none());
    }
}

/// Soon, late, or so late that it never comes.
fn at(now: Time, input: &mut Input) -> Option<Time> {
    let delay = u64::from(input.byte());
    match input.byte() {
        0..=9 => Some(NEVER),
        10..=19 => None,
        n => Some(Time(now.0 + (delay << (n % 24)))),
    }
}

fn arm(timers: &mut Timers, which: usize, session: &mut Session) {
    let id = Id::new(Kind::Conn, 0, which as u32, 1);
    timers.arm(id, session.wanted, &mut session.scheduled);
}

/// As a turn of the loop does it.
fn fire(timers: &mut Timers, sessions: &mut [Session; SESSIONS], now: Time) {
    while let Some((at, slot)) = timers.pop_due(now) {
        assert!(at <= now);
        let session = &mut sessions[slot];
        if session.scheduled != at {
            continue;
        }
        session.scheduled = NEVER;
        if session.wanted.is_some_and(|wanted| wanted <= now) {
            session.wanted = None;
        }
        arm(timers, slot, session);
    }
    let late =
        |it: &Session| it.wanted.is_some_and(|wanted| wanted.0.saturating_add(STEP) <= now.0);
    assert!(!sessions.iter().any(late), "a deadline was missed");
}

fn waits(input: &mut Input) {
    let (first, cap) = (u64::from(input.u16()), u64::from(input.u16()));
    let mut backoff = Backoff { attempt: u32::from(input.byte()), ..Backoff::new(first, cap) };
    let attempt = backoff.attempt;
    // Whatever doubles 32 times is above any cap here.
    let bound = cap.min(first << attempt.min(32));
    let random = u64::from(input.byte()) << 56 | u64::from(input.byte());
    let wait = backoff.next(random);
    assert!(wait <= bound && backoff.attempt == attempt + 1);
    assert_eq!(Backoff { attempt, ..backoff }.next(u64::MAX), bound);
    backoff.reset();
    assert_eq!(backoff.next(u64::MAX), first.min(cap));
}

pub fn seeds() -> Vec<Seed> {
    let settings = [100, 0, 232, 3, 2, 128, 7, 9, 0];
    let arm = |which, delay, shift| [0, which, delay, shift];
    let pass = |time, shift| [4, 0, time, shift];
    let with = |steps: &[[u8; 4]]| [&settings, &steps.concat()[..]].concat();
    vec![
        ("one", with(&[arm(0, 10, 20), pass(200, 0)])),
        ("moved_away", with(&[arm(0, 1, 30), arm(0, 9, 32), pass(200, 10), pass(255, 19)])),
        ("moved_near", with(&[arm(1, 9, 40), arm(1, 1, 24), pass(20, 3), pass(255, 19)])),
        ("many", with(&[arm(0, 1, 24), arm(1, 1, 24), arm(2, 7, 25), arm(3, 0, 24), pass(9, 9)])),
        ("never", with(&[arm(0, 1, 3), arm(1, 1, 13), [3, 0, 0, 0], pass(1, 1)])),
    ]
}
