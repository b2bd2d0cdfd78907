//! How an access of a [`Cached`] is opened, and the short accesses, which are opened and made by one call.

use super::Cached;
use super::guard::CachedGuard;
use super::made::Made;
use super::reader::Reader;
use crate::access::{Access, AsyncAccess, Inside, Keep, Kept, Reach};
use crate::clock::Clock;
use crate::error::CreateError;
use crate::failure::Cause;
use std::marker::PhantomData;

/// # Accesses
///
/// An access is opened, described step by step, and made by its terminal: see [`Access`]. The functions here open one,
/// or are short for the most common accesses.
///
/// ```
/// use dogpile::{AcquireError, Cached};
/// use std::time::Duration;
///
/// fn main() -> Result<(), AcquireError> {
///     let rates = Cached::new(Duration::from_secs(600));
///     let rates = rates.access().timeout(Duration::from_secs(1)).or_create(|| vec![1.0, 1.09] /* slow */)?;
///     assert_eq!(rates[1], 1.09);
///     Ok(())
/// }
/// ```
impl<T, C: Clock> Cached<T, C> {
    /// Opens an access. Never blocks: nothing happens before the terminal of the [`Access`].
    ///
    /// The terminals [`or_create_with`](Access::or_create_with) and [`or_try_create_with`](Access::or_try_create_with)
    /// give the creator its [`Renewal`](crate::Renewal). With that, the creator may look at the old value, may answer
    /// that the value is [unchanged](crate::Renewal::unchanged), and may say how long the new value
    /// [lives](Made::expires_after).
    #[inline]
    pub fn access(&self) -> Access<&Self, Inside<T>> {
        Access::new(self, Inside(PhantomData))
    }

    /// Opens an access whose creation shares the lock, and may outlive the caller. Never blocks. In all else this is
    /// [`access`](Self::access).
    ///
    /// A creation [in the background](Access::in_background) needs this. The lock is given by `&Arc<Cached<T>>`, or by
    /// a reference to a [`Held<'static, …>`](crate::Held). A lock in a `static` needs neither. Where there is only one
    /// creator, [`CachedFn`](crate::CachedFn) knows it.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, ThreadPerJob};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let rates = Arc::new(Cached::new(Duration::from_secs(600)));
    /// let read = || Cached::kept(&rates).in_background(&ThreadPerJob).or_create(|| vec![1.0, 1.09] /* slow */);
    /// assert_eq!(read()[1], 1.09, "created on this thread, since there was no old value");
    /// rates.mark_stale();
    /// assert_eq!(read()[1], 1.09, "the old value");
    /// ```
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K, Inside<T>> {
        Access::new(lock, Inside(PhantomData))
    }

    /// Returns a handle for a thread or a task that reads all the time. Never blocks.
    ///
    /// The handle holds on to the value, and its hits cost about half of what hits of the `Cached` itself cost: see
    /// [`Reader`].
    #[inline]
    pub fn reader(&self) -> Reader<'_, T, C> {
        Reader::new(self)
    }

    /// Returns the value, which `creator` makes if the value is due and this access is elected. Short for
    /// [`access().or_create(…)`](Access::or_create).
    ///
    /// Blocks as long as its own creator runs, or while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// If the access would wait for a creator that this thread is running, or for a creator that waits for one that
    /// this thread is running. A panic of `creator` goes on to the caller; the creation has failed, and the next
    /// access or a waiter takes over.
    #[inline]
    #[track_caller]
    pub fn get_or_create(&self, creator: impl FnOnce() -> T) -> CachedGuard<T> {
        self.access().or_create_apart(|_| Made::new(creator()))
    }

    /// As [`get_or_create`](Self::get_or_create), with a creator that can fail. Short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// Blocks as `get_or_create` does.
    ///
    /// The error goes to the elected caller alone. No waiter gets it. One waiter is elected instead, and calls its own
    /// creator. So while the source is down, the waiters fail one after the other. There are two ways to shorten that:
    /// a [`timeout`](Access::timeout) bounds their waits, and after a [pause](crate::PolicyBuilder::retry_after) in the
    /// policy all waiters are told at once, and the source is left in peace. A failure may also say itself [for how
    /// long](crate::Failure) the lock pauses.
    ///
    /// The elected thread gets the error even if there is an old value, which all other threads go on using. A policy
    /// can have the old value [serve that thread as well](crate::OnError::ServeStale), once and for all. A single
    /// access does it by [`peek`](Self::peek):
    ///
    /// ```
    /// use dogpile::{Cached, CachedGuard, CreateError};
    /// use std::io;
    ///
    /// fn fetch() -> io::Result<u32> {
    ///     Err(io::Error::other("no answer"))
    /// }
    ///
    /// fn read(rate: &Cached<u32>) -> Result<CachedGuard<u32>, CreateError<io::Error>> {
    ///     rate.get_or_try_create(fetch).or_else(|error| rate.peek().ok_or(error))
    /// }
    ///
    /// let rate = Cached::never_expires();
    /// rate.set(1);
    /// rate.mark_stale();
    /// assert_eq!(*read(&rate).unwrap(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// - [`CreateError::Failed`], with the creator's error.
    /// - [`CreateError::WouldDeadlock`], if the access would wait for a creator that this thread is running, or for a
    ///   creator that waits for one that this thread is running.
    /// - [`CreateError::Paused`], after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` panics.
    #[inline]
    pub fn get_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Makes the value anew by `creator`, even if the value is fresh. Returns a value whose creation began after this
    /// call did. Short for [`access().anew().or_create(…)`](Access::anew).
    ///
    /// Blocks as long as its own creator runs, or while another thread creates. A
    /// [pause](crate::PolicyBuilder::retry_after) does not keep this access from creating. A creator that can fail is
    /// given to [`access().anew().or_try_create(…)`](Access::or_try_create).
    ///
    /// # Panics
    ///
    /// As [`get_or_create`](Self::get_or_create).
    #[track_caller]
    pub fn refresh(&self, creator: impl FnOnce() -> T) -> CachedGuard<T> {
        self.access().anew().or_create(creator)
    }
}

/// # For tasks
///
/// Threads and tasks may use the same value at once: a creation of either wakes the waiters of both. The section [for
/// tasks](crate::Dogpile#for-tasks) of a `Dogpile` holds here as well. Nothing blocks, a hit does not suspend, and a
/// future may be dropped at any time. To bound an access, race its future with a timer. The calls that change the value
/// from outside, such as [`set`](Self::set) and [`invalidate`](Self::invalidate), never wait, and so tasks use them as
/// they are.
///
/// A timer may drop the future of the elected task. Then its creation is given up, even if there is an old value, which
/// [`peek`](Self::peek) still gives. Where the timers are shorter than the creator takes, no creation would ever end.
/// There let the creation be [spawned](AsyncAccess::spawned_by).
impl<T, C: Clock> Cached<T, C> {
    /// Opens an access by a task: see [`AsyncAccess`] for its steps and terminals. Never blocks: nothing happens before
    /// the future of the terminal is polled.
    #[inline]
    pub fn access_async(&self) -> AsyncAccess<&Self, Self, Inside<T>> {
        AsyncAccess::new(self, Inside(PhantomData))
    }

    /// Opens an access by a task whose creation shares the lock, and may outlive the caller. Never blocks. In all else
    /// this is [`access_async`](Self::access_async).
    ///
    /// The lock is given by `&Arc<Cached<T>>`, by a reference to a `static`, or by a reference to a
    /// [`Held<'static, …>`](crate::Held).
    #[inline]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self, Inside<T>> {
        AsyncAccess::new(lock.own(), Inside(PhantomData))
    }

    /// As [`get_or_create`](Self::get_or_create), for a task. Never blocks. Short for
    /// [`access_async().or_create(…)`](AsyncAccess::or_create).
    ///
    /// # Panics
    ///
    /// If the access would wait for a creator that this task is running, or for a creator that waits for one that this
    /// task is running. A panic of `creator` goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time: see [`AsyncAccess`](AsyncAccess#cancel-safety).
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
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() {
    ///     assert_eq!(RATES.get_or_create_async(fetch).await[1], 1.09);
    /// }
    /// ```
    pub fn get_or_create_async(&self, creator: impl AsyncFnOnce() -> T) -> impl Future<Output = CachedGuard<T>> {
        self.access_async().or_create(creator)
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), for a task. Never blocks. Short for
    /// [`access_async().or_try_create(…)`](AsyncAccess::or_try_create).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` panics.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_async<E: Cause>(
        &self,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        self.access_async().or_try_create(creator)
    }
}
