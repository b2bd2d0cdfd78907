//! The soft wait: how an access that has an old value waits for a new one, as long as its soft time-out says.
//!
//! *A soft wait is never elected.* It stands in the queue as a waiter whose creator was given away. Such a waiter hears
//! of the end of a creation, however that creation ends, and is never called. If the generation has moved before the
//! wait is in the queue, the creation that it would wait for has ended, or was superseded.

use super::Dogpile;
use super::reminder::Nap;
use super::seen::Queued;
use crate::clock::Clock;
use crate::election::Verdict;
use crate::generation::Generation;
use crate::running::is_creating_here;
use crate::wait::Wait;
use std::task::{Poll, Waker};

/// How a soft wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Softly {
    /// The access uses the new value.
    Served,
    /// The access looks again: the creation that it waited for has made no value, or the generation had moved before
    /// the wait was in the queue.
    LookAgain,
    /// The access uses the old value.
    GoOn,
}

impl<C: Clock> Dogpile<C> {
    /// Waits for the creation that an access has handed over, as [`wait_softly`](Self::wait_softly) does. Returns
    /// whether the lock has moved on by then. (The end of the wait alone does not say so: the creation may have
    /// failed.)
    pub(crate) fn wait_softly_for_its_own(&self, born: Generation, wait: &Wait) -> impl Future<Output = bool> {
        async move {
            self.wait_softly(born, wait).await;
            self.has_moved_on(born)
        }
    }

    /// Waits for the creation that runs, as long as the soft time-out says, for an access that would otherwise go on
    /// with an old value. The access is never elected by this wait.
    pub(crate) fn wait_softly(&self, seen: Generation, wait: &Wait) -> impl Future<Output = Softly> {
        async move {
            let now = self.election.look();
            if !now.generation().is_still(seen) {
                return Softly::LookAgain;
            }
            if !now.is_creating() || is_creating_here(&self.election) {
                return Softly::GoOn;
            }
            let Some(deadline) = wait.begin_softly() else { return Softly::GoOn };
            let mut queued = Queued { of: self, since: self.clock.now(), waits: false };
            let mut waiter = self.election.wait_without_creator().blocking(!wait.is_of_a_task());
            let mut reminder = self.reminder();
            let poll = |waker: &Waker| {
                let timer = self.timer();
                match waiter.poll(waker, timer) {
                    Poll::Ready(Verdict::Served) => Ok(Softly::Served),
                    Poll::Ready(Verdict::Paused(_) | Verdict::WouldDeadlock(_)) => Ok(Softly::GoOn),
                    Poll::Ready(_) => Ok(Softly::LookAgain),
                    // The creation ended, or was superseded, before this wait was in the queue.
                    Poll::Pending if self.has_moved_on(seen) => Ok(Softly::LookAgain),
                    // (A task has no other deadline.)
                    Poll::Pending if deadline.has_passed() => Ok(Softly::GoOn),
                    Poll::Pending => {
                        queued.waits = true;
                        let nap = self.nap(Nap::of(&waiter), &mut reminder, waker, timer);
                        Err(Some(nap.map_or(deadline, |nap| nap.sooner(deadline))))
                    }
                }
            };
            wait.until(deadline, poll).await.unwrap_or(Softly::GoOn)
        }
    }
}
