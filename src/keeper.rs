//! How a creation holds on to its lock.

use crate::readers::{HasReaders, Owner};
use crate::sync::Arc;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// What a lock is held by that may outlive its caller: `&'static L`, `&'a Arc<L>`, or `&'a Held<'static, K, L>` from a
/// [`Registry`](crate::Registry). The functions that end in `_in_background` take one, and those of a
/// [`SyncReaderDogpile`](crate::SyncReaderDogpile) that end in `_async`.
///
/// It cannot be implemented elsewhere.
pub trait Keep<'a, L>: Keeps<'a, L> {}

/// What is behind a [`Keep`].
pub trait Keeps<'a, L>: Copy {
    /// What is kept.
    fn kept(self) -> &'a L;

    /// A hold of its own.
    fn keeper(self) -> Keeper<'static, L>;

    /// The same, for a guard.
    fn owner(self) -> Owner
    where
        L: HasReaders + 'static;
}

impl<L> Keep<'static, L> for &'static L {}
impl<L> Keeps<'static, L> for &'static L {
    fn kept(self) -> &'static L {
        self
    }

    fn keeper(self) -> Keeper<'static, L> {
        Keeper::Borrowed(self)
    }

    fn owner(self) -> Owner
    where
        L: HasReaders,
    {
        Owner::for_ever(self.readers())
    }
}

impl<'a, L> Keep<'a, L> for &'a Arc<L> {}
impl<'a, L> Keeps<'a, L> for &'a Arc<L> {
    fn kept(self) -> &'a L {
        self
    }

    fn keeper(self) -> Keeper<'static, L> {
        Keeper::Shared(Arc::clone(self))
    }

    fn owner(self) -> Owner
    where
        L: HasReaders + 'static,
    {
        Owner::shared(Arc::clone(self))
    }
}

/// How something is held on to.
pub enum Keeper<'a, L> {
    /// By who owns it.
    Borrowed(&'a L),
    /// By a share.
    Shared(Arc<L>),
    /// By what a registry keeps it for, whatever its key is.
    Held(Box<dyn Deref<Target = L> + Send + Sync + 'a>),
}

// Nothing can be reached through it but the lock.
impl<L: RefUnwindSafe> UnwindSafe for Keeper<'_, L> {}
impl<L: RefUnwindSafe> RefUnwindSafe for Keeper<'_, L> {}

impl<L> Deref for Keeper<'_, L> {
    type Target = L;

    fn deref(&self) -> &L {
        match self {
            Self::Borrowed(lock) => lock,
            Self::Shared(lock) => lock,
            Self::Held(held) => held,
        }
    }
}

impl<L> fmt::Debug for Keeper<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}
