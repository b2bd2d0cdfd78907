//! Replicas that take over.

use crate::kit::{self, LEASE, SECOND, granted, in_time, invalidate, look, set, stored};
use crate::{cluster, connected, key_on};
use dogpile_cache::backend::{Backend, BackendError, Published, Redis, Refusal};
use dogpile_cache::{Got, OtherLife, Outcome, Region};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test]
async fn g10_a_replica_takes_over_asked_and_unasked_and_the_old_grant_is_of_another_life() {
    let mut cluster = cluster(true);
    let backend = connected(&cluster, 0).await;
    let (key, other) = (key_on(&cluster, 0, "a"), key_on(&cluster, 1, "b"));
    set(&backend, &other, "other").await.unwrap();
    let mut lives = Vec::new();
    for (round, replica) in [3, 0, 3].into_iter().enumerate() {
        set(&backend, &key, "value").await.unwrap();
        let (life, late) = (look(&backend, &key).await.unwrap().life, granted(&backend, &key).await);
        assert!(!lives.contains(&life), "in round {round}");
        lives.push(life);
        cluster.well().unwrap();
        // The last time it is the server that was named.
        if round < 2 {
            cluster.failover(replica).unwrap();
        } else {
            cluster.kill_primary(0, replica).unwrap();
        }
        let began = Instant::now();
        let (looked, took) = in_time(async || look(&backend, &key).await).await;
        println!("round {round}: after {took:?}");
        assert!(began.elapsed() < 5 * SECOND);
        assert_eq!(looked.entry.as_deref(), Some(&b"value"[..]));
        assert_ne!(looked.life, life);
        let (published, _) = in_time(async || backend.publish(&key, &late, kit::entry("late")).await).await;
        assert_eq!(published, Published::Refused(Refusal::OtherLife));
        assert_eq!(stored(&backend, &other).await.unwrap(), "other");
        invalidate(&backend, &key).await.unwrap();
        assert_eq!(stored(&backend, &key).await, None);
        // Not even if the old primary came back within a heartbeat, so that its old life was believed.
        let left = cluster.nodes[replica].command(&["GET", &kit::on_server(&key)]).unwrap();
        let is_voided = left.text().is_none_or(|text| text.starts_with('v'));
        assert!(is_voided, "the grant of another life outlives an invalidation: {left:?}");
    }
}

#[tokio::test]
async fn g10_entries_of_before_a_failover_are_as_the_region_says() {
    let cluster = cluster(true);
    let backend = Arc::new(connected(&cluster, 0).await);
    let names = ["revalidate", "distrust", "trust"];
    let regions: Vec<Region<u64, String>> = [OtherLife::Revalidate, OtherLife::Distrust, OtherLife::Trust]
        .into_iter()
        .zip(names)
        .map(|(other, name)| {
            let builder = Region::builder(name).expires_after(LEASE).max_stale(LEASE).other_life(other);
            builder.far(Arc::clone(&backend)).build().unwrap()
        })
        .collect();
    // A dozen keys, on all nodes; each node is taken over.
    for region in &regions {
        for key in 0..12 {
            region.set(&key, "old".to_owned()).await.unwrap();
        }
    }
    cluster.well().unwrap();
    for node in 0..3 {
        cluster.failover(node + 3).unwrap();
    }
    for key in 0..12 {
        in_time(async || regions[0].get(&key).value().await.map(drop)).await;
    }
    for key in 0..12 {
        let of = |region: &Region<u64, String>| {
            let region = region.clone();
            async move { region.get(&key).value().await.unwrap().map(|got| Got::outcome(&got)) }
        };
        assert_eq!(of(&regions[0]).await, Some(Outcome::Stale), "{key}");
        assert_eq!(of(&regions[1]).await, None, "{key}");
        assert_eq!(of(&regions[2]).await, Some(Outcome::Fresh), "{key}");
        for region in &regions {
            region.invalidate(&key).await.unwrap();
            assert_eq!(of(region).await, None, "{key}");
            let got = region.get(&key).or_create(async || "new".to_owned()).await.unwrap();
            assert_eq!(Got::outcome(&got), Outcome::Created);
            assert_eq!(of(region).await, Some(Outcome::Fresh), "{key}");
        }
    }
}

/// All servers that the process knows as primaries are gone when it asks again. Their replicas are not.
#[tokio::test]
async fn a_process_that_was_idle_finds_the_cluster_by_its_replicas() {
    let mut cluster = cluster(true);
    // A node names its replicas a while after the start.
    let named = || {
        let slots = cluster.nodes[0].command(&["CLUSTER", "SLOTS"]).unwrap();
        slots.items().iter().all(|range| range.items().len() == 4)
    };
    in_time(async || if named() { Ok(()) } else { Err("not all replicas are named") }).await;
    let backend = connected(&cluster, 0).await;
    let keys: Vec<_> = (0..3).map(|node| key_on(&cluster, node, "a")).collect();
    for key in &keys {
        set(&backend, key, key.full()).await.unwrap();
    }
    cluster.well().unwrap();
    for node in 0..3 {
        cluster.failover(node + 3).unwrap();
    }
    for node in 0..3 {
        cluster.nodes[node].kill();
    }
    let began = Instant::now();
    for key in &keys {
        let (found, _) = in_time(async || look(&backend, key).await).await;
        assert_eq!(found.entry.as_deref(), Some(key.full().as_bytes()));
    }
    println!("found after {:?}", began.elapsed());
}

/// The callers give up before the connection, or the attempt to make one, does.
#[tokio::test]
async fn g5_the_places_of_a_frozen_primary_work_again_though_each_caller_gives_up() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let cluster = cluster(true);
    let backend = connected(&cluster, 0).await;
    let (key, other) = (key_on(&cluster, 0, "a"), key_on(&cluster, 1, "b"));
    set(&backend, &key, "value").await.unwrap();
    set(&backend, &other, "other").await.unwrap();
    cluster.well().unwrap();
    cluster.nodes[0].stop().unwrap();
    let began = Instant::now();
    let mut calls = 0;
    let looked = loop {
        calls += 1;
        if let Ok(Ok(looked)) = timeout(PATIENCE, look(&backend, &key)).await {
            break looked;
        }
        assert!(began.elapsed() < kit::PATIENCE, "after {calls} calls");
        let seen = timeout(kit::PATIENCE, look(&backend, &other)).await.unwrap();
        assert_eq!(seen.unwrap().entry.as_deref(), Some(&b"other"[..]), "another node's place");
        // As a region does, by its pause. The moments at which the connection is given up are between the calls.
        tokio::time::sleep(PATIENCE).await;
    };
    println!("after {:?}, {calls} calls", began.elapsed());
    assert_eq!(looked.entry.as_deref(), Some(&b"value"[..]));
    cluster.nodes[0].go_on().unwrap();
}

#[tokio::test]
async fn a_cluster_is_found_by_a_replica_of_it() {
    let cluster = cluster(true);
    let backend = connected(&cluster, 4).await;
    for node in 0..3 {
        let key = key_on(&cluster, node, "a");
        set(&backend, &key, "value").await.unwrap();
        assert_eq!(stored(&backend, &key).await.unwrap(), "value");
    }
    let lazy = Redis::lazy(&cluster.nodes[3].url()).unwrap();
    let found: Result<_, BackendError> = look(&lazy, &key_on(&cluster, 2, "a")).await;
    assert_eq!(found.unwrap().entry.as_deref(), Some(&b"value"[..]));
}
