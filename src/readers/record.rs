//! The readers on each thread: a thread has one record, which all locks share.
//!
//! A record has a few entries. To enter a lock, the thread stores the lock's number into a free entry. To leave, it
//! stores 0. No other thread writes there, so both are plain stores. Writers walk all records, and look for their
//! lock's number.
//!
//! # The owner of a record
//!
//! | `taken` | the entries | the record |
//! |---|---|---|
//! | true | any | belongs to a thread that runs |
//! | false | one is not 0 | has lost its thread: the thread has ended or is ending, and a guard has outlived it (in another thread-local, or leaked) |
//! | false | all are 0 | is free: the next thread that comes takes it |
//!
//! Records are made in blocks. So there are as many records as there were threads reading at the same time, when these
//! were most; and the records that leaked guards have spoilt; and the rest of a block. Records are never freed, and the
//! address of an entry names the entry for good.
//!
//! A thread gives its record up while its thread-locals are destroyed, in an order that nobody knows. A guard that is
//! dropped after that finds the record marked `LATE`, and leaves its entry in another way. The record does not hold
//! what the thread enters after that. In between, it must not be forgotten that this thread reads (L9). So the numbers
//! that are left in the record when it is given up are noted in [`running`](crate::running) as well.
//!
//! # How a writer finds the records
//!
//! The blocks are a list. A thread that needs a record, and finds none free, appends a block, under a mutex. A writer
//! walks the list without that mutex. So writers of different locks do not wait for each other, and writers and threads
//! that come to read do not wait for each other either. A walk goes on under the mutex of the writer's own lock. Some
//! readers of that lock wait for this mutex: readers that leave meanwhile, and readers that read the lock already and
//! enter once more.
//!
//! | `free` of a block | its records | a walk |
//! |---|---|---|
//! | all there are | no thread has one, and no guard is left in one | passes over the block |
//! | fewer | some are taken or spoilt; if `free` is not 0, the next thread takes one of the others | looks at all of them |
//!
//! A record is counted as free only after it has become free. When a new thread takes the record, the record stops
//! being counted as free before the thread marks it. So `free` may be too small for a moment, but never too large.
//!
//! A walk misses no reader that it has to find. Before the thread of a record marks an entry, it has linked the block,
//! or has come after the thread that did, and it has taken the record off `free`. So the fence behind the mark stands
//! behind these stores, too. A writer that missed one of these stores would have missed the mark, and then the reader
//! finds the gate closed (see [`readers`](super)).
//!
//! A write takes 0.7 µs with 10 records, 2.7 µs with 1,000 and 31 µs with 10,000, the kernel's fence of 0.5 µs
//! included. Each of two writers that write different locks at once takes as long, if each has a core. (With one list
//! of all records behind one mutex, a write took 62 µs with 10,000 records, and each of two writers twice that.)

use crate::running::{Doing, begin, end};
use crate::sync::once::OnceBox;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutant, Mutex, OnceLock, Ordering, fences, global, local, mutant};
use crossbeam_utils::CachePadded;
use std::array;
use std::cell::Cell;
use std::iter;
use std::ptr;

/// How many entries a record has. Guards that are nested deeper use the counters. (Models have two entries, so that
/// they reach the counters.)
pub(super) const ENTRIES: usize = if cfg!(dogpile_loom) { 2 } else { 8 };

/// What a thread does to leave, beside clearing the entry.
///
/// | its value | the thread |
/// |---|---|
/// | `ASYMMETRIC` | takes no fence, since the kernel helps ([`fences`]) |
/// | `FULL` | takes a full fence |
/// | `LATE` | has given the record up, and ends the note that it has made in [`running`](crate::running) |
type Leaving = u32;

const ASYMMETRIC: Leaving = 0;
const FULL: Leaving = 1;
const LATE: Leaving = 2;

/// A thread's seats.
#[derive(Debug)]
pub(super) struct Record {
    entries: [AtomicU64; ENTRIES],
    /// How this record's thread leaves. Only that thread uses this word. The word is atomic, and always relaxed,
    /// because Rust has no other word that a `static` may hold and one thread may write without a lock.
    leaving: AtomicU32,
    taken: AtomicBool,
    /// The block of the record, known from when the record is taken first.
    block: OnceLock<&'static Block>,
}

/// How many records are made at a time. (Models make one at a time, so that they have to look for more.)
const IN_A_BLOCK: u32 = if cfg!(dogpile_loom) { 1 } else { 32 };

/// Records that are made together, as a part of the list of all.
#[derive(Debug)]
struct Block {
    records: [CachePadded<Record>; IN_A_BLOCK as usize],
    free: AtomicU32,
    next: Link,
}

type Link = OnceBox<&'static Block>;

/// A bound on what one thread may come to cost.
#[cfg(not(dogpile_loom))]
const _: () = assert!(size_of::<CachePadded<Record>>() + size_of::<&Record>() <= 256);

global! {
    /// The link to the first block.
    static BLOCKS: Link = Link::new();
}

global! {
    /// The mutex that a thread holds while it takes a record.
    static TAKING: Mutex<()> = Mutex::new(());
}

/// All blocks, from the first to the last.
fn blocks() -> impl Iterator<Item = &'static Block> {
    // Acquire, in `get`: the block is seen as it was made.
    iter::successors(BLOCKS.get().copied(), |block| block.next.get().copied())
}

impl Block {
    /// Appends a new block behind the last. Called by a thread that holds `TAKING`.
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
    // This has no destructor, so that an access to it is only an access to memory.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };
    static GIVEN_UP_ON_EXIT: GivenUpOnExit = const { GivenUpOnExit(Cell::new(None)) };
}

/// The same record again, with a destructor.
struct GivenUpOnExit(Cell<Option<&'static Record>>);

impl Drop for GivenUpOnExit {
    fn drop(&mut self) {
        // (The local is gone already only in models, where every local has a destructor.)
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

    /// This thread's record, which is taken if need be; `None` if the thread-locals are already gone.
    pub(super) fn here_or_taken() -> Option<&'static Self> {
        Self::here().or_else(Self::take)
    }

    /// Takes a record for this thread.
    #[cold]
    fn take() -> Option<&'static Self> {
        // This local exists from now on, and its destructor will run.
        GIVEN_UP_ON_EXIT.try_with(|_| ()).ok()?;
        let leaving = if fences::is_asymmetric() { ASYMMETRIC } else { FULL };
        let taking = TAKING.lock();
        // Acquire: pairs with the release in `count_free`, so that a record which is counted as free is seen to be
        // free.
        let block = blocks().find(|block| block.free.load(Ordering::Acquire) != 0).unwrap_or_else(Block::append);
        let record: &'static Self = block.records.iter().find(|record| record.is_free()).expect("one is free");
        // Relaxed, all: records are taken under the mutex, and only their own thread reads how they are left. (For
        // writers, the fence behind the first mark stands behind this count, too.)
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

    /// Returns whether the next thread may take this record.
    fn is_free(&self) -> bool {
        // Acquire, both: pair with the releases in `give_up`, `leave` and `leave_late`, so that all that the thread
        // before us did with this record lies behind us. The last thing that thread does with the record is one of
        // these stores.
        !self.taken.load(Ordering::Acquire) && self.entries.iter().all(|entry| entry.load(Ordering::Acquire) == 0)
    }

    /// Gives the record up, at the end of its thread.
    #[cold]
    fn give_up(&self) {
        // Relaxed: only this thread writes or reads it.
        self.leaving.store(LATE, Ordering::Relaxed);
        let left = self.numbers().inspect(|number| begin(*number, Doing::Reading)).count();
        // Release: pairs with the acquire in `is_free`.
        self.taken.store(false, Ordering::Release);
        if left == 0 {
            self.count_free();
        }
    }

    /// Counts the record as free, after it has become free. (The record may have another thread by now, which came for
    /// a record that was counted before this one.)
    fn count_free(&self) {
        if let Some(block) = self.block.get() {
            // Release: pairs with the acquires in `take` and `walk`, of whatever count this becomes a part of.
            block.free.fetch_add(1, Ordering::Release);
        }
    }

    /// Enters the lock of that number. Returns the entry, with a fence behind the mark; `None` if all entries are
    /// taken.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn enter(&self, number: u64) -> Option<&AtomicU64> {
        // Relaxed, both: only this thread writes the entries, and how it leaves.
        let entry =
            if self.entries[0].load(Ordering::Relaxed) == 0 { &self.entries[0] } else { self.free_beside_the_first()? };
        let leaving = self.leaving.load(Ordering::Relaxed);
        // Release: a writer that reads the number here has acquired all that this thread did before, and so all that it
        // did under the numbers that stood here before.
        entry.store(number, Ordering::Release);
        fences::light(leaving == ASYMMETRIC);
        Some(entry)
    }

    /// The first free entry, apart from the one that is tried first.
    #[inline(never)]
    fn free_beside_the_first(&self) -> Option<&AtomicU64> {
        // Relaxed: only this thread writes the entries.
        self.entries[1..].iter().find(|entry| entry.load(Ordering::Relaxed) == 0)
    }

    /// Leaves the lock of that number, with a fence behind the cleared mark.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    pub(super) fn leave(&self, entry: &AtomicU64, number: impl FnOnce() -> u64) {
        // Relaxed: only this thread writes it.
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
        // No other thread takes the record before the store below.
        let is_last = self.numbers().count() == 1;
        // Release: as in `leave`, and pairs with the acquire in `is_free`: this is the last thing that the thread does
        // with the record.
        entry.store(0, Ordering::Release);
        fences::light(fences::is_asymmetric());
        if is_last {
            self.count_free();
        }
    }

    /// The numbers in the entries. Called on the record's own thread, or where no other thread can have the record.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        // Relaxed: only this thread writes the entries.
        self.entries.iter().map(|entry| entry.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Returns whether one of the entries has that number. Called on the record's own thread.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.numbers().any(|held| held == number)
    }
}

/// The addresses of all entries, of all threads, that have that number.
pub(super) fn walk(number: u64) -> impl Iterator<Item = usize> {
    // Acquire: pairs with the release in `count_free`. If all records of a block are free here, all threads that had
    // one have left before this, and what they read they have read.
    let in_use = |block: &&Block| block.free.load(Ordering::Acquire) != IN_A_BLOCK;
    let entries = blocks().filter(in_use).flat_map(|block| &block.records).flat_map(|record| &record.entries);
    // Acquire: pairs with the releases in `leave`, `leave_late` and `enter`. If the number is not there, all threads
    // that had it there have left before this, and what they read they have read.
    let have_it = entries.filter(move |entry| entry.load(Ordering::Acquire) == number);
    have_it.map(|entry| ptr::from_ref(entry).addr())
}

/// Runs `run` while no thread can take a record.
#[cfg(all(test, not(dogpile_loom)))]
pub(super) fn while_taking<R>(run: impl FnOnce() -> R) -> R {
    let _taking = TAKING.lock();
    run()
}
