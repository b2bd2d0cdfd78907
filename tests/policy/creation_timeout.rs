//! Creations that hang: who is elected in their place, and what they can still do.

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
    // Nothing that the dead one does has any effect.
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
fn a_late_creation_that_nobody_took_the_place_of_is_as_good_as_any() {
    let (lock, clock) = ruled(&MORTAL);
    let slow = elected(lock.acquire());
    clock.advance(MINUTE);
    assert!(!slow.is_dead());
    assert_eq!(slow.publish(|| ()), Ok(()));
    assert_eq!(slow.finish(), Finished::Published);
    assert_eq!(unwanted(&lock), Ok(Outcome::Fresh));
    assert_eq!(lock.age(), Some(Duration::ZERO));
}

/// On the settable clock: nothing else wakes them than that it is moved.
#[test]
fn c11_those_who_wait_wake_up_by_themselves() {
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

/// On real time: it passes.
#[test]
fn c11_those_who_wait_wake_up_by_the_time() {
    static HASTY: Policy = Policy::builder().creation_timeout(Duration::from_millis(20)).build_const();
    static LOCK: Dogpile = Dogpile::never_expires().with_policy(&HASTY);
    let hangs = elected(LOCK.acquire());
    assert_eq!(LOCK.acquire_or_create(|| ()), Outcome::Created);
    assert!(hangs.is_dead());
}

/// A waiter whose own time is out before leaves; the others find the creation dead all the same.
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

/// One dies after the other, and who waits goes on waiting for each.
#[test]
fn c11_a_waiter_takes_the_place_of_the_one_that_took_the_place() {
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

/// Creates when elected; the first creator hangs until it is dead.
fn create_or_hang(lock: &Lock, hangs: &AtomicBool) -> Outcome {
    lock.access().or_create_with(|creation| {
        if hangs.swap(false, Ordering::SeqCst) {
            until(|| creation.is_dead());
        }
    })
}

/// A failure hands on to one waiter, who hangs; another has to take over though it was queued before that one began.
#[test]
fn c11_who_was_elected_from_the_queue_can_die_as_well() {
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
        // The creation that it queued for would be dead by now, but another runs.
        assert_eq!(lock.waiting(), 1);
        clock.advance(SECOND / 4);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Outcome::Created);
        }
    });
}

#[test]
fn c11_while_it_stores_nobody_takes_the_place_of_a_creation() {
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
        // Without a further push from the clock.
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
    });
    assert!(slow.is_dead());
    assert_eq!(slow.publish(|| ()), Err(PublishError::Dead));
}

#[test]
fn c11_the_dead_get_no_write_lock_and_nobody_dies_under_it() {
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
    // It may go on with the old value as well.
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

/// What a dead one asks for itself, it waits for as everybody does: another makes it.
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

/// A death is no failure; what comes after it may be one.
#[test]
fn deaths_and_pauses_together() {
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

/// One who cannot hear of pauses is elected in one, from the queue, and hangs: who waits behind it takes over in time,
/// not when the pause is over.
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
fn l11_no_limit_is_none_at_the_end_of_time() {
    static PATIENT: Policy = Policy::builder().creation_timeout(Duration::MAX).build_const();
    let (lock, clock) = ruled(&PATIENT);
    let slow = elected(lock.acquire());
    clock.advance(Duration::MAX);
    assert!(lock.try_acquire().is_err(), "L1");
    assert_eq!(slow.finish(), Finished::Published);
}

/// Nobody takes over from himself: an overdue creator that asks for its own value is told what one is told in time.
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

/// It comes while the store runs that has made the creation overdue, and queues: the end of the store wakes it, though
/// the creation then hangs.
#[test]
fn c11_who_comes_during_an_overdue_store_takes_over_after_it() {
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

/// Whatever has become of the lock since: what is dead is told so first.
#[test]
fn c11_the_dead_are_told_that_they_are_dead() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&MORTAL));
    let ReadTurn::Create(dead) = SyncReaderDogpile::kept(&lock).turn() else { panic!("nobody else creates") };
    clock.advance(SECOND);
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(dead.publish(|| ()), Err(PublishError::Dead));
    assert_eq!(dead.write_lock().map(|_| ()), Err(WriteLockError::Dead));
}

/// A dead one that found the old value unchanged does not make that look older than the one in its place has made it.
#[test]
fn c11_the_dead_do_not_touch_a_value_that_was_found_unchanged() {
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

/// It waited, is elected, asks once more, and that takes too long: by then another creates, and it does not begin as
/// well.
#[test]
fn l1_who_died_while_asking_does_not_begin_to_create() {
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
        // It has asked twice, and found nothing: it creates when its turn comes (L8).
        assert_eq!(slow.join().unwrap(), 7);
    });
}
