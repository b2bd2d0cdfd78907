//! The entries of a registry, and when they go: a table behind a mutex.
//!
//! # States of an entry
//!
//! | state | in the table | holders | in the queue of the idle |
//! |---|---|---|---|
//! | held | yes | 1 or more | no |
//! | idle (`keep_idle`, or paused after a failure) | yes | 0 | yes, until its time is up |
//! | gone | no | 0 | no |
//!
//! # Transitions
//!
//! | name | from → to | holders | how |
//! |---|---|---|---|
//! | look up | held → held, idle → held | + 1 | mutex |
//! | insert | - → held | 1 | mutex, unless somebody else was faster; what was made in vain is dropped after it |
//! | clone | held → held | + 1 | no mutex: whoever clones is a holder |
//! | let go, one of several | held → held | - 1 | no mutex: a compare-and-swap from 2 or more |
//! | let go, the last | held → idle, if it is to be kept or its lock is paused; else held → gone | 0 | mutex |
//! | sweep | idle → gone | 0 | mutex, when its time is up |
//! | remove | idle → gone | 0 | mutex |
//!
//! # Why it holds
//!
//! - *One lock a key.* An entry leaves the table under the mutex, and only while it has no holder; it gets its first
//!   holder anew under the mutex, and only while it is in the table. So who looks a key up finds the entry that others
//!   hold, and who holds one that is gone does not exist.
//! - *A pause is not forgotten.* Whether its lock is paused is asked when its last holder has let go, under the mutex; whoever failed
//!   began the pause while it was a holder.
//! - *Nothing is left.* From 1 to 0 the count goes under the mutex alone, and whoever takes it there sees to the entry.
//! - *No user code under the mutex (C22),* but for the comparison of keys: keys are hashed, cloned and dropped, locks made
//!   and dropped, and clocks read, before or after. What leaves the table is carried out and dropped after the mutex.

use crate::sync::{Arc, AtomicU64, Mutant, Mutex, MutexGuard, Ordering, const_fn, mutant, unique};
use hashbrown::HashTable;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// A key, its lock, and who holds it.
#[derive(Debug)]
pub(super) struct Entry<K, L> {
    pub(super) key: K,
    pub(super) lock: L,
    pub(super) hash: u64,
    holders: AtomicU64,
    /// Until when it is kept, as it was last idle, in nanoseconds of its lock's clock; 0 since it is in use. Under the
    /// mutex, as `ticket`.
    until: AtomicU64,
    /// Its place in the queue of the idle, behind `until`.
    ticket: AtomicU64,
}

impl<K, L> Entry<K, L> {
    /// Held once, by whoever makes it.
    pub(super) fn new(key: K, lock: L, hash: u64) -> Arc<Self> {
        let [until, ticket] = [0, 0].map(AtomicU64::new);
        Arc::new(Self { key, lock, hash, holders: AtomicU64::new(1), until, ticket })
    }

    /// One more holder, beside one.
    pub(super) fn hold_once_more(&self) {
        // Relaxed: a holder exists, so nothing is decided by this.
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// One holder fewer, unless it is the last.
    pub(super) fn let_go_unless_last(&self) -> bool {
        let fewer = |holders| (holders > 1).then(|| holders - 1);
        // Release: pairs with the acquire of the last one, in `was_the_last`: what was done while holding it happens before the
        // entry goes. Relaxed: the others only try again.
        self.holders.fetch_update(Ordering::Release, Ordering::Relaxed, fewer).is_ok()
    }

    /// Where it is in the queue of the idle, if it is. Under the mutex.
    fn place(&self) -> (u64, u64) {
        // Relaxed: under the mutex.
        (self.until.load(Ordering::Relaxed), self.ticket.load(Ordering::Relaxed))
    }

    /// One holder fewer, under the mutex; returns whether it was the last.
    fn was_the_last(&self) -> bool {
        // Acquire: pairs with the release in `let_go_unless_last`. Release: for the last one, if this was not it.
        self.holders.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// The entries whose hashes lead here.
#[derive(Debug)]
pub(super) struct Shard<K, L>(Mutex<Table<K, L>>);

#[derive(Debug)]
pub(super) struct Table<K, L> {
    /// With their hashes, so that growing and shrinking look at nothing else.
    entries: HashTable<(u64, Arc<Entry<K, L>>)>,
    /// Those without holders, by when they are to go.
    idle: BTreeMap<(u64, u64), Arc<Entry<K, L>>>,
    /// Which shard is looked after next by one that lets go here.
    pub(super) next_to_visit: usize,
}

/// A table with less room than that is not worth shrinking.
const SMALL: usize = 16;

impl<K, L> Shard<K, L> {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self(Mutex::new(Table { entries: HashTable::new(), idle: BTreeMap::new(), next_to_visit: 0 }))
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table<K, L>> {
        self.0.lock()
    }
}

impl<K, L> Table<K, L> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether any of them is idle.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    pub(super) fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q) -> Option<&Arc<Entry<K, L>>>
    where
        K: Borrow<Q>,
    {
        let found = self.entries.find(hash, |(its, entry)| *its == hash && entry.key.borrow() == key);
        found.map(|(_, entry)| entry)
    }

    /// Looks a key up, and holds what it finds.
    pub(super) fn look_up<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<Arc<Entry<K, L>>>
    where
        K: Borrow<Q>,
    {
        let entry = Arc::clone(self.find(hash, key)?);
        self.hold(&entry);
        // Relaxed: under the mutex.
        entry.until.store(0, Ordering::Relaxed);
        Some(entry)
    }

    /// Holds it, and takes it out of the queue of the idle if it was there. It stays in the table, so that nothing is dropped here.
    fn hold(&mut self, entry: &Entry<K, L>) {
        // Relaxed: under the mutex, as all decisions.
        if entry.holders.fetch_add(1, Ordering::Relaxed) == 0 {
            self.idle.remove(&entry.place());
        }
    }

    /// Inserts what was made, and is held by its maker. If somebody else was faster it does not, and returns what is there, held.
    pub(super) fn insert(&mut self, made: &Arc<Entry<K, L>>) -> Option<Arc<Entry<K, L>>>
    where
        K: Eq,
    {
        let there = self.look_up(made.hash, &made.key);
        if there.is_none() {
            self.entries.insert_unique(made.hash, (made.hash, Arc::clone(made)), |(hash, _)| *hash);
        }
        there
    }

    /// One holder fewer. If it was the last, the entry stays as long as it is to be idle or its lock is paused, which is asked then;
    /// or else it goes, and is returned to be dropped outside the mutex. `looking` says that it was not in use, only looked at: then
    /// it is not idle for any longer than it would have been.
    #[must_use]
    pub(super) fn let_go(
        &mut self,
        entry: &Arc<Entry<K, L>>,
        looking: bool,
        idle_until: Option<u64>,
        paused_until: impl FnOnce() -> Option<u64>,
    ) -> Option<Arc<Entry<K, L>>> {
        if !entry.was_the_last() && !mutant(Mutant::LastWithoutALook) {
            return None;
        }
        // Relaxed, all: under the mutex.
        let idle_until = match entry.until.load(Ordering::Relaxed) {
            before if looking && before != 0 => Some(before),
            _ => idle_until,
        };
        let Some(until) = idle_until.max(paused_until()).map(|until| until.max(1)) else { return self.remove(entry) };
        let ticket = unique();
        entry.until.store(until, Ordering::Relaxed);
        entry.ticket.store(ticket, Ordering::Relaxed);
        self.idle.insert((until, ticket), Arc::clone(entry));
        None
    }

    #[must_use]
    fn remove(&mut self, entry: &Arc<Entry<K, L>>) -> Option<Arc<Entry<K, L>>> {
        let found = self.entries.find_entry(entry.hash, |(_, there)| Arc::ptr_eq(there, entry));
        let removed = found.ok().map(|found| found.remove().0.1);
        // Memory follows the entries that live. Growing doubles and this halves, so it is paid for by what came between.
        // (Not `capacity`, which counts places that lie waste after a removal as taken.)
        let room = self.entries.num_buckets();
        if room > SMALL && self.entries.len() < room / 8 {
            self.entries.shrink_to(room / 4, |(hash, _)| *hash);
        }
        removed
    }

    /// Removes at most that many whose time is up; they are to be dropped outside the mutex.
    pub(super) fn sweep(&mut self, now: u64, at_most: usize, gone: &mut Vec<Arc<Entry<K, L>>>) {
        for _ in 0..at_most {
            let Some(first) = self.idle.first_entry().filter(|first| first.key().0 <= now) else { break };
            let idle = first.remove();
            gone.extend(self.remove(&idle));
        }
        if self.idle.is_empty() {
            self.idle = BTreeMap::new(); // an emptied one keeps a node
        }
    }

    /// Removes what there is under a key, if it is idle; it is to be dropped outside the mutex.
    #[must_use]
    pub(super) fn remove_idle<Q: Eq + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<Arc<Entry<K, L>>>
    where
        K: Borrow<Q>,
    {
        let entry = Arc::clone(self.find(hash, key)?);
        let idle = self.idle.remove(&entry.place())?;
        self.remove(&idle)
    }

    /// One of the idle, if there is any.
    pub(super) fn any_idle(&self) -> Option<Arc<Entry<K, L>>> {
        self.idle.first_key_value().map(|(_, entry)| Arc::clone(entry))
    }

    /// Holds all there are, to look at them.
    pub(super) fn hold_all(&mut self) -> Vec<Arc<Entry<K, L>>> {
        let all: Vec<_> = self.entries.iter().map(|(_, entry)| Arc::clone(entry)).collect();
        for entry in &all {
            self.hold(entry);
        }
        all
    }
}
