//! The forms for tasks: see [`wait`](crate::wait).

use super::{Cached, CachedGuard, Made, Renewal};
use crate::clock::Clock;
use crate::creation::Once;
use crate::error::{CreateError, never, or_deadlock};
use crate::wait::{INFALLIBLE_TASK, TASK};
use std::convert::identity;
use std::fmt::Display;

/// # For tasks
///
/// The same value may be used by threads and by tasks at once: a creation of either wakes those who wait of both. What
/// holds for the [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here: nothing blocks, a hit does not suspend, a
/// future may be dropped at any time, and to race it with a timer is how to bound it. What changes the value from
/// outside ([`set`](Self::set), [`invalidate`](Self::invalidate)) has no such forms, since here it never waits.
///
/// A time-out may hit the one that was elected, and then its creation is given up, though there be an old value: that
/// is still to be had, by [`get_stale`](Self::get_stale). Where time-outs are shorter than the creator takes, no
/// creation would ever end so: then [spawn it](Self::get_or_create_in_background_async).
// A hit returns early: a guard that leaves a `match` beside one that was awaited is put together in memory and copied
// in other pieces than it was written in, which costs more than the hit.
impl<T, C: Clock> Cached<T, C> {
    /// As [`get_or_create`](Self::get_or_create), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `creator` goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while its creator runs, it drops that, and then gives the creation up: exactly one of those who wait is elected.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Cached;
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    ///
    /// async fn fetch() -> Vec<f64> {
    ///     vec![1.0, 1.09] // slow
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// assert_eq!(RATES.get_or_create_async(fetch).await[1], 1.09);
    /// # });
    /// ```
    pub fn get_or_create_async(&self, creator: impl AsyncFnOnce() -> T) -> impl Future<Output = CachedGuard<T>> {
        let mut creator = Once::new(creator);
        async move {
            if let Some(guard) = self.at_once() {
                return guard;
            }
            let made = |value| never(Made::new(value));
            or_deadlock(self.get_by(&INFALLIBLE_TASK, |renewal| Box::pin(renewal.run_plain(&mut creator, made))).await)
        }
    }

    /// As [`get_or_create_with`](Self::get_or_create_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_with_async(
        &self,
        creator: impl AsyncFnOnce(&Renewal<'_, T, C>) -> Made<T>,
    ) -> impl Future<Output = CachedGuard<T>> {
        let mut creator = Once::new(creator);
        async move {
            if let Some(guard) = self.at_once() {
                return guard;
            }
            or_deadlock(
                self.get_by(&INFALLIBLE_TASK, |renewal| Box::pin(renewal.run_closure(&mut creator, never))).await,
            )
        }
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_async<E: Display>(
        &self,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        let mut creator = Once::new(creator);
        async move {
            if let Some(guard) = self.at_once() {
                return Ok(guard);
            }
            let made = |made: Result<T, E>| made.map(Made::new);
            self.get_by(&TASK, |renewal| Box::pin(renewal.run_plain(&mut creator, made))).await
        }
    }

    /// As [`get_or_try_create_with`](Self::get_or_try_create_with), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_with_async<E: Display>(
        &self,
        creator: impl AsyncFnOnce(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        let mut creator = Once::new(creator);
        async move {
            if let Some(guard) = self.at_once() {
                return Ok(guard);
            }
            self.get_by(&TASK, |renewal| Box::pin(renewal.run_closure(&mut creator, identity))).await
        }
    }
}
