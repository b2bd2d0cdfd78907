//! The laws of a backend as plainly as they can be written: maps, one step after the other, time in whole seconds.
//!
//! It shares no code with the crate but its types, and each answer is a text.
//!
//! Where entry, grant and pause of a shape lie in one *item*, as on memcached, this is not as elsewhere:
//!
//! - Grants and pauses are those of a shape. What is lost is the item.
//! - A lease ends for those who claim. If nothing was written to the item since, its holder is granted on: but not one
//!   that looks first, since the item said more, when its lease began, than its entry and the grant. (How long that lasts
//!   depends on the item's lifetime: the scripts leave such holders out.)
//! - A grant that was given where no item was is known by its claim, and by no number of another item's. (The scripts
//!   leave out the holders of a token that was granted in two items.)
//! - A claim for no time writes nothing, and its holder is known by the token alone.

use bytes::Bytes;
use dogpile_cache::backend::{Change, Claim, Count, Entry, Over, PauseFor, Token};
use dogpile_cache::codec::Shape;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// A number that is smaller than all others, but 0, which stands for any.
const BEFORE_ALL: u64 = 1;

/// A place; with items, an item.
type Slot = (usize, Option<Shape>);

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
    /// With items, the writing over which the grant was written.
    number: u64,
    beat: u32,
    marked: bool,
    /// With items: whether its holder looks before it writes.
    looks: bool,
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
    pauses: HashMap<Slot, Pause>,
    counters: HashMap<usize, (u64, End)>,
}

pub struct Naive {
    stock: Stock,
    grants: HashMap<Slot, Grant>,
    tombstones: HashMap<Slot, Grant>,
    /// The tokens whose leases have ended, or that were granted in two items.
    late: HashSet<Token>,
    /// The item in which a token was granted first.
    homes: HashMap<Token, Slot>,
    /// The number of the latest claim's grant.
    claimed: u64,
    /// The latest writing of each item.
    written: HashMap<Slot, u64>,
    now: u64,
    life: u32,
    states: u64,
    numbers: u64,
    /// No beat comes again.
    beats: u32,
    has_tombstones: bool,
    has_items: bool,
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
    pub fn new(has_tombstones: bool, has_items: bool, sees_rest: bool) -> Naive {
        let (stock, grants, tombstones, late, homes, written) = <_>::default();
        let (now, life, states, beats) = <_>::default();
        Naive {
            stock,
            grants,
            tombstones,
            late,
            homes,
            claimed: 0,
            written,
            now,
            life,
            states,
            numbers: BEFORE_ALL,
            beats,
            has_tombstones,
            has_items,
            sees_rest,
        }
    }

    fn slot(&self, place: usize, shape: Shape) -> Slot {
        (place, self.has_items.then_some(shape))
    }

    fn is_over(&self, end: End) -> bool {
        end.is_some_and(|end| end <= self.now)
    }

    /// The grant, if its lease is not over.
    fn granted(&self, slot: Slot) -> Option<&Grant> {
        self.grants.get(&slot).filter(|grant| !self.is_over(grant.end))
    }

    /// Something is written to an item.
    fn write(&mut self, slot: Slot) {
        self.numbers += 1;
        self.written.insert(slot, self.numbers);
    }

    fn lose(&mut self, slot: Slot) {
        self.grants.remove(&slot);
        self.tombstones.remove(&slot);
        self.stock.pauses.remove(&slot);
    }

    /// All that is in an item is lost.
    fn lose_item(&mut self, place: usize, shape: Shape) {
        self.stock.entries.remove(&(place, shape));
        self.lose(self.slot(place, shape));
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    fn forget(&mut self) {
        let over = |end: &End| end.is_some_and(|end| end <= self.now);
        self.stock.entries.retain(|_, entry| !over(&entry.end));
        self.stock.pauses.retain(|_, pause| !over(&pause.mark_end));
        self.stock.counters.retain(|_, (_, end)| !over(end));
        let Stock { entries, pauses, .. } = &self.stock;
        let is_there = |(place, shape): &Slot| {
            shape.is_some_and(|shape| entries.contains_key(&(*place, shape))) || pauses.contains_key(&(*place, *shape))
        };
        let late = self.grants.values().filter(|grant| over(&grant.end)).map(|grant| grant.token);
        self.late.extend(late);
        // The item is there, and nobody has claimed.
        self.grants.retain(|slot, grant| !over(&grant.end) || (slot.1.is_some() && is_there(slot)));
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
        if self.has_items {
            self.lose_item(place, shape);
        }
        self.stock.entries.remove(&(place, shape));
    }

    pub fn lose_rest(&mut self, place: usize, shape: Shape) {
        if self.has_items {
            self.lose_item(place, shape);
        }
        self.lose(self.slot(place, shape));
    }

    /// The state of an entry; 0 if there is none.
    pub fn state(&self, place: usize, shape: Shape) -> u64 {
        self.stock.entries.get(&(place, shape)).map_or(0, |entry| entry.state)
    }

    /// The number by which the holder knows the grant of the latest claim; with items, the writing that has granted it.
    pub fn number(&self) -> u64 {
        self.claimed
    }

    /// The beat of the grant, or of the tombstone.
    pub fn beat(&self, place: usize, shape: Shape) -> u32 {
        let slot = self.slot(place, shape);
        self.grants.get(&slot).or(self.tombstones.get(&slot)).map_or(0, |grant| grant.beat)
    }

    fn rest(&self, slot: Slot) -> String {
        for (grant, void) in [(self.granted(slot), ""), (self.tombstones.get(&slot), " void")] {
            if let Some(grant) = grant {
                return format!("held {:?} {}{void}", grant.token, left(self.now, grant.end));
            }
        }
        match self.stock.pauses.get(&slot) {
            Some(pause) if pause.end.is_none_or(|end| end > self.now) => {
                format!("paused {} {}", pause.failures, left(self.now, pause.end))
            }
            _ => "free".into(),
        }
    }

    pub fn look(&self, place: usize, shape: Shape) -> String {
        let rest = if self.sees_rest { self.rest(self.slot(place, shape)) } else { "unseen".into() };
        match self.stock.entries.get(&(place, shape)) {
            Some(Stored { bytes, marked, .. }) => format!("{bytes:?} {marked} {rest}"),
            None => format!("nothing {rest}"),
        }
    }

    /// `seen` is the state that the claim has seen.
    pub fn claim(&mut self, place: usize, shape: Shape, claim: &Claim, seen: Option<u64>) -> String {
        let slot = self.slot(place, shape);
        // Of nobody, unless a lease begins.
        self.claimed = u64::MAX;
        let failures = self.stock.pauses.get(&slot).map_or(0, |pause| pause.failures);
        let end = end(self.now, claim.lease);
        if let Some(Grant { token, beat, .. }) = self.granted(slot) {
            if *token == claim.token {
                self.begin(slot, end);
                return format!("granted {failures}");
            }
            if claim.over != Over::Anyone && claim.over != Over::Dead(*token, *beat) {
                return self.rest(slot);
            }
        }
        if self.tombstones.contains_key(&slot) && claim.over != Over::Anyone {
            return self.rest(slot);
        }
        if let Some(pause) = self.stock.pauses.get(&slot)
            && pause.end.is_none_or(|end| end > self.now)
            && !claim.through_pause
        {
            return format!("paused {} {}", pause.failures, left(self.now, pause.end));
        }
        if seen.is_some_and(|seen| seen != self.state(place, shape)) {
            return format!("changed {}", self.look(place, shape));
        }
        if self.has_items && claim.lease.is_zero() {
            return format!("granted {failures}");
        }
        self.tombstones.remove(&slot);
        let is_there = self.has_items && (self.state(place, shape) != 0 || self.grants.contains_key(&slot));
        if !is_there && !self.stock.pauses.contains_key(&slot) {
            self.write(slot);
        }
        let number = self.written.get(&slot).copied().filter(|_| self.has_items).unwrap_or(self.numbers + 1);
        self.grants.insert(slot, Grant { token: claim.token, number, beat: 0, marked: false, looks: false, end });
        if *self.homes.entry(claim.token).or_insert(slot) != slot {
            self.late.insert(claim.token);
        }
        self.begin(slot, end);
        format!("granted {failures}")
    }

    /// A lease begins.
    fn begin(&mut self, slot: Slot, end: End) {
        self.beats += 1;
        let beats = self.beats;
        let has_entry = slot.1.is_some_and(|shape| self.state(slot.0, shape) != 0);
        let says_more = !has_entry && self.stock.pauses.contains_key(&slot);
        if let Some(grant) = self.grants.get_mut(&slot) {
            (grant.beat, grant.end, grant.looks) = (beats, end, grant.marked || says_more);
        }
        self.write(slot);
        self.forget();
        let number = |grant: &Grant| if self.has_items { self.written[&slot] } else { grant.number };
        // (A lease of zero deletes an item that says nothing else.)
        let of_nothing = if self.has_items { BEFORE_ALL } else { u64::MAX };
        self.claimed = self.grants.get(&slot).map_or(of_nothing, number);
    }

    /// Why the holder of a token has no grant; `number` 0 is any.
    fn refusal(&self, slot: Slot, (token, number, life): Held) -> Option<&'static str> {
        if life != self.life {
            return Some("OtherLife");
        }
        if self.has_items {
            return match (self.grants.get(&slot), self.granted(slot)) {
                // Nothing was written to the item since.
                (Some(grant), _) if self.written[&slot] == number && !grant.looks => None,
                (_, Some(grant)) if grant.token != token => Some("Overtaken"),
                (_, Some(grant)) if grant.number <= number => None,
                _ => Some("Gone"),
            };
        }
        match (self.grants.get(&slot), self.tombstones.get(&slot)) {
            (Some(grant), _) if grant.token == token && (number == 0 || grant.number == number) => None,
            (Some(grant), _) if grant.token == token => Some("Gone"),
            (_, Some(grant)) if grant.token == token => Some("Voided"),
            (None, None) => Some("Gone"),
            _ => Some("Overtaken"),
        }
    }

    /// Whether the grant of a token in an item has had its lease: what its holder may still do depends on how long the
    /// item lives, which nobody sees from outside. Or whether the token has had a grant in another item.
    pub fn is_late(&self, token: Token) -> bool {
        let over = |grant: &Grant| grant.token == token && grant.end.is_some_and(|end| end <= self.now);
        self.has_items && (self.late.contains(&token) || self.grants.values().any(over))
    }

    pub fn renew(&mut self, place: usize, shape: Shape, held: Held, lease: Duration) -> String {
        let slot = self.slot(place, shape);
        if let Some(why) = self.refusal(slot, held) {
            return format!("lost {why}");
        }
        // Without an entry, a renewal that does not look writes the grant anew.
        let is_alone = self.has_items && self.state(place, shape) == 0 && self.written[&slot] == held.1;
        if let Some(grant) = self.grants.get_mut(&slot).filter(|grant| is_alone && !grant.looks) {
            grant.number = held.1;
        }
        self.begin(slot, end(self.now, lease));
        "renewed".into()
    }

    fn store(&mut self, place: usize, shape: Shape, entry: Entry, marked: bool) {
        self.states += 1;
        let Entry { bytes, lifetime } = entry;
        let stored = Stored { bytes, marked, state: self.states, end: entry_end(self.now, lifetime) };
        self.stock.entries.insert((place, shape), stored);
        self.write(self.slot(place, shape));
        self.forget();
    }

    pub fn publish(&mut self, place: usize, shape: Shape, held: Held, entry: Entry) -> String {
        let slot = self.slot(place, shape);
        if let Some(why) = self.refusal(slot, held) {
            if why == "Voided" {
                self.tombstones.remove(&slot);
            }
            return format!("refused {why}");
        }
        let grant = self.grants.remove(&slot).unwrap();
        self.stock.pauses.remove(&slot);
        self.store(place, shape, entry, grant.marked);
        if grant.marked { "stale" } else { "fresh" }.into()
    }

    pub fn end(&mut self, place: usize, shape: Shape, mut held: Held, pause: Option<PauseFor>) -> String {
        let slot = self.slot(place, shape);
        if self.has_items && held.1 == 0 {
            held.1 = u64::MAX;
        }
        if let Some(why) = self.refusal(slot, held) {
            if why == "Voided" {
                self.tombstones.remove(&slot);
            }
            return format!("lost {why}");
        }
        self.grants.remove(&slot);
        if let Some(PauseFor { failures, pause }) = pause.filter(|pause| !pause.pause.is_zero()) {
            let pause = Pause { failures, end: end(self.now, pause), mark_end: end(self.now, pause.saturating_mul(2)) };
            self.stock.pauses.insert(slot, pause);
        }
        self.write(slot);
        self.forget();
        "ended".into()
    }

    fn void(&mut self, slot: Slot, void_pause: Duration) -> bool {
        self.stock.pauses.remove(&slot);
        let is_over = self.granted(slot).is_none();
        let Some(grant) = self.grants.remove(&slot).filter(|_| !is_over) else { return false };
        if self.has_tombstones {
            self.tombstones.insert(slot, Grant { end: end(self.now, void_pause), ..grant });
            self.forget();
        }
        true
    }

    /// `seen` is the state that the change has seen, if it depends on one.
    pub fn change(&mut self, place: usize, shape: Shape, change: Change, seen: u64) -> String {
        let (was_there, slot) = (self.state(place, shape) != 0, self.slot(place, shape));
        let changed = |voided| format!("changed {was_there} {voided}");
        match change {
            Change::Set { entry, void_pause } => {
                let voided = self.void(slot, void_pause);
                self.store(place, shape, entry, false);
                changed(voided)
            }
            Change::SetIf { entry, void_pause, .. } if seen == self.state(place, shape) => {
                let voided = self.void(slot, void_pause);
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
                    let slot = self.slot(place, shape);
                    if let Some(entry) = self.stock.entries.get_mut(&(place, shape)) {
                        self.states += 1;
                        (entry.marked, entry.state) = (true, self.states);
                    }
                    if let Some(grant) = self.grants.get_mut(&slot) {
                        grant.marked = true;
                    }
                    self.write(slot);
                }
                changed(false)
            }
            Change::Invalidate { mut beside, void_pause } => {
                beside.push(shape);
                let mut voided = false;
                for shape in beside {
                    self.stock.entries.remove(&(place, shape));
                    voided |= self.void(self.slot(place, shape), void_pause);
                }
                changed(voided)
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
