//! Sixty-four processes that count a thousand each, over the servers of a URL.
//!
//! The processes run the same test of the same program, and are told by their environment that they are some of them.

use dogpile_cache::backend::{Backend, connect};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use std::env;
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const PROCESSES: u64 = 64;
const INCREMENTS: u64 = 1000;
const TASKS: u64 = 10;

/// The name and the key of the counter.
pub const NAME: &str = "edge";
pub const KEY: &str = "a";

/// The URL of the servers, for a process that counts.
const URL: &str = "DOGPILE_EDGES_COUNT_AT";

/// The line of a process that is connected.
const READY: &str = "ready to count";

async fn counters(url: &str) -> Arc<Counters<str>> {
    let backend = connect(url).await.unwrap();
    backend.ping().await.unwrap();
    Arc::new(Counters::new(Namespace::new(NAME).unwrap(), backend, Duration::from_secs(600)).unwrap())
}

/// Counts, if this is one of the processes. Returns whether it is.
pub async fn is_done_as_a_process() -> bool {
    let Ok(url) = env::var(URL) else { return false };
    let counters = counters(&url).await;
    println!("{READY}");
    // They all begin at once: when the input ends.
    stdin().read_line(&mut String::new()).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let counters = Arc::clone(&counters);
        tasks.spawn(async move {
            let mut last = 0;
            for _ in 0..INCREMENTS / TASKS {
                let now = counters.increment(KEY, 1).await.unwrap();
                assert!(now > last, "a counter never goes back");
                last = now;
            }
        });
    }
    tasks.join_all().await;
    true
}

struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // An error means that it has ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Has the processes count, each of which runs the test of this name; and asserts that the counter is their sum.
pub async fn assert_exact(test: &str, url: &str) {
    let (program, mut children) = (env::current_exe().unwrap(), Children(Vec::new()));
    for _ in 0..PROCESSES {
        let mut command = Command::new(&program);
        command.args(["--exact", test, "--nocapture"]).env(URL, url).stdin(Stdio::piped()).stdout(Stdio::piped());
        children.0.push(command.spawn().unwrap());
    }
    let mut outputs = Vec::new();
    for child in &mut children.0 {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // (libtest may have begun the line.)
        let is_ready = lines.any(|line| line.unwrap().ends_with(READY));
        assert!(is_ready, "a process has ended before it counted");
        outputs.push(lines);
    }
    let counters = counters(url).await;
    assert_eq!(counters.get(KEY).await.unwrap(), 0, "the counter is missing");
    for child in &mut children.0 {
        // An error means that the process has ended, which is found below.
        let _ended = child.stdin.take().unwrap().write_all(b"\n");
    }
    for (child, output) in children.0.iter_mut().zip(outputs) {
        // Read to its end: a process that cannot write would not end.
        output.for_each(drop);
        assert!(child.wait().unwrap().success(), "a process has failed");
    }
    assert_eq!(counters.get(KEY).await.unwrap(), PROCESSES * INCREMENTS);
}
