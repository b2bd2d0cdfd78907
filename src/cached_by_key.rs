//! A function with arguments that keeps its results in a store: [`Dogpile`] with [stamps](Dogpile::fetch_stamped), and
//! a [`Registry`] of locks. How long a result lives is in [`lived`]; what of it is for tasks in [`tasks`], for runners
//! in [`background`], for spawners in [`spawned`], and for many keys at once in [`many`]; and the store in [`store`].

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

use crate::access::{Access, AsyncAccess, ByItself, Fails, Function, FunctionCannotFail, FunctionKept, Set, Tells};
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
use crate::lock::ruled;
use crate::registry::{Held, Registry};
use crate::sync::const_fn;
use crate::wait::{Wait, block_on};
use lived::{ByLife, Derived, Lifetimes, Lived};
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::hash::Hash;
use std::time::Duration;

/// What a [`CachedByKey`] can be made of: `Fn(&A) -> V`, or `Fn(&A) -> Result<V, E>`. `Kind` tells the two apart and is
/// never named.
#[diagnostic::on_unimplemented(
    message = "a `CachedByKey` of `{V}` cannot call this for arguments `{A}`",
    label = "not `Fn(&{A}) -> {V}` or `Fn(&{A}) -> Result<{V}, E>`"
)]
pub trait FunctionOf<A: ?Sized, V, Kind> {
    /// What it can fail with: [`Infallible`], for one that cannot.
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

/// A function that keeps its results, each under a key made from its arguments, and makes one anew when it has expired:
/// see [`cached_by_key`].
///
/// For each key that is in use there is a [`Dogpile`], in [stamped getter mode](Dogpile::fetch_stamped) with the store
/// for a getter. [`Access::fetch_stamped`] says who runs the function, who waits and who gets the old value when
/// several threads come at once, and how often [`Store::get`] is called. Calls with other keys have nothing to do with
/// each other.
///
/// The calls that begin with `try_` are for a function or a store that can fail. A call that fails leaves the store as
/// it was, unless [`Store::set`] failed half-way; its errors are the caller's, and not kept. Time-outs and the like are
/// steps of an [`access`](Self::access). Key, function and store run on the thread of the call that they are for.
///
/// Function and store are either for threads or [give futures](#for-tasks), for tasks. All results live equally long,
/// unless something in a result [says how long](Self::expires_after_by).
///
/// The locks are not kept: each goes with the last call for its key. Only a lock that
/// [pauses](crate::PolicyBuilder::retry_after) after a failure stays until that is over, one of [1,024 at the
/// most](Self::at_most_paused).
///
/// # Examples
///
/// With a store that is a type, and functions, the type can be named: for a field or a `static`.
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
    /// Has a function with arguments keep its results, each for `expires_after`, in a store.
    ///
    /// `key` (`Fn(&A) -> K`) makes the key under which the result is kept from the arguments, which are one value: a
    /// tuple if there are several. `function` is `Fn(&A) -> V`, or `Fn(&A) -> Result<V, E>` if it can fail: see
    /// [`FunctionOf`]. `store` is a [`Store`], or three [`Closures`]. Closures say what they take (`|key: &String|`),
    /// since what is asked of them is asked by the calls that need them.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Closures, Stamped, cached_by_key};
    /// use std::{collections::HashMap, sync::Mutex, time::Duration};
    ///
    /// // May be any store, shared with other processes or not.
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
    /// The same on a clock of one's own.
    #[must_use]
    pub fn with_clock<D: Clock + Clone>(self, clock: D) -> CachedByKey<K, V, Key, F, S, D> {
        let Self { locks, lifetimes, key, function, store, .. } = self;
        let locks = Registry::with_maker(()).ruled_as(locks);
        CachedByKey { locks, lifetimes, clock, key, function, store }
    }

    ruled! {
        /// Has the lock of each key do as `policy` says as a result ages and when the function fails or hangs, in place
        /// of the [defaults](crate::Policy).
        by locks.rules
    }

    const_fn! {
        /// Keeps no more than `locks` locks that nobody uses for their [pause](crate::PolicyBuilder::retry_after)
        /// alone: 1,024, unless this says otherwise. As [`Registry::at_most_paused`].
        #[must_use]
        pub const fn at_most_paused(mut self, locks: usize) -> Self {
            self.locks.pause_at_most(locks);
            self
        }
    }

    const_fn! {
        /// Has the lock of each key tell its [`Observer`](crate::Observer) which key it is of, as text. As
        /// [`Registry::named_by`].
        #[must_use]
        pub const fn named_by(mut self, name: fn(&K) -> String) -> Self {
            self.locks.be_named_by(name);
            self
        }
    }

    const_fn! {
        /// Has a result live as long as `lifetime` derives from the result, if it does; else as long as all others.
        ///
        /// The function is asked whenever a result is made, and whenever the store brings one: the store need not keep
        /// the lifetime, and processes that share it agree, if all of them derive it alike. Zero and `Duration::MAX`,
        /// and the precision, are those of [`Dogpile::new`]; a policy's [`max_stale`](crate::PolicyBuilder::max_stale),
        /// [`refresh_at`](crate::PolicyBuilder::refresh_at) and so on count from that lifetime. It must return the same
        /// for the same result.
        ///
        /// # Panics
        ///
        /// A panic of `lifetime` goes on to the caller whose access it is, as one of the function or of the store.
        ///
        /// # Examples
        ///
        /// What was not found is asked for again after five seconds, all else after a minute:
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
        /// // With its type, since the closures below have one each.
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

    /// How long a result is kept that does not [say so itself](Self::expires_after_by).
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.lifetimes.expires_after
    }

    /// Begins an access for those arguments, which ends in [`get`](Access::get) or [`try_get`](Access::try_get). Never
    /// blocks: nothing happens before that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dogpile::{AcquireError, Closures, Stamped, cached_by_key};
    /// # use std::time::Duration;
    /// # let nothing = Closures { get: |_: &u64| None, set: |_: &u64, _: &Stamped<u64>| (), remove: |_: &u64| () };
    /// # let key = |number: &u64| *number;
    /// # let squares = cached_by_key(Duration::from_secs(60), key, |number: &u64| number * number, nothing);
    /// assert_eq!(squares.access(&12).timeout(Duration::from_secs(1)).get()?.value, 144);
    /// assert_eq!(squares.access(&12).anew().timeout(Duration::from_secs(1)).get()?.value, 144, "made once more");
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub fn access<'a, A: ?Sized>(&'a self, arguments: &'a A) -> Access<For<'a, A, Self>, ByItself> {
        Access::new(For { function: self, arguments }, ByItself)
    }

    /// Begins an access by a task for those arguments, of an [`AsyncFunctionOf`] and an [`AsyncStore`]. Never blocks:
    /// nothing happens before the future of the last call is polled. See [below](#for-tasks).
    pub fn access_async<'a, A: ?Sized>(
        &'a self,
        arguments: &'a A,
    ) -> AsyncAccess<For<'a, A, Self>, For<'a, A, Self>, ByItself> {
        AsyncAccess::new(For { function: self, arguments }, ByItself)
    }
}

/// A [`CachedByKey`] with the arguments that it is called for.
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

    fn call<W: Tells<F::Error>>(self, wait: &Wait) -> FunctionKept<Self, Kind> {
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

    /// What the store has, by a thread.
    fn bring(&self, key: &K) -> Result<Option<Lived<V>>, S::Error>
    where
        S: Store<K, V>,
    {
        self.store.get(key).map(|brought| self.lifetimes.lived(brought))
    }

    /// What the function makes, by a thread.
    fn make<A: ?Sized, Kind, E: Takes<F::Error>>(&self, arguments: &A) -> Result<Derived<V>, Either<E, S::Error>>
    where
        F: FunctionOf<A, V, Kind>,
        S: Store<K, V>,
    {
        let made = self.function.call_with(arguments).map(|made| self.lifetimes.derived(made));
        made.map_err(|error| Either::Function(E::take(error)))
    }

    /// Has the store keep that, by a thread.
    fn keep<E>(&self, key: &K, made: &Lived<V>) -> Result<(), Either<E, S::Error>>
    where
        S: Store<K, V>,
    {
        self.store.set(key, &made.stamped).map_err(Either::not_stored)
    }

    /// Whether the function is being run for those arguments. Blocks only for moments.
    pub fn is_creating<A: ?Sized>(&self, arguments: &A) -> bool
    where
        Key: Fn(&A) -> K,
    {
        self.locks.is_creating(&(self.key)(arguments))
    }

    /// Gives the result for those arguments, from the store or made by the function, with the time when it was made.
    /// Short for [`access(…).get()`](Access::get). Of a function or a store that can fail: [`try_get`](Self::try_get).
    ///
    /// Blocks as long as the function runs, if this call is elected, or while there is no result and another thread
    /// makes it.
    ///
    /// # Panics
    ///
    /// If this thread is running the function for the same key already and would wait for itself; if the key, the
    /// function or the store does.
    #[track_caller]
    pub fn get<A: ?Sized, Kind>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind, Error: FunctionCannotFail>,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.access(arguments).get()
    }

    /// As [`get`](Self::get), of a function or a store that can fail. Short for
    /// [`access(…).try_get()`](Access::try_get).
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the function's error; [`CreateError::GetterFailed`] or
    /// [`CreateError::SetterFailed`] with the store's; [`CreateError::WouldDeadlock`] if this thread is running the
    /// function for the same key already; [`CreateError::Paused`] after a failure, if there is no result.
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn try_get<A: ?Sized, Kind>(&self, arguments: &A) -> Result<Stamped<V>, CreateError<F::Error, S::Error>>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind>,
        S: Store<K, V>,
    {
        self.access(arguments).try_get()
    }

    /// Makes the result for those arguments anew, however fresh it is, and returns one whose making began after this
    /// call did. As [`CachedFn::refresh`](crate::CachedFn::refresh); short for
    /// [`access(…).anew().get()`](Access::anew).
    ///
    /// Blocks as long as the function runs, here or in another thread. Other calls carry on with the old result.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn refresh<A: ?Sized, Kind>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: FunctionOf<A, V, Kind, Error: FunctionCannotFail>,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.access(arguments).anew().get()
    }

    /// Gives what the store has for those arguments, however old. Never blocks on another call, never runs the
    /// function.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn peek<A: ?Sized>(&self, arguments: &A) -> Option<Stamped<V>>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.try_peek(arguments).unwrap_or_else(|error| match error.fails() {})
    }

    /// As [`peek`](Self::peek), of a store that can fail.
    ///
    /// # Errors
    ///
    /// The store's.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn try_peek<A: ?Sized>(&self, arguments: &A) -> Result<Option<Stamped<V>>, S::Error>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V>,
    {
        self.store.get(&(self.key)(arguments))
    }

    /// Forgets the result for those arguments, and removes it from the store: the next call makes it anew.
    ///
    /// A result that is being made is superseded: its own caller gets it, and it is not stored (L6). If it is being
    /// stored just now, this blocks until it is, and then removes it.
    ///
    /// Other processes that share the store find it gone, but what they are making is theirs to store.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn invalidate<A: ?Sized>(&self, arguments: &A)
    where
        Key: Fn(&A) -> K,
        S: Store<K, V, Error: FunctionCannotFail>,
    {
        self.try_invalidate(arguments).unwrap_or_else(|error| match error.fails() {});
    }

    /// As [`invalidate`](Self::invalidate), of a store that can fail.
    ///
    /// # Errors
    ///
    /// The store's, which may still have the result then: try again. This process has forgotten it all the same.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn try_invalidate<A: ?Sized>(&self, arguments: &A) -> Result<(), S::Error>
    where
        Key: Fn(&A) -> K,
        S: Store<K, V>,
    {
        let key = (self.key)(arguments);
        // Held until the store has lost it: who comes later, to another lock, finds nothing there.
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
