//! How an access of a [`Cached`] begins, and the short ones that have a name of their own.

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
/// An access is described step by step, and its last call makes it: see [`Access`]. Here are the calls that begin one,
/// and short ones for the most common accesses.
///
/// ```
/// # use dogpile::{AcquireError, Cached};
/// # use std::time::Duration;
/// let rates = Cached::new(Duration::from_secs(600));
/// let old_or_new = rates.access().timeout(Duration::from_secs(1)).or_create(|| vec![1.0, 1.09] /* slow */)?;
/// assert_eq!(old_or_new[1], 1.09);
/// # Ok::<(), AcquireError>(())
/// ```
impl<T, C: Clock> Cached<T, C> {
    /// Begins an access. Never blocks: nothing happens before the last call of the [`Access`].
    ///
    /// By [`or_create_with`](Access::or_create_with) and [`or_try_create_with`](Access::or_try_create_with) the creator
    /// is handed its [`Renewal`](crate::Renewal): it may look at the old value, answer that this is
    /// [unchanged](crate::Renewal::unchanged), or say how long the new one [lives](Made::expires_after).
    #[inline]
    pub fn access(&self) -> Access<&Self, Inside<T>> {
        Access::new(self, Inside(PhantomData))
    }

    /// As [`access`](Self::access), with a creation that shares the lock and may outlive the caller:
    /// [in the background](Access::in_background). Never blocks.
    ///
    /// The lock is given by `&Arc<Cached<T>>`, or by a reference to a [`Held<'static, …>`](crate::Held). A lock in a
    /// `static` needs neither. Where there is only one creator, [`CachedFn`](crate::CachedFn) knows it.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, ThreadPerJob};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let rates = Arc::new(Cached::new(Duration::from_secs(600)));
    /// let access = || Cached::kept(&rates).in_background(&ThreadPerJob).or_create(|| vec![1.0, 1.09] /* slow */);
    /// assert_eq!(access()[1], 1.09, "made here, since there was nothing to go on with");
    /// rates.mark_stale();
    /// assert_eq!(access()[1], 1.09, "the old one");
    /// ```
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K, Inside<T>> {
        Access::new(lock, Inside(PhantomData))
    }

    /// A handle for a thread or a task that reads all the time: it holds on to the value, and its hits cost about half
    /// of what those of the `Cached` itself do. Never blocks. See [`Reader`].
    #[inline]
    pub fn reader(&self) -> Reader<'_, T, C> {
        Reader::new(self)
    }

    /// Gives the value, which `creator` makes if that is due and this access is elected. Short for
    /// [`access().or_create(…)`](Access::or_create).
    ///
    /// Blocks as long as its own creator runs, or while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for. A panic of `creator` goes on to the
    /// caller; the creation is given up, and the next access or a waiter takes over.
    #[inline]
    #[track_caller]
    pub fn get_or_create(&self, creator: impl FnOnce() -> T) -> CachedGuard<T> {
        self.access().or_create_apart(|_| Made::new(creator()))
    }

    /// As [`get_or_create`](Self::get_or_create), by a creator that can fail. Short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// The error is the caller's own, and a waiter does not get it. One waiter is elected, and calls its own creator;
    /// so while the source is down, the waiters fail one after the other. A [`timeout`](Access::timeout) bounds their
    /// waits. A policy that [pauses](crate::PolicyBuilder::retry_after) after a failure has all of them told at once,
    /// and leaves the source in peace. A failure can say that, too, and [for how long](crate::Failure).
    ///
    /// The elected thread gets the error even if there is an old value, which all other threads go on using. The old
    /// value may serve that thread as well, as a policy can [say](crate::OnError::ServeStale) once and for all:
    ///
    /// ```
    /// # use dogpile::{Cached, CachedGuard, CreateError};
    /// # fn fetch() -> std::io::Result<u32> { Err(std::io::Error::other("no answer")) }
    /// # fn read(cached: &Cached<u32>) -> Result<CachedGuard<u32>, CreateError<std::io::Error>> {
    /// cached.get_or_try_create(fetch).or_else(|error| cached.peek().ok_or(error))
    /// # }
    /// # let cached = Cached::never_expires();
    /// # cached.set(1);
    /// # cached.mark_stale();
    /// # assert_eq!(*read(&cached).unwrap(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that the access would wait for, or one that the other waits for; [`CreateError::Paused`] after a
    /// failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Makes the value anew by `creator`, though it be fresh, and gives one whose creation began after this call did.
    /// Short for [`access().anew().or_create(…)`](Access::anew), which also has a form that can fail.
    ///
    /// Blocks as long as its own creator runs, or while another thread creates. A
    /// [pause](crate::PolicyBuilder::retry_after) does not keep this access from creating.
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
/// Threads and tasks may use the same value at once: a creation of either wakes the waiters of both. What holds for the
/// [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here: nothing blocks, a hit does not suspend, a future may be
/// dropped at any time, and to race it with a timer is how to bound it. What changes the value from outside
/// ([`set`](Self::set), [`invalidate`](Self::invalidate)) never waits, and so is for tasks as it is.
///
/// A time-out may hit the elected task. Then its creation is given up, though there be an old value:
/// [`peek`](Self::peek) still gives that. Where time-outs are shorter than the creator takes, no creation would ever
/// end so: then have it [spawned](AsyncAccess::spawned_by).
impl<T, C: Clock> Cached<T, C> {
    /// Begins an access by a task: see [`AsyncAccess`] for its steps and last calls. Never blocks: nothing happens
    /// before the future of the last call is polled.
    #[inline]
    pub fn access_async(&self) -> AsyncAccess<&Self, Self, Inside<T>> {
        AsyncAccess::new(self, Inside(PhantomData))
    }

    /// As [`access_async`](Self::access_async), with a creation that shares the lock and may outlive the caller. Never
    /// blocks.
    ///
    /// The lock is given by `&Arc<Cached<T>>`, by a reference to a `static`, or to a [`Held<'static, …>`](crate::Held).
    #[inline]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self, Inside<T>> {
        AsyncAccess::new(lock.own(), Inside(PhantomData))
    }

    /// As [`get_or_create`](Self::get_or_create), for a task. Short for
    /// [`access_async().or_create(…)`](AsyncAccess::or_create). Does not block.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that the access would wait for. A panic of `creator` goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](AsyncAccess#cancel-safety) says: the future may be dropped at any time.
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
        self.access_async().or_create(creator)
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), for a task. Short for
    /// [`access_async().or_try_create(…)`](AsyncAccess::or_try_create). Does not block.
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
    pub fn get_or_try_create_async<E: Cause>(
        &self,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        self.access_async().or_try_create(creator)
    }
}
