//! What does a hit on a Redis server cost beside the raw client's GET?
//!
//! | subject | what it is |
//! |---|---|
//! | `raw` | `GET` by the multiplexed connection of the crate `redis`: the floor |
//! | `look` | the look of the backend `Redis`, without a region |
//! | `region` | a region over Redis, with the codec for bytes |
//! | `amalgam` | amalgam over Redis, without values in the process |
//! | `hitbox` | a function memoized by hitbox over Redis |
//!
//! Values have 100 bytes. There are 1, 16 and 256 tasks on tokio with two workers, each with a key of its own, so that
//! no access shares a look with another. The server is another process, and each subject has its own connection.
//!
//! After the group come the medians of all rounds: the time of a hit, the CPU time that this process (user and system)
//! spends on a hit, and their ratios to those of the raw client. All subjects have their turn in each round.

#[path = "../hits/mod.rs"]
mod hits;

use dogpile_cache::backend::Redis;
use dogpile_server_peers::subjects::{Access, Amalgam, Cache, Hitbox, Ours, Settings, create_by};
use dogpile_servers::RedisServer;
use hits::{Goals, Looked, Looks, Subject, TASKS, measure, runtime, value};
use redis::aio::MultiplexedConnection;
use std::pin::Pin;

/// The goals of a hit.
const GOALS: Goals = Goals { time: Some(1.15), cpu: Some(1.3) };

/// The raw client.
struct Raw(MultiplexedConnection, Vec<String>);

impl Cache for Raw {
    type Value = Vec<u8>;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let client = redis::Client::open(url).expect("a sound URL");
            let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
            // As long as those of the region.
            let keys: Vec<String> = (0..TASKS[2]).map(|key| format!("{{other:{key}}}@0.2")).collect();
            for key in &keys {
                let set = redis::cmd("SET").arg(key).arg(value()).exec_async(&mut connection).await;
                set.expect("the server answers");
            }
            Self(connection, keys)
        })
    }

    fn get(&self, key: u64) -> Access<'_, Vec<u8>> {
        Box::pin(async move {
            let key = &self.1[usize::try_from(key).expect("few keys")];
            let mut connection = self.0.clone();
            redis::cmd("GET").arg(key).query_async(&mut connection).await.map_err(|error| error.to_string())
        })
    }
}

impl Cache for Looks<Redis> {
    type Value = Looked;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move { Looks::store(Redis::connect(url).await.expect("the server is there")).await })
    }

    fn get(&self, key: u64) -> Access<'_, Looked> {
        self.look(key)
    }
}

fn main() {
    create_by(|_| Box::pin(async { value() }));
    let server = RedisServer::start().expect("a Redis server");
    let (runtime, url) = (runtime(), server.url());
    let subjects = [
        Subject::new::<Raw>("raw", &runtime, &url, Goals::NONE),
        Subject::new::<Looks<Redis>>("look", &runtime, &url, Goals::NONE),
        Subject::new::<Ours>("region", &runtime, &url, GOALS),
        Subject::new::<Amalgam>("amalgam", &runtime, &url, Goals::NONE),
        Subject::new::<Hitbox>("hitbox", &runtime, &url, Goals::NONE),
    ];
    measure("redis_hit", "the raw GET", &runtime, &subjects, None);
}
