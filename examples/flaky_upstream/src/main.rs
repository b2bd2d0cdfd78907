//! An upstream answers, fails, hangs and answers again, and with a `Policy` its readers do not notice.
//!
//! `cargo run --release -p example-flaky-upstream`, and `-- --help` for the options. With `--no-policy` it shows what
//! the upstream sees without one.

mod options;
mod quote;
mod readers;
mod timeline;
mod upstream;
mod verdict;

use crate::options::Options;
use crate::quote::Source;
use crate::upstream::Upstream;
use crate::verdict::Verdict;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(&Options::of_command_line()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flaky_upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the example. Returns whether the run has shown what the example is about.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    println!("{}\n", options.heading());
    let source = Source::new(options)?;
    let upstream = Upstream::start(options.schedule())?;
    let ran = readers::run(&source, &upstream, options)?;
    println!("{}\n", timeline::picture(&ran, &upstream));
    let verdict = Verdict::of(&ran, &upstream.calls(), options);
    println!("{verdict}");
    Ok(verdict.is_clean())
}
