//! The functions, written from their SQL, one statement after the other.
//!
//! | file | functions |
//! |---|---|
//! | this one | what the functions share: `parts.sql`; renew, publish, end |
//! | `claim` | claim |
//! | `changes` | set, mark, invalidate |

mod changes;
mod claim;

use super::run::Run;
use super::session::{Answer, Call, Owner};
use super::statements::At;
use super::tables::Row;
use super::world::{Plant, Sight};
use crate::environment::Kind as Change;
use crate::messages::{Op, Reply};
use crate::server::{Entry, Version};
use dogpile_cache::backend::Refusal;

/// Whether the holder's grant is that of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Own,
    Locked,
    Lost(Refusal),
}

/// The beat of a lease that begins anew: another one. That of a grant is its number in the upper bits.
fn next_beat(row: Row) -> u32 {
    row.beat + 1
}

impl Run<'_> {
    /// Executes the next statement.
    pub fn step(&mut self) {
        self.world.executes(self.me.at);
        match self.me.at {
            At::Check => self.check(),
            At::EnterWait | At::EnterTry => self.enter(),
            At::IsAwaited => self.is_awaited(),
            At::OwnTry | At::OwnTake | At::OwnRead => self.own(),
            At::OwnUnhold | At::EndUnhold => {
                self.update_place(Row::without_its_grant);
                self.has_left();
            }
            At::OwnForget | At::PublishDelete | At::EndDelete => {
                self.delete_place();
                self.has_left();
            }
            At::PlaceTake | At::PlaceRead | At::EntriesTake | At::EntriesRead => self.take(),
            At::PutTake | At::PutRead | At::PutDelete | At::PutUpdate | At::PutInsert => self.put(),
            At::VoidRead | At::VoidUpdate | At::VoidDelete => self.void(),
            At::ClaimPeek | At::ClaimTry | At::ClaimTake | At::ClaimRead => self.claim_takes(),
            At::ClaimAgain | At::ClaimEntry | At::ClaimEntryRead | At::ClaimValue | At::ClaimInsert => self.claim(),
            At::RenewUpdate => self.renew(),
            At::EndPause => self.end_with_a_pause(),
            At::SetSee | At::SetValue => self.set(),
            At::MarkSee | At::MarkEntry | At::MarkPlace => self.mark(),
            At::InvalidateSee | At::InvalidateDelete => self.invalidate(),
            At::Commit => {
                self.commit();
                if self.is(Plant::UnlocksBeforeTheCommit) {
                    self.go(At::Done);
                }
            }
            At::Unlock => {
                self.me.has_lock = false;
                let is_committed = !self.me.has_place && !self.me.has_entry && !self.me.has_written();
                self.go(if is_committed { At::Done } else { At::Commit });
            }
            At::Open | At::Done => unreachable!("nothing is executed"),
        }
    }

    fn check(&mut self) {
        if self.me.owner != Owner::User && self.me.life != self.tables().life {
            self.world.sees(Sight::OtherLife);
            return self.answers(Answer::Failed);
        }
        if self.is(Plant::PublishesBySnapshot) && matches!(self.me.call, Call::Op(Op::Publish(..))) {
            // One statement, whose snapshot is taken before it has the lock.
            self.me.snapshot = self.place().into();
        }
        let waits = self.me.owner == Owner::User;
        if waits && !self.world.has_no_lock() {
            self.world.sees(Sight::AUserWaits);
        }
        self.go(match self.me.call {
            Call::Op(Op::Claim { .. }) => At::ClaimPeek,
            Call::Op(_) => At::OwnTry,
            // The insert is not behind the lock, nor is anything else.
            Call::Change(_) if waits && self.is(Plant::ChangesWithoutTheLock) => At::PlaceTake,
            Call::Change(_) if waits => At::EnterWait,
            Call::Change(_) => At::EnterTry,
        });
    }

    fn enter(&mut self) {
        if self.me.at == At::EnterWait {
            self.wait_for_lock();
        } else if !self.try_lock() {
            return self.answers(Answer::Locked);
        }
        self.go(At::PlaceTake);
    }

    fn is_awaited(&mut self) {
        self.me.has_asked = true;
        self.me.is_awaited = self.tables().is_waited_for;
        if self.is(Plant::SignalsBeforeTheCommit) && self.me.is_awaited {
            self.me.is_awaited = false;
            self.world.signal();
        }
        let answer = self.me.answer.take();
        self.answers(answer.unwrap_or(Answer::Yes));
    }

    /// What the holder is told of a row, or of none.
    fn why(&self) -> Why {
        let (token, number) = self.me.call.holder().expect("a holder");
        let any_life = self.is(Plant::CountsAnyLife);
        let is_grant = |row: &Row| row.is_grant(if any_life { row.life } else { self.me.life }, self.me.now);
        match self.me.row.filter(is_grant) {
            None => Why::Lost(Refusal::Gone),
            Some(row) if row.token != token => Why::Lost(Refusal::Overtaken),
            Some(row) if row.is_void => Why::Lost(Refusal::Voided),
            Some(row) if number != 0 && row.number != number && !self.is(Plant::KnowsByToken) => {
                Why::Lost(Refusal::Gone)
            }
            Some(_) if self.me.is_taken => Why::Own,
            Some(_) => Why::Locked,
        }
    }

    fn own(&mut self) {
        match self.me.at {
            At::OwnTry => {
                let is_tried = if self.is(Plant::WaitsForTheLock) {
                    self.wait_for_lock();
                    true
                } else {
                    self.try_lock()
                };
                self.go(if is_tried { At::OwnTake } else { At::OwnRead });
            }
            At::OwnTake => {
                self.me.is_taken = self.take_place();
                if self.me.snapshot.is_there() {
                    self.me.row = self.me.snapshot.over(None);
                    self.me.is_taken = self.me.row.is_some();
                    self.owned();
                } else if self.me.is_taken {
                    self.me.row = self.place();
                    self.owned();
                } else {
                    self.go(At::OwnRead);
                }
            }
            _ => {
                self.me.row = self.read_place_again();
                self.owned();
            }
        }
    }

    /// `own` has read the row.
    fn owned(&mut self) {
        self.read_the_clock();
        let (why, row, now) = (self.why(), self.me.row, self.me.now);
        let is_paused = row.is_some_and(|row| row.is_paused(now));
        let (token, number) = self.me.call.holder().expect("a holder");
        let is_lost = |row: Row| {
            row.until <= now && row.life == self.me.life && row.token == token && (number == 0 || row.number == number)
        };
        if why == Why::Lost(Refusal::Gone) && self.me.is_taken && row.is_some_and(is_lost) {
            self.me.answer = Some(self.refused(Refusal::Gone));
            return self.go(if is_paused { At::OwnUnhold } else { At::OwnForget });
        }
        match (why, self.me.call.clone()) {
            (Why::Locked, _) => self.answers(Answer::Locked),
            (Why::Own, Call::Op(Op::Renew(..))) => self.go(At::RenewUpdate),
            (Why::Own, Call::Op(Op::Publish(..))) => self.go(At::PutTake),
            (Why::Own, Call::Op(Op::End { pauses: true, .. })) => self.go(At::EndPause),
            (Why::Own, _) => self.go(if is_paused { At::EndUnhold } else { At::EndDelete }),
            (Why::Lost(refusal), call) => {
                let ends = !matches!(call, Call::Op(Op::Renew(..)));
                let answer = self.refused(refusal);
                if ends && refusal == Refusal::Voided && self.me.is_taken {
                    self.me.answer = Some(answer);
                    let is_publication = matches!(call, Call::Op(Op::Publish(..)));
                    return self.go(if is_publication { At::PublishDelete } else { At::EndDelete });
                }
                if !self.me.is_taken {
                    self.world.sees(Sight::LostByTheRow);
                }
                self.answers(answer);
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Answer {
        Answer::Reply(match &self.me.call {
            Call::Op(Op::Renew(..)) => Reply::Renewed(Err(refusal)),
            Call::Op(Op::Publish(..)) => Reply::Published(Err(refusal)),
            _ => Reply::Ended,
        })
    }

    /// The holder has left the place; or `own` has forgotten its grant, of which nobody is told.
    fn has_left(&mut self) {
        let answer = self.me.answer.take().unwrap_or(Answer::Reply(Reply::Ended));
        if matches!(self.me.at, At::OwnUnhold | At::OwnForget) {
            return self.answers(answer);
        }
        self.me.answer = Some(answer);
        self.go(At::IsAwaited);
    }

    fn renew(&mut self) {
        let Call::Op(Op::Renew(grant, lease)) = self.me.call else { unreachable!("a renewal") };
        let until = self.me.now + lease;
        self.update_place(|row| Row { beat: next_beat(row), until, ..row });
        self.world.sees(Sight::Renewed);
        self.answers(Answer::Reply(Reply::Renewed(Ok(grant))));
    }

    fn end_with_a_pause(&mut self) {
        let Call::Op(Op::End { failures, .. }) = self.me.call else { unreachable!("an end") };
        let (ends, until) = (self.me.now + self.rules.pause, self.me.now + 2 * self.rules.pause);
        let pause = |row: Row| Row { failures: failures.0, pause_ends: ends, pause_until: until, ..row };
        self.update_place(|row| pause(row.without_its_grant()));
        self.has_left();
    }

    /// `take_place`, `take_entries`.
    fn take(&mut self) {
        let is_had = match self.me.at {
            At::PlaceTake => {
                if !self.take_place() {
                    return self.go(At::PlaceRead);
                }
                true
            }
            At::PlaceRead => self.read_place_again().is_none(),
            At::EntriesTake => {
                self.me.is_taken = self.take_entry();
                return self.go(At::EntriesRead);
            }
            _ => self.read_entry_again().is_some() == self.me.is_taken,
        };
        if !is_had {
            return self.answers(Answer::Locked);
        }
        if matches!(self.me.at, At::PlaceTake | At::PlaceRead) {
            return self.go(At::EntriesTake);
        }
        self.read_the_clock();
        self.go(match self.me.call {
            Call::Change(Change::Set) => At::SetSee,
            Call::Change(Change::Mark) => At::MarkSee,
            _ => At::InvalidateSee,
        });
    }

    /// The entry that is stored, by a publication or by `set`.
    fn new_entry(&mut self) -> Entry {
        let fresh_until = self.me.now + self.rules.fresh_for;
        let (version, is_marked): (Version, bool) = match self.me.call {
            Call::Op(Op::Publish(_, version)) => (version, self.me.row.is_some_and(|row| row.is_marked)),
            _ => (self.draw(), false),
        };
        Entry { version, fresh_until, is_marked, life: self.me.life, state: version * 2 + u8::from(is_marked) }
    }

    fn put(&mut self) {
        match self.me.at {
            At::PutTake => {
                let is_there = self.take_entry();
                return self.go(if is_there { At::PutUpdate } else { At::PutRead });
            }
            At::PutRead => {
                if self.read_entry_again().is_some() {
                    return self.answers(Answer::Locked);
                }
                return self.go(At::PutInsert);
            }
            At::PutUpdate | At::PutInsert => {
                let entry = self.new_entry();
                self.write_entry(Some(entry));
            }
            // (A lifetime of 0 is none of the model's.)
            _ => self.write_entry(None),
        }
        if let Call::Op(Op::Publish(..)) = self.me.call {
            let is_marked = self.me.row.is_some_and(|row| row.is_marked);
            self.me.answer = Some(Answer::Reply(Reply::Published(Ok(is_marked))));
            self.go(At::PublishDelete);
        } else {
            self.go(At::VoidRead);
        }
    }

    fn void(&mut self) {
        let (now, length) = (self.me.now, self.rules.void_pause);
        match self.me.at {
            At::VoidRead => {
                let row = self.place();
                let is_held = row.is_some_and(|row| row.is_grant(self.me.life, now));
                self.go(match row {
                    None => At::IsAwaited,
                    Some(row) if is_held && row.is_void => At::IsAwaited,
                    Some(_) if is_held && length > 0 => At::VoidUpdate,
                    Some(_) => At::VoidDelete,
                });
            }
            At::VoidUpdate => {
                let pause = |row: Row| Row { failures: 0, pause_ends: 0, pause_until: 0, ..row };
                self.update_place(|row| pause(Row { is_void: true, number: length, until: now + length, ..row }));
                self.go(At::IsAwaited);
            }
            _ => {
                self.delete_place();
                self.go(At::IsAwaited);
            }
        }
    }
}
