//! What do readers notice of expiry?
//!
//! A value lives for 50 ms, and takes 10 ms to create. The same load runs beside that with a value that does not
//! expire. With `Cached`, the elected read takes as long as the creator, and no other read does. In the background not
//! even the elected read does. The table says what the peers cannot do. `once_cell` cannot take part.
//!
//! There are two loads. Readers without a pause show how much throughput is left, but hide waits: see [`Load::pace`].
//! Readers with a pause show the waits. A thousandth of their reads is so few that the elected reads are a good part of
//! it.

use crate::interleaved::{median, verdict};
use crate::load::{LASTS, Load, Seen};
use crate::place::Source;
use crate::subjects::{CACHED, IN_BACKGROUND, OTHERS, Peer};
use crate::table::{self, digits, time};
use crate::{CREATION, SHORT, STILL, picture};
use std::time::Duration;

/// The goal of the 99.9th percentile, in that of the load where nothing expires. In the background, also the goal of
/// the slowest read.
const GOAL: f64 = 1.2;

const ROUNDS: usize = 7;

/// One reader for each core of a small machine, as fast as they can read.
const FLAT_OUT: Load = Load { name: "flat out", readers: 2, pace: None };

/// The load of a busy server: up to 64,000 reads a second.
pub const PACED: Load = Load { name: "paced", readers: 64, pace: Some(Duration::from_millis(1)) };

/// The figures of a peer.
struct Compared {
    peer: &'static Peer,
    /// The reads of each round, with expiry and without.
    rounds: Vec<[Seen; 2]>,
    creations: u64,
    at_once: u64,
}

impl Compared {
    fn round(&mut self, load: &Load) {
        let source = Source::taking(CREATION);
        let of = |lifetime| load.run(&*(self.peer.make)(lifetime, &source));
        let without = of(STILL);
        let before = source.calls();
        let with = of(SHORT);
        self.creations += source.calls() - before;
        self.at_once = self.at_once.max(source.at_once());
        self.rounds.push([with, without]);
    }

    /// A figure with expiry, without, and the ratio of the two: the medians of all rounds.
    fn of(&self, figure: impl Fn(&Seen) -> f64) -> [f64; 3] {
        let median = |of: &dyn Fn(&[Seen; 2]) -> f64| median(self.rounds.iter().map(of));
        [
            median(&|[with, _]| figure(with)),
            median(&|[_, without]| figure(without)),
            median(&|[with, without]| figure(with) / figure(without)),
        ]
    }

    /// The reads of all rounds, with expiry and without.
    fn sum(&self) -> [Seen; 2] {
        [0, 1].map(|side| Seen::sum(self.rounds.iter().map(|round| &round[side])))
    }

    fn row(&self) -> Vec<String> {
        let compared =
            |[with, without, ratio]: [f64; 3]| format!("{} × ({} / {})", digits(ratio), time(with), time(without));
        let [reads, _, of_without] = self.of(Seen::reads);
        let [slow, slow_without, _] = self.of(Seen::slow);
        vec![
            self.peer.name.to_owned(),
            format!("{}, {} at once", self.creations, self.at_once),
            format!("{reads:.0} ({of_without:.2} ×)"),
            compared(self.of(Seen::p999)),
            compared(self.of(Seen::slowest)),
            format!("{:.3} % ({:.3} %)", slow * 100.0, slow_without * 100.0),
            self.peer.cannot.expire.to_owned(),
        ]
    }
}

pub fn compare() {
    for load in [PACED, FLAT_OUT] {
        let peers = [&CACHED, &IN_BACKGROUND].into_iter().chain(&OTHERS);
        let mut all: Vec<_> =
            peers.map(|peer| Compared { peer, rounds: Vec::new(), creations: 0, at_once: 0 }).collect();
        for _ in 0..ROUNDS {
            for compared in &mut all {
                compared.round(&load);
            }
        }
        println!(
            "\nexpiry/{}: {} readers{}; {ROUNDS} rounds of {} s; × and (…/…): beside the same load with nothing expiring\n",
            load.name,
            load.readers,
            load.pace.map_or_else(String::new, |pace| format!(", each every {} ms", pace.as_millis())),
            LASTS.as_secs_f64(),
        );
        let head = ["", "creations", "reads/s", "99.9th percentile", "slowest of a round", "over 1 ms", "it cannot"];
        table::print(&head, &all.iter().map(Compared::row).collect::<Vec<_>>());
        println!();
        goals(&load, &all);
        if load.pace.is_some() {
            picture::expiry(
                &load,
                &all.iter().map(|compared| (compared.peer.name, compared.sum())).collect::<Vec<_>>(),
            );
        }
    }
}

fn goals(load: &Load, all: &[Compared]) {
    let tell = |name: &str, what: &str, [with, without, ratio]: [f64; 3]| {
        let goal = verdict(ratio, GOAL);
        println!(
            "expiry/{}/{name}: {what} {ratio:.2} of that with nothing expiring ({} / {}; {goal})",
            load.name,
            time(with),
            time(without)
        );
    };
    for ours in all.iter().take(2) {
        tell(ours.peer.name, "99.9th percentile", ours.of(Seen::p999));
    }
    tell(IN_BACKGROUND.name, "maximum", all[1].of(Seen::slowest));
}
