//! When a creation is overdue.

use super::state::State;
use crate::sync::{AtomicU64, Ordering};

/// The clock's part in an election where creations may die. Times are on the lock's clock.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'a> {
    /// See [`election`](crate::election).
    pub hold: &'a AtomicU64,
    /// What time it is.
    pub now: u64,
    /// After how much time a creation is overdue.
    pub timeout: u64,
}

impl Timer<'_> {
    /// Returns whether the creation that runs is overdue: unless it stores, it may be declared dead. To be called under
    /// the mutex.
    pub(super) fn finds_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed) <= self.now
    }

    /// Returns whether the creation that runs has been overdue for the length of its time-out, and no other has taken
    /// its place. To be called under the mutex.
    pub(super) fn finds_long_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed).saturating_add(self.timeout) <= self.now
    }
}
