//! The store of the values that a process keeps decoded.
//!
//! It is a [`Cache`] of `quick_cache`, which bounds it and chooses what goes. The store adds until when a value serves,
//! and a hasher. Which of two values is the newer one, the slot of the key decides.
//!
//! # The states of a value
//!
//! | state | a hit | a peek | goes on with |
//! |---|---|---|---|
//! | *serving*, before its time | finds it | finds it | its time is over, or `end_service`: *old* |
//! | *old* | finds nothing | finds it | a put: another value, *serving* |
//! | *gone*: removed, or evicted in either state | finds nothing | finds nothing | a put |
//!
//! # What a hit costs
//!
//! A hit hashes the key, takes the lock of the key's part shared with other readers, clones the value, and compares one
//! number. It writes the lock's count, the value's reference count, and the mark of use as long as that is not full.
//!
//! # What runs under a lock
//!
//! `Hash` and `Eq` of the keys run under the lock of the key's part: they must not use the region. `Clone` of `T` does,
//! too, which is a reference count. The weigher runs before, once per value. The drop of keys and values, whether they
//! were replaced, removed or evicted, runs after, so that it may use the store. The cache's own locks do not poison: an
//! `Eq` that panics leaves all as it was.

use crate::hasher::{Hasher, hasher};
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A part has room for this many values at least, or there are fewer parts.
const SMALLEST_PART: usize = 32;

/// With more parts, a heavy value does not fit into its part.
const MOST_PARTS_BY_WEIGHT: usize = 64;

type Weigher<T> = Box<dyn Fn(&T) -> u64 + Send + Sync>;

/// The values that a process keeps decoded, by key.
///
/// Each value serves hits until a time. After that the value stays, as the old value, until it is evicted.
pub(crate) struct NearStore<O, T> {
    cache: Cache<O, Entry<T>, Weigh, Hasher, DropLater<O, T>>,
    weigher: Option<Weigher<T>>,
}

struct Entry<T> {
    value: T,
    /// In nanoseconds of the process's monotonic clock. All accesses hold a lock of the cache, so `Relaxed` will do:
    /// readers share that lock, and `end_service` has it alone. The atomic is for the mutation through a `&Entry`.
    serves_until: AtomicU64,
    weight: u64,
}

impl<O: Hash + Eq, T: Clone> NearStore<O, T> {
    /// Makes a store for so many values.
    pub(crate) fn holding(entries: usize) -> NearStore<O, T> {
        let weight = entries.try_into().unwrap_or(u64::MAX);
        NearStore::with(entries, parts(entries, usize::MAX), weight, None)
    }

    /// Makes a store for so much weight.
    pub(crate) fn weighing(most: u64, weigher: impl Fn(&T) -> u64 + Send + Sync + 'static) -> NearStore<O, T> {
        let thought = most.min(super::THOUGHT).try_into().unwrap_or(usize::MAX);
        NearStore::with(thought, parts(thought, MOST_PARTS_BY_WEIGHT), most, Some(Box::new(weigher)))
    }

    fn with(entries: usize, parts: usize, weight: u64, weigher: Option<Weigher<T>>) -> NearStore<O, T> {
        // There are four parts at least when the weight is large. So the weight of a full part and of a value that fits
        // into it do not overflow in sum.
        let each = weight / parts as u64;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .shards(parts)
            .weight_capacity(each * parts as u64)
            .build()
            .expect("both capacities are given");
        let cache = Cache::with_options(options, Weigh, hasher(), DropLater(PhantomData));
        NearStore { cache, weigher }
    }

    /// Returns the value if it serves at the time `now`.
    #[inline]
    pub(crate) fn hit<Q>(&self, key: &Q, now: u64) -> Option<T>
    where
        O: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        // Field by field. `?` would move the entry as a whole, by loads that are wider than the stores just before
        // them.
        #[allow(clippy::question_mark)]
        let Some(Entry { value, serves_until, .. }) = self.cache.get(key) else { return None };
        if now < serves_until.into_inner() { Some(value) } else { None }
    }

    /// Returns the value, and until when it serves hits, whether that time is over or not. This does not count as a
    /// use of the value.
    pub(crate) fn peek<Q>(&self, key: &Q) -> Option<(T, u64)>
    where
        O: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let entry = self.cache.peek(key)?;
        Some((entry.value, entry.serves_until.into_inner()))
    }

    /// Keeps a value in place of what is there. A value that is heavier than its part is not kept, and what was there
    /// is gone all the same.
    ///
    /// Returns what has gone, for the caller to drop outside of its mutexes: keys and values are the user's.
    pub(crate) fn put(&self, key: O, value: T, serves_until: u64) -> impl Sized + use<O, T> {
        let entry = self.entry(value, serves_until);
        self.cache.insert_with_lifecycle(key, entry)
    }

    /// Takes a value away.
    pub(crate) fn remove<Q>(&self, key: &Q) -> Option<T>
    where
        O: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.cache.remove(key).map(|(_, entry)| entry.value)
    }

    /// Makes the value serve no hit any more; it stays as the old value. Says whether there is one.
    pub(crate) fn end_service<Q>(&self, key: &Q) -> bool
    where
        O: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut found = false;
        // The one way to an entry in its place that does not count as a use of it.
        let gone = self.cache.remove_if(key, |entry| {
            entry.serves_until.store(0, Relaxed);
            found = true;
            false
        });
        debug_assert!(gone.is_none());
        found
    }

    /// Takes all values away that are there now. A value that is put meanwhile may stay or go.
    pub(crate) fn clear(&self) {
        // `Cache::clear` drops the values under its lock.
        self.cache.drain().for_each(drop);
    }

    /// Returns how many values are there.
    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    /// Returns the weight of the values that are there. Without a weigher each weighs one.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.cache.weight()
    }

    fn entry(&self, value: T, serves_until: u64) -> Entry<T> {
        let weight = self.weigher.as_ref().map_or(1, |weigher| weigher(&value).max(1));
        Entry { value, serves_until: AtomicU64::new(serves_until), weight }
    }
}

/// Returns how many parts there are for so many values.
fn parts(entries: usize, most: usize) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = (threads * 4).next_power_of_two().min(most);
    while parts > 1 && entries / parts < SMALLEST_PART {
        parts /= 2;
    }
    parts
}

impl<T: Clone> Clone for Entry<T> {
    #[inline]
    fn clone(&self) -> Entry<T> {
        let serves_until = AtomicU64::new(self.serves_until.load(Relaxed));
        Entry { value: self.value.clone(), serves_until, weight: self.weight }
    }
}

impl<O, T> fmt::Debug for NearStore<O, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearStore").finish_non_exhaustive()
    }
}

/// Gives the weight that an entry was put with. The cache asks under its lock.
#[derive(Clone)]
struct Weigh;

impl<O, T> Weighter<O, Entry<T>> for Weigh {
    #[inline]
    fn weight(&self, _: &O, entry: &Entry<T>) -> u64 {
        entry.weight
    }
}

/// Collects what a change evicts, so that it is dropped after the cache's lock. (The cache's own way does so with two
/// entries, and drops more than that under the lock.)
struct DropLater<O, T>(PhantomData<fn() -> (O, T)>);

impl<O, T> Clone for DropLater<O, T> {
    fn clone(&self) -> DropLater<O, T> {
        DropLater(PhantomData)
    }
}

/// The first has room of its own, since most changes evict one entry at most.
struct Gone<O, T>(Option<(O, Entry<T>)>, Vec<(O, Entry<T>)>);

impl<O, T> Lifecycle<O, Entry<T>> for DropLater<O, T> {
    type RequestState = Gone<O, T>;

    #[inline]
    fn begin_request(&self) -> Gone<O, T> {
        Gone(None, Vec::new())
    }

    fn on_evict(&self, gone: &mut Gone<O, T>, key: O, entry: Entry<T>) {
        match gone.0 {
            None => gone.0 = Some((key, entry)),
            Some(_) => gone.1.push((key, entry)),
        }
    }
}
