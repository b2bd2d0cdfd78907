//! How many locks a registry keeps that have no holder.

use dogpile::{
    Backoff, Cached, CachedByKey, Closures, CreateError, Dogpile, Held, ManualClock, Policy, Registry, Stamped, Turn,
    cached_by_key,
};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(HOUR, HOUR)).build_const();

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

fn manual() -> (Registry<u64, Lock, impl Fn(&u64) -> Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    (Registry::with_maker(move |_: &u64| Dogpile::with_clock(MINUTE, Arc::clone(&its))), clock)
}

fn fail(lock: &Lock) {
    let failed = lock.acquire_or_try_create(|| Err("no such key"));
    assert_eq!(failed, Err(CreateError::Failed("no such key")));
}

fn same(one: &Lock, other: &Lock) -> bool {
    std::ptr::eq(one, other)
}

/// Returns the keys that have a lock.
fn keys<F>(locks: &Registry<u64, Lock, F>) -> Vec<u64> {
    let mut keys: Vec<_> = locks.iter().map(|held| *Held::key(&held)).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn k5_unknown_keys_that_fail_leave_no_more_than_1024_paused_locks() {
    let (locks, _clock) = manual();
    let locks = locks.with_policy(&PAUSING);
    for unknown in 0..10_000 {
        fail(&locks.get(&unknown));
        assert!(locks.len() <= 1_024);
    }
    // Exactly the last ones are left.
    assert_eq!(keys(&locks), (10_000 - 1_024..10_000).collect::<Vec<_>>());
    assert!(locks.get(&9_999).paused_for().is_some());
    assert!(locks.get(&0).paused_for().is_none(), "the oldest went first");
    // The same through a function.
    let none: CachedByKey<u64, u64, _, _, _> = cached_by_key(
        MINUTE,
        |key: &u64| *key,
        |_: &u64| Err::<u64, _>("no such key"),
        Closures { get: |_: &u64| None, set: |_: &u64, _: &Stamped<u64>| (), remove: |_: &u64| () },
    );
    let none = none.with_policy(&PAUSING);
    for unknown in 0..2_000 {
        none.try_get(&unknown).unwrap_err();
    }
    assert!(format!("{none:?}").contains("in_use: 1024,"), "{none:?}");
    assert!(matches!(none.try_get(&1_999), Err(CreateError::Paused { .. })));
    assert_eq!(none.try_get(&0), Err(CreateError::Failed("no such key")));
    let none = none.at_most_paused(10);
    none.try_get(&0).unwrap_err();
    assert!(format!("{none:?}").contains("in_use: 10,"), "{none:?}");
}

#[test]
fn k5_idle_locks_have_a_bound_and_the_last_used_ones_stay() {
    let (locks, clock) = manual();
    let locks = locks.keep_idle(HOUR).at_most_idle(100);
    for key in 0..1_000 {
        drop(locks.get(&key));
        drop(locks.get(&0)); // used again and again
        assert!(locks.len() <= 100);
    }
    let mut left: Vec<_> = (901..1_000).collect();
    left.insert(0, 0);
    assert_eq!(keys(&locks), left, "and a look at them is no use");
    drop(locks.get(&1_000));
    assert!(locks.find(&901).is_none());
    // Their time limits them as well.
    clock.advance(HOUR);
    assert_eq!((locks.sweep(), locks.len()), (100, 0));
    drop(locks.get(&1));
    assert!(locks.remove_idle(&1));
    for key in 0..100 {
        drop(locks.get(&key));
    }
    assert_eq!(locks.len(), 100, "what has left does not count any more");
}

#[test]
fn k5_a_lock_used_while_another_thread_looks_at_it_was_used_last() {
    let (locks, _) = manual();
    let locks = locks.keep_idle(HOUR).at_most_idle(2);
    drop(locks.get(&1));
    drop(locks.get(&2));
    let looking = locks.iter().find(|held| *Held::key(held) == 1).unwrap();
    drop(locks.get(&1));
    drop(looking);
    drop(locks.get(&3));
    assert_eq!(keys(&locks), [1, 3]);
}

#[test]
fn k5_values_have_the_same_bound() {
    let clock = Arc::new(ManualClock::new());
    let maker = |_: &u64| Cached::<u64, _>::with_clock(MINUTE, Arc::clone(&clock));
    let values = Registry::with_maker(maker).at_most_idle(7);
    for key in 0..100 {
        assert_eq!(*values.get(&key).get_or_create(|| key), key);
    }
    assert_eq!(values.len(), 7);
    assert_eq!(values.get(&99).peek().as_deref(), Some(&99));
    assert_eq!(values.get(&92).peek().as_deref(), None);
}

#[test]
fn k5_bounds_of_zero_and_of_no_end() {
    let (locks, _clock) = manual();
    let locks = locks.keep_idle(HOUR).with_policy(&PAUSING).at_most_idle(0).at_most_paused(0);
    fail(&locks.get(&1));
    drop(locks.get(&2));
    assert!(locks.is_empty());
    let locks = locks.at_most_idle(usize::MAX).at_most_paused(usize::MAX);
    for key in 0..2_000 {
        fail(&locks.get(&key));
        drop(locks.get(&(key + 10_000)));
    }
    assert_eq!(locks.len(), 4_000);
}

#[test]
fn k5_a_held_lock_is_never_dropped() {
    let (locks, _clock) = manual();
    let locks = Arc::new(locks.keep_idle(MINUTE).with_policy(&PAUSING).at_most_idle(2).at_most_paused(2));
    // These locks were idle, or paused, and are in use again.
    drop(locks.get(&1));
    fail(&locks.get(&2));
    let held = [1, 2].map(|key| locks.get(&key));
    let Turn::Create(creation) = Dogpile::kept(&locks.get_owned(&3)).turn() else { panic!("nobody else creates") };
    for key in 100..200 {
        drop(locks.get(&key));
        fail(&locks.get(&(key + 1_000)));
    }
    assert_eq!(keys(&locks), [1, 2, 3, 198, 199, 1_198, 1_199]);
    assert!(locks.get(&3).is_creating());
    assert!(same(&held[0], &locks.get(&1)) && held[1].paused_for().is_some());
    // Once they are let go, they are the last used ones. (A lock whose pause is one too many counts as idle.)
    drop(held);
    creation.finish();
    assert_eq!(keys(&locks), [1, 2, 3, 1_199]);
}

#[test]
fn k5_a_pause_too_many_is_forgotten_and_idle_locks_stay() {
    let (locks, clock) = manual();
    let locks = locks.keep_idle(MINUTE).with_policy(&PAUSING).at_most_paused(3);
    for key in 0..10 {
        fail(&locks.get(&key));
    }
    assert_eq!(locks.len(), 10, "each is kept for a minute");
    assert!((0..10).all(|key| locks.iter().any(|held| *Held::key(&held) == key)));
    clock.advance(MINUTE);
    assert_eq!((locks.sweep(), keys(&locks)), (7, vec![7, 8, 9]));
    clock.advance(HOUR);
    assert_eq!((locks.sweep(), locks.len()), (3, 0));
    // A lock that is kept without its pause counts as idle.
    let locks = locks.at_most_idle(4);
    for key in 0..10 {
        fail(&locks.get(&key));
    }
    assert_eq!(keys(&locks), [3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn k5_the_pause_of_a_key_in_use_is_not_pushed_out() {
    let (locks, _clock) = manual();
    let locks = locks.with_policy(&PAUSING).at_most_paused(10);
    fail(&locks.get(&0));
    for unknown in 1..1_000 {
        fail(&locks.get(&unknown));
        assert!(locks.get(&0).paused_for().is_some());
    }
    assert_eq!(locks.len(), 10);
}

#[test]
fn k5_a_lock_too_many_is_dropped_outside_every_mutex() {
    /// Uses the registry when it is dropped.
    struct Uses(u64);
    static VALUES: Registry<u64, Cached<Uses>> = Registry::new(|_| Cached::never_expires()).at_most_idle(1);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    impl Drop for Uses {
        fn drop(&mut self) {
            assert!(VALUES.find(&self.0).is_none());
            DROPPED.fetch_add(1, Ordering::SeqCst);
            assert_ne!(self.0, 7, "as it is dropped");
        }
    }
    for key in 0..100 {
        let used = catch_unwind(AssertUnwindSafe(|| drop(VALUES.get(&key).get_or_create(|| Uses(key)))));
        assert_eq!(used.is_err(), key == 8, "{key}");
    }
    assert_eq!((VALUES.len(), DROPPED.load(Ordering::SeqCst)), (1, 99));
}

#[test]
fn k5_l1_bounds_hold_and_keys_have_one_lock_while_threads_let_go_at_once() {
    let (locks, _clock) = manual();
    let locks = locks.keep_idle(MINUTE).with_policy(&PAUSING).at_most_idle(10).at_most_paused(10);
    let creating: Vec<_> = (0..64).map(|_| AtomicBool::new(false)).collect();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (locks, creating) = (&locks, &creating);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for _ in 0..5_000 {
                        let key = random.u64(..64);
                        let held = locks.get(&key);
                        let Ok(Turn::Create(creation)) = held.try_acquire() else { continue };
                        let once = &creating[usize::try_from(key).unwrap()];
                        assert!(!once.swap(true, Ordering::SeqCst), "two locks for {key}, thread {thread}");
                        thread::yield_now();
                        once.store(false, Ordering::SeqCst);
                        if random.bool() {
                            creation.fail("no such key");
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let left = keys(&locks);
    assert!(left.len() <= 20, "{left:?}");
    assert_eq!(left.len(), left.iter().collect::<HashSet<_>>().len());
    let paused = locks.iter().filter(|held| held.paused_for().is_some()).count();
    assert!(paused >= 10, "as many as may be, once there were as many");
}

#[test]
fn k5_a_function_by_key_keeps_its_bound_on_another_clock() {
    let store = Closures { get: |_: &u64| None, set: |_: &u64, _: &Stamped<u64>| {}, remove: |_: &u64| {} };
    let unknown = cached_by_key(MINUTE, |key: &u64| *key, |_: &u64| Err::<u64, _>("no such key"), store);
    let unknown = unknown.with_policy(&PAUSING).at_most_paused(3).with_clock(Arc::new(ManualClock::new()));
    for key in 0..10 {
        unknown.try_get(&key).unwrap_err();
    }
    assert!(format!("{unknown:?}").contains("in_use: 3"), "{unknown:?}");
}
