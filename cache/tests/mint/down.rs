//! A backend that is down, and a region that was closed.

use crate::kit::{Ground, MINUTE, MS, Place, SECOND, begin, eventually, just_before, now, soon};
use crate::probe::Fate;
use crate::{NOTHING, RIGHT, get, readers, spent, value};
use dogpile_cache::mint::{Mint, Timeout};
use dogpile_cache::{CreateError, NotPublished, OnBackendFailure, Published};
use std::time::Duration;

/// One reader of the process is elected, and what it sets serves the process.
#[test]
fn a_process_that_is_cut_off_elects_for_itself() {
    let mut all = readers(Place::Far);
    all.process.probe.set_all(Fate::Unreachable);
    assert_eq!((get(&mut all.one), get(&mut all.beside)), (RIGHT, NOTHING));
    assert!(now(all.beside.get_many(&[1])).unwrap().is_empty());
    let set = soon(all.one.set(&1, "own", Timeout::Default)).unwrap();
    assert_eq!(set, Published::No(NotPublished::CutOff));
    assert_eq!((get(&mut all.one), get(&mut all.beside)), (value("own"), value("own")));
    assert_eq!(get(&mut all.far), RIGHT, "the other process has the backend");
    assert!(soon(all.one.set(&2, "two", Timeout::Default)).is_err());
    // With the right, what was not stored is an error of `add`, too.
    all.ground.clock.advance(SECOND * 2);
    assert_eq!(get(&mut all.one), RIGHT);
    assert!(!soon(all.one.add(&1, "own", Timeout::Default)).unwrap_err().is_in_doubt());
}

#[test]
fn a_region_that_is_not_to_elect_has_an_error() {
    for policy in [OnBackendFailure::Fail, OnBackendFailure::OldOnly] {
        let ground = Ground::new();
        let process = ground.process_by(Place::Far, |builder| builder.on_backend_failure(policy));
        let mut mint = Mint::new(process.region);
        process.probe.set_all(Fate::Unreachable);
        assert!(matches!(now(mint.get(&1)), Err(CreateError::Backend(_))));
        assert!(matches!(now(mint.get_many(&[1, 2])), Err(CreateError::Backend(_))));
        assert!(!mint.is_elected(&1));
        process.probe.set_all(Fate::Answers);
        ground.clock.advance(SECOND * 2);
        assert_eq!(get(&mut mint), RIGHT);
    }
}

/// The reply to the publication is lost: nobody knows whether the value is there.
#[test]
fn a_set_in_doubt_says_so() {
    use dogpile_cache::observer::Operation;
    for adds in [true, false] {
        let mut all = readers(Place::Far);
        assert_eq!(get(&mut all.one), RIGHT);
        all.process.probe.set(Operation::Publish, Fate::ReplyLost);
        if adds {
            assert!(soon(all.one.add(&1, "new", Timeout::Default)).unwrap_err().is_in_doubt());
        } else {
            let set = soon(all.one.set(&1, "new", Timeout::Default)).unwrap();
            assert_eq!(set, Published::No(NotPublished::InDoubt));
        }
        assert!(!all.one.is_elected(&1));
        eventually("the value", || get(&mut all.far) == value("new"));
    }
}

#[test]
fn a_reader_of_a_closed_region_gets_an_error_and_its_right_has_ended() {
    for place in crate::kit::PLACES {
        let mut all = readers(place);
        assert_eq!(get(&mut all.one), RIGHT);
        soon(all.one.region().clone().close(Duration::ZERO));
        eventually("the right has ended", || !all.one.is_elected(&1));
        all.are_free();
        let set = soon(all.one.set(&1, "late", Timeout::Default)).unwrap();
        assert_eq!(set, Published::No(NotPublished::Closed), "{place:?}");
        assert!(matches!(now(all.one.get(&1)), Err(CreateError::Closed)));
        assert!(matches!(now(all.one.get_many(&[1])), Err(CreateError::Closed)));
        if place != Place::Near {
            assert_eq!(get(&mut all.far), RIGHT, "the other process goes on");
        }
    }
}

/// A reader that says nothing of its right holds up a close until `creation_timeout`, and no longer.
#[test]
fn a_close_does_not_wait_for_a_right_that_has_ended() {
    for place in crate::kit::PLACES {
        for is_closed_before in [true, false] {
            let mut all = readers(place);
            assert_eq!(get(&mut all.one), RIGHT);
            // (One that was used leaves nothing to be waited for.)
            assert!(now(all.beside.get_many(&[2, 3])).unwrap().is_empty());
            soon(all.beside.set(&2, "value", Timeout::Default)).unwrap();
            let region = all.one.region().clone();
            let mut closing = is_closed_before.then(|| begin(region.close(Duration::MAX)));
            if let Some(closing) = &mut closing {
                all.ground.clock.advance(just_before(MINUTE));
                closing.waits();
                all.ground.clock.advance(MS);
            } else {
                all.ground.clock.advance(MINUTE);
                // While it is dead, another creation begins and is waited for.
                eventually("the next is elected", || get(&mut all.beside) == RIGHT);
            }
            let mut closing = closing.unwrap_or_else(|| begin(region.close(Duration::MAX)));
            if !is_closed_before {
                all.ground.clock.advance(just_before(MINUTE));
                closing.waits();
                all.ground.clock.advance(MS);
            }
            closing.end();
            // The backend was told before.
            now(crate::kit::is_free(&all.ground.memory, 1));
            assert!(!all.one.is_elected(&1));
            let late = soon(all.one.set(&1, "late", Timeout::Default)).unwrap();
            assert_eq!(late, Published::No(NotPublished::Late), "{place:?}");
        }
    }
}

/// The first that is dead ends nothing of the others, however many there are.
#[test]
fn a_close_waits_for_each_right_for_its_own_time() {
    for place in crate::kit::PLACES {
        let mut all = readers(place);
        let region = all.one.region().clone();
        for key in 0..200 {
            assert_eq!(now(all.one.get(&key)).unwrap(), None);
            if key % 2 == 0 {
                assert!(all.one.give_up(&key));
            }
            all.ground.clock.advance(MS);
        }
        let mut closing = begin(region.close(Duration::MAX));
        all.ground.clock.advance(just_before(just_before(MINUTE)));
        closing.waits();
        all.ground.clock.advance(MS);
        closing.end();
    }
}

/// It gets what the others get: an old value of this process, or nothing, and no error.
#[test]
fn a_reader_that_is_elected_no_more_has_no_error_while_the_backend_is_down() {
    let mut all = spent(Place::Far);
    all.process.probe.set_all(Fate::Unreachable);
    assert_eq!(get(&mut all.beside), RIGHT);
    assert_eq!(get(&mut all.one), NOTHING);
    assert!(now(all.one.get_many(&[1, 2])).unwrap().is_empty());
    assert_eq!(soon(all.beside.set(&1, "own", Timeout::Default)).unwrap(), Published::No(NotPublished::CutOff));
    assert_eq!(get(&mut all.one), value("own"));
    let many = now(all.one.get_many(&[1, 2])).unwrap();
    assert_eq!((many.len(), many[&1].as_str()), (1, "own"));
}

#[test]
fn a_reader_that_is_elected_no_more_of_a_closed_region_gets_that_error() {
    for place in crate::kit::PLACES {
        let mut all = spent(place);
        soon(all.one.region().clone().close(Duration::ZERO));
        assert!(matches!(now(all.one.get(&1)), Err(CreateError::Closed)), "{place:?}");
        assert!(matches!(now(all.one.get_many(&[1])), Err(CreateError::Closed)), "{place:?}");
    }
}
