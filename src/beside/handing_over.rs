//! How the owner of a creation hands it over to a runner.

use super::Beside;
use crate::creation::{Creation, job};
use crate::failure::Cause;
use crate::lock::Lock;
use crate::runner::Runner;
use std::convert::Infallible;

/// # In the background
impl<L: Beside> Creation<'static, L> {
    /// Has a `runner` [run](Self::run) the creation. Blocks until the runner returns.
    ///
    /// If the runner refuses the job, the creation is given up. The creator has no caller to which it could return a
    /// value, so it keeps what it makes. For an access that does all of this, see
    /// [`Access::in_background`](crate::Access::in_background).
    ///
    /// # Panics
    ///
    /// A panic of the runner goes on to the caller. A panic of `creator` ends in the job.
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

    /// As [`run_in_background`](Self::run_in_background), with a creator that can fail. The creation is given up
    /// [with](Self::fail) the creator's error.
    ///
    /// # Panics
    ///
    /// A panic of the runner goes on to the caller.
    pub fn try_run_in_background<R, E: Cause>(
        self,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Self) -> Result<R, E> + Send + 'static,
    ) {
        runner.run(job(self, Self::is_dead, |creation| drop(creation.try_run(creator))));
    }
}

/// Makes a creator that can fail of one that cannot fail and returns nothing.
fn infallibly<'l, L: Lock>(
    creator: impl FnOnce(&Creation<'l, L>),
) -> impl FnOnce(&Creation<'l, L>) -> Result<(), Infallible> {
    |creation| {
        creator(creation);
        Ok(())
    }
}
