//! How late is a process that waits for another one on memcached, which has no signals?
//!
//! 8 processes ask for a key that is missing, all at once. One of them is to create its value, for 50 ms; the others
//! poll. The figure is the time from the end of the creator to the return of a task of another process: its mean and
//! its maximum. The goals are those of polls of 50 ms, which the regions are built with: a mean of 25 ms, a maximum of
//! two polls.
//!
//! The processes run this program, and all go by the same monotonic clock. Without `--bench` there are two of them, and
//! one round.

#[path = "../fleet/mod.rs"]
mod fleet;

use dogpile_server_peers::subjects::{Cache, Ours, Settings};
use dogpile_servers::MemcachedServer;
use fleet::interleaved::{is_measuring, median, verdict};
use fleet::process::Subject;
use fleet::{Woken, child, get, wake_once};
use std::env;
use std::time::Duration;

/// How often a process that waits looks at least.
const POLL: Duration = Duration::from_millis(50);

/// How long a creation takes.
const CREATION: Duration = Duration::from_millis(50);

/// The tasks of each process.
const TASKS: usize = 4;

/// The goals, in milliseconds.
const MEAN: f64 = 25.0;
const MOST: f64 = 100.0;

fn main() {
    if child::is_child() {
        return child::run(async |_, url, settings| {
            child::obey(Ours::connect(url, Settings { poll: Some(POLL), ..settings }).await).await;
        });
    }
    // Criterion has no part in this, but its arguments are understood.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let (processes, rounds) = if is_measuring() { (8, 100) } else { (2, 1) };
    let server = MemcachedServer::start().expect("a memcached server");
    let mut fleet = Subject::ours("region").start(&server.url(), processes, Duration::from_secs(10), false);
    let mut woken = Woken::default();
    for round in 1..=rounds {
        // (A key of its own: nothing has to be deleted.)
        wake_once(&mut fleet, &get(round, TASKS, CREATION), &mut woken);
    }
    let most = woken.creations.iter().max().expect("there are rounds");
    println!("memcached_fleet: {processes} processes of {TASKS} tasks, {rounds} cold keys: at most {most} creations");
    if woken.late.is_empty() {
        println!("memcached_fleet: no task has waited");
        return;
    }
    #[allow(clippy::cast_precision_loss)] // few figures
    let mean = woken.late.iter().sum::<f64>() / woken.late.len() as f64;
    let max = woken.late.iter().copied().fold(0.0, f64::max);
    println!(
        "memcached_fleet: a waiter returns {mean:.1} ms after the creator has ended, in the mean ({}); p50 {:.1} ms; \
         max {max:.1} ms ({})",
        verdict(mean, MEAN),
        median(woken.late.iter().copied()),
        verdict(max, MOST)
    );
}
