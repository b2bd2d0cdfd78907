//! Absent values, and values that look like nothing.

use crate::kit::{Ground, MINUTE, MS, PLACES, Place, SECOND, create, fresh, just_before, now, soon, take, there};
use dogpile_cache::{Got, Made, Near, Outcome, Region};
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;

/// Asks for a value that may be absent. Returns it, and whether the source was asked.
fn find(region: &Region<u64, String>, source: Option<&str>) -> (Option<String>, bool) {
    let was_asked = Cell::new(false);
    let creator = async || {
        was_asked.set(true);
        Ok::<_, Infallible>(source.map(str::to_owned))
    };
    let found = soon(region.get(&1).or_try_find(creator)).unwrap();
    (found.map(|found| found.to_string()), was_asked.get())
}

#[test]
fn s92_an_absence_is_remembered_for_its_own_lifetime() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.absence_expires_after(SECOND * 5));
        assert_eq!(find(&one.region, None), (None, true), "{place:?}");
        ground.clock.advance(just_before(SECOND * 5));
        for process in [&one, &other] {
            assert_eq!(find(&process.region, Some("inserted")), (None, false), "{place:?}");
            assert_eq!(there(&process.region, 1), None, "{place:?}");
        }
        ground.clock.advance(MS);
        assert_eq!(find(&other.region, Some("inserted")), (Some("inserted".to_owned()), true), "{place:?}");
        assert_eq!(&**take(&one.region, 1), "inserted", "{place:?}");
    }
}

#[test]
fn an_absence_lives_for_ten_seconds_at_most_unless_it_is_set() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        find(&region, None);
        ground.clock.advance(just_before(SECOND * 10));
        assert_eq!(find(&region, None), (None, false), "{place:?}");
        ground.clock.advance(MS);
        assert_eq!(find(&region, None), (None, true), "{place:?}");
    }
}

type Insert = fn(&Region<u64, String>) -> bool;

#[test]
fn s92_an_insert_ends_an_absence() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let inserts: [Insert; 4] = [
            |region| soon(region.set(&1, "inserted".to_owned())).is_ok(),
            |region| soon(region.add(&1, "inserted".to_owned())).unwrap(),
            |region| {
                let seen = soon(region.see(&1)).unwrap();
                assert!(seen.value().is_none());
                soon(region.set_if(&1, &seen, "inserted".to_owned())).unwrap()
            },
            |region| {
                soon(region.invalidate(&1)).unwrap();
                find(region, Some("inserted")).1
            },
        ];
        for (number, insert) in inserts.into_iter().enumerate() {
            find(&one.region, None);
            assert!(insert(&other.region), "{place:?} {number}");
            // (Near over a backend: what the other process keeps near, it keeps for a second.)
            ground.clock.advance(SECOND);
            assert_eq!(find(&one.region, None), (Some("inserted".to_owned()), false), "{place:?} {number}");
            soon(one.region.invalidate(&1)).unwrap();
        }
    }
}

#[test]
fn an_access_that_wants_a_value_creates_over_an_absence() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        find(&one.region, None);
        create(&other.region, 1, "made");
        ground.clock.advance(SECOND);
        assert_eq!(find(&one.region, None), (Some("made".to_owned()), false), "{place:?}");
    }
}

#[test]
fn a_value_that_has_become_absent_is_gone() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        create(&region, 1, "one");
        ground.clock.advance(MINUTE);
        assert_eq!(find(&region, None), (None, true), "{place:?}");
        assert_eq!(there(&region, 1), None, "{place:?}");
    }
}

#[test]
fn s91_nothing_is_a_value_too() {
    for place in PLACES {
        let ground = Ground::new();
        let builder = ground.builder().near(Near::holding(10));
        let region = match place {
            Place::Near => builder.build::<u64, Option<String>>().unwrap(),
            _ => builder.far(Arc::clone(&ground.memory)).build::<u64, Option<String>>().unwrap(),
        };
        for (key, value) in [(1, None), (2, Some(String::new())), (3, Some("x".to_owned()))] {
            let got = soon(region.get(&key).or_create(async || value.clone())).unwrap();
            assert_eq!((&*got, Got::outcome(&got)), (&value, Outcome::Created), "{place:?}");
            ground.clock.advance(SECOND * 2);
            let got = now(region.get(&key).or_create(async || panic!("there is a value"))).unwrap();
            assert_eq!(*got, value, "{place:?}");
            assert!(now(region.get(&key).value()).unwrap().is_some());
            assert!(!soon(region.add(&key, None)).unwrap(), "{place:?}");
        }
    }
}

#[test]
fn s91_the_empty_value_is_a_value_and_a_unit_is_one() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        create(&region, 1, "");
        ground.clock.advance(SECOND * 2);
        assert_eq!(fresh(&region, 1).as_deref(), Some(""), "{place:?}");
        let units = ground.builder().far(Arc::clone(&ground.memory)).build::<str, ()>().unwrap();
        soon(units.get("").or_create(async || ())).unwrap();
        soon(units.get("").or_create(async || panic!("there is a value"))).unwrap();
        soon(units.get("x").or_create_with(async |_| Made::new(()))).unwrap();
    }
}
