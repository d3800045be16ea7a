//! The buffer that sockets are read into: what is kept of it, or looked at, stays as it was, whatever is
//! written meanwhile and afterwards.

use super::Seed;
use super::input::Input;
use std::ops::Range;
use wsock::util::arena::{Arena, Piece, Window};
use wsock::util::time::Time;

const MAX_STEPS: usize = 150;
const MAX_PIECES: usize = 12;

/// A range that was fixed while a window looked at it, and what it had in it then.
struct View {
    window: Option<Window>,
    range: Range<usize>,
    bytes: Vec<u8>,
}

struct World {
    arena: Arena,
    /// Kept pieces, and what each must say.
    kept: Vec<(Piece, Vec<u8>)>,
    view: Option<View>,
    now: Time,
    stamp: u8,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (arena, now) = (Arena::default(), Time(1_000_000));
    let mut world = World { arena, kept: Vec::new(), view: None, now, stamp: 0 };
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.kept.iter().for_each(|(piece, bytes)| assert_eq!(piece.as_ref(), bytes));
    }
}

impl World {
    fn step(&mut self, input: &mut Input) {
        match input.below(8) {
            0..=3 => {
                let range = self.read(input);
                self.keep(range, input);
            }
            4 => drop(self.read(input)),
            5 if !self.kept.is_empty() => {
                let which = input.below(self.kept.len());
                self.kept.swap_remove(which);
            }
            6 => {
                self.now = self.now.plus_ms(u64::from(input.byte()) * 20);
                self.arena.tidy(self.now);
                assert!(self.arena.next_timeout().is_none_or(|at| at > self.now));
            }
            _ => self.look(input),
        }
    }

    /// As a session reads: into room that nobody needs.
    fn read(&mut self, input: &mut Input) -> Range<usize> {
        let size = (usize::from(input.byte()) + 1) << (input.byte() % 13);
        let range = self.arena.room(size).expect("memory");
        assert_eq!(range.len(), size);
        self.stamp = self.stamp.wrapping_add(1);
        self.arena.write(range.clone()).fill(self.stamp);
        range
    }

    fn keep(&mut self, range: Range<usize>, input: &mut Input) {
        let from = range.start + usize::from(input.byte()) * range.len() / 256;
        let piece = from..from + usize::from(input.byte()) * (range.end - from) / 255;
        if self.kept.len() < MAX_PIECES {
            let bytes = vec![self.stamp; piece.len()];
            self.kept.push((self.arena.keep(piece), bytes));
        }
    }

    /// What is shown does not change while the arena goes on.
    fn look(&mut self, input: &mut Input) {
        let range = self.read(input);
        let mut window = self.view.take().and_then(|view| {
            assert_eq!(view.bytes.len(), view.range.len());
            view.window
        });
        self.arena.look(&mut window);
        self.arena.fix(range.end);
        let bytes = vec![self.stamp; range.len()];
        let looking = window.as_ref().expect("it looks at the buffer of now");
        looking.show(range.clone(), |shown| {
            assert_eq!(shown, bytes);
            for _ in 0..input.below(4) {
                let range = self.read(input);
                self.keep(range, input);
            }
            assert_eq!(shown, bytes);
        });
        self.view = Some(View { window, range, bytes });
    }
}

pub fn seeds() -> Vec<Seed> {
    let keep = [0, 99, 4, 10, 200];
    let large = [0, 255, 12, 0, 255];
    let look = [7, 9, 3, 2, 50, 12, 0, 255, 99, 4, 9, 9];
    vec![
        ("kept", [&keep[..], &keep, &[5, 0], &keep, &[4, 1, 1]].concat()),
        ("full", [&large[..], &large, &large, &[6, 1], &[5, 1], &large, &[6, 60, 6, 60]].concat()),
        ("shown", [&keep[..], &look, &[5, 0, 5, 0], &look, &keep].concat()),
        ("free", [4, 255, 12].repeat(3)),
    ]
}
