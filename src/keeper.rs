//! How a creation holds on to its lock.

use crate::derived::opaque;
use crate::sync::Arc;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A hold on a lock, for `'a`.
pub enum Keeper<'a, L> {
    /// The lock lives at least that long.
    Borrowed(&'a L),
    /// A share of the lock.
    Shared(Arc<L>),
    /// Another value that holds the lock, such as the entry of a registry.
    Held(Box<dyn Deref<Target = L> + Send + Sync + 'a>),
}

// Through a keeper, only the lock can be reached.
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
