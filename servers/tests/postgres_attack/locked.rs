//! Transactions of strangers that stay open for longer than a lease.

use crate::kit::*;
use dogpile_cache::Region;
use dogpile_cache::backend::{Backend, Change, Claimed, Count, Counted, Ended, Postgres, Published, Renewed};
use dogpile_servers::PostgresServer;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Client;

const PLACE: &str = "SELECT FROM dogpile.place FOR UPDATE";

async fn open(server: &PostgresServer, what: &str) -> Client {
    let client = stranger(server).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(what).await.unwrap();
    client
}

/// G9, and the page of the backend: "goes on being tried until the lease is over". The stranger holds the lock of the
/// place.
#[tokio::test]
async fn g9_a_publication_beside_the_lock_of_a_stranger_ends_with_its_lease() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, MS * 300).await;
    let _client = open(&server, &set_as_a_user(&one)).await;
    let published = within(AT_ONCE, postgres.publish(&one, &grant, entry("new"))).await;
    assert!(!matches!(published, Ok(Published::Fresh | Published::Stale)), "{published:?}");
}

/// The same where the stranger holds the row of the place.
#[tokio::test]
async fn g9_a_publication_beside_a_locked_place_ends_with_its_lease() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, MS * 300).await;
    let _client = open(&server, PLACE).await;
    let published = within(AT_ONCE, postgres.publish(&one, &grant, entry("new"))).await;
    assert!(!matches!(published, Ok(Published::Fresh | Published::Stale)), "{published:?}");
}

#[tokio::test]
async fn g8_an_end_and_a_renewal_beside_the_lock_of_a_stranger_end_with_their_lease() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, MS * 300).await;
    let _client = open(&server, &set_as_a_user(&one)).await;
    let renewing = postgres.renew(&one, &grant, MS * 300);
    let renewed = tokio::time::timeout(AT_ONCE, renewing).await;
    let ended = tokio::time::timeout(AT_ONCE, postgres.end(&one, &grant, None)).await;
    assert!(!matches!(renewed, Ok(Ok(Renewed::Yes(_)))), "{renewed:?}");
    assert!(!matches!(ended, Ok(Ok(Ended::Yes))), "{ended:?}");
    assert!(renewed.is_ok() && ended.is_ok(), "renewed: {renewed:?}, ended: {ended:?}");
}

/// What nobody waits for any more asks for no longer than its lease: here the backend itself is gone.
#[tokio::test]
async fn g9_what_is_tried_again_ends_with_its_backend_and_its_lease() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, MS * 300).await;
    let _client = open(&server, &set_as_a_user(&one)).await;
    drop(tokio::time::timeout(MS * 50, postgres.publish(&one, &grant, entry("new"))).await);
    drop(postgres);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dogpile-cache'";
    let began = Instant::now();
    until(async || server.sql(sessions).unwrap() == "0" || began.elapsed() > AT_ONCE).await;
    assert_eq!(server.sql(sessions).unwrap(), "0", "sessions that are left");
}

/// G5: a reader of a cold key, beside a transaction that is idle. The reader waits for a lease, and for what it takes
/// to find that nobody is to be taken over.
#[tokio::test]
async fn g5_a_reader_of_a_cold_key_does_not_wait_for_an_idle_transaction() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("a");
    let region: Region<str, String> = builder(&postgres).lease(SECOND).backend_timeout(MS * 500).build().unwrap();
    let _client = open(&server, &set_as_a_user(&one)).await;
    let got = within(SECOND * 10, region.get("a").or_create(async || "own".to_owned())).await.unwrap();
    assert_eq!(*got, "own");
}

/// One place that a stranger holds, and a few invalidations of it: the other keys' changes and counters go on within
/// the backend's time (0.5 s by default, twice that here).
#[tokio::test]
async fn g5_a_locked_place_holds_up_no_change_of_another_key() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (one, other) = (key("one"), key("other"));
    set(&postgres, &one, "old").await.unwrap();
    let _client = open(&server, &set_as_a_user(&one)).await;
    let mut invalidating = Vec::new();
    for _ in 0..10 {
        let (postgres, one) = (postgres.clone(), one.clone());
        invalidating.push(tokio::spawn(async move {
            let change = Change::Invalidate { beside: Vec::new(), void_pause: SECOND };
            // As a region does.
            drop(tokio::time::timeout(MS * 500, postgres.change(&one, change)).await);
        }));
    }
    tokio::time::sleep(MS * 100).await;
    let began = Instant::now();
    let count = Count::Add { delta: 1, ceiling: 9, lifetime: None };
    let counted = tokio::time::timeout(SECOND, postgres.count(&other, count)).await;
    let changed = tokio::time::timeout(SECOND, set(&postgres, &other, "new")).await;
    for one in invalidating {
        one.await.unwrap();
    }
    assert!(matches!(counted, Ok(Ok(Counted::Now(1)))), "after {:?}: {counted:?}", began.elapsed());
    assert!(matches!(changed, Ok(Ok(_))), "after {:?}: {changed:?}", began.elapsed());
}

/// The page of the backend: a change that its caller has given up is not sent again. A newer `set` of another process
/// is not overwritten by it later.
#[tokio::test]
async fn g3_a_set_that_was_given_up_arrives_within_the_time_that_the_page_says() {
    let server = server().await;
    let (postgres, newer) = (backend(&server).await, backend(&server).await);
    let (one, other) = (key("one"), key("other"));
    let _client = open(&server, &set_as_a_user(&one)).await;
    let give_up = async |postgres: &Arc<Postgres>| {
        let change = Change::Invalidate { beside: Vec::new(), void_pause: SECOND };
        drop(tokio::time::timeout(MS * 20, postgres.change(&one, change)).await);
    };
    for _ in 0..6 {
        give_up(&postgres).await;
    }
    // (`set` of the kit has a bound of its own.)
    drop(tokio::time::timeout(MS * 500, set(&postgres, &other, "older")).await);
    tokio::time::sleep(SECOND).await;
    set(&newer, &other, "newer").await.unwrap();
    tokio::time::sleep(SECOND * 4).await;
    assert_eq!(stored(&newer, &other).await.unwrap(), "newer");
}

/// S76: a user's transaction at REPEATABLE READ that calls a function: refused, or right.
#[tokio::test]
async fn s76_g3_an_invalidation_at_repeatable_read_voids_the_grant_or_is_refused() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let client = stranger(&server).await;
        client.batch_execute(&format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM pg_class")).await.unwrap();
        let grant = granted(&postgres, &one, LONG).await;
        let lock = "('x' || left(encode(sha256('dogpile\\000edge:one'::bytea), 'hex'), 16))::bit(64)::bigint";
        let shape = (one.shape().schema, one.shape().format.number());
        let call = format!(
            "SELECT r_answer, r_voided FROM dogpile.invalidate(
                '{}', ARRAY[{}::bigint], ARRAY[{}::smallint], {lock}, {}, 1000)",
            one.place(),
            shape.0,
            shape.1,
            grant.life.0.cast_signed()
        );
        let answer = client.query_one(&call, &[]).await.map(|row| row.get::<_, String>(0));
        let committed = client.batch_execute("COMMIT").await;
        let published = within(AT_ONCE, postgres.publish(&one, &grant, entry("of before"))).await.unwrap();
        let is_invalidated = answer.as_ref().is_ok_and(|it| it == "yes") && committed.is_ok();
        assert!(
            !(is_invalidated && matches!(published, Published::Fresh)),
            "{level}: invalidated ({answer:?}), and then {published:?}"
        );
        server.sql("TRUNCATE dogpile.place, dogpile.entry").unwrap();
    }
}

/// G9: nobody voids the grant; other processes touch or mark the entry one time after the other. The publication is
/// done before the lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_a_stream_of_changes_starves_no_publication() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    set(&postgres, &one, "old").await.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut marking = Vec::new();
    for _ in 0..8 {
        let (postgres, one, stop) = (backend(&server).await, one.clone(), stop.clone());
        marking.push(tokio::spawn(async move {
            let mut marked = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                marked += u32::from(postgres.change(&one, Change::MarkStale { beside: Vec::new() }).await.is_ok());
            }
            marked
        }));
    }
    let (mut granted, mut refused) = (0, Vec::new());
    while granted < 60 {
        let Claimed::Granted { grant, .. } = postgres.claim(&one, claim(SECOND * 10)).await.unwrap() else { continue };
        granted += 1;
        let published = postgres.publish(&one, &grant, entry("new")).await.unwrap();
        if matches!(published, Published::Refused(_)) {
            refused.push(published);
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut marked = 0;
    for one in marking {
        marked += one.await.unwrap();
    }
    assert!(refused.is_empty() && marked > 0, "refused {refused:?}, {marked} marks");
}
