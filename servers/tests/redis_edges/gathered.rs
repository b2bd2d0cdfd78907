//! Looks that are asked at the same moment, and sent as one request.

use crate::kit::{connect, connected, handshake, key, look, set, within};
use dogpile_cache::backend::{Backend, BackendError, BackendErrorKind, Look, Redis};
use dogpile_cache::key::StoredKey;
use dogpile_servers::{Direction, FakeServer, Proxy, RedisServer, Reply, Value};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::yield_now;

type Outcome = Result<Look, BackendError>;

/// A look under way at the key of a number.
struct Asked {
    number: usize,
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

fn named(number: usize) -> StoredKey {
    key(&format!("n{number}"))
}

/// Begins looks at so many keys, and polls each of them once, the one after the other.
async fn begin(redis: &Arc<Redis>, count: usize) -> Vec<Asked> {
    let ask = |number| {
        let redis = Arc::clone(redis);
        let future = Box::pin(async move { Ok(redis.look(&[named(number)], None).await?.remove(0)) });
        Asked { number, future }
    };
    let mut all: Vec<Asked> = (0..count).map(ask).collect();
    poll_fn(|cx| {
        for asked in &mut all {
            assert!(asked.future.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    all
}

/// What lies at the key of a number.
const VALUES: [&str; 10] = ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"];

async fn store(redis: &Redis, count: usize) {
    for number in 0..count {
        redis.change(&named(number), set(VALUES[number % VALUES.len()])).await.unwrap();
    }
}

#[track_caller]
fn assert_own(number: usize, outcome: &Outcome) {
    let found = outcome.as_ref().unwrap_or_else(|error| panic!("{number}: {error:?}"));
    assert_eq!(found.entry.as_deref(), Some(VALUES[number % VALUES.len()].as_bytes()), "{number}");
}

#[tokio::test]
async fn each_look_has_its_own_reply_however_many_are_asked_at_once() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 300).await;
    for count in [1, 2, 5, 6, 64, 68, 69, 300] {
        for asked in begin(&redis, count).await {
            assert_own(asked.number, &within(asked.future).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_ask_at_once_have_their_own_replies() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 100).await;
    let task = |number| {
        let redis = Arc::clone(&redis);
        tokio::spawn(async move {
            let key = named(number);
            for _ in 0..200 {
                assert_own(number, &Ok(look(&redis, &key).await));
            }
        })
    };
    for task in (0..100).map(task).collect::<Vec<_>>() {
        within(task).await.unwrap();
    }
}

/// Before the batch is sent, after that, and when the replies are there.
#[tokio::test]
async fn s4_a_look_that_is_dropped_at_whatever_point_shifts_no_reply() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 40).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    for _ in 0..300 {
        let mut asked = begin(&redis, 40).await;
        for _ in 0..random.usize(..4) {
            asked.retain(|_| random.usize(..4) > 0);
            for _ in 0..random.usize(..6) {
                yield_now().await;
            }
        }
        random.shuffle(&mut asked);
        for asked in asked {
            assert_own(asked.number, &within(asked.future).await);
        }
    }
}

/// Has all tasks of the runtime run that can: what is to be written is written then. (The runtime has one thread.)
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn s4_a_look_that_is_dropped_while_the_server_has_it_shifts_no_reply() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 40).await;
    for round in 0..10 {
        server.stop().unwrap();
        let mut asked = begin(&redis, 40).await;
        settle().await;
        asked.retain(|asked| asked.number % 3 != round % 3);
        server.go_on().unwrap();
        for asked in asked {
            assert_own(asked.number, &within(asked.future).await);
        }
    }
}

/// The first look of a batch least of all: nobody waits for its task.
#[tokio::test]
async fn a_look_that_is_not_polled_any_more_holds_up_nobody() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    store(&redis, 200).await;
    let mut asked = begin(&redis, 200).await;
    for asked in asked.drain(1..).filter(|asked| asked.number % 5 == 0).collect::<Vec<_>>() {
        assert_own(asked.number, &within(asked.future).await);
    }
    let mut asked = begin(&redis, 200).await;
    let last = asked.pop().unwrap();
    assert_own(last.number, &within(last.future).await);
    // Nor are the others lost.
    for asked in asked {
        assert_own(asked.number, &within(asked.future).await);
    }
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
            _ => Reply::Value(Value::bulk(VALUES[number % 10])),
        }
    })
    .unwrap();
    let redis = Arc::new(Redis::connect(&server.url()).await.unwrap());
    for _ in 0..3 {
        for Asked { number, future } in begin(&redis, 100).await {
            let outcome = within(future).await;
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
        let name = format!("{{{}}}{}", named(number).place(), &named(number).full()[named(number).place().len()..]);
        server.command(&["DEL", &name]).unwrap();
        server.command(&["RPUSH", &name, "no text"]).unwrap();
    }
    for Asked { number, future } in begin(&redis, 40).await {
        let outcome = within(future).await;
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
        within(asked.future).await.unwrap();
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
            let error = within(asked.future).await.expect_err("an error");
            assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{}: {error:?}", asked.number);
        }
        proxy.normal();
        connected(&redis).await;
        for asked in begin(&redis, 40).await {
            assert_own(asked.number, &within(asked.future).await);
        }
    }
}

/// The task of a batch goes with its runtime; the looks are told so.
#[test]
fn looks_whose_runtime_has_ended_fail() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = RedisServer::start().unwrap();
    for yields in 0..5 {
        let (first, second) = (runtime(), runtime());
        let (redis, asked) = first.block_on(async {
            let redis = connect(&server).await;
            store(&redis, 40).await;
            let asked = begin(&redis, 40).await;
            for _ in 0..yields {
                yield_now().await;
            }
            (redis, asked)
        });
        drop(first);
        second.block_on(async {
            for asked in asked {
                match within(asked.future).await {
                    Err(error) => assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{error:?}"),
                    found => assert_own(asked.number, &found),
                }
            }
            // The next look has a connection of its own runtime.
            assert_own(7, &Ok(look(&redis, &named(7)).await));
        });
    }
}
