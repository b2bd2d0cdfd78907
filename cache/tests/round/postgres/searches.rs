//! The searches.

use super::client::{Client, Program};
use super::model::{Bounds, gets, holds};
use super::statements::{At, LISTING};
use super::world::{Kind, Plant, Sight};
use crate::environment::Kind as Change;
use crate::server::Tick;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub fn bounds(name: &'static str, clients: &[Client], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds {
    let mut rules = crate::bounds(name, &[], ticks, steps, &[]).frame.rules;
    rules.shows_the_rest = false;
    rules.by_the_paper = true;
    rules.fresh_for = 9;
    let (clients, menu) = (clients.to_vec(), menu.to_vec());
    let (sights, executed) = (Arc::default(), Arc::default());
    Bounds { name, clients, ticks, steps, menu, rules, plant: Plant::Nothing, refines: true, sights, executed }
}

pub fn listens(left: u8) -> Client {
    Client::new(Program::Listens, left, 0)
}

pub fn changes(change: Change) -> Client {
    Client::new(Program::Changes(change), 1, 0)
}

pub fn refreshes(left: u8) -> Client {
    Client::new(Program::Refreshes, left, 0)
}

/// What a user does in a transaction that stays open.
const USER: [Kind; 7] = [
    Kind::UserSets,
    Kind::UserMarks,
    Kind::UserInvalidates,
    Kind::UserTakesPlace,
    Kind::UserTakesEntry,
    Kind::UserDeletesPlace,
    Kind::UserDeletesEntry,
];

const NETWORK: [Kind; 5] = [Kind::GiveUp, Kind::Lose, Kind::Abort, Kind::Kill, Kind::Double];

fn anything() -> Vec<Kind> {
    let own = [Kind::Fail, Kind::Drop, Kind::Slow, Kind::Crash, Kind::Restart, Kind::Anew];
    [&USER[..], &NETWORK, &own, &[Kind::ClockForward, Kind::ClockBack]].concat()
}

#[test]
fn nothing_happens_to_two_processes() {
    let bounds = bounds("PostgreSQL: nothing happens, 2 + 1", &[gets(2, 1), gets(1, 0)], 1, 0, &[]);
    holds(&bounds, &[Sight::Locked, Sight::Changed, Sight::Stored, Sight::Renewed]);
}

#[test]
fn a_users_transaction_comes_between() {
    let bounds = bounds("PostgreSQL: a user, 1 × 1", &[gets(1, 1)], 1, 1, &USER);
    holds(&bounds, &[Sight::LockedByAUser, Sight::Skipped, Sight::Vanished, Sight::AUserWaits, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn nothing_happens_to_three_processes() {
    let clients = [gets(2, 1), gets(1, 0), gets(1, 0)];
    let bounds = bounds("PostgreSQL: nothing happens, 2 + 1 + 1", &clients, 1, 0, &[]);
    holds(&bounds, &[Sight::Locked, Sight::Changed, Sight::Stored, Sight::Renewed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_users_transaction_comes_between_two_processes() {
    let bounds = bounds("PostgreSQL: a user, 1 × 2", &[gets(1, 1), gets(1, 0)], 1, 2, &USER);
    holds(&bounds, &[Sight::LockedByAUser, Sight::Skipped, Sight::Vanished, Sight::AUserWaits, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn a_user_does_several_things_in_one_transaction() {
    let bounds = bounds("PostgreSQL: a user, three times", &[gets(2, 0)], 1, 3, &USER);
    holds(&bounds, &[Sight::LockedByAUser, Sight::Skipped, Sight::Vanished, Sight::Refused, Sight::Changed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn others_set_mark_and_invalidate() {
    for change in [Change::Set, Change::Mark, Change::Invalidate] {
        let bounds =
            bounds("PostgreSQL: changes, 2 + 1 + a change", &[gets(2, 1), gets(1, 0), changes(change)], 1, 0, &[]);
        let refuses = if change == Change::Mark { Sight::Renewed } else { Sight::Refused };
        holds(&bounds, &[Sight::Locked, Sight::Stored, refuses]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn others_change_beside_a_users_transaction() {
    for change in [Change::Set, Change::Mark, Change::Invalidate] {
        let menu = &USER[..5];
        let bounds =
            bounds("PostgreSQL: a user and a change, 2 + a change", &[gets(2, 1), changes(change)], 1, 1, menu);
        let refuses = if change == Change::Mark { Sight::Renewed } else { Sight::Refused };
        holds(&bounds, &[Sight::LockedByAUser, Sight::AUserWaits, Sight::Stored, refuses]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn requests_and_replies_are_lost() {
    let menu = [&NETWORK[..], &[Kind::UserInvalidates, Kind::UserTakesPlace]].concat();
    let bounds = bounds("PostgreSQL: network, 1 + 1", &[gets(1, 0), gets(1, 0)], 3, 2, &menu);
    holds(&bounds, &[Sight::Locked, Sight::LockedByAUser, Sight::LostByTheRow, Sight::Refused, Sight::Again]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn leases_end_beside_a_users_transaction() {
    let menu = [Kind::UserMarks, Kind::UserTakesPlace, Kind::UserInvalidates, Kind::Slow];
    let bounds = bounds("PostgreSQL: leases, 1 + 1", &[gets(1, 1), gets(1, 0)], 4, 2, &menu);
    holds(&bounds, &[Sight::Overlap, Sight::LostByTheRow, Sight::Refused, Sight::Renewed]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn creators_fail() {
    let menu = [Kind::Fail, Kind::Drop, Kind::UserSets, Kind::UserTakesPlace, Kind::UserDeletesPlace];
    let bounds = bounds("PostgreSQL: creators, 2 + 1 refresh", &[gets(2, 0), refreshes(1)], 2, 2, &menu);
    holds(&bounds, &[Sight::Paused, Sight::LockedByAUser, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_server_restarts() {
    let menu = [Kind::Crash, Kind::Restart, Kind::UserSets, Kind::Lose];
    let bounds = bounds("PostgreSQL: lives, 1 + 2", &[gets(1, 0), gets(2, 0)], 1, 2, &menu);
    holds(&bounds, &[Sight::OtherLife, Sight::Stored, Sight::LockedByAUser]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_tables_are_made_anew_under_open_connections() {
    let bounds = bounds("PostgreSQL: tables made anew, 1 + 2", &[gets(1, 1), gets(2, 0)], 1, 1, &[Kind::Anew]);
    holds(&bounds, &[Sight::OtherLife, Sight::Stored]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn signals_wake() {
    let menu = [Kind::Fail, Kind::Drop, Kind::Crash, Kind::Lose, Kind::UserInvalidates];
    let bounds = bounds("PostgreSQL: signals, 1 + 2", &[listens(1), gets(2, 0)], 1, 1, &menu);
    holds(&bounds, &[Sight::Woken, Sight::NotFree, Sight::LockedByAUser]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn changes_wake() {
    for change in [Change::Set, Change::Mark, Change::Invalidate] {
        let clients = [listens(1), gets(1, 0), changes(change)];
        let bounds = bounds("PostgreSQL: signals of changes, 1 + 1 + a change", &clients, 1, 0, &[]);
        holds(&bounds, &[Sight::Woken, Sight::NotFree]);
    }
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn anything_happens_twice() {
    let bounds = bounds("PostgreSQL: anything twice, 2", &[gets(2, 1)], 2, 2, &anything());
    holds(&bounds, &[Sight::LockedByAUser, Sight::Vanished, Sight::OtherLife, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn the_clock_steps() {
    let menu = [Kind::ClockForward, Kind::ClockBack, Kind::Kill];
    let clients = [gets(1, 0), Client::new(Program::Watches, 2, 0)];
    let bounds = bounds("PostgreSQL: clock, 1 + 2 that watch", &clients, 4, 2, &menu);
    holds(&bounds, &[Sight::TakenOver, Sight::Overlap, Sight::Refused]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn anything_happens_once() {
    let clients = [gets(1, 1), gets(1, 0)];
    let bounds = bounds("PostgreSQL: anything once, 1 + 1", &clients, 1, 1, &anything());
    holds(&bounds, &[Sight::LockedByAUser, Sight::Vanished, Sight::OtherLife, Sight::Refused, Sight::Overlap]);
}

/// A statement that no search executes is not modelled. The model stores entries that live, and has no `set_if`.
#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
fn each_statement_is_executed() {
    let all = Arc::new(AtomicU64::new(0));
    let searched = |mut bounds: Bounds| {
        bounds.executed = Arc::clone(&all);
        // A pause that outlives a lease.
        bounds.rules.pause = 3;
        holds(&bounds, &[]);
    };
    for change in [Change::Set, Change::Mark, Change::Invalidate] {
        let clients = [refreshes(2), changes(change)];
        searched(bounds("PostgreSQL: long pauses, 2 refresh + a change", &clients, 3, 2, &[Kind::Fail, Kind::Drop]));
    }
    searched(bounds("PostgreSQL: a look and a set", &[gets(1, 0), changes(Change::Set)], 1, 0, &[]));
    searched(bounds("PostgreSQL: anything once, 2", &[gets(2, 1)], 1, 1, &anything()));
    let listed = LISTING.iter().flat_map(|(_, listed)| listed.iter().filter_map(|(_, at)| *at));
    let is_executed = |at: At| all.load(Ordering::Relaxed) & (1 << at as u8) != 0;
    let never: Vec<At> = listed.filter(|at| !is_executed(*at)).collect();
    assert_eq!(never, [At::PutDelete, At::SetValue], "statements that no search has executed");
}
