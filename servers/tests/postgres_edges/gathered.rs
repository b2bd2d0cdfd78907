//! Looks that are asked at the same moment, and sent as one statement.

use crate::gathering::{self, begin, named, settle, store, value};
use crate::kit::{backend, connected, look, server, until};
use dogpile_cache::backend::{Backend, BackendErrorKind, Change, Entry, Postgres};
use dogpile_cache::codec::{Format, Shape};
use dogpile_servers::{Direction, Proxy};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn each_look_has_its_own_reply_however_many_are_asked_at_once() {
    let server = server().await;
    let postgres = backend(&server).await;
    gathering::each_look_has_its_own_reply(Arc::clone(&postgres)).await;
    // Many were one statement. (A heartbeat may come behind it.)
    let asked_last = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'dogpile-cache' AND query LIKE '%WITH ORDINALITY%'";
    until(async || {
        for asked in begin(&postgres, 40).await {
            asked.finds_its_own().await;
        }
        server.sql(asked_last).unwrap() == "1"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_ask_at_once_have_their_own_replies() {
    let server = server().await;
    gathering::tasks_have_their_own_replies(backend(&server).await).await;
}

#[tokio::test]
async fn s4_a_look_that_is_dropped_at_whatever_point_shifts_no_reply() {
    let server = server().await;
    gathering::a_dropped_look_shifts_no_reply(backend(&server).await).await;
}

#[tokio::test]
async fn s4_a_look_that_is_dropped_while_the_server_has_it_shifts_no_reply() {
    let server = server().await;
    let (stop, go_on) = (|| server.stop().unwrap(), || server.go_on().unwrap());
    gathering::a_look_dropped_at_the_server_shifts_no_reply(backend(&server).await, stop, go_on).await;
}

#[tokio::test]
async fn a_look_that_is_not_polled_any_more_holds_up_nobody() {
    let server = server().await;
    gathering::a_look_that_is_not_polled_holds_up_nobody(backend(&server).await).await;
}

#[test]
fn looks_whose_runtime_has_ended_fail() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(server());
    drop(runtime);
    gathering::looks_whose_runtime_has_ended_fail(async || backend(&server).await);
}

/// What is missing or over takes nothing from the other looks, and what is over is deleted, alone. (The first looks are
/// asked for by themselves.)
#[tokio::test]
async fn each_key_of_a_batch_is_judged_by_itself() {
    let server = server().await;
    let postgres = backend(&server).await;
    store(&*postgres, 40).await;
    server.sql("UPDATE dogpile.entry SET expires = clock_timestamp() WHERE place IN ('edge:n1', 'edge:n10')").unwrap();
    server.sql("DELETE FROM dogpile.entry WHERE place IN ('edge:n2', 'edge:n20')").unwrap();
    for asked in begin(&postgres, 40).await {
        match asked.number {
            1 | 2 | 10 | 20 => assert_eq!(asked.outcome().await.unwrap().entry, None),
            _ => asked.finds_its_own().await,
        }
    }
    until(async || server.sql("SELECT count(*) FROM dogpile.entry").unwrap() == "36").await;
}

/// Keys of two shapes, in turn.
#[tokio::test]
async fn each_key_of_a_batch_has_its_own_shape() {
    let server = server().await;
    let postgres = backend(&server).await;
    store(&*postgres, 40).await;
    let other = |number| named(number).in_shape(Shape { schema: 1, format: Format::JSON });
    for number in (0..40).step_by(2) {
        let entry = Entry { bytes: format!("other {number}").into(), lifetime: Some(Duration::from_secs(600)) };
        postgres.change(&other(number), Change::Set { entry, void_pause: Duration::ZERO }).await.unwrap();
    }
    let looks = (0..40).map(|number| {
        let (key, postgres) = (if number % 2 == 0 { other(number) } else { named(number) }, Arc::clone(&postgres));
        tokio::spawn(async move { look(&postgres, &key).await.entry })
    });
    for (number, look) in looks.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if number % 2 == 0 { format!("other {number}") } else { value(number) };
        assert_eq!(look.await.unwrap().as_deref(), Some(expected.as_bytes()), "{number}");
    }
}

/// An error of the statement is that of each look; the next ones go by themselves, until one has been answered.
#[tokio::test]
async fn an_error_of_a_batch_is_that_of_each_look_and_the_connection_is_kept() {
    let server = server().await;
    let owner = backend(&server).await;
    store(&*owner, 40).await;
    server.sql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA dogpile TO reader").unwrap();
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA dogpile TO reader").unwrap();
    let postgres = Arc::new(Postgres::connect(&server.url_of("reader")).await.unwrap());
    let sessions = || server.sql("SELECT min(pid) FROM pg_stat_activity WHERE usename = 'reader'").unwrap();
    let session = sessions();
    for _ in 0..3 {
        server.sql("REVOKE SELECT ON dogpile.entry FROM reader").unwrap();
        for asked in begin(&postgres, 40).await {
            let number = asked.number;
            let error = asked.outcome().await.expect_err("an error");
            assert_eq!(error.kind(), BackendErrorKind::Refused, "{number}: {error:?}");
        }
        server.sql("GRANT SELECT ON dogpile.entry TO reader").unwrap();
        for asked in begin(&postgres, 40).await {
            asked.finds_its_own().await;
        }
    }
    assert_eq!(sessions(), session);
}

/// Their runtime has the connection, and stands still. The keeper finds that it is dead.
#[test]
fn looks_whose_runtime_stands_still_are_told_of_the_death() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (still, other) = (runtime(), runtime());
    let (_server, asked) = still.block_on(async {
        let server = server().await;
        let postgres = backend(&server).await;
        (server, begin(&postgres, 40).await)
    });
    other.block_on(async {
        for asked in asked {
            let number = asked.number;
            let error = asked.outcome().await.expect_err("an error");
            assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{number}: {error:?}");
        }
    });
    drop(still);
}

#[tokio::test]
async fn looks_whose_connection_is_lost_are_in_doubt_and_the_next_ones_work() {
    let server = server().await;
    let proxy = Proxy::start(server.address()).unwrap();
    let url = server.url().replace(&server.address().to_string(), &proxy.address().to_string());
    let postgres = Arc::new(Postgres::connect(&url).await.unwrap());
    store(&*postgres, 40).await;
    for _ in 0..5 {
        proxy.black_hole(Direction::FromServer, true);
        let asked = begin(&postgres, 40).await;
        settle().await;
        proxy.sever();
        for asked in asked {
            let number = asked.number;
            let error = asked.outcome().await.expect_err("an error");
            assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{number}: {error:?}");
        }
        proxy.normal();
        connected(&postgres).await;
        for asked in begin(&postgres, 40).await {
            asked.finds_its_own().await;
        }
    }
    assert_eq!(look(&postgres, &named(7)).await.entry.as_deref(), Some(value(7).as_bytes()));
}
