//! Chaos: processes that share keys on real servers, and everything that can happen to both.
//!
//! `DOGPILE_CACHE_CHAOS=30` has the test run for so many seconds; without it, for a few. From 30 s on each fault of
//! [`fault::Kind`] is injected at least once. `DOGPILE_CACHE_SEED=7` repeats the dice of a run, not its schedule.
//! Words behind `--` choose, as in `cargo test --test chaos -- several_memcached`.
//!
//! A run begins without faults, with leases that no machine is too slow for: there nothing may overlap. Then come the
//! faults. When they are over, all tasks have to end, and another process creates each key once.
//!
//! - [`process`], [`steps`]: a process of the fleet. This program starts itself again for each. It writes its history
//!   down ([`history`]).
//! - [`servers`]: the servers, a file for each kind; [`links`]: how a process reaches them.
//! - [`crew`], [`inject`]: the processes as the test sees them, and what it does to them and to the servers.
//! - [`judge`]: what must hold, whatever was done. It knows nothing of the crate.

mod crew;
mod fault;
mod history;
mod inject;
mod judge;
mod links;
mod process;
mod servers;
mod settings;
mod steps;
mod storm;

use crate::crew::Result;
use crate::process::Orders;
use crate::servers::Servers;
use crate::servers::memcached::Memcached;
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use libtest_mimic::{Arguments, Trial};
use std::env;
use std::process::ExitCode;

/// How long the test runs if it is not told.
const SECONDS: u64 = 5;

/// How the servers of a run are started.
type Start = fn() -> Result<Box<dyn Servers>>;

const RUNS: [(&str, Start); 4] = [
    ("redis", || Ok(Box::new(Redis::start()?))),
    ("memcached", || Ok(Box::new(Memcached::start(1)?))),
    ("several_memcached", || Ok(Box::new(Memcached::start(3)?))),
    ("postgres", || Ok(Box::new(Postgres::start()?))),
];

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

fn main() -> ExitCode {
    if let Ok(orders) = env::var(Orders::NAME) {
        process::run(&orders.parse().expect("orders that the test has written"));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // Each run has the machine to itself.
    arguments.test_threads.get_or_insert(1);
    let mut trials = Vec::new();
    for (name, test) in judge::planted::ALL {
        trials.push(Trial::test(format!("judge::{name}"), move || {
            test();
            Ok(())
        }));
    }
    for (name, servers) in RUNS {
        trials.push(Trial::test(format!("{name}::g1_g2_g3_g4_g5_g12_chaos"), move || {
            let seed = number("DOGPILE_CACHE_SEED").unwrap_or_else(|| fastrand::u64(..));
            storm::run(servers()?, number("DOGPILE_CACHE_CHAOS").unwrap_or(SECONDS), seed).map_err(Into::into)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
