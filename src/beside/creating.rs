//! How a creation ends, of a lock whose value lies beside it; and how its owner runs a creator to that end.

use super::Beside;
use crate::creation::Creation;
use crate::election::Finished;
use crate::error::PublishError;
use crate::failure::Cause;
use crate::policy::Life;
use crate::running::Doing;

/// # Of a lock whose value lies beside it
impl<L: Beside> Creation<'_, L> {
    /// Ends the creation: the value is made, and stamped now. Blocks only for moments.
    ///
    /// Everybody who waited is served. If the creation was [superseded](Self::is_superseded), freshness stays as the
    /// invalidation left it: those who were waiting before the invalidation are given this value, and one of those who
    /// came later creates anew. If the creation has learned of it, because a [`publish`](Self::publish) was refused or
    /// [`is_superseded`](Self::is_superseded) said so, nobody is given it.
    ///
    /// # Memory ordering
    ///
    /// All that was written before `finish` happens before whatever an access does that sees this creation (L4).
    #[allow(clippy::must_use_candidate)] // most callers do not mind how it ended
    pub fn finish(self) -> Finished {
        let born = self.born();
        self.end(None, |lock, finished, _, now| match finished {
            Finished::Published => lock.dogpile().renew(now, Life::AS_USUAL, Some(born)),
            Finished::PublishedStale => lock.dogpile().renew_stale(now, Life::AS_USUAL),
            Finished::Superseded | Finished::Dead => {}
        })
    }

    /// Gives the creation up as failed, saying why: those who hear of the [pause](crate::PolicyBuilder::retry_after)
    /// that may follow are told. Blocks only for moments.
    ///
    /// [`try_run`](Self::try_run) does it with the creator's error. A [`Failure`](crate::Failure) says how long the pause
    /// is. To give a creation up that has not failed, drop it.
    ///
    /// # Panics
    ///
    /// If `cause` panics on being displayed; the creation is given up all the same.
    #[allow(clippy::needless_pass_by_value)] // it is an error or a reference to one
    pub fn fail(mut self, cause: impl Cause) {
        self.fail_with(&cause);
    }

    /// Runs `store` unless the creation was superseded. Blocks no longer than `store` takes. The creation goes on:
    /// [`finish`](Self::finish) it afterwards.
    ///
    /// Put here what makes the new value the current one (the write to memcached, the rename of the file): then a value
    /// that was invalidated while it was being created never overwrites what came after it (L6).
    ///
    /// An invalidation that comes while `store` runs takes effect at once, and holds for what `store` stores; but
    /// [`invalidate`](crate::Dogpile::invalidate) returns only after `store` has. So once a value is invalidated, nothing
    /// older is written any more, and whoever invalidated may clean up the store.
    ///
    /// # Errors
    ///
    /// [`PublishError::Superseded`] if the value was invalidated after this creation began; [`PublishError::Dead`] if
    /// it took too long, and another was elected in its place. `store` is dropped without running, so let it borrow
    /// what is still needed. (While it runs, nobody is elected in its place.) What was made is then this creation's
    /// own: a creator that has nothing to return it by does best to fail.
    ///
    /// # Panics
    ///
    /// If `store` does; the creation can still be used.
    ///
    /// # Deadlocks
    ///
    /// `store` may invalidate this lock on its own thread, and so may the creator, which do not wait for themselves;
    /// and if one of them asks for the value that it is part of, it is told (L7). `store` must not wait for another
    /// thread that invalidates, be it for a mutex as here or because two stores invalidate each other's locks:
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
    /// A refusal happens after what the invalidating thread did before it invalidated. What `store` wrote happens
    /// before the return of an `invalidate` that waited for it.
    pub fn publish<R>(&self, store: impl FnOnce() -> R) -> Result<R, PublishError> {
        let _store = self.begin_store()?;
        let _running = self.middle().running(Doing::Storing);
        Ok(store())
    }

    /// Runs the creator on this thread and [finishes](Self::finish). Blocks no longer than `creator` takes.
    ///
    /// If `creator` may fail, see [`try_run`](Self::try_run): here a returned `Err` is a value like any other.
    ///
    /// # Panics
    ///
    /// If `creator` panics, the panic goes on, and the creation is given up.
    pub fn run<R>(self, creator: impl FnOnce(&Self) -> R) -> R {
        let created = self.enter(creator);
        self.finish();
        created
    }

    /// Runs a creator that can fail on this thread, and [finishes](Self::finish) if it did not. Blocks no longer than
    /// `creator` takes.
    ///
    /// # Errors
    ///
    /// The creator's own; the creation is given up, with that for a [cause](Self::fail).
    ///
    /// # Panics
    ///
    /// If `creator` panics, the panic goes on, and the creation is given up.
    pub fn try_run<R, E: Cause>(self, creator: impl FnOnce(&Self) -> Result<R, E>) -> Result<R, E> {
        let made = self.enter(creator);
        self.end_as(made)
    }

    /// Finishes it, or gives it up.
    pub(crate) fn end_as<R, E: Cause>(mut self, made: Result<R, E>) -> Result<R, E> {
        match &made {
            Ok(_) => drop(self.finish()),
            Err(error) => self.fail_with(error),
        }
        made
    }
}
