//! How an access comes to another value than the one that is there.
//!
//! An access may want a value [anew](crate::Access::anew), or a [newer](crate::Access::renew_if) value. Such an access
//! settles that before it looks at the value. The access waits as if there were no value, and is elected as any access
//! is. To all other accesses the value stays what it is, except that `anew` marks it as stale.
//!
//! | an access with [`renew_if`](crate::Access::renew_if) finds | and | so the access |
//! |---|---|---|
//! | a later generation, or no value | - | takes part as any access does |
//! | a creation that runs | - | waits for that creation, which was born in this generation and publishes in a later one |
//! | no creation that runs | the last renewal by `renew_if` began too short a time ago, or there is a pause | has come too soon |
//! | no creation that runs | neither | is elected, from the word that it has seen |
//!
//! - *Two renewals by `renew_if` do not begin within an interval.* The elected access looks once more at when the last
//!   renewal began, before it notes its own. Since the first look another access may have been elected, and have
//!   failed; or this access has waited for a creation that failed, and was called. If the last renewal began too short
//!   a time ago, the elected access stands down, and all waiters look for themselves. The time is stored between the
//!   acquire and the release of an election, so each elected access reads the time that the elected access before it
//!   has stored.
//! - *No access gets the refused value again,* unless it came too soon, or its own creation failed under a policy that
//!   serves the old value then. The creation that the access waits for, or runs, makes a value of a later generation. A
//!   creation that finished before the access looked has moved the generation.

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

/// How an access comes to another value than the one that is there.
pub(crate) enum Another {
    /// The access is elected, and creates the value.
    Elected(Birth, Need),
    /// The access uses the value that is there: another access has created it.
    Created,
    /// The access takes part as any access does: there is no value, or there is another value by now.
    AsAny,
    /// The access uses the value that it has waited for.
    Served,
    /// The access uses the old value: it came too soon after another renewal or after a failure.
    TooSoon,
}

impl<C: Clock> Dogpile<C> {
    /// Settles how an access comes to another value, if it wants one. An access for which any value will do is told
    /// [`AsAny`](Another::AsAny). `is_missing` says whether there is no value.
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

    /// Serves an access that wants a value whose creation begins after this call: marks the value that is there as
    /// stale, and waits for the creation that runs already.
    fn elect_anew(&self, wait: &Wait) -> impl Future<Output = Result<Another, Refusal>> {
        async move {
            self.mark_stale();
            let mut served = false;
            loop {
                let seen = self.election.look();
                // Only a creation that began after the mark takes the mark back.
                if self.expiry.told() == Freshness::Fresh {
                    return Ok(Another::Created);
                }
                match self.settle(seen, Need::Anew, wait).await? {
                    Settled::Elected { born, .. } => return Ok(Another::Elected(born, Need::Anew)),
                    // The first creation may have begun before the mark. The second creation began after the first had
                    // ended.
                    Settled::Served if served => return Ok(Another::Served),
                    Settled::Served => served = true,
                    Settled::CarryOn | Settled::Moved | Settled::LookAgain => {}
                }
            }
        }
    }

    /// Serves an access that was refused with the value of the generation `than`: see
    /// [`Access::renew_if`](crate::Access::renew_if).
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
                    // Nor does this access declare a renewal dead in whose place it would not be elected.
                    return Ok(Another::TooSoon);
                }
                match self.settle(seen, Need::Newer, wait).await {
                    Ok(Settled::Elected { born, .. })
                        if self.renewed_too_lately(born.started) && !mutant(Mutant::RenewedAgain) =>
                    {
                        // Another access was elected since, and has failed. The waiters learn of that when they look.
                        self.stand_down(born);
                    }
                    Ok(Settled::Elected { born, .. }) => {
                        self.note_renewed(born.started);
                        return Ok(Another::Elected(born, Need::Newer));
                    }
                    Ok(Settled::Served) => return Ok(Another::Served),
                    Ok(Settled::CarryOn | Settled::Moved | Settled::LookAgain) => {}
                    Err(Refusal(AcquireError::Paused { .. })) => {
                        // This access may have waited, and the value may be gone by now.
                        return Ok(if is_old(self.election.look()) { Another::TooSoon } else { Another::AsAny });
                    }
                    Err(refusal) => return Err(refusal),
                }
            }
        }
    }
}
