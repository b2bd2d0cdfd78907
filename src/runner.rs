//! Creating in the background: an elected access hands its creation over to a runner, and goes on with the old value.
//!
//! | the value is | an access that goes [`in_background`](crate::Access::in_background) |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early | if elected, hands the creation over, and goes on |
//! | stale | if elected, hands the creation over, and goes on with the old value |
//! | missing | if elected, creates on its own thread, since it would wait anyhow; else waits |
//!
//! So no access that has a value waits for a creator, not even the elected access. The hand-over goes as follows:
//!
//! 1. The access is elected. The right to create exists from here on, as a [`Creation`](crate::Creation).
//! 2. The access makes a [`Job`] that owns the creation and the creator. At this moment no mutex of the crate is held,
//!    and nothing is half-done.
//! 3. The access calls the runner with the job. When the runner returns, the access returns with the value that it has.
//! 4. The job runs the creator, and ends the creation. A panic of the creator ends there, as a failed creation. If the
//!    creation was declared dead before the job came to run, the job runs nothing.
//!
//! Wherever the job is dropped or unwound, its creation is given up (L5, C9). So a runner that refuses the job, loses
//! it with its queue, or panics, has freed the lock. Only a job that is leaked, or hangs, keeps the lock: for that
//! there is [`creation_timeout`](crate::PolicyBuilder::creation_timeout).

#[cfg(not(dogpile_loom))]
mod pool;

#[cfg(not(dogpile_loom))]
pub use pool::{JobsLeft, Pool};

use std::thread;

/// A creation to be run, once, on any thread. To run the job, call it. Dropping the job gives the creation up.
///
/// A job does nothing if its creation was declared [dead](crate::PolicyBuilder::creation_timeout) while the job waited,
/// since another access has been elected by then. A job does not panic. The panic hook reports a panic of the creator
/// as it reports any panic, and the panic ends the creation as failed.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs somewhere else: in a thread of their own, in a pool, or in the runtime of a framework. The step
/// [`in_background`](crate::Access::in_background) gives a runner to an access.
///
/// Any `Fn(Job)` is a runner:
///
/// ```
/// # use dogpile::Job;
/// # use std::thread;
/// let runner = |job: Job| drop(thread::spawn(job));
/// # let _: &dyn dogpile::Runner = &runner;
/// ```
///
/// With the crates `rayon` and `tokio`, so are `|job| rayon::spawn(job)` and
/// `|job| drop(tokio::task::spawn_blocking(job))`. [`ThreadPerJob`] and [`Pool`] come with this crate.
///
/// The access that hands over waits until the runner returns. A runner that cannot take the job drops it. That frees
/// the lock, and the next access is elected; it is no failure, and no [pause](crate::PolicyBuilder::retry_after)
/// follows. A panic of the runner goes on to the access, and frees the lock, too. If the panic drops the job, the
/// creation has failed.
///
/// # Deadlocks
///
/// With a [`SyncReaderDogpile`](crate::SyncReaderDogpile) the thread that hands over is reading meanwhile, and the
/// job's write lock waits for that thread. So a runner must not wait for its job, neither by joining it nor by waiting
/// for a place in a queue that only the job can free: that runner would wait for itself. A job that is run at once, on
/// the same thread, is refused the write lock. With the other locks a runner may do both.
pub trait Runner {
    /// Runs the job soon, or has it run.
    fn run(&self, job: Job);
}

impl<F: Fn(Job) + ?Sized> Runner for F {
    fn run(&self, job: Job) {
        self(job);
    }
}

/// Runs each job in a new thread.
///
/// A thread takes some 20 µs to start. There are as many threads as there are creations at once: one for each lock, and
/// one for each creation that was [declared dead](crate::PolicyBuilder::creation_timeout) and still runs. If the system
/// has no more threads, the job is dropped. For a bound see [`Pool`].
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
        // If no thread can be started, the job is dropped, which frees the lock.
        drop(thread::Builder::new().name("dogpile".to_owned()).spawn(job));
    }
}
