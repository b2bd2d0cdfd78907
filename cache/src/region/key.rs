//! What a key of a region can do.

use crate::key::Key;
use std::hash::Hash;

/// What a key of a region can do: it is a [`Key`] that can be hashed, compared and owned.
///
/// Each type with these traits is a `RegionKey`: numbers, `String`, `str`, `[u8]`, and tuples of owned keys among them.
/// In a `Region<str, V>` the accesses take a `&str`, and a `String` is made only for a key that is not there.
///
/// Keys that are equal must have one hash and write one text, and keys that are not equal must write different texts:
/// see [`Key`].
pub trait RegionKey: Key + Hash + Eq + ToOwned<Owned: Hash + Eq + Clone + Send + Sync + 'static> + 'static {}

impl<K> RegionKey for K where
    K: Key + Hash + Eq + ToOwned<Owned: Hash + Eq + Clone + Send + Sync + 'static> + ?Sized + 'static
{
}
