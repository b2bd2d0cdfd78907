//! Connections: where to, as which user, and what is no server.

use crate::kit::{WATCHDOG, connected, entry, error, handshake, is_open, key, kind, look, seen, set, until, within};
use dogpile_cache::backend::{Backend, BackendErrorKind, ConnectError, Redis, RedisWarning};
use dogpile_servers::{FakeServer, RedisServer, Reply, Value};
use std::net::TcpListener;
use std::time::Instant;

async fn refused(url: &str) -> ConnectError {
    within(Redis::connect(url)).await.map(drop).unwrap_err()
}

#[track_caller]
fn says(error: &ConnectError, what: &str) {
    assert!(error.to_string().contains(what), "{error}");
}

#[tokio::test]
async fn a_password_and_a_database_are_used() {
    let server = RedisServer::builder().password("secret").start().unwrap();
    let redis = Redis::connect(&format!("{}/3", server.url())).await.unwrap();
    redis.change(&key("a"), set("one")).await.unwrap();
    assert_eq!(look(&redis, &key("a")).await.entry, Some(entry("one").bytes));
    assert!(server.info("db3").unwrap().starts_with("keys=1,"));
    assert!(server.info("db0").is_err(), "nothing lies in another database");
    assert!(redis.warnings().is_empty(), "{:?}", redis.warnings());
}

#[tokio::test]
async fn a_wrong_password_lets_nobody_in() {
    let server = seen().password("secret").user("anna on >word ~* &* +@all").start().unwrap();
    let port = server.port();
    for user in [":wrong@", "", "anna:wrong@", "nobody:word@"] {
        let url = format!("redis://{user}127.0.0.1:{port}");
        let error = refused(&url).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        let redis = Redis::lazy(&url).unwrap();
        assert_eq!(kind(redis.change(&key("a"), set("one"))).await, BackendErrorKind::Unreachable, "{user}");
    }
    let redis = Redis::connect(&format!("redis://anna:word@127.0.0.1:{port}")).await.unwrap();
    redis.ping().await.unwrap();
    // The password was changed: the connection is there still, and goes on.
    server.command(&["ACL", "SETUSER", "anna", "resetpass", ">other"]).unwrap();
    redis.ping().await.unwrap();
    server.kill_clients().unwrap();
    until(|| !is_open(&redis)).await;
    assert_eq!(kind(redis.ping()).await, BackendErrorKind::Unreachable);
    server.command(&["ACL", "SETUSER", "anna", "resetpass", ">word"]).unwrap();
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_no_server() {
    let server = RedisServer::start().unwrap();
    let error = refused(&format!("{}/99", server.url())).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_unix_socket_is_a_server() {
    let server = RedisServer::builder().unix_socket().start().unwrap();
    let path = server.unix_socket().unwrap();
    for url in [format!("unix://{}", path.display()), format!("redis+unix://{}?db=2", path.display())] {
        let redis = Redis::connect(&url).await.unwrap();
        redis.change(&key("a"), set("one")).await.unwrap();
        assert_eq!(look(&redis, &key("a")).await.entry, Some(entry("one").bytes));
    }
    assert!(server.info("db2").unwrap().starts_with("keys=1,"));
    let none = refused("unix:///no/such/socket").await;
    assert!(matches!(none, ConnectError::Unreachable { .. }), "{none:?}");
}

#[tokio::test]
async fn what_is_no_url_is_malformed() {
    for url in ["", "127.0.0.1", "anna:word@127.0.0.1:6379"] {
        assert_eq!(refused(url).await, ConnectError::NoScheme, "{url}");
    }
    for url in ["redis:", "redis://", "redis://a/x", "rediss://", "unix:", "redis+sentinel://a", "redis://a:b:c/"] {
        let error = refused(url).await;
        assert!(matches!(error, ConnectError::Malformed { .. }), "{url}: {error:?}");
        assert_eq!(error, Redis::lazy(url).map(drop).unwrap_err());
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_unfit() {
    let old = FakeServer::start(|words| match &words[1..] {
        [section, ..] if section.eq_ignore_ascii_case(b"server") => {
            Reply::Value(Value::bulk("redis_version:6.0.16\r\nredis_mode:standalone\r\nrun_id:r\r\n"))
        }
        _ => handshake(words),
    });
    let old = old.unwrap();
    let error = refused(&old.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{error:?}");
    says(&error, "6.0.16");
    assert!(!old.heard().iter().any(|words| words[0].starts_with(b"EVAL")), "nothing was asked of it");

    // Older than RESP3.
    let ancient = FakeServer::start(|words| match &words[0][..] {
        b"HELLO" => Reply::error("ERR unknown command `HELLO`, with args beginning with: `3`, "),
        _ => handshake(words),
    });
    let error = refused(&ancient.unwrap().url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{error:?}");
}

#[tokio::test]
async fn a_replica_takes_no_writes() {
    let primary = RedisServer::start().unwrap();
    let replica = RedisServer::builder().replica_of(primary.port()).start().unwrap();
    let error = refused(&replica.url()).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    says(&error, "replica");
    // A lazy one comes to its server once that is a primary.
    let redis = Redis::lazy(&replica.url()).unwrap();
    assert_eq!(kind(redis.ping()).await, BackendErrorKind::Unreachable);
    replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_awaited() {
    // Some versions answer so to INFO, others tell it.
    let by_error = FakeServer::start(|words| match &words[0][..] {
        b"INFO" => Reply::error("LOADING Redis is loading the dataset in memory"),
        _ => handshake(words),
    });
    let by_info = FakeServer::start(|words| match words {
        [_, section] if section.eq_ignore_ascii_case(b"persistence") => Reply::Value(Value::bulk("loading:1\r\n")),
        _ => handshake(words),
    });
    for server in [by_error.unwrap(), by_info.unwrap()] {
        let error = refused(&server.url()).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().to_lowercase().contains("load"), "{error}");
    }
}

#[tokio::test]
async fn no_server_is_an_error_and_comes_later() {
    let mut server = RedisServer::start().unwrap();
    server.kill();
    let error = refused(&server.url()).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let redis = Redis::lazy(&server.url()).unwrap();
    assert!(redis.life_of(&key("a")).is_none() && redis.warnings().is_empty());
    assert_eq!(kind(redis.change(&key("a"), set("one"))).await, BackendErrorKind::Unreachable);
    server.restart_empty().unwrap();
    redis.change(&key("a"), set("one")).await.expect("the next operation connects");
    assert!(redis.life_of(&key("a")).is_some());
}

#[tokio::test]
async fn s98_a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let error = refused(&url).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let redis = Redis::lazy(&url).unwrap();
    assert_eq!(kind(redis.ping()).await, BackendErrorKind::Unreachable);
    assert!(begun.elapsed() < WATCHDOG / 2, "each is given two seconds");
}

/// What no Redis says.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("no protocol", b"!garbage\r\n".to_vec()),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("zeros", vec![0; 100_000]),
        ("a length below zero", b"$-7\r\n".to_vec()),
        ("a length that nobody has", b"$9223372036854775807\r\n".to_vec()),
        ("a list that nobody has", b"*9223372036854775807\r\n".to_vec()),
        ("lists in lists", b"*1\r\n".repeat(200_000)),
        ("maps in maps", b"%1\r\n".repeat(200_000)),
        ("a number that is none", b":1e400\r\n".to_vec()),
        ("another type", b"#t\r\n".to_vec()),
        ("a null", b"_\r\n".to_vec()),
        ("an empty error", b"-\r\n".to_vec()),
        ("an error that is no text", b"-\xff\xfe\r\n".to_vec()),
        ("a push", b">1\r\n+hello\r\n".to_vec()),
        ("nothing, and the end", Vec::new()),
    ]
}

#[tokio::test]
async fn g7_garbage_is_no_server() {
    for (what, bytes) in garbage() {
        let server =
            FakeServer::start(move |_| if bytes.is_empty() { Reply::Close } else { Reply::Raw(bytes.clone()) });
        let server = server.unwrap();
        let error = refused(&server.url()).await;
        assert!(matches!(error, ConnectError::Unreachable { .. } | ConnectError::Unfit { .. }), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn g7_garbage_in_place_of_a_reply_is_an_error_and_nothing_more() {
    for (what, bytes) in garbage() {
        let is_well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mends = std::sync::Arc::clone(&is_well);
        let server = crate::kit::imitation(move |name| {
            if mends.load(std::sync::atomic::Ordering::SeqCst) {
                return Reply::Value(if name == "GET" { Value::Nil } else { Value::Int(1) });
            }
            if bytes.is_empty() { Reply::Close } else { Reply::Raw(bytes.clone()) }
        });
        let redis = Redis::connect(&server.url()).await.unwrap();
        let (a, b) = (key("a"), key("b"));
        // (A null is what a `GET` that finds nothing answers; what is pushed is no reply, and the heartbeat ends it.)
        let changed = error(redis.change(&a, set("one"))).await;
        assert_ne!(changed.kind(), BackendErrorKind::TooLarge, "{what}: {changed:?}");
        let _looked = within(redis.look(&[a.clone(), b], None)).await;
        let _claimed = error(redis.claim(&a, crate::kit::claim(crate::kit::SECOND))).await;
        // What comes after it is read again.
        is_well.store(true, std::sync::atomic::Ordering::SeqCst);
        connected(&redis).await;
        assert_eq!(look(&redis, &a).await.entry, None, "{what}");
    }
}

#[tokio::test]
async fn g1_a_server_that_evicts_is_warned_of() {
    let server = RedisServer::builder();
    let server = server.args(["--maxmemory", "50mb", "--maxmemory-policy", "volatile-ttl"]).start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    assert_eq!(redis.warnings(), [RedisWarning::Evicts { policy: "volatile-ttl".into() }]);
    assert!(redis.warnings()[0].to_string().contains("volatile-ttl"));
    let server = RedisServer::builder().args(["--maxmemory", "50mb"]).start().unwrap();
    assert!(Redis::connect(&server.url()).await.unwrap().warnings().is_empty(), "noeviction evicts nothing");
}

/// A server of a Cluster, which names these ports for the halves of the slots.
fn of_a_cluster(ports: [u16; 2]) -> FakeServer {
    let half = |from: i64, port: u16| {
        let server = Value::Array(vec![Value::bulk("127.0.0.1"), Value::Int(port.into()), Value::bulk("id")]);
        Value::Array(vec![Value::Int(from), Value::Int(from + 8191), server])
    };
    let slots = Value::Array(vec![half(0, ports[0]), half(8192, ports[1])]);
    FakeServer::start(move |words| {
        let words: Vec<_> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        Reply::Value(match [&words[0][..], words.get(1).map_or(&b""[..], |word| word)] {
            [b"INFO", b"SERVER"] => Value::bulk("redis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:r\r\n"),
            [b"CLUSTER", b"INFO"] => Value::bulk("cluster_state:ok\r\n"),
            [b"CLUSTER", b"SLOTS"] => slots.clone(),
            _ => return handshake(&words),
        })
    })
    .unwrap()
}

#[tokio::test]
async fn a_server_of_a_cluster_that_will_never_do_is_an_error_and_one_that_is_away_a_warning() {
    // The other servers.
    let well = crate::kit::imitation(|_| Reply::ok());
    let old = FakeServer::start(|words| {
        let is_asked = words.len() == 2 && words[1].eq_ignore_ascii_case(b"server");
        let old = "redis_version:6.0.9\r\nredis_mode:cluster\r\nrun_id:r\r\n";
        if is_asked { Reply::Value(Value::bulk(old)) } else { handshake(words) }
    });
    let old = old.unwrap();
    let none = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let [well, old] = [&well, &old].map(|server| server.address().port());
    for (others, is_unfit) in [([well, old], Some(true)), ([well, none], None), ([none, none], Some(false))] {
        let server = of_a_cluster(others);
        let connected = within(Redis::connect(&server.url())).await;
        match (connected, is_unfit) {
            (Err(ConnectError::Unfit { .. }), Some(true)) | (Err(ConnectError::Unreachable { .. }), Some(false)) => {}
            (Ok(redis), None) => assert!(matches!(&redis.warnings()[..], [RedisWarning::Away { .. }])),
            (connected, _) => panic!("{others:?} {connected:?}"),
        }
    }
}
