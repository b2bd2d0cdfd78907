//! The laws of a backend as plainly as they can be written: maps, one step after the other, time in whole seconds.
//!
//! It shares no code with the crate but its types, and each answer is a text.

use bytes::Bytes;
use dogpile_cache::backend::{Change, Claim, Count, Entry, Over, PauseFor, Token};
use dogpile_cache::codec::Shape;
use std::collections::HashMap;
use std::time::Duration;

/// The second from which on something is over; `None`: never.
type End = Option<u64>;

/// Token, number and life of a grant.
pub type Held = (Token, u64, u32);

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    marked: bool,
    state: u64,
    end: End,
}

#[derive(Clone)]
struct Grant {
    token: Token,
    number: u64,
    beat: u32,
    marked: bool,
    end: End,
}

#[derive(Clone)]
struct Pause {
    failures: u32,
    end: End,
    mark_end: End,
}

/// What was stored, without the grants.
#[derive(Clone, Default)]
pub struct Stock {
    entries: HashMap<(usize, Shape), Stored>,
    pauses: HashMap<usize, Pause>,
    counters: HashMap<usize, (u64, End)>,
}

pub struct Naive {
    stock: Stock,
    grants: HashMap<usize, Grant>,
    tombstones: HashMap<usize, Grant>,
    now: u64,
    life: u32,
    states: u64,
    numbers: u64,
    /// No beat comes again.
    beats: u32,
    has_tombstones: bool,
    /// Whether a look sees what stands between an old value and a new one.
    sees_rest: bool,
}

fn end(now: u64, lifetime: Duration) -> End {
    (lifetime < Duration::from_secs(1 << 30)).then(|| now + lifetime.as_secs())
}

fn entry_end(now: u64, lifetime: Option<Duration>) -> End {
    lifetime.and_then(|lifetime| end(now, lifetime))
}

fn left(now: u64, end: End) -> String {
    end.map_or("ever".into(), |end| (end - now).to_string())
}

impl Naive {
    pub fn new(has_tombstones: bool, sees_rest: bool) -> Naive {
        let (stock, grants, tombstones) = <_>::default();
        Naive { stock, grants, tombstones, now: 0, life: 0, states: 0, numbers: 0, beats: 0, has_tombstones, sees_rest }
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    fn forget(&mut self) {
        let over = |end: &End| end.is_some_and(|end| end <= self.now);
        self.stock.entries.retain(|_, entry| !over(&entry.end));
        self.stock.pauses.retain(|_, pause| !over(&pause.mark_end));
        self.stock.counters.retain(|_, (_, end)| !over(end));
        self.grants.retain(|_, grant| !over(&grant.end));
        self.tombstones.retain(|_, grant| !over(&grant.end));
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        self.forget();
    }

    pub fn restart(&mut self) {
        self.fail_over(Stock::default());
    }

    pub fn stock(&self) -> Stock {
        self.stock.clone()
    }

    pub fn fail_over(&mut self, stock: Stock) {
        self.stock = stock;
        self.life += 1;
        self.grants.clear();
        self.tombstones.clear();
        self.forget();
    }

    pub fn lose_entry(&mut self, place: usize, shape: Shape) {
        self.stock.entries.remove(&(place, shape));
    }

    pub fn lose_rest(&mut self, place: usize) {
        self.grants.remove(&place);
        self.tombstones.remove(&place);
        self.stock.pauses.remove(&place);
    }

    /// The state of an entry; 0 if there is none.
    pub fn state(&self, place: usize, shape: Shape) -> u64 {
        self.stock.entries.get(&(place, shape)).map_or(0, |entry| entry.state)
    }

    /// The number of the grant.
    pub fn number(&self, place: usize) -> u64 {
        self.grants.get(&place).map_or(u64::MAX, |grant| grant.number)
    }

    /// The beat of the grant, or of the tombstone.
    pub fn beat(&self, place: usize) -> u32 {
        self.grants.get(&place).or(self.tombstones.get(&place)).map_or(0, |grant| grant.beat)
    }

    fn rest(&self, place: usize) -> String {
        for (grants, void) in [(&self.grants, ""), (&self.tombstones, " void")] {
            if let Some(grant) = grants.get(&place) {
                return format!("held {:?} {}{void}", grant.token, left(self.now, grant.end));
            }
        }
        match self.stock.pauses.get(&place) {
            Some(pause) if pause.end.is_none_or(|end| end > self.now) => {
                format!("paused {} {}", pause.failures, left(self.now, pause.end))
            }
            _ => "free".into(),
        }
    }

    pub fn look(&self, place: usize, shape: Shape) -> String {
        let rest = if self.sees_rest { self.rest(place) } else { "unseen".into() };
        match self.stock.entries.get(&(place, shape)) {
            Some(Stored { bytes, marked, .. }) => format!("{bytes:?} {marked} {rest}"),
            None => format!("nothing {rest}"),
        }
    }

    /// `seen` is the state that the claim has seen.
    pub fn claim(&mut self, place: usize, shape: Shape, claim: &Claim, seen: Option<u64>) -> String {
        let failures = self.stock.pauses.get(&place).map_or(0, |pause| pause.failures);
        let end = end(self.now, claim.lease);
        if let Some(grant) = self.grants.get_mut(&place) {
            if grant.token == claim.token {
                self.beats += 1;
                (grant.beat, grant.end) = (self.beats, end);
                self.forget();
                return format!("granted {failures}");
            }
            if claim.over != Over::Anyone && claim.over != Over::Dead(grant.token, grant.beat) {
                return self.rest(place);
            }
        }
        if self.tombstones.contains_key(&place) && claim.over != Over::Anyone {
            return self.rest(place);
        }
        if let Some(pause) = self.stock.pauses.get(&place)
            && pause.end.is_none_or(|end| end > self.now)
            && !claim.through_pause
        {
            return format!("paused {} {}", pause.failures, left(self.now, pause.end));
        }
        if seen.is_some_and(|seen| seen != self.state(place, shape)) {
            return format!("changed {}", self.look(place, shape));
        }
        self.tombstones.remove(&place);
        (self.numbers, self.beats) = (self.numbers + 1, self.beats + 1);
        let grant = Grant { token: claim.token, number: self.numbers, beat: self.beats, marked: false, end };
        self.grants.insert(place, grant);
        self.forget();
        format!("granted {failures}")
    }

    /// Why the holder of a token has no grant; `number` 0 is any.
    fn refusal(&self, place: usize, (token, number, life): Held) -> Option<&'static str> {
        if life != self.life {
            return Some("OtherLife");
        }
        match (self.grants.get(&place), self.tombstones.get(&place)) {
            (Some(grant), _) if grant.token == token && (number == 0 || grant.number == number) => None,
            (Some(grant), _) if grant.token == token => Some("Gone"),
            (_, Some(grant)) if grant.token == token => Some("Voided"),
            (None, None) => Some("Gone"),
            _ => Some("Overtaken"),
        }
    }

    pub fn renew(&mut self, place: usize, held: Held, lease: Duration) -> String {
        if let Some(why) = self.refusal(place, held) {
            return format!("lost {why}");
        }
        let grant = self.grants.get_mut(&place).unwrap();
        self.beats += 1;
        (grant.beat, grant.end) = (self.beats, end(self.now, lease));
        self.forget();
        "renewed".into()
    }

    fn store(&mut self, place: usize, shape: Shape, entry: Entry, marked: bool) {
        self.states += 1;
        let Entry { bytes, lifetime } = entry;
        let stored = Stored { bytes, marked, state: self.states, end: entry_end(self.now, lifetime) };
        self.stock.entries.insert((place, shape), stored);
        self.forget();
    }

    pub fn publish(&mut self, place: usize, shape: Shape, held: Held, entry: Entry) -> String {
        if let Some(why) = self.refusal(place, held) {
            if why == "Voided" {
                self.tombstones.remove(&place);
            }
            return format!("refused {why}");
        }
        let grant = self.grants.remove(&place).unwrap();
        self.stock.pauses.remove(&place);
        self.store(place, shape, entry, grant.marked);
        if grant.marked { "stale" } else { "fresh" }.into()
    }

    pub fn end(&mut self, place: usize, held: Held, pause: Option<PauseFor>) -> String {
        if let Some(why) = self.refusal(place, held) {
            if why == "Voided" {
                self.tombstones.remove(&place);
            }
            return format!("lost {why}");
        }
        self.grants.remove(&place);
        if let Some(PauseFor { failures, pause }) = pause {
            let pause = Pause { failures, end: end(self.now, pause), mark_end: end(self.now, pause.saturating_mul(2)) };
            self.stock.pauses.insert(place, pause);
            self.forget();
        }
        "ended".into()
    }

    fn void(&mut self, place: usize, void_pause: Duration) -> bool {
        self.stock.pauses.remove(&place);
        let Some(grant) = self.grants.remove(&place) else { return false };
        if self.has_tombstones {
            self.tombstones.insert(place, Grant { end: end(self.now, void_pause), ..grant });
            self.forget();
        }
        true
    }

    /// `seen` is the state that the change has seen, if it depends on one.
    pub fn change(&mut self, place: usize, shape: Shape, change: Change, seen: u64) -> String {
        let was_there = self.state(place, shape) != 0;
        let changed = |voided| format!("changed {was_there} {voided}");
        match change {
            Change::Set { entry, void_pause } => {
                let voided = self.void(place, void_pause);
                self.store(place, shape, entry, false);
                changed(voided)
            }
            Change::SetIf { entry, void_pause, .. } if seen == self.state(place, shape) => {
                let voided = self.void(place, void_pause);
                self.store(place, shape, entry, false);
                changed(voided)
            }
            Change::Touch { entry, .. } if was_there && seen == self.state(place, shape) => {
                let marked = self.stock.entries[&(place, shape)].marked;
                self.store(place, shape, entry, marked);
                changed(false)
            }
            Change::SetIf { .. } | Change::Touch { .. } => format!("refused {}", self.look(place, shape)),
            Change::MarkStale { mut beside } => {
                beside.push(shape);
                for shape in beside {
                    if let Some(entry) = self.stock.entries.get_mut(&(place, shape)) {
                        self.states += 1;
                        (entry.marked, entry.state) = (true, self.states);
                    }
                }
                if let Some(grant) = self.grants.get_mut(&place) {
                    grant.marked = true;
                }
                changed(false)
            }
            Change::Invalidate { mut beside, void_pause } => {
                beside.push(shape);
                for shape in beside {
                    self.stock.entries.remove(&(place, shape));
                }
                changed(self.void(place, void_pause))
            }
            other => panic!("an unknown change: {other:?}"),
        }
    }

    pub fn count(&mut self, place: usize, count: Count) -> String {
        let found = self.stock.counters.get(&place).copied();
        let now = found.map_or(0, |(value, _)| value);
        match count {
            Count::Get => format!("now {now}"),
            Count::Reset => {
                self.stock.counters.remove(&place);
                "now 0".into()
            }
            Count::Add { delta, ceiling, lifetime } => {
                let sum = (i128::from(now) + i128::from(delta)).max(0);
                if delta > 0 && sum > i128::from(ceiling.min((1 << 63) - 1)) {
                    return format!("too large {now}");
                }
                let sum = u64::try_from(sum).unwrap();
                match found {
                    Some((_, end)) => drop(self.stock.counters.insert(place, (sum, end))),
                    None if delta > 0 => {
                        self.stock.counters.insert(place, (sum, entry_end(self.now, lifetime)));
                        self.forget();
                    }
                    None => {}
                }
                format!("now {sum}")
            }
        }
    }
}
