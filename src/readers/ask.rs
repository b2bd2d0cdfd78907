//! The long way in for readers. A reader comes here if a writer is there, or if the lock has no number, the thread no
//! record, or the record no free entry yet.

use super::gate::{CLOSED, Readers};
use super::line::Inner;
use super::record::Record;
use super::seat::{Seat, counter_here};
use crate::error::LockError;
use crate::running::{Doing, begin};
use crate::sync::{Ordering, unique};
use crate::wait::{Wait, block_on};
use crate::wakers::{Leaving, Sleeper};
use std::mem;
use std::task::{Poll, Waker};

impl Readers {
    /// Enters the long way, with a seat for a guard that stays on its thread.
    #[cold]
    pub(super) fn ask_bound(&self, wait: &Wait) -> Result<Seat<'_>, LockError> {
        // Before the mutex: taking a record may take another mutex, and memory.
        let seat = block_on(self.ask(Record::here_or_taken(), wait))?;
        if seat.record.is_none() {
            begin(self.number(), Doing::Reading);
        }
        Ok(seat)
    }

    /// Enters the long way. Without a `record`, the seat is one that any thread may leave.
    #[cold]
    pub(super) fn ask(
        &self,
        record: Option<&'static Record>,
        wait: &Wait,
    ) -> impl Future<Output = Result<Seat<'_>, LockError>> {
        async move {
            if self.is_writing_here() {
                return Err(LockError::WriteLockHeld);
            }
            let mut asking = Ask { readers: self, record, nested: self.is_reading_here(), ticket: None };
            if let Poll::Ready(seat) = asking.poll(Waker::noop()) {
                return Ok(seat);
            }
            let deadline = wait.begin().ok_or(LockError::TimedOut)?;
            wait.until_woken(deadline, |waker| asking.poll(waker)).await.ok_or(LockError::TimedOut)
        }
    }
}

/// A reader on the long way in. Dropping it gives up.
#[derive(Debug)]
struct Ask<'a> {
    readers: &'a Readers,
    /// The record to sit in, if it has a free entry.
    record: Option<&'static Record>,
    /// The thread reads already.
    nested: bool,
    ticket: Option<u64>,
}

impl<'a> Ask<'a> {
    fn poll(&mut self, waker: &Waker) -> Poll<Seat<'a>> {
        let mut sleeper = Sleeper::of(waker);
        self.readers.change(|inner, leaving| {
            self.readers.be_numbered();
            // Relaxed: the flag changes only under the mutex, which is held.
            let open = self.readers.gate.load(Ordering::Relaxed) & CLOSED == 0;
            if open || self.nested || self.is_admitted(inner) {
                let seat = self.sit(inner);
                self.leave_line(inner, leaving);
                return Poll::Ready(seat);
            }
            let line = inner.line.get_or_insert_default();
            let ticket = *self.ticket.get_or_insert_with(unique);
            mem::swap(&mut line.readers.entry(ticket).or_default().sleeper, &mut sleeper);
            Poll::Pending
        })
    }

    fn is_admitted(&self, inner: &Inner) -> bool {
        let (Some(ticket), Some(line)) = (self.ticket, &inner.line) else { return false };
        line.readers.get(&ticket).is_some_and(|asking| asking.admitted)
    }

    /// Takes a seat under the mutex. A writer looks at the seats under the mutex as well, before this or after.
    fn sit(&self, inner: &mut Inner) -> Seat<'a> {
        let number = self.readers.number();
        let entry = self.record.and_then(|record| record.enter(number).map(|entry| Seat::entry(record, entry)));
        let seat = entry.unwrap_or_else(|| {
            let counter = counter_here();
            self.readers.count(counter);
            self.readers.seat_at(counter)
        });
        inner.list(seat);
        seat
    }

    /// Leaves the line, if the reader is in it.
    fn leave_line(&mut self, inner: &mut Inner, leaving: &mut Leaving) {
        let left = self.ticket.take().zip(inner.line.as_mut()).and_then(|(ticket, line)| line.readers.remove(&ticket));
        let Some(mut left) = left else { return };
        leaving.drops(&mut left.sleeper);
        if left.admitted {
            self.readers.one_less_admitted(inner, leaving);
        }
    }
}

impl Drop for Ask<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.readers.change(|inner, leaving| self.leave_line(inner, leaving));
        }
    }
}
