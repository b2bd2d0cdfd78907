//! The stage of the laws: the trait that a type implements to join, and threads that are held, wait and start together.
//!
//! A law is a function of its [`Ground`], which makes the locks of one subject under one policy. Subject and policy are
//! values there, so each law is compiled once.

pub use crate::common::until;
pub use crate::failure::Failure;
use dogpile::{CreateError, Dogpile, Freshness, Generation, ManualClock, OnError, Outcome, Policy};
use parking_lot::{Condvar, Mutex};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The result of an access: its outcome, and the value that it uses.
pub type AccessResult = Result<(Outcome, u64), CreateError<Failure>>;

/// A creator of the laws.
pub type Creator<'a> = Box<dyn FnOnce() -> Result<u64, Failure> + Send + 'a>;

/// The generation of one of the crate's locks, or of the naive lock, which counts its own.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Mark {
    Lock(Generation),
    Naive(u64),
}

/// A type that elects: a lock with a place for its value. A subject implements this trait to join the contract.
pub trait Subject: Send + Sync + 'static {
    /// Creates a lock without a value.
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self
    where
        Self: Sized;

    /// Uses the value or creates it. Waits for other accesses for at most `timeout`.
    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult;

    fn invalidate(&self);
    fn invalidate_if(&self, seen: Mark) -> bool;
    fn mark_stale(&self);
    fn freshness(&self) -> Freshness;
    fn age(&self) -> Option<Duration>;
    fn generation(&self) -> Mark;
    fn is_creating(&self) -> bool;
    fn waiting(&self) -> usize;
}

impl dyn Subject {
    /// Does the same as [`Subject::access_boxed`].
    pub fn access(&self, timeout: Duration, creator: impl FnOnce() -> Result<u64, Failure> + Send) -> AccessResult {
        self.access_boxed(timeout, Box::new(creator))
    }
}

/// How a subject makes its lock: the lifetime of its values, its clock and its policy.
pub type Maker = fn(Duration, Arc<ManualClock>, &'static Policy) -> Arc<dyn Subject>;

/// The [`Maker`] of a type.
pub fn maker<S: Subject>(
    expires_after: Duration,
    clock: Arc<ManualClock>,
    policy: &'static Policy,
) -> Arc<dyn Subject> {
    Arc::new(S::new(expires_after, clock, policy))
}

/// The ground of a law: locks of one subject under one policy.
#[derive(Clone, Copy)]
pub struct Ground {
    pub maker: Maker,
    pub policy: &'static Policy,
}

impl Ground {
    /// Returns a new lock and its clock.
    pub fn lock(&self, expires_after: Duration) -> (Arc<dyn Subject>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        ((self.maker)(expires_after, Arc::clone(&clock), self.policy), clock)
    }

    /// Returns whether a pause follows a failure.
    pub fn pauses(&self) -> bool {
        self.policy.retry_after().is_some()
    }

    /// Returns whether the elected access is served the old value if its creator has failed.
    pub fn serves_stale(&self) -> bool {
        self.policy.on_error() == OnError::ServeStale
    }

    /// Returns whether a creation that hangs is declared dead.
    pub fn is_mortal(&self) -> bool {
        self.policy.creation_timeout().is_some()
    }
}

/// The part of [`Subject`] that one of the crate's locks, in the field `lock`, answers by itself.
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

/// Returns the error of an access that would wait for its own creation.
pub fn would_deadlock() -> CreateError<Failure> {
    let lock = Dogpile::never_expires();
    let mut told = None;
    lock.acquire_or_create(|| told = lock.acquire_or_try_create(|| Err(Failure)).err());
    told.expect("a real lock tells it")
}

/// Returns the two sides of a door. One thread comes to the door and waits; the other sees it arrive and opens.
pub fn gate() -> (Gate, Keeper) {
    let door = Arc::new(Door { at: Mutex::new(At::Away), moved: Condvar::new() });
    (Gate(Arc::clone(&door)), Keeper(door))
}

pub struct Gate(Arc<Door>);
pub struct Keeper(Arc<Door>);

// Made of parking_lot's parts, not of std's. std is built without ThreadSanitizer, which does not see its locks at all.
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

/// Joins each thread. The end of a scope alone is an ordering that ThreadSanitizer does not see.
pub fn join<'scope>(threads: impl IntoIterator<Item = thread::ScopedJoinHandle<'scope, ()>>) {
    for thread in threads {
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
}

/// A line at which threads wait for each other, to start at once.
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

pub fn make(lock: &dyn Subject, value: u64) -> AccessResult {
    lock.access(FOREVER, || Ok(value))
}

pub fn never() -> Result<u64, Failure> {
    panic!("this access must not be elected")
}

/// A creator that panics without a message. The threads of an executor print panics into the output of the test that
/// started them, several at once, and ThreadSanitizer does not see std's lock around that output.
pub fn panics() -> Result<u64, Failure> {
    resume_unwind(Box::new("a creator panics on purpose"))
}

/// A creation on a thread of its own. Its creator waits at a gate, and then ends as `result` says.
pub struct HeldCreation {
    thread: thread::JoinHandle<AccessResult>,
    keeper: Keeper,
}

impl HeldCreation {
    pub fn start(lock: &Arc<dyn Subject>, result: impl FnOnce() -> Result<u64, Failure> + Send + 'static) -> Self {
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

    pub fn end(self) -> thread::Result<AccessResult> {
        self.keeper.open();
        self.thread.join()
    }
}

/// Accesses on threads of their own. Each of them is known to wait.
pub struct Waiters(Vec<thread::JoinHandle<AccessResult>>);

impl Waiters {
    pub fn start(
        lock: &Arc<dyn Subject>,
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

    pub fn end(self) -> Vec<AccessResult> {
        self.0.into_iter().map(|thread| thread.join().expect("a waiter does not panic")).collect()
    }
}
