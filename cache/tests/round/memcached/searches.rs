//! The searches.

use super::client::{Client, Program};
use super::model::{Bounds, holds};
use super::paper::Tick;
use super::world::{Kind, Plant, Sight};
use std::sync::Arc;

pub fn bounds(name: &'static str, clients: &[Client], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds {
    let (clients, menu, sights) = (clients.to_vec(), menu.to_vec(), Arc::default());
    Bounds { name, clients, ticks, lifetime: None, steps, menu, plant: Plant::Nothing, refines: true, sights }
}

/// The same, with entries that live for so long.
pub fn mortal(lifetime: Tick, bounds: Bounds) -> Bounds {
    Bounds { lifetime: Some(lifetime), ..bounds }
}

pub fn gets(left: u8, renewals: u8) -> Client {
    Client::new(Program::Gets, left, renewals)
}

/// As [`gets`], by looks that do not ask.
pub fn gets_plainly(left: u8, renewals: u8) -> Client {
    Client::new(Program::GetsPlainly, left, renewals)
}

fn refreshes(left: u8) -> Client {
    Client::new(Program::Refreshes, left, 0)
}

const CHANGES: [Kind; 3] = [Kind::Invalidate, Kind::Set, Kind::Mark];
const STRANGERS: [Kind; 5] = [Kind::Evict, Kind::Peek, Kind::Win, Kind::Junk, Kind::Persist];
const NETWORK: [Kind; 5] = [Kind::Lose, Kind::GiveUp, Kind::Double, Kind::Kill, Kind::Slow];

mod small {
    //! What a debug build searches as well.

    use super::*;

    #[test]
    fn nothing_happens_to_two_clients() {
        let bounds = bounds("memcached: nothing happens, 2 + 2", &[gets(2, 1), gets(2, 0)], 2, 0, &[]);
        holds(&bounds, &[Sight::WonStub, Sight::Appended, Sight::Renewed]);
    }

    #[test]
    fn nothing_happens_to_clients_that_do_not_ask() {
        let clients = [gets_plainly(2, 1), gets_plainly(1, 0), gets(1, 0)];
        let bounds = bounds("memcached: nothing happens, 2 + 1 that do not ask + 1", &clients, 1, 0, &[]);
        holds(&bounds, &[Sight::WonStub, Sight::Added, Sight::Appended, Sight::Renewed]);
    }

    #[test]
    fn others_change_the_place() {
        let bounds = bounds("memcached: one change, 1 + 2", &[gets(1, 1), gets(2, 0)], 1, 1, &CHANGES);
        holds(&bounds, &[Sight::WonStub, Sight::Appended, Sight::Renewed, Sight::Refused, Sight::Orphan]);
    }
}

/// Entries that are over while something else is in their items.
mod lifetimes {
    use super::*;

    #[test]
    fn a_grant_outlives_its_entry() {
        let bounds = bounds("memcached: a grace of 1, 2 + 1", &[gets(2, 1), gets(1, 0)], 4, 0, &[]);
        holds(&mortal(2, bounds), &[Sight::Outlived, Sight::Renewed]);
    }

    #[test]
    fn a_pause_outlives_its_entry() {
        let bounds = bounds("memcached: a pause, 2 + 1", &[gets(2, 0), gets(1, 0)], 4, 1, &[Kind::Fail]);
        holds(&mortal(2, bounds), &[Sight::Outlived, Sight::PausedOn]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn what_happens_over_entries_that_end_soon() {
        let menu = [Kind::Fail, Kind::Drop, Kind::Kill, Kind::Slow, Kind::Mark];
        let bounds = bounds("memcached: a grace of 1, with failures, 2 + 2", &[gets(2, 1), gets(2, 0)], 5, 1, &menu);
        holds(&mortal(2, bounds), &[Sight::Outlived, Sight::PausedOn, Sight::Renewed, Sight::Refused, Sight::Late]);
    }

    /// The first claim and the first renewal append; the next ones do not.
    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn what_happens_over_entries_that_end_later() {
        let menu = [Kind::Set, Kind::Mark, Kind::Fail, Kind::Slow];
        let bounds = bounds("memcached: a grace of 4, 1 + 2", &[gets(1, 2), gets(2, 0)], 7, 1, &menu);
        holds(&mortal(5, bounds), &[Sight::Appended, Sight::Outlived, Sight::Renewed, Sight::Stale]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn a_touch_ends_no_grant_and_no_pause() {
        let clients = [gets(2, 1), Client::new(Program::Touches, 1, 0), gets(1, 0)];
        let bounds = bounds("memcached: a touch, 2 + 1 + 1", &clients, 3, 1, &[Kind::Fail, Kind::Mark]);
        holds(&mortal(5, bounds), &[Sight::Renewed, Sight::Fenced, Sight::Outlived, Sight::PausedOn]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn nothing_is_set_over_an_entry_that_is_over() {
        let clients = [gets(2, 1), Client::new(Program::SetsIf, 2, 0)];
        let bounds = bounds("memcached: sets if, with a grace of 1, 2 + 2", &clients, 4, 1, &[Kind::Slow, Kind::Mark]);
        holds(&mortal(2, bounds), &[Sight::Renewed, Sight::Fenced, Sight::Outlived]);
    }
}

/// The searches for a release build.
mod full {
    use super::*;

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn nothing_happens_to_three_clients() {
        let bounds = bounds("memcached: nothing happens, 2 + 1 + 1", &[gets(2, 1), gets(1, 1), gets(1, 0)], 2, 0, &[]);
        holds(&bounds, &[Sight::WonStub, Sight::Appended, Sight::Renewed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn others_change_the_place_twice() {
        let sights = [Sight::Renewed, Sight::Refused, Sight::Stale, Sight::Orphan, Sight::Changed];
        holds(&bounds("memcached: changes, 2 + 2", &[gets(2, 1), gets(2, 1)], 1, 2, &CHANGES), &sights);
        let clients = [gets_plainly(2, 1), gets(2, 0)];
        let plain = bounds("memcached: changes, 2 that do not ask + 2", &clients, 1, 2, &CHANGES);
        holds(&plain, &[Sight::Renewed, Sight::Refused, Sight::Stale, Sight::Changed, Sight::Added]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn strangers_come_between() {
        let menu = [&STRANGERS[..], &[Kind::Mark]].concat();
        let bounds = bounds("memcached: strangers, 2 + 1", &[gets(2, 1), gets(1, 0)], 1, 3, &menu);
        holds(&bounds, &[Sight::Renewed, Sight::Refused, Sight::Stale]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn requests_and_replies_are_lost_and_doubled() {
        let menu = [&NETWORK[..], &[Kind::Invalidate, Kind::Set]].concat();
        holds(
            &bounds("memcached: network, 2 + 1", &[gets(2, 1), gets(1, 0)], 1, 3, &menu),
            &[Sight::Refused, Sight::Renewed],
        );
        let clients = [gets_plainly(2, 1), gets_plainly(1, 0)];
        let plain = bounds("memcached: network, 2 + 1 that do not ask", &clients, 1, 3, &menu);
        holds(&plain, &[Sight::Added, Sight::Refused, Sight::Renewed]);
        // (Whose an addition is that was executed twice, and was marked, nobody can tell.)
        let menu: Vec<Kind> = [&menu[..], &[Kind::Mark]].concat();
        let menu: Vec<Kind> = menu.into_iter().filter(|kind| *kind != Kind::Double).collect();
        let plain = bounds("memcached: network and marks, 2 + 1 that do not ask", &clients, 1, 3, &menu);
        holds(&plain, &[Sight::Added, Sight::Refused, Sight::Renewed, Sight::Stale]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn the_server_restarts() {
        // The numbers of two lives collide.
        let menu = [Kind::Restart, Kind::Mark, Kind::GiveUp];
        holds(&bounds("memcached: lives, 2 + 2", &[gets(2, 1), gets(2, 1)], 1, 2, &menu), &[Sight::Refused]);
        let clients = [gets_plainly(2, 1), gets_plainly(2, 1)];
        let plain = bounds("memcached: lives, 2 + 2 that do not ask", &clients, 1, 2, &menu);
        holds(&plain, &[Sight::Added, Sight::Refused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn creators_fail() {
        let menu = [Kind::Fail, Kind::Drop, Kind::Mark, Kind::Set];
        let bounds = bounds("memcached: creators, 2 + 1 refresh", &[gets(2, 1), refreshes(1)], 3, 2, &menu);
        holds(&bounds, &[Sight::Paused, Sight::Renewed, Sight::Refused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn dead_holders_are_claimed_over() {
        let menu = [Kind::Kill, Kind::Persist, Kind::Set, Kind::Restart, Kind::Slow];
        let sights = [Sight::OverDead, Sight::Late, Sight::Refused];
        holds(&bounds("memcached: dead holders, 1 + 3", &[gets(1, 0), gets(3, 0)], 5, 2, &menu), &sights);
        let clients = [gets_plainly(1, 0), gets_plainly(3, 0)];
        // (What was added says when its lease ends, whatever a stranger does to its lifetime.)
        let sights = [Sight::Added, Sight::Late, Sight::Refused];
        holds(&bounds("memcached: dead holders, 1 + 3 that do not ask", &clients, 5, 2, &menu), &sights);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn leases_are_over() {
        let menu = [Kind::Mark, Kind::Set, Kind::Slow];
        let bounds = bounds("memcached: leases, 1 + 2", &[gets(1, 2), gets(2, 0)], 5, 2, &menu);
        holds(&bounds, &[Sight::Renewed, Sight::Refused, Sight::Late]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn others_touch_the_entry_and_set_if() {
        for program in [Program::Touches, Program::SetsIf] {
            let clients = [gets(2, 1), Client::new(program, 2, 0)];
            let bounds = bounds("memcached: touches, or sets if, 2 + 2", &clients, 1, 2, &CHANGES);
            holds(&bounds, &[Sight::Fenced, Sight::Renewed]);
        }
    }
}
