//! A memory-mapped datafile is swapped in place under its readers, by the write lock of a creation.
//!
//! `cargo run --release -p example-swap-datafile`, and `-- --help` for the options. With `--no-lock` it shows what
//! happens without the lock.

mod child;
mod datafile;
mod load;
mod lookup;
mod map;
mod options;
mod record;
mod report;

use crate::datafile::Datafile;
use crate::load::{Tally, Trouble};
use crate::options::Options;
use example_common::chain;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::of_command_line();
    let ran = if options.child {
        as_child(&options).map(|()| true)
    } else if options.no_lock {
        without_lock(&options)
    } else {
        with_lock(&options)
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("swap_datafile: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs the example with the lock. Returns whether no read was torn.
fn with_lock(options: &Options) -> Result<bool, Trouble> {
    println!("{}", report::heading(options));
    let datafile = Datafile::make(options)?;
    let ran = load::run(&datafile, options, |_| Ok(()))?;
    println!("{}", report::table(&ran));
    Ok(ran.tally.torn() == 0)
}

/// Runs the example without the lock. Returns whether the failure that the lock prevents was seen.
fn without_lock(options: &Options) -> Result<bool, Trouble> {
    println!("{}", report::heading(options));
    let end = child::run(options)?;
    println!("{}", report::failure(&end));
    Ok(end.is_failure())
}

/// Runs the readers of `--no-lock`, in a process that may be killed at any moment. So the process reports its counts as
/// it goes.
fn as_child(options: &Options) -> Result<(), Trouble> {
    child::leave_no_core();
    let datafile = Datafile::make(options)?;
    let mut said = Tally::default();
    let say = |tally: &Tally| {
        if *tally != said {
            said = *tally;
            writeln!(io::stdout(), "{said}")?;
        }
        Ok(())
    };
    load::run(&datafile, options, say).map(|_| ())
}
