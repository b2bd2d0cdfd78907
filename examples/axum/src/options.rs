//! The command line.

use clap::{Parser, value_parser};
use std::time::Duration;

/// An axum server whose handlers, tasks all of them, share one cached table of rates with a plain thread.
///
/// The upstream takes 30 ms, and the rates live 200 ms. When they expire, one task is elected to ask for them, or the
/// thread is; the others go on with the old ones. One request in five wants its answer within 10 ms, and is dropped in
/// the middle of whatever it does if that is too short. Now and then a client has the rates invalidated: then all wait
/// for the new ones. A load of its own drives the server over the loopback. At the end it is checked that the upstream
/// saw no more calls than this takes, and never two at once.
///
/// Exit code: 0 if so, 1 if not or if the run failed, 2 for a wrong option. With `--no-lock` 0 if the upstream saw
/// several calls at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "axum")]
pub struct Options {
    /// Requests in all.
    #[arg(long, value_name = "COUNT", default_value_t = 20_000, value_parser = value_parser!(u32).range(100..))]
    pub requests: u32,

    /// Connections. Each sends its next request some 10 ms after its last answer.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u16).range(4..=512))]
    pub connections: u16,

    /// Of so many requests, one invalidates.
    #[arg(long, value_name = "COUNT", default_value_t = 8_000, value_parser = value_parser!(u32).range(10..))]
    pub invalidate_every: u32,

    /// Shows what the lock prevents: whoever finds the rates expired calls the upstream.
    #[arg(long)]
    pub no_lock: bool,
}

/// How long an answer of the upstream takes.
pub const LATENCY: Duration = Duration::from_millis(30);
/// How long rates live.
pub const LIFETIME: Duration = Duration::from_millis(200);
/// How many calls the upstream takes at a time. It refuses the next.
pub const CAPACITY: u64 = 16;
/// How long a request waits that does not wait long.
pub const PATIENCE: Duration = Duration::from_millis(10);
/// One request in so many.
pub const IMPATIENT: u32 = 5;
/// How long a connection rests after an answer.
pub const REST: Duration = Duration::from_millis(10);

impl Options {
    /// The command line. Ends the process if it makes no sense.
    pub fn of_command_line() -> Self {
        Self::parse()
    }
}
