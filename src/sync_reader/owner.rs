//! What may hold on to a [`SyncReaderDogpile`] for the guards that own a share of their lock.

use super::SyncReaderDogpile;
use crate::clock::Clock;
use crate::readers::{HasReaders, Owner, Readers};
use crate::registry::Held;
use crate::sync::Arc;
use std::ops::Deref;

/// What derefs to what has readers.
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

/// What an owned guard of that lock holds it by.
impl<K: Send + Sync + 'static, C: Clock + 'static> From<Held<'static, K, SyncReaderDogpile<C>>> for Owner {
    fn from(held: Held<'static, K, SyncReaderDogpile<C>>) -> Self {
        Self::shared(Arc::new(Through(held)))
    }
}
