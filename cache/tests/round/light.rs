//! Accesses that begin with a light look, and looks that ask for the grant of what is missing.

use crate::environment::Kind;
use crate::history::Sight;
use crate::model::Bounds;
use crate::process::time;
use crate::server::Tick;
use crate::{ONE, TWO_AND_ONE, TWO_LONE, bounds, holds, long_leases, signals};

/// With light looks.
pub fn light(mut bounds: Bounds) -> Bounds {
    bounds.frame.rules.light = true;
    bounds
}

/// With looks that ask, light ones among them.
pub fn asking(name: &'static str, accesses: &[&[u8]], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds {
    let mut bounds = light(bounds(name, accesses, ticks, steps, menu));
    bounds.frame.rules.asks = true;
    bounds
}

#[test]
fn nothing_happens_to_light_looks() {
    let bounds = light(long_leases(bounds("light looks, 2 × 1", TWO_LONE, 2, 0, &[])));
    holds(&bounds, &[Sight::Changed]);
}

#[test]
fn nothing_happens_to_looks_that_ask() {
    let bounds = long_leases(asking("asking, 2 × 1", TWO_LONE, 2, 0, &[]));
    holds(&bounds, &[]);
}

#[test]
fn a_grant_goes_back_while_another_access_has_the_turn() {
    let bounds = long_leases(asking("asking, 1 × 2", ONE, 1, 1, &[Kind::Invalidate]));
    holds(&bounds, &[Sight::GaveBack, Sight::Shared, Sight::Refused]);
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
fn others_change_what_was_asked_for() {
    let menu = [Kind::Invalidate, Kind::Set, Kind::Mark, Kind::EvictEntry, Kind::EvictGrant];
    let bounds = long_leases(asking("asking and changes, 2 + 1", TWO_AND_ONE, 1, 1, &menu));
    holds(&bounds, &[Sight::GaveBack, Sight::Overlap, Sight::Refused, Sight::NotCovered]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn creators_fail_and_callers_go_that_have_asked() {
    let menu = [Kind::Fail, Kind::Unwanted, Kind::Cancel, Kind::Refresh];
    let bounds = long_leases(asking("asking and creators, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
    holds(&bounds, &[Sight::Paused, Sight::GaveBack]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_process_invalidates_what_it_has_asked_for() {
    let menu = [Kind::InvalidateHere, Kind::GiveUp, Kind::LoseReply, Kind::OutOfTime];
    let bounds = long_leases(asking("asking and an invalidation untold, 1 × 2", ONE, 1, 2, &menu));
    holds(&bounds, &[Sight::CutOff, Sight::GaveBack]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn processes_that_have_asked_stop_and_die() {
    let menu = [Kind::Stop, Kind::Kill, Kind::Slow, Kind::Hang, Kind::LoseReply];
    let bounds = asking("asking processes, 2 × 1", TWO_LONE, 5, 2, &menu);
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Renewed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_leases_of_looks_end_a_grain_early() {
    let menu = [Kind::Slow, Kind::LoseReply, Kind::Stop];
    let mut bounds = asking("asking, grain, 2 × 1", TWO_LONE, 5, 2, &menu);
    (bounds.frame.rules.lease, bounds.frame.rules.grain) = (4, 1);
    (bounds.frame.settings.lease, bounds.frame.settings.grain) = (time(4), time(1));
    holds(&bounds, &[Sight::Overlap, Sight::Renewed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_server_loses_what_was_asked_for() {
    let menu = [Kind::EvictGrant, Kind::Flush, Kind::FailOver, Kind::ClockForward, Kind::ClockBack];
    let bounds = asking("asking and the server, 2 + 1", TWO_AND_ONE, 2, 1, &menu);
    holds(&bounds, &[Sight::Overlap, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn looks_that_ask_and_signals() {
    let menu = [Kind::LoseSignal, Kind::Invalidate, Kind::Fail];
    let bounds = signals(long_leases(asking("asking and signals, 2 + 1", TWO_AND_ONE, 1, 1, &menu)));
    holds(&bounds, &[Sight::Shared, Sight::GaveBack]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn anything_happens_once_to_looks_that_ask() {
    let bounds = asking("asking, anything once, 2 + 1", TWO_AND_ONE, 1, 1, &Kind::ALL);
    holds(&bounds, &[Sight::GaveBack, Sight::Overlap, Sight::Refused, Sight::NotCovered, Sight::Paused]);
}
