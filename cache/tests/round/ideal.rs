//! The ideal backend: each operation is one step. It keeps the paper of `backend.rs`, on versions instead of bytes.

use crate::environment::Kind;
use crate::history::{History, Law, Lost};
use crate::messages::{Held, Op, Picture, Reply};
use crate::names::Beside;
use crate::server::{Data, Entry, Pause, Rest, Rules, Server, Tick, Version};
use dogpile_cache::backend::{Grant, Life, Over, Refusal, Token};
use dogpile_cache::round::Freshness;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ideal {
    pub data: Data,
    pub before: Option<Data>,
    pub life: u8,
    /// Whether signals are to be sent for what has just happened.
    pub signals: bool,
}

impl Ideal {
    /// Executes an operation.
    fn executes(&mut self, op: &Op, now: Tick, rules: &Rules, history: &mut History) -> Reply {
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
            Op::End { grant, pauses, failures } => {
                if self.refusal(*grant, rules).is_none() {
                    let until = now + rules.pause;
                    if rules.by_the_paper && *pauses && rules.pause > 0 {
                        self.data.pause = Some(Pause { failures: failures.0, until });
                    }
                    self.data.rest = match self.data.rest {
                        Rest::Granted { failures, .. } if *pauses && rules.pause > 0 && !rules.by_the_paper => {
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

    fn freshness(&self, now: Tick, rules: &Rules) -> Freshness {
        self.data.freshness(now, self.life, rules)
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
            state: Beside(self.data.entry.map_or(0, |entry| if rules.by_the_paper { entry.state } else { 0 })),
            freshness: self.freshness(now, rules),
            rest: Some(rest).filter(|_| rules.shows_the_rest),
        }
    }

    fn claim(&mut self, op: &Op, now: Tick, rules: &Rules, history: &mut History) -> Reply {
        let Op::Claim { token, seen, lease, over, through_pause, wants_another } = *op else { unreachable!("a claim") };
        let rest = match &mut self.data.rest {
            Rest::Granted { token: theirs, number, life, beat, at, until, failures, .. } if *theirs == token => {
                (*beat, *at, *until) = (*beat + 1, now, now + lease);
                let failures = self.data.pause.map_or(*failures, |pause| pause.failures);
                return Reply::Granted(Self::grant(token, *number, *life), failures);
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
        let failures = match self.data.pause {
            Some(Pause { failures, until }) if until > now && !through_pause => {
                return Reply::Paused { failures, left: until - now };
            }
            Some(Pause { failures, .. }) => failures,
            None => failures,
        };
        let there = self.data.entry.map_or(0, |entry| entry.state);
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
        let below = if rules.by_the_paper { 0 } else { failures };
        self.data.rest = Rest::Granted { number, token, beat, at: now, until, is_marked: false, life, failures: below };
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
            Rest::Tombstone { .. } if rules.by_the_paper => Some(Refusal::Overtaken),
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
            (self.data.rest, self.data.pause) = (Rest::Free, None);
        }
        self.store(version, is_marked, now, rules);
        Ok(is_marked)
    }

    fn store(&mut self, version: Version, is_marked: bool, now: Tick, rules: &Rules) {
        let fresh_until = now + rules.fresh_for;
        let state = if rules.by_the_paper { version * 2 + u8::from(is_marked) } else { version };
        self.data.entry = Some(Entry { version, fresh_until, is_marked, life: self.life, state });
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
        self.data.pause = None;
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

    pub fn mark(&mut self, rules: &Rules, history: &mut History) {
        let new = (history.count + 1) * 2 + 1;
        if let Some(entry) = self.data.entry.as_mut().filter(|entry| entry.version > 0) {
            entry.is_marked = true;
            entry.state = if rules.by_the_paper { new } else { entry.state };
        }
        if let Rest::Granted { is_marked, .. } = &mut self.data.rest {
            *is_marked = true;
        }
        history.stale = history.stale.max(history.count);
        history.count += u8::from(rules.by_the_paper);
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
}

impl Server for Ideal {
    fn new() -> Ideal {
        Ideal { data: Data::NOTHING, before: None, life: 1, signals: false }
    }

    fn data(&self) -> Data {
        self.data
    }

    fn tokens(&self, known: &mut Vec<u64>) {
        known.push(self.data.token());
        known.extend(self.before.as_ref().map(Data::token));
    }

    fn life(&self) -> u8 {
        self.life
    }

    fn greeting(&self) -> u8 {
        0
    }

    fn execute(&mut self, op: &Op, _: u8, now: Tick, rules: &Rules, history: &mut History) -> Reply {
        self.executes(op, now, rules, history)
    }

    fn take_signals(&mut self) -> bool {
        std::mem::take(&mut self.signals)
    }

    fn may(&self, kind: Kind, variant: usize) -> bool {
        match kind {
            _ if variant > 0 || Kind::OF_REDIS.contains(&kind) => false,
            Kind::EvictGrant => matches!(self.data.rest, Rest::Granted { .. }),
            Kind::EvictEntry => self.data.entry.is_some(),
            Kind::FailOver => self.before.is_some(),
            _ => true,
        }
    }

    fn happens(&mut self, kind: Kind, _: usize, now: Tick, rules: &Rules, history: &mut History) {
        match kind {
            Kind::EvictGrant => self.lose_grant(Lost::Evicted, history),
            Kind::EvictEntry => self.data.entry = None,
            Kind::Flush => self.begin_life(Data::NOTHING, history),
            Kind::FailOver => {
                if let Some(data) = self.before {
                    self.begin_life(data, history);
                }
            }
            Kind::ClockForward | Kind::ClockBack => {
                self.step_clock(kind == Kind::ClockForward, rules);
                self.settle(now, rules, history);
            }
            Kind::Invalidate => self.invalidate(now, rules, history),
            Kind::Set => self.set(now, rules, history),
            Kind::Mark => self.mark(rules, history),
            _ => unreachable!("{kind:?} is none of this server"),
        }
    }

    fn lose_grant(&mut self, reason: Lost, history: &mut History) {
        if let Rest::Granted { number, .. } = self.data.rest {
            history.lost(number, reason);
            self.data.rest = Rest::Free;
        }
    }

    fn settle(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        if self.data.over(now, rules).is_some() {
            self.lose_grant(Lost::RanOut, history);
        }
        match self.data.rest {
            Rest::Tombstone { until, .. } | Rest::Paused { until, .. } if until <= now => self.data.rest = Rest::Free,
            _ => {}
        }
    }
}
