//! What the locks that elect have in common.
//!
//! [`Lock`] names the types that an access of a lock gives. [`Elects`], behind it, leads to the lock's [`Dogpile`].

use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::sync::Arc;
use std::ops::Deref;

/// A lock that elects: [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) or [`Cached`](crate::Cached).
///
/// A [`Creation`](crate::Creation) belongs to one lock, and a [`Registry`](crate::Registry) has many locks. The trait
/// is sealed: other crates cannot implement it.
pub trait Lock: Elects + Sized {
    /// What an access of a thread gives when it has come to a `V`: the `V`, or a guard of it.
    type Got<'a, V>
    where
        Self: 'a;

    /// What an access of a task gives when it has come to a `V`.
    type GotByTask<V>;

    /// What an access of a thread gives when it ends in [`turn`](crate::Access::turn), and so does not create by
    /// itself.
    type Turn<'a, 'c>
    where
        Self: 'a + 'c;

    /// What an access of a task gives when it ends in [`turn`](crate::AsyncAccess::turn), and so does not create by
    /// itself.
    type TurnByTask<'c>
    where
        Self: 'c;

    /// What the lock notes of a creation.
    #[doc(hidden)]
    type Noted: Default;

    /// What the guards of tasks hold.
    #[doc(hidden)]
    type Owner;

    /// Returns the owner of a lock that lives for ever.
    #[doc(hidden)]
    fn owner_for_ever(&'static self) -> Self::Owner;

    /// Returns an owner that shares the lock.
    #[doc(hidden)]
    fn owner_shared(this: &Arc<Self>) -> Self::Owner
    where
        Self: 'static;

    /// Returns the owner of a lock that another value holds, such as the entry of a registry.
    #[doc(hidden)]
    fn owner_held<H: Deref<Target = Self> + Send + Sync + 'static>(held: impl FnOnce() -> H) -> Self::Owner
    where
        Self: 'static;
}

/// What is behind a [`Lock`]: the [`Dogpile`] in it.
pub trait Elects {
    /// The clock of the lock.
    type Clock: Clock;

    /// Whether the lock itself holds the value that it keeps fresh, so that the value goes when the lock goes.
    const OWNS_ITS_VALUE: bool = false;

    /// Returns the lock's election and freshness.
    fn dogpile(&self) -> &Dogpile<Self::Clock>;

    /// As [`dogpile`](Self::dogpile), before the lock is shared.
    fn dogpile_mut(&mut self) -> &mut Dogpile<Self::Clock>;
}

/// Writes the owners of a [`Lock`] whose guards hold nothing.
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
