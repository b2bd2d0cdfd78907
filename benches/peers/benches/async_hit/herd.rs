//! A herd of tasks that want one value, which is missing.

use crate::interleaved::median;
use criterion::{BenchmarkId, Criterion};
use dogpile::Cached;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_secs(3600);
const WORKERS: usize = 2;

/// The sizes of the herds, with the number of runs in which the subjects are compared.
const HERDS: [(usize, u32); 2] = [(100, 1_000), (10_000, 60)];

/// If no task has been polled for this long, all tasks have their places in the queue, and none of them waits for a
/// mutex on the way there.
const QUIET: Duration = Duration::from_millis(3);
/// The time after which a herd is taken to hang. No herd takes nearly as long.
const HANGS: Duration = Duration::from_secs(60);

/// A place for one value.
trait Place: Send + Sync + 'static {
    const NAME: &str;

    fn new() -> Self;
    /// Returns the value. One of the callers makes it by `creator`.
    fn get(&self, creator: impl Future<Output = u64> + Send) -> impl Future<Output = u64> + Send;
}

impl Place for Cached<u64> {
    const NAME: &str = "cached";

    fn new() -> Self {
        Self::new(HOUR)
    }

    async fn get(&self, creator: impl Future<Output = u64> + Send) -> u64 {
        *self.get_or_create_async(|| creator).await
    }
}

impl Place for async_singleflight::Group<u64, u64, ()> {
    const NAME: &str = "async_singleflight";

    fn new() -> Self {
        Self::new()
    }

    async fn get(&self, creator: impl Future<Output = u64> + Send) -> u64 {
        self.work(&1, async { Ok(creator.await) }).await.expect("it does not fail")
    }
}

impl Place for moka::future::Cache<u64, u64> {
    const NAME: &str = "moka_get_with";

    fn new() -> Self {
        Self::builder().time_to_live(HOUR).build()
    }

    async fn get(&self, creator: impl Future<Output = u64> + Send) -> u64 {
        self.get_with(1, creator).await
    }
}

impl Place for quick_cache::sync::Cache<u64, u64> {
    const NAME: &str = "quick_cache_get_or_insert_async";

    fn new() -> Self {
        Self::new(100)
    }

    async fn get(&self, creator: impl Future<Output = u64> + Send) -> u64 {
        self.get_or_insert_async(&1, async { Ok::<_, ()>(creator.await) }).await.expect("it does not fail")
    }
}

impl Place for tokio::sync::OnceCell<u64> {
    const NAME: &str = "tokio_once_cell";

    fn new() -> Self {
        Self::new()
    }

    async fn get(&self, creator: impl Future<Output = u64> + Send) -> u64 {
        *self.get_or_init(|| creator).await
    }
}

/// The state that the tasks of a run share.
struct Herd<P> {
    place: P,
    tasks: usize,
    polls: AtomicUsize,
    waiting: AtomicUsize,
    returned: AtomicUsize,
    creators: AtomicUsize,
    /// Has no permits. It is closed when the creator may go on.
    go_on: Semaphore,
    created: OnceLock<Instant>,
    over: mpsc::Sender<Instant>,
}

impl<P: Place> Herd<P> {
    async fn create(&self) -> u64 {
        self.creators.fetch_add(1, Ordering::Relaxed);
        let _closed = self.go_on.acquire().await;
        // A later creator changes nothing here: see `time`.
        let _first = self.created.set(Instant::now());
        1
    }

    async fn run(&self) {
        let mut access = pin!(self.place.get(self.create()));
        let mut waits = false;
        poll_fn(|context| {
            // Relaxed, here and below: they only count. The channel orders all that is read afterwards.
            self.polls.fetch_add(1, Ordering::Relaxed);
            let polled = access.as_mut().poll(context);
            if polled.is_pending() && !waits {
                waits = true;
                self.waiting.fetch_add(1, Ordering::Relaxed);
            }
            polled
        })
        .await;
        if self.returned.fetch_add(1, Ordering::Relaxed) + 1 == self.tasks {
            self.over.send(Instant::now()).expect("it is waited for");
        }
    }

    /// Runs a herd. Returns how many tasks have created, and the time from the first creator's end to the last task's
    /// return.
    fn run_on(runtime: &Runtime, tasks: usize) -> (usize, Duration) {
        let (over, is_over) = mpsc::channel();
        let herd = Arc::new(Self {
            place: P::new(),
            tasks,
            polls: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            returned: AtomicUsize::new(0),
            creators: AtomicUsize::new(0),
            go_on: Semaphore::new(0),
            created: OnceLock::new(),
            over,
        });
        for _ in 0..tasks {
            let herd = Arc::clone(&herd);
            runtime.spawn(async move { herd.run().await });
        }
        herd.wait_until_all_wait();
        herd.go_on.close();
        let Ok(over) = is_over.recv_timeout(HANGS) else {
            panic!("{}: {:?} of {tasks} tasks have returned", P::NAME, herd.returned);
        };
        let created = herd.created.get().expect("somebody has created it");
        (herd.creators.load(Ordering::Relaxed), over.duration_since(*created))
    }

    fn wait_until_all_wait(&self) {
        loop {
            let polls = self.polls.load(Ordering::Relaxed);
            thread::sleep(QUIET);
            if self.waiting.load(Ordering::Relaxed) == self.tasks && self.polls.load(Ordering::Relaxed) == polls {
                return;
            }
        }
    }
}

/// Returns the time from the creator's end to the last task's return.
fn time<P: Place>(runtime: &Runtime, tasks: usize) -> Duration {
    loop {
        let (creators, time) = Herd::<P>::run_on(runtime, tasks);
        // A task that came too late to wait has created anew. That is another job than the one that is timed.
        if creators == 1 {
            return time;
        }
        eprintln!("{}: {creators} creators among {tasks} tasks; once more", P::NAME);
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(WORKERS).build().expect("threads can be had")
}

pub fn bench(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("async_herd");
    group.sample_size(10);
    for (tasks, _) in HERDS {
        let mut subject = |name: &str, time: fn(&Runtime, usize) -> Duration| {
            group.bench_function(BenchmarkId::new(name, tasks), |bencher| {
                bencher.iter_custom(|runs| (0..runs).map(|_| time(&runtime, tasks)).sum());
            });
        };
        for (name, time) in SUBJECTS {
            subject(name, time);
        }
    }
    group.finish();
}

type Subject = (&'static str, fn(&Runtime, usize) -> Duration);

const fn subject<P: Place>() -> Subject {
    (P::NAME, time::<P>)
}

/// The others are compared with the first.
const SUBJECTS: [Subject; 5] = [
    subject::<Cached<u64>>(),
    subject::<async_singleflight::Group<u64, u64, ()>>(),
    subject::<moka::future::Cache<u64, u64>>(),
    subject::<quick_cache::sync::Cache<u64, u64>>(),
    subject::<tokio::sync::OnceCell<u64>>(),
];

/// Prints the ratios of each subject to the first, in the same round: the medians of all rounds.
pub fn compare() {
    let runtime = runtime();
    for (tasks, rounds) in HERDS {
        let rounds: Vec<[Duration; SUBJECTS.len()]> = (0..rounds as usize)
            .map(|round| {
                let mut times = [Duration::ZERO; SUBJECTS.len()];
                for turn in 0..SUBJECTS.len() {
                    // Each subject goes first as often as the others.
                    let subject = (round + turn) % SUBJECTS.len();
                    times[subject] = SUBJECTS[subject].1(&runtime, tasks);
                }
                times
            })
            .collect();
        for (subject, (name, _)) in SUBJECTS.iter().enumerate() {
            let time = median(rounds.iter().map(|times| times[subject].as_secs_f64() * 1e6));
            let ratio = median(rounds.iter().map(|times| times[subject].as_secs_f64() / times[0].as_secs_f64()));
            println!("async_herd/{name}/{tasks}: {ratio:.2} of cached ({time:.0} µs)");
        }
    }
}
