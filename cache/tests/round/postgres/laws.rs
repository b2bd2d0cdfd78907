//! What a function has done by the paper, and the laws.

use super::client::Phase;
use super::session::{Call, Deed, Session};
use super::statements::At;
use super::tables::{Row, Tables};
use super::world::{Sight, World};
use crate::environment::Kind as Change;
use crate::history::{Law, Lost};
use crate::ideal::Ideal;
use crate::messages::{Op, Reply};
use crate::server::{Data, Rest, Rules, Server, Tick, Version};
use dogpile_cache::backend::{Life, Over};
use dogpile_cache::round::Freshness;

impl World {
    /// The ideal backend does the same, in one step, to the data before the commit; or, for an answer that changes
    /// nothing, to what was committed when the function read it.
    pub fn refines(&mut self, me: &Session, (before, after): (Data, Data), reply: Option<&Reply>, rules: &Rules) {
        let mut ideal = Ideal { data: before, before: None, life: self.tables.life, signals: false };
        let mut scratch = self.history.clone();
        if me.drawn > 0 {
            scratch.count = me.drawn - 1;
        }
        let is_same = match (&me.call, reply) {
            (Call::Op(op), Some(reply)) => ideal.execute(op, 0, me.now, rules, &mut scratch) == *reply,
            (Call::Op(_), None) => false,
            (Call::Change(change), _) => {
                ideal.happens(*change, 0, me.now, rules, &mut scratch);
                true
            }
        };
        // A tombstone whose holder was refused by the row alone stays for its time.
        let is_left = before == after
            && matches!(before.rest, Rest::Tombstone { .. })
            && ideal.data == Data { rest: Rest::Free, ..before };
        let is_told = me.has_asked || is_left || !ideal.signals;
        if !is_same || (ideal.data != after && !is_left) || !is_told {
            self.history.breaks(Law::Refines);
        }
    }

    /// A user's transaction is committed: all that it has done, one after the other. `before` is what was committed
    /// before, since it has locked what it has written.
    pub fn refines_of_a_user(&mut self, deeds: &[Deed], before: &Tables, rules: &Rules) {
        let called = |deed: &Deed| match deed {
            Deed::Called(_, now, _) => Some(*now),
            _ => None,
        };
        let begun = deeds.iter().find_map(called).unwrap_or(self.now);
        let data = before.data(begun, rules);
        let mut ideal = Ideal { data, before: None, life: before.life, signals: false };
        let mut scratch = self.history.clone();
        for deed in deeds {
            match *deed {
                Deed::Called(change, now, last) => {
                    // What has ended while the transaction was open is over.
                    ideal.settle(now, rules, &mut scratch);
                    scratch.count = last.saturating_sub(1);
                    ideal.happens(change, 0, now, rules, &mut scratch);
                    self.notes_a_change(change, last);
                }
                Deed::DeletesPlace => (ideal.data.rest, ideal.data.pause) = (Rest::Free, None),
                Deed::DeletesEntry => ideal.data.entry = None,
            }
        }
        ideal.settle(self.now, rules, &mut scratch);
        let after = self.tables.data(self.now, rules);
        let pause = if begun == self.now { ideal.data.pause } else { after.pause };
        if (Data { pause, ..ideal.data }) != after {
            self.history.breaks(Law::Refines);
        }
    }

    /// What the laws forbid, by the data before and the reply alone.
    pub fn observe(&mut self, me: &Session, before: Data, reply: Option<&Reply>, rules: &Rules) {
        let life = self.tables.life;
        match (&me.call, reply) {
            (Call::Op(Op::Claim { over, through_pause, wants_another, .. }), Some(Reply::Granted(..)))
                if me.drawn > 0 =>
            {
                match before.rest {
                    Rest::Granted { .. } if self.history.clock_stepped && *over != Over::Nobody => {
                        self.sees(Sight::TakenOver);
                    }
                    Rest::Granted { until, .. } if me.now < until => self.history.breaks(Law::G1),
                    Rest::Tombstone { .. } if *over != Over::Anyone => self.history.breaks(Law::G1),
                    _ => {}
                }
                if before.pause.is_some_and(|pause| pause.until > me.now) && !through_pause {
                    self.history.breaks(Law::G8);
                }
                if before.freshness(me.now, life, rules) == Freshness::Fresh && !wants_another {
                    self.history.breaks(Law::G1);
                }
            }
            (Call::Op(Op::Publish(grant, version)), Some(Reply::Published(Ok(is_marked)))) => {
                let has_it = matches!(before.rest, Rest::Granted { number, .. } if u64::from(number) == grant.cas);
                if self.history.is_lost(*version) || !has_it {
                    self.history.breaks(Law::G2);
                }
                if grant.life != Life(life.into()) {
                    self.history.breaks(Law::G10);
                }
                if *version <= self.history.gone || (*version <= self.history.stale && !is_marked) {
                    self.history.breaks(Law::G3);
                }
            }
            (Call::Op(Op::Publish(grant, version)), Some(Reply::Published(Err(_)))) => {
                self.sees(Sight::Refused);
                let is_over = |row: Row| row.number == *version && row.until <= me.now;
                let is_of_this_life = grant.life == Life(life.into());
                if is_of_this_life && !self.history.is_lost(*version) && !self.tables.place.is_some_and(is_over) {
                    self.history.breaks(Law::G9);
                }
            }
            (Call::Change(change), _) => self.notes_a_change(*change, self.history.count),
            _ => {}
        }
    }

    /// A change is committed, at whose execution that was the number that was drawn last.
    fn notes_a_change(&mut self, change: Change, last: Version) {
        let history = &mut self.history;
        match change {
            Change::Invalidate => history.gone = history.gone.max(last),
            Change::Set => history.gone = history.gone.max(last - 1),
            _ => history.stale = history.stale.max(last - 1),
        }
    }

    /// A commit has replaced the grant of a row, for another reason than that its holder has ended it.
    pub fn notes_what_was_lost(&mut self, call: &Call, now: Tick, before: Option<Row>) {
        let Some(row) = before.filter(|row| row.token != 0 && !row.is_void) else { return };
        let is_there = |now: Row| now.token == row.token && now.number == row.number && !now.is_void;
        let is_its_own = call.holder().is_some_and(|(token, _)| token == row.token) && row.until > now;
        if !self.tables.place.is_some_and(is_there) && !is_its_own {
            let why = if matches!(call, Call::Change(_)) { Lost::Voided } else { Lost::RanOut };
            self.history.lost(row.number, why);
        }
    }

    /// The place has become free, and nobody may have been told.
    pub fn notes_a_silence(&mut self, before: Rest, after: Rest, is_told: bool) {
        if after != Rest::Free {
            self.history.is_silent = false;
        } else if before != Rest::Free {
            self.history.is_silent = !is_told;
        }
    }

    /// What must hold in each state.
    pub fn checks(&mut self, rules: &Rules) {
        let data = self.tables.data(self.now, rules);
        let is_coming = self.is_telling
            || self.sessions.iter().any(|session| session.is_awaited && matches!(session.at, At::Unlock | At::Done));
        for client in &self.clients {
            let Phase::Sleeps { is_held } = client.phase else { continue };
            if client.is_called || is_coming || self.history.signal_lost {
                continue;
            }
            // No waiter sleeps beside a fresh value, nor beside a place that a holder has left.
            let is_fresh = data.freshness(self.now, client.life, rules) == Freshness::Fresh;
            let is_free = is_held && data.rest == Rest::Free && !self.history.is_silent;
            if is_fresh || is_free {
                self.history.breaks(Law::G5);
            }
        }
        let numbers: Vec<Version> = self.holders().collect();
        let creations = numbers.iter().filter(|number| !self.history.is_lost(**number)).count();
        if creations > 1 {
            self.history.breaks(Law::G1);
        }
        if numbers.len() > 1 {
            self.sees(Sight::Overlap);
        }
        let keeps = |number: Version| {
            let is_asked = |session: &Session| session.call.holder().is_some_and(|(_, asked)| asked == number);
            numbers.contains(&number) || self.sessions.iter().any(is_asked)
        };
        self.history.lost.retain(|(number, _)| keeps(*number));
    }
}
