//! What bounds a wait, a pause, a lease, and what an access takes: the searches of each.

use crate::environment::Kind;
use crate::history::Sight;
use crate::model::Bounds;
use crate::process::time;
use crate::server::Tick;
use crate::{ONE, TWO_AND_ONE, TWO_LONE, bounds, holds, long_leases, signals};
use dogpile_cache::round::OtherLife;

/// Accesses with an old value wait for a tick.
pub fn soft_timeouts(name: &'static str, accesses: &[&[u8]], ticks: Tick, menu: &[Kind]) -> Bounds {
    let mut bounds = long_leases(bounds(name, accesses, ticks, 1, menu));
    bounds.frame.soft = Some(1);
    bounds
}

/// Pauses of the backend that no run outlives; the longest one of the region takes two ticks.
pub fn long_pauses(name: &'static str, accesses: &[&[u8]], menu: &[Kind]) -> Bounds {
    let mut bounds = long_leases(bounds(name, accesses, 3, 2, menu));
    bounds.frame.rules.pause = 9;
    bounds.frame.settings.longest_pause = time(2);
    bounds
}

/// The backend is down for longer than the pause after a creation without it.
pub fn own_pauses(name: &'static str, accesses: &[&[u8]], steps: u8) -> Bounds {
    let menu = [Kind::GiveUp, Kind::LoseReply, Kind::Fail, Kind::Refresh];
    let mut bounds = long_leases(bounds(name, accesses, 3, steps, &menu));
    bounds.frame.settings.backend_pause = time(3);
    bounds
}

/// The leases of one process last 5 ticks, those of the other 3; no lease ends by itself.
pub fn dead_holders_of_two_leases(name: &'static str, menu: &[Kind]) -> Bounds {
    let mut bounds = bounds(name, TWO_LONE, 8, 1, menu);
    let mut long = bounds.frame.settings.clone();
    long.lease = time(5);
    bounds.frame.long = Some(long);
    bounds.frame.rules.lease = 5;
    bounds.frame.rules.leases_end = false;
    bounds
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn deadlines_end_waits() {
    let menu = [Kind::Kill, Kind::Hang, Kind::WakeEarly, Kind::Refresh];
    let mut bounds = bounds("deadlines, 2 + 1", TWO_AND_ONE, 3, 1, &menu);
    bounds.frame.deadline = Some(1);
    holds(&bounds, &[Sight::TimedOut, Sight::Shared]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn accesses_with_an_old_value_wait_until_soft() {
    let menu = [Kind::Mark, Kind::Fail, Kind::Hang, Kind::WakeEarly, Kind::LoseReply];
    holds(&soft_timeouts("soft timeouts, 2 + 1", TWO_AND_ONE, 3, &menu), &[Sight::WentOn, Sight::Shared]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_deadline_before_soft_counts() {
    let menu = [Kind::Mark, Kind::Hang, Kind::Invalidate];
    let mut bounds = signals(soft_timeouts("deadlines and soft timeouts, 2 + 1", TWO_AND_ONE, 3, &menu));
    (bounds.frame.deadline, bounds.frame.soft) = (Some(1), Some(2));
    holds(&bounds, &[Sight::WentOn, Sight::TimedOut]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn accesses_have_no_time_left() {
    for (deadline, steps) in [(None, 2), (Some(1), 1)] {
        let menu = [Kind::OutOfTime, Kind::Invalidate];
        let mut bounds = long_leases(bounds("no time left, 2 + 1", TWO_AND_ONE, 2, steps, &menu));
        bounds.frame.deadline = deadline;
        holds(&bounds, &[Sight::CutOff, Sight::NotCovered]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn subscriptions_fail() {
    let menu = [Kind::NotSubscribed, Kind::LoseSignal, Kind::WakeEarly];
    let mut bounds = long_leases(bounds("subscriptions, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
    bounds.frame.settings.has_signals = true;
    holds(&bounds, &[Sight::Shared, Sight::Changed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn entries_are_due_before_they_are_stale() {
    let menu = [Kind::Mark, Kind::Set, Kind::Invalidate, Kind::Fail];
    let mut bounds = long_leases(bounds("due, 2 + 1", TWO_AND_ONE, 3, 1, &menu));
    (bounds.frame.rules.fresh_for, bounds.frame.rules.due_for) = (2, 1);
    holds(&bounds, &[Sight::Due, Sight::Held]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn entries_of_another_life_are_trusted() {
    let menu = [Kind::FailOver, Kind::Flush, Kind::EvictGrant, Kind::EvictEntry];
    let mut bounds = long_leases(bounds("trust, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
    bounds.frame.rules.other_life = OtherLife::Trust;
    holds(&bounds, &[Sight::Overlap, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn pauses_last_too_long() {
    for shows_the_rest in [true, false] {
        let menu = [Kind::Fail, Kind::Refresh];
        let mut bounds = long_pauses("long pauses, 2 + 1", TWO_AND_ONE, &menu);
        bounds.frame.rules.shows_the_rest = shows_the_rest;
        holds(&bounds, &[Sight::Paused, Sight::PassedThrough]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn creators_fail_without_the_backend() {
    holds(&own_pauses("own pauses, 1 × 2", ONE, 3), &[Sight::OwnPause, Sight::CutOff]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_fleet_has_two_leases() {
    let menu = [Kind::Kill, Kind::Stop, Kind::Hang, Kind::LoseReply];
    holds(&dead_holders_of_two_leases("two leases, 2 × 1", &menu), &[Sight::TakenOver, Sight::Renewed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn callers_refuse_what_is_there() {
    let menu = [Kind::Renewal, Kind::GiveUp, Kind::LoseReply, Kind::Mark];
    let bounds = long_leases(bounds("renewals, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
    holds(&bounds, &[Sight::Shared, Sight::Changed, Sight::CutOff]);
}
