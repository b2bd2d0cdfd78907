//! Watchers: threads and tasks that wait for a value, whichever creation or call brings it.
//!
//! | a watcher is | in the list | until |
//! |---|---|---|
//! | new | no | its first poll finds a value that the watcher waits for, or else adds the watcher |
//! | watching | yes | a value is published or set: then the watcher is taken out; or the watcher is dropped |
//! | told | no | the watcher is polled, and learns the generation of that moment |
//!
//! A watcher waits for a value, fresh or stale, in another generation than the one that it has seen; or in any
//! generation. A generation moves as a value is published, set or invalidated, and after an invalidation there is no
//! value. So a value in a generation that has moved is a newer value, and an invalidation alone tells no watcher.
//!
//! - *The publishing tells a watcher, not the value.* A watcher that was told is ready, even if the value is stale, too
//!   old or invalidated again by the time the watcher is polled. A waiter is served in the same way (L3). If the
//!   watcher had to find a value then, a watcher that is slow to wake would miss one value after another where values
//!   live for a short time only.
//! - *A watcher learns the generation of the moment at which it is polled,* even if that is a later one. So a watcher
//!   that begins anew with that generation misses nothing that came after it, and is not told twice of what came
//!   before. Of several values that were published meanwhile a watcher is told once.
//! - *A watcher that times out or is dropped leaves the list,* and has no baton to pass on.

use super::queue::{Wake, release};
use super::transitions::Election;
use crate::generation::Generation;
use crate::sync::{Mutant, mutant, unique};
use crate::wakers::Sleeper;
use std::fmt;
use std::mem;
use std::task::{Poll, Waker};

/// A thread or task that waits for a value, and is never elected. Dropping it leaves the list.
#[must_use = "a watcher waits only while it is polled"]
pub struct Watcher<'a> {
    election: &'a Election,
    since: Option<Generation>,
    ticket: Option<u64>,
}

impl Election {
    /// Prepares to wait for a value: for any, or for one that is newer than the generation `since`. The first poll
    /// looks for such a value, and adds the watcher if there is none.
    pub fn watch(&self, since: Option<Generation>) -> Watcher<'_> {
        Watcher::new(self, since)
    }
}

impl<'a> Watcher<'a> {
    pub(super) fn new(election: &'a Election, since: Option<Generation>) -> Self {
        Self { election, since, ticket: None }
    }

    /// Looks for a value at the first poll. Later polls tell whether a value has been published since. Ready with the
    /// generation of this moment. `is_there` returns whether there is a value; it runs under the mutex, and contains no
    /// user code.
    pub fn poll(&mut self, waker: &Waker, is_there: impl Fn() -> bool) -> Poll<Generation> {
        // Before the mutex: cloning a waker is user code.
        let sleeper = Sleeper::of(waker);
        match self.ticket {
            None => self.begin(sleeper, is_there),
            Some(ticket) => self.check(ticket, sleeper),
        }
    }

    fn begin(&mut self, sleeper: Sleeper, is_there: impl Fn() -> bool) -> Poll<Generation> {
        let look = || {
            let generation = self.election.begun().generation();
            let is_another = self.since.is_none_or(|since| !generation.is_still(since));
            (is_another && is_there()).then_some(generation)
        };
        let early = mutant(Mutant::LooksBeforeItWatches).then(look);
        let mut book = self.election.book.lock();
        if let Some(generation) = early.unwrap_or_else(look) {
            drop(book);
            return Poll::Ready(generation);
        }
        let ticket = unique();
        book.get_or_insert_default().watchers.insert(ticket, sleeper);
        self.ticket = Some(ticket);
        Poll::Pending
    }

    fn check(&mut self, ticket: u64, mut sleeper: Sleeper) -> Poll<Generation> {
        let mut book = self.election.book.lock();
        let Some(watching) = book.as_mut().and_then(|book| book.watchers.get_mut(&ticket)) else {
            let generation = self.election.look_locked().generation();
            drop(book);
            self.ticket = None;
            return Poll::Ready(generation);
        };
        mem::swap(watching, &mut sleeper);
        drop(book);
        drop(sleeper); // the old one
        Poll::Pending
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut book = self.election.book.lock();
            let left = book.as_mut().and_then(|book| book.watchers.remove(&ticket));
            release(book, Wake::default());
            drop(left); // a waker
        }
    }
}

impl fmt::Debug for Watcher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("since", &self.since).field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
