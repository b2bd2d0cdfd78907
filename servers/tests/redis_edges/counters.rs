//! Counters of many processes.

use crate::counting::{KEY, assert_exact, is_done_as_a_process};
use crate::kit::{LONG, NAME, connect, key, left, part};
use dogpile_cache::backend::Redis;
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_servers::RedisServer;
use std::sync::Arc;
use std::time::Instant;

const TEST: &str = "counters::g12_sixty_four_processes_count_a_thousand_each";

fn counters(redis: &Arc<Redis>) -> Counters<str, Arc<Redis>> {
    Counters::new(Namespace::new(NAME).unwrap(), Arc::clone(redis), LONG).unwrap()
}

#[tokio::test]
async fn g12_sixty_four_processes_count_a_thousand_each() {
    if is_done_as_a_process().await {
        return;
    }
    let server = RedisServer::start().unwrap();
    assert_exact(TEST, &server.url()).await;
    assert!(left(&server, &part(&key(KEY), "count")) > 0, "it has a lifetime");
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
