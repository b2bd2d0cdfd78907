//! Who reads on this thread: one record for each thread, shared by all locks.
//!
//! A record has a few entries. To enter, its thread stores the lock's number into a free one; to leave, 0. Nobody else
//! writes there, so both are plain stores. Writers walk all records and look for their number.
//!
//! # Whose a record is
//!
//! | `taken` | its entries | |
//! |---|---|---|
//! | true | any | it belongs to a thread that runs |
//! | false | one is not 0 | its thread has ended, or is ending, and a guard has outlived it (in another thread-local, or leaked) |
//! | false | all are 0 | free: the next thread that comes takes it |
//!
//! Records are made in blocks. So there are as many as it took for the threads that read at the same time, at the time
//! when they were most, and those that leaked guards have spoilt, and the rest of a block. They are never freed, and an
//! entry's address names it for good.
//!
//! A thread gives its record up while its thread-locals are destroyed, in an order that nobody knows. A guard that is
//! dropped after that finds the record marked `LATE`, and leaves its entry; what the thread enters after that, the
//! record does not hold. That this thread reads must not be forgotten in between (L9), so the numbers that are left in
//! the record then are noted in [`running`](crate::running) as well.
//!
//! # How a writer finds them
//!
//! The blocks are a list. A thread that needs a record, and finds none free, appends a block, under a mutex; a writer
//! walks the list without one. So writers of different locks do not wait for each other, nor for threads that come to
//! read, nor these for them. The walk goes on under the mutex of the writer's own lock, for which readers of that lock
//! wait: those who leave it meanwhile, and those who read it already and come once more.
//!
//! | `free` of a block | its records | |
//! |---|---|---|
//! | all there are | no thread has one, and no guard is left in one | a walk passes over the block |
//! | fewer | some are taken or spoilt | a walk looks at all of them; if `free` is not 0, the next thread takes one of them |
//!
//! A record is counted as free after it has become so, and is not any more before its new thread marks it; so `free`
//! may be too small for a moment, but never too large.
//!
//! A walk misses no reader that it has to find. The thread of a record has linked its block, or has come after the
//! thread that did, and has taken the record off `free`, all before it marks an entry; so the fence behind the mark
//! stands behind these, too. A writer that missed one of them would have missed the mark: the reader then finds the
//! gate closed (see [`readers`](super)).
//!
//! A writer takes 0.7 µs with 10 records, 2.7 µs with 1,000 and 31 µs with 10,000, the kernel's fence of 0.5 µs
//! included; so does each of two that write different locks at once, if each has a core. (With one list of all records
//! behind one mutex, 10,000 took 62 µs, and each of two writers twice that.)

use crate::running::{Doing, begin, end};
use crate::sync::once::OnceBox;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutant, Mutex, OnceLock, Ordering, fences, global, local, mutant};
use crossbeam_utils::CachePadded;
use std::array;
use std::cell::Cell;
use std::iter;
use std::ptr;

/// Deeper nesting than this goes to the counters. (Two in models, so that they get there.)
pub(super) const ENTRIES: usize = if cfg!(dogpile_loom) { 2 } else { 8 };

/// What leaving takes beside clearing the entry.
///
/// | its value | |
/// |---|---|
/// | `ASYMMETRIC` | no fence: the kernel helps ([`fences`]) |
/// | `FULL` | a full fence |
/// | `LATE` | the thread has given the record up, and notes elsewhere what is left in it |
type Leaving = u32;

const ASYMMETRIC: Leaving = 0;
const FULL: Leaving = 1;
const LATE: Leaving = 2;

#[derive(Debug)]
pub(super) struct Record {
    entries: [AtomicU64; ENTRIES],
    /// Its thread's alone: atomic, and always relaxed, because Rust has no other word that a `static` may hold and one
    /// thread may write without a lock.
    leaving: AtomicU32,
    taken: AtomicBool,
    /// Known from when it was taken first.
    block: OnceLock<&'static Block>,
}

/// How many records are made at a time. (One in models, so that they have to look for more.)
const IN_A_BLOCK: u32 = if cfg!(dogpile_loom) { 1 } else { 32 };

#[derive(Debug)]
struct Block {
    records: [CachePadded<Record>; IN_A_BLOCK as usize],
    free: AtomicU32,
    next: Link,
}

type Link = OnceBox<&'static Block>;

/// What a thread may come to cost.
#[cfg(not(dogpile_loom))]
const _: () = assert!(size_of::<CachePadded<Record>>() + size_of::<&Record>() <= 256);

global! {
    /// To the first block.
    static BLOCKS: Link = Link::new();
}

global! {
    /// Held by a thread that takes a record.
    static TAKING: Mutex<()> = Mutex::new(());
}

fn blocks() -> impl Iterator<Item = &'static Block> {
    // Acquire, in `get`: the block is seen as it was made.
    iter::successors(BLOCKS.get().copied(), |block| block.next.get().copied())
}

impl Block {
    /// A new one, behind the last. By whoever holds `TAKING`.
    fn append() -> &'static Self {
        let made = || {
            let records = array::from_fn(|_| CachePadded::new(Record::new()));
            let made: &'static Self =
                Box::leak(Box::new(Self { records, free: AtomicU32::new(IN_A_BLOCK), next: Link::new() }));
            Box::new(made)
        };
        match blocks().last() {
            None => BLOCKS.get_or_init(made),
            Some(last) => last.next.get_or_init(made),
        }
    }
}

local! {
    // Without a destructor: an access to it is an access to memory.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };
    static GIVEN_UP_ON_EXIT: GivenUpOnExit = const { GivenUpOnExit(Cell::new(None)) };
}

/// The same record again, with a destructor.
struct GivenUpOnExit(Cell<Option<&'static Record>>);

impl Drop for GivenUpOnExit {
    fn drop(&mut self) {
        // (It is gone only in models, where every local has a destructor.)
        let _gone = RECORD.try_with(Cell::take);
        if let Some(record) = self.0.take() {
            record.give_up();
        }
    }
}

impl Record {
    fn new() -> Self {
        Self {
            leaving: AtomicU32::new(LATE),
            taken: AtomicBool::new(false),
            entries: array::from_fn(|_| AtomicU64::new(0)),
            block: OnceLock::new(),
        }
    }

    /// This thread's record, if it has one.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn here() -> Option<&'static Self> {
        RECORD.with(Cell::get)
    }

    /// This thread's record; `None` if its thread-locals are already gone.
    pub(super) fn here_or_taken() -> Option<&'static Self> {
        Self::here().or_else(Self::take)
    }

    #[cold]
    fn take() -> Option<&'static Self> {
        // It exists from now on, and its destructor will run.
        GIVEN_UP_ON_EXIT.try_with(|_| ()).ok()?;
        let leaving = if fences::is_asymmetric() { ASYMMETRIC } else { FULL };
        let taking = TAKING.lock();
        // Acquire: pairs with the release in `count_free`, so that the free one is seen to be.
        let block = blocks().find(|block| block.free.load(Ordering::Acquire) != 0).unwrap_or_else(Block::append);
        let record: &'static Self = block.records.iter().find(|record| record.is_free()).expect("one is free");
        // Relaxed, all: records are taken under the mutex, and how they are left is read by their thread only. (For
        // writers the fence behind the first mark stands behind the count, too.)
        if !mutant(Mutant::TakenUncounted) {
            block.free.fetch_sub(1, Ordering::Relaxed);
        }
        record.taken.store(true, Ordering::Relaxed);
        record.leaving.store(leaving, Ordering::Relaxed);
        record.block.get_or_init(|| block);
        drop(taking);
        let _set = GIVEN_UP_ON_EXIT.try_with(|here| here.0.set(Some(record)));
        RECORD.with(|here| here.set(Some(record)));
        Some(record)
    }

    fn is_free(&self) -> bool {
        // Acquire, both: pair with the releases in `give_up` and `leave`, so that all that the thread before us did
        // with this record lies behind us. The last thing it does is one of these two.
        !self.taken.load(Ordering::Acquire) && self.entries.iter().all(|entry| entry.load(Ordering::Acquire) == 0)
    }

    #[cold]
    fn give_up(&self) {
        // Relaxed: this thread is the only one to write it.
        self.leaving.store(LATE, Ordering::Relaxed);
        let left = self.numbers().inspect(|number| begin(*number, Doing::Reading)).count();
        // Release: pairs with the acquire in `is_free`.
        self.taken.store(false, Ordering::Release);
        if left == 0 {
            self.count_free();
        }
    }

    /// It has become free. (And may be another's by now, if somebody came for one that was counted before it.)
    fn count_free(&self) {
        if let Some(block) = self.block.get() {
            // Release: pairs with the acquires in `take` and `walk`, of whatever count this becomes a part of.
            block.free.fetch_add(1, Ordering::Release);
        }
    }

    /// Enters the lock of that number; returns the entry, with a fence behind it. `None` if all entries are taken.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn enter(&self, number: u64) -> Option<&AtomicU64> {
        // Relaxed, both: ours alone.
        let entry =
            if self.entries[0].load(Ordering::Relaxed) == 0 { &self.entries[0] } else { self.free_beside_the_first()? };
        let leaving = self.leaving.load(Ordering::Relaxed);
        // Release: who reads the number here has acquired whatever this thread did before, and so all that it did under
        // the numbers that stood here before.
        entry.store(number, Ordering::Release);
        fences::light(leaving == ASYMMETRIC);
        Some(entry)
    }

    #[inline(never)]
    fn free_beside_the_first(&self) -> Option<&AtomicU64> {
        // Relaxed: ours alone.
        self.entries[1..].iter().find(|entry| entry.load(Ordering::Relaxed) == 0)
    }

    /// Leaves the lock of that number; there is a fence behind it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn leave(&self, entry: &AtomicU64, number: impl FnOnce() -> u64) {
        // Relaxed: ours alone.
        let leaving = self.leaving.load(Ordering::Relaxed);
        match leaving {
            ASYMMETRIC => {
                // Release: pairs with the acquire in `walk`. What was read under this guard was read before a writer
                // goes in (L9).
                entry.store(0, Ordering::Release);
                fences::light(true);
            }
            FULL => {
                // Release: likewise.
                entry.store(0, Ordering::Release);
                fences::light(false);
            }
            _ => self.leave_late(entry, number()),
        }
    }

    /// Leaves a record that its thread has given up.
    #[cold]
    fn leave_late(&self, entry: &AtomicU64, number: u64) {
        end(number, Doing::Reading);
        // Nobody takes it before the store below.
        let is_last = self.numbers().count() == 1;
        // Release: as in `leave`, and pairs with the acquire in `is_free`: the last that we do with the record.
        entry.store(0, Ordering::Release);
        fences::light(fences::is_asymmetric());
        if is_last {
            self.count_free();
        }
    }

    /// The numbers in its entries. On its own thread, or where nobody else can have it.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        // Relaxed: ours alone.
        self.entries.iter().map(|entry| entry.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Whether one of the entries has that number. On its own thread.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.numbers().any(|held| held == number)
    }
}

/// The addresses of all entries, of any thread, that have that number.
pub(super) fn walk(number: u64) -> impl Iterator<Item = usize> {
    // Acquire: pairs with the release in `count_free`. If all are free here, all who had one have left before this, and
    // what they read they have read.
    let in_use = |block: &&Block| block.free.load(Ordering::Acquire) != IN_A_BLOCK;
    let entries = blocks().filter(in_use).flat_map(|block| &block.records).flat_map(|record| &record.entries);
    // Acquire: pairs with the releases in `leave` and `enter`. If the number is not there, all who had it have left
    // before this, and what they read they have read.
    let have_it = entries.filter(move |entry| entry.load(Ordering::Acquire) == number);
    have_it.map(|entry| ptr::from_ref(entry).addr())
}

/// Runs `run` while no thread can take a record.
#[cfg(all(test, not(dogpile_loom)))]
pub(super) fn while_taking<R>(run: impl FnOnce() -> R) -> R {
    let _taking = TAKING.lock();
    run()
}
