//! What a process keeps near.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, Place, SECOND, begin, create, eventually, fresh, gated, just_before, now, soon,
    take, there,
};
use dogpile_cache::observer::Operation;
use dogpile_cache::{Got, Near, Outcome, Region};
use std::sync::Arc;
use std::time::Duration;

fn over(ground: &Ground, near: Near) -> Region<u64, String> {
    ground.builder().near(near).far(Arc::clone(&ground.memory)).build().unwrap()
}

#[test]
fn a_value_serves_from_near_for_at_most_and_not_beyond_its_lifetime() {
    let ground = Ground::new();
    for (at_most, serves) in [(SECOND * 5, SECOND * 5), (SECOND * 100, MINUTE), (Duration::MAX, MINUTE)] {
        let region = over(&ground, Near::holding(100).at_most(at_most));
        soon(region.invalidate(&1)).unwrap();
        create(&region, 1, "x");
        ground.clock.advance(just_before(serves));
        assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Near, "{at_most:?}");
        ground.clock.advance(MS);
        let (_, outcome) = there(&region, 1).unwrap();
        assert_eq!(outcome, if serves == MINUTE { Outcome::Stale } else { Outcome::Fresh }, "{at_most:?}");
    }
}

#[test]
fn without_at_most_a_value_over_a_backend_serves_for_a_second() {
    let ground = Ground::new();
    let region = over(&ground, Near::holding(100));
    create(&region, 1, "x");
    ground.clock.advance(just_before(SECOND));
    assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Near);
    ground.clock.advance(MS);
    assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Fresh);
    assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Near, "the look has filled it again");
}

#[test]
fn a_value_that_is_read_late_in_its_lifetime_serves_for_the_rest() {
    let ground = Ground::new();
    let (writer, reader) = (ground.region(Place::Far), over(&ground, Near::holding(100).at_most(MINUTE)));
    create(&writer, 1, "x");
    ground.clock.advance(SECOND * 50);
    let got = take(&reader, 1);
    assert_eq!((Got::outcome(&got), Got::age(&got)), (Outcome::Fresh, SECOND * 50));
    ground.clock.advance(just_before(SECOND * 10));
    assert_eq!(Got::outcome(&take(&reader, 1)), Outcome::Near);
    ground.clock.advance(MS);
    assert_eq!(there(&reader, 1), Some(("x".to_owned(), Outcome::Stale)));
}

#[test]
fn a_value_that_is_due_does_not_serve_from_near() {
    let ground = Ground::new();
    let builder = ground.builder().refresh_at(0.5).near(Near::holding(100).at_most(MINUTE));
    let region = builder.far(Arc::clone(&ground.memory)).build::<u64, String>().unwrap();
    create(&region, 1, "one");
    ground.clock.advance(just_before(MINUTE / 2));
    assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Near);
    ground.clock.advance(MS);
    create(&region, 1, "two");
}

#[test]
fn s55_a_look_under_way_fills_nothing_that_this_process_has_changed_since() {
    type Change = fn(&Region<u64, String>);
    let changes: [Change; 3] = [
        |region| soon(region.invalidate(&1)).unwrap(),
        |region| soon(region.set(&1, "set".to_owned())).unwrap(),
        |region| soon(region.mark_stale(&1)).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let ground = Ground::new();
        let (one, other) = ground.pair(Place::NearOverFar, |builder| builder);
        create(&other.region, 1, "old");
        one.probe.set(Operation::Look, Fate::ReplyLate);
        let looking = begin(one.region.get(&1).value());
        // (The clock of the server is known, or `set` would look, too.)
        if number == 1 {
            one.probe.set(Operation::Look, Fate::Answers);
            soon(one.region.see(&2)).unwrap();
        }
        change(&one.region);
        one.probe.set(Operation::Look, Fate::Answers);
        drop(looking.end());
        assert_ne!(fresh(&one.region, 1).as_deref(), Some("old"), "{number}");
    }
}

#[test]
fn s55_a_publication_under_way_fills_nothing_that_this_process_has_changed_since() {
    let ground = Ground::new();
    let one = ground.process(Place::NearOverFar);
    one.probe.set(Operation::Publish, Fate::ReplyLate);
    let publishing = begin(one.region.get(&1).or_create(async || "old".to_owned()));
    soon(one.region.invalidate(&1)).unwrap();
    one.probe.set(Operation::Publish, Fate::Answers);
    assert_eq!(&**publishing.end().unwrap(), "old", "its caller began before");
    assert_eq!(there(&one.region, 1), None);
}

#[test]
fn near_is_bounded_by_number_and_by_weight() {
    for place in [Place::Near, Place::NearOverFar] {
        for near in [Near::holding(100), Near::weighing(1000, |value: &String| value.len() as u64)] {
            let ground = Ground::new();
            let region = if place == Place::Near {
                ground.builder().near(near).build::<u64, String>().unwrap()
            } else {
                over(&ground, near)
            };
            for key in 0..1000 {
                create(&region, key, "ten bytes!");
            }
            let kept = region.kept_near();
            assert!(kept > 10 && kept <= 100, "{place:?} {kept}");
            let served = (0..1000).filter(|key| there(&region, *key).is_some()).count();
            assert_eq!(served == 1000, place == Place::NearOverFar, "what is not near is on the backend");
        }
    }
}

#[test]
fn a_value_too_heavy_for_near_is_served_all_the_same() {
    let ground = Ground::new();
    for place in [Place::Near, Place::NearOverFar] {
        let near = Near::weighing(100, |value: &String| value.len() as u64);
        let region = if place == Place::Near {
            ground.builder().near(near).build::<u64, String>().unwrap()
        } else {
            over(&ground, near)
        };
        let heavy = "x".repeat(1000);
        let got = soon(region.get(&1).or_create(async || heavy.clone())).unwrap();
        assert_eq!(got.len(), 1000);
        assert_eq!(region.kept_near(), 0, "{place:?}");
    }
}

#[test]
fn a_store_that_keeps_nothing_still_elects() {
    let ground = Ground::new();
    let region = ground.builder().near(Near::holding(0)).build::<u64, String>().unwrap();
    let gate = Gate::new();
    let creating = begin(region.get(&1).or_create(async || gated(&gate, "one").await));
    let waiting = begin(region.get(&1).or_create(async || "two".to_owned()));
    gate.open();
    assert_eq!(&**creating.end().unwrap(), "one");
    assert!(["one", "two"].contains(&&**waiting.end().unwrap()));
}

#[test]
fn a_near_hit_asks_for_nothing() {
    let ground = Ground::new();
    let one = ground.process(Place::NearOverFar);
    let first = create(&one.region, 1, "x");
    let asked = one.probe.total();
    for _ in 0..10 {
        assert!(Got::ptr_eq(&take(&one.region, 1), &first), "one value in memory");
    }
    assert_eq!(one.probe.total(), asked);
}

#[test]
fn ten_thousand_accesses_of_a_fresh_value_share_looks() {
    let ground = Ground::new();
    let (one, other) = ground.pair(Place::Far, |builder| builder);
    create(&other.region, 1, "x");
    one.probe.set(Operation::Look, Fate::RequestLate);
    let accesses: Vec<_> = (0..10_000).map(|_| begin(one.region.get(&1).value())).collect();
    one.probe.set(Operation::Look, Fate::Answers);
    for access in accesses {
        assert_eq!(&**access.end().unwrap().unwrap(), "x");
    }
    assert_eq!(one.probe.count(Operation::Look), 2, "the first, and one for all who came meanwhile");
    assert_eq!(one.region.counts().saved_looks, 9_998);
}

#[test]
fn ten_thousand_accesses_of_a_missing_value_are_one_creation() {
    for place in crate::kit::PLACES {
        let ground = Ground::new();
        let one = ground.process(place);
        let gate = Gate::new();
        let creator = async || gated(&gate, "x").await;
        let accesses: Vec<_> = (0..10_000).map(|_| begin(one.region.get(&1).or_create(creator))).collect();
        gate.open();
        for access in accesses {
            assert_eq!(&**access.end().unwrap(), "x");
        }
        assert_eq!(one.region.counts().creations, 1, "{place:?}");
        eventually("nobody is left", || one.region.counts().waits == 9_999);
        assert_eq!(one.probe.count(Operation::Claim), u64::from(place != Place::Near), "S12: one claim for all");
    }
}

#[test]
fn what_near_has_lost_is_looked_up() {
    let ground = Ground::new();
    let region = over(&ground, Near::holding(32).at_most(MINUTE));
    for key in 0..200 {
        create(&region, key, "x");
    }
    for key in 0..200 {
        assert_eq!(&**take(&region, key), "x");
    }
    assert!(now(region.get(&1).value()).unwrap().is_some());
}
