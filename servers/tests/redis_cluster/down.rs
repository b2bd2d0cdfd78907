//! Nodes that are gone, or silent.

use crate::kit::{self, LEASE, SECOND, in_time, look, set};
use crate::{cluster, connected, key_on};
use dogpile_cache::Region;
use dogpile_cache::backend::Backend;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

#[tokio::test]
async fn g5_a_node_that_was_killed_fails_its_own_places_alone_and_at_once() {
    let mut cluster = cluster(false);
    let backend = connected(&cluster, 0).await;
    let keys: Vec<_> = (0..3).map(|node| key_on(&cluster, node, "a")).collect();
    for key in &keys {
        set(&backend, key, key.full()).await.unwrap();
    }
    // The server that was named.
    cluster.nodes[0].kill();
    for _ in 0..20 {
        let gone = timeout(kit::PATIENCE, look(&backend, &keys[0])).await.expect("a bound");
        assert!(gone.is_err());
        assert!(timeout(kit::PATIENCE, set(&backend, &keys[0], "new")).await.expect("a bound").is_err());
        for key in &keys[1..] {
            assert_eq!(look(&backend, key).await.unwrap().entry.as_deref(), Some(key.full().as_bytes()));
            set(&backend, key, key.full()).await.unwrap();
        }
    }
    assert!(backend.ping().await.is_err());
    // It comes back, empty.
    cluster.nodes[0].restart_empty().unwrap();
    let (found, took) = in_time(async || look(&backend, &keys[0]).await).await;
    println!("back after {took:?}");
    assert_eq!(found.entry, None);
    in_time(async || backend.ping().await).await;
}

#[tokio::test]
async fn g5_a_silent_node_costs_its_places_a_backend_timeout_and_others_nothing() {
    const TIMEOUT: Duration = Duration::from_millis(500);
    let cluster = cluster(false);
    let backend = Arc::new(connected(&cluster, 0).await);
    let far = Arc::clone(&backend);
    let region: Region<u64, String> =
        Region::builder("region").expires_after(LEASE).backend_timeout(TIMEOUT).far(far).build().unwrap();
    let (silent, well) = (key_on(&cluster, 1, "a"), key_on(&cluster, 2, "b"));
    set(&*backend, &well, "value").await.unwrap();
    let place = |number: &u64| cluster.owner(cluster.slot(&format!("{{region:{number}}}")).unwrap()).unwrap();
    let number = (0..1000).find(|number| place(number) == 1).unwrap();
    region.set(&number, "old".to_owned()).await.unwrap();
    cluster.nodes[1].stop().unwrap();
    let began = Instant::now();
    let got = region.get(&number).or_create(async || "own".to_owned()).await.unwrap();
    let took = began.elapsed();
    assert_eq!(**got, *"own");
    println!("the access has taken {took:?}");
    assert!(took < TIMEOUT + 2 * SECOND, "{took:?}");
    // While calls for the silent node wait, and its connection is given up and made again, the others go on.
    let waiting = async { timeout(4 * SECOND, in_time(async || look(&*backend, &silent).await)).await };
    let others = async {
        let (mut longest, until) = (Duration::ZERO, Instant::now() + 4 * SECOND);
        while Instant::now() < until {
            let began = Instant::now();
            assert_eq!(look(&*backend, &well).await.unwrap().entry.as_deref(), Some(&b"value"[..]));
            longest = longest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        longest
    };
    let (silent, longest) = tokio::join!(waiting, others);
    assert!(silent.is_err(), "a silent node has answered");
    println!("the longest look at another node: {longest:?}");
    assert!(longest < 2 * SECOND, "{longest:?}");
    cluster.nodes[1].go_on().unwrap();
    in_time(async || region.ping().await).await;
}

/// The pause of a region is that of its whole backend.
#[tokio::test]
async fn g1_a_silent_node_cuts_no_other_places_off() {
    let cluster = cluster(false);
    let backend = connected(&cluster, 0).await;
    let region: Region<u64, String> = Region::builder("region").expires_after(LEASE).far(backend).build().unwrap();
    let place = |number: &u64| cluster.owner(cluster.slot(&format!("{{region:{number}}}")).unwrap()).unwrap();
    let silent = (0..1000).find(|number| place(number) == 1).unwrap();
    let well: Vec<u64> = (0..1000).filter(|number| place(number) == 2).take(20).collect();
    for number in &well {
        region.set(number, "value".to_owned()).await.unwrap();
    }
    cluster.nodes[1].stop().unwrap();
    region.get(&silent).or_create(async || "own".to_owned()).await.unwrap();
    let mut created = 0;
    for number in &well {
        region
            .get(number)
            .or_create(async || {
                created += 1;
                "again".to_owned()
            })
            .await
            .unwrap();
    }
    assert_eq!(created, 0, "values that are there were created again");
}
