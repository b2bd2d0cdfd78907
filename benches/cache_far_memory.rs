//! What does our own code cost on a hit of the far backend?
//!
//! The backend is the one in memory, whose operations are ready at once, and the codec passes bytes on as they are. So
//! what a hit takes beyond a bare `Backend::look` of the same key is our own code: the round, the slot of the key, the
//! envelope with its checksum, and the value that is made of it.
//!
//! Values have 64 bytes and 4 KB. With two threads, both read the same key, so that they may share looks.
//!
//! After the group comes the difference, in nanoseconds, and the ratio. Both sides are taken in turn in one run.

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[allow(dead_code)]
mod interleaved;

use bytes::Bytes;
use criterion::Criterion;
use dogpile_cache::Region;
use dogpile_cache::backend::{Backend, Memory};
use dogpile_cache::codec::{Format, Raw, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use interleaved::{Effort, Timed, bench, compare_in, is_measuring};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 2] = [1, 2];
const SIZES: [usize; 2] = [64, 4_096];

/// Rounds of some 1 ms.
const EFFORT: Effort = Effort { rounds: 500, hits: 512 };

/// A hit of the region.
struct Hit(Region<u64, Bytes>);

/// A look at the same entry.
struct Bare(Arc<Memory>, [StoredKey; 1]);

/// Times futures of a thread, which polls them itself.
fn time<F: Future>(hits: u64, hit: impl Fn() -> F) -> Duration {
    let start = Instant::now();
    for _ in 0..hits {
        let mut hit = pin!(hit());
        loop {
            if let Poll::Ready(done) = hit.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                black_box(done);
                break;
            }
            // Another thread is looking, and this one shares the next look.
            std::thread::yield_now();
        }
    }
    start.elapsed()
}

impl Timed for Hit {
    fn time(&self, hits: u64) -> Duration {
        time(hits, || self.0.get(&1).or_create(async || unreachable!("the value is there")))
    }
}

impl Timed for Bare {
    fn time(&self, hits: u64) -> Duration {
        time(hits, || self.0.look(&self.1, None))
    }
}

fn subjects(size: usize) -> (Hit, Bare) {
    let memory = Arc::new(Memory::new());
    let region = Region::builder("bench").expires_after(HOUR).far(Arc::clone(&memory)).codec(Raw);
    let region: Region<u64, Bytes> = region.build().expect("the settings agree");
    region.blocking().get(&1).or_create(|| Bytes::from(vec![7; size])).expect("nothing fails");
    let shape = Shape { schema: 0, format: Format::RAW };
    let key = StoredKey::new(&Namespace::new("bench").expect("a sound name"), &1_u64, shape, KeyLimit::NONE);
    (Hit(region), Bare(memory, [key]))
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let subjects = SIZES.map(|size| (size, subjects(size)));
    let mut group = criterion.benchmark_group("cache_far_memory");
    for (size, (hit, bare)) in &subjects {
        for threads in THREADS {
            bench(&mut group, &format!("look_{size}"), threads, bare);
            bench(&mut group, &format!("region_{size}"), threads, hit);
        }
    }
    group.finish();
    criterion.final_summary();

    if is_measuring() {
        println!();
        for (size, (hit, bare)) in &subjects {
            for threads in THREADS {
                let [bare, hit, ratio] = compare_in(EFFORT, threads, bare, hit);
                println!(
                    "cache_far_memory/region_{size}/{threads}: {:.0} ns of our own ({hit:.0} ns; {ratio:.1} looks of \
                     {bare:.0} ns)",
                    hit - bare
                );
            }
        }
    }
}
