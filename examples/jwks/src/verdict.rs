//! The rules that a run must have kept.

use crate::keys;
use crate::options::Options;
use crate::readers::Ran;
use example_common::Verdict;

/// How often the key set can have expired at the most: none of its lives ends early (L11).
pub fn expiries(ran: &Ran, options: &Options) -> u64 {
    let expiries = ran.elapsed.as_nanos() / keys::lifetime(options.max_age()).as_nanos();
    u64::try_from(expiries).unwrap_or(u64::MAX)
}

/// How many requests one lock needs at the most if this many refusals have caused a renewal. Failed requests do not
/// count.
///
/// Each answered request has one of three causes: there was no key set yet, the key set had expired, or a reader was
/// refused and elected. Each expiry makes room for one request, and each renewal is one request. No two creations run
/// at a time (L1). None is superseded, since nothing is invalidated.
pub fn allowed(ran: &Ran, options: &Options, renewals: u64) -> u64 {
    1 + expiries(ran, options) + renewals
}

/// How often a reader can be refused with the keys of one edition.
///
/// When the server rotates these keys away, one creation may be running whose request came before the rotation. That
/// creation still brings the rotated keys. No other creation runs (L1), and every later request gets newer keys. So a
/// reader can be refused twice:
///
/// 1. The reader is refused, and asks for keys of a later generation. The creation that was running satisfies this: it
///    finds the keys unchanged, and the reader gets them once more.
/// 2. The reader is refused again, and asks for keys of a still later generation. The first creation has ended by now.
///    So the creation that the reader runs or waits for makes its request after the rotation.
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
        // A reader renews only keys that were refused, and publishes keys of a later edition. So each edition is
        // renewed because of refusals once at the most, and the last edition never.
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
