//! What of a creation is for tasks: a creator that is a future.
//!
//! What such a creator does is part of the creation while it is polled, and while it is dropped. So whoever comes to
//! wait for that creation in the middle of it is told (L7): it would wait for itself. What it waits for by other means
//! is not known.

use super::Creation;
use crate::beside::Beside;
use crate::election::{Birth, Election};
use crate::error::{PublishError, never};
use crate::failure::Cause;
use crate::lock::Lock;
use crate::running::{Doing, Over, Running};
use crate::sync::{Flag, Ordering};
use std::convert::identity;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

/// A closure of the user's, until it is called. Futures are handed around by what they will be made of, and that by
/// reference: each future that is moved into another takes its place there twice.
#[derive(Debug)]
pub struct Once<F>(Option<F>);

impl<F> Once<F> {
    pub(crate) fn new(closure: F) -> Self {
        Self(Some(closure))
    }

    pub(crate) fn take(&mut self) -> F {
        self.0.take().expect("it is called once")
    }
}

/// A part of a creation that is a future: made, polled and dropped as such.
struct Part<'p, F> {
    future: Pin<&'p mut Option<F>>,
    of: &'p Middle<'p>,
    doing: Doing,
    /// What it waits for since it was last polled.
    round: Over,
    /// It is being polled; or that has panicked.
    polled: bool,
}

impl<F: Future> Part<'_, F> {
    fn poll(&mut self, make: &mut Once<impl FnOnce() -> F>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.round = Over::default();
        let running = self.of.running(self.doing);
        self.polled = true;
        if self.future.is_none() {
            self.future.set(Some(make.take()()));
        }
        let polled = self.future.as_mut().as_pin_mut().expect("it was just made").poll(context);
        self.round = running.pause();
        self.polled = false;
        polled
    }
}

impl<F> Drop for Part<'_, F> {
    fn drop(&mut self) {
        self.round = Over::default();
        let _running = self.of.running(self.doing);
        // Of parts within parts, the outermost says it last. Relaxed: as `entered`, see `end`.
        self.of.cancelled.store(thread::panicking() && !self.polled, Ordering::Relaxed);
        self.future.set(None);
    }
}

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

/// A creation, as far as it takes to be in the middle of it. (It does not say of which lock, or how long that lives:
/// futures that did would not be `Send`.)
#[derive(Clone, Copy)]
pub(crate) struct Middle<'a> {
    election: &'a Election,
    born: Birth,
    name: Option<&'static str>,
    entered: &'a Flag,
    /// See [`Creation`].
    cancelled: &'a Flag,
}

impl Middle<'_> {
    /// This thread is in the middle of the creation, as long as that lives.
    pub(super) fn running(&self, doing: Doing) -> Running {
        // Relaxed: see `end`.
        self.entered.store(true, Ordering::Relaxed);
        Running::enter(self.election, self.born.ticket, self.name, doing)
    }

    /// Whether its creator is dropped by a panic that is not its own.
    pub(super) fn be_cancelled(&self, cancelled: bool) {
        // Relaxed: as `entered`, see `end`.
        self.cancelled.store(cancelled, Ordering::Relaxed);
    }

    /// Makes and polls a future as part of the creation.
    pub(crate) fn part<F: Future>(self, doing: Doing, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        // Relaxed: see `end`.
        self.entered.store(true, Ordering::Relaxed);
        let mut make = Once::new(make);
        async move {
            let mut part = Part { future: pin!(None), of: &self, doing, round: Over::default(), polled: false };
            poll_fn(|context| part.poll(&mut make, context)).await
        }
    }

    /// The same, as a part of its creator.
    pub(crate) fn enter_async<F: Future>(self, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        self.part(Doing::Creating, make)
    }
}

impl<L: Lock> Creation<'_, L> {
    pub(crate) fn middle(&self) -> Middle<'_> {
        let (election, name) = (self.election(), self.lock.dogpile().policy().name());
        Middle { election, born: self.born, name, entered: &self.entered, cancelled: &self.cancelled }
    }

    /// Makes and polls a future as part of the creation.
    pub(crate) fn enter_async<F: Future>(&self, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        self.middle().enter_async(make)
    }
}
