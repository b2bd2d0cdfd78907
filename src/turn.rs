//! What an access of a [`Dogpile`] gives when it does not create by itself: a [`Turn`]. With this type, `Dogpile` is a
//! [`Lock`].

use crate::clock::{Clock, MonotonicClock};
use crate::creation::Creation;
use crate::dogpile::Dogpile;
use crate::lock::{Lock, owns_nothing};
use std::fmt;

/// What an access that ends in [`turn`](crate::Access::turn) is to do next.
///
/// A turn that is only matched against, as in `matches!(lock.acquire(), Turn::Create(_))`, is dropped, and gives its
/// creation up.
///
/// A `Turn<'static>` comes from a lock that is [kept](crate::Dogpile::kept) by an `Arc`, or from a lock in a `static`.
#[must_use = "a dropped `Turn::Create` gives up the creation it was elected for"]
pub enum Turn<'a, C: Clock = MonotonicClock> {
    /// The value is fresh. Use it.
    Fresh,
    /// The value is old. Use it all the same.
    ///
    /// Either the value has expired, and another access is creating a new one, or no access is to create [for a
    /// while](crate::PolicyBuilder::retry_after). Or this access has waited for the value, which has expired or was
    /// invalidated since.
    Stale,
    /// This access is elected. Create the value.
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
