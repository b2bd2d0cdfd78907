//! What happens to a lock is counted, and told to its observer: see [`observer`](crate::observer).

use super::Dogpile;
use crate::clock::Clock;
use crate::observer::{End, Observer, Source, tell};
use std::thread;
use std::time::Duration;

/// A wait. When it is dropped, the wait has ended, and is counted and told.
pub(super) struct Queued<'a, C: Clock> {
    pub(super) of: &'a Dogpile<C>,
    pub(super) since: u64,
    pub(super) waits: bool,
}

impl<C: Clock> Drop for Queued<'_, C> {
    fn drop(&mut self) {
        // (The clock and the observer are the user's. In the middle of a panic they are not called: a second panic
        // would abort the process.)
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

    /// Tells of the end of a creation, once the creation is over.
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

    /// As [`tell_stale`](Self::tell_stale), unless the value is fresh: then the renewal that has failed was an early
    /// one.
    pub(crate) fn tell_if_stale(&self) {
        if !self.has_own_fresh_value() {
            self.tell_stale();
        }
    }

    /// As [`tell_stale`](Self::tell_stale), of a lock that has rules.
    #[cold]
    pub(super) fn tell_stale_by_rule(&self) {
        self.observed(|observer, of| observer.served_stale(of));
    }

    /// Counts and tells that an access has waited since `since`.
    fn waited(&self, since: u64) {
        let took = self.count_wait(since, self.clock.now());
        self.tell_wait(took);
    }

    /// Counts a wait. Returns how long it took.
    pub(super) fn count_wait(&self, since: u64, now: u64) -> u64 {
        let took = now.saturating_sub(since);
        self.terms.more().tally.waited(took);
        took
    }

    /// Tells of a wait.
    pub(super) fn tell_wait(&self, took: u64) {
        self.observed(|observer, of| observer.waited(of, Duration::from_nanos(took)));
    }
}
