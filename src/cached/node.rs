//! A value as it lies in the cell, with what is known of it.

use crate::generation::Generation;
use crate::sync::{Arc, AtomicU64, Ordering};
use std::fmt;

/// A value, the latest generation in which the value is known to be the current one, and the time at which that was
/// found.
pub struct Node<T> {
    pub(super) value: Arc<T>,
    generation: AtomicU64,
    /// On the lock's clock.
    made: AtomicU64,
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl<T> Node<T> {
    /// Makes a node without a generation. The node is given its generation before any other thread sees it.
    pub(super) fn new(value: T) -> Arc<Self> {
        let [generation, made] = [0; 2].map(AtomicU64::new);
        Arc::new(Self { value: Arc::new(value), generation, made })
    }

    pub(super) fn renew(&self, generation: Generation, now: u64) {
        // Relaxed: the generation is only compared, under the mutex with that of another node, or by the election with
        // the generation that is current then.
        self.generation.store(generation.as_number(), Ordering::Relaxed);
        // Relaxed: a thread gets the node by way of the cell or the tray, which carry this time with it. Otherwise the
        // thread reads a later time.
        self.made.store(now, Ordering::Relaxed);
    }

    pub(super) fn made(&self) -> u64 {
        // Relaxed: see `renew`.
        self.made.load(Ordering::Relaxed)
    }

    pub(super) fn generation(&self) -> Generation {
        // Relaxed: see `renew`.
        Generation::from_number(self.generation.load(Ordering::Relaxed))
    }
}
