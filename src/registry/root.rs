//! The part of a registry that each holder of an entry needs: everything but the maker.
//!
//! The transitions of an entry are in [`shard`](super::shard), under the mutex of one shard. Here is what runs around
//! that mutex: how a key is hashed, how a clock is read, how entries are let go, swept and evicted, and how an entry
//! that has left its table is dropped.

use super::bounds::{Bounds, Kind};
use super::shard::{Entry, Evicted, KeptUntil, Shard, Table};
use super::sharding::{SHARDS, shard_of};
use crate::clock::Clock;
use crate::lock::Lock;
use crate::sync::{Arc, MutexGuard, OnceLock, const_fn};
use crossbeam_utils::CachePadded;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// How many entries a holder that lets go looks at, in each of two shards.
const SWEPT_AT_ONCE: usize = 4;

/// How many entries [`sweep`](Root::sweep) looks at before it releases the mutex, so that other threads come in.
const SWEPT_IN_A_ROW: usize = 64;

/// Keys come from outside, so outsiders must not be able to foresee their hashes. In a model they are the same in each
/// run.
#[cfg(not(dogpile_loom))]
type Hashes = std::hash::RandomState;
#[cfg(dogpile_loom)]
type Hashes = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

pub(crate) struct Root<K, L> {
    shards: [CachePadded<Shard<K, L>>; SHARDS],
    /// How long idle entries are kept, in nanoseconds. `None` leaves that to the locks.
    keep_idle: Option<u64>,
    bounds: Bounds,
    /// The hasher is made on first use, because a `static` cannot draw random numbers.
    hashes: OnceLock<Hashes>,
}

impl<K, L> Root<K, L> {
    #[cfg(not(dogpile_loom))]
    pub(super) const fn new() -> Self {
        Self {
            shards: [const { CachePadded::new(Shard::new()) }; SHARDS],
            keep_idle: None,
            bounds: Bounds::new(),
            hashes: OnceLock::new(),
        }
    }

    #[cfg(dogpile_loom)]
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| CachePadded::new(Shard::new()));
        Self { shards, keep_idle: None, bounds: Bounds::new(), hashes: OnceLock::new() }
    }

    const_fn! {
        pub(super) const fn keep_idle(&mut self, nanoseconds: u64) {
            self.keep_idle = Some(nanoseconds);
        }
    }

    const_fn! {
        pub(super) const fn at_most(&mut self, kind: Kind, entries: usize) {
            self.bounds.at_most(kind, entries);
        }
    }

    /// Takes over the bounds of another root. There must be no entry in this one yet.
    pub(super) fn bounded_as<J, M>(mut self, other: &Root<J, M>) -> Self {
        self.bounds.be_those_of(&other.bounds);
        self
    }

    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hashes.get_or_init(Hashes::default).hash_one(key)
    }

    fn table(&self, hash: u64) -> MutexGuard<'_, Table<K, L>> {
        self.shards[shard_of(hash)].lock()
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Calls `ask` with the lock of that key, if there is one. The lock's entry is not held: `ask` runs under the
    /// mutex.
    pub(super) fn ask<Q: Hash + Eq + ?Sized, A>(&self, key: &Q, ask: impl FnOnce(&L) -> A) -> Option<A>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let table = self.table(hash);
        table.find(hash, key).map(|entry| ask(&entry.lock))
    }
}

impl<K: Hash + Eq, L: Lock> Root<K, L> {
    pub(super) fn find_entry<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<Arc<Entry<K, L>>>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        self.table(hash).look_up(hash, key)
    }

    pub(super) fn remove_idle<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let removed = self.table(hash).remove_idle(hash, key, &self.bounds);
        removed.is_some() // `removed` is dropped after the mutex was released
    }

    pub(super) fn get_entry<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(
        &self,
        key: &Q,
        maker: impl FnOnce(&K) -> L,
    ) -> Arc<Entry<K, L>>
    where
        K: Borrow<Q>,
    {
        let hash = self.hash(key);
        let found = self.table(hash).look_up(hash, key);
        found.unwrap_or_else(|| {
            let key = key.to_owned();
            let lock = maker(&key);
            let made = Entry::new(key, lock, hash);
            let there = self.table(hash).insert(&made);
            // If another thread was faster, `made` is dropped here, outside the mutex.
            there.unwrap_or(made)
        })
    }
}

impl<K, L: Lock> Root<K, L> {
    /// Takes a holder of an entry away. `looking` says that this holder has only looked at the entry, and has not used
    /// it.
    pub(super) fn let_go(&self, entry: &Arc<Entry<K, L>>, looking: bool) {
        if entry.let_go_unless_last() {
            return;
        }
        let lock = entry.lock.dogpile();
        // The clock is the user's. So it is read outside the mutex, and if it panics, the entry is let go all the same.
        let now = || catch_unwind(AssertUnwindSafe(|| lock.clock().now()));
        let keeps = self.keep_idle.map_or(L::OWNS_ITS_VALUE, |idle_for| idle_for != 0);
        let read = if keeps { now().map(Some) } else { Ok(None) };
        let used = read.as_ref().ok().copied().flatten();
        let mut table = self.table(entry.hash);
        // The lock is asked for its value and its pause only now, under the mutex. Meanwhile another holder may have
        // come and gone, and may have created a value or failed.
        let gone = table.let_go(entry, looking, &self.bounds, |before| {
            // A look does not prolong the time for which an entry is kept.
            let before = Some(before).filter(|before| looking && *before != 0);
            let idle = match (self.keep_idle, used) {
                (None, Some(now)) => lock.worth_keeping_until(now, before),
                (idle_for, now) => before.or_else(|| Some(now?.saturating_add(idle_for?))),
            };
            KeptUntil { idle, paused: lock.paused_until() }
        });
        let read = match read {
            Ok(None) if table.has_queued() => {
                drop(table);
                let read = now();
                table = self.table(entry.hash);
                read.map(Some)
            }
            read => read,
        };
        match read {
            Ok(Some(now)) => self.sweep_some(table, now),
            _ => drop(table),
        }
        let too_many = self.evict();
        drop((gone, too_many)); // the mutex was released above
        if let Err(panic) = read {
            // A second panic, beside the one that unwinds this thread already, would end the process.
            if !thread::panicking() {
                resume_unwind(panic);
            }
        }
    }

    /// Removes a few entries that have been idle for too long, in that shard and in one other shard. The other shard is
    /// the next one each time.
    fn sweep_some(&self, mut table: MutexGuard<'_, Table<K, L>>, now: u64) {
        let mut gone = Vec::new();
        table.sweep(now, SWEPT_AT_ONCE, &self.bounds, &mut gone);
        table.next_to_visit = (table.next_to_visit + 1) % SHARDS;
        let next = table.next_to_visit;
        drop(table);
        self.shards[next].lock().sweep(now, SWEPT_AT_ONCE, &self.bounds, &mut gone);
        drop(gone);
    }

    pub(super) fn sweep(&self) -> usize {
        self.shards.iter().map(|shard| self.sweep_shard(shard)).sum()
    }

    /// Takes out each entry that is one too many. The entries that were let go longest ago go first. The caller drops
    /// them outside every mutex.
    fn evict(&self) -> Vec<Arc<Entry<K, L>>> {
        let mut gone = Vec::new();
        // Paused entries come first: one that is kept without its pause counts as idle from then on.
        for kind in [Kind::Paused, Kind::Idle] {
            while self.bounds.claim(kind) {
                match self.evict_one(kind) {
                    Evicted::Gone(entry) => gone.push(entry),
                    Evicted::Stays => {}
                    Evicted::None => {
                        self.bounds.one_more(kind);
                        break;
                    }
                }
            }
        }
        gone
    }

    fn evict_one(&self, kind: Kind) -> Evicted<K, L> {
        while let Some(shard) = self.bounds.oldest(kind) {
            let evicted = self.shards[shard].lock().evict(kind, &self.bounds);
            if !matches!(evicted, Evicted::None) {
                return evicted;
            }
        }
        Evicted::None
    }

    fn sweep_shard(&self, shard: &Shard<K, L>) -> usize {
        let Some(queued) = shard.lock().any_queued() else { return 0 };
        // The clock is read outside the mutex, as in `let_go`.
        let now = queued.lock.dogpile().clock().now();
        drop(queued);
        let mut swept = 0;
        loop {
            let mut gone = Vec::with_capacity(SWEPT_IN_A_ROW);
            let more = shard.lock().sweep(now, SWEPT_IN_A_ROW, &self.bounds, &mut gone);
            swept += gone.len();
            if !more {
                return swept;
            }
        }
    }

    /// Holds the entries of that shard, so that they can be looked at. Returns `None` past the last shard.
    pub(super) fn hold_entries(&self, shard: usize) -> Option<Vec<Arc<Entry<K, L>>>> {
        Some(self.shards.get(shard)?.lock().hold_all())
    }
}
