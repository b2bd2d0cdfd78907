//! What a process is refused has a reason: a server that is there answers, and what was granted is published.
//!
//! | what an access learns | its reason |
//! |---|---|
//! | the publication was refused, or is in doubt | what would be one of an overlap: the key was changed, the creation took too long, the grant was lost, the process was cut off |
//! | the server is away: an error; a value of the process alone | the process was cut off from the key. After an invalidation that was not confirmed, it by-passes the key by itself, until that is |
//!
//! (An access that has waited for a value learns what the access has learned that has created it.)
//!
//! Without faults the same is asked of a change that has given up, where it does that by itself.
//!
//! So the keys of other servers go on while one of several is away.

use super::{Case, Change, Creation, Returned, Verdict, touch};
use crate::history::{Answer, Call, Ended, Got, Known, Outcome, Published, Voids};
use std::collections::HashMap;

impl Case {
    pub(super) fn judge_refused(&self, verdict: &mut Verdict) {
        let creations: HashMap<u64, &Creation> = self.creations.iter().map(|of| (of.id, of)).collect();
        for returned in &self.returned {
            let time = (returned.began, returned.ended);
            let (law, is_excused) = match returned.answer {
                // The access whose value it is may have been cut off before this one began.
                Answer::Value(Got { id, outcome: Outcome::Waited, published: Published::CutOff, .. }) => {
                    let began = creations.get(&id).map_or(time.0, |of| of.access.min(time.0));
                    ("away", self.is_away(&Returned { began, ..*returned }))
                }
                Answer::Ended(Ended::Down)
                | Answer::Value(Got { outcome: Outcome::Own, .. } | Got { published: Published::CutOff, .. }) => {
                    ("away", self.is_away(returned))
                }
                Answer::Value(Got {
                    id,
                    outcome: Outcome::Created,
                    published: Published::Refused | Published::InDoubt,
                    ..
                }) => {
                    let Some(creation) = creations.get(&id) else { continue };
                    let is_late = creation.ended >= creation.access + self.terms.creation_timeout;
                    ("G9", is_late || self.reason(creation, creation, time).is_some())
                }
                _ => continue,
            };
            if !is_excused {
                let excerpt = self.excerpt(returned.key, time);
                verdict.violations.push(format!("{law}: without a reason: {returned:?}: {excerpt}"));
            }
        }
    }

    /// Whether something has cut the process off from the key.
    pub(super) fn is_away(&self, returned: &Returned) -> bool {
        let Returned { process, kind, key, began, ended, .. } = *returned;
        let is_cut_off = self
            .faults
            .iter()
            .any(|fault| fault.cuts_off(process, key) && touch(fault.with_reach(self.terms), (began, ended)));
        // (A change asks the server in any case. So it is no reason of its own.)
        let is_by_passed = |change: &Change| {
            (change.process, change.key, change.voids) == (process, key, Voids::Invalidate)
                && change.known == Known::InDoubt
                && touch((change.began, change.until), (began, ended))
        };
        is_cut_off || (kind != Call::Change && self.changes.iter().any(is_by_passed))
    }
}
