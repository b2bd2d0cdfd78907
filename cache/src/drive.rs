//! Drives the round of one access: performs its actions, and tells it what has happened.
//!
//! # The parts
//!
//! | part | what it is |
//! |---|---|
//! | [`Core`] | what the accesses of a region share |
//! | [`First`] | what has become of the first look of an access, made before there is anything of the rest |
//! | [`Run`] | one access: its round, and the slot of its key. The caller's task has a share of it, and so has the keeper while a creation runs |
//! | [`Drive`] | what the caller's task has of the access: the run, the turn of the local election, the operation under way |
//! | [`Many`] | the accesses to many keys, as one |
//!
//! # What performs what
//!
//! | state of the round | performed by | if the caller is gone |
//! |---|---|---|
//! | before the claim | the caller's task | the access ends |
//! | claiming, publishing, ending | the caller's task, for as long as its budget lasts | the keeper awaits the reply to the operation, and brings the access to its end: a grant that comes back is ended |
//! | creating | the creator by the caller's task; renewals and the end at `creation_timeout` by the keeper | the keeper ends the grant |
//! | waiting | the caller's task | the access ends, and hands the turn on |
//!
//! A region without a backend needs no renewals. There the caller's task keeps the time of its creation itself, and no
//! operation is ever under way.
//!
//! # Budget
//!
//! `backend_timeout` bounds the sum of what the operations of one access take (G5). A wait for another process gives
//! the budget back, since that wait is apart. Of many keys, each access spends what its own operations take, not what
//! the call waits for those of others. An operation that has had the whole of the budget without an answer says that
//! the backend is down; one that has had what was left of it, or what was left until the deadline, says only that this
//! access is out of time. A publication that takes longer is still sent: its caller goes on with the value, and the
//! keeper waits for the reply, for as long as the lease may last (G9).

mod advance;
mod alone;
mod closing;
mod creating;
mod deadlines;
mod first;
mod joining;
mod keep;
mod looking;
mod many;
mod pauses;
mod peeking;
mod polls;
mod waiting;

pub(crate) use self::closing::{Closing, Entered, Part};
pub(crate) use self::creating::Ended;
pub(crate) use self::deadlines::Deadlines;
pub(crate) use self::first::{First, Going};
pub(crate) use self::many::{Many, Reached};
pub(crate) use self::pauses::Pauses;

use crate::backend::{BackendError, PauseFor, Signals, Token};
use crate::key::{Namespace, StoredKey};
use crate::near::NearStore;
use crate::observer::{KeyText, Operation, Overlap, Seen};
use crate::round::{
    Access, Action, Answer, Context, Event, Found, Freshness, Mark, Outcome, Server, Settings, Shared, Turn, Waits,
};
use crate::slot::{Rules, Slot, Turns, Value};
use crate::slots::{HeldSlot, Slots};
use crate::store::aging::Aging;
use crate::store::far::Far;
use crate::store::{Ready, Store};
use crate::time::{RegionClock, RegionTime};
use advance::UnderWay;
use dogpile::{Dogpile, OnError, Policy, Spawner};
use polls::Polls;
use std::borrow::{Borrow, Cow};
use std::hash::Hash;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The slot of a key, held.
pub(crate) type Held<O, V> = HeldSlot<O, Slot<V>>;

/// The turn of the local election.
pub(crate) type LocalTurn = dogpile::Creation<'static, Dogpile<RegionClock>>;

/// Writes the key of an entry.
pub(crate) type Write<O> = Box<dyn Fn(&O) -> StoredKey + Send + Sync>;

/// The near store of a region.
pub(crate) type NearValues<O, V> = NearStore<O, Value<V>>;

/// What the accesses of a region share.
pub(crate) struct Core<O: Hash + Eq, V> {
    pub(crate) namespace: Namespace,
    pub(crate) store: Store<O, V>,
    pub(crate) near: Option<Arc<NearValues<O, V>>>,
    pub(crate) slots: Arc<Slots<O, Slot<V>>>,
    pub(crate) rules: Rules,
    pub(crate) time: RegionTime,
    pub(crate) settings: Settings,
    pub(crate) aging: Arc<Aging>,
    pub(crate) policy: Policy,
    pub(crate) backend_timeout: Duration,
    pub(crate) void_pause: Duration,
    pub(crate) servers: Pauses,
    pub(crate) seen: Arc<Seen>,
    /// Writes the key of an entry.
    pub(crate) write: Write<O>,
    pub(crate) closing: Arc<Closing>,
    /// `None`: each look has a timer of its own.
    pub(crate) deadlines: Option<Arc<Deadlines>>,
    /// Values live for so long that a hit may read the cheap clock.
    pub(crate) is_coarse: bool,
    /// As `closing` has it. It lies here since a hit reads it: `closing` is written by each access.
    pub(crate) is_closed: AtomicBool,
    /// Runs the creations in the background.
    pub(crate) spawner: Arc<dyn Spawner + Send + Sync>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Holds the slot of a key.
    pub(crate) fn hold<Q>(&self, key: &Q) -> Held<O, V>
    where
        Q: ToOwned<Owned = O> + Hash + Eq + ?Sized,
        O: Borrow<Q>,
    {
        let make = |key: &O| Slot::new(&self.rules, self.store.has_leases().then(|| (self.write)(key)));
        self.slots.hold(key, self.time.nanos(), make)
    }

    /// Returns the key of an entry, for those who are told of it.
    pub(crate) fn key_of<'a>(&'a self, slot: &'a Held<O, V>) -> KeyOf<'a, O, V> {
        KeyOf { slot, write: &self.write }
    }

    /// Returns the entries on the backend. Near alone has none.
    fn far(&self) -> &Far<V> {
        let Store::Far(far) = &self.store else { unreachable!("near alone asks no backend") };
        far
    }

    /// The server of a key has not answered within the time that the region gives it. If the key is locked there, that
    /// says nothing of the server.
    fn no_answer(&self, slot: &Held<O, V>) -> BackendError {
        let is_locked = match &self.store {
            Store::Far(far) => far.backend().is_locked(slot.stored()),
            Store::Near(_) => false,
        };
        let error = if is_locked { BackendError::locked_in_time() } else { BackendError::no_answer_in_time() };
        error.at_if_known(self.address_of(slot))
    }

    /// Returns the address of the server that has a key, if the backend names it.
    fn address_of(&self, slot: &Held<O, V>) -> Option<String> {
        match &self.store {
            Store::Far(far) => far.backend().address_of(slot.stored()),
            Store::Near(_) => None,
        }
    }

    /// Returns the number of the server that has a key.
    fn server_of(&self, slot: &Held<O, V>) -> u64 {
        match &self.store {
            Store::Far(far) => far.backend().server_of(slot.stored()),
            Store::Near(_) => 0,
        }
    }

    /// Keeps a value near, unless this process has begun to invalidate its key, or to set it, since `as_of`, or was
    /// about to do so then (S55).
    pub(crate) fn keep_near(&self, slot: &Held<O, V>, value: &Value<V>, as_of: Option<NonZeroU64>) {
        let Some(near) = self.near.as_ref().filter(|_| self.store.has_leases()) else { return };
        if value.times.serves_until == 0 {
            return;
        }
        let key = slot.key().clone();
        let state = slot.lock();
        if as_of == Some(state.number()) {
            let gone = near.put(key, Arc::clone(value), value.times.serves_until);
            // In this order: values are the user's.
            drop(state);
            drop(gone);
        }
    }
}

/// The key of an entry. Its text is written when it is asked for, since mostly nobody is told.
pub(crate) struct KeyOf<'a, O, V> {
    slot: &'a Held<O, V>,
    write: &'a Write<O>,
}

impl<O, V> KeyText for KeyOf<'_, O, V> {
    fn text(&self) -> Cow<'_, str> {
        match self.slot.known_key() {
            Some(key) => key.text(),
            None => Cow::Owned((self.write)(self.slot.key()).text().into_owned()),
        }
    }
}

/// What an access asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wants {
    pub(crate) timeout: Option<Duration>,
    pub(crate) soft_timeout: Option<Duration>,
    /// The access creates, whatever is there, and through a pause.
    pub(crate) refreshes: bool,
    /// The version that the caller refuses.
    pub(crate) refuses: Option<u64>,
    /// The access takes an absence for an answer.
    pub(crate) finds: bool,
}

impl Wants {
    /// Returns until when an access waits that has begun at that time.
    fn waits(&self, began: Duration) -> Waits {
        let end = |timeout: Option<Duration>| timeout.map(|timeout| began.saturating_add(timeout));
        Waits { deadline: end(self.timeout), soft: end(self.soft_timeout) }
    }

    /// Returns whether that value is an answer to the access.
    pub(crate) fn takes<V>(&self, value: &Value<V>) -> bool {
        (self.finds || value.value().is_some()) && self.refuses != Some(value.version)
    }

    /// Returns what the access takes of what was found.
    fn take<V>(&self, mut found: Found<Value<V>>) -> Found<Value<V>> {
        if found.value.as_ref().is_some_and(|value| !self.takes(value)) {
            (found.value, found.freshness) = (None, Freshness::Missing);
        }
        found
    }
}

/// One access.
pub(crate) struct Run<O: Hash + Eq, V> {
    pub(crate) core: Arc<Core<O, V>>,
    pub(crate) slot: Held<O, V>,
    pub(crate) wants: Wants,
    state: Mutex<RunState<V>>,
    /// The keeper has left an action for the caller's task.
    resumed: Notify,
    /// The creator has ended, or the caller is gone: there is nothing to keep.
    ended: Notify,
}

#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
struct RunState<V> {
    access: Access<Value<V>>,
    /// The turns by which the access has the turn.
    turns: Option<Arc<Turns<V>>>,
    has_shared: bool,
    is_over: bool,
    /// Whether it was counted that the creation may run beside another one.
    has_overlapped: bool,
    /// What the keeper has left for the caller's task.
    left: Option<Action<Value<V>>>,
    /// The caller is gone: what the keeper would leave, it does itself, and it has the turn until then.
    is_alone: bool,
    turn: Option<LocalTurn>,
    ready: Option<Ready<V>>,
    /// An operation whose caller does not wait any longer.
    in_doubt: Option<UnderWay<V>>,
    /// The region has ended, and the grant with it.
    is_closed: bool,
    /// What the failure of this creation would begin.
    pause: PauseFor,
    /// Of a right that the keeper keeps: its part in the region.
    part: Option<Arc<Part>>,
}

/// What the caller's task has of an access.
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub(crate) struct Drive<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    pub(crate) run: Arc<Run<O, V>>,
    turn: Option<LocalTurn>,
    under_way: Option<UnderWay<V>>,
    budget: Duration,
    /// The value that was there when the access looked last, whatever it was worth.
    pub(crate) old: Option<Value<V>>,
    /// Whether that value was stale.
    is_old_stale: bool,
    /// The value of the look before, kept for as long as the round has it.
    #[allow(dead_code)]
    earlier: Option<Value<V>>,
    pub(crate) error: Option<BackendError>,
    pub(crate) is_deadlocked: bool,
    pub(crate) has_created: bool,
    /// By which number near keeps what is created.
    as_of: Option<NonZeroU64>,
    /// When the creation began.
    pub(crate) began: u64,
    /// Whether the access has found nothing.
    has_missed: bool,
    /// Whether the lease was over when the creator had ended.
    was_over: bool,
    /// Whether the backend has ended the grant of a value that is not stored: it was not voided until then.
    has_ended: bool,
    /// The creator is being polled.
    is_in_creator: bool,
    /// The caller is gone.
    is_alone: bool,
    polls: Polls,
    /// The signals of the place, from when the access has begun to listen until it waits for no other process any more.
    signals: Option<Signals>,
    /// Since when the access waits for the creation of another one.
    waits_since: Option<u64>,
    /// How many bytes are being published.
    writing: usize,
    /// What the creator has made, encoded.
    ready: Option<Ready<V>>,
}

/// Where an access has come to.
pub(crate) enum Stage<V> {
    /// The creator is to run. The round is to be woken then.
    Create { wake: Duration },
    /// The access has ended.
    Ended(Answer<Value<V>>),
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Run<O, V> {
    fn of(core: &Arc<Core<O, V>>, slot: Held<O, V>, wants: Wants, access: Access<Value<V>>) -> Arc<Run<O, V>> {
        let state = RunState {
            access,
            turns: None,
            has_shared: false,
            is_over: false,
            has_overlapped: false,
            left: None,
            is_alone: false,
            turn: None,
            ready: None,
            in_doubt: None,
            is_closed: false,
            pause: core.pause_after(0),
            part: None,
        };
        Arc::new(Run {
            core: Arc::clone(core),
            slot,
            wants,
            state: Mutex::new(state),
            resumed: Notify::new(),
            ended: Notify::new(),
        })
    }

    /// Tells the round what has happened, and returns what to do next.
    fn step(self: &Arc<Self>, event: Event<Value<V>>) -> Action<Value<V>> {
        let mut run = lock(&self.state);
        let RunState { access, turns, .. } = &mut *run;
        let (action, dropped) = self.core.step(&self.slot, &self.wants, access, event, || self.core.time.now());
        let (turn, token) = (access.turn(), access.release());
        let lost = turns.as_ref().filter(|_| turn != Turn::Keep).cloned();
        let shared = if let (Action::Finish(answer), Some(turns)) = (&action, &*turns) {
            answer.clone().shared().map(|Shared(answer)| (Arc::clone(turns), answer))
        } else {
            None
        };
        run.has_shared |= shared.is_some();
        run.is_over |= matches!(action, Action::Finish(_));
        drop(run);
        // None of these under a mutex: wakers and values are the user's.
        drop(dropped);
        if let Some((turns, answer)) = shared {
            turns.answer(answer);
        }
        match turn {
            Turn::Keep => {}
            Turn::Leave => self.overlapped(Overlap::LeaseLost),
            Turn::HandOn => self.overlapped(Overlap::Late),
        }
        if let Some(lost) = lost {
            self.slot.take_turn(Some(&lost));
            if turn == Turn::HandOn {
                lost.hand_on();
            }
        }
        if let Some(token) = token {
            self.release(token);
        }
        action
    }

    /// Returns whether the value of the creation will not be published, as far as this process knows.
    pub(crate) fn is_superseded(&self) -> bool {
        let (run, now) = (lock(&self.state), self.core.time.nanos());
        run.is_closed || !self.has_turn(&run, now) || run.access.holds(Duration::from_nanos(now)).is_none()
    }

    /// Returns whether this is the creation that the process goes by, as far as it knows. (That of a process that is
    /// cut off is superseded, and elected all the same.)
    pub(crate) fn is_elected(&self) -> bool {
        let (run, now) = (lock(&self.state), self.core.time.nanos());
        let has_ended = run.is_closed || self.core.closing.has_ended();
        let creates = || run.access.creates_alone() || run.access.holds(Duration::from_nanos(now)).is_some();
        !has_ended && self.has_turn(&run, now) && creates()
    }

    fn has_turn(&self, run: &RunState<V>, now: u64) -> bool {
        run.turns.as_ref().is_some_and(|turns| self.slot.has_turns(turns) && now < turns.dead_at())
    }

    fn deadline(&self) -> Option<Duration> {
        lock(&self.state).access.deadline()
    }

    /// Returns whether the creation has its grant, as far as this process knows.
    fn holds(&self) -> bool {
        lock(&self.state).access.holds(self.core.time.now()).is_some()
    }

    /// The creation may run beside another one. Its first reason counts.
    fn overlapped(&self, why: Overlap) {
        if !std::mem::replace(&mut lock(&self.state).has_overlapped, true) {
            self.core.seen.overlapped(&self.core.key_of(&self.slot), why);
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Makes the round of an access that begins now.
    fn access(slot: &Held<O, V>, wants: &Wants, now: Duration) -> Access<Value<V>> {
        let make = match wants {
            Wants { refreshes: true, .. } => Access::refresh,
            Wants { refuses: Some(_), .. } => Access::renewal,
            _ => Access::new,
        };
        make(&slot.lock().remembered, wants.waits(now))
    }

    /// Tells a round what has happened, and returns what to do next, and what is to be dropped outside of all mutexes.
    fn step(
        &self,
        slot: &Held<O, V>,
        wants: &Wants,
        access: &mut Access<Value<V>>,
        event: Event<Value<V>>,
        now: impl FnOnce() -> Duration,
    ) -> (Action<Value<V>>, Option<Value<V>>) {
        let server = self.server_of(slot);
        let mut state = slot.lock();
        self.servers.with(server, |server| {
            let mut cx = Context {
                settings: &self.settings,
                memory: &mut state.remembered,
                server,
                // (Under the mutex: what is remembered is never of a later time.)
                now: now(),
                token: &Token::random,
            };
            let own = cx.memory.kept().cloned();
            // (An absence is no answer to an access that wants a value.)
            access.take_own(own.as_ref().is_none_or(|own| wants.takes(own)));
            (access.next(&mut cx, event), own)
        })
    }

    /// Returns the pause that the next failure would begin, after so many failures in a row.
    fn pause_after(&self, failures: u32) -> PauseFor {
        let failures = failures.saturating_add(1);
        let pause = self.policy.retry_after().map_or(Duration::ZERO, |backoff| backoff.pause(failures));
        PauseFor { failures, pause }
    }

    /// Performs an operation that belongs to no access, within `backend_timeout`.
    pub(crate) async fn in_time<T>(
        &self,
        operation: Operation,
        slot: Option<&Held<O, V>>,
        future: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let until = self.time.now().saturating_add(self.backend_timeout);
        let reply = match self.time.until(until, future).await {
            Some(reply) => reply,
            None => Err(slot.map_or_else(BackendError::no_answer_in_time, |slot| self.no_answer(slot))),
        };
        self.note_reply(slot.map_or(0, |slot| self.server_of(slot)), operation, slot, &reply);
        reply
    }

    /// Takes what the reply to an operation that belongs to no access says of a server.
    fn note_reply<T>(
        &self,
        server: u64,
        operation: Operation,
        slot: Option<&Held<O, V>>,
        reply: &Result<T, BackendError>,
    ) {
        match reply {
            Ok(_) => self.servers.with(server, Server::answered),
            Err(error) => {
                if error.is_down() {
                    self.servers.with(server, |server| server.failed(&self.settings, self.time.now()));
                }
                match slot {
                    Some(slot) => self.seen.backend_failed(&self.key_of(slot), operation, error),
                    None => self.seen.backend_failed("", operation, error),
                }
            }
        }
    }

    /// Performs operations that belong to no access, within one `backend_timeout` for all of them (G5).
    pub(crate) async fn in_all<T>(
        &self,
        slot: &Held<O, V>,
        parts: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let until = self.time.now().saturating_add(self.backend_timeout);
        self.time.until(until, parts).await.unwrap_or_else(|| Err(self.no_answer(slot)))
    }

    pub(crate) fn serves_stale_on_error(&self) -> bool {
        self.policy.on_error() == OnError::ServeStale
    }
}

/// An answer that covers no access: one that has waited for it begins anew.
fn begin_anew<V>() -> Event<V> {
    Event::Shared(Shared(Answer { outcome: Outcome::Down, as_of: Mark(0) }))
}

/// Takes a mutex. Only a bug panics under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
