//! The simulation: a heap of events in virtual time.
//!
//! Three things happen: a request comes, the answer to a query is stored, and, once in each entry, the value is there
//! that the fleet begins with. Every entry has a Poisson process of requests of its own. Those of a process for a key
//! are one, and so are those of all processes together for a shared entry, where chance says whose each is: that is the
//! same thing, for far less work.
//!
//! A hit changes nothing, and what is left of an exponential waiting time is distributed as all of it. So as long as
//! every request would be a hit none is drawn, and of those that come before the expiry only those that renew early. A
//! large fleet costs no more than its misses. (A run that is [recorded](Fleet::record) draws them all, for the real
//! locks to be given the same.)

use crate::seen::{Query, Record, Request, Seen};
use crate::strategy::{Cost, Covers, Strategy};
use fastrand::Rng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// A millisecond of virtual time, in its unit.
pub const MS: u64 = 1_000_000;
/// A second.
pub const SECOND: u64 = 1000 * MS;

/// What is simulated. Times are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// How many processes.
    pub processes: u32,
    /// How many keys.
    pub keys: u32,
    /// Requests per second to each process, for all keys together.
    pub rate: f64,
    /// What a creation takes.
    pub creation: u64,
    /// How long a value lives.
    pub expiry: u64,
    /// How far the clock of a process is off, at the most.
    pub skew: u64,
    /// How far ahead a process tolerates a stamp.
    pub max_skew: u64,
    /// How early early renewal is.
    pub beta: f64,
    /// How long it is watched.
    pub duration: u64,
    /// What all random numbers come from.
    pub seed: u64,
}

/// The number above 0 and up to 1 by which a request decides, as a lock draws it from its thread's generator when that
/// was given the seed `draw`.
pub fn chance(draw: u64) -> f64 {
    1.0 - Rng::with_seed(draw).fork().f64()
}

impl Fleet {
    /// Requests for one key in a second, to all processes.
    pub fn rate_per_key(&self) -> f64 {
        self.rate * f64::from(self.processes) / f64::from(self.keys)
    }

    /// The time in which the chance that a request renews early grows e-fold.
    fn scale(&self) -> f64 {
        self.creation as f64 * self.beta
    }

    /// Lets the fleet run.
    pub fn simulate(&self, strategy: Strategy) -> Seen {
        Simulation::new(self, strategy, Keeps::Counts).run().0
    }

    /// Lets the fleet run, and keeps each query, from its very beginning.
    pub fn queries(&self, strategy: Strategy) -> Record {
        Simulation::new(self, strategy, Keeps::Queries).run().1
    }

    /// Lets the fleet run, and keeps all that happens: requests that are hits, too.
    pub fn record(&self, strategy: Strategy) -> Record {
        Simulation::new(self, strategy, Keeps::Everything).run().1
    }
}

/// What is kept of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Counts,
    Queries,
    Everything,
}

/// What happens. At the same moment it happens in this order. A request is `due` if it was drawn from those that would
/// renew early if their clock were furthest ahead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Stored { entry: u32, process: u32 },
    Born { entry: u32 },
    Request { entry: u32, due: bool },
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// When the value was created, by the clock of whoever stamped it.
    stamp: i64,
    /// How many are creating a new one.
    creating: u32,
}

/// What a request finds.
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
    /// How far each clock is off.
    offsets: Vec<i64>,
    /// The processes that create, where each has a lock.
    creating: HashSet<(u32, u32)>,
    /// Those that know what it costs, where it must be measured.
    measured: HashSet<(u32, u32)>,
    /// Until when what is created for a key is one too many.
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
            // What one lock for all would need. Each process has rounds of its own, but the keys are the same.
            f64::from(self.fleet.keys) * self.fleet.duration as f64 / (self.fleet.expiry + self.fleet.creation) as f64
        };
        (self.seen, self.record)
    }

    /// Draws when the next request comes to an entry that may be more than a hit.
    fn await_request(&mut self, now: u64, entry: u32) {
        let all = if self.strategy.shares_values() { self.fleet.processes } else { 1 };
        let per_second = self.fleet.rate * f64::from(all) / f64::from(self.fleet.keys);
        let waits = -(1.0 - self.random.f64()).ln() / per_second * SECOND as f64;
        let quiet_until = self.quiet_until(entry).max(now);
        let (mut at, mut due) = (quiet_until + waits as u64, false);
        if self.strategy.early().is_some() && quiet_until > now {
            // Requests that renew come at `e^(-left/scale)` of the rate of all. Here is when the integral of that, in
            // units of `scale` requests, has come as far as chance wants it to; from the expiry on it goes straight up.
            let scale = self.fleet.scale();
            let integral = (-((quiet_until - now) as f64) / scale).exp() + waits / scale;
            due = integral < 1.0;
            let after = if due { integral.ln() } else { integral - 1.0 } * scale;
            at = quiet_until.saturating_add_signed(after as i64).max(now);
        }
        self.events.push(Reverse((at, Event::Request { entry, due })));
    }

    /// The expiry that is ahead of an entry, as the clock sees it that is furthest ahead: what comes before that is a
    /// hit, or renews early. Zero if there is none to rely on, or if all requests are wanted.
    fn quiet_until(&self, entry: u32) -> u64 {
        let (fleet, entry) = (self.fleet, self.entries[entry as usize]);
        let skew = if self.strategy.is_stamped() { fleet.skew } else { 0 };
        // Who creates may store a stamp that lies further back; and to some clocks a stamp may lie too far ahead.
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
        // One that was drawn as due has come as near as that already.
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
        // A new value is needed when one is asked for and none is on its way: the first opens a round, until it is
        // there.
        let needed = at >= self.round_ends[key as usize];
        if needed {
            self.round_ends[key as usize] = at + fleet.creation;
        }
        // The first lifetime is not watched: in that the values are yet to be born.
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

    /// How far the clock is off that judges what this process sees.
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

    /// What is skipped would have been hits: with and without them there are as many queries, within a few hundredths.
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
