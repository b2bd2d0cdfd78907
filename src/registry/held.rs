//! The result of a look-up. The lock of a key stays in its registry as long as a [`Held`] of it lives.

use super::root::Root;
use super::shard::Entry;
use crate::access::Reaches;
use crate::dogpile::Dogpile;
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::sync::Arc;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// The lock of a key, held. It derefs to the lock.
///
/// Each look-up in a [`Registry`](crate::Registry) gives a `Held`. While a `Held` of a key lives, each look-up of that
/// key in the same registry gives the same lock.
///
/// Cloning a `Held` holds the lock once more, and takes no mutex. Leaking a `Held` with [`std::mem::forget`] keeps its
/// lock for good.
///
/// A `Held<'static, …>` may be kept anywhere. It comes from a registry in a `static`, or from
/// [`Registry::get_owned`](crate::Registry::get_owned).
#[must_use = "the lock may be gone as soon as this is"]
pub struct Held<'a, K, L: Lock = Dogpile> {
    of: Of<'a, K, L>,
    entry: Arc<Entry<K, L>>,
    /// The entry was not looked up by its key: an iterator has come across it. So letting it go does not count as a
    /// use.
    looking: bool,
}

/// How a `Held` holds on to its registry.
enum Of<'a, K, L> {
    Borrowed(&'a Root<K, L>),
    Shared(Arc<dyn HasRoot<K, L> + Send + Sync>),
}

/// A registry, or a type with a registry in it, that a `Held` can own a share of.
pub(crate) trait HasRoot<K, L> {
    fn root(&self) -> &Root<K, L>;
}

impl<K, L> Clone for Of<'_, K, L> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(root) => Self::Borrowed(root),
            Self::Shared(registry) => Self::Shared(Arc::clone(registry)),
        }
    }
}

impl<'a, K, L: Lock> Held<'a, K, L> {
    /// Makes a `Held` of an entry. The caller has made itself a holder of the entry already, and passes that on.
    pub(super) fn new(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: false }
    }

    /// As [`new`](Self::new), for an entry that is only looked at.
    pub(super) fn looking(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: true }
    }

    /// Holds the lock once more, through a share of the registry.
    pub(crate) fn owned_by(&self, registry: Arc<impl HasRoot<K, L> + Send + Sync + 'static>) -> Held<'static, K, L>
    where
        K: 'static,
        L: 'static,
    {
        self.entry.hold_once_more();
        Held { of: Of::Shared(registry), entry: Arc::clone(&self.entry), looking: self.looking }
    }

    /// Returns the key.
    #[must_use]
    pub fn key(this: &Self) -> &K {
        &this.entry.key
    }
}

impl<K, L: Lock> Deref for Held<'_, K, L> {
    type Target = L;

    #[inline]
    fn deref(&self) -> &L {
        &self.entry.lock
    }
}

impl<K, L: Lock> Clone for Held<'_, K, L> {
    fn clone(&self) -> Self {
        self.entry.hold_once_more();
        Self { of: self.of.clone(), entry: Arc::clone(&self.entry), looking: self.looking }
    }
}

impl<K, L: Lock> Drop for Held<'_, K, L> {
    fn drop(&mut self) {
        let root = match &self.of {
            Of::Borrowed(root) => root,
            Of::Shared(registry) => registry.root(),
        };
        root.let_go(&self.entry, self.looking);
    }
}

// A `Held` gives access to the key and the lock only.
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> UnwindSafe for Held<'_, K, L> {}
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> RefUnwindSafe for Held<'_, K, L> {}

/// Shows the key and what the lock shows of itself: no value, even of a lock that has one.
impl<K: fmt::Debug, L: Lock + fmt::Debug> fmt::Debug for Held<'_, K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("key", &self.entry.key).field("lock", &self.entry.lock).finish()
    }
}

impl<'a, 'c: 'a, K: Send + Sync + 'c, L: Lock + Send + Sync + 'c> Reaches<'a, 'c> for &'a Held<'c, K, L> {
    type Lock = L;

    #[inline]
    fn lock(self) -> &'a L {
        self
    }

    fn keeper(self) -> Keeper<'c, L> {
        Keeper::Held(Box::new(self.clone()))
    }
}

/// The look-ups that give a `Held`.
impl<K: Hash + Eq, L: Lock> Root<K, L> {
    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Held<'_, K, L>>
    where
        K: Borrow<Q>,
    {
        self.find_entry(key).map(|entry| Held::new(self, entry))
    }

    pub(super) fn get<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(
        &self,
        key: &Q,
        maker: impl FnOnce(&K) -> L,
    ) -> Held<'_, K, L>
    where
        K: Borrow<Q>,
    {
        Held::new(self, self.get_entry(key, maker))
    }
}
