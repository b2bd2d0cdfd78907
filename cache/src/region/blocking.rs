//! The region as threads use it.

mod block_on;
mod many;

pub use self::many::BlockingGetMany;

pub(crate) use self::block_on::block_on;
use super::creation::{Claim, Creation};
use super::error::{CreateError, GetError};
use super::get::{Get, cold};
use super::kept::Got;
use super::made::Made;
use super::{Region, RegionKey, Witness};
use crate::backend::{BackendError, BackendErrorKind};
use std::fmt::{self, Display};
use std::time::Duration;

/// The region as threads use it: the same accesses and changes, which block.
///
/// The calling thread polls the access itself, so none of it needs a runtime of the caller's: timers and renewals are
/// those of the keeper. A backend whose connections live in a runtime needs that one to run meanwhile, on other
/// threads.
///
/// # On a thread of a runtime
///
/// In a runtime of several threads, another thread takes over the tasks of this one while it is blocked. In a runtime
/// of one thread there is none: an access that has to wait there could wait for a task that cannot run. If nothing of
/// that runtime runs for a second, the access ends with [`CreateError::BlocksRuntime`]. Use the asynchronous accesses
/// there, or `tokio::task::spawn_blocking`.
#[derive(Debug)]
pub struct Blocking<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    region: &'a Region<K, V>,
}

/// An access of a thread: see [`Get`], whose steps and terminals it has.
#[must_use = "an access is made by its terminal"]
pub struct BlockingGet<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    get: Get<'a, K, V>,
}

/// This thread blocks the only thread of its runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlocksRuntime;

impl<E> From<BlocksRuntime> for CreateError<E> {
    fn from(_: BlocksRuntime) -> CreateError<E> {
        CreateError::BlocksRuntime
    }
}

impl From<BlocksRuntime> for BackendError {
    fn from(_: BlocksRuntime) -> BackendError {
        BackendError::new(BackendErrorKind::InDoubt).caused_by("the call blocks the only thread of its runtime")
    }
}

impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> Blocking<'a, K, V> {
    pub(super) fn new(region: &'a Region<K, V>) -> Blocking<'a, K, V> {
        Blocking { region }
    }

    /// Opens an access to a key. Never blocks.
    pub fn get(&self, key: &'a K) -> BlockingGet<'a, K, V> {
        BlockingGet { get: self.region.get(key) }
    }

    /// Opens a refresh by hand: see [`Region::refresh`]. Never blocks.
    pub fn refresh(&self, key: &'a K) -> BlockingGet<'a, K, V> {
        BlockingGet { get: self.region.refresh(key) }
    }

    /// As [`Region::close`]. Blocks for `grace` at most.
    ///
    /// # Errors
    ///
    /// The call would [block a runtime](Blocking#on-a-thread-of-a-runtime): the region is closed, and has not ended.
    pub fn close(&self, grace: Duration) -> Result<(), BackendError> {
        Ok(block_on(self.region.close(grace))?)
    }

    /// As [`Region::ping`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::ping`].
    pub fn ping(&self) -> Result<(), BackendError> {
        block_on(self.region.ping())?
    }

    /// As [`Region::set`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::set`]. All methods of this type also fail where they would [block a
    /// runtime](Blocking#on-a-thread-of-a-runtime).
    pub fn set(&self, key: &K, value: impl Into<Made<V>>) -> Result<(), BackendError> {
        block_on(self.region.set(key, value))?
    }

    /// As [`Region::see`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::see`].
    pub fn see(&self, key: &K) -> Result<Witness<V>, BackendError> {
        block_on(self.region.see(key))?
    }

    /// As [`Region::set_if`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::set_if`].
    pub fn set_if(&self, key: &K, seen: &Witness<V>, value: impl Into<Made<V>>) -> Result<bool, BackendError> {
        block_on(self.region.set_if(key, seen, value))?
    }

    /// As [`Region::add`]. Blocks for twice `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::add`].
    pub fn add(&self, key: &K, value: impl Into<Made<V>>) -> Result<bool, BackendError> {
        block_on(self.region.add(key, value))?
    }

    /// As [`Region::touch`]. Blocks for `backend_timeout` for each round trip at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::touch`].
    pub fn touch(&self, key: &K, lifetime: Option<Duration>) -> Result<bool, BackendError> {
        block_on(self.region.touch(key, lifetime))?
    }

    /// As [`Region::mark_stale`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::mark_stale`].
    pub fn mark_stale(&self, key: &K) -> Result<(), BackendError> {
        block_on(self.region.mark_stale(key))?
    }

    /// As [`Region::invalidate`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Region::invalidate`].
    pub fn invalidate(&self, key: &K) -> Result<(), BackendError> {
        block_on(self.region.invalidate(key))?
    }
}

/// # Steps
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> BlockingGet<'_, K, V> {
    /// As [`Get::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        BlockingGet { get: self.get.timeout(timeout) }
    }

    /// As [`Get::soft_timeout`].
    pub fn soft_timeout(self, timeout: Duration) -> Self {
        BlockingGet { get: self.get.soft_timeout(timeout) }
    }

    /// As [`Get::renew_if`].
    pub fn renew_if(self, version: u64) -> Self {
        BlockingGet { get: self.get.renew_if(version) }
    }
}

/// # Terminals
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> BlockingGet<'_, K, V> {
    /// As [`Get::or_create`]. Blocks while the creator runs, and as [`Get`] says it waits.
    ///
    /// # Errors
    ///
    /// As for [`Get::or_create`]; and [`CreateError::BlocksRuntime`].
    #[inline]
    pub fn or_create(self, creator: impl FnOnce() -> V) -> Result<Got<V>, GetError> {
        match self.get.hit() {
            Some(got) => Ok(got),
            None => cold(|| block_on(self.get.creating(async move |_| Ok(Made::new(creator()))))?),
        }
    }

    /// As [`Get::or_create_with`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](Self::or_create).
    #[inline]
    pub fn or_create_with(self, creator: impl FnOnce(&Creation<K, V>) -> Made<V>) -> Result<Got<V>, GetError> {
        match self.get.hit() {
            Some(got) => Ok(got),
            None => cold(|| block_on(self.get.creating(async move |creation: &Creation<K, V>| Ok(creator(creation))))?),
        }
    }

    /// As [`Get::or_try_create`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`Get::or_try_create`]; and [`CreateError::BlocksRuntime`].
    pub fn or_try_create<E: Display>(self, creator: impl FnOnce() -> Result<V, E>) -> Result<Got<V>, CreateError<E>> {
        match self.get.hit() {
            Some(got) => Ok(got),
            None => cold(|| block_on(self.get.creating(async move |_| creator().map(Made::new)))?),
        }
    }

    /// As [`Get::or_try_create_with`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Self::or_try_create).
    #[inline]
    pub fn or_try_create_with<E: Display>(
        self,
        creator: impl FnOnce(&Creation<K, V>) -> Result<Made<V>, E>,
    ) -> Result<Got<V>, CreateError<E>> {
        match self.get.hit() {
            Some(got) => Ok(got),
            None => cold(|| block_on(self.get.creating(async move |creation: &Creation<K, V>| creator(creation)))?),
        }
    }

    /// As [`Get::or_try_find`]. Blocks as [`or_create`](Self::or_create) does.
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Self::or_try_create).
    #[inline]
    pub fn or_try_find<E: Display>(
        self,
        creator: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<Got<V>>, CreateError<E>> {
        match self.get.hit() {
            Some(got) => Ok(Some(got)),
            None => cold(|| block_on(self.get.finding(async || creator()))?),
        }
    }

    /// As [`Get::value`]. Blocks for `backend_timeout` at most.
    ///
    /// # Errors
    ///
    /// As for [`Get::value`].
    pub fn value(self) -> Result<Option<Got<V>>, BackendError> {
        block_on(self.get.value())?
    }

    /// As [`Get::claim`]. Blocks as [`Get`] says it waits.
    ///
    /// # Errors
    ///
    /// As for [`Get::claim`]; and [`CreateError::BlocksRuntime`].
    pub fn claim(self) -> Result<Claim<K, V>, GetError> {
        block_on(self.get.claim())?
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Creation<K, V> {
    /// As [`publish`](Creation::publish), for a thread. Blocks for one round trip.
    ///
    /// # Errors
    ///
    /// As for [`publish`](Creation::publish); and [`CreateError::BlocksRuntime`]: then the publication goes on.
    pub fn publish_blocking(self, made: impl Into<Made<V>>) -> Result<Got<V>, GetError> {
        block_on(self.publish(made))?
    }

    /// As [`fail`](Creation::fail), for a thread. Blocks for one round trip.
    ///
    /// # Errors
    ///
    /// [`CreateError::BlocksRuntime`]: then the creation ends all the same.
    pub fn fail_blocking(self, cause: &dyn Display) -> Result<(), GetError> {
        Ok(block_on(self.fail(cause))?)
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for BlockingGet<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingGet").field("get", &self.get).finish_non_exhaustive()
    }
}
