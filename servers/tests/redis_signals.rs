//! Those who wait for another process are told by Redis, and are no worse off if they are not (G16).

use dogpile_cache::backend::{Backend, Change, Entry, Redis, RedisWarning, Signal, Signals};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_cache::{Got, Outcome, Region};
use dogpile_servers::{Direction, Proxy, RedisServer, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A poll that no test waits for: where one would be needed, the test fails by its bound.
const NEVER: Duration = Duration::from_secs(600);
/// The bound of what is to come at once, on a machine that is loaded.
const SOON: Duration = Duration::from_secs(30);

fn key() -> StoredKey {
    let shape = Shape { schema: 0, format: Format::RAW };
    StoredKey::new(&Namespace::new("signals").unwrap(), "key", shape, KeyLimit::NONE)
}

/// A region of a process of its own.
async fn process(url: &str, poll: Duration) -> Region<str, String> {
    let redis = Redis::connect(url).await.unwrap();
    // (A poll is no longer than a lease.)
    let builder = Region::builder("signals").far(redis).creation_timeout(NEVER).lease(NEVER).poll(poll);
    builder.expires_after(NEVER).build().unwrap()
}

async fn set(redis: &Redis, text: &'static str) {
    let entry = Entry { bytes: text.into(), lifetime: Some(NEVER) };
    redis.change(&key(), Change::Set { entry, void_pause: Duration::ZERO }).await.unwrap();
}

/// Begins to create in a process. Returns when the grant is on the server; a permit of the gate ends the creation.
async fn creating(process: Region<str, String>, server: &RedisServer) -> (JoinHandle<String>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let create = {
        let gate = Arc::clone(&gate);
        async move || {
            drop(gate.acquire().await.unwrap());
            "made".to_owned()
        }
    };
    let task = tokio::spawn(async move { process.get("key").or_create(create).await.unwrap().to_string() });
    until("a grant", || server.command(&["EXISTS", "{signals:key}@grant"]).unwrap() == Value::Int(1)).await;
    (task, gate)
}

/// Waits in a process for the creation of another one.
async fn wait_for(process: Region<str, String>) -> String {
    process.get("key").or_create(async || panic!("another creates")).await.unwrap().to_string()
}

/// Waits until something is so on the server.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < SOON, "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How many connections listen to the channel.
fn listeners(server: &RedisServer) -> i64 {
    let reply = server.command(&["PUBSUB", "NUMSUB", "{signals:key}@signal"]).unwrap();
    reply.items()[1].int().unwrap()
}

async fn heard(signals: &mut Signals, wanted: Signal) {
    let heard = timeout(SOON, async { while signals.heard().await != wanted {} }).await;
    assert!(heard.is_ok(), "{wanted:?} was not heard");
}

/// A waiter in another process returns when the value is published, not when it polls. A thousand waiters of a process
/// are one subscription (S12), which ends with the last of them.
#[tokio::test(flavor = "multi_thread")]
async fn g16_s12_waiters_are_told_of_the_publication() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server.url(), NEVER).await, process(&server.url(), NEVER).await);
    let (creating, gate) = creating(one, &server).await;
    let waiting: Vec<_> = (0..1000).map(|_| tokio::spawn(wait_for(other.clone()))).collect();
    until("a subscription", || listeners(&server) == 1).await;
    gate.add_permits(1);
    assert_eq!(creating.await.unwrap(), "made");
    for waiter in waiting {
        assert_eq!(timeout(SOON, waiter).await.expect("a waiter is told").unwrap(), "made");
    }
    until("no subscription", || listeners(&server) == 0).await;
}

/// A creator that fails frees the waiters: one of them creates.
#[tokio::test(flavor = "multi_thread")]
async fn g8_g16_waiters_are_told_of_a_failure() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server.url(), NEVER).await, process(&server.url(), NEVER).await);
    let (creating, _gate) = creating(one, &server).await;
    let created = Arc::new(AtomicUsize::new(0));
    let waiting = {
        let created = Arc::clone(&created);
        tokio::spawn(async move {
            let create = async || {
                created.fetch_add(1, Ordering::Relaxed);
                "next".to_owned()
            };
            let got = other.get("key").or_create(create).await.unwrap();
            (got.to_string(), Got::outcome(&got))
        })
    };
    until("a subscription", || listeners(&server) == 1).await;
    // A creation that is dropped frees the key without a pause.
    creating.abort();
    let got = timeout(SOON, waiting).await.expect("a waiter is told").unwrap();
    assert_eq!((got, created.load(Ordering::Relaxed)), (("next".to_owned(), Outcome::Created), 1));
}

/// S65: a connection for signals that was closed is a gap, which is told, and others take its place.
#[tokio::test(flavor = "multi_thread")]
async fn s65_a_lost_subscription_is_a_gap() {
    let server = RedisServer::start().unwrap();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let mut signals = redis.listen(&key()).unwrap().await.unwrap();
    for round in 0..3 {
        server.kill_clients().unwrap();
        heard(&mut signals, Signal::Gap).await;
        until("another subscription", || listeners(&server) == 1).await;
        // (What is under way on a connection that is killed may be in doubt.)
        while redis.ping().await.is_err() {}
        set(&redis, "value").await;
        heard(&mut signals, Signal::Changed).await;
        assert_eq!(listeners(&server), 1, "round {round}");
    }
    drop(signals);
    until("no subscription", || listeners(&server) == 0).await;
}

/// S67: a link that has died without a word is found by the heartbeat.
#[tokio::test(flavor = "multi_thread")]
async fn s67_a_half_open_link_is_found_by_the_heartbeat() {
    let server = RedisServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let redis = Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap();
    let other = Redis::connect(&server.url()).await.unwrap();
    let mut signals = redis.listen(&key()).unwrap().await.unwrap();
    proxy.black_hole(Direction::FromClient, true);
    proxy.black_hole(Direction::FromServer, true);
    heard(&mut signals, Signal::Gap).await;
    proxy.normal();
    proxy.sever();
    timeout(SOON, async {
        // The connection is made anew at some moment: what is stored after that is heard.
        loop {
            set(&other, "value").await;
            if let Ok(Signal::Changed) = timeout(Duration::from_millis(50), signals.heard()).await {
                return;
            }
        }
    })
    .await
    .expect("the link is made anew");
}

/// A user without a right to the channels is warned of, and waits by polls.
#[tokio::test(flavor = "multi_thread")]
async fn g16_a_user_without_channels_polls() {
    let server = RedisServer::builder().user("mute on >secret ~* resetchannels +@all").start().unwrap();
    let url = format!("redis://mute:secret@{}", server.address());
    let redis = Redis::connect(&url).await.unwrap();
    assert_eq!(redis.warnings(), [RedisWarning::NoChannels]);
    assert!(redis.listen(&key()).unwrap().await.is_err());
    let short = Duration::from_millis(20);
    let (one, other) = (process(&url, short).await, process(&url, short).await);
    let (creating, gate) = creating(one, &server).await;
    let waiting = tokio::spawn(wait_for(other));
    gate.add_permits(1);
    assert_eq!(creating.await.unwrap(), "made");
    assert_eq!(timeout(SOON, waiting).await.expect("a poll ends the wait").unwrap(), "made");
}
