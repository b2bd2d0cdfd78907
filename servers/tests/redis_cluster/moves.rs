//! Slots that move.

use crate::kit::{self, SECOND, count, granted, in_time, invalidate, look, on_server, set, stored};
use crate::{connected, key_on, keys_on, moved, stat};
use dogpile_cache::backend::{Backend, BackendErrorKind, Ended, Published, Refusal, Signal, Signals};
use dogpile_servers::Cluster;
use std::time::Duration;

#[tokio::test]
async fn g2_a_slot_that_has_moved_is_followed_and_nothing_is_executed_twice() {
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 0).await;
    let (key, other) = (key_on(&cluster, 1, "a"), key_on(&cluster, 2, "b"));
    set(&backend, &key, "value").await.unwrap();
    assert_eq!(count(&backend, &key).await.unwrap(), 1);
    set(&backend, &other, "other").await.unwrap();
    let before = look(&backend, &key).await.unwrap();
    let late = granted(&backend, &key).await;
    let slot = cluster.slot(&on_server(&key)).unwrap();
    assert!(cluster.move_slot(slot, 1, 2).unwrap() > 0);

    let counts = stat(&cluster, "cmdstat_incrby", "calls");
    assert_eq!(count(&backend, &key).await.unwrap(), 2, "no error, and not twice");
    assert_eq!(stat(&cluster, "cmdstat_incrby", "calls") - counts, 1);
    let looks = backend.look(&[other.clone(), key.clone()], None).await.unwrap();
    assert_eq!((looks[0].entry.as_deref(), looks[1].entry.as_deref()), (Some(&b"other"[..]), Some(&b"value"[..])));
    assert_ne!(looks[1].life, before.life, "a slot that has moved is in the life of its new server");
    // The grant was the old server's.
    let published = backend.publish(&key, &late, kit::entry("late")).await.unwrap();
    assert_eq!(published, Published::Refused(Refusal::OtherLife));
    assert_eq!(backend.end(&key, &late, None).await.unwrap(), Ended::Lost(Refusal::OtherLife));
    let next = granted(&backend, &key).await;
    assert_eq!(backend.publish(&key, &next, kit::entry("next")).await.unwrap(), Published::Fresh);
    assert_eq!(stored(&backend, &key).await.unwrap(), "next");

    // The map is right again by itself: no request is moved any more.
    in_time(async || {
        let before = moved(&cluster);
        look(&backend, &key).await.unwrap();
        if moved(&cluster) == before { Ok(()) } else { Err("moved") }
    })
    .await;
    assert_eq!(backend.life_of(&key), Some(looks[1].life));
}

#[tokio::test]
async fn g14_many_keys_that_have_moved_are_found_in_their_order() {
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 0).await;
    let keys: Vec<_> = keys_on(&cluster, 0, "a").take(12).collect();
    for key in &keys {
        set(&backend, key, key.full()).await.unwrap();
    }
    for key in &keys[..6] {
        cluster.move_slot(cluster.slot(&on_server(key)).unwrap(), 0, 2).unwrap();
    }
    for _ in 0..2 {
        let looks = backend.look(&keys, None).await.unwrap();
        for (look, key) in looks.iter().zip(&keys) {
            assert_eq!(look.entry.as_deref(), Some(key.full().as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_slot_on_its_way_is_looked_at_and_counted_and_its_scripts_wait_or_fail_unexecuted() {
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 0).await;
    let key = key_on(&cluster, 1, "a");
    let slot = cluster.slot(&on_server(&key)).unwrap();
    set(&backend, &key, "value").await.unwrap();
    assert_eq!(count(&backend, &key).await.unwrap(), 1);
    cluster.begin_move(slot, 1, 2).unwrap();
    // Nothing has gone yet.
    assert_eq!(stored(&backend, &key).await.unwrap(), "value");
    assert_eq!(count(&backend, &key).await.unwrap(), 2);
    assert_eq!(cluster.move_keys(slot, 1, 2).unwrap(), 2);
    // All have gone, and the slot has not: ASK.
    assert_eq!(stored(&backend, &key).await.unwrap(), "value");
    assert_eq!(count(&backend, &key).await.unwrap(), 3, "no error, and not twice");

    // A script is on keys that are missing at both: an honest error, soon, and nothing is done.
    let changes = || ["set", "del"].map(|command| stat(&cluster, &format!("cmdstat_{command}"), "calls"));
    let (before, again) = (changes(), stat(&cluster, "errorstat_TRYAGAIN", "count"));
    let failed = tokio::time::timeout(kit::PATIENCE, invalidate(&backend, &key)).await.unwrap().unwrap_err();
    assert_eq!(failed.kind(), BackendErrorKind::Refused);
    assert_eq!(changes(), before);
    assert!(stat(&cluster, "errorstat_TRYAGAIN", "count") > again + 1, "it is sent again for a while");
    assert_eq!(stored(&backend, &key).await.unwrap(), "value");

    // One that is under way when the slot arrives is done: once.
    let errors = stat(&cluster, "errorstat_TRYAGAIN", "count");
    let (done, ()) = tokio::join!(invalidate(&backend, &key), async {
        while stat(&cluster, "errorstat_TRYAGAIN", "count") == errors {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cluster.end_move(slot, 1, 2).unwrap();
    });
    // (A machine that is slow moves the slot too late for it.)
    if let Err(late) = done {
        assert_eq!(late.kind(), BackendErrorKind::Refused);
        invalidate(&backend, &key).await.unwrap();
    }
    assert_eq!(stored(&backend, &key).await, None);
    assert_eq!(count(&backend, &key).await.unwrap(), 4);
}

#[tokio::test]
async fn g16_those_who_listen_hear_on_after_their_slot_has_moved() {
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 0).await;
    let key = key_on(&cluster, 1, "a");
    let mut signals = backend.listen(&key).expect("there are signals").await.unwrap();
    cluster.move_slot(cluster.slot(&on_server(&key)).unwrap(), 1, 2).unwrap();
    // Without an operation that would find the new server.
    let on = || cluster.nodes[2].command(&["PUBSUB", "SHARDCHANNELS"]).unwrap().items().len();
    in_time(async || if on() == 1 { Ok(()) } else { Err("it is not listened to") }).await;
    set(&backend, &key, "value").await.unwrap();
    heard(&mut signals).await;
}

/// A subscription stays for a while after its last listener. The server ends it, as the slot moves.
#[tokio::test]
async fn g16_a_listener_that_comes_after_the_slot_has_moved_does_not_take_what_is_left_for_a_subscription() {
    let cluster = Cluster::start(false).unwrap();
    let (backend, other) = (connected(&cluster, 0).await, connected(&cluster, 0).await);
    let key = key_on(&cluster, 1, "a");
    drop(backend.listen(&key).expect("there are signals").await.unwrap());
    cluster.move_slot(cluster.slot(&on_server(&key)).unwrap(), 1, 2).unwrap();
    // (The first one finds that the map is old.)
    let (mut signals, _) = in_time(async || backend.listen(&key).expect("there are signals").await).await;
    set(&other, &key, "value").await.unwrap();
    heard(&mut signals).await;
}

async fn heard(signals: &mut Signals) {
    let heard = async { while signals.heard().await != Signal::Changed {} };
    tokio::time::timeout(20 * SECOND, heard).await.expect("a signal");
}
