//! Creators that are given their creation, and setters, in the background, on each type and in each mode.

use crate::{Clock, MINUTE, MORTAL, PAUSING, SECOND, Shelf, nobody};
use dogpile::{
    Cached, CachedGuard, Clock as _, CreateError, Dogpile, Job, Made, ManualClock, Outcome, Policy, PublishError,
    ReadGuard, Runner, Stamped, Status, SyncReaderDogpile,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::Duration;

static PLAIN: Policy = Policy::builder().build_const();

/// The place of the value.
struct Store {
    clock: Clock,
    value: Mutex<Option<Stamped<u32>>>,
    /// The threads on which it was set.
    set_by: Mutex<Vec<ThreadId>>,
    is_full: AtomicBool,
    made: AtomicU32,
}

impl Store {
    fn new() -> Arc<Self> {
        let (clock, is_full, made) = (Arc::<ManualClock>::default(), AtomicBool::new(false), AtomicU32::new(1));
        let value = Mutex::new(Some(Stamped { value: 1, created: clock.wall() }));
        Arc::new(Self { clock, value, set_by: Mutex::default(), is_full, made })
    }

    fn value(&self) -> Option<u32> {
        self.value.lock().map(|stamped| stamped.value)
    }

    fn make(&self) -> u32 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn set(&self, value: u32) -> Result<(), &'static str> {
        self.set_by.lock().push(thread::current().id());
        if self.is_full.load(Ordering::SeqCst) {
            return Err("full");
        }
        *self.value.lock() = Some(Stamped { value, created: self.clock.wall() });
        Ok(())
    }
}

type Told = Result<u32, CreateError<&'static str>>;

/// An access in the background.
type Ask = dyn Fn(&dyn Runner) -> Told;

/// A lock in a getter mode, with a setter. Its value is 1, and stale.
struct Subject {
    store: Arc<Store>,
    ask: Box<Ask>,
    seen: Box<dyn Fn() -> (Option<Duration>, u64, bool)>,
    mark_stale: Box<dyn Fn()>,
    invalidate: Box<dyn Fn()>,
}

/// Returns how long the lock is paused, how many creations have failed, and whether a creation runs.
fn seen(status: &Status<Clock>) -> (Option<Duration>, u64, bool) {
    (status.paused_for(), status.stats().failures, status.is_creating())
}

fn each(policy: &'static Policy) -> Vec<Subject> {
    macro_rules! subject {
        ($lock:ident, $step:ident, |$store:ident| $get:expr, |$made:ident| $of:expr, |$got:ident| $give:expr) => {{
            let store = Store::new();
            let lock = $lock::with_clock(MINUTE, Arc::clone(&store.clock)).with_policy(policy);
            let lock = Arc::new(lock.born_fresh());
            let _ = lock.acquire_or_create(|| unreachable!("it is born fresh"));
            let [seen_lock, marked, invalidated] = [(); 3].map(|()| Arc::clone(&lock));
            let ask = {
                let store = Arc::clone(&store);
                Box::new(move |runner: &dyn Runner| {
                    let ($store, [making, setting]) = (&store, [(); 2].map(|()| Arc::clone(&store)));
                    let access = $lock::kept(&lock).$step(|| $get).and_set(move |$made| setting.set($of));
                    let got = access.in_background(runner).or_try_create(move || Ok(making.make()));
                    got.map(|$got| $give)
                })
            };
            let subject = Subject {
                store,
                ask,
                seen: Box::new(move || seen(&seen_lock)),
                mark_stale: Box::new(move || marked.mark_stale()),
                invalidate: Box::new(move || invalidated.invalidate()),
            };
            (subject.mark_stale)();
            subject
        }};
    }
    vec![
        subject!(Dogpile, fetch, |store| store.value(), |made| *made, |got| got),
        subject!(Dogpile, fetch_stamped, |store| *store.value.lock(), |made| made.value, |got| got.value),
        subject!(SyncReaderDogpile, fetch, |store| store.value(), |made| *made, |got| *got),
        subject!(SyncReaderDogpile, fetch_stamped, |store| *store.value.lock(), |made| made.value, |got| got.value),
    ]
}

#[test]
fn a_setter_runs_in_the_job_or_with_the_caller() {
    for subject in each(&PLAIN) {
        let (store, shelf) = (&subject.store, Shelf::default());
        assert_eq!((subject.ask)(&shelf), Ok(1));
        assert_eq!((store.value(), store.set_by.lock().len()), (Some(1), 0), "not on the caller's thread");
        let job = shelf.take();
        let ran = thread::spawn(move || {
            job();
            thread::current().id()
        });
        let ran = ran.join().unwrap();
        assert_eq!((store.value(), &**store.set_by.lock()), (Some(2), &[ran][..]));
        assert_eq!((subject.ask)(&nobody), Ok(2));
        (subject.invalidate)();
        assert_eq!((subject.ask)(&nobody), Ok(3), "there is nothing to go on with");
        assert_eq!((store.value(), &**store.set_by.lock()), (Some(3), &[ran, thread::current().id()][..]));
    }
}

#[test]
fn l6_a_value_invalidated_while_its_job_waits_is_not_set() {
    for subject in each(&PLAIN) {
        let (store, shelf) = (&subject.store, Shelf::default());
        assert_eq!((subject.ask)(&shelf), Ok(1));
        (subject.invalidate)();
        shelf.take()();
        assert_eq!((store.made.load(Ordering::SeqCst), store.value(), store.set_by.lock().len()), (2, Some(1), 0));
        assert_eq!((subject.ask)(&nobody), Ok(3), "nor is what the store still holds given");
        assert_eq!(store.value(), Some(3));
    }
}

#[test]
fn c11_a_creation_replaced_while_its_job_waits_sets_nothing() {
    for subject in each(&MORTAL) {
        let (store, shelf) = (&subject.store, Shelf::default());
        assert_eq!((subject.ask)(&shelf), Ok(1));
        let late = shelf.take();
        store.clock.advance(SECOND);
        assert_eq!((subject.ask)(&shelf), Ok(1), "another in its place");
        shelf.take()();
        late();
        assert_eq!((store.value(), store.set_by.lock().len()), (Some(2), 1));
    }
}

#[test]
fn a_setter_that_fails_in_its_job_fails_the_creation() {
    for subject in each(&PAUSING) {
        let (store, shelf) = (&subject.store, Shelf::default());
        store.is_full.store(true, Ordering::SeqCst);
        assert_eq!((subject.ask)(&shelf), Ok(1));
        shelf.take()();
        assert_eq!((subject.seen)(), (Some(SECOND), 1, false));
        assert_eq!(store.value(), Some(1));
        assert_eq!((subject.ask)(&nobody), Ok(1), "nobody tries again so soon");
        store.clock.advance(SECOND);
        store.is_full.store(false, Ordering::SeqCst);
        assert_eq!((subject.ask)(&shelf), Ok(1));
        shelf.take()();
        assert_eq!((store.value(), (subject.seen)()), (Some(3), (None, 1, false)));
        // If the caller creates, it gets the error itself.
        store.is_full.store(true, Ordering::SeqCst);
        (subject.invalidate)();
        assert_eq!((subject.ask)(&nobody), Err(CreateError::Failed("full")));
        assert_eq!((store.value(), (subject.seen)()), (Some(3), (Some(SECOND), 2, false)));
    }
}

#[test]
fn c9_a_job_that_is_dropped_unrun_sets_nothing() {
    for subject in each(&PAUSING) {
        let (store, shelf) = (&subject.store, Shelf::default());
        let owners = Arc::strong_count(store);
        assert_eq!((subject.ask)(&shelf), Ok(1));
        assert!((subject.seen)().2 && Arc::strong_count(store) > owners);
        drop(shelf);
        assert_eq!(Arc::strong_count(store), owners, "C7: creator and setter are gone");
        assert_eq!((subject.seen)(), (None, 0, false));
        assert_eq!((store.value(), store.made.load(Ordering::SeqCst), store.set_by.lock().len()), (Some(1), 1, 0));
        let shelf = Shelf::default();
        assert_eq!((subject.ask)(&shelf), Ok(1), "the next one is elected");
        shelf.take()();
        assert_eq!(store.value(), Some(2));
    }
}

/// A setter that panics.
#[allow(clippy::trivially_copy_pass_by_ref)] // a setter is called so
fn panics(_: &u32) {
    panic!("on purpose")
}

#[test]
fn c10_a_setter_that_panics_in_its_job_frees_the_lock_and_no_more() {
    let lock = Arc::new(SyncReaderDogpile::never_expires().born_fresh().with_policy(&PAUSING));
    lock.mark_stale();
    let shelf = Shelf::default();
    let access = SyncReaderDogpile::kept(&lock).fetch(|| Some(1)).and_set(panics);
    assert_eq!(*access.in_background(&shelf).or_create(|| 2), 1);
    shelf.take()(); // the job does not panic
    assert_eq!((lock.is_creating(), lock.stats().failures), (false, 1));
    assert!(lock.try_acquire_write_lock().is_ok());
}

// --- under guards

/// Hands a creation over and returns the guard. The setter tells when it runs.
macro_rules! under_guard {
    (|$lock:ident, $shelf:ident, $set:ident| $guard:expr) => {{
        let $lock = Arc::new(SyncReaderDogpile::never_expires().born_fresh());
        $lock.mark_stale();
        let (($set, sets), $shelf) = (mpsc::channel(), Shelf::default());
        let guard = $guard;
        let job = thread::spawn($shelf.take());
        while $lock.waiting_writers() == 0 {
            thread::yield_now();
        }
        assert!(sets.try_recv().is_err(), "a reader is in");
        assert!($lock.try_acquire_write_lock().is_err());
        drop(guard);
        assert_eq!(sets.recv(), Ok(2));
        job.join().unwrap();
        assert_eq!(($lock.is_expired(), $lock.stats().failures), (false, 0));
    }};
}

/// The setter waits although the access has no patience: a time-out bounds the access's own waits only.
#[test]
fn l9_l10_a_setter_waits_in_its_job_for_the_guard_of_its_access() {
    under_guard!(|lock, shelf, set| {
        let access = SyncReaderDogpile::kept(&lock).fetch(|| Some(1)).and_set(move |made| set.send(*made).unwrap());
        let guard = access.timeout(Duration::ZERO).in_background(&shelf).or_create(|| 2).unwrap();
        assert_eq!(*guard, 1);
        guard
    });
    under_guard!(|lock, shelf, set| {
        let old = Stamped::from_unix_nanos(1, 1);
        let access = SyncReaderDogpile::kept(&lock).fetch_stamped(move || Some(old));
        let access = access.and_set(move |made| set.send(made.value).unwrap()).timeout(Duration::ZERO);
        let guard = access.in_background(&shelf).or_create(|| 2).unwrap();
        assert_eq!(guard.value, 1);
        guard
    });
}

/// A setter waits for the readers while its value is invalidated. It does not run any more, and a reader need not wait
/// for that (L6).
#[test]
fn l6_a_setter_that_waits_for_readers_is_superseded() {
    let (lock, shelf) = (Arc::new(SyncReaderDogpile::never_expires().born_fresh()), Shelf::default());
    lock.mark_stale();
    let access = SyncReaderDogpile::kept(&lock).fetch(|| Some(1)).and_set(panics);
    let guard: ReadGuard<'_, u32> = access.in_background(&shelf).or_create(|| 2);
    let job = thread::spawn(shelf.take());
    while lock.waiting_writers() == 0 {
        thread::yield_now();
    }
    lock.invalidate();
    drop(guard);
    job.join().unwrap();
    assert_eq!((lock.has_value(), lock.stats().superseded, lock.stats().failures), (false, 1, 0));
}

/// The runner runs the job at once, while the caller reads: the setter would wait for the caller's own guard.
#[test]
fn l7_c25_a_setter_of_a_job_that_is_run_at_once_gives_up() {
    let lock = Arc::new(SyncReaderDogpile::never_expires().born_fresh());
    lock.mark_stale();
    let access = SyncReaderDogpile::kept(&lock).fetch(|| Some(1)).and_set(panics);
    let guard = access.in_background(&|job: Job| job()).or_create(|| 2);
    assert_eq!(*guard, 1);
    assert!(lock.is_expired() && !lock.is_creating());
}

// --- creators that are handed their creation

/// A lock with its value beside it. The access goes on with the old value, and the job publishes the new one.
macro_rules! with_its_creation {
    ($lock:ident $(, $step:ident, $old:expr, $made:expr)?) => {{
        let lock = Arc::new($lock::never_expires().born_fresh());
        let (shelf, stored) = (Shelf::default(), Arc::new(AtomicU32::new(0)));
        let access = || $lock::kept(&lock)$(.$step(|| Some($old)))?;
        lock.mark_stale();
        let _ = access().in_background(&shelf).or_create_with({
            let stored = Arc::clone(&stored);
            move |creation| {
                assert_eq!((creation.is_superseded(), creation.is_dead()), (false, false));
                creation.publish(|| stored.fetch_add(1, Ordering::SeqCst)).unwrap();
                $($made)?
            }
        });
        assert_eq!(stored.load(Ordering::SeqCst), 0);
        shelf.take()();
        assert_eq!((stored.load(Ordering::SeqCst), lock.is_expired()), (1, false));

        let tries = || {
            let stored = Arc::clone(&stored);
            let got = access().in_background(&shelf).or_try_create_with(move |creation| {
                creation.publish(|| stored.fetch_add(1, Ordering::SeqCst))?;
                Ok::<_, PublishError>(($($made)?))
            });
            assert!(got.is_ok());
        };
        lock.mark_stale();
        tries();
        shelf.take()();
        assert_eq!((stored.load(Ordering::SeqCst), lock.is_expired()), (2, false));
        lock.mark_stale();
        tries();
        lock.invalidate();
        shelf.take()();
        assert_eq!((stored.load(Ordering::SeqCst), lock.has_value()), (2, false), "L6");
        // The caller creates here.
        tries();
        assert!(shelf.is_empty());
        assert_eq!((stored.load(Ordering::SeqCst), lock.is_expired()), (3, false));
        assert_eq!((lock.stats().creations, lock.stats().failures), (3, 1));
    }};
}

#[test]
fn creators_of_each_mode_publish_through_their_creation() {
    with_its_creation!(Dogpile);
    with_its_creation!(Dogpile, fetch, 1, 2);
    with_its_creation!(Dogpile, fetch_stamped, Stamped::from_unix_nanos(1, u64::MAX / 2), 2);
    with_its_creation!(SyncReaderDogpile);
    with_its_creation!(SyncReaderDogpile, fetch, 1, 2);
    with_its_creation!(SyncReaderDogpile, fetch_stamped, Stamped::from_unix_nanos(1, u64::MAX / 2), 2);
}

#[test]
fn creators_of_a_cached_describe_their_value() {
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)));
    let shelf = Shelf::default();
    cached.set(1);
    cached.mark_stale();
    let old = Cached::kept(&cached)
        .in_background(&shelf)
        .or_create_with(|renewal| Made::new(renewal.old().unwrap() + 1).expires_after(SECOND));
    assert_eq!((*old, CachedGuard::outcome(&old)), (1, Outcome::Stale));
    shelf.take()();
    assert_eq!(cached.get_fresh().as_deref(), Some(&2));
    clock.advance(SECOND);
    assert!(cached.is_expired(), "it said so");
    let old = Cached::kept(&cached).in_background(&shelf).or_try_create_with(|renewal| {
        assert_eq!((renewal.old(), renewal.is_superseded()), (None, true));
        Err("it was invalidated")
    });
    assert_eq!(old.as_deref(), Ok(&2));
    cached.invalidate();
    shelf.take()();
    assert!(!cached.has_value());
    let made = Cached::kept(&cached).in_background(&nobody).or_create_with(|renewal| {
        assert_eq!((renewal.old(), renewal.unchanged()), (None, None));
        Made::new(3)
    });
    assert_eq!((*made, CachedGuard::outcome(&made)), (3, Outcome::Created));
}
