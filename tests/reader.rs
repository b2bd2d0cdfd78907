//! What a `Reader` does beyond the `Cached` that it reads: which value it holds, and for how long.

mod common;
#[macro_use]
mod traits;

use common::until;
use dogpile::{
    AcquireError, Cached, CachedFn, CachedGuard, CreateError, Job, ManualClock, Observer, Outcome, Policy, Reader,
    Registry, Source,
};
use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use traits::Otherwise;

const MINUTE: Duration = Duration::from_secs(60);

type Clock = Arc<ManualClock>;

fn manual<T>() -> (Arc<Cached<T, Clock>>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock))), clock)
}

/// Returns the outcome of the reader's access, and its value.
fn read(reader: &mut Reader<'_, u64, Clock>, create: u64) -> (Outcome, u64) {
    let value = *reader.get_or_create(|| create);
    assert_eq!(reader.held(), Some(&value));
    (reader.outcome().unwrap(), value)
}

fn no_access(_: &Cached<u64, Clock>) -> CachedGuard<u64> {
    unreachable!("a hit makes no access")
}

/// A creation on a thread of its own. Its creator waits until it is told what to return.
struct HeldCreation {
    thread: JoinHandle<()>,
    result: mpsc::Sender<u64>,
}

impl HeldCreation {
    fn start(cached: &Arc<Cached<u64, Clock>>) -> Self {
        let (result, results) = mpsc::channel();
        let there = Arc::clone(cached);
        let thread = thread::spawn(move || drop(there.get_or_create(|| results.recv().unwrap())));
        until(|| cached.is_creating());
        Self { thread, result }
    }

    fn end(self, value: u64) {
        self.result.send(value).unwrap();
        self.thread.join().unwrap();
    }
}

#[test]
fn k9_a_reader_creates_hits_and_goes_on_as_its_cached_does() {
    let (cached, clock) = manual();
    let mut reader = cached.reader();
    assert_eq!((reader.held(), reader.outcome(), reader.generation()), (None, None, None));
    assert_eq!(reader.peek(), None);
    assert_eq!(read(&mut reader, 1), (Outcome::Created, 1));
    assert_eq!(read(&mut reader, 2), (Outcome::Fresh, 1));
    assert_eq!(reader.generation(), Some(cached.generation()));
    clock.advance(MINUTE);
    assert_eq!(reader.peek(), Some(&1));
    assert_eq!(reader.outcome(), Some(Outcome::Stale));
    let running = HeldCreation::start(&cached);
    assert_eq!(read(&mut reader, 3), (Outcome::Stale, 1), "without waiting");
    assert_eq!(reader.get_or_try_create(|| Err("nobody is elected")), Ok(&1));
    running.end(4);
    assert_eq!(read(&mut reader, 5), (Outcome::Fresh, 4));
    cached.mark_stale();
    assert_eq!(read(&mut reader, 6), (Outcome::Created, 6), "elected");
    cached.set(7);
    assert_eq!(read(&mut reader, 8), (Outcome::Fresh, 7), "at once");
    cached.invalidate();
    assert_eq!(reader.peek(), None);
    assert_eq!(reader.get_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    assert_eq!(reader.get_or_try_create(|| Ok::<_, &str>(9)), Ok(&9));
}

#[test]
fn k9_a_reader_that_waits_is_served() {
    let (cached, _) = manual();
    let running = HeldCreation::start(&cached);
    let waits = {
        let cached = Arc::clone(&cached);
        thread::spawn(move || read(&mut cached.reader(), 2))
    };
    until(|| cached.waiting() == 1);
    running.end(1);
    assert_eq!(waits.join().unwrap(), (Outcome::Waited, 1));
}

#[test]
fn k9_any_access_is_made_through_a_reader() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    assert_eq!(reader.by(Cached::get_fresh), None, "an option");
    let running = HeldCreation::start(&cached);
    let in_time: Result<&u64, AcquireError> =
        reader.by(|cached| cached.access().timeout(Duration::ZERO).or_create(|| 2));
    assert_eq!(in_time, Err(AcquireError::TimedOut), "a result");
    running.end(1);
    let hit: &u64 = reader.by(no_access);
    assert_eq!(hit, &1);
    assert_eq!(reader.outcome(), Some(Outcome::Fresh));

    let value = Arc::as_ptr(&CachedGuard::to_arc(&cached.peek().unwrap()));
    cached.mark_stale();
    let seen = cached.generation();
    let renewed = reader.by(|cached| cached.access().or_create_with(|renewal| renewal.unchanged().unwrap()));
    assert!(std::ptr::eq(renewed, value), "the value it held");
    assert!(reader.generation().unwrap() > seen, "of now");
    assert_eq!(read(&mut reader, 3), (Outcome::Fresh, 1));

    cached.mark_stale();
    let jobs = Mutex::new(Vec::new());
    let runner = |job: Job| jobs.lock().unwrap().push(job);
    assert_eq!(reader.by(|_| Cached::kept(&cached).in_background(&runner).or_create(|| 4)), &1);
    assert_eq!(reader.by(Cached::get_fresh), None, "a stale value that is held is not given for a fresh one");
    jobs.lock().unwrap().pop().unwrap()();
    assert_eq!(read(&mut reader, 5), (Outcome::Fresh, 4));
}

#[test]
fn k9_a_reader_holds_one_value_until_it_gives_a_newer_one_or_is_released() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    reader.get_or_create(|| Arc::new(1));
    let first = Arc::downgrade(reader.held().unwrap());
    cached.invalidate();
    assert_eq!(reader.peek(), None);
    assert_eq!(reader.held().map(|held| **held), Some(1), "gone, and held all the same");
    cached.set(Arc::new(2));
    assert!(first.upgrade().is_some());
    assert_eq!(**reader.get_or_create(|| unreachable!("there is one")), 2);
    assert!(first.upgrade().is_none(), "dropped with the next one");
    let second = Arc::downgrade(reader.held().unwrap());
    cached.take();
    assert!(second.upgrade().is_some());
    reader.release();
    assert!(second.upgrade().is_none());
    assert_eq!((reader.held(), reader.outcome(), reader.generation()), (None, None, None));
    assert_eq!(**reader.get_or_create(|| Arc::new(3)), 3, "and on it goes");
    let third = Arc::downgrade(reader.held().unwrap());
    drop(cached.take());
    drop(reader);
    assert!(third.upgrade().is_none());
}

#[test]
fn k9_l6_a_superseded_value_is_given_to_its_own_reader_once() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    let made = *reader.get_or_create(|| {
        cached.set(7);
        1
    });
    assert_eq!((made, reader.outcome()), (1, Some(Outcome::Created)));
    assert!(reader.generation().unwrap() < cached.generation());
    assert_eq!(read(&mut reader, 2), (Outcome::Fresh, 7));
    let other = Cached::with_clock(MINUTE, Arc::new(ManualClock::new()));
    other.set(8);
    cached.mark_stale();
    assert_eq!(reader.by(|_| other.peek()), Some(&8), "what the access gave");
    cached.set(9);
    assert_eq!(read(&mut reader, 2), (Outcome::Fresh, 9), "and then its own again");
}

#[test]
fn k9_a_panic_leaves_the_reader_with_its_value() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    assert_eq!(read(&mut reader, 1), (Outcome::Created, 1));
    cached.mark_stale();
    let create = || -> u64 { panic!("on purpose") };
    assert!(catch_unwind(AssertUnwindSafe(|| *reader.get_or_create(create))).is_err());
    assert_eq!((reader.held(), cached.is_creating()), (Some(&1), false));
    assert_eq!(read(&mut reader, 2), (Outcome::Created, 2));
    cached.invalidate();
    let itself = reader.get_or_try_create(|| {
        let mut within = cached.reader();
        within.get_or_try_create(|| Ok::<u64, &str>(3)).copied().map_err(|error| error.to_string())
    });
    assert!(matches!(itself, Err(CreateError::Failed(told)) if told.contains("waited for itself")), "{reader:?}");
    assert_eq!(reader.held(), Some(&2));
}

#[test]
fn k9_l4_a_reader_told_of_a_value_reads_it_or_a_newer_one() {
    const VALUES: u64 = 2_000;
    let cached = Cached::never_expires();
    let told = AtomicU64::new(0);
    cached.set(0);
    thread::scope(|scope| {
        let readers = [(); 3].map(|()| {
            scope.spawn(|| {
                let mut reader = cached.reader();
                let mut last = 0;
                while last < VALUES {
                    let at_least = told.load(Ordering::Acquire);
                    let value = *reader.get_or_create(|| unreachable!("there is always one"));
                    assert!(value >= at_least && value >= last, "{value}: {at_least}, {last}");
                    last = value;
                }
            })
        });
        for value in 1..=VALUES {
            cached.set(value);
            told.store(value, Ordering::Release);
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn k9_of_many_readers_one_creates() {
    const READERS: usize = 8;
    let (cached, _) = manual();
    let runs = AtomicUsize::new(0);
    thread::scope(|scope| {
        let readers = [(); READERS].map(|()| {
            scope.spawn(|| {
                let create = || {
                    until(|| cached.waiting() == READERS - 1);
                    runs.fetch_add(1, Ordering::Relaxed);
                    1
                };
                *cached.reader().get_or_create(create)
            })
        });
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 1);
        }
    });
    assert_eq!(runs.into_inner(), 1);
}

/// Counts the stale values that it is told of.
#[derive(Debug)]
struct Stale(AtomicUsize);

impl RefUnwindSafe for Stale {}

impl Observer for Stale {
    fn served_stale(&self, _: Source<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn k9_a_reader_follows_the_policy_of_its_cached() {
    static STALE: Stale = Stale(AtomicUsize::new(0));
    static POLICY: Policy = Policy::builder().max_stale(MINUTE).observer(&STALE).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&POLICY));
    let mut reader = cached.reader();
    assert_eq!(read(&mut reader, 1), (Outcome::Created, 1));
    clock.advance(MINUTE);
    let running = HeldCreation::start(&cached);
    assert_eq!(read(&mut reader, 2), (Outcome::Stale, 1));
    assert_eq!(STALE.0.load(Ordering::Relaxed), 1, "told once");
    clock.advance(MINUTE);
    assert_eq!(reader.peek(), None, "too old");
    let late = reader.by(|cached| cached.access().timeout(Duration::ZERO).or_create(|| 3));
    assert_eq!(late, Err(AcquireError::TimedOut));
    running.end(4);
    assert_eq!(read(&mut reader, 5), (Outcome::Fresh, 4));
}

#[test]
fn k9_readers_of_a_function_and_of_a_registrys_lock() {
    static PAGES: Registry<u64, Cached<u64>> = Registry::new(|_| Cached::new(MINUTE));
    let function = CachedFn::new(MINUTE, || 1);
    let mut reader = function.reader();
    assert_eq!(reader.by(|_| function.get()), &1);
    assert_eq!(reader.by(|_| function.get()), &1);
    assert_eq!(reader.outcome(), Some(Outcome::Fresh));
    let held = PAGES.get(&7);
    let mut reader = held.reader();
    assert_eq!(reader.get_or_create(|| 7), &7);
}

/// Runs a task that is sure to end.
fn run<R>(task: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task)
}

#[test]
fn k9_a_task_reads_through_a_reader_of_its_own() {
    static CACHED: Cached<u64> = Cached::new(MINUTE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let reads = async {
        let mut reader = CACHED.reader();
        let mut sum = *reader.by_async(|cached| cached.get_or_create_async(async || 1)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await; // and perhaps on another thread
            let created = reader.by_async(|cached| cached.access_async().or_try_create(async || Ok::<_, &str>(5)));
            sum += created.await.unwrap();
        }
        sum
    };
    assert_eq!(runtime.block_on(runtime.spawn(reads)).unwrap(), 11);
}

#[test]
fn k9_a_task_creates_waits_and_goes_on_through_a_reader() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    assert_eq!(run(reader.by_async(|cached| cached.get_or_create_async(async || 1))), &1);
    assert_eq!(reader.outcome(), Some(Outcome::Created));
    cached.mark_stale();
    let running = HeldCreation::start(&cached);
    assert_eq!(run(reader.by_async(|cached| cached.get_or_create_async(async || 2))), &1);
    assert_eq!(reader.outcome(), Some(Outcome::Stale));
    cached.invalidate();
    let then = {
        let mut waits = pin!(reader.by_async(|cached| cached.get_or_create_async(async || 3)));
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(cached.waiting(), 1);
        running.end(4); // superseded by the invalidation: the access after that is elected
        *run(waits)
    };
    assert_eq!((then, reader.outcome()), (3, Some(Outcome::Created)));
    assert_eq!(run(reader.by_async(async |cached| no_access(cached))), &3);
    assert_eq!(reader.outcome(), Some(Outcome::Fresh));
}

#[test]
fn k9_a_task_that_is_dropped_leaves_the_reader_with_its_value() {
    let (cached, _) = manual();
    let mut reader = cached.reader();
    assert_eq!(read(&mut reader, 1), (Outcome::Created, 1));
    cached.mark_stale();
    {
        let mut creates = pin!(reader.by_async(|cached| cached.get_or_create_async(pending::<u64>)));
        assert!(creates.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(cached.is_creating());
    }
    assert!(!cached.is_creating());
    assert_eq!(reader.held(), Some(&1));
    let failed = run(reader.by_async(|cached| cached.get_or_try_create_async(async || Err("no answer"))));
    assert_eq!(failed, Err(CreateError::Failed("no answer")));
    assert_eq!(read(&mut reader, 2), (Outcome::Created, 2));
}

#[test]
fn k9_a_reader_crosses_threads_as_an_arc_of_its_value_does() {
    assert_eq!(traits!(Reader<'static, u64>), [true; 4]);
    assert_eq!(traits!(Reader<'static, Cell<u64>>), [false; 4]);
    assert_eq!(traits!(Reader<'static, std::sync::MutexGuard<'static, u64>>)[..2], [false; 2]);
    let (cached, _) = manual();
    let mut reader = cached.reader();
    assert_eq!(read(&mut reader, 1), (Outcome::Created, 1));
    thread::scope(|scope| {
        assert_eq!(scope.spawn(move || read(&mut reader, 2)).join().unwrap(), (Outcome::Fresh, 1));
    });
}
