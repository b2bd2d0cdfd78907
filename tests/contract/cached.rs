//! `Cached` joins the contract: by plain creators, by creators that are given a `Renewal`, and by its own function.

use crate::stage::{AccessResult, Creator, FOREVER, Subject};
use dogpile::{Cached, CachedGuard, Made, ManualClock, Outcome, Policy};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A lock that owns its value.
pub struct Owning<W> {
    lock: Arc<Cached<u64, Arc<ManualClock>>>,
    way: PhantomData<fn() -> W>,
}

/// One way to get the value.
pub trait Way: 'static {
    fn access(lock: &Arc<Cached<u64, Arc<ManualClock>>>, timeout: Duration, creator: Creator<'_>) -> AccessResult;
}

impl<W: Way> Subject for Owning<W> {
    fn new(expires_after: Duration, clock: Arc<ManualClock>, policy: &'static Policy) -> Self {
        Self { lock: Arc::new(Cached::with_clock(expires_after, clock).with_policy(policy)), way: PhantomData }
    }

    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        W::access(&self.lock, timeout, creator)
    }

    crate::asks_its_lock!();
}

pub fn told(guard: &CachedGuard<u64>) -> (Outcome, u64) {
    (CachedGuard::outcome(guard), **guard)
}

/// `get_or_try_create`.
pub struct Closure;

impl Way for Closure {
    fn access(lock: &Arc<Cached<u64, Arc<ManualClock>>>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let guard = if timeout == FOREVER {
            lock.get_or_try_create(creator)?
        } else {
            lock.access().timeout(timeout).or_try_create(creator)?
        };
        Ok(told(&guard))
    }
}

/// `or_try_create_with`. A value that equals the old one is returned as unchanged.
pub struct ByRenewal;

impl Way for ByRenewal {
    fn access(lock: &Arc<Cached<u64, Arc<ManualClock>>>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let guard = lock.access().timeout(timeout).or_try_create_with(|renewal| {
            let value = creator()?;
            let same = renewal.old() == Some(&value);
            Ok(renewal.unchanged().filter(|_| same).unwrap_or_else(|| Made::new(value)))
        })?;
        Ok(told(&guard))
    }
}
