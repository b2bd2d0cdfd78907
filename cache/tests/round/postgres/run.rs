//! What a statement of a session sees and does: locks, rows, snapshots.
//!
//! A statement is one step. It sees what was committed when it began, and what its own transaction has written. A row
//! that another transaction has locked or written is skipped, or waited for.

use super::session::{Answer, Call, Deed, Owner, Session};
use super::statements::At;
use super::tables::{Row, Tables};
use super::world::{Plant, Sight, World};
use crate::history::Law;
use crate::server::{Entry, Rules, Tick};
use std::mem;

/// A session whose next statement is executed.
pub struct Run<'a> {
    pub me: Session,
    /// The others.
    pub world: &'a mut World,
    pub rules: &'a Rules,
    pub plant: Plant,
}

impl Run<'_> {
    pub fn tables(&self) -> &Tables {
        &self.world.tables
    }

    pub fn now(&self) -> Tick {
        self.world.now
    }

    pub fn is(&self, plant: Plant) -> bool {
        self.plant == plant
    }

    /// The statement has to wait for another transaction. None of ours may (G5); a user's waits for the lock alone, and
    /// is not executed before.
    fn waits(&mut self) {
        self.world.history.breaks(Law::G5);
    }

    pub fn go(&mut self, at: At) {
        self.me.at = at;
    }

    /// `clock_timestamp()`.
    pub fn read_the_clock(&mut self) {
        self.me.now = self.now();
    }

    /// `nextval`, or a random version: none comes again.
    pub fn draw(&mut self) -> u8 {
        self.world.history.count += 1;
        self.me.drawn = self.world.history.count;
        self.me.drawn
    }

    // The lock of the place.

    pub fn try_lock(&mut self) -> bool {
        let is_free = self.me.has_lock || self.world.has_no_lock();
        self.me.has_lock |= is_free;
        is_free
    }

    pub fn wait_for_lock(&mut self) {
        if !self.try_lock() {
            self.waits();
        }
    }

    // The row of `place`.

    pub fn place(&self) -> Option<Row> {
        self.me.place.over(self.tables().place)
    }

    /// `FOR UPDATE SKIP LOCKED`. Returns whether the row is there, and was not skipped.
    pub fn take_place(&mut self) -> bool {
        let is_there = self.place().is_some();
        let is_free = self.world.sessions.iter().all(|other| !other.has_place);
        if is_there && !is_free {
            self.world.sees(Sight::Skipped);
            self.me.has_skipped = true;
            if self.is(Plant::WaitsForRows) {
                self.waits();
            }
        }
        self.me.has_place |= is_there && is_free;
        is_there && is_free
    }

    /// A plain read after a row was not found, or skipped.
    pub fn read_place_again(&mut self) -> Option<Row> {
        let row = self.place();
        if self.me.has_skipped && row.is_none() {
            self.world.sees(Sight::Vanished);
        }
        self.me.has_skipped = false;
        row
    }

    /// An `UPDATE`, `DELETE` or `INSERT` of the row.
    pub fn write_place(&mut self, row: Option<Row>) {
        if self.world.sessions.iter().any(|other| other.has_place) {
            self.waits();
        }
        self.me.has_place = true;
        self.me.place = row.into();
    }

    /// An `UPDATE` of the row, if it is there.
    pub fn update_place(&mut self, update: impl FnOnce(Row) -> Row) {
        if let Some(row) = self.place() {
            self.write_place(Some(update(row)));
        }
    }

    /// A `DELETE` of the row, if it is there.
    pub fn delete_place(&mut self) {
        if self.place().is_some() {
            self.write_place(None);
        }
    }

    // The row of `entry`.

    pub fn entry(&self) -> Option<Entry> {
        self.me.entry.over(self.tables().entry)
    }

    pub fn take_entry(&mut self) -> bool {
        let is_there = self.entry().is_some();
        let is_free = self.world.sessions.iter().all(|other| !other.has_entry);
        if is_there && !is_free {
            self.world.sees(Sight::Skipped);
            self.me.has_skipped = true;
            if self.is(Plant::WaitsForRows) {
                self.waits();
            }
        }
        self.me.has_entry |= is_there && is_free;
        is_there && is_free
    }

    pub fn read_entry_again(&mut self) -> Option<Entry> {
        let entry = self.entry();
        if self.me.has_skipped && entry.is_none() {
            self.world.sees(Sight::Vanished);
        }
        self.me.has_skipped = false;
        entry
    }

    pub fn write_entry(&mut self, entry: Option<Entry>) {
        if self.world.sessions.iter().any(|other| other.has_entry) {
            self.waits();
        }
        self.me.has_entry = true;
        self.me.entry = entry.into();
    }

    // The end of a function.

    /// The function returns. What it has written is judged at the commit; if that is nothing, the answer is judged now.
    pub fn answers(&mut self, answer: Answer) {
        let is_of_a_user = self.me.owner == Owner::User;
        match &answer {
            Answer::Reply(reply) if !self.me.has_written() => {
                let data = self.tables().data(self.me.now, self.rules);
                self.world.refines(&self.me, (data, data), Some(reply), self.rules);
                self.world.observe(&self.me, data, Some(reply), self.rules);
            }
            Answer::Locked | Answer::Failed if self.me.has_written() && !is_of_a_user => {
                // Nothing was to be changed.
                self.world.history.breaks(Law::Refines);
            }
            Answer::Locked => {
                let is_by_a_user = self.world.sessions.iter().any(|other| other.owner == Owner::User);
                self.world.sees(if is_by_a_user { Sight::LockedByAUser } else { Sight::Locked });
            }
            _ => {}
        }
        self.me.forget();
        if is_of_a_user {
            if let (Call::Change(change), Answer::Yes) = (&self.me.call, &answer) {
                self.me.deeds.push(Deed::Called(*change, self.me.now, self.world.history.count));
            }
            (self.me.now, self.me.drawn) = (0, 0);
            (self.me.has_asked, self.me.is_awaited) = (false, false);
            return self.go(At::Open);
        }
        self.me.answer = Some(answer);
        // A transaction that has neither lock nor rows has nothing to end.
        self.go(match (self.me.has_lock, self.me.has_place || self.me.has_entry) {
            (false, false) => At::Done,
            (true, _) if self.is(Plant::UnlocksBeforeTheCommit) => At::Unlock,
            _ => At::Commit,
        });
    }

    /// The transaction is committed: all of it can be seen at once, and its rows are free.
    pub fn commit(&mut self) {
        let was_written = self.me.has_written();
        let row = self.tables().place;
        let before = self.tables().data(self.me.now, self.rules);
        self.world.tables.place = mem::take(&mut self.me.place).over(row);
        self.world.tables.entry = mem::take(&mut self.me.entry).over(self.world.tables.entry);
        (self.me.has_place, self.me.has_entry) = (false, false);
        if was_written || self.me.answer == Some(Answer::Yes) {
            let after = self.tables().data(self.me.now, self.rules);
            let reply = match &self.me.answer {
                Some(Answer::Reply(reply)) => Some(reply.clone()),
                _ => None,
            };
            self.world.refines(&self.me, (before, after), reply.as_ref(), self.rules);
            self.world.notes_what_was_lost(&self.me.call, self.me.now, row);
            self.world.observe(&self.me, before, reply.as_ref(), self.rules);
            self.world.notes_a_silence(before.rest, after.rest, self.me.has_asked);
        }
        self.go(if self.me.has_lock { At::Unlock } else { At::Done });
    }
}
