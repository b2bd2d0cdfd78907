//! How much memory does an idle key take?
//!
//! Each store gets 100,000 keys, with 64 bytes of value each, and room for all of them. A counting allocator says what
//! the process has allocated by then, per key, beyond what it had before the store was made. The values themselves, 64
//! bytes a key, are in the figures of all.
//!
//! `quick_cache` and moka hold `Arc`s, as a region does. `quick_cache` has a deadline beside each value, as its users
//! write it; moka has a time to live. moka does its housekeeping in calls, so it is asked to do that before the count.
//! Of a region, what is left of its table of locks is printed, too: by `Debug`, which says how many keys are in use.
//!
//! After that: how many allocations a miss makes, and how many bytes the future of an access has.

use dogpile_cache::{Near, Region};
use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::mem::size_of_val;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const KEYS: u64 = 100_000;

/// The goal of the futures of accesses, in bytes.
const LARGEST: usize = 1_024;

/// What is kept.
type Value = [u8; 64];

/// Counts allocations, and the bytes that are allocated now. (Of other threads, too; none of them does anything here.)
struct Counting;

// Relaxed, below: they only count.
static BYTES: AtomicU64 = AtomicU64::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all calls go to `System`, with what the caller has promised to this allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Makes a store, fills it, and says what it takes.
fn per_key<S>(name: &str, keys: u64, make: impl FnOnce() -> S, fill: impl Fn(&S, u64), settle: impl Fn(&S)) -> S {
    let before = BYTES.load(Ordering::Relaxed);
    let store = make();
    (0..keys).for_each(|key| fill(&store, key));
    settle(&store);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let each = (BYTES.load(Ordering::Relaxed) - before) as f64 / keys as f64;
    println!("cache_memory/{name}: {each:.0} bytes a key");
    store
}

fn region(room: u64) -> Region<u64, Value> {
    let room = usize::try_from(room).expect("it is small");
    Region::builder("bench").near(Near::holding(room)).expires_after(HOUR).build().expect("the settings agree")
}

fn fill(region: &Region<u64, Value>, key: u64) {
    region.blocking().get(&key).or_create(|| [0; 64]).expect("nothing fails");
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("nobody is waited for"),
    }
}

/// Returns how many allocations a call makes.
fn allocations(times: u64, mut call: impl FnMut(u64)) -> f64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..times).for_each(&mut call);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let each = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / times as f64;
    each
}

fn main() {
    let keys = if env::args().any(|given| given == "--bench") { KEYS } else { 100 };
    // There is room for a few more: keys are not spread evenly over the parts of a store.
    let room = keys * 5 / 4;
    let entries = usize::try_from(room).expect("it is small");

    let kept = per_key("region", keys, || region(room), fill, |_| ());
    println!("cache_memory/region: {kept:?}");
    drop(kept);
    per_key(
        "quick_cache",
        keys,
        || quick_cache::sync::Cache::<u64, (Instant, Arc<Value>)>::new(entries),
        |cache, key| cache.insert(key, (Instant::now() + HOUR, Arc::new([0; 64]))),
        |_| (),
    );
    per_key(
        "moka",
        keys,
        || moka::sync::Cache::<u64, Arc<Value>>::builder().max_capacity(room).time_to_live(HOUR).build(),
        |cache, key| drop(cache.get_with(key, || Arc::new([0; 64]))),
        moka::sync::Cache::run_pending_tasks,
    );

    let small = region(16);
    fill(&small, 0);
    let hit = allocations(1_000, |_| fill(&small, 0));
    let hit_task = allocations(1_000, |_| drop(now(small.get(&0).or_create(async || [0; 64]))));
    println!("cache_memory/allocations/hit: {hit}, by a task {hit_task} (goal: 0)");
    let miss = allocations(1_000, |key| fill(&small, key + 1_000));
    let miss_task = allocations(1_000, |key| drop(now(small.get(&(key + 10_000)).or_create(async || [0; 64]))));
    println!("cache_memory/allocations/miss: {miss:.1}, by a task {miss_task:.1}");
    let futures = [
        ("or_create", size_of_val(&small.get(&0).or_create(async || [0; 64]))),
        ("value", size_of_val(&small.get(&0).value())),
        ("claim", size_of_val(&small.get(&0).claim())),
        ("set", size_of_val(&small.set(&0, [0; 64]))),
    ];
    for (name, bytes) in futures {
        println!("cache_memory/future/{name}: {bytes} bytes (goal: at most {LARGEST})");
        assert!(bytes <= LARGEST, "{name}");
    }
    assert!(hit + hit_task == 0.0, "a hit allocates");
}
