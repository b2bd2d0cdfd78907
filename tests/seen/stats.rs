//! The counts of a lock.

use crate::{MINUTE, PAUSING, SECOND, SERVING, cached, lock, one_event_of_each_kind, until};
use dogpile::{
    AcquireError, Cached, Clock, CreateError, Dogpile, Made, ManualClock, Outcome, Policy, Stats, SyncReaderDogpile,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Returns the counts alone, in the order of the fields.
fn counts(stats: Stats) -> [u64; 5] {
    [stats.creations, stats.failures, stats.superseded, stats.dead, stats.waits]
}

#[test]
fn each_event_is_counted_with_its_time() {
    let policy = Policy::builder().creation_timeout(SECOND * 10).build().unwrap();
    let (lock, clock) = lock(policy);
    assert_eq!(lock.stats(), Stats::default());
    one_event_of_each_kind(&lock, &clock);
    let stats = lock.stats();
    assert_eq!(counts(stats), [3, 1, 1, 1, 1]);
    assert_eq!(stats.creating, SECOND * (2 + 3 + 4 + 5 + 10));
    assert_eq!(stats.waiting, SECOND * 5);
}

#[test]
fn a_lock_without_a_policy_counts_too() {
    let lock = SyncReaderDogpile::never_expires();
    drop(lock.acquire_or_create(|| ()));
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(counts(lock.stats()), [1, 0, 0, 0, 0]);
    let cached = Cached::never_expires();
    cached.get_or_create(|| 1);
    cached.set(2);
    cached.mark_stale();
    assert!(cached.get_or_try_create(|| Err("no answer")).is_err());
    assert_eq!(counts(cached.stats()), [1, 1, 0, 0, 0], "what is set is not created");
}

#[test]
fn each_bad_end_is_counted_once() {
    let lock = Dogpile::never_expires();
    let panics = AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("on purpose")));
    assert!(catch_unwind(panics).is_err());
    assert_eq!(lock.stats().failures, 1);
    let dogpile::Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    creation.fail("no answer");
    assert_eq!(counts(lock.stats()), [0, 2, 0, 0, 0]);
    // A creation that finds itself superseded.
    let dogpile::Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    lock.invalidate();
    assert!(creation.is_superseded());
    creation.finish();
    assert_eq!(counts(lock.stats()), [0, 2, 1, 0, 0]);
}

#[test]
fn f7_a_dropped_creation_is_no_failure() {
    let lock = Dogpile::never_expires();
    drop(lock.acquire()); // a creation
    assert_eq!(lock.stats(), Stats::default());
}

#[test]
fn a_creation_that_stands_down_has_neither_succeeded_nor_failed() {
    let lock = Dogpile::never_expires().born_fresh();
    let got: Result<u32, CreateError<&str, &str>> = thread::scope(|scope| {
        // Another thread creates and fails. The waiter is elected, and its getter then finds the value after all.
        let mut waits = None;
        let got = lock.fetch(|| Ok(None::<u32>)).or_try_create(|| {
            waits = Some(scope.spawn(|| {
                let mut finds = [None, Some(1)].into_iter();
                lock.fetch(|| finds.next().unwrap()).or_try_create(|| Err("unwanted"))
            }));
            until(|| lock.waiting() == 1);
            Err("no answer")
        });
        assert_eq!(waits.unwrap().join().unwrap(), Ok(1));
        got
    });
    assert_eq!(got, Err(CreateError::Failed("no answer")));
    assert_eq!(counts(lock.stats()), [0, 1, 0, 0, 1]);
}

#[test]
fn a_value_that_had_expired_as_it_arrived_is_a_creation() {
    let (lock, _) = cached(&PAUSING);
    lock.access().or_create_with(|_| Made::new(1).expires_after(Duration::ZERO));
    assert!(lock.paused_for().is_some());
    assert_eq!(counts(lock.stats()), [1, 0, 0, 0, 0]);
}

#[test]
fn old_values_that_are_served_on_error_are_failures() {
    let (lock, clock) = cached(&SERVING);
    lock.get_or_create(|| 1);
    clock.advance(MINUTE);
    assert!(lock.get_or_try_create(|| Err("no answer")).is_ok());
    assert_eq!(counts(lock.stats()), [1, 1, 0, 0, 0]);
}

#[test]
fn waits_that_end_without_a_value_are_counted() {
    let lock = Dogpile::never_expires().born_fresh();
    lock.invalidate();
    let dogpile::Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    assert!(lock.try_acquire().is_err());
    assert_eq!(lock.stats().waits, 0, "it did not wait");
    assert!(lock.access().timeout(Duration::ZERO).turn().is_err());
    assert_eq!(lock.stats().waits, 1, "it queued");
    thread::scope(|scope| {
        let waits = scope.spawn(|| lock.fetch(|| None).or_create(|| 1));
        until(|| lock.waiting() == 1);
        drop(creation);
        assert_eq!(waits.join().unwrap(), 1);
    });
    assert_eq!(counts(lock.stats()), [1, 0, 0, 0, 2]);
}

#[test]
fn a_value_that_is_seen_has_been_counted() {
    for _ in 0..200 {
        let lock = Dogpile::never_expires();
        thread::scope(|scope| {
            let readers = [(); 2].map(|()| {
                scope.spawn(|| {
                    until(|| !lock.is_expired());
                    assert_eq!(lock.stats().creations, 1);
                })
            });
            let waits = scope.spawn(|| {
                lock.acquire_or_create(|| ());
                assert_eq!(lock.stats().creations, 1);
            });
            lock.acquire_or_create(|| ());
            waits.join().unwrap();
            for reader in readers {
                reader.join().unwrap();
            }
        });
    }
}

#[test]
fn an_access_refused_before_it_queues_has_not_waited() {
    let lock = Dogpile::never_expires();
    lock.acquire_or_create(|| {
        assert!(matches!(lock.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
    });
    let [a, b] = [(); 2].map(|()| Dogpile::never_expires());
    thread::scope(|scope| {
        let mut waits = None;
        a.acquire_or_create(|| {
            waits = Some(scope.spawn(|| b.acquire_or_create(|| _ = a.acquire())));
            until(|| a.waiting() == 1);
            assert!(matches!(b.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
        });
        assert_eq!(waits.unwrap().join().unwrap(), Outcome::Created);
    });
    assert_eq!([lock.stats().waits, a.stats().waits, b.stats().waits], [0, 1, 0]);
}

#[test]
fn f11_sums_stop_at_the_end_of_time() {
    let (lock, clock) = cached(&PAUSING);
    thread::scope(|scope| {
        let waits = || *lock.get_or_create(|| unreachable!("it is served"));
        let mut waiters = Vec::new();
        lock.get_or_create(|| {
            waiters.extend([(); 2].map(|()| scope.spawn(waits)));
            until(|| lock.waiting() == 2);
            clock.advance(Duration::MAX);
            1
        });
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == 1));
    });
    let stats = lock.stats();
    assert_eq!((stats.waits, stats.waiting), (2, Duration::from_nanos(u64::MAX)));
    assert!(stats.creating > Duration::from_secs(1 << 34));
}

/// A clock that panics at one reading.
#[derive(Debug)]
struct Fuse(ManualClock, AtomicU32);

impl Clock for Fuse {
    fn now(&self) -> u64 {
        let left = self.1.load(Ordering::SeqCst);
        if left > 0 {
            self.1.store(left - 1, Ordering::SeqCst);
            assert_ne!(left, 1, "the clock's");
        }
        self.0.now()
    }

    fn now_coarse(&self) -> u64 {
        self.0.now()
    }
}

#[test]
fn deaths_are_counted_though_the_clock_panics() {
    static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
    let mut deaths = 0;
    for fuse in 1..10 {
        let clock = Arc::new(Fuse(ManualClock::new(), AtomicU32::new(0)));
        let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL);
        let dogpile::Turn::Create(dead) = lock.acquire() else { panic!("not elected") };
        clock.0.advance(SECOND);
        clock.1.store(fuse, Ordering::SeqCst);
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(lock.acquire()))).is_err();
        clock.1.store(0, Ordering::SeqCst);
        assert_eq!(lock.stats().dead, u64::from(dead.is_dead()), "at reading {fuse}");
        deaths += u64::from(panicked && dead.is_dead());
    }
    assert!(deaths > 0, "one of them panicked after the election");
}
