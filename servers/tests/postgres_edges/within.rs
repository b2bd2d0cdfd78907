//! What is changed within a transaction of the user's: by `*_in`, and by SQL.

use crate::kit::*;
use dogpile_cache::backend::{Backend, Postgres, Published, Refusal};
use dogpile_cache::backend::{BackendErrorKind, Claimed, Memory};
use dogpile_cache::counter::{Counters, IncrementError};
use dogpile_cache::key::Namespace;
use dogpile_cache::{Got, Outcome, Region};
use dogpile_servers::PostgresServer;
use std::error::Error;
use std::sync::Arc;
use tokio_postgres::{Client, Transaction};

/// A region whose tombstones outlive any test.
fn region(postgres: &Arc<Postgres>) -> Region<str, String> {
    builder(postgres).void_pause(LONG).build().unwrap()
}

fn counters(postgres: &Arc<Postgres>) -> Counters<str, Arc<Postgres>> {
    Counters::new(Namespace::new(NAME).unwrap(), Arc::clone(postgres), MINUTE).unwrap()
}

/// A session of the user's, with a table of the user's.
async fn user(server: &PostgresServer) -> Client {
    let client = stranger(server).await;
    client.batch_execute("CREATE TABLE IF NOT EXISTS product (id bigint)").await.unwrap();
    client
}

async fn insert(transaction: &Transaction<'_>) {
    transaction.execute("INSERT INTO product VALUES (7)", &[]).await.unwrap();
}

async fn value(region: &Region<str, String>, key: &str) -> Option<(String, Outcome)> {
    region.get(key).value().await.unwrap().map(|got| ((*got).clone(), Got::outcome(&got)))
}

fn fresh(value: &str) -> (String, Outcome) {
    (value.to_owned(), Outcome::Fresh)
}

/// Each of them can be sent, so that a handler of a server can await it.
fn sent<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn what_is_rolled_back_has_never_been() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, counters, mut client) = (region(&postgres), counters(&postgres), user(&server).await);
    region.set("a", "old".to_owned()).await.unwrap();
    counters.increment("n", 5).await.unwrap();
    counters.increment("gone", 1).await.unwrap();
    let grant = granted(&postgres, &key("b"), LONG).await;
    for commits in [false, true] {
        let transaction = client.transaction().await.unwrap();
        insert(&transaction).await;
        sent(region.set_in(&transaction, "a", "new".to_owned())).await.unwrap();
        assert!(!sent(region.add_in(&transaction, "a", "added".to_owned())).await.unwrap(), "it sees its own value");
        sent(region.mark_stale_in(&transaction, "a")).await.unwrap();
        assert!(sent(region.touch_in(&transaction, "a", None)).await.unwrap());
        assert!(sent(region.add_in(&transaction, "c", "added".to_owned())).await.unwrap());
        assert!(!sent(region.touch_in(&transaction, "d", None)).await.unwrap());
        sent(region.invalidate_in(&transaction, "b")).await.unwrap();
        assert_eq!(sent(counters.increment_in(&transaction, "n", 2)).await.unwrap(), 7);
        assert_eq!(sent(counters.decrement_in(&transaction, "n", 1)).await.unwrap(), 6);
        assert_eq!(sent(counters.get_in(&transaction, "n")).await.unwrap(), 6);
        sent(counters.reset_in(&transaction, "gone")).await.unwrap();
        assert_eq!(sent(counters.get_in(&transaction, "gone")).await.unwrap(), 0);
        // Nobody else sees it, and the region's own count does not go with the transaction.
        assert_eq!(value(&region, "a").await, Some(fresh("old")));
        assert_eq!(value(&region, "c").await, None);
        assert_eq!(counters.get("n").await.unwrap(), 5);
        assert_eq!(counters.get("gone").await.unwrap(), 1);
        counters.increment("other", 1).await.unwrap();
        if commits {
            transaction.commit().await.unwrap();
            assert_eq!(value(&region, "a").await, Some(("new".to_owned(), Outcome::Stale)));
            assert_eq!(value(&region, "c").await, Some(fresh("added")));
            assert_eq!(counters.get("n").await.unwrap(), 6);
            assert_eq!(counters.get("other").await.unwrap(), 2);
            assert_eq!(counters.get("gone").await.unwrap(), 0);
        } else {
            transaction.rollback().await.unwrap();
            assert_eq!(value(&region, "a").await, Some(fresh("old")));
            assert_eq!(value(&region, "c").await, None);
            assert_eq!(counters.get("n").await.unwrap(), 5);
            assert_eq!(counters.get("other").await.unwrap(), 1);
        }
    }
    assert_eq!(server.sql("SELECT count(*) FROM product").unwrap(), "1");
    let published = postgres.publish(&key("b"), &grant, entry("late")).await.unwrap();
    assert_eq!(published, Published::Refused(Refusal::Voided));
    assert_no_errors(&server);
}

/// G3: a grant is void when the transaction commits, and as it was if that is rolled back. Meanwhile its publication
/// waits, and no other creation begins.
#[tokio::test]
async fn g3_a_grant_beside_an_open_transaction_is_voided_by_its_commit_alone() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, one, mut client) = (region(&postgres), key("one"), user(&server).await);
    for commits in [false, true] {
        let grant = granted(&postgres, &one, LONG).await;
        let transaction = client.transaction().await.unwrap();
        region.invalidate_in(&transaction, "one").await.unwrap();
        let publishing = tokio::spawn({
            let (postgres, one) = (postgres.clone(), one.clone());
            async move { postgres.publish(&one, &grant, entry("late")).await }
        });
        let claimed = within(AT_ONCE, postgres.claim(&one, claim(LONG))).await.unwrap();
        assert!(matches!(claimed, Claimed::Held(_)), "{claimed:?}");
        assert!(!publishing.is_finished());
        let published = if commits {
            transaction.commit().await.unwrap();
            Published::Refused(Refusal::Voided)
        } else {
            transaction.rollback().await.unwrap();
            Published::Fresh
        };
        assert_eq!(within(AT_ONCE, publishing).await.unwrap().unwrap(), published);
    }
    assert_eq!(stored(&postgres, &one).await, None);
}

/// A creation of a key that an open transaction has invalidated waits, and reads the source after the commit.
#[tokio::test]
async fn g3_no_creation_reads_the_source_before_the_commit() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, mut client) = (region(&postgres), user(&server).await);
    let transaction = client.transaction().await.unwrap();
    insert(&transaction).await;
    region.invalidate_in(&transaction, "rows").await.unwrap();
    let counting = tokio::spawn({
        let (region, source) = (region.clone(), user(&server).await);
        let create = async move || source.query_one("SELECT count(*)::text FROM product", &[]).await.unwrap().get(0);
        async move { region.get("rows").or_create(create).await.unwrap().to_string() }
    });
    let asked =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dogpile-cache' AND query LIKE '%claim(%'";
    until(async || server.sql(asked).unwrap() == "1").await;
    assert!(!counting.is_finished());
    transaction.commit().await.unwrap();
    assert_eq!(within(AT_ONCE, counting).await.unwrap(), "1");
}

/// At another level nothing is changed, and the transaction goes on; a count is right there.
#[tokio::test]
async fn s76_a_transaction_at_another_level_is_refused_and_goes_on() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, counters, mut client) = (region(&postgres), counters(&postgres), user(&server).await);
    region.set("a", "old".to_owned()).await.unwrap();
    client.batch_execute("SET default_transaction_isolation = 'repeatable read'").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    insert(&transaction).await;
    let refused = [
        region.set_in(&transaction, "a", "new".to_owned()).await,
        region.mark_stale_in(&transaction, "a").await,
        region.invalidate_in(&transaction, "a").await,
        region.touch_in(&transaction, "a", None).await.map(drop),
        region.add_in(&transaction, "b", "new".to_owned()).await.map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Refused);
        assert!(error.source().unwrap().to_string().contains("READ COMMITTED"), "{error:?}");
    }
    assert_eq!(counters.increment_in(&transaction, "n", 1).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(value(&region, "a").await, Some(fresh("old")));
    assert_eq!(server.sql("SELECT count(*) FROM product").unwrap(), "1");
    assert_no_errors(&server);
    // Another has moved the counter since the snapshot: the increment fails, and counts nothing.
    let transaction = client.transaction().await.unwrap();
    insert(&transaction).await;
    counters.increment("n", 1).await.unwrap();
    let error = counters.increment_in(&transaction, "n", 1).await.unwrap_err();
    assert!(matches!(&error, IncrementError::Backend(error) if error.kind() == BackendErrorKind::Refused), "{error:?}");
    assert!(error.source().unwrap().source().unwrap().to_string().contains("40001"), "{error:?}");
    drop(transaction);
    assert_eq!(counters.get("n").await.unwrap(), 2);
}

/// The second of two transactions waits for the first one, and sees what that has done.
#[tokio::test]
async fn two_transactions_of_users_change_one_key_one_after_the_other() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, counters) = (region(&postgres), counters(&postgres));
    let (mut client, watcher) = (user(&server).await, user(&server).await);
    let first = client.transaction().await.unwrap();
    region.set_in(&first, "a", "first".to_owned()).await.unwrap();
    assert_eq!(counters.increment_in(&first, "n", 1).await.unwrap(), 1);
    let second = tokio::spawn({
        let (region, counters, mut client) = (region.clone(), counters.clone(), user(&server).await);
        async move {
            let second = client.transaction().await.unwrap();
            region.set_in(&second, "a", "second".to_owned()).await.unwrap();
            assert_eq!(counters.increment_in(&second, "n", 1).await.unwrap(), 2);
            second.commit().await.unwrap();
        }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'";
    until(async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    first.commit().await.unwrap();
    within(AT_ONCE, second).await.unwrap();
    assert_eq!(value(&region, "a").await, Some(fresh("second")));
    assert_eq!(counters.get("n").await.unwrap(), 2);
    assert_no_errors(&server);
}

/// A row that a stranger has locked is waited for, too: an invalidation that has returned is a part of the transaction.
#[tokio::test]
async fn a_users_transaction_waits_for_a_locked_row() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, watcher) = (region(&postgres), stranger(&server).await);
    for (table, wait) in [("entry", "entry"), ("place", "place")] {
        region.set("a", "old".to_owned()).await.unwrap();
        let grant = granted(&postgres, &key("a"), LONG).await;
        watcher.batch_execute(&format!("BEGIN; SELECT FROM dogpile.{table} FOR UPDATE")).await.unwrap();
        let invalidating = tokio::spawn({
            let (region, mut client) = (region.clone(), user(&server).await);
            async move {
                let transaction = client.transaction().await.unwrap();
                region.invalidate_in(&transaction, "a").await.unwrap();
                transaction.commit().await.unwrap();
            }
        });
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'";
        until(async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
        watcher.batch_execute("COMMIT").await.unwrap();
        within(AT_ONCE, invalidating).await.unwrap();
        assert_eq!(value(&region, "a").await, None, "{wait}");
        let published = postgres.publish(&key("a"), &grant, entry("late")).await.unwrap();
        assert_eq!(published, Published::Refused(Refusal::Voided));
    }
}

/// Each error says what it is, and shows no name; the session goes on after a rollback.
#[tokio::test]
async fn s25_what_fails_within_a_transaction_is_told() {
    let server = server().await;
    let postgres = backend(&server).await;
    let (region, mut client) = (region(&postgres), user(&server).await);
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("SELECT 1/0").await.unwrap_err();
    let error = region.invalidate_in(&transaction, "a").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    assert!(error.source().unwrap().to_string().contains("has failed before"), "{error:?}");
    drop(transaction);
    let lock = stranger(&server).await;
    lock.batch_execute(&format!("BEGIN; {}", invalidate_as_a_user(&key("a")))).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("SET LOCAL lock_timeout = 1").await.unwrap();
    let error = within(AT_ONCE, region.invalidate_in(&transaction, "a")).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("holds the place"), "{error:?}");
    drop(transaction);
    lock.batch_execute("ROLLBACK").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    // A backend without tables: the transaction goes on.
    let memory: Region<str, String> = Region::builder(NAME).expires_after(MINUTE).far(Memory::new()).build().unwrap();
    let error = memory.invalidate_in(&transaction, "a").await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("no PostgreSQL"), "{error:?}");
    let counters: Counters<str, _> = Counters::new(Namespace::new(NAME).unwrap(), Memory::new(), MINUTE).unwrap();
    counters.increment_in(&transaction, "a", 1).await.unwrap_err();
    region.invalidate_in(&transaction, "a").await.unwrap();
    transaction.commit().await.unwrap();
}

/// No signal is sent within a transaction of the user's: one that has sent a NOTIFY cannot be prepared.
#[tokio::test]
async fn s69_a_users_transaction_notifies_nobody() {
    let server = PostgresServer::builder().args(["-c", "max_prepared_transactions=2"]).start().unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let postgres = backend(&server).await;
    let (region, mut client) = (region(&postgres), user(&server).await);
    let _signals = postgres.listen(&key("a")).unwrap().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    region.set_in(&transaction, "a", "value".to_owned()).await.unwrap();
    region.mark_stale_in(&transaction, "a").await.unwrap();
    region.invalidate_in(&transaction, "a").await.unwrap();
    transaction.batch_execute("SELECT dogpile.set('edge:a', '1', '1 min')").await.unwrap();
    transaction.batch_execute("PREPARE TRANSACTION 'it'").await.unwrap();
    drop(transaction);
    client.batch_execute("COMMIT PREPARED 'it'").await.unwrap();
    client.batch_execute("BEGIN; NOTIFY other; PREPARE TRANSACTION 'it'").await.unwrap_err();
    assert!(stored(&postgres, &key("a")).await.is_some());
}
