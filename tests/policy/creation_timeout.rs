//! Creations that hang: which access is elected in their place, and what they can still do.

use crate::{
    ALMOST_A_SECOND, Lock, MINUTE, MORTAL, MORTAL_AND_LONG_PAUSING, MORTAL_AND_PAUSING, NANO, SECOND, elected, fail,
    ruled, ruled_and_stale, succeed, until, unwanted,
};
use dogpile::{
    AcquireError, Cached, CachedGuard, CreateError, Creation, Dogpile, Finished, Freshness, Made, ManualClock, Outcome,
    Policy, PublishError, ReadTurn, Renewal, SyncReaderDogpile, Turn, WriteLockError,
};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

#[test]
fn c11_another_is_elected_in_place_of_a_creation_that_hangs() {
    let (lock, clock) = ruled_and_stale(&MORTAL);
    let hangs = elected(lock.acquire());
    clock.advance(ALMOST_A_SECOND);
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    assert!(!hangs.is_dead());
    clock.advance(NANO);
    let takes_over = elected(lock.acquire());
    assert!(hangs.is_dead() && !takes_over.is_dead());
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale), "there is one again");
    // Nothing that the dead creation does has any effect.
    assert_eq!(hangs.publish(|| panic!("it is dead")), Err(PublishError::Dead));
    assert!(format!("{hangs:?}").contains("dead: true"));
    assert_eq!(hangs.finish(), Finished::Dead);
    assert!(lock.is_creating());
    assert_eq!(lock.freshness(), Freshness::Stale);
    assert_eq!(takes_over.publish(|| 7), Ok(7));
    assert_eq!(takes_over.finish(), Finished::Published);
    assert_eq!(lock.freshness(), Freshness::Fresh);
}

#[test]
fn c11_the_end_of_a_dead_creation_frees_nothing() {
    let ends: [fn(Creation<'_, Lock>); 3] =
        [|creation| drop(creation), |creation| creation.fail("late"), |creation| _ = creation.finish()];
    for end in ends {
        let (lock, clock) = ruled(&MORTAL_AND_PAUSING);
        let hangs = elected(lock.acquire());
        clock.advance(SECOND);
        let takes_over = elected(lock.acquire());
        end(hangs);
        assert!(lock.is_creating());
        assert_eq!(lock.paused_for(), None);
        assert_eq!(lock.freshness(), Freshness::Missing);
        assert!(lock.try_acquire().is_err(), "L1");
        assert_eq!(takes_over.finish(), Finished::Published);
        assert_eq!(succeed(&lock), Ok(Outcome::Fresh));
    }
}

#[test]
fn a_late_creation_that_was_not_overtaken_is_published() {
    let (lock, clock) = ruled(&MORTAL);
    let slow = elected(lock.acquire());
    clock.advance(MINUTE);
    assert!(!slow.is_dead());
    assert_eq!(slow.publish(|| ()), Ok(()));
    assert_eq!(slow.finish(), Finished::Published);
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    assert_eq!(lock.age(), Some(Duration::ZERO));
}

/// On the settable clock: only the move of the clock wakes the waiters.
#[test]
fn c11_waiters_wake_up_on_the_settable_clock() {
    let (lock, clock) = ruled(&MORTAL);
    let hangs = elected(lock.acquire());
    thread::scope(|scope| {
        let waiters = [(); 4].map(|()| scope.spawn(|| succeed(&lock).unwrap()));
        until(|| lock.waiting() == 4);
        clock.advance(SECOND / 2);
        clock.advance(SECOND / 2);
        let outcomes = waiters.map(|waiter| waiter.join().unwrap());
        let created = outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count();
        let waited = outcomes.iter().filter(|outcome| **outcome == Outcome::Waited).count();
        assert!(created == 1 && waited == 3, "L5: {outcomes:?}");
    });
    assert_eq!(hangs.finish(), Finished::Dead);
}

/// In real time, nothing but the passing of time wakes the waiter.
#[test]
fn c11_waiters_wake_up_in_real_time() {
    static HASTY: Policy = Policy::builder().creation_timeout(Duration::from_millis(20)).build_const();
    static LOCK: Dogpile = Dogpile::never_expires().with_policy(&HASTY);
    let hangs = elected(LOCK.acquire());
    assert_eq!(LOCK.acquire_or_create(|| ()), Outcome::Created);
    assert!(hangs.is_dead());
}

/// A waiter whose own time-out comes first leaves. The other waiters find the creation dead all the same.
#[test]
fn l10_time_outs_of_waits_and_of_creations_do_not_mix() {
    let (lock, clock) = ruled(&MORTAL);
    let hangs = elected(lock.acquire());
    assert_eq!(lock.access().timeout(Duration::from_millis(2)).turn().map(|_| ()), Err(AcquireError::TimedOut));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| lock.access().timeout(Duration::MAX).or_create(|| ()));
        until(|| lock.waiting() == 1);
        clock.advance(SECOND);
        assert_eq!(waiter.join().unwrap(), Ok(Outcome::Created));
    });
    drop(hangs);
}

/// Two creations die one after the other. The waiter goes on waiting for each.
#[test]
fn c11_a_waiter_takes_over_from_a_creation_that_took_over() {
    let (lock, clock) = ruled(&MORTAL);
    let first = elected(lock.acquire());
    clock.advance(SECOND);
    let second = elected(lock.acquire());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| lock.acquire_or_create(|| ()));
        until(|| lock.waiting() == 1);
        drop(first);
        clock.advance(SECOND / 2);
        assert_eq!(lock.waiting(), 1);
        clock.advance(SECOND / 2);
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
    });
    assert_eq!(second.finish(), Finished::Dead);
}

/// Creates when elected. The first creator hangs until its creation is dead.
fn create_or_hang(lock: &Lock, hangs: &AtomicBool) -> Outcome {
    lock.access().or_create_with(|creation| {
        if hangs.swap(false, Ordering::SeqCst) {
            until(|| creation.is_dead());
        }
    })
}

/// A failure hands on to one waiter, whose creator hangs. The other waiter takes over from it, though it was queued
/// before that creation began.
#[test]
fn c11_a_creation_elected_from_the_queue_can_die_as_well() {
    let (lock, clock) = ruled(&MORTAL);
    let first = elected(lock.acquire());
    let hangs = AtomicBool::new(true);
    thread::scope(|scope| {
        let waiters = [(); 2].map(|()| scope.spawn(|| create_or_hang(&lock, &hangs)));
        until(|| lock.waiting() == 2);
        clock.advance(SECOND / 4);
        drop(first);
        until(|| lock.waiting() == 1 && !hangs.load(Ordering::SeqCst));
        clock.advance(SECOND * 3 / 4);
        // The creation that the waiter queued for would be dead by now, but another one runs.
        assert_eq!(lock.waiting(), 1);
        clock.advance(SECOND / 4);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Outcome::Created);
        }
    });
}

#[test]
fn c11_a_creation_is_not_overtaken_while_it_stores() {
    let (lock, clock) = ruled(&MORTAL);
    let slow = elected(Dogpile::kept(&lock).turn());
    thread::scope(|scope| {
        let waiter = slow
            .publish(|| {
                let waiter = scope.spawn(|| lock.acquire_or_create(|| ()));
                until(|| lock.waiting() == 1);
                clock.advance(MINUTE);
                for _ in 0..100 {
                    thread::yield_now();
                }
                assert!(lock.try_acquire().is_err(), "L1");
                assert!(!slow.is_dead());
                waiter
            })
            .unwrap();
        // The clock does not move any more.
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
    });
    assert!(slow.is_dead());
    assert_eq!(slow.publish(|| ()), Err(PublishError::Dead));
}

#[test]
fn c11_a_dead_creation_gets_no_write_lock_and_none_dies_under_it() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL));
    let ReadTurn::Create(hangs) = SyncReaderDogpile::kept(&lock).turn() else { panic!("nobody else creates") };
    clock.advance(SECOND);
    let ReadTurn::Create(slow) = SyncReaderDogpile::kept(&lock).turn() else { panic!("the other one is overdue") };
    assert_eq!(hangs.write_lock().map(|_| ()), Err(WriteLockError::Dead));
    assert_eq!(hangs.write_lock_timeout(Duration::ZERO).map(|_| ()), Err(WriteLockError::Dead));
    let alone = slow.write_lock().unwrap();
    clock.advance(MINUTE);
    assert!(lock.try_acquire().is_err());
    assert!(!slow.is_dead());
    drop(alone);
    assert_eq!(slow.finish(), Finished::Published);
    drop(hangs);
    assert_eq!(*lock.acquire_or_create(|| panic!("unwanted")), Outcome::Fresh);
}

#[test]
fn c11_a_setter_of_a_dead_creation_does_not_run() {
    let (lock, clock) = ruled(&MORTAL);
    let kill = || {
        clock.advance(SECOND);
        let other = thread::scope(|scope| scope.spawn(|| lock.acquire_or_create(|| ())).join().unwrap());
        assert_eq!(other, Outcome::Created);
    };
    let setter = |_: &_| -> Result<(), Infallible> { panic!("it is dead") };
    let unasked = || -> Option<u8> { panic!("there is nothing yet") };
    let made = lock.fetch(unasked).and_set(setter).or_create(|| {
        kill();
        7
    });
    assert_eq!(made, 7, "its result goes to its own caller");
    let clock = Arc::new(ManualClock::new());
    let lock = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL);
    let made = lock.fetch(unasked).and_set(setter).or_create(|| {
        clock.advance(SECOND);
        thread::scope(|scope| scope.spawn(|| drop(lock.acquire_or_create(|| ()))).join().unwrap());
        7
    });
    assert_eq!(*made, 7);
}

#[test]
fn c11_a_dead_creator_of_a_cached_value_serves_its_caller_alone() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL);
    let dead = cached.access().or_create_with(|renewal: &Renewal<'_, u8, _>| {
        assert!(!renewal.is_dead());
        clock.advance(SECOND);
        thread::scope(|scope| {
            let takes_over = scope.spawn(|| {
                let mut waits = None;
                cached.access().or_create_with(|_| {
                    waits = Some(scope.spawn(|| *cached.get_or_create(|| panic!("unwanted"))));
                    until(|| cached.waiting() == 1);
                    Made::new(2)
                });
                assert_eq!(waits.unwrap().join().unwrap(), 2);
            });
            takes_over.join().unwrap();
        });
        assert!(renewal.is_dead());
        Made::new(1)
    });
    assert_eq!((*dead, CachedGuard::outcome(&dead)), (1, Outcome::Created));
    assert_eq!(*cached.get_or_create(|| panic!("unwanted")), 2);
    // The dead creator's caller may also get the old value.
    clock.advance(MINUTE);
    let dead = cached.access().or_create_with(|renewal| {
        assert_eq!(renewal.old(), Some(&2));
        clock.advance(SECOND);
        thread::scope(|scope| scope.spawn(|| drop(cached.get_or_create(|| 3))).join().unwrap());
        renewal.unchanged().unwrap()
    });
    assert_eq!(*dead, 2);
    assert_eq!(*cached.get_or_create(|| panic!("unwanted")), 3);
}

/// A dead creator that asks for its own value waits for it as any access does: another creation makes the value.
#[test]
fn l7_a_dead_creator_does_not_wait_for_itself() {
    let (lock, clock) = ruled(&MORTAL);
    let outcome = lock.access().or_create_with(|creation| {
        clock.advance(SECOND);
        thread::scope(|scope| {
            let takes_over = scope.spawn(|| {
                lock.acquire_or_create(|| until(|| lock.waiting() == 1));
            });
            until(|| creation.is_dead());
            assert_eq!(lock.acquire_or_create(|| panic!("unwanted")), Outcome::Waited);
            takes_over.join().unwrap();
        });
    });
    assert_eq!(outcome, Outcome::Created);
}

#[test]
fn l6_an_invalidated_creation_can_die_too() {
    let (lock, clock) = ruled(&MORTAL);
    let hangs = elected(lock.acquire());
    lock.invalidate();
    clock.advance(SECOND);
    let takes_over = elected(lock.acquire());
    assert!(hangs.is_dead() && hangs.is_superseded() && !takes_over.is_superseded());
    assert_eq!(hangs.finish(), Finished::Dead);
    assert_eq!(takes_over.finish(), Finished::Published);
}

#[test]
fn l11_an_endless_creation_time_out_is_none() {
    static PATIENT: Policy = Policy::builder().creation_timeout(Duration::MAX).build_const();
    let (lock, clock) = ruled(&PATIENT);
    let slow = elected(lock.acquire());
    clock.advance(Duration::from_secs(1 << 33));
    assert_eq!(lock.access().timeout(Duration::ZERO).turn().map(|_| ()), Err(AcquireError::TimedOut));
    assert_eq!(slow.finish(), Finished::Published);
}

/// A death is no failure. A failure may follow it.
#[test]
fn a_death_is_no_failure() {
    let (lock, clock) = ruled_and_stale(&MORTAL_AND_PAUSING);
    let hangs = elected(lock.acquire());
    clock.advance(SECOND);
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")), "elected at once");
    assert_eq!(lock.paused_for(), Some(SECOND));
    hangs.fail("late");
    assert_eq!(lock.paused_for(), Some(SECOND));
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    clock.advance(SECOND);
    assert_eq!(fail(&lock), Err(CreateError::Failed("no answer")));
    assert_eq!(lock.paused_for(), Some(SECOND * 2));
}

/// An access that cannot be told of pauses is elected in one, from the queue, and hangs. The waiter behind it takes
/// over when that creation is dead, not when the pause is over.
#[test]
fn a_pause_does_not_delay_a_death() {
    let (lock, clock) = ruled(&MORTAL_AND_LONG_PAUSING);
    let first = elected(lock.acquire());
    let hangs = AtomicBool::new(true);
    thread::scope(|scope| {
        let waiters = [(); 2].map(|()| scope.spawn(|| create_or_hang(&lock, &hangs)));
        until(|| lock.waiting() == 2);
        first.fail("no answer");
        until(|| lock.waiting() == 1 && !hangs.load(Ordering::SeqCst));
        clock.advance(SECOND);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Outcome::Created);
        }
    });
}

/// At the end of time, too.
#[test]
fn l11_an_endless_creation_time_out_is_none_at_the_end_of_time() {
    static PATIENT: Policy = Policy::builder().creation_timeout(Duration::MAX).build_const();
    let (lock, clock) = ruled(&PATIENT);
    let slow = elected(lock.acquire());
    clock.advance(Duration::MAX);
    assert!(lock.try_acquire().is_err(), "L1");
    assert_eq!(slow.finish(), Finished::Published);
}

/// An access never takes over from its own creation. An overdue creator that asks for its own value gets the same
/// answer as one that is in time.
#[test]
fn l7_an_overdue_creator_does_not_take_over_from_itself() {
    for stale in [false, true] {
        let (lock, clock) = if stale { ruled_and_stale(&MORTAL) } else { ruled(&MORTAL) };
        let outcome = lock.acquire_or_create(|| {
            clock.advance(MINUTE);
            let told = lock.access().timeout(Duration::MAX).turn();
            if stale {
                assert!(matches!(told, Ok(Turn::Stale)));
                assert_eq!(lock.fetch(|| Some(7)).or_create(|| panic!("unwanted")), 7);
            } else {
                assert!(matches!(told, Err(AcquireError::WouldDeadlock(_))));
            }
        });
        assert_eq!(outcome, Outcome::Created);
    }
}

/// An access comes and queues while the creator stores and thereby makes its creation overdue. The end of the store
/// wakes the waiter, though the creation then hangs.
#[test]
fn c11_a_waiter_takes_over_after_an_overdue_store() {
    let (lock, clock) = ruled(&MORTAL);
    let hangs = elected(Dogpile::kept(&lock).turn());
    thread::scope(|scope| {
        let waiter = hangs.publish(|| {
            clock.advance(MINUTE);
            let waiter = scope.spawn(|| lock.acquire_or_create(|| ()));
            until(|| lock.waiting() == 1);
            waiter
        });
        assert_eq!(waiter.unwrap().join().unwrap(), Outcome::Created);
    });
    assert!(hangs.is_dead());
}

/// Whatever has happened to the lock since, a dead creation is told first that it is dead.
#[test]
fn c11_a_dead_creation_is_told_that_it_is_dead() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL));
    let ReadTurn::Create(dead) = SyncReaderDogpile::kept(&lock).turn() else { panic!("nobody else creates") };
    clock.advance(SECOND);
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(dead.publish(|| ()), Err(PublishError::Dead));
    assert_eq!(dead.write_lock().map(|_| ()), Err(WriteLockError::Dead));
}

/// A dead creator finds the old value unchanged. The value does not look older after that than the creation in its
/// place has made it.
#[test]
fn c11_a_dead_creation_does_not_touch_an_unchanged_value() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL);
    cached.set(7);
    clock.advance(MINUTE);
    let unchanged = |renewal: &Renewal<'_, u8, _>| renewal.unchanged().expect("there is an old one");
    let dead = cached.access().or_create_with(|renewal| {
        assert_eq!(renewal.old(), Some(&7));
        clock.advance(SECOND);
        thread::scope(|scope| scope.spawn(|| drop(cached.access().or_create_with(unchanged))).join().unwrap());
        unchanged(renewal)
    });
    assert_eq!(*dead, 7);
    let current = cached.get_fresh().expect("it was renewed");
    assert_eq!(CachedGuard::generation(&current), cached.generation());
    assert!(cached.invalidate_if(CachedGuard::generation(&current)));
}

/// An access has waited, is elected and calls its getter once more, which takes too long. By then another creation
/// runs, and this access does not begin to create beside it.
#[test]
fn l1_an_access_that_died_in_its_getter_does_not_begin_to_create() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL).born_fresh());
    let (asks, go_on) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let fails = scope.spawn(|| {
            let creator = || {
                until(|| lock.waiting() == 1);
                Err("no answer")
            };
            lock.fetch(|| None::<u8>).or_try_create(creator)
        });
        until(|| lock.is_creating());
        let slow = scope.spawn(|| {
            let mut gets = 0;
            let getter = || {
                gets += 1;
                if gets == 2 {
                    asks.store(true, Ordering::SeqCst);
                    until(|| go_on.load(Ordering::SeqCst));
                }
                None
            };
            lock.fetch(getter).or_create(|| {
                assert!(!lock.is_expired(), "L1: the other has finished by now");
                7
            })
        });
        assert_eq!(fails.join().unwrap(), Err(CreateError::Failed("no answer")));
        until(|| asks.load(Ordering::SeqCst));
        clock.advance(MINUTE);
        let takes_over = elected(Dogpile::kept(&lock).turn());
        go_on.store(true, Ordering::SeqCst);
        until(|| lock.waiting() == 1);
        assert_eq!(takes_over.finish(), Finished::Published);
        // The access has called its getter twice and found nothing, so it creates when its turn comes (L8).
        assert_eq!(slow.join().unwrap(), 7);
    });
}
