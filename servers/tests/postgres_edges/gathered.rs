//! Looks that are asked at the same moment, and sent as one statement.

use crate::gathering::{self, begin, named, settle, store, value};
use crate::kit::{backend, connected, look, server};
use dogpile_cache::backend::{Backend, BackendErrorKind, Change, Entry, Postgres};
use dogpile_cache::codec::{Format, Shape};
use dogpile_servers::{Direction, Proxy};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn each_look_has_its_own_reply_however_many_are_asked_at_once() {
    let server = server().await;
    gathering::each_look_has_its_own_reply(backend(&server).await).await;
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

/// What is missing, over, or of another shape takes nothing from the other looks, and what is over is deleted, alone.
#[tokio::test]
async fn each_key_of_a_batch_is_judged_by_itself() {
    let server = server().await;
    let postgres = backend(&server).await;
    store(&*postgres, 40).await;
    server.sql("UPDATE dogpile.entry SET expires = clock_timestamp() WHERE place = 'edge:n3'").unwrap();
    server.sql("DELETE FROM dogpile.entry WHERE place = 'edge:n20'").unwrap();
    let other = named(21).in_shape(Shape { schema: 1, format: Format::MESSAGE_PACK });
    let entry = Entry { bytes: "other".into(), lifetime: Some(Duration::from_secs(600)) };
    postgres.change(&other, Change::Set { entry, void_pause: Duration::ZERO }).await.unwrap();
    for asked in begin(&postgres, 40).await {
        match asked.number {
            3 | 20 => assert_eq!(asked.outcome().await.unwrap().entry, None),
            _ => asked.is_own().await,
        }
    }
    assert_eq!(look(&postgres, &other).await.entry.as_deref(), Some(&b"other"[..]));
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.entry").unwrap(), "39");
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
            asked.is_own().await;
        }
    }
    assert_eq!(look(&postgres, &named(7)).await.entry.as_deref(), Some(value(7).as_bytes()));
}
