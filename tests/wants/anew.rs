//! `anew` and `refresh`: the value is made anew, even if it is fresh, and even in a pause.

use crate::common::until;
use crate::executor::block_on;
use dogpile::{
    Backoff, Cached, CachedFn, CachedGuard, CreateError, Dogpile, Freshness, ManualClock, Outcome, Policy,
    SyncReaderDogpile, cached_async,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.0)).build_const();

fn told<T: Copy>(guard: &CachedGuard<T>) -> (T, Outcome) {
    (**guard, CachedGuard::outcome(guard))
}

fn paused() -> Cached<u64, Arc<ManualClock>> {
    let cached = Cached::with_clock(SECOND, Arc::new(ManualClock::new())).with_policy(&PAUSING);
    cached.get_or_try_create(|| Err::<u64, _>("down")).unwrap_err();
    assert!(cached.paused_for().is_some());
    cached
}

#[test]
fn k6_a_value_is_made_anew_though_it_is_fresh() {
    let cached = Cached::new(MINUTE);
    cached.set(1);
    assert_eq!(told(&cached.refresh(|| 2)), (2, Outcome::Created));
    assert_eq!(told(&cached.access().anew().or_create(|| 3)), (3, Outcome::Created));
    let fails = cached.access().anew().or_try_create(|| Err("down"));
    assert_eq!(fails.unwrap_err(), CreateError::Failed("down"));
    assert_eq!(cached.freshness(), Freshness::Stale);
    assert_eq!(told(&block_on(cached.access_async().anew().or_create(async || 4))), (4, Outcome::Created));
    assert_eq!(told(&cached.get_or_create(|| 5)), (4, Outcome::Fresh));
}

#[test]
fn k6_anew_goes_through_a_pause() {
    let cached = paused();
    assert!(matches!(cached.get_or_try_create(|| Ok::<_, &str>(1)), Err(CreateError::Paused { .. })));
    let refreshed = cached.access().anew().or_try_create(|| Ok::<_, &str>(1));
    assert_eq!(refreshed.map(|guard| told(&guard)), Ok((1, Outcome::Created)));
    assert_eq!(cached.paused_for(), None);

    let cached = paused();
    let refreshed = block_on(cached.access_async().anew().or_try_create(async || Ok::<_, &str>(1)));
    assert_eq!(refreshed.map(|guard| told(&guard)), Ok((1, Outcome::Created)));

    // A time-out may pass all the same.
    let cached = paused();
    let refreshed = cached.access().anew().timeout(Duration::ZERO).or_try_create(|| Ok::<_, &str>(1));
    assert_eq!(refreshed.map(|guard| told(&guard)), Ok((1, Outcome::Created)));
}

#[test]
fn k6_a_function_goes_through_a_pause() {
    let calls = AtomicU64::new(0);
    let clock = Arc::new(ManualClock::new());
    let call = || if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err("down") } else { Ok(1) };
    let function = CachedFn::<u64, _, _>::with_clock(MINUTE, clock, call).with_policy(&PAUSING);
    assert_eq!(function.try_get().unwrap_err(), CreateError::Failed("down"));
    assert!(matches!(function.try_get(), Err(CreateError::Paused { .. })));
    assert_eq!(function.access().anew().try_get().map(|guard| told(&guard)), Ok((1, Outcome::Created)));

    let calls = AtomicU64::new(0);
    let call = async || if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err("down") } else { Ok(1) };
    let function = cached_async::<u64, _, _>(MINUTE, call).with_policy(&PAUSING);
    assert_eq!(block_on(function.access_async().try_get()).unwrap_err(), CreateError::Failed("down"));
    let refreshed = block_on(function.access_async().anew().try_get());
    assert_eq!(refreshed.map(|guard| told(&guard)), Ok((1, Outcome::Created)));
}

/// L5: a refresh waits, and is elected in the pause that begins with the failure.
#[test]
fn k6_a_refresh_that_waits_goes_through_the_pause_after_a_failure() {
    let cached = Cached::with_clock(MINUTE, Arc::new(ManualClock::new())).with_policy(&PAUSING);
    cached.set(1);
    cached.mark_stale();
    thread::scope(|threads| {
        let fails = threads.spawn(|| {
            cached.get_or_try_create(|| {
                until(|| cached.waiting() == 1);
                Err::<u64, _>("down")
            })
        });
        until(|| cached.is_creating());
        let refreshed = cached.access().anew().or_try_create(|| Ok::<_, &str>(2));
        assert_eq!(refreshed.map(|guard| told(&guard)), Ok((2, Outcome::Created)));
        fails.join().unwrap().unwrap_err();
    });
}

#[test]
fn k6_locks_without_a_value_create_anew() {
    let lock = Dogpile::never_expires();
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    assert_eq!(lock.access().anew().or_create(|| ()), Outcome::Created);
    assert_eq!(block_on(lock.access_async().anew().or_create(async || ())), Outcome::Created);
    assert_eq!(lock.fetch(|| Some(1)).anew().or_create(|| 2), 2);
    assert_eq!(block_on(lock.access_async().fetch(async || Some(1)).anew().or_create(async || 2)), 2);
    let lock = SyncReaderDogpile::never_expires();
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(*lock.access().anew().or_create(|| ()), Outcome::Created);
}
