//! Runtimes: several of them, one that ends, one whose only thread is blocked, and threads without any.

use crate::kit::{LONG, SECOND, WATCHDOG, builder, connect, entry, granted, key, part, region, set, within};
use dogpile_cache::backend::{Backend, Published, Redis, Renewed};
use dogpile_cache::{Got, Outcome, Published as Stored};
use dogpile_servers::RedisServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn connections(server: &RedisServer) -> u64 {
    // One of them is the question's.
    server.info("connected_clients").unwrap().parse::<u64>().unwrap() - 1
}

#[test]
fn a_runtime_that_ends_takes_its_own_connection_alone() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (runtime(), runtime());
    let redis = one.block_on(connect(&server));
    let a = key("a");
    let grant = one.block_on(granted(&redis, &a, LONG));
    let renewed = other.block_on(async { within(redis.renew(&a, &grant, LONG)).await.unwrap() });
    assert_eq!(renewed, Renewed::Yes(grant), "a grant is of the server, not of a connection");
    assert_eq!(connections(&server), 2);
    // It ends in the middle of an operation.
    one.spawn({
        let redis = Arc::clone(&redis);
        async move { while redis.ping().await.is_ok() {} }
    });
    drop(one);
    let published = other.block_on(async { within(redis.publish(&a, &grant, entry("one"))).await.unwrap() });
    assert_eq!(published, Published::Fresh);
    let third = runtime();
    third.block_on(async { within(redis.change(&a, set("two"))).await.unwrap() });
    let began = Instant::now();
    while connections(&server) != 2 {
        assert!(began.elapsed() < WATCHDOG, "a connection is left behind: {}", connections(&server));
    }
    // Many of them come and go.
    for _ in 0..50 {
        runtime().block_on(async { within(redis.ping()).await.unwrap() });
    }
    while connections(&server) != 2 {
        assert!(began.elapsed() < WATCHDOG, "connections are left behind: {}", connections(&server));
    }
    other.block_on(async { within(redis.ping()).await.unwrap() });
    drop((redis, other, third));
    while connections(&server) != 0 {
        assert!(began.elapsed() < WATCHDOG, "connections are left behind: {}", connections(&server));
    }
}

#[test]
fn a_runtime_that_ends_while_it_connects_fails_nobody_else() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::lazy(&server.url()).unwrap();
    for _ in 0..20 {
        let short = runtime();
        // One poll: the connection is being made.
        short.block_on(async {
            let mut ping = redis.ping();
            std::future::poll_fn(|context| {
                drop(ping.as_mut().poll(context));
                std::task::Poll::Ready(())
            })
            .await;
        });
        drop(short);
        runtime().block_on(async { within(redis.ping()).await.unwrap() });
    }
}

/// The keeper renews, by a connection of its own.
#[test]
fn g9_a_creator_that_blocks_its_runtime_keeps_its_lease() {
    let server = RedisServer::start().unwrap();
    runtime().block_on(async {
        let redis = connect(&server).await;
        let region = builder(&redis).lease(SECOND * 3).build::<str, String>().unwrap();
        let grant = part(&key("a"), "grant");
        let held = || server.command(&["GET", &grant]).unwrap().text().expect("the lease is lost").to_owned();
        let got = region.get("a").or_create(async || {
            // Each renewal shows another beat; the thread never comes to anything else.
            let began = Instant::now();
            for _ in 0..3 {
                let before = held();
                while held() == before {
                    assert!(began.elapsed() < WATCHDOG);
                    thread::yield_now();
                }
            }
            "one".to_owned()
        });
        let got = got.await.unwrap();
        assert_eq!((Got::outcome(&got), Got::published(&got)), (Outcome::Created, Some(Stored::Fresh)));
        assert_eq!(region.counts().overlaps.total(), 0);
    });
}

#[test]
fn threads_without_a_runtime_are_one_creation() {
    let server = RedisServer::start().unwrap();
    let redis = Arc::new(Redis::lazy(&server.url()).unwrap());
    let (region, created) = (region(&redis), AtomicUsize::new(0));
    let go = std::sync::Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                go.wait();
                let got = region.blocking().get("a").or_create(|| {
                    created.fetch_add(1, Ordering::SeqCst);
                    "one".to_owned()
                });
                assert_eq!(&**got.unwrap(), "one");
            });
        }
    });
    assert_eq!(created.load(Ordering::SeqCst), 1);
    let region = region.blocking();
    region.set("b", "two".to_owned()).unwrap();
    assert!(region.touch("b", None).unwrap());
    assert!(!region.add("b", "three".to_owned()).unwrap());
    region.mark_stale("b").unwrap();
    assert_eq!(Got::outcome(&region.get("b").value().unwrap().unwrap()), Outcome::Stale);
    region.invalidate("b").unwrap();
    assert!(region.get("b").value().unwrap().is_none());
    let many = region.get_many(["a", "b", "c"]).or_create(|keys| keys).unwrap();
    assert_eq!(many.iter().map(|got| &***got).collect::<Vec<_>>(), ["one", "b", "c"]);
    region.ping().unwrap();
    assert_eq!(connections(&server), 1, "all of them use the connection of the keeper");
}
