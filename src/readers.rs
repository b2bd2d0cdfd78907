//! Who is reading: enter, leave, drain. Nothing here knows what is read.
//!
//! Readers come often and writers rarely, so readers pay next to nothing and a writer pays for all: a reader marks a
//! seat of its own and looks for a writer; a writer closes the gate, has the kernel put a fence into every running
//! thread, looks at all seats, and sleeps until those that were taken have been left.
//!
//! # Seats
//!
//! | seat | whose | how it is marked |
//! |---|---|---|
//! | an entry of a thread's [`record`] | guards that stay on their thread | plain stores, by that thread alone |
//! | a counter of the lock's own, one of a few | guards that may move to another thread; nesting deeper than a record; threads whose locals are gone | read-modify-writes |
//!
//! A lock is known to the records by a number that is given once in a process, when its first reader or writer comes.
//! Guards that stay on their thread but have to use a counter are noted in [`running`](crate::running), so that "does
//! this thread read?" has an answer.
//!
//! # States
//!
//! The gate is one word, the lock's number and a flag; the rest is under the mutex.
//!
//! | phase | gate | state |
//! |---|---|---|
//! | `Idle` | open | no writer. (Readers whom the last one kept waiting may still be on their way: they are *admitted*) |
//! | `Idle` | closed | writers queue; the first of them is about to begin, or waits for the admitted to go in |
//! | `Closing` | closed | a writer has its turn, and has not looked at the seats yet |
//! | `Draining` | closed | it waits for the seats that are listed in `inside` |
//! | `Writing` | closed | it is in |
//!
//! # Transitions
//!
//! | name | from → to | how |
//! |---|---|---|
//! | enter | gate open | mark a seat, fence, look at the gate: open, and it is in; closed, and it leaves again and *asks* |
//! | ask | any | under the mutex: let in if the gate is open, if its thread reads already, or if it is admitted and nobody writes; else it queues. Let in while somebody drains, its seat is added to `inside` |
//! | leave | any | clear the seat, fence, look at the gate; closed: under the mutex, out of `inside`; whoever empties it wakes the writer |
//! | queue | any | under the mutex: the gate is closed |
//! | begin | `Idle` → `Closing` | under the mutex: the first in line, once nobody is admitted any more |
//! | look | `Closing` → `Draining` or `Writing` | heavy fence, then under the mutex: list the seats that are taken; none: it is in |
//! | go in | `Draining` → `Writing` | under the mutex, `inside` is empty |
//! | end | any but `Idle` → `Idle` | written or given up, under the mutex: all readers who wait are admitted and woken; without another writer the gate opens |
//!
//! # Why it holds
//!
//! - *The write guard excludes every read guard (L9).* Take a reader that entered by the gate and a writer that looks.
//!   The reader marked, fenced, and read the gate; the writer closed the gate, fenced, and read the mark.
//!   1. The writer reads the mark: it lists the seat, and waits for it.
//!   2. The writer does not read the mark. Then, by the fences, the reader read the gate as that writer left it or
//!      later. Closed: it is not in. Open: then that writer has ended, and the reader sees what it wrote (the gate is
//!      opened by a release).
//!
//!   A reader that was let in under the mutex had marked its seat before it released the mutex: a look that comes after
//!   finds it, and where the look came before, the seat was added to what the look found.
//! - *No reader is forgotten.* A seat is taken off the list by whoever left it, once it is clear. By the same argument
//!   as above, a reader that leaves a seat which the look has found sees the gate closed: its mark was cleared after
//!   the look, hence after the fence. It then comes for the mutex. A reader that finds the gate closed although its
//!   seat was not found takes nothing off.
//! - *No lost wake-up (C16).* Lists and wakers are changed under the mutex, and whoever is to wait looks again under
//!   it.
//! - *A thread that reads gets in (C15).* It is let in under the mutex at once. Its outer guard holds a seat, so nobody
//!   can be writing.
//! - *Nobody starves.* New readers wait for a writer that waits (the gate is closed), and the next writer waits for the
//!   readers whom this one kept waiting: phase-fair, after Brandenburg and Anderson, "Spin-based reader-writer
//!   synchronization for multiprocessor real-time systems" (2010).
//! - *Memory ordering.* What a reader did is carried to the next writer by release and acquire of its seat or by the
//!   mutex, what a writer did to the next reader by release and acquire of the gate or by the mutex; never by the
//!   fences, which order marks and gate only.
//!
//! # What a writer relies on
//!
//! A child process made by fork(2) sees the records of its parent's threads, none of which run in it: a lock that they
//! were reading is never free to write there.

mod ask;
mod drain;
mod line;
mod owned;
mod record;

pub use drain::Hold;
pub(crate) use drain::LooseHold;
pub use owned::HasReaders;
pub(crate) use owned::OwnedPass;
pub use owned::Owner;

#[cfg(not(dogpile_loom))]
use crate::error::FencesDecided;
use crate::error::LockError;
use crate::running::{Doing, Which, creates_here, end, is_here};
use crate::sync::{AtomicU64, Mutant, Mutex, Ordering, const_fn, fences, local, mutant, unique};
use crate::wait::{FOREVER, Wait, apart};
use line::{Inner, Phase};
use record::Record;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;

/// Has readers pay for their own fences from now on, so that no writer interrupts the other threads of the process.
///
/// On Linux a writer of an [`RmLock`](crate::RmLock) or a [`SyncReaderDogpile`](crate::SyncReaderDogpile) asks the
/// kernel to put a fence into every running thread of the process, which is what makes reading nearly free. A program
/// with threads that must not be interrupted, on isolated cores for instance, may rather have all readers pay some ten
/// nanoseconds. It is how these locks work where the kernel refuses and on other platforms.
///
/// Call it first thing in `main`: it is decided once for the whole process, before the first read or write.
///
/// # Errors
///
/// [`FencesDecided`] if readers count on the kernel already.
#[cfg(not(dogpile_loom))]
pub fn force_full_fences() -> Result<(), FencesDecided> {
    if fences::force_full() { Ok(()) } else { Err(FencesDecided) }
}

/// What was waited for without an end. What cannot be helped is a panic.
#[track_caller]
pub(crate) fn or_panic<G>(got: Result<G, LockError>) -> G {
    match got {
        Ok(got) => got,
        Err(error) => panic!("{error}"),
    }
}

/// In the gate: a writer is in, or waits. The rest is the lock's number, 0 if it has none yet.
const CLOSED: u64 = 1 << 63;

/// Counters of a lock. More of them would make it larger, and their users write shared memory anyway.
const COUNTERS: usize = if cfg!(dogpile_loom) { 1 } else { 4 };

/// On a cache line of its own, on most machines.
#[repr(align(64))]
#[derive(Debug)]
struct Counter(AtomicU64);

impl Counter {
    const_fn! {
        const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }
}

/// Who reads, and who would write.
pub struct Readers {
    gate: AtomicU64,
    inner: Mutex<Inner>,
    counters: [Counter; COUNTERS],
}

/// Where a reader is marked.
///
/// On the hit path it is two words in registers, and becomes a [`Pass`] at the end. What the long way brings is taken
/// apart and put together again there, because a pass that comes from either way goes through memory, in pieces of
/// other sizes than it is read in, and a hit costs three times as much.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// Whose entry; `None` for a counter.
    record: Option<&'static Record>,
    /// The entry of the record, or the counter of the lock.
    mark: &'a AtomicU64,
}

impl<'a> Seat<'a> {
    const fn entry(record: &'static Record, mark: &'static AtomicU64) -> Self {
        Self { record: Some(record), mark }
    }

    const fn counter(mark: &'a AtomicU64) -> Self {
        Self { record: None, mark }
    }

    /// What it is known by among all seats, as long as its lock lives.
    fn address(self) -> usize {
        ptr::from_ref(self.mark).addr()
    }
}

local! {
    /// The counter that this thread uses, once it is known.
    static COUNTER: Cell<Option<usize>> = const { Cell::new(None) };
}

fn counter_here() -> usize {
    COUNTER.with(|here| {
        let at = here.get().unwrap_or_else(|| usize::try_from(unique() % COUNTERS as u64).expect("there are few"));
        here.set(Some(at));
        at
    })
}

impl Readers {
    const_fn! {
        /// Nobody reads.
        pub const fn new() -> Self {
            Self {
                gate: AtomicU64::new(0),
                inner: Mutex::new(Inner { phase: Phase::Idle, writer: None, line: None }),
                #[cfg(not(dogpile_loom))]
                counters: [Counter::new(), Counter::new(), Counter::new(), Counter::new()],
                #[cfg(dogpile_loom)]
                counters: [Counter::new()],
            }
        }
    }

    /// Enters. Blocks while a writer is in, or waits, unless this thread reads already.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub(crate) fn enter(&self, wait: &Wait) -> Result<Pass<'_>, LockError> {
        match self.sit_at_once() {
            Some(seat) => Ok(self.pass(seat)),
            None => self.ask_bound(wait).map(|seat| self.pass(seat)),
        }
    }

    /// As [`enter`](Self::enter), for as long as it takes. What cannot be helped is a panic.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    #[track_caller]
    pub fn enter_or_panic(&self) -> Pass<'_> {
        // Only the seat comes back from the long way, in registers.
        let seat = match self.sit_at_once() {
            Some(seat) => seat,
            None => self.ask_or_panic(),
        };
        self.pass(seat)
    }

    /// Enters, unless a writer is there or this thread has no record yet: the hit path. Whoever has the seat owes a
    /// [`pass`](Self::pass).
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn sit_at_once(&self) -> Option<Seat<'_>> {
        // Relaxed: only for the number. What it says of writers is looked at again.
        let gate = self.gate.load(Ordering::Relaxed);
        if gate == 0 || gate & CLOSED != 0 {
            return None;
        }
        let record = Record::here()?;
        let entry = record.enter(gate)?;
        // Acquire: pairs with the release in `next`: what the last writer did is seen (L9).
        if self.gate.load(Ordering::Acquire) == gate {
            return Some(Seat::entry(record, entry));
        }
        self.leave_entry(record, entry);
        None
    }

    #[cold]
    #[track_caller]
    fn ask_or_panic(&self) -> Seat<'_> {
        or_panic(self.ask_bound(&Wait::new(FOREVER)))
    }

    /// Leaves, having come at the wrong time.
    #[cold]
    fn leave_entry(&self, record: &'static Record, entry: &'static AtomicU64) {
        record.leave(entry, || self.number());
        self.look_for_a_writer(Seat::entry(record, entry));
    }

    /// As [`enter`](Self::enter), by a counter, which any thread may leave.
    fn enter_counter(&self, wait: &Wait) -> impl Future<Output = Result<usize, LockError>> {
        async move {
            let counter = counter_here();
            self.count(counter);
            // Acquire: as in `sit_at_once`.
            if self.gate.load(Ordering::Acquire) & CLOSED == 0 {
                return Ok(counter);
            }
            self.leave_counter(counter);
            // A task may come to sit down on another thread than it asked on.
            let seat = apart!(wait, self.ask(None, wait))?;
            let at = |counter: &usize| ptr::eq(&raw const self.counters[*counter].0, seat.mark);
            Ok((0..COUNTERS).find(at).expect("who may leave anywhere sits at a counter"))
        }
    }

    /// Enters by a counter that is in use.
    fn enter_counter_again(&self, counter: usize) {
        // Relaxed: the counter is not 0, and does not become 0 before this one is left too.
        self.counters[counter].0.fetch_add(1, Ordering::Relaxed);
    }

    /// Enters by a counter, beside a pass.
    fn enter_counter_beside(&self, held: &Pass<'_>) -> usize {
        debug_assert!(ptr::eq(held.readers, self));
        let counter = counter_here();
        self.count(counter);
        // Relaxed: nobody writes as long as `held` is held.
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 {
            // A writer that has looked already must wait for this one as well.
            let mut inner = self.inner.lock();
            inner.list(self.seat_at(counter));
        }
        counter
    }

    fn count(&self, counter: usize) {
        // Relaxed: going in is ordered by the gate. The fence: see `Why it holds`.
        self.counters[counter].0.fetch_add(1, Ordering::Relaxed);
        fences::light(false);
    }

    fn seat_at(&self, counter: usize) -> Seat<'_> {
        Seat::counter(&self.counters[counter].0)
    }

    fn leave_counter(&self, counter: usize) {
        self.leave_seat_at(self.seat_at(counter));
    }

    fn leave_seat_at(&self, seat: Seat<'_>) {
        // Release: pairs with the acquire in `counted`, through all the read-modify-writes that follow.
        seat.mark.fetch_sub(1, Ordering::Release);
        fences::light(false);
        self.look_for_a_writer(seat);
    }

    #[cold]
    fn leave_bound_counter(&self, seat: Seat<'_>) {
        end(self.number(), Doing::Reading);
        self.leave_seat_at(seat);
    }

    /// The addresses of the counters that somebody sits at.
    fn counted(&self) -> impl Iterator<Item = usize> {
        let seats = (0..COUNTERS).map(|counter| self.seat_at(counter));
        // Acquire: pairs with the release in `leave_seat_at`.
        seats.filter(|seat| seat.mark.load(Ordering::Acquire) != 0).map(Seat::address)
    }

    /// After a seat was left: whether somebody waits for just that.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    fn look_for_a_writer(&self, seat: Seat<'_>) {
        // Relaxed: what it leads to happens under the mutex.
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 && !mutant(Mutant::LeavesSilently) {
            self.tell_the_writer(seat);
        }
    }

    #[cold]
    fn tell_the_writer(&self, seat: Seat<'_>) {
        self.change(|inner, leaving| {
            // Acquire: as in `walk`.
            let mark = seat.mark.load(Ordering::Acquire);
            let is_taken = if seat.record.is_some() { mark == self.number() } else { mark != 0 };
            if let (Phase::Draining, false, Some(line)) = (inner.phase, is_taken, &mut inner.line) {
                if line.inside.remove(&seat.address()) && line.inside.is_empty() {
                    leaving.wakes(&mut line.drains);
                }
            }
        });
    }

    /// What holds a seat, and leaves it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn pass<'a>(&'a self, seat: Seat<'a>) -> Pass<'a> {
        Pass { readers: self, seat, _stays: StaysOnItsThread(PhantomData) }
    }

    /// What holds a seat while the user's clock is read.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn taken<'a>(&'a self, seat: Seat<'a>) -> Taken<'a> {
        Taken { readers: self, seat }
    }

    /// Leaves, where that is not the rule.
    #[cold]
    #[inline(never)]
    pub fn leave_seat(&self, seat: Seat<'_>) {
        drop(self.pass(seat));
    }

    /// The lock's number, or 0.
    fn number(&self) -> u64 {
        // Relaxed: it is written once, and whoever needs it has seen to that.
        self.gate.load(Ordering::Relaxed) & !CLOSED
    }

    /// Sees to it that there is a number. Under the mutex.
    fn be_numbered(&self) {
        if self.number() == 0 {
            // Relaxed: the number by itself says nothing; the flag changes under the mutex, which is held.
            self.gate.fetch_or(unique() + 1, Ordering::Relaxed);
        }
    }

    /// Whether this thread holds a [`Pass`].
    pub fn is_reading_here(&self) -> bool {
        match self.number() {
            0 => false,
            number => Record::here().is_some_and(|record| record.holds(number)) || is_here(number, Doing::Reading),
        }
    }

    /// Whether this thread holds a [`Hold`], or is in the middle of the creation that has a [`LooseHold`].
    pub fn is_writing_here(&self) -> bool {
        is_here(self.number(), Doing::Writing) || (creates_here() && self.writer().is_some_and(Which::is_here))
    }

    /// The creation that is in, if it is one.
    fn writer(&self) -> Option<Which> {
        self.inner.lock().writer
    }

    /// How many readers wait.
    pub fn waiting_readers(&self) -> usize {
        self.inner.lock().line.as_ref().map_or(0, |line| line.readers.len())
    }

    /// How many writers wait.
    pub fn waiting_writers(&self) -> usize {
        let inner = self.inner.lock();
        let drains = matches!(inner.phase, Phase::Closing | Phase::Draining);
        inner.line.as_ref().map_or(0, |line| line.writers.len()) + usize::from(drains)
    }
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl UnwindSafe for Readers {}
impl RefUnwindSafe for Readers {}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.inner.lock().phase;
        f.debug_struct("Readers").field("phase", &phase).finish_non_exhaustive()
    }
}

/// A seat that is left if what comes next panics. Not a [`Pass`]: it is left by a call, with its arguments in
/// registers, so that the way without a panic keeps nothing in memory for it.
#[derive(Debug)]
pub struct Taken<'a> {
    readers: &'a Readers,
    seat: Seat<'a>,
}

impl<'a> Taken<'a> {
    /// The seat, which is not left.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn into_seat(self) -> Seat<'a> {
        ManuallyDrop::new(self).seat
    }
}

impl Drop for Taken<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    fn drop(&mut self) {
        self.readers.leave_seat(self.seat);
    }
}

/// Marks what belongs to its thread, though others may look at it.
#[derive(Debug)]
struct StaysOnItsThread(PhantomData<std::sync::MutexGuard<'static, ()>>);

/// This thread reads. Dropping it leaves.
#[must_use]
#[derive(Debug)]
pub struct Pass<'a> {
    readers: &'a Readers,
    seat: Seat<'a>,
    _stays: StaysOnItsThread,
}

impl<'a> Pass<'a> {
    /// Whom it is of.
    pub fn readers(&self) -> &'a Readers {
        self.readers
    }

    /// Its seat, which is not left.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn into_seat(self) -> Seat<'a> {
        ManuallyDrop::new(self).seat
    }
}

impl Drop for Pass<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    fn drop(&mut self) {
        match self.seat.record {
            Some(record) => {
                record.leave(self.seat.mark, || self.readers.number());
                self.readers.look_for_a_writer(self.seat);
            }
            None => self.readers.leave_bound_counter(self.seat),
        }
    }
}
