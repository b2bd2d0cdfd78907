//! `soft_timeout`: an access with an old value waits for the new one, for a while.
//!
//! Only the tests that say so wait for a soft time-out to pass. They do not depend on how long that takes.

use crate::common::until;
use crate::executor::{Woken, block_on, drive, poll};
use dogpile::{
    Backoff, Cached, CachedGuard, CreateError, Dogpile, Job, ManualClock, Outcome, Policy, SyncReaderDogpile, Task,
    ThreadPerJob, Turn,
};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// A time-out that never passes in a test.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.0)).build_const();

fn told<T: Copy>(guard: &CachedGuard<T>) -> (T, Outcome) {
    (**guard, CachedGuard::outcome(guard))
}

type Value = Cached<u64, Arc<ManualClock>>;

/// Returns a lock with the value 1, stale.
fn stale() -> Arc<Value> {
    let cached = Cached::with_clock(MINUTE, Arc::new(ManualClock::new())).with_policy(&PAUSING);
    cached.set(1);
    cached.mark_stale();
    Arc::new(cached)
}

/// Runs `run` beside a creation. As soon as `waiters` accesses wait for the creation, it makes 2, or it fails if
/// `fails` says so.
fn with_a_creation(cached: &Value, waiters: usize, fails: bool, run: impl FnOnce()) {
    thread::scope(|threads| {
        let creating = threads.spawn(move || {
            cached.get_or_try_create(|| {
                until(|| cached.waiting() == waiters);
                if fails { Err("down") } else { Ok(2) }
            })
        });
        until(|| cached.is_creating());
        run();
        assert_eq!(creating.join().unwrap().is_err(), fails);
    });
}

#[test]
fn k4_an_access_waits_for_the_new_value() {
    let cached = stale();
    with_a_creation(&cached, 2, false, || {
        thread::scope(|threads| {
            let task = || told(&block_on(cached.access_async().soft_timeout(LONG).or_create(async || unreachable!())));
            let task = threads.spawn(task);
            let thread = cached.access().soft_timeout(LONG).or_create(|| unreachable!());
            assert_eq!(told(&thread), (2, Outcome::Waited));
            assert_eq!(task.join().unwrap(), (2, Outcome::Waited));
        });
    });
    assert_eq!(told(&cached.access().soft_timeout(LONG).or_create(|| unreachable!())), (2, Outcome::Fresh));
}

/// In this test the time-outs do pass.
#[test]
fn k4_an_access_goes_on_with_the_old_value_in_time() {
    let cached = stale();
    let done = Mutex::new(());
    let held = done.lock().unwrap();
    thread::scope(|threads| {
        threads.spawn(|| {
            cached.get_or_create(|| {
                drop(done.lock().unwrap());
                2
            })
        });
        until(|| cached.is_creating());
        for soft in [Duration::ZERO, SHORT] {
            let thread = cached.access().soft_timeout(soft).or_create(|| unreachable!());
            assert_eq!(told(&thread), (1, Outcome::Stale));
            let task = cached.access_async().soft_timeout(soft).or_create(async || unreachable!());
            assert_eq!(told(&block_on(task)), (1, Outcome::Stale));
        }
        // The other time-out passes first. There is a value to go on with.
        let thread = cached.access().soft_timeout(LONG).timeout(SHORT).or_create(|| unreachable!());
        assert_eq!(thread.map(|guard| told(&guard)), Ok((1, Outcome::Stale)));
        assert_eq!(cached.waiting(), 0);
        drop(held);
    });
    assert_eq!(*cached.peek().unwrap(), 2);
}

/// After the failure the waiter is elected, or there is a pause.
#[test]
fn k4_a_creation_that_fails_is_not_waited_for_any_longer() {
    let cached = stale();
    with_a_creation(&cached, 1, true, || {
        let got = cached.access().soft_timeout(LONG).or_create(|| unreachable!());
        assert_eq!(told(&got), (1, Outcome::Stale), "paused");
    });
    let got = block_on(cached.access_async().soft_timeout(LONG).or_create(async || unreachable!()));
    assert_eq!(told(&got), (1, Outcome::Stale), "paused");

    let cached: Value = Cached::with_clock(MINUTE, Arc::default());
    cached.set(1);
    cached.mark_stale();
    with_a_creation(&cached, 1, true, || {
        let got = cached.access().soft_timeout(LONG).or_create(|| 3);
        assert_eq!(told(&got), (3, Outcome::Created), "elected");
    });
}

/// L3: the value goes to the waiter.
#[test]
fn k4_l3_a_value_that_arrives_expired_is_served() {
    let cached = stale();
    thread::scope(|threads| {
        let creating = threads.spawn(|| {
            cached.access().or_create_with(|_| {
                until(|| cached.waiting() == 1);
                dogpile::Made::new(2).expires_after(Duration::ZERO)
            })
        });
        until(|| cached.is_creating());
        let got = cached.access().soft_timeout(LONG).or_create(|| unreachable!());
        assert_eq!(told(&got), (2, Outcome::Waited));
        creating.join().unwrap();
    });
}

/// L7: the creator's access goes on with the old value.
#[test]
fn k4_a_creator_does_not_wait_for_its_own_value() {
    let cached = stale();
    let got = cached.get_or_create(|| {
        let old = cached.access().soft_timeout(Duration::MAX).or_create(|| unreachable!());
        assert_eq!(told(&old), (1, Outcome::Stale));
        2
    });
    assert_eq!(*got, 2);
    cached.mark_stale();
    let got = block_on(cached.get_or_create_async(async || {
        let old = cached.access_async().soft_timeout(Duration::MAX).or_create(async || unreachable!()).await;
        assert_eq!(told(&old), (2, Outcome::Stale));
        3
    }));
    assert_eq!(*got, 3);
}

/// Each of two creators asks for the other's value, and has an old one.
#[test]
fn k4_l7_creators_do_not_wait_for_each_other() {
    let (first, second) = (stale(), stale());
    let create = |own: &Value, other: &Value| {
        let made = own.get_or_create(|| {
            until(|| first.is_creating() && second.is_creating());
            *other.access().soft_timeout(Duration::MAX).or_create(|| unreachable!()) + 10
        });
        *made
    };
    let (one, other) = thread::scope(|threads| {
        let other = threads.spawn(|| create(&second, &first));
        (create(&first, &second), other.join().unwrap())
    });
    // The creator that asked last was told of the cycle, and went on with the old value. The other one has waited for
    // it.
    assert!([(11, 21), (21, 11), (11, 11)].contains(&(one, other)), "{one}, {other}");
}

#[test]
fn k4_a_future_that_is_dropped_leaves_the_queue() {
    let cached = stale();
    let (woken, mut creating) = (Arc::<Woken>::default(), Box::pin(cached.get_or_create_async(std::future::pending)));
    assert!(poll(&mut creating, &woken).is_pending());
    let mut waits = Box::pin(cached.access_async().soft_timeout(LONG).or_create(async || unreachable!()));
    assert!(drive(&mut waits, &woken).is_pending());
    assert_eq!(cached.waiting(), 1);
    drop(waits);
    assert_eq!(cached.waiting(), 0);
}

// --- elected, and another creates

#[test]
fn k4_an_access_that_hands_over_waits_for_its_creation() {
    let cached = stale();
    let got = Cached::kept(&cached).soft_timeout(LONG).in_background(&ThreadPerJob).or_create(|| 2);
    assert_eq!(told(&got), (2, Outcome::Waited));
    // The runner has run the job before it returns.
    cached.mark_stale();
    let at_once = |job: Job| job();
    let got = Cached::kept(&cached).soft_timeout(LONG).in_background(&at_once).or_create(|| 3);
    assert_eq!(*got, 3);
    // The runner loses the job.
    cached.mark_stale();
    let loses = |job: Job| drop(job);
    let got = Cached::kept(&cached).soft_timeout(LONG).in_background(&loses).or_create(|| 4);
    assert_eq!(told(&got), (3, Outcome::Stale));
    // The runner takes longer than the soft time-out.
    let jobs = Mutex::new(Vec::new());
    let late = |job: Job| jobs.lock().unwrap().push(job);
    let got = Cached::kept(&cached).soft_timeout(SHORT).in_background(&late).or_create(|| 5);
    assert_eq!(told(&got), (3, Outcome::Stale));
    jobs.lock().unwrap().pop().unwrap()();
    assert_eq!(*cached.peek().unwrap(), 5);
    // The creator fails.
    cached.mark_stale();
    let got =
        Cached::kept(&cached).soft_timeout(LONG).in_background(&ThreadPerJob).or_try_create(|| Err::<u64, _>("down"));
    assert_eq!(got.map(|guard| told(&guard)), Ok((5, Outcome::Stale)));
    // The same without a pause.
    let cached: Arc<Value> = Arc::new(Cached::with_clock(MINUTE, Arc::default()));
    cached.set(1);
    cached.mark_stale();
    let fails = || Err::<u64, _>("down");
    let got = Cached::kept(&cached).soft_timeout(LONG).in_background(&ThreadPerJob).or_try_create(fails);
    assert_eq!(got.map(|guard| told(&guard)), Ok((1, Outcome::Stale)));
    let lock = Arc::new(Dogpile::never_expires());
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    lock.mark_stale();
    let access = Dogpile::kept(&lock).soft_timeout(LONG).in_background(&ThreadPerJob);
    assert_eq!(access.or_try_create(|| Err("down")), Ok(Outcome::Stale));
}

type Tasks = Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>;

#[test]
fn k4_an_access_that_spawns_waits_for_its_task() {
    let cached = stale();
    let tasks = Tasks::default();
    let spawner = |task: Task| tasks.lock().unwrap().push(task);
    let woken = Arc::<Woken>::default();
    let mut got = Box::pin(Cached::kept_async(&cached).soft_timeout(LONG).spawned_by(&spawner).or_create(async || 2));
    assert!(drive(&mut got, &woken).is_pending());
    assert!(poll(&mut tasks.lock().unwrap().pop().unwrap(), &woken).is_ready());
    let Poll::Ready(got) = poll(&mut got, &woken) else { panic!("it is there") };
    assert_eq!(told(&got.unwrap()), (2, Outcome::Waited));

    cached.mark_stale();
    let access = Cached::kept_async(&cached).soft_timeout(SHORT);
    let got = block_on(access.spawned_by(&spawner).or_try_create(async || Ok::<_, &str>(3)));
    assert_eq!(got.map(|guard| told(&guard)), Ok((2, Outcome::Stale)));
    assert!(poll(&mut tasks.lock().unwrap().pop().unwrap(), &woken).is_ready());
    assert_eq!(*cached.peek().unwrap(), 3);
}

// --- the locks without a value

#[test]
fn k4_soft_time_outs_in_lock_mode_and_getter_modes() {
    let lock = Arc::new(Dogpile::never_expires());
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    let stored = Mutex::new(1);
    let get = || Some(*stored.lock().unwrap());
    let with_a_creation = |waiters: usize, run: &(dyn Fn() + Sync)| {
        lock.mark_stale();
        thread::scope(|threads| {
            threads.spawn(|| {
                lock.acquire_or_create(|| {
                    until(|| lock.waiting() == waiters);
                    *stored.lock().unwrap() += 1;
                })
            });
            until(|| lock.is_creating());
            run();
        });
    };
    with_a_creation(2, &|| {
        thread::scope(|threads| {
            let task = || block_on(lock.access_async().soft_timeout(LONG).or_create(async || unreachable!()));
            let task = threads.spawn(task);
            assert_eq!(lock.access().soft_timeout(LONG).or_create(|| unreachable!()), Outcome::Waited);
            assert_eq!(task.join().unwrap(), Outcome::Waited);
        });
    });
    with_a_creation(1, &|| {
        assert_eq!(lock.fetch(get).soft_timeout(LONG).or_create(|| unreachable!()), 3);
    });
    with_a_creation(1, &|| {
        let task = lock.access_async().fetch(async || get()).soft_timeout(LONG).or_create(async || unreachable!());
        assert_eq!(block_on(task), 4);
    });
    // The wait is in vain.
    lock.mark_stale();
    let Turn::Create(creation) = lock.acquire() else { panic!("it is not elected") };
    assert_eq!(lock.fetch(get).soft_timeout(Duration::ZERO).or_create(|| unreachable!()), 4);
    assert_eq!(lock.access().soft_timeout(SHORT).or_create(|| unreachable!()), Outcome::Stale);
    assert!(matches!(lock.access().soft_timeout(SHORT).turn(), Turn::Stale));
    creation.finish();

    lock.mark_stale();
    let got = Dogpile::kept(&lock).soft_timeout(LONG).in_background(&ThreadPerJob).or_create(|| ());
    assert_eq!(got, Outcome::Waited);
    lock.mark_stale();
    let stored = Arc::new(Mutex::new(5));
    let (get, made) = (Arc::clone(&stored), Arc::clone(&stored));
    let access = Dogpile::kept(&lock).fetch(|| Some(*get.lock().unwrap())).soft_timeout(LONG);
    let got = access.in_background(&ThreadPerJob).or_create(move || {
        *made.lock().unwrap() = 6;
        6
    });
    assert_eq!(got, 6);
    let lost = lock.fetch(|| None).soft_timeout(LONG).or_try_create(|| Err::<u64, _>("down"));
    assert_eq!(lost, Err(CreateError::Failed("down")));
}

/// An access that waits keeps no writer out.
#[test]
fn k4_soft_time_outs_under_readers() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    drop(lock.acquire_or_create(|| ()));
    let stored = Mutex::new(1);
    let get = || Some(*stored.lock().unwrap());
    let with_a_creation = |waiters: usize, run: &(dyn Fn() + Sync)| {
        lock.mark_stale();
        thread::scope(|threads| {
            threads.spawn(|| {
                let _reading = lock.access().or_create_with(|creation| {
                    until(|| lock.waiting() == waiters);
                    let _alone = creation.write_lock().unwrap();
                    *stored.lock().unwrap() += 1;
                });
            });
            until(|| lock.is_creating());
            run();
        });
    };
    with_a_creation(2, &|| {
        thread::scope(|threads| {
            let task = || {
                let access = SyncReaderDogpile::kept_async(&lock).soft_timeout(LONG);
                *block_on(access.or_create(async || unreachable!()))
            };
            let task = threads.spawn(task);
            // An access that is counted as a waiter, and does not sleep yet when the creation ends, looks again: the new
            // value is there.
            let is_new = |outcome| matches!(outcome, Outcome::Waited | Outcome::Fresh);
            assert!(is_new(*lock.access().soft_timeout(LONG).or_create(|| unreachable!())));
            assert!(is_new(task.join().unwrap()));
        });
    });
    with_a_creation(1, &|| {
        assert_eq!(*lock.fetch(get).soft_timeout(LONG).or_create(|| unreachable!()), 3);
    });
    lock.mark_stale();
    let access = SyncReaderDogpile::kept(&lock).soft_timeout(LONG);
    // An access that has handed its creation over reads at once. If the resource were cleared meanwhile, the access
    // could not create again.
    let got = access.in_background(&ThreadPerJob).or_create_with(|creation| drop(creation.write_lock().unwrap()));
    assert_eq!(*got, Outcome::Stale);
}

#[test]
fn k4_a_failure_in_the_background_is_no_new_value() {
    let cached = Arc::new(Cached::<u64>::never_expires());
    cached.set(1);
    cached.mark_stale();
    let fails = {
        let cached = Arc::clone(&cached);
        move || {
            until(|| cached.waiting() == 1);
            Err::<u64, _>("down")
        }
    };
    let got = Cached::kept(&cached).soft_timeout(LONG).in_background(&ThreadPerJob).or_try_create(fails.clone());
    assert_eq!(told(&got.unwrap()), (1, Outcome::Stale));
    let spawner = |task: Task| drop(thread::spawn(|| block_on(task)));
    let access = Cached::kept_async(&cached).soft_timeout(LONG).spawned_by(&spawner);
    let got = block_on(access.or_try_create(async move || fails())).unwrap();
    assert_eq!(told(&got), (1, Outcome::Stale));

    let lock = Arc::new(Dogpile::never_expires());
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let waits = Arc::clone(&lock);
    let got = Dogpile::kept(&lock).soft_timeout(LONG).in_background(&ThreadPerJob).or_try_create(move || {
        until(|| waits.waiting() == 1);
        Err::<(), _>("down")
    });
    assert_eq!(got, Ok(Outcome::Stale));
}

/// C11: a soft waiter does not go on waiting for a dead creation.
#[test]
fn k4_c11_a_soft_waiter_takes_over_from_a_creation_that_hangs() {
    static DYING: Policy = Policy::builder().creation_timeout(MINUTE).build_const();
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&DYING);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let Turn::Create(hangs) = lock.acquire() else { panic!("nobody else creates") };
    thread::scope(|threads| {
        let waits = threads.spawn(|| lock.access().soft_timeout(Duration::MAX).or_create(|| ()));
        until(|| lock.waiting() == 1);
        clock.advance(MINUTE * 2);
        assert_eq!(waits.join().unwrap(), Outcome::Created);
    });
    assert!(hangs.is_dead());
}

/// L3: a value that is invalidated during its creation goes to all its waiters.
#[test]
fn k4_l3_a_soft_waiter_is_served_a_superseded_value() {
    let cached = stale();
    thread::scope(|threads| {
        let creates = threads.spawn(|| {
            cached.get_or_create(|| {
                until(|| cached.waiting() == 1);
                cached.invalidate();
                2
            });
        });
        until(|| cached.is_creating());
        let got = cached.access().soft_timeout(LONG).or_create(|| 3);
        assert_eq!(told(&got), (2, Outcome::Waited));
        creates.join().unwrap();
    });
}
