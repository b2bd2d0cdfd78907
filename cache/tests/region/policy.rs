//! What the settings of a region do: lifetimes, early renewal, pauses.

use crate::kit::{
    Gate, Ground, MINUTE, MS, PLACES, Place, Process, SECOND, begin, create, create_slowly, fresh, gated, just_before,
    now, soon, take, there,
};
use dogpile::{Backoff, OnError};
use dogpile_cache::{CreateError, Got, Made, Outcome, RegionBuilder};
use std::time::Duration;

#[test]
fn at_a_part_of_its_lifetime_a_value_is_renewed_by_one_access() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.refresh_at(0.5));
        create(&one.region, 1, "one");
        ground.clock.advance(just_before(MINUTE / 2));
        take(&one.region, 1);
        ground.clock.advance(MS);
        let gate = Gate::new();
        let renewing = one.region.get(&1).or_create_with(async |creation| {
            assert_eq!(creation.old().map(|old| &**old), Some("one"));
            Made::new(gated(&gate, "two").await)
        });
        let renewing = begin(renewing);
        for process in [&one, &other] {
            let got = take(&process.region, 1);
            let fresh = if place == Place::Near { Outcome::Near } else { Outcome::Fresh };
            assert_eq!((&**got, Got::outcome(&got)), ("one", fresh), "{place:?}");
        }
        gate.open();
        assert_eq!(&**renewing.end().unwrap(), "two");
        // (Near over a backend: what the other process keeps near, it keeps for a second.)
        ground.clock.advance(SECOND);
        assert_eq!((&**take(&one.region, 1), &**take(&other.region, 1)), ("two", "two"), "{place:?}");
        assert_eq!((one.region.counts().renewals, one.region.counts().creations), (1, 2), "{place:?}");
    }
}

#[test]
fn the_cost_of_a_creation_is_shared_by_the_fleet() {
    for place in PLACES {
        let ground = Ground::new();
        // With so large a beta, a value with any cost is due at once.
        let (one, other) = ground.pair(place, |builder| builder.refresh_early(1e12));
        let slow = create_slowly(&ground, &one.region, 1, SECOND * 2);
        assert_eq!(Got::took(&slow), SECOND * 2);
        let gate = Gate::new();
        let renewing = begin(other.region.get(&1).or_create(async || gated(&gate, "two").await));
        let seen = take(&one.region, 1);
        assert_eq!((&**seen, Got::took(&seen)), ("slow", SECOND * 2), "{place:?}");
        gate.open();
        assert_eq!(Got::outcome(&renewing.end().unwrap()), Outcome::Created, "{place:?}");
    }
}

#[test]
fn a_value_without_a_cost_is_not_renewed_early_at_random() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.refresh_early(1e12));
        create(&one.region, 1, "one");
        for _ in 0..59 {
            take(&one.region, 1);
            take(&other.region, 1);
            ground.clock.advance(SECOND);
        }
        take(&one.region, 1);
    }
}

#[test]
fn without_grace_an_expired_value_is_missing() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.max_stale(Duration::ZERO));
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        assert_eq!(there(&other.region, 1), None, "{place:?}");
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create_with(async |creation| {
            assert!(creation.old().is_none());
            Made::new(gated(&gate, "two").await)
        }));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        gate.open();
        assert_eq!(&**creating.end().unwrap(), "two");
        ground.clock.advance(MS * 250);
        assert_eq!(waiting.poll().map(|got| got.unwrap().to_string()).as_deref(), Some("two"), "{place:?}");
    }
}

#[test]
fn with_endless_grace_a_value_serves_for_years() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.max_stale(Duration::MAX));
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE * 60 * 24 * 3650);
        let gate = Gate::new();
        let _renewing = begin(one.region.get(&1).or_create(async || gated(&gate, "two").await));
        let old = take(&other.region, 1);
        assert_eq!((&**old, Got::outcome(&old)), ("one", Outcome::Stale), "{place:?}");
        assert_eq!(Got::age(&old), MINUTE * 60 * 24 * 3650);
    }
}

#[test]
fn a_value_may_have_less_grace_than_its_region_but_not_more() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.max_stale(SECOND * 10));
        let make =
            |grace| soon(one.region.get(&1).or_create_with(async move |_| Made::new("x".to_owned()).max_stale(grace)));
        make(SECOND).unwrap();
        ground.clock.advance(MINUTE);
        assert_eq!(there(&other.region, 1), Some(("x".to_owned(), Outcome::Stale)), "{place:?}");
        ground.clock.advance(SECOND);
        assert_eq!(there(&other.region, 1), None, "{place:?}");
        for longer in [MINUTE, Duration::MAX] {
            make(longer).unwrap();
            ground.clock.advance(just_before(MINUTE + SECOND * 10));
            assert_eq!(there(&other.region, 1), Some(("x".to_owned(), Outcome::Stale)), "{place:?}");
            ground.clock.advance(MS);
            assert_eq!(there(&other.region, 1), None, "{place:?}");
        }
    }
}

#[test]
fn a_value_may_have_a_lifetime_of_its_own() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.jitter(0.9));
        let make = |key, lifetime| {
            let made = Made::new("x".to_owned()).expires_after(lifetime);
            soon(async { one.region.get(&key).or_create_with(async |_| made).await.unwrap() });
        };
        // Without the region's jitter.
        make(1, SECOND * 3);
        make(2, Duration::ZERO);
        make(3, Duration::MAX);
        ground.clock.advance(just_before(SECOND * 3));
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("x"), "{place:?}");
        assert_eq!(there(&other.region, 2), Some(("x".to_owned(), Outcome::Stale)), "{place:?}");
        ground.clock.advance(MS);
        assert_eq!(fresh(&other.region, 1), None, "{place:?}");
        ground.clock.advance(MINUTE * 1_000_000);
        assert_eq!(fresh(&other.region, 3).as_deref(), Some("x"), "{place:?}");
    }
}

#[test]
fn jitter_shortens_lifetimes_within_its_part() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region_by(place, |builder| builder.jitter(0.5));
        for key in 0..100 {
            create(&region, key, "x");
        }
        let count = || (0..100).filter(|key| fresh(&region, *key).is_some()).count();
        ground.clock.advance(MINUTE / 2);
        assert_eq!(count(), 100, "{place:?}");
        ground.clock.advance(MINUTE / 4);
        let half = count();
        assert!(half > 5 && half < 95, "{place:?} {half}");
        ground.clock.advance(MINUTE / 4);
        assert_eq!(count(), 0, "{place:?}");
    }
}

fn fails(process: &Process) -> CreateError<&'static str> {
    soon(process.region.get(&1).or_try_create(async || Err("no"))).unwrap_err()
}

#[test]
fn g8_a_failing_source_is_called_once_a_pause_by_the_fleet() {
    for place in PLACES {
        let ground = Ground::new();
        let backoff = Backoff::new(SECOND, SECOND * 30).jitter(0.0);
        let (one, other) = ground.pair(place, |builder| builder.retry_after(backoff));
        for (failures, pause, process) in [(1, 1, &one), (2, 2, &other), (3, 4, &one), (4, 8, &other), (5, 16, &one)] {
            assert!(matches!(fails(process), CreateError::Failed("no")), "{place:?} {failures}");
            let pause = SECOND * pause;
            for process in [&one, &other, &one] {
                let CreateError::Paused { failures: so_many, left } = fails(process) else { panic!("{place:?}") };
                assert_eq!((so_many, left), (failures, pause), "{place:?}");
            }
            ground.clock.advance(just_before(pause));
            assert!(matches!(fails(&one), CreateError::Paused { left: MS, .. }), "{place:?}");
            ground.clock.advance(MS);
        }
        // A creation that succeeds ends the count.
        create(&one.region, 1, "one");
        soon(one.region.invalidate(&1)).unwrap();
        fails(&other);
        assert!(matches!(fails(&one), CreateError::Paused { failures: 1, .. }), "{place:?}");
    }
}

#[test]
fn g8_the_count_of_failures_lives_twice_its_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let backoff = Backoff::new(SECOND, SECOND * 30).jitter(0.0);
        let (one, other) = ground.pair(place, |builder| builder.retry_after(backoff));
        fails(&one);
        ground.clock.advance(SECOND * 2);
        fails(&other);
        assert!(matches!(fails(&one), CreateError::Paused { failures: 1, .. }), "{place:?}");
    }
}

#[test]
fn s101_in_a_pause_the_old_value_serves_and_no_creator_is_called() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        assert!(matches!(fails(&one), CreateError::Failed("no")), "{place:?}");
        for process in [&one, &other] {
            let old = take(&process.region, 1);
            assert_eq!((&**old, Got::outcome(&old)), ("one", Outcome::Stale), "{place:?}");
        }
    }
}

#[test]
fn a_refresh_by_hand_passes_through_a_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        fails(&one);
        assert!(matches!(fails(&other), CreateError::Paused { .. }), "{place:?}");
        let got = soon(other.region.refresh(&1).or_create(async || "two".to_owned())).unwrap();
        assert_eq!(Got::outcome(&got), Outcome::Created, "{place:?}");
        assert_eq!(&**take(&one.region, 1), "two", "{place:?}");
    }
}

#[test]
fn a_refresh_that_fails_counts_on() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        fails(&one);
        let failed = soon(other.region.refresh(&1).or_try_create(async || Err("no")));
        assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?}");
        assert!(matches!(fails(&one), CreateError::Paused { failures: 2, .. }), "{place:?}");
    }
}

#[test]
fn without_pauses_the_next_access_is_elected_at_once() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, RegionBuilder::without_pauses);
        assert!(matches!(fails(&one), CreateError::Failed("no")), "{place:?}");
        assert!(matches!(fails(&other), CreateError::Failed("no")), "{place:?}");
        create(&one.region, 1, "one");
    }
}

#[test]
fn on_error_says_what_the_access_returns_whose_creator_has_failed() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, _) = ground.pair(place, |builder| builder.on_error(OnError::ServeStale).max_stale(MINUTE));
        assert!(matches!(fails(&one), CreateError::Failed("no")), "there is no old value");
        ground.clock.advance(SECOND);
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        let got = soon(one.region.get(&1).or_try_create(async || Err::<String, _>("no"))).unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::StaleOnError), "{place:?}");
        assert_eq!(one.region.counts().failures, 2);
        // After `max_stale` there is nothing to serve.
        ground.clock.advance(MINUTE);
        assert!(matches!(fails(&one), CreateError::Failed("no")), "{place:?}");
    }
}

#[test]
fn s63_a_failure_after_an_invalidation_has_no_old_value_to_serve() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.on_error(OnError::ServeStale));
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        soon(other.region.invalidate(&1)).unwrap();
        assert!(matches!(fails(&one), CreateError::Failed("no")), "{place:?}");
        assert!(now(one.region.get(&1).value()).unwrap().is_none(), "{place:?}");
    }
}

#[test]
fn a_pause_longer_than_the_regions_own_is_not_believed() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let slow = ground.process_by(place, |builder| builder.retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.0)));
        let quick = ground.process_by(place, |builder| builder.retry_after(Backoff::new(SECOND, SECOND).jitter(0.0)));
        fails(&slow);
        assert!(matches!(fails(&quick), CreateError::Paused { left: SECOND, .. }), "{place:?}");
        ground.clock.advance(SECOND);
        create(&quick.region, 1, "one");
    }
}
