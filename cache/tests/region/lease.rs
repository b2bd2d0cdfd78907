//! Leases, and the bounds of all waits.

use crate::kit::{Ground, SECOND, is_free, stored};
use crate::wire::{At, Kind, WATCHDOG, Wire};
use dogpile_cache::backend::{Backend, Rest};
use dogpile_cache::observer::Published;
use dogpile_cache::{Got, Outcome, Region};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::timeout;

#[test]
fn g9_a_creator_that_blocks_its_runtime_keeps_its_lease() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region = || -> Region<u64, String> { ground.builder().far(Arc::clone(&wire)).build().unwrap() };
    let (one, other) = (region(), region());
    let runtime = Builder::new_current_thread().build().unwrap();
    let got = runtime.block_on(one.get(&1).or_create(async || {
        // Nothing else runs on this thread: not the timers of this runtime, and no task.
        for renewals in 1..=5 {
            ground.clock.advance(SECOND * 4);
            wire.block_until(Kind::Renew, renewals);
        }
        // The lease of 10 s is over twice. Another process finds the grant all the same.
        let nothing = thread::spawn(move || {
            let get = other.blocking().get(&1).timeout(Duration::ZERO).or_create(|| panic!("another creates"));
            get.is_err()
        });
        assert!(nothing.join().unwrap());
        "one".to_owned()
    }));
    let got = got.unwrap();
    assert_eq!((&**got, Got::published(&got)), ("one", Some(Published::Fresh)));
    assert!(ground.clock.elapsed() >= SECOND * 20);
}

/// A lease that was lost without the holder's knowledge: the value goes to its callers, and is not published.
#[tokio::test]
async fn g9_a_lost_lease_is_a_lost_grant() {
    let ground = Ground::new();
    let region = ground.region(crate::kit::Place::Far);
    let got = region.get(&1).or_create(async || {
        ground.memory.lose_rest(&stored(1));
        "one".to_owned()
    });
    let got = got.await.unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Created));
    assert!(matches!(Got::published(&got), Some(Published::No(_))), "{got:?}");
    assert!(region.get(&1).value().await.unwrap().is_none());
}

/// An operation of each kind that is never answered keeps nobody waiting for longer than `backend_timeout`.
#[tokio::test]
async fn g5_an_operation_that_is_never_answered_ends_with_its_budget() {
    for at in [At::Request, At::Reply] {
        for kind in [Kind::Look, Kind::Claim, Kind::Publish, Kind::End, Kind::Renew, Kind::Change] {
            let ground = Ground::new();
            let wire = Wire::new(Arc::clone(&ground.memory));
            let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
            let held = wire.hold_next(kind, at);
            let has_renewed = Arc::new(AtomicBool::new(kind != Kind::Renew));
            let access = tokio::spawn({
                let (region, clock, has_renewed) =
                    (region.clone(), Arc::clone(&ground.clock), Arc::clone(&has_renewed));
                async move {
                    if kind == Kind::Change {
                        return region.invalidate(&1).await.is_err();
                    }
                    let creator = async || {
                        if kind == Kind::Renew {
                            clock.advance(SECOND * 4);
                        }
                        while !has_renewed.load(Ordering::SeqCst) {
                            tokio::task::yield_now().await;
                        }
                        if kind == Kind::End { Err("no") } else { Ok("one".to_owned()) }
                    };
                    match region.get(&1).or_try_create(creator).await {
                        Ok(got) => &**got == "one",
                        Err(error) => error.into_creator() == Some("no"),
                    }
                }
            });
            held.reached().await;
            has_renewed.store(true, Ordering::SeqCst);
            ground.clock.advance(SECOND / 2);
            let is_right = timeout(WATCHDOG, access).await.expect("it ends with its budget").unwrap();
            assert!(is_right, "{kind:?} {at:?}");
            held.let_go();
            // What was in doubt has gone its way: nobody has the grant (G8).
            is_free(&ground.memory, 1).await;
        }
    }
}

/// The caller of a creation is gone while the keeper renews; nothing was made.
#[tokio::test]
async fn g8_an_access_that_is_dropped_while_its_lease_is_renewed_ends_its_grant() {
    for at in [At::Request, At::Reply] {
        let ground = Ground::new();
        let wire = Wire::new(Arc::clone(&ground.memory));
        let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
        let renewal = wire.hold_next(Kind::Renew, at);
        let access = tokio::spawn({
            let region = region.clone();
            async move { region.get(&1).or_create(async || std::future::pending().await).await.map(|_| ()) }
        });
        while wire.count_of(Kind::Claim) == 0 {
            tokio::task::yield_now().await;
        }
        ground.clock.advance(SECOND * 4);
        renewal.reached().await;
        access.abort();
        assert!(access.await.unwrap_err().is_cancelled());
        let looks = ground.memory.look(&[stored(1)], None).await.unwrap();
        assert!(matches!(looks[0].rest, Some(Rest::Held(_))), "the renewal comes first");
        renewal.let_go();
        is_free(&ground.memory, 1).await;
        let next = region.get(&1).or_create(async || "next".to_owned());
        assert_eq!(&**timeout(WATCHDOG, next).await.unwrap().unwrap(), "next");
    }
}
