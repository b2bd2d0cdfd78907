//! The figures, and how they are taken.

use crate::fleet::child::now;
use crate::fleet::interleaved::{median, verdict};
use crate::fleet::process::{Process, Said, Subject};
use crate::fleet::{Woken, get, millis, wake_once};
use dogpile_servers::RedisServer;
use rustix::process::Signal;
use std::thread;
use std::time::{Duration, Instant};

/// How much is done.
#[derive(Clone, Copy)]
pub struct Scale {
    /// The fleets of `wake`: processes, and tasks of each.
    fleets: [(usize, usize); 2],
    /// The fleet of `stopped`.
    cut_off: (usize, usize),
    /// The rounds of `wake`, in which all subjects have their turn.
    wakes: u64,
    /// The rounds of `killed`.
    kills: u64,
    creation: Duration,
    lease: Duration,
    /// For how long the server is stopped.
    stop: Duration,
    /// How long the next creator is waited for.
    patience: Duration,
}

impl Scale {
    pub const FULL: Scale = Scale {
        fleets: [(2, 1), (8, 32)],
        cut_off: (2, 32),
        wakes: 25,
        kills: 3,
        creation: Duration::from_millis(300),
        lease: Duration::from_secs(5),
        stop: Duration::from_secs(3),
        patience: Duration::from_secs(20),
    };
    pub const ONCE: Scale = Scale {
        fleets: [(2, 1), (2, 2)],
        cut_off: (1, 2),
        wakes: 1,
        kills: 1,
        creation: Duration::from_millis(20),
        lease: Duration::from_millis(300),
        stop: Duration::from_millis(200),
        patience: Duration::from_secs(20),
    };
}

/// Takes a figure of some subjects, and prints it.
pub type Take = fn(&RedisServer, &[Subject], Scale);

/// The median round trip of a client that blocks, in milliseconds.
fn round_trip(server: &RedisServer) -> f64 {
    let mut client = server.client().expect("a connection");
    let trip = |_| {
        let began = Instant::now();
        client.command(&["GET", "nothing"]).expect("the server answers");
        began.elapsed().as_secs_f64() * 1e3
    };
    median((0..1000).map(trip).collect::<Vec<_>>().into_iter())
}

/// The longest time between two looks of a region that waits, in milliseconds: its default.
const POLL: f64 = 250.0;

/// From the end of the creator to the return of those that have waited for it in another process.
pub fn wake(server: &RedisServer, subjects: &[Subject], scale: Scale) {
    // (Without subjects there is nothing to be said of the server.)
    for (processes, tasks) in scale.fleets.into_iter().filter(|_| !subjects.is_empty()) {
        let start = |subject: &Subject| subject.start(&server.url(), processes, scale.lease, true);
        let mut fleets: Vec<Vec<Process>> = subjects.iter().map(start).collect();
        let mut all: Vec<Woken> = subjects.iter().map(|_| Woken::default()).collect();
        let mut trips = Vec::new();
        for round in 1..=scale.wakes {
            for (fleet, woken) in fleets.iter_mut().zip(&mut all) {
                server.flush().expect("the server answers");
                wake_once(fleet, &get(round, tasks, scale.creation), woken);
            }
            trips.push(round_trip(server));
        }
        let trip = median(trips.into_iter());
        println!("\nredis_wake: {processes} processes of {tasks} tasks");
        println!("redis_wake: a round trip of a client that blocks takes {trip:.3} ms");
        for (subject, woken) in subjects.iter().zip(&all) {
            let name = format!("redis_wake/{}/{}", subject.name, processes * tasks);
            print(woken, &name, subject.name == "region", trip);
        }
    }
}

/// Prints a figure of `wake`.
fn print(woken: &Woken, name: &str, is_ours: bool, trip: f64) {
    let most = woken.creations.iter().max().expect("there are rounds");
    if woken.late.is_empty() {
        println!("{name}: no process waits for another one: {most} creations");
        return;
    }
    let p50 = median(woken.late.iter().copied());
    let max = woken.late.iter().copied().fold(0.0, f64::max);
    let low = woken.medians.iter().copied().fold(f64::MAX, f64::min);
    let high = woken.medians.iter().copied().fold(0.0, f64::max);
    // Two round trips and 1 ms, in whole microseconds.
    let goal = ((2.0 * trip + 1.0) * 1e3).round() / 1e3;
    let says = |figure, goal| if is_ours { format!(" ({})", verdict(figure, goal)) } else { String::new() };
    println!(
        "{name}: p50 {p50:.2} ms{}, of a round {low:.2} to {high:.2} ms; max {max:.1} ms{}; at most {most} \
         creations",
        says(p50, goal),
        says(max, POLL)
    );
}

/// From SIGKILL of the holder to the next creator.
pub fn killed(server: &RedisServer, subjects: &[Subject], scale: Scale) {
    println!();
    for subject in subjects {
        let mut took = Vec::new();
        for round in 1..=scale.kills {
            server.flush().expect("the server answers");
            let mut fleet = subject.start(&server.url(), 2, scale.lease, true);
            let [holder, next] = &mut fleet[..] else { unreachable!("two processes") };
            holder.tell(&get(round, 1, Duration::from_mins(10)));
            holder.until(|said| matches!(said, Said::Creates(_)));
            next.tell(&get(round, 1, Duration::ZERO));
            // A lease is renewed meanwhile. One that does not wait is there by then.
            let creates = |said: &Said| matches!(said, Said::Creates(_));
            if next.until_within(scale.lease / 5, creates).is_some() {
                took.clear();
                break;
            }
            let at = now();
            holder.signal(Signal::KILL);
            let said = next.until_within(scale.patience, creates);
            took.push(said.and_then(|said| match said.last() {
                Some(Said::Creates(next)) => Some(millis(next.saturating_sub(at))),
                _ => None,
            }));
        }
        print!("redis_killed/{}: ", subject.name);
        match took.iter().copied().collect::<Option<Vec<f64>>>() {
            Some(all) if all.is_empty() => println!("no process waits for another one"),
            Some(all) => {
                let all: Vec<String> = all.iter().map(|one| format!("{:.2}", one / 1e3)).collect();
                println!("the next creator after {} s", all.join(", "));
            }
            None => println!("no creator within {} s", scale.patience.as_secs()),
        }
    }
}

/// Which value is there after a holder was late.
pub fn late(server: &RedisServer, subjects: &[Subject], scale: Scale) {
    println!();
    for subject in subjects {
        server.flush().expect("the server answers");
        let mut fleet = subject.start(&server.url(), 2, scale.lease, false);
        let [holder, next] = &mut fleet[..] else { unreachable!("two processes") };
        holder.tell(&get(1, 1, scale.lease / 10));
        holder.until(|said| matches!(said, Said::Creates(_)));
        holder.signal(Signal::STOP);
        next.tell(&get(1, 1, Duration::ZERO));
        let is_done = |said: &Said| *said == Said::Done;
        let came = next.until_within(scale.patience, is_done).is_some();
        holder.signal(Signal::CONT);
        print!("redis_late/{}: ", subject.name);
        if !came {
            println!("no other process creates within {} s", scale.patience.as_secs());
            continue;
        }
        holder.until(is_done);
        let mut reader = subject.start(&server.url(), 1, scale.lease, false).pop().expect("one process");
        reader.tell(&get(1, 1, Duration::ZERO));
        let said = reader.until(is_done);
        let value = said.iter().find_map(|said| match said {
            Said::Returned { value, .. } => Some(value.parse::<u32>().expect("a pid")),
            _ => None,
        });
        println!(
            "{}",
            match value {
                Some(pid) if pid == holder.id() => "the late holder has overwritten the newer value",
                Some(pid) if pid == next.id() => "the newer value is kept",
                _ => "neither value is there",
            }
        );
    }
}

/// The longest access while the server is stopped.
pub fn stopped(server: &RedisServer, subjects: &[Subject], scale: Scale) {
    println!();
    let (processes, tasks) = scale.cut_off;
    for subject in subjects {
        server.flush().expect("the server answers");
        let mut fleet = subject.start(&server.url(), processes, scale.lease, false);
        fleet[0].tell(&get(1, 1, Duration::ZERO));
        fleet[0].until(|said| *said == Said::Done);
        for process in &mut fleet {
            process.tell(&format!("repeat 1 {} {}", tasks, (scale.stop * 2).as_millis()));
        }
        thread::sleep(scale.stop / 3);
        server.stop().expect("the server runs");
        thread::sleep(scale.stop);
        server.go_on().expect("the server goes on");
        let (mut longest, mut failed) = (0, 0);
        for process in &mut fleet {
            for said in process.until(|said| *said == Said::Done) {
                if let Said::Longest { nanos, errors } = said {
                    (longest, failed) = (longest.max(nanos), failed + errors);
                }
            }
        }
        println!(
            "redis_stopped/{}/{}: the longest access takes {:.2} s, {failed} fail",
            subject.name,
            processes * tasks,
            millis(longest) / 1e3
        );
    }
}
