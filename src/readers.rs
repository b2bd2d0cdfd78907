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
mod gate;
mod line;
mod owned;
mod pass;
mod record;
mod seat;

pub use drain::Hold;
pub(crate) use drain::LooseHold;
pub use gate::Readers;
pub use owned::HasReaders;
pub(crate) use owned::OwnedPass;
pub use owned::Owner;
pub use pass::Pass;
pub(crate) use pass::or_panic;
pub use seat::Seat;

#[cfg(not(dogpile_loom))]
use crate::error::FencesDecided;
#[cfg(not(dogpile_loom))]
use crate::sync::fences;

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
