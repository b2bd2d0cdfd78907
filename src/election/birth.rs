//! What a creation remembers of its election, and how it ends.

use crate::generation::Generation;

/// When a creation was elected, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The generation.
    pub generation: Generation,
    /// A number of its own, if it may be declared dead; else 0.
    pub ticket: u64,
    /// When it began, on the lock's clock: noted by the layers above.
    pub started: u64,
    /// For how long the one had run that was declared dead for this, if one was.
    pub buried: Option<u64>,
}

/// How a creation ended that was finished. More ways arise as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// Its value is the current one.
    Published,
    /// Its value is the current one, but stale: [`mark_stale`](crate::Dogpile::mark_stale) was called after it began.
    PublishedStale,
    /// It was overtaken by an invalidation: its value did not become the current one.
    Superseded,
    /// It took longer than its [time-out](crate::PolicyBuilder::creation_timeout), and another was elected in its
    /// place: its value did not become the current one.
    Dead,
}
