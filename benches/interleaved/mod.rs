//! Short loops, timed on one or more threads, alone or in turn with another: what the benches of the hit path share.

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use dogpile::{Dogpile, Outcome};
use std::env;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How much a comparison takes.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: u32,
    /// Of each subject, in each round, on each thread.
    pub hits: u64,
}

/// Rounds of some 50 µs: for hits of a few nanoseconds.
const MANY_SHORT: Effort = Effort { rounds: 4_000, hits: 16_384 };

/// What is measured. All are inlined into the same loop, so that no subject pays for a call that another does not.
pub trait Subject: Sync {
    type Seen;

    fn hit(&self) -> Self::Seen;
}

impl Subject for Dogpile {
    type Seen = Outcome;

    #[inline(always)]
    fn hit(&self) -> Outcome {
        self.acquire_or_create(|| ())
    }
}

/// What is timed: the hits of a [`Subject`] one by one, or those of whoever brings a loop of its own.
pub trait Timed: Sync {
    /// The time that so many hits take.
    fn time(&self, hits: u64) -> Duration;
}

impl<S: Subject> Timed for S {
    #[inline(never)]
    fn time(&self, hits: u64) -> Duration {
        let start = Instant::now();
        for _ in 0..hits {
            black_box(black_box(self).hit());
        }
        start.elapsed()
    }
}

/// The time that the slowest of the threads takes for so many hits of its own.
fn time_on(threads: usize, hits: u64, subject: &(impl Timed + ?Sized)) -> Duration {
    if threads == 1 {
        return subject.time(hits);
    }
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || {
            start.wait();
            subject.time(hits)
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().expect("no subject panics")).max().unwrap_or_default()
    })
}

/// Adds `<name>/<threads>` to the group.
pub fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, threads: usize, subject: &(impl Timed + ?Sized)) {
    let id = format!("{name}/{threads}");
    group.bench_function(id, |bencher| bencher.iter_custom(|hits| time_on(threads, hits, subject)));
}

/// A barrier that spins: one that sleeps would wake the threads so far apart that short rounds would not overlap.
struct Spin {
    threads: usize,
    arrived: AtomicUsize,
}

impl Spin {
    /// The `round` counts up from 1, on every thread.
    fn wait(&self, round: usize) {
        // Relaxed: it only makes them start together.
        self.arrived.fetch_add(1, Ordering::Relaxed);
        while self.arrived.load(Ordering::Relaxed) < round * self.threads {
            thread::yield_now();
        }
    }
}

/// Nanoseconds per hit of both subjects and the ratio of the second to the first, each the median of all rounds.
pub fn compare(threads: usize, first: &(impl Timed + ?Sized), second: &(impl Timed + ?Sized)) -> [f64; 3] {
    compare_in(MANY_SHORT, threads, first, second)
}

/// As [`compare`], in other rounds.
///
/// There may be more threads than cores: each times only its own loop, which is over before the next one is given its
/// core in nearly all rounds, and the median knows nothing of the others.
pub fn compare_in(
    effort: Effort,
    threads: usize,
    first: &(impl Timed + ?Sized),
    second: &(impl Timed + ?Sized),
) -> [f64; 3] {
    let Effort { rounds, hits } = effort;
    let spin = Spin { threads, arrived: AtomicUsize::new(0) };
    let on_one_thread = || {
        let mut step = 0;
        let mut start = || {
            step += 1;
            spin.wait(step);
        };
        let rounds = (0..rounds).map(|round| {
            // Each goes first as often as the other.
            let (mut one, mut two) = (Duration::ZERO, Duration::ZERO);
            for turn in 0..2 {
                start();
                if (round + turn) % 2 == 0 {
                    one = first.time(hits);
                } else {
                    two = second.time(hits);
                }
            }
            (one, two)
        });
        rounds.collect::<Vec<_>>()
    };
    let times = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(on_one_thread)).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no subject panics")).collect::<Vec<_>>()
    });
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let each = |time: Duration| time.as_nanos() as f64 / hits as f64;
    [
        median(times.iter().map(|times| each(times.0))),
        median(times.iter().map(|times| each(times.1))),
        median(times.iter().map(|times| times.1.as_secs_f64() / times.0.as_secs_f64())),
    ]
}

pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Whether to print what is not criterion's: only `cargo bench` passes `--bench`, and criterion lists on `--list` and
/// runs each bench once on `--test`.
pub fn is_measuring() -> bool {
    let arguments: Vec<String> = env::args().collect();
    let asked = |argument: &str| arguments.iter().any(|given| given == argument);
    asked("--bench") && !asked("--list") && !asked("--test")
}

/// How a goal came out.
pub fn verdict(ratio: f64, goal: f64) -> String {
    format!("goal: at most {goal}, {}", if ratio <= goal { "met" } else { "MISSED" })
}
