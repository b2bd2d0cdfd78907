//! A fresh hit by a task.

use crate::awaited::{Awaited, Task};
use crate::interleaved::{Effort, Subject, bench, compare, compare_in, verdict};
use criterion::Criterion;
use dogpile::{Cached, CachedFn, CachedGuard, CreateError, Dogpile, Outcome, cached_async};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];

/// The goal of a task's hit, in hits of a thread.
const GOAL: f64 = 1.5;

/// Rounds of some 0.2 ms to 1 ms, for a subject that is slower by far.
const SLOW: Effort = Effort { rounds: 1_000, hits: 2_048 };

impl Subject for Cached<u64> {
    type Seen = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get_or_create(|| 1)
    }
}

impl Awaited for Cached<u64> {
    type Seen<'a> = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.get_or_create_async(async || 1)
    }
}

/// The forms that can fail.
struct Fallible<'a>(&'a Cached<u64>);

impl Subject for Fallible<'_> {
    type Seen = Result<CachedGuard<u64>, CreateError<Infallible>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.get_or_try_create(|| Ok(1))
    }
}

impl Awaited for Fallible<'_> {
    type Seen<'a>
        = Result<CachedGuard<u64>, CreateError<Infallible>>
    where
        Self: 'a;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.0.get_or_try_create_async(async || Ok(1))
    }
}

impl Awaited for Dogpile {
    type Seen<'a> = Outcome;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.access_async().or_create(async || ())
    }
}

impl Subject for CachedFn<u64> {
    type Seen = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get()
    }
}

impl Awaited for CachedFn<u64, fn() -> Ready<u64>> {
    type Seen<'a> = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.access_async().get()
    }
}

struct Moka(moka::future::Cache<u64, Arc<u64>>);

impl Awaited for Moka {
    type Seen<'a> = Arc<u64>;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.0.get_with(1, async { Arc::new(1) })
    }
}

struct Quick(quick_cache::sync::Cache<u64, Arc<u64>>);

impl Awaited for Quick {
    type Seen<'a> = Option<Arc<u64>>;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        self.0.get_or_insert_async(&1, async { Ok::<_, ()>(Arc::new(1)) }).await.ok()
    }
}

struct Once(tokio::sync::OnceCell<Arc<u64>>);

impl Awaited for Once {
    type Seen<'a> = &'a Arc<u64>;

    #[inline(always)]
    fn hit(&self) -> impl Future<Output = Self::Seen<'_>> {
        self.0.get_or_init(async || Arc::new(1))
    }
}

/// A value and the time when it expires.
struct ReadLock(tokio::sync::RwLock<(Arc<u64>, Instant)>);

impl Awaited for ReadLock {
    type Seen<'a> = Option<Arc<u64>>;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        let read = self.0.read().await;
        (Instant::now() < read.1).then(|| Arc::clone(&read.0))
    }
}

/// One subject of each kind, fresh for an hour.
pub struct Subjects {
    cached: Cached<u64>,
    lock: Dogpile,
    told: CachedFn<u64>,
    told_async: CachedFn<u64, fn() -> Ready<u64>>,
    moka: Moka,
    quick: Quick,
    once: Once,
    read_lock: ReadLock,
}

impl Subjects {
    pub fn new() -> Self {
        Self {
            cached: Cached::new(HOUR),
            lock: Dogpile::new(HOUR),
            told: CachedFn::new(HOUR, || 1),
            told_async: cached_async(HOUR, || ready(1)),
            moka: Moka(moka::future::Cache::builder().time_to_live(HOUR).build()),
            quick: Quick(quick_cache::sync::Cache::new(100)),
            once: Once(tokio::sync::OnceCell::new()),
            read_lock: ReadLock(tokio::sync::RwLock::new((Arc::new(1), Instant::now() + HOUR))),
        }
    }

    pub fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("async_hit");
        for threads in THREADS {
            bench(&mut group, "cached_blocking", threads, &self.cached);
            bench(&mut group, "cached", threads, &Task(&self.cached));
            bench(&mut group, "cached_fallible_blocking", threads, &Fallible(&self.cached));
            bench(&mut group, "cached_fallible", threads, &Task(&Fallible(&self.cached)));
            bench(&mut group, "cached_fn_blocking", threads, &self.told);
            bench(&mut group, "cached_fn", threads, &Task(&self.told_async));
            bench(&mut group, "dogpile_blocking", threads, &self.lock);
            bench(&mut group, "dogpile", threads, &Task(&self.lock));
            bench(&mut group, "moka_get_with", threads, &Task(&self.moka));
            bench(&mut group, "quick_cache_get_or_insert_async", threads, &Task(&self.quick));
            bench(&mut group, "tokio_once_cell", threads, &Task(&self.once));
            bench(&mut group, "tokio_rwlock_instant", threads, &Task(&self.read_lock));
        }
        group.finish();
    }

    /// Prints the ratios.
    pub fn compare(&self) {
        let tell = |what: &str, threads: usize, [blocking, task, ratio]: [f64; 3]| {
            let goal = verdict(ratio, GOAL);
            println!("async_hit/{what}/{threads}: {ratio:.2} blocking hits ({task:.2} ns / {blocking:.2} ns; {goal})");
        };
        for threads in THREADS {
            tell("cached", threads, compare(threads, &self.cached, &Task(&self.cached)));
            let fallible = Fallible(&self.cached);
            tell("cached_fallible", threads, compare(threads, &fallible, &Task(&fallible)));
            tell("cached_fn", threads, compare(threads, &self.told, &Task(&self.told_async)));
            tell("dogpile", threads, compare(threads, &self.lock, &Task(&self.lock)));
        }
        for threads in THREADS {
            let cached = Task(&self.cached);
            let beside = |peer: &str, [hit, other, ratio]: [f64; 3]| {
                println!(
                    "async_hit/cached/{threads}: {ratio:.2} times as fast as {peer} ({hit:.2} ns / {other:.2} ns)"
                );
            };
            beside("moka", compare_in(SLOW, threads, &cached, &Task(&self.moka)));
            beside("quick_cache", compare_in(SLOW, threads, &cached, &Task(&self.quick)));
            beside("tokio's OnceCell", compare_in(SLOW, threads, &cached, &Task(&self.once)));
            beside("tokio's RwLock", compare_in(SLOW, threads, &cached, &Task(&self.read_lock)));
        }
    }
}
