//! What a creation remembers of its election, and how a creation ends.

use crate::generation::Generation;

/// When a creation was elected, and which creation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The generation in which it was elected.
    pub generation: Generation,
    /// A number of its own, if the creation may be declared dead; else 0.
    pub ticket: u64,
    /// When the creation began, on the lock's clock. The layers above note it.
    pub started: u64,
    /// If this creation has taken the place of a dead one: for how long the dead one had run.
    pub buried: Option<u64>,
}

/// How a finished creation has ended. Later versions of the crate may add further ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// The creation's value is the current one.
    Published,
    /// The creation's value is the current one, but stale: [`mark_stale`](crate::Dogpile::mark_stale) was called after
    /// the creation began.
    PublishedStale,
    /// An invalidation, or a `set`, has overtaken the creation: its value did not become the current one.
    Superseded,
    /// The creation took longer than its [time-out](crate::PolicyBuilder::creation_timeout), and another access was
    /// elected in its place: its value did not become the current one.
    Dead,
}
