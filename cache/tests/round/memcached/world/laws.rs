//! What a command has done by the paper, and the laws.

use super::{Plant, Sight, World};
use crate::history::Law;
use crate::memcached::client::{Client, Creation, LEASE, Machine, PAUSE, Program, Running, SHAPE, moment, stored};
use crate::memcached::paper::{NEVER, Pause, Tick, end_of};
use dogpile_cache::backend::memcached::command::{Command, Only, Reply, Request, Slot, Ttl};
use dogpile_cache::backend::memcached::steps::{Changing, Run, Step, looked};
use dogpile_cache::backend::{Change, Changed, Life, Look, Rest};
use std::num::NonZeroU32;

impl World {
    pub fn executes(&mut self, c: usize, running: &mut Running, plant: Plant) -> Reply {
        let Request { slot, mut command } = running.request.clone();
        let has_entry = stored(&command).is_some();
        let end = match &running.machine {
            Machine::Publish(_) | Machine::Change(_) => self.ends(c, running),
            _ => self.paper.entry.map_or(NEVER, |entry| entry.until),
        };
        match (plant, &mut command) {
            (Plant::StoresAnyhow, Command::Store { only, .. }) => *only = Only::Always,
            (Plant::AppendsInSilence, Command::Append { tail, .. }) => {
                let mut bytes = tail.to_vec();
                bytes[1] = 0;
                *tail = bytes.into();
            }
            (Plant::KnowsByToken, Command::Store { head, only: Only::Missing, .. }) => {
                // The event behind the head was written over the first item of the server.
                let mut bytes = head.to_vec();
                bytes[32..40].copy_from_slice(&1_u64.to_le_bytes());
                *head = bytes.into();
            }
            (Plant::EndsWithItsEntry, Command::Store { ttl, .. }) if has_entry && end != NEVER => {
                let left = NonZeroU32::new(end.saturating_sub(self.now).into());
                *ttl = left.map_or(Ttl::Nothing, |left| Ttl::Seconds(left.saturating_add(1)));
            }
            _ => {}
        }
        let was_there = self.store.item(slot).is_some();
        let mut reply = self.store.execute(slot, &command, self.now.into());
        if let (Plant::AddsAfterNotFound, Machine::Publish(_), Command::Store { only, .. }, Reply::NotFound) =
            (plant, &running.machine, &mut command, &reply)
        {
            *only = Only::Missing;
            reply = self.store.execute(slot, &command, self.now.into());
        }
        if let (Plant::BelievesMarks, Reply::Value { value, has_won: true, is_stale, .. }) = (plant, &mut reply)
            && value.is_empty()
        {
            *is_stale = false;
        }
        self.observes(c, running, &command, &reply, was_there);
        reply
    }

    /// What a command has done, by the paper.
    pub fn observes(&mut self, c: usize, running: &mut Running, command: &Command, reply: &Reply, was_there: bool) {
        let lease_until = running.asked + LEASE;
        match (command, reply) {
            (Command::Get { win: Some(_) }, Reply::Value { cas, .. }) if !was_there => {
                self.sees(Sight::WonStub);
                running.won = Some(*cas);
                self.checks_a_grant(&Running { saw: 0, ..running.clone() });
                self.paper.grants(*cas, self.now + LEASE, true);
            }
            (_, Reply::Stored { .. } | Reply::Done) => match &running.machine {
                Machine::Look(_) | Machine::RenewByMark(..) => {}
                Machine::Claim(_) => self.observes_a_claim(running, command, lease_until),
                Machine::Renew(_) => {
                    self.checks_the_holder(running);
                    if let Some(holder) = &mut self.paper.holder {
                        (holder.until, holder.token, holder.is_stub) = (lease_until, running.token, false);
                    }
                }
                Machine::Publish(_) => {
                    let creation = running.creation.expect("a holder publishes");
                    if self.paper.live(self.now).is_none() {
                        self.sees(Sight::Late);
                    }
                    let is_of_this_life = creation.grant.life == Life(self.life.into());
                    let fresh_until = stored(command).expect("a publication stores an entry")[1];
                    let ends = (fresh_until, self.ends(c, running));
                    self.paper.publishes(creation.version, is_of_this_life, ends);
                    // (Nobody gets an entry that is over by now.)
                    let look = self.mapped();
                    if look.entry.is_some() {
                        self.paper.judges(creation.version, look.is_marked);
                    }
                }
                Machine::End(_) => {
                    self.checks_the_holder(running);
                    self.paper.holder = None;
                    let failed = running.creation.filter(|_| running.pauses);
                    if let Some(Creation { failures, .. }) = failed {
                        let (until, marked_until) = (running.asked + PAUSE, running.asked + 2 * PAUSE);
                        self.paper.pause = Some(Pause { failures: failures + 1, until, marked_until });
                    }
                }
                Machine::Change(_) => self.observes_a_change(c, running, command),
            },
            _ => {}
        }
    }

    pub fn observes_a_claim(&mut self, running: &Running, command: &Command, until: Tick) {
        let is_first = matches!(command, Command::Store { only: Only::Missing, .. });
        match command {
            Command::Append { .. } => self.sees(Sight::Appended),
            _ if is_first => self.sees(Sight::Added),
            _ => {}
        }
        let is_own =
            self.paper.live(running.asked).is_some_and(|holder| !holder.is_stub && holder.token == running.token);
        match &mut self.paper.holder {
            Some(holder) if is_own => holder.until = until,
            _ => {
                if running.over_dead && self.paper.holder.is_some() {
                    self.sees(Sight::OverDead);
                }
                self.checks_a_grant(running);
                self.paper.grants(running.token, until, false);
            }
        }
    }

    pub fn observes_a_change(&mut self, c: usize, running: &Running, command: &Command) {
        if !self.is_as_seen(running) {
            self.paper.breaks(Law::G3);
        }
        let ends = (stored(command).expect("these changes store an entry")[1], self.ends(c, running));
        if self.clients[c].program == Program::Touches {
            self.paper.touches(ends);
        } else {
            self.paper.sets(ends);
            if let Some(entry) = &mut self.paper.entry {
                entry.version = 100;
            }
        }
    }

    /// When an entry is over that a client stores.
    fn ends(&self, c: usize, running: &Running) -> Tick {
        end_of(running.asked, self.lifetime_of(self.clients[c].program))
    }

    /// Whether the entry is as the client has seen it. (It may have ended while a command was on its way.)
    fn is_as_seen(&self, running: &Running) -> bool {
        [running.asked, self.now].map(|then| self.paper.state_at(then)).contains(&running.saw)
    }

    /// A process is being granted: nobody else may hold (G1), nor believe to (G6).
    pub fn checks_a_grant(&mut self, running: &Running) {
        if let Some(holder) = self.paper.holder {
            if self.paper.live(self.now).is_some() && !running.over_dead {
                self.paper.breaks(Law::G1);
            }
            let is_of = |creation: Creation| creation.version == holder.version && self.now < creation.own_until;
            if self.clients.iter().filter_map(Client::creation).any(is_of) {
                self.paper.breaks(Law::G6);
            }
        }
        // (What it was decided on is what was there when it was asked.)
        if self.paper.paused(running.asked).is_some_and(|pause| self.now < pause.until) && !running.is_blind {
            self.paper.breaks(Law::G8);
        }
        if !self.is_as_seen(running) && !running.is_blind {
            self.paper.breaks(Law::G1);
        }
    }

    /// A holder has renewed or ended a grant: it must be its own (G2).
    pub fn checks_the_holder(&mut self, running: &Running) {
        let is_own = self.paper.holder.is_some_and(|holder| match running.creation {
            Some(creation) => creation.version == holder.version && !holder.is_orphan,
            None => holder.token == running.token,
        });
        if !is_own {
            self.paper.breaks(Law::G2);
        }
    }

    /// A holder is told that it has lost its grant: there must be a reason (G9).
    pub fn refused(&mut self, running: &Running) {
        let Some(creation) = running.creation else { return };
        self.sees(Sight::Refused);
        let Some(holder) = self.paper.live(self.now).filter(|holder| holder.version == creation.version) else {
            return;
        };
        if holder.is_orphan {
            self.sees(Sight::Orphan);
        } else if creation.grant.life == Life(self.life.into()) {
            self.paper.breaks(Law::G9);
        }
    }

    /// The refinement mapping: what the item is to the paper.
    pub fn mapped(&self) -> Look {
        let get = Command::Get { win: None };
        let reply = self.store.clone().execute(Slot::Entry, &get, self.now.into());
        looked(None, reply, moment(self.now, self.life)).expect("a reply of the command")
    }

    /// Whether there was an entry, as a mark answers that is made now.
    fn marked(&self) -> bool {
        let (mut store, at) = (self.store.clone(), moment(self.now, self.life));
        let mut run = Changing::new(SHAPE, Change::MarkStale { beside: Vec::new() });
        let mut step = run.begin(at);
        loop {
            let requests = match step {
                Step::Done(Changed::Yes { was_there, .. }) => return was_there,
                Step::Ask(requests) => requests,
                other @ Step::Done(_) => panic!("a mark answers: {other:?}"),
            };
            let replies = requests.iter().map(|request| store.execute(request.slot, &request.command, self.now.into()));
            step = run.take(replies.collect(), at).expect("a reply of the command");
        }
    }

    /// What lies there is what the paper says, and a mark would say so, too.
    pub fn checks_the_place(&mut self) {
        let look = self.mapped();
        let entry = look.entry.as_ref().map(|bytes| (bytes[0], look.is_marked, bytes[1]));
        let shown = self.paper.shown(self.now);
        let is_same = entry == shown.map(|entry| (entry.version, entry.is_marked, entry.fresh_until));
        let rest = match (look.rest, self.paper.live(self.now), self.paper.paused(self.now)) {
            (Some(Rest::Held(by)), Some(holder), _) => by.token.0 == holder.token,
            (Some(Rest::Paused(pause)), None, Some(paused)) => pause.failures == u32::from(paused.failures),
            (Some(Rest::Free), None, None) => true,
            _ => false,
        };
        if !is_same || !rest || self.marked() != shown.is_some() {
            self.paper.breaks(Law::Refines);
        }
    }

    /// A second passes.
    pub fn tick(&mut self) {
        self.now += 1;
        self.store.forget(self.now.into());
        self.settles();
    }

    /// What is gone from the server is gone from the paper, if it was over.
    pub fn settles(&mut self) {
        if self.paper.pause.is_some_and(|pause| pause.marked_until <= self.now) {
            self.paper.pause = None;
        }
        if self.store.item(Slot::Entry).is_none() && self.paper.live(self.now).is_none() {
            self.paper.holder = None;
        }
        if self.paper.entry.is_some() && self.paper.shown(self.now).is_none() {
            if self.paper.live(self.now).is_some() {
                self.sees(Sight::Outlived);
            } else if self.paper.paused(self.now).is_some() {
                self.sees(Sight::PausedOn);
            }
        }
    }
}
