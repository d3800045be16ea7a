//! Telling of messages that lie whole in what was read, many at a time: the protocol takes all that it can at
//! once, and before each is told a glance at the loop shows whether the last one has changed anything. If it
//! has, those that are left go back to where they came from, and `feed.rs` goes on.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::core::Core;
use super::deliver::Delivery;
use super::handler::Handler;
use super::loops::Entered;
use super::measure;
use super::series::Series;
use super::session::{Phase, Session};
use super::told::Told;
use crate::error::Result;
use crate::proto::conn::{Whole, Wholes};
use crate::proto::context::{Context, FRAME};
use crate::proto::event::Kind;
use crate::util::arena::Window;
use crate::util::id::Id;
use crate::util::owner::Me;
use crate::util::time::Time;

/// What is the same for most messages of a turn, so that they cost no counting of references.
#[derive(Default)]
pub struct Teller {
    /// Who heard last.
    pub handler: Option<Arc<dyn Handler>>,
    /// A look at where it is read to.
    pub window: Option<Window>,
}

/// Messages that were taken and not all told.
#[derive(Default)]
pub struct Run {
    wholes: Wholes,
    told: usize,
    /// Whose they are, and where in the arena they lie.
    id: Option<Id>,
    input: Range<usize>,
    /// Something was done to the loop since the last glance, other than sending.
    pub disturbed: bool,
    /// What is not told has gone back to the connection, and is taken anew.
    returned: bool,
}

/// Why no message came next.
enum After {
    /// All have been told.
    Over,
    /// Something has changed that changes nothing for the rest.
    Disturbed,
    /// The rest went back: from here on it is to be fed again.
    Back(usize),
}

/// Tells of the messages at the start of a chunk of the arena, and returns where those begin that it has
/// not told of.
pub fn tell(entered: &Entered, id: Id, chunk: Range<usize>, teller: &mut Teller) -> Result<usize> {
    let mut at = chunk.start;
    while at < chunk.end {
        let taken = entered.with(|core| {
            if core.queueing {
                at = core.queue_runs(id, at..chunk.end);
                return Ok(None);
            }
            Ok(core.take_run(id, at..chunk.end, teller, entered.me()))
        })?;
        let (Some((end, told)), Some(handler), Some(window)) =
            (taken, &teller.handler, &teller.window)
        else {
            return Ok(at);
        };
        at = end;
        let _telling = told.begin();
        let hearer = &**handler;
        loop {
            while let Some((kind, range)) = entered.glance(Core::next_whole) {
                window.show(range, |bytes| {
                    let call = || hearer.on_message(id, kind, bytes);
                    measure::timed(Some(entered.measure()), call);
                });
            }
            match entered.with(|core| Ok(core.goes_on(id, handler)))? {
                After::Disturbed => {}
                After::Over => break,
                After::Back(at) => return Ok(at),
            }
        }
    }
    Ok(at)
}

impl Run {
    /// The message that is being told to this connection, and where it is in the arena.
    pub fn current(&self, id: Id) -> Option<(Kind, Range<usize>)> {
        let last = self.told.checked_sub(1).filter(|_| self.id == Some(id))?;
        self.wholes.get(last).map(|whole| (whole.kind, self.place(whole)))
    }

    /// Whether something lies behind the message that is being told.
    pub fn has_more(&self) -> bool {
        let end = self.told.checked_sub(1).and_then(|last| self.wholes.get(last));
        self.id.is_some() && end.is_some_and(|last| self.place(last).end < self.input.end)
    }

    /// Where what was told ends, as the connection was given it.
    fn told_end(&self) -> usize {
        let last = self.told.checked_sub(1).and_then(|last| self.wholes.get(last));
        last.map_or(0, |last| last.payload().end)
    }

    #[inline]
    fn place(&self, whole: &Whole) -> Range<usize> {
        let Range { start, end } = whole.payload();
        self.input.start + start..self.input.start + end
    }
}

impl Core {
    /// Has the protocol take messages from the start of these bytes. Returns how far they go, and who is told of
    /// them; `None` when this is not the way for what comes.
    fn take_run(
        &mut self,
        id: Id,
        input: Range<usize>,
        teller: &mut Teller,
        me: Me,
    ) -> Option<(usize, Told)> {
        let Core { place: owner, entries, arena, run, trash, now, cx, .. } = self;
        let owner = *owner;
        let session = entries.session(id)?;
        let cell = owner.table().cell(id)?;
        let Ok(taken) = receive(session, cx, *now, arena.write(input.clone()), &mut run.wholes)
        else {
            self.break_off(id);
            return None;
        };
        if taken == 0 {
            return None;
        }
        if !teller.handler.as_ref().is_some_and(|known| Arc::ptr_eq(known, &session.setup.handler))
        {
            let last = teller.handler.replace(session.setup.handler.clone());
            // Its release may call anything.
            trash.extend(last.map(|handler| handler as _));
        }
        arena.look(&mut teller.window);
        let end = input.start + taken;
        (run.told, run.id, run.input) = (0, Some(id), input);
        (run.disturbed, run.returned) = (false, false);
        if self.current.is_some() {
            self.current = None;
        }
        Some((end, Told { id, cell, owner, me }))
    }

    /// Queues messages for as long as they lie there whole, and returns where something else begins.
    pub fn queue_runs(&mut self, id: Id, input: Range<usize>) -> usize {
        let mut at = input.start;
        while at < input.end
            && let Some(taken) = self.queue_run(id, at..input.end)
        {
            at += taken;
        }
        at
    }

    fn queue_run(&mut self, id: Id, input: Range<usize>) -> Option<usize> {
        let Core { entries, arena, run, now, cx, outbox, .. } = self;
        let session = entries.session(id)?;
        if outbox.has_enough_of(session) {
            return None;
        }
        let Ok(taken) = receive(session, cx, *now, arena.write(input.clone()), &mut run.wholes)
        else {
            self.break_off(id);
            return None;
        };
        let piece = (taken > 0).then(|| arena.keep(input.start..input.start + taken))?;
        let what = Series::told_as(piece, &run.wholes);
        outbox.push(Delivery { id, what }, Some(session));
        Some(taken)
    }

    /// The next message of the run, which is about to be told.
    #[inline]
    fn next_whole(&mut self) -> Option<(Kind, Range<usize>)> {
        if self.run.disturbed {
            return None;
        }
        let whole = self.run.wholes.get(self.run.told)?;
        let (kind, range) = (whole.kind, self.run.place(whole));
        self.run.told += 1;
        self.count_callback();
        self.arena.fix(range.end);
        Some((kind, range))
    }

    /// Whether there is a rest of the run, and may be told as it is. If not, it goes back.
    fn goes_on(&mut self, id: Id, handler: &Arc<dyn Handler>) -> After {
        self.run.disturbed = false;
        if !self.run.returned && self.run.told == self.run.wholes.len() {
            self.run.id = None;
            return After::Over;
        }
        let as_it_is = |session: &mut Session| {
            let same = Arc::ptr_eq(handler, &session.setup.handler) && !session.pauses();
            same && session.conn().is_some_and(|conn| conn.takes_runs())
        };
        let back = self.run.returned || self.queueing;
        if !back && self.session(id).is_some_and(as_it_is) {
            return After::Disturbed;
        }
        self.forget_run();
        After::Back(self.run.input.start + self.run.told_end())
    }

    /// What was taken and is not told yet will not be told from here.
    pub fn forget_run(&mut self) {
        self.return_run();
        self.run.id = None;
    }

    /// What was taken and is not told yet goes back to its connection, if that is still open: its figures are
    /// those of what was told.
    pub fn return_run(&mut self) {
        let run = &mut self.run;
        let Some(id) = run.id.filter(|_| !run.returned) else { return };
        (run.returned, run.disturbed) = (true, true);
        let (at, rest) = (run.told_end(), &run.wholes[run.told..]);
        let session = self.entries.session(id);
        if let Some(conn) = session.and_then(Session::conn) {
            let input = self.arena.write(run.input.start + at..run.input.end);
            conn.give_back(input, at, rest);
        }
    }
}

/// Has the protocol take messages from the start of these bytes, as far as nothing is in the way of that.
/// An error is a panic in there.
#[inline(always)] // in the way of each message
fn receive(
    session: &mut Session,
    cx: &mut Context,
    now: Time,
    bytes: &mut [u8],
    wholes: &mut Wholes,
) -> std::thread::Result<usize> {
    if session.pauses() || cx.is_tired() {
        return Ok(0);
    }
    let Phase::Open(conn) = &mut session.phase else { return Ok(0) };
    catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "test-panic")]
        super::feed::provoke(bytes, "panic in the connection");
        let taken = conn.recv_run(now, bytes, wholes);
        cx.work += wholes.len() * FRAME;
        taken
    }))
}

#[cfg(test)]
mod tests;
