//! A value that is expensive to make expires under many readers: six ways to cope, measured and drawn.
//!
//! `cargo run --release -p example-stampede`, and `-- --help` for the options.

mod load;
mod measure;
mod options;
mod picture;
mod report;
mod resource;
mod strategy;

use crate::load::Source;
use crate::options::Options;
use crate::resource::Log;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

fn main() -> ExitCode {
    match stampede(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stampede: {error}");
            ExitCode::FAILURE
        }
    }
}

fn stampede(options: &Options) -> Result<(), Box<dyn Error>> {
    let directory = target().join("stampede");
    let output = options.output.clone().unwrap_or_else(|| directory.join("stampede.svg"));

    let progress = ProgressBar::new(load::nanoseconds(options.seconds));
    progress.set_style(ProgressStyle::with_template("{msg:34} {bar:40} {percent:>3} %")?);
    progress.set_message("preparing the log file");
    progress.tick();
    let log = Log::prepare(&directory, options.megabytes)
        .map_err(|error| format!("cannot prepare the log file in {}: {error}", directory.display()))?;
    let begun = Instant::now();
    let prepared = Arc::new(log.index()?);
    let alone = begun.elapsed();
    progress.suspend(|| println!("{}\n{}", report::heading(options, short(log.path()), alone), report::header()));

    let source = Arc::new(Source { log, prepared, creator: options.creator });
    let mut all = Vec::new();
    for (number, strategy) in (1..).zip(strategy::ALL) {
        progress.set_message(format!("{number} of {}: {}", strategy::ALL.len(), strategy.0));
        let seen = load::run(strategy, &source, options, &progress)?;
        progress.suspend(|| println!("{}", report::row(&seen)));
        all.push(seen);
    }
    progress.finish_and_clear();
    println!("{}", report::closing(&all));

    picture::draw(&output, options, &all)
        .map_err(|error| format!("cannot write the picture to {}: {error}", output.display()))?;
    println!("The picture: {}", short(&output).display());
    Ok(())
}

/// The `target` directory of the workspace in which the example runs, or of the current directory.
fn target() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    here.ancestors().find(|directory| directory.join("Cargo.lock").is_file()).unwrap_or(&here).join("target")
}

/// The path relative to the current directory, if it lies below that.
fn short(path: &Path) -> &Path {
    env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
