//! How the owner of a creation hands it over to a runner.

use super::Beside;
use crate::creation::{Creation, job};
use crate::failure::Cause;
use crate::lock::Lock;
use crate::runner::Runner;
use std::convert::Infallible;

/// # In the background
impl<L: Beside> Creation<'static, L> {
    /// Has a `runner` [run](Self::run) it. Blocks until the runner has taken the job, or refused it; then the creation
    /// is given up.
    ///
    /// The creator has nobody to return a value to: it keeps what it makes. For an access that does all of this, see
    /// [`Access::in_background`](crate::Access::in_background).
    ///
    /// # Panics
    ///
    /// If the runner does. A panic of `creator` ends in the job.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, ThreadPerJob, Turn};
    /// use std::time::Duration;
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
    /// if let Turn::Create(creation) = LOCK.acquire() {
    ///     creation.run_in_background(&ThreadPerJob, |_| { /* rebuild */ });
    /// }
    /// ```
    pub fn run_in_background(self, runner: &(impl Runner + ?Sized), creator: impl FnOnce(&Self) + Send + 'static) {
        self.try_run_in_background(runner, infallibly(creator));
    }

    /// As [`run_in_background`](Self::run_in_background), with a creator that can fail: its error is what the creation
    /// is given up [with](Self::fail).
    ///
    /// # Panics
    ///
    /// If the runner does.
    pub fn try_run_in_background<R, E: Cause>(
        self,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Self) -> Result<R, E> + Send + 'static,
    ) {
        runner.run(job(self, Self::is_dead, |creation| drop(creation.try_run(creator))));
    }
}

/// Has a creator that cannot fail, and returns nothing, speak as one that can.
fn infallibly<'l, L: Lock>(
    creator: impl FnOnce(&Creation<'l, L>),
) -> impl FnOnce(&Creation<'l, L>) -> Result<(), Infallible> {
    |creation| {
        creator(creation);
        Ok(())
    }
}
