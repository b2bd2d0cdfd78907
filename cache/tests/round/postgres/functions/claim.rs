//! `claim`.

use crate::messages::{Op, Picture, Reply};
use crate::names::Beside;
use crate::postgres::run::Run;
use crate::postgres::session::{Answer, Call};
use crate::postgres::statements::At;
use crate::postgres::tables::Row;
use crate::postgres::world::{Plant, Sight};
use crate::server::{Data, Entry};
use dogpile_cache::backend::{Grant, Life, Over, Token};

impl Run<'_> {
    /// Whether a claim passes over that grant.
    fn passes_over(&self, row: Row) -> bool {
        let Call::Op(Op::Claim { over, .. }) = &self.me.call else { unreachable!("a claim") };
        match over {
            Over::Anyone => true,
            Over::Dead(token, beat) => !row.is_void && token.0 == row.token && *beat == row.beat,
            Over::Nobody => false,
        }
    }

    fn token(&self) -> u64 {
        let Call::Op(Op::Claim { token, .. }) = self.me.call else { unreachable!("a claim") };
        token
    }

    /// The grant, or the tombstone, of the row that was read.
    fn held(&self) -> Option<Row> {
        self.me.row.filter(|row| row.is_grant(self.me.life, self.me.now))
    }

    pub fn claim_takes(&mut self) {
        match self.me.at {
            At::ClaimPeek => {
                self.me.row = self.place();
                self.read_the_clock();
                let token = self.token();
                match self.held().filter(|row| row.token != token && !self.passes_over(*row)) {
                    Some(row) => self.answers_held(row),
                    None => self.go(At::ClaimTry),
                }
            }
            At::ClaimTry => {
                if self.is(Plant::WaitsForTheLock) {
                    self.wait_for_lock();
                }
                self.me.is_locked = !self.try_lock();
                if self.is(Plant::DecidesByThePeek) && !self.me.is_locked {
                    return self.decides();
                }
                self.go(if self.me.is_locked { At::ClaimRead } else { At::ClaimTake });
            }
            At::ClaimTake => {
                if self.take_place() {
                    self.me.row = self.place();
                    self.decides();
                } else {
                    self.go(At::ClaimRead);
                }
            }
            _ => {
                self.me.row = self.read_place_again();
                self.me.is_locked |= self.me.row.is_some();
                self.decides();
            }
        }
    }

    /// The row was read behind the lock, or is known to be locked.
    fn decides(&mut self) {
        self.read_the_clock();
        let Call::Op(Op::Claim { token, through_pause, .. }) = self.me.call else { unreachable!("a claim") };
        let (held, now) = (self.held(), self.me.now);
        match held {
            Some(row) if row.token == token && !row.is_void => {
                return if self.me.is_locked { self.answers(Answer::Locked) } else { self.go(At::ClaimAgain) };
            }
            Some(row) if !self.passes_over(row) => return self.answers_held(row),
            _ => {}
        }
        if self.me.is_locked {
            return self.answers(Answer::Locked);
        }
        match self.me.row {
            Some(row) if row.pause_ends > now && !through_pause => {
                self.world.sees(Sight::Paused);
                let (failures, left) = (self.failures(), row.pause_ends - now);
                self.answers(Answer::Reply(Reply::Paused { failures, left }));
            }
            _ => self.go(At::ClaimEntry),
        }
    }

    fn failures(&self) -> u8 {
        self.me.row.filter(|row| row.is_paused(self.me.now)).map_or(0, |row| row.failures)
    }

    fn answers_held(&mut self, row: Row) {
        let Row { token, beat, until, is_void, .. } = row;
        let left = until - self.me.now;
        self.answers(Answer::Reply(Reply::Held { token, beat, left, is_void }));
    }

    fn granted(&self, row: Row) -> Answer {
        let (token, life, cas) = (Token(row.token), Life(self.me.life.into()), row.number.into());
        Answer::Reply(Reply::Granted(Grant { token, life, cas }, self.failures()))
    }

    pub fn claim(&mut self) {
        let Call::Op(Op::Claim { token, seen, lease, .. }) = self.me.call else { unreachable!("a claim") };
        match self.me.at {
            At::ClaimAgain => {
                self.world.sees(Sight::Again);
                let until = self.me.now + lease;
                self.update_place(|row| Row { beat: row.beat + 1, until, ..row });
                let row = self.me.row.expect("a row that was read");
                let answer = self.granted(row);
                self.answers(answer);
            }
            At::ClaimEntry => {
                if self.take_entry() {
                    self.me.seen = self.entry();
                    self.compares(seen);
                } else {
                    self.go(At::ClaimEntryRead);
                }
            }
            At::ClaimEntryRead => {
                if self.read_entry_again().is_some() {
                    return self.answers(Answer::Locked);
                }
                self.compares(seen);
            }
            At::ClaimValue => {
                // By the version that was read before.
                let state = self.me.seen.map(|entry| entry.state);
                let found = self.entry().filter(|entry| Some(entry.state) == state);
                let picture = self.picture(found);
                self.world.sees(Sight::Changed);
                self.answers(Answer::Reply(Reply::Changed(picture)));
            }
            _ => {
                let number = self.draw();
                let pause = self.place().map(|row| (row.failures, row.pause_ends, row.pause_until));
                let (failures, pause_ends, pause_until) = pause.unwrap_or_default();
                let row = Row {
                    life: self.me.life,
                    token,
                    number,
                    beat: u32::from(number) << 8,
                    is_void: false,
                    is_marked: false,
                    until: self.me.now + lease,
                    failures,
                    pause_ends,
                    pause_until,
                };
                self.write_place(Some(row));
                let answer = self.granted(row);
                self.answers(answer);
            }
        }
    }

    fn compares(&mut self, seen: Option<u8>) {
        let there = self.me.seen.map_or(0, |entry| entry.state);
        self.go(if seen.is_some_and(|seen| seen != there) { At::ClaimValue } else { At::ClaimInsert });
    }

    /// What the client makes of an entry.
    fn picture(&self, entry: Option<Entry>) -> Picture {
        let freshness = Data { entry, ..Data::NOTHING }.freshness(self.me.now, self.me.life, self.rules);
        let (value, state) = entry.map_or((0, 0), |entry| (entry.version, entry.state));
        Picture { value, state: Beside(state), freshness, rest: None }
    }
}
