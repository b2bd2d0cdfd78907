//! How a value ages: renewed early, expired at random, too old to be used.

use crate::{Lock, MINUTE, NANO, SECOND, elected, paused, ruled, succeed, until, unwanted};
use dogpile::{
    Backoff, Cached, CachedFn, CachedGuard, Clock as _, CreateError, Dogpile, Freshness, Made, ManualClock, OnError,
    Outcome, Policy, PolicyError, ReadTurn, Stamped, SyncReaderDogpile, Turn,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

static SHORT_LIVED: Policy = Policy::builder().max_stale(SECOND).build_const();
static NEVER_STALE: Policy = Policy::builder().max_stale(Duration::ZERO).build_const();
static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
static AT_HALF_PAUSING: Policy =
    Policy::builder().refresh_at(0.5).retry_after(Backoff::new(SECOND, SECOND).jitter(0.0)).build_const();
static EARLY: Policy = Policy::builder().refresh_early(1.0).build_const();
static JITTERY_AT_HALF: Policy = Policy::builder().jitter(0.9).refresh_at(0.5).build_const();
static JITTERY: Policy = Policy::builder().jitter(0.5).build_const();

const HALF: Duration = Duration::from_secs(30);
const ALMOST_HALF: Duration = Duration::from_nanos(29_999_999_999);

fn created(policy: &'static Policy) -> (Arc<Lock>, Arc<ManualClock>) {
    let (lock, clock) = ruled(policy);
    assert_eq!(succeed(&lock), Ok(Outcome::Created));
    (lock, clock)
}

// --- max_stale

#[test]
fn c21_a_value_that_is_too_old_is_missing() {
    let (lock, clock) = created(&SHORT_LIVED);
    clock.advance(MINUTE);
    assert_eq!(lock.freshness(), Freshness::Stale);
    let creation = elected(Dogpile::kept(&lock).turn());
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    clock.advance(Duration::from_nanos(999_999_999));
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale), "L11: not a nanosecond early");
    assert!(matches!(lock.try_acquire(), Ok(Turn::Stale)));
    clock.advance(NANO);
    assert_eq!((lock.freshness(), lock.has_value(), lock.age()), (Freshness::Missing, false, None));
    assert!(lock.try_acquire().is_err());
    thread::scope(|scope| {
        let waits = scope.spawn(|| unwanted(&lock));
        until(|| lock.waiting() == 1);
        creation.finish();
        assert_eq!(waits.join().unwrap(), Ok(Outcome::Waited));
    });
    assert_eq!(lock.freshness(), Freshness::Fresh);
}

#[test]
fn c21_a_marked_value_is_as_old_as_its_mark() {
    let (lock, clock) = created(&SHORT_LIVED);
    clock.advance(HALF);
    lock.mark_stale();
    clock.advance(Duration::from_nanos(999_999_999));
    assert_eq!(lock.freshness(), Freshness::Stale);
    clock.advance(NANO);
    assert_eq!(lock.freshness(), Freshness::Missing);
    // A second mark makes the value no younger.
    let (lock, clock) = created(&SHORT_LIVED);
    clock.advance(MINUTE + SECOND / 2);
    lock.mark_stale();
    clock.advance(SECOND / 2);
    assert_eq!(lock.freshness(), Freshness::Missing);
    // Marked while it was created: the value is published as stale, and ages from then on.
    let creation = elected(lock.acquire());
    lock.mark_stale();
    clock.advance(MINUTE);
    creation.finish();
    assert_eq!(lock.freshness(), Freshness::Stale);
    clock.advance(SECOND);
    assert_eq!(lock.freshness(), Freshness::Missing);
}

#[test]
fn c21_with_max_stale_zero_no_stale_value_is_served() {
    let (lock, clock) = created(&NEVER_STALE);
    clock.advance(MINUTE);
    assert_eq!(lock.freshness(), Freshness::Missing);
    let _creation = elected(lock.acquire());
    assert!(lock.try_acquire().is_err());
    // The same holds for a lock that was born fresh.
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&NEVER_STALE).born_fresh();
    assert_eq!(lock.acquire_or_create(|| panic!("unwanted")), Outcome::Fresh);
    clock.advance(MINUTE);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED).born_fresh();
    assert_eq!(lock.acquire_or_create(|| panic!("unwanted")), Outcome::Fresh);
    clock.advance(MINUTE);
    assert_eq!(lock.freshness(), Freshness::Stale, "for a second");
}

#[test]
fn c21_max_stale_on_every_type() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED);
    cached.set(7);
    // A value with a lifetime of its own.
    cached.set_expiring(8, SECOND);
    clock.advance(SECOND);
    assert_eq!(cached.peek().as_deref(), Some(&8));
    clock.advance(SECOND);
    assert!(cached.peek().is_none() && !cached.has_value());
    assert_eq!(*cached.get_or_create(|| 9), 9);

    let readers = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED);
    drop(readers.acquire_or_create(|| ()));
    clock.advance(MINUTE + SECOND);
    let ReadTurn::Create(_creation) = readers.acquire() else { panic!("there is nothing to use") };
    assert!(readers.try_acquire().is_err());

    let (lock, clock) = ruled(&SHORT_LIVED);
    let stamp = |age: Duration| Some(Stamped { value: 7, created: clock.wall() - age });
    let creation = elected(Dogpile::kept(&lock).turn());
    let get =
        |age: Duration| lock.fetch_stamped(|| stamp(age)).timeout(Duration::ZERO).or_try_create(|| Err("unwanted"));
    assert_eq!(get(MINUTE).map(|got| got.value), Ok(7), "stale");
    assert_eq!(get(MINUTE + SECOND).map(|got| got.value), Err(CreateError::TimedOut), "too old");
    drop(creation);
}

// --- refresh_at

#[test]
fn a_value_is_renewed_before_it_expires() {
    let (lock, clock) = created(&AT_HALF);
    clock.advance(ALMOST_HALF);
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    clock.advance(NANO);
    assert_eq!(lock.freshness(), Freshness::Fresh, "to every access");
    assert!(!lock.is_expired());
    let creation = elected(lock.acquire());
    for _ in 0..3 {
        assert_eq!(unwanted(&lock), Ok(Outcome::Fresh), "L1, L2");
        assert!(matches!(lock.acquire(), Turn::Fresh));
    }
    clock.advance(HALF);
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale), "L11: it expires when it would have");
    creation.finish();
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    clock.advance(HALF);
    assert_eq!(succeed(&lock), Ok(Outcome::Created));
}

#[test]
fn a_failed_renewal_leaves_a_fresh_value_and_pauses() {
    let (lock, clock) = created(&AT_HALF_PAUSING);
    clock.advance(HALF);
    let failed = lock.acquire_or_try_create(|| Err("no answer"));
    assert_eq!(failed, Err(CreateError::Failed("no answer")));
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    clock.advance(SECOND);
    assert_eq!(succeed(&lock), Ok(Outcome::Created));
    lock.invalidate();
    lock.acquire_or_try_create(|| Err("no answer")).unwrap_err();
    assert_eq!(unwanted(&lock), Err(paused(SECOND)));
}

#[test]
fn refresh_at_on_every_type() {
    let told = |guard: &CachedGuard<u8>| (**guard, CachedGuard::outcome(guard));
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&AT_HALF);
    cached.set(1);
    clock.advance(HALF);
    assert_eq!(told(&cached.get_fresh().expect("it is fresh")), (1, Outcome::Fresh));
    let renewed = cached.get_or_create(|| {
        assert_eq!(told(&cached.get_or_create(|| panic!("unwanted"))), (1, Outcome::Fresh));
        2
    });
    assert_eq!(told(&renewed), (2, Outcome::Created));
    // Renewal goes by the lifetime that a value says itself.
    let made = cached.access().or_create_with(|_| panic!("it is fresh"));
    assert_eq!(*made, 2);
    cached.mark_stale();
    let made = cached.access().or_create_with(|_| Made::new(3).expires_after(SECOND));
    assert_eq!(*made, 3);
    clock.advance(SECOND / 2);
    assert_eq!(told(&cached.get_or_create(|| 4)), (4, Outcome::Created));

    let readers = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&AT_HALF);
    drop(readers.acquire_or_create(|| ()));
    clock.advance(HALF);
    let ReadTurn::Create(creation) = readers.acquire() else { panic!("it is due") };
    let guard = readers.acquire_or_create(|| panic!("unwanted"));
    assert_eq!(*guard, Outcome::Fresh);
    drop(creation);
    assert_eq!(*readers.acquire_or_create(|| panic!("a thread that reads already is not elected")), Outcome::Fresh);
    drop(guard);
    assert_eq!(*readers.acquire_or_create(|| ()), Outcome::Created);
}

#[test]
fn functions_renew_early_in_each_of_their_forms() {
    let (clock, runs) = (Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let function = move || runs.fetch_add(1, Ordering::SeqCst);
    let function = CachedFn::<usize, _, _>::with_clock(MINUTE, Arc::clone(&clock), function).with_policy(&AT_HALF);
    let outcome = |guard: &CachedGuard<usize>| (**guard, CachedGuard::outcome(guard));
    assert_eq!(outcome(&function.get()), (0, Outcome::Created));
    clock.advance(HALF);
    assert_eq!(function.get_fresh().as_deref(), Some(&0), "it is fresh, and this never creates");
    assert_eq!(outcome(&function.get()), (1, Outcome::Created));
    assert_eq!(outcome(&function.get()), (1, Outcome::Fresh));
    clock.advance(HALF);
    assert_eq!(outcome(&function.access().timeout(Duration::ZERO).try_get().unwrap()), (2, Outcome::Created));
    clock.advance(HALF);
    assert_eq!(outcome(&function.try_get().unwrap()), (3, Outcome::Created));
    clock.advance(HALF);
    assert_eq!(outcome(&function.access().get()), (4, Outcome::Created));
}

#[test]
fn getters_renew_early_without_asking_twice() {
    let (lock, clock) = created(&AT_HALF);
    let gets = AtomicUsize::new(0);
    let getter = || {
        gets.fetch_add(1, Ordering::Relaxed);
        Some(7)
    };
    assert_eq!(lock.fetch(getter).or_create(|| panic!("unwanted")), 7);
    clock.advance(HALF);
    let made = lock.fetch(getter).or_create(|| {
        assert_eq!(lock.fetch(getter).or_create(|| panic!("unwanted")), 7);
        8
    });
    assert_eq!((made, gets.load(Ordering::Relaxed)), (8, 2));
    // In stamped getter mode.
    let (lock, clock) = ruled(&AT_HALF);
    let stamped = |age: Duration| Some(Stamped { value: 7, created: clock.wall() - age });
    let get = |age: Duration| lock.fetch_stamped(|| stamped(age)).or_create(|| 8).value;
    assert_eq!([get(ALMOST_HALF), get(HALF), get(MINUTE)], [7, 8, 8]);
    let made = lock.fetch_stamped(|| stamped(HALF)).or_create(|| {
        assert_eq!([get(ALMOST_HALF), get(HALF), get(MINUTE)], [7; 3], "L1, L2");
        8
    });
    assert_eq!(made.value, 8);
}

// --- refresh_early

/// Returns how early a value is renewed that took `cost` to create and is asked for every second.
fn renewed_before(cost: Duration) -> Duration {
    let (lock, clock) = ruled(&EARLY);
    lock.acquire_or_create(|| clock.advance(cost));
    let mut left = MINUTE;
    loop {
        match lock.acquire_or_create(|| ()) {
            Outcome::Fresh => {
                assert!(!left.is_zero(), "it has expired");
                clock.advance(SECOND);
                left -= SECOND;
            }
            Outcome::Created => return left,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_value_that_takes_long_to_create_is_renewed_earlier() {
    // Values live for a minute. Their creations take no time, a second, or ten. On average they are renewed 0, about 1
    // and about 10 seconds before they expire. The sums over 200 values are far apart.
    let sum = |cost: Duration| (0..200).map(|_| renewed_before(cost)).sum::<Duration>().as_secs();
    let (none, short, long) = (sum(Duration::ZERO), sum(SECOND), sum(SECOND * 10));
    assert_eq!(none, 0, "what takes no time is renewed when it expires");
    assert!(short > 50 && long > 4 * short && long < 200 * 40, "{short} {long}");
}

/// Whichever access draws the renewal, one is elected at a time. The others go on with a fresh value.
#[test]
fn l1_early_renewals_are_elected() {
    let (lock, clock) = ruled(&EARLY);
    lock.acquire_or_create(|| clock.advance(SECOND * 30));
    clock.advance(Duration::from_nanos(59_999_999_999));
    let creation = loop {
        if let Turn::Create(creation) = lock.acquire() {
            break creation;
        }
    };
    for _ in 0..100 {
        assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    }
    drop(creation);
    assert_eq!(lock.freshness(), Freshness::Fresh);
}

// --- jitter

#[test]
fn c20_jitter_spreads_expiries_and_leaves_a_window() {
    let lifetime = |policy: &'static Policy| {
        let (lock, clock) = created(policy);
        while !lock.is_expired() {
            clock.advance(SECOND / 10);
        }
        clock.elapsed()
    };
    let mut lifetimes: Vec<_> = (0..100).map(|_| lifetime(&JITTERY)).collect();
    lifetimes.sort();
    assert!(lifetimes[0] >= HALF && lifetimes[99] <= MINUTE, "{lifetimes:?}");
    lifetimes.dedup();
    assert!(lifetimes.len() > 50, "they differ: {lifetimes:?}");
    // The window for early renewals is the same part of each lifetime.
    for _ in 0..100 {
        let (lock, clock) = created(&JITTERY_AT_HALF);
        while !matches!(lock.acquire(), Turn::Create(_)) {
            clock.advance(SECOND / 100);
        }
        assert!(!lock.is_expired(), "C20");
        let due = clock.elapsed();
        while !lock.is_expired() {
            clock.advance(SECOND / 100);
        }
        let expires = clock.elapsed();
        assert!(due >= expires / 2 && due <= expires / 2 + SECOND / 50, "{due:?} of {expires:?}");
    }
}

// --- contradictions

#[test]
fn contradictory_ages_are_policy_errors() {
    let builder = Policy::builder;
    for fraction in [0.0, 1.0, f64::NAN, -1.0, 2.0] {
        assert_eq!(builder().refresh_at(fraction).build(), Err(PolicyError::RefreshOutOfLifetime), "{fraction}");
    }
    for beta in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert_eq!(builder().refresh_early(beta).build(), Err(PolicyError::BetaOutOfRange), "{beta}");
    }
    for part in [1.0, -0.1, f64::NAN] {
        assert_eq!(builder().jitter(part).build(), Err(PolicyError::NothingLeftOfALifetime), "{part}");
    }
    assert_eq!(builder().refresh_at(0.5).refresh_early(1.0).build(), Err(PolicyError::TwoWaysToRefresh));
    assert_eq!(builder().refresh_early(1.0).refresh_at(0.5).build(), Err(PolicyError::TwoWaysToRefresh));
    let all = builder().refresh_early(2.0).max_stale(SECOND).jitter(0.1).build().unwrap();
    assert_eq!(
        (all.refresh_early(), all.refresh_at(), all.max_stale(), all.jitter()),
        (Some(2.0), None, Some(SECOND), 0.1)
    );
}

/// At both ends of the range of durations.
#[test]
fn l11_zero_and_max_lifetimes_under_every_plan() {
    for policy in [&SHORT_LIVED, &AT_HALF, &EARLY, &JITTERY] {
        let clock = Arc::new(ManualClock::new());
        let never = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(policy);
        never.acquire_or_create(|| ());
        let zero = Dogpile::with_clock(Duration::ZERO, Arc::clone(&clock)).with_policy(policy);
        assert_eq!(zero.acquire_or_create(|| ()), Outcome::Created);
        assert_eq!(zero.freshness(), Freshness::Stale);
        let nano = Dogpile::with_clock(NANO, Arc::clone(&clock)).with_policy(policy);
        nano.acquire_or_create(|| ());
        assert_eq!(nano.freshness(), Freshness::Fresh);
        clock.advance(Duration::MAX);
        assert_eq!(never.acquire_or_create(|| panic!("unwanted")), Outcome::Fresh);
    }
}

// --- at the edges

#[test]
fn l2_a_marked_born_fresh_value_is_as_old_as_its_mark() {
    let born = |lifetime, shared: bool| {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(lifetime, Arc::clone(&clock)).born_fresh();
        let lock = if shared { lock.with_shared_policy(Arc::new(SHORT_LIVED)) } else { lock.with_policy(&SHORT_LIVED) };
        (lock, clock)
    };
    for shared in [false, true] {
        let (lock, clock) = born(MINUTE, shared);
        clock.advance(MINUTE);
        lock.mark_stale();
        assert_eq!(lock.freshness(), Freshness::Stale, "for a second from the mark on");
        clock.advance(SECOND);
        assert_eq!(lock.freshness(), Freshness::Missing);
        let (lock, _) = born(Duration::ZERO, shared);
        assert_eq!(lock.freshness(), Freshness::Stale);
    }
}

#[test]
fn c21_a_value_that_is_too_old_is_not_served_on_error() {
    static SERVING: Policy = Policy::builder().max_stale(SECOND).on_error(OnError::ServeStale).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING);
    cached.set(1);
    clock.advance(MINUTE);
    assert_eq!(cached.get_or_try_create(|| Err("no answer")).as_deref(), Ok(&1));
    clock.advance(SECOND);
    let failed = cached.get_or_try_create(|| Err("no answer"));
    assert_eq!(failed.as_deref(), Err(&CreateError::Failed("no answer")));
}

#[test]
fn c21_a_mark_makes_no_stamped_value_younger() {
    let get = |lock: &Lock, stamped| {
        lock.fetch_stamped(|| Some(stamped))
            .timeout(Duration::ZERO)
            .or_try_create(|| Err("unwanted"))
            .map(|got| got.value)
    };
    for (policy, age, ahead) in [
        (&SHORT_LIVED, MINUTE + SECOND, Duration::ZERO),
        (&NEVER_STALE, MINUTE, Duration::ZERO),
        (&NEVER_STALE, Duration::ZERO, MINUTE),
    ] {
        let (lock, clock) = ruled(policy);
        let stamped = Stamped { value: 7, created: clock.wall() + ahead };
        clock.advance(age);
        let creation = elected(Dogpile::kept(&lock).turn());
        assert_eq!(get(&lock, stamped), Err(CreateError::TimedOut), "{policy:?}");
        lock.mark_stale();
        assert_eq!(get(&lock, stamped), Err(CreateError::TimedOut), "{policy:?}");
        drop(creation);
    }
    let (lock, clock) = ruled(&NEVER_STALE);
    let young = Stamped { value: 7, created: clock.wall() };
    let _creation = elected(Dogpile::kept(&lock).turn());
    assert_eq!(get(&lock, young), Ok(7));
    lock.mark_stale();
    assert_eq!(get(&lock, young), Err(CreateError::TimedOut), "with zero no stale value is served");
}

/// A clock whose coarse form lags, as that of Linux does.
#[derive(Debug)]
struct Lagging(ManualClock);

impl dogpile::Clock for Lagging {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn now_coarse(&self) -> u64 {
        self.0.now() - 4_000_000
    }
}

#[test]
fn c21_max_stale_zero_is_exact_on_a_clock_that_lags() {
    let lock = Dogpile::with_clock(MINUTE, Lagging(ManualClock::new())).with_policy(&NEVER_STALE);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    assert_eq!(lock.freshness(), Freshness::Missing);
    lock.acquire_or_create(|| lock.mark_stale());
    assert_eq!(lock.freshness(), Freshness::Missing, "published as stale");
}

#[test]
fn a_set_value_is_renewed_as_early_as_a_created_one() {
    let clock = Arc::new(ManualClock::new());
    let lock = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&EARLY);
    lock.get_or_create(|| {
        clock.advance(HALF);
        1
    });
    lock.set(2);
    clock.advance(Duration::from_nanos(59_999_999_999));
    // The probability is all but one in 30 thousand million.
    assert_eq!(CachedGuard::outcome(&lock.get_or_create(|| 3)), Outcome::Created);
}
