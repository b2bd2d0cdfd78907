//! The entries of a registry, and when they go: a table behind a mutex.
//!
//! # States of an entry
//!
//! | state | in the table | holders | in the queue of those to be looked at |
//! |---|---|---|---|
//! | held | yes | 1 or more | perhaps, if it was idle before |
//! | idle (kept: see below) | yes | 0 | yes, for when its time is up, or for earlier |
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
//! | let go, the last | held → idle, if it is kept; else held → gone | 0 | mutex |
//! | sweep | idle → gone, if its time is up; else idle → idle, queued anew; or held → held, not queued | as before | mutex, when it is to be looked at |
//! | remove | idle → gone | 0 | mutex |
//! | evict | idle → gone; or idle → idle, and the pause of its lock does not count any more; or held → held | as before | mutex, if more are kept than the [bound](super::bounds) says |
//!
//! An idle entry is kept for `keep_idle`, or else for the value that its lock owns; and while its lock is paused after
//! a failure. `until` says the former; the latter is asked of the lock, as long as the entry is placed as paused.
//!
//! # Why it holds
//!
//! - *One lock a key.* An entry leaves the table under the mutex, and only while it has no holder; it gets its first
//!   holder anew under the mutex, and only while it is in the table. So who looks a key up finds the entry that others
//!   hold, and who holds one that is gone does not exist.
//! - *A pause is not forgotten, nor is a value,* unless there are too many. Whether its lock is paused, or owns a value
//!   that is of use, is asked when its last holder has let go, under the mutex; whoever failed began the pause, and
//!   whoever created stored the value, while it was a holder. Nothing changes in an idle lock, so what was answered
//!   then stays true.
//! - *Nothing is left.* From 1 to 0 the count goes under the mutex alone, and whoever takes it there sees to the entry:
//!   it goes, or it is in the queue when he is done.
//! - *A key in use costs no queueing.* Who holds an idle entry leaves it in the queue, and who lets it go finds it
//!   there, for a time that is early enough. So it moves in the queue once in the time for which idle ones are kept,
//!   however often it is used.
//! - *No user code under the mutex (C22),* but for the comparison of keys (`Borrow` and `Eq`): keys are hashed, cloned
//!   and dropped, locks made and dropped, and clocks read, before or after. What leaves the table is carried out and
//!   dropped after the mutex.

use super::bounds::{Bounds, Kind};
use super::sharding::shard_of;
use crate::lock::Lock;
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
    /// Until when it is kept but for a pause of its lock, as it was last idle, in nanoseconds of its lock's clock;
    /// `NOT_AT_ALL`, if it is not; 0 since it is in use. Under the mutex, as the next two.
    until: AtomicU64,
    /// For when it is in the queue; 0 if it is not.
    queued: AtomicU64,
    /// Its place in the order of its kind: a number that grows, above the flags `PAUSED` and `FORGIVEN`. There is no
    /// number if it has no place.
    place: AtomicU64,
}

/// It is placed as paused.
const PAUSED: u64 = 0b01;
/// There were too many pauses, and it is kept for as long as it is without that of its lock.
const FORGIVEN: u64 = 0b10;
/// The number takes the other bits.
const NUMBER: u64 = 0b100;

/// An entry is kept for the pause of its lock alone.
const NOT_AT_ALL: u64 = 1;

/// Until when an idle entry is kept, on its lock's clock.
#[derive(Clone, Copy)]
pub(super) struct KeptUntil {
    /// For `keep_idle`, or for its value.
    pub(super) idle: Option<u64>,
    /// For the pause of its lock.
    pub(super) paused: Option<u64>,
}

impl<K, L> Entry<K, L> {
    /// Held once, by whoever makes it.
    pub(super) fn new(key: K, lock: L, hash: u64) -> Arc<Self> {
        let [until, queued, place] = [0; 3].map(AtomicU64::new);
        Arc::new(Self { key, lock, hash, holders: AtomicU64::new(1), until, queued, place })
    }

    /// One more holder: beside one, or under the mutex.
    pub(super) fn hold_once_more(&self) {
        // Relaxed: where a holder exists nothing is decided by this, and the mutex orders the rest.
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// One holder fewer, unless it is the last.
    pub(super) fn let_go_unless_last(&self) -> bool {
        let fewer = |holders| (holders > 1).then(|| holders - 1);
        // Release: pairs with the acquire of the last one, in `was_the_last`: what was done while holding it happens
        // before the entry goes. Relaxed: the others only try again.
        self.holders.fetch_update(Ordering::Release, Ordering::Relaxed, fewer).is_ok()
    }

    /// Whether nobody holds it. Under the mutex, under which it stays so.
    fn is_idle(&self) -> bool {
        // Relaxed: under the mutex.
        self.holders.load(Ordering::Relaxed) == 0
    }

    /// One holder fewer, under the mutex; returns whether it was the last.
    fn was_the_last(&self) -> bool {
        // Acquire: pairs with the release in `let_go_unless_last`. Release: for the last one, if this was not it.
        self.holders.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// What a claim has come to.
pub(super) enum Evicted<K, L> {
    /// There was nothing in that order.
    None,
    /// This is to be dropped outside the mutex.
    Gone(Arc<Entry<K, L>>),
    /// It has left its order, and not the table: somebody holds it, or it was kept for a pause, and is kept without
    /// that.
    Stays,
}

/// The kind of what lies at that place, or is kept without one.
fn kind_of(place: u64) -> Kind {
    if place & PAUSED != 0 { Kind::Paused } else { Kind::Idle }
}

/// The entries whose hashes lead here.
#[derive(Debug)]
pub(super) struct Shard<K, L>(Mutex<Table<K, L>>);

#[derive(Debug)]
pub(super) struct Table<K, L> {
    /// With their hashes, so that growing and shrinking look at nothing else.
    entries: HashTable<(u64, Arc<Entry<K, L>>)>,
    /// By when they are to be looked at: all that are idle, and some that were. (And by where they lie, which tells
    /// apart those for the same time.)
    queue: BTreeMap<(u64, usize), Arc<Entry<K, L>>>,
    /// What is placed, by kind.
    orders: [BTreeMap<u64, Arc<Entry<K, L>>>; 2],
    /// When the first in the queue is, so that who finds it too early touches none; `u64::MAX` if there is none.
    earliest: u64,
    /// Which shard is looked after next by one that lets go here.
    pub(super) next_to_visit: usize,
}

/// A table with less room than that is not worth shrinking.
const SMALL: usize = 16;

impl<K, L> Shard<K, L> {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self(Mutex::new(Table {
                entries: HashTable::new(),
                queue: BTreeMap::new(),
                orders: [const { BTreeMap::new() }; 2],
                earliest: u64::MAX,
                next_to_visit: 0,
            }))
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

    /// Whether any of them is to be looked at some day.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
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
        entry.hold_once_more();
        // Relaxed: under the mutex.
        entry.until.store(0, Ordering::Relaxed);
        Some(entry)
    }

    /// Inserts what was made, and is held by its maker. If somebody else was faster it does not, and returns what is
    /// there, held.
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

    fn queue_for(&mut self, time: u64, entry: Arc<Entry<K, L>>) {
        // Relaxed: under the mutex.
        entry.queued.store(time, Ordering::Relaxed);
        self.queue.insert((time, Arc::as_ptr(&entry).addr()), entry);
        self.earliest = self.earliest.min(time);
    }

    /// Takes it out of the queue, if it is there. It is in the table as well, so that nothing is dropped here.
    fn unqueue(&mut self, entry: &Arc<Entry<K, L>>) {
        // Relaxed: under the mutex.
        let time = entry.queued.swap(0, Ordering::Relaxed);
        if time != 0 {
            self.queue.remove(&(time, Arc::as_ptr(entry).addr()));
            self.look_for_the_earliest();
        }
    }

    /// Has it in the queue for that time, or for an earlier one.
    fn queue_by(&mut self, time: u64, entry: &Arc<Entry<K, L>>) {
        // Relaxed: under the mutex.
        let queued = entry.queued.load(Ordering::Relaxed);
        if queued == 0 || time < queued {
            self.unqueue(entry);
            self.queue_for(time, Arc::clone(entry));
        }
    }

    fn look_for_the_earliest(&mut self) {
        if let Some((&(time, _), _)) = self.queue.first_key_value() {
            self.earliest = time;
        } else {
            // An emptied one keeps a node.
            (self.queue, self.earliest) = (BTreeMap::new(), u64::MAX);
        }
    }

    /// Puts it in its order.
    fn place(&mut self, place: u64, entry: Arc<Entry<K, L>>, bounds: &Bounds) {
        let (kind, shard) = (kind_of(place), shard_of(entry.hash));
        // Relaxed: under the mutex.
        entry.place.store(place, Ordering::Relaxed);
        self.orders[kind as usize].insert(place, entry);
        self.say_where_it_begins(kind, shard, bounds);
        bounds.one_more(kind);
    }

    /// Takes it out of its order, if it has one. It is in the table as well, so that nothing is dropped here.
    fn displace(&mut self, entry: &Entry<K, L>, bounds: &Bounds) {
        // Relaxed: under the mutex.
        let place = entry.place.swap(0, Ordering::Relaxed);
        if place >= NUMBER {
            let kind = kind_of(place);
            self.orders[kind as usize].remove(&place);
            self.say_where_it_begins(kind, shard_of(entry.hash), bounds);
            bounds.one_fewer(kind);
        }
    }

    fn say_where_it_begins(&mut self, kind: Kind, shard: usize, bounds: &Bounds) {
        let order = &mut self.orders[kind as usize];
        let begins = order.first_key_value().map(|(place, _)| *place);
        if begins.is_none() {
            *order = BTreeMap::new(); // as the queue
        }
        bounds.begins(kind, shard, begins);
    }

    /// Has it in the order of that kind, if there is one: at the end, unless it was `looking`, and is there already.
    fn place_as(&mut self, kind: Kind, looking: bool, entry: &Arc<Entry<K, L>>, bounds: &Bounds) {
        // Relaxed: under the mutex.
        let place = entry.place.load(Ordering::Relaxed);
        if looking && place != 0 && kind_of(place) == kind {
            return;
        }
        self.displace(entry, bounds);
        if bounds.places(kind) {
            let flag = if kind == Kind::Paused { PAUSED } else { 0 };
            self.place((unique() + 1) * NUMBER + flag, Arc::clone(entry), bounds);
        }
    }

    #[must_use]
    fn remove(&mut self, entry: &Arc<Entry<K, L>>) -> Option<Arc<Entry<K, L>>> {
        let found = self.entries.find_entry(entry.hash, |(_, there)| Arc::ptr_eq(there, entry));
        let removed = found.ok().map(|found| found.remove().0.1);
        // Memory follows the entries that live. Growing doubles and this halves, so it is paid for by what came
        // between. (Not `capacity`, which counts places that lie waste after a removal as taken.)
        let room = self.entries.num_buckets();
        if room > SMALL && self.entries.len() < room / 8 {
            self.entries.shrink_to(room / 4, |(hash, _)| *hash);
        }
        removed
    }

    /// Removes what there is under a key, if it is idle; it is to be dropped outside the mutex.
    #[must_use]
    pub(super) fn remove_idle<Q: Eq + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        bounds: &Bounds,
    ) -> Option<Arc<Entry<K, L>>>
    where
        K: Borrow<Q>,
    {
        let entry = Arc::clone(self.find(hash, key).filter(|entry| entry.is_idle())?);
        self.leave(&entry, bounds)
    }

    /// Takes it out of the queue, its order and the table.
    #[must_use]
    fn leave(&mut self, entry: &Arc<Entry<K, L>>, bounds: &Bounds) -> Option<Arc<Entry<K, L>>> {
        self.unqueue(entry);
        self.displace(entry, bounds);
        self.remove(entry)
    }

    /// One of those that are to be looked at, if there is any.
    pub(super) fn any_queued(&self) -> Option<Arc<Entry<K, L>>> {
        self.queue.first_key_value().map(|(_, entry)| Arc::clone(entry))
    }

    /// Holds all there are, to look at them.
    pub(super) fn hold_all(&self) -> Vec<Arc<Entry<K, L>>> {
        let all: Vec<_> = self.entries.iter().map(|(_, entry)| Arc::clone(entry)).collect();
        for entry in &all {
            entry.hold_once_more();
        }
        all
    }
}

impl<K, L: Lock> Table<K, L> {
    /// One holder fewer. If it was the last, the entry stays as long as `keep` answers, which is asked then; or else it
    /// goes, and is returned to be dropped outside the mutex. `keep` is told until when the entry was to stay before,
    /// if it has only been looked at since; else 0. `looking` says that the holder has only looked at it.
    #[must_use]
    pub(super) fn let_go(
        &mut self,
        entry: &Arc<Entry<K, L>>,
        looking: bool,
        bounds: &Bounds,
        keep: impl FnOnce(u64) -> KeptUntil,
    ) -> Option<Arc<Entry<K, L>>> {
        if !entry.was_the_last() && !mutant(Mutant::LastWithoutALook) {
            return None;
        }
        // Relaxed, all: under the mutex.
        let before = entry.until.load(Ordering::Relaxed);
        let KeptUntil { idle, mut paused } = keep(before);
        if looking && before != 0 && entry.place.load(Ordering::Relaxed) & FORGIVEN != 0 {
            paused = None;
        }
        let Some(until) = idle.max(paused) else { return self.leave(entry, bounds) };
        entry.until.store(idle.unwrap_or(0).max(NOT_AT_ALL), Ordering::Relaxed);
        self.place_as(if paused > idle { Kind::Paused } else { Kind::Idle }, looking && before != 0, entry, bounds);
        self.queue_by(until.max(1), entry);
        None
    }

    /// Until when it is kept, which is idle.
    fn kept_until(entry: &Entry<K, L>) -> u64 {
        // Relaxed, both: under the mutex.
        let (until, place) = (entry.until.load(Ordering::Relaxed), entry.place.load(Ordering::Relaxed));
        let paused = (kind_of(place) == Kind::Paused).then(|| entry.lock.dogpile().paused_until()).flatten();
        paused.map_or(until, |paused| paused.max(until))
    }

    /// Looks at no more than that many of those that are to be looked at by `now`, and removes those whose time is up:
    /// they are to be dropped outside the mutex. Returns whether any are left.
    pub(super) fn sweep(
        &mut self,
        now: u64,
        at_most: usize,
        bounds: &Bounds,
        gone: &mut Vec<Arc<Entry<K, L>>>,
    ) -> bool {
        for _ in 0..at_most {
            if now < self.earliest {
                break;
            }
            let Some((_, entry)) = self.queue.pop_first() else { break };
            // Relaxed: under the mutex.
            entry.queued.store(0, Ordering::Relaxed);
            if entry.is_idle() {
                let until = Self::kept_until(&entry);
                if until <= now {
                    gone.extend(self.leave(&entry, bounds));
                } else {
                    self.queue_for(until, entry);
                }
            }
            self.look_for_the_earliest();
        }
        // (Empty, it would seem to be due at the end of time.)
        self.earliest <= now && !self.queue.is_empty()
    }

    /// Takes the first of that kind out of its order, for a claim.
    pub(super) fn evict(&mut self, kind: Kind, bounds: &Bounds) -> Evicted<K, L> {
        let Some((place, entry)) = self.orders[kind as usize].pop_first() else { return Evicted::None };
        self.say_where_it_begins(kind, shard_of(entry.hash), bounds);
        // Relaxed, all: under the mutex.
        entry.place.store(0, Ordering::Relaxed);
        let until = entry.until.load(Ordering::Relaxed);
        if !entry.is_idle() && !mutant(Mutant::HeldEvicted) {
            return Evicted::Stays;
        }
        if kind == Kind::Paused && until != NOT_AT_ALL {
            self.queue_by(until, &entry);
            if bounds.places(Kind::Idle) {
                self.place(place - PAUSED + FORGIVEN, entry, bounds);
            } else {
                entry.place.store(FORGIVEN, Ordering::Relaxed);
            }
            return Evicted::Stays;
        }
        self.leave(&entry, bounds).map_or(Evicted::Stays, Evicted::Gone)
    }
}
