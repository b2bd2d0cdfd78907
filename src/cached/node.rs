//! A value as it lies in the cell, with what is known of it.

use crate::generation::Generation;
use crate::sync::{Arc, AtomicU64, Ordering};
use std::fmt;

/// A value, the latest generation in which it is known to be the current one, and when that was found.
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
    /// Before anybody else sees it, it is given its generation.
    pub(super) fn new(value: T) -> Arc<Self> {
        let [generation, made] = [0; 2].map(AtomicU64::new);
        Arc::new(Self { value: Arc::new(value), generation, made })
    }

    pub(super) fn renew(&self, generation: Generation, now: u64) {
        // Relaxed: whoever reads it only compares it, under the mutex, with the generation that is current then.
        self.generation.store(generation.as_number(), Ordering::Relaxed);
        // Relaxed: the value is had by way of the cell or the tray, which carry this time with it; or a later one is
        // read.
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
