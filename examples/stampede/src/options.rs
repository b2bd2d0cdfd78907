//! The command line.

use clap::{Parser, value_parser};
use example_common::seconds;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A value that is expensive to make expires again and again under many readers: who rebuilds it, and who waits?
///
/// The value is an index of a log file of some tens of megabytes. The same load runs with no protection, with a mutex
/// and double check, with moka's `get_with`, with `Dogpile`, with `Dogpile` renewing values early, at half of their
/// life, and with that in the background. Each run begins without a value: the cold start is part of the stampede. Each
/// reader pauses, reads, pauses, reads. A read fetches the value, looks up an item and checks the answer. The latency
/// of every read counts, and with it the rebuilding, if the read does that. Reads that have begun when the time is up
/// are finished, and count.
#[derive(Clone, Debug, Parser)]
#[command(name = "stampede")]
pub struct Options {
    /// Reader threads.
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Run time of each of the six strategies, in seconds; fractions are allowed.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = |text: &str| seconds(text, 0.1, 3600.0))]
    pub seconds: Duration,

    /// Life of a value, counted from the end of its creation, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = value_parser!(u64).range(1..=3_600_000))]
    pub expiry: u64,

    /// Pause of each reader between two reads, in microseconds; 0 for none.
    #[arg(long, value_name = "US", default_value_t = 1000, value_parser = value_parser!(u64).range(..=60_000_000))]
    pub pause: u64,

    /// How the value is made. `parse` reads and indexes the log file. `wait:<ms>` waits that many milliseconds instead,
    /// as for a query.
    #[arg(long, value_name = "parse|wait:<ms>", default_value = "parse")]
    pub creator: Creator,

    /// Size of the log file, in megabytes. It is written once and used again.
    #[arg(long, value_name = "MB", default_value_t = 32, value_parser = value_parser!(u64).range(1..=4096))]
    pub megabytes: u64,

    /// The file for the picture [default: target/stampede/stampede.svg of the workspace]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl Options {
    /// How long a value lives.
    pub fn expires_after(&self) -> Duration {
        Duration::from_millis(self.expiry)
    }

    /// How long a reader rests between two reads.
    pub fn rest(&self) -> Duration {
        Duration::from_micros(self.pause)
    }
}

/// How the value is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creator {
    /// By reading and indexing the log file.
    Parse,
    /// By waiting, as for the work of another machine.
    Wait(Duration),
}

impl FromStr for Creator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "parse" {
            return Ok(Self::Parse);
        }
        text.strip_prefix("wait:")
            .and_then(|ms| ms.parse().ok())
            .filter(|ms| *ms <= 60_000)
            .map(|ms| Self::Wait(Duration::from_millis(ms)))
            .ok_or_else(|| "expected `parse` or `wait:<ms>` with 0 to 60000 whole milliseconds".into())
    }
}
