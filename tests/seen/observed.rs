//! Which events an observer is told of, and when.

use crate::traits::Otherwise as _;
use crate::{Clock, Lock, MINUTE, SECOND, lock, one_event_of_each_kind, seen_by, until};
use dogpile::{
    AcquireError, Backoff, Cached, CachedGuard, Closures, Dogpile, ManualClock, Observer, OnError, Outcome, Policy,
    Registry, Source, Stamped, SyncReaderDogpile, Turn, cached_by_key,
};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Keeps the events that it is told of, as text.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl RefUnwindSafe for Diary {}

impl Diary {
    /// A diary that lives for ever, as an observer must.
    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    fn note(&self, of: Source, what: impl fmt::Display) {
        let key = of.key.map(|key| format!(" of {key}")).unwrap_or_default();
        self.0.lock().push(format!("{}{key}: {what}", of.name.unwrap_or("-")));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Observer for Diary {
    fn created(&self, of: Source, took: Duration) {
        self.note(of, format_args!("created in {took:?}"));
    }

    fn failed(&self, of: Source, took: Duration, cause: &dyn fmt::Display) {
        self.note(of, format_args!("failed in {took:?}, {cause}"));
    }

    fn superseded(&self, of: Source, took: Duration) {
        self.note(of, format_args!("superseded in {took:?}"));
    }

    fn dead(&self, of: Source, after: Duration) {
        self.note(of, format_args!("dead after {after:?}"));
    }

    fn waited(&self, of: Source, took: Duration) {
        self.note(of, format_args!("waited for {took:?}"));
    }

    fn served_stale(&self, of: Source) {
        self.note(of, "served stale");
    }
}

#[test]
fn each_event_is_told_once() {
    let diary = Diary::new();
    let (lock, clock) = lock(seen_by(diary).build().unwrap());
    one_event_of_each_kind(&lock, &clock);
    let mut told = diary.take();
    told[5..=6].sort(); // from two threads
    let expected = [
        "rates: created in 2s",
        "rates: served stale",
        "rates: served stale",
        "rates: failed in 3s, no answer",
        "rates: superseded in 4s",
        "rates: created in 5s",
        "rates: waited for 5s",
        "rates: dead after 10s",
        "rates: created in 0ns",
    ];
    assert_eq!(told, expected);
    lock.acquire_or_create(|| ());
    assert!(diary.take().is_empty(), "nothing is told of a hit");
}

#[test]
fn bad_ends_are_told_with_their_cause() {
    let diary = Diary::new();
    let policy: &'static Policy = Box::leak(Box::new(Policy::builder().observer(diary).build().unwrap()));
    let lock = Dogpile::never_expires().with_policy(policy);
    let held = || {
        let _creation = lock.acquire();
        panic!("on purpose")
    };
    assert!(catch_unwind(AssertUnwindSafe(held)).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("on purpose")))).is_err());
    let told = diary.take();
    assert!(told[0].starts_with("-: failed in ") && told[0].ends_with(", the creation was dropped by a panic"));
    assert!(told[1].starts_with("-: failed in ") && told[1].ends_with(", the creator panicked"));
}

#[test]
fn f7_a_dropped_creation_is_not_told() {
    let diary = Diary::new();
    let (lock, _) = lock(seen_by(diary).build().unwrap());
    drop(lock.acquire());
    assert!(diary.take().is_empty());
}

/// Each type and mode tells of the stale values that it serves: to accesses that are not elected, and on error.
#[test]
fn stale_values_are_told_of_by_every_type() {
    let diary = Diary::new();
    let policy = seen_by(diary).on_error(OnError::ServeStale).build().unwrap();
    let policy: &'static Policy = Box::leak(Box::new(policy));
    let stale = |times: usize| {
        let told = diary.take();
        assert_eq!(told.iter().filter(|told| **told == "rates: served stale").count(), times, "{told:?}");
    };

    let lock = Dogpile::never_expires().with_policy(policy);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    assert!(matches!(lock.acquire(), Turn::Stale));
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Stale);
    assert_eq!(lock.fetch(|| Some(1)).or_create(|| 2), 1);
    assert_eq!(lock.fetch_stamped(|| Some(Stamped::from_unix_nanos(1, 1))).or_create(|| 2).value, 1);
    drop(creation);
    stale(4);
    assert_eq!(lock.acquire_or_try_create(|| Err("no answer")), Ok(Outcome::StaleOnError));
    assert_eq!(lock.fetch(|| Ok::<_, &str>(Some(1))).or_try_create(|| Err("no answer")), Ok(1));
    stale(2);
    // A value that the getter does not find is not served, even if the lock has one.
    lock.fetch(|| None).or_create(|| 1);
    stale(0);

    let cached = Cached::never_expires().with_policy(policy);
    cached.set(1);
    cached.mark_stale();
    cached.get_or_create(|| {
        assert_eq!(CachedGuard::outcome(&cached.get_or_create(|| 3)), Outcome::Stale);
        2
    });
    cached.mark_stale();
    assert_eq!(cached.get_or_try_create(|| Err("no answer")).as_deref(), Ok(&2));
    stale(2);

    let readers = SyncReaderDogpile::never_expires().with_policy(policy);
    drop(readers.acquire_or_create(|| ()));
    readers.mark_stale();
    drop(readers.acquire_or_create(|| {
        assert_eq!(*readers.acquire_or_create(|| ()), Outcome::Stale);
        assert_eq!(*readers.fetch(|| Some(1)).or_create(|| 2), 1);
    }));
    stale(2);
    readers.mark_stale();
    assert_eq!(readers.acquire_or_try_create(|| Err("no answer")).as_deref(), Ok(&Outcome::StaleOnError));
    stale(1);
    // A thread that reads already is never elected, and is served all the same.
    drop(readers.acquire_or_create(|| ()));
    let outer = readers.acquire_or_create(|| ());
    readers.mark_stale();
    stale(0);
    assert_eq!(*readers.acquire_or_create(|| ()), Outcome::Stale);
    assert_eq!(*readers.fetch(|| Some(1)).or_create(|| 2), 1);
    stale(2);
    readers.invalidate();
    assert_eq!(*readers.acquire_or_create(|| ()), Outcome::Stale);
    stale(0);
    drop(outer);
}

#[test]
fn stale_values_in_the_background_are_told_of() {
    let diary = Diary::new();
    let (lock, _) = lock(seen_by(diary).build().unwrap());
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    diary.take();
    assert_eq!(Dogpile::kept(&lock).in_background(&|job: dogpile::Job| job()).or_create(|| ()), Outcome::Stale);
    assert_eq!(diary.take(), ["rates: created in 0ns", "rates: served stale"]);
}

#[test]
fn types_cross_threads_and_panics_as_decided() {
    assert_eq!(traits!(dyn Observer), [true, true, false, true]);
    assert_eq!(traits!(&'static dyn Observer), [true; 4]);
    assert_eq!(traits!(Policy), [true; 4], "observer and all");
    assert_eq!(traits!(Source), [true; 4]);
    assert_eq!(traits!(dogpile::Stats), [true; 4]);
}

#[test]
fn observers_belong_to_policies() {
    let (one, other) = (Diary::new(), Diary::new());
    let policy = |observer| seen_by(observer).build().unwrap();
    assert_eq!(policy(one), policy(one));
    assert_ne!(policy(one), policy(other));
    assert_ne!(policy(one), Policy::default());
    assert!(policy(one).observer().is_some() && Policy::default().observer().is_none());
}

/// Uses the lock that it is told of in each way that could deadlock.
struct Nosy(Mutex<Option<Arc<Lock>>>, Mutex<u32>);

impl fmt::Debug for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nosy")
    }
}

impl RefUnwindSafe for Nosy {}

impl Nosy {
    fn pry(&self) {
        let lock = self.0.lock().clone().unwrap();
        *self.1.lock() += 1;
        _ = (lock.generation(), lock.waiting(), lock.stats(), lock.is_expired(), format!("{lock:?}"));
        lock.mark_stale();
        lock.invalidate_timeout(Duration::ZERO).unwrap();
        _ = lock.try_acquire().map(|turn| matches!(turn, Turn::Fresh));
    }
}

#[allow(unused_variables)]
impl Observer for Nosy {
    fn created(&self, of: Source, took: Duration) {
        self.pry();
    }

    fn superseded(&self, of: Source, took: Duration) {
        self.pry();
    }

    fn dead(&self, of: Source, after: Duration) {
        self.pry();
    }

    fn waited(&self, of: Source, took: Duration) {
        self.pry();
    }

    fn served_stale(&self, of: Source) {
        self.pry();
    }
}

#[test]
fn c22_observers_are_called_outside_every_lock() {
    let nosy: &'static Nosy = Box::leak(Box::new(Nosy(Mutex::new(None), Mutex::new(0))));
    let (lock, clock) = lock(seen_by(nosy).build().unwrap());
    *nosy.0.lock() = Some(Arc::clone(&lock));
    lock.acquire_or_create(|| ()); // created
    lock.acquire_or_create(|| lock.invalidate()); // superseded
    thread::scope(|scope| {
        let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
        let waits = scope.spawn(|| lock.acquire_or_create(|| ()));
        until(|| lock.waiting() == 1);
        creation.finish();
        waits.join().unwrap(); // waited
    });
    lock.acquire_or_create(|| ());
    let Turn::Create(dead) = lock.acquire() else { panic!("not elected") };
    clock.advance(SECOND * 10);
    lock.acquire_or_create(|| ()); // dead
    drop(dead);
    assert!(*nosy.1.lock() >= 6, "{:?}", nosy.1.lock());
}

/// Panics at each event. (It panics without a message: the standard library prints messages under a lock that
/// ThreadSanitizer does not see.)
#[derive(Debug)]
struct Touchy;

#[allow(unused_variables)]
impl Observer for Touchy {
    fn created(&self, of: Source, took: Duration) {
        resume_unwind(Box::new("told"));
    }

    fn failed(&self, of: Source, took: Duration, cause: &dyn fmt::Display) {
        resume_unwind(Box::new("told"));
    }

    fn superseded(&self, of: Source, took: Duration) {
        resume_unwind(Box::new("told"));
    }

    fn dead(&self, of: Source, after: Duration) {
        resume_unwind(Box::new("told"));
    }

    fn waited(&self, of: Source, took: Duration) {
        resume_unwind(Box::new("told"));
    }

    fn served_stale(&self, of: Source) {
        resume_unwind(Box::new("told"));
    }
}

fn touches(access: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(access)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"told"));
}

#[test]
fn an_observer_that_panics_changes_nothing() {
    let (lock, clock): (Arc<Lock>, Clock) = lock(seen_by(&Touchy).build().unwrap());
    touches(|| _ = lock.acquire_or_create(|| ()));
    assert!(!lock.is_expired() && !lock.is_creating(), "it was created");
    clock.advance(MINUTE);
    touches(|| drop(lock.acquire_or_try_create(|| Err("no answer"))));
    assert!(!lock.is_creating() && lock.has_value());
    // During another panic.
    let panic = catch_unwind(AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("the creator's")))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the creator's"));
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    touches(|| _ = lock.acquire_or_create(|| ()));
    touches(|| drop(lock.acquire()));
    // A waiter that is elected.
    lock.invalidate();
    thread::scope(|scope| {
        let waits = scope.spawn(|| touches(|| drop(lock.acquire())));
        until(|| lock.waiting() == 1);
        touches(|| creation.fail("no answer"));
        waits.join().unwrap();
    });
    assert!(!lock.is_creating() && lock.waiting() == 0, "the waiter has given up its creation");
    // An access that takes the place of a dead creation.
    let Turn::Create(dead) = lock.acquire() else { panic!("not elected") };
    clock.advance(SECOND * 10);
    touches(|| drop(lock.acquire()));
    assert!(!lock.is_creating() && dead.is_dead());
    touches(|| _ = lock.acquire_or_create(|| lock.invalidate()));
    let stats = lock.stats();
    assert_eq!([stats.creations, stats.failures, stats.superseded, stats.dead, stats.waits], [1, 3, 1, 1, 1]);
}

#[test]
fn functions_are_observed_too() {
    let diary = Diary::new();
    let policy: &'static Policy = Box::leak(Box::new(seen_by(diary).build().unwrap()));
    let locks: dogpile::Registry<u32> = dogpile::Registry::new(|_| Dogpile::never_expires()).with_policy(policy);
    locks.get(&1).acquire_or_create(|| ());
    let function = dogpile::CachedFn::<u32>::new(MINUTE, || 1).with_policy(policy);
    assert_eq!(*function.get(), 1);
    let told = diary.take();
    assert!(told.len() == 2 && told.iter().all(|told| told.starts_with("rates: created in ")), "{told:?}");
}

#[test]
fn a_value_that_is_only_due_is_not_told_as_stale() {
    let diary = Diary::new();
    let policy = seen_by(diary).refresh_at(0.5).on_error(OnError::ServeStale).build().unwrap();
    let policy: &'static Policy = Box::leak(Box::new(policy));
    let clock = Arc::new(dogpile::ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
    let readers = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
    lock.acquire_or_create(|| ());
    cached.set(1);
    drop(readers.acquire_or_create(|| ()));
    let stamped = Stamped { value: 1, created: dogpile::Clock::wall(&*clock) };
    clock.advance(MINUTE / 2);
    let failed = lock.acquire_or_try_create(|| {
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Fresh);
        Err("no answer")
    });
    assert_eq!(failed, Ok(Outcome::StaleOnError));
    assert_eq!(lock.fetch(|| Ok::<_, &str>(Some(1))).or_try_create(|| Err("no answer")), Ok(1));
    lock.fetch_stamped(|| Some(stamped)).or_create(|| lock.fetch_stamped(|| Some(stamped)).or_create(|| 2).value);
    let failed = cached.get_or_try_create(|| {
        assert_eq!(CachedGuard::outcome(&cached.get_or_create(|| 2)), Outcome::Fresh);
        Err("no answer")
    });
    assert_eq!(failed.as_deref(), Ok(&1));
    let failed = readers.acquire_or_try_create(|| {
        assert_eq!(*readers.acquire_or_create(|| ()), Outcome::Fresh);
        Err("no answer")
    });
    assert_eq!(failed.as_deref(), Ok(&Outcome::StaleOnError));
    let told = diary.take();
    assert!(!told.contains(&"rates: served stale".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|told| told.starts_with("rates: failed")).count(), 4, "{told:?}");
}

/// Asks for the value that its thread was elected to create.
struct Eager(Mutex<Option<Arc<Lock>>>, Mutex<Vec<bool>>);

impl fmt::Debug for Eager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Eager")
    }
}

impl RefUnwindSafe for Eager {}

impl Eager {
    fn ask(&self) {
        let lock = self.0.lock().clone().unwrap();
        let told = lock.access().timeout(Duration::MAX).turn();
        self.1.lock().push(matches!(told, Err(AcquireError::WouldDeadlock(_))));
    }
}

#[allow(unused_variables)]
impl Observer for Eager {
    fn waited(&self, of: Source, took: Duration) {
        self.ask();
    }

    fn dead(&self, of: Source, after: Duration) {
        self.ask();
    }
}

#[test]
fn l7_an_observer_that_would_wait_for_its_own_thread_gets_an_error() {
    let eager: &'static Eager = Box::leak(Box::new(Eager(Mutex::new(None), Mutex::default())));
    let (lock, clock) = lock(seen_by(eager).build().unwrap());
    *eager.0.lock() = Some(Arc::clone(&lock));
    thread::scope(|scope| {
        let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
        let waits = scope.spawn(|| lock.acquire_or_create(|| ()));
        until(|| lock.waiting() == 1);
        drop(creation);
        assert_eq!(waits.join().unwrap(), Outcome::Created);
    });
    lock.invalidate();
    let Turn::Create(dead) = lock.acquire() else { panic!("not elected") };
    clock.advance(SECOND * 10);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    drop(dead);
    assert_eq!(*eager.1.lock(), [true, true]);
}

#[test]
fn a_panic_of_an_observer_loses_no_count_and_ends_no_pause() {
    let policy = seen_by(&Touchy).retry_after(Backoff::new(SECOND, MINUTE).jitter(0.0)).build().unwrap();
    let (ruled, _) = lock(policy);
    let Turn::Create(creation) = ruled.acquire() else { panic!("not elected") };
    thread::scope(|scope| {
        // The access cannot be told of pauses, and so is elected.
        let waits = scope.spawn(|| touches(|| drop(ruled.acquire())));
        until(|| ruled.waiting() == 1);
        touches(|| creation.fail("no answer"));
        waits.join().unwrap();
    });
    assert_eq!(ruled.paused_for(), Some(SECOND), "an access that did not create ends no pause");

    let (ruled, clock) = lock(seen_by(&Touchy).build().unwrap());
    let Turn::Create(dead) = ruled.acquire() else { panic!("not elected") };
    thread::scope(|scope| {
        let waits = scope.spawn(|| touches(|| drop(ruled.acquire())));
        until(|| ruled.waiting() == 1);
        clock.advance(SECOND * 10);
        waits.join().unwrap();
    });
    assert!(dead.is_dead());
    assert_eq!((ruled.stats().dead, ruled.stats().waits), (1, 1));
}

#[test]
fn a_pair_of_observers_tells_both() {
    let pair: &'static (Diary, Diary) = Box::leak(Box::default());
    let (lock, clock) = lock(seen_by(pair).build().unwrap());
    one_event_of_each_kind(&lock, &clock);
    let told = pair.0.take();
    assert_eq!(told.len(), 9);
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), pair.1.take().iter().collect(), "(two threads tell)");
}

#[test]
fn k8_an_observer_is_told_the_key_of_a_registrys_lock() {
    static RUNS: Mutex<u32> = Mutex::new(0);
    let diary = Diary::new();
    let policy: &Policy = Box::leak(Box::new(Policy::builder().observer(diary).name("pages").build().unwrap()));
    let clock = Arc::new(ManualClock::new());
    let maker = |_: &u32| Cached::with_clock(MINUTE, Arc::clone(&clock));
    let pages = Registry::with_maker(&maker)
        .named_by(|key: &u32| {
            *RUNS.lock() += 1;
            format!("key {key}, run {}", RUNS.lock())
        })
        .with_policy(policy);
    let held = pages.get(&7);
    held.get_or_create(|| 1);
    held.mark_stale();
    assert!(held.get_or_try_create(|| Err("no answer")).is_err());
    let told = ["pages of key 7, run 1: created in 0ns", "pages of key 7, run 1: failed in 0ns, no answer"];
    assert_eq!(diary.take(), told, "it was named once, when it was made");

    let shared = Policy::builder().observer(diary).build().unwrap();
    let pages =
        Registry::with_maker(&maker).with_shared_policy(Arc::new(shared)).named_by(|key: &u32| format!("#{key}"));
    let held = [pages.get(&1), pages.get(&2)];
    for held in &held {
        held.get_or_create(|| 1);
    }
    assert_eq!(diary.take(), ["- of #1: created in 0ns", "- of #2: created in 0ns"]);
    // In a task as in a thread.
    held[0].invalidate();
    let created = held[0].get_or_create_async(async || 2);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(created);
    assert_eq!(diary.take(), ["- of #1: created in 0ns"]);

    let squares = cached_by_key(
        MINUTE,
        |number: &u32| *number,
        |number: &u32| number * number,
        Closures { get: |_: &u32| None, set: |_: &u32, _: &Stamped<u32>| (), remove: |_: &u32| () },
    );
    // A function with another clock keeps its naming.
    let squares = squares.with_policy(policy).named_by(u32::to_string).with_clock(Arc::clone(&clock));
    assert_eq!(squares.get(&7).value, 49);
    assert_eq!(diary.take(), ["pages of 7: created in 0ns"]);

    let unnamed = Registry::with_maker(&maker).with_policy(policy);
    unnamed.get(&7).get_or_create(|| 1);
    assert_eq!(diary.take(), ["pages: created in 0ns"]);
}

#[test]
fn k8_a_key_is_named_for_an_observer_only() {
    let nobody_asks: fn(&u32) -> String = |_| panic!("nobody is told");
    let unseen = Registry::<u32, Dogpile>::new(|_| Dogpile::never_expires()).named_by(nobody_asks);
    unseen.get(&1).acquire_or_create(|| ());
    let unseen = Registry::<u32, Dogpile>::new(|_| Dogpile::never_expires())
        .named_by(nobody_asks)
        .with_shared_policy(Arc::new(Policy::builder().name("unseen").build().unwrap()));
    unseen.get(&1).acquire_or_create(|| ());
    assert_eq!(unseen.get(&1).policy().name(), Some("unseen"));
    // A lock that has an observer of its own from its maker tells that observer.
    let diary = Diary::new();
    let own = Arc::new(Policy::builder().observer(diary).build().unwrap());
    let seen = Registry::with_maker(|_: &u32| Dogpile::never_expires().with_shared_policy(Arc::clone(&own)));
    let seen = seen.named_by(u32::to_string);
    let held = seen.get(&3);
    held.acquire_or_create(|| ());
    assert_eq!(held.policy(), &*own);
    assert!(diary.take()[0].starts_with("- of 3: created in "));
    // A panic leaves the registry as it was.
    let diary: &'static Diary = Diary::new();
    let policy: &Policy = Box::leak(Box::new(Policy::builder().observer(diary).build().unwrap()));
    let panics = Registry::<u32, Dogpile>::new(|_| Dogpile::never_expires()).named_by(nobody_asks).with_policy(policy);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(panics.get(&1)))).is_err());
    assert!(panics.is_empty());
}

/// A maker may use the lock that it makes before the lock is given its policy and its key.
#[test]
fn k8_a_lock_keeps_its_state_when_it_is_given_its_key() {
    let diary = Diary::new();
    let policy: &Policy = Box::leak(Box::new(seen_by(diary).refresh_at(0.5).max_stale(MINUTE).build().unwrap()));
    let clock = Arc::new(ManualClock::new());
    let maker = |_: &u32| {
        let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy);
        cached.get_or_create(|| 1);
        cached
    };
    let pages = Registry::with_maker(maker).named_by(|key: &u32| format!("#{key}"));
    let held = pages.get(&7);
    assert_eq!(diary.take(), ["rates: created in 0ns"]);
    assert_eq!(held.stats().creations, 1);
    clock.advance(Duration::from_secs(59));
    assert_eq!(held.peek().map(|guard| CachedGuard::outcome(&guard)), Some(Outcome::Fresh), "due, and not expired");
    clock.advance(SECOND);
    assert_eq!(held.peek().map(|guard| CachedGuard::outcome(&guard)), Some(Outcome::Stale));
    clock.advance(MINUTE);
    assert!(held.peek().is_none(), "too old");
    held.get_or_create(|| 2);
    assert_eq!(diary.take(), ["rates of #7: created in 0ns"]);
}
