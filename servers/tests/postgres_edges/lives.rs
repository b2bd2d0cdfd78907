//! The end of the server, and of its sessions.

use crate::kit::*;
use dogpile_cache::backend::{Backend, BackendErrorKind, Count, Ended, Published, Refusal};
use dogpile_cache::{Got, Outcome};
use std::slice;

/// S77: UNLOGGED tables are empty after that, and nothing fails.
#[tokio::test]
async fn g10_s77_an_end_at_once_is_a_cold_start() {
    let mut server = server().await;
    let postgres = backend(&server).await;
    let region = region(&postgres);
    drop(region.get("a").or_create(async || "one".to_owned()).await.unwrap());
    let (key, life) = (key("b"), look(&postgres, &key("b")).await.life);
    let grant = granted(&postgres, &key, LONG).await;
    server.end_at_once();
    server.start_again().unwrap();
    connected(&postgres).await;
    assert_ne!(look(&postgres, &key).await.life, life);
    let late = within(AT_ONCE, postgres.publish(&key, &grant, entry("late"))).await.unwrap();
    assert_eq!(late, Published::Refused(Refusal::OtherLife));
    // (The region is in the pause of a backend that was down, perhaps.)
    until(async || {
        let got = region.get("a").or_create(async || "two".to_owned()).await.unwrap();
        *got == "two" && Got::outcome(&got) == Outcome::Fresh
    })
    .await;
}

/// The entries are there, and of another life; the grants are void.
#[tokio::test]
async fn g10_an_end_in_peace_keeps_the_entries() {
    let mut server = server().await;
    let postgres = backend(&server).await;
    let (one, two) = (key("one"), key("two"));
    set(&postgres, &one, "value").await.unwrap();
    let grant = granted(&postgres, &two, LONG).await;
    server.end_in_peace();
    let error = postgres.look(slice::from_ref(&one), None).await.unwrap_err();
    assert!(matches!(error.kind(), BackendErrorKind::Unreachable | BackendErrorKind::InDoubt), "{error:?}");
    server.start_again().unwrap();
    connected(&postgres).await;
    let there = look(&postgres, &one).await;
    assert_eq!(there.entry.unwrap(), "value");
    assert_ne!(there.life, grant.life);
    let late = within(AT_ONCE, postgres.publish(&two, &grant, entry("late"))).await.unwrap();
    assert_eq!(late, Published::Refused(Refusal::OtherLife));
    granted(&postgres, &two, LONG).await;
}

/// The postmaster goes on when one of its sessions crashes, and empties the UNLOGGED tables: that is another life.
#[tokio::test]
async fn g10_the_crash_of_a_session_is_another_life() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, LONG).await;
    let pid = server.pid();
    let victim =
        server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'dogpile-cache' LIMIT 1").unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &victim]).status().unwrap();
    assert!(killed.success());
    until(async || postgres.look(slice::from_ref(&one), None).await.is_ok_and(|looks| looks[0].life != grant.life))
        .await;
    connected(&postgres).await;
    assert_eq!(server.pid(), pid);
    let late = within(AT_ONCE, postgres.publish(&one, &grant, entry("late"))).await.unwrap();
    assert_eq!(late, Published::Refused(Refusal::OtherLife));
}

/// A session that is ended is one connection: the next operation has another one, in the same life.
#[tokio::test]
async fn a_session_that_was_ended_is_made_anew() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let grant = granted(&postgres, &one, LONG).await;
    for _ in 0..3 {
        let all =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'dogpile-cache'";
        assert_eq!(server.sql(all).unwrap(), "3");
        connected(&postgres).await;
        assert_eq!(look(&postgres, &one).await.life, grant.life);
    }
    assert_eq!(within(AT_ONCE, postgres.publish(&one, &grant, entry("value"))).await.unwrap(), Published::Fresh);
}

/// An operation under way when its session is ended is in doubt.
#[tokio::test]
async fn an_operation_whose_session_is_ended_is_in_doubt() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let client = stranger(&server).await;
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute(&format!("SELECT dogpile.count('{}', 5, 100, 60000)", one.place())).await.unwrap();
    let waiting = tokio::spawn({
        let (postgres, one) = (postgres.clone(), one.clone());
        let add = Count::Add { delta: 1, ceiling: 100, lifetime: None };
        async move { postgres.count(&one, add).await }
    });
    let other = stranger(&server).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until(async || other.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{error:?}");
}

/// S11, S98: a server that is stopped answers nothing, and a region's call returns in its time.
#[tokio::test]
async fn s11_s98_a_server_that_is_stopped_costs_the_time_of_the_backend() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region = builder(&postgres).backend_timeout(MS * 200).build::<str, String>().unwrap();
    server.stop().unwrap();
    let got = within(AT_ONCE, region.get("a").or_create(async || "own".to_owned())).await.unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("own", Outcome::Created));
    server.go_on().unwrap();
    connected(&postgres).await;
    assert!(within(AT_ONCE, postgres.look(&[key("a")], None)).await.is_ok());
}

/// G17: what is over gives its room back, without anybody who asks for it.
#[tokio::test]
async fn g17_what_is_over_is_culled() {
    let server = server().await;
    let postgres = backend(&server).await;
    let stays = key("stays");
    set(&postgres, &stays, "value").await.unwrap();
    let (kept, grant) = (key("kept"), granted(&postgres, &stays, LONG).await);
    granted(&postgres, &kept, LONG).await;
    // More than one look of the culling is for.
    server
        .sql("INSERT INTO dogpile.entry SELECT n::text::bytea, 1, 1, repeat('v', 500)::bytea, 1, false, now() FROM generate_series(1, 5000) n")
        .unwrap();
    let over = Count::Add { delta: 1, ceiling: 1, lifetime: Some(MS) };
    for number in 0..20 {
        let key = key(&number.to_string());
        postgres.claim(&key, claim(MS)).await.unwrap();
        postgres.count(&key, over).await.unwrap();
    }
    let all = "SELECT (SELECT count(*) FROM dogpile.place), (SELECT count(*) FROM dogpile.counter), (SELECT count(*) < 4000 FROM dogpile.entry)";
    until(async || server.sql(all).unwrap() == "2|0|t").await;
    assert_eq!(stored(&postgres, &stays).await.unwrap(), "value");
    assert_eq!(within(AT_ONCE, postgres.end(&stays, &grant, None)).await.unwrap(), Ended::Yes);
}

/// S27: the culling skips what is locked.
#[tokio::test]
async fn s27_the_culling_waits_for_nobody() {
    let server = server().await;
    let over =
        "INSERT INTO dogpile.entry SELECT n::text::bytea, 1, 1, '', 1, false, now() FROM generate_series(1, 2) n";
    server.sql(over).unwrap();
    let (client, culler) = (stranger(&server).await, stranger(&server).await);
    client.batch_execute("BEGIN; SELECT FROM dogpile.entry WHERE place = '1' FOR UPDATE").await.unwrap();
    let deleted = within(AT_ONCE, culler.query_one("SELECT dogpile.cull(0, 1000)", &[])).await.unwrap();
    assert_eq!(deleted.get::<_, i64>(0), 1);
    assert_eq!(server.sql("SELECT place FROM dogpile.entry").unwrap(), "\\x31");
}
