//! Each type and mode, and each way to hold a lock.

use crate::{AT_HALF, Clock, HALF, MINUTE, MORTAL, PAUSING, SECOND, SHORT_LIVED, Shelf, nobody};
use dogpile::{
    AcquireError, Cached, CachedFn, CachedGuard, CreateError, Dogpile, ManualClock, MonotonicClock, Outcome, Policy,
    ReadGuard, Registry, Renewal, Stamped, SyncReaderDogpile, ThreadPerJob, WriteLockError,
};
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::Duration;

fn clock() -> Clock {
    Arc::new(ManualClock::new())
}

#[test]
fn cached_returns_the_old_value_and_publishes_the_new() {
    let clock = clock();
    let lock = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&AT_HALF));
    let shelf = Shelf::default();
    let get = |value| Cached::kept(&lock).in_background(&shelf).or_create(move || value);
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
fn c21_a_value_that_is_too_old_is_created_by_the_caller_on_every_type() {
    let clock = clock();
    let cached = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    let readers = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    let stamped = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SHORT_LIVED));
    cached.set(1);
    drop(readers.acquire_or_create(|| ()));
    let old = Stamped { value: 1, created: dogpile::Clock::wall(&*clock) };
    clock.advance(MINUTE + SECOND);
    let got = Cached::kept(&cached).in_background(&nobody).or_create(|| 2);
    assert_eq!((*got, CachedGuard::outcome(&got)), (2, Outcome::Created));
    let guard = SyncReaderDogpile::kept(&readers).in_background(&nobody).or_create(|| ());
    assert_eq!(*guard, Outcome::Created);
    let got = Dogpile::kept(&stamped).fetch_stamped(|| Some(old)).in_background(&nobody).or_create(|| 2);
    assert_eq!(got.value, 2);
}

#[test]
fn cached_renewals_know_the_old_value_in_their_job() {
    let lock = Arc::new(Cached::never_expires());
    lock.set(1);
    lock.mark_stale();
    let shelf = Shelf::default();
    let got = Cached::kept(&lock).in_background(&shelf).or_try_create_with(|renewal: &Renewal<'_, _>| {
        assert_eq!(renewal.old(), Some(&1));
        Ok::<_, Infallible>(renewal.unchanged().unwrap())
    });
    assert_eq!(*got.unwrap(), 1);
    shelf.take()();
    assert_eq!(lock.get_fresh().as_deref(), Some(&1));
    lock.mark_stale();
    let got = Cached::kept(&lock).timeout(Duration::ZERO).in_background(&shelf).or_create(|| 2);
    assert_eq!(got.as_deref(), Ok(&1));
    lock.set(3);
    shelf.take()();
    assert_eq!(lock.get_fresh().as_deref(), Some(&3), "C6: what was set stays");
    let got = Cached::kept(&lock).timeout(Duration::ZERO).in_background(&nobody).or_try_create(|| Err("unwanted"));
    assert_eq!(got.as_deref(), Ok(&3));
}

#[test]
fn functions_run_in_the_background_in_each_of_their_forms() {
    let (clock, shelf) = (clock(), Shelf::default());
    let counts = AtomicU32::new(0);
    let function = move || counts.fetch_add(1, Ordering::SeqCst);
    let function =
        Arc::new(CachedFn::<u32, _, _>::with_clock(MINUTE, Arc::clone(&clock), function).with_policy(&AT_HALF));
    assert_eq!(*CachedFn::kept(&function).in_background(&nobody).get(), 0);
    assert_eq!(*CachedFn::kept(&function).in_background(&nobody).get(), 0);
    clock.advance(HALF);
    assert_eq!(*CachedFn::kept(&function).in_background(&shelf).get(), 0);
    shelf.take()();
    assert_eq!(*CachedFn::kept(&function).timeout(Duration::ZERO).in_background(&nobody).try_get().unwrap(), 1);
    clock.advance(MINUTE);
    let got = CachedFn::kept(&function).timeout(Duration::ZERO).in_background(&shelf).try_get().unwrap();
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
    let failed = CachedFn::kept(&function).in_background(&nobody).try_get();
    assert_eq!(
        failed.map(|_| ()),
        Err(CreateError::Failed("failed with 1".to_owned())),
        "there was nothing to go on with"
    );
    clock.advance(MINUTE);
    fails.store(0, Ordering::SeqCst);
    assert_eq!(CachedFn::kept(&function).in_background(&nobody).try_get().as_deref(), Ok(&7));
    clock.advance(MINUTE);
    fails.store(2, Ordering::SeqCst);
    let old = CachedFn::kept(&function).timeout(Duration::ZERO).in_background(&shelf).try_get();
    assert_eq!(old.as_deref(), Ok(&7));
    shelf.take()();
    assert!(function.paused_for().is_some());
    function.invalidate();
    let told = CachedFn::kept(&function).timeout(Duration::MAX).in_background(&shelf).try_get();
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
    assert_eq!(Dogpile::kept(&LOCK).in_background(&shelf).or_create(|| ()), Outcome::Stale);
    shelf.take()();
    assert!(!LOCK.is_expired());
    assert_eq!(*CACHED.access().in_background(&nobody).or_create(|| 1), 1);
    assert_eq!(*CachedFn::kept(&FUNCTION).in_background(&nobody).get(), 1);

    let held = LOCKS.get(&1);
    held.acquire_or_create(|| ());
    held.mark_stale();
    assert_eq!(Dogpile::kept(&held).in_background(&shelf).or_create(|| ()), Outcome::Stale);
    drop(held);
    assert_eq!(LOCKS.len(), 1, "the job holds it");
    shelf.take()();
    assert!(LOCKS.is_empty());

    let locks: Arc<Registry<u32, Cached<u32>>> = Arc::new(Registry::new(|_| Cached::never_expires()));
    let held = locks.get_owned(&1);
    held.set(1);
    held.mark_stale();
    assert_eq!(*Cached::kept(&held).in_background(&shelf).or_create(|| 2), 1);
    drop((held, locks));
    shelf.take()(); // the registry is still there
}

// --- getter modes

fn finds(value: u32) -> impl FnMut() -> Option<u32> {
    move || Some(value)
}

#[test]
fn a_getter_brings_the_old_value_once() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.mark_stale();
    let (shelf, calls) = (Shelf::default(), Cell::new(0));
    let getter = || {
        calls.set(calls.get() + 1);
        Some(1)
    };
    assert_eq!(Dogpile::kept(&lock).fetch(getter).in_background(&shelf).or_create(|| 2), 1);
    assert_eq!(calls.get(), 1);
    shelf.take()();
    assert!(!lock.is_expired());
    let got = Dogpile::kept(&lock).fetch(finds(2)).timeout(Duration::ZERO).in_background(&nobody).or_create(|| 3);
    assert_eq!(got, Ok(2));
}

#[test]
fn l6_an_invalidated_value_is_not_served_from_the_store() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.invalidate();
    let getter = || -> Option<u32> { panic!("what it finds was invalidated") };
    assert_eq!(Dogpile::kept(&lock).fetch(getter).in_background(&nobody).or_create(|| 2), 2);
    let readers = resource();
    readers.invalidate();
    assert_eq!(*SyncReaderDogpile::kept(&readers).fetch(getter).in_background(&nobody).or_create(|| 2), 2);
}

#[test]
fn l8_a_value_that_the_getter_does_not_find_is_created_by_the_caller() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh());
    lock.mark_stale();
    let calls = Cell::new(0);
    let getter = || {
        calls.set(calls.get() + 1);
        None
    };
    assert_eq!(Dogpile::kept(&lock).fetch(getter).in_background(&nobody).or_create(|| 2), 2);
    assert_eq!(calls.get(), 1);
    assert!(!lock.is_expired());
}

#[test]
fn a_getter_that_fails_is_no_failed_creation() {
    let lock = Arc::new(Dogpile::never_expires().born_fresh().with_policy(&PAUSING));
    lock.mark_stale();
    let got = Dogpile::kept(&lock).fetch(|| Err("down")).in_background(&nobody).or_try_create(|| Ok::<_, &str>(2));
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
        let another = || Dogpile::kept(&lock).in_background(&shelf).or_create(|| ());
        assert_eq!(std::thread::scope(|scope| scope.spawn(another).join().unwrap()), Outcome::Stale);
        Some(1)
    };
    assert_eq!(Dogpile::kept(&lock).fetch(getter).in_background(&nobody).or_create(|| 2), 1);
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
    let getter = || Ok::<_, Infallible>(Some(old));
    let creator = move |creation: &dogpile::Creation<'_, Dogpile<Clock>>| {
        creation.publish(|| stored.send(2).unwrap()).map_err(|error| error.to_string()).map(|()| 2)
    };
    let got = Dogpile::kept(&lock).fetch_stamped(getter).in_background(&shelf).or_try_create_with(creator).unwrap();
    assert_eq!(got.value, 1);
    shelf.take()();
    assert_eq!(store.recv(), Ok(2));
    let fresh = Stamped { value: 3, created: dogpile::Clock::wall(&*clock) };
    let got = Dogpile::kept(&lock).fetch_stamped(|| Some(fresh)).in_background(&nobody).or_create(|| 4);
    assert_eq!(got.value, 3);
    let got = Dogpile::kept(&lock).fetch_stamped(|| None).timeout(MINUTE).in_background(&nobody).or_create(|| 5);
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
fn l9_an_access_that_hands_over_reads_the_old_resource_and_the_swap_waits_for_it() {
    let (lock, shelf) = (resource(), Shelf::default());
    let (swapped, swaps) = mpsc::channel();
    let guard = SyncReaderDogpile::kept(&lock).in_background(&shelf).or_create_with(move |creation| {
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
    let fresh = SyncReaderDogpile::kept(&lock).timeout(Duration::ZERO).in_background(&nobody).or_create(|| ());
    assert_eq!(fresh.as_deref(), Ok(&Outcome::Fresh));
}

#[test]
fn l7_c25_a_job_that_is_run_at_once_is_told_that_its_thread_reads() {
    let (lock, (told, tells)) = (resource(), mpsc::channel());
    let guard =
        SyncReaderDogpile::kept(&lock).in_background(&|job: dogpile::Job| job()).or_try_create_with(move |creation| {
            let refused = creation.write_lock().map(drop);
            told.send(refused).unwrap();
            refused
        });
    assert_eq!(tells.recv(), Ok(Err(WriteLockError::ReadLockHeld)));
    assert_eq!(*guard.unwrap(), Outcome::Stale);
    assert!(lock.is_expired() && !lock.is_creating());
}

#[test]
fn l9_a_thread_that_reads_already_is_not_elected() {
    let lock = resource();
    let shelf = Shelf::default();
    let outer = SyncReaderDogpile::kept(&lock).in_background(&shelf).or_create(|| ());
    let inner = SyncReaderDogpile::kept(&lock).in_background(&nobody).or_create(|| ());
    assert_eq!((*outer, *inner), (Outcome::Stale, Outcome::Stale));
    drop(shelf);
    lock.invalidate();
    let nested = SyncReaderDogpile::kept(&lock).fetch(|| None::<u32>).timeout(Duration::MAX).in_background(&nobody);
    let nested = nested.or_create(|| 1);
    assert_eq!(nested.map(|guard| *guard), Err(AcquireError::ReadLockHeld));
    drop((outer, inner));
    let created =
        SyncReaderDogpile::kept(&lock).timeout(MINUTE).in_background(&nobody).or_try_create(|| Ok::<_, Infallible>(()));
    assert_eq!(created.as_deref(), Ok(&Outcome::Created));
}

#[test]
fn l9_a_getter_runs_under_the_guard_that_is_returned() {
    let (lock, shelf) = (resource(), Shelf::default());
    let guard: ReadGuard<'_, u32> =
        SyncReaderDogpile::kept(&lock).fetch(finds(1)).in_background(&shelf).or_create_with(|creation| {
            creation.write_lock().map(drop).unwrap();
            2
        });
    assert_eq!(*guard, 1);
    assert!(lock.try_acquire_write_lock().is_err());
    drop(guard);
    shelf.take()();
    assert!(!lock.is_expired());
    let got = SyncReaderDogpile::kept(&lock)
        .fetch(|| Ok::<_, Infallible>(None::<u32>))
        .in_background(&nobody)
        .or_try_create(|| Ok::<_, Infallible>(3));
    assert_eq!(*got.unwrap(), 3, "what is lost is created here");
}

#[test]
fn stamped_resources_are_renewed_in_the_background() {
    let lock: Arc<SyncReaderDogpile<MonotonicClock>> = Arc::new(SyncReaderDogpile::new(MINUTE));
    let (shelf, old) = (Shelf::default(), Stamped::from_unix_nanos(1, 1));
    let got = SyncReaderDogpile::kept(&lock).fetch_stamped(|| Some(old)).in_background(&shelf).or_create(|| 2);
    assert_eq!(got.value, 1);
    drop(got);
    shelf.take()();
    let got =
        SyncReaderDogpile::kept(&lock).fetch_stamped(|| None).timeout(MINUTE).in_background(&nobody).or_create(|| 3);
    assert_eq!(got.map(|guard| guard.value), Ok(3));
    let got = SyncReaderDogpile::kept(&lock)
        .fetch_stamped(|| Some(old))
        .timeout(MINUTE)
        .in_background(&shelf)
        .or_try_create(|| Err("no answer"));
    assert_eq!(got.map(|guard| guard.value), Ok(1));
    let got = SyncReaderDogpile::kept(&lock)
        .fetch_stamped(|| Some(old))
        .in_background(&nobody)
        .or_try_create(|| Err("no answer"));
    assert_eq!(got.map(|guard| guard.value), Ok(1), "somebody creates already");
    shelf.take()();
    assert_eq!(lock.stats().failures, 1);
}

#[test]
fn c11_a_getter_that_takes_too_long_and_finds_nothing_leaves_the_creation_to_another() {
    let clock = clock();
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh().with_policy(&MORTAL));
    lock.mark_stale();
    let other = std::cell::RefCell::new(None);
    let getter = || {
        if other.borrow().is_none() {
            clock.advance(MINUTE);
            let elected = || match Dogpile::kept(&lock).turn() {
                dogpile::Turn::Create(creation) => creation,
                turn => panic!("{turn:?}"),
            };
            *other.borrow_mut() = Some(std::thread::scope(|scope| scope.spawn(elected).join().unwrap()));
        }
        None::<u32>
    };
    let unwanted = |_: &_| panic!("the other creates");
    let told =
        Dogpile::kept(&lock).fetch(getter).timeout(Duration::ZERO).in_background(&nobody).or_create_with(unwanted);
    assert_eq!(told, Err(AcquireError::TimedOut), "L8: twice is enough; then it waits");
    other.take().unwrap().finish();
    assert!(!lock.is_expired());
}

/// A clock that also counts the owners of the function while it is read.
#[derive(Clone, Debug, Default)]
struct Counting {
    clock: Arc<ManualClock>,
    function: Arc<OnceLock<Weak<CountedFn>>>,
    most: Arc<AtomicUsize>,
}

type CountedFn = CachedFn<u32, Box<dyn Fn() -> u32 + Send + Sync>, Counting>;

impl dogpile::Clock for Counting {
    fn now(&self) -> u64 {
        let holders = self.function.get().map_or(0, Weak::strong_count);
        self.most.fetch_max(holders, Ordering::SeqCst);
        dogpile::Clock::now(&*self.clock)
    }
}

#[test]
fn l12_a_function_is_shared_only_by_elected_accesses() {
    static EARLY: Policy = Policy::builder().refresh_early(1.0).build_const();
    let counting = Counting::default();
    let clock = Arc::clone(&counting.clock);
    let slow = Box::new(move || -> u32 {
        clock.advance(SECOND);
        1
    });
    let function: CountedFn = CachedFn::with_clock(MINUTE, counting.clone(), slow as _).with_policy(&EARLY);
    let function = Arc::new(function);
    counting.function.set(Arc::downgrade(&function)).unwrap();
    assert_eq!(*CachedFn::kept(&function).in_background(&ThreadPerJob).get(), 1);
    // The value may be due early from here on, with a probability of e^-15. So each access looks, and draws.
    counting.clock.advance(SECOND * 45);
    counting.most.store(0, Ordering::SeqCst);
    for _ in 0..10 {
        let got = CachedFn::kept(&function).in_background(&ThreadPerJob).get();
        assert_eq!(CachedGuard::outcome(&got), Outcome::Fresh);
    }
    assert_eq!(counting.most.load(Ordering::SeqCst), 1);
}
