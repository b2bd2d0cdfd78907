//! What `Cached` and `CachedFn` do beyond the contract (`tests/contract`).

mod common;
mod failure;
#[macro_use]
mod traits;

use common::until;
use dogpile::{
    AcquireError, Backoff, Cached, CachedFn, CachedGuard, CreateError, Freshness, Generation, LastFailure, Made,
    ManualClock, MonotonicClock, Outcome, Policy, PolicyError, Renewal, Status, WaitCycle, cached,
};
use failure::Failure;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, MutexGuard, Weak, mpsc};
use std::thread::{self, JoinHandle, ScopedJoinHandle};
use std::time::Duration;
use traits::Otherwise;

const MINUTE: Duration = Duration::from_secs(60);

type Clock = Arc<ManualClock>;

/// Joins each thread. The end of a scope alone is an ordering that ThreadSanitizer does not see.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn manual<T>(expires_after: Duration) -> (Arc<Cached<T, Clock>>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Cached::with_clock(expires_after, Arc::clone(&clock))), clock)
}

fn told<T: Copy>(guard: &CachedGuard<T>) -> (Outcome, T) {
    (CachedGuard::outcome(guard), **guard)
}

/// A creation on a thread of its own. Its creator waits until it is told what to return.
struct HeldCreation<T> {
    thread: JoinHandle<CachedGuard<T>>,
    result: mpsc::Sender<T>,
}

impl<T: Send + Sync + 'static> HeldCreation<T> {
    fn start(cached: &Arc<Cached<T, Clock>>) -> Self {
        let (result, results) = mpsc::channel();
        let cached_there = Arc::clone(cached);
        let thread = thread::spawn(move || cached_there.get_or_create(|| results.recv().unwrap()));
        until(|| cached.is_creating());
        Self { thread, result }
    }

    fn end(self, value: T) -> CachedGuard<T> {
        self.result.send(value).unwrap();
        self.thread.join().unwrap()
    }
}

/// Accesses on threads of their own. Each of them is known to wait.
fn waiting<T: Send + Sync + 'static>(cached: &Arc<Cached<T, Clock>>, count: usize) -> Vec<JoinHandle<CachedGuard<T>>> {
    let before = cached.waiting();
    let waiters = (0..count).map(|_| {
        let cached = Arc::clone(cached);
        thread::spawn(move || cached.get_or_create(|| panic!("this access must not be elected")))
    });
    let waiters = waiters.collect();
    until(|| cached.waiting() == before + count);
    waiters
}

#[test]
fn every_form_tells_its_outcome() {
    let (cached, clock) = manual(MINUTE);
    assert!(cached.get_fresh().is_none() && cached.peek().is_none());
    assert_eq!(told(&cached.get_or_create(|| 1)), (Outcome::Created, 1));
    assert_eq!(told(&cached.get_or_create(|| panic!("fresh"))), (Outcome::Fresh, 1));
    assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, 1));
    assert_eq!(told(&cached.peek().unwrap()), (Outcome::Fresh, 1));
    clock.advance(MINUTE);
    assert!(cached.get_fresh().is_none());
    assert_eq!(told(&cached.peek().unwrap()), (Outcome::Stale, 1));
    assert_eq!(told(&cached.access().or_create_with(|_| Made::new(2))), (Outcome::Created, 2));
    cached.mark_stale();
    assert_eq!(told(&cached.access().timeout(MINUTE).or_create(|| 3).unwrap()), (Outcome::Created, 3));
    cached.mark_stale();
    assert_eq!(told(&cached.access().timeout(MINUTE).or_create_with(|_| Made::new(4)).unwrap()), (Outcome::Created, 4));
    cached.mark_stale();
    let failed = CreateError::Failed(Failure);
    assert_eq!(cached.get_or_try_create(|| Err(Failure)).unwrap_err(), failed);
    assert_eq!(cached.access().or_try_create_with(|_| Err(Failure)).unwrap_err(), failed);
    assert_eq!(cached.access().timeout(MINUTE).or_try_create(|| Err(Failure)).unwrap_err(), failed);
    assert_eq!(cached.access().timeout(MINUTE).or_try_create_with(|_| Err(Failure)).unwrap_err(), failed);
    assert_eq!(told(&cached.peek().unwrap()), (Outcome::Stale, 4), "L5: a failure leaves what there is");
    assert_eq!(told(&cached.get_or_try_create(|| Ok::<_, Failure>(5)).unwrap()), (Outcome::Created, 5));
}

#[test]
fn l10_every_bounded_form_gives_up() {
    let (cached, _) = manual(MINUTE);
    let running = HeldCreation::start(&cached);
    let zero = Duration::ZERO;
    assert_eq!(cached.access().timeout(zero).or_create(|| 9).unwrap_err(), AcquireError::TimedOut);
    assert_eq!(cached.access().timeout(zero).or_create_with(|_| Made::new(9)).unwrap_err(), AcquireError::TimedOut);
    assert_eq!(cached.access().timeout(zero).or_try_create(|| Err(Failure)).unwrap_err(), CreateError::TimedOut);
    assert_eq!(cached.access().timeout(zero).or_try_create_with(|_| Err(Failure)).unwrap_err(), CreateError::TimedOut);
    assert!(cached.get_fresh().is_none() && cached.peek().is_none());
    assert_eq!(cached.waiting(), 0);
    assert_eq!(told(&running.end(1)), (Outcome::Created, 1));
}

#[test]
fn l7_c13_a_creator_that_asks_for_its_own_value_panics_or_gets_an_error() {
    let (cached, _) = manual::<u64>(MINUTE);
    let inner = catch_unwind(AssertUnwindSafe(|| cached.get_or_create(|| *cached.get_or_create(|| 1))));
    let message = inner.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("asked for the value that it is creating itself"), "{message}");
    assert!(!cached.is_creating());
    let inner = cached.get_or_create(|| {
        assert!(matches!(cached.access().timeout(MINUTE).or_create(|| 1), Err(AcquireError::WouldDeadlock(_))));
        2
    });
    assert_eq!(*inner, 2);
}

#[test]
fn c6_set_serves_waiters_at_once_and_supersedes_the_creation() {
    let (cached, _) = manual(MINUTE);
    let running = HeldCreation::start(&cached);
    let waiters = waiting(&cached, 3);
    cached.set(7);
    // While the creation is still running.
    for waiter in waiters {
        assert_eq!(told(&waiter.join().unwrap()), (Outcome::Waited, 7));
    }
    assert!(cached.is_creating());
    assert_eq!(told(&cached.get_or_create(|| panic!("fresh"))), (Outcome::Fresh, 7));
    let generation = cached.generation();
    let late = running.end(1);
    assert_eq!(told(&late), (Outcome::Created, 1), "its own caller still gets it");
    assert!(CachedGuard::generation(&late) < generation);
    assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, 7));
    assert_eq!(cached.generation(), generation);
}

#[test]
fn c6_a_set_value_stays_in_any_order() {
    for round in 0..500 {
        let (cached, _) = manual(MINUTE);
        let running = HeldCreation::start(&cached);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let setter = scope.spawn(|| {
                start.wait();
                cached.set(round);
            });
            start.wait();
            running.end(u64::MAX);
            setter.join().unwrap();
        });
        assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, round));
    }
}

#[test]
fn set_begins_a_life_and_moves_the_generation() {
    let (cached, clock) = manual(MINUTE);
    let before = cached.generation();
    cached.set(1);
    assert!(cached.generation() > before);
    assert_eq!(CachedGuard::generation(&cached.get_fresh().unwrap()), cached.generation());
    clock.advance(MINUTE);
    assert_eq!(cached.freshness(), Freshness::Stale);
    assert_eq!(cached.age(), Some(MINUTE));
    cached.set_expiring(2, MINUTE * 3);
    assert_eq!(cached.age(), Some(Duration::ZERO));
    clock.advance((MINUTE * 3).saturating_sub(Duration::from_nanos(1)));
    assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, 2));
    clock.advance(Duration::from_nanos(1));
    assert!(cached.get_fresh().is_none());
}

#[test]
fn l6_take_is_an_invalidation() {
    let (cached, _) = manual(MINUTE);
    assert!(cached.take().is_none());
    cached.set(1);
    let (guard, generation) = (cached.get_fresh().unwrap(), cached.generation());
    let taken = cached.take().unwrap();
    assert!(ptr::eq(ptr::from_ref(&*guard), Arc::as_ptr(&taken)), "it is not copied");
    assert!(cached.generation() > generation);
    assert_eq!(cached.freshness(), Freshness::Missing);
    assert!(cached.peek().is_none() && cached.take().is_none());
    let running = HeldCreation::start(&cached);
    assert!(cached.take().is_none());
    assert_eq!(*running.end(2), 2);
    assert!(cached.peek().is_none(), "it began before it was taken");
}

#[test]
fn l6_a_superseded_value_goes_to_its_waiters_only() {
    let (cached, _) = manual(MINUTE);
    let running = HeldCreation::start(&cached);
    let before = waiting(&cached, 2);
    cached.invalidate();
    let after = {
        let cached = Arc::clone(&cached);
        thread::spawn(move || cached.get_or_create(|| 2))
    };
    until(|| cached.waiting() == 3);
    let made = running.end(1);
    for waiter in before {
        // The waiter gets the value that it waited for, or the next one, if that was made before the waiter woke up.
        let got = waiter.join().unwrap();
        assert_eq!(CachedGuard::outcome(&got), Outcome::Waited);
        assert!([1, 2].contains(&*got));
        // Neither value can be taken for a newer one.
        assert!(CachedGuard::generation(&got) >= CachedGuard::generation(&made));
    }
    assert_eq!(told(&after.join().unwrap()), (Outcome::Created, 2));
    assert!(!cached.invalidate_if(CachedGuard::generation(&made)), "it is another generation's value");
    assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, 2));
}

#[test]
fn l6_a_creator_that_knows_it_is_superseded_serves_only_its_caller() {
    let (cached, _) = manual(MINUTE);
    let (go, gone) = mpsc::channel();
    let first = {
        let cached = Arc::clone(&cached);
        thread::spawn(move || {
            cached.access().or_create_with(|renewal| {
                gone.recv().unwrap();
                assert!(renewal.is_superseded());
                Made::new(1)
            })
        })
    };
    until(|| cached.is_creating());
    let waiter = {
        let cached = Arc::clone(&cached);
        thread::spawn(move || cached.get_or_create(|| 2))
    };
    until(|| cached.waiting() == 1);
    cached.invalidate();
    go.send(()).unwrap();
    assert_eq!(told(&first.join().unwrap()), (Outcome::Created, 1));
    assert_eq!(told(&waiter.join().unwrap()), (Outcome::Created, 2), "though it has waited for that since before");
}

#[test]
fn l3_a_value_invalidated_as_soon_as_it_is_made_serves_its_waiters() {
    for _ in 0..200 {
        let (cached, _) = manual(MINUTE);
        let running = HeldCreation::start(&cached);
        let waiters = waiting(&cached, 2);
        assert_eq!(*running.end(1), 1);
        cached.invalidate(); // before the waiters have looked, more often than not
        for waiter in waiters {
            assert_eq!(told(&waiter.join().unwrap()), (Outcome::Waited, 1));
        }
    }
}

#[test]
fn a_guard_keeps_its_value_and_delays_no_access() {
    let (cached, _) = manual(MINUTE);
    let first = cached.get_or_create(|| String::from("one"));
    let generation = CachedGuard::generation(&first);
    let (share, weak) = (CachedGuard::to_arc(&first), Arc::downgrade(&CachedGuard::to_arc(&first)));
    cached.set("two".into());
    cached.invalidate();
    cached.get_or_create(|| "three".into());
    assert_eq!((first.as_str(), first.to_string().as_str()), ("one", "one"), "`Display` is asked for");
    assert_eq!(CachedGuard::generation(&first), generation);
    assert!(Arc::ptr_eq(&share, &CachedGuard::into_arc(first)));
    assert_eq!(weak.strong_count(), 1);
    drop(share);
    assert!(weak.upgrade().is_none(), "the value is dropped");
    // A guard may be sent to another thread, and outlive its `Cached`.
    let last = cached.get_fresh().unwrap();
    drop(cached);
    assert_eq!(thread::spawn(move || String::from(&*last)).join().unwrap(), "three");
}

#[test]
fn more_guards_than_a_thread_has_slots_for() {
    let (cached, _) = manual(MINUTE);
    let weak = Arc::downgrade(&CachedGuard::into_arc(cached.get_or_create(|| 1)));
    let guards: Vec<_> = (0..100).map(|_| cached.get_fresh().unwrap()).collect();
    cached.set(2);
    assert!(guards.iter().all(|guard| **guard == 1));
    drop(guards);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_creator_may_look_at_the_old_value_and_find_it_unchanged() {
    let (cached, clock) = manual::<String>(MINUTE);
    let first = cached.access().or_create_with(|renewal| {
        assert!(renewal.old().is_none() && renewal.unchanged().is_none());
        Made::new("one".into())
    });
    clock.advance(MINUTE);
    let before = (cached.generation(), CachedGuard::generation(&first));
    let again = cached.access().or_create_with(|renewal| {
        assert_eq!(renewal.old().map(String::as_str), Some("one"));
        renewal.unchanged().unwrap()
    });
    assert_eq!(CachedGuard::outcome(&again), Outcome::Created);
    assert!(ptr::eq(ptr::from_ref(&*first), ptr::from_ref(&*again)), "nothing is allocated");
    assert_eq!(cached.age(), Some(Duration::ZERO));
    assert_eq!(cached.freshness(), Freshness::Fresh);
    // A finished creation moves the generation, and with it that of the unchanged value, for every guard of it.
    assert!(cached.generation() > before.0);
    assert_eq!((CachedGuard::generation(&first), before.0), (cached.generation(), before.1));
    assert!(cached.invalidate_if(CachedGuard::generation(&first)));
    // An invalidated value cannot be returned as unchanged.
    let second = cached.access().or_create_with(|renewal| {
        assert!(renewal.old().is_none() && renewal.unchanged().is_none());
        Made::new("two".into())
    });
    assert_eq!(*second, "two");
}

#[test]
fn l6_an_unchanged_value_that_was_invalidated_does_not_come_back() {
    let (cached, clock) = manual(MINUTE);
    cached.set(1);
    clock.advance(MINUTE);
    let got = cached.access().or_create_with(|renewal| {
        let unchanged = renewal.unchanged().unwrap();
        assert!(!renewal.is_superseded());
        cached.invalidate();
        assert!(renewal.is_superseded());
        assert_eq!(renewal.old(), Some(&1), "what was seen once is not taken away");
        unchanged
    });
    assert_eq!(told(&got), (Outcome::Created, 1));
    assert_eq!(cached.freshness(), Freshness::Missing);
    assert!(CachedGuard::generation(&got) < cached.generation());
    // A creator that asks for the old value only after an invalidation does not get it.
    cached.set(2);
    clock.advance(MINUTE);
    cached.access().or_create_with(|renewal| {
        cached.invalidate();
        assert_eq!(renewal.old(), None);
        Made::new(3)
    });
    // Nor does it get a value that was set meanwhile, which is not old.
    cached.set(4);
    clock.advance(MINUTE);
    cached.access().or_create_with(|renewal| {
        cached.set(5);
        assert!(renewal.old().is_none() && renewal.unchanged().is_none());
        Made::new(6)
    });
    assert_eq!(told(&cached.get_fresh().unwrap()), (Outcome::Fresh, 5));
}

/// The unchanged value goes to the caller whose creator returns it. It means nothing to the lock: a value that this
/// lock has thrown away does not come back (L6).
#[test]
fn f11_an_unchanged_value_of_another_renewal_goes_to_its_caller_only() {
    static PAUSES: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.0)).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSES);
    let steal = || {
        let mut stolen = None;
        cached.set(1);
        clock.advance(MINUTE);
        cached.access().or_create_with(|renewal| {
            stolen = renewal.unchanged();
            Made::new(2)
        });
        stolen.unwrap()
    };
    let refused = |cached: &Cached<u64, Clock>| {
        let Err(CreateError::Paused { cause, .. }) = cached.get_or_try_create(|| Err("unwanted")) else {
            panic!("no pause")
        };
        assert!(cause.contains("`unchanged` of another renewal"), "{cause}");
        assert_eq!(cached.stats().failures, 1);
    };

    // Of a renewal of the same lock, after an invalidation.
    let stolen = steal();
    cached.invalidate();
    assert_eq!(told(&cached.access().or_create_with(|_| stolen)), (Outcome::Created, 1));
    assert_eq!((cached.freshness(), cached.is_creating()), (Freshness::Missing, false));
    refused(&cached);
    // There is an old value, but another one.
    let stolen = steal();
    clock.advance(MINUTE);
    assert_eq!(told(&cached.access().or_create_with(|_| stolen)), (Outcome::Created, 1));
    assert_eq!(told(&cached.get_or_create(|| unreachable!("there is a pause"))), (Outcome::Stale, 2));
    // Of a renewal of another lock.
    let (stolen, other) = (steal(), Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PAUSES));
    assert_eq!(told(&other.access().or_create_with(|_| stolen)), (Outcome::Created, 1));
    assert_eq!((other.freshness(), other.is_creating()), (Freshness::Missing, false));
    refused(&other);
    // The first renewal failed, and the next one has the same old value: there it counts as unchanged.
    let mut kept = None;
    cached.set(7);
    clock.advance(MINUTE);
    let failed = cached.access().or_try_create_with(|renewal| {
        kept = renewal.unchanged();
        Err("no answer")
    });
    assert!(failed.is_err());
    clock.advance(MINUTE);
    assert_eq!(told(&cached.access().or_create_with(|_| kept.unwrap())), (Outcome::Created, 7));
    assert_eq!(cached.freshness(), Freshness::Fresh);
}

#[test]
fn l11_a_value_may_have_a_lifetime_of_its_own() {
    let (cached, clock) = manual(MINUTE);
    let nanosecond = Duration::from_nanos(1);
    for lifetime in [nanosecond, MINUTE / 2, MINUTE * 7] {
        cached.invalidate();
        cached.access().or_create_with(|_| Made::new(1).expires_after(lifetime));
        clock.advance(lifetime.saturating_sub(nanosecond));
        assert_eq!(cached.freshness(), Freshness::Fresh, "{lifetime:?}");
        clock.advance(nanosecond);
        assert_eq!(cached.freshness(), Freshness::Stale, "{lifetime:?}");
    }
    cached.access().or_create_with(|renewal| renewal.unchanged().unwrap().expires_after(Duration::MAX));
    clock.advance(Duration::MAX);
    assert_eq!(cached.freshness(), Freshness::Fresh);
    assert_eq!(cached.expires_after(), MINUTE);
    // The next value has the lifetime of the lock again.
    let (cached, clock) = manual(MINUTE);
    cached.set_expiring(1, MINUTE * 2);
    cached.set(2);
    clock.advance(MINUTE);
    assert_eq!(cached.freshness(), Freshness::Stale);
}

#[test]
fn c19_a_value_that_arrives_expired_is_used_and_not_looped_over() {
    let (cached, _) = manual(MINUTE);
    let expired = |value: u64| move |_: &Renewal<'_, u64, Clock>| Made::new(value).expires_after(Duration::ZERO);
    let (go, gone) = mpsc::channel();
    let first = {
        let cached = Arc::clone(&cached);
        thread::spawn(move || {
            cached.access().or_create_with(|renewal| {
                gone.recv().unwrap();
                expired(1)(renewal)
            })
        })
    };
    until(|| cached.is_creating());
    let waiters = waiting(&cached, 3); // no waiter is elected because it has waited
    go.send(()).unwrap();
    assert_eq!(told(&first.join().unwrap()), (Outcome::Created, 1));
    for waiter in waiters {
        assert_eq!(told(&waiter.join().unwrap()), (Outcome::Waited, 1));
    }
    assert_eq!(told(&cached.peek().unwrap()), (Outcome::Stale, 1));
    // Each access creates once, and goes on with the old value while another one creates.
    let runs = Cell::new(0);
    let again = cached.access().or_create_with(|renewal| {
        runs.set(runs.get() + 1);
        assert_eq!(told(&cached.get_or_create(|| panic!("one is creating"))), (Outcome::Stale, 1));
        expired(2)(renewal)
    });
    assert_eq!((told(&again), runs.get()), ((Outcome::Created, 2), 1));
}

/// A value whose drop asks its `Cached` for everything that takes the inner mutex.
struct Nosy {
    home: Weak<Cached<Nosy, Clock>>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        if let Some(home) = self.home.upgrade() {
            home.mark_stale();
            let _all_of_them = (home.waiting(), home.generation(), home.peek().is_some());
        }
    }
}

#[test]
fn c22_old_values_are_dropped_outside_every_lock() {
    let (cached, clock) = manual::<Nosy>(MINUTE);
    let dropped = Arc::new(AtomicUsize::new(0));
    let nosy = || Nosy { home: Arc::downgrade(&cached), dropped: Arc::clone(&dropped) };
    let count = || dropped.load(Ordering::SeqCst);
    cached.set(nosy());
    cached.set(nosy());
    assert_eq!(count(), 1, "by `set`");
    cached.set(nosy());
    drop(cached.take());
    assert_eq!(count(), 3);
    cached.set(nosy());
    cached.invalidate();
    assert_eq!(count(), 4);
    cached.set(nosy());
    assert!(cached.invalidate_if(cached.generation()));
    assert_eq!(count(), 5);
    cached.set(nosy());
    clock.advance(MINUTE);
    drop(cached.get_or_create(nosy)); // replaces
    assert_eq!(count(), 6, "by a creation");
    // The values that served the waiters: a superseded value that was never published, and one that a later value
    // replaces.
    cached.invalidate();
    assert_eq!(count(), 7);
    let running = HeldCreation::start(&cached);
    let waiters = waiting(&cached, 2);
    cached.invalidate();
    drop(running.end(nosy()));
    for waiter in waiters {
        drop(waiter.join().unwrap());
    }
    assert_eq!(count(), 8);
    // As the last owner, whichever that is.
    cached.set(nosy());
    let kept = cached.get_fresh();
    drop(cached);
    assert_eq!(count(), 8);
    drop(kept);
    assert_eq!(count(), 9);
}

#[test]
fn c7_c24_ended_accesses_leave_no_value_behind() {
    let (cached, _) = manual(MINUTE);
    // Creations that are given up by an error or by a panic, and accesses that run out of time.
    cached.get_or_try_create(|| Err(Failure)).unwrap_err();
    assert!(catch_unwind(AssertUnwindSafe(|| cached.get_or_create(|| panic!("on purpose")))).is_err());
    let running = HeldCreation::start(&cached);
    for _ in 0..100 {
        cached.access().timeout(Duration::ZERO).or_create(|| unreachable!()).unwrap_err();
    }
    let waiters = waiting(&cached, 200);
    let weak = Arc::downgrade(&CachedGuard::into_arc(running.end(1)));
    let guards: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    assert!(guards.iter().all(|guard| told(guard) == (Outcome::Waited, 1)));
    drop(guards);
    assert_eq!(weak.strong_count(), 1, "the one in the cell");
    cached.invalidate();
    assert!(weak.upgrade().is_none());
    assert_eq!((cached.waiting(), cached.is_creating()), (0, false));
}

#[test]
fn l6_invalidate_if_takes_effect_once_per_refused_value() {
    let (cached, _) = manual(MINUTE);
    let (runs, start) = (AtomicU64::new(0), Barrier::new(64));
    let make = || runs.fetch_add(1, Ordering::SeqCst);
    cached.get_or_create(make);
    thread::scope(|scope| {
        let refused = || {
            let token = cached.get_or_create(make);
            start.wait();
            if *token == 0 {
                cached.invalidate_if(CachedGuard::generation(&token));
            }
            assert_eq!(*cached.get_or_create(make), 1, "each gets the one new value");
        };
        join((0..64).map(|_| scope.spawn(refused)).collect());
    });
    assert_eq!(runs.into_inner(), 2);
}

#[test]
fn a_cached_works_in_a_static_and_with_default_clocks() {
    static TOKEN: Cached<String> = Cached::new(Duration::from_secs(600));
    static FOREVER: Cached<u8, MonotonicClock> = Cached::never_expires();
    assert_eq!(*TOKEN.get_or_create(|| "secret".into()), "secret");
    assert_eq!(CachedGuard::outcome(&TOKEN.get_or_create(|| unreachable!())), Outcome::Fresh);
    assert_eq!((TOKEN.expires_after(), FOREVER.expires_after()), (Duration::from_secs(600), Duration::MAX));
    assert!(!FOREVER.has_value() && FOREVER.is_expired());
    let zero = Cached::new(Duration::ZERO);
    assert_eq!((*zero.get_or_create(|| 1), *zero.get_or_create(|| 2)), (1, 2), "always stale");
}

#[test]
fn debug_shows_the_state() {
    let (cached, _) = manual(MINUTE);
    cached.set(7);
    assert_eq!(
        format!("{cached:?}"),
        "Cached { freshness: Fresh, generation: Generation(1), creating: false, expires_after: Some(60s), .. }"
    );
    cached.mark_stale();
    cached.access().or_create_with(|renewal| {
        assert_eq!(format!("{renewal:?}"), "Creation { born: Generation(1), superseded: false, dead: false, .. }");
        Made::new(8)
    });
    assert!(format!("{:?}", dogpile::cached(MINUTE, || 1)).starts_with("CachedFn(Cached { freshness: Missing"));
    let status: &Status<_> = &cached;
    assert!(format!("{status:?}").starts_with("Status { freshness: Fresh, generation: Generation("), "{status:?}");
}

#[test]
fn a_function_of_any_kind_keeps_its_result() {
    let clock = Arc::new(ManualClock::new());
    let runs = Cell::new(0);
    let plain = CachedFn::with_clock(MINUTE, Arc::clone(&clock), || {
        runs.set(runs.get() + 1);
        runs.get()
    });
    assert_eq!((told(&plain.get()), told(&plain.get())), ((Outcome::Created, 1), (Outcome::Fresh, 1)));
    clock.advance(MINUTE);
    assert_eq!(*plain.access().timeout(Duration::ZERO).try_get().unwrap(), 2);
    assert_eq!(*plain.try_get().unwrap(), 2);

    let fails = Cell::new(true);
    let fallible: CachedFn<u8, _> = cached(MINUTE, || if fails.get() { Err(Failure) } else { Ok(1) });
    assert_eq!(fallible.try_get().unwrap_err(), CreateError::Failed(Failure));
    fails.set(false);
    assert_eq!(*fallible.try_get().unwrap(), 1, "errors are not kept");
    fails.set(true);
    assert_eq!(*fallible.access().timeout(Duration::ZERO).try_get().unwrap(), 1);

    let with = CachedFn::with_clock(MINUTE, Arc::clone(&clock), |renewal: &Renewal<'_, u64, Clock>| {
        Made::new(renewal.old().map_or(0, |old| old + 1)).expires_after(MINUTE * 2)
    });
    assert_eq!(*with.get(), 0);
    clock.advance(MINUTE);
    assert_eq!(*with.get(), 0);
    clock.advance(MINUTE);
    assert_eq!(*with.get(), 1);

    let all = CachedFn::new(MINUTE, |renewal: &Renewal<'_, u64>| renewal.unchanged().ok_or(Failure));
    assert_eq!(all.try_get().unwrap_err(), CreateError::Failed(Failure));
    all.set(3);
    all.mark_stale();
    assert_eq!(told(&all.try_get().unwrap()), (Outcome::Created, 3));
    // The function has all other methods of a `Cached`, too.
    assert_eq!(*all.get_fresh().unwrap(), 3);
    all.invalidate();
    assert!(all.peek().is_none());
}

#[test]
fn refresh_makes_the_value_anew_though_it_is_fresh() {
    let runs = Cell::new(0);
    let counting = cached(MINUTE, || {
        runs.set(runs.get() + 1);
        runs.get()
    });
    assert_eq!(told(&counting.refresh()), (Outcome::Created, 1), "also where there is none");
    assert_eq!(told(&counting.refresh()), (Outcome::Created, 2));
    assert_eq!(told(&counting.get()), (Outcome::Fresh, 2));

    let fails = Cell::new(false);
    let fallible: CachedFn<u8, _> = cached(MINUTE, || if fails.get() { Err(Failure) } else { Ok(1) });
    assert_eq!(*fallible.access().anew().try_get().unwrap(), 1);
    fails.set(true);
    assert_eq!(fallible.access().anew().try_get().unwrap_err(), CreateError::Failed(Failure));
    assert_eq!(told(&fallible.peek().unwrap()), (Outcome::Stale, 1), "the old one stays");
    assert_eq!(fallible.access().timeout(Duration::ZERO).anew().try_get().unwrap_err(), CreateError::Failed(Failure));
}

#[test]
fn refresh_waits_for_a_creation_that_begins_after_it() {
    let (go, gone) = mpsc::channel();
    let (gone, runs) = (parking_lot::Mutex::new(gone), AtomicU64::new(0));
    let slow = cached(MINUTE, || {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        gone.lock().recv().unwrap();
        run
    });
    thread::scope(|scope| {
        let before = scope.spawn(|| *slow.get());
        until(|| slow.is_creating());
        assert_eq!(slow.access().timeout(Duration::ZERO).anew().try_get().unwrap_err(), AcquireError::TimedOut);
        let refreshes: Vec<_> = (0..4).map(|_| scope.spawn(|| *slow.refresh())).collect();
        until(|| slow.waiting() == 4);
        // The creation that runs, and one more for all refreshes.
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(before.join().unwrap(), 0);
        for refresh in refreshes {
            assert_eq!(refresh.join().unwrap(), 1);
        }
    });
    assert_eq!(runs.into_inner(), 2);
}

/// All methods that a function has of a `Cached`. An example in its documentation shows that nothing else replaces its
/// result.
#[test]
fn f13_the_value_of_a_function_is_set_read_and_forgotten_from_outside() {
    let clock = Arc::new(ManualClock::new());
    let function = CachedFn::with_clock(MINUTE, Arc::clone(&clock), || 1);
    assert!(function.get_fresh().is_none() && function.peek().is_none());
    function.set(2);
    assert_eq!(told(&function.get_fresh().unwrap()), (Outcome::Fresh, 2));
    function.set_expiring(3, MINUTE * 2);
    clock.advance(MINUTE);
    assert_eq!((*function.get(), function.age()), (3, Some(MINUTE)));
    function.mark_stale();
    assert_eq!(function.freshness(), Freshness::Stale);
    assert!(function.get_fresh().is_none());
    assert_eq!(told(&function.peek().unwrap()), (Outcome::Stale, 3));
    let guard = function.get();
    assert_eq!(*guard, 1);
    assert!(function.invalidate_if(CachedGuard::generation(&guard)));
    assert!(!function.has_value() && !function.invalidate_if(CachedGuard::generation(&guard)));
    function.set(4);
    function.invalidate();
    assert_eq!((function.freshness(), *function.get()), (Freshness::Missing, 1));
    assert_eq!(function.stats().creations, 2);
}

#[test]
fn refresh_of_a_value_that_never_lives_ends() {
    let runs = AtomicU64::new(0);
    let zero = cached(Duration::ZERO, || runs.fetch_add(1, Ordering::SeqCst));
    thread::scope(|scope| {
        let refresh = || {
            for _ in 0..100 {
                let before = runs.load(Ordering::SeqCst);
                assert!(*zero.refresh() >= before);
            }
        };
        join((0..4).map(|_| scope.spawn(refresh)).collect());
    });
}

#[test]
fn types_cross_threads_and_panics_as_an_arc_of_their_value_does() {
    const YES: [bool; 4] = [true; 4];
    const NO: [bool; 4] = [false; 4];
    assert_eq!([traits!(Cached<u8>), traits!(CachedGuard<u8>), traits!(CachedFn<u8>), traits!(Made<u8>)], [YES; 4]);
    assert_eq!([traits!(Renewal<'static, u8>), traits!(Generation)], [YES; 2]);
    assert_eq!([traits!(Policy), traits!(Backoff), traits!(PolicyError), traits!(WaitCycle)], [YES; 4]);
    assert_eq!([traits!(ManualClock), traits!(Status), traits!(Status<Clock>), traits!(LastFailure)], [YES; 4]);
    // Every thread may share and drop the value, so it must be both `Send` and `Sync` for the lock to be either. The
    // value also stays visible after a caught panic.
    assert_eq!([traits!(Cached<Cell<u8>>), traits!(CachedGuard<Cell<u8>>), traits!(CachedFn<Cell<u8>>)], [NO; 3]);
    assert_eq!(traits!(Renewal<'static, Cell<u8>>), NO);
    assert_eq!(traits!(Cached<MutexGuard<'static, u8>>)[..2], [false; 2]);
    assert_eq!(traits!(CachedGuard<MutexGuard<'static, u8>>)[..2], [false; 2]);
    assert_eq!(traits!(CachedFn<u8, Rc<u8>>), [false, false, true, true]);
}
