//! An access of a thread to many keys.

use super::Blocking;
use super::block_on::block_on;
use crate::backend::BackendError;
use crate::region::{CreateError, GetError, GetMany, Got, RegionKey};
use std::fmt::{self, Display};
use std::future::ready;
use std::time::Duration;

/// An access of a thread to many keys: see [`GetMany`], whose steps and terminals it has.
#[must_use = "an access is made by its terminal"]
pub struct BlockingGetMany<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    get: GetMany<'a, K, V>,
}

impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> Blocking<'a, K, V> {
    /// Opens one access to many keys: see [`GetMany`]. Never blocks.
    pub fn get_many(&self, keys: impl IntoIterator<Item = &'a K>) -> BlockingGetMany<'a, K, V> {
        BlockingGetMany { get: self.region.get_many(keys) }
    }
}

/// # Steps
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> BlockingGetMany<'_, K, V> {
    /// As [`GetMany::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        BlockingGetMany { get: self.get.timeout(timeout) }
    }

    /// As [`GetMany::soft_timeout`].
    pub fn soft_timeout(self, timeout: Duration) -> Self {
        BlockingGetMany { get: self.get.soft_timeout(timeout) }
    }
}

/// # Terminals
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> BlockingGetMany<'_, K, V> {
    /// As [`GetMany::or_create`]. Blocks while the creator runs, and as [`GetMany`] says it waits.
    ///
    /// # Errors
    ///
    /// As for [`GetMany::or_create`]; and [`CreateError::BlocksRuntime`].
    pub fn or_create(self, mut creator: impl FnMut(Vec<K::Owned>) -> Vec<V>) -> Result<Vec<Got<V>>, GetError> {
        block_on(self.get.or_create(|keys| ready(creator(keys))))?
    }

    /// As [`GetMany::or_try_create`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](Self::or_create).
    pub fn or_try_create<E: Display>(
        self,
        mut creator: impl FnMut(Vec<K::Owned>) -> Result<Vec<V>, E>,
    ) -> Result<Vec<Got<V>>, CreateError<E>> {
        block_on(self.get.or_try_create(|keys| ready(creator(keys))))?
    }

    /// As [`GetMany::or_try_find`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](Self::or_create).
    pub fn or_try_find<E: Display>(
        self,
        mut creator: impl FnMut(Vec<K::Owned>) -> Result<Vec<Option<V>>, E>,
    ) -> Result<Vec<Option<Got<V>>>, CreateError<E>> {
        block_on(self.get.or_try_find(|keys| ready(creator(keys))))?
    }

    /// As [`GetMany::values`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`GetMany::values`].
    pub fn values(self) -> Result<Vec<Option<Got<V>>>, BackendError> {
        block_on(self.get.values())?
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for BlockingGetMany<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingGetMany").field("get", &self.get).finish_non_exhaustive()
    }
}
