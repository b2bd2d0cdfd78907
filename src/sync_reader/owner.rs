//! What may hold on to a [`SyncReaderDogpile`] for a guard that owns a share of its lock.

use super::SyncReaderDogpile;
use crate::clock::Clock;
use crate::readers::{HasReaders, Owner, Readers};
use crate::registry::Held;
use crate::sync::Arc;
use std::ops::Deref;

/// A holder that derefs to a lock with readers.
pub(super) struct Through<H>(pub(super) H);

impl<H: Deref<Target: HasReaders> + Send + Sync> HasReaders for Through<H> {
    fn readers(&self) -> &Readers {
        self.0.readers()
    }
}

impl<C: Clock + 'static> From<Arc<SyncReaderDogpile<C>>> for Owner {
    fn from(lock: Arc<SyncReaderDogpile<C>>) -> Self {
        Self::shared(lock)
    }
}

impl<C: Clock> From<&'static SyncReaderDogpile<C>> for Owner {
    fn from(lock: &'static SyncReaderDogpile<C>) -> Self {
        Self::for_ever(&lock.readers)
    }
}

/// An owned guard holds the lock by a `Held` of its own.
impl<K: Send + Sync + 'static, C: Clock + 'static> From<Held<'static, K, SyncReaderDogpile<C>>> for Owner {
    fn from(held: Held<'static, K, SyncReaderDogpile<C>>) -> Self {
        Self::shared(Arc::new(Through(held)))
    }
}
