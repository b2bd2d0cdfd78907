//! The simulation: a heap of events in virtual time.
//!
//! There are three kinds of events: a request comes; the answer to a query is stored; and, once for each entry, its
//! first value is there. Each entry has one Poisson process of requests. If the value lives in the memory of a process,
//! these are the requests of that process for the key. If the value is shared, they are the requests of all processes
//! together, and each request draws its process at random. This is the same as one Poisson process for each process and
//! key, for far less work.
//!
//! A hit changes nothing, and the rest of an exponential waiting time is distributed as the whole of it. So no request
//! is drawn while every request would be a hit. Of the requests before the expiry, only those that renew early are
//! drawn. So a large fleet costs no more than its misses. (A run that is [recorded](Fleet::record) draws all requests,
//! so that the real locks can be given the same ones.)

use crate::seen::{Query, Record, Request, Seen};
use crate::strategy::{Cost, Covers, Strategy};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// A millisecond of virtual time, in nanoseconds.
pub const MS: u64 = 1_000_000;
/// A second of virtual time, in nanoseconds.
pub const SECOND: u64 = 1000 * MS;

/// The fleet that is simulated. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// The number of processes.
    pub processes: u32,
    /// The number of keys.
    pub keys: u32,
    /// Requests per second to each process, for all keys together.
    pub rate: f64,
    /// How long a creation takes.
    pub creation: u64,
    /// How long a value lives.
    pub expiry: u64,
    /// How far the clock of a process is off, at the most.
    pub skew: u64,
    /// How far ahead a process tolerates a stamp.
    pub max_skew: u64,
    /// Beta: the factor by which early renewal comes earlier.
    pub beta: f64,
    /// How long the fleet is watched.
    pub duration: u64,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// The number above 0 and up to 1 by which a request decides whether to renew early. A lock draws the same number from
/// the generator of its thread, if that generator was given the seed `draw`.
pub fn chance(draw: u64) -> f64 {
    1.0 - Rng::with_seed(draw).fork().f64()
}

impl Fleet {
    /// Requests per second for one key, to all processes together.
    pub fn rate_per_key(&self) -> f64 {
        self.rate * f64::from(self.processes) / f64::from(self.keys)
    }

    /// The time in which the chance that a request renews early grows e-fold.
    fn scale(&self) -> f64 {
        self.creation as f64 * self.beta
    }

    /// Runs the fleet, and counts.
    pub fn simulate(&self, strategy: Strategy) -> Seen {
        Simulation::new(self, strategy, Keeps::Counts).run().0
    }

    /// Runs the fleet, and keeps each query, from the very beginning.
    pub fn queries(&self, strategy: Strategy) -> Record {
        Simulation::new(self, strategy, Keeps::Queries).run().1
    }

    /// Runs the fleet, and keeps all that happens, with the requests that are hits.
    pub fn record(&self, strategy: Strategy) -> Record {
        Simulation::new(self, strategy, Keeps::Everything).run().1
    }
}

/// The part of a run that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Counts,
    Queries,
    Everything,
}

/// An event. Events of the same moment happen in the order of the variants. A request is `due` if it was drawn from the
/// requests that would renew early if the clock of their process were furthest ahead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Stored { entry: u32, process: u32 },
    Born { entry: u32 },
    Request { entry: u32, due: bool },
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// When the value was created, by the clock that has stamped it.
    stamp: i64,
    /// The number of creations of a new value that are under way.
    creating: u32,
}

/// The value as a request finds it.
#[derive(PartialEq, Eq)]
enum Sight {
    Fresh,
    /// Fresh, and this request is to renew it.
    Due,
    Stale,
}

struct Simulation<'a> {
    fleet: &'a Fleet,
    strategy: Strategy,
    random: Rng,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    entries: Vec<Entry>,
    /// How far the clock of each process is off.
    offsets: Vec<i64>,
    /// The entries and processes that have a creation under way, if each process has a lock.
    creating: HashSet<(u32, u32)>,
    /// The entries and processes that know the cost of a creation, if the cost has to be measured.
    measured: HashSet<(u32, u32)>,
    /// For each key, the time until which any further creation is one too many.
    round_ends: Vec<u64>,
    rounds: u32,
    seen: Seen,
    keeps: Keeps,
    record: Record,
}

impl<'a> Simulation<'a> {
    fn new(fleet: &'a Fleet, strategy: Strategy, keeps: Keeps) -> Self {
        let mut random = Rng::with_seed(fleet.seed);
        let owners = if strategy.shares_values() { 1 } else { fleet.processes };
        let born: Vec<u64> = (0..owners * fleet.keys).map(|_| random.u64(0..fleet.expiry)).collect();
        let skew = fleet.skew as i64;
        let offsets: Vec<i64> = (0..fleet.processes).map(|_| random.i64(-skew..=skew)).collect();
        let events = (0..).zip(&born).map(|(entry, at)| Reverse((*at, Event::Born { entry }))).collect();
        Self {
            fleet,
            strategy,
            random,
            events,
            entries: vec![Entry::default(); born.len()],
            creating: HashSet::new(),
            measured: HashSet::new(),
            round_ends: vec![0; fleet.keys as usize],
            rounds: 0,
            seen: Seen { queries: vec![0; fleet.duration.div_ceil(SECOND) as usize], stale: 0, rounds: 0.0 },
            keeps,
            record: Record { born, offsets: offsets.clone(), ..Record::default() },
            offsets,
        }
    }

    fn run(mut self) -> (Seen, Record) {
        let end = self.fleet.expiry + self.fleet.duration;
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= end {
                break;
            }
            match event {
                Event::Born { entry } => {
                    self.entries[entry as usize].stamp = now as i64;
                    self.await_request(now, entry);
                }
                Event::Stored { entry, process } => self.store(now, entry, process),
                Event::Request { entry, due } => {
                    self.request(now, entry, due);
                    self.await_request(now, entry);
                }
            }
        }
        self.seen.rounds = if self.strategy.shares_values() {
            self.rounds.into()
        } else {
            // The number of rounds that one lock for all would need. Each process has rounds of its own, but the keys
            // are the same.
            f64::from(self.fleet.keys) * self.fleet.duration as f64 / (self.fleet.expiry + self.fleet.creation) as f64
        };
        (self.seen, self.record)
    }

    /// Draws the next request to an entry that may be more than a hit.
    fn await_request(&mut self, now: u64, entry: u32) {
        let all = if self.strategy.shares_values() { self.fleet.processes } else { 1 };
        let per_second = self.fleet.rate * f64::from(all) / f64::from(self.fleet.keys);
        let waits = -(1.0 - self.random.f64()).ln() / per_second * SECOND as f64;
        let quiet_until = self.quiet_until(entry).max(now);
        let (mut at, mut due) = (quiet_until + waits as u64, false);
        if self.strategy.early().is_some() && quiet_until > now {
            // At the time `left` before the expiry, requests that renew come at `e^(-left/scale)` of the rate of all
            // requests. Here is the time at which the integral of that rate, in units of `scale` requests, has reached
            // the drawn number. From the expiry on the integral grows in a straight line.
            let scale = self.fleet.scale();
            let integral = (-((quiet_until - now) as f64) / scale).exp() + waits / scale;
            due = integral < 1.0;
            let after = if due { integral.ln() } else { integral - 1.0 } * scale;
            at = quiet_until.saturating_add_signed(after as i64).max(now);
        }
        self.events.push(Reverse((at, Event::Request { entry, due })));
    }

    /// The next expiry of an entry, by the clock that is furthest ahead. A request before that is a hit, or renews
    /// early. Zero if there is no such time to rely on, or if all requests are wanted.
    fn quiet_until(&self, entry: u32) -> u64 {
        let (fleet, entry) = (self.fleet, self.entries[entry as usize]);
        let skew = if self.strategy.is_stamped() { fleet.skew } else { 0 };
        // With a creation under way, a stamp may be stored that lies further back. And if clocks differ by more than
        // `max_skew`, a stamp may lie too far ahead for some of them.
        if self.keeps == Keeps::Everything || entry.creating > 0 || 2 * skew > fleet.max_skew {
            return 0;
        }
        (entry.stamp + (fleet.expiry as i64) - (skew as i64)).max(0) as u64
    }

    fn request(&mut self, now: u64, entry: u32, due: bool) {
        let keys = self.fleet.keys;
        let shared = self.strategy.shares_values();
        let process = if shared { self.random.u32(0..self.fleet.processes) } else { entry / keys };
        let draw = if self.strategy.early().is_some() { self.random.u64(..) } else { 0 };
        let request = Request { at: now, process, key: entry % keys, draw };
        if self.keeps == Keeps::Everything {
            self.record.requests.push(request);
        }
        let sight = self.look(entry, request, due);
        if sight == Sight::Fresh {
            return;
        }
        let somebody_creates = match self.strategy.lock() {
            Covers::Nothing => false,
            Covers::Process => self.creating.contains(&(entry, process)),
            Covers::Entry => self.entries[entry as usize].creating > 0,
        };
        if !somebody_creates {
            self.query(entry, request);
        } else if sight == Sight::Stale && now >= self.fleet.expiry {
            self.seen.stale += 1;
        }
    }

    fn look(&self, entry: u32, Request { at, process, draw, .. }: Request, due: bool) -> Sight {
        let fleet = self.fleet;
        let age = at as i64 + self.offset(process) - self.entries[entry as usize].stamp;
        if age < -(fleet.max_skew as i64) {
            return Sight::Stale;
        }
        let Some(expires_in) = fleet.expiry.checked_sub(u64::try_from(age).unwrap_or(0)).filter(|left| *left > 0)
        else {
            return Sight::Stale;
        };
        let knows_the_cost = match self.strategy.early() {
            None => false,
            Some(Cost::WithTheValue) => true,
            Some(Cost::Measured) => self.measured.contains(&(entry, process)),
        };
        // The draw of a request that is `due` has already taken this time into account.
        let come = if due { self.quiet_until(entry).saturating_sub(at) } else { 0 };
        let is_due = || fleet.scale() * -chance(draw).ln() >= expires_in.saturating_sub(come) as f64;
        if knows_the_cost && is_due() { Sight::Due } else { Sight::Fresh }
    }

    fn query(&mut self, entry: u32, Request { at, process, key, .. }: Request) {
        let fleet = self.fleet;
        self.entries[entry as usize].creating += 1;
        if self.strategy.lock() == Covers::Process {
            self.creating.insert((entry, process));
        }
        self.events.push(Reverse((at + fleet.creation, Event::Stored { entry, process })));
        if self.keeps != Keeps::Counts {
            self.record.queries.push(Query { at, process, key });
        }
        // A new value is needed if a request asks for one while none is on its way. The first such request opens a
        // round, which lasts until the value is there.
        let needed = at >= self.round_ends[key as usize];
        if needed {
            self.round_ends[key as usize] = at + fleet.creation;
        }
        // The first lifetime is not watched: not all values are there yet.
        if let Some(watched) = at.checked_sub(fleet.expiry) {
            self.seen.queries[(watched / SECOND) as usize] += 1;
            self.rounds += u32::from(needed);
        }
    }

    fn store(&mut self, now: u64, entry: u32, process: u32) {
        let stamp = now as i64 + self.offset(process);
        let stored = &mut self.entries[entry as usize];
        stored.stamp = stamp;
        stored.creating -= 1;
        if self.strategy.lock() == Covers::Process {
            self.creating.remove(&(entry, process));
        }
        if self.strategy.early() == Some(Cost::Measured) {
            self.measured.insert((entry, process));
        }
    }

    /// How far the clock is off that judges the values for this process.
    fn offset(&self, process: u32) -> i64 {
        if self.strategy.is_stamped() { self.offsets[process as usize] } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(fleet: &Fleet, strategy: Strategy) -> [f64; 2] {
        let drawn = fleet.record(strategy).queries.iter().filter(|query| query.at >= fleet.expiry).count();
        [drawn as f64, fleet.simulate(strategy).total()]
    }

    /// The requests that are skipped would have been hits. With and without them there are as many queries, within a
    /// few hundredths.
    #[test]
    fn hits_that_are_not_drawn_change_nothing() {
        let fleet = Fleet {
            processes: 30,
            keys: 20,
            rate: 20.0,
            creation: 100 * MS,
            expiry: SECOND,
            skew: 0,
            max_skew: SECOND,
            beta: 1.0,
            duration: 200 * SECOND,
            seed: 5,
        };
        for strategy in Strategy::ALL {
            for skew in [0, 20 * MS] {
                let [all, skipping] = queries(&Fleet { skew, ..fleet }, strategy);
                assert!((skipping / all - 1.0).abs() < 0.04, "{}: {all} and {skipping}", strategy.name());
            }
        }
    }
}
