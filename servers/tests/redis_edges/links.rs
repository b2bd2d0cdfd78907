//! Connections that are closed, cut off, or held back in the middle of an operation.

use crate::kit::{
    LONG, SECOND, WATCHDOG, builder, connect, connected, entry, granted, is_open, key, look, part, seen, set, until,
    within,
};
use dogpile_cache::backend::{Backend, BackendErrorKind, Claimed, Published, Redis, Refusal, Renewed};
use dogpile_cache::{Got, Published as Stored};
use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{Proxy, RedisServer};
use std::sync::Arc;
use std::time::Instant;

#[tokio::test]
async fn an_operation_whose_connection_is_killed_is_in_doubt_and_the_next_one_works() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let a = key("a");
    let grant = granted(&redis, &a, LONG).await;
    let mut admin = server.client().unwrap();
    for _ in 0..5 {
        // Scripts wait, and nothing else does.
        admin.command(&["CLIENT", "PAUSE", "600000", "WRITE"]).unwrap();
        let publishing = tokio::spawn({
            let (redis, a) = (Arc::clone(&redis), a.clone());
            async move { redis.publish(&a, &grant, entry("one")).await }
        });
        until(|| server.info("blocked_clients").unwrap() == "1").await;
        server.kill_clients().unwrap();
        let error = within(publishing).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InDoubt);
        admin = server.client().unwrap();
        admin.command(&["CLIENT", "UNPAUSE"]).unwrap();
        let Renewed::Yes(_) = redis.renew(&a, &grant, LONG).await.unwrap() else { panic!("the grant was lost") };
    }
    assert_eq!(redis.publish(&a, &grant, entry("one")).await.unwrap(), Published::Fresh);
}

#[tokio::test]
async fn g10_after_a_restart_that_was_seen_the_next_operation_works() {
    let mut server = seen().start().unwrap();
    let redis = connect(&server).await;
    let (a, life) = (key("a"), redis.life_of(&key("a")));
    let grant = granted(&redis, &a, LONG).await;
    for _ in 0..3 {
        server.restart_empty().unwrap();
        until(|| !is_open(&redis)).await;
        redis.change(&a, set("one")).await.expect("no error");
        assert_ne!(redis.life_of(&a), life);
    }
    assert_eq!(redis.publish(&a, &grant, entry("late")).await.unwrap(), Published::Refused(Refusal::OtherLife));
    assert_eq!(look(&redis, &a).await.entry, Some(entry("one").bytes));
}

/// Nothing is closed, and nothing comes: the heartbeat ends it.
#[tokio::test]
async fn s98_a_black_hole_ends_each_operation_within_the_heartbeat() {
    let server = seen().start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    let a = key("a");
    for direction in [FromServer, FromClient] {
        connected(&redis).await;
        proxy.black_hole(direction, true);
        let begun = Instant::now();
        let operations: Vec<_> = (0..20)
            .map(|at| {
                let (redis, a) = (Arc::clone(&redis), a.clone());
                tokio::spawn(async move {
                    match at % 4 {
                        0 => redis.look(&[a], None).await.map(drop),
                        1 => redis.change(&a, set("one")).await.map(drop),
                        2 => redis.claim(&a, crate::kit::claim(SECOND)).await.map(drop),
                        _ => redis.ping().await,
                    }
                })
            })
            .collect();
        for operation in operations {
            let error = within(operation).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{error:?}");
        }
        // Two seconds, and another one until the heartbeat was due.
        assert!(begun.elapsed() < WATCHDOG / 2, "{:?}", begun.elapsed());
        assert!(!is_open(&redis), "the connection is dead");
        proxy.normal();
    }
    redis.change(&a, set("two")).await.expect("a new connection is made");
    assert_eq!(look(&redis, &a).await.entry, Some(entry("two").bytes));
}

#[tokio::test]
async fn s7_a_renewal_goes_on_by_a_new_connection() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    let region = builder(&redis).lease(SECOND * 3).build::<str, String>().unwrap();
    let grant = part(&key("a"), "grant");
    let held = || server.command(&["GET", &grant]).unwrap().text().map(str::to_owned);
    let got = within(region.get("a").or_create(async || {
        for _ in 0..2 {
            let before = held().expect("a grant");
            proxy.sever();
            until(|| held().expect("the lease is not lost") != before).await;
        }
        "one".to_owned()
    }));
    assert_eq!(Got::published(&got.await.unwrap()), Some(Stored::Fresh));
    assert_eq!(region.counts().overlaps.total(), 0);
}

#[tokio::test]
async fn s7_a_holder_that_is_cut_off_knows_before_its_successor_creates() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    let region = builder(&redis).lease(SECOND).backend_timeout(SECOND / 2).build::<str, String>().unwrap();
    let other = builder(&connect(&server).await).lease(SECOND).build::<str, String>().unwrap();
    let got = within(region.get("a").or_create_with(async |creation| {
        proxy.black_hole(FromClient, true);
        let next = other.get("a").or_create(async || {
            assert!(creation.is_superseded(), "the lease of the holder ends for the holder first (G6)");
            "next".to_owned()
        });
        assert_eq!(&**next.await.unwrap(), "next");
        proxy.normal();
        dogpile_cache::Made::new("late".to_owned())
    }));
    let got = got.await.unwrap();
    assert_eq!(&**got, "late", "the caller has its value (G4)");
    assert!(matches!(Got::published(&got), Some(Stored::No(_))));
    assert_eq!(&**other.get("a").value().await.unwrap().unwrap(), "next");
}

/// The claim of a caller that is gone is in doubt: its grant ends (G8), or with its lease at the latest.
#[tokio::test]
async fn g8_a_claim_that_is_dropped_on_the_way_leaves_no_grant() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    let region = builder(&redis).lease(LONG).build::<str, String>().unwrap();
    let other = connect(&server).await;
    for _ in 0..10 {
        region.get("b").value().await.unwrap();
        // The look is answered, and the reply to the claim is held back.
        let access = tokio::spawn({
            let region = region.clone();
            async move { region.get("a").or_create(std::future::pending::<String>).await.map(drop) }
        });
        let grant = part(&key("a"), "grant");
        until(|| server.command(&["EXISTS", &grant]).unwrap().int() == Some(1)).await;
        access.abort();
        drop(access.await);
        until(|| server.command(&["EXISTS", &grant]).unwrap().int() == Some(0)).await;
    }
    let claimed = other.claim(&key("a"), crate::kit::claim(LONG)).await.unwrap();
    assert!(matches!(claimed, Claimed::Granted { failures: 0, .. }), "a drop is no failure: {claimed:?}");
}
