//! Failures in a row, and the pause after them.

use crate::sync::{Arc, AtomicU64};
use std::fmt;

/// Why nobody creates for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What the last creation failed with.
    pub cause: Arc<str>,
    /// When it is over, on the lock's clock.
    pub until: u64,
}

/// Failures in a row.
pub(super) struct Streak {
    pub(super) failures: u32,
    /// When the pause after the last one is over; 0 if there was none after it.
    pub(super) until: u64,
    /// Until when one of them said to pause, whatever came after it; 0 if none did.
    pub(super) said: u64,
    pub(super) cause: Arc<str>,
}

/// A failure that is counted, and what it takes to pause after it.
pub struct Failed<'a> {
    /// See [`election`](crate::election).
    pub hold: &'a AtomicU64,
    /// What it failed with.
    pub cause: Arc<str>,
    /// How long to pause.
    pub pause: Pausing<'a>,
}

/// How long to pause after a failure. Times are those of the lock's clock.
#[derive(Clone, Copy)]
pub enum Pausing<'a> {
    /// As the failure itself says: until then, or not at all; whatever was said before.
    Said(Option<u64>),
    /// As the policy says after so many failures in a row: until then, and no shorter than an earlier failure said.
    Grown(&'a dyn Fn(u32) -> u64),
    /// Nothing is said of it `now`: the pause that an earlier failure said goes on, unless that is over.
    Unsaid {
        /// What time it is.
        now: u64,
    },
}

impl fmt::Debug for Pausing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(until) => f.debug_tuple("Said").field(until).finish(),
            Self::Grown(_) => f.debug_tuple("Grown").finish_non_exhaustive(),
            Self::Unsaid { now } => f.debug_struct("Unsaid").field("now", now).finish(),
        }
    }
}

impl fmt::Debug for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("cause", &self.cause).field("pause", &self.pause).finish_non_exhaustive()
    }
}
