//! The command line.

use crate::simulation::{Fleet, MS, SECOND};
use clap::{Parser, ValueEnum, value_parser};
use std::path::PathBuf;

/// The greatest number of processes, and of keys.
const MOST: i64 = 1_000_000;

/// A value in a shared cache expires under a fleet of processes: what does the database see?
///
/// A discrete-event simulation: time is virtual, there are no threads, and the same seed gives the same numbers. Six
/// strategies run: no protection; a value and a lock in each process; stamped values in the shared cache and a lock in
/// each process; the same with early renewal, once with the cost of a creation stored beside the value and once as each
/// process has measured it; and one lock for all. The requests of each process are a Poisson process, spread evenly
/// over all keys. When the watch begins all values are there, and they expire at moments spread over one lifetime.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleet")]
pub struct Options {
    /// Processes in the largest fleet; the table has one row for each power of ten up to that.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=MOST))]
    pub processes: u32,

    /// Keys, each with a value of its own.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u32).range(1..=MOST))]
    pub keys: u32,

    /// Requests per second to each process, for all keys together; fractions are allowed.
    #[arg(long, value_name = "PER_SECOND", default_value = "10", value_parser = positive)]
    pub rate: f64,

    /// How long it takes to create a value, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = value_parser!(u64).range(1..=60_000))]
    pub creation: u64,

    /// Life of a value, counted from the end of its creation, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..=3_600_000))]
    pub expiry: u64,

    /// How far the clock of a process may be off, either way, in milliseconds. Each process draws its amount evenly.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = value_parser!(u64).range(..=3_600_000))]
    pub skew: u64,

    /// How far ahead of its own clock a process tolerates a stamp, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = value_parser!(u64).range(..=3_600_000))]
    pub max_skew: u64,

    /// How early values are renewed: the factor beta of early renewal.
    #[arg(long, default_value = "1", value_parser = positive)]
    pub beta: f64,

    /// How long each fleet is watched, in seconds of its own time.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = value_parser!(u32).range(1..=86_400))]
    pub duration: u32,

    /// The seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Only these parts of the report; all of them unless given.
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,

    /// The same as `--only check`: the simulation against the real locks. If they differ the exit code is 1.
    #[arg(long, conflicts_with_all = ["only", "plots"])]
    pub check: bool,

    /// Draws pictures of the table into this directory, as SVG. The directory is made if it is not there.
    #[arg(long, value_name = "DIRECTORY")]
    pub plots: Option<PathBuf>,
}

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Each strategy at each size of the fleet.
    Table,
    /// How clocks that disagree affect stamped values.
    Skew,
    /// How the cost grows with processes, keys and requests.
    Growth,
    /// Compared with published results.
    Published,
    /// Compared with the real locks.
    Check,
}

impl Options {
    /// Whether this part is wanted.
    pub fn wants(&self, part: Part) -> bool {
        if self.check {
            return part == Part::Check;
        }
        self.only.is_empty() || self.only.contains(&part) || (part == Part::Table && self.plots.is_some())
    }

    /// The fleet of these options, with this many processes.
    pub fn fleet(&self, processes: u32) -> Fleet {
        Fleet {
            processes,
            keys: self.keys,
            rate: self.rate,
            creation: self.creation * MS,
            expiry: self.expiry * MS,
            skew: self.skew * MS,
            max_skew: self.max_skew * MS,
            beta: self.beta,
            duration: u64::from(self.duration) * SECOND,
            seed: self.seed,
        }
    }

    /// The sizes of the table: powers of ten, and the largest.
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes: Vec<u32> = (0..6).map(|power| 10_u32.pow(power)).filter(|size| *size < self.processes).collect();
        sizes.push(self.processes);
        sizes
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number| (1e-3..=1e6).contains(number))
        .ok_or_else(|| "expected a number from 0.001 to 1000000".into())
}
