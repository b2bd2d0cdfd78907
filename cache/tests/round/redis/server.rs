//! The server: its keys, what they are to the paper, and what happens to them.

use super::client::{JUNK_ENTRY, KEYS, bytes, entry, lifetime};
use super::scripts::{Faults, Run};
use super::store::{Item, Store, Value};
use crate::environment::Kind;
use crate::history::{History, Law, Lost};
use crate::ideal::Ideal;
use crate::messages::{Op, Reply};
use crate::server::{Data, Pause, Rest, Rules, Server, Tick};
use dogpile_cache::backend::{Life, Over};
use dogpile_cache::round::Freshness;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Lease,
    Pause,
    Entry,
}

pub const ENTRIES: [Key; 1] = [Key::Entry];

/// The server's time at a moment of the model. A tick is two milliseconds, and what lasts for some ticks ends one
/// millisecond before the last one: Redis keeps a key through the whole millisecond in which it ends.
pub fn milliseconds(now: Tick) -> i64 {
    2 * i64::from(now)
}

/// A time that is left, in ticks; 0 if it is over.
pub fn ticks(left: i64) -> Tick {
    u8::try_from((left.max(0) + 1) / 2).unwrap_or(u8::MAX)
}

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    pub store: Store<Key>,
    /// What the keys are to the paper. It follows from the keys.
    pub data: Data,
    before: Option<Store<Key>>,
    /// How many lives there have been.
    lives: u8,
    /// What a client reads of the life when it connects.
    life: u8,
    pub signals: bool,
}

/// The refinement mapping: what keys are to the paper.
fn mapped(store: &mut Store<Key>, life: u8, now: Tick, rules: &Rules) -> Data {
    let milliseconds = milliseconds(now);
    let faults = Faults::default();
    let run = Run { store, milliseconds, microseconds: 0, may_signal: true, said: None, faults };
    let rest = match run.held(KEYS, &format!("{life:x}")) {
        None => Rest::Free,
        Some(held) => {
            let until = now.saturating_add(ticks(held.left));
            let token = u64::from_str_radix(&held.token, 16).expect("a token");
            let beat = held.beat.parse().expect("a beat");
            if held.is_void {
                Rest::Tombstone { token, beat, at: until.saturating_sub(rules.void_pause), until }
            } else {
                let number = u8::try_from(held.number.parse::<u64>().expect("a number") >> 8).expect("few grants");
                let at = until.saturating_sub(rules.lease);
                Rest::Granted { number, token, beat, at, until, is_marked: held.is_marked, life, failures: 0 }
            }
        }
    };
    let (failures, left) = run.paused(KEYS);
    let until = if left > 0 { now.saturating_add(ticks(left)) } else { 0 };
    let failures = failures.parse().unwrap_or(u8::MAX);
    let pause = Some(Pause { failures, until }).filter(|pause| pause.failures > 0);
    let found = store.get(&Key::Entry, milliseconds).ok().flatten().and_then(entry);
    Data { entry: found, rest, pause }
}

impl Redis {
    fn look_again(&mut self, now: Tick, rules: &Rules) {
        self.store.forget_expired(milliseconds(now));
        self.data = mapped(&mut self.store, self.life, now, rules);
    }

    /// Does something, and notes whether the place has become free without a signal.
    fn step<T>(&mut self, now: Tick, rules: &Rules, history: &mut History, step: impl FnOnce(&mut Redis) -> T) -> T {
        let before = self.data;
        let result = step(self);
        self.look_again(now, rules);
        if self.data.rest != Rest::Free {
            (history.free_at, history.is_silent) = (0, false);
        } else if before.rest != Rest::Free {
            (history.free_at, history.is_silent) = (now, !self.signals);
        }
        result
    }

    /// As [`step`](Redis::step), but a failover may lose it.
    fn change<T>(&mut self, now: Tick, rules: &Rules, history: &mut History, step: impl FnOnce(&mut Redis) -> T) -> T {
        let before = rules.fails_over.then(|| self.store.clone());
        let result = self.step(now, rules, history, step);
        if before.as_ref().is_some_and(|before| *before != self.store) {
            self.before = before;
        }
        result
    }

    /// The ideal backend does the same to the same data.
    fn refines(&self, before: Data, rules: &Rules, history: &mut History, is_same: impl FnOnce(&mut Ideal) -> bool) {
        if rules.refines {
            let mut ideal = Ideal { data: before, before: None, life: self.life, signals: false };
            let is_same = is_same(&mut ideal) && ideal.data == self.data && (self.signals || !ideal.signals);
            if !is_same {
                history.breaks(Law::Refines);
            }
        }
    }

    /// What the laws need to know of an operation, and what they forbid.
    fn observe(&self, before: Data, op: &Op, reply: &Reply, now: Tick, rules: &Rules, history: &mut History) {
        match (op, reply) {
            (Op::Tell(_), _) => {
                Self::observe_a_void(before, history);
                history.gone_if_told = history.count;
            }
            (Op::Claim { over, through_pause, wants_another, .. }, Reply::Granted(grant, _))
                if grant.cas > u64::from(history.count) =>
            {
                match before.rest {
                    Rest::Granted { number, until, .. } => {
                        if now < until && !history.clock_stepped {
                            history.breaks(Law::G1);
                        }
                        history.lost(number, Lost::RanOut);
                    }
                    Rest::Tombstone { .. } if *over != Over::Anyone => history.breaks(Law::G1),
                    _ => {}
                }
                if before.pause.is_some_and(|pause| pause.until > now) && !through_pause {
                    history.breaks(Law::G8);
                }
                let is_fresh = before.freshness(now, self.life, rules) == Freshness::Fresh;
                if is_fresh && !wants_another && !history.clock_stepped {
                    history.breaks(Law::G1);
                }
                history.count += 1;
            }
            (Op::Publish(grant, version), Reply::Published(Ok(is_marked))) => {
                let has_it = matches!(before.rest, Rest::Granted { number, .. } if u64::from(number) == grant.cas);
                if history.is_lost(*version) || !has_it {
                    history.breaks(Law::G2);
                }
                if grant.life != Life(self.life.into()) {
                    history.breaks(Law::G10);
                }
                if *version <= history.gone || (*version <= history.stale && !is_marked) {
                    history.breaks(Law::G3);
                }
            }
            _ => {}
        }
    }

    fn observe_a_void(before: Data, history: &mut History) {
        if let Rest::Granted { number, .. } = before.rest {
            history.lost(number, Lost::Voided);
        }
    }

    /// Another client changes the place.
    fn changes(&mut self, kind: Kind, now: Tick, rules: &Rules, history: &mut History) {
        let (before, name) = (self.data, self.life);
        let mut scratch = history.clone();
        let life = format!("{name:x}");
        let tombstone = Some(lifetime(rules.void_pause));
        if kind != Kind::Mark {
            Self::observe_a_void(before, history);
        }
        match kind {
            Kind::Invalidate => history.gone_if_told = history.count,
            Kind::Set => history.gone = history.gone.max(history.count),
            _ => history.stale = history.stale.max(history.count),
        }
        history.count += u8::from(kind != Kind::Invalidate);
        let count = history.count;
        self.change(now, rules, history, |redis| {
            let mut run = redis.run(now, 0, rules);
            match kind {
                Kind::Invalidate => run.invalidate(KEYS, &life, tombstone, true),
                Kind::Set => {
                    let entry = bytes(count, count, now + rules.fresh_for, name);
                    run.set(KEYS, &life, (&entry, None), None, tombstone, true)
                }
                _ => run.mark(KEYS, &life, &[0, 0, 0, 0, 0, 0, 0, count], true),
            };
            redis.signals |= run.said.is_some();
        });
        self.refines(before, rules, history, |ideal| {
            ideal.happens(kind, 0, now, rules, &mut scratch);
            true
        });
    }

    fn begin_life(&mut self, store: Store<Key>, kind: Kind, now: Tick, rules: &Rules, history: &mut History) {
        self.lose_grant(Lost::Life, history);
        self.step(now, rules, history, |redis| {
            redis.store = store;
            redis.lives += 1;
            redis.life = match kind {
                // The other of two servers is primary.
                Kind::FailOver if rules.broken.life_comes_back => 3 - redis.life,
                _ => redis.lives,
            };
        });
        self.before = None;
    }

    fn step_clock(&mut self, forward: bool, rules: &Rules) {
        let by = milliseconds(rules.lease);
        self.store.move_ends(if forward { -by } else { by });
        if let Some(entry) = self.data.entry.filter(|entry| entry.version > 0) {
            let until = entry.fresh_until;
            let until = if forward { until.saturating_sub(rules.lease) } else { until + rules.lease };
            self.store.set_range(&Key::Entry, 11, &[until], i64::MIN).expect("a text");
        }
    }

    /// What a stranger writes.
    fn junk(&self, kind: Kind, variant: usize) -> (Key, Value) {
        let key = match kind {
            Kind::JunkGrant => Key::Lease,
            Kind::JunkPause => Key::Pause,
            _ => Key::Entry,
        };
        let text: &[u8] = match (kind, variant) {
            (_, 0) => return (key, Value::Other),
            (Kind::JunkEntry, _) => JUNK_ENTRY,
            // As ours, but without a lifetime.
            (Kind::JunkPause, 2) => b"2 1",
            (Kind::JunkGrant, 2) => {
                return (key, Value::Text(format!("v {:x} 00000000000000ff 1 1 0", self.life).into_bytes()));
            }
            _ => b"none of ours",
        };
        (key, Value::Text(text.to_vec()))
    }
}

impl Server for Redis {
    fn new() -> Redis {
        Redis { store: Store::default(), data: Data::NOTHING, before: None, lives: 1, life: 1, signals: false }
    }

    fn data(&self) -> Data {
        self.data
    }

    fn life(&self) -> u8 {
        self.life
    }

    fn tokens(&self, known: &mut Vec<u64>) {
        for store in [Some(&self.store), self.before.as_ref()].into_iter().flatten() {
            // (Of any life: a token is never used twice.)
            let lease = store.get(&Key::Lease, i64::MIN).ok().flatten().and_then(|text| std::str::from_utf8(text).ok());
            known.extend(lease.and_then(|text| u64::from_str_radix(text.split(' ').nth(2)?, 16).ok()));
        }
    }

    fn greeting(&self) -> u8 {
        self.life
    }

    fn execute(&mut self, op: &Op, greeting: u8, now: Tick, rules: &Rules, history: &mut History) -> Reply {
        if matches!(op, Op::Subscribe) {
            return Reply::Subscribed;
        }
        let (before, count) = (self.data, history.count);
        let mut scratch = history.clone();
        let reply = self.change(now, rules, history, |redis| redis.ask(op, greeting, now, rules, count));
        self.observe(before, op, &reply, now, rules, history);
        self.refines(before, rules, history, |ideal| ideal.execute(op, 0, now, rules, &mut scratch) == reply);
        reply
    }

    fn take_signals(&mut self) -> bool {
        std::mem::take(&mut self.signals)
    }

    fn may(&self, kind: Kind, variant: usize) -> bool {
        let is_there = |key| self.store.item(&key, i64::MIN).is_some();
        let variants = match kind {
            Kind::JunkPause | Kind::JunkGrant => 3,
            Kind::JunkEntry => 2,
            _ => 1,
        };
        variant < variants
            && match kind {
                Kind::EvictGrant => is_there(Key::Lease),
                Kind::Persist => self.store.item(&Key::Lease, i64::MIN).is_some_and(|item| item.until.is_some()),
                Kind::EvictEntry => is_there(Key::Entry),
                Kind::EvictPause => is_there(Key::Pause),
                Kind::FailOver => self.before.is_some(),
                _ => true,
            }
    }

    fn happens(&mut self, kind: Kind, variant: usize, now: Tick, rules: &Rules, history: &mut History) {
        match kind {
            Kind::Invalidate | Kind::Set | Kind::Mark => return self.changes(kind, now, rules, history),
            Kind::Flush => return self.begin_life(Store::default(), kind, now, rules, history),
            Kind::FailOver => {
                let store = self.before.take().unwrap_or_default();
                return self.begin_life(store, kind, now, rules, history);
            }
            Kind::EvictGrant | Kind::JunkGrant | Kind::Persist => self.lose_grant(Lost::Evicted, history),
            _ => {}
        }
        let before = self.data.rest;
        self.step(now, rules, history, |redis| match kind {
            Kind::EvictGrant => redis.store.delete(&Key::Lease),
            Kind::EvictEntry => redis.store.delete(&Key::Entry),
            Kind::EvictPause => redis.store.delete(&Key::Pause),
            Kind::Persist => redis.store.persist(&Key::Lease),
            Kind::ClockForward | Kind::ClockBack => redis.step_clock(kind == Kind::ClockForward, rules),
            _ => {
                let (key, value) = redis.junk(kind, variant);
                redis.store.put(&key, Item { value, until: None });
            }
        });
        if let (Rest::Granted { number, .. }, Rest::Free) = (before, self.data.rest) {
            // By the clock.
            history.lost(number, Lost::RanOut);
        }
        self.settle(now, rules, history);
    }

    /// The grant is lost; what becomes of its key, the step says.
    fn lose_grant(&mut self, reason: Lost, history: &mut History) {
        if let Rest::Granted { number, .. } = self.data.rest {
            history.lost(number, reason);
        }
    }

    fn settle(&mut self, now: Tick, rules: &Rules, history: &mut History) {
        if self.data.over(now, rules).is_some() {
            self.lose_grant(Lost::RanOut, history);
        }
        self.step(now, rules, history, |redis| {
            redis.store.forget_expired(milliseconds(now));
            if let Some(before) = &mut redis.before {
                before.forget_expired(milliseconds(now));
            }
        });
    }
}
