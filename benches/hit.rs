//! What does a fresh hit cost?
//!
//! Beside the lock stand the floor (load a deadline, read the coarse clock, compare: no expiring value can do with less)
//! and what one would write without this crate (a read lock around the value and an `Instant`). At two threads each
//! runs its own loop over the same object, and the slower one counts.
//!
//! After the groups comes the figure that has a goal: the ratio of a hit to the floor, both taken in turn in many short
//! rounds, so that whatever else the machine does falls on both.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod interleaved;

use criterion::Criterion;
use dogpile::Dogpile;
use interleaved::{Subject, bench, compare, is_measuring, verdict};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much a hit may cost, in floors.
const GOAL: f64 = 1.25;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

/// The clock of the floor: what the lock reads on its hit path.
#[cfg(target_os = "linux")]
#[inline]
#[allow(clippy::cast_sign_loss)] // the clock counts up from the boot
fn now() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::MonotonicCoarse);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(not(target_os = "linux"))]
fn now() -> u64 {
    use dogpile::{Clock, MonotonicClock};
    MonotonicClock.now_coarse()
}

/// The least that an expiring value can cost.
struct Floor(AtomicU64);

impl Floor {
    fn fresh_for(lifetime: Duration) -> Self {
        Self(AtomicU64::new(now() + lifetime.as_secs() * 1_000_000_000))
    }
}

impl Subject for Floor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        // Acquire: as in the lock, whose value was written before its deadline.
        let deadline = self.0.load(Ordering::Acquire);
        now() < deadline
    }
}

/// A value and when it expires.
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
