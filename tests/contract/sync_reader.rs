//! `SyncReaderDogpile` joins the contract, by each mode, with a value that is swapped under its write lock.
//!
//! The value is two words, which a swap writes one after the other: whoever reads under a guard must find them a pair
//! (L9).

use crate::dogpile::{outcome_of_value, run_elsewhere};
use crate::stage::{Access, Creator, Elects, Failure};
use dogpile::{
    AcquireError, Clock, CreateError, Creation, GetError, ManualClock, Outcome, OwnedReadGuard, Policy, ReadTurn,
    Stamped, SyncReaderDogpile,
};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

type Lock = SyncReaderDogpile<Arc<ManualClock>>;

/// Relaxed: the lock alone orders them.
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

/// A way of using the lock, with a value beside it.
pub struct Swapped<W> {
    pub lock: Arc<Lock>,
    clock: Arc<ManualClock>,
    pub value: Pair,
    /// When the value was created, in nanoseconds since 1970; 0 if it was not.
    pub stamp: AtomicU64,
    way: PhantomData<fn() -> W>,
}

impl<W> Swapped<W> {
    /// What was never stored is not found.
    pub fn get(&self) -> Result<u64, GetError<Infallible>> {
        Some(self.value.read()).filter(|value| *value != 0).ok_or(GetError::NeedRegeneration)
    }

    pub fn get_stamped(&self) -> Result<Stamped<u64>, GetError<Infallible>> {
        let stamp = Some(self.stamp.load(Ordering::Relaxed)).filter(|stamp| *stamp != 0);
        let stamp = stamp.ok_or(GetError::NeedRegeneration)?;
        Ok(Stamped::from_unix_nanos(self.value.read(), stamp))
    }

    /// A creator's last step. (Whatever has become of the creation: those who wait for a superseded value want it.)
    fn swap(&self, value: u64) -> u64 {
        let _alone = self.lock.acquire_write_lock();
        self.value.write(value);
        self.stamp.store(Stamped { value, created: self.clock.wall() }.unix_nanos(), Ordering::Relaxed);
        value
    }
}

/// One way to create when the lock says so.
pub trait Way: 'static {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access
    where
        Self: Sized;
}

impl<W: Way> Elects for Swapped<W> {
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self {
        let lock = Arc::new(SyncReaderDogpile::with_clock(expires_after, Arc::clone(&clock)).with_policy(policy));
        Self { lock, clock, value: Pair::default(), stamp: AtomicU64::new(0), way: PhantomData }
    }

    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> Access {
        W::access(self, timeout, Box::new(|| Ok(self.swap(creator()?))))
    }

    crate::asks_its_lock!();
}

/// `acquire_or_try_create_timeout`.
pub struct Closure;

impl Way for Closure {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access {
        let mut created = None;
        let guard = swapped.lock.acquire_or_try_create_timeout(timeout, || {
            created = Some(creator()?);
            Ok(())
        })?;
        let read = swapped.value.read();
        Ok((*guard, created.unwrap_or(read)))
    }
}

/// `acquire_timeout`, and the turn taken on the same thread.
pub struct ByTurn;

impl Way for ByTurn {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access {
        let was_missing = !swapped.lock.has_value();
        let turn = swapped.lock.acquire_timeout(timeout).map_err(AcquireError::widen)?;
        take_turn(swapped, turn, was_missing, |creation| creation.run_fallible(|_| creator()))
    }
}

/// `acquire_owned_timeout`, and the creation carried to another thread, which runs it.
pub struct Elsewhere;

impl Way for Elsewhere {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access {
        let was_missing = !swapped.lock.has_value();
        let turn: ReadTurn<'_, _, OwnedReadGuard> =
            swapped.lock.acquire_owned_timeout(timeout).map_err(AcquireError::widen)?;
        take_turn(swapped, turn, was_missing, |creation| run_elsewhere(creation, creator))
    }
}

/// A turn does not tell who has waited: whoever came when there was no value, and got one without creating it.
fn take_turn<W: Way, G>(
    swapped: &Swapped<W>,
    turn: ReadTurn<'_, Arc<ManualClock>, G>,
    was_missing: bool,
    create: impl FnOnce(Creation<'_, Lock>) -> Result<u64, Failure>,
) -> Access {
    // The value is read before the guard goes.
    match turn {
        ReadTurn::Fresh(_guard) if was_missing => Ok((Outcome::Waited, swapped.value.read())),
        ReadTurn::Stale(_guard) if was_missing => Ok((Outcome::Waited, swapped.value.read())),
        ReadTurn::Fresh(_guard) => Ok((Outcome::Fresh, swapped.value.read())),
        ReadTurn::Stale(_guard) => Ok((Outcome::Stale, swapped.value.read())),
        ReadTurn::Create(creation) => {
            create(creation).map(|value| (Outcome::Created, value)).map_err(CreateError::Failed)
        }
    }
}

/// `get_or_try_create_timeout`; what was never stored the getter does not find.
pub struct ByGetter;

impl Way for ByGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access {
        let (mut created, before) = (None, swapped.lock.freshness());
        let getter = || swapped.get();
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            Ok(value)
        };
        let got: Result<_, CreateError<Failure>> = swapped.lock.get_or_try_create_timeout(timeout, getter, creator);
        let value = *got?;
        Ok((outcome_of_value(created, before), value))
    }
}

/// `get_or_try_create_stamped_timeout`, with a stamp beside the value.
pub struct ByStampedGetter;

impl Way for ByStampedGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> Access {
        let (mut created, before) = (None, swapped.lock.freshness());
        let getter = || swapped.get_stamped();
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            Ok(value)
        };
        let got: Result<_, CreateError<Failure>> =
            swapped.lock.get_or_try_create_stamped_timeout(timeout, getter, creator);
        let value = got?.value;
        Ok((outcome_of_value(created, before), value))
    }
}
