//! The reader as threads use it.

use super::{Mint, Timeout};
use crate::backend::BackendError;
use crate::observer::Published;
use crate::region::blocking::block_on;
use crate::region::{GetError, RegionKey};
use std::collections::HashMap;
use std::fmt::{self, Display};

/// The reader as threads use it: the same calls, which block for the round trips that those make. Made by
/// [`Mint::blocking`]. [`is_elected`](Mint::is_elected) and [`give_up`](Mint::give_up) never block, and are the
/// `Mint`'s.
///
/// What [`Blocking`](crate::region::Blocking#on-a-thread-of-a-runtime) says of threads of a runtime holds here, too.
/// All methods also fail where they would block one.
pub struct BlockingMint<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static>(&'a mut Mint<K, V>);

impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> BlockingMint<'a, K, V> {
    pub(super) fn new(mint: &'a mut Mint<K, V>) -> BlockingMint<'a, K, V> {
        BlockingMint(mint)
    }

    /// As [`Mint::get`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Mint::get`]; and [`CreateError::BlocksRuntime`](crate::CreateError::BlocksRuntime).
    pub fn get(&mut self, key: &K) -> Result<Option<V>, GetError>
    where
        V: Clone,
    {
        block_on(self.0.get(key))?
    }

    /// As [`Mint::get_or`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn get_or(&mut self, key: &K, default: impl Into<V>) -> Result<V, GetError>
    where
        V: Clone,
    {
        block_on(self.0.get_or(key, default))?
    }

    /// As [`Mint::get_many`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    pub fn get_many<'k>(&mut self, keys: impl IntoIterator<Item = &'k K>) -> Result<HashMap<K::Owned, V>, GetError>
    where
        V: Clone,
    {
        block_on(self.0.get_many(keys))?
    }

    /// As [`Mint::set`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Mint::set`]. If the call would block a runtime, it is in doubt.
    pub fn set(
        &mut self,
        key: &K,
        value: impl Into<V>,
        timeout: impl Into<Timeout>,
    ) -> Result<Published, BackendError> {
        block_on(self.0.set(key, value, timeout))?
    }

    /// As [`Mint::add`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn add(&mut self, key: &K, value: impl Into<V>, timeout: impl Into<Timeout>) -> Result<bool, BackendError> {
        block_on(self.0.add(key, value, timeout))?
    }

    /// As [`Mint::delete`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn delete(&mut self, key: &K) -> Result<(), BackendError> {
        block_on(self.0.delete(key))?
    }

    /// As [`Mint::fail`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// [`CreateError::BlocksRuntime`](crate::CreateError::BlocksRuntime): then the right ends all the same.
    pub fn fail(&mut self, key: &K, cause: &(dyn Display + Sync)) -> Result<(), GetError> {
        Ok(block_on(self.0.fail(key, cause))?)
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for BlockingMint<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingMint").field(&self.0).finish()
    }
}
