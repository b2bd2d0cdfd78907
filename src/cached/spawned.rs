//! How a [`Cached`] serves an access whose creation is spawned: see [`spawner`](crate::spawner).

use super::Cached;
use super::guard::CachedGuard;
use super::made::Made;
use super::renewal::Renewal;
use super::settle::Met;
use crate::access::serve::{Boxed, ServedByTask, ServesSpawned};
use crate::access::{Inside, Owns};
use crate::clock::Clock;
use crate::creation::Shared;
use crate::error::CreateError;
use crate::failure::Takes;
use crate::outcome::Outcome;
use crate::spawner::in_flight::spawn;
use crate::spawner::{Came, Making, OwnCreation, Spawner};
use crate::wait::{Glance, Waiting};

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
            // The access takes its share before it queues: see `tray`.
            let tray = (!need.is_met_by_old()).then(|| cached.trays.share());
            let in_flight = spawn(spawner, renewal, making);
            if let Some(old) = cached.old(need) {
                return Ok(cached.go_on(born, need, old, wait).await);
            }
            // If there is no share yet, the value was stale, and has been invalidated just now.
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
