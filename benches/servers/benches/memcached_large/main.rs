//! How much later do small values come while large ones are read and written beside them?
//!
//! 16 tasks read values of 100 bytes, each with a pause between two hits, so that neither the processors nor the server
//! are busy. Beside them one task reads a value of 900 KB and another one writes it, each one with the same kind of
//! pause. All of them use one region over memcached. The figure is the 99th percentile of the time that a hit of a small
//! value takes, in rounds that take turns:
//!
//! | rounds | the large values |
//! |---|---|
//! | `alone` | there are none |
//! | `apart` | are read and written by another region, with connections and a runtime of its own: the floor, since server and processors are busy with them all the same |
//! | `beside` | are read and written by the region of the small ones |

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use bytes::Bytes;
use dogpile_cache::Region;
use dogpile_cache::backend::Memcached;
use dogpile_cache::codec::Raw;
use dogpile_servers::MemcachedServer;
use interleaved::{is_measuring, median, verdict};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

const SMALL: usize = 100;
const LARGE: usize = 900 << 10;

/// The key of the large value: the small ones have those below.
const KEY: u64 = 1_000;

/// The tasks that read small values.
const TASKS: u64 = 16;

/// The pause of each task between two operations.
const SMALL_PAUSE: Duration = Duration::from_millis(1);
const LARGE_PAUSE: Duration = Duration::from_millis(5);

/// The goal: the ratio of the 99th percentiles.
const GOAL: f64 = 2.0;

type Values = Region<u64, Bytes>;

/// Returns the 99th percentile of so many hits of each task, in microseconds.
async fn small(region: &Arc<Values>, hits: usize) -> f64 {
    let task = |key| {
        let region = Arc::clone(region);
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(hits);
            for _ in 0..hits {
                tokio::time::sleep(SMALL_PAUSE).await;
                let began = Instant::now();
                let got = region.get(&key).value().await.expect("the server answers").expect("a hit");
                took.push(began.elapsed().as_secs_f64() * 1e6);
                assert_eq!(got.len(), SMALL);
            }
            took
        })
    };
    let mut all = Vec::new();
    for task in (0..TASKS).map(task).collect::<Vec<_>>() {
        all.extend(task.await.expect("no task panics"));
    }
    all.sort_by(f64::total_cmp);
    all[all.len() * 99 / 100]
}

/// Reads and writes the large value until it is told to stop. Returns how often.
async fn large(region: Arc<Values>, is_over: Arc<AtomicBool>, is_writing: bool) -> u64 {
    let value = Bytes::from(vec![b'l'; LARGE]);
    let mut count = 0;
    // Relaxed: it says when to stop, and nothing else.
    while !is_over.load(Ordering::Relaxed) {
        if is_writing {
            region.set(&KEY, value.clone()).await.expect("the server answers");
        } else {
            let got = region.get(&KEY).value().await.expect("the server answers").expect("a hit");
            assert_eq!(got.len(), LARGE);
        }
        count += 1;
        tokio::time::sleep(LARGE_PAUSE).await;
    }
    count
}

fn main() {
    // Criterion has no part in this, but its arguments are understood.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let (rounds, hits) = if is_measuring() { (20, 500) } else { (1, 5) };
    let server = MemcachedServer::start().expect("a memcached server");
    let runtime = || Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had");
    let (runtime, other) = (runtime(), runtime());
    let (region, apart) = (runtime.block_on(connect(&server)), other.block_on(connect(&server)));
    let mut took: [Vec<f64>; 3] = Default::default();
    let mut count = 0;
    for _ in 0..rounds {
        for (at, took) in took.iter_mut().enumerate() {
            let is_over = Arc::new(AtomicBool::new(false));
            let spawn = |is_writing| {
                let is_over = Arc::clone(&is_over);
                match at {
                    0 => None,
                    1 => Some(other.spawn(large(Arc::clone(&apart), is_over, is_writing))),
                    _ => Some(runtime.spawn(large(Arc::clone(&region), is_over, is_writing))),
                }
            };
            let both = [false, true].map(spawn);
            took.push(runtime.block_on(small(&region, hits)));
            is_over.store(true, Ordering::Relaxed);
            for task in both.into_iter().flatten() {
                count += runtime.block_on(task).expect("no task panics");
            }
        }
    }
    let [alone, apart, beside] = &took;
    let ratio = |to: &[f64]| median(to.iter().zip(beside).map(|(to, beside)| beside / to));
    println!(
        "memcached_large: p99 of a small value's hit {:.0} µs; with {count} large values read or written apart {:.0} µs; \
         beside {:.0} µs: {:.2} times that apart, {:.2} times that without ({})",
        median(alone.iter().copied()),
        median(apart.iter().copied()),
        median(beside.iter().copied()),
        ratio(apart),
        ratio(alone),
        verdict(ratio(alone), GOAL)
    );
}

/// Returns a region whose values are there.
async fn connect(server: &MemcachedServer) -> Arc<Values> {
    let memcached = Memcached::connect(&server.url()).await.expect("the server is there");
    let region = Region::builder("large").expires_after(Duration::from_hours(1)).far(memcached).codec(Raw);
    let region: Arc<Values> = Arc::new(region.build().expect("the settings agree"));
    for key in 0..TASKS {
        region.set(&key, Bytes::from(vec![b's'; SMALL])).await.expect("the server answers");
    }
    region.set(&KEY, Bytes::from(vec![b'l'; LARGE])).await.expect("the server answers");
    region
}
