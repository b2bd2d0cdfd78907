//! How an access that found no fresh value comes to its turn: elected, carrying on, or waiting.
//!
//! | what | is said by | to |
//! |---|---|---|
//! | [`Look`](crate::freshness::Look) | the deadline word | [`sight`](super::Status::sight) |
//! | [`Sight`](super::sight::Sight) | `sight`, by the policy; or the getter's stamp | the mode |
//! | [`Need`] | the mode: what the access has seen, short of a fresh value | [`settle`](Dogpile::settle) |
//! | [`Verdict`] | the queue, if the access waited | `settle` |
//! | [`Settled`] | `settle` | the mode |
//! | [`Another`](super::another::Another) | [`elect_another`](Dogpile::elect_another), to an access for which any value will not do | the mode |
//! | [`Softly`](super::soft::Softly) | [`wait_softly`](Dogpile::wait_softly), to an access that has an old value and some time | the mode |
//! | `Turn`, `Outcome`, a value | the mode | the user |

use super::Dogpile;
use super::reminder::Nap;
use super::seen::Queued;
use super::sight::Need;
use crate::clock::Clock;
use crate::election::{Birth, State, Verdict};
use crate::error::{AcquireError, Refusal, WaitCycle};
use crate::running::is_creating_here;
use crate::sync::{Mutant, mutant};
use crate::wait::{Wait, apart};
use std::task::{Poll, Waker};

impl Need {
    /// Whether a pause keeps the access from creating.
    fn hears_of_pauses(self, wait: &Wait) -> bool {
        match self {
            Self::Anew => false,
            Self::Newer => true,
            Self::Due | Self::Stale | Self::Missing => wait.hears_of_pauses(),
        }
    }
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
                if closed && need.is_met_by_old() {
                    return Ok(Settled::CarryOn);
                }
                if closed && now.is_creating() {
                    match apart!(wait, self.wait_for_creation(now, need, wait))? {
                        Verdict::Served => return Ok(Settled::Served),
                        Verdict::Elected(born) => return Ok(Settled::Elected { born, waited: true }),
                        Verdict::LookAgain => return Ok(Settled::LookAgain),
                        Verdict::Paused(pause) => return Err(self.paused(pause)),
                        Verdict::WouldDeadlock(cycle) => return Err(Refusal(AcquireError::WouldDeadlock(cycle))),
                        Verdict::Failed(error) => {
                            wait.fail(error);
                            // What it is the access puts in the place of this.
                            return Err(Refusal(AcquireError::Lost));
                        }
                        Verdict::Moved => {}
                    }
                } else if closed && need.hears_of_pauses(wait) {
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

    fn wait_for_creation(
        &self,
        seen: State,
        need: Need,
        wait: &Wait,
    ) -> impl Future<Output = Result<Verdict, Refusal>> {
        async move {
            if is_creating_here(&self.election) {
                return Err(Refusal(AcquireError::WouldDeadlock(WaitCycle::of(vec![self.policy().name()]))));
            }
            let deadline = wait.begin().ok_or(Refusal(AcquireError::TimedOut))?;
            let mut queued = Queued { of: self, since: self.clock.now(), waits: false };
            let hears = need.hears_of_pauses(wait);
            let would_bury = |now: State| now.is_creating() && self.would_renew_too_soon(now);
            let mut waiter = self.election.wait(seen, hears).blocking(!wait.is_of_a_task()).sharing(wait.shares());
            let mut reminder = self.reminder();
            let poll = |waker: &Waker| {
                let timer = self.timer();
                if need == Need::Newer && would_bury(self.election.look()) {
                    return Ok(Verdict::LookAgain);
                }
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
}
