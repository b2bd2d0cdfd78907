//! Each type and mode, and each way to hold a lock.

use crate::{AT_HALF, Clock, HALF, MINUTE, MORTAL, PAUSING, SECOND, SHORT_LIVED, Shelf, nobody};
use dogpile::{
    AcquireError, Cached, CachedFn, CachedGuard, CreateError, Dogpile, GetError, Made, ManualClock, MonotonicClock,
    NeedRegeneration, Outcome, ReadGuard, Registry, Renewal, Stamped, SyncReaderDogpile, WriteLockError,
};
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

fn clock() -> Clock {
    Arc::new(ManualClock::new())
}

#[test]
fn cached_returns_the_old_value_and_publishes_the_new() {
    let clock = clock();
    let lock = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&AT_HALF));
    let shelf = Shelf::default();
    let get = |value| Cached::get_or_create_in_background(&lock, &shelf, move |_| Made::new(value));
    let told = |guard: &CachedGuard<u32>| (**guard, CachedGuard::outcome(guard));
    assert_eq!(told(&get(1)), (1, Outcome::Created));
    assert!(shelf.is_empty());
    clock.advance(MINUTE);
    assert_eq!(told(&get(2)), (1, Outcome::Stale));
    assert_eq!(told(&get(3)), (1, Outcome::Stale), "nobody else is elected");
    shelf.take()();
    assert!(shelf.is_empty());
    assert_eq!(told(&get(4)), (2, Outcome::Fresh));
    clock.advance(HALF);
    assert_eq!(told(&get(5)), (2, Outcome::Fresh), "renewed early");
    shelf.take()();
    assert_eq!(told(&get(6)), (5, Outcome::Fresh));
}

#[test]
fn c21_what_is_too_old_is_created_here_on_every_type() {
    let clock = clock();
    let cached = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    let readers = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    let stamped = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    cached.set(1);
    drop(readers.acquire_or_create(|| ()));
    let old = Stamped { value: 1, created: dogpile::Clock::wall(&*clock) };
    clock.advance(MINUTE + SECOND);
    let got = Cached::get_or_create_in_background(&cached, &nobody, |_| Made::new(2));
    assert_eq!((*got, CachedGuard::outcome(&got)), (2, Outcome::Created));
    let guard = SyncReaderDogpile::acquire_or_create_in_background(&readers, &nobody, |_| ());
    assert_eq!(*guard, Outcome::Created);
    let got = Dogpile::get_or_create_stamped_in_background(&stamped, &nobody, || Ok(old), |_| 2);
    assert_eq!(got.value, 2);
}

#[test]
fn cached_renewals_know_the_old_value_in_their_job() {
    let lock = Arc::new(Cached::never_expires());
    lock.set(1);
    lock.mark_stale();
    let shelf = Shelf::default();
    let got = Cached::get_or_try_create_in_background(&lock, &shelf, |renewal: &Renewal<'_, _>| {
        assert_eq!(renewal.old(), Some(&1));
        Ok::<_, Infallible>(renewal.unchanged().unwrap())
    });
    assert_eq!(*got.unwrap(), 1);
    shelf.take()();
    assert_eq!(lock.try_get().as_deref(), Some(&1));
    lock.mark_stale();
    let got = Cached::get_or_create_in_background_timeout(&lock, &shelf, Duration::ZERO, |_| Made::new(2));
    assert_eq!(got.as_deref(), Ok(&1));
    lock.set(3);
    shelf.take()();
    assert_eq!(lock.try_get().as_deref(), Some(&3), "C6: what was set stays");
    let got = Cached::get_or_try_create_in_background_timeout(&lock, &nobody, Duration::ZERO, |_| Err("unwanted"));
    assert_eq!(got.as_deref(), Ok(&3));
}

#[test]
fn functions_run_in_the_background_in_each_of_their_forms() {
    let (clock, shelf) = (clock(), Shelf::default());
    let counts = AtomicU32::new(0);
    let function = move || counts.fetch_add(1, Ordering::SeqCst);
    let function =
        Arc::new(CachedFn::<u32, _, _>::with_clock(MINUTE, Arc::clone(&clock), function).with_policy(&AT_HALF));
    assert_eq!(*CachedFn::get_in_background(&function, &nobody), 0);
    assert_eq!(*CachedFn::get_in_background(&function, &nobody), 0);
    clock.advance(HALF);
    assert_eq!(*CachedFn::get_in_background(&function, &shelf), 0);
    shelf.take()();
    assert_eq!(*CachedFn::get_in_background_timeout(&function, &nobody, Duration::ZERO).unwrap(), 1);
    clock.advance(MINUTE);
    let got = CachedFn::get_in_background_timeout(&function, &shelf, Duration::ZERO).unwrap();
    assert_eq!((*got, CachedGuard::outcome(&got)), (1, Outcome::Stale));
    shelf.take()();
    assert_eq!(*function.get(), 2);
}

#[test]
fn functions_that_fail_in_the_background_leave_the_old_result() {
    let (clock, shelf, fails) = (clock(), Shelf::default(), Arc::new(AtomicU32::new(0)));
    let of_function = Arc::clone(&fails);
    let function = move || match of_function.load(Ordering::SeqCst) {
        0 => Ok(7),
        failed => Err(format!("failed with {failed}")),
    };
    let function =
        Arc::new(CachedFn::<u32, _, _>::with_clock(MINUTE, Arc::clone(&clock), function).with_policy(&PAUSING));
    fails.store(1, Ordering::SeqCst);
    let failed = CachedFn::get_fallible_in_background(&function, &nobody);
    assert_eq!(
        failed.map(|_| ()),
        Err(CreateError::Failed("failed with 1".to_owned())),
        "there was nothing to go on with"
    );
    clock.advance(MINUTE);
    fails.store(0, Ordering::SeqCst);
    assert_eq!(CachedFn::get_fallible_in_background(&function, &nobody).as_deref(), Ok(&7));
    clock.advance(MINUTE);
    fails.store(2, Ordering::SeqCst);
    let old = CachedFn::get_fallible_in_background_timeout(&function, &shelf, Duration::ZERO);
    assert_eq!(old.as_deref(), Ok(&7));
    shelf.take()();
    assert!(function.paused_for().is_some());
    function.invalidate();
    let told = CachedFn::get_fallible_in_background_timeout(&function, &shelf, Duration::MAX);
    assert!(matches!(told, Err(CreateError::Paused { cause, .. }) if *cause == *"failed with 2"));
}

#[test]
fn a_lock_is_held_by_a_static_an_arc_or_a_registry() {
    static LOCK: Dogpile = Dogpile::never_expires();
    static CACHED: Cached<u32> = Cached::never_expires();
    static FUNCTION: CachedFn<u32> = CachedFn::new(MINUTE, || 1);
    static LOCKS: Registry<u32> = Registry::new(|_| Dogpile::never_expires());
    let shelf = Shelf::default();
    LOCK.acquire_or_create(|| ());
    LOCK.mark_stale();
    assert_eq!(Dogpile::acquire_or_create_in_background(&LOCK, &shelf, |_| ()), Outcome::Stale);
    shelf.take()();
    assert!(!LOCK.is_expired());
    assert_eq!(*Cached::get_or_create_in_background(&CACHED, &nobody, |_| Made::new(1)), 1);
    assert_eq!(*CachedFn::get_in_background(&FUNCTION, &nobody), 1);

    let held = LOCKS.get(&1);
    held.acquire_or_create(|| ());
    held.mark_stale();
    assert_eq!(Dogpile::acquire_or_create_in_background(&held, &shelf, |_| ()), Outcome::Stale);
    drop(held);
    assert_eq!(LOCKS.len(), 1, "the job holds it");
    shelf.take()();
    assert!(LOCKS.is_empty());

    let locks: Arc<Registry<u32, Cached<u32>>> = Arc::new(Registry::new(|_| Cached::never_expires()));
    let held = locks.get_owned(&1);
    held.set(1);
    held.mark_stale();
    assert_eq!(*Cached::get_or_create_in_background(&held, &shelf, |_| Made::new(2)), 1);
    drop((held, locks));
    shelf.take()(); // its registry is still there
}

// --- getter modes

fn finds(value: u32) -> impl FnMut() -> Result<u32, NeedRegeneration> {
    move || Ok(value)
}

#[test]
fn a_getter_brings_the_old_value_once() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.mark_stale();
    let (shelf, calls) = (Shelf::default(), Cell::new(0));
    let getter = || {
        calls.set(calls.get() + 1);
        Ok(1)
    };
    assert_eq!(Dogpile::get_or_create_in_background(&lock, &shelf, getter, |_| 2), 1);
    assert_eq!(calls.get(), 1);
    shelf.take()();
    assert!(!lock.is_expired());
    let got = Dogpile::get_or_create_in_background_timeout(&lock, &nobody, Duration::ZERO, finds(2), |_| 3);
    assert_eq!(got, Ok(2));
}

#[test]
fn l6_what_was_invalidated_is_not_what_the_store_still_holds() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.invalidate();
    let getter = || -> Result<u32, NeedRegeneration> { panic!("what it finds was invalidated") };
    assert_eq!(Dogpile::get_or_create_in_background(&lock, &nobody, getter, |_| 2), 2);
    let readers = resource();
    readers.invalidate();
    assert_eq!(*SyncReaderDogpile::get_or_create_in_background(&readers, &nobody, getter, |_| 2), 2);
}

#[test]
fn l8_what_the_getter_does_not_find_is_created_here() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.mark_stale();
    let calls = Cell::new(0);
    let getter = || {
        calls.set(calls.get() + 1);
        Err(NeedRegeneration)
    };
    assert_eq!(Dogpile::get_or_create_in_background(&lock, &nobody, getter, |_| 2), 2);
    assert_eq!(calls.get(), 1);
    assert!(!lock.is_expired());
}

#[test]
fn a_getter_that_fails_is_no_failed_creation() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh().with_policy(&PAUSING));
    lock.mark_stale();
    let got: Result<u32, CreateError<&str, &str>> =
        Dogpile::get_or_try_create_in_background(&lock, &nobody, || Err(GetError::Failed("down")), |_| Ok(2));
    assert_eq!(got, Err(CreateError::GetterFailed("down")));
    assert!(!lock.is_creating() && lock.paused_for().is_none());
    assert_eq!(lock.stats().failures, 0);
}

#[test]
fn c11_a_getter_that_takes_too_long_creates_nothing() {
    let clock = clock();
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh().with_policy(&MORTAL));
    lock.mark_stale();
    let shelf = Shelf::default();
    let getter = || {
        clock.advance(MINUTE);
        let another = || Dogpile::acquire_or_create_in_background(&lock, &shelf, |_| ());
        assert_eq!(std::thread::scope(|scope| scope.spawn(another).join().unwrap()), Outcome::Stale);
        Ok(1)
    };
    assert_eq!(Dogpile::get_or_create_in_background(&lock, &nobody, getter, |_| 2), 1);
    shelf.take()();
    assert!(!lock.is_expired());
}

#[test]
fn stamped_values_are_renewed_in_the_background() {
    let clock = clock();
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)));
    let (shelf, (stored, store)) = (Shelf::default(), mpsc::channel());
    let old = Stamped { value: 1, created: dogpile::Clock::wall(&*clock) };
    clock.advance(MINUTE);
    let getter = || Ok::<_, GetError<Infallible>>(old);
    let creator = move |creation: &dogpile::Creation<'_, Dogpile<Clock>>| {
        creation.publish(|| stored.send(2).unwrap()).map_err(|error| error.to_string()).map(|()| 2)
    };
    let got = Dogpile::get_or_try_create_stamped_in_background(&lock, &shelf, getter, creator).unwrap();
    assert_eq!(got.value, 1);
    shelf.take()();
    assert_eq!(store.recv(), Ok(2));
    let fresh = Stamped { value: 3, created: dogpile::Clock::wall(&*clock) };
    let got = Dogpile::get_or_create_stamped_in_background(&lock, &nobody, || Ok(fresh), |_| 4);
    assert_eq!(got.value, 3);
    let got =
        Dogpile::get_or_create_stamped_in_background_timeout(&lock, &nobody, MINUTE, || Err(NeedRegeneration), |_| 5);
    assert_eq!(got.unwrap().value, 5, "what is lost is created here");
}

// --- under guards

fn resource() -> Arc<SyncReaderDogpile> {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    lock
}

#[test]
fn l9_who_hands_over_reads_the_old_resource_and_the_swap_waits_for_it() {
    let (lock, shelf) = (resource(), Shelf::default());
    let (swapped, swaps) = mpsc::channel();
    let guard = SyncReaderDogpile::acquire_or_create_in_background(&lock, &shelf, move |creation| {
        let alone = creation.write_lock().unwrap();
        swapped.send(()).unwrap();
        drop(alone);
    });
    assert_eq!(*guard, Outcome::Stale);
    let job = std::thread::spawn(shelf.take());
    while lock.waiting_writers() == 0 {
        std::thread::yield_now();
    }
    assert!(swaps.try_recv().is_err(), "a reader is in");
    drop(guard);
    swaps.recv().unwrap();
    job.join().unwrap();
    let fresh = SyncReaderDogpile::acquire_or_create_in_background_timeout(&lock, &nobody, Duration::ZERO, |_| ());
    assert_eq!(fresh.as_deref(), Ok(&Outcome::Fresh));
}

#[test]
fn l7_c25_a_job_that_is_run_at_once_is_told_that_its_thread_reads() {
    let (lock, (told, tells)) = (resource(), mpsc::channel());
    let guard =
        SyncReaderDogpile::acquire_or_try_create_in_background(&lock, &|job: dogpile::Job| job(), move |creation| {
            let refused = creation.write_lock().map(drop);
            told.send(refused).unwrap();
            refused
        });
    assert_eq!(tells.recv(), Ok(Err(WriteLockError::ReadLockHeld)));
    assert_eq!(*guard.unwrap(), Outcome::Stale);
    assert!(lock.is_expired() && !lock.is_creating());
}

#[test]
fn l9_who_reads_already_is_not_elected() {
    let lock = resource();
    let shelf = Shelf::default();
    let outer = SyncReaderDogpile::acquire_or_create_in_background(&lock, &shelf, |_| ());
    let inner = SyncReaderDogpile::acquire_or_create_in_background(&lock, &nobody, |_| ());
    assert_eq!((*outer, *inner), (Outcome::Stale, Outcome::Stale));
    drop(shelf);
    lock.invalidate();
    let nested = SyncReaderDogpile::get_or_create_in_background_timeout(
        &lock,
        &nobody,
        Duration::MAX,
        || Err::<u32, _>(NeedRegeneration),
        |_| 1,
    );
    assert_eq!(nested.map(|guard| *guard), Err(AcquireError::ReadLockHeld));
    drop((outer, inner));
    let created = SyncReaderDogpile::acquire_or_try_create_in_background_timeout(&lock, &nobody, MINUTE, |_| {
        Ok::<_, Infallible>(())
    });
    assert_eq!(created.as_deref(), Ok(&Outcome::Created));
}

#[test]
fn l9_a_getter_runs_under_the_guard_that_is_returned() {
    let (lock, shelf) = (resource(), Shelf::default());
    let guard: ReadGuard<'_, u32> =
        SyncReaderDogpile::get_or_create_in_background(&lock, &shelf, finds(1), |creation| {
            creation.write_lock().map(drop).unwrap();
            2
        });
    assert_eq!(*guard, 1);
    assert!(lock.try_acquire_write_lock().is_err());
    drop(guard);
    shelf.take()();
    assert!(!lock.is_expired());
    let got = SyncReaderDogpile::get_or_try_create_in_background(
        &lock,
        &nobody,
        || Err::<u32, _>(GetError::<Infallible>::NeedRegeneration),
        |_| Ok::<_, Infallible>(3),
    );
    assert_eq!(*got.unwrap(), 3, "what is lost is created here");
}

#[test]
fn stamped_resources_are_renewed_in_the_background() {
    let lock: Arc<SyncReaderDogpile<MonotonicClock>> = Arc::new(SyncReaderDogpile::new(MINUTE));
    let (shelf, old) = (Shelf::default(), Stamped::from_unix_nanos(1, 1));
    let got = SyncReaderDogpile::get_or_create_stamped_in_background(&lock, &shelf, || Ok(old), |_| 2);
    assert_eq!(got.value, 1);
    drop(got);
    shelf.take()();
    let got = SyncReaderDogpile::get_or_create_stamped_in_background_timeout(
        &lock,
        &nobody,
        MINUTE,
        || Err(NeedRegeneration),
        |_| 3,
    );
    assert_eq!(got.map(|guard| guard.value), Ok(3));
    let got: Result<_, CreateError<&str>> = SyncReaderDogpile::get_or_try_create_stamped_in_background_timeout(
        &lock,
        &shelf,
        MINUTE,
        || Ok(old),
        |_| Err("no answer"),
    );
    assert_eq!(got.map(|guard| guard.value), Ok(1));
    let got: Result<_, CreateError<&str>> =
        SyncReaderDogpile::get_or_try_create_stamped_in_background(&lock, &nobody, || Ok(old), |_| Err("no answer"));
    assert_eq!(got.map(|guard| guard.value), Ok(1), "somebody creates already");
    shelf.take()();
    assert_eq!(lock.stats().failures, 1);
}

#[test]
fn c11_a_getter_that_takes_too_long_and_finds_nothing_leaves_it_to_the_other() {
    let clock = clock();
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh().with_policy(&MORTAL));
    lock.mark_stale();
    let other = std::cell::RefCell::new(None);
    let getter = || {
        if other.borrow().is_none() {
            clock.advance(MINUTE);
            let elected = || match lock.acquire_owned() {
                dogpile::Turn::Create(creation) => creation,
                turn => panic!("{turn:?}"),
            };
            *other.borrow_mut() = Some(std::thread::scope(|scope| scope.spawn(elected).join().unwrap()));
        }
        Err::<u32, _>(NeedRegeneration)
    };
    let unwanted = |_: &_| panic!("the other creates");
    let told = Dogpile::get_or_create_in_background_timeout(&lock, &nobody, Duration::ZERO, getter, unwanted);
    assert_eq!(told, Err(AcquireError::TimedOut), "L8: twice is enough; then it waits");
    other.take().unwrap().finish();
    assert!(!lock.is_expired());
}
