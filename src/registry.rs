//! One lock per key, alive while in use, or while its value is.
//!
//! Here are the type and its look-ups. What an entry goes through is in [`shard`], how many are kept in [`bounds`], how
//! one is looked up and let go in [`root`], and what holds it in [`held`], or for tasks in [`held_for_ever`]. How many
//! shards there are is said in [`sharding`], and which policy a lock is given in [`rules`]; all locks are gone through by [`iter`](mod@iter).

mod bounds;
mod held;
mod held_for_ever;
mod iter;
mod root;
mod rules;
mod shard;
mod sharding;

pub(crate) use held::HasRoot;
pub use held::Held;
pub use held_for_ever::HeldForEver;
pub use iter::Iter;
pub(crate) use root::Root;

use crate::clock::nanoseconds;
use crate::dogpile::Dogpile;
use crate::lock::Lock;
use crate::ruled::ruled;
use crate::sync::{Arc, const_fn};
use bounds::Kind;
use rules::Rules;
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A lock for each key: made on first use, the same one for all who ask while anybody holds it. A lock that owns its
/// value is kept with that; any other one is gone when its last holder lets go.
///
/// For values that are many and live elsewhere (rows, pages, users in memcached), each with its own election:
/// [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) or [`Cached`](crate::Cached). A look-up yields a
/// [`Held`], which derefs to the lock; while one exists, so does the lock. A creation in flight holds it as well, since
/// it borrows the `Held` or, of an access that [keeps](Dogpile::kept) it, has one of its own.
///
/// # What is kept
///
/// A lock that nobody holds is *idle*. How long the registry keeps an idle lock is said by
/// [`keep_idle`](Self::keep_idle), or else up to the lock:
///
/// | an idle lock | is kept |
/// |---|---|
/// | [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) | not at all |
/// | [`Cached`](crate::Cached) without a value | not at all |
/// | `Cached` with a value | for one lifetime after its last use, and in any case until the value has expired |
/// | the same under [`max_stale`](crate::PolicyBuilder::max_stale), be it the value's [own](crate::Made::max_stale) | until the value is too old to be served, also [on error](crate::PolicyBuilder::max_stale_on_error) |
/// | `Cached` with a value that never expires | for good |
/// | any of them in a [pause](Self::with_policy) | until the pause is over, at the least, unless there are [too many](Self::at_most_paused) |
///
/// *Values are kept,* since a registry that forgets a value between two reads has each of them create it. They are kept
/// for one lifetime, since a key that is asked for at least that often then always has its value: a fresh one, or an
/// old one while the next is made. A key that is asked for more seldom costs no memory in between. The lifetime is
/// [that of the lock](crate::Status::expires_after). Where the lock never expires, the lifetime is that of the value,
/// if the creator [gave it one](crate::Made::expires_after); a value that was then [marked
/// stale](crate::Cached::mark_stale) is kept as long again as it has lived.
///
/// *Locks without a value go* with the last holder, and with them whatever they knew: the deadline, the generation,
/// what somebody said to them. (The next lock of that key takes a [`Generation`](crate::Generation) of its own.) That
/// suits [stamped getter mode](Dogpile::fetch_stamped), where the store keeps all of that. For the other modes
/// have the registry [keep them](Self::keep_idle) for a while.
///
/// *In getter mode* a new lock that is [born fresh](Dogpile::born_fresh) takes what the store holds for fresh. So a key
/// that is asked for more seldom than `keep_idle` never expires, and without `keep_idle` no key does. Have the store
/// end its entries by itself, or keep the time with the value (`fetch_stamped`). An invalidation goes with the lock,
/// too: who [invalidates](Dogpile::invalidate) removes the value from the store as well.
///
/// ```
/// use dogpile::{CreateError, Dogpile, Registry};
/// use std::{io, time::Duration};
/// # fn ask(_: &str) -> io::Result<Option<u64>> { Ok(None) }
/// # fn tell(_: &str, _: u64, _expires_after: Duration) -> io::Result<()> { Ok(()) }
/// # fn forget(_: &str) -> io::Result<()> { Ok(()) }
///
/// const MINUTE: Duration = Duration::from_secs(60);
/// static LOCKS: Registry<String> = Registry::new(|_| Dogpile::new(MINUTE).born_fresh()).keep_idle(MINUTE);
///
/// fn answer(key: &str) -> Result<u64, CreateError<io::Error, io::Error>> {
///     let lock = LOCKS.get(key);
///     lock.fetch(|| ask(key)).and_set(|made| tell(key, *made, MINUTE)).or_try_create(|| Ok(42))
/// }
///
/// fn invalidate(key: &str) -> io::Result<()> {
///     LOCKS.get(key).invalidate(); // what is being made just now is not stored
///     forget(key)
/// }
/// # assert_eq!(answer("key").unwrap(), 42);
/// # invalidate("key").unwrap();
/// ```
///
/// A registry is no cache: unless [`at_most_idle`](Self::at_most_idle) says so, the number of its keys has no bound but
/// the keys in use and those that are kept. Of `Cached` it has as many as had a value and were used within a lifetime;
/// a creator that fails, and a read that creates nothing, leave no key behind but for a pause. Of locks that are kept
/// for their [pause](Self::with_policy) alone there are [1,024](Self::at_most_paused) at the most. Where outsiders
/// choose the keys, and values live long or for good, have `keep_idle` say how long they stay, or `at_most_idle` how
/// many.
///
/// A look-up is of one key. To make the values of many keys by one batch, see
/// [`CachedByKey::access_many`](crate::CachedByKey::access_many).
///
/// # Cost
///
/// A look-up hashes the key and takes the mutex of one of 64 shards, for which unrelated keys seldom meet; so does the
/// last who lets go. That is some 35 ns together, and 60 ns where the lock has to be made. Memory is per key that lives
/// (160 bytes with a number for a key and a `Dogpile`; 88 more once that has created something, for its
/// [`stats`](crate::Status::stats)), and follows their number down as well as up. The registry itself takes 10 KB.
///
/// # Two threads at once
///
/// They get the same lock. If both find none, both call the maker, outside every lock, and one of the two locks made is
/// dropped unused.
///
/// # Deadlocks
///
/// Keys are compared under the mutex of their shard: `Eq` of a key, and its `Borrow`, must not use the registry. All
/// else that is the user's (hashing, cloning and dropping keys, making and dropping locks, clocks) runs outside it.
///
/// # Fork
///
/// In a child made by fork(2) what another thread held stays, and a creation that it was running does not end: see
/// [`Fork`](crate#fork).
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Registry};
/// use std::time::Duration;
///
/// static LOCKS: Registry<String> = Registry::new(|_| Dogpile::new(Duration::from_secs(60)));
///
/// let one = LOCKS.get("user:1"); // no `String` is made if it is there
/// let same = LOCKS.get("user:1");
/// assert!(std::ptr::eq(&*one, &*same));
/// assert_eq!(LOCKS.len(), 1);
/// drop((one, same));
/// assert!(LOCKS.is_empty());
/// ```
///
/// With values:
///
/// ```
/// use dogpile::{Cached, Registry};
/// use std::time::Duration;
///
/// static PAGES: Registry<u64, Cached<String>> = Registry::new(|_| Cached::new(Duration::from_secs(60)));
///
/// fn page(number: u64) -> String {
///     PAGES.get(&number).get_or_create(|| format!("page {number}") /* slow */).clone()
/// }
/// assert_eq!(page(7), "page 7");
/// assert!(PAGES.get(&7).get_fresh().is_some(), "kept");
/// ```
///
/// Values that never expire, kept for five minutes after they were last asked for:
///
/// ```
/// # use dogpile::{Cached, Registry};
/// # use std::time::Duration;
/// static RULES: Registry<String, Cached<String>> =
///     Registry::new(|_| Cached::never_expires()).keep_idle(Duration::from_secs(300));
/// ```
pub struct Registry<K, L = Dogpile, F = fn(&K) -> L> {
    root: Root<K, L>,
    pub(crate) rules: Rules,
    named_by: Option<fn(&K) -> String>,
    maker: F,
}

// As for a map of locks behind a mutex that does not poison: a panic leaves nothing half-done in here. A key may be
// seen from outside, and so may what a lock holds.
impl<K: RefUnwindSafe, L: RefUnwindSafe, F: UnwindSafe> UnwindSafe for Registry<K, L, F> {}
impl<K: RefUnwindSafe, L: RefUnwindSafe, F: RefUnwindSafe> RefUnwindSafe for Registry<K, L, F> {}

impl<K, L> Registry<K, L> {
    const_fn! {
        /// An empty registry, which makes locks by `maker`: a function, or a closure that captures nothing. For others
        /// see [`with_maker`](Self::with_maker).
        #[must_use]
        pub const fn new(maker: fn(&K) -> L) -> Self {
            Self::with_maker(maker)
        }
    }
}

impl<K, L, F> Registry<K, L, F> {
    const_fn! {
        /// An empty registry, which makes locks by a `maker` of any kind: `Fn(&K) -> L`. (For a field whose type has to
        /// be named: a `Box<dyn Fn(&K) -> L + Send + Sync>`, made by `Box::new(…) as Box<_>`.)
        ///
        /// ```
        /// use dogpile::{Dogpile, ManualClock, Registry};
        /// use std::{sync::Arc, time::Duration};
        ///
        /// let clock = Arc::new(ManualClock::new());
        /// let maker = |_: &u64| Dogpile::with_clock(Duration::from_secs(60), Arc::clone(&clock));
        /// let locks = Registry::with_maker(maker);
        /// assert!(!locks.get(&7).has_value());
        /// ```
        #[must_use]
        pub const fn with_maker(maker: F) -> Self {
            Self { root: Root::new(), rules: Rules::NONE, named_by: None, maker }
        }
    }

    const_fn! {
        /// Keeps locks, with their values and state, for that long after they were last used: until `idle_for` after
        /// the last holder has let go, whatever a lock is in. Zero keeps none of them, and `Duration::MAX` all of them
        /// for good.
        ///
        /// The default is [up to the lock](Self#what-is-kept): a [`Cached`](crate::Cached) is kept as long as its value
        /// is of use, and other locks are not kept. A shorter `idle_for` loses values that are still fresh, and with
        /// zero the value of a `Cached` goes with the last holder. A longer one keeps an old value, to be served where
        /// the next one is long in coming, and keys for which there is no value.
        ///
        /// The time is that of the locks' own clock: give all of them the same. Whoever is the last to let go of a lock
        /// removes a few that have been idle for too long, in its own shard and in one other in turn. So entries may
        /// stay somewhat longer, and in a registry that is not used at all any more they stay: see
        /// [`sweep`](Self::sweep).
        #[must_use]
        pub const fn keep_idle(mut self, idle_for: Duration) -> Self {
            self.root.keep_idle(nanoseconds(idle_for));
            self
        }
    }

    const_fn! {
        /// Keeps no more than `locks` locks that are [idle](Self::keep_idle), with their values and state: the lock
        /// that was let go longest ago goes first. Zero keeps none, and `usize::MAX`, the default, as many as there
        /// are.
        ///
        /// The bound is one for the whole registry. Locks that somebody holds, or whose creation runs, stay, and come
        /// on top of it; and so do those that are kept for their pause alone, whose bound is
        /// [`at_most_paused`](Self::at_most_paused). A lock that was idle and is held again may count among the `locks`
        /// until it is let go. While several threads let go at once, the registry may keep one lock more for each of
        /// them, until its drop of the [`Held`] has returned.
        ///
        /// With a bound, the last holder that lets go of a lock which is kept puts the lock in an order, and removes
        /// the first lock of that order if there are too many. That is some 130 ns more for each use of a lock.
        ///
        /// ```
        /// use dogpile::{Cached, Registry};
        /// use std::time::Duration;
        ///
        /// static PAGES: Registry<u64, Cached<String>> =
        ///     Registry::new(|_| Cached::new(Duration::from_secs(60))).at_most_idle(100);
        ///
        /// for page in 0..1_000 {
        ///     PAGES.get(&page).get_or_create(|| format!("page {page}"));
        /// }
        /// assert_eq!(PAGES.len(), 100);
        /// assert!(PAGES.find(&899).is_none());
        /// assert!(PAGES.find(&900).is_some());
        /// ```
        #[must_use]
        pub const fn at_most_idle(mut self, locks: usize) -> Self {
            self.root.at_most(Kind::Idle, locks);
            self
        }
    }

    const_fn! {
        /// Keeps no more than `locks` locks that nobody holds for their [pause](Self::with_policy) alone: the lock that
        /// was let go longest ago goes first, and its pause is forgotten. Zero keeps none, and `usize::MAX` as many as
        /// there are.
        ///
        /// The default is 1,024, some 660 KB with short keys: each of a few hundred keys in use may pause, and
        /// outsiders that ask for ever new keys, all of which fail, cannot have the registry keep more. A pause that is
        /// asked for again and again is not pushed out by such keys.
        ///
        /// A lock that is also kept for [`keep_idle`](Self::keep_idle), or for its value, counts here if its pause
        /// lasts longer. When such a lock is one too many, it stays for as long as that says, and no longer.
        ///
        /// ```
        /// use dogpile::{Backoff, Policy, Registry, Dogpile};
        /// use std::time::Duration;
        ///
        /// const MINUTE: Duration = Duration::from_secs(60);
        /// static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();
        /// static LOCKS: Registry<u64> =
        ///     Registry::new(|_| Dogpile::new(MINUTE)).with_policy(&PAUSING).at_most_paused(10);
        ///
        /// for unknown in 0..100 {
        ///     LOCKS.get(&unknown).acquire_or_try_create(|| Err("no such key")).unwrap_err();
        /// }
        /// assert_eq!(LOCKS.len(), 10);
        /// ```
        #[must_use]
        pub const fn at_most_paused(mut self, locks: usize) -> Self {
            self.pause_at_most(locks);
            self
        }
    }

    const_fn! {
        pub(crate) const fn pause_at_most(&mut self, locks: usize) {
            self.root.at_most(Kind::Paused, locks);
        }
    }

    ruled! {
        /// Has each lock do as `policy` says as a value ages and when creating goes wrong, unless its maker gave it a
        /// policy of its own.
        ///
        /// A lock that [pauses](crate::PolicyBuilder::retry_after) after a failure is kept at least until the pause is
        /// over, though nobody hold it, as by [`keep_idle`](Self::keep_idle); unless there are
        /// [too many](Self::at_most_paused). For the next pause to be longer it has to
        /// be there when the next failure comes: have `keep_idle` see to that for keys that are seldom used. (And for
        /// an old value to be [served](crate::OnError::ServeStale) there has to be one.)
        by rules
    }

    const_fn! {
        /// Has each lock tell its [`Observer`](crate::Observer) which key it is of, as text: in
        /// [`Source::key`](crate::Source).
        ///
        /// `name` is a function, or a closure that captures nothing. It runs when a lock is made whose policy has an
        /// observer, once and outside every mutex. Such a lock keeps the text, and 48 bytes beside it, and has what it
        /// keeps for its [`stats`](crate::Status::stats) from the beginning. For other locks `name` does not run, and
        /// they keep nothing.
        ///
        /// # Examples
        ///
        /// ```
        /// use dogpile::{Cached, Observer, Policy, Registry, Source};
        /// use std::{sync::Mutex, time::Duration};
        ///
        /// /// The keys that were created.
        /// #[derive(Debug)]
        /// struct Keys(Mutex<Vec<String>>);
        ///
        /// impl Observer for Keys {
        ///     fn created(&self, of: Source<'_>, _: Duration) {
        ///         self.0.lock().unwrap().extend(of.key.map(str::to_owned));
        ///     }
        /// }
        ///
        /// static KEYS: Keys = Keys(Mutex::new(Vec::new()));
        /// static POLICY: Policy = Policy::builder().name("pages").observer(&KEYS).build_const();
        /// static PAGES: Registry<u64, Cached<String>> =
        ///     Registry::new(|_| Cached::new(Duration::from_secs(60))).with_policy(&POLICY).named_by(|key| key.to_string());
        ///
        /// PAGES.get(&7).get_or_create(|| String::from("page 7"));
        /// assert_eq!(*KEYS.0.lock().unwrap(), ["7"]);
        /// ```
        #[must_use]
        pub const fn named_by(mut self, name: fn(&K) -> String) -> Self {
            self.be_named_by(name);
            self
        }
    }

    const_fn! {
        /// The same, in place.
        pub(crate) const fn be_named_by(&mut self, name: fn(&K) -> String) {
            self.named_by = Some(name);
        }
    }

    /// With the policy, the bounds and the names of another.
    pub(crate) fn ruled_as<M, G>(mut self, other: Registry<K, M, G>) -> Self {
        self.root = self.root.bounded_as(&other.root);
        (self.rules, self.named_by) = (other.rules, other.named_by);
        self
    }

    pub(crate) fn root(&self) -> &Root<K, L> {
        &self.root
    }

    /// Gives a lock that was just made the policy of all, and tells it its key, if an observer is to be told that.
    fn ruled<M: Lock>(&self, key: &K, lock: M) -> M {
        let mut lock = self.rules.applied(lock);
        let status = &mut lock.dogpile_mut().status;
        if let Some(name) = self.named_by.filter(|_| status.policy().observer().is_some()) {
            status.be_called(name(key));
        }
        lock
    }
}

impl<K, L, F> HasRoot<K, L> for Registry<K, L, F> {
    fn root(&self) -> &Root<K, L> {
        &self.root
    }
}

impl<K: Hash + Eq, L: Lock, F: Fn(&K) -> L> Registry<K, L, F> {
    /// The lock of that key, made if there is none. Blocks only for moments.
    ///
    /// Through a registry in a `static` this yields a `Held<'static, …>`. A key may be looked up by what it is the
    /// owned form of (`str` for `String`, a slice for a `Vec`), or else by a reference to a whole key.
    ///
    /// # Panics
    ///
    /// If hashing, comparing or cloning the key does, or [naming](Self::named_by) it, or the maker. The registry is as
    /// before.
    #[inline]
    pub fn get<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Held<'_, K, L>
    where
        K: Borrow<Q>,
    {
        self.root.get(key, |key| self.ruled(key, (self.maker)(key)))
    }

    /// As [`get`](Self::get), with a [`Held`] that shares the registry and may outlive the caller.
    ///
    /// # Panics
    ///
    /// As `get`.
    pub fn get_owned<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(self: &Arc<Self>, key: &Q) -> Held<'static, K, L>
    where
        K: Borrow<Q> + Send + Sync + 'static,
        L: Send + Sync + 'static,
        F: Send + Sync + 'static,
    {
        self.get(key).owned_by(Arc::clone(self))
    }
}

impl<K: Hash + Eq, L: Lock, F> Registry<K, L, F> {
    /// The lock of that key, made by another maker if there is none.
    pub(crate) fn get_or(&self, key: &K, maker: impl FnOnce(&K) -> L) -> Held<'_, K, L>
    where
        K: Clone,
    {
        self.root.get(key, |key| self.ruled(key, maker(key)))
    }

    /// The lock of that key, if there is one. It is then in use: its time of being [idle](Self::keep_idle) begins anew
    /// when it is let go. Blocks only for moments.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key does.
    pub fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Held<'_, K, L>>
    where
        K: Borrow<Q>,
    {
        self.root.find(key)
    }

    /// Removes the lock of that key, with its value and state, if it is [idle](Self::keep_idle); returns whether it
    /// was. One that somebody holds stays as it is, also if only the loop around this does, over [`iter`](Self::iter):
    /// collect the keys first. To have its value made anew, invalidate it. Blocks only for moments.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key does, or the drop of what is removed.
    pub fn remove_idle<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.root.remove_idle(key)
    }

    /// Whether a creation is running for that key. Makes no lock, and does not count as use. Blocks only for moments.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key does.
    pub fn is_creating<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.root.ask(key, |lock| lock.dogpile().is_creating()).unwrap_or(false)
    }
}

impl<K, L: Lock, F> Registry<K, L, F> {
    /// How many keys live: held ones, and idle ones that are kept. Blocks only for moments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Whether no key lives. Blocks only for moments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys that live, each [held](Held) while it is looked at, in no order. Blocks only for moments.
    ///
    /// A key that lives all the while is seen once; one that comes or goes meanwhile may be seen or not. Being looked
    /// at does not count as use: an idle one goes when it would have gone.
    pub fn iter(&self) -> Iter<'_, K, L> {
        Iter::new(&self.root)
    }

    /// Removes all that have been [idle](Self::keep_idle) for too long; returns how many. Blocks only for moments, and
    /// nobody else for longer: it removes a few at a time.
    ///
    /// For a registry that may come to lie unused: those who use it do this for it.
    pub fn sweep(&self) -> usize {
        self.root.sweep()
    }
}

impl<'a, K, L: Lock, F> IntoIterator for &'a Registry<K, L, F> {
    type Item = Held<'a, K, L>;
    type IntoIter = Iter<'a, K, L>;

    fn into_iter(self) -> Iter<'a, K, L> {
        self.iter()
    }
}

impl<K, L: Lock, F> fmt::Debug for Registry<K, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("len", &self.len()).finish_non_exhaustive()
    }
}
