//! What takes the freshness of a value away from outside: invalidations, and the mark "stale".

use super::Dogpile;
use crate::clock::Clock;
use crate::election::StoreEnd;
use crate::error::StillStoring;
use crate::generation::Generation;
use crate::running::is_creating_here;
use crate::wait::{Patience, Wait, block_on};
use std::time::Duration;

impl<C: Clock> Dogpile<C> {
    /// Forgets the value: the next access creates, the others wait for it.
    ///
    /// It takes effect at once. Does not wait for a running creation; blocks only while one is inside
    /// [`publish`](crate::Creation::publish), so that nothing older is stored once this has returned. (Called in the
    /// middle of that creation, by its creator or by a store, it does not wait for itself, whichever thread stores.)
    ///
    /// A creation that is running is superseded: its value does not become the current one (L6), and whoever asks from
    /// now on waits until it has ended and a new one is made.
    ///
    /// # Deadlocks
    ///
    /// See [`Creation::publish`](crate::Creation::publish).
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever the next creator does.
    pub fn invalidate(&self) {
        // Without an end to the wait it only ends well.
        self.invalidate_timeout(Duration::MAX).unwrap_or(());
    }

    /// As [`invalidate`](Self::invalidate), but blocks for `timeout` at most; zero does not block.
    ///
    /// # Errors
    ///
    /// [`StillStoring`] if a creation that is now superseded was still inside [`publish`](crate::Creation::publish)
    /// when the time was out. The value is invalidated, and missing to this lock, but its store may yet be written to.
    pub fn invalidate_timeout(&self, timeout: Duration) -> Result<(), StillStoring> {
        self.forget(None).map_or(Ok(()), |end| block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))))
    }

    /// The part of an invalidation that takes effect at once; with `only_if`, only in that generation.
    pub(crate) fn forget(&self, only_if: Option<Generation>) -> Option<StoreEnd<'_>> {
        self.election.invalidate(only_if, || self.expiry.forget())
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did. Blocks as
    /// `invalidate` does, and not at all if it did not.
    ///
    /// For many threads that find the same value useless at the same moment: 64 of them cause one renewal, not 64. Where
    /// the others may carry on with the old value meanwhile, and where outsiders can cause this,
    /// [`renew_if`](crate::Access::renew_if) is better: an invalidation takes the value from everybody.
    ///
    /// A thread that created the value itself or waited for it took the generation before that, and gets `false`: it
    /// must take the generation anew, access again, and only then invalidate. A renewal that is already running on a
    /// stale value is superseded, since it may have begun before the value went bad.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    ///
    /// static TOKEN_FRESH: Dogpile = Dogpile::never_expires();
    /// # fn call() -> bool { true }
    /// loop {
    ///     let seen = TOKEN_FRESH.generation(); // before the access
    ///     TOKEN_FRESH.acquire_or_create(|| { /* get a token */ });
    ///     if call() {
    ///         break;
    ///     }
    ///     // Refused with that token, unless another thread was quicker. (Give up after a few.)
    ///     TOKEN_FRESH.invalidate_if(seen);
    /// }
    /// ```
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        // Without an end to the wait it only ends well.
        self.invalidate_if_timeout(seen, Duration::MAX).unwrap_or(true)
    }

    /// As [`invalidate_if`](Self::invalidate_if), but blocks for `timeout` at most; zero does not block.
    ///
    /// # Errors
    ///
    /// [`StillStoring`], as [`invalidate_timeout`](Self::invalidate_timeout): it did invalidate.
    pub fn invalidate_if_timeout(&self, seen: Generation, timeout: Duration) -> Result<bool, StillStoring> {
        match self.forget(Some(seen)) {
            Some(end) => block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) fn wait_for(
        &self,
        mut end: StoreEnd<'_>,
        wait: &Wait,
    ) -> impl Future<Output = Result<(), StillStoring>> {
        async move {
            // While a store runs its creation is live; and who invalidates in the middle of that does not wait for
            // itself.
            if end.is_over() || is_creating_here(&self.election) {
                return Ok(());
            }
            let deadline = wait.begin().ok_or(StillStoring)?;
            wait.until_woken(deadline, |waker| end.poll(waker)).await.ok_or(StillStoring)
        }
    }

    /// Makes the value stale: the next access creates, the others carry on with it. Never blocks on a creation.
    ///
    /// A creation that is running publishes its value as stale, so that the next access creates once more. A value that
    /// is missing stays missing; but in [stamped getter mode](Self::fetch_stamped) a value that the store
    /// holds, and this lock has not seen, counts as stale too.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever a creator does that is elected afterwards.
    pub fn mark_stale(&self) {
        // The clock first: it is the user's, and stays outside the mutex.
        let now = self.clock.now();
        self.election.mark(|| self.be_stale(now));
    }
}
