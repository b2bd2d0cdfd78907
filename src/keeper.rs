//! How a creation holds on to its lock.

use crate::sync::Arc;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A hold on a lock, for `'a`.
pub enum Keeper<'a, L> {
    /// The lock lives that long.
    Borrowed(&'a L),
    /// A share of the lock.
    Shared(Arc<L>),
    /// What holds the lock.
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
