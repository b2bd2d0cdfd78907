//! What does a hit of a region cost that keeps its values near, by a thread and by a task?
//!
//! One key is read, which is fresh for an hour, by 1, 2 and 4 threads. The floor is what a user would write around
//! `quick_cache`, which has no expiry: an `Arc` with a deadline, compared with the coarse clock. It has the hasher and
//! the locks that the users of `quick_cache` have by default.
//!
//! | subject | what it is |
//! |---|---|
//! | `quick_cache` | the floor |
//! | `region` | a `Region` without a backend, by a thread; `region_task` by a task |
//! | `region_text` | the same with text for keys |
//! | `moka`, `moka_task` | `get_with` of the cache for threads, and of the one for tasks, with a time to live |
//! | `amalgam`, `amalgam_task` | `get_or_set`; its keys are text |
//!
//! Each hit reads the value. A hit by a task is ready when it is polled for the first time, so the figures contain
//! nothing of an executor.
//!
//! After the group come the figures that have goals. Both sides are taken in turn in one run.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod awaited;
#[path = "../../floor/mod.rs"]
mod floor;
#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use awaited::{Awaited, Task};
use criterion::Criterion;
use dogpile_cache::{Near, Region};
use floor::Floor;
use interleaved::{Effort, Subject, Timed, bench, compare_in, is_measuring, verdict};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 3] = [1, 2, 4];

/// The goal of a hit by a thread, in floors.
const BLOCKING: f64 = 1.5;
/// The goal of a hit by a task, in floors.
const BY_TASK: f64 = 2.0;
/// The goal of a hit by a task, in hits of moka by a task.
const OF_MOKA: f64 = 1.0 / 3.0;

/// Rounds of some 0.1 ms to 1 ms.
const EFFORT: Effort = Effort { rounds: 400, hits: 4_096 };

/// How many values each of them holds.
const ROOM: usize = 10_000;

/// A value with its deadline, in a cache without expiry.
struct Quick(quick_cache::sync::Cache<u64, Arc<(u64, Floor)>>);

impl Subject for Quick {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        match self.0.get(&1) {
            Some(kept) if kept.1.is_fresh() => kept.0,
            _ => unreachable!("it is there, and fresh"),
        }
    }
}

impl Subject for Region<u64, u64> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        *self.blocking().get(&1).or_create(|| 1).expect("nothing fails")
    }
}

impl Awaited for Region<u64, u64> {
    type Seen<'a> = u64;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        *self.get(&1).or_create(async || 1).await.expect("nothing fails")
    }
}

impl Subject for Region<str, u64> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        *self.blocking().get(TEXT).or_create(|| 1).expect("nothing fails")
    }
}

impl Awaited for Region<str, u64> {
    type Seen<'a> = u64;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        *self.get(TEXT).or_create(async || 1).await.expect("nothing fails")
    }
}

/// A key that is text.
const TEXT: &str = "product:1";

impl Subject for moka::sync::Cache<u64, Arc<u64>> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        *self.get_with(1, || Arc::new(1))
    }
}

impl Awaited for moka::future::Cache<u64, Arc<u64>> {
    type Seen<'a> = u64;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        *self.get_with(1, async { Arc::new(1) }).await
    }
}

impl Subject for amalgam::BlockingCache<u64> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get_or_set(TEXT, amalgam::source::factory(|_| Ok::<_, Infallible>(1))).execute().expect("nothing fails")
    }
}

impl Awaited for amalgam::Cache<u64> {
    type Seen<'a> = u64;

    #[inline(always)]
    async fn hit(&self) -> Self::Seen<'_> {
        self.get_or_set(TEXT, |_| async { Ok::<_, Infallible>(1) }).await.expect("nothing fails")
    }
}

/// One subject of each kind, with one value, fresh for an hour.
struct Subjects {
    quick: Quick,
    region: Region<u64, u64>,
    text: Region<str, u64>,
    moka: moka::sync::Cache<u64, Arc<u64>>,
    moka_task: moka::future::Cache<u64, Arc<u64>>,
    amalgam: amalgam::BlockingCache<u64>,
    amalgam_task: amalgam::Cache<u64>,
}

impl Subjects {
    fn new() -> Subjects {
        let quick = quick_cache::sync::Cache::new(ROOM);
        quick.insert(1, Arc::new((1, Floor::fresh_for(HOUR))));
        let region = || Region::builder("bench").near(Near::holding(ROOM)).expires_after(HOUR);
        let room = ROOM as u64;
        Subjects {
            quick: Quick(quick),
            region: region().build().expect("the settings agree"),
            text: region().build().expect("the settings agree"),
            moka: moka::sync::Cache::builder().max_capacity(room).time_to_live(HOUR).build(),
            moka_task: moka::future::Cache::builder().max_capacity(room).time_to_live(HOUR).build(),
            amalgam: amalgam::BlockingCache::new().expect("the defaults agree"),
            amalgam_task: amalgam::Cache::builder().try_build().expect("the defaults agree"),
        }
    }

    fn bench(&self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("cache_near_hit");
        for threads in THREADS {
            bench(&mut group, "quick_cache", threads, &self.quick);
            bench(&mut group, "region", threads, &self.region);
            bench(&mut group, "region_task", threads, &Task(&self.region));
            bench(&mut group, "region_text", threads, &self.text);
            bench(&mut group, "region_text_task", threads, &Task(&self.text));
            bench(&mut group, "moka", threads, &self.moka);
            bench(&mut group, "moka_task", threads, &Task(&self.moka_task));
            bench(&mut group, "amalgam", threads, &self.amalgam);
            bench(&mut group, "amalgam_task", threads, &Task(&self.amalgam_task));
        }
        group.finish();
    }

    /// Prints the ratios.
    fn compare(&self) {
        let tell = |what: &str, threads: usize, [other, ours, ratio]: [f64; 3], unit: &str, goal: Option<f64>| {
            let goal = goal.map_or(String::new(), |goal| format!("; {}", verdict(ratio, goal)));
            println!("cache_near_hit/{what}/{threads}: {ratio:.2} {unit} ({ours:.0} ns / {other:.0} ns{goal})");
        };
        let of = |threads, other: &dyn Timed, ours: &dyn Timed| compare_in(EFFORT, threads, other, ours);
        let (region, task, text) = (&self.region, &Task(&self.region), &Task(&self.text));
        for threads in THREADS {
            tell("region", threads, of(threads, &self.quick, region), "floors", Some(BLOCKING));
            tell("region_task", threads, of(threads, &self.quick, task), "floors", Some(BY_TASK));
            let moka = of(threads, &Task(&self.moka_task), task);
            tell("region_task", threads, moka, "hits of moka by a task", Some(OF_MOKA));
            tell("region", threads, of(threads, &self.moka, region), "hits of moka", None);
            let amalgam = of(threads, &Task(&self.amalgam_task), text);
            tell("region_text_task", threads, amalgam, "hits of amalgam by a task", None);
            tell("region_text", threads, of(threads, &self.amalgam, &self.text), "hits of amalgam", None);
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let subjects = Subjects::new();
    subjects.bench(&mut criterion);
    criterion.final_summary();

    if is_measuring() {
        println!();
        subjects.compare();
    }
}
