//! What the locks of this crate have in common.

use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::sync::Arc;
use std::ops::Deref;

/// A lock that elects: [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) or [`Cached`](crate::Cached). A
/// [`Creation`](crate::Creation) is of one, and a [`Registry`](crate::Registry) has many.
///
/// It cannot be implemented elsewhere.
pub trait Lock: Elects + Sized {
    /// What an access gives that has come to a `V`: the `V`, or a guard of it.
    type Got<'a, V>
    where
        Self: 'a;

    /// What an access by a task gives that has come to a `V`.
    type GotByTask<V>;

    /// What an access gives that does not create by itself.
    type Turn<'a, 'c>
    where
        Self: 'a + 'c;

    /// What an access by a task gives that does not create by itself.
    type TurnByTask<'c>
    where
        Self: 'c;

    /// What a creation has noted.
    #[doc(hidden)]
    type Noted: Default;

    /// What the guards of tasks hold.
    #[doc(hidden)]
    type Owner;

    #[doc(hidden)]
    fn owner_for_ever(&'static self) -> Self::Owner;

    #[doc(hidden)]
    fn owner_shared(this: &Arc<Self>) -> Self::Owner
    where
        Self: 'static;

    /// Of what holds the lock: the entry of a registry.
    #[doc(hidden)]
    fn owner_held<H: Deref<Target = Self> + Send + Sync + 'static>(held: impl FnOnce() -> H) -> Self::Owner
    where
        Self: 'static;
}

/// What is behind a [`Lock`].
pub trait Elects {
    /// What time it is for it.
    type Clock: Clock;

    /// Whether what it keeps fresh is in it, and goes with it.
    const OWNS_ITS_VALUE: bool = false;

    /// Its election and its freshness.
    fn dogpile(&self) -> &Dogpile<Self::Clock>;

    /// The same, before it is shared.
    fn dogpile_mut(&mut self) -> &mut Dogpile<Self::Clock>;
}

/// What a lock has for its owners whose guards own nothing.
macro_rules! owns_nothing {
    () => {
        type Owner = ();

        fn owner_for_ever(&'static self) {}

        fn owner_shared(_: &$crate::sync::Arc<Self>)
        where
            Self: 'static,
        {
        }

        fn owner_held<H: std::ops::Deref<Target = Self> + Send + Sync + 'static>(_: impl FnOnce() -> H)
        where
            Self: 'static,
        {
        }
    };
}
pub(crate) use owns_nothing;

impl<C: Clock> Elects for Dogpile<C> {
    type Clock = C;

    fn dogpile(&self) -> &Self {
        self
    }

    fn dogpile_mut(&mut self) -> &mut Self {
        self
    }
}
