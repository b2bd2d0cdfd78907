//! Connections that are lost, silent, or lead to another life.

use crate::kit::{LEASE, entry, granted, key, look, set, stored};
use crate::{WATCHDOG, connect, connect_by, connected, until, within};
use dogpile_cache::backend::{
    Backend, BackendErrorKind, Claim, Claimed, Ended, Memcached, Published, Refusal, Renewed, Rest, Token,
};
use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{MemcachedServer, Proxy};
use std::sync::Arc;
use std::time::Instant;

/// Some operations at once, each of which fails. Returns the kinds of their errors.
async fn failures(memcached: &Arc<Memcached>) -> Vec<BackendErrorKind> {
    let operations: Vec<_> = (0..20)
        .map(|at| {
            let (memcached, a) = (Arc::clone(memcached), key("a"));
            tokio::spawn(async move {
                match at % 4 {
                    0 => look(&*memcached, &a).await.map(drop),
                    1 => set(&*memcached, &a, "one").await,
                    2 => memcached.claim(&a, Claim::new(Token::random(), LEASE)).await.map(drop),
                    _ => memcached.ping().await,
                }
            })
        })
        .collect();
    let mut kinds = Vec::new();
    for operation in operations {
        kinds.push(within(operation).await.unwrap().expect_err("nobody has answered").kind());
    }
    kinds
}

#[tokio::test]
async fn s98_a_stopped_server_ends_each_operation_within_the_heartbeat_and_goes_on() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let grant = granted(&*memcached, &key("held")).await;
    server.stop().unwrap();
    let began = Instant::now();
    let kinds = failures(&memcached).await;
    assert!(kinds.iter().all(|kind| *kind == BackendErrorKind::InDoubt), "{kinds:?}");
    // Four seconds, and another one until the heartbeat was due.
    assert!(began.elapsed() < WATCHDOG / 2, "{:?}", began.elapsed());
    server.go_on().unwrap();
    connected(&memcached).await;
    // It is the same life: what was granted before counts.
    assert_eq!(memcached.publish(&key("held"), &grant, entry("one")).await.unwrap(), Published::Fresh);
}

#[tokio::test]
async fn s98_a_black_hole_ends_each_operation_within_the_heartbeat() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    for direction in [FromServer, FromClient] {
        connected(&memcached).await;
        proxy.black_hole(direction, true);
        let kinds = failures(&memcached).await;
        assert!(kinds.iter().all(|kind| *kind == BackendErrorKind::InDoubt), "{kinds:?}");
        proxy.normal();
    }
    connected(&memcached).await;
    set(&*memcached, &key("a"), "two").await.unwrap();
    assert_eq!(stored(&*memcached, &key("a")).await.unwrap(), "two");
}

/// A reconnect to the same life keeps grants.
#[tokio::test]
async fn a_connection_that_was_cut_is_made_anew_and_grants_live_on() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    let a = key("a");
    let mut grant = granted(&*memcached, &a).await;
    for cut in 1..=10 {
        proxy.sever();
        connected(&memcached).await;
        let Renewed::Yes(renewed) = memcached.renew(&a, &grant, LEASE).await.unwrap() else { panic!("it was lost") };
        grant = renewed;
        assert_eq!(proxy.connections(), cut + 1);
    }
    assert_eq!(memcached.publish(&a, &grant, entry("one")).await.unwrap(), Published::Fresh);
}

/// Token and beat of the grant that is there.
async fn held(memcached: &Memcached) -> (Token, u32) {
    match look(memcached, &key("a")).await.unwrap().rest {
        Some(Rest::Held(by)) => (by.token, by.beat),
        other => panic!("expected a grant, got {other:?}"),
    }
}

#[tokio::test]
async fn g10_a_restart_is_another_life_whose_cas_numbers_say_nothing() {
    let mut server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let a = key("a");
    let mut lives = vec![memcached.life_of(&a).unwrap()];
    for _ in 0..3 {
        // Each life begins with the same numbers.
        server.restart().unwrap();
        connected(&memcached).await;
        let late = granted(&*memcached, &a).await;
        let watched = held(&memcached).await;
        server.restart().unwrap();
        connected(&memcached).await;
        let life = memcached.life_of(&a).unwrap();
        assert!(!lives.contains(&life));
        lives.push(life);
        // The same token, and the same CAS number. (The last 20 bits are not of that.)
        let Claimed::Granted { grant, .. } = memcached.claim(&a, Claim::new(late.token, LEASE)).await.unwrap() else {
            panic!("the place is not free")
        };
        assert_eq!((grant.cas >> 20, grant.token), (late.cas >> 20, late.token));
        // A process that has watched the first is not to take it for dead (G5).
        assert_ne!(held(&memcached).await, watched);
        assert_eq!(memcached.renew(&a, &late, LEASE).await.unwrap(), Renewed::Lost(Refusal::OtherLife));
        let published = memcached.publish(&a, &late, entry("late")).await.unwrap();
        assert_eq!(published, Published::Refused(Refusal::OtherLife));
        assert_eq!(memcached.end(&a, &late, None).await.unwrap(), Ended::Lost(Refusal::OtherLife));
        assert_eq!(memcached.publish(&a, &grant, entry("one")).await.unwrap(), Published::Fresh);
    }
}

/// A connection that stays open while another server comes to stand behind it shows so by its heartbeat.
#[tokio::test]
async fn g10_a_heartbeat_that_shows_another_life_ends_the_connection() {
    use dogpile_servers::{FakeServer, Reply};
    use std::sync::atomic::{AtomicUsize, Ordering};
    let pid = Arc::new(AtomicUsize::new(7));
    let shown = Arc::clone(&pid);
    let server = FakeServer::memcached(move |words| {
        let text = match (&words[0][..], words.len()) {
            (b"version", _) => "VERSION 1.6.18\r\n".to_owned(),
            (b"stats", 1) => {
                let pid = shown.load(Ordering::Relaxed);
                format!("STAT pid {pid}\r\nSTAT uptime 1\r\nSTAT time 2000000000\r\nEND\r\n")
            }
            _ => "STAT item_size_max 1048576\r\nEND\r\n".to_owned(),
        };
        Reply::Raw(text.into_bytes())
    })
    .unwrap();
    let memcached = Memcached::connect(&format!("memcached://{}", server.address())).await.unwrap();
    let life = memcached.life_of(&key("a"));
    memcached.ping().await.unwrap();
    pid.store(8, Ordering::Relaxed);
    let handshakes = || server.heard().iter().filter(|words| words[0] == b"version").count();
    assert_eq!(handshakes(), 1);
    let began = Instant::now();
    while memcached.ping().await.is_err() {
        assert!(began.elapsed() < WATCHDOG);
    }
    assert_eq!(handshakes(), 2);
    assert_ne!(memcached.life_of(&key("a")), life);
}

#[tokio::test]
async fn a_backend_that_is_dropped_leaves_no_connection() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    set(&*memcached, &key("a"), "one").await.unwrap();
    assert_eq!(proxy.open(), 1);
    drop(memcached);
    until(|| proxy.open() == 0).await;
}
