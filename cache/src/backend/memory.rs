//! A backend in this process's memory, exact in every law.
//!
//! [`Memory`] is for tests, of this crate and of its users: the regions of a test that share one `Memory` are a fleet.
//! With a [`ManualClock`](dogpile::ManualClock) no test of leases, pauses or lifetimes has to wait for real time.
//!
//! # How it works
//!
//! The places are spread over a few tables by their names, each behind a mutex. An operation reads the clock, takes the
//! mutex of its table, takes away the expired parts of the place, and does its step. No code of the user's runs under a
//! mutex: the clock is read before, and the values that have gone are dropped after.
//!
//! Leases, pauses and lifetimes go by the monotonic reading of the clock. The time of day appears in [`Look::now`]
//! alone. So a step of the time of day moves freshness, and nothing else (G6).
//!
//! Each operation also takes away the expired parts of a few other places of its table, the earliest first. So the
//! memory of expired entries is given back as long as there are operations, and no operation has much of that to do.
//!
//! # Signals
//!
//! The listeners of a place are not a part of the place: they lie in a table of their own, by the name of the place.
//! For what expires, is lost, or comes back with a snapshot is what is stored, and a listener stays through all of it.
//! So a place that is listened to and has nothing stored takes no memory in the tables of the places, and does not
//! count in [`Memory::len`]; [`Memory::listened`] counts the places that are listened to.
//!
//! An operation that stores, ends, voids or pauses tells the listeners of its place after it has given back the mutex
//! of the place: a waker is the user's code. A listener is in the table before `listen` returns, and so it hears of
//! each operation that takes effect after that. The signals are exact: each operation signals what the table of the
//! trait's docs says, once, and nothing else does. A lease that runs out wakes no listener; the waiter's own bound is
//! for that (G5). Nor does an accident, other than the loss of everything and the failover: those are a gap for all.

mod moment;
mod place;
mod shard;

pub(crate) use self::moment::Moment;
pub(crate) use self::place::Place;
use self::shard::{Request, Shard};
use crate::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Life, Limits, Listeners, Look, PauseFor, Pending, Published, Refusal, Renewed, Signal, Signals, Token,
};
use crate::key::StoredKey;
use dogpile::{Clock, MonotonicClock};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How many tables there are. Tests have few threads.
const SHARDS: usize = 16;

/// A backend in this process's memory, exact in every law.
///
/// Regions that share one `Memory` by an `Arc` elect one creator among them, as the processes of a fleet do. The number
/// of entries has no bound. The memory of expired entries is given back while there are operations.
///
/// # Round trips, and waiting
///
/// No operation makes a round trip. No operation waits for anything but a mutex, which is held for one step: the future
/// of an operation is ready when it is polled for the first time. It does nothing before that.
///
/// # Errors
///
/// An entry that is larger than [`Limits::largest_entry`] is [`TooLarge`](BackendErrorKind::TooLarge), and a key that
/// is longer than [`Limits::longest_key`] is [`Refused`](BackendErrorKind::Refused). There are no other errors;
/// [`Faulty`](crate::backend::Faulty) makes some.
///
/// # Cancel safety
///
/// An operation that was dropped before its first poll has not taken effect, and never will.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use dogpile::ManualClock;
/// use dogpile_cache::backend::{Backend, Claim, Claimed, Entry, Memory, Over, Published, Refusal, Token};
/// use dogpile_cache::codec::{Format, Shape};
/// use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let clock = Arc::new(ManualClock::new());
/// let memory = Memory::with_clock(Arc::clone(&clock));
///
/// let shape = Shape { schema: 1, format: Format::RAW };
/// let key = StoredKey::new(&Namespace::new("order")?, &7_u64, shape, KeyLimit::NONE);
/// let claim = Claim::new(Token::random(), Duration::from_secs(10));
/// let Claimed::Granted { grant, .. } = memory.claim(&key, claim).await? else { panic!("the place was free") };
///
/// clock.advance(Duration::from_secs(10)); // The lease is over, without a wait.
/// let entry = Entry { bytes: Bytes::from_static(b"late"), lifetime: None };
/// assert_eq!(memory.publish(&key, &grant, entry).await?, Published::Refused(Refusal::Gone));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Memory<C = MonotonicClock> {
    shards: [Mutex<Shard>; SHARDS],
    /// Spreads the places over the tables.
    hasher: RandomState,
    clock: C,
    limits: Limits,
    listeners: Listeners,
    /// Tells snapshots of this backend from those of another.
    number: u64,
}

/// What a [`Memory`] held at a moment, for [`Memory::fail_over_to`].
#[derive(Clone)]
pub struct Snapshot {
    places: Vec<(Arc<str>, Place)>,
    number: u64,
}

impl Memory {
    /// Makes an empty backend with the clock of the operating system, and [`Limits::none`], but with signals. Never
    /// blocks.
    #[must_use]
    pub fn new() -> Memory {
        Memory::with_clock(MonotonicClock)
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl<C: Clock> Memory<C> {
    /// Makes an empty backend with a clock, and [`Limits::none`], but with signals. Never blocks.
    #[must_use]
    pub fn with_clock(clock: C) -> Memory<C> {
        Memory::with_limits(clock, Limits { has_signals: true, ..Limits::none() })
    }

    /// Makes an empty backend with a clock, and with the limits of another backend. Never blocks.
    ///
    /// A test sees so what a region does on a server whose leases are whole seconds, that takes small entries only, or
    /// that has no tombstones or no [signals](Limits::has_signals). A grain of zero is taken as one nanosecond, the
    /// grain of the clock.
    #[must_use]
    pub fn with_limits(clock: C, mut limits: Limits) -> Memory<C> {
        limits.grain = limits.grain.max(Duration::from_nanos(1));
        let life = another_life();
        let shards = std::array::from_fn(|_| Mutex::new(Shard::new(life)));
        let (hasher, listeners, number) = (RandomState::new(), Listeners::new(), fastrand::u64(..));
        Memory { shards, hasher, clock, limits, listeners, number }
    }

    /// Returns the clock. Never blocks.
    #[must_use]
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Returns the life of what is stored.
    ///
    /// Blocks for a mutex that no operation holds for longer than a step.
    #[must_use]
    pub fn life(&self) -> Life {
        lock(&self.shards[0]).life()
    }

    /// Returns how many places take memory. Some of them may have expired: [`sweep`](Memory::sweep) takes these away.
    ///
    /// Blocks for mutexes that no operation holds for longer than a step.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Returns how many places are [listened](Backend::listen) to.
    ///
    /// Blocks for a mutex that is held for a step.
    #[must_use]
    pub fn listened(&self) -> usize {
        self.listeners.places()
    }

    /// Returns whether no place takes memory.
    ///
    /// Blocks for mutexes that no operation holds for longer than a step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes away everything that has expired. Operations do that by and by; this method does it at once.
    ///
    /// Blocks for mutexes, and holds each for as long as its table takes.
    pub fn sweep(&self) {
        let request = self.request();
        for shard in &self.shards {
            let mut gone = Vec::new();
            lock(shard).sweep(request, &mut gone, usize::MAX);
        }
    }
}

/// The accidents of a server.
impl<C: Clock> Memory<C> {
    /// Loses the entry of a key, as a server that needs memory does. A grant of the key goes on.
    ///
    /// Blocks for a mutex that no operation holds for longer than a step.
    pub fn lose_entry(&self, key: &StoredKey) {
        self.at(key, |place, at| place.lose_entry(key.shape(), at));
    }

    /// Loses the grant of a key, or its tombstone, and the pause, as a server that needs memory does (S31).
    ///
    /// Blocks for a mutex that no operation holds for longer than a step.
    pub fn lose_rest(&self, key: &StoredKey) {
        self.at(key, |place, _| place.lose_rest());
    }

    /// Loses everything, and begins another life: a server was restarted, or flushed (G10). All who listen hear of a
    /// [gap](Signal::Gap).
    ///
    /// Blocks for mutexes that no operation holds for longer than a step.
    pub fn lose_everything(&self) {
        self.begin(Vec::new());
    }

    /// Returns what is stored now, as a replica has it.
    ///
    /// Blocks for mutexes, and holds all of them for as long as the copy takes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let shards = self.shards.each_ref().map(lock);
        Snapshot { places: shards.iter().flat_map(|shard| shard.copy()).collect(), number: self.number }
    }

    /// Has everything as it was at a snapshot, and begins another life: a replica that lagged has become the server, or
    /// a server was restored (G10).
    ///
    /// Entries, pauses and counters are there again, except for those that have expired by now. Grants are not: no
    /// token of an earlier life counts. All who listen hear of a [gap](Signal::Gap).
    ///
    /// Blocks for mutexes, and holds all of them for as long as the copy takes.
    ///
    /// # Panics
    ///
    /// Panics if the snapshot was made of another backend.
    pub fn fail_over_to(&self, snapshot: &Snapshot) {
        assert_eq!(self.number, snapshot.number, "the snapshot of another backend");
        self.begin(snapshot.places.clone());
    }

    fn begin(&self, places: Vec<(Arc<str>, Place)>) {
        let mut parts: [Vec<_>; SHARDS] = std::array::from_fn(|_| Vec::new());
        for (name, place) in places {
            parts[self.part(&name)].push((name, place));
        }
        let mut gone = Vec::new();
        // All at once: no operation sees two lives.
        let mut shards = self.shards.each_ref().map(lock);
        let life = another_life();
        for (shard, part) in shards.iter_mut().zip(parts) {
            shard.begin(life, part, &mut gone);
        }
        drop(shards);
        drop(gone);
        self.listeners.tell_all(Signal::Gap);
    }
}

impl<C: Clock> Memory<C> {
    fn request(&self) -> Request {
        let wall = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        Request {
            now: self.clock.now(),
            wall: wall.try_into().unwrap_or(u64::MAX),
            grain: self.limits.grain.as_nanos().try_into().unwrap_or(u64::MAX),
            has_tombstones: self.limits.has_tombstones,
        }
    }

    fn part(&self, place: &str) -> usize {
        // The remainder is below SHARDS.
        #[allow(clippy::cast_possible_truncation)]
        let part = (self.hasher.hash_one(place) % SHARDS as u64) as usize;
        part
    }

    /// Executes an operation on the place of a key.
    fn at<T>(&self, key: &StoredKey, operation: impl FnOnce(&mut Place, &mut Moment<'_>) -> T) -> T {
        let place = key.place();
        let (request, shard) = (self.request(), &self.shards[self.part(place)]);
        let mut gone = Vec::new();
        let done = lock(shard).at(place, request, &mut gone, operation);
        drop(gone);
        done
    }

    /// Tells those who listen to the place of a key, once the operation has taken effect, and no mutex is held.
    fn tell(&self, key: &StoredKey, signal: Option<Signal>) {
        if let Some(signal) = signal {
            self.listeners.tell(key.place(), signal);
        }
    }

    fn takes(&self, key: &StoredKey) -> Result<(), BackendError> {
        let (long, most) = (key.full().len(), self.limits.longest_key);
        if long <= most {
            return Ok(());
        }
        let why = format!("a key of {long} bytes is longer than {most}");
        Err(BackendError::new(BackendErrorKind::Refused).caused_by(why))
    }

    fn takes_entry(&self, key: &StoredKey, entry: &Entry) -> Result<(), BackendError> {
        self.takes(key)?;
        let (large, most) = (entry.bytes.len(), self.limits.largest_entry);
        if large <= most {
            return Ok(());
        }
        let why = format!("an entry of {large} bytes is larger than {most}");
        Err(BackendError::new(BackendErrorKind::TooLarge).caused_by(why))
    }
}

impl<C: Clock + 'static> Backend for Memory<C> {
    fn look<'a>(&'a self, keys: &'a [StoredKey], _ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(async move {
            keys.iter().try_for_each(|key| self.takes(key))?;
            Ok(keys.iter().map(|key| self.at(key, |place, at| place.look(key.shape(), at))).collect())
        })
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        Box::pin(async move {
            self.takes(key)?;
            Ok(self.at(key, |place, at| place.claim(key.shape(), &claim, at)))
        })
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        Box::pin(async move {
            self.takes(key)?;
            Ok(self.at(key, |place, at| place.renew(grant, lease, at)))
        })
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        Box::pin(async move {
            self.takes_entry(key, &entry)?;
            let published = self.at(key, |place, at| place.publish(key.shape(), grant, entry, at));
            self.tell(
                key,
                match published {
                    Published::Fresh | Published::Stale => Some(Signal::Changed),
                    Published::Refused(refusal) => of_refusal(refusal),
                },
            );
            Ok(published)
        })
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        Box::pin(async move {
            self.takes(key)?;
            let ended = self.at(key, |place, at| place.end(grant, pause, at));
            self.tell(
                key,
                match ended {
                    Ended::Yes => Some(Signal::Freed),
                    Ended::Lost(refusal) => of_refusal(refusal),
                },
            );
            Ok(ended)
        })
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        Box::pin(async move {
            match &change {
                Change::Set { entry, .. } | Change::SetIf { entry, .. } | Change::Touch { entry, .. } => {
                    self.takes_entry(key, entry)?;
                }
                Change::MarkStale { .. } | Change::Invalidate { .. } => self.takes(key)?,
            }
            let is_invalidation = matches!(change, Change::Invalidate { .. });
            let signal = if is_invalidation { Signal::Freed } else { Signal::Changed };
            let changed = self.at(key, |place, at| place.change(key.shape(), change, at));
            self.tell(key, matches!(changed, Changed::Yes { .. }).then_some(signal));
            Ok(changed)
        })
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Box::pin(async move {
            self.takes(key)?;
            Ok(self.at(key, |place, at| place.count(count, at)))
        })
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        self.limits.has_signals.then(|| -> Pending<'a, Signals> {
            Box::pin(async move {
                self.takes(key)?;
                Ok(self.listeners.listen(key.place()))
            })
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

impl<C: Clock> fmt::Debug for Memory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (life, len) = (self.life(), self.len());
        f.debug_struct("Memory").field("life", &life).field("len", &len).finish_non_exhaustive()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("len", &self.places.len()).finish_non_exhaustive()
    }
}

/// Takes a mutex. A step that has panicked has changed nothing by halves: only a bug panics there.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The holder of a voided grant has ended: its tombstone is gone.
fn of_refusal(refusal: Refusal) -> Option<Signal> {
    (refusal == Refusal::Voided).then_some(Signal::Freed)
}

fn another_life() -> Life {
    Life(Token::random().0)
}
