//! What an answer leads to.

use super::{Sight, World};
use crate::memcached::client::{Answer, Creation, LEASE, Machine, Phase, Program, Running, change, claim, entry};
use bytes::Bytes;
use dogpile_cache::backend::memcached::command::Command;
use dogpile_cache::backend::{Changed, Claimed, Ended, Grant, HeldBy, Look, Over, Published, Renewed, Rest, Seen};

impl World {
    pub fn answered(&mut self, c: usize, running: &Running, answer: Answer) {
        self.clients[c].phase = Phase::Runs(Box::new(running.clone()));
        match answer {
            Answer::Looked(look) => self.found(c, running, look),
            Answer::Claimed(Claimed::Changed(look)) => {
                self.sees(Sight::Changed);
                self.found(c, running, look);
            }
            Answer::Claimed(Claimed::Granted { grant, failures }) => {
                self.granted(c, running, grant, u8::try_from(failures).expect("few failures"));
            }
            Answer::Claimed(Claimed::Held(by)) => self.watches(c, by),
            Answer::Claimed(Claimed::Paused(_)) => {
                self.sees(Sight::Paused);
                self.clients[c].phase = Phase::Idle;
            }
            Answer::Renewed(Renewed::Yes(grant)) => {
                self.sees(Sight::Renewed);
                let creation = running.creation.expect("a holder renews");
                let own_until = running.began + LEASE - 1;
                self.clients[c].phase = Phase::Creates(Creation { grant, own_until, ..creation });
            }
            Answer::Renewed(Renewed::Lost(_))
            | Answer::Published(Published::Refused(_))
            | Answer::Ended(Ended::Lost(_)) => {
                self.refused(running);
                self.clients[c].phase = Phase::Idle;
            }
            Answer::Published(published) => {
                if published == Published::Stale {
                    self.sees(Sight::Stale);
                }
                self.clients[c].phase = Phase::Idle;
            }
            Answer::Changed(changed) => {
                if matches!(changed, Changed::Refused(_)) {
                    self.sees(Sight::Fenced);
                }
                self.clients[c].phase = Phase::Idle;
            }
            Answer::Ended(Ended::Yes) => self.clients[c].phase = Phase::Idle,
        }
    }

    /// A client that has looked, or was told what is there, goes on.
    pub fn found(&mut self, c: usize, running: &Running, look: Look) {
        let state = self.paper.state_at(self.now);
        if let Phase::Runs(running) = &mut self.clients[c].phase {
            running.saw = state;
        }
        let (program, token) = (self.clients[c].program, running.token);
        let is_fresh = |bytes: &Bytes| !look.is_marked && self.now < bytes[1];
        match look.rest {
            Some(Rest::Granted(grant)) => self.granted(c, running, grant, 0),
            _ if matches!(program, Program::Touches | Program::SetsIf) => match look.entry {
                None if program == Program::Touches => self.clients[c].phase = Phase::Idle,
                found => {
                    let is_touch = program == Program::Touches;
                    let version = if is_touch { found.map_or(0, |bytes| bytes[0]) } else { 100 };
                    let lifetime = self.lifetime_of(program);
                    let machine = Machine::Change(change(program, entry(version, self.now, lifetime), look.seen));
                    self.run(c, machine, None);
                }
            },
            _ if look.entry.as_ref().is_some_and(is_fresh) => self.clients[c].phase = Phase::Idle,
            Some(Rest::Held(by)) => {
                let watched = self.clients[c].watched;
                let is_dead = watched.is_some_and(|(token, beat, since)| {
                    (token, beat) == (by.token.0, by.beat) && self.now >= since + LEASE
                });
                if is_dead {
                    self.claims(c, token, look.seen, Over::Dead(by.token, by.beat));
                } else {
                    self.watches(c, by);
                }
            }
            Some(Rest::Paused(_)) => {
                self.sees(Sight::Paused);
                self.clients[c].phase = Phase::Idle;
            }
            _ => self.claims(c, token, look.seen, Over::Nobody),
        }
    }

    pub fn claims(&mut self, c: usize, token: u64, seen: Seen, over: Over) {
        self.run(c, self.claiming(c, claim(token, Some(seen), over)), None);
        if let Phase::Runs(running) = &mut self.clients[c].phase {
            running.over_dead = over != Over::Nobody;
        }
    }

    pub fn watches(&mut self, c: usize, by: HeldBy) {
        let now = self.now;
        let client = &mut self.clients[c];
        client.phase = Phase::Idle;
        if client.watched.is_none_or(|(token, beat, _)| (token, beat) != (by.token.0, by.beat)) {
            client.watched = Some((by.token.0, by.beat, now));
        }
    }

    pub fn granted(&mut self, c: usize, running: &Running, grant: Grant, failures: u8) {
        if running.won.is_none() && matches!(running.request.command, Command::Get { .. }) {
            // It believes to have won what was there.
            self.checks_a_grant(running);
            self.paper.count += 1;
        }
        let version = self.paper.holder.map_or(0, |holder| holder.version);
        let own_until = running.began + LEASE - 1;
        self.clients[c].watched = None;
        self.clients[c].phase = Phase::Creates(Creation { grant, version, own_until, failures });
    }
}
