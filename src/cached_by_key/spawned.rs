//! Creations of a function by key that run in tasks of their own.
//!
//! A spawned future is `Send`, and so is each future inside it. The futures of [`AsyncStore`](super::AsyncStore) and
//! [`AsyncFunctionOf`](super::AsyncFunctionOf) need not be `Send`, so that these traits serve programs that send no
//! future to another thread. So a spawned creation asks for a [`SpawnedStore`] and a [`SpawnedFunctionOf`], whose
//! futures are `Send`.

use super::lived::{ByLife, Lived};
use super::{CachedByKey, Closures};
use crate::access::{
    Age, AsyncAccess, Finds, Keep, Kept, ReachesByTask, Refers, Shares, Spawned, Stored, Tells, Waits,
};
use crate::beside::how::ended;
use crate::beside::spawned::fetch_spawned;
use crate::cached_fn::{BoxedFuture, kind};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::derived::copied;
use crate::dogpile::{Dogpile, Stamped};
use crate::error::{CreateError, Either};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::registry::Held;
use crate::running::Doing;
use crate::spawner::{Making, Spawner};
use crate::sync::Arc;
use crate::wait::Waiting;
use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt::Display;
use std::hash::Hash;
use std::marker::PhantomData;

/// A function for a [`CachedByKey`] whose creations are [spawned](crate::CachedByKey::kept_async) as tasks.
///
/// | function | can fail | its future may borrow the argument |
/// |---|---|---|
/// | `Fn(&A) -> impl Future<Output = V> + Send` | no | no |
/// | `Fn(&A) -> impl Future<Output = Result<V, E>> + Send` | yes | no |
/// | [`BoxedFunctionOf<A, V, E>`](crate::BoxedFunctionOf) | yes | yes |
///
/// `Kind` tells the three apart. A program never names it.
#[diagnostic::on_unimplemented(
    message = "no task can be spawned for a `CachedByKey` of `{V}` that calls this for arguments `{A}`",
    label = "its future does not give `{V}` or `Result<{V}, E>`, is not `Send`, or borrows its argument"
)]
pub trait SpawnedFunctionOf<A: ?Sized, V, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
    type Error: Cause;

    #[doc(hidden)]
    fn call_spawned(&self, arguments: &A) -> impl Future<Output = Result<V, Self::Error>> + Send;
}

impl<A: ?Sized, V, R: Future<Output = V> + Send, F: Fn(&A) -> R> SpawnedFunctionOf<A, V, kind::Plain> for F {
    type Error = Infallible;

    fn call_spawned(&self, arguments: &A) -> impl Future<Output = Result<V, Infallible>> + Send {
        let made = self(arguments);
        async move { Ok(made.await) }
    }
}

impl<A: ?Sized, V, E: Cause, R, F> SpawnedFunctionOf<A, V, kind::FallibleFuture> for F
where
    R: Future<Output = Result<V, E>> + Send,
    F: Fn(&A) -> R,
{
    type Error = E;

    fn call_spawned(&self, arguments: &A) -> impl Future<Output = Result<V, E>> + Send {
        self(arguments)
    }
}

impl<A: ?Sized, V, E: Cause> SpawnedFunctionOf<A, V, kind::Boxed>
    for Box<dyn for<'a> Fn(&'a A) -> BoxedFuture<'a, Result<V, E>> + Send + Sync + '_>
{
    type Error = E;

    fn call_spawned(&self, arguments: &A) -> impl Future<Output = Result<V, E>> + Send {
        self(arguments)
    }
}

/// An [`AsyncStore`](crate::AsyncStore) whose futures are `Send`, for creations that are
/// [spawned](crate::CachedByKey::kept_async).
///
/// A type that implements both traits can have the methods of this one call those of `AsyncStore`.
///
/// [`Closures`] are a `SpawnedStore` if the futures of `get` and `set` are `Send` and do not borrow their arguments.
pub trait SpawnedStore<K, V> {
    /// The error of the store: [`Infallible`] if the store cannot fail.
    type Error: Display;

    /// Gets the value of `key`, and its stamp, as [`AsyncStore::get`](crate::AsyncStore::get) does.
    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, Self::Error>> + Send;

    /// Stores a value of `key`, and its stamp, as [`AsyncStore::set`](crate::AsyncStore::set) does.
    fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl<K, V, Get, Set, Remove, G, S, P, Q> SpawnedStore<K, V> for Closures<Get, Set, Remove>
where
    G: Finds<Value = Stamped<V>, Error: Display>,
    S: Stored<G::Error>,
    P: Future<Output = G> + Send,
    Q: Future<Output = S> + Send,
    Get: Fn(&K) -> P,
    Set: Fn(&K, &Stamped<V>) -> Q,
{
    type Error = G::Error;

    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, G::Error>> + Send {
        let got = (self.get)(key);
        async move { got.await.found() }
    }

    fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), G::Error>> + Send {
        let stored = (self.set)(key, value);
        async move { stored.await.stored() }
    }
}

macro_rules! is_spawned_store_by {
    ($($by:ty),+) => {$(
        impl<K, V, S: SpawnedStore<K, V>> SpawnedStore<K, V> for $by {
            type Error = S::Error;

            fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, S::Error>> + Send {
                (**self).get(key)
            }

            fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), S::Error>> + Send {
                (**self).set(key, value)
            }
        }
    )+};
}

is_spawned_store_by! { &S, Box<S>, Arc<S> }

/// The arguments of one access.
#[derive(Debug)]
pub struct With<'a, A: ?Sized>(&'a A);

impl<K, V, Key, F, S, C: Clock> CachedByKey<K, V, Key, F, S, C> {
    /// Begins an access by a task, as [`access_async`](Self::access_async) does, whose creation is
    /// [spawned](AsyncAccess::spawned_by) and may outlive the caller. Never blocks.
    ///
    /// The function is a [`SpawnedFunctionOf`], and the store a [`SpawnedStore`]. The creation shares both, so the
    /// `CachedByKey` is passed as `&Arc<CachedByKey<…>>`, or as a reference to a `static`.
    ///
    /// An elected access makes owned copies of the arguments and the key for the creation. Any other access copies no
    /// arguments, and shares nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedByKey, Closures, Stamped, Task, cached_by_key};
    /// use std::{future::ready, sync::Arc, time::Duration};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let spawner = |task: Task| drop(tokio::spawn(task));
    /// let squares = Arc::new(cached_by_key(
    ///     Duration::from_secs(60),
    ///     |number: &u64| *number,
    ///     |number: &u64| {
    ///         let number = *number; // the future must not borrow the argument
    ///         async move { number * number }
    ///     },
    ///     Closures {
    ///         get: |_: &u64| ready(None), // in a real store: the call of a client
    ///         set: |_: &u64, _: &Stamped<u64>| ready(()),
    ///         remove: |_: &u64| ready(()),
    ///     },
    /// ));
    /// let made = CachedByKey::kept_async(&squares, &12).spawned_by(&spawner).try_get().await;
    /// assert_eq!(made.unwrap().value, 144);
    /// # });
    /// ```
    pub fn kept_async<A: ?Sized, O: Keep<Self>>(
        function: O,
        arguments: &A,
    ) -> AsyncAccess<Kept<O, Self>, Self, With<'_, A>> {
        AsyncAccess::new(function.own(), With(arguments))
    }
}

/// A share of a function, from which a share of the lock of one key is made.
struct OwnLock<'a, O, K, M, C: Clock> {
    kept: O,
    lock: &'a Held<'a, K, Dogpile<C>>,
    of: PhantomData<fn() -> M>,
}

copied! { [O: Copy, K, M, C: Clock] OwnLock<'_, O, K, M, C> }

impl<O, K, M, C: Clock> Refers<Dogpile<C>> for OwnLock<'_, O, K, M, C> {
    fn refer(&self) -> &Dogpile<C> {
        self.lock
    }
}

impl<O: Copy, K, M, C: Clock> ReachesByTask<Dogpile<C>> for OwnLock<'_, O, K, M, C> {
    fn owner(&self) {}
}

impl<O, K, V, Key, F, S, C> Shares<Dogpile<C>> for OwnLock<'_, O, K, CachedByKey<K, V, Key, F, S, C>, C>
where
    O: Shares<CachedByKey<K, V, Key, F, S, C>>,
    K: Send + Sync + 'static,
    V: 'static,
    Key: Send + Sync + 'static,
    F: Send + Sync + 'static,
    S: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn share(&self) -> Keeper<'static, Dogpile<C>> {
        Keeper::Held(Box::new(self.lock.owned_by(Arc::new(self.kept.share()))))
    }
}

/// # Of a function by key
impl<'x, A, O, K, V, Key, F, S, C, P, W> Spawned<'x, O, CachedByKey<K, V, Key, F, S, C>, With<'x, A>, P, W>
where
    A: ToOwned<Owned: Send + Sync> + Sync + ?Sized + 'static,
    O: Shares<CachedByKey<K, V, Key, F, S, C>> + Send + Sync + 'x,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    Key: Fn(&A) -> K + Send + Sync + 'static,
    F: Send + Sync + 'static,
    S: SpawnedStore<K, V, Error: Send + 'static> + Send + Sync + 'static,
    C: Clock + Clone + 'static,
    P: Spawner + Sync + ?Sized,
    W: Waits + 'x,
{
    /// Returns the result, as [`Access::try_get`](crate::Access::try_get) does, for a task whose creation is spawned.
    ///
    /// The future of the function and the future that stores the result run in a task of their own.
    ///
    /// # Errors
    ///
    /// As `Access::try_get`, with two differences: this call does not time out, and its creation may be
    /// [lost](CreateError::Lost).
    ///
    /// # Panics
    ///
    /// A panic of the key, of [`SpawnedStore::get`] or of the spawner goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`Spawned`](crate::Spawned#cancel-safety) says.
    #[allow(clippy::type_complexity)]
    pub fn try_get<Kind>(self) -> BoxedFuture<'x, Result<Stamped<V>, CreateError<F::Error, S::Error>>>
    where
        F: SpawnedFunctionOf<A, V, Kind, Error: Send + 'static>,
        W: Tells<F::Error, As: Send + 'static>,
    {
        Box::pin(async move {
            let (kept, With(arguments), spawner, wait) =
                (self.lock, self.source, self.spawner, self.waits.begin_by_task());
            let function = kept.refer();
            let key = (function.key)(arguments);
            let lock = function.lock(&key);
            let getter = || async { function.store.get(&key).await.map(|brought| function.lifetimes.lived(brought)) };
            // Called only if this access is elected: a hit shares nothing (L2).
            let making =
                || making::<A, K, V, Key, F, S, C, Kind, W::As>(kept.share(), key.clone(), arguments.to_owned());
            let reached = OwnLock { kept, lock: &lock, of: PhantomData };
            let got =
                fetch_spawned::<Dogpile<C>, _, _, ByLife, _>(reached, spawner, wait.clone(), getter, making).await;
            W::told(wait.wait(), got.map(|lived| lived.stamped).map_err(CreateError::told_apart))
        })
    }
}

/// Makes the creator of a spawned creation, which makes a result and stores it.
#[allow(clippy::type_complexity)]
fn making<A, K, V, Key, F, S, C, Kind, E>(
    kept: Keeper<'static, CachedByKey<K, V, Key, F, S, C>>,
    key: K,
    arguments: A::Owned,
) -> Making<Dogpile<C>, Result<Lived<V>, CreateError<Either<E, S::Error>, S::Error>>>
where
    A: ToOwned<Owned: Send + Sync> + Sync + ?Sized + 'static,
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    Key: Send + Sync + 'static,
    F: SpawnedFunctionOf<A, V, Kind, Error: Send + 'static> + Send + Sync + 'static,
    S: SpawnedStore<K, V, Error: Send + 'static> + Send + Sync + 'static,
    C: Clock + 'static,
    E: Takes<F::Error> + Send + 'static,
{
    Making::new(move |creation: Creation<'static, Dogpile<C>>, ending| async move {
        let made = {
            let making = creation.enter_async(|| async {
                let made = kept.function.call_spawned(arguments.borrow()).await;
                let made = made.map_err(|error| Either::Function(E::take(error)))?;
                let lived = ByLife::value(creation.lock(), kept.lifetimes.derived(made));
                if let Ok(_store) = creation.begin_store() {
                    let set = || kept.store.set(&key, &lived.stamped);
                    creation.middle().part(Doing::Storing, set).await.map_err(Either::not_stored)?;
                }
                Ok(lived)
            });
            making.await
        };
        drop(ending);
        Some(ended(creation, made.map_err(CreateError::Failed)))
    })
}
