//! What a policy says of values that are kept elsewhere, and what a backoff says of failures that are counted
//! elsewhere.
//!
//! The draws of this thread come from a fixed seed. `src/policy/elsewhere.rs` tests each answer for a given draw.

use crate::{MINUTE, SECOND, STEADY, just_before};
use dogpile::{Backoff, Policy};
use std::collections::BTreeSet;
use std::time::Duration;

const DRAWS: usize = 1_000;

fn draw<T: Ord>(question: impl Fn() -> T) -> BTreeSet<T> {
    fastrand::seed(7);
    (0..DRAWS).map(|_| question()).collect()
}

/// How many of the draws say yes.
fn yes(question: impl Fn() -> bool) -> usize {
    fastrand::seed(7);
    (0..DRAWS).filter(|_| question()).count()
}

#[test]
fn each_pause_is_drawn_anew() {
    let pauses = draw(|| Backoff::new(SECOND, MINUTE).pause(3));
    assert!(pauses.len() > DRAWS / 2, "{}", pauses.len());
    assert!(*pauses.first().unwrap() >= SECOND * 2 && *pauses.last().unwrap() <= SECOND * 4, "{pauses:?}");
    assert!(*pauses.first().unwrap() < SECOND * 5 / 2 && *pauses.last().unwrap() > SECOND * 7 / 2, "{pauses:?}");
    assert_eq!([0, 1, 2, 7, u32::MAX].map(|failures| STEADY.pause(failures).as_secs()), [1, 1, 2, 60, 60]);
    let centuries = Backoff::new(Duration::MAX, Duration::MAX).jitter(0.0).pause(u32::MAX);
    assert_eq!(centuries, Duration::from_nanos(u64::MAX));
}

#[test]
fn c20_each_lifetime_is_drawn_anew() {
    let policy = Policy::builder().jitter(0.5).build().unwrap();
    let lifetimes = draw(|| policy.jittered(MINUTE));
    assert!(lifetimes.len() > DRAWS / 2, "{}", lifetimes.len());
    assert!(*lifetimes.first().unwrap() >= MINUTE / 2 && *lifetimes.last().unwrap() <= MINUTE, "{lifetimes:?}");
    assert!(*lifetimes.first().unwrap() < SECOND * 35 && *lifetimes.last().unwrap() > SECOND * 55, "{lifetimes:?}");
    assert_eq!(draw(|| Policy::default().jittered(MINUTE)), BTreeSet::from([MINUTE]));
}

#[test]
fn a_part_of_the_lifetime_needs_no_draw() {
    let policy = Policy::builder().refresh_at(0.5).build().unwrap();
    assert_eq!(yes(|| policy.is_due(SECOND * 30, MINUTE, Duration::ZERO)), DRAWS);
    assert_eq!(yes(|| policy.is_due(just_before(SECOND * 30), MINUTE, Duration::ZERO)), 0);
    assert_eq!(draw(|| policy.due_after(MINUTE, Duration::ZERO)), BTreeSet::from([Some(SECOND * 30)]));
}

/// A creation takes a second. By ten seconds before the expiry, `e^-1` of the draws are due with a `beta` of 10.
#[test]
fn early_renewals_are_drawn_anew_by_either_question() {
    let policy = Policy::builder().refresh_early(10.0).build().unwrap();
    let age = SECOND * 50;
    let by_accesses = yes(|| policy.is_due(age, MINUTE, SECOND));
    let by_a_timer = yes(|| policy.due_after(MINUTE, SECOND).is_some_and(|due| due <= age));
    for due in [by_accesses, by_a_timer] {
        assert!((300..440).contains(&due), "{due} of {DRAWS}, not about 368");
    }
    assert!(draw(|| policy.due_after(MINUTE, SECOND)).len() > DRAWS / 2);
}
