//! A lock that carries its data, over [`readers`](crate::readers).
//!
//! This is the only file with unsafe code: a guard gives out a reference to what is in an `UnsafeCell`. Without unsafe
//! code, a reader would need a lock of the standard kind to be given the data. The cost of such a lock is just what
//! this lock is there to save: see `benches/guarded_hit.rs`.
//!
//! One invariant carries all unsafe code here, and `readers` keeps it: while a [`Pass`] or an [`OwnedPass`] of a lock
//! lives, no [`Hold`] of the lock lives (L9), and no two `Hold`s of a lock live at once.

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
/// Reading costs about as much on all cores at once as on one core, because readers write no memory that they share. A
/// writer pays for that. The idea is old: FreeBSD calls such a lock a read-mostly lock, rmlock(9).
///
/// Use `RmLock<()>` for data that lives elsewhere.
///
/// # Costs
///
/// | | `RmLock` on Linux | without the kernel's help | `std::sync::RwLock`, `parking_lot::RwLock` |
/// |---|---|---|---|
/// | a read | some ns, on any number of cores at once | two full fences more, likewise | a write to a word that all readers share: ten times as much with two cores, and more with each further core |
/// | a write, without readers | a call to the kernel, and a look at each thread that reads such locks: 0.7 µs with 10 threads, 3 µs with 1,000, 31 µs with 10,000 | the same without the call | some ns |
/// | all other threads | each write interrupts all running threads of the process for a moment | nothing | nothing |
/// | the lock | 320 bytes beside the data | 320 bytes | 4 to 16 bytes |
/// | a thread that reads | 132 bytes, once for all locks, made for 32 threads at a time, and given back to the next thread | 132 bytes | nothing |
///
/// (The figures come from `benches/guarded_hit.rs`.) Writers of different locks look at the threads side by side.
///
/// # When not to use it
///
/// - There is more than one write in some hundred reads, or writers must be quick: use an `RwLock`.
/// - Readers can do with a snapshot that stays as it was: use an `ArcSwap`, or an `Arc` in an `RwLock`.
/// - There are very many locks: an `RmLock` is large.
/// - Readers hold on to the lock for long, and writers must not wait for them.
///
/// # Waiting
///
/// A writer waits until all readers have left. While a writer waits, new readers wait behind it. A thread that holds a
/// guard which stays on its thread is given another guard at once all the same, so that it cannot deadlock with a
/// writer in between. After a writer, the readers that it kept waiting go first, and then the next writer. A writer
/// that gives up leaves no trace.
///
/// # Panics and poisoning
///
/// A panic of a thread that holds a guard releases the lock, and the lock is *not* poisoned. If half-written data must
/// not be seen, the writer has to see to that.
///
/// A leaked guard ([`std::mem::forget`]) holds up the writers of its own lock for ever, and costs a few bytes.
///
/// # Deadlocks
///
/// Two mistakes are found at once: a thread that reads asks for the write lock, or a thread that writes asks to read or
/// to write. A call with a time-out then returns an error that names the mistake, a `try_` call returns [`WouldBlock`],
/// and all other calls panic. This holds for guards that stay on their thread. The lock does not know which thread
/// holds an [owned guard](OwnedRmLockReadGuard): see there.
///
/// Two locks that two threads take in different orders are not found.
///
/// # Fork
///
/// In a child made by fork(2), a lock that another thread was reading can never be written: see
/// [`Fork`](crate::guide::limitations#fork).
///
/// # Memory ordering
///
/// What a writer did happens before all that the holder of a later guard does. What a reader did happens before all
/// that a later writer does.
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

// SAFETY: by the invariant of this module, `&T` is given out to several threads at once, hence `T: Sync`. `&mut T` is
// given out to one thread at a time, which may move the value out, hence `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RmLock<T> {}

// The lock is not `RefUnwindSafe`: without poisoning, code that catches the panic of a writer must not take what the
// writer has left for whole.

impl<T> RmLock<T> {
    const_fn! {
        /// Makes a lock around `data`.
        #[must_use]
        pub const fn new(data: T) -> Self {
            Self { readers: Readers::new(), data: UnsafeCell::new(data) }
        }
    }

    /// Returns the data. No other thread can be reading it.
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

    /// Reads, as [`read`](Self::read) does. Never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`], if `read` would block or panic.
    #[inline]
    pub fn try_read(&self) -> Result<RmLockReadGuard<'_, T>, WouldBlock> {
        self.read_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// Reads, as [`read`](Self::read) does. Blocks for `timeout` at most.
    ///
    /// Zero does not wait, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] if the time is over; [`LockError::WriteLockHeld`] if this thread holds the write lock.
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

    /// Writes. Blocks until all readers have left and no other writer is in. New readers wait meanwhile.
    ///
    /// # Panics
    ///
    /// - If this thread reads or writes already.
    /// - If the kernel's help fails after readers have relied on it: a system-call filter that forbids membarrier(2)
    ///   was installed after the first read.
    #[track_caller]
    pub fn write(&self) -> RmLockWriteGuard<'_, T> {
        or_panic(self.write_within(FOREVER))
    }

    /// Writes, as [`write`](Self::write) does. Never blocks on a reader or another writer.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`], if `write` would block, or if this thread reads or writes already.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails, as for `write`.
    pub fn try_write(&self) -> Result<RmLockWriteGuard<'_, T>, WouldBlock> {
        self.write_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// Writes, as [`write`](Self::write) does. Blocks for `timeout` at most.
    ///
    /// Zero does not wait, and `Duration::MAX` waits without an end. After a writer has given up, readers go on as if
    /// it had never come.
    ///
    /// # Errors
    ///
    /// [`LockError::TimedOut`] if the time is over; [`LockError::ReadLockHeld`] or [`LockError::WriteLockHeld`] if this
    /// thread reads or writes already.
    ///
    /// # Panics
    ///
    /// If the kernel's help fails, as for `write`.
    pub fn write_timeout(&self, timeout: Duration) -> Result<RmLockWriteGuard<'_, T>, LockError> {
        self.write_within(Patience::For(timeout))
    }

    fn write_within(&self, patience: Patience) -> Result<RmLockWriteGuard<'_, T>, LockError> {
        let hold = self.readers.write(&Wait::new(patience))?;
        Ok(RmLockWriteGuard { data: self.data(), hold, owns: PhantomData })
    }

    /// Returns the data. No other thread can be reading it.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

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
}

impl<T: Send + Sync + 'static> RmLock<T> {
    /// Reads, with a guard that owns a share of the lock and may be sent to another thread. Blocks as
    /// [`read`](Self::read) does.
    ///
    /// For a lock in a `static`, see [`RmLockReadGuard::into_owned`].
    ///
    /// # Panics
    ///
    /// If this thread holds the write lock.
    #[track_caller]
    pub fn read_owned(self: &Arc<Self>) -> OwnedRmLockReadGuard<T> {
        or_panic(self.read_owned_within(FOREVER))
    }

    /// Reads, as [`read_owned`](Self::read_owned) does. Never blocks.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`], if `read_owned` would block or panic.
    pub fn try_read_owned(self: &Arc<Self>) -> Result<OwnedRmLockReadGuard<T>, WouldBlock> {
        self.read_owned_within(Patience::None).map_err(|_| WouldBlock)
    }

    /// Reads, as [`read_owned`](Self::read_owned) does. Blocks for `timeout` at most.
    ///
    /// Zero does not wait, and `Duration::MAX` waits without an end.
    ///
    /// # Errors
    ///
    /// The errors of [`read_timeout`](Self::read_timeout).
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

/// Keeps the writers of an [`RmLock`] out, and gives access to the data. Dropping the guard lets writers in again.
///
/// The guard is not `Send`: its thread has marked it in a place of the thread's own. [`into_owned`](Self::into_owned)
/// makes a guard that is `Send`.
///
/// ```compile_fail,E0277
/// use dogpile::RmLock;
///
/// static LOCK: RmLock<u8> = RmLock::new(0);
/// let guard = LOCK.read();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct RmLockReadGuard<'a, T: ?Sized> {
    /// A pointer, and not a reference: a reference would have to be valid until the guard is gone, but the access ends
    /// where the pass does.
    data: NonNull<T>,
    pass: Pass<'a>,
    shares: PhantomData<&'a T>,
}

// SAFETY: a reference to the guard gives a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for RmLockReadGuard<'_, T> {}

impl<T: ?Sized + RefUnwindSafe> UnwindSafe for RmLockReadGuard<'_, T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RmLockReadGuard<'_, T> {}

impl<'a, T: ?Sized> RmLockReadGuard<'a, T> {
    /// Narrows the guard down to a part of the data.
    ///
    /// This is an associated function, so that it hides no method of the data.
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

    /// Narrows the guard down to a part of the data that may not be there.
    ///
    /// This is an associated function, so that it hides no method of the data.
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

    /// Makes a guard that may be sent to another thread. Never blocks on a reader or a writer.
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
        // SAFETY: the pointer points into the data of the lock that `pass` is of, or to what a part of that data gave
        // out for as long as no writer is in. As long as `pass` lives, no writer is in.
        unsafe { self.data.as_ref() }
    }
}

shown_by_deref! { [T: ?Sized] RmLockReadGuard<'_, T> }

/// Keeps all others out of an [`RmLock`], and gives access to the data. Dropping the guard lets them in again, also in
/// a panic.
///
/// The guard is not `Send`: the lock knows the guard's thread, so that it finds a thread that would wait for itself.
///
/// ```compile_fail,E0277
/// use dogpile::RmLock;
///
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

// SAFETY: a reference to the guard gives a `&T`, and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for RmLockWriteGuard<'_, T> {}

impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RmLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RmLockWriteGuard<'a, T> {
    /// Narrows the guard down to a part of the data.
    ///
    /// This is an associated function, so that it hides no method of the data.
    pub fn map<U: ?Sized>(mut guard: Self, part: impl FnOnce(&mut T) -> &mut U) -> RmLockWriteGuard<'a, U> {
        let data = NonNull::from(part(&mut guard));
        RmLockWriteGuard { data, hold: guard.hold, owns: PhantomData }
    }

    /// Narrows the guard down to a part of the data that may not be there.
    ///
    /// This is an associated function, so that it hides no method of the data.
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
        // SAFETY: as in `deref_mut`. Others may only share what is shared here.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RmLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the pointer points into the data of the lock that `hold` is of, or to what a part of that data gave
        // out for as long as no other code has it. As long as `hold` lives, no other code has it. The guard itself is
        // borrowed exclusively.
        unsafe { self.data.as_mut() }
    }
}

shown_by_deref! { [T: ?Sized] RmLockWriteGuard<'_, T> }

/// Keeps the writers of an [`RmLock`] out on any thread: the guard owns a share of its lock. Use this guard in tasks,
/// and to hand a read over to another thread.
///
/// The guard writes memory that other such guards write, too. So it costs more than a guard that stays on its thread.
///
/// # Deadlocks
///
/// The lock does not know which thread holds the guard. A thread that holds such a guard and reads once more may wait
/// behind a writer, which waits for the guard. A thread that holds such a guard and writes waits for itself.
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
/// To read once more, use [`again`](Self::again), which never waits. A time-out bounds all other waits.
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct OwnedRmLockReadGuard<T: ?Sized> {
    data: NonNull<T>,
    pass: OwnedPass,
    shares: PhantomData<Arc<T>>,
}

// SAFETY: the guard shares the data, by `&T`, with other threads, hence `T: Sync`. Where the guard is dropped, its
// share of the lock is dropped, perhaps with all that is in the lock. Shares are made only of locks that are `Send` and
// `Sync` as a whole, whatever part of them `T` is.
unsafe impl<T: ?Sized + Sync> Send for OwnedRmLockReadGuard<T> {}
// SAFETY: a reference to the guard gives a `&T`, and another guard.
unsafe impl<T: ?Sized + Sync> Sync for OwnedRmLockReadGuard<T> {}

impl<T: ?Sized + RefUnwindSafe> UnwindSafe for OwnedRmLockReadGuard<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for OwnedRmLockReadGuard<T> {}

impl<T: ?Sized> OwnedRmLockReadGuard<T> {
    /// Reads once more, even if a writer waits. Never blocks.
    pub fn again(&self) -> Self {
        Self { data: self.data, pass: self.pass.again(), shares: PhantomData }
    }

    /// Narrows the guard down to a part of the data.
    ///
    /// This is an associated function, so that it hides no method of the data.
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> OwnedRmLockReadGuard<U> {
        let data = NonNull::from(part(&guard));
        OwnedRmLockReadGuard { data, pass: guard.pass, shares: PhantomData }
    }

    /// Narrows the guard down to a part of the data that may not be there.
    ///
    /// This is an associated function, so that it hides no method of the data.
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
        // SAFETY: as for `RmLockReadGuard`, and the pass keeps the lock itself alive.
        unsafe { self.data.as_ref() }
    }
}

shown_by_deref! { [T: ?Sized] OwnedRmLockReadGuard<T> }
