//! The most important laws of regions, over a real server: each region has a connection of its own, as a process has.

use crate::kit::{
    LONG, MINUTE, MS, SECOND, WATCHDOG, assert_mortal, builder, connect, key, part, process, until, within,
};
use dogpile_cache::region::OverFar;
use dogpile_cache::{
    Backoff, Claim, CreateError, Got, Near, Outcome, Published, Region, RegionBuilder, codec::MessagePack,
};
use dogpile_servers::RedisServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

type Regions = Vec<Region<str, String>>;

async fn fleet(
    server: &RedisServer,
    processes: usize,
    with: impl Fn(RegionBuilder<OverFar<MessagePack>>) -> RegionBuilder<OverFar<MessagePack>>,
) -> Regions {
    let mut regions = Vec::new();
    for _ in 0..processes {
        regions.push(with(builder(&connect(server).await)).build().unwrap());
    }
    regions
}

/// Many tasks of each process want a key at once. Returns how many creators ran, and what the tasks got.
async fn all_at_once(regions: &Regions, tasks: usize, name: &'static str) -> (usize, Vec<Outcome>) {
    let (created, begin) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(regions.len() * tasks)));
    let mut accesses = JoinSet::new();
    for task in 0..regions.len() * tasks {
        let (region, created) = (regions[task % regions.len()].clone(), Arc::clone(&created));
        let begin = Arc::clone(&begin);
        accesses.spawn(async move {
            begin.wait().await;
            let creator = async || {
                created.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(MS * 50).await;
                "made".to_owned()
            };
            let got = region.get(name).or_create(creator).await.unwrap();
            assert!(["made", "old"].contains(&&**got), "{got:?}");
            Got::outcome(&got)
        });
    }
    let outcomes = within(accesses.join_all()).await;
    (created.load(Ordering::SeqCst), outcomes)
}

#[track_caller]
fn assert_no_overlap(regions: &Regions) {
    for region in regions {
        assert_eq!(region.counts().overlaps.total(), 0, "{:?}", region.counts().overlaps);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_s4_s24_a_cold_start_of_a_fleet_is_one_creation() {
    let server = RedisServer::start().unwrap();
    let regions = fleet(&server, 8, |builder| builder).await;
    for name in ["a", "b", "c"] {
        assert_eq!(all_at_once(&regions, 8, name).await.0, 1);
    }
    assert_no_overlap(&regions);
    assert_mortal(&server);
}

/// The server loses everything under load, and the source fails: one call in a pause, and all is well by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s100_a_flush_under_load_and_a_failing_source_are_one_call_a_pause() {
    let server = RedisServer::start().unwrap();
    let pause = SECOND / 2;
    let with = |builder: RegionBuilder<_>| builder.retry_after(Backoff::new(pause, pause).jitter(0.0));
    let regions = fleet(&server, 4, with).await;
    regions[0].set("a", "old".to_owned()).await.unwrap();
    let (is_well, calls) = (Arc::new(std::sync::atomic::AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for task in 0..32 {
        let (region, is_well, calls) = (regions[task % 4].clone(), Arc::clone(&is_well), Arc::clone(&calls));
        tasks.spawn(async move {
            let began = Instant::now();
            loop {
                let got = region.get("a").or_try_create(async || {
                    calls.fetch_add(1, Ordering::SeqCst);
                    if is_well.load(Ordering::SeqCst) { Ok("new".to_owned()) } else { Err("down") }
                });
                match got.await {
                    Ok(got) if &**got == "new" => return,
                    Ok(_) | Err(CreateError::Paused { .. } | CreateError::Failed(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
                assert!(began.elapsed() < WATCHDOG, "the fleet does not recover");
                tokio::time::sleep(MS * 2).await;
            }
        });
    }
    let begun = Instant::now();
    server.flush().unwrap();
    until(|| calls.load(Ordering::SeqCst) >= 3).await;
    let (failed, took) = (calls.load(Ordering::SeqCst), begun.elapsed());
    is_well.store(true, Ordering::SeqCst);
    within(tasks.join_all()).await;
    let most = took.as_millis() / pause.as_millis() + 2;
    assert!(failed as u128 <= most, "{failed} calls in {took:?}");
    assert!(calls.load(Ordering::SeqCst) <= failed + 2, "one more, when the source is there again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g11_the_old_value_is_served_while_one_creates() {
    let server = RedisServer::start().unwrap();
    let regions = fleet(&server, 4, |builder| builder).await;
    regions[0].set("a", "old".to_owned()).await.unwrap();
    regions[1].mark_stale("a").await.unwrap();
    let Claim::Create(creation) = regions[0].get("a").claim().await.unwrap() else { panic!() };
    assert_eq!(creation.old().map(String::as_str), Some("old"));
    let (created, outcomes) = within(all_at_once(&regions, 8, "a")).await;
    assert_eq!(created, 0);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stale), "{outcomes:?}");
    creation.publish("new".to_owned()).await.unwrap();
    for region in &regions {
        let got = region.get("a").value().await.unwrap().unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("new", Outcome::Fresh));
    }
    assert_no_overlap(&regions);
}

/// S102: many keys expire at once: one creation each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s102_a_mass_expiry_is_one_creation_each() {
    let server = RedisServer::start().unwrap();
    let regions = fleet(&server, 4, |builder| builder).await;
    let names: [&'static str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    for name in names {
        regions[0].set(name, "old".to_owned()).await.unwrap();
        regions[0].mark_stale(name).await.unwrap();
    }
    let mut all = JoinSet::new();
    for name in names {
        let regions = regions.clone();
        all.spawn(async move { all_at_once(&regions, 4, name).await.0 });
    }
    assert_eq!(within(all.join_all()).await, [1; 10]);
    assert_no_overlap(&regions);
}

#[tokio::test]
async fn g3_s32_s47_an_invalidation_in_mid_creation_wins() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    for invalidating in [&one, &other] {
        let got = within(one.get("a").or_create(async || {
            invalidating.invalidate("a").await.unwrap();
            "of before".to_owned()
        }));
        let got = got.await.unwrap();
        assert_eq!(&**got, "of before", "its caller has it (G4)");
        assert!(matches!(Got::published(&got), Some(Published::No(_))));
        assert!(other.get("a").value().await.unwrap().is_none());
        assert_eq!(server.command(&["EXISTS", &part(&key("a"), "entry")]).unwrap().int(), Some(0));
        let next = within(other.get("a").or_create(async || "of after".to_owned())).await.unwrap();
        assert_eq!((&**next, Got::published(&next)), ("of after", Some(Published::Fresh)));
        one.invalidate("a").await.unwrap();
    }
}

#[tokio::test]
async fn g8_s101_a_failure_pauses_the_fleet_once_and_the_old_value_serves() {
    let server = RedisServer::start().unwrap();
    let with = |builder: RegionBuilder<_>| builder.retry_after(Backoff::new(LONG, LONG).jitter(0.0));
    let regions = fleet(&server, 4, with).await;
    let calls = AtomicUsize::new(0);
    let fail = async || {
        calls.fetch_add(1, Ordering::SeqCst);
        Err::<String, _>("down")
    };
    assert_eq!(regions[0].get("a").or_try_create(fail).await.unwrap_err().into_creator(), Some("down"));
    for region in &regions {
        let paused = region.get("a").or_try_create(fail).await;
        assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })), "{paused:?}");
    }
    regions[1].set("b", "old".to_owned()).await.unwrap();
    regions[1].mark_stale("b").await.unwrap();
    assert!(regions[2].get("b").or_try_create(fail).await.is_err());
    for region in &regions {
        let got = region.get("b").or_try_create(fail).await.unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("old", Outcome::Stale));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    // A refresh by hand passes through, and ends it for all.
    regions[3].refresh("a").or_create(async || "new".to_owned()).await.unwrap();
    assert_eq!(&**regions[0].get("a").or_try_create(fail).await.unwrap(), "new");
}

/// S9: what becomes of a creation that nobody ends.
#[tokio::test]
async fn s9_a_panic_a_drop_and_a_creation_that_is_forgotten_free_the_key() {
    let server = RedisServer::start().unwrap();
    let with = |builder: RegionBuilder<_>| builder.lease(SECOND).creation_timeout(SECOND * 2).without_pauses();
    let regions = fleet(&server, 2, with).await;
    let next = async |name: &str| {
        let got = within(regions[1].get(name).or_create(async || "next".to_owned())).await.unwrap();
        assert_eq!((&**got, Got::published(&got)), ("next", Some(Published::Fresh)), "{name}");
    };
    let region = regions[0].clone();
    let panics = tokio::spawn(async move { region.get("panic").or_create(async || panic!("a bug")).await.map(drop) });
    assert!(panics.await.unwrap_err().is_panic());
    next("panic").await;
    let Claim::Create(creation) = regions[0].get("drop").claim().await.unwrap() else { panic!() };
    drop(creation);
    next("drop").await;
    // Its lease is renewed until `creation_timeout` is over, and not for longer.
    let Claim::Create(creation) = regions[0].get("forget").claim().await.unwrap() else { panic!() };
    std::mem::forget(creation);
    next("forget").await;
    until(|| server.command(&["EXISTS", &part(&key("forget"), "grant")]).unwrap().int() == Some(0)).await;
}

#[tokio::test]
async fn g3_near_over_far_keeps_what_it_may_and_no_more() {
    let server = RedisServer::start().unwrap();
    let near = |builder: RegionBuilder<_>| builder.near(Near::holding(100).at_most(MINUTE));
    let regions = fleet(&server, 2, near).await;
    regions[0].get("a").or_create(async || "one".to_owned()).await.unwrap();
    regions[1].get("a").value().await.unwrap().unwrap();
    let calls = || server.info("total_commands_processed").unwrap().parse::<u64>().unwrap();
    // (Heartbeats and this question are commands, too: a lookup would be a thousand.)
    let before = calls();
    for _ in 0..1000 {
        let got = regions[1].get("a").or_create(async || unreachable!()).await.unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Near));
    }
    assert!(calls() - before < 500, "near hits ask the server");
    // Its own invalidation counts at once; and what it had near is not served.
    regions[1].invalidate("a").await.unwrap();
    assert!(regions[1].get("a").value().await.unwrap().is_none());
    let got = regions[1].get("a").or_create(async || "two".to_owned()).await.unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("two", Outcome::Created));
    // What another process has near is late by `at_most`; a refresh asks.
    assert_eq!(&**regions[0].get("a").value().await.unwrap().unwrap(), "one");
    let short = |builder: RegionBuilder<_>| builder.near(Near::holding(100).at_most(MS * 20));
    let late = fleet(&server, 1, short).await;
    assert_eq!(&**late[0].get("a").value().await.unwrap().unwrap(), "two");
    regions[1].set("a", "three".to_owned()).await.unwrap();
    let began = Instant::now();
    while &**late[0].get("a").value().await.unwrap().unwrap() != "three" {
        assert!(began.elapsed() < WATCHDOG, "near is not late for ever");
    }
}

/// S16: from the publication to the return of a waiter in another process, at most the poll.
#[tokio::test]
async fn s16_each_waiter_returns_within_its_poll() {
    let server = RedisServer::start().unwrap();
    let regions = fleet(&server, 2, |builder| builder.poll(SECOND * 5)).await;
    let mut longest = std::time::Duration::ZERO;
    for round in 0..20 {
        let name: &'static str = Box::leak(format!("round {round}").into_boxed_str());
        let Claim::Create(creation) = regions[0].get(name).claim().await.unwrap() else { panic!() };
        let waiter = tokio::spawn({
            let region = regions[1].clone();
            async move { region.get(name).or_create(async || unreachable!()).await.unwrap() }
        });
        let channel = format!("{{{}}}@signal", key(name).place());
        until(|| server.command(&["PUBSUB", "NUMSUB", &channel]).unwrap().items()[1].int() == Some(1)).await;
        let begun = Instant::now();
        creation.publish("made".to_owned()).await.unwrap();
        let got = within(waiter).await.unwrap();
        assert_eq!(&**got, "made");
        longest = longest.max(begun.elapsed());
    }
    println!("longest hand-off: {longest:?}");
    assert!(longest < SECOND * 5, "it took more than a poll: {longest:?}");
}
