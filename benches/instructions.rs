//! How many instructions does a fresh hit cost beyond the floor?
//!
//! The benches in nanoseconds are at the mercy of the machine; this one counts, under callgrind, and so is exact: it
//! runs itself with two numbers of loops for each subject and divides the difference. Both subjects are the same loop
//! around another call. The clock is read by both in the same way (valgrind may hide the vDSO, and a reading is then a
//! system call, whose instructions in the kernel are not counted), so it is not part of the difference.
//!
//! Exits with an error if the goal is missed, or if there is no valgrind.

mod floor;

use arc_swap::ArcSwap;
use dogpile::{Backoff, Cached, Dogpile, Observer, OnError, Policy, RmLock, SyncReaderDogpile, Turn};
use floor::Floor;
use floor::guarded::GuardedFloor;
use std::env;
use std::error::Error;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// By how many instructions a hit may exceed the floor.
const GOAL: f64 = 15.0;
/// By how many a hit with its guard, which is dropped, may exceed the floor of those.
const GUARDED_GOAL: f64 = 40.0;
const FEW: u64 = 1_000;
const MANY: u64 = 11_000;
const HOUR: Duration = Duration::from_secs(3600);

#[inline(never)]
fn repeat<S, R>(iterations: u64, subject: &S, hit: impl Fn(&S) -> R) {
    for _ in 0..iterations {
        black_box(hit(black_box(subject)));
    }
}

/// Is told, and does nothing.
#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {}

/// Each setting of a policy, and all of them: none costs a hit anything.
const POLICIES: [(&str, Policy); 9] = [
    ("retry_after", Policy::builder().retry_after(BACKOFF).build_const()),
    ("on_error", Policy::builder().on_error(OnError::ServeStale).build_const()),
    ("creation_timeout", Policy::builder().creation_timeout(HOUR).build_const()),
    ("max_stale", Policy::builder().max_stale(HOUR).build_const()),
    ("refresh_at", Policy::builder().refresh_at(0.9).build_const()),
    ("refresh_early", Policy::builder().refresh_early(1.0).build_const()),
    ("jitter", Policy::builder().jitter(0.1).build_const()),
    ("observer", Policy::builder().observer(&Nobody).build_const()),
    (
        "all",
        Policy::builder()
            .retry_after(BACKOFF)
            .on_error(OnError::ServeStale)
            .creation_timeout(HOUR)
            .max_stale(HOUR)
            .refresh_early(1.0)
            .jitter(0.1)
            .max_skew(HOUR)
            .observer(&Nobody)
            .name("all")
            .build_const(),
    ),
];
const BACKOFF: Backoff = Backoff::new(HOUR, HOUR);

/// The lock under that policy, if the subject is one.
fn ruled(subject: &str) -> Option<Dogpile> {
    let named = POLICIES.iter().find(|(name, _)| subject == format!("under_{name}"));
    named.map(|(_, policy)| Dogpile::new(HOUR).with_policy(policy))
}

/// What callgrind watches.
fn run(subject: &str, iterations: u64) {
    match subject {
        "floor" => repeat(iterations, &Floor::fresh_for(HOUR), Floor::is_fresh),
        "acquire_or_create" | "acquire" => {
            let lock = Dogpile::new(HOUR);
            lock.acquire_or_create(|| ());
            if subject == "acquire" {
                repeat(iterations, &lock, |lock| matches!(lock.acquire(), Turn::Fresh));
            } else {
                repeat(iterations, &lock, |lock| lock.acquire_or_create(|| ()));
            }
        }
        "guarded_floor" => repeat(iterations, &GuardedFloor::fresh_for(HOUR), GuardedFloor::is_fresh),
        "guarded" => {
            let lock = SyncReaderDogpile::new(HOUR);
            drop(lock.acquire_or_create(|| ()));
            repeat(iterations, &lock, |lock| *lock.acquire_or_create(|| ()));
        }
        "rm_lock_read" => {
            let lock = RmLock::new(0_u64);
            repeat(iterations, &lock, |lock| *lock.read());
        }
        "cached" => {
            let cached = Cached::new(HOUR);
            cached.set(0_u64);
            repeat(iterations, &cached, |cached| *cached.get_or_create(|| 1));
        }
        "arc_swap_by_hand" => {
            let by_hand = (Floor::fresh_for(HOUR), ArcSwap::from_pointee(0_u64));
            repeat(iterations, &by_hand, |(floor, value)| floor.is_fresh().then(|| **value.load()));
        }
        other => {
            let lock = ruled(other).unwrap_or_else(|| panic!("no such subject: {other}"));
            lock.acquire_or_create(|| ());
            repeat(iterations, &lock, |lock| lock.acquire_or_create(|| ()));
        }
    }
}

/// Runs this program under callgrind and returns the number of instructions executed.
fn collect(subject: &str, iterations: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--count", subject, &iterations.to_string()])
        .output()
        .map_err(|error| format!("valgrind is needed to count instructions, and does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("valgrind ended with {}:\n{said}", output.status).into());
    }
    // The line is "==1234== Collected : 567".
    let total = said.lines().find_map(|line| line.split_once("Collected :")).ok_or("no total in callgrind's output")?;
    Ok(total.1.trim().parse()?)
}

/// Instructions per call.
fn count(subject: &str) -> Result<f64, Box<dyn Error>> {
    let more = collect(subject, MANY)?.saturating_sub(collect(subject, FEW)?);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let each = more as f64 / (MANY - FEW) as f64;
    // What remains behind the point is noise from the start of the process, which the two runs do not share.
    Ok(each.round())
}

/// Prints the figures; returns whether the goal is met.
fn compare() -> Result<bool, Box<dyn Error>> {
    let mut met = true;
    for (floor, subjects, most) in
        [("floor", &["acquire_or_create", "acquire"][..], GOAL), ("guarded_floor", &["guarded"], GUARDED_GOAL)]
    {
        let base = count(floor)?;
        println!("instructions/{floor}/1: {base}");
        for subject in subjects {
            let hit = count(subject)?;
            let beyond = hit - base;
            let goal = if beyond <= most { "met" } else { "MISSED" };
            println!("instructions/{subject}/1: {hit}, {beyond:+} beyond the floor (goal: at most {most}, {goal})");
            met &= beyond <= most;
        }
    }
    let plain = count("acquire_or_create")?;
    for (name, _) in &POLICIES {
        let hit = count(&format!("under_{name}"))?;
        let goal = if (hit - plain).abs() < 1.0 { "met" } else { "MISSED" };
        println!("instructions/under_{name}/1: {hit} (goal: as without a policy, {plain}, {goal})");
        met &= goal == "met";
    }
    // These have no goal of their own. (Their time has: `benches/peers`.)
    println!("instructions/cached/1: {}", count("cached")?);
    println!("instructions/arc_swap_by_hand/1: {}", count("arc_swap_by_hand")?);
    println!("instructions/rm_lock_read/1: {}", count("rm_lock_read")?);
    Ok(met)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--count", subject, iterations] => {
            run(subject, iterations.parse().expect("a number of iterations"));
            ExitCode::SUCCESS
        }
        _ if !cfg!(target_os = "linux") => {
            println!("instructions: counted on Linux only");
            ExitCode::SUCCESS
        }
        // Only `cargo bench` passes this; `cargo test` runs benches as well, and there is nothing to test.
        _ if arguments.contains(&"--bench") => match compare() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("instructions: {error}");
                ExitCode::FAILURE
            }
        },
        _ => ExitCode::SUCCESS,
    }
}
