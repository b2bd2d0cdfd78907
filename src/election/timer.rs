//! When a creation is overdue.

use super::state::State;
use crate::sync::{AtomicU64, Ordering};

/// What it takes to elect where creations may die: times are those of the lock's clock.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'a> {
    /// See [`election`](crate::election).
    pub hold: &'a AtomicU64,
    /// What time it is.
    pub now: u64,
    /// For how long a creation is not overdue.
    pub timeout: u64,
}

impl Timer<'_> {
    /// Whether the creation that runs could be declared dead, but for its store. Under the mutex.
    pub(super) fn finds_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed) <= self.now
    }

    /// Whether it is overdue for as long again, and nobody has taken its place. Under the mutex.
    pub(super) fn finds_long_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed).saturating_add(self.timeout) <= self.now
    }
}
