//! Questions to a lock: when its value expires and is due, how old a guard's value is, and what the last failure was.
//! Waits for a value, which create nothing.

#[path = "../common/mod.rs"]
mod common;
#[path = "../tasks/executor.rs"]
#[allow(dead_code)] // not every test needs all of it
mod executor;
#[path = "../failure/mod.rs"]
mod failure;
mod failures;
mod times;
mod watching;

use dogpile::{
    Backoff, Cached, CachedFn, Creation, Dogpile, ManualClock, Outcome, Policy, Registry, Status, SyncReaderDogpile,
    Turn,
};
use executor::block_on;
use failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NANO: Duration = Duration::from_nanos(1);
const SECOND: Duration = Duration::from_secs(1);
const HALF: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
const FOREVER: Duration = Duration::MAX;

static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, SECOND).jitter(0.0)).build_const();
static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

fn manual(expires_after: Duration) -> (Arc<Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(expires_after, Arc::clone(&clock))), clock)
}

/// Returns a lock under a policy, whose values live for a minute.
fn ruled(policy: &'static Policy) -> (Arc<Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy)), clock)
}

fn elected(lock: &Arc<Lock>) -> Creation<'static, Lock> {
    match Dogpile::kept(lock).turn() {
        Turn::Create(creation) => creation,
        turn => panic!("nobody else creates: {turn:?}"),
    }
}

/// A lock of any type, and how to change it.
struct Subject<'a> {
    name: &'static str,
    status: &'a Status<Clock>,
    clock: &'a Clock,
    /// Creates and publishes a value.
    publish: &'a (dyn Fn() + Sync),
    /// Lets a creation fail.
    fail: &'a (dyn Fn() + Sync),
    invalidate: &'a (dyn Fn() + Sync),
}

/// Runs a test on a lock of each type. The lock's values live for a minute, and it has no value yet.
fn on_each_type(test: impl Fn(&Subject<'_>)) {
    let clock = &Arc::new(ManualClock::new());

    let lock = Dogpile::with_clock(MINUTE, Arc::clone(clock));
    test(&Subject {
        name: "Dogpile",
        status: &lock,
        clock,
        publish: &|| {
            lock.mark_stale();
            assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
        },
        fail: &|| {
            lock.mark_stale();
            assert!(lock.acquire_or_try_create(|| Err(Failure)).is_err());
        },
        invalidate: &|| lock.invalidate(),
    });

    let lock = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(clock));
    test(&Subject {
        name: "SyncReaderDogpile",
        status: &lock,
        clock,
        publish: &|| {
            lock.mark_stale();
            drop(lock.acquire_or_create(|| ()));
        },
        fail: &|| {
            lock.mark_stale();
            assert!(lock.acquire_or_try_create(|| Err(Failure)).is_err());
        },
        invalidate: &|| lock.invalidate(),
    });

    let cached = Cached::with_clock(MINUTE, Arc::clone(clock));
    test(&Subject {
        name: "Cached",
        status: &cached,
        clock,
        publish: &|| {
            cached.mark_stale();
            block_on(cached.get_or_create_async(async || 1));
        },
        fail: &|| {
            cached.mark_stale();
            assert!(block_on(cached.get_or_try_create_async(async || Err(Failure))).is_err());
        },
        invalidate: &|| cached.invalidate(),
    });

    let pushed = Cached::with_clock(MINUTE, Arc::clone(clock));
    test(&Subject {
        name: "Cached, set",
        status: &pushed,
        clock,
        publish: &|| pushed.set(1),
        fail: &|| {
            pushed.mark_stale();
            assert!(pushed.get_or_try_create(|| Err(Failure)).is_err());
        },
        invalidate: &|| pushed.invalidate(),
    });

    let fails = AtomicBool::new(false);
    let creator = || if fails.load(Ordering::SeqCst) { Err(Failure) } else { Ok(1) };
    let function = CachedFn::<u64, _, _>::with_clock(MINUTE, Arc::clone(clock), creator);
    test(&Subject {
        name: "CachedFn",
        status: &function,
        clock,
        publish: &|| drop(function.access().anew().try_get().unwrap()),
        fail: &|| {
            fails.store(true, Ordering::SeqCst);
            assert!(function.access().anew().try_get().is_err());
            fails.store(false, Ordering::SeqCst);
        },
        invalidate: &|| function.invalidate(),
    });

    let clock_of_locks = Arc::clone(clock);
    let registry = Registry::with_maker(move |_: &u64| Dogpile::with_clock(MINUTE, Arc::clone(&clock_of_locks)));
    let held = registry.get(&1);
    test(&Subject {
        name: "Held",
        status: &held,
        clock,
        publish: &|| {
            held.mark_stale();
            assert_eq!(block_on(held.access_async().or_create(async || ())), Outcome::Created);
        },
        fail: &|| {
            held.mark_stale();
            assert!(block_on(held.access_async().or_try_create(async || Err(Failure))).is_err());
        },
        invalidate: &|| block_on(held.invalidate_async()),
    });
}
