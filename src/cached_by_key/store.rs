//! The store that keeps the results of a function.

use crate::access::{Finds, Stored};
use crate::dogpile::Stamped;
use std::fmt::Display;
use std::sync::Arc;

/// The store in which a [`CachedByKey`](crate::CachedByKey) keeps its results, such as memcached, a cache in this
/// process, or a map behind a lock.
///
/// A store may lose any result at any time. The `CachedByKey` then makes that result anew.
///
/// If a type implements this trait, then a `CachedByKey` over it has a type that can be
/// [named](crate::CachedByKey#examples). Three closures are a store as well: see [`Closures`].
pub trait Store<K, V> {
    /// The error of the store: [`Infallible`](std::convert::Infallible) if the store cannot fail.
    type Error: Display;

    /// Gets the value of `key`, and its stamp. Returns `None` if the store has no value.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot tell whether it has a value.
    fn get(&self, key: &K) -> Result<Option<Stamped<V>>, Self::Error>;

    /// Stores a value of `key`, and its stamp.
    ///
    /// # Errors
    ///
    /// Returns an error if the value could not be stored.
    fn set(&self, key: &K, value: &Stamped<V>) -> Result<(), Self::Error>;

    /// Removes the value of `key`, if there is one.
    ///
    /// # Errors
    ///
    /// Returns an error if the value could not be removed.
    fn remove(&self, key: &K) -> Result<(), Self::Error>;
}

/// A [`Store`] for tasks: its methods return futures.
///
/// Three closures are an `AsyncStore` as well: see [`Closures`].
///
/// The future of an access is `Send` only if the futures of the store are.
pub trait AsyncStore<K, V> {
    /// The error of the store: [`Infallible`](std::convert::Infallible) if the store cannot fail.
    type Error: Display;

    /// Gets the value of `key`, and its stamp. Returns `None` if the store has no value, and an error if the store
    /// cannot tell whether it has one.
    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, Self::Error>>;

    /// Stores a value of `key`, and its stamp. Returns an error if the value could not be stored.
    fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), Self::Error>>;

    /// Removes the value of `key`, if there is one. Returns an error if the value could not be removed.
    fn remove(&self, key: &K) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Three closures that together are a [`Store`] or an [`AsyncStore`].
///
/// | | cannot fail | can fail |
/// |---|---|---|
/// | `get` | `Fn(&K) -> Option<Stamped<V>>` | `Fn(&K) -> Result<Option<Stamped<V>>, E>` |
/// | `set` | `Fn(&K, &Stamped<V>)` | `Fn(&K, &Stamped<V>) -> Result<(), E>` |
/// | `remove` | `Fn(&K)` | `Fn(&K) -> Result<(), E>` |
///
/// As an `AsyncStore` the closures return futures of these types.
///
/// `E` is the error of `get`. The other two closures fail with the same error, or cannot fail. A closure `set` or
/// `remove` that cannot fail has to return `()`: end its body with a semicolon.
#[derive(Clone, Copy, Debug)]
pub struct Closures<Get, Set, Remove> {
    /// Gets the value of a key, and its stamp, as [`Store::get`] does.
    pub get: Get,
    /// Stores a value of a key, and its stamp, as [`Store::set`] does.
    pub set: Set,
    /// Removes the value of a key, as [`Store::remove`] does.
    pub remove: Remove,
}

impl<K, V, Get, Set, Remove, G, S, R> Store<K, V> for Closures<Get, Set, Remove>
where
    G: Finds<Value = Stamped<V>, Error: Display>,
    S: Stored<G::Error>,
    R: Stored<G::Error>,
    Get: Fn(&K) -> G,
    Set: Fn(&K, &Stamped<V>) -> S,
    Remove: Fn(&K) -> R,
{
    type Error = G::Error;

    fn get(&self, key: &K) -> Result<Option<Stamped<V>>, G::Error> {
        (self.get)(key).found()
    }

    fn set(&self, key: &K, value: &Stamped<V>) -> Result<(), G::Error> {
        (self.set)(key, value).stored()
    }

    fn remove(&self, key: &K) -> Result<(), G::Error> {
        (self.remove)(key).stored()
    }
}

impl<K, V, Get, Set, Remove, G, S, R> AsyncStore<K, V> for Closures<Get, Set, Remove>
where
    G: Finds<Value = Stamped<V>, Error: Display>,
    S: Stored<G::Error>,
    R: Stored<G::Error>,
    Get: AsyncFn(&K) -> G,
    Set: AsyncFn(&K, &Stamped<V>) -> S,
    Remove: AsyncFn(&K) -> R,
{
    type Error = G::Error;

    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, G::Error>> {
        async move { (self.get)(key).await.found() }
    }

    fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), G::Error>> {
        async move { (self.set)(key, value).await.stored() }
    }

    fn remove(&self, key: &K) -> impl Future<Output = Result<(), G::Error>> {
        async move { (self.remove)(key).await.stored() }
    }
}

macro_rules! is_store_by {
    ($($by:ty),+) => {$(
        impl<K, V, S: Store<K, V> + ?Sized> Store<K, V> for $by {
            type Error = S::Error;

            fn get(&self, key: &K) -> Result<Option<Stamped<V>>, S::Error> {
                (**self).get(key)
            }

            fn set(&self, key: &K, value: &Stamped<V>) -> Result<(), S::Error> {
                (**self).set(key, value)
            }

            fn remove(&self, key: &K) -> Result<(), S::Error> {
                (**self).remove(key)
            }
        }

        impl<K, V, S: AsyncStore<K, V>> AsyncStore<K, V> for $by {
            type Error = S::Error;

            fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, S::Error>> {
                (**self).get(key)
            }

            fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), S::Error>> {
                (**self).set(key, value)
            }

            fn remove(&self, key: &K) -> impl Future<Output = Result<(), S::Error>> {
                (**self).remove(key)
            }
        }
    )+};
}

is_store_by! { &S, Box<S>, Arc<S> }
