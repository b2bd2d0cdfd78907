//! G4 and G5: what a creator has made, its caller gets; and no call waits without a reason.
//!
//! A call's *reasons* to wait are the creations of its keys, in any process, and a lease after each of them: so long a
//! holder that was killed keeps others from creating. The rest of its time has a bound. The time in which its own
//! process was stopped does not count.

use super::{Case, Returned, Verdict, touch};
use crate::fault::{Fault, Kind};
use crate::history::{Answer, Call, Ended, How, MS, Outcome, Published, SECOND};
use crate::settings::{TIMEOUT, Terms, Weather};
use std::collections::{BTreeMap, BTreeSet};

/// For a machine that is busy.
const SLACK: u64 = 2 * SECOND;

/// The calls of accesses to several keys: the keys of each.
type Keys = BTreeMap<u64, BTreeSet<u64>>;

impl Case {
    pub(super) fn judge_results(&self, weather: Weather, verdict: &mut Verdict) {
        let mut keys = Keys::new();
        for returned in self.returned.iter().filter(|returned| returned.kind == Call::Many) {
            keys.entry(returned.call).or_default().insert(returned.key);
        }
        self.judge_made(&keys, verdict);
        for returned in &self.returned {
            verdict.longest = verdict.longest.max(returned.ended - returned.began);
            self.judge_time(returned, &keys, verdict);
            let is_wrong = match returned.answer {
                Answer::Ended(Ended::Strange) => true,
                Answer::Ended(Ended::Down) if returned.kind == Call::Change && self.terms.gives_up => {
                    weather == Weather::Calm && !self.is_away(returned)
                }
                Answer::Ended(Ended::Down | Ended::TimedOut) => weather == Weather::Calm,
                Answer::Value(got) => {
                    weather == Weather::Calm
                        && (got.outcome == Outcome::Own
                            || !matches!(got.published, Published::Elsewhere | Published::Fresh | Published::Stale))
                }
                Answer::Ended(_) => false,
            };
            if is_wrong {
                verdict.violations.push(format!("in {weather:?} weather: {returned:?}"));
            }
        }
    }

    fn judge_made(&self, many: &Keys, verdict: &mut Verdict) {
        for made in self.creations.iter().filter(|creation| creation.how == How::Made) {
            let is_given = match self.answers.get(&(made.call, made.key)) {
                // The process was killed before the call returned.
                None => self.dead.contains_key(&made.process),
                Some(Answer::Value(got)) => got.id == made.id,
                // The error of one key is that of the whole access.
                Some(Answer::Ended(_)) => many.contains_key(&made.call),
            };
            if !is_given {
                let excerpt = self.excerpt(made.key, (made.access, made.ended));
                verdict.violations.push(format!("G4: {} was made, and not given to its caller: {excerpt}", made.id));
            }
        }
    }

    fn judge_time(&self, returned: &Returned, keys: &Keys, verdict: &mut Verdict) {
        let call = (returned.began, returned.ended);
        let Terms { lease, backend_timeout, .. } = self.terms;
        // What a call that cannot create may take. Most calls are far below each bound.
        let short = backend_timeout + SLACK;
        if call.1 - call.0 <= short {
            return;
        }
        let (one, several) = (BTreeSet::from([returned.key]), keys.get(&returned.call));
        let keys = several.unwrap_or(&one);
        let reaches = |fault: &&Fault| keys.iter().any(|key| fault.scope.keys.has(*key));
        let is_its_stop = |fault: &&Fault| match fault.scope.process {
            Some(process) => matches!(fault.kind, Kind::StopHolder | Kind::Stall) && process == returned.process,
            None => fault.kind == Kind::Stall && reaches(fault),
        };
        let stops: Vec<_> = self.faults.iter().filter(is_its_stop).map(Fault::time).collect();
        let took = uncovered(call, stops.clone());
        let mut too_long = |what: &str, bound: u64, took: u64| {
            if took > bound {
                let excerpt = self.excerpt(returned.key, call);
                let (took, bound) = (took / MS, bound / MS);
                verdict.violations.push(format!("G5: {what} took {took} ms of {bound}: {returned:?} {excerpt}"));
            }
        };
        match returned.kind {
            Call::Value | Call::Change | Call::Count => too_long("a call that cannot create", short, took),
            Call::Get | Call::Hurried | Call::Claim | Call::Many => {
                let of_keys = self.creations.iter().filter(|creation| keys.contains(&creation.key));
                let mut reasons = stops;
                reasons.extend(of_keys.map(|creation| (creation.began, creation.ended + lease)));
                // A grant that was on its way when this happened has no holder.
                let hits = |fault: &&Fault| reaches(fault) && touch(fault.with_reach(self.terms), call);
                let faults = self.faults.iter().filter(hits).count();
                // The backend, a poll; and the lease of a holder that has died before its creator began to run.
                let bound = backend_timeout + 100 * MS + SLACK + lease * (1 + faults as u64);
                too_long("beyond its reasons, an access", bound, uncovered(call, reasons));
                if returned.kind == Call::Hurried {
                    let own = self.creations.iter().filter(|creation| creation.call == returned.call);
                    let own: u64 = own.map(|creation| creation.ended - creation.began).sum();
                    let bound = TIMEOUT + backend_timeout + own + SLACK;
                    too_long("an access with a time-out", bound, took);
                }
            }
        }
    }
}

/// Returns how much of a time is in none of these.
fn uncovered((from, to): (u64, u64), mut covers: Vec<(u64, u64)>) -> u64 {
    covers.sort_unstable();
    let (mut sum, mut at) = (0, from);
    for (start, end) in covers {
        sum += start.min(to).saturating_sub(at);
        at = at.max(end);
    }
    sum + to.saturating_sub(at)
}

pub fn the_rest_of_a_time() {
    assert_eq!(uncovered((10, 20), vec![]), 10);
    assert_eq!(uncovered((10, 20), vec![(0, 5), (18, 30), (12, 14), (13, 15)]), 2 + 3);
    assert_eq!(uncovered((10, 20), vec![(5, 30)]), 0);
}
