//! What does it cost to get one hot value that expires, through this crate and through others?
//!
//! All hold an `Arc` and hand out a clone of it, or what is cheapest for them. `quick_cache` has no expiry; it stands here
//! for scale.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use arc_swap::{ArcSwap, Guard};
use criterion::Criterion;
use dogpile::Dogpile;
use interleaved::{Subject, bench};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

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

fn main() {
    let dogpile = Beside(Dogpile::new(HOUR), ArcSwap::from_pointee(0));
    let read_lock = ReadLock(parking_lot::RwLock::new((Arc::new(1), Instant::now() + HOUR)));
    let moka = Moka(moka::sync::Cache::builder().time_to_live(HOUR).build());
    let quick = Quick(quick_cache::sync::Cache::new(100));

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("hot_hit");
    for threads in [1, 2] {
        bench(&mut group, "dogpile_beside_arc_swap", threads, &dogpile);
        bench(&mut group, "rwlock_instant", threads, &read_lock);
        bench(&mut group, "moka_get_with", threads, &moka);
        bench(&mut group, "quick_cache_get_or_insert_with", threads, &quick);
    }
    group.finish();
    criterion.final_summary();
}
