//! Each planted fault breaks a law, and the same search without the fault breaks none.

use crate::environment::Kind;
use crate::light::light;
use crate::limits::{dead_holders_of_two_leases, long_pauses, own_pauses, soft_timeouts};
use crate::model::Bounds;
use crate::process::Frame;
use crate::{ONE, TWO_AND_ONE, TWO_LONE, bounds, long_leases, search, signals};

fn is_found(mut bounds: Bounds, law: &[&str], plant: impl FnOnce(&mut Frame)) {
    let sound = bounds.clone();
    plant(&mut bounds.frame);
    let found = search(&bounds, true);
    assert!(found.is_some_and(|found| law.contains(&found)), "{}: found {found:?}", bounds.name);
    if !cfg!(debug_assertions) {
        assert_eq!(search(&sound, false), None, "without the fault");
    }
}

#[test]
fn a_publication_without_a_token() {
    let bounds = long_leases(bounds("planted: publication without a token", TWO_LONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G2", "G3"], |frame| frame.rules.broken.publishes_without_a_token = true);
}

#[test]
fn an_addition_after_a_refusal() {
    let bounds = long_leases(bounds("planted: addition after a refusal", TWO_LONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G2", "G3"], |frame| frame.rules.broken.adds_after_a_refusal = true);
}

#[test]
fn a_lease_from_the_reply() {
    let menu = [Kind::Slow, Kind::LoseReply, Kind::GiveUp];
    let bounds = bounds("planted: lease from the reply", &[&[1]], 5, 3, &menu);
    is_found(bounds, &["G6"], |frame| frame.settings.faults.leases_from_the_reply = true);
}

#[test]
fn no_look_after_subscribing() {
    let bounds = signals(long_leases(bounds("planted: no look after subscribing", TWO_LONE, 1, 0, &[])));
    is_found(bounds, &["G5"], |frame| frame.settings.faults.waits_without_a_look = true);
}

#[test]
fn a_claim_without_what_was_seen() {
    let bounds = long_leases(bounds("planted: claim without seen", TWO_LONE, 1, 0, &[]));
    is_found(bounds, &["G1"], |frame| frame.rules.broken.claims_blindly = true);
}

#[test]
fn a_late_joiner_served_from_a_refused_publication() {
    let bounds = long_leases(bounds("planted: late joiner of a refusal", ONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G3"], |frame| frame.rules.broken.shares_what_was_refused = true);
}

#[test]
fn a_late_joiner_by_the_moment_of_the_reply() {
    let bounds = long_leases(bounds("planted: marks of replies", ONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G3"], |frame| frame.settings.faults.marks_replies = true);
}

#[test]
fn a_look_in_flight_that_is_joined() {
    let bounds = long_leases(bounds("planted: look in flight", TWO_AND_ONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G3"], |frame| frame.rules.broken.joins_a_look_in_flight = true);
}

#[test]
fn an_invalidation_lost_with_a_pause() {
    let menu = [Kind::GiveUp, Kind::InvalidateHere];
    let bounds = long_leases(bounds("planted: invalidation lost with a pause", &[&[2]], 1, 2, &menu));
    is_found(bounds, &["G3"], |frame| frame.rules.broken.loses_invalidations_in_a_pause = true);
}

#[test]
fn a_dead_holder_that_is_never_claimed_over() {
    let mut bounds = bounds("planted: nobody is claimed over", TWO_LONE, 8, 1, &[Kind::Kill]);
    bounds.frame.rules.leases_end = false;
    is_found(bounds, &["G5"], |frame| frame.rules.broken.never_claims_over = true);
}

#[test]
fn a_grant_without_a_number() {
    let menu = [Kind::Double, Kind::Invalidate];
    let bounds = long_leases(bounds("planted: grant without a number", &[&[1]], 1, 2, &menu));
    is_found(bounds, &["G2", "G3"], |frame| frame.rules.broken.grants_without_a_number = true);
}

#[test]
fn no_time_left_is_taken_for_a_backend_that_is_down() {
    let bounds = long_leases(bounds("planted: no time left is down", ONE, 1, 1, &[Kind::OutOfTime]));
    is_found(bounds, &["G1", "G3"], |frame| frame.settings.faults.out_of_time_is_down = true);
}

#[test]
fn a_soft_timeout_that_is_an_error() {
    let bounds = soft_timeouts("planted: soft timeout is an error", &[&[2], &[1]], 3, &[]);
    is_found(bounds, &["G5", "G11"], |frame| frame.settings.faults.soft_is_an_error = true);
}

#[test]
fn a_pause_that_is_believed_for_ever() {
    let bounds = long_pauses("planted: pause believed for ever", &[&[3]], &[Kind::Fail]);
    is_found(bounds, &["G8"], |frame| frame.settings.faults.believes_any_pause = true);
}

#[test]
fn a_failure_without_the_backend_that_begins_no_pause() {
    let bounds = own_pauses("planted: no pause of its own", &[&[2]], 2);
    is_found(bounds, &["G8"], |frame| frame.settings.faults.forgets_its_pause = true);
}

#[test]
fn a_watcher_that_counts_its_own_lease() {
    let bounds = dead_holders_of_two_leases("planted: watcher's own lease", &[Kind::Kill]);
    is_found(bounds, &["G1"], |frame| {
        for settings in [Some(&mut frame.settings), frame.long.as_mut()].into_iter().flatten() {
            settings.faults.watches_its_own_lease = true;
        }
    });
}

#[test]
fn a_renewal_that_takes_what_another_access_has_found() {
    let bounds = long_leases(bounds("planted: renewal with anything", TWO_AND_ONE, 1, 1, &[Kind::Renewal]));
    is_found(bounds, &["renew_if"], |frame| frame.settings.faults.renews_with_anything = true);
}

#[test]
fn a_light_look_whose_access_takes_what_was_sent_before_the_reply() {
    let menu = [Kind::Invalidate];
    let bounds = light(long_leases(bounds("planted: light looks that begin too early", &[&[1, 1]], 1, 1, &menu)));
    is_found(bounds, &["G3"], |frame| frame.settings.faults.light_looks_begin_early = true);
}
