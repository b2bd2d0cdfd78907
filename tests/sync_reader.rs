//! What `SyncReaderDogpile` does beyond the contract (`tests/contract`) and beyond its readers (`tests/rm_lock.rs`).

mod child;
mod common;
mod failure;

use child::{DONE, is_done, part, play};
use common::until;
use dogpile::{
    AcquireError, CreateError, Creation, Finished, Freshness, LockError, ManualClock, Outcome, OwnedReadGuard, Owner,
    Policy, PublishError, ReadGuard, ReadTurn, RmLock, Stamped, StillStoring, SyncReaderDogpile, WouldBlock,
    WriteGuard, WriteLockError,
};
use failure::Failure;
use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);
/// Trusts every stamp.
static TRUSTING: Policy = Policy::builder().max_skew(Duration::MAX).build_const();

type Lock = SyncReaderDogpile<Arc<ManualClock>>;

/// Runs `run` on a thread of its own, to its end.
fn elsewhere<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

fn manual() -> (Arc<Lock>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock))), clock)
}

/// Returns the same with a fresh value.
fn made() -> (Arc<Lock>, Arc<ManualClock>) {
    let (lock, clock) = manual();
    assert_eq!(*lock.acquire_or_create(|| ()), Outcome::Created);
    (lock, clock)
}

fn elected<G: Debug>(turn: ReadTurn<'_, Arc<ManualClock>, G>) -> Creation<'_, Lock> {
    match turn {
        ReadTurn::Create(creation) => creation,
        turn => panic!("expected to be elected, got {turn:?}"),
    }
}

/// Returns the message of the panic in which `run` ends.
fn message_of<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { panic!("it should panic") };
    *panic.downcast::<String>().expect("the message is made from an error")
}

/// A setter that is not run.
fn unset<V>(_: &V) {
    unreachable!("superseded, or without the write lock");
}

fn is_free(lock: &Lock) -> bool {
    elsewhere(|| lock.try_acquire_write_lock().is_ok())
}

#[test]
fn l9_every_access_holds_a_guard_until_it_is_dropped() {
    let (lock, clock) = manual();
    let writer_is_kept_out = |guard: &dyn Debug| {
        assert!(!is_free(&lock), "{guard:?}");
    };
    let guard = lock.acquire_or_create(|| ());
    assert_eq!(*guard, Outcome::Created);
    writer_is_kept_out(&guard);
    drop(guard);
    assert!(is_free(&lock));

    let ReadTurn::Fresh(guard) = lock.acquire() else { panic!("it is fresh") };
    writer_is_kept_out(&guard);
    drop(guard);
    let guard = lock.fetch(|| Some(7)).or_create(|| unreachable!("it is fresh"));
    assert_eq!(*guard, 7);
    writer_is_kept_out(&guard);
    drop(guard);
    let guard = lock.access().timeout(Duration::ZERO).or_create(|| ()).unwrap();
    assert_eq!(*guard, Outcome::Fresh);
    writer_is_kept_out(&guard);
    drop(guard);

    clock.advance(MINUTE);
    let creation = elected(lock.acquire());
    let ReadTurn::Stale(guard) = lock.acquire() else { panic!("somebody else creates") };
    writer_is_kept_out(&guard);
    drop(guard);
    creation.finish();
    assert!(is_free(&lock));
}

#[test]
fn l9_the_elected_thread_holds_no_guard_and_readers_go_on_while_it_prepares() {
    let (lock, clock) = made();
    clock.advance(MINUTE);
    let guard = lock.access().or_create_with(|creation| {
        assert!(is_free(&lock), "the creating thread does not read");
        // While the elected thread prepares, the readers go on with the old value.
        let outcome = elsewhere(|| *lock.acquire_or_create(|| unreachable!("somebody else creates")));
        assert_eq!(outcome, Outcome::Stale);
        let alone = creation.write_lock().unwrap();
        // They wait only while it swaps.
        assert_eq!(elsewhere(|| lock.try_acquire().unwrap_err()), AcquireError::TimedOut);
        assert_eq!(elsewhere(|| lock.access().timeout(Duration::ZERO).turn().unwrap_err()), AcquireError::TimedOut);
        drop(alone);
        assert!(elsewhere(|| lock.try_acquire().is_ok()));
    });
    assert_eq!(*guard, Outcome::Created);
}

#[test]
fn l9_the_write_lock_waits_for_readers_and_new_readers_wait_behind_it() {
    let (lock, clock) = made();
    let ReadTurn::Fresh(guard) = lock.acquire() else { panic!("it is fresh") };
    clock.advance(MINUTE);
    let swapped = AtomicUsize::new(0);
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let creation = elected(lock.acquire());
            let alone = creation.write_lock().unwrap();
            swapped.store(1, Ordering::Relaxed);
            drop(alone);
            creation.finish()
        });
        until(|| lock.waiting_writers() == 1);
        let reader = scope.spawn(|| {
            let (ReadTurn::Fresh(guard) | ReadTurn::Stale(guard)) = lock.acquire() else { panic!("there is a value") };
            assert_eq!(swapped.load(Ordering::Relaxed), 1, "it waited for the writer");
            drop(guard);
        });
        until(|| lock.waiting_readers() == 1);
        assert_eq!(swapped.load(Ordering::Relaxed), 0);
        drop(guard);
        assert_eq!(creator.join().unwrap(), Finished::Published);
        reader.join().unwrap();
    });
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
}

#[test]
fn l9_c15_a_thread_that_reads_is_let_in_at_once_and_never_elected() {
    let (lock, clock) = made();
    let outer = lock.acquire_or_create(|| ());
    let nested = || {
        let ReadTurn::Stale(inner) = lock.try_acquire().unwrap() else { panic!("stale, whatever it is") };
        drop(inner);
        let inner = lock.acquire_or_create(|| unreachable!("never elected"));
        assert_eq!(*inner, Outcome::Stale);
        let inner = lock.fetch(|| Some(1)).or_create(|| unreachable!("never elected"));
        assert_eq!(*inner, 1);
        let found = Stamped { value: 2, created: SystemTime::UNIX_EPOCH };
        let inner = lock.fetch_stamped(|| Some(found)).or_create(|| unreachable!("never elected"));
        assert_eq!(inner.value, 2);
    };
    // The value has expired, and no thread creates.
    clock.advance(MINUTE);
    nested();
    // A thread creates, and waits for this thread to let go.
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let guard = lock.access().or_create_with(|creation| drop(creation.write_lock()));
            assert_eq!(*guard, Outcome::Created);
        });
        until(|| lock.waiting_writers() == 1);
        nested();
        // The value is gone.
        lock.invalidate();
        assert_eq!(lock.freshness(), Freshness::Missing);
        nested();
        drop(outer);
        creator.join().unwrap();
    });
    // Without a guard, this thread is elected like any other.
    drop(elected(lock.acquire()));
}

#[test]
fn l9_a_thread_that_reads_and_finds_no_value_gets_an_error() {
    let (lock, _) = made();
    let outer = lock.acquire_or_create(|| ());
    let calls = AtomicUsize::new(0);
    let nothing = || {
        calls.fetch_add(1, Ordering::Relaxed);
        None::<()>
    };
    let timed = lock.fetch(nothing).timeout(MINUTE).or_create(|| unreachable!("never elected"));
    assert_eq!(timed.unwrap_err(), AcquireError::ReadLockHeld);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let fallible: Result<_, CreateError<Failure, Failure>> =
        lock.fetch(|| Ok(None::<()>)).or_try_create(|| unreachable!("never elected"));
    assert_eq!(fallible.unwrap_err(), CreateError::ReadLockHeld);
    let failed: Result<_, CreateError<Failure, Failure>> =
        lock.fetch(|| Err::<Option<()>, _>(Failure)).or_try_create(|| unreachable!("never elected"));
    assert_eq!(failed.unwrap_err(), CreateError::GetterFailed(Failure));
    let message = message_of(|| lock.fetch(nothing).or_create(|| unreachable!("never elected")));
    assert!(message.contains("while it holds a read guard"), "{message}");
    drop(outer);
    assert_eq!(*lock.fetch(|| None).or_create(|| 3), 3);
}

#[test]
fn l7_c25_asking_for_the_write_lock_while_reading_is_found() {
    let (lock, clock) = made();
    let guard = lock.acquire_or_create(|| ());
    assert_eq!(lock.acquire_write_lock_timeout(MINUTE).unwrap_err(), LockError::ReadLockHeld);
    let WouldBlock { .. } = lock.try_acquire_write_lock().unwrap_err();
    let message = message_of(|| lock.acquire_write_lock());
    assert!(message.contains("asked for the write lock while it holds a read guard"), "{message}");
    // Another lock is not affected.
    assert!(is_free(&made().0) && made().0.acquire_write_lock_timeout(Duration::ZERO).is_ok());
    drop(guard);

    // A creator reads the old value and would swap it while it reads.
    clock.advance(MINUTE);
    let creation = elected(lock.acquire());
    let old = lock.acquire_or_create(|| ());
    assert_eq!(creation.write_lock().unwrap_err(), WriteLockError::ReadLockHeld);
    assert_eq!(creation.write_lock_timeout(MINUTE).unwrap_err(), WriteLockError::ReadLockHeld);
    drop(old);
    drop(creation.write_lock().unwrap());
    creation.finish();

    // In an access that takes the write lock itself.
    let mut kept = None;
    clock.advance(MINUTE);
    let creator = || {
        kept = Some(lock.acquire_or_create(|| ()));
        Ok(1)
    };
    let got: Result<_, CreateError<Failure>> = lock.fetch(|| Ok(None)).and_set(unset).or_try_create(creator);
    assert_eq!(got.unwrap_err(), CreateError::ReadLockHeld);
    assert!(!lock.is_creating());
    drop(kept);
}

#[test]
fn l7_reading_or_writing_under_the_write_lock_is_found() {
    let (lock, _) = made();
    let alone = lock.acquire_write_lock();
    assert_eq!(lock.access().timeout(MINUTE).turn().unwrap_err(), AcquireError::WriteLockHeld);
    assert_eq!(lock.try_acquire().unwrap_err(), AcquireError::WriteLockHeld);
    assert_eq!(lock.access().timeout(MINUTE).or_create(|| ()).unwrap_err(), AcquireError::WriteLockHeld);
    let fallible = lock.acquire_or_try_create(|| Ok::<(), Failure>(()));
    assert_eq!(fallible.unwrap_err(), CreateError::WriteLockHeld);
    let getter = || -> Result<Option<()>, Failure> { unreachable!("it is not let in") };
    let got: Result<_, CreateError<Failure, Failure>> =
        lock.fetch(getter).or_try_create(|| unreachable!("it is not let in"));
    assert_eq!(got.unwrap_err(), CreateError::WriteLockHeld);
    assert_eq!(lock.acquire_write_lock_timeout(MINUTE).unwrap_err(), LockError::WriteLockHeld);
    for message in [
        message_of(|| lock.acquire()),
        message_of(|| lock.acquire_or_create(|| ())),
        message_of(|| lock.fetch(|| Some(())).or_create(|| ())),
        message_of(|| SyncReaderDogpile::kept(&lock).turn()),
        message_of(|| lock.acquire_write_lock()),
    ] {
        assert!(message.contains("while it holds the write lock"), "{message}");
    }
    drop(alone);
    assert_eq!(*lock.acquire_or_create(|| ()), Outcome::Fresh);
    assert!(is_free(&lock));

    lock.mark_stale();
    let creation = elected(lock.acquire());
    let alone = creation.write_lock().unwrap();
    assert_eq!(creation.write_lock().unwrap_err(), WriteLockError::WriteLockHeld);
    drop(alone);
    creation.finish();
}

#[test]
fn l7_asking_for_the_write_lock_inside_publish_is_found() {
    let (lock, _) = manual();
    let creation = elected(lock.acquire());
    let published = creation.publish(|| {
        assert_eq!(creation.write_lock().unwrap_err(), WriteLockError::InsidePublish);
        assert_eq!(creation.write_lock_timeout(MINUTE).unwrap_err(), WriteLockError::InsidePublish);
        assert_eq!(lock.acquire_write_lock_timeout(MINUTE).unwrap_err(), LockError::InsidePublish);
        let message = message_of(|| lock.acquire_write_lock());
        assert!(message.contains("inside `Creation::publish`"), "{message}");
        // Another lock is not affected.
        drop(made().0.acquire_write_lock());
    });
    assert_eq!(published, Ok(()));
    drop(creation.write_lock().unwrap());
    creation.finish();
}

#[test]
fn l7_a_panic_names_the_place_of_the_mistake() {
    if part().is_none() {
        // The place of a panic is told to a hook, and there is one hook for the whole process.
        let child = play("alone", "l7_a_panic_names_the_place_of_the_mistake");
        assert!(child.status.success() && is_done(&child), "{child:?}");
        return;
    }
    thread_local! {
        static FILE: RefCell<String> = const { RefCell::new(String::new()) };
    }
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        FILE.set(panic.location().map(|at| at.file().to_owned()).unwrap_or_default());
        before(panic);
    }));
    let here = |mistake: &dyn Fn()| {
        assert!(catch_unwind(AssertUnwindSafe(mistake)).is_err());
        FILE.with_borrow(|file| assert!(file.ends_with("sync_reader.rs") && file.contains("tests"), "{file}"));
    };
    let (lock, _) = made();
    let alone = lock.acquire_write_lock();
    here(&|| drop(lock.acquire()));
    here(&|| drop(SyncReaderDogpile::kept(&lock).turn()));
    here(&|| drop(lock.acquire_or_create(|| ())));
    here(&|| drop(lock.access().or_create_with(|_| ())));
    here(&|| drop(lock.fetch(|| Some(())).or_create(|| ())));
    here(&|| drop(lock.acquire_write_lock()));
    drop(alone);
    let data = Arc::new(RmLock::new(0));
    let alone = data.write();
    here(&|| drop(data.read()));
    here(&|| drop(data.read_owned()));
    here(&|| drop(data.write()));
    drop(alone);
    let _reading = data.read();
    here(&|| drop(data.write()));
    println!("{DONE}");
}

#[test]
fn l7_a_leaked_write_guard_does_not_haunt_another_lock() {
    // Two locks at the same place, one after the other.
    let mut place = Box::new(SyncReaderDogpile::never_expires());
    std::mem::forget(place.acquire_write_lock());
    *place = SyncReaderDogpile::never_expires();
    std::mem::forget(place.acquire_or_create(|| ()));
    *place = SyncReaderDogpile::never_expires();
    let ReadTurn::Create(creation) = place.acquire() else { panic!("nobody reads it") };
    drop(creation.write_lock().unwrap());
    creation.finish();
    drop(place.acquire_write_lock());
    // A leaked guard of a creation's swap leaves the creation as it was.
    let mut other = Box::new(SyncReaderDogpile::never_expires());
    let ReadTurn::Create(creation) = other.acquire() else { panic!("there is no value") };
    std::mem::forget(creation.write_lock());
    drop(creation);
    *other = SyncReaderDogpile::never_expires();
    assert_eq!(*other.acquire_or_create(|| ()), Outcome::Created);
}

#[test]
fn l6_a_superseded_creation_does_not_get_the_write_lock() {
    let (lock, clock) = made();
    clock.advance(MINUTE);
    let creation = elected(lock.acquire());
    let ReadTurn::Stale(reading) = lock.acquire() else { panic!("somebody creates") };
    let reading = ReadGuard::into_owned(reading, Arc::clone(&lock));
    lock.invalidate();
    // The refusal comes at once: no reader waits for a swap that will not take place.
    assert_eq!(creation.write_lock_timeout(Duration::ZERO).unwrap_err(), WriteLockError::Superseded);
    assert_eq!(creation.write_lock().unwrap_err(), WriteLockError::Superseded);
    drop(reading);
    assert_eq!(creation.finish(), Finished::Superseded);

    // No waiter is served a value that was not swapped in: a waiter creates.
    let creation = elected(lock.acquire());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| *lock.acquire_or_create(|| ()));
        until(|| lock.waiting() == 1);
        lock.invalidate();
        assert_eq!(creation.write_lock().unwrap_err(), WriteLockError::Superseded);
        creation.finish();
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
    });
}

#[test]
fn l6_a_creation_that_is_superseded_while_it_waits_for_readers_does_not_swap() {
    let (lock, clock) = made();
    let guard = lock.acquire_or_create(|| ());
    clock.advance(MINUTE);
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let creation = elected(lock.acquire());
            creation.write_lock().map(drop).unwrap_err()
        });
        until(|| lock.waiting_writers() == 1);
        // A reader may invalidate the value that it reads. It does not wait for the swap, which waits for the reader.
        lock.invalidate();
        drop(guard);
        assert_eq!(creator.join().unwrap(), WriteLockError::Superseded);
    });
    assert!(is_free(&lock));
}

#[test]
fn l6_an_invalidation_waits_for_a_swap_that_has_begun() {
    let (lock, clock) = made();
    clock.advance(MINUTE);
    let creation = elected(lock.acquire());
    let alone = creation.write_lock().unwrap();
    assert!(matches!(elsewhere(|| lock.invalidate_timeout(Duration::ZERO)), Err(StillStoring { .. })));
    assert_eq!(lock.freshness(), Freshness::Missing, "it has taken effect all the same");
    let generation = lock.generation();
    assert!(matches!(elsewhere(|| lock.invalidate_if_timeout(generation, Duration::ZERO)), Err(StillStoring { .. })));
    let (swapped, before) = (AtomicUsize::new(0), lock.generation());
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            lock.invalidate();
            assert_eq!(swapped.load(Ordering::Relaxed), 1);
        });
        until(|| lock.generation() > before);
        // On the thread of the swap, an invalidation does not wait for that swap.
        lock.invalidate();
        let now = lock.generation();
        assert!(lock.invalidate_if(now));
        swapped.store(1, Ordering::Relaxed);
        drop(alone);
        waits.join().unwrap();
    });
    assert_eq!(creation.finish(), Finished::Superseded);
}

#[test]
fn l5_c17_a_panic_under_the_write_lock_releases_it_and_the_creation() {
    let (lock, clock) = made();
    clock.advance(MINUTE);
    thread::scope(|scope| {
        let creator = scope.spawn(|| {
            let _guard = lock.access().or_create_with(|creation| {
                let _alone = creation.write_lock().unwrap();
                until(|| lock.waiting_readers() == 2);
                panic!("a creator panics on purpose");
            });
        });
        until(|| elsewhere(|| lock.try_acquire().is_err()));
        // The readers wait for the write lock, and then go on with the value that is there.
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| drop(lock.acquire_or_create(|| ())))).collect();
        assert!(creator.join().is_err());
        for reader in readers {
            reader.join().unwrap();
        }
    });
    // A reader that came first has created. Otherwise this access creates now.
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(lock.freshness(), Freshness::Fresh);
    assert!(is_free(&lock));
    // C22 and L6: the store is released as well. It would hold up invalidations.
    assert_eq!(lock.invalidate_timeout(Duration::ZERO), Ok(()));
}

#[test]
fn a_getter_runs_under_the_guard_and_a_setter_under_the_write_lock() {
    let (lock, _) = manual();
    let getter = || -> Option<u32> { unreachable!("the lock knows of no value") };
    let set = |made: &_| {
        assert_eq!(*made, 5);
        assert_eq!(elsewhere(|| lock.try_acquire().unwrap_err()), AcquireError::TimedOut);
    };
    let got = lock.fetch(getter).and_set(set).or_create(|| {
        assert!(is_free(&lock));
        5
    });
    assert_eq!(*got, 5);
    drop(got);
    let calls = AtomicUsize::new(0);
    let getter = || {
        calls.fetch_add(1, Ordering::Relaxed);
        assert!(!is_free(&lock), "it runs as a reader");
        Some(5)
    };
    assert_eq!(*lock.fetch(getter).or_create(|| unreachable!("it is fresh")), 5);
    assert_eq!(calls.load(Ordering::Relaxed), 1, "L8");
    assert!(is_free(&lock));

    // The getter finds nothing. The access creates, and does not call the getter again.
    let found = AtomicUsize::new(0);
    let getter = || {
        found.fetch_add(1, Ordering::Relaxed);
        None::<Stamped<u32>>
    };
    let stamped = lock.fetch_stamped(getter).and_set(|made| assert_eq!(made.value, 6)).or_create(|| 6);
    assert_eq!((stamped.value, found.load(Ordering::Relaxed)), (6, 1));
    drop(stamped);

    // Superseded while it was made: the value goes to its caller, and is not stored.
    lock.mark_stale();
    let got = lock.fetch(|| None).and_set(unset).or_create(|| {
        lock.invalidate();
        7
    });
    assert_eq!(*got, 7);
    assert_eq!(lock.freshness(), Freshness::Missing);
}

#[test]
fn a_setter_that_fails_or_panics_frees_the_lock() {
    let (lock, _) = manual();
    let set = |result: fn() -> Result<(), Failure>| {
        lock.fetch(|| Ok::<_, Failure>(None)).and_set(|_| result()).or_try_create(|| Ok(1))
    };
    assert_eq!(set(|| Err(Failure)).unwrap_err(), CreateError::Failed(Failure));
    assert!(catch_unwind(AssertUnwindSafe(|| set(|| panic!("a setter panics on purpose")))).is_err());
    assert!(!lock.is_creating() && is_free(&lock));
    assert_eq!(*set(|| Ok(())).unwrap(), 1);
    let full = |_: &Stamped<u32>| Err(Failure);
    let stamped = lock.fetch_stamped(|| Ok::<_, Failure>(None)).and_set(full).or_try_create(|| Ok(2));
    assert_eq!(stamped.unwrap_err(), CreateError::Failed(Failure));
}

#[test]
fn l10_one_time_out_covers_readers_writers_and_creations() {
    let (lock, _) = manual();
    // A creation that is running.
    let creation = elected(lock.acquire());
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert_eq!(lock.access().timeout(timeout).turn().unwrap_err(), AcquireError::TimedOut);
        let got = lock.fetch(|| Some(1)).timeout(timeout).or_create(|| 1);
        assert_eq!(got.unwrap_err(), AcquireError::TimedOut);
    }
    // A writer that is in.
    let alone = creation.write_lock().unwrap();
    elsewhere(|| {
        for timeout in [Duration::ZERO, Duration::from_millis(2)] {
            assert_eq!(lock.access().timeout(timeout).turn().unwrap_err(), AcquireError::TimedOut);
            let got = lock.access().timeout(timeout).or_try_create(|| Ok::<(), Failure>(()));
            assert_eq!(got.unwrap_err(), CreateError::TimedOut);
            assert_eq!(lock.acquire_write_lock_timeout(timeout).unwrap_err(), LockError::TimedOut);
        }
    });
    drop(alone);
    creation.finish();
    // A reader that does not let go: neither a creator nor a setter waits for ever, and the other accesses go on.
    let guard = lock.acquire_or_create(|| ());
    lock.mark_stale();
    elsewhere(|| {
        let creation = elected(lock.acquire());
        for timeout in [Duration::ZERO, Duration::from_millis(2)] {
            assert_eq!(creation.write_lock_timeout(timeout).unwrap_err(), WriteLockError::TimedOut);
        }
        drop(creation);
        let getter = || None;
        let got = lock.fetch(getter).and_set(unset).timeout(Duration::from_millis(2)).or_create(|| 1);
        assert_eq!(got.unwrap_err(), AcquireError::TimedOut);
        assert!(!lock.is_creating(), "it was given up");
        assert!(lock.try_acquire().is_ok());
    });
    drop(guard);
    assert_eq!((lock.waiting(), lock.waiting_readers(), lock.waiting_writers()), (0, 0, 0));
}

#[test]
fn owned_guards_and_creations_may_go_to_other_threads() {
    static FOR_GOOD: SyncReaderDogpile = SyncReaderDogpile::never_expires().born_fresh();
    let (lock, clock) = made();
    let ReadTurn::Fresh(guard) = SyncReaderDogpile::kept(&lock).turn() else { panic!("it is fresh") };
    let guard = ReadGuard::into_owned(guard, Arc::clone(&lock));
    let again = guard.again();
    thread::spawn(move || drop(guard)).join().unwrap();
    assert!(!is_free(&lock), "one is left");
    // Once more, although a writer waits.
    thread::scope(|scope| {
        let writer = scope.spawn(|| drop(lock.acquire_write_lock()));
        until(|| lock.waiting_writers() == 1);
        let third = again.again();
        drop(again);
        assert_eq!(lock.waiting_writers(), 1);
        drop(third);
        writer.join().unwrap();
    });
    clock.advance(MINUTE);
    let creation = elected(SyncReaderDogpile::kept(&lock).timeout(Duration::ZERO).turn().unwrap());
    let turn = SyncReaderDogpile::kept(&lock).timeout(MINUTE).turn();
    assert!(matches!(turn, Ok(ReadTurn::Stale(_))), "somebody creates");
    drop(turn);
    let finished = thread::spawn(move || {
        drop(creation.write_lock().unwrap());
        creation.finish()
    });
    assert_eq!(finished.join().unwrap(), Finished::Published);

    // Owned by a lock in a `static`, and by a share.
    let guard = ReadGuard::into_owned(FOR_GOOD.acquire_or_create(|| ()), &FOR_GOOD);
    thread::spawn(move || assert_eq!(*guard, Outcome::Fresh)).join().unwrap();
    drop(FOR_GOOD.acquire_write_lock());
    let guard = ReadGuard::into_owned(lock.fetch(|| Some(1)).or_create(|| 1), Arc::clone(&lock));
    let guard = OwnedReadGuard::map(guard, |one| one + 1);
    drop(lock); // the guard keeps the lock
    thread::spawn(move || assert_eq!(*guard, 2)).join().unwrap();
    let other = made().0;
    let message = catch_unwind(|| ReadGuard::into_owned(FOR_GOOD.acquire_or_create(|| ()), other)).unwrap_err();
    assert!(message.downcast::<&str>().unwrap().contains("the owner of another"));
    assert!(FOR_GOOD.try_acquire_write_lock().is_ok(), "the guard that was refused is gone");
}

#[test]
fn a_guard_drops_its_value_before_it_lets_go() {
    struct Watch<'a>(&'a Lock);
    impl Drop for Watch<'_> {
        fn drop(&mut self) {
            assert!(!is_free(self.0), "still guarded");
        }
    }
    let (lock, _) = made();
    let guard = ReadGuard::map(lock.acquire_or_create(|| ()), |outcome| (outcome, Watch(&lock)));
    assert_eq!(guard.0, Outcome::Fresh);
    drop(guard);
    assert!(is_free(&lock));
    let mut guard = lock.fetch(|| Some(vec![1])).or_create(Vec::new);
    guard.push(2);
    assert_eq!(*guard, [1, 2]);
    assert_eq!(format!("{guard:?}"), "ReadGuard { .. }");
}

#[test]
fn every_form_yields_a_guard() {
    let (lock, _) = manual();
    let stale = || lock.mark_stale();
    let never = || -> Result<u32, Failure> { unreachable!("it is made by another form") };
    assert_eq!(*lock.access().or_create_with(|creation| assert!(!creation.is_superseded())), Outcome::Created);
    stale();
    assert_eq!(*lock.access().timeout(MINUTE).or_create_with(|_| ()).unwrap(), Outcome::Created);
    stale();
    assert_eq!(lock.access().or_try_create_with(|_| Err(Failure)).unwrap_err(), CreateError::Failed(Failure));
    let made = lock.access().timeout(MINUTE).or_try_create_with(|_| Ok::<(), Failure>(())).unwrap();
    assert_eq!(*made, Outcome::Created);
    drop(made);

    let missing = || None::<u32>;
    let gone = || Ok::<_, Infallible>(None::<u32>);
    assert_eq!(*lock.fetch(missing).or_create_with(|_| 1), 1);
    assert_eq!(*lock.fetch(missing).timeout(MINUTE).or_create_with(|_| 2).unwrap(), 2);
    assert_eq!(*lock.fetch(missing).and_set(|_| ()).timeout(MINUTE).or_create(|| 3).unwrap(), 3);
    assert_eq!(*lock.fetch(gone).or_try_create_with(|_| Ok::<_, Failure>(4)).unwrap(), 4);
    assert_eq!(*lock.fetch(gone).timeout(MINUTE).or_try_create_with(|_| Ok::<_, Failure>(5)).unwrap(), 5);
    let set = |_: &u32| Ok::<(), Failure>(());
    assert_eq!(*lock.fetch(gone).and_set(set).timeout(MINUTE).or_try_create(|| Ok(6)).unwrap(), 6);
    assert_eq!(*lock.fetch(|| Ok::<_, Failure>(Some(7))).timeout(MINUTE).or_try_create(never).unwrap(), 7);

    let stamped = |value| Stamped { value, created: SystemTime::UNIX_EPOCH };
    let missing = || None::<Stamped<u32>>;
    let gone = || Ok::<_, Infallible>(None::<Stamped<u32>>);
    assert_eq!(lock.fetch_stamped(missing).or_create_with(|_| 1).value, 1);
    assert_eq!(lock.fetch_stamped(missing).timeout(MINUTE).or_create(|| 2).unwrap().value, 2);
    assert_eq!(lock.fetch_stamped(missing).timeout(MINUTE).or_create_with(|_| 3).unwrap().value, 3);
    assert_eq!(lock.fetch_stamped(missing).and_set(|_| ()).timeout(MINUTE).or_create(|| 4).unwrap().value, 4);
    assert_eq!(lock.fetch_stamped(gone).or_try_create(|| Ok::<_, Failure>(5)).unwrap().value, 5);
    assert_eq!(lock.fetch_stamped(gone).or_try_create_with(|_| Ok::<_, Failure>(6)).unwrap().value, 6);
    assert_eq!(lock.fetch_stamped(gone).timeout(MINUTE).or_try_create(|| Ok::<_, Failure>(7)).unwrap().value, 7);
    let made = lock.fetch_stamped(gone).timeout(MINUTE).or_try_create_with(|_| Ok::<_, Failure>(8)).unwrap();
    assert_eq!(made.value, 8);
    drop(made);
    let set = |_: &Stamped<u32>| Ok::<(), Failure>(());
    assert_eq!(lock.fetch_stamped(gone).and_set(set).timeout(MINUTE).or_try_create(|| Ok(9)).unwrap().value, 9);
    // A stamp from long ago is stale: the first access creates, and the others are served the old value.
    let guard = lock.fetch_stamped(|| Some(stamped(1))).or_create(|| {
        assert_eq!(elsewhere(|| lock.fetch_stamped(|| Some(stamped(1))).or_create(|| 0).value), 1);
        10
    });
    assert_eq!(guard.value, 10);
    drop(guard);
    assert!(is_free(&lock));
}

#[test]
fn born_fresh_and_queries_of_the_lock() {
    static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(MINUTE).born_fresh().with_policy(&TRUSTING);
    assert_eq!(LOCK.freshness(), Freshness::Fresh);
    assert_eq!(*LOCK.acquire_or_create(|| ()), Outcome::Fresh);
    assert!(LOCK.has_value() && !LOCK.is_expired() && !LOCK.is_creating());
    assert_eq!((LOCK.expires_after(), LOCK.waiting()), (MINUTE, 0));
    assert!(LOCK.age().is_some());
    let shown = format!("{LOCK:?}");
    assert!(shown.starts_with("SyncReaderDogpile { dogpile: Dogpile {"), "{shown}");
    assert!(shown.contains("readers: Readers { phase: Idle"), "{shown}");
    let alone = LOCK.acquire_write_lock();
    assert!(format!("{LOCK:?}").contains("Writing"));
    drop(alone);
}

#[test]
fn types_cross_threads_and_panics_as_decided() {
    fn sends<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    fn stays<T: Sync + UnwindSafe + RefUnwindSafe>() {} // its documentation shows that it is not `Send`
    fn sends_data<T: Send + Sync>() {}
    fn is_error<E: Error + Send + Sync + 'static>() {}
    sends::<SyncReaderDogpile>();
    sends::<Lock>();
    sends::<OwnedReadGuard<u8>>();
    sends::<Owner>();
    sends::<Creation<'static, SyncReaderDogpile>>();
    sends::<ReadTurn<'static, dogpile::MonotonicClock, OwnedReadGuard>>();
    stays::<ReadGuard<'static, u8>>();
    stays::<WriteGuard<'static>>();
    sends_data::<RmLock<Vec<u8>>>();
    is_error::<LockError>();
    is_error::<WriteLockError>();
    assert_eq!(WriteLockError::Superseded.to_string(), PublishError::Superseded.to_string());
    for (write, lock) in [
        (WriteLockError::TimedOut, LockError::TimedOut),
        (WriteLockError::ReadLockHeld, LockError::ReadLockHeld),
        (WriteLockError::WriteLockHeld, LockError::WriteLockHeld),
    ] {
        assert_eq!(write.to_string(), lock.to_string());
    }
}
