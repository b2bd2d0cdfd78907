//! How an access of a [`Cached`] that is no hit comes to its guard.

use super::Cached;
use super::guard::CachedGuard;
use super::tray::Tray;
use crate::clock::Clock;
use crate::dogpile::{Another, Need, Settled, Softly};
use crate::election::Birth;
use crate::error::{CreateError, Refusal};
use crate::failure::Cause;
use crate::outcome::Outcome;
use crate::wait::{Wait, Wants, apart};

/// How an access came out.
pub(super) enum Met<T> {
    Got(CachedGuard<T>),
    /// The access is elected, and is to create for what it needs.
    Elected(Birth, Need),
}

impl<T, C: Clock> Cached<T, C> {
    /// Makes the access, after a look that has found no hit. `run` runs a creation to its end.
    pub(crate) fn get_by<E: Cause, R: Future<Output = Result<CachedGuard<T>, CreateError<E>>>>(
        &self,
        wait: &Wait,
        run: impl FnOnce(Birth) -> R,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        async move {
            let running = {
                let met = self.settle(wait).await;
                match met? {
                    Met::Got(guard) => return Ok(guard),
                    Met::Elected(born, _) => run(born),
                }
            };
            let created = running.await;
            self.created(created)
        }
    }

    /// Returns the old value, for an access that hands its creation over, if its need allows one.
    pub(super) fn old(&self, need: Need) -> Option<CachedGuard<T>> {
        let outcome = match need {
            Need::Due => Outcome::Fresh,
            Need::Stale => Outcome::Stale,
            Need::Missing | Need::Anew | Need::Newer => return None,
        };
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// Returns the value for an access that has handed over the creation `born`: the old value, unless the new value
    /// comes within the access's soft time-out.
    pub(super) fn go_on(
        &self,
        born: Birth,
        need: Need,
        old: CachedGuard<T>,
        wait: &Wait,
    ) -> impl Future<Output = CachedGuard<T>> {
        async move {
            if need == Need::Stale
                && wait.is_soft()
                && apart!(wait, self.dogpile.wait_softly_for_its_own(born.generation, wait))
            {
                if let Some(new) = self.there(Outcome::Waited) {
                    return new;
                }
            }
            self.dogpile.goes_on(need);
            old
        }
    }

    /// Returns what an elected access is given after its creation: the old value, if its creator has failed and the
    /// policy lets the old value cover that.
    pub(super) fn created<E: Cause>(
        &self,
        created: Result<CachedGuard<T>, CreateError<E>>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        match &created {
            Err(CreateError::Failed(error)) if !error.hints().uncovered && self.dogpile.covers_failures() => {}
            _ => return created,
        }
        let Some(old) = CachedGuard::of(self.cell.load(), Outcome::StaleOnError) else { return created };
        self.dogpile.tell_if_stale();
        Ok(old)
    }

    pub(super) fn settle(&self, wait: &Wait) -> impl Future<Output = Result<Met<T>, Refusal>> {
        async move {
            if wait.wants() != Wants::Any {
                if let Some(settled) = apart!(wait, self.settle_another(wait))? {
                    return Ok(settled);
                }
            }
            let mut soft = wait.is_soft();
            loop {
                // In this order: the word first, the deadline second (see `election`), the cell last (see `cached`).
                let seen = self.dogpile.election().look();
                let Some(need) = self.dogpile.look().need() else {
                    match CachedGuard::of(self.cell.load(), Outcome::Fresh) {
                        Some(guard) => return Ok(Met::Got(guard)),
                        None => continue,
                    }
                };
                // An access that finds no value, or has a soft time-out, may wait for a value. The share is taken
                // before the access queues: see `tray`.
                let tray = (need == Need::Missing || soft).then(|| self.trays.share());
                let settled = self.dogpile.settle(seen, need, wait).await;
                let got = match settled? {
                    Settled::Elected { born, .. } => {
                        // The tray may hold the last value that was served by it, and the drop of that is user code.
                        if let Some(tray) = tray {
                            self.dogpile.meanwhile(born, || drop(tray));
                        }
                        return Ok(Met::Elected(born, need));
                    }
                    Settled::CarryOn if soft && need == Need::Stale => {
                        soft = false;
                        match apart!(wait, self.dogpile.wait_softly(seen.generation(), wait)) {
                            Softly::Served => tray.and_then(|tray| Self::served(&tray)),
                            Softly::GoOn | Softly::LookAgain => None,
                        }
                    }
                    Settled::CarryOn if need.is_met_by_old() => {
                        CachedGuard::of(self.cell.load(), self.dogpile.goes_on(need))
                    }
                    Settled::Served => tray.and_then(|tray| Self::served(&tray)),
                    Settled::CarryOn | Settled::Moved | Settled::LookAgain => None,
                };
                // Otherwise something has moved, and the access looks again.
                if let Some(guard) = got {
                    return Ok(Met::Got(guard));
                }
            }
        }
    }

    /// Returns the value that a waiter finds which was served.
    pub(super) fn served(tray: &Tray<T>) -> Option<CachedGuard<T>> {
        let served = tray.lock().clone();
        served.map(|node| CachedGuard::owning(node, Outcome::Waited))
    }

    /// Comes to a value for an access that wants a value made anew, or a newer value: see
    /// [`Dogpile::elect_another`](crate::Dogpile). Returns `None` if the access is to look at the value that there is.
    fn settle_another(&self, wait: &Wait) -> impl Future<Output = Result<Option<Met<T>>, Refusal>> {
        async move {
            loop {
                // The access takes its share before it queues: see `tray`.
                let tray = self.trays.share();
                let another = self.dogpile.elect_another(wait, |_| !self.dogpile.has_own_value()).await;
                let got = match another? {
                    Another::Elected(born, need) => {
                        // As in `settle`.
                        self.dogpile.meanwhile(born, || drop(tray));
                        return Ok(Some(Met::Elected(born, need)));
                    }
                    // The value is fresh, or has expired again.
                    Another::Created => CachedGuard::of(self.cell.load(), Outcome::Fresh),
                    Another::Served => Self::served(&tray),
                    Another::TooSoon => CachedGuard::of(self.cell.load(), Outcome::TooSoon),
                    Another::AsAny => return Ok(None),
                };
                // Otherwise the value has been invalidated since, and the access tries once more.
                if let Some(guard) = got {
                    return Ok(Some(Met::Got(guard)));
                }
            }
        }
    }
}
