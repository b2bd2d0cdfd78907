//! The ideal backend: each operation is one step. It keeps the paper of `backend.rs`, on versions instead of bytes.

use crate::history::{History, Law, Lost};
use crate::messages::{Held, Op, Picture, Reply};
use dogpile_cache::backend::{Grant, Life, Over, Refusal, Token};
use dogpile_cache::round::{Age, Freshness, OtherLife, judge};

/// A value is the number of its grant, or of the `set` that has brought it: larger numbers are newer.
pub type Version = u8;

/// Moments, in ticks.
pub type Tick = u8;

/// What is broken in the backend, or in the driver.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // One for each fault.
pub struct Broken {
    pub publishes_without_a_token: bool,
    pub adds_after_a_refusal: bool,
    pub claims_blindly: bool,
    pub shares_what_was_refused: bool,
    pub joins_a_look_in_flight: bool,
    pub loses_invalidations_in_a_pause: bool,
    pub grants_without_a_number: bool,
    pub never_claims_over: bool,
}

/// How the backend is set up.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The longest lease of the fleet.
    pub lease: Tick,
    pub grain: Tick,
    pub fresh_for: Tick,
    /// How long before it is stale an entry is due; 0 for never.
    pub due_for: Tick,
    pub void_pause: Tick,
    pub pause: Tick,
    /// The pause of a process that is cut off.
    pub own_pause: Tick,
    /// Whether a lease ends by itself. If not, a dead holder must be claimed over, as in an envelope of memcached.
    pub leases_end: bool,
    /// Whether a look shows the rest.
    pub shows_the_rest: bool,
    /// Whether there may be a failover, so that the state before the last change is kept.
    pub fails_over: bool,
    pub other_life: OtherLife,
    pub broken: Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub version: Version,
    pub fresh_until: Tick,
    pub is_marked: bool,
    pub life: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    Free,
    Granted {
        number: Version,
        token: u64,
        beat: u32,
        at: Tick,
        until: Tick,
        is_marked: bool,
        life: u8,
        /// How many creations in a row had failed before.
        failures: u8,
    },
    Tombstone {
        token: u64,
        beat: u32,
        at: Tick,
        until: Tick,
    },
    Paused {
        failures: u8,
        until: Tick,
    },
}

/// What is lost when the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    pub entry: Option<Entry>,
    pub rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    pub data: Data,
    pub before: Option<Data>,
    pub life: u8,
    /// Whether signals are to be sent for what has just happened.
    pub signals: bool,
}

impl Server {
    pub fn new() -> Server {
        Server { data: Data { entry: None, rest: Rest::Free }, before: None, life: 1, signals: false }
    }

    /// Executes an operation.
    pub fn execute(&mut self, op: &Op, now: Tick, rules: &Rules, history: &mut History) -> Reply {
        let before = self.data;
        let reply = match op {
            Op::Tell(number) => {
                self.invalidate(now, rules, history);
                Reply::Told(*number)
            }
            Op::Look => Reply::Looked(self.picture(now, rules)),
            Op::Claim { .. } => self.claim(op, now, rules, history),
            Op::Subscribe => Reply::Subscribed,
            Op::Renew(grant, lease) => Reply::Renewed(self.renew(*grant, *lease, now, rules)),
            Op::Publish(grant, version) => Reply::Published(self.publish(*grant, *version, now, rules, history)),
            Op::End { grant, pauses } => {
                if self.refusal(*grant, rules).is_none() {
                    let until = now + rules.pause;
                    self.data.rest = match self.data.rest {
                        Rest::Granted { failures, .. } if *pauses && rules.pause > 0 => {
                            Rest::Paused { until, failures: failures + 1 }
                        }
                        _ => Rest::Free,
                    };
                    self.signals = true;
                } else {
                    self.bury(grant.token.0);
                }
                Reply::Ended
            }
            Op::Release(token) => {
                let is_theirs = matches!(self.data.rest, Rest::Granted { token: theirs, .. } if theirs == *token);
                if is_theirs {
                    self.data.rest = Rest::Free;
                    self.signals = true;
                }
                self.bury(*token);
                Reply::Ended
            }
        };
        if rules.fails_over && self.data != before {
            self.before = Some(before);
        }
        reply
    }

    /// A tombstone ends with its holder.
    fn bury(&mut self, token: u64) {
        if matches!(self.data.rest, Rest::Tombstone { token: theirs, .. } if theirs == token) {
            self.data.rest = Rest::Free;
            self.signals = true;
        }
    }

    pub fn freshness(&self, now: Tick, rules: &Rules) -> Freshness {
        let Some(entry) = self.data.entry else { return Freshness::Missing };
        let due_at = (rules.due_for > 0).then(|| entry.fresh_until.saturating_sub(rules.due_for).into());
        let age = Age { due_at, stale_at: entry.fresh_until.into(), useless_at: u64::MAX };
        judge(age, now.into(), entry.is_marked, entry.life == self.life, rules.other_life)
    }

    fn picture(&self, now: Tick, rules: &Rules) -> Picture {
        let rest = match self.data.rest {
            Rest::Free => Held::Free,
            Rest::Granted { token, beat, until, .. } => {
                Held::Held { token, beat, left: until.saturating_sub(now), is_void: false }
            }
            Rest::Tombstone { token, beat, until, .. } => {
                Held::Held { token, beat, left: until.saturating_sub(now), is_void: true }
            }
            Rest::Paused { failures, until } => Held::Paused { failures, left: until.saturating_sub(now) },
        };
        Picture {
            value: self.data.entry.map_or(0, |entry| entry.version),
            freshness: self.freshness(now, rules),
            rest: Some(rest).filter(|_| rules.shows_the_rest),
        }
    }

    fn claim(&mut self, op: &Op, now: Tick, rules: &Rules, history: &mut History) -> Reply {
        let Op::Claim { token, seen, lease, over, through_pause, wants_another } = *op else { unreachable!("a claim") };
        let rest = match &mut self.data.rest {
            Rest::Granted { token: theirs, number, life, beat, at, until, failures, .. } if *theirs == token => {
                (*beat, *at, *until) = (*beat + 1, now, now + lease);
                return Reply::Granted(Self::grant(token, *number, *life), *failures);
            }
            rest => *rest,
        };
        let failures = match rest {
            Rest::Granted { token: theirs, beat, until, .. } if over != Over::Dead(Token(theirs), beat) => {
                return Reply::Held { token: theirs, beat, left: until.saturating_sub(now), is_void: false };
            }
            // No claim passes over a tombstone: its time is over soon.
            Rest::Tombstone { token: theirs, beat, until, .. } => {
                return Reply::Held { token: theirs, beat, left: until.saturating_sub(now), is_void: true };
            }
            Rest::Paused { failures, until } if !through_pause => {
                return Reply::Paused { failures, left: until.saturating_sub(now) };
            }
            Rest::Granted { failures, .. } | Rest::Paused { failures, .. } => failures,
            Rest::Free => 0,
        };
        let there = self.data.entry.map_or(0, |entry| entry.version);
        if seen.is_some_and(|seen| seen != there) {
            return Reply::Changed(self.picture(now, rules));
        }
        if let Rest::Granted { number, until, .. } = self.data.rest {
            if now < until && !history.clock_stepped {
                history.breaks(Law::G1);
            }
            history.lost(number, Lost::RanOut);
        }
        if self.freshness(now, rules) == Freshness::Fresh && !wants_another && !history.clock_stepped {
            history.breaks(Law::G1);
        }
        history.count += 1;
        let (number, life) = (history.count, self.life);
        let until = now + lease;
        // A doubled claim can be granted twice. A watcher must tell these grants apart, so their beats never repeat.
        let beat = u32::from(number) << 8;
        self.data.rest = Rest::Granted { number, token, beat, at: now, until, is_marked: false, life, failures };
        Reply::Granted(Self::grant(token, number, life), failures)
    }

    fn grant(token: u64, number: Version, life: u8) -> Grant {
        Grant { token: Token(token), life: Life(life.into()), cas: number.into() }
    }

    /// Returns why a grant does not count.
    fn refusal(&self, grant: Grant, rules: &Rules) -> Option<Refusal> {
        if grant.life != Life(self.life.into()) {
            return Some(Refusal::OtherLife);
        }
        match self.data.rest {
            Rest::Granted { token, number, life, .. } if token == grant.token.0 && life == self.life => {
                let is_this = rules.broken.grants_without_a_number || u64::from(number) == grant.cas;
                if is_this { None } else { Some(Refusal::Gone) }
            }
            Rest::Granted { .. } => Some(Refusal::Overtaken),
            Rest::Tombstone { token, .. } if token == grant.token.0 => Some(Refusal::Voided),
            _ => Some(Refusal::Gone),
        }
    }

    fn renew(&mut self, grant: Grant, lease: Tick, now: Tick, rules: &Rules) -> Result<Grant, Refusal> {
        if let Some(refusal) = self.refusal(grant, rules) {
            return Err(refusal);
        }
        if let Rest::Granted { beat, at, until, .. } = &mut self.data.rest {
            (*beat, *at, *until) = (*beat + 1, now, now + lease);
        }
        Ok(grant)
    }

    fn publish(
        &mut self,
        grant: Grant,
        version: Version,
        now: Tick,
        rules: &Rules,
        history: &mut History,
    ) -> Result<bool, Refusal> {
        let refusal = self.refusal(grant, rules);
        let adds = rules.broken.adds_after_a_refusal && self.freshness(now, rules) != Freshness::Fresh;
        match refusal {
            Some(_) if rules.broken.publishes_without_a_token || adds => {}
            Some(refusal) => {
                self.bury(grant.token.0);
                return Err(refusal);
            }
            None => {}
        }
        // What is stored was granted by a grant that nobody has ended (G2), in this life (G10).
        if refusal.is_some() || history.is_lost(version) {
            history.breaks(Law::G2);
        }
        if refusal == Some(Refusal::OtherLife) {
            history.breaks(Law::G10);
        }
        let is_marked = refusal.is_none() && matches!(self.data.rest, Rest::Granted { is_marked: true, .. });
        if version <= history.gone || (version <= history.stale && !is_marked) {
            history.breaks(Law::G3);
        }
        if refusal.is_none() {
            self.data.rest = Rest::Free;
        }
        self.store(version, is_marked, now, rules);
        Ok(is_marked)
    }

    fn store(&mut self, version: Version, is_marked: bool, now: Tick, rules: &Rules) {
        let fresh_until = now + rules.fresh_for;
        self.data.entry = Some(Entry { version, fresh_until, is_marked, life: self.life });
        self.signals = true;
    }

    /// Takes the entry away, and voids the grant. All that was granted before is gone.
    pub fn invalidate(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        self.data.entry = None;
        self.void(now, rules, history);
        history.gone_if_told = history.count;
    }

    fn void(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        self.signals = true;
        self.data.rest = match self.data.rest {
            Rest::Granted { token, beat, number, .. } => {
                history.lost(number, Lost::Voided);
                Rest::Tombstone { token, beat, at: now, until: now + rules.void_pause }
            }
            Rest::Paused { .. } => Rest::Free,
            rest => rest,
        };
    }

    pub fn set(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        self.void(now, rules, history);
        // What was granted before has been replaced: an access that begins later does not get it.
        history.gone = history.gone.max(history.count);
        history.count += 1;
        self.store(history.count, false, now, rules);
    }

    pub fn mark(&mut self, history: &mut History) {
        if let Some(entry) = &mut self.data.entry {
            entry.is_marked = true;
        }
        if let Rest::Granted { is_marked, .. } = &mut self.data.rest {
            *is_marked = true;
        }
        history.stale = history.stale.max(history.count);
    }

    /// Ends the grant, if there is one, for a reason of the server.
    pub fn lose_grant(&mut self, reason: Lost, history: &mut History) {
        if let Rest::Granted { number, .. } = self.data.rest {
            history.lost(number, reason);
            self.data.rest = Rest::Free;
        }
    }

    /// The data is replaced, and its life is another.
    pub fn begin_life(&mut self, data: Data, history: &mut History) {
        self.lose_grant(Lost::Life, history);
        self.data = data;
        self.before = None;
        self.life += 1;
    }

    pub fn step_clock(&mut self, forward: bool, rules: &Rules) {
        let step = |tick: &mut Tick| {
            *tick = if forward { tick.saturating_sub(rules.lease) } else { *tick + rules.lease };
        };
        if let Some(entry) = &mut self.data.entry {
            step(&mut entry.fresh_until);
        }
        match &mut self.data.rest {
            Rest::Granted { until, .. } | Rest::Tombstone { until, .. } | Rest::Paused { until, .. } => step(until),
            Rest::Free => {}
        }
    }

    /// Returns the number of the grant whose lease is over by now.
    pub fn over(&self, now: Tick, rules: &Rules) -> Option<Version> {
        match self.data.rest {
            Rest::Granted { number, until, .. } if rules.leases_end && until <= now => Some(number),
            _ => None,
        }
    }

    /// Forgets what is over by now.
    pub fn settle(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        if self.over(now, rules).is_some() {
            self.lose_grant(Lost::RanOut, history);
        }
        match self.data.rest {
            Rest::Tombstone { until, .. } | Rest::Paused { until, .. } if until <= now => self.data.rest = Rest::Free,
            _ => {}
        }
    }
}
