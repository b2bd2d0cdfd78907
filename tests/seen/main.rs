//! What a lock counts, and what it tells an observer.

#[path = "../common/mod.rs"]
mod common;
#[macro_use]
#[path = "../traits/mod.rs"]
mod traits;

#[cfg(feature = "metrics")]
mod metrics;
mod observed;
mod stats;
#[cfg(feature = "tracing")]
mod tracing;

use common::until;
use dogpile::{Backoff, Cached, Dogpile, ManualClock, Observer, OnError, Policy, PolicyBuilder};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

const fn seen_by(observer: &'static dyn Observer) -> PolicyBuilder {
    Policy::builder().observer(observer).creation_timeout(SECOND.saturating_mul(10)).name("rates")
}

fn lock(policy: Policy) -> (Arc<Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_shared_policy(Arc::new(policy))), clock)
}

/// Causes one event of each kind, in this order: created in 2 s, twice served stale, failed after 3 s, superseded after
/// 4 s, waited for 5 s (for a creation that took as long), dead after 10 s.
fn one_event_of_each_kind(lock: &Arc<Lock>, clock: &Clock) {
    lock.acquire_or_create(|| clock.advance(SECOND * 2));
    lock.mark_stale();
    let failed = lock.acquire_or_try_create(|| {
        lock.acquire_or_create(|| panic!("somebody creates already"));
        drop(lock.try_acquire());
        clock.advance(SECOND * 3);
        Err("no answer")
    });
    assert!(failed.is_err());
    lock.acquire_or_create(|| {
        lock.invalidate();
        clock.advance(SECOND * 4);
    });
    thread::scope(|scope| {
        let mut waits = None;
        lock.acquire_or_create(|| {
            waits = Some(scope.spawn(|| drop(lock.acquire())));
            until(|| lock.waiting() == 1);
            clock.advance(SECOND * 5);
        });
        waits.unwrap().join().unwrap();
    });
    lock.mark_stale();
    let dogpile::Turn::Create(dead) = lock.acquire() else { panic!("not elected") };
    clock.advance(SECOND * 10);
    lock.acquire_or_create(|| ());
    drop(dead);
}

/// Policies under which some events happen that do not happen without a policy.
static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, MINUTE).jitter(0.0)).build_const();

fn cached(policy: &'static Policy) -> (Cached<u32, Clock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy), clock)
}
