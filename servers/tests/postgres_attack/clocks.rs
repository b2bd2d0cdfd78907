//! Steps of the server's clock.

use crate::kit::*;
use dogpile_cache::Region;
use dogpile_cache::backend::{Backend, Change, Count, Counted, Entry, Postgres, Published};
use dogpile_servers::PostgresServer;
use std::sync::Arc;
use std::time::Duration;

const HOUR: i64 = 3_600_000;

async fn with_clock() -> (PostgresServer, Arc<Postgres>) {
    let server = PostgresServer::builder().fake_time().start().unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let postgres = backend(&server).await;
    (server, postgres)
}

/// G12: an expired counter is never revived.
#[tokio::test]
async fn g12_g6_a_step_of_the_clock_revives_no_counter() {
    let (server, postgres) = with_clock().await;
    let ways: [(&str, Count); 3] = [
        ("get", Count::Get),
        ("nothing added", Count::Add { delta: 0, ceiling: 99, lifetime: None }),
        ("subtracted", Count::Add { delta: -1, ceiling: 99, lifetime: None }),
    ];
    let mut revived = Vec::new();
    for (name, way) in ways {
        let key = key(name);
        let add = Count::Add { delta: 41, ceiling: 99, lifetime: Some(SECOND * 10) };
        assert_eq!(postgres.count(&key, add).await.unwrap(), Counted::Now(41));
        server.advance(SECOND * 11).unwrap();
        assert_eq!(postgres.count(&key, way).await.unwrap(), Counted::Now(0));
        server.step(-HOUR).unwrap();
        let now = postgres.count(&key, Count::Get).await.unwrap();
        if now != Counted::Now(0) {
            revived.push((name, now));
        }
    }
    assert!(revived.is_empty(), "{revived:?}");
}

/// A mark counts for what a step of the clock brings back: the entry, and what a grant publishes.
#[tokio::test]
async fn g6_no_step_undoes_a_mark() {
    let (server, postgres) = with_clock().await;
    let (one, two) = (key("one"), key("two"));
    let stored = Entry { lifetime: Some(SECOND * 10), ..entry("old") };
    let change = Change::Set { entry: stored, void_pause: SECOND };
    postgres.change(&one, change).await.unwrap();
    let grant = granted(&postgres, &two, SECOND * 10).await;
    server.advance(SECOND * 11).unwrap();
    for key in [&one, &two] {
        postgres.change(key, Change::MarkStale { beside: Vec::new() }).await.unwrap();
    }
    server.step(-HOUR).unwrap();
    let found = look(&postgres, &one).await;
    let published = postgres.publish(&two, &grant, entry("of before the mark")).await.unwrap();
    assert!(found.entry.is_none() || found.is_marked, "back, and not marked: {found:?}; published {published:?}");
    assert!(!matches!(published, Published::Fresh), "{published:?}");
}

/// A publication that was answered "gone" is not stored by a second one after the clock has gone back.
#[tokio::test]
async fn g6_what_was_refused_stays_refused() {
    let (server, postgres) = with_clock().await;
    let one = key("one");
    let grant = granted(&postgres, &one, SECOND * 10).await;
    server.advance(SECOND * 11).unwrap();
    let first = postgres.publish(&one, &grant, entry("late")).await.unwrap();
    server.step(-HOUR).unwrap();
    let second = postgres.publish(&one, &grant, entry("late")).await.unwrap();
    assert!(matches!((first, second), (Published::Refused(_), Published::Refused(_))), "{first:?}, {second:?}");
}

/// G5, G6: the clock goes back by an hour while there is a tombstone, and its holder is dead: a reader of the key
/// waits for a lease at most, on its own clock.
#[tokio::test]
async fn g5_g6_a_step_makes_no_tombstone_outlive_a_lease() {
    tombstone(HOUR).await;
}

/// The same without a step, which shows that the rest of the test is right.
#[tokio::test]
async fn g5_a_tombstone_is_over_soon() {
    tombstone(0).await;
}

async fn tombstone(step: i64) {
    let (server, postgres) = with_clock().await;
    let one = key("a");
    granted(&postgres, &one, LONG).await;
    let void_pause = Duration::from_millis(100);
    server.advance(LONG).unwrap();
    server.step(step).unwrap();
    granted(&postgres, &one, LONG).await;
    postgres.change(&one, Change::Invalidate { beside: Vec::new(), void_pause }).await.unwrap();
    server.step(-step).unwrap();
    let region: Region<str, String> = builder(&postgres).lease(SECOND).build().unwrap();
    let got = within(SECOND * 10, region.get("a").or_create(async || "own".to_owned())).await.unwrap();
    assert_eq!(*got, "own");
}
