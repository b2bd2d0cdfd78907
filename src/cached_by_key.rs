//! A function with arguments that keeps its results in a store: [`Dogpile`]'s stamped getter mode, with a [`Registry`]
//! of locks. What of it is for tasks is in [`tasks`].

mod tasks;

use crate::clock::{Clock, MonotonicClock};
use crate::creation::Stored;
use crate::dogpile::{Anew, Dogpile, Stamped};
use crate::error::{AcquireError, CreateError, GetError, never, or_deadlock};
use crate::policy::Policy;
use crate::registry::{Held, Registry};
use crate::sync::{Arc, const_fn};
use crate::wait::{Patience, Wait, block_on};
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::ready;
use std::hash::Hash;
use std::time::Duration;

/// Where a [`CachedByKey`] keeps its results: three closures. Wherever that is (memcached, a cache in this process, a
/// map behind a lock), it may lose what it likes when it likes.
///
/// | | infallible | fallible |
/// |---|---|---|
/// | `get` | `Fn(&K) -> Option<Stamped<V>>` | `Fn(&K) -> Result<Option<Stamped<V>>, G>` |
/// | `set` | `Fn(&K, &Stamped<V>)` | `Fn(&K, &Stamped<V>) -> Result<(), E>`, where `E` is also what the function fails with |
/// | `remove` | `Fn(&K)` | `Fn(&K) -> Result<(), R>` |
///
/// To the forms that end in `_async` they give futures of those.
///
/// Each form asks for those that it calls: who never invalidates may say `remove: ()`. What `set` and `remove` return
/// is looked at: an infallible one returns `()`, so end it with a semicolon.
#[derive(Clone, Copy, Debug)]
pub struct Store<Get, Set, Remove> {
    /// Gets the value and its stamp; nothing, if there is none.
    pub get: Get,
    /// Stores the value and its stamp.
    pub set: Set,
    /// Removes the value, if there is one.
    pub remove: Remove,
}

/// A function that keeps its results, each under a key made from its arguments, and makes one anew when it has expired:
/// see [`cached_by_key`].
///
/// For each key that is in use there is a [`Dogpile`], in [stamped getter mode](Dogpile::get_or_create_stamped): who
/// runs the function, who waits and who gets the old value when several threads come at once, and how often `get` is
/// called, is said there. Calls with other keys have nothing to do with each other.
///
/// The forms that end in `_fallible` are for a function and a store that can fail, and for those that block there are
/// `_timeout` forms. Key, function and store run on the thread of the call that they are for.
///
/// # Examples
///
/// All results live equally long; where each says itself how long, see [`Registry`] with [`Cached`](crate::Cached).
///
/// With functions, or closures that capture nothing, the type can be named, for a `static` or a field. (For others,
/// name the closures in a field as boxes: `Box<dyn Fn(&K) -> Option<Stamped<V>> + Send + Sync>` and so on.)
///
/// ```
/// use dogpile::{CachedByKey, Stamped, Store, cached_by_key};
/// use std::{collections::BTreeMap, sync::Mutex, time::Duration};
///
/// type Squares = CachedByKey<u64, fn(&u64) -> u64, fn(&u64) -> u64, Get, Set, fn(&u64)>;
/// type Get = fn(&u64) -> Option<Stamped<u64>>;
/// type Set = fn(&u64, &Stamped<u64>);
///
/// static ENTRIES: Mutex<BTreeMap<u64, Stamped<u64>>> = Mutex::new(BTreeMap::new());
/// static SQUARES: Squares = cached_by_key(
///     Duration::from_secs(60),
///     |number| *number,
///     |number| number * number, // slow
///     Store {
///         get: |key| ENTRIES.lock().unwrap().get(key).copied(),
///         set: |key, value| drop(ENTRIES.lock().unwrap().insert(*key, *value)),
///         remove: |key| drop(ENTRIES.lock().unwrap().remove(key)),
///     },
/// );
/// assert_eq!(SQUARES.get(&12).value, 144);
/// ```
pub struct CachedByKey<K, Key, F, Get, Set, Remove, C: Clock = MonotonicClock> {
    locks: Registry<K, Dogpile<C>, ()>,
    expires_after: Duration,
    clock: C,
    key: Key,
    function: F,
    store: Store<Get, Set, Remove>,
}

const_fn! {
    /// Has a function with arguments keep its results, each for `expires_after`, in a store.
    ///
    /// `key` (`Fn(&A) -> K`) makes the key under which the result is kept from the arguments, which are one value: a
    /// tuple if there are several. `function` is `Fn(&A) -> V`, or `Fn(&A) -> Result<V, E>` for the fallible forms.
    /// Closures say what they take (`|key: &String|`), since what is asked of them is asked by the forms that call
    /// them.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Stamped, Store, cached_by_key};
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
    ///     Store {
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
    /// assert_eq!(greeting.get_stale(&("Ada", "de")), None);
    /// ```
    #[must_use]
    pub const fn cached_by_key<K, Key, F, Get, Set, Remove>(
        expires_after: Duration,
        key: Key,
        function: F,
        store: Store<Get, Set, Remove>,
    ) -> CachedByKey<K, Key, F, Get, Set, Remove> {
        let locks = Registry::with_maker(());
        CachedByKey { locks, expires_after, clock: MonotonicClock, key, function, store }
    }
}

impl<K, Key, F, Get, Set, Remove, C: Clock> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    /// The same on a clock of one's own.
    #[must_use]
    pub fn with_clock<D: Clock + Clone>(self, clock: D) -> CachedByKey<K, Key, F, Get, Set, Remove, D> {
        let Self { locks, expires_after, key, function, store, .. } = self;
        let locks = Registry::with_maker(()).ruled_as(&locks);
        CachedByKey { locks, expires_after, clock, key, function, store }
    }

    const_fn! {
        /// Has the lock of each key do as `policy` says as a result ages and when the function fails or hangs, in place
        /// of the [defaults](crate::Policy).
        #[must_use]
        pub const fn with_policy(mut self, policy: &'static Policy) -> Self {
            self.locks.rule(policy);
            self
        }
    }

    /// As [`with_policy`](Self::with_policy), with a policy that is made at run time, and may be shared.
    #[must_use]
    pub fn with_shared_policy(mut self, policy: Arc<Policy>) -> Self {
        self.locks = self.locks.with_shared_policy(policy);
        self
    }

    /// How long a result is kept.
    #[must_use]
    pub fn expires_after(&self) -> Duration {
        self.expires_after
    }
}

impl<K: Hash + Eq + Clone, Key, F, Get, Set, Remove, C: Clock + Clone> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    fn lock(&self, key: &K) -> Held<'_, K, Dogpile<C>> {
        self.locks.get_or(key, |_| Dogpile::with_clock(self.expires_after, self.clock.clone()))
    }

    /// Whether the function is being run for those arguments. Blocks only for moments.
    pub fn is_creating<A: ?Sized>(&self, arguments: &A) -> bool
    where
        Key: Fn(&A) -> K,
    {
        self.locks.is_creating(&(self.key)(arguments))
    }

    /// All accesses: by a getter, a creator and a setter that may fail.
    fn get_as<V, E: Display, G, S: Stored<E>>(
        &self,
        key: &K,
        patience: Patience,
        getter: impl Fn(&K) -> Result<Stamped<V>, GetError<G>>,
        creator: impl FnOnce() -> Result<V, E>,
        setter: impl FnOnce(&K, &Stamped<V>) -> S,
    ) -> Result<Stamped<V>, CreateError<E, G>> {
        self.lock(key).get_stamped_and_set(&Wait::new(patience), || getter(key), creator, |made| setter(key, made))
    }

    /// All invalidations.
    fn forget<A: ?Sized, R>(&self, arguments: &A) -> R
    where
        Key: Fn(&A) -> K,
        Remove: Fn(&K) -> R,
    {
        let key = (self.key)(arguments);
        // Held until the store has lost it: who comes later, to another lock, finds nothing there.
        let lock = self.lock(&key);
        lock.invalidate();
        (self.store.remove)(&key)
    }

    /// All refreshes.
    fn refresh_as<V, E: Display, G, S: Stored<E>>(
        &self,
        key: &K,
        patience: Patience,
        getter: impl Fn(&K) -> Result<Stamped<V>, GetError<G>>,
        creator: impl FnOnce() -> Result<V, E>,
        setter: impl FnOnce(&K, &Stamped<V>) -> S,
    ) -> Result<Stamped<V>, CreateError<E, G>> {
        let lock = self.lock(key);
        let wait = &Wait::new(patience);
        match block_on(lock.elect_anew(wait))? {
            Anew::Elected(born) => {
                let run = |creation| ready(lock.run_and_set(creation, creator, |made| setter(key, made)));
                block_on(lock.create_stamped_by(born, || ready(getter(key)), run))
            }
            // Somebody else has made it: it is in the store, or was.
            Anew::Created | Anew::Served => {
                lock.get_stamped_and_set(wait, || getter(key), creator, |made| setter(key, made))
            }
        }
    }
}

/// # Of a function and a store that cannot fail
impl<K: Hash + Eq + Clone, Key, F, Get, Set, Remove, C: Clock + Clone> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    /// The result for those arguments, from the store or made by the function, with the time when it was made. As
    /// [`Dogpile::get_or_create_stamped_and_set`].
    ///
    /// Blocks as long as the function runs, if this call is elected, or while there is no result and somebody else
    /// makes it.
    ///
    /// # Panics
    ///
    /// If this thread is running the function for the same key already and would wait for itself; if the key, the
    /// function or the store does.
    #[track_caller]
    pub fn get<A: ?Sized, V>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> V,
        Get: Fn(&K) -> Option<Stamped<V>>,
        Set: Fn(&K, &Stamped<V>),
    {
        or_deadlock(self.get_infallibly(arguments, Patience::Infallible))
    }

    /// As [`get`](Self::get), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`Dogpile::get_or_create_timeout`].
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn get_timeout<A: ?Sized, V>(&self, arguments: &A, timeout: Duration) -> Result<Stamped<V>, AcquireError>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> V,
        Get: Fn(&K) -> Option<Stamped<V>>,
        Set: Fn(&K, &Stamped<V>),
    {
        self.get_infallibly(arguments, Patience::For(timeout))
    }

    fn get_infallibly<A: ?Sized, V>(
        &self,
        arguments: &A,
        patience: Patience,
    ) -> Result<Stamped<V>, CreateError<Infallible>>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> V,
        Get: Fn(&K) -> Option<Stamped<V>>,
        Set: Fn(&K, &Stamped<V>),
    {
        let key = (self.key)(arguments);
        let creator = || never((self.function)(arguments));
        self.get_as(&key, patience, self.getter(), creator, &self.store.set)
    }

    fn getter<V>(&self) -> impl Fn(&K) -> Result<Stamped<V>, GetError<Infallible>>
    where
        Get: Fn(&K) -> Option<Stamped<V>>,
    {
        |key| (self.store.get)(key).ok_or(GetError::NeedRegeneration)
    }

    /// What the store has for those arguments, however old. Never blocks, never runs the function.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn get_stale<A: ?Sized, V>(&self, arguments: &A) -> Option<Stamped<V>>
    where
        Key: Fn(&A) -> K,
        Get: Fn(&K) -> Option<Stamped<V>>,
    {
        (self.store.get)(&(self.key)(arguments))
    }

    /// Forgets the result for those arguments, and removes it from the store: the next call makes it anew.
    ///
    /// A result that is being made is superseded: its own caller gets it, and it is not stored (L6). If it is being
    /// stored just now, this waits for that before it removes it.
    ///
    /// Other processes that share the store find it gone, but what they are making is theirs to store.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn invalidate<A: ?Sized>(&self, arguments: &A)
    where
        Key: Fn(&A) -> K,
        Remove: Fn(&K),
    {
        self.forget(arguments);
    }

    /// Runs the function for those arguments though its result be fresh, and returns one whose making began after this
    /// call did.
    ///
    /// Others carry on with the old one meanwhile. If somebody else is making one already, waits for that to end, and
    /// then makes another, or gets the one that yet somebody else has begun to make since.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn refresh<A: ?Sized, V>(&self, arguments: &A) -> Stamped<V>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> V,
        Get: Fn(&K) -> Option<Stamped<V>>,
        Set: Fn(&K, &Stamped<V>),
    {
        let key = (self.key)(arguments);
        let creator = || never((self.function)(arguments));
        or_deadlock(self.refresh_as(&key, Patience::Infallible, self.getter(), creator, &self.store.set))
    }
}

/// # Of a function and a store that can fail
///
/// A call that fails leaves the store as it was, unless `set` failed half-way. The errors are the caller's, and not
/// kept.
impl<K: Hash + Eq + Clone, Key, F, Get, Set, Remove, C: Clock + Clone> CachedByKey<K, Key, F, Get, Set, Remove, C> {
    /// As [`get`](Self::get). As [`Dogpile::get_or_try_create_stamped_and_set`].
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the error of the function or of `set`; [`CreateError::GetterFailed`] with that of
    /// `get`; [`CreateError::WouldDeadlock`] if this thread is running the function for the same key already;
    /// [`CreateError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn get_fallible<A: ?Sized, V, E: Display, G>(&self, arguments: &A) -> Result<Stamped<V>, CreateError<E, G>>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> Result<V, E>,
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: Fn(&K, &Stamped<V>) -> Result<(), E>,
    {
        self.get_fallible_timeout(arguments, Duration::MAX)
    }

    /// As [`get_fallible`](Self::get_fallible), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_fallible`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn get_fallible_timeout<A: ?Sized, V, E: Display, G>(
        &self,
        arguments: &A,
        timeout: Duration,
    ) -> Result<Stamped<V>, CreateError<E, G>>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> Result<V, E>,
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: Fn(&K, &Stamped<V>) -> Result<(), E>,
    {
        let (key, patience) = ((self.key)(arguments), Patience::For(timeout));
        self.get_as(&key, patience, self.fallible_getter(), || (self.function)(arguments), &self.store.set)
    }

    fn fallible_getter<V, G>(&self) -> impl Fn(&K) -> Result<Stamped<V>, GetError<G>>
    where
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
    {
        |key| brought((self.store.get)(key))
    }

    /// As [`get_stale`](Self::get_stale).
    ///
    /// # Errors
    ///
    /// That of the store.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn get_stale_fallible<A: ?Sized, V, G>(&self, arguments: &A) -> Result<Option<Stamped<V>>, G>
    where
        Key: Fn(&A) -> K,
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
    {
        (self.store.get)(&(self.key)(arguments))
    }

    /// As [`invalidate`](Self::invalidate).
    ///
    /// # Errors
    ///
    /// That of the store, which may still have the result then: try again.
    ///
    /// # Panics
    ///
    /// If the key or the store does.
    pub fn invalidate_fallible<A: ?Sized, R>(&self, arguments: &A) -> Result<(), R>
    where
        Key: Fn(&A) -> K,
        Remove: Fn(&K) -> Result<(), R>,
    {
        self.forget(arguments)
    }

    /// As [`refresh`](Self::refresh). If it fails, the old result stays; and is returned, if the policy
    /// [says so](crate::OnError::ServeStale).
    ///
    /// # Errors
    ///
    /// As [`get_fallible`](Self::get_fallible).
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn refresh_fallible<A: ?Sized, V, E: Display, G>(&self, arguments: &A) -> Result<Stamped<V>, CreateError<E, G>>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> Result<V, E>,
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: Fn(&K, &Stamped<V>) -> Result<(), E>,
    {
        self.refresh_fallible_timeout(arguments, Duration::MAX)
    }

    /// As [`refresh_fallible`](Self::refresh_fallible), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `refresh_fallible`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If the key, the function or the store does.
    pub fn refresh_fallible_timeout<A: ?Sized, V, E: Display, G>(
        &self,
        arguments: &A,
        timeout: Duration,
    ) -> Result<Stamped<V>, CreateError<E, G>>
    where
        Key: Fn(&A) -> K,
        F: Fn(&A) -> Result<V, E>,
        Get: Fn(&K) -> Result<Option<Stamped<V>>, G>,
        Set: Fn(&K, &Stamped<V>) -> Result<(), E>,
    {
        let (key, patience) = ((self.key)(arguments), Patience::For(timeout));
        self.refresh_as(&key, patience, self.fallible_getter(), || (self.function)(arguments), &self.store.set)
    }
}

/// What a store has brought that can fail.
fn brought<V, G>(got: Result<Option<Stamped<V>>, G>) -> Result<Stamped<V>, GetError<G>> {
    got.map_err(GetError::Failed)?.ok_or(GetError::NeedRegeneration)
}

impl<K, Key, F, Get, Set, Remove, C: Clock> fmt::Debug for CachedByKey<K, Key, F, Get, Set, Remove, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedByKey")
            .field("expires_after", &self.expires_after)
            .field("in_use", &self.locks.len())
            .finish_non_exhaustive()
    }
}
