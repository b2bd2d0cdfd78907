//! The corners of the Redis backend: two lives at a time, odd bytes, subscriptions that end while they begin, servers
//! of a Cluster that are down.

use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendErrorKind, Change, Claim, Claimed, ConnectError, Entry, Grant, Published, Redis, Seen, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_cache::{Got, Region};
use dogpile_servers::{Cluster, FakeServer, RedisServer, Reply, Value};
use std::pin::pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(30);

fn key(text: &str) -> StoredKey {
    let shape = Shape { schema: 0, format: Format::RAW };
    StoredKey::new(&Namespace::new("corners").unwrap(), text, shape, KeyLimit::NONE)
}

fn entry(bytes: &'static str) -> Entry {
    Entry { bytes: Bytes::from_static(bytes.as_bytes()), lifetime: Some(LONG) }
}

async fn granted(redis: &Redis, key: &StoredKey, token: u64) -> Grant {
    match redis.claim(key, Claim::new(Token(token), LONG)).await.unwrap() {
        Claimed::Granted { grant, .. } => grant,
        other => panic!("{other:?}"),
    }
}

fn invalidate(void_pause: Duration) -> Change {
    Change::Invalidate { beside: Vec::new(), void_pause }
}

fn entry_name(key: &StoredKey) -> String {
    let (place, suffix) = key.full().split_at(key.place().len());
    format!("{{{place}}}{suffix}")
}

/// G3: the server's history gets another name while two connections are open. The one that was made after it
/// invalidates; the one that was made before it has a grant.
#[tokio::test(flavor = "multi_thread")]
async fn g3_an_invalidation_voids_a_grant_of_another_life() {
    let server = RedisServer::builder().args(["--enable-debug-command", "yes"]).start().unwrap();
    for round in 0..50 {
        let key = key(&round.to_string());
        let one = Redis::connect(&server.url()).await.unwrap();
        let grant = granted(&one, &key, 1).await;
        server.command(&["DEBUG", "CHANGE-REPL-ID"]).unwrap();
        let other = Redis::connect(&server.url()).await.unwrap();
        other.change(&key, invalidate(LONG)).await.unwrap();
        let published = one.publish(&key, &grant, entry("of before")).await;
        assert!(!matches!(published, Ok(Published::Fresh)), "round {round}: stored after the invalidation");
    }
}

/// G3: the same, as the slot of a Cluster is moved away, and back.
#[tokio::test(flavor = "multi_thread")]
async fn g3_an_invalidation_voids_a_grant_whose_slot_is_away() {
    let cluster = Cluster::start(false).unwrap();
    let redis = Redis::connect(&cluster.urls()[0]).await.unwrap();
    let key = key("moved");
    let slot = cluster.slot(&entry_name(&key)).unwrap();
    let from = cluster.owner(slot).unwrap();
    let to = (from + 1) % 3;
    let grant = granted(&redis, &key, 1).await;
    cluster.move_slot(slot, from, to).unwrap();
    redis.change(&key, invalidate(LONG)).await.unwrap();
    cluster.move_slot(slot, to, from).unwrap();
    // The map is read again. (The servers may not agree at once.)
    while redis.life_of(&key) != Some(grant.life) {
        drop(redis.look(std::slice::from_ref(&key), None).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let published = redis.publish(&key, &grant, entry("of before")).await;
    assert!(!matches!(published, Ok(Published::Fresh)), "stored after the invalidation");
}

/// A claim that meets a tombstone says nothing of the rights to channels.
#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_is_no_warning() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    granted(&redis, &key("7"), 1).await;
    redis.change(&key("7"), invalidate(LONG)).await.unwrap();
    let claimed = redis.claim(&key("7"), Claim::new(Token(2), LONG)).await.unwrap();
    assert!(matches!(claimed, Claimed::Held(held) if held.is_void));
    assert_eq!(redis.warnings(), []);
}

/// The rights to one region, as the guide has them, are rights to its channels.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_to_one_region_are_no_warning() {
    let rules = "cache on >secret ~{corners:* &{corners:* +@connection +info +time +get +mget +set +del +getrange \
                 +setrange +pttl +incrby +eval +evalsha +publish +subscribe +unsubscribe";
    let server = RedisServer::builder().user(rules).start().unwrap();
    let redis = Redis::connect(&format!("redis://cache:secret@{}", server.address())).await.unwrap();
    redis.change(&key("7"), Change::Set { entry: entry("x"), void_pause: LONG }).await.unwrap();
    assert_eq!(redis.warnings(), []);
}

/// A listener that goes while the subscription is being made leaves none.
#[tokio::test(flavor = "multi_thread")]
async fn a_listening_that_is_dropped_leaves_no_subscription() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    drop(redis.listen(&key("first")).unwrap().await.unwrap());
    for number in 0..100 {
        let name = key(&number.to_string());
        let mut listening = redis.listen(&name).unwrap();
        // (Mostly it is pending.)
        drop(listening.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    }
    // One more, whose subscription comes after those.
    let last = redis.listen(&key("last")).unwrap().await.unwrap();
    drop(last);
    let began = Instant::now();
    loop {
        let left = server.command(&["PUBSUB", "CHANNELS"]).unwrap().items().len();
        if left == 0 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{left} subscriptions are left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// G7: bytes of others at the key of a pause are no pause.
#[tokio::test(flavor = "multi_thread")]
async fn g7_an_odd_pause_is_none() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    server.command(&["SET", "{corners:7}@pause", "99999999999 5"]).unwrap();
    let claimed = redis.claim(&key("7"), Claim::new(Token(1), LONG)).await;
    assert!(matches!(claimed, Ok(Claimed::Granted { .. })), "{claimed:?}");
}

/// G7: a grant whose numbers are too long was not written by the scripts.
#[tokio::test(flavor = "multi_thread")]
async fn g7_an_odd_grant_is_none() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let life = granted(&redis, &key("0"), 1).await.life.0;
    let text = format!("g {life:016x} 0000000000000009 1 99999999999 0");
    server.command(&["SET", "{corners:7}@grant", &text, "PX", "3600000"]).unwrap();
    let claimed = redis.claim(&key("7"), Claim::new(Token(1), LONG)).await;
    assert!(matches!(claimed, Ok(Claimed::Granted { .. })), "{claimed:?}");
}

/// G7: an entry of others, whose bytes are the script's word for any state.
#[tokio::test(flavor = "multi_thread")]
async fn g7_a_foreign_star_is_a_state_as_any_other() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let key = key("7");
    server.command(&["SET", &entry_name(&key), "*"]).unwrap();
    let seen = redis.look(std::slice::from_ref(&key), None).await.unwrap().remove(0).seen;
    assert_ne!(seen, Seen::NOTHING);
    redis.change(&key, Change::Set { entry: entry("fresh"), void_pause: LONG }).await.unwrap();
    let mut claim = Claim::new(Token(1), LONG);
    claim.seen = Some(seen);
    let claimed = redis.claim(&key, claim).await.unwrap();
    assert!(matches!(claimed, Claimed::Changed(_)), "{claimed:?}");
}

/// `Refused` promises that nothing has taken effect. The user here has no right to `SETRANGE`.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_not_taken_effect() {
    let rules = "cache on >secret ~* &* +@all -setrange";
    let server = RedisServer::builder().user(rules).start().unwrap();
    let redis = Redis::connect(&format!("redis://cache:secret@{}", server.address())).await.unwrap();
    let grant = granted(&redis, &key("7"), 1).await;
    redis.change(&key("7"), Change::MarkStale { beside: Vec::new() }).await.unwrap();
    let error = redis.publish(&key("7"), &grant, entry("x")).await.unwrap_err();
    let look = redis.look(&[key("7")], None).await.unwrap().remove(0);
    assert!(error.kind() != BackendErrorKind::Refused || look.entry.is_none(), "{error:?}, and {look:?} is there");
}

/// A runtime that nobody drives is the current one of this thread: the operation must end all the same.
#[test]
fn an_operation_on_a_runtime_that_stands_still_ends() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::lazy(&server.url()).unwrap();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let mut ping = pin!(redis.ping());
        while ping.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            thread::sleep(Duration::from_millis(1));
        }
        done.send(()).unwrap();
    });
    assert!(is_done.recv_timeout(Duration::from_secs(10)).is_ok(), "it hangs");
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

/// A node of a Cluster that answers each `GET` with this error. (It has all slots.)
fn node(error: impl Fn() -> String + Send + Sync + 'static) -> FakeServer {
    let port = Arc::new(OnceLock::new());
    let known = Arc::clone(&port);
    let server = FakeServer::start(move |words| {
        let word = |at: usize| String::from_utf8_lossy(words.get(at).map_or(&b""[..], |word| word)).to_uppercase();
        match (&*word(0), &*word(1)) {
            ("HELLO", _) => Reply::Value(Value::Array(vec![bulk("proto"), Value::Int(3)])),
            ("INFO", "SERVER") => {
                Reply::Value(bulk("# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:r\r\n"))
            }
            ("INFO", "REPLICATION") => Reply::Value(bulk("# Replication\r\nrole:master\r\nmaster_replid:h\r\n")),
            ("INFO", _) => Reply::Value(bulk("# Other\r\n")),
            ("TIME", _) => Reply::Value(Value::Array(vec![bulk("1700000000"), bulk("0")])),
            ("PUBLISH", _) => Reply::Value(Value::Int(0)),
            ("CLUSTER", "SLOTS") => {
                let at = Value::Array(vec![bulk(""), Value::Int(i64::from(*port.get().unwrap()))]);
                Reply::Value(Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(16383), at])]))
            }
            ("GET", _) => Reply::error(&error()),
            _ => Reply::ok(),
        }
    })
    .unwrap();
    known.set(server.address().port()).unwrap();
    server
}

fn heard(server: &FakeServer, word: &str) -> usize {
    server.heard().iter().filter(|words| words[0].eq_ignore_ascii_case(word.as_bytes())).count()
}

/// A node that has been cut off from the others says so: the map is read again from another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_is_suspected() {
    let down = node(|| "CLUSTERDOWN The cluster is down".to_owned());
    let redis = Redis::connect(&down.url()).await.unwrap();
    let before = heard(&down, "CLUSTER");
    let error = redis.look(&[key("7")], None).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unreachable);
    let began = Instant::now();
    while heard(&down, "CLUSTER") == before {
        assert!(began.elapsed() < Duration::from_secs(3), "the map is not read again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Requests for slots that move to a new server share a connection to it.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_sent_on_share_a_connection() {
    let new = node(|| "ERR none".to_owned());
    let port = new.address().port();
    let old = node(move || format!("ASK 1 127.0.0.1:{port}"));
    let redis = Redis::connect(&old.url()).await.unwrap();
    for _ in 0..20 {
        drop(redis.look(&[key("7")], None).await);
    }
    let asked = heard(&new, "GET");
    assert_eq!(asked, 20);
    let opened = heard(&new, "HELLO");
    assert!(opened <= 2, "{opened} connections for {asked} requests");
}

/// The drop of a backend ends its connections, though somebody listens still.
#[tokio::test(flavor = "multi_thread")]
async fn the_drop_of_a_backend_ends_its_connections() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let signals = redis.listen(&key("7")).unwrap().await.unwrap();
    redis.ping().await.unwrap();
    let count = || server.info("connected_clients").unwrap().parse::<usize>().unwrap();
    println!("connections: {}", count() - 1);
    drop(redis);
    let began = Instant::now();
    while count() > 1 {
        assert!(began.elapsed() < SOON, "{} connections are left", count() - 1);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(signals);
}

/// A wrong password is told as the docs of `Redis::connect` say: not reached.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_unreachable() {
    let server = RedisServer::builder().password("secret").start().unwrap();
    let error = Redis::connect(&format!("redis://:wrong@{}", server.address())).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
}

/// G3 as stale: the same as above for a mark.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_reaches_a_grant_of_another_life() {
    let server = RedisServer::builder().args(["--enable-debug-command", "yes"]).start().unwrap();
    let key = key("7");
    let one = Redis::connect(&server.url()).await.unwrap();
    let grant = granted(&one, &key, 1).await;
    server.command(&["DEBUG", "CHANGE-REPL-ID"]).unwrap();
    let other = Redis::connect(&server.url()).await.unwrap();
    other.change(&key, Change::MarkStale { beside: Vec::new() }).await.unwrap();
    let published = one.publish(&key, &grant, entry("of before")).await;
    assert!(!matches!(published, Ok(Published::Fresh)), "stored as fresh after the mark");
}

/// A server that takes no writes for want of replicas is there: what is fresh on it is still served.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_replicas_still_serves_hits() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let region = Region::builder("corners").far(redis).expires_after(LONG).build::<str, String>().unwrap();
    region.get("hot").or_create(async || "value".to_owned()).await.unwrap();
    server.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).unwrap();
    region.get("cold").or_create(async || "value".to_owned()).await.unwrap();
    let hit = region.get("hot").or_create(async || "created again".to_owned()).await.unwrap();
    assert_eq!(*hit, "value");
}

/// A slot of a Cluster that is being moved leaves the other slots as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_slot_on_its_way_leaves_the_other_slots_alone() {
    let cluster = Cluster::start(false).unwrap();
    let redis = Redis::connect(&cluster.urls()[0]).await.unwrap();
    let region = Region::builder("corners").far(redis).expires_after(LONG).build::<str, String>().unwrap();
    region.get("hot").or_create(async || "value".to_owned()).await.unwrap();
    let slot = cluster.slot("{corners:cold}").unwrap();
    let from = cluster.owner(slot).unwrap();
    cluster.begin_move(slot, from, (from + 1) % 3).unwrap();
    let cold = region.get("cold").or_create(async || "value".to_owned()).await.unwrap();
    println!("cold: {:?}", Got::outcome(&cold));
    let hit = region.get("hot").or_create(async || "created again".to_owned()).await.unwrap();
    assert_eq!(*hit, "value");
}

/// A connection that is lost right after it has confirmed a subscription is a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_right_after_a_subscription_is_a_gap() {
    let fake = single("SUBSCRIBE", |words| {
        let channel = words[1].clone();
        let mut push = b">3\r\n$9\r\nsubscribe\r\n".to_vec();
        push.extend(format!("${}\r\n", channel.len()).bytes().chain(channel.clone()).chain(*b"\r\n:1\r\n"));
        if channel.starts_with(b"{corners:last") { Reply::Close } else { Reply::Raw(push) }
    });
    let redis = Redis::connect(&fake.url()).await.unwrap();
    let mut deaf = 0;
    for round in 0..100 {
        let names = [key(&format!("first{round}")), key(&format!("last{round}"))];
        let (first, last) = tokio::join!(redis.listen(&names[0]).unwrap(), redis.listen(&names[1]).unwrap());
        assert!(last.is_err());
        let Ok(mut signals) = first else { continue };
        let gap = tokio::time::timeout(Duration::from_secs(3), signals.heard()).await;
        deaf += usize::from(gap.is_err());
        if gap.is_err() {
            break;
        }
    }
    assert_eq!(deaf, 0, "a listener was not told");
}

/// A server alone, which answers one command in that way.
fn single(command: &'static str, answer: impl Fn(&[Vec<u8>]) -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(move |words| {
        let word = |at: usize| String::from_utf8_lossy(words.get(at).map_or(&b""[..], |word| word)).to_uppercase();
        match (&*word(0), &*word(1)) {
            ("HELLO", _) => Reply::Value(Value::Array(vec![bulk("proto"), Value::Int(3)])),
            ("INFO", "SERVER") => Reply::Value(bulk("redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:r\r\n")),
            ("INFO", "REPLICATION") => Reply::Value(bulk("role:master\r\nmaster_replid:h\r\n")),
            ("INFO", _) => Reply::Value(bulk("# Other\r\n")),
            ("TIME", _) => Reply::Value(Value::Array(vec![bulk("1700000000"), bulk("0")])),
            ("PUBLISH", _) => Reply::Value(Value::Int(0)),
            (name, _) if name == command => answer(words),
            _ => Reply::ok(),
        }
    })
    .unwrap()
}
