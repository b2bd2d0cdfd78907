//! What happens to a lock, counted and told: see [`observer`](crate::observer).

use super::Dogpile;
use crate::clock::Clock;
use crate::election::Birth;
use crate::observer::{End, Observer, Source, tell};
use crate::running::{Doing, Running};
use std::mem;
use std::time::Duration;

/// A creation that nobody has yet.
struct Unbegun<'a, C: Clock> {
    of: &'a Dogpile<C>,
    born: Birth,
}

impl<C: Clock> Drop for Unbegun<'_, C> {
    fn drop(&mut self) {
        self.of.stand_down(self.born);
    }
}

/// # Being seen
impl<C: Clock> Dogpile<C> {
    /// Tells the observer, if there is one.
    fn observed(&self, tell: impl FnOnce(&dyn Observer, Source<'_>)) {
        if let Some(observer) = self.policy().observer() {
            tell(observer, Source { name: self.policy().name(), key: self.terms.key() });
        }
    }

    /// Counts the end of a creation.
    pub(crate) fn count(&self, end: &End<'_>, took: u64) {
        self.terms.more().tally.ended(end, took);
    }

    /// Tells of it, once it is over.
    pub(crate) fn tell(&self, end: &End<'_>, took: u64) {
        self.observed(|observer, of| tell(observer, of, end, took));
    }

    /// Tells that an access goes on with a stale value.
    #[inline]
    pub(crate) fn tell_stale(&self) {
        if self.election.look().is_ruled() {
            self.tell_stale_by_rule();
        }
    }

    /// The same, unless the value is fresh: the renewal that failed was an early one.
    pub(crate) fn tell_if_stale(&self) {
        if !self.has_own_fresh_value() {
            self.tell_stale();
        }
    }

    #[cold]
    pub(super) fn tell_stale_by_rule(&self) {
        self.observed(|observer, of| observer.served_stale(of));
    }

    /// Runs what is the user's between an election and whatever answers for it. If it panics, the creation stands down,
    /// and a pause goes on; if it comes to wait for that creation, it is told (L7).
    pub(crate) fn meanwhile<R>(&self, born: Birth, run: impl FnOnce() -> R) -> R {
        let _running = Running::enter(&self.election, born.ticket, self.policy().name(), Doing::Creating);
        let unbegun = Unbegun { of: self, born };
        let ran = run();
        mem::forget(unbegun);
        ran
    }

    /// Notes when a creation begins, and tells of the one that it takes the place of; and of the wait since then, if
    /// there was one.
    pub(crate) fn begun(&self, born: Birth, waited_since: Option<u64>) -> Birth {
        if let Some(after) = born.buried {
            self.count(&End::Buried, after);
        }
        self.meanwhile(born, || {
            let started = self.clock.now();
            let waited = waited_since.map(|since| self.count_wait(since, started));
            if let Some(after) = born.buried {
                self.tell(&End::Buried, after);
            }
            if let Some(took) = waited {
                self.tell_wait(took);
            }
            Birth { started, ..born }
        })
    }

    /// Notes that an access has waited since then.
    pub(super) fn waited(&self, since: u64) {
        let took = self.count_wait(since, self.clock.now());
        self.tell_wait(took);
    }

    fn count_wait(&self, since: u64, now: u64) -> u64 {
        let took = now.saturating_sub(since);
        self.terms.more().tally.waited(took);
        took
    }

    fn tell_wait(&self, took: u64) {
        self.observed(|observer, of| observer.waited(of, Duration::from_nanos(took)));
    }
}
