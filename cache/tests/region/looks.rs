//! Looks at their edges: regions that end, budgets, accesses that are not polled.

use crate::kit::{Gate, Going, Ground, MS, begin, eventually, gated, now, start};
use crate::wire::{At, Kind, WATCHDOG, Wire};
use dogpile_cache::backend::Memory;
use dogpile_cache::{CreateError, Region};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

type Far = Arc<Wire<Arc<Memory>>>;

fn region() -> (Region<u64, String>, Far) {
    let wire = Wire::new(Arc::new(Memory::new()));
    let region = Region::builder("looks").far(Arc::clone(&wire)).expires_after(Duration::from_secs(600)).build();
    (region.expect("these settings agree"), wire)
}

/// `Region::close`: "Changes go on to reach the backend." Here the backend does not answer at the first poll.
#[tokio::test]
async fn changes_of_a_region_that_has_ended_reach_the_backend() {
    let (region, wire) = region();
    region.set(&1, "one".to_owned()).await.expect("the backend answers");
    // An access is under way: so the close ends the region.
    let gate = Gate::new();
    let mut creating = begin(region.get(&9).or_create(async || gated(&gate, "late").await));
    creating.waits();
    region.close(Duration::ZERO).await;
    let slowly = async || {
        let hold = wire.hold_next(Kind::Look, At::Request);
        tokio::spawn(async move {
            hold.reached().await;
            hold.let_go();
        });
    };
    region.set(&3, "three".to_owned()).await.expect("set goes on");
    slowly().await;
    let touched = timeout(WATCHDOG, region.touch(&1, None)).await.expect("it ends");
    slowly().await;
    let added = timeout(WATCHDOG, region.add(&2, "two".to_owned())).await.expect("it ends");
    slowly().await;
    let seen = timeout(WATCHDOG, region.see(&1)).await.expect("it ends").map(|seen| seen.value().is_some());
    assert!(matches!((&touched, &added, &seen), (Ok(true), Ok(true), Ok(true))), "{touched:?} {added:?} {seen:?}");
}

/// The same for a change that is under way when the region ends.
#[test]
fn an_add_that_is_under_way_survives_the_end_of_the_region() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    let gate = Gate::new();
    let _creating = begin(region.get(&9).or_create(async || gated(&gate, "late").await));
    let hold = wire.hold_next(Kind::Look, At::Request);
    let mut adding = begin(region.add(&1, "one".to_owned()));
    now(region.close(Duration::ZERO));
    if let Some(early) = adding.poll() {
        panic!("{early:?}");
    }
    hold.let_go();
    let added = adding.end();
    assert!(matches!(added, Ok(true)), "{added:?}");
}

/// `drive`: an operation that has had what was left of the budget says only that this access is out of time.
#[test]
fn g5_a_look_with_the_rest_of_the_time_begins_no_pause_of_the_server() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    now(region.set(&2, "two".to_owned())).unwrap();
    let dropped = wire.hold_next(Kind::Change, At::Request);
    let invalidating = begin(region.invalidate(&1));
    let telling = wire.hold_next(Kind::Change, At::Request);
    drop(invalidating);
    // The keeper tells it, and the access waits for that.
    eventually("it is being told", || wire.count_of(Kind::Change) == 3);
    let (looking, looks) = (wire.hold_next(Kind::Look, At::Request), wire.count_of(Kind::Look));
    let mut value: Going<'_, _> = begin(region.get(&1).value());
    ground.clock.advance(MS * 499);
    telling.let_go();
    // Told, by an answer of the server; the look has a millisecond.
    eventually("it looks", || {
        value.waits();
        wire.count_of(Kind::Look) > looks
    });
    ground.clock.advance(MS);
    assert!(value.poll().expect("its time is over").is_err());
    // The server has answered a millisecond ago: other keys of it are looked up.
    let other = now(region.get(&2).value()).map(|got| got.map(|got| (*got).clone()));
    assert!(matches!(&other, Ok(Some(two)) if two == "two"), "{other:?}");
    looking.let_go();
    dropped.let_go();
}

/// `Get::timeout`: "`Duration::ZERO` waits for nothing, not even for a backend that does not answer at once".
#[test]
fn a_time_out_of_zero_waits_for_nothing() {
    let (region, wire) = region();
    let hold = wire.hold_next(Kind::Look, At::Request);
    let access = region.get(&1).timeout(Duration::ZERO);
    let got = start(access.or_create(async || panic!("it has no time"))).poll();
    assert!(matches!(got, Some(Err(CreateError::TimedOut | CreateError::Backend(_)))), "{:?}", got.map(|_| ()));
    hold.let_go();
}

/// An access that has opened a look, and is not polled any more, keeps nobody waiting, and begins no pause.
#[test]
fn g5_a_look_that_was_opened_by_an_access_that_is_not_polled_is_sent_by_another() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    now(region.set(&1, "one".to_owned())).unwrap();
    now(region.set(&2, "two".to_owned())).unwrap();
    let hold = wire.hold_next(Kind::Look, At::Request);
    let alone = begin(region.get(&1).value());
    let _opened = begin(region.get(&1).value());
    hold.let_go();
    assert!(alone.end().is_ok());
    let mut joined = begin(region.get(&1).value());
    ground.clock.advance(MS * 124);
    joined.waits();
    ground.clock.advance(MS);
    let joined = joined.poll().expect("it looks by itself").map(|got| got.is_some());
    let other = now(region.get(&2).value()).map(|got| got.is_some());
    assert!(matches!((&joined, &other), (Ok(true), Ok(true))), "{joined:?} {other:?}");
}
