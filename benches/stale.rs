//! What does it cost to meet a creation that runs?
//!
//! `stale`: an access that finds the value stale and a creation running, beside one that finds it fresh. `waiters`: how
//! long after the creator's end the last of those who waited for it has returned, beside std's `OnceLock`. Both are taken
//! in turn with what they are compared to, so that whatever else the machine does falls on both.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod interleaved;

use criterion::Criterion;
use dogpile::{Dogpile, Turn};
use interleaved::{bench, compare, is_measuring, verdict};
use std::time::Duration;

/// How much a stale access may cost, in fresh ones.
const STALE_GOAL: f64 = 1.5;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

#[cfg(target_os = "linux")]
mod waiters {
    use super::interleaved::{median, verdict};
    use dogpile::Dogpile;
    use std::fs;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, Mutex, OnceLock, PoisonError};
    use std::thread;
    use std::time::Instant;

    /// How long the last waiter may take, beside `OnceLock`'s.
    const GOAL: f64 = 1.2;

    /// What is waited for.
    enum Missing {
        Once(OnceLock<()>),
        Lock(Dogpile),
    }

    impl Missing {
        fn get(&self, creator: impl FnOnce()) {
            match self {
                Self::Once(once) => {
                    once.get_or_init(creator);
                }
                Self::Lock(lock) => {
                    lock.acquire_or_create(creator);
                }
            }
        }
    }

    /// Threads that wait for one thing after another.
    struct Pool {
        missing: Mutex<Arc<Missing>>,
        /// The ids of the threads, for the kernel's view of them.
        threads: Mutex<Vec<i32>>,
        start: Barrier,
        done: Barrier,
        /// Those who are about to wait.
        coming: AtomicUsize,
        /// When the last one returned, in nanoseconds since `origin`.
        returned: AtomicU64,
        origin: Instant,
        over: AtomicBool,
    }

    impl Pool {
        fn new(waiters: usize) -> Self {
            Self {
                missing: Mutex::new(Arc::new(Missing::Once(OnceLock::new()))),
                threads: Mutex::default(),
                start: Barrier::new(waiters + 1),
                done: Barrier::new(waiters + 1),
                coming: AtomicUsize::new(0),
                returned: AtomicU64::new(0),
                origin: Instant::now(),
                over: AtomicBool::new(false),
            }
        }

        fn now(&self) -> u64 {
            u64::try_from(self.origin.elapsed().as_nanos()).expect("the bench does not last for centuries")
        }

        fn wait_in_turn(&self) {
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
            loop {
                self.start.wait();
                if self.over.load(Ordering::Acquire) {
                    return;
                }
                let missing = Arc::clone(&self.missing.lock().unwrap_or_else(PoisonError::into_inner));
                self.coming.fetch_add(1, Ordering::AcqRel);
                missing.get(|| unreachable!("another thread creates"));
                self.returned.fetch_max(self.now(), Ordering::AcqRel);
                self.done.wait();
            }
        }

        /// Returns when all wait: they are past the last place where they could sleep for another reason, the lock (if
        /// it can tell) has them queued, and the kernel has them asleep.
        fn all_wait(&self, missing: &Missing) {
            let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            let queued = || match missing {
                Missing::Once(_) => true,
                Missing::Lock(lock) => lock.waiting() == threads.len(),
            };
            while self.coming.load(Ordering::Acquire) < threads.len() || !queued() {
                thread::yield_now();
            }
            for thread in &*threads {
                while !sleeps(*thread) {
                    thread::yield_now();
                }
            }
        }

        /// Nanoseconds from the end of the creator to the return of the last waiter.
        fn round(&self, missing: Missing) -> u64 {
            let missing = Arc::new(missing);
            *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&missing);
            self.coming.store(0, Ordering::Release);
            self.returned.store(0, Ordering::Release);
            let mut created = 0;
            missing.get(|| {
                self.start.wait();
                self.all_wait(&missing);
                created = self.now();
            });
            self.done.wait();
            self.returned.load(Ordering::Acquire) - created
        }
    }

    fn sleeps(thread: i32) -> bool {
        let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).expect("the thread lives");
        // The state follows the name, which stands in parentheses and may hold any character.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    /// Prints the figures for so many waiters.
    pub fn compare(waiters: usize, rounds: usize) {
        let pool = Pool::new(waiters);
        let times: Vec<[u64; 2]> = thread::scope(|scope| {
            for _ in 0..waiters {
                scope.spawn(|| pool.wait_in_turn());
            }
            let once = || pool.round(Missing::Once(OnceLock::new()));
            let lock = || pool.round(Missing::Lock(Dogpile::never_expires()));
            // The first round of each is not counted: threads start, and make what they wait with.
            let (_, _) = (once(), lock());
            let times = (0..rounds).map(|round| {
                // Each goes first as often as the other.
                if round % 2 == 0 {
                    [once(), lock()]
                } else {
                    let lock = lock();
                    [once(), lock]
                }
            });
            let times = times.collect();
            pool.over.store(true, Ordering::Release);
            pool.start.wait();
            times
        });
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let micros = |subject: usize| median(times.iter().map(|times| times[subject] as f64 / 1e3));
        let (once, lock) = (micros(0), micros(1));
        let ratio = lock / once;
        let goal = verdict(ratio, GOAL);
        println!("waiters/dogpile/{waiters}: {ratio:.2} x OnceLock ({lock:.1} µs / {once:.1} µs; {goal})");
    }
}

fn main() {
    let fresh = Dogpile::new(HOUR);
    fresh.acquire_or_create(|| ());
    let stale = Dogpile::new(HOUR);
    stale.acquire_or_create(|| ());
    stale.mark_stale();
    let Turn::Create(creation) = stale.acquire() else { unreachable!("a stale value elects the first to come") };

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("stale");
    for threads in THREADS {
        bench(&mut group, "fresh", threads, &fresh);
        bench(&mut group, "stale", threads, &stale);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for threads in THREADS {
            let [base, access, ratio] = compare(threads, &fresh, &stale);
            let goal = verdict(ratio, STALE_GOAL);
            println!("stale/stale/{threads}: {ratio:.2} fresh ones ({access:.2} ns / {base:.2} ns; {goal})");
        }
        #[cfg(target_os = "linux")]
        for (waiters, rounds) in [(1, 2_000), (16, 600), (256, 100)] {
            waiters::compare(waiters, rounds);
        }
    }
    creation.finish();
}
