//! How an access that waits for a creation wakes up when that creation is overdue.

use super::Dogpile;
use crate::clock::Clock;
use crate::election::{Timer, Waiter};
use crate::sync::{Deadline, unique};
use crate::wakers::contained;
use std::task::Waker;
use std::time::Duration;

/// How long somebody sleeps who waits for a creation.
#[derive(Clone, Copy)]
pub(crate) enum Nap {
    /// Until it is overdue.
    UntilOverdue,
    /// Until it is for as long again: until then others may take its place.
    UntilLongOverdue,
}

impl Nap {
    /// Of one that cannot create, as of its last poll.
    pub(crate) fn of(waiter: &Waiter<'_>) -> Self {
        if waiter.is_alone() { Self::UntilOverdue } else { Self::UntilLongOverdue }
    }
}

/// What a wait has asked its clock for, as long as it waits.
pub(crate) struct Reminder<'a, C: Clock> {
    clock: &'a C,
    /// For when, and the ticket.
    set: Option<(u64, u64)>,
}

impl<C: Clock> Reminder<'_, C> {
    /// For that time, in place of any other. Returns whether the clock does it.
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
        // The clock is the user's, and it may be a panic that has come here.
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
    /// For one who may come to wait for a creation: nothing yet.
    pub(crate) fn reminder(&self) -> Reminder<'_, C> {
        Reminder { clock: &self.clock, set: None }
    }

    /// For one who is about to sleep until a creation ends, which may be overdue before that: has it wake up by then.
    /// Returns until when it is to sleep at the most, if its clock does not see to that. The timer is the one that it
    /// has just polled with: what it would have found at a later time it has not told anybody.
    pub(crate) fn nap(
        &self,
        nap: Nap,
        reminder: &mut Reminder<'_, C>,
        waker: &Waker,
        timer: Option<Timer<'_>>,
    ) -> Option<Deadline> {
        let timer = timer?;
        let state = self.election.look();
        // What `hold` says may be of a pause that has begun since: no creation that it may come to wait for has longer
        // than this.
        let at = timer.now.saturating_add(timer.timeout);
        let at = if state.is_creating() { self.terms.held_until().min(at) } else { at };
        let at = match nap {
            Nap::UntilOverdue => at,
            Nap::UntilLongOverdue => at.saturating_add(timer.timeout),
        };
        if at <= timer.now && state.is_storing() {
            return None; // the end of the store is what it waits for: see `election`
        }
        let woken = reminder.set(at, waker);
        (!woken).then(|| Deadline::after(Duration::from_nanos(at.saturating_sub(timer.now))))
    }
}
