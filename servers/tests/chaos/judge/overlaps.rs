//! G1: creations of a key run one after the other, unless something has happened to the earlier grant.
//!
//! | reason | between which times |
//! |---|---|
//! | the key was set or invalidated | from the earlier access of both until the second creator began |
//! | the first creation has taken too long | its time-out, counted from the beginning of its access, was over when the second creator began |
//! | the server has lost the grant: it was flushed, the grant was evicted | as for a change |
//! | a process was cut off: it was stopped, its connections were cut or held back, the server was away | the same; and for [`REACH`](super::REACH) after the fault |
//!
//! The grant of the first creation was given after its access began, and that of the second before its creator ran.
//! (The grant of the second may be the earlier one, if its reply took long.) A process that was killed is no reason:
//! its creations have ended, and the next one has to wait for the lease.
//!
//! The crate's own count is compared: if both accesses have learned what has become of their values, one of them has
//! counted the overlap.

use super::{Case, Creation, Verdict, touch};
use crate::fault::Kind;
use crate::history::{Answer, Known, Published};
use crate::settings::Weather;
use std::collections::BTreeMap;

impl Case {
    pub(super) fn judge_overlaps(&self, weather: Weather, verdict: &mut Verdict) {
        let mut running: BTreeMap<u64, Vec<&Creation>> = BTreeMap::new();
        // They are sorted by their beginning.
        for second in &self.creations {
            let running = running.entry(second.key).or_default();
            running.retain(|first| first.ended > second.began);
            for first in &*running {
                self.judge_overlap(weather, first, second, verdict);
            }
            running.push(second);
            verdict.creations += 1;
            let alone = self.reason(second, second, (second.access, second.began));
            verdict.without_excuse += usize::from(alone.is_none());
        }
        if weather == Weather::Calm {
            let counted =
                self.overlapped.iter().map(|of| format!("G1: an overlap is counted, and there was no fault: {of:?}"));
            verdict.violations.extend(counted);
        }
    }

    fn judge_overlap(&self, weather: Weather, first: &Creation, second: &Creation, verdict: &mut Verdict) {
        let time = (first.access.min(second.access), second.began);
        let reason = if weather == Weather::Calm { None } else { self.reason(first, second, time) };
        let Some(reason) = reason else {
            let excerpt = self.excerpt(first.key, (time.0, first.ended.min(second.ended)));
            let (one, other) = (first.id, second.id);
            verdict.violations.push(format!("G1: key {}: {one} and {other} overlap: {excerpt}", first.key));
            return;
        };
        *verdict.overlaps.entry(reason.clone()).or_default() += 1;
        // A process that lives counts what it learns, by the end of its creation.
        let is_counted = |(process, key, at): &(u64, u64, u64)| {
            *key == first.key && *at >= time.0 && (*process == first.process || *process == second.process)
        };
        if self.is_known(first) && self.is_known(second) && !self.overlapped.iter().any(is_counted) {
            let excerpt = self.excerpt(first.key, (time.0, first.ended.max(second.ended)));
            let (one, other) = (first.id, second.id);
            verdict.violations.push(format!("G1: {one} and {other} overlap ({reason}), uncounted: {excerpt}"));
        }
    }

    /// Whether the access has learned what has become of its creation.
    fn is_known(&self, creation: &Creation) -> bool {
        let call = self.answers.get(&(creation.call, creation.key));
        matches!(call, Some(Answer::Value(got)) if got.id == creation.id && got.published != Published::InDoubt)
    }

    /// Returns why two creations of a key may overlap.
    pub(super) fn reason(&self, first: &Creation, second: &Creation, time: (u64, u64)) -> Option<String> {
        let mut changes =
            self.changes.iter().filter(|change| change.key == first.key && change.known != Known::Refused);
        if let Some(change) = changes.find(|change| touch((change.began, change.until), time)) {
            let in_doubt = if change.known == Known::InDoubt { ", perhaps" } else { "" };
            return Some(format!("{}{in_doubt}", change.voids));
        }
        if second.began >= first.access + self.terms.creation_timeout {
            return Some("Late".to_owned());
        }
        let mut kinds: Vec<Kind> = Vec::new();
        for fault in &self.faults {
            let is_lost = fault.loses_grants(first.key) && touch(fault.time(), time);
            let is_of_them = [first, second].iter().any(|of| fault.cuts_off(of.process, of.key));
            let is_cut_off = is_of_them && touch(fault.with_reach(self.terms), time);
            if is_lost || is_cut_off {
                kinds.push(fault.kind);
            }
        }
        // The stalls of the machine come last: they are not of the test's making.
        kinds.into_iter().min().map(|kind| kind.to_string())
    }
}
