//! The lock: [`freshness`](crate::freshness) and [`election`](crate::election) together.
//!
//! Here are the type, its questions and its invalidations. How an access comes to its turn is in [`access`]; the forms
//! that accesses take are in [`lock_mode`], [`getter_mode`], [`stamped_mode`] and, where the creation is handed over,
//! [`in_background`]; those for tasks in [`tasks`]; what a getter is asked, in [`fetch`]. What its policy means to it
//! is in [`terms`] and [`aging`]; what is counted and told of it, in [`seen`].

mod access;
mod aging;
mod fetch;
mod getter_mode;
mod in_background;
mod lock_mode;
mod seen;
mod stamped_mode;
mod tasks;
mod terms;

pub(crate) use access::{Anew, Need, Settled};
pub(crate) use aging::Sight;
pub(crate) use fetch::{ByLock, Fetched, Getter, Guarded, Judge, Spared, found};
pub(crate) use stamped_mode::ByStamp;
pub use stamped_mode::Stamped;
pub(crate) use terms::Nap;

use crate::clock::{Clock, MonotonicClock};
use crate::election::{Election, Generation, StoreEnd};
use crate::error::StillStoring;
use crate::freshness::{Expiry, Freshness};
use crate::running::is_creating_here;
use crate::sync::const_fn;
use crate::wait::{Patience, Wait, block_on};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;
use terms::Terms;

/// A lock that elects one thread to rebuild an expired value while the others carry on with the old one.
///
/// It holds no value. The value lives wherever its user keeps it: in a field, a file, a memcached server. The lock says
/// whether it is fresh, stale or missing, and who is to create it.
///
/// # Several threads at once
///
/// | the value is | the first to come | the others, until its creation ends |
/// |---|---|---|
/// | fresh | carries on | carry on |
/// | stale | is elected and creates | carry on with the old value, without waiting |
/// | missing | is elected and creates | wait; that one creation serves them all |
///
/// If the creation fails, the value stays what it was. With a stale one, the next access is elected; with none, exactly
/// one of those who wait is, and the others go on waiting. A [`Policy`](crate::Policy) can have it otherwise: pause
/// after a failure, and declare dead what takes too long.
///
/// # Cost
///
/// A hit is a load, a look at the clock and a compare: about 3 ns, on any number of threads at once. Below a lifetime
/// of one second the clock is read exactly, which takes about 20 ns; without expiry it is not read at all. A hit takes
/// no lock, writes nothing and does not enter the kernel. The lock itself is small, `const`, and has nothing to clean
/// up.
///
/// # Memory ordering
///
/// What a creator wrote before it finished happens before all that an access does which sees that creation, be it as
/// fresh, as stale, or by having waited for it; and before the next creator runs.
///
/// # Deadlocks
///
/// A creator that asks for its own value when there is none would wait for itself. Where the lock knows who runs the
/// creator it says so instead of waiting: fallible and `_timeout` forms with an error, the others with a panic. See
/// [`Creation`](crate::Creation) for when it cannot know. In the same way it finds creators that wait for each other's
/// values, in a circle of any length, over any threads and locks; whoever would close the circle is told, and which
/// [locks](crate::PolicyBuilder::name) are in it:
///
/// ```text
/// thread 1                            thread 2
///
/// a.acquire_or_create(|| {            b.acquire_or_create(|| {
///     b.acquire_or_create(…);
///     // waits for thread 2               a.acquire_or_create(…);
///                                         // panics: it would wait for thread 1
/// });                                 });
/// ```
///
/// # Fork
///
/// In a child made by fork(2) a creation that another thread was running does not end: see [`Fork`](crate#fork).
///
/// # Examples
///
/// ```
/// use dogpile::Dogpile;
/// use std::{sync::RwLock, time::Duration};
///
/// static RATES: RwLock<Vec<f64>> = RwLock::new(Vec::new());
/// static FRESH: Dogpile = Dogpile::new(Duration::from_secs(600));
///
/// fn rate(currency: usize) -> f64 {
///     FRESH.acquire_or_create(|| {
///         let rates = vec![1.0, 1.09]; // slow
///         *RATES.write().unwrap() = rates;
///     });
///     RATES.read().unwrap()[currency]
/// }
/// assert_eq!(rate(1), 1.09);
/// ```
pub struct Dogpile<C: Clock = MonotonicClock> {
    expiry: Expiry,
    election: Election,
    terms: Terms,
    clock: C,
}

/// A cache line.
#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Dogpile>() <= 64);

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl<C: Clock + UnwindSafe> UnwindSafe for Dogpile<C> {}
impl<C: Clock + RefUnwindSafe> RefUnwindSafe for Dogpile<C> {}

impl Dogpile {
    const_fn! {
        /// A lock without a value yet, which expires `expires_after` its creation ended.
        ///
        /// Precise to the nanosecond, but for the lag of the clock's cheap form (see [`MonotonicClock`]) from one
        /// second up: a value may live that much longer, never shorter. Zero makes every value stale at once: each
        /// access finds it so, and at most one at a time creates. `Duration::MAX`, or anything over 584 years, never
        /// expires.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// A lock without a value yet, which does not expire: it is created once, and again when
        /// [invalidated](Self::invalidate) or [marked stale](Self::mark_stale). (A stamp from the future is not trusted
        /// even so: see [`max_skew`](crate::PolicyBuilder::max_skew).)
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> Dogpile<C> {
    const_fn! {
        /// As [`new`](Dogpile::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { expiry: Expiry::missing(expires_after), election: Election::new(), terms: Terms::none(), clock }
        }
    }

    const_fn! {
        /// Starts as if the value had just been created: for a value that is there before the lock is.
        ///
        /// Its life begins with the first access, since a `static` cannot read a clock.
        ///
        /// ```
        /// use dogpile::{Dogpile, Outcome};
        /// use std::time::Duration;
        ///
        /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(600)).born_fresh();
        /// assert_eq!(LOCK.acquire_or_create(|| ()), Outcome::Fresh);
        /// ```
        #[must_use]
        pub const fn born_fresh(mut self) -> Self {
            self.be_born();
            self
        }
    }

    const_fn! {
        pub(crate) const fn be_born(&mut self) {
            self.expiry.be_born();
        }
    }

    pub(crate) fn election(&self) -> &Election {
        &self.election
    }

    pub(crate) fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    pub(crate) fn clock(&self) -> &C {
        &self.clock
    }

    /// Whether the value is fresh, stale or missing. Never blocks.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        let now = self.expiry.now(&self.clock);
        self.sight(self.expiry.peek(now), now).freshness()
    }

    /// Whether the value has expired or is missing. Never blocks.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.freshness() != Freshness::Fresh
    }

    /// Whether there is a value, fresh or stale. Never blocks.
    #[must_use]
    pub fn has_value(&self) -> bool {
        self.freshness() != Freshness::Missing
    }

    /// How long ago the value was created, on this lock's clock and as precise as that clock's cheap form; `None` if it
    /// is missing. Never blocks.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.expiry.age(&self.clock).filter(|_| self.has_value())
    }

    /// Whether a creation is running. Never blocks.
    #[must_use]
    pub fn is_creating(&self) -> bool {
        self.election.look().is_creating()
    }

    /// How many threads and tasks wait for a creation right now. Blocks only for the moments in which the queue
    /// changes. A wait of a task in the middle of a creator is counted from when the creator has polled it again, as the
    /// wait has asked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.election.waiting()
    }

    /// The current generation, for [`invalidate_if`](Self::invalidate_if). Blocks only for the moments in which it
    /// moves.
    ///
    /// Take it before the access whose value it is to stand for. The value is then of that generation or a later one,
    /// and `invalidate_if` never throws away a newer value than the one that was seen; nor that of another lock, which
    /// has come to stand in the place of this one.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.election.generation()
    }

    /// How long a value lives; `Duration::MAX` if it never expires.
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.expiry.lifetime()
    }

    /// Forgets the value: the next access creates, the others wait for it.
    ///
    /// It takes effect at once. Does not wait for a running creation; blocks only while one is inside
    /// [`publish`](crate::Creation::publish), so that nothing older is stored once this has returned. (Called in the
    /// middle of that creation, by its creator or by a store, it does not wait for itself, whichever thread stores.)
    ///
    /// A creation that is running is superseded: its value does not become the current one (L6), and whoever asks from
    /// now on waits until it has ended and a new one is made.
    ///
    /// # Deadlocks
    ///
    /// See [`Creation::publish`](crate::Creation::publish).
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever the next creator does.
    pub fn invalidate(&self) {
        // Without an end to the wait it only ends well.
        self.invalidate_timeout(Duration::MAX).unwrap_or(());
    }

    /// As [`invalidate`](Self::invalidate), but blocks for `timeout` at most; zero does not block.
    ///
    /// # Errors
    ///
    /// [`StillStoring`] if a creation that is now superseded was still inside [`publish`](crate::Creation::publish)
    /// when the time was out. The value is invalidated, and missing to this lock, but its store may yet be written to.
    pub fn invalidate_timeout(&self, timeout: Duration) -> Result<(), StillStoring> {
        self.forget(None).map_or(Ok(()), |end| block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))))
    }

    /// The part of an invalidation that takes effect at once; with `only_if`, only in that generation.
    pub(crate) fn forget(&self, only_if: Option<Generation>) -> Option<StoreEnd<'_>> {
        self.election.invalidate(only_if, || self.expiry.forget())
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did. Blocks as
    /// `invalidate` does, and not at all if it did not.
    ///
    /// For many threads that find the same value useless at the same moment: 64 of them that were refused with one
    /// token cause one renewal, not 64.
    ///
    /// A thread that created the value itself or waited for it took the generation before that, and gets `false`: it
    /// must take the generation anew, access again, and only then invalidate. A renewal that is already running on a
    /// stale value is superseded, since it may have begun before the value went bad.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    ///
    /// static TOKEN_FRESH: Dogpile = Dogpile::never_expires();
    /// # fn call() -> bool { true }
    /// loop {
    ///     let seen = TOKEN_FRESH.generation(); // before the access
    ///     TOKEN_FRESH.acquire_or_create(|| { /* get a token */ });
    ///     if call() {
    ///         break;
    ///     }
    ///     // Refused with that token, unless another thread was quicker. (Give up after a few.)
    ///     TOKEN_FRESH.invalidate_if(seen);
    /// }
    /// ```
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        // Without an end to the wait it only ends well.
        self.invalidate_if_timeout(seen, Duration::MAX).unwrap_or(true)
    }

    /// As [`invalidate_if`](Self::invalidate_if), but blocks for `timeout` at most; zero does not block.
    ///
    /// # Errors
    ///
    /// [`StillStoring`], as [`invalidate_timeout`](Self::invalidate_timeout): it did invalidate.
    pub fn invalidate_if_timeout(&self, seen: Generation, timeout: Duration) -> Result<bool, StillStoring> {
        match self.forget(Some(seen)) {
            Some(end) => block_on(self.wait_for(end, &Wait::new(Patience::For(timeout)))).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) fn wait_for(
        &self,
        mut end: StoreEnd<'_>,
        wait: &Wait,
    ) -> impl Future<Output = Result<(), StillStoring>> {
        async move {
            // While a store runs its creation is live; and who invalidates in the middle of that does not wait for
            // itself.
            if end.is_over() || is_creating_here(&self.election) {
                return Ok(());
            }
            let deadline = wait.begin().ok_or(StillStoring)?;
            wait.until_woken(deadline, |waker| end.poll(waker)).await.ok_or(StillStoring)
        }
    }

    /// Makes the value stale: the next access creates, the others carry on with it. Never blocks on a creation.
    ///
    /// A creation that is running publishes its value as stale, so that the next access creates once more. A value that
    /// is missing stays missing; but in [stamped getter mode](Self::get_or_create_stamped) a value that the store
    /// holds, and this lock has not seen, counts as stale too.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever a creator does that is elected afterwards.
    pub fn mark_stale(&self) {
        // The clock first: it is the user's, and stays outside the mutex.
        let now = self.clock.now();
        self.election.mark(|| self.be_stale(now));
    }
}

impl<C: Clock> fmt::Debug for Dogpile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dogpile")
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .field("expires_after", &Some(self.expires_after()).filter(|lifetime| *lifetime != Duration::MAX))
            .finish_non_exhaustive()
    }
}
