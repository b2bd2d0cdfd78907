//! How the owner of a creation runs a creator that is a future to its end, of a lock whose value lies beside it.

use super::Beside;
use crate::creation::{Creation, Once};
use crate::error::{PublishError, never};
use crate::failure::Cause;
use crate::running::Doing;
use std::convert::identity;

/// # For tasks
impl<L: Beside> Creation<'_, L> {
    /// As [`run`](Self::run), for a task. Does not block.
    ///
    /// # Panics
    ///
    /// As `run`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops `creator`, and then gives the creation up (L5). To have the creation
    /// survive, spawn it.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Turn};
    ///
    /// # async fn access(lock: std::sync::Arc<Dogpile>, spawn: impl Fn(dogpile::Task)) {
    /// if let Turn::Create(creation) = Dogpile::kept_async(&lock).turn().await {
    ///     spawn(Box::pin(creation.run_async(async |_| { /* rebuild */ }))); // `tokio::spawn`, for instance
    /// }
    /// # }
    /// ```
    pub fn run_async<R>(self, creator: impl AsyncFnOnce(&Creation<'_, L>) -> R) -> impl Future<Output = R> {
        let mut creator = Once::new(creator);
        async move {
            let Ok(created) = self.run_closure(&mut creator, never).await;
            created
        }
    }

    /// As [`try_run`](Self::try_run), for a task. Does not block.
    ///
    /// # Errors
    ///
    /// As `try_run`.
    ///
    /// # Panics
    ///
    /// As `try_run`.
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub fn try_run_async<R, E: Cause>(
        self,
        creator: impl AsyncFnOnce(&Creation<'_, L>) -> Result<R, E>,
    ) -> impl Future<Output = Result<R, E>> {
        let mut creator = Once::new(creator);
        async move { self.run_closure(&mut creator, identity).await }
    }

    /// As [`publish`](Self::publish), with a store that gives a future. Does not block.
    ///
    /// # Errors
    ///
    /// As `publish`; then `store` was not called.
    ///
    /// # Panics
    ///
    /// As `publish`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops `store` wherever that is, and then lets those go who invalidated meanwhile.
    /// Whether a store that is dropped half-way has stored anything is its own affair.
    ///
    /// While it runs, the creation is not declared dead, however [overdue](crate::PolicyBuilder::creation_timeout) it
    /// is. So a store that may hang is best raced with a timer inside of `store`; so is the
    /// [setter](crate::AsyncAccess::and_set) of an access.
    ///
    /// # Deadlocks
    ///
    /// As `publish`: between two polls of `store` as well, whoever invalidates waits for it, but the creator. On the
    /// executor's threads that is for [`invalidate_async`](crate::Dogpile::invalidate_async) to do: a thread that
    /// blocks in `invalidate` may be the one that is to poll the store.
    pub fn publish_async<R>(&self, store: impl AsyncFnOnce() -> R) -> impl Future<Output = Result<R, PublishError>> {
        let mut store = Once::new(store);
        async move {
            let _store = self.begin_store()?;
            Ok(self.middle().part(Doing::Storing, || store.take()()).await)
        }
    }

    /// Runs a creator to the end of the creation, which is the failure of what `made` says so of.
    pub(crate) fn run_closure<V, R, E: Cause>(
        self,
        creator: &mut Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>,
        made: impl FnOnce(V) -> Result<R, E>,
    ) -> impl Future<Output = Result<R, E>> {
        // (An async closure of our own around that of the user would not be `Send`.)
        async move {
            let made = made(self.enter_async(|| creator.take()(&self)).await);
            self.end_as(made)
        }
    }
}
