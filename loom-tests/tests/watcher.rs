//! Watchers: waiting for a value, against publishing, setting, invalidating, and against another watcher that leaves.
//!
//! A lost wake-up is a deadlock of the model. What a creator writes is a [`Slot`], so loom checks, for each read of it,
//! that the write came before.
#![cfg(dogpile_loom)]

use dogpile::model::{Deadline, Election, block_until};
use dogpile::{AcquireError, Cached, Dogpile, Finished, Generation, ManualClock, Outcome};
use dogpile_loom_tests::{Reached, Slot, Wakes, check, spawn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

const FOREVER: Duration = Duration::MAX;

/// Polls a future to its end, each time it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let polled = block_until(Deadline::after(FOREVER), |waker| future.as_mut().poll(&mut Context::from_waker(waker)));
    polled.expect("without an end")
}

/// A lock, and what its creators write.
struct Model {
    lock: Dogpile<ManualClock>,
    slot: Slot,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self { lock: Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()), slot: Slot::new() })
    }

    fn create(&self, value: usize) {
        assert_eq!(self.lock.acquire_or_create(|| self.slot.write(value)), Outcome::Created);
    }
}

/// A watcher is told of the value that another thread creates, and sees what was written (L4, C16).
#[test]
fn l4_c16_changed_against_publish() {
    check(|| {
        let shared = Model::new();
        let seen = shared.lock.generation();
        let creator = spawn(&shared, |shared| shared.create(1));
        let task = spawn(&shared, move |shared| {
            assert!(block_on(shared.lock.changed_async(seen)).unwrap() > seen);
            assert_eq!(shared.slot.read(), 1);
        });
        assert!(shared.lock.changed(seen, FOREVER).unwrap() > seen);
        assert_eq!(shared.slot.read(), 1);
        task.join().unwrap();
        creator.join().unwrap();
    });
}

/// A watcher that begins anew with the generation that it was told misses no value, and is told of none twice.
#[test]
fn c16_each_of_two_values_is_told() {
    static BOTH: Reached = Reached::new();
    static AS_ONE: Reached = Reached::new();
    check(|| {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        let mut seen = cached.generation();
        let sets = spawn(&cached, |cached| [1, 2].map(|value| cached.set(value)));
        let mut told = Vec::new();
        while told.last() != Some(&2) {
            seen = cached.changed(seen, FOREVER).unwrap();
            told.push(*cached.peek().expect("nobody takes it away"));
        }
        sets.join().unwrap();
        BOTH.here_if(told == [1, 2]);
        AS_ONE.here_if(told == [2]);
        // (A watcher that was told of the first value may read the second.)
        assert!(told == [1, 2] || told == [2], "{told:?}");
        let more = cached.changed(seen, Duration::ZERO);
        assert!(more == Err(AcquireError::TimedOut) || more == Ok(cached.generation()), "{more:?}");
    });
    BOTH.at_least_once();
    AS_ONE.at_least_once();
}

/// A value that is set ends the wait as a created one does, even though it supersedes a creation (L6).
#[test]
fn c6_changed_against_set_and_creation() {
    static CREATED: Reached = Reached::new();
    static SET: Reached = Reached::new();
    check(|| {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        let seen = cached.generation();
        let setter = spawn(&cached, |cached| cached.set(7));
        let creator = spawn(&cached, |cached| drop(cached.get_or_create(|| 1)));
        let now = cached.changed(seen, FOREVER).unwrap();
        assert!(now > seen);
        let found = *cached.peek().expect("nobody takes it away");
        CREATED.here_if(found == 1);
        SET.here_if(found == 7);
        setter.join().unwrap();
        creator.join().unwrap();
        assert_eq!(cached.peek().map(|value| *value), Some(7));
    });
    CREATED.at_least_once();
    SET.at_least_once();
}

/// A watcher of any value is told of a value that is invalidated at once. An invalidation alone wakes no watcher (L6).
#[test]
fn l6_wait_for_value_against_invalidate() {
    static FIRST: Reached = Reached::new();
    static GONE: Reached = Reached::new();
    static SECOND: Reached = Reached::new();
    check(|| {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        let seen = cached.generation();
        let other = spawn(&cached, |cached| {
            cached.invalidate();
            let forgotten = cached.generation();
            cached.set(1);
            cached.invalidate();
            cached.set(2);
            forgotten
        });
        assert_eq!(cached.wait_for_value(FOREVER), Ok(()));
        let (now, found) = (cached.generation(), cached.peek().map(|value| *value));
        FIRST.here_if(found == Some(1));
        GONE.here_if(found.is_none());
        SECOND.here_if(found == Some(2));
        let forgotten = other.join().unwrap();
        assert!(now > forgotten && forgotten > seen, "it was told by a value");
    });
    FIRST.at_least_once();
    GONE.at_least_once();
    SECOND.at_least_once();
}

/// An invalidation supersedes a creation, which then wakes no watcher. The next creation does.
#[test]
fn l6_a_superseded_creation_wakes_no_watcher() {
    static SUPERSEDED: Reached = Reached::new();
    check(|| {
        let shared = Model::new();
        let seen = shared.lock.generation();
        let invalidator = spawn(&shared, |shared| shared.lock.invalidate());
        let creator = spawn(&shared, |shared| {
            let mut creations = 0;
            while !shared.lock.has_value() && creations < 2 {
                shared.create(1);
                creations += 1;
            }
            creations
        });
        // The value may be invalidated last. Then there is no value to wait for, and the watcher runs out of time.
        let changed = shared.lock.changed(seen, Duration::ZERO);
        invalidator.join().unwrap();
        SUPERSEDED.here_if(creator.join().unwrap() == 2 && changed.is_err());
        assert!(changed.is_err() || changed.is_ok_and(|now| now > seen));
    });
    SUPERSEDED.at_least_once();
}

/// One watcher leaves while a value is published. The other one is told, and nothing is left behind.
#[test]
fn c24_one_of_two_watchers_leaves_as_a_value_is_published() {
    static WOKEN: Reached = Reached::new();
    static GONE: Reached = Reached::new();
    check(|| {
        let election = Arc::new(Election::new());
        let seen = election.generation();
        let born = election.elect(election.look(), None).expect("nobody else creates");
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        let [mut goes, mut stays] = [(); 2].map(|()| election.watch(Some(seen)));
        assert_eq!(goes.poll(&wakes[0].waker(), || false), Poll::Pending);
        assert_eq!(stays.poll(&wakes[1].waker(), || false), Poll::Pending);
        let creator = spawn(&election, move |election| election.finish(born, false, None, |_, _| ()));
        drop(goes);
        assert_eq!(election.waiting(), 0, "a watcher is no waiter");
        assert_eq!(creator.join().unwrap(), Finished::Published);
        assert_eq!(wakes[1].count(), 1);
        WOKEN.here_if(wakes[0].count() == 1);
        GONE.here_if(wakes[0].count() == 0);
        let told: Poll<Generation> = stays.poll(&wakes[1].waker(), || unreachable!("it was told"));
        assert_eq!(told, Poll::Ready(election.generation()));
    });
    WOKEN.at_least_once();
    GONE.at_least_once();
}

/// A watcher has no baton: when a creation fails, the waiter is called, whatever the watcher does.
#[test]
fn l5_a_failure_beside_a_watcher_calls_the_waiter() {
    static CALLED: Reached = Reached::new();
    check(|| {
        let shared = Model::new();
        let seen = shared.lock.generation();
        let fails = spawn(&shared, |shared| drop(shared.lock.acquire_or_try_create(|| Err("on purpose"))));
        let creates = spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(1)));
        // In time or not: the watcher has watched, or has left.
        let watched = shared.lock.changed(seen, Duration::ZERO);
        assert!(watched.is_err() || shared.slot.read() == 1);
        fails.join().unwrap();
        let outcome = creates.join().unwrap();
        CALLED.here_if(shared.lock.stats().waits == 1 && outcome == Outcome::Created);
        assert!(!shared.lock.is_creating() && shared.lock.waiting() == 0);
    });
    CALLED.at_least_once();
}
