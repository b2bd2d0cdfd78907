//! What an access to a [`SyncReaderDogpile`](crate::SyncReaderDogpile) is given: a guard for as long as it reads, a
//! guard to swap.

use crate::creation::Store;
use crate::derived::opaque;
use crate::readers::{Hold, LooseHold, OwnedPass, Owner, Pass};
use std::ops::{Deref, DerefMut};

/// Keeps the resource of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) where it is, on its own thread. Dropping it
/// lets go.
///
/// It brings what the access was for: `T` is the [`Outcome`](crate::Outcome) in lock mode and the getter's value in
/// getter mode, dropped with the guard and just before it lets go.
///
/// It is not `Send`: its thread has marked it in a place of its own. See [`into_owned`](Self::into_owned).
///
/// ```compile_fail,E0277
/// # use dogpile::SyncReaderDogpile;
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
/// let guard = LOCK.acquire_or_create(|| ());
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct ReadGuard<'a, T = ()> {
    // In this order: the value may need what the pass guards when it is dropped.
    value: T,
    pass: Pass<'a>,
}

impl<'a, T> ReadGuard<'a, T> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn new(value: T, pass: Pass<'a>) -> Self {
        Self { value, pass }
    }

    /// Makes something else of what it brings, still guarded: opens the file, looks up the record.
    ///
    /// An associated function, so as not to hide a method of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{ReadGuard, SyncReaderDogpile};
    ///
    /// let lock = SyncReaderDogpile::never_expires();
    /// # fn open() -> &'static str { "a file" }
    /// let file = ReadGuard::map(lock.acquire_or_create(|| ()), |_outcome| open());
    /// assert_eq!(*file, "a file");
    /// ```
    pub fn map<U>(guard: Self, make: impl FnOnce(T) -> U) -> ReadGuard<'a, U> {
        let Self { value, pass } = guard;
        ReadGuard { value: make(value), pass }
    }

    /// Turns it into one that may be sent to another thread or held by a task. Never blocks on anybody.
    ///
    /// # Panics
    ///
    /// If `owner` is of another lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{ReadGuard, SyncReaderDogpile};
    /// use std::{sync::Arc, thread};
    ///
    /// let lock = Arc::new(SyncReaderDogpile::never_expires());
    /// let guard = lock.acquire_or_create(|| ());
    /// let guard = ReadGuard::into_owned(guard, Arc::clone(&lock)); // or `&LOCK`, if it is a `static`
    /// thread::spawn(move || drop(guard)).join().unwrap();
    /// ```
    #[track_caller]
    pub fn into_owned(guard: Self, owner: impl Into<Owner>) -> OwnedReadGuard<T> {
        let pass = OwnedPass::beside(&guard.pass, owner.into());
        OwnedReadGuard { value: guard.value, pass }
    }
}

/// Keeps the resource of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) where it is, wherever it goes itself: it
/// owns a share of its lock. For tasks, and to be handed over.
///
/// It writes memory that other such guards write too, and so costs more than one that stays on its thread.
///
/// # Deadlocks
///
/// The lock does not know whose it is: see [`SyncReaderDogpile`](crate::SyncReaderDogpile). Read once more by
/// [`again`](Self::again), which never waits.
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct OwnedReadGuard<T = ()> {
    // In this order: as in `ReadGuard`.
    value: T,
    pass: OwnedPass,
}

impl<T> OwnedReadGuard<T> {
    pub(super) fn new(value: T, pass: OwnedPass) -> Self {
        Self { value, pass }
    }

    /// Reads once more, whoever waits. Never blocks.
    pub fn again(&self) -> OwnedReadGuard {
        OwnedReadGuard { value: (), pass: self.pass.again() }
    }

    /// Makes something else of what it brings, still guarded.
    ///
    /// An associated function, so as not to hide a method of the value.
    pub fn map<U>(guard: Self, make: impl FnOnce(T) -> U) -> OwnedReadGuard<U> {
        let Self { value, pass } = guard;
        OwnedReadGuard { value: make(value), pass }
    }
}

macro_rules! brings_its_value {
    ($($guard:ty, $name:literal;)+) => {$(
        impl<T> Deref for $guard {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.value
            }
        }

        impl<T> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                &mut self.value
            }
        }

        opaque! { [T] $guard, $name }
    )+};
}

brings_its_value! {
    ReadGuard<'_, T>, "ReadGuard";
    OwnedReadGuard<T>, "OwnedReadGuard";
}

/// Keeps every reader of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) out, and every other writer. Dropping it
/// lets go, also in a panic.
///
/// It is not `Send`: its thread is known, so that waiting for itself is found.
///
/// ```compile_fail,E0277
/// # use dogpile::SyncReaderDogpile;
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
/// let guard = LOCK.acquire_write_lock();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
#[derive(Debug)]
pub struct WriteGuard<'a> {
    // In this order, so that who has waited for the store to end finds the lock free.
    _hold: Hold<'a>,
    _store: Option<Store<'a>>,
}

impl<'a> WriteGuard<'a> {
    pub(super) fn new(hold: Hold<'a>, store: Option<Store<'a>>) -> Self {
        Self { _hold: hold, _store: store }
    }
}

/// As [`WriteGuard`], for a task: it may be held across an `.await`, and dropped on any thread.
///
/// # Deadlocks
///
/// That of a [creation](crate::Creation::write_lock_async) is known to be its creator's. What is polled in the middle
/// of that creator and invalidates does not wait for it; what asks for a guard there is told, by
/// [`WriteLockHeld`](crate::CreateError::WriteLockHeld), also where another branch of the same task would let go of
/// this one in time.
///
/// Of any other ([`acquire_write_lock_async`](crate::SyncReaderDogpile::acquire_write_lock_async), or of a `Creation`
/// whose creator is not run as such) the lock does not know whose it is: a task that asks for a guard while it holds
/// this waits for itself. So does one that invalidates while it holds that of such a `Creation`.
#[must_use = "a guard that is dropped at once guards nothing"]
#[derive(Debug)]
pub struct AsyncWriteGuard<'a> {
    // In this order: as in `WriteGuard`.
    _hold: LooseHold<'a>,
    _store: Option<Store<'a>>,
}

impl<'a> AsyncWriteGuard<'a> {
    pub(super) fn new(hold: LooseHold<'a>, store: Option<Store<'a>>) -> Self {
        Self { _hold: hold, _store: store }
    }
}
