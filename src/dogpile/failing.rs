//! What a lock's policy means when creating goes wrong.
//!
//! This file decides whether an access may be elected in a pause, in place of an overdue creation, or by `renew_if`
//! soon after another renewal; and it ends a creation that has failed. What the policy means to a value that ages is in
//! [`aging`](super::aging).

use super::Dogpile;
use super::terms::LastFailed;
use crate::clock::{Clock, nanoseconds};
use crate::election::{Birth, Failed, Pause, Pausing, State, Timer};
use crate::error::{AcquireError, Refusal};
use crate::failure::Hints;
use crate::policy::random;
use crate::running::is_creating_here;
use crate::sync::{Arc, AtomicU64, Ordering};
use std::fmt;
use std::time::Duration;

impl<C: Clock> Dogpile<C> {
    /// Notes what a creation has failed with, and when. Called under the mutex, so that of two failures the later one
    /// stays.
    pub(crate) fn note_failure(&self, cause: &Arc<str>, at: u64) {
        let failed = LastFailed { cause: Arc::clone(cause), at };
        // The note that is dropped here is a text and a number. So its drop runs no code of the user's.
        drop(self.terms.more().rare().failed.swap(Some(Arc::new(failed))));
    }

    /// Returns whether an access that can do without a new value is not to be elected: a creation runs that is not
    /// overdue, or there is a pause.
    #[inline]
    pub(crate) fn is_closed(&self, state: State, now: impl FnOnce() -> u64) -> bool {
        if state.is_timed() { state.is_storing() || now() < self.terms.held_until() } else { state.is_creating() }
    }

    /// As [`is_closed`](Self::is_closed), as of now. An access in the middle of a creation does not take over from that
    /// creation, however overdue it is.
    pub(crate) fn is_closed_now(&self, state: State) -> bool {
        self.is_closed(state, || self.clock.now()) || (state.is_creating() && is_creating_here(&self.election))
    }

    /// Returns what an election needs to know of the time, as of now; `None` if the creations of this lock cannot be
    /// declared dead.
    pub(crate) fn timer(&self) -> Option<Timer<'_>> {
        let timeout = self.policy().creation_timeout().map(nanoseconds).filter(|timeout| *timeout != u64::MAX)?;
        Some(Timer { hold: self.terms.hold(), now: self.clock.now(), timeout })
    }

    /// Returns the pause, if there is one.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.election.pause(self.terms.hold())
    }

    /// Returns whether [`renew_if`](crate::Access::renew_if) is not to cause a renewal yet.
    pub(super) fn renewed_too_lately(&self, now: u64) -> bool {
        let interval = nanoseconds(self.policy().renew_interval());
        if interval == 0 {
            return false;
        }
        // Relaxed: an elected access stores the time between the acquire and the release of its election, and it is an
        // elected access that decides by the time. The other accesses only spare themselves an election.
        let renewed = self.terms.more().rare().renewed.load(Ordering::Relaxed);
        renewed != 0 && now.saturating_sub(renewed) < interval
    }

    /// Returns whether it is only too soon for an access that wants a newer value: otherwise the access could be
    /// elected, also in place of an overdue creation.
    pub(super) fn would_renew_too_soon(&self, seen: State) -> bool {
        !self.is_closed_now(seen) && self.renewed_too_lately(self.clock.now())
    }

    /// Notes that `renew_if` has caused a renewal, which began at `now`. Called by the elected access.
    pub(super) fn note_renewed(&self, now: u64) {
        if self.policy().renew_interval() != Duration::ZERO {
            // Relaxed: as in `renewed_too_lately`.
            self.terms.more().rare().renewed.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// Returns what an access that has no value to go on with is told of a pause.
    pub(crate) fn paused(&self, pause: Pause) -> Refusal {
        let retry_in = Duration::from_nanos(pause.until.saturating_sub(self.clock.now()));
        Refusal(AcquireError::Paused { retry_in, cause: pause.cause })
    }

    /// Returns what it takes to give up a creation as of now: `hold`, and the time. A pause in which the creation was
    /// elected goes on.
    pub(crate) fn pause_to_leave(&self) -> Option<(&AtomicU64, u64)> {
        self.terms.paused_before().map(|hold| (hold, self.clock.now()))
    }

    /// Ends a creation that need not run after all. A pause in which the creation was elected goes on.
    pub(crate) fn stand_down(&self, born: Birth) {
        self.election.stand_down(born, self.terms.paused_before());
    }

    /// Ends a creation as failed, as of `now`. `end` does so, and is told how long to pause, and the `cause` as text.
    /// The user's code, which makes that text, runs before `end` does.
    ///
    /// | the failure says | the policy has pauses | the lock pauses |
    /// |---|---|---|
    /// | for how long to pause | yes or no | for that long |
    /// | zero | yes or no | not at all |
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
        let grown = backoff.map(|backoff| move |failures| now.saturating_add(backoff.pause_by(failures, random)));
        let pause = match (said, &grown) {
            (Some(until), _) => Pausing::Said(until),
            (None, Some(grown)) => Pausing::Grown(grown),
            (None, None) => Pausing::Unsaid { now },
        };
        end(Some(Failed { hold: self.terms.hold(), cause: Arc::clone(&cause), pause }), &cause)
    }
}
