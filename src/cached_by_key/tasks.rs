//! A function and a store that give futures, called by tasks.

use super::lived::{ByLife, Lived};
use super::{AsyncStore, CachedByKey, For};
use crate::access::{AsyncFunction, FunctionResultByTask, Refers, SetByTask, Tells, Whole};
use crate::beside::OfTask;
use crate::beside::fetch::Lookup;
use crate::beside::how::create_by_task;
use crate::cached_fn::{BoxedFuture, kind};
use crate::clock::Clock;
use crate::creation::{Creation, Once};
use crate::dogpile::{Dogpile, Stamped};
use crate::error::{CreateError, Either};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::wait::{Glance, Wait};
use std::convert::Infallible;
use std::hash::Hash;

/// A function for tasks that a [`CachedByKey`] can be made of: `AsyncFn(&A) -> V`, `AsyncFn(&A) -> Result<V, E>`, or a
/// [`BoxedFunctionOf`], whose type can be named in a field.
///
/// `Kind` tells the three apart. A program never names it.
#[diagnostic::on_unimplemented(
    message = "tasks cannot have a `CachedByKey` of `{V}` call this for arguments `{A}`",
    label = "not `AsyncFn(&{A}) -> {V}` or `AsyncFn(&{A}) -> Result<{V}, E>`"
)]
pub trait AsyncFunctionOf<A: ?Sized, V, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
    type Error: Cause;

    #[doc(hidden)]
    fn call_with_async(&self, arguments: &A) -> impl Future<Output = Result<V, Self::Error>>;
}

impl<A: ?Sized, V, F: AsyncFn(&A) -> V> AsyncFunctionOf<A, V, kind::Plain> for F {
    type Error = Infallible;

    fn call_with_async(&self, arguments: &A) -> impl Future<Output = Result<V, Infallible>> {
        async move { Ok(self(arguments).await) }
    }
}

impl<A: ?Sized, V, E: Cause, F: AsyncFn(&A) -> Result<V, E>> AsyncFunctionOf<A, V, kind::FallibleFuture> for F {
    type Error = E;

    fn call_with_async(&self, arguments: &A) -> impl Future<Output = Result<V, E>> {
        async move { self(arguments).await }
    }
}

/// An [`AsyncFunctionOf`] that can fail, whose type can be named in a field. It returns a boxed future.
///
/// # Examples
///
/// ```
/// use dogpile::{AsyncStore, BoxedFunctionOf, CachedByKey, CreateError, cached_by_key};
/// use std::{io, sync::Arc, time::Duration};
/// # use dogpile::Stamped;
/// # struct Memcached;
/// # impl AsyncStore<u64, String> for Memcached {
/// #     type Error = io::Error;
/// #     async fn get(&self, _: &u64) -> io::Result<Option<Stamped<String>>> { Ok(None) }
/// #     async fn set(&self, _: &u64, _: &Stamped<String>) -> io::Result<()> { Ok(()) }
/// #     async fn remove(&self, _: &u64) -> io::Result<()> { Ok(()) }
/// # }
///
/// struct App {
///     names: CachedByKey<u64, String, fn(&u64) -> u64, BoxedFunctionOf<u64, String, io::Error>, Memcached>,
/// }
///
/// impl App {
///     fn new(client: Arc<str>) -> Self {
///         let name: BoxedFunctionOf<u64, String, io::Error> = Box::new(move |id: &u64| {
///             let (client, id) = (Arc::clone(&client), *id);
///             Box::pin(async move { Ok(format!("{client} says {id}")) })
///         });
///         Self { names: cached_by_key(Duration::from_secs(60), |id| *id, name, Memcached) }
///     }
///
///     async fn name(&self, id: u64) -> Result<String, CreateError<io::Error, io::Error>> {
///         Ok(self.names.access_async(&id).try_get().await?.value)
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let app = App::new("she".into());
/// assert_eq!(tokio::spawn(async move { app.name(3).await }).await.unwrap().unwrap(), "she says 3");
/// # });
/// ```
pub type BoxedFunctionOf<A, V, E> = Box<dyn for<'a> Fn(&'a A) -> BoxedFuture<'a, Result<V, E>> + Send + Sync>;

// For a box of any lifetime. With an impl for `'static` alone, today's compiler could not tell that the futures of
// accesses are `Send`.
impl<A: ?Sized, V, E: Cause> AsyncFunctionOf<A, V, kind::Boxed>
    for Box<dyn for<'a> Fn(&'a A) -> BoxedFuture<'a, Result<V, E>> + Send + Sync + '_>
{
    type Error = E;

    fn call_with_async(&self, arguments: &A) -> impl Future<Output = Result<V, E>> {
        self(arguments)
    }
}

impl<A: ?Sized, M> Refers<Self> for For<'_, A, M> {
    fn refer(&self) -> &Self {
        self
    }
}

impl<A, K, V, Key, F, S, C, Kind> AsyncFunction<Kind> for For<'_, A, CachedByKey<K, V, Key, F, S, C>>
where
    A: ?Sized,
    K: Hash + Eq + Clone,
    Key: Fn(&A) -> K,
    F: AsyncFunctionOf<A, V, Kind>,
    S: AsyncStore<K, V>,
    C: Clock + Clone,
{
    type Got = Stamped<V>;
    type Error = F::Error;
    type StoreError = S::Error;

    fn look(&self, _: Glance) -> Option<Stamped<V>> {
        None
    }

    fn call_async<W: Tells<F::Error>>(&self, wait: &Wait) -> impl Future<Output = FunctionResultByTask<Self, Kind>> {
        async move {
            let Self { function, arguments } = *self;
            let key = &(function.key)(arguments);
            let lock = &*function.lock(key);
            // `key` is a reference, since whatever a future captures takes its place in that future twice.
            let getter = || async { function.store.get(key).await.map(|brought| function.lifetimes.lived(brought)) };
            let mut lookup = Lookup::<_, _, ByLife, _>::new(OfTask::new(lock), wait, getter);
            let creator = async |_: &Creation<'_, Dogpile<C>>| function.function.call_with_async(arguments).await;
            let setter =
                async |made: &Lived<V>| function.store.set(key, &made.stamped).await.map_err(Either::not_stored);
            let (mut creator, mut setter) = (Once::new(creator), SetByTask::<_, Whole>::new(Some(setter)));
            let made = |made: Result<V, F::Error>| {
                made.map(|made| function.lifetimes.derived(made)).map_err(|error| Either::Function(W::As::take(error)))
            };
            let elected = |born| Creation::new(Keeper::Borrowed(lock), born);
            let made = lookup.create(elected, |creation| {
                create_by_task::<_, _, _, Either<_, _>, _, _, ByLife, _, _, _>(
                    creation,
                    &mut creator,
                    made,
                    &mut setter,
                )
            });
            W::told(wait, made.await.map(|lived| lived.stamped).map_err(CreateError::told_apart))
        }
    }
}

/// # For tasks
///
/// The function and the store return futures, which run as parts of the task that makes the access. All that is said of
/// the [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here.
///
/// ```
/// use dogpile::{CachedByKey, Closures, Stamped, cached_by_key};
/// use std::time::Duration;
///
/// # #[derive(Clone, Default)]
/// # struct Client(std::sync::Arc<std::sync::Mutex<std::collections::HashMap<u64, Stamped<u64>>>>);
/// # impl Client {
/// #     async fn get(&self, key: u64) -> Option<Stamped<u64>> { self.0.lock().unwrap().get(&key).copied() }
/// #     async fn set(&self, key: u64, value: Stamped<u64>) { self.0.lock().unwrap().insert(key, value); }
/// #     async fn remove(&self, key: u64) { self.0.lock().unwrap().remove(&key); }
/// # }
/// # async fn example(client: Client) {
/// let squares = cached_by_key(
///     Duration::from_secs(60),
///     |number: &u64| *number,
///     async |number: &u64| number * number, // slow
///     Closures {
///         get: async |key: &u64| client.get(*key).await,
///         set: async |key: &u64, value: &Stamped<u64>| client.set(*key, *value).await,
///         remove: async |key: &u64| client.remove(*key).await,
///     },
/// );
/// assert_eq!(squares.access_async(&12).get().await.value, 144);
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example(Client::default()));
/// ```
impl<K: Hash + Eq + Clone, V, Key, F, S, C: Clock + Clone> CachedByKey<K, V, Key, F, S, C> {
    /// Returns the result that the store has, as [`try_peek`](Self::try_peek) does, for a task. Waits only for the
    /// store.
    ///
    /// # Errors
    ///
    /// Returns the error of [`AsyncStore::get`].
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped, the future of the store is dropped with it.
    pub fn try_peek_async<A: ?Sized>(&self, arguments: &A) -> impl Future<Output = Result<Option<Stamped<V>>, S::Error>>
    where
        Key: Fn(&A) -> K,
        S: AsyncStore<K, V>,
    {
        async move { self.store.get(&(self.key)(arguments)).await }
    }

    /// Forgets the result for `arguments`, as [`try_invalidate`](Self::try_invalidate) does, for a task.
    ///
    /// # Errors
    ///
    /// Returns the error of [`AsyncStore::remove`]. The store may still hold the result then, and a later call may
    /// return that result: try again.
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// The first poll supersedes a result that is being made. If this future is dropped before it is ready, the store
    /// may still hold its result.
    pub fn try_invalidate_async<A: ?Sized>(&self, arguments: &A) -> impl Future<Output = Result<(), S::Error>>
    where
        Key: Fn(&A) -> K,
        S: AsyncStore<K, V>,
    {
        async move {
            let key = (self.key)(arguments);
            // This call holds the lock until the store has lost the result: see `try_invalidate`.
            let lock = self.lock(&key);
            lock.invalidate_async().await;
            self.store.remove(&key).await
        }
    }
}
