//! Several creations that one creator runs together.
//!
//! This is [`Middle::part`], of all these creations at once. An access that comes to wait for any of them in the middle
//! of it would wait for itself, and is told so (L7).

use super::Creation;
use super::middle::Middle;
use super::once::Once;
use crate::lock::Lock;
use crate::running::{Doing, Over, Running};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

/// A future that is made, polled and dropped as a part of several creations.
struct Parts<'p, F> {
    future: Pin<&'p mut Option<F>>,
    middles: Vec<Middle<'p>>,
    /// What each of them waits for since it was last polled.
    rounds: Vec<Over>,
    /// The future is being polled, or a poll has panicked.
    polled: bool,
}

/// Says that this thread is in the middle of all of the creations, until it is dropped.
struct All(Vec<Running>);

impl All {
    fn enter(middles: &[Middle<'_>]) -> Self {
        Self(middles.iter().map(|middle| middle.running(Doing::Creating)).collect())
    }

    fn pause(mut self) -> Vec<Over> {
        let mut rounds = Vec::with_capacity(self.0.len());
        while let Some(running) = self.0.pop() {
            rounds.push(running.pause());
        }
        rounds
    }
}

impl Drop for All {
    fn drop(&mut self) {
        // The last first: each is looked for from the end.
        while self.0.pop().is_some() {}
    }
}

impl<F: Future> Parts<'_, F> {
    fn poll(&mut self, make: &mut Once<impl FnOnce() -> F>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.rounds.clear();
        let all = All::enter(&self.middles);
        self.polled = true;
        if self.future.is_none() {
            self.future.set(Some(make.take()()));
        }
        let polled = self.future.as_mut().as_pin_mut().expect("it was just made").poll(context);
        self.rounds = all.pause();
        self.polled = false;
        polled
    }
}

impl<F> Drop for Parts<'_, F> {
    fn drop(&mut self) {
        self.rounds.clear();
        let _all = All::enter(&self.middles);
        for middle in &self.middles {
            middle.be_cancelled(thread::panicking() && !self.polled);
        }
        self.future.set(None);
    }
}

/// Makes and polls a future as a part of all these creations, and of their creator.
pub(crate) fn enter_all<'c, 'l: 'c, L: Lock + 'l, F: Future>(
    creations: impl IntoIterator<Item = &'c Creation<'l, L>>,
    make: impl FnOnce() -> F,
) -> impl Future<Output = F::Output> {
    let middles: Vec<_> = creations.into_iter().map(Creation::middle).collect();
    let mut make = Once::new(make);
    async move {
        let mut parts = Parts { future: pin!(None), middles, rounds: Vec::new(), polled: false };
        poll_fn(|context| parts.poll(&mut make, context)).await
    }
}
