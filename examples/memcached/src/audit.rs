//! The audit: what the source must have counted, whatever the timing.

use crate::source::Query;
use std::collections::BTreeSet;

/// What happened in a stretch of the run, apart from the queries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stretch {
    /// How often the value was missing for the whole fleet. The first time, it has not been there yet.
    pub missing: usize,
    /// How often it was there, and was marked stale.
    pub marked: usize,
    /// How often it was there, and had expired, at least.
    pub expired: usize,
}

/// Judges the queries of a fleet that has its server. Each line says what was found, and whether it is as it must be.
pub fn with_server(queries: &[Query], stretch: Stretch) -> Vec<(bool, String)> {
    let most = queries.iter().map(|query| query.beside + 1).max().unwrap_or(0);
    let for_nothing = queries.iter().filter(|query| query.old == 0).count();
    let replaced: Vec<_> = queries.iter().map(|query| query.old).filter(|old| *old > 0).collect();
    let different = replaced.iter().collect::<BTreeSet<_>>().len();
    let Stretch { missing, marked, expired } = stretch;
    let early = queries.iter().filter(|query| query.is_early).count();
    let mut lines = vec![
        (most <= 1, format!("most creations at once in the whole fleet: {most}")),
        (
            for_nothing == missing,
            format!("creations for nothing: {for_nothing}; the value was missing {missing} times"),
        ),
        (different == replaced.len(), format!("creations for {different} old values: {}", replaced.len())),
    ];
    if marked > 0 {
        let (stale, all) = (marked + expired, replaced.len());
        lines.push((
            different >= stale,
            format!("the value was marked, or has expired, {stale} times: {all} creations"),
        ));
        lines.push((early <= marked, format!("creations before the value can have expired: {early}; marks: {marked}")));
    }
    lines
}

/// Judges the queries of processes that are cut off from their server: each of them creates for itself.
pub fn without_server(queries: &[Query], processes: &[u32]) -> Vec<(bool, String)> {
    let most = queries.iter().map(|query| query.beside_own + 1).max().unwrap_or(0);
    let asked = queries.iter().map(|query| query.process).collect::<BTreeSet<_>>();
    vec![
        (most <= 1, format!("most creations at once in a process that is cut off: {most}")),
        (asked == processes.iter().copied().collect(), format!("{} of them created for themselves", asked.len())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    /// The queries of a source that was asked these things, one after the other.
    fn asked(lines: &[&str], values_live: Duration) -> Vec<Query> {
        let source = Source::start(Duration::ZERO, values_live).unwrap();
        for line in lines {
            let mut asked = TcpStream::connect(source.address).unwrap();
            writeln!(asked, "{line}").unwrap();
            asked.read_to_end(&mut Vec::new()).unwrap();
        }
        source.queries()
    }

    fn kept(lines: Vec<(bool, String)>) -> Vec<bool> {
        lines.into_iter().map(|(kept, _)| kept).collect()
    }

    #[test]
    fn each_violation_is_found() {
        let (once, live) = (Stretch { missing: 1, marked: 1, expired: 0 }, Duration::MAX);
        assert_eq!(kept(with_server(&asked(&["7 0", "8 1"], live), once)), [true; 5]);
        let twice = with_server(&asked(&["7 0", "8 1", "7 1"], Duration::ZERO), once);
        assert_eq!(kept(twice), [true, true, false, true, true]);
        let unasked = with_server(&asked(&["7 0", "8 1", "7 2"], live), once);
        assert_eq!(kept(unasked), [true, true, true, true, false]);
        let nothing = with_server(&asked(&["7 0", "8 0", "8 2"], live), once);
        assert_eq!(kept(nothing), [true, false, true, true, true]);
        assert_eq!(kept(with_server(&asked(&["7 0"], live), once)), [true, true, true, false, true]);
        let mut beside = asked(&["7 0", "8 1"], live);
        (beside[1].beside, beside[1].beside_own) = (1, 1);
        assert_eq!(kept(with_server(&beside, once)), [false, true, true, true, true]);
        assert_eq!(kept(without_server(&beside, &[7, 8])), [false, true]);
        beside[1].beside_own = 0;
        assert_eq!(kept(without_server(&beside, &[7, 8])), [true, true]);
        assert_eq!(kept(without_server(&beside, &[7, 8, 9])), [true, false]);
    }
}
