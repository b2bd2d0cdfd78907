//! In the middle of a creation: a creator that is a future.
//!
//! Everything that such a creator does is part of the creation while the future is polled, and while it is dropped. So
//! an access that comes to wait for that creation in the middle of it would wait for itself, and is told so (L7). What
//! the creator waits for by other means is not known.

use super::once::Once;
use crate::election::{Birth, Election};
use crate::running::{Doing, Over, Running};
use crate::sync::{Flag, Ordering};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

/// A part of a creation that is a future: made, polled and dropped as that part.
struct Part<'p, F> {
    future: Pin<&'p mut Option<F>>,
    of: &'p Middle<'p>,
    doing: Doing,
    /// What the part waits for since it was last polled.
    round: Over,
    /// The part is being polled, or a poll has panicked.
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
        // Of parts within parts, the outermost stores this last. Relaxed: as for `entered`, see `Creation::end`.
        self.of.cancelled.store(thread::panicking() && !self.polled, Ordering::Relaxed);
        self.future.set(None);
    }
}

/// A creation, as far as that is needed to be in the middle of it. The type does not name the lock, nor how long that
/// lives: futures that held such a type would not be `Send`.
#[derive(Clone, Copy)]
pub(crate) struct Middle<'a> {
    pub(super) election: &'a Election,
    pub(super) born: Birth,
    pub(super) name: Option<&'static str>,
    pub(super) entered: &'a Flag,
    /// See [`Creation`](super::Creation).
    pub(super) cancelled: &'a Flag,
}

impl Middle<'_> {
    /// Notes that this thread is in the middle of the creation, until the return value is dropped.
    pub(crate) fn running(&self, doing: Doing) -> Running {
        // Relaxed: see `Creation::end`.
        self.entered.store(true, Ordering::Relaxed);
        Running::enter(self.election, self.born.ticket, self.name, doing)
    }

    /// Notes whether the creator is dropped by a panic that is not its own.
    pub(super) fn be_cancelled(&self, cancelled: bool) {
        // Relaxed: as for `entered`, see `Creation::end`.
        self.cancelled.store(cancelled, Ordering::Relaxed);
    }

    /// Makes and polls a future as part of the creation.
    pub(crate) fn part<F: Future>(self, doing: Doing, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        // Relaxed: see `Creation::end`.
        self.entered.store(true, Ordering::Relaxed);
        let mut make = Once::new(make);
        async move {
            let mut part = Part { future: pin!(None), of: &self, doing, round: Over::default(), polled: false };
            poll_fn(|context| part.poll(&mut make, context)).await
        }
    }

    /// Makes and polls a future as part of the creator.
    pub(crate) fn enter_async<F: Future>(self, make: impl FnOnce() -> F) -> impl Future<Output = F::Output> {
        self.part(Doing::Creating, make)
    }
}
