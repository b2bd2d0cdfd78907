//! How a [`Cached`] serves an access of a thread, and what a creator makes for it.

use super::Cached;
use super::guard::CachedGuard;
use super::made::Made;
use super::renewal::Renewal;
use super::settle::Met;
use crate::access::serve::{Served, Serves, ServesInBackground};
use crate::access::source::Asks;
use crate::access::{Inside, Reaches, Unset};
use crate::clock::Clock;
use crate::creation::job;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::runner::Runner;
use crate::wait::{Glance, Wait, block_on};
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
    /// Makes the access, with a creator that may be given to a runner. Only an elected access calls `elected`, which
    /// shares the lock: sharing writes beside the lock, and other accesses must not do that (L2, L12).
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
