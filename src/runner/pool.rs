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
//! The pool is closed under the mutex that jobs come under: each of them is refused, or was there before and runs. All
//! threads are told, and so is whoever waits for them, when one of them ends. (There is one condition for both. Before
//! the pool is closed only threads wait for it. After that no job comes, for which one of them alone would be told.)

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

/// Runs jobs in at most so many threads, and keeps at most so many waiting.
///
/// Threads are started as they are needed, and end after 10 seconds without a job. Jobs run in the order in which they
/// came. A job for which there is no place is dropped, which frees its lock: its value stays as it is, and the next
/// access tries again. (Nothing has failed by that: no [pause](crate::PolicyBuilder::retry_after) follows.) Dropping
/// the pool drops the jobs that wait; those that run are not waited for. [`shut_down`](Self::shut_down) waits for both.
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
/// stay as they were: see [`Fork`](crate#fork). A pool that was shut down in the parent takes jobs in the child.
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
    /// One thread is told when a job came; all, and who waits for them, when the pool is closed or gone, and from then
    /// on when a thread has ended.
    jobs: Monitor<Jobs>,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    threads: usize,
    /// How many of them are about to look for a job, each for one: they wait to be told, or are just being started.
    idle: usize,
    /// No job is taken any more.
    closed: bool,
}

local! {
    /// Where that lies which this thread works for; 0 if it is not a pool's.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

/// What a [`Pool`] had still to do when the time of its [`shut_down`](Pool::shut_down) was out. Those jobs go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobsLeft {
    /// Jobs that run. If the pool was shut down by one of its own jobs, that job is among them.
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
    /// What there is to do. (A thread that has not begun is idle, and its job waits.)
    fn left(&self) -> Option<JobsLeft> {
        let (running, waiting) = (self.threads - self.idle, self.waiting.len());
        (running + waiting != 0).then_some(JobsLeft { running, waiting })
    }
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

    /// Takes no more jobs, and waits for those that there are: for the end of a program.
    ///
    /// Blocks until every job that ran or waited has ended, or until `timeout` is over. Zero only looks, and
    /// `Duration::MAX` waits without an end. From the moment of this call on the pool refuses each job that comes. A
    /// refused job is dropped, which frees its lock: the value stays as it is, and the next access is elected. The
    /// threads of the pool end when no job is left.
    ///
    /// A pool that is shut down stays so. This may be called again, and by several threads at once: each call waits for
    /// what is left. (To drop the jobs that still wait, drop the pool.)
    ///
    /// # Errors
    ///
    /// [`JobsLeft`] if the time was out before that, with how many jobs were left. They go on.
    ///
    /// # Deadlocks
    ///
    /// A job of this pool that shuts it down does not wait, since it would wait for itself: it gets the error at once,
    /// and is counted there itself. A job of another pool waits, and so does a thread that a job waits for: give these
    /// a time-out.
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
        // A pool that nobody has used is closed as any.
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
        // Before the thread is counted: so a child that is forked beside this has a share for each that it has not, and
        // drops no job of the parent's with the pool.
        let at_work = Arc::clone(shared);
        let mut jobs = shared.jobs.lock();
        let waiting = jobs.waiting.len();
        let starts = waiting >= jobs.idle && jobs.threads < self.threads.get();
        if jobs.closed || (!starts && waiting >= jobs.idle.saturating_add(self.places)) {
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
    /// Where it lies: nothing else does, as long as somebody has a share of it.
    fn place(&self) -> usize {
        (&raw const *self).addr()
    }

    /// What a thread of the pool does.
    fn work(&self) {
        WORKS_FOR.set(self.place());
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
        self.tell_if_closed(jobs);
    }

    /// Tells those who wait for the jobs to end, if any do.
    fn tell_if_closed(&self, jobs: Locked<'_, Jobs>) {
        let closed = jobs.closed;
        drop(jobs);
        if closed {
            self.jobs.tell_all();
        }
    }

    /// A thread could not be started. If there is none now, nobody would ever run what waits.
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
