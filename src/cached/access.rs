//! How an access comes to its guard.

use super::tray::Tray;
use super::{Cached, CachedGuard};
use crate::clock::Clock;
use crate::dogpile::{Anew, Need, Settled, Sight};
use crate::election::Birth;
use crate::error::{CreateError, Refusal};
use crate::freshness::Freshness;
use crate::turn::Outcome;
use crate::wait::{Wait, apart};

/// How an access came out.
pub(super) enum Access<T> {
    Got(CachedGuard<T>),
    /// To meet what it needs.
    Elected(Birth, Need),
}

/// # Without a creator
impl<T, C: Clock> Cached<T, C> {
    /// Gives the value, if it is fresh. Never blocks, never creates.
    #[inline]
    #[must_use]
    pub fn get_fresh(&self) -> Option<CachedGuard<T>> {
        self.peek().filter(|guard| CachedGuard::outcome(guard) == Outcome::Fresh)
    }

    /// Gives the value, fresh or stale; `None` if it is missing (as one is that is too old for the
    /// [policy](crate::PolicyBuilder::max_stale)). Never blocks, never creates.
    ///
    /// Its [outcome](CachedGuard::outcome) says whether it is fresh.
    #[must_use]
    pub fn peek(&self) -> Option<CachedGuard<T>> {
        let outcome = match self.own_freshness() {
            Freshness::Fresh => Outcome::Fresh,
            Freshness::Stale => Outcome::Stale,
            Freshness::Missing => return None,
        };
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// What needs no more than to load: a fresh value, all that a hit costs; or an old one, of which somebody else is
    /// creating a new one, or nobody is to.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    pub(crate) fn at_once(&self) -> Option<CachedGuard<T>> {
        let outcome = match self.dogpile.expiry().unless_fresh(self.dogpile.clock()) {
            None => Outcome::Fresh,
            Some(now) => self.usable(now)?,
        };
        // In this order: the deadline first, the cell second.
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// Apart, other than in [`Dogpile::at_once`](crate::Dogpile): inlined, it would cost a hit more than the goal
    /// allows (`hot_hit`, in `benches/peers`).
    #[cold]
    fn usable(&self, now: u64) -> Option<Outcome> {
        self.dogpile.usable(now)
    }

    /// The access, after a look. `run` runs a creation to its end.
    pub(crate) fn get_by<E, R: Future<Output = Result<CachedGuard<T>, CreateError<E>>>>(
        &self,
        wait: &Wait,
        run: impl FnOnce(Birth) -> R,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        async move {
            let running = {
                let met = self.settle(wait).await;
                match met? {
                    Access::Got(guard) => return Ok(guard),
                    Access::Elected(born, _) => run(born),
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
            Need::Missing => return None,
        };
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// What an access gets that was elected: the old value, if its creator has failed, and the policy wants it.
    pub(super) fn created<E>(
        &self,
        created: Result<CachedGuard<T>, CreateError<E>>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        if !matches!(created, Err(CreateError::Failed(_))) || !self.dogpile.serves_stale() {
            return created;
        }
        let Some(old) = self.there(Outcome::StaleOnError) else { return created };
        self.dogpile.tell_if_stale();
        Ok(old)
    }

    /// The value there is. Too old is as good as none.
    pub(super) fn there(&self, outcome: Outcome) -> Option<CachedGuard<T>> {
        self.has_own_value().then(|| CachedGuard::of(self.cell.load(), outcome)).flatten()
    }

    pub(super) fn settle(&self, wait: &Wait) -> impl Future<Output = Result<Access<T>, Refusal>> {
        async move {
            loop {
                // In this order: the word first, the deadline second (see `election`), the cell last (see `cached`).
                let seen = self.dogpile.election().look();
                let need = match self.dogpile.look() {
                    Sight::Fresh => match CachedGuard::of(self.cell.load(), Outcome::Fresh) {
                        Some(guard) => return Ok(Access::Got(guard)),
                        None => continue,
                    },
                    Sight::Due => Need::Due,
                    Sight::Stale => Need::Stale,
                    Sight::Missing => Need::Missing,
                };
                // An access that finds no value may wait for one. Before it queues: see `tray`.
                let tray = (need == Need::Missing).then(|| self.trays.share());
                let settled = self.dogpile.settle(seen, need, wait).await;
                let got = match settled? {
                    Settled::Elected { born, .. } => {
                        // With the last value that was served by it, perhaps, whose drop is the user's.
                        if let Some(tray) = tray {
                            self.dogpile.meanwhile(born, || drop(tray));
                        }
                        return Ok(Access::Elected(born, need));
                    }
                    Settled::CarryOn if need != Need::Missing => {
                        CachedGuard::of(self.cell.load(), self.dogpile.goes_on(need))
                    }
                    Settled::Served => tray.and_then(|tray| Self::served(&tray)),
                    Settled::CarryOn | Settled::Moved | Settled::LookAgain => None,
                };
                // Otherwise something has moved: look again.
                if let Some(guard) = got {
                    return Ok(Access::Got(guard));
                }
            }
        }
    }

    /// What those who were served find.
    pub(super) fn served(tray: &Tray<T>) -> Option<CachedGuard<T>> {
        let served = tray.lock().clone();
        served.map(|node| CachedGuard::owning(node, Outcome::Waited))
    }

    /// Gets a value whose creation began after this call did: marks the one there is as stale, and either creates or
    /// waits for who does. (Who is served by a creation that was running already is served by the next one at the
    /// latest.)
    pub(crate) fn renewed<E, R: Future<Output = Result<CachedGuard<T>, CreateError<E>>>>(
        &self,
        wait: &Wait,
        run: impl FnOnce(Birth) -> R,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        async move {
            let born = loop {
                // Before it queues: see `tray`.
                let tray = self.trays.share();
                let met = apart!(wait, self.dogpile.elect_anew(wait));
                let got = match met? {
                    Anew::Elected(born) => {
                        // As in `settle`.
                        self.dogpile.meanwhile(born, || drop(tray));
                        break born;
                    }
                    // Fresh, or expired already; unless it has been invalidated since: then once more.
                    Anew::Created => CachedGuard::of(self.cell.load(), Outcome::Fresh),
                    Anew::Served => Self::served(&tray),
                };
                if let Some(guard) = got {
                    return Ok(guard);
                }
            };
            let created = run(born).await;
            self.created(created)
        }
    }
}
