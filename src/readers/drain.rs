//! The way in for writers: a turn, a look at all seats, and a wait for the seats that are taken.

use super::gate::{CLOSED, Readers};
use super::line::{Inner, Line, Phase};
use super::record;
use super::seat::StaysOnItsThread;
use crate::error::LockError;
use crate::running::{Doing, Which, begin, end};
use crate::sync::{Ordering, fences, unique};
use crate::wait::{Wait, block_on};
use crate::wakers::{Leaving, Sleeper};
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::mem;
use std::task::{Poll, Waker};

impl Readers {
    /// Keeps new readers out, waits until no reader and no other writer is in, and goes in. Blocks until then.
    pub(crate) fn write(&self, wait: &Wait) -> Result<Hold<'_>, LockError> {
        let hold = block_on(self.write_loosely(wait))?;
        Ok(Hold { _here: hold.here(), _hold: hold })
    }

    /// As [`write`](Self::write), for a thread or a task. No thread is noted as the writer.
    pub(crate) fn write_loosely(&self, wait: &Wait) -> impl Future<Output = Result<LooseHold<'_>, LockError>> {
        async move {
            if self.is_reading_here() {
                return Err(LockError::ReadLockHeld);
            }
            if self.is_writing_here() {
                return Err(LockError::WriteLockHeld);
            }
            let mut drain = Drain { readers: self, stage: Stage::Outside };
            if drain.poll(Waker::noop()).is_pending() {
                let deadline = wait.begin().ok_or(LockError::TimedOut)?;
                wait.until_woken(deadline, |waker| drain.poll(waker)).await.ok_or(LockError::TimedOut)?;
            }
            Ok(LooseHold { readers: self })
        }
    }
}

/// A writer that is in. Dropping it ends the write, on any thread.
#[must_use]
#[derive(Debug)]
pub(crate) struct LooseHold<'a> {
    readers: &'a Readers,
}

impl Drop for LooseHold<'_> {
    fn drop(&mut self) {
        self.readers.end_turn();
    }
}

/// A note that this thread writes, for as long as the note lives.
#[must_use]
#[derive(Debug)]
struct WritesHere<'a> {
    readers: &'a Readers,
    _stays: StaysOnItsThread,
}

impl<'a> LooseHold<'a> {
    /// Notes that this hold belongs to a creation. All that runs in the middle of that creation, on any thread, then
    /// has the hold.
    pub(crate) fn of(self, creation: Which) -> Self {
        self.readers.inner.lock().writer = Some(creation);
        self
    }

    /// Notes that all that runs on this thread has the hold.
    fn here(&self) -> WritesHere<'a> {
        begin(self.readers.number(), Doing::Writing);
        WritesHere { readers: self.readers, _stays: StaysOnItsThread(PhantomData) }
    }
}

impl Drop for WritesHere<'_> {
    fn drop(&mut self) {
        end(self.readers.number(), Doing::Writing);
    }
}

/// The write of this thread. Dropping it ends the write.
#[must_use]
#[derive(Debug)]
pub struct Hold<'a> {
    // The fields are dropped in this order: a reader that is let in, and polled at once, must not find this thread
    // writing.
    _here: WritesHere<'a>,
    _hold: LooseHold<'a>,
}

/// How far a writer has come.
#[derive(Debug)]
enum Stage {
    Outside,
    InLine(u64),
    /// The writer has the turn, and has not looked at the seats yet.
    Closing,
    Draining,
    /// The writer is in, or has given the turn back.
    Done,
}

/// A writer on its way in. Dropping it gives up, and readers go on as if the writer had never come.
#[derive(Debug)]
struct Drain<'a> {
    readers: &'a Readers,
    stage: Stage,
}

impl Drain<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        loop {
            match self.stage {
                Stage::Outside | Stage::InLine(_) => {
                    if self.begin(waker).is_pending() {
                        return Poll::Pending;
                    }
                }
                Stage::Closing => {
                    // This may panic. Then the turn is given back.
                    fences::heavy();
                    return self.look(waker);
                }
                Stage::Draining => return self.go_in(waker),
                Stage::Done => return Poll::Ready(()),
            }
        }
    }

    /// Takes the turn, or a place in line.
    fn begin(&mut self, waker: &Waker) -> Poll<()> {
        let readers = self.readers;
        let mut sleeper = Sleeper::of(waker);
        let in_line = match self.stage {
            Stage::InLine(ticket) => Some(ticket),
            _ => None,
        };
        readers.change(|inner, leaving| {
            readers.be_numbered();
            // Relaxed: the heavy fence puts this before the look. Readers in line take the mutex.
            readers.gate.fetch_or(CLOSED, Ordering::Relaxed);
            let is_first = |line: &Line| line.admitted == 0 && line.writers.keys().next().copied() == in_line;
            if inner.phase == Phase::Idle && inner.line.as_deref().is_none_or(is_first) {
                inner.phase = Phase::Closing;
                self.stage = Stage::Closing;
                if let (Some(ticket), Some(line)) = (in_line, &mut inner.line) {
                    line.leave(ticket, leaving);
                }
                return Poll::Ready(());
            }
            let ticket = in_line.unwrap_or_else(unique);
            self.stage = Stage::InLine(ticket);
            mem::swap(inner.line.get_or_insert_default().writers.entry(ticket).or_default(), &mut sleeper);
            Poll::Pending
        })
    }

    /// Lists the seats that are taken, and goes in if there are none.
    fn look(&mut self, waker: &Waker) -> Poll<()> {
        let readers = self.readers;
        let mut sleeper = Sleeper::of(waker);
        readers.change(|inner, leaving| {
            let mut inside = BTreeSet::new();
            inside.extend(record::walk(readers.number()).chain(readers.counted()));
            if inside.is_empty() {
                return self.done(inner, leaving);
            }
            inner.phase = Phase::Draining;
            self.stage = Stage::Draining;
            let line = inner.line.get_or_insert_default();
            line.inside = inside;
            mem::swap(&mut line.drains, &mut sleeper);
            Poll::Pending
        })
    }

    /// Goes in, if the listed seats have been left.
    fn go_in(&mut self, waker: &Waker) -> Poll<()> {
        let mut sleeper = Sleeper::of(waker);
        self.readers.change(|inner, leaving| match &mut inner.line {
            Some(line) if !line.inside.is_empty() => {
                mem::swap(&mut line.drains, &mut sleeper);
                Poll::Pending
            }
            _ => self.done(inner, leaving),
        })
    }

    /// Notes that the writer is in.
    fn done(&mut self, inner: &mut Inner, leaving: &mut Leaving) -> Poll<()> {
        inner.phase = Phase::Writing;
        self.stage = Stage::Done;
        if let Some(line) = &mut inner.line {
            leaving.drops(&mut line.drains);
        }
        Poll::Ready(())
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::InLine(ticket) => self.readers.change(|inner, leaving| {
                if let Some(line) = &mut inner.line {
                    line.leave(ticket, leaving);
                }
                if inner.phase == Phase::Idle {
                    self.readers.next(inner, leaving);
                }
            }),
            Stage::Closing | Stage::Draining => self.readers.end_turn(),
            Stage::Outside | Stage::Done => {}
        }
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;
    use crate::wait::FOREVER;

    #[test]
    fn f16_a_writer_does_not_wait_for_threads_that_come_to_read() {
        let readers = Readers::new();
        let hold = record::while_taking(|| readers.write(&Wait::new(FOREVER)));
        assert!(hold.is_ok() && readers.is_writing_here());
    }
}
