//! The backend `Redis` behind Sentinels.

#[path = "kit/mod.rs"]
mod kit;

use crate::kit::{LEASE, SECOND, entry, granted, in_time, key, look, set, stored};
use dogpile_cache::backend::{Backend, ConnectError, Ended, Life, Published, Redis, Refusal, Renewed};
use dogpile_cache::observer::{self, Overlap};
use dogpile_cache::{Claim, Got, NotPublished, OtherLife, Outcome, Region};
use dogpile_servers::{RedisServer, Sentinels};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a process may go on with a primary that most sentinels do not name any more. The sentinels leave it one for
/// ten seconds.
const LEFT: Duration = Duration::from_secs(5);

/// The URL of the service, by these sentinels.
fn url<'a>(sentinels: impl IntoIterator<Item = &'a RedisServer>, service: &str) -> String {
    let hosts: Vec<_> = sentinels.into_iter().map(|sentinel| sentinel.address().to_string()).collect();
    format!("redis+sentinel://{}/{service}", hosts.join(","))
}

async fn connected(all: &Sentinels) -> Redis {
    Redis::connect(&url(&all.sentinels, Sentinels::NAME)).await.unwrap()
}

/// Waits until the backend has another life than this one. Returns the life.
async fn other_life(backend: &impl Backend, than: Life) -> (Life, Duration) {
    in_time(async || match look(backend, &key("life")).await {
        Ok(look) if look.life != than => Ok(look.life),
        other => Err(format!("{other:?}")),
    })
    .await
}

/// Cuts the replicas off from the primary, which is at an index: they keep what they have.
fn cut_off(all: &Sentinels, primary: usize) {
    for (index, server) in all.replicas.servers.iter().enumerate() {
        if index != primary {
            server.command(&["CONFIG", "SET", "masteruser", "nobody"]).unwrap();
            server.command(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
        }
    }
    all.replicas.servers[primary].command(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
}

fn region(backend: &Arc<Redis>, name: &str, other: OtherLife) -> Region<u64, String> {
    let builder = Region::builder(name).expires_after(LEASE).max_stale(LEASE).other_life(other).lease(LEASE);
    builder.far(Arc::clone(backend)).build().unwrap()
}

async fn found(region: &Region<u64, String>, key: u64) -> Option<(String, Outcome)> {
    let (got, _) = in_time(async || region.get(&key).value().await).await;
    got.map(|got| (got.to_string(), Got::outcome(&got)))
}

/// S19: a replica that lags is promoted while a lease is out, and after an invalidation that it does not know of.
async fn a_replica_that_lags_takes_over(promote: impl FnOnce(&mut Sentinels) -> usize) {
    let mut all = Sentinels::start(1).unwrap();
    let backend = Arc::new(connected(&all).await);
    let others = [OtherLife::Revalidate, OtherLife::Distrust, OtherLife::Trust];
    let regions: Vec<_> =
        ["a", "b", "c"].iter().zip(others).map(|(name, other)| region(&backend, name, other)).collect();
    for region in &regions {
        region.set(&1, "kept".to_owned()).await.unwrap();
        region.set(&2, "revoked".to_owned()).await.unwrap();
    }
    let held = key("held");
    set(&*backend, &held, "old").await.unwrap();
    all.replicas.in_step().unwrap();
    let life = look(&*backend, &held).await.unwrap().life;
    cut_off(&all, 0);
    let late = granted(&*backend, &held).await;
    let Claim::Create(creation) = regions[0].get(&3).claim().await.unwrap() else { panic!("it is missing") };
    for region in &regions {
        region.invalidate(&2).await.unwrap();
        assert_eq!(found(region, 2).await, None);
    }
    promote(&mut all);
    let (next, took) = other_life(&*backend, life).await;
    println!("another life after {took:?}");
    assert!(took < LEFT, "{took:?}");

    assert_eq!(backend.publish(&held, &late, entry("late")).await.unwrap(), Published::Refused(Refusal::OtherLife));
    assert_eq!(backend.renew(&held, &late, LEASE).await.unwrap(), Renewed::Lost(Refusal::OtherLife));
    assert_eq!(backend.end(&held, &late, None).await.unwrap(), Ended::Lost(Refusal::OtherLife));
    assert_eq!(stored(&*backend, &held).await.unwrap(), "old");
    let new = granted(&*backend, &held).await;
    assert_eq!(new.life, next);
    assert_eq!(backend.publish(&held, &new, entry("new")).await.unwrap(), Published::Fresh);
    // The holder of a region's grant has its value, and the region has counted the overlap.
    let got = creation.publish("late".to_owned()).await.unwrap();
    assert_eq!(Got::published(&got), Some(observer::Published::No(NotPublished::OtherLife)));
    assert_eq!(regions[0].counts().overlaps.get(Overlap::ServerLost), 1);
    assert_eq!(found(&regions[0], 3).await, None);

    let old = |text: &str, outcome| Some((text.to_owned(), outcome));
    let all_of = [
        (old("kept", Outcome::Stale), old("revoked", Outcome::Stale)),
        (None, None),
        (old("kept", Outcome::Fresh), old("revoked", Outcome::Fresh)),
    ];
    for (region, (kept, revoked)) in regions.iter().zip(all_of) {
        assert_eq!((found(region, 1).await, found(region, 2).await), (kept, revoked), "{}", region.name());
        region.invalidate(&2).await.unwrap();
        assert_eq!(found(region, 2).await, None);
        region.get(&1).or_create(async || "kept".to_owned()).await.unwrap();
    }
}

#[tokio::test]
async fn g2_g10_s19_a_replica_that_lags_is_promoted_while_a_lease_is_out() {
    a_replica_that_lags_takes_over(|all| all.failover().unwrap()).await;
}

#[tokio::test]
async fn g2_g10_s19_a_replica_that_lags_takes_over_from_a_primary_that_was_killed() {
    a_replica_that_lags_takes_over(|all| all.kill_primary().unwrap()).await;
}

#[tokio::test]
async fn g10_there_and_back_is_another_life_each_time() {
    let all = Sentinels::start(1).unwrap();
    let backend = connected(&all).await;
    let held = key("held");
    let mut lives = vec![look(&backend, &held).await.unwrap().life];
    let mut grants = Vec::new();
    for _ in 0..3 {
        grants.push(granted(&backend, &held).await);
        all.replicas.in_step().unwrap();
        all.failover().unwrap();
        let (life, took) = other_life(&backend, *lives.last().unwrap()).await;
        println!("another life after {took:?}");
        assert!(took < LEFT, "{took:?}");
        assert!(!lives.contains(&life), "{life:?} comes again: {lives:?}");
        lives.push(life);
        for grant in &grants {
            let refused = backend.publish(&held, grant, entry("late")).await.unwrap();
            assert_eq!(refused, Published::Refused(Refusal::OtherLife));
        }
        all.replicas.in_step().unwrap();
    }
}

/// The old primary is frozen for less time than the heartbeat takes to notice it, but long enough for the Sentinels. It
/// goes on as a primary that does not know that it is none.
#[tokio::test]
async fn g3_g10_a_primary_that_was_replaced_while_it_was_frozen_is_left_in_a_bounded_time() {
    let all = Sentinels::start(1).unwrap();
    let backend = connected(&all).await;
    let held = key("held");
    set(&backend, &held, "old").await.unwrap();
    all.replicas.in_step().unwrap();
    let life = look(&backend, &held).await.unwrap().life;
    let began = Instant::now();
    all.replicas.servers[0].stop().unwrap();
    all.after(0).unwrap();
    println!("promoted after {:?}", began.elapsed());
    all.replicas.servers[0].go_on().unwrap();
    let (_, took) = other_life(&backend, life).await;
    println!("left after {took:?}, {:?} after it was frozen", began.elapsed());
    assert!(took < LEFT, "{took:?}");
    let now = stored(&backend, &held).await;
    assert_eq!(now.unwrap(), "old");
    set(&backend, &held, "new").await.unwrap();
    all.replicas.in_step().unwrap();
    assert_eq!(stored(&backend, &held).await.unwrap(), "new");
}

#[tokio::test]
async fn one_sentinel_that_is_left_is_enough_and_a_silent_one_is_passed_over() {
    let mut all = Sentinels::start(0).unwrap();
    // Silent: its connections are taken, and nothing is answered.
    all.sentinels[0].stop().unwrap();
    let began = Instant::now();
    let backend = connected(&all).await;
    println!("connected after {:?}", began.elapsed());
    set(&backend, &key("a"), "value").await.unwrap();
    // Two are silent, or gone, and the last one named answers.
    all.sentinels[1].kill();
    let began = Instant::now();
    let backend = connected(&all).await;
    println!("connected after {:?}", began.elapsed());
    assert!(began.elapsed() < 5 * SECOND);
    assert_eq!(stored(&backend, &key("a")).await.unwrap(), "value");
    all.sentinels[0].kill();
    let backend = connected(&all).await;
    assert_eq!(stored(&backend, &key("a")).await.unwrap(), "value");
    // None is left: what is connected goes on.
    all.sentinels[2].kill();
    assert_eq!(stored(&backend, &key("a")).await.unwrap(), "value");
    let url = url(&all.sentinels, Sentinels::NAME);
    let Err(ConnectError::Unreachable { why, .. }) = Redis::connect(&url).await else { panic!("nothing is there") };
    assert!(why.contains("no sentinel was reached"), "{why}");
}

#[tokio::test]
async fn a_service_that_no_sentinel_knows_is_a_clear_error() {
    let mut all = Sentinels::start(0).unwrap();
    all.sentinels[2].kill();
    let Err(ConnectError::Unreachable { why, .. }) = Redis::connect(&url(&all.sentinels, "another")).await else {
        panic!("there is no such service")
    };
    assert_eq!(why, "the primary of \"another\": the sentinels do not know the service");
    // A server that is no sentinel.
    let Err(error) = Redis::connect(&url(&all.replicas.servers, Sentinels::NAME)).await else {
        panic!("it is no sentinel")
    };
    assert!(error.to_string().contains("sentinel"), "{error}");
}
