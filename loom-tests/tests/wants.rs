//! What an access may ask of a value that is there: a newer value, against a creation that ends, a value that is set
//! and another such access; a new value within some time, against the creation that makes it; and a shared error,
//! against newcomers.
#![cfg(dogpile_loom)]

use Outcome::{Created, Fresh, TooSoon, Waited};
use dogpile::{Cached, CachedGuard, CreateError, Generation, ManualClock, Outcome, Policy};
use dogpile_loom_tests::{Reached, Slot, check, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

type Value = Cached<Slot, ManualClock>;

/// Returns a lock with the value 1, and the value's generation.
fn one(policy: Policy) -> (Arc<Value>, Generation) {
    let clock = ManualClock::new();
    clock.advance(Duration::from_secs(1));
    let cached = Cached::with_clock(Duration::from_secs(1), clock).with_shared_policy(Arc::new(policy));
    cached.set(Slot::from(1));
    let seen = CachedGuard::generation(&cached.peek().unwrap());
    (Arc::new(cached), seen)
}

fn plain() -> Policy {
    Policy::builder().build_const()
}

fn told(guard: &CachedGuard<Slot>) -> (Outcome, usize) {
    (CachedGuard::outcome(guard), guard.read())
}

fn renew(cached: &Value, seen: Generation, create: usize) -> (Outcome, usize) {
    told(&cached.access().renew_if(seen).or_create(|| Slot::from(create)))
}

fn is_at_rest(cached: &Value) -> bool {
    !cached.is_creating() && cached.waiting() == 0
}

/// L1: one of the two accesses creates, and neither gets again the value that both were refused with.
#[test]
fn k1_renew_if_against_another() {
    static WAITED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    check(|| {
        let (cached, seen) = one(plain());
        let other = spawn(&cached, move |cached| renew(cached, seen, 2));
        let (mine, others) = (renew(&cached, seen, 2), other.join().unwrap());
        assert_eq!((mine.1, others.1), (2, 2));
        assert!((mine.0 == Created) != (others.0 == Created));
        WAITED.here_if([mine.0, others.0].contains(&Waited));
        LATE.here_if([mine.0, others.0].contains(&Fresh));
        assert!(is_at_rest(&cached));
    });
    WAITED.at_least_once();
    LATE.at_least_once();
}

/// The value of a creation that runs already is newer.
#[test]
fn k1_renew_if_against_finish() {
    static WAITED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    static FIRST: Reached = Reached::new();
    check(|| {
        let (cached, seen) = one(plain());
        cached.mark_stale();
        let creating = spawn(&cached, |cached| told(&cached.get_or_create(|| Slot::from(2))));
        let mine = renew(&cached, seen, 3);
        let others = creating.join().unwrap();
        match mine {
            (Waited, 2) => WAITED.here(),
            (Fresh, 2) => LATE.here(),
            // Elected first: the other access had the old value, or this access's own.
            (Created, 3) => FIRST.here_if(others.1 == 1 || others.1 == 3),
            mine => panic!("{mine:?}, {others:?}"),
        }
        assert!(is_at_rest(&cached));
    });
    WAITED.at_least_once();
    LATE.at_least_once();
    FIRST.at_least_once();
}

/// A value that is set is newer than the refused one, and newer than one that is being created (L6).
#[test]
fn k1_renew_if_against_set() {
    static SET_FIRST: Reached = Reached::new();
    static SET_LAST: Reached = Reached::new();
    check(|| {
        let (cached, seen) = one(plain());
        let setter = spawn(&cached, |cached| cached.set(Slot::from(2)));
        let mine = renew(&cached, seen, 3);
        setter.join().unwrap();
        match mine {
            (Fresh, 2) => SET_FIRST.here(),
            (Created, 3) => SET_LAST.here(),
            mine => panic!("{mine:?}"),
        }
        // In either order the set value is the last one, unless the renewal began after it, for which it had no cause.
        assert_eq!(told(&cached.peek().unwrap()), (Fresh, 2));
        assert!(is_at_rest(&cached));
    });
    SET_FIRST.at_least_once();
    SET_LAST.at_least_once();
}

/// Both renewals fail, if they are elected. Within the interval only one is.
fn renewals_that_fail() {
    let policy = Policy::builder().renew_interval(Duration::from_secs(1)).build_const();
    let (cached, seen) = one(policy);
    let attempts = Arc::new(AtomicUsize::new(0));
    let renew = move |cached: &Value, attempts: &AtomicUsize| {
        let got = cached.access().renew_if(seen).or_try_create(|| {
            attempts.fetch_add(1, Relaxed);
            Err("down")
        });
        match got {
            Ok(guard) => assert_eq!(told(&guard), (TooSoon, 1)),
            Err(error) => assert_eq!(error, CreateError::Failed("down")),
        }
    };
    let other = {
        let attempts = Arc::clone(&attempts);
        spawn(&cached, move |cached| renew(cached, &attempts))
    };
    renew(&cached, &attempts);
    other.join().unwrap();
    assert_eq!(attempts.load(Relaxed), 1, "two renewals in one interval");
    assert!(is_at_rest(&cached));
}

#[test]
fn k1_renewals_that_fail_within_an_interval() {
    check(renewals_that_fail);
}

/// C16: the end of the creation is not missed.
#[test]
fn k4_soft_wait_against_finish() {
    static WAITED: Reached = Reached::new();
    static LATE: Reached = Reached::new();
    static FIRST: Reached = Reached::new();
    check(|| {
        let (cached, _) = one(plain());
        cached.mark_stale();
        let creating = spawn(&cached, |cached| told(&cached.get_or_create(|| Slot::from(2))));
        match told(&cached.access().soft_timeout(Duration::MAX).or_create(|| Slot::from(3))) {
            (Waited, 2) => WAITED.here(),
            (Fresh, 2) => LATE.here(),
            (Created, 3) => FIRST.here(),
            mine => panic!("{mine:?}"),
        }
        creating.join().unwrap();
        assert!(is_at_rest(&cached));
    });
    WAITED.at_least_once();
    LATE.at_least_once();
    FIRST.at_least_once();
}

/// Nor is the end of a creation that fails.
#[test]
fn k4_soft_wait_against_failure() {
    static ELECTED: Reached = Reached::new();
    static OLD: Reached = Reached::new();
    check(|| {
        let (cached, _) = one(plain());
        cached.mark_stale();
        let creating = spawn(&cached, |cached| cached.get_or_try_create(|| Err("down")).map(|guard| told(&guard)));
        match told(&cached.access().soft_timeout(Duration::MAX).or_create(|| Slot::from(3))) {
            (Created, 3) => ELECTED.here(),
            (Outcome::Stale, 1) => OLD.here(),
            mine => panic!("{mine:?}"),
        }
        let _ = creating.join().unwrap();
        assert!(is_at_rest(&cached));
    });
    ELECTED.at_least_once();
}

/// One access fails. The other waits for it, or comes late: it gets that error, or calls its own creator.
#[test]
fn k7_shared_error_against_a_waiter() {
    static SHARED: Reached = Reached::new();
    static ALONE: Reached = Reached::new();
    check(|| {
        let cached: Arc<Value> = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        let get = |cached: &Value, own: usize| {
            let got = cached.access().share_errors().or_try_create(|| Err::<Slot, _>(own));
            let Err(CreateError::Failed(error)) = got else { panic!("it has not failed: {got:?}") };
            error
        };
        let other = spawn(&cached, move |cached| get(cached, 1));
        let (mine, others) = (get(&cached, 2), other.join().unwrap());
        SHARED.here_if(mine == others);
        ALONE.here_if((mine, others) == (2, 1));
        assert!([(1, 1), (2, 2), (2, 1)].contains(&(mine, others)));
        assert!(is_at_rest(&cached));
    });
    SHARED.at_least_once();
    ALONE.at_least_once();
}
