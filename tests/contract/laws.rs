//! The laws, as functions over any type that elects.
//!
//! No test sleeps. A creator is held at a [`Gate`](crate::stage::Gate), and a test waits for the state of another
//! thread ([`until`]).

use crate::stage::{
    ALMOST_A_MINUTE, AccessResult, FOREVER, Failure, Ground, HeldCreation, MINUTE, StartLine, Waiters, gate, join,
    make, never, panics, until, would_deadlock,
};
use dogpile::{CreateError, Freshness, Outcome};
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub fn l1_one_creator(ground: &Ground) {
    let (lock, _) = ground.lock(Duration::ZERO);
    let (inside, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let created: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let (lock, inside, runs) = (&lock, &inside, &runs);
                scope.spawn(move || {
                    let outcomes = (0..500u64).map(|turn| {
                        if turn % 50 == thread {
                            lock.invalidate();
                        }
                        lock.access(FOREVER, || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two creators at once");
                            runs.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            if turn % 7 == 0 { Err(Failure) } else { Ok(turn) }
                        })
                    });
                    let elected = |access: &AccessResult| {
                        matches!(access, Ok((Outcome::Created, _)) | Err(CreateError::Failed(_)))
                    };
                    outcomes.filter(elected).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(created, runs.into_inner(), "every creator that ran belongs to one access that says so");
    assert!(created > 0);
}

pub fn l1_a_fresh_value_is_not_created_again(ground: &Ground) {
    for round in 0..200 {
        let (lock, clock) = ground.lock(MINUTE);
        if round % 2 == 0 {
            make(&*lock, 1).unwrap();
            clock.advance(MINUTE);
        }
        let runs = AtomicUsize::new(0);
        let start = StartLine::of(3);
        thread::scope(|scope| {
            let access = || {
                start.wait();
                let access = lock.access(FOREVER, || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    Ok(2)
                });
                access.unwrap();
            };
            join([scope.spawn(access), scope.spawn(access), scope.spawn(access)]);
        });
        assert_eq!(runs.into_inner(), 1);
    }
}

pub fn l2_a_stale_value_is_not_waited_for(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    assert_eq!(make(&*lock, 1), Ok((Outcome::Created, 1)));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 1)));
    clock.advance(MINUTE);
    let creation = HeldCreation::start(&lock, || Ok(2));
    for _ in 0..100 {
        assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)));
    }
    assert_eq!(lock.waiting(), 0);
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 2)));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
}

pub fn l3_one_creation_serves_all_waiters(ground: &Ground) {
    for expires_after in [MINUTE, Duration::ZERO] {
        let (lock, _) = ground.lock(expires_after);
        let creation = HeldCreation::start(&lock, || Ok(1));
        let waiters = Waiters::start(&lock, 8, never);
        assert!(lock.is_creating());
        assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 1)));
        for access in waiters.end() {
            assert_eq!(access, Ok((Outcome::Waited, 1)), "expires after {expires_after:?}");
        }
        assert!(!lock.is_creating());
    }
}

/// Plain memory that only the lock orders. `ThreadSanitizer` and an assertion find accesses that are not ordered.
#[derive(Default)]
struct Plain(UnsafeCell<[u64; 4]>);

// SAFETY: the memory is written by creators only, one at a time (L1), and read after them (L4). That is what is tested.
unsafe impl Sync for Plain {}

impl Plain {
    fn write(&self, value: u64) {
        // SAFETY: see above.
        unsafe { *self.0.get() = [value; 4] }
    }

    fn read(&self) -> [u64; 4] {
        // SAFETY: see above.
        unsafe { *self.0.get() }
    }
}

pub fn l4_an_access_that_sees_a_creation_sees_its_writes(ground: &Ground) {
    for round in 1..200 {
        let (lock, _) = ground.lock(MINUTE);
        let (plain, start) = (Plain::default(), StartLine::of(4));
        thread::scope(|scope| {
            // This thread only sees the value fresh. Nothing but the lock orders it after the creator.
            let fresh = scope.spawn(|| {
                until(|| lock.freshness() == Freshness::Fresh);
                assert_eq!(plain.read(), [round; 4]);
            });
            let accesses = [0, 1, 2, 3].map(|thread| {
                let (lock, plain, start) = (&lock, &plain, &start);
                scope.spawn(move || {
                    start.wait();
                    // The creator of thread 0, if it is the first, fails after writing. The next creator overwrites
                    // what it has left.
                    let access = lock.access(FOREVER, || {
                        let first = plain.read() == [0; 4];
                        plain.write(round);
                        if thread == 0 && first { Err(Failure) } else { Ok(round) }
                    });
                    match access {
                        Ok((_, value)) => {
                            assert_eq!(value, round);
                            assert_eq!(plain.read(), [round; 4]);
                        }
                        Err(error) => assert_eq!(error, CreateError::Failed(Failure)),
                    }
                })
            });
            join(accesses.into_iter().chain([fresh]));
        });
    }
}

pub fn l5_a_failure_leaves_everything_as_it_was(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(MINUTE * 2);
    let generation = lock.generation();
    assert_eq!(lock.access(FOREVER, || Err(Failure)), Err(CreateError::Failed(Failure)));
    let panicked = catch_unwind(AssertUnwindSafe(|| lock.access(FOREVER, panics)));
    assert!(panicked.is_err());
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert_eq!(lock.age(), Some(MINUTE * 2));
    assert_eq!(lock.generation(), generation);
    assert!(!lock.is_creating());
    // C10: after a failure the next access creates again. The failure does not pin the old value.
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
}

fn hands_on(
    ground: &Ground,
    fail: impl FnOnce() -> Result<u64, Failure> + Send + 'static,
) -> thread::Result<AccessResult> {
    let (lock, _) = ground.lock(MINUTE);
    let first = HeldCreation::start(&lock, fail);
    let (gate, keeper) = gate();
    let gate = Mutex::new(gate);
    let runs = Arc::new(AtomicUsize::new(0));
    let waiters = Waiters::start(&lock, 4, {
        let runs = Arc::clone(&runs);
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
            gate.lock().pass();
            Ok(2)
        }
    });
    let first = first.end();
    // One waiter creates. The others are still waiting.
    keeper.see_arrival();
    assert_eq!(lock.waiting(), 3);
    keeper.open();
    let mut outcomes = waiters.end();
    outcomes.sort_by_key(|access| access.as_ref().map(|(outcome, _)| *outcome != Outcome::Created).unwrap());
    assert_eq!(outcomes[0], Ok((Outcome::Created, 2)));
    assert!(outcomes[1..].iter().all(|access| *access == Ok((Outcome::Waited, 2))), "{outcomes:?}");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    first
}

pub fn l5_c3_an_error_hands_on_to_exactly_one_waiter(ground: &Ground) {
    assert_eq!(hands_on(ground, || Err(Failure)).unwrap(), Err(CreateError::Failed(Failure)));
}

pub fn l5_c1_c17_a_panic_hands_on_to_exactly_one_waiter(ground: &Ground) {
    let panicked = hands_on(ground, panics);
    assert!(panicked.is_err(), "the panic reaches the caller of the access");
}

pub fn c1_the_old_value_serves_while_creators_panic(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(MINUTE);
    let creation = HeldCreation::start(&lock, panics);
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)));
    assert!(creation.end().is_err());
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
}

pub fn l6_c8_an_invalidation_wins_over_a_creation(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    let creation = HeldCreation::start(&lock, || Ok(1));
    let before = Waiters::start(&lock, 2, never);
    lock.invalidate();
    let after = Waiters::start(&lock, 2, || Ok(2));
    // The value still goes to its creator's caller and to the waiters from before the invalidation, and to no other
    // access.
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 1)));
    let mut after: Vec<_> = after.end().into_iter().map(Result::unwrap).collect();
    after.sort_by_key(|(outcome, _)| *outcome != Outcome::Created);
    assert_eq!(after, [(Outcome::Created, 2), (Outcome::Waited, 2)]);
    for access in before.end() {
        let (outcome, value) = access.unwrap();
        assert_eq!(outcome, Outcome::Waited);
        assert!(value == 1 || value == 2, "at least as new as what it waited for");
    }
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
}

pub fn l6_a_superseded_value_never_becomes_fresh(ground: &Ground) {
    for stale in [false, true] {
        let (lock, clock) = ground.lock(MINUTE);
        if stale {
            make(&*lock, 1).unwrap();
            clock.advance(MINUTE);
        }
        let creation = HeldCreation::start(&lock, || Ok(2));
        lock.invalidate();
        assert_eq!(lock.freshness(), Freshness::Missing, "at once, not when the creation ends");
        let generation = lock.generation();
        assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 2)));
        assert_eq!(lock.freshness(), Freshness::Missing);
        assert_eq!(lock.generation(), generation);
        assert_eq!(make(&*lock, 3), Ok((Outcome::Created, 3)));
        assert_eq!(lock.freshness(), Freshness::Fresh);
    }
}

pub fn l6_a_value_marked_while_created_is_published_as_stale(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(MINUTE);
    let creation = HeldCreation::start(&lock, || Ok(2));
    lock.mark_stale();
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)));
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 2)));
    assert_eq!(lock.freshness(), Freshness::Stale);
    // The next access creates, and the others go on with the old value. The mark is used up.
    let creation = HeldCreation::start(&lock, || Ok(3));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 2)));
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 3)));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 3)));
}

pub fn l6_a_mark_does_not_starve_waiters(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    lock.mark_stale();
    assert_eq!(lock.freshness(), Freshness::Missing, "nothing to be stale");
    let creation = HeldCreation::start(&lock, || Ok(1));
    lock.mark_stale();
    let waiters = Waiters::start(&lock, 2, never);
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 1)));
    assert!(waiters.end().iter().all(|access| *access == Ok((Outcome::Waited, 1))));
    assert_eq!(lock.freshness(), Freshness::Stale);
}

pub fn l6_marks_and_invalidations_reach_the_next_access(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    lock.mark_stale();
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
    lock.invalidate();
    assert_eq!(lock.freshness(), Freshness::Missing);
    assert_eq!(lock.age(), None);
    assert_eq!(make(&*lock, 3), Ok((Outcome::Created, 3)));
}

pub fn l6_invalidate_if_takes_effect_once_per_generation(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    let (seen, start, runs) = (lock.generation(), StartLine::of(64), AtomicUsize::new(0));
    let invalidated: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let invalidated = lock.invalidate_if(seen);
                    let renewed = lock.access(FOREVER, || {
                        runs.fetch_add(1, Ordering::Relaxed);
                        Ok(2)
                    });
                    assert_eq!(renewed.unwrap().1, 2);
                    usize::from(invalidated)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((invalidated, runs.into_inner()), (1, 1));
    assert!(lock.generation() > seen);
}

pub fn l7_c13_a_creator_does_not_wait_for_its_own_value(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    let created = lock.access(FOREVER, || {
        assert_eq!(lock.access(FOREVER, never), Err(would_deadlock()));
        assert_eq!(lock.access(Duration::ZERO, never), Err(would_deadlock()));
        // Another lock's value is not the creator's own.
        let (other, _) = ground.lock(MINUTE);
        assert_eq!(make(&*other, 7), Ok((Outcome::Created, 7)));
        Ok(1)
    });
    assert_eq!(created, Ok((Outcome::Created, 1)));
    // With an old value, the creator's access goes on with that value, like every other access.
    clock.advance(MINUTE);
    let created = lock.access(FOREVER, || {
        assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)));
        // Once the value is invalidated there is no value to go on with, and the access would wait for its own creation
        // again.
        lock.invalidate();
        assert_eq!(lock.access(FOREVER, never), Err(would_deadlock()));
        Ok(2)
    });
    assert_eq!(created, Ok((Outcome::Created, 2)));
    // The access within the creator has left nothing behind.
    assert_eq!(make(&*lock, 3), Ok((Outcome::Created, 3)));
}

pub fn l10_c12_a_wait_ends_and_the_creation_goes_on(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    let creation = HeldCreation::start(&lock, || Ok(1));
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert_eq!(lock.access(timeout, never), Err(CreateError::TimedOut));
    }
    assert_eq!(lock.waiting(), 0, "the timed-out access has left the queue");
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 1)));
    assert_eq!(lock.access(Duration::ZERO, never), Ok((Outcome::Fresh, 1)));
}

pub fn l10_a_timed_out_waiter_does_not_take_the_turn_of_another(ground: &Ground) {
    for _ in 0..50 {
        let (lock, _) = ground.lock(MINUTE);
        let creation = HeldCreation::start(&lock, || Err(Failure));
        let impatient: Vec<_> = (0..3)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || lock.access(Duration::from_micros(100), || Err(Failure)))
            })
            .collect();
        let patient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.access(FOREVER, || Ok(2)))
        };
        creation.end().unwrap().unwrap_err();
        // Whichever of the impatient accesses was elected, failed or timed out, in whatever order, the patient one is
        // not forgotten.
        assert_eq!(patient.join().unwrap(), Ok((Outcome::Created, 2)));
        for thread in impatient {
            match thread.join().unwrap() {
                Ok((_, value)) => assert_eq!(value, 2),
                Err(error) => assert!(matches!(error, CreateError::TimedOut | CreateError::Failed(_)), "{error:?}"),
            }
        }
    }
}

pub fn l11_expiry_is_exact_and_never_early(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 1)));
    assert_eq!(lock.freshness(), Freshness::Fresh);
    clock.advance(Duration::from_nanos(1));
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert_eq!(lock.age(), Some(MINUTE));
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
    assert_eq!(lock.age(), Some(Duration::ZERO));
}

pub fn l11_zero_and_max(ground: &Ground) {
    let (zero, _) = ground.lock(Duration::ZERO);
    for value in 1..4 {
        assert_eq!(make(&*zero, value), Ok((Outcome::Created, value)));
        assert_eq!(zero.freshness(), Freshness::Stale);
    }
    let creation = HeldCreation::start(&zero, || Ok(4));
    assert_eq!(zero.access(FOREVER, never), Ok((Outcome::Stale, 3)), "nobody waits when there is a value");
    assert_eq!(creation.end().unwrap(), Ok((Outcome::Created, 4)));

    for forever in [Duration::MAX, Duration::from_nanos(u64::MAX)] {
        let (lock, clock) = ground.lock(forever);
        make(&*lock, 1).unwrap();
        clock.advance(Duration::MAX);
        assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 1)));
    }
}

pub fn c16_no_wake_up_is_lost(ground: &Ground) {
    for round in 0..1_000 {
        let (lock, _) = ground.lock(MINUTE);
        let start = StartLine::of(2);
        let access = |fails: bool| {
            start.wait();
            lock.access(FOREVER, || if fails { Err(Failure) } else { Ok(round) })
        };
        thread::scope(|scope| {
            let fails = scope.spawn(|| access(true));
            assert_eq!(access(false).unwrap().1, round);
            if let Err(error) = fails.join().unwrap() {
                assert_eq!(error, CreateError::Failed(Failure));
            }
        });
    }
}

pub fn c18_the_stamp_is_taken_when_the_creator_returns(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    let slow = lock.access(FOREVER, || {
        clock.advance(MINUTE * 10);
        Ok(1)
    });
    assert_eq!(slow, Ok((Outcome::Created, 1)));
    assert_eq!(lock.age(), Some(Duration::ZERO));
    assert_eq!(lock.freshness(), Freshness::Fresh);
}

pub fn c22_creators_run_outside_every_lock(ground: &Ground) {
    let (lock, _) = ground.lock(MINUTE);
    let created = lock.access(FOREVER, || {
        // Functions that take the inner mutex can be called from a creator, and from elsewhere while it runs.
        let elsewhere = Arc::clone(&lock);
        thread::spawn(move || elsewhere.mark_stale()).join().unwrap();
        assert_eq!(lock.waiting(), 0);
        assert!(lock.is_creating());
        lock.mark_stale();
        assert!(lock.invalidate_if(lock.generation()));
        Ok(1)
    });
    assert_eq!(created, Ok((Outcome::Created, 1)));
}
