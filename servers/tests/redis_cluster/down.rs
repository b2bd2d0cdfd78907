//! Nodes that are gone, or silent.

use crate::kit::{self, LEASE, SECOND, in_time, look, set};
use crate::{cluster, connected, key_on};
use dogpile_cache::backend::{Backend, ConnectError, Redis, RedisWarning};
use dogpile_cache::{Got, Outcome, Region};
use dogpile_servers::Cluster;
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

/// Of three nodes, the one that is gone or silent.
#[tokio::test]
async fn an_error_names_the_node_that_has_failed() {
    let mut cluster = cluster(false);
    let backend = connected(&cluster, 0).await;
    let (gone, silent, well) = (key_on(&cluster, 1, "a"), key_on(&cluster, 2, "b"), key_on(&cluster, 0, "c"));
    let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.address().to_string()).collect();
    for (key, address) in [(&well, 0), (&gone, 1), (&silent, 2)] {
        set(&backend, key, "value").await.unwrap();
        assert_eq!(backend.address_of(key).as_ref(), Some(&addresses[address]));
    }
    let far = Redis::connect(&cluster.nodes[0].url()).await.unwrap();
    let region: Region<u64, String> = Region::builder("region").expires_after(LEASE).far(far).build().unwrap();
    let place = |number: &u64| cluster.owner(cluster.slot(&format!("{{region:{number}}}")).unwrap()).unwrap();
    let number = (0..1000).find(|number| place(number) == 2).unwrap();
    region.set(&number, "value".to_owned()).await.unwrap();
    cluster.nodes[1].kill();
    cluster.nodes[2].stop().unwrap();
    for _ in 0..3 {
        let lost = timeout(kit::PATIENCE, set(&backend, &gone, "new")).await.expect("a bound").unwrap_err();
        assert_eq!(lost.server(), Some(&*addresses[1]), "{lost:?}");
        assert!(lost.to_string().ends_with(&format!("(server {})", addresses[1])), "{lost}");
        assert_eq!(look(&backend, &gone).await.unwrap_err().server(), Some(&*addresses[1]));
        let both = backend.look(&[well.clone(), gone.clone()], None).await.unwrap_err();
        assert_eq!(both.server(), Some(&*addresses[1]), "{both:?}");
        // Once there is no answer; then the region does not ask for a moment.
        let late = region.get(&number).value().await.unwrap_err();
        assert_eq!(late.server(), Some(&*addresses[2]), "{late:?}");
    }
    // The node that a URL names is the one that is asked for the others.
    cluster.nodes[2].go_on().unwrap();
    let refused = Redis::connect(&cluster.nodes[1].url()).await.unwrap_err();
    let says = format!("{refused}");
    assert!(matches!(refused, ConnectError::Unreachable { .. }) && says.contains(&addresses[1]), "{says}");
}

/// A region has a pause for each server.
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

/// How a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Killed,
    Silent,
}

const GONE: [Gone; 2] = [Gone::Killed, Gone::Silent];

impl Gone {
    fn happens_to(self, cluster: &mut Cluster, node: usize) {
        match self {
            Gone::Killed => cluster.nodes[node].kill(),
            Gone::Silent => cluster.nodes[node].stop().unwrap(),
        }
    }

    fn is_over(self, cluster: &mut Cluster, node: usize) {
        match self {
            Gone::Killed => cluster.nodes[node].restart_empty().unwrap(),
            Gone::Silent => cluster.nodes[node].go_on().unwrap(),
        }
    }
}

fn region(backend: impl Backend) -> Region<u64, String> {
    Region::builder("region").expires_after(LEASE).backend_pause(4 * SECOND).far(backend).build().unwrap()
}

/// Numbers of a region, so many on each node.
fn numbers(cluster: &Cluster, each: usize) -> [Vec<u64>; 3] {
    let place = |number: &u64| cluster.owner(cluster.slot(&format!("{{region:{number}}}")).unwrap()).unwrap();
    let mut of = [const { Vec::new() }; 3];
    for number in 0.. {
        let numbers: &mut Vec<u64> = &mut of[place(&number)];
        if numbers.len() < each {
            numbers.push(number);
        }
        if of.iter().all(|numbers| numbers.len() == each) {
            return of;
        }
    }
    unreachable!("each node has numbers");
}

/// Gets the values of numbers on all nodes, while the nodes of `gone` are gone: those are created, and no other.
async fn get_all(region: &Region<u64, String>, of: &[Vec<u64>; 3], gone: usize) {
    let all: Vec<u64> = (0..of[0].len()).flat_map(|at| of.iter().map(move |numbers| numbers[at])).collect();
    let began = Instant::now();
    let got = region.get_many(&all).or_create(async |missing| {
        assert!(missing.iter().all(|number| of[gone].contains(number)), "of {missing:?} some are on other nodes");
        vec!["own".to_owned(); missing.len()]
    });
    let got = got.await.unwrap();
    let took = began.elapsed();
    println!("many keys have taken {took:?}");
    assert!(took < 3 * SECOND, "{took:?}");
    for (number, got) in all.iter().zip(&got) {
        let is_gone = of[gone].contains(number);
        assert_eq!(got.as_str(), if is_gone { "own" } else { "value" });
        assert_eq!(Got::outcome(got) == Outcome::Fresh, !is_gone);
    }
}

#[tokio::test]
async fn g14_many_keys_have_their_values_but_for_those_of_a_node_that_is_gone() {
    for gone in GONE {
        let mut cluster = cluster(false);
        let of = numbers(&cluster, 20);
        let (known, fresh) =
            (region(connected(&cluster, 0).await), region(Redis::lazy(&cluster.nodes[0].url()).unwrap()));
        for number in of.iter().flatten() {
            known.set(number, "value".to_owned()).await.unwrap();
        }
        gone.happens_to(&mut cluster, 1);
        get_all(&known, &of, 1).await;
        // In the pause of that node: what it has created serves itself for a second.
        get_all(&known, &of, 1).await;
        if gone == Gone::Killed {
            // This one learns of the Cluster by its first call.
            get_all(&fresh, &of, 1).await;
        }
        for number in of[0].iter().chain(&of[2]) {
            let got = known.get(number).value().await.unwrap().expect("it is there");
            assert_eq!(Got::outcome(&got), Outcome::Fresh);
        }
        let healthy: Vec<u64> = of[0].iter().chain(&of[2]).copied().collect();
        assert!(known.get_many(&healthy).values().await.unwrap().iter().all(Option::is_some));
        gone.is_over(&mut cluster, 1);
        in_time(async || known.get_many(of.iter().flatten()).values().await).await;
    }
}

#[tokio::test]
async fn a_process_starts_while_a_node_is_away() {
    for gone in GONE {
        let mut cluster = cluster(false);
        let keys: Vec<_> = (0..3).map(|node| key_on(&cluster, node, "a")).collect();
        let before = connected(&cluster, 0).await;
        assert_eq!(before.warnings(), []);
        for key in &keys {
            set(&before, key, key.full()).await.unwrap();
        }
        gone.happens_to(&mut cluster, 1);
        let backend = connected(&cluster, 0).await;
        let warnings = backend.warnings();
        let [RedisWarning::Away { server, why }] = &warnings[..] else { panic!("{gone:?} {warnings:?}") };
        assert!(cluster.nodes[1].url().contains(server.as_str()) && !why.is_empty(), "{warnings:?}");
        assert!(warnings[0].to_string().contains(server.as_str()));
        assert!(timeout(kit::PATIENCE, backend.ping()).await.expect("a bound").is_err(), "a node is away");
        for key in [&keys[0], &keys[2]] {
            assert_eq!(look(&backend, key).await.unwrap().entry.as_deref(), Some(key.full().as_bytes()));
        }
        assert!(timeout(kit::PATIENCE, look(&backend, &keys[1])).await.expect("a bound").is_err());
        gone.is_over(&mut cluster, 1);
        in_time(async || set(&backend, &keys[1], "new").await).await;
        assert_eq!(backend.warnings(), []);
        in_time(async || backend.ping().await).await;
    }
}

#[tokio::test]
async fn a_process_needs_the_node_that_it_was_told_of() {
    let mut cluster = cluster(false);
    let urls = [0, 1].map(|node| cluster.nodes[node].url());
    cluster.nodes[0].kill();
    let error = Redis::connect(&urls[0]).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert_eq!(Redis::connect(&urls[1]).await.unwrap().warnings().len(), 1);
}
