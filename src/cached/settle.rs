//! How an access comes to its guard.

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
    /// To meet what it needs.
    Elected(Birth, Need),
}

impl<T, C: Clock> Cached<T, C> {
    /// The access, after a look. `run` runs a creation to its end.
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

    /// What an access goes on with that hands its creation over, if it can.
    pub(super) fn old(&self, need: Need) -> Option<CachedGuard<T>> {
        let outcome = match need {
            Need::Due => Outcome::Fresh,
            Need::Stale => Outcome::Stale,
            Need::Missing | Need::Anew | Need::Newer => return None,
        };
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// What an access goes on with that has handed its creation over, of that generation: the old value, unless the new
    /// one comes within its soft time-out.
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

    /// What an access gets that was elected: the old value, if its creator has failed, and the policy wants it.
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
                // An access that finds no value may wait for one. Before it queues: see `tray`.
                let tray = (need == Need::Missing || soft).then(|| self.trays.share());
                let settled = self.dogpile.settle(seen, need, wait).await;
                let got = match settled? {
                    Settled::Elected { born, .. } => {
                        // With the last value that was served by it, perhaps, whose drop is the user's.
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
                // Otherwise something has moved: look again.
                if let Some(guard) = got {
                    return Ok(Met::Got(guard));
                }
            }
        }
    }

    /// What those who were served find.
    pub(super) fn served(tray: &Tray<T>) -> Option<CachedGuard<T>> {
        let served = tray.lock().clone();
        served.map(|node| CachedGuard::owning(node, Outcome::Waited))
    }

    /// Where any value will not do: see [`Dogpile::elect_another`](crate::Dogpile). `None` says to look at what there is.
    fn settle_another(&self, wait: &Wait) -> impl Future<Output = Result<Option<Met<T>>, Refusal>> {
        async move {
            loop {
                // Before it queues: see `tray`.
                let tray = self.trays.share();
                let another = self.dogpile.elect_another(wait, |_| !self.dogpile.has_own_value()).await;
                let got = match another? {
                    Another::Elected(born, need) => {
                        // As in `settle`.
                        self.dogpile.meanwhile(born, || drop(tray));
                        return Ok(Some(Met::Elected(born, need)));
                    }
                    // Fresh, or expired already.
                    Another::Created => CachedGuard::of(self.cell.load(), Outcome::Fresh),
                    Another::Served => Self::served(&tray),
                    Another::TooSoon => CachedGuard::of(self.cell.load(), Outcome::TooSoon),
                    Another::AsAny => return Ok(None),
                };
                // Otherwise it has been invalidated since: once more.
                if let Some(guard) = got {
                    return Ok(Some(Met::Got(guard)));
                }
            }
        }
    }
}
