//! Accesses that begin with a light look.

use crate::environment::Kind;
use crate::history::Sight;
use crate::model::Bounds;
use crate::{ONE, TWO_AND_ONE, TWO_LONE, bounds, holds, long_leases, signals};

/// With light looks.
pub fn light(mut bounds: Bounds) -> Bounds {
    bounds.frame.rules.light = true;
    bounds
}

#[test]
fn nothing_happens_to_light_looks() {
    let bounds = light(long_leases(bounds("light looks, 2 × 1", TWO_LONE, 2, 0, &[])));
    holds(&bounds, &[Sight::Changed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn others_change_during_light_looks() {
    let menu = [Kind::Invalidate, Kind::Set, Kind::Mark, Kind::EvictEntry];
    let bounds = light(long_leases(bounds("light looks and changes, 2 + 1", TWO_AND_ONE, 1, 2, &menu)));
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::NotCovered]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn an_invalidation_is_not_told_during_light_looks() {
    let menu = [Kind::InvalidateHere, Kind::GiveUp, Kind::LoseReply];
    let bounds = light(long_leases(bounds("light looks and an invalidation untold, 1 × 2", ONE, 1, 2, &menu)));
    holds(&bounds, &[Sight::CutOff, Sight::NotCovered]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn light_looks_have_no_time_left() {
    let menu = [Kind::OutOfTime, Kind::GiveUp, Kind::Cancel, Kind::Fail];
    let mut bounds = light(long_leases(bounds("light looks, no time left, 2 + 1", TWO_AND_ONE, 2, 1, &menu)));
    bounds.frame.deadline = Some(1);
    holds(&bounds, &[Sight::CutOff, Sight::TimedOut]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn light_looks_and_signals() {
    let menu = [Kind::LoseSignal, Kind::Invalidate, Kind::Fail];
    let bounds = light(signals(long_leases(bounds("light looks and signals, 2 + 1", TWO_AND_ONE, 1, 1, &menu))));
    holds(&bounds, &[Sight::Shared]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn anything_happens_once_to_light_looks() {
    let menu: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::InvalidateHere).collect();
    let bounds = light(bounds("light looks, anything once, 2 × 1", TWO_LONE, 3, 1, &menu));
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Paused]);
}
