//! Connections: where to, and what is no server.

use crate::kit::{key, set, stored};
use crate::{WATCHDOG, connected, kind, until, within};
use dogpile_cache::backend::{Backend, BackendErrorKind, ConnectError, Memcached, connect as connect_to};
use dogpile_servers::{FakeServer, MemcachedServer, Proxy, Reply};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

async fn refused(url: &str) -> ConnectError {
    within(Memcached::connect(url)).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_port_and_a_unix_socket_are_servers() {
    for builder in [MemcachedServer::builder(), MemcachedServer::builder().unix_socket()] {
        let server = builder.start().unwrap();
        let memcached = connect_to(&server.url()).await.unwrap();
        set(&memcached, &key("a"), "one").await.unwrap();
        assert_eq!(stored(&memcached, &key("a")).await.unwrap(), "one");
        assert_eq!(server.count("curr_items").unwrap(), 1);
    }
}

#[tokio::test]
async fn what_is_no_url_is_malformed() {
    for url in ["", "127.0.0.1", "anna:word@127.0.0.1:11211"] {
        assert_eq!(refused(url).await, ConnectError::NoScheme, "{url}");
    }
    for url in ["memcached://", "memcached://a:b", "memcached://user:word@a", "memcached+unix://x", "redis://a"] {
        let error = refused(url).await;
        assert!(matches!(error, ConnectError::Malformed { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("word"), "{error}");
    }
    let lazy = Memcached::lazy("memcached://a").unwrap();
    assert!(matches!(lazy.formerly("memcached://"), Err(ConnectError::Malformed { .. })));
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("memcached://{}", listener.local_addr().unwrap());
    let error = refused(&silent).await;
    assert!(matches!(&error, ConnectError::Unreachable { why, .. } if why.contains("in time")), "{error:?}");
    drop(listener);
    for url in [&*silent, "memcached+unix:///no/such/socket", "memcached://no.such.host.invalid"] {
        let error = refused(url).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{url}: {error:?}");
        let lazy = Memcached::lazy(url).unwrap();
        assert_eq!(kind(lazy.ping()).await, BackendErrorKind::Unreachable, "{url}");
    }
}

const STATS: &str = "STAT pid 7\r\nSTAT uptime 1\r\nSTAT time 2000000000\r\n";
const SETTINGS: &str = "STAT item_size_max 1048576\r\nEND\r\n";

/// A server that says this of itself.
fn imitation(version: &str, stats: &str) -> FakeServer {
    let (version, stats) = (format!("{version}\r\n"), format!("{stats}END\r\n"));
    FakeServer::memcached(move |words| {
        let text = match (&words[0][..], words.len()) {
            (b"version", _) => &version,
            (b"stats", 1) => &stats,
            (b"stats", _) => SETTINGS,
            _ => "EN O3\r\n",
        };
        Reply::Raw(text.as_bytes().to_vec())
    })
    .unwrap()
}

#[tokio::test]
async fn a_server_that_will_not_do_is_refused_clearly() {
    for (version, stats, why) in [
        ("VERSION 1.6.11", STATS, "1.6.12 is the oldest"),
        ("VERSION 1.4.39", STATS, "1.6.12 is the oldest"),
        ("VERSION 36.0.0 mcrouter", STATS, "as a memcached does"),
        ("ERROR", STATS, "as a memcached does"),
        ("-ERR unknown command 'version'", STATS, "as a memcached does"),
        ("HTTP/1.1 400 Bad Request", STATS, "as a memcached does"),
        ("VERSION 1.6.30", "STAT pid 7\r\nSTAT uptime 1\r\nSTAT time 9\r\nSTAT proxy_conn_requests 0\r\n", "a proxy"),
        ("VERSION 1.6.30", "STAT pid 7\r\n", "as a memcached does"),
    ] {
        let server = imitation(version, stats);
        let error = refused(&format!("memcached://{}", server.address())).await;
        let ConnectError::Unfit { why: said, .. } = &error else { panic!("{version}: {error:?}") };
        assert!(said.contains(why), "{version}: {said}");
    }
    let good = imitation("VERSION 1.6.12", STATS);
    Memcached::connect(&format!("memcached://{}", good.address())).await.unwrap();
}

/// It is a memcached, and will take connections again.
#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_unreachable() {
    let server = imitation("ERROR Too many open connections", STATS);
    let error = refused(&format!("memcached://{}", server.address())).await;
    assert!(matches!(&error, ConnectError::Unreachable { why, .. } if why.contains("no more")), "{error:?}");
}

/// Behind an address that leads to one server after the other no life can be known.
#[tokio::test]
async fn an_address_that_leads_to_two_servers_is_refused() {
    let (one, other) = (MemcachedServer::start().unwrap(), MemcachedServer::start().unwrap());
    let proxy = Proxy::start(one.address()).unwrap();
    let memcached = Arc::new(Memcached::connect(&format!("memcached://{}", proxy.address())).await.unwrap());
    proxy.forward_to(other.address());
    let (asked, a) = (Arc::clone(&memcached), key("a"));
    // Another runtime has a connection of its own.
    let error = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(set(&*asked, &a, "one")).unwrap_err()
    });
    let error = until_joined(error).await;
    assert_eq!(error.kind(), BackendErrorKind::Unreachable);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("two servers"), "{error:?}");
    memcached.ping().await.expect("the first connection goes on");
}

async fn until_joined<T>(thread: std::thread::JoinHandle<T>) -> T {
    until(|| thread.is_finished()).await;
    thread.join().unwrap()
}

/// A server that is away is not asked for with each operation.
#[tokio::test]
async fn after_a_failure_there_is_a_pause_and_then_a_connection() {
    let mut server = MemcachedServer::start().unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = Memcached::lazy(&format!("memcached://{}", proxy.address())).unwrap();
    server.kill();
    let began = Instant::now();
    while began.elapsed() < WATCHDOG / 60 {
        assert_eq!(kind(memcached.ping()).await, BackendErrorKind::Unreachable);
        attempts.fetch_add(1, Ordering::Relaxed);
    }
    let (asked, connections) = (attempts.load(Ordering::Relaxed), proxy.connections());
    // Pauses of 10, 20, 40, … ms at least.
    assert!(asked > 100 && connections <= 8, "{connections} connections for {asked} operations");
    server.restart().unwrap();
    connected(&memcached).await;
}
