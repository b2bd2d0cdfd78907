//! Regions: the entries of one type under one name, with one creator in the fleet.

pub(crate) mod blocking;
mod builder;
mod change;
mod creation;
pub(crate) mod error;
pub(crate) mod get;
pub(crate) mod kept;
mod key;
pub(crate) mod made;
mod many;
pub(crate) mod outcome;
#[cfg(feature = "postgres")]
mod within;

#[cfg(feature = "postgres")]
pub(crate) use self::within::no_tables;

pub use self::blocking::{Blocking, BlockingGet, BlockingGetMany};
pub use self::builder::{NearAlone, OverFar, RegionBuilder};
pub use self::change::Witness;
pub use self::creation::{Claim, Creation};
pub use self::error::{BuildError, CreateError, GetError};
pub use self::get::{Background, Get};
pub use self::kept::Got;
pub use self::key::RegionKey;
pub use self::made::Made;
pub use self::many::GetMany;
pub use self::outcome::Outcome;

use crate::drive::{Core, Ended};
use crate::observer::Counts;
use crate::store::Store;
use dogpile::Clock;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The entries of one type under one name, with one creator in the fleet.
///
/// When an expensive value expires, one access creates the new one: of all accesses of this process, and with a
/// [backend](RegionBuilder::far) of all processes that share it. The others carry on with the old value, and wait only
/// where there is none.
///
/// Clones of a region are one region. It is `Send` and `Sync`, and so is each future if its creator and the values are.
///
/// # Examples
///
/// A region without a server keeps its values in this process:
///
/// ```
/// use dogpile_cache::{Near, Region};
/// use std::io;
/// use std::time::Duration;
///
/// async fn query(id: u64) -> io::Result<String> {
///     Ok(format!("product {id}"))
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let products = Region::builder("product")
///         .near(Near::holding(10_000))
///         .expires_after(Duration::from_secs(600))
///         .max_stale(Duration::from_secs(6 * 3600))
///         .build::<u64, String>()?;
///
///     let product = products.get(&7).or_try_create(async || query(7).await).await?;
///     assert_eq!(*product, "product 7");
///     Ok(())
/// }
/// ```
///
/// One more line makes it the region of a fleet: see [`far`](RegionBuilder::far), and [the guide](crate::guide::start).
pub struct Region<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    pub(crate) core: Arc<Core<K::Owned, V>>,
    /// Keys are read, not kept.
    key: PhantomData<fn(&K)>,
}

impl Region<(), ()> {
    /// Begins to build a region of that name, which is the namespace of its keys.
    ///
    /// (The types of keys and values are given to [`build`](RegionBuilder::build).)
    pub fn builder(name: &str) -> RegionBuilder<NearAlone> {
        RegionBuilder::new(name)
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Region<K, V> {
    pub(crate) fn new(core: Core<K::Owned, V>) -> Region<K, V> {
        Region { core: Arc::new(core), key: PhantomData }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.namespace.name()
    }

    /// Opens an access to a key. The access is described by its steps, and made by its terminal: see [`Get`].
    ///
    /// Never blocks, and asks nothing of the backend.
    pub fn get<'a>(&'a self, key: &'a K) -> Get<'a, K, V> {
        Get::new(self, key)
    }

    /// Opens one access to many keys: see [`GetMany`]. Never blocks, and asks nothing of the backend.
    pub fn get_many<'a>(&'a self, keys: impl IntoIterator<Item = &'a K>) -> GetMany<'a, K, V> {
        GetMany::new(self, keys.into_iter().collect())
    }

    /// Opens an access that creates a new value, whatever is there, and through a pause: a refresh by hand.
    ///
    /// While another process creates, the access waits for that creation, and takes its value.
    pub fn refresh<'a>(&'a self, key: &'a K) -> Get<'a, K, V> {
        Get::refresh(self, key)
    }

    /// Returns the region as threads use it: see [`Blocking`].
    #[must_use]
    pub fn blocking(&self) -> Blocking<'_, K, V> {
        Blocking::new(self)
    }

    /// Returns what has happened in this region, in this process. Never blocks.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.core.seen.counts()
    }

    /// Makes one round trip to each server of the backend, for a health check. Without a backend it returns at once.
    ///
    /// # Errors
    ///
    /// A server has not answered within `backend_timeout`.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has no effect.
    pub async fn ping(&self) -> Result<(), crate::backend::BackendError> {
        let Store::Far(far) = &self.core.store else { return Ok(()) };
        self.core.in_time(crate::observer::Operation::Ping, None, far.backend().ping()).await
    }

    /// Returns how many values this process keeps near.
    #[must_use]
    pub fn kept_near(&self) -> usize {
        self.core.near.as_ref().map_or(0, |near| near.len())
    }

    /// Closes the region: no access begins any more, and each that tries gets [`CreateError::Closed`]. Changes go on to
    /// reach the backend.
    ///
    /// Waits until the accesses that are under way have ended, creations in the background among them, but no longer
    /// than `grace`. After that, those who still wait get the same error, and the grants of the creations that still
    /// run are ended without a pause, so that another process may create at once. Their values go to their callers
    /// alone. `Duration::ZERO` waits for nothing, `Duration::MAX` for as long as it takes. A creation that the caller
    /// of a [`claim`](Get::claim) holds is waited for until [`creation_timeout`](RegionBuilder::creation_timeout) is
    /// over, at most.
    ///
    /// A region that is dropped is not closed: its creations go on. All clones are closed together; closing twice does
    /// no harm.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has closed the region, and has ended nothing.
    pub async fn close(&self, grace: Duration) {
        let Core { closing, time, is_closed, .. } = &*self.core;
        closing.close();
        // Relaxed: the caller of `close` sees no hit any more; other threads see it soon.
        is_closed.store(true, Ordering::Relaxed);
        // What is kept near serves nobody any more.
        if let Some(near) = &self.core.near {
            near.clear();
        }
        let until = time.now().saturating_add(grace);
        if time.until(until, Box::pin(closing.idle(time))).await.is_none() {
            self.core.end();
        }
    }

    /// Returns whether the region was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.closing.is_closed()
    }

    /// Returns the value that this process has kept, if it is fresh and not of the version that is refused: a hit.
    ///
    /// (The `Got` is made once, at its end, and the parts of a hit are one function. Otherwise it is moved from place
    /// to place, by loads that wait for stores.)
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(crate) fn hit(&self, key: &K, refuses: Option<u64>) -> Option<Got<V>> {
        let Core { near: Some(near), is_coarse, time, seen, is_closed, .. } = &*self.core else { return None };
        if is_closed.load(Ordering::Relaxed) {
            return None;
        }
        let now = if *is_coarse { time.clock.now_coarse() } else { time.nanos() };
        let kept = near.hit(key, now)?;
        if kept.value().is_none() || refuses == Some(kept.version) {
            return None;
        }
        seen.near_hit();
        Some(Got::near(kept, now))
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Clone for Region<K, V> {
    fn clone(&self) -> Region<K, V> {
        Region { core: Arc::clone(&self.core), key: PhantomData }
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for Region<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("name", &self.name())
            .field("kept_near", &self.kept_near())
            .field("keys_in_use", &self.core.slots.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The value of an access that must have one.
pub(crate) fn value<V>(ended: Ended<V>) -> Got<V> {
    match ended {
        Ended::Value(got) => got,
        Ended::Absent => unreachable!("an access that does not find takes no absence"),
    }
}
