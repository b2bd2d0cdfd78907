//! What does a hit on a Redis server cost beside the raw client's GET?
//!
//! | subject | what it is |
//! |---|---|
//! | `raw` | `GET` by the multiplexed connection of the crate `redis`: the floor |
//! | `region` | a region over Redis, with the codec for bytes |
//! | `amalgam` | amalgam over Redis, without values in the process |
//! | `hitbox` | a function memoized by hitbox over Redis |
//!
//! Values have 100 bytes. There are 1, 16 and 256 tasks on tokio with two workers, each with a key of its own, so that
//! no access shares a look with another. The server is another process, and each subject has its own connection.
//!
//! After the group come the medians of all rounds: the time of a hit, the CPU time that this process (user and system)
//! spends on a hit, and their ratios to those of the raw client. All subjects have their turn in each round.

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use criterion::{BenchmarkId, Criterion};
use dogpile_server_peers::subjects::{Access, Amalgam, Cache, Hitbox, Ours, Settings, create_by};
use dogpile_servers::RedisServer;
use interleaved::{is_measuring, median, verdict};
use redis::aio::MultiplexedConnection;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const TASKS: [u64; 3] = [1, 16, 256];
const SIZE: usize = 100;

/// The number of rounds of a comparison.
const ROUNDS: usize = 60;

/// The hits of each subject in a round, of all tasks together.
const HITS: u64 = 4_096;

/// The goals: the ratio of the time, and that of the CPU time.
const GOALS: [f64; 2] = [1.15, 1.3];

/// The raw client.
struct Raw(MultiplexedConnection, Vec<String>);

impl Cache for Raw {
    type Value = Vec<u8>;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            let client = redis::Client::open(url).expect("a sound URL");
            let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
            // As long as those of the region.
            let keys: Vec<String> = (0..TASKS[2]).map(|key| format!("{{other:{key}}}@0.2")).collect();
            for key in &keys {
                let set = redis::cmd("SET").arg(key).arg(value()).exec_async(&mut connection).await;
                set.expect("the server answers");
            }
            Self(connection, keys)
        })
    }

    fn get(&self, key: u64) -> Access<'_, Vec<u8>> {
        Box::pin(async move {
            let key = &self.1[usize::try_from(key).expect("few keys")];
            let mut connection = self.0.clone();
            redis::cmd("GET").arg(key).query_async(&mut connection).await.map_err(|error| error.to_string())
        })
    }
}

fn value() -> String {
    "v".repeat(SIZE)
}

/// What some hits took.
#[derive(Clone, Copy, Debug)]
struct Took {
    time: Duration,
    cpu: Duration,
}

impl Took {
    /// The microseconds of one hit.
    fn each(&self) -> [f64; 2] {
        [self.time, self.cpu].map(|time| time.as_secs_f64() * 1e6 / u64_as_f64(HITS))
    }
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn u64_as_f64(number: u64) -> f64 {
    number as f64
}

/// The CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

/// Hits, by some tasks.
trait Hits {
    fn run(&self, runtime: &Runtime, tasks: u64, hits: u64) -> Took;
}

impl<C: Cache> Hits for Arc<C> {
    fn run(&self, runtime: &Runtime, tasks: u64, hits: u64) -> Took {
        runtime.block_on(async {
            let (start, before) = (Instant::now(), cpu());
            let run = |task| {
                let cache = Arc::clone(self);
                tokio::spawn(async move {
                    for _ in 0..hits.div_ceil(tasks) {
                        let value = cache.get(task).await.expect("a hit");
                        assert_eq!(black_box(value).as_ref().len(), SIZE);
                    }
                })
            };
            for task in (0..tasks).map(run).collect::<Vec<_>>() {
                task.await.expect("no task panics");
            }
            Took { time: start.elapsed(), cpu: cpu().saturating_sub(before) }
        })
    }
}

type Subject = (&'static str, Box<dyn Hits>);

fn subjects(runtime: &Runtime, url: &str) -> [Subject; 4] {
    fn subject<C: Cache>(name: &'static str, runtime: &Runtime, url: &str) -> Subject {
        let settings = Settings { lease: Duration::from_secs(10), has_near: false };
        let cache = Arc::new(runtime.block_on(C::connect(url, settings)));
        // The values are there from now on.
        cache.run(runtime, 256, 256);
        (name, Box::new(cache))
    }
    [
        subject::<Raw>("raw", runtime, url),
        subject::<Ours>("region", runtime, url),
        subject::<Amalgam>("amalgam", runtime, url),
        subject::<Hitbox>("hitbox", runtime, url),
    ]
}

/// Prints the medians of rounds in which each subject has its turn, the raw client first.
fn compare(runtime: &Runtime, subjects: &[Subject; 4], tasks: u64) {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut took = [Took { time: Duration::ZERO, cpu: Duration::ZERO }; 4];
        // Each subject is the first one in a quarter of the rounds.
        for turn in 0..4 {
            let subject = (round + turn) % 4;
            took[subject] = subjects[subject].1.run(runtime, tasks, HITS);
        }
        rounds.push(took.map(|took| took.each()));
    }
    for (subject, (name, _)) in subjects.iter().enumerate() {
        let [time, cpu] = [0, 1].map(|of| {
            let each = median(rounds.iter().map(|took| took[subject][of]));
            (each, median(rounds.iter().map(|took| took[subject][of] / took[0][of])))
        });
        let goals = if *name == "region" {
            format!(" (time: {}; CPU: {})", verdict(time.1, GOALS[0]), verdict(cpu.1, GOALS[1]))
        } else {
            String::new()
        };
        println!(
            "redis_hit/{name}/{tasks}: {:.1} µs, {:.2} times the raw GET; CPU {:.1} µs, {:.2} times{goals}",
            time.0, time.1, cpu.0, cpu.1,
        );
    }
}

fn main() {
    create_by(|_| Box::pin(async { value() }));
    let server = RedisServer::start().expect("a Redis server");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had");
    let subjects = subjects(&runtime, &server.url());
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("redis_hit");
    group.sample_size(10);
    for (name, hits) in &subjects {
        for tasks in TASKS {
            group.bench_function(BenchmarkId::new(*name, tasks), |bencher| {
                bencher.iter_custom(|runs| {
                    // Each task has as many.
                    let whole = runs.div_ceil(tasks) * tasks;
                    hits.run(&runtime, tasks, whole).time.div_f64(u64_as_f64(whole)).mul_f64(u64_as_f64(runs))
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();

    // (A profiler wants the group alone.)
    if is_measuring() && !std::env::args().any(|argument| argument == "--profile-time") {
        println!();
        for tasks in TASKS {
            compare(&runtime, &subjects, tasks);
        }
    }
}
