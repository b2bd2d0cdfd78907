//! The readers: threads that read a key, use it, and are sometimes refused with it.

use crate::client::Client;
use crate::key_set;
use crate::keys::{Keys, Own, Shared, Trouble};
use crate::options::Options;
use crate::random::Random;
use crate::server::{Seen, Server};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The interval at which the keys may be rotated, and the run may end.
const REFRESH: Duration = Duration::from_millis(5);
/// The number of calls that a reader makes at a stretch. The last of them takes some time, and the reader holds its key
/// meanwhile. So most readers hold the old key when the keys are rotated, and are refused at once. The pause also
/// leaves the processor to the server.
const STRETCH: u64 = 64;
/// The duration of that last call.
const CALL: Duration = Duration::from_millis(1);
/// The time after which a run is given up that has not yet seen all that it should see.
const GRACE: Duration = Duration::from_secs(45);

/// The counts of the readers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Reads of the key set.
    pub reads: u64,
    /// How often a key was refused.
    pub refusals: u64,
    /// How many refusals had the key set fetched anew.
    pub renewals: u64,
    /// Reads that began after such a renewal, and still got the refused keys, or older ones.
    pub outdated: u64,
    /// How often one reader was refused in a row with the keys of one edition, at the most.
    pub most_in_a_row: u64,
}

impl Tally {
    fn add(&mut self, more: &Self) {
        self.reads += more.reads;
        self.refusals += more.refusals;
        self.renewals += more.renewals;
        self.outdated += more.outdated;
        self.most_in_a_row = self.most_in_a_row.max(more.most_in_a_row);
    }
}

/// The result of a run.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// The counts of all readers.
    pub tally: Tally,
    /// The counts of the server.
    pub seen: Seen,
    /// How often the keys were rotated.
    pub rotations: u64,
    /// The time from before the first read until the last reader had ended.
    pub elapsed: Duration,
}

/// The state that the readers share.
struct Crew<'a> {
    server: &'a Server,
    all: Mutex<Tally>,
    /// The oldest edition that a read which begins now may still get.
    oldest: AtomicU64,
    stop: AtomicBool,
}

/// Runs the readers until the time is up and each of the events that they have to cope with has happened. Rotates the
/// keys meanwhile.
pub fn run(server: &Server, options: &Options) -> Result<Ran, Trouble> {
    let client = &Client::new(server.url());
    let (all, oldest, stop) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
    let crew = &Crew { server, all, oldest, stop };
    let begun = Instant::now();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..u64::from(options.threads))
            .map(|number| {
                // Readers are numbered downwards from the largest number, since the server numbers its requests upwards
                // from 1.
                let random = Random::new(options.seed, u64::MAX - number);
                scope.spawn(move || {
                    if options.no_lock {
                        crew.read(Own::new(client), random)
                    } else {
                        crew.read(Shared(client), random)
                    }
                })
            })
            .collect();
        let mut rotation = options.rotate_every;
        loop {
            thread::sleep(REFRESH);
            let time = begun.elapsed();
            if time >= rotation {
                server.rotate();
                rotation += options.rotate_every;
            }
            let enough = time >= options.seconds && crew.has_seen_all(options) || time >= options.seconds + GRACE;
            // A reader ends by itself only if it has failed.
            if enough || readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        crew.stop.store(true, Ordering::Relaxed);
        let mut readers = readers.into_iter();
        readers.try_for_each(|reader| reader.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    })?;
    Ok(Ran { tally: crew.tally(), seen: server.seen(), rotations: server.rotations(), elapsed: begun.elapsed() })
}

impl Crew<'_> {
    fn tally(&self) -> Tally {
        *self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_seen_all(&self, options: &Options) -> bool {
        let seen = self.server.seen();
        seen.unchanged > 0 && (seen.failed > 0 || options.failures == 0) && self.tally().refusals > 0
    }

    /// Runs one reader.
    fn read(&self, mut keys: impl Keys, mut random: Random) -> Result<(), Trouble> {
        let mut seen = Tally::default();
        let (mut refused, mut in_a_row) = (0, 0);
        while !self.stop.load(Ordering::Relaxed) {
            // Loaded before the keys are read. Acquire, pairs with the Release below: this read then begins after that
            // renewal.
            let oldest = self.oldest.load(Ordering::Acquire);
            let held = keys.get()?;
            seen.reads += 1;
            seen.outdated += u64::from(held.edition() < oldest);
            if seen.reads == STRETCH {
                self.all.lock().unwrap_or_else(PoisonError::into_inner).add(&std::mem::take(&mut seen));
                thread::sleep(CALL);
            }
            if self.server.accepts(&held, random.below(key_set::KEYS)) {
                continue;
            }
            seen.refusals += 1;
            in_a_row = if held.edition() == refused { in_a_row + 1 } else { 1 };
            refused = held.edition();
            seen.most_in_a_row = seen.most_in_a_row.max(in_a_row);
            if keys.refuse(&held)? {
                seen.renewals += 1;
                // Release, pairs with the Acquire above: a read that sees this edition begins after the renewal.
                self.oldest.fetch_max(held.edition() + 1, Ordering::Release);
            }
        }
        self.all.lock().unwrap_or_else(PoisonError::into_inner).add(&seen);
        Ok(())
    }
}
