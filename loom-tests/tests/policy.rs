//! Creations that fail, hang or wait for each other: time-outs against ends, stores and each other; failures that are
//! shared; cycles that would close.
//!
//! A thread of the model moves the clock, so a time-out comes before, between and after all steps of the others.
#![cfg(dogpile_loom)]

use dogpile::{
    Backoff, Cached, CachedGuard, CreateError, Creation, Dogpile, Failure, Finished, ManualClock, Outcome, Policy,
    PublishError, Turn,
};
use dogpile_loom_tests::{Reached, Slot, Wakes, check, spawn};
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, SECOND)).build_const();
static BOTH: Policy =
    Policy::builder().creation_timeout(SECOND).retry_after(Backoff::new(SECOND, SECOND)).build_const();
static ALPHA: Policy = Policy::builder().name("alpha").build_const();

static LONG_PAUSE: Policy = Policy::builder()
    .creation_timeout(SECOND)
    .retry_after(Backoff::new(SECOND.saturating_mul(60), SECOND.saturating_mul(60)))
    .build_const();

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

/// What the threads of a model share: a lock, its clock, and two values.
struct Model {
    lock: Arc<Lock>,
    clock: Clock,
    slot: Slot,
    other: Slot,
}

impl Model {
    fn ruled(policy: &'static Policy) -> Arc<Self> {
        let clock = Arc::new(ManualClock::new());
        let lock = Arc::new(Dogpile::with_clock(SECOND * 60, Arc::clone(&clock)).with_policy(policy));
        Arc::new(Self { lock, clock, slot: Slot::new(), other: Slot::new() })
    }

    fn plain() -> Arc<Self> {
        let clock = Arc::new(ManualClock::new());
        let lock = Arc::new(Dogpile::with_clock(SECOND * 60, Arc::clone(&clock)));
        Arc::new(Self { lock, clock, slot: Slot::new(), other: Slot::new() })
    }

    fn stale(policy: &'static Policy) -> Arc<Self> {
        let shared = Self::ruled(policy);
        assert_eq!(shared.lock.acquire_or_create(|| ()), Outcome::Created);
        shared.lock.mark_stale();
        shared
    }

    fn elected(&self) -> Creation<'static, Lock> {
        match Dogpile::kept(&self.lock).turn() {
            Turn::Create(creation) => creation,
            turn => panic!("{turn:?}"),
        }
    }

    fn is_at_rest(&self) -> bool {
        !self.lock.is_creating() && self.lock.waiting() == 0
    }
}

/// The first creation ends at about the time at which it may be declared dead, and an access waits for it.
#[test]
fn c11_a_time_out_against_finish() {
    static PUBLISHED: Reached = Reached::new();
    static DEAD: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        let waiter = spawn(&shared, |shared| {
            let outcome = shared.lock.acquire_or_create(|| shared.other.write(2));
            match outcome {
                Outcome::Created => assert_eq!(shared.other.read(), 2),
                Outcome::Waited | Outcome::Fresh => assert_eq!(shared.slot.read(), 1, "L4"),
                other => panic!("{other:?}"),
            }
            outcome
        });
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND));
        let slow = spawn(&shared, |shared| {
            shared.slot.write(1);
            creation.finish()
        });
        let (waiter, slow) = (waiter.join().unwrap(), slow.join().unwrap());
        time.join().unwrap();
        match slow {
            Finished::Published => PUBLISHED.here(),
            Finished::Dead => DEAD.here(),
            other => panic!("{other:?}"),
        }
        assert_eq!(waiter == Outcome::Created, slow == Finished::Dead);
        assert!(shared.lock.has_value() && shared.is_at_rest());
    });
    PUBLISHED.at_least_once();
    DEAD.at_least_once();
}

/// A task that waits for that time is dropped at about that time. The clock keeps nothing of it, and forgets no other
/// task.
#[test]
fn f16_a_task_is_dropped_as_the_clock_is_moved() {
    static WOKEN: Reached = Reached::new();
    static TAKEN_BACK: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        let wakes = Arc::<Wakes>::default();
        let mut task = Box::pin(shared.lock.access_async().or_create(async || unreachable!("it is dropped")));
        assert!(task.as_mut().poll(&mut Context::from_waker(&wakes.waker())).is_pending());
        let waiter = spawn(&shared, |shared| shared.lock.acquire_or_create(|| ()));
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND));
        drop(task);
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
        time.join().unwrap();
        WOKEN.here_if(wakes.count() > 0);
        TAKEN_BACK.here_if(wakes.count() == 0);
        assert_eq!(Arc::strong_count(&wakes), 1);
        assert!(creation.is_dead() && shared.is_at_rest());
    });
    WOKEN.at_least_once();
    TAKEN_BACK.at_least_once();
}

/// The same with a creation that fails or is dropped: then the waiter creates in any case.
#[test]
fn c11_a_time_out_against_a_failure() {
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        let waiter = spawn(&shared, |shared| shared.lock.acquire_or_create(|| ()));
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND));
        drop(creation);
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
        time.join().unwrap();
        assert!(shared.is_at_rest());
    });
}

/// A store is not overtaken: whichever store comes second sees the first one, and a dead creation does not begin one.
#[test]
fn c11_a_time_out_against_publish() {
    static REFUSED: Reached = Reached::new();
    static STORED: Reached = Reached::new();
    static DIED_BEHIND_IT: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        let waiter = spawn(&shared, |shared| {
            shared.lock.access().or_create_with(|creation| {
                creation.publish(|| shared.slot.write(shared.slot.read() + 2)).expect("it has all the time");
            })
        });
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND));
        let slow = spawn(&shared, |shared| {
            let stored = creation.publish(|| shared.slot.write(shared.slot.read() + 1));
            (stored, creation.finish())
        });
        let (waiter, slow) = (waiter.join().unwrap(), slow.join().unwrap());
        time.join().unwrap();
        let stored = match slow {
            (Ok(()), Finished::Published) => {
                STORED.here();
                assert_ne!(waiter, Outcome::Created);
                1
            }
            (Ok(()), Finished::Dead) => {
                DIED_BEHIND_IT.here();
                3
            }
            (Err(PublishError::Dead), Finished::Dead) => {
                REFUSED.here();
                2
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(shared.slot.read(), stored);
        assert!(shared.is_at_rest());
    });
    REFUSED.at_least_once();
    STORED.at_least_once();
    DIED_BEHIND_IT.at_least_once();
}

/// The time passes during the store. The end of the store wakes the waiter, and nothing else does.
#[test]
fn c11_the_end_of_a_store_wakes_a_waiter_that_found_it_overdue() {
    static TOOK_OVER: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        let waiter = spawn(&shared, |shared| shared.lock.acquire_or_create(|| ()));
        creation.publish(|| shared.clock.advance(SECOND)).expect("nobody takes over before that");
        let waiter = waiter.join().unwrap();
        assert_eq!(waiter, Outcome::Created);
        TOOK_OVER.here_if(creation.is_dead());
        assert_eq!(creation.finish(), Finished::Dead);
        assert!(shared.is_at_rest());
    });
    TOOK_OVER.at_least_once();
}

/// Of two accesses that find the creation overdue, one takes over. The other one waits for it, or goes on.
#[test]
fn l1_one_of_two_accesses_takes_over() {
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let dead = shared.elected();
        shared.clock.advance(SECOND);
        let accesses = [(); 2].map(|()| {
            spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(shared.slot.read() + 1)))
        });
        let outcomes = accesses.map(|access| access.join().unwrap());
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "{outcomes:?}");
        assert_eq!(shared.slot.read(), 1);
        assert_eq!(dead.finish(), Finished::Dead);
        assert!(shared.is_at_rest());
    });
}

/// With an old value, an access that finds the creation overdue takes over without having waited.
#[test]
fn c11_a_stale_access_takes_over() {
    static TOOK_OVER: Reached = Reached::new();
    static CARRIED_ON: Reached = Reached::new();
    check(|| {
        let shared = Model::stale(&MORTAL);
        let creation = shared.elected();
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND));
        let slow = spawn(&shared, |_| creation.finish());
        let other = spawn(&shared, |shared| shared.lock.acquire_or_create(|| ()));
        time.join().unwrap();
        match (slow.join().unwrap(), other.join().unwrap()) {
            (Finished::Dead, Outcome::Created) => TOOK_OVER.here(),
            (Finished::Published, Outcome::Stale) => CARRIED_ON.here(),
            (Finished::Published, Outcome::Fresh) => {}
            other => panic!("{other:?}"),
        }
        assert!(shared.is_at_rest());
    });
    TOOK_OVER.at_least_once();
    CARRIED_ON.at_least_once();
}

/// An invalidation besides: once it has returned, no older value is stored, neither by the dead creation nor by the one
/// in its place.
#[test]
fn l6_an_invalidation_against_a_take_over() {
    static DEAD: Reached = Reached::new();
    static SUPERSEDED: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&MORTAL);
        let creation = shared.elected();
        shared.clock.advance(SECOND);
        let invalidates = spawn(&shared, |shared| {
            shared.lock.invalidate();
            let waits_for_nobody = shared.lock.try_acquire().is_ok();
            shared.other.write(usize::from(waits_for_nobody));
        });
        let takes_over = spawn(&shared, |shared| {
            shared.lock.access().or_create_with(|creation| {
                _ = creation.publish(|| shared.slot.write(2));
            })
        });
        let slow = spawn(&shared, |shared| {
            _ = creation.publish(|| shared.slot.write(1));
            creation.finish()
        });
        invalidates.join().unwrap();
        match slow.join().unwrap() {
            Finished::Dead => DEAD.here(),
            Finished::Superseded => SUPERSEDED.here(),
            _ => {}
        }
        takes_over.join().unwrap();
        assert!(shared.slot.read() <= 2 && shared.is_at_rest());
    });
    DEAD.at_least_once();
    SUPERSEDED.at_least_once();
}

/// One access waits and another has just come when the creation fails. Both are told, and neither creates.
#[test]
fn a_shared_failure_against_a_newcomer() {
    static QUEUED: Reached = Reached::new();
    a_pause_against_two(&QUEUED, || Model::ruled(&PAUSING), |creation| creation.fail("no answer"));
}

/// Both accesses are told of the failure, as waiters or as newcomers.
fn a_pause_against_two(queued: &'static Reached, shared: fn() -> Arc<Model>, fail: fn(Creation<'static, Lock>)) {
    check(move || {
        let shared = shared();
        let creation = shared.elected();
        let accesses = [(); 2].map(|()| {
            spawn(&shared, |shared| shared.lock.acquire_or_try_create(|| -> Result<(), &str> { panic!("unwanted") }))
        });
        queued.here_if(shared.lock.waiting() == 2);
        fail(creation);
        for access in accesses {
            let told = access.join().unwrap();
            assert!(
                matches!(&told, Err(CreateError::Paused { retry_in: SECOND, cause }) if **cause == *"no answer"),
                "{told:?}"
            );
        }
        assert!(shared.is_at_rest());
    });
    queued.at_least_once();
}

/// The newcomer cannot be told, and creates. The waiter is told, or gets the newcomer's value.
#[test]
fn a_shared_failure_against_a_newcomer_that_creates() {
    static TOLD: Reached = Reached::new();
    static SERVED: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&BOTH);
        let creation = shared.elected();
        let waiter =
            spawn(&shared, |shared| shared.lock.acquire_or_try_create(|| -> Result<(), &str> { panic!("unwanted") }));
        let newcomer = spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(1)));
        creation.fail("no answer");
        assert_eq!(newcomer.join().unwrap(), Outcome::Created);
        match waiter.join().unwrap() {
            Ok(_) => {
                SERVED.here();
                assert_eq!(shared.slot.read(), 1);
            }
            Err(CreateError::Paused { .. }) => TOLD.here(),
            Err(other) => panic!("{other:?}"),
        }
        assert!(shared.is_at_rest());
        assert_eq!(shared.lock.paused_for(), None);
    });
    TOLD.at_least_once();
    SERVED.at_least_once();
}

/// In a pause with an old value no access writes, waits or creates. When the pause is over, one access creates.
#[test]
fn the_end_of_a_pause_elects_one() {
    check(|| {
        let shared = Model::stale(&PAUSING);
        shared.elected().fail("no answer");
        let accesses = [(); 2].map(|()| {
            spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(shared.slot.read() + 1)))
        });
        shared.clock.advance(SECOND);
        let outcomes = accesses.map(|access| access.join().unwrap());
        let created = outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count();
        assert!(created <= 1, "{outcomes:?}");
        assert_eq!(shared.slot.read(), created);
        assert!(shared.is_at_rest());
    });
}

/// A dead creation of a cached value ends while the one in its place serves the waiters. The dead creation serves no
/// waiter.
#[test]
fn c11_a_dead_creation_serves_no_waiter() {
    static DEAD: Reached = Reached::new();
    check(|| {
        let clock = Arc::new(ManualClock::new());
        let cached = Cached::with_clock(SECOND * 60, Arc::clone(&clock)).with_policy(&MORTAL);
        let cached = Arc::new(cached);
        let access = |value: u8| {
            let cached = Arc::clone(&cached);
            thread::spawn(move || {
                let guard = cached.get_or_create(|| value);
                (*guard, CachedGuard::outcome(&guard))
            })
        };
        let accesses = [1, 2].map(access);
        clock.advance(SECOND);
        let got = accesses.map(|access| access.join().unwrap());
        let current = *cached.peek().expect("one of them was published");
        for (number, (value, outcome)) in [1, 2].into_iter().zip(got) {
            if outcome == Outcome::Created {
                assert_eq!(value, number, "its own");
                DEAD.here_if(value != current);
            } else {
                assert_eq!(value, current);
            }
        }
    });
    DEAD.at_least_once();
}

/// Two creators of two locks ask for each other's values. Neither hangs, and only one of them gets an error.
#[test]
fn l7_c14_a_cycle_of_two() {
    static TOLD: Reached = Reached::new();
    static NONE: Reached = Reached::new();
    check(|| {
        let locks = [(); 2].map(|()| Arc::new(Dogpile::with_clock(SECOND, ManualClock::new()).with_policy(&ALPHA)));
        let creates = |own: usize| {
            let locks = locks.clone();
            thread::spawn(move || {
                let mut told = false;
                locks[own].acquire_or_create(|| {
                    let other = locks[1 - own].acquire_or_try_create(|| Ok::<_, &str>(()));
                    told = matches!(other, Err(CreateError::WouldDeadlock(_)));
                    assert!(told || other.is_ok(), "{other:?}");
                });
                told
            })
        };
        let told = [0, 1].map(creates).map(|thread| thread.join().unwrap());
        assert!(told != [true; 2]);
        if told == [false; 2] {
            NONE.here();
        } else {
            TOLD.here();
        }
        assert!(locks.iter().all(|lock| lock.waiting() == 0 && !lock.is_creating()));
    });
    TOLD.at_least_once();
    NONE.at_least_once();
}

/// A creation has ended, so its waiter waits no longer, even if it has not woken up. Another creation of the same value
/// that then waits for the waiter's own creation closes no cycle.
#[test]
fn l7_c14_a_served_waiter_closes_no_cycle() {
    check(|| {
        let [alpha, beta] =
            [(); 2].map(|()| Arc::new(Dogpile::with_clock(SECOND, ManualClock::new()).with_policy(&ALPHA)));
        let Turn::Create(creation) = Dogpile::kept(&beta).turn() else { panic!("nobody else creates") };
        let other = {
            let (alpha, beta) = (Arc::clone(&alpha), Arc::clone(&beta));
            thread::spawn(move || {
                alpha.acquire_or_create(|| {
                    // This access accepts any value that is there.
                    beta.acquire_or_create(|| ());
                })
            })
        };
        let here = thread::spawn(move || {
            creation.run(|_| ());
            beta.mark_stale();
            beta.acquire_or_create(|| {
                alpha.acquire_or_create(|| ());
            })
        });
        other.join().unwrap();
        here.join().unwrap();
    });
}

/// A waiter that was told of a pause waits no longer either, even if it has not woken up.
#[test]
fn l7_c14_a_waiter_told_of_a_pause_closes_no_cycle() {
    check(|| {
        let (alpha, beta) = (Model::ruled(&ALPHA), Model::ruled(&PAUSING));
        let creation = beta.elected();
        let told = {
            let (alpha, beta) = (Arc::clone(&alpha), Arc::clone(&beta));
            thread::spawn(move || {
                alpha.lock.acquire_or_create(|| {
                    let told = beta.lock.acquire_or_try_create(|| Ok::<_, &str>(()));
                    assert!(matches!(told, Err(CreateError::Paused { .. })), "{told:?}");
                })
            })
        };
        let creates = thread::spawn(move || {
            while beta.lock.waiting() == 0 {
                thread::yield_now();
            }
            creation.fail("no answer");
            // This access cannot be told of the pause, and creates.
            beta.lock.acquire_or_create(|| {
                alpha.lock.acquire_or_create(|| ());
            })
        });
        assert_eq!(told.join().unwrap(), Outcome::Created);
        assert_eq!(creates.join().unwrap(), Outcome::Created);
    });
}

/// The creation that an access waits for fails, and a newcomer is faster than the access. The access then waits for the
/// newcomer's creation.
#[test]
fn l7_c14_a_cycle_that_a_newcomer_closes() {
    static TOLD: Reached = Reached::new();
    check(|| {
        let [alpha, beta] =
            [(); 2].map(|()| Arc::new(Dogpile::with_clock(SECOND, ManualClock::new()).with_policy(&ALPHA)));
        let Turn::Create(creation) = Dogpile::kept(&beta).turn() else { panic!("nobody else creates") };
        let nested = |outer: &Arc<Dogpile<ManualClock>>, inner: &Arc<Dogpile<ManualClock>>| {
            let (outer, inner) = (Arc::clone(outer), Arc::clone(inner));
            thread::spawn(move || {
                let mut told = false;
                outer.acquire_or_create(|| {
                    let inner = inner.acquire_or_try_create(|| Ok::<_, &str>(()));
                    told = inner.is_err();
                });
                told
            })
        };
        let waits = nested(&alpha, &beta);
        let newcomer = nested(&beta, &alpha);
        drop(creation);
        let told = [waits, newcomer].map(|thread| thread.join().unwrap());
        assert!(told != [true; 2]);
        TOLD.here_if(told != [false; 2]);
    });
    TOLD.at_least_once();
}

/// An access that cannot be told of pauses is elected in one, and its creation is dropped. The pause goes on as it was.
/// An access that comes meanwhile, and can be told of the pause, is told of it in any order.
#[test]
fn f7_a_creation_that_is_dropped_in_a_pause() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&PAUSING);
        assert!(shared.lock.acquire_or_try_create(|| Err("no answer")).is_err());
        let creation = shared.elected();
        let asks =
            spawn(&shared, |shared| shared.lock.acquire_or_try_create(|| -> Result<(), &str> { panic!("unwanted") }));
        drop(creation);
        let Err(CreateError::Paused { cause, .. }) = asks.join().unwrap() else { panic!("there is a pause") };
        assert_eq!(&*cause, "no answer");
        WAITED.here_if(shared.lock.stats().waits == 1);
        assert!(shared.lock.paused_for().is_some() && shared.is_at_rest());
    });
    WAITED.at_least_once();
}

/// A creation fails and hands on to the first of two waiters, whose creation hangs. The second waiter finds that
/// creation dead in time. It does not wait for the end of the pause that began when it was about to sleep.
#[test]
fn a_pause_does_not_put_off_a_death() {
    static TOOK_OVER: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&LONG_PAUSE);
        let creation = shared.elected();
        let hangs = Arc::new(AtomicBool::new(true));
        let waiters = [(); 2].map(|()| {
            let hangs = Arc::clone(&hangs);
            spawn(&shared, move |shared| {
                shared.lock.access().or_create_with(|creation| {
                    if hangs.swap(false, Relaxed) {
                        while !creation.is_dead() {
                            thread::yield_now();
                        }
                        TOOK_OVER.here();
                    }
                })
            })
        });
        while shared.lock.waiting() < 2 {
            thread::yield_now();
        }
        creation.fail("no answer");
        while hangs.load(Relaxed) {
            thread::yield_now();
        }
        shared.clock.advance(SECOND);
        assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [Outcome::Created; 2]);
        assert!(shared.is_at_rest());
    });
    TOOK_OVER.at_least_once();
}

/// A value that is due expires meanwhile. One access at a time renews it, and the other goes on with the value that is
/// there.
#[test]
fn an_early_renewal_against_the_expiry() {
    static EARLY: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
    check(|| {
        let shared = Model::ruled(&AT_HALF);
        assert_eq!(shared.lock.acquire_or_create(|| shared.slot.write(1)), Outcome::Created);
        shared.clock.advance(SECOND * 30);
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND * 30));
        let accesses = [(); 2].map(|()| {
            spawn(&shared, |shared| {
                let outcome = shared.lock.acquire_or_create(|| shared.other.write(shared.other.read() + 1));
                (outcome, shared.slot.read())
            })
        });
        let outcomes = accesses.map(|access| access.join().unwrap());
        time.join().unwrap();
        let created = outcomes.iter().filter(|(outcome, _)| *outcome == Outcome::Created).count();
        assert!((1..=2).contains(&created), "{outcomes:?}");
        assert_eq!(shared.other.read(), created, "L1");
        assert!(outcomes.iter().all(|(outcome, value)| *outcome != Outcome::Waited && *value == 1), "L2: {outcomes:?}");
        EARLY.here_if(outcomes.iter().any(|(outcome, _)| *outcome == Outcome::Fresh));
        LATE.here_if(outcomes.iter().any(|(outcome, _)| *outcome == Outcome::Stale));
        assert!(shared.is_at_rest());
    });
    EARLY.at_least_once();
    LATE.at_least_once();
}

/// An access that finds a value fresh, due, or stale by the plan beside the deadline sees what the value's creator
/// wrote.
#[test]
fn l4_a_plan_is_seen_with_its_value() {
    static FRESH: Reached = Reached::new();
    static FORGETFUL: Policy = Policy::builder().max_stale(SECOND).refresh_at(0.5).build_const();
    check(|| {
        let shared = Model::ruled(&FORGETFUL);
        let creator = spawn(&shared, |shared| shared.lock.acquire_or_create(|| shared.slot.write(1)));
        let reader = spawn(&shared, |shared| {
            if shared.lock.has_value() {
                FRESH.here();
                assert_eq!(shared.slot.read(), 1);
            }
        });
        let time = spawn(&shared, |shared| shared.clock.advance(SECOND * 45));
        assert_eq!(creator.join().unwrap(), Outcome::Created);
        reader.join().unwrap();
        time.join().unwrap();
    });
    FRESH.at_least_once();
}

/// There is no policy, and the failure itself says how long to pause. Both accesses are told, and neither creates.
#[test]
fn k2_a_pause_set_by_a_failure_against_a_waiter_and_a_newcomer() {
    static QUEUED: Reached = Reached::new();
    let fail = |creation: Creation<'static, Lock>| creation.fail(Failure::new("no answer").retry_after(SECOND));
    a_pause_against_two(&QUEUED, Model::plain, fail);
}

/// In a pause that a failure has set, an access is elected that cannot be told of it. Its creation ends without a pause
/// of its own. The first pause goes on as it was, and an access that comes meanwhile is told of it in any order.
#[test]
fn k2_a_creation_that_ends_in_a_pause_set_by_a_failure() {
    static WAITED: Reached = Reached::new();
    for fails in [false, true] {
        check(move || {
            let shared = Model::plain();
            shared.elected().fail(Failure::new("no answer").retry_after(SECOND));
            let creation = shared.elected();
            let asks = spawn(&shared, |shared| {
                shared.lock.acquire_or_try_create(|| -> Result<(), &str> { panic!("unwanted") })
            });
            if fails {
                creation.fail("no answer");
            } else {
                drop(creation);
            }
            let Err(CreateError::Paused { cause, .. }) = asks.join().unwrap() else { panic!("there is a pause") };
            assert_eq!(&*cause, "no answer");
            WAITED.here_if(shared.lock.stats().waits == 1);
            assert!(shared.lock.paused_for() == Some(SECOND) && shared.is_at_rest());
        });
    }
    WAITED.at_least_once();
}

/// The policy pauses, but the failure says not to. The waiter is called, and creates; a newcomer may be faster.
#[test]
fn k2_a_failure_that_says_not_to_pause_hands_on() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let shared = Model::ruled(&PAUSING);
        let creation = shared.elected();
        let accesses = [1, 2].map(|value| {
            spawn(&shared, move |shared| {
                shared.lock.acquire_or_try_create(|| {
                    shared.slot.write(value);
                    Ok::<_, &str>(())
                })
            })
        });
        WAITED.here_if(shared.lock.waiting() == 2);
        creation.fail(Failure::new("no answer").retry_after(Duration::ZERO));
        let outcomes = accesses.map(|access| access.join().unwrap().expect("nobody pauses"));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "{outcomes:?}");
        assert!((1..=2).contains(&shared.slot.read()));
        assert!(shared.is_at_rest() && shared.lock.paused_for().is_none());
    });
    WAITED.at_least_once();
}
