//! Signals: who is told, and who is not.

use crate::kit::*;
use dogpile_cache::backend::{Backend, Signal};
use dogpile_cache::{Got, Outcome};
use tokio::sync::oneshot;

/// A process that publishes where nobody waits opens no connection for signals, and sends none.
#[tokio::test]
async fn s68_nobody_waits_and_nobody_is_told() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    for _ in 0..20 {
        let grant = granted(&postgres, &one, LONG).await;
        postgres.publish(&one, &grant, entry("value")).await.unwrap();
        set(&postgres, &one, "set").await.unwrap();
        invalidate(&postgres, &one).await.unwrap();
    }
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dogpile-cache'";
    assert_eq!(server.sql(sessions).unwrap(), "3");
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.waiter").unwrap(), "0");
}

/// A process that waits for another one returns when that has published, long before its next poll.
#[tokio::test]
async fn g16_a_waiting_process_is_told() {
    let server = server().await;
    let poll = WATCHDOG;
    let one = builder(&backend(&server).await).poll(poll).build::<str, String>().unwrap();
    let two = builder(&backend(&server).await).poll(poll).build::<str, String>().unwrap();
    let (begun, has_begun) = oneshot::channel::<()>();
    let (go, goes) = oneshot::channel::<()>();
    let creating = tokio::spawn(async move {
        let created = one.get("a").or_create(async || {
            begun.send(()).unwrap();
            goes.await.unwrap();
            "value".to_owned()
        });
        Got::outcome(&created.await.unwrap())
    });
    has_begun.await.unwrap();
    let waiting = tokio::spawn(async move {
        let got = two.get("a").or_create(async || "another".to_owned()).await.unwrap();
        (got.to_string(), Got::outcome(&got))
    });
    until(async || server.sql("SELECT count(*) FROM dogpile.waiter").unwrap() == "1").await;
    go.send(()).unwrap();
    let (value, outcome) = within(AT_ONCE, waiting).await.unwrap();
    assert_eq!((value.as_str(), creating.await.unwrap()), ("value", Outcome::Created));
    assert_ne!(outcome, Outcome::Created);
}

/// S65: the session that listens is ended: that is told, and the listening goes on.
#[tokio::test]
async fn g16_s65_a_session_that_listens_and_was_ended_is_a_gap() {
    let server = server().await;
    let (postgres, other) = (backend(&server).await, backend(&server).await);
    let one = key("one");
    let mut signals = postgres.listen(&one).unwrap().await.unwrap();
    for _ in 0..3 {
        let listeners = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND query ~ 'dogpile..wait|lock_shared|LISTEN'";
        assert_ne!(server.sql(listeners).unwrap(), "0");
        assert_eq!(within(WATCHDOG, signals.heard()).await, Signal::Gap);
        // One signal at a time is on its way, or a late one would be taken for the next gap.
        until(async || {
            set(&other, &one, "value").await.unwrap();
            let changed = async { while signals.heard().await != Signal::Changed {} };
            tokio::time::timeout(2 * SECOND, changed).await.is_ok()
        })
        .await;
    }
}
