//! A bounded pool of threads.
//!
//! # States
//!
//! | the pool is | jobs that come | jobs that wait | a thread without a job |
//! |---|---|---|---|
//! | open | run, wait, or are refused for want of a place | run | waits for one, for ten seconds |
//! | closed, by [`shut_down`](Pool::shut_down) | are refused | run | ends |
//! | gone, by a drop | - | are dropped | ends |
//!
//! The pool is closed under the mutex that jobs come under. So each job is refused, or was there before and runs. At
//! that moment all threads of the pool are told. From then on, each end of a thread tells the callers of `shut_down`
//! that wait for the jobs.
//!
//! One condition serves for both. Before the pool is closed, only threads of the pool wait for it. After that no job
//! comes, for which one waiting thread alone would be told.

use super::{Job, Runner};
use crate::panics::quietly;
use crate::sync::monitor::{Locked, Monitor};
use crate::sync::process::PerProcess;
use crate::sync::{Arc, Deadline, local};
use std::cell::Cell;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::Duration;

/// How long a thread waits for another job before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Runs jobs in a bounded number of threads, and keeps a bounded number of jobs waiting.
///
/// Threads are started as they are needed, and end after 10 seconds without a job. Jobs run in the order in which they
/// came.
///
/// A job for which there is no place is dropped, which frees its lock: the value stays as it is, and the next access
/// tries again. That is no failure, and no [pause](crate::PolicyBuilder::retry_after) follows.
///
/// Dropping the pool drops the jobs that wait, and does not wait for the jobs that run. [`shut_down`](Self::shut_down)
/// waits for both.
///
/// # Deadlocks
///
/// A creator that waits for another value may wait for a creation that has its job behind this creator's job in the
/// pool. The crate cannot know that. An access waits for a value that has a job in the pool in these cases:
///
/// - the value has meanwhile been invalidated, been lost by its store or become [too
///   old](crate::PolicyBuilder::max_stale);
/// - the access wants a newer value, as [`refresh`](crate::CachedFn::refresh), [`anew`](crate::Access::anew) and
///   [`renew_if`](crate::Access::renew_if) do;
/// - the access has a [soft time-out](crate::Access::soft_timeout), for as long as that is.
///
/// To avoid this, run creators that need each other's values in pools of their own, bound their waits, or have a
/// [`creation_timeout`](crate::PolicyBuilder::creation_timeout) end them.
///
/// # Fork
///
/// In a child made by fork(2) the pool starts anew, with threads of its own. The jobs that ran or waited at that moment
/// are the parent's to run. In the child they are neither run nor dropped, and their locks stay as they were: see
/// [`Fork`](crate::guide::limitations#fork). A pool that was shut down in the parent takes jobs in the child.
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
    /// One thread is told when a job came. All threads, and the callers that wait for the jobs, are told when the pool
    /// is closed or gone; and from then on when a thread has ended.
    jobs: Monitor<Jobs>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    /// How many threads are about to look for a job, each for one: they wait to be told, or are just being started.
    idle: usize,
    /// The pool takes no more jobs.
    closed: bool,
}

local! {
    /// The address of the pool's shared part that this thread works for; 0 if this is no thread of a pool.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

/// The jobs that a [`Pool`] had still to do when the time-out of its [`shut_down`](Pool::shut_down) was over. These
/// jobs go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobsLeft {
    /// Jobs that run. If one of the pool's own jobs shut the pool down, that job is among them.
    pub running: usize,
    /// Jobs that wait for a thread.
    pub waiting: usize,
}

impl fmt::Display for JobsLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running, waiting } = self;
        write!(f, "the pool is shut down, but {running} of its jobs still run, and {waiting} wait for a thread")
    }
}

impl Error for JobsLeft {}

impl Jobs {
    /// Returns what there is to do. (A thread that has not begun is idle, and its job waits.)
    fn left(&self) -> Option<JobsLeft> {
        let (running, waiting) = (self.threads - self.idle, self.waiting.len());
        (running + waiting != 0).then_some(JobsLeft { running, waiting })
    }
}

// A panic can leave nothing half-done in here: jobs run, and are dropped, outside the mutex.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Pool {
    /// Makes a pool of at most `threads` threads, with `places` for jobs that wait for a thread. Starts no thread yet.
    ///
    /// # Panics
    ///
    /// If `threads` is zero. In a `const` or a `static` that is an error of the compiler.
    #[must_use]
    #[track_caller]
    pub const fn new(threads: usize, places: usize) -> Self {
        let Some(threads) = NonZeroUsize::new(threads) else { panic!("a pool without threads runs nothing") };
        Self { threads, places, shared: PerProcess::new() }
    }

    /// Returns how many jobs wait for a thread. Blocks only for moments.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.get().map_or(0, |shared| shared.jobs.lock().waiting.len())
    }

    /// Closes the pool to new jobs, and waits for the jobs that there are. It is for the end of a program.
    ///
    /// Blocks until every job that ran or waited has ended, or until `timeout` is over. Zero only looks, and
    /// `Duration::MAX` waits without an end. From the moment of this call on the pool refuses each job that comes. A
    /// refused job is dropped, which frees its lock: the value stays as it is, and the next access is elected. The
    /// threads of the pool end when no job is left.
    ///
    /// A pool that is shut down stays shut down. This may be called again, and by several threads at once: each call
    /// waits for the jobs that are left. (To drop the jobs that still wait, drop the pool.)
    ///
    /// # Errors
    ///
    /// [`JobsLeft`] if the time-out was over before that, with how many jobs were left. These jobs go on.
    ///
    /// # Deadlocks
    ///
    /// A job of this pool that shuts the pool down does not wait, since it would wait for itself. It gets the error at
    /// once, and counts among the jobs that are left. A job of another pool waits, and so does a thread that a job
    /// waits for: give these calls a time-out.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedFn, Pool};
    /// use std::time::Duration;
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    /// static RATES: CachedFn<Vec<f64>> = CachedFn::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */);
    ///
    /// assert_eq!(RATES.get()[1], 1.09);
    /// RATES.mark_stale();
    /// assert_eq!(RATES.access().in_background(&POOL).get()[1], 1.09, "the old value");
    ///
    /// // At the end of the program:
    /// if let Err(left) = POOL.shut_down(Duration::from_secs(10)) {
    ///     eprintln!("{left}");
    /// }
    /// # assert!(!RATES.is_expired());
    /// ```
    pub fn shut_down(&self, timeout: Duration) -> Result<(), JobsLeft> {
        let deadline = Deadline::after(timeout);
        // A pool that was never used is closed as any other.
        let shared = self.shared.get_or_init(Arc::default);
        let is_its_job = WORKS_FOR.get() == shared.place();
        let mut jobs = shared.jobs.lock();
        jobs.closed = true;
        shared.jobs.tell_all();
        loop {
            let Some(left) = jobs.left() else { return Ok(()) };
            if is_its_job || deadline.has_passed() {
                return Err(left);
            }
            (jobs, _) = shared.jobs.wait(jobs, deadline.left().unwrap_or(Duration::MAX));
        }
    }
}

impl Runner for Pool {
    fn run(&self, job: Job) {
        let shared = self.shared.get_or_init(Arc::default);
        // Before the thread is counted. So a child that is forked beside this has a share of the shared part for each
        // counted thread, none of which it has; and it drops no job of the parent's with the pool.
        let at_work = Arc::clone(shared);
        let mut jobs = shared.jobs.lock();
        let waiting = jobs.waiting.len();
        let starts = waiting >= jobs.idle && jobs.threads < self.threads.get();
        if jobs.closed || (!starts && waiting >= jobs.idle.saturating_add(self.places)) {
            drop(jobs);
            return drop(job); // after the mutex: this gives the creation up
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
    /// Returns the address of the shared part. Nothing else has that address as long as a thread has a share of it.
    fn place(&self) -> usize {
        (&raw const *self).addr()
    }

    /// Runs as a thread of the pool.
    fn work(&self) {
        WORKS_FOR.set(self.place());
        let mut jobs = self.jobs.lock();
        jobs.idle -= 1;
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                drop(jobs);
                // This crate's jobs do not panic; another caller's job may.
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
        self.tell_if_closed(jobs);
    }

    /// Tells the callers that wait for the jobs to end, if the pool is closed.
    fn tell_if_closed(&self, jobs: Locked<'_, Jobs>) {
        let closed = jobs.closed;
        drop(jobs);
        if closed {
            self.jobs.tell_all();
        }
    }

    /// Notes that a thread could not be started. If no thread is left, no thread would ever run the jobs that wait:
    /// they are dropped.
    fn lost_a_thread(&self) {
        let mut jobs = self.jobs.lock();
        jobs.threads -= 1;
        jobs.idle -= 1;
        let stranded = if jobs.threads == 0 { mem::take(&mut jobs.waiting) } else { VecDeque::new() };
        self.tell_if_closed(jobs);
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
