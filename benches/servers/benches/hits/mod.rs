//! Hits of several subjects beside a floor, which is the first subject: the time of a hit, and the CPU time that this
//! process (user and system) spends on it. All subjects have their turn in each round.

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion};
use dogpile_cache::backend::{Backend, Change, Entry};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_server_peers::subjects::{Access, Cache, Settings};
use interleaved::{is_measuring, median, verdict};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// How many tasks there are, each with a key of its own.
pub const TASKS: [u64; 3] = [1, 16, 256];

/// The bytes of a value.
pub const SIZE: usize = 100;

/// The number of rounds of a comparison.
const ROUNDS: usize = 60;

/// The hits of each subject in a round, of all tasks together.
const HITS: u64 = 4_096;

/// A value.
pub fn value() -> String {
    "v".repeat(SIZE)
}

/// What some hits took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
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
pub trait Hits {
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

/// A subject.
pub struct Subject {
    name: &'static str,
    hits: Box<dyn Hits>,
    /// The goals, if there are some.
    goals: Goals,
}

/// What a subject is to reach beside the first one.
#[derive(Clone, Copy, Debug)]
pub struct Goals {
    /// The ratio of the time.
    pub time: Option<f64>,
    /// The ratio of the CPU time.
    pub cpu: Option<f64>,
}

impl Goals {
    pub const NONE: Goals = Goals { time: None, cpu: None };
}

impl Subject {
    /// Connects, and has all values stored.
    pub fn new<C: Cache>(name: &'static str, runtime: &Runtime, url: &str, goals: Goals) -> Subject {
        let settings = Settings { lease: Duration::from_secs(10), has_near: false, poll: None };
        let cache = Arc::new(runtime.block_on(C::connect(url, settings)));
        // The values are there from now on.
        cache.run(runtime, TASKS[2], TASKS[2]);
        Subject { name, hits: Box::new(cache), goals }
    }
}

/// The runtime of all subjects: two workers.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had")
}

/// The subject that is to be ahead of others in throughput, these, and by which factor at each number of tasks.
pub type Ahead<'a> = (usize, &'a [usize], [f64; 3]);

/// Measures each subject by itself, and then all of them beside the first one.
pub fn measure(bench: &str, floor: &str, runtime: &Runtime, subjects: &[Subject], ahead: Option<Ahead<'_>>) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(bench);
    group.sample_size(10);
    for Subject { name, hits, .. } in subjects {
        for tasks in TASKS {
            group.bench_function(BenchmarkId::new(*name, tasks), |bencher| {
                bencher.iter_custom(|runs| {
                    // Each task has as many.
                    let whole = runs.div_ceil(tasks) * tasks;
                    hits.run(runtime, tasks, whole).time.div_f64(u64_as_f64(whole)).mul_f64(u64_as_f64(runs))
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();

    // (A profiler wants the group alone.)
    if is_measuring() && !std::env::args().any(|argument| argument == "--profile-time") {
        println!();
        for (at, tasks) in TASKS.into_iter().enumerate() {
            let rounds = rounds(runtime, subjects, tasks);
            beside_the_floor(bench, floor, subjects, tasks, &rounds);
            if let Some((ours, theirs, goals)) = &ahead {
                for theirs in *theirs {
                    let ratio = median(rounds.iter().map(|took| took[*theirs][0] / took[*ours][0]));
                    println!(
                        "{bench}/{}/{tasks}: {ratio:.2} times the throughput of {} ({})",
                        subjects[*ours].name,
                        subjects[*theirs].name,
                        least(ratio, goals[at])
                    );
                }
            }
        }
    }
}

/// Says whether a goal was met that is a lower bound.
fn least(ratio: f64, goal: f64) -> String {
    format!("goal: at least {goal}, {}", if ratio >= goal { "met" } else { "MISSED" })
}

/// A round: the microseconds of a hit of each subject, and those of the CPU.
type Round = Vec<[f64; 2]>;

/// Rounds in which each subject has its turn.
fn rounds(runtime: &Runtime, subjects: &[Subject], tasks: u64) -> Vec<Round> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut took = vec![[0.0; 2]; subjects.len()];
        // Each subject is the first one in as many rounds.
        for turn in 0..subjects.len() {
            let subject = (round + turn) % subjects.len();
            took[subject] = subjects[subject].hits.run(runtime, tasks, HITS).each();
        }
        rounds.push(took);
    }
    rounds
}

/// Prints the medians of rounds.
fn beside_the_floor(bench: &str, floor: &str, subjects: &[Subject], tasks: u64, rounds: &[Round]) {
    for (at, subject) in subjects.iter().enumerate() {
        let [time, cpu] = [0, 1].map(|of| {
            let each = median(rounds.iter().map(|took| took[at][of]));
            (each, median(rounds.iter().map(|took| took[at][of] / took[0][of])))
        });
        let goal = |what, ratio, goal: Option<f64>| {
            goal.map(|goal| format!(" ({what}: {})", verdict(ratio, goal))).unwrap_or_default()
        };
        println!(
            "{bench}/{}/{tasks}: {:.1} µs, {:.2} times {floor}{}; CPU {:.1} µs, {:.2} times{}",
            subject.name,
            time.0,
            time.1,
            goal("time", time.1, subject.goals.time),
            cpu.0,
            cpu.1,
            goal("CPU", cpu.1, subject.goals.cpu),
        );
    }
}

/// The bytes of an envelope about a value of a region here.
pub const ENVELOPE: usize = 64;

/// The looks of a backend: what a region's hit asks, without the region.
pub struct Looks<B> {
    backend: B,
    keys: Vec<StoredKey>,
}

/// What a look has found.
pub struct Looked(Bytes);

impl Looked {
    /// What was found, with what stands for the envelope.
    #[allow(dead_code)] // not each bench has a raw client whose values have one
    pub fn new(bytes: Bytes) -> Looked {
        Looked(bytes)
    }
}

impl AsRef<[u8]> for Looked {
    fn as_ref(&self) -> &[u8] {
        &self.0[ENVELOPE..]
    }
}

impl<B: Backend> Looks<B> {
    /// Stores the entries, which are as long as those of a region.
    pub async fn store(backend: B) -> Looks<B> {
        let names = Namespace::new("looks").expect("a sound name");
        let shape = Shape { schema: 0, format: Format::RAW };
        let limit = KeyLimit::bytes(backend.limits().longest_key);
        let keys = (0..TASKS[2]).map(|key| StoredKey::new(&names, &key, shape, limit)).collect();
        let looks = Looks { backend, keys };
        for key in &looks.keys {
            let bytes = Bytes::from(vec![b'v'; ENVELOPE + SIZE]);
            let entry = Entry { bytes, lifetime: Some(Duration::from_hours(1)) };
            let set = Change::Set { entry, void_pause: Duration::ZERO };
            looks.backend.change(key, set).await.expect("the server answers");
        }
        looks
    }

    /// Returns what lies at a key.
    pub fn look(&self, key: u64) -> Access<'_, Looked> {
        let key = &self.keys[usize::try_from(key).expect("few keys")];
        Box::pin(async move {
            let looks = self.backend.look(std::slice::from_ref(key), None).await.map_err(|error| error.to_string())?;
            looks.into_iter().next().and_then(|look| look.entry).map(Looked).ok_or_else(|| "a miss".to_owned())
        })
    }
}
