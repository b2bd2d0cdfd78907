//! Model (i): `Access`, driven by a model checker over an ideal backend. Model (ii) is that of a server:
//!
//! | | what is searched |
//! |---|---|
//! | `redis` | `Access` over the scripts, each of which is one step of the server |
//! | `memcached` | the crate's own steps over the server's commands (with the feature `memcached`) |
//! | `postgres` | the functions, statement by statement, beside transactions of a user's |
//!
//! A debug build searches small instances. All searches: `cargo test --release -p dogpile-cache --test round`, and with
//! `-- --nocapture` they print how many states they have met.
//!
//! Each search is exhausted within its bounds: the number of processes, of tasks in each and of accesses of each task;
//! the number of ticks of the clock; the number of steps of the environment, and from which menu they are taken. A tick
//! passes only when nothing is left to be done at this moment, but for what is slow, stopped, or a creator that runs.
//!
//! States that differ in names alone are one: the order of processes and of tasks, tokens that nobody knows any more,
//! marks of a process in which nothing runs. A reply is delivered together with the execution where no step of its
//! process or of the environment can come between.
//!
//! `small` and `full`, below, search what goes wrong around the round, and `limits` what bounds it: deadlines, pauses,
//! leases.
//! `planted` has the mistakes that the searches must find. `steps` has single steps, without a search.

mod checks;
mod environment;
mod history;
mod ideal;
mod light;
mod limits;
#[cfg(feature = "memcached")]
mod memcached;
mod messages;
mod model;
mod names;
mod planted;
mod postgres;
mod process;
mod redis;
mod server;
mod steps;

use crate::environment::Kind;
use crate::history::Sight;
use crate::model::Bounds;
use crate::process::{Frame, time};
use crate::server::{Broken, Rules, Server, Tick};
use dogpile_cache::round::{Faults, OnBackendFailure, OtherLife, Settings};
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

const LEASE: Tick = 3;

fn bounds(name: &'static str, accesses: &[&[u8]], ticks: Tick, steps: u8, menu: &[Kind]) -> Bounds {
    let settings = Settings {
        lease: time(LEASE),
        grain: time(0),
        poll: time(1),
        creation_timeout: time(5),
        has_signals: false,
        on_backend_failure: OnBackendFailure::Elect,
        longest_pause: time(9),
        backend_pause: time(1),
        own_for: time(1),
        faults: Faults::default(),
    };
    let rules = Rules {
        lease: LEASE,
        grain: 0,
        fresh_for: 2,
        due_for: 0,
        void_pause: 1,
        pause: 1,
        own_pause: 1,
        leases_end: true,
        shows_the_rest: true,
        fails_over: menu.contains(&Kind::FailOver),
        other_life: OtherLife::Revalidate,
        by_the_paper: false,
        signals_travel: false,
        refines: false,
        light: false,
        broken: Broken::default(),
    };
    Bounds {
        name,
        accesses: accesses.iter().map(|tasks| tasks.to_vec()).collect(),
        ticks,
        steps,
        menu: menu.to_vec(),
        frame: Frame { rules, settings, long: None, deadline: None, soft: None },
        sights: Arc::default(),
        server: PhantomData,
    }
}

/// Searches all runs within the bounds. Returns the law that was broken, and prints how.
fn search<S: Server>(bounds: &Bounds<S>, is_planted: bool) -> Option<&'static str> {
    let seen = || {
        let sights = bounds.sights.load(Ordering::Relaxed);
        let sights: Vec<Sight> = Sight::ALL.into_iter().filter(|sight| sights & (1 << *sight as u8) != 0).collect();
        format!("; seen: {sights:?}")
    };
    explore(bounds.clone(), bounds.name, is_planted, seen, ToString::to_string)
}

/// Searches all runs of a model. Returns the law that was broken, and prints how.
///
/// A planted fault may break several laws. So that the same one is found each time, one thread searches for it, and of
/// the laws that are broken in one state the first by name is returned.
fn explore<M: Model + Send + Sync + 'static>(
    model: M,
    name: &str,
    is_planted: bool,
    seen: impl FnOnce() -> String,
    shown: impl Fn(&M::State) -> String,
) -> Option<&'static str>
where
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let begun = Instant::now();
    let threads = if is_planted { 1 } else { 2 };
    let checker = model.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    println!(
        "{name}: {} states ({} met), depth {}, {:.1} s; {}{}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f64(),
        if found.is_empty() { "exhausted" } else { "broken" },
        seen(),
    );
    if let Some((law, path)) = found.into_iter().min_by_key(|(law, _)| *law) {
        if is_planted {
            println!("  {law} is broken by {:?}", path.into_actions());
        } else {
            println!("  {law} is broken by:");
            for (state, step) in path.into_vec() {
                println!("    {}\n    {step:?}", shown(&state));
            }
        }
        return Some(law);
    }
    assert!(checker.is_done());
    None
}

/// With leases that no run outlives, and values that live for a tick: what has nothing to do with leases needs few
/// ticks.
fn long_leases<S: Server>(mut bounds: Bounds<S>) -> Bounds<S> {
    bounds.frame.rules.lease = 9;
    bounds.frame.settings.lease = time(9);
    bounds.frame.settings.creation_timeout = time(9);
    bounds.frame.rules.fresh_for = 1;
    bounds
}

/// With signals, and polls that are longer than a run.
fn signals<S: Server>(mut bounds: Bounds<S>) -> Bounds<S> {
    bounds.frame.settings.has_signals = true;
    bounds.frame.settings.poll = time(9);
    bounds
}

/// The search is exhausted, no law is broken, and the run has shown at least these.
fn holds<S: Server>(bounds: &Bounds<S>, sights: &[Sight]) {
    assert_eq!(search(bounds, false), None, "a law is broken");
    let seen = bounds.sights.load(Ordering::Relaxed);
    for sight in sights {
        assert!(seen & (1 << *sight as u8) != 0, "{}: {sight:?} was never met", bounds.name);
    }
}

const ONE: &[&[u8]] = &[&[1, 1]];
const TWO_LONE: &[&[u8]] = &[&[1], &[1]];
const TWO_AND_ONE: &[&[u8]] = &[&[1, 1], &[1]];
const TWO: &[&[u8]] = &[&[1, 1], &[1, 1]];
const THREE: &[&[u8]] = &[&[1, 1], &[1, 1], &[1, 1]];

mod small {
    //! What a debug build searches as well.

    use super::*;

    #[test]
    fn nothing_happens_to_two_processes() {
        let bounds = long_leases(bounds("nothing happens, 2 × 2", TWO, 1, 0, &[]));
        holds(&bounds, &[Sight::Shared, Sight::NotCovered, Sight::Changed]);
    }

    #[test]
    fn the_server_has_an_accident() {
        let menu = [Kind::EvictGrant, Kind::EvictEntry, Kind::Flush, Kind::FailOver];
        let bounds = long_leases(bounds("accidents, 2 × 1", TWO_LONE, 1, 1, &menu));
        holds(&bounds, &[Sight::Overlap, Sight::Refused]);
    }
}

/// The searches for a release build: `cargo test --release -p dogpile-cache --test round`.
mod full {
    use super::*;

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn nothing_happens_to_three_processes() {
        let bounds = long_leases(bounds("nothing happens, 3 × 2", THREE, 1, 0, &[]));
        holds(&bounds, &[Sight::Shared, Sight::NotCovered, Sight::Changed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn leases_are_renewed() {
        let bounds = bounds("nothing happens, short leases, 2 × 2", TWO, 4, 0, &[]);
        holds(&bounds, &[Sight::Renewed, Sight::Held]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn others_invalidate_set_and_mark() {
        let menu = [Kind::Invalidate, Kind::Set, Kind::Mark, Kind::EvictEntry];
        let bounds = long_leases(bounds("changes, 2 × 2", TWO, 2, 1, &menu));
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::NotCovered]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn others_change_twice() {
        let menu = [Kind::Invalidate, Kind::Set, Kind::Mark, Kind::EvictEntry];
        let bounds = long_leases(bounds("two changes, 2 + 1", TWO_AND_ONE, 1, 2, &menu));
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::NotCovered]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn creators_fail_and_callers_go() {
        let menu = [Kind::Fail, Kind::Unwanted, Kind::Cancel, Kind::Refresh];
        let bounds = long_leases(bounds("creators, 2 × 2", TWO, 2, 1, &menu));
        holds(&bounds, &[Sight::Paused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn creators_fail_and_callers_go_twice() {
        let menu = [Kind::Fail, Kind::Unwanted, Kind::Cancel, Kind::Refresh];
        let bounds = long_leases(bounds("creators twice, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
        holds(&bounds, &[Sight::Paused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn requests_and_replies_are_lost_and_doubled() {
        let menu = [Kind::GiveUp, Kind::LoseReply, Kind::Double];
        let bounds = long_leases(bounds("network, 2 + 1", TWO_AND_ONE, 2, 2, &menu));
        holds(&bounds, &[Sight::CutOff, Sight::Refused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn an_invalidation_is_not_told() {
        let menu = [Kind::InvalidateHere, Kind::GiveUp, Kind::LoseReply];
        let bounds = long_leases(bounds("untold, 1 × 2", ONE, 2, 3, &menu));
        holds(&bounds, &[Sight::CutOff, Sight::NotCovered]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn the_backend_is_down_and_the_process_does_not_elect() {
        for policy in [OnBackendFailure::OldOnly, OnBackendFailure::Fail] {
            let menu = [Kind::InvalidateHere, Kind::GiveUp, Kind::LoseReply, Kind::OutOfTime];
            let mut bounds = long_leases(bounds("no election when down, 1 × 2", ONE, 1, 2, &menu));
            bounds.frame.settings.on_backend_failure = policy;
            holds(&bounds, &[Sight::NotCovered]);
        }
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn the_server_loses_its_data_or_its_clock_steps() {
        let menu = [Kind::EvictGrant, Kind::Flush, Kind::FailOver, Kind::ClockForward, Kind::ClockBack];
        let bounds = bounds("server, 2 + 1", TWO_AND_ONE, 3, 1, &menu);
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Renewed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn what_was_invalidated_comes_back_with_a_failover() {
        for other_life in [OtherLife::Revalidate, OtherLife::Distrust] {
            let menu = [Kind::FailOver, Kind::Invalidate];
            let mut bounds = long_leases(bounds("failover and invalidation, 2 × 1", &[&[2], &[1]], 1, 2, &menu));
            bounds.frame.rules.other_life = other_life;
            holds(&bounds, &[Sight::Overlap, Sight::Refused]);
        }
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn processes_stop_and_die() {
        let menu = [Kind::Stop, Kind::Kill, Kind::Slow, Kind::Hang];
        let bounds = bounds("processes, 2 + 1", TWO_AND_ONE, 4, 1, &menu);
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::Renewed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn dead_holders_are_claimed_over() {
        // The bound of G5 is 5 ticks after the fault.
        let menu = [Kind::Kill, Kind::Stop, Kind::Hang];
        let mut bounds = bounds("dead holders, no leases of the server, 2 × 1", TWO_LONE, 8, 1, &menu);
        bounds.frame.rules.leases_end = false;
        holds(&bounds, &[Sight::TakenOver, Sight::Overlap]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn leases_end_a_grain_early() {
        let menu = [Kind::Slow, Kind::LoseReply, Kind::Stop];
        let mut bounds = bounds("grain, 2 × 1", TWO_LONE, 5, 2, &menu);
        (bounds.frame.rules.lease, bounds.frame.rules.grain) = (4, 1);
        (bounds.frame.settings.lease, bounds.frame.settings.grain) = (time(4), time(1));
        holds(&bounds, &[Sight::Overlap, Sight::Renewed]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn signals_wake() {
        let menu = [Kind::LoseSignal, Kind::Invalidate, Kind::Fail];
        let bounds = signals(long_leases(bounds("signals, 2 + 1", TWO_AND_ONE, 1, 1, &menu)));
        holds(&bounds, &[Sight::Shared]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn a_look_does_not_show_the_rest() {
        let menu = [Kind::Invalidate, Kind::Fail, Kind::Cancel];
        let mut bounds = signals(long_leases(bounds("looks without the rest, 2 + 1", TWO_AND_ONE, 1, 1, &menu)));
        bounds.frame.rules.shows_the_rest = false;
        holds(&bounds, &[Sight::Shared, Sight::Refused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn anything_happens_once() {
        let menu: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::InvalidateHere).collect();
        let bounds = bounds("anything once, 2 × 2", TWO, 1, 1, &menu);
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::NotCovered, Sight::Paused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn anything_happens_once_to_three_processes() {
        let bounds = bounds("anything once, 3 × 1", &[&[1], &[1], &[1]], 2, 1, &Kind::ALL);
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::CutOff, Sight::Paused]);
    }

    #[test]
    #[cfg_attr(debug_assertions, ignore = "takes minutes without optimization")]
    fn anything_happens_twice() {
        // Less `OutOfTime`, which is as `GiveUp` and `LoseReply`, and has a search of its own.
        let menu: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::OutOfTime).collect();
        let bounds = bounds("anything twice, 2 × 1", TWO_LONE, 3, 2, &menu);
        holds(&bounds, &[Sight::Overlap, Sight::Refused, Sight::TakenOver, Sight::CutOff, Sight::Paused]);
    }
}
