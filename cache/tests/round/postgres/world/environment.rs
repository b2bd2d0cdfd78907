//! What happens to the server, to its sessions and to the clients; and what a user does.

use super::{Kind, World};
use crate::environment::Kind as Change;
use crate::history::Lost;
use crate::messages::Op;
use crate::postgres::client::Phase;
use crate::postgres::session::{Call, Deed, Owner, Session, Written};
use crate::postgres::statements::At;
use crate::postgres::tables::Tables;
use crate::server::{Rules, Tick};

impl Kind {
    pub const OF_THE_SERVER: [Kind; 12] = [
        Kind::UserSets,
        Kind::UserMarks,
        Kind::UserInvalidates,
        Kind::UserTakesPlace,
        Kind::UserTakesEntry,
        Kind::UserDeletesPlace,
        Kind::UserDeletesEntry,
        Kind::Crash,
        Kind::Restart,
        Kind::Anew,
        Kind::ClockForward,
        Kind::ClockBack,
    ];
}

impl World {
    /// Whether it can happen to the server now.
    pub fn may(&self, kind: Kind) -> bool {
        let is_open = self.user().is_none_or(|user| self.sessions[user].at == At::Open);
        let mine = self.user().map(|user| &self.sessions[user]);
        let is_free = |has: fn(&Session) -> bool| {
            self.sessions.iter().all(|session| session.owner == Owner::User || !has(session))
        };
        match kind {
            Kind::UserSets | Kind::UserMarks | Kind::UserInvalidates => is_open,
            Kind::UserTakesPlace | Kind::UserDeletesPlace => {
                let row = mine.map_or(self.tables.place, |mine| mine.place.over(self.tables.place));
                is_open && row.is_some() && is_free(|session| session.has_place)
            }
            Kind::UserTakesEntry | Kind::UserDeletesEntry => {
                let entry = mine.map_or(self.tables.entry, |mine| mine.entry.over(self.tables.entry));
                is_open && entry.is_some() && is_free(|session| session.has_entry)
            }
            // A table that is emptied or replaced is locked: no transaction is open that has used it.
            Kind::Anew => self.sessions.iter().all(|session| session.at == At::Check && session.owner != Owner::User),
            // (A function that has read the clock goes on by what it has read.)
            Kind::ClockForward | Kind::ClockBack => self.sessions.iter().all(|session| session.at == At::Check),
            _ => true,
        }
    }

    pub fn happens(&mut self, kind: Kind, rules: &Rules) {
        match kind {
            Kind::UserSets => self.user_calls(Change::Set),
            Kind::UserMarks => self.user_calls(Change::Mark),
            Kind::UserInvalidates => self.user_calls(Change::Invalidate),
            Kind::UserTakesPlace => self.of_a_user().has_place = true,
            Kind::UserTakesEntry => self.of_a_user().has_entry = true,
            Kind::UserDeletesPlace => {
                let user = self.of_a_user();
                (user.has_place, user.place) = (true, Written::Deleted);
                user.deeds.push(Deed::DeletesPlace);
            }
            Kind::UserDeletesEntry => {
                let user = self.of_a_user();
                (user.has_entry, user.entry) = (true, Written::Deleted);
                user.deeds.push(Deed::DeletesEntry);
            }
            Kind::Crash | Kind::Restart => self.restarts(kind == Kind::Crash),
            Kind::Anew => {
                self.begins_a_life(&Tables::EMPTY);
                // (Nobody is said to wait any more.)
                self.history.signal_lost = true;
            }
            Kind::ClockForward | Kind::ClockBack => self.steps_the_clock(kind == Kind::ClockForward, rules),
            _ => unreachable!("{kind:?} is none of the server"),
        }
    }

    // A user.

    fn of_a_user(&mut self) -> &mut Session {
        let user = self.user().unwrap_or_else(|| {
            let mut session = Session::new(Owner::User, Call::Change(Change::Invalidate), self.tables.life);
            session.at = At::Open;
            self.sessions.push(session);
            self.sessions.len() - 1
        });
        &mut self.sessions[user]
    }

    fn user_calls(&mut self, change: Change) {
        let user = self.of_a_user();
        (user.call, user.at) = (Call::Change(change), At::Check);
    }

    /// The user commits: all of the transaction can be seen, and its rows are free. Then the lock is released.
    pub fn user_commits(&mut self, s: usize, rules: &Rules) {
        let mut user = self.sessions.remove(s);
        let (tables, row) = (self.tables.clone(), self.tables.place);
        let before = self.tables.data(self.now, rules);
        self.tables.place = user.place.over(self.tables.place);
        self.tables.entry = user.entry.over(self.tables.entry);
        let after = self.tables.data(self.now, rules);
        if user.has_written() || !user.deeds.is_empty() {
            self.refines_of_a_user(&user.deeds, &tables, rules);
            if user.deeds.contains(&Deed::DeletesPlace)
                && let Some(row) = row
            {
                self.history.lost(row.number, Lost::Evicted);
            }
            self.notes_what_was_lost(&Call::Change(Change::Invalidate), self.now, row);
            self.notes_a_silence(before.rest, after.rest, false);
            // A user's transaction tells nobody.
            self.history.signal_lost |= user.entry.is_there();
        }
        if user.has_lock {
            (user.place, user.entry, user.deeds) = (Written::Nothing, Written::Nothing, Vec::new());
            (user.has_place, user.has_entry, user.at) = (false, false, At::Unlock);
            self.sessions.push(user);
        }
    }

    pub fn user_rolls_back(&mut self, s: usize) {
        self.sessions.remove(s);
    }

    // The server.

    fn begins_a_life(&mut self, tables: &Tables) {
        if let Some(row) = self.tables.place {
            self.history.lost(row.number, Lost::Life);
        }
        let life = self.tables.life + 1;
        self.tables = Tables { life, ..tables.clone() };
    }

    fn restarts(&mut self, is_empty: bool) {
        let tables = if is_empty { Tables::EMPTY } else { self.tables.clone() };
        self.begins_a_life(&tables);
        self.sessions.clear();
        self.is_telling = false;
        for client in &mut self.clients {
            client.life = self.tables.life;
            // Each waiter is told of the gap.
            client.is_said = false;
            match client.phase {
                Phase::Idle | Phase::Creates { .. } => {}
                Phase::Sleeps { .. } => client.is_called = true,
                _ => client.ends(),
            }
        }
    }

    /// All that ends is moved, instead of the clock.
    fn steps_the_clock(&mut self, forward: bool, rules: &Rules) {
        let before = self.tables.data(self.now, rules).rest;
        self.history.clock_stepped = true;
        let step = |until: &mut Tick| match *until {
            0 => {}
            _ if forward => *until = until.saturating_sub(rules.lease),
            _ => *until += rules.lease,
        };
        if let Some(row) = &mut self.tables.place {
            [&mut row.until, &mut row.pause_ends, &mut row.pause_until].into_iter().for_each(step);
        }
        if let Some(entry) = &mut self.tables.entry {
            step(&mut entry.fresh_until);
        }
        let after = self.tables.data(self.now, rules).rest;
        self.notes_a_silence(before, after, false);
    }

    // The clients, and their connections.

    pub fn happens_to(&mut self, kind: Kind, c: usize) {
        let Some(s) = self.session_of(c) else {
            // (The process is killed while it creates, or waits.)
            return self.clients[c].ends();
        };
        if kind == Kind::Double {
            let (call, life) = (self.sessions[s].call.clone(), self.sessions[s].life);
            return self.sessions.push(Session::new(Owner::Nobody, call, life));
        }
        let token = match self.sessions[s].call {
            Call::Op(Op::Claim { token, .. }) if kind != Kind::Kill => Some(token),
            _ => None,
        };
        match kind {
            Kind::GiveUp => self.sessions[s].owner = Owner::Keeper,
            Kind::Abort => drop(self.sessions.remove(s)),
            _ => self.sessions[s].owner = Owner::Nobody,
        }
        let life = self.clients[c].life;
        self.clients[c].ends();
        // A claim without an answer may have been granted: the keeper ends it.
        let release = token.map(|token| Session::new(Owner::Keeper, Call::Op(Op::Release(token)), life));
        self.sessions.extend(release);
    }
}
