//! The ids behind the C handles: what kind of object, of which loop, in which slot, which use of it.

use std::num::NonZeroU64;

/// Classes of objects. Never zero, so that no id is ever zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    Loop = 1,
    Conn = 2,
    Server = 3,
    Request = 4,
    Options = 5,
    Message = 6,
    Hub = 7,
}

const OWNER_BITS: u32 = 10;
const SLOT_BITS: u32 = 20;
const GENERATION_BITS: u32 = 20;

/// Loops one process can have at a time.
pub const MAX_OWNERS: usize = 1 << OWNER_BITS;
/// Objects one loop can have at a time.
pub const MAX_SLOTS: u32 = 1 << SLOT_BITS;
/// A slot that reached this generation is never used again, so a stale id never comes back to life.
pub const LAST_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// 53 bits: `kind 3 | owner 10 | slot 20 | generation 20`. Languages that know only doubles
/// (JavaScript, Lua, PHP) hold it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    /// Packs the parts. `owner`, `slot` and `generation` are within their bits by construction of the tables.
    pub fn new(kind: Kind, owner: u16, slot: u32, generation: u32) -> Id {
        let bits = (((kind as u64) << OWNER_BITS | owner as u64) << SLOT_BITS | slot as u64)
            << GENERATION_BITS
            | generation as u64;
        Id(NonZeroU64::new(bits).expect("kinds start at 1"))
    }

    /// Any number from outside; `None` when it cannot be an id of ours.
    pub fn from_bits(bits: u64) -> Option<Id> {
        let id = Id(NonZeroU64::new(bits)?);
        (bits >> (OWNER_BITS + SLOT_BITS + GENERATION_BITS) <= Kind::Hub as u64
            && id.kind_bits() != 0
            && id.generation() != 0)
            .then_some(id)
    }

    /// The number that goes to C.
    pub fn bits(self) -> u64 {
        self.0.get()
    }

    fn kind_bits(self) -> u64 {
        self.bits() >> (OWNER_BITS + SLOT_BITS + GENERATION_BITS)
    }

    /// The class it claims to be.
    pub fn kind(self) -> Kind {
        match self.kind_bits() {
            1 => Kind::Loop,
            2 => Kind::Conn,
            3 => Kind::Server,
            4 => Kind::Request,
            5 => Kind::Options,
            6 => Kind::Message,
            _ => Kind::Hub,
        }
    }

    /// Number of the loop; 0 for objects without one.
    pub fn owner(self) -> u16 {
        (self.bits() >> (SLOT_BITS + GENERATION_BITS)) as u16 & (MAX_OWNERS as u16 - 1)
    }

    /// Index in the table of its owner.
    pub fn slot(self) -> u32 {
        (self.bits() >> GENERATION_BITS) as u32 & (MAX_SLOTS - 1)
    }

    /// Which use of that slot.
    pub fn generation(self) -> u32 {
        self.bits() as u32 & LAST_GENERATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_and_stay_below_2_to_the_53() {
        let id = Id::new(Kind::Options, 1023, MAX_SLOTS - 1, LAST_GENERATION);
        assert!(id.bits() < 1 << 53);
        assert_eq!(
            (id.kind(), id.owner(), id.slot(), id.generation()),
            (Kind::Options, 1023, MAX_SLOTS - 1, LAST_GENERATION)
        );
        assert_eq!(Id::from_bits(id.bits()), Some(id));
    }

    #[test]
    fn foreign_numbers_are_no_ids() {
        for bits in [0, 1, u64::MAX, 1 << 53, 6 << 50, 8 << 50 | 1, 1 << 50] {
            assert_eq!(Id::from_bits(bits), None, "{bits:#x}");
        }
    }
}
