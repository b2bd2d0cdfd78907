//! What an access of a [`SyncReaderDogpile`] is given, if it does not create by itself: a [`ReadTurn`]. With it,
//! `SyncReaderDogpile` is a [`Lock`].

use super::SyncReaderDogpile;
use super::guard::{OwnedReadGuard, ReadGuard};
use super::owner::Through;
use crate::clock::{Clock, MonotonicClock};
use crate::creation::Creation;
use crate::lock::Lock;
use crate::readers::Owner;
use crate::sync::Arc;
use std::fmt;
use std::ops::Deref;

/// What an access to a [`SyncReaderDogpile`] is to do next. As [`Turn`](crate::Turn), with a guard for an access that
/// reads.
///
/// `G` is the guard: [`ReadGuard`], or [`OwnedReadGuard`] of an [access by a task](SyncReaderDogpile::kept_async).
#[must_use = "a dropped `ReadTurn::Create` gives up the creation it was elected for"]
pub enum ReadTurn<'a, C: Clock = MonotonicClock, G = ReadGuard<'a>> {
    /// Use the value: it is fresh.
    Fresh(G),
    /// Use the value, although it is not fresh. It has expired, and another access is creating a new one, or none is to
    /// [for a while](crate::PolicyBuilder::retry_after). Or this access has waited for the value, and the value has
    /// expired or was invalidated since. Or this thread holds a guard already, and so is never elected.
    Stale(G),
    /// Create the value: this access is elected. It holds no guard.
    Create(Creation<'a, SyncReaderDogpile<C>>),
}

impl<C: Clock, G: fmt::Debug> fmt::Debug for ReadTurn<'_, C, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh(guard) => f.debug_tuple("Fresh").field(guard).finish(),
            Self::Stale(guard) => f.debug_tuple("Stale").field(guard).finish(),
            Self::Create(creation) => f.debug_tuple("Create").field(creation).finish(),
        }
    }
}

impl<C: Clock> Lock for SyncReaderDogpile<C> {
    type Got<'a, V>
        = ReadGuard<'a, V>
    where
        Self: 'a;
    type GotByTask<V> = OwnedReadGuard<V>;
    type Turn<'a, 'c>
        = ReadTurn<'c, C, ReadGuard<'a>>
    where
        Self: 'a + 'c;
    type TurnByTask<'c>
        = ReadTurn<'c, C, OwnedReadGuard>
    where
        Self: 'c;
    type Noted = ();
    type Owner = Owner;

    fn owner_for_ever(&'static self) -> Owner {
        Owner::for_ever(&self.readers)
    }

    fn owner_shared(this: &Arc<Self>) -> Owner
    where
        Self: 'static,
    {
        Owner::shared(Arc::clone(this))
    }

    fn owner_held<H: Deref<Target = Self> + Send + Sync + 'static>(held: impl FnOnce() -> H) -> Owner
    where
        Self: 'static,
    {
        Owner::shared(Arc::new(Through(held())))
    }
}
