//! What the locks of this crate have in common.

use crate::clock::Clock;
use crate::dogpile::Dogpile;

/// A lock that elects: [`Dogpile`] or [`SyncReaderDogpile`](crate::SyncReaderDogpile). A [`Creation`](crate::Creation) is of one.
///
/// It cannot be implemented elsewhere.
pub trait Lock: Elects {}

/// What is behind a [`Lock`].
pub trait Elects {
    /// What time it is for it.
    type Clock: Clock;

    /// Its election and its freshness.
    fn dogpile(&self) -> &Dogpile<Self::Clock>;
}

impl<C: Clock> Lock for Dogpile<C> {}

impl<C: Clock> Elects for Dogpile<C> {
    type Clock = C;

    fn dogpile(&self) -> &Self {
        self
    }
}
