//! The load: reader threads that look up records until the time is up.

use crate::datafile::{Datafile, Swaps};
use crate::lookup::Torn;
use crate::options::Options;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The interval at which the counts are reported, and the run may end.
const REFRESH: Duration = Duration::from_millis(10);
/// The number of lookups after which a reader adds its counts to the counts of all.
const BATCH: u64 = 4096;
/// The number of swaps without a lock after which the run gives up waiting for one to go wrong.
const FUTILE: u64 = 100;

/// The counts of the readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lookups.
    pub lookups: u64,
    /// Records with a wrong checksum.
    pub checksums: u64,
    /// Records of another edition than the header's.
    pub editions: u64,
    /// Keys that were not found.
    pub keys: u64,
    /// Swaps so far, by all readers.
    pub swaps: u64,
    /// The longest wait for a guard, in nanoseconds.
    pub longest_wait: u64,
}

impl Tally {
    /// Torn reads of all kinds.
    pub fn torn(&self) -> u64 {
        self.checksums + self.editions + self.keys
    }

    fn add(&mut self, more: &Self) {
        self.lookups += more.lookups;
        self.checksums += more.checksums;
        self.editions += more.editions;
        self.keys += more.keys;
        self.longest_wait = self.longest_wait.max(more.longest_wait);
    }
}

/// Written as numbers, for the pipe between the two processes.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lookups, checksums, editions, keys, swaps, longest_wait } = self;
        write!(f, "{lookups} {checksums} {editions} {keys} {swaps} {longest_wait}")
    }
}

impl FromStr for Tally {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[lookups, checksums, editions, keys, swaps, longest_wait]) => {
                Ok(Self { lookups, checksums, editions, keys, swaps, longest_wait })
            }
            _ => Err(format!("not a tally: {line}")),
        }
    }
}

/// The error that ends a run early. It may come from a reader's thread.
pub type Trouble = Box<dyn Error + Send + Sync>;

/// The result of a run.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// The counts of all readers.
    pub tally: Tally,
    /// The counts of the swaps.
    pub swaps: Swaps,
    /// The time from the start until the last reader had ended.
    pub elapsed: Duration,
}

/// Runs the readers until the time is up and there have been enough swaps. `watch` is given the counts at short
/// intervals.
pub fn run(
    datafile: &Datafile,
    options: &Options,
    mut watch: impl FnMut(&Tally) -> io::Result<()>,
) -> Result<Ran, Trouble> {
    let (all, stop) = (Mutex::new(Tally::default()), AtomicBool::new(false));
    let so_far = || Tally { swaps: datafile.swaps().count, ..*all.lock().unwrap_or_else(PoisonError::into_inner) };
    let begun = Instant::now();
    let watched = thread::scope(|scope| {
        let readers: Vec<_> = (1..=u64::from(options.threads))
            .map(|number| {
                scope.spawn({
                    let (all, stop) = (&all, &stop);
                    move || read(datafile, options.seed.wrapping_add(number), all, stop)
                })
            })
            .collect();
        let watched = loop {
            thread::sleep(REFRESH);
            let seen = so_far();
            let told = watch(&seen);
            let shown = !options.no_lock || seen.torn() > 0 || seen.swaps >= FUTILE;
            let enough = begun.elapsed() >= options.seconds && seen.swaps >= options.swaps && shown;
            // A reader ends by itself only if it has failed.
            if enough || told.is_err() || readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break told.map_err(Box::from);
            }
        };
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().fold(watched, |before, reader| {
            before.and(reader.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
        })
    });
    let ran = Ran { tally: so_far(), swaps: datafile.swaps(), elapsed: begun.elapsed() };
    watched?;
    watch(&ran.tally)?;
    Ok(ran)
}

/// Runs one reader.
fn read(datafile: &Datafile, mut random: u64, all: &Mutex<Tally>, stop: &AtomicBool) -> Result<(), Trouble> {
    let mut seen = Tally::default();
    let add = |seen: &Tally| all.lock().unwrap_or_else(PoisonError::into_inner).add(seen);
    while !stop.load(Ordering::Relaxed) {
        // Knuth's generator. It matters little which record is looked up, as long as it is not always the same.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let looked = datafile.look_up(random >> 33)?;
        seen.lookups += 1;
        match looked.torn {
            None => {}
            Some(Torn::Checksum) => seen.checksums += 1,
            Some(Torn::Edition) => seen.editions += 1,
            Some(Torn::Key) => seen.keys += 1,
        }
        let waited = looked.waited.unwrap_or_default().as_nanos();
        seen.longest_wait = seen.longest_wait.max(u64::try_from(waited).unwrap_or(u64::MAX));
        // A torn read is reported at once: without the lock the process may be killed before the next report.
        if looked.torn.is_some() || seen.lookups == BATCH {
            add(&std::mem::take(&mut seen));
        }
    }
    add(&seen);
    Ok(())
}
