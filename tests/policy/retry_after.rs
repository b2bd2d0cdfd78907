//! A pause after each failure: which accesses go on with the old value, which are told of the pause, and which create.

use crate::{
    ALMOST_A_SECOND, MINUTE, MORTAL_AND_LONG_PAUSING, NANO, PAUSING, SECOND, elected, fail, paused, ruled,
    ruled_and_stale, succeed, until, unwanted,
};
use dogpile::{
    AcquireError, Backoff, Cached, CachedFn, CachedGuard, Clock as _, CreateError, Dogpile, Finished, Freshness, Made,
    ManualClock, Outcome, Policy, Registry, Stamped, SyncReaderDogpile, Turn,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn after_a_failure_the_old_value_is_served_until_the_pause_is_over() {
    let (lock, clock) = ruled_and_stale(&PAUSING);
    assert_eq!(lock.paused_for(), None);
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
    assert_eq!(lock.paused_for(), Some(SECOND));
    for _ in 0..3 {
        assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
        assert_eq!(lock.acquire_or_create(|| panic!("nobody is to create")), Outcome::Stale);
        assert!(matches!(lock.acquire(), Turn::Stale));
        assert!(matches!(Dogpile::kept(&lock).turn(), Turn::Stale));
        assert!(matches!(lock.try_acquire(), Ok(Turn::Stale)));
    }
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert!(!lock.is_creating());
    clock.advance(ALMOST_A_SECOND);
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    assert_eq!(lock.paused_for(), Some(NANO));
    clock.advance(NANO);
    assert_eq!(lock.paused_for(), None);
    // C10: after the pause an access creates again. The failure does not pin the old value.
    assert_eq!(succeed(&lock), Ok(Outcome::Created));
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
}

#[test]
fn pauses_grow_from_failure_to_failure_and_begin_anew_after_a_success() {
    let (lock, clock) = ruled_and_stale(&PAUSING);
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
        assert_eq!(lock.paused_for(), Some(SECOND * pause));
        clock.advance(SECOND * pause);
    }
    assert_eq!(succeed(&lock), Ok(Outcome::Created));
    assert_eq!(lock.paused_for(), None);
    clock.advance(MINUTE);
    fail(&lock).unwrap_err();
    assert_eq!(lock.paused_for(), Some(SECOND));
}

#[test]
fn jitter_shortens_pauses() {
    static JITTERY: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.5)).build_const();
    let mut pauses: Vec<_> = (0..200)
        .map(|_| {
            let (lock, _) = ruled(&JITTERY);
            fail(&lock).unwrap_err();
            lock.paused_for().unwrap()
        })
        .collect();
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 190, "they differ");
    assert!(pauses[0] >= MINUTE / 2 && *pauses.last().unwrap() <= MINUTE);
    // Of 200 even draws, at least one lies in each outer quarter: that fails once in 10^24 runs.
    assert!(pauses[0] < MINUTE * 5 / 8 && *pauses.last().unwrap() > MINUTE * 7 / 8);
}

#[test]
fn without_a_value_every_fallible_access_is_told_of_the_pause() {
    let (lock, clock) = ruled(&PAUSING);
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
    clock.advance(SECOND / 4);
    let left = SECOND * 3 / 4;
    assert_eq!(unwanted(&lock), Err(paused(left)));
    assert_eq!(lock.access().timeout(Duration::ZERO).or_try_create(|| Err("unwanted")), Err(paused(left)));
    let told = Err(AcquireError::Paused { retry_in: left, cause: "no answer".into() });
    assert_eq!(lock.access().timeout(MINUTE).or_create(|| panic!("unwanted")), told);
    assert_eq!(lock.access().timeout(MINUTE).turn().map(|_| ()), told.map(|_| ()));
    let getter = || -> Result<Option<u8>, ()> { panic!("what may be there is not known here") };
    assert_eq!(lock.fetch(getter).or_try_create(|| Err::<_, &str>("unwanted")), Err(paused(left)));
    assert_eq!(
        lock.fetch(|| Some(1)).timeout(MINUTE).or_create(|| panic!("unwanted")).map_err(|error| error.to_string()),
        Err("there is no value, and none is made for another 750ms, after a failure: no answer".into())
    );
    // Forms of access that cannot tell of a pause create when they are elected, one at a time. A failure of theirs
    // counts.
    let failed = catch_unwind(AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("on purpose"))));
    assert!(failed.is_err());
    assert_eq!(lock.paused_for(), Some(SECOND * 2));
    let cause = "the creator panicked".into();
    assert_eq!(unwanted(&lock), Err(CreateError::Paused { retry_in: SECOND * 2, cause }));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    assert_eq!(lock.paused_for(), None);
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
}

/// An access that polls does not call the failing source more often than a waiter does.
#[test]
fn f8_an_access_that_only_tries_is_told_of_the_pause() {
    let told = |tried: Result<(), AcquireError>| {
        assert_eq!(tried, Err(AcquireError::Paused { retry_in: SECOND, cause: "no answer".into() }));
    };
    let (lock, clock) = ruled(&PAUSING);
    fail(&lock).unwrap_err();
    told(lock.try_acquire().map(drop));
    told(Dogpile::kept(&lock).timeout(Duration::ZERO).turn().map(drop));
    clock.advance(SECOND);
    assert!(matches!(lock.try_acquire(), Ok(Turn::Create(_))));

    let readers = SyncReaderDogpile::with_clock(MINUTE, Arc::new(ManualClock::new())).with_policy(&PAUSING);
    let readers = Arc::new(readers);
    assert!(readers.acquire_or_try_create(|| Err("no answer")).is_err());
    told(readers.try_acquire().map(drop));
    told(SyncReaderDogpile::kept(&readers).timeout(Duration::ZERO).turn().map(drop));

    let clock = Arc::new(ManualClock::new());
    let maker = move |_: &u8| Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSING);
    let locks = Registry::with_maker(maker);
    let held = locks.get(&1);
    fail(&held).unwrap_err();
    told(Dogpile::kept(&held).timeout(Duration::ZERO).turn().map(drop));
}

#[test]
fn a_creation_can_fail_with_a_cause() {
    let (lock, _) = ruled(&PAUSING);
    elected(lock.acquire()).fail("the pool is gone");
    let cause = "the pool is gone".into();
    assert_eq!(unwanted(&lock), Err(CreateError::Paused { retry_in: SECOND, cause }));
    elected(lock.acquire()).try_run(|_| Err::<(), _>("no answer")).unwrap_err();
    assert_eq!(unwanted(&lock), Err(paused(SECOND * 2)));
}

/// A creation that is dropped has not failed. It causes no pause, and it makes the next pause no longer.
#[test]
fn f7_a_creation_that_is_dropped_has_not_failed() {
    let (lock, clock) = ruled(&PAUSING);
    drop(elected(lock.acquire()));
    drop(elected(Dogpile::kept(&lock).turn()));
    assert!(matches!(lock.acquire(), Turn::Create(_)), "and is dropped");
    assert_eq!((lock.paused_for(), lock.stats().failures), (None, 0));
    fail(&lock).unwrap_err();
    clock.advance(SECOND);
    drop(elected(lock.acquire()));
    assert_eq!(lock.paused_for(), None);
    fail(&lock).unwrap_err();
    assert_eq!((lock.paused_for(), lock.stats().failures), (Some(SECOND * 2), 2), "nor has it succeeded");
}

/// An access that cannot be told of the pause is elected in it, and its creation is dropped. That leaves the pause as
/// it was. A waiter that can be told of the pause is told, and of the others one creates.
#[test]
fn f7_a_creation_that_is_dropped_in_a_pause_leaves_it_as_it_was() {
    for creates in [false, true] {
        let (lock, clock) = ruled(&PAUSING);
        fail(&lock).unwrap_err();
        let creation = elected(Dogpile::kept(&lock).turn());
        thread::scope(|scope| {
            let told = scope.spawn(|| unwanted(&lock));
            until(|| lock.waiting() == 1);
            let elected = creates.then(|| scope.spawn(|| lock.acquire_or_create(|| ())));
            until(|| lock.waiting() == 1 + usize::from(creates));
            drop(creation);
            if let Some(elected) = elected {
                assert_eq!(elected.join().unwrap(), Outcome::Created);
                let told = told.join().unwrap();
                // Or the waiter looked only after the other one had created.
                assert!(told == Err(paused(SECOND)) || told == Ok(Outcome::Waited), "{told:?}");
            } else {
                assert_eq!(told.join().unwrap(), Err(paused(SECOND)));
            }
        });
        assert_eq!(lock.paused_for(), (!creates).then_some(SECOND));
        // A pause that is over is not brought back, and no access is told of it.
        lock.invalidate();
        fail(&lock).err();
        clock.advance(MINUTE);
        let creation = elected(Dogpile::kept(&lock).turn());
        thread::scope(|scope| {
            let waits = scope.spawn(|| succeed(&lock));
            until(|| lock.waiting() == 1);
            drop(creation);
            assert_eq!(waits.join().unwrap(), Ok(Outcome::Created));
        });
    }
}

/// A panic of the creator is a failure. So is a panic while a turn is held.
#[test]
fn f7_a_creation_dropped_by_a_panic_has_failed() {
    let (lock, clock) = ruled(&PAUSING);
    let told = |cause: &str, pause| {
        assert_eq!(unwanted(&lock), Err(CreateError::Paused { retry_in: pause, cause: cause.into() }));
        clock.advance(pause);
    };
    let panics = || -> Outcome { lock.acquire_or_create(|| panic!("on purpose")) };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    told("the creator panicked", SECOND);
    let panics = || {
        let _creation = elected(lock.acquire());
        panic!("on purpose")
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    told("the creation was dropped by a panic", SECOND * 2);
}

#[test]
fn waiters_share_one_failure() {
    let (lock, _) = ruled(&PAUSING);
    let creation = elected(Dogpile::kept(&lock).turn());
    let calls = AtomicUsize::new(0);
    thread::scope(|scope| {
        let waiters = [(); 8].map(|()| {
            scope.spawn(|| {
                lock.acquire_or_try_create(|| {
                    calls.fetch_add(1, Ordering::Relaxed);
                    Err("once more")
                })
            })
        });
        until(|| lock.waiting() == 8);
        creation.fail("no answer");
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(paused(SECOND)));
        }
    });
    assert_eq!(calls.into_inner(), 0, "not one attempt each");
    assert_eq!(lock.waiting(), 0);
}

/// Of the waiters, those whose form can tell of a pause are told of it, and of the others exactly one creates.
#[test]
fn an_infallible_access_creates_in_a_pause() {
    let (lock, _) = ruled(&PAUSING);
    let creation = elected(Dogpile::kept(&lock).turn());
    let calls = AtomicUsize::new(0);
    thread::scope(|scope| {
        let hear: Vec<_> = (0..4).map(|_| scope.spawn(|| unwanted(&lock))).collect();
        until(|| lock.waiting() == 4);
        let create: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    lock.acquire_or_create(|| {
                        calls.fetch_add(1, Ordering::Relaxed);
                    })
                })
            })
            .collect();
        until(|| lock.waiting() == 7);
        creation.fail("no answer");
        for waiter in hear {
            // Or the waiter looked only after one of the others had created.
            let told = waiter.join().unwrap();
            assert!(told == Err(paused(SECOND)) || told == Ok(Outcome::Waited), "{told:?}");
        }
        let outcomes: Vec<_> = create.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "{outcomes:?}");
    });
    assert_eq!(calls.into_inner(), 1);
    assert_eq!(lock.freshness(), Freshness::Fresh);
}

#[test]
fn only_a_success_ends_a_pause_early() {
    let (lock, clock) = ruled_and_stale(&PAUSING);
    fail(&lock).unwrap_err();
    lock.mark_stale();
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    lock.invalidate();
    assert_eq!(unwanted(&lock), Err(paused(SECOND)));
    assert!(lock.invalidate_if(lock.generation()));
    assert_eq!(unwanted(&lock), Err(paused(SECOND)));
    clock.advance(SECOND);
    assert_eq!(succeed(&lock), Ok(Outcome::Created));

    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, clock).with_policy(&PAUSING);
    cached.get_or_try_create(|| Err("no answer")).unwrap_err();
    assert_eq!(cached.paused_for(), Some(SECOND));
    cached.set(7);
    assert_eq!(cached.paused_for(), None);
    cached.mark_stale();
    assert_eq!(*cached.get_or_try_create(|| Ok::<_, &str>(8)).unwrap(), 8);
    cached.get_or_try_create(|| Ok::<_, &str>(8)).unwrap();
}

#[test]
fn a_superseded_creation_that_succeeds_ends_the_streak() {
    let (lock, clock) = ruled(&PAUSING);
    fail(&lock).unwrap_err();
    clock.advance(SECOND);
    let creation = elected(lock.acquire());
    lock.invalidate();
    assert_eq!(creation.finish(), Finished::Superseded);
    fail(&lock).unwrap_err();
    assert_eq!(lock.paused_for(), Some(SECOND));
}

#[test]
fn an_access_that_asks_for_a_new_value_goes_through_the_pause() {
    let clock = Arc::new(ManualClock::new());
    let fails = AtomicBool::new(true);
    let creator = || if fails.load(Ordering::Relaxed) { Err("no answer") } else { Ok(1) };
    let value: CachedFn<u8, _, _> = CachedFn::with_clock(MINUTE, Arc::clone(&clock), creator).with_policy(&PAUSING);
    value.set(7);
    assert_eq!(value.access().anew().try_get().unwrap_err(), CreateError::Failed("no answer"));
    assert_eq!((*value.try_get().unwrap(), value.paused_for()), (7, Some(SECOND)));
    assert_eq!(value.access().anew().try_get().unwrap_err(), CreateError::Failed("no answer"));
    assert_eq!((*value.try_get().unwrap(), value.paused_for()), (7, Some(SECOND * 2)));
    fails.store(false, Ordering::Relaxed);
    assert_eq!(*value.access().anew().try_get().unwrap(), 1);
    assert_eq!(value.paused_for(), None);
}

/// C19: the value arrives expired. The creator's caller gets it, and the other accesses go on with it. No access
/// creates again before the pause is over.
#[test]
fn c19_a_value_that_arrives_expired_counts_as_a_failure() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSING);
    let calls = AtomicUsize::new(0);
    let read = || {
        cached.access().or_create_with(|_| {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            Made::new(call).expires_after(if call < 2 { Duration::ZERO } else { MINUTE })
        })
    };
    let told = |guard: &CachedGuard<usize>| (**guard, CachedGuard::outcome(guard));
    assert_eq!(told(&read()), (0, Outcome::Created));
    assert_eq!(cached.paused_for(), Some(SECOND));
    for _ in 0..3 {
        assert_eq!(told(&read()), (0, Outcome::Stale));
    }
    clock.advance(SECOND);
    assert_eq!(told(&read()), (1, Outcome::Created));
    assert_eq!(cached.paused_for(), Some(SECOND * 2));
    clock.advance(SECOND * 2);
    assert_eq!(told(&read()), (2, Outcome::Created));
    assert_eq!(cached.paused_for(), None);
    assert_eq!(told(&read()), (2, Outcome::Fresh));
    // Where values never live at all, an expired value is no failure.
    let zero = Cached::new(Duration::ZERO).with_policy(&PAUSING);
    assert_eq!((*zero.get_or_create(|| 1), *zero.get_or_create(|| 2)), (1, 2));
}

#[test]
fn getters_go_on_getting_in_a_pause() {
    let (lock, clock) = ruled_and_stale(&PAUSING);
    let gets = AtomicUsize::new(0);
    let getter = || {
        gets.fetch_add(1, Ordering::Relaxed);
        Ok(Some(7))
    };
    let get = |creator: fn() -> Result<u8, &'static str>| -> Result<u8, CreateError<&'static str, ()>> {
        lock.fetch(getter).or_try_create(creator)
    };
    assert_eq!(get(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    assert_eq!(gets.load(Ordering::Relaxed), 0);
    assert_eq!(get(|| panic!("unwanted")), Ok(7));
    assert_eq!(lock.fetch(|| Some(8)).or_create(|| panic!("unwanted")), 8);
    assert_eq!(gets.load(Ordering::Relaxed), 1, "L8");
    // The value is gone from the store, so there is none for this access.
    let gone = lock.fetch(|| None::<u8>).or_try_create(|| Err("unwanted"));
    assert_eq!(gone, Err(paused(SECOND)));
    clock.advance(SECOND);
    assert_eq!(get(|| Ok(9)), Ok(9));
}

#[test]
fn stamped_getters_bring_their_stale_values_in_a_pause() {
    let (lock, clock) = ruled(&PAUSING);
    let stale = Some(Stamped { value: 7, created: clock.wall() - MINUTE });
    let get = |creator: fn() -> Result<u8, &'static str>| -> Result<u8, CreateError<&'static str, ()>> {
        lock.fetch_stamped(|| Ok(stale)).or_try_create(creator).map(|got| got.value)
    };
    assert_eq!(get(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    assert_eq!(get(|| panic!("unwanted")), Ok(7));
    clock.advance(SECOND);
    assert_eq!(get(|| Ok(8)), Ok(8));
}

#[test]
fn readers_under_guards_carry_on_in_a_pause() {
    let clock = Arc::new(ManualClock::new());
    let lock = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSING);
    assert_eq!(*lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    assert_eq!(lock.acquire_or_try_create(|| Err("no answer")).map(|_| ()), Err(CreateError::Failed("no answer")));
    assert_eq!(*lock.acquire_or_create(|| panic!("unwanted")), Outcome::Stale);
    lock.invalidate();
    assert_eq!(lock.acquire_or_try_create(|| Err("unwanted")).map(|_| ()), Err(paused(SECOND)));
    let gotten = lock.fetch(|| Some(1_u8)).or_try_create(|| Err("no answer")).map(|_| ());
    assert_eq!(gotten, Err(paused(SECOND)));
    clock.advance(SECOND);
    let gotten = lock.fetch(|| Some(1_u8)).or_try_create(|| Err("no answer")).map(|_| ());
    assert_eq!(gotten, Err(CreateError::Failed("no answer")));
    assert_eq!(
        lock.acquire_or_try_create(|| Err("unwanted")).map(|_| ()),
        Err(paused(SECOND * 2)),
        "with its own words"
    );
}

/// An access that cannot be told of pauses is elected in one, calls its getter once more, and finds a value. Nothing
/// was created, and the pause goes on.
#[test]
fn a_value_found_by_a_getter_does_not_end_a_pause() {
    for (policy, pause) in [(&PAUSING, SECOND), (&MORTAL_AND_LONG_PAUSING, MINUTE)] {
        for getter_panics in [false, true] {
            let clock = Arc::new(ManualClock::new());
            let lock = Arc::new(Dogpile::with_clock(MINUTE, clock).with_policy(policy).born_fresh());
            let gone = || None::<u8>;
            thread::scope(|scope| {
                let fails = scope.spawn(|| {
                    lock.fetch(gone).or_try_create(|| {
                        until(|| lock.waiting() == 1);
                        Err("no answer")
                    })
                });
                until(|| lock.is_creating());
                let mut gets = 0;
                let got = catch_unwind(AssertUnwindSafe(|| {
                    let getter = || {
                        gets += 1;
                        assert!(gets == 1 || !getter_panics, "a getter panics on purpose");
                        (gets > 1).then_some(7)
                    };
                    lock.fetch(getter).or_create(|| panic!("unwanted"))
                }));
                assert_eq!(got.ok(), (!getter_panics).then_some(7));
                assert_eq!(fails.join().unwrap(), Err(CreateError::Failed("no answer")));
            });
            assert_eq!(lock.paused_for(), Some(pause));
            assert_eq!(lock.fetch(gone).or_try_create(|| Err("unwanted")), Err(paused(pause)));
        }
    }
}
