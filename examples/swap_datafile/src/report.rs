//! The printed report.

use crate::child::End;
use crate::load::{Ran, Tally};
use crate::options::Options;
use example_common::grouped;
use std::time::Duration;

/// Describes the run that is about to begin.
pub fn heading(options: &Options) -> String {
    let (threads, size, seconds) = (options.threads, options.size, options.swap_every.as_secs_f64());
    let lock = if options.no_lock { "WITHOUT the lock, in a child process" } else { "under the lock" };
    let readers = if threads == 1 { "1 reader looks" } else { &format!("{threads} readers look") };
    let every = format!("every {seconds} s or so the next edition is swapped in place");
    format!("{readers} records up in a memory-mapped datafile of {size} MB; {every}, {lock}\n")
}

/// Describes a run under the lock.
pub fn table(ran: &Ran) -> String {
    let (tally, swaps) = (ran.tally, ran.swaps);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rounded rate
    let rate = (tally.lookups as f64 / ran.elapsed.as_secs_f64()) as u64;
    let alone = format!("each held the write lock for {} at most", time(swaps.held));
    let rows = [
        ("lookups per second", grouped(rate)),
        ("swaps", format!("{}; {alone}, after waiting {} at most", swaps.count, time(swaps.waited))),
        ("longest reader wait", time(Duration::from_nanos(tally.longest_wait))),
        ("torn reads", torn(&tally)),
    ];
    rows.map(|(name, value)| format!("{name:<21}{value}")).join("\n")
}

/// Describes a run without the lock.
pub fn failure(end: &End) -> String {
    // The last report of a process that is killed may be lost.
    let at_least = if end.sigbus { "at least " } else { "" };
    let fate =
        if end.sigbus { "was killed by SIGBUS: a reader touched what a swap had cut off" } else { "has survived" };
    let verdict =
        if end.is_failure() { "This is what the lock prevents." } else { "Nothing went wrong this time. It was luck." };
    let rows = [
        ("lookups", format!("{at_least}{}", grouped(end.tally.lookups))),
        ("swaps", format!("{at_least}{}", end.tally.swaps)),
        ("torn reads", format!("{at_least}{}", torn(&end.tally))),
        ("the child process", fate.into()),
    ];
    format!("{}\n\n{verdict}", rows.map(|(name, value)| format!("{name:<21}{value}")).join("\n"))
}

fn torn(tally: &Tally) -> String {
    let kinds = [
        (tally.editions, "of another edition than the header's"),
        (tally.keys, "whose key was not there"),
        (tally.checksums, "with a wrong checksum"),
    ];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<_> = kinds.map(|(count, kind)| format!("{} {kind}", grouped(*count))).collect();
    let total = grouped(tally.torn());
    if kinds.is_empty() { total } else { format!("{total}: {}", kinds.join(", ")) }
}

fn time(time: Duration) -> String {
    format!("{time:.1?}")
}
