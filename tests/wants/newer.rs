//! `renew_if`: the caller was refused with the value of some generation, and asks for a newer one.

use crate::common::until;
use crate::executor::{Woken, block_on, drive, poll};
use dogpile::{
    AcquireError, Backoff, Cached, CachedFn, CachedGuard, Clock, CreateError, Creation, Dogpile, Freshness, Generation,
    Job, Made, ManualClock, OnError, Outcome, Policy, ReadTurn, Renewal, Stamped, SyncReaderDogpile, Task, Turn,
    cached_async,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, SECOND).jitter(0.0)).build_const();

type Value = Cached<u64, Arc<ManualClock>>;

/// Returns a lock with the value 1, under a policy.
fn one(policy: &'static Policy) -> (Arc<ManualClock>, Value) {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
    cached.set(1);
    (clock, cached)
}

const PLAIN: &Policy = &Policy::builder().build_const();

fn told<T: Copy>(guard: &CachedGuard<T>) -> (T, Outcome) {
    (**guard, CachedGuard::outcome(guard))
}

fn seen(cached: &Value) -> Generation {
    CachedGuard::generation(&cached.get_fresh().unwrap())
}

/// All callers are refused before any of them renews.
#[test]
fn k1_of_64_threads_one_renews_and_the_others_wait() {
    const REFUSED: usize = 64;
    let (_, cached) = one(PLAIN);
    let (creations, refused) = (AtomicU64::new(0), Barrier::new(REFUSED));
    thread::scope(|threads| {
        let each = || {
            let seen = seen(&cached);
            refused.wait();
            let newer = cached.access().renew_if(seen).or_create_with(|renewal| {
                creations.fetch_add(1, Ordering::SeqCst);
                assert_eq!(renewal.old(), Some(&1));
                until(|| cached.waiting() == REFUSED - 1);
                // No other access waits.
                assert_eq!(told(&cached.get_or_create(|| unreachable!())), (1, Outcome::Fresh));
                assert_eq!(cached.freshness(), Freshness::Fresh);
                Made::new(2)
            });
            assert!(CachedGuard::generation(&newer) > seen);
            told(&newer)
        };
        let threads: Vec<_> = (0..REFUSED).map(|_| threads.spawn(each)).collect();
        let got: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(got.iter().all(|(value, _)| *value == 2), "{got:?}");
        assert_eq!(got.iter().filter(|(_, outcome)| *outcome == Outcome::Created).count(), 1);
        assert_eq!(got.iter().filter(|(_, outcome)| *outcome == Outcome::Waited).count(), REFUSED - 1);
    });
    assert_eq!(creations.into_inner(), 1);
}

#[test]
fn k1_of_64_tasks_one_renews_and_the_others_wait() {
    let (_, cached) = one(PLAIN);
    let (seen, woken) = (seen(&cached), Arc::<Woken>::default());
    let (creations, gate) = (AtomicU64::new(0), Mutex::new(()));
    let held = gate.lock().unwrap();
    let renew = async |renewal: &Renewal<'_, u64, Arc<ManualClock>>| {
        creations.fetch_add(1, Ordering::SeqCst);
        assert_eq!(renewal.old(), Some(&1));
        std::future::poll_fn(|_| if gate.try_lock().is_ok() { Poll::Ready(()) } else { Poll::Pending }).await;
        Made::new(2)
    };
    let mut tasks: Vec<_> =
        (0..64).map(|_| Box::pin(cached.access_async().renew_if(seen).or_create_with(&renew))).collect();
    assert!(tasks.iter_mut().all(|task| poll(task, &woken).is_pending()));
    assert_eq!(cached.waiting(), 63);
    assert_eq!(told(&block_on(cached.get_or_create_async(async || unreachable!()))), (1, Outcome::Fresh));
    drop(held);
    for (nth, task) in tasks.iter_mut().enumerate() {
        let Poll::Ready(newer) = poll(task, &woken) else { panic!("it waits") };
        assert_eq!(told(&newer), (2, if nth == 0 { Outcome::Created } else { Outcome::Waited }));
    }
    assert_eq!(creations.load(Ordering::SeqCst), 1);
}

/// 20 tokens with key ids that are in no key set, and 20 good ones.
#[test]
fn k1_refusals_cause_one_renewal_in_an_interval() {
    let (clock, cached) = one(&BOUNDED);
    let fetches = AtomicU64::new(1);
    let fetch = || fetches.fetch_add(1, Ordering::SeqCst) + 1;
    for nth in 0..20 {
        let keys = cached.get_or_create(fetch);
        let newer = cached.access().renew_if(CachedGuard::generation(&keys)).or_create(fetch);
        let expected = if nth == 0 { (2, Outcome::Created) } else { (2, Outcome::TooSoon) };
        assert_eq!(told(&newer), expected, "{nth}");
        assert_eq!(told(&cached.get_or_create(fetch)), (2, Outcome::Fresh));
    }
    let refused = |fetch: &dyn Fn() -> u64| told(&cached.access().renew_if(seen(&cached)).or_create(fetch));
    clock.advance(Duration::from_nanos(9_999_999_999));
    assert_eq!(refused(&fetch), (2, Outcome::TooSoon));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(refused(&fetch), (3, Outcome::Created));
    let task = cached.access_async().renew_if(seen(&cached)).or_create(async || unreachable!());
    assert_eq!(told(&block_on(task)), (3, Outcome::TooSoon));
    assert_eq!(fetches.into_inner(), 3);
}

/// The provider is down. A bad token takes the good keys from no other caller, and the attempt counts.
#[test]
fn k1_a_renewal_that_fails_leaves_the_old_value_and_counts() {
    let (clock, cached) = one(&BOUNDED);
    let renew = |fails: bool| {
        let made = || if fails { Err("down") } else { Ok(2) };
        cached.access().renew_if(seen(&cached)).or_try_create(made).map(|guard| told(&guard))
    };
    assert_eq!(renew(true), Err(CreateError::Failed("down")));
    assert_eq!(told(&cached.get_or_create(|| unreachable!())), (1, Outcome::Fresh));
    assert_eq!(renew(false), Ok((1, Outcome::TooSoon)));
    clock.advance(SECOND * 10);
    let task = cached.access_async().renew_if(seen(&cached)).or_try_create(async || Err("down"));
    assert_eq!(block_on(task).map(|guard| told(&guard)), Err(CreateError::Failed("down")));
    assert_eq!(renew(false), Ok((1, Outcome::TooSoon)));
    clock.advance(SECOND * 10);
    assert_eq!(renew(false), Ok((2, Outcome::Created)));
}

/// A waiter of a renewal that failed must not begin the next one at once.
#[test]
fn k1_a_waiter_of_a_renewal_that_failed_comes_too_soon() {
    let (_, cached) = one(&BOUNDED);
    let seen = seen(&cached);
    thread::scope(|threads| {
        let first = threads.spawn(|| {
            cached.access().renew_if(seen).or_try_create(|| {
                until(|| cached.waiting() == 2);
                Err("down")
            })
        });
        until(|| cached.is_creating());
        let wait = || cached.access().renew_if(seen).or_create(|| unreachable!());
        let others = [threads.spawn(wait), threads.spawn(wait)];
        assert_eq!(first.join().unwrap().unwrap_err(), CreateError::Failed("down"));
        assert_eq!(others.map(|other| told(&other.join().unwrap())), [(1, Outcome::TooSoon); 2]);
    });
    assert!(!cached.is_creating());
}

/// L5: without an interval such a waiter is elected, as any waiter is.
#[test]
fn k1_l5_a_waiter_of_a_renewal_that_failed_is_elected() {
    let (_, cached) = one(PLAIN);
    let seen = seen(&cached);
    thread::scope(|threads| {
        let first = threads.spawn(|| {
            cached.access().renew_if(seen).or_try_create(|| {
                until(|| cached.waiting() == 1);
                Err("down")
            })
        });
        until(|| cached.is_creating());
        assert_eq!(told(&cached.access().renew_if(seen).or_create(|| 2)), (2, Outcome::Created));
        first.join().unwrap().unwrap_err();
    });
}

/// In a pause no access asks the source, and the old value is all there is.
#[test]
fn k1_a_renewal_in_a_pause_comes_too_soon() {
    let (clock, cached) = one(&PAUSING);
    let renew = || cached.access().renew_if(seen(&cached));
    assert_eq!(renew().or_try_create(|| Err::<u64, _>("down")).unwrap_err(), CreateError::Failed("down"));
    assert_eq!(renew().or_try_create(|| Ok::<_, &str>(2)).map(|guard| told(&guard)), Ok((1, Outcome::TooSoon)));
    assert_eq!(told(&renew().or_create(|| unreachable!())), (1, Outcome::TooSoon));
    let task = cached.access_async().renew_if(seen(&cached)).or_create(async || unreachable!());
    assert_eq!(told(&block_on(task)), (1, Outcome::TooSoon));
    clock.advance(SECOND);
    assert_eq!(told(&renew().or_create(|| 2)), (2, Outcome::Created));
}

#[test]
fn k1_the_old_value_covers_a_failed_renewal() {
    static COVERED: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
    let (_, cached) = one(&COVERED);
    let covered = cached.access().renew_if(seen(&cached)).or_try_create(|| Err("down"));
    assert_eq!(covered.map(|guard| told(&guard)), Ok((1, Outcome::StaleOnError)));
}

#[test]
fn k1_a_newer_value_is_served_and_a_missing_one_is_created() {
    let (clock, cached) = one(&BOUNDED);
    let first = seen(&cached);
    cached.set(2);
    assert_eq!(told(&cached.access().renew_if(first).or_create(|| unreachable!())), (2, Outcome::Fresh));
    assert_eq!(told(&block_on(cached.access_async().renew_if(first).or_create(async || 9))), (2, Outcome::Fresh));
    // Newer than the refused one, but stale: treated as any stale value.
    clock.advance(MINUTE);
    assert_eq!(told(&cached.access().renew_if(first).or_create(|| 3)), (3, Outcome::Created));
    let third = seen(&cached);
    cached.invalidate();
    assert_eq!(told(&cached.access().renew_if(third).or_create(|| 4)), (4, Outcome::Created));
    // No refusal caused any of these renewals.
    assert_eq!(told(&cached.access().renew_if(seen(&cached)).or_create(|| 5)), (5, Outcome::Created));
    // Stale and refused.
    clock.advance(MINUTE);
    let old = CachedGuard::generation(&cached.peek().unwrap());
    assert_eq!(told(&cached.access().renew_if(old).or_create(|| 6)), (6, Outcome::Created));
}

#[test]
fn k1_a_renewal_under_way_is_waited_for() {
    let (_, cached) = one(&BOUNDED);
    cached.mark_stale();
    let old = CachedGuard::generation(&cached.peek().unwrap());
    thread::scope(|threads| {
        let renewing = threads.spawn(|| {
            told(&cached.get_or_create(|| {
                until(|| cached.waiting() == 2);
                2
            }))
        });
        until(|| cached.is_creating());
        let other =
            threads.spawn(|| told(&block_on(cached.access_async().renew_if(old).or_create(async || unreachable!()))));
        assert_eq!(told(&cached.access().renew_if(old).or_create(|| unreachable!())), (2, Outcome::Waited));
        assert_eq!(other.join().unwrap(), (2, Outcome::Waited));
        assert_eq!(renewing.join().unwrap(), (2, Outcome::Created));
    });
}

/// L10: a time-out bounds the wait.
#[test]
fn k1_l10_the_wait_for_a_renewal_can_be_bounded() {
    let (_, cached) = one(PLAIN);
    let seen = seen(&cached);
    let newer = cached.access().renew_if(seen).or_create_with(|_| {
        thread::scope(|threads| {
            let waits = || {
                let in_vain = cached.access().renew_if(seen).timeout(Duration::ZERO);
                assert_eq!(in_vain.or_create(|| unreachable!()).unwrap_err(), AcquireError::TimedOut);
                let in_vain = cached.access().timeout(Duration::ZERO).renew_if(seen);
                assert_eq!(in_vain.or_create(|| unreachable!()).unwrap_err(), AcquireError::TimedOut);
            };
            threads.spawn(waits).join().unwrap();
        });
        Made::new(2)
    });
    assert_eq!(*newer, 2);
}

/// L7: the creator's own access gets an error.
#[test]
fn k1_l7_a_creator_does_not_wait_for_its_own_renewal() {
    let (_, cached) = one(PLAIN);
    let seen = seen(&cached);
    let newer = cached.access().renew_if(seen).or_create_with(|_| {
        let own = cached.access().renew_if(seen).or_try_create(|| Ok::<_, &str>(3));
        assert!(matches!(own, Err(CreateError::WouldDeadlock(_))), "{own:?}");
        Made::new(2)
    });
    assert_eq!(*newer, 2);
    let task = cached.access_async().renew_if(self::seen(&cached)).or_create_with(async |_| {
        let again = self::seen(&cached);
        let own = cached.access_async().renew_if(again).or_try_create(async || Ok::<_, &str>(4)).await;
        assert!(matches!(own, Err(CreateError::WouldDeadlock(_))), "{own:?}");
        Made::new(3)
    });
    assert_eq!(*block_on(task), 3);
}

// --- the other types

#[test]
fn k1_a_function_is_renewed() {
    let calls = AtomicU64::new(0);
    let clock = Arc::new(ManualClock::new());
    let function =
        CachedFn::with_clock(MINUTE, Arc::clone(&clock), || calls.fetch_add(1, Ordering::SeqCst)).with_policy(&BOUNDED);
    let first = CachedGuard::generation(&function.get());
    assert_eq!(told(&function.access().renew_if(first).get()), (1, Outcome::Created));
    let second = CachedGuard::generation(&function.get());
    assert_eq!(told(&function.access().renew_if(first).get()), (1, Outcome::Fresh));
    assert_eq!(function.access().renew_if(second).try_get().map(|guard| told(&guard)), Ok((1, Outcome::TooSoon)));

    let calls = AtomicU64::new(0);
    let function = cached_async(MINUTE, async || calls.fetch_add(1, Ordering::SeqCst)).with_policy(&BOUNDED);
    let first = CachedGuard::generation(&block_on(function.access_async().get()));
    assert_eq!(told(&block_on(function.access_async().renew_if(first).get())), (1, Outcome::Created));
    let second = CachedGuard::generation(&function.peek().unwrap());
    let soon = block_on(function.access_async().renew_if(second).try_get());
    assert_eq!(soon.map(|guard| told(&guard)), Ok((1, Outcome::TooSoon)));
}

fn lock(policy: &'static Policy) -> (Arc<ManualClock>, Dogpile<Arc<ManualClock>>) {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    (clock, lock)
}

#[test]
fn k1_renewals_in_lock_mode() {
    let (clock, lock) = lock(&BOUNDED);
    let first = lock.generation();
    assert_eq!(lock.access().renew_if(first).or_create(|| ()), Outcome::Created);
    assert_eq!(lock.access().renew_if(first).or_create(|| unreachable!()), Outcome::Fresh);
    let second = lock.generation();
    assert_eq!(lock.access().renew_if(second).or_create(|| unreachable!()), Outcome::TooSoon);
    assert!(matches!(lock.access().renew_if(second).turn(), Turn::Fresh));
    assert_eq!(block_on(lock.access_async().renew_if(second).or_create(async || unreachable!())), Outcome::TooSoon);
    clock.advance(SECOND * 10);
    let Turn::Create(creation) = lock.access().renew_if(second).turn() else { panic!("it is not elected") };
    assert_eq!(lock.acquire_or_create(|| unreachable!()), Outcome::Fresh);
    creation.finish();
    assert!(matches!(block_on(lock.access_async().renew_if(second).turn()), Turn::Fresh));
}

#[test]
fn k1_renewals_in_getter_mode() {
    let (_, lock) = lock(&BOUNDED);
    let stored = AtomicU64::new(1);
    let get = || Some(stored.load(Ordering::SeqCst));
    let renew = |seen, made: u64| {
        lock.fetch(get).and_set(|made| stored.store(*made, Ordering::SeqCst)).renew_if(seen).or_create(|| made)
    };
    let first = lock.generation();
    assert_eq!(renew(first, 2), 2, "it was elected without asking the getter");
    assert_eq!(renew(first, 3), 2, "it is newer");
    assert_eq!(renew(lock.generation(), 3), 2, "too soon");
    // The getter finds nothing, so there is no value, however often it was refused.
    assert_eq!(lock.fetch(|| None).renew_if(lock.generation()).or_create(|| 4), 4);
    let task = lock.access_async().fetch(async || get()).renew_if(lock.generation()).or_create(async || 5);
    assert_eq!(block_on(task), 2, "too soon");
    assert_eq!(stored.into_inner(), 2);
}

#[test]
fn k1_renewals_in_stamped_getter_mode() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&BOUNDED);
    let stored = Mutex::new(Some(Stamped { value: 1, created: clock.wall() })); // stored by another process
    let get = || *stored.lock().unwrap();
    let set = |made: &Stamped<u64>| *stored.lock().unwrap() = Some(*made);
    let first = lock.generation();
    let renew = |seen, made| lock.fetch_stamped(get).and_set(set).renew_if(seen).or_create(|| made).value;
    assert_eq!(lock.fetch_stamped(get).or_create(|| unreachable!()).value, 1);
    assert_eq!(renew(first, 2), 2);
    assert_eq!(renew(first, 3), 2);
    assert_eq!(renew(lock.generation(), 3), 2, "too soon");
    clock.advance(SECOND * 10);
    let task = lock.access_async().fetch_stamped(async || get()).renew_if(lock.generation()).or_create(async || 4);
    assert_eq!(block_on(task).value, 4);
}

#[test]
fn k1_renewals_under_readers() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&BOUNDED));
    drop(lock.acquire_or_create(|| ()));
    let seen = lock.generation();
    {
        let _reading = lock.acquire();
        // L9: a thread that reads is not elected.
        assert_eq!(*lock.access().renew_if(seen).or_create(|| unreachable!()), Outcome::Fresh);
        assert_eq!(*lock.fetch(|| Some(1)).renew_if(seen).or_create(|| unreachable!()), 1);
    }
    let renewed = lock.access().renew_if(seen).or_create_with(|creation| drop(creation.write_lock().unwrap()));
    assert_eq!(*renewed, Outcome::Created);
    drop(renewed);
    let seen = lock.generation();
    assert_eq!(*lock.access().renew_if(seen).or_create(|| unreachable!()), Outcome::TooSoon);
    assert!(matches!(lock.access().renew_if(seen).turn(), ReadTurn::Fresh(_)));
    clock.advance(SECOND * 10);
    let access = SyncReaderDogpile::kept_async(&lock).renew_if(seen);
    let task = access.or_create_with(async |creation| drop(creation.write_lock_async().await.unwrap()));
    assert_eq!(*block_on(task), Outcome::Created);
}

/// The access has no value to go on with, so it runs its creator itself.
#[test]
fn k1_a_renewal_in_the_background_is_created_by_the_caller() {
    let cached = Arc::new(one(&BOUNDED).1);
    let runner = |_: Job| unreachable!("nothing is handed over");
    let renewed = Cached::kept(&cached).renew_if(seen(&cached)).in_background(&runner).or_create(|| 2);
    assert_eq!(told(&renewed), (2, Outcome::Created));
    let soon = Cached::kept(&cached).renew_if(seen(&cached)).in_background(&runner).or_create(|| unreachable!());
    assert_eq!(told(&soon), (2, Outcome::TooSoon));

    let lock = Arc::new(lock(&BOUNDED).1);
    let renew = || Dogpile::kept(&lock).renew_if(lock.generation());
    assert_eq!(renew().in_background(&runner).or_create(|| ()), Outcome::Created);
    assert_eq!(renew().in_background(&runner).or_create(|| unreachable!()), Outcome::TooSoon);
    assert_eq!(renew().fetch(|| Some(1)).in_background(&runner).or_create(|| unreachable!()), 1);
}

type Tasks = Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>;

/// The access waits for the task that it has spawned.
#[test]
fn k1_a_spawned_renewal_waits_for_its_task() {
    let tasks = Tasks::default();
    let spawner = |task: Task| tasks.lock().unwrap().push(task);
    let woken = Arc::<Woken>::default();
    let run_task = || {
        let mut task = tasks.lock().unwrap().pop().expect("it has spawned one");
        assert!(poll(&mut task, &woken).is_ready());
    };

    let cached = Arc::new(one(&BOUNDED).1);
    let renew = |seen| Cached::kept_async(&cached).renew_if(seen).spawned_by(&spawner).or_create(async || 2);
    let first = seen(&cached);
    let mut renewed = Box::pin(renew(first));
    assert!(drive(&mut renewed, &woken).is_pending(), "the old value will not do");
    assert_eq!(told(&cached.get_or_create(|| unreachable!())), (1, Outcome::Fresh));
    run_task();
    let Poll::Ready(guard) = poll(&mut renewed, &woken) else { panic!("it is there") };
    assert_eq!(told(&guard.unwrap()), (2, Outcome::Created));
    assert_eq!(told(&block_on(renew(first)).unwrap()), (2, Outcome::Fresh));
    assert_eq!(told(&block_on(renew(seen(&cached))).unwrap()), (2, Outcome::TooSoon));

    let lock = Arc::new(lock(&BOUNDED).1);
    let seen = lock.generation();
    let access = || Dogpile::kept_async(&lock).renew_if(seen);
    let mut renewed = Box::pin(access().spawned_by(&spawner).or_create(async || ()));
    assert!(drive(&mut renewed, &woken).is_pending(), "the old value will not do");
    run_task();
    assert_eq!(poll(&mut renewed, &woken), Poll::Ready(Ok(Outcome::Created)));

    let seen = lock.generation();
    let access = || Dogpile::kept_async(&lock).renew_if(seen);
    let fetched = access().fetch(async || Some(1)).spawned_by(&spawner).or_create(async || 2);
    assert_eq!(block_on(fetched), Ok(1), "too soon");
    let mut again = Box::pin({
        let lock = Arc::clone(&lock);
        let spawner = &spawner;
        async move {
            let access = Dogpile::kept_async(&lock).fetch(async || Some(1));
            access.renew_if(Generation::clone(&seen)).spawned_by(spawner).or_create(async || 2).await
        }
    });
    assert_eq!(poll(&mut again, &woken), Poll::Ready(Ok(1)));
}

/// A refusal supersedes nothing: the creation that runs is still wanted.
#[test]
fn k1_a_renewal_supersedes_nothing() {
    let (_, lock) = lock(PLAIN);
    lock.mark_stale();
    let Turn::Create(creation) = lock.acquire() else { panic!("it is not elected") };
    let in_vain = lock.access().renew_if(lock.generation()).timeout(Duration::ZERO).turn();
    assert_eq!(in_vain.unwrap_err(), AcquireError::TimedOut);
    let wanted = |creation: &Creation<'_, Dogpile<Arc<ManualClock>>>| !creation.is_superseded();
    assert!(creation.run(wanted));
}

static DYING: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).creation_timeout(SECOND).build_const();
static NOT_STALE: Policy =
    Policy::builder().renew_interval(Duration::from_secs(3600)).max_stale(Duration::ZERO).build_const();

/// Returns the result of a second renewal, which waits for a first one. That fails once the value is gone.
fn beside_a_failure<R: Send>(lock: &Dogpile, seen: Generation, other: impl FnOnce() -> R + Send) -> R {
    thread::scope(|threads| {
        let fails = threads.spawn(|| {
            lock.access().renew_if(seen).or_try_create(|| {
                until(|| lock.waiting() == 1);
                lock.invalidate();
                Err("down")
            })
        });
        until(|| lock.is_creating());
        let got = other();
        fails.join().unwrap().unwrap_err();
        got
    })
}

/// L6: a value that is invalidated during the wait is no old value to go on with.
#[test]
fn k1_l6_a_value_invalidated_during_the_wait_is_not_served() {
    for policy in [&BOUNDED, &PAUSING] {
        let lock = Dogpile::never_expires().with_policy(policy);
        lock.acquire_or_create(|| ());
        let seen = lock.generation();
        let other = || lock.access().renew_if(seen).or_try_create(|| Ok::<_, &str>(()));
        let got = beside_a_failure(&lock, seen, other);
        if policy.retry_after().is_some() {
            assert!(matches!(got, Err(CreateError::Paused { .. })), "{got:?}");
        } else {
            assert_eq!(got, Ok(Outcome::Created));
        }
    }
    let lock = Dogpile::never_expires().with_policy(&BOUNDED);
    lock.acquire_or_create(|| ());
    let seen = lock.generation();
    assert_eq!(beside_a_failure(&lock, seen, || lock.fetch(|| Some(1)).renew_if(seen).or_create(|| 2)), 2);
}

/// The same for a value that becomes too old during the wait.
#[test]
fn k1_c21_a_value_that_gets_too_old_during_the_wait_is_not_served() {
    static PAUSING: Policy =
        Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).max_stale(Duration::ZERO).build_const();
    for policy in [&NOT_STALE, &PAUSING] {
        let (clock, cached) = one(policy);
        let seen = seen(&cached);
        thread::scope(|threads| {
            let fails = threads.spawn(|| {
                let got = cached.access().renew_if(seen).or_try_create(|| {
                    until(|| cached.waiting() == 1);
                    clock.advance(MINUTE * 2);
                    Err("down")
                });
                got.unwrap_err();
            });
            until(|| cached.is_creating());
            let got = cached.access().renew_if(seen).or_try_create(|| Ok::<_, &str>(2));
            match got {
                Err(CreateError::Paused { .. }) => assert!(policy.retry_after().is_some()),
                got => assert_eq!(told(&got.unwrap()), (2, Outcome::Created)),
            }
            fails.join().unwrap();
        });
    }
}

/// The value comes with a stamp that the lock does not know.
#[test]
fn k1_c21_a_stamp_that_is_too_old_is_not_served() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&NOT_STALE);
    let stored = Mutex::new(None);
    let get = || *stored.lock().unwrap();
    let set = |made: &Stamped<u64>| *stored.lock().unwrap() = Some(*made);
    let renew = |value| lock.fetch_stamped(get).and_set(set).renew_if(lock.generation()).or_create(|| value).value;
    assert_eq!(renew(1), 1);
    assert_eq!(renew(2), 1, "too soon");
    clock.advance(MINUTE * 2);
    assert_eq!(renew(3), 3);
}

#[test]
fn k1_l6_a_resource_cleared_before_the_reader_enters_is_not_served() {
    let lock = Arc::new(SyncReaderDogpile::never_expires().with_policy(&BOUNDED));
    drop(lock.acquire_or_create(|| ()));
    drop(lock.access().renew_if(lock.generation()).or_create(|| ()));
    let seen = lock.generation();
    let resource = Mutex::new(Some(1));
    let renew = async || {
        let make = async || *resource.lock().unwrap() = Some(2);
        let got = SyncReaderDogpile::kept_async(&lock).renew_if(seen).or_create(make).await;
        (*got, *resource.lock().unwrap())
    };
    let mut too_soon = Box::pin(renew());
    let woken = Arc::<Woken>::default();
    let (writes, alone) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|threads| {
        let clears = threads.spawn(|| {
            let _alone = lock.acquire_write_lock();
            writes.wait();
            alone.wait();
            lock.invalidate();
            *resource.lock().unwrap() = None;
        });
        writes.wait();
        assert!(drive(&mut too_soon, &woken).is_pending(), "it waits for the writer");
        alone.wait();
        clears.join().unwrap();
    });
    assert_eq!(drive(&mut too_soon, &woken), Poll::Ready((Outcome::Created, Some(2))));
}

/// C11: an access that comes too soon to renew does not declare the creation dead, since it would not take its place.
#[test]
fn k1_c11_an_access_that_comes_too_soon_leaves_an_overdue_renewal_alone() {
    for waits in [false, true] {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&DYING);
        lock.acquire_or_create(|| ());
        let seen = lock.generation();
        let Turn::Create(slow) = lock.access().renew_if(seen).turn() else { panic!("nobody else creates") };
        thread::scope(|threads| {
            let renew = || lock.access().renew_if(seen).or_create(|| ());
            if waits {
                let renews = threads.spawn(renew);
                until(|| lock.waiting() == 1);
                clock.advance(SECOND * 2);
                assert_eq!(renews.join().unwrap(), Outcome::TooSoon);
            } else {
                clock.advance(SECOND * 2);
                assert_eq!(renew(), Outcome::TooSoon);
            }
        });
        assert!(!slow.is_dead());
        clock.advance(SECOND * 10);
        thread::scope(|threads| {
            assert_eq!(
                threads.spawn(|| lock.access().renew_if(seen).or_create(|| ())).join().unwrap(),
                Outcome::Created
            );
        });
        assert!(slow.is_dead());
    }
}

/// A policy that is set later leaves the generation as it is.
#[test]
fn k1_a_policy_set_later_leaves_the_generation_as_it_is() {
    let cached = Cached::never_expires();
    cached.set(1);
    let refused = CachedGuard::generation(&cached.get_fresh().unwrap());
    let cached = cached.with_policy(&BOUNDED);
    assert_eq!(cached.generation(), refused);
    assert_eq!(told(&cached.access().renew_if(refused).or_create(|| 2)), (2, Outcome::Created));
}
