//! Builds a [`Mint`].

use super::Mint;
use crate::backend::Backend;
use crate::codec::{Codec, MessagePack};
use crate::near::Near;
use crate::region::{BuildError, NearAlone, OverFar, Region, RegionBuilder, RegionKey};
use std::time::Duration;

/// Builds a [`Mint`]: see [`Mint::builder`](super::Mint).
///
/// | setting | default | reason for the default |
/// |---|---|---|
/// | [`default_timeout`](Self::default_timeout) | 300 s | that of Django, for which `MintCache` was written |
/// | [`grace`](Self::grace) | 30 s | that of `MintCache` |
/// | [`near`](Self::near) | with a backend: none; else 10,000 values | as for a region |
/// | all others, by [`with`](Self::with) | those of [`RegionBuilder`] | |
#[derive(Clone, Debug)]
#[must_use = "a mint is made by `build`"]
pub struct MintBuilder<F>(RegionBuilder<F>);

impl MintBuilder<NearAlone> {
    pub(super) fn new(name: &str) -> MintBuilder<NearAlone> {
        let (second, builder) = (Duration::from_secs(1), Region::builder(name));
        MintBuilder(builder.expires_after(second * 300).max_stale(second * 30))
    }

    /// Puts the values on a backend, which the fleet shares: see [`RegionBuilder::far`].
    pub fn far(self, backend: impl Backend) -> MintBuilder<OverFar<MessagePack>> {
        MintBuilder(self.0.far(backend))
    }

    /// Builds the `Mint`. Never blocks, but for the start of the keeper: see
    /// [`RegionBuilder::build`](RegionBuilder::<NearAlone>::build).
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build<K: RegionKey + ?Sized, V: Send + Sync + 'static>(self) -> Result<Mint<K, V>, BuildError> {
        self.0.build().map(Mint::new)
    }
}

impl<C> MintBuilder<OverFar<C>> {
    /// Sets the codec of the values, [`MessagePack`] by default: see [`RegionBuilder::codec`].
    pub fn codec<D>(self, codec: D) -> MintBuilder<OverFar<D>> {
        MintBuilder(self.0.codec(codec))
    }

    /// Builds the `Mint`. Never blocks, but for the start of the keeper: see
    /// [`RegionBuilder::build`](RegionBuilder::<OverFar<C>>::build). Asks the backend for nothing but its limits.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build<K: RegionKey + ?Sized, V: Send + Sync + 'static>(self) -> Result<Mint<K, V>, BuildError>
    where
        C: Codec<V> + Clone + Send + Sync + 'static,
    {
        self.0.build().map(Mint::new)
    }
}

impl<F> MintBuilder<F> {
    /// Sets for how long a value is fresh whose [`Timeout`](super::Timeout) is the default. It is the region's
    /// [`expires_after`](RegionBuilder::expires_after): `Duration::MAX` is for ever, and zero is refused at
    /// [`build`](Self::build), as is a time below two grains of the backend.
    pub fn default_timeout(self, timeout: Duration) -> Self {
        self.with(|region| region.expires_after(timeout))
    }

    /// Sets for how long a late value is served to those that are not elected, from when it is late. It is the region's
    /// [`max_stale`](RegionBuilder::max_stale). `Duration::ZERO`: not at all, so that a late key is a cold one;
    /// `Duration::MAX`: for ever.
    pub fn grace(self, grace: Duration) -> Self {
        self.with(|region| region.max_stale(grace))
    }

    /// Keeps values in this process, decoded: see [`RegionBuilder::near`].
    pub fn near(self, near: Near) -> Self {
        self.with(|region| region.near(near))
    }

    /// Sets all that a region has to be set: the lease, the observer, what happens when the backend is down.
    ///
    /// ```
    /// use dogpile_cache::mint::Mint;
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let pages = Mint::builder("page").with(|region| region.creation_timeout(minute / 2).jitter(0.1));
    /// let pages = pages.build::<str, String>()?;
    /// # Ok::<(), dogpile_cache::BuildError>(())
    /// ```
    pub fn with<G>(self, set: impl FnOnce(RegionBuilder<F>) -> RegionBuilder<G>) -> MintBuilder<G> {
        MintBuilder(set(self.0))
    }
}
