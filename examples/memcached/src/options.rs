//! The command line.

use clap::Parser;
use std::net::SocketAddr;
use std::time::Duration;

/// Processes share one value in memcached. It is deleted, marked stale, and expires; a process is killed while it
/// creates; and the server dies and comes back. How often is the source asked?
///
/// Each process has one `Region` over `Memcached`, and many tasks that want the value at once. The source counts what
/// it is asked. At the end the example checks the laws of the region by what the source has counted.
///
/// Exit code: 0 if the laws were kept, 1 if not, 2 for a wrong option, 3 if there is no memcached.
#[derive(Clone, Debug, Parser)]
#[command(name = "memcached")]
pub struct Options {
    /// Processes. One of them is killed.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=64))]
    pub processes: u16,

    /// Tasks of each process.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub tasks: u16,

    /// How often the value is deleted, and then marked stale.
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,

    /// How long it takes to create a value, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=5_000))]
    pub create: u64,

    /// A server that runs already, as 127.0.0.1:11211. It is not killed. The run uses one key of it.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub server: Option<SocketAddr>,

    /// The memcached binary to start.
    #[arg(long, value_name = "PROGRAM", default_value = "memcached", conflicts_with = "server")]
    pub memcached: String,

    /// The order to a process of the fleet, given by the process that starts it: ask this source for this key.
    #[arg(long, value_name = "ADDRESS", hide = true, requires = "server", requires = "key")]
    pub source: Option<SocketAddr>,

    /// The key of the run.
    #[arg(long, value_name = "KEY", hide = true)]
    pub key: Option<String>,
}

impl Options {
    /// How long the source takes for an answer.
    pub fn creation(&self) -> Duration {
        Duration::from_millis(self.create)
    }

    /// The command line of a process of the fleet.
    pub fn for_process(&self, server: SocketAddr, source: SocketAddr, key: &str) -> Vec<String> {
        let tasks = self.tasks.to_string();
        let options = [
            ("--tasks", tasks),
            ("--server", server.to_string()),
            ("--source", source.to_string()),
            ("--key", key.to_owned()),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
