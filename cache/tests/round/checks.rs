//! What must hold, in each state and at each end.

use crate::history::{History, Law, Lost, Sight};
use crate::messages::Reply;
use crate::process::{Frame, Stage, Task, World, tick, time};
use crate::server::{Rest, Server, Tick, Version};
use dogpile_cache::backend::{Grant, Over, Token};
use dogpile_cache::round::{Access, Answer, Freshness, Outcome, Stored, Turn};
use std::time::Duration;

/// Whether an access that has an old value goes on with it by now.
pub fn goes_on(task: &Task, now: Tick) -> bool {
    let soft = task.access.as_ref().and_then(Access::soft);
    soft.is_none_or(|soft| soft <= time(now))
}

/// An access times out at its deadline (G5), unless it has an old value (G11).
pub fn checks_a_time_out(history: &mut History, access: &Access<Version>, had_old: bool, now: Duration) {
    history.sees(Sight::TimedOut);
    if had_old {
        history.breaks(Law::G11);
    }
    if access.deadline().is_none_or(|deadline| now < deadline) {
        history.breaks(Law::G5);
    }
}

impl<S: Server> World<S> {
    /// A holder that is claimed over must know before that its lease is over (G6).
    pub fn checks_a_claim_over(&mut self, over: Over) {
        match self.server.data().rest {
            Rest::Granted { token, beat, number, .. } if over == Over::Dead(Token(token), beat) => {
                self.checks_the_holder(number);
            }
            _ => {}
        }
    }

    /// The lease of this grant is over at the backend: its holder must know.
    pub fn checks_the_holder(&mut self, number: Version) {
        let now = time(self.now);
        let holds = |task: &Task| {
            let grant = task.access.as_ref().and_then(|access| access.holds(now));
            grant.is_some_and(|grant| grant.cas == u64::from(number))
        };
        let any =
            self.processes.iter().filter(|process| !process.is_stopped).flat_map(|process| &process.tasks).any(holds);
        // (A failover can bring back a grant that was lost before.)
        if any && !self.history.clock_stepped && !self.history.is_lost(number) {
            self.history.breaks(Law::G6);
        }
    }

    pub fn checks_the_answer(&mut self, frame: &Frame, p: usize, t: usize, answer: &Answer<Version>) {
        let now = self.now;
        let process = &self.processes[p];
        let task = &process.tasks[t];
        let (gone, stale, gone_here) = (task.gone, task.stale, task.gone_here);
        let is_cut_off = now < process.down_until || task.is_out_of_time;
        let history = &mut self.history;
        match answer.outcome {
            Outcome::Fresh(value) if value <= gone || value <= stale || value <= gone_here => {
                history.breaks(Law::G3);
            }
            Outcome::Stale(value) if value <= gone && !history.other_life => history.breaks(Law::G3),
            Outcome::Stale(value) if value <= gone_here && !history.other_life => history.breaks(Law::G3),
            // What no invalidation of another process can reach is for those alone that cannot ask the backend.
            Outcome::Own(value) if value <= gone_here || !is_cut_off => history.breaks(Law::G3),
            Outcome::Created(value, stored) => {
                let is_own = task.made == Some(value);
                let is_cut_off = stored == Stored::CutOff;
                if !is_own && !is_cut_off && (value <= gone || value <= stale) || value <= gone_here {
                    history.breaks(Law::G3);
                }
                if is_own {
                    Self::checks_what_became_of_it(history, task, value, stored);
                }
            }
            // Nor is a backend down because another access had no time left.
            Outcome::Down if !is_cut_off => history.breaks(Law::G1),
            Outcome::Paused(_) => {
                history.sees(Sight::Paused);
                if is_cut_off {
                    history.sees(Sight::OwnPause);
                }
                // A pause of another process is believed no longer than the longest pause (G8).
                let longest = tick(frame.settings.longest_pause);
                if !is_cut_off && process.paused.is_some_and(|(_, since)| now >= since + longest) {
                    history.breaks(Law::G8);
                }
            }
            _ => {}
        }
        let value = match answer.outcome {
            Outcome::Fresh(value) | Outcome::Stale(value) | Outcome::Own(value) | Outcome::Created(value, _) => value,
            _ => 0,
        };
        if value > 0 && value == task.refuses {
            history.breaks(Law::RenewIf);
        }
        // A value that was made is not lost.
        if task.made.is_some() && !matches!(answer.outcome, Outcome::Created(value, _) if Some(value) == task.made) {
            history.breaks(Law::G4);
        }
        // A grant has ended with its access, unless the backend could not be told.
        let is_there = |grant: Grant| match self.server.data().rest {
            Rest::Granted { number, .. } => grant.cas == u64::from(number),
            _ => false,
        };
        if task.grant.is_some_and(is_there) && !task.has_failed && !history.other_life {
            history.breaks(Law::G8);
        }
    }

    fn checks_what_became_of_it(history: &mut History, task: &Task, value: Version, stored: Stored) {
        match stored {
            Stored::Refused(_) => {
                history.sees(Sight::Refused);
                let has_reason = match history.why(value) {
                    Some(Lost::Voided) => true,
                    _ => history.is_disturbed,
                };
                if !has_reason {
                    history.breaks(Law::G9);
                }
            }
            Stored::Unknown if !task.has_failed => history.breaks(Law::G9),
            Stored::Stale if history.stale < value => history.breaks(Law::G9),
            _ => {}
        }
    }

    /// What must hold in each state.
    pub fn checks(&mut self, frame: &Frame) {
        let (mut creations, mut lost) = (0, 0);
        let data = self.server.data();
        let fresh = data.freshness(self.now, self.server.life(), &frame.rules) == Freshness::Fresh;
        for process in &self.processes {
            for task in &process.tasks {
                let Some(access) = &task.access else { continue };
                if access.creates() && access.turn() != Turn::HandOn && task.grant.is_some() {
                    if self.history.is_lost(task.creation) { lost += 1 } else { creations += 1 }
                }
                // A subscribed waiter has been woken by what it waits for (G16).
                let is_called = task.signal || task.coming.0 || process.is_in_gap.0;
                let sleeps = access.waits() && task.is_subscribed && !is_called;
                // (A refresh, or a renewal, may wait for another value than the one that is there.)
                let wants_another = task.refreshes || task.refuses > 0;
                if sleeps && fresh && !wants_another && !self.history.signal_lost && !self.history.clock_stepped {
                    self.history.breaks(Law::G5);
                }
                let is_told = !self.history.is_silent && !self.history.signal_lost && !self.history.clock_stepped;
                if sleeps && frame.rules.by_the_paper && data.rest == Rest::Free && is_told {
                    self.history.breaks(Law::G5);
                }
                let waits = access.waits() || task.waits_for.is_some();
                let is_over = |until: Duration| until < time(self.now);
                if waits && access.has_old() && access.soft().is_none_or(is_over) {
                    self.history.breaks(Law::G11);
                }
                if waits && access.deadline().is_some_and(is_over) && !process.is_stopped {
                    self.history.breaks(Law::G5);
                }
            }
        }
        if creations > 1 {
            self.history.breaks(Law::G1);
        }
        if creations + lost > 1 {
            self.history.sees(Sight::Overlap);
        }
        let tasks = || self.processes.iter().flat_map(|process| &process.tasks);
        let is_of = |task: &Task, number: Version| {
            let reply = task.flight.as_ref().map(|flight| &flight.stage);
            let is_granted = |grant: &Grant| grant.cas == u64::from(number);
            task.creation == number
                || matches!(reply, Some(Stage::Replied(Reply::Granted(grant, _))) if is_granted(grant))
        };
        self.history.lost.retain(|(number, _)| tasks().any(|task| is_of(task, *number)));
    }

    /// Nobody waits for a holder for longer than its lease, a poll and an operation (G5).
    pub fn checks_the_wait(&mut self, frame: &Frame) {
        let poll = tick(frame.settings.poll);
        let (at, bound) = match self.server.data().rest {
            Rest::Granted { at, .. } | Rest::Tombstone { at, .. } => (at, frame.rules.lease + poll + 1),
            // And for nobody no longer than a poll and an operation.
            Rest::Free if frame.rules.by_the_paper => (self.history.free_at, poll + 1),
            _ => return,
        };
        for process in self.processes.iter().filter(|process| !process.is_stopped) {
            for task in process.tasks.iter().filter(|task| task.access.as_ref().is_some_and(Access::waits)) {
                let since = at.max(task.waits_since.unwrap_or(0)).max(self.history.fault_at);
                if self.now > since + bound {
                    self.history.breaks(Law::G5);
                }
            }
        }
    }
}
