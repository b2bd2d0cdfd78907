//! A lock that carries its data, over [`readers`](crate::readers).
//!
//! The one file with unsafe code: a guard gives out a reference to what is in an `UnsafeCell`. Without it readers would
//! need a lock of the standard kind to be handed the data, whose cost is what this lock is there to save: see
//! `benches/guarded_hit.rs`.
//!
//! One invariant carries all of it, and is kept by `readers`: while a [`Pass`] or an [`OwnedPass`] of a lock lives, no
//! [`Hold`] of it does (L9), and no two `Hold`s live at once.

use crate::error::{LockError, WouldBlock};
use crate::readers::{HasReaders, Hold, OwnedPass, Owner, Pass, Readers, or_panic};
use crate::shown::shown_by_deref;
use crate::sync::{Arc, const_fn};
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Duration;

/// A reader-writer lock for data that is read all the time and hardly ever written.
///
/// To read costs about as much on all cores at once as on one: readers write no memory that they share. A writer pays
/// for that. The idea is old; FreeBSD calls it a read-mostly lock, rmlock(9).
///
/// Use `RmLock<()>` for data that lives elsewhere.
///
/// # What it costs whom
///
/// | | `RmLock` on Linux | without the kernel's help | `std::sync::RwLock`, `parking_lot::RwLock` |
/// |---|---|---|---|
/// | a reader | some ns, on any number of cores at once | two full fences more, likewise | a write to a word shared by all readers: ten times as much with two cores, and more with each |
/// | a writer without readers | a call to the kernel, and a look at each thread that reads such locks: 0.7 µs with 10 of them, 3 µs with 1,000, 31 µs with 10,000 | the same without the call | some ns |
/// | the others | each write interrupts all running threads of the process for a moment | - | - |
/// | the lock | 320 bytes beside the data | 320 bytes | 4 to 16 bytes |
/// | a thread that reads | 132 bytes, once for all locks, made for 32 threads at a time; given back to the next thread | 132 bytes | - |
///
/// (The figures: `benches/guarded_hit.rs`.) Writers of different locks look at the threads side by side.
///
/// # When not to use it
///
/// - There is more than one write in some hundred reads, or writers must be quick: `RwLock`.
/// - Readers can do with a snapshot that stays as it was: `ArcSwap`, or an `Arc` behind an `RwLock`.
/// - There are very many locks: this one is large.
/// - Readers hold on for long, and writers must not wait for them.
///
/// # Who waits for whom
///
/// A writer waits until all readers have left; while it waits, new readers wait behind it. A thread that holds a guard
/// which stays on its thread gets another at once all the same, so that it cannot deadlock with a writer in between.
/// After a writer, the readers who waited go first, and then the next writer. A writer that gives up leaves no trace.
///
/// # Panics and poisoning
///
/// A panic of whoever holds a guard releases the lock, and the lock is *not* poisoned: if what was being written must
/// not be seen half-done, see to that in the writer.
///
/// A leaked guard ([`std::mem::forget`]) holds up the writers of its own lock for ever, and costs a few bytes.
///
/// # Deadlocks
///
/// Asking for the write lock while this thread reads, and for either while it writes, is found at once: a call with a
/// time-out returns an error, the others panic. This is so for guards that stay on their thread. Whose an [owned
/// guard](OwnedRmLockReadGuard) is, nobody knows: see there.
///
/// Two locks taken in different orders by two threads are not found.
///
/// # Fork
///
/// In a child made by fork(2) a lock that another thread was reading can never be written: see [`Fork`](crate::guide::limitations#fork).
///
/// # Memory ordering
///
/// What a writer did happens before whatever a later guard does, and what a reader did before whatever a later writer
/// does.
///
/// # Examples
///
/// ```
/// use dogpile::RmLock;
///
/// static ROUTES: RmLock<Vec<&str>> = RmLock::new(Vec::new());
///
/// ROUTES.write().push("/");
/// assert_eq!(ROUTES.read().len(), 1);
/// ```
pub struct RmLock<T: ?Sized> {
    readers: Readers,
    data: UnsafeCell<T>,
}

// SAFETY: by the invariant of this module, `&T` is given out to several threads at once, hence `T: Sync`, and `&mut T`
// to one at a time, which may move the value out, hence `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RmLock<T> {}

// It is not `RefUnwindSafe`: without poisoning, who catches the panic of a writer must not take what it left for whole.

impl<T> RmLock<T> {
    const_fn! {
        /// A lock around `data`.
        #[must_use]
        pub const fn new(data: T) -> Self {
            Self { readers: Readers::new(), data: UnsafeCell::new(data) }
        }
    }

    /// The data. Nobody can be reading it.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RmLock<T> {
    /// Reads. Blocks while a writer is in or waits, unless this thread reads already.
    ///
    /// # Panics
    ///
    /// If this thread holds the write lock.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> RmLockReadGuard<'_, T> {
        self.read_guard(self.readers.enter_or_panic())
    }

    /// As [`read`](Self::read), but never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if it would have to.
    #[inline]
    pub fn try_read(&self) -> Result<RmLockReadGuard<'_, T>, WouldBlock> {
        self.read_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// As [`read`](Self::read), but blocks for `timeout` at most. Zero does not wait, `Duration::MAX` waits without an
    /// end.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`], or [`LockError::WriteLockHeld`] if this thread holds the write lock.
    #[inline]
    pub fn read_timeout(&self, timeout: Duration) -> Result<RmLockReadGuard<'_, T>, LockError> {
        self.read_within(Patience::For(timeout))
    }

    #[inline]
    fn read_within(&self, patience: Patience) -> Result<RmLockReadGuard<'_, T>, LockError> {
        self.readers.enter(&Wait::new(patience)).map(|pass| self.read_guard(pass))
    }

    #[inline]
    fn read_guard<'a>(&'a self, pass: Pass<'a>) -> RmLockReadGuard<'a, T> {
        RmLockReadGuard { data: self.data(), pass, shares: PhantomData }
    }

    #[inline]
    fn data(&self) -> NonNull<T> {
        // SAFETY: it is the address of a field.
        unsafe { NonNull::new_unchecked(self.data.get()) }
    }

    /// Writes. Blocks until all readers have left and no other writer is in; new readers wait meanwhile.
    ///
    /// # Panics
    ///
    /// If this thread reads or writes already; or if the kernel's help, with which readers have been counting so far,
    /// fails (a system-call filter that forbids membarrier and was installed after the first read).
    #[track_caller]
    pub fn write(&self) -> RmLockWriteGuard<'_, T> {
        or_panic(self.write_within(FOREVER))
    }

    /// As [`write`](Self::write), but never blocks on anybody.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if it would have to.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails.
    pub fn try_write(&self) -> Result<RmLockWriteGuard<'_, T>, WouldBlock> {
        self.write_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// As [`write`](Self::write), but blocks for `timeout` at most. Zero does not wait, `Duration::MAX` waits without
    /// an end. Once it has given up, readers go on as if it had never come.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`]; [`LockError::ReadLockHeld`] or [`LockError::WriteLockHeld`] if this thread reads or
    /// writes already.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails.
    pub fn write_timeout(&self, timeout: Duration) -> Result<RmLockWriteGuard<'_, T>, LockError> {
        self.write_within(Patience::For(timeout))
    }

    fn write_within(&self, patience: Patience) -> Result<RmLockWriteGuard<'_, T>, LockError> {
        let hold = self.readers.write(&Wait::new(patience))?;
        Ok(RmLockWriteGuard { data: self.data(), hold, owns: PhantomData })
    }

    /// The data. Nobody can be reading it.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
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
}

impl<T: Send + Sync + 'static> RmLock<T> {
    /// As [`read`](Self::read), with a guard that shares the lock, and may be sent to another thread. For a lock in a
    /// `static` see [`RmLockReadGuard::into_owned`].
    ///
    /// # Panics
    ///
    /// If this thread holds the write lock.
    #[track_caller]
    pub fn read_owned(self: &Arc<Self>) -> OwnedRmLockReadGuard<T> {
        or_panic(self.read_owned_within(FOREVER))
    }

    /// As [`read_owned`](Self::read_owned), but never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if it would have to.
    pub fn try_read_owned(self: &Arc<Self>) -> Result<OwnedRmLockReadGuard<T>, WouldBlock> {
        self.read_owned_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// As [`read_owned`](Self::read_owned), but blocks for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`read_timeout`](Self::read_timeout).
    pub fn read_owned_timeout(self: &Arc<Self>, timeout: Duration) -> Result<OwnedRmLockReadGuard<T>, LockError> {
        self.read_owned_within(Patience::For(timeout))
    }

    fn read_owned_within(self: &Arc<Self>, patience: Patience) -> Result<OwnedRmLockReadGuard<T>, LockError> {
        let pass = block_on(OwnedPass::enter(Owner::from(Arc::clone(self)), &Wait::new(patience)))?;
        Ok(OwnedRmLockReadGuard { data: self.data(), pass, shares: PhantomData })
    }
}

impl<T: Send + Sync> HasReaders for RmLock<T> {
    fn readers(&self) -> &Readers {
        &self.readers
    }
}

impl<T: Send + Sync + 'static> From<Arc<RmLock<T>>> for Owner {
    fn from(lock: Arc<RmLock<T>>) -> Self {
        Self::shared(lock)
    }
}

impl<T: ?Sized> From<&'static RmLock<T>> for Owner {
    fn from(lock: &'static RmLock<T>) -> Self {
        Self::for_ever(&lock.readers)
    }
}

impl<T: Default> Default for RmLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RmLock<T> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RmLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RmLock");
        match self.try_read() {
            Ok(guard) => fields.field("data", &&*guard),
            Err(WouldBlock) => fields.field("data", &format_args!("<locked>")),
        };
        fields.finish_non_exhaustive()
    }
}

/// Keeps the writers of an [`RmLock`] out, on its own thread. Dropping it lets go.
///
/// It is not `Send`: its thread has marked it in a place of its own. See [`into_owned`](Self::into_owned).
///
/// ```compile_fail,E0277
/// # use dogpile::RmLock;
/// static LOCK: RmLock<u8> = RmLock::new(0);
/// let guard = LOCK.read();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct RmLockReadGuard<'a, T: ?Sized> {
    /// Not a reference: that would have to be valid until the guard is gone, and it ends where the pass does.
    data: NonNull<T>,
    pass: Pass<'a>,
    shares: PhantomData<&'a T>,
}

// SAFETY: by a reference to the guard one gets a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for RmLockReadGuard<'_, T> {}

impl<T: ?Sized + RefUnwindSafe> UnwindSafe for RmLockReadGuard<'_, T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RmLockReadGuard<'_, T> {}

impl<'a, T: ?Sized> RmLockReadGuard<'a, T> {
    /// Narrows it down to a part of the data.
    ///
    /// An associated function, so as not to hide a method of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{RmLock, RmLockReadGuard};
    ///
    /// let lock = RmLock::new((1, "one"));
    /// let name = RmLockReadGuard::map(lock.read(), |pair| pair.1);
    /// assert_eq!(&*name, "one");
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> RmLockReadGuard<'a, U> {
        let data = NonNull::from(part(&guard));
        RmLockReadGuard { data, pass: guard.pass, shares: PhantomData }
    }

    /// As [`map`](Self::map), to a part that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{RmLock, RmLockReadGuard};
    ///
    /// let lock = RmLock::new(vec![1]);
    /// let first = RmLockReadGuard::filter_map(lock.read(), |all| all.first()).unwrap();
    /// assert_eq!(*first, 1);
    /// assert!(RmLockReadGuard::filter_map(lock.read(), |all| all.get(1)).is_err());
    /// ```
    pub fn filter_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RmLockReadGuard<'a, U>, Self> {
        match part(&guard).map(NonNull::from) {
            Some(data) => Ok(RmLockReadGuard { data, pass: guard.pass, shares: PhantomData }),
            None => Err(guard),
        }
    }

    /// Turns it into one that may be sent to another thread. Never blocks on anybody.
    ///
    /// # Panics
    ///
    /// If `owner` is of another lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{RmLock, RmLockReadGuard};
    /// use std::thread;
    ///
    /// static LOCK: RmLock<u8> = RmLock::new(7);
    /// let guard = RmLockReadGuard::into_owned(LOCK.read(), &LOCK);
    /// assert_eq!(thread::spawn(move || *guard).join().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn into_owned(guard: Self, owner: impl Into<Owner>) -> OwnedRmLockReadGuard<T> {
        let Self { data, pass: held, .. } = guard;
        OwnedRmLockReadGuard { data, pass: OwnedPass::beside(&held, owner.into()), shares: PhantomData }
    }
}

impl<T: ?Sized> Deref for RmLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it points into the data of the lock that `pass` is of, or to what a part of that data gave out for as
        // long as nobody writes; and as long as `pass` lives nobody does.
        unsafe { self.data.as_ref() }
    }
}

shown_by_deref! { [T: ?Sized] RmLockReadGuard<'_, T> }

/// Keeps everybody else out of an [`RmLock`]. Dropping it lets go, also in a panic.
///
/// It is not `Send`: its thread is known, so that waiting for itself is found.
///
/// ```compile_fail,E0277
/// # use dogpile::RmLock;
/// static LOCK: RmLock<u8> = RmLock::new(0);
/// let guard = LOCK.write();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct RmLockWriteGuard<'a, T: ?Sized> {
    data: NonNull<T>,
    hold: Hold<'a>,
    owns: PhantomData<&'a mut T>,
}

// SAFETY: by a reference to the guard one gets a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for RmLockWriteGuard<'_, T> {}

impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RmLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RmLockWriteGuard<'a, T> {
    /// Narrows it down to a part of the data.
    ///
    /// An associated function, so as not to hide a method of the data.
    pub fn map<U: ?Sized>(mut guard: Self, part: impl FnOnce(&mut T) -> &mut U) -> RmLockWriteGuard<'a, U> {
        let data = NonNull::from(part(&mut guard));
        RmLockWriteGuard { data, hold: guard.hold, owns: PhantomData }
    }

    /// As [`map`](Self::map), to a part that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    pub fn filter_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RmLockWriteGuard<'a, U>, Self> {
        match part(&mut guard).map(NonNull::from) {
            Some(data) => Ok(RmLockWriteGuard { data, hold: guard.hold, owns: PhantomData }),
            None => Err(guard),
        }
    }
}

impl<T: ?Sized> Deref for RmLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `deref_mut`; others may only share what is shared here.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RmLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: it points into the data of the lock that `hold` is of, or to what a part of that data gave out for as
        // long as nobody else has it; and as long as `hold` lives nobody does. The guard itself is borrowed
        // exclusively.
        unsafe { self.data.as_mut() }
    }
}

shown_by_deref! { [T: ?Sized] RmLockWriteGuard<'_, T> }

/// Keeps the writers of an [`RmLock`] out, wherever it goes: it owns a share of its lock. For tasks, and to be handed
/// over.
///
/// It writes memory that other such guards write too, and so costs more than one that stays on its thread.
///
/// # Deadlocks
///
/// The lock does not know whose it is. Who holds one and reads once more may wait behind a writer that waits for it;
/// and who holds one and writes waits for itself:
///
/// ```text
/// thread 1                              thread 2
///
/// let guard = lock.read_owned();
///                                       lock.write();
///                                       // waits for `guard`
/// lock.read();
/// // waits for thread 2
/// ```
///
/// Read once more by [`again`](Self::again), which never waits. A time-out bounds what cannot be known.
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct OwnedRmLockReadGuard<T: ?Sized> {
    data: NonNull<T>,
    pass: OwnedPass,
    shares: PhantomData<Arc<T>>,
}

// SAFETY: it shares the data, by `&T`, with other threads, hence `T: Sync`. Where it is dropped its share of the lock
// is, perhaps with all that is in it; shares are made only of locks that are `Send` and `Sync` as a whole, whatever
// part of them `T` is.
unsafe impl<T: ?Sized + Sync> Send for OwnedRmLockReadGuard<T> {}
// SAFETY: by a reference to the guard one gets a `&T`, and another guard.
unsafe impl<T: ?Sized + Sync> Sync for OwnedRmLockReadGuard<T> {}

impl<T: ?Sized + RefUnwindSafe> UnwindSafe for OwnedRmLockReadGuard<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for OwnedRmLockReadGuard<T> {}

impl<T: ?Sized> OwnedRmLockReadGuard<T> {
    /// Reads once more, whoever waits. Never blocks.
    pub fn again(&self) -> Self {
        Self { data: self.data, pass: self.pass.again(), shares: PhantomData }
    }

    /// Narrows it down to a part of the data.
    ///
    /// An associated function, so as not to hide a method of the data.
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> OwnedRmLockReadGuard<U> {
        let data = NonNull::from(part(&guard));
        OwnedRmLockReadGuard { data, pass: guard.pass, shares: PhantomData }
    }

    /// As [`map`](Self::map), to a part that may not be there.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` finds nothing.
    pub fn filter_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<OwnedRmLockReadGuard<U>, Self> {
        match part(&guard).map(NonNull::from) {
            Some(data) => Ok(OwnedRmLockReadGuard { data, pass: guard.pass, shares: PhantomData }),
            None => Err(guard),
        }
    }
}

impl<T: ?Sized> Deref for OwnedRmLockReadGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as for `RmLockReadGuard`; and the pass keeps the lock itself alive.
        unsafe { self.data.as_ref() }
    }
}

shown_by_deref! { [T: ?Sized] OwnedRmLockReadGuard<T> }
