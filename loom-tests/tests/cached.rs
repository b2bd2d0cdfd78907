//! The lock that owns its value: publishing against reading, setting against creating, finding unchanged against
//! invalidating, and the values that waiters get.
//!
//! The value is a [`Slot`], which its creator writes. So loom checks, for each read of it, that the write came before.
#![cfg(dogpile_loom)]

use Outcome::{Created, Fresh, Stale, Waited};
use dogpile::{Cached, CachedGuard, Freshness, Made, ManualClock, Outcome, Reader};
use dogpile_loom_tests::{Reached, Slot, check, spawn};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

type Value = Cached<Slot, ManualClock>;

fn missing() -> Arc<Value> {
    Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()))
}

/// A value of 1 that is stale.
fn stale() -> Arc<Value> {
    let cached = fresh();
    cached.mark_stale();
    cached
}

/// A value of 1 that is fresh.
fn fresh() -> Arc<Value> {
    let cached = missing();
    cached.set(Slot::from(1));
    cached
}

fn told(guard: &CachedGuard<Slot>) -> (Outcome, usize) {
    (CachedGuard::outcome(guard), guard.read())
}

fn get(cached: &Value, create: usize) -> (Outcome, usize) {
    told(&cached.get_or_create(|| Slot::from(create)))
}

fn is_at_rest(cached: &Value) -> bool {
    !cached.is_creating() && cached.waiting() == 0
}

/// One thread creates, and the other waits or comes late. Both read what was written.
#[test]
fn l4_two_threads_and_no_value() {
    static HIT: Reached = Reached::new();
    static WAITED: Reached = Reached::new();
    check(|| {
        let cached = missing();
        let other = spawn(&cached, |cached| get(cached, 1));
        let (mine, others) = (get(&cached, 1), other.join().unwrap());
        HIT.here_if([mine.0, others.0].contains(&Fresh));
        WAITED.here_if([mine.0, others.0].contains(&Waited));
        assert_eq!((mine.1, others.1), (1, 1));
        assert!((mine.0 == Created) != (others.0 == Created));
        assert!(is_at_rest(&cached));
    });
    HIT.at_least_once();
    WAITED.at_least_once();
}

/// An access that finds the value fresh reads the new one: the value is there before its deadline is.
#[test]
fn l4_publish_against_read() {
    static OLD: Reached = Reached::new();
    static NEW: Reached = Reached::new();
    check(|| {
        let cached = stale();
        let creator = spawn(&cached, |cached| get(cached, 2));
        // The writer is spawned first, and the reader is spawned as well: see the crate's docs.
        let reader = spawn(&cached, |cached| {
            let read = cached.peek().map(|guard| told(&guard));
            (read, cached.get_fresh().map(|guard| told(&guard)))
        });
        let made = creator.join().unwrap();
        let (read, hit) = reader.join().unwrap();
        assert!([(Stale, 1), (Stale, 2), (Fresh, 2)].contains(&read.unwrap()), "{read:?}");
        assert!(hit.is_none_or(|hit| hit == (Fresh, 2)), "{hit:?}");
        OLD.here_if(read == Some((Stale, 1)) && hit.is_none());
        NEW.here_if(hit.is_some());
        assert_eq!(made, (Created, 2));
    });
    OLD.at_least_once();
    NEW.at_least_once();
}

/// Readers of an old value go on with it or find the new one. None of them waits, and at most one creates at a time.
#[test]
fn l2_two_readers_of_an_old_value() {
    static CARRIED_ON: Reached = Reached::new();
    check(|| {
        let cached = stale();
        let others = [2, 3].map(|value| spawn(&cached, move |cached| get(cached, value)));
        let got = others.map(|other| other.join().unwrap());
        CARRIED_ON.here_if(got.contains(&(Stale, 1)));
        for (reader, got) in got.into_iter().enumerate() {
            let own = reader + 2;
            // (In the very moment of publishing, an access that has found the old value's deadline may find the new
            // value.)
            assert!([(Stale, 1), (Created, own), (Fresh, 5 - own), (Stale, 5 - own)].contains(&got), "{got:?}");
        }
        assert_eq!(cached.stats().waits, 0, "a reader of an old value has waited");
        assert!(is_at_rest(&cached));
    });
    CARRIED_ON.at_least_once();
}

/// An access that begins after an invalidation does not read the invalidated value.
#[test]
fn l6_invalidate_against_read() {
    static OVERTAKEN: Reached = Reached::new();
    check(|| {
        let cached = fresh();
        let invalidator = spawn(&cached, |cached| {
            cached.invalidate();
            get(cached, 2)
        });
        let hit = cached.get_fresh().map(|guard| told(&guard));
        let got = get(&cached, 3);
        OVERTAKEN.here_if(hit.is_none() && got != (Fresh, 1));
        assert!(hit.is_none_or(|hit| [(Fresh, 1), (Fresh, 2)].contains(&hit)), "{hit:?}");
        let after = invalidator.join().unwrap();
        assert!([(Created, 2), (Waited, 3), (Fresh, 3)].contains(&after), "{after:?}");
        assert!([(Fresh, 1), (Fresh, 2), (Waited, 2), (Created, 3)].contains(&got), "{got:?}");
        assert!(is_at_rest(&cached));
    });
    OVERTAKEN.at_least_once();
}

/// Of a value that is set and a value that is created, the set one stays (C6), and a waiter is served by either. Loom
/// loses some orders if the setter is spawned first, and some others if the creator is.
fn set_against_creation(setter_first: bool, reached: impl Fn((Outcome, usize), bool) + Copy + Send + Sync + 'static) {
    check(move || {
        let cached = missing();
        let set = || spawn(&cached, |cached| cached.set(Slot::from(7)));
        let early = setter_first.then(set);
        let creator = spawn(&cached, |cached| {
            let made = cached.get_or_create(|| Slot::from(1));
            (told(&made), CachedGuard::generation(&made) < cached.generation())
        });
        let setter = early.unwrap_or_else(set);
        let got = get(&cached, 2);
        let (made, is_old) = creator.join().unwrap();
        setter.join().unwrap();
        reached(got, made == (Created, 1) && is_old);
        assert_eq!(cached.get_fresh().map(|guard| told(&guard)), Some((Fresh, 7)));
        assert!([(Waited, 7), (Waited, 1), (Fresh, 7), (Fresh, 1), (Created, 2)].contains(&got), "{got:?}");
        assert!(is_at_rest(&cached));
    });
}

#[test]
fn c6_set_before_or_during_a_creation() {
    static SERVED_BY_SET: Reached = Reached::new();
    static SUPERSEDED: Reached = Reached::new();
    set_against_creation(true, |got, superseded| {
        SERVED_BY_SET.here_if(got == (Waited, 7));
        SUPERSEDED.here_if(superseded);
    });
    SERVED_BY_SET.at_least_once();
    SUPERSEDED.at_least_once();
}

#[test]
fn c6_set_during_or_after_a_creation() {
    static SERVED_BY_CREATION: Reached = Reached::new();
    set_against_creation(false, |got, _| SERVED_BY_CREATION.here_if(got == (Waited, 1)));
    SERVED_BY_CREATION.at_least_once();
}

/// A value is set while no thread creates. No creation replaces it: an access that is elected had seen no value, and
/// its creation is superseded.
#[test]
fn c6_set_against_election() {
    static ELECTED: Reached = Reached::new();
    check(|| {
        let cached = stale();
        let setter = spawn(&cached, |cached| cached.set(Slot::from(7)));
        let got = get(&cached, 2);
        ELECTED.here_if(got == (Created, 2));
        setter.join().unwrap();
        // An access that is elected after the set would have had no reason to create.
        assert_eq!(cached.get_fresh().map(|guard| told(&guard)), Some((Fresh, 7)));
    });
    ELECTED.at_least_once();
}

/// An old value that is invalidated before or while a creator finds it unchanged does not come back.
#[test]
fn l6_unchanged_against_invalidation() {
    static UNCHANGED: Reached = Reached::new();
    static ANEW: Reached = Reached::new();
    check(|| {
        let cached = stale();
        let invalidator = spawn(&cached, Value::invalidate);
        let renewed =
            cached.access().or_create_with(|renewal| renewal.unchanged().unwrap_or_else(|| Made::new(Slot::from(2))));
        invalidator.join().unwrap();
        UNCHANGED.here_if(renewed.read() == 1);
        ANEW.here_if(renewed.read() == 2);
        // In whatever order, the old value is not there any more.
        if let Some(left) = cached.peek() {
            assert_eq!(left.read(), 2);
        }
        assert!(is_at_rest(&cached));
    });
    UNCHANGED.at_least_once();
    ANEW.at_least_once();
}

/// A waiter is served even if the value is superseded before it is finished, or invalidated before the waiter has
/// looked.
#[test]
fn l3_a_waiter_is_served_whatever_becomes_of_the_value() {
    static SUPERSEDED: Reached = Reached::new();
    static GONE: Reached = Reached::new();
    check(|| {
        let cached = missing();
        let invalidator = spawn(&cached, Value::invalidate);
        let creator = spawn(&cached, |cached| get(cached, 1));
        let guard = cached.get_or_create(|| Slot::from(2));
        let got = told(&guard);
        SUPERSEDED.here_if(got == (Waited, 1) && CachedGuard::generation(&guard) < cached.generation());
        GONE.here_if(got == (Waited, 1) && cached.freshness() == Freshness::Missing);
        assert!([(Waited, 1), (Fresh, 1), (Created, 2)].contains(&got), "{got:?}");
        creator.join().unwrap();
        invalidator.join().unwrap();
        assert!(is_at_rest(&cached));
    });
    SUPERSEDED.at_least_once();
    GONE.at_least_once();
}

/// A refresh does not accept the value of a creation that may have begun before it.
#[test]
fn mark_and_create_anew_against_a_creation() {
    static WAITED_FOR: Reached = Reached::new();
    check(|| {
        let function =
            Arc::new(dogpile::CachedFn::with_clock(Duration::from_secs(1), ManualClock::new(), || Slot::from(0)));
        let other = {
            let function = Arc::clone(&function);
            thread::spawn(move || CachedGuard::outcome(&function.get()))
        };
        let refreshed = CachedGuard::outcome(&function.refresh());
        let other = other.join().unwrap();
        WAITED_FOR.here_if(refreshed == Created && other == Created);
        assert!([Created, Fresh].contains(&refreshed), "{refreshed:?}");
        assert!(!function.is_creating());
    });
    WAITED_FOR.at_least_once();
}

/// An access that comes after an invalidation waits, and is served by a value that is set. It does not get the value
/// that the invalidation superseded and that is finished before the access has looked.
#[test]
fn l6_a_superseded_value_does_not_take_the_place_of_the_one_that_served() {
    static SERVED_BY_SET: Reached = Reached::new();
    check(|| {
        let cached = missing();
        let setter = spawn(&cached, |cached| cached.set(Slot::from(8)));
        let creator = spawn(&cached, |cached| get(cached, 1));
        cached.invalidate();
        let since = cached.generation();
        let guard = cached.get_or_create(|| Slot::from(2));
        SERVED_BY_SET.here_if(told(&guard) == (Waited, 8));
        creator.join().unwrap();
        setter.join().unwrap();
        // The access's own value is older than that if another value was set while it was created.
        let (outcome, value) = told(&guard);
        assert!(outcome == Created || CachedGuard::generation(&guard) >= since, "{outcome:?}, {value}");
    });
    SERVED_BY_SET.at_least_once();
}

/// A value that must not serve stale is published, and marked stale at once. Another creation runs before the access
/// has looked at all. The access does not go on with the value that must not serve.
#[test]
fn k2_a_value_that_must_not_serve_stale_against_an_access_that_has_looked() {
    static MISSED: Reached = Reached::new();
    static HIT: Reached = Reached::new();
    check(|| {
        let cached = missing();
        let creator = spawn(&cached, |cached| {
            drop(cached.access().or_create_with(|_| Made::new(Slot::from(1)).max_stale(Duration::ZERO)));
            cached.mark_stale();
        });
        let asked = cached.access().timeout(Duration::ZERO).or_try_create(|| Err::<Slot, _>("left as it is"));
        match asked {
            Ok(guard) => {
                HIT.here();
                assert_eq!(told(&guard), (Fresh, 1));
            }
            Err(_) => MISSED.here(),
        }
        creator.join().unwrap();
        assert_eq!(cached.freshness(), Freshness::Missing);
        assert!(is_at_rest(&cached));
    });
    MISSED.at_least_once();
    HIT.at_least_once();
}

/// The old value serves however old it is, and the new one only until it expires. An access that looks while the new
/// value takes the old one's place finds either of them, and never none. An access that finds the new one sees all that
/// its creator wrote (L4).
#[test]
fn k2_the_bound_of_a_value_does_not_hide_the_one_before() {
    static OLD: Reached = Reached::new();
    static NEW: Reached = Reached::new();
    for marked in [true, false] {
        check(move || {
            let cached = missing();
            drop(cached.access().or_create_with(|_| {
                let made = Made::new(Slot::from(1)).max_stale(Duration::MAX);
                if marked { made } else { made.expires_after(Duration::ZERO) }
            }));
            if marked {
                cached.mark_stale();
            }
            let creator = spawn(&cached, |cached| {
                told(&cached.access().or_create_with(|_| {
                    Made::new(Slot::from(2)).max_stale(Duration::ZERO).expires_after(Duration::MAX)
                }))
            });
            let found = cached.peek().map(|guard| guard.read());
            OLD.here_if(found == Some(1));
            NEW.here_if(found == Some(2));
            assert!(found.is_some());
            assert_ne!(cached.freshness(), Freshness::Missing);
            assert_eq!(creator.join().unwrap(), (Created, 2));
        });
    }
    OLD.at_least_once();
    NEW.at_least_once();
}

/// Returns the outcome of the reader's access, and its value.
fn read(reader: &mut Reader<'_, Slot, ManualClock>, create: usize) -> (Outcome, usize) {
    let value = reader.get_or_create(|| Slot::from(create)).read();
    (reader.outcome().unwrap(), value)
}

/// A reader that holds the old value goes on with it, creates, or returns the new one. It never returns the old one as
/// fresh.
#[test]
fn l4_publish_against_a_reader_that_holds_the_old_value() {
    static OLD: Reached = Reached::new();
    static NEW: Reached = Reached::new();
    check(|| {
        let cached = stale();
        let creator = spawn(&cached, |cached| get(cached, 2));
        let reader = spawn(&cached, |cached| {
            let mut reader = cached.reader();
            let first = reader.peek().map(Slot::read);
            (first, read(&mut reader, 3), reader.by(Cached::get_fresh).map(Slot::read))
        });
        let made = creator.join().unwrap();
        let (first, got, fresh) = reader.join().unwrap();
        OLD.here_if(first == Some(1) && got == (Stale, 1));
        NEW.here_if(first == Some(1) && got == (Fresh, 2));
        assert!([(Stale, 1), (Stale, 2), (Fresh, 2), (Created, 3)].contains(&got), "{got:?}");
        assert!(fresh.is_none_or(|fresh| fresh != 1), "{fresh:?}");
        assert!([(Created, 2), (Stale, 1), (Stale, 3), (Fresh, 3)].contains(&made), "{made:?}");
        assert!(is_at_rest(&cached));
    });
    OLD.at_least_once();
    NEW.at_least_once();
}

/// A reader that was told of the new value does not return the old one, even if that is still fresh as well.
#[test]
fn l4_a_reader_that_was_told_of_the_new_value_returns_it() {
    static TOLD: Reached = Reached::new();
    static UNTOLD: Reached = Reached::new();
    check(|| {
        let cached = fresh();
        let tells = Arc::new(AtomicBool::new(false));
        let setter = {
            let tells = Arc::clone(&tells);
            spawn(&cached, move |cached| {
                cached.set(Slot::from(2));
                tells.store(true, Ordering::Release);
            })
        };
        let reader = spawn(&cached, move |cached| {
            let mut reader = cached.reader();
            let first = read(&mut reader, 3);
            let told = tells.load(Ordering::Acquire);
            (first, told, read(&mut reader, 3))
        });
        setter.join().unwrap();
        let (first, told, then) = reader.join().unwrap();
        TOLD.here_if(first == (Fresh, 1) && told);
        UNTOLD.here_if(then == (Fresh, 1));
        assert!([(Fresh, 1), (Fresh, 2)].contains(&first), "{first:?}");
        assert!(then == (Fresh, 2) || (!told && then == (Fresh, 1)), "{told}: {then:?}");
    });
    TOLD.at_least_once();
    UNTOLD.at_least_once();
}

/// A value that is invalidated while a reader holds it is not returned by an access that begins after that.
#[test]
fn l6_invalidation_against_a_reader() {
    static OVERTAKEN: Reached = Reached::new();
    static TOLD: Reached = Reached::new();
    check(|| {
        let cached = fresh();
        let tells = Arc::new(AtomicBool::new(false));
        let invalidator = {
            let tells = Arc::clone(&tells);
            spawn(&cached, move |cached| {
                cached.invalidate();
                tells.store(true, Ordering::Release);
            })
        };
        let reader = spawn(&cached, move |cached| {
            let mut reader = cached.reader();
            let first = reader.by(Cached::get_fresh).map(Slot::read);
            let told = tells.load(Ordering::Acquire);
            let then = read(&mut reader, 3);
            (first, told, then)
        });
        invalidator.join().unwrap();
        let (first, told, then) = reader.join().unwrap();
        OVERTAKEN.here_if(first == Some(1) && then == (Created, 3));
        TOLD.here_if(told);
        assert!(first.is_none_or(|first| first == 1), "{first:?}");
        assert!(then == (Created, 3) || (!told && then == (Fresh, 1)), "{told}: {then:?}");
        assert!(is_at_rest(&cached));
    });
    OVERTAKEN.at_least_once();
    TOLD.at_least_once();
}
