//! Creating in the background: an access that is elected hands its creation over, and goes on with the old value.
//!
//! | the value is | an access that goes [`in_background`](crate::Access::in_background) |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early | if elected, hands the creation over, and goes on |
//! | stale | if elected, hands the creation over, and goes on with the old value |
//! | missing | if elected, creates on its own thread, since it would wait anyhow; else waits |
//!
//! So nobody who has a value waits for a creator, not even the one that was elected. What the job is made of:
//!
//! 1. The access is elected. The right to create exists from here on, as a [`Creation`](crate::Creation).
//! 2. It makes a [`Job`] that owns the creation and the creator. No mutex of ours is held, nor is anything half-done.
//! 3. It calls the runner with the job, and returns with the value it has when the runner does.
//! 4. The job runs the creator, and ends the creation. A panic of the creator ends there, as a failed creation. If it
//!    was declared dead before it came to run, it runs nothing.
//!
//! Wherever the job is dropped, or unwound, the creation in it is given up (L5, C9). So a runner that refuses the job,
//! loses it with its queue, or panics has freed the lock. Only what is leaked, or hangs, holds it: for that there is
//! [`creation_timeout`](crate::PolicyBuilder::creation_timeout).

#[cfg(not(dogpile_loom))]
mod pool;

#[cfg(not(dogpile_loom))]
pub use pool::{JobsLeft, Pool};

pub(crate) use crate::panics::quietly;
use std::thread;

/// A creation to be run, once, on any thread: call it. Dropping it gives the creation up.
///
/// If its creation was declared [dead](crate::PolicyBuilder::creation_timeout) while it waited, it does nothing:
/// another has been elected since. It does not panic: a panic of the creator is reported by the panic hook, as any, and
/// ends the creation as failed.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs somewhere else: in a thread of their own, a pool, the runtime of a framework. An access is given one by
/// the step [`in_background`](crate::Access::in_background).
///
/// Any `Fn(Job)` is one:
///
/// ```
/// # use dogpile::Job;
/// # use std::thread;
/// let runner = |job: Job| drop(thread::spawn(job));
/// # let _: &dyn dogpile::Runner = &runner;
/// ```
///
/// and so is, with those crates, `|job| rayon::spawn(job)` or `|job| drop(tokio::task::spawn_blocking(job))`.
/// [`ThreadPerJob`] and [`Pool`] come with this crate.
///
/// The access that hands over waits until the runner returns. A runner that cannot take the job drops it, and frees the
/// lock: the next access is elected. Nothing has failed by that, and nobody
/// [pauses](crate::PolicyBuilder::retry_after). A panic of the runner goes on to that access, and frees the lock, too;
/// if it drops the job, it has failed.
///
/// # Deadlocks
///
/// With a [`SyncReaderDogpile`](crate::SyncReaderDogpile) the thread that hands over reads meanwhile, and the job's
/// write lock waits for it. A runner that waits for its job (joins it, or waits for a place in a queue that only the
/// job can free) waits for itself. A job that is run at once, on that thread, has the write lock refused. With the
/// other locks both will do.
pub trait Runner {
    /// Has the job run, soon.
    fn run(&self, job: Job);
}

impl<F: Fn(Job) + ?Sized> Runner for F {
    fn run(&self, job: Job) {
        self(job);
    }
}

/// Runs each job in a new thread.
///
/// A thread takes some 20 µs to start, and there are as many as there are creations at once: one for each lock, and
/// those that were [declared dead](crate::PolicyBuilder::creation_timeout) and run on. If the system has no more
/// threads, the job is dropped. For a bound see [`Pool`].
///
/// # Examples
///
/// ```
/// use dogpile::{CachedFn, ThreadPerJob};
/// use std::time::Duration;
///
/// static RATES: CachedFn<Vec<f64>> = CachedFn::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */);
/// assert_eq!(RATES.access().in_background(&ThreadPerJob).get()[1], 1.09);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadPerJob;

impl Runner for ThreadPerJob {
    fn run(&self, job: Job) {
        // If there is no thread to be had, the job is dropped, which frees the lock.
        drop(thread::Builder::new().name("dogpile".to_owned()).spawn(job));
    }
}
