//! The word of an election: four flags, the bit of the rules, and the generation.

use crate::generation::Generation;

pub(super) const CREATING: u64 = 0b0001;
pub(super) const MARKED: u64 = 0b0010;
pub(super) const STORING: u64 = 0b0100;
pub(super) const TIMED: u64 = 0b1000;
/// There are rules: a policy, or a value that has said how it ages, be it the current value or an earlier one. Once
/// set, the bit stays set. It is kept here because this word is read where no other word is to be read.
pub(super) const RULED: u64 = 0b1_0000;
/// The generation takes the other 59 bits: at one invalidation a nanosecond, 18 years.
pub(super) const GENERATION: u64 = 0b10_0000;

/// The word as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub(super) u64);

impl State {
    /// Returns the generation that the word shows.
    pub const fn generation(self) -> Generation {
        Generation::from_number(self.0 / GENERATION)
    }

    /// Returns the same state in that generation.
    pub(super) const fn moved_to(self, generation: Generation) -> Self {
        Self(self.0 % GENERATION + generation.as_number() * GENERATION)
    }

    /// Returns whether a creation runs.
    #[inline]
    pub const fn is_creating(self) -> bool {
        self.0 & CREATING != 0
    }

    /// Returns whether `hold` has something to say: when the creation is overdue, or until when there is a pause.
    #[inline]
    pub const fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    /// Returns whether there is a policy, or a value has said how it ages.
    #[inline]
    pub const fn is_ruled(self) -> bool {
        self.0 & RULED != 0
    }

    /// Returns whether the creation that runs is inside `publish`.
    pub const fn is_storing(self) -> bool {
        self.0 & STORING != 0
    }

    /// Returns whether a creation runs in the generation that was `seen`. Marks and stores make no difference.
    pub(super) const fn is_the_creation(self, seen: Self) -> bool {
        self.is_creating() && self.generation().is_still(seen.generation())
    }

    pub(super) const fn is_marked(self) -> bool {
        self.0 & MARKED != 0
    }
}
