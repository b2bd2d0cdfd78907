//! What the laws are played on: what a type has to do to join, and the threads that are held, wait and start together.
//!
//! A law is a function of its [`Ground`], which makes the locks: of one subject, under one policy. Both are values, so
//! each law is compiled once.

pub use crate::common::until;
pub use crate::failure::Failure;
use dogpile::{CreateError, Dogpile, Freshness, Generation, ManualClock, OnError, Outcome, Policy};
use parking_lot::{Condvar, Mutex};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What an access brings: how it came out, and the value that it would use.
pub type Access = Result<(Outcome, u64), CreateError<Failure>>;

/// A creator of the laws.
pub type Creator<'a> = Box<dyn FnOnce() -> Result<u64, Failure> + Send + 'a>;

/// The generation of a lock of the crate's, or of the naive one, which counts by itself.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Mark {
    Lock(Generation),
    Naive(u64),
}

/// Something that elects: a lock with a place for its value.
pub trait Elects: Send + Sync + 'static {
    /// No value yet.
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self
    where
        Self: Sized;

    /// Uses the value, or creates it; waits for others for `timeout` at most.
    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> Access;

    fn invalidate(&self);
    fn invalidate_if(&self, seen: Mark) -> bool;
    fn mark_stale(&self);
    fn freshness(&self) -> Freshness;
    fn age(&self) -> Option<Duration>;
    fn generation(&self) -> Mark;
    fn is_creating(&self) -> bool;
    fn waiting(&self) -> usize;
}

impl dyn Elects {
    /// As [`Elects::access_boxed`].
    pub fn access(&self, timeout: Duration, creator: impl FnOnce() -> Result<u64, Failure> + Send) -> Access {
        self.access_boxed(timeout, Box::new(creator))
    }
}

/// How a subject makes its lock: how long values live, by which clock, under which policy.
pub type Maker = fn(Duration, Arc<ManualClock>, &'static Policy) -> Arc<dyn Elects>;

/// The [`Maker`] of a type.
pub fn maker<S: Elects>(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Arc<dyn Elects> {
    Arc::new(S::new(expires_after, clock, policy))
}

/// What a law is played on: locks of one subject under one policy.
#[derive(Clone, Copy)]
pub struct Ground {
    pub maker: Maker,
    pub policy: &'static Policy,
}

impl Ground {
    /// A lock, and the clock that it reads.
    pub fn lock(&self, expires_after: Duration) -> (Arc<dyn Elects>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        ((self.maker)(expires_after, Arc::clone(&clock), self.policy), clock)
    }

    /// Whether a failure is followed by a pause.
    pub fn pauses(&self) -> bool {
        self.policy.retry_after().is_some()
    }

    /// Whether the old value is served to the elected thread whose creator failed.
    pub fn serves_stale(&self) -> bool {
        self.policy.on_error() == OnError::ServeStale
    }

    /// Whether a creation that hangs is declared dead.
    pub fn is_mortal(&self) -> bool {
        self.policy.creation_timeout().is_some()
    }
}

/// The part of [`Elects`] that a `lock` of the crate answers by itself.
#[macro_export]
macro_rules! asks_its_lock {
    () => {
        fn invalidate(&self) {
            self.lock.invalidate();
        }

        fn invalidate_if(&self, seen: $crate::stage::Mark) -> bool {
            let $crate::stage::Mark::Lock(seen) = seen else { panic!("{seen:?} is of another lock") };
            self.lock.invalidate_if(seen)
        }

        fn mark_stale(&self) {
            self.lock.mark_stale();
        }

        fn freshness(&self) -> dogpile::Freshness {
            self.lock.freshness()
        }

        fn age(&self) -> Option<std::time::Duration> {
            self.lock.age()
        }

        fn generation(&self) -> $crate::stage::Mark {
            $crate::stage::Mark::Lock(self.lock.generation())
        }

        fn is_creating(&self) -> bool {
            self.lock.is_creating()
        }

        fn waiting(&self) -> usize {
            self.lock.waiting()
        }
    };
}

pub const FOREVER: Duration = Duration::MAX;
pub const MINUTE: Duration = Duration::from_secs(60);
pub const ALMOST_A_MINUTE: Duration = Duration::from_nanos(59_999_999_999);

/// What an access is told that would wait for itself.
pub fn would_deadlock() -> CreateError<Failure> {
    let lock = Dogpile::never_expires();
    let mut told = None;
    lock.acquire_or_create(|| told = lock.acquire_or_try_create(|| Err(Failure)).err());
    told.expect("a real lock tells it")
}

/// Two sides of a door: one thread comes and waits, the other sees it come and opens.
pub fn gate() -> (Gate, Keeper) {
    let door = Arc::new(Door { at: Mutex::new(At::Away), moved: Condvar::new() });
    (Gate(Arc::clone(&door)), Keeper(door))
}

pub struct Gate(Arc<Door>);
pub struct Keeper(Arc<Door>);

// Of parking_lot's parts, not std's: those are built without ThreadSanitizer, which then takes them for no locks at
// all.
struct Door {
    at: Mutex<At>,
    moved: Condvar,
}

#[derive(PartialEq)]
enum At {
    Away,
    Waiting,
    Through,
}

impl Door {
    fn move_to(&self, at: At) {
        *self.at.lock() = at;
        self.moved.notify_all();
    }

    fn wait_for(&self, at: &At) {
        self.moved.wait_while(&mut self.at.lock(), |now| now != at);
    }
}

impl Gate {
    pub fn pass(&self) {
        self.0.move_to(At::Waiting);
        self.0.wait_for(&At::Through);
    }
}

impl Keeper {
    pub fn see_arrival(&self) {
        self.0.wait_for(&At::Waiting);
    }

    pub fn open(&self) {
        self.0.move_to(At::Through);
    }
}

/// Joins each thread: the end of a scope alone is an order that ThreadSanitizer does not see.
pub fn join<'scope>(threads: impl IntoIterator<Item = thread::ScopedJoinHandle<'scope, ()>>) {
    for thread in threads {
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// Threads that line up here start at once.
pub struct StartLine(AtomicUsize);

impl StartLine {
    pub fn of(threads: usize) -> Self {
        Self(AtomicUsize::new(threads))
    }

    pub fn wait(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        until(|| self.0.load(Ordering::Relaxed) == 0);
    }
}

pub fn make(lock: &dyn Elects, value: u64) -> Access {
    lock.access(FOREVER, || Ok(value))
}

pub fn never() -> Result<u64, Failure> {
    panic!("this access must not be elected")
}

/// A creator that panics, without a word: an executor's threads say what they have to say into the output of the test
/// that started them, several at once, and ThreadSanitizer does not see std's lock around it.
pub fn panics() -> Result<u64, Failure> {
    resume_unwind(Box::new("a creator panics on purpose"))
}

/// A creation on a thread of its own, held at its gate inside the creator, which ends as `result` says.
pub struct Held {
    thread: thread::JoinHandle<Access>,
    keeper: Keeper,
}

impl Held {
    pub fn start(lock: &Arc<dyn Elects>, result: impl FnOnce() -> Result<u64, Failure> + Send + 'static) -> Self {
        let (gate, keeper) = gate();
        let lock = Arc::clone(lock);
        let thread = thread::spawn(move || {
            lock.access(FOREVER, move || {
                gate.pass();
                result()
            })
        });
        keeper.see_arrival();
        Self { thread, keeper }
    }

    pub fn end(self) -> thread::Result<Access> {
        self.keeper.open();
        self.thread.join()
    }
}

/// Accesses on threads of their own, known to wait.
pub struct Waiters(Vec<thread::JoinHandle<Access>>);

impl Waiters {
    pub fn start(
        lock: &Arc<dyn Elects>,
        count: usize,
        creator: impl Fn() -> Result<u64, Failure> + Send + Sync + 'static,
    ) -> Self {
        let (before, creator) = (lock.waiting(), Arc::new(creator));
        let threads = (0..count).map(|_| {
            let (lock, creator) = (Arc::clone(lock), Arc::clone(&creator));
            thread::spawn(move || lock.access(FOREVER, || creator()))
        });
        let waiters = Self(threads.collect());
        until(|| lock.waiting() == before + count);
        waiters
    }

    pub fn end(self) -> Vec<Access> {
        self.0.into_iter().map(|thread| thread.join().expect("a waiter does not panic")).collect()
    }
}
