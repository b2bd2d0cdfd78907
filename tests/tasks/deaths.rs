//! Tasks that wait for a creation that hangs (C11). On the real clock an alarm wakes them; on the settable clock, the
//! thread that moves it.

use crate::common::until;
use crate::executor::{Woken, block_on, poll};
use dogpile::{AcquireError, Cached, Clock, Dogpile, Finished, ManualClock, Outcome, Policy, Turn};
use std::collections::BTreeSet;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

static SOON: Policy = Policy::builder().creation_timeout(Duration::from_millis(20)).build_const();
static MINUTE: Policy = Policy::builder().creation_timeout(Duration::from_secs(60)).build_const();

#[test]
fn c11_a_task_that_waits_declares_a_hanging_creation_dead() {
    let lock = Dogpile::never_expires().with_policy(&SOON);
    let Turn::Create(hangs) = lock.acquire() else { panic!("not elected") };
    // Nothing but the passing of time wakes the task.
    assert_eq!(block_on(lock.access_async().or_create(async || ())), Outcome::Created);
    assert_eq!(hangs.finish(), Finished::Dead);
}

#[test]
fn c11_a_task_declares_a_hanging_creation_of_a_task_dead() {
    let cached = Cached::never_expires().with_policy(&SOON);
    let mut hangs = Box::pin(cached.get_or_create_async(async || pending().await));
    assert!(poll(&mut hangs, &Arc::default()).is_pending());
    let waits = [(); 3].map(|()| cached.get_or_create_async(async || 2));
    for waits in waits {
        assert_eq!(*block_on(waits), 2);
    }
    drop(hangs);
    assert_eq!(cached.stats().dead, 1);
    assert_eq!(cached.peek().as_deref(), Some(&2));
}

#[test]
fn c11_the_mover_of_the_clock_wakes_waiting_tasks() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MINUTE);
    let Turn::Create(hangs) = lock.acquire() else { panic!("not elected") };
    let woken = Arc::<Woken>::default();
    let mut waits = Box::pin(lock.access_async().or_create(async || ()));
    assert!(poll(&mut waits, &woken).is_pending());
    clock.advance(Duration::from_secs(59));
    assert!(poll(&mut waits, &woken).is_pending());
    let before = woken.times();
    clock.advance(Duration::from_secs(1));
    assert!(woken.times() > before, "it is woken by the clock");
    assert_eq!(poll(&mut waits, &woken), Poll::Ready(Outcome::Created));
    assert!(hangs.is_dead());
}

/// A wait leaves nothing with the clock, however it has ended: the clock's table is empty after it.
#[test]
fn f16_an_ended_wait_leaves_nothing_with_the_clock() {
    const MANY: usize = 16_000;
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MINUTE);
    let Turn::Create(hangs) = lock.acquire() else { panic!("not elected") };
    let wakers: Vec<_> = (0..MANY).map(|_| Arc::<Woken>::default()).collect();
    let wait = |woken| {
        let mut waits = Box::pin(lock.access_async().or_create(async || ()));
        assert!(poll(&mut waits, woken).is_pending());
        waits
    };
    let left = || wakers.iter().filter(|woken| Arc::strong_count(woken) > 1).count();

    let tasks: Vec<_> = wakers.iter().map(wait).collect();
    assert_eq!(left(), MANY);
    drop(tasks);
    assert_eq!(left(), 0, "dropped");

    let mut tasks: Vec<_> = wakers[..100].iter().map(wait).collect();
    clock.advance(Duration::from_secs(1));
    let (elsewhere, woken) = (Arc::<Woken>::default(), &wakers[..100]);
    for waits in &mut tasks {
        assert!(poll(waits, &elsewhere).is_pending());
    }
    assert_eq!(left(), 0, "polled by another");
    for (waits, woken) in tasks.iter_mut().zip(woken) {
        assert!(poll(waits, woken).is_pending());
    }
    assert_eq!(Arc::strong_count(&elsewhere), 1, "and by the first again");
    hangs.finish();
    for waits in &mut tasks {
        assert_eq!(poll(waits, &elsewhere), Poll::Ready(Outcome::Waited));
    }
    assert_eq!(left(), 0, "served");
}

/// A clock that keeps count of the wake-ups it is asked for.
#[derive(Default)]
struct Books {
    clock: ManualClock,
    open: Mutex<BTreeSet<(u64, u64)>>,
    errors: AtomicUsize,
}

impl Books {
    fn open(&self) -> usize {
        assert_eq!(self.errors.load(Ordering::SeqCst), 0, "a wake-up was taken back that was never asked for");
        self.open.lock().unwrap().len()
    }
}

impl Clock for Books {
    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        self.open.lock().unwrap().insert((at, ticket));
        self.clock.wake_at(at, ticket, waker)
    }

    fn cancel_wake(&self, at: u64, ticket: u64) {
        if !self.open.lock().unwrap().remove(&(at, ticket)) {
            self.errors.fetch_add(1, Ordering::SeqCst);
        }
        self.clock.cancel_wake(at, ticket);
        // The crate catches this panic.
        resume_unwind(Box::new("a clock"));
    }
}

#[test]
fn f16_each_wake_up_asked_of_a_clock_is_taken_back() {
    let clock = Arc::new(Books::default());
    let lock = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MINUTE);
    let Turn::Create(first) = lock.acquire() else { panic!("not elected") };
    let woken = Arc::<Woken>::default();
    let wait = || Box::pin(lock.access_async().or_create(pending));
    let [mut elected, mut waits, mut dropped] = [(); 3].map(|()| wait());
    for (before, waits) in [&mut elected, &mut waits, &mut dropped].into_iter().enumerate() {
        assert!(poll(waits, &woken).is_pending());
        assert_eq!(clock.open(), before + 1);
    }
    assert!(poll(&mut waits, &woken).is_pending());
    assert_eq!(clock.open(), 3, "asked again");
    drop(dropped);
    assert_eq!(clock.open(), 2);
    assert_eq!(lock.access().timeout(Duration::ZERO).turn().err(), Some(AcquireError::TimedOut));
    assert_eq!(clock.open(), 2, "a thread that is out of time");

    clock.clock.advance(Duration::from_secs(60));
    assert!(poll(&mut elected, &woken).is_pending());
    assert!(first.is_dead());
    assert_eq!(clock.open(), 1, "elected");
    assert!(poll(&mut waits, &woken).is_pending());
    assert_eq!(clock.open(), 1, "for another time");
    thread::scope(|scope| {
        let thread = scope.spawn(|| lock.acquire_or_create(|| ()));
        until(|| lock.waiting() == 2);
        until(|| clock.open() == 2);
        drop(waits);
        drop(elected);
        assert_eq!(thread.join().unwrap(), Outcome::Created);
    });
    assert_eq!(clock.open(), 0, "and of a thread");
}
