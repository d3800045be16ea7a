//! Slots with generations that any thread can read without a lock.
//!
//! The table of a loop outlives the loop: the next loop with the same number goes on with the
//! generations, so a handle from before never fits again.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

use once_cell::race::OnceBox;
use once_cell::sync::OnceCell;

use super::id::{Id, Kind, LAST_GENERATION, MAX_SLOTS};
use super::rng::Entropy;

const SEGMENT: usize = 1024;

/// Set in the byte that also holds the state: the connection was accepted by a server.
pub const ACCEPTED: u8 = 0x80;
/// Set in the same byte: a panic hit the object, nothing more is done with it.
pub const POISONED: u8 = 0x40;
/// Set in the same byte: the application has closed it or given it up, so it does not come back.
pub const GIVEN_UP: u8 = 0x20;
/// Set in the same byte: what is sent before it is open waits until then, as far as the limit allows.
pub const QUEUES: u8 = 0x10;
const STATE: u8 = 0x0f;

/// What a queued request costs beside its bytes, so that a limit in bytes bounds empty ones too.
const REQUEST_COST: usize = 64;

/// A number that belongs to one use of a slot: whoever counts for an earlier one does not disturb it.
/// `generation 20 | sealed 1 | count 43`.
#[derive(Debug, Default)]
struct Tally(AtomicU64);

impl Tally {
    const COUNT: u64 = (1 << 43) - 1;
    const SEALED: u64 = 1 << 43;

    fn begin(&self, generation: u32) {
        self.0.store((generation as u64) << 44, Ordering::SeqCst);
    }

    fn get(&self, generation: u32) -> usize {
        let tally = self.0.load(Ordering::SeqCst);
        if tally >> 44 == generation as u64 { (tally & Self::COUNT) as usize } else { 0 }
    }

    /// The count, which does not change from here on.
    fn seal(&self, generation: u32) -> usize {
        let ours = |tally: u64| tally >> 44 == generation as u64 && tally & Self::SEALED == 0;
        let seal = |tally: u64| ours(tally).then_some(tally | Self::SEALED);
        let last = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, seal);
        last.map_or(0, |tally| (tally & Self::COUNT) as usize)
    }

    /// Sets the count to zero; what it was.
    fn take(&self, generation: u32) -> usize {
        let reset = |tally: u64| (tally >> 44 == generation as u64).then_some(tally & !Self::COUNT);
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, reset);
        before.map_or(0, |tally| (tally & Self::COUNT) as usize)
    }

    /// Changes the count from what it is to what `change` says; false when that is `None`, when it is
    /// sealed or when the slot has been used again.
    fn update(&self, generation: u32, change: impl Fn(usize) -> Option<usize>) -> bool {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |tally| {
                let count = match (tally >> 44).cmp(&(generation as u64)) {
                    // Made a moment ago by whoever needed it first.
                    Less => 0,
                    Equal if tally & Self::SEALED == 0 => (tally & Self::COUNT) as usize,
                    Equal | Greater => return None,
                };
                let count = change(count)?;
                (count as u64 <= Self::COUNT).then_some((generation as u64) << 44 | count as u64)
            })
            .is_ok()
    }
}

/// A number of bytes below 2^48, or more than there can be, with a mark beside it: `mark 16 | bytes 48`.
#[derive(Debug, Default)]
struct Marked(AtomicU64);

impl Marked {
    const BYTES: u64 = (1 << 48) - 1;

    fn bytes(&self) -> usize {
        (self.0.load(Ordering::Relaxed) & Self::BYTES) as usize
    }

    fn set_bytes(&self, bytes: usize) {
        let bytes = (bytes as u64).min(Self::BYTES);
        let set = |now: u64| Some(now & !Self::BYTES | bytes);
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, set);
    }

    fn mark(&self) -> u8 {
        (self.0.load(Ordering::SeqCst) >> 48) as u8
    }

    /// What it was before.
    fn swap_mark(&self, mark: u8) -> u8 {
        let set = |now: u64| Some(now & Self::BYTES | (mark as u64) << 48);
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, set);
        before.map_or(0, |before| (before >> 48) as u8)
    }
}

/// What every thread may know of an object.
#[derive(Debug, Default)]
pub struct Cell {
    /// `generation << 16 | kind << 8 | flags and state`; kind 0 while the slot is free.
    tag: AtomicU64,
    /// Bytes queued in the connection, as its own thread last told.
    buffered: AtomicUsize,
    /// What these and those queued by other threads must not exceed; what becomes of messages beyond that, as
    /// a number of the driver's.
    limit: Marked,
    /// Above this a sender is told to wait for the drain event; whether somebody was.
    high_water: Marked,
    /// What other threads have to do with it, from the first time on that one has.
    others: OnceBox<Others>,
}

/// The part of a cell that few have.
#[derive(Debug, Default)]
struct Others {
    /// Bytes other threads have queued and its own has not taken up yet.
    incoming: Tally,
    /// In so many requests.
    requests: Tally,
    /// Of these, the parts of messages.
    parts: Tally,
    /// Messages of other threads that were dropped beyond the limit, and their bytes, until the owner
    /// takes note of them.
    lost: Tally,
    lost_bytes: Tally,
    /// 1 when the owner has been told that the peer is too slow, and has not come to it yet.
    slow: Tally,
}

/// Why an id does not name a living object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// It did once, or never.
    Stale,
    /// It names one of another class.
    OtherKind,
}

impl Others {
    fn begin(&self, generation: u32) {
        let Others { incoming, requests, parts, lost, lost_bytes, slow } = self;
        let all = [incoming, requests, parts, lost, lost_bytes, slow];
        all.into_iter().for_each(|tally| tally.begin(generation));
    }
}

impl Cell {
    fn generation(&self) -> u32 {
        (self.tag.load(Ordering::SeqCst) >> 16) as u32
    }

    fn others(&self) -> &Others {
        let others = self.others.get_or_init(Box::default);
        // See `seal`.
        fence(Ordering::SeqCst);
        others
    }

    fn of_others(&self, tally: fn(&Others) -> &Tally) -> usize {
        self.others.get().map_or(0, |others| tally(others).get(self.generation()))
    }

    /// Whether it is that object's, in that state, and nobody has given it up and no panic has hit it.
    #[inline]
    pub fn is_sound(&self, id: Id, state: u8) -> bool {
        let tag = self.tag.load(Ordering::SeqCst) & !((ACCEPTED | QUEUES) as u64);
        tag == Cell::tag(id.generation(), id.kind() as u8, state)
    }

    fn tag(generation: u32, kind: u8, state: u8) -> u64 {
        (generation as u64) << 16 | (kind as u64) << 8 | state as u64
    }

    /// The state last set.
    pub fn state(&self) -> u8 {
        self.tag.load(Ordering::SeqCst) as u8 & STATE
    }

    /// Whether [`ACCEPTED`] or [`POISONED`] is set.
    pub fn has(&self, flag: u8) -> bool {
        self.tag.load(Ordering::Relaxed) as u8 & flag != 0
    }

    /// Sets a flag of the object `id`, if it is still there.
    pub fn set(&self, id: Id, flag: u8) {
        let set = |tag: u64| (tag >> 16 == id.generation() as u64).then_some(tag | flag as u64);
        // Gone meanwhile: then there is nothing to flag.
        let _ = self.tag.fetch_update(Ordering::SeqCst, Ordering::SeqCst, set);
    }

    /// Takes a flag back.
    pub fn clear(&self, id: Id, flag: u8) {
        let clear =
            |tag: u64| (tag >> 16 == id.generation() as u64).then_some(tag & !(flag as u64));
        let _ = self.tag.fetch_update(Ordering::SeqCst, Ordering::SeqCst, clear);
    }

    /// Moves the state forward from any thread; false when the object is no longer `id` or already
    /// there. SeqCst, so that whoever ends a connection and whoever queues for it agree on which came first.
    pub fn advance_state(&self, id: Id, state: u8) -> bool {
        let mut tag = self.tag.load(Ordering::SeqCst);
        while tag >> 16 == id.generation() as u64 && (tag as u8 & STATE) < state {
            let next = tag & !(STATE as u64) | state as u64;
            match self.tag.compare_exchange(tag, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => tag = now,
            }
        }
        false
    }

    /// Begins anew with a connection that is not open yet, unless somebody has given it up; false then.
    /// Bytes that other threads have reserved stay reserved until they are taken up.
    pub fn return_to_connecting(&self, id: Id, limit: usize) -> bool {
        let begin_anew = |tag: u64| {
            let same = tag >> 16 == id.generation() as u64;
            (same && tag as u8 & (GIVEN_UP | POISONED) == 0).then_some(tag & !(STATE as u64))
        };
        self.set_limits(limit, limit);
        self.tag.fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin_anew).is_ok()
    }

    /// Queued bytes, all threads' together.
    pub fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed) + self.incoming()
    }

    /// The owner's part of it.
    pub fn set_buffered(&self, bytes: usize) {
        self.buffered.store(bytes, Ordering::Relaxed);
    }

    /// The limit for [`Cell::reserve`] and the mark for [`Cell::want_drain`].
    pub fn set_limits(&self, limit: usize, high_water: usize) {
        self.limit.set_bytes(limit);
        self.high_water.set_bytes(high_water);
    }

    /// The most bytes that may wait.
    pub fn limit(&self) -> usize {
        self.limit.bytes()
    }

    /// After queueing: whether the queue is above the high-water mark. If so the owner will be
    /// asked by [`Cell::take_drain`] to tell when it no longer is.
    pub fn want_drain(&self) -> bool {
        let above = self.buffered() > self.high_water.bytes();
        if above {
            self.high_water.swap_mark(1);
        }
        above
    }

    /// A message was refused for want of room: who sent it waits for the drain, too. True when nobody did
    /// before: then the queue may have drained a moment ago, and only its owner can tell of that.
    pub fn refuse(&self) -> bool {
        self.high_water.swap_mark(1) == 0
    }

    /// Whether somebody was told that it is full.
    #[inline]
    pub fn is_drain_wanted(&self) -> bool {
        self.high_water.mark() == 1
    }

    /// Whether the queue has fallen to `low_water` after somebody was told that it is full.
    pub fn take_drain(&self, low_water: usize) -> bool {
        self.high_water.mark() == 1
            && self.buffered() <= low_water
            && self.high_water.swap_mark(0) == 1
    }

    /// Bytes other threads queued that the owner has not taken up.
    pub fn incoming(&self) -> usize {
        self.of_others(|others| &others.incoming)
    }

    /// The same at the end of `id`: nobody reserves any more, and what is reserved stays so. To be called when
    /// the state says so: whoever reserves looks at that afterwards, and one of both sees the other.
    pub fn seal(&self, id: Id) -> usize {
        fence(Ordering::SeqCst);
        self.others.get().map_or(0, |others| others.incoming.seal(id.generation()))
    }

    /// Whether other threads queued something that the owner has not taken up, be it empty.
    pub fn has_incoming(&self) -> bool {
        self.of_others(|others| &others.requests) > 0
    }

    /// A part of a message is among what is queued that way, or no longer.
    pub fn count_part(&self, id: Id, queued: bool) {
        let count = |parts: usize| if queued { Some(parts + 1) } else { parts.checked_sub(1) };
        self.others().parts.update(id.generation(), count);
    }

    /// Whether one is: then everybody's messages go behind it, so that each thread's keep their order.
    pub fn has_parts(&self) -> bool {
        self.of_others(|others| &others.parts) > 0
    }

    /// What becomes of messages beyond the limit.
    pub fn overflow(&self) -> u8 {
        self.limit.mark()
    }

    /// See `overflow`.
    pub fn set_overflow(&self, overflow: u8) {
        self.limit.swap_mark(overflow);
    }

    /// Another thread has dropped a message of `id`. True when nobody has told the owner yet.
    pub fn lose(&self, id: Id, bytes: usize) -> bool {
        let others = self.others();
        // In this order: whoever takes sees no message without its bytes.
        others.lost_bytes.update(id.generation(), |lost| Some(lost.saturating_add(bytes)));
        let first = AtomicBool::new(false);
        others.lost.update(id.generation(), |lost| {
            first.store(lost == 0, Ordering::Relaxed);
            Some(lost + 1)
        });
        first.into_inner()
    }

    /// Messages and bytes that other threads have dropped since the last time.
    pub fn take_lost(&self, id: Id) -> (usize, usize) {
        let Some(others) = self.others.get() else { return (0, 0) };
        let messages = others.lost.take(id.generation());
        (messages, others.lost_bytes.take(id.generation()))
    }

    /// Another thread has found that the peer of `id` is too slow. True when nobody has told the owner yet.
    pub fn tell_slow(&self, id: Id) -> bool {
        self.others().slow.update(id.generation(), |told| (told == 0).then_some(1))
    }

    /// The owner has come to that.
    pub fn slow_told(&self, id: Id) {
        if let Some(others) = self.others.get() {
            others.slow.take(id.generation());
        }
    }

    /// Another thread queues `bytes` for `id`, if `times` the limit allows; an empty queue takes anything.
    pub fn reserve(&self, id: Id, bytes: usize, times: usize) -> bool {
        let own = self.buffered.load(Ordering::Relaxed);
        let others = self.others();
        let cost = others.requests.get(id.generation()).saturating_mul(REQUEST_COST);
        let limit = self.limit().saturating_mul(times);
        let reserved = others.incoming.update(id.generation(), |incoming| {
            let queued = own.saturating_add(incoming).saturating_add(cost);
            let fits = queued == 0 || queued.saturating_add(bytes) <= limit;
            fits.then_some(incoming.saturating_add(bytes))
        });
        reserved && others.requests.update(id.generation(), |requests| Some(requests + 1))
    }

    /// The owner has taken up `bytes` of `id`, or the queueing thread thought better of it. False when they
    /// were sealed before.
    pub fn unreserve(&self, id: Id, bytes: usize) -> bool {
        let others = self.others();
        let taken = others.incoming.update(id.generation(), |incoming| incoming.checked_sub(bytes));
        others.requests.update(id.generation(), |requests| requests.checked_sub(1));
        taken
    }
}

/// Generations begin anywhere in the lower half, so that an id with a wrong bit, or of another copy of
/// the library in the same process, does not name another living object.
pub fn random_start(entropy: &mut Entropy) -> u32 {
    u32::from_le_bytes(entropy.bytes()) & LAST_GENERATION >> 1
}

/// The slots of one loop.
pub struct Table {
    owner: u16,
    segments: Box<[OnceCell<Box<[Cell]>>]>,
    free: Mutex<Free>,
}

struct Free {
    slots: Vec<u32>,
    never_used: u32,
    entropy: Entropy,
}

impl Table {
    /// An empty table for the loop of that number.
    pub fn new(owner: u16) -> Table {
        let segments = (0..MAX_SLOTS as usize / SEGMENT).map(|_| OnceCell::new()).collect();
        let free = Free { slots: Vec::new(), never_used: 0, entropy: Entropy::from_os() };
        Table { owner, segments, free: Mutex::new(free) }
    }

    /// A slot for a new object, or `None` when a million objects live already.
    pub fn insert(&self, kind: Kind, state: u8) -> Option<Id> {
        let (slot, start) = {
            let mut free = self.free.lock().unwrap_or_else(|poison| poison.into_inner());
            match free.slots.pop() {
                Some(slot) => (slot, 0),
                None if free.never_used < MAX_SLOTS => {
                    free.never_used += 1;
                    (free.never_used - 1, random_start(&mut free.entropy))
                }
                None => return None,
            }
        };
        let segment = self.segments[slot as usize / SEGMENT]
            .get_or_init(|| (0..SEGMENT).map(|_| Cell::default()).collect());
        let cell = &segment[slot as usize % SEGMENT];
        let generation = (cell.tag.load(Ordering::Relaxed) >> 16) as u32 + start + 1;
        cell.buffered.store(0, Ordering::Relaxed);
        if let Some(others) = cell.others.get() {
            others.begin(generation);
        }
        cell.set_overflow(0);
        cell.set_limits(usize::MAX, usize::MAX);
        cell.high_water.swap_mark(0);
        cell.tag.store(Cell::tag(generation, kind as u8, state), Ordering::SeqCst);
        Some(Id::new(kind, self.owner, slot, generation))
    }

    /// The object is gone; its id is stale from now on.
    pub fn remove(&self, id: Id) {
        if let Ok(cell) = self.get(id) {
            cell.tag.store(Cell::tag(id.generation(), 0, 0), Ordering::SeqCst);
            if id.generation() < LAST_GENERATION {
                self.free.lock().unwrap_or_else(|poison| poison.into_inner()).slots.push(id.slot());
            }
        }
    }

    /// The cell at that slot, whoever's it is.
    #[inline]
    pub fn cell(&self, id: Id) -> Option<&Cell> {
        let segment = self.segments.get(id.slot() as usize / SEGMENT)?.get()?;
        segment.get(id.slot() as usize % SEGMENT)
    }

    /// The cell of an object in that state which nobody has given up and no panic has hit.
    #[inline]
    pub fn get_sound(&self, id: Id, state: u8) -> Option<&Cell> {
        let cell = self.cell(id)?;
        (cell.is_sound(id, state) && id.owner() == self.owner).then_some(cell)
    }

    /// The cell of a living object.
    pub fn get(&self, id: Id) -> Result<&Cell, Dead> {
        let cell = self.cell(id).ok_or(Dead::Stale)?;
        let tag = cell.tag.load(Ordering::SeqCst);
        let fits = tag >> 16 == id.generation() as u64 && id.owner() == self.owner;
        if !fits || (tag >> 8) as u8 == 0 {
            return Err(Dead::Stale);
        }
        if (tag >> 8) as u8 != id.kind() as u8 {
            return Err(Dead::OtherKind);
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_slot_does_not_answer_to_the_old_id() {
        let table = Table::new(3);
        let first = table.insert(Kind::Conn, 0).unwrap();
        table.remove(first);
        let second = table.insert(Kind::Conn, 0).unwrap();
        assert_eq!(first.slot(), second.slot());
        assert_eq!(table.get(first).unwrap_err(), Dead::Stale);
        assert!(table.get(second).is_ok());
    }

    #[test]
    fn the_kind_is_part_of_the_identity() {
        let table = Table::new(0);
        let conn = table.insert(Kind::Conn, 0).unwrap();
        let lie = Id::new(Kind::Server, 0, conn.slot(), conn.generation());
        assert_eq!(table.get(lie).unwrap_err(), Dead::OtherKind);
    }

    #[test]
    fn a_slot_retires_when_its_generations_are_used_up() {
        let table = Table::new(0);
        let mut id = table.insert(Kind::Conn, 0).unwrap();
        while id.generation() < LAST_GENERATION {
            table.remove(id);
            id = table.insert(Kind::Conn, 0).unwrap();
            assert_eq!(id.slot(), 0);
        }
        table.remove(id);
        assert_eq!(table.insert(Kind::Conn, 0).unwrap().slot(), 1);
        assert_eq!(table.get(id).unwrap_err(), Dead::Stale);
    }

    #[test]
    fn reservations_respect_the_limit_but_never_starve() {
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        cell.set_limits(1000, 900);
        assert!(cell.reserve(id, 5000, 1), "an empty queue takes one message of any size");
        assert!(!cell.reserve(id, 1, 1));
        cell.unreserve(id, 5000);
        assert!(!cell.has_incoming());
        assert!(cell.reserve(id, 600, 1) && cell.reserve(id, 310, 1) && !cell.reserve(id, 10, 1));
        assert_eq!(cell.buffered(), 910);
        assert!(cell.want_drain() && !cell.take_drain(500));
        assert!(cell.reserve(id, 10, 2), "within twice the limit");
        cell.unreserve(id, 10);
        cell.unreserve(id, 600);
        assert!(cell.take_drain(500) && !cell.take_drain(500));
    }

    #[test]
    fn what_is_sealed_stays_reserved() {
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        assert!(cell.reserve(id, 100, 1) && cell.reserve(id, 20, 1) && cell.unreserve(id, 20));
        assert_eq!((cell.seal(id), cell.incoming()), (100, 100));
        assert!(!cell.unreserve(id, 100) && !cell.reserve(id, 1, 1));
        table.remove(id);
        let next = table.insert(Kind::Conn, 1).unwrap();
        assert_eq!((cell.seal(id), cell.incoming()), (0, 0));
        assert!(cell.reserve(next, 5, 1) && cell.seal(next) == 5);
    }

    #[test]
    fn what_others_dropped_is_told_once() {
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        assert!(cell.lose(id, 10) && !cell.lose(id, 5));
        assert_eq!((cell.take_lost(id), cell.take_lost(id)), ((2, 15), (0, 0)));
        assert!(cell.lose(id, 0));
        table.remove(id);
        let next = table.insert(Kind::Conn, 1).unwrap();
        assert!(!cell.lose(id, 7), "it is another's by now");
        assert_eq!(cell.take_lost(next), (0, 0));
    }

    #[test]
    fn who_is_too_slow_is_told_once_and_only_for_itself() {
        let table = Table::new(0);
        let first = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(first).unwrap();
        assert!(cell.tell_slow(first) && !cell.tell_slow(first));
        cell.slow_told(first);
        assert!(cell.tell_slow(first));
        table.remove(first);
        let next = table.insert(Kind::Conn, 1).unwrap();
        assert!(!cell.tell_slow(first), "nobody comes to that any more");
        assert!(cell.tell_slow(next) && !cell.tell_slow(next));
        cell.slow_told(first);
        assert!(!cell.tell_slow(next), "that was not about this one");
    }

    #[test]
    fn empty_messages_count_too() {
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        cell.set_limits(REQUEST_COST * 10, 0);
        assert_eq!((0..100).filter(|_| cell.reserve(id, 0, 1)).count(), 11);
        assert!(cell.has_incoming() && cell.incoming() == 0);
    }

    #[test]
    fn who_reserved_for_an_earlier_use_of_the_slot_does_not_disturb_the_next() {
        let table = Table::new(0);
        let first = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(first).unwrap();
        assert!(cell.reserve(first, 100, 1));
        table.remove(first);
        let second = table.insert(Kind::Conn, 1).unwrap();
        assert_eq!(cell.buffered(), 0);
        cell.unreserve(first, 100);
        assert!(!cell.reserve(first, 100, 1));
        assert_eq!(table.get(second).unwrap().buffered(), 0);
    }

    #[test]
    fn a_cell_is_small_until_another_thread_comes() {
        assert_eq!(size_of::<Cell>(), 40);
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        cell.set_limits(10, 5);
        cell.set_overflow(3);
        cell.set_buffered(6);
        assert!(cell.want_drain() && cell.take_drain(6) && !cell.take_drain(6));
        assert_eq!((cell.limit(), cell.overflow(), cell.seal(id)), (10, 3, 0));
        assert!(!cell.has_incoming() && !cell.has_parts() && cell.others.get().is_none());
        assert!(cell.reserve(id, 4, 1) && cell.others.get().is_some());
        assert_eq!(cell.buffered(), 10);
    }

    #[test]
    fn states_only_advance_for_the_right_generation() {
        let table = Table::new(0);
        let id = table.insert(Kind::Conn, 1).unwrap();
        let cell = table.get(id).unwrap();
        assert!(cell.advance_state(id, 2));
        assert!(!cell.advance_state(id, 2));
        table.remove(id);
        let next = table.insert(Kind::Conn, 0).unwrap();
        assert!(!cell.advance_state(id, 3));
        assert!(cell.advance_state(next, 3));
    }
}
