//! Connections that are refused, and rights that are missing: each an error that says it, at once (S25).

use crate::kit::*;
use dogpile_cache::backend::{Backend, BackendErrorKind, ConnectError, Postgres};
use dogpile_cache::{Got, Published};
use dogpile_servers::PostgresServer;
use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;

/// Connects, which fails; the error shows no name.
async fn refused(url: &str) -> ConnectError {
    let error = within(AT_ONCE, Postgres::connect(url)).await.unwrap_err();
    assert_silent(&error);
    error
}

#[track_caller]
fn why(error: &ConnectError, is_unfit: bool) -> &str {
    match error {
        ConnectError::Unfit { why, .. } if is_unfit => why,
        ConnectError::Unreachable { why, .. } if !is_unfit => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s25_missing_tables_are_told_and_made_once() {
    let server = PostgresServer::start().unwrap();
    let error = refused(&server.url()).await;
    assert!(why(&error, true).contains("migrate()"), "{error}");
    let lazy = Postgres::lazy(&server.url()).unwrap();
    let error = within(AT_ONCE, lazy.look(&[key("a")], None)).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("migrate()"), "{error:?}");
    let builder = Postgres::builder(&server.url());
    // Several processes at once, and again.
    let (one, two, three) = tokio::join!(builder.migrate(), builder.migrate(), builder.migrate());
    assert_eq!([one, two, three], [Ok(()), Ok(()), Ok(())]);
    builder.migrate().await.unwrap();
    set(&lazy, &key("a"), "value").await.unwrap();
    // The statements that are printed do it, too, and again.
    let other = Postgres::builder(&server.url()).schema("other").logged();
    for _ in 0..2 {
        server.sql(&other.sql().unwrap()).unwrap();
    }
    let other = other.connect().await.unwrap();
    assert_eq!(stored(&other, &key("a")).await, None);
    set(&other, &key("a"), "another").await.unwrap();
    assert_eq!(stored(&lazy, &key("a")).await.unwrap(), "value");
    let kinds = "SELECT relpersistence FROM pg_class WHERE relname = 'entry' ORDER BY relnamespace::regnamespace::text";
    assert_eq!(server.sql(kinds).unwrap(), "u\np");
}

#[tokio::test]
async fn s25_tables_that_go_away_are_told() {
    let server = server().await;
    let postgres = backend(&server).await;
    server.sql("DROP SCHEMA dogpile CASCADE").unwrap();
    for _ in 0..2 {
        let error = within(AT_ONCE, postgres.look(&[key("a")], None)).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains("migrate()"), "{error:?}");
    }
    Postgres::builder(&server.url()).migrate().await.unwrap();
    connected(&postgres).await;
    set(&postgres, &key("a"), "value").await.unwrap();
}

/// Gives a user the rights that the documentation names.
fn grant(server: &PostgresServer) {
    server
        .sql("GRANT USAGE ON SCHEMA dogpile TO anna; GRANT USAGE ON ALL SEQUENCES IN SCHEMA dogpile TO anna")
        .unwrap();
    server.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dogpile TO anna").unwrap();
}

#[tokio::test]
async fn s25_rights_that_are_missing_are_told() {
    let server = server().await;
    server.sql("CREATE ROLE anna LOGIN").unwrap();
    let error = refused(&server.url_of("anna")).await;
    assert!(why(&error, false).contains("42501"), "{error}");
    let not_there = within(AT_ONCE, Postgres::builder(&server.url_of("anna")).schema("other").migrate()).await;
    assert!(why(&not_there.unwrap_err(), false).contains("no permission"));
    // The rights that the documentation names are enough.
    grant(&server);
    let postgres = Arc::new(within(AT_ONCE, Postgres::connect(&server.url_of("anna"))).await.unwrap());
    let region = region(&postgres);
    let got = region.get("a").or_create(async || "value".to_owned()).await.unwrap();
    assert_eq!(Got::published(&got), Some(Published::Fresh));
    // One that is taken away is an error of the operation; the caller has its value.
    server.sql("REVOKE INSERT, UPDATE ON dogpile.entry FROM anna").unwrap();
    let error = set(&postgres, &key("a"), "new").await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    assert_silent(&error);
    let got = within(AT_ONCE, region.get("b").or_create(async || "own".to_owned())).await.unwrap();
    assert_eq!(*got, "own");
    assert!(matches!(Got::published(&got), None | Some(Published::No(_))), "{:?}", Got::published(&got));
}

#[tokio::test]
async fn s25_a_user_that_is_not_let_in_is_told() {
    let server = server().await;
    let error = refused(&server.url_of("anna:secret")).await;
    assert!(why(&error, false).contains("28000"), "{error}");
    let error = refused(&format!("postgresql://postgres@{}/anna", server.address())).await;
    assert!(why(&error, false).contains("no such database"), "{error}");
}

#[tokio::test]
async fn s25_a_server_that_takes_no_writes_is_told() {
    let server = server().await;
    server.sql("CREATE ROLE reader LOGIN SUPERUSER; ALTER ROLE reader SET default_transaction_read_only = on").unwrap();
    let error = refused(&server.url_of("reader")).await;
    assert!(why(&error, false).contains("takes no writes"), "{error}");
}

#[tokio::test]
async fn s25_too_many_connections_are_told() {
    let server = server().await;
    server.sql("CREATE ROLE anna LOGIN CONNECTION LIMIT 2").unwrap();
    grant(&server);
    let error = refused(&server.url_of("anna")).await;
    assert!(why(&error, false).contains("too many connections"), "{error}");
}

/// The caller gets its value where no connection is to be had.
#[tokio::test]
async fn g4_s25_a_caller_gets_its_value_beside_too_many_connections() {
    let server = server().await;
    server.sql("CREATE ROLE anna LOGIN CONNECTION LIMIT 0").unwrap();
    grant(&server);
    let lazy = Arc::new(Postgres::lazy(&server.url_of("anna")).unwrap());
    let got = within(AT_ONCE, region(&lazy).get("a").or_create(async || "own".to_owned())).await.unwrap();
    assert_eq!(*got, "own");
    assert!(matches!(Got::published(&got), None | Some(Published::No(_))), "{:?}", Got::published(&got));
    let error = within(AT_ONCE, lazy.look(&[key("a")], None)).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("too many connections"), "{error:?}");
    assert_silent(&error);
}

/// A disk that is full is told, and the caller has its value; what is there is a hit.
#[tokio::test]
async fn g4_s25_a_disk_that_is_full_is_told() {
    let server = PostgresServer::builder().largest_file((4 << 20) + 100).start().unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let postgres = backend(&server).await;
    let (region, large) = (region(&postgres), "v".repeat(1 << 20));
    let mut error = None;
    for number in 0..100 {
        if let Err(is_full) = within(AT_ONCE, region.set(&number.to_string(), large.clone())).await {
            error = Some(is_full);
            break;
        }
    }
    let error = error.expect("the disk does not fill");
    assert_eq!(error.kind(), BackendErrorKind::Refused, "{error:?}");
    assert!(error.source().unwrap().to_string().contains("its disk is full"), "{error:?}");
    let made = large.clone();
    let got = within(AT_ONCE, region.get("b").or_create(async || made)).await.unwrap();
    assert_eq!(*got, large);
    assert!(matches!(Got::published(&got), Some(Published::No(_))), "{:?}", Got::published(&got));
    let got = within(AT_ONCE, region.get("0").value()).await.unwrap().unwrap();
    assert_eq!(*got, large);
}

/// A statement that takes longer than it may is told, and nothing was counted.
#[tokio::test]
async fn s25_a_statement_that_takes_too_long_is_told() {
    let server = server().await;
    let postgres = backend(&server).await;
    let client = stranger(&server).await;
    client.batch_execute("BEGIN; LOCK TABLE dogpile.entry IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = within(AT_ONCE, postgres.look(&[key("a")], None)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused, "{error:?}");
    assert!(error.source().unwrap().to_string().contains("the time is out"), "{error:?}");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stored(&postgres, &key("a")).await, None);
}

#[tokio::test]
async fn s25_no_server_is_told_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(&format!("postgresql://anna:secret@127.0.0.1:{port}/anna")).await;
    why(&error, false);
    let lazy = Postgres::lazy(&format!("postgresql://anna:secret@127.0.0.1:{port}/anna")).unwrap();
    let error = within(AT_ONCE, lazy.look(&[key("a")], None)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unreachable);
    assert_silent(&error);
    let shown = format!("{lazy:?}");
    assert!(!shown.contains("anna") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn s25_a_url_that_is_none_is_told() {
    for url in ["postgresql:", "postgresql://", "postgresql:///anna", "postgres://127.0.0.1:anna/"] {
        assert!(matches!(refused(url).await, ConnectError::Malformed { .. }), "{url}");
    }
    let error = within(AT_ONCE, Postgres::builder("postgresql://127.0.0.1").schema("A").connect()).await.unwrap_err();
    assert!(why(&error, true).contains("schema"), "{error}");
}

/// The largest of all values and keys, and whatever bytes.
#[tokio::test]
async fn s70_s86_long_keys_and_large_values_are_stored() {
    let server = server().await;
    let postgres = by_url(&server.url()).await;
    let region = dogpile_cache::Region::builder(NAME).expires_after(MINUTE).backend_timeout(WATCHDOG).far(postgres);
    let region = region.build::<str, String>().unwrap();
    for key in ["a\0b".to_owned(), "k".repeat(10_000), "'; DROP SCHEMA dogpile; --".to_owned()] {
        let value = key.clone() + &"v".repeat(1 << 20);
        let made = value.clone();
        let got = region.get(&key).or_create(async || made).await.unwrap();
        assert_eq!(Got::published(&got), Some(Published::Fresh));
        assert_eq!(**region.get(&key).value().await.unwrap().unwrap(), value);
    }
    assert_no_errors(&server);
}
