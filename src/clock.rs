//! What time it is: cheap on the hit path, exact for stamps, settable in tests.
//!
//! A lock reads its clock in two places. On every access it asks whether the deadline has passed; that reading must
//! cost next to nothing, and may lag. When a creation ends it stamps the value; that reading is exact. Since the
//! lagging reading is never ahead of the exact one, a deadline counted from an exact stamp is never seen early (L11).

use crate::sync::{Arc, AtomicU64, Mutex, Ordering, const_fn};
use crate::wakers::{Sleeper, wake_all};
use std::collections::BTreeMap;
use std::mem::{replace, swap};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;
use std::time::{Duration, SystemTime};

/// A monotonic clock that a [`Dogpile`](crate::Dogpile) expires its value by.
///
/// Times are nanoseconds since an origin of the clock's own choosing; 64 bits of them last 584 years. Both readings
/// belong to one time line, on all threads: neither goes back, and `now_coarse()` is never ahead of a `now()` that is
/// called later. Readings below 5 are taken as 5, since the lock has other uses
/// for those.
///
/// The methods are called outside every lock of this crate; a panic in one reaches the caller of the access and leaves
/// the lock as it was.
pub trait Clock: Send + Sync {
    /// The exact time, in nanoseconds.
    fn now(&self) -> u64;

    /// A cheap time, in nanoseconds, that may lag behind [`now`](Self::now) but is never ahead of it.
    ///
    /// Locks that expire after a second or more use it on their hit path. By default it is the exact time.
    #[inline]
    fn now_coarse(&self) -> u64 {
        self.now()
    }

    /// Has `waker` woken once [`now`](Self::now) has reached `at`, or at any time before; at once, if it has already.
    /// Returns whether it will be.
    ///
    /// Whoever waits for a creation asks for this, where that has a [time-out](crate::PolicyBuilder::creation_timeout).
    /// By default it returns `false`, which says that the clock goes at the pace of real time: then the waiting thread
    /// sleeps for as long as there is left, and looks again. A clock that is moved by somebody keeps the waker, and
    /// wakes it when it is moved. A waker may be a [task's](crate::Dogpile#wakers), and is user code: it is best run,
    /// cloned and dropped outside the clock's own mutex.
    ///
    /// # Warning
    ///
    /// A clock that does not go at the pace of real time must keep the waker, and wake it. With the default such a
    /// clock's waiters sleep for as much *real* time as there is left on the clock, whatever the clock has come to
    /// meanwhile: a test that moves its clock past a time-out of an hour wakes nobody, and a creation that hangs is
    /// declared dead an hour of real time later. [`ManualClock`] does keep wakers, and so does a clock that hands both
    /// calls, this one and [`cancel_wake`](Self::cancel_wake), on to one that does.
    ///
    /// # The ticket
    ///
    /// The `ticket` is a number that no other wait of the process has. A wait that asks again with the same ticket and
    /// time has a newer waker, which takes the place of the older one. For another time the wait asks first, and takes
    /// the earlier one back after that.
    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        let _ = (at, ticket, waker);
        false
    }

    /// Takes back what [`wake_at`](Self::wake_at) was asked for with these two, and returned `true` for: the wait is
    /// over, or was given up, or looks to another time. The clock drops the waker, if it still has it.
    ///
    /// By default it does nothing, as fits a clock that keeps no wakers. A panic of this method ends in the lock: only
    /// the panic hook tells of it.
    fn cancel_wake(&self, at: u64, ticket: u64) {
        let _ = (at, ticket);
    }

    /// The time of day, which other processes and machines understand, and which may be set back.
    ///
    /// Only stamped getter mode reads it. By default it is [`SystemTime::now`].
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

/// The default clock: monotonic, standing still while the machine is suspended.
///
/// On Linux this is `CLOCK_MONOTONIC`, and `CLOCK_MONOTONIC_COARSE` on the hit path: about 3 ns a reading, at most one
/// scheduler tick behind (1 to 10 ms, as the kernel is configured). Elsewhere it is [`std::time::Instant`] for both.
/// Neither enters the kernel where the system offers its clocks in user space (on Linux: the vDSO).
///
/// A value that must not outlive its time in the real world, such as a token, wants a clock that counts suspended time:
/// `BoottimeClock`, on Linux.
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
    /// For values that age in the real world, such as tokens. It has no coarse form: a reading costs about 20 ns.
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

/// The clock for platforms that rustix is not used on.
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

/// Where clocks begin that may choose: past the few small numbers that a deadline word reserves.
const ORIGIN: u64 = 1_000_000_000;

/// A duration in whole nanoseconds, `u64::MAX` if it is longer than 584 years.
#[allow(clippy::cast_possible_truncation)] // just compared
pub(crate) const fn nanoseconds(duration: Duration) -> u64 {
    let exact = duration.as_nanos();
    if exact > u64::MAX as u128 { u64::MAX } else { exact as u64 }
}

/// A clock that goes only when told to, for tests of whatever depends on expiry.
///
/// Its time of day begins in the year 2000 and moves along; [`set_wall`](Self::set_wall) sets it apart.
///
/// Who waits for a creation that has a [time-out](crate::PolicyBuilder::creation_timeout) is woken when the clock is
/// moved there. (The clock keeps a waker for each thread or task that waits so, as long as it does.)
///
/// Share it as `&'static ManualClock` or `Arc<ManualClock>`: both are clocks themselves. Code under test takes any
/// clock if its lock is a `Dogpile<C>`, or a `Dogpile<Arc<dyn Clock>>`.
///
/// # Memory ordering
///
/// A reading that sees an [`advance`](Self::advance) happens after it.
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
/// Beside the paused time of a runtime, both moved at once: values expire, and time-outs are over, while no time
/// passes.
///
/// ```
/// use dogpile::{Cached, ManualClock};
/// use std::{sync::Arc, time::Duration};
/// use tokio::time::{sleep, timeout};
///
/// # let paused = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
/// # paused.block_on(async { // or `#[tokio::test(start_paused = true)]`
/// let clock = Arc::new(ManualClock::new());
/// let advance = async |by| {
///     clock.advance(by);
///     tokio::time::advance(by).await;
/// };
/// let rates = Cached::with_clock(Duration::from_secs(60), Arc::clone(&clock));
/// let fetch = async || {
///     sleep(Duration::from_secs(2)).await; // slow, in production
///     1.09
/// };
/// let in_a_second = timeout(Duration::from_secs(1), rates.get_or_create_async(fetch)).await;
/// assert!(in_a_second.is_err() && !rates.is_creating(), "it was dropped, and its creation given up");
/// assert_eq!(*rates.get_or_create_async(fetch).await, 1.09);
/// advance(Duration::from_secs(60)).await;
/// assert!(rates.is_expired());
/// # });
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    /// Nanoseconds since 1970.
    wall: AtomicU64,
    /// Whom to wake: by the time, and the ticket of the wait.
    alarms: Mutex<BTreeMap<(u64, u64), Sleeper>>,
}

// A panic can leave nothing half-done in here: a waker is woken after the mutex.
impl UnwindSafe for ManualClock {}
impl RefUnwindSafe for ManualClock {}

/// Where a manual clock's time of day begins: 2000-01-01 00:00 UTC.
const WALL_ORIGIN: u64 = 946_684_800_000_000_000;

impl ManualClock {
    const_fn! {
        /// A clock that stands still.
        #[must_use]
        pub const fn new() -> Self {
            let (now, wall) = (AtomicU64::new(ORIGIN), AtomicU64::new(WALL_ORIGIN));
            Self { now, wall, alarms: Mutex::new(BTreeMap::new()) }
        }
    }

    /// Moves the clock on, and the time of day with it, by whole nanoseconds; it stops at the end of time, 584 years
    /// on.
    pub fn advance(&self, by: Duration) {
        let by = nanoseconds(by);
        // AcqRel: pairs with the load in `now`, and with earlier calls of this on other threads.
        for time in [&self.now, &self.wall] {
            let moved = time.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.saturating_add(by)));
            debug_assert!(moved.is_ok());
        }
        self.ring();
    }

    /// Wakes those whose time has come.
    fn ring(&self) {
        let now = self.now();
        // Whoever sets an alarm looks at the clock under this mutex: before this, and is found here, or after it, and
        // sees that the clock has been moved.
        let mut alarms = self.alarms.lock();
        let later = alarms.split_off(&(now, u64::MAX));
        let mut due = replace(&mut *alarms, later);
        drop(alarms);
        wake_all(&mut due);
    }

    /// Sets the time of day, forward or back, as an administrator or a time server would. [`now`](Clock::now) stays.
    ///
    /// # Panics
    ///
    /// If `to` lies before 1970 or more than 584 years after it.
    pub fn set_wall(&self, to: SystemTime) {
        let since = to.duration_since(SystemTime::UNIX_EPOCH).map_or(u64::MAX, nanoseconds);
        assert!(since != u64::MAX, "a manual clock's time of day lies between 1970 and 2554");
        // Release: pairs with the load in `wall`.
        self.wall.store(since, Ordering::Release);
    }

    /// How far the clock has been moved since it was made.
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
        drop(sleeper); // the old one
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
