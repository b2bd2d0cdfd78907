//! What the laws are played on: what a type has to do to join, and the threads that are held, wait and start together.

pub use crate::common::until;
pub use crate::failure::Failure;
use dogpile::{CreateError, Dogpile, Freshness, ManualClock, Outcome, Policy};
use parking_lot::{Condvar, Mutex};
use std::fmt::Debug;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What an access brings: how it came out, and the value that it would use.
pub type Access = Result<(Outcome, u64), CreateError<Failure>>;

/// Something that elects: a lock with a place for its value.
pub trait Elects: Send + Sync + 'static {
    /// How the type tells its generations.
    type Generation: Copy + PartialOrd + Debug + Send + Sync;

    /// No value yet.
    fn ruled(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self
    where
        Self: Sized;

    /// Under the policy of a lock that was given none.
    fn new(expires_after: Duration, clock: Arc<ManualClock>) -> Self
    where
        Self: Sized,
    {
        static DEFAULT: Policy = Policy::builder().build_const();
        Self::ruled(expires_after, clock, &DEFAULT)
    }

    /// Uses the value, or creates it; waits for others for `timeout` at most.
    fn access(&self, timeout: Duration, creator: impl FnOnce() -> Result<u64, Failure> + Send) -> Access;

    fn invalidate(&self);
    fn invalidate_if(&self, seen: Self::Generation) -> bool;
    fn mark_stale(&self);
    fn freshness(&self) -> Freshness;
    fn age(&self) -> Option<Duration>;
    fn generation(&self) -> Self::Generation;
    fn is_creating(&self) -> bool;
    fn waiting(&self) -> usize;
}

/// The part of [`Elects`] that a `lock` of the crate answers by itself.
#[macro_export]
macro_rules! asks_its_lock {
    () => {
        fn invalidate(&self) {
            self.lock.invalidate();
        }

        fn invalidate_if(&self, seen: dogpile::Generation) -> bool {
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

        fn generation(&self) -> dogpile::Generation {
            self.lock.generation()
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

pub fn lock<S: Elects>(expires_after: Duration) -> (Arc<S>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(S::new(expires_after, Arc::clone(&clock))), clock)
}

pub fn make<S: Elects>(lock: &S, value: u64) -> Access {
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
    pub fn start<S: Elects>(lock: &Arc<S>, result: impl FnOnce() -> Result<u64, Failure> + Send + 'static) -> Self {
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
    pub fn start<S: Elects>(
        lock: &Arc<S>,
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
