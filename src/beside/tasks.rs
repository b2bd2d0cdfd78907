//! How these locks serve a task, with a getter or without one.

use super::fetch::Lookup;
use super::guards::{Guards, OfTask};
use super::lock_mode::{self, Met};
use super::{Beside, Looked, how};
use crate::access::tasks::{ends, without_error};
use crate::access::{
    Age, AsyncAccess, ByGetter, CannotFail, Elsewhere, Finds, Lends, ReachByTask, SetByTask, Stored, Tells, Waits,
    after,
};
use crate::creation::{Creation, Once};
use crate::error::{CreateError, never};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::outcome::Outcome;
use crate::wait::{TASK, Wait, Waiting};
use std::convert::{Infallible, identity};

ends! {
    /// # In lock mode
    [K, L: Beside] L, Elsewhere => (), (), L::GotByTask<Outcome>, Infallible where {} {} {} identity
}

ends! {
    /// # By a getter
    [K, L: Beside, R: Finds, Q: Future<Output = R>, F: FnMut() -> Q, A: Age<R::Value>, P, M: Lends<R::Value>,
        Z: AsyncFnOnce(&M::Lent) -> P]
    L, ByGetter<F, A, SetByTask<Z, M>> => A::Made, A::Made, L::GotByTask<R::Value>, R::Error
    where {} { R::Error: CannotFail, P: Stored<Infallible>, } { P: Stored<E>, } identity
}

// A hit returns early, below. A guard that leaves a `match` beside a guard that was awaited is put together in memory,
// and is copied in other pieces than it was written in. That costs more than the hit.
//
// How large a future is (`tests/tasks/sizes.rs`): what is moved into a block has its place there for as long as the
// block lives, even after it was moved on. The scrutinee of a `match` has its place for as long as an arm awaits. Three
// rules follow. Each access is one block as far as it can be. What is awaited is bound before it is looked at. What
// takes place only after a look has come to nothing is in a box: all of an access without a getter, and the creator
// with all that comes after it.

impl<K: ReachByTask<L>, L: Beside, W: Waits> AsyncAccess<K, L, Elsewhere, W> {
    fn serve<V, E: Cause, T, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Creation<'_, L>) -> V,
        made: impl FnOnce(V) -> Result<(), E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<L::GotByTask<Outcome>, CreateError<E>>) -> T,
    ) -> impl Future<Output = T> {
        let (waits, mut access) = (self.waits, (OfTask::new(self.lock), Once::new(creator)));
        async move {
            let now = match access.0.lock().at_once_by_task(|| access.0.reached.owner(), waits.glance()) {
                Ok(got) => return end(&TASK, Ok(after(access.1, got))),
                Err(now) => now,
            };
            let wait = begin(&waits);
            let got = Box::pin(serve_slowly(&mut access, now, wait.wait(), made)).await;
            end(wait.wait(), after(access.1, got))
        }
    }
}

/// Makes the rest of an access that is no hit. It is a future of its own: the drop of the outer future is then so small
/// that it is inlined.
fn serve_slowly<L: Beside, K: ReachByTask<L>, V, E: Cause>(
    access: &mut (OfTask<K, L>, Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>),
    now: Looked,
    wait: &Wait,
    made: impl FnOnce(V) -> Result<(), E>,
) -> impl Future<Output = Result<L::GotByTask<Outcome>, CreateError<E>>> {
    async move {
        let creating = {
            let met = lock_mode::access(&access.0, now, wait, |_, pass| drop(pass)).await;
            match met {
                Ok(Met::In(outcome, pass)) => return Ok(L::give_to_task(outcome, pass)),
                Ok(Met::Elected(born)) => {
                    let (guards, creator) = access;
                    let creation = Creation::new(Keeper::Borrowed(guards.lock()), born);
                    Box::pin(create_by_task(guards, wait, creation, creator, made))
                }
                Err(error) => return Err(error.into()),
            }
        };
        creating.await
    }
}

fn create_by_task<L: Beside, K: ReachByTask<L>, V, E: Cause>(
    guards: &OfTask<K, L>,
    wait: &Wait,
    creation: Creation<'_, L>,
    creator: &mut Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>,
    made: impl FnOnce(V) -> Result<(), E>,
) -> impl Future<Output = Result<L::GotByTask<Outcome>, CreateError<E>>> {
    async move {
        let made = creation.run_closure(creator, made).await.map_err(CreateError::Failed);
        lock_mode::created(guards, wait, made).await
    }
}

impl<K, L, R, Q, F, A, P, Z, M, W> AsyncAccess<K, L, ByGetter<F, A, SetByTask<Z, M>>, W>
where
    K: ReachByTask<L>,
    L: Beside,
    R: Finds,
    Q: Future<Output = R>,
    F: FnMut() -> Q,
    A: Age<R::Value>,
    M: Lends<R::Value>,
    Z: AsyncFnOnce(&M::Lent) -> P,
    W: Waits,
{
    fn serve<V, N, E: Takes<N>, T, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Creation<'_, L>) -> V,
        made: impl FnOnce(V) -> Result<A::Made, E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<L::GotByTask<R::Value>, CreateError<E, R::Error>>) -> T,
    ) -> impl Future<Output = T>
    where
        P: Stored<N>,
    {
        let ByGetter { getter, mut setter, .. } = self.source;
        let (lock, mut creator) = (self.lock, Once::new(creator));
        let mut lookup = Lookup::<_, _, A, _>::new(OfTask::new(lock), begin(&self.waits), getter);
        async move {
            let elected = |born| Creation::new(Keeper::Borrowed(lock.refer()), born);
            let run = |creation| {
                how::create_by_task::<L, _, _, N, _, _, A, _, _, _>(creation, &mut creator, made, &mut setter)
            };
            let got = lookup.create(elected, run).await;
            let wait = after((creator, setter), lookup.into_wait());
            end(wait.wait(), got)
        }
    }
}
