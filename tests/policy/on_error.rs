//! What an elected access gets if its creator fails.

use crate::{MINUTE, PAUSING_AND_SERVING, SECOND, SERVING, fail, ruled, ruled_and_stale, until};
use dogpile::{
    Cached, CachedFn, CachedGuard, Clock as _, CreateError, Freshness, ManualClock, Outcome, Stamped, SyncReaderDogpile,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn the_elected_access_is_served_the_old_value_if_the_policy_says_so() {
    let (lock, _) = ruled_and_stale(&SERVING);
    assert_eq!(fail(&lock), Ok(Outcome::StaleOnError));
    assert_eq!(fail(&lock), Ok(Outcome::StaleOnError), "nobody pauses");
    assert_eq!(lock.freshness(), Freshness::Stale);
    let panicked =
        catch_unwind(AssertUnwindSafe(|| lock.acquire_or_try_create(|| -> Result<(), &str> { panic!("on purpose") })));
    assert!(panicked.is_err());
    lock.invalidate();
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
    let (lock, _) = ruled(&SERVING);
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
    // Invalidated while it was created: there is no value to go on with.
    let (lock, _) = ruled_and_stale(&SERVING);
    let invalidated = lock.acquire_or_try_create(|| {
        lock.invalidate();
        Err("no answer")
    });
    assert_eq!(invalidated, Err(CreateError::Failed("no answer")));
}

#[test]
fn a_cached_value_serves_the_elected_access_on_error() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSING_AND_SERVING);
    assert_eq!(cached.get_or_try_create(|| Err("no answer")).unwrap_err(), CreateError::Failed("no answer"));
    cached.set(7);
    clock.advance(MINUTE);
    let told = |guard: &CachedGuard<u8>| (**guard, CachedGuard::outcome(guard));
    assert_eq!(told(&cached.get_or_try_create(|| Err("no answer")).unwrap()), (7, Outcome::StaleOnError));
    assert_eq!(told(&cached.get_or_try_create(|| Err("unwanted")).unwrap()), (7, Outcome::Stale));
    clock.advance(SECOND);
    let invalidated = cached.access().or_try_create_with(|_| {
        cached.invalidate();
        Err("no answer")
    });
    assert_eq!(invalidated.unwrap_err(), CreateError::Failed("no answer"));
    let fails: CachedFn<u8, _> = dogpile::cached(MINUTE, || Err("no answer")).with_policy(&SERVING);
    fails.set(7);
    assert_eq!(told(&fails.access().anew().try_get().unwrap()), (7, Outcome::StaleOnError));
}

#[test]
fn getters_bring_the_old_value_on_error_and_are_not_called_a_third_time() {
    let (lock, clock) = ruled_and_stale(&SERVING);
    let gets = AtomicUsize::new(0);
    let getter = || {
        gets.fetch_add(1, Ordering::Relaxed);
        Some(7)
    };
    let got = lock.fetch(getter).or_try_create(|| Err("no answer"));
    assert_eq!((got, gets.swap(0, Ordering::Relaxed)), (Ok(7), 1));
    let gone = || None::<u8>;
    assert_eq!(lock.fetch(gone).or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    let down = || Err::<Option<u8>, _>("the store is down");
    assert_eq!(lock.fetch(down).or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    // In stamped getter mode the getter has returned a stale value once before.
    let stale = || {
        gets.fetch_add(1, Ordering::Relaxed);
        Some(Stamped { value: 8, created: clock.wall() - MINUTE })
    };
    let got = lock.fetch_stamped(stale).or_try_create(|| Err("no answer"));
    assert_eq!((got.map(|got| got.value), gets.swap(0, Ordering::Relaxed)), (Ok(8), 2));
    lock.invalidate();
    let got = lock.fetch_stamped(stale).or_try_create(|| Err("no answer"));
    assert_eq!(
        (got, gets.load(Ordering::Relaxed)),
        (Err(CreateError::Failed("no answer")), 0),
        "an invalidated value does not serve"
    );
}

#[test]
fn readers_are_served_the_old_resource_on_error() {
    let clock = Arc::new(ManualClock::new());
    let lock = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING);
    assert_eq!(lock.acquire_or_try_create(|| Err("no answer")).map(|_| ()), Err(CreateError::Failed("no answer")));
    assert_eq!(*lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    let guard = lock.acquire_or_try_create(|| Err("no answer")).unwrap();
    assert_eq!(*guard, Outcome::StaleOnError);
    assert!(lock.try_acquire_write_lock().is_err(), "it is a guard");
    drop(guard);
    let guard = lock.fetch(|| Some(7)).or_try_create(|| Err("no answer")).unwrap();
    assert_eq!(*guard, 7);
    assert!(lock.try_acquire_write_lock().is_err(), "it is a guard");
    drop(guard);
    let invalidated = lock.acquire_or_try_create(|| {
        lock.invalidate();
        Err("no answer")
    });
    assert_eq!(invalidated.map(|_| ()), Err(CreateError::Failed("no answer")));
}

/// The time-out leaves no time to read. The access returns the creator's error all the same.
#[test]
fn a_time_out_does_not_hide_the_error() {
    let lock = SyncReaderDogpile::never_expires().with_policy(&SERVING);
    let (writes, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (writes, done, lock) = (&writes, &done, &lock);
        let failed = lock.access().timeout(Duration::ZERO).or_try_create(|| {
            scope.spawn(move || {
                let _alone = lock.acquire_write_lock();
                writes.store(true, Ordering::SeqCst);
                until(|| done.load(Ordering::SeqCst));
            });
            until(|| writes.load(Ordering::SeqCst));
            Err("no answer")
        });
        done.store(true, Ordering::SeqCst);
        assert_eq!(failed.map(|_| ()), Err(CreateError::Failed("no answer")));
    });
}
