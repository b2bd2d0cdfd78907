//! Keys that are drawn by Zipf's law, and stores that are read by them.

use crate::interleaved::Timed;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const KEYS: u32 = 1_000_000;
const EXPONENT: f64 = 1.0;

/// The number of keys that are drawn. Each thread begins at another place among them.
pub const DRAWN: usize = 1 << 22;

static DRAWS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let zipf = Zipf::new(f64::from(KEYS), EXPONENT).expect("the law is sound");
    let mut random = StdRng::seed_from_u64(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rank, from 1 on
    let draw = |_| zipf.sample(&mut random) as u64;
    (0..DRAWN).map(draw).collect()
});

thread_local! {
    static NEXT: Cell<usize> = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: the numbers need only differ. The step is odd, and has nothing to do with how far a thread reads.
        Cell::new(THREADS.fetch_add(1, Ordering::Relaxed).wrapping_mul(1_000_003))
    };
}

/// Values by key.
pub trait Store: Send + Sync {
    fn read(&self, key: u64) -> u64;
}

/// A store that is read by the keys that were drawn.
pub struct Drawn<S>(pub S);

impl<S: Store> Timed for Drawn<S> {
    #[inline(never)]
    fn time(&self, hits: u64) -> Duration {
        let draws = &**DRAWS;
        let mut next = NEXT.get();
        let start = Instant::now();
        for _ in 0..hits {
            black_box(black_box(self).0.read(draws[next % DRAWN]));
            next = next.wrapping_add(1);
        }
        let took = start.elapsed();
        NEXT.set(next);
        took
    }
}

pub fn value_of(key: u64) -> u64 {
    key + 1
}
