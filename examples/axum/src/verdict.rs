//! The rules that a run must have kept.

use crate::Ran;
use crate::load::End;
use crate::options::{LIFETIME, Options};
use example_common::Verdict;
use hdrhistogram::Histogram;

/// How often the rates can have expired at the most: none of their lives ends early (L11).
fn expiries(ran: &Ran) -> u64 {
    u64::try_from(ran.elapsed.as_nanos() / LIFETIME.as_nanos()).unwrap_or(u64::MAX)
}

/// How many answers of the upstream one lock needs at the most.
///
/// 1. An answer that was published has one of three causes: there were no rates yet, the rates had expired, or they had
///    been invalidated. Each of these makes room for one answer.
/// 2. An answer that was superseded was on its way during an invalidation. No two answers are on their way at a time
///    (L1).
fn allowed(ran: &Ran) -> u64 {
    1 + expiries(ran) + 2 * ran.server.invalidations
}

/// Judges a run under the lock.
pub fn judge(ran: &Ran, options: &Options) -> Verdict {
    let (upstream, server, auditor) = (ran.upstream, ran.server, ran.auditor);
    let ended = |end: End| ran.answers.get(&end).map_or(0, Histogram::len);
    let all: u64 = ran.answers.keys().map(|end| ended(*end)).sum();
    let allowed = allowed(ran);
    Verdict(vec![
        (
            all == u64::from(options.requests) && ended(End::Refused) == 0 && auditor.failed == 0,
            format!("{all} requests were answered, {} of them with an error", ended(End::Refused)),
        ),
        (
            upstream.most_at_once == 1,
            format!("L1: the upstream had {} call in hand at the most", upstream.most_at_once),
        ),
        (
            upstream.answered <= allowed,
            format!(
                "{} calls answered; {allowed} at the most for {} expiries and {} invalidations",
                upstream.answered,
                expiries(ran),
                server.invalidations
            ),
        ),
        // A future that was dropped frees the lock. Otherwise no access would have called the upstream after it.
        (
            upstream.given_up <= server.dropped,
            format!("L5: {} calls given up by {} futures that were dropped", upstream.given_up, server.dropped),
        ),
        (
            auditor.backwards == 0,
            format!("L6: {} looks of the thread found older rates than the look before", auditor.backwards),
        ),
    ])
}
