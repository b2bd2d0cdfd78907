//! The command line.

use clap::Parser;
use example_common::seconds;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

/// Two processes share one value in memcached; it expires, it is deleted, and the server dies and comes back.
///
/// Each process has one `CachedByKey` and many threads, which get the value or create it. In mid-run the server is
/// killed during a creation, and started again, empty, when every thread has met an error. At the end the example
/// checks the laws of the lock.
///
/// Exit code: 0 if the laws were kept, 1 if not, 2 for a wrong option, 3 if there is no memcached.
#[derive(Clone, Debug, Parser)]
#[command(name = "memcached")]
pub struct Options {
    /// Threads of each of the two processes.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,

    /// Run time in seconds, without the outage; fractions are allowed. The outage ends when every thread has met an
    /// error, which takes a second or a few.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = |text: &str| seconds(text, 0.1, 600.0))]
    pub seconds: Duration,

    /// Life of a value, in milliseconds. Every two and a half lives it is deleted as well.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub expiry: u64,

    /// How long it takes to create a value, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=5_000))]
    pub create: u64,

    /// A server that runs already, as 127.0.0.1:11211. It is not killed, so there is no outage. The run uses one key of
    /// it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub server: Option<SocketAddr>,

    /// The memcached binary to start.
    #[arg(long, value_name = "PROGRAM", default_value = "memcached", conflicts_with = "server")]
    pub memcached: OsString,

    /// The order to a worker process, given by the process that starts it: work under this key.
    #[arg(long, value_name = "KEY", hide = true, requires = "server")]
    pub worker: Option<String>,
}

impl Options {
    /// How long a value lives.
    pub fn expires_after(&self) -> Duration {
        Duration::from_millis(self.expiry)
    }

    /// How long the creator takes.
    pub fn creation(&self) -> Duration {
        Duration::from_millis(self.create)
    }

    /// The command line of a worker with these options.
    pub fn for_worker(&self, server: SocketAddr, key: &str) -> Vec<String> {
        let options = [
            ("--threads", self.threads.to_string()),
            ("--expiry", self.expiry.to_string()),
            ("--create", self.create.to_string()),
            ("--server", server.to_string()),
            ("--worker", key.to_owned()),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
