//! What an access of a [`Dogpile`] is given that does not create by itself: a [`Turn`]. With it, `Dogpile` is a
//! [`Lock`].

use crate::clock::{Clock, MonotonicClock};
use crate::creation::Creation;
use crate::dogpile::Dogpile;
use crate::lock::{Lock, owns_nothing};
use std::fmt;

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

impl<C: Clock> Lock for Dogpile<C> {
    type Got<'a, V>
        = V
    where
        Self: 'a;
    type GotByTask<V> = V;
    type Turn<'a, 'c>
        = Turn<'c, C>
    where
        Self: 'a + 'c;
    type TurnByTask<'c>
        = Turn<'c, C>
    where
        Self: 'c;
    type Noted = ();

    owns_nothing! {}
}
