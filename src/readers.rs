//! The core of the locks that have readers: readers enter and leave, and a writer waits until all of them have left.
//! Nothing here knows what is read.
//!
//! Readers come often and writers come rarely. So a reader pays next to nothing, and a writer pays for all. A reader
//! marks a seat of its own, and then looks for a writer. A writer closes the gate, has the kernel execute a fence in
//! every running thread, looks at all seats, and sleeps until the seats that it found taken have been left.
//!
//! # Files
//!
//! Each file knows only the files above it in this list.
//!
//! | file | what is in it |
//! |---|---|
//! | `record` | the records of the threads, whose entries are the seats of guards that stay on their thread |
//! | `seat` | a seat: an entry of a record, or a counter of the lock |
//! | `line` | the state under the mutex: the phase, and the readers and writers that wait |
//! | `gate` | the lock itself, [`Readers`], and the changes that readers and writers share |
//! | `ask` | the long way in for readers |
//! | `pass` | the short way in for readers, and the way out: [`Pass`] |
//! | `drain` | the way in for writers, and the way out: [`Hold`] and [`LooseHold`] |
//! | `owned` | readers that may move to another thread: [`OwnedPass`] and [`Owner`] |
//!
//! # Seats
//!
//! | seat | which guards use it | how it is marked |
//! |---|---|---|
//! | an entry of a thread's [`record`] | guards that stay on their thread | by plain stores of that thread alone |
//! | one of the few counters of the lock | guards that may move to another thread; guards nested deeper than a record has entries; guards of threads whose thread-locals are gone | by read-modify-writes of any thread |
//!
//! A record knows a lock by the lock's number. The number is given once in a process, when the first reader or writer
//! of the lock comes. A guard that stays on its thread but has to use a counter is noted in
//! [`running`](crate::running), so that the question "does this thread read?" has an answer.
//!
//! # States
//!
//! The gate is one word: the lock's number, and a flag that says whether the gate is closed. All other state is under
//! the mutex.
//!
//! | phase | gate | state |
//! |---|---|---|
//! | `Idle` | open | No writer is there. Readers that the last writer kept waiting may still be on their way in: they are *admitted*. |
//! | `Idle` | closed | Writers queue. The first of them is about to begin, or waits until the admitted readers have gone in. |
//! | `Closing` | closed | A writer has its turn, and has not looked at the seats yet. |
//! | `Draining` | closed | The writer waits for the seats that are listed in `inside`. |
//! | `Writing` | closed | The writer is in. |
//!
//! # Transitions
//!
//! | name | from → to | how |
//! |---|---|---|
//! | enter | gate open | The reader marks a seat, executes a fence, and looks at the gate. If the gate is open, the reader is in. If the gate is closed, the reader leaves the seat again and *asks*. |
//! | ask | any | Under the mutex: the reader is let in if the gate is open, if its thread reads already, or if the reader is admitted. (While a reader is admitted, no writer has the turn.) Otherwise the reader queues. If the reader is let in while a writer drains, its seat is added to `inside`. |
//! | leave | any | The reader clears its seat, executes a fence, and looks at the gate. If the gate is closed, the reader takes the seat out of `inside`, under the mutex. The reader that empties `inside` wakes the writer. |
//! | queue | any | Under the mutex: the writer closes the gate, and takes a place in line. |
//! | begin | `Idle` → `Closing` | Under the mutex: the first writer in line takes the turn, once no reader is admitted any more. |
//! | look | `Closing` → `Draining` or `Writing` | The writer executes a heavy fence. Then, under the mutex, it lists the seats that are taken. If there are none, the writer is in. |
//! | go in | `Draining` → `Writing` | Under the mutex: `inside` is empty. |
//! | end | any but `Idle` → `Idle` | The writer has written, or gives up. Under the mutex: all readers that wait are admitted and woken. If no other writer queues, the gate opens. |
//! | give up in line | any | Under the mutex: the writer leaves the line. In `Idle`, the next writer is called; if there is none, the gate opens and the readers that wait are woken. |
//!
//! # Why it holds
//!
//! - *The write guard excludes every read guard (L9).* Take a reader that entered by the gate, and a writer that looks.
//!   The reader marked its seat, executed a fence, and then read the gate. The writer closed the gate, executed a
//!   fence, and then read the mark.
//!   1. The writer reads the mark. Then the writer lists the seat, and waits for it.
//!   2. The writer does not read the mark. Then, by the two fences, the reader read the gate as this writer left it, or
//!      as it was later. If the reader found the gate closed, the reader is not in. If the reader found the gate open,
//!      this writer has ended, and the reader sees what the writer wrote, because the gate is opened by a release.
//!
//!   A reader that was let in under the mutex had marked its seat before it released the mutex. A look that comes after
//!   that finds the mark. If the look came before, the seat was added to what the look had found.
//! - *No reader is forgotten.* A seat is taken off the list by a reader that has left it, once the seat is clear. A
//!   reader that leaves a seat which the look has found sees the gate closed. The argument is the same as above: the
//!   reader cleared its mark after the look, and hence after the writer's fence. So the reader comes for the mutex. A
//!   reader that finds the gate closed although the look has not found its seat takes nothing off the list.
//! - *No lost wake-up (C16).* Lists and wakers are changed under the mutex only. A reader or writer that is about to
//!   wait looks again under the mutex.
//! - *A thread that reads gets in (C15).* Such a thread is let in under the mutex at once. The thread's outer guard
//!   holds a seat, so no writer can be in.
//! - *Nobody starves.* New readers wait for a writer that waits, since the gate is closed. The next writer waits for
//!   the readers that this writer kept waiting. The lock is phase-fair, after Brandenburg and Anderson, "Spin-based
//!   reader-writer synchronization for multiprocessor real-time systems" (2010).
//! - *Memory ordering.* What a reader did is carried to the next writer by release and acquire of the reader's seat, or
//!   by the mutex. What a writer did is carried to the next reader by release and acquire of the gate, or by the mutex.
//!   The fences carry neither: they only order marks and gate.
//!
//! # What a writer relies on
//!
//! A writer relies on every thread that has marked a seat: the thread has to run again, and to leave the seat. In a
//! child process made by fork(2) no such thread runs. The child sees the records of its parent's threads, and a lock
//! that they were reading is never free to write there.

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

/// Makes readers execute their own fences from now on, so that no writer interrupts the other threads of the process.
/// Never blocks.
///
/// On Linux, a writer of an [`RmLock`](crate::RmLock) or a [`SyncReaderDogpile`](crate::SyncReaderDogpile) asks the
/// kernel to execute a fence in every running thread of the process. This is what makes reading nearly free. In some
/// programs, threads must not be interrupted, on isolated cores for instance. There it may be better that each reader
/// pays some ten nanoseconds for its own fences. Without the kernel's help, and on other platforms, these locks always
/// work like this.
///
/// Call this function first thing in `main`: the kind of fences is decided once for the whole process, before the first
/// read or write.
///
/// # Errors
///
/// [`FencesDecided`], if readers rely on the kernel already.
#[cfg(not(dogpile_loom))]
pub fn force_full_fences() -> Result<(), FencesDecided> {
    if fences::force_full() { Ok(()) } else { Err(FencesDecided) }
}
