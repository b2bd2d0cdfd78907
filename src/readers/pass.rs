//! The short way in for readers, which is a part of the hit path of a guarded access, and the way out.

use super::gate::{CLOSED, Readers};
use super::record::Record;
use super::seat::{Seat, StaysOnItsThread};
use crate::error::LockError;
use crate::running::{Doing, end};
use crate::sync::{AtomicU64, Ordering};
use crate::wait::{FOREVER, Wait};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// Returns the guard of a wait that has no end and no error to report by. An error of such a wait is a mistake of the
/// caller, and so a panic.
#[track_caller]
pub(crate) fn or_panic<G>(got: Result<G, LockError>) -> G {
    match got {
        Ok(got) => got,
        Err(error) => panic!("{error}"),
    }
}

impl Readers {
    /// Enters. Blocks while a writer is in or waits, unless this thread reads already.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub(crate) fn enter(&self, wait: &Wait) -> Result<Pass<'_>, LockError> {
        match self.sit_at_once() {
            Some(seat) => Ok(self.pass(seat)),
            None => self.ask_bound(wait).map(|seat| self.pass(seat)),
        }
    }

    /// As [`enter`](Self::enter), without an end to the wait. An error is a panic.
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

    /// Enters, unless a writer is there or this thread has no record yet. This is the hit path. The caller that is
    /// given a seat has to make a [`pass`](Self::pass) of it.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn sit_at_once(&self) -> Option<Seat<'_>> {
        // Relaxed: only the number is used. The flag is read again below.
        let gate = self.gate.load(Ordering::Relaxed);
        if gate == 0 || gate & CLOSED != 0 {
            return None;
        }
        let record = Record::here()?;
        let entry = record.enter(gate)?;
        // Acquire: pairs with the release in `next`, so that this reader sees what the last writer did (L9).
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

    /// Leaves an entry that was marked after a writer had closed the gate.
    #[cold]
    fn leave_entry(&self, record: &'static Record, entry: &'static AtomicU64) {
        record.leave(entry, || self.number());
        self.look_for_a_writer(Seat::entry(record, entry));
    }

    /// Leaves a counter, for a guard that had to stay on its thread.
    #[cold]
    fn leave_bound_counter(&self, seat: Seat<'_>) {
        end(self.number(), Doing::Reading);
        self.leave_seat_at(seat);
    }

    /// Makes the pass that holds a seat, and leaves the seat when it is dropped.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn pass<'a>(&'a self, seat: Seat<'a>) -> Pass<'a> {
        Pass { readers: self, seat, _stays: StaysOnItsThread(PhantomData) }
    }

    /// Holds a seat while the user's clock is read.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path of a guarded access
    pub fn taken<'a>(&'a self, seat: Seat<'a>) -> Taken<'a> {
        Taken { readers: self, seat }
    }

    /// Leaves a seat, out of line, since it is left here only in rare cases.
    #[cold]
    #[inline(never)]
    pub fn leave_seat(&self, seat: Seat<'_>) {
        drop(self.pass(seat));
    }
}

/// A seat that is left if the code that comes next panics.
///
/// This is not a [`Pass`]: the seat is left by a call with its arguments in registers, so that the way without a panic
/// keeps nothing in memory for it.
#[derive(Debug)]
pub struct Taken<'a> {
    readers: &'a Readers,
    seat: Seat<'a>,
}

impl<'a> Taken<'a> {
    /// Returns the seat, and does not leave it.
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

/// A reader on this thread. Dropping the pass leaves.
#[must_use]
#[derive(Debug)]
pub struct Pass<'a> {
    readers: &'a Readers,
    seat: Seat<'a>,
    _stays: StaysOnItsThread,
}

impl<'a> Pass<'a> {
    /// The lock that is read.
    pub fn readers(&self) -> &'a Readers {
        self.readers
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
