//! How a task reaches a lock of a registry: by a reference to a [`Held`] that may be kept for ever.

use super::held::Held;
use crate::access::{Keeps, Reaches, ReachesByTask, Refers, Shares};
use crate::derived::copied;
use crate::keeper::Keeper;
use crate::lock::Lock;

/// A reference to a [`Held`] whose registry is in a `static`, or which owns a share of its registry.
#[derive(Debug)]
pub struct HeldForEver<'a, K: 'static, L: Lock + 'static>(&'a Held<'static, K, L>);

copied! { [K, L: Lock] HeldForEver<'_, K, L> }

impl<K, L: Lock> Refers<L> for HeldForEver<'_, K, L> {
    #[inline]
    fn refer(&self) -> &L {
        self.0
    }
}

impl<K: Send + Sync, L: Lock + Send + Sync> Shares<L> for HeldForEver<'_, K, L> {
    fn share(&self) -> Keeper<'static, L> {
        self.0.keeper()
    }
}

impl<K: Send + Sync + 'static, L: Lock + Send + Sync + 'static> ReachesByTask<L> for HeldForEver<'_, K, L> {
    fn owner(&self) -> L::Owner {
        L::owner_held(|| self.0.clone())
    }
}

impl<'a, K: Send + Sync + 'static, L: Lock + Send + Sync + 'static> Keeps<L> for &'a Held<'static, K, L> {
    type Own = HeldForEver<'a, K, L>;

    #[inline]
    fn own(self) -> HeldForEver<'a, K, L> {
        HeldForEver(self)
    }
}

// A `HeldForEver` is what its lock is kept by already.
impl<K, L: Lock> Keeps<L> for HeldForEver<'_, K, L> {
    type Own = Self;

    #[inline]
    fn own(self) -> Self {
        self
    }
}
