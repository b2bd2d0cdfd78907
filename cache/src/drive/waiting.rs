//! How an access waits for another process: by signals, if its backend has them, and by polls.
//!
//! # Between two looks
//!
//! | the access | looks again |
//! |---|---|
//! | has no signals | after the next of its [`Polls`], at most the longest |
//! | listens, and hears [`Changed`](Signal::Changed) | at once |
//! | listens, and hears of anything else | after a random part of [`SPREAD`] |
//! | listens, and hears nothing | after a poll that is the longest, but for the quarter that is drawn |
//!
//! The round bounds each of these waits: by the longest poll, by the end of the watched lease, and by the deadlines
//! (G5). So a signal that is lost costs one poll at most (G16). With signals the polls are bounds alone; there is no
//! use in short ones, which an access without signals needs, since it would be late by each of them.
//!
//! # What it costs to listen
//!
//! An access that must wait listens first, and looks again after that, since what happened before is not signalled.
//! The time that the backend takes for it is a part of the access's budget, and no more than one poll: an access
//! without signals would have looked by then. If the backend cannot listen, the access goes on by polls. That begins no
//! pause, as the backend may do everything else.
//!
//! Of the accesses of a process only the one with the turn waits for another process, so a thousand waiters are one
//! listening. It ends when the access creates, has an answer, or is dropped.

use super::{Drive, Polls, lock};
use crate::backend::{Signal, Signals};
use crate::observer::Operation;
use crate::round::Event;
use crate::slot::Value;
use crate::store::Store;
use crate::time::RegionTime;
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The longest time between a signal that says that nothing was stored, and the look of an access that has heard it.
///
/// Each waiting process of the fleet hears such a signal at the same moment, and would look and claim. One of them is
/// granted, and the others are told of the holder. So the server is to have time for the first claim before most of the
/// others come. A waiter is late by half of this on average, where there are few; where there are many, the first one
/// comes early.
const SPREAD: Duration = Duration::from_millis(20);

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    /// Listens to the signals of the place.
    pub(super) async fn listen(&mut self) -> Event<Value<V>> {
        let (core, slot) = (Arc::clone(self.core()), self.run.slot.clone());
        let Store::Far(far) = &core.store else { return Event::NotSubscribed };
        let began = core.time.now();
        // An access with an old value goes on with it at `soft`, whether it has begun to listen or not (G11).
        let soft = self.old_until().map_or(Duration::MAX, |soft| soft.saturating_sub(began));
        let most = self.most().min(core.settings.poll).min(soft);
        if most.is_zero() {
            return Event::NotSubscribed;
        }
        let Some(listening) = far.backend().listen(slot.stored()) else { return Event::NotSubscribed };
        let reply = core.time.until(began.saturating_add(most), listening).await;
        self.spend(core.time.now().saturating_sub(began));
        let error = match reply {
            Some(Ok(signals)) => {
                self.signals = Some(signals);
                return Event::Subscribed;
            }
            Some(Err(error)) => error,
            None => core.no_answer(&slot),
        };
        core.seen.backend_failed(&core.key_of(&slot), Operation::Listen, &error);
        Event::NotSubscribed
    }

    /// Waits for another process.
    pub(super) async fn wait(&mut self, until: Duration) -> Event<Value<V>> {
        let core = Arc::clone(self.core());
        // The wait for another process is apart from what the backend may take.
        self.budget = core.backend_timeout;
        self.waits_since.get_or_insert(core.time.nanos());
        let now = core.time.now();
        if let Some(signals) = &mut self.signals {
            let poll = now.saturating_add(Polls::longest(core.settings.poll));
            Box::pin(heard(&core.time, signals, until.min(poll))).await;
        } else {
            let took = self.old.as_ref().map(|old| old.times.took);
            let poll = now.saturating_add(self.polls.next(took, core.settings.poll));
            core.time.sleep_until(until.min(poll)).await;
        }
        Event::Woken
    }

    /// Returns until when the access waits as one without an old value, if it has one.
    fn old_until(&self) -> Option<Duration> {
        let run = lock(&self.run.state);
        run.access.soft().filter(|_| run.access.has_old())
    }

    pub(super) fn has_signals(&self) -> bool {
        self.signals.is_some()
    }

    /// Takes a signal, if there is one.
    pub(super) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        self.signals.as_mut().map_or(Poll::Pending, |signals| signals.poll_heard(cx))
    }
}

/// Waits until an access that listens is to look: for a signal, or until then.
async fn heard(time: &RegionTime, signals: &mut Signals, mut until: Duration) {
    while let Some(signal) = time.until(until, signals.heard()).await {
        let now = time.now();
        until = until.min(look_at(signal, now));
        // (What is signalled again and again keeps no access from its look.)
        if until <= now {
            return;
        }
    }
}

/// Returns when to look after a signal that was heard just now.
pub(super) fn look_at(signal: Signal, now: Duration) -> Duration {
    match signal {
        Signal::Changed => now,
        Signal::Freed | Signal::Gap => now.saturating_add(SPREAD.mul_f64(fastrand::f64())),
    }
}
