//! Each planted fault breaks a law, and the same search without the fault breaks none. A fault is planted twice: the
//! laws alone must notice it, without the comparison with the ideal backend; and the comparison must, or a law before.

use super::searches::bounds;
use super::server::Redis;
use crate::environment::Kind;
use crate::model::Bounds;
use crate::server::Broken;
use crate::{TWO_LONE, long_leases, search, signals};

#[allow(clippy::needless_pass_by_value)] // The bounds are made for this.
fn is_found(sound: Bounds<Redis>, laws: &[&str], plant: impl Fn(&mut Broken)) {
    for refines in [true, false] {
        let mut bounds = sound.clone();
        bounds.frame.rules.refines = refines;
        plant(&mut bounds.frame.rules.broken);
        let found = search(&bounds, true);
        let is_right = found.is_some_and(|found| laws.contains(&found) || (refines && found == "refines"));
        assert!(is_right, "{}: found {found:?}, compared: {refines}", bounds.name);
    }
    if !cfg!(debug_assertions) {
        assert_eq!(search(&sound, false), None, "without the fault");
    }
}

#[test]
fn a_claim_that_does_not_look_at_what_was_seen() {
    let bounds = long_leases(bounds("planted: bare SET NX", TWO_LONE, 1, 0, &[]));
    is_found(bounds, &["G1"], |broken| broken.redis.claims_what_was_not_seen = true);
}

#[test]
fn a_publication_without_the_token() {
    let bounds = long_leases(bounds("planted: publication without the token", TWO_LONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G2", "G3"], |broken| broken.redis.publishes_without_a_token = true);
}

#[test]
fn a_publication_without_the_number() {
    let menu = [Kind::Double, Kind::Invalidate];
    let bounds = long_leases(bounds("planted: publication without the number", &[&[1]], 1, 2, &menu));
    is_found(bounds, &["G2", "G3"], |broken| broken.redis.publishes_without_a_number = true);
}

#[test]
fn a_claim_over_a_tombstone() {
    let bounds = long_leases(bounds("planted: claim over a tombstone", TWO_LONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G1"], |broken| broken.redis.claims_over_tombstones = true);
}

#[test]
fn a_signal_before_the_change() {
    let bounds = signals(long_leases(bounds("planted: signal before the change", TWO_LONE, 1, 0, &[])));
    is_found(bounds, &["G5"], |broken| broken.signals_before_the_change = true);
}

#[test]
fn a_grant_of_another_life() {
    let menu = [Kind::FailOver, Kind::Invalidate];
    let bounds = long_leases(bounds("planted: grant of another life", TWO_LONE, 1, 2, &menu));
    is_found(bounds, &["G2", "G3", "G10"], |broken| broken.redis.counts_any_life = true);
}

#[test]
fn a_lease_without_a_lifetime() {
    let bounds = bounds("planted: lease without a lifetime", TWO_LONE, 8, 1, &[Kind::JunkGrant]);
    is_found(bounds, &["G5"], |broken| broken.redis.believes_a_lease_for_ever = true);
}

#[test]
fn an_invalidation_that_leaves_the_lease() {
    let bounds = long_leases(bounds("planted: invalidation leaves the lease", TWO_LONE, 1, 1, &[Kind::Invalidate]));
    is_found(bounds, &["G2", "G3"], |broken| broken.redis.invalidation_leaves_the_lease = true);
}

#[test]
fn a_claim_that_does_not_look_at_the_pause() {
    let bounds = long_leases(bounds("planted: claim through a pause", TWO_LONE, 1, 1, &[Kind::Fail]));
    is_found(bounds, &["G8"], |broken| broken.redis.claims_through_pauses = true);
}

#[test]
fn a_life_that_comes_back() {
    let menu = [Kind::FailOver, Kind::Invalidate];
    let bounds = long_leases(bounds("planted: the life is run_id alone", TWO_LONE, 1, 4, &menu));
    is_found(bounds, &["G2", "G3", "G10"], |broken| broken.life_comes_back = true);
}

#[test]
fn a_connection_that_outlives_the_life() {
    let menu = [Kind::FailOver, Kind::Invalidate];
    let bounds = long_leases(bounds("planted: connection outlives a failover", TWO_LONE, 1, 2, &menu));
    is_found(bounds, &["G2", "G3", "G10"], |broken| broken.connections_outlive_the_life = true);
}

#[test]
fn a_gap_that_wakes_nobody() {
    let bounds = signals(long_leases(bounds("planted: a gap wakes nobody", TWO_LONE, 1, 1, &[Kind::Gap])));
    is_found(bounds, &["G5"], |broken| broken.gap_wakes_nobody = true);
}
