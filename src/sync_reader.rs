//! The lock whose creator may swap what readers are reading: [`Dogpile`] and [`readers`](crate::readers) together.
//!
//! Here are the type, its invalidations, the accesses that have a name of their own, and what its readers can be asked;
//! what else the lock can be asked is in its [`Status`]. How an access comes to its guard is in [`reading`], and how a
//! writer comes to be alone in [`write_lock`]; what an access is made of is in [`crate::access`], and how this lock
//! serves it in [`crate::beside`]; the guards are in [`guard`], what holds on to the lock for
//! a guard in [`owner`], and what is for tasks alone in [`tasks`].

mod guard;
mod owner;
mod reading;
mod tasks;
mod write_lock;

pub use guard::{AsyncWriteGuard, OwnedReadGuard, ReadGuard, ReadTurn, WriteGuard};

use crate::access::{Access, AsyncAccess, ByGetter, ByStamp, Elsewhere, Finds, Found, Keep, Kept, Reach};
use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::{Dogpile, Stamped, Status};
use crate::election::Generation;
use crate::error::{AcquireError, CreateError, StillStoring};
use crate::failure::Cause;
use crate::lock::{Elects, Lock};
use crate::outcome::Outcome;
use crate::readers::{HasReaders, Owner, Readers};
use crate::ruled::ruled;
use crate::sync::{Arc, const_fn};
use crate::wait::{Patience, Wait, block_on};
use owner::Through;
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
/// given a time-out, by [`timeout`](Access::timeout) or
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

impl SyncReaderDogpile {
    const_fn! {
        /// A lock without a value yet, which expires `expires_after` its creation ended. As [`Dogpile::new`].
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// A lock without a value yet, which does not expire. As [`Dogpile::never_expires`].
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> SyncReaderDogpile<C> {
    const_fn! {
        /// As [`new`](SyncReaderDogpile::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { dogpile: Dogpile::with_clock(expires_after, clock), readers: Readers::new() }
        }
    }

    const_fn! {
        /// Starts as if the value had just been created: for a resource that is there before the lock is. As
        /// [`Dogpile::born_fresh`].
        #[must_use]
        pub const fn born_fresh(mut self) -> Self {
            self.dogpile.be_born();
            self
        }
    }

    ruled! {
        /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
        /// [defaults](crate::Policy).
        by dogpile.status
    }

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
    /// [`Dogpile::kept`]. Never blocks.
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
    /// access met. As [`Dogpile::acquire_or_create`]; short for [`access().or_create(…)`](Access::or_create).
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
    /// [`Dogpile::acquire_or_try_create`]; short for [`access().or_try_create(…)`](Access::or_try_create).
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
    /// [`Dogpile::fetch`]; short for [`access().fetch(…)`](Access::fetch). Never blocks.
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
    /// mode*. As [`Dogpile::fetch_stamped`]; short for [`access().fetch_stamped(…)`](Access::fetch_stamped). Never
    /// blocks.
    #[inline]
    pub fn fetch_stamped<T, R, F>(&self, getter: F) -> Access<&Self, ByGetter<F, ByStamp>>
    where
        R: Found + Finds<Value = Stamped<T>>,
        F: FnMut() -> R,
    {
        self.access().fetch_stamped(getter)
    }
}

impl<C: Clock> Lock for SyncReaderDogpile<C> {
    type Got<'a, V>
        = ReadGuard<'a, V>
    where
        Self: 'a;
    type GotByTask<V> = OwnedReadGuard<V>;
    type Turn<'a, 'c>
        = ReadTurn<'c, C, ReadGuard<'a>>
    where
        Self: 'a + 'c;
    type TurnByTask<'c>
        = ReadTurn<'c, C, OwnedReadGuard>
    where
        Self: 'c;
    type Noted = ();
    type Owner = Owner;

    fn owner_for_ever(&'static self) -> Owner {
        Owner::for_ever(&self.readers)
    }

    fn owner_shared(this: &Arc<Self>) -> Owner
    where
        Self: 'static,
    {
        Owner::shared(Arc::clone(this))
    }

    fn owner_held<H: Deref<Target = Self> + Send + Sync + 'static>(held: impl FnOnce() -> H) -> Owner
    where
        Self: 'static,
    {
        Owner::shared(Arc::new(Through(held())))
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
