//! How an access comes to another value than the one there is.
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

use super::Dogpile;
use super::settle::Settled;
use super::sight::Need;
use crate::clock::Clock;
use crate::election::{Birth, State};
use crate::error::{AcquireError, Refusal};
use crate::freshness::Freshness;
use crate::generation::Generation;
use crate::sync::{Mutant, mutant};
use crate::wait::{Wait, Wants};

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

impl<C: Clock> Dogpile<C> {
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
}
