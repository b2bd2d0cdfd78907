//! What a server answers by an error, as a kind: whether the operation was executed, and what the connection is worth.

use crate::kit::{
    LONG, MS, SECOND, WATCHDOG, claim, connect, connected, entry, error, granted, imitation, invalidate, is_open, key,
    kind, look, mark, part, region, seen, set, until, within,
};
use dogpile_cache::backend::{Backend, BackendErrorKind, Changed, Claimed, Count, Published, Redis, Refusal};
use dogpile_cache::{Got, Outcome, Published as Stored};
use dogpile_servers::{RedisServer, Reply};
use std::thread;
use std::time::Instant;

#[tokio::test]
async fn each_error_of_a_server_has_its_kind() {
    use BackendErrorKind::{InDoubt, Refused, Unreachable};
    for (answer, expected, is_kept) in [
        ("NOPERM this user has no permissions to run the 'evalsha' command", Refused, true),
        ("OOM command not allowed when used memory > 'maxmemory'.", Refused, true),
        // A script may have ended between two changes.
        ("ERR something", InDoubt, true),
        ("MISCONF Redis is configured to save RDB snapshots, but it is currently not able to", Refused, true),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Refused, true),
        ("NOSCRIPT No matching script.", Refused, true),
        ("NOAUTH Authentication required.", Refused, false),
        ("READONLY You can't write against a read only replica.", Unreachable, false),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Unreachable, false),
        ("LOADING Redis is loading the dataset in memory", Unreachable, true),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", Unreachable, true),
        ("CLUSTERDOWN The cluster is down", Unreachable, true),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Refused, true),
        ("NOREPLICAS Not enough good replicas to write.", Refused, true),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", Unreachable, true),
    ] {
        let server = imitation(move |_| Reply::error(answer));
        let redis = Redis::connect(&server.url()).await.unwrap();
        let connections = || server.heard().iter().filter(|words| words[0] == b"HELLO").count();
        assert_eq!(kind(redis.change(&key("a"), set("one"))).await, expected, "{answer}");
        assert_eq!(connections(), 1);
        assert_eq!(kind(redis.change(&key("a"), set("one"))).await, expected, "{answer}");
        assert_eq!(connections(), if is_kept { 1 } else { 2 }, "{answer}");
        let sent = server.heard().iter().filter(|words| words[0].starts_with(b"EVAL")).count();
        // A script that is not known is sent once more, in full, and no more than that.
        assert_eq!(sent, if answer.starts_with("NOSCRIPT") { 4 } else { 2 }, "{answer}");
    }
}

#[tokio::test]
async fn g2_a_script_that_is_not_known_costs_one_round_trip_and_nothing_else() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let calls = |name: &str| {
        let line = server.info(&format!("cmdstat_{name}")).unwrap_or_else(|_| "calls=0,".to_owned());
        line["calls=".len()..].split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let forget = || server.command(&["SCRIPT", "FLUSH"]).map(drop).unwrap();
    let a = key("a");
    for round in 1..=2 {
        forget();
        let grant = granted(&redis, &a, LONG).await;
        forget();
        redis.renew(&a, &grant, LONG).await.unwrap();
        forget();
        assert_eq!(redis.publish(&a, &grant, entry("one")).await.unwrap(), Published::Fresh);
        forget();
        redis.change(&a, set("two")).await.unwrap();
        assert_eq!(look(&redis, &a).await.entry, Some(entry("two").bytes));
        assert_eq!((calls("evalsha"), calls("eval")), (round * 4, round * 4));
    }
    // From then on it is known.
    redis.change(&a, set("three")).await.unwrap();
    assert_eq!((calls("evalsha"), calls("eval")), (9, 8));
    // Many at once meet it, too.
    forget();
    let all: Vec<_> = (0..50).map(|at| key(&format!("many {at}"))).collect();
    let (redis, all) = (&redis, &all);
    let claims = all.iter().map(|key| async move { granted(redis, key, LONG).await });
    assert_eq!(join(claims).await.len(), 50);
}

async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(move |context| {
        all.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(std::mem::take(&mut done)) } else { std::task::Poll::Pending }
    })
    .await
}

/// A server that evicts nothing, and has no memory left.
#[tokio::test]
async fn a_full_server_refuses_what_it_would_store_and_does_what_frees() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let (a, b, c) = (key("a"), key("b"), key("c"));
    redis.change(&a, set("one")).await.unwrap();
    redis.change(&b, set("one")).await.unwrap();
    let grant = granted(&redis, &a, LONG).await;
    let other = granted(&redis, &b, LONG).await;
    redis.count(&a, Count::Add { delta: 3, ceiling: 9, lifetime: Some(LONG) }).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();

    // What would store is refused, and leaves everything as it was.
    let refused = BackendErrorKind::Refused;
    assert_eq!(kind(redis.change(&a, set("two"))).await, refused);
    assert_eq!(kind(redis.change(&a, mark())).await, refused, "a mark that is not made is told");
    assert_eq!(kind(redis.claim(&c, claim(LONG))).await, refused);
    assert_eq!(kind(redis.publish(&a, &grant, entry("two"))).await, refused);
    assert_eq!(kind(redis.renew(&a, &grant, LONG)).await, refused);
    assert_eq!(kind(redis.count(&a, Count::Add { delta: 1, ceiling: 9, lifetime: None })).await, refused);
    let seen = look(&redis, &a).await;
    assert_eq!((seen.entry, seen.is_marked), (Some(entry("one").bytes), false));
    assert!(matches!(redis.claim(&a, claim(LONG)).await.unwrap(), Claimed::Held(by) if by.token == grant.token));

    // What frees memory is done: invalidations above all (G3).
    assert_eq!(redis.change(&a, invalidate()).await.unwrap(), Changed::Yes { was_there: true, voided: true });
    assert_eq!(look(&redis, &a).await.entry, None);
    assert_eq!(redis.publish(&a, &grant, entry("late")).await.unwrap(), Published::Refused(Refusal::Voided));
    redis.end(&b, &other, None).await.unwrap();
    redis.count(&a, Count::Reset).await.unwrap();
    assert_eq!(look(&redis, &b).await.entry, Some(entry("one").bytes), "hits go on");

    // G4: the caller of a creation has its value all the same; the old value serves on.
    let region = region(&redis);
    let got = region.get("d").or_create(async || "made".to_owned()).await.unwrap();
    assert_eq!(&**got, "made");
    assert!(matches!(Got::published(&got), Some(Stored::No(_))), "{got:?}");
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    let got = region.get("e").or_create(async || "made".to_owned()).await.unwrap();
    assert_eq!((Got::outcome(&got), Got::published(&got)), (Outcome::Created, Some(Stored::Fresh)));
}

#[tokio::test]
async fn a_busy_server_has_executed_nothing() {
    let server = RedisServer::builder().args(["--busy-reply-threshold", "50"]).start().unwrap();
    let redis = connect(&server).await;
    redis.change(&key("a"), set("one")).await.unwrap();
    let (address, mut killer) = (server.address(), server.client().unwrap());
    let busy = thread::spawn(move || {
        let mut client = dogpile_servers::Client::connect(address, WATCHDOG).unwrap();
        client.command(&["EVAL", "while true do end", "0"]).unwrap()
    });
    // Until the threshold is over, nothing is answered.
    let mut answer = Ok(());
    let began = Instant::now();
    while !matches!(&answer, Err(kind) if *kind == BackendErrorKind::Unreachable) {
        assert!(began.elapsed() < WATCHDOG, "{answer:?}");
        answer = within(redis.change(&key("a"), set("two"))).await.map(drop).map_err(|error| error.kind());
    }
    killer.command(&["SCRIPT", "KILL"]).unwrap();
    busy.join().unwrap();
    connected(&redis).await;
    redis.change(&key("a"), set("three")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left_and_found_again() {
    let (server, primary) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let redis = connect(&server).await;
    let a = key("a");
    let grant = granted(&redis, &a, LONG).await;
    server.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).unwrap();
    assert_eq!(kind(redis.change(&a, set("one"))).await, BackendErrorKind::Unreachable);
    let again = error(redis.change(&a, set("one"))).await;
    assert_eq!(again.kind(), BackendErrorKind::Unreachable);
    server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    connected(&redis).await;
    // Its data are those of another history.
    assert_eq!(redis.publish(&a, &grant, entry("late")).await.unwrap(), Published::Refused(Refusal::OtherLife));
    redis.change(&a, set("one")).await.unwrap();
}

/// A replica that has lost its primary answers nothing from its data; and without any write the heartbeat finds it out.
#[tokio::test]
async fn g10_a_server_that_is_demoted_is_left_without_any_write() {
    let server = seen().args(["--replica-serve-stale-data", "no"]).start().unwrap();
    let redis = connect(&server).await;
    redis.change(&key("a"), set("one")).await.unwrap();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    assert_eq!(kind(redis.look(&[key("a")], None)).await, BackendErrorKind::Unreachable, "MASTERDOWN");
    server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    connected(&redis).await;
    let before = redis.life_of(&key("a")).unwrap();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    until(|| !is_open(&redis)).await;
    server.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    connected(&redis).await;
    assert_ne!(redis.life_of(&key("a")), Some(before), "another history is another life");
}

#[tokio::test]
async fn g17_a_claim_that_is_refused_leaves_nothing() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert!(redis.claim(&key("a"), claim(SECOND)).await.is_err());
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(server.command(&["EXISTS", &part(&key("a"), "grant")]).unwrap().int(), Some(0));
    granted(&redis, &key("a"), MS * 10).await;
}
