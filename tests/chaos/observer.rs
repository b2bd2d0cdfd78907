//! Watches what creators and accesses do. It knows nothing of how the crate does it.
//!
//! Each event gets a place in one order, that of the observer's mutex. The observer is told of an event just inside of
//! what the crate does: a creator begins after its election and ends before its creation ends; an access asks before it
//! calls the crate, and uses its value after that. The laws are stated such that the observer may miss a fault because
//! of this, but never reports one that is not there.

use dogpile::{Clock as _, ManualClock, Policy};
use parking_lot::Mutex;
use std::collections::BTreeSet;

/// What an access can do instead of creating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The access can return an error that tells of a pause.
    Fallible,
    /// The access has no error for that, and creates when it is elected.
    Infallible,
}

/// A creator that runs.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub number: u64,
    /// A time before its access asked, and so before its election.
    since: u64,
    /// Whether another creator began while this one ran, so that this one was declared dead.
    overtaken: bool,
}

#[derive(Default)]
struct Log {
    /// The next place in the observer's order.
    next: u64,
    running: Vec<Run>,
    /// The numbers of the creators that made a value. The number of a creator is its place in the order.
    made: BTreeSet<u64>,
    /// The beginning of the latest invalidation that has returned.
    invalidated: u64,
    /// Until when no fallible access may create: the end of the shortest possible pause after the last failure, unless
    /// a creator has succeeded since.
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
    /// How long no other creator may take a creation's place; `u64::MAX` if none ever may.
    time_to_create: u64,
}

/// An access, which must not be given a value that was begun before this place in the order.
pub struct Asked {
    not_before: u64,
}

impl Observer {
    pub fn of(policy: Policy) -> Self {
        let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap();
        // The first pause is half a second, and the jitter leaves at least half of that.
        let least_pause = policy.retry_after().map_or(0, |_| 250_000_000);
        let time_to_create = policy.creation_timeout().map_or(u64::MAX, nanoseconds);
        Self { log: Mutex::default(), least_pause, time_to_create }
    }

    /// A creator begins, for an access that asked at the time `since`.
    pub fn begins(&self, of: Form, since: u64, clock: &ManualClock) -> Run {
        let mut log = self.log.lock();
        let now = clock.now();
        // This creation may have been declared dead before its creator came here. The laws then ask nothing of it.
        let overtaken = now - since >= self.time_to_create;
        // L1: if this creation is alive, all others that run are dead, and so they are older than a creation may get.
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

    /// A creator has made a value.
    pub fn succeeds(&self, run: Run) {
        let mut log = self.log.lock();
        let run = Self::ends(&mut log, run);
        log.made.insert(run.number);
        // If the creation was alive when it ended, it ends the pause. (If it was dead, the observer may miss the pause
        // of a later failure.)
        log.paused_until = 0;
    }

    /// A creator has failed or panicked.
    pub fn fails(&self, run: Run, clock: &ManualClock) {
        let mut log = self.log.lock();
        let now = clock.now();
        let run = Self::ends(&mut log, run);
        // A dead creation causes no pause. The observer also expects no pause of a creation that may be declared dead
        // before the pause would be over.
        let sound =
            !run.overtaken && log.running.is_empty() && now - run.since + self.least_pause < self.time_to_create;
        log.paused_until = if sound { now + self.least_pause } else { 0 };
    }

    pub fn invalidation_begins(&self) -> u64 {
        self.log.lock().place()
    }

    /// L6: from now on no access may use a value that began before `begun`, the beginning of this invalidation.
    pub fn invalidated(&self, begun: u64) {
        let mut log = self.log.lock();
        log.invalidated = log.invalidated.max(begun);
    }

    pub fn asks(&self) -> Asked {
        Asked { not_before: self.log.lock().invalidated }
    }

    /// An access uses the value of the creator `number`.
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
