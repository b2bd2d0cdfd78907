//! A part of the slots, behind one mutex, and the transitions of a slot.

use super::Until;
use super::buckets::InBucket;
use hashbrown::HashTable;
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many idle slots whose time is over an operation takes away from a shard. A hold adds one slot at most, so with
/// more than one the holds leave fewer of them than they find.
const SWEPT: usize = 4;

/// Tables with room for fewer slots are not made smaller.
const SMALL: usize = 32;

/// The first due time of a shard without idle slots.
const NONE_DUE: u64 = u64::MAX;

/// A slot, in its table or not.
pub(super) struct Slot<O, S> {
    pub(super) key: O,
    pub(super) hash: u64,
    pub(super) state: S,
    /// From 0 to 1 and from 1 to 0 only under the mutex of the shard. Between, a holder adds and takes away without it.
    holders: AtomicUsize,
    /// How often the slot was held through the table. The last holder asks the state without the mutex how long the
    /// slot is needed, and its answer must not be older than another's use of the state. So it
    ///
    /// 1. reads this number,
    /// 2. finds that it is the only holder,
    /// 3. asks the state,
    /// 4. takes the mutex, and finds this number unchanged. Else it begins again.
    ///
    /// Let another thread hold the slot before 4. It raises `holders`, then this number.
    ///
    /// - Step 1 has read the number from before: then step 4 sees that it was raised, whether the other still holds the
    ///   slot or not.
    /// - Step 1 has read the raised number (`Acquire` with `Release`): then step 2 sees the raised `holders`, unless
    ///   the other has let go by then. In that case step 2 has read what the other wrote when it let go (`Acquire` with
    ///   `AcqRel`), and step 3 sees what the other has done to the state.
    holds: AtomicU64,
    /// Counted until the slot is dropped: after it was taken from its table.
    _counted: Option<InBucket>,
}

impl<O, S> Slot<O, S> {
    /// Makes a slot with one holder.
    pub(super) fn new(key: O, hash: u64, state: S, counted: Option<InBucket>) -> Slot<O, S> {
        Slot { key, hash, state, holders: AtomicUsize::new(1), holds: AtomicU64::new(1), _counted: counted }
    }

    pub(super) fn holds(&self) -> u64 {
        self.holds.load(Acquire)
    }

    /// Adds a holder; the caller is one.
    pub(super) fn hold_once_more(&self) {
        self.holders.fetch_add(1, Relaxed);
    }

    /// Adds a holder, under the mutex.
    fn hold(&self) {
        self.holders.fetch_add(1, Relaxed);
        self.holds.fetch_add(1, Release);
    }

    /// Takes a holder away, unless it is the last.
    pub(super) fn let_go_unless_last(&self) -> bool {
        self.holders.fetch_update(AcqRel, Acquire, |holders| (holders > 1).then(|| holders - 1)).is_ok()
    }
}

/// A part of the slots. Each has cache lines of its own.
#[repr(align(128))]
pub(super) struct Shard<O, S> {
    table: Mutex<Table<O, S>>,
    /// When the first idle slot is due; `NONE_DUE` if there is none. Written under the mutex. It is read without it to
    /// choose a shard, whose table is asked then: so `Relaxed` will do.
    first: AtomicU64,
}

struct Table<O, S> {
    places: HashTable<Place<O, S>>,
    /// The idle slots by their time, and by a number, since times may be the same.
    due: BTreeMap<(u64, u64), Arc<Slot<O, S>>>,
    numbers: u64,
    /// The latest time that a hold has told.
    now: u64,
    /// The shard that the next hold sweeps beside this one.
    other: usize,
}

struct Place<O, S> {
    slot: Arc<Slot<O, S>>,
    rest: Rest,
}

/// What the table knows of a slot.
#[derive(Clone, Copy)]
enum Rest {
    Held,
    /// Its key in `Table::due`.
    Idle((u64, u64)),
    Pinned,
}

impl<O, S> Shard<O, S> {
    pub(super) fn new() -> Shard<O, S> {
        let table = Table { places: HashTable::new(), due: BTreeMap::new(), numbers: 0, now: 0, other: 0 };
        Shard { table: Mutex::new(table), first: AtomicU64::new(NONE_DUE) }
    }

    /// Only `Eq` of a key can panic under the mutex, before anything was changed.
    fn lock(&self) -> MutexGuard<'_, Table<O, S>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when the first idle slot is due, at the end of each change of them.
    fn note(&self, table: &Table<O, S>) {
        self.first.store(table.due.first_key_value().map_or(NONE_DUE, |((until, _), _)| *until), Relaxed);
    }

    /// Holds the slot of the key, if it is there and its time is not over. The number is that of another shard, whose
    /// turn it is to be swept.
    pub(super) fn hold<Q: Eq + ?Sized>(
        &self,
        hash: u64,
        key: &Q,
        now: u64,
        idle: &AtomicUsize,
        gone: &mut Vec<Arc<Slot<O, S>>>,
    ) -> (Option<Arc<Slot<O, S>>>, usize)
    where
        O: Borrow<Q>,
    {
        let mut table = self.lock();
        table.now = table.now.max(now);
        table.other = table.other.wrapping_add(1);
        let found = match table.hold(hash, |slot| slot.key.borrow() == key, Some(now), idle) {
            Found::Held(slot) => Some(slot),
            Found::Over(slot) => {
                gone.push(slot);
                None
            }
            Found::Nothing => None,
        };
        table.sweep(now, idle, gone);
        self.note(&table);
        (found, table.other)
    }

    /// Adds a slot, unless there is another one of its key by now: then that is held.
    pub(super) fn insert<Q: Eq + ?Sized>(
        &self,
        key: &Q,
        made: &Arc<Slot<O, S>>,
        idle: &AtomicUsize,
    ) -> Option<Arc<Slot<O, S>>>
    where
        O: Borrow<Q>,
    {
        let mut table = self.lock();
        if let Found::Held(slot) = table.hold(made.hash, |slot| slot.key.borrow() == key, None, idle) {
            self.note(&table);
            return Some(slot);
        }
        let place = Place { slot: Arc::clone(made), rest: Rest::Held };
        table.places.insert_unique(made.hash, place, |place| place.slot.hash);
        None
    }

    /// Holds the slot of the key, if it is there.
    #[cfg(test)]
    pub(super) fn find<Q: Eq + ?Sized>(&self, hash: u64, key: &Q, idle: &AtomicUsize) -> Option<Arc<Slot<O, S>>>
    where
        O: Borrow<Q>,
    {
        let mut table = self.lock();
        let Found::Held(slot) = table.hold(hash, |slot| slot.key.borrow() == key, None, idle) else { return None };
        self.note(&table);
        Some(slot)
    }

    /// Takes the last holder away. It has read `holds`, was alone, and has asked the state. Says no if another thread
    /// has held the slot since: then that must be done again.
    pub(super) fn let_go(
        &self,
        slot: &Arc<Slot<O, S>>,
        holds: u64,
        until: Until,
        idle: &AtomicUsize,
        gone: &mut Vec<Arc<Slot<O, S>>>,
    ) -> bool {
        let mut table = self.lock();
        if slot.holds() != holds {
            return false;
        }
        slot.holders.store(0, Relaxed);
        table.rest(slot, until, idle, gone);
        let now = table.now;
        table.sweep(now, idle, gone);
        self.note(&table);
        true
    }

    /// Takes a few idle slots away whose time is over.
    pub(super) fn sweep_if_due(&self, now: u64, idle: &AtomicUsize, gone: &mut Vec<Arc<Slot<O, S>>>) {
        if self.first_due() > now {
            return;
        }
        let mut table = self.lock();
        table.sweep(now, idle, gone);
        self.note(&table);
    }

    pub(super) fn first_due(&self) -> u64 {
        self.first.load(Relaxed)
    }

    pub(super) fn has_due(&self) -> bool {
        self.first_due() != NONE_DUE
    }

    /// Takes away the idle slot that is due first, if more than `most` are idle in all shards.
    pub(super) fn evict(&self, idle: &AtomicUsize, most: usize) -> Option<Arc<Slot<O, S>>> {
        let mut table = self.lock();
        if table.due.is_empty() {
            self.note(&table);
            return None;
        }
        // Two threads that see one slot too many take one away.
        idle.fetch_update(Relaxed, Relaxed, |idle| (idle > most).then(|| idle - 1)).ok()?;
        let (_, slot) = table.due.pop_first().expect("one is due");
        table.remove(&slot);
        self.note(&table);
        Some(slot)
    }

    /// Holds all slots, or those that have a holder.
    #[cfg(test)]
    pub(super) fn hold_all(&self, held_only: bool, idle: &AtomicUsize) -> Vec<Arc<Slot<O, S>>> {
        let mut table = self.lock();
        let Table { places, due, .. } = &mut *table;
        let mut slots = Vec::with_capacity(places.len());
        for place in places.iter_mut().filter(|place| !held_only || matches!(place.rest, Rest::Held)) {
            place.hold(due, idle);
            slots.push(Arc::clone(&place.slot));
        }
        self.note(&table);
        slots
    }

    pub(super) fn len(&self) -> usize {
        self.lock().places.len()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.lock().places.capacity()
    }
}

enum Found<T> {
    Held(T),
    /// Its time is over: it was taken away.
    Over(T),
    Nothing,
}

impl<O, S> Table<O, S> {
    fn hold(
        &mut self,
        hash: u64,
        mut is_it: impl FnMut(&Slot<O, S>) -> bool,
        now: Option<u64>,
        idle: &AtomicUsize,
    ) -> Found<Arc<Slot<O, S>>> {
        let Some(place) = self.places.find_mut(hash, |place| is_it(&place.slot)) else { return Found::Nothing };
        let slot = Arc::clone(&place.slot);
        match place.rest {
            Rest::Idle(due) if now.is_some_and(|now| due.0 <= now) => {
                self.due.remove(&due);
                idle.fetch_sub(1, Relaxed);
                self.remove(&slot);
                Found::Over(slot)
            }
            _ => {
                place.hold(&mut self.due, idle);
                Found::Held(slot)
            }
        }
    }

    /// Does with a slot that has no holder any more what its state says.
    fn rest(&mut self, slot: &Arc<Slot<O, S>>, until: Until, idle: &AtomicUsize, gone: &mut Vec<Arc<Slot<O, S>>>) {
        let rest = match until {
            Until::Never => None,
            // `NONE_DUE` is for a shard that has none.
            Until::Time(time) => Some(Rest::Idle((time.min(NONE_DUE - 1), self.numbers))),
            Until::Always => Some(Rest::Pinned),
        };
        let Some(rest) = rest else {
            self.remove(slot);
            gone.push(Arc::clone(slot));
            return;
        };
        if let Rest::Idle(due) = rest {
            self.numbers += 1;
            self.due.insert(due, Arc::clone(slot));
            idle.fetch_add(1, Relaxed);
        }
        let place = self.places.find_mut(slot.hash, |place| Arc::ptr_eq(&place.slot, slot));
        place.expect("a slot that was held is in its table").rest = rest;
    }

    /// Takes a few idle slots away whose time is over.
    fn sweep(&mut self, now: u64, idle: &AtomicUsize, gone: &mut Vec<Arc<Slot<O, S>>>) {
        for _ in 0..SWEPT {
            if self.due.first_key_value().is_none_or(|((until, _), _)| *until > now) {
                break;
            }
            let (_, slot) = self.due.pop_first().expect("it was just there");
            idle.fetch_sub(1, Relaxed);
            self.remove(&slot);
            gone.push(slot);
        }
    }

    /// Takes a slot away, which the caller still has.
    fn remove(&mut self, slot: &Arc<Slot<O, S>>) {
        let place = self.places.find_entry(slot.hash, |place| Arc::ptr_eq(&place.slot, slot));
        // This drops one of two references at least, so not the slot.
        place.unwrap_or_else(|_| unreachable!("it was just there")).remove();
        let (places, room) = (self.places.len(), self.places.capacity());
        if room > SMALL && places < room / 8 {
            self.places.shrink_to(places * 2, |place| place.slot.hash);
        }
    }
}

impl<O, S> Place<O, S> {
    fn hold(&mut self, due: &mut BTreeMap<(u64, u64), Arc<Slot<O, S>>>, idle: &AtomicUsize) {
        self.slot.hold();
        if let Rest::Idle(at) = self.rest {
            // The place has another reference, so this does not drop the slot.
            due.remove(&at);
            idle.fetch_sub(1, Relaxed);
        }
        self.rest = Rest::Held;
    }
}
