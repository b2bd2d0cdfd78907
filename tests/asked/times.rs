//! When a value expires and is due, and how old the value of a guard is.

use crate::{Clock, HALF, Lock, MINUTE, NANO, PAUSING, SECOND, elected, manual, on_each_type, ruled};
use dogpile::{
    Cached, CachedFn, CachedGuard, Clock as _, Dogpile, Finished, Freshness, Made, ManualClock, Outcome, Policy,
    Registry, Stamped, Status,
};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

static PLAIN: Policy = Policy::builder().build_const();
static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
static AT_HALF_PAUSING: Policy =
    Policy::builder().refresh_at(0.5).retry_after(dogpile::Backoff::new(SECOND, SECOND).jitter(0.0)).build_const();
static EARLY: Policy = Policy::builder().refresh_early(1.0).build_const();
static JITTERY_AT_HALF: Policy = Policy::builder().jitter(0.9).refresh_at(0.5).build_const();
static SHORT_LIVED: Policy = Policy::builder().max_stale(SECOND).build_const();
static NEVER_STALE: Policy = Policy::builder().max_stale(ZERO).build_const();
static TRUSTS_NOBODY: Policy = Policy::builder().max_skew(ZERO).refresh_at(0.5).build_const();

fn less(time: Duration, by: Duration) -> Duration {
    time.checked_sub(by).unwrap()
}

/// Returns when the value expires, and when it is due.
fn times(lock: &Status<impl dogpile::Clock>) -> (Option<Duration>, Duration) {
    (lock.expires_in(), lock.due_in())
}

#[test]
fn k3_each_type_tells_when_its_value_expires_and_is_due() {
    on_each_type(|lock| {
        let (name, status) = (lock.name, lock.status);
        assert_eq!(times(status), (None, ZERO), "{name}");
        (lock.publish)();
        assert_eq!(times(status), (Some(MINUTE), MINUTE), "{name}");
        lock.clock.advance(less(MINUTE, NANO));
        assert_eq!(times(status), (Some(NANO), NANO), "{name}");
        lock.clock.advance(NANO);
        assert_eq!(times(status), (Some(ZERO), ZERO), "{name}");
        lock.clock.advance(MINUTE);
        assert_eq!(times(status), (Some(ZERO), ZERO), "{name}");
        (lock.fail)();
        assert_eq!(times(status), (Some(ZERO), ZERO), "{name}");
        (lock.publish)();
        assert_eq!(times(status), (Some(MINUTE), MINUTE), "{name}");
        (lock.invalidate)();
        assert_eq!(times(status), (None, ZERO), "{name}");
    });
}

#[test]
fn k3_times_of_endless_zero_and_marked_values() {
    let (never, clock) = manual(NEVER);
    never.acquire_or_create(|| ());
    clock.advance(NEVER);
    assert_eq!(times(&never), (Some(NEVER), NEVER));
    never.mark_stale();
    assert_eq!(times(&never), (Some(ZERO), ZERO));
    let (none, _) = manual(ZERO);
    none.acquire_or_create(|| ());
    assert_eq!(times(&none), (Some(ZERO), ZERO));
    let never = Dogpile::never_expires().with_policy(&AT_HALF);
    never.acquire_or_create(|| ());
    assert_eq!(times(&never), (Some(NEVER), NEVER), "half of no end");
    // A value that is marked stale while it is created.
    let (lock, _) = manual(MINUTE);
    let creation = elected(&lock);
    lock.mark_stale();
    assert_eq!(creation.finish(), Finished::PublishedStale);
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
}

#[test]
fn k3_the_lifetime_of_a_born_fresh_lock_begins_at_its_first_access() {
    let born = |expires_after, policy| {
        let clock = Arc::new(ManualClock::new());
        (Dogpile::with_clock(expires_after, Arc::clone(&clock)).born_fresh().with_policy(policy), clock)
    };
    let (lock, clock) = born(MINUTE, &PLAIN);
    clock.advance(MINUTE * 5);
    assert_eq!(times(&lock), (Some(MINUTE), MINUTE));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
    clock.advance(SECOND);
    assert_eq!(times(&lock), (Some(less(MINUTE, SECOND)), less(MINUTE, SECOND)));
    let (lock, clock) = born(MINUTE, &AT_HALF);
    clock.advance(MINUTE * 5);
    assert_eq!(times(&lock), (Some(MINUTE), HALF));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
    clock.advance(SECOND);
    assert_eq!(times(&lock), (Some(less(MINUTE, SECOND)), less(HALF, SECOND)));
    assert_eq!(times(&born(NEVER, &AT_HALF).0), (Some(NEVER), NEVER));
    assert_eq!(times(&born(ZERO, &PLAIN).0), (Some(ZERO), ZERO));
}

#[test]
fn k3_a_value_is_due_when_its_policy_says() {
    let (lock, clock) = ruled(&AT_HALF);
    lock.acquire_or_create(|| ());
    assert_eq!(times(&lock), (Some(MINUTE), HALF));
    clock.advance(less(HALF, NANO));
    assert_eq!(times(&lock), (Some(HALF + NANO), NANO));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh, "not a nanosecond early");
    clock.advance(NANO);
    assert_eq!(times(&lock), (Some(HALF), ZERO));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
    // Renewal at random: accesses draw from 37 times the creation's cost before the expiry on.
    let (lock, clock) = ruled(&EARLY);
    lock.acquire_or_create(|| clock.advance(SECOND));
    assert_eq!(times(&lock), (Some(MINUTE), less(MINUTE, SECOND * 37)));
    clock.advance(HALF);
    assert_eq!(times(&lock), (Some(HALF), ZERO));
    // The value is due at half of its lifetime, however much of that the jitter takes.
    for _ in 0..20 {
        let (lock, clock) = ruled(&JITTERY_AT_HALF);
        lock.acquire_or_create(|| ());
        let (expires_in, due_in) = (lock.expires_in().unwrap(), lock.due_in());
        assert!((MINUTE / 10..=MINUTE).contains(&expires_in), "{expires_in:?}");
        assert!(due_in.abs_diff(expires_in / 2) <= NANO * 8, "{due_in:?} of {expires_in:?}");
        clock.advance(less(due_in, NANO));
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
        clock.advance(less(expires_in, due_in));
        assert_eq!((lock.expires_in(), lock.freshness()), (Some(NANO), Freshness::Fresh));
        clock.advance(NANO);
        assert_eq!((lock.expires_in(), lock.freshness()), (Some(ZERO), Freshness::Stale));
    }
}

#[test]
fn k3_a_value_that_is_too_old_has_no_expiry() {
    let (lock, clock) = ruled(&SHORT_LIVED);
    lock.acquire_or_create(|| ());
    assert_eq!(times(&lock), (Some(MINUTE), MINUTE));
    clock.advance(less(MINUTE + SECOND, NANO));
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
    clock.advance(NANO);
    assert_eq!(times(&lock), (None, ZERO));
    let (lock, clock) = ruled(&NEVER_STALE);
    lock.acquire_or_create(|| ());
    clock.advance(less(MINUTE, NANO));
    assert_eq!(times(&lock), (Some(NANO), NANO));
    clock.advance(NANO);
    assert_eq!(times(&lock), (None, ZERO));
}

#[test]
fn k3_nothing_is_due_before_the_end_of_a_pause() {
    let fail = |lock: &Lock| assert!(lock.acquire_or_try_create(|| Err("no answer")).is_err());
    let (lock, clock) = ruled(&PAUSING);
    fail(&lock);
    assert_eq!(times(&lock), (None, SECOND));
    clock.advance(SECOND);
    assert_eq!(times(&lock), (None, ZERO));
    let (lock, clock) = ruled(&AT_HALF_PAUSING);
    lock.acquire_or_create(|| ());
    clock.advance(HALF);
    fail(&lock);
    assert_eq!(times(&lock), (Some(HALF), SECOND));
    clock.advance(less(SECOND, NANO));
    assert_eq!(times(&lock), (Some(less(HALF, SECOND) + NANO), NANO));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
    clock.advance(NANO);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    assert_eq!(times(&lock), (Some(MINUTE), HALF));
}

#[test]
fn k3_a_value_with_a_lifetime_of_its_own() {
    for (policy, due_after) in [(&PAUSING, MINUTE * 10), (&AT_HALF, MINUTE * 5)] {
        let clock = Arc::new(ManualClock::new());
        let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
        cached.access().or_create_with(|_| Made::new(1).expires_after(MINUTE * 10));
        assert_eq!(times(&cached), (Some(MINUTE * 10), due_after));
        cached.set_expiring(2, NEVER);
        assert_eq!(times(&cached), (Some(NEVER), NEVER));
        cached.set_expiring(3, MINUTE * 10);
        clock.advance(SECOND);
        assert_eq!(times(&cached), (Some(less(MINUTE * 10, SECOND)), less(due_after, SECOND)));
        cached.set_expiring(4, ZERO);
        assert_eq!(times(&cached), (Some(ZERO), ZERO));
        cached.set(5);
        assert_eq!(cached.expires_in(), Some(MINUTE));
    }
}

/// Returns a lock in stamped getter mode whose getter has returned a value of that age.
fn brought(policy: &'static Policy, age: Duration) -> (Arc<Lock>, Clock) {
    let (lock, clock) = ruled(policy);
    clock.advance(MINUTE * 10);
    let created = clock.wall() - age;
    lock.fetch_stamped(|| Some(Stamped { value: (), created })).or_create(|| panic!("it is there"));
    (lock, clock)
}

#[test]
fn k3_a_stamped_value_ages_with_the_clock() {
    let (lock, clock) = brought(&PAUSING, SECOND);
    assert_eq!(times(&lock), (Some(less(MINUTE, SECOND)), less(MINUTE, SECOND)));
    clock.advance(less(MINUTE, SECOND * 2));
    assert_eq!(times(&lock), (Some(SECOND), SECOND));
    clock.advance(SECOND);
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
    let (lock, clock) = brought(&AT_HALF, SECOND);
    assert_eq!(times(&lock), (Some(less(MINUTE, SECOND)), less(HALF, SECOND)));
    clock.advance(HALF);
    assert_eq!(times(&lock), (Some(less(HALF, SECOND)), ZERO));
    lock.mark_stale();
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
    lock.invalidate();
    assert_eq!(times(&lock), (None, ZERO));
    let (lock, clock) = brought(&SHORT_LIVED, SECOND);
    clock.advance(MINUTE);
    assert_eq!(times(&lock), (None, ZERO), "too old");
    // A stamp from the future has the age zero, or is not believed.
    let (lock, clock) = brought(&AT_HALF, ZERO);
    clock.set_wall(clock.wall() - NANO * 3);
    assert_eq!(times(&lock), (Some(MINUTE), HALF));
    let (lock, clock) = brought(&TRUSTS_NOBODY, ZERO);
    clock.set_wall(clock.wall() - NANO * 3);
    assert_eq!(times(&lock), (Some(ZERO), ZERO));
    // A value that the lock creates later replaces the one of the getter.
    let (lock, clock) = brought(&PAUSING, SECOND * 10);
    lock.mark_stale();
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(SECOND);
    assert_eq!(times(&lock), (Some(less(MINUTE, SECOND)), less(MINUTE, SECOND)));
}

/// A thread renews on a schedule while no thread reads. Its channel ends it, so nothing here depends on timing.
#[test]
fn k3_a_value_is_renewed_on_a_schedule_without_readers() {
    let (lock, clock) = ruled(&AT_HALF);
    let (steps, step) = std::sync::mpsc::channel();
    let mut seen = lock.generation();
    thread::scope(|scope| {
        let (lock, clock) = (&lock, &clock);
        let renews = scope.spawn(move || {
            let mut renewals = 0;
            loop {
                assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
                renewals += 1;
                // A program would call `recv_timeout(lock.due_in())` here.
                let Ok(()) = step.recv() else { return renewals };
                clock.advance(lock.due_in());
            }
        });
        for _ in 0..5 {
            seen = lock.changed(seen, NEVER).unwrap();
            assert_eq!(lock.freshness(), Freshness::Fresh);
            steps.send(()).unwrap();
        }
        lock.changed(seen, NEVER).unwrap();
        drop(steps);
        assert_eq!(renews.join().unwrap(), 6);
    });
    assert_eq!(clock.elapsed(), HALF * 5);
}

#[test]
fn k3_a_guard_tells_how_old_its_value_is() {
    let clock = Arc::new(ManualClock::new());
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock));
    clock.advance(SECOND);
    let made = cached.get_or_create(|| {
        clock.advance(SECOND);
        1
    });
    assert_eq!(CachedGuard::age(&made, &cached), ZERO, "since its creator returned");
    clock.advance(SECOND);
    let set = {
        cached.set(2);
        cached.get_fresh().unwrap()
    };
    clock.advance(SECOND);
    let ages = || [&made, &set].map(|guard| CachedGuard::age(guard, &cached));
    assert_eq!((ages(), cached.age()), ([SECOND * 2, SECOND], Some(SECOND)));
    // The creator finds the value unchanged.
    cached.mark_stale();
    let renewed = cached.access().or_create_with(|renewal| renewal.unchanged().unwrap());
    assert_eq!(ages(), [SECOND * 2, ZERO]);
    clock.advance(SECOND);
    assert_eq!(CachedGuard::age(&renewed, &cached), SECOND);
    // A superseded value has an age, too, for every guard of it.
    cached.invalidate();
    let superseded = cached.get_or_create(|| {
        cached.set(4);
        clock.advance(SECOND);
        3
    });
    assert!(CachedGuard::age(&superseded, &cached) <= SECOND);
    clock.advance(MINUTE);
    assert!(CachedGuard::age(&superseded, &cached) <= MINUTE + SECOND);
    assert_eq!(CachedGuard::age(&cached.peek().unwrap(), &cached), MINUTE + SECOND);
}

#[test]
fn k3_guards_of_functions_and_registries_tell_their_age() {
    let clock = Arc::new(ManualClock::new());
    let function = CachedFn::<u64, _, _>::with_clock(MINUTE, Arc::clone(&clock), || 1);
    let guard = function.get();
    let clock_of_locks = Arc::clone(&clock);
    let registry =
        Registry::with_maker(move |_: &u64| Cached::<u64, _>::with_clock(MINUTE, Arc::clone(&clock_of_locks)));
    let held = registry.get(&1);
    let of_held = held.get_or_create(|| 1);
    clock.advance(SECOND);
    assert_eq!([CachedGuard::age(&guard, &function), CachedGuard::age(&of_held, &held)], [SECOND; 2]);
    // With real clocks as well.
    let real = Cached::new(MINUTE);
    let guard = real.get_or_create(|| 1);
    let first = CachedGuard::age(&guard, &real);
    assert!(CachedGuard::age(&guard, &real) >= first);
}
