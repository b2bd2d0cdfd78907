//! What an access is given: a [`Turn`], or, when it has come to its end, an [`Outcome`].

use crate::clock::{Clock, MonotonicClock};
use crate::creation::Creation;
use crate::dogpile::Dogpile;
use std::fmt;

/// What an access met that creates for itself: one that ends in [`or_create`](crate::Access::or_create) and the like.
///
/// More outcomes arise as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// As large as it has room in a guard: what is written as a byte, and copied as a word, waits for the byte (1.6 times a hit
// of a `Cached`, `benches/peers/benches/async_hit`).
#[repr(usize)]
pub enum Outcome {
    /// The value was fresh.
    Fresh,
    /// The value has expired; somebody else is already creating a new one, or is about to; or nobody is to
    /// [for a while](crate::PolicyBuilder::retry_after).
    Stale,
    /// This access was elected, and its creator has run.
    Created,
    /// There was no value, or none that would do; this access waited until somebody else had created one.
    Waited,
    /// This access was elected, and its creator has failed; this is the old value, as the
    /// [policy](crate::OnError::ServeStale) wants it.
    StaleOnError,
    /// This access [asked for a newer value](crate::Access::renew_if) than this one, the old value, and came too soon
    /// after another [renewal](crate::PolicyBuilder::renew_interval), or after a
    /// [failure](crate::PolicyBuilder::retry_after).
    TooSoon,
}

/// What an access is to do next that ends in [`turn`](crate::Access::turn).
///
/// A turn that is only matched against (`matches!(lock.acquire(), Turn::Create(_))`) gives its creation up.
///
/// A `Turn<'static>` comes from a lock that is [kept](crate::Dogpile::kept) by an `Arc`, and from a lock in a `static`.
#[must_use = "a dropped `Turn::Create` gives up the creation it was elected for"]
pub enum Turn<'a, C: Clock = MonotonicClock> {
    /// Use the value: it is fresh.
    Fresh,
    /// Use the value: it has expired, but somebody else is creating a new one, or nobody is to [for a
    /// while](crate::PolicyBuilder::retry_after); or it is what this access has waited for, and has expired or was
    /// invalidated since.
    Stale,
    /// Create the value: this access is the one.
    Create(Creation<'a, Dogpile<C>>),
}

impl<C: Clock> fmt::Debug for Turn<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("Fresh"),
            Self::Stale => f.write_str("Stale"),
            Self::Create(creation) => f.debug_tuple("Create").field(creation).finish(),
        }
    }
}
