//! The laws of failures and of creations that hang, under a policy. Each policy changes what happens then, so the laws
//! of [`laws`](crate::laws) are stated anew here, with what the policy makes of them.

use crate::policies::{HOUR, SECOND};
use crate::stage::{
    ALMOST_A_MINUTE, AccessResult, FOREVER, Failure, Ground, HeldCreation, MINUTE, Waiters, make, never, panics, until,
};
use dogpile::{CreateError, Freshness, Outcome};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ALMOST_AN_HOUR: Duration = Duration::from_secs(3599);
const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

fn told_of_a_pause(access: &AccessResult, text: &str) -> bool {
    matches!(access, Err(CreateError::Paused { retry_in: SECOND, cause }) if **cause == *text)
}

const FAILED: &str = "it failed on purpose";
const PANICKED: &str = "the creator panicked";

/// Creators fail, values are invalidated, and pauses end: never do two creators run at once.
pub fn l1_one_creator_whatever_fails(ground: &Ground) {
    let (lock, clock) = ground.lock(Duration::ZERO);
    let (inside, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let created: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (lock, clock, inside, runs) = (&lock, &clock, &inside, &runs);
                scope.spawn(move || {
                    let outcomes = (0..200_u64).map(|turn| {
                        match turn % 50 {
                            at if at == thread => lock.invalidate(),
                            at if at == thread + 10 => clock.advance(SECOND),
                            _ => {}
                        }
                        lock.access(FOREVER, || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two creators at once");
                            runs.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            if turn % 7 == 0 { Err(Failure) } else { Ok(turn + 1) }
                        })
                    });
                    let ran = |access: &AccessResult| {
                        let (created, failed) = (Outcome::Created, Outcome::StaleOnError);
                        match access {
                            Ok((outcome, _)) => *outcome == created || *outcome == failed,
                            Err(error) => matches!(error, CreateError::Failed(_)),
                        }
                    };
                    outcomes.filter(ran).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(created, runs.into_inner(), "every creator that ran belongs to one access that says so");
    assert!(created > 0);
}

/// A hanging creation is overtaken only under a policy with a `creation_timeout`. After that the creation has no
/// effect.
pub fn l1_c11_a_hanging_creation_is_overtaken_only_by_policy(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    let hangs = HeldCreation::start(&lock, || Ok(1));
    clock.advance(ALMOST_AN_HOUR);
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
    clock.advance(SECOND);
    if !ground.is_mortal() {
        assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
        assert_eq!(hangs.end().unwrap(), Ok((Outcome::Created, 1)));
        return;
    }
    let takes_over = HeldCreation::start(&lock, || Ok(2));
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut), "one at a time");
    let waiters = Waiters::start(&lock, 3, never);
    let generation = lock.generation();
    assert_eq!(takes_over.end().unwrap(), Ok((Outcome::Created, 2)));
    assert!(waiters.end().iter().all(|access| *access == Ok((Outcome::Waited, 2))));
    assert!(lock.generation() > generation);
    let generation = lock.generation();
    let dead = hangs.end().unwrap();
    assert_eq!(dead, Ok((Outcome::Created, 1)), "it goes to its own caller");
    assert_eq!((lock.generation(), lock.freshness(), lock.is_creating()), (generation, Freshness::Fresh, false));
}

/// When the creation that hangs is declared dead, exactly one of its waiters is elected. No waiter waits longer than
/// until then.
pub fn l5_c11_a_waiter_takes_over_from_a_hanging_creation(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    let hangs = HeldCreation::start(&lock, || Err(Failure));
    let waiters = Waiters::start(&lock, 3, || Ok(2));
    if ground.is_mortal() {
        clock.advance(HOUR);
        let mut outcomes: Vec<_> = waiters.end().into_iter().map(|access| access.unwrap()).collect();
        outcomes.sort_by_key(|(outcome, _)| *outcome != Outcome::Created);
        assert_eq!(outcomes, [(Outcome::Created, 2), (Outcome::Waited, 2), (Outcome::Waited, 2)]);
        assert_eq!(hangs.end().unwrap(), Err(CreateError::Failed(Failure)).or_else(|error| serves(ground, error, 2)));
        assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
    } else {
        clock.advance(HOUR);
        assert_eq!(lock.waiting(), 3);
        has_failed(ground, &hangs.end().unwrap());
        drop(waiters.end());
    }
}

/// Returns what an elected access is given if its creator has failed and there is a value.
fn serves(ground: &Ground, error: CreateError<Failure>, old: u64) -> AccessResult {
    if ground.serves_stale() { Ok((Outcome::StaleOnError, old)) } else { Err(error) }
}

/// Asserts that an access has failed. The elected access gets its error, or is served the value that another access has
/// created since.
fn has_failed(ground: &Ground, access: &AccessResult) {
    let failed = *access == Err(CreateError::Failed(Failure));
    let served = ground.serves_stale() && *access == Ok((Outcome::StaleOnError, 2));
    assert!(failed || served, "{access:?}");
}

/// L5, C10: the value stays as it was. After the failure, and after the pause if there is one, an access creates again.
pub fn l5_c10_a_failure_leaves_the_old_value(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(MINUTE * 2);
    let generation = lock.generation();
    for by_panic in [false, true] {
        if by_panic {
            catch_unwind(AssertUnwindSafe(|| lock.access(FOREVER, panics))).unwrap_err();
        } else {
            assert_eq!(lock.access(FOREVER, || Err(Failure)), serves(ground, CreateError::Failed(Failure), 1));
        }
        assert_eq!((lock.freshness(), lock.generation(), lock.is_creating()), (Freshness::Stale, generation, false));
        if ground.pauses() {
            clock.advance(ALMOST_A_SECOND);
            assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)), "L11: not a nanosecond early");
            clock.advance(Duration::from_nanos(1));
        }
    }
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
}

/// L5: with no value, one of the waiters creates. Under a policy that pauses, all waiters get the pause's error and
/// none of them creates.
pub fn l5_a_failure_is_handed_on_or_shared(ground: &Ground) {
    for by_panic in [false, true] {
        let (lock, clock) = ground.lock(MINUTE);
        let first = HeldCreation::start(&lock, move || if by_panic { panics() } else { Err(Failure) });
        let runs = Arc::new(AtomicUsize::new(0));
        let waiters = Waiters::start(&lock, 4, {
            let runs = Arc::clone(&runs);
            move || {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(2)
            }
        });
        assert_eq!(first.end().is_err(), by_panic);
        let cause = if by_panic { PANICKED } else { FAILED };
        if ground.pauses() {
            for told in waiters.end() {
                assert!(told_of_a_pause(&told, cause), "{told:?}");
            }
            let newcomer = lock.access(FOREVER, never);
            assert!(told_of_a_pause(&newcomer, cause), "{newcomer:?}");
            assert_eq!(runs.load(Ordering::SeqCst), 0);
            clock.advance(SECOND);
            assert_eq!(make(&*lock, 3), Ok((Outcome::Created, 3)));
        } else {
            let mut outcomes: Vec<_> = waiters.end().into_iter().map(|access| access.unwrap()).collect();
            outcomes.sort_by_key(|(outcome, _)| *outcome != Outcome::Created);
            assert_eq!(outcomes[0], (Outcome::Created, 2));
            assert_eq!(outcomes[1..], [(Outcome::Waited, 2); 3]);
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        }
        assert_eq!(lock.waiting(), 0);
    }
}

/// L7, C14: two creators ask for each other's values. One of them gets an error, and neither hangs.
pub fn l7_c14_a_cycle_is_found(ground: &Ground) {
    let [(one, _), (other, _)] = [ground.lock(MINUTE), ground.lock(MINUTE)];
    let waits = {
        let (one, other) = (Arc::clone(&one), Arc::clone(&other));
        thread::spawn(move || {
            other.access(FOREVER, || {
                until(|| one.is_creating());
                assert_eq!(one.access(FOREVER, never), Ok((Outcome::Waited, 1)));
                Ok(2)
            })
        })
    };
    let created = one.access(FOREVER, || {
        until(|| one.waiting() == 1);
        let told = other.access(FOREVER, never);
        assert!(matches!(&told, Err(CreateError::WouldDeadlock(cycle)) if cycle.names().len() == 2), "{told:?}");
        Ok(1)
    });
    assert_eq!(created, Ok((Outcome::Created, 1)));
    assert_eq!(waits.join().unwrap(), Ok((Outcome::Created, 2)));
}

/// L10: a wait ends in time. It leaves the pause, the hanging creation and the other waiters as they are.
pub fn l10_a_wait_ends_under_every_policy(ground: &Ground) {
    let (lock, clock) = ground.lock(MINUTE);
    let creation = HeldCreation::start(&lock, || Err(Failure));
    assert_eq!(lock.access(Duration::from_micros(100), never), Err(CreateError::TimedOut));
    let waiter = Waiters::start(&lock, 1, || Ok(2));
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
    has_failed(ground, &creation.end().unwrap());
    let [told] = &waiter.end()[..] else { unreachable!("there is one") };
    if ground.pauses() {
        assert!(told_of_a_pause(told, FAILED), "{told:?}");
        let told = lock.access(Duration::ZERO, never);
        assert!(told_of_a_pause(&told, FAILED), "{told:?}");
        clock.advance(SECOND);
        assert_eq!(lock.access(Duration::ZERO, || Ok(2)), Ok((Outcome::Created, 2)));
    } else {
        assert_eq!(*told, Ok((Outcome::Created, 2)));
    }
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(lock.access(Duration::ZERO, never), Ok((Outcome::Fresh, 2)), "L11");
}
