//! What an access does with the creation that it was elected to.

use super::Beside;
use crate::access::{Age, Lends, SetByTask, Stores};
use crate::creation::{Creation, Middle, Once};
use crate::election::Generation;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::lock::Lock;

/// What an access is elected to: a [`Creation`], of which it need not know how long that may live. (Futures that did
/// would not be `Send`.)
pub(crate) trait Elected {
    fn is_dead(&self) -> bool;

    /// The generation that it was elected in.
    fn born_in(&self) -> Generation;

    fn stand_down(self);

    fn middle(&self) -> Middle<'_>;
}

impl<L: Lock> Elected for Creation<'_, L> {
    fn is_dead(&self) -> bool {
        Creation::is_dead(self)
    }

    fn born_in(&self) -> Generation {
        self.born().generation
    }

    fn stand_down(self) {
        Creation::stand_down(self);
    }

    fn middle(&self) -> Middle<'_> {
        Creation::middle(self)
    }
}

/// Ends a creation as what was made of it: the creator's own error is what it has failed with.
pub(crate) fn ended<T, E: Cause, X, L: Beside>(
    creation: Creation<'_, L>,
    made: Result<T, CreateError<E, X>>,
) -> Result<T, CreateError<E, X>> {
    match made {
        Err(CreateError::Failed(error)) => creation.end_as(Err(error)).map_err(CreateError::Failed),
        made => creation.end_as(made),
    }
}

/// A task creates a value, of what age `A` says, and stores it, if there is a setter.
pub(crate) fn create_by_task<L, V, T, N, E, X, A, P, Z, M>(
    creation: Creation<'_, L>,
    creator: &mut Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>,
    made: impl FnOnce(V) -> Result<A::Made, E>,
    setter: &mut SetByTask<Z, M>,
) -> impl Future<Output = Result<T, CreateError<E, X>>>
where
    L: Beside,
    E: Takes<N>,
    A: Age<T>,
    P: Stores<N>,
    M: Lends<T>,
    Z: AsyncFnOnce(&M::Lent) -> P,
{
    // (An async closure of our own around that of the user would not be `Send`.)
    async move {
        let creating = creation.enter_async(|| async {
            let made = made(creator.take()(&creation).await).map_err(CreateError::Failed)?;
            let mut value = A::value(creation.lock().dogpile(), made);
            if let (Some(setter), Some(lent)) = (setter.setter.take(), M::lend(&mut value)) {
                if let Some(_store) = L::begin_store_by_task(&creation).await? {
                    let storing = creation.middle().part(L::STORING, || setter(lent));
                    storing.await.stored().map_err(|error| CreateError::Failed(E::take(error)))?;
                }
            }
            Ok(value)
        });
        let made = creating.await;
        ended(creation, made)
    }
}
