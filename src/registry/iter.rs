//! The iterator over all locks of a registry.

use super::held::Held;
use super::root::Root;
use crate::derived::opaque;
use crate::lock::Lock;
use std::vec;

/// An iterator over the keys of a registry that live: see [`Registry::iter`](crate::Registry::iter).
#[must_use = "it looks at a part of the registry when it is asked for the next key"]
pub struct Iter<'a, K, L: Lock> {
    root: &'a Root<K, L>,
    next_shard: usize,
    shard: vec::IntoIter<Held<'a, K, L>>,
}

impl<'a, K, L: Lock> Iter<'a, K, L> {
    pub(super) fn new(root: &'a Root<K, L>) -> Self {
        Self { root, next_shard: 0, shard: Vec::new().into_iter() }
    }

    /// Holds all entries of the next shard, so that they can be looked at. Returns `None` after the last shard.
    fn hold_next_shard(&mut self) -> Option<vec::IntoIter<Held<'a, K, L>>> {
        let entries = self.root.hold_entries(self.next_shard)?;
        self.next_shard += 1;
        let held: Vec<_> = entries.into_iter().map(|entry| Held::looking(self.root, entry)).collect();
        Some(held.into_iter())
    }
}

impl<'a, K, L: Lock> Iterator for Iter<'a, K, L> {
    type Item = Held<'a, K, L>;

    fn next(&mut self) -> Option<Held<'a, K, L>> {
        loop {
            if let Some(held) = self.shard.next() {
                return Some(held);
            }
            self.shard = self.hold_next_shard()?;
        }
    }
}

opaque! { [K, L: Lock] Iter<'_, K, L>, "Iter" }
