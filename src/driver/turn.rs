//! One turn of a loop: wait, take up what other threads asked for, serve sockets, fire timers, send
//! what was queued, tell of endings.

use std::time::Duration;

use super::core::Core;
use super::feed;
use super::log;
use super::loops::{Entered, Loop};
use super::measure::timed;
use super::report::Report;
use super::session::{Phase, state};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::event::Closed;
use crate::util::id::{Id, Kind};

/// Turns until something stops it: `stop`, a signal, or nothing left that could ever happen.
pub fn run(place: Loop) -> Result<()> {
    let entered = place.enter_to_poll()?;
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

/// One turn that waits at most `limit`, or for as long as it takes. Answers how many callbacks ran.
pub fn poll(place: Loop, limit: Option<Duration>) -> Result<u32> {
    let entered = place.enter_to_poll()?;
    turn(place, &entered, limit)
}

/// How long a foreign loop may sleep: `None` for ever.
pub fn timeout_ms(place: Loop) -> Result<Option<u64>> {
    place.with(|core| {
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
    let entered = place.enter_to_free()?;
    // Nothing of a broken loop can be trusted to run, but it can be dropped.
    if place.check_poison().is_ok() {
        say_good_bye(&entered)?;
        log::tell(place, &entered)?;
    }
    place.vacate(entered);
    Ok(())
}

fn say_good_bye(entered: &Entered) -> Result<()> {
    entered.with(|core| {
        core.tick();
        // Callbacks can make nothing new from here on.
        core.leaving = true;
        core.dispatching = true;
        for id in core.servers() {
            core.close_server(id, 0, close::GOING_AWAY, "");
        }
        for id in core.sessions_where(|session| !matches!(session.phase, Phase::Over(_))) {
            core.fail(id, Error::new(Code::Aborted, "the loop was freed"));
        }
        core.settle_all();
        Ok(())
    })?;
    tell_endings(entered)
}

fn turn(place: Loop, entered: &Entered, limit: Option<Duration>) -> Result<u32> {
    log::tell(place, entered)?;
    let (mut buffer, woken) = entered.with(|core| {
        core.tick();
        let wait = core.waiting_time(limit);
        core.callbacks = 0;
        core.wait(wait).map_err(|e| match e.kind() {
            std::io::ErrorKind::Interrupted => {
                Error::os(Code::Interrupted, "a signal interrupted the wait", &e)
            }
            _ => Error::os(Code::System, "waiting for events failed", &e),
        })?;
        core.dispatching = true;
        let mut buffer = std::mem::take(&mut core.receive);
        buffer.resize(super::core::RECEIVE_BUFFER, 0);
        Ok((buffer, core.now))
    })?;
    take_commands(place, entered)?;
    // What has arrived counts before the time that has passed: a busy application is no dead peer.
    serve_ready(entered, &mut buffer)?;
    fire_timers(entered)?;
    settle(entered)?;
    tell_drains(entered)?;
    tell_retries(entered)?;
    tell_endings(entered)?;
    let callbacks = entered.with(|core| {
        core.settle_all();
        core.trash.append(&mut core.ended);
        core.dispatching = false;
        core.receive = buffer;
        core.update_beacon();
        core.count_turn(woken);
        Ok(core.callbacks)
    })?;
    log::tell(place, entered)?;
    Ok(callbacks)
}

fn settle(entered: &Entered) -> Result<()> {
    entered.with(|core| {
        // The callbacks may have taken long, and deadlines count from when something leaves.
        core.tick();
        core.settle_all();
        Ok(())
    })
}

fn take_commands(place: Loop, entered: &Entered) -> Result<()> {
    if !place.inbox.has_work() {
        return Ok(());
    }
    for command in place.inbox.take() {
        let task = entered.with(|core| {
            core.figures.requests += 1;
            let task = core.obey(command);
            core.callbacks += task.is_some() as u32;
            Ok(task)
        })?;
        if let Some(task) = task {
            timed(place.id(), task);
        }
    }
    Ok(())
}

fn fire_timers(entered: &Entered) -> Result<()> {
    entered.with(|core| {
        while let Some((at, id)) = core.timers.pop_due(core.now) {
            if core.take_timer(id, at) {
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

fn serve_ready(entered: &Entered, buffer: &mut [u8]) -> Result<()> {
    // Only what is ready now: what becomes ready meanwhile has its turn after everybody else.
    let mut count = entered.with(|core| Ok(core.ready.len()))?;
    while count > 0 {
        count -= 1;
        let Some(id) = entered.with(|core| Ok(core.next_ready()))? else { continue };
        feed::serve(entered, id, buffer)?;
    }
    Ok(())
}

fn tell_drains(entered: &Entered) -> Result<()> {
    let count = entered.with(|core| Ok(core.drains.len()))?;
    for _ in 0..count {
        let next = entered.with(|core| {
            let Some(id) = core.drains.pop_front() else { return Ok(None) };
            core.callbacks += 1;
            Ok(core.handler(id).map(|handler| (id, handler)))
        })?;
        if let Some((id, handler)) = next {
            timed(id, || handler.on_drain(id));
        }
    }
    Ok(())
}

/// `on_retry` of the clients that come back.
fn tell_retries(entered: &Entered) -> Result<()> {
    let count = entered.with(|core| Ok(core.retries.len()))?;
    for _ in 0..count {
        let next = entered.with(|core| {
            let next = core.next_retry();
            Ok(next.and_then(|(id, news)| Some((id, news, core.handler(id)?))))
        })?;
        if let Some((id, news, handler)) = next {
            timed(id, || handler.on_retry(id, &news));
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
        for last in [false, true] {
            let Some(handler) = entered.with(|core| Ok(core.handler(id)))? else { break };
            match (&report.closed.error, last) {
                (_, true) => timed(id, || handler.on_close(id, &report)),
                (Some(error), false) => timed(id, || handler.on_error(id, error)),
                (None, false) => {}
            }
        }
        entered.with(|core| {
            core.bury(id);
            Ok(())
        })?;
    }
    Ok(())
}

impl Core {
    fn waiting_time(&mut self, limit: Option<Duration>) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let now = self.now;
        let until = self.next_deadline().map(|at| Duration::from_micros(at.micros_since(now)));
        match (until, limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The next session with input; servers are served here, since accepting calls nobody.
    fn next_ready(&mut self) -> Option<Id> {
        let id = self.ready.pop_front()?;
        if id.kind() == Kind::Server {
            self.accept(id);
            return None;
        }
        self.session(id)?.in_ready = false;
        // It may also have become writable.
        self.dirty(id);
        Some(id)
    }

    fn next_ending(&mut self) -> Option<(Id, Report)> {
        let id = self.endings.pop_front()?;
        let incoming = self.table().get(id).map_or(0, |cell| cell.incoming());
        let session = self.session(id)?;
        let Phase::Over(closed) = &session.phase else { return None };
        let closed = Closed::clone(closed);
        let unsent = (closed.unsent + incoming + session.stranded()) as u64;
        let rtt_us = session.details.stats.map_or(0, |stats| stats.rtt_us);
        if let Ok(cell) = self.table().get(id) {
            cell.advance_state(id, state::CLOSED);
        }
        self.callbacks += 1 + closed.error.is_some() as u32;
        Some((id, Report { closed, unsent, rtt_us }))
    }
}
