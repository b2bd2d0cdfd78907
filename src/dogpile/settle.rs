//! How an access that found no fresh value comes to its turn: it is elected, carries on, or waits.
//!
//! On its way an access passes from one type to the next. The *mode* is lock mode, getter mode or stamped getter mode,
//! or that of a `Cached`.
//!
//! | type | made by | for |
//! |---|---|---|
//! | [`Look`](crate::freshness::Look) | the deadline word | [`sight`](super::Status::sight) |
//! | [`Sight`](super::sight::Sight) | `sight`, by the policy; or the getter's stamp | the mode |
//! | [`Need`] | the mode: what the access has seen, short of a fresh value | [`settle`](Dogpile::settle) |
//! | [`Verdict`] | the queue, if the access has waited | `settle` |
//! | [`Settled`] | `settle` | the mode |
//! | [`Another`](super::another::Another) | [`elect_another`](Dogpile::elect_another), if the access wants another value than the one that is there | the mode |
//! | [`Softly`](super::soft::Softly) | [`wait_softly`](Dogpile::wait_softly), if the access has an old value and time to wait | the mode |
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
    /// Returns whether a pause keeps the access from creating.
    fn hears_of_pauses(self, wait: &Wait) -> bool {
        match self {
            Self::Anew => false,
            Self::Newer => true,
            Self::Due | Self::Stale | Self::Missing => wait.hears_of_pauses(),
        }
    }
}

/// What an access is to do next.
pub(crate) enum Settled {
    /// The access creates. `waited` says whether it queued before it was elected.
    Elected { born: Birth, waited: bool },
    /// The access uses the old value: another access creates, or no access is to create for a while.
    CarryOn,
    /// The access uses the value that it has waited for.
    Served,
    /// The access looks at the value again: the value is no longer the one that the access saw.
    Moved,
    /// The access looks at the value again: the creation that it waited for has made no value.
    LookAgain,
}

impl<C: Clock> Dogpile<C> {
    /// Settles what an access is to do that has `seen` the word, and after that has found what it needs. This is the
    /// primitive under every access. Each mode judges the value for itself; this function knows no value and no
    /// freshness.
    ///
    /// What the access has found holds as long as the generation stands. Once the generation has moved, it may be out
    /// of date.
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
                let awaits_it = mutant(Mutant::OldValueAwaited) && now.is_creating();
                if closed && need.is_met_by_old() && !awaits_it {
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
                            // In place of this refusal the access returns the error that `wait` has noted.
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
