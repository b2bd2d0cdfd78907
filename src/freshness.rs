//! Is the value missing, stale or fresh? Two words tell, and no thread waits here.
//!
//! The deadline word answers "is the value fresh?" by one comparison with the clock:
//!
//! | deadline word | the value is |
//! |---|---|
//! | 0 (`UNKNOWN`) | missing: this lock has seen no value. A store that several processes share may hold one |
//! | 1 (`BORN`) | fresh, but not stamped yet: a `static` cannot read a clock, so the first access stamps the value |
//! | 2 (`STALE`) | stale, because the user said so, or because its lifetime is zero |
//! | 3 (`GONE`) | missing, because the user said so: a value that a store may still hold does not count |
//! | 4 (`UNKNOWN_STALE`) | missing as with `UNKNOWN`; a value that a store may hold is stale, because the user said so |
//! | 5 ..= MAX-1 | fresh before that time, stale from then on |
//! | MAX (`NEVER`) | fresh for good |
//!
//! Clock readings are at least 5, so `now < deadline` is false for the first five words. A value that is not plainly
//! fresh takes the slow path, and is sorted out there. The stamp word beside the deadline tells when the value was
//! created. Only [`age`](Expiry::age) and [`lifetime_until`](Expiry::lifetime_until) read the stamp.
//!
//! In stamped getter mode the value brings its own time. Of the deadline word, only what the user *said* counts then
//! ([`told`](Expiry::told)): `GONE`, `STALE` and `UNKNOWN_STALE`. How a stamp from elsewhere is read is in
//! [`age_of_stamp`](Expiry::age_of_stamp).
//!
//! The deadline has these writers: creations, `set`, invalidations and marks, which exclude each other (they run under
//! the mutex of [`election`](crate::election), see there), and the one compare-and-swap that stamps a born value. All
//! threads read the deadline at any time, without a lock. The generation, which orders all this without a clock, shares
//! a word with the election: an access is elected only if the generation has not moved meanwhile, and one
//! compare-and-swap must see both.

use crate::clock::{Clock, nanoseconds};
use crate::sync::{AtomicU64, Mutant, Ordering, const_fn, mutant};
use std::time::{Duration, SystemTime};

const UNKNOWN: u64 = 0;
const BORN: u64 = 1;
const STALE: u64 = 2;
const GONE: u64 = 3;
const UNKNOWN_STALE: u64 = 4;
const NEVER: u64 = u64::MAX;
/// Readings of the clock are raised to this, so that times stay apart from the words above.
const EARLIEST: u64 = 5;

/// Lifetimes from here on (in nanoseconds) have the hit path read the coarse clock: its lag is small beside them.
const COARSE_FROM: u64 = 1_000_000_000;

/// Whether there is a value, and whether it is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// There is a value, and it has not expired.
    Fresh,
    /// There is a value; it has expired, or was marked stale, and may still be used.
    Stale,
    /// There is no value that may be used: none was created yet, it was invalidated, or it is older than its
    /// [policy](crate::PolicyBuilder::max_stale) or the value [itself](crate::Made::max_stale) allows.
    Missing,
}

/// What a look at the deadline word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The word tells all.
    Known(Freshness),
    /// The time in the word has passed. Then the value is stale, unless its policy wants a closer look before the value
    /// expires (see [`Policy`](crate::Policy)).
    Passed,
    /// The value was born fresh. The first access calls [`Expiry::stamp_born`], and looks again.
    Unstamped,
}

/// The deadline, the stamp, and how far apart they lie.
#[derive(Debug)]
pub struct Expiry {
    deadline: AtomicU64,
    stamp: AtomicU64,
    /// In nanoseconds; `NEVER` if the value does not expire.
    lifetime: u64,
}

/// Reads the exact time, out of line. Beside that reading, the call costs nothing; and the coarse reading, which stands
/// next to it in every hit, has no jump around it.
#[cold]
fn exact(clock: &impl Clock) -> u64 {
    clock.now()
}

impl Expiry {
    const_fn! {
        /// An expiry with no value yet.
        pub const fn missing(expires_after: Duration) -> Self {
            Self {
                deadline: AtomicU64::new(UNKNOWN),
                stamp: AtomicU64::new(0),
                lifetime: nanoseconds(expires_after),
            }
        }
    }

    const_fn! {
        /// Notes that there is a value already. The value counts as created when it is first accessed.
        pub const fn be_born(&mut self) {
            self.deadline = AtomicU64::new(BORN);
        }
    }

    /// Returns the lifetime of a value; `Duration::MAX` if values never expire.
    pub fn lifetime(&self) -> Duration {
        if self.lifetime == NEVER { Duration::MAX } else { Duration::from_nanos(self.lifetime) }
    }

    /// Reads the clock, as for every question about this lock: the coarse clock if the lifetime is long enough, or else
    /// the exact one.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `unless_fresh`
    pub fn now(&self, clock: &impl Clock) -> u64 {
        let now = if self.lifetime >= COARSE_FROM { clock.now_coarse() } else { exact(clock) };
        now.max(EARLIEST)
    }

    /// Decides a hit: returns `None` if the value is plainly fresh, and else the time that was read, for
    /// [`look`](Self::look).
    #[inline(always)]
    #[allow(clippy::inline_always)] // a call costs as much as all the rest but the clock (`benches/instructions.rs`)
    pub fn unless_fresh(&self, clock: &impl Clock) -> Option<u64> {
        // Acquire: pairs with the release in `renew_until`, so that a thread which sees a creation's deadline sees its
        // writes (L4).
        let deadline = self.deadline.load(Ordering::Acquire);
        if deadline == NEVER {
            return None;
        }
        let now = self.now(clock);
        if now < deadline { None } else { Some(now) }
    }

    /// Looks at the value as of `now`.
    #[inline]
    pub fn look(&self, now: u64) -> Look {
        // Acquire: as in `unless_fresh`. What the creator of a stale value wrote is used as well.
        Self::meaning(self.deadline.load(Ordering::Acquire), now)
    }

    #[inline]
    fn meaning(deadline: u64, now: u64) -> Look {
        match deadline {
            UNKNOWN | GONE | UNKNOWN_STALE => Look::Known(Freshness::Missing),
            BORN => Look::Unstamped,
            NEVER => Look::Known(Freshness::Fresh),
            STALE => Look::Known(Freshness::Stale),
            deadline if now < deadline => Look::Known(Freshness::Fresh),
            _ => Look::Passed,
        }
    }

    /// Returns whether there is a value that is not plainly fresh: its time has passed, or the user marked it as stale.
    #[inline]
    pub fn has_passed(&self, now: u64) -> bool {
        // Acquire: as in `look`.
        let deadline = self.deadline.load(Ordering::Acquire);
        deadline == STALE || (EARLIEST..=now).contains(&deadline)
    }

    /// Returns what the user said of the value, apart from the time: missing, stale, or nothing (`Fresh`).
    pub fn told(&self) -> Freshness {
        // Acquire: as in `look`. Here it is the invalidation or the mark that is seen.
        match self.deadline.load(Ordering::Acquire) {
            GONE => Freshness::Missing,
            STALE | UNKNOWN_STALE => Freshness::Stale,
            _ => Freshness::Fresh,
        }
    }

    /// Returns how old a value is that was created at `created`, in nanoseconds. `created` is by the wall clock of the
    /// machine that created the value. Returns `None` if the stamp cannot be believed: that machine's clock may be
    /// ahead of ours by `max_skew` at most.
    pub fn age_of_stamp(created: SystemTime, now: SystemTime, max_skew: Duration) -> Option<u64> {
        match now.duration_since(created) {
            Ok(age) => Some(nanoseconds(age)),
            // The clocks of two machines never agree quite. But a value whose stamp lies far ahead would stay fresh for
            // as long (C23).
            Err(ahead) if ahead.duration() > max_skew => None,
            Err(_) => Some(0),
        }
    }

    /// Looks at the value as [`look`](Self::look) does, for questions that change nothing: a value that no access has
    /// seen yet does not age.
    pub fn peek(&self, now: u64) -> Look {
        match self.look(now) {
            Look::Unstamped => self.of_unstamped(),
            look => look,
        }
    }

    /// The freshness of a value that was born fresh and has no stamp yet.
    fn of_unstamped(&self) -> Look {
        Look::Known(if self.lifetime == 0 { Freshness::Stale } else { Freshness::Fresh })
    }

    /// Looks at the value as [`peek`](Self::peek) does, by one reading of the word. If the value is fresh by the word,
    /// also returns until when; `None` if the value was born fresh, and no access has started its life.
    pub fn peek_until(&self, now: u64) -> (Look, Option<u64>) {
        // Acquire: as in `look`.
        let deadline = self.deadline.load(Ordering::Acquire);
        match Self::meaning(deadline, now) {
            Look::Unstamped => (self.of_unstamped(), None),
            look => (look, Some(deadline)),
        }
    }

    /// Returns how long ago the value was created; `None` if it is missing.
    pub fn age(&self, clock: &impl Clock) -> Option<Duration> {
        self.age_or(Some(Duration::ZERO), clock)
    }

    /// As [`age`](Self::age), but also `None` if the value was born fresh, and no access has started its life.
    pub fn begun_age(&self, clock: &impl Clock) -> Option<Duration> {
        self.age_or(None, clock)
    }

    fn age_or(&self, unstamped: Option<Duration>, clock: &impl Clock) -> Option<Duration> {
        match self.look(EARLIEST) {
            Look::Known(Freshness::Missing) => None,
            Look::Unstamped => unstamped,
            Look::Known(_) | Look::Passed => {
                // Relaxed: the stamp was stored before the deadline that `look` acquired. Or the stamp is being stored
                // by the access that stamps a born value: then it is 0, and the value has no age yet.
                match self.stamp.load(Ordering::Relaxed) {
                    0 => Some(Duration::ZERO),
                    stamp => Some(Duration::from_nanos(self.now(clock).saturating_sub(stamp))),
                }
            }
        }
    }

    /// Returns when the value expires; 0 if the user said that it has, or if there is none.
    pub fn expires(&self) -> u64 {
        // Acquire: as in `look`.
        match self.deadline.load(Ordering::Acquire) {
            ..EARLIEST => 0,
            deadline => deadline,
        }
    }

    /// Returns for how long a value lives that is there, in nanoseconds: as the lock says, or, if the lock's values
    /// never expire, from the value's creation to `expires`.
    pub fn lifetime_until(&self, expires: u64) -> u64 {
        match self.lifetime {
            // Relaxed: as in `age`.
            NEVER => expires.saturating_sub(self.stamp.load(Ordering::Relaxed)),
            lifetime => lifetime,
        }
    }

    /// Returns when a value expires that is created at `now` and lives for `lifetime` nanoseconds, or for ever with
    /// `NEVER` (L11).
    pub fn deadline_from(now: u64, lifetime: u64) -> u64 {
        match lifetime {
            // The deadline is not `now`: an access that has read the clock a little before would find the value fresh.
            0 => STALE,
            NEVER => NEVER,
            lifetime => now.max(EARLIEST).saturating_add(lifetime).min(NEVER - 1),
        }
    }

    /// Starts the life of a value that was born fresh, unless another access has started it. `now` is exact.
    pub fn stamp_born(&self, now: u64) {
        self.stamp_born_until(now, Self::deadline_from(now, self.lifetime));
    }

    /// Returns whether the value was born fresh, and no access has started its life.
    pub fn is_unstamped(&self) -> bool {
        // Relaxed: this is called under the mutex, by a thread that is about to change the word.
        self.deadline.load(Ordering::Relaxed) == BORN
    }

    /// As [`stamp_born`](Self::stamp_born), with a deadline that was computed elsewhere.
    pub fn stamp_born_until(&self, now: u64, deadline: u64) {
        // AcqRel: no weaker than the stores of the deadline among which it stands. Those stores run under the mutex,
        // and this need not. If this comes first, a store overwrites it; if this comes second, it fails.
        let stamped = self.deadline.compare_exchange(BORN, deadline, Ordering::AcqRel, Ordering::Relaxed);
        if stamped.is_ok() {
            // This stamps the value only if no creation has stamped it meanwhile. Relaxed: see `age`.
            self.stamp_unless_stamped(now);
        }
    }

    /// Stamps the value, unless it has a stamp.
    fn stamp_unless_stamped(&self, now: u64) {
        let _later = self.stamp.compare_exchange(0, now.max(EARLIEST), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that a value was created at `now` (exact). Called under the mutex.
    pub fn renew(&self, now: u64) {
        self.renew_until(now, Self::deadline_from(now, self.lifetime));
    }

    /// As [`renew`](Self::renew), for a value that says itself how long it lives.
    pub fn renew_for(&self, now: u64, lifetime: Duration) {
        self.renew_until(now, Self::deadline_from(now, nanoseconds(lifetime)));
    }

    /// Notes that a value was created at `now` (exact), and is stale already. Called under the mutex.
    pub fn renew_stale(&self, now: u64) {
        self.renew_until(now, STALE);
    }

    /// As [`renew`](Self::renew), with a deadline that [`deadline_from`](Self::deadline_from) computed.
    pub fn renew_until(&self, now: u64, deadline: u64) {
        // Relaxed: the release below carries it. For the swap see `set_deadline`.
        let _old = self.stamp.swap(now.max(EARLIEST), Ordering::Relaxed);
        // Release: pairs with the acquire in `unless_fresh` and `look` (L4).
        let release = if mutant(Mutant::UnreleasedDeadline) { Ordering::Relaxed } else { Ordering::Release };
        self.set_deadline(deadline, release);
    }

    /// Stores the deadline.
    fn set_deadline(&self, deadline: u64, order: Ordering) {
        // A swap where a store would do: loom 0.7 lets a compare-and-swap (that of `stamp_born`) overtake a plain
        // store, which the memory model forbids. The swap happens once a creation.
        let _old = self.deadline.swap(deadline, order);
    }

    /// Makes the value, if there is one, stale from `now` on. Called under the mutex.
    pub fn mark_stale(&self, now: u64) {
        // Relaxed: the mutex orders this after all other stores but the stamping of a born value, and that fails then.
        let marked = match self.deadline.load(Ordering::Relaxed) {
            GONE => return,
            UNKNOWN | UNKNOWN_STALE => UNKNOWN_STALE,
            _ => {
                // A value that was born fresh and never accessed begins to age at least now.
                self.stamp_unless_stamped(now);
                STALE
            }
        };
        // Release: a thread that reads this still sees the writes of the value's creator, which the mutex has ordered
        // before it.
        self.set_deadline(marked, Ordering::Release);
    }

    /// Makes the value missing. Called under the mutex.
    pub fn forget(&self) {
        // Release: a thread that finds the value missing sees what the caller did before it invalidated.
        self.set_deadline(GONE, Ordering::Release);
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use Freshness::{Fresh, Missing, Stale};

    /// A clock that stands still, and whose coarse reading may lag.
    struct Still {
        now: u64,
        coarse: u64,
    }

    impl Clock for Still {
        fn now(&self) -> u64 {
            self.now
        }

        fn now_coarse(&self) -> u64 {
            self.coarse
        }
    }

    /// The freshness of a value that has no plan beside the deadline.
    fn peek(expiry: &Expiry, clock: &impl Clock) -> Freshness {
        match expiry.peek(expiry.now(clock)) {
            Look::Known(freshness) => freshness,
            Look::Passed => Stale,
            Look::Unstamped => unreachable!("sorted out"),
        }
    }

    fn born_fresh(expires_after: Duration) -> Expiry {
        let mut expiry = Expiry::missing(expires_after);
        expiry.be_born();
        expiry
    }

    #[test]
    fn l11_a_deadline_is_kept_to_the_nanosecond() {
        let (clock, expiry) = (ManualClock::new(), Expiry::missing(Duration::from_nanos(10)));
        assert_eq!(peek(&expiry, &clock), Missing);
        expiry.renew(clock.now());
        clock.advance(Duration::from_nanos(9));
        assert_eq!(peek(&expiry, &clock), Fresh);
        assert_eq!(expiry.unless_fresh(&clock), None);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(peek(&expiry, &clock), Stale);
        assert_eq!(expiry.unless_fresh(&clock), Some(clock.now()));
        assert_eq!(expiry.age(&clock), Some(Duration::from_nanos(10)));
    }

    #[test]
    fn l11_zero_and_max_lifetimes() {
        let clock = ManualClock::new();
        let never = Expiry::missing(Duration::MAX);
        never.renew(clock.now());
        let zero = Expiry::missing(Duration::ZERO);
        zero.renew(clock.now());
        assert_eq!(peek(&zero, &clock), Stale);
        clock.advance(Duration::MAX);
        assert_eq!(peek(&never, &clock), Fresh);
        assert_eq!(never.lifetime(), Duration::MAX);
        // Past the end of time, every value that can expire has expired.
        for lifetime in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1)] {
            let late = Expiry::missing(lifetime);
            late.renew(clock.now());
            assert_eq!(peek(&late, &clock), Stale, "{lifetime:?}");
        }
    }

    #[test]
    fn l11_a_value_with_no_lifetime_is_stale_even_to_a_late_look() {
        let expiry = Expiry::missing(Duration::ZERO);
        expiry.renew(1_000);
        assert_eq!(expiry.look(999), Look::Known(Stale));
    }

    #[test]
    fn a_clock_that_starts_at_zero_does_not_meet_the_reserved_words() {
        let dawn = |now| Still { now, coarse: now };
        let expiry = Expiry::missing(Duration::from_nanos(5));
        expiry.renew(0);
        expiry.mark_stale(10);
        for early in 0..6 {
            assert_eq!(peek(&expiry, &dawn(early)), Stale, "{early}");
            assert!(expiry.unless_fresh(&dawn(early)).is_some(), "{early}");
        }
        expiry.renew(0);
        assert_eq!(peek(&expiry, &dawn(0)), Fresh);
        let born = born_fresh(Duration::from_secs(1));
        born.stamp_born(0);
        assert_eq!(born.age(&dawn(100)), Some(Duration::from_nanos(95)));
    }

    #[test]
    fn c23_a_stamp_from_the_future_counts_as_now_or_as_none() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let age = |created, max_skew| Expiry::age_of_stamp(created, now, max_skew);
        let second = Duration::from_secs(1);
        assert_eq!(age(now, second), Some(0));
        assert_eq!(age(now - second, second), Some(1_000_000_000));
        assert_eq!(age(now + second, second), Some(0));
        assert_eq!(age(now + Duration::from_nanos(1_000_000_001), second), None);
        assert_eq!(age(now + Duration::from_nanos(1), Duration::ZERO), None);
        assert_eq!(age(now + Duration::from_secs(1_000_000_000), Duration::MAX), Some(0));
    }

    #[test]
    fn l11_below_a_second_the_clock_is_read_exactly() {
        let lagging = Still { now: 1_000, coarse: 900 };
        assert_eq!(Expiry::missing(Duration::from_nanos(999_999_999)).now(&lagging), 1_000);
        assert_eq!(Expiry::missing(Duration::from_secs(1)).now(&lagging), 900);
    }

    #[test]
    fn what_was_said_is_kept_apart_from_what_was_never_known() {
        let expiry = Expiry::missing(Duration::MAX);
        assert_eq!(expiry.told(), Fresh);
        expiry.mark_stale(10);
        assert_eq!((expiry.told(), expiry.look(10)), (Stale, Look::Known(Missing)));
        expiry.forget();
        expiry.mark_stale(10);
        assert_eq!((expiry.told(), expiry.look(10)), (Missing, Look::Known(Missing)));
        expiry.renew(10);
        assert_eq!(expiry.told(), Fresh);
        expiry.mark_stale(10);
        assert_eq!((expiry.told(), expiry.look(10)), (Stale, Look::Known(Stale)));
    }

    #[test]
    fn a_born_value_lives_from_its_first_access() {
        let (clock, expiry) = (ManualClock::new(), born_fresh(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(100));
        assert_eq!(peek(&expiry, &clock), Fresh);
        assert_eq!(expiry.look(clock.now()), Look::Unstamped);
        expiry.stamp_born(clock.now());
        expiry.stamp_born(clock.now() + 1);
        clock.advance(Duration::from_nanos(999_999_999));
        assert_eq!(peek(&expiry, &clock), Fresh);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(peek(&expiry, &clock), Stale);
        assert_eq!(expiry.age(&clock), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_was_marked_or_forgotten_before_its_first_access_is_not_stamped_back() {
        let expiry = born_fresh(Duration::from_secs(1));
        expiry.mark_stale(10);
        expiry.stamp_born(10);
        assert_eq!(expiry.look(10), Look::Known(Stale));
        let clock = ManualClock::new();
        let marked = born_fresh(Duration::from_secs(1));
        marked.mark_stale(clock.now());
        clock.advance(Duration::from_secs(7));
        assert_eq!(marked.age(&clock), Some(Duration::from_secs(7)), "its age is counted from the mark");
        expiry.forget();
        expiry.mark_stale(10);
        assert_eq!(expiry.look(10), Look::Known(Missing));
    }
}
