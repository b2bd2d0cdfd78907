//! Those who wait for a creation.

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
    /// A creation that it could wait for has finished.
    Served,
    /// It is elected, and has to create.
    Elected(Birth),
    /// The creation that the access saw has ended before it could queue.
    Moved,
    /// The creation that it waited for has stood down: look at everything again. To one that cannot create, which stays
    /// in the queue: it is its turn, nobody else is left to create.
    LookAgain,
    /// The creation that it waited for has failed, and nobody is to create for a while.
    Paused(Pause),
    /// The creation that it waited for has failed with this.
    Failed(SharedError),
    /// The creation that it would have waited for waits for one that this thread runs.
    WouldDeadlock(WaitCycle),
}

/// One who waits for a creation, thread or task. Dropping it leaves the queue, and passes the baton on.
#[must_use = "a waiter waits only while it is polled"]
pub struct Waiter<'a> {
    election: &'a Election,
    seen: State,
    role: Role,
    ticket: Option<u64>,
    /// It is a thread's, which does nothing else meanwhile.
    blocks: bool,
    /// It is to wake itself: see [`cycle`](crate::cycle).
    asks: bool,
    /// Nobody waits beside it who could be elected, as far as it has seen.
    alone: bool,
}

impl Election {
    /// Prepares to wait for the creation that was `seen`. The first poll queues. Who `hears_of_pauses` need not create
    /// after a failure that others pause for.
    pub fn wait(&self, seen: State, hears_of_pauses: bool) -> Waiter<'_> {
        Waiter::new(self, seen, Role { creates: true, hears_of_pauses, shares: None })
    }

    /// The same for one who cannot create: it is never called, and waits for whatever comes, also while nobody creates.
    /// It hears of pauses.
    pub fn wait_without_creator(&self) -> Waiter<'_> {
        Waiter::new(self, self.look(), Role { creates: false, hears_of_pauses: true, shares: None })
    }

    /// How many wait for a creation, and are known to: one that has asked its creator whether it is wanted is not yet.
    pub fn waiting(&self) -> usize {
        self.book.lock().as_ref().map_or(0, |book| book.waiting())
    }

    fn leave(&self, ticket: u64) {
        let mut book = self.book.lock();
        let Some(left) = in_book(&mut book, |book| book.remove(ticket)) else {
            return; // served: whoever served us took us out
        };
        // An election that is missed here ends under the mutex, after us, and sees to the queue itself.
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

    /// The same, of a thread that does nothing else until this is over, if `blocks` says so.
    pub(crate) fn blocking(mut self, blocks: bool) -> Self {
        self.blocks = blocks;
        self
    }

    /// The same, of one that need not create after a failure with that type of error, if that is shared.
    pub(crate) fn sharing(mut self, shares: Option<TypeId>) -> Self {
        self.role.shares = shares;
        self
    }

    /// Queues at first; then tells what became of it. The newest waker is the one that is woken (C5). The timer is that
    /// of [`Election::elect`], as of now.
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

    /// Whether nobody waits beside it who could be elected, as of the last poll of one that cannot. If somebody does,
    /// it is woken when the last of them goes; if not, it is to look by itself whether a creation is overdue.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    fn queue(&mut self, sleeper: Sleeper, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        let mut book = self.election.book.lock();
        // Relaxed: a running creation's word changes only under the mutex that we hold.
        let state = State(self.election.state.load(Ordering::Relaxed));
        // Who cannot create waits for what comes, also if nobody creates.
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
        // Whoever may come to wait for the end of a store says so, of one that begins after this as well.
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

    /// It waits on, unless it would be elected if it could: if nobody creates, or who does is overdue; and nobody else
    /// is there to go first, or has gone for long.
    fn goes_on(&mut self, book: &mut Book, timer: Option<Timer<'_>>) -> Poll<Verdict> {
        if self.role.creates {
            return Poll::Pending;
        }
        let state = self.election.look();
        let overdue = state.is_creating() && timer.is_some_and(|timer| timer.finds_overdue(state));
        book.overdue |= overdue;
        self.alone = !book.has_who_can();
        let open = !state.is_creating() || (overdue && !state.is_storing());
        // Those who could go first, and do not, are not polled any more.
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
        // A newcomer was faster: back to waiting, first in line. Its creation ends under the mutex, after us. Or a task
        // is polled by another creator now than before, or once more by the same.
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

    /// Takes itself out of the queue with a verdict.
    fn go(&mut self, mut book: MutexGuard<'_, Lazy>, ticket: u64, verdict: Verdict) -> Poll<Verdict> {
        let left = in_book(&mut book, |book| book.remove(ticket));
        let mut wake = Wake::default();
        // One that was told of a pause or an error could not create any more, and whoever told it has seen to the others.
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
