//! What does a read cost among a million keys, if a tenth of them is kept?
//!
//! The keys are drawn by Zipf's law (exponent 1), before the clock runs. Each store holds 100,000 values at most. What
//! a store does not hold is created, at no cost, so that the figures are those of the stores: some five of six reads
//! are hits, the others are a creation, an insertion and an eviction. How many reads create depends on what a store
//! evicts, and is printed.
//!
//! `Region` is one without a backend, by a thread and by a task. `quick_cache` creates by `get_or_insert_with`, and
//! foyer by `get_or_fetch` in a runtime of one worker; neither has expiry, so a deadline is compared by hand. moka has
//! a time to live.
//!
//! After the group come the ratios. The goal: ours is ahead of all but `quick_cache`. Both sides are taken in turn in
//! one run.

#![allow(clippy::inline_always)] // the subjects: see `Store`

mod drawn;
#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use criterion::Criterion;
use dogpile_cache::{Near, Region};
use drawn::{DRAWN, Drawn, KEYS, Store, value_of};
use interleaved::{Effort, Timed, bench, compare_in, is_measuring, verdict};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 3] = [1, 2, 4];

/// How many values each store holds.
const ROOM: usize = KEYS as usize / 10;

/// Rounds of some 0.2 ms to 1 ms.
const EFFORT: Effort = Effort { rounds: 800, hits: 1_024 };

/// How many values were created.
static CREATED: AtomicU64 = AtomicU64::new(0);

fn create(key: u64) -> u64 {
    // Relaxed: it only counts.
    CREATED.fetch_add(1, Ordering::Relaxed);
    value_of(key)
}

/// A value, and the time until which it is fresh.
#[derive(Clone)]
struct Kept(Instant, Arc<u64>);

impl Kept {
    fn new(key: u64) -> Kept {
        Kept(Instant::now() + HOUR, Arc::new(create(key)))
    }

    #[inline(always)]
    fn value(&self) -> u64 {
        assert!(Instant::now() < self.0, "it is fresh for an hour");
        *self.1
    }
}

impl Store for Region<u64, u64> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        *self.blocking().get(&key).or_create(|| create(key)).expect("nothing fails")
    }
}

/// A region that is read by a task.
struct ByTask(Region<u64, u64>);

impl Store for ByTask {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        let mut read = pin!(self.0.get(&key).or_create(async || create(key)));
        loop {
            if let Poll::Ready(got) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return *got.expect("nothing fails");
            }
            // Another thread creates this value just now.
            std::thread::yield_now();
        }
    }
}

impl Store for moka::sync::Cache<u64, Arc<u64>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        *self.get_with(key, || Arc::new(create(key)))
    }
}

impl Store for quick_cache::sync::Cache<u64, Kept> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        self.get_or_insert_with(&key, || Ok::<_, Infallible>(Kept::new(key))).expect("nothing fails").value()
    }
}

/// foyer fetches by a task, so it needs a runtime for its misses.
struct Foyer(foyer_memory::Cache<u64, Kept>, Runtime);

impl Store for Foyer {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        if let Some(kept) = self.0.get(&key) {
            return kept.value().value();
        }
        let fetch = async move { Ok::<_, Infallible>(Kept::new(key)) };
        self.1.block_on(async { self.0.get_or_fetch(&key, || fetch).await }).expect("nothing fails").value().value()
    }
}

struct Named(&'static str, Box<dyn Timed>, f64);

/// The stores, with ours first, and with the part of the reads that created. Each of them has seen all reads once.
fn stores(draws: u64) -> Vec<Named> {
    let full = |name, store: Box<dyn Timed>| {
        let before = CREATED.load(Ordering::Relaxed);
        store.time(draws);
        let warm = CREATED.load(Ordering::Relaxed);
        store.time(draws / 4);
        let created = CREATED.load(Ordering::Relaxed) - if draws > 4 { warm } else { before };
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let part = created as f64 / (draws / 4).max(1) as f64;
        Named(name, store, part)
    };
    let region = || Region::builder("bench").near(Near::holding(ROOM)).expires_after(HOUR).build();
    let moka = moka::sync::Cache::builder().max_capacity(ROOM as u64).time_to_live(HOUR);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("threads can be had");
    vec![
        full("region", Box::new(Drawn(region().expect("the settings agree")))),
        full("region_task", Box::new(Drawn(ByTask(region().expect("the settings agree"))))),
        full("moka", Box::new(Drawn::<moka::sync::Cache<u64, Arc<u64>>>(moka.build()))),
        full("quick_cache", Box::new(Drawn(quick_cache::sync::Cache::<u64, Kept>::new(ROOM)))),
        full("foyer", Box::new(Drawn(Foyer(foyer_memory::Cache::builder(ROOM).build(), runtime)))),
    ]
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let stores = stores(if is_measuring() { DRAWN as u64 } else { 1 });
    let mut group = criterion.benchmark_group("cache_zipf");
    for Named(name, store, _) in &stores {
        for threads in THREADS {
            bench(&mut group, name, threads, &**store);
        }
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for Named(name, _, created) in &stores {
            println!("cache_zipf/{name}: {:.1} % of the reads create", created * 100.0);
        }
        for Named(name, other, _) in &stores[1..] {
            for threads in THREADS {
                let [other, ours, ratio] = compare_in(EFFORT, threads, &**other, &*stores[0].1);
                let goal = if matches!(*name, "moka" | "foyer") { verdict(ratio, 1.0) } else { "no goal".to_owned() };
                println!(
                    "cache_zipf/region/{threads}: {ratio:.2} reads of {name} ({ours:.0} ns / {other:.0} ns; {goal})"
                );
            }
        }
    }
}
