//! The write lock: on its own, and of a creation; for threads, and for tasks.
//!
//! # Of a creation
//!
//! It is had first, and only then does the store begin (`STORING`, see [`election`](crate::election)), unless the
//! creation was superseded meanwhile. So an invalidation waits for a swap that has begun, but not for the readers that
//! a swap waits for: a reader may invalidate what it reads. The other way round, `publish` with the write lock inside,
//! would have it wait for itself.
//!
//! Whose it is (L7):
//!
//! | the guard | is known to be of | so nobody waits for it |
//! |---|---|---|
//! | of a thread | its thread | on that thread |
//! | of a task, from its creation | that creation ([`LooseHold::of`]), however often its task changes threads | in the middle of that creation |
//! | of a task, by itself | nobody | - |

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
    /// Takes the write lock, for the creator's last step. Blocks until every reader has let go and nobody else has it;
    /// new readers wait meanwhile.
    ///
    /// It is given whatever has become of the creation. [`Creation::write_lock`] is refused if the value was
    /// invalidated meanwhile, and is the one to use where there is a creation.
    ///
    /// # Panics
    ///
    /// If this thread holds a [`ReadGuard`](crate::ReadGuard) or the write lock already, or is inside
    /// [`Creation::publish`] (a reader that invalidates waits for that, and this would wait for the reader); or if the
    /// kernel's help, with which readers have been counting so far, fails (a system-call filter that forbids membarrier
    /// and was installed after the first read).
    #[track_caller]
    pub fn acquire_write_lock(&self) -> WriteGuard<'_> {
        or_panic(self.write(FOREVER))
    }

    /// As [`acquire_write_lock`](Self::acquire_write_lock), but never blocks on anybody.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if it would have to.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails.
    pub fn try_acquire_write_lock(&self) -> Result<WriteGuard<'_>, WouldBlock> {
        self.write(Patience::None).map_err(|_| WouldBlock)
    }

    /// As [`acquire_write_lock`](Self::acquire_write_lock), but blocks for `timeout` at most. Zero does not wait, and
    /// `Duration::MAX` waits without an end. Once it has given up, readers go on as if it had never come.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`]; [`LockError::ReadLockHeld`] or [`LockError::WriteLockHeld`] if this thread holds a
    /// [`ReadGuard`](crate::ReadGuard) or the write lock already; [`LockError::InsidePublish`].
    ///
    /// # Panics
    ///
    /// If the kernel's help fails.
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

    /// As [`acquire_write_lock`](Self::acquire_write_lock), for a task, with a guard that may cross an `.await`.
    ///
    /// # Panics
    ///
    /// As `acquire_write_lock`, of the thread that polls this.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, readers go on as if it had never come.
    ///
    /// # Deadlocks
    ///
    /// A task that holds a guard of this lock waits for itself: see [`AsyncWriteGuard`]. And a future of this that is
    /// neither polled nor dropped keeps all others out who come anew.
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
    /// Takes the write lock, to make what was created the current one. Blocks until every reader has let go and nobody
    /// else has it; new readers wait meanwhile.
    ///
    /// Where it is refused, fail: whoever returns `Ok` all the same is given a guard for what was not swapped in.
    ///
    /// As inside [`publish`](Creation::publish), nothing older becomes current once an invalidation has returned (L6):
    /// one that comes while the guard is held takes effect at once, and returns when it is dropped.
    ///
    /// # Errors
    ///
    /// [`WriteLockError::Superseded`] if the value was invalidated after this creation began; then its value serves
    /// nobody but its own caller. [`WriteLockError::Dead`] if it took too long, and another was elected in its place.
    /// [`WriteLockError::ReadLockHeld`] or [`WriteLockError::WriteLockHeld`] if this thread holds a
    /// [`ReadGuard`](crate::ReadGuard) or the write lock already; [`WriteLockError::InsidePublish`] inside
    /// [`publish`](Creation::publish), which this stands for.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails: see [`SyncReaderDogpile::acquire_write_lock`].
    pub fn write_lock(&self) -> Result<WriteGuard<'_>, WriteLockError> {
        self.write(&Wait::new(FOREVER))
    }

    /// As [`write_lock`](Self::write_lock), but blocks for `timeout` at most. Zero does not wait, and `Duration::MAX`
    /// waits without an end.
    ///
    /// # Errors
    ///
    /// As `write_lock`, and [`WriteLockError::TimedOut`]; then readers go on as if it had never been asked for.
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

    /// Refuses the write lock before any reader is made to wait for nothing.
    fn before_readers_wait(&self) -> Result<(), WriteLockError> {
        if self.is_dead() {
            return Err(WriteLockError::Dead);
        }
        if self.is_superseded() {
            return Err(WriteLockError::Superseded);
        }
        Ok(())
    }

    /// As [`write_lock`](Self::write_lock), for a task, with a guard that may cross an `.await`.
    ///
    /// # Errors
    ///
    /// As `write_lock`.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, readers go on as if it had never come.
    ///
    /// # Deadlocks
    ///
    /// A creator that holds the [guard of a read](crate::OwnedReadGuard) of this lock waits for itself. And a future of
    /// this that is neither polled nor dropped keeps all others out who come anew.
    pub fn write_lock_async(&self) -> impl Future<Output = Result<AsyncWriteGuard<'_>, WriteLockError>> {
        async move {
            self.before_readers_wait()?;
            let hold = self.lock().hold_loosely().await?;
            let store = self.begin_store()?;
            Ok(AsyncWriteGuard::new(hold.of(self.which()), Some(store)))
        }
    }
}
