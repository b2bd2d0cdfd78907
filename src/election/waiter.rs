//! Waiters: threads and tasks that wait for a creation, and may be elected after it.

use super::birth::Birth;
use super::failures::Pause;
use super::queue::{Book, Lazy, Role, Waiting, Wake, in_book, release};
use super::state::State;
use super::timer::Timer;
use super::transitions::Election;
use crate::cycle::Edges;
use crate::error::WaitCycle;
use crate::running::address_of;
use crate::shared_error::SharedError;
use crate::sync::{Mutant, MutexGuard, Ordering, mutant, unique};
use crate::wakers::{Sleeper, contained};
use std::any::TypeId;
use std::fmt;
use std::mem;
use std::task::{Poll, Waker};

/// What became of a waiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A creation that the waiter could wait for has finished.
    Served,
    /// The waiter is elected, and has to create.
    Elected(Birth),
    /// The creation that the access saw has ended before the waiter could queue.
    Moved,
    /// The creation that the waiter waited for has stood down: the access is to look at everything again. For a waiter
    /// that cannot create, which stays in the queue: it is its turn, since no other waiter is left to create.
    LookAgain,
    /// The creation that the waiter waited for has failed, and no access is to create for a while.
    Paused(Pause),
    /// The creation that the waiter waited for has failed with this error.
    Failed(SharedError),
    /// The creation that the waiter would have waited for waits for one that this thread runs.
    WouldDeadlock(WaitCycle),
}

/// A thread or task that waits for a creation. Dropping it leaves the queue, and passes the baton on.
#[must_use = "a waiter waits only while it is polled"]
pub struct Waiter<'a> {
    election: &'a Election,
    seen: State,
    role: Role,
    ticket: Option<u64>,
    /// The waiter is a thread, which does nothing else meanwhile.
    blocks: bool,
    /// The waiter is to wake itself: see [`cycle`](crate::cycle).
    asks: bool,
    /// As far as the waiter has seen, no other waiter can be elected.
    alone: bool,
}

impl Election {
    /// Prepares to wait for the creation that was `seen`. The first poll queues. A waiter that `hears_of_pauses` need
    /// not create after a failure that others pause for.
    pub fn wait(&self, seen: State, hears_of_pauses: bool) -> Waiter<'_> {
        Waiter::new(self, seen, Role { creates: true, hears_of_pauses, shares: None })
    }

    /// Prepares to wait without a creator. Such a waiter is never called. It waits for the next creation even while
    /// none runs, and it hears of pauses.
    pub fn wait_without_creator(&self) -> Waiter<'_> {
        Waiter::new(self, self.look(), Role { creates: false, hears_of_pauses: true, shares: None })
    }

    /// Returns how many accesses wait for a creation, and are known to. An access that has asked its creator whether
    /// the wait is still wanted is not counted yet.
    pub fn waiting(&self) -> usize {
        self.book.lock().as_ref().map_or(0, |book| book.waiting())
    }

    fn leave(&self, ticket: u64) {
        let mut book = self.book.lock();
        let Some(left) = in_book(&mut book, |book| book.remove(ticket)) else {
            return; // served: the transition that serves a waiter takes it out
        };
        // An election that is missed here ends under the mutex, after this, and sees to the queue itself.
        let idle = !self.look_locked().is_creating();
        let mut wake = Wake::default();
        if left.called && idle && !mutant(Mutant::BatonKept) {
            wake.called = in_book(&mut book, Book::call_next);
        }
        if left.can_create() {
            wake.again = in_book(&mut book, Book::wake_if_alone);
        }
        release(book, wake);
    }
}

impl<'a> Waiter<'a> {
    pub(super) fn new(election: &'a Election, seen: State, role: Role) -> Self {
        Self { election, seen, role, ticket: None, blocks: false, asks: false, alone: false }
    }

    /// The same waiter; if `blocks`, it is that of a thread that does nothing else until the wait is over.
    pub(crate) fn blocking(mut self, blocks: bool) -> Self {
        self.blocks = blocks;
        self
    }

    /// The same waiter, which need not create after a failure with an error of that type, if the error is shared.
    pub(crate) fn sharing(mut self, shares: Option<TypeId>) -> Self {
        self.role.shares = shares;
        self
    }

    /// Queues at the first poll. Later polls tell what became of the waiter. The newest waker is the one that is woken
    /// (C5). The timer is that of [`Election::elect`], as of now.
    pub fn poll(&mut self, waker: &Waker, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        // Before the mutex: cloning a waker is user code.
        let sleeper = Sleeper::of(waker);
        let polled = match self.ticket {
            None => self.queue(sleeper, timer),
            Some(ticket) => self.check(ticket, sleeper, timer),
        };
        if mem::take(&mut self.asks) {
            contained(|| waker.wake_by_ref());
        }
        polled
    }

    /// Returns whether no other waiter can be elected, as of the last poll of a waiter that cannot be elected itself.
    /// If another waiter can, this one is woken when the last of them leaves. If none can, this one is to look by
    /// itself whether a creation is overdue.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    fn queue(&mut self, sleeper: Sleeper, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        let mut book = self.election.book.lock();
        // Relaxed: while a creation runs, the word changes under the mutex only, and this thread holds it.
        let state = State(self.election.state.load(Ordering::Relaxed));
        // A waiter that cannot create waits for what comes, also while no creation runs.
        if self.role.creates && !state.is_the_creation(self.seen) && !mutant(Mutant::NoRecheck) {
            drop(book);
            return Poll::Ready(Verdict::Moved);
        }
        let ticket = unique();
        let mut edges = Edges::default();
        match edges.poll(ticket, address_of(self.election), self.blocks) {
            Ok(asks) => self.asks = asks,
            Err(cycle) => {
                drop(book);
                return Poll::Ready(Verdict::WouldDeadlock(cycle));
            }
        }
        let entries = book.get_or_insert_default();
        entries.with_edges += usize::from(!edges.is_empty());
        entries.without_creator += usize::from(!self.role.creates);
        // A waiter that may come to wait for the end of a store says so, of a store that begins after this as well.
        let overdue = timer.is_some_and(|timer| timer.finds_overdue(state));
        entries.overdue |= overdue && !mutant(Mutant::OverdueUntold);
        let waiting = Waiting {
            sleeper,
            since: state.generation(),
            role: self.role,
            called: false,
            again: false,
            paused: None,
            failed: None,
            edges,
        };
        entries.accesses.insert(ticket, waiting);
        self.ticket = Some(ticket);
        self.goes_on(entries, timer)
    }

    /// Returns whether a waiter that cannot create waits on. It does, unless it would be elected if it could. That
    /// takes two things: no creation runs, or the creation that runs is overdue and does not store; and no other waiter
    /// is there to go first, or one has failed to do so for long.
    fn goes_on(&mut self, book: &mut Book, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        if self.role.creates {
            return Poll::Pending;
        }
        let state = self.election.look();
        let overdue = state.is_creating() && timer.is_some_and(|timer| timer.finds_overdue(state));
        book.overdue |= overdue;
        self.alone = !book.has_who_can();
        let open = !state.is_creating() || (overdue && !state.is_storing());
        // The waiters that could go first, and do not, are not polled any more.
        let late = overdue && timer.is_some_and(|timer| timer.finds_long_overdue(state));
        if open && (self.alone || late) { Poll::Ready(Verdict::LookAgain) } else { Poll::Pending }
    }

    fn check(&mut self, ticket: u64, mut sleeper: Sleeper, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        let mut guard = self.election.book.lock();
        let Some(book) = guard.as_mut().filter(|book| book.accesses.contains_key(&ticket)) else {
            drop(guard);
            self.ticket = None;
            return Poll::Ready(Verdict::Served);
        };
        let waiting = book.accesses.get_mut(&ticket).expect("it was just seen");
        if let Some(error) = waiting.failed.take() {
            return self.go(guard, ticket, Verdict::Failed(error));
        }
        if let Some(pause) = waiting.paused.take() {
            return self.go(guard, ticket, Verdict::Paused(pause));
        }
        let (called, again) = (mem::take(&mut waiting.called), waiting.again);
        let state = self.election.look();
        if called || (self.role.creates && timer.is_some() && state.is_creating()) {
            if let Some(born) = self.election.elect_locked(&mut guard, state, timer) {
                return self.go(guard, ticket, Verdict::Elected(born));
            }
        }
        if again && self.role.creates {
            return self.go(guard, ticket, Verdict::LookAgain);
        }
        let book = guard.as_mut().expect("it was just seen");
        let waiting = book.accesses.get_mut(&ticket).expect("it was just seen");
        // Either a newcomer was faster: then this goes back to waiting, first in line, and the newcomer's creation ends
        // under the mutex, after this. Or a task is polled by another creator now than before, or once more by the
        // same.
        let had_edges = usize::from(!waiting.edges.is_empty());
        let polled = waiting.edges.poll(ticket, address_of(self.election), self.blocks);
        book.with_edges = book.with_edges - had_edges + usize::from(!waiting.edges.is_empty());
        match polled {
            Ok(asks) => self.asks = asks,
            Err(cycle) => return self.go(guard, ticket, Verdict::WouldDeadlock(cycle)),
        }
        mem::swap(&mut waiting.sleeper, &mut sleeper);
        let polled = self.goes_on(book, timer);
        drop(guard);
        drop(sleeper); // the old one
        polled
    }

    /// Takes the waiter out of the queue, with a verdict.
    fn go(&mut self, mut book: MutexGuard<'_, Lazy>, ticket: u64, verdict: Verdict) -> Poll<Verdict> {
        let left = in_book(&mut book, |book| book.remove(ticket));
        let mut wake = Wake::default();
        // A waiter that was told of a pause or an error could not create any more, and the transition that told it has
        // seen to the others.
        if !matches!(verdict, Verdict::Paused(_) | Verdict::Failed(_)) {
            wake.again = in_book(&mut book, Book::wake_if_alone);
        }
        release(book, wake);
        drop(left); // a waker
        self.ticket = None;
        Poll::Ready(verdict)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.election.leave(ticket);
        }
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("seen", &self.seen).field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
