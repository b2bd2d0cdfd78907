//! The settings of the regions, which the judge's bounds follow from.

use crate::history::{MS, SECOND};
use dogpile_cache::backend::Backend;
use dogpile_cache::observer::Observer;
use dogpile_cache::{Backoff, Region};
use std::sync::Arc;
use std::time::Duration;

/// What is created: its key, the identity of its creation, and what the source counted when it was read. (The source is
/// the clock that all processes share.)
pub type Value = (u64, u64, u64);

/// For how long the backend is left in peace once it has failed.
pub const BACKEND_PAUSE: u64 = 200 * MS;

/// The time-out of the accesses that have one.
pub const TIMEOUT: u64 = 2000 * MS;

/// How many keys there are.
pub const KEYS: u64 = 12;

/// What is not the same over all backends, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the backend may take in one access.
    pub backend_timeout: u64,
    /// The lease of a grant.
    pub lease: u64,
    /// How long a creation has its grant, at most.
    pub creation_timeout: u64,
    /// How long a creator hangs: longer than it has its grant.
    pub hang: u64,
    /// For how long a value is fresh.
    pub fresh: u64,
    /// For how long it is there as an old one, after that.
    pub grace: u64,
    /// How much longer than another fault one reaches that begins another history of the server's data. An open
    /// connection may learn of that by its next heartbeat alone, of which there is one a second. Until then it takes
    /// the grants of the others for none.
    pub history: u64,
    /// Whether a change is given up by itself beside another transaction that gets no processor.
    pub gives_up: bool,
    /// How many times longer the tasks pause than over a server that is one process.
    pub slower: u64,
    /// Whether a counter outlives all that happens to the server's other data.
    pub counters_last: bool,
}

impl Terms {
    pub const REDIS: Terms = Terms {
        backend_timeout: 400 * MS,
        lease: 1000 * MS,
        creation_timeout: 1500 * MS,
        hang: 2000 * MS,
        fresh: 250 * MS,
        grace: 500 * MS,
        history: SECOND,
        gives_up: false,
        slower: 1,
        counters_last: false,
    };

    /// Whole seconds. No connection outlives a history of the data.
    pub const MEMCACHED: Terms = Terms {
        backend_timeout: 400 * MS,
        lease: 4 * SECOND,
        creation_timeout: 5 * SECOND,
        hang: 5500 * MS,
        fresh: 2 * SECOND,
        // Shorter than a lease: a grant must outlive the old value that it lies over.
        grace: SECOND,
        history: 0,
        gives_up: false,
        slower: 1,
        counters_last: false,
    };

    /// The server is a process for each connection, which all have to get a processor: everything takes longer there.
    /// The tables may be emptied under open connections, each of which learns of that by its next call alone.
    pub const POSTGRES: Terms = Terms {
        backend_timeout: 1000 * MS,
        lease: 1500 * MS,
        creation_timeout: 2000 * MS,
        hang: 2500 * MS,
        gives_up: true,
        slower: 2,
        counters_last: true,
        ..Terms::REDIS
    };

    /// Those of the servers that a URL names.
    pub fn of(url: &str) -> Terms {
        match url.split_once(':') {
            Some(("redis", _)) => Terms::REDIS,
            Some(("postgresql", _)) => Terms::POSTGRES,
            _ => Terms::MEMCACHED,
        }
    }
}

const _: () = assert!(Terms::REDIS.hang > Terms::REDIS.creation_timeout + 100 * MS);
const _: () = assert!(Terms::POSTGRES.hang > Terms::POSTGRES.creation_timeout + 100 * MS);
const _: () = assert!(Terms::MEMCACHED.hang > Terms::MEMCACHED.creation_timeout + 100 * MS);

/// Whether a key is set and invalidated. On the others nothing but a fault explains an overlap.
pub fn is_changed(key: u64) -> bool {
    !key.is_multiple_of(3)
}

/// Whether a key is touched, which lengthens the life of what lies there. On the others old values end.
pub fn is_touched(key: u64) -> bool {
    !key.is_multiple_of(2)
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
pub fn region(
    weather: Weather,
    terms: Terms,
    backend: Arc<dyn Backend>,
    observer: impl Observer + 'static,
) -> Region<u64, Value> {
    let (ms, ns) = (Duration::from_millis, Duration::from_nanos);
    let builder = Region::builder(weather.region())
        .far(backend)
        .expires_after(ns(terms.fresh))
        .max_stale(ns(terms.grace))
        .retry_after(Backoff::new(ms(20), ms(200)))
        .poll(ms(100))
        .observer(observer);
    let builder = match weather {
        Weather::Calm => {
            let long = Duration::from_secs(60);
            builder.lease(long).creation_timeout(long).backend_timeout(long)
        }
        Weather::Foul => builder
            .lease(ns(terms.lease))
            .creation_timeout(ns(terms.creation_timeout))
            .backend_timeout(ns(terms.backend_timeout))
            .backend_pause(ns(BACKEND_PAUSE))
            .own_for(ms(200))
            .void_pause(ms(50)),
    };
    builder.build().expect("these settings agree")
}
