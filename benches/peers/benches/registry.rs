//! What does a lock per key cost, in time and in memory, through `Registry` and through concurrent maps?
//!
//! | group | what is done |
//! |---|---|
//! | `look_up` | a live key among 1,000 or 1,000,000 is looked up, and let go again |
//! | `make_and_drop` | a new key is looked up: its lock is made, and goes when it is let go |
//!
//! The maps (dashmap, papaya) hold an `Arc` of the lock for each key, hand out a clone, and forget a key when they are
//! told to. This is what a user would write by hand, with one exception: the maps leave open which user of a key is the
//! last one, and a registry finds that out each time. Keys are numbers, in no order. Each thread runs its own loop over
//! the same object.
//!
//! After the groups come ratios. Both sides are taken in turn in many short rounds of one run. Then comes the memory:
//! the bytes for each key that lives, and the bytes that are left when ten million keys have come and gone. All have a
//! lock of 64 bytes and a key of 8.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use criterion::Criterion;
use dashmap::DashMap;
use dogpile::{Dogpile, Held, Registry};
use interleaved::{Effort, Subject, bench, compare_in, is_measuring};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];
const COUNTS: [u64; 2] = [1_000, 1_000_000];
const COME_AND_GO: u64 = 10_000_000;

/// Rounds of some 0.2 ms.
const EFFORT: Effort = Effort { rounds: 1_000, hits: 1_024 };

/// The system's allocator, with a count of the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize, less: usize) {
    // Relaxed, both: the count is read only when no other thread allocates.
    IN_USE.fetch_add(more, Ordering::Relaxed);
    IN_USE.fetch_sub(less, Ordering::Relaxed);
}

// SAFETY: each call is passed on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps the promises of `realloc`, and `memory` came from `System`.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps the promises of `dealloc`, and `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LAST: Cell<u64> = const { Cell::new(1) };
}

/// A number that this thread has not had for a long time, from a linear congruential generator (Knuth's MMIX).
#[inline(always)]
fn number() -> u64 {
    let next = LAST.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    LAST.set(next);
    next >> 20
}

fn lock() -> Dogpile {
    Dogpile::new(HOUR)
}

/// A place for locks by key.
trait Locks: Sync {
    type Seen<'a>
    where
        Self: 'a;

    fn new() -> Self;
    /// The lock of a key, made if the key does not live.
    fn get(&self, key: u64) -> Self::Seen<'_>;
    /// Tells that the key is no longer in use.
    fn let_go(&self, key: u64);
}

struct Ours(Registry<u64>);

impl Locks for Ours {
    type Seen<'a> = Held<'a, u64>;

    fn new() -> Self {
        Self(Registry::new(|_| lock()))
    }

    #[inline(always)]
    fn get(&self, key: u64) -> Held<'_, u64> {
        self.0.get(&key)
    }

    /// A registry finds this out by itself.
    #[inline(always)]
    fn let_go(&self, _: u64) {}
}

struct Dash(DashMap<u64, Arc<Dogpile>>);

impl Locks for Dash {
    type Seen<'a> = Arc<Dogpile>;

    fn new() -> Self {
        Self(DashMap::new())
    }

    #[inline(always)]
    fn get(&self, key: u64) -> Arc<Dogpile> {
        if let Some(there) = self.0.get(&key) {
            return Arc::clone(&there);
        }
        Arc::clone(&self.0.entry(key).or_insert_with(|| Arc::new(lock())))
    }

    #[inline(always)]
    fn let_go(&self, key: u64) {
        self.0.remove(&key);
    }
}

struct Papaya(papaya::HashMap<u64, Arc<Dogpile>>);

impl Locks for Papaya {
    type Seen<'a> = Arc<Dogpile>;

    fn new() -> Self {
        Self(papaya::HashMap::new())
    }

    #[inline(always)]
    fn get(&self, key: u64) -> Arc<Dogpile> {
        Arc::clone(self.0.pin().get_or_insert_with(key, || Arc::new(lock())))
    }

    #[inline(always)]
    fn let_go(&self, key: u64) {
        self.0.pin().remove(&key);
    }
}

/// Looks up one of this many keys, all of which live.
struct LookUp<L>(L, u64);

impl<L: Locks> LookUp<L> {
    /// Makes the keys live. The maps keep them until they are told otherwise. In a registry each key lives as long as
    /// its `Held`.
    fn among(locks: &L, count: u64) -> Vec<L::Seen<'_>> {
        (0..count).map(|key| locks.get(key)).collect()
    }
}

impl<L: Locks + 'static> Subject for LookUp<&'static L> {
    type Seen = L::Seen<'static>;

    #[inline(always)]
    fn hit(&self) -> L::Seen<'static> {
        self.0.get(number() % self.1)
    }
}

struct MakeAndDrop<L>(L);

impl<L: Locks> Subject for MakeAndDrop<L> {
    type Seen = ();

    #[inline(always)]
    fn hit(&self) {
        let key = number();
        drop(self.0.get(key));
        self.0.let_go(key);
    }
}

fn leak<L: Locks>() -> &'static L {
    Box::leak(Box::new(L::new()))
}

/// Three look-ups among this many keys. The keys are held for good.
fn among(count: u64) -> (LookUp<&'static Ours>, LookUp<&'static Dash>, LookUp<&'static Papaya>) {
    fn fill<L: Locks + 'static>(count: u64) -> LookUp<&'static L> {
        let locks: &'static L = leak();
        std::mem::forget(LookUp::<L>::among(locks, count));
        LookUp(locks, count)
    }
    (fill(count), fill(count), fill(count))
}

/// Bytes per key while `count` live, and bytes in use after many have come and gone.
fn memory<L: Locks>(count: u64) -> (f64, usize) {
    let empty = IN_USE.load(Ordering::Relaxed);
    let locks = L::new();
    let held: Vec<_> = LookUp::<L>::among(&locks, count);
    let lives = IN_USE.load(Ordering::Relaxed) - empty - size_of_val(&held[..]);
    drop(held);
    for key in 0..count {
        locks.let_go(key);
    }
    for key in count..COME_AND_GO {
        drop(locks.get(key));
        locks.let_go(key);
    }
    let left = IN_USE.load(Ordering::Relaxed).saturating_sub(empty);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let per_key = lives as f64 / count as f64;
    (per_key, left)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("registry");
    let subjects = COUNTS.map(|count| (count, among(count)));
    let (ours, dash, papaya) = (MakeAndDrop(Ours::new()), MakeAndDrop(Dash::new()), MakeAndDrop(Papaya::new()));
    for threads in THREADS {
        for (count, (ours, dash, papaya)) in &subjects {
            bench(&mut group, &format!("look_up_{count}/registry"), threads, ours);
            bench(&mut group, &format!("look_up_{count}/dashmap"), threads, dash);
            bench(&mut group, &format!("look_up_{count}/papaya"), threads, papaya);
        }
        bench(&mut group, "make_and_drop/registry", threads, &ours);
        bench(&mut group, "make_and_drop/dashmap", threads, &dash);
        bench(&mut group, "make_and_drop/papaya", threads, &papaya);
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        let tell = |what: &str, threads: usize, peer: &str, [hit, other, ratio]: [f64; 3]| {
            println!("registry/{what}/{threads}: {:.2} of {peer} ({hit:.0} ns / {other:.0} ns)", 1.0 / ratio);
        };
        println!();
        for threads in THREADS {
            for (count, (ours, dash, papaya)) in &subjects {
                let what = format!("look_up_{count}");
                tell(&what, threads, "dashmap", compare_in(EFFORT, threads, ours, dash));
                tell(&what, threads, "papaya", compare_in(EFFORT, threads, ours, papaya));
            }
            tell("make_and_drop", threads, "dashmap", compare_in(EFFORT, threads, &ours, &dash));
            tell("make_and_drop", threads, "papaya", compare_in(EFFORT, threads, &ours, &papaya));
        }
        let told = [
            ("registry", memory::<Ours>(1_000_000)),
            ("dashmap", memory::<Dash>(1_000_000)),
            ("papaya", memory::<Papaya>(1_000_000)),
        ];
        for (subject, (per_key, left)) in told {
            println!(
                "registry/memory/{subject}: {per_key:.0} bytes a key among 1,000,000; {left} bytes left of {COME_AND_GO} keys"
            );
        }
    }
}
