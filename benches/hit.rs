//! What does a fresh hit cost?
//!
//! The lock is compared with two others. The floor loads a deadline, reads the coarse clock and compares: no expiring
//! value can do with less. `rwlock_instant` is what a user would write without this crate: a read lock around the value
//! and an `Instant`. With two threads, each thread runs its own loop over the same object, and the slower one counts.
//!
//! After the groups comes the figure that has a goal: the ratio of a hit to the floor. Both are taken in turn in many
//! short rounds, so that any other load of the machine falls on both.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod floor;
mod interleaved;

use criterion::Criterion;
use dogpile::Dogpile;
use floor::Floor;
use interleaved::{Subject, bench, compare, is_measuring, verdict};
use parking_lot::RwLock;
use std::time::{Duration, Instant};

/// The goal of a hit, in floors.
const GOAL: f64 = 1.25;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

impl Subject for Floor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.is_fresh()
    }
}

/// A value and the time when it expires.
impl Subject for RwLock<((), Instant)> {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        Instant::now() < self.read().1
    }
}

fn main() {
    let floor = Floor::fresh_for(HOUR);
    let lock = Dogpile::new(HOUR);
    lock.acquire_or_create(|| ());
    let expiring = RwLock::new(((), Instant::now() + HOUR));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("hit");
    for threads in THREADS {
        bench(&mut group, "floor", threads, &floor);
        bench(&mut group, "dogpile", threads, &lock);
        bench(&mut group, "rwlock_instant", threads, &expiring);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for threads in THREADS {
            let [base, hit, ratio] = compare(threads, &floor, &lock);
            let goal = verdict(ratio, GOAL);
            println!("hit/dogpile/{threads}: {ratio:.2} floors ({hit:.2} ns / {base:.2} ns; {goal})");
        }
    }
}
