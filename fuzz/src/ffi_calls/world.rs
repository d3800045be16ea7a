//! What the C interface has promised so far: the handles it gave out, the user data it holds, and what
//! connections and servers have told of themselves.

use super::super::input::Input;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_void;
use std::net::{TcpListener, TcpStream};
use wsock::ffi::types::wsock_server_stats;

/// Positions of the classes in `World::handles`.
pub const LOOP: usize = 0;
pub const CONN: usize = 1;
pub const SERVER: usize = 2;
pub const REQUEST: usize = 3;
pub const OPTIONS: usize = 4;
pub const HUB: usize = 5;
pub const MESSAGE: usize = 6;

#[derive(Default)]
pub struct World {
    data: Vec<u8>,
    at: usize,
    /// Calls that may still be made.
    pub budget: usize,
    /// Every handle ever given out; stale ones stay.
    pub handles: [Vec<usize>; 7],
    pub users: Vec<User>,
    pub conns: BTreeMap<usize, Conn>,
    pub servers: BTreeMap<usize, Server>,
    pub options: BTreeMap<usize, Options>,
    pub tasks: Vec<Task>,
    /// Functions that are sources and were not released.
    pub wells: usize,
    /// Where loops write their batches, by loop.
    pub rooms: BTreeMap<usize, Room>,
    /// Loops whose batches a flush ends.
    pub promised: BTreeSet<usize>,
    /// Some loop queues what it has to tell, so that the state may be ahead of that.
    pub queues: bool,
    /// Batches that have ended.
    pub batches: usize,
    /// Connections whose end was told in the last batch of their loop, and that loop.
    pub ended: Vec<(usize, usize)>,
    /// Messages published and broadcast, and their bytes.
    pub published: (u64, u64),
    /// Descriptors of loops that were asked for them.
    pub beacons: BTreeMap<usize, i32>,
    /// How many of run, poll and loop_free are on the stack.
    pub inside: usize,
    /// Our ends of connections to the library. Unix sockets too: as a `TcpStream` writing to one whose
    /// other end is closed raises no signal.
    pub peers: Vec<TcpStream>,
    /// Where clients of the library find nothing but peers.
    pub stage: Option<TcpListener>,
}

/// User data: its pointer is its position, plus one.
#[derive(Clone, Copy, Default)]
pub struct User {
    /// The call that was given it succeeded.
    pub attached: bool,
    pub releasable: bool,
    /// It came with on_open, on_error and on_close.
    pub told: bool,
    /// It came with on_retry.
    pub told_of_retries: bool,
    pub released: u32,
}

#[derive(Default)]
pub struct Conn {
    /// on_close has to come.
    pub expected: bool,
    pub open: bool,
    pub opened: u32,
    pub retries: u32,
    /// A message has begun in parts and not ended.
    pub inside: bool,
    /// What WSOCK_OPT_RECONNECT was, as long as that is known.
    pub attempts: Option<i64>,
    /// It began with WSOCK_OPT_RECONNECT.
    pub comes_back: bool,
    /// It was closed or aborted.
    pub given_up: bool,
    /// A message in parts was accepted: if its end has not come when the connection closes, it is lost.
    pub in_parts: bool,
    /// Messages that were accepted, and their bytes.
    pub messages: u64,
    pub bytes: u64,
    /// Bytes of them that were told to be lost.
    pub lost: u64,
    pub error: Option<i32>,
    pub closed: u32,
    /// Seen to be stale after that.
    pub stale: bool,
}

impl Conn {
    /// What its messages may weigh at most, with what compression and framing add.
    pub fn weight(&self) -> u64 {
        self.bytes + 20 * self.messages
    }
}

#[derive(Default)]
pub struct Server {
    /// What its clients write after the scheme: `://127.0.0.1:80/` or `+unix:@name:/`.
    pub place: String,
    pub secure: bool,
    /// A socket file that goes when it does.
    pub file: Option<String>,
    /// What it told last.
    pub stats: Option<wsock_server_stats>,
}

/// What matters to us of a set of options.
#[derive(Clone, Copy, Default)]
pub struct Options {
    pub attempts: i64,
    /// It has a certificate.
    pub secure: bool,
}

/// Memory for records, and the size of one.
#[derive(Default)]
pub struct Room {
    pub room: Vec<u64>,
    pub size: usize,
}

#[derive(Default)]
pub struct Task {
    pub owner: usize,
    pub accepted: bool,
    pub releasable: bool,
    pub ran: u32,
    pub released: u32,
}

thread_local!(static WORLD: RefCell<World> = RefCell::default());

/// Never across a call into the library: that would call back in.
pub fn world<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(f)
}

/// Begins anew.
pub fn reset(data: &[u8]) {
    world(|w| *w = World { data: data.to_vec(), budget: 120, ..World::default() });
}

/// Decisions from the input.
pub fn draw<R>(f: impl FnOnce(&mut Input) -> R) -> R {
    world(|w| {
        let mut input = Input::new(&w.data[w.at..]);
        let drawn = f(&mut input);
        w.at = w.data.len() - input.rest().len();
        drawn
    })
}

/// A number below `n`.
pub fn below(n: usize) -> usize {
    draw(|input| input.below(n))
}

/// A new piece of user data.
pub fn new_user(user: User) -> usize {
    world(|w| {
        w.users.push(user);
        w.users.len() - 1
    })
}

pub fn pointer(index: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(index + 1)
}

/// The set of options that was given to a call; NULL is the defaults.
pub fn options_of(handle: usize) -> Options {
    world(|w| w.options.get(&handle).copied().unwrap_or_default())
}
