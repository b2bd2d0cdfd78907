//! Lock mode: the lock alone says whether the value is fresh.
//!
//! # One access
//!
//! 1. It takes a pass. (A reader waits for a writer that is in or waits; without readers there is nothing to it.)
//! 2. With that pass it looks at the value, so that what it sees of the freshness holds as long as its guard does:
//!    whoever invalidates, takes the write lock and clears the resource away is either seen, or waits.
//! 3. Fresh, or stale while somebody else creates: that is its turn, and it keeps its pass.
//! 4. Elected, or to wait because there is no value: it gives the pass back first. So nobody who creates or waits keeps
//!    a writer out. (One that hands its creation over, and has an old value, keeps it.)
//! 5. When it has created or waited, it takes a pass again.
//!
//! An access that wants another value than the one there is settles that first, without a pass. One with a soft time-out
//! gives its pass back at step 3, waits, and looks again, once.
//!
//! A thread that reads already is let in at step 1 whoever waits, and stays: it neither creates nor waits (L9).

use super::Looked;
use super::guards::Guards;
use crate::access::after;
use crate::dogpile::{Another, Need, Settled, Softly};
use crate::election::Birth;
use crate::error::{CreateError, Refusal};
use crate::failure::{Cause, Hints};
use crate::lock::Elects;
use crate::outcome::Outcome;
use crate::wait::{Wait, Wants, apart};
use std::mem::needs_drop;

/// What an access has met, before it creates.
#[derive(Clone, Copy)]
pub(crate) enum Met<P> {
    In(Outcome, P),
    Elected(Birth),
}

/// The access described in the [module docs](self), short of creating, if a look at `now` (or as of now) did not end
/// it. `elected` is given what it needs, and its pass if there is an old value.
pub(crate) fn access<G: Guards>(
    guards: &G,
    mut now: Looked,
    wait: &Wait,
    elected: impl FnOnce(Need, Option<G::Pass>),
) -> impl Future<Output = Result<Met<G::Pass>, Refusal>> {
    async move {
        let nested = guards.is_nested();
        if !nested && wait.wants() != Wants::Any {
            match apart!(wait, settle_another(guards, wait))? {
                Settles::In(outcome, pass) => return Ok(Met::In(outcome, pass)),
                Settles::Elected(born, need) => {
                    elected(need, None);
                    return Ok(Met::Elected(born));
                }
                Settles::AsAny => {}
            }
        }
        let mut soft = wait.is_soft();
        loop {
            let pass = guards.enter(wait).await?;
            // In this order: the word first, the deadline second. See `election`.
            let lock = guards.lock().dogpile();
            let seen = lock.election().look();
            let sight = match now.take() {
                Some(now) => lock.look_at(now.get()),
                None => lock.look(),
            };
            let need = match sight.need() {
                None => return Ok(Met::In(Outcome::Fresh, pass)),
                Some(Need::Missing) if nested => return Ok(Met::In(Outcome::Stale, pass)),
                Some(need) if nested => return Ok(Met::In(lock.goes_on(need), pass)),
                Some(need) => need,
            };
            // An access that has a value to go on with does not wait, and may stay; one that is to create must not.
            let pass = need.is_met_by_old().then_some(pass);
            let settled = guards.lock().dogpile().settle(seen, need, wait).await?;
            match (settled, pass) {
                (Settled::Elected { born, .. }, pass) => {
                    if needs_drop::<G::Pass>() {
                        // A writer may be waiting for just that pass, and its waker runs then, which is the user's.
                        guards.lock().dogpile().meanwhile(born, || elected(need, pass));
                    } else {
                        elected(need, pass);
                    }
                    return Ok(Met::Elected(born));
                }
                (Settled::CarryOn, Some(pass)) if soft && need == Need::Stale => {
                    soft = false;
                    drop(pass);
                    if apart!(wait, guards.lock().dogpile().wait_softly(seen.generation(), wait)) == Softly::Served {
                        break;
                    }
                }
                (Settled::CarryOn, Some(pass)) => {
                    return Ok(Met::In(guards.lock().dogpile().goes_on(need), pass));
                }
                (Settled::Served, _) => break,
                // Time may have passed: look at it as of now.
                (Settled::CarryOn, None) | (Settled::Moved | Settled::LookAgain, _) => {}
            }
        }
        // (Not where it is matched: what that looks at would take its place in the future as long as this takes.)
        Ok(Met::In(Outcome::Waited, guards.enter(wait).await?))
    }
}

/// How an access settles that wants another value than the one there is.
enum Settles<P> {
    In(Outcome, P),
    Elected(Birth, Need),
    AsAny,
}

fn settle_another<G: Guards>(guards: &G, wait: &Wait) -> impl Future<Output = Result<Settles<G::Pass>, Refusal>> {
    async move {
        let lock = guards.lock().dogpile();
        let outcome = match lock.elect_another(wait, |_| !lock.has_own_value()).await? {
            Another::Elected(born, need) => return Ok(Settles::Elected(born, need)),
            Another::AsAny => return Ok(Settles::AsAny),
            Another::Created => Outcome::Fresh,
            Another::Served => Outcome::Waited,
            Another::TooSoon => Outcome::TooSoon,
        };
        let pass = guards.enter(wait).await?;
        // Whoever held the write lock meanwhile may have cleared the resource.
        if outcome != Outcome::Waited && !lock.has_own_value() {
            return Ok(Settles::AsAny);
        }
        Ok(Settles::In(outcome, pass))
    }
}

/// The same, and creates by `run`; or, if there is an old value to go on with, by `hand_over`.
pub(crate) fn create<G: Guards, N, E: Cause, R: Future<Output = Result<(), CreateError<E>>>>(
    guards: G,
    now: Looked,
    wait: &Wait,
    elected: impl FnOnce(Birth) -> N,
    run: impl FnOnce(N) -> R,
    hand_over: Option<impl FnOnce(N)>,
) -> impl Future<Output = Result<G::Got<Outcome>, CreateError<E>>> {
    async move {
        let mut old = None;
        let keep = |need, pass: Option<_>| {
            if hand_over.is_some() {
                old = pass.map(|pass| (need, pass));
            }
        };
        let born = match access(&guards, now, wait, keep).await? {
            Met::In(outcome, pass) => return Ok(after(run, G::give(outcome, pass))),
            Met::Elected(born) => born,
        };
        let creation = elected(born);
        if let (Some((need, pass)), Some(hand_over)) = (old, hand_over) {
            hand_over(creation);
            return Ok(go_on(&guards, wait, born, need, pass).await);
        }
        let made = run(creation).await;
        created(&guards, wait, made).await
    }
}

/// What an access meets that has handed its creation over, of that birth: the old value, unless the new one comes within
/// its soft time-out. (A reader does not wait for that: meanwhile the old one could be cleared, and its own creation is
/// no longer here.)
pub(crate) fn go_on<G: Guards>(
    guards: &G,
    wait: &Wait,
    born: Birth,
    need: Need,
    pass: G::Pass,
) -> impl Future<Output = G::Got<Outcome>> {
    async move {
        let lock = guards.lock().dogpile();
        let is_new = need == Need::Stale
            && wait.is_soft()
            && !needs_drop::<G::Pass>()
            && apart!(wait, lock.wait_softly_for_its_own(born.generation, wait))
            && lock.has_own_value();
        G::give(if is_new { Outcome::Waited } else { lock.goes_on(need) }, pass)
    }
}

/// What an access meets that has created.
pub(crate) fn created<G: Guards, E: Cause>(
    guards: &G,
    wait: &Wait,
    created: Result<(), CreateError<E>>,
) -> impl Future<Output = Result<G::Got<Outcome>, CreateError<E>>> {
    async move {
        match created {
            Ok(()) => Ok(G::give(Outcome::Created, guards.enter(wait).await?)),
            Err(CreateError::Failed(error)) => match old(guards, wait, error.hints()).await {
                Some(got) => Ok(after(error, got)),
                None => Err(CreateError::Failed(error)),
            },
            Err(error) => Err(error),
        }
    }
}

/// What an access is given whose creator has failed: the old value, if the policy says so, and the failure nothing
/// against it.
fn old<G: Guards>(guards: &G, wait: &Wait, hints: Hints) -> impl Future<Output = Option<G::Got<Outcome>>> {
    async move {
        let lock = guards.lock().dogpile();
        if hints.uncovered || !lock.serves_stale() {
            return None;
        }
        // What comes first is the creator's error: that there was no time left to read has nothing to add to it.
        let pass = guards.enter(wait).await.ok()?;
        if !lock.covers_failures() {
            return None;
        }
        lock.tell_if_stale();
        Some(G::give(Outcome::StaleOnError, pass))
    }
}
