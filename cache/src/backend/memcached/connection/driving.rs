//! The task that writes what was asked, reads, and hands out the replies.
//!
//! A large value is written and read in [slices](SLICE), between which the other tasks of the runtime have their turn:
//! a value of a megabyte in one go would hold up a worker of the runtime for as long as a thousand small ones take.

use super::super::parse::{Line, parse};
use super::super::server::is_full;
use super::super::socket::{Reading, Writing};
use super::queue::{KEPT, Queue};
use super::{ANOTHER_DIALECT, CLOSED, Connection, Death};
use bytes::BytesMut;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// How many bytes are read at once, at least.
const READ: usize = 16 << 10;

/// After so many bytes the driver lets the others run, in each direction.
pub(super) const SLICE: usize = 64 << 10;

const FULL: Death = Death::of("the server takes no more connections");

/// The task that writes and reads. The connection dies with it.
pub(in super::super) struct Driver {
    connection: Arc<Connection>,
    reading: Reading,
    writing: Arc<Writing>,
    /// What is being written.
    in_hand: Queue,
    read: BytesMut,
    lines: Vec<Line>,
}

impl Driver {
    pub(super) fn new(connection: Arc<Connection>, reading: Reading, writing: Arc<Writing>) -> Driver {
        Driver { connection, reading, writing, in_hand: Queue::default(), read: BytesMut::new(), lines: Vec::new() }
    }

    /// Takes what was queued. Returns whether there is something to be written.
    fn take(&mut self, waker: &Waker) -> bool {
        let mut state = self.connection.lock();
        match &mut state.driver {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        if self.in_hand.is_empty() {
            std::mem::swap(&mut self.in_hand, &mut state.queue);
            state.taken += self.in_hand.len() as u64;
        }
        state.is_writing = !self.in_hand.is_empty();
        state.is_writing
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        let mut left = SLICE;
        while self.take(cx.waker()) {
            if left == 0 {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            let next = self.in_hand.next();
            match self.writing.try_write(&next[..next.len().min(left)]) {
                Ok(written) => {
                    self.in_hand.wrote(written);
                    left -= written;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match self.writing.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(CLOSED),
                    Poll::Pending => return Ok(()),
                },
                Err(_) => return Err(CLOSED),
            }
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        let mut left = SLICE;
        loop {
            if left == 0 {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if self.read.is_empty() && self.read.capacity() > KEPT {
                self.read = BytesMut::new();
            }
            self.read.reserve(READ);
            match self.reading.poll_read(cx, &mut self.read, left) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(read @ 1..)) => {
                    left -= read;
                    self.hand_out()?;
                }
                Poll::Ready(_) => return Err(CLOSED),
            }
        }
    }

    /// Hands out all replies that are there as a whole.
    fn hand_out(&mut self) -> Result<(), Death> {
        // Relaxed: it was stored before a value was asked for.
        let largest = self.connection.largest.load(Ordering::Relaxed);
        let parsed = loop {
            match parse(&mut self.read, largest) {
                Ok(Some(line)) => self.lines.push(line),
                Ok(None) => break Ok(()),
                Err(_) if is_full(&self.read) => break Err(FULL),
                Err(_) => break Err(ANOTHER_DIALECT),
            }
        };
        let mut wakers = Vec::with_capacity(self.lines.len());
        let handed_out = {
            let mut state = self.connection.lock();
            state.was_alone = self.lines.len() == 1 && state.waiting.len() == 1;
            self.lines.drain(..).try_for_each(|line| state.came(line, &mut wakers))
        };
        wakers.into_iter().for_each(Waker::wake);
        handed_out.and(parsed)
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.connection.is_dead() {
            return Poll::Ready(());
        }
        let driven = self.write(cx).and_then(|()| self.read(cx));
        match driven {
            Ok(()) if !self.connection.is_dead() => Poll::Pending,
            Ok(()) => Poll::Ready(()),
            Err(death) => {
                self.connection.die(death);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.connection.die(Death::of("the runtime of the connection has ended"));
    }
}
