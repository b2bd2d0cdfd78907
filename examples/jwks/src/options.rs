//! The command line.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};
use example_common::seconds;
use std::time::Duration;

/// Many threads keep one key set of an HTTP server, which rotates its keys, answers 304, and fails now and then.
///
/// The key set expires, and one reader is elected to ask for it again, with its entity tag; the others go on with the
/// old one. When the server rotates its keys, all readers find theirs refused at once, and ask for newer ones: one reader
/// fetches them, and the others that were refused wait for that. At the end it is checked that the server saw no more
/// requests than this takes, and never two at once.
///
/// Exit code: 0 if so, 1 if not or if the run failed, 2 for a wrong option. With `--no-lock` 0 if the server saw
/// several requests at once.
#[derive(Clone, Debug, Parser)]
#[command(name = "jwks")]
pub struct Options {
    /// Reader threads.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Run time in seconds; fractions are allowed. It goes on until the server has answered 304, failed, and refused a
    /// key, each of them once at the least.
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = |text: &str| seconds(text, 0.1, 3600.0))]
    pub seconds: Duration,

    /// How long the server says that a key set may be used, in whole seconds, as HTTP has it. Readers renew it at half
    /// that age.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = value_parser!(u16).range(1..=600))]
    pub max_age: u16,

    /// How often the server rotates its keys, in seconds; fractions are allowed. It is one and a half times `--max-age`
    /// or more, so that there is time to find the keys unchanged.
    #[arg(long, value_name = "SECONDS", default_value = "1.5", value_parser = |text: &str| seconds(text, 1.5, 900.0))]
    pub rotate_every: Duration,

    /// How long an answer takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = value_parser!(u16).range(0..=200))]
    pub latency: u16,

    /// How many of a hundred requests fail.
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = value_parser!(u8).range(0..=50))]
    pub failures: u8,

    /// Which requests fail, and which keys are used.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Shows what the lock prevents: each reader keeps a copy of its own, and fetches for itself when that has expired
    /// or was refused.
    #[arg(long)]
    pub no_lock: bool,
}

impl Options {
    /// Parses the command line. Ends the process if the options make no sense.
    pub fn of_command_line() -> Self {
        let options = Self::parse();
        let senseless = if options.no_lock && options.threads < 2 {
            Some("--no-lock needs `--threads 2` or more: a reader alone asks for one thing at a time".to_owned())
        } else if options.rotate_every < options.max_age() * 3 / 2 {
            let least = (options.max_age() * 3 / 2).as_secs_f64();
            Some(format!("--max-age {} needs `--rotate-every {least}` or more", options.max_age))
        } else {
            None
        };
        if let Some(senseless) = senseless {
            Self::command().error(ErrorKind::ValueValidation, senseless).exit();
        }
        options
    }

    /// How long the server says that a key set may be used.
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age.into())
    }

    /// How long an answer takes.
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency.into())
    }
}
