//! The backends under test, as values. A backend joins by a function that makes a [`Ground`].

use crate::ground::{Ground, Server};
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::{Fault, Faulty, Limits, Memory};
use dogpile_cache::key::StoredKey;
use std::sync::Arc;
use std::time::Duration;

/// A backend: its name, and how an empty one is made.
pub type Subject = (&'static str, fn() -> Ground);

pub const SUBJECTS: [Subject; 4] = [
    ("memory", memory),
    ("memory_of_a_small_server", small),
    ("faulty_that_delays", delayed),
    ("planted_nothing", crate::planted::nothing),
];

/// The memory backend, with a clock that the laws move, as its own server.
pub struct Machine {
    pub memory: Arc<Memory<Arc<dyn Clock>>>,
    pub clock: Arc<ManualClock>,
}

impl Machine {
    pub fn new(limits: Limits) -> Machine {
        let clock = Arc::new(ManualClock::new());
        let memory = Memory::with_limits(Arc::clone(&clock) as Arc<dyn Clock>, limits);
        Machine { memory: Arc::new(memory), clock }
    }

    fn ground(limits: Limits) -> Ground {
        let machine = Machine::new(limits);
        Ground { backend: Arc::clone(&machine.memory) as Arc<_>, server: Arc::new(machine) }
    }
}

fn memory() -> Ground {
    Machine::ground(with_signals())
}

/// What the memory takes.
pub fn with_signals() -> Limits {
    let mut limits = Limits::none();
    limits.has_signals = true;
    limits
}

/// What memcached takes: leases of whole seconds, short keys, small entries, no tombstones, no signals.
pub fn limits_of_a_small_server() -> Limits {
    let mut limits = Limits::none();
    limits.grain = Duration::from_secs(1);
    limits.largest_entry = 1000;
    limits.longest_key = 250;
    limits.has_tombstones = false;
    limits
}

fn small() -> Ground {
    Machine::ground(limits_of_a_small_server())
}

/// Requests and replies that are delayed: the laws hold, and the futures are pending now and then.
fn delayed() -> Ground {
    let machine = Machine::new(with_signals());
    let faulty = Faulty::new(Arc::clone(&machine.memory), fastrand::u64(..)).with(Fault::Delayed, 0.2);
    Ground { backend: Arc::new(faulty), server: Arc::new(machine) }
}

impl Server for Machine {
    fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn step(&self, milliseconds: i64) {
        let by = Duration::from_millis(milliseconds.unsigned_abs());
        let wall = self.clock.wall();
        self.clock.set_wall(if milliseconds < 0 { wall - by } else { wall + by });
    }

    fn restart(&self) {
        self.memory.lose_everything();
    }

    fn snapshot(&self) -> Box<dyn FnOnce()> {
        let (memory, snapshot) = (Arc::clone(&self.memory), self.memory.snapshot());
        Box::new(move || memory.fail_over_to(&snapshot))
    }

    fn lose_entry(&self, key: &StoredKey) {
        self.memory.lose_entry(key);
    }

    fn lose_rest(&self, key: &StoredKey) {
        self.memory.lose_rest(key);
    }

    fn places(&self) -> usize {
        self.memory.sweep();
        self.memory.len()
    }

    fn listened(&self) -> usize {
        self.memory.listened()
    }
}
