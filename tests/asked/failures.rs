//! The last failure of a lock.

use crate::common::until;
use crate::executor::{Woken, block_on, poll};
use crate::failure::Failure;
use crate::{Clock, Lock, MINUTE, MORTAL, PAUSING, SECOND, elected, manual, on_each_type, ruled};
use dogpile::{Cached, Clock as _, Dogpile, Finished, Made, ManualClock, Outcome, Status, ThreadPerJob};
use std::fmt;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

/// Returns the text of the last failure, and how long ago it was.
fn last(lock: &Status<Clock>) -> Option<(String, Duration)> {
    lock.last_failure().map(|failure| (failure.cause().to_string(), failure.age()))
}

#[test]
fn k3_a_lock_of_each_type_tells_what_failed_last() {
    on_each_type(|lock| {
        let (name, status) = (lock.name, lock.status);
        assert_eq!(last(status), None, "{name}");
        (lock.publish)();
        (lock.invalidate)();
        assert_eq!(last(status), None, "{name}");
        (lock.fail)();
        lock.clock.advance(SECOND);
        let failed = || Failure.to_string();
        assert_eq!(last(status), Some((failed(), SECOND)), "{name}");
        (lock.publish)();
        lock.clock.advance(SECOND);
        assert_eq!(last(status), Some((failed(), SECOND * 2)), "{name}: it stays");
        (lock.invalidate)();
        (lock.fail)();
        assert_eq!(last(status), Some((failed(), Duration::ZERO)), "{name}: the last one");
        assert_eq!(status.stats().failures, 2, "{name}");
    });
}

#[test]
fn k3_each_way_to_fail_is_told() {
    let (lock, clock) = manual(MINUTE);
    let lock = &lock;
    let now_is = |cause: &str| {
        assert_eq!(last(lock), Some((cause.to_owned(), Duration::ZERO)));
        clock.advance(SECOND);
    };
    assert!(catch_unwind(AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("on purpose")))).is_err());
    now_is("the creator panicked");
    elected(lock).fail("no answer");
    now_is("no answer");
    assert!(elected(lock).try_run(|_| Err::<(), _>("still none")).is_err());
    now_is("still none");
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        let _creation = elected(lock);
        panic!("on purpose");
    }));
    assert!(dropped.is_err());
    now_is("the creation was dropped by a panic");
    assert!(block_on(lock.access_async().or_try_create(async || Err("by a task"))).is_err());
    now_is("by a task");
    let stored = lock.fetch(|| None::<u64>).and_set(|_| Err("not stored")).or_try_create(|| Ok(1));
    assert!(stored.is_err());
    now_is("not stored");
    // A creation in the background.
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let outcome = Dogpile::kept(lock).in_background(&ThreadPerJob).or_try_create(|| Err("in the background"));
    assert_eq!(outcome, Ok(Outcome::Stale));
    until(|| lock.stats().failures == 7);
    now_is("in the background");
}

#[test]
fn k3_a_creation_that_did_not_fail_is_no_failure() {
    let (lock, _) = manual(MINUTE);
    drop(elected(&lock));
    assert_eq!(last(&lock), None, "let go of");
    let creation = elected(&lock);
    lock.invalidate();
    assert_eq!(creation.finish(), Finished::Superseded);
    assert_eq!(last(&lock), None, "superseded");
    let mut cancelled = Box::pin(lock.access_async().or_create(async || pending().await));
    assert!(poll(&mut cancelled, &Arc::<Woken>::default()).is_pending());
    drop(cancelled);
    assert_eq!(last(&lock), None, "cancelled");
    let (lock, clock) = ruled(&MORTAL);
    let late = elected(&lock);
    clock.advance(SECOND);
    elected(&lock).fail("in time");
    clock.advance(SECOND);
    late.fail("too late");
    assert_eq!(last(&lock), Some(("in time".to_owned(), SECOND)), "the dead have not failed");
    lock.acquire_or_create(|| ());
    assert!(lock.fetch(|| Err::<Option<u64>, _>(Failure)).or_try_create(|| Ok::<_, Failure>(1)).is_err());
    assert_eq!(last(&lock).unwrap().0, "in time", "nor is it one of a creation if a getter fails");
}

#[test]
fn k3_a_value_that_arrives_expired_is_a_failure_under_a_policy_that_pauses() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock));
    cached.access().or_create_with(|_| Made::new(1).expires_after(Duration::ZERO));
    assert_eq!(last(&cached), None);
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSING);
    cached.access().or_create_with(|_| Made::new(1).expires_after(Duration::ZERO));
    assert_eq!(last(&cached), Some(("the value had expired as it arrived".to_owned(), Duration::ZERO)));
    assert_eq!(cached.paused_for(), Some(SECOND));
}

/// The failure is noted before any waiter is woken, so a waiter that is elected after a failure finds it.
#[test]
fn k3_the_next_creator_finds_the_failure() {
    for _ in 0..100 {
        let (lock, _) = manual(MINUTE);
        let fails = elected(&lock);
        thread::scope(|scope| {
            let next = scope
                .spawn(|| lock.acquire_or_create(|| assert_eq!(lock.last_failure().unwrap().to_string(), "no answer")));
            until(|| lock.waiting() == 1);
            fails.fail("no answer");
            assert_eq!(next.join().unwrap(), Outcome::Created);
        });
    }
}

/// Creations fail on several threads while one thread asks for the last failure all the time. Each failure that it sees
/// is whole, and none is older than the one it saw before.
#[test]
fn k3_failures_are_read_whole_while_creations_fail() {
    let (lock, clock) = manual(MINUTE);
    let begin = Barrier::new(3);
    thread::scope(|scope| {
        let fail = |lock: &Lock, of: &'static str| {
            for _ in 0..500 {
                // (There is no value: the thread that is not elected waits, and creates next.)
                assert!(lock.acquire_or_try_create(|| Err(of)).is_err());
            }
        };
        let fails = ["one", "other"].map(|of| {
            let (lock, begin) = (&lock, &begin);
            scope.spawn(move || {
                begin.wait();
                fail(lock, of);
            })
        });
        begin.wait();
        while lock.stats().failures < 1000 {
            if let Some(failure) = lock.last_failure() {
                assert!(["one", "other"].contains(&&**failure.cause()), "{failure}");
            }
        }
        for thread in fails {
            thread.join().unwrap();
        }
    });
    assert_eq!(clock.now(), ManualClock::new().now());
}

/// An error whose `Display` panics.
struct PanicsInDisplay;

impl fmt::Display for PanicsInDisplay {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn k3_an_error_that_panics_as_it_is_displayed_frees_the_lock() {
    for policy in [None, Some(&PAUSING)] {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock));
        let lock = if let Some(policy) = policy { lock.with_policy(policy) } else { lock };
        let fails = AssertUnwindSafe(|| lock.acquire_or_try_create(|| Err(PanicsInDisplay)).is_err());
        assert!(catch_unwind(fails).is_err());
        assert_eq!(last(&lock).unwrap().0, "the creator panicked");
        clock.advance(SECOND);
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    }
}

#[test]
fn k3_a_failure_is_a_value() {
    let (lock, _) = manual(MINUTE);
    elected(&lock).fail("no answer");
    let failure = lock.last_failure().unwrap();
    assert_eq!(failure.clone(), failure);
    assert_eq!((format!("{failure}"), format!("{failure:?}").contains("no answer")), ("no answer".to_owned(), true));
}
