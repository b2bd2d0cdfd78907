//! Short loops, which the benches of the hit path share. They are timed on one or more threads, alone or in turn with
//! another loop.

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use dogpile::{Dogpile, Outcome};
use std::env;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The size of a comparison.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: u32,
    /// The hits of each subject, in each round, on each thread.
    pub hits: u64,
}

/// Rounds of some 50 µs, for hits of a few nanoseconds.
const MANY_SHORT: Effort = Effort { rounds: 4_000, hits: 16_384 };

/// A subject that is measured. All subjects are inlined into the same loop, so that no subject pays for a call that
/// another does not make.
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

/// A loop that is timed: over the hits of a [`Subject`], or a loop of the implementor's own.
pub trait Timed: Sync {
    /// Returns the time that this many hits take.
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

/// Returns the time that the slowest thread takes for this many hits of its own.
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

/// A barrier that spins. A barrier that sleeps would wake the threads so far apart that short rounds would not overlap.
struct Spin {
    threads: usize,
    arrived: AtomicUsize,
}

impl Spin {
    /// Waits for all threads. `round` counts up from 1, on every thread.
    fn wait(&self, round: usize) {
        // Relaxed: the barrier only makes the threads start together.
        self.arrived.fetch_add(1, Ordering::Relaxed);
        while self.arrived.load(Ordering::Relaxed) < round * self.threads {
            thread::yield_now();
        }
    }
}

/// Returns the nanoseconds per hit of both subjects, and the ratio of the second to the first. Each is the median of
/// all rounds.
pub fn compare(threads: usize, first: &(impl Timed + ?Sized), second: &(impl Timed + ?Sized)) -> [f64; 3] {
    compare_in(MANY_SHORT, threads, first, second)
}

/// Compares two subjects, as [`compare`] does, in rounds of another size.
///
/// There may be more threads than cores. Each thread times only its own loop. In nearly all rounds that loop is over
/// before the next thread is given the core, and the median ignores the other rounds.
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
            // Each of the two goes first in half of the rounds.
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

/// Whether to print the figures beside criterion's. Only `cargo bench` passes `--bench`. With `--list` criterion lists
/// the benches, and with `--test` it runs each bench once.
pub fn is_measuring() -> bool {
    let arguments: Vec<String> = env::args().collect();
    let asked = |argument: &str| arguments.iter().any(|given| given == argument);
    asked("--bench") && !asked("--list") && !asked("--test")
}

/// Says whether a goal was met.
pub fn verdict(ratio: f64, goal: f64) -> String {
    format!("goal: at most {goal}, {}", if ratio <= goal { "met" } else { "MISSED" })
}
