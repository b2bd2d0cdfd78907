//! What holds an entry: the lock of a key stays as long as this does.

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

/// The lock of a key, held: derefs to it. While a `Held` of a key lives, all who look the key up in that
/// [`Registry`](crate::Registry) get the same lock.
///
/// Cloning it holds the lock once more, and touches no mutex. Leaking it with [`std::mem::forget`] keeps the entry for
/// good.
///
/// `Held<'static, …>`, from a registry in a `static` or from [`Registry::get_owned`](crate::Registry::get_owned), may
/// be kept anywhere.
#[must_use = "the lock may be gone as soon as this is"]
pub struct Held<'a, K, L: Lock = Dogpile> {
    of: Of<'a, K, L>,
    entry: Arc<Entry<K, L>>,
    /// It was not asked for, only come across.
    looking: bool,
}

/// The registry, however it is held on to.
enum Of<'a, K, L> {
    Borrowed(&'a Root<K, L>),
    Shared(Arc<dyn HasRoot<K, L> + Send + Sync>),
}

/// What a registry is held on to by that is shared.
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
    /// The entry is held already, for this.
    pub(super) fn new(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: false }
    }

    pub(super) fn looking(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: true }
    }

    /// The same, through a share of what has the registry.
    pub(crate) fn owned_by(&self, registry: Arc<impl HasRoot<K, L> + Send + Sync + 'static>) -> Held<'static, K, L>
    where
        K: 'static,
        L: 'static,
    {
        self.entry.hold_once_more();
        Held { of: Of::Shared(registry), entry: Arc::clone(&self.entry), looking: self.looking }
    }

    /// The key.
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

// Nothing can be reached through it but the key and the lock.
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> UnwindSafe for Held<'_, K, L> {}
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> RefUnwindSafe for Held<'_, K, L> {}

/// The key and what is told of the lock, not the value of a lock that has one.
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

/// What is held of a registry.
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
