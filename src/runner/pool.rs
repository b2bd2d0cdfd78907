//! A bounded pool of threads.

use super::{Job, Runner, quietly};
use crate::sync::Arc;
use crate::sync::monitor::Monitor;
use crate::sync::process::PerProcess;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::Duration;

/// How long a thread waits for another job before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Runs jobs in at most so many threads, and keeps at most so many waiting.
///
/// Threads are started as they are needed, and end after 10 seconds without a job. Jobs run in the order in which they
/// came. A job for which there is no place is dropped, which frees its lock: its value stays as it is, and the next
/// access tries again. (Nothing has failed by that: no [pause](crate::PolicyBuilder::retry_after) follows.) Dropping
/// the pool drops the jobs that wait; those that run are not waited for.
///
/// # Deadlocks
///
/// A creator that waits for another value may wait for a creation whose job stands behind it in this pool, which nobody
/// can know. A value that has a job in the pool is waited for if it was invalidated, lost by its store or has become
/// [too old](crate::PolicyBuilder::max_stale) meanwhile, and by who [refreshes](crate::CachedFn::refresh) it. Have
/// creators that need each other's values run in pools of their own, bound their waits, or have a
/// [`creation_timeout`](crate::PolicyBuilder::creation_timeout) end them.
///
/// # Fork
///
/// In a child made by fork(2) the pool starts anew: it has threads of its own there. The jobs that ran or waited at
/// that moment are the parent's to run. In the child they are neither run nor dropped, and the locks that they are of
/// stay as they were: see [`Fork`](crate#fork).
///
/// # Examples
///
/// ```
/// use dogpile::{CachedFn, Pool};
/// use std::time::Duration;
///
/// static POOL: Pool = Pool::new(2, 100);
/// static RATES: CachedFn<Vec<f64>> = CachedFn::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */);
/// assert_eq!(RATES.access().in_background(&POOL).get()[1], 1.09);
/// ```
pub struct Pool {
    threads: NonZeroUsize,
    places: usize,
    shared: PerProcess<Arc<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// One thread is told when a job came, and all when the pool is gone.
    jobs: Monitor<Jobs>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    /// How many of them are about to look for a job, each for one: they wait to be told, or are just being started.
    idle: usize,
    closed: bool,
}

// A panic can leave nothing half-done in here: jobs run, and are dropped, outside the mutex.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Pool {
    /// A pool of at most so many `threads`, and `places` for jobs that wait for one. Starts nothing yet.
    ///
    /// # Panics
    ///
    /// If there are to be no threads; in a `const` or a `static` that is an error of the compiler.
    #[must_use]
    #[track_caller]
    pub const fn new(threads: usize, places: usize) -> Self {
        let Some(threads) = NonZeroUsize::new(threads) else { panic!("a pool without threads runs nothing") };
        Self { threads, places, shared: PerProcess::new() }
    }

    /// How many jobs wait for a thread. Blocks only for moments.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.get().map_or(0, |shared| shared.jobs.lock().waiting.len())
    }
}

impl Runner for Pool {
    fn run(&self, job: Job) {
        let shared = self.shared.get_or_init(Arc::default);
        // Before the thread is counted: so a child that is forked beside this has a share for each that it has not, and
        // drops no job of the parent's with the pool.
        let at_work = Arc::clone(shared);
        let mut jobs = shared.jobs.lock();
        let waiting = jobs.waiting.len();
        let starts = waiting >= jobs.idle && jobs.threads < self.threads.get();
        if !starts && waiting >= jobs.idle.saturating_add(self.places) {
            drop(jobs);
            return drop(job); // after the mutex: the creation in it is given up
        }
        jobs.waiting.push_back(job);
        if !starts {
            drop(jobs);
            shared.jobs.tell_one();
            return;
        }
        jobs.threads += 1;
        jobs.idle += 1;
        drop(jobs);
        if thread::Builder::new().name("dogpile".to_owned()).spawn(move || at_work.work()).is_err() {
            shared.lost_a_thread();
        }
    }
}

impl Shared {
    /// What a thread of the pool does.
    fn work(&self) {
        let mut jobs = self.jobs.lock();
        jobs.idle -= 1;
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                drop(jobs);
                // Ours do not panic; somebody else's may.
                quietly(job);
                jobs = self.jobs.lock();
                continue;
            }
            if jobs.closed {
                break;
            }
            jobs.idle += 1;
            let out_of_time;
            (jobs, out_of_time) = self.jobs.wait(jobs, IDLE);
            jobs.idle -= 1;
            if out_of_time && jobs.waiting.is_empty() {
                break;
            }
        }
        jobs.threads -= 1;
    }

    /// A thread could not be started. If there is none now, nobody would ever run what waits.
    fn lost_a_thread(&self) {
        let mut jobs = self.jobs.lock();
        jobs.threads -= 1;
        jobs.idle -= 1;
        let stranded = if jobs.threads == 0 { mem::take(&mut jobs.waiting) } else { VecDeque::new() };
        drop(jobs);
        drop(stranded); // after the mutex
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let Some(shared) = self.shared.get() else { return };
        let mut jobs = shared.jobs.lock();
        jobs.closed = true;
        let dropped = mem::take(&mut jobs.waiting);
        drop(jobs);
        shared.jobs.tell_all();
        drop(dropped); // after the mutex
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads)
            .field("places", &self.places)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
