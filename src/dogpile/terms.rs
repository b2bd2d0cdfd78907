//! A lock's policy, and what it means when creating goes wrong: who is elected in a pause or in place of an overdue
//! creation, and how a failure ends. What it means to a value that ages is in [`aging`](super::aging).
//!
//! A lock that was given no policy has two empty pointers here, and never reads them on a hit. One points to a policy
//! that lives for ever. The other is filled when it is first needed: with a policy that is shared, with what a
//! registry calls its lock, if an observer is to be told that, with what is planned of a value's life (see [`aging`](super::aging)), and with the word `hold`, whose meaning is told in
//! [`election`](crate::election): until when there is a pause, or from when on a creation is overdue.

use super::{Dogpile, Status};
use crate::clock::{Clock, nanoseconds};
use crate::election::{Birth, Failed, Pause, Pausing, State, Timer, Waiter};
use crate::error::{AcquireError, Refusal};
use crate::failure::Hints;
use crate::lock::ruled;
use crate::observer::Tally;
use crate::policy::{Life, Policy};
use crate::running::is_creating_here;
use crate::sync::cell::ArcCell;
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

/// What a lock was given that does not live for ever: by one pointer, so that a lock that was given none of it has no
/// room for it.
pub(crate) struct Ruling {
    policy: Option<Arc<Policy>>,
    /// Which key the lock is of, as its observer is told.
    key: Option<Box<str>>,
}

impl Ruling {
    pub(crate) fn of(policy: Arc<Policy>) -> Arc<Self> {
        Arc::new(Self { policy: Some(policy), key: None })
    }
}

pub(super) struct More {
    ruling: Option<Arc<Ruling>>,
    hold: AtomicU64,
    /// When the value expires, if its life is [planned](Terms::planned); or since when it has been stale, if somebody
    /// said so.
    pub(super) expires: AtomicU64,
    /// The stamp that an access in stamped getter mode was brought since the lock has last created, in nanoseconds of
    /// Unix time; 0 if none was. Only questions read it: see [`status`](super::status).
    brought: Counter,
    pub(super) tally: Tally,
    rare: OnceBox<Rare>,
}

/// What few locks need.
pub(super) struct Rare {
    /// When the value is too old to be served, if its life is planned; 0 if it is from the moment on in which it is
    /// stale, as somebody said; `u64::MAX` if it never is.
    pub(super) gone: AtomicU64,
    /// What the value has said: see [`Said`].
    said: AtomicU64,
    /// How long the last creation took, if the policy plans.
    cost: AtomicU64,
    /// When the last renewal began that [`renew_if`](crate::Access::renew_if) has caused, if its policy bounds those; 0
    /// if none did.
    renewed: AtomicU64,
    /// What the last creation that has failed has failed with, and when.
    failed: ArcCell<LastFailed>,
}

impl Rare {
    fn new() -> Self {
        let [gone, said, cost, renewed] = [u64::MAX, 0, 0, 0].map(AtomicU64::new);
        Self { gone, said, cost, renewed, failed: ArcCell::new() }
    }

    fn words(&self) -> [&AtomicU64; 4] {
        [&self.gone, &self.said, &self.cost, &self.renewed]
    }

    /// What is noted in another. Nobody else has either.
    fn begin_as(&self, before: &Self) {
        for (word, before) in self.words().into_iter().zip(before.words()) {
            // Relaxed: nobody else has them.
            word.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        drop(self.failed.swap(before.failed.load().as_ref().map(Arc::clone)));
    }
}

/// The end of a creation that has failed.
pub(super) struct LastFailed {
    pub(super) cause: Arc<str>,
    /// On the lock's clock.
    pub(super) at: u64,
}

#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<More>() <= 96);

/// What the value that is there says of its life, as far as that is asked for later; and whether a failure has said
/// something. In one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said(u64);

impl Said {
    /// A failure has said how long to pause. Set once, it stays.
    const PAUSE: u64 = 0b001;
    /// The value has said from when on it is to be renewed.
    const DUE: u64 = 0b010;
    /// The value has said how long it may serve once it has expired: the other bits, in nanoseconds, or all of them set
    /// for any time (as for 73 years or more).
    const MAX_STALE: u64 = 0b100;
    const SHIFT: u32 = 3;

    /// After what was said before.
    fn by(life: &Life, before: u64) -> Self {
        let pause = before & Self::PAUSE;
        let due = if life.refresh_after.is_some() { Self::DUE } else { 0 };
        let max_stale = life.max_stale.map_or(0, |max_stale| {
            let most = u64::MAX >> Self::SHIFT;
            nanoseconds(max_stale).min(most) << Self::SHIFT | Self::MAX_STALE
        });
        Self(pause | due | max_stale)
    }

    const fn pause(self) -> bool {
        self.0 & Self::PAUSE != 0
    }

    /// Whether the value has said anything.
    const fn is_of_value(self) -> bool {
        self.0 & (Self::DUE | Self::MAX_STALE) != 0
    }

    pub(super) const fn is_due(self) -> bool {
        self.0 & Self::DUE != 0
    }

    /// In nanoseconds, `u64::MAX` for any time.
    pub(super) const fn max_stale(self) -> Option<u64> {
        match (self.0 & Self::MAX_STALE != 0, self.0 >> Self::SHIFT) {
            (false, _) => None,
            (true, max_stale) if max_stale == u64::MAX >> Self::SHIFT => Some(u64::MAX),
            (true, max_stale) => Some(max_stale),
        }
    }
}

impl More {
    fn new(ruling: Option<Arc<Ruling>>) -> Self {
        // Of a value that was born fresh, and nobody has looked at, it is not known yet when it expires.
        let [hold, expires] = [0, u64::MAX].map(AtomicU64::new);
        Self { ruling, hold, expires, brought: Counter::new(0), tally: Tally::default(), rare: OnceBox::new() }
    }
}

impl More {
    pub(super) fn rare(&self) -> &Rare {
        self.rare.get_or_init(|| Box::new(Rare::new()))
    }

    /// How long the last creation took, if that was noted, in nanoseconds.
    pub(super) fn cost(&self) -> u64 {
        // Relaxed: what is drawn from it is random anyway.
        self.rare.get().map_or(0, |rare| rare.cost.load(Ordering::Relaxed))
    }

    pub(super) fn note_cost(&self, cost: u64) {
        // Relaxed: as above.
        self.rare().cost.store(cost, Ordering::Relaxed);
    }

    /// When the value is too old to be served, if anything says so.
    pub(super) fn gone(&self) -> u64 {
        // Acquire: as in `sight`, in `aging`.
        self.rare.get().map_or(u64::MAX, |rare| rare.gone.load(Ordering::Acquire))
    }

    /// What was said.
    pub(super) fn said(&self) -> Said {
        // Acquire: pairs with the release in `say`. Whoever finds here that a value has said something finds what
        // was planned for that value as well.
        Said(self.rare.get().map_or(0, |rare| rare.said.load(Ordering::Acquire)))
    }

    /// The value that is about to be the current one says that. Under the mutex.
    pub(super) fn say(&self, life: &Life) {
        // A read-modify-write, since a failure of a creation that was superseded may come in between. Release: pairs
        // with the acquire in `said`.
        let say = |before| Some(Said::by(life, before).0);
        let _always = self.rare().said.fetch_update(Ordering::Release, Ordering::Relaxed, say);
    }
}

impl Terms {
    const_fn! {
        pub(super) const fn none() -> Self {
            Self { policy: None, more: OnceBox::new() }
        }
    }

    /// Gives the lock its key, beside the policy that it has.
    fn call(&mut self, key: Box<str>) {
        let policy = self.ruling().and_then(|ruling| ruling.policy.clone());
        self.be_ruled_by(Arc::new(Ruling { policy, key: Some(key) }));
    }

    /// Before the lock is shared. It may have been used by whoever made it, and what is noted of that stays.
    fn be_ruled_by(&mut self, ruling: Arc<Ruling>) {
        let more = More::new(Some(ruling));
        if let Some(before) = self.more.get() {
            // Relaxed, all: nobody else has the lock.
            for (word, before) in [(&more.hold, &before.hold), (&more.expires, &before.expires)] {
                word.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            more.brought.store(before.brought.load(Ordering::Relaxed), Ordering::Relaxed);
            if let Some(before) = before.rare.get() {
                more.rare().begin_as(before);
            }
            more.tally.begin_as(&before.tally);
        }
        self.more = OnceBox::with_value(Box::new(more));
    }

    fn ruling(&self) -> Option<&Ruling> {
        self.more.get()?.ruling.as_deref()
    }

    pub(super) fn find(&self) -> Option<&Policy> {
        self.policy.or_else(|| self.ruling()?.policy.as_deref())
    }

    /// Which key the lock is of, if it was told.
    pub(super) fn key(&self) -> Option<&str> {
        self.ruling()?.key.as_deref()
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

    /// What the last creation that has failed has failed with, and when.
    pub(super) fn last_failure(&self) -> Option<Arc<LastFailed>> {
        self.more.get()?.rare.get()?.failed.load().as_ref().map(Arc::clone)
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

    /// What was planned, if the policy plans, or the value has said what is planned by.
    pub(super) fn planned(&self) -> Option<&More> {
        let more = self.more.get()?;
        (self.find().is_some_and(Policy::plans) || more.said().is_of_value()).then_some(more)
    }

    /// Where to plan a life like that, if it is to be planned; or if that of the value before it was.
    pub(super) fn to_plan(&self, life: &Life) -> Option<&More> {
        let plans = life.is_planned() || self.find().is_some_and(Policy::plans);
        if plans { Some(self.more()) } else { self.planned() }
    }

    /// What it takes to go on with a pause, if there may have been one since a success.
    fn paused_before(&self) -> Option<&AtomicU64> {
        if self.find().is_some_and(|policy| policy.retry_after().is_some()) {
            return Some(self.hold());
        }
        // (Whoever asks was elected after the pause had begun, if there was one.)
        self.more.get().filter(|more| more.said().pause()).map(|more| &more.hold)
    }

    /// Notes that a failure has said how long to pause.
    fn note_pause(&self) {
        // Relaxed: the end of the creation that has failed carries it to whoever is elected next.
        self.more().rare().said.fetch_or(Said::PAUSE, Ordering::Relaxed);
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

impl Nap {
    /// Of one that cannot create, as of its last poll.
    pub(crate) fn of(waiter: &Waiter<'_>) -> Self {
        if waiter.is_alone() { Self::UntilOverdue } else { Self::UntilLongOverdue }
    }
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

    /// Notes what a creation has failed with, and when: under the mutex, so that of two failures the later one stays.
    pub(crate) fn note_failure(&self, cause: &Arc<str>, at: u64) {
        let failed = LastFailed { cause: Arc::clone(cause), at };
        // What it takes the place of is a text and a number: no user code to run.
        drop(self.terms.more().rare().failed.swap(Some(Arc::new(failed))));
    }
}

impl<C: Clock> Status<C> {
    /// Tells the lock which key it is of, for its observer. Before it is shared.
    pub(crate) fn be_called(&mut self, key: String) {
        self.terms.call(key.into());
    }

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
        self.share_ruling(Ruling::of(policy));
    }

    pub(crate) fn share_ruling(&mut self, ruling: Arc<Ruling>) {
        self.terms.policy = None;
        self.terms.be_ruled_by(ruling);
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
