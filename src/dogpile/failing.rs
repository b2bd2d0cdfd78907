//! What a lock's policy means when creating goes wrong: who is elected in a pause or in place of an overdue creation,
//! and how a failure ends. What the policy means to a value that ages is in [`aging`](super::aging).

use super::Dogpile;
use super::random::random;
use super::terms::LastFailed;
use crate::clock::{Clock, nanoseconds};
use crate::election::{Birth, Failed, Pause, Pausing, State, Timer};
use crate::error::{AcquireError, Refusal};
use crate::failure::Hints;
use crate::running::is_creating_here;
use crate::sync::{Arc, AtomicU64, Ordering};
use std::fmt;
use std::time::Duration;

impl<C: Clock> Dogpile<C> {
    /// Notes what a creation has failed with, and when: under the mutex, so that of two failures the later one stays.
    pub(crate) fn note_failure(&self, cause: &Arc<str>, at: u64) {
        let failed = LastFailed { cause: Arc::clone(cause), at };
        // What it takes the place of is a text and a number: no user code to run.
        drop(self.terms.more().rare().failed.swap(Some(Arc::new(failed))));
    }

    /// Whether nobody is to be elected who can do without: somebody creates who is not overdue, or there is a pause.
    #[inline]
    pub(crate) fn is_closed(&self, state: State, now: impl FnOnce() -> u64) -> bool {
        if state.is_timed() { state.is_storing() || now() < self.terms.held_until() } else { state.is_creating() }
    }

    /// The same as of now; and nobody takes over from himself, however overdue he is.
    pub(crate) fn is_closed_now(&self, state: State) -> bool {
        self.is_closed(state, || self.clock.now()) || (state.is_creating() && is_creating_here(&self.election))
    }

    /// What elections need here, as of now.
    pub(crate) fn timer(&self) -> Option<Timer<'_>> {
        let timeout = self.policy().creation_timeout().map(nanoseconds).filter(|timeout| *timeout != u64::MAX)?;
        Some(Timer { hold: self.terms.hold(), now: self.clock.now(), timeout })
    }
    /// Why nobody creates just now, if that is so.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.election.pause(self.terms.hold())
    }

    /// Whether [`renew_if`](crate::Access::renew_if) is not to cause a renewal yet.
    pub(super) fn renewed_too_lately(&self, now: u64) -> bool {
        let interval = nanoseconds(self.policy().renew_interval());
        if interval == 0 {
            return false;
        }
        // Relaxed: the elected access stores it, between the acquire and the release of its election, and the elected
        // access decides by it. Others only spare themselves an election.
        let renewed = self.terms.more().rare().renewed.load(Ordering::Relaxed);
        renewed != 0 && now.saturating_sub(renewed) < interval
    }

    /// Whether one that wants a newer value could be elected, also in the place of a creation that is overdue, were it
    /// not too soon.
    pub(super) fn would_renew_too_soon(&self, seen: State) -> bool {
        !self.is_closed_now(seen) && self.renewed_too_lately(self.clock.now())
    }

    /// It has caused one. By the elected access.
    pub(super) fn note_renewed(&self, now: u64) {
        if self.policy().renew_interval() != Duration::ZERO {
            // Relaxed: as above.
            self.terms.more().rare().renewed.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// What is said of a pause, to an access that has no value to go on with.
    pub(crate) fn paused(&self, pause: Pause) -> Refusal {
        let retry_in = Duration::from_nanos(pause.until.saturating_sub(self.clock.now()));
        Refusal(AcquireError::Paused { retry_in, cause: pause.cause })
    }

    /// What it takes to give a creation up, as of now: a pause that it was elected in goes on.
    pub(crate) fn pause_to_leave(&self) -> Option<(&AtomicU64, u64)> {
        self.terms.paused_before().map(|hold| (hold, self.clock.now()))
    }

    /// Ends a creation that need not run after all: a pause that it was elected in goes on.
    pub(crate) fn stand_down(&self, born: Birth) {
        self.election.stand_down(born, self.terms.paused_before());
    }

    /// Has a creation `end` as failed, as of `now`, with what there is to pause for and with the `cause` as text. All
    /// that is the user's (`cause`) runs before that.
    ///
    /// | the failure says | the policy pauses | the lock pauses |
    /// |---|---|---|
    /// | for how long | whether or not | for that long |
    /// | zero | whether or not | not at all |
    /// | nothing | yes | as the policy says, and no shorter than an earlier failure said |
    /// | nothing | no | not at all, or as an earlier failure said |
    pub(crate) fn as_failed<R>(
        &self,
        cause: &dyn fmt::Display,
        hints: Hints,
        now: u64,
        end: impl FnOnce(Option<Failed<'_>>, &Arc<str>) -> R,
    ) -> R {
        let cause: Arc<str> = cause.to_string().into();
        let backoff = self.policy().retry_after();
        let said =
            hints.retry_after.map(|pause| (pause != Duration::ZERO).then(|| now.saturating_add(nanoseconds(pause))));
        let is_said = said.is_some_and(|until| until.is_some());
        if !is_said && backoff.is_none() && self.terms.paused_before().is_none() {
            return end(None, &cause);
        }
        if is_said {
            self.terms.note_pause();
        }
        let random = random();
        let grown = backoff.map(|backoff| move |failures| now.saturating_add(backoff.pause(failures, random)));
        let pause = match (said, &grown) {
            (Some(until), _) => Pausing::Said(until),
            (None, Some(grown)) => Pausing::Grown(grown),
            (None, None) => Pausing::Unsaid { now },
        };
        end(Some(Failed { hold: self.terms.hold(), cause: Arc::clone(&cause), pause }), &cause)
    }
}
