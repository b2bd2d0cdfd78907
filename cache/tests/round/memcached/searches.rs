//! The searches.

use super::client::{Client, Program};
use super::model::{Bounds, holds};
use super::paper::Tick;
use super::world::{Kind, Plant, Sight};
use std::sync::Arc;

pub fn bounds(name: &'static str, clients: &[Client], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds {
    let (clients, menu, sights) = (clients.to_vec(), menu.to_vec(), Arc::default());
    Bounds { name, clients, ticks, steps, menu, plant: Plant::Nothing, refines: true, sights }
}

pub fn gets(left: u8, renewals: u8) -> Client {
    Client::new(Program::Gets, left, renewals)
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
    fn others_change_the_place() {
        let bounds = bounds("memcached: one change, 1 + 2", &[gets(1, 1), gets(2, 0)], 1, 1, &CHANGES);
        holds(&bounds, &[Sight::WonStub, Sight::Appended, Sight::Renewed, Sight::Refused, Sight::Orphan]);
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
        let bounds = bounds("memcached: changes, 2 + 2", &[gets(2, 1), gets(2, 1)], 1, 2, &CHANGES);
        holds(&bounds, &[Sight::Renewed, Sight::Refused, Sight::Stale, Sight::Orphan, Sight::Changed]);
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
        let bounds = bounds("memcached: network, 2 + 1", &[gets(2, 1), gets(1, 0)], 1, 3, &menu);
        holds(&bounds, &[Sight::Refused, Sight::Renewed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn the_server_restarts() {
        // The numbers of two lives collide.
        let menu = [Kind::Restart, Kind::Mark, Kind::GiveUp];
        let bounds = bounds("memcached: lives, 2 + 2", &[gets(2, 1), gets(2, 1)], 1, 2, &menu);
        holds(&bounds, &[Sight::Refused]);
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
        let bounds = bounds("memcached: dead holders, 1 + 3", &[gets(1, 0), gets(3, 0)], 5, 2, &menu);
        holds(&bounds, &[Sight::OverDead, Sight::Late, Sight::Refused]);
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
