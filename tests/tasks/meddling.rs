//! User code that meddles: wakers, clocks, observers, keys, values and errors. Whenever the crate runs their code (a
//! waker is cloned, woken or dropped), they question, invalidate and fill every lock there is (C22). If the crate ran
//! any of this under one of its mutexes, the test would hang.
//!
//! Two threads follow scripts that are drawn from a seed. The test prints the seed, and `DOGPILE_WAKERS_SEED` sets it.
//! (The seed decides what each thread does. The machine decides how the threads meet.)

use crate::common::until;
use crate::wakers::ends;
use dogpile::{
    Backoff, Cached, Clock, CreateError, Creation, Dogpile, ManualClock, MonotonicClock, Observer, OwnedReadGuard,
    Policy, ReadTurn, Registry, Source, SyncReaderDogpile, Task, Turn,
};
use fastrand::Rng;
use std::cell::Cell;
use std::env;
use std::fmt;
use std::future::{pending, poll_fn};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

/// The number of scripts for each thread.
const SCRIPTS: u64 = 30;
const STEPS: usize = 400;
const AT_ONCE: usize = 12;

const SHORT: Duration = Duration::from_micros(200);
static MORTAL: Policy =
    Policy::builder().creation_timeout(Duration::from_micros(300)).observer(&Meddler).name("mortal").build_const();
static SLOW: Policy = Policy::builder().creation_timeout(Duration::from_secs(3600)).build_const();
static PAUSING: Policy = Policy::builder()
    .creation_timeout(Duration::from_micros(300))
    .retry_after(Backoff::new(Duration::from_micros(50), SHORT))
    .observer(&Meddler)
    .build_const();

static REAL: Time = Time(None);
static MOVED: Time = Time(Some(ManualClock::new()));

type Resource = SyncReaderDogpile<&'static Time>;
type Values = Cached<Value, &'static Time>;

static RESOURCES: [Resource; 3] = [
    SyncReaderDogpile::with_clock(SHORT, &REAL),
    SyncReaderDogpile::with_clock(SHORT, &REAL).with_policy(&MORTAL),
    SyncReaderDogpile::with_clock(SHORT, &MOVED).with_policy(&PAUSING),
];
static VALUES: [Values; 3] = [
    Cached::with_clock(SHORT, &REAL),
    Cached::with_clock(SHORT, &REAL).with_policy(&PAUSING),
    Cached::with_clock(SHORT, &MOVED).with_policy(&MORTAL),
];
static LOCKS: [Dogpile<&'static Time>; 2] =
    [Dogpile::with_clock(SHORT, &REAL), Dogpile::with_clock(SHORT, &MOVED).with_policy(&MORTAL)];
/// A creation runs all the time, so that each access sets an alarm.
static ALARMED: Dogpile = Dogpile::never_expires().with_policy(&SLOW);
static BY_KEY: Registry<Key, Values> =
    Registry::<_, Values>::new(|_| Cached::with_clock(SHORT, &MOVED)).keep_idle(SHORT);

// --- what meddles

/// How often each kind of user code has meddled.
static MEDDLED: [AtomicUsize; 7] = [const { AtomicUsize::new(0) }; 7];
const BY_CLONE: usize = 0;
const BY_WAKE: usize = 1;
const BY_DROP: usize = 2;
const BY_CLOCK: usize = 3;
const BY_OBSERVER: usize = 4;
const BY_VALUE: usize = 5;
const BY_KEYS: usize = 6;

thread_local! {
    /// Whether this thread meddles. Meddling runs user code as well, which does not meddle then.
    static MEDDLES: Cell<bool> = const { Cell::new(false) };
}

fn meddle(by: usize) {
    let changes = MEDDLED[by].fetch_add(1, Ordering::Relaxed) % 11 == 0;
    if MEDDLES.replace(true) {
        return;
    }
    for lock in &RESOURCES {
        let _seen = (lock.waiting(), lock.waiting_readers(), lock.waiting_writers(), lock.generation(), lock.stats());
        drop(lock.try_acquire());
        drop(lock.try_acquire_write_lock());
        assert!(!format!("{lock:?}").is_empty());
        if changes {
            lock.mark_stale();
            let _stores = lock.invalidate_timeout(Duration::ZERO);
        }
    }
    for values in &VALUES {
        let _seen = (values.waiting(), values.generation(), values.peek(), values.get_fresh());
        let _got = values.access().timeout(Duration::ZERO).or_create(|| Value);
        let mut asks = Box::pin(values.get_or_try_create_async(pending::<Result<Value, Failure>>));
        let _asked = asks.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if changes {
            values.mark_stale();
            values.set(Value);
            values.invalidate();
        }
    }
    for lock in &LOCKS {
        let _seen = (lock.waiting(), lock.generation(), lock.paused_for());
        drop(lock.try_acquire());
        if changes {
            let _stores = lock.invalidate_timeout(Duration::ZERO);
        }
    }
    let _got = BY_KEY.get(&Key(1)).access().timeout(Duration::ZERO).or_create(|| Value);
    let _seen = (BY_KEY.len(), BY_KEY.remove_idle(&Key(2)), BY_KEY.is_creating(&Key(1)));
    MOVED.advance(Duration::ZERO);
    let mut waits = Box::pin(ALARMED.access_async().turn());
    let _waits = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    if changes {
        BY_KEY.sweep();
        BY_KEY.iter().for_each(|held| held.invalidate());
    }
    MEDDLES.set(false);
}

/// A clock that is moved, or that goes by itself.
struct Time(Option<ManualClock>);

impl Time {
    fn meddle() {
        // The crate reads the clock all the time.
        if MEDDLED[BY_CLOCK].fetch_add(1, Ordering::Relaxed) % 8 == 0 {
            meddle(BY_CLOCK);
        }
    }

    fn advance(&self, by: Duration) {
        self.0.iter().for_each(|moved| moved.advance(by));
    }
}

impl Clock for Time {
    fn now(&self) -> u64 {
        Self::meddle();
        self.0.as_ref().map_or_else(|| MonotonicClock.now(), Clock::now)
    }

    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        Self::meddle();
        self.0.as_ref().is_some_and(|moved| moved.wake_at(at, ticket, waker))
    }

    fn cancel_wake(&self, at: u64, ticket: u64) {
        Self::meddle();
        self.0.iter().for_each(|moved| moved.cancel_wake(at, ticket));
    }
}

#[derive(Debug)]
struct Meddler;

#[allow(unused_variables)]
impl Observer for Meddler {
    fn created(&self, of: Source, took: Duration) {
        meddle(BY_OBSERVER);
    }

    fn failed(&self, of: Source, took: Duration, cause: &dyn fmt::Display) {
        meddle(BY_OBSERVER);
    }

    fn superseded(&self, of: Source, took: Duration) {
        meddle(BY_OBSERVER);
    }

    fn dead(&self, of: Source, after: Duration) {
        meddle(BY_OBSERVER);
    }

    fn waited(&self, of: Source, took: Duration) {
        meddle(BY_OBSERVER);
    }

    fn served_stale(&self, of: Source) {
        meddle(BY_OBSERVER);
    }
}

#[derive(Debug)]
struct Value;

impl Drop for Value {
    fn drop(&mut self) {
        meddle(BY_VALUE);
    }
}

/// The error of a creator.
#[derive(Debug)]
struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        meddle(BY_VALUE);
        f.write_str("on purpose")
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        meddle(BY_VALUE);
    }
}

/// A key compares without meddling, as it must: a comparison must not use the registry.
#[derive(Debug, PartialEq, Eq)]
struct Key(u32);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        meddle(BY_KEYS);
        self.0.hash(state);
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        meddle(BY_KEYS);
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        meddle(BY_KEYS);
    }
}

/// A waker without data, which meddles whenever it is cloned, woken or dropped.
fn meddling() -> Waker {
    const FUNCTIONS: RawWakerVTable = RawWakerVTable::new(
        |_| {
            meddle(BY_CLONE);
            RawWaker::new(std::ptr::null(), &FUNCTIONS)
        },
        |_| {
            meddle(BY_WAKE);
            meddle(BY_DROP);
        },
        |_| meddle(BY_WAKE),
        |_| meddle(BY_DROP),
    );
    // SAFETY: there is no data that could be misused, and the functions may be called on any thread.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &FUNCTIONS)) }
}

/// A task of an executor that is dropped with its waker. What the task holds is dropped with it: a guard, or a spawned
/// task.
struct Holds<T>(#[allow(dead_code)] Mutex<Option<T>>);

impl<T: Send + 'static> Holds<T> {
    fn waker(held: Option<T>) -> Waker {
        Arc::new(Self(Mutex::new(held))).into()
    }
}

impl<T: Send> Wake for Holds<T> {
    fn wake(self: Arc<Self>) {
        meddle(BY_WAKE);
    }
}

fn guard(lock: &'static Resource) -> Option<OwnedReadGuard> {
    let mut access = Box::pin(SyncReaderDogpile::kept_async(lock).turn());
    match access.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ReadTurn::Fresh(guard) | ReadTurn::Stale(guard)) => Some(guard),
        _ => None,
    }
}

/// Panics when it is woken, without a message: see `wakers`.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        meddle(BY_WAKE);
        resume_unwind(Box::new("a waker"));
    }

    fn wake_by_ref(self: &Arc<Self>) {
        meddle(BY_WAKE);
    }
}

// --- the scripts

type Step = Pin<Box<dyn Future<Output = ()>>>;

/// Is pending so many times, and woken each time.
async fn yields(times: usize) {
    for _ in 0..times {
        let mut yielded = false;
        poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Is pending so many times, and then returns the value, unless it fails.
async fn made<T>(after: usize, fails: bool, value: T) -> Result<T, Failure> {
    yields(after).await;
    if fails { Err(Failure) } else { Ok(value) }
}

/// The state of one thread.
struct Script {
    rng: Rng,
    futures: Vec<Step>,
    spawned: Arc<Mutex<Vec<Task>>>,
}

impl Script {
    fn follow(rng: Rng) {
        let mut script = Self { rng, futures: Vec::new(), spawned: Arc::default() };
        for _ in 0..STEPS {
            script.step();
        }
        // Dropped in any order.
        while !script.futures.is_empty() {
            let gone = script.any();
            drop(script.futures.swap_remove(gone));
        }
        while let Some(task) = script.task() {
            drop(task);
        }
    }

    fn any(&mut self) -> usize {
        self.rng.usize(0..self.futures.len())
    }

    fn task(&self) -> Option<Task> {
        self.spawned.lock().unwrap().pop()
    }

    fn waker(&mut self) -> Waker {
        match self.rng.u32(0..10) {
            0 => Waker::noop().clone(),
            1 => Holds::waker(guard(self.resource())),
            2 => Holds::waker(self.task()),
            3 => Arc::new(Panics).into(),
            _ => meddling(),
        }
    }

    fn resource(&mut self) -> &'static Resource {
        &RESOURCES[self.rng.usize(0..RESOURCES.len())]
    }

    fn step(&mut self) {
        match self.rng.u32(0..9) {
            0..=1 if self.futures.len() < AT_ONCE => {
                let begun = self.access();
                self.futures.push(begun);
            }
            2 if !self.futures.is_empty() => {
                let gone = self.any();
                drop(self.futures.swap_remove(gone));
            }
            3 => {
                let waker = self.waker();
                let Some(mut task) = self.task() else { return };
                let dropped = self.rng.u32(0..5) == 0;
                if !dropped && task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.spawned.lock().unwrap().insert(0, task);
                }
            }
            4 => MOVED.advance(Duration::from_micros(self.rng.u64(0..150))),
            _ if !self.futures.is_empty() => {
                let (waker, polled) = (self.waker(), self.any());
                let future = &mut self.futures[polled];
                let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(Poll::Pending) => {}
                    Ok(Poll::Ready(())) => drop(self.futures.swap_remove(polled)),
                    Err(panic) => {
                        let told = panic.downcast_ref::<String>().expect("it would have waited for itself");
                        assert!(told.contains("would have"), "{told}");
                        drop(self.futures.swap_remove(polled));
                    }
                }
            }
            _ => {}
        }
    }

    fn access(&mut self) -> Step {
        let rng = &mut self.rng;
        let (n, fails, key) = (rng.usize(0..4), rng.u32(0..3) == 0, rng.u32(0..4));
        let values = &VALUES[rng.usize(0..VALUES.len())];
        let lock = &LOCKS[rng.usize(0..LOCKS.len())];
        let creator = async move || made(n, fails, Value).await;
        let lost = move || async move {
            yields(n).await;
            Ok::<Option<Value>, Failure>(None)
        };
        let setter = async move |_: &Value| made(n, fails, ()).await;
        let kind = rng.u32(0..15);
        let resource = self.resource();
        match kind {
            0 => Box::pin(async move {
                let _guard = SyncReaderDogpile::kept_async(resource).turn().await;
                yields(n).await;
            }),
            1..=3 => Box::pin(async move {
                let swaps = async move |creation: &Creation<'_, Resource>| {
                    yields(n).await;
                    let alone = creation.write_lock_async().await.map_err(|_| Failure)?;
                    yields(n).await;
                    drop(alone);
                    made(0, fails, ()).await
                };
                let _guard = SyncReaderDogpile::kept_async(resource).or_try_create_with(swaps).await;
                yields(n).await;
            }),
            4 => Box::pin(async move {
                let _alone = resource.acquire_write_lock_async().await;
                yields(n).await;
            }),
            5 => Box::pin(resource.invalidate_async()),
            6 => Box::pin(async move {
                let _got =
                    SyncReaderDogpile::kept_async(resource).fetch(lost).and_set(setter).or_try_create(creator).await;
            }),
            7 => Box::pin(async move {
                let _got = values.get_or_try_create_async(creator).await;
            }),
            8..=9 => {
                let ours = Arc::clone(&self.spawned);
                let spawner = move |task| ours.lock().unwrap().push(task);
                let creator = move || made(n, fails, Value);
                Box::pin(async move {
                    let got = Cached::kept_async(values).spawned_by(&spawner).or_try_create(creator).await;
                    drop::<Result<_, CreateError<_>>>(got);
                })
            }
            10 => Box::pin(async move {
                let stores = async move |creation: &Creation<'_, Dogpile<&'static Time>>| {
                    let _stored = creation.publish_async(async || yields(n).await).await;
                    made(0, fails, ()).await
                };
                let _turn = lock.access_async().or_try_create_with(stores).await;
            }),
            11 => Box::pin(lock.invalidate_async()),
            12 => Box::pin(async move {
                let _got = lock.access_async().fetch(lost).and_set(setter).or_try_create(creator).await;
            }),
            _ => Box::pin(async move {
                let held = BY_KEY.get(&Key(key));
                let _got = held.get_or_try_create_async(creator).await;
            }),
        }
    }
}

fn is_at_rest() -> bool {
    let resources =
        |lock: &Resource| lock.waiting() + lock.waiting_readers() + lock.waiting_writers() == 0 && !lock.is_creating();
    RESOURCES.iter().all(resources)
        && VALUES.iter().all(|values| values.waiting() == 0 && !values.is_creating())
        && LOCKS.iter().all(|lock| lock.waiting() == 0 && !lock.is_creating())
}

#[test]
fn f2_c22_no_code_of_the_user_runs_under_a_mutex() {
    let seed = env::var("DOGPILE_WAKERS_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a seed"));
    println!("DOGPILE_WAKERS_SEED={seed}");
    ends("user code that meddles", move || {
        let Turn::Create(_hangs) = ALARMED.acquire() else { panic!("nobody else creates") };
        let mut seeds = Rng::with_seed(seed);
        let threads = [(); 2].map(|()| {
            let mut rng = seeds.fork();
            thread::spawn(move || (0..SCRIPTS).for_each(|_| Script::follow(rng.fork())))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        // The thread that wakes waiters in time may be in the middle of that.
        until(is_at_rest);
        for lock in &RESOURCES {
            until(|| lock.try_acquire_write_lock().is_ok());
        }
        for meddled in &MEDDLED {
            assert_ne!(meddled.load(Ordering::Relaxed), 0);
        }
    });
}
