//! The lock whose creator may swap what readers are reading: [`Dogpile`] and [`readers`](crate::readers) together.
//!
//! Here are the type, its invalidations, and what its readers can be asked; how a lock is made is in [`new`], and what
//! else the lock can be asked is in its [`Status`]. How an access begins is in [`accesses`], how it comes to its guard
//! in [`reading`], and how a writer comes to be alone in [`write_lock`]; what an access is made of is in
//! [`crate::access`], and how this lock serves it in [`crate::beside`]; the guards are in [`guard`], what holds on to
//! the lock for a guard in [`owner`], the turns in [`turn`], and what is for tasks alone in [`tasks`].

// First, so that its part of the documentation is.
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
/// Each access yields a [`ReadGuard`], to be held while the resource is in use. While the creator prepares the new
/// resource, readers carry on with the old one; for its last step it takes the write lock, which waits until every
/// reader has left and keeps new ones waiting.
///
/// It holds no resource, and does not know which one a guard is for: keep the two together in a type of your own, whose
/// methods take the guard. A handle to the resource that has to be replaced with it (a map, a file that is opened anew)
/// goes into an [`RmLock`](crate::RmLock) beside this lock, where nobody ever waits for it, since it is replaced under
/// the write lock of this one. The example `swap_datafile` does that.
///
/// # Several threads at once
///
/// | the value is | the first to come | the others, until its creation ends |
/// |---|---|---|
/// | fresh | carries on, with a guard | carry on, with a guard |
/// | stale | is elected and creates, without a guard | carry on with the old value, without waiting; but wait while the write lock is held or waited for |
/// | missing | is elected and creates, without a guard | wait; that one creation serves them all |
///
/// A thread that holds a guard gets another at once, whatever the freshness and whoever waits, and is never elected:
/// its outer guard keeps the resource where it is.
///
/// # Cost
///
/// A hit with its guard costs some nanoseconds more than one of [`Dogpile`], on any number of threads at once; a write
/// lock a call to the kernel, a look at each thread that reads, and an interruption of all running threads of the
/// process. See [`RmLock`](crate::RmLock), which has the same readers. The lock takes 384 bytes.
///
/// # Panics, errors and half-done swaps
///
/// A panic of a creator gives the creation up, and a panic under the write lock releases that as well; so does an error
/// that leaves by `?`. Nothing is poisoned, and the value is what it was: readers go on with whatever was left there.
/// So prepare all that may fail before taking the write lock; and where the swap itself may fail,
/// [invalidate](Self::invalidate) before letting go of it, so that nobody reads what is half-done:
///
/// ```
/// # use dogpile::SyncReaderDogpile;
/// # static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
/// # fn prepare() -> std::io::Result<()> { Ok(()) }
/// # fn swap_in_place() -> std::io::Result<()> { Err(std::io::Error::other("no space left")) }
/// let swapped = LOCK.access().or_try_create_with(|creation| {
///     prepare()?;
///     let _alone = creation.write_lock().map_err(std::io::Error::other)?;
///     swap_in_place().inspect_err(|_| LOCK.invalidate())
/// });
/// assert!(swapped.is_err() && !LOCK.has_value());
/// ```
///
/// # Deadlocks
///
/// The lock finds at once: a creator that asks for its own value; the write lock asked for by a thread that holds a
/// [`ReadGuard`], or inside [`Creation::publish`](crate::Creation::publish); reading or writing under the write lock.
/// An access or a write lock that has an error ends with that, the others panic. (Each of them has an error if it is
/// given a time-out, by [`timeout`](crate::Access::timeout) or
/// [`acquire_write_lock_timeout`](Self::acquire_write_lock_timeout); with `Duration::MAX` it waits as long.
/// `try_acquire_write_lock` says [`WouldBlock`](crate::WouldBlock) in these cases as in others.)
///
/// Whose an [`OwnedReadGuard`] is, the lock does not know. A thread that holds one and accesses the lock once more may
/// be elected, and then wait for its own guard in [`Creation::write_lock`](crate::Creation::write_lock). Or the thread
/// may wait for a writer that waits for that guard:
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
/// Use [`OwnedReadGuard::again`] there. A time-out bounds what cannot be found. Guards of either kind that are held for
/// long keep the next swap waiting, and with it all new readers.
///
/// # Fork
///
/// In a child made by fork(2) a creation that another thread was running does not end, and what another thread was
/// reading can never be swapped: see [`Fork`](crate#fork).
///
/// # Memory ordering
///
/// As [`Dogpile`]; and what was done under the write lock happens before whatever a later guard does, and what was done
/// under a guard before whatever a later write lock does.
///
/// # Examples
///
/// ```
/// use dogpile::SyncReaderDogpile;
/// use std::{fs, io, time::Duration};
///
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600));
/// # let folder = std::env::temp_dir().join(format!("dogpile-doc-{}", std::process::id()));
/// # fs::create_dir_all(&folder)?;
/// let (file, next) = (folder.join("table"), folder.join("table.next"));
///
/// let guard = LOCK.access().or_try_create_with(|creation| {
///     fs::write(&next, "slow to make")?; // readers carry on with the old one
///     let _alone = creation.write_lock().map_err(io::Error::other)?; // refused if invalidated meanwhile
///     fs::rename(&next, &file) // nobody is reading it
/// })?;
/// assert_eq!(fs::read_to_string(&file)?, "slow to make"); // nobody swaps it while `guard` lives
/// drop(guard);
/// # fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SyncReaderDogpile<C: Clock = MonotonicClock> {
    dogpile: Dogpile<C>,
    readers: Readers,
}

impl<C: Clock> SyncReaderDogpile<C> {
    /// How many readers wait for a writer right now. Blocks only for the moments in which that changes.
    #[must_use]
    pub fn waiting_readers(&self) -> usize {
        self.readers.waiting_readers()
    }

    /// How many writers wait for readers or for each other right now. Blocks only for the moments in which that
    /// changes.
    #[must_use]
    pub fn waiting_writers(&self) -> usize {
        self.readers.waiting_writers()
    }

    /// Forgets the value: the next access creates, the others wait for it. As [`Dogpile::invalidate`].
    ///
    /// It does not take the resource away: those who read it go on until they let go. A creation that is running cannot
    /// swap any more ([`Creation::write_lock`](crate::Creation::write_lock) is refused); one that has begun to is
    /// waited for, but not the readers that it waits for, so that a thread which reads may invalidate, too. Called
    /// under the write lock, or in the middle of the creation that has it, it does not wait.
    pub fn invalidate(&self) {
        // Without an end to the wait it only ends well.
        self.invalidate_timeout(Duration::MAX).unwrap_or(());
    }

    /// As [`invalidate`](Self::invalidate), but blocks for `timeout` at most; zero does not block.
    ///
    /// # Errors
    ///
    /// As [`Dogpile::invalidate_timeout`].
    pub fn invalidate_timeout(&self, timeout: Duration) -> Result<(), StillStoring> {
        block_on(self.forget(None, &Wait::new(Patience::For(timeout)))).map(|_| ())
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did. As
    /// [`Dogpile::invalidate_if`].
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        // Without an end to the wait it only ends well.
        self.invalidate_if_timeout(seen, Duration::MAX).unwrap_or(true)
    }

    /// As [`invalidate_if`](Self::invalidate_if), but blocks for `timeout` at most; zero does not block.
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
                // The store is this thread's own.
                Some(_) if self.readers.is_writing_here() => Ok(true),
                Some(end) => self.dogpile.wait_for(end, wait).await.map(|()| true),
            }
        }
    }

    /// Makes the value stale: the next access creates, the others carry on with it. As [`Dogpile::mark_stale`].
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
