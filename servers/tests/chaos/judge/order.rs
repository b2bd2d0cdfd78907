//! G2 and G3: no value comes back.
//!
//! A *barrier* is a time at which something was known: an invalidation had returned, or a value was found fresh. From
//! then on no access that begins gets a value that was granted, or set, before the invalidation began; or before the
//! access began that has created the newer value.
//!
//! | what an access gets | a newer value was found fresh | an invalidation was confirmed | its own process has invalidated |
//! |---|---|---|---|
//! | a fresh value | judged | judged | judged |
//! | the value of another access of its process | | judged, unless that was cut off | judged |
//! | the old value | | judged, unless data of before have come back since | the same |
//! | a value of a process that was cut off | | | judged |
//!
//! A restart from a snapshot, and a replica that lags behind, bring back what was there before; but as stale alone.

use super::{Case, Change, Returned, Value, Verdict, millis};
use crate::history::{Answer, Got, Known, Outcome, Published, Voids};
use std::collections::{BTreeMap, HashMap};

/// What was known when.
#[derive(Debug, Default)]
struct Barriers(Vec<Barrier>);

#[derive(Clone, Copy, Debug)]
struct Barrier {
    /// When it was known.
    at: u64,
    /// What was granted or set before this is no more.
    from: u64,
}

impl Barriers {
    fn add(&mut self, at: u64, from: u64) {
        self.0.push(Barrier { at, from });
    }

    /// Sorts them by time, each with the strictest so far.
    fn sort(&mut self) {
        self.0.sort_by_key(|barrier| barrier.at);
        let mut strictest = 0;
        for barrier in &mut self.0 {
            strictest = barrier.from.max(strictest);
            barrier.from = strictest;
        }
    }

    /// Returns the strictest that was known before an access began, if the value is of before that.
    fn against(&self, began: u64, value: Value) -> Option<u64> {
        let known = self.0.partition_point(|barrier| barrier.at < began);
        let strictest = self.0[..known].last()?.from;
        (value.until < strictest).then_some(strictest)
    }
}

/// Those of a key.
#[derive(Debug, Default)]
struct Of {
    seen: Barriers,
    invalidated: Barriers,
    /// By process: those that the backend has not confirmed, too.
    by_process: BTreeMap<u64, Barriers>,
}

impl Case {
    pub(super) fn judge_order(&self, verdict: &mut Verdict) {
        let barriers = self.barriers();
        let refused = self.refused();
        for returned in &self.returned {
            let Answer::Value(got) = returned.answer else { continue };
            let Some(value) = self.values.get(&got.id) else {
                verdict.violations.push(format!("G7: nobody has made the value of {returned:?}"));
                continue;
            };
            if value.key != returned.key || value.source != got.source {
                verdict.violations.push(format!("G13: {returned:?} got {value:?}"));
            }
            if let Some(by) = refused.get(&got.id) {
                self.judge_found(by, returned, got, verdict);
            }
            if let Some(of) = barriers.get(&returned.key) {
                self.judge_value(of, returned, got, *value, verdict);
            }
        }
    }

    fn barriers(&self) -> BTreeMap<u64, Of> {
        let mut keys: BTreeMap<u64, Of> = BTreeMap::new();
        for Change { process, key, began, returned, known, .. } in
            self.changes.iter().filter(|change| change.voids == Voids::Invalidate)
        {
            // One that has not returned is of a process that is dead.
            let of = keys.entry(*key).or_default();
            of.by_process.entry(*process).or_default().add(*returned, *began);
            if *known == Known::Yes {
                of.invalidated.add(*returned, *began);
            }
        }
        for Returned { key, ended, answer, .. } in &self.returned {
            let Answer::Value(Got { id, outcome, published, .. }) = answer else { continue };
            if (*outcome == Outcome::Fresh || *published == Published::Fresh)
                && let Some(value) = self.values.get(id)
            {
                keys.entry(*key).or_default().seen.add(*ended, value.from);
            }
        }
        for of in keys.values_mut() {
            of.seen.sort();
            of.invalidated.sort();
            of.by_process.values_mut().for_each(Barriers::sort);
        }
        keys
    }

    /// The values that their creators know not to be stored.
    fn refused(&self) -> HashMap<u64, &Returned> {
        let refused = self.returned.iter().filter_map(|returned| match returned.answer {
            Answer::Value(Got {
                id,
                outcome: Outcome::Created,
                published: Published::Refused | Published::CutOff,
                ..
            }) => Some((id, returned)),
            _ => None,
        });
        refused.collect()
    }

    fn judge_found(&self, by: &Returned, returned: &Returned, got: Got, verdict: &mut Verdict) {
        let is_told_in_the_process = matches!(got.outcome, Outcome::Created | Outcome::Waited | Outcome::Own);
        if returned.process != by.process || !is_told_in_the_process {
            let excerpt = self.excerpt(returned.key, (by.began, returned.ended));
            verdict.violations.push(format!(
                "G2: process {} got {} as {}, whose publication was refused: {excerpt}",
                returned.process, got.id, got.outcome
            ));
        }
    }

    fn judge_value(&self, of: &Of, returned: &Returned, got: Got, value: Value, verdict: &mut Verdict) {
        let began = returned.began;
        let seen = of.seen.against(began, value);
        let invalidated = of.invalidated.against(began, value);
        let by_itself = of.by_process.get(&returned.process).and_then(|of| of.against(began, value));
        // What an invalidation has deleted may have come back after it, as the old value.
        let has_come_back = |since: &u64| self.faults.iter().any(|fault| fault.brings_back() && fault.to >= *since);
        let (law, barrier) = match got.outcome {
            Outcome::Fresh => match seen {
                Some(seen) => ("G2", Some(seen)),
                None => ("G3", invalidated.or(by_itself)),
            },
            Outcome::Stale => ("G3", invalidated.max(by_itself).filter(|since| !has_come_back(since))),
            Outcome::Waited if got.published != Published::CutOff => ("G3", invalidated.or(by_itself)),
            Outcome::Waited | Outcome::Own | Outcome::Created => ("G3", by_itself),
        };
        if let Some(barrier) = barrier {
            let excerpt = self.excerpt(returned.key, (value.from, returned.ended));
            verdict.violations.push(format!(
                "{law}: process {} got, from {} to {} ms, {} as {}, which is no more since {} ms: {excerpt}",
                returned.process,
                millis(value.from, began),
                millis(value.from, returned.ended),
                got.id,
                got.outcome,
                millis(value.from, barrier)
            ));
        }
    }
}
