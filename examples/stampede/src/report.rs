//! The table, and the text below it.

use crate::load::{Seen, nanoseconds};
use crate::options::{Creator, Options};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// A time with three significant digits and its unit.
#[allow(clippy::cast_precision_loss)] // three digits
pub fn time(nanoseconds: u64) -> String {
    let exact = nanoseconds as f64;
    // The bounds are where three digits round up to the next unit.
    let (scaled, unit) = match exact {
        0.0..999.5 => return format!("{nanoseconds} ns"),
        999.5..999_500.0 => (exact / 1e3, "µs"),
        999_500.0..999_500_000.0 => (exact / 1e6, "ms"),
        _ => (exact / 1e9, "s"),
    };
    let decimals = match scaled {
        0.0..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$} {unit}")
}

/// The slowest read that did not run the creator although there was a value when it began, if there was such a read.
pub fn slowest_other(seen: &Seen) -> String {
    match seen.record.slowest_other {
        0 => "none".into(),
        latency => time(latency),
    }
}

/// A number of things, in words.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Describes the run that is about to begin. `alone` is the time that one creation takes when nothing else runs.
pub fn heading(options: &Options, log: &Path, alone: Duration) -> String {
    let creator = match options.creator {
        Creator::Parse => format!("parses {}, {} when alone", log.display(), time(nanoseconds(alone))),
        Creator::Wait(wait) => format!("waits {}", time(nanoseconds(wait))),
    };
    format!(
        "{}, a pause of {} between reads, {} for each strategy, starting with nothing there\n\
         the value expires {} after its creation; the creator {creator}\n",
        count(options.threads.into(), "reader"),
        time(nanoseconds(options.rest())),
        time(nanoseconds(options.seconds)),
        time(nanoseconds(options.expires_after())),
    )
}

const COLUMNS: [&str; 10] = [
    "strategy",
    "creations",
    "most at once",
    "reads/s",
    "median",
    "p99.9",
    "maximum",
    "slowest other*",
    "oldest value",
    "expired**",
];

/// The first line of the table.
pub fn header() -> String {
    line(COLUMNS)
}

/// The line of one strategy.
pub fn row(seen: &Seen) -> String {
    let all = &seen.record.all;
    let cells = [
        seen.creations.len().to_string(),
        seen.most_at_once.to_string(),
        reads_per_second(seen).to_string(),
        time(all.value_at_quantile(0.5)),
        time(all.value_at_quantile(0.999)),
        time(all.max()),
        slowest_other(seen),
        time(seen.record.oldest),
        seen.record.expired.to_string(),
    ];
    let mut row = [seen.name; COLUMNS.len()];
    for (place, cell) in row[1..].iter_mut().zip(&cells) {
        *place = cell;
    }
    line(row)
}

/// How many reads ended in one second, on average.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few digits will do
pub fn reads_per_second(seen: &Seen) -> u64 {
    (seen.record.all.len() as f64 / seen.elapsed.as_secs_f64()).round() as u64
}

/// Writes one line. Columns are two spaces apart or more, and cells hold single spaces only.
fn line(cells: [&str; COLUMNS.len()]) -> String {
    let mut line = format!("{:<19}", cells[0]);
    for (cell, title) in cells.iter().zip(COLUMNS).skip(1) {
        let width = title.len().max(8) + 2;
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:>width$}");
    }
    line
}

/// Explains the marked columns, and sums up the run.
pub fn closing(all: &[Seen]) -> String {
    let mut text =
        "* of reads that began when there was a value, fresh or expired, and did not run the creator themselves;\n\
                    \x20 delays by the scheduler count, too\n\
                    ** reads that were given an expired value\n"
            .to_owned();
    if let [unprotected, queued @ .., dogpile, early, background] = all {
        let queued: Vec<_> = queued.iter().map(|seen| format!("{} ({})", slowest_other(seen), seen.name)).collect();
        let _ = write!(
            text,
            "\nWith {}, up to {} ran at once, and a read took up to {}.\n\
             Once there was a value, reads that left the creating to others took up to {},\n\
             and up to {} ({}), whose readers carry on with the old value: it was up to {} old.\n\
             Renewed early, an expired one was given to {}, and {} ran the creator once there was a value;\n\
             in the background, too, to {}, and {} ran the creator.",
            unprotected.name,
            count(unprotected.most_at_once, "creator"),
            time(unprotected.record.all.max()),
            queued.join(", "),
            slowest_other(dogpile),
            dogpile.name,
            time(dogpile.record.oldest),
            count(early.record.expired, "read"),
            early.record.delayed,
            count(background.record.expired, "read"),
            background.record.delayed,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_round_up_into_the_next_unit() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (9_994, "9.99 µs"),
            (9_996, "10.0 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (999_499_999, "999 ms"),
            (999_500_000, "1.00 s"),
            (61_000_000_000, "61.0 s"),
        ] {
            assert_eq!(time(nanoseconds), text);
        }
    }
}
