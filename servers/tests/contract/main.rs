//! The contract of backends, over real servers.
//!
//! The laws, the random scripts and their naive counterpart are those of `cache/tests/contract`, which also shows by
//! planted faults that they find what is wrong with a backend. Here are only the servers.

#[path = "../../../cache/tests/contract/ground.rs"]
mod ground;
#[path = "../../../cache/tests/contract/laws/mod.rs"]
mod laws;
#[path = "../../../cache/tests/contract/naive.rs"]
mod naive;
#[allow(dead_code)] // What the planted faults use.
#[path = "../../../cache/tests/contract/quiet.rs"]
mod quiet;
#[allow(dead_code)] // The number of scripts for the memory.
#[path = "../../../cache/tests/contract/script.rs"]
mod script;

mod cluster;
mod redis;

use crate::laws::LAWS;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// The lifetimes on these servers go by their time of day, so that a step of that moves them.
const NOT_FOR_SERVERS: &str = "g6_exact_";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (subject, make, scripts) in [redis::SUBJECT, cluster::SUBJECT] {
        for (name, law) in LAWS.iter().filter(|(name, _)| !name.starts_with(NOT_FOR_SERVERS)) {
            trials.push(Trial::test(format!("{subject}::{name}"), move || {
                law(&make());
                Ok(())
            }));
        }
        trials.push(Trial::test(format!("{subject}::{}", script::NAME), move || script::run(make, scripts)));
    }
    let code = libtest_mimic::run(&arguments, trials).exit_code();
    cluster::end();
    code
}
