//! What happens to a lock, counted and told: see [`observer`](crate::observer).

use super::Dogpile;
use crate::clock::Clock;
use crate::observer::{End, Observer, Source, tell};
use std::thread;
use std::time::Duration;

/// A wait, which is counted and told when it ends, also by being dropped.
pub(super) struct Queued<'a, C: Clock> {
    pub(super) of: &'a Dogpile<C>,
    pub(super) since: u64,
    pub(super) waits: bool,
}

impl<C: Clock> Drop for Queued<'_, C> {
    fn drop(&mut self) {
        // (The clock and the observer are the user's: no panic of theirs beside another.)
        if self.waits && !thread::panicking() {
            self.of.waited(self.since);
        }
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

    /// Notes that an access has waited since then.
    fn waited(&self, since: u64) {
        let took = self.count_wait(since, self.clock.now());
        self.tell_wait(took);
    }

    pub(super) fn count_wait(&self, since: u64, now: u64) -> u64 {
        let took = now.saturating_sub(since);
        self.terms.more().tally.waited(took);
        took
    }

    pub(super) fn tell_wait(&self, took: u64) {
        self.observed(|observer, of| observer.waited(of, Duration::from_nanos(took)));
    }
}
