//! The searches of model (ii).

use super::server::Redis;
use crate::environment::Kind;
use crate::history::Sight;
use crate::model::Bounds;
use crate::process::time;
use crate::server::Tick;
use crate::{ONE, TWO_AND_ONE, TWO_LONE, holds, long_leases, signals};
use dogpile_cache::round::OtherLife;
use std::marker::PhantomData;

/// A search over Redis. Each step of the server is compared with that of the ideal backend.
pub fn bounds(name: &'static str, accesses: &[&[u8]], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds<Redis> {
    let Bounds { mut frame, sights, .. } = crate::bounds(name, accesses, ticks, steps, menu);
    frame.rules.shows_the_rest = false;
    frame.rules.by_the_paper = true;
    frame.rules.signals_travel = true;
    frame.rules.refines = true;
    let accesses = accesses.iter().map(|tasks| tasks.to_vec()).collect();
    Bounds { name, accesses, ticks, steps, menu: menu.to_vec(), frame, sights, server: PhantomData }
}

/// What strangers do at our keys, and what the server evicts.
pub const STRANGERS: [Kind; 7] = [
    Kind::EvictGrant,
    Kind::EvictEntry,
    Kind::EvictPause,
    Kind::JunkGrant,
    Kind::JunkEntry,
    Kind::JunkPause,
    Kind::Persist,
];

#[test]
fn nothing_happens_to_two_processes() {
    let bounds = signals(long_leases(bounds("Redis: nothing happens, 2 + 1", TWO_AND_ONE, 1, 0, &[])));
    holds(&bounds, &[Sight::Shared, Sight::Changed]);
}

#[test]
fn a_stranger_comes_between() {
    let bounds = long_leases(bounds("Redis: strangers, 2 × 1", TWO_LONE, 1, 1, &STRANGERS));
    holds(&bounds, &[Sight::Overlap, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn strangers_come_between_twice() {
    let menu = [&STRANGERS[..], &[Kind::Fail, Kind::Refresh, Kind::Invalidate]].concat();
    let bounds = long_leases(bounds("Redis: strangers, creators and invalidations, 2 × 1", TWO_LONE, 2, 3, &menu));
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Paused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn leases_are_renewed_and_evicted() {
    let menu = [Kind::EvictGrant, Kind::Persist, Kind::JunkGrant, Kind::Slow, Kind::Double];
    let bounds = bounds("Redis: short leases, 2 × 1", TWO_LONE, 4, 2, &menu);
    holds(&bounds, &[Sight::Overlap, Sight::Renewed, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn others_invalidate_set_and_mark() {
    let menu = [Kind::Invalidate, Kind::Set, Kind::Mark, Kind::EvictEntry];
    let bounds = signals(long_leases(bounds("Redis: changes, 2 × 1", TWO_LONE, 1, 3, &menu)));
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Changed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn requests_and_replies_are_lost_and_doubled() {
    let menu = [Kind::GiveUp, Kind::LoseReply, Kind::Double, Kind::Invalidate];
    let bounds = long_leases(bounds("Redis: network, 2 × 1", TWO_LONE, 2, 3, &menu));
    holds(&bounds, &[Sight::CutOff, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_server_fails_over_and_back() {
    for other_life in [OtherLife::Revalidate, OtherLife::Distrust, OtherLife::Trust] {
        // (A region that trusts entries of another life gets back what was invalidated.)
        let other = if other_life == OtherLife::Trust { Kind::EvictEntry } else { Kind::Invalidate };
        let menu = [Kind::FailOver, Kind::Flush, other, Kind::GiveUp];
        let mut bounds = long_leases(bounds("Redis: lives, 2 × 1", TWO_LONE, 1, 3, &menu));
        bounds.frame.rules.other_life = other_life;
        holds(&bounds, &[Sight::Overlap, Sight::Refused]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_clock_steps() {
    let menu = [Kind::ClockForward, Kind::ClockBack, Kind::Kill, Kind::Double];
    let bounds = bounds("Redis: clock, 2 × 1", TWO_LONE, 5, 2, &menu);
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Renewed, Sight::TakenOver]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn signals_wake() {
    let menu = [Kind::LoseSignal, Kind::Gap, Kind::WakeEarly, Kind::NotSubscribed, Kind::Fail, Kind::Invalidate];
    let bounds = signals(long_leases(bounds("Redis: signals, 2 + 1", TWO_AND_ONE, 1, 2, &menu)));
    holds(&bounds, &[Sight::Shared, Sight::Paused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn waits_end_without_a_signal() {
    // The bound of G5 is 5 ticks after the fault.
    let menu = [Kind::Kill, Kind::Stop, Kind::LoseSignal, Kind::EvictGrant, Kind::Invalidate];
    let mut bounds = bounds("Redis: bounded waits, 2 × 1", TWO_LONE, 7, 1, &menu);
    bounds.frame.settings.has_signals = true;
    holds(&bounds, &[Sight::Overlap, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_process_invalidates_and_is_not_answered() {
    let menu = [Kind::InvalidateHere, Kind::GiveUp, Kind::LoseReply];
    let bounds = long_leases(bounds("Redis: untold, 1 × 2", ONE, 1, 2, &menu));
    holds(&bounds, &[Sight::CutOff, Sight::NotCovered]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn anything_happens_once() {
    let menu = [&Kind::ALL[..], &Kind::OF_REDIS].concat();
    let mut bounds = bounds("Redis: anything once, 2 + 1", TWO_AND_ONE, 1, 1, &menu);
    bounds.frame.settings.poll = time(2);
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Paused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn two_things_happen_to_the_server() {
    let menu = [
        &STRANGERS[..],
        &[Kind::FailOver, Kind::Flush, Kind::ClockForward, Kind::ClockBack],
        &[Kind::Invalidate, Kind::Set, Kind::Mark, Kind::GiveUp, Kind::Double, Kind::Fail],
    ];
    let bounds = long_leases(bounds("Redis: two things, 2 × 1", TWO_LONE, 1, 2, &menu.concat()));
    holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::CutOff, Sight::Paused]);
}
