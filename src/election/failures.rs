//! Failures in a row, and the pause after them.

use crate::sync::{Arc, AtomicU64};
use std::fmt;

/// A pause: why no access creates for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What the last creation failed with.
    pub cause: Arc<str>,
    /// When the pause is over, on the lock's clock.
    pub until: u64,
}

/// Failures in a row, since the last success.
pub(super) struct Streak {
    pub(super) failures: u32,
    /// When the pause after the last failure is over; 0 if there was no pause after it.
    pub(super) until: u64,
    /// Until when one of the failures said to pause; 0 if none did. A later failure that says nothing leaves this as it
    /// is.
    pub(super) said: u64,
    pub(super) cause: Arc<str>,
}

/// A failure that is counted, with the pause after it.
pub struct Failed<'a> {
    /// See [`election`](crate::election).
    pub hold: &'a AtomicU64,
    /// What the creation failed with.
    pub cause: Arc<str>,
    /// How long to pause.
    pub pause: Pausing<'a>,
}

/// How long to pause after a failure. Times are on the lock's clock.
#[derive(Clone, Copy)]
pub enum Pausing<'a> {
    /// As the failure itself says: until then, or not at all. What an earlier failure said does not count.
    Said(Option<u64>),
    /// As the policy says after so many failures in a row: until then, and no shorter than an earlier failure said.
    Grown(&'a dyn Fn(u32) -> u64),
    /// Neither the failure nor the policy says, `now`, how long to pause. A pause that an earlier failure said goes on,
    /// unless it is over.
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
