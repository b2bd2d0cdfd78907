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
#[allow(dead_code)] // What the random scripts and the planted faults use.
#[path = "../../../cache/tests/contract/quiet.rs"]
mod quiet;
#[allow(dead_code)] // The number of scripts for the memory.
#[path = "../../../cache/tests/contract/script.rs"]
mod script;

mod cluster;
mod memcached;
mod postgres;
mod redis;

use crate::ground::{Ground, block_on};
use crate::laws::LAWS;
use dogpile_cache::backend::Backend;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A backend under test.
#[derive(Debug)]
pub struct Subject {
    name: &'static str,
    /// Makes an empty one.
    make: fn() -> Ground,
    /// How many random scripts there are. A step of one takes a millisecond and more.
    scripts: u32,
    not_kept: &'static [NotKept],
}

/// The name of a law that a backend does not keep, by the nature of its servers, and why.
pub type NotKept = (&'static str, &'static str);

const SUBJECTS: [Subject; 4] = [redis::SUBJECT, cluster::SUBJECT, memcached::SUBJECT, postgres::SUBJECT];

/// The lifetimes on these servers go by their time of day, so that a step of that moves them.
const NOT_FOR_SERVERS: &str = "g6_exact_";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for Subject { name: subject, make, scripts, not_kept } in SUBJECTS {
        for (name, law) in LAWS.iter().filter(|(name, _)| !name.starts_with(NOT_FOR_SERVERS)) {
            let row = format!("{subject}::{name}");
            trials.push(match not_kept.iter().find(|(law, _)| law == name) {
                None => Trial::test(row, move || {
                    law(&make());
                    Ok(())
                }),
                Some((_, why)) => Trial::test(format!("{row} (not kept: {why})"), move || is_not_kept(*law, make)),
            });
        }
        if scripts > 0 {
            trials.push(Trial::test(format!("{subject}::{}", script::NAME), move || script::run(make, scripts)));
        }
    }
    let code = libtest_mimic::run(&arguments, trials).exit_code();
    cluster::end();
    code
}

/// Waits until a backend has connected to its server again.
fn connected(backend: &impl Backend) {
    let until = Instant::now() + Duration::from_secs(20);
    while let Err(error) = block_on(backend.ping()) {
        assert!(Instant::now() < until, "{error:?}");
    }
}

/// A law that is said not to be kept is not: else the list is wrong.
fn is_not_kept(law: fn(&Ground), make: fn() -> Ground) -> Result<(), Failed> {
    let ground = make();
    quiet::panic_of(|| law(&ground)).map(drop).ok_or_else(|| "the law is kept: take it from the list".into())
}
