//! Threads that wait for a creator, and the time from the creator's end until the last of them has returned. (Linux
//! only: the kernel is asked whether a thread sleeps.)

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// A value that is missing, for which threads wait. The first caller creates it.
pub trait Missing: Send + Sync {
    /// Returns when the value is there.
    fn get(&self);

    /// Whether this many waiters have been seen. A subject that cannot tell returns `true`.
    fn is_awaited_by(&self, _waiters: usize) -> bool {
        true
    }
}

/// Creates the value, once all threads wait.
pub type Creator = Box<dyn Fn() + Send + Sync>;

/// Threads that wait for one value after another.
pub struct Waiters {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    missing: Mutex<Option<Arc<dyn Missing>>>,
    /// The ids of the threads, for the kernel's view of them.
    ids: Mutex<Vec<i32>>,
    start: Barrier,
    done: Barrier,
    /// How many threads are about to wait.
    coming: AtomicUsize,
    /// The time of the creator's end, in nanoseconds since `origin`.
    created: AtomicU64,
    /// The time of the last return, in nanoseconds since `origin`.
    returned: AtomicU64,
    origin: Instant,
    over: AtomicBool,
}

impl Waiters {
    pub fn new(waiters: usize) -> Self {
        let shared = Arc::new(Shared {
            missing: Mutex::default(),
            ids: Mutex::default(),
            start: Barrier::new(waiters + 1),
            done: Barrier::new(waiters + 1),
            coming: AtomicUsize::new(0),
            created: AtomicU64::new(0),
            returned: AtomicU64::new(0),
            origin: Instant::now(),
            over: AtomicBool::new(false),
        });
        let spawn = |_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.wait_in_turn())
        };
        let threads = (0..waiters).map(spawn).collect();
        Self { shared, threads }
    }

    /// Returns the nanoseconds from the end of the creator to the return of the last waiter. `missing` makes the value
    /// of this round from its creator. This thread is the first caller.
    pub fn round<M: Missing + 'static>(&self, missing: impl FnOnce(Creator) -> M) -> u64 {
        let shared = Arc::clone(&self.shared);
        let missing = Arc::new(missing(Box::new(move || shared.create())));
        self.shared.set(Some(missing.clone()));
        self.shared.coming.store(0, Ordering::Release);
        self.shared.returned.store(0, Ordering::Release);
        missing.get();
        self.shared.done.wait();
        // The value of the round keeps its creator, which keeps `shared`, which keeps the value. This ends the circle.
        self.shared.set(None);
        self.shared.returned.load(Ordering::Acquire) - self.shared.created.load(Ordering::Acquire)
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.start.wait();
        for thread in self.threads.drain(..) {
            thread.join().expect("no waiter panics");
        }
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).expect("the bench does not last for centuries")
    }

    fn set(&self, missing: Option<Arc<dyn Missing>>) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    fn missing(&self) -> Arc<dyn Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone().expect("a round goes on")
    }

    fn wait_in_turn(&self) {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        loop {
            self.start.wait();
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let missing = self.missing();
            self.coming.fetch_add(1, Ordering::AcqRel);
            missing.get();
            self.returned.fetch_max(self.now(), Ordering::AcqRel);
            drop(missing);
            self.done.wait();
        }
    }

    /// The part of the creator: the waiters come, and the creator ends when all of them wait.
    fn create(&self) {
        self.start.wait();
        self.all_wait();
        self.created.store(self.now(), Ordering::Release);
    }

    /// Returns when all threads wait. They are past the last place where they could sleep for another reason, the value
    /// (if it can tell) has seen them, and the kernel says that they sleep.
    fn all_wait(&self) {
        let missing = self.missing();
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        while self.coming.load(Ordering::Acquire) < ids.len() || !missing.is_awaited_by(ids.len()) {
            thread::yield_now();
        }
        for id in &*ids {
            while !sleeps(*id) {
                thread::yield_now();
            }
        }
    }
}

fn sleeps(thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).expect("the thread lives");
    // The state follows the name, which stands in parentheses and may hold any character.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}
