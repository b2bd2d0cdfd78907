//! How an access of a [`SyncReaderDogpile`] begins, and the short accesses that have a name of their own.

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
/// The accesses are those of a [`Dogpile`](crate::Dogpile#accesses). Each of them gives a guard as well, to be held as
/// long as the resource is in use.
///
/// A [time-out](Access::timeout) bounds the wait for that guard, too. If the time is over when the creator returns, and
/// a writer is in, the access ends with an error although its creation has succeeded. A creator bounds its own wait for
/// readers by [`write_lock_timeout`](crate::Creation::write_lock_timeout). A [setter](Access::and_set) shares the time
/// of its access. If that time is over before the readers have let go, the creation is given up.
impl<C: Clock> SyncReaderDogpile<C> {
    /// Opens an access. Never blocks: nothing happens before the terminal of the [`Access`].
    #[inline]
    pub fn access(&self) -> Access<&Self> {
        Access::new(self, Elsewhere)
    }

    /// Opens an access whose creation owns a share of the lock, and may outlive the caller. Never blocks. As
    /// [`Dogpile::kept`](crate::Dogpile::kept).
    ///
    /// The guards of such an access stay on their thread all the same: see [`ReadGuard::into_owned`].
    ///
    /// [In the background](Access::in_background), the access takes the guard of the old value before it hands its
    /// creation over, so that it has nothing to wait for afterwards. The swap waits for that reader as for every other.
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K> {
        Access::new(lock, Elsewhere)
    }

    /// Opens an access by a task, whose guards own a share of the lock. Never blocks: nothing happens before the future
    /// of the terminal is polled.
    ///
    /// [`AsyncAccess`] has the steps and the terminals. What holds for all of them is [below](#for-tasks).
    ///
    /// The lock is given by `&Arc<SyncReaderDogpile>`, by a reference to a `static`, or by a reference to a
    /// [`Held<'static, …>`](crate::Held).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{SyncReaderDogpile, WriteLockError};
    /// use std::{sync::Arc, time::Duration};
    /// use tokio::task::yield_now;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let lock = Arc::new(SyncReaderDogpile::new(Duration::from_secs(600)));
    ///     let access = SyncReaderDogpile::kept_async(&lock).or_try_create_with(async |creation| {
    ///         yield_now().await; // downloads, slowly: readers carry on with the old resource
    ///         let _alone = creation.write_lock_async().await?;
    ///         yield_now().await; // swaps: no reader is in
    ///         Ok::<(), WriteLockError>(())
    ///     });
    ///     let guard = access.await?;
    ///     yield_now().await; // reads: the resource stays as it is as long as the guard lives
    ///     drop(guard);
    ///     Ok(())
    /// }
    /// ```
    #[inline]
    #[doc(alias = "access_async")]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self> {
        AsyncAccess::new(lock.own(), Elsewhere)
    }

    /// Says what this access is to do: use the value under its guard, or create it. Blocks while there is no value and
    /// another thread creates it, and while a writer is in or waits.
    ///
    /// A thread that holds a guard already never blocks here, and is never elected. Short for
    /// [`access().turn()`](Access::turn).
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for, or holds the write lock.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> ReadTurn<'_, C> {
        self.access().turn()
    }

    /// Says what this access is to do, as [`acquire`](Self::acquire) does. Never blocks, and never queues.
    ///
    /// This does what `access().timeout(Duration::ZERO).turn()` does, and is not counted as an access that
    /// [waited](crate::Stats).
    ///
    /// # Errors
    ///
    /// The errors of [`turn`](Access::turn): [`AcquireError::TimedOut`] if the access would have to wait for others;
    /// [`AcquireError::WriteLockHeld`] if this thread holds the write lock.
    #[inline]
    pub fn try_acquire(&self) -> Result<ReadTurn<'_, C>, AcquireError> {
        self.access().turn_at_once()
    }

    /// Runs `creator` if the value has to be created and this access is elected. Blocks as long as its own creator
    /// runs, while there is no value and another thread creates it, and while a writer is in or waits.
    ///
    /// This gives a guard, and in it what the access met. As
    /// [`Dogpile::acquire_or_create`](crate::Dogpile::acquire_or_create); short for
    /// [`access().or_create(…)`](Access::or_create). A creator that takes the write lock for its last step is given its
    /// creation by [`or_create_with`](Access::or_create_with).
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that the access would wait for, or holds the write lock. A panic of
    /// `creator` goes on to the caller, and the creation is given up.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> ReadGuard<'_, Outcome> {
        self.access().or_create(creator)
    }

    /// Runs `creator`, which can fail, if the value has to be created and this access is elected. Blocks as
    /// [`acquire_or_create`](Self::acquire_or_create) does.
    ///
    /// As [`Dogpile::acquire_or_try_create`](crate::Dogpile::acquire_or_try_create); short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// # Errors
    ///
    /// As `Dogpile::acquire_or_try_create`, and [`CreateError::WriteLockHeld`] if this thread holds the write lock.
    ///
    /// # Panics
    ///
    /// If `creator` panics.
    #[inline]
    pub fn acquire_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Opens an access whose value a getter fetches, under the guard that the value is given in: *getter mode*. Never
    /// blocks.
    ///
    /// As [`Dogpile::fetch`](crate::Dogpile::fetch); short for [`access().fetch(…)`](Access::fetch).
    ///
    /// **A lock for getters starts with [`born_fresh`](Self::born_fresh).** Without it, the first access creates and
    /// asks no getter, even if the resource is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::SyncReaderDogpile;
    /// use std::{sync::RwLock, time::Duration};
    ///
    /// static TABLE: RwLock<Vec<u32>> = RwLock::new(Vec::new()); // for example a file
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

    /// Opens an access whose value a getter fetches, as a reader, with the time when the value was created: *stamped
    /// getter mode*. Never blocks.
    ///
    /// As [`Dogpile::fetch_stamped`](crate::Dogpile::fetch_stamped); short for
    /// [`access().fetch_stamped(…)`](Access::fetch_stamped).
    #[inline]
    pub fn fetch_stamped<T, R, F>(&self, getter: F) -> Access<&Self, ByGetter<F, ByStamp>>
    where
        R: Found + Finds<Value = Stamped<T>>,
        F: FnMut() -> R,
    {
        self.access().fetch_stamped(getter)
    }
}
