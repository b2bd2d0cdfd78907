//! What orders the creations and invalidations of a lock, and tells them from those of any other.
//!
//! | bits of a generation | say |
//! |---|---|
//! | the upper 35 | whose it is: a number that no other lock has, counted in the process |
//! | the lower 24 | how often that lock has moved since |
//!
//! A constructor is `const`, and cannot count. So a lock has *none* yet, which is 0, until it first elects or is first
//! asked for its generation; then it takes its *first*, with a number of its own and no moves. That moves nothing: who
//! saw that there was none, and finds the first, has missed nothing ([`is_still`](Generation::is_still)). Nobody is
//! told that there is none, since that would be said of all locks alike.
//!
//! A lock that has used up its moves takes another number, which is a greater one, and begins with one move: it has no
//! first again. In all a process has 2^35 numbers before the first of them comes again, and whoever is to be deceived
//! by that has kept a generation for so long.

use crate::sync::{Ordering, count};
use std::fmt;

/// A counter that moves with every published creation and every invalidation of a lock.
///
/// It orders them without a clock: of two generations of one lock, the greater is the later. A creation that was
/// superseded publishes nothing and moves nothing, nor does [`mark_stale`](crate::Dogpile::mark_stale): the value stays
/// the one it was.
///
/// No two locks of a process have one in common, also where one takes the place of another that is gone, as in a
/// [`Registry`](crate::Registry): to `invalidate_if` with a generation of another lock does nothing, whatever has
/// happened to either. Which of two generations of different locks is the greater means nothing. (`Debug` shows what is
/// counted within the lock.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

/// How many generations go by one number.
const MOVES: u64 = 1 << 24;
/// How many numbers there are.
const LOCKS: u64 = 1 << 35;

count! {
    /// How many numbers were given.
    fn numbers;
}

impl Generation {
    /// With a number that no other lock has.
    fn numbered() -> Self {
        // Relaxed: only the count itself is asked for. (It is greater than those before it in this thread's view.)
        let before = numbers(|given| given.fetch_add(1, Ordering::Relaxed));
        Self((before % (LOCKS - 1) + 1) * MOVES)
    }

    /// Whether it is none.
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// This, or the first one if there is none.
    pub(crate) fn or_first(self) -> Self {
        if self.is_none() { Self::numbered() } else { self }
    }

    /// The one that comes after it.
    pub(crate) fn next(self) -> Self {
        let used_up = self.0 % MOVES == MOVES - 1;
        Self(if used_up { Self::numbered().0 + 1 } else { self.0 + 1 })
    }

    /// Whether nothing has moved since that one was seen.
    pub(crate) const fn is_still(self, seen: Self) -> bool {
        self.0 == seen.0 || (seen.is_none() && self.0 % MOVES == 0)
    }

    /// As a number that an atomic holds.
    pub(crate) const fn as_number(self) -> u64 {
        self.0
    }

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
    fn who_has_used_up_its_moves_goes_on_with_another_number() {
        let first = Generation(0).or_first();
        let last = Generation(first.0 + MOVES - 1);
        assert!(last.next() > last);
        assert!(!last.next().is_still(Generation(0)) && !last.next().is_still(last));
    }
}
