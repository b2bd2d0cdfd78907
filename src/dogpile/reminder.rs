//! How a waiter wakes up when the creation that it waits for is overdue.

use super::Dogpile;
use crate::clock::Clock;
use crate::election::{Timer, Waiter};
use crate::sync::{Deadline, unique};
use crate::wakers::contained;
use std::task::Waker;
use std::time::Duration;

/// How long a waiter sleeps, if the creation does not end before that.
#[derive(Clone, Copy)]
pub(crate) enum Nap {
    /// Until the creation is overdue.
    UntilOverdue,
    /// Until the creation has been overdue for its time-out once more. Until then other waiters may take over.
    UntilLongOverdue,
}

impl Nap {
    /// Returns how long a waiter that cannot create sleeps, as of its last poll.
    pub(crate) fn of(waiter: &Waiter<'_>) -> Self {
        if waiter.is_alone() { Self::UntilOverdue } else { Self::UntilLongOverdue }
    }
}

/// A request to the clock to wake a waiter. When it is dropped, the request is taken back.
pub(crate) struct Reminder<'a, C: Clock> {
    clock: &'a C,
    /// The time of the request, and its ticket.
    set: Option<(u64, u64)>,
}

impl<C: Clock> Reminder<'_, C> {
    /// Asks the clock to wake the waiter at that time, in place of any other time. Returns whether the clock will do
    /// so.
    fn set(&mut self, at: u64, waker: &Waker) -> bool {
        let ticket = self.set.map_or_else(unique, |(_, ticket)| ticket);
        if !self.clock.wake_at(at, ticket, waker) {
            return false;
        }
        match self.set.replace((at, ticket)) {
            Some((before, _)) if before != at => self.take_back(before, ticket),
            _ => {}
        }
        true
    }

    fn take_back(&self, at: u64, ticket: u64) {
        // The clock is the user's, and may panic; and this may be called by a drop in the middle of another panic.
        contained(|| self.clock.cancel_wake(at, ticket));
    }
}

impl<C: Clock> Drop for Reminder<'_, C> {
    fn drop(&mut self) {
        if let Some((at, ticket)) = self.set {
            self.take_back(at, ticket);
        }
    }
}

impl<C: Clock> Dogpile<C> {
    /// Returns a reminder, for an access that may come to wait for a creation. Nothing is asked of the clock yet.
    pub(crate) fn reminder(&self) -> Reminder<'_, C> {
        Reminder { clock: &self.clock, set: None }
    }

    /// Has a waiter that is about to sleep until a creation ends wake up when that creation may be overdue. If the
    /// clock does not wake the waiter, returns until when the waiter is to sleep at the most.
    ///
    /// `timer` is the one with which the waiter has just polled. A later reading of the clock would not do: the waiter
    /// has not told the queue of what it would have found by that reading.
    pub(crate) fn nap(
        &self,
        nap: Nap,
        reminder: &mut Reminder<'_, C>,
        waker: &Waker,
        timer: Option<Timer<'_>>,
    ) -> Option<Deadline> {
        let timer = timer?;
        let state = self.election.look();
        // `hold` may be that of a pause which has begun since. No creation that the waiter may come to wait for has
        // more time than this.
        let at = timer.now.saturating_add(timer.timeout);
        let at = if state.is_creating() { self.terms.held_until().min(at) } else { at };
        let at = match nap {
            Nap::UntilOverdue => at,
            Nap::UntilLongOverdue => at.saturating_add(timer.timeout),
        };
        if at <= timer.now && state.is_storing() {
            return None; // the end of the store wakes the waiter: see `election`
        }
        let woken = reminder.set(at, waker);
        (!woken).then(|| Deadline::after(Duration::from_nanos(at.saturating_sub(timer.now))))
    }
}
