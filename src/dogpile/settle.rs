//! How an access that found no fresh value comes to its turn: elected, carrying on, or waiting.
//!
//! | what | is said by | to |
//! |---|---|---|
//! | [`Look`](crate::freshness::Look) | the deadline word | [`sight`](super::Status::sight) |
//! | [`Sight`](super::sight::Sight) | `sight`, by the policy; or the getter's stamp | the mode |
//! | [`Need`] | the mode: what the access has seen, short of a fresh value | [`settle`](Dogpile::settle) |
//! | [`Verdict`] | the queue, if the access waited | `settle` |
//! | [`Settled`] | `settle` | the mode |
//! | [`Another`] | [`elect_another`](Dogpile::elect_another), to an access for which any value will not do | the mode |
//! | [`Softly`] | [`wait_softly`](Dogpile::wait_softly), to an access that has an old value and some time | the mode |
//! | `Turn`, `Outcome`, a value | the mode | the user |
//!
//! # Another value than the one there is
//!
//! An access that wants a value [anew](crate::Access::anew), or a [newer](crate::Access::renew_if) one, settles that
//! before it looks. It waits as if there were no value, and is elected as any access is; the value that is there stays
//! what it is to all others (but for `anew`, which marks it as stale).
//!
//! | [`renew_if`](crate::Access::renew_if) finds | and | it |
//! |---|---|---|
//! | a later generation, or no value | - | takes part as any access |
//! | a creation that runs | - | waits for that: it was born in this generation, and what it publishes is of a later one |
//! | nobody creating | a renewal by refusal began too short a time ago, or there is a pause | has come too soon |
//! | the same | neither | is elected, from the word that it has seen |
//!
//! - *Two renewals do not begin within an interval.* The elected access looks once more at when the last one began, before
//!   it notes its own: another may have been elected, and have failed, since the first look; or this access has waited for
//!   one that failed, and was called. If so it stands down, which has all that wait look for themselves. The time is stored
//!   between the acquire and the release of an election, so each elected access reads that of the one before.
//! - *Nobody gets the refused value again,* unless it came too soon: what it waits for, or creates, is of a later
//!   generation; what finished before it looked has moved the generation.
//! - *A soft wait is never elected.* It is in the queue as an access whose creator was given away, which hears of the end
//!   of a creation whatever that is, and is never called. If the generation has moved before it is in the queue, what it
//!   would wait for has ended.

use super::Dogpile;
use super::reminder::Nap;
use super::seen::Queued;
use super::sight::Need;
use crate::clock::Clock;
use crate::election::{Birth, Generation, State, Verdict};
use crate::error::{AcquireError, Refusal, WaitCycle};
use crate::freshness::Freshness;
use crate::running::is_creating_here;
use crate::sync::{Mutant, mutant};
use crate::wait::{Wait, Wants, apart};
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

/// How an access comes to another value than the one there is.
pub(crate) enum Another {
    /// Create it.
    Elected(Birth, Need),
    /// Use the value that is there: somebody else has created it.
    Created,
    /// Take part as any access: there is no value, or it is another by now.
    AsAny,
    /// Use the value that was waited for.
    Served,
    /// Use the old one: another was created too short a time ago.
    TooSoon,
}

/// How the wait of an access ended that has an old value to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Softly {
    /// Use the new value.
    Served,
    /// Look again: whoever was waited for has not created one, or somebody has created one meanwhile.
    LookAgain,
    /// Use the old value.
    GoOn,
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

    /// What an access comes to that wants another value than the one there is; `None` if any will do. `is_missing` says
    /// whether there is none.
    pub(crate) fn elect_another(
        &self,
        wait: &Wait,
        is_missing: impl Fn(State) -> bool,
    ) -> impl Future<Output = Result<Another, Refusal>> {
        async move {
            match wait.wants() {
                Wants::Any => Ok(Another::AsAny),
                Wants::Anew => self.elect_anew(wait).await,
                Wants::Newer(than) => self.elect_newer(than, wait, is_missing).await,
            }
        }
    }

    /// For an access that wants a value whose creation begins after this call: marks the one there is as stale, and
    /// waits for the creation that runs already.
    fn elect_anew(&self, wait: &Wait) -> impl Future<Output = Result<Another, Refusal>> {
        async move {
            self.mark_stale();
            let mut served = false;
            loop {
                let seen = self.election.look();
                // Nothing but a creation that began after the mark takes it back.
                if self.expiry.told() == Freshness::Fresh {
                    return Ok(Another::Created);
                }
                match self.settle(seen, Need::Anew, wait).await? {
                    Settled::Elected { born, .. } => return Ok(Another::Elected(born, Need::Anew)),
                    // The first may have begun before the mark; the second began after the first had ended.
                    Settled::Served if served => return Ok(Another::Served),
                    Settled::Served => served = true,
                    Settled::CarryOn | Settled::Moved | Settled::LookAgain => {}
                }
            }
        }
    }

    /// For an access that was refused with the value of a generation: see [`Access::renew_if`](crate::Access::renew_if).
    fn elect_newer(
        &self,
        than: Generation,
        wait: &Wait,
        is_missing: impl Fn(State) -> bool,
    ) -> impl Future<Output = Result<Another, Refusal>> {
        async move {
            let is_old = |seen: State| seen.generation().is_still(than) && !is_missing(seen);
            loop {
                // In this order: the word first, the deadline second. See `election`.
                let seen = self.election.look();
                if !is_old(seen) {
                    return Ok(Another::AsAny);
                }
                if self.would_renew_too_soon(seen) {
                    // Neither does it declare a renewal dead that it would not take the place of.
                    return Ok(Another::TooSoon);
                }
                match self.settle(seen, Need::Newer, wait).await {
                    Ok(Settled::Elected { born, .. })
                        if self.renewed_too_lately(born.started) && !mutant(Mutant::RenewedAgain) =>
                    {
                        // Another was elected since, and has failed. Those who wait are told by looking.
                        self.stand_down(born);
                    }
                    Ok(Settled::Elected { born, .. }) => {
                        self.note_renewed(born.started);
                        return Ok(Another::Elected(born, Need::Newer));
                    }
                    Ok(Settled::Served) => return Ok(Another::Served),
                    Ok(Settled::CarryOn | Settled::Moved | Settled::LookAgain) => {}
                    Err(Refusal(AcquireError::Paused { .. })) => {
                        // It may have waited, and the value may be gone meanwhile.
                        return Ok(if is_old(self.election.look()) { Another::TooSoon } else { Another::AsAny });
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
        }
    }

    /// Whether one that wants a newer value could be elected, also in the place of a creation that is overdue, were it
    /// not too soon.
    fn would_renew_too_soon(&self, seen: State) -> bool {
        !self.is_closed_now(seen) && self.renewed_too_lately(self.clock.now())
    }

    /// Waits for the creation that an access has handed over, as [`wait_softly`](Self::wait_softly) does; whether the
    /// lock has moved on by then. (That a wait has ended says nothing of it: the creation may have failed.)
    pub(crate) fn wait_softly_for_its_own(&self, born: Generation, wait: &Wait) -> impl Future<Output = bool> {
        async move {
            self.wait_softly(born, wait).await;
            self.has_moved_on(born)
        }
    }

    /// Waits for the creation that runs, for an access that would go on with an old value, as long as its soft time-out
    /// says. It is never elected by that.
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
                    // That creation had ended before this could queue.
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
