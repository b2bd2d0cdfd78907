//! How an access that found no fresh value comes to its turn: elected, carrying on, or waiting.
//!
//! | what | is said by | to |
//! |---|---|---|
//! | [`Look`] | the deadline word | [`sight`](super::Status::sight) |
//! | [`Sight`] | `sight`, by the policy; or the getter's stamp | the mode |
//! | [`Need`] | the mode: what the access has seen, short of a fresh value | [`settle`](Dogpile::settle) |
//! | [`Verdict`] | the queue, if the access waited | `settle` |
//! | [`Settled`] | `settle` | the mode |
//! | `Turn`, `Outcome`, a value | the mode | the user |

use super::aging::Sight;
use super::{Dogpile, Nap};
use crate::clock::Clock;
use crate::election::{Birth, State, Verdict};
use crate::error::{AcquireError, Refusal, WaitCycle};
use crate::freshness::{Freshness, Look};
use crate::running::is_creating_here;
use crate::sync::{Mutant, mutant};
use crate::wait::{Wait, apart};
use std::task::{Poll, Waker};
use std::thread;

/// What an access has seen, short of a fresh value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A fresh value that is to be renewed early.
    Due,
    /// An old value: a new one is due, but not worth waiting for.
    Stale,
    /// No value.
    Missing,
}

/// What an access is to do about it.
pub(crate) enum Settled {
    /// Create; `waited` if it queued before it was elected.
    Elected { born: Birth, waited: bool },
    /// Use the old value: somebody else creates, or nobody is to for a while.
    CarryOn,
    /// Use the value that was waited for.
    Served,
    /// Look at the value again: it is no longer the one that was seen.
    Moved,
    /// Look at the value again: whoever was waited for has not created one.
    LookAgain,
}

/// How an access comes to a value that is created anew.
pub(crate) enum Anew {
    /// Create it.
    Elected(Birth),
    /// Look: somebody else has created it.
    Created,
    /// Use the value that was waited for.
    Served,
}

/// A wait, which is counted and told when it ends, also by being dropped.
struct Queued<'a, C: Clock> {
    of: &'a Dogpile<C>,
    since: u64,
    waits: bool,
}

impl<C: Clock> Drop for Queued<'_, C> {
    fn drop(&mut self) {
        // (The clock and the observer are the user's: no panic of theirs beside another.)
        if self.waits && !thread::panicking() {
            self.of.waited(self.since);
        }
    }
}

impl<C: Clock> Dogpile<C> {
    /// The primitive under every access: what is one to do that has `seen` the word, and found after that what it
    /// needs? All modes judge the value for themselves; this knows no value and no freshness.
    ///
    /// It holds as long as the generation stands. Once that has moved, what was found may be out of date.
    pub(crate) fn settle(
        &self,
        seen: State,
        need: Need,
        wait: &Wait,
    ) -> impl Future<Output = Result<Settled, Refusal>> {
        async move {
            let mut now = seen;
            while now.generation().is_still(seen.generation()) || mutant(Mutant::ElectedOnOldNews) {
                let closed = self.is_closed_now(now);
                if closed && need != Need::Missing {
                    return Ok(Settled::CarryOn);
                }
                if closed && now.is_creating() {
                    match apart!(wait, self.wait_for_creation(now, wait))? {
                        Verdict::Served => return Ok(Settled::Served),
                        Verdict::Elected(born) => return Ok(Settled::Elected { born, waited: true }),
                        Verdict::LookAgain => return Ok(Settled::LookAgain),
                        Verdict::Paused(pause) => return Err(self.paused(pause)),
                        Verdict::WouldDeadlock(cycle) => return Err(Refusal(AcquireError::WouldDeadlock(cycle))),
                        Verdict::Moved => {}
                    }
                } else if closed && wait.hears_of_pauses() {
                    if let Some(pause) = self.pause() {
                        return Err(self.paused(pause));
                    }
                } else if let Some(born) = self.election.elect(now, self.timer()) {
                    return Ok(Settled::Elected { born: self.begun(born, None), waited: false });
                }
                now = self.election.look();
            }
            Ok(Settled::Moved)
        }
    }

    fn wait_for_creation(&self, seen: State, wait: &Wait) -> impl Future<Output = Result<Verdict, Refusal>> {
        async move {
            if is_creating_here(&self.election) {
                return Err(Refusal(AcquireError::WouldDeadlock(WaitCycle::of(vec![self.policy().name()]))));
            }
            let deadline = wait.begin().ok_or(Refusal(AcquireError::TimedOut))?;
            let mut queued = Queued { of: self, since: self.clock.now(), waits: false };
            let mut waiter = self.election.wait(seen, wait.hears_of_pauses()).blocking(!wait.is_of_a_task());
            let mut reminder = self.reminder();
            let poll = |waker: &Waker| {
                let timer = self.timer();
                match waiter.poll(waker, timer) {
                    Poll::Ready(verdict) => Ok(verdict),
                    Poll::Pending => {
                        queued.waits = true;
                        Err(self.nap(Nap::UntilOverdue, &mut reminder, waker, timer))
                    }
                }
            };
            let verdict = wait.until(deadline, poll).await;
            if let Some(Verdict::Elected(born)) = verdict {
                queued.waits = false;
                return Ok(Verdict::Elected(self.begun(born, Some(queued.since))));
            }
            drop(queued);
            verdict.ok_or(Refusal(AcquireError::TimedOut))
        }
    }

    /// For an access that wants a value whose creation begins after this call: marks the one there is as stale, and
    /// waits for whoever creates already.
    pub(crate) fn elect_anew(&self, wait: &Wait) -> impl Future<Output = Result<Anew, Refusal>> {
        async move {
            self.mark_stale();
            let mut served = false;
            loop {
                let seen = self.election.look();
                // Nothing but a creation that began after the mark takes it back.
                if self.expiry.told() == Freshness::Fresh {
                    return Ok(Anew::Created);
                }
                match self.settle(seen, Need::Missing, wait).await? {
                    Settled::Elected { born, .. } => return Ok(Anew::Elected(born)),
                    // The first may have begun before the mark; the second began after the first had ended.
                    Settled::Served if served => return Ok(Anew::Served),
                    Settled::Served => served = true,
                    Settled::CarryOn | Settled::Moved | Settled::LookAgain => {}
                }
            }
        }
    }

    /// What an access finds now: a value that was born fresh begins to live. One that is due is told of as fresh to all
    /// who are not to renew it.
    pub(crate) fn look(&self) -> Sight {
        self.look_at(self.expiry.now(&self.clock))
    }

    /// The same, as of that time.
    pub(crate) fn look_at(&self, mut now: u64) -> Sight {
        let mut look = self.expiry.look(now);
        if look == Look::Unstamped {
            now = self.stamp_born();
            look = self.expiry.look(now);
        }
        match self.sight(look, now) {
            Sight::Due if !self.is_due(now) => Sight::Fresh,
            sight => sight,
        }
    }
}
