//! What time it is: cheap on the hit path, exact for stamps, settable in tests.
//!
//! A lock reads its clock in two places. On every access the lock asks whether the deadline has passed. That reading
//! must cost next to nothing, and may lag. When a creation ends, the lock stamps the value. That reading is exact. The
//! lagging reading is never ahead of the exact one, so a deadline that is counted from an exact stamp is never seen
//! early (L11).

use crate::sync::{Arc, AtomicU64, Mutex, Ordering, const_fn};
use crate::wakers::{Sleeper, wake_all};
use std::collections::BTreeMap;
use std::mem::{replace, swap};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;
use std::time::{Duration, SystemTime};

/// A monotonic clock, by which a [`Dogpile`](crate::Dogpile) expires its value.
///
/// Times are nanoseconds since an origin that the clock chooses; 64 bits of them last 584 years. Both readings belong
/// to one time line, on all threads: neither goes back, and `now_coarse()` is never ahead of a `now()` that is called
/// later. A lock takes readings below 5 as 5, since it has other uses for the smaller numbers.
///
/// The methods are called outside every mutex of this crate. A panic in one of them reaches the caller of the access,
/// and leaves the lock as it was.
pub trait Clock: Send + Sync {
    /// Returns the exact time, in nanoseconds.
    fn now(&self) -> u64;

    /// Returns a cheap time, in nanoseconds, that may lag behind [`now`](Self::now) but is never ahead of it.
    ///
    /// Locks whose values live for a second or longer use it on their hit path. By default it is the exact time, which
    /// is right for every clock.
    #[inline]
    fn now_coarse(&self) -> u64 {
        self.now()
    }

    /// Arranges for `waker` to be woken once [`now`](Self::now) has reached `at`, or at any time before. If `now` has
    /// reached `at` already, the waker is woken at once. Returns whether the waker will be woken.
    ///
    /// A waiter calls this if the creation that it waits for has a [time-out](crate::PolicyBuilder::creation_timeout).
    /// By default the method returns `false`, which says that the clock goes at the pace of real time. The waiting
    /// thread then sleeps for as much real time as is left, and looks again. A clock that a program moves keeps the
    /// waker, and wakes it when the clock is moved. The waker may be a [task's](crate::Dogpile#wakers), and so runs
    /// user code: clone, wake and drop it outside the clock's own mutex.
    ///
    /// # Warning
    ///
    /// A clock that does not go at the pace of real time must keep the waker, and wake it. With the default, the
    /// waiters of such a clock sleep for as much *real* time as is left on the clock, even if the clock is moved
    /// meanwhile. A test that moves its clock past a time-out of an hour then wakes no waiter, and a creation that
    /// hangs is declared dead an hour of real time later. [`ManualClock`] does keep wakers. So does a clock that hands
    /// both this call and [`cancel_wake`](Self::cancel_wake) on to a clock that does.
    ///
    /// # The ticket
    ///
    /// The `ticket` is a number that no other wait of the process has. A wait that asks again with the same ticket and
    /// time brings a newer waker, which takes the place of the older one. A wait that asks for another time asks first,
    /// and takes the earlier request back after that.
    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        let _ = (at, ticket, waker);
        false
    }

    /// Takes back a request that [`wake_at`](Self::wake_at) was given with this `at` and `ticket`, and for which it
    /// returned `true`.
    ///
    /// The lock calls this when the wait is over, was given up, or looks to another time. The clock drops the waker, if
    /// it still has it. By default the method does nothing, which is right for a clock that keeps no wakers. A panic of
    /// this method ends in the lock: only the panic hook tells of it.
    fn cancel_wake(&self, at: u64, ticket: u64) {
        let _ = (at, ticket);
    }

    /// Returns the time of day, which other processes and machines understand, and which may be set back.
    ///
    /// Only stamped getter mode reads it. By default it is [`SystemTime::now`], since the stamps come from other
    /// programs, which use that as well.
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

macro_rules! clock_behind {
    ($($pointer:ty),+) => {$(
        impl<C: Clock + ?Sized> Clock for $pointer {
            #[inline]
            fn now(&self) -> u64 {
                (**self).now()
            }

            #[inline]
            fn now_coarse(&self) -> u64 {
                (**self).now_coarse()
            }

            fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
                (**self).wake_at(at, ticket, waker)
            }

            fn cancel_wake(&self, at: u64, ticket: u64) {
                (**self).cancel_wake(at, ticket);
            }

            fn wall(&self) -> SystemTime {
                (**self).wall()
            }
        }
    )+};
}
clock_behind!(&C, Arc<C>);

/// The default clock: monotonic, and standing still while the machine is suspended.
///
/// On Linux, the exact reading is `CLOCK_MONOTONIC`, and the reading on the hit path is `CLOCK_MONOTONIC_COARSE`. The
/// coarse reading takes about 3 ns, and is at most one scheduler tick behind (1 to 10 ms, as the kernel is configured).
/// On other platforms both readings are [`std::time::Instant`]. Neither reading enters the kernel where the system
/// offers its clocks in user space (on Linux, by the vDSO).
///
/// For a value that must not outlive its time in the real world, such as a token, use a clock that counts the time in
/// which the machine is suspended: `BoottimeClock`, on Linux.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

#[cfg(all(target_os = "linux", not(dogpile_portable)))]
mod os {
    use super::{Clock, MonotonicClock};
    use rustix::time::{ClockId, clock_gettime};

    #[inline]
    #[allow(clippy::cast_sign_loss)] // these clocks count up from the boot
    fn read(id: ClockId) -> u64 {
        let time = clock_gettime(id);
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }

    impl Clock for MonotonicClock {
        #[inline]
        fn now(&self) -> u64 {
            read(ClockId::Monotonic)
        }

        #[inline]
        fn now_coarse(&self) -> u64 {
            read(ClockId::MonotonicCoarse)
        }
    }

    /// A monotonic clock that goes on while the machine is suspended (`CLOCK_BOOTTIME`; Linux only).
    ///
    /// Use it for values that age in the real world, such as tokens. The clock has no coarse reading: each reading
    /// costs about 20 ns.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct BoottimeClock;

    impl Clock for BoottimeClock {
        #[inline]
        fn now(&self) -> u64 {
            read(ClockId::Boottime)
        }
    }
}
#[cfg(all(target_os = "linux", not(dogpile_portable)))]
pub use os::BoottimeClock;

#[cfg(any(dogpile_portable, not(target_os = "linux")))]
impl Clock for MonotonicClock {
    fn now(&self) -> u64 {
        portable::now()
    }
}

/// The clock for platforms on which rustix is not used.
#[cfg(any(test, dogpile_portable, not(target_os = "linux")))]
mod portable {
    use super::{ORIGIN, nanoseconds};
    use crate::sync::OnceLock;
    use std::time::Instant;

    pub(super) fn now() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        ORIGIN.saturating_add(nanoseconds(START.get_or_init(Instant::now).elapsed()))
    }
}

/// The time at which a clock of this crate begins, if it may choose: past the few small numbers that a deadline word
/// reserves.
const ORIGIN: u64 = 1_000_000_000;

/// Returns a duration in whole nanoseconds; `u64::MAX` if the duration is longer than 584 years.
#[allow(clippy::cast_possible_truncation)] // just compared
pub(crate) const fn nanoseconds(duration: Duration) -> u64 {
    let exact = duration.as_nanos();
    if exact > u64::MAX as u128 { u64::MAX } else { exact as u64 }
}

/// A clock that goes only when a program moves it, for tests of all that depends on expiry.
///
/// The clock's time of day begins in the year 2000 and moves along with the clock. [`set_wall`](Self::set_wall) sets
/// the time of day by itself.
///
/// A waiter whose creation has a [time-out](crate::PolicyBuilder::creation_timeout) is woken when the clock is moved to
/// the end of that time. (The clock keeps a waker for each thread or task that waits in this way, for as long as it
/// waits.)
///
/// Share the clock as `&'static ManualClock` or `Arc<ManualClock>`: both are clocks themselves. Code under test can
/// take any clock if its lock is a `Dogpile<C>` or a `Dogpile<Arc<dyn Clock>>`.
///
/// # Memory ordering
///
/// An [`advance`](Self::advance) happens before each reading that sees it.
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, ManualClock, Outcome};
/// use std::{sync::Arc, time::Duration};
///
/// let clock = Arc::new(ManualClock::new());
/// let lock = Dogpile::with_clock(Duration::from_secs(60), Arc::clone(&clock));
/// assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
/// clock.advance(Duration::from_secs(59));
/// assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
/// clock.advance(Duration::from_secs(1));
/// assert!(lock.is_expired());
/// ```
///
/// Together with the paused time of a runtime, a test moves both clocks at once. Values expire and time-outs end, while
/// no real time passes.
///
/// ```
/// use dogpile::{Cached, ManualClock};
/// use std::{sync::Arc, time::Duration};
/// use tokio::time::{sleep, timeout};
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)] // or `#[tokio::test(start_paused = true)]`
/// async fn main() {
///     let clock = Arc::new(ManualClock::new());
///     let advance = async |by| {
///         clock.advance(by);
///         tokio::time::advance(by).await;
///     };
///     let rates = Cached::with_clock(Duration::from_secs(60), Arc::clone(&clock));
///     let fetch = async || {
///         sleep(Duration::from_secs(2)).await; // slow, in production
///         1.09
///     };
///     let in_a_second = timeout(Duration::from_secs(1), rates.get_or_create_async(fetch)).await;
///     assert!(in_a_second.is_err() && !rates.is_creating(), "the access was dropped, and its creation given up");
///     assert_eq!(*rates.get_or_create_async(fetch).await, 1.09);
///     advance(Duration::from_secs(60)).await;
///     assert!(rates.is_expired());
/// }
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    /// The time of day, in nanoseconds since 1970.
    wall: AtomicU64,
    /// The waiters to wake, by the time and the ticket of each wait.
    alarms: Mutex<BTreeMap<(u64, u64), Sleeper>>,
}

// A panic can leave nothing half-done in here: wakers are woken after the mutex.
impl UnwindSafe for ManualClock {}
impl RefUnwindSafe for ManualClock {}

/// The time of day at which a manual clock begins: 2000-01-01 00:00 UTC.
const WALL_ORIGIN: u64 = 946_684_800_000_000_000;

impl ManualClock {
    const_fn! {
        /// Makes a clock that stands still.
        #[must_use]
        pub const fn new() -> Self {
            let (now, wall) = (AtomicU64::new(ORIGIN), AtomicU64::new(WALL_ORIGIN));
            Self { now, wall, alarms: Mutex::new(BTreeMap::new()) }
        }
    }

    /// Moves the clock on by whole nanoseconds, and the time of day with it. Then wakes the waiters that wait for a
    /// time up to now.
    ///
    /// Zero moves nothing. The clock stops at the end of time, 584 years on, and so `Duration::MAX` moves it there.
    pub fn advance(&self, by: Duration) {
        let by = nanoseconds(by);
        // AcqRel: pairs with the loads in `now` and `wall`, and with earlier calls of this function on other threads.
        for time in [&self.now, &self.wall] {
            let moved = time.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_add(by)));
            debug_assert!(moved.is_ok());
        }
        self.ring();
    }

    /// Wakes the waiters whose time has come.
    fn ring(&self) {
        let now = self.now();
        // A wait looks at the clock, and sets its alarm, under this mutex. If it does so before this, its alarm is
        // found here. If it does so after this, it sees that the clock has been moved.
        let mut alarms = self.alarms.lock();
        let later = alarms.split_off(&(now, u64::MAX));
        let mut due = replace(&mut *alarms, later);
        drop(alarms);
        wake_all(&mut due);
    }

    /// Sets the time of day, forward or back, as an administrator or a time server would. [`now`](Clock::now) stays as
    /// it is. Never blocks.
    ///
    /// # Panics
    ///
    /// If `to` lies before 1970, or more than 584 years after 1970.
    pub fn set_wall(&self, to: SystemTime) {
        let since = to.duration_since(SystemTime::UNIX_EPOCH).map_or(u64::MAX, nanoseconds);
        assert!(since != u64::MAX, "a manual clock's time of day lies between 1970 and 2554");
        // Release: pairs with the load in `wall`.
        self.wall.store(since, Ordering::Release);
    }

    /// Returns how far the clock has been moved since it was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now() - ORIGIN)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        // Acquire: pairs with `advance`, so that a test which moves the clock is seen whole.
        self.now.load(Ordering::Acquire)
    }

    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        let mut sleeper = Sleeper::of(waker);
        let mut alarms = self.alarms.lock();
        if self.now() >= at {
            drop(alarms);
            wake_all(&mut sleeper);
            return true;
        }
        swap(alarms.entry((at, ticket)).or_default(), &mut sleeper);
        drop(alarms);
        drop(sleeper); // the older waker
        true
    }

    fn cancel_wake(&self, at: u64, ticket: u64) {
        let gone = self.alarms.lock().remove(&(at, ticket));
        drop(gone); // after the mutex
    }

    fn wall(&self) -> SystemTime {
        // Acquire: pairs with `advance` and `set_wall`.
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.wall.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    fn never_goes_back(now: impl Fn() -> u64) {
        let mut last = now();
        assert!(last >= 5, "the small numbers are reserved");
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn l11_clocks_never_go_back() {
        never_goes_back(|| MonotonicClock.now());
        never_goes_back(|| MonotonicClock.now_coarse());
        never_goes_back(portable::now);
        #[cfg(all(target_os = "linux", not(dogpile_portable)))]
        never_goes_back(|| BoottimeClock.now());
    }

    #[test]
    fn l11_a_coarse_reading_is_never_ahead_of_an_exact_one() {
        for _ in 0..10_000 {
            let coarse = MonotonicClock.now_coarse();
            assert!(coarse <= MonotonicClock.now());
        }
    }

    #[test]
    fn l11_nanoseconds_saturate() {
        assert_eq!(nanoseconds(Duration::ZERO), 0);
        assert_eq!(nanoseconds(Duration::from_nanos(u64::MAX - 1)), u64::MAX - 1);
        assert_eq!(nanoseconds(Duration::MAX), u64::MAX);
        let clock = ManualClock::new();
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), u64::MAX);
    }
}
