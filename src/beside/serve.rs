//! How these locks serve a thread, with a getter or without one.

use super::fetch::Lookup;
use super::guards::OfThread;
use super::how::ended;
use super::{Beside, Looked, lock_mode};
use crate::access::after;
use crate::access::serve::{Served, Serves, ServesInBackground};
use crate::access::{Age, ByGetter, Elsewhere, Finds, Reaches, Sets};
use crate::creation::{Creation, job};
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::outcome::Outcome;
use crate::runner::Runner;
use crate::wait::{FOREVER, Glance, Wait, block_on};
use std::cell::Cell;
use std::future::ready;

/// Runs the creator, makes a value of what it has made, and has the setter store that value. `A` says how old the value
/// is.
pub(crate) fn make<'c, L: Beside, A: Age<V>, V, S, E: Takes<S>, X, Z: Sets<V, S>>(
    creation: &Creation<'c, L>,
    wait: &Wait,
    creator: impl FnOnce(&Creation<'c, L>) -> Result<A::Made, E>,
    setter: Z,
) -> Result<V, CreateError<E, X>> {
    let made = creator(creation).map_err(CreateError::Failed)?;
    let value = A::value(creation.lock().dogpile(), made);
    if Z::SETS {
        if let Some(stored) = L::store(creation, wait, || setter.set(&value))? {
            stored.map_err(|error| CreateError::Failed(E::take(error)))?;
        }
    }
    Ok(value)
}

/// Runs a creator to the end of its creation.
pub(crate) fn run<'c, L: Beside, T, E: Cause, X>(
    creation: Creation<'c, L>,
    creator: impl FnOnce(&Creation<'c, L>) -> Result<T, CreateError<E, X>>,
) -> Result<T, CreateError<E, X>> {
    let made = creation.enter(creator);
    ended(creation, made)
}

/// A creator that either runs here or is handed over.
struct Either<M>(Cell<Option<M>>);

impl<M> Either<M> {
    fn new(creator: M) -> Self {
        Self(Cell::new(Some(creator)))
    }

    fn take(&self) -> M {
        self.0.take().expect("it is one or the other")
    }
}

impl<'c, L: Beside + 'c> Serves<'c, Elsewhere> for L {
    type Missed = Looked;

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn look(&self, glance: Glance) -> Result<L::Got<'_, Outcome>, Looked> {
        self.at_once(glance)
    }

    #[cold]
    fn serve<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'c, Lock = L>,
        now: Looked,
        wait: &Wait,
        _: Elsewhere,
        creator: impl FnOnce(&Creation<'c, L>) -> Result<(), E>,
    ) -> Served<'a, L, Elsewhere, E>
    where
        L: 'a,
    {
        let elected = |born| Creation::new(reached.keeper(), born);
        let run = |creation| ready(run(creation, |creation| creator(creation).map_err(CreateError::Failed)));
        block_on(lock_mode::create(OfThread(reached.lock()), now, wait, elected, run, None::<fn(_)>))
    }
}

impl<L> ServesInBackground<Elsewhere> for L
where
    L: Beside + 'static,
    Creation<'static, L>: Send,
{
    #[cold]
    fn serve_in_background<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'static, Lock = L>,
        runner: &(impl Runner + ?Sized),
        now: Looked,
        wait: &Wait,
        _: Elsewhere,
        creator: impl FnOnce(&Creation<'static, L>) -> Result<(), E> + Send + 'static,
    ) -> Served<'a, L, Elsewhere, E> {
        let elected = |born| Creation::new(reached.keeper(), born);
        let creator = Either::new(|creation: &Creation<'static, L>| creator(creation).map_err(CreateError::Failed));
        let here = |creation| ready(run(creation, creator.take()));
        let hand_over = |creation| {
            let creator = creator.take();
            runner.run(job(creation, Creation::is_dead, |creation| drop(run(creation, creator))));
        };
        let got = block_on(lock_mode::create(OfThread(reached.lock()), now, wait, elected, here, Some(hand_over)))?;
        Ok(after(creator, got))
    }
}

impl<'c, L, R, F, A, Z> Serves<'c, ByGetter<F, A, Z>> for L
where
    L: Beside + 'c,
    R: Finds,
    F: FnMut() -> R,
    A: Age<R::Value>,
{
    type Missed = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // it is nothing
    fn look(&self, _: Glance) -> Result<L::Got<'_, R::Value>, ()> {
        Err(())
    }

    fn serve<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'c, Lock = L>,
        (): (),
        wait: &Wait,
        source: ByGetter<F, A, Z>,
        creator: impl FnOnce(&Creation<'c, L>) -> Result<A::Made, E>,
    ) -> Served<'a, L, ByGetter<F, A, Z>, E>
    where
        L: 'a,
        Z: Sets<R::Value, N>,
    {
        let ByGetter { mut getter, setter, .. } = source;
        let mut lookup = Lookup::<_, _, A, _>::new(OfThread(reached.lock()), wait, || ready(getter()));
        let elected = |born| Creation::new(reached.keeper(), born);
        let make = |creation: &Creation<'c, L>| make::<L, A, _, N, _, _, _>(creation, wait, creator, setter);
        let got = block_on(lookup.create(elected, |creation| ready(run(creation, make))))?;
        Ok(after(getter, got))
    }
}

impl<L, R, F, A, Z> ServesInBackground<ByGetter<F, A, Z>> for L
where
    L: Beside + 'static,
    Creation<'static, L>: Send,
    R: Finds,
    F: FnMut() -> R,
    A: Age<R::Value>,
{
    fn serve_in_background<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'static, Lock = L>,
        runner: &(impl Runner + ?Sized),
        (): (),
        wait: &Wait,
        source: ByGetter<F, A, Z>,
        creator: impl FnOnce(&Creation<'static, L>) -> Result<A::Made, E> + Send + 'static,
    ) -> Served<'a, L, ByGetter<F, A, Z>, E>
    where
        Z: Sets<R::Value, N> + Send + 'static,
    {
        let ByGetter { mut getter, setter, .. } = source;
        let mut lookup = Lookup::<_, _, A, _>::new(OfThread(reached.lock()), wait, || ready(getter()));
        let elected = |born| Creation::new(reached.keeper(), born);
        let creator = Either::new(|creation: &Creation<'static, L>, wait: &Wait| {
            make::<L, A, _, N, _, _, _>(creation, wait, creator, setter)
        });
        let here = |creation| {
            let make = creator.take();
            ready(run(creation, |creation| make(creation, wait)))
        };
        let hand_over = |creation| {
            let make = creator.take();
            runner.run(job(creation, Creation::is_dead, |creation| {
                drop(run(creation, |creation| make(creation, &Wait::new(FOREVER))));
            }));
        };
        let got = block_on(lookup.create_or_hand_over(elected, here, hand_over))?;
        Ok(after((creator, getter), got))
    }
}
