//! How an access comes to its guard.

use super::tray::Tray;
use super::{Cached, CachedGuard, Made, Renewal};
use crate::clock::Clock;
use crate::creation::Once;
use crate::dogpile::{Anew, Need, Settled, Sight};
use crate::election::{Birth, State};
use crate::error::{AcquireError, CreateError, Refusal, never, or_deadlock};
use crate::freshness::Freshness;
use crate::keeper::Keeper;
use crate::runner::Runner;
use crate::spawner::{Came, Spawner, spawn};
use crate::turn::Outcome;
use crate::wait::{FOREVER, Patience, Wait, apart, block_on};
use std::fmt::Display;
use std::future::ready;
use std::time::Duration;

/// How an access came out.
enum Access<T> {
    Got(CachedGuard<T>),
    /// To meet what it needs.
    Elected(Birth, Need),
}

/// # Getting the value
impl<T, C: Clock> Cached<T, C> {
    /// Gets the value, or makes it by `creator`.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. A panic of `creator` goes on to the caller; the
    /// creation is given up, and the next access or one who waits takes over.
    #[inline]
    #[track_caller]
    pub fn get_or_create(&self, creator: impl FnOnce() -> T) -> CachedGuard<T> {
        self.get_or_create_with(|_| Made::new(creator()))
    }

    /// As [`get_or_create`](Self::get_or_create); the creator is handed its [`Renewal`], to look at the old value or to
    /// ask whether it is still wanted, and may answer that the old value is [unchanged](Renewal::unchanged), or how
    /// long the new one [lives](Made::expires_after).
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[inline]
    #[track_caller]
    pub fn get_or_create_with(&self, creator: impl FnOnce(&Renewal<'_, T, C>) -> Made<T>) -> CachedGuard<T> {
        match self.at_once() {
            Some(guard) => guard,
            None => or_deadlock(self.get_unless_fresh(Patience::Infallible, |renewal| never(creator(renewal)))),
        }
    }

    /// As [`get_or_create`](Self::get_or_create), but waits for others for `timeout` at most. The creator of this
    /// access, if it is elected, is not interrupted.
    ///
    /// The time-out is real time, on whatever clock values expire; zero does not wait, and `Duration::MAX` waits
    /// without an end.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for; or [`AcquireError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_create_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce() -> T,
    ) -> Result<CachedGuard<T>, AcquireError> {
        self.get_or_create_with_timeout(timeout, |_| Made::new(creator()))
    }

    /// [`get_or_create_timeout`](Self::get_or_create_timeout) with the creator of
    /// [`get_or_create_with`](Self::get_or_create_with).
    ///
    /// # Errors
    ///
    /// As `get_or_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_create_with_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Renewal<'_, T, C>) -> Made<T>,
    ) -> Result<CachedGuard<T>, AcquireError> {
        self.get(Patience::For(timeout), |renewal| never(creator(renewal)))
    }

    /// As [`get_or_create`](Self::get_or_create), with a creator that can fail.
    ///
    /// A failure is the caller's own: those who wait do not get it. One of them is elected, and calls its own creator;
    /// if the source is down they fail one after the other, which the `_timeout` form bounds. A
    /// [`Policy`](crate::Policy) that [pauses](crate::PolicyBuilder::retry_after) has all of them told at once, and
    /// leaves the source in peace.
    ///
    /// The caller that was elected gets the error even if there is an old value, which all others go on using. It may
    /// use it as well, as a policy can [say](crate::OnError::ServeStale) once and for all:
    ///
    /// ```
    /// # use dogpile::{Cached, CachedGuard, CreateError};
    /// # fn fetch() -> std::io::Result<u32> { Err(std::io::Error::other("no answer")) }
    /// # fn read(cached: &Cached<u32>) -> Result<CachedGuard<u32>, CreateError<std::io::Error>> {
    /// cached.get_or_try_create(fetch).or_else(|error| cached.get_stale().ok_or(error))
    /// # }
    /// # let cached = Cached::never_expires();
    /// # cached.set(1);
    /// # cached.mark_stale();
    /// # assert_eq!(*read(&cached).unwrap(), 1);
    /// ```
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that it would wait for; [`CreateError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_try_create<E: Display>(
        &self,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.get_or_try_create_with(|_| creator().map(Made::new))
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), with the creator of
    /// [`get_or_create_with`](Self::get_or_create_with).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_try_create_with<E: Display>(
        &self,
        creator: impl FnOnce(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.get(FOREVER, creator)
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_try_create_timeout<E: Display>(
        &self,
        timeout: Duration,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.get_or_try_create_with_timeout(timeout, |_| creator().map(Made::new))
    }

    /// [`get_or_try_create_timeout`](Self::get_or_try_create_timeout) with the creator of
    /// [`get_or_try_create_with`](Self::get_or_try_create_with).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn get_or_try_create_with_timeout<E: Display>(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        self.get(Patience::For(timeout), creator)
    }

    /// The value, if it is fresh. Never blocks, never creates.
    #[inline]
    #[must_use]
    pub fn try_get(&self) -> Option<CachedGuard<T>> {
        self.get_stale().filter(|guard| CachedGuard::outcome(guard) == Outcome::Fresh)
    }

    /// The value, fresh or stale; `None` if it is missing (as one is that is too old for the
    /// [policy](crate::PolicyBuilder::max_stale)). Never blocks, never creates.
    ///
    /// Its [outcome](CachedGuard::outcome) says whether it is fresh.
    #[must_use]
    pub fn get_stale(&self) -> Option<CachedGuard<T>> {
        let outcome = match self.freshness() {
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
        self.dogpile.usable(now).map(Outcome::from)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `at_once`
    fn get<E: Display>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        match self.at_once() {
            Some(guard) => Ok(guard),
            None => self.get_unless_fresh(patience, creator),
        }
    }

    #[cold]
    pub(crate) fn get_unless_fresh<E: Display>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, CreateError<E>> {
        block_on(self.get_by(&Wait::new(patience), |renewal| ready(renewal.run(creator))))
    }

    /// The access of each form, after the hit path. `run` runs a creation to its end.
    pub(crate) fn get_by<'a, E, R: Future<Output = Result<CachedGuard<T>, E>>>(
        &'a self,
        wait: &Wait,
        run: impl FnOnce(Renewal<'a, T, C>) -> R,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        async move {
            match self.settle(wait).await? {
                Access::Got(guard) => Ok(guard),
                Access::Elected(born, _) => self.created(run(Renewal::new(Keeper::Borrowed(self), born)).await),
            }
        }
    }

    /// As [`get`](Self::get), by a creator that a runner may be given. What `elected` gives is needed only then: to
    /// share the lock is to write beside it, which others must not do (L2, L12).
    pub(crate) fn get_or_hand_over<E: Display, F>(
        &self,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        elected: impl FnOnce() -> (Keeper<'static, Self>, F),
    ) -> Result<CachedGuard<T>, CreateError<E>>
    where
        F: FnOnce(&Renewal<'static, T, C>) -> Result<Made<T>, E> + Send + 'static,
        T: Send + Sync + 'static,
        C: 'static,
    {
        if let Some(guard) = self.at_once() {
            return Ok(guard);
        }
        let (born, need) = match block_on(self.settle(&Wait::new(patience)))? {
            Access::Got(guard) => return Ok(guard),
            Access::Elected(born, need) => (born, need),
        };
        let (keeper, creator) = elected();
        let renewal = Renewal::new(keeper, born);
        match self.old(need) {
            None => self.created(renewal.run(creator)),
            Some(old) => {
                renewal.run_in_background(runner, creator);
                self.dogpile.goes_on(need);
                Ok(old)
            }
        }
    }

    /// As [`get_or_hand_over`](Self::get_or_hand_over), by a creator that a spawner is given, also where there is no
    /// value.
    pub(crate) fn get_or_spawn<M, E: Display + Send + 'static, F>(
        &self,
        wait: &Wait,
        spawner: &(impl Spawner + ?Sized),
        elected: impl FnOnce() -> (Keeper<'static, Self>, M),
        made: fn(F::Output) -> Result<Made<T>, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output: Send> + Send + 'static,
        T: Send + Sync + 'static,
        C: 'static,
    {
        async move {
            if let Some(guard) = self.at_once() {
                return Ok(guard);
            }
            let (born, need) = match self.settle(wait).await? {
                Access::Got(guard) => return Ok(guard),
                Access::Elected(born, need) => (born, need),
            };
            let (keeper, creator) = elected();
            let renewal = Renewal::new(keeper, born);
            // Before it queues: see `tray`.
            let tray = (need == Need::Missing).then(|| self.trays.share());
            let run = async move |renewal: Renewal<'_, T, C>, creator, ending| {
                let made = made(renewal.enter_async(creator).await);
                drop(ending);
                renewal.end_as(made)
            };
            let in_flight = spawn(spawner, renewal, Renewal::is_dead, creator, run);
            if let Some(old) = self.old(need) {
                self.dogpile.goes_on(need);
                return Ok(old);
            }
            // What was stale has been invalidated just now, if there is none yet.
            let tray = tray.unwrap_or_else(|| self.trays.share());
            let found = |served| {
                if served {
                    Self::served(&tray)
                } else {
                    self.has_value().then(|| CachedGuard::of(self.cell.load(), Outcome::Waited)).flatten()
                }
            };
            match apart!(wait, self.dogpile.spawned(wait, in_flight, found))? {
                Came::Made(created) => self.created(created),
                Came::Served(guard) => Ok(guard),
                Came::TookBack(creator) => {
                    let mut creator = Once::new(move |_: &Renewal<'_, T, C>| creator());
                    apart!(wait, self.get_by(wait, |renewal| Box::pin(renewal.run_closure(&mut creator, made))))
                }
            }
        }
    }

    /// What an access goes on with that hands its creation over, if it can.
    fn old(&self, need: Need) -> Option<CachedGuard<T>> {
        let outcome = match need {
            Need::Due => Outcome::Fresh,
            Need::Stale => Outcome::Stale,
            Need::Missing => return None,
        };
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// What an access gets that was elected: the old value, if its creator has failed, and the policy wants it.
    fn created<E>(&self, created: Result<CachedGuard<T>, E>) -> Result<CachedGuard<T>, CreateError<E>> {
        created.or_else(|error| {
            // Too old is as good as none.
            let serves_stale = self.dogpile.serves_stale() && self.has_value();
            let old = serves_stale.then(|| CachedGuard::of(self.cell.load(), Outcome::StaleOnError));
            let old = old.flatten().ok_or(CreateError::Failed(error))?;
            self.dogpile.tell_if_stale();
            Ok(old)
        })
    }

    fn settle(&self, wait: &Wait) -> impl Future<Output = Result<Access<T>, Refusal>> {
        async move {
            loop {
                // In this order: the word first, the deadline second (see `election`), the cell last (see `cached`).
                let seen = self.dogpile.election().look();
                let need = match self.dogpile.look() {
                    Sight::Fresh => None,
                    Sight::Due => Some(Need::Due),
                    Sight::Stale => Some(Need::Stale),
                    Sight::Missing => Some(Need::Missing),
                };
                let carry_on = |outcome| CachedGuard::of(self.cell.load(), outcome).map(Access::Got);
                let got = match need {
                    None => carry_on(Outcome::Fresh),
                    Some(Need::Missing) => self.wait(seen, wait).await?,
                    Some(need) => match self.dogpile.settle(seen, need, wait).await? {
                        Settled::Elected { born, .. } => Some(Access::Elected(born, need)),
                        Settled::CarryOn => carry_on(self.dogpile.goes_on(need)),
                        Settled::Served | Settled::Moved | Settled::LookAgain => None,
                    },
                };
                // Otherwise something has moved: look again.
                if let Some(got) = got {
                    return Ok(got);
                }
            }
        }
    }

    /// What an access is to do that finds no value, or does not content itself with the one there is.
    fn wait(&self, seen: State, wait: &Wait) -> impl Future<Output = Result<Option<Access<T>>, Refusal>> {
        async move {
            // Before it queues: see `tray`.
            let tray = self.trays.share();
            match self.dogpile.settle(seen, Need::Missing, wait).await? {
                Settled::Elected { born, .. } => {
                    // With the last value that was served by it, perhaps, whose drop is the user's.
                    self.dogpile.meanwhile(born, || drop(tray));
                    Ok(Some(Access::Elected(born, Need::Missing)))
                }
                Settled::Served => Ok(Self::served(&tray).map(Access::Got)),
                Settled::CarryOn | Settled::Moved | Settled::LookAgain => Ok(None),
            }
        }
    }

    /// What those who were served find.
    fn served(tray: &Tray<T>) -> Option<CachedGuard<T>> {
        let served = tray.lock().clone();
        served.map(|node| CachedGuard::owning(node, Outcome::Waited))
    }

    /// Gets a value whose creation began after this call did: marks the one there is as stale, and either creates or
    /// waits for who does. (Who is served by a creation that was running already is served by the next one at the
    /// latest.)
    pub(crate) fn renewed<'a, E, R: Future<Output = Result<CachedGuard<T>, E>>>(
        &'a self,
        wait: &Wait,
        run: impl FnOnce(Renewal<'a, T, C>) -> R,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        async move {
            loop {
                // Before it queues: see `tray`.
                let tray = self.trays.share();
                let got = match self.dogpile.elect_anew(wait).await? {
                    Anew::Elected(born) => {
                        return self.created(run(Renewal::new(Keeper::Borrowed(self), born)).await);
                    }
                    // Fresh, or expired already; unless it has been invalidated since: then once more.
                    Anew::Created => CachedGuard::of(self.cell.load(), Outcome::Fresh),
                    Anew::Served => Self::served(&tray),
                };
                if let Some(guard) = got {
                    return Ok(guard);
                }
            }
        }
    }
}
