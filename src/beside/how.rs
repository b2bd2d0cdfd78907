//! How the creation ends to which an access was elected.

use super::Beside;
use crate::access::{Age, Lends, SetByTask, Stores};
use crate::creation::{Creation, Once};
use crate::error::CreateError;
use crate::failure::{Cause, Takes};

/// Ends a creation as what was made of it. If the creator or the setter has failed, the creation has failed with that
/// error itself, and not with the access's error around it.
pub(crate) fn ended<T, E: Cause, X, L: Beside>(
    creation: Creation<'_, L>,
    made: Result<T, CreateError<E, X>>,
) -> Result<T, CreateError<E, X>> {
    match made {
        Err(CreateError::Failed(error)) => creation.end_as(Err(error)).map_err(CreateError::Failed),
        made => creation.end_as(made),
    }
}

/// Creates a value in a task. `A` says how old the value is. Stores the value, if there is a setter.
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
    // (An async closure of this crate around the user's would not be `Send`.)
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
