//! A function with arguments that keeps its results in a store. It is made of a [`Registry`] of locks, one [`Dogpile`]
//! for each key, and each of them is accessed by [stamps](Dogpile::fetch_stamped).
//!
//! | module | holds |
//! |---|---|
//! | [`store`] | the store of the results |
//! | [`lived`] | how long a result lives |
//! | [`tasks`] | calls by tasks |
//! | [`background`] | creations that a runner's threads run |
//! | [`spawned`] | creations that run in tasks of their own |
//! | [`many`] | calls for many keys at once |

mod background;
mod lived;
mod many;
mod spawned;
mod store;
mod tasks;

pub use background::KeptFor;
pub use many::{Brings, ForMany};
pub use spawned::{SpawnedFunctionOf, SpawnedStore};
pub use store::{AsyncStore, Closures, Store};
pub use tasks::{AsyncFunctionOf, BoxedFunctionOf};

use crate::access::{Access, AsyncAccess, ByItself, Fails, Function, FunctionCannotFail, FunctionResult, Set, Tells};
use crate::beside::OfThread;
use crate::beside::fetch::Lookup;
use crate::beside::serve::{make, run};
use crate::cached_fn::kind;
use crate::clock::{Clock, MonotonicClock};
use crate::creation::Creation;
use crate::derived::opaque;
use crate::dogpile::{Dogpile, Stamped};
use crate::error::{CreateError, Either, never};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::registry::{Held, Registry};
use crate::ruled::ruled;
use crate::sync::const_fn;
use crate::wait::{Wait, block_on};
use lived::{ByLife, Derived, Lifetimes, Lived};
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::hash::Hash;
use std::time::Duration;

/// A function that a [`CachedByKey`] can be made of: `Fn(&A) -> V`, or `Fn(&A) -> Result<V, E>`.
///
/// `Kind` tells the two apart. A program never names it.
#[diagnostic::on_unimplemented(
    message = "a `CachedByKey` of `{V}` cannot call this for arguments `{A}`",
    label = "not `Fn(&{A}) -> {V}` or `Fn(&{A}) -> Result<{V}, E>`"
)]
pub trait FunctionOf<A: ?Sized, V, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
    type Error: Cause;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call_with(&self, arguments: &A) -> Result<V, Self::Error>;
}

impl<A: ?Sized, V, F: Fn(&A) -> V> FunctionOf<A, V, kind::Plain> for F {
    type Error = Infallible;

    fn call_with(&self, arguments: &A) -> Result<V, Infallible> {
        never(self(arguments))
    }
}

impl<A: ?Sized, V, E: Cause, F: Fn(&A) -> Result<V, E>> FunctionOf<A, V, kind::Fallible<E>> for F {
    type Error = E;

    fn call_with(&self, arguments: &A) -> Result<V, E> {
        self(arguments)
    }
}

/// A function that keeps its results in a store, each under a key made from the function's arguments.
///
/// A result that has expired is made anew. [`cached_by_key`] makes a `CachedByKey`.
///
/// Each key that is in use has a lock of its own: a [`Dogpile`] in [stamped getter mode](Dogpile::fetch_stamped), with
/// the store as its getter. When several threads ask for one key at once, the lock elects one of them to run the
/// function. The others return the old result, and wait only if there is none. [`Access::fetch_stamped`] describes
/// this in full, and says how often [`Store::get`] is called. Calls for different keys do not affect each other.
///
/// The key, the function and the store run on the thread of the call that they serve. The methods whose names begin
/// with `try_` are for a function or a store that can fail. A call that fails leaves the store as it was, unless
/// [`Store::set`] failed half-way. The error goes to the caller of that call, and is not kept.
///
/// Time-outs and other conditions are steps of an [`access`](Self::access).
///
/// The function and the store are either both for threads, or both [give futures](#for-tasks), for tasks.
///
/// All results live equally long, unless a lifetime is [derived from each result](Self::expires_after_by).
///
/// A lock lives only as long as some call for its key uses it. There is one exception: a lock that
/// [pauses](crate::PolicyBuilder::retry_after) after a failure stays until the pause is over. At most [1,024 such
/// locks](Self::at_most_paused) are kept.
///
/// # Examples
///
/// If the store is a type, and key and function are `fn` pointers, then the type of the `CachedByKey` can be named, in
/// a field or for a `static`:
///
/// ```
/// use dogpile::{CachedByKey, CreateError, Stamped, Store, cached_by_key};
/// use std::{io, time::Duration};
///
/// # #[derive(Default)]
/// # struct Client(std::sync::Mutex<std::collections::HashMap<String, (String, u64)>>);
/// # impl Client {
/// #     fn get(&self, key: &str) -> io::Result<Option<(String, u64)>> { Ok(self.0.lock().unwrap().get(key).cloned()) }
/// #     fn set(&self, key: &str, value: &str, stamp: u64) -> io::Result<()> {
/// #         self.0.lock().unwrap().insert(key.into(), (value.into(), stamp));
/// #         Ok(())
/// #     }
/// #     fn delete(&self, key: &str) -> io::Result<()> { self.0.lock().unwrap().remove(key); Ok(()) }
/// # }
/// struct Memcached(Client);
///
/// impl Store<String, String> for Memcached {
///     type Error = io::Error;
///
///     fn get(&self, key: &String) -> io::Result<Option<Stamped<String>>> {
///         Ok(self.0.get(key)?.map(|(value, stamp)| Stamped::from_unix_nanos(value, stamp)))
///     }
///     fn set(&self, key: &String, value: &Stamped<String>) -> io::Result<()> {
///         self.0.set(key, &value.value, value.unix_nanos())
///     }
///     fn remove(&self, key: &String) -> io::Result<()> {
///         self.0.delete(key)
///     }
/// }
///
/// struct Users {
///     names: CachedByKey<String, String, fn(&u64) -> String, fn(&u64) -> io::Result<String>, Memcached>,
/// }
///
/// impl Users {
///     fn new(client: Client) -> Self {
///         fn key(id: &u64) -> String {
///             format!("user:{id}")
///         }
///         fn query(id: &u64) -> io::Result<String> {
///             Ok(format!("Ada the {id}th")) // slow
///         }
///         Self { names: cached_by_key(Duration::from_secs(60), key, query, Memcached(client)) }
///     }
///
///     fn name(&self, id: u64) -> Result<String, CreateError<io::Error, io::Error>> {
///         Ok(self.names.access(&id).timeout(Duration::from_secs(1)).try_get()?.value)
///     }
/// }
///
/// let users = Users::new(Client::default());
/// assert_eq!(users.name(7)?, "Ada the 7th");
/// assert!(users.names.try_peek(&7)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CachedByKey<K, V, Key, F, S, C: Clock = MonotonicClock> {
    locks: Registry<K, Dogpile<C>, ()>,
    lifetimes: Lifetimes<V>,
    clock: C,
    key: Key,
    function: F,
    store: S,
}

const_fn! {
    /// Makes a function with arguments keep its results in a store, each for `expires_after`.
    ///
    /// | argument | is |
    /// |---|---|
    /// | `expires_after` | how long a result lives; precision, zero and `Duration::MAX` are as for [`Dogpile::new`] |
    /// | `key` | `Fn(&A) -> K`: makes the key under which the result is kept from the arguments |
    /// | `function` | `Fn(&A) -> V`, or `Fn(&A) -> Result<V, E>` if it can fail: see [`FunctionOf`] |
    /// | `store` | a [`Store`], or [`Closures`], which are a store of three closures |
    ///
    /// The arguments `A` are one value. Several arguments are passed as a tuple. For tasks, `function` and `store`
    /// return futures: see [For tasks](CachedByKey#for-tasks).
    ///
    /// Closures have to write out the types of their arguments (`|key: &String|`). The compiler cannot infer these
    /// types here, because this call puts no bounds on the closures: the methods that call them do.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Closures, Stamped, cached_by_key};
    /// use std::{collections::HashMap, sync::Mutex, time::Duration};
    ///
    /// // This could be any store, whether or not other processes share it.
    /// let entries: Mutex<HashMap<String, Stamped<String>>> = Mutex::default();
    ///
    /// let greeting = cached_by_key(
    ///     Duration::from_secs(60),
    ///     |(name, language): &(&str, &str)| format!("greeting:{language}:{name}"),
    ///     |(name, language): &(&str, &str)| match *language {
    ///         "de" => format!("Hallo {name}"), // slow
    ///         _ => format!("Hello {name}"),
    ///     },
    ///     Closures {
    ///         get: |key: &String| entries.lock().unwrap().get(key).cloned(),
    ///         set: |key: &String, value: &Stamped<String>| {
    ///             entries.lock().unwrap().insert(key.clone(), value.clone());
    ///         },
    ///         remove: |key: &String| {
    ///             entries.lock().unwrap().remove(key);
    ///         },
    ///     },
    /// );
    /// assert_eq!(greeting.get(&("Ada", "de")).value, "Hallo Ada");
    /// assert!(entries.lock().unwrap().contains_key("greeting:de:Ada"));
    /// greeting.invalidate(&("Ada", "de"));
    /// assert_eq!(greeting.peek(&("Ada", "de")), None);
    /// ```
    #[must_use]
    pub const fn cached_by_key<K, V, Key, F, S>(
        expires_after: Duration,
        key: Key,
        function: F,
        store: S,
    ) -> CachedByKey<K, V, Key, F, S> {
        let locks = Registry::with_maker(());
        let lifetimes = Lifetimes { expires_after, derive: None };
        CachedByKey { locks, lifetimes, clock: MonotonicClock, key, function, store }
    }
}

impl<K, V, Key, F, S, C: Clock> CachedByKey<K, V, Key, F, S, C> {
    /// Replaces the clock: the age of a result is told by `clock` from then on.
    #[must_use]
    pub fn with_clock<D: Clock + Clone>(self, clock: D) -> CachedByKey<K, V, Key, F, S, D> {
        let Self { locks, lifetimes, key, function, store, .. } = self;
        let locks = Registry::with_maker(()).ruled_as(locks);
        CachedByKey { locks, lifetimes, clock, key, function, store }
    }

    ruled! {
        /// Gives a policy to the lock of each key, in place of the [defaults](crate::Policy). The policy says how
        /// results age, and what happens when the function fails or hangs.
        by locks.rules
    }

    const_fn! {
        /// Bounds how many unused locks are kept only because they [pause](crate::PolicyBuilder::retry_after) after a
        /// failure. The default is 1,024. As [`Registry::at_most_paused`].
        #[must_use]
        pub const fn at_most_paused(mut self, locks: usize) -> Self {
            self.locks.pause_at_most(locks);
            self
        }
    }

    const_fn! {
        /// Names the lock of each key for its [`Observer`](crate::Observer): `name` writes the key as text. As
        /// [`Registry::named_by`].
        #[must_use]
        pub const fn named_by(mut self, name: fn(&K) -> String) -> Self {
            self.locks.be_named_by(name);
            self
        }
    }

    const_fn! {
        /// Derives the lifetime of each result from the result itself.
        ///
        /// A result from which `lifetime` derives `None` lives as long as [`cached_by_key`] said.
        ///
        /// `lifetime` is called whenever the function has made a result, and whenever the store has brought one. So the
        /// store need not keep the lifetime. Processes that share a store agree on lifetimes if all of them derive
        /// lifetimes in the same way. `lifetime` must return the same duration for the same result.
        ///
        /// Precision, zero and `Duration::MAX` are as for [`Dogpile::new`]. The settings of a policy, such as
        /// [`max_stale`](crate::PolicyBuilder::max_stale) and [`refresh_at`](crate::PolicyBuilder::refresh_at), count
        /// from the derived lifetime.
        ///
        /// # Panics
        ///
        /// A panic of `lifetime` goes on to the caller of the access, as a panic of the function or of the store does.
        ///
        /// # Examples
        ///
        /// A user that was not found is looked up again after five seconds. All other results live for a minute.
        ///
        /// ```
        /// use dogpile::{CachedByKey, ManualClock, Stamped, Store, cached_by_key};
        /// use std::{convert::Infallible, sync::Arc, time::Duration};
        /// # use std::{collections::HashMap, sync::Mutex};
        /// # #[derive(Default)]
        /// # struct Memory(Mutex<HashMap<u64, Stamped<Option<String>>>>);
        /// # impl Store<u64, Option<String>> for Memory {
        /// #     type Error = Infallible;
        /// #     fn get(&self, key: &u64) -> Result<Option<Stamped<Option<String>>>, Infallible> {
        /// #         Ok(self.0.lock().unwrap().get(key).cloned())
        /// #     }
        /// #     fn set(&self, key: &u64, made: &Stamped<Option<String>>) -> Result<(), Infallible> {
        /// #         self.0.lock().unwrap().insert(*key, made.clone());
        /// #         Ok(())
        /// #     }
        /// #     fn remove(&self, key: &u64) -> Result<(), Infallible> {
        /// #         self.0.lock().unwrap().remove(key);
        /// #         Ok(())
        /// #     }
        /// # }
        ///
        /// struct Users {
        ///     names: CachedByKey<u64, Option<String>, fn(&u64) -> u64, fn(&u64) -> Option<String>, Memory>,
        /// }
        ///
        /// // The type is written out: without it each closure would keep a type of its own.
        /// let names: CachedByKey<_, _, fn(&u64) -> u64, fn(&u64) -> Option<String>, _> = cached_by_key(
        ///     Duration::from_secs(60),
        ///     |id| *id,
        ///     |id| (*id < 10).then(|| format!("user {id}")),
        ///     Memory::default(),
        /// );
        /// let users = Users {
        ///     names: names.expires_after_by(|name| name.is_none().then_some(Duration::from_secs(5))),
        /// };
        /// assert_eq!(users.names.get(&77).value, None);
        /// ```
        #[must_use]
        pub const fn expires_after_by(mut self, lifetime: fn(&V) -> Option<Duration>) -> Self {
            self.lifetimes.derive = Some(lifetime);
            self
        }
    }

    /// Returns the lifetime of all results from which [no lifetime is derived](Self::expires_after_by).
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.lifetimes.expires_after
    }

    /// Opens an access for `arguments`, whose terminal is [`get`](Access::get) or [`try_get`](Access::try_get). Never
    /// blocks: nothing happens before the terminal is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Closures, Stamped, cached_by_key};
    /// use std::time::Duration;
    ///
    /// let squares = cached_by_key(
    ///     Duration::from_secs(60),
    ///     |number: &u64| *number,
    ///     |number: &u64| number * number, // slow
    ///     // This store loses every result at once.
    ///     Closures { get: |_: &u64| None, set: |_: &u64, _: &Stamped<u64>| (), remove: |_: &u64| () },
    /// );
    /// assert_eq!(squares.access(&12).timeout(Duration::from_secs(1)).get()?.value, 144);
    /// assert_eq!(squares.access(&12).anew().timeout(Duration::from_secs(1)).get()?.value, 144, "made once more");
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub fn access<'a, A: ?Sized>(&'a self, arguments: &'a A) -> Access<For<'a, A, Self>, ByItself> {
        Access::new(For { function: self, arguments }, ByItself)
    }

    /// Opens an access for `arguments` by a task, of an [`AsyncFunctionOf`] and an [`AsyncStore`]. Never blocks:
    /// nothing happens before the future of the terminal is polled. See [For tasks](#for-tasks).
    pub fn access_async<'a, A: ?Sized>(
        &'a self,
        arguments: &'a A,
    ) -> AsyncAccess<For<'a, A, Self>, For<'a, A, Self>, ByItself> {
        AsyncAccess::new(For { function: self, arguments }, ByItself)
    }
}

/// A [`CachedByKey`], with the arguments of one access.
pub struct For<'a, A: ?Sized, M> {
    function: &'a M,
    arguments: &'a A,
}

opaque! { [A: ?Sized, M] For<'_, A, M>, "For" }

impl<A, K, V, Key, F, S, C, Kind> Function<Kind> for For<'_, A, CachedByKey<K, V, Key, F, S, C>>
where
    A: ?Sized,
    K: Hash + Eq + Clone,
    Key: Fn(&A) -> K,
    F: FunctionOf<A, V, Kind>,
    S: Store<K, V>,
    C: Clock + Clone,
{
    type Got = Stamped<V>;
    type Error = F::Error;
    type StoreError = S::Error;

    fn call<W: Tells<F::Error>>(self, wait: &Wait) -> FunctionResult<Self, Kind> {
        let Self { function, arguments } = self;
        let key = (function.key)(arguments);
        let lock = &*function.lock(&key);
        let mut lookup = Lookup::<_, _, ByLife, _>::new(OfThread(lock), wait, || ready(function.bring(&key)));
        let creator = |_: &Creation<'_, Dogpile<C>>| function.make::<A, Kind, W::As>(arguments);
        let setter = Set(|made: &Lived<V>| function.keep::<W::As>(&key, made));
        let make = |creation: &Creation<'_, Dogpile<C>>| {
            make::<Dogpile<C>, ByLife, _, Either<_, _>, _, _, _>(creation, wait, creator, setter)
        };
        let run = |creation| ready(run(creation, make));
        let elected = |born| Creation::new(Keeper::Borrowed(lock), born);
        let got = block_on(lookup.create(elected, run));
        W::told(wait, got.map(|lived| lived.stamped).map_err(CreateError::told_apart))
    }
}

impl<K: Hash + Eq + Clone, V, Key, F, S, C: Clock + Clone> CachedByKey<K, V, Key, F, S, C> {
    fn lock(&self, key: &K) -> Held<'_, K, Dogpile<C>> {
        self.locks.get_or(key, |_| Dogpile::with_clock(self.lifetimes.expires_after, self.clock.clone()))
    }

    /// Gets the result from the store, by a thread.
    fn bring(&self, key: &K) -> Result<Option<Lived<V>>, S::Error>
    where
        S: Store<K, V>,
    {
        self.store.get(key).map(|brought| self.lifetimes.lived(brought))
    }

    /// Runs the function, by a thread.
    fn make<A: ?Sized, Kind, E: Takes<F::Error>>(&self, arguments: &A) -> Result<Derived<V>, Either<E, S::Error>>
    where
        F: FunctionOf<A, V, Kind>,
        S: Store<K, V>,
    {
        let made = self.function.call_with(arguments).map(|made| self.lifetimes.derived(made));
        made.map_err(|error| Either::Function(E::take(error)))
    }

    /// Stores a result, by a thread.
    fn keep<E>(&self, key: &K, made: &Lived<V>) -> Result<(), Either<E, S::Error>>
    where
        S: Store<K, V>,
    {
        self.store.set(key, &made.stamped).map_err(Either::not_stored)
    }

    /// Returns whether the function is running for the key of `arguments`. Blocks only for moments.
    pub fn is_creating<A: ?Sized>(&self, arguments: &A) -> bool
    where
        Key: Fn(&A) -> K,
    {
        self.locks.is_creating(&(self.key)(arguments))
    }

    /// Returns the result for `arguments`, from the store or made by the function, with the time when it was made.
    ///
    /// Blocks while the function runs, if this call is elected. Blocks while another thread makes the result, if there
    /// is none yet.
    ///
    /// Short for [`access(…).get()`](Access::get). A function or a store that can fail is called by
    /// [`try_get`](Self::try_get).
    ///
    /// # Panics
    ///
    /// Panics if this thread is already running the function for the same key, and so would wait for itself. A panic of
    /// the key, the function or the store goes on to the caller.
    #[track_caller]
    pub fn get<A: ?Sized, Kind>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind, Error: FunctionCannotFail>,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.access(arguments).get()
    }

    /// Returns the result for `arguments`, as [`get`](Self::get) does, where the function or the store can fail.
    ///
    /// Blocks as `get` does. Short for [`access(…).try_get()`](Access::try_get).
    ///
    /// # Errors
    ///
    /// | error | when |
    /// |---|---|
    /// | [`CreateError::Failed`] | the function failed, with this error |
    /// | [`CreateError::GetterFailed`] | [`Store::get`] failed, with this error |
    /// | [`CreateError::SetterFailed`] | [`Store::set`] failed, with this error |
    /// | [`CreateError::WouldDeadlock`] | this thread is already running the function for the same key |
    /// | [`CreateError::Paused`] | there is no result, and the lock pauses after a failure |
    ///
    /// # Panics
    ///
    /// A panic of the key, the function or the store goes on to the caller.
    pub fn try_get<A: ?Sized, Kind>(&self, arguments: &A) -> Result<Stamped<V>, CreateError<F::Error, S::Error>>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind>,
        S: Store<K, V>,
    {
        self.access(arguments).try_get()
    }

    /// Makes the result for `arguments` anew, even if it is fresh. The function begins to make the returned result
    /// after this call has begun.
    ///
    /// Blocks while the function runs, on this thread or on another. Other calls carry on with the old result
    /// meanwhile.
    ///
    /// As [`CachedFn::refresh`](crate::CachedFn::refresh). Short for [`access(…).anew().get()`](Access::anew). For a
    /// function or a store that can fail, the form is `access(…).anew().try_get()`.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Closures, Stamped, cached_by_key};
    /// use std::{collections::HashMap, fs, sync::Mutex, time::Duration};
    ///
    /// let entries: Mutex<HashMap<String, Stamped<String>>> = Mutex::default();
    /// let store = Closures {
    ///     get: |path: &String| entries.lock().unwrap().get(path).cloned(),
    ///     set: |path: &String, text: &Stamped<String>| {
    ///         entries.lock().unwrap().insert(path.clone(), text.clone());
    ///     },
    ///     remove: |path: &String| {
    ///         entries.lock().unwrap().remove(path);
    ///     },
    /// };
    /// let key = |path: &&str| String::from(*path);
    /// let texts = cached_by_key(Duration::from_secs(60), key, |path: &&str| fs::read_to_string(path), store);
    ///
    /// let manifest = texts.access(&"Cargo.toml").anew().try_get().unwrap(); // the function can fail
    /// assert!(manifest.value.contains("dogpile"));
    /// assert!(texts.access(&"no such file").anew().try_get().is_err());
    /// ```
    #[track_caller]
    pub fn refresh<A: ?Sized, Kind>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind, Error: FunctionCannotFail>,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.access(arguments).anew().get()
    }

    /// Returns the result that the store has for `arguments`, however old. Never runs the function, and never waits for
    /// another call.
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    pub fn peek<A: ?Sized>(&self, arguments: &A) -> Option<Stamped<V>>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.try_peek(arguments).unwrap_or_else(|error| match error.fails() {})
    }

    /// Returns the result that the store has, as [`peek`](Self::peek) does, where the store can fail.
    ///
    /// # Errors
    ///
    /// Returns the error of [`Store::get`].
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    pub fn try_peek<A: ?Sized>(&self, arguments: &A) -> Result<Option<Stamped<V>>, S::Error>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V>,
    {
        self.store.get(&(self.key)(arguments))
    }

    /// Forgets the result for `arguments`, and removes it from the store. The next call makes it anew.
    ///
    /// Blocks only for moments, and while the store works. If a result for the same key is being stored just now, this
    /// call first blocks until it is stored, and then removes it.
    ///
    /// A result that the function is making is superseded: the caller of that creation gets it, and it is not stored
    /// (L6).
    ///
    /// Other processes that share the store find the result gone. A result that another process is making is still
    /// stored when it is ready.
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    pub fn invalidate<A: ?Sized>(&self, arguments: &A)
    where
        Key: Fn(&A) -> K,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.try_invalidate(arguments).unwrap_or_else(|error| match error.fails() {});
    }

    /// Forgets the result for `arguments`, as [`invalidate`](Self::invalidate) does, where the store can fail.
    ///
    /// # Errors
    ///
    /// Returns the error of [`Store::remove`]. The store may still hold the result then, and a later call may return
    /// that result: try again. A result that the function was making is superseded all the same.
    ///
    /// # Panics
    ///
    /// A panic of the key or the store goes on to the caller.
    pub fn try_invalidate<A: ?Sized>(&self, arguments: &A) -> Result<(), S::Error>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V>,
    {
        let key = (self.key)(arguments);
        // This call holds the lock until the store has lost the result. A later call may come to a new lock, which
        // knows nothing of the invalidation. By then the store has nothing to bring.
        let lock = self.lock(&key);
        lock.invalidate();
        self.store.remove(&key)
    }
}

impl<K, V, Key, F, S, C: Clock> fmt::Debug for CachedByKey<K, V, Key, F, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedByKey")
            .field("expires_after", &self.lifetimes.expires_after)
            .field("in_use", &self.locks.len())
            .finish_non_exhaustive()
    }
}
