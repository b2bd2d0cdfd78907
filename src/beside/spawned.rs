//! How these locks serve an access whose creation is spawned: see [`spawner`](crate::spawner).

use super::Beside;
use super::elected::Elected;
use super::fetch::{Lookup, Spared};
use super::guards::{Guards, OfTask};
use super::how::ended;
use super::lock_mode::{self, Met};
use crate::access::after;
use crate::access::serve::{Boxed, ServedByTask, ServesSpawned};
use crate::access::{Age, ByGetter, Elsewhere, Finds, Lends, Owns, SetByTask, Stored, Stores};
use crate::creation::{Creation, Middle, Shared};
use crate::dogpile::Sight;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::generation::Generation;
use crate::lock::Lock;
use crate::outcome::Outcome;
use crate::spawner::in_flight::spawn;
use crate::spawner::{Came, Making, OwnCreation, Spawner};
use crate::wait::{Glance, Waiting};
use std::future::ready;
use std::marker::PhantomData;

/// What is done with what a creator gives, in the middle of its creation.
trait Brings<L: Beside, V, T, X>: Send + 'static {
    fn bring(self, creation: &Creation<'static, L>, given: V) -> impl Future<Output = Result<T, X>> + Send;
}

/// What is done without a getter: nothing. The creator has created, or has failed.
struct Plain<V, E>(fn(V) -> Result<(), E>);

impl<L: Beside, V: 'static, E: Send + 'static> Brings<L, V, (), CreateError<E>> for Plain<V, E> {
    fn bring(self, _: &Creation<'static, L>, given: V) -> impl Future<Output = Result<(), CreateError<E>>> + Send {
        ready((self.0)(given).map_err(CreateError::Failed))
    }
}

/// What is done with a getter: a value is made of what the creator gave, and is stored if there is a setter. `A` says
/// how old the value is.
struct AgedAndSet<V, T, N, E, A, Z, M> {
    made: fn(V) -> Result<T, E>,
    setter: SetByTask<Z, M>,
    of: PhantomData<fn() -> (A, N)>,
}

impl<L, V, T, N, E, X, A, Z, M, Q> Brings<L, V, T, CreateError<E, X>> for AgedAndSet<V, A::Made, N, E, A, Z, M>
where
    L: Beside + 'static,
    V: 'static,
    T: Send,
    N: 'static,
    E: Takes<N> + Send + 'static,
    X: Send,
    A: Age<T, Made: 'static> + 'static,
    Q: Future<Output: Stored<N>> + Send,
    M: Lends<T, Lent: Send> + 'static,
    Z: FnOnce(&M::Lent) -> Q + Send + 'static,
{
    fn bring(
        self,
        creation: &Creation<'static, L>,
        given: V,
    ) -> impl Future<Output = Result<T, CreateError<E, X>>> + Send {
        let Self { made, setter, .. } = self;
        let value = made(given).map(|made| A::value(creation.lock().dogpile(), made)).map_err(CreateError::Failed);
        async move {
            let mut value = value?;
            // The value is lent as if it were to be written to: a value that is spawned need not be `Sync`.
            if let (Some(setter), Some(lent)) = (setter.setter, M::lend(&mut value)) {
                if let Some(_store) = L::begin_store_by_task(creation).await? {
                    let storing = creation.middle().part(L::STORING, move || {
                        let lent: &mut M::Lent = lent;
                        setter(lent)
                    });
                    storing.await.stored().map_err(|error| CreateError::Failed(E::take(error)))?;
                }
            }
            Ok(value)
        }
    }
}

/// Makes all that a spawned creation runs: the creator, and what is done with what that gives.
fn making<L, F, V, T, E, X>(
    creator: impl FnOnce(Shared<L>) -> F + Send + 'static,
    brings: impl Brings<L, V, T, CreateError<E, X>>,
) -> Making<L, Result<T, CreateError<E, X>>>
where
    L: Beside + 'static,
    F: Future<Output = V> + Send + 'static,
    V: 'static,
    T: Send + 'static,
    E: Cause + Send + 'static,
    X: Send + 'static,
{
    Making::new(|creation, ending| async move {
        let creation = Shared::new(creation);
        let creating = creation.enter_async(|| {
            let creation = creation.clone();
            async move {
                let bringing = {
                    let given = creator(creation.clone()).await;
                    brings.bring(&creation, given)
                };
                bringing.await
            }
        });
        let made = creating.await;
        drop(ending);
        Some(ended(creation.into_creation()?, made))
    })
}

impl<L: Lock> Elected for OwnCreation<L> {
    fn is_dead(&self) -> bool {
        self.0.is_dead()
    }

    fn born_in(&self) -> Generation {
        self.0.born().generation
    }

    fn stand_down(self) {
        self.0.stand_down();
    }

    fn middle(&self) -> Middle<'_> {
        self.0.middle()
    }
}

impl<'x, L, N, E> ServesSpawned<'x, Elsewhere, N, E> for L
where
    L: Beside<GotByTask<Outcome>: Send> + 'static,
    E: Takes<N> + Send + 'static,
{
    fn look(&self, owner: impl FnOnce() -> L::Owner, glance: Glance) -> Option<L::GotByTask<Outcome>> {
        self.at_once_by_task(owner, glance).ok()
    }

    fn serve_spawned<V: 'static, F: Future<Output = V> + Send + 'static>(
        reached: impl Owns<L> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
        _: Elsewhere,
        creator: impl FnOnce(Shared<L>) -> F + Send + 'static,
        made: fn(V) -> Result<(), E>,
    ) -> Boxed<'x, ServedByTask<L, Elsewhere, E>> {
        Box::pin(async move {
            let lock = reached.refer();
            let (guards, wait, mut old) = (OfTask::new(reached), wait.wait(), None);
            let keep = |need, pass: Option<_>| old = pass.map(|pass| (need, pass));
            let born = match lock_mode::access(&guards, None, wait, keep).await? {
                Met::In(outcome, pass) => return Ok(L::give_to_task(outcome, after(creator, pass))),
                Met::Elected(born) => born,
            };
            let elected = |born| OwnCreation(Creation::new(reached.share(), born));
            let in_flight = spawn(spawner, elected(born), making(creator, Plain(made)));
            if let Some((need, pass)) = old {
                return Ok(lock_mode::go_on(&guards, wait, born, need, pass).await);
            }
            let is_new = || lock.dogpile().has_moved_on(born.generation);
            let found = |served| (served || (is_new() && lock.dogpile().has_own_value())).then_some(());
            match lock.dogpile().spawned(&in_flight, found).await? {
                Came::Made(created) => lock_mode::created(&guards, wait, created).await,
                Came::Served(()) => Ok(L::give_to_task(Outcome::Waited, guards.enter(wait).await?)),
                Came::TookBack(creator) => {
                    let run = |creation| creator.run_here(creation);
                    lock_mode::create(guards, None, wait, elected, run, None::<fn(_)>).await
                }
            }
        })
    }
}

/// A creator that makes a value as a getter brings it, and all else that ends its creation.
type MakingOf<L, R, E> = Making<L, Result<<R as Finds>::Value, CreateError<E, <R as Finds>::Error>>>;

/// Makes an access with a getter. `making` gives the creator, once the access needs it.
pub(crate) async fn fetch_spawned<L, R, Q, A, E>(
    reached: impl Owns<L>,
    spawner: &(impl Spawner + ?Sized),
    wait: impl Waiting,
    getter: impl FnMut() -> Q,
    making: impl FnOnce() -> MakingOf<L, R, E>,
) -> Result<L::GotByTask<R::Value>, CreateError<E, R::Error>>
where
    L: Beside + 'static,
    R: Finds<Value: Send + 'static, Error: Send + 'static>,
    Q: Future<Output = R>,
    A: Age<R::Value>,
    E: Cause + Send + 'static,
{
    let mut lookup = Lookup::<_, _, A, _>::new(OfTask::new(reached), wait, getter);
    let got: Result<_, CreateError<E, R::Error>> = async {
        let lock = reached.refer();
        let elected = |born| OwnCreation(Creation::new(reached.share(), born));
        let creation = match lookup.fetch_sparing(elected).await? {
            Spared::Value(got) => return Ok(after(making, got)),
            Spared::HandOver(creation, need, got) => {
                let born = creation.born_in();
                drop(spawn(spawner, creation, making()));
                return Ok(lookup.go_on(born, need, got).await);
            }
            Spared::Create(creation) => creation,
        };
        // The generation as of when the getter was called last. That the lock has a value says nothing by itself: the
        // value may be fresh to the lock although the store has lost it. To ask the getter again for that value would
        // be a call in vain, and there are no more than two calls (L8).
        let mut seen = creation.0.born().generation;
        let in_flight = spawn(spawner, creation, making());
        let generation = || lock.dogpile().election().look().generation();
        loop {
            let may_ask = lookup.may_ask();
            let renewed = || !generation().is_still(seen) && lock.dogpile().has_own_value();
            let found = |served| (may_ask && (served || renewed())).then_some(served);
            match lock.dogpile().spawned(&in_flight, found).await? {
                Came::Made(made) => return lookup.created(made).await,
                // The value that is there may be gone already, or too old. Then the access waits for its own creation
                // once more.
                Came::Served(served) => {
                    seen = generation();
                    let got = lookup.get().await?;
                    if let Some(got) = got.filter(|got| lookup.judge(got) != Sight::Missing || served) {
                        return Ok(got);
                    }
                }
                Came::TookBack(creator) => {
                    return lookup.create(elected, |creation| creator.run_here(creation)).await;
                }
            }
        }
    }
    .await;
    after(lookup, got)
}

impl<'x, L, R, Q, F, A, N, E, P, Z, M> ServesSpawned<'x, ByGetter<F, A, SetByTask<Z, M>>, N, E> for L
where
    L: Beside<GotByTask<R::Value>: Send> + 'static,
    R: Finds<Value: Send + 'static, Error: Send + 'static> + 'x,
    Q: Future<Output = R> + Send + 'x,
    F: FnMut() -> Q + Send + 'x,
    A: Age<R::Value, Made: 'static> + 'static,
    E: Takes<N> + Send + 'static,
    N: 'static,
    P: Future<Output: Stored<N>> + Send,
    M: Lends<R::Value, Lent: Send> + 'static,
    Z: FnOnce(&M::Lent) -> P + Send + 'static,
{
    fn look(&self, _: impl FnOnce() -> L::Owner, _: Glance) -> Option<L::GotByTask<R::Value>> {
        None
    }

    fn serve_spawned<V: 'static, B: Future<Output = V> + Send + 'static>(
        reached: impl Owns<L> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
        ByGetter { getter, setter, .. }: ByGetter<F, A, SetByTask<Z, M>>,
        creator: impl FnOnce(Shared<L>) -> B + Send + 'static,
        made: fn(V) -> Result<A::Made, E>,
    ) -> Boxed<'x, ServedByTask<L, ByGetter<F, A, SetByTask<Z, M>>, E>> {
        let brings = AgedAndSet::<_, _, N, _, A, _, _> { made, setter, of: PhantomData };
        Box::pin(fetch_spawned::<L, R, Q, A, E>(reached, spawner, wait, getter, || making(creator, brings)))
    }
}
