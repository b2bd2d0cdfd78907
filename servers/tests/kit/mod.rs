//! What the tests of fleets share.
#![allow(dead_code)] // Each test program uses some of it.

use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendError, Change, Claim, Claimed, Count, Counted, Entry, Grant, Look, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::time::{Duration, Instant};

pub const SECOND: Duration = Duration::from_secs(1);

/// For what comes, but has no bound of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const LEASE: Duration = Duration::from_secs(60);

const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };

/// The stored key of a text.
pub fn key(text: &str) -> StoredKey {
    StoredKey::new(&Namespace::new("fleet").unwrap(), text, SHAPE, KeyLimit::bytes(1024))
}

/// The first of the keys that Redis has for a place.
pub fn on_server(key: &StoredKey) -> String {
    format!("{{{}}}@grant", key.place())
}

pub fn entry(text: &str) -> Entry {
    Entry { bytes: Bytes::copy_from_slice(text.as_bytes()), lifetime: Some(LEASE) }
}

pub async fn look(backend: &impl Backend, key: &StoredKey) -> Result<Look, BackendError> {
    backend.look(std::slice::from_ref(key), None).await.map(|mut looks| looks.remove(0))
}

/// What is stored for a key.
pub async fn stored(backend: &impl Backend, key: &StoredKey) -> Option<Bytes> {
    look(backend, key).await.unwrap().entry
}

pub async fn set(backend: &impl Backend, key: &StoredKey, text: &str) -> Result<(), BackendError> {
    backend.change(key, Change::Set { entry: entry(text), void_pause: SECOND }).await.map(drop)
}

pub async fn invalidate(backend: &impl Backend, key: &StoredKey) -> Result<(), BackendError> {
    backend.change(key, Change::Invalidate { beside: Vec::new(), void_pause: SECOND }).await.map(drop)
}

pub async fn granted(backend: &impl Backend, key: &StoredKey) -> Grant {
    match backend.claim(key, Claim::new(Token::random(), LEASE)).await.unwrap() {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

/// Counts on by one.
pub async fn count(backend: &impl Backend, key: &StoredKey) -> Result<u64, BackendError> {
    let add = Count::Add { delta: 1, ceiling: u64::MAX, lifetime: Some(LEASE) };
    backend.count(key, add).await.map(|counted| match counted {
        Counted::Now(value) => value,
        other @ Counted::TooLarge(_) => panic!("{other:?}"),
    })
}

/// Tries until something comes to a good end. Returns it, and how long that took.
pub async fn in_time<T, E: std::fmt::Debug>(mut what: impl AsyncFnMut() -> Result<T, E>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        match what().await {
            Ok(done) => return (done, began.elapsed()),
            Err(why) => assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {why:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
