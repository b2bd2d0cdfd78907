//! Counters of many processes.

use crate::kit::{LONG, NAME, connect, key, left, part, within};
use dogpile_cache::backend::{Backend, Redis};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_servers::RedisServer;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

const PROCESSES: u64 = 64;
const INCREMENTS: u64 = 1000;

/// The URL of the server, for a process that counts.
const URL: &str = "DOGPILE_EDGES_COUNT_AT";

/// The keys by which they start together.
const READY: &str = "ready";
const GO: &str = "go";

const TEST: &str = "counters::g12_sixty_four_processes_count_a_thousand_each";

fn counters(redis: &Arc<Redis>) -> Counters<str, Arc<Redis>> {
    Counters::new(Namespace::new(NAME).unwrap(), Arc::clone(redis), LONG).unwrap()
}

/// One of the processes.
async fn count(url: &str) {
    let redis = Arc::new(Redis::connect(url).await.unwrap());
    let counters = Arc::new(counters(&redis));
    redis.ping().await.unwrap();
    let address = url.strip_prefix("redis://").unwrap().parse().unwrap();
    let mut client = dogpile_servers::Client::connect(address, crate::kit::WATCHDOG).unwrap();
    client.command(&["INCR", READY]).unwrap();
    // It answers once they all may go.
    client.command(&["BRPOPLPUSH", GO, GO, "0"]).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let counters = Arc::clone(&counters);
        tasks.spawn(async move {
            let mut last = 0;
            for _ in 0..INCREMENTS / 10 {
                let now = counters.increment("a", 1).await.unwrap();
                assert!(now > last, "a counter never goes back");
                last = now;
            }
        });
    }
    tasks.join_all().await;
}

struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // An error means that it has ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[tokio::test]
async fn g12_sixty_four_processes_count_a_thousand_each() {
    if let Ok(url) = std::env::var(URL) {
        return count(&url).await;
    }
    let server = RedisServer::start().unwrap();
    let (program, mut children) = (std::env::current_exe().unwrap(), Children(Vec::new()));
    for _ in 0..PROCESSES {
        let mut command = Command::new(&program);
        command.args(["--exact", TEST]).env(URL, server.url()).stdout(Stdio::null()).stdin(Stdio::null());
        children.0.push(command.spawn().unwrap());
    }
    let began = Instant::now();
    while server.command(&["GET", READY]).unwrap().int() != i64::try_from(PROCESSES).ok() {
        assert!(began.elapsed() < crate::kit::WATCHDOG * 4, "not all processes come");
        for child in &mut children.0 {
            assert!(child.try_wait().unwrap().is_none(), "a process has ended before it counted");
        }
        tokio::time::sleep(crate::kit::MS * 5).await;
    }
    let redis = connect(&server).await;
    assert_eq!(counters(&redis).get("a").await.unwrap(), 0, "the counter is missing");
    server.command(&["LPUSH", GO, "go"]).unwrap();
    for child in &mut children.0 {
        assert!(child.wait().unwrap().success(), "a process has failed");
    }
    println!("counted after {:?}", began.elapsed());
    assert_eq!(within(counters(&redis).get("a")).await.unwrap(), PROCESSES * INCREMENTS);
    assert!(left(&server, &part(&key("a"), "count")) > 0, "it has a lifetime");
}

/// S93: an increment moves no lifetime, and revives nothing.
#[tokio::test]
async fn s93_a_counter_that_expires_while_it_is_counted_begins_anew_with_a_lifetime() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let (counters, count) = (counters(&redis), part(&key("a"), "count"));
    assert_eq!(counters.increment("a", 5).await.unwrap(), 5);
    server.command(&["PEXPIRE", &count, "150"]).unwrap();
    let began = Instant::now();
    loop {
        let now = counters.increment("a", 1).await.unwrap();
        let left = left(&server, &count);
        assert_ne!(left, -1, "a counter without a lifetime");
        if now == 1 {
            break;
        }
        assert!(left <= 150, "an increment has moved the lifetime: {left}");
        assert!(began.elapsed() < crate::kit::WATCHDOG, "an increment has revived the counter: {now}");
    }
    assert!(left(&server, &count) > 150, "the lifetime is the new counter's own");
}
