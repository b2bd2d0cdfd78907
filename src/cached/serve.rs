//! How a [`Cached`] serves an access.

use super::Cached;
use super::guard::CachedGuard;
use super::made::Made;
use super::renewal::Renewal;
use super::settle::Met;
use crate::access::serve::{Boxed, Served, ServedByTask, Serves, ServesInBackground, ServesSpawned};
use crate::access::source::Asks;
use crate::access::{Inside, Owns, Reaches, Unset};
use crate::clock::Clock;
use crate::creation::{Once, Shared, job};
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::outcome::Outcome;
use crate::runner::Runner;
use crate::spawner::in_flight::spawn;
use crate::spawner::{Came, Making, OwnCreation, Spawner};
use crate::wait::{Glance, Wait, Waiting, block_on};
use std::convert::Infallible;
use std::future::ready;

impl<By, T> Asks<By> for Inside<T> {
    type Made = T;
    type MadeWith = Made<T>;
    type Value = T;
    type Error = Infallible;
    type Setter = Unset;

    #[inline]
    fn with(made: T) -> Made<T> {
        Made::new(made)
    }
}

impl<'c, T: 'c, C: Clock + 'c> Serves<'c, Inside<T>> for Cached<T, C> {
    type Missed = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `at_once`
    fn look(&self, glance: Glance) -> Result<CachedGuard<T>, ()> {
        match self.at_once(glance) {
            Some(guard) => Ok(guard),
            None => Err(()),
        }
    }

    #[cold]
    fn serve<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'c, Lock = Self>,
        (): (),
        wait: &Wait,
        _: Inside<T>,
        creator: impl FnOnce(&Renewal<'c, T, C>) -> Result<Made<T>, E>,
    ) -> Served<'a, Self, Inside<T>, E>
    where
        Self: 'a,
    {
        let run = |born| ready(Renewal::new(reached.keeper(), born).renew(creator).map_err(CreateError::Failed));
        block_on(reached.lock().get_by(wait, run))
    }
}

impl<T: Send + Sync + 'static, C: Clock + 'static> ServesInBackground<Inside<T>> for Cached<T, C> {
    #[cold]
    fn serve_in_background<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'static, Lock = Self>,
        runner: &(impl Runner + ?Sized),
        (): (),
        wait: &Wait,
        _: Inside<T>,
        creator: impl FnOnce(&Renewal<'static, T, C>) -> Result<Made<T>, E> + Send + 'static,
    ) -> Served<'a, Self, Inside<T>, E> {
        reached.lock().hand_over(|| (reached.keeper(), creator), wait, runner)
    }
}

impl<T: Send + Sync + 'static, C: Clock + 'static> Cached<T, C> {
    /// The access, by a creator that a runner may be given. Only when it is `elected` it shares the lock: that is to
    /// write beside it, which others must not do (L2, L12).
    pub(crate) fn hand_over<E: Cause, F>(
        &self,
        elected: impl FnOnce() -> (Keeper<'static, Self>, F),
        wait: &Wait,
        runner: &(impl Runner + ?Sized),
    ) -> Result<CachedGuard<T>, CreateError<E>>
    where
        F: FnOnce(&Renewal<'static, T, C>) -> Result<Made<T>, E> + Send + 'static,
    {
        let (born, need) = match block_on(self.settle(wait))? {
            Met::Got(guard) => return Ok(guard),
            Met::Elected(born, need) => (born, need),
        };
        let (keeper, creator) = elected();
        let renewal = Renewal::new(keeper, born);
        match self.old(need) {
            None => self.created(renewal.renew(creator).map_err(CreateError::Failed)),
            Some(old) => {
                runner.run(job(renewal, Renewal::is_dead, |renewal| drop(renewal.renew(creator))));
                Ok(block_on(self.go_on(born, need, old, wait)))
            }
        }
    }
}

impl<T, C: Clock> Cached<T, C> {
    /// The access by a task, after a look. `made` says what the creator has made.
    pub(crate) fn get_by_task<V, E: Cause>(
        &self,
        wait: &Wait,
        creator: &mut Once<impl AsyncFnOnce(&Renewal<'_, T, C>) -> V>,
        made: impl FnOnce(V) -> Result<Made<T>, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, CreateError<E>>> {
        self.get_by(wait, |born| {
            let renewal = Renewal::new(Keeper::Borrowed(self), born);
            Box::pin(async { renewal.renew_async(creator, made).await.map_err(CreateError::Failed) })
        })
    }
}

impl<'x, T, C, N, E> ServesSpawned<'x, Inside<T>, N, E> for Cached<T, C>
where
    T: Send + Sync + 'static,
    C: Clock + 'static,
    E: Takes<N> + Send + 'static,
{
    fn look(&self, _: impl FnOnce(), glance: Glance) -> Option<CachedGuard<T>> {
        self.at_once(glance)
    }

    fn serve_spawned<V: 'static, F: Future<Output = V> + Send + 'static>(
        reached: impl Owns<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
        _: Inside<T>,
        creator: impl FnOnce(Shared<Cached<T, C>>) -> F + Send + 'static,
        made: fn(V) -> Result<Made<T>, E>,
    ) -> Boxed<'x, ServedByTask<Self, Inside<T>, E>> {
        let making = Making::new(move |renewal, ending| async move {
            let renewal = Shared::new(renewal);
            let made = {
                let creating = renewal.enter_async(|| creator(renewal.clone()));
                made(creating.await)
            };
            drop(ending);
            Some(renewal.into_creation()?.renewed(made).map_err(CreateError::Failed))
        });
        Box::pin(async move {
            let (cached, wait) = (reached.refer(), wait.wait());
            let (born, need) = match cached.settle(wait).await? {
                Met::Got(guard) => return Ok(guard),
                Met::Elected(born, need) => (born, need),
            };
            let elected = |born| OwnCreation(Renewal::new(reached.share(), born));
            let renewal = elected(born);
            // Before it queues: see `tray`.
            let tray = (!need.is_met_by_old()).then(|| cached.trays.share());
            let in_flight = spawn(spawner, renewal, making);
            if let Some(old) = cached.old(need) {
                return Ok(cached.go_on(born, need, old, wait).await);
            }
            // What was stale has been invalidated just now, if there is none yet.
            let tray = tray.unwrap_or_else(|| cached.trays.share());
            let is_new = || cached.dogpile.has_moved_on(born.generation);
            let there = || if is_new() { cached.there(Outcome::Waited) } else { None };
            let found = |served| if served { Self::served(&tray) } else { there() };
            match cached.dogpile.spawned(&in_flight, found).await? {
                Came::Made(created) => cached.created(created),
                Came::Served(guard) => Ok(guard),
                Came::TookBack(creator) => cached.get_by(wait, |born| creator.run_here(elected(born))).await,
            }
        })
    }
}
