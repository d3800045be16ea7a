//! Messages whose bytes are fetched when the connection has room for them: from a descriptor, or from
//! the application, which is asked for the next piece. So a message may be longer than memory.
//!
//! The sources of a connection have their turn in the order in which they were given, each in its place
//! among the messages; `Connection::stream_wants` says when.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use mio::unix::SourceFd;

use super::conn;
use super::core::Core;
use super::deliver::{self, What};
use super::inbox::{Command, Task};
use super::loops::{self, Entered, Loop};
use super::session::{Phase, Session};
use crate::error::{Code, Error, Result};
use crate::proto::close;
use crate::proto::conn::State;
use crate::proto::event::Kind;
use crate::util::descriptor::{self, Nature};
use crate::util::id::Id;
use crate::util::offer::Offer;

/// Bytes fetched at a time: one frame each.
const PIECE: usize = 64 * 1024;
/// Pieces of one connection before the others have their turn.
const PIECES_PER_TURN: usize = 4;

/// What the application has come up with.
pub enum Pulled {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The message ends.
    End,
    /// Nothing now; `pull_again` says when.
    Later,
    /// Nothing ever: why, in a few words.
    Failed(&'static str),
}

/// The application as a source. Dropped when nothing more will be asked for, unborrowed.
pub trait Pull: Send + Sync {
    /// The next bytes, called on the thread of the callbacks while nothing is borrowed.
    fn pull(&self, conn: Id, buffer: &mut [u8]) -> Pulled;
}

/// Where bytes come from.
enum Origin {
    Descriptor {
        file: File,
        /// It tells when it has something to read.
        watched: bool,
        /// Bytes of the message that have not been read; `None`: up to the end.
        left: Option<u64>,
    },
    Application {
        pull: Arc<dyn Pull>,
        /// It is being asked right now.
        asked: bool,
        /// It has more, said since then.
        again: bool,
    },
}

/// One message on its way out.
struct Source {
    stream: u32,
    origin: Origin,
    /// It has nothing now and will say when that changes.
    waits: bool,
}

/// Those of one connection.
#[derive(Default)]
pub struct Sources {
    line: VecDeque<Source>,
    /// On the list of sessions with room for more.
    listed: bool,
}

impl Sources {
    fn get(&mut self, stream: u32) -> Option<&mut Source> {
        self.line.iter_mut().find(|source| source.stream == stream)
    }
}

/// What became of an attempt to get the next piece.
enum Next {
    /// There was one, and there may be room for another.
    Went,
    /// Nothing can go now.
    Nothing,
    /// The application has to be asked.
    Ask(Task),
}

/// Sends what a descriptor gives, `len` bytes or all there is.
pub fn send_fd(id: Id, kind: Kind, offer: Offer, len: Option<u64>, compress: bool) -> Result<()> {
    conn::find(id)?.0.with(|core| {
        core.check_open(id)?;
        let refused = |why| Err(Error::new(Code::InvalidArgument, why));
        let watched = match descriptor::nature(offer.as_fd()).map_err(|e| cannot_read(&e))? {
            Nature::Readable { file: true } => false,
            Nature::Readable { file: false } => core.watch(id, offer.as_fd().as_raw_fd())?,
            Nature::WriteOnly => return refused("the descriptor is open for writing only"),
            Nature::Directory => return refused("the descriptor is a directory"),
        };
        let file = File::from(offer.take());
        core.add_source(id, kind, compress, Origin::Descriptor { file, watched, left: len })
    })
}

/// Sends what the application gives when it is asked. `attach` makes the source of it, when it is sure
/// that it will be one.
pub fn send_from(
    id: Id,
    kind: Kind,
    compress: bool,
    attach: impl FnOnce() -> Arc<dyn Pull>,
) -> Result<()> {
    conn::find(id)?.0.with(|core| {
        core.check_open(id)?;
        let origin = Origin::Application { pull: attach(), asked: false, again: false };
        core.add_source(id, kind, compress, origin)
    })
}

/// The application has more for whatever source of that connection said `Later`, from any thread.
pub fn pull_again(id: Id) -> Result<()> {
    let (owner, _) = loops::find_object(id)?;
    let direct = owner.try_with(|core| {
        core.pull_again(id);
        Ok(())
    });
    direct.unwrap_or_else(|| owner.push(Command::PullAgain(id)))
}

/// Lets every connection that has room get more from its sources.
pub fn serve(entered: &Entered) -> Result<()> {
    let (count, place) = entered.with(|core| Ok((core.hungry.len(), core.place.id())))?;
    for _ in 0..count {
        let Some(id) = entered.with(|core| Ok(core.next_hungry()))? else { continue };
        for _ in 0..PIECES_PER_TURN {
            match entered.with(|core| Ok(core.next_piece(id)))? {
                Next::Went => {}
                Next::Nothing => break,
                Next::Ask(task) => deliver::tell(entered, place, What::Task(Some(task)))?,
            }
        }
        entered.with(|core| {
            core.tend_sources(id);
            Ok(())
        })?;
    }
    Ok(())
}

impl Session {
    /// Messages whose bytes are fetched when there is room for them.
    fn sources(&mut self) -> Option<&mut Sources> {
        self.details.as_mut()?.sources.as_deref_mut()
    }
}

impl Core {
    fn check_open(&mut self, id: Id) -> Result<()> {
        match self.session(id).and_then(Session::conn).map(|conn| conn.state()) {
            Some(State::Open) => Ok(()),
            _ => Err(Error::new(Code::State, "the connection is not open: nothing can be sent")),
        }
    }

    /// Watches a descriptor of a source. False for those that are always ready.
    fn watch(&self, id: Id, fd: i32) -> Result<bool> {
        match self.register_source(id, &mut SourceFd(&fd)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(e) => Err(Error::os(Code::System, "cannot watch the descriptor", &e)),
        }
    }

    fn add_source(&mut self, id: Id, kind: Kind, compress: bool, origin: Origin) -> Result<()> {
        self.send_before(id);
        let Some(conn) = self.session(id).and_then(Session::conn) else { return Ok(()) };
        let stream = conn.begin_source(kind, compress)?;
        if let Some(session) = self.session(id) {
            let sources = session.details().sources.get_or_insert_default();
            sources.line.push_back(Source { stream, origin, waits: false });
        }
        self.dirty(id);
        Ok(())
    }

    fn next_hungry(&mut self) -> Option<Id> {
        let id = self.hungry.pop_front()?;
        self.session(id)?.sources()?.listed = false;
        Some(id)
    }

    /// Puts a session on the list if it has room for what a source has, and lets the sources of one that
    /// can send no more go.
    pub fn tend_sources(&mut self, id: Id) {
        let Some(session) = self.session(id) else { return };
        let sources = session.details.as_mut().and_then(|details| details.sources.as_mut());
        let Some(sources) = sources else { return };
        let wanted = match &session.phase {
            Phase::Open(conn) if conn.state() != State::Closed => conn.stream_wants(),
            _ => return self.drop_sources(id),
        };
        let ready = wanted.and_then(|stream| sources.get(stream)).is_some_and(|it| it.can_go());
        if ready && !sources.listed {
            sources.listed = true;
            self.hungry.push_back(id);
        }
    }

    /// A descriptor of one of its sources has something to read.
    pub fn source_ready(&mut self, id: Id) {
        let Some(sources) = self.session(id).and_then(Session::sources) else {
            return;
        };
        for source in &mut sources.line {
            source.waits &= !matches!(source.origin, Origin::Descriptor { .. });
        }
        self.tend_sources(id);
    }

    /// See the function of that name.
    pub fn pull_again(&mut self, id: Id) {
        let Some(sources) = self.session(id).and_then(Session::sources) else {
            return;
        };
        for source in &mut sources.line {
            if let Origin::Application { again, .. } = &mut source.origin {
                *again = true;
                source.waits = false;
            }
        }
        self.tend_sources(id);
    }

    /// Gets the next piece for a connection, if it wants one and a source has one.
    fn next_piece(&mut self, id: Id) -> Next {
        let place = self.place;
        let Some((session, cx, _)) = self.session_and_context(id) else { return Next::Nothing };
        let Phase::Open(conn) = &session.phase else { return Next::Nothing };
        let sources = session.details.as_mut().and_then(|details| details.sources.as_mut());
        let (Some(stream), Some(sources)) = (conn.stream_wants(), sources) else {
            return Next::Nothing;
        };
        let Some(source) = sources.get(stream).filter(|source| source.can_go()) else {
            return Next::Nothing;
        };
        let mut buffer = cx.pool.take_for(PIECE).unwrap_or_default();
        buffer.resize(PIECE, 0);
        let (read, left) = match &mut source.origin {
            Origin::Application { pull, asked, again } => {
                (*asked, *again) = (true, false);
                return Next::Ask(ask(place, id, stream, pull.clone(), buffer));
            }
            Origin::Descriptor { file, left, .. } => {
                let most = left.map_or(PIECE, |left| left.min(PIECE as u64) as usize);
                let read = match most {
                    0 => Ok(Some(0)),
                    most => descriptor::read_now(file, &mut buffer[..most]),
                };
                if let (Ok(Some(count)), Some(left)) = (&read, &mut *left) {
                    *left -= *count as u64;
                }
                (read, *left)
            }
        };
        match read {
            Ok(None) => source.waits = true,
            Ok(Some(0)) if left.is_some_and(|left| left > 0) => {
                self.source_failed(id, ended_early(left.unwrap_or(0)));
            }
            Ok(Some(count)) => {
                let last = left.map_or(count == 0, |left| left == 0);
                self.part_came(id, stream, &buffer[..count], last);
            }
            Err(e) => self.source_failed(id, cannot_read(&e)),
        }
        self.cx.pool.put(buffer);
        Next::Went
    }

    /// The application has answered.
    fn pulled(&mut self, id: Id, stream: u32, pulled: Pulled, buffer: Vec<u8>) {
        let source = self.session(id).and_then(|it| it.sources()?.get(stream));
        if let Some(Source { origin: Origin::Application { asked, again, .. }, waits, .. }) = source
        {
            *asked = false;
            *waits = matches!(pulled, Pulled::Later) && !*again;
            match pulled {
                Pulled::Bytes(count) => self.part_came(id, stream, &buffer[..count], false),
                Pulled::End => self.part_came(id, stream, &[], true),
                Pulled::Later => {}
                Pulled::Failed(why) => self.source_failed(id, Error::new(Code::Aborted, why)),
            }
        }
        self.cx.pool.put(buffer);
        self.tend_sources(id);
    }

    /// Sends the next part of a message.
    fn part_came(&mut self, id: Id, stream: u32, data: &[u8], last: bool) {
        let sent = self.contain(id, |session, cx, now| match session.conn() {
            Some(conn) => conn.stream_part(cx, now, stream, data, last).map(|_| ()),
            None => Ok(()),
        });
        if let Err(error) = sent {
            return self.source_failed(id, error);
        }
        if last {
            self.drop_where(id, |source| source.stream == stream);
        }
        self.dirty(id);
    }

    /// A message that has begun cannot be finished, and nothing else can follow it (RFC 6455 section 5.4).
    fn source_failed(&mut self, id: Id, error: Error) {
        let error = error.with(|it| it.close_code = close::INTERNAL_ERROR);
        let _ = self.contain(id, |session, cx, now| {
            if let Some(conn) = session.conn() {
                conn.close_because(cx, now, "a message could not be finished", error);
            }
            Ok(())
        });
        self.drop_sources(id);
        self.dirty(id);
    }

    /// Nothing more will be asked of the sources of that session.
    pub fn drop_sources(&mut self, id: Id) {
        self.drop_where(id, |_| true);
    }

    fn drop_where(&mut self, id: Id, gone: impl Fn(&Source) -> bool) {
        let details = self.session(id).and_then(|session| session.details.as_mut());
        let Some(details) = details else { return };
        let Some(sources) = &mut details.sources else { return };
        let (dropped, kept) = std::mem::take(&mut sources.line).into_iter().partition(gone);
        sources.line = kept;
        if sources.line.is_empty() {
            details.sources = None;
        }
        let dropped: VecDeque<Source> = dropped;
        for source in dropped {
            match source.origin {
                Origin::Descriptor { file, watched: true, .. } => {
                    // Others may keep what it refers to open, and so watched.
                    self.deregister(&mut SourceFd(&file.as_raw_fd()));
                }
                Origin::Descriptor { .. } => {}
                Origin::Application { pull, .. } => self.trash.push(Arc::new(pull)),
            }
        }
    }
}

impl Source {
    fn can_go(&self) -> bool {
        !self.waits && !matches!(self.origin, Origin::Application { asked: true, .. })
    }
}

/// Asks the application, which may do anything meanwhile, and tells the loop.
fn ask(place: Loop, id: Id, stream: u32, pull: Arc<dyn Pull>, mut buffer: Vec<u8>) -> Task {
    Box::new(move || {
        let pulled = pull.pull(id, &mut buffer);
        // When the loop is gone, so is everything that would care.
        let _ = place.with(|core| {
            core.pulled(id, stream, pulled, buffer);
            Ok(())
        });
    })
}

fn cannot_read(error: &io::Error) -> Error {
    Error::os(Code::System, "cannot read what is to be sent", error)
}

fn ended_early(missing: u64) -> Error {
    Error::new(
        Code::System,
        format!("what is to be sent ended {missing} bytes before the length that was given"),
    )
}
