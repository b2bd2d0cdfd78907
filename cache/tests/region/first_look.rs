//! The first look of an access, by the default clock: an access that ends with it, and one that goes on.
//!
//! (By a clock that a test moves by hand, each look has a timer of its own; the other files have those.)

use crate::wire::{At, Kind, WATCHDOG, Wire};
use dogpile_cache::backend::Memory;

use dogpile_cache::{Claim, CreateError, Got, OnBackendFailure, Outcome, Region};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio::time::timeout;

type Far = Arc<Wire<Arc<Memory>>>;

fn region(most: Duration) -> (Region<u64, String>, Far) {
    let wire = Wire::new(Arc::new(Memory::new()));
    let builder = Region::builder("first").far(Arc::clone(&wire)).expires_after(Duration::from_secs(600));
    let builder = builder.backend_timeout(most).on_backend_failure(OnBackendFailure::Fail);
    (builder.build().expect("these settings agree"), wire)
}

async fn create(region: &Region<u64, String>) -> Got<String> {
    region.get(&1).or_create(async || "made".to_owned()).await.expect("the backend answers")
}

/// Each terminal ends with the first look if that finds a fresh value, and nothing else is asked.
#[tokio::test]
async fn a_hit_is_one_look_by_each_terminal() {
    let (region, wire) = region(WATCHDOG);
    create(&region).await;
    let before = wire.counts();
    let none = async || -> String { panic!("there is a value") };
    let hits = [
        region.get(&1).or_create(none).await.expect("a hit"),
        region.get(&1).or_create_with(async |_| none().await.into()).await.expect("a hit"),
        region.get(&1).or_try_create(async || Ok::<_, &str>(none().await)).await.expect("a hit"),
        region.get(&1).or_try_find(async || Ok::<_, &str>(Some(none().await))).await.expect("a hit").expect("a value"),
        region.get(&1).in_background().or_create(|| async { panic!("there is a value") }).await.expect("a hit"),
        region.get(&1).value().await.expect("the backend answers").expect("a value"),
        match region.get(&1).claim().await.expect("the backend answers") {
            Claim::Value(got) => got,
            Claim::Create(_) => panic!("there is a value"),
        },
    ];
    for hit in &hits {
        assert_eq!((hit.as_str(), Got::outcome(hit)), ("made", Outcome::Fresh));
    }
    let looks = hits.len() as u64;
    assert_eq!((wire.counts() - before, wire.count_of(Kind::Look)), (looks, looks + 1));
}

/// A look that is not answered takes `backend_timeout`; the next access does not ask again.
#[tokio::test]
async fn g5_a_look_that_is_not_answered_has_its_time() {
    let most = Duration::from_millis(50);
    let (region, wire) = region(most);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let began = Instant::now();
    let got = timeout(WATCHDOG, region.get(&1).or_create(async || panic!("the region fails"))).await;
    assert!(matches!(got, Ok(Err(CreateError::Backend(_)))), "{got:?}");
    assert!(began.elapsed() >= most);
    assert!(region.get(&1).value().await.is_err());
    assert_eq!(wire.count_of(Kind::Look), 1);
    hold.let_go();
}

/// The time-out of an access that is shorter than `backend_timeout` is no failure of the backend.
#[tokio::test]
async fn g5_a_time_out_of_the_access_ends_its_look() {
    let (region, wire) = region(WATCHDOG);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let access = region.get(&1).timeout(Duration::from_millis(20));
    assert!(timeout(WATCHDOG, access.or_create(async || panic!("it has no time"))).await.expect("it ends").is_err());
    hold.let_go();
    create(&region).await;
}

#[tokio::test]
async fn the_end_of_the_region_ends_a_look() {
    let (region, wire) = region(WATCHDOG);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let looking = {
        let region = region.clone();
        tokio::spawn(async move { region.get(&1).or_create(async || panic!("it is closed")).await })
    };
    hold.reached().await;
    region.close(Duration::ZERO).await;
    let ended = timeout(WATCHDOG, looking).await.expect("nobody waits any more").expect("no panic");
    assert!(matches!(ended, Err(CreateError::Closed)), "{ended:?}");
    hold.let_go();
}

/// An access that is dropped during its look leaves nothing that the next one would wait for.
#[tokio::test]
async fn an_access_that_is_dropped_during_its_look_is_forgotten() {
    let (region, wire) = region(WATCHDOG);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let looking = {
        let region = region.clone();
        tokio::spawn(async move { region.get(&1).or_create(async || panic!("it is dropped")).await.map(drop) })
    };
    hold.reached().await;
    looking.abort();
    assert!(looking.await.expect_err("it was aborted").is_cancelled());
    create(&region).await;
    hold.let_go();
}

/// Those who come while a look is under way share the next one.
#[tokio::test]
async fn looks_that_come_at_once_are_two() {
    let (region, wire) = region(WATCHDOG);
    create(&region).await;
    let before = wire.count_of(Kind::Look);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let look = || {
        let region = region.clone();
        tokio::spawn(async move { region.get(&1).value().await.expect("the backend answers").is_some() })
    };
    let first = look();
    hold.reached().await;
    let others: Vec<_> = (0..100).map(|_| look()).collect();
    while region.counts().saved_looks < 99 {
        yield_now().await;
    }
    hold.let_go();
    assert!(first.await.expect("no panic"));
    for other in others {
        assert!(other.await.expect("no panic"));
    }
    assert_eq!(wire.count_of(Kind::Look), before + 2);
}

/// An access that is alone with its key holds nothing in its process; one that finds nothing fresh does from then on.
#[tokio::test]
async fn a_light_look_holds_no_slot() {
    let (region, wire) = region(WATCHDOG);
    create(&region).await;
    // (The keeper has the slot for a moment longer.)
    while !format!("{region:?}").contains("keys_in_use: 0") {
        yield_now().await;
    }
    let before = wire.count_of(Kind::Look);
    let hold = wire.hold_next(Kind::Look, At::Request);
    let looking = {
        let region = region.clone();
        tokio::spawn(async move { create(&region).await })
    };
    hold.reached().await;
    assert!(format!("{region:?}").contains("keys_in_use: 0"), "{region:?}");
    // Meanwhile another access of the key holds a slot: it has a look of its own.
    create(&region).await;
    assert_eq!(wire.count_of(Kind::Look), before + 2);
    hold.let_go();
    assert_eq!(Got::outcome(&looking.await.expect("no panic")), Outcome::Fresh);
    assert!(format!("{region:?}").contains("keys_in_use: 0"), "{region:?}");
}

/// G3: what this process has invalidated, and could not tell, is told before the next look.
#[tokio::test]
async fn g3_no_light_look_passes_by_an_invalidation_that_is_untold() {
    let (region, wire) = region(Duration::from_millis(50));
    create(&region).await;
    let hold = wire.hold_next(Kind::Change, At::Request);
    assert!(region.invalidate(&1).await.is_err());
    assert!(format!("{region:?}").contains("keys_in_use: 1"), "{region:?}");
    hold.let_go();
    // (The server is in its pause for a moment, and so an access fails.)
    let made = loop {
        match region.get(&1).or_create(async || "new".to_owned()).await {
            Ok(got) => break got,
            Err(error) => assert!(matches!(error, CreateError::Backend(_)), "{error}"),
        }
        yield_now().await;
    };
    assert_eq!(made.as_str(), "new");
}
