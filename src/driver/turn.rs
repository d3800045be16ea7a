//! One turn of a loop: wait, take up what other threads asked for, serve sockets, fire timers, send
//! what was queued, tell of endings.

use std::time::Duration;

use super::core::Core;
use super::deliver::{self, Way, What};
use super::loops::{Entered, Loop};
use super::marks::Mark;
use super::ready::{Line, Ready, SHARE, VISIT};
use super::report::Report;
use super::run::Teller;
use super::session::Phase;
use super::{batch, feed, log, source, thread, visit};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::event::Closed;
use crate::util::id::{Id, Kind};
use crate::util::outside;

/// What one poll makes of them at most.
const TURNS_PER_POLL: usize = 64;
/// Deadlines that one turn sees to.
const TIMERS_PER_TURN: usize = 64;

/// Turns until something stops it: `stop`, a signal, or nothing left that could ever happen.
pub fn run(place: Loop) -> Result<()> {
    if place.has_thread() {
        return visit::run(place);
    }
    let entered = place.enter_to_poll()?;
    batch::let_go(&Way::Inside(&entered))?;
    loop {
        if place.take_stop() || entered.with(|core| Ok(core.is_idle()))? {
            return Ok(());
        }
        match turn(place, &entered, None) {
            // The signal's handler may be who called stop.
            Err(e) if e.code == Code::Interrupted && place.take_stop() => return Ok(()),
            turned => turned?,
        };
    }
}

/// One turn that waits at most `limit`, or for as long as it takes, and some more while there is more than a
/// turn's share: who polls once for each picture still gets all of it. Answers how many callbacks ran.
pub fn poll(place: Loop, limit: Option<Duration>) -> Result<u32> {
    if place.has_thread() {
        return visit::poll(place, limit);
    }
    let entered = place.enter_to_poll()?;
    batch::let_go(&Way::Inside(&entered))?;
    let mut told = turn(place, &entered, limit)?;
    for _ in 1..TURNS_PER_POLL {
        if entered.with(|core| Ok(core.ready.is_empty()))? {
            break;
        }
        match turn(place, &entered, Some(Duration::ZERO)) {
            Err(e) if e.code == Code::Interrupted => break,
            turned => told += turned?,
        }
    }
    Ok(told)
}

/// How long a foreign loop may sleep: `None` for ever.
pub fn timeout_ms(place: Loop) -> Result<Option<u64>> {
    place.with(|core| {
        if place.has_thread() {
            return Ok(core.wants_visit().then_some(0));
        }
        if core.has_work() {
            return Ok(Some(0));
        }
        core.tick();
        let now = core.now;
        Ok(core.next_deadline().map(|at| at.ms_after(now)))
    })
}

/// Ends everything in the loop, tells the application of it, and ends the loop.
pub fn free(place: Loop) -> Result<()> {
    if place.check_process().is_err() {
        place.helper().forget();
    }
    if place.has_thread() {
        let _visit = place.helper().visit()?;
        thread::take_back(place)?;
    }
    let entered = place.enter_to_free()?;
    // Nothing of a broken loop can be trusted to run, but it can be dropped. That of the process which this
    // one is forked from has its good-bye said there.
    if place.check_process().and_then(|()| place.check_poison()).is_ok() {
        say_good_bye(&entered)?;
        log::tell(&Way::Inside(&entered))?;
    }
    place.vacate(entered);
    Ok(())
}

fn say_good_bye(entered: &Entered) -> Result<()> {
    batch::let_go(&Way::Inside(entered))?;
    entered.with(|core| {
        core.tick();
        // Callbacks can make nothing new from here on.
        core.leaving = true;
        core.dispatching = true;
        core.keep_endings();
        for id in core.servers() {
            core.close_server(id, 0, close::GOING_AWAY, "");
        }
        for id in core.sessions_where(|session| !matches!(session.phase, Phase::Over(_))) {
            core.fail(id, Error::new(Code::Aborted, "the loop was freed"));
        }
        core.settle_all();
        Ok(())
    })?;
    deliver::tell_queued(&Way::Inside(entered), usize::MAX)?;
    tell_endings(entered)
}

/// One turn, on the application's thread.
pub fn turn(place: Loop, entered: &Entered, limit: Option<Duration>) -> Result<u32> {
    log::tell(&Way::Inside(entered))?;
    entered.with(|core| {
        if limit != Some(Duration::ZERO) {
            core.tick();
        }
        let wait = core.waiting_time(limit);
        core.wait(wait).map_err(|e| match e.kind() {
            std::io::ErrorKind::Interrupted => {
                Error::os(Code::Interrupted, "a signal interrupted the wait", &e)
            }
            _ => Error::os(Code::System, "waiting for events failed", &e),
        })
    })?;
    let callbacks = work(place, entered)?;
    log::tell(&Way::Inside(entered))?;
    Ok(callbacks)
}

/// What a turn does when it has waited.
pub fn work(place: Loop, entered: &Entered) -> Result<u32> {
    let (woken, waiting) = entered.with(|core| {
        core.dispatching = true;
        core.callbacks = 0;
        Ok((core.now, if core.queueing { 0 } else { core.outbox.count() }))
    })?;
    if waiting > 0 {
        deliver::tell_queued(&Way::Inside(entered), waiting)?;
    }
    take_commands(place, entered)?;
    // What has arrived counts before the time that has passed: a busy application is no dead peer.
    serve_ready(entered)?;
    fire_timers(entered)?;
    settle(entered)?;
    source::serve(entered)?;
    // What was held back of a connection that ends comes before its end.
    deliver::tell_opened(entered)?;
    tell_drains(entered)?;
    tell_retries(entered)?;
    tell_endings(entered)?;
    let callbacks = entered.with(|core| {
        core.settle_all();
        core.trash.extend(core.ended.drain(..).map(|handler| handler as _));
        core.dispatching = false;
        core.cx.pool.tidy(core.now);
        core.arena.tidy(core.now);
        core.count_turn(woken);
        if !core.queueing {
            core.current = None;
        }
        // Whoever fetches a batch takes out right now what is queued, and sees to it then.
        if !core.queueing || place.has_thread() {
            core.update_beacon();
        }
        Ok(core.callbacks)
    })?;
    // Memory of the application's that is not needed any more.
    outside::flush();
    Ok(callbacks)
}

fn settle(entered: &Entered) -> Result<()> {
    entered.with(|core| {
        // The callbacks may have taken long, and deadlines count from when something leaves.
        if !core.queueing {
            core.tick();
        }
        core.settle_all();
        Ok(())
    })
}

/// Does what other threads have asked for.
pub fn take_commands(place: Loop, entered: &Entered) -> Result<()> {
    if !place.inbox.has_work() {
        return Ok(());
    }
    for command in place.inbox.take() {
        let task = entered.with(|core| Ok(core.obey(command)))?;
        if let Some(task) = task {
            deliver::tell(entered, place.id(), What::Task(Some(task)))?;
        }
    }
    Ok(())
}

fn fire_timers(entered: &Entered) -> Result<()> {
    entered.with(|core| {
        // A crowd that came at one time runs out of time at one time. Whoever is left is due in the next turn.
        for _ in 0..TIMERS_PER_TURN {
            let Some((at, slot)) = core.timers.pop_due(core.now) else { break };
            if let Some(id) = core.take_timer(slot, at) {
                core.figures.timers += 1;
                match id.kind() {
                    Kind::Server => core.server_timed_out(id),
                    _ => core.timed_out(id),
                }
            }
        }
        Ok(())
    })
}

fn serve_ready(entered: &Entered) -> Result<()> {
    let mut teller = Teller::default();
    // Only who is there now: whoever comes meanwhile has a turn after everybody else.
    let counts = entered.with(|core| Ok(core.ready.counts()))?;
    for (line, count) in Ready::LINES.into_iter().zip(counts) {
        let mut budget = SHARE;
        for _ in 0..count {
            let cost = loop {
                match entered.with(|core| Ok(core.next_ready(line)))? {
                    Next::Opened => deliver::tell_opened(entered)?,
                    Next::Session(id) => break feed::serve(entered, id, line, &mut teller)?,
                    Next::Served { cost } => break cost,
                }
            };
            if line == Line::Open {
                continue;
            }
            budget = budget.saturating_sub(cost.max(VISIT));
            if budget == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Who is next in a line.
enum Next {
    /// Nobody before what callbacks have opened.
    Opened,
    /// A session with input.
    Session(Id),
    /// It was no session, and is done with.
    Served { cost: usize },
}

fn tell_drains(entered: &Entered) -> Result<()> {
    let count = entered.with(|core| Ok(core.drains.len()))?;
    for _ in 0..count {
        if let Some(id) = entered.with(|core| Ok(core.drains.pop_front()))? {
            deliver::tell(entered, id, What::Drain)?;
        }
    }
    Ok(())
}

/// `on_retry` of the clients that come back.
fn tell_retries(entered: &Entered) -> Result<()> {
    let count = entered.with(|core| Ok(core.retries.len()))?;
    for _ in 0..count {
        if let Some((id, news)) = entered.with(|core| Ok(core.next_retry()))? {
            deliver::tell(entered, id, What::Retry(Box::new(news)))?;
        }
    }
    Ok(())
}

/// `on_error` and `on_close` of the sessions that are over by now.
fn tell_endings(entered: &Entered) -> Result<()> {
    let count = entered.with(|core| Ok(core.endings.len()))?;
    for _ in 0..count {
        let ending = entered.with(|core| Ok(core.next_ending()))?;
        let Some((id, report)) = ending else { continue };
        if let Some(error) = &report.closed.error {
            deliver::tell(entered, id, What::Error(error.clone()))?;
        }
        deliver::tell(entered, id, What::Close(Box::new(report)))?;
    }
    Ok(())
}

impl Core {
    /// How long the next turn may wait.
    pub fn waiting_time(&mut self, limit: Option<Duration>) -> Option<Duration> {
        if self.has_turn() || !self.queueing && !self.outbox.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.now;
        let until = self.next_deadline().map(|at| Duration::from_micros(at.micros_since(now)));
        match (until, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The next of a line; servers are served here, since accepting calls nobody.
    fn next_ready(&mut self, line: Line) -> Next {
        if self.has_opened() {
            return Next::Opened;
        }
        let nobody = Next::Served { cost: 0 };
        let Some(id) = self.ready.pop(line) else { return nobody };
        if id.kind() == Kind::Server {
            return Next::Served { cost: self.accept(id) * VISIT };
        }
        let Some(session) = self.session(id) else { return nobody };
        session.mark(Mark::InReady, false);
        Next::Session(id)
    }

    fn next_ending(&mut self) -> Option<(Id, Report)> {
        let id = self.endings.pop_front()?;
        let incoming = self.table().get(id).map_or(0, |cell| cell.seal(id));
        if !self.session(id)?.is(Mark::Announced) {
            self.bury(id);
            return None;
        }
        let session = self.session(id)?;
        let Phase::Over(closed) = &session.phase else { return None };
        let closed = Closed::clone(closed);
        let unsent = (closed.unsent + incoming + session.stranded()) as u64;
        let rtt_us = session.last_stats().map_or(0, |stats| stats.rtt_us);
        Some((id, Report { closed, unsent, rtt_us }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixtures::{Log, accepted_many, new_loop, turn_until};
    use crate::driver::settings::Settings;
    use std::io::{Read, Write};

    #[test]
    fn of_those_that_ping_all_the_time_a_turn_serves_some_behind_all_who_do_not() {
        let (owner, log, count) = (new_loop(), Log::new(), 50);
        let mut crowd = accepted_many(owner, &Settings::default(), &log, count + 1);
        let (_, mut modest) = crowd.pop().unwrap();
        modest.set_nodelay(true).unwrap();
        let ids: Vec<_> = crowd.iter().map(|(id, _)| *id).collect();
        let pings = || {
            let stats = |core: &mut Core, id| {
                core.session(id).and_then(|it| it.conn()?.stats().pings_received.into())
            };
            owner
                .with(|core| Ok(ids.iter().filter_map(|id| stats(core, *id)).sum::<u64>()))
                .unwrap()
        };
        let ping = [0x89, 0x80, 0, 0, 0, 0];
        let mut before = 0;
        // What counts is what they have sent within a second: on a slow machine it may just be over.
        let some_waited = (1..=20).any(|round| {
            for (_, peer) in &mut crowd {
                peer.write_all(&ping.repeat(32)).unwrap();
            }
            assert!(turn_until(owner, || pings() == before + 32 * count as u64), "{}", pings());
            for (_, peer) in &mut crowd {
                peer.read_exact(&mut [0; 64]).unwrap();
                peer.write_all(&ping).unwrap();
            }
            modest.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'm']).unwrap();
            let entered = owner.enter_to_poll().unwrap();
            turn(owner, &entered, Some(Duration::ZERO)).unwrap();
            drop(entered);
            let served = pings() - before - 32 * count as u64;
            assert_eq!(log.count("message m"), round);
            before += 33 * count as u64;
            assert!(turn_until(owner, || pings() == before), "{}", pings());
            for (_, peer) in &mut crowd {
                peer.read_exact(&mut [0; 2]).unwrap();
            }
            (1..count as u64 / 2).contains(&served)
        });
        assert!(some_waited);
        free(owner).unwrap();
    }
}
