//! What of a creation is for tasks: a creator that is a future.
//!
//! What such a creator does is part of the creation while it is polled, and while it is dropped. So whoever comes to wait for that
//! creation in the middle of it is told (L7): it would wait for itself. What it waits for by other means is not known.

use super::Creation;
use crate::dogpile::never;
use crate::error::PublishError;
use crate::lock::Lock;
use crate::running::{Doing, Running};
use crate::sync::Ordering;
use std::convert::identity;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};

/// A part of a creation that is a future: polled and dropped as such.
struct Part<'p, F, R: Fn() -> Running> {
    future: Pin<&'p mut Option<F>>,
    running: R,
}

impl<F: Future, R: Fn() -> Running> Part<'_, F, R> {
    async fn run(&mut self) -> F::Output {
        poll_fn(|context| {
            let _running = (self.running)();
            self.future.as_mut().as_pin_mut().expect("it is there until it is dropped").poll(context)
        })
        .await
    }
}

impl<F, R: Fn() -> Running> Drop for Part<'_, F, R> {
    fn drop(&mut self) {
        let _running = (self.running)();
        self.future.set(None);
    }
}

/// What a setter returns, which may be able to fail.
pub(crate) trait Stored<E> {
    fn stored(self) -> Result<(), E>;
}

impl<E> Stored<E> for () {
    fn stored(self) -> Result<(), E> {
        Ok(())
    }
}

impl<E> Stored<E> for Result<(), E> {
    fn stored(self) -> Self {
        self
    }
}

/// # For tasks
impl<L: Lock> Creation<'_, L> {
    /// As [`run`](Self::run), for a task. Does not block.
    ///
    /// # Panics
    ///
    /// As `run`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops `creator`, and then gives the creation up (L5). To have the creation survive, spawn it.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn access(lock: std::sync::Arc<dogpile::Dogpile>, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)) {
    /// use dogpile::Turn;
    ///
    /// if let Turn::Create(creation) = lock.acquire_owned_async().await {
    ///     spawn(Box::pin(creation.run_async(async |_| { /* rebuild */ }))); // `tokio::spawn`, for instance
    /// }
    /// # }
    /// ```
    pub async fn run_async<R>(self, creator: impl AsyncFnOnce(&Self) -> R) -> R {
        let Ok(created) = self.run_closure(creator, never).await;
        created
    }

    /// As [`run_fallible`](Self::run_fallible), for a task. Does not block.
    ///
    /// # Errors
    ///
    /// As `run_fallible`.
    ///
    /// # Panics
    ///
    /// As `run_fallible`.
    ///
    /// # Cancel safety
    ///
    /// As [`run_async`](Self::run_async).
    pub async fn run_fallible_async<R, E: fmt::Display>(
        self,
        creator: impl AsyncFnOnce(&Self) -> Result<R, E>,
    ) -> Result<R, E> {
        self.run_closure(creator, identity).await
    }

    /// As [`publish`](Self::publish), with a store that is a future. Does not block.
    ///
    /// # Errors
    ///
    /// As `publish`; then `store` was never polled.
    ///
    /// # Panics
    ///
    /// As `publish`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it drops `store` wherever that is, and then lets those go who invalidated meanwhile. Whether a store
    /// that is dropped half-way has stored anything is its own affair.
    ///
    /// # Deadlocks
    ///
    /// As `publish`: between two polls of `store` as well, whoever invalidates waits for it. On the executor's threads that is for
    /// [`invalidate_async`](crate::Dogpile::invalidate_async) to do: a thread that blocks in `invalidate` may be the one that is to
    /// poll the store.
    pub async fn publish_async<R>(&self, store: impl Future<Output = R>) -> Result<R, PublishError> {
        let _store = self.begin_store()?;
        Ok(self.part(store, Doing::Storing).await)
    }

    /// Runs a creator to the end of the creation, which is the failure of what `made` says so of.
    pub(crate) async fn run_closure<V, R, E: fmt::Display>(
        self,
        creator: impl AsyncFnOnce(&Self) -> V,
        made: impl FnOnce(V) -> Result<R, E>,
    ) -> Result<R, E> {
        // Its call is a part of it, too. (A closure of our own around that of the user would not be `Send`.)
        let made = self.enter_async(async { made(creator(&self).await) }).await;
        self.end_as(made)
    }

    /// The same, of a creator that needs nothing.
    pub(crate) async fn run_future<V, R, E: fmt::Display>(
        self,
        creator: impl Future<Output = V>,
        made: impl FnOnce(V) -> Result<R, E>,
    ) -> Result<R, E> {
        let made = self.enter_async(async { made(creator.await) }).await;
        self.end_as(made)
    }

    /// The same, with a setter that stores what was made unless the creation was superseded.
    pub(crate) async fn run_and_set<V, R, E: fmt::Display, S: Stored<E>>(
        self,
        creator: impl Future<Output = V>,
        made: impl FnOnce(V) -> Result<R, E>,
        setter: impl AsyncFnOnce(&R) -> S,
    ) -> Result<R, E> {
        let creator = async {
            let made = made(creator.await)?;
            match self.publish_async(async { setter(&made).await }).await {
                Ok(stored) => stored.stored()?,
                Err(_superseded_or_dead) => {} // the value is still its caller's
            }
            Ok(made)
        };
        let made = self.enter_async(creator).await;
        self.end_as(made)
    }

    /// Polls something as part of the creation.
    pub(crate) async fn enter_async<R>(&self, running: impl Future<Output = R>) -> R {
        // Relaxed: see `end`.
        self.entered.store(true, Ordering::Relaxed);
        self.part(running, Doing::Creating).await
    }

    async fn part<R>(&self, future: impl Future<Output = R>, doing: Doing) -> R {
        let future = pin!(Some(future));
        Part { future, running: || self.running(doing) }.run().await
    }
}
