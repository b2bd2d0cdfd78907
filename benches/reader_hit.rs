//! What does a fresh hit cost through a reader's handle, which holds on to the value?
//!
//! The reader is compared with three others. The floor loads a deadline, reads the coarse clock and compares: no
//! expiring value can do with less. The `Cached` itself returns a guard for each hit. And `by_hand` is made of the same
//! parts as a reader: a floor, and the `Cache` of an `ArcSwap`. Each thread has a reader of its own, and the slower
//! thread counts.
//!
//! After the groups comes the figure that has a goal: the ratio of the reader's hit to the floor. Both are taken in
//! turn in many short rounds.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod floor;
mod interleaved;

use arc_swap::{ArcSwap, Cache};
use criterion::Criterion;
use dogpile::{Cached, CachedGuard};
use floor::Floor;
use interleaved::{Subject, Timed, bench, compare, is_measuring, verdict};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The goal of a reader's hit, in floors.
const GOAL: f64 = 1.3;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

impl Subject for Floor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.is_fresh()
    }
}

impl Subject for Cached<u64> {
    type Seen = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get_or_create(|| 1)
    }
}

/// A loop of the same shape as the loop of a [`Subject`], around state that changes with each hit.
#[inline(always)]
fn time<S, R>(hits: u64, mut subject: S, mut hit: impl FnMut(&mut S) -> R) -> Duration {
    let start = Instant::now();
    for _ in 0..hits {
        black_box(hit(black_box(&mut subject)));
    }
    start.elapsed()
}

/// Hits through a reader, of which each thread has its own.
struct ByReader(Cached<u64>);

impl Timed for ByReader {
    #[inline(never)]
    fn time(&self, hits: u64) -> Duration {
        time(hits, self.0.reader(), |reader| *reader.get_or_create(|| 1))
    }
}

/// The same job, written by hand.
struct ByHand(Floor, ArcSwap<u64>);

impl Timed for ByHand {
    #[inline(never)]
    fn time(&self, hits: u64) -> Duration {
        time(hits, Cache::new(&self.1), |cache| if self.0.is_fresh() { Some(**cache.load()) } else { None })
    }
}

fn main() {
    let floor = Floor::fresh_for(HOUR);
    let by_reader = ByReader(Cached::new(HOUR));
    by_reader.0.set(1);
    let by_hand = ByHand(Floor::fresh_for(HOUR), ArcSwap::from_pointee(1));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("reader_hit");
    for threads in THREADS {
        bench(&mut group, "floor", threads, &floor);
        bench(&mut group, "reader", threads, &by_reader);
        bench(&mut group, "by_hand", threads, &by_hand);
        bench(&mut group, "cached", threads, &by_reader.0);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for threads in THREADS {
            let [base, hit, ratio] = compare(threads, &floor, &by_reader);
            let goal = verdict(ratio, GOAL);
            println!("reader_hit/reader/{threads}: {ratio:.2} floors ({hit:.2} ns / {base:.2} ns; {goal})");
            for (name, other) in [("by_hand", &by_hand as &dyn Timed), ("cached", &by_reader.0)] {
                let [base, hit, ratio] = compare(threads, &floor, other);
                println!("reader_hit/{name}/{threads}: {ratio:.2} floors ({hit:.2} ns / {base:.2} ns)");
            }
        }
    }
}
