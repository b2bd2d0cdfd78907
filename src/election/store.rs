//! The stores of a creation, and the invalidations that wait for their end.

use super::birth::{Birth, Finished};
use super::queue::{Wake, in_book, release};
use super::state::STORING;
use super::transitions::Election;
use crate::generation::Generation;
use crate::sync::{AtomicU64, Mutant, Ordering, mutant, unique};
use crate::wakers::Sleeper;
use std::mem;
use std::task::{Poll, Waker};

impl Election {
    /// Begins a store of the creation `born` then, unless that is superseded or dead. `stores` counts the stores of
    /// that creation, which may overlap. A caller that is let in owes an `end_store`.
    ///
    /// # Errors
    ///
    /// [`Finished::Superseded`] or [`Finished::Dead`]: how the creation will end.
    pub fn begin_store(&self, born: Birth, stores: &AtomicU64) -> Result<(), Finished> {
        let book = self.book.lock();
        if born.ticket != 0
            && book.as_ref().and_then(|book| book.running) != Some(born.ticket)
            && !mutant(Mutant::DeadIsLive)
        {
            return Err(Finished::Dead);
        }
        // The mutex also orders a refusal after its reason.
        if self.look_locked().generation() != born.generation {
            return Err(Finished::Superseded);
        }
        // Relaxed, both: under the mutex.
        stores.fetch_add(1, Ordering::Relaxed);
        self.state.fetch_or(STORING, Ordering::Relaxed);
        Ok(())
    }

    /// Ends a store. Once no other store runs, the accesses that have invalidated meanwhile are let go.
    pub fn end_store(&self, stores: &AtomicU64) {
        let mut book = self.book.lock();
        let mut wake = Wake::default();
        // Relaxed, both: under the mutex, which also carries what was stored to the accesses that are let go.
        if stores.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.state.fetch_and(!STORING, Ordering::Relaxed);
            if let Some(book) = book.as_mut() {
                wake.let_go = book.let_go();
                wake.again = book.wake_overdue();
            }
        }
        release(book, wake);
    }

    /// Moves the generation and runs `forget`, under the mutex. With `only_if`, does so only from that generation, and
    /// else returns `None`. The invalidation has taken effect when this returns. The [`StoreEnd`] that is returned
    /// waits for a store that was under way.
    pub fn invalidate(&self, only_if: Option<Generation>, forget: impl FnOnce()) -> Option<StoreEnd<'_>> {
        let mut book = self.book.lock();
        let state = self.begun();
        if only_if.is_some_and(|seen| !state.generation().is_still(seen)) {
            return None;
        }
        self.move_on(state, state.generation().next());
        forget();
        let ticket = state.is_storing().then(unique);
        if let Some(ticket) = ticket {
            book.get_or_insert_default().invalidations.insert(ticket, Sleeper::default());
        }
        drop(book);
        Some(StoreEnd { election: self, ticket })
    }
}

/// The end of the stores that were under way at an invalidation. Dropping it stops waiting for that end.
#[must_use = "it waits only while it is polled"]
#[derive(Debug)]
pub struct StoreEnd<'a> {
    election: &'a Election,
    ticket: Option<u64>,
}

impl StoreEnd<'_> {
    /// Returns whether there is nothing to wait for, as far as has been seen.
    pub fn is_over(&self) -> bool {
        self.ticket.is_none()
    }

    /// Is ready once no store runs that began before the invalidation.
    pub fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Some(ticket) = self.ticket else { return Poll::Ready(()) };
        let mut sleeper = Sleeper::of(waker);
        let mut book = self.election.book.lock();
        let Some(waiting) = book.as_mut().and_then(|book| book.invalidations.get_mut(&ticket)) else {
            drop(book);
            self.ticket = None;
            return Poll::Ready(());
        };
        mem::swap(waiting, &mut sleeper);
        drop(book);
        drop(sleeper); // the old one
        Poll::Pending
    }
}

impl Drop for StoreEnd<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut book = self.election.book.lock();
            let left = in_book(&mut book, |book| book.invalidations.remove(&ticket));
            release(book, Wake::default());
            drop(left); // a waker
        }
    }
}
