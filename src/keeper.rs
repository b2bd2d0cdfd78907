//! How a creation holds on to its lock.

use crate::derived::opaque;
use crate::sync::Arc;
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

opaque! { [L] Keeper<'_, L>, "Keeper" }
