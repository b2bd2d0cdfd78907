//! The measurements: one record for each reader, merged when all readers are done.

use hdrhistogram::{Counter, Histogram};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The number of bins into which a run is cut for the picture.
pub const BINS: usize = 500;

/// Counts the creations of one run while they run.
#[derive(Debug, Default)]
pub struct Gauge {
    spans: Mutex<Vec<(Instant, Instant)>>,
    running: AtomicU64,
    most: AtomicU64,
    warm: AtomicBool,
}

// SeqCst throughout: a creation costs only a few operations, so nothing is gained by a proof for weaker orderings.
impl Gauge {
    /// Runs a creation, and counts it.
    pub fn count<R>(&self, create: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let made = create();
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push((began, Instant::now()));
        self.running.fetch_sub(1, Ordering::SeqCst);
        made
    }

    /// Notes that a read was given a value. From now on there is a value, fresh or expired.
    pub fn warm_up(&self) {
        self.warm.store(true, Ordering::SeqCst);
    }

    /// Whether there is a value.
    pub fn is_warm(&self) -> bool {
        self.warm.load(Ordering::SeqCst)
    }

    /// The beginning and the end of each creation that has ended.
    pub fn spans(&self) -> Vec<(Instant, Instant)> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a creation is running.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0
    }

    /// How many creations ran at once, at the most.
    pub fn most_at_once(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }
}

/// One read. Times are in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// When the read began.
    pub began: u64,
    /// When the read had its answer.
    pub ended: u64,
    /// The age of the value when the read was given it.
    pub age: u64,
    /// Whether there was a value, fresh or expired, when the read began.
    pub warm: bool,
    /// Whether the read ran the creator.
    pub created: bool,
}

/// One stretch of the time axis. A read counts in every bin during which it was under way.
#[derive(Clone, Debug)]
pub struct Bin {
    /// The latencies of all reads, to one digit.
    pub all: Histogram<u32>,
    /// The slowest read that ran the creator; 0 if there was none.
    pub creating: u64,
    /// The slowest read that did not run the creator; 0 if there was none.
    pub other: u64,
    /// How many reads were given a value that had expired.
    pub expired: u64,
}

/// The record of one reader, or of all readers together. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub struct Record {
    /// The latencies of all reads, to three digits.
    pub all: Histogram<u64>,
    /// The slowest read that did not run the creator although there was a value when it began.
    pub slowest_other: u64,
    /// The age of the oldest value that a read was given.
    pub oldest: u64,
    /// How many reads were given a value that had expired.
    pub expired: u64,
    /// How many reads ran the creator although there was a value when they began.
    pub delayed: u64,
    /// The run, cut into [`BINS`].
    pub bins: Vec<Bin>,
    bin_width: u64,
    expires_after: u64,
}

fn histogram<Count: Counter>(digits: u8) -> Histogram<Count> {
    // The histograms resize themselves: short latencies need little memory.
    Histogram::new(digits).expect("up to five digits are allowed")
}

impl Record {
    /// An empty record of a run. Its length and the lifetime of its values are given in nanoseconds.
    pub fn new(duration: u64, expires_after: u64) -> Self {
        let bin = Bin { all: histogram(1), creating: 0, other: 0, expired: 0 };
        Self {
            all: histogram(3),
            slowest_other: 0,
            oldest: 0,
            expired: 0,
            delayed: 0,
            bins: vec![bin; BINS],
            bin_width: (duration / BINS as u64).max(1),
            expires_after,
        }
    }

    /// Enters a read.
    pub fn add(&mut self, read: Read) {
        // Zero stands for "none" in the bins.
        let latency = (read.ended - read.began).max(1);
        self.all += latency;
        self.oldest = self.oldest.max(read.age);
        let expired = u64::from(read.age > self.expires_after);
        self.expired += expired;
        self.delayed += u64::from(read.warm && read.created);
        if read.warm && !read.created {
            self.slowest_other = self.slowest_other.max(latency);
        }
        let bin = |time: u64| usize::try_from(time / self.bin_width).unwrap_or(BINS);
        let (first, after) = (bin(read.began).min(BINS), (bin(read.ended) + 1).min(BINS));
        for bin in &mut self.bins[first..after] {
            bin.all += latency;
            bin.expired += expired;
            let slowest = if read.created { &mut bin.creating } else { &mut bin.other };
            *slowest = latency.max(*slowest);
        }
    }

    /// Adds the record of another reader of the same run.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.all, &other.all);
        self.slowest_other = self.slowest_other.max(other.slowest_other);
        self.oldest = self.oldest.max(other.oldest);
        self.expired += other.expired;
        self.delayed += other.delayed;
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            add(&mut mine.all, &theirs.all);
            mine.creating = mine.creating.max(theirs.creating);
            mine.other = mine.other.max(theirs.other);
            mine.expired += theirs.expired;
        }
    }
}

fn add<Count: Counter>(sum: &mut Histogram<Count>, more: &Histogram<Count>) {
    sum.add(more).expect("these histograms resize themselves");
}
