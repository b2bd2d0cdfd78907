//! How the user takes the freshness of a value away: by an invalidation, or by the mark "stale".

use super::Dogpile;
use crate::clock::Clock;
use crate::election::StoreEnd;
use crate::error::StillStoring;
use crate::generation::Generation;
use crate::running::is_creating_here;
use crate::wait::{Patience, Wait, block_on};
use std::time::Duration;

impl<C: Clock> Dogpile<C> {
    /// Makes the value missing: the next access creates, and the others wait for the new value. Blocks only while a
    /// creation is inside [`publish`](crate::Creation::publish).
    ///
    /// The invalidation takes effect at once. The call does not wait for the end of a creation that runs. It waits only
    /// for the end of `publish`, so that nothing older is stored once this call has returned. A call in the middle of
    /// the creation that stores, by its creator or by its store, does not wait for itself, whichever thread stores.
    ///
    /// A creation that runs is superseded: its value does not become the current one (L6). An access that begins from
    /// now on waits until that creation has ended and a new value is made.
    ///
    /// # Deadlocks
    ///
    /// A store must not wait for a thread that invalidates: see [`Creation::publish`](crate::Creation::publish).
    ///
    /// # Memory ordering
    ///
    /// What this thread did before the call happens before everything that the next creator does.
    pub fn invalidate(&self) {
        // A wait without a time-out only ends well.
        self.invalidate_timeout(Duration::MAX).unwrap_or(());
    }

    /// As [`invalidate`](Self::invalidate), for a caller that can wait only so long. Blocks for `timeout` at most.
    ///
    /// `timeout` is real time. Zero does not block, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// [`StillStoring`], if a creation that is now superseded was still inside [`publish`](crate::Creation::publish)
    /// when the time was over. The value is invalidated, and is missing to this lock. But that creation may still write
    /// to the store.
    pub fn invalidate_timeout(&self, timeout: Duration) -> Result<(), StillStoring> {
        self.forget(None).map_or(Ok(()), |end| block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))))
    }

    /// Does the part of an invalidation that takes effect at once; with `only_if`, only in that generation.
    pub(crate) fn forget(&self, only_if: Option<Generation>) -> Option<StoreEnd<'_>> {
        self.election.invalidate(only_if, || self.expiry.forget())
    }

    /// [Invalidates](Self::invalidate) the value, unless the generation has moved since `seen`. Blocks as `invalidate`
    /// does if it invalidates, and otherwise does not wait.
    ///
    /// Returns whether this call has invalidated the value.
    ///
    /// This is for many threads that find the same value useless at the same moment: 64 threads cause one renewal, and
    /// not 64 renewals. An invalidation takes the value from all accesses. [`renew_if`](crate::Access::renew_if) is
    /// better where the other accesses may carry on with the old value meanwhile, and where outsiders can cause a
    /// renewal.
    ///
    /// A thread that has created the value itself, or has waited for it, took the generation before that. Its call
    /// returns `false`. Such a thread must take the generation anew, access again, and only then invalidate. A renewal
    /// of a stale value that is running already is superseded, since it may have begun before the value went bad.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    ///
    /// static TOKEN_FRESH: Dogpile = Dogpile::never_expires();
    ///
    /// fn is_let_in() -> bool {
    ///     true // a request with the token
    /// }
    ///
    /// loop {
    ///     let seen = TOKEN_FRESH.generation(); // before the access
    ///     TOKEN_FRESH.acquire_or_create(|| { /* get a token */ });
    ///     if is_let_in() {
    ///         break;
    ///     }
    ///     // The token was refused. This does nothing if another thread was quicker. (Give up after a few rounds.)
    ///     TOKEN_FRESH.invalidate_if(seen);
    /// }
    /// ```
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        // A wait without a time-out only ends well.
        self.invalidate_if_timeout(seen, Duration::MAX).unwrap_or(true)
    }

    /// As [`invalidate_if`](Self::invalidate_if), for a caller that can wait only so long. Blocks for `timeout` at
    /// most.
    ///
    /// `timeout` is real time. Zero does not block, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// [`StillStoring`], as from [`invalidate_timeout`](Self::invalidate_timeout). This call has invalidated the value
    /// then.
    pub fn invalidate_if_timeout(&self, seen: Generation, timeout: Duration) -> Result<bool, StillStoring> {
        match self.forget(Some(seen)) {
            Some(end) => block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))).map(|()| true),
            None => Ok(false),
        }
    }

    /// Waits for the end of the stores that were under way at an invalidation.
    pub(crate) fn wait_for(
        &self,
        mut end: StoreEnd<'_>,
        wait: &Wait,
    ) -> impl Future<Output = Result<(), StillStoring>> {
        async move {
            // While a store runs, its creation is live. A thread that invalidates in the middle of that creation does
            // not wait for itself.
            if end.is_over() || is_creating_here(&self.election) {
                return Ok(());
            }
            let deadline = wait.begin().ok_or(StillStoring)?;
            wait.until_woken(deadline, |waker| end.poll(waker)).await.ok_or(StillStoring)
        }
    }

    /// Makes the value stale: the next access creates, and the others carry on with the old value. Never blocks on a
    /// creation.
    ///
    /// A creation that runs publishes its value as stale, so that the next access creates once more. A value that is
    /// missing stays missing. In [stamped getter mode](Self::fetch_stamped), a value that the store holds and this lock
    /// has not seen counts as stale as well.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before the call happens before everything that a creator does which is elected after it.
    pub fn mark_stale(&self) {
        // The clock first: it is the user's, and stays outside the mutex.
        let now = self.clock.now();
        self.election.mark(|| self.be_stale(now));
    }
}
