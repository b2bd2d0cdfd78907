//! The wait of an access for the creation that it has spawned.
//!
//! # The queue
//!
//! The access is in the queue of its lock, as all waiters are, from its first poll until it has what it came for. So a
//! circle of creations is found (L7), a creation or a value that is set serves the access (L3), and the access hears of
//! pauses.
//!
//! The access stays in the queue also while no creation runs. Since its creator was given away, the access is never
//! called. Instead the access is told that it is *its turn*. An access has its turn when it would be elected if it
//! could create. Two conditions make it so: no creation runs, or the creation that runs is overdue; and no waiter is
//! left that could go first. A waiter that could go first, and has not done so for as long as a creation may take
//! again, is taken not to be polled any more. Then the access has its turn all the same.
//!
//! # The slip
//!
//! A [`Slip`](super::in_flight::Slip), which the access shares with the task, tells the access what has become of its
//! own creation. The creator lies on the slip until the task begins:
//!
//! | the task | the slip says | the creator |
//! |---|---|---|
//! | has not begun | `Nothing` | is on the slip |
//! | has begun | `Nothing` | is with the task |
//! | is about to end its creation | `Ending` | is gone |
//! | has created, or failed | `Made` | is gone |
//! | has panicked, or its creator has left its handle where the handle is still held | `Lost` | is gone |
//! | was dropped, or found its creation dead before it began | `Gone` | is on the slip, if the task had not begun |
//!
//! # What the access does
//!
//! At each poll the access goes by slip and queue. The first row that fits decides:
//!
//! | the slip | the queue says | the access |
//! |---|---|---|
//! | `Made` | - | ends with its own value, or its own error |
//! | `Ending` | - | waits for the slip, which is certain to be filled in: what the queue tells may be just that end |
//! | - | served; or a value is there when the access has just queued | ends with that value |
//! | - | there is a pause | ends with that error |
//! | - | the wait would be a deadlock | ends with that error |
//! | `Gone`, and the creator is on it | - | takes the creator back, and takes part anew, as an access that has not spawned |
//! | the creator is on it | it is the access's turn | does the same: the task was leaked, or is late |
//! | the creator is gone | it is the access's turn | ends as [`Lost`](crate::CreateError::Lost) |
//! | - | - | waits on |
//!
//! The access never declares a creation dead. There would be nobody to create in its place, and the creation that runs
//! may yet end well, and be kept. A creator that was taken back runs in the access itself.

use super::in_flight::{InFlight, Making, Says, take_creator};
use crate::clock::Clock;
use crate::dogpile::{Dogpile, Nap};
use crate::election::Verdict;
use crate::error::CreateError;
use crate::lock::Lock;
use crate::sync::Deadline;
use crate::wait::TASK;
use std::task::{Poll, Waker};

/// How a wait for the access's own creation has ended.
pub(crate) enum Came<L: Lock + 'static, R, V> {
    /// The access's own value, or its own error.
    Made(R),
    /// The value of another access, or one that was set.
    Served(V),
    /// Without a value: the access has its creator back.
    TookBack(Making<L, R>),
}

impl<C: Clock> Dogpile<C> {
    /// Waits for a creation that was spawned for this access. `found(false)` returns a value that is there already.
    /// `found(true)` returns the value that the access was served with.
    pub(crate) async fn spawned<L: Lock, R, V, E, G>(
        &self,
        spawned: &InFlight<L, R>,
        found: impl Fn(bool) -> Option<V>,
    ) -> Result<Came<L, R, V>, CreateError<E, G>> {
        let (mut waiter, mut reminder) = (self.election().wait_without_creator(), self.reminder());
        let (mut looked, mut verdict) = (false, None);
        let poll = |waker: &Waker| {
            let timer = self.timer();
            loop {
                let mut its_turn = false;
                if verdict.is_none() {
                    match waiter.poll(waker, timer) {
                        Poll::Ready(Verdict::LookAgain) => its_turn = true,
                        Poll::Ready(told) => verdict = Some(told),
                        Poll::Pending => {}
                    }
                }
                // A value that is made from now on serves the access. This look comes before the look at the slip,
                // which has the say if the value is the access's own.
                let there = if looked { None } else { found(false) };
                let said = spawned.poll(waker);
                match said {
                    Says::Made(made) => return Ok(Ok(Came::Made(made))),
                    Says::Ending => return Err(None),
                    _ => looked = true,
                }
                let served = match verdict.take() {
                    Some(Verdict::Paused(pause)) => return Ok(Err(self.paused(pause).into())),
                    Some(Verdict::WouldDeadlock(cycle)) => return Ok(Err(CreateError::WouldDeadlock(cycle))),
                    Some(Verdict::Served) => {
                        let served = found(true);
                        looked = served.is_some();
                        served
                    }
                    _ => None,
                };
                if let Some(value) = served.or(there) {
                    return Ok(Ok(Came::Served(value)));
                }
                if !looked {
                    continue; // the access is no longer in the queue
                }
                if its_turn || matches!(said, Says::Gone) {
                    if let Some(creator) = take_creator(&spawned.0) {
                        return Ok(Ok(Came::TookBack(creator)));
                    }
                }
                if its_turn {
                    return Ok(Err(CreateError::Lost));
                }
                return Err(self.nap(Nap::of(&waiter), &mut reminder, waker, timer));
            }
        };
        TASK.until(Deadline::never(), poll).await.expect("it waits without an end")
    }
}
