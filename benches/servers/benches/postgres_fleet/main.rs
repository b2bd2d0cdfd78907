//! How late is a process that waits for another one on PostgreSQL, which tells it by `NOTIFY`?
//!
//! 8 processes ask for a key that is missing, all at once. One of them is to create its value, for 50 ms; the others
//! listen. The figure is the time from the end of the creator to the return of a task of another process. The goals are
//! those of a hand-off by a signal: a median of two round trips and 1 ms, and never more than the longest time between
//! two looks of a region that waits. It is taken of 2 processes as well, so that a waiter that is woken has a processor:
//! where there are more processes than processors, each waits for those before it, and for their sessions' processes.
//!
//! The processes run this program, and all go by the same monotonic clock. Without `--bench` there are two of them, and
//! one round.

#[path = "../fleet/mod.rs"]
mod fleet;

use dogpile_cache::backend::Postgres;
use dogpile_server_peers::subjects::{Cache, Ours};
use dogpile_servers::PostgresServer;
use fleet::interleaved::{is_measuring, median, verdict};
use fleet::process::Subject;
use fleet::{Woken, child, get, wake_once};
use std::env;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::NoTls;

/// How long a creation takes.
const CREATION: Duration = Duration::from_millis(50);

/// The tasks of each process.
const TASKS: usize = 4;

/// The longest time between two looks of a region that waits, in milliseconds: its default.
const POLL: f64 = 250.0;

/// The median round trip of the raw client, in milliseconds.
fn round_trip(runtime: &Runtime, url: &str) -> f64 {
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server is there");
        tokio::spawn(connection);
        let select = client.prepare("SELECT 1").await.expect("the server answers");
        let mut trips = Vec::new();
        for _ in 0..500 {
            let began = Instant::now();
            client.query_one(&select, &[]).await.expect("the server answers");
            trips.push(began.elapsed().as_secs_f64() * 1e3);
        }
        median(trips.into_iter())
    })
}

fn main() {
    if child::is_child() {
        return child::run(async |_, url, settings| child::obey(Ours::connect(url, settings).await).await);
    }
    // Criterion has no part in this, but its arguments are understood.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let fleets: &[(usize, u64)] = if is_measuring() { &[(2, 100), (8, 100)] } else { &[(2, 1)] };
    let server = PostgresServer::start().expect("a PostgreSQL server");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Postgres::builder(&server.url()).migrate()).expect("the tables");
    let mut key = 0;
    for &(processes, rounds) in fleets {
        let mut fleet = Subject::ours("region").start(&server.url(), processes, Duration::from_secs(10), false);
        let (mut woken, mut trips) = (Woken::default(), Vec::new());
        for round in 1..=rounds {
            // (A key of its own: nothing has to be deleted.)
            key += 1;
            wake_once(&mut fleet, &get(key, TASKS, CREATION), &mut woken);
            if round % 10 == 1 {
                trips.push(round_trip(&runtime, &server.url()));
            }
        }
        let (trip, most) = (median(trips.into_iter()), woken.creations.iter().max().expect("there are rounds"));
        println!(
            "postgres_fleet: {processes} processes of {TASKS} tasks, {rounds} cold keys: at most {most} creations; a \
             round trip of the raw client takes {trip:.3} ms"
        );
        if woken.late.is_empty() {
            println!("postgres_fleet: no task has waited");
            continue;
        }
        // In whole microseconds.
        let goal = ((2.0 * trip + 1.0) * 1e3).round() / 1e3;
        let p50 = median(woken.late.iter().copied());
        let max = woken.late.iter().copied().fold(0.0, f64::max);
        println!(
            "postgres_fleet/{processes}: a waiter returns {p50:.2} ms after the creator has ended, in the median ({}); \
             max {max:.1} ms ({})",
            verdict(p50, goal),
            verdict(max, POLL)
        );
    }
}
