//! The lock: [`freshness`](crate::freshness) and [`election`](crate::election) together.
//!
//! Here are the type, its invalidations, and the accesses that have a name of their own; what the lock can be asked is
//! in [`status`], and how one waits for a value without creating it in [`watch`]. How an access comes to its turn is in
//! [`access`], and its hit in [`hit`]; what an access is made of is in [`crate::access`], and how this lock serves it in
//! [`crate::beside`]. What its policy means to the lock is in [`terms`] and [`aging`]; what is counted and told of it,
//! in [`seen`]; what is for tasks alone, in [`tasks`].

mod access;
mod aging;
mod hit;
mod seen;
mod stamped;
mod status;
mod tasks;
mod terms;
mod watch;

pub use access::Need;
pub(crate) use access::{Another, Settled, Softly};
pub use aging::Sight;
pub use stamped::Stamped;
pub use status::{LastFailure, Status};
pub(crate) use terms::{Nap, Ruling};

use crate::access::{Access, AsyncAccess, ByGetter, ByStamp, Elsewhere, Finds, Found, Keep, Kept, Reach};
use crate::clock::{Clock, MonotonicClock};
use crate::election::{Election, Generation, StoreEnd};
use crate::error::{AcquireError, CreateError, StillStoring};
use crate::failure::Cause;
use crate::freshness::Expiry;
use crate::running::is_creating_here;
use crate::sync::const_fn;
use crate::turn::{Outcome, Turn};
use crate::wait::{Patience, Wait, block_on};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

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
/// creator, the access does not wait: it ends with an error if it has one (after [`timeout`](Access::timeout), and by
/// [`or_try_create`](Access::or_try_create)), otherwise with a panic. [`Creation`](crate::Creation) says when the lock
/// cannot know. In the same way the lock finds creators that wait for each other's values, in a circle of any length,
/// over any threads and locks. The access that would close the circle is told so, and which
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
    pub(crate) status: Status<C>,
}

/// A cache line.
#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Dogpile>() <= 64);

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
            Self { status: Status::missing(expires_after, clock) }
        }
    }

    const_fn! {
        /// Starts as if the value had just been created: for a value that is there before the lock is.
        ///
        /// Its life begins with the first access, since a `static` cannot read a clock.
        ///
        /// A lock in [getter mode](Self::fetch) starts so, since the store may hold a value from before: an access asks
        /// the getter then, where it would otherwise create at once.
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
            self.status.expiry.be_born();
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
    /// For many threads that find the same value useless at the same moment: 64 of them cause one renewal, not 64. Where
    /// the others may carry on with the old value meanwhile, and where outsiders can cause this,
    /// [`renew_if`](Access::renew_if) is better: an invalidation takes the value from everybody.
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
    /// is missing stays missing; but in [stamped getter mode](Self::fetch_stamped) a value that the store
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

/// # Accesses
///
/// An access is described step by step, and its last call makes it: see [`Access`]. Here are the calls that begin one,
/// and short ones for the most common accesses.
///
/// ```
/// # use dogpile::{AcquireError, Dogpile, Outcome};
/// # use std::time::Duration;
/// let lock = Dogpile::new(Duration::from_secs(60));
/// let outcome = lock.access().timeout(Duration::from_secs(1)).or_create(|| { /* rebuild */ })?;
/// assert_eq!(outcome, Outcome::Created);
/// # Ok::<(), AcquireError>(())
/// ```
impl<C: Clock> Dogpile<C> {
    /// Begins an access. Never blocks: nothing happens before the last call of the [`Access`].
    #[inline]
    pub fn access(&self) -> Access<&Self> {
        Access::new(self, Elsewhere)
    }

    /// As [`access`](Self::access), with a creation that shares the lock and may outlive the caller. Never blocks.
    ///
    /// The lock is given by `&Arc<Dogpile>`, or by a reference to a [`Held`](crate::Held). A lock in a `static` needs
    /// neither: the creation of its `access` may outlive the caller as it is. (So where the compiler says that `self` or
    /// the lock does not live long enough, this is what is missing. The `Arc` is around the lock itself, not around what
    /// has it for a field.)
    ///
    /// So a caller may return the old value at once, and have a thread pool, a queue or a timer run the creator:
    /// [`in_background`](Access::in_background) does that, and by hand [`turn`](Access::turn) gives the
    /// [`Creation`](crate::Creation). The right to create exists before the job does: a job that is lost or dropped
    /// unrun gives it back.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Outcome, ThreadPerJob};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let lock = Arc::new(Dogpile::new(Duration::from_secs(60)).born_fresh());
    /// lock.mark_stale();
    /// let outcome = Dogpile::kept(&lock).in_background(&ThreadPerJob).or_create(|| { /* rebuild */ });
    /// assert_eq!(outcome, Outcome::Stale, "the old value serves meanwhile");
    /// ```
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K> {
        Access::new(lock, Elsewhere)
    }

    /// Begins an access by a task: see [`AsyncAccess`] for its steps and last calls, and [below](#for-tasks) for what
    /// holds for all of them. Never blocks: nothing happens before the future of the last call is polled.
    #[inline]
    pub fn access_async(&self) -> AsyncAccess<&Self, Self> {
        AsyncAccess::new(self, Elsewhere)
    }

    /// As [`access_async`](Self::access_async), with a creation that shares the lock and may outlive the caller. Never
    /// blocks.
    ///
    /// The lock is given by `&Arc<Dogpile>`, by a reference to a `static`, or to a [`Held<'static, …>`](crate::Held).
    #[inline]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self> {
        AsyncAccess::new(lock.own(), Elsewhere)
    }

    /// Says what this access is to do: use the value, or create it. Short for [`access().turn()`](Access::turn).
    ///
    /// Blocks while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for. After a [`timeout`](Access::timeout) of
    /// `Duration::MAX` the access has an error instead.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Turn<'_, C> {
        self.access().turn()
    }

    /// As [`acquire`](Self::acquire), but never blocks and never queues: it does what
    /// `access().timeout(Duration::ZERO).turn()` does, and is not counted as one that [waited](crate::Stats).
    ///
    /// # Errors
    ///
    /// Those of [`turn`](Access::turn): [`AcquireError::TimedOut`] if there is no value and another thread creates it.
    #[inline]
    pub fn try_acquire(&self) -> Result<Turn<'_, C>, AcquireError> {
        self.access().try_turn()
    }

    /// Runs `creator` if the value has to be created and this access is elected. When this returns, a value has been
    /// created: the creator puts it where the caller looks. Short for [`access().or_create(…)`](Access::or_create).
    ///
    /// Blocks as long as its own creator runs, or while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for. A panic of `creator` goes on to the
    /// caller; the creation is given up, and the next access or a waiter takes over.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> Outcome {
        self.access().or_create(creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), by a creator that can fail. Short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// The error is the caller's own, and a waiter does not get it. One waiter is elected, and calls its own creator;
    /// so while the source is down, the waiters fail one after the other. A [`timeout`](Access::timeout) bounds their
    /// waits. A policy that [pauses](crate::PolicyBuilder::retry_after) after a failure has all of them told at once. A
    /// failure can say that, too, and [for how long](crate::Failure).
    ///
    /// The elected thread gets the error even if there is an old value, which all other threads go on using.
    /// [`has_value`](Status::has_value) says whether there is one. A policy can [say](crate::OnError::ServeStale) that
    /// the old value serves the elected thread, too, with [`Outcome::StaleOnError`].
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that the access would wait for, or one that the other waits for; [`CreateError::Paused`] after a
    /// failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile, Outcome};
    ///
    /// let lock = Dogpile::never_expires();
    /// assert_eq!(lock.acquire_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    /// assert!(!lock.has_value());
    /// assert_eq!(lock.acquire_or_try_create(|| Ok::<(), String>(())), Ok(Outcome::Created));
    /// ```
    #[inline]
    pub fn acquire_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Begins an access whose value a getter fetches, and may find gone: *getter mode*. Short for
    /// [`access().fetch(…)`](Access::fetch), which says when the getter is called, who creates and who waits. Never
    /// blocks.
    ///
    /// **A lock for getters starts with [`born_fresh`](Self::born_fresh).** Without it the first access creates, and
    /// asks no getter, though the store may hold a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    /// use std::{collections::BTreeMap, sync::Mutex, time::Duration};
    ///
    /// static STORE: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new()); // may lose entries when it likes
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// fn answer() -> u64 {
    ///     LOCK.fetch(|| STORE.lock().unwrap().get("answer").copied())
    ///         .and_set(|made| drop(STORE.lock().unwrap().insert("answer", *made)))
    ///         .or_create(|| 42) // slow
    /// }
    ///
    /// STORE.lock().unwrap().insert("answer", 41); // before this program began
    /// assert_eq!(answer(), 41);
    /// STORE.lock().unwrap().clear();
    /// assert_eq!(answer(), 42);
    /// ```
    #[inline]
    pub fn fetch<R: Found, F: FnMut() -> R>(&self, getter: F) -> Access<&Self, ByGetter<F>> {
        self.access().fetch(getter)
    }

    /// Begins an access whose value a getter fetches with the time when it was created: *stamped getter mode*. Short
    /// for [`access().fetch_stamped(…)`](Access::fetch_stamped), which says what that time means. Never blocks.
    ///
    /// The getter is asked in any case, so that several processes agree on what is fresh, and a lock without
    /// [`born_fresh`](Self::born_fresh) will do.
    #[inline]
    pub fn fetch_stamped<T, R, F>(&self, getter: F) -> Access<&Self, ByGetter<F, ByStamp>>
    where
        R: Found + Finds<Value = Stamped<T>>,
        F: FnMut() -> R,
    {
        self.access().fetch_stamped(getter)
    }
}

impl<C: Clock> Deref for Dogpile<C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.status
    }
}

impl<C: Clock> fmt::Debug for Dogpile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.describe("Dogpile", f)
    }
}
