//! Jobs that are refused, lost or leaked, or that fail or panic (C9, C10).

use crate::{MINUTE, MORTAL, PAUSING, SECOND, Shelf, hand_over, lock, stale, unwanted};
use dogpile::{AcquireError, Cached, Dogpile, Freshness, Job, Made, Outcome, Pool, Runner as _};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn c9_a_runner_that_refuses_frees_the_lock() {
    let (lock, _) = stale(&MORTAL);
    assert_eq!(hand_over(&lock, &|job: Job| drop(job)), Outcome::Stale);
    assert!(!lock.is_creating());
    assert_eq!((lock.freshness(), lock.age()), (Freshness::Stale, Some(MINUTE)), "L5: as it was");
    let shelf = Shelf::default();
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale, "the next one is elected");
    shelf.take()();
    assert_eq!(unwanted(&lock), Outcome::Fresh);
    assert_eq!((lock.stats().failures, lock.stats().creations), (0, 2));
}

#[test]
fn f7_c9_a_refused_job_causes_no_pause() {
    let (lock, _) = stale(&PAUSING);
    assert_eq!(hand_over(&lock, &|job: Job| drop(job)), Outcome::Stale);
    assert_eq!((lock.paused_for(), lock.stats().failures), (None, 0));
    let shelf = Shelf::default();
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale, "the next one is elected");
    drop(shelf);
    assert_eq!((lock.paused_for(), lock.stats().failures), (None, 0));
    lock.invalidate();
    assert_eq!(Dogpile::kept(&lock).in_background(&crate::nobody).or_create(|| ()), Outcome::Created);
}

#[test]
fn c9_a_runner_that_loses_its_jobs_frees_the_lock() {
    let (lock, _) = stale(&MORTAL);
    let shelf = Shelf::default();
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale);
    assert!(lock.is_creating(), "it may yet run");
    lock.invalidate();
    thread::scope(|scope| {
        let waits = scope.spawn(|| lock.acquire_or_create(|| ()));
        while lock.waiting() == 0 {
            thread::yield_now();
        }
        drop(shelf);
        assert_eq!(waits.join().unwrap(), Outcome::Created, "L5: handed on to the waiter");
    });
}

#[test]
fn c9_a_runner_that_panics_frees_the_lock() {
    let (lock, _) = stale(&MORTAL);
    let panics = |_: Job| panic!("no threads");
    let panic = catch_unwind(AssertUnwindSafe(|| hand_over(&lock, &panics))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no threads"));
    assert!(!lock.is_creating());
    assert_eq!(lock.freshness(), Freshness::Stale);
}

#[test]
fn c10_a_creator_that_panics_in_its_job_frees_the_lock_and_no_more() {
    let (lock, _) = stale(&PAUSING);
    let shelf = Shelf::default();
    Dogpile::kept(&lock).in_background(&shelf).or_create(|| panic!("on purpose"));
    shelf.take()(); // the job does not panic
    assert!(!lock.is_creating());
    assert_eq!(lock.freshness(), Freshness::Stale);
    lock.invalidate();
    let Err(AcquireError::Paused { cause, .. }) = lock.access().timeout(Duration::MAX).turn() else {
        panic!("no pause")
    };
    assert_eq!(&*cause, "the creator panicked");
}

#[test]
fn c10_a_creator_that_fails_in_its_job_does_not_pin_the_old_value() {
    let (lock, clock) = stale(&PAUSING);
    let (shelf, tried) = (Shelf::default(), Arc::new(AtomicUsize::new(0)));
    for pause in [SECOND, SECOND * 2, SECOND * 4] {
        let counts = Arc::clone(&tried);
        let outcome = Dogpile::kept(&lock).in_background(&shelf).or_try_create(move || {
            counts.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>("no answer")
        });
        assert_eq!(outcome, Ok(Outcome::Stale));
        shelf.take()();
        assert_eq!(lock.paused_for(), Some(pause));
        clock.advance(pause);
    }
    assert_eq!(tried.load(Ordering::SeqCst), 3);
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale);
    shelf.take()();
    assert_eq!(unwanted(&lock), Outcome::Fresh);
}

#[test]
fn c11_a_leaked_job_is_declared_dead() {
    let (lock, clock) = stale(&MORTAL);
    let shelf = Shelf::default();
    Dogpile::kept(&lock).in_background(&shelf).or_create(|| unreachable!("it was dead before it began"));
    let late = shelf.take();
    clock.advance(SECOND);
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale, "another in its place");
    shelf.take()();
    let generation = lock.generation();
    late(); // the late job does nothing
    assert_eq!((lock.generation(), lock.freshness()), (generation, Freshness::Fresh));
    let stats = lock.stats();
    assert_eq!((stats.creations, stats.dead, stats.failures), (2, 1, 0));
}

#[test]
fn c9_a_lock_outlives_its_owners_while_its_job_waits() {
    let (lock, _) = stale(&MORTAL);
    let (shelf, weak) = (Shelf::default(), Arc::downgrade(&lock));
    hand_over(&lock, &shelf);
    drop(lock);
    assert!(weak.upgrade().is_some());
    shelf.take()();
    assert!(weak.upgrade().is_none(), "C7: nothing is left of it");
}

#[test]
fn c12_all_waiters_time_out_and_the_job_goes_on() {
    let (lock, _) = lock(&MORTAL);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let shelf = Shelf::default();
    hand_over(&lock, &shelf);
    lock.invalidate();
    let told = Dogpile::kept(&lock).timeout(Duration::ZERO).in_background(&crate::nobody).or_create(|| ());
    assert_eq!(told, Err(AcquireError::TimedOut));
    shelf.take()();
    let outcome = Dogpile::kept(&lock).timeout(Duration::ZERO).in_background(&crate::nobody).or_create(|| ());
    assert_eq!(outcome, Ok(Outcome::Created), "what the job made was invalidated before");
}

#[test]
fn c9_a_runner_that_panics_has_not_run_the_creator() {
    let (lock, _) = stale(&PAUSING);
    let panics = |_: Job| panic!("no threads");
    assert!(catch_unwind(AssertUnwindSafe(|| hand_over(&lock, &panics))).is_err());
    lock.invalidate();
    let Err(AcquireError::Paused { cause, .. }) = lock.access().timeout(Duration::MAX).turn() else {
        panic!("no pause")
    };
    assert_eq!(&*cause, "the creation was dropped by a panic");
}

/// The payload of a panic. When it is dropped it panics in turn, so many times.
struct Chain(u32);

impl Drop for Chain {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            panic_any(Chain(self.0 - 1));
        }
    }
}

#[test]
fn c10_the_payload_of_a_panic_may_panic_when_dropped() {
    let (lock, _) = stale(&MORTAL);
    let shelf = Shelf::default();
    Dogpile::kept(&lock).in_background(&shelf).or_create(|| panic_any(Chain(3)));
    shelf.take()(); // the job does not panic
    assert!(!lock.is_creating());
    let pool = Pool::new(1, 10);
    pool.run(Box::new(|| panic_any(Chain(3))));
    let (ran, runs) = mpsc::channel();
    pool.run(Box::new(move || ran.send(()).unwrap()));
    runs.recv().unwrap();
}

#[test]
fn c11_jobs_that_were_replaced_while_they_waited_run_nothing() {
    let (lock, clock) = stale(&MORTAL);
    let (shelf, ran) = (Shelf::default(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..5 {
        let counts = Arc::clone(&ran);
        let creator = move |_: &_| {
            counts.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(Dogpile::kept(&lock).in_background(&shelf).or_create_with(creator), Outcome::Stale);
        clock.advance(SECOND);
    }
    while !shelf.is_empty() {
        shelf.take()();
    }
    assert_eq!((ran.load(Ordering::SeqCst), lock.stats().dead), (1, 4), "the last one");
    let cached = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL));
    cached.set(0);
    cached.mark_stale();
    for value in 1..3 {
        let old = Cached::kept(&cached).in_background(&shelf).or_create_with(move |_| match value {
            1 => unreachable!("it was replaced"),
            value => Made::new(value),
        });
        assert_eq!(*old, 0);
        clock.advance(SECOND);
    }
    while !shelf.is_empty() {
        shelf.take()();
    }
    assert_eq!(cached.get_fresh().as_deref(), Some(&2));
}
