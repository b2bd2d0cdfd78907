//! What must be true after a run.

use crate::keys;
use crate::options::Options;
use crate::readers::Ran;
use example_common::Verdict;

/// How often the key set can have expired: none of its lives ends early (L11).
pub fn expiries(ran: &Ran, options: &Options) -> u64 {
    let expiries = ran.elapsed.as_nanos() / keys::lifetime(options.max_age()).as_nanos();
    u64::try_from(expiries).unwrap_or(u64::MAX)
}

/// How many requests one lock needs at the most, but for those that fail, if so many refusals have caused a renewal.
///
/// Before each answer there was no key set yet, or it had expired, or a reader was refused and elected. Each expiry makes
/// room for one, and each renewal is one. No two are made at a time (L1), and none is superseded, since nothing is
/// invalidated.
pub fn allowed(ran: &Ran, options: &Options, renewals: u64) -> u64 {
    1 + expiries(ran, options) + renewals
}

/// How often a reader can be refused with the keys of one edition.
///
/// When they are rotated away, one creation may be running that has asked before, and still brings them. There is no
/// other (L1), and whatever asks later gets newer ones. Now a reader is refused
///
/// 1. and asks for newer keys, of a later generation. That creation's are: it finds the keys unchanged, and the reader
///    gets them once more;
/// 2. and asks for newer ones again. That creation has ended, so what the reader creates, or waits for, has asked since.
const REFUSED_AT_MOST: u64 = 2;

/// Judges a run under the lock.
pub fn judge(ran: &Ran, options: &Options) -> Verdict {
    let (tally, seen) = (ran.tally, ran.seen);
    let (renewals, answered) = (tally.renewals, seen.answered());
    let allowed = allowed(ran, options, renewals);
    Verdict(vec![
        (
            seen.unchanged > 0 && tally.refusals > 0 && (seen.failed > 0 || options.failures == 0),
            "the server has answered 304, has refused keys, and has failed if it was to".into(),
        ),
        (
            seen.most_at_once <= 1,
            format!("L1: it never had more than one request in hand: {} at the most", seen.most_at_once),
        ),
        (
            answered <= allowed,
            format!(
                "{answered} answers; {allowed} at the most for {} expiries and {renewals} renewals",
                expiries(ran, options)
            ),
        ),
        // What a reader renews was refused, and what it publishes is a later edition: each is renewed because of that
        // once at the most, and the last one never.
        (
            renewals <= ran.rotations,
            format!("{renewals} renewals because of refusals, for {} rotations", ran.rotations),
        ),
        (tally.outdated == 0, format!("L4: {} reads got keys that had been renewed before they began", tally.outdated)),
        (
            tally.most_in_a_row <= REFUSED_AT_MOST,
            format!(
                "most refusals of one reader with the same keys: {}; {REFUSED_AT_MOST} can happen",
                tally.most_in_a_row
            ),
        ),
    ])
}
