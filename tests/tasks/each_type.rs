//! What the forms of each type do beyond the contract.

use crate::executor::{Woken, block_on, poll, step};
use dogpile::{
    CachedGuard, Closures, CreateError, Dogpile, ManualClock, OnError, Outcome, Policy, ReadTurn, Registry, Stamped,
    SyncReaderDogpile, Turn, WriteLockError, cached_async, cached_by_key,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_function_is_refreshed_by_a_creation_that_begins_after_the_call() {
    let calls = AtomicU64::new(0);
    let function = cached_async(Duration::MAX, || async {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        step().await;
        call
    });
    assert_eq!(*block_on(function.access_async().get()), 1);
    assert_eq!(*block_on(function.access_async().get()), 1);
    let woken = Arc::<Woken>::default();
    function.mark_stale();
    let mut began_before = Box::pin(function.access_async().get());
    assert!(poll(&mut began_before, &woken).is_pending());
    let mut refreshed = Box::pin(function.access_async().anew().get());
    assert!(poll(&mut refreshed, &woken).is_pending());
    assert!(poll(&mut began_before, &woken).is_ready());
    assert_eq!(*block_on(refreshed), 3, "not by the one that ran already");
}

#[test]
fn a_function_that_fails_returns_its_error() {
    let fails = cached_async::<u64, _, _>(Duration::MAX, async || Err("no answer"));
    assert_eq!(block_on(fails.access_async().try_get()).unwrap_err(), CreateError::Failed("no answer"));
    assert_eq!(block_on(fails.access_async().anew().try_get()).unwrap_err(), CreateError::Failed("no answer"));
}

#[test]
fn results_are_stored_by_key() {
    let (entries, calls) = (Mutex::new(None::<Stamped<u64>>), AtomicU64::new(0));
    let clock = Arc::new(ManualClock::new());
    let squares = cached_by_key(
        MINUTE,
        |number: &u64| *number,
        async |number: &u64| {
            step().await;
            number * number + calls.fetch_add(1, Ordering::SeqCst)
        },
        Closures {
            get: async |_: &u64| {
                step().await;
                *entries.lock().unwrap()
            },
            set: async |_: &u64, made: &Stamped<u64>| {
                step().await;
                *entries.lock().unwrap() = Some(*made);
            },
            remove: async |_: &u64| *entries.lock().unwrap() = None,
        },
    );
    let squares = squares.with_clock(Arc::clone(&clock));
    let get = || block_on(squares.access_async(&3).get()).value;
    assert_eq!((get(), get()), (9, 9));
    assert_eq!(block_on(squares.access_async(&3).anew().get()).value, 10);
    assert_eq!(block_on(squares.try_peek_async(&3)).unwrap().map(|got| got.value), Some(10));
    clock.advance(MINUTE);
    assert_eq!((get(), get()), (11, 11));
    block_on(squares.try_invalidate_async(&3)).unwrap();
    assert_eq!(*entries.lock().unwrap(), None);
    assert_eq!(get(), 12);

    // A value that is invalidated during its creation goes to its own caller, and is not stored (L6).
    block_on(squares.try_invalidate_async(&3)).unwrap();
    let woken = Arc::<Woken>::default();
    let mut superseded = Box::pin(squares.access_async(&3).get());
    while !squares.is_creating(&3) {
        assert!(poll(&mut superseded, &woken).is_pending());
    }
    block_on(squares.try_invalidate_async(&3)).unwrap();
    assert_eq!(block_on(superseded).value, 13);
    assert_eq!(*entries.lock().unwrap(), None);
}

#[test]
fn l6_a_superseded_value_is_not_set() {
    let woken = Arc::<Woken>::default();
    let stored = AtomicU64::new(0);
    let creator = async || {
        step().await;
        7
    };

    let lock = Dogpile::never_expires();
    let set = async |made: &u64| stored.store(*made, Ordering::SeqCst);
    let mut access = Box::pin(lock.access_async().fetch(|| async { None }).and_set(set).or_create(creator));
    assert!(poll(&mut access, &woken).is_pending());
    lock.invalidate();
    assert_eq!((block_on(access), stored.load(Ordering::SeqCst), lock.has_value()), (7, 0, false));

    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let set = async |made: &u64| stored.store(*made, Ordering::SeqCst);
    let access = SyncReaderDogpile::kept_async(&lock).fetch(|| async { None });
    let mut access = Box::pin(access.and_set(set).or_create(creator));
    assert!(poll(&mut access, &woken).is_pending());
    lock.invalidate();
    assert_eq!((*block_on(access), stored.load(Ordering::SeqCst), lock.has_value()), (7, 0, false));

    let ReadTurn::Create(creation) = lock.acquire() else { panic!("not elected") };
    lock.invalidate();
    assert_eq!(block_on(creation.write_lock_async()).unwrap_err(), WriteLockError::Superseded);
}

#[test]
fn on_error_the_old_value_is_served() {
    static STALE: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
    let lock = Arc::new(SyncReaderDogpile::never_expires().with_policy(&STALE));
    let fails = || SyncReaderDogpile::kept_async(&lock).or_try_create(async || Err("no answer"));
    assert_eq!(block_on(fails()).unwrap_err(), CreateError::Failed("no answer"));
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    assert_eq!(*block_on(fails()).unwrap(), Outcome::StaleOnError);

    let cached = Arc::new(dogpile::Cached::never_expires().with_policy(&STALE));
    cached.set(1);
    cached.mark_stale();
    let old = block_on(cached.get_or_try_create_async(async || Err("no answer"))).unwrap();
    assert_eq!((*old, CachedGuard::outcome(&old)), (1, Outcome::StaleOnError));
}

#[test]
fn invalidate_if_async_takes_effect_once_per_generation() {
    let lock = Dogpile::never_expires();
    let seen = lock.generation();
    assert!(block_on(lock.invalidate_if_async(seen)));
    assert!(!block_on(lock.invalidate_if_async(seen)));
    let Turn::Create(creation) = block_on(lock.access_async().turn()) else { panic!("not elected") };
    block_on(creation.run_async(async |creation| assert!(!creation.is_superseded())));

    let lock = SyncReaderDogpile::never_expires();
    let seen = lock.generation();
    assert!(block_on(lock.invalidate_if_async(seen)));
    assert!(!block_on(lock.invalidate_if_async(seen)));
}

#[test]
fn a_creation_keeps_the_lock_of_its_key() {
    let locks: Arc<Registry<u64>> = Arc::new(Registry::new(|_| Dogpile::never_expires()));
    let Turn::Create(creation) = block_on(Dogpile::kept_async(&locks.get_owned(&7)).turn()) else {
        panic!("not elected")
    };
    assert_eq!((locks.len(), locks.is_creating(&7)), (1, true));
    block_on(creation.run_async(async |_| step().await));
    assert!(locks.is_empty());
}
