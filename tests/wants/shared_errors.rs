//! `share_errors`: all waiters of a creation that fails get its error.

use crate::common::until;
use crate::executor::{Woken, block_on, drive, poll};
use dogpile::{
    Backoff, Cached, CachedFn, CachedGuard, Closures, CreateError, Dogpile, Failure, ManualClock, Outcome, Policy,
    Stamped, SyncReaderDogpile, Task, Turn, cached_async, cached_by_key,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();

/// An error that says which call failed. It is not `Copy`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Down(u64);

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "call {}", self.0)
    }
}

fn missing() -> Cached<u64> {
    Cached::new(MINUTE)
}

/// 20 callers of a source that fails.
#[test]
fn k7_20_threads_make_one_call_and_share_its_error() {
    for policy in [None, Some(&PAUSING)] {
        let cached = policy.map_or_else(missing, |policy| missing().with_policy(policy));
        let calls = AtomicU64::new(0);
        let call = || {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            until(|| cached.waiting() == 19);
            Err::<u64, _>(Down(call))
        };
        let get = || cached.access().share_errors().or_try_create(call).map(|guard| *guard);
        let got = thread::scope(|threads| {
            let callers: Vec<_> = (0..20).map(|_| threads.spawn(get)).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(got, vec![Err(CreateError::Failed(Down(0))); 20]);
        assert_eq!(calls.into_inner(), 1);
        assert!(!cached.is_creating() && cached.waiting() == 0);
    }
}

#[test]
fn k7_20_tasks_make_one_call_and_share_its_error() {
    let cached = missing();
    let (calls, gate) = (AtomicU64::new(0), Mutex::new(()));
    let held = gate.lock().unwrap();
    let call = async || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        std::future::poll_fn(|_| if gate.try_lock().is_ok() { Poll::Ready(()) } else { Poll::Pending }).await;
        Err::<u64, _>(Down(call))
    };
    let woken = Arc::<Woken>::default();
    let mut tasks: Vec<_> = (0..20)
        .map(|_| Box::pin(async { cached.access_async().share_errors().or_try_create(call).await.map(|guard| *guard) }))
        .collect();
    assert!(tasks.iter_mut().all(|task| poll(task, &woken).is_pending()));
    assert_eq!(cached.waiting(), 19);
    drop(held);
    for task in &mut tasks {
        assert_eq!(poll(task, &woken), Poll::Ready(Err(CreateError::Failed(Down(0)))));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// L5 holds for accesses that do not share errors, and for accesses with another type of error.
#[test]
fn k7_l5_an_access_that_does_not_share_is_elected() {
    let cached = missing();
    thread::scope(|threads| {
        let first = threads.spawn(|| {
            let call = || {
                until(|| cached.waiting() == 3);
                Err::<u64, _>(Down(0))
            };
            cached.access().share_errors().or_try_create(call).map(|guard| *guard)
        });
        until(|| cached.is_creating());
        let shares = threads
            .spawn(|| cached.access().share_errors().or_try_create(|| Err::<u64, _>(Down(1))).map(|guard| *guard));
        let plain = threads.spawn(|| cached.get_or_try_create(|| Ok::<_, Down>(2)).map(|guard| *guard));
        let other =
            threads.spawn(|| cached.access().share_errors().or_try_create(|| Ok::<_, &str>(2)).map(|guard| *guard));
        assert_eq!(first.join().unwrap(), Err(CreateError::Failed(Down(0))));
        // If another waiter has created before this one looks, it is served that value.
        assert!([Err(CreateError::Failed(Down(0))), Ok(2)].contains(&shares.join().unwrap()));
        assert_eq!(plain.join().unwrap(), Ok(2));
        assert_eq!(other.join().unwrap(), Ok(2));
    });
}

/// An access that does not share errors does not pass its own error on.
#[test]
fn k7_the_error_of_an_access_that_does_not_share_is_not_shared() {
    let cached = missing();
    let call = || {
        until(|| cached.waiting() == 1);
        Err::<u64, _>(Down(0))
    };
    let (first, shares) = both(
        || cached.is_creating(),
        || cached.get_or_try_create(call).map(|guard| *guard),
        || cached.access().share_errors().or_try_create(|| Ok::<_, Down>(2)).map(|guard| *guard),
    );
    assert_eq!(shares, Ok(2));
    assert_eq!(first, Err(CreateError::Failed(Down(0))));
}

/// L6: an access that comes after an invalidation asks for a creation that begins after it.
#[test]
fn k7_l6_an_error_from_before_an_invalidation_is_not_shared() {
    let cached = missing();
    let call = || {
        until(|| cached.waiting() == 1);
        Err::<u64, _>(Down(0))
    };
    let late = || {
        cached.invalidate();
        cached.access().share_errors().or_try_create(|| Ok::<_, Down>(2)).map(|guard| *guard)
    };
    let first = || cached.access().share_errors().or_try_create(call).map(|guard| *guard);
    let (first, late) = both(|| cached.is_creating(), first, late);
    assert_eq!(late, Ok(2));
    assert_eq!(first, Err(CreateError::Failed(Down(0))));
}

/// A value takes precedence over an error.
#[test]
fn k7_a_value_is_preferred_to_a_shared_error() {
    let cached = missing();
    let call = || {
        until(|| cached.waiting() == 1);
        Ok::<_, Down>(1)
    };
    let first = || cached.access().share_errors().or_try_create(call).map(|guard| *guard);
    let (first, other) = both(
        || cached.is_creating(),
        first,
        || {
            let other = cached.access().share_errors().timeout(MINUTE).or_try_create(|| Err::<u64, _>(Down(1)));
            other.map(|guard| (*guard, CachedGuard::outcome(&guard)))
        },
    );
    assert_eq!(other, Ok((1, Outcome::Waited)));
    assert_eq!(first, Ok(1));
    let hit = cached.access().share_errors().or_try_create(|| Err::<u64, _>(Down(2))).map(|guard| *guard);
    assert_eq!(hit, Ok(1));
}

/// Runs `first`, and runs `second` once a creation runs. The creator of `first` is to wait until `second` waits for it.
fn both<A: Send, B: Send>(
    is_creating: impl Fn() -> bool + Sync,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    thread::scope(|threads| {
        let first = threads.spawn(first);
        until(is_creating);
        let second = second();
        (first.join().unwrap(), second)
    })
}

fn failed<T, E, G>(got: Result<T, CreateError<E, G>>) -> E {
    match got {
        Err(CreateError::Failed(error)) => error,
        _ => panic!("it has not failed"),
    }
}

#[test]
fn k7_shared_errors_in_lock_mode_and_getter_modes() {
    let lock = Dogpile::never_expires();
    let create = || {
        until(|| lock.waiting() == 1);
        Err(Down(0))
    };
    let (first, second) = both(
        || lock.is_creating(),
        || failed(lock.access().share_errors().or_try_create(create)),
        || failed(lock.access().share_errors().or_try_create(|| Err(Down(1)))),
    );
    assert_eq!((first, second), (Down(0), Down(0)));

    // The setter fails, with the creator's type of error.
    let set = |_: &u64| {
        until(|| lock.waiting() == 1);
        Err(Down(0))
    };
    let none = || None::<u64>;
    let (first, second) = both(
        || lock.is_creating(),
        || failed(lock.fetch(none).and_set(set).share_errors().or_try_create(|| Ok(1))),
        || {
            let task = lock.access_async().fetch(async || None::<u64>).and_set(async |_: &u64| Ok(())).share_errors();
            failed(block_on(task.or_try_create(async || Err(Down(1)))))
        },
    );
    assert_eq!((first, second), (Down(0), Down(0)));

    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let create = || {
        until(|| lock.waiting() == 1);
        Err(Down(0))
    };
    let (first, second) = both(
        || lock.is_creating(),
        || failed(lock.access().share_errors().or_try_create(create)),
        || failed(block_on(SyncReaderDogpile::kept_async(&lock).share_errors().or_try_create(async || Err(Down(1))))),
    );
    assert_eq!((first, second), (Down(0), Down(0)));
}

/// What the failure says about the time after it holds as well.
#[test]
fn k7_a_shared_failure_sets_its_pause() {
    let cached = missing();
    let create = || {
        until(|| cached.waiting() == 1);
        Err::<u64, _>(Failure::new(Down(0)).retry_after(MINUTE))
    };
    let (first, second) = both(
        || cached.is_creating(),
        || failed(cached.access().share_errors().or_try_create(create)),
        || failed(cached.access().share_errors().or_try_create(|| Err::<u64, _>(Failure::new(Down(1))))),
    );
    assert_eq!((first.into_error(), second.into_error()), (Down(0), Down(0)));
    assert!(cached.paused_for().is_some());
}

#[test]
fn k7_functions_share_errors() {
    let calls = AtomicU64::new(0);
    let waiting = AtomicU64::new(0);
    let function = CachedFn::<u64, _>::new(MINUTE, || {
        until(|| waiting.load(Ordering::SeqCst) == 1);
        Err(Down(calls.fetch_add(1, Ordering::SeqCst)))
    });
    let get = || failed(function.access().share_errors().try_get());
    let (first, second) = thread::scope(|threads| {
        let first = threads.spawn(get);
        until(|| function.is_creating());
        let second = threads.spawn(get);
        until(|| function.waiting() == 1);
        waiting.store(1, Ordering::SeqCst);
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((first, second), (Down(0), Down(0)));

    let calls = AtomicU64::new(0);
    let function = cached_async::<u64, _, _>(MINUTE, async || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        crate::executor::step().await;
        Err(Down(call))
    });
    let woken = Arc::<Woken>::default();
    let mut tasks = [(); 2].map(|()| Box::pin(function.access_async().share_errors().try_get()));
    assert!(tasks.iter_mut().all(|task| poll(task, &woken).is_pending()));
    for task in &mut tasks {
        let Poll::Ready(got) = poll(task, &woken) else { panic!("it is over") };
        assert_eq!(failed(got), Down(0));
    }

    let calls = AtomicU64::new(0);
    let store =
        Closures { get: |_: &u64| None::<Stamped<u64>>, set: |_: &u64, _: &Stamped<u64>| {}, remove: |_: &u64| {} };
    let (waiting, key) = (AtomicU64::new(0), |key: &u64| *key);
    let square = |_: &u64| {
        until(|| waiting.load(Ordering::SeqCst) == 1);
        Err::<u64, _>(Down(calls.fetch_add(1, Ordering::SeqCst)))
    };
    let squares = cached_by_key(MINUTE, key, square, store);
    let get = || failed(squares.access(&1).share_errors().try_get());
    let (first, second) = thread::scope(|threads| {
        let first = threads.spawn(get);
        until(|| squares.is_creating(&1));
        let second = threads.spawn(get);
        until(|| format!("{squares:?}").contains("in_use: 1"));
        thread::scope(|_| waiting.store(1, Ordering::SeqCst));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert!(first == Down(0) && second.0 <= 1, "the second may have come late");
}

type Tasks = Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>;

#[test]
fn k7_shared_errors_in_the_background_and_in_spawned_tasks() {
    let cached = Arc::new(missing());
    let create = {
        let cached = Arc::clone(&cached);
        move || {
            until(|| cached.waiting() == 1);
            Err::<u64, _>(Down(0))
        }
    };
    let spawner = |task: Task| drop(thread::spawn(move || block_on(task)));
    let (first, second) = both(
        || cached.is_creating(),
        || failed(Cached::kept(&cached).share_errors().in_background(&dogpile::ThreadPerJob).or_try_create(create)),
        || {
            let access = Cached::kept_async(&cached).share_errors().spawned_by(&spawner);
            failed(block_on(access.or_try_create(async || Err::<u64, _>(Down(1)))))
        },
    );
    assert_eq!((first, second), (Down(0), Down(0)));

    // An access that has spawned waits for its own task, and fails with that task's error. So does a waiter of the
    // task.
    let tasks = Tasks::default();
    let spawner = |task: Task| tasks.lock().unwrap().push(task);
    let woken = Arc::<Woken>::default();
    let mut own = Box::pin(async {
        let access = Cached::kept_async(&cached).share_errors().spawned_by(&spawner);
        failed(access.or_try_create(async || Err::<u64, _>(Down(2))).await)
    });
    let mut other = Box::pin(async {
        failed(cached.access_async().share_errors().or_try_create(async || Err::<u64, _>(Down(3))).await)
    });
    assert!(drive(&mut own, &woken).is_pending());
    assert!(drive(&mut other, &woken).is_pending());
    assert!(poll(&mut tasks.lock().unwrap().pop().unwrap(), &woken).is_ready());
    assert_eq!(poll(&mut own, &woken), Poll::Ready(Down(2)));
    assert_eq!(poll(&mut other, &woken), Poll::Ready(Down(2)));
}

/// A waiter that was given the error and is not polled any more blocks no other waiter.
#[test]
fn k7_c4_a_waiter_that_was_told_and_leaves_blocks_no_other() {
    let cached: Cached<u64, ManualClock> = Cached::with_clock(MINUTE, ManualClock::new());
    let woken = Arc::<Woken>::default();
    let mut first = Box::pin(async {
        let call = async || {
            crate::executor::step().await;
            Err::<u64, _>(Down(0))
        };
        failed(cached.access_async().share_errors().or_try_create(call).await)
    });
    assert!(poll(&mut first, &woken).is_pending());
    let mut told = Box::pin(cached.access_async().share_errors().or_try_create(async || Err::<u64, _>(Down(1))));
    let mut plain = Box::pin(cached.get_or_create_async(async || 2));
    assert!(poll(&mut told, &woken).is_pending());
    assert!(poll(&mut plain, &woken).is_pending());
    assert_eq!(poll(&mut first, &woken), Poll::Ready(Down(0)));
    drop(told);
    let Poll::Ready(guard) = poll(&mut plain, &woken) else { panic!("it is not elected") };
    assert_eq!(*guard, 2);
}

/// C22: the drop of an error may use the lock.
#[test]
fn k7_c22_a_second_failure_drops_no_error_under_the_mutex() {
    static LOCK: Dogpile = Dogpile::never_expires();
    #[derive(Clone)]
    struct AsksTheLock;
    impl std::fmt::Display for AsksTheLock {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("down")
        }
    }
    impl Drop for AsksTheLock {
        fn drop(&mut self) {
            _ = LOCK.waiting();
        }
    }
    let woken = Arc::<Woken>::default();
    let Turn::Create(first) = LOCK.acquire() else { panic!("nobody else creates") };
    let mut task = Box::pin(LOCK.access_async().share_errors().or_try_create(async || Err::<(), _>(AsksTheLock)));
    assert!(drive(&mut task, &woken).is_pending());
    drop(first); // the task is woken; newcomers are faster
    for _ in 0..2 {
        assert!(LOCK.access().share_errors().or_try_create(|| Err::<(), _>(AsksTheLock)).is_err());
    }
    assert!(matches!(poll(&mut task, &woken), Poll::Ready(Err(CreateError::Failed(_)))));
}
