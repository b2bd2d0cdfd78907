//! A function that gives futures, and keeps their result.

use super::{CachedFn, CachedOf, kind};
use crate::cached::{CachedGuard, Made, Renewal};
use crate::clock::{Clock, MonotonicClock};
use crate::error::{CreateError, never, or_deadlock};
use crate::keeper::{Keep, Keeper};
use crate::spawner::Spawner;
use crate::sync::const_fn;
use crate::wait::{INFALLIBLE_TASK, TASK, Wait};
use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

/// A function that tasks may have a [`CachedFn`] call: as [`Creator`](super::Creator), but one that gives a future, as
/// an `async fn` does.
///
/// | | what it makes |
/// |---|---|
/// | `Fn() -> impl Future<Output = T>` | the value |
/// | `Fn() -> impl Future<Output = Result<T, E>>` | the same, or it fails |
/// | `AsyncFn(&Renewal<'_, T, C>) -> Made<T>` | it is handed its [`Renewal`] |
/// | `AsyncFn(&Renewal<'_, T, C>) -> Result<Made<T>, E>` | the same, or it fails |
///
/// `Kind` tells these four apart; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "tasks cannot have a `CachedFn` of `{T}` call this",
    label = "its future does not give `{T}`, `Result<{T}, E>`, or `Made<{T}>` for an argument `&Renewal<'_, {T}, C>`, or that in a `Result`",
    note = "one that can fail is asked by `get_fallible_async`"
)]
pub trait AsyncCreator<T, C: Clock, Kind> {
    /// What it fails with; `Infallible` if it does not.
    type Error: Display;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Self::Error>>;
}

impl<T, C: Clock, R: Future<Output = T>, F: Fn() -> R> AsyncCreator<T, C, kind::Plain> for F {
    type Error = Infallible;

    fn create_async(&self, _: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Infallible>> {
        let made = self();
        async { Ok(Made::new(made.await)) }
    }
}

impl<T, C: Clock, E: Display, R: Future<Output = Result<T, E>>, F: Fn() -> R> AsyncCreator<T, C, kind::FallibleFuture>
    for F
{
    type Error = E;

    fn create_async(&self, _: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, E>> {
        let made = self();
        async { made.await.map(Made::new) }
    }
}

impl<T, C: Clock, F: AsyncFn(&Renewal<'_, T, C>) -> Made<T>> AsyncCreator<T, C, kind::With> for F {
    type Error = Infallible;

    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Infallible>> {
        async move { Ok(self(renewal).await) }
    }
}

impl<T, C: Clock, E: Display, F> AsyncCreator<T, C, kind::FallibleFutureWith> for F
where
    F: AsyncFn(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
{
    type Error = E;

    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, E>> {
        async move { self(renewal).await }
    }
}

const_fn! {
    /// As [`cached`](super::cached()), of a function that gives futures, for tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::cached_async;
    /// use std::time::Duration;
    ///
    /// async fn fetch() -> Vec<f64> {
    ///     vec![1.0, 1.09] // slow
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let rates = cached_async(Duration::from_secs(600), fetch);
    /// assert_eq!(rates.get_async().await[1], 1.09);
    /// # });
    /// ```
    #[must_use]
    pub const fn cached_async<T, F: AsyncCreator<T, MonotonicClock, Kind>, Kind>(
        expires_after: Duration,
        function: F,
    ) -> CachedFn<T, F> {
        CachedFn::new(expires_after, function)
    }
}

/// # For tasks
///
/// Of a function that gives futures (see [`AsyncCreator`]; made by [`cached_async`], or [`new`](CachedFn::new)). What
/// holds for the [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here. Where the function is a plain one, or
/// both are wanted, [`get_or_create_async`](crate::Cached::get_or_create_async) of the [`Cached`](crate::Cached) that
/// this derefs to says how tasks are to create.
impl<T, F, C: Clock> CachedFn<T, F, C> {
    /// As [`get`](Self::get), for a task.
    ///
    /// # Panics
    ///
    /// As `get`; the task is what runs the function.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while the function runs, it drops that, and then gives the creation up: exactly one of those who wait is
    /// elected.
    pub fn get_async<K>(&self) -> impl Future<Output = CachedGuard<T>>
    where
        F: AsyncCreator<T, C, K, Error = Infallible>,
    {
        async move {
            if let Some(guard) = self.cached.at_once() {
                return guard;
            }
            or_deadlock(self.get_as_task(&INFALLIBLE_TASK).await)
        }
    }

    /// As [`get_fallible`](Self::get_fallible), for a task.
    ///
    /// # Errors
    ///
    /// As `get_fallible`.
    ///
    /// # Panics
    ///
    /// If the function does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn get_fallible_async<K>(&self) -> impl Future<Output = Result<CachedGuard<T>, CreateError<F::Error>>>
    where
        F: AsyncCreator<T, C, K>,
    {
        async move {
            if let Some(guard) = self.cached.at_once() {
                return Ok(guard);
            }
            self.get_as_task(&TASK).await
        }
    }

    /// As [`refresh`](Self::refresh), for a task.
    ///
    /// # Panics
    ///
    /// As `refresh`; the task is what runs the function.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn refresh_async<K>(&self) -> impl Future<Output = CachedGuard<T>>
    where
        F: AsyncCreator<T, C, K, Error = Infallible>,
    {
        async move { or_deadlock(self.refresh_as_task(&INFALLIBLE_TASK).await) }
    }

    /// As [`refresh_fallible`](Self::refresh_fallible), for a task.
    ///
    /// # Errors
    ///
    /// As `refresh_fallible`.
    ///
    /// # Panics
    ///
    /// If the function does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn refresh_fallible_async<K>(&self) -> impl Future<Output = Result<CachedGuard<T>, CreateError<F::Error>>>
    where
        F: AsyncCreator<T, C, K>,
    {
        async move { self.refresh_as_task(&TASK).await }
    }

    /// Of who has met no hit. (Looked for here, it would cost another future.)
    fn get_as_task<K>(&self, wait: &Wait) -> impl Future<Output = Result<CachedGuard<T>, CreateError<F::Error>>>
    where
        F: AsyncCreator<T, C, K>,
    {
        async move { self.cached.get_by(wait, |renewal| Box::pin(self.run_as_task(renewal))).await }
    }

    fn refresh_as_task<K>(&self, wait: &Wait) -> impl Future<Output = Result<CachedGuard<T>, CreateError<F::Error>>>
    where
        F: AsyncCreator<T, C, K>,
    {
        async move { self.cached.renewed(wait, |renewal| Box::pin(self.run_as_task(renewal))).await }
    }

    fn run_as_task<K>(&self, renewal: Renewal<'_, T, C>) -> impl Future<Output = Result<CachedGuard<T>, F::Error>>
    where
        F: AsyncCreator<T, C, K>,
    {
        async move {
            let made = renewal.enter_async(|| self.creator.create_async(&renewal)).await;
            renewal.end_as(made)
        }
    }
}

/// # In the background, for tasks
impl<T: Send + Sync + 'static, F: Send + Sync + 'static, C: Clock + 'static> CachedFn<T, F, C> {
    /// As [`get_in_background`](Self::get_in_background), for a task, as
    /// [`Cached::get_or_create_in_background_async`](crate::Cached::get_or_create_in_background_async).
    ///
    /// # Panics
    ///
    /// As that.
    ///
    /// # Cancel safety
    ///
    /// As [`Cached::get_or_create_in_background_async`](crate::Cached::get_or_create_in_background_async).
    pub fn get_in_background_async<'a, R>(
        function: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
    ) -> impl Future<Output = CachedGuard<T>>
    where
        F: Fn() -> R,
        R: Future<Output = T> + Send + 'static,
    {
        async move {
            let made = |value| never(Made::new(value));
            or_deadlock(Self::get_spawned(function, &INFALLIBLE_TASK, spawner, made).await)
        }
    }

    /// As [`get_fallible_in_background`](Self::get_fallible_in_background), for a task, as
    /// [`Cached::get_or_try_create_in_background_async`](crate::Cached::get_or_try_create_in_background_async).
    ///
    /// # Errors
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that.
    ///
    /// # Cancel safety
    ///
    /// As [`Cached::get_or_create_in_background_async`](crate::Cached::get_or_create_in_background_async).
    pub fn get_fallible_in_background_async<'a, E, R>(
        function: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>>
    where
        E: Display + Send + 'static,
        F: Fn() -> R,
        R: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::get_spawned(function, &TASK, spawner, |made: Result<T, E>| made.map(Made::new))
    }

    fn get_spawned<'a, E: Display + Send + 'static, R: Future<Output: Send> + Send + 'static>(
        function: impl Keep<'a, Self>,
        wait: &Wait,
        spawner: &(impl Spawner + ?Sized),
        made: fn(R::Output) -> Result<Made<T>, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>>
    where
        F: Fn() -> R,
    {
        let elected = move || {
            // One hold for the creation, one for its creator.
            let (keeper, kept) = (CachedOf(function.keeper()), function.keeper());
            (Keeper::Held(Box::new(keeper)), move || (kept.creator)())
        };
        function.kept().cached.get_or_spawn(wait, spawner, elected, made)
    }
}
