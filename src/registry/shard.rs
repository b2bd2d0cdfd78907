//! The entries of one shard of a registry, and when they go: a table behind a mutex.
//!
//! # States of an entry
//!
//! | state | in the table | holders | in the queue of entries that are to be looked at |
//! |---|---|---|---|
//! | held | yes | 1 or more | perhaps, if it was idle before |
//! | idle | yes | 0 | yes, for the time when it is to go, or for an earlier one |
//! | gone | no | 0 | no |
//!
//! An idle entry is kept for `keep_idle`, or else for the value that its lock owns. It is also kept while its lock is
//! paused after a failure. `until` says the first of these times. The second is asked of the lock, as long as the entry
//! is placed as paused.
//!
//! # Transitions
//!
//! | name | from → to | holders | how |
//! |---|---|---|---|
//! | look up | held → held, idle → held | + 1 | mutex |
//! | insert | - → held | 1 | mutex. If another thread was faster, nothing is inserted, and the entry that was made in vain is dropped after the mutex was released |
//! | clone | held → held | + 1 | no mutex, since the caller is a holder itself |
//! | let go, one of several | held → held | - 1 | no mutex: a compare-and-swap from 2 or more |
//! | let go, the last | held → idle, if the entry is kept; else held → gone | 0 | mutex |
//! | sweep | idle → gone, if its time is up; else idle → idle, queued anew; or held → held, no longer queued | stays | mutex, when the entry is to be looked at |
//! | remove | idle → gone | 0 | mutex |
//! | evict | idle → gone; or idle → idle, and the pause of its lock no longer counts; or held → held | stays | mutex, if more entries are kept than the [bound](super::bounds) says |
//!
//! # Why it holds
//!
//! - *One lock a key.* An entry leaves the table under the mutex, and only while it has no holder. An idle entry is
//!   given a holder under the mutex, and only while it is in the table. So a thread that looks a key up finds the entry
//!   that other threads hold, and no thread holds an entry that is gone.
//! - *Neither a pause nor a value is forgotten,* unless there are too many. When the last holder has let go, the lock
//!   is asked, under the mutex, whether it is paused, and whether it owns a value that is still of use. The access that
//!   failed began the pause while it was a holder, and the access that created stored the value while it was a holder.
//!   Nothing changes in an idle lock, so the answer stays true.
//! - *No entry is left over.* The number of holders goes from 1 to 0 under the mutex only. The thread that takes it
//!   there sees to the entry before it releases the mutex: then the entry is gone, or it is in the queue.
//! - *A key in use costs no queueing.* A thread that holds an idle entry leaves it in the queue. The thread that lets
//!   the entry go finds it there, for a time that is early enough. So an entry moves in the queue once in the time for
//!   which idle entries are kept, however often the entry is used.
//! - *No code of the user runs under the mutex (C22),* except for the comparison of keys (`Borrow` and `Eq`). Keys are
//!   hashed, cloned and dropped, locks are made and dropped, and clocks are read, before or after. An entry that leaves
//!   the table is carried out, and dropped after the mutex was released.

use super::bounds::{Bounds, Kind};
use super::sharding::shard_of;
use crate::lock::Lock;
use crate::sync::{Arc, AtomicU64, Mutant, Mutex, MutexGuard, Ordering, const_fn, mutant, unique};
use hashbrown::HashTable;
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// A key, its lock, and the number of its holders.
#[derive(Debug)]
pub(super) struct Entry<K, L> {
    pub(super) key: K,
    pub(super) lock: L,
    pub(super) hash: u64,
    holders: AtomicU64,
    /// Until when the entry is kept, not counting a pause of its lock, as it was last idle. The unit is the nanosecond
    /// of the lock's clock. `NOT_AT_ALL` says that the entry is kept for the pause alone, and 0 that it was looked up
    /// since. This field and the next two change under the mutex only.
    until: AtomicU64,
    /// The time for which the entry is in the queue; 0 if it is not in the queue.
    queued: AtomicU64,
    /// The entry's place in the order of its kind: a number that grows, above the flags `PAUSED` and `FORGIVEN`. The
    /// number is 0 if the entry has no place.
    place: AtomicU64,
}

/// The entry is placed as paused.
const PAUSED: u64 = 0b01;
/// There were too many pauses. The entry is kept for as long as it is kept without the pause of its lock.
const FORGIVEN: u64 = 0b10;
/// One step of the number, which takes the other bits.
const NUMBER: u64 = 0b100;

/// A value of `until`: the entry is kept for the pause of its lock alone.
const NOT_AT_ALL: u64 = 1;

/// Until when an idle entry is kept, on its lock's clock.
#[derive(Clone, Copy)]
pub(super) struct KeptUntil {
    /// The time that `keep_idle` gives it, or the value of its lock.
    pub(super) idle: Option<u64>,
    /// The end of the pause of its lock.
    pub(super) paused: Option<u64>,
}

impl<K, L> Entry<K, L> {
    /// Makes an entry that is held once, by the caller.
    pub(super) fn new(key: K, lock: L, hash: u64) -> Arc<Self> {
        let [until, queued, place] = [0; 3].map(AtomicU64::new);
        Arc::new(Self { key, lock, hash, holders: AtomicU64::new(1), until, queued, place })
    }

    /// Adds a holder. The caller is a holder itself, or has the mutex.
    pub(super) fn hold_once_more(&self) {
        // Relaxed: where another holder exists, nothing is decided by this number, and the mutex orders the rest.
        self.holders.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a holder away, unless it is the last. Returns whether it has done so.
    pub(super) fn let_go_unless_last(&self) -> bool {
        let fewer = |holders| (holders > 1).then(|| holders - 1);
        // Release: pairs with the acquire of the last holder, in `was_the_last`. What was done while holding the entry
        // happens before the entry goes. Relaxed: a load that changes nothing leads to another try, or to the mutex.
        self.holders.fetch_update(Ordering::Release, Ordering::Relaxed, fewer).is_ok()
    }

    /// Returns whether the entry has no holder. The caller has the mutex, and as long as it does, the answer stays
    /// true.
    fn is_idle(&self) -> bool {
        // Relaxed: under the mutex.
        self.holders.load(Ordering::Relaxed) == 0
    }

    /// Takes a holder away. The caller has the mutex. Returns whether this was the last holder.
    fn was_the_last(&self) -> bool {
        // Acquire: pairs with the release in `let_go_unless_last`. Release: for the last holder, if this one is not the
        // last.
        self.holders.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// What the claim of an entry has come to.
pub(super) enum Evicted<K, L> {
    /// There was no entry in that order.
    None,
    /// The entry has left the table. It is to be dropped outside the mutex.
    Gone(Arc<Entry<K, L>>),
    /// The entry has left its order, and stays in the table: it is held, or it is kept without the pause for which it
    /// was placed.
    Stays,
}

/// Returns the kind of an entry that has this `place`, whether or not there is a number in it.
fn kind_of(place: u64) -> Kind {
    if place & PAUSED != 0 { Kind::Paused } else { Kind::Idle }
}

/// The entries whose hashes lead to this shard.
#[derive(Debug)]
pub(super) struct Shard<K, L>(Mutex<Table<K, L>>);

#[derive(Debug)]
pub(super) struct Table<K, L> {
    /// The entries, with their hashes, so that growing and shrinking the table looks at nothing else.
    entries: HashTable<(u64, Arc<Entry<K, L>>)>,
    /// The entries that are to be looked at, by the time when: all that are idle, and some that were idle before. (The
    /// second half of the key is the address of the entry. It tells apart entries for the same time.)
    queue: BTreeMap<(u64, usize), Arc<Entry<K, L>>>,
    /// The entries that are placed, by kind.
    orders: [BTreeMap<u64, Arc<Entry<K, L>>>; 2],
    /// The time of the first entry in the queue, so that a thread for which that is too early touches no entry.
    /// `u64::MAX` if the queue is empty.
    earliest: u64,
    /// The other shard that a thread which lets go here sweeps. It moves on each time.
    pub(super) next_to_visit: usize,
}

/// A table with no more room than this is not worth shrinking.
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

    /// Returns whether any entry is to be looked at some day.
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

    /// Looks a key up, and holds the entry that it finds.
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

    /// Inserts an entry that its maker holds. If another thread was faster, this inserts nothing, and returns the entry
    /// that is there, held.
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

    /// Takes an entry out of the queue, if it is there. The entry is in the table as well, so nothing is dropped here.
    fn unqueue(&mut self, entry: &Arc<Entry<K, L>>) {
        // Relaxed: under the mutex.
        let time = entry.queued.swap(0, Ordering::Relaxed);
        if time != 0 {
            self.queue.remove(&(time, Arc::as_ptr(entry).addr()));
            self.look_for_the_earliest();
        }
    }

    /// Sees to it that the entry is in the queue for that time, or for an earlier one.
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
            // An emptied map keeps a node, and a new one has none.
            (self.queue, self.earliest) = (BTreeMap::new(), u64::MAX);
        }
    }

    /// Puts an entry at a place in its order.
    fn place(&mut self, place: u64, entry: Arc<Entry<K, L>>, bounds: &Bounds) {
        let (kind, shard) = (kind_of(place), shard_of(entry.hash));
        // Relaxed: under the mutex.
        entry.place.store(place, Ordering::Relaxed);
        self.orders[kind as usize].insert(place, entry);
        self.say_where_it_begins(kind, shard, bounds);
        bounds.one_more(kind);
    }

    /// Takes an entry out of its order, if it has a place. The entry is in the table as well, so nothing is dropped
    /// here.
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
            *order = BTreeMap::new(); // as for the queue
        }
        bounds.begins(kind, shard, begins);
    }

    /// Puts an entry at the end of the order of that kind, if there is such an order. An entry that the holder was only
    /// `looking` at, and that is there already, keeps its place.
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
        // Memory follows the number of entries that live. Growing doubles the room, and this halves it, so the
        // insertions and removals in between pay for it. (The room is not taken from `capacity`, which counts places
        // that lie waste after a removal as taken.)
        let room = self.entries.num_buckets();
        if room > SMALL && self.entries.len() < room / 8 {
            self.entries.shrink_to(room / 4, |(hash, _)| *hash);
        }
        removed
    }

    /// Removes the entry of a key, if it is idle. The caller drops it outside the mutex.
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

    /// Takes an entry out of the queue, its order and the table.
    #[must_use]
    fn leave(&mut self, entry: &Arc<Entry<K, L>>, bounds: &Bounds) -> Option<Arc<Entry<K, L>>> {
        self.unqueue(entry);
        self.displace(entry, bounds);
        self.remove(entry)
    }

    /// Returns one of the entries that are to be looked at, if there is any.
    pub(super) fn any_queued(&self) -> Option<Arc<Entry<K, L>>> {
        self.queue.first_key_value().map(|(_, entry)| Arc::clone(entry))
    }

    /// Holds all entries, so that they can be looked at.
    pub(super) fn hold_all(&self) -> Vec<Arc<Entry<K, L>>> {
        let all: Vec<_> = self.entries.iter().map(|(_, entry)| Arc::clone(entry)).collect();
        for entry in &all {
            entry.hold_once_more();
        }
        all
    }
}

impl<K, L: Lock> Table<K, L> {
    /// Takes a holder of an entry away. If it was the last, the entry stays for as long as `keep` answers, which is
    /// asked then. If `keep` says no time, the entry leaves the table, and is returned: the caller drops it outside the
    /// mutex.
    ///
    /// `looking` says that the holder has only looked at the entry. `keep` is told until when the entry was to stay
    /// before, if it was only looked at since; otherwise 0.
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

    /// Returns until when an idle entry is kept.
    fn kept_until(entry: &Entry<K, L>) -> u64 {
        // Relaxed, both: under the mutex.
        let (until, place) = (entry.until.load(Ordering::Relaxed), entry.place.load(Ordering::Relaxed));
        let paused = (kind_of(place) == Kind::Paused).then(|| entry.lock.dogpile().paused_until()).flatten();
        paused.map_or(until, |paused| paused.max(until))
    }

    /// Looks at the entries that are to be looked at by `now`, `at_most` of them, and removes each idle one whose time
    /// is up. The removed entries come into `gone`, to be dropped outside the mutex. Returns whether there are more
    /// entries to be looked at by `now`.
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
        // (An empty queue would seem to be due at the end of time.)
        self.earliest <= now && !self.queue.is_empty()
    }

    /// Takes the first entry of that kind out of its order, for a claim.
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
