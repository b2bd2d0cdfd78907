//! The printed report.

use crate::options::Options;
use crate::readers::Ran;
use crate::{keys, verdict};
use example_common::grouped;

/// Describes the run that is about to begin.
pub fn heading(options: &Options) -> String {
    let Options { threads, latency, failures, seed, .. } = options;
    let lock = if options.no_lock { "each keeps a copy of its own, WITHOUT the lock" } else { "all share one" };
    let readers = if *threads == 1 { "1 reader" } else { &format!("{threads} readers") };
    let (life, every) = (keys::lifetime(options.max_age()).as_secs_f64(), options.rotate_every.as_secs_f64());
    format!(
        "{readers} of a key set that lives {life} s; {lock}\n\
         the server takes {latency} ms, fails {failures} times in a hundred, and rotates its keys every {every} s; \
         seed {seed}\n"
    )
}

/// Describes the run that has ended.
pub fn table(ran: &Ran, options: &Options) -> String {
    let (tally, seen) = (ran.tally, ran.seen);
    // Without the lock, the renewals that one lock would have needed are counted: one for each rotation.
    let renewals = if options.no_lock { ran.rotations } else { tally.renewals };
    let allowed = verdict::allowed(ran, options, renewals);
    let by = if options.no_lock { "dropped by their readers" } else { "renewed for all" };
    let rows = [
        ("reads served", format!("{}, {} for each request", grouped(tally.reads), ratio(tally.reads, seen.requests))),
        ("requests seen", format!("{}, {} at once at the most", grouped(seen.requests), seen.most_at_once)),
        ("  answered 200", grouped(seen.sent)),
        ("  answered 304", grouped(seen.unchanged)),
        ("  failed", grouped(seen.failed)),
        ("  in all answered", format!("{}; one lock needs {allowed} at the most", grouped(seen.answered()))),
        ("expiries", format!("{} at the most", verdict::expiries(ran, options))),
        ("rotations", ran.rotations.to_string()),
        ("refused keys", format!("{}, {} of them {by}", grouped(tally.refusals), grouped(tally.renewals))),
    ];
    rows.map(|(name, value)| format!("{name:<21}{value}")).join("\n")
}

fn ratio(reads: u64, requests: u64) -> String {
    grouped(reads / requests.max(1))
}
