//! A lock whose value is kept elsewhere, by a user that asks for bare turns: it elects and lets wait, and knows no
//! value.
//!
//! The value of such a lock lives for no time, and is never served when it is old. So to the lock the value is missing
//! again in the moment in which the creation finishes: the waiters go on, and the next access is elected.

mod common;
#[path = "tasks/executor.rs"]
#[allow(dead_code)] // each program uses its own part of it
mod executor;

use common::until;
use dogpile::{AcquireError, Creation, Dogpile, Finished, Policy, Turn};
use executor::{Woken, block_on, poll};
use std::array;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

static NO_VALUE: Policy = Policy::builder().max_stale(Duration::ZERO).build_const();

fn lock_without_a_value() -> Arc<Dogpile> {
    Arc::new(Dogpile::new(Duration::ZERO).with_policy(&NO_VALUE))
}

fn elected(lock: &Arc<Dogpile>) -> Creation<'static> {
    match Dogpile::kept(lock).turn() {
        Turn::Create(creation) => creation,
        other => panic!("an access that finds no creation is elected: {other:?}"),
    }
}

/// The turn of an access that has an old value, and does not wait. (The lock can be seen to create without an access:
/// this is the answer of an access that has come between.)
fn turn_at_once(lock: &Arc<Dogpile>) -> Result<Turn<'static>, AcquireError> {
    Dogpile::kept(lock).timeout(Duration::ZERO).turn()
}

fn is_busy(lock: &Arc<Dogpile>) -> bool {
    lock.is_creating() && matches!(turn_at_once(lock), Err(AcquireError::TimedOut))
}

struct Task {
    turn: Pin<Box<dyn Future<Output = Turn<'static>> + Send>>,
    woken: Arc<Woken>,
}

impl Task {
    fn of(lock: &Arc<Dogpile>) -> Self {
        let lock = Arc::clone(lock);
        let turn = Box::pin(async move { Dogpile::kept_async(&lock).turn().await });
        Self { turn, woken: Arc::default() }
    }

    fn waiting(lock: &Arc<Dogpile>) -> Self {
        let before = lock.waiting();
        let mut task = Self::of(lock);
        assert!(task.poll().is_pending());
        assert_eq!(lock.waiting(), before + 1);
        task
    }

    fn poll(&mut self) -> Poll<Turn<'static>> {
        poll(&mut self.turn, &self.woken)
    }

    fn is_woken(&self) -> bool {
        self.woken.times() != 0
    }

    /// Ends the task, which was woken and goes on without a creation.
    fn goes_on(mut self) {
        assert!(self.is_woken());
        let turn = self.poll();
        assert!(matches!(turn, Poll::Ready(Turn::Fresh | Turn::Stale)), "{turn:?}");
    }
}

/// What keeps the value has one lock for each key. In place of a lock that an invalidation finds at work, it takes a
/// new lock.
struct Slot(Mutex<Arc<Dogpile>>);

impl Slot {
    fn new() -> Self {
        Self(Mutex::new(lock_without_a_value()))
    }

    fn lock(&self) -> Arc<Dogpile> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn invalidate(&self) {
        let mut lock = self.0.lock().unwrap();
        if lock.is_creating() {
            let old = mem::replace(&mut *lock, lock_without_a_value());
            old.invalidate();
        }
    }
}

#[test]
fn an_access_that_finds_no_creation_is_elected_time_and_again() {
    let lock = lock_without_a_value();
    for _ in 0..3 {
        assert!(!lock.has_value() && !lock.is_creating());
        assert_eq!(elected(&lock).finish(), Finished::Published);
        let Ok(Turn::Create(creation)) = turn_at_once(&lock) else { panic!("no creation runs") };
        creation.finish();
        let Turn::Create(creation) = block_on(Dogpile::kept_async(&lock).turn()) else { panic!("no creation runs") };
        thread::spawn(|| creation.finish()).join().unwrap();
    }
}

#[test]
fn l2_an_access_with_an_old_value_learns_at_once_that_the_lock_is_busy() {
    let lock = lock_without_a_value();
    let creation = elected(&lock);
    assert!(is_busy(&lock));
    let waits = Task::waiting(&lock);
    assert!(is_busy(&lock), "others wait");
    assert_eq!(lock.waiting(), 1, "an access that does not wait leaves nothing behind");
    creation.finish();
    waits.goes_on();
    assert!(!is_busy(&lock));
}

#[test]
fn l3_all_that_waited_go_on_and_the_next_access_is_elected() {
    let lock = lock_without_a_value();
    let creation = elected(&lock);
    let tasks: [Task; 3] = array::from_fn(|_| Task::waiting(&lock));
    thread::scope(|scope| {
        let threads: [_; 3] =
            array::from_fn(|_| scope.spawn(|| matches!(Dogpile::kept(&lock).turn(), Turn::Create(_))));
        until(|| lock.waiting() == 6);
        assert_eq!(creation.finish(), Finished::Published);
        // The next access comes before those that waited have looked.
        let next = elected(&lock);
        for thread in threads {
            assert!(!thread.join().unwrap(), "a thread that waited is elected");
        }
        for task in tasks {
            task.goes_on();
        }
        assert!(is_busy(&lock));
        drop(next);
    });
    assert!(!lock.is_creating() && lock.waiting() == 0);
}

/// A creation that is dropped is no failure and serves no waiter. A creation that fails is the same to this lock.
#[test]
fn l5_a_creation_that_is_dropped_elects_exactly_one_of_the_waiters() {
    for fails in [false, true] {
        let lock = lock_without_a_value();
        let creation = elected(&lock);
        let mut tasks: [Task; 3] = array::from_fn(|_| Task::waiting(&lock));
        if fails {
            creation.fail("no answer");
        } else {
            drop(creation);
        }
        assert_eq!(tasks.each_ref().map(Task::is_woken), [true, false, false]);
        let Poll::Ready(Turn::Create(creation)) = tasks[0].poll() else { panic!("it was called") };
        assert!(tasks[1].poll().is_pending() && tasks[2].poll().is_pending());
        let [_, second, third] = tasks;
        creation.finish();
        second.goes_on();
        third.goes_on();
        assert!(!lock.is_creating());
    }
}

#[test]
fn l5_of_waiting_threads_exactly_one_is_elected_after_a_drop() {
    let lock = lock_without_a_value();
    let creation = elected(&lock);
    let elections = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                if let Turn::Create(creation) = Dogpile::kept(&lock).turn() {
                    elections.fetch_add(1, Ordering::SeqCst);
                    until(|| lock.waiting() == 3);
                    creation.finish();
                }
            });
        }
        until(|| lock.waiting() == 4);
        drop(creation);
    });
    assert_eq!(elections.into_inner(), 1);
}

/// L1: one lock has one creation, even after an invalidation. So a user that is not to wait for the old creation takes
/// a new lock. Those that have waited since before hold on to the old lock, and wait on.
#[test]
fn l6_after_an_invalidation_a_new_lock_elects_anew_and_the_old_one_serves_its_waiters() {
    let slot = Slot::new();
    let old = slot.lock();
    let first = elected(&old);
    let since_before: [Task; 2] = array::from_fn(|_| Task::waiting(&old));

    slot.invalidate();
    let new = slot.lock();
    assert!(!Arc::ptr_eq(&old, &new));
    let second = elected(&new);
    let since_after = Task::waiting(&new);
    assert!(is_busy(&new));
    assert!(!since_before.iter().any(Task::is_woken), "they wait for the first");

    assert_eq!(first.finish(), Finished::Superseded);
    for task in since_before {
        task.goes_on();
    }
    assert!(!since_after.is_woken(), "it waits for the second");
    assert_eq!(second.finish(), Finished::Published);
    since_after.goes_on();

    let idle = slot.lock();
    slot.invalidate();
    assert!(Arc::ptr_eq(&idle, &slot.lock()), "no creation runs that the next access could wait for");
}

/// The order of the two ends makes no difference.
#[test]
fn l6_the_new_creation_may_end_first() {
    let slot = Slot::new();
    let old = slot.lock();
    let first = elected(&old);
    let since_before = Task::waiting(&old);
    slot.invalidate();
    elected(&slot.lock()).finish();
    assert!(!since_before.is_woken());
    first.finish();
    since_before.goes_on();
    elected(&slot.lock()).finish();
}

/// If the old creation is dropped, one of those that have waited for it is elected, on the old lock. It can tell by the
/// slot that its lock is not the current one. Then it finishes without a value: all go on, and ask the new lock.
#[test]
fn l6_if_the_old_creation_is_dropped_its_waiters_can_all_move_to_the_new_lock() {
    let slot = Slot::new();
    let old = slot.lock();
    let first = elected(&old);
    let mut since_before: [Task; 3] = array::from_fn(|_| Task::waiting(&old));
    slot.invalidate();
    drop(first);
    let Poll::Ready(Turn::Create(called)) = since_before[0].poll() else { panic!("it was called") };
    assert!(!Arc::ptr_eq(&old, &slot.lock()));
    called.finish();
    let [_, second, third] = since_before;
    second.goes_on();
    third.goes_on();
    let creation = elected(&slot.lock());
    let moved = Task::waiting(&slot.lock());
    creation.finish();
    moved.goes_on();
}

/// An access may have taken the old lock just before the invalidation, and come to it just after. It is not served by
/// the creation that the invalidation superseded.
#[test]
fn l6_an_access_that_comes_late_to_the_old_lock_is_elected_there() {
    let slot = Slot::new();
    let old = slot.lock();
    let first = elected(&old);
    let since_before = Task::waiting(&old);
    slot.invalidate();
    let mut late = [(); 2].map(|()| Task::waiting(&old));
    first.finish();
    since_before.goes_on();
    let Poll::Ready(Turn::Create(creation)) = late[0].poll() else { panic!("it is elected anew") };
    assert!(late[1].poll().is_pending());
    creation.finish();
    let [_, last] = late;
    last.goes_on();
}

/// A creation that knows that it is superseded serves no waiter: whether it still is to serve those that have waited
/// for it is for its owner to say.
#[test]
fn l6_a_creation_that_has_learned_of_its_invalidation_serves_no_waiter() {
    let slot = Slot::new();
    let old = slot.lock();
    let first = elected(&old);
    let mut since_before = Task::waiting(&old);
    slot.invalidate();
    assert!(first.is_superseded());
    assert_eq!(first.finish(), Finished::Superseded);
    assert!(matches!(since_before.poll(), Poll::Ready(Turn::Create(_))));
}

/// L1, L5: threads and tasks come to the lock at any moment, and some of the elected drop their creation. One at a time
/// is elected, and none is left waiting.
#[test]
fn l1_l5_one_at_a_time_is_elected_under_load() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 2_000;
    let lock = lock_without_a_value();
    let (inside, elections) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begin = Barrier::new(THREADS);
    let access = |number: usize, round: usize| {
        let by_task = (number + round) % 2 == 0;
        let turn = if by_task { block_on(Dogpile::kept_async(&lock).turn()) } else { Dogpile::kept(&lock).turn() };
        let Turn::Create(creation) = turn else { return };
        // Relaxed, all: the lock is to order them.
        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two creations at once");
        elections.store(elections.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        thread::yield_now();
        inside.fetch_sub(1, Ordering::Relaxed);
        if round % 7 != 0 {
            creation.finish();
        }
    };
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (begin, access) = (&begin, &access);
            scope.spawn(move || {
                begin.wait();
                (0..ROUNDS).for_each(|round| access(number, round));
            });
        }
    });
    assert!(!lock.is_creating() && lock.waiting() == 0);
    assert!((1..=THREADS * ROUNDS).contains(&elections.into_inner()));
}
