//! What the accesses of one key share in this process.
//!
//! | part | what it is | it lives |
//! |---|---|---|
//! | [`Turns`] | the local election: a lock of `dogpile` without a value of its own, and the answer of the access that had the turn | from the first access that joins it, until an invalidation or a `set` takes the turn away |
//! | [`Remembered`] | what the process remembers of the key between accesses | with the slot |
//! | [`Looks`], and the look that is not sent yet | which accesses share one look | with the slot |
//! | [`Local`] | grant, tombstone and pause of a region without a backend | with the slot |
//!
//! The slot's mutex is held for one step of an access, and none of the user's code runs under it: values that are
//! replaced are dropped after it.
//!
//! # The local election
//!
//! The lock has a lifetime of zero, and a `max_stale` of zero. So its value is missing again as soon as a creation has
//! finished: all who have waited go on, and the next access to come is elected. An access that is elected looks at the
//! slot again before it asks the backend.
//!
//! No other access is elected while a creation of a lock exists, whatever was invalidated. So the turn is taken away
//! with its [`Turns`], and the next access that joins finds none in the slot, and makes others. Those who have waited
//! since before hold the earlier ones, and their answer serves them (G4); those who come later do not wait for it (G3).

use crate::backend::BackendError;
use crate::key::StoredKey;
use crate::region::kept::Kept;
use crate::round::{Answer, Found, Looks, Remembered};
use crate::slots::{Idle, Until};
use crate::store::local::Local;
use crate::time::RegionClock;
use dogpile::{Dogpile, Policy};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// What accesses pass around.
pub(crate) type Value<V> = Arc<Kept<V>>;

/// What the accesses of one key share in this process.
pub(crate) struct Slot<V> {
    /// The key of the entry on the backend, if there is one.
    stored: Option<StoredKey>,
    longest_pause: Duration,
    state: Mutex<SlotState<V>>,
    /// One look is under way at a time; those who come meanwhile share the next one.
    pub(crate) looking: tokio::sync::Mutex<()>,
    /// One invalidation is told at a time.
    pub(crate) telling: tokio::sync::Mutex<()>,
}

pub(crate) struct SlotState<V> {
    pub(crate) remembered: Remembered<Value<V>>,
    pub(crate) looks: Looks,
    /// The look that is not sent yet.
    pub(crate) unsent: Option<Arc<SharedLook<V>>>,
    /// `None` until an access joins the local election: a hit needs none.
    turns: Option<Arc<Turns<V>>>,
    pub(crate) local: Local,
    /// The keeper tells the invalidation that the backend was not told of.
    pub(crate) is_told_again: bool,
    /// How many changes of the entry this process has under way.
    changes: usize,
}

impl<V> SlotState<V> {
    /// Returns the number by which near keeps what is looked up from now on, or claimed: as long as no change of this
    /// process has begun since. `None`: near does not keep it at all, as a change is under way, or untold. The backend
    /// may execute that change after the look, and even after the publication.
    pub(crate) fn as_of(&self) -> Option<NonZeroU64> {
        (self.changes == 0 && self.remembered.untold().is_none()).then(|| self.number())
    }

    fn has_turns(&self, turns: &Arc<Turns<V>>) -> bool {
        self.turns.as_ref().is_some_and(|now| Arc::ptr_eq(turns, now))
    }

    /// Returns the number of the changes that this process has begun, from one on.
    pub(crate) fn number(&self) -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(self.remembered.invalidations())
    }
}

/// A change of the entry that this process has under way.
pub(crate) struct UnderChange<'a, V>(&'a Slot<V>);

impl<V> Drop for UnderChange<'_, V> {
    fn drop(&mut self) {
        self.0.lock().changes -= 1;
    }
}

/// A look that several accesses share. If the one that sends it is dropped, another one sends it again.
pub(crate) type SharedLook<V> = OnceCell<Result<Found<Value<V>>, BackendError>>;

/// The local election.
pub(crate) struct Turns<V> {
    pub(crate) lock: Arc<Dogpile<RegionClock>>,
    /// What the last access with the turn has ended with, for those who have waited for it.
    answer: Mutex<Option<Answer<Value<V>>>>,
    /// When the creation of the access with the turn is dead, in nanoseconds. `u64::MAX`: it does not create.
    dead_at: AtomicU64,
    /// Closed when the turn was taken from an access whose creation is dead: those who wait for it begin anew.
    dead: Semaphore,
}

/// How the local election of a region is made.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) clock: RegionClock,
    pub(crate) policy: Arc<Policy>,
    longest_pause: Duration,
}

impl Rules {
    /// Makes the rules. An access that has had the turn for longer than `longest` keeps nobody waiting any more (G5):
    /// its task is not polled, or it waits for another process, and then one more access may look as well. (A creation
    /// that takes too long hands the turn on before.)
    pub(crate) fn new(clock: RegionClock, longest: Duration, longest_pause: Duration) -> Rules {
        let longest = longest.max(Duration::from_nanos(1));
        let policy = Policy::builder().max_stale(Duration::ZERO).creation_timeout(longest).build();
        Rules { clock, policy: Arc::new(policy.expect("these settings agree")), longest_pause }
    }
}

impl<V> Turns<V> {
    fn new(rules: &Rules) -> Arc<Turns<V>> {
        let lock = Dogpile::with_clock(Duration::ZERO, rules.clock.clone());
        let lock = Arc::new(lock.with_shared_policy(Arc::clone(&rules.policy)));
        let (dead_at, dead) = (AtomicU64::new(u64::MAX), Semaphore::new(0));
        Arc::new(Turns { lock, answer: Mutex::new(None), dead_at, dead })
    }

    /// Leaves an answer for those who wait.
    pub(crate) fn answer(&self, answer: Answer<Value<V>>) {
        let before = lock(&self.answer).replace(answer);
        drop(before);
    }

    /// The access with the turn creates: until then, or its creation is dead.
    pub(crate) fn creates_until(&self, dead_at: u64) {
        // Relaxed, here and below: a number of its own. It says when to look, and the slot's mutex orders the rest.
        self.dead_at.store(dead_at, Ordering::Relaxed);
    }

    /// Returns when the creation of the access with the turn is dead, in nanoseconds.
    pub(crate) fn dead_at(&self) -> u64 {
        self.dead_at.load(Ordering::Relaxed)
    }

    /// Has those who wait begin anew. The turn was taken away before.
    pub(crate) fn hand_on(&self) {
        self.dead.close();
    }

    /// Waits until those who wait are to begin anew.
    pub(crate) async fn handed_on(&self) {
        drop(self.dead.acquire().await);
    }

    /// Returns the answer of the access that had the turn last.
    pub(crate) fn answered(&self) -> Option<Answer<Value<V>>> {
        lock(&self.answer).clone()
    }
}

impl<V> Slot<V> {
    pub(crate) fn new(rules: &Rules, stored: Option<StoredKey>) -> Slot<V> {
        Slot {
            stored,
            longest_pause: rules.longest_pause,
            state: Mutex::new(SlotState {
                remembered: Remembered::default(),
                looks: Looks::default(),
                unsent: None,
                turns: None,
                local: Local::default(),
                is_told_again: false,
                changes: 0,
            }),
            looking: tokio::sync::Mutex::new(()),
            telling: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the key of the entry on the backend.
    pub(crate) fn stored(&self) -> &StoredKey {
        self.stored.as_ref().expect("a slot of a region with a backend has a stored key")
    }

    pub(crate) fn known_key(&self) -> Option<&StoredKey> {
        self.stored.as_ref()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SlotState<V>> {
        lock(&self.state)
    }

    /// Begins a change of the entry by this process: `begin` notes which, at the same moment.
    pub(crate) fn begin_change<T>(&self, begin: impl FnOnce(&mut SlotState<V>) -> T) -> (T, UnderChange<'_, V>) {
        let mut state = self.lock();
        let noted = begin(&mut state);
        state.changes += 1;
        (noted, UnderChange(self))
    }

    /// Returns the local election of now.
    pub(crate) fn turns(&self, rules: &Rules) -> Arc<Turns<V>> {
        Arc::clone(self.lock().turns.get_or_insert_with(|| Turns::new(rules)))
    }

    /// Returns whether these are the turns of now.
    pub(crate) fn has_turns(&self, turns: &Arc<Turns<V>>) -> bool {
        self.lock().has_turns(turns)
    }

    /// Takes the turn from the access that has it by `turns`, if those are still the slot's: the next access to come is
    /// elected. `None`: whichever they are.
    pub(crate) fn take_turn(&self, turns: Option<&Arc<Turns<V>>>) {
        let mut state = self.lock();
        let is_current = turns.is_none_or(|turns| state.has_turns(turns));
        let is_taken = |now: &mut Arc<Turns<V>>| is_current && now.lock.is_creating();
        let Some(before) = state.turns.take_if(is_taken) else { return };
        drop(state);
        // For those who have taken it just before, and would join it just after.
        before.lock.invalidate();
    }

    /// Takes turn and grant from an access near alone whose creation is dead: those who have waited for it begin anew.
    ///
    /// Until the turn is taken nobody else is elected, so the grant is that access's.
    pub(crate) fn bury(&self, turns: &Arc<Turns<V>>) {
        {
            let mut state = self.lock();
            if state.has_turns(turns) {
                state.local.lose_grant();
            }
        }
        self.take_turn(Some(turns));
        turns.hand_on();
    }
}

impl<V> Idle for Slot<V> {
    fn needed_until(&self) -> Until {
        let state = self.lock();
        if state.remembered.untold().is_some() {
            return Until::Always;
        }
        match state.remembered.needed_until(self.longest_pause).max(state.local.needed_until()) {
            Duration::ZERO => Until::Never,
            until => Until::Time(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

/// Takes a mutex. Only a bug panics under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
