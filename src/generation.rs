//! The counter that orders the creations and invalidations of a lock. A generation of one lock is never taken for one
//! of another.
//!
//! | bits of a generation | say |
//! |---|---|
//! | the upper 35 | which lock the generation is of: a number that no other lock has, counted in the process |
//! | the lower 24 | how often that lock has moved since it took the number |
//!
//! A constructor is `const`, and cannot count. So a new lock has *no* generation yet, which is 0. When the lock first
//! elects, or is first asked for its generation, it takes its *first*, with a number of its own and no moves. Taking
//! the first generation moves nothing: an access that saw no generation, and then finds the first, has missed nothing
//! ([`is_still`](Generation::is_still)). No caller is ever given the generation 0, since it would be that of all new
//! locks alike.
//!
//! A lock that has used up its moves takes another number, which is a greater one, and begins with one move: it has no
//! first generation again. In all a process has 2^35 - 1 numbers before the first of them comes again. Only a caller
//! that has kept a generation for so long could be deceived.

use crate::sync::{Ordering, count};
use std::fmt;

/// A counter that moves with every published creation, every `set` and every invalidation of a lock.
///
/// It orders them without a clock: of two generations of one lock, the greater is the later. A superseded creation
/// publishes nothing and moves nothing. [`mark_stale`](crate::Dogpile::mark_stale) moves nothing either, since the
/// value stays the same.
///
/// No two locks of a process have a generation in common. This also holds where one lock takes the place of another
/// that is gone, as in a [`Registry`](crate::Registry). So `invalidate_if` with a generation of another lock does
/// nothing, whatever has happened to either lock. The order of two generations of different locks means nothing.
/// `Debug` shows the count within the lock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

/// How many generations share one number.
const MOVES: u64 = 1 << 24;
/// How many numbers there are.
const LOCKS: u64 = 1 << 35;

count! {
    /// How many numbers were given to locks.
    fn numbers;
}

impl Generation {
    /// Makes a first generation, with a number that no other lock has.
    fn numbered() -> Self {
        // Relaxed: only the count itself is needed. (In this thread's view it is greater than the counts before it.)
        let before = numbers(|given| given.fetch_add(1, Ordering::Relaxed));
        Self((before % (LOCKS - 1) + 1) * MOVES)
    }

    /// Returns whether this is no generation.
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns this generation, or a first one if this is none.
    pub(crate) fn or_first(self) -> Self {
        if self.is_none() { Self::numbered() } else { self }
    }

    /// Returns the generation that comes after this one.
    pub(crate) fn next(self) -> Self {
        let used_up = self.0 % MOVES == MOVES - 1;
        Self(if used_up { Self::numbered().0 + 1 } else { self.0 + 1 })
    }

    /// Returns whether nothing has moved since the generation `seen` was seen.
    pub(crate) const fn is_still(self, seen: Self) -> bool {
        self.0 == seen.0 || (seen.is_none() && self.0 % MOVES == 0)
    }

    /// Returns the generation as a number that an atomic holds.
    pub(crate) const fn as_number(self) -> u64 {
        self.0
    }

    /// Returns the generation that [`as_number`](Self::as_number) gave as a number.
    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({})", self.0 % MOVES)
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_no_news_and_the_next_is() {
        let none = Generation(0);
        let first = none.or_first();
        assert!(first.is_still(none) && first.is_still(first) && first.or_first() == first);
        assert!(first.next() > first && !first.next().is_still(first) && !first.next().is_still(none));
        assert_ne!(none.or_first(), first, "it is another lock's");
    }

    #[test]
    fn a_lock_that_has_used_up_its_moves_goes_on_with_another_number() {
        let first = Generation(0).or_first();
        let last = Generation(first.0 + MOVES - 1);
        assert!(last.next() > last);
        assert!(!last.next().is_still(Generation(0)) && !last.next().is_still(last));
    }
}
