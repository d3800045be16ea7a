//! Slots with generations: an id names what it was made for and nothing else, before and after; and what other
//! threads reserve is counted for it alone.

use super::Seed;
use super::input::Input;
use wsock::util::id::{Id, Kind};
use wsock::util::table::{ACCEPTED, Dead, GIVEN_UP, POISONED, QUEUES, Table};

const OWNER: u16 = 3;
const MAX_STEPS: usize = 200;
const KINDS: [Kind; 4] = [Kind::Conn, Kind::Server, Kind::Request, Kind::Loop];
const FLAGS: [u8; 4] = [ACCEPTED, POISONED, GIVEN_UP, QUEUES];
/// The flags that make an object unsound.
const UNSOUND: u8 = POISONED | GIVEN_UP;

/// What must be true of a living object.
#[derive(Clone, Default)]
struct Known {
    state: u8,
    flags: u8,
    own: usize,
    limit: usize,
    /// Bytes reserved by others, in as many requests.
    reserved: Vec<usize>,
    sealed: bool,
    lost: (usize, usize),
    slow: bool,
}

struct World {
    table: Table,
    living: Vec<(Id, Known)>,
    dead: Vec<Id>,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World { table: Table::new(OWNER), living: Vec::new(), dead: Vec::new() };
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.check();
    }
}

impl World {
    fn step(&mut self, input: &mut Input) {
        match input.below(4) {
            0 => self.insert(input),
            1 => self.remove(input),
            2 => self.forge(input),
            _ => {
                if let Some(which) = usize::from(input.byte()).checked_rem(self.living.len()) {
                    let (id, known) = &mut self.living[which];
                    use_one(&self.table, *id, known, input);
                }
            }
        }
    }

    fn insert(&mut self, input: &mut Input) {
        let (kind, state) = (KINDS[input.below(4)], input.byte() % 4);
        let id = self.table.insert(kind, state).expect("there are a million");
        assert_eq!((id.kind(), id.owner()), (kind, OWNER));
        assert!(!self.living.iter().any(|(other, _)| other.slot() == id.slot()));
        assert!(!self.dead.contains(&id), "an id came back");
        let mut known = Known { state, ..Known::default() };
        known.limit = usize::from(input.byte()) * 8;
        let cell = self.table.get(id).expect("it lives");
        assert_eq!((cell.buffered(), cell.has_incoming(), cell.overflow()), (0, false, 0));
        cell.set_limits(known.limit, usize::MAX);
        self.living.push((id, known));
    }

    fn remove(&mut self, input: &mut Input) {
        if let Some(which) = usize::from(input.byte()).checked_rem(self.living.len()) {
            let (id, _) = self.living.swap_remove(which);
            self.table.remove(id);
            self.table.remove(id);
            self.dead.push(id);
        }
    }

    /// Any number, or an id with a wrong bit.
    fn forge(&self, input: &mut Input) {
        let bits = match usize::from(input.byte()).checked_rem(self.living.len()) {
            Some(which) => self.living[which].0.bits() ^ 1 << (input.byte() % 64),
            None => input.bytes(8).iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte)),
        };
        let Some(id) = Id::from_bits(bits) else { return };
        assert_eq!(id.bits(), bits);
        let same = |(known, _): &(Id, Known)| {
            (known.owner(), known.slot(), known.generation())
                == (id.owner(), id.slot(), id.generation())
        };
        match (self.table.get(id), self.living.iter().find(|known| same(known))) {
            (Ok(_), Some((known, _))) => assert_eq!(*known, id),
            (Err(dead), Some(_)) => assert_eq!(dead, Dead::OtherKind),
            (found, None) => assert_eq!(found.err(), Some(Dead::Stale)),
        }
    }

    fn check(&self) {
        for id in &self.dead {
            assert_eq!(self.table.get(*id).err(), Some(Dead::Stale));
        }
        for (id, known) in &self.living {
            let cell = self.table.get(*id).expect("it lives");
            assert_eq!(cell.state(), known.state);
            assert!(FLAGS.iter().all(|&flag| cell.has(flag) == (known.flags & flag != 0)));
            let sound = self.table.get_sound(*id, known.state).is_some();
            assert_eq!(sound, known.flags & UNSOUND == 0);
            let incoming: usize = known.reserved.iter().sum();
            assert_eq!((cell.incoming(), cell.buffered()), (incoming, known.own + incoming));
            assert_eq!(cell.has_incoming(), !known.reserved.is_empty());
            assert_eq!(cell.limit(), known.limit);
        }
    }
}

fn use_one(table: &Table, id: Id, known: &mut Known, input: &mut Input) {
    let cell = table.get(id).expect("it lives");
    let (what, n) = (input.below(12), usize::from(input.byte()));
    match what {
        0 => {
            known.flags |= FLAGS[n % 4];
            cell.set(id, FLAGS[n % 4]);
        }
        1 => {
            known.flags &= !FLAGS[n % 4];
            cell.clear(id, FLAGS[n % 4]);
        }
        2 => {
            let state = n as u8 % 8;
            assert_eq!(cell.advance_state(id, state), state > known.state);
            known.state = known.state.max(state);
        }
        3 => {
            let begins = known.flags & UNSOUND == 0;
            assert_eq!(cell.return_to_connecting(id, n), begins);
            known.limit = n;
            known.state = if begins { 0 } else { known.state };
        }
        4 => {
            known.own = n;
            cell.set_buffered(n);
        }
        5 | 6 => {
            // A request costs 64 bytes beside its own, so that a limit bounds empty ones.
            let queued =
                known.own + known.reserved.iter().sum::<usize>() + 64 * known.reserved.len();
            let fits = queued == 0 || queued + n <= known.limit;
            let reserved = cell.reserve(id, n, 1);
            assert!(reserved == fits || known.sealed && !reserved);
            if reserved {
                known.reserved.push(n);
            }
        }
        7 => {
            if !known.sealed
                && let Some(bytes) = known.reserved.pop()
            {
                assert!(cell.unreserve(id, bytes));
            }
        }
        8 => {
            let reserved: usize = known.reserved.iter().sum();
            let told = cell.seal(id);
            assert!(told == reserved || known.sealed && told == 0);
            // Where nobody has ever queued anything there is nothing to seal; then the state keeps them away.
            known.sealed = true;
        }
        9 => {
            assert_eq!(cell.lose(id, n), known.lost.0 == 0);
            known.lost = (known.lost.0 + 1, known.lost.1 + n);
        }
        10 => assert_eq!(cell.take_lost(id), std::mem::take(&mut known.lost)),
        _ => {
            assert_eq!(cell.tell_slow(id), !known.slow);
            known.slow = n & 1 == 0;
            if !known.slow {
                cell.slow_told(id);
            }
        }
    }
}

pub fn seeds() -> Vec<Seed> {
    let insert = [0, 0, 1, 200];
    let act = |what, n| [3, 0, what, n];
    let all = |acts: &[[u8; 4]]| [&insert[..], &insert, &acts.concat()].concat();
    vec![
        ("lives", [&insert[..], &[1, 0], &insert, &[0, 1, 0, 9], &[1, 1, 1, 0], &insert].concat()),
        ("forged", [&insert[..], &insert, &[2, 0, 3, 2, 1, 45, 2, 1, 51, 2, 0, 19]].concat()),
        ("reserved", all(&[act(5, 100), act(6, 0), act(4, 30), act(7, 0), act(5, 255)])),
        ("sealed", all(&[act(5, 100), act(8, 0), act(5, 1), act(8, 0)])),
        ("states", all(&[act(0, 2), act(2, 5), act(3, 9), act(1, 2), act(3, 9), act(2, 1)])),
        ("lost", all(&[act(9, 5), act(9, 7), act(10, 0), act(9, 1), act(11, 0), act(11, 1)])),
    ]
}
