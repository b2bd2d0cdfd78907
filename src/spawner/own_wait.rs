//! The wait of an access for the creation that it has spawned.
//!
//! The access is in the queue of its lock, as everybody who waits, from when it is first polled until it has what it
//! came for: so a circle of creations is found (L7), whoever creates or sets a value serves it (L3), and it hears of
//! pauses. It stays there also while nobody creates; but since its creator was given away, it is never called. Instead
//! it is told that it is *its turn*, when it would be elected if it could: nobody creates, or the creation that runs is
//! overdue, and nobody else waits who could go first. Whoever could and does not, for as long as a creation may take
//! again, is taken not to be polled any more: then it is its turn all the same.
//!
//! A [`Slip`](super::in_flight::Slip) that it shares with the task tells the access what its own creation has come to.
//! The creator lies there until the task begins:
//!
//! | the task | the slip | the creator |
//! |---|---|---|
//! | has not begun | `Nothing` | is there |
//! | has begun | `Nothing` | is with the task |
//! | is about to end its creation | `Ending` | is gone |
//! | has created, or failed | `Made` | is gone |
//! | has panicked, or its creator has left its handle where it is still held | `Lost` | is gone |
//! | was dropped, or found its creation dead before it began | `Gone` | is there, if the task had not begun |
//!
//! With both of them, at each poll, the first line that fits:
//!
//! | the slip | the queue says | the access |
//! |---|---|---|
//! | `Made` | - | has that: its value, or its error |
//! | `Ending` | - | waits for the slip, which is filled in come what may: the queue may have told of just that end |
//! | - | served | has that |
//! | - | there is a pause | ends with that |
//! | - | it would deadlock | ends with that |
//! | `Gone`, and the creator is there | - | takes that back, and takes part anew, as one that has not spawned |
//! | the creator is there | it is its turn | the same: the task was leaked, or is late |
//! | the creator is gone | it is its turn | is [`Lost`](crate::CreateError::Lost) |
//! | - | - | waits on |
//!
//! It never declares a creation dead: there would be nobody to create in its place, and the one that runs may yet end
//! well, and be kept. A creator that was taken back is run in the access itself.

use super::in_flight::{InFlight, Making, Says, take_creator};
use crate::clock::Clock;
use crate::dogpile::{Dogpile, Nap};
use crate::election::Verdict;
use crate::error::CreateError;
use crate::lock::Lock;
use crate::sync::Deadline;
use crate::wait::TASK;
use std::task::{Poll, Waker};

/// What has come of a wait for it.
pub(crate) enum Came<L: Lock + 'static, R, V> {
    /// Its own value, or its error.
    Made(R),
    /// Somebody else's.
    Served(V),
    /// Nothing: it has its creator back.
    TookBack(Making<L, R>),
}

impl<C: Clock> Dogpile<C> {
    /// Waits for a creation that was spawned for this access. `found` says what there is; or what it was served with,
    /// if it was.
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
                // Whoever makes one from now on serves it. (Before the slip, which says so first if it is its own.)
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
                    continue; // it is not in the queue
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
