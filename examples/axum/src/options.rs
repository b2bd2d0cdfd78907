//! The command line.

use clap::{Parser, value_parser};
use std::time::Duration;

/// An axum server whose handlers, tasks all of them, share one cached table of rates with a plain thread.
///
/// The upstream takes 30 ms, and the rates live 200 ms. When they expire, one task, or the thread, is elected to ask
/// for new rates. The others go on with the old ones. One request in five wants its answer within 10 ms; if that is too
/// short, its future is dropped, whatever it is doing. Now and then a client invalidates the rates, and then all wait
/// for the new ones. The example drives its server over the loopback. At the end it checks that the upstream saw no
/// more calls than this takes, and never two at once.
///
/// Exit code: 0 if the check succeeds, 1 if not or if the run failed, 2 for a wrong option. With `--no-lock`: 0 if the
/// upstream saw several calls at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "axum")]
pub struct Options {
    /// Requests in all.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = value_parser!(u32).range(100..))]
    pub requests: u32,

    /// Connections. Each sends its next request some 10 ms after its last answer.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u16).range(4..=512))]
    pub connections: u16,

    /// One request of this many invalidates the rates.
    #[arg(long, value_name = "COUNT", default_value_t = 8_000, value_parser = value_parser!(u32).range(10..))]
    pub invalidate_every: u32,

    /// Shows what the lock prevents: each access that finds the rates expired calls the upstream.
    #[arg(long)]
    pub no_lock: bool,
}

/// How long an answer of the upstream takes.
pub const LATENCY: Duration = Duration::from_millis(30);
/// How long rates live.
pub const LIFETIME: Duration = Duration::from_millis(200);
/// How many calls the upstream handles at a time. It refuses any more.
pub const CAPACITY: u64 = 16;
/// How long an impatient request waits.
pub const PATIENCE: Duration = Duration::from_millis(10);
/// One request of this many is impatient.
pub const IMPATIENT: u32 = 5;
/// How long a connection rests after an answer.
pub const REST: Duration = Duration::from_millis(10);

impl Options {
    /// Parses the command line. Ends the process if the options make no sense.
    pub fn of_command_line() -> Self {
        Self::parse()
    }
}
