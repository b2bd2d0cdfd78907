//! The way in for readers, and out: the hit path of a guarded access.

use super::gate::{CLOSED, Readers};
use super::record::Record;
use super::seat::{Seat, StaysOnItsThread};
use crate::error::LockError;
use crate::running::{Doing, end};
use crate::sync::{AtomicU64, Ordering};
use crate::wait::{FOREVER, Wait};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// What was waited for without an end. What cannot be helped is a panic.
#[track_caller]
pub(crate) fn or_panic<G>(got: Result<G, LockError>) -> G {
    match got {
        Ok(got) => got,
        Err(error) => panic!("{error}"),
    }
}

impl Readers {
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

    #[cold]
    fn leave_bound_counter(&self, seat: Seat<'_>) {
        end(self.number(), Doing::Reading);
        self.leave_seat_at(seat);
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
