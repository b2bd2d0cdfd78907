//! The lock: [`freshness`](crate::freshness) and [`creation`](crate::creation) together, in lock mode.

use crate::clock::{Clock, MonotonicClock};
use crate::creation::{Election, Generation, Verdict};
use crate::error::{AcquireError, CreateError, WouldBlock};
use crate::freshness::{Expiry, Freshness, Look};
use crate::running::is_running_here;
use crate::sync::{Arc, Deadline, block_until, const_fn};
use crate::turn::{Creation, Keeper, Outcome, Turn};
use std::convert::Infallible;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
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
/// one of those who wait is, and the others go on waiting.
///
/// # Cost
///
/// A hit is a load, a look at the clock and a compare: about 3 ns, on any number of threads at once. It takes no lock,
/// writes nothing and does not enter the kernel. The lock itself is small, `const`, and has nothing to clean up.
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
/// [`Creation`] for when it cannot know. Creators of two locks that wait for each other are not found:
///
/// ```text
/// thread 1                            thread 2
///
/// a.acquire_or_create(|| {            b.acquire_or_create(|| {
///     b.acquire_or_create(…);             a.acquire_or_create(…);
///     // waits for thread 2               // waits for thread 1
/// });                                 });
/// ```
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
    clock: C,
}

/// What a lock may weigh, and what the pointer to a policy, still to come, will.
#[cfg(all(not(dogpile_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Dogpile>() + size_of::<*const ()>() <= 64);

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl<C: Clock + UnwindSafe> UnwindSafe for Dogpile<C> {}
impl<C: Clock + RefUnwindSafe> RefUnwindSafe for Dogpile<C> {}

/// How an access came out: a [`Turn`] that does not hold its lock yet, and tells who has waited.
#[derive(Clone, Copy)]
enum Access {
    Fresh,
    Stale,
    Waited,
    Elected(Generation),
}

/// How long an access will wait.
#[derive(Clone, Copy)]
enum Patience {
    None,
    For(Duration),
}

const FOREVER: Patience = Patience::For(Duration::MAX);

/// Why an access got no turn.
enum Refused {
    WouldBlock,
    TimedOut,
    WouldDeadlock,
}

impl Refused {
    fn of_a_wait(self) -> AcquireError {
        match self {
            Self::TimedOut => AcquireError::TimedOut,
            Self::WouldDeadlock => AcquireError::WouldDeadlock,
            Self::WouldBlock => unreachable!("only an access without patience would rather not block"),
        }
    }
}

impl Dogpile {
    const_fn! {
        /// A lock without a value yet, which expires `expires_after` its creation ended.
        ///
        /// Precise to the nanosecond, but for the lag of the clock's cheap form (see [`MonotonicClock`]) from one second
        /// up: a value may live that much longer, never shorter. Zero makes every value stale at once: each access finds
        /// it so, and at most one at a time creates. `Duration::MAX`, or anything over 584 years, never expires.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// A lock without a value yet, which does not expire: it is created once, and again when
        /// [invalidated](Self::invalidate) or [marked stale](Self::mark_stale).
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
            Self { expiry: Expiry::missing(expires_after), election: Election::new(), clock }
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
            self.expiry.be_born();
            self
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

    /// What this access is to do: use the value, or create it.
    ///
    /// Blocks while there is no value and somebody else creates it; then the turn is [`Turn::Fresh`], or
    /// [`Turn::Stale`] if the value that was waited for has expired or was invalidated already.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. [`acquire_timeout`](Self::acquire_timeout) with
    /// `Duration::MAX` returns an error instead.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Turn<'_, C> {
        match self.access(FOREVER) {
            Ok(access) => turn(access, Keeper::Borrowed(self)),
            Err(refused) => would_deadlock(refused.of_a_wait()),
        }
    }

    /// As [`acquire`](Self::acquire), but never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if there is no value and somebody else creates it.
    #[inline]
    pub fn try_acquire(&self) -> Result<Turn<'_, C>, WouldBlock> {
        match self.access(Patience::None) {
            Ok(access) => Ok(turn(access, Keeper::Borrowed(self))),
            Err(_) => Err(WouldBlock),
        }
    }

    /// As [`acquire`](Self::acquire), but blocks for `timeout` at most.
    ///
    /// The time-out is real time, on whatever clock values expire; zero does not wait, and `Duration::MAX` waits without
    /// an end.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for.
    #[inline]
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Turn<'_, C>, AcquireError> {
        match self.access(Patience::For(timeout)) {
            Ok(access) => Ok(turn(access, Keeper::Borrowed(self))),
            Err(refused) => Err(refused.of_a_wait()),
        }
    }

    /// As [`acquire`](Self::acquire), with a [`Creation`] that shares the lock and may outlive the caller.
    ///
    /// So a caller may return the old value at once and let a thread pool, a queue or a timer run the creator. The right
    /// to create exists before the job does: a job that is lost or dropped unrun gives it back. A lock in a `static`
    /// needs no `Arc`: its `acquire` gives a `Turn<'static>` as it is.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for.
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> Turn<'static, C> {
        match self.access(FOREVER) {
            Ok(access) => turn(access, Keeper::Shared(Arc::clone(self))),
            Err(refused) => would_deadlock(refused.of_a_wait()),
        }
    }

    /// As [`acquire_owned`](Self::acquire_owned), but never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if there is no value and somebody else creates it.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<Turn<'static, C>, WouldBlock> {
        match self.access(Patience::None) {
            Ok(access) => Ok(turn(access, Keeper::Shared(Arc::clone(self)))),
            Err(_) => Err(WouldBlock),
        }
    }

    /// As [`acquire_owned`](Self::acquire_owned), but blocks for `timeout` at most, as
    /// [`acquire_timeout`](Self::acquire_timeout) does.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for.
    pub fn acquire_owned_timeout(self: &Arc<Self>, timeout: Duration) -> Result<Turn<'static, C>, AcquireError> {
        match self.access(Patience::For(timeout)) {
            Ok(access) => Ok(turn(access, Keeper::Shared(Arc::clone(self)))),
            Err(refused) => Err(refused.of_a_wait()),
        }
    }

    /// Runs `creator` if the value needs creating and this access is the one elected. Returns when there is a value.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. A panic of `creator` goes on to the caller; the
    /// creation is given up, and the next access or one who waits takes over.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> Outcome {
        self.acquire_or_create_with(|_| creator())
    }

    /// As [`acquire_or_create`](Self::acquire_or_create); the creator is handed its [`Creation`], to
    /// [publish](Creation::publish) through it or to ask whether it is still wanted.
    ///
    /// # Panics
    ///
    /// As `acquire_or_create`.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create_with(&self, creator: impl FnOnce(&Creation<'_, C>)) -> Outcome {
        match self.create_infallibly(FOREVER, creator) {
            Ok(outcome) => outcome,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), but waits for others for `timeout` at most. The creator of this
    /// access, if it is elected, is not interrupted.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_create_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(),
    ) -> Result<Outcome, AcquireError> {
        self.acquire_or_create_with_timeout(timeout, |_| creator())
    }

    /// [`acquire_or_create_timeout`](Self::acquire_or_create_timeout) with the creator of
    /// [`acquire_or_create_with`](Self::acquire_or_create_with).
    ///
    /// # Errors
    ///
    /// As `acquire_or_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_create_with_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Creation<'_, C>),
    ) -> Result<Outcome, AcquireError> {
        self.create_infallibly(Patience::For(timeout), creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), with a creator that can fail.
    ///
    /// A failure is the caller's own: those who wait do not get it. One of them is elected, and calls its own creator.
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that it would wait for.
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
    /// assert_eq!(lock.acquire_or_try_create(|| Ok::<(), ()>(())), Ok(Outcome::Created));
    /// ```
    #[inline]
    pub fn acquire_or_try_create<E>(&self, creator: impl FnOnce() -> Result<(), E>) -> Result<Outcome, CreateError<E>> {
        self.acquire_or_try_create_with(|_| creator())
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create); the creator is handed its [`Creation`].
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_with<E>(
        &self,
        creator: impl FnOnce(&Creation<'_, C>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.create(FOREVER, creator)
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_timeout<E>(
        &self,
        timeout: Duration,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.acquire_or_try_create_with_timeout(timeout, |_| creator())
    }

    /// [`acquire_or_try_create_timeout`](Self::acquire_or_try_create_timeout) with the creator of
    /// [`acquire_or_try_create_with`](Self::acquire_or_try_create_with).
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_with_timeout<E>(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Creation<'_, C>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.create(Patience::For(timeout), creator)
    }

    /// Whether the value is fresh, stale or missing. Never blocks.
    #[must_use]
    pub fn freshness(&self) -> Freshness {
        self.expiry.peek(&self.clock)
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
        self.expiry.age(&self.clock)
    }

    /// Whether a creation is running. Never blocks.
    #[must_use]
    pub fn is_creating(&self) -> bool {
        self.election.look().is_creating()
    }

    /// How many threads wait for a creation right now. Blocks only for the moments in which the queue changes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.election.waiting()
    }

    /// The current generation, for [`invalidate_if`](Self::invalidate_if). Never blocks.
    ///
    /// Take it before the access whose value it is to stand for. The value is then of that generation or a later one,
    /// and `invalidate_if` never throws away a newer value than the one that was seen.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.election.look().generation()
    }

    /// How long a value lives; `Duration::MAX` if it never expires.
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.expiry.lifetime()
    }

    /// Forgets the value: the next access creates, the others wait for it. Never blocks on a creation.
    ///
    /// A creation that is running is superseded: its value does not become the current one (L6), and whoever asks from
    /// now on waits until it has ended and a new one is made.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever the next creator does.
    pub fn invalidate(&self) {
        self.election.invalidate(None, || self.expiry.forget());
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did.
    ///
    /// For many threads that find the same value useless at the same moment: 64 of them that were refused with one token
    /// cause one renewal, not 64.
    ///
    /// ```
    /// use dogpile::Dogpile;
    ///
    /// let lock = Dogpile::never_expires();
    /// lock.acquire_or_create(|| ());
    /// let seen = lock.generation();
    /// assert!(lock.invalidate_if(seen));
    /// assert!(!lock.invalidate_if(seen)); // the second thread comes too late
    /// ```
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        self.election.invalidate(Some(seen), || self.expiry.forget())
    }

    /// Makes the value stale: the next access creates, the others carry on with it. Never blocks on a creation.
    ///
    /// A creation that is running publishes its value as stale, so that the next access creates once more. If there is
    /// no value and none is being created, nothing happens.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever a creator does that is elected afterwards.
    pub fn mark_stale(&self) {
        self.election.mark(|| self.expiry.mark_stale());
    }

    /// The hit path: all that a fresh value costs.
    #[inline]
    fn access(&self, patience: Patience) -> Result<Access, Refused> {
        match self.expiry.unless_fresh(&self.clock) {
            None => Ok(Access::Fresh),
            Some(now) => self.access_unless_fresh(now, patience),
        }
    }

    #[cold]
    fn access_unless_fresh(&self, mut now: u64, patience: Patience) -> Result<Access, Refused> {
        let mut deadline = None;
        loop {
            // In this order: the word first, the deadline second. See `creation`.
            let seen = self.election.look();
            match self.expiry.look(now) {
                Look::Known(Freshness::Fresh) => return Ok(Access::Fresh),
                Look::Known(Freshness::Stale) if seen.is_creating() => return Ok(Access::Stale),
                Look::Known(Freshness::Missing) if seen.is_creating() => {
                    let Patience::For(timeout) = patience else {
                        return Err(Refused::WouldBlock);
                    };
                    if is_running_here(&self.election) {
                        return Err(Refused::WouldDeadlock);
                    }
                    let deadline = *deadline.get_or_insert_with(|| Deadline::after(timeout));
                    let mut waiter = self.election.wait(seen);
                    match block_until(deadline, |waker| waiter.poll(waker)) {
                        None => return Err(Refused::TimedOut),
                        Some(Verdict::Served) => return Ok(Access::Waited),
                        Some(Verdict::Elected(born)) => return Ok(Access::Elected(born)),
                        Some(Verdict::Moved) => {}
                    }
                }
                Look::Known(Freshness::Stale | Freshness::Missing) => {
                    if let Some(born) = self.election.elect(seen) {
                        return Ok(Access::Elected(born));
                    }
                }
                Look::Unstamped => {
                    self.expiry.stamp_born(self.clock.now());
                    now = self.expiry.now(&self.clock);
                }
            }
        }
    }

    #[inline]
    fn create<E>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, C>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        match self.access(patience) {
            Ok(Access::Fresh) => Ok(Outcome::Fresh),
            Ok(Access::Stale) => Ok(Outcome::Stale),
            Ok(Access::Waited) => Ok(Outcome::Waited),
            Ok(Access::Elected(born)) => match Creation::new(Keeper::Borrowed(self), born).run_fallible(creator) {
                Ok(()) => Ok(Outcome::Created),
                Err(error) => Err(CreateError::Failed(error)),
            },
            Err(refused) => Err(refused.of_a_wait().into()),
        }
    }

    #[inline]
    fn create_infallibly(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, C>),
    ) -> Result<Outcome, AcquireError> {
        let created = self.create(patience, |creation| {
            creator(creation);
            Ok::<(), Infallible>(())
        });
        created.map_err(|error| match error {
            CreateError::Failed(never) => match never {},
            CreateError::TimedOut => AcquireError::TimedOut,
            CreateError::WouldDeadlock => AcquireError::WouldDeadlock,
        })
    }
}

/// Turns what an access met into what its caller is given.
fn turn<C: Clock>(access: Access, lock: Keeper<'_, C>) -> Turn<'_, C> {
    match access {
        Access::Fresh => Turn::Fresh,
        Access::Stale => Turn::Stale,
        Access::Waited => match lock.freshness() {
            Freshness::Fresh => Turn::Fresh,
            Freshness::Stale | Freshness::Missing => Turn::Stale,
        },
        Access::Elected(born) => Turn::Create(Creation::new(lock, born)),
    }
}

#[cold]
#[track_caller]
fn would_deadlock(error: AcquireError) -> ! {
    match error {
        AcquireError::WouldDeadlock => panic!("{error}"),
        AcquireError::TimedOut => unreachable!("a wait without an end does not time out"),
    }
}

impl<C: Clock> fmt::Debug for Dogpile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dogpile")
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .field("expires_after", &self.expires_after())
            .finish_non_exhaustive()
    }
}
