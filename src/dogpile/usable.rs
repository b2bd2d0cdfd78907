//! The part of an access that takes no more than loads: whether the value that is there will do, and the outcome of an
//! access that goes on with it.

use super::Dogpile;
use super::sight::{Need, Sight};
use crate::clock::Clock;
use crate::outcome::Outcome;

impl<C: Clock> Dogpile<C> {
    /// Returns the outcome of an access that goes on with the value that is there: another access is creating a new
    /// value, or no access is to create. This is the second shortest path. Returns `None` if the access has to take a
    /// longer one.
    #[inline]
    pub(crate) fn usable(&self, now: u64) -> Option<Outcome> {
        // In this order: the word first, the deadline second (see `election`), the bit of the rules last (see `aging`).
        let state = self.election.look();
        if !self.is_closed(state, || now) || !self.expiry.has_passed(now) {
            None
        } else if self.election.is_ruled() {
            self.usable_by_rule(now)
        } else {
            Some(Outcome::Stale)
        }
    }

    /// As [`usable`](Self::usable), of a lock that has rules. This is a function apart, so that a plain lock does not
    /// pay for it.
    #[cold]
    fn usable_by_rule(&self, now: u64) -> Option<Outcome> {
        match self.sight(self.expiry.look(now), now) {
            Sight::Fresh | Sight::Due => Some(Outcome::Fresh),
            Sight::Stale => {
                self.tell_stale_by_rule();
                Some(Outcome::Stale)
            }
            Sight::Missing => None,
        }
    }

    /// Returns the outcome of an access that has handed its creation over, or leaves it to another access, and goes on
    /// with the old value.
    pub(crate) fn goes_on(&self, need: Need) -> Outcome {
        if need == Need::Due {
            return Outcome::Fresh;
        }
        self.tell_stale();
        Outcome::Stale
    }
}
