//! `SyncReaderDogpile` joins the contract, in each mode, with a value that is swapped under its write lock.
//!
//! The value is two words, which a swap writes one after the other. A reader under a guard must find the same in both
//! (L9).

use crate::dogpile::{elsewhere, outcome_of_value};
use crate::stage::{AccessResult, Creator, Failure, Subject};
use dogpile::{
    AcquireError, Clock, CreateError, Creation, ManualClock, Outcome, Policy, ReadGuard, ReadTurn, Stamped,
    SyncReaderDogpile,
};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

type Lock = SyncReaderDogpile<Arc<ManualClock>>;

/// Accessed relaxed: the lock alone orders the accesses.
#[derive(Default)]
pub struct Pair(AtomicU64, AtomicU64);

impl Pair {
    pub fn read(&self) -> u64 {
        let (first, second) = (self.0.load(Ordering::Relaxed), self.1.load(Ordering::Relaxed));
        assert_eq!(first, second, "torn: read while it was swapped");
        first
    }

    fn write(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
        thread::yield_now();
        self.1.store(value, Ordering::Relaxed);
    }
}

/// A lock with a value beside it, and a way to use them.
pub struct Swapped<W> {
    pub lock: Arc<Lock>,
    clock: Arc<ManualClock>,
    pub value: Pair,
    /// When the value was created, in nanoseconds since 1970; 0 if it never was.
    pub stamp: AtomicU64,
    way: PhantomData<fn() -> W>,
}

impl<W> Swapped<W> {
    /// Returns `None` if no value was ever stored.
    pub fn get(&self) -> Option<u64> {
        Some(self.value.read()).filter(|value| *value != 0)
    }

    pub fn get_stamped(&self) -> Option<Stamped<u64>> {
        let stamp = Some(self.stamp.load(Ordering::Relaxed)).filter(|stamp| *stamp != 0);
        stamp.map(|stamp| Stamped::from_unix_nanos(self.value.read(), stamp))
    }

    /// The creator's last step. Its waiters want a superseded value, too, so it stores the value whatever has become of
    /// the creation.
    fn swap(&self, value: u64) -> u64 {
        let _alone = self.lock.acquire_write_lock();
        self.value.write(value);
        self.stamp.store(Stamped { value, created: self.clock.wall() }.unix_nanos(), Ordering::Relaxed);
        value
    }
}

/// One way to create for an elected access.
pub trait Way: 'static {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult
    where
        Self: Sized;
}

impl<W: Way> Subject for Swapped<W> {
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self {
        let lock = Arc::new(SyncReaderDogpile::with_clock(expires_after, Arc::clone(&clock)).with_policy(policy));
        Self { lock, clock, value: Pair::default(), stamp: AtomicU64::new(0), way: PhantomData }
    }

    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        W::access(self, timeout, Box::new(|| Ok(self.swap(creator()?))))
    }

    crate::asks_its_lock!();
}

/// `or_try_create`.
pub struct Closure;

impl Way for Closure {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let mut created = None;
        let guard = swapped.lock.access().timeout(timeout).or_try_create(|| {
            created = Some(creator()?);
            Ok(())
        })?;
        let read = swapped.value.read();
        Ok((*guard, created.unwrap_or(read)))
    }
}

/// `turn`, whose creation is run on the same thread.
pub struct ByTurn;

impl Way for ByTurn {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let was_missing = !swapped.lock.has_value();
        let turn = swapped.lock.access().timeout(timeout).turn().map_err(AcquireError::widen)?;
        take_turn(swapped, turn, was_missing, |guard| guard, |creation| creation.try_run(|_| creator()))
    }
}

/// `turn` of a lock in an `Arc`. Its guard is converted to one that owns a share of the lock. Its creation is moved to
/// another thread and run there.
pub struct Elsewhere;

impl Way for Elsewhere {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let was_missing = !swapped.lock.has_value();
        let turn = SyncReaderDogpile::kept(&swapped.lock).timeout(timeout).turn().map_err(AcquireError::widen)?;
        let own = |guard| ReadGuard::into_owned(guard, Arc::clone(&swapped.lock));
        take_turn(swapped, turn, was_missing, own, |creation| elsewhere(|| creation.try_run(|_| creator())))
    }
}

/// Uses or creates the value, and reads it under what `hold` makes of the guard. A turn does not say whether the access
/// has waited. An access has waited if there was no value when it came, and it got a value without creating one.
fn take_turn<'a, 'c, W: Way, G>(
    swapped: &Swapped<W>,
    turn: ReadTurn<'c, Arc<ManualClock>, ReadGuard<'a>>,
    was_missing: bool,
    hold: impl FnOnce(ReadGuard<'a>) -> G,
    create: impl FnOnce(Creation<'c, Lock>) -> Result<u64, Failure>,
) -> AccessResult {
    let (outcome, guard) = match turn {
        ReadTurn::Fresh(guard) => (Outcome::Fresh, guard),
        ReadTurn::Stale(guard) => (Outcome::Stale, guard),
        ReadTurn::Create(creation) => {
            return create(creation).map(|value| (Outcome::Created, value)).map_err(CreateError::Failed);
        }
    };
    let _held = hold(guard);
    Ok((if was_missing { Outcome::Waited } else { outcome }, swapped.value.read()))
}

/// `fetch`. The getter finds nothing if no value was ever stored.
pub struct ByGetter;

impl Way for ByGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, swapped.lock.freshness());
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            Ok(value)
        };
        let got = swapped.lock.fetch(|| swapped.get()).timeout(timeout).or_try_create(creator);
        let value = *got?;
        Ok((outcome_of_value(created, before), value))
    }
}

/// `fetch_stamped`, with a stamp beside the value.
pub struct ByStampedGetter;

impl Way for ByStampedGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, swapped.lock.freshness());
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            Ok(value)
        };
        let got = swapped.lock.fetch_stamped(|| swapped.get_stamped()).timeout(timeout).or_try_create(creator);
        let value = got?.value;
        Ok((outcome_of_value(created, before), value))
    }
}
