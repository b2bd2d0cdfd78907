//! The deadline word: stamping a value that was born fresh, and what the word's readers see.
#![cfg(dogpile_loom)]

use dogpile::model::{Expiry, Look};
use dogpile::{Clock, Freshness};
use dogpile_loom_tests::{Reached, Slot, check, spawn};
use loom::sync::Mutex;
use std::sync::Arc;
// Outside the model's view: the order of events.
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const LIFETIME: u64 = 5;
const FRESH: Look = Look::Known(Freshness::Fresh);
const STALE: Look = Look::Known(Freshness::Stale);
const MISSING: Look = Look::Known(Freshness::Missing);

/// A clock that shows the given time.
struct At(u64);

impl Clock for At {
    fn now(&self) -> u64 {
        self.0
    }
}

struct Model {
    expiry: Expiry,
    /// The layer above holds this mutex while it stores a deadline.
    mutex: Mutex<()>,
    slot: Slot,
}

impl Model {
    fn with(expiry: Expiry) -> Arc<Self> {
        Arc::new(Self { expiry, mutex: Mutex::new(()), slot: Slot::new() })
    }

    fn missing() -> Arc<Self> {
        Self::with(Expiry::missing(Duration::from_nanos(LIFETIME)))
    }

    fn born() -> Arc<Self> {
        let mut expiry = Expiry::missing(Duration::from_nanos(LIFETIME));
        expiry.be_born();
        Self::with(expiry)
    }

    fn locked(&self, change: impl FnOnce(&Expiry)) {
        let _guard = self.mutex.lock().unwrap();
        change(&self.expiry);
    }

    /// Creates: writes the value, then the deadline.
    fn create(&self, now: u64) {
        self.slot.write(1);
        self.locked(|expiry| expiry.renew(now));
    }
}

/// Two first accesses, at 10 and at 20: one of them stamps, and from then on both see its deadline. The stamp is from
/// the same access, once both have gone on.
#[test]
fn l11_exactly_one_access_stamps_a_born_fresh_value() {
    static FIRST: Reached = Reached::new();
    static SECOND: Reached = Reached::new();
    check(|| {
        let shared = Model::born();
        let stamp = |shared: &Model, now| {
            shared.expiry.stamp_born(now);
            shared.expiry.look(10 + LIFETIME)
        };
        let there = spawn(&shared, move |shared| stamp(shared, 20));
        let here = stamp(&shared, 10);
        let there = there.join().unwrap();
        assert_eq!(here, there, "the deadline was stored twice");
        assert_eq!(shared.expiry.look(20 + LIFETIME), Look::Passed);
        let since = if here == Look::Passed { 10 } else { 20 };
        assert_eq!(shared.expiry.age(&At(30)), Some(Duration::from_nanos(30 - since)));
        if here == Look::Passed { FIRST.here() } else { SECOND.here() }
    });
    FIRST.at_least_once();
    SECOND.at_least_once();
}

/// A mark or an invalidation under the mutex stands, whether the first access stamps before it, after it or in between.
#[test]
fn l6_a_stamp_does_not_undo_a_mark_or_an_invalidation() {
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    let mark_stale: fn(&Expiry) = |expiry| expiry.mark_stale(10);
    for (change, left) in [(mark_stale, STALE), (Expiry::forget, MISSING)] {
        check(move || {
            let shared = Model::born();
            let other = spawn(&shared, move |shared| {
                shared.locked(change);
                assert_eq!(shared.expiry.look(10), left);
            });
            let stamper = spawn(&shared, move |shared| {
                shared.expiry.stamp_born(10);
                let seen = shared.expiry.look(10);
                assert!(seen == FRESH || seen == left, "{seen:?}");
                BEFORE.here_if(seen == FRESH);
                AFTER.here_if(seen == left);
            });
            other.join().unwrap();
            stamper.join().unwrap();
            assert_eq!(shared.expiry.look(10), left);
        });
    }
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// An invalidation and a creation, and a first access that began before both and stamps: the deadline is the
/// creation's, and so is the stamp.
#[test]
fn l6_a_late_stamp_does_not_touch_a_value_created_since() {
    static LATE: Reached = Reached::new();
    check(|| {
        let shared = Model::born();
        let created = Arc::new(AtomicBool::new(false));
        let other = {
            let created = Arc::clone(&created);
            spawn(&shared, move |shared| {
                shared.locked(Expiry::forget);
                shared.locked(|expiry| expiry.renew(20));
                created.store(true, Relaxed);
            })
        };
        let stamper = spawn(&shared, move |shared| {
            let late = created.load(Relaxed);
            shared.expiry.stamp_born(10);
            late
        });
        other.join().unwrap();
        let late = stamper.join().unwrap();
        assert_eq!(shared.expiry.look(20 + LIFETIME - 1), FRESH);
        assert_eq!(shared.expiry.look(20 + LIFETIME), Look::Passed);
        assert_eq!(shared.expiry.age(&At(30)), Some(Duration::from_nanos(10)));
        LATE.here_if(late);
    });
    LATE.at_least_once();
}

#[test]
fn l4_an_access_that_sees_a_fresh_deadline_sees_the_value() {
    static SEEN: Reached = Reached::new();
    for lifetime in [Duration::from_nanos(LIFETIME), Duration::MAX] {
        check(move || {
            let shared = Model::with(Expiry::missing(lifetime));
            let creator = spawn(&shared, |shared| shared.create(10));
            if shared.expiry.unless_fresh(&At(12)).is_none() {
                SEEN.here();
                assert_eq!(shared.slot.read(), 1);
            }
            creator.join().unwrap();
        });
    }
    SEEN.at_least_once();
}

#[test]
fn l4_an_access_that_sees_a_stale_deadline_sees_the_value() {
    static FRESH_ONCE: Reached = Reached::new();
    static STALE_ONCE: Reached = Reached::new();
    for renew in [Expiry::renew as fn(&Expiry, u64), Expiry::renew_stale] {
        for now in [12, 20] {
            check(move || {
                let shared = Model::missing();
                let creator = spawn(&shared, move |shared| {
                    shared.slot.write(1);
                    shared.locked(|expiry| renew(expiry, 10));
                });
                let seen = shared.expiry.look(now);
                if seen != MISSING {
                    assert_eq!(shared.slot.read(), 1);
                }
                FRESH_ONCE.here_if(seen == FRESH);
                STALE_ONCE.here_if(seen == STALE);
                creator.join().unwrap();
            });
        }
    }
    FRESH_ONCE.at_least_once();
    STALE_ONCE.at_least_once();
}

/// A third thread marks the value. That thread has not looked at the value itself.
#[test]
fn l4_an_access_that_sees_a_marked_value_sees_the_value() {
    static SEEN: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        let creator = spawn(&shared, |shared| shared.create(10));
        let marker = spawn(&shared, |shared| shared.locked(|expiry| expiry.mark_stale(11)));
        let reader = spawn(&shared, |shared| match shared.expiry.look(12) {
            MISSING => {}
            seen => {
                SEEN.here_if(seen == STALE);
                assert_eq!(shared.slot.read(), 1);
            }
        });
        for thread in [creator, marker, reader] {
            thread.join().unwrap();
        }
    });
    SEEN.at_least_once();
}

#[test]
fn l4_an_access_that_finds_the_value_missing_sees_why() {
    static SEEN: Reached = Reached::new();
    check(|| {
        let shared = Model::missing();
        shared.locked(|expiry| expiry.renew(10));
        let other = spawn(&shared, |shared| {
            shared.slot.write(1);
            shared.locked(Expiry::forget);
        });
        if shared.expiry.look(12) == MISSING {
            SEEN.here();
            assert_eq!(shared.slot.read(), 1);
        }
        other.join().unwrap();
    });
    SEEN.at_least_once();
}

/// Once the stamp is there, an age belongs to the creation of the deadline, or to a later one.
#[test]
fn l4_an_age_is_not_older_than_the_value() {
    check(|| {
        let shared = Model::missing();
        shared.locked(|expiry| expiry.renew(10));
        let creator = spawn(&shared, |shared| shared.locked(|expiry| expiry.renew(20)));
        let renewed = shared.expiry.look(10 + LIFETIME) == FRESH;
        let age = shared.expiry.age(&At(30)).expect("there is a value");
        if renewed {
            assert_eq!(age, Duration::from_nanos(10));
        }
        creator.join().unwrap();
    });
}
