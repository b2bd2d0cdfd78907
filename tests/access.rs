//! An access itself: its steps, its state before its terminal, its owner, and its errors.

use dogpile::{
    AcquireError, Backoff, Cached, CachedFn, CreateError, Creation, Dogpile, Finished, Job, ManualClock, Outcome,
    Policy, ReadTurn, Registry, Stamped, Status, SyncReaderDogpile, Task, Turn,
};
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, SECOND)).build_const();

/// Returns the output of a future that must not wait.
fn at_once<F: Future>(future: F) -> F::Output {
    let Poll::Ready(got) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    got
}

/// The state of the value that an access finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Fresh,
    Stale,
    Missing,
    /// Missing, and another thread creates, for ever.
    Awaited,
}

const VALUES: [Value; 4] = [Value::Fresh, Value::Stale, Value::Missing, Value::Awaited];

trait Beside {
    fn create(&self);
    fn mark_stale(&self);
    /// Elects this thread, and leaks the creation.
    fn leak(&self);
}

macro_rules! beside {
    ($lock:ident, $turn:ident) => {
        impl Beside for $lock {
            fn create(&self) {
                let _ = self.acquire_or_create(|| ());
            }

            fn mark_stale(&self) {
                $lock::mark_stale(self);
            }

            fn leak(&self) {
                let $turn::Create(creation) = self.acquire() else { panic!("somebody creates") };
                std::mem::forget(creation);
            }
        }
    };
}

beside!(Dogpile, Turn);
beside!(SyncReaderDogpile, ReadTurn);

fn in_state<L: Beside>(lock: L, value: Value) -> Arc<L> {
    match value {
        Value::Missing => {}
        Value::Fresh => lock.create(),
        Value::Stale => {
            lock.create();
            lock.mark_stale();
        }
        Value::Awaited => lock.leak(),
    }
    Arc::new(lock)
}

// --- steps

/// Makes the same access in each order of its steps, each time on a lock of its own.
macro_rules! in_each_order {
    ($new:expr, |$lock:ident| $($order:expr),+ $(,)?) => {{
        let all = [$({
            let lock = $new;
            let $lock = &lock;
            $order
        }),+];
        assert!(all.len() > 1);
        for other in &all {
            assert_eq!(other, &all[0]);
        }
        let [first, ..] = all;
        first
    }};
}

const AT_ONCE: Duration = Duration::ZERO;

#[test]
fn l10_steps_in_any_order_are_the_same_access() {
    for value in VALUES {
        let created = |otherwise| match value {
            Value::Awaited => Err(CreateError::TimedOut),
            Value::Fresh => Ok(otherwise),
            Value::Stale | Value::Missing => Ok(2),
        };
        let got = in_each_order!(
            in_state(Dogpile::never_expires(), value),
            |lock| lock.access().timeout(AT_ONCE).fetch(|| Some(1)).or_create(|| 2),
            lock.access().fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2),
            lock.fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2),
            Dogpile::kept(lock).timeout(AT_ONCE).fetch(|| Some(1)).or_create(|| 2),
            Dogpile::kept(lock).fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2),
            // The last time-out counts.
            lock.access().timeout(Duration::MAX).fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2),
        );
        assert_eq!(got, created(1));

        let old = Some(Stamped::from_unix_nanos(1, 1));
        let got = in_each_order!(
            in_state(Dogpile::never_expires(), value),
            |lock| lock.access().timeout(AT_ONCE).fetch_stamped(|| old).or_create(|| 2).map(|got| got.value),
            lock.access().fetch_stamped(|| old).timeout(AT_ONCE).or_create(|| 2).map(|got| got.value),
            lock.fetch_stamped(|| old).timeout(AT_ONCE).or_create(|| 2).map(|got| got.value),
        );
        let is_there = matches!(value, Value::Awaited | Value::Missing);
        assert_eq!(got, if is_there { Ok(1) } else { created(1) }, "the getter says how old it is");

        let got = in_each_order!(
            in_state(SyncReaderDogpile::never_expires(), value),
            |lock| lock.access().timeout(AT_ONCE).fetch(|| Some(1)).or_create(|| 2).map(|got| *got),
            lock.access().fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2).map(|got| *got),
            lock.fetch(|| Some(1)).timeout(AT_ONCE).or_create(|| 2).map(|got| *got),
            SyncReaderDogpile::kept(lock).timeout(AT_ONCE).fetch(|| Some(1)).or_create(|| 2).map(|got| *got),
        );
        assert_eq!(got, created(1));
    }
}

#[test]
fn l10_a_setter_is_a_step_in_any_place() {
    for value in VALUES {
        // What the access returns, and what is stored.
        macro_rules! with_store {
            ($lock:ident, |$access:ident, $stored:ident| $steps:expr) => {{
                let $stored = std::cell::Cell::new(0);
                let $access = $lock.access();
                let got = $steps;
                (got, $stored.get())
            }};
        }
        let got = in_each_order!(
            in_state(Dogpile::never_expires(), value),
            |lock| with_store!(lock, |access, stored| {
                access.timeout(AT_ONCE).fetch(|| Some(1)).and_set(|made| stored.set(*made)).or_create(|| 2)
            }),
            with_store!(lock, |access, stored| {
                access.fetch(|| Some(1)).timeout(AT_ONCE).and_set(|made| stored.set(*made)).or_create(|| 2)
            }),
            with_store!(lock, |access, stored| {
                access.fetch(|| Some(1)).and_set(|made| stored.set(*made)).timeout(AT_ONCE).or_create(|| 2)
            }),
        );
        assert_eq!(
            got,
            match value {
                Value::Awaited => (Err(CreateError::TimedOut), 0),
                Value::Fresh => (Ok(1), 0),
                Value::Stale | Value::Missing => (Ok(2), 2),
            }
        );
        let got = in_each_order!(
            in_state(Dogpile::never_expires().born_fresh(), Value::Missing),
            |lock| lock.access().timeout(AT_ONCE).fetch(|| None).and_set(|_| Err("full")).or_try_create(|| Ok(2)),
            lock.access().fetch(|| None).timeout(AT_ONCE).and_set(|_| Err("full")).or_try_create(|| Ok(2)),
            lock.access().fetch(|| None).and_set(|_| Err("full")).timeout(AT_ONCE).or_try_create(|| Ok(2)),
        );
        assert_eq!(got, Err(CreateError::Failed("full")));
    }
}

#[test]
fn l10_steps_of_background_accesses_and_functions_in_any_order() {
    let runs = |job: Job| job();
    for value in VALUES {
        let got = in_each_order!(
            in_state(Dogpile::never_expires(), value),
            |lock| Dogpile::kept(lock).timeout(AT_ONCE).fetch(|| Some(1)).in_background(&runs).or_create(|| 2),
            Dogpile::kept(lock).fetch(|| Some(1)).timeout(AT_ONCE).in_background(&runs).or_create(|| 2),
            Dogpile::kept(lock).fetch(|| Some(1)).timeout(AT_ONCE).in_background(&runs).or_create_with(|_| 2),
        );
        assert_eq!(
            got,
            match value {
                Value::Awaited => Err(CreateError::TimedOut),
                Value::Fresh | Value::Stale => Ok(1),
                Value::Missing => Ok(2),
            }
        );
    }
    let function = || {
        let function = CachedFn::<u32>::new(Duration::MAX, || 2);
        function.set(1);
        function
    };
    let got = in_each_order!(
        function(),
        |function| function.access().anew().timeout(AT_ONCE).get().map(|got| *got),
        function.access().timeout(AT_ONCE).anew().get().map(|got| *got),
        function.access().timeout(AT_ONCE).anew().try_get().map(|got| *got),
    );
    assert_eq!(got, Ok(2));
}

// --- before the terminal

/// Builds accesses and drops them. That must leave no trace.
#[track_caller]
fn leaves_no_trace<L>(lock: &Arc<L>, status: impl Fn(&L) -> &Status, build: impl FnOnce()) {
    let told = || {
        let (status, shares) = (status(lock), Arc::strong_count(lock));
        let told = (status.generation(), status.freshness(), status.is_creating(), status.waiting());
        (told, status.stats().creations, status.stats().failures, shares)
    };
    let before = told();
    build();
    assert_eq!(told(), before);
}

fn no_get() -> Option<u32> {
    panic!("the getter is not called")
}

fn no_stamp() -> Option<Stamped<u32>> {
    panic!("the getter is not called")
}

fn no_number() -> Ready<u32> {
    panic!("the function is not called")
}

fn no_set<T>(_: &T) {
    panic!("the setter is not called")
}

fn no_job(_: Job) {
    panic!("nothing is handed over")
}

fn no_task(_: Task) {
    panic!("nothing is spawned")
}

/// Every opening and every step, in each state.
macro_rules! built_and_dropped {
    ($lock:ident) => {
        for value in VALUES {
            let lock = in_state($lock::never_expires(), value);
            leaves_no_trace(
                &lock,
                |lock| lock,
                || {
                    drop(lock.access());
                    drop(lock.access().timeout(SECOND));
                    drop(lock.fetch(no_get));
                    drop(lock.fetch(no_get).and_set(no_set).timeout(SECOND));
                    drop(lock.fetch_stamped(no_stamp).and_set(no_set));
                    drop($lock::kept(&lock).fetch(no_get).and_set(no_set).in_background(&no_job));
                    drop($lock::kept(&lock).timeout(SECOND).in_background(&no_job));
                    let kept = || $lock::kept_async(&lock);
                    drop((kept(), kept().spawned_by(&no_task)));
                    drop(kept().fetch(|| ready(no_get())).and_set(async |made| no_set(made)));
                    drop(kept().fetch_stamped(|| ready(no_stamp())).spawned_by(&no_task));
                    // A future that is never polled does not begin, either.
                    drop(kept().turn());
                    drop(kept().or_create(async || unreachable!()));
                    drop(kept().or_try_create(async || Err("unwanted")));
                    drop(kept().fetch(|| ready(no_get())).or_create(async || unreachable!()));
                    drop(kept().spawned_by(&no_task).or_create(|| ready(())));
                    drop(kept().fetch(|| ready(no_get())).spawned_by(&no_task).or_create(|| ready(1)));
                    drop(lock.invalidate_async());
                },
            );
        }
    };
}

#[test]
fn l1_an_access_dropped_before_its_terminal_leaves_no_trace() {
    built_and_dropped!(Dogpile);
    built_and_dropped!(SyncReaderDogpile);
    let readers = in_state(SyncReaderDogpile::never_expires(), Value::Fresh);
    let access = readers.fetch(no_get);
    assert!(readers.try_acquire_write_lock().is_ok(), "nor does it read");
    drop(access);
}

#[test]
fn l1_an_access_of_a_cached_dropped_before_its_terminal_leaves_no_trace() {
    for stale in [false, true] {
        let lock = Arc::new(Cached::<u32>::never_expires());
        let function = Arc::new(CachedFn::<u32>::new(Duration::MAX, || panic!("it is not called")));
        let tasks = Arc::new(CachedFn::<u32, _>::new(Duration::MAX, no_number));
        if stale {
            lock.set(1);
            lock.mark_stale();
            function.set(1);
            function.mark_stale();
        }
        leaves_no_trace(
            &lock,
            |lock| lock,
            || {
                drop(lock.access().timeout(SECOND));
                drop(Cached::kept(&lock).in_background(&no_job));
                drop(lock.access_async().or_create(async || unreachable!()));
                drop(Cached::kept_async(&lock).spawned_by(&no_task).or_create(|| ready(1)));
            },
        );
        leaves_no_trace(
            &function,
            |function| function,
            || {
                drop(function.access().timeout(SECOND).anew());
                drop(CachedFn::kept(&function).timeout(SECOND).in_background(&no_job));
            },
        );
        leaves_no_trace(
            &tasks,
            |function| function,
            || {
                drop(tasks.access_async().anew().get());
                drop(CachedFn::kept_async(&tasks).spawned_by(&no_task).try_get());
            },
        );
    }
}

/// An access finds what has happened between its first step and its terminal.
#[test]
fn an_access_looks_at_the_lock_in_its_terminal() {
    let lock = Dogpile::never_expires();
    let (first, second) = (lock.access(), lock.access());
    assert_eq!(first.or_create(|| ()), Outcome::Created);
    assert_eq!(second.or_create(|| unreachable!("it is fresh")), Outcome::Fresh);
    let access = lock.fetch(|| Some(1)).timeout(AT_ONCE);
    lock.invalidate();
    assert_eq!(access.or_create(|| 2), Ok(2));
    let future = lock.access_async().or_create(async || ());
    lock.invalidate();
    assert_eq!(at_once(future), Outcome::Created);
}

// --- the owner of an access

/// Runs a creation that outlives its access.
fn outlives(creation: Creation<'static, Dogpile>) -> Finished {
    thread::spawn(move || creation.finish()).join().unwrap()
}

fn under_readers(creation: Creation<'static, SyncReaderDogpile>) -> Finished {
    thread::spawn(move || creation.finish()).join().unwrap()
}

/// The lock's owner is dropped before the creation ends, if it can be.
macro_rules! kept {
    ($lock:ident, $turn:ident, $outlives:ident) => {{
        static LOCK: $lock = $lock::never_expires();
        static LOCKS: Registry<u32, $lock> = Registry::new(|_| $lock::never_expires());
        fn created(turn: $turn<'_>) -> bool {
            matches!(turn, $turn::Create(_))
        }
        macro_rules! elected {
            ($given:expr) => {{
                let $turn::Create(creation) = $given else { panic!("not elected") };
                creation
            }};
        }

        let creation = elected!($lock::kept(&LOCK).turn());
        assert_eq!($outlives(creation), Finished::Published);
        LOCK.invalidate();
        assert_eq!($outlives(elected!($lock::kept(&LOCK).timeout(AT_ONCE).turn().unwrap())), Finished::Published);
        LOCK.invalidate();
        assert_eq!($outlives(elected!(at_once($lock::kept_async(&LOCK).turn()))), Finished::Published);
        assert!(!created(LOCK.acquire()));

        for by_task in [false, true] {
            let lock = Arc::new($lock::never_expires());
            let weak = Arc::downgrade(&lock);
            let creation = if by_task {
                elected!(at_once($lock::kept_async(&lock).turn()))
            } else {
                elected!($lock::kept(&lock).turn())
            };
            assert_eq!(Arc::strong_count(&lock), 2, "the creation has a share of its own");
            drop(lock);
            assert!(weak.upgrade().is_some());
            assert_eq!($outlives(creation), Finished::Published);
            assert!(weak.upgrade().is_none());

            let held = LOCKS.get(&1);
            let creation = if by_task {
                elected!(at_once($lock::kept_async(&held).turn()))
            } else {
                elected!($lock::kept(&held).turn())
            };
            drop(held);
            assert!(LOCKS.is_creating(&1), "the creation holds the entry");
            assert_eq!($outlives(creation), Finished::Published);
            assert!(LOCKS.is_empty());
        }

        let locks: Arc<Registry<u32, $lock>> = Arc::new(Registry::new(|_| $lock::never_expires()));
        let held = locks.get_owned(&1);
        let creation = elected!($lock::kept(&held).turn());
        drop((held, locks));
        assert_eq!($outlives(creation), Finished::Published);

        // A hit takes no share of the lock.
        let lock = in_state($lock::never_expires(), Value::Fresh);
        let turn = $lock::kept(&lock).turn();
        assert_eq!(Arc::strong_count(&lock), 1);
        assert!(!created(turn));
    }};
}

#[test]
fn c9_a_creation_that_owns_its_lock_outlives_its_access() {
    kept!(Dogpile, Turn, outlives);
    kept!(SyncReaderDogpile, ReadTurn, under_readers);
}

// --- errors

#[test]
fn an_acquire_error_converts_to_the_same_create_error() {
    #[track_caller]
    fn widened(error: AcquireError) -> CreateError<String, u8> {
        let said = error.to_string();
        let wide = error.widen::<String, u8>();
        assert_eq!(wide.to_string(), said);
        wide
    }

    let awaited = in_state(Dogpile::never_expires(), Value::Awaited);
    assert_eq!(widened(awaited.try_acquire().unwrap_err()), CreateError::TimedOut);

    let lock = Dogpile::never_expires();
    let mut told = None;
    lock.acquire_or_create(|| told = lock.try_acquire().err());
    let Some(AcquireError::WouldDeadlock(cycle)) = &told else { panic!("it would wait for itself") };
    let cycle = cycle.clone();
    assert_eq!(widened(told.unwrap()), CreateError::WouldDeadlock(cycle));

    let clock = Arc::new(ManualClock::new());
    let pausing = Dogpile::with_clock(Duration::MAX, clock).with_policy(&PAUSING);
    assert!(pausing.acquire_or_try_create(|| Err("no answer")).is_err());
    let told = widened(pausing.access().timeout(SECOND).or_create(|| ()).unwrap_err());
    let CreateError::Paused { retry_in, cause } = told else { panic!("it is paused") };
    assert!(retry_in <= SECOND && &*cause == "no answer");

    let readers = in_state(SyncReaderDogpile::never_expires(), Value::Fresh);
    let guard = readers.acquire_or_create(|| ());
    let told = readers.fetch(|| None).timeout(SECOND).or_create(|| 1).unwrap_err();
    assert_eq!(widened(told), CreateError::ReadLockHeld);
    drop(guard);
    let guard = readers.acquire_write_lock();
    let told = readers.access().timeout(SECOND).or_create(|| ()).unwrap_err();
    assert_eq!(widened(told), CreateError::WriteLockHeld);
    drop(guard);

    let shared = Arc::new(Dogpile::never_expires());
    let polls_once = |mut task: Task| assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let access = Dogpile::kept_async(&shared).spawned_by(&polls_once).or_create(std::future::pending::<()>);
    assert_eq!(widened(at_once(access).unwrap_err()), CreateError::Lost);
}
