//! How a [`Cached`] serves an access of a task.

use super::Cached;
use super::guard::CachedGuard;
use super::made::Made;
use super::renewal::Renewal;
use crate::access::tasks::{ends, without_error};
use crate::access::{AsyncAccess, Inside, ReachByTask, Tells, Waits, after};
use crate::clock::Clock;
use crate::creation::{Creation, Once};
use crate::error::{CreateError, never};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::wait::{TASK, Wait, Waiting};
use std::convert::Infallible;

ends! {
    /// # Of a lock that has its value
    [K, T, C: Clock] Cached<T, C>, Inside<T> => T, Made<T>, CachedGuard<T>, Infallible where {} {} {} Made::new
}

impl<T, C: Clock> Cached<T, C> {
    /// Makes the access of a task, after a look that has found no hit. `made` turns the creator's output into what the
    /// creator has made.
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

// For what a future costs here, and what a hit costs, see `beside::tasks`.

impl<K: ReachByTask<Cached<T, C>>, T, C: Clock, W: Waits> AsyncAccess<K, Cached<T, C>, Inside<T>, W> {
    fn serve<V, E: Cause, G, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Renewal<'_, T, C>) -> V,
        made: impl FnOnce(V) -> Result<Made<T>, E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<CachedGuard<T>, CreateError<E>>) -> G,
    ) -> impl Future<Output = G> {
        let (lock, waits, mut creator) = (self.lock, self.waits, Once::new(creator));
        async move {
            if let Some(guard) = lock.refer().at_once(waits.glance()) {
                return end(&TASK, Ok(after(creator, guard)));
            }
            let wait = begin(&waits);
            let got = lock.refer().get_by_task(wait.wait(), &mut creator, made).await;
            end(wait.wait(), after(creator, got))
        }
    }
}
