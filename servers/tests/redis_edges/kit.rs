//! What these tests share.

use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Claim, Claimed, Entry, Grant, Look, Pending, Redis, Seen, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_cache::region::OverFar;
use dogpile_cache::{Region, RegionBuilder, codec::MessagePack};
use dogpile_servers::{Builder, FakeServer, RedisServer, Reply, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

/// A bound for what hangs only if it is wrong.
pub const WATCHDOG: Duration = Duration::from_secs(30);

/// A lease that outlives any test.
pub const LONG: Duration = Duration::from_secs(600);

/// The name of all regions, which is the namespace of their keys.
pub const NAME: &str = "edge";

/// The shape of what regions of texts store.
pub const SHAPE: Shape = Shape { schema: 0, format: Format::MESSAGE_PACK };

/// The stored key of a name.
pub fn key(name: &str) -> StoredKey {
    StoredKey::new(&Namespace::new(NAME).unwrap(), name, SHAPE, KeyLimit::NONE)
}

/// The four keys of a place on the server.
pub const PARTS: [&str; 4] = ["entry", "grant", "pause", "count"];

/// The key on the server of a part of a place.
pub fn part(key: &StoredKey, part: &str) -> String {
    match part {
        "entry" => format!("{{{}}}{}", key.place(), &key.full()[key.place().len()..]),
        other => format!("{{{}}}@{other}", key.place()),
    }
}

pub async fn connect(server: &RedisServer) -> Arc<Redis> {
    Arc::new(Redis::connect(&server.url()).await.expect("a connection"))
}

/// A server of whose connections a test can tell whether they are open: see [`is_open`].
pub fn seen() -> Builder {
    RedisServer::builder().args(["--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru"])
}

/// Whether there is an open connection, as the backend knows it: the warning of its server's policy comes and goes with
/// the connection.
pub fn is_open(redis: &Redis) -> bool {
    !redis.warnings().is_empty()
}

/// The builder of a region over this backend: one process of a fleet.
pub fn builder(redis: &Arc<Redis>) -> RegionBuilder<OverFar<MessagePack>> {
    Region::builder(NAME).expires_after(MINUTE).backend_timeout(SECOND * 10).far(Arc::clone(redis))
}

pub fn region(redis: &Arc<Redis>) -> Region<str, String> {
    builder(redis).build().unwrap()
}

/// A region in a process of its own: with a connection of its own.
pub async fn process(server: &RedisServer) -> Region<str, String> {
    region(&connect(server).await)
}

/// Awaits what hangs only if it is wrong.
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(WATCHDOG, future).await;
        output.unwrap_or_else(|_| panic!("it hangs, at {at}"))
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let (at, began) = (std::panic::Location::caller(), Instant::now());
    async move {
        while !is_so() {
            assert!(began.elapsed() < WATCHDOG, "it does not come to be so, at {at}");
            tokio::time::sleep(MS).await;
        }
    }
}

/// Waits until a backend has its server.
pub async fn connected(redis: &Redis) {
    let began = Instant::now();
    while let Err(error) = redis.ping().await {
        assert!(began.elapsed() < WATCHDOG, "{error:?}");
    }
}

pub fn entry(bytes: &'static str) -> Entry {
    Entry { bytes: Bytes::from_static(bytes.as_bytes()), lifetime: Some(LONG) }
}

/// A claim of what is there, with a token of its own.
pub fn claim(lease: Duration) -> Claim {
    Claim::new(Token::random(), lease)
}

pub async fn look(redis: &Redis, key: &StoredKey) -> Look {
    redis.look(std::slice::from_ref(key), None).await.unwrap().remove(0)
}

pub async fn granted(redis: &Redis, key: &StoredKey, lease: Duration) -> Grant {
    match redis.claim(key, claim(lease)).await.unwrap() {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

pub fn set(bytes: &'static str) -> Change {
    Change::Set { entry: entry(bytes), void_pause: SECOND }
}

pub fn set_if(bytes: &'static str, seen: Seen) -> Change {
    Change::SetIf { entry: entry(bytes), seen, void_pause: SECOND }
}

pub fn mark() -> Change {
    Change::MarkStale { beside: Vec::new() }
}

pub fn invalidate() -> Change {
    Change::Invalidate { beside: Vec::new(), void_pause: SECOND }
}

pub async fn error<T: std::fmt::Debug>(pending: Pending<'_, T>) -> BackendError {
    within(pending).await.expect_err("an error")
}

pub async fn kind<T: std::fmt::Debug>(pending: Pending<'_, T>) -> BackendErrorKind {
    error(pending).await.kind()
}

/// All keys of the server.
pub fn keys(server: &RedisServer) -> Vec<String> {
    let found = server.command(&["KEYS", "*"]).unwrap();
    let mut keys: Vec<String> = found.items().iter().map(|key| key.text().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

/// The milliseconds that a key has left: -1, if it lives for ever, and -2, if there is none.
pub fn left(server: &RedisServer, key: &str) -> i64 {
    server.command(&["PTTL", key]).unwrap().int().unwrap()
}

/// Nothing lives for ever (G17).
#[track_caller]
pub fn assert_mortal(server: &RedisServer) {
    let ask = "local all = {} for _, key in ipairs(redis.call('KEYS', '*')) do \
               if redis.call('PTTL', key) == -1 then all[#all + 1] = key end end return all";
    let immortal = server.command(&["EVAL", ask, "0"]).unwrap();
    assert!(immortal.items().is_empty(), "keys without a lifetime: {immortal:?}");
}

/// What a Redis answers on a connection that is made, and to questions of what it is.
pub fn handshake(words: &[Vec<u8>]) -> Reply {
    let word = |at: usize| words.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let info = match (&word(0)[..], &word(1)[..]) {
        (b"HELLO", _) => return Reply::Raw(b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n".to_vec()),
        (b"TIME", _) => return Reply::Value(Value::Array(vec![Value::bulk("1700000000"), Value::bulk("12")])),
        (b"PUBLISH", _) => return Reply::Value(Value::Int(0)),
        (b"INFO", b"SERVER") => "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:r\r\n",
        (b"INFO", b"REPLICATION") => "role:master\r\nmaster_replid:h\r\n",
        (b"INFO", b"MEMORY") => "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
        (b"INFO", b"PERSISTENCE") => "loading:0\r\n",
        _ => return Reply::ok(),
    };
    Reply::Value(Value::bulk(info))
}

/// A server that answers the commands of the backend's operations by `answer`, and its own questions as a Redis does.
pub fn imitation(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(move |words| {
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        match &*name {
            "GET" | "MGET" | "DEL" | "EVAL" | "EVALSHA" => answer(&name),
            _ => handshake(words),
        }
    })
    .unwrap()
}
