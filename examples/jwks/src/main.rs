//! Many threads share the key set of an HTTP server: what a `Cached` with conditional requests is for.
//!
//! `cargo run --release -p example-jwks`, and `-- --help` for the options. With `--no-lock` it shows what happens
//! without the lock.

mod client;
mod key_set;
mod keys;
mod options;
mod random;
mod readers;
mod report;
mod server;
mod verdict;

use crate::keys::Trouble;
use crate::options::Options;
use crate::server::Server;
use example_common::chain;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Options::of_command_line()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("jwks: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs the example. Returns whether the run has shown what the example is about.
fn run(options: &Options) -> Result<bool, Trouble> {
    println!("{}", report::heading(options));
    let server = Server::start(options)?;
    let ran = readers::run(&server, options)?;
    println!("{}\n", report::table(&ran, options));
    if !options.no_lock {
        let verdict = verdict::judge(&ran, options);
        println!("{verdict}");
        return Ok(verdict.is_clean());
    }
    let shown = ran.seen.most_at_once > 1;
    println!("{}", if shown { "This is what the lock prevents." } else { "One at a time, this time. It was luck." });
    Ok(shown)
}
