//! The floor of `redis_wake`: the least that a process has to do, by the raw client.
//!
//! A process subscribes, and tries to take the lock (`SET … NX`, which nobody renews). The process with the lock
//! creates, and then stores and publishes by one round trip. Another process looks, and looks again at each message.
//! Within a process one task does that for all. There is no envelope, no lease, no time-out, and no thread but the
//! workers.

use bytes::Bytes;
use dogpile_server_peers::subjects::{Access, Cache, Settings, create};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OnceCell};

/// The channel of all keys: a process waits for one at a time.
const CHANNEL: &str = "floor";

pub struct Floor {
    connection: MultiplexedConnection,
    signals: MultiplexedConnection,
    heard: Arc<Notify>,
    values: Mutex<HashMap<u64, Arc<OnceCell<Bytes>>>>,
}

impl Cache for Floor {
    type Value = Bytes;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let client = redis::Client::open(format!("{url}/?protocol=resp3")).expect("a sound URL");
            let heard = Arc::new(Notify::new());
            let config = {
                let heard = Arc::clone(&heard);
                AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
                    if push.kind == PushKind::Message {
                        heard.notify_one();
                    }
                    Ok::<(), ()>(())
                })
            };
            let signals = client.get_multiplexed_async_connection_with_config(&config).await;
            let connection = client.get_multiplexed_async_connection().await;
            let server = "the server is there";
            let (connection, signals) = (connection.expect(server), signals.expect(server));
            Self { connection, signals, heard, values: Mutex::default() }
        })
    }

    fn get(&self, key: u64) -> Access<'_, Bytes> {
        let value = Arc::clone(self.values.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        Box::pin(async move {
            let found = value.get_or_try_init(|| self.far(key)).await;
            found.cloned().map_err(|error| error.to_string())
        })
    }
}

impl Floor {
    async fn far(&self, key: u64) -> redis::RedisResult<Bytes> {
        let (mut connection, mut signals) = (self.connection.clone(), self.signals.clone());
        signals.subscribe(CHANNEL).await?;
        let mut lock = redis::cmd("SET");
        lock.arg(format!("lock:{key}")).arg(1).arg("NX");
        if lock.query_async::<Option<()>>(&mut connection).await?.is_some() {
            let value = create(key).await;
            let mut both = redis::pipe();
            both.set(key, &value).publish(CHANNEL, key);
            both.exec_async(&mut connection).await?;
            return Ok(value.into());
        }
        loop {
            if let Some(value) = redis::cmd("GET").arg(key).query_async::<Option<Vec<u8>>>(&mut connection).await? {
                return Ok(value.into());
            }
            self.heard.notified().await;
        }
    }
}
