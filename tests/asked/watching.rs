//! Waits for a value. These waits create nothing.

use crate::executor::{Woken, block_on, poll};
use crate::{Clock, FOREVER, MINUTE, MORTAL, PAUSING, SECOND, elected, manual, on_each_type, ruled};
use dogpile::{
    AcquireError, Cached, Dogpile, Finished, Generation, Held, ManualClock, Outcome, Policy, ReadGuard, Registry,
    Status, SyncReaderDogpile, WaitCycle,
};
use parking_lot::Mutex; // not std's: see `tests/contract/stage.rs`
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

type Told = Result<Generation, AcquireError>;

/// A task that watches a lock, polled by hand.
struct Watcher<'a> {
    future: Pin<Box<dyn Future<Output = Told> + Send + 'a>>,
    woken: Arc<Woken>,
}

impl<'a> Watcher<'a> {
    /// Begins to watch. The first poll must find the task waiting.
    fn begin(status: &'a Status<Clock>, since: Generation) -> Self {
        let mut watches = Self { future: Box::pin(status.changed_async(since)), woken: Arc::default() };
        assert!(poll(&mut watches.future, &watches.woken).is_pending());
        watches
    }

    fn poll(&mut self) -> Poll<Told> {
        poll(&mut self.future, &self.woken)
    }

    #[track_caller]
    fn was_told(mut self, of: Generation) {
        assert!(self.woken.take(), "it was woken");
        assert_eq!(self.poll(), Poll::Ready(Ok(of)));
    }
}

fn times_out<T: std::fmt::Debug + PartialEq>(told: &Result<T, AcquireError>) -> bool {
    *told == Err(AcquireError::TimedOut)
}

fn would_deadlock<T>(told: &Result<T, AcquireError>) -> Option<&WaitCycle> {
    match told {
        Err(AcquireError::WouldDeadlock(cycle)) => Some(cycle),
        _ => None,
    }
}

#[test]
fn k3_tasks_watch_a_lock_of_each_type() {
    on_each_type(|lock| {
        let (name, status) = (lock.name, lock.status);
        let seen = status.generation();
        let mut ready = Box::pin(status.wait_for_value_async());
        let woken = Arc::<Woken>::default();
        assert!(poll(&mut ready, &woken).is_pending());
        let mut watches = Watcher::begin(status, seen);
        assert_eq!(status.waiting(), 0, "{name}: a watcher is no waiter");
        (lock.fail)();
        (lock.invalidate)();
        assert!(!watches.woken.take() && !woken.take(), "{name}: not by a failure, not by an invalidation");
        assert!(watches.poll().is_pending() && poll(&mut ready, &woken).is_pending(), "{name}");
        (lock.publish)();
        watches.was_told(status.generation());
        assert!(woken.take(), "{name}");
        assert_eq!(poll(&mut ready, &woken), Poll::Ready(Ok(())), "{name}");

        // Ready at once: there is a value, and its generation is not the one that was seen.
        assert_eq!(block_on(status.wait_for_value_async()), Ok(()), "{name}");
        let now = status.generation();
        assert_eq!(block_on(status.changed_async(seen)), Ok(now), "{name}");
        // Neither the expiry of a value nor `mark_stale` wakes the task, though a stale value is a value.
        let watches = Watcher::begin(status, now);
        lock.clock.advance(MINUTE * 2);
        assert_eq!(block_on(status.wait_for_value_async()), Ok(()), "{name}: a stale one");
        assert_eq!(block_on(status.changed_async(seen)), Ok(now), "{name}: a stale one");
        (lock.fail)();
        (lock.invalidate)();
        assert_eq!(watches.woken.times(), 0, "{name}");
        // The task sees two values in a row as one change. Each of them is new to the generation before it.
        (lock.publish)();
        let between = status.generation();
        (lock.publish)();
        let last = status.generation();
        assert!(seen < now && now < between && between < last);
        watches.was_told(last);
        assert_eq!(block_on(status.changed_async(between)), Ok(last), "{name}");
        assert_eq!(status.stats().waits, 0, "{name}: a watcher is no access");
    });
}

#[test]
fn k3_threads_watch_a_lock_of_each_type() {
    const VALUES: usize = 50;
    on_each_type(|lock| {
        let (name, status) = (lock.name, lock.status);
        assert!(times_out(&status.wait_for_value(Duration::ZERO)), "{name}");
        assert!(times_out(&status.wait_for_value(Duration::from_nanos(1))), "{name}");
        let seen = status.generation();
        let last = Mutex::new(None);
        thread::scope(|scope| {
            let watches = [(); 3].map(|()| {
                scope.spawn(|| {
                    assert_eq!(status.wait_for_value(FOREVER), Ok(()), "{name}");
                    let mut at = seen;
                    while *last.lock() != Some(at) {
                        let now = status.changed(at, FOREVER).unwrap();
                        assert!(now > at, "{name}");
                        at = now;
                    }
                })
            });
            for value in 1..=VALUES {
                // The last generation is announced before its value comes.
                let mut last = last.lock();
                (lock.publish)();
                if value == VALUES {
                    *last = Some(status.generation());
                } else if value % 5 == 0 {
                    (lock.invalidate)();
                }
            }
            for watches in watches {
                watches.join().unwrap();
            }
        });
        let now = status.generation();
        assert_eq!(status.changed(seen, Duration::ZERO), Ok(now), "{name}: zero looks once");
        assert!(times_out(&status.changed(now, Duration::ZERO)), "{name}");
        assert_eq!(status.wait_for_value(Duration::ZERO), Ok(()), "{name}");
        (lock.invalidate)();
        assert!(times_out(&status.changed(seen, Duration::ZERO)), "{name}: an invalidation is no value");
        assert!(times_out(&status.wait_for_value(Duration::ZERO)), "{name}");
    });
}

#[test]
fn k3_a_born_fresh_lock_has_a_value() {
    let lock = Dogpile::new(MINUTE).born_fresh();
    assert_eq!(lock.wait_for_value(Duration::ZERO), Ok(()));
    assert!(times_out(&lock.changed(lock.generation(), Duration::ZERO)), "but no new one");
    let (lock, other) = (Dogpile::new(MINUTE).born_fresh(), Dogpile::new(MINUTE));
    assert_eq!(lock.changed(other.generation(), Duration::ZERO), Ok(lock.generation()), "to another lock's it is");
}

#[test]
fn k3_unchanged_values_and_values_published_as_stale_are_new() {
    let (cached, _) = cached();
    cached.set(1);
    let watches = Watcher::begin(&cached, cached.generation());
    cached.mark_stale();
    let mut renewed = false;
    cached.access().or_create_with(|renewal| {
        renewed = true;
        renewal.unchanged().unwrap()
    });
    assert!(renewed);
    watches.was_told(cached.generation());
    let watches = Watcher::begin(&cached, cached.generation());
    cached.mark_stale();
    cached.get_or_create(|| {
        cached.mark_stale();
        2
    });
    assert!(cached.is_expired());
    watches.was_told(cached.generation());
}

fn cached() -> (Arc<Cached<u64, Clock>>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock))), clock)
}

#[test]
fn k3_superseded_and_dead_creations_wake_no_watcher() {
    let (lock, _) = manual(MINUTE);
    let mut watches = Watcher::begin(&lock, lock.generation());
    let creation = elected(&lock);
    lock.invalidate();
    assert_eq!(creation.finish(), Finished::Superseded);
    drop(elected(&lock));
    assert!(!watches.woken.take() && watches.poll().is_pending());
    elected(&lock).finish();
    watches.was_told(lock.generation());
    // Nor does a dead creation wake the watcher.
    let (lock, clock) = ruled(&MORTAL);
    let dead = elected(&lock);
    let watches = Watcher::begin(&lock, lock.generation());
    clock.advance(SECOND);
    assert_eq!(watches.woken.times(), 0, "it takes nobody's place");
    let creation = elected(&lock);
    assert_eq!(dead.finish(), Finished::Dead);
    assert_eq!(watches.woken.times(), 0);
    creation.finish();
    watches.was_told(lock.generation());
}

/// A watcher keeps no creation and no waiter from anything.
#[test]
fn k3_l5_a_watcher_does_not_take_the_turn_of_a_waiter() {
    let (lock, _) = manual(MINUTE);
    let first = elected(&lock);
    let watches = Watcher::begin(&lock, lock.generation());
    let woken = [(); 2].map(|()| Arc::<Woken>::default());
    let [mut one, mut other] = [(); 2].map(|()| Box::pin(lock.access_async().or_create(async || ())));
    assert!(poll(&mut one, &woken[0]).is_pending() && poll(&mut other, &woken[1]).is_pending());
    drop(first);
    assert_eq!([woken[0].times(), woken[1].times(), watches.woken.times()], [1, 0, 0]);
    drop(one);
    assert_eq!([woken[1].times(), watches.woken.times()], [1, 0]);
    assert_eq!(poll(&mut other, &woken[1]), Poll::Ready(Outcome::Created));
    watches.was_told(lock.generation());
    // In a pause as well.
    let (lock, _) = ruled(&PAUSING);
    let fails = elected(&lock);
    let watches = Watcher::begin(&lock, lock.generation());
    let mut told = Box::pin(lock.access_async().or_try_create(async || Ok::<_, &str>(())));
    assert!(poll(&mut told, &woken[0]).is_pending());
    fails.fail("no answer");
    assert!(matches!(poll(&mut told, &woken[0]), Poll::Ready(Err(dogpile::CreateError::Paused { .. }))));
    assert_eq!(watches.woken.times(), 0, "nobody pauses for it");
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    watches.was_told(lock.generation());
}

/// A watch that is dropped leaves nothing behind. A watch that another task polls wakes that task.
#[test]
fn k3_a_watch_may_be_dropped_and_moved() {
    let (lock, _) = manual(MINUTE);
    let seen = lock.generation();
    let dropped = Watcher::begin(&lock, seen);
    let woken = Arc::clone(&dropped.woken);
    drop(dropped);
    assert_eq!(Arc::strong_count(&woken), 1, "its waker is gone");
    let mut watches = Watcher::begin(&lock, seen);
    let before = std::mem::take(&mut watches.woken);
    assert!(watches.poll().is_pending());
    assert_eq!(Arc::strong_count(&before), 1);
    lock.acquire_or_create(|| ());
    assert_eq!((woken.times(), before.times(), watches.woken.times()), (0, 0, 1));
    watches.was_told(lock.generation());
    // Dropped after it was woken: nothing is lost.
    let watches = Watcher::begin(&lock, lock.generation());
    let seen = lock.generation();
    lock.mark_stale();
    lock.acquire_or_create(|| ());
    drop(watches);
    assert_eq!(block_on(lock.changed_async(seen)), Ok(lock.generation()));
}

#[test]
fn k3_l7_a_creator_does_not_watch_for_its_own_value() {
    static NAMED: Policy = Policy::builder().name("rates").build_const();
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&NAMED));
    let seen = lock.generation();
    let asks = |has_value: bool| {
        let (any, next) = (lock.wait_for_value(FOREVER), lock.changed(lock.generation(), FOREVER));
        let names: Vec<_> = would_deadlock(&next).expect("it would wait for itself").names().collect();
        assert_eq!(names, [Some("rates")]);
        assert_eq!((any.is_ok(), would_deadlock(&any).is_some()), (has_value, !has_value));
        // With a value, `changed` returns at once even here.
        assert_eq!(lock.changed(seen, FOREVER).is_ok(), has_value);
    };
    lock.acquire_or_create(|| asks(false));
    lock.mark_stale();
    lock.acquire_or_create(|| asks(true));
    lock.invalidate();
    // In a task, also if the wait began outside its creation.
    let mut began = Box::pin(lock.changed_async(lock.generation()));
    let woken = Arc::<Woken>::default();
    assert!(poll(&mut began, &woken).is_pending());
    let outcome = block_on(lock.access_async().or_create(async || {
        assert!(would_deadlock(&lock.wait_for_value_async().await).is_some());
        assert!(would_deadlock(&began.as_mut().await).is_some());
    }));
    assert_eq!(outcome, Outcome::Created);
    // The creator waits for the value of another lock as any thread does.
    let (other, _) = manual(MINUTE);
    lock.mark_stale();
    lock.acquire_or_create(|| {
        assert!(times_out(&other.wait_for_value(Duration::ZERO)));
        other.acquire_or_create(|| ());
        assert_eq!(other.wait_for_value(FOREVER), Ok(()));
    });
    // A thread that holds a creation, and is not within its `run`, is not known to create.
    lock.mark_stale();
    let creation = elected(&lock);
    assert!(times_out(&lock.changed(lock.generation(), Duration::ZERO)));
    drop(creation);
}

/// A waker is the user's code. This one uses the lock when it is woken, when it is cloned away and when it is dropped.
#[test]
fn k3_c22_wakers_run_outside_the_mutex() {
    struct Uses(Arc<Cached<u64, Clock>>, AtomicU64);

    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            drop((self.0.generation(), self.0.waiting(), self.0.peek()));
            assert!(times_out(&self.0.changed(self.0.generation(), Duration::ZERO)));
            if self.1.load(Ordering::SeqCst) == 1 {
                self.0.set(2); // wakes no task: this waker was taken out
            }
        }
    }

    impl Drop for Uses {
        fn drop(&mut self) {
            self.0.set(3);
        }
    }

    let (cached, _) = cached();
    let uses = Arc::new(Uses(Arc::clone(&cached), AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&uses));
    let mut watches = Box::pin(cached.changed_async(cached.generation()));
    assert!(watches.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    cached.set(1);
    assert_eq!((uses.1.load(Ordering::SeqCst), cached.peek().map(|value| *value)), (1, Some(2)));
    assert_eq!(watches.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(cached.generation())));
    let mut watches = Box::pin(cached.changed_async(cached.generation()));
    assert!(watches.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop((waker, uses));
    drop(watches);
    assert_eq!(cached.peek().map(|value| *value), Some(3), "dropped outside the mutex");
}

#[test]
fn k3_a_watcher_keeps_the_lock_of_its_key() {
    let registry = Arc::new(Registry::new(|_: &u64| Cached::<u64>::never_expires()).keep_idle(Duration::ZERO));
    let (held, seen): (Held<'static, u64, Cached<u64>>, _) = {
        let held = registry.get_owned(&1);
        let seen = held.generation();
        (held, seen)
    };
    let watches = thread::spawn(move || {
        let told = held.changed(seen, FOREVER);
        (told, held.peek().map(|value| *value))
    });
    let held = registry.get(&1);
    held.set(7);
    let (told, value) = watches.join().unwrap();
    assert_eq!((told, value), (Ok(held.generation()), Some(7)));
    // A new lock of the same key takes no generation of the old lock for one of its own.
    drop(held);
    assert!(registry.is_empty());
    let held = registry.get(&1);
    assert!(times_out(&held.changed(seen, Duration::ZERO)), "no value yet");
    held.set(8);
    assert_eq!(held.changed(seen, Duration::ZERO), Ok(held.generation()));
}

/// In getter modes a watcher is woken by values that this lock creates, not by values that getters return.
#[test]
fn k3_values_of_getters_wake_no_watcher() {
    let (lock, _) = manual(MINUTE);
    let mut watches = Watcher::begin(&lock, lock.generation());
    let stamped = dogpile::Stamped { value: 1, created: dogpile::Clock::wall(&ManualClock::new()) };
    assert_eq!(lock.fetch_stamped(|| Some(stamped)).or_create(|| panic!("it is there")), stamped);
    assert!(lock.has_value() && times_out(&lock.wait_for_value(Duration::ZERO)));
    assert!(!watches.woken.take() && watches.poll().is_pending());
    lock.fetch_stamped(|| None).or_create(|| 2);
    watches.was_told(lock.generation());
    let watches = Watcher::begin(&lock, lock.generation());
    lock.mark_stale();
    assert_eq!(lock.fetch(|| None).or_create(|| 3), 3);
    watches.was_told(lock.generation());
}

/// A value that only its creator's caller ever gets wakes watchers, too: a watcher is woken because the value was
/// published.
#[test]
fn k3_a_value_that_never_lives_wakes_watchers() {
    static NEVER_STALE: Policy = Policy::builder().max_stale(Duration::ZERO).build_const();
    let lock = Dogpile::with_clock(Duration::ZERO, Arc::new(ManualClock::new())).with_policy(&NEVER_STALE);
    let watches = Watcher::begin(&lock, lock.generation());
    lock.acquire_or_create(|| ());
    assert!(!lock.has_value());
    watches.was_told(lock.generation());
}

/// A thread that holds a read guard of an old value may wait for the next value. The creator needs no write lock to
/// finish.
#[test]
fn k3_a_reader_may_watch_for_the_next_value() {
    let lock = Arc::new(SyncReaderDogpile::new(MINUTE).born_fresh());
    let reads: ReadGuard<'_, _> = lock.acquire_or_create(|| ());
    let seen = lock.generation();
    let creates = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || {
            lock.mark_stale();
            drop(lock.acquire_or_create(|| ()));
        })
    };
    assert!(lock.changed(seen, FOREVER).unwrap() > seen);
    drop(reads);
    creates.join().unwrap();
}
