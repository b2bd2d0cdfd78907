//! Time-outs of values: each means one thing.

use crate::kit::{MINUTE, MS, PLACES, SECOND, just_before, now, soon};
use crate::{GRACE, RIGHT, get, readers, set, value};
use dogpile_cache::Published;
use dogpile_cache::mint::Timeout;
use std::time::Duration;

/// For ever, as far as a test goes: a hundred years.
const AGE: Duration = Duration::from_secs(100 * 365 * 86_400);

#[test]
fn zero_is_late_at_once() {
    for place in PLACES {
        for by_right in [true, false] {
            for zero in [Timeout::After(Duration::ZERO), Duration::ZERO.into()] {
                let mut all = readers(place);
                if by_right {
                    assert_eq!(get(&mut all.one), RIGHT);
                }
                assert_eq!(soon(all.one.set(&1, "old", zero)).unwrap(), Published::Fresh);
                assert_eq!((get(&mut all.far), get(&mut all.one)), (RIGHT, value("old")), "{place:?}");
                all.ground.clock.advance(GRACE);
                assert_eq!(get(&mut all.beside).0, None, "{place:?}");
            }
        }
    }
}

#[test]
fn the_default_is_that_of_the_mint() {
    for place in PLACES {
        let mut all = readers(place);
        set(&mut all.one, "value");
        all.ground.clock.advance(just_before(MINUTE));
        assert_eq!(get(&mut all.far), value("value"), "{place:?}");
        all.ground.clock.advance(MS);
        assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
    }
    assert_eq!(Timeout::default(), Timeout::Default);
}

#[test]
fn a_time_is_that_time() {
    for place in PLACES {
        let mut all = readers(place);
        soon(all.one.set(&1, "value", MINUTE * 10)).unwrap();
        all.ground.clock.advance(just_before(MINUTE * 10));
        assert_eq!(get(&mut all.far), value("value"), "{place:?}");
        all.ground.clock.advance(SECOND);
        assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
        assert_eq!(get(&mut all.one), value("value"), "{place:?}");
    }
}

#[test]
fn never_and_the_longest_time_are_for_ever() {
    for place in PLACES {
        for ever in [Timeout::Never, Duration::MAX.into()] {
            let mut all = readers(place);
            soon(all.one.set(&1, "value", ever)).unwrap();
            all.ground.clock.advance(AGE);
            assert_eq!((get(&mut all.one), get(&mut all.far)), (value("value"), value("value")), "{place:?}");
            assert!(!soon(all.far.add(&1, "other", Timeout::Default)).unwrap());
            assert!(now(all.one.get_many(&[1])).unwrap().contains_key(&1));
        }
    }
}
