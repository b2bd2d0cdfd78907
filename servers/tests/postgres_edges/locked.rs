//! Transactions of strangers that stay open: nothing of ours but a change waits for them.

use crate::kit::*;
use dogpile_cache::backend::{
    Backend, BackendErrorKind, Changed, Claimed, Count, Counted, Ended, PauseFor, Published, Refusal, Renewed, Token,
};
use dogpile_cache::{Got, NotPublished, Outcome, Published as Stored, Region};
use dogpile_servers::PostgresServer;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// The rows of the entries, and of the places, that a stranger's transaction takes.
const ENTRY: &str = "SELECT FROM dogpile.entry FOR UPDATE";
const PLACE: &str = "SELECT FROM dogpile.place FOR UPDATE";

/// Begins a stranger's transaction that executes this.
async fn open(server: &PostgresServer, what: &str) -> Client {
    let client = stranger(server).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(what).await.unwrap();
    client
}

#[track_caller]
fn assert_in_doubt(claimed: &Claimed) {
    match claimed {
        Claimed::Held(by) => assert_eq!((by.token, by.lease_left, by.is_void), (Token(0), Duration::ZERO, false)),
        other => panic!("a claim of a locked place: {other:?}"),
    }
}

#[tokio::test]
async fn a_claim_of_a_row_that_a_stranger_has_locked_is_in_doubt_at_once() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (one, other) = (key("one"), key("other"));
    set(&postgres, &one, "old").await.unwrap();
    for deletes in [false, true] {
        let what = if deletes { "DELETE FROM dogpile.entry WHERE place = 'edge:one'" } else { ENTRY };
        let client = open(&server, what).await;
        assert_in_doubt(&within(AT_ONCE, postgres.claim(&one, claim(LONG))).await.unwrap());
        // A look reads what was committed, and no other key waits.
        assert_eq!(stored(&postgres, &one).await.unwrap(), "old");
        let grant = granted(&postgres, &other, LONG).await;
        assert_eq!(within(AT_ONCE, postgres.end(&other, &grant, None)).await.unwrap(), Ended::Yes);
        client.batch_execute("ROLLBACK").await.unwrap();
        let grant = granted(&postgres, &one, LONG).await;
        postgres.end(&one, &grant, None).await.unwrap();
    }
    // The row of the place, which has a pause.
    let grant = granted(&postgres, &one, LONG).await;
    let pause = PauseFor { failures: 1, pause: MS };
    assert_eq!(postgres.end(&one, &grant, Some(pause)).await.unwrap(), Ended::Yes);
    let client = open(&server, "UPDATE dogpile.place SET pause_until = 'infinity'").await;
    assert_in_doubt(&within(AT_ONCE, postgres.claim(&one, claim(LONG))).await.unwrap());
    client.batch_execute("COMMIT").await.unwrap();
    granted(&postgres, &one, LONG).await;
}

/// G3: what is under way and has no row yet is not passed by, in either order.
#[tokio::test]
async fn g3_a_claim_and_an_invalidation_do_not_pass_each_other() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let client = open(&server, &invalidate_as_a_user(&one)).await;
    assert_in_doubt(&within(AT_ONCE, postgres.claim(&one, claim(LONG))).await.unwrap());
    client.batch_execute("COMMIT").await.unwrap();
    let client = open(&server, &claim_as_a_user(&one)).await;
    let error = invalidate(&postgres, &one).await.expect_err("an invalidation has not seen a claim");
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    client.batch_execute("COMMIT").await.unwrap();
    invalidate(&postgres, &one).await.unwrap();
}

#[tokio::test]
async fn a_claim_of_a_key_that_a_stranger_inserts_is_in_doubt_at_once() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (one, other) = (key("one"), key("other"));
    let client = open(&server, &set_as_a_user(&one)).await;
    assert_in_doubt(&within(AT_ONCE, postgres.claim(&one, claim(LONG))).await.unwrap());
    assert_eq!(stored(&postgres, &one).await, None);
    granted(&postgres, &other, LONG).await;
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stored(&postgres, &one).await.unwrap(), "theirs");
    granted(&postgres, &one, LONG).await;
    // The same beside a grant: it is not voided before that can be seen, and what it publishes waits.
    let (two, began) = (key("two"), Instant::now());
    let grant = granted(&postgres, &two, LONG).await;
    let client = open(&server, &set_as_a_user(&two)).await;
    match within(AT_ONCE, postgres.claim(&two, claim(LONG))).await.unwrap() {
        Claimed::Held(by) => assert_eq!(by.token, grant.token),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < AT_ONCE);
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(within(AT_ONCE, postgres.publish(&two, &grant, entry("ours"))).await.unwrap(), Published::Fresh);
}

/// G9: a publication is tried again until the lease ends.
#[tokio::test]
async fn g9_what_a_holder_asks_waits_for_a_locked_row_and_holds_up_nothing() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (one, other) = (key("one"), key("other"));
    set(&postgres, &one, "old").await.unwrap();
    for what in [ENTRY, PLACE] {
        let grant = granted(&postgres, &one, LONG).await;
        let client = open(&server, what).await;
        let publishing = tokio::spawn({
            let (postgres, one) = (postgres.clone(), one.clone());
            async move { postgres.publish(&one, &grant, entry("new")).await }
        });
        // Far more round trips on that connection than a publication needs.
        for _ in 0..50 {
            let grant = granted(&postgres, &other, LONG).await;
            assert_eq!(within(AT_ONCE, postgres.end(&other, &grant, None)).await.unwrap(), Ended::Yes);
        }
        assert!(!publishing.is_finished());
        client.batch_execute("COMMIT").await.unwrap();
        assert_eq!(within(AT_ONCE, publishing).await.unwrap().unwrap(), Published::Fresh);
        assert_eq!(stored(&postgres, &one).await.unwrap(), "new");
    }
    let grant = granted(&postgres, &one, LONG).await;
    let client = open(&server, PLACE).await;
    let renewing = tokio::spawn({
        let (postgres, one) = (postgres.clone(), one.clone());
        async move { postgres.renew(&one, &grant, LONG).await }
    });
    client.batch_execute("COMMIT").await.unwrap();
    assert!(matches!(within(AT_ONCE, renewing).await.unwrap().unwrap(), Renewed::Yes(_)));
}

/// The lease of a publication that is not to be had ends first.
#[tokio::test]
async fn g9_a_publication_of_a_locked_row_is_refused_after_the_lease() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    set(&postgres, &one, "old").await.unwrap();
    let grant = granted(&postgres, &one, MS * 300).await;
    let _client = open(&server, ENTRY).await;
    let published = within(AT_ONCE, postgres.publish(&one, &grant, entry("new"))).await.unwrap();
    assert_eq!(published, Published::Refused(Refusal::Gone));
    assert_eq!(stored(&postgres, &one).await.unwrap(), "old");
}

/// G9: a caller that goes away, as a region does when its time is over, leaves the publication to itself.
#[tokio::test]
async fn g9_a_publication_goes_on_without_its_caller() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    set(&postgres, &one, "old").await.unwrap();
    let grant = granted(&postgres, &one, LONG).await;
    let client = open(&server, ENTRY).await;
    let publishing = tokio::time::timeout(MS * 50, postgres.publish(&one, &grant, entry("new")));
    assert!(publishing.await.is_err(), "it does not wait for the row");
    client.batch_execute("COMMIT").await.unwrap();
    until(async || stored(&postgres, &one).await.unwrap() == "new").await;
}

/// A change waits for its turn, holds up nothing of another kind meanwhile, and says so if that does not come.
#[tokio::test]
async fn a_change_waits_for_a_stranger_and_not_for_long() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (one, other) = (key("one"), key("other"));
    set(&postgres, &one, "old").await.unwrap();
    for what in [ENTRY.to_owned(), set_as_a_user(&one)] {
        let client = open(&server, &what).await;
        let error = set(&postgres, &one, "new").await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Refused, "{error:?}");
        let invalidating = tokio::spawn({
            let (postgres, one) = (postgres.clone(), one.clone());
            async move { invalidate(&postgres, &one).await }
        });
        let grant = granted(&postgres, &other, LONG).await;
        assert_eq!(within(AT_ONCE, postgres.end(&other, &grant, None)).await.unwrap(), Ended::Yes);
        assert_eq!(stored(&postgres, &one).await.unwrap(), "old");
        client.batch_execute("ROLLBACK").await.unwrap();
        // In time, or not: what it says is so.
        match invalidating.await.unwrap() {
            Ok(changed) => assert_eq!(changed, Changed::Yes { was_there: true, voided: false }),
            Err(error) => assert_eq!(error.kind(), BackendErrorKind::Refused),
        }
        set(&postgres, &one, "old").await.unwrap();
    }
}

/// Waits until a session of ours waits for a stranger's.
async fn one_waits(server: &PostgresServer) {
    let client = stranger(server).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until(async || client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
}

/// A change that has been tried is done when the stranger's transaction ends, and sees what that has done.
#[tokio::test]
async fn a_change_sees_what_it_has_waited_for() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let tried = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'dogpile-cache' AND state = 'idle' AND query ILIKE '%dogpile%invalidate(%'";
    // (Again, where this machine was slower than the time for which a change is tried.)
    loop {
        let client = open(&server, &set_as_a_user(&one)).await;
        let invalidating = tokio::spawn({
            let (postgres, one) = (postgres.clone(), one.clone());
            async move { invalidate(&postgres, &one).await }
        });
        until(async || server.sql(tried).unwrap() == "1").await;
        client.batch_execute("COMMIT").await.unwrap();
        match invalidating.await.unwrap() {
            Err(error) => assert_eq!(error.kind(), BackendErrorKind::Refused),
            Ok(changed) => break assert_eq!(changed, Changed::Yes { was_there: true, voided: false }),
        }
    }
    assert_eq!(stored(&postgres, &one).await, None);
}

/// The same of a counter that a stranger's transaction has inserted.
#[tokio::test]
async fn g12_s78_an_increment_waits_for_a_counter_that_is_being_made() {
    let server = server().await;
    let postgres = backend(&server).await;
    let add = Count::Add { delta: 1, ceiling: 100, lifetime: Some(LONG) };
    for round in 0.. {
        let one = key(&format!("one{round}"));
        let client = open(&server, &format!("SELECT dogpile.count('{}', 5, 100, 60000)", one.place())).await;
        let counting = tokio::spawn({
            let (postgres, one) = (postgres.clone(), one.clone());
            async move { postgres.count(&one, add).await }
        });
        one_waits(&server).await;
        client.batch_execute("COMMIT").await.unwrap();
        match counting.await.unwrap() {
            Err(error) => assert!(error.source().unwrap().to_string().contains("57014"), "{error:?}"),
            Ok(counted) => {
                assert_eq!(counted, Counted::Now(6));
                return;
            }
        }
    }
}

/// G4: the caller gets its value, published or not.
#[tokio::test]
async fn g4_a_caller_gets_its_value_beside_a_locked_row() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region: Region<str, String> = builder(&postgres).backend_timeout(MS * 200).build().unwrap();
    let _old = region.get("a").or_create(async || "old".to_owned()).await.unwrap();
    let client = stranger(&server).await;
    let got = region
        .refresh("a")
        .or_create(async || {
            client.batch_execute("BEGIN").await.unwrap();
            client.batch_execute(ENTRY).await.unwrap();
            "new".to_owned()
        })
        .await
        .unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("new", Outcome::Created));
    assert!(matches!(Got::published(&got), Some(Stored::No(_))), "{got:?}");
    client.batch_execute("COMMIT").await.unwrap();
    until(async || region.get("a").value().await.is_ok_and(|got| got.is_some_and(|got| *got == "new"))).await;
}

/// G5: what a region gives up beside a stranger's transaction says nothing of the server. The pause would outlast the
/// test.
#[tokio::test]
async fn g5_a_key_that_is_locked_cuts_the_region_off_from_no_other_key() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region = builder(&postgres).backend_timeout(MS * 250).backend_pause(LONG).build::<str, String>().unwrap();
    let published = async |key: &str| {
        let got = within(AT_ONCE, region.get(key).or_create(async || "value".to_owned())).await.unwrap();
        Got::published(&got)
    };
    let mut strangers = Vec::new();
    let creating = region.refresh("one").or_create(async || {
        strangers.push(open(&server, PLACE).await);
        "value".to_owned()
    });
    let got = within(AT_ONCE, creating).await.unwrap();
    assert_eq!(Got::published(&got), Some(Stored::No(NotPublished::InDoubt)));
    assert_eq!(published("two").await, Some(Stored::Fresh));
    let error = within(AT_ONCE, region.invalidate("one")).await.expect_err("the place is locked");
    assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{error:?}");
    assert_eq!(published("three").await, Some(Stored::Fresh));
}
