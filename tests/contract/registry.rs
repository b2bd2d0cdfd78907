//! The locks of a `Registry` join the contract: each access looks its key up anew.

use crate::dogpile::{elsewhere, outcome_of_value};
use crate::stage::{AccessResult, Creator, Subject};
use dogpile::{
    AcquireError, Cached, CachedGuard, CreateError, Dogpile, Held, Lock, ManualClock, Outcome, Policy, Registry,
    SyncReaderDogpile, Turn,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Clock = Arc<ManualClock>;
type Maker<L> = Box<dyn Fn(&String) -> L + Send + Sync>;
pub type Locks<L> = Arc<Registry<String, L, Maker<L>>>;

/// A registry with one key. One holder of the key's lock answers questions about the lock; each access goes through a
/// holder of its own.
pub struct Registered<L: Lock + Send + Sync + 'static, W> {
    registry: Locks<L>,
    lock: Held<'static, String, L>,
    /// For locks that hold no value. Accessed relaxed: the lock alone orders the accesses.
    slot: AtomicU64,
    _way: W,
}

pub type OfDogpile<W> = Registered<Dogpile<Clock>, W>;
pub type OfSyncReader<W> = Registered<SyncReaderDogpile<Clock>, W>;
pub type OfCached<W> = Registered<Cached<u64, Clock>, W>;

/// One way to use a lock that was looked up.
pub trait Way<L: Lock>: Default + Send + Sync + 'static {
    /// Makes an access to the lock of the one key.
    fn access(locks: &Locks<L>, slot: &AtomicU64, timeout: Duration, creator: Creator<'_>) -> AccessResult;
}

macro_rules! joins {
    ($lock:ty) => {
        impl<W: Way<$lock>> Subject for Registered<$lock, W> {
            fn new(expires_after: Duration, clock: Clock, policy: &'static Policy) -> Self {
                let maker: Maker<$lock> = Box::new(move |_| <$lock>::with_clock(expires_after, Arc::clone(&clock)));
                let registry = Arc::new(Registry::with_maker(maker).with_policy(policy));
                let lock = registry.get_owned("key");
                Self { registry, lock, slot: AtomicU64::new(0), _way: W::default() }
            }

            fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult {
                let held = self.registry.get("key");
                assert!(std::ptr::eq(&*held, &*self.lock), "a key has one lock");
                let creator = || {
                    assert!(self.registry.is_creating("key"));
                    creator()
                };
                let access = W::access(&self.registry, &self.slot, timeout, Box::new(creator));
                drop(held);
                assert_eq!(self.registry.len(), 1);
                access
            }

            crate::asks_its_lock!();
        }
    };
}
joins!(Dogpile<Clock>);
joins!(SyncReaderDogpile<Clock>);
joins!(Cached<u64, Clock>);

/// By closure.
#[derive(Default)]
pub struct Closure;

impl Way<Dogpile<Clock>> for Closure {
    fn access(
        locks: &Locks<Dogpile<Clock>>,
        slot: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let (lock, mut created) = (locks.get("key"), None);
        let outcome = lock.access().timeout(timeout).or_try_create(|| {
            let value = creator()?;
            slot.store(value, Ordering::Relaxed);
            created = Some(value);
            Ok(())
        })?;
        Ok((outcome, created.unwrap_or_else(|| slot.load(Ordering::Relaxed))))
    }
}

impl Way<SyncReaderDogpile<Clock>> for Closure {
    fn access(
        locks: &Locks<SyncReaderDogpile<Clock>>,
        slot: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let (lock, mut created) = (locks.get("key"), None);
        let guard = lock.access().timeout(timeout).or_try_create(|| {
            let value = creator()?;
            let _alone = lock.acquire_write_lock();
            slot.store(value, Ordering::Relaxed);
            created = Some(value);
            Ok(())
        })?;
        Ok((*guard, created.unwrap_or_else(|| slot.load(Ordering::Relaxed))))
    }
}

impl Way<Cached<u64, Clock>> for Closure {
    fn access(
        locks: &Locks<Cached<u64, Clock>>,
        _: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let guard = locks.get("key").access().timeout(timeout).or_try_create(creator)?;
        Ok((CachedGuard::outcome(&guard), *guard))
    }
}

/// By a creation that owns its lock, moved to another thread and run there. Its holder is the last one that the access
/// has.
#[derive(Default)]
pub struct Elsewhere;

impl Way<Dogpile<Clock>> for Elsewhere {
    fn access(
        locks: &Locks<Dogpile<Clock>>,
        slot: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let lock = locks.get("key");
        let before = lock.freshness();
        let Turn::Create(creation) = Dogpile::kept(&lock).timeout(timeout).turn().map_err(AcquireError::widen)? else {
            return Ok((outcome_of_value(None, before), slot.load(Ordering::Relaxed)));
        };
        let creator = || {
            let value = creator()?;
            slot.store(value, Ordering::Relaxed);
            Ok(value)
        };
        let made = elsewhere(|| creation.try_run(|_| creator()));
        made.map(|value| (Outcome::Created, value)).map_err(CreateError::Failed)
    }
}
