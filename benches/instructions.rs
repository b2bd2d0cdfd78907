//! How many instructions does a fresh hit cost, on each type, under each policy?
//!
//! Times in nanoseconds depend on the state of the machine. This bench counts instructions under callgrind, and so is
//! exact. It runs itself with two numbers of loops for each subject, and divides the difference. All subjects are the
//! same loop around another call.
//!
//! The goal of each hit is its cost today: see [`HITS`]. Each hit reads the clock, and the kernel decides how many
//! instructions that takes. (valgrind may hide the vDSO. A reading of the clock is then a system call, whose
//! instructions in the kernel are not counted.) The [floor](floor) reads the clock in the same way. The goals were
//! counted on a machine where the floor takes [`FLOOR`] instructions. Where the floor takes more or fewer, a hit may
//! take as many more or fewer.
//!
//! A region of `dogpile-cache` has its hits here, too: by a thread and by a task, of a value that is kept near. Beside
//! them stand a hit of `quick_cache` with a deadline by hand, and a miss of a region without a backend.
//!
//! The bench exits with an error if a goal is missed, or if there is no valgrind.

mod floor;

use arc_swap::ArcSwap;
use dogpile::{Backoff, Cached, Dogpile, Observer, OnError, Policy, RmLock, SyncReaderDogpile, Turn};
use dogpile_cache::{Near, Region};
use floor::Floor;
use floor::guarded::GuardedFloor;
use quick_cache::sync::Cache;
use std::env;
use std::error::Error;
use std::hint::black_box;
use std::pin::pin;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The cost of the floor on the machine where the goals were counted.
const FLOOR: f64 = 23.0;
const FEW: u64 = 1_000;
const MANY: u64 = 11_000;
const HOUR: Duration = Duration::from_secs(3600);

#[inline(never)]
fn repeat<S, R>(times: u64, subject: &S, hit: impl Fn(&S) -> R) {
    for _ in 0..times {
        black_box(hit(black_box(subject)));
    }
}

/// The same loop around state that a hit may change.
#[inline(never)]
fn repeat_by<S, R>(times: u64, subject: &mut S, mut hit: impl FnMut(&mut S) -> R) {
    for _ in 0..times {
        black_box(hit(black_box(&mut *subject)));
    }
}

/// An observer that does nothing.
#[derive(Debug)]
struct Nobody;

impl Observer for Nobody {}

/// Each setting of a policy, and all settings together. None of them costs a hit anything.
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

/// A form of access, the goal of its hit in instructions, and the loop around it, under a policy if there is one.
type Hit = (&'static str, f64, fn(u64, Option<&'static Policy>));

/// The hits that are counted, without a policy and under each of [`POLICIES`]. A policy costs none of these hits
/// anything, so each form has one goal.
const HITS: [Hit; 8] = [
    ("Dogpile::acquire", 33.0, |times, policy| {
        repeat(times, &fresh_dogpile(policy), |lock| matches!(lock.acquire(), Turn::Fresh));
    }),
    ("Dogpile::acquire_or_create", 32.0, |times, policy| {
        repeat(times, &fresh_dogpile(policy), |lock| lock.acquire_or_create(|| ()));
    }),
    ("Dogpile::acquire_or_try_create", 32.0, |times, policy| {
        repeat(times, &fresh_dogpile(policy), |lock| lock.acquire_or_try_create(fails).unwrap());
    }),
    ("SyncReaderDogpile::acquire_or_create", 61.0, |times, policy| {
        repeat(times, &fresh_sync_reader(policy), |lock| *lock.acquire_or_create(|| ()));
    }),
    ("SyncReaderDogpile::acquire_or_try_create", 61.0, |times, policy| {
        repeat(times, &fresh_sync_reader(policy), |lock| *lock.acquire_or_try_create(fails).unwrap());
    }),
    ("Cached::get_or_create", 97.0, |times, policy| {
        repeat(times, &fresh_cached(policy), |cached| *cached.get_or_create(|| 1));
    }),
    ("Cached::get_or_try_create", 106.0, |times, policy| {
        repeat(times, &fresh_cached(policy), |cached| *cached.get_or_try_create(fails).unwrap());
    }),
    ("Reader::get_or_create", 45.0, |times, policy| {
        repeat_by(times, &mut fresh_cached(policy).reader(), |reader| *reader.get_or_create(|| 1));
    }),
];

/// A hit of a region that keeps its values near, the goal of the hit, and the loop around it. (A region has its policy
/// from its builder, and a hit does not see it.)
type NearHit = (&'static str, f64, fn(u64));

/// The hits of a region: by a thread, and by a task.
const NEAR_HITS: [NearHit; 2] = [
    ("Region::blocking", 172.0, |times| {
        repeat(times, &fresh_region(), |region| *region.blocking().get(&1).or_create(|| 1).unwrap());
    }),
    ("Region::get", 184.0, |times| {
        repeat(times, &fresh_region(), |region| *now(region.get(&1).or_create(async || 1)).unwrap());
    }),
];

/// Returns what a future gives at its first poll.
#[inline(always)]
#[allow(clippy::inline_always)] // nothing of this is the subject
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("nobody is waited for"),
    }
}

fn region(holding: usize) -> Region<u64, u64> {
    Region::builder("bench").near(Near::holding(holding)).expires_after(HOUR).build().expect("the settings agree")
}

fn fresh_region() -> Region<u64, u64> {
    let region = region(100);
    region.blocking().get(&1).or_create(|| 1).expect("nothing fails");
    region
}

fn fails<T>() -> Result<T, &'static str> {
    Err("a hit creates nothing")
}

/// Makes a lock of this type with a fresh value, under the policy if there is one.
macro_rules! fresh {
    ($($name:ident: $lock:ty, $create:expr;)+) => {
        $(
            fn $name(policy: Option<&'static Policy>) -> $lock {
                let lock = <$lock>::new(HOUR);
                let lock = if let Some(policy) = policy { lock.with_policy(policy) } else { lock };
                $create(&lock);
                lock
            }
        )+
    };
}
fresh! {
    fresh_dogpile: Dogpile, |lock: &Dogpile| lock.acquire_or_create(|| ());
    fresh_sync_reader: SyncReaderDogpile, |lock: &SyncReaderDogpile| drop(lock.acquire_or_create(|| ()));
    fresh_cached: Cached<u64>, |cached: &Cached<u64>| *cached.get_or_create(|| 0);
}

/// Runs the loop that callgrind watches.
fn run(subject: &str, policy: &str, times: u64) {
    match subject {
        "floor" => repeat(times, &Floor::fresh_for(HOUR), Floor::is_fresh),
        "guarded_floor" => repeat(times, &GuardedFloor::fresh_for(HOUR), GuardedFloor::is_fresh),
        "RmLock::read" => {
            let lock = RmLock::new(0_u64);
            repeat(times, &lock, |lock| *lock.read());
        }
        "arc_swap_by_hand" => {
            let by_hand = (Floor::fresh_for(HOUR), ArcSwap::from_pointee(0_u64));
            repeat(times, &by_hand, |(floor, value)| floor.is_fresh().then(|| **value.load()));
        }
        "quick_cache_by_hand" => {
            let by_hand = Cache::<u64, Arc<(u64, Floor)>>::new(100);
            by_hand.insert(1, Arc::new((1, Floor::fresh_for(HOUR))));
            repeat(times, &by_hand, |by_hand| by_hand.get(&1).filter(|kept| kept.1.is_fresh()).map(|kept| kept.0));
        }
        "Region::miss" => {
            let mut key = 0;
            repeat_by(times, &mut region(16), |region| {
                key += 1;
                now(region.get(&key).or_create(async || 1))
            });
        }
        hit if NEAR_HITS.iter().any(|(name, ..)| *name == hit) => {
            NEAR_HITS.iter().filter(|(name, ..)| *name == hit).for_each(|(.., run)| run(times));
        }
        hit => {
            let found = HITS.iter().find(|(name, ..)| *name == hit);
            let (.., run) = found.unwrap_or_else(|| panic!("no such subject: {hit}"));
            let named = POLICIES.iter().find(|(name, _)| *name == policy);
            assert!(named.is_some() || policy == NO_POLICY, "no such policy: {policy}");
            run(times, named.map(|(_, policy)| policy));
        }
    }
}

const NO_POLICY: &str = "no policy";

/// Runs this program under callgrind and returns the number of instructions executed.
fn collect(subject: &str, policy: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--count", subject, policy, &times.to_string()])
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

/// Returns the instructions per call.
fn count(subject: &str, policy: &str) -> Result<f64, Box<dyn Error>> {
    let more = collect(subject, policy, MANY)?.saturating_sub(collect(subject, policy, FEW)?);
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let each = more as f64 / (MANY - FEW) as f64;
    // The fraction is noise from the start of the process, which differs between the two runs.
    Ok(each.round())
}

/// Prints the figures. Returns the missed goals, in words.
fn compare() -> Result<Vec<String>, Box<dyn Error>> {
    let floor = count("floor", NO_POLICY)?;
    println!("instructions/floor: {floor}");
    let mut missed = Vec::new();
    for (hit, goal, _) in HITS {
        let goal = goal + floor - FLOOR;
        for policy in [NO_POLICY].into_iter().chain(POLICIES.iter().map(|(name, _)| *name)) {
            let counted = count(hit, policy)?;
            let verdict = if counted > goal { "MISSED" } else { "met" };
            println!("instructions/{hit}/{policy}: {counted} (goal: at most {goal}, {verdict})");
            if counted > goal {
                missed.push(format!("{hit}, {policy}: {counted} instructions, and the goal is {goal}"));
            }
        }
    }
    for (hit, goal, _) in NEAR_HITS {
        let (goal, counted) = (goal + floor - FLOOR, count(hit, NO_POLICY)?);
        let verdict = if counted > goal { "MISSED" } else { "met" };
        println!("instructions/{hit}: {counted} (goal: at most {goal}, {verdict})");
        if counted > goal {
            missed.push(format!("{hit}: {counted} instructions, and the goal is {goal}"));
        }
    }
    // Other subjects, for comparison. (`benches/peers` has goals for their time.)
    for other in ["guarded_floor", "RmLock::read", "arc_swap_by_hand", "quick_cache_by_hand", "Region::miss"] {
        println!("instructions/{other}: {}", count(other, NO_POLICY)?);
    }
    Ok(missed)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--count", subject, policy, times] => {
            run(subject, policy, times.parse().expect("a number of times"));
            ExitCode::SUCCESS
        }
        // Only `cargo bench` passes this; `cargo test` runs benches as well, and there is nothing to test.
        _ if !arguments.contains(&"--bench") => ExitCode::SUCCESS,
        _ if !cfg!(all(target_os = "linux", target_arch = "x86_64")) => {
            println!("instructions: counted on Linux on x86_64 only, of which the goals are");
            ExitCode::SUCCESS
        }
        _ => match compare() {
            Ok(missed) if missed.is_empty() => ExitCode::SUCCESS,
            Ok(missed) => {
                eprintln!("instructions: a hit costs more than it did:\n  {}", missed.join("\n  "));
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("instructions: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
