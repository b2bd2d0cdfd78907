//! The getter modes: a store that loses values, a store that another process fills, and a store that is written to
//! while the value is invalidated.
#![cfg(dogpile_loom)]

use dogpile::{Clock, Dogpile, ManualClock, Stamped, Turn};
use dogpile_loom_tests::{Reached, check, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

/// A lock and a store, which holds 0 for no value. The store orders no other memory.
struct Cache {
    lock: Dogpile<ManualClock>,
    store: AtomicUsize,
    created: AtomicUsize,
}

/// The value that the creators of these models make.
const MADE: usize = 2;

/// The value that an access got, and how often it called its getter.
struct AccessResult {
    value: usize,
    calls: usize,
}

impl Cache {
    /// A value that this lock has created a moment ago. The store may have lost it.
    fn fresh(stored: usize) -> Arc<Self> {
        let lock = Dogpile::with_clock(Duration::from_secs(1), ManualClock::new());
        lock.acquire_or_create(|| ());
        Arc::new(Self { lock, store: AtomicUsize::new(stored), created: AtomicUsize::new(0) })
    }

    fn missing() -> Arc<Self> {
        let cache = Self::fresh(0);
        cache.lock.invalidate();
        cache
    }

    fn get(&self) -> Option<usize> {
        Some(self.store.load(Relaxed)).filter(|value| *value != 0)
    }

    fn make(&self) -> usize {
        self.created.fetch_add(1, Relaxed);
        MADE
    }

    fn access(&self) -> AccessResult {
        let mut calls = 0;
        let getter = || {
            calls += 1;
            self.get()
        };
        let value =
            self.lock.fetch(getter).and_set(|value| self.store.store(*value, Relaxed)).or_create(|| self.make());
        assert!(value != 0 && calls <= 2, "L8");
        AccessResult { value, calls }
    }

    fn is_at_rest(&self) -> bool {
        !self.lock.is_creating() && self.lock.waiting() == 0
    }
}

/// The store loses its value between two accesses, before both, or after both.
#[test]
fn l8_a_value_that_is_lost_is_created_once() {
    static LOST: Reached = Reached::new();
    static KEPT: Reached = Reached::new();
    check(|| {
        let cache = Cache::fresh(1);
        let lose = spawn(&cache, |cache| cache.store.store(0, Relaxed));
        let accesses = [spawn(&cache, Cache::access), spawn(&cache, Cache::access)];
        lose.join().unwrap();
        let values = accesses.map(|access| access.join().unwrap().value);
        let created = cache.created.load(Relaxed);
        assert!(created <= 1);
        assert!(values.iter().all(|value| *value == 1 || created == 1 && *value == MADE));
        LOST.here_if(values == [1, MADE] || values == [MADE, 1]);
        KEPT.here_if(values == [1, 1]);
        assert!(cache.is_at_rest());
    });
    LOST.at_least_once();
    KEPT.at_least_once();
}

/// Two accesses find the value gone together. The one that is not elected calls its getter again, after a wait or at
/// once.
#[test]
fn l8_two_accesses_that_miss_together_do_not_create_in_series() {
    static BOTH_MISSED: Reached = Reached::new();
    check(|| {
        let cache = Cache::fresh(0);
        let accesses = [spawn(&cache, Cache::access), spawn(&cache, Cache::access)];
        let calls = accesses.map(|access| {
            let access = access.join().unwrap();
            assert_eq!(access.value, MADE);
            access.calls
        });
        assert_eq!(cache.created.load(Relaxed), 1);
        BOTH_MISSED.here_if(calls == [1, 2] || calls == [2, 1]);
        assert!(cache.is_at_rest());
    });
    BOTH_MISSED.at_least_once();
}

/// A creation fails, and meanwhile another process has filled the store or has not. A waiter looks before it creates.
/// If it finds a value, it lets the waiters behind it look as well: no waiter is left behind.
#[test]
fn l5_l8_a_waiter_that_is_elected_looks_first() {
    static BOTH_WAITED: [Reached; 2] = [Reached::new(), Reached::new()];
    for filled in [false, true] {
        check(move || {
            let cache = Cache::fresh(0);
            cache.lock.mark_stale();
            let Turn::Create(creation) = cache.lock.acquire() else { panic!("it is stale") };
            let accesses = [spawn(&cache, Cache::access), spawn(&cache, Cache::access)];
            if filled {
                cache.store.store(5, Relaxed);
            }
            drop(creation);
            let found = accesses.map(|access| access.join().unwrap()).map(|access| (access.value, access.calls));
            let created = cache.created.load(Relaxed);
            // An access that asked too early and did not have to wait creates, though the store is filled by then.
            assert!(created == 1 || filled && created == 0, "{found:?}");
            assert!(
                found.iter().all(|(value, _)| *value == MADE && created == 1 || *value == 5 && filled),
                "{found:?}"
            );
            BOTH_WAITED[usize::from(filled)].here_if(found == [if filled { (5, 2) } else { (MADE, 2) }; 2]);
            assert!(cache.is_at_rest());
        });
    }
    BOTH_WAITED.iter().for_each(Reached::at_least_once);
}

/// A creation fails, another process has filled the store, and a thread invalidates. Waiters that let each other look
/// into the store do not pass its value to an access that came after the invalidation.
#[test]
fn l6_an_access_after_an_invalidation_does_not_find_an_older_value() {
    static FOUND: Reached = Reached::new();
    check(|| {
        let cache = Cache::fresh(0);
        cache.lock.mark_stale();
        let Turn::Create(creation) = cache.lock.acquire() else { panic!("it is stale") };
        let invalidates = spawn(&cache, |cache| {
            cache.lock.invalidate();
            cache.access().value
        });
        let before = spawn(&cache, Cache::access);
        cache.store.store(5, Relaxed);
        drop(creation);
        assert_eq!(invalidates.join().unwrap(), MADE);
        FOUND.here_if(before.join().unwrap().value == 5);
        assert!(cache.is_at_rest());
    });
    FOUND.at_least_once();
}

/// C8: a thread that invalidates and then clears the store leaves no value of an older creation in it.
#[test]
fn l6_nothing_older_is_stored_after_an_invalidation() {
    static SUPERSEDED: Reached = Reached::new();
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    check(|| {
        let cache = Cache::missing();
        let invalidates = spawn(&cache, |cache| {
            cache.lock.invalidate();
            cache.store.swap(0, Relaxed)
        });
        let access = spawn(&cache, Cache::access);
        let cleared = invalidates.join().unwrap();
        assert_eq!(access.join().unwrap().value, MADE, "its own caller gets it, superseded or not");
        let stored = cache.store.load(Relaxed);
        // If the newer value was stored first, the thread may have cleared that one as well. A getter will notice.
        assert!(stored == 0 || cache.lock.has_value(), "what is stored is fresh");
        SUPERSEDED.here_if(stored == 0 && !cache.lock.has_value());
        BEFORE.here_if(cleared == MADE && !cache.lock.has_value());
        AFTER.here_if(stored == MADE);
        assert!(cache.is_at_rest());
    });
    SUPERSEDED.at_least_once();
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// A stamped value in the store is trusted until this lock is told otherwise. After that it is not used any more.
#[test]
fn l6_a_stamp_does_not_outlive_an_invalidation() {
    static TRUSTED: Reached = Reached::new();
    static CREATED: Reached = Reached::new();
    check(|| {
        let clock = ManualClock::new();
        let now = clock.wall();
        let lock = Dogpile::with_clock(Duration::from_secs(1), clock);
        let cache = Arc::new(Cache { lock, store: AtomicUsize::new(1), created: AtomicUsize::new(0) });
        let stamped = move |cache: &Cache| {
            let getter = || cache.get().map(|value| Stamped { value, created: now });
            let setter = |made: &Stamped<usize>| cache.store.store(made.value, Relaxed);
            cache.lock.fetch_stamped(getter).and_set(setter).or_create(|| cache.make()).value
        };
        let invalidates = spawn(&cache, move |cache| {
            cache.lock.invalidate();
            stamped(cache)
        });
        let access = spawn(&cache, stamped);
        assert_eq!(invalidates.join().unwrap(), MADE, "the invalidating thread does not see the old value again");
        let value = access.join().unwrap();
        TRUSTED.here_if(value == 1);
        CREATED.here_if(value == MADE);
        assert_eq!(cache.created.load(Relaxed), 1);
        assert!(cache.is_at_rest());
    });
    TRUSTED.at_least_once();
    CREATED.at_least_once();
}
