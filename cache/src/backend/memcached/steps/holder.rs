//! What the holder of a grant does: renew, publish, end.
//!
//! Each begins with a write over the CAS number that the holder knows, and looks only if that is refused: a mark or a
//! touch may have given the item another number, and the grant goes on. The grant is there if its token is, and the
//! [number](Item::is_of) that the holder knows is of that grant.

use super::{Moment, Odd, Run, Stage, Step, Written, found, only};
use crate::backend::memcached::command::{Only, Reply};
use crate::backend::memcached::item::{Found, Item, Number, What, Write};
use crate::backend::memcached::ttl;
use crate::backend::{Ended, Entry, Grant, PauseFor, Published, Refusal, Renewed};
use std::time::Duration;

/// Returns the item with the grant, or why it is not there.
fn own(found: Found, grant: &Grant, now: u64) -> Result<Item, Refusal> {
    let number = Number::of(grant.cas);
    let item = match found {
        Found::Nothing => return Err(Refusal::Gone),
        Found::Stub(stub) if stub.cas == number.cas => return Ok(Item::empty(stub.cas)),
        // Another's; or the holder's own, marked, which nobody can tell.
        Found::Stub(_) => return Err(Refusal::Overtaken),
        Found::Item(item) => item,
    };
    match item.held(now) {
        Some(held) if held.token != grant.token => Err(Refusal::Overtaken),
        Some(held) if item.is_of(number, held) => Ok(item),
        // Nobody's; or that of a claim with this token which has come late, after the end of the caller's grant.
        _ => Err(Refusal::Gone),
    }
}

/// Begins the lease of a grant anew. One round trip; three if the item has changed, or says more than its holder knows.
#[derive(Clone, Debug)]
pub struct Renewing {
    grant: Grant,
    lease: Duration,
    stage: Stage<Number>,
    is_full: bool,
}

impl Renewing {
    #[must_use]
    pub fn new(grant: Grant, lease: Duration) -> Renewing {
        Renewing { grant, lease, stage: Stage::Looking, is_full: false }
    }

    fn what(&self, is_new: bool, now: u64) -> What {
        if is_new { What::granted(self.grant.token, self.lease, now) } else { What::renewed(self.lease, now) }
    }

    fn write(&mut self, Write { command, then }: Write) -> Step<Renewed> {
        self.stage = Stage::Writing(then);
        Step::ask(command)
    }

    fn look(&mut self) -> Step<Renewed> {
        self.stage = Stage::Looking;
        Step::look()
    }
}

impl Run for Renewing {
    type Answer = Renewed;

    fn begin(&mut self, at: Moment) -> Step<Renewed> {
        if self.grant.life != at.life {
            return Step::Done(Renewed::Lost(Refusal::OtherLife));
        }
        let number = Number::of(self.grant.cas);
        match number.write(self.what(!number.has_entry, at.now), at.now) {
            Some(write) => self.write(write),
            None => self.look(),
        }
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Renewed>, Odd> {
        match self.stage {
            Stage::Looking => Ok(match own(found(replies)?, &self.grant, at.now) {
                Ok(item) => {
                    let what = self.what(item.held(at.now).is_none(), at.now);
                    self.write(item.write(what, at.now, self.is_full))
                }
                Err(why) => Step::Done(Renewed::Lost(why)),
            }),
            Stage::Writing(then) => Ok(match Written::of(&only(replies)?)? {
                Written::Yes(cas) => {
                    Step::Done(Renewed::Yes(Number { cas, ..then }.grant(self.grant.token, self.grant.life)))
                }
                Written::Nothing => Step::Done(Renewed::Lost(Refusal::Gone)),
                other => {
                    self.is_full |= matches!(other, Written::NotAppended);
                    self.look()
                }
            }),
        }
    }
}

/// Stores an entry over a grant. One round trip; three if the item has changed, or says that the place was marked.
///
/// Where nothing is any more, nothing is stored (G2).
#[derive(Clone, Debug)]
pub struct Publishing {
    grant: Grant,
    entry: Entry,
    /// Whether what is written is marked.
    stage: Stage<bool>,
}

impl Publishing {
    #[must_use]
    pub fn new(grant: Grant, entry: Entry) -> Publishing {
        Publishing { grant, entry, stage: Stage::Looking }
    }

    fn store(&mut self, cas: u64, is_marked: bool, now: u64) -> Step<Published> {
        self.stage = Stage::Writing(is_marked);
        let end = ttl::end_of(self.entry.lifetime, now);
        Step::ask(Item::store(self.entry.bytes.clone(), is_marked, end, Only::Cas(cas), now))
    }

    fn look(&mut self) -> Step<Published> {
        self.stage = Stage::Looking;
        Step::look()
    }
}

impl Run for Publishing {
    type Answer = Published;

    fn begin(&mut self, at: Moment) -> Step<Published> {
        if self.grant.life != at.life {
            return Step::Done(Published::Refused(Refusal::OtherLife));
        }
        match Number::of(self.grant.cas) {
            Number { cas: 0, .. } | Number { is_slow: true, .. } => self.look(),
            Number { cas, .. } => self.store(cas, false, at.now),
        }
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Published>, Odd> {
        match self.stage {
            Stage::Looking => Ok(match own(found(replies)?, &self.grant, at.now) {
                Ok(item) => self.store(item.cas, item.publishes_stale(), at.now),
                Err(why) => Step::Done(Published::Refused(why)),
            }),
            Stage::Writing(is_marked) => Ok(match Written::of(&only(replies)?)? {
                Written::Yes(_) if is_marked => Step::Done(Published::Stale),
                Written::Yes(_) => Step::Done(Published::Fresh),
                Written::Nothing => Step::Done(Published::Refused(Refusal::Gone)),
                Written::Other => self.look(),
                Written::NotAppended => return Err(Odd),
            }),
        }
    }
}

/// Ends a grant, with a pause or without. One round trip; three if the item has changed, or says more than its holder
/// knows; two or three if the holder does not know the number of the grant.
#[derive(Clone, Debug)]
pub struct Ending {
    grant: Grant,
    pause: Option<PauseFor>,
    stage: Stage<()>,
    is_full: bool,
}

impl Ending {
    #[must_use]
    pub fn new(grant: Grant, pause: Option<PauseFor>) -> Ending {
        Ending { grant, pause, stage: Stage::Looking, is_full: false }
    }

    fn write(&mut self, write: Write) -> Step<Ended> {
        self.stage = Stage::Writing(());
        Step::ask(write.command)
    }

    fn look(&mut self) -> Step<Ended> {
        self.stage = Stage::Looking;
        Step::look()
    }
}

impl Run for Ending {
    type Answer = Ended;

    fn begin(&mut self, at: Moment) -> Step<Ended> {
        if self.grant.life != at.life {
            return Step::Done(Ended::Lost(Refusal::OtherLife));
        }
        match Number::of(self.grant.cas).write(What::ended(self.pause, at.now), at.now) {
            Some(write) => self.write(write),
            None => self.look(),
        }
    }

    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Ended>, Odd> {
        match self.stage {
            Stage::Looking => {
                // A caller that does not know the number has lost the reply to its claim: any grant of the token.
                let Grant { token, life, cas } = self.grant;
                let grant = if cas == 0 { Number::ANY.grant(token, life) } else { self.grant };
                Ok(match own(found(replies)?, &grant, at.now) {
                    Ok(item) => self.write(item.write(What::ended(self.pause, at.now), at.now, self.is_full)),
                    Err(why) => Step::Done(Ended::Lost(why)),
                })
            }
            Stage::Writing(()) => Ok(match Written::of(&only(replies)?)? {
                Written::Yes(_) => Step::Done(Ended::Yes),
                Written::Nothing => Step::Done(Ended::Lost(Refusal::Gone)),
                other => {
                    self.is_full |= matches!(other, Written::NotAppended);
                    self.look()
                }
            }),
        }
    }
}
