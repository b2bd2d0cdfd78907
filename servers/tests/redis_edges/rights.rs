//! The rights of a user: those that the documentation of the backend names suffice, and each of them is needed.

use crate::kit::{
    LONG, NAME, SECOND, claim, entry, granted, key, look, mark, part, region, set, set_if, until, within,
};
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Changed, Claimed, Count, Counted, Ended, PauseFor, Published,
    Redis, RedisWarning, Renewed,
};
use dogpile_cache::{Got, Published as Stored};
use dogpile_servers::{Cluster, RedisServer};
use std::sync::Arc;

/// As in the documentation of the backend.
const COMMANDS: [&str; 15] = [
    "get",
    "mget",
    "del",
    "info",
    "time",
    "eval",
    "evalsha",
    "set",
    "getrange",
    "setrange",
    "pttl",
    "incrby",
    "publish",
    "subscribe",
    "unsubscribe",
];

/// As well, on a Cluster.
const OF_A_CLUSTER: [&str; 5] = ["cluster|slots", "asking", "spublish", "ssubscribe", "sunsubscribe"];

fn rules(commands: &[&str], keys: &str, channels: &str) -> String {
    format!("resetkeys resetchannels ~{keys} &{channels} -@all +{}", commands.join(" +"))
}

fn permit(server: &RedisServer, rules: &str) {
    let mut words = vec!["ACL", "SETUSER", "anna", "reset", "on", ">word"];
    words.extend(rules.split_whitespace());
    server.command(&words).unwrap();
}

/// The whole life of an entry and of a counter.
async fn live(redis: &Redis, name: &str) -> Result<(), BackendError> {
    let (a, b) = (key(name), key(&format!("{name}, another")));
    let granted = |claimed: Claimed| match claimed {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("{other:?}"),
    };
    redis.ping().await?;
    let signals = match redis.listen(&a).expect("Redis has signals").await {
        Err(_) if !redis.warnings().is_empty() => None,
        other => Some(other?),
    };
    let grant = granted(redis.claim(&a, claim(LONG)).await?);
    assert!(matches!(redis.renew(&a, &grant, LONG).await?, Renewed::Yes(_)));
    redis.change(&a, mark()).await?;
    assert_eq!(redis.publish(&a, &grant, entry("one")).await?, Published::Stale);
    if let Some(mut signals) = signals.filter(|_| redis.warnings().is_empty()) {
        within(signals.heard()).await;
    }
    let seen = redis.look(&[a.clone(), b.clone()], None).await?.remove(0);
    assert_eq!((seen.entry, seen.is_marked), (Some(entry("one").bytes), true));
    let touched = redis.change(&a, Change::Touch { entry: entry("one"), seen: seen.seen }).await?;
    assert!(matches!(touched, Changed::Yes { .. }));
    let seen = redis.look(std::slice::from_ref(&a), None).await?.remove(0);
    assert!(matches!(redis.change(&a, set_if("two", seen.seen)).await?, Changed::Yes { .. }));
    redis.change(&a, mark()).await?;
    redis.change(&a, set("three")).await?;
    let grant = granted(redis.claim(&a, claim(LONG)).await?);
    let pause = PauseFor { failures: 1, pause: SECOND };
    assert_eq!(redis.end(&a, &grant, Some(pause)).await?, Ended::Yes);
    redis.change(&a, crate::kit::invalidate()).await?;
    let add = |delta| Count::Add { delta, ceiling: 100, lifetime: Some(LONG) };
    for (count, now) in [(add(7), 7), (add(2), 9), (add(-1), 8), (add(-10), 0), (Count::Get, 0), (Count::Reset, 0)] {
        assert_eq!(redis.count(&b, count).await?, Counted::Now(now));
    }
    Ok(())
}

#[tokio::test]
async fn the_rights_that_are_named_suffice_and_are_needed() {
    let server = RedisServer::start().unwrap();
    let url = format!("redis://anna:word@{}", server.address());
    permit(&server, &rules(&COMMANDS, "{*", "{*"));
    let redis = Redis::connect(&url).await.unwrap();
    live(&redis, "a").await.unwrap();
    assert!(redis.warnings().is_empty(), "{:?}", redis.warnings());
    let listened = |name: &str| {
        let channel = format!("{{{}}}@signal", key(name).place());
        server.command(&["PUBSUB", "NUMSUB", &channel]).unwrap().items()[1].int() != Some(0)
    };
    until(|| !listened("a")).await;

    for left_out in COMMANDS {
        let fewer: Vec<_> = COMMANDS.into_iter().filter(|command| *command != left_out).collect();
        permit(&server, &rules(&fewer, "{*", "{*"));
        server.command(&["SCRIPT", "FLUSH"]).unwrap();
        let redis = Redis::lazy(&url).unwrap();
        let lived = live(&redis, left_out).await;
        match left_out {
            "mget" => lived.expect("what is looked at together is asked for by so many `GET`s"),
            "publish" => {
                lived.expect("signals are hints");
                assert_eq!(redis.warnings(), [RedisWarning::NoChannels]);
            }
            "unsubscribe" => {
                lived.unwrap();
                assert!(listened(left_out), "it is not needed");
            }
            _ => assert!(lived.is_err(), "{left_out} is not needed"),
        }
    }
    // A database has a number only if that is chosen.
    permit(&server, &rules(&COMMANDS, "{*", "{*"));
    assert!(Redis::connect(&format!("{url}/3")).await.is_err());
    permit(&server, &rules(&[&COMMANDS[..], &["select"]].concat(), "{*", "{*"));
    live(&Redis::connect(&format!("{url}/3")).await.unwrap(), "a").await.unwrap();
}

#[tokio::test]
async fn the_rights_that_are_named_suffice_on_a_cluster() {
    let cluster = Cluster::start(false).unwrap();
    for node in &cluster.nodes {
        permit(node, &rules(&[&COMMANDS[..], &OF_A_CLUSTER].concat(), "{*", "{*"));
    }
    let redis = Redis::connect(&format!("redis://anna:word@{}", cluster.nodes[0].address())).await.unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        live(&redis, name).await.unwrap();
    }
    assert!(redis.warnings().is_empty(), "{:?}", redis.warnings());
    // A look at a key that is on its way to another server is redirected there.
    let place = key("a");
    redis.change(&place, set("moved")).await.unwrap();
    let slot = cluster.slot(&part(&place, "entry")).unwrap();
    let from = cluster.owner(slot).unwrap();
    let to = (from + 1) % 3;
    cluster.begin_move(slot, from, to).unwrap();
    cluster.move_keys(slot, from, to).unwrap();
    assert_eq!(look(&redis, &place).await.entry, Some(entry("moved").bytes));
    cluster.end_move(slot, from, to).unwrap();
    redis.change(&place, set("there")).await.unwrap();
}

#[tokio::test]
async fn s25_no_permission_is_an_error_at_once() {
    let server = RedisServer::start().unwrap();
    permit(&server, &rules(&COMMANDS, "{other*", "{*"));
    let redis = Redis::connect(&format!("redis://anna:word@{}", server.address())).await.unwrap();
    let a = key("a");
    let refused = |error: BackendError| assert_eq!(error.kind(), BackendErrorKind::Refused, "{error:?}");
    refused(redis.look(std::slice::from_ref(&a), None).await.unwrap_err());
    refused(redis.look(&[a.clone(), key("b")], None).await.unwrap_err());
    refused(redis.claim(&a, claim(LONG)).await.unwrap_err());
    refused(redis.change(&a, set("one")).await.unwrap_err());
    refused(redis.change(&a, crate::kit::invalidate()).await.unwrap_err());
    refused(redis.count(&a, Count::Get).await.unwrap_err());
    // The server has answered: the connection is well, and the caller of a creation gets its value.
    redis.ping().await.unwrap();
    let region = region(&Arc::new(redis));
    let got = region.get("a").or_create(async || "one".to_owned()).await.unwrap();
    assert!(matches!(Got::published(&got), Some(Stored::No(_))), "{got:?}");
    assert!(region.invalidate("a").await.is_err(), "an invalidation that fails is told (S52)");
    assert_eq!(server.command(&["DBSIZE"]).unwrap().int(), Some(0));
}

#[tokio::test]
async fn g16_without_channels_nothing_fails_and_a_warning_says_so() {
    let server = RedisServer::start().unwrap();
    permit(&server, &rules(&COMMANDS, "{*", "other*"));
    let redis = Redis::connect(&format!("redis://anna:word@{}", server.address())).await.unwrap();
    assert_eq!(redis.warnings(), [RedisWarning::NoChannels], "found when the connection is made");
    live(&redis, "a").await.unwrap();
    assert!(redis.warnings()[0].to_string().contains("@signal"));

    // The right is taken away later: the next signal finds it out.
    permit(&server, &rules(&COMMANDS, "{*", "{*"));
    let redis = Redis::connect(&format!("redis://anna:word@{}", server.address())).await.unwrap();
    assert!(redis.warnings().is_empty());
    server.command(&["ACL", "SETUSER", "anna", "resetchannels"]).unwrap();
    // (Redis closes connections that have subscribed; this one has not.)
    let grant = granted(&redis, &key("b"), LONG).await;
    assert_eq!(redis.publish(&key("b"), &grant, entry("one")).await.unwrap(), Published::Fresh);
    until(|| redis.warnings() == [RedisWarning::NoChannels]).await;
    assert_eq!(look(&redis, &key("b")).await.entry, Some(entry("one").bytes));
    assert!(server.command(&["EXISTS", &part(&key("b"), "grant")]).unwrap().int() == Some(0), "the grant has ended");
}

#[tokio::test]
async fn the_places_of_one_name_can_be_a_users_alone() {
    let server = RedisServer::start().unwrap();
    permit(&server, &rules(&COMMANDS, &format!("{{{NAME}:*"), "{*"));
    let redis = Redis::connect(&format!("redis://anna:word@{}", server.address())).await.unwrap();
    live(&redis, "a").await.unwrap();
}
