//! Policies: what happens to a creation that fails or hangs, seen from outside and on a clock that the tests move.

mod aging;
mod as_such;
#[path = "../common/mod.rs"]
mod common;
mod creation_timeout;
mod elsewhere;
mod failure_says;
mod made_says;
mod on_error;
mod retry_after;
mod wait_cycles;

use common::until;
use dogpile::{Backoff, Clock, CreateError, Creation, Dogpile, ManualClock, OnError, Outcome, Policy, Turn};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const NANO: Duration = Duration::from_nanos(1);
const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

const STEADY: Backoff = Backoff::new(SECOND, MINUTE).jitter(0.0);
/// Pauses of 1, 2, 4… seconds.
static PAUSING: Policy = Policy::builder().retry_after(STEADY).build_const();
static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
static PAUSING_AND_SERVING: Policy = Policy::builder().retry_after(STEADY).on_error(OnError::ServeStale).build_const();
/// A creation may take a second.
static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
static MORTAL_AND_PAUSING: Policy = Policy::builder().creation_timeout(SECOND).retry_after(STEADY).build_const();

/// A creation may take a second; a pause lasts a minute.
static MORTAL_AND_LONG_PAUSING: Policy =
    Policy::builder().creation_timeout(SECOND).retry_after(Backoff::new(MINUTE, MINUTE).jitter(0.0)).build_const();

type Lock = Dogpile<Arc<ManualClock>>;

/// Returns one nanosecond less than `time`.
fn just_before(time: Duration) -> Duration {
    time.saturating_sub(NANO)
}

fn ruled(policy: &'static Policy) -> (Arc<Lock>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy)), clock)
}

/// Returns the same with a value that has expired.
fn ruled_and_stale(policy: &'static Policy) -> (Arc<Lock>, Arc<ManualClock>) {
    let (lock, clock) = ruled(policy);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    (lock, clock)
}

fn fail(lock: &Lock) -> Result<Outcome, CreateError<&'static str>> {
    lock.acquire_or_try_create(|| Err("no answer"))
}

fn succeed(lock: &Lock) -> Result<Outcome, CreateError<&'static str>> {
    lock.acquire_or_try_create(|| Ok(()))
}

fn unwanted(lock: &Lock) -> Result<Outcome, CreateError<&'static str>> {
    lock.acquire_or_try_create(|| panic!("nobody is to create"))
}

fn paused<E, G>(retry_in: Duration) -> CreateError<E, G> {
    CreateError::Paused { retry_in, cause: "no answer".into() }
}

fn elected<C: Clock>(turn: Turn<'_, C>) -> Creation<'_, Dogpile<C>> {
    match turn {
        Turn::Create(creation) => creation,
        turn => panic!("not elected: {turn:?}"),
    }
}
