//! Each planted fault breaks a law, and the same search without the fault breaks none. A fault is planted twice: the
//! laws alone must notice it, without the comparison with the ideal backend; and the comparison must, or a law before.

use super::model::{Bounds, gets, search};
use super::searches::{bounds, changes, listens, refreshes};
use super::world::{Kind, Plant};
use crate::environment::Kind as Change;

fn is_found(sound: &Bounds, plant: Plant, laws: &[&str]) {
    for refines in [true, false] {
        let found = search(&Bounds { plant, refines, ..sound.clone() });
        let is_right = found.is_some_and(|found| laws.contains(&found) || (refines && found == "refines"));
        assert!(is_right, "{}: found {found:?}, compared: {refines}", sound.name);
    }
    assert_eq!(search(sound), None, "without the fault");
}

/// Each of them waits for a user's open transaction.
#[test]
fn a_claim_that_waits_for_the_lock() {
    let menu = [Kind::UserInvalidates];
    let bounds = bounds("planted: pg_advisory_xact_lock of a claim", &[gets(1, 0)], 1, 1, &menu);
    is_found(&bounds, Plant::WaitsForTheLock, &["G5"]);
}

#[test]
fn a_claim_that_waits_for_a_row() {
    let menu = [Kind::UserTakesEntry, Kind::UserTakesPlace];
    let bounds = bounds("planted: FOR UPDATE without SKIP LOCKED", &[gets(1, 0)], 1, 1, &menu);
    is_found(&bounds, Plant::WaitsForRows, &["G5"]);
}

#[test]
fn a_publication_by_a_snapshot_that_is_older_than_the_lock() {
    let clients = [gets(1, 0), changes(Change::Invalidate)];
    let bounds = bounds("planted: publication in one statement", &clients, 1, 0, &[]);
    is_found(&bounds, Plant::PublishesBySnapshot, &["G2", "G3"]);
}

#[test]
fn a_claim_that_decides_by_what_it_read_before_the_lock() {
    let bounds = bounds("planted: no second read of a claim", &[gets(1, 0), gets(1, 0)], 1, 0, &[]);
    is_found(&bounds, Plant::DecidesByThePeek, &["G1"]);
}

#[test]
fn an_insert_that_is_not_behind_the_lock() {
    let bounds = bounds("planted: a user's set without the lock", &[refreshes(1)], 1, 1, &[Kind::UserSets]);
    is_found(&bounds, Plant::ChangesWithoutTheLock, &["G5"]);
}

#[test]
fn a_lock_that_is_released_before_the_commit() {
    let bounds = bounds("planted: unlock before the commit", &[gets(1, 0), gets(1, 0)], 1, 0, &[]);
    is_found(&bounds, Plant::UnlocksBeforeTheCommit, &["G1", "G5"]);
}

#[test]
fn a_signal_before_the_commit() {
    let bounds = bounds("planted: NOTIFY before the commit", &[listens(1), gets(1, 0)], 1, 0, &[]);
    is_found(&bounds, Plant::SignalsBeforeTheCommit, &["G5"]);
}

/// A change has asked before the row was there, and is committed after the look.
#[test]
fn a_listener_that_does_not_ask_for_the_lock() {
    let bounds = bounds("planted: no probe", &[listens(1), gets(1, 0)], 1, 0, &[]);
    is_found(&bounds, Plant::SleepsWithoutAProbe, &["G5"]);
}

#[test]
fn a_grant_of_another_life() {
    let bounds = bounds("planted: a grant counts in any life", &[gets(1, 0)], 1, 1, &[Kind::Restart]);
    is_found(&bounds, Plant::CountsAnyLife, &["G2", "G10"]);
}

/// The claim of a token is executed twice, the second time after an invalidation. Its holder is not that of the first.
#[test]
fn a_grant_that_is_known_by_its_token_alone() {
    let menu = [Kind::Double, Kind::UserInvalidates];
    let bounds = bounds("planted: a grant is known by its token", &[gets(1, 0)], 1, 2, &menu);
    is_found(&bounds, Plant::KnowsByToken, &["G2", "G3"]);
}
