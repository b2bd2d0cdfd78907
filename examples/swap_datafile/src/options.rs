//! The command line.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, value_parser};
use example_common::seconds;
use std::path::PathBuf;
use std::time::Duration;

/// A memory-mapped datafile is swapped in place while threads look up records: no reader may see half of an edition.
///
/// Readers look up one record after another, each under a read guard. They verify its checksum, its key, and that it is
/// of the edition that the file's header names. When the edition has expired, one reader is elected. It writes the next
/// edition into a second file, waits for the write lock, and copies the new edition over the old one. Every third
/// edition is a quarter shorter.
///
/// A reader's wait is the time that it takes to get the guard, in every lookup but the creator's own. Delays by the
/// system's scheduler count.
///
/// Exit code: 0 if no read was torn, 1 if one was or the run failed, 2 for a wrong option. With `--no-lock`: 0 if the
/// failure was shown.
#[derive(Clone, Debug, Parser)]
#[command(name = "swap_datafile")]
pub struct Options {
    /// Reader threads.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = value_parser!(u16).range(1..=256))]
    pub threads: u16,

    /// Run time in seconds; fractions are allowed. It goes on until there have been as many swaps as asked for.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = |text: &str| seconds(text, 0.1, 3600.0))]
    pub seconds: Duration,

    /// Size of the datafile in megabytes. There are two of them at a time.
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = value_parser!(u16).range(1..=16_384))]
    pub size: u16,

    /// Life of an edition, from its swap until the next one is begun, in seconds; fractions are allowed.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = |text: &str| seconds(text, 0.001, 60.0))]
    pub swap_every: Duration,

    /// Swaps that there have to be.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = value_parser!(u64).range(1..=10_000))]
    pub swaps: u64,

    /// Where the two files go. They have no names, and vanish with the process, however it ends [default: the system's
    /// directory for temporary files]
    #[arg(long, value_name = "DIRECTORY")]
    pub dir: Option<PathBuf>,

    /// Which records are looked up: the seed of the random numbers.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,

    /// Shows what the lock prevents: readers let go of the guard before they read, and the swap does without the write
    /// lock. It runs in a child process, which is likely to be killed.
    #[arg(long)]
    pub no_lock: bool,

    /// The order to the child process.
    #[arg(long, hide = true, requires = "no_lock")]
    pub child: bool,
}

impl Options {
    /// Parses the command line. Ends the process if the options make no sense.
    pub fn of_command_line() -> Self {
        let options = Self::parse();
        if options.no_lock && options.threads < 2 {
            let alone =
                "--no-lock needs `--threads 2` or more: a reader alone swaps the file itself, and reads no half of it";
            Self::command().error(ErrorKind::ValueValidation, alone).exit();
        }
        options
    }

    /// The command line of a child with these options.
    pub fn for_child(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec!["--no-lock".into(), "--child".into()];
        for (name, value) in [
            ("--threads", self.threads.to_string()),
            ("--seconds", self.seconds.as_secs_f64().to_string()),
            ("--size", self.size.to_string()),
            ("--swap-every", self.swap_every.as_secs_f64().to_string()),
            ("--swaps", self.swaps.to_string()),
            ("--seed", self.seed.to_string()),
        ] {
            arguments.extend([name.into(), value.into()]);
        }
        if let Some(dir) = &self.dir {
            arguments.extend(["--dir".into(), dir.into()]);
        }
        arguments
    }
}
