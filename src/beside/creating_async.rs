//! How the owner of a creation runs a creator that is a future, and a store that is one, if the value lies beside the
//! lock.

use super::Beside;
use crate::creation::{Creation, Once};
use crate::error::{PublishError, never};
use crate::failure::Cause;
use crate::running::Doing;
use std::convert::identity;

/// # For tasks
impl<L: Beside> Creation<'_, L> {
    /// As [`run`](Self::run), for a task. Never blocks its thread.
    ///
    /// # Panics
    ///
    /// As `run`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it drops `creator`, and then gives the creation up (L5). A creation
    /// that is to survive is spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Task, Turn};
    /// use std::sync::Arc;
    ///
    /// async fn access(lock: Arc<Dogpile>, spawn: impl Fn(Task)) {
    ///     if let Turn::Create(creation) = Dogpile::kept_async(&lock).turn().await {
    ///         spawn(Box::pin(creation.run_async(async |_| { /* rebuild */ }))); // `tokio::spawn`, for instance
    ///     }
    /// }
    /// ```
    pub fn run_async<R>(self, creator: impl AsyncFnOnce(&Creation<'_, L>) -> R) -> impl Future<Output = R> {
        let mut creator = Once::new(creator);
        async move {
            let Ok(created) = self.run_closure(&mut creator, never).await;
            created
        }
    }

    /// As [`try_run`](Self::try_run), for a task. Never blocks its thread.
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

    /// As [`publish`](Self::publish), with a store that gives a future. Never blocks its thread.
    ///
    /// While the store runs, the creation is not declared dead, however
    /// [overdue](crate::PolicyBuilder::creation_timeout) it is. So a store that may hang is best raced with a timer
    /// inside of `store`. The same holds for the [setter](crate::AsyncAccess::and_set) of an access.
    ///
    /// # Errors
    ///
    /// As `publish`. Then `store` was not called.
    ///
    /// # Panics
    ///
    /// As `publish`.
    ///
    /// # Deadlocks
    ///
    /// As `publish`. Between two polls of `store` too, an invalidation waits for `store`, unless the creator itself
    /// invalidates. On the threads of the executor, use [`invalidate_async`](crate::Dogpile::invalidate_async): a
    /// thread that blocks in `invalidate` may be the thread that is to poll `store`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it drops `store` at the point that `store` has reached, and then
    /// lets the accesses go that have invalidated meanwhile. Whether a store that is dropped half-way has stored
    /// anything is up to that store.
    pub fn publish_async<R>(&self, store: impl AsyncFnOnce() -> R) -> impl Future<Output = Result<R, PublishError>> {
        let mut store = Once::new(store);
        async move {
            let _store = self.begin_store()?;
            Ok(self.middle().part(Doing::Storing, || store.take()()).await)
        }
    }

    /// Runs a creator to the end of its creation. The creation has failed if `made` makes an error of what the creator
    /// gave.
    pub(crate) fn run_closure<V, R, E: Cause>(
        self,
        creator: &mut Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>,
        made: impl FnOnce(V) -> Result<R, E>,
    ) -> impl Future<Output = Result<R, E>> {
        // (An async closure of this crate around the user's would not be `Send`.)
        async move {
            let made = made(self.enter_async(|| creator.take()(&self)).await);
            self.end_as(made)
        }
    }
}
