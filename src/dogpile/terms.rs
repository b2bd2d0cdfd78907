//! What a lock keeps because of its policy.
//!
//! A lock that was given no policy has two empty pointers here, and never reads them on a hit. One points to a policy
//! that lives for ever. The other points to [`More`], which is made when it is first needed. `More` has:
//!
//! - a policy that is shared;
//! - the key under which a registry has the lock, if an observer is to be told that;
//! - the plan of a value's life: see [`aging`](super::aging);
//! - the word `hold`, until when there is a pause, or from when on a creation is overdue: see
//!   [`election`](crate::election);
//! - what is counted, what a getter has brought, and what few locks need ([`Rare`]).
//!
//! What the policy means when creating goes wrong is in [`failing`](super::failing).

use crate::clock::nanoseconds;
use crate::observer::Tally;
use crate::policy::{Life, Policy};
use crate::sync::cell::ArcCell;
use crate::sync::once::OnceBox;
use crate::sync::{Arc, AtomicU64, Counter, Ordering, const_fn};

/// A lock's policy, and what the lock keeps because of it.
pub(super) struct Terms {
    pub(super) policy: Option<&'static Policy>,
    more: OnceBox<More>,
}

/// What a lock was given that does not live for ever. A lock holds it by one pointer, and so has no room for it if it
/// was given nothing.
pub(crate) struct Ruling {
    policy: Option<Arc<Policy>>,
    /// The key of the lock, for its observer.
    key: Option<Box<str>>,
}

impl Ruling {
    /// Returns a ruling with that policy, and without a key.
    pub(crate) fn of(policy: Arc<Policy>) -> Arc<Self> {
        Arc::new(Self { policy: Some(policy), key: None })
    }
}

/// What a lock keeps beside itself, once it needs any of it.
pub(super) struct More {
    ruling: Option<Arc<Ruling>>,
    hold: AtomicU64,
    /// When the value expires, if its life is [planned](Terms::planned); or since when it has been stale, if the user
    /// said so.
    pub(super) expires: AtomicU64,
    /// The stamp that a getter has brought, in stamped getter mode, since the lock has last created: in nanoseconds of
    /// Unix time; 0 if there is none. Only questions read it: see [`brought`](super::brought).
    brought: Counter,
    pub(super) tally: Tally,
    rare: OnceBox<Rare>,
}

/// What few locks need.
pub(super) struct Rare {
    /// When the value is too old to be served, if its life is planned. 0 if the value is stale already, and may not be
    /// served when it is stale; `u64::MAX` if it is never too old.
    pub(super) gone: AtomicU64,
    /// What the value and failures have said: see [`Said`].
    said: AtomicU64,
    /// How long the last creation took, if the policy plans.
    cost: AtomicU64,
    /// When the last renewal began that [`renew_if`](crate::Access::renew_if) has caused, if the policy has an interval
    /// for these; 0 if there was none.
    pub(super) renewed: AtomicU64,
    /// What the last creation that failed has failed with, and when.
    pub(super) failed: ArcCell<LastFailed>,
}

impl Rare {
    fn new() -> Self {
        let [gone, said, cost, renewed] = [u64::MAX, 0, 0, 0].map(AtomicU64::new);
        Self { gone, said, cost, renewed, failed: ArcCell::new() }
    }

    fn words(&self) -> [&AtomicU64; 4] {
        [&self.gone, &self.said, &self.cost, &self.renewed]
    }

    /// Takes over what is noted in another. No other thread has either of the two.
    fn begin_as(&self, before: &Self) {
        for (word, before) in self.words().into_iter().zip(before.words()) {
            // Relaxed: no other thread has the two.
            word.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        drop(self.failed.swap(before.failed.load().as_ref().map(Arc::clone)));
    }
}

/// How a creation has failed.
pub(super) struct LastFailed {
    pub(super) cause: Arc<str>,
    /// On the lock's clock.
    pub(super) at: u64,
}

#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<More>() <= 96);

/// What the current value says of its life, as far as that is asked for later; and whether a failure has said
/// something. All in one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said(u64);

impl Said {
    /// A failure has said how long to pause. Once set, the bit stays set.
    const PAUSE: u64 = 0b001;
    /// The value has said from when on it is to be renewed.
    const DUE: u64 = 0b010;
    /// The value has said how long it may be served once it has expired. The other bits say for how many nanoseconds.
    /// All of them set mean any time (as do 73 years or more).
    const MAX_STALE: u64 = 0b100;
    const SHIFT: u32 = 3;

    /// Returns what a value with that life says. `before` is the word so far, of which the part that a failure has said
    /// stays.
    fn by(life: &Life, before: u64) -> Self {
        let pause = before & Self::PAUSE;
        let due = if life.refresh_after.is_some() { Self::DUE } else { 0 };
        let max_stale = life.max_stale.map_or(0, |max_stale| {
            let most = u64::MAX >> Self::SHIFT;
            nanoseconds(max_stale).min(most) << Self::SHIFT | Self::MAX_STALE
        });
        Self(pause | due | max_stale)
    }

    /// Returns whether a failure has said how long to pause.
    const fn pause(self) -> bool {
        self.0 & Self::PAUSE != 0
    }

    /// Returns whether the value has said anything.
    const fn is_of_value(self) -> bool {
        self.0 & (Self::DUE | Self::MAX_STALE) != 0
    }

    /// Returns whether the value has said from when on it is to be renewed.
    pub(super) const fn is_due(self) -> bool {
        self.0 & Self::DUE != 0
    }

    /// Returns how long the value may be served once it has expired, if it has said so, in nanoseconds; `u64::MAX` for
    /// any time.
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
        // `expires` begins as "never": when a value that was born fresh expires is not known before an access has
        // looked at it.
        let [hold, expires] = [0, u64::MAX].map(AtomicU64::new);
        Self { ruling, hold, expires, brought: Counter::new(0), tally: Tally::default(), rare: OnceBox::new() }
    }
}

impl More {
    /// Returns what few locks need, which is made when it is first asked for.
    pub(super) fn rare(&self) -> &Rare {
        self.rare.get_or_init(|| Box::new(Rare::new()))
    }

    /// Returns how long the last creation took, in nanoseconds; 0 if that was not noted.
    pub(super) fn cost(&self) -> u64 {
        // Relaxed: the answer that is drawn from it is random anyway.
        self.rare.get().map_or(0, |rare| rare.cost.load(Ordering::Relaxed))
    }

    /// Notes how long the last creation took, in nanoseconds.
    pub(super) fn note_cost(&self, cost: u64) {
        // Relaxed: as in `cost`.
        self.rare().cost.store(cost, Ordering::Relaxed);
    }

    /// Returns when the value is too old to be served; `u64::MAX` if nothing says so.
    pub(super) fn gone(&self) -> u64 {
        // Acquire: pairs with the releases in `note` and `be_stale`, in `aging`.
        self.rare.get().map_or(u64::MAX, |rare| rare.gone.load(Ordering::Acquire))
    }

    /// Returns what was said.
    pub(super) fn said(&self) -> Said {
        // Acquire: pairs with the release in `say`. A thread that finds here that a value has said something finds what
        // was planned for that value as well.
        Said(self.rare.get().map_or(0, |rare| rare.said.load(Ordering::Acquire)))
    }

    /// Notes what the value says that is about to be the current one. Called under the mutex.
    pub(super) fn say(&self, life: &Life) {
        // A read-modify-write: the failure of a creation that was superseded may come in between. Release: pairs with
        // the acquire in `said`.
        let say = |before| Some(Said::by(life, before).0);
        let _always = self.rare().said.fetch_update(Ordering::Release, Ordering::Relaxed, say);
    }
}

impl Terms {
    const_fn! {
        /// Returns the terms of a lock that was given no policy.
        pub(super) const fn none() -> Self {
            Self { policy: None, more: OnceBox::new() }
        }
    }

    /// Gives the lock its key, beside the policy that it has. Called before the lock is shared.
    pub(super) fn call(&mut self, key: Box<str>) {
        let policy = self.ruling().and_then(|ruling| ruling.policy.clone());
        self.be_ruled_by(Arc::new(Ruling { policy, key: Some(key) }));
    }

    /// Gives the lock a ruling. Called before the lock is shared. The thread that has made the lock may have used it
    /// already; what was noted by that stays.
    pub(super) fn be_ruled_by(&mut self, ruling: Arc<Ruling>) {
        let more = More::new(Some(ruling));
        if let Some(before) = self.more.get() {
            // Relaxed, all: no other thread has the lock.
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

    /// Returns the policy, if the lock was given one.
    pub(super) fn find(&self) -> Option<&Policy> {
        self.policy.or_else(|| self.ruling()?.policy.as_deref())
    }

    /// Returns the key of the lock, if it was given one.
    pub(super) fn key(&self) -> Option<&str> {
        self.ruling()?.key.as_deref()
    }

    /// Returns the word `hold`, which is made when it is first asked for.
    pub(super) fn hold(&self) -> &AtomicU64 {
        &self.more().hold
    }

    /// Returns what the lock keeps beside itself, which is made when it is first asked for.
    pub(super) fn more(&self) -> &More {
        self.more.get_or_init(|| Box::new(More::new(None)))
    }

    /// Returns what was counted, if anything was.
    pub(super) fn tally(&self) -> Option<&Tally> {
        self.more.get().map(|more| &more.tally)
    }

    /// Returns what the last creation that failed has failed with, and when.
    pub(super) fn last_failure(&self) -> Option<Arc<LastFailed>> {
        self.more.get()?.rare.get()?.failed.load().as_ref().map(Arc::clone)
    }

    /// Notes what stamp a getter has brought, in nanoseconds of Unix time.
    pub(super) fn note_brought(&self, stamp: u64) {
        let (brought, stamp) = (&self.more().brought, stamp.max(1)); // 0 is "none"
        // This looks before it stores, so that accesses whose getters bring the same value write nothing (Relaxed: the
        // word is only compared). Release: pairs with the acquire in `brought`. A thread that is told that the value is
        // fresh sees everything that the creator of the value wrote, as this access does (L4).
        if brought.load(Ordering::Relaxed) != stamp {
            brought.store(stamp, Ordering::Release);
        }
    }

    /// Notes that what was brought no longer counts. Either the getter has brought nothing, or the lock has created. In
    /// the second case the deadline says so already.
    pub(super) fn forget_brought(&self) {
        if let Some(more) = self.more.get() {
            // Release: pairs with the acquire in `brought`.
            more.brought.store(0, Ordering::Release);
        }
    }

    /// Returns the stamp that was brought, if there is one, in nanoseconds of Unix time.
    pub(super) fn brought(&self) -> Option<u64> {
        // Acquire: pairs with the releases in `note_brought` and in `forget_brought`. A thread that finds no stamp
        // here, because the lock has created, looks at the deadline next, and finds that creation there.
        let brought = self.more.get()?.brought.load(Ordering::Acquire);
        (brought != 0).then_some(brought)
    }

    /// Returns what was planned, if the policy plans, or if the value has said something by which its life was planned.
    pub(super) fn planned(&self) -> Option<&More> {
        let more = self.more.get()?;
        (self.find().is_some_and(Policy::plans) || more.said().is_of_value()).then_some(more)
    }

    /// Returns where to note the plan of a value with that life, if there is to be one: the value says something, the
    /// policy plans, or the life of the value before was planned.
    pub(super) fn to_plan(&self, life: &Life) -> Option<&More> {
        let plans = life.is_planned() || self.find().is_some_and(Policy::plans);
        if plans { Some(self.more()) } else { self.planned() }
    }

    /// Returns `hold`, if there may have been a pause since the last success: it takes `hold` to go on with that pause.
    pub(super) fn paused_before(&self) -> Option<&AtomicU64> {
        if self.find().is_some_and(|policy| policy.retry_after().is_some()) {
            return Some(self.hold());
        }
        // (The caller was elected after the pause had begun, if there was one. So it sees what the failure has said.)
        self.more.get().filter(|more| more.said().pause()).map(|more| &more.hold)
    }

    /// Notes that a failure has said how long to pause.
    pub(super) fn note_pause(&self) {
        // Relaxed: the end of the creation that has failed carries the bit to the next access that is elected.
        self.more().rare().said.fetch_or(Said::PAUSE, Ordering::Relaxed);
    }

    /// Returns what `hold` says: when the pause is over, or when the creation is overdue.
    pub(super) fn held_until(&self) -> u64 {
        // The word that says to read this was acquired before. The release of that word carries what `hold` says, and
        // that `hold` was made. So Relaxed will do. A `hold` that is newer than the word is as good.
        self.more.get().map_or(0, |more| more.hold.load(Ordering::Relaxed))
    }
}
