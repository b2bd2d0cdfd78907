//! What the locks of this crate have in common.

use crate::clock::Clock;
use crate::dogpile::Dogpile;

/// A lock that elects: [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) or [`Cached`](crate::Cached). A
/// [`Creation`](crate::Creation) is of one, and a [`Registry`](crate::Registry) has many.
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

/// Questions to a lock that are its `dogpile`'s to answer.
macro_rules! ask_the_dogpile {
    ($($(#[$meta:meta])* fn $name:ident() -> $answer:ty;)+) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name(&self) -> $answer {
                self.dogpile.$name()
            }
        )+
    };
}
pub(crate) use ask_the_dogpile;
