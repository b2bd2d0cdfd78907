//! The printed report.

use crate::options::Options;
use crate::seen::Seen;
use crate::simulation::{Fleet, MS};
use crate::strategy::Strategy;
use std::fmt::Write;

/// A number with three significant digits, or fewer if they are enough.
pub fn number(number: f64) -> String {
    let decimals = match number.abs() {
        0.0 => 0,
        0.0..0.0995 => 3,
        0.0995..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    let text = format!("{number:.decimals$}");
    // A whole number is printed without a fraction.
    if number.fract() == 0.0 { format!("{number:.0}") } else { text }
}

/// Says how far clocks are off.
pub fn clocks(options: &Options) -> String {
    if options.skew == 0 { "clocks agree".into() } else { format!("clocks off by {} ms at most", options.skew) }
}

/// Describes the fleet that is simulated.
pub fn heading(options: &Options) -> String {
    format!(
        "{} requests/s to each process; {} ms to create a value, which lives for {} ms; {} key{}; {}; \
         watched for {} s",
        number(options.rate),
        options.creation,
        options.expiry,
        options.keys,
        if options.keys == 1 { "" } else { "s" },
        clocks(options),
        options.duration,
    )
}

/// The first line of the table.
pub fn header() -> String {
    format!(
        "{:<18}{:>11}{:>11}{:>13}{:>13}{:>11}",
        "strategy", "processes", "queries/s", "peak second", "redundant*", "stale/s**"
    )
}

/// The line of one strategy at one size of the fleet.
pub fn row(strategy: Strategy, fleet: &Fleet, seen: &Seen) -> String {
    format!(
        "{:<18}{:>11}{:>11}{:>13}{:>13}{:>11}",
        strategy.name(),
        fleet.processes,
        number(seen.mean()),
        seen.peak(),
        number(seen.redundant()),
        number(seen.stale_mean()),
    )
}

/// Explains the marked columns.
pub const CLOSING: &str = "\
* queries beyond the one that was needed, each time that a new value was
** requests that went on with an expired value. Those that waited are as many as queries: who queries waits for the
   answer; nobody else does, since there is an old value to go on with, or, without protection, nobody to wait for
The peak of \"early, cost learnt\" is its first expiry: no process has learnt anything by then.\n";

/// The table of stamped values in a fleet of a thousand, for clocks that disagree more and more.
pub fn skew(fleet: &Fleet) -> String {
    let mut text = format!(
        "Stamped values, 1000 processes, clocks off by so much either way; {} ms ahead are tolerated\n\n\
         {:>9}{:>13}{:>13}{:>13}\n",
        fleet.max_skew / MS,
        "skew, ms",
        "queries/s",
        "peak second",
        "redundant*"
    );
    let tolerated = fleet.max_skew / MS;
    let mut skews = vec![0, 1, 10, 100, tolerated / 2, tolerated, 2 * tolerated];
    skews.sort_unstable();
    skews.dedup();
    for skew in skews {
        let seen = Fleet { processes: 1000, skew: skew * MS, ..*fleet }.simulate(Strategy::Stamped);
        let (mean, redundant) = (number(seen.mean()), number(seen.redundant()));
        let _ = writeln!(text, "{skew:>9}{mean:>13}{:>13}{redundant:>13}", seen.peak());
    }
    text += "\
A little skew helps: whose clock is ahead finds the value expired first, and stamps the new one so that to the others it
is younger than it is. Beyond half of what is tolerated a stamp may be refused: it counts as expired, and those whose
clocks are behind create without end.\n";
    text
}
