//! The edges of the backend on memcached: real servers, a proxy before them, an imitation of one. Each test is named
//! for its law, or for the number of its case.

mod connect;
mod counters;
#[path = "../counting/mod.rs"]
mod counting;
mod cuts;
#[path = "../cutting/mod.rs"]
mod cutting;
mod drops;
mod hostile;
#[path = "../kit/mod.rs"]
mod kit;
mod lifetimes;
mod links;
mod regions;
mod runtimes;
mod several;
mod trips;
mod values;

use dogpile_cache::backend::{Backend, BackendErrorKind, Memcached, Pending};
use dogpile_servers::{MemcachedServer, Proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A bound for what hangs only if it is wrong.
const WATCHDOG: Duration = Duration::from_secs(30);

const MS: Duration = Duration::from_millis(1);

async fn connect(server: &MemcachedServer) -> Arc<Memcached> {
    Arc::new(Memcached::connect(&server.url()).await.expect("a connection"))
}

/// A backend whose connections go through a proxy.
async fn connect_by(proxy: &Proxy) -> Arc<Memcached> {
    Arc::new(Memcached::connect(&format!("memcached://{}", proxy.address())).await.expect("a connection"))
}

/// Awaits what hangs only if it is wrong.
#[track_caller]
fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        let output = tokio::time::timeout(WATCHDOG, future).await;
        output.unwrap_or_else(|_| panic!("it hangs, at {at}"))
    }
}

/// Waits until something is so.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let (at, began) = (std::panic::Location::caller(), Instant::now());
    async move {
        while !is_so() {
            assert!(began.elapsed() < WATCHDOG, "it does not come to be so, at {at}");
            tokio::time::sleep(MS).await;
        }
    }
}

/// Waits until a backend has its servers.
async fn connected(memcached: &Memcached) {
    let began = Instant::now();
    while let Err(error) = memcached.ping().await {
        assert!(began.elapsed() < WATCHDOG, "{error:?}");
        tokio::time::sleep(MS).await;
    }
}

async fn kind<T: std::fmt::Debug>(pending: Pending<'_, T>) -> BackendErrorKind {
    within(pending).await.expect_err("an error").kind()
}
