//! The forms that hand their creation over to a runner: see [`runner`](crate::runner).

use super::{Cached, CachedGuard, Made, Renewal};
use crate::clock::Clock;
use crate::error::{AcquireError, CreateError, never, or_deadlock};
use crate::keeper::Keep;
use crate::runner::Runner;
use crate::spawner::Spawner;
use crate::wait::{FOREVER, INFALLIBLE_TASK, Patience, TASK};
use std::fmt::Display;
use std::time::Duration;

/// # In the background
///
/// As the forms without that suffix, but an access that is elected and has an old value hands its creation over to a
/// [`Runner`], and returns that value at once. If there is none, it creates on its own thread.
///
/// They are given a reference to what the lock is [kept](Keep) by: a `static`, an `Arc`, or a
/// [`Held<'static, …>`](crate::Held) (from a registry in a `static`, or by [`get_owned`](crate::Registry::get_owned);
/// and unless that registry [keeps what is idle](crate::Registry::keep_idle), there is an old value only while somebody
/// holds the lock). Where there is only one creator, [`CachedFn`](crate::CachedFn) knows it.
impl<T: Send + Sync + 'static, C: Clock + 'static> Cached<T, C> {
    /// As [`get_or_create_with`](Self::get_or_create_with), in the background: if the creation is handed over, the old
    /// value is returned, with [`Outcome::Stale`](crate::Outcome::Stale) (or [`Outcome::Fresh`](crate::Outcome::Fresh),
    /// if it is only [due](crate::PolicyBuilder::refresh_at)).
    ///
    /// Blocks until the runner has taken the job; if there is no value, as `get_or_create` does.
    ///
    /// # Panics
    ///
    /// As `get_or_create`; if the runner does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, Made, ThreadPerJob};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let rates = Arc::new(Cached::new(Duration::from_secs(600)));
    /// let access = || Cached::get_or_create_in_background(&rates, &ThreadPerJob, |_| Made::new(vec![1.0, 1.09]));
    /// assert_eq!(access()[1], 1.09, "made here, since there was nothing to go on with");
    /// rates.mark_stale();
    /// assert_eq!(access()[1], 1.09, "the old one");
    /// ```
    #[track_caller]
    pub fn get_or_create_in_background<'a>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Renewal<'static, T, C>) -> Made<T> + Send + 'static,
    ) -> CachedGuard<T> {
        let creator = |renewal: &Renewal<'static, T, C>| never(creator(renewal));
        or_deadlock(lock.kept().get_or_hand_over(runner, Patience::Infallible, || (lock.keeper(), creator)))
    }

    /// As [`get_or_create_in_background`](Self::get_or_create_in_background), but waits for others for `timeout` at
    /// most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn get_or_create_in_background_timeout<'a>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        creator: impl FnOnce(&Renewal<'static, T, C>) -> Made<T> + Send + 'static,
    ) -> Result<CachedGuard<T>, AcquireError> {
        let creator = |renewal: &Renewal<'static, T, C>| never(creator(renewal));

        lock.kept().get_or_hand_over(runner, Patience::For(timeout), || (lock.keeper(), creator))
    }

    /// As [`get_or_create_in_background`](Self::get_or_create_in_background), with a creator that can fail. In a job
    /// its error has no caller: it is what the [pause](crate::PolicyBuilder::retry_after) that may follow and an
    /// [`Observer`](crate::Observer) are told.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create).
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn get_or_try_create_in_background<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Renewal<'static, T, C>) -> Result<Made<T>, E> + Send + 'static,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        lock.kept().get_or_hand_over(runner, FOREVER, || (lock.keeper(), creator))
    }

    /// As [`get_or_try_create_in_background`](Self::get_or_try_create_in_background), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_in_background`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn get_or_try_create_in_background_timeout<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        creator: impl FnOnce(&Renewal<'static, T, C>) -> Result<Made<T>, E> + Send + 'static,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        lock.kept().get_or_hand_over(runner, Patience::For(timeout), || (lock.keeper(), creator))
    }

    /// As [`get_or_create_in_background`](Self::get_or_create_in_background), for a task: the creation is spawned, also
    /// where there is no value; then this waits for it.
    ///
    /// # Panics
    ///
    /// If this task is running a creator that it would wait for; if it is to wait and the creator panics; if the
    /// spawner does. A task that is dropped or hangs is no panic: see [the access that
    /// waits](Spawner#the-access-that-waits).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the creation to itself: that serves the others, and is kept. (Unless it has
    /// its creator back, and runs that by itself: then that creation is given up.)
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, Task};
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    ///
    /// async fn rates() -> f64 {
    ///     let spawner = |task: Task| drop(tokio::spawn(task));
    ///     Cached::get_or_create_in_background_async(&RATES, &spawner, || async { vec![1.0, 1.09] }).await[1]
    /// }
    /// # assert_eq!(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(rates()), 1.09);
    /// ```
    pub fn get_or_create_in_background_async<'a, F: Future<Output = T> + Send + 'static>(
        lock: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = CachedGuard<T>> {
        async move {
            let elected = || (lock.keeper(), creator);
            let made = |value| never(Made::new(value));
            or_deadlock(lock.kept().get_or_spawn(&INFALLIBLE_TASK, spawner, elected, made).await)
        }
    }

    /// As [`get_or_create_in_background_async`](Self::get_or_create_in_background_async), with a creator that can fail.
    /// Where nobody waits for it, its error is what the [pause](crate::PolicyBuilder::retry_after) that may follow and
    /// an [`Observer`](crate::Observer) are told.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create); [`CreateError::Lost`]: see
    /// [the access that waits](Spawner#the-access-that-waits).
    ///
    /// # Panics
    ///
    /// If the spawner does.
    ///
    /// # Cancel safety
    ///
    /// As `get_or_create_in_background_async`.
    pub fn get_or_try_create_in_background_async<'a, E, F>(
        lock: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>>
    where
        E: Display + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let made = |made: Result<T, E>| made.map(Made::new);
        lock.kept().get_or_spawn(&TASK, spawner, move || (lock.keeper(), creator), made)
    }
}
