//! Each planted fault breaks a law, and the same search without the fault breaks none. A fault is planted twice: the
//! laws alone must notice it, without the comparison with the paper; and the comparison must, or a law before.

use super::client::{Client, Program};
use super::model::{Bounds, search};
use super::searches::{bounds, gets, gets_plainly, mortal};
use super::world::{Kind, Plant};

fn is_found(sound: &Bounds, plant: Plant, laws: &[&str]) {
    for refines in [true, false] {
        let found = search(&Bounds { plant, refines, ..sound.clone() });
        let is_right = found.is_some_and(|found| laws.contains(&found) || (refines && found == "refines"));
        assert!(is_right, "{}: found {found:?}, compared: {refines}", sound.name);
    }
    assert_eq!(search(sound), None, "without the fault");
}

#[test]
fn a_renewal_by_a_mark() {
    let bounds = bounds("planted: renewal by md I and mg", &[gets(1, 1), gets(1, 0)], 1, 1, &[Kind::Peek]);
    is_found(&bounds, Plant::RenewsByMark, &["G9", "G1"]);
}

#[test]
fn an_add_where_nothing_is() {
    let bounds = bounds("planted: add after NF", &[gets(1, 0)], 1, 1, &[Kind::Invalidate]);
    is_found(&bounds, Plant::AddsAfterNotFound, &["G2", "G3"]);
}

#[test]
fn a_token_of_another_life() {
    let bounds = bounds("planted: grant of another life", &[gets(1, 0), gets(1, 0)], 1, 1, &[Kind::Restart]);
    is_found(&bounds, Plant::CountsAnyLife, &["G2", "G10"]);
}

/// The claim of a token comes twice, the second time after an invalidation. Its holder is not that of the first.
#[test]
fn a_grant_that_was_added_is_known_by_its_token() {
    let menu = [Kind::Double, Kind::Invalidate];
    let bounds = bounds("planted: an added grant is known by its token", &[gets_plainly(1, 0)], 1, 2, &menu);
    is_found(&bounds, Plant::KnowsByToken, &["G2", "G3"]);
}

/// Two that have found nothing.
#[test]
fn an_added_grant_over_another() {
    let bounds = bounds("planted: ms without ME", &[gets_plainly(1, 0), gets_plainly(1, 0)], 1, 0, &[]);
    is_found(&bounds, Plant::StoresAnyhow, &["G1", "G2"]);
}

#[test]
fn a_mark_that_is_taken_for_an_election() {
    let bounds = bounds("planted: X taken for an election", &[gets(1, 0), gets(1, 0)], 1, 1, &[Kind::Mark]);
    is_found(&bounds, Plant::BelievesMarks, &["G1", "G2", "G6"]);
}

#[test]
fn an_append_that_loses_a_mark() {
    let menu = [Kind::Set, Kind::Mark];
    let bounds = bounds("planted: append in silence", &[gets(1, 1)], 1, 2, &menu);
    is_found(&bounds, Plant::AppendsInSilence, &["G3"]);
}

#[test]
fn a_store_without_a_number() {
    let bounds = bounds("planted: ms without C", &[gets(1, 0), gets(1, 0)], 1, 1, &[Kind::Invalidate]);
    is_found(&bounds, Plant::StoresAnyhow, &["G1", "G2", "G3"]);
}

#[test]
fn a_touch_without_a_number() {
    let clients = [Client::new(Program::Touches, 1, 0)];
    let bounds = bounds("planted: touch without C", &clients, 1, 2, &[Kind::Set, Kind::Invalidate]);
    is_found(&bounds, Plant::StoresAnyhow, &["G3"]);
}

/// A claim near the end of a value's grace, and a renewal.
#[test]
fn an_item_that_ends_with_its_entry_while_its_holder_creates() {
    let bounds = bounds("planted: a grant ends with the entry", &[gets(2, 1), gets(1, 0)], 4, 0, &[]);
    is_found(&mortal(2, bounds), Plant::EndsWithItsEntry, &["G1", "G6", "G9"]);
}

#[test]
fn an_item_that_ends_with_its_entry_in_a_pause() {
    let bounds = bounds("planted: a pause ends with the entry", &[gets(2, 0), gets(1, 0)], 4, 1, &[Kind::Fail]);
    is_found(&mortal(2, bounds), Plant::EndsWithItsEntry, &["G1", "G6", "G8", "G9"]);
}

#[test]
fn a_touch_that_ends_a_grant() {
    let clients = [gets(2, 0), Client::new(Program::Touches, 1, 0), gets(1, 0)];
    let bounds = bounds("planted: a touch ends a grant", &clients, 3, 0, &[]);
    is_found(&mortal(5, bounds), Plant::EndsWithItsEntry, &["G1", "G6", "G9"]);
}
