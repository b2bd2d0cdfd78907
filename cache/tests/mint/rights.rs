//! A right, and what was set by it.

use crate::kit::{MINUTE, MS, PLACES, Place, SECOND, eventually, now, soon};
use crate::{NOTHING, RIGHT, Readers, get, readers, set, spent, value};
use dogpile_cache::mint::{Mint, Timeout};
use dogpile_cache::{NotPublished, Published};

/// Sets the key 1, and returns what has become of it.
fn try_set(mint: &mut Mint<u64, String>, value: &str) -> Published {
    soon(mint.set(&1, value, Timeout::Default)).unwrap()
}

/// A reader that was elected, and has taken too long: the next one has the right.
fn overtaken(place: Place) -> Readers {
    let mut all = readers(place);
    set(&mut all.one, "old");
    // (Its grace is not over by then.)
    all.ground.clock.advance(MINUTE);
    assert_eq!(get(&mut all.one), RIGHT);
    // The lease was renewed by nobody in this time, nor does a creation last for so long.
    all.ground.clock.advance(MINUTE);
    eventually("the next is elected", || get(&mut all.far) == RIGHT);
    all
}

#[test]
fn a_late_setter_is_refused_and_the_newer_value_stays() {
    for place in PLACES {
        let mut all = overtaken(place);
        set(&mut all.far, "newer");
        assert!(matches!(try_set(&mut all.one, "late"), Published::No(_)), "{place:?}");
        assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
        // It is refused each time, and by `add`, too.
        assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Late), "{place:?}");
        all.ground.clock.advance(MINUTE + SECOND);
        assert!(!soon(all.one.add(&1, "late", Timeout::Default)).unwrap());
        assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Late), "{place:?}");
        assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
        set(&mut all.far, "newest");
        // It has a value of the key now: what it sets then it sets without a right.
        eventually("the newest value", || get(&mut all.one) == value("newest"));
        set(&mut all.one, "set");
        assert_eq!(get(&mut all.one), value("set"), "{place:?}");
    }
}

#[test]
fn a_late_setter_is_refused_before_the_newer_value_is_there_too() {
    for place in PLACES {
        let mut all = overtaken(place);
        assert!(!all.one.is_elected(&1));
        assert!(matches!(try_set(&mut all.one, "late"), Published::No(_)), "{place:?}");
        assert_eq!(get(&mut all.beside), NOTHING, "{place:?}");
        set(&mut all.far, "newer");
        assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
    }
}

#[test]
fn a_late_add_is_refused() {
    for place in PLACES {
        let mut all = overtaken(place);
        assert!(!soon(all.one.add(&1, "late", Timeout::Default)).unwrap(), "{place:?}");
        set(&mut all.far, "newer");
        assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
    }
}

/// What was void, and a `get` that gives nothing, leave no way to overwrite. `delete` and `give_up` begin anew.
#[test]
fn a_refused_key_stays_refused_until_the_reader_begins_anew() {
    for place in PLACES {
        for (begins, is_void) in [(0, true), (1, true), (0, false), (1, false)] {
            let mut all = readers(place);
            assert_eq!(get(&mut all.one), RIGHT);
            if is_void {
                set(&mut all.far, "newer");
                assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Voided), "{place:?}");
            } else {
                all.ground.clock.advance(MINUTE * 2);
                eventually("the next is elected", || get(&mut all.far) == RIGHT);
                assert_eq!(get(&mut all.one), NOTHING, "{place:?}");
                set(&mut all.far, "newer");
            }
            assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Late), "{place:?}");
            assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
            if begins == 0 {
                soon(all.one.delete(&1)).unwrap();
            } else {
                assert!(!all.one.give_up(&1));
            }
            set(&mut all.one, "set");
        }
    }
}

/// A `get` begins anew: the reader has no right then, nor the memory of one.
#[test]
fn a_reader_that_has_lost_its_right_reads_anew() {
    for place in PLACES {
        let mut all = overtaken(place);
        set(&mut all.far, "newer");
        eventually("the newer value", || get(&mut all.one) == value("newer"));
        set(&mut all.one, "set");
    }
    // And it may be elected again.
    let mut all = readers(Place::Near);
    assert_eq!(get(&mut all.one), RIGHT);
    all.ground.clock.advance(MINUTE + SECOND);
    assert!(!all.one.is_elected(&1));
    assert_eq!((get(&mut all.one), get(&mut all.far)), (RIGHT, NOTHING));
    set(&mut all.one, "new");
}

/// A change by another reader voids the right.
#[test]
fn what_was_deleted_or_set_during_a_renewal_is_not_overwritten() {
    for place in PLACES {
        for deletes in [true, false] {
            let mut all = readers(place);
            all.late("old");
            assert_eq!(get(&mut all.one), RIGHT);
            if deletes {
                soon(all.far.delete(&1)).unwrap();
            } else {
                set(&mut all.far, "set");
            }
            assert_eq!(try_set(&mut all.one, "made of what was"), Published::No(NotPublished::Voided), "{place:?}");
            let stays = if deletes { RIGHT } else { value("set") };
            eventually("what is there", || get(&mut all.far) == stays);
        }
    }
}

/// A `get` begins anew: it ends what is left of the right before it claims. Else its own tombstone would keep the
/// reader from being elected.
#[test]
fn a_reader_whose_right_was_voided_is_elected_by_its_next_get() {
    for place in PLACES {
        for gets_many in [false, true] {
            let mut all = readers(place);
            assert_eq!(get(&mut all.one), RIGHT);
            soon(all.beside.delete(&1)).unwrap();
            assert!(!all.one.is_elected(&1), "{place:?}");
            if gets_many {
                assert!(soon(all.one.get_many(&[1, 2])).unwrap().is_empty());
                assert!(all.one.is_elected(&1) && all.one.is_elected(&2), "{place:?}");
            } else {
                assert_eq!((soon(all.one.get(&1)).unwrap(), all.one.is_elected(&1)), RIGHT, "{place:?}");
            }
            assert_eq!(get(&mut all.far), NOTHING, "{place:?}");
            assert_eq!(get(&mut all.beside), NOTHING, "{place:?}");
            set(&mut all.one, "new");
            eventually("the new value", || get(&mut all.far) == value("new"));
        }
    }
}

/// A reader that lets its rights end remembers the keys, and not the creations.
#[test]
fn a_right_that_was_forgotten_is_no_right_to_overwrite() {
    for place in [Place::Near, Place::Far] {
        let mut all = readers(place);
        for key in 1..=16 {
            assert_eq!(now(all.one.get(&key)).unwrap(), None);
        }
        all.ground.clock.advance(MINUTE * 2);
        // The table of rights is swept by now.
        for key in 17..=40 {
            assert_eq!(soon(all.one.get(&key)).unwrap(), None);
            assert!(all.one.is_elected(&key));
        }
        assert_eq!(format!("{:?}", all.one), r#"Mint { region: "test", rights: 24, .. }"#);
        eventually("the next is elected", || get(&mut all.far) == RIGHT);
        set(&mut all.far, "newer");
        assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Late), "{place:?}");
        assert!(!soon(all.one.add(&2, "late", Timeout::Default)).unwrap());
        assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
        assert!(!soon(all.one.add(&2, "late", Timeout::Default)).unwrap());
        assert_eq!(try_set(&mut all.one, "late"), Published::No(NotPublished::Late), "{place:?}");
        assert_eq!(get(&mut all.far), value("newer"), "{place:?}");
    }
}

/// The memory of rights that have ended is bounded, and a reader that never sets stands in nobody's way.
#[test]
fn a_reader_that_never_sets_is_elected_no_more() {
    let mut all = readers(Place::Near);
    set(&mut all.far, "old");
    let mut elected = 0;
    for key in 100..2_200 {
        assert_eq!(now(all.one.get(&key)).unwrap(), None);
        elected += u64::from(all.one.is_elected(&key));
        all.ground.clock.advance(MS * 200);
        if key % 50 == 0 {
            set(&mut all.far, "old");
        }
    }
    // (Three hundred are alive at once, and it takes an eighth of a minute to find that they are not.)
    assert!((1_000..1_400).contains(&elected), "{elected}");
    // It gets what the others get.
    set(&mut all.far, "old");
    assert_eq!(get(&mut all.one), value("old"));
    all.ground.clock.advance(MINUTE);
    assert_eq!((get(&mut all.one), now(all.one.get_many(&[1, 1, 5_000])).unwrap().len()), (value("old"), 1));
    // A clone begins anew. And each right that is used, given up, or read again makes room.
    assert_eq!(get(&mut all.one.clone()), RIGHT);
    for key in 100..700 {
        assert!(!all.one.give_up(&key));
    }
    assert_eq!(get(&mut all.one), RIGHT);
    set(&mut all.one, "new");
}

/// It is one for ten times `creation_timeout` only.
#[test]
fn a_reader_that_has_met_many_missing_keys_is_elected_again() {
    let mut all = spent(Place::Far);
    all.ground.clock.advance(MINUTE * 5);
    assert_eq!(get(&mut all.one), NOTHING);
    all.ground.clock.advance(MINUTE * 5);
    assert_eq!(get(&mut all.one), RIGHT);
    set(&mut all.one, "new");
}

/// All rights that have ended count, however many were held at once.
#[test]
fn a_thousand_is_a_thousand() {
    let mut all = readers(Place::Near);
    let keys: Vec<u64> = (1_000..10_000).collect();
    assert!(now(all.one.get_many(&keys)).unwrap().is_empty());
    all.ground.clock.advance(MINUTE * 2);
    for key in 100_000..100_100 {
        assert_eq!(now(all.one.get(&key)).unwrap(), None);
        assert!(!all.one.is_elected(&key));
    }
    assert_eq!(format!("{:?}", all.one), r#"Mint { region: "test", rights: 0, .. }"#);
}

#[test]
fn a_source_that_fails_is_spared() {
    for place in PLACES {
        for is_cold in [true, false] {
            let mut all = readers(place);
            if !is_cold {
                all.late("old");
            }
            assert_eq!(get(&mut all.one), RIGHT);
            soon(all.one.fail(&1, &"the database is down"));
            soon(all.one.fail(&1, &"it has no right any more"));
            let nothing = if is_cold { NOTHING } else { value("old") };
            for mint in [&mut all.one, &mut all.beside, &mut all.far] {
                assert_eq!(get(mint), nothing, "{place:?}");
                assert_eq!(now(mint.get_many(&[1])).unwrap().into_values().next(), nothing.0);
            }
            assert_eq!(all.one.region().counts().failures, 1);
            all.ground.clock.advance(SECOND * 2);
            assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
        }
    }
}
