//! `Dogpile` joins the contract: in each mode, and by each way to create.

use crate::stage::{AccessResult, Creator, FOREVER, Failure, Subject};
use dogpile::{
    AcquireError, Clock, CreateError, Creation, Dogpile, Freshness, ManualClock, Outcome, Policy, Stamped, Turn,
};
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A lock with a value beside it, and a way to use them.
pub struct Beside<W> {
    pub lock: Arc<Dogpile<Arc<ManualClock>>>,
    clock: Arc<ManualClock>,
    /// Accessed relaxed: the lock alone orders the accesses, so that ThreadSanitizer sees whether it does.
    pub slot: AtomicU64,
    /// When the value in the slot was created, in nanoseconds since 1970.
    pub stamp: AtomicU64,
    way: PhantomData<fn() -> W>,
}

impl<W> Beside<W> {
    pub fn value(&self) -> u64 {
        self.slot.load(Ordering::Relaxed)
    }

    /// Returns `None` if no value was ever stored.
    pub fn get(&self) -> Option<u64> {
        Some(self.value()).filter(|value| *value != 0)
    }

    pub fn get_stamped(&self) -> Option<Stamped<u64>> {
        let stamp = Some(self.stamp.load(Ordering::SeqCst)).filter(|stamp| *stamp != 0);
        stamp.map(|stamp| Stamped::from_unix_nanos(self.value(), stamp))
    }

    pub fn stamp(&self, value: u64) {
        self.stamp.store(Stamped { value, created: self.clock.wall() }.unix_nanos(), Ordering::SeqCst);
    }
}

/// One way to create for an elected access.
pub trait Way: 'static {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult
    where
        Self: Sized;
}

impl<W: Way> Subject for Beside<W> {
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self {
        let lock = Arc::new(Dogpile::with_clock(expires_after, Arc::clone(&clock)).with_policy(policy));
        Self { lock, clock, slot: AtomicU64::new(0), stamp: AtomicU64::new(0), way: PhantomData }
    }

    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let creator = || {
            let value = creator()?;
            self.slot.store(value, Ordering::Relaxed);
            Ok(value)
        };
        W::access(self, timeout, Box::new(creator))
    }

    crate::asks_its_lock!();
}

/// `or_try_create`.
pub struct Closure;

impl Way for Closure {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let mut created = None;
        let creator = || {
            created = Some(creator()?);
            Ok(())
        };
        let outcome = if timeout == FOREVER {
            beside.lock.acquire_or_try_create(creator)?
        } else {
            beside.lock.access().timeout(timeout).or_try_create(creator)?
        };
        Ok((outcome, created.unwrap_or_else(|| beside.value())))
    }
}

/// Uses or creates the value. A turn does not say whether the access has waited. An access has waited if there was no
/// value when it came, and it got a value without creating one.
fn take_turn<W: Way, C: Clock>(
    beside: &Beside<W>,
    turn: Turn<'_, C>,
    was_missing: bool,
    create: impl FnOnce(Creation<'_, Dogpile<C>>) -> Result<u64, Failure>,
) -> AccessResult {
    let outcome = match turn {
        Turn::Fresh | Turn::Stale if was_missing => Outcome::Waited,
        Turn::Fresh => Outcome::Fresh,
        Turn::Stale => Outcome::Stale,
        Turn::Create(creation) => {
            return create(creation).map(|value| (Outcome::Created, value)).map_err(CreateError::Failed);
        }
    };
    Ok((outcome, beside.value()))
}

/// `turn`, whose creation is run on the same thread.
pub struct ByTurn;

impl Way for ByTurn {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let was_missing = !beside.lock.has_value();
        let turn = beside.lock.access().timeout(timeout).turn().map_err(AcquireError::widen)?;
        take_turn(beside, turn, was_missing, |creation| creation.try_run(|_| creator()))
    }
}

/// Runs a creation on another thread.
pub fn elsewhere(run: impl FnOnce() -> Result<u64, Failure> + Send) -> Result<u64, Failure> {
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| resume_unwind(panic)))
}

/// `turn` of a lock in an `Arc`, whose creation is moved to another thread and run there.
pub struct Elsewhere;

impl Way for Elsewhere {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let was_missing = !beside.lock.has_value();
        let turn = Dogpile::kept(&beside.lock).timeout(timeout).turn().map_err(AcquireError::widen)?;
        take_turn(beside, turn, was_missing, |creation| elsewhere(|| creation.try_run(|_| creator())))
    }
}

/// Returns the outcome of an access in getter mode, as far as it can be told from outside: from whether this access has
/// `created` or failed to create, and from what it found `before`.
pub fn outcome_of_value(created: Option<bool>, before: Freshness) -> Outcome {
    match (created, before) {
        (Some(true), _) => Outcome::Created,
        (Some(false), _) => Outcome::StaleOnError,
        (None, Freshness::Fresh) => Outcome::Fresh,
        (None, Freshness::Stale) => Outcome::Stale,
        (None, Freshness::Missing) => Outcome::Waited,
    }
}

/// `fetch`. The getter finds nothing if no value was ever stored.
pub struct ByGetter;

impl Way for ByGetter {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, beside.lock.freshness());
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            Ok(value)
        };
        let got = beside.lock.fetch(|| beside.get()).timeout(timeout).or_try_create(creator);
        Ok((outcome_of_value(created, before), got?))
    }
}

/// `fetch_stamped`, with a stamp beside the value.
pub struct ByStampedGetter;

impl Way for ByStampedGetter {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, beside.lock.freshness());
        let creator = || {
            created = Some(false);
            let value = creator()?;
            created = Some(true);
            beside.stamp(value);
            Ok(value)
        };
        let got = beside.lock.fetch_stamped(|| beside.get_stamped()).timeout(timeout).or_try_create(creator);
        Ok((outcome_of_value(created, before), got?.value))
    }
}
