//! A claim.

use super::{Moment, Odd, Run, Stage, Step, Written, found, only};
use crate::backend::memcached::command::{Command, Reply};
use crate::backend::memcached::item::{Event, Found, Item, Number, Sending, State, What, Write, short};
use crate::backend::{Claim, Claimed, HeldBy, Life, Over, Seen};

/// Asks for a grant.
///
/// | what was seen | asks | round trips |
/// |---|---|---|
/// | an entry to which nothing had happened, and which lasts for the lease | append *granted* to just that | 1, if it is as it was |
/// | nothing | add *granted* where nothing is | 1, if nothing is there; else as below, 2 more |
/// | another entry, or whatever is there | look; append, or write anew where the item would not live as long, or add | 2 |
#[derive(Clone, Debug)]
pub struct Claiming {
    claim: Claim,
    sending: Sending,
    /// What is written: the grant as it is then, and how many creations in a row have failed.
    stage: Stage<(Number, u32)>,
    /// Whether the item has no room for what was to be appended.
    is_full: bool,
}

impl Claiming {
    /// Makes a run of the claim. It has a sending of its own: another run of the same claim has another.
    #[must_use]
    pub fn new(claim: Claim, sending: Sending) -> Claiming {
        Claiming { claim, sending, stage: Stage::Looking, is_full: false }
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
        let then = Number { has_entry: true, events: 1, lives, ..Number::of_stub(0) };
        self.stage = Stage::Writing((then, 0));
        Some(Step::ask(Command::Append { tail: event.bytes(), cas: over }))
    }

    /// Adds the grant where nothing was seen, without another look.
    fn add_at_once(&mut self, at: Moment) -> Option<Step<Claimed>> {
        let Claim { seen, over, lease, .. } = &self.claim;
        let has_seen_nothing = *seen == Some(Seen::NOTHING) && *over == Over::Nobody && !lease.is_zero();
        has_seen_nothing.then(|| self.add(at))
    }

    fn add(&mut self, at: Moment) -> Step<Claimed> {
        let granted = What::granted(self.claim.token, self.claim.lease, at.now);
        let write = Item::begin(granted, self.sending, at.now);
        self.written(write, 0)
    }

    fn look(&mut self) -> Step<Claimed> {
        self.stage = Stage::Looking;
        Step::look()
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
            Found::Stub(stub) if !self.passes(stub.by(at.life)) => {
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
            None if !self.claim.lease.is_zero() => self.add(at),
            // A lease of zero is lost before its holder can publish: nothing is written.
            _ => {
                let failures = item.map_or(0, |item| item.failures(at.now));
                self.granted(Number::ANY, failures, at.life)
            }
        }
    }

    fn write(&mut self, item: &Item, what: What, at: Moment) -> Step<Claimed> {
        self.written(item.write(what, at.now, self.is_full), item.failures(at.now))
    }

    fn written(&mut self, Write { command, then }: Write, failures: u32) -> Step<Claimed> {
        self.stage = Stage::Writing((then, failures));
        Step::ask(command)
    }

    fn granted(&self, number: Number, failures: u32, life: Life) -> Step<Claimed> {
        Step::Done(Claimed::Granted { grant: number.grant(self.claim.token, life), failures })
    }
}

impl Run for Claiming {
    type Answer = Claimed;

    fn begin(&mut self, at: Moment) -> Step<Claimed> {
        self.append(at).or_else(|| self.add_at_once(at)).unwrap_or_else(|| self.look())
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Claimed>, Odd> {
        match self.stage {
            Stage::Looking => Ok(self.decide(&found(replies)?, at)),
            Stage::Writing((then, failures)) => match Written::of(&only(replies)?)? {
                Written::Yes(cas) => Ok(self.granted(Number { cas, ..then }, failures, at.life)),
                other => {
                    // (What was not added where nothing is, says nothing of room.)
                    self.is_full |= then.has_entry && matches!(other, Written::NotAppended);
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
    use crate::backend::memcached::command::Only;
    use std::time::Duration;

    /// What a look has found does not elect: of two claims that have found nothing, the server stores one.
    #[test]
    fn g1_a_claim_that_finds_nothing_is_granted_when_the_server_has_stored() {
        let at = Moment { now: 1_700_000_000_000, life: Life(1) };
        let mut claiming = Claiming::new(Claim::new(Token(7), Duration::from_secs(10)), Sending::after(0));
        assert!(matches!(claiming.begin(at), Step::Ask(_)));
        for _ in 0..2 {
            let Ok(Step::Ask(requests)) = claiming.take(vec![Reply::Missing], at) else { panic!("granted by a look") };
            assert!(matches!(&requests[0].command, Command::Store { only: Only::Missing, .. }), "{requests:?}");
            assert_eq!(claiming.take(vec![Reply::NotStored], at), Ok(Step::look()));
        }
        claiming.take(vec![Reply::Missing], at).unwrap();
        let granted = claiming.take(vec![Reply::Stored { cas: 5 }], at);
        assert!(matches!(granted, Ok(Step::Done(Claimed::Granted { .. }))), "{granted:?}");
    }
}
