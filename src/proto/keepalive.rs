//! Is the peer still there? Silence is answered with a ping, silence after that ping with the end.
//! Any byte that comes in is a sign of life; a pong also tells the round-trip time.

use super::config::Config;
use crate::util::time::Time;

/// When the peer was heard last and what it was asked.
pub struct Keepalive {
    heard: Time,
    /// There only as long as a ping has no answer.
    question: Option<Box<Question>>,
}

/// What the peer was asked.
struct Question {
    /// When silence made us ask. Later than `heard`: the answer is still due.
    asked: Time,
    /// When the newest ping left, ours or the application's, and a digest of what was in it.
    pinged: Time,
    mark: u32,
}

/// What silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// Ask whether the peer lives.
    Ping,
    /// It does not.
    Dead,
}

impl Keepalive {
    /// The peer has just been heard: it completed the handshake.
    pub fn new(now: Time) -> Keepalive {
        Keepalive { heard: now, question: None }
    }

    /// Bytes came in.
    #[inline]
    pub fn heard(&mut self, now: Time) {
        self.heard = now;
    }

    /// Bytes went out, our ping among them, or before it after the output had been blocked: the peer takes
    /// them, so the ping is not overdue.
    pub fn progress(&mut self, now: Time) {
        if self.awaited_since().is_some() {
            self.question().asked = now;
        }
    }

    /// A ping was queued.
    pub fn pinged(&mut self, now: Time, payload: &[u8]) {
        let question = self.question();
        question.pinged = now;
        question.mark = digest(payload);
    }

    /// A pong came in. Only the answer to the newest ping is measured, in microseconds.
    pub fn ponged(&mut self, now: Time, payload: &[u8]) -> Option<u64> {
        let pinged = self.question.as_ref()?.pinged;
        let asked = |question: &mut Box<Question>| {
            question.pinged != Time(0) && question.mark == digest(payload)
        };
        self.question.take_if(asked)?;
        Some(now.micros_since(pinged).max(1))
    }

    /// When `check` will have something to say.
    pub fn next_timeout(&self, config: &Config) -> Option<Time> {
        match (config.ping_interval_ms, self.awaited_since()) {
            (0, _) => None,
            (_, Some(asked)) => Some(asked.plus_ms(config.pong_timeout_ms)),
            (interval, None) => Some(self.heard.plus_ms(interval)),
        }
    }

    /// What silence until `now` calls for. After `Ping` the caller sends one.
    pub fn check(&mut self, now: Time, config: &Config) -> Due {
        if self.next_timeout(config).is_none_or(|due| now < due) {
            return Due::Nothing;
        }
        if self.awaited_since().is_some() {
            return Due::Dead;
        }
        self.question().asked = now;
        Due::Ping
    }

    /// When the peer was asked whether it lives, if it has not been heard since.
    fn awaited_since(&self) -> Option<Time> {
        Some(self.question.as_ref()?.asked).filter(|asked| *asked > self.heard)
    }

    fn question(&mut self) -> &mut Question {
        self.question
            .get_or_insert_with(|| Box::new(Question { asked: Time(0), pinged: Time(0), mark: 0 }))
    }
}

/// FNV-1a: enough to tell an answer to this ping from an answer to an earlier one.
fn digest(payload: &[u8]) -> u32 {
    payload
        .iter()
        .fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: fn() -> Config =
        || Config { ping_interval_ms: 10, pong_timeout_ms: 5, ..Config::default() };

    #[test]
    fn silence_asks_and_more_silence_is_death() {
        let (mut alive, config) = (Keepalive::new(Time(1000)), CONFIG());
        assert_eq!(alive.next_timeout(&config), Some(Time(11_000)));
        assert_eq!(alive.check(Time(10_999), &config), Due::Nothing);
        assert_eq!(alive.check(Time(11_000), &config), Due::Ping);
        assert_eq!(alive.check(Time(11_000), &config), Due::Nothing);
        assert_eq!(alive.next_timeout(&config), Some(Time(16_000)));
        assert_eq!(alive.check(Time(16_000), &config), Due::Dead);
    }

    #[test]
    fn any_byte_is_life() {
        let (mut alive, config) = (Keepalive::new(Time(0)), CONFIG());
        assert_eq!(alive.check(Time(10_000), &config), Due::Ping);
        alive.heard(Time(10_000));
        assert_eq!(alive.check(Time(15_000), &config), Due::Nothing);
        assert_eq!(alive.next_timeout(&config), Some(Time(20_000)));
    }

    #[test]
    fn a_ping_that_waits_behind_flowing_data_is_not_overdue() {
        let (mut alive, config) = (Keepalive::new(Time(0)), CONFIG());
        alive.progress(Time(3_000));
        assert_eq!(alive.check(Time(10_000), &config), Due::Ping);
        alive.progress(Time(14_000));
        assert_eq!(alive.check(Time(15_000), &config), Due::Nothing);
        assert_eq!(alive.check(Time(19_000), &config), Due::Dead);
    }

    #[test]
    fn only_the_answer_to_the_newest_ping_is_measured() {
        let mut alive = Keepalive::new(Time(0));
        assert_eq!(alive.ponged(Time(5), b"unsolicited"), None);
        alive.pinged(Time(10), b"one");
        alive.pinged(Time(20), b"two");
        assert_eq!(alive.ponged(Time(30), b"one"), None);
        assert_eq!(alive.ponged(Time(50), b"two"), Some(30));
        assert_eq!(alive.ponged(Time(90), b"two"), None);
        assert!(alive.question.is_none(), "nothing is kept of what has been answered");
    }

    #[test]
    fn zero_turns_it_off() {
        let config = Config { ping_interval_ms: 0, ..Config::default() };
        let mut alive = Keepalive::new(Time(0));
        assert_eq!(alive.next_timeout(&config), None);
        assert_eq!(alive.check(Time(u64::MAX), &config), Due::Nothing);
    }
}
