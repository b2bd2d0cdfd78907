//! What happens to a lock, counted and told: see [`observer`](crate::observer).

use super::Dogpile;
use crate::clock::Clock;
use crate::election::{Birth, Election};
use crate::observer::{End, Observer, Source, Stats, Tally, tell};
use std::mem;
use std::time::Duration;

/// A creation that nobody has yet.
struct Unbegun<'a> {
    election: &'a Election,
    born: Birth,
}

impl Drop for Unbegun<'_> {
    fn drop(&mut self) {
        self.election.abandon(self.born, None);
    }
}

/// # Being seen
impl<C: Clock> Dogpile<C> {
    /// What this lock has done so far. Never blocks.
    ///
    /// Whoever sees a value sees its creation counted; apart from that each number is of some moment during the call. Counting
    /// takes some memory of a lock that has ever created or waited, and costs a hit nothing. See also
    /// [`Observer`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.terms.tally().map(Tally::stats).unwrap_or_default()
    }

    fn observer(&self) -> Option<(&'static dyn Observer, Source)> {
        let policy = self.policy();
        policy.observer().map(|observer| (observer, Source { name: policy.name() }))
    }

    /// Counts the end of a creation.
    pub(crate) fn count(&self, end: &End<'_>, took: u64) {
        self.terms.more().tally.ended(end, took);
    }

    /// Tells of it, once it is over.
    pub(crate) fn tell(&self, end: &End<'_>, took: u64) {
        if let Some((observer, of)) = self.observer() {
            tell(observer, of, end, took);
        }
    }

    /// Tells that an access goes on with a stale value.
    #[inline]
    pub(crate) fn tell_stale(&self) {
        if self.election.look().is_ruled() {
            self.tell_stale_by_rule();
        }
    }

    #[cold]
    pub(super) fn tell_stale_by_rule(&self) {
        if let Some((observer, of)) = self.observer() {
            observer.served_stale(of);
        }
    }

    /// Notes when a creation begins, and tells of the one that it takes the place of. The clock and the observer are the user's: if
    /// they panic, the election that was won is given up.
    pub(super) fn begun(&self, born: Birth) -> Birth {
        let unbegun = Unbegun { election: &self.election, born };
        let started = self.clock.now();
        let tally = &self.terms.more().tally; // made here, where nobody holds the mutex
        if let Some(after) = born.buried {
            tally.ended(&End::Buried, after);
            self.tell(&End::Buried, after);
        }
        mem::forget(unbegun);
        Birth { started, ..born }
    }

    /// Notes that an access has waited since then, and was `elected`, if that is so; which it gives up if it panics.
    pub(super) fn waited(&self, since: u64, elected: Option<Birth>) {
        let unbegun = elected.map(|born| Unbegun { election: &self.election, born });
        let took = self.clock.now().saturating_sub(since);
        self.terms.more().tally.waited(took);
        if let Some((observer, of)) = self.observer() {
            observer.waited(of, Duration::from_nanos(took));
        }
        mem::forget(unbegun);
    }
}
