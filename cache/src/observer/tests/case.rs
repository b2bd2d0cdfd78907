//! The cases of events.

use super::*;
use crate::backend::Refusal;
use crate::round::Stored;
use std::collections::BTreeSet;

#[test]
fn g1_a_refusal_shows_a_reason_by_the_holders_clock() {
    let refusals = [Refusal::Voided, Refusal::Overtaken, Refusal::Gone, Refusal::OtherLife];
    let shown = |is_over| refusals.map(|refusal| Overlap::shown_by(refusal, is_over));
    assert_eq!(shown(true), [Overlap::Voided, Overlap::LeaseLost, Overlap::LeaseLost, Overlap::ServerLost]);
    assert_eq!(shown(false), [Overlap::Voided, Overlap::ServerLost, Overlap::ServerLost, Overlap::ServerLost]);
}

#[test]
fn what_the_round_says_of_a_value_has_its_name() {
    let said = [
        (Stored::Fresh, "fresh"),
        (Stored::Stale, "stale"),
        (Stored::Refused(Refusal::Voided), "voided"),
        (Stored::Refused(Refusal::Overtaken), "overtaken"),
        (Stored::Refused(Refusal::Gone), "gone"),
        (Stored::Refused(Refusal::OtherLife), "other_life"),
        (Stored::Unknown, "in_doubt"),
        (Stored::Late, "late"),
        (Stored::Unwanted, "unwanted"),
        (Stored::CutOff, "cut_off"),
    ];
    for (stored, name) in said {
        assert_eq!(Published::from(stored).name(), name);
    }
}

#[test]
fn names_are_short_and_different() {
    fn check<C: Case>(name: impl Fn(C) -> &'static str) {
        let names: BTreeSet<_> = C::ALL.iter().map(|case| name(*case)).collect();
        assert_eq!(names.len(), C::ALL.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')), "{names:?}");
    }
    check(NotPublished::name);
    check(Overlap::name);
    check(Operation::name);
    check(Why::name);
}

#[test]
fn counts_by_case_add_up() {
    let seen = unseen(false);
    seen.overlapped("7", Overlap::Late);
    seen.overlapped("7", Overlap::Late);
    seen.overlapped("7", Overlap::LeaseLost);
    let overlaps = seen.counts().overlaps;
    assert_eq!((overlaps.get(Overlap::Late), overlaps.get(Overlap::CutOff), overlaps.total()), (2, 0, 3));
    assert_eq!(overlaps.iter().filter(|(_, count)| *count > 0).count(), 2);
    assert_eq!(format!("{overlaps:?}"), "{LeaseLost: 1, Late: 2}");
}
