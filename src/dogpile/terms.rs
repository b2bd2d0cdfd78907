//! A lock's policy, and what it means when creating goes wrong: who is elected in a pause or in place of an overdue
//! creation, and how a failure ends. What it means to a value that ages is in [`aging`](super::aging).
//!
//! A lock that was given no policy has two empty pointers here, and never reads them on a hit. One points to a policy
//! that lives for ever. The other is filled when it is first needed, with a policy that is shared, and with the word
//! `hold`, whose meaning is told in [`election`](crate::election): until when there is a pause, or from when on a
//! creation is overdue.

use super::{Dogpile, Status};
use crate::clock::{Clock, nanoseconds};
use crate::election::{Birth, Failure, Pause, State, Timer};
use crate::error::{AcquireError, Refusal};
use crate::lock::ruled;
use crate::observer::Tally;
use crate::policy::Policy;
use crate::running::is_creating_here;
use crate::sync::once::OnceBox;
use crate::sync::{Arc, AtomicU64, Counter, Deadline, Ordering, const_fn, unique};
use crate::wakers::contained;
use std::fmt;
use std::task::Waker;
use std::time::Duration;

/// A lock's policy, and what it keeps because of it.
pub(super) struct Terms {
    policy: Option<&'static Policy>,
    more: OnceBox<More>,
}

pub(super) struct More {
    policy: Option<Arc<Policy>>,
    hold: AtomicU64,
    /// When the value expires, if its policy [plans](Policy::plans); or since when it has been stale, if somebody said
    /// so.
    pub(super) expires: AtomicU64,
    /// How long the last creation took, if the policy plans.
    pub(super) cost: AtomicU64,
    /// The stamp that an access in stamped getter mode was brought since the lock has last created, in nanoseconds of
    /// Unix time; 0 if none was. Only questions read it: see [`status`](super::status).
    brought: Counter,
    pub(super) tally: Tally,
}

#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<More>() <= 96);

impl More {
    fn new(policy: Option<Arc<Policy>>) -> Self {
        // Of a value that was born fresh, and nobody has looked at, it is not known yet when it expires.
        let [hold, expires, cost] = [0, u64::MAX, 0].map(AtomicU64::new);
        Self { policy, hold, expires, cost, brought: Counter::new(0), tally: Tally::default() }
    }
}

impl Terms {
    const_fn! {
        pub(super) const fn none() -> Self {
            Self { policy: None, more: OnceBox::new() }
        }
    }

    pub(super) fn find(&self) -> Option<&Policy> {
        self.policy.or_else(|| self.more.get()?.policy.as_deref())
    }

    fn hold(&self) -> &AtomicU64 {
        &self.more().hold
    }

    pub(super) fn more(&self) -> &More {
        self.more.get_or_init(|| Box::new(More::new(None)))
    }

    /// What was counted, if anything.
    pub(super) fn tally(&self) -> Option<&Tally> {
        self.more.get().map(|more| &more.tally)
    }

    /// Notes what stamp a getter has brought, in nanoseconds of Unix time.
    pub(super) fn note_brought(&self, stamp: u64) {
        let (brought, stamp) = (&self.more().brought, stamp.max(1)); // 0 is none
        // It is looked at first so that accesses which are brought the same value write nothing. Release: pairs with the
        // acquire in `brought`. Who is told that the value is fresh sees all that its creator wrote, as this access does
        // (L4).
        if brought.load(Ordering::Relaxed) != stamp {
            brought.store(stamp, Ordering::Release);
        }
    }

    /// What was brought counts no more: the getter has brought nothing, or the lock has created, and the deadline says
    /// so already.
    pub(super) fn forget_brought(&self) {
        if let Some(more) = self.more.get() {
            // Release: pairs with the acquire in `brought`.
            more.brought.store(0, Ordering::Release);
        }
    }

    /// The stamp that was brought, in nanoseconds of Unix time.
    pub(super) fn brought(&self) -> Option<u64> {
        // Acquire: pairs with the release in `note_brought`, and with that in `forget_brought`. Who finds nothing here
        // since the lock has created looks at the deadline next, and finds that creation there.
        let brought = self.more.get()?.brought.load(Ordering::Acquire);
        (brought != 0).then_some(brought)
    }

    /// What was planned, if the policy plans.
    pub(super) fn planned(&self) -> Option<&More> {
        self.find()?.plans().then(|| self.more.get()).flatten()
    }

    pub(super) fn held_until(&self) -> u64 {
        // Acquire: pairs with the release of the word that says to read this, by which it was made, too. (The word was
        // acquired before; a `hold` that is newer than it is as good.)
        self.more.get().map_or(0, |more| more.hold.load(Ordering::Acquire))
    }
}

/// How long somebody sleeps who waits for a creation.
#[derive(Clone, Copy)]
pub(crate) enum Nap {
    /// Until it is overdue.
    UntilOverdue,
    /// Until it is for as long again: until then others may take its place.
    UntilLongOverdue,
}

/// What a wait has asked its clock for, as long as it waits.
pub(crate) struct Reminder<'a, C: Clock> {
    clock: &'a C,
    /// For when, and the ticket.
    set: Option<(u64, u64)>,
}

impl<C: Clock> Reminder<'_, C> {
    /// For that time, in place of any other. Returns whether the clock does it.
    fn set(&mut self, at: u64, waker: &Waker) -> bool {
        let ticket = self.set.map_or_else(unique, |(_, ticket)| ticket);
        if !self.clock.wake_at(at, ticket, waker) {
            return false;
        }
        match self.set.replace((at, ticket)) {
            Some((before, _)) if before != at => self.take_back(before, ticket),
            _ => {}
        }
        true
    }

    fn take_back(&self, at: u64, ticket: u64) {
        // The clock is the user's, and it may be a panic that has come here.
        contained(|| self.clock.cancel_wake(at, ticket));
    }
}

impl<C: Clock> Drop for Reminder<'_, C> {
    fn drop(&mut self) {
        if let Some((at, ticket)) = self.set {
            self.take_back(at, ticket);
        }
    }
}

#[cfg(not(dogpile_loom))]
pub(super) fn random() -> f64 {
    fastrand::Rng::new().f64()
}

/// A model is to be the same in each of its runs.
#[cfg(dogpile_loom)]
pub(super) fn random() -> f64 {
    0.0
}

impl<C: Clock> Dogpile<C> {
    /// See [`Terms::note_brought`].
    pub(crate) fn note_brought(&self, stamp: u64) {
        self.terms.note_brought(stamp);
    }

    /// See [`Terms::forget_brought`].
    pub(crate) fn forget_brought(&self) {
        self.terms.forget_brought();
    }
}

impl<C: Clock> Status<C> {
    /// Whether it was given a policy of its own.
    pub(crate) fn is_ruled(&self) -> bool {
        self.terms.find().is_some()
    }

    const_fn! {
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.terms.policy = Some(policy);
            self.election.be_ruled();
        }
    }

    pub(crate) fn share_rule(&mut self, policy: Arc<Policy>) {
        self.terms = Terms { policy: None, more: OnceBox::with_value(Box::new(More::new(Some(policy)))) };
        self.election.be_ruled();
    }
}

/// # Policy
impl<C: Clock> Dogpile<C> {
    ruled! {
        /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
        /// [defaults](Policy).
        by status
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

    /// For one who may come to wait for a creation: nothing yet.
    pub(crate) fn reminder(&self) -> Reminder<'_, C> {
        Reminder { clock: &self.clock, set: None }
    }

    /// For one who is about to sleep until a creation ends, which may be overdue before that: has it wake up by then.
    /// Returns until when it is to sleep at the most, if its clock does not see to that. The timer is the one that it
    /// has just polled with: what it would have found at a later time it has not told anybody.
    pub(crate) fn nap(
        &self,
        nap: Nap,
        reminder: &mut Reminder<'_, C>,
        waker: &Waker,
        timer: Option<Timer<'_>>,
    ) -> Option<Deadline> {
        let timer = timer?;
        let state = self.election.look();
        // What `hold` says may be of a pause that has begun since: no creation that it may come to wait for has longer
        // than this.
        let at = timer.now.saturating_add(timer.timeout);
        let at = if state.is_creating() { self.terms.held_until().min(at) } else { at };
        let at = match nap {
            Nap::UntilOverdue => at,
            Nap::UntilLongOverdue => at.saturating_add(timer.timeout),
        };
        if at <= timer.now && state.is_storing() {
            return None; // the end of the store is what it waits for: see `election`
        }
        let woken = reminder.set(at, waker);
        (!woken).then(|| Deadline::after(Duration::from_nanos(at.saturating_sub(timer.now))))
    }

    /// Why nobody creates just now, if that is so.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.election.pause(self.terms.hold())
    }

    /// What is said of a pause, to an access that has no value to go on with.
    pub(crate) fn paused(&self, pause: Pause) -> Refusal {
        let retry_in = Duration::from_nanos(pause.until.saturating_sub(self.clock.now()));
        Refusal(AcquireError::Paused { retry_in, cause: pause.cause })
    }

    /// What it takes to give a creation up, as of now: a pause that it was elected in goes on.
    pub(crate) fn pause_to_leave(&self) -> Option<(&AtomicU64, u64)> {
        self.policy().retry_after().map(|_| (self.terms.hold(), self.clock.now()))
    }

    /// Ends a creation that need not run after all: a pause that it was elected in goes on.
    pub(crate) fn stand_down(&self, born: Birth) {
        let hold = self.policy().retry_after().map(|_| self.terms.hold());
        self.election.stand_down(born, hold);
    }

    /// Has a creation `end` as failed, as of `now`. All that is the user's (`cause`) runs before that.
    pub(crate) fn as_failed<R>(
        &self,
        cause: &dyn fmt::Display,
        now: u64,
        end: impl FnOnce(Option<Failure<'_>>) -> R,
    ) -> R {
        let Some(backoff) = self.policy().retry_after() else { return end(None) };
        let cause = cause.to_string().into();
        let random = random();
        let until = |failures| now.saturating_add(backoff.pause(failures, random));
        end(Some(Failure { hold: self.terms.hold(), cause, until: &until }))
    }
}
