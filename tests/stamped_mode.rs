//! Stamped getter mode: the value comes with its time, and the lock need not live between uses.

mod common;

use common::until;
use dogpile::{
    AcquireError, Clock, CreateError, Dogpile, Freshness, ManualClock, OnError, Outcome, Policy, Stamped,
    SyncReaderDogpile, Task, Turn,
};
use parking_lot::Mutex; // not std's: see `tests/contract/stage.rs`
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);
/// Trusts no clock but its own.
static STRICT: Policy = Policy::builder().max_skew(Duration::ZERO).build_const();
/// Trusts clocks that are a minute ahead.
static PATIENT: Policy = Policy::builder().max_skew(MINUTE).build_const();
const SECOND: Duration = Duration::from_secs(1);

type Lock = Dogpile<Arc<ManualClock>>;

/// A store that processes share. Each has a lock of its own.
#[derive(Default)]
struct Store(Mutex<Option<Stamped<u64>>>);

impl Store {
    fn get(&self) -> Option<Stamped<u64>> {
        *self.0.lock()
    }

    fn set(&self, made: &Stamped<u64>) {
        *self.0.lock() = Some(*made);
    }

    /// Makes an access that would create `value`. Returns what it got, and how often it called its getter.
    fn access(&self, lock: &Lock, value: u64) -> (Stamped<u64>, usize) {
        let mut calls = 0;
        let getter = || {
            calls += 1;
            self.get()
        };
        let got = lock.fetch_stamped(getter).and_set(|made| self.set(made)).or_create(|| value);
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
fn another_process_renews_the_value_of_this_one() {
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
    let set = |made: &_| {
        store.set(made);
        clock.advance(SECOND); // a slow store is no part of it
    };
    let made = lock.fetch_stamped(|| store.get()).and_set(set).or_create(|| {
        clock.advance(MINUTE * 5);
        1
    });
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
    // The stamp now lies an hour ahead. The lock does not trust it for that hour.
    assert_eq!(store.access(&lock, 2).0, Stamped { value: 2, created: clock.wall() });
    clock.advance(MINUTE);
    assert_eq!(store.access(&lock, 3).0.value, 3);
}

#[test]
fn l2_accesses_go_on_with_a_stale_value() {
    let ((lock, clock), store) = (process(), Store::default());
    let old = store.access(&lock, 1).0;
    clock.advance(MINUTE);
    let created = lock.fetch_stamped(|| store.get()).and_set(|made| store.set(made)).or_create(|| {
        thread::scope(|scope| assert_eq!(scope.spawn(|| store.access(&lock, 9)).join().unwrap(), (old, 1)));
        2
    });
    assert_eq!(created.value, 2);
}

#[test]
fn l6_marks_and_invalidations_count_while_the_lock_lives() {
    let ((lock, _), store) = (process(), Store::default());
    assert_eq!(store.access(&lock, 1).0.value, 1);
    lock.invalidate();
    assert_eq!(store.access(&lock, 2), (store.get().unwrap(), 0), "the store was not asked");
    assert_eq!(store.get().unwrap().value, 2);
    lock.mark_stale();
    assert_eq!(store.access(&lock, 3).0.value, 3);
    assert_eq!(store.access(&lock, 9).0.value, 3);

    // A lock that has never seen the value can be marked and invalidated as well.
    for tell in [Dogpile::invalidate as fn(&Lock), Dogpile::mark_stale] {
        let (other, _) = process();
        tell(&other);
        let creation = match other.acquire() {
            Turn::Create(creation) => creation,
            turn => panic!("{turn:?}"),
        };
        drop(creation); // a failure does not make the lock forget
        assert_eq!(store.access(&other, 4).0.value, 4);
        assert_eq!(store.access(&other, 9).0.value, 4);
    }
}

#[test]
fn l6_c8_a_value_invalidated_during_its_creation_is_not_stored() {
    let ((lock, _), store) = (process(), Store::default());
    let own = lock.fetch_stamped(|| store.get()).and_set(|made| store.set(made)).or_create(|| {
        lock.invalidate();
        1
    });
    assert_eq!(own.value, 1, "its own caller gets it");
    assert_eq!(store.get(), None);
    assert_eq!(store.access(&lock, 2).0.value, 2);
}

#[test]
fn l6_a_value_stored_during_an_invalidation_can_be_removed_after_it() {
    let ((lock, clock), store) = (process(), Store::default());
    let before = lock.generation();
    thread::scope(|scope| {
        let set = |made: &_| {
            scope.spawn(|| {
                lock.invalidate();
                *store.0.lock() = None; // after the invalidation nothing older is stored
            });
            until(|| lock.generation() != before);
            store.set(made);
        };
        lock.fetch_stamped(|| store.get()).and_set(set).or_create(|| 1);
    });
    // A lock that comes later knows nothing of the invalidation. The store holds nothing that could mislead it.
    let later = Dogpile::with_clock(MINUTE, clock);
    assert_eq!(store.access(&later, 2).0.value, 2);
}

#[test]
fn l8_getter_calls_on_each_path() {
    let ((lock, _), store) = (process(), Store::default());
    thread::scope(|scope| {
        let mut waiter = None;
        let created = lock.fetch_stamped(|| store.get()).and_set(|made| store.set(made)).or_create(|| {
            waiter = Some(scope.spawn(|| store.access(&lock, 9)));
            until(|| lock.waiting() == 1);
            1
        });
        assert_eq!(waiter.unwrap().join().unwrap(), (created, 2));
    });
}

/// Runs an access on another thread until it waits for a creation. Then runs `meanwhile`, and drops the creation.
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
fn l8_a_waiter_that_is_elected_judges_the_value_it_finds_then() {
    let ((lock, clock), store) = (process(), Store::default());
    let fresh = Stamped { value: 5, created: clock.wall() };
    assert_eq!(after_a_wait(&lock, &store, 9, || store.set(&fresh)), (fresh, 2), "by another process");
    let ((lock, _), store) = (process(), Store::default());
    let old = Stamped { value: 5, created: clock.wall() - MINUTE };
    let (made, calls) = after_a_wait(&lock, &store, 2, || store.set(&old));
    assert_eq!((made.value, calls), (2, 2), "elected, and what it found is stale");
}

#[test]
fn l3_a_waiter_in_lock_mode_is_not_served_by_a_getter() {
    for finds in [false, true] {
        let ((lock, clock), calls) = (&process(), AtomicUsize::new(0));
        let getter = || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(None),
            _ if finds => Ok(Some(Stamped { value: 5, created: clock.wall() })),
            _ => Err("down"),
        };
        let Turn::Create(creation) = lock.acquire() else { panic!("missing") };
        thread::scope(|scope| {
            let nothing = || -> Result<u64, &str> { panic!("there is nothing to create") };
            let by_getter = scope.spawn(move || lock.fetch_stamped(getter).or_try_create(nothing));
            until(|| lock.waiting() == 1);
            let in_lock_mode = scope.spawn(|| lock.acquire_or_create(|| ()));
            until(|| lock.waiting() == 2);
            drop(creation);
            match by_getter.join().unwrap() {
                Ok(got) => assert!(finds && got.value == 5),
                Err(error) => assert!(!finds && error == CreateError::GetterFailed("down")),
            }
            // The lock has seen no value, so it must not say that there is one.
            assert_eq!(in_lock_mode.join().unwrap(), Outcome::Created);
        });
    }
}

#[test]
fn l8_a_stale_value_created_by_another_meanwhile_is_fetched_once_more() {
    let ((lock, clock), store) = (process(), Store::default());
    let old = store.access(&lock, 1).0;
    clock.advance(MINUTE);
    let mut calls = 0;
    let getter = || {
        calls += 1;
        if calls == 1 {
            // This is after the look-up, and before this access is elected.
            thread::scope(|scope| assert_eq!(scope.spawn(|| store.access(&lock, 2)).join().unwrap().0.value, 2));
            return Some(old);
        }
        store.get()
    };
    let got = lock.fetch_stamped(getter).or_create(|| panic!("it was just created"));
    assert_eq!((got.value, calls), (2, 2));
}

#[test]
fn l6_an_invalidation_during_the_getter_counts() {
    let ((lock, _), store) = (process(), Store::default());
    store.access(&lock, 1);
    let getter = || {
        let found = store.get();
        lock.invalidate();
        found
    };
    assert_eq!(lock.fetch_stamped(getter).or_create(|| 2).value, 2);
}

#[test]
fn the_with_forms_hand_out_the_creation() {
    let (lock, clock) = process();
    let miss = || None::<Stamped<u64>>;
    let may_fail = || Ok::<_, ()>(None::<Stamped<u64>>);
    let made = lock.fetch_stamped(miss).or_create_with(|creation| u64::from(!creation.is_superseded()));
    assert_eq!(made, Stamped { value: 1, created: clock.wall() });
    lock.mark_stale();
    let made = lock.fetch_stamped(miss).timeout(MINUTE).or_create_with(|creation| creation.publish(|| 2).unwrap());
    assert_eq!(made.unwrap().value, 2);
    lock.mark_stale();
    let made = lock.fetch_stamped(may_fail).or_try_create_with(|creation| creation.publish(|| 3));
    assert_eq!(made.unwrap().value, 3);
    lock.mark_stale();
    let made = lock.fetch_stamped(may_fail).timeout(MINUTE).or_try_create_with(|_| Err::<u64, _>("down"));
    assert_eq!(made, Err(CreateError::Failed("down")));
    let made = lock.fetch_stamped(may_fail).timeout(MINUTE).or_try_create(|| Ok::<_, &str>(4));
    assert_eq!(made.unwrap().value, 4);
}

#[test]
fn l7_l10_errors_and_time_outs_of_stamped_accesses() {
    let ((lock, _), store) = (process(), Store::default());
    let Turn::Create(creation) = lock.acquire() else { panic!("missing") };
    let bounded = |timeout| lock.fetch_stamped(|| store.get()).timeout(timeout).or_create(|| 9);
    assert_eq!(bounded(Duration::ZERO), Err(AcquireError::TimedOut));
    let setting = lock.fetch_stamped(|| store.get()).and_set(|_| ()).timeout(Duration::ZERO).or_create(|| 9);
    assert_eq!(setting, Err(AcquireError::TimedOut));
    creation.run(|_| assert!(matches!(bounded(Duration::MAX), Err(AcquireError::WouldDeadlock(_)))));
    assert_eq!(bounded(MINUTE).unwrap().value, 9, "nothing was stored, so it creates");

    lock.invalidate();
    let miss = || Ok::<_, &str>(None::<Stamped<u64>>);
    let full = lock.fetch_stamped(miss).and_set(|_| Err("full")).or_try_create(|| Ok(1));
    assert_eq!(full, Err(CreateError::Failed("full")));
    let down = || Err::<Option<Stamped<u64>>, _>("down");
    lock.fetch_stamped(miss).or_try_create(|| Ok::<_, &str>(1)).unwrap();
    assert_eq!(lock.fetch_stamped(down).or_try_create(|| Ok::<_, &str>(1)), Err(CreateError::GetterFailed("down")));
    let down = lock.fetch_stamped(down).and_set(|_| Ok(())).timeout(MINUTE).or_try_create(|| Ok::<_, &str>(1));
    assert_eq!(down, Err(CreateError::GetterFailed("down")));
}

#[test]
fn the_default_clock_tells_the_time_of_day() {
    let before = SystemTime::now();
    let made = Dogpile::new(MINUTE).fetch_stamped(|| None).or_create(|| 1);
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

// --- The lock's answers about a value that comes from elsewhere.

/// An expired value is used for one more second.
static SHORT_LIVED: Policy = Policy::builder().max_stale(SECOND).build_const();
static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
static NEVER_STALE: Policy = Policy::builder().max_stale(Duration::ZERO).build_const();

/// Returns the lock's answers about its value, having checked that they agree.
#[track_caller]
fn told(lock: &Lock) -> (Freshness, Option<Duration>) {
    let (freshness, age) = (lock.freshness(), lock.age());
    assert_eq!(lock.is_expired(), freshness != Freshness::Fresh);
    assert_eq!((lock.has_value(), age.is_some()), (freshness != Freshness::Missing, freshness != Freshness::Missing));
    (freshness, age)
}

const MISSING: (Freshness, Option<Duration>) = (Freshness::Missing, None);

fn fresh(age: Duration) -> (Freshness, Option<Duration>) {
    (Freshness::Fresh, Some(age))
}

fn stale(age: Duration) -> (Freshness, Option<Duration>) {
    (Freshness::Stale, Some(age))
}

/// Returns a store with a value of that age, as another process has stored it.
fn stored(clock: &ManualClock, age: Duration) -> Store {
    Store(Mutex::new(Some(Stamped { value: 5, created: clock.wall() - age })))
}

/// Makes an access that must not create, or whose creation fails.
fn look(lock: &Lock, store: &Store) {
    _ = lock.fetch_stamped(|| store.get()).or_try_create(|| Err::<u64, _>("no answer"));
}

#[test]
fn f14_freshness_and_age_are_as_an_access_finds_them() {
    let (lock, clock) = process();
    let store = stored(&clock, SECOND);
    assert_eq!(told(&lock), MISSING, "nobody has looked");
    look(&lock, &store);
    assert_eq!(told(&lock), fresh(SECOND));
    clock.advance(Duration::from_nanos(58_999_999_999));
    assert_eq!(told(&lock), fresh(Duration::from_nanos(59_999_999_999)));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(told(&lock), stale(MINUTE));
    assert!(format!("{lock:?}").starts_with("Dogpile { freshness: Stale"), "{lock:?}");
    look(&lock, &store);
    assert_eq!(
        (told(&lock), lock.stats().failures),
        (stale(MINUTE), 1),
        "the access whose renewal fails goes on with it"
    );
    store.set(&Stamped { value: 6, created: clock.wall() - SECOND });
    look(&lock, &store);
    assert_eq!(told(&lock), fresh(SECOND), "another process has renewed it");
    *store.0.lock() = None;
    look(&lock, &store);
    assert_eq!(told(&lock), MISSING, "it is gone");
    assert_eq!(lock.stats().creations, 0);
}

#[test]
fn f14_freshness_and_age_follow_the_policy() {
    let policies = [
        (&SHORT_LIVED, SECOND * 59, fresh(SECOND * 59)),
        (&SHORT_LIVED, MINUTE, stale(MINUTE)),
        (&SHORT_LIVED, SECOND * 61, MISSING),
        (&NEVER_STALE, MINUTE, MISSING),
    ];
    for (policy, age, expected) in policies {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
        look(&lock, &stored(&clock, age));
        assert_eq!(told(&lock), expected);
        lock.mark_stale();
        let marked = if expected.0 == Freshness::Fresh { stale(age) } else { expected };
        assert_eq!(told(&lock), marked);
    }
    let (lock, clock) = process();
    let ahead = |by| Store(Mutex::new(Some(Stamped { value: 5, created: clock.wall() + by })));
    look(&lock, &ahead(SECOND));
    assert_eq!(told(&lock), fresh(Duration::ZERO), "of an age that can be believed");
    look(&lock, &ahead(SECOND * 2));
    assert_eq!(told(&lock), stale(Duration::ZERO));
    clock.advance(SECOND);
    assert_eq!(told(&lock), fresh(Duration::ZERO), "as an access would find it by now");
}

#[test]
fn f14_freshness_and_age_follow_marks_and_invalidations() {
    let (lock, clock) = process();
    let store = stored(&clock, SECOND);
    look(&lock, &store);
    lock.mark_stale();
    assert_eq!(told(&lock), stale(SECOND));
    lock.invalidate();
    assert_eq!(told(&lock), MISSING);
    look(&lock, &store);
    assert_eq!(told(&lock), MISSING, "it was invalidated, whatever the store holds");
    lock.mark_stale();
    assert_eq!(told(&lock), MISSING);
    assert_eq!(store.access(&lock, 1).0.value, 1);
    assert_eq!(told(&lock), fresh(Duration::ZERO));
}

#[test]
fn f14_a_miss_of_a_thread_that_reads_already_counts() {
    let lock = SyncReaderDogpile::new(MINUTE);
    let _reads = lock.fetch_stamped(|| Some(Stamped { value: 1, created: SystemTime::now() })).or_create(|| 2);
    assert!(lock.has_value());
    let got = lock.fetch_stamped(|| None).or_try_create(|| Ok::<_, &str>(2));
    assert_eq!(got.map(|got| got.value), Err(CreateError::ReadLockHeld));
    assert!(!lock.has_value(), "the last access was brought nothing");
}

#[test]
fn c21_a_value_that_is_too_old_is_not_served_while_a_task_creates() {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(Lock::with_clock(MINUTE, Arc::clone(&clock)).born_fresh().with_policy(&SHORT_LIVED));
    let store = stored(&clock, SECOND * 61);
    let asked = AtomicUsize::new(0);
    let getter = async || {
        asked.fetch_add(1, Ordering::SeqCst);
        *store.0.lock()
    };
    let tasks = Mutex::new(Vec::new());
    let spawner = |task: Task| tasks.lock().push(task);
    let creator = async || 7;
    let mut access = pin!(Dogpile::kept_async(&lock).fetch_stamped(getter).spawned_by(&spawner).or_create(creator));
    let context = &mut Context::from_waker(Waker::noop());
    assert!(access.as_mut().poll(context).is_pending());
    lock.mark_stale(); // a value created elsewhere meanwhile is not in the store
    assert!(access.as_mut().poll(context).is_pending());
    assert_eq!(asked.load(Ordering::SeqCst), 1, "there is nothing new to ask for");
    assert!(tasks.lock().pop().unwrap().as_mut().poll(context).is_ready());
    assert!(matches!(access.poll(context), Poll::Ready(Ok(Stamped { value: 7, .. }))));
}

#[test]
fn f14_a_created_value_wins_over_a_fetched_one() {
    // The stamp is ahead of this clock, so the value would look younger than one that is created right after it.
    let ahead = |clock: &ManualClock| Store(Mutex::new(Some(Stamped { value: 5, created: clock.wall() + SECOND })));
    let (lock, clock) = process();
    look(&lock, &ahead(&clock));
    lock.acquire_or_create(|| lock.mark_stale());
    clock.advance(SECOND * 2);
    assert_eq!(told(&lock), stale(SECOND * 2));
    let (lock, clock) = process();
    look(&lock, &ahead(&clock));
    lock.invalidate();
    lock.acquire_or_create(|| ());
    clock.advance(SECOND * 2);
    assert_eq!(told(&lock), fresh(SECOND * 2));
    // The getter is slow: the value that it returns was replaced meanwhile.
    let old = Stamped { value: 5, created: clock.wall() - SECOND * 30 };
    let slow = || {
        lock.mark_stale();
        lock.acquire_or_create(|| ());
        Some(old)
    };
    assert_eq!(lock.fetch_stamped(slow).or_create(|| unreachable!("it is fresh")), old);
    assert_eq!(told(&lock), fresh(Duration::ZERO));
}

#[test]
fn f14_of_two_processes_that_create_the_younger_value_counts() {
    let store = Store::default();
    let ((here, clock), (there, other_clock)) = (process(), process());
    store.access(&here, 1);
    clock.advance(SECOND * 50);
    other_clock.advance(SECOND * 50);
    assert_eq!(store.access(&here, 9).0.value, 1);
    assert_eq!(told(&here), fresh(SECOND * 50), "its own, brought back");
    there.invalidate();
    store.access(&there, 2);
    assert_eq!(told(&here), fresh(SECOND * 50), "it has not heard of the other");
    clock.advance(SECOND * 10);
    assert_eq!(told(&here), stale(MINUTE));
    assert_eq!(store.access(&here, 9).0.value, 2);
    assert_eq!(told(&here), fresh(SECOND * 10));
    here.mark_stale();
    assert_eq!(told(&here), stale(SECOND * 10));
}

#[test]
fn f14_a_value_that_was_born_fresh_is_as_old_as_its_stamp() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).born_fresh();
    assert_eq!(told(&lock), fresh(Duration::ZERO));
    look(&lock, &stored(&clock, SECOND * 59));
    assert_eq!(told(&lock), fresh(SECOND * 59));
    clock.advance(SECOND);
    assert_eq!(told(&lock), stale(MINUTE));
}

/// The answers decide nothing: in lock mode only values that the lock has seen created count.
#[test]
fn f14_accesses_in_lock_mode_ignore_fetched_values() {
    let clock = Arc::new(ManualClock::new());
    let store = stored(&clock, SECOND);
    let lock = Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING));
    look(&lock, &store);
    assert_eq!(lock.freshness(), Freshness::Fresh);
    assert_eq!(lock.acquire_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    let shelf = Mutex::new(None);
    let spawner = |task: Task| *shelf.lock() = Some(task);
    let creator = || pending::<Result<(), &str>>();
    let mut access = pin!(Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(creator));
    let mut context = Context::from_waker(Waker::noop());
    assert!(access.as_mut().poll(&mut context).is_pending());
    let mut task = shelf.lock().take().expect("it was elected");
    assert!(task.as_mut().poll(&mut context).is_pending());
    drop(task);
    assert_eq!(access.as_mut().poll(&mut context), Poll::Ready(Err(CreateError::Lost)));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);

    let lock = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING);
    drop(lock.fetch_stamped(|| store.get()).or_create(|| unreachable!("it is fresh")));
    assert_eq!((lock.freshness(), lock.age()), (Freshness::Fresh, Some(SECOND)));
    assert!(lock.acquire_or_try_create(|| Err("no answer")).is_err());
    let mut created = false;
    drop(lock.acquire_or_create(|| created = true));
    assert!(created);
}
