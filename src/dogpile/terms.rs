//! What a lock keeps because of its policy.
//!
//! A lock that was given no policy has two empty pointers here, and never reads them on a hit. One points to a policy
//! that lives for ever. The other is filled when it is first needed: with a policy that is shared, with what a registry
//! calls its lock, if an observer is to be told that, with what is planned of a value's life (see
//! [`aging`](super::aging)), and with the word `hold`, whose meaning is told in [`election`](crate::election): until
//! when there is a pause, or from when on a creation is overdue. What the policy means when creating goes wrong is in
//! [`failing`](super::failing).

use crate::clock::nanoseconds;
use crate::observer::Tally;
use crate::policy::{Life, Policy};
use crate::sync::cell::ArcCell;
use crate::sync::once::OnceBox;
use crate::sync::{Arc, AtomicU64, Counter, Ordering, const_fn};

/// A lock's policy, and what it keeps because of it.
pub(super) struct Terms {
    pub(super) policy: Option<&'static Policy>,
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
    /// Unix time; 0 if none was. Only questions read it: see [`brought`](super::brought).
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
    pub(super) renewed: AtomicU64,
    /// What the last creation that has failed has failed with, and when.
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
    pub(super) fn call(&mut self, key: Box<str>) {
        let policy = self.ruling().and_then(|ruling| ruling.policy.clone());
        self.be_ruled_by(Arc::new(Ruling { policy, key: Some(key) }));
    }

    /// Before the lock is shared. It may have been used by whoever made it, and what is noted of that stays.
    pub(super) fn be_ruled_by(&mut self, ruling: Arc<Ruling>) {
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

    pub(super) fn hold(&self) -> &AtomicU64 {
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
    pub(super) fn paused_before(&self) -> Option<&AtomicU64> {
        if self.find().is_some_and(|policy| policy.retry_after().is_some()) {
            return Some(self.hold());
        }
        // (Whoever asks was elected after the pause had begun, if there was one.)
        self.more.get().filter(|more| more.said().pause()).map(|more| &more.hold)
    }

    /// Notes that a failure has said how long to pause.
    pub(super) fn note_pause(&self) {
        // Relaxed: the end of the creation that has failed carries it to whoever is elected next.
        self.more().rare().said.fetch_or(Said::PAUSE, Ordering::Relaxed);
    }

    pub(super) fn held_until(&self) -> u64 {
        // Acquire: pairs with the release of the word that says to read this, by which it was made, too. (The word was
        // acquired before; a `hold` that is newer than it is as good.)
        self.more.get().map_or(0, |more| more.hold.load(Ordering::Acquire))
    }
}
