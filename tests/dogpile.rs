//! What `Dogpile` and its creations do beyond the contract (`tests/contract`).

mod common;
mod failure;

use common::until;
use dogpile::{
    AcquireError, Clock, CreateError, Creation, Dogpile, Finished, Freshness, Generation, ManualClock, MonotonicClock,
    Outcome, PublishError, Stamped, StillStoring, Turn, WouldBlock,
};
use failure::Failure;
use std::error::Error;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const ALMOST_A_MINUTE: Duration = Duration::from_nanos(59_999_999_999);

type Lock = Dogpile<Arc<ManualClock>>;

fn manual(expires_after: Duration) -> (Arc<Lock>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(expires_after, Arc::clone(&clock))), clock)
}

fn elected<C: Clock>(turn: Turn<'_, C>) -> Creation<'_, Dogpile<C>> {
    match turn {
        Turn::Create(creation) => creation,
        turn => panic!("expected to be elected, got {turn:?}"),
    }
}

#[test]
fn every_form_tells_the_outcome() {
    let (lock, clock) = manual(MINUTE);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    assert_eq!(lock.acquire_or_create(|| panic!("fresh")), Outcome::Fresh);
    clock.advance(MINUTE);
    assert_eq!(lock.access().or_create_with(|creation| assert!(!creation.is_superseded())), Outcome::Created);
    lock.mark_stale();
    assert_eq!(lock.access().timeout(MINUTE).or_create(|| ()), Ok(Outcome::Created));
    lock.mark_stale();
    assert_eq!(lock.access().timeout(MINUTE).or_create_with(|_| ()), Ok(Outcome::Created));
    lock.mark_stale();
    assert_eq!(lock.acquire_or_try_create(|| Err(Failure)), Err(CreateError::Failed(Failure)));
    assert_eq!(lock.access().or_try_create_with(|_| Err(Failure)), Err(CreateError::Failed(Failure)));
    assert_eq!(lock.access().timeout(MINUTE).or_try_create(|| Err(Failure)), Err(CreateError::Failed(Failure)));
    let last = lock.access().timeout(MINUTE).or_try_create_with(|creation| {
        creation.publish(|| ()).map_err(|_| Failure)?;
        Ok::<(), Failure>(())
    });
    assert_eq!(last, Ok(Outcome::Created));
    assert!(matches!(lock.acquire(), Turn::Fresh));
}

#[test]
fn l10_every_bounded_form_gives_up() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    assert_eq!(lock.try_acquire().unwrap_err(), AcquireError::TimedOut);
    assert_eq!(lock.access().timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
    assert_eq!(Dogpile::kept(&lock).timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
    assert_eq!(lock.access().timeout(Duration::ZERO).or_create(|| ()), Err(AcquireError::TimedOut));
    assert_eq!(lock.access().timeout(Duration::ZERO).or_create_with(|_| ()), Err(AcquireError::TimedOut));
    let failing = |_: &Creation<'_, _>| Err(Failure);
    assert_eq!(lock.access().timeout(Duration::ZERO).or_try_create(|| Err(Failure)), Err(CreateError::TimedOut));
    assert_eq!(lock.access().timeout(Duration::ZERO).or_try_create_with(failing), Err(CreateError::TimedOut));
    assert_eq!(creation.finish(), Finished::Published);
}

#[test]
fn l7_infallible_forms_panic_and_name_the_mistake() {
    fn message(access: impl FnOnce() + UnwindSafe) -> String {
        let panic = catch_unwind(access).expect_err("it would have waited for itself");
        panic.downcast_ref::<String>().expect("a formatted message").clone()
    }
    let (lock, _) = manual(MINUTE);
    let inner = Arc::clone(&lock);
    lock.acquire_or_create(move || {
        for message in [
            message(|| drop(inner.acquire())),
            message(|| drop(Dogpile::kept(&inner).turn())),
            message(|| assert_eq!(inner.acquire_or_create(|| ()), Outcome::Waited)),
            message(|| assert_eq!(inner.access().or_create_with(|_| ()), Outcome::Waited)),
        ] {
            assert!(message.contains("asked for the value that it is creating itself"), "{message}");
            assert!(message.contains("waited for itself"), "{message}");
        }
        // Forms that have an error return it.
        assert!(matches!(inner.try_acquire(), Err(AcquireError::WouldDeadlock(_))));
    });
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
}

#[test]
fn l7_a_creator_that_panics_leaves_no_trace_of_its_run() {
    let (lock, _) = manual(MINUTE);
    let panicked = catch_unwind(|| lock.acquire_or_create(|| panic!("a creator panics on purpose")));
    assert!(panicked.is_err());
    // This thread waits again for another creation, and does not take it for its own.
    let creation = elected(lock.acquire());
    assert_eq!(lock.access().timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
    drop(creation);
}

#[test]
fn l7_nested_creators_of_one_thread_are_all_known() {
    let (outer, _) = manual(MINUTE);
    let (inner, _) = manual(MINUTE);
    outer.acquire_or_create(|| {
        inner.acquire_or_create(|| {
            assert!(matches!(outer.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
            assert!(matches!(inner.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
        });
        assert!(matches!(inner.acquire(), Turn::Fresh));
        assert!(matches!(outer.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
    });
}

#[test]
fn c7_a_creation_dropped_unfinished_leaves_nothing_behind() {
    let (lock, _) = manual(MINUTE);
    drop(elected(lock.acquire()));
    drop(elected(Dogpile::kept(&lock).turn()));
    assert_eq!(Arc::strong_count(&lock), 1);
    assert!(!lock.is_creating());
    assert_eq!(lock.freshness(), Freshness::Missing);
    elected(lock.try_acquire().unwrap()).finish();
}

#[test]
fn c9_a_job_that_is_dropped_unrun_frees_the_lock() {
    let (lock, clock) = manual(MINUTE);
    lock.acquire_or_create(|| ());
    clock.advance(MINUTE);
    let creation = elected(Dogpile::kept(&lock).turn());
    let job: Box<dyn FnOnce() + Send + 'static> = Box::new(move || creation.run(|_| ()));
    assert!(matches!(lock.acquire(), Turn::Stale), "the permit exists before the job runs");
    drop(job);
    elected(lock.acquire()).finish();
}

#[test]
fn c9_an_owned_creation_outlives_its_caller_and_keeps_its_lock() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(Dogpile::kept(&lock).turn());
    let weak = Arc::downgrade(&lock);
    drop(lock);
    assert!(weak.upgrade().is_some());
    assert_eq!(thread::spawn(move || creation.run(|_| 7)).join().unwrap(), 7);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_lock_in_a_static_gives_creations_that_are_static() {
    static LOCK: Dogpile = Dogpile::new(MINUTE);
    static NEVER: Dogpile = Dogpile::never_expires();
    static BORN: Dogpile = Dogpile::new(MINUTE).born_fresh();
    let creation: Creation<'static> = elected(LOCK.acquire());
    thread::spawn(move || creation.run(|_| ())).join().unwrap();
    assert!(matches!(LOCK.acquire(), Turn::Fresh));
    NEVER.acquire_or_create(|| ());
    assert_eq!(NEVER.expires_after(), Duration::MAX);
    assert_eq!(NEVER.freshness(), Freshness::Fresh);
    assert_eq!(BORN.acquire_or_create(|| panic!("born fresh")), Outcome::Fresh);
}

#[test]
fn born_fresh_lives_from_its_first_access_on() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh();
    clock.advance(MINUTE * 5);
    assert_eq!((lock.freshness(), lock.age()), (Freshness::Fresh, Some(Duration::ZERO)));
    assert!(matches!(lock.acquire(), Turn::Fresh));
    clock.advance(ALMOST_A_MINUTE);
    assert!(matches!(lock.acquire(), Turn::Fresh));
    assert_eq!(lock.age(), Some(ALMOST_A_MINUTE));
    clock.advance(Duration::from_nanos(1));
    elected(lock.acquire()).finish();

    let zero = Dogpile::with_clock(Duration::ZERO, clock).born_fresh();
    assert!(zero.has_value() && zero.is_expired());
    elected(zero.acquire()).finish();
}

#[test]
fn l6_a_superseded_creation_does_not_publish_and_serves_no_waiter() {
    let (lock, _) = manual(MINUTE);
    let stored = AtomicUsize::new(0);
    let creation = elected(lock.acquire());
    assert_eq!(creation.publish(|| stored.fetch_add(1, Ordering::SeqCst)), Ok(0));
    let waiter = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || lock.acquire_or_create(|| ()))
    };
    until(|| lock.waiting() == 1);
    lock.invalidate();
    assert!(creation.is_superseded());
    assert_eq!(creation.publish(|| stored.fetch_add(1, Ordering::SeqCst)), Err(PublishError::Superseded));
    assert_eq!(stored.load(Ordering::SeqCst), 1);
    assert_eq!(creation.finish(), Finished::Superseded);
    // The waiter came before the invalidation, but there is no value for it to find, so it creates.
    assert_eq!(waiter.join().unwrap(), Outcome::Created);
}

#[test]
fn l6_an_invalidation_within_publish_does_not_wait_and_holds() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    let published = creation.publish(|| {
        lock.invalidate();
        assert_eq!(lock.freshness(), Freshness::Missing);
    });
    assert_eq!(published, Ok(()));
    assert_eq!(creation.finish(), Finished::Superseded);
    elected(lock.acquire()).finish();
}

#[test]
fn l6_an_invalidation_waits_for_a_store_that_runs() {
    let (lock, _) = manual(MINUTE);
    let stored = AtomicBool::new(false);
    let creation = elected(lock.acquire());
    thread::scope(|scope| {
        let invalidating = creation.publish(|| {
            let invalidating = scope.spawn(|| {
                lock.invalidate();
                assert!(stored.load(Ordering::SeqCst), "nothing older is stored once it has returned");
            });
            until(|| lock.freshness() == Freshness::Missing && creation.is_superseded());
            // An invalidation that does not wait gets an error, but it has taken effect all the same.
            let seen = lock.generation();
            assert!(lock.invalidate_timeout(Duration::ZERO).is_ok(), "this thread would wait for itself");
            let bounded = scope.spawn(|| lock.invalidate_timeout(Duration::from_millis(1)));
            assert!(bounded.join().unwrap().unwrap_err().to_string().contains("still being stored"));
            assert!(lock.generation() > seen);
            stored.store(true, Ordering::SeqCst);
            invalidating
        });
        invalidating.unwrap().join().unwrap();
    });
    assert_eq!(creation.finish(), Finished::Superseded);
    elected(lock.acquire()).finish();
    lock.invalidate(); // nothing is left to wait for
}

#[test]
fn l6_invalidate_if_waits_for_the_store_as_well() {
    let (lock, _) = manual(MINUTE);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let (creation, seen, stored) = (elected(lock.acquire()), lock.generation(), AtomicBool::new(false));
    thread::scope(|scope| {
        let invalidating = creation.publish(|| {
            let invalidating = scope.spawn(|| {
                let invalidated = lock.invalidate_if(seen);
                assert!(stored.load(Ordering::SeqCst), "nothing older is stored once it has returned");
                invalidated
            });
            until(|| lock.generation() != seen);
            assert!(!lock.invalidate_if(seen), "too late: nothing to wait for");
            let bounded = scope.spawn(|| lock.invalidate_if_timeout(lock.generation(), Duration::ZERO));
            assert!(bounded.join().unwrap().is_err());
            stored.store(true, Ordering::SeqCst);
            invalidating
        });
        assert!(invalidating.unwrap().join().unwrap());
    });
    drop(creation);
}

#[test]
fn l6_overlapping_stores_are_all_waited_for() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    let stored = AtomicBool::new(false);
    thread::scope(|scope| {
        let outer = creation.publish(|| {
            creation.publish(|| ()).unwrap();
            let before = lock.generation();
            let invalidating = scope.spawn(|| {
                lock.invalidate();
                assert!(stored.load(Ordering::SeqCst), "the outer store still runs");
            });
            until(|| lock.generation() != before);
            stored.store(true, Ordering::SeqCst);
            invalidating
        });
        outer.unwrap().join().unwrap();
    });
    assert_eq!(creation.finish(), Finished::Superseded);
}

#[test]
fn l7_a_store_that_asks_for_its_own_value_gets_an_error() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    let asked = creation.publish(|| lock.access().timeout(Duration::MAX).turn().unwrap_err());
    assert!(matches!(asked, Ok(AcquireError::WouldDeadlock(_))));
    creation.finish();
}

#[test]
fn l5_a_store_that_panics_releases_invalidations() {
    let (lock, _) = manual(MINUTE);
    let (creation, before) = (elected(lock.acquire()), lock.generation());
    thread::scope(|scope| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            creation.publish(|| {
                scope.spawn(|| lock.invalidate());
                until(|| lock.generation() != before);
                panic!("a store panics on purpose")
            })
        }));
        assert!(panicked.is_err());
    });
    drop(creation);
    assert!(!lock.is_creating());
}

#[test]
fn l3_a_creator_that_stops_early_serves_no_waiter() {
    let (lock, _) = manual(MINUTE);
    let value = OnceLock::new();
    thread::scope(|scope| {
        let creation = elected(lock.acquire());
        let waiter = scope.spawn(|| {
            let outcome = lock.acquire_or_create(|| value.set(2).unwrap());
            assert_eq!(value.get(), Some(&2));
            outcome
        });
        until(|| lock.waiting() == 1);
        lock.invalidate();
        creation.run(|creation| {
            if !creation.is_superseded() {
                value.set(1).unwrap();
            }
        });
        assert_eq!(waiter.join().unwrap(), Outcome::Created);
    });
}

/// A lock takes its first generation when it is first asked for it, or first elects. That is no change to a thread that
/// has looked at the lock before.
#[test]
fn f10_the_first_generation_is_the_locks_own() {
    let (one, _) = manual(MINUTE);
    let seen = one.generation();
    assert_eq!(one.generation(), seen);
    let creation = elected(one.acquire());
    assert_eq!(one.generation(), seen, "an election moves nothing");
    let mut place = Box::new(one.generation());
    for _ in 0..3 {
        let (other, _) = manual(MINUTE);
        assert!(!other.invalidate_if(seen));
        let creation = elected(other.acquire());
        assert!(!other.invalidate_if(*place) && !creation.is_superseded());
        *place = other.generation();
        creation.finish();
        assert!(!other.invalidate_if(*place) && other.generation() > *place);
    }
    assert!(one.invalidate_if(seen) && creation.is_superseded(), "it runs in the generation that was seen");
    assert_eq!(creation.finish(), Finished::Superseded);
    assert!(one.generation() > seen);
}

/// Another access may ask for the generation meanwhile. The getter of the first access is called no more often for that
/// (L8).
#[test]
fn f10_the_first_generation_is_not_taken_for_a_newer_one() {
    let lock = Dogpile::new(MINUTE).born_fresh();
    let mut asked = 0;
    let getter = || {
        asked += 1;
        let _first = lock.generation();
        None
    };
    assert_eq!(lock.fetch(getter).or_create(|| 1), 1);
    assert_eq!(asked, 1);
}

#[test]
fn l6_finish_returns_what_became_of_the_value() {
    let (lock, _) = manual(MINUTE);
    let first = lock.generation();
    assert_eq!(elected(lock.acquire()).finish(), Finished::Published);
    let second = lock.generation();
    assert!(second > first);
    lock.mark_stale();
    assert_eq!(lock.generation(), second, "the value is the one it was");
    let creation = elected(lock.acquire());
    lock.mark_stale();
    assert!(!creation.is_superseded());
    assert_eq!(creation.publish(|| ()), Ok(()));
    assert_eq!(creation.finish(), Finished::PublishedStale);
    assert!(lock.generation() > second);
    let creation = elected(lock.acquire());
    lock.invalidate();
    lock.mark_stale();
    assert_eq!(creation.finish(), Finished::Superseded);
}

#[test]
fn a_waiter_gets_its_turn_though_the_value_is_gone_again() {
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    let waiter = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || matches!(lock.acquire(), Turn::Stale))
    };
    until(|| lock.waiting() == 1);
    lock.invalidate();
    assert_eq!(creation.finish(), Finished::Superseded);
    assert!(waiter.join().unwrap(), "L3: nobody is elected for having waited");
}

#[test]
fn c22_the_clock_is_read_outside_the_inner_mutex() {
    /// Asks its own lock for everything that takes the inner mutex, whenever the clock is read.
    #[derive(Default)]
    struct Nosy {
        lock: OnceLock<Weak<Dogpile<Arc<Self>>>>,
        asking: AtomicBool,
        asked: AtomicUsize,
    }
    impl Clock for Nosy {
        fn now(&self) -> u64 {
            let lock = self.lock.get().and_then(Weak::upgrade);
            if let Some(lock) = lock.filter(|_| !self.asking.swap(true, Ordering::SeqCst)) {
                assert_eq!(lock.waiting(), 0);
                lock.mark_stale();
                self.asked.fetch_add(1, Ordering::SeqCst);
                self.asking.store(false, Ordering::SeqCst);
            }
            1_000
        }
    }
    let clock = Arc::new(Nosy::default());
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh());
    clock.lock.set(Arc::downgrade(&lock)).unwrap();
    drop(lock.acquire());
    lock.acquire_or_create(|| ());
    elected(Dogpile::kept(&lock).turn()).finish();
    assert!(lock.is_expired() && lock.age().is_some());
    lock.mark_stale();
    assert!(clock.asked.load(Ordering::SeqCst) >= 7);
}

#[test]
fn l5_a_clock_that_panics_frees_the_lock() {
    struct Broken(AtomicBool);
    impl Clock for Broken {
        fn now(&self) -> u64 {
            assert!(!self.0.load(Ordering::SeqCst), "a clock panics on purpose");
            1_000
        }
    }
    let clock = Arc::new(Broken(AtomicBool::new(false)));
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock));
    let creation = elected(lock.acquire());
    clock.0.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| creation.finish())).is_err());
    clock.0.store(false, Ordering::SeqCst);
    assert!(!lock.is_creating() && !lock.has_value());
    elected(lock.acquire()).finish();
}

#[test]
fn a_thread_may_wait_and_create_while_its_locals_are_destroyed() {
    struct AtExit(Arc<Lock>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            assert_eq!(self.0.acquire_or_create(|| ()), Outcome::Waited);
            self.0.invalidate();
            // L7 holds even here, where a thread-local stack with a destructor would be gone.
            let created = self.0.acquire_or_create(|| {
                assert!(matches!(self.0.access().timeout(Duration::MAX).turn(), Err(AcquireError::WouldDeadlock(_))));
            });
            assert_eq!(created, Outcome::Created);
        }
    }
    thread_local! {
        static AT_EXIT: std::cell::RefCell<Option<AtExit>> = const { std::cell::RefCell::new(None) };
    }
    let (lock, _) = manual(MINUTE);
    let creation = elected(lock.acquire());
    let ending = Arc::new(AtomicBool::new(false));
    let thread = {
        let (lock, ending) = (Arc::clone(&lock), Arc::clone(&ending));
        // Registered before the crate's own thread-locals of this thread, so destroyed after them.
        thread::spawn(move || {
            AT_EXIT.with(|at_exit| *at_exit.borrow_mut() = Some(AtExit(Arc::clone(&lock))));
            assert_eq!(lock.access().timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
            ending.store(true, Ordering::SeqCst);
        })
    };
    until(|| ending.load(Ordering::SeqCst) && lock.waiting() == 1);
    creation.finish();
    thread.join().unwrap();
    assert!(matches!(lock.acquire(), Turn::Fresh));
}

#[test]
fn l11_real_clocks_expire_a_value() {
    fn expires<C: Clock>(clock: C) {
        let lock = Dogpile::with_clock(Duration::from_millis(1), clock);
        lock.acquire_or_create(|| ());
        until(|| lock.is_expired());
        assert!(lock.age().unwrap() >= Duration::from_millis(1), "not early");
        elected(lock.acquire()).finish();
    }
    expires(MonotonicClock);
    #[cfg(all(target_os = "linux", not(dogpile_portable)))]
    expires(dogpile::BoottimeClock);
}

#[test]
fn types_cross_threads_and_panics_as_decided() {
    fn sends<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    fn sends_only<T: Send + Sync>() {}
    sends::<Dogpile>();
    sends::<Lock>();
    sends::<ManualClock>();
    sends::<Outcome>();
    sends::<Generation>();
    sends::<CreateError<Failure, Failure>>();
    sends::<AcquireError>();
    sends::<PublishError>();
    sends::<StillStoring>();
    sends::<WouldBlock>();
    sends::<Freshness>();
    sends::<Finished>();
    sends::<Stamped<u64>>();
    sends::<MonotonicClock>();
    #[cfg(all(target_os = "linux", not(dogpile_portable)))]
    sends::<dogpile::BoottimeClock>();
    // A creation that is caught with a panic can only be dropped or finished. Either is sound.
    sends::<Creation<'static>>();
    sends::<Turn<'static>>();
    sends_only::<Creation<'static, Dogpile<Arc<ManualClock>>>>();
}

#[test]
fn errors_say_what_happened_and_keep_their_source() {
    fn is_error<E: Error + Send + Sync + 'static>() {}

    #[derive(Debug)]
    struct Upstream;
    impl std::fmt::Display for Upstream {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("upstream is down")
        }
    }
    impl Error for Upstream {}
    let failed: CreateError<Upstream> = CreateError::Failed(Upstream);
    assert_eq!(failed.to_string(), "the creator failed");
    assert_eq!(failed.source().unwrap().to_string(), "upstream is down");
    assert!(CreateError::<Upstream>::TimedOut.source().is_none());
    assert_eq!(CreateError::<Upstream>::TimedOut.to_string(), AcquireError::TimedOut.to_string());
    assert!(PublishError::Superseded.to_string().contains("superseded"));
    is_error::<AcquireError>();
    is_error::<CreateError<Upstream>>();
    is_error::<PublishError>();
    is_error::<WouldBlock>();
}

#[test]
fn debug_shows_the_state() {
    let (lock, _) = manual(MINUTE);
    assert_eq!(
        format!("{lock:?}"),
        "Dogpile { freshness: Missing, generation: Generation(0), creating: false, expires_after: Some(60s), .. }"
    );
    let turn = lock.acquire();
    assert_eq!(format!("{turn:?}"), "Create(Creation { born: Generation(0), superseded: false, dead: false, .. })");
}
