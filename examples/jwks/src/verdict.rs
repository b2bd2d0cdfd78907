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

/// How many requests one lock needs at the most, but for those that fail, if the keys are invalidated so often.
///
/// What is made of an answer is either published or superseded.
///
/// 1. Before each one that is published, there was no key set yet, or it had expired, or somebody had invalidated it
///    since the one before was published. Each expiry and each invalidation makes room for one.
/// 2. Each one that is superseded was being made while somebody invalidated. No two are made at a time (L1), so there
///    is one for each invalidation at the most.
pub fn allowed(ran: &Ran, options: &Options, invalidations: u64) -> u64 {
    1 + expiries(ran, options) + 2 * invalidations
}

/// How often a reader can be refused with the keys of one edition.
///
/// When they are rotated away, one creation may be running that has asked before, and still brings them. There is no
/// other (L1), and whoever asks later gets newer ones. Now a reader is refused
///
/// 1. and does not invalidate them, as the generation has moved since it read them. It reads them again: that creation
///    still runs, and they are there as stale ones;
/// 2. and again does not invalidate them, as that creation has ended meanwhile, and found them unchanged. (If something
///    else has moved the generation, newer ones come next.) It reads them again;
/// 3. and either invalidates them, or somebody else has, or newer ones have been published. Whichever it was, the next
///    read gets newer ones (L6).
const REFUSED_AT_MOST: u64 = 3;

/// Judges a run under the lock.
pub fn judge(ran: &Ran, options: &Options) -> Verdict {
    let (tally, seen) = (ran.tally, ran.seen);
    let (invalidations, answered) = (tally.invalidations, seen.answered());
    let allowed = allowed(ran, options, invalidations);
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
                "{answered} answers; {allowed} at the most for {} expiries and {invalidations} invalidations",
                expiries(ran, options)
            ),
        ),
        // What is invalidated was refused, and what is published next is a later edition (L6): each is invalidated
        // once at the most, and the last one never.
        (invalidations <= ran.rotations, format!("L6: {invalidations} invalidations for {} rotations", ran.rotations)),
        (
            tally.outdated == 0,
            format!("L6: {} reads got keys that had been invalidated before they began", tally.outdated),
        ),
        (
            tally.most_in_a_row <= REFUSED_AT_MOST,
            format!(
                "L6: most refusals of one reader with the same keys: {}; {REFUSED_AT_MOST} can happen",
                tally.most_in_a_row
            ),
        ),
    ])
}
