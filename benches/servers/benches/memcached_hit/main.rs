//! What does a hit on a memcached server cost beside a raw `mg`?
//!
//! | subject | what it is |
//! |---|---|
//! | `raw` | `mg` by a connection that many tasks ask at once, made for this bench: the floor |
//! | `look` | the look of the backend `Memcached`, without a region |
//! | `region` | a region over memcached, with the codec for bytes |
//! | `memcache` | the crate `memcache`: the asynchronous client of its module `exp`, which has a pool |
//! | `async-memcached` | the crate of that name, a client for each of 8 connections of a pool (`deadpool`) |
//!
//! The floor is a connection written anew, since that of the backend is of no use without what a look does: it knows
//! the server's life and clock, which the floor has not asked for. Both take one connection, one task of the runtime,
//! and one system call for what is asked at once. The backend's has one advantage: a caller that finds the connection at
//! rest writes by itself.
//!
//! Values have 100 bytes. There are 1, 16 and 256 tasks on tokio with two workers, each with a key of its own, so that
//! no access shares a look with another. The server is another process, and each subject has its own connections.
//!
//! After the group come the medians of all rounds: the time of a hit, the CPU time that this process (user and system)
//! spends on a hit, and their ratios to those of the raw `mg`. All subjects have their turn in each round. Throughput is
//! the inverse of the time: the last lines compare that of the region with that of each pooled client.

#[path = "../hits/mod.rs"]
mod hits;
mod raw;

use async_memcached::AsciiProtocol;
use bytes::Bytes;
use deadpool::managed::{Manager, Metrics, Object, Pool, RecycleResult};
use dogpile_cache::backend::Memcached;
use dogpile_server_peers::subjects::{Access, Cache, Ours, Settings, create_by};
use dogpile_servers::MemcachedServer;
use hits::{Goals, Looked, Looks, SIZE, Subject, TASKS, measure, runtime, value};
use memcache::exp::{AsyncMemcache, Ttl};
use raw::Mux;
use std::pin::Pin;

/// The goal of a hit.
const GOALS: Goals = Goals { time: Some(1.15), ..Goals::NONE };

/// How much of the throughput of a pooled client the region is to have, at each number of tasks.
const AHEAD: [f64; 3] = [0.95, 1.0, 1.0];

/// The connections of a pool.
const POOL: usize = 8;

fn address(url: &str) -> &str {
    url.strip_prefix("memcached://").expect("the URL of a server with a port")
}

/// Keys as long as those of the region.
fn keys() -> Vec<String> {
    (0..TASKS[2]).map(|key| format!("other:{key}@0.2")).collect()
}

fn at(keys: &[String], key: u64) -> &str {
    &keys[usize::try_from(key).expect("few keys")]
}

/// The floor.
struct Raw(Mux, Vec<String>);

impl Cache for Raw {
    type Value = Bytes;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let mux = Mux::connect(address(url)).await.expect("the server is there");
            let keys = keys();
            for key in &keys {
                mux.call(format!("ms {key} {SIZE} T3600\r\n{}\r\n", value()).into_bytes()).await;
            }
            Self(mux, keys)
        })
    }

    fn get(&self, key: u64) -> Access<'_, Bytes> {
        Box::pin(async move {
            // What the backend asks for.
            let line = [b"mg ", at(&self.1, key).as_bytes(), b" v c t\r\n"].concat();
            Ok(self.0.call(line).await)
        })
    }
}

impl Cache for Looks<Memcached> {
    type Value = Looked;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move { Looks::store(Memcached::connect(url).await.expect("the server is there")).await })
    }

    fn get(&self, key: u64) -> Access<'_, Looked> {
        self.look(key)
    }
}

/// The crate `memcache`.
struct Memcache(AsyncMemcache, Vec<String>);

impl Cache for Memcache {
    type Value = Vec<u8>;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let client = AsyncMemcache::connect([address(url)]).await.expect("the server is there");
            let keys = keys();
            for key in &keys {
                client.set(key, value().into_bytes(), Ttl::secs(3600)).await.expect("the server answers");
            }
            Self(client, keys)
        })
    }

    fn get(&self, key: u64) -> Access<'_, Vec<u8>> {
        Box::pin(async move {
            let found = self.0.get::<Vec<u8>>(at(&self.1, key)).await.map_err(|error| error.to_string())?;
            found.ok_or_else(|| "a miss".to_owned())
        })
    }
}

/// The crate `async-memcached`.
struct Pooled(Pool<Connect>, Vec<String>);

struct Connect(String);

impl Manager for Connect {
    type Type = async_memcached::Client;
    type Error = async_memcached::Error;

    async fn create(&self) -> Result<Self::Type, Self::Error> {
        async_memcached::Client::new(&self.0).await
    }

    async fn recycle(&self, client: &mut Self::Type, _metrics: &Metrics) -> RecycleResult<Self::Error> {
        if client.is_closed() { Err(deadpool::managed::RecycleError::message("closed")) } else { Ok(()) }
    }
}

impl Pooled {
    async fn client(&self) -> Result<Object<Connect>, String> {
        self.0.get().await.map_err(|error| error.to_string())
    }
}

impl Cache for Pooled {
    type Value = Vec<u8>;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let manager = Connect(format!("tcp://{}", address(url)));
            let pool = Pool::builder(manager).max_size(POOL).build().expect("a pool without time-outs");
            let pooled = Self(pool, keys());
            let mut client = pooled.client().await.expect("the server is there");
            for key in &pooled.1 {
                client.set(key, &value(), Some(3600), None).await.expect("the server answers");
            }
            drop(client);
            pooled
        })
    }

    fn get(&self, key: u64) -> Access<'_, Vec<u8>> {
        Box::pin(async move {
            let found = self.client().await?.get(at(&self.1, key)).await.map_err(|error| error.to_string())?;
            found.and_then(|value| value.data).ok_or_else(|| "a miss".to_owned())
        })
    }
}

fn main() {
    create_by(|_| Box::pin(async { value() }));
    let server = MemcachedServer::start().expect("a memcached server");
    let (runtime, url) = (runtime(), server.url());
    let subjects = [
        Subject::new::<Raw>("raw", &runtime, &url, Goals::NONE),
        Subject::new::<Looks<Memcached>>("look", &runtime, &url, Goals::NONE),
        Subject::new::<Ours>("region", &runtime, &url, GOALS),
        Subject::new::<Memcache>("memcache", &runtime, &url, Goals::NONE),
        Subject::new::<Pooled>("async-memcached", &runtime, &url, Goals::NONE),
    ];
    measure("memcached_hit", "the raw mg", &runtime, &subjects, Some((2, &[3, 4], AHEAD)));
}
