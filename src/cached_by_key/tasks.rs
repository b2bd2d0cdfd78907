//! A function, and a store, that give futures.

use super::{CachedByKey, brought};
use crate::clock::Clock;
use crate::creation::{Creation, Stored};
use crate::dogpile::{Anew, Dogpile, Stamped};
use crate::error::{CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::wait::{INFALLIBLE_TASK, TASK, Wait};
use std::convert::identity;
use std::fmt::Display;
use std::hash::Hash;

/// # For tasks, of a function and a store that cannot fail
///
/// The function and the store give futures, and run as parts of the task that asks. What holds for the [tasks of a
/// `Dogpile`](crate::Dogpile#for-tasks) holds here.
///
/// ```
/// use dogpile::{CachedByKey, Stamped, Store, cached_by_key};
/// use std::time::Duration;
///
/// # #[derive(Clone, Default)]
/// # struct Client(std::sync::Arc<std::sync::Mutex<std::collections::HashMap<u64, Stamped<u64>>>>);
/// # impl Client {
/// #     async fn get(&self, key: u64) -> Option<Stamped<u64>> { self.0.lock().unwrap().get(&key).copied() }
/// #     async fn set(&self, key: u64, value: Stamped<u64>) { self.0.lock().unwrap().insert(key, value); }
/// # }
/// # async fn example(client: Client) {
/// let squares = cached_by_key(
///     Duration::from_secs(60),
///     |number: &u64| *number,
///     async |number: &u64| number * number, // slow
///     Store {
///         get: async |key: &u64| client.get(*key).await,
///         set: async |key: &u64, value: &Stamped<u64>| client.set(*key, *value).await,
///         remove: (),
///     },
/// );
/// assert_eq!(squares.get_async(&12).await.value, 144);
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example(Client::default()));
/// ```
impl<K: Hash + Eq + Clone, Key, F, Get, Set, Remove, C: Clock + Clone> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    /// As [`get`](Self::get), for a task.
    ///
    /// # Panics
    ///
    /// As `get`; the task is what runs the function.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while the function or the store runs, it drops that, and then gives the creation up: exactly one of those who
    /// wait is elected.
    pub fn get_async<A: ?Sized, V>(&self, arguments: &A) -> impl Future<Output = Stamped<V>>
    where
        Key: Fn(&A) -> K,
        F: AsyncFn(&A) -> V,
        Get: AsyncFn(&K) -> Option<Stamped<V>>,
        Set: AsyncFn(&K, &Stamped<V>),
    {
        async move {
            let key = &(self.key)(arguments);
            let getter = || async { (self.store.get)(key).await.ok_or(NeedRegeneration) };
            or_deadlock(self.access_as_task(&INFALLIBLE_TASK, false, key, arguments, getter, never::<V>).await)
        }
    }

    /// As [`get_stale`](Self::get_stale), for a task. Waits for the store alone.
    ///
    /// # Panics
    ///
    /// As `get_stale`.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the future of the store.
    pub fn get_stale_async<A: ?Sized, V>(&self, arguments: &A) -> impl Future<Output = Option<Stamped<V>>>
    where
        Key: Fn(&A) -> K,
        Get: AsyncFn(&K) -> Option<Stamped<V>>,
    {
        async move { (self.store.get)(&(self.key)(arguments)).await }
    }

    /// As [`invalidate`](Self::invalidate), for a task.
    ///
    /// # Panics
    ///
    /// As `invalidate`.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it has invalidated; dropped before it is ready, it may not have removed.
    pub fn invalidate_async<A: ?Sized>(&self, arguments: &A) -> impl Future<Output = ()>
    where
        Key: Fn(&A) -> K,
        Remove: AsyncFn(&K),
    {
        self.forget_as_task(arguments)
    }

    /// As [`refresh`](Self::refresh), for a task.
    ///
    /// # Panics
    ///
    /// As `refresh`; the task is what runs the function.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn refresh_async<A: ?Sized, V>(&self, arguments: &A) -> impl Future<Output = Stamped<V>>
    where
        Key: Fn(&A) -> K,
        F: AsyncFn(&A) -> V,
        Get: AsyncFn(&K) -> Option<Stamped<V>>,
        Set: AsyncFn(&K, &Stamped<V>),
    {
        async move {
            let key = &(self.key)(arguments);
            let getter = || async { (self.store.get)(key).await.ok_or(NeedRegeneration) };
            or_deadlock(self.access_as_task(&INFALLIBLE_TASK, true, key, arguments, getter, never::<V>).await)
        }
    }
}

/// # For tasks, of a function and a store that can fail
impl<K: Hash + Eq + Clone, Key, F, Get, Set, Remove, C: Clock + Clone> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    /// As [`get_fallible`](Self::get_fallible), for a task.
    ///
    /// # Errors
    ///
    /// As `get_fallible`.
    ///
    /// # Panics
    ///
    /// As `get_fallible`.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn get_fallible_async<A: ?Sized, V, E: Display, G>(
        &self,
        arguments: &A,
    ) -> impl Future<Output = Result<Stamped<V>, CreateError<E, G>>>
    where
        Key: Fn(&A) -> K,
        F: AsyncFn(&A) -> Result<V, E>,
        Get: AsyncFn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: AsyncFn(&K, &Stamped<V>) -> Result<(), E>,
    {
        async move {
            let key = &(self.key)(arguments);
            let getter = || async { brought((self.store.get)(key).await) };
            self.access_as_task(&TASK, false, key, arguments, getter, identity).await
        }
    }

    /// As [`get_stale_fallible`](Self::get_stale_fallible), for a task. Waits for the store alone.
    ///
    /// # Errors
    ///
    /// That of the store.
    ///
    /// # Panics
    ///
    /// As `get_stale_fallible`.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the future of the store.
    pub fn get_stale_fallible_async<A: ?Sized, V, G>(
        &self,
        arguments: &A,
    ) -> impl Future<Output = Result<Option<Stamped<V>>, G>>
    where
        Key: Fn(&A) -> K,
        Get: AsyncFn(&K) -> Result<Option<Stamped<V>>, G>,
    {
        async move { (self.store.get)(&(self.key)(arguments)).await }
    }

    /// As [`invalidate_fallible`](Self::invalidate_fallible), for a task.
    ///
    /// # Errors
    ///
    /// As `invalidate_fallible`.
    ///
    /// # Panics
    ///
    /// As `invalidate_fallible`.
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it has invalidated; dropped before it is ready, it may not have removed.
    pub fn invalidate_fallible_async<A: ?Sized, R>(&self, arguments: &A) -> impl Future<Output = Result<(), R>>
    where
        Key: Fn(&A) -> K,
        Remove: AsyncFn(&K) -> Result<(), R>,
    {
        self.forget_as_task(arguments)
    }

    /// As [`refresh_fallible`](Self::refresh_fallible), for a task.
    ///
    /// # Errors
    ///
    /// As `refresh_fallible`.
    ///
    /// # Panics
    ///
    /// As `refresh_fallible`.
    ///
    /// # Cancel safety
    ///
    /// As [`get_async`](Self::get_async).
    pub fn refresh_fallible_async<A: ?Sized, V, E: Display, G>(
        &self,
        arguments: &A,
    ) -> impl Future<Output = Result<Stamped<V>, CreateError<E, G>>>
    where
        Key: Fn(&A) -> K,
        F: AsyncFn(&A) -> Result<V, E>,
        Get: AsyncFn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: AsyncFn(&K, &Stamped<V>) -> Result<(), E>,
    {
        async move {
            let key = &(self.key)(arguments);
            let getter = || async { brought((self.store.get)(key).await) };
            self.access_as_task(&TASK, true, key, arguments, getter, identity).await
        }
    }

    /// All accesses, and all refreshes: what those want began to be made `anew` after they did.
    #[allow(clippy::too_many_arguments)] // they are those of the forms, and what the forms differ in
    fn access_as_task<A: ?Sized, M, V, E: Display, G, N: Into<GetError<G>>, R, S: Stored<E>>(
        &self,
        wait: &Wait,
        anew: bool,
        key: &K,
        arguments: &A,
        getter: impl FnMut() -> R,
        made: impl Fn(M) -> Result<V, E>,
    ) -> impl Future<Output = Result<Stamped<V>, CreateError<E, G>>>
    where
        F: AsyncFn(&A) -> M,
        Set: AsyncFn(&K, &Stamped<V>) -> S,
        R: Future<Output = Result<Stamped<V>, N>>,
    {
        async move {
            let lock = self.lock(key);
            let run = |creation| Box::pin(self.run_as_task(creation, key, arguments, &made));
            if anew {
                if let Anew::Elected(born) = lock.elect_anew(wait).await? {
                    return lock.create_stamped_by(born, getter, run).await;
                }
                // Somebody else has made it: it is in the store, or was.
            }
            lock.get_stamped_by(wait, getter, run).await
        }
    }

    /// Runs the function, and stores what it makes unless it was superseded.
    fn run_as_task<A: ?Sized, M, V, E: Display, S: Stored<E>>(
        &self,
        creation: Creation<'_, Dogpile<C>>,
        key: &K,
        arguments: &A,
        made: impl Fn(M) -> Result<V, E>,
    ) -> impl Future<Output = Result<Stamped<V>, E>>
    where
        F: AsyncFn(&A) -> M,
        Set: AsyncFn(&K, &Stamped<V>) -> S,
    {
        async move {
            let creating = creation.enter_async(|| async {
                let made = made((self.function)(arguments).await).map(|value| creation.lock().stamp(value))?;
                creation.set_async(|| (self.store.set)(key, &made)).await?;
                Ok(made)
            });
            let made = creating.await;
            creation.end_as(made)
        }
    }

    fn forget_as_task<A: ?Sized, R>(&self, arguments: &A) -> impl Future<Output = R>
    where
        Key: Fn(&A) -> K,
        Remove: AsyncFn(&K) -> R,
    {
        async move {
            let key = (self.key)(arguments);
            // Held until the store has lost it: who comes later, to another lock, finds nothing there.
            let lock = self.lock(&key);
            lock.invalidate_async().await;
            (self.store.remove)(&key).await
        }
    }
}
