//! How the owner of a creation ends it, if the value lies beside the lock, and how the owner runs a creator to that
//! end.

use super::Beside;
use crate::creation::Creation;
use crate::election::Finished;
use crate::error::PublishError;
use crate::failure::Cause;
use crate::policy::Life;
use crate::running::Doing;

/// # Of a lock whose value lies beside it
impl<L: Beside> Creation<'_, L> {
    /// Ends the creation with success: the value is made, and is stamped now. Blocks only for moments. The returned
    /// [`Finished`] says how the creation has ended.
    ///
    /// The creation serves all waiters, unless it was [superseded](Self::is_superseded). A superseded creation leaves
    /// the freshness as the invalidation made it, and serves fewer waiters:
    ///
    /// | the creation | the waiters |
    /// |---|---|
    /// | was superseded | the waiters from before the invalidation are given this value; one of the waiters from after it creates anew |
    /// | was superseded, and has learned of it, because a [`publish`](Self::publish) was refused or [`is_superseded`](Self::is_superseded) said so | no waiter is given this value |
    ///
    /// # Memory ordering
    ///
    /// All that was written before `finish` happens before all that an access does that sees this creation (L4).
    #[allow(clippy::must_use_candidate)] // most callers do not mind how it ended
    pub fn finish(self) -> Finished {
        let born = self.born();
        self.end(None, |lock, finished, _, now| match finished {
            Finished::Published => lock.dogpile().renew(now, Life::AS_USUAL, Some(born)),
            Finished::PublishedStale => lock.dogpile().renew_stale(now, Life::AS_USUAL),
            Finished::Superseded | Finished::Dead => {}
        })
    }

    /// Ends the creation as failed, with a cause. Blocks only for moments.
    ///
    /// Accesses that hear of the [pause](crate::PolicyBuilder::retry_after) that may follow are told the cause.
    /// [`try_run`](Self::try_run) does the same with the creator's error. A [`Failure`](crate::Failure) says how long
    /// the pause is. To give up a creation that has not failed, drop the creation.
    ///
    /// # Panics
    ///
    /// A panic of `cause` while it is displayed goes on to the caller. The creation is given up all the same.
    #[allow(clippy::needless_pass_by_value)] // it is an error or a reference to one
    pub fn fail(mut self, cause: impl Cause) {
        self.fail_with(&cause);
    }

    /// Runs `store`, unless the creation was superseded or declared dead. Blocks no longer than `store` takes.
    ///
    /// The creation goes on: [`finish`](Self::finish) it afterwards.
    ///
    /// The right thing to put into `store` is the step that makes the new value the current one, such as the write to
    /// memcached or the rename of the file. Then a value that was invalidated while it was being created never
    /// overwrites what came after it (L6).
    ///
    /// An invalidation that comes while `store` runs takes effect at once, and holds for what `store` stores. But
    /// [`invalidate`](crate::Dogpile::invalidate) returns only after `store` has returned. So once `invalidate` has
    /// returned, nothing older is written any more, and the caller of `invalidate` may clean up the store.
    ///
    /// While `store` runs, no other access is elected in the place of this creation.
    ///
    /// # Errors
    ///
    /// - [`PublishError::Superseded`], if the value was invalidated after this creation began.
    /// - [`PublishError::Dead`], if the creation took too long, and another access was elected in its place.
    ///
    /// Then `store` is dropped without running, so let it borrow what is still needed. What the creator has made is the
    /// creation's own from then on. A creator that cannot return what it has made does best to fail.
    ///
    /// # Panics
    ///
    /// A panic of `store` goes on to the caller. The creation can still be used.
    ///
    /// # Deadlocks
    ///
    /// The creator and `store` may invalidate this lock on their own thread: that does not wait for itself. If one of
    /// them asks for the value that it is creating, it is told so (L7).
    ///
    /// `store` must not wait for another thread that invalidates. Such a wait may be for a mutex, as here, or it may
    /// arise because two stores invalidate each other's locks:
    ///
    /// ```text
    /// thread 1                             thread 2
    ///
    /// creation.publish(|| {
    ///                                      let entry = entries.lock();
    ///     entries.lock();                  lock.invalidate();
    ///     // waits for thread 2            // waits for thread 1
    /// });
    /// ```
    ///
    /// # Memory ordering
    ///
    /// What the invalidating thread did before it invalidated happens before a refusal. What `store` wrote happens
    /// before the return of an `invalidate` that waited for `store`.
    pub fn publish<R>(&self, store: impl FnOnce() -> R) -> Result<R, PublishError> {
        let _store = self.begin_store()?;
        let _running = self.middle().running(Doing::Storing);
        Ok(store())
    }

    /// Runs the creator on this thread, and [finishes](Self::finish) the creation. Blocks no longer than `creator`
    /// takes.
    ///
    /// A creator that may fail is for [`try_run`](Self::try_run): to this function, a returned `Err` is a value like
    /// any other.
    ///
    /// # Panics
    ///
    /// A panic of `creator` goes on to the caller, and the creation is given up.
    pub fn run<R>(self, creator: impl FnOnce(&Self) -> R) -> R {
        let created = self.enter(creator);
        self.finish();
        created
    }

    /// Runs a creator that can fail on this thread, and [finishes](Self::finish) the creation if the creator did not
    /// fail. Blocks no longer than `creator` takes.
    ///
    /// # Errors
    ///
    /// The creator's own error. The creation ends as failed, with that error as its [cause](Self::fail).
    ///
    /// # Panics
    ///
    /// A panic of `creator` goes on to the caller, and the creation is given up.
    pub fn try_run<R, E: Cause>(self, creator: impl FnOnce(&Self) -> Result<R, E>) -> Result<R, E> {
        let made = self.enter(creator);
        self.end_as(made)
    }

    /// Finishes the creation, or gives it up as failed with the error.
    pub(crate) fn end_as<R, E: Cause>(mut self, made: Result<R, E>) -> Result<R, E> {
        match &made {
            Ok(_) => drop(self.finish()),
            Err(error) => self.fail_with(error),
        }
        made
    }
}
