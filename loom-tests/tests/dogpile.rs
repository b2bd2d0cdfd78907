//! The lock as its users see it: which access creates, which waits, which goes on with the old value, and what each of
//! them sees.
//!
//! A creator that panics is modelled by a creator that drops its [`Creation`], as unwinding does. A real panic cannot
//! be used: loom's threads share one thread of the system, and loom would take all of them for panicking.
#![cfg(dogpile_loom)]

use Outcome::{Created, Fresh, Stale, Waited};
use dogpile::{
    AcquireError, CreateError, Creation, Dogpile, Finished, Freshness, ManualClock, Outcome, PublishError, Turn,
};
use dogpile_loom_tests::{Reached, Slot, check, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};
use std::array;
use std::sync::Arc;
use std::time::Duration;

type Lock = Dogpile<ManualClock>;

/// What the threads of a model share: the lock, two values, and how many creators ran.
struct Model {
    lock: Arc<Lock>,
    slot: Slot,
    /// For the thread that invalidates or marks, or that creates the second value.
    other: Slot,
    created: AtomicUsize,
}

impl Model {
    fn with(lock: Lock) -> Arc<Self> {
        Arc::new(Self { lock: Arc::new(lock), slot: Slot::new(), other: Slot::new(), created: AtomicUsize::new(0) })
    }

    fn missing() -> Arc<Self> {
        Self::with(Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()))
    }

    /// A lock by which every value is stale at once.
    fn ephemeral() -> Arc<Self> {
        Self::with(Dogpile::with_clock(Duration::ZERO, ManualClock::new()))
    }

    fn stale() -> Arc<Self> {
        let shared = Self::missing();
        assert_eq!(shared.access(), Created);
        shared.lock.mark_stale();
        shared
    }

    /// Makes an access whose creator adds to the value.
    fn access(&self) -> Outcome {
        self.lock.acquire_or_create(|| self.add())
    }

    /// Makes an access whose creator adds to the value and then fails.
    fn fail(&self) -> Result<Outcome, CreateError<&'static str>> {
        self.lock.acquire_or_try_create(|| {
            self.add();
            Err("on purpose")
        })
    }

    fn add(&self) {
        self.created.fetch_add(1, Relaxed);
        self.slot.write(self.slot.read() + 1);
    }

    /// Returns the creation that the model begins with.
    fn elected(&self) -> Creation<'static, Dogpile<ManualClock>> {
        match Dogpile::kept(&self.lock).turn() {
            Turn::Create(creation) => creation,
            turn => panic!("{turn:?}"),
        }
    }

    /// Blocks until so many accesses wait.
    fn until_waiting(&self, count: usize) {
        while self.lock.waiting() < count {
            thread::yield_now();
        }
    }

    /// Returns, at the end of a model, whether no creation runs and no waiter is left behind.
    fn is_at_rest(&self) -> bool {
        !self.lock.is_creating() && self.lock.waiting() == 0
    }
}

fn spawn_each<T: 'static, const N: usize>(
    shared: &Arc<Model>,
    run: impl FnOnce(&Model) -> T + Copy + 'static,
) -> [JoinHandle<T>; N] {
    array::from_fn(|_| spawn(shared, run))
}

fn join<T, const N: usize>(threads: [JoinHandle<T>; N]) -> [T; N] {
    threads.map(|thread| thread.join().unwrap())
}

fn count(outcomes: &[Outcome], outcome: Outcome) -> usize {
    outcomes.iter().filter(|other| **other == outcome).count()
}

/// One access creates, and the other waits or comes late. Both see what was created.
#[test]
fn l1_l4_exactly_one_of_two_creates_a_missing_value() {
    static WAITED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let outcomes = join(spawn_each::<_, 2>(&shared, |shared| {
            let outcome = shared.access();
            assert_eq!(shared.slot.read(), 1);
            outcome
        }));
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, Stale), 0, "{outcomes:?}");
        WAITED.here_if(outcomes.contains(&Waited));
        LATE.here_if(outcomes.contains(&Fresh));
        assert!(shared.is_at_rest());
    });
    WAITED.at_least_once();
    LATE.at_least_once();
}

#[test]
fn l1_l4_exactly_one_of_three_creates_a_missing_value() {
    static BOTH_WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let outcomes = join(spawn_each::<_, 3>(&shared, |shared| {
            let outcome = shared.access();
            assert_eq!(shared.slot.read(), 1);
            outcome
        }));
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        BOTH_WAITED.here_if(count(&outcomes, Waited) == 2);
        assert!(shared.is_at_rest());
    });
    BOTH_WAITED.at_least_once();
}

/// Every value is stale at once, so creations follow each other. They exclude each other, and each sees the one before.
#[test]
fn l1_l4_successive_creators_exclude_each_other() {
    static ALL: Reached = Reached::new();
    check(|| {
        let shared = Model::ephemeral();
        let twice = spawn(&shared, |shared| [shared.access(), shared.access()]);
        let once = spawn(&shared, Model::access);
        let ([first, second], third) = (twice.join().unwrap(), once.join().unwrap());
        let created = count(&[first, second, third], Created);
        assert!(created >= 1);
        assert_eq!(shared.slot.read(), created);
        ALL.here_if(created == 3);
        assert!(shared.is_at_rest());
    });
    ALL.at_least_once();
}

/// The access returns before the creation ends: the creation does not end until the access has returned.
#[test]
fn l2_a_stale_value_is_not_waited_for() {
    check(|| {
        let shared = Model::stale();
        let creation = shared.elected();
        let [first, second] = join(spawn_each(&shared, |shared| {
            let outcome = shared.access();
            assert_eq!(shared.slot.read(), 1);
            outcome
        }));
        assert_eq!([first, second], [Stale, Stale]);
        shared.add();
        assert_eq!(creation.finish(), Finished::Published);
        assert!(shared.is_at_rest());
    });
}

#[test]
fn l2_of_two_accesses_to_a_stale_value_one_creates_and_none_waits() {
    static STALE: Reached = Reached::new();
    static FRESH: Reached = Reached::new();
    check(|| {
        let shared = Model::stale();
        let outcomes = join(spawn_each::<_, 2>(&shared, Model::access));
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, Waited), 0, "{outcomes:?}");
        assert_eq!(shared.lock.stats().waits, 0, "an access with an old value has waited");
        STALE.here_if(outcomes.contains(&Stale));
        FRESH.here_if(outcomes.contains(&Fresh));
        assert_eq!(shared.slot.read(), 2);
    });
    STALE.at_least_once();
    FRESH.at_least_once();
}

/// One thread creates the value. A second marks it, without a look at it, and is elected, but gives up. A third finds
/// the value fresh, stale or missing. Unless it creates, it sees the value.
#[test]
fn l4_an_access_that_goes_on_with_a_stale_value_sees_it() {
    static STALE: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creator = spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(1)));
        let marker = spawn(&shared, |shared| {
            shared.lock.mark_stale();
            drop(shared.lock.try_acquire());
        });
        let reader = spawn(&shared, |shared| {
            let turn = shared.lock.try_acquire();
            if matches!(turn, Ok(Turn::Fresh | Turn::Stale)) {
                STALE.here_if(matches!(turn, Ok(Turn::Stale)));
                assert_eq!(shared.slot.read(), 1);
            }
        });
        // A thread that was elected and gave up left a missing value behind. The creator may have waited, but not for
        // long.
        assert_eq!(creator.join().unwrap(), Created);
        marker.join().unwrap();
        reader.join().unwrap();
        assert!(shared.is_at_rest());
    });
    STALE.at_least_once();
}

/// An error goes to its own caller. The other access creates, whether it had waited, comes later or came first.
#[test]
fn l5_an_error_hands_on_to_a_waiter() {
    static FAILED: Reached = Reached::new();
    static SPARED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let failing = spawn(&shared, Model::fail);
        let other = spawn(&shared, Model::access);
        let failed = failing.join().unwrap();
        assert_eq!(other.join().unwrap(), Created);
        match failed {
            Err(CreateError::Failed(_)) => FAILED.here(),
            Ok(Waited | Fresh) => SPARED.here(),
            failed => panic!("{failed:?}"),
        }
        assert_eq!(shared.slot.read(), 1 + usize::from(failed.is_err()));
        assert!(shared.is_at_rest());
    });
    FAILED.at_least_once();
    SPARED.at_least_once();
}

/// With a stale value, an error leaves that value as it was.
#[test]
fn l5_an_error_leaves_a_stale_value_stale() {
    check(|| {
        let shared = Model::stale();
        let outcomes = join(spawn_each::<_, 2>(&shared, Model::fail));
        for outcome in &outcomes {
            assert!(matches!(outcome, Ok(Stale) | Err(CreateError::Failed(_))), "{outcome:?}");
        }
        assert!(outcomes.iter().any(Result::is_err));
        assert_eq!(shared.lock.freshness(), Freshness::Stale);
        assert!(shared.is_at_rest());
    });
}

/// C3: the elected access gives up, or panics, while two others wait. One of them creates and serves the other.
#[test]
fn l5_a_dropped_creation_hands_on_to_exactly_one_of_two_waiters() {
    static BOTH_WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiters = spawn_each::<_, 2>(&shared, |shared| {
            let outcome = shared.access();
            assert_eq!(shared.slot.read(), 2);
            outcome
        });
        shared.add();
        drop(creation);
        let outcomes = join(waiters);
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        BOTH_WAITED.here_if(outcomes.contains(&Waited));
        assert!(shared.is_at_rest());
    });
    BOTH_WAITED.at_least_once();
}

/// Both wait for certain, so a second failure is handed on as well.
#[test]
fn l5_failures_are_handed_on_until_one_succeeds() {
    static TWICE: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let failing = spawn(&shared, Model::fail);
        let other = spawn(&shared, Model::access);
        shared.until_waiting(2);
        drop(creation);
        let failed = failing.join().unwrap();
        assert_eq!(other.join().unwrap(), Created);
        assert!(matches!(failed, Err(CreateError::Failed(_)) | Ok(Waited)), "{failed:?}");
        TWICE.here_if(failed.is_err());
        assert!(shared.is_at_rest());
    });
    TWICE.at_least_once();
}

/// A newcomer is faster than the waiter that is called, and succeeds: one creation serves both. Or the newcomer fails,
/// too, and the waiter creates after all.
#[test]
fn l5_a_newcomer_overtakes_the_waiter_that_is_called() {
    static SERVED: Reached = Reached::new();
    static FAILED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiter = spawn(&shared, Model::access);
        drop(creation);
        let outcomes = [shared.access(), waiter.join().unwrap()];
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        SERVED.here_if(outcomes == [Created, Waited]);
        assert_eq!(shared.slot.read(), 1);
        assert!(shared.is_at_rest());
    });
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiter = spawn(&shared, Model::access);
        drop(creation);
        FAILED.here_if(shared.fail().is_err());
        assert_eq!(waiter.join().unwrap(), Created);
        assert!(shared.is_at_rest());
    });
    SERVED.at_least_once();
    FAILED.at_least_once();
}

/// L10, C4: one waiter runs out of time while another still waits, and the creator fails. Exactly one access creates.
#[test]
fn l10_a_waiter_that_runs_out_of_time_passes_the_baton_on() {
    static TIMED_OUT: Reached = Reached::new();
    static NOT_NEEDED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let impatient =
            spawn(&shared, |shared| shared.lock.access().timeout(Duration::ZERO).or_create(|| shared.add()));
        let patient = spawn(&shared, Model::access);
        drop(creation);
        let (impatient, patient) = (impatient.join().unwrap(), patient.join().unwrap());
        match impatient {
            Err(AcquireError::TimedOut) => {
                TIMED_OUT.here();
                assert_eq!(patient, Created);
            }
            Ok(Created) => {
                NOT_NEEDED.here();
                assert!(matches!(patient, Waited | Fresh), "{patient:?}");
            }
            Ok(Fresh) => assert_eq!(patient, Created),
            impatient => panic!("{impatient:?}"),
        }
        assert_eq!(shared.slot.read(), 1);
        assert!(shared.is_at_rest());
    });
    TIMED_OUT.at_least_once();
    NOT_NEEDED.at_least_once();
}

/// All waiters run out of time. The work is done once and kept (C12).
#[test]
fn l10_a_creation_outlives_its_waiters() {
    static TIMED_OUT: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiters = spawn_each::<_, 2>(&shared, |shared| match shared.lock.access().timeout(Duration::ZERO).turn() {
            Err(AcquireError::TimedOut) => TIMED_OUT.here(),
            Ok(Turn::Fresh) => assert_eq!(shared.slot.read(), 1),
            turn => panic!("{turn:?}"),
        });
        shared.add();
        assert_eq!(creation.finish(), Finished::Published);
        join(waiters);
        assert_eq!(shared.lock.freshness(), Freshness::Fresh);
        assert!(shared.is_at_rest());
    });
    TIMED_OUT.at_least_once();
}

/// The value was made stale while the accesses waited, or was never fresh. They go on with it all the same.
#[test]
fn l3_no_waiter_is_elected_for_having_waited() {
    static TURN: Reached = Reached::new();
    check(|| {
        let shared = Model::ephemeral();
        let creation = shared.elected();
        let other = spawn(&shared, |shared| {
            assert_eq!(shared.access(), Waited);
            assert_eq!(shared.slot.read(), 1);
        });
        let turn = spawn(&shared, |shared| {
            TURN.here();
            assert!(matches!(shared.lock.acquire(), Turn::Stale));
        });
        shared.until_waiting(2);
        shared.add();
        assert_eq!(creation.finish(), Finished::Published);
        other.join().unwrap();
        turn.join().unwrap();
        assert!(shared.is_at_rest());
    });
    TURN.at_least_once();
}

/// An access that comes after an invalidation creates anew, whatever ran at the time. A value that was created before
/// the invalidation is never fresh.
#[test]
fn l6_a_value_from_before_an_invalidation_never_becomes_fresh() {
    static SUPERSEDED: Reached = Reached::new();
    static PUBLISHED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let after = spawn(&shared, |shared| {
            shared.lock.invalidate();
            assert_eq!(shared.access(), Created);
            assert_eq!(shared.lock.freshness(), Freshness::Fresh);
            assert_eq!(shared.slot.read(), 2);
        });
        let before = spawn(&shared, |shared| {
            shared.add();
            match creation.finish() {
                Finished::Published => PUBLISHED.here(),
                Finished::Superseded => SUPERSEDED.here(),
                finished => panic!("{finished:?}"),
            }
        });
        join([after, before]);
        assert_eq!(shared.lock.freshness(), Freshness::Fresh);
        assert!(shared.is_at_rest());
    });
    SUPERSEDED.at_least_once();
    PUBLISHED.at_least_once();
}

/// Without an access afterwards the value is missing, whichever came first. The creator's own caller gets it all the
/// same.
#[test]
fn l6_a_creation_that_is_invalidated_returns_to_its_caller() {
    static BEFORE: Reached = Reached::new();
    static DURING: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let invalidated = spawn(&shared, |shared| shared.lock.invalidate());
        let creator = spawn(&shared, |shared| {
            let mut superseded = false;
            let outcome = shared.lock.access().or_create_with(|creation| {
                shared.add();
                superseded = creation.is_superseded();
            });
            assert_eq!(outcome, Created);
            superseded
        });
        invalidated.join().unwrap();
        let superseded = creator.join().unwrap();
        DURING.here_if(superseded);
        match shared.lock.freshness() {
            Freshness::Missing => {}
            Freshness::Fresh => {
                BEFORE.here();
                assert!(!superseded, "fresh, but from before the invalidation");
            }
            Freshness::Stale => panic!("nobody marked"),
        }
        assert!(shared.is_at_rest());
    });
    BEFORE.at_least_once();
    DURING.at_least_once();
}

/// One access waits from before the invalidation, and is served by the creation that it superseded. Another one comes
/// after the invalidation, and creates.
#[test]
fn l6_a_superseded_creation_serves_only_waiters_from_before() {
    static SUPERSEDED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let before = spawn(&shared, |shared| assert_eq!(shared.access(), Waited));
        shared.until_waiting(1);
        let after = spawn(&shared, |shared| {
            shared.lock.invalidate();
            assert_eq!(shared.access(), Created);
        });
        shared.add();
        SUPERSEDED.here_if(creation.finish() == Finished::Superseded);
        before.join().unwrap();
        after.join().unwrap();
        assert_eq!(shared.slot.read(), 2);
        assert_eq!(shared.lock.freshness(), Freshness::Fresh);
        assert!(shared.is_at_rest());
    });
    SUPERSEDED.at_least_once();
}

/// Either an invalidation supersedes the creation, or the creator sees what was done before the invalidation. The same
/// holds for a mark, which makes the creation's value stale.
#[test]
fn l6_the_creator_of_a_fresh_value_saw_what_came_before_a_mark_or_an_invalidation() {
    static SAW: Reached = Reached::new();
    static OVERTAKEN: Reached = Reached::new();
    for end in [Lock::mark_stale as fn(&Lock), Lock::invalidate] {
        for before in [Model::missing as fn() -> Arc<Model>, Model::stale] {
            check(move || {
                let shared = before();
                let told = Arc::new(AtomicUsize::new(0));
                let teller = {
                    let told = Arc::clone(&told);
                    spawn(&shared, move |shared| {
                        told.store(1, Relaxed);
                        end(&shared.lock);
                    })
                };
                let creator = spawn(&shared, move |shared| {
                    let mut saw = 0;
                    assert_eq!(shared.lock.acquire_or_create(|| saw = told.load(Relaxed)), Created);
                    saw
                });
                teller.join().unwrap();
                let saw = creator.join().unwrap();
                if shared.lock.freshness() == Freshness::Fresh {
                    SAW.here();
                    assert_eq!(saw, 1, "fresh, but made of old news");
                } else {
                    OVERTAKEN.here();
                }
            });
        }
    }
    SAW.at_least_once();
    OVERTAKEN.at_least_once();
}

/// The same with plain memory, for the access that comes after both.
#[test]
fn l4_a_creator_after_a_mark_or_an_invalidation_sees_what_came_before_it() {
    for end in [Lock::mark_stale as fn(&Lock), Lock::invalidate] {
        check(move || {
            let shared = Model::with(Dogpile::with_clock(Duration::MAX, ManualClock::new()));
            assert_eq!(shared.access(), Created);
            let teller = spawn(&shared, move |shared| {
                shared.other.write(1);
                end(&shared.lock);
            });
            // The value is created a second time only if it was marked or invalidated.
            let outcomes = join(spawn_each::<_, 2>(&shared, |shared| {
                shared.lock.acquire_or_create(|| assert_eq!(shared.other.read(), 1))
            }));
            assert!(count(&outcomes, Created) <= 1, "{outcomes:?}");
            teller.join().unwrap();
        });
    }
}

/// A creation that was marked is published as stale, and serves its waiters: steady marking starves no access.
#[test]
fn l6_a_creation_that_is_marked_is_published_as_stale() {
    static MARKED: Reached = Reached::new();
    static TOO_LATE: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiter = spawn(&shared, |shared| {
            assert_eq!(shared.access(), Waited);
            assert_eq!(shared.slot.read(), 1);
        });
        shared.until_waiting(1);
        let marker = spawn(&shared, |shared| shared.lock.mark_stale());
        shared.add();
        match creation.finish() {
            Finished::PublishedStale => MARKED.here(),
            Finished::Published => TOO_LATE.here(),
            finished => panic!("{finished:?}"),
        }
        waiter.join().unwrap();
        marker.join().unwrap();
        assert_eq!(shared.lock.freshness(), Freshness::Stale);
        assert!(shared.is_at_rest());
    });
    MARKED.at_least_once();
    TOO_LATE.at_least_once();
}

/// A mark that has met no creation means nothing to the next one.
#[test]
fn l6_a_mark_does_not_outlive_its_creation() {
    check(|| {
        let shared = Model::stale();
        let outcomes = join(spawn_each::<_, 2>(&shared, |shared| match shared.lock.acquire() {
            Turn::Create(creation) => {
                shared.add();
                assert_eq!(creation.finish(), Finished::Published);
                Created
            }
            Turn::Stale => Stale,
            Turn::Fresh => Fresh,
        }));
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        assert_eq!(shared.lock.freshness(), Freshness::Fresh);
    });
}

/// Two accesses find the same value useless: there is one invalidation, and one creation.
#[test]
fn l6_two_conditional_invalidations_cause_one_creation() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        assert_eq!(shared.access(), Created);
        let seen = shared.lock.generation();
        let found = join(spawn_each::<_, 2>(&shared, move |shared| {
            let invalidated = shared.lock.invalidate_if(seen);
            (invalidated, shared.access())
        }));
        assert!(found[0].0 != found[1].0);
        let outcomes = found.map(|(_, outcome)| outcome);
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, Stale), 0, "{outcomes:?}");
        WAITED.here_if(outcomes.contains(&Waited));
        assert_eq!(shared.slot.read(), 2);
    });
    WAITED.at_least_once();
}

/// C6, C8: `publish` runs its closure only if the creation was not superseded, and a refused `publish` sees what came
/// before the invalidation. Either way the value is missing after it.
#[test]
fn l6_a_superseded_creation_does_not_publish() {
    static REFUSED: Reached = Reached::new();
    static STORED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let other = spawn(&shared, |shared| {
            shared.other.write(1);
            shared.lock.invalidate();
        });
        let creator = spawn(&shared, move |shared| {
            let published = creation.publish(|| shared.slot.write(1));
            match published {
                Ok(()) => STORED.here(),
                Err(PublishError::Superseded) => {
                    REFUSED.here();
                    assert_eq!(shared.other.read(), 1);
                    assert!(creation.is_superseded(), "once true it stays true");
                }
                Err(error) => panic!("{error}"),
            }
            let finished = creation.finish();
            assert!(published.is_ok() || finished == Finished::Superseded);
            published.is_ok()
        });
        other.join().unwrap();
        let stored = creator.join().unwrap();
        assert_eq!(shared.slot.read(), usize::from(stored));
        assert_eq!(shared.lock.freshness(), Freshness::Missing);
        assert!(shared.is_at_rest());
    });
    REFUSED.at_least_once();
    STORED.at_least_once();
}

/// An invalidation returns only once a store that was running has ended. No older value is written after that, and the
/// invalidating thread may clean up.
#[test]
fn l6_an_invalidation_waits_for_a_store_under_way() {
    static STORED: Reached = Reached::new();
    static REFUSED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let others = spawn_each::<_, 1>(&shared, |shared| {
            shared.lock.invalidate();
            // Loom fails the model if the store may still be running.
            if shared.slot.read() == 1 {
                STORED.here();
            } else {
                REFUSED.here();
            }
            shared.slot.write(2);
        });
        let creator = spawn(&shared, move |shared| {
            let stored = creation.publish(|| shared.slot.write(1)).is_ok();
            (stored, creation.finish())
        });
        join(others);
        let (stored, finished) = creator.join().unwrap();
        assert!(stored || finished == Finished::Superseded);
        assert_eq!(shared.slot.read(), 2);
        assert_eq!(shared.lock.freshness(), Freshness::Missing);
        assert!(shared.is_at_rest());
    });
    STORED.at_least_once();
    REFUSED.at_least_once();
}

/// Two accesses wait from before the invalidation. If `publish` was refused, there is no value to serve them with: one
/// of them creates, for both. If it was not refused, they are served, even though the creation is superseded in the
/// end.
#[test]
fn l6_a_refused_publish_serves_no_waiter() {
    static REFUSED: Reached = Reached::new();
    static SUPERSEDED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creation = shared.elected();
        let waiters = spawn_each::<_, 2>(&shared, |shared| {
            let outcome = shared.access();
            assert_eq!(shared.slot.read(), 1);
            outcome
        });
        shared.until_waiting(2);
        let creator = spawn(&shared, |shared| {
            let stored = creation.publish(|| shared.add()).is_ok();
            SUPERSEDED.here_if(creation.finish() == Finished::Superseded && stored);
            stored
        });
        shared.lock.invalidate();
        let outcomes = join(waiters);
        if creator.join().unwrap() {
            assert_eq!(outcomes, [Waited, Waited]);
            assert_eq!(shared.lock.freshness(), Freshness::Missing);
        } else {
            REFUSED.here();
            assert_eq!([count(&outcomes, Created), count(&outcomes, Waited)], [1, 1], "{outcomes:?}");
            assert_eq!(shared.lock.freshness(), Freshness::Fresh);
        }
        assert_eq!(shared.created.load(Relaxed), 1);
        assert!(shared.is_at_rest());
    });
    REFUSED.at_least_once();
    SUPERSEDED.at_least_once();
}

/// The access is elected on this thread, and the creation is run on another. Both threads see what the other wrote, and
/// so does a waiter.
#[test]
fn l4_a_creation_is_handed_to_another_thread() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let lock = Arc::new(Lock::with_clock(Duration::from_secs(1), ManualClock::new()));
        let slot = Arc::new(Slot::new());
        let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("nobody else creates") };
        slot.write(1);
        let runner = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                creation.run(|_| slot.write(slot.read() + 1));
            })
        };
        let outcome = lock.acquire_or_create(|| panic!("somebody else creates"));
        WAITED.here_if(outcome == Waited);
        assert!(matches!(outcome, Waited | Fresh));
        assert_eq!(slot.read(), 2);
        runner.join().unwrap();
    });
    WAITED.at_least_once();
}

/// A creation that owns its lock outlives all other owners. A runner that drops it unrun frees the lock (C9).
#[test]
fn l5_an_owned_creation_that_is_dropped_elsewhere_hands_on() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let shared = Arc::new(Lock::with_clock(Duration::from_secs(1), ManualClock::new()));
        let Turn::Create(creation) = Dogpile::kept(&shared).turn() else { panic!("nobody else creates") };
        let runner = thread::spawn(move || drop(creation));
        let other = {
            let lock = Arc::clone(&shared);
            thread::spawn(move || {
                while lock.is_creating() && lock.waiting() == 0 {
                    thread::yield_now();
                }
                WAITED.here_if(lock.waiting() == 1);
            })
        };
        assert_eq!(shared.acquire_or_create(|| ()), Created);
        drop(shared);
        runner.join().unwrap();
        other.join().unwrap();
    });
    WAITED.at_least_once();
}

/// Two first accesses: both find the value fresh, and its life begins once.
#[test]
fn l11_a_born_fresh_value_is_fresh_for_two_first_accesses() {
    check(|| {
        let shared = Model::with(Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()).born_fresh());
        assert_eq!(join(spawn_each::<_, 2>(&shared, Model::access)), [Fresh, Fresh]);
        assert_eq!(shared.lock.age(), Some(Duration::ZERO));
    });
}

/// A first access against an invalidation or a mark. The access comes first and finds the value fresh, or it creates.
/// The mark or invalidation stands: the value is fresh in the end only if it was created since.
#[test]
fn l6_a_born_fresh_value_that_is_invalidated_or_marked_is_not_stamped_back() {
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    for (end, left) in [(Lock::mark_stale as fn(&Lock), Freshness::Stale), (Lock::invalidate, Freshness::Missing)] {
        check(move || {
            let shared = Model::with(Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()).born_fresh());
            let other = spawn(&shared, move |shared| end(&shared.lock));
            let first = spawn(&shared, Model::access);
            other.join().unwrap();
            let freshness = match first.join().unwrap() {
                Fresh => {
                    BEFORE.here();
                    assert_eq!(shared.lock.freshness(), left);
                    left
                }
                Created => {
                    AFTER.here();
                    shared.lock.freshness()
                }
                outcome => panic!("{outcome:?}"),
            };
            assert!(freshness == Freshness::Fresh || freshness == left);
            assert!(shared.is_at_rest());
        });
    }
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// Only the thread that runs the creator would wait for itself. Another thread waits, and is served.
#[test]
fn l7_only_the_thread_that_runs_the_creator_gets_an_error() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let outcomes = join(spawn_each::<_, 2>(&shared, |shared| {
            let created = shared.lock.access().or_create_with(|_| {
                let again = shared.lock.access().timeout(Duration::MAX).turn();
                assert!(matches!(again, Err(AcquireError::WouldDeadlock(_))), "{again:?}");
                shared.add();
            });
            assert_eq!(shared.slot.read(), 1);
            created
        }));
        assert_eq!(count(&outcomes, Created), 1, "{outcomes:?}");
        WAITED.here_if(outcomes.contains(&Waited));
    });
    WAITED.at_least_once();
}
