//! `add`, `delete`, and `set` without a right.

use crate::kit::{PLACES, Place, SECOND, eventually, now, soon};
use crate::{NOTHING, RIGHT, get, readers, set, value};
use dogpile_cache::mint::Timeout;
use dogpile_cache::observer::Operation;

#[test]
fn add_fails_where_a_fresh_value_is() {
    for place in PLACES {
        let mut all = readers(place);
        let add = |mint: &mut dogpile_cache::mint::Mint<u64, String>, value: &str| {
            soon(mint.add(&1, value, Timeout::Default)).unwrap()
        };
        assert!(add(&mut all.one, "first"));
        assert!(!add(&mut all.one, "second") && !add(&mut all.far, "second"), "{place:?}");
        assert_eq!(get(&mut all.far), value("first"));
        all.ground.clock.advance(crate::kit::MINUTE);
        assert!(add(&mut all.far, "second"), "the value is late: {place:?}");
        eventually("the second value", || get(&mut all.one) == value("second"));
    }
}

/// With the right, `add` publishes.
#[test]
fn add_by_an_elected_reader_uses_its_right() {
    for place in PLACES {
        let mut all = readers(place);
        all.late("old");
        assert_eq!(get(&mut all.one), RIGHT);
        assert!(soon(all.one.add(&1, "new", Timeout::Default)).unwrap(), "{place:?}");
        assert!(!all.one.is_elected(&1));
        assert_eq!(get(&mut all.one), value("new"), "{place:?}");
        assert_eq!(all.one.region().counts().creations, 1);
    }
}

#[test]
fn delete_leaves_no_grace() {
    for place in PLACES {
        for is_late in [true, false] {
            let mut all = readers(place);
            set(&mut all.one, "old");
            if is_late {
                all.ground.clock.advance(crate::kit::MINUTE);
            }
            soon(all.one.delete(&1)).unwrap();
            assert_eq!((get(&mut all.far), get(&mut all.one)), (RIGHT, NOTHING), "{place:?}");
            set(&mut all.far, "new");
            assert_eq!(get(&mut all.one), value("new"), "{place:?}");
        }
    }
}

/// A reader that deletes what it was elected for has no right to it any more.
#[test]
fn delete_ends_ones_own_right() {
    for place in PLACES {
        let mut all = readers(place);
        all.late("old");
        assert_eq!(get(&mut all.one), RIGHT);
        soon(all.one.delete(&1)).unwrap();
        assert!(!all.one.is_elected(&1));
        // (The grant is ended by another thread, at once or after the tombstone.)
        all.ground.clock.advance(crate::kit::SECOND);
        eventually("the next is elected", || get(&mut all.far) == RIGHT);
        set(&mut all.far, "new");
    }
}

#[test]
fn set_without_a_right_stores_whatever_is_there() {
    for place in PLACES {
        let mut all = readers(place);
        set(&mut all.one, "one");
        set(&mut all.far, "far");
        assert_eq!(get(&mut all.far), value("far"), "{place:?}");
        set(&mut all.far, "far again");
        assert_eq!(get(&mut all.far), value("far again"), "{place:?}");
        if place != Place::NearOverFar {
            assert_eq!(get(&mut all.one), value("far again"), "{place:?}");
        }
    }
}

/// The round trips that the docs name.
#[test]
fn round_trips() {
    let mut all = readers(Place::Far);
    let probe = std::sync::Arc::clone(&all.process.probe);
    let count = || probe.total();
    let mut before = 0;
    let mut took = || {
        let took = count() - before;
        before += took;
        took
    };
    assert_eq!((get(&mut all.one), took()), (RIGHT, 2)); // a look, a claim
    assert_eq!(now(all.one.get(&1)).unwrap(), None);
    assert_eq!(took(), 0);
    set(&mut all.one, "new");
    assert_eq!(took(), 1);
    assert_eq!((get(&mut all.one), took()), (value("new"), 1));
    set(&mut all.one, "set");
    assert_eq!(took(), 1);
    assert!(!soon(all.one.add(&1, "added", Timeout::Default)).unwrap());
    assert_eq!(took(), 1);
    soon(all.one.delete(&1)).unwrap();
    assert_eq!(took(), 1);
    assert!(soon(all.one.add(&1, "added", Timeout::Default)).unwrap());
    assert_eq!(took(), 2);
    all.ground.clock.advance(crate::kit::MINUTE);
    assert_eq!(get(&mut all.far), RIGHT);
    assert_eq!((get(&mut all.one), took()), (value("added"), 2));
    assert_eq!((get(&mut all.one), took()), (value("added"), 1));
    let keys: Vec<u64> = (1..=10).collect();
    assert_eq!(now(all.one.get_many(&keys)).unwrap().len(), 1);
    assert_eq!((probe.count(Operation::Look), took()), (7, 1 + 9));
}

/// After a `delete` under a right nobody is elected until the holder has ended, or the pause is over.
#[test]
fn a_delete_under_a_right_elects_when_the_holder_has_ended_or_after_the_pause() {
    for place in PLACES {
        for ends in [true, false] {
            let mut all = readers(place);
            assert_eq!(get(&mut all.one), RIGHT);
            soon(all.far.delete(&1)).unwrap();
            assert_eq!(get(&mut all.far), NOTHING, "{place:?}");
            if ends {
                all.one.give_up(&1);
                all.are_free();
            } else {
                all.ground.clock.advance(SECOND);
            }
            eventually("the next is elected", || get(&mut all.far) == RIGHT);
        }
    }
}
