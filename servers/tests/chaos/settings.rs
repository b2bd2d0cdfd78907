//! The settings of the regions, which the judge's bounds follow from.

use crate::history::MS;
use dogpile_cache::backend::Redis;
use dogpile_cache::observer::Observer;
use dogpile_cache::{Backoff, Region};
use std::sync::Arc;
use std::time::Duration;

/// What is created: its key, the identity of its creation, and what the source counted when it was read. (The source is
/// the clock that all processes share.)
pub type Value = (u64, u64, u64);

/// The lease of a grant, in nanoseconds.
pub const LEASE: u64 = 1000 * MS;

/// How long a creation has its grant, at most.
pub const CREATION_TIMEOUT: u64 = 1500 * MS;

/// What the backend may take in one access.
pub const BACKEND_TIMEOUT: u64 = 400 * MS;

/// For how long the backend is left in peace once it has failed.
pub const BACKEND_PAUSE: u64 = 200 * MS;

/// The time-out of the accesses that have one.
pub const TIMEOUT: u64 = 2000 * MS;

/// How many keys there are.
pub const KEYS: u64 = 12;

/// Whether a key is set and invalidated. On the others nothing but a fault explains an overlap.
pub fn is_changed(key: u64) -> bool {
    !key.is_multiple_of(3)
}

/// Whether there are faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// None, and nothing that voids a grant: no creations overlap, however slow the machine is.
    Calm,
    /// Each of them.
    Foul,
}

impl Weather {
    /// The name of the region.
    pub fn region(self) -> &'static str {
        match self {
            Weather::Calm => "calm",
            Weather::Foul => "chaos",
        }
    }
}

/// Returns the region of a process.
pub fn region(weather: Weather, backend: &Arc<Redis>, observer: impl Observer + 'static) -> Region<u64, Value> {
    let ms = Duration::from_millis;
    let builder = Region::builder(weather.region())
        .far(Arc::clone(backend))
        .expires_after(ms(250))
        .max_stale(ms(500))
        .retry_after(Backoff::new(ms(20), ms(200)))
        .poll(ms(100))
        .observer(observer);
    let builder = match weather {
        Weather::Calm => {
            let long = Duration::from_secs(60);
            builder.lease(long).creation_timeout(long).backend_timeout(long)
        }
        Weather::Foul => builder
            .lease(Duration::from_nanos(LEASE))
            .creation_timeout(Duration::from_nanos(CREATION_TIMEOUT))
            .backend_timeout(Duration::from_nanos(BACKEND_TIMEOUT))
            .backend_pause(Duration::from_nanos(BACKEND_PAUSE))
            .own_for(ms(200))
            .void_pause(ms(50)),
    };
    builder.build().expect("these settings agree")
}
