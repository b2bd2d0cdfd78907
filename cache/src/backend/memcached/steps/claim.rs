//! A claim.

use super::{Moment, Odd, Run, Stage, Step, Written, found, only};
use crate::backend::memcached::command::{Command, Reply};
use crate::backend::memcached::item::{Event, Found, Item, Number, State, What, Write, short};
use crate::backend::memcached::ttl;
use crate::backend::{Claim, Claimed, HeldBy, Life, Over, Seen};

/// Asks for a grant.
///
/// | what was seen | asks | round trips |
/// |---|---|---|
/// | an entry to which nothing had happened, and which lasts for the lease | append *granted* to just that | 1, if it is as it was |
/// | another entry | look; append, or write anew where the item would not live as long | 2 |
/// | nothing, or whatever is there | look, which wins a stub where nothing is; write *granted* over the stub, or over what is there | 2 |
#[derive(Clone, Debug)]
pub struct Claiming {
    claim: Claim,
    /// What is written: the grant as it is then, and how many creations in a row have failed.
    stage: Stage<(Number, u32)>,
    /// Whether nothing can be appended.
    is_full: bool,
}

impl Claiming {
    #[must_use]
    pub fn new(claim: Claim) -> Claiming {
        Claiming { claim, stage: Stage::Looking, is_full: false }
    }

    /// Appends to an entry that was seen in a state that names it, without another look.
    fn append(&mut self, at: Moment) -> Option<Step<Claimed>> {
        let state = State::of(self.claim.seen.as_ref()?, at.life)?;
        let over =
            state.untouched(at.now).filter(|_| self.claim.over == Over::Nobody && !self.claim.lease.is_zero())?;
        let what = What::granted(self.claim.token, self.claim.lease, at.now);
        if state.end < what.until() {
            return None;
        }
        let event = Event { over, takes_mark: state.is_marked, what };
        let lives = short(state.end, at.now);
        self.stage = Stage::Writing((Number { cas: 0, is_slow: false, has_entry: true, events: 1, lives }, 0));
        Some(Step::ask(Command::Append { tail: event.bytes(), cas: over }))
    }

    fn look(&mut self) -> Step<Claimed> {
        self.stage = Stage::Looking;
        let has_seen_entry = self.claim.seen.as_ref().is_some_and(|seen| *seen != Seen::NOTHING);
        // A caller that has seen an entry which is gone is told so, and granted nothing.
        if has_seen_entry || self.claim.lease.is_zero() {
            return Step::look();
        }
        Step::look_to_win(ttl::stub(self.claim.lease))
    }

    fn passes(&self, by: HeldBy) -> bool {
        match self.claim.over {
            Over::Nobody => false,
            Over::Dead(token, beat) => (by.token, by.beat) == (token, beat),
            Over::Anyone => true,
        }
    }

    fn decide(&mut self, found: &Found, at: Moment) -> Step<Claimed> {
        let empty;
        let item = match found {
            Found::Nothing => None,
            Found::Stub(stub) if !stub.is_won && !self.passes(stub.by(at.life)) => {
                return Step::Done(Claimed::Held(stub.by(at.life)));
            }
            Found::Stub(stub) => {
                empty = Item::empty(stub.cas);
                Some(&empty)
            }
            Found::Item(item) => Some(item),
        };
        if let Some(item) = item {
            if let Some(held) = item.held(at.now) {
                if held.token == self.claim.token {
                    return self.write(item, What::renewed(self.claim.lease, at.now), at);
                }
                if !self.passes(held.by(at)) {
                    return Step::Done(Claimed::Held(held.by(at)));
                }
            }
            if let Some(pause) = item.paused(at.now).filter(|_| !self.claim.through_pause) {
                return Step::Done(Claimed::Paused(pause));
            }
        }
        if self.claim.seen.as_ref().is_some_and(|seen| *seen != found.seen(at)) {
            return Step::Done(Claimed::Changed(found.look(at)));
        }
        match item {
            Some(item) if !self.claim.lease.is_zero() => {
                self.write(item, What::granted(self.claim.token, self.claim.lease, at.now), at)
            }
            // A look that wins finds something, unless the server can make no stub: it says that there is nothing.
            None if !self.claim.lease.is_zero() => Step::NoMemory,
            // A lease of zero is lost before its holder can publish: nothing is written.
            _ => {
                let failures = item.map_or(0, |item| item.failures(at.now));
                self.granted(Number::OF_NOBODY, failures, at.life)
            }
        }
    }

    fn write(&mut self, item: &Item, what: What, at: Moment) -> Step<Claimed> {
        let Write { command, then } = item.write(what, at.now, self.is_full);
        self.stage = Stage::Writing((then, item.failures(at.now)));
        Step::ask(command)
    }

    fn granted(&self, number: Number, failures: u32, life: Life) -> Step<Claimed> {
        Step::Done(Claimed::Granted { grant: number.grant(self.claim.token, life), failures })
    }
}

impl Run for Claiming {
    type Answer = Claimed;

    fn begin(&mut self, at: Moment) -> Step<Claimed> {
        self.append(at).unwrap_or_else(|| self.look())
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Claimed>, Odd> {
        match self.stage {
            Stage::Looking => Ok(self.decide(&found(replies)?, at)),
            Stage::Writing((then, failures)) => match Written::of(&only(replies)?)? {
                Written::Yes(cas) => Ok(self.granted(Number { cas, ..then }, failures, at.life)),
                other => {
                    self.is_full |= matches!(other, Written::NotAppended);
                    Ok(self.look())
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Token;
    use std::time::Duration;

    /// Every claim would be granted, of one key at once.
    #[test]
    fn g1_a_server_that_can_make_no_stub_grants_nothing() {
        let at = Moment { now: 1_700_000_000_000, life: Life(1) };
        let mut claiming = Claiming::new(Claim::new(Token(7), Duration::from_secs(10)));
        assert!(matches!(claiming.begin(at), Step::Ask(_)));
        assert_eq!(claiming.take(vec![Reply::Missing], at), Ok(Step::NoMemory));
    }
}
