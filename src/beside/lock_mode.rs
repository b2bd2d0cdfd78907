//! An access of the lock mode, in which the lock alone says whether the value is fresh.
//!
//! # One access
//!
//! 1. *It takes a pass.* (A reader waits for a writer that is in or waits. Without readers, this step does nothing.)
//! 2. *It looks at the value,* with that pass. So what the access sees of the freshness holds as long as its guard
//!    does: if a thread invalidates, takes the write lock and clears the resource away, either the access sees the
//!    invalidation, or the writer waits for the access.
//! 3. *It goes on,* if the value is fresh, or stale while another access creates. That is its turn, and it keeps its
//!    pass.
//! 4. *It gives the pass back,* if it is elected, or is to wait because there is no value. So no access keeps a writer
//!    out while it creates or waits. (An access that hands its creation over, and has an old value, keeps the pass.)
//! 5. *It takes a pass again,* when it has created or waited.
//!
//! # Other accesses
//!
//! - An access that wants another value than the one there is settles that first, without a pass (see
//!   [`elect_another`](crate::dogpile::Dogpile::elect_another)).
//! - An access with a soft time-out gives its pass back at step 3, waits, and looks again, once.
//! - An access of a thread that reads already is let in at step 1 even if a writer waits, and stays in: it neither
//!   creates nor waits (L9).

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

/// Makes the access that the [module docs](self) describe, short of creating. A look before this did not end the
/// access. `now` is the time of that look, if the look has read the time. `elected` is given what the access needs, and
/// its pass if there is an old value.
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
            // An access that has a value to go on with does not wait, and may keep its pass. An access that is to
            // create must not.
            let pass = need.is_met_by_old().then_some(pass);
            let settled = guards.lock().dogpile().settle(seen, need, wait).await?;
            match (settled, pass) {
                (Settled::Elected { born, .. }, pass) => {
                    if needs_drop::<G::Pass>() {
                        // A writer may wait for just this pass. Its drop then runs the writer's waker, which is the
                        // user's.
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
                // Time may have passed: the next look is as of now.
                (Settled::CarryOn, None) | (Settled::Moved | Settled::LookAgain, _) => {}
            }
        }
        // (Not inside the `match`: its scrutinee would take its place in the future for as long as this takes.)
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
        // A thread that held the write lock meanwhile may have cleared the resource.
        if outcome != Outcome::Waited && !lock.has_own_value() {
            return Ok(Settles::AsAny);
        }
        Ok(Settles::In(outcome, pass))
    }
}

/// As [`access`], and creates by `run`; or by `hand_over`, if there is an old value to go on with.
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

/// Returns what an access meets that has handed over its creation, which was `born` then. That is the old value, unless
/// the new value comes within the access's soft time-out. (A reader does not wait for the new value: the old value
/// could be cleared meanwhile, and the reader's own creation is no longer here.)
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

/// Returns what an access meets that has created.
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

/// Returns the old value for an access whose creator has failed, if the policy says so, and the failure says nothing
/// against it.
fn old<G: Guards>(guards: &G, wait: &Wait, hints: Hints) -> impl Future<Output = Option<G::Got<Outcome>>> {
    async move {
        let lock = guards.lock().dogpile();
        if hints.uncovered || !lock.serves_stale() {
            return None;
        }
        // The creator's error comes first: that there was no time left to read has nothing to add to it.
        let pass = guards.enter(wait).await.ok()?;
        if !lock.covers_failures() {
            return None;
        }
        lock.tell_if_stale();
        Some(G::give(Outcome::StaleOnError, pass))
    }
}
