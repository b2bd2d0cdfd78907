//! How an access of a [`SyncReaderDogpile`] begins, and the short ones that have a name of their own.

use super::SyncReaderDogpile;
use super::guard::ReadGuard;
use super::turn::ReadTurn;
use crate::access::{Access, AsyncAccess, ByGetter, ByStamp, Elsewhere, Finds, Found, Keep, Kept, Reach};
use crate::clock::Clock;
use crate::dogpile::Stamped;
use crate::error::{AcquireError, CreateError};
use crate::failure::Cause;
use crate::outcome::Outcome;

/// # Accesses
///
/// As [`Dogpile`](crate::Dogpile#accesses)'s, each with a guard for as long as the resource is in use.
///
/// A [time-out](Access::timeout) bounds the wait for that guard, too: if the time is out when the creator returns, and
/// a writer is in, the access ends with an error although its creation has succeeded. A creator bounds its own wait for
/// readers, by [`write_lock_timeout`](crate::Creation::write_lock_timeout). A [setter](Access::and_set) shares the time
/// of its access, and if that is out before the readers have let go, the creation is given up.
impl<C: Clock> SyncReaderDogpile<C> {
    /// Begins an access. Never blocks: nothing happens before the last call of the [`Access`].
    #[inline]
    pub fn access(&self) -> Access<&Self> {
        Access::new(self, Elsewhere)
    }

    /// As [`access`](Self::access), with a creation that shares the lock and may outlive the caller. As
    /// [`Dogpile::kept`](crate::Dogpile::kept). Never blocks.
    ///
    /// The guards that such an access gives are those of its thread all the same: see [`ReadGuard::into_owned`].
    ///
    /// [In the background](Access::in_background) an access takes the guard of the old value before it hands its
    /// creation over, so that it has nothing to wait for. The swap waits for that reader as for every other.
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K> {
        Access::new(lock, Elsewhere)
    }

    /// Begins an access by a task, whose guards own a share of the lock: see [`AsyncAccess`] for its steps and last
    /// calls, and [below](#for-tasks) for what holds for all of them. Never blocks: nothing happens before the future
    /// of the last call is polled.
    ///
    /// The lock is given by `&Arc<SyncReaderDogpile>`, by a reference to a `static`, or to a
    /// [`Held<'static, …>`](crate::Held).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::SyncReaderDogpile;
    /// use std::{sync::Arc, time::Duration};
    ///
    /// # async fn download() {}
    /// # async fn swap() {}
    /// # async fn read() -> u32 { 42 }
    /// async fn look_up(lock: &Arc<SyncReaderDogpile>) -> u32 {
    ///     let access = SyncReaderDogpile::kept_async(lock).or_create_with(async |creation| {
    ///         download().await; // slow: readers carry on with the old one
    ///         if let Ok(_alone) = creation.write_lock_async().await {
    ///             swap().await; // nobody reads
    ///         }
    ///     });
    ///     let _guard = access.await;
    ///     read().await // stays as it is as long as the guard lives
    /// }
    /// # let lock = Arc::new(SyncReaderDogpile::new(Duration::from_secs(600)));
    /// # assert_eq!(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(look_up(&lock)), 42);
    /// ```
    #[inline]
    #[doc(alias = "access_async")]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self> {
        AsyncAccess::new(lock.own(), Elsewhere)
    }

    /// Says what this access is to do: use the value under its guard, or create it. Short for
    /// [`access().turn()`](Access::turn).
    ///
    /// Blocks while there is no value and another thread creates it, and while a writer is in or waits. A thread that
    /// holds a guard already never blocks here, and is never elected.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for, or holds the write lock.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> ReadTurn<'_, C> {
        self.access().turn()
    }

    /// As [`acquire`](Self::acquire), but never blocks and never queues: it does what
    /// `access().timeout(Duration::ZERO).turn()` does, and is not counted as one that [waited](crate::Stats).
    ///
    /// # Errors
    ///
    /// Those of [`turn`](Access::turn): [`AcquireError::TimedOut`] if the access would have to wait for others;
    /// [`AcquireError::WriteLockHeld`] if this thread holds the write lock.
    #[inline]
    pub fn try_acquire(&self) -> Result<ReadTurn<'_, C>, AcquireError> {
        self.access().try_turn()
    }

    /// Runs `creator` if the value has to be created and this access is elected; gives a guard, and in it what the
    /// access met. As [`Dogpile::acquire_or_create`](crate::Dogpile::acquire_or_create); short for
    /// [`access().or_create(…)`](Access::or_create).
    ///
    /// Blocks as long as its own creator runs, while there is no value and another thread creates it, and while a
    /// writer is in or waits. A creator that takes the write lock for its last step is given its creation by
    /// [`or_create_with`](Access::or_create_with).
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for, or holds the write lock. A panic of
    /// `creator` goes on to the caller; the creation is given up.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> ReadGuard<'_, Outcome> {
        self.access().or_create(creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), by a creator that can fail. As
    /// [`Dogpile::acquire_or_try_create`](crate::Dogpile::acquire_or_try_create); short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// # Errors
    ///
    /// As `Dogpile::acquire_or_try_create`, and [`CreateError::WriteLockHeld`] if this thread holds the write lock.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Begins an access whose value a getter fetches, under the guard that the value is given in: *getter mode*. As
    /// [`Dogpile::fetch`](crate::Dogpile::fetch); short for [`access().fetch(…)`](Access::fetch). Never blocks.
    ///
    /// **A lock for getters starts with [`born_fresh`](Self::born_fresh).** Without it the first access creates, and
    /// asks no getter, though the resource may be there.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::SyncReaderDogpile;
    /// use std::{sync::RwLock, time::Duration};
    ///
    /// static TABLE: RwLock<Vec<u32>> = RwLock::new(Vec::new()); // say, a file
    /// static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600)).born_fresh();
    ///
    /// let first = LOCK
    ///     .fetch(|| TABLE.read().unwrap().first().copied())
    ///     .and_set(|made| *TABLE.write().unwrap() = vec![*made]) // under the write lock: no other getter runs
    ///     .or_create(|| 42);
    /// assert_eq!(*first, 42);
    /// ```
    #[inline]
    pub fn fetch<R: Found, F: FnMut() -> R>(&self, getter: F) -> Access<&Self, ByGetter<F>> {
        self.access().fetch(getter)
    }

    /// Begins an access whose value a getter fetches, as a reader, with the time when it was created: *stamped getter
    /// mode*. As [`Dogpile::fetch_stamped`](crate::Dogpile::fetch_stamped); short for
    /// [`access().fetch_stamped(…)`](Access::fetch_stamped). Never blocks.
    #[inline]
    pub fn fetch_stamped<T, R, F>(&self, getter: F) -> Access<&Self, ByGetter<F, ByStamp>>
    where
        R: Found + Finds<Value = Stamped<T>>,
        F: FnMut() -> R,
    {
        self.access().fetch_stamped(getter)
    }
}
