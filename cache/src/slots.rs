//! The table of the keys in use: one slot a key, shared by all accesses of the process that use the key.
//!
//! A slot is what a region keeps of a key beside its value: the lock of the key, and what the process remembers of it.
//! Keys come from strangers, so a region has no slot of most keys: a slot is made when a key is first held, and goes
//! when nothing needs it.
//!
//! # The states of a slot
//!
//! | state | in the table | holders | goes on with |
//! |---|---|---|---|
//! | *held* | yes | one or more | the last holder lets go: *idle*, *pinned* or *gone*, as [`Idle`] says |
//! | *idle* until a time | yes; counted by [`Slots::idle`], `most_idle` at most | none | a hold or a find: *held*. The time is over, or there are too many: *gone* |
//! | *pinned*: [`Until::Always`] | yes; not counted | none | a hold or a find: *held* |
//! | *gone* | no | none | the next hold of the key makes another slot |
//!
//! If there are too many idle slots, the one whose time is over first goes first.
//!
//! # How memory is given back
//!
//! A hold takes away a few idle slots whose time is over: some of its own shard, and some of another shard, each in its
//! turn. It adds one slot at most. So the holds of one key are enough to empty the table of all others, and no hold has
//! much of that to do. The tables of the shards shrink when they are nearly empty.
//!
//! # What runs under a mutex
//!
//! Each shard has a mutex. Under it runs `Eq` of the keys, and no other code of the user's. `Hash`, the clone of a key,
//! the maker of a slot, `needed_until`, and the drop of keys and slots run outside, so that they may use the table. An
//! `Eq` that panics does no harm. An `Eq` that uses the table is a deadlock.
//!
//! No thread holds two of these mutexes.
//!
//! Most accesses hold no slot at all: the module [`buckets`] tells them that their key has none.

mod buckets;
mod shard;

pub(crate) use self::buckets::Alone;

use self::buckets::Buckets;
use self::shard::{Shard, Slot};
use crate::hasher::{Hasher, hasher};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many shards there are. Threads that use different keys meet in one of 32 rarely, and to look at the first due
/// time of each is not much.
const SHARDS: usize = 32;

/// What a slot tells its table when its last holder lets go.
pub(crate) trait Idle {
    /// Returns how long the slot is needed without a holder. Called without a mutex, possibly several times; must not
    /// panic.
    fn needed_until(&self) -> Until;
}

/// How long a slot without a holder is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Until {
    /// The slot is of no use without a holder.
    Never,
    /// Until this time, in nanoseconds of the process's monotonic clock. It may be evicted before. `u64::MAX` is for
    /// ever.
    Time(u64),
    /// For ever, and it is not evicted: for what would be wrong to forget.
    Always,
}

/// The slots of the keys in use.
pub(crate) struct Slots<O, S> {
    shards: [Shard<O, S>; SHARDS],
    hashes: Hasher,
    /// `None`: nobody asks whether a key is alone.
    buckets: Option<Arc<Buckets>>,
    most_idle: usize,
    /// How many slots are idle; changed under the mutex of the slot's shard.
    idle: AtomicUsize,
}

impl<O, S: Idle> Slots<O, S> {
    /// Makes an empty table, in which at most `most_idle` slots are idle. With zero, a slot without a holder is gone at
    /// once, unless it is pinned. `tells_alone`: [`alone`](Self::alone) is asked.
    pub(crate) fn new(most_idle: usize, tells_alone: bool) -> Slots<O, S> {
        let shards = std::array::from_fn(|_| Shard::new());
        Slots {
            shards,
            hashes: hasher(),
            buckets: tells_alone.then(Buckets::new),
            most_idle,
            idle: AtomicUsize::new(0),
        }
    }

    /// Returns the slot of the key, made by `make` if there is none. Two threads that hold a key for the first time may
    /// both make a slot: both get the same one, and the other is dropped.
    ///
    /// `now` is in nanoseconds of the process's monotonic clock. A slot whose time is over is not found, whether its
    /// memory was given back or not.
    pub(crate) fn hold<Q>(self: &Arc<Self>, key: &Q, now: u64, make: impl FnOnce(&O) -> S) -> HeldSlot<O, S>
    where
        O: Borrow<Q>,
        Q: ToOwned<Owned = O> + Hash + Eq + ?Sized,
    {
        let hash = self.hashes.hash_one(key);
        // The slots that have gone are dropped at the end, outside the mutexes.
        let mut gone = Vec::new();
        let (found, other) = self.shard(hash).hold(hash, key, now, &self.idle, &mut gone);
        let slot = found.unwrap_or_else(|| {
            let owned = key.to_owned();
            let state = make(&owned);
            let new = Arc::new(Slot::new(owned, hash, state, self.buckets.as_ref().map(|buckets| buckets.add(hash))));
            // If another thread was faster, `new` is dropped here.
            self.shard(hash).insert(key, &new, &self.idle).unwrap_or(new)
        });
        let held = self.held(slot);
        self.shards[other % SHARDS].sweep_if_due(now, &self.idle, &mut gone);
        held
    }

    /// Returns a guard if no key that shares a bucket with this one has a slot, and no other guard is there.
    pub(crate) fn alone<Q: Hash + ?Sized>(&self, key: &Q) -> Option<Alone<'_>>
    where
        O: Borrow<Q>,
    {
        self.buckets.as_ref()?.alone(self.hashes.hash_one(key))
    }

    /// Returns the slot of the key if it is in the table. A find knows no time, so it also finds a slot whose time is
    /// over and that was not taken away yet.
    #[cfg(test)]
    pub(crate) fn find<Q>(self: &Arc<Self>, key: &Q) -> Option<HeldSlot<O, S>>
    where
        O: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hashes.hash_one(key);
        let found = self.shard(hash).find(hash, key, &self.idle);
        found.map(|slot| self.held(slot))
    }

    /// Returns how many slots are in the table.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Returns how many slots are idle. The pinned ones do not count.
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Relaxed)
    }

    /// Calls `f` with each slot that is held, outside of the mutexes. Slots that come or go meanwhile may be left out.
    #[cfg(test)]
    pub(crate) fn for_each_held(self: &Arc<Self>, f: impl FnMut(&HeldSlot<O, S>)) {
        self.visit(true, f);
    }

    /// Calls `f` with each slot in the table, outside of the mutexes. An idle or pinned slot is held for that time, and
    /// is asked again how long it is needed. Slots that come or go meanwhile may be left out.
    #[cfg(test)]
    pub(crate) fn for_each(self: &Arc<Self>, f: impl FnMut(&HeldSlot<O, S>)) {
        self.visit(false, f);
    }

    #[cfg(test)]
    fn visit(self: &Arc<Self>, held_only: bool, mut f: impl FnMut(&HeldSlot<O, S>)) {
        for shard in &self.shards {
            let slots = shard.hold_all(held_only, &self.idle);
            // All get their guards at once, so that a panic of `f` lets all go.
            let slots: Vec<_> = slots.into_iter().map(|slot| self.held(slot)).collect();
            slots.iter().for_each(&mut f);
        }
    }

    fn shard(&self, hash: u64) -> &Shard<O, S> {
        // The tables take the top seven bits and the lowest ones.
        #[allow(clippy::cast_possible_truncation)] // A few bits are wanted.
        let number = (hash >> 40) as usize;
        &self.shards[number % SHARDS]
    }

    fn held(self: &Arc<Self>, slot: Arc<Slot<O, S>>) -> HeldSlot<O, S> {
        HeldSlot { slot, slots: Arc::clone(self) }
    }

    fn let_go(&self, slot: &Arc<Slot<O, S>>) {
        loop {
            // This comes before the look at the number of holders: see `Slot::holds`.
            let holds = slot.holds();
            if slot.let_go_unless_last() {
                return;
            }
            let until = slot.state.needed_until();
            let mut gone = Vec::new();
            if self.shard(slot.hash).let_go(slot, holds, until, &self.idle, &mut gone) {
                break;
            }
        }
        self.evict();
    }

    /// Takes idle slots away until there are no more than `most_idle`.
    ///
    /// Each thread that makes a slot idle comes here after that, and sees that slot at least. So no excess is left
    /// behind by threads that see too little of each other.
    fn evict(&self) {
        while self.idle() > self.most_idle {
            let first = self.shards.iter().min_by_key(|shard| shard.first_due()).expect("there are shards");
            if !first.has_due() {
                return;
            }
            // It is dropped here, after the mutex.
            let _gone = first.evict(&self.idle, self.most_idle);
        }
    }
}

impl<O, S> fmt::Debug for Slots<O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Slots { most_idle, idle, .. } = self;
        f.debug_struct("Slots").field("most_idle", most_idle).field("idle", idle).finish_non_exhaustive()
    }
}

/// The slot of a key, held: as long as there is one, all holds of the key give the same slot.
pub(crate) struct HeldSlot<O, S: Idle> {
    slot: Arc<Slot<O, S>>,
    slots: Arc<Slots<O, S>>,
}

impl<O, S: Idle> HeldSlot<O, S> {
    /// Returns the key.
    pub(crate) fn key(&self) -> &O {
        &self.slot.key
    }

    /// Returns the hash of the key.
    #[allow(clippy::cast_possible_truncation)] // A few bits are wanted.
    pub(crate) fn hash(&self) -> usize {
        self.slot.hash as usize
    }
}

impl<O, S: Idle> Deref for HeldSlot<O, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.slot.state
    }
}

impl<O, S: Idle> Clone for HeldSlot<O, S> {
    fn clone(&self) -> HeldSlot<O, S> {
        self.slot.hold_once_more();
        HeldSlot { slot: Arc::clone(&self.slot), slots: Arc::clone(&self.slots) }
    }
}

impl<O, S: Idle> Drop for HeldSlot<O, S> {
    /// If the slot is gone by this, its drop comes after: the fields are dropped last.
    fn drop(&mut self) {
        self.slots.let_go(&self.slot);
    }
}

impl<O: fmt::Debug, S: Idle + fmt::Debug> fmt::Debug for HeldSlot<O, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldSlot").field("key", self.key()).field("state", &**self).finish()
    }
}

#[cfg(test)]
mod tests;
