//! Readers, and the time that each of their reads takes.

use crate::place::Place;
use hdrhistogram::Histogram;
use std::borrow::Borrow;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// The number of readers, and the pace of their reads.
#[derive(Clone, Copy)]
pub struct Load {
    pub name: &'static str,
    pub readers: u32,
    /// The time from one read of a reader to its next read. `None` is no time at all.
    ///
    /// Without a pace, a peer whose readers wait makes fewer of those reads that might be slow. If no reader reads for
    /// ten milliseconds, that is only one slow read for each reader, among millions. A pace makes such a wait visible.
    pub pace: Option<Duration>,
}

/// How long a load runs before it is measured: long enough for values to expire, and for the threads of the peers to
/// start.
const WARMS: Duration = Duration::from_millis(150);
/// How long a load is measured, in each round.
pub const LASTS: Duration = Duration::from_millis(750);

/// The reads of all readers.
pub struct Seen {
    /// The time of each read, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Reads that returned an error.
    pub errors: u64,
}

impl Seen {
    pub fn nothing() -> Self {
        Self { latency: Histogram::new(3).expect("three digits can be kept"), errors: 0 }
    }

    pub fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("it grows by itself");
        self.errors += other.errors;
    }

    pub fn sum(all: impl Iterator<Item = impl Borrow<Self>>) -> Self {
        all.fold(Self::nothing(), |mut sum, one| {
            sum.add(one.borrow());
            sum
        })
    }

    /// The 99.9th percentile: of a thousand reads, all but one were at least this fast.
    #[allow(clippy::cast_precision_loss)] // far below 2^53, here and below
    pub fn p999(&self) -> f64 {
        self.latency.value_at_quantile(0.999) as f64
    }

    #[allow(clippy::cast_precision_loss)]
    pub fn slowest(&self) -> f64 {
        self.latency.max() as f64
    }

    /// The reads of all readers, per second.
    #[allow(clippy::cast_precision_loss)]
    pub fn reads(&self) -> f64 {
        self.latency.len() as f64 / LASTS.as_secs_f64()
    }

    /// The share of the reads that took longer than a millisecond.
    #[allow(clippy::cast_precision_loss)]
    pub fn slow(&self) -> f64 {
        let slow = self.latency.iter_recorded().filter(|bucket| bucket.value_iterated_to() > 1_000_000);
        slow.map(|bucket| bucket.count_at_value()).sum::<u64>() as f64 / self.latency.len() as f64
    }
}

impl Load {
    /// Runs the load, for less than a second in all, after the first value is there.
    pub fn run(&self, place: &dyn Place) -> Seen {
        place.read().expect("the first call does not fail");
        // By this time all threads have started.
        let start = Instant::now() + Duration::from_millis(20);
        thread::scope(|scope| {
            let running: Vec<_> =
                (0..self.readers).map(|reader| scope.spawn(move || self.read(place, start, reader))).collect();
            Seen::sum(running.into_iter().map(|thread| thread.join().expect("no subject panics")))
        })
    }

    fn read(&self, place: &dyn Place, start: Instant, reader: u32) -> Seen {
        let mut seen = Seen::nothing();
        // Readers with a pace begin one after the other.
        let mut next = start + self.pace.map_or(Duration::ZERO, |pace| pace * reader / self.readers);
        let mut now = Instant::now();
        while now < start + WARMS + LASTS {
            if let Some(wait) = next.checked_duration_since(now) {
                thread::sleep(wait);
            }
            let began = Instant::now();
            let told = black_box(place.read());
            now = Instant::now();
            if began >= start + WARMS {
                seen.errors += u64::from(told.is_err());
                let took = u64::try_from((now - began).as_nanos()).expect("nobody waits for centuries");
                seen.latency.record(took).expect("it grows by itself");
            }
            if let Some(pace) = self.pace {
                next += pace;
            }
        }
        seen
    }
}
