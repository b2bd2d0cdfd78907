//! Many at once: no error at the server, no deadlock (S26, S78, S97).

use crate::kit::*;
use dogpile_cache::backend::{Backend, Change, Claimed, Count, Counted};
use tokio::task::JoinSet;

const TASKS: u64 = 8;
const ROUNDS: u64 = 150;
const KEYS: u64 = 3;

/// All operations on a few keys, from several processes, in an order by a seed.
async fn contend(server: &dogpile_servers::PostgresServer) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let postgres = backend(server).await;
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_add(task));
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                let key = key(&rng.u64(..KEYS).to_string());
                match rng.u32(..10) {
                    0 => drop(set(&postgres, &key, "set").await.unwrap()),
                    1 => drop(invalidate(&postgres, &key).await.unwrap()),
                    2 => drop(postgres.change(&key, Change::MarkStale { beside: Vec::new() }).await.unwrap()),
                    3 => {
                        let change = Change::Touch { entry: entry("touched"), seen: look(&postgres, &key).await.seen };
                        postgres.change(&key, change).await.unwrap();
                    }
                    4 => {
                        let add = Count::Add { delta: 1, ceiling: u64::MAX, lifetime: Some(MS * rng.u32(..20)) };
                        postgres.count(&key, add).await.unwrap();
                    }
                    _ => {
                        if let Claimed::Granted { grant, .. } = postgres.claim(&key, claim(MINUTE)).await.unwrap() {
                            if rng.bool() {
                                postgres.publish(&key, &grant, entry("published")).await.unwrap();
                            } else {
                                postgres.end(&key, &grant, None).await.unwrap();
                            }
                        }
                    }
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn s26_s78_s97_contention_leaves_no_error_in_the_servers_log() {
    let server = server().await;
    within(WATCHDOG, contend(&server)).await;
    assert_no_errors(&server);
}

/// S76: another default of the database changes nothing.
#[tokio::test]
async fn s76_the_databases_isolation_is_not_that_of_our_sessions() {
    let server = server().await;
    for isolation in ["repeatable read", "serializable"] {
        server.sql(&format!("ALTER DATABASE postgres SET default_transaction_isolation = '{isolation}'")).unwrap();
        within(WATCHDOG, contend(&server)).await;
    }
    assert_no_errors(&server);
}

/// The first additions to counters that are missing, at once: each counts, and none is an error.
#[tokio::test]
async fn g12_s78_the_first_additions_at_once_all_count() {
    let server = server().await;
    let mut processes = Vec::new();
    for _ in 0..TASKS {
        processes.push(backend(&server).await);
    }
    let add = Count::Add { delta: 1, ceiling: u64::MAX, lifetime: Some(LONG) };
    for round in 0..60 {
        let key = key(&round.to_string());
        let mut tasks = JoinSet::new();
        for postgres in &processes {
            let (postgres, key) = (postgres.clone(), key.clone());
            tasks.spawn(async move { postgres.count(&key, add).await.unwrap() });
        }
        let mut sums: Vec<_> = within(WATCHDOG, tasks.join_all()).await;
        sums.sort_by_key(|sum| if let Counted::Now(sum) = sum { *sum } else { 0 });
        assert_eq!(sums, (1..=TASKS).map(Counted::Now).collect::<Vec<_>>());
    }
    assert_no_errors(&server);
}

/// Culling beside all that: it skips what is locked.
#[tokio::test]
async fn s27_culling_beside_writers_deadlocks_nowhere() {
    let server = server().await;
    let mut cullers = JoinSet::new();
    for _ in 0..4 {
        let client = stranger(&server).await;
        cullers.spawn(async move {
            loop {
                client.query("SELECT dogpile.cull(0, 1000)", &[]).await.unwrap();
            }
        });
    }
    within(WATCHDOG, contend(&server)).await;
    assert!(cullers.try_join_next().is_none(), "a culler has failed");
    cullers.abort_all();
    assert_no_errors(&server);
}
