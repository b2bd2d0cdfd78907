//! Lock mode in tasks that are polled by hand.

use crate::common::until;
use crate::executor::{Woken, block_on, drive, poll, step};
use dogpile::{AcquireError, Backoff, CreateError, Dogpile, ManualClock, Outcome, Policy, SyncReaderDogpile, Turn};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

#[test]
fn a_hit_is_ready_at_once() {
    let lock = Dogpile::never_expires();
    assert_eq!(block_on(lock.access_async().or_create(async || step().await)), Outcome::Created);
    let woken = Arc::default();
    assert!(matches!(poll(&mut Box::pin(lock.access_async().turn()), &woken), Poll::Ready(Turn::Fresh)));
    lock.mark_stale();
    let Poll::Ready(Turn::Create(_creation)) = poll(&mut Box::pin(lock.access_async().turn()), &woken) else {
        panic!("not elected")
    };
    assert!(matches!(poll(&mut Box::pin(lock.access_async().turn()), &woken), Poll::Ready(Turn::Stale)), "L2");
}

#[test]
fn l3_creations_of_threads_serve_tasks_and_those_of_tasks_serve_threads() {
    let lock = Dogpile::never_expires();
    let woken: Arc<Woken> = Arc::default();
    let mut task = Box::pin(lock.access_async().or_create(async || unreachable!("it is served")));
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    assert!(poll(&mut task, &woken).is_pending());
    assert_eq!((lock.waiting(), woken.times()), (1, 0));
    thread::scope(|scope| scope.spawn(|| creation.run(|_| ())).join().unwrap());
    assert_eq!(woken.times(), 1);
    assert_eq!(poll(&mut task, &woken), Poll::Ready(Outcome::Waited));

    lock.invalidate();
    thread::scope(|scope| {
        let mut waits = None;
        let creator = async || {
            step().await;
            waits = Some(scope.spawn(|| lock.acquire_or_create(|| unreachable!("it is served"))));
            until(|| lock.waiting() == 1);
            step().await;
        };
        assert_eq!(block_on(lock.access_async().or_create(creator)), Outcome::Created);
        assert_eq!(waits.unwrap().join().unwrap(), Outcome::Waited);
    });
}

#[test]
fn c2_c3_an_elected_task_that_is_dropped_hands_on_to_exactly_one() {
    let lock = Dogpile::never_expires();
    let mut elected = Box::pin(lock.access_async().or_create(async || pending().await));
    let woken: [Arc<Woken>; 3] = Default::default();
    assert!(poll(&mut elected, &Arc::default()).is_pending());
    let mut waiting = [(); 3].map(|()| Box::pin(lock.access_async().or_create(async || ())));
    for (task, woken) in waiting.iter_mut().zip(&woken) {
        assert!(poll(task, woken).is_pending());
    }
    drop(elected);
    assert_eq!(woken.iter().map(|woken| woken.times()).sum::<usize>(), 1);
    let called = woken.iter().position(|woken| woken.times() == 1).unwrap();
    assert_eq!(poll(&mut waiting[called], &woken[called]), Poll::Ready(Outcome::Created));
    for (other, task) in waiting.iter_mut().enumerate().filter(|(other, _)| *other != called) {
        assert_eq!(poll(task, &woken[other]), Poll::Ready(Outcome::Waited));
    }
}

#[test]
fn c4_a_task_that_is_dropped_when_it_was_called_passes_the_baton() {
    let lock = Dogpile::never_expires();
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    let woken: [Arc<Woken>; 2] = Default::default();
    let [mut first, mut second] = [(); 2].map(|()| Box::pin(lock.access_async().turn()));
    assert!(poll(&mut first, &woken[0]).is_pending() && poll(&mut second, &woken[1]).is_pending());
    drop(creation);
    assert_eq!((woken[0].times(), woken[1].times()), (1, 0));
    drop(first);
    assert_eq!((woken[1].times(), lock.stats().waits), (1, 1), "its wait is counted, as one that timed out");
    assert!(matches!(poll(&mut second, &woken[1]), Poll::Ready(Turn::Create(_))));
    assert!(!lock.is_creating() && lock.waiting() == 0);
}

#[test]
fn c5_the_newest_waker_is_woken() {
    let lock = Dogpile::never_expires();
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    let [old, new]: [Arc<Woken>; 2] = Default::default();
    let mut task = Box::pin(lock.access_async().turn());
    assert!(poll(&mut task, &old).is_pending() && poll(&mut task, &new).is_pending());
    creation.finish();
    assert_eq!((old.times(), new.times()), (0, 1));
    assert!(matches!(poll(&mut task, &new), Poll::Ready(Turn::Fresh)));
}

#[test]
fn l5_failures_and_panics_of_a_tasks_creator_free_the_lock() {
    let lock = Dogpile::never_expires();
    let failed = block_on(lock.access_async().or_try_create(async || {
        step().await;
        Err("no answer")
    }));
    assert_eq!(failed, Err(CreateError::Failed("no answer")));
    let panics = AssertUnwindSafe(|| block_on(lock.access_async().or_create(async || panic!("on purpose"))));
    assert!(catch_unwind(panics).is_err());
    assert!(!lock.is_creating());
    assert_eq!(lock.stats().failures, 2);
}

#[test]
fn l7_a_task_that_would_wait_for_itself_gets_an_error() {
    let lock = Dogpile::never_expires();
    let mut told = None;
    block_on(lock.access_async().or_create(async || {
        step().await;
        told = lock.access_async().or_try_create(async || Err("unwanted")).await.err();
    }));
    assert!(matches!(told, Some(CreateError::WouldDeadlock(_))), "{told:?}");
}

#[test]
fn l7_a_creator_that_asks_for_its_own_turn_gets_an_error() {
    let lock = Arc::new(Dogpile::never_expires());
    let Ok(Turn::Create(creation)) = block_on(Dogpile::kept_async(&lock).try_turn()) else { panic!("not elected") };
    let told = block_on(creation.run_async(async |_| {
        step().await;
        [
            Dogpile::kept_async(&lock).try_turn().await.map(drop),
            lock.access_async().renew_if(lock.generation()).try_turn().await.map(drop),
        ]
    }));
    assert!(matches!(told, [Err(AcquireError::WouldDeadlock(_)), Err(AcquireError::WouldDeadlock(_))]), "{told:?}");
    assert!(matches!(block_on(lock.access_async().try_turn()), Ok(Turn::Fresh)));
}

#[test]
fn l7_of_a_circle_of_turns_one_task_gets_an_error() {
    let (one, other) = (Arc::new(Dogpile::never_expires()), Arc::new(Dogpile::never_expires()));
    let creates = async |own: &Arc<Dogpile>, wanted: &Arc<Dogpile>| {
        let Ok(Turn::Create(creation)) = Dogpile::kept_async(own).try_turn().await else { panic!("not elected") };
        let asks = creation.run_async(async |_| {
            step().await;
            Dogpile::kept_async(wanted).try_turn().await
        });
        asks.await
    };
    let (mut first, mut second) = (Box::pin(creates(&one, &other)), Box::pin(creates(&other, &one)));
    let [of_first, of_second]: [Arc<Woken>; 2] = Default::default();
    assert!(poll(&mut first, &of_first).is_pending() && poll(&mut second, &of_second).is_pending());
    assert!(drive(&mut first, &of_first).is_pending(), "it waits for the second");
    let Poll::Ready(told) = drive(&mut second, &of_second) else { panic!("they wait for each other") };
    assert!(matches!(told, Err(AcquireError::WouldDeadlock(_))), "{told:?}");
    assert!(matches!(drive(&mut first, &of_first), Poll::Ready(Ok(Turn::Fresh))), "the second has ended");
}

#[test]
fn l10_an_access_that_ends_in_try_turn_is_told_of_a_pause() {
    let (clock, pause) = (Arc::new(ManualClock::new()), Duration::from_secs(1));
    let policy = Policy::builder().retry_after(Backoff::new(pause, pause).jitter(0.0)).build().unwrap();
    let lock = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_shared_policy(Arc::new(policy));
    let Ok(Turn::Create(creation)) = block_on(lock.access_async().try_turn()) else { panic!("not elected") };
    let woken: [Arc<Woken>; 2] = Default::default();
    let mut told = Box::pin(lock.access_async().try_turn());
    let mut untold = Box::pin(lock.access_async().turn());
    assert!(poll(&mut told, &woken[0]).is_pending() && poll(&mut untold, &woken[1]).is_pending());
    creation.fail("no answer");
    let is_paused = |turn: &Poll<Result<Turn<'_, Arc<ManualClock>>, AcquireError>>| {
        let Poll::Ready(Err(AcquireError::Paused { retry_in, .. })) = turn else { return false };
        *retry_in == pause
    };
    assert!(is_paused(&poll(&mut told, &woken[0])), "it waited");
    assert!(is_paused(&poll(&mut Box::pin(lock.access_async().try_turn()), &woken[0])), "it came later");
    assert!(matches!(poll(&mut untold, &woken[1]), Poll::Ready(Turn::Create(_))));
    clock.advance(pause);
    assert!(matches!(block_on(lock.access_async().try_turn()), Ok(Turn::Create(_))));
}

#[test]
fn l7_an_access_under_the_write_lock_of_its_thread_gets_an_error() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let alone = lock.acquire_write_lock();
    let told = block_on(SyncReaderDogpile::kept_async(&lock).try_turn()).map(drop);
    assert!(matches!(told, Err(AcquireError::WriteLockHeld)), "{told:?}");
    drop(alone);
}

#[test]
fn the_future_of_try_turn_is_as_small_as_that_of_turn_and_is_send() {
    fn size<F: Future + Send>(future: &F) -> usize {
        size_of_val(future)
    }
    let (lock, readers) = (Arc::new(Dogpile::never_expires()), Arc::new(SyncReaderDogpile::never_expires()));
    let accesses = || (lock.access_async(), Dogpile::kept_async(&lock), SyncReaderDogpile::kept_async(&readers));
    let (turns, tries) = (accesses(), accesses());
    assert_eq!(size(&tries.0.try_turn()), size(&turns.0.turn()));
    assert_eq!(size(&tries.1.try_turn()), size(&turns.1.turn()));
    assert_eq!(size(&tries.2.try_turn()), size(&turns.2.turn()));
}
