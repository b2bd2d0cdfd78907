//! Watches what creators and accesses do, and knows nothing of how the crate does it.
//!
//! All that happens gets a place in one order, that of the observer's mutex. What it is told of happens just inside of
//! what the crate does: a creator begins after its election and ends before its end; an access has asked before it is
//! let in, and uses what it has got after it. The laws are put so that this makes the observer miss a fault at worst,
//! and never see one that is not there.

use dogpile::{Clock as _, ManualClock, Policy};
use parking_lot::Mutex;
use std::collections::BTreeSet;

/// What an access can say instead of creating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It can say that there is a pause.
    Fallible,
    /// It cannot, and creates when it is elected.
    Infallible,
}

/// A creator that runs.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub number: u64,
    /// The time before its access asked, and so before its election.
    since: u64,
    /// Another began while it ran, so it was declared dead.
    overtaken: bool,
}

#[derive(Default)]
struct Log {
    /// The observer's order.
    next: u64,
    running: Vec<Run>,
    /// Who has made something. Their numbers are their places in the order.
    made: BTreeSet<u64>,
    /// When the latest invalidation began that has returned.
    invalidated: u64,
    /// Until when nobody is to create who can say so: the least pause after the last failure, unless something
    /// succeeded since.
    paused_until: u64,
}

impl Log {
    fn place(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

pub struct Observer {
    log: Mutex<Log>,
    least_pause: u64,
    /// How long nobody may take a creation's place; for ever, if never.
    time_to_create: u64,
}

/// What an access must not be given: anything that was begun before this.
pub struct Asked {
    not_before: u64,
}

impl Observer {
    pub fn of(policy: Policy) -> Self {
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap();
        // Its first pause is half a second, of which the jitter leaves half.
        let least_pause = policy.retry_after().map_or(0, |_| 250_000_000);
        let time_to_create = policy.creation_timeout().map_or(u64::MAX, nanoseconds);
        Self { log: Mutex::default(), least_pause, time_to_create }
    }

    /// A creator begins, for an access that asked at the time `since`.
    pub fn begins(&self, of: Form, since: u64, clock: &ManualClock) -> Run {
        let mut log = self.log.lock();
        let now = clock.now();
        // It may have been declared dead before it came here, and is nobody's business then.
        let overtaken = now - since >= self.time_to_create;
        // L1: if it lives, all others that run are dead, and so are older than they may get.
        for other in log.running.iter_mut().filter(|_| !overtaken) {
            let age = now - other.since;
            assert!(age >= self.time_to_create, "L1: a creator of {age} ns is overtaken");
            other.overtaken = true;
        }
        if of == Form::Fallible && !overtaken {
            assert!(now >= log.paused_until, "an attempt {} ns too early", log.paused_until - now);
        }
        let number = log.place();
        let run = Run { number, since, overtaken };
        log.running.push(run);
        run
    }

    fn ends(log: &mut Log, run: Run) -> Run {
        let at = log.running.iter().position(|other| other.number == run.number).expect("it has begun");
        log.running.swap_remove(at)
    }

    /// It has made something.
    pub fn succeeds(&self, run: Run) {
        let mut log = self.log.lock();
        let run = Self::ends(&mut log, run);
        log.made.insert(run.number);
        // If it was not dead when it ended, it ends the pause. (If it was, a pause of a later one may be missed.)
        log.paused_until = 0;
    }

    /// It has failed, or panicked.
    pub fn fails(&self, run: Run, clock: &ManualClock) {
        let mut log = self.log.lock();
        let now = clock.now();
        let run = Self::ends(&mut log, run);
        // One that is dead says nothing of a pause, nor does one that may be declared dead before a pause would be
        // over.
        let sound =
            !run.overtaken && log.running.is_empty() && now - run.since + self.least_pause < self.time_to_create;
        log.paused_until = if sound { now + self.least_pause } else { 0 };
    }

    pub fn invalidation_begins(&self) -> u64 {
        self.log.lock().place()
    }

    /// L6: what began before the invalidation that began then is not to be used by anyone who asks from now on.
    pub fn invalidated(&self, begun: u64) {
        let mut log = self.log.lock();
        log.invalidated = log.invalidated.max(begun);
    }

    pub fn asks(&self) -> Asked {
        Asked { not_before: self.log.lock().invalidated }
    }

    /// It uses what that creator made.
    pub fn uses(&self, asked: &Asked, number: u64) {
        let log = self.log.lock();
        assert!(log.made.contains(&number), "a value that nobody made: {number}");
        let not_before = asked.not_before;
        assert!(number > not_before, "L6: a value of creator {number}, from before the invalidation of {not_before}");
    }

    pub fn has_made(&self, number: u64) {
        assert!(self.log.lock().made.contains(&number), "its own, and it has succeeded");
    }
}
