//! What of an access takes no more than loads: whether the value that is there will do, and what an access meets that
//! goes on with it.

use super::Dogpile;
use super::sight::{Need, Sight};
use crate::clock::Clock;
use crate::outcome::Outcome;

impl<C: Clock> Dogpile<C> {
    /// The second shortest path: there is a value, and somebody else is creating a new one, or nobody is to.
    #[inline]
    pub(crate) fn usable(&self, now: u64) -> Option<Outcome> {
        // In this order: the word first, the deadline second (see `election`); and whether there are rules last (see
        // `aging`).
        let state = self.election.look();
        if !self.is_closed(state, || now) || !self.expiry.has_passed(now) {
            None
        } else if self.election.is_ruled() {
            self.usable_by_rule(now)
        } else {
            Some(Outcome::Stale)
        }
    }

    /// Apart, as all that a plain lock has no need of.
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

    /// What an access meets that needs something, and has handed it over, or leaves it to somebody else.
    pub(crate) fn goes_on(&self, need: Need) -> Outcome {
        if need == Need::Due {
            return Outcome::Fresh;
        }
        self.tell_stale();
        Outcome::Stale
    }
}
