//! A registry but for its maker: what all who hold an entry need of it.

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

/// How many entries of each of two shards one who lets go looks at.
const SWEPT_AT_ONCE: usize = 4;

/// How many [`sweep`](Root::sweep) looks at before it lets others in.
const SWEPT_IN_A_ROW: usize = 64;

/// Keys come from outside, so their hashes must not be foreseen. A model is to be the same in each of its runs.
#[cfg(not(dogpile_loom))]
type Hashes = std::hash::RandomState;
#[cfg(dogpile_loom)]
type Hashes = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

pub(crate) struct Root<K, L> {
    shards: [CachePadded<Shard<K, L>>; SHARDS],
    /// How long entries are kept that nobody holds, in nanoseconds, if that was said; else it is up to the locks.
    keep_idle: Option<u64>,
    bounds: Bounds,
    /// Made on first use: a `static` cannot draw random numbers.
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

    /// With the bounds of another, before there is anything in it.
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

    /// Asks the lock of that key, without holding it. `ask` runs under the mutex.
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
        removed.is_some() // and dropped after the mutex
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
            // If somebody else was faster, what was made is dropped here.
            there.unwrap_or(made)
        })
    }
}

impl<K, L: Lock> Root<K, L> {
    /// One holder of that entry fewer. `looking` says that it was not in use, only looked at.
    pub(super) fn let_go(&self, entry: &Arc<Entry<K, L>>, looking: bool) {
        if entry.let_go_unless_last() {
            return;
        }
        let lock = entry.lock.dogpile();
        // The clock is the user's: it stays outside the mutex, and if it panics the entry is let go all the same.
        let now = || catch_unwind(AssertUnwindSafe(|| lock.clock().now()));
        let keeps = self.keep_idle.map_or(L::OWNS_ITS_VALUE, |idle_for| idle_for != 0);
        let read = if keeps { now().map(Some) } else { Ok(None) };
        let used = read.as_ref().ok().copied().flatten();
        let mut table = self.table(entry.hash);
        // A value and a pause are asked for only now, since a holder may have come and gone meanwhile, and have created
        // or failed.
        let gone = table.let_go(entry, looking, &self.bounds, |before| {
            // What was only looked at is idle for no longer than it would have been.
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
        drop((gone, too_many)); // after the mutex
        if let Err(panic) = read {
            // Beside another panic it would end the process.
            if !thread::panicking() {
                resume_unwind(panic);
            }
        }
    }

    /// Removes a few that have been idle for too long, in that shard and in one other in turn.
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

    /// Takes out as many as are too many: those that have been idle for longest. They are to be dropped outside every
    /// mutex.
    fn evict(&self) -> Vec<Arc<Entry<K, L>>> {
        let mut gone = Vec::new();
        // In this order: what is kept without its pause counts as idle.
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
        // Outside the mutex, as above.
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

    /// Holds the entries of that shard, to look at them; `None` past the last shard.
    pub(super) fn hold_entries(&self, shard: usize) -> Option<Vec<Arc<Entry<K, L>>>> {
        Some(self.shards.get(shard)?.lock().hold_all())
    }
}
