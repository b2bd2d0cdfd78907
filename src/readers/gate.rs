//! The lock itself: the gate, the counters, the state under the mutex, and the changes that readers and writers share.

use super::line::{Inner, Phase};
use super::record::Record;
use super::seat::{COUNTERS, Counter, Seat};
use crate::running::{Doing, Which, creates_here, is_here};
use crate::sync::{AtomicU64, Mutant, Mutex, Ordering, const_fn, fences, mutant, unique};
use crate::wakers::Leaving;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// The flag in the gate: a writer is in, or waits. The other bits are the lock's number, or 0 if the lock has none yet.
pub(super) const CLOSED: u64 = 1 << 63;

/// A lock's readers, and its writers.
pub struct Readers {
    pub(super) gate: AtomicU64,
    pub(super) inner: Mutex<Inner>,
    pub(super) counters: [Counter; COUNTERS],
}

impl Readers {
    const_fn! {
        /// A lock without readers and writers.
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

    /// Marks a seat at a counter, and executes a fence.
    pub(super) fn count(&self, counter: usize) {
        // Relaxed: going in is ordered by the gate. For the fence see `Why it holds`.
        self.counters[counter].0.fetch_add(1, Ordering::Relaxed);
        fences::light(false);
    }

    /// The seat at a counter.
    pub(super) fn seat_at(&self, counter: usize) -> Seat<'_> {
        Seat::counter(&self.counters[counter].0)
    }

    /// Leaves a seat at a counter.
    pub(super) fn leave_seat_at(&self, seat: Seat<'_>) {
        // Release: pairs with the acquire in `counted`, through all the read-modify-writes that follow.
        seat.mark.fetch_sub(1, Ordering::Release);
        fences::light(false);
        self.look_for_a_writer(seat);
    }

    /// The addresses of the counters that have readers.
    pub(super) fn counted(&self) -> impl Iterator<Item = usize> {
        let seats = (0..COUNTERS).map(|counter| self.seat_at(counter));
        // Acquire: pairs with the release in `leave_seat_at`.
        seats.filter(|seat| seat.mark.load(Ordering::Acquire) != 0).map(Seat::address)
    }

    /// Looks for a writer that waits for just this seat, after the seat was left.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub(super) fn look_for_a_writer(&self, seat: Seat<'_>) {
        // Relaxed: all that follows from it happens under the mutex.
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 && !mutant(Mutant::LeavesSilently) {
            self.tell_the_writer(seat);
        }
    }

    /// Takes the seat out of `inside`, if it is clear, and wakes the writer if that was the last one.
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

    /// The lock's number, or 0 if it has none yet.
    pub(super) fn number(&self) -> u64 {
        // Relaxed: the number is written once. A caller that needs it has made sure that it is there.
        self.gate.load(Ordering::Relaxed) & !CLOSED
    }

    /// Gives the lock a number, unless it has one. Called under the mutex.
    pub(super) fn be_numbered(&self) {
        if self.number() == 0 {
            // Relaxed: the number by itself says nothing, and the flag changes only under the mutex, which is held.
            self.gate.fetch_or(unique() + 1, Ordering::Relaxed);
        }
    }

    /// Changes the state under the mutex. Then releases the mutex, gives memory back, and wakes, in this order.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Inner, &mut Leaving) -> R) -> R {
        let mut leaving = Leaving::default();
        let mut inner = self.inner.lock();
        let changed = change(&mut inner, &mut leaving);
        let empty = inner.line.take_if(|line| line.is_empty());
        drop(inner);
        drop(empty);
        drop(leaving);
        changed
    }

    /// Ends the turn of a writer that has written or gives up.
    pub(super) fn end_turn(&self) {
        self.change(|inner, leaving| {
            (inner.phase, inner.writer) = (Phase::Idle, None);
            if let Some(line) = &mut inner.line {
                line.inside.clear();
                leaving.drops(&mut line.drains);
                for asking in line.readers.values_mut() {
                    asking.admitted = true;
                    leaving.wakes(&mut asking.sleeper);
                }
                line.admitted = line.readers.len();
            }
            self.next(inner, leaving);
        });
    }

    /// Calls the first writer in line, or opens the gate. No writer has the turn.
    pub(super) fn next(&self, inner: &mut Inner, leaving: &mut Leaving) {
        debug_assert_eq!(inner.phase, Phase::Idle);
        match &mut inner.line {
            Some(line) if !line.writers.is_empty() => {
                if let (0, Some(mut first)) = (line.admitted, line.writers.first_entry()) {
                    leaving.wakes(first.get_mut());
                }
            }
            line => {
                // Release: pairs with the acquire in `sit_at_once` and `enter_counter`: a reader that finds the gate
                // open sees what was written.
                self.gate.fetch_and(!CLOSED, Ordering::Release);
                // These readers wait for a writer that gave up before its turn.
                if let Some(line) = line {
                    for asking in line.readers.values_mut().filter(|asking| !asking.admitted) {
                        leaving.wakes(&mut asking.sleeper);
                    }
                }
            }
        }
    }

    /// Notes that an admitted reader has gone in, or has given up.
    pub(super) fn one_less_admitted(&self, inner: &mut Inner, leaving: &mut Leaving) {
        let Some(line) = &mut inner.line else { return };
        line.admitted -= 1;
        if line.admitted == 0 && !line.writers.is_empty() {
            self.next(inner, leaving);
        }
    }

    /// Returns whether this thread holds a [`Pass`](super::Pass).
    pub fn is_reading_here(&self) -> bool {
        match self.number() {
            0 => false,
            number => Record::here().is_some_and(|record| record.holds(number)) || is_here(number, Doing::Reading),
        }
    }

    /// Returns whether this thread holds a [`Hold`](super::Hold), or is in the middle of the creation that has a
    /// [`LooseHold`](super::LooseHold).
    pub fn is_writing_here(&self) -> bool {
        is_here(self.number(), Doing::Writing) || (creates_here() && self.writer().is_some_and(Which::is_here))
    }

    /// The creation that is in, if a creation is.
    fn writer(&self) -> Option<Which> {
        self.inner.lock().writer
    }

    /// Returns how many readers wait.
    pub fn waiting_readers(&self) -> usize {
        self.inner.lock().line.as_ref().map_or(0, |line| line.readers.len())
    }

    /// Returns how many writers wait.
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
