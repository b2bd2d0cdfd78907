//! Policies on every type, in a `static` or shared; what they return about themselves; panics on the way.

use crate::{ALMOST_A_SECOND, MINUTE, MORTAL, NANO, PAUSING, PAUSING_AND_SERVING, SECOND, STEADY, elected, paused};
use dogpile::{
    Cached, CachedFn, Clock, Closures, CreateError, Dogpile, ManualClock, OnError, Outcome, Policy, PolicyError,
    Registry, Stamped, SyncReaderDogpile, cached_by_key,
};
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn every_type_takes_a_policy_in_a_static_or_shared() {
    static LOCK: Dogpile = Dogpile::new(MINUTE).with_policy(&PAUSING);
    static READERS: SyncReaderDogpile = SyncReaderDogpile::new(MINUTE).with_policy(&PAUSING).born_fresh();
    static CACHED: Cached<u8> = Cached::new(MINUTE).with_policy(&PAUSING);
    static FUNCTION: CachedFn<u8> = <CachedFn<u8>>::new(MINUTE, || 1).with_policy(&PAUSING);
    static LOCKS: Registry<u8> = Registry::new(|_| Dogpile::new(MINUTE)).with_policy(&PAUSING);
    let shared = Arc::new(Policy::builder().retry_after(STEADY).name("shared").build().unwrap());
    let share = || Arc::clone(&shared);
    assert_eq!(*LOCK.policy(), PAUSING);
    assert_eq!(*READERS.policy(), PAUSING);
    assert_eq!(*CACHED.policy(), PAUSING);
    assert_eq!(*FUNCTION.policy(), PAUSING);
    assert_eq!(*LOCKS.get(&1).policy(), PAUSING);
    assert_eq!(*Dogpile::new(MINUTE).policy(), Policy::default());
    let ruled = Dogpile::new(MINUTE).with_shared_policy(share());
    assert_eq!(ruled.policy().name(), Some("shared"));
    assert_eq!(ruled.with_policy(&MORTAL).policy().creation_timeout(), Some(SECOND), "the last one counts");
    assert_eq!(Dogpile::new(MINUTE).with_policy(&MORTAL).with_shared_policy(share()).policy().name(), Some("shared"));
    assert_eq!(SyncReaderDogpile::new(MINUTE).with_shared_policy(share()).policy().name(), Some("shared"));
    assert_eq!(Cached::<u8>::new(MINUTE).with_shared_policy(share()).policy().name(), Some("shared"));
    assert_eq!(CachedFn::<u8, _>::new(MINUTE, || 1_u8).with_shared_policy(share()).policy().name(), Some("shared"));
    // The policy of the maker's lock comes before that of the registry.
    let locks: Registry<u8> = Registry::new(|key| match key {
        0 => Dogpile::new(MINUTE),
        _ => Dogpile::new(MINUTE).with_policy(&MORTAL),
    });
    let locks = locks.with_shared_policy(share());
    assert_eq!([0, 1].map(|key| locks.get(&key).policy().name()), [Some("shared"), None]);
    drop(locks);
    assert_eq!(Arc::strong_count(&shared), 1, "nothing is left of them");
}

#[test]
fn a_function_by_key_takes_a_policy() {
    let clock = Arc::new(ManualClock::new());
    let calls = AtomicUsize::new(0);
    let stored = parking_lot::Mutex::new(None::<Stamped<u8>>);
    let function = cached_by_key(
        MINUTE,
        |key: &u8| *key,
        |_: &u8| {
            calls.fetch_add(1, Ordering::Relaxed);
            Err::<u8, _>("no answer")
        },
        Closures {
            get: |_: &u8| Ok::<_, Infallible>(*stored.lock()),
            set: |_: &u8, value: &Stamped<u8>| {
                *stored.lock() = Some(*value);
                Ok(())
            },
            remove: |_: &u8| {},
        },
    )
    .with_policy(&PAUSING_AND_SERVING)
    .with_clock(Arc::clone(&clock));
    assert_eq!(function.try_get(&1), Err(CreateError::Failed("no answer")));
    // No access holds the lock any more, but the pause is remembered.
    assert_eq!(function.try_get(&1), Err(paused(SECOND)));
    clock.advance(SECOND);
    *stored.lock() = Some(Stamped { value: 7, created: clock.wall() - MINUTE });
    assert_eq!(function.try_get(&1).unwrap().value, 7);
    assert_eq!(calls.load(Ordering::Relaxed), 2, "it has failed once more, and the old one serves");
    assert_eq!(function.try_get(&1).unwrap().value, 7);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    clock.advance(SECOND * 2);
    assert_eq!(function.access(&1).anew().try_get().unwrap().value, 7);
    assert_eq!(calls.load(Ordering::Relaxed), 3, "as well if a new one was asked for");
    // A pause does not stop an access that asks for a new value.
    assert_eq!(function.access(&1).anew().try_get().unwrap().value, 7);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[test]
fn a_registry_keeps_a_paused_key_until_its_pause_is_over() {
    let clock = Arc::new(ManualClock::new());
    let locks = Registry::with_maker(|_: &u8| Dogpile::with_clock(MINUTE, Arc::clone(&clock))).with_policy(&PAUSING);
    assert_eq!(locks.get(&1).acquire_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    assert_eq!(locks.len(), 1);
    assert_eq!(locks.get(&1).acquire_or_try_create(|| Err("unwanted")), Err(paused(SECOND)));
    clock.advance(ALMOST_A_SECOND);
    assert_eq!(locks.sweep(), 0);
    assert_eq!(locks.get(&1).acquire_or_try_create(|| Err("unwanted")), Err(paused(NANO)));
    clock.advance(NANO);
    assert_eq!(locks.sweep(), 1);
    assert!(locks.is_empty());
    // After the pause, the holder that lets go of the key removes the lock. So does a holder that lets go of another
    // key in the same shard.
    locks.get(&1).acquire_or_try_create(|| Err("no answer")).unwrap_err();
    clock.advance(SECOND);
    drop(locks.get(&1));
    assert!(locks.is_empty());
    for key in 0..=255 {
        locks.get(&key).acquire_or_try_create(|| Err("no answer")).unwrap_err();
    }
    assert_eq!(locks.len(), 256);
    clock.advance(SECOND);
    for key in 0..=255 {
        drop(locks.get(&key));
    }
    assert!(locks.is_empty());
    assert_eq!(locks.get(&1).acquire_or_try_create(|| Ok::<_, &str>(())), Ok(Outcome::Created));
    assert!(locks.is_empty(), "it succeeded: nothing to remember");
}

/// An error whose `Display` panics.
struct PanicsInDisplay;

impl fmt::Display for PanicsInDisplay {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("an error panics on purpose")
    }
}

/// A clock that can be broken: from then on its readings panic.
struct Breakable(ManualClock, Arc<AtomicBool>);

impl Clock for Breakable {
    fn now(&self) -> u64 {
        assert!(!self.1.load(Ordering::SeqCst), "a clock panics on purpose");
        self.0.now()
    }
}

#[test]
fn l5_panics_of_errors_and_clocks_free_the_lock() {
    let broken = Arc::new(AtomicBool::new(false));
    let lock = Dogpile::with_clock(MINUTE, Breakable(ManualClock::new(), Arc::clone(&broken))).with_policy(&PAUSING);
    let error = catch_unwind(AssertUnwindSafe(|| lock.acquire_or_try_create(|| Err(PanicsInDisplay)).is_ok()));
    assert!(error.is_err());
    assert!(!lock.is_creating());
    assert_eq!(lock.paused_for(), Some(SECOND));
    for in_a_panic in [false, true] {
        let creation = elected(lock.acquire());
        broken.store(true, Ordering::SeqCst);
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let _creation = creation;
            assert!(!in_a_panic, "a creator panics on purpose");
        }));
        broken.store(false, Ordering::SeqCst);
        let said = *dropped.unwrap_err().downcast_ref::<&str>().unwrap();
        assert_eq!(said, if in_a_panic { "a creator panics on purpose" } else { "a clock panics on purpose" });
        assert!(!lock.is_creating(), "given up, without a pause");
    }
    // An access whose creation would be timed by the broken clock is not elected.
    broken.store(true, Ordering::SeqCst);
    let mortal = Dogpile::with_clock(MINUTE, Breakable(ManualClock::new(), broken)).with_policy(&MORTAL);
    assert!(catch_unwind(AssertUnwindSafe(|| mortal.try_acquire().is_ok())).is_err());
    assert!(!mortal.is_creating());
}

/// A holder may look at the lock, use it all the same, and fail. That pause is kept as well.
#[test]
fn a_registry_keeps_a_pause_that_began_while_it_was_looked_at() {
    for idle_for in [Duration::ZERO, SECOND] {
        let clock = Arc::new(ManualClock::new());
        let locks = Registry::with_maker(|_: &u8| Dogpile::with_clock(MINUTE, Arc::clone(&clock)))
            .with_policy(&PAUSING)
            .keep_idle(idle_for);
        locks.get(&1).acquire_or_try_create(|| Err("no answer")).unwrap_err();
        clock.advance(SECOND);
        for held in &locks {
            held.acquire_or_try_create(|| Err("no answer")).unwrap_err();
            assert_eq!(held.paused_for(), Some(SECOND * 2));
        }
        clock.advance(SECOND);
        locks.sweep();
        assert_eq!(locks.get(&1).acquire_or_try_create(|| Err("unwanted")), Err(paused(SECOND)));
    }
}

/// A clock that panics at its n-th reading, whatever that reading is for.
struct PanicsAt(ManualClock, AtomicUsize);

impl Clock for PanicsAt {
    fn now(&self) -> u64 {
        assert_ne!(self.1.fetch_sub(1, Ordering::SeqCst), 1, "a clock panics on purpose");
        self.0.now()
    }
}

/// Whatever the reading is for, the lock is left as it was, or free.
#[test]
fn l5_a_clock_that_panics_at_any_reading_leaves_the_lock_free() {
    static ALL: Policy = Policy::builder()
        .retry_after(STEADY)
        .creation_timeout(SECOND)
        .refresh_early(1.0)
        .max_stale(MINUTE)
        .jitter(0.1)
        .build_const();
    static EARLY: Policy = Policy::builder().refresh_early(1.0).build_const();
    for policy in [&ALL, &EARLY, &PAUSING, &MORTAL] {
        let mut panics = 0;
        for reading in 1..20 {
            let clock = Arc::new(PanicsAt(ManualClock::new(), AtomicUsize::new(0)));
            let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
            clock.1.store(reading, Ordering::SeqCst);
            let access = || {
                lock.acquire_or_create(|| ());
                lock.mark_stale();
                drop(lock.acquire_or_try_create(|| Err("no answer")));
                assert!(lock.paused_for() <= Some(SECOND));
                clock.0.advance(MINUTE);
                lock.acquire_or_create(|| ());
            };
            panics += usize::from(catch_unwind(AssertUnwindSafe(access)).is_err());
            clock.1.store(0, Ordering::SeqCst);
            assert!(!lock.is_creating(), "{reading}");
            clock.0.advance(MINUTE * 5);
            assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created, "{reading}");
        }
        assert!(panics > 3, "it is read so often at the least");
    }
}

/// Also during another panic: no entry is held for good, and the process goes on.
#[test]
fn a_clock_that_panics_as_a_key_is_let_go_leaves_nothing() {
    for (idle_for, in_a_panic) in [(SECOND, false), (SECOND, true), (Duration::ZERO, true)] {
        let broken = Arc::new(AtomicBool::new(false));
        let clock = Arc::new(Breakable(ManualClock::new(), Arc::clone(&broken)));
        let locks = Registry::with_maker(|_: &u8| Dogpile::with_clock(MINUTE, Arc::clone(&clock))).keep_idle(idle_for);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let held = locks.get(&1);
            broken.store(true, Ordering::SeqCst);
            if in_a_panic {
                held.acquire_or_create(|| ());
            }
        }));
        broken.store(false, Ordering::SeqCst);
        assert!(panicked.is_err());
        assert!(locks.is_empty(), "{idle_for:?}");
    }
}

#[test]
fn policies_return_their_settings() {
    let policy = Policy::builder()
        .retry_after(STEADY)
        .on_error(OnError::ServeStale)
        .creation_timeout(SECOND)
        .max_skew(MINUTE)
        .name("all")
        .build()
        .unwrap();
    assert_eq!(policy.retry_after(), Some(STEADY));
    assert_eq!(policy.on_error(), OnError::ServeStale);
    assert_eq!(policy.creation_timeout(), Some(SECOND));
    assert_eq!(policy.max_skew(), MINUTE);
    assert_eq!(policy.named("other").name(), Some("other"));
    assert_eq!(
        Policy::builder().creation_timeout(Duration::ZERO).build().unwrap_err().to_string(),
        "the creation time-out is zero, and every creation would be dead at once"
    );
    let panic = catch_unwind(|| Policy::builder().creation_timeout(Duration::ZERO).build_const()).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), &PolicyError::NoTimeToCreate.to_string());
    let paused = paused::<Infallible, Infallible>(SECOND);
    assert_eq!(paused.to_string(), "there is no value, and none is made for another 1s, after a failure: no answer");
}
