//! Where results are kept.

use crate::access::{Finds, Stored};
use crate::dogpile::Stamped;
use std::fmt::Display;
use std::sync::Arc;

/// Where a [`CachedByKey`](crate::CachedByKey) keeps its results: memcached, a cache in this process, a map behind a
/// lock. A store may lose what it likes when it likes.
///
/// A `CachedByKey` over a type that implements this can be [named](crate::CachedByKey#examples). Three closures are a
/// store as well, as [`Closures`].
pub trait Store<K, V> {
    /// What it can fail with: [`Infallible`](std::convert::Infallible), for one that cannot.
    type Error: Display;

    /// Gets the value and its stamp; nothing, if there is none.
    ///
    /// # Errors
    ///
    /// If it is not known whether there is one.
    fn get(&self, key: &K) -> Result<Option<Stamped<V>>, Self::Error>;

    /// Stores the value and its stamp.
    ///
    /// # Errors
    ///
    /// If it could not.
    fn set(&self, key: &K, value: &Stamped<V>) -> Result<(), Self::Error>;

    /// Removes the value, if there is one.
    ///
    /// # Errors
    ///
    /// If it could not.
    fn remove(&self, key: &K) -> Result<(), Self::Error>;
}

/// As [`Store`], for tasks: its methods give futures.
///
/// Three closures are one, as [`Closures`]. (A future that must be `Send` needs a store whose futures are.)
pub trait AsyncStore<K, V> {
    /// What it can fail with: [`Infallible`](std::convert::Infallible), for one that cannot.
    type Error: Display;

    /// Gets the value and its stamp; nothing, if there is none; an error, if it is not known whether there is one.
    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, Self::Error>>;

    /// Stores the value and its stamp.
    fn set(&self, key: &K, value: &Stamped<V>) -> impl Future<Output = Result<(), Self::Error>>;

    /// Removes the value, if there is one.
    fn remove(&self, key: &K) -> impl Future<Output = Result<(), Self::Error>>;
}

/// A [`Store`] or an [`AsyncStore`] of three closures.
///
/// | | infallible | fallible |
/// |---|---|---|
/// | `get` | `Fn(&K) -> Option<Stamped<V>>` | `Fn(&K) -> Result<Option<Stamped<V>>, E>` |
/// | `set` | `Fn(&K, &Stamped<V>)` | `Fn(&K, &Stamped<V>) -> Result<(), E>` |
/// | `remove` | `Fn(&K)` | `Fn(&K) -> Result<(), E>` |
///
/// As an `AsyncStore` they give futures of those. What `set` and `remove` return is looked at: an infallible one
/// returns `()`, so end it with a semicolon. `E` is what `get` fails with; the others fail with the same, or cannot.
#[derive(Clone, Copy, Debug)]
pub struct Closures<Get, Set, Remove> {
    /// Gets the value and its stamp; nothing, if there is none.
    pub get: Get,
    /// Stores the value and its stamp.
    pub set: Set,
    /// Removes the value, if there is one.
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
