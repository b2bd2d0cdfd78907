//! A value in a shared cache expires under a fleet of 1 to 100,000 processes: what the database sees, simulated, drawn,
//! set beside published results, and checked against the real locks.
//!
//! `cargo run --release -p example-fleet`, and `-- --help` for the options.

// Times are nanoseconds of virtual time, a day or so of them: far below where 53 bits, or a sign, would matter.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod check;
mod growth;
mod options;
mod picture;
mod published;
mod report;
mod seen;
mod simulation;
mod strategy;

use crate::options::{Options, Part};
use crate::strategy::Strategy;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::error::Error;
use std::process::ExitCode;

/// The greatest number of values in the memory of all processes, and of queries at once, that the memory of this
/// machine is trusted to hold.
const MOST: f64 = 5_000_000.0;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(message) = fits(&options) {
        Options::command().error(ErrorKind::ValueValidation, message).exit();
    }
    match fleet(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this fleet can be simulated here.
fn fits(options: &Options) -> Result<(), String> {
    let processes = f64::from(options.processes);
    if processes * f64::from(options.keys) > MOST {
        return Err(format!("--processes times --keys may be {MOST} at the most"));
    }
    if processes * options.rate * options.creation as f64 / 1e3 > MOST {
        return Err(format!("--processes times --rate times --creation: {MOST} queries at once at the most"));
    }
    Ok(())
}

fn fleet(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("seed {}", options.seed);
    if !options.check {
        println!("{}", report::heading(options));
    }
    println!();
    if options.wants(Part::Table) {
        table(options)?;
    }
    let fleet = options.fleet(options.processes);
    if options.wants(Part::Skew) {
        println!("{}", report::skew(&fleet));
    }
    if options.wants(Part::Growth) {
        println!("{}", growth::table(&fleet));
    }
    if options.wants(Part::Published) {
        println!("{}\n{}", published::leases(&fleet), published::early_renewal(&fleet));
    }
    if options.wants(Part::Check) {
        println!("{}", check::HEADING);
        check::check(options.seed, |line| println!("{line}"))?;
    }
    Ok(())
}

fn table(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}", report::header());
    let mut all = Vec::new();
    for strategy in Strategy::ALL {
        for processes in options.sizes() {
            let fleet = options.fleet(processes);
            let seen = fleet.simulate(strategy);
            println!("{}", report::row(strategy, &fleet, &seen));
            all.push((strategy, processes, seen));
        }
    }
    println!("{}", report::CLOSING);
    if let Some(directory) = &options.plots {
        let [processes, expiry] = ["fleet-processes.svg", "fleet-expiry.svg"].map(|name| directory.join(name));
        picture::draw_processes(&processes, options, &all)?;
        picture::draw_expiry(&expiry, options)?;
        println!("The pictures: {} and {}\n", processes.display(), expiry.display());
    }
    Ok(())
}
