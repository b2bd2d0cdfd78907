//! What does it cost to get one hot value that expires, through `Cached` and through others?
//!
//! All hold an `Arc`, and hand out a guard or a clone of it, whichever is cheapest for them. Each thread runs its own loop over
//! the same object. Two stand here for scale only: `quick_cache` has no expiry, and a `LazyLock` is made once. The floor is what
//! no guarded read of an expiring value can do with less than: the thread's own record, the deadline, the coarse clock.
//!
//! After the groups come the figures that have goals: ratios, both sides taken in turn in many short rounds of one run.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

#[path = "../../floor/mod.rs"]
mod floor;
#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use arc_swap::{ArcSwap, Guard};
use criterion::Criterion;
use dogpile::{Cached, CachedGuard, Dogpile};
use floor::Floor;
use floor::guarded::GuardedFloor;
use interleaved::{Effort, Subject, bench, compare, compare_in, is_measuring, verdict};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 3] = [1, 2, 4];

/// How much a hit may cost, in loads of an `ArcSwap` behind a look at the coarse clock.
const GOAL: f64 = 1.25;

/// How much faster than moka it is to be, at one thread and at two.
const FASTER_THAN_MOKA: [(usize, f64); 2] = [(1, 6.0), (2, 25.0)];

/// For a subject that is slower by far: rounds of some 0.2 ms to 1 ms.
const SLOW: Effort = Effort { rounds: 1_000, hits: 2_048 };

impl Subject for Cached<u64> {
    type Seen = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get_or_create(|| 1)
    }
}

/// What there is to do at the least, written by hand: whether it is fresh, then the value.
struct ByHand(Floor, ArcSwap<u64>);

impl Subject for ByHand {
    type Seen = Option<Guard<Arc<u64>>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        if self.0.is_fresh() { Some(self.1.load()) } else { None }
    }
}

/// The lock, and the value beside it.
struct Beside(Dogpile, ArcSwap<u64>);

impl Subject for Beside {
    type Seen = Guard<Arc<u64>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.acquire_or_create(|| self.1.store(Arc::new(1)));
        self.1.load()
    }
}

impl Subject for GuardedFloor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.is_fresh()
    }
}

struct ReadLock(parking_lot::RwLock<(Arc<u64>, Instant)>);

impl Subject for ReadLock {
    type Seen = Option<Arc<u64>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        let read = self.0.read();
        (Instant::now() < read.1).then(|| Arc::clone(&read.0))
    }
}

struct Moka(moka::sync::Cache<u64, Arc<u64>>);

impl Subject for Moka {
    type Seen = Arc<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.get_with(1, || Arc::new(1))
    }
}

struct Quick(quick_cache::sync::Cache<u64, Arc<u64>>);

impl Subject for Quick {
    type Seen = Option<Arc<u64>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.get_or_insert_with(&1, || Ok::<_, ()>(Arc::new(1))).ok()
    }
}

struct Lazy(LazyLock<Arc<u64>>);

impl Subject for Lazy {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> u64 {
        **self.0
    }
}

fn main() {
    let cached = Cached::new(HOUR);
    let by_hand = ByHand(Floor::fresh_for(HOUR), ArcSwap::from_pointee(1));
    let beside = Beside(Dogpile::new(HOUR), ArcSwap::from_pointee(0));
    let floor = GuardedFloor::fresh_for(HOUR);
    let read_lock = ReadLock(parking_lot::RwLock::new((Arc::new(1), Instant::now() + HOUR)));
    let moka = Moka(moka::sync::Cache::builder().time_to_live(HOUR).build());
    let quick = Quick(quick_cache::sync::Cache::new(100));
    let lazy = Lazy(LazyLock::new(|| Arc::new(1)));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("cached_hit");
    for threads in THREADS {
        bench(&mut group, "cached", threads, &cached);
        bench(&mut group, "arc_swap_by_hand", threads, &by_hand);
        bench(&mut group, "dogpile_beside_arc_swap", threads, &beside);
        bench(&mut group, "guarded_floor", threads, &floor);
        bench(&mut group, "rwlock_instant", threads, &read_lock);
        bench(&mut group, "moka_get_with", threads, &moka);
        bench(&mut group, "quick_cache_get_or_insert_with", threads, &quick);
        bench(&mut group, "lazy_lock", threads, &lazy);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for threads in THREADS {
            let [base, hit, ratio] = compare(threads, &by_hand, &cached);
            let goal = verdict(ratio, GOAL);
            println!("cached_hit/{threads}: {ratio:.2} ArcSwap loads ({hit:.2} ns / {base:.2} ns; {goal})");
            let [base, hit, ratio] = compare(threads, &floor, &cached);
            println!("cached_hit/{threads}: {ratio:.2} guarded floors ({hit:.2} ns / {base:.2} ns)");
        }
        for (threads, goal) in FASTER_THAN_MOKA {
            let [hit, other, ratio] = compare_in(SLOW, threads, &cached, &moka);
            let met = if ratio >= goal { "met" } else { "MISSED" };
            println!(
                "cached_hit/{threads}: {ratio:.1} times as fast as moka ({hit:.2} ns / {other:.2} ns; goal: at least {goal}, {met})"
            );
        }
    }
}
