//! What its policy means to a lock: how a value ages, who is elected in a pause or in place of an overdue creation, and how a
//! failure ends.
//!
//! A lock that was given no policy has two empty pointers here, and never reads them on a hit. One points to a policy that lives for
//! ever. The other is filled when it is first needed, with a policy that is shared, and with the word `hold`, whose meaning is
//! told in [`election`](crate::election): until when there is a pause, or from when on a creation is overdue.

use super::Dogpile;
use crate::clock::{Clock, nanoseconds};
use crate::election::{Birth, Failure, Pause, State, Timer};
use crate::error::AcquireError;
use crate::freshness::{Freshness, Look};
use crate::policy::{Plan, Policy};
use crate::running::is_creating_here;
use crate::sync::once::OnceBox;
use crate::sync::{Arc, AtomicU64, Deadline, Ordering, const_fn};
use std::fmt;
use std::task::Waker;
use std::time::Duration;

/// A lock's policy, and what it keeps because of it.
pub(super) struct Terms {
    policy: Option<&'static Policy>,
    more: OnceBox<More>,
}

struct More {
    policy: Option<Arc<Policy>>,
    hold: AtomicU64,
    /// When the value expires, if its policy [plans](Policy::plans); or since when it has been stale, if somebody said so.
    expires: AtomicU64,
    /// See [`Plan`].
    lead: AtomicU64,
}

impl More {
    fn new(policy: Option<Arc<Policy>>) -> Self {
        let [hold, expires, lead] = [0; 3].map(AtomicU64::new);
        Self { policy, hold, expires, lead }
    }
}

impl Terms {
    const_fn! {
        pub(super) const fn none() -> Self {
            Self { policy: None, more: OnceBox::new() }
        }
    }

    const_fn! {
        const fn set(&mut self, policy: &'static Policy) {
            self.policy = Some(policy);
        }
    }

    fn share(&mut self, policy: Arc<Policy>) {
        self.policy = None;
        self.more = OnceBox::with_value(Box::new(More::new(Some(policy))));
    }

    fn find(&self) -> Option<&Policy> {
        self.policy.or_else(|| self.more.get()?.policy.as_deref())
    }

    fn hold(&self) -> &AtomicU64 {
        &self.more().hold
    }

    fn more(&self) -> &More {
        self.more.get_or_init(|| Box::new(More::new(None)))
    }

    /// What was planned, if the policy plans.
    fn planned(&self) -> Option<&More> {
        self.find()?.plans().then(|| self.more.get()).flatten()
    }

    fn held_until(&self) -> u64 {
        // Acquire: pairs with the release of the word that says to read this, by which it was made, too. (The word was
        // acquired before; a `hold` that is newer than it is as good.)
        self.more.get().map_or(0, |more| more.hold.load(Ordering::Acquire))
    }
}

#[cfg(not(dogpile_loom))]
fn random() -> f64 {
    fastrand::Rng::new().f64()
}

/// A model is to be the same in each of its runs.
#[cfg(dogpile_loom)]
fn random() -> f64 {
    0.0
}

/// What an access finds that looks at the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Fresh,
    /// Fresh, and may be renewed early.
    Due,
    Stale,
    /// Missing, or too old to be used.
    Missing,
}

impl Sight {
    /// What is told of it.
    pub(crate) fn freshness(self) -> Freshness {
        match self {
            Self::Fresh | Self::Due => Freshness::Fresh,
            Self::Stale => Freshness::Stale,
            Self::Missing => Freshness::Missing,
        }
    }
}

/// # How a value ages
///
/// Where the policy has nothing to say of that, the deadline word says it all. Otherwise that word says from when on to look here:
/// when the value is due to be renewed early, or expires. So a hit costs the same.
///
/// `expires` is stored before the deadline, under the same mutex, and read after it. Whoever reads a newer one than the deadline
/// that it has seen has seen that newer creation, with all that it wrote.
impl<C: Clock> Dogpile<C> {
    /// What the deadline word means at that time. (One that was born fresh, and is still unstamped, is fresh.)
    pub(crate) fn sight(&self, look: Look, now: u64) -> Sight {
        match look {
            Look::Known(Freshness::Fresh) | Look::Unstamped => Sight::Fresh,
            Look::Known(Freshness::Missing) => Sight::Missing,
            Look::Known(Freshness::Stale) => self.aged(now),
            Look::Passed => match self.terms.planned().map(|more| more.expires.load(Ordering::Acquire)) {
                // Acquire: pairs with the release in `carry_out`.
                Some(expires) if now < expires => Sight::Due,
                _ => self.aged(now),
            },
        }
    }

    fn aged(&self, now: u64) -> Sight {
        let too_old = self.terms.planned().is_some_and(|more| {
            let max_stale = self.policy().max_stale().map_or(u64::MAX, nanoseconds);
            // Acquire: as in `sight`.
            now >= more.expires.load(Ordering::Acquire).saturating_add(max_stale) && max_stale != u64::MAX
        });
        if too_old { Sight::Missing } else { Sight::Stale }
    }

    /// Whether this access is to renew a value that is due: to be asked once.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.terms.planned().is_some_and(|more| {
            // Relaxed, both: what is drawn from them is random anyway.
            let (expires, lead) = (more.expires.load(Ordering::Relaxed), more.lead.load(Ordering::Relaxed));
            self.policy().is_due(expires.saturating_sub(now), lead, 1.0 - random())
        })
    }

    /// Notes when a creation begins, if that matters.
    pub(super) fn begun(&self, born: Birth) -> Birth {
        let started = if self.policy().measures() { self.clock.now() } else { 0 };
        Birth { started, ..born }
    }

    /// A value is there from `now` on (exact), of a creation that was born then, if of any. Under the mutex.
    pub(crate) fn renew(&self, now: u64, lifetime: Option<Duration>, born: Option<Birth>) {
        if !self.policy().plans() {
            match lifetime {
                None => self.expiry.renew(now),
                Some(lifetime) => self.expiry.renew_for(now, lifetime),
            }
            return;
        }
        let started = born.map_or(0, |born| born.started);
        let cost = if started == 0 { 0 } else { now.saturating_sub(started) };
        let due = self.carry_out(now, nanoseconds(lifetime.unwrap_or(self.expiry.lifetime())), cost);
        self.expiry.renew_until(now, due);
    }

    /// Plans the life of a value, and stores all of that but the deadline, which it returns. Under the mutex.
    fn carry_out(&self, now: u64, lifetime: u64, cost: u64) -> u64 {
        let Plan { due, expires, lead } = self.policy().plan(now, lifetime, cost, random());
        let more = self.terms.more();
        more.lead.store(lead, Ordering::Relaxed); // see `is_due`
        // Release: see above.
        more.expires.store(expires, Ordering::Release);
        due
    }

    /// As [`renew`](Self::renew), of a value that is stale already. Under the mutex.
    pub(crate) fn renew_stale(&self, now: u64) {
        if self.policy().plans() {
            // Release: see above.
            self.terms.more().expires.store(now, Ordering::Release);
        }
        self.expiry.renew_stale(now);
    }

    /// The value, if there is one, is stale from `now` on. Under the mutex.
    pub(super) fn be_stale(&self, now: u64) {
        if self.policy().plans() {
            // Release: see above.
            self.terms.more().expires.fetch_min(now, Ordering::Release);
        }
        self.expiry.mark_stale(now);
    }

    /// Starts the life of a value that was born fresh; returns the time to look at it again.
    pub(crate) fn stamp_born(&self) -> u64 {
        let now = self.clock.now();
        if self.policy().plans() {
            self.election.still(|| {
                if self.expiry.is_unstamped() {
                    let due = self.carry_out(now, nanoseconds(self.expiry.lifetime()), 0);
                    self.expiry.stamp_born_until(now, due);
                }
            });
        } else {
            self.expiry.stamp_born(now);
        }
        self.expiry.now(&self.clock)
    }

    /// What to think of a value from elsewhere, of that age in nanoseconds. What is due counts as stale: whoever is elected renews it,
    /// and the others go on with it.
    pub(super) fn judge_age(&self, age: Option<u64>) -> Freshness {
        let (policy, lifetime) = (self.policy(), nanoseconds(self.expiry.lifetime()));
        let Some(age) = age else { return Freshness::Stale };
        if lifetime == u64::MAX {
            return Freshness::Fresh;
        }
        let max_stale = policy.max_stale().map_or(u64::MAX, nanoseconds);
        if max_stale != u64::MAX && age >= lifetime.saturating_add(max_stale) {
            return Freshness::Missing;
        }
        // Relaxed: as in `is_due`.
        let lead = self.terms.planned().map_or(0, |more| more.lead.load(Ordering::Relaxed));
        let due = age >= lifetime || (policy.plans() && policy.is_due_at_age(age, lifetime, lead, 1.0 - random()));
        if due { Freshness::Stale } else { Freshness::Fresh }
    }
}

/// # Policy
impl<C: Clock> Dogpile<C> {
    const_fn! {
        /// Has the lock do as `policy` says when creating goes wrong, in place of the [defaults](Policy).
        #[must_use]
        pub const fn with_policy(mut self, policy: &'static Policy) -> Self {
            self.rule(policy);
            self
        }
    }

    const_fn! {
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.terms.set(policy);
            self.election.be_ruled();
        }
    }

    /// As [`with_policy`](Self::with_policy), with a policy that is made at run time, and may be shared.
    #[must_use]
    pub fn with_shared_policy(mut self, policy: Arc<Policy>) -> Self {
        self.share_rule(policy);
        self
    }

    pub(crate) fn share_rule(&mut self, policy: Arc<Policy>) {
        self.terms.share(policy);
        self.election.be_ruled();
    }

    /// Whether it was given a policy of its own.
    pub(crate) fn is_ruled(&self) -> bool {
        self.terms.find().is_some()
    }

    /// The policy that rules this lock.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.terms.find().unwrap_or(const { &Policy::DEFAULT })
    }

    /// How long nobody is to create yet, since the last creation has [failed](crate::PolicyBuilder::retry_after); `None` if there is
    /// no pause. On the lock's own clock. Never blocks.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.paused_until()?;
        until.checked_sub(self.clock.now()).filter(|left| *left != 0).map(Duration::from_nanos)
    }

    /// Until when nobody is to create, on the lock's clock, be that over or not.
    pub(crate) fn paused_until(&self) -> Option<u64> {
        let state = self.election.look();
        (state.is_timed() && !state.is_creating()).then(|| self.terms.held_until())
    }

    /// Whether nobody is to be elected who can do without: somebody creates who is not overdue, or there is a pause.
    #[inline]
    pub(crate) fn is_closed(&self, state: State, now: impl FnOnce() -> u64) -> bool {
        if state.is_timed() { state.is_storing() || now() < self.terms.held_until() } else { state.is_creating() }
    }

    /// The same as of now; and nobody takes over from himself, however overdue he is.
    pub(super) fn is_closed_now(&self, state: State) -> bool {
        self.is_closed(state, || self.clock.now()) || (state.is_creating() && is_creating_here(&self.election))
    }

    /// What elections need here, as of now.
    pub(crate) fn timer(&self) -> Option<Timer<'_>> {
        let timeout = self.policy().creation_timeout().map(nanoseconds).filter(|timeout| *timeout != u64::MAX)?;
        Some(Timer { hold: self.terms.hold(), now: self.clock.now(), timeout })
    }

    /// For one who is about to sleep until a creation ends, which may be overdue before that: has it wake up by then. Returns
    /// until when it is to sleep at the most, if its clock does not see to that. The timer is the one that it has just polled
    /// with: what it would have found at a later time it has not told anybody.
    pub(super) fn nap(&self, waker: &Waker, timer: Option<Timer<'_>>) -> Option<Deadline> {
        let timer = timer?;
        let state = self.election.look();
        // What `hold` says may be of a pause that has begun since: no creation that it may come to wait for has longer than this.
        let at = timer.now.saturating_add(timer.timeout);
        let at = if state.is_creating() { self.terms.held_until().min(at) } else { at };
        if at <= timer.now && state.is_storing() {
            return None; // the end of the store is what it waits for: see `election`
        }
        let woken = self.clock.wake_at(at, waker);
        (!woken).then(|| Deadline::after(Duration::from_nanos(at.saturating_sub(timer.now))))
    }

    /// Why nobody creates just now, if that is so.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.election.pause(self.terms.hold())
    }

    /// What is said of a pause, to an access that has no value to go on with.
    pub(super) fn paused(&self, pause: Pause) -> AcquireError {
        let retry_in = Duration::from_nanos(pause.until.saturating_sub(self.clock.now()));
        AcquireError::Paused { retry_in, cause: pause.cause }
    }

    /// Ends a creation that need not run after all: a pause that it was elected in goes on.
    pub(crate) fn stand_down(&self, born: Birth) {
        let hold = self.policy().retry_after().map(|_| self.terms.hold());
        self.election.stand_down(born, hold);
    }

    /// Has a creation `end` as failed. All that is the user's (`cause`, the clock) runs before that.
    pub(crate) fn as_failed<R>(&self, cause: &dyn fmt::Display, end: impl FnOnce(Option<Failure<'_>>) -> R) -> R {
        let Some(backoff) = self.policy().retry_after() else { return end(None) };
        let cause = cause.to_string().into();
        let (now, random) = (self.clock.now(), random());
        let until = |failures| now.saturating_add(backoff.pause(failures, random));
        end(Some(Failure { hold: self.terms.hold(), cause, until: &until }))
    }
}
