//! What does a fresh hit with its guard cost, and what does the write lock?
//!
//! | subject | what it does |
//! |---|---|
//! | `floor` | the least: an entry in the thread's record, compiler fence, deadline, coarse clock, and out again |
//! | `sync_reader` | `SyncReaderDogpile::acquire_or_create`, and the guard is dropped |
//! | `sharded_coarse` | the same job by hand: crossbeam's `ShardedLock` around a deadline, and the coarse clock |
//! | `sharded_bare` | `ShardedLock::read` alone: no deadline, no clock |
//! | `rwlock_coarse` | the same job with `parking_lot::RwLock`, and the coarse clock (`hit` has it with `Instant`) |
//! | `rm_lock` | `RmLock::read` alone |
//!
//! After the groups come the figures that have a goal. Each is a ratio of two subjects, taken in turn in many short
//! rounds. The goal beside `ShardedLock` is set against both of its subjects. `sharded_coarse` does the same job, and
//! is what a user would have instead. `sharded_bare` is harder to meet, since only one side has a clock. The figures of
//! the floor tell how much is left for the lock: where locked operations are cheap, the clock alone takes more than the
//! goal allows, and no lock can meet it. The last line has no clock on either side, and so compares the locks
//! themselves.
//!
//! `fallback` is the same with full fences. `write` is an uncontended write lock, beside a bare membarrier and a walk
//! over as many records as threads have read. Each of them has a process of its own, since fences are decided once and
//! records stay. The sizes are printed here; `tests/readers_memory.rs` shows how much memory is allocated.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod floor;
mod interleaved;

use criterion::Criterion;
use crossbeam_utils::sync::ShardedLock;
use dogpile::{Outcome, RmLock, SyncReaderDogpile};
use floor::Floor;
use floor::guarded::GuardedFloor;
use interleaved::{Subject, bench, compare, is_measuring, verdict};
use parking_lot::RwLock;
use std::env;
use std::process::Command;
use std::sync::PoisonError;
use std::time::Duration;

/// The goals of a hit: in floors; beside `ShardedLock`; and beside `ShardedLock` with full fences.
const FLOOR_GOAL: f64 = 1.5;
const SHARDED_GOAL: f64 = 0.45;
const FALLBACK_GOAL: f64 = 1.2;
const HOUR: Duration = Duration::from_secs(3600);
const THREADS: [usize; 3] = [1, 2, 4];

impl Subject for GuardedFloor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.is_fresh()
    }
}

impl Subject for SyncReaderDogpile {
    type Seen = Outcome;

    #[inline(always)]
    fn hit(&self) -> Outcome {
        *self.acquire_or_create(|| ())
    }
}

impl Subject for ShardedLock<Floor> {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.read().unwrap_or_else(PoisonError::into_inner).is_fresh()
    }
}

impl Subject for ShardedLock<u64> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> u64 {
        *self.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject for RwLock<Floor> {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.read().is_fresh()
    }
}

impl Subject for RmLock<u64> {
    type Seen = u64;

    #[inline(always)]
    fn hit(&self) -> u64 {
        *self.read()
    }
}

struct Subjects {
    floor: GuardedFloor,
    sync_reader: SyncReaderDogpile,
    sharded_coarse: ShardedLock<Floor>,
    sharded_bare: ShardedLock<u64>,
    rwlock_coarse: RwLock<Floor>,
    rm_lock: RmLock<u64>,
}

impl Subjects {
    fn new() -> Self {
        let sync_reader = SyncReaderDogpile::new(HOUR);
        drop(sync_reader.acquire_or_create(|| ()));
        Self {
            floor: GuardedFloor::fresh_for(HOUR),
            sync_reader,
            sharded_coarse: ShardedLock::new(Floor::fresh_for(HOUR)),
            sharded_bare: ShardedLock::new(0),
            rwlock_coarse: RwLock::new(Floor::fresh_for(HOUR)),
            rm_lock: RmLock::new(0),
        }
    }

    fn bench(&self) {
        let mut criterion = Criterion::default().configure_from_args();
        let mut group = criterion.benchmark_group("guarded_hit");
        for threads in THREADS {
            bench(&mut group, "floor", threads, &self.floor);
            bench(&mut group, "sync_reader", threads, &self.sync_reader);
            bench(&mut group, "sharded_coarse", threads, &self.sharded_coarse);
            bench(&mut group, "sharded_bare", threads, &self.sharded_bare);
            bench(&mut group, "rwlock_coarse", threads, &self.rwlock_coarse);
            bench(&mut group, "rm_lock", threads, &self.rm_lock);
        }
        group.finish();
        criterion.final_summary();
    }

    /// Compares the subjects with the kernel's help.
    fn compare(&self) {
        for threads in THREADS {
            let (floor, lock) = (("floor", &self.floor), ("sync_reader", &self.sync_reader));
            let (same, bare) = (("sharded_coarse", &self.sharded_coarse), ("sharded_bare", &self.sharded_bare));
            print("guarded_hit", threads, lock, floor, Some(FLOOR_GOAL));
            print("guarded_hit", threads, lock, same, Some(SHARDED_GOAL));
            print("guarded_hit", threads, lock, bare, Some(SHARDED_GOAL));
            print("guarded_hit", threads, floor, same, None);
            print("guarded_hit", threads, floor, bare, None);
            print("guarded_hit", threads, lock, ("rwlock_coarse", &self.rwlock_coarse), None);
            print("guarded_hit", threads, ("rm_lock", &self.rm_lock), bare, Some(SHARDED_GOAL));
        }
    }

    /// Compares the subjects without the kernel's help, by full fences.
    fn compare_fallback(&self) {
        for threads in THREADS {
            let lock = ("sync_reader", &self.sync_reader);
            print("fallback", threads, lock, ("sharded_coarse", &self.sharded_coarse), Some(FALLBACK_GOAL));
            print("fallback", threads, lock, ("sharded_bare", &self.sharded_bare), Some(FALLBACK_GOAL));
        }
    }
}

/// Prints the cost of a subject, and its ratio to the cost of the base.
fn print(group: &str, threads: usize, subject: (&str, &impl Subject), base: (&str, &impl Subject), goal: Option<f64>) {
    let [one, other, ratio] = compare(threads, base.1, subject.1);
    let goal = goal.map_or_else(String::new, |goal| format!("; {}", verdict(ratio, goal)));
    println!("{group}/{}/{threads}: {ratio:.2} x {} ({other:.2} ns / {one:.2} ns{goal})", subject.0, base.0);
}

#[cfg(target_os = "linux")]
mod write {
    use super::interleaved::{Effort, Subject, compare_in, verdict};
    use crossbeam_utils::CachePadded;
    use dogpile::RmLock;
    use rustix::thread::{MembarrierCommand, membarrier};
    use std::hint::black_box;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    /// The goal of an uncontended write lock, in writes of [`Bare`].
    const GOAL: f64 = 4.0;
    const EFFORT: Effort = Effort { rounds: 1_000, hits: 64 };

    /// The least that a writer has to do: a fence in every running thread, and a look at all entries.
    struct Bare(Vec<CachePadded<[AtomicU64; 8]>>);

    impl Subject for Bare {
        type Seen = bool;

        #[inline(always)]
        fn hit(&self) -> bool {
            // The first read of a lock has registered this process for membarrier.
            membarrier(MembarrierCommand::PrivateExpedited).expect("the kernel helps");
            let number = black_box(1);
            let mut is_taken = false;
            for record in &self.0 {
                for entry in record.iter() {
                    is_taken |= entry.load(Ordering::Acquire) == number;
                }
            }
            is_taken
        }
    }

    impl Subject for RmLock<()> {
        type Seen = ();

        #[inline(always)]
        fn hit(&self) {
            drop(self.write());
        }
    }

    /// Prints the figure for this many records. To be called in a process in which no thread has read before.
    pub fn compare(records: usize) {
        let lock = RmLock::new(());
        let bare = Bare((0..records).map(|_| CachePadded::default()).collect());
        let (have_read, over) = (Barrier::new(records + 1), Barrier::new(records + 1));
        thread::scope(|scope| {
            for _ in 0..records {
                scope.spawn(|| {
                    drop(lock.read());
                    have_read.wait();
                    over.wait();
                });
            }
            have_read.wait();
            let [least, write, ratio] = compare_in(EFFORT, 1, &bare, &lock);
            let goal = verdict(ratio, GOAL);
            println!("write/rm_lock/{records}: {ratio:.2} x bare ({write:.0} ns / {least:.0} ns; {goal})");
            over.wait();
        });
    }
}

/// Runs this program once more, for a part that needs a process of its own.
fn run_again(part: &str, more: &[usize]) {
    let program = env::current_exe().expect("the path of this program");
    let status = Command::new(program).arg(part).args(more.iter().map(usize::to_string)).status();
    assert!(status.is_ok_and(|status| status.success()), "the part {part} does not run");
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--fallback"] => {
            dogpile::force_full_fences().expect("nothing was read yet");
            Subjects::new().compare_fallback();
        }
        #[cfg(target_os = "linux")]
        ["--write", records] => write::compare(records.parse().expect("a number of records")),
        _ => {
            let subjects = Subjects::new();
            subjects.bench();
            // The goals hold with the kernel's help.
            if is_measuring() && cfg!(target_os = "linux") {
                println!();
                subjects.compare();
                run_again("--fallback", &[]);
                for records in [1, 10, 1_000] {
                    run_again("--write", &[records]);
                }
                println!("memory/RmLock<()>: {} bytes", size_of::<RmLock<()>>());
                println!("memory/SyncReaderDogpile: {} bytes", size_of::<SyncReaderDogpile>());
            }
        }
    }
}
