//! Getter mode: how often the getter is called on each path (L8), and what happens when a store loses its value.

mod common;

use common::until;
use dogpile::{AcquireError, CreateError, Dogpile, Freshness, ManualClock, PublishError, Turn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

type Lock = Dogpile<Arc<ManualClock>>;

/// A lock, and a store that may lose its value. 0 is no value.
struct Cache {
    lock: Lock,
    clock: Arc<ManualClock>,
    store: AtomicU64,
}

/// The result of an access, and what it did.
#[derive(Debug, PartialEq, Eq)]
struct AccessResult {
    value: u64,
    getter_calls: usize,
    created: bool,
}

const fn got(value: u64, getter_calls: usize) -> AccessResult {
    AccessResult { value, getter_calls, created: false }
}

const fn created(value: u64, getter_calls: usize) -> AccessResult {
    AccessResult { value, getter_calls, created: true }
}

/// A setter that is not run.
fn unset<V>(_: &V) {
    panic!("superseded");
}

impl Cache {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock));
        Self { lock, clock, store: AtomicU64::new(0) }
    }

    fn with(value: u64) -> Self {
        let cache = Self::new();
        assert_eq!(cache.access(value), created(value, 0));
        cache
    }

    fn look_up(&self) -> Option<u64> {
        match self.store.load(Ordering::SeqCst) {
            0 => None,
            value => Some(value),
        }
    }

    fn lose(&self) {
        self.store.store(0, Ordering::SeqCst);
    }

    fn access(&self, value: u64) -> AccessResult {
        self.access_by(|_| self.look_up(), value)
    }

    /// Makes an access whose getter gets the number of its earlier calls, and whose creator makes `value`.
    fn access_by(&self, mut getter: impl FnMut(usize) -> Option<u64>, value: u64) -> AccessResult {
        let (mut getter_calls, mut has_created) = (0, false);
        let counted = || {
            getter_calls += 1;
            getter(getter_calls - 1)
        };
        let value = self.lock.fetch(counted).or_create(|| {
            has_created = true;
            self.store.store(value, Ordering::SeqCst);
            value
        });
        AccessResult { value, getter_calls, created: has_created }
    }

    fn elect(&self) -> dogpile::Creation<'_, Dogpile<Arc<ManualClock>>> {
        match self.lock.acquire() {
            Turn::Create(creation) => creation,
            turn => panic!("expected to be elected, got {turn:?}"),
        }
    }

    /// Runs an access on another thread until it waits. Then runs `meanwhile`, and returns the result of the access.
    fn while_it_waits(&self, access: impl FnOnce() -> AccessResult + Send, meanwhile: impl FnOnce()) -> AccessResult {
        thread::scope(|scope| {
            let before = self.lock.waiting();
            let access = scope.spawn(access);
            until(|| self.lock.waiting() == before + 1);
            meanwhile();
            access.join().unwrap()
        })
    }
}

#[test]
fn l8_hit() {
    let cache = Cache::with(1);
    assert_eq!(cache.access(9), got(1, 1));
}

#[test]
fn l8_stale_and_elected() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    assert_eq!(cache.access(2), created(2, 0));
    assert_eq!(cache.access(9), got(2, 1));
}

#[test]
fn l8_stale_and_not_elected() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    assert_eq!(cache.access(9), got(1, 1));
    drop(creation);
}

#[test]
fn l8_stale_not_elected_and_lost() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    cache.lose();
    let access = cache.while_it_waits(
        || cache.access(9),
        || {
            cache.store.store(2, Ordering::SeqCst);
            creation.finish();
        },
    );
    assert_eq!(access, got(2, 2));
}

#[test]
fn l8_missing_and_elected() {
    let cache = Cache::new();
    assert_eq!(cache.access(1), created(1, 0));
}

#[test]
fn l8_missing_and_waited() {
    let cache = Cache::new();
    let creation = cache.elect();
    let access = cache.while_it_waits(
        || cache.access(9),
        || {
            cache.store.store(1, Ordering::SeqCst);
            creation.finish();
        },
    );
    assert_eq!(access, got(1, 1));
}

#[test]
fn l8_missing_again_after_the_wait() {
    let cache = Cache::new();
    let creation = cache.elect();
    // The store loses the value at once. The access calls its getter once after the wait, and then creates.
    let access = cache.while_it_waits(
        || cache.access(2),
        || {
            creation.finish();
        },
    );
    assert_eq!(access, created(2, 1));
}

#[test]
fn l8_after_two_misses_an_access_waits_and_fetches_no_more() {
    let cache = Cache::with(1);
    let access = cache.access_by(
        |calls| {
            // Before each look, another access creates, and the store loses that value, too.
            cache.lock.mark_stale();
            cache.elect().finish();
            assert!(calls < 2);
            None
        },
        2,
    );
    assert_eq!(access, created(2, 2));
}

#[test]
fn l8_after_two_misses_an_access_waits_for_another_creation_and_creates() {
    let cache = Cache::with(1);
    let other = std::sync::Mutex::new(None);
    let access = cache.while_it_waits(
        || {
            cache.access_by(
                |calls| {
                    if calls == 0 {
                        cache.lock.mark_stale();
                        cache.elect().finish();
                    } else {
                        cache.lock.mark_stale();
                        *other.lock().unwrap() = Some(cache.elect());
                    }
                    None
                },
                3,
            )
        },
        || {
            other.lock().unwrap().take().unwrap().finish();
        },
    );
    assert_eq!(access, created(3, 2));
}

#[test]
fn l8_lost_before_it_expired() {
    let cache = Cache::with(1);
    cache.lose();
    assert_eq!(cache.access(2), created(2, 1));
    assert_eq!(cache.access(9), got(2, 1));
}

#[test]
fn l8_a_miss_with_a_creation_meanwhile_is_fetched_once_more() {
    let cache = Cache::with(1);
    let access = cache.access_by(
        |calls| {
            if calls == 0 {
                // Between this thread's look-up and its election, another thread finds the value gone, too, and
                // creates.
                cache.lose();
                thread::scope(|scope| {
                    assert_eq!(scope.spawn(|| cache.access(2)).join().unwrap(), created(2, 1));
                });
                return None;
            }
            cache.look_up()
        },
        9,
    );
    assert_eq!(access, got(2, 2));
}

#[test]
fn l8_accesses_that_miss_together_do_not_create_in_series() {
    for _ in 0..50 {
        let cache = Cache::with(1);
        cache.lose();
        let (missed, creations) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            let access = || {
                let access = cache.access_by(
                    |calls| {
                        if calls > 0 {
                            return cache.look_up();
                        }
                        // All threads have found nothing before the first of them creates.
                        missed.fetch_add(1, Ordering::SeqCst);
                        until(|| missed.load(Ordering::SeqCst) == 8);
                        None
                    },
                    2,
                );
                assert_eq!(access.value, 2);
                assert!(access.getter_calls <= 2);
                creations.fetch_add(usize::from(access.created), Ordering::SeqCst);
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(access)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
        });
        assert_eq!(creations.into_inner(), 1);
    }
}

#[test]
fn l8_a_waiter_that_is_elected_fetches_once_more() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    cache.lose();
    let second = thread::scope(|scope| {
        let first = scope.spawn(|| cache.access(9));
        until(|| cache.lock.waiting() == 1);
        let second = scope.spawn(|| cache.access(9));
        until(|| cache.lock.waiting() == 2);
        cache.store.store(5, Ordering::SeqCst); // by another process
        drop(creation);
        assert_eq!(first.join().unwrap(), got(5, 2));
        second.join().unwrap()
    });
    assert_eq!(second, got(5, 2), "the second waiter looks, too, and is not elected in turn");
    assert!(!cache.lock.is_creating());
    assert_eq!(cache.lock.freshness(), Freshness::Stale, "nothing was published");
}

#[test]
fn l5_a_store_that_is_down_fails_all_waiters_at_once() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    let down = AtomicUsize::new(0);
    let access = || {
        let mut calls = 0;
        let getter = || {
            calls += 1;
            if calls == 1 {
                return Ok(None);
            }
            // The waiter that is woken calls its getter first. Then the other three call theirs, and meet here.
            if down.fetch_add(1, Ordering::SeqCst) > 0 {
                until(|| down.load(Ordering::SeqCst) == 4);
            }
            Err::<Option<u64>, _>("down")
        };
        cache.lock.fetch(getter).or_try_create(|| -> Result<u64, &str> { panic!("nothing is known to be missing") })
    };
    thread::scope(|scope| {
        let accesses: Vec<_> = (0..4).map(|_| scope.spawn(access)).collect();
        until(|| cache.lock.waiting() == 4);
        drop(creation);
        for access in accesses {
            assert_eq!(access.join().unwrap(), Err(CreateError::GetterFailed("down")));
        }
    });
    assert!(!cache.lock.is_creating());
}

#[test]
fn l6_an_invalidated_value_is_not_fetched() {
    let cache = Cache::with(1);
    cache.lock.invalidate();
    assert_eq!(cache.access(2), created(2, 0), "the store still holds the old one");
    // Nor by an access that is elected after a wait.
    cache.lock.invalidate();
    let creation = cache.elect();
    assert_eq!(cache.while_it_waits(|| cache.access(3), || drop(creation)), created(3, 0));
}

#[test]
fn l6_a_waiter_that_is_elected_does_not_fetch_a_value_invalidated_meanwhile() {
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    let first = |calls| if calls == 0 { None } else { cache.look_up() };
    let access = cache.while_it_waits(
        || cache.access_by(first, 2),
        || {
            cache.lock.invalidate();
            drop(creation);
        },
    );
    assert_eq!(access, created(2, 1), "the store still holds the old one");
}

#[test]
fn l6_a_superseded_value_is_not_set_but_reaches_its_caller() {
    let cache = Cache::new();
    let value = cache.lock.fetch(|| None).and_set(unset).or_create(|| {
        cache.lock.invalidate();
        1
    });
    assert_eq!(value, 1);
    assert!(!cache.lock.has_value());
    let set = |value: &u64| cache.store.store(*value, Ordering::SeqCst);
    let value = cache.lock.fetch(|| cache.look_up()).and_set(set).or_create(|| 2);
    assert_eq!((value, cache.access(9)), (2, got(2, 1)));
    cache.clock.advance(MINUTE);
    assert_eq!(cache.lock.fetch(|| cache.look_up()).and_set(set).timeout(MINUTE).or_create(|| 3), Ok(3));
    assert_eq!(cache.access(9), got(3, 1));
}

#[test]
fn the_with_forms_hand_out_the_creation() {
    let cache = Cache::new();
    let value = cache.lock.fetch(|| cache.look_up()).or_create_with(|creation| {
        cache.lock.invalidate();
        assert_eq!(creation.publish(|| ()), Err(PublishError::Superseded));
        1
    });
    assert_eq!(value, 1);
    let value = cache.lock.fetch(|| cache.look_up()).timeout(MINUTE).or_create_with(|creation| {
        creation.publish(|| cache.store.store(2, Ordering::SeqCst)).unwrap();
        2
    });
    assert_eq!((value, cache.access(9)), (Ok(2), got(2, 1)));
}

#[test]
fn errors_of_getter_creator_and_setter_reach_the_caller_as_such() {
    #[derive(Debug, PartialEq)]
    struct Refused;
    let lock = Dogpile::new(MINUTE).born_fresh();
    let refuse = || Err::<Option<u64>, _>(Refused);
    let untouched = || -> Result<u64, &str> { panic!("a failing getter is not taken for a miss") };
    assert_eq!(lock.fetch(refuse).or_try_create(untouched), Err(CreateError::GetterFailed(Refused)));
    assert_eq!(lock.fetch(refuse).timeout(MINUTE).or_try_create(untouched), Err(CreateError::GetterFailed(Refused)));
    assert!(!lock.is_creating());

    let miss = || Ok::<_, Refused>(None::<u64>);
    assert_eq!(lock.fetch(miss).or_try_create(|| Err("down")), Err(CreateError::Failed("down")));
    assert_eq!(lock.fetch(miss).or_try_create_with(|_| Err("down")), Err(CreateError::Failed("down")));
    let set = lock.fetch(miss).and_set(|_| Err("full")).or_try_create(|| Ok(1));
    assert_eq!(set, Err(CreateError::Failed("full")));
    assert!(!lock.is_creating());
    let set = lock.fetch(miss).and_set(|_| Ok(())).timeout(MINUTE).or_try_create(|| Ok::<_, &str>(1));
    assert_eq!(set, Ok(1));
    let set = lock.fetch(|| Ok::<_, Refused>(Some(3))).timeout(MINUTE).or_try_create_with(|_| Ok::<_, &str>(1));
    assert_eq!(set, Ok(3));
    assert_eq!(CreateError::<Refused, Refused>::GetterFailed(Refused).to_string(), "the getter failed");
}

#[test]
fn l5_a_getter_that_panics_or_fails_after_its_election_frees_the_lock() {
    for panics in [false, true] {
        let cache = Cache::with(1);
        cache.clock.advance(MINUTE);
        let creation = cache.elect();
        cache.lose();
        let calls = AtomicUsize::new(0);
        let getter = || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(None),
            _ if panics => panic!("a getter panics on purpose"),
            _ => Err::<Option<u64>, _>("down"),
        };
        thread::scope(|scope| {
            let access = scope.spawn(|| {
                catch_unwind(AssertUnwindSafe(|| cache.lock.fetch(getter).or_try_create(|| Ok::<u64, &str>(9))))
            });
            until(|| cache.lock.waiting() == 1);
            drop(creation);
            match access.join().unwrap() {
                Ok(failed) => assert_eq!(failed, Err(CreateError::GetterFailed("down"))),
                Err(_) => assert!(panics),
            }
        });
        assert!(!cache.lock.is_creating());
        assert_eq!(cache.access(2).value, 2);
    }
}

#[test]
fn l7_l10_waits_of_getters_are_bounded_and_not_for_their_own_creation() {
    let cache = Cache::new();
    let creation = cache.elect();
    let timed_out = cache.lock.fetch(|| cache.look_up()).timeout(Duration::ZERO).or_create(|| 9);
    assert_eq!(timed_out, Err(AcquireError::TimedOut));
    creation.run(|_| {
        let own = cache.lock.fetch(|| cache.look_up()).timeout(Duration::MAX).or_create(|| 9);
        assert!(matches!(own, Err(AcquireError::WouldDeadlock(_))));
        let panicked = catch_unwind(AssertUnwindSafe(|| cache.lock.fetch(|| cache.look_up()).or_create(|| 9)));
        assert!(panicked.is_err());
    });
    // A getter that is called again after its election asks its own lock. It would wait for its own creation as well.
    let cache = Cache::with(1);
    cache.clock.advance(MINUTE);
    let creation = cache.elect();
    cache.lose();
    let access = cache.while_it_waits(
        || {
            cache.access_by(
                |calls| {
                    if calls == 1 {
                        cache.lock.invalidate();
                        let own = cache.lock.access().timeout(MINUTE).turn();
                        assert!(matches!(own, Err(AcquireError::WouldDeadlock(_))));
                    }
                    None
                },
                2,
            )
        },
        || drop(creation),
    );
    assert_eq!(access, created(2, 2));
}

#[test]
fn born_fresh_lets_the_getter_decide() {
    let clock = Arc::new(ManualClock::new());
    let cache =
        Cache { lock: Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh(), clock, store: AtomicU64::new(7) };
    assert_eq!(cache.access(9), got(7, 1));
    cache.clock.advance(MINUTE);
    assert_eq!(cache.access(8), created(8, 0));
    let empty = Cache {
        lock: Dogpile::with_clock(MINUTE, Arc::clone(&cache.clock)).born_fresh(),
        clock: Arc::clone(&cache.clock),
        store: AtomicU64::new(0),
    };
    assert_eq!(empty.access(1), created(1, 1));
}
