//! What happens when 10,000 tasks want one value that is missing?
//!
//! | figure | what it is |
//! |---|---|
//! | creations | how many creators ran. The goal is 1 |
//! | looks | how many round trips the tasks made to find out what the backend has |
//! | time | from the spawn of the first task to the return of the last one |
//!
//! The backend is one in memory that counts. Each of its operations is pending once, as on a network, so that tasks
//! come while a look is under way. The creator ends when each task has been polled, and waits. tokio has two workers.
//! Each run has a new region, or a new cache.
//!
//! | subject | what it is |
//! |---|---|
//! | `region` | a region over the backend |
//! | `region_near` | a region without a backend: there is nothing to look at |
//! | `moka` | `get_with` of moka's cache for tasks |

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[path = "../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use dogpile_cache::backend::{
    Ask, Backend, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, Limits, Look, Memory, PauseFor,
    Pending, Published, Renewed,
};
use dogpile_cache::codec::Raw;
use dogpile_cache::key::StoredKey;
use dogpile_cache::{Near, Region};
use interleaved::{is_measuring, median};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_secs(3600);
const WORKERS: usize = 2;
const TASKS: usize = 10_000;

/// The number of runs of a comparison.
const ROUNDS: usize = 30;

/// A backend in memory that counts what it is asked.
#[derive(Default)]
struct Counting {
    memory: Memory,
    looks: AtomicUsize,
    claims: AtomicUsize,
}

/// Performs an operation after it has been pending once.
fn later<'a, T: Send + 'a>(operation: Pending<'a, T>) -> Pending<'a, T> {
    Box::pin(async {
        tokio::task::yield_now().await;
        operation.await
    })
}

impl Backend for Counting {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        // Relaxed, here and below: they only count.
        self.looks.fetch_add(1, Ordering::Relaxed);
        later(self.memory.look(keys, ask))
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        later(self.memory.claim(key, claim))
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        later(self.memory.renew(key, grant, lease))
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        later(self.memory.publish(key, grant, entry))
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        later(self.memory.end(key, grant, pause))
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        later(self.memory.change(key, change))
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        later(self.memory.count(key, count))
    }

    fn ping(&self) -> Pending<'_, ()> {
        later(self.memory.ping())
    }

    fn limits(&self) -> Limits {
        self.memory.limits()
    }
}

/// A place for one value.
trait Place: Send + Sync + 'static {
    const NAME: &str;

    fn new() -> Self;
    /// Returns the value. One of the callers makes it by `creator`.
    fn get(&self, creator: impl Future<Output = Bytes> + Send) -> impl Future<Output = Bytes> + Send;
    /// Returns how many looks and claims there were.
    fn asked(&self) -> [usize; 2] {
        [0, 0]
    }
}

struct Far(Region<u64, Bytes>, Arc<Counting>);

impl Place for Far {
    const NAME: &str = "region";

    fn new() -> Self {
        let counting = Arc::new(Counting::default());
        let region = Region::builder("bench").expires_after(HOUR).far(Arc::clone(&counting)).codec(Raw);
        Far(region.build().expect("the settings agree"), counting)
    }

    async fn get(&self, creator: impl Future<Output = Bytes> + Send) -> Bytes {
        (*self.0.get(&1).or_create(async || creator.await).await.expect("nothing fails")).clone()
    }

    fn asked(&self) -> [usize; 2] {
        [self.1.looks.load(Ordering::Relaxed), self.1.claims.load(Ordering::Relaxed)]
    }
}

struct Alone(Region<u64, Bytes>);

impl Place for Alone {
    const NAME: &str = "region_near";

    fn new() -> Self {
        let region = Region::builder("bench").expires_after(HOUR).near(Near::holding(100));
        Alone(region.build().expect("the settings agree"))
    }

    async fn get(&self, creator: impl Future<Output = Bytes> + Send) -> Bytes {
        (*self.0.get(&1).or_create(async || creator.await).await.expect("nothing fails")).clone()
    }
}

impl Place for moka::future::Cache<u64, Bytes> {
    const NAME: &str = "moka";

    fn new() -> Self {
        Self::builder().max_capacity(100).time_to_live(HOUR).build()
    }

    async fn get(&self, creator: impl Future<Output = Bytes> + Send) -> Bytes {
        self.get_with(1, creator).await
    }
}

/// The state that the tasks of a run share.
struct Herd<P> {
    place: P,
    tasks: usize,
    waiting: AtomicUsize,
    creations: AtomicUsize,
    /// Has no permits. It is closed when the creator may go on.
    go_on: Semaphore,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug)]
struct Seen {
    time: Duration,
    creations: usize,
    looks: usize,
    claims: usize,
}

impl<P: Place> Herd<P> {
    async fn create(&self) -> Bytes {
        self.creations.fetch_add(1, Ordering::Relaxed);
        let _closed = self.go_on.acquire().await;
        Bytes::from_static(b"value")
    }

    async fn get(&self) {
        let mut access = pin!(self.place.get(self.create()));
        let mut waits = false;
        poll_fn(|context| {
            let polled = access.as_mut().poll(context);
            if !std::mem::replace(&mut waits, true) && self.waiting.fetch_add(1, Ordering::Relaxed) + 1 == self.tasks {
                self.go_on.close();
            }
            polled
        })
        .await;
    }

    fn run(runtime: &Runtime, tasks: usize) -> Seen {
        let herd = Arc::new(Self {
            place: P::new(),
            tasks,
            waiting: AtomicUsize::new(0),
            creations: AtomicUsize::new(0),
            go_on: Semaphore::new(0),
        });
        let start = Instant::now();
        let time = runtime.block_on(async {
            let spawn = |_| {
                let herd = Arc::clone(&herd);
                tokio::spawn(async move { herd.get().await })
            };
            let running: Vec<_> = (0..tasks).map(spawn).collect();
            for task in running {
                task.await.expect("no task panics");
            }
            start.elapsed()
        });
        let [looks, claims] = herd.place.asked();
        Seen { time, creations: herd.creations.load(Ordering::Relaxed), looks, claims }
    }
}

type Subject = (&'static str, fn(&Runtime, usize) -> Seen);

const fn subject<P: Place>() -> Subject {
    (P::NAME, Herd::<P>::run)
}

const SUBJECTS: [Subject; 3] = [subject::<Far>(), subject::<Alone>(), subject::<moka::future::Cache<u64, Bytes>>()];

/// Prints what each subject has come to, in rounds in which each of them has its turn.
fn compare(runtime: &Runtime) {
    let rounds: Vec<[Seen; SUBJECTS.len()]> =
        (0..ROUNDS).map(|_| SUBJECTS.map(|(_, run)| run(runtime, TASKS))).collect();
    for (subject, (name, _)) in SUBJECTS.iter().enumerate() {
        let most = |of: fn(&Seen) -> usize| rounds.iter().map(|seen| of(&seen[subject])).max().unwrap_or_default();
        let ratio = median(rounds.iter().map(|seen| seen[subject].time.as_secs_f64() / seen[2].time.as_secs_f64()));
        let time = median(rounds.iter().map(|seen| seen[subject].time.as_secs_f64() * 1e3));
        println!(
            "cache_cold/{name}/{TASKS}: at most {} creations (goal: 1), {} looks, {} claims; {time:.1} ms, {ratio:.2} \
             times moka's",
            most(|seen| seen.creations),
            most(|seen| seen.looks),
            most(|seen| seen.claims),
        );
    }
}

fn main() {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).build().expect("threads can be had");
    let tasks = if is_measuring() { TASKS } else { 100 };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("cache_cold");
    group.sample_size(10);
    for (name, run) in SUBJECTS {
        group.bench_function(BenchmarkId::new(name, tasks), |bencher| {
            bencher.iter_custom(|runs| (0..runs).map(|_| run(&runtime, tasks).time).sum());
        });
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        compare(&runtime);
    }
}
