//! A process of a fleet. It does what lines at its input say, and tells at its output what has happened.
//!
//! | line | what the process does |
//! |---|---|
//! | `get KEY TASKS MILLIS` | so many tasks want the value of a key, which takes so long to be created |
//! | `repeat KEY TASKS MILLIS` | so many tasks want it again and again, for so long |
//!
//! | line | what has happened, and when (nanoseconds of the monotonic clock) |
//! |---|---|
//! | `ready` | the process is connected |
//! | `creates AT`, `created AT` | a creator has begun, or ended |
//! | `returned BEGAN AT VALUE` | a task has the value: the pid of the process that has created it |
//! | `longest NANOS ERRORS` | what the longest access has taken, and how many accesses have failed |
//! | `done` | the line at the input is done |

use dogpile_server_peers::subjects::{Cache, Settings, create_by};
use rustix::time::{ClockId, clock_gettime};
use std::env;
use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Subject, URL, the lease in milliseconds, and `near` if values are kept in the process.
pub const PART: &str = "DOGPILE_BENCH_PART";

/// How long a creation takes, in milliseconds.
static TAKES: AtomicU64 = AtomicU64::new(0);

pub fn is_child() -> bool {
    env::var_os(PART).is_some()
}

/// The monotonic clock, in nanoseconds.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Does what the process is to do: `start` gets the subject's name, the URL and the settings, and [obeys](obey).
pub fn run(start: impl AsyncFnOnce(&str, &str, Settings)) {
    create_by(|_| {
        Box::pin(async {
            println!("creates {}", now());
            // Relaxed: set before the tasks are made.
            tokio::time::sleep(Duration::from_millis(TAKES.load(Ordering::Relaxed))).await;
            println!("created {}", now());
            std::process::id().to_string()
        })
    });
    let part = env::var(PART).expect("a child has a part");
    let words: Vec<&str> = part.split(' ').collect();
    let &[subject, url, lease, near] = &words[..] else { panic!("{part}") };
    let lease = Duration::from_millis(lease.parse().expect("a number"));
    let settings = Settings { lease, has_near: near == "near", poll: None };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be had").block_on(start(subject, url, settings));
}

/// (The thread of `main` may block: the tasks have the workers.)
pub async fn obey(cache: impl Cache) {
    let cache = Arc::new(cache);
    println!("ready");
    for line in stdin().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        let (key, tasks, millis) = (number(1), number(2), number(3));
        match words[0] {
            "get" => {
                TAKES.store(millis, Ordering::Relaxed);
                get(&cache, key, tasks).await;
            }
            "repeat" => repeat(&cache, key, tasks, Duration::from_millis(millis)).await,
            _ => panic!("{line}"),
        }
        println!("done");
    }
}

/// (What is returned is told once all have it: the tasks of a process are not to wait for each other's lines.)
async fn get(cache: &Arc<impl Cache>, key: u64, tasks: u64) {
    let get = |_| {
        let cache = Arc::clone(cache);
        tokio::spawn(async move {
            let began = now();
            let got = cache.get(key).await;
            (began, now(), got)
        })
    };
    let mut all = Vec::new();
    for task in (0..tasks).map(get).collect::<Vec<_>>() {
        all.push(task.await.expect("no task panics"));
    }
    for (began, at, got) in all {
        // (A peer may lose its lease, and with it its value.)
        let value = match got {
            Ok(value) => String::from_utf8_lossy(value.as_ref()).into_owned(),
            Err(why) => format!("{why:?}").replace(' ', "_"),
        };
        println!("returned {began} {at} {value}");
    }
}

async fn repeat(cache: &Arc<impl Cache>, key: u64, tasks: u64, time: Duration) {
    let until = now() + u64::try_from(time.as_nanos()).expect("some seconds");
    let repeat = |_| {
        let cache = Arc::clone(cache);
        tokio::spawn(async move {
            let (mut longest, mut errors) = (0, 0);
            let mut began = now();
            while began < until {
                errors += u64::from(cache.get(key).await.is_err());
                longest = longest.max(now() - began);
                // An access that needs no wait leaves its worker to no other task, nor to the timers.
                tokio::task::yield_now().await;
                began = now();
            }
            (longest, errors)
        })
    };
    let (mut longest, mut errors) = (0, 0);
    for task in (0..tasks).map(repeat).collect::<Vec<_>>() {
        let of_task = task.await.expect("no task panics");
        (longest, errors) = (longest.max(of_task.0), errors + of_task.1);
    }
    println!("longest {longest} {errors}");
}
