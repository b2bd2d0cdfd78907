//! Looks that are asked at the same moment, and sent as one request.

use crate::gathering::{self, assert_own, begin, named, settle, store, value};
use crate::kit::{connect, connected, handshake, look, part};
use dogpile_cache::backend::{BackendErrorKind, Redis};
use dogpile_servers::{Direction, FakeServer, Proxy, RedisServer, Reply, Value};
use std::sync::Arc;

#[tokio::test]
async fn each_look_has_its_own_reply_however_many_are_asked_at_once() {
    let server = RedisServer::start().unwrap();
    gathering::each_look_has_its_own_reply(connect(&server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_ask_at_once_have_their_own_replies() {
    let server = RedisServer::start().unwrap();
    gathering::tasks_have_their_own_replies(connect(&server).await).await;
}

#[tokio::test]
async fn s4_a_look_that_is_dropped_at_whatever_point_shifts_no_reply() {
    let server = RedisServer::start().unwrap();
    gathering::a_dropped_look_shifts_no_reply(connect(&server).await).await;
}

#[tokio::test]
async fn s4_a_look_that_is_dropped_while_the_server_has_it_shifts_no_reply() {
    let server = RedisServer::start().unwrap();
    let (stop, go_on) = (|| server.stop().unwrap(), || server.go_on().unwrap());
    gathering::a_look_dropped_at_the_server_shifts_no_reply(connect(&server).await, stop, go_on).await;
}

#[tokio::test]
async fn a_look_that_is_not_polled_any_more_holds_up_nobody() {
    let server = RedisServer::start().unwrap();
    gathering::a_look_that_is_not_polled_holds_up_nobody(connect(&server).await).await;
}

#[test]
fn looks_whose_runtime_has_ended_fail() {
    let server = RedisServer::start().unwrap();
    gathering::looks_whose_runtime_has_ended_fail(async || connect(&server).await);
}

#[tokio::test]
async fn an_error_that_is_answered_to_a_look_is_that_of_this_look() {
    let server = FakeServer::start(|words| {
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        match &*name {
            "GET" => {}
            // A user who may read some keys alone has no `MGET` of others, nor has a user without that command.
            "MGET" => {
                return Reply::error("NOPERM this user has no permissions to access one of the keys used as arguments");
            }
            _ => return handshake(words),
        }
        let key = String::from_utf8_lossy(&words[1]);
        let number: usize = key[key.find(":n").unwrap() + 2..key.find('}').unwrap()].parse().unwrap();
        match number % 5 {
            0 => Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value"),
            1 => Reply::error("NOPERM this user has no permissions to access one of the keys used as arguments"),
            2 => Reply::Value(Value::Nil),
            3 => Reply::error("CLUSTERDOWN The cluster is down"),
            _ => Reply::Value(Value::bulk(value(number))),
        }
    })
    .unwrap();
    let redis = Arc::new(Redis::connect(&server.url()).await.unwrap());
    for _ in 0..3 {
        for asked in begin(&redis, 100).await {
            let number = asked.number;
            let outcome = asked.outcome().await;
            match (number % 5, &outcome) {
                (0 | 2, Ok(look)) => assert_eq!(look.entry, None, "{number}"),
                (1, Err(error)) => assert_eq!(error.kind(), BackendErrorKind::Refused, "{number}"),
                (3, Err(error)) => assert_eq!(error.kind(), BackendErrorKind::Unreachable, "{number}"),
                (4, _) => assert_own(number, &outcome),
                _ => panic!("{number}: {outcome:?}"),
            }
        }
    }
    let heard = |name: &[u8]| server.heard().iter().filter(|words| words[0] == name).count();
    assert_eq!(heard(b"HELLO"), 1, "the connection is kept");
    assert!((1..=2).contains(&heard(b"MGET")), "it is tried once, by each batch that is under way then");
}

/// What a stranger has left that is no text counts as missing, and takes nothing from the other looks.
#[tokio::test]
async fn g7_what_is_no_text_is_missing_beside_other_looks() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 40).await;
    let texts = ["GET", "MGET"].map(|name| format!("cmdstat_{name}").to_lowercase());
    for number in [3, 20] {
        let name = part(&named(number), "entry");
        server.command(&["DEL", &name]).unwrap();
        server.command(&["RPUSH", &name, "no text"]).unwrap();
    }
    for asked in begin(&redis, 40).await {
        let number = asked.number;
        let outcome = asked.outcome().await;
        match number {
            3 | 20 => assert_eq!(outcome.expect("a look").entry, None, "{number}"),
            _ => assert_own(number, &outcome),
        }
    }
    assert!(texts.iter().all(|name| server.info(name).is_ok()), "some were sent alone, and others together");
}

#[tokio::test]
async fn a_look_that_is_dropped_before_it_was_sent_is_not_sent() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    // Nothing lies there.
    let gets = || server.info("keyspace_misses").unwrap().parse::<usize>().unwrap();
    let mut asked = begin(&redis, 40).await;
    asked.truncate(10);
    for asked in asked {
        asked.outcome().await.unwrap();
    }
    assert_eq!(gets(), 10);
    // Nor is a batch in which nobody is left.
    drop(begin(&redis, 40).await);
    look(&redis, &named(0)).await;
    assert_eq!(gets(), 11);
}

#[tokio::test]
async fn looks_whose_connection_is_lost_are_in_doubt_and_the_next_ones_work() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Arc::new(Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap());
    store(&redis, 40).await;
    for _ in 0..5 {
        proxy.black_hole(Direction::FromServer, true);
        let asked = begin(&redis, 40).await;
        settle().await;
        proxy.sever();
        for asked in asked {
            let number = asked.number;
            let error = asked.outcome().await.expect_err("an error");
            assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{number}: {error:?}");
        }
        proxy.normal();
        connected(&redis).await;
        for asked in begin(&redis, 40).await {
            asked.finds_its_own().await;
        }
    }
}
