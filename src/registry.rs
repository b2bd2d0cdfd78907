//! One lock for each key. The lock lives while it is in use, or while its value is of use.
//!
//! Here are the type and its look-ups. The rest is in the modules below:
//!
//! | module | what is in it |
//! |---|---|
//! | [`sharding`] | how many shards there are, and which of them a key belongs to |
//! | [`shard`] | what an entry goes through: the states, the transitions, and why they hold |
//! | [`bounds`] | how many idle entries are kept, and which of them goes first |
//! | [`root`] | how an entry is looked up, let go, swept and evicted, around the mutex of its shard |
//! | [`held`] | what holds an entry |
//! | [`held_for_ever`] | how a task reaches a lock by what holds its entry |
//! | [`iter`](mod@iter) | how all entries are gone through |
//! | [`rules`] | the policy that each lock is given |

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

/// A map of locks, one for each key. The lock of a key is made on first use, and all callers share it while one of them
/// holds it.
///
/// A registry is for many values, such as rows, pages, or users in memcached, each with an election of its own. Its
/// locks are [`Dogpile`]s, [`SyncReaderDogpile`](crate::SyncReaderDogpile)s or [`Cached`](crate::Cached)s. A look-up
/// gives a [`Held`], which derefs to the lock. While a `Held` lives, so does its lock. A running creation holds its
/// lock as well: it borrows the `Held`, or owns one if its access [keeps](Dogpile::kept) the lock.
///
/// A look-up is of one key. [`CachedByKey::access_many`](crate::CachedByKey::access_many) makes the values of many keys
/// by one batch. [The guide](crate::guide::registry) has a page on registries.
///
/// # Several threads at once
///
/// Threads that look up the same key get the same lock. If two threads find no lock at the same moment, both call the
/// maker, outside every mutex. One of the two locks is then dropped unused.
///
/// # What is kept
///
/// A lock without a holder is *idle*. [`keep_idle`](Self::keep_idle) says how long idle locks are kept. Without it,
/// that is up to the lock:
///
/// | an idle lock | is kept |
/// |---|---|
/// | [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) | not at all |
/// | [`Cached`](crate::Cached) without a value | not at all |
/// | `Cached` with a value | for one lifetime after its last use, and in any case until the value has expired |
/// | `Cached` with a value, under a [`max_stale`](crate::PolicyBuilder::max_stale) of the policy or of the [value](crate::Made::max_stale) | until the value is too old to be served, also [on error](crate::PolicyBuilder::max_stale_on_error) |
/// | `Cached` with a value that never expires | for good |
/// | any of them in a [pause](Self::with_policy) | at least until the pause is over, unless there are [too many](Self::at_most_paused) |
///
/// *Values are kept,* because a registry that forgot a value between two reads would have each of them create it. A
/// value is kept for one lifetime, because a key that is used at least that often then always has a value: a fresh one,
/// or an old one while the next one is made. A key that is used more seldom costs no memory in between.
///
/// The lifetime is [that of the lock](crate::Status::expires_after). If the lock never expires, the lifetime is that of
/// the value, if its creator [gave it one](crate::Made::expires_after). If such a value was then [marked
/// stale](crate::Cached::mark_stale), it is kept as long again as it has lived.
///
/// *Locks without a value are not kept.* They go with their last holder, and with them goes all that they knew: the
/// deadline, the generation, an invalidation. (The next lock of that key takes a [`Generation`](crate::Generation) of
/// its own.) That suits [stamped getter mode](Dogpile::fetch_stamped), in which the store keeps all of that. In the
/// other modes, [`keep_idle`](Self::keep_idle) keeps the locks for a while.
///
/// *In getter mode* a new lock that is [born fresh](Dogpile::born_fresh) takes a value in the store for fresh. So a key
/// that is used more seldom than `keep_idle` says never expires, and without `keep_idle` no key ever expires. There the
/// store should end its entries by itself, or keep the time with the value (`fetch_stamped`). An invalidation goes with
/// the lock as well. So a caller that [invalidates](Dogpile::invalidate) should remove the value from the store, too.
/// The guide has [an example](crate::guide::registry#what-is-kept-and-for-how-long).
///
/// *A registry is no cache.* By default the number of its keys has no bound but the keys in use and the keys that are
/// kept. A registry of `Cached`s has as many keys as had a value and were used within a lifetime. A creator that fails
/// leaves no key behind but for a pause, and the same is so of a read that creates nothing. At most
/// [1,024](Self::at_most_paused) locks are kept for their [pause](Self::with_policy) alone. Where outsiders choose the
/// keys, and values live long or for good, `keep_idle` can bound how long locks stay, and
/// [`at_most_idle`](Self::at_most_idle) how many.
///
/// # Cost
///
/// A look-up hashes the key, and takes the mutex of one of 64 shards. The last holder that lets go takes the same
/// mutex. Threads with unrelated keys seldom meet there. The two together cost some 35 ns, or 60 ns if the lock has to
/// be made.
///
/// Each key that lives takes memory: 160 bytes with a number for a key and a `Dogpile`, and 88 bytes more once that
/// lock has created something, for its [`stats`](crate::Status::stats). The memory follows the number of keys down as
/// well as up. The registry itself takes 10 KB.
///
/// # Deadlocks
///
/// Keys are compared under the mutex of their shard, so the `Eq` and the `Borrow` of a key must not use the registry.
/// All other code of the user runs outside that mutex: hashing, cloning and dropping keys, making and dropping locks,
/// and reading clocks.
///
/// # Fork
///
/// In a child made by fork(2), a lock that another thread held stays in the registry, and a creation that another
/// thread was running does not end: see [`Fork`](crate::guide::limitations#fork).
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Registry};
/// use std::time::Duration;
///
/// static LOCKS: Registry<String> = Registry::new(|_| Dogpile::new(Duration::from_secs(60)));
///
/// let one = LOCKS.get("user:1"); // makes a `String` only if the key is new
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
/// assert!(PAGES.get(&7).get_fresh().is_some(), "the value is kept");
/// ```
///
/// With values that never expire, and are kept for five minutes after their last use:
///
/// ```
/// use dogpile::{Cached, Registry};
/// use std::time::Duration;
///
/// static RULES: Registry<String, Cached<String>> =
///     Registry::new(|_| Cached::never_expires()).keep_idle(Duration::from_secs(300));
/// ```
pub struct Registry<K, L = Dogpile, F = fn(&K) -> L> {
    root: Root<K, L>,
    pub(crate) rules: Rules,
    named_by: Option<fn(&K) -> String>,
    maker: F,
}

// A panic leaves nothing half-done in a registry, as in a map of locks behind a mutex that does not poison. But a
// registry gives access to its keys and its locks, hence the bounds on them.
impl<K: RefUnwindSafe, L: RefUnwindSafe, F: UnwindSafe> UnwindSafe for Registry<K, L, F> {}
impl<K: RefUnwindSafe, L: RefUnwindSafe, F: RefUnwindSafe> RefUnwindSafe for Registry<K, L, F> {}

impl<K, L> Registry<K, L> {
    const_fn! {
        /// Makes an empty registry. `maker` makes the lock of a key: it is a function, or a closure that captures
        /// nothing. For other closures see [`with_maker`](Self::with_maker).
        #[must_use]
        pub const fn new(maker: fn(&K) -> L) -> Self {
            Self::with_maker(maker)
        }
    }
}

impl<K, L, F> Registry<K, L, F> {
    const_fn! {
        /// Makes an empty registry. `maker` makes the lock of a key: it is any `Fn(&K) -> L`.
        ///
        /// Where the type of the registry has to be named, as in a field, `F` can be `Box<dyn Fn(&K) -> L + Send +
        /// Sync>`. Such a maker is made by `Box::new(…) as Box<_>`.
        ///
        /// # Examples
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
        /// Sets how long idle locks are kept, with their values and their state: until `idle_for` after the last holder
        /// has let go.
        ///
        /// Zero keeps no idle lock, and `Duration::MAX` keeps all of them for good. A lock in a
        /// [pause](Self::with_policy) is kept at least until the pause is over.
        ///
        /// The default is [up to the lock](Self#what-is-kept): a [`Cached`](crate::Cached) is kept as long as its value
        /// is of use, and other locks are not kept. A shorter `idle_for` loses values that are still fresh; with zero,
        /// the value of a `Cached` goes with the last holder. A longer one keeps an old value, to be served if the next
        /// one is long in coming. It also keeps keys for which there is no value.
        ///
        /// The time is told by the locks' own clocks, so all locks of a registry should have the same clock. The last
        /// holder that lets go of a lock removes a few locks that have been idle for too long, in its own shard and in
        /// one other shard in turn. So a lock may stay somewhat longer than `idle_for`. In a registry that is not used
        /// any more, idle locks stay until they are [swept](Self::sweep).
        #[must_use]
        pub const fn keep_idle(mut self, idle_for: Duration) -> Self {
            self.root.keep_idle(nanoseconds(idle_for));
            self
        }
    }

    const_fn! {
        /// Bounds how many [idle](Self::keep_idle) locks are kept, with their values and their state. If there are more
        /// than `locks`, the lock that was let go longest ago goes first.
        ///
        /// Zero keeps no idle lock. `usize::MAX`, the default, is no bound.
        ///
        /// The bound is one for the whole registry. Locks that are held, or whose creation runs, stay and come on top
        /// of it. So do locks that are kept for their pause alone, which have a bound of their own:
        /// [`at_most_paused`](Self::at_most_paused). A lock that was idle and is held again may count among the `locks`
        /// until it is let go. While several threads let go at once, the registry may keep one lock more for each of
        /// them, until the drop of that thread's [`Held`] has returned.
        ///
        /// With a bound, a lock that is let go and kept is put into an order, and the first lock of that order is
        /// removed if there are too many. That costs some 130 ns more for each use of a lock.
        ///
        /// # Examples
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
        /// Bounds how many idle locks are kept for their [pause](Self::with_policy) alone. If there are more than
        /// `locks`, the lock that was let go longest ago goes first, and its pause is forgotten.
        ///
        /// Zero keeps no such lock, and `usize::MAX` is no bound.
        ///
        /// The default is 1,024 locks, some 660 KB with short keys. So each of a few hundred keys in use may pause, and
        /// outsiders that ask for ever new keys, all of which fail, cannot have the registry keep more. The pause of a
        /// key that is used again and again is not pushed out by such keys.
        ///
        /// A lock that is also kept for [`keep_idle`](Self::keep_idle), or for its value, counts here if its pause
        /// lasts longer. If such a lock is one too many, its pause no longer counts, and the lock stays only for as
        /// long as `keep_idle` or its value says.
        ///
        /// # Examples
        ///
        /// ```
        /// use dogpile::{Backoff, Dogpile, Policy, Registry};
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
        /// Gives each lock a policy, unless its maker gave it one. The policy says how values age, and what happens
        /// when creating goes wrong.
        ///
        /// A lock that [pauses](crate::PolicyBuilder::retry_after) after a failure is kept at least until the pause is
        /// over, even if it has no holder, unless there are [too many](Self::at_most_paused). The next pause can be
        /// longer only if the lock is still there when the next failure comes. For keys that are seldom used,
        /// [`keep_idle`](Self::keep_idle) sees to that. In the same way an old value can be [served on
        /// error](crate::OnError::ServeStale) only while it is kept.
        by rules
    }

    const_fn! {
        /// Has each lock tell its [`Observer`](crate::Observer) which key it is of, as text: in
        /// [`Source::key`](crate::Source).
        ///
        /// `name` is a function, or a closure that captures nothing. It runs once for each lock whose policy has an
        /// observer, when that lock is made, outside every mutex. Such a lock keeps the text and 48 bytes beside it,
        /// and it has the memory for its [`stats`](crate::Status::stats) from the beginning. For other locks `name`
        /// does not run, and they keep nothing.
        ///
        /// # Examples
        ///
        /// ```
        /// use dogpile::{Cached, Observer, Policy, Registry, Source};
        /// use std::{sync::Mutex, time::Duration};
        ///
        /// /// The keys for which a value was created.
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
        /// static PAGES: Registry<u64, Cached<String>> = Registry::new(|_| Cached::new(Duration::from_secs(60)))
        ///     .with_policy(&POLICY)
        ///     .named_by(|key| key.to_string());
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
        /// As [`named_by`](Self::named_by), in place.
        pub(crate) const fn be_named_by(&mut self, name: fn(&K) -> String) {
            self.named_by = Some(name);
        }
    }

    /// Takes over the policy, the bounds and the names of another registry.
    pub(crate) fn ruled_as<M, G>(mut self, other: Registry<K, M, G>) -> Self {
        self.root = self.root.bounded_as(&other.root);
        (self.rules, self.named_by) = (other.rules, other.named_by);
        self
    }

    pub(crate) fn root(&self) -> &Root<K, L> {
        &self.root
    }

    /// Gives a lock that was just made the registry's policy. If the lock then has an observer, tells the lock its key
    /// as text.
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
    /// Returns the lock of that key, and makes it if there is none. Blocks only for the moments in which another thread
    /// uses the same shard.
    ///
    /// A registry in a `static` gives a `Held<'static, …>`. The key may be given in a borrowed form (`str` for
    /// `String`, a slice for a `Vec`), or as a reference to a whole key. An owned key is made only if there is no lock
    /// yet.
    ///
    /// # Panics
    ///
    /// If hashing, comparing or cloning the key panics, or [naming](Self::named_by) it, or the maker. The registry
    /// stays as it was.
    #[inline]
    pub fn get<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Held<'_, K, L>
    where
        K: Borrow<Q>,
    {
        self.root.get(key, |key| self.ruled(key, (self.maker)(key)))
    }

    /// Returns the lock of that key as [`get`](Self::get) does, with a [`Held`] that owns a share of the registry and
    /// may outlive the caller. Blocks as `get` does.
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
    /// Returns the lock of that key, and makes it by this maker if there is none.
    pub(crate) fn get_or(&self, key: &K, maker: impl FnOnce(&K) -> L) -> Held<'_, K, L>
    where
        K: Clone,
    {
        self.root.get(key, |key| self.ruled(key, maker(key)))
    }

    /// Returns the lock of that key, if there is one. Blocks only for the moments in which another thread uses the same
    /// shard.
    ///
    /// The look-up is a use of the lock: the time for which the lock is kept [idle](Self::keep_idle) begins anew when
    /// the lock is let go.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key panics.
    pub fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Held<'_, K, L>>
    where
        K: Borrow<Q>,
    {
        self.root.find(key)
    }

    /// Removes the lock of that key, with its value and its state, if the lock is [idle](Self::keep_idle). Returns
    /// whether it was. Blocks only for the moments in which another thread uses the same shard.
    ///
    /// A lock that is held stays as it is. This includes a lock that is held only by a loop over [`iter`](Self::iter)
    /// around this call: such a loop should collect the keys first. To have the value of a held lock made anew,
    /// invalidate the lock.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key panics, or the drop of what is removed.
    pub fn remove_idle<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.root.remove_idle(key)
    }

    /// Returns whether a creation is running for that key. Blocks only for the moments in which another thread uses the
    /// same shard.
    ///
    /// This makes no lock, and is no use of one.
    ///
    /// # Panics
    ///
    /// If hashing or comparing the key panics.
    pub fn is_creating<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.root.ask(key, |lock| lock.dogpile().is_creating()).unwrap_or(false)
    }
}

impl<K, L: Lock, F> Registry<K, L, F> {
    /// Returns how many keys live: the keys that are held, and the idle keys that are kept. Blocks only for the moments
    /// in which other threads use the shards.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Returns whether no key lives. Blocks only for the moments in which other threads use the shards.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an iterator over the keys that live, in no order. Each key is [held](Held) while it is looked at. Blocks
    /// only for the moments in which other threads use the shards.
    ///
    /// A key that lives all the while is seen once. A key that comes or goes meanwhile may be seen or not. A look is no
    /// use of a key: an idle key goes when it would have gone without the look.
    pub fn iter(&self) -> Iter<'_, K, L> {
        Iter::new(&self.root)
    }

    /// Removes all locks that have been [idle](Self::keep_idle) for too long. Returns how many. Blocks only for the
    /// moments in which other threads use the shards.
    ///
    /// This is for a registry that may come to lie unused. In a registry that is used, the threads that use it remove
    /// such locks. A sweep removes a few locks at a time, so that no other thread has to wait for long.
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
