//! What these tests share.

use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendError, Change, Changed, Claim, Claimed, Entry, Grant, Look, Postgres, Token, connect,
};
use dogpile_cache::codec::{Format, MessagePack, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_cache::region::OverFar;
use dogpile_cache::{Region, RegionBuilder};
use dogpile_servers::PostgresServer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);

/// A bound for what hangs only if it is wrong.
pub const WATCHDOG: Duration = Duration::from_secs(30);

/// A lease that outlives any test.
pub const LONG: Duration = Duration::from_secs(600);

/// For how long a stranger's transaction stays open: until the test ends it. What does not wait for it takes a round
/// trip, what waits at the server 0.4 s; what waits for the transaction would take as long as the watchdog.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// The name of all regions, which is the namespace of their keys.
pub const NAME: &str = "edge";

const SHAPE: Shape = Shape { schema: 0, format: Format::MESSAGE_PACK };

/// The stored key of a name.
pub fn key(name: &str) -> StoredKey {
    StoredKey::new(&Namespace::new(NAME).unwrap(), name, SHAPE, KeyLimit::bytes(1024))
}

/// A server with tables.
pub async fn server() -> PostgresServer {
    let server = PostgresServer::start().unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    server
}

pub async fn backend(server: &PostgresServer) -> Arc<Postgres> {
    Arc::new(Postgres::connect(&server.url()).await.unwrap())
}

/// A session of a stranger's.
pub async fn stranger(server: &PostgresServer) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The builder of a region over this backend: one process of a fleet.
pub fn builder(postgres: &Arc<Postgres>) -> RegionBuilder<OverFar<MessagePack>> {
    Region::builder(NAME).expires_after(MINUTE).backend_timeout(SECOND * 10).far(Arc::clone(postgres))
}

pub fn region(postgres: &Arc<Postgres>) -> Region<str, String> {
    builder(postgres).build().unwrap()
}

/// Awaits what hangs only if it is wrong.
#[track_caller]
pub fn within<F: Future>(bound: Duration, future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(bound, future).await;
        output.unwrap_or_else(|_| panic!("it has waited, at {at}"))
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let (at, began) = (std::panic::Location::caller(), Instant::now());
    async move {
        while !is_so().await {
            assert!(began.elapsed() < WATCHDOG, "it does not come to be so, at {at}");
            tokio::time::sleep(MS).await;
        }
    }
}

/// Waits until a backend has its server.
pub async fn connected(postgres: &Postgres) {
    until(async || postgres.ping().await.is_ok()).await;
}

pub fn entry(bytes: &'static str) -> Entry {
    Entry { bytes: Bytes::from_static(bytes.as_bytes()), lifetime: Some(LONG) }
}

pub fn claim(lease: Duration) -> Claim {
    Claim::new(Token::random(), lease)
}

pub async fn look(postgres: &Postgres, key: &StoredKey) -> Look {
    within(AT_ONCE, postgres.look(std::slice::from_ref(key), None)).await.unwrap().remove(0)
}

pub async fn stored(postgres: &Postgres, key: &StoredKey) -> Option<Bytes> {
    look(postgres, key).await.entry
}

pub async fn granted(postgres: &Postgres, key: &StoredKey, lease: Duration) -> Grant {
    match within(AT_ONCE, postgres.claim(key, claim(lease))).await.unwrap() {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

pub async fn set(postgres: &Postgres, key: &StoredKey, bytes: &'static str) -> Result<Changed, BackendError> {
    let change = Change::Set { entry: entry(bytes), void_pause: SECOND };
    within(AT_ONCE, postgres.change(key, change)).await
}

pub async fn invalidate(postgres: &Postgres, key: &StoredKey) -> Result<Changed, BackendError> {
    let change = Change::Invalidate { beside: Vec::new(), void_pause: SECOND };
    within(AT_ONCE, postgres.change(key, change)).await
}

/// The lock of a place, as the backend makes it.
fn lock(key: &StoredKey) -> String {
    let place = key.place();
    format!("('x' || left(encode(sha256('dogpile\\000{place}'::bytea), 'hex'), 16))::bit(64)::bigint")
}

/// The call of the function `set`, as a user's transaction makes it for a key.
pub fn set_as_a_user(key: &StoredKey) -> String {
    let (place, shape, lock) = (key.place(), key.shape(), lock(key));
    let (schema, format) = (shape.schema, shape.format.number());
    let rest = "0, 'theirs', 7, 60000, false, NULL, 0";
    format!("SELECT * FROM dogpile.set('{place}', {schema}, {format}::smallint, {lock}, {rest})")
}

/// The call of the function `invalidate`.
pub fn invalidate_as_a_user(key: &StoredKey) -> String {
    let (place, shape, lock) = (key.place(), key.shape(), lock(key));
    let (schema, format) = (shape.schema, shape.format.number());
    format!("SELECT * FROM dogpile.invalidate('{place}', '{{{schema}}}', '{{{format}}}', {lock}, 0, 0)")
}

/// The call of the function `claim`.
pub fn claim_as_a_user(key: &StoredKey) -> String {
    let (place, shape, lock) = (key.place(), key.shape(), lock(key));
    let (schema, format) = (shape.schema, shape.format.number());
    let rest = "0, 7, 60000, false, NULL, false, NULL, NULL, false";
    format!("SELECT * FROM dogpile.claim('{place}', {schema}, {format}::smallint, {lock}, {rest})")
}

/// Asserts that the server has logged no error.
pub fn assert_no_errors(server: &PostgresServer) {
    let log = server.log().unwrap();
    // (The question whether the server is up may have come too early.)
    let is_error = |line: &&str| {
        ["ERROR", "FATAL", "PANIC"].iter().any(|it| line.contains(it)) && !line.contains("is starting up")
    };
    let errors: Vec<_> = log.lines().filter(is_error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Asserts that no text of an error shows a name or a password.
pub fn assert_silent(error: &(dyn std::error::Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("anna") && !text.contains("secret"), "{text}");
        }
        next = error.source();
    }
}

/// Connects by the scheme of the URL.
pub async fn by_url(url: &str) -> Arc<dyn Backend> {
    connect(url).await.unwrap()
}
