//! Lock mode in tasks that are polled by hand.

use crate::common::until;
use crate::executor::{Woken, block_on, poll, step};
use dogpile::{CreateError, Dogpile, Outcome, Turn};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::thread;

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
