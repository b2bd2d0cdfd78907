//! The lock whose creator may swap what readers are reading: [`Dogpile`] and [`readers`](crate::readers) together.
//!
//! Here are the type, its invalidations, and what it can be asked about its readers. What else it can be asked is in
//! its [`Status`]. The rest is in the modules below:
//!
//! | module | what is in it |
//! |---|---|
//! | [`new`] | how a lock is made |
//! | [`accesses`] | how an access begins |
//! | [`reading`] | how an access comes to its guard |
//! | [`write_lock`] | how a writer comes to be alone |
//! | [`guard`] | the guards |
//! | [`owner`] | what holds on to the lock for a guard |
//! | [`turn`] | the turns |
//! | [`tasks`] | what is for tasks alone |
//!
//! What an access is made of is in [`crate::access`], and how this lock serves it in [`crate::beside`].

// This module comes first, so that its part of the documentation does.
mod new;

mod accesses;
mod guard;
mod owner;
mod reading;
mod tasks;
mod turn;
mod write_lock;

pub use guard::{AsyncWriteGuard, OwnedReadGuard, ReadGuard, WriteGuard};
pub use turn::ReadTurn;

use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::{Dogpile, Status};
use crate::error::StillStoring;
use crate::generation::Generation;
use crate::lock::Elects;
use crate::readers::{HasReaders, Readers};
use crate::wait::{Patience, Wait, block_on};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// A [`Dogpile`] whose creator may swap what readers are reading: a datafile, an index, a memory map.
///
/// Each access gives a [`ReadGuard`], to be held while the resource is in use. While the creator prepares the new
/// resource, readers carry on with the old one. For its last step the creator takes the write lock. The write lock
/// waits until every reader has left, and keeps new readers waiting.
///
/// The lock holds no resource, and does not know which resource a guard is for. So a program keeps the two together in
/// a type of its own, whose methods take the guard. A handle that has to be replaced together with the resource, such
/// as a memory map or a file that is opened anew, goes into an [`RmLock`](crate::RmLock) beside this lock. The handle
/// is replaced under the write lock of this lock, so no thread ever waits for the `RmLock`. The example `swap_datafile`
/// does that, and [the guide](crate::guide::readers) has a page on readers.
///
/// # Several threads at once
///
/// | the value is | the first access | the others, until its creation ends |
/// |---|---|---|
/// | fresh | goes on, with a guard | go on, with a guard |
/// | stale | is elected and creates, without a guard | go on with the old value, without waiting; but they wait while the write lock is held or waited for |
/// | missing | is elected and creates, without a guard | wait; this one creation serves them all |
///
/// A thread that holds a guard gets another guard at once, whatever the freshness and even if a writer waits. Such a
/// thread is never elected, because its outer guard keeps the resource where it is.
///
/// # Cost
///
/// A hit with its guard costs some nanoseconds more than a hit of a [`Dogpile`], on any number of threads at once. A
/// write lock costs a call to the kernel, a look at each thread that reads, and an interruption of all running threads
/// of the process. [`RmLock`](crate::RmLock) has the same readers, and the figures. The lock takes 384 bytes.
///
/// # Panics, errors and half-done swaps
///
/// A panic of a creator ends the creation as failed. A panic under the write lock also releases the write lock. The
/// same is so of an error that leaves by `?`. Nothing is poisoned, and the value is what it was: readers go on with the
/// resource as it was left.
///
/// So a creator should prepare all that may fail before it takes the write lock. If the swap itself may fail, the
/// creator should [invalidate](Self::invalidate) before it lets go of the write lock, so that no reader sees a
/// half-done swap:
///
/// ```
/// use dogpile::SyncReaderDogpile;
/// use std::io;
///
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
///
/// fn swap_in_place() -> io::Result<()> {
///     Err(io::Error::other("no space left"))
/// }
///
/// let swapped = LOCK.access().or_try_create_with(|creation| {
///     let _alone = creation.write_lock().map_err(io::Error::other)?; // after all has been prepared
///     swap_in_place().inspect_err(|_| LOCK.invalidate())
/// });
/// assert!(swapped.is_err() && !LOCK.has_value());
/// ```
///
/// # Deadlocks
///
/// The lock finds these mistakes at once:
///
/// - A creator asks for its own value, where there is none.
/// - A thread that holds a [`ReadGuard`] asks for the write lock.
/// - A thread asks for the write lock inside [`Creation::publish`](crate::Creation::publish).
/// - A thread that holds the write lock reads, or asks for the write lock once more.
///
/// An access or a write lock that can end with an error ends with one then, and the others panic. With a time-out each
/// of them can: see [`timeout`](crate::Access::timeout) and
/// [`acquire_write_lock_timeout`](Self::acquire_write_lock_timeout). A time-out of `Duration::MAX` bounds no wait, and
/// still gives the error. `try_acquire_write_lock` returns [`WouldBlock`](crate::WouldBlock) in these cases as in
/// others.
///
/// The lock does not know which thread or task holds an [`OwnedReadGuard`]. A thread that holds one and accesses the
/// lock once more may be elected, and then wait for its own guard in
/// [`Creation::write_lock`](crate::Creation::write_lock). Or the thread may wait for a writer that waits for that
/// guard:
///
/// ```text
/// thread or task 1                        thread 2
///
/// let guard = ReadGuard::into_owned(…);
///                                         creation.write_lock();
///                                         // waits for `guard`
/// lock.acquire();
/// // waits for thread 2
/// ```
///
/// [`OwnedReadGuard::again`] reads once more without waiting. A time-out bounds a wait that cannot be found. A guard of
/// either kind that is held for long keeps the next swap waiting, and all new readers with it.
///
/// # Fork
///
/// In a child made by fork(2), a creation that another thread was running does not end, and what another thread was
/// reading can never be swapped: see [`Fork`](crate::guide::limitations#fork).
///
/// # Memory ordering
///
/// All that [`Dogpile`](Dogpile#memory-ordering) promises holds here. What was done under the write lock happens before
/// all that is done under a later guard. What was done under a guard happens before all that is done under a later
/// write lock.
///
/// # Examples
///
/// ```
/// use dogpile::SyncReaderDogpile;
/// use std::{env, error, fs, io, process, time::Duration};
///
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600));
///
/// fn main() -> Result<(), Box<dyn error::Error>> {
///     let file = env::temp_dir().join(format!("dogpile-doc-{}", process::id()));
///     let next = file.with_extension("next");
///
///     let guard = LOCK.access().or_try_create_with(|creation| {
///         fs::write(&next, "slow to make")?; // readers carry on with the old file
///         let _alone = creation.write_lock().map_err(io::Error::other)?; // refused, if the value was invalidated
///         fs::rename(&next, &file) // no reader is in
///     })?;
///     assert_eq!(fs::read_to_string(&file)?, "slow to make"); // no creator swaps it while `guard` lives
///     drop(guard);
///     fs::remove_file(&file)?;
///     Ok(())
/// }
/// ```
pub struct SyncReaderDogpile<C: Clock = MonotonicClock> {
    dogpile: Dogpile<C>,
    readers: Readers,
}

impl<C: Clock> SyncReaderDogpile<C> {
    /// Returns how many readers wait for a writer right now. Blocks only while another thread changes that number.
    #[must_use]
    pub fn waiting_readers(&self) -> usize {
        self.readers.waiting_readers()
    }

    /// Returns how many writers wait for readers or for each other right now. Blocks only while another thread changes
    /// that number.
    #[must_use]
    pub fn waiting_writers(&self) -> usize {
        self.readers.waiting_writers()
    }

    /// Forgets the value: the next access creates, and the others wait for it. Blocks only while a creation has the
    /// write lock, or is inside [`publish`](crate::Creation::publish).
    ///
    /// The invalidation takes effect at once, as that of a [`Dogpile`](Dogpile::invalidate), whose docs describe it in
    /// full. The resource is not taken away: readers go on until they let go. A creation that is running can swap no
    /// more, because its [`Creation::write_lock`](crate::Creation::write_lock) is refused. If the creation has the
    /// write lock already, this call waits until the swap has ended. This call does not wait for the readers that a
    /// swap waits for, so a thread that reads may invalidate, too. A thread that holds the write lock does not wait,
    /// nor does a thread in the middle of the creation that has it.
    pub fn invalidate(&self) {
        // A wait without an end does not fail.
        self.invalidate_timeout(Duration::MAX).unwrap_or(());
    }

    /// Forgets the value, as [`invalidate`](Self::invalidate) does. Blocks for `timeout` at most.
    ///
    /// Zero does not block, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// As [`Dogpile::invalidate_timeout`].
    pub fn invalidate_timeout(&self, timeout: Duration) -> Result<(), StillStoring> {
        block_on(self.forget(None, &Wait::new(Patience::For(timeout)))).map(|_| ())
    }

    /// Forgets the value, as [`invalidate`](Self::invalidate) does, unless the generation has moved since `seen`.
    /// Returns whether this call has invalidated. Blocks as `invalidate` does, and not at all if it has not
    /// invalidated.
    ///
    /// As [`Dogpile::invalidate_if`], whose docs say what this is for.
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        // A wait without an end does not fail.
        self.invalidate_if_timeout(seen, Duration::MAX).unwrap_or(true)
    }

    /// Forgets the value, as [`invalidate_if`](Self::invalidate_if) does. Blocks for `timeout` at most.
    ///
    /// Zero does not block, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// As [`Dogpile::invalidate_if_timeout`].
    pub fn invalidate_if_timeout(&self, seen: Generation, timeout: Duration) -> Result<bool, StillStoring> {
        block_on(self.forget(Some(seen), &Wait::new(Patience::For(timeout))))
    }

    fn forget(&self, only_if: Option<Generation>, wait: &Wait) -> impl Future<Output = Result<bool, StillStoring>> {
        async move {
            match self.dogpile.forget(only_if) {
                None => Ok(false),
                // This thread has the write lock, so the store is its own.
                Some(_) if self.readers.is_writing_here() => Ok(true),
                Some(end) => self.dogpile.wait_for(end, wait).await.map(|()| true),
            }
        }
    }

    /// Makes the value stale: the next access creates, and the others carry on with the old value. Never blocks on a
    /// creation. As [`Dogpile::mark_stale`].
    pub fn mark_stale(&self) {
        self.dogpile.mark_stale();
    }
}

impl<C: Clock> Elects for SyncReaderDogpile<C> {
    type Clock = C;

    fn dogpile(&self) -> &Dogpile<C> {
        &self.dogpile
    }

    fn dogpile_mut(&mut self) -> &mut Dogpile<C> {
        &mut self.dogpile
    }
}

impl<C: Clock> HasReaders for SyncReaderDogpile<C> {
    fn readers(&self) -> &Readers {
        &self.readers
    }
}

impl<C: Clock> Deref for SyncReaderDogpile<C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.dogpile
    }
}

impl<C: Clock> fmt::Debug for SyncReaderDogpile<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncReaderDogpile").field("dogpile", &self.dogpile).field("readers", &self.readers).finish()
    }
}
