//! Stamped getter mode: the value brings its time, the lock need not live between uses.

mod common;

use common::until;
use dogpile::{
    AcquireError, Clock, CreateError, Dogpile, GetError, ManualClock, NeedRegeneration, Outcome, Policy, Stamped, Turn,
};
use parking_lot::Mutex; // not std's: see `tests/contract/laws.rs`
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);
/// Trusts nobody's clock but its own.
static STRICT: Policy = Policy::builder().max_skew(Duration::ZERO).build_const();
/// Trusts clocks that are a minute ahead.
static PATIENT: Policy = Policy::builder().max_skew(MINUTE).build_const();
const SECOND: Duration = Duration::from_secs(1);

type Lock = Dogpile<Arc<ManualClock>>;

/// A store that processes share, each with a lock of its own.
#[derive(Default)]
struct Store(Mutex<Option<Stamped<u64>>>);

impl Store {
    fn get(&self) -> Result<Stamped<u64>, NeedRegeneration> {
        self.0.lock().ok_or(NeedRegeneration)
    }

    fn set(&self, made: &Stamped<u64>) {
        *self.0.lock() = Some(*made);
    }

    /// An access that would create `value`: what it got, and how often it asked.
    fn access(&self, lock: &Lock, value: u64) -> (Stamped<u64>, usize) {
        let mut calls = 0;
        let getter = || {
            calls += 1;
            self.get()
        };
        let got = lock.get_or_create_stamped_and_set(getter, || value, |made| self.set(made));
        (got, calls)
    }
}

fn process() -> (Lock, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Dogpile::with_clock(MINUTE, Arc::clone(&clock)), clock)
}

#[test]
fn processes_agree_and_locks_need_not_live() {
    let (clock, store) = (Arc::new(ManualClock::new()), Store::default());
    let lock = || Dogpile::with_clock(MINUTE, Arc::clone(&clock));
    let (made, calls) = store.access(&lock(), 1);
    assert_eq!((made, calls), (Stamped { value: 1, created: clock.wall() }, 1));
    clock.advance(Duration::from_nanos(59_999_999_999));
    assert_eq!(store.access(&lock(), 9), (made, 1));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(store.access(&lock(), 2), (Stamped { value: 2, created: clock.wall() }, 1));
    assert_eq!(store.access(&lock(), 9).0.value, 2);
}

#[test]
fn another_process_renews_what_this_one_made() {
    let store = Store::default();
    let ((here, clock), (there, other_clock)) = (process(), process());
    assert_eq!(store.access(&here, 1).0.value, 1);
    clock.advance(MINUTE);
    other_clock.advance(MINUTE);
    assert_eq!(store.access(&there, 2).0.value, 2);
    assert_eq!(store.access(&here, 9), (store.get().unwrap(), 1), "the stamp counts, not what this lock remembers");
}

#[test]
fn c18_the_stamp_is_taken_when_the_creator_returns() {
    let ((lock, clock), store) = (process(), Store::default());
    let made = lock.get_or_create_stamped_and_set(
        || store.get(),
        || {
            clock.advance(MINUTE * 5);
            1
        },
        |made| {
            store.set(made);
            clock.advance(SECOND); // a slow store is no part of it
        },
    );
    assert_eq!(made.created, clock.wall() - SECOND);
    assert_eq!(store.access(&lock, 9).0.value, 1);
}

#[test]
fn c23_a_stamp_from_the_future_is_stale_beyond_the_skew() {
    let ((lock, clock), store) = (process(), Store::default());
    let ahead = |by: Duration| store.set(&Stamped { value: 1, created: clock.wall() + by });
    ahead(SECOND);
    assert_eq!(store.access(&lock, 9).0.value, 1);
    ahead(SECOND + Duration::from_nanos(1));
    assert_eq!(store.access(&lock, 2).0.value, 2);

    let patient = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&PATIENT);
    ahead(MINUTE);
    assert_eq!(store.access(&patient, 9).0.value, 1);
    let strict = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&STRICT);
    ahead(Duration::from_nanos(1));
    assert_eq!(store.access(&strict, 3).0.value, 3);
}

#[test]
fn c23_a_clock_that_steps_back_keeps_nothing_alive_for_long() {
    let ((lock, clock), store) = (process(), Store::default());
    assert_eq!(store.access(&lock, 1).0.value, 1);
    clock.set_wall(clock.wall() - MINUTE * 60);
    // The stamp now lies an hour ahead. It is not trusted for that hour.
    assert_eq!(store.access(&lock, 2).0, Stamped { value: 2, created: clock.wall() });
    clock.advance(MINUTE);
    assert_eq!(store.access(&lock, 3).0.value, 3);
}

#[test]
fn l2_a_stale_value_is_carried_on_with() {
    let ((lock, clock), store) = (process(), Store::default());
    let old = store.access(&lock, 1).0;
    clock.advance(MINUTE);
    let created = lock.get_or_create_stamped_and_set(
        || store.get(),
        || {
            thread::scope(|scope| assert_eq!(scope.spawn(|| store.access(&lock, 9)).join().unwrap(), (old, 1)));
            2
        },
        |made| store.set(made),
    );
    assert_eq!(created.value, 2);
}

#[test]
fn l6_what_this_lock_was_told_counts_while_it_lives() {
    let ((lock, _), store) = (process(), Store::default());
    assert_eq!(store.access(&lock, 1).0.value, 1);
    lock.invalidate();
    assert_eq!(store.access(&lock, 2), (store.get().unwrap(), 0), "the store was not asked");
    assert_eq!(store.get().unwrap().value, 2);
    lock.mark_stale();
    assert_eq!(store.access(&lock, 3).0.value, 3);
    assert_eq!(store.access(&lock, 9).0.value, 3);

    // A lock that has never seen the value can be told as well.
    for tell in [Dogpile::invalidate as fn(&Lock), Dogpile::mark_stale] {
        let (other, _) = process();
        tell(&other);
        let creation = match other.acquire() {
            Turn::Create(creation) => creation,
            turn => panic!("{turn:?}"),
        };
        drop(creation); // and a failure does not make it forget
        assert_eq!(store.access(&other, 4).0.value, 4);
        assert_eq!(store.access(&other, 9).0.value, 4);
    }
}

#[test]
fn l6_c8_what_was_invalidated_while_it_was_created_is_not_stored() {
    let ((lock, _), store) = (process(), Store::default());
    let own = lock.get_or_create_stamped_and_set(
        || store.get(),
        || {
            lock.invalidate();
            1
        },
        |made| store.set(made),
    );
    assert_eq!(own.value, 1, "its own caller gets it");
    assert_eq!(store.get(), Err(NeedRegeneration));
    assert_eq!(store.access(&lock, 2).0.value, 2);
}

#[test]
fn l6_a_value_that_is_stored_while_invalidated_can_be_cleaned_up() {
    let ((lock, clock), store) = (process(), Store::default());
    let before = lock.generation();
    thread::scope(|scope| {
        lock.get_or_create_stamped_and_set(
            || store.get(),
            || 1,
            |made| {
                scope.spawn(|| {
                    lock.invalidate();
                    *store.0.lock() = None; // after the return nothing older is stored
                });
                until(|| lock.generation() != before);
                store.set(made);
            },
        );
    });
    // A lock that comes later knows nothing of the invalidation. There is nothing left to mislead it.
    let later = Dogpile::with_clock(MINUTE, clock);
    assert_eq!(store.access(&later, 2).0.value, 2);
}

#[test]
fn l8_lost_missed_and_waited_for() {
    let ((lock, _), store) = (process(), Store::default());
    thread::scope(|scope| {
        let mut waiter = None;
        let created = lock.get_or_create_stamped_and_set(
            || store.get(),
            || {
                waiter = Some(scope.spawn(|| store.access(&lock, 9)));
                until(|| lock.waiting() == 1);
                1
            },
            |made| store.set(made),
        );
        assert_eq!(waiter.unwrap().join().unwrap(), (created, 2));
    });
}

/// Runs an access on another thread until it waits for `creation`, then `meanwhile`, then gives the creation up.
fn after_a_wait(lock: &Lock, store: &Store, value: u64, meanwhile: impl FnOnce()) -> (Stamped<u64>, usize) {
    let Turn::Create(creation) = lock.acquire() else { panic!("missing") };
    thread::scope(|scope| {
        let access = scope.spawn(|| store.access(lock, value));
        until(|| lock.waiting() == 1);
        meanwhile();
        drop(creation);
        access.join().unwrap()
    })
}

#[test]
fn l8_who_is_elected_after_a_wait_judges_what_it_finds_then() {
    let ((lock, clock), store) = (process(), Store::default());
    let fresh = Stamped { value: 5, created: clock.wall() };
    assert_eq!(after_a_wait(&lock, &store, 9, || store.set(&fresh)), (fresh, 2), "by another process");
    let ((lock, _), store) = (process(), Store::default());
    let old = Stamped { value: 5, created: clock.wall() - MINUTE };
    let (made, calls) = after_a_wait(&lock, &store, 2, || store.set(&old));
    assert_eq!((made.value, calls), (2, 2), "elected, and what it found is stale");
}

#[test]
fn l3_who_waits_in_lock_mode_is_not_served_by_a_getter() {
    for finds in [false, true] {
        let ((lock, clock), calls) = (process(), AtomicUsize::new(0));
        let getter = || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(GetError::NeedRegeneration),
            _ if finds => Ok(Stamped { value: 5, created: clock.wall() }),
            _ => Err(GetError::Failed("down")),
        };
        let Turn::Create(creation) = lock.acquire() else { panic!("missing") };
        thread::scope(|scope| {
            let by_getter = scope.spawn(|| {
                lock.get_or_try_create_stamped(getter, || -> Result<u64, &str> { panic!("there is nothing to create") })
            });
            until(|| lock.waiting() == 1);
            let in_lock_mode = scope.spawn(|| lock.acquire_or_create(|| ()));
            until(|| lock.waiting() == 2);
            drop(creation);
            match by_getter.join().unwrap() {
                Ok(got) => assert!(finds && got.value == 5),
                Err(error) => assert!(!finds && error == CreateError::GetterFailed("down")),
            }
            // The lock has seen no value. It must not say that there is one.
            assert_eq!(in_lock_mode.join().unwrap(), Outcome::Created);
        });
    }
}

#[test]
fn l8_stale_and_created_by_another_meanwhile_asks_once_more() {
    let ((lock, clock), store) = (process(), Store::default());
    let old = store.access(&lock, 1).0;
    clock.advance(MINUTE);
    let mut calls = 0;
    let got = lock.get_or_create_stamped(
        || {
            calls += 1;
            if calls == 1 {
                // After this look-up, and before this access is elected.
                thread::scope(|scope| assert_eq!(scope.spawn(|| store.access(&lock, 2)).join().unwrap().0.value, 2));
                return Ok(old);
            }
            store.get()
        },
        || panic!("it was just created"),
    );
    assert_eq!((got.value, calls), (2, 2));
}

#[test]
fn l6_an_invalidation_while_the_getter_runs_counts() {
    let ((lock, _), store) = (process(), Store::default());
    store.access(&lock, 1);
    let got = lock.get_or_create_stamped(
        || {
            let found = store.get();
            lock.invalidate();
            found
        },
        || 2,
    );
    assert_eq!(got.value, 2);
}

#[test]
fn the_with_forms_hand_out_the_creation() {
    let (lock, clock) = process();
    let miss = || Err::<Stamped<u64>, _>(NeedRegeneration);
    let may_fail = || Err::<Stamped<u64>, _>(GetError::<()>::NeedRegeneration);
    let made = lock.get_or_create_stamped_with(miss, |creation| u64::from(!creation.is_superseded()));
    assert_eq!(made, Stamped { value: 1, created: clock.wall() });
    lock.mark_stale();
    let made = lock.get_or_create_stamped_with_timeout(MINUTE, miss, |creation| creation.publish(|| 2).unwrap());
    assert_eq!(made.unwrap().value, 2);
    lock.mark_stale();
    let made = lock.get_or_try_create_stamped_with(may_fail, |creation| creation.publish(|| 3));
    assert_eq!(made.unwrap().value, 3);
    lock.mark_stale();
    let made = lock.get_or_try_create_stamped_with_timeout(MINUTE, may_fail, |_| Err::<u64, _>("down"));
    assert_eq!(made, Err(CreateError::Failed("down")));
    let made = lock.get_or_try_create_stamped_timeout(MINUTE, may_fail, || Ok::<_, &str>(4));
    assert_eq!(made.unwrap().value, 4);
}

#[test]
fn l7_l10_errors_and_bounds() {
    let ((lock, _), store) = (process(), Store::default());
    let Turn::Create(creation) = lock.acquire() else { panic!("missing") };
    let bounded = |timeout| lock.get_or_create_stamped_timeout(timeout, || store.get(), || 9);
    assert_eq!(bounded(Duration::ZERO), Err(AcquireError::TimedOut));
    let setting = lock.get_or_create_stamped_and_set_timeout(Duration::ZERO, || store.get(), || 9, |_| ());
    assert_eq!(setting, Err(AcquireError::TimedOut));
    creation.run(|_| assert!(matches!(bounded(Duration::MAX), Err(AcquireError::WouldDeadlock(_)))));
    assert_eq!(bounded(MINUTE).unwrap().value, 9, "nothing was stored, so it creates");

    lock.invalidate();
    let miss = || Err::<Stamped<u64>, _>(GetError::<&str>::NeedRegeneration);
    let full = lock.get_or_try_create_stamped_and_set(miss, || Ok(1), |_| Err("full"));
    assert_eq!(full, Err(CreateError::Failed("full")));
    let down = || Err::<Stamped<u64>, _>(GetError::Failed("down"));
    lock.get_or_try_create_stamped(miss, || Ok::<_, &str>(1)).unwrap();
    assert_eq!(lock.get_or_try_create_stamped(down, || Ok::<_, &str>(1)), Err(CreateError::GetterFailed("down")));
    let down = lock.get_or_try_create_stamped_and_set_timeout(MINUTE, down, || Ok::<_, &str>(1), |_| Ok(()));
    assert_eq!(down, Err(CreateError::GetterFailed("down")));
}

#[test]
fn the_default_clock_tells_the_time_of_day() {
    let before = SystemTime::now();
    let made = Dogpile::new(MINUTE).get_or_create_stamped(|| Err(NeedRegeneration), || 1);
    assert!(before <= made.created && made.created <= SystemTime::now());
}

#[test]
fn stamps_are_stored_as_numbers() {
    let stamped = Stamped::from_unix_nanos("value", 1_234_567_890_123_456_789);
    assert_eq!(stamped.created, SystemTime::UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789));
    assert_eq!(stamped.unix_nanos(), 1_234_567_890_123_456_789);
    let before = Stamped { value: (), created: SystemTime::UNIX_EPOCH - SECOND };
    assert_eq!(before.unix_nanos(), 0);
    assert_eq!(Stamped::from_unix_nanos((), u64::MAX).unix_nanos(), u64::MAX);
}
