//! Regions over a memcached, each with a backend of its own, as the processes of a fleet have.

use crate::kit::{LEASE, SECOND};
use crate::{connect, within};
use dogpile_cache::backend::{Backend, BackendErrorKind, Memcached};
use dogpile_cache::{Backoff, Got, Outcome, Region};
use dogpile_servers::MemcachedServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

const PROCESSES: usize = 8;
const TASKS: usize = 16;

async fn processes(server: &MemcachedServer) -> Vec<Region<str, String>> {
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let builder = Region::builder("fleet").expires_after(LEASE).max_stale(LEASE).backend_timeout(SECOND * 10);
        processes.push(builder.far(connect(server).await).build().unwrap());
    }
    processes
}

/// All tasks of all processes want a key at once. Returns what they have got, and how many creators ran.
async fn all_at_once(processes: &[Region<str, String>], value: &'static str) -> (Vec<Got<String>>, usize) {
    let (created, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for region in processes {
        for _ in 0..TASKS {
            let (region, created) = (region.clone(), Arc::clone(&created));
            tasks.spawn(async move {
                let creator = async || {
                    created.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(SECOND / 20).await;
                    value.to_owned()
                };
                region.get("a").or_create(creator).await.unwrap()
            });
        }
    }
    let got = within(tasks.join_all()).await;
    (got, created.load(Ordering::SeqCst))
}

#[tokio::test]
async fn g1_a_cold_key_is_one_creation_in_the_fleet() {
    let server = MemcachedServer::start().unwrap();
    let processes = processes(&server).await;
    let (got, created) = all_at_once(&processes, "one").await;
    assert_eq!(created, 1);
    assert!(got.len() == PROCESSES * TASKS && got.iter().all(|got| ***got == *"one"));
    let (got, created) = all_at_once(&processes, "two").await;
    assert_eq!(created, 0);
    assert!(got.iter().all(|got| ***got == *"one" && Got::outcome(got) == Outcome::Fresh));
}

/// G11: the others carry on with the old value.
#[tokio::test]
async fn g11_a_value_that_is_marked_is_one_creation_and_never_waited_for() {
    let server = MemcachedServer::start().unwrap();
    let processes = processes(&server).await;
    for region in &processes {
        region.get("a").or_create(async || "old".to_owned()).await.unwrap();
    }
    processes[0].mark_stale("a").await.unwrap();
    let (got, created) = all_at_once(&processes, "new").await;
    assert_eq!(created, 1);
    let old = got.iter().filter(|got| ***got == *"old").count();
    assert!(old >= PROCESSES && old < got.len(), "{old} of {} were old", got.len());
    let (got, created) = all_at_once(&processes, "newer").await;
    assert_eq!(created, 0);
    assert!(got.iter().all(|got| ***got == *"new"));
}

/// G8: one call of a failing source per pause.
#[tokio::test]
async fn g8_a_failure_pauses_the_fleet() {
    let server = MemcachedServer::start().unwrap();
    let mut regions = Vec::new();
    for _ in 0..PROCESSES {
        let builder = Region::builder("fleet")
            .expires_after(LEASE)
            .retry_after(Backoff::new(LEASE, LEASE))
            .backend_timeout(SECOND * 10);
        regions.push(builder.far(connect(&server).await).build::<str, String>().unwrap());
    }
    let calls = AtomicUsize::new(0);
    for region in &regions {
        let creator = async || {
            calls.fetch_add(1, Ordering::SeqCst);
            Err::<String, _>(std::io::Error::other("the source is away"))
        };
        within(region.get("a").or_try_create(creator)).await.unwrap_err();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// The server of a key is there: a former one that is away neither pauses it, nor lets it be told again and again.
#[tokio::test]
async fn g3_a_former_server_that_is_away_costs_the_keys_nothing() {
    let server = MemcachedServer::start().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let former = format!("memcached://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let both = Memcached::connect(&server.url()).await.unwrap().formerly(&former).unwrap();
    let build = |far: Arc<dyn Backend>| {
        let builder = Region::builder("fleet").far(far).expires_after(LEASE).backend_pause(SECOND / 10);
        builder.build::<str, String>().unwrap()
    };
    let (region, other) = (build(Arc::new(both)), build(connect(&server).await));
    region.set("a", "one".to_owned()).await.unwrap();
    let deletes = || server.count("delete_misses").unwrap() + server.count("delete_hits").unwrap();
    for invalidations in 1..=3 {
        let error = within(region.invalidate("b")).await.unwrap_err();
        assert_eq!((error.kind(), deletes()), (BackendErrorKind::Refused, invalidations));
    }
    let never = async || panic!("the server has the value");
    assert_eq!(*within(region.get("a").or_create(never)).await.unwrap(), "one");
    // The region by-passes nothing, and repeats nothing: a repetition would delete what another process stores.
    other.set("b", "two".to_owned()).await.unwrap();
    assert_eq!(*within(region.get("b").or_create(never)).await.unwrap(), "two");
    // (A bound for what is not to come: five of its pauses.)
    tokio::time::sleep(SECOND / 2).await;
    assert_eq!(*within(region.get("b").or_create(never)).await.unwrap(), "two");
    assert_eq!(deletes(), 3);
}
