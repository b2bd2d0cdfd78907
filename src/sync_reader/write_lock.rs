//! The write lock: by itself, and of a creation; for threads, and for tasks.
//!
//! # Of a creation
//!
//! A creation takes the write lock first. Only then does its store begin (`STORING`, see
//! [`election`](crate::election)), unless the creation was superseded meanwhile. So an invalidation waits for a swap
//! that has begun, but not for the readers that a swap waits for: a reader may invalidate what it reads. In the other
//! order, with `publish` around the write lock, such a reader would wait for itself.
//!
//! The lock knows the owner of some write guards (L7):
//!
//! | the guard | is known to be of | so no access or invalidation waits for it |
//! |---|---|---|
//! | of a thread | its thread | on that thread |
//! | of a task, from its creation | that creation ([`LooseHold::of`]), however often its task changes threads | in the middle of that creation |
//! | of a task, by itself | nothing | - |

use super::SyncReaderDogpile;
use super::guard::{AsyncWriteGuard, WriteGuard};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::error::{LockError, WouldBlock, WriteLockError};
use crate::readers::{Hold, LooseHold, or_panic};
use crate::running::is_storing_here;
use crate::wait::{FOREVER, Patience, TASK, Wait};
use std::time::Duration;

/// # The write lock
impl<C: Clock> SyncReaderDogpile<C> {
    /// Takes the write lock. Blocks until every reader has let go and no other writer is in. New readers wait
    /// meanwhile.
    ///
    /// This write lock belongs to no creation, and is given even if a value was invalidated meanwhile. A creator takes
    /// the write lock of its creation instead: [`Creation::write_lock`] is refused then.
    ///
    /// # Panics
    ///
    /// - If this thread holds a [`ReadGuard`](crate::ReadGuard) or the write lock already.
    /// - If this thread is inside [`Creation::publish`]: a reader that invalidates waits for `publish` to end, and this
    ///   call would wait for that reader.
    /// - If the kernel's help fails after readers have relied on it: a system-call filter that forbids membarrier(2)
    ///   was installed after the first read.
    #[track_caller]
    pub fn acquire_write_lock(&self) -> WriteGuard<'_> {
        or_panic(self.write(FOREVER))
    }

    /// Takes the write lock, as [`acquire_write_lock`](Self::acquire_write_lock) does. Never blocks on a reader or
    /// another writer.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`], if `acquire_write_lock` would block, or panic because of what this thread is doing already.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails, as for `acquire_write_lock`.
    pub fn try_acquire_write_lock(&self) -> Result<WriteGuard<'_>, WouldBlock> {
        self.write(Patience::None).map_err(|_| WouldBlock)
    }

    /// Takes the write lock, as [`acquire_write_lock`](Self::acquire_write_lock) does. Blocks for `timeout` at most.
    ///
    /// Zero does not wait, and `Duration::MAX` waits without an end. After this call has given up, readers go on as if
    /// it had never come.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] if the time is over; [`LockError::ReadLockHeld`] or [`LockError::WriteLockHeld`] if this
    /// thread holds a [`ReadGuard`](crate::ReadGuard) or the write lock already; [`LockError::InsidePublish`] if this
    /// thread is inside [`Creation::publish`].
    ///
    /// # Panics
    ///
    /// If the kernel's help fails, as for `acquire_write_lock`.
    pub fn acquire_write_lock_timeout(&self, timeout: Duration) -> Result<WriteGuard<'_>, LockError> {
        self.write(Patience::For(timeout))
    }

    fn write(&self, patience: Patience) -> Result<WriteGuard<'_>, LockError> {
        Ok(WriteGuard::new(self.hold(&Wait::new(patience))?, None))
    }

    fn hold(&self, wait: &Wait) -> Result<Hold<'_>, LockError> {
        self.not_inside_publish()?;
        self.readers.write(wait)
    }

    fn not_inside_publish(&self) -> Result<(), LockError> {
        if is_storing_here(self.dogpile.election()) { Err(LockError::InsidePublish) } else { Ok(()) }
    }

    /// Takes the write lock, as [`acquire_write_lock`](Self::acquire_write_lock) does, for a task: the guard may be
    /// held across an `.await`.
    ///
    /// # Panics
    ///
    /// As `acquire_write_lock`, of the thread that polls this future.
    ///
    /// # Deadlocks
    ///
    /// A task that holds a guard of this lock waits for itself: see [`AsyncWriteGuard`]. And a future that is neither
    /// polled nor dropped keeps out all readers and writers that come anew.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, readers go on as if it had never come.
    pub fn acquire_write_lock_async(&self) -> impl Future<Output = AsyncWriteGuard<'_>> {
        async move { AsyncWriteGuard::new(or_panic(self.hold_loosely().await), None) }
    }

    fn hold_loosely(&self) -> impl Future<Output = Result<LooseHold<'_>, LockError>> {
        async move {
            self.not_inside_publish()?;
            self.readers.write_loosely(&TASK).await
        }
    }
}

/// # The write lock
impl<C: Clock> Creation<'_, SyncReaderDogpile<C>> {
    /// Takes the write lock, for the swap that makes what was created the current resource. Blocks until every reader
    /// has let go and no other writer is in. New readers wait meanwhile.
    ///
    /// If the write lock is refused, the creator should fail. A creator that returns `Ok` all the same has its access
    /// given a guard for a resource that was not swapped in.
    ///
    /// As inside [`publish`](Creation::publish), nothing older becomes current once an invalidation has returned (L6).
    /// An invalidation that comes while the guard is held takes effect at once, and returns when the guard is dropped.
    ///
    /// # Errors
    ///
    /// - [`WriteLockError::Superseded`] if the value was invalidated after this creation began. Then the creation can
    ///   no longer make its value the current one.
    /// - [`WriteLockError::Dead`] if the creation took too long, and another access was elected in its place.
    /// - [`WriteLockError::ReadLockHeld`] or [`WriteLockError::WriteLockHeld`] if this thread holds a
    ///   [`ReadGuard`](crate::ReadGuard) or the write lock already.
    /// - [`WriteLockError::InsidePublish`] inside [`publish`](Creation::publish): the write lock takes its place.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails: see [`SyncReaderDogpile::acquire_write_lock`].
    pub fn write_lock(&self) -> Result<WriteGuard<'_>, WriteLockError> {
        self.write(&Wait::new(FOREVER))
    }

    /// Takes the write lock, as [`write_lock`](Self::write_lock) does. Blocks for `timeout` at most.
    ///
    /// Zero does not wait, and `Duration::MAX` waits without an end. After this call has given up, readers go on as if
    /// it had never come.
    ///
    /// # Errors
    ///
    /// As `write_lock`, and [`WriteLockError::TimedOut`] if the time is over.
    ///
    /// # Panics
    ///
    /// As `write_lock`.
    pub fn write_lock_timeout(&self, timeout: Duration) -> Result<WriteGuard<'_>, WriteLockError> {
        self.write(&Wait::new(Patience::For(timeout)))
    }

    pub(crate) fn write(&self, wait: &Wait) -> Result<WriteGuard<'_>, WriteLockError> {
        self.before_readers_wait()?;
        let hold = self.lock().hold(wait)?;
        let store = self.begin_store()?;
        Ok(WriteGuard::new(hold, Some(store)))
    }

    /// Refuses the write lock to a creation that may not store, before any reader is made to wait in vain.
    fn before_readers_wait(&self) -> Result<(), WriteLockError> {
        if self.is_dead() {
            return Err(WriteLockError::Dead);
        }
        if self.is_superseded() {
            return Err(WriteLockError::Superseded);
        }
        Ok(())
    }

    /// Takes the write lock, as [`write_lock`](Self::write_lock) does, for a task: the guard may be held across an
    /// `.await`.
    ///
    /// # Errors
    ///
    /// As `write_lock`.
    ///
    /// # Deadlocks
    ///
    /// A creator that holds the [guard of a read](crate::OwnedReadGuard) of this lock waits for itself. And a future
    /// that is neither polled nor dropped keeps out all readers and writers that come anew.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, readers go on as if it had never come.
    pub fn write_lock_async(&self) -> impl Future<Output = Result<AsyncWriteGuard<'_>, WriteLockError>> {
        async move {
            self.before_readers_wait()?;
            let hold = self.lock().hold_loosely().await?;
            let store = self.begin_store()?;
            Ok(AsyncWriteGuard::new(hold.of(self.which()), Some(store)))
        }
    }
}
