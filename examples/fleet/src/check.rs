//! Compares the simulation with the real locks: given the same requests, do the same requests query the database?
//!
//! Each process of a small fleet is given locks of its own, on a clock of its own that is moved by hand. The shared
//! cache is a map, and the database is a list of the processes that have asked it. A recorded simulation is run through
//! them, one event after the other. When a lock hands over a creation, to a runner or as a turn, the creation is kept
//! until its time has come. No thread can change the order of events, so the check needs no tolerance: the same process
//! must ask for the same key at the same nanosecond.
//!
//! Whether a request renews early is a matter of chance. The locks draw from the generator of their thread, so that
//! generator is given the request's own seed before each access.

use crate::seen::{Query, Request};
use crate::simulation::{Fleet, MS, SECOND};
use crate::strategy::{Cost, Strategy};
use dogpile::{Clock, Dogpile, Job, ManualClock, Policy, Stamped, Turn};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

type Lock = Dogpile<Arc<ManualClock>>;

/// The sizes of the fleets, which fit on one machine.
const SIZES: [u32; 4] = [1, 4, 16, 64];
/// How far clocks are off: not at all, as far as with NTP, and further than is tolerated.
const SKEWS: [u64; 3] = [0, 50 * MS, 1500 * MS];
/// The strategies that have a lock.
const LOCKED: [Strategy; 5] =
    [Strategy::OwnValues, Strategy::Stamped, Strategy::Early, Strategy::EarlyMeasured, Strategy::OneLock];

/// The heading of the check, which says what is run below.
pub const HEADING: &str = "\
The real locks, given the same requests: 3 keys, 15 requests/s to each process, 200 ms to create, 2 s to live, for 22 s.
Clocks off by so much; by each number of processes, how many queries: the same ones in both, to the nanosecond";

/// Runs all comparisons, and reports each to `say`. The error says where simulation and locks part.
pub fn check(seed: u64, mut say: impl FnMut(String)) -> Result<(), String> {
    for strategy in LOCKED {
        for skew in SKEWS.into_iter().filter(|skew| *skew == 0 || strategy.is_stamped()) {
            let mut counts = Vec::new();
            for processes in SIZES {
                let fleet = Fleet {
                    processes,
                    keys: 3,
                    rate: 15.0,
                    creation: 200 * MS,
                    expiry: 2 * SECOND,
                    skew,
                    max_skew: SECOND,
                    beta: 1.0,
                    duration: 20 * SECOND,
                    seed,
                };
                let queries = check_one(&fleet, strategy).map_err(|difference| {
                    format!("{}, {processes} processes, clocks off by {} ms: {difference}", strategy.name(), skew / MS)
                })?;
                counts.push(format!("{processes}: {queries}"));
            }
            say(format!("{:<18} {:>7} ms   {}", strategy.name(), skew / MS, counts.join(", ")));
        }
    }
    Ok(())
}

/// The number of queries of both, if both made the same queries.
fn check_one(fleet: &Fleet, strategy: Strategy) -> Result<usize, String> {
    let record = fleet.record(strategy);
    let real = Replay::new(fleet, strategy, &record.offsets).run(&record.born, &record.requests)?;
    let part = (0..).zip(record.queries.iter().zip(&real)).find(|(_, (simulated, real))| simulated != real);
    if let Some((number, (simulated, real))) = part {
        return Err(format!("query {number} is {simulated:?} in the simulation, {real:?} by the lock"));
    }
    if record.queries.len() != real.len() {
        return Err(format!("{} queries in the simulation, {} by the lock", record.queries.len(), real.len()));
    }
    Ok(real.len())
}

/// The shared cache: the value of each key, with the time of its creation.
type Store = Arc<Mutex<HashMap<u32, Stamped<()>>>>;

/// The clock of a machine, and the time of the simulation to which it was last moved.
struct Machine {
    clock: Arc<ManualClock>,
    moved: u64,
}

impl Machine {
    fn move_to(&mut self, now: u64) {
        self.clock.advance(Duration::from_nanos(now - self.moved));
        self.moved = now;
    }
}

/// A creation under way.
enum Creating {
    Job(Job),
    Creation(dogpile::Creation<'static, Lock>),
}

struct Replay<'a> {
    fleet: &'a Fleet,
    strategy: Strategy,
    store: Store,
    machines: Vec<Machine>,
    /// One lock for each machine and key.
    locks: Vec<Arc<Lock>>,
    /// The creations under way, by the time at which they end. At the same moment they end by key and machine, as in
    /// the simulation.
    creating: BTreeMap<(u64, u32, u32), Creating>,
    queries: Vec<Query>,
}

/// The time of day on a clock that is right.
fn time_of_day(now: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos((now + 1_000_000_000 * SECOND as i64) as u64)
}

impl<'a> Replay<'a> {
    fn new(fleet: &'a Fleet, strategy: Strategy, offsets: &[i64]) -> Self {
        let early = Policy::builder().max_skew(Duration::from_nanos(fleet.max_skew));
        let early = if strategy.early().is_some() { early.refresh_early(fleet.beta) } else { early };
        let policy = Arc::new(early.build().expect("these go together"));
        // With one lock for all there is one clock, which is the clock of the cache.
        let offsets = if strategy == Strategy::OneLock { &[0] } else { offsets };
        let mut machines = Vec::new();
        let mut locks = Vec::new();
        for offset in offsets {
            let clock = Arc::new(ManualClock::new());
            for _ in 0..fleet.keys {
                let lock = Lock::with_clock(Duration::from_nanos(fleet.expiry), Arc::clone(&clock));
                let lock = Arc::new(lock.with_shared_policy(Arc::clone(&policy)));
                if strategy.early() == Some(Cost::WithTheValue) {
                    // A lock knows the cost from its own creations. So each lock makes one before the run begins.
                    if let Turn::Create(creation) = lock.acquire() {
                        clock.advance(Duration::from_nanos(fleet.creation));
                        creation.finish();
                    }
                }
                locks.push(lock);
            }
            clock.set_wall(time_of_day(*offset));
            machines.push(Machine { clock, moved: 0 });
        }
        let (store, creating, queries) = (Store::default(), BTreeMap::new(), Vec::new());
        Self { fleet, strategy, store, machines, locks, creating, queries }
    }

    fn run(mut self, born: &[u64], requests: &[Request]) -> Result<Vec<Query>, String> {
        let mut births: Vec<(u64, u32)> = born.iter().copied().zip(0..).collect();
        births.sort_unstable();
        let mut births = births.into_iter().peekable();
        for request in requests {
            while let Some((at, entry)) = births.next_if(|(at, _)| *at <= request.at) {
                self.finish_until(at);
                self.give_birth(at, entry)?;
            }
            self.finish_until(request.at);
            self.access(*request);
        }
        Ok(self.queries)
    }

    /// Makes the first value of an entry, which costs the database nothing.
    fn give_birth(&mut self, at: u64, entry: u32) -> Result<(), String> {
        if self.strategy.is_stamped() {
            let value = Stamped { value: (), created: time_of_day(at as i64) };
            self.store.lock().unwrap_or_else(PoisonError::into_inner).insert(entry, value);
            return Ok(());
        }
        self.machines[(entry / self.fleet.keys) as usize].move_to(at);
        match self.locks[entry as usize].acquire() {
            Turn::Create(creation) => {
                creation.finish();
                Ok(())
            }
            turn => Err(format!("a lock that is new says {turn:?}")),
        }
    }

    fn access(&mut self, Request { at, process, key, draw }: Request) {
        let owner = if self.strategy == Strategy::OneLock { 0 } else { process };
        self.machines[owner as usize].move_to(at);
        let lock = &self.locks[(owner * self.fleet.keys + key) as usize];
        let creating = if self.strategy.is_stamped() {
            fastrand::seed(draw);
            self.access_stamped(lock, owner, key)
        } else {
            match Lock::kept(lock).turn() {
                Turn::Create(creation) => Some(Creating::Creation(creation)),
                Turn::Fresh | Turn::Stale => None,
            }
        };
        if let Some(creating) = creating {
            self.queries.push(Query { at, process, key });
            self.creating.insert((at + self.fleet.creation, key, owner), creating);
        }
    }

    fn access_stamped(&self, lock: &Arc<Lock>, owner: u32, key: u32) -> Option<Creating> {
        let handed_over = RefCell::new(None);
        let runner = |job: Job| *handed_over.borrow_mut() = Some(Creating::Job(job));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.machines[owner as usize].clock));
        let getter = || {
            let stored = self.store.lock().unwrap_or_else(PoisonError::into_inner);
            stored.get(&key).copied()
        };
        let _value = Lock::kept(lock).fetch_stamped(getter).in_background(&runner).or_create(move || {
            let value = Stamped { value: (), created: clock.wall() };
            store.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        });
        handed_over.into_inner()
    }

    /// Ends the creations whose time has come, each at its time.
    fn finish_until(&mut self, now: u64) {
        while let Some(first) = self.creating.first_entry().filter(|first| first.key().0 <= now) {
            let ((at, _, owner), creating) = first.remove_entry();
            self.machines[owner as usize].move_to(at);
            match creating {
                Creating::Job(job) => job(),
                Creating::Creation(creation) => {
                    creation.finish();
                }
            }
        }
    }
}
