//! What does it cost to meet a creation that runs?
//!
//! `stale` compares an access that finds the value stale and a creation running with an access that finds the value
//! fresh. `waiters` measures how long after the creator's end the last waiter has returned, and compares that with
//! std's `OnceLock`. In both, the two sides are taken in turn, so that any other load of the machine falls on both.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod interleaved;
#[cfg(target_os = "linux")]
mod waiters;

use criterion::Criterion;
use dogpile::{Dogpile, Turn};
use interleaved::{bench, compare, is_measuring, verdict};
use std::time::Duration;

/// The goal of a stale access, in fresh ones.
const STALE_GOAL: f64 = 1.5;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

#[cfg(target_os = "linux")]
mod waiting {
    use super::interleaved::{median, verdict};
    use super::waiters::{Creator, Missing, Waiters};
    use dogpile::Dogpile;
    use std::sync::OnceLock;

    /// The goal of the time of the last waiter, in times of `OnceLock`'s last waiter. `OnceLock` wakes all waiters by one
    /// call into the kernel. A lock wakes them one by one, for a reason that `src/sync/parking.rs` gives: that took 1.1
    /// times with one waiter, 1.6 times with 16, and 1.6 to 1.9 times with 256.
    const GOAL: f64 = 2.0;

    struct Once(OnceLock<()>, Creator);

    impl Missing for Once {
        fn get(&self) {
            self.0.get_or_init(&self.1);
        }
    }

    struct Lock(Dogpile, Creator);

    impl Missing for Lock {
        fn get(&self) {
            self.0.acquire_or_create(&self.1);
        }

        fn is_awaited_by(&self, waiters: usize) -> bool {
            self.0.waiting() == waiters
        }
    }

    /// Prints the figures for this many waiters.
    pub fn compare(waiters: usize, rounds: usize) {
        let waiting = Waiters::new(waiters);
        let once = || waiting.round(|creator| Once(OnceLock::new(), creator));
        let lock = || waiting.round(|creator| Lock(Dogpile::never_expires(), creator));
        // The first round of each is not counted: in it threads start, and allocate what they need to wait.
        let (_, _) = (once(), lock());
        let times = (0..rounds).map(|round| {
            // Each of the two goes first in half of the rounds.
            if round % 2 == 0 {
                [once(), lock()]
            } else {
                let lock = lock();
                [once(), lock]
            }
        });
        let times: Vec<[u64; 2]> = times.collect();
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let micros = |subject: usize| median(times.iter().map(|times| times[subject] as f64 / 1e3));
        let (once, lock) = (micros(0), micros(1));
        let ratio = lock / once;
        let goal = verdict(ratio, GOAL);
        println!("waiters/dogpile/{waiters}: {ratio:.2} x OnceLock ({lock:.1} µs / {once:.1} µs; {goal})");
    }
}

fn main() {
    let fresh = Dogpile::new(HOUR);
    fresh.acquire_or_create(|| ());
    let stale = Dogpile::new(HOUR);
    stale.acquire_or_create(|| ());
    stale.mark_stale();
    let Turn::Create(creation) = stale.acquire() else { unreachable!("a stale value elects the first to come") };

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("stale");
    for threads in THREADS {
        bench(&mut group, "fresh", threads, &fresh);
        bench(&mut group, "stale", threads, &stale);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for threads in THREADS {
            let [base, access, ratio] = compare(threads, &fresh, &stale);
            let goal = verdict(ratio, STALE_GOAL);
            println!("stale/stale/{threads}: {ratio:.2} fresh ones ({access:.2} ns / {base:.2} ns; {goal})");
        }
        #[cfg(target_os = "linux")]
        for (waiters, rounds) in [(1, 2_000), (16, 600), (256, 100)] {
            waiting::compare(waiters, rounds);
        }
    }
    creation.finish();
}
