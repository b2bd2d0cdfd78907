//! What is compared: a region over Redis, memcached or PostgreSQL, amalgam and hitbox, each as a cache of texts by number.
//!
//! | subject | value on the server | creators |
//! |---|---|---|
//! | `region` | raw bytes | one process, by a grant with a lease |
//! | `amalgam` | postcard | one process, by a lock with a lease |
//! | `hitbox` | bincode | each process; one task in it |
//!
//! Every subject has its own defaults, but for what the benches name: the lifetime of a value is an hour, and the lease
//! of a holder that of [`Settings`].

use amalgam::provider::{PostcardSerializer, RedisBackplane, RedisDistributedCache, RedisDistributedLocker};
use amalgam::{EntryOptions, FactoryError, source};
use bytes::Bytes;
use dogpile_cache::backend::{Memcached, Postgres, Redis};
use dogpile_cache::codec::Raw;
use dogpile_cache::{Got, Region};
use hitbox::concurrency::BroadcastConcurrencyManager;
use hitbox::policy::PolicyConfig;
use hitbox_core::DisabledOffload;
use hitbox_fn::prelude::*;
use hitbox_redis::{ConnectionMode, RedisBackend};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// How the value of a key is created, in this process.
pub type Creator = fn(u64) -> Pin<Box<dyn Future<Output = String> + Send>>;

/// (hitbox knows a creator by its type alone, so that all subjects have one for the process.)
static CREATOR: OnceLock<Creator> = OnceLock::new();

/// Says how values are created. To be called before anything else.
///
/// # Panics
///
/// Panics if it was called before.
pub fn create_by(creator: Creator) {
    CREATOR.set(creator).expect("the process has one creator");
}

/// Creates the value of a key, as the process does it.
///
/// # Panics
///
/// Panics if the process has no creator: see [`create_by`].
pub async fn create(key: u64) -> String {
    CREATOR.get().expect("there is a creator")(key).await
}

/// What a cache is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The lease of a holder, where there is one.
    pub lease: Duration,
    /// Whether there are values in the process, and messages between processes, where a subject has them by default
    /// (amalgam). Without them every access asks the server.
    pub has_near: bool,
    /// How often a region that waits looks at least. `None`: as by default.
    pub poll: Option<Duration>,
}

/// What an access returns. In a box, so that the code of all subjects is compiled here, once.
pub type Access<'a, V> = Pin<Box<dyn Future<Output = Result<V, String>> + Send + 'a>>;

/// A cache of texts by number, over a server.
pub trait Cache: Send + Sync + Sized + 'static {
    /// A text.
    type Value: AsRef<[u8]> + Send;

    /// Connects to a server.
    fn connect(url: &str, settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>>;

    /// Returns the value of a key, which one of the callers creates if it is missing.
    fn get(&self, key: u64) -> Access<'_, Self::Value>;
}

fn words(error: impl Debug) -> String {
    format!("{error:?}")
}

/// A region over Redis, memcached or PostgreSQL, as the URL says. (PostgreSQL has the tables already.)
#[expect(missing_debug_implementations, reason = "nobody prints a cache")]
pub struct Ours(Region<u64, Bytes>);

/// Its value.
#[derive(Debug)]
pub struct OurValue(Got<Bytes>);

impl AsRef<[u8]> for OurValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Cache for Ours {
    type Value = OurValue;

    fn connect(url: &str, settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let mut region = Region::builder("bench").expires_after(HOUR).lease(settings.lease);
            if let Some(poll) = settings.poll {
                region = region.poll(poll);
            }
            let region = if url.starts_with("memcached") {
                region.far(Memcached::connect(url).await.expect("the server is there"))
            } else if url.starts_with("postgresql") {
                region.far(Postgres::connect(url).await.expect("the server is there"))
            } else {
                region.far(Redis::connect(url).await.expect("the server is there"))
            };
            Self(region.codec(Raw).build().expect("the settings agree"))
        })
    }

    fn get(&self, key: u64) -> Access<'_, OurValue> {
        Box::pin(async move {
            self.0.get(&key).or_create(async || Bytes::from(create(key).await)).await.map(OurValue).map_err(words)
        })
    }
}

/// amalgam: the crate's `Cache`, its values and its locks on the server.
#[expect(missing_debug_implementations, reason = "nobody prints a cache")]
pub struct Amalgam(amalgam::Cache<String>);

impl Cache for Amalgam {
    type Value = String;

    fn connect(url: &str, settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let far = RedisDistributedCache::connect(url).await.expect("the server is there");
            let locker = RedisDistributedLocker::connect(url).await.expect("the server is there");
            let is_far = !settings.has_near;
            let mut cache = amalgam::Cache::builder()
                .distributed(Arc::new(far))
                .serializer(Arc::new(PostcardSerializer))
                .distributed_locker(Arc::new(locker))
                .lease_ttl(settings.lease)
                .default_options(EntryOptions::new(HOUR).with_skip_memory(is_far, is_far));
            if settings.has_near {
                cache = cache.backplane(Arc::new(RedisBackplane::connect(url).await.expect("the server is there")));
            }
            Self(cache.try_build().expect("the settings agree"))
        })
    }

    fn get(&self, key: u64) -> Access<'_, String> {
        Box::pin(async move {
            let source =
                source::factory(move |context| async move { Ok::<_, FactoryError>(context.value(create(key).await)) });
            self.0.get_or_set(key.to_string(), source).await.map_err(words)
        })
    }
}

/// hitbox: a memoized function, its values on the server.
#[expect(missing_debug_implementations, reason = "nobody prints a cache")]
pub struct Hitbox(hitbox_fn::Cache<RedisBackend, BroadcastConcurrencyManager<String>, DisabledOffload>);

#[cached]
async fn memoized(key: u64) -> String {
    create(key).await
}

impl Cache for Hitbox {
    type Value = String;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let backend = RedisBackend::builder().connection(ConnectionMode::single(url)).build();
            let one_task = 1_u8.try_into().expect("1 is a limit");
            let cache = hitbox_fn::Cache::builder()
                .backend(backend.expect("the settings agree"))
                .policy(PolicyConfig::builder().ttl(HOUR).concurrency(one_task).build())
                .concurrency_manager(BroadcastConcurrencyManager::new());
            Self(cache.build())
        })
    }

    fn get(&self, key: u64) -> Access<'_, String> {
        Box::pin(async move { Ok(memoized(key).cache(&self.0).await) })
    }
}
