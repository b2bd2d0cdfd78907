//! G12: between two losses of the server's data, the increments of a counter give numbers that are all different, and
//! those that began later give larger ones.

use super::{Case, Counted, Verdict, touch};
use crate::fault::Fault;
use std::collections::BTreeMap;

impl Case {
    pub(super) fn judge_counters(&self, verdict: &mut Verdict) {
        // Which counter, between which losses. (An increment at the time of a loss is of none.)
        let mut parts: BTreeMap<(u64, usize), Vec<&Counted>> = BTreeMap::new();
        let has_lost = |fault: &Fault, key: u64| !self.terms.counters_last && fault.loses_all(key);
        for counted in &self.counted {
            let time = (counted.began, counted.ended);
            let losses = || self.faults.iter().filter(|fault| has_lost(fault, counted.key)).map(Fault::time);
            if !losses().any(|loss| touch(loss, time)) {
                let part = losses().filter(|loss| loss.1 < counted.began).count();
                parts.entry((counted.key, part)).or_default().push(counted);
            }
        }
        for counted in parts.values_mut() {
            judge_part(counted, verdict);
        }
    }
}

fn judge_part(counted: &mut [&Counted], verdict: &mut Verdict) {
    counted.sort_by_key(|counted| counted.value);
    for pair in counted.windows(2) {
        if pair[0].value == pair[1].value {
            verdict.violations.push(format!("G12: one number twice: {:?}, {:?}", pair[0], pair[1]));
        }
    }
    // By their numbers: none may have ended before the one with a smaller number began.
    let mut latest: Option<&Counted> = None;
    for counted in counted {
        if let Some(before) = latest.filter(|before| counted.ended < before.began) {
            verdict.violations.push(format!("G12: {before:?} began after {counted:?} had ended"));
        }
        latest = match latest {
            Some(before) if before.began > counted.began => Some(before),
            _ => Some(counted),
        };
    }
}
