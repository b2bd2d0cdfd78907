//! Creations that wait for each other.

use crate::{Lock, MORTAL, SECOND, elected, ruled, until};
use dogpile::{AcquireError, Cached, CreateError, Finished, Outcome, Policy, Registry, SyncReaderDogpile, WaitCycle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

static ALPHA: Policy = Policy::builder().name("alpha").build_const();
static BETA: Policy = ALPHA.named("beta");
static GAMMA: Policy = ALPHA.named("gamma");

fn names(cycle: &WaitCycle) -> Vec<Option<&'static str>> {
    cycle.names().collect()
}

#[test]
fn c14_creations_that_wait_for_each_other_are_found() {
    let [(alpha, _), (beta, _)] = [ruled(&ALPHA), ruled(&BETA)];
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            beta.acquire_or_create(|| {
                until(|| alpha.is_creating());
                assert_eq!(alpha.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
            })
        });
        let outcome = alpha.acquire_or_create(|| {
            until(|| alpha.waiting() == 1);
            let error = beta.access().timeout(Duration::MAX).turn().unwrap_err();
            let AcquireError::WouldDeadlock(cycle) = &error else { panic!("{error}") };
            assert_eq!(names(cycle), [Some("alpha"), Some("beta")]);
            assert_eq!(
                error.to_string(),
                "creators would have waited for each other's values: `alpha` waits for `beta` waits for `alpha`"
            );
            let fallible = beta.acquire_or_try_create(|| Err("unwanted"));
            assert_eq!(fallible, Err(CreateError::WouldDeadlock(cycle.clone())));
            let panic = catch_unwind(AssertUnwindSafe(|| beta.acquire_or_create(|| ()))).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>(), Some(&error.to_string()));
            assert_eq!(beta.waiting(), 0, "no waiter is left behind");
        });
        assert_eq!(outcome, Outcome::Created);
        assert_eq!(other.join().unwrap(), Outcome::Created);
    });
    // Nothing is left of the cycle.
    beta.invalidate();
    alpha.invalidate();
    assert_eq!(
        alpha.acquire_or_create(|| assert_eq!(beta.acquire_or_create(|| ()), Outcome::Created)),
        Outcome::Created
    );
}

/// A cycle over three threads, with locks of three types. One lock is in a registry, and one creation is nested in
/// another.
#[test]
fn c14_a_longer_cycle_over_other_types_is_found() {
    let cached: Cached<u8> = Cached::never_expires().with_policy(&ALPHA);
    let registry: Registry<u8, SyncReaderDogpile> =
        Registry::new(|_| SyncReaderDogpile::never_expires()).with_policy(&BETA);
    let (lock, _) = ruled(&GAMMA);
    let (outer, _) = ruled(&MORTAL);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            *cached.get_or_create(|| {
                let held = registry.get(&1);
                until(|| held.is_creating());
                assert_eq!(*held.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
                1
            })
        });
        let second = scope.spawn(|| {
            let held = registry.get(&1);
            drop(held.acquire_or_create(|| {
                until(|| lock.is_creating());
                assert_eq!(lock.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
            }));
        });
        lock.acquire_or_create(|| {
            outer.acquire_or_create(|| {
                until(|| lock.waiting() == 1 && registry.get(&1).waiting() == 1);
                let error = cached.access().timeout(Duration::MAX).or_create(|| 2).unwrap_err();
                let AcquireError::WouldDeadlock(cycle) = &error else { panic!("{error}") };
                assert_eq!(names(cycle), [Some("gamma"), Some("alpha"), Some("beta")]);
            });
        });
        assert_eq!(first.join().unwrap(), 1);
        second.join().unwrap();
    });
}

#[test]
fn l7_the_error_of_a_creator_that_asks_for_its_own_value_names_the_lock() {
    let (lock, _) = ruled(&ALPHA);
    lock.acquire_or_create(|| {
        let error = lock.access().timeout(Duration::MAX).turn().unwrap_err();
        let AcquireError::WouldDeadlock(cycle) = &error else { panic!("{error}") };
        assert_eq!(names(cycle), [Some("alpha")]);
        assert!(error.to_string().ends_with("for ever: `alpha`"), "{error}");
    });
}

#[test]
fn c14_the_error_mentions_locks_without_names() {
    let [(one, _), (other, _)] = [ruled(&MORTAL), ruled(&ALPHA)];
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            other.acquire_or_create(|| {
                until(|| one.is_creating());
                one.acquire_or_create(|| ());
            })
        });
        one.acquire_or_create(|| {
            until(|| one.waiting() == 1);
            let error = other.access().timeout(Duration::MAX).turn().unwrap_err().to_string();
            assert!(
                error.ends_with("a lock without a name waits for `alpha` waits for a lock without a name"),
                "{error}"
            );
        });
        waits.join().unwrap();
    });
}

/// Creates the value of the lock at `from`, within its creator that of the next lock, and so on. The order is always
/// the same, so there can be no cycle.
fn nested(locks: &[Arc<Lock>], from: usize) {
    if let Some(lock) = locks.get(from) {
        lock.acquire_or_create(|| nested(locks, from + 1));
    }
}

/// Many creators wait for one another, over and over, always in the same order. There is no cycle, and none is
/// reported.
#[test]
fn c14_a_chain_of_waits_is_no_cycle() {
    let locks: Vec<Arc<Lock>> = (0..4).map(|_| ruled(&ALPHA).0).collect();
    thread::scope(|scope| {
        let threads = [0, 1, 2, 3_usize].map(|thread| {
            let locks = &locks;
            scope.spawn(move || {
                for round in 0..300_usize {
                    let from = (thread + round) % 4;
                    nested(locks, from);
                    locks[from].invalidate();
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A waits for B, and B finishes. Then a thread creates B anew and asks for A's lock. A's creator may not have woken up
/// yet, but it waits no longer.
#[test]
fn c14_a_waiter_that_was_served_closes_no_cycle() {
    for _ in 0..200 {
        let [(alpha, _), (beta, _)] = [ruled(&ALPHA), ruled(&BETA)];
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                alpha.acquire_or_create(|| {
                    beta.acquire_or_create(|| ());
                })
            });
            beta.acquire_or_create(|| {
                until(|| beta.waiting() == 1);
            });
            // The other creator is served, whether it has woken up or not.
            beta.invalidate();
            beta.acquire_or_create(|| {
                alpha.acquire_or_create(|| ());
            });
            other.join().unwrap();
        });
    }
}

/// A dead creation keeps no access from anything, whatever it waits for.
#[test]
fn c14_a_dead_creation_closes_no_cycle() {
    let [(alpha, clock), (beta, _)] = [ruled(&MORTAL), ruled(&BETA)];
    let (go_on, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        // This thread creates alpha and waits for beta. In the end its creation is dead.
        let hangs = scope.spawn(|| {
            alpha.acquire_or_create(|| {
                until(|| beta.is_creating());
                assert_eq!(beta.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
            })
        });
        let creates_beta = scope.spawn(|| {
            beta.acquire_or_create(|| {
                until(|| beta.waiting() == 1);
                until(|| go_on.load(Ordering::SeqCst));
                // Another thread creates alpha now. That creation waits for nothing.
                assert_eq!(alpha.access().timeout(Duration::MAX).turn().map(|_| ()), Ok(()));
                done.store(true, Ordering::SeqCst);
            })
        });
        until(|| beta.waiting() == 1);
        clock.advance(SECOND);
        let takes_over = elected(alpha.acquire());
        go_on.store(true, Ordering::SeqCst);
        until(|| alpha.waiting() == 1);
        assert!(!done.load(Ordering::SeqCst));
        assert_eq!(takes_over.finish(), Finished::Published);
        creates_beta.join().unwrap();
        hangs.join().unwrap();
    });
}

/// A creation may store on two threads, which wait for two other creations. The end of one wait does not hide the
/// other.
#[test]
fn c14_a_creation_that_waits_in_two_places_is_found() {
    let [(lock, _), (one, _), (other, _)] = [ruled(&ALPHA), ruled(&BETA), ruled(&GAMMA)];
    let (held_one, held_other) = (elected(Lock::kept(&one).turn()), elected(Lock::kept(&other).turn()));
    thread::scope(|scope| {
        let creation = elected(Lock::kept(&lock).turn());
        let stores = scope.spawn(|| {
            thread::scope(|scope| {
                let one = scope.spawn(|| creation.publish(|| one.acquire_or_create(|| ())));
                let other = scope.spawn(|| creation.publish(|| other.acquire_or_create(|| ())));
                assert_eq!([one, other].map(|store| store.join().unwrap()), [Ok(Outcome::Waited); 2]);
            });
            creation.finish()
        });
        until(|| one.waiting() == 1 && other.waiting() == 1);
        held_other.finish();
        until(|| other.waiting() == 0);
        held_one.run(|_| {
            let error = lock.access().timeout(Duration::MAX).turn().unwrap_err();
            let AcquireError::WouldDeadlock(cycle) = &error else { panic!("{error}") };
            assert_eq!(names(cycle), [Some("beta"), Some("alpha")]);
        });
        assert_eq!(stores.join().unwrap(), Finished::Published);
    });
}

/// A cycle is an error even where a time-out would break it: no creation in it gets anywhere until then.
#[test]
fn c14_a_cycle_with_a_time_out_in_it_is_a_cycle() {
    let [(alpha, _), (beta, _)] = [ruled(&ALPHA), ruled(&BETA)];
    thread::scope(|scope| {
        let bounded = scope.spawn(|| {
            alpha.acquire_or_create(|| {
                until(|| beta.is_creating());
                let hour = Duration::from_secs(3600);
                assert_eq!(beta.access().timeout(hour).or_create(|| panic!("unwanted")), Ok(Outcome::Waited));
            })
        });
        beta.acquire_or_create(|| {
            until(|| beta.waiting() == 1);
            assert!(matches!(alpha.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
        });
        bounded.join().unwrap();
    });
}

/// A waiter whose time-out has passed waits no longer.
#[test]
fn c14_a_waiter_that_has_left_closes_no_cycle() {
    let [(alpha, _), (beta, _)] = [ruled(&ALPHA), ruled(&BETA)];
    let has_left = AtomicBool::new(false);
    thread::scope(|scope| {
        let leaves = scope.spawn(|| {
            alpha.acquire_or_create(|| {
                until(|| beta.is_creating());
                let bounded = beta.access().timeout(Duration::from_millis(1)).turn();
                // This comes first: a panic before it would leave the other thread waiting.
                has_left.store(true, Ordering::Relaxed);
                assert_eq!(bounded.map(|_| ()), Err(AcquireError::TimedOut));
                assert_eq!(beta.waiting(), 0);
                // (If the creator of beta panics, its creation ends.)
                until(|| alpha.waiting() == 1 || !beta.is_creating());
            })
        });
        beta.acquire_or_create(|| {
            until(|| has_left.load(Ordering::Relaxed));
            assert_eq!(alpha.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
        });
        leaves.join().unwrap();
    });
}
