//! The guards of a [`SyncReaderDogpile`](crate::SyncReaderDogpile): for a thread or task as long as it reads, and for
//! the swap.

use crate::creation::Store;
use crate::derived::opaque;
use crate::readers::{Hold, LooseHold, OwnedPass, Owner, Pass};
use std::ops::{Deref, DerefMut};

/// Keeps the resource of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) where it is. Dropping the guard lets go.
///
/// The guard derefs to what the access gave: `T` is the [`Outcome`](crate::Outcome) in lock mode, and the getter's
/// value in getter mode. That value is dropped with the guard, just before the guard lets go.
///
/// The guard is not `Send`: its thread has marked it in a place of its own. [`into_owned`](Self::into_owned) makes a
/// guard that can be sent.
///
/// ```compile_fail,E0277
/// use dogpile::SyncReaderDogpile;
///
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
/// let guard = LOCK.acquire_or_create(|| ());
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct ReadGuard<'a, T = ()> {
    // The order of the fields matters: when the value is dropped, it may need what the pass guards.
    value: T,
    pass: Pass<'a>,
}

impl<'a, T> ReadGuard<'a, T> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn new(value: T, pass: Pass<'a>) -> Self {
        Self { value, pass }
    }

    /// Makes something else of what the guard gives, still under the guard: opens the file, or looks up the record.
    ///
    /// This is an associated function, so that it hides no method of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{ReadGuard, SyncReaderDogpile};
    /// use std::fs;
    ///
    /// let lock = SyncReaderDogpile::never_expires();
    /// let text = ReadGuard::map(lock.acquire_or_create(|| ()), |_outcome| fs::read_to_string("Cargo.toml"));
    /// assert!(text.is_ok());
    /// ```
    pub fn map<U>(guard: Self, make: impl FnOnce(T) -> U) -> ReadGuard<'a, U> {
        let Self { value, pass } = guard;
        ReadGuard { value: make(value), pass }
    }

    /// Turns the guard into one that may be sent to another thread, or held by a task. Never blocks on a reader or a
    /// writer.
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
    /// let guard = ReadGuard::into_owned(guard, Arc::clone(&lock)); // or `&LOCK`, if the lock is a `static`
    /// thread::spawn(move || drop(guard)).join().unwrap();
    /// ```
    #[track_caller]
    pub fn into_owned(guard: Self, owner: impl Into<Owner>) -> OwnedReadGuard<T> {
        let pass = OwnedPass::beside(&guard.pass, owner.into());
        OwnedReadGuard { value: guard.value, pass }
    }
}

/// Keeps the resource of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) where it is, on any thread. Dropping the
/// guard lets go.
///
/// The guard owns a share of its lock. It is for tasks, and for readers that are handed to another thread. It derefs to
/// what the access gave, as a [`ReadGuard`] does. It writes memory that other such guards write too, and so costs more
/// than a guard that stays on its thread.
///
/// # Deadlocks
///
/// The lock does not know which thread or task holds the guard: see
/// [`SyncReaderDogpile`](crate::SyncReaderDogpile#deadlocks). The holder reads once more by [`again`](Self::again),
/// which never waits.
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct OwnedReadGuard<T = ()> {
    // The order of the fields matters, as in `ReadGuard`.
    value: T,
    pass: OwnedPass,
}

impl<T> OwnedReadGuard<T> {
    pub(super) fn new(value: T, pass: OwnedPass) -> Self {
        Self { value, pass }
    }

    /// Reads once more, even if a writer waits. Never blocks.
    pub fn again(&self) -> OwnedReadGuard {
        OwnedReadGuard { value: (), pass: self.pass.again() }
    }

    /// Makes something else of what the guard gives, still under the guard.
    ///
    /// This is an associated function, so that it hides no method of the value.
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

/// Keeps all readers of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) out, and all other writers. Dropping the
/// guard lets go, also in a panic.
///
/// The guard is not `Send`: the lock knows its thread, so that it finds a thread that would wait for itself.
///
/// ```compile_fail,E0277
/// use dogpile::SyncReaderDogpile;
///
/// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
/// let guard = LOCK.acquire_write_lock();
/// std::thread::spawn(move || drop(guard));
/// ```
#[must_use = "a guard that is dropped at once guards nothing"]
#[derive(Debug)]
pub struct WriteGuard<'a> {
    // The order of the fields matters: a thread that has waited for the end of the store then finds the lock free.
    _hold: Hold<'a>,
    _store: Option<Store<'a>>,
}

impl<'a> WriteGuard<'a> {
    pub(super) fn new(hold: Hold<'a>, store: Option<Store<'a>>) -> Self {
        Self { _hold: hold, _store: store }
    }
}

/// Keeps all readers and all other writers out, as [`WriteGuard`] does, for a task. The guard may be held across an
/// `.await`, and dropped on any thread.
///
/// # Deadlocks
///
/// The guard of a [creation](crate::Creation::write_lock_async) is known to be that of its creator. A future that is
/// polled in the middle of that creator and invalidates does not wait for the guard. A future that asks for a guard
/// there gets the error [`WriteLockHeld`](crate::CreateError::WriteLockHeld), even if another branch of the same task
/// would let go of this guard in time.
///
/// The lock does not know the owner of any other such guard: one from
/// [`acquire_write_lock_async`](crate::SyncReaderDogpile::acquire_write_lock_async), or one of a `Creation` whose
/// creator is not run as such. A task that holds such a guard and asks for a guard waits for itself. So does a task
/// that holds such a guard of a `Creation`, and invalidates.
#[must_use = "a guard that is dropped at once guards nothing"]
#[derive(Debug)]
pub struct AsyncWriteGuard<'a> {
    // The order of the fields matters, as in `WriteGuard`.
    _hold: LooseHold<'a>,
    _store: Option<Store<'a>>,
}

impl<'a> AsyncWriteGuard<'a> {
    pub(super) fn new(hold: LooseHold<'a>, store: Option<Store<'a>>) -> Self {
        Self { _hold: hold, _store: store }
    }
}
