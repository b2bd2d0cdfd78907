//! Accesses that hand over their creations join the contract, on each type.
//!
//! The runner runs each job in a thread of its own and waits for it. So the creation of an access that hands over has
//! ended when the access returns. That is what the laws expect of an elected access. The access itself returns the old
//! value, so the creator's result is passed beside it.

use crate::cached::told;
use crate::dogpile::{Beside, outcome_of_value};
use crate::registry::Locks;
use crate::stage::{AccessResult, Creator, Failure};
use crate::sync_reader::Swapped;
use crate::{cached, dogpile as lock, registry, sync_reader};
use dogpile::{Cached, CreateError, Dogpile, Job, ManualClock, OnError, Outcome, Policy, Runner, SyncReaderDogpile};
use parking_lot::Mutex;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

type Clock = Arc<ManualClock>;

/// Makes an access with a creator that may be handed over, and returns what the creator came to.
fn access_by(
    policy: &Policy,
    creator: Creator<'_>,
    access: impl FnOnce(Creator<'static>, &dyn Runner) -> AccessResult,
) -> AccessResult {
    let made = Arc::new(Mutex::new(None));
    let told = Arc::clone(&made);
    let creator: Creator<'_> = Box::new(move || {
        let ran = catch_unwind(AssertUnwindSafe(creator));
        let result = match &ran {
            Ok(Ok(value)) => Ok(*value),
            Ok(Err(Failure)) => Err(Failure),
            Err(_) => {
                *told.lock() = Some(ran);
                resume_unwind(Box::new("told beside it"));
            }
        };
        *told.lock() = Some(ran);
        result
    });
    // SAFETY: the creator is gone when `access` returns or unwinds. It is run or dropped there, or it is run or dropped
    // in the job, which the runner waits for.
    let creator = unsafe { mem::transmute::<Creator<'_>, Creator<'static>>(creator) };
    let runner = |job: Job| {
        let ran = thread::spawn(job).join();
        ran.unwrap_or_else(|_| panic!("a job does not panic"));
    };
    let access = catch_unwind(AssertUnwindSafe(|| access(creator, &runner)));
    let made = made.lock().take();
    let access = match (made, access) {
        (Some(Err(panic)), _) | (_, Err(panic)) => resume_unwind(panic),
        (Some(Ok(made)), Ok(access)) => (Some(made), access),
        (None, Ok(access)) => (None, access),
    };
    match access {
        (Some(Ok(value)), Ok(_)) => Ok((Outcome::Created, value)),
        (Some(Err(Failure)), Ok((_, old))) if policy.on_error() == OnError::ServeStale => {
            Ok((Outcome::StaleOnError, old))
        }
        (Some(Err(Failure)), Ok(_)) => Err(CreateError::Failed(Failure)),
        (_, access) => access,
    }
}

/// In lock mode.
#[derive(Default)]
pub struct InBackground;

/// In getter mode.
pub struct ByGetter;

/// In stamped getter mode.
pub struct ByStampedGetter;

impl lock::Way for InBackground {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        access_by(beside.lock.policy(), creator, |creator, runner| {
            let access = Dogpile::kept(&beside.lock).timeout(timeout).in_background(runner);
            let outcome = access.or_try_create(|| creator().map(|_| ()))?;
            Ok((outcome, beside.value()))
        })
    }
}

impl lock::Way for ByGetter {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let before = beside.lock.freshness();
        access_by(beside.lock.policy(), creator, |creator, runner| {
            let access = Dogpile::kept(&beside.lock).fetch(|| beside.get()).timeout(timeout).in_background(runner);
            Ok((outcome_of_value(None, before), access.or_try_create(creator)?))
        })
    }
}

impl lock::Way for ByStampedGetter {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let before = beside.lock.freshness();
        let creator = Box::new(|| {
            let value = creator()?;
            beside.stamp(value);
            Ok(value)
        });
        access_by(beside.lock.policy(), creator, |creator, runner| {
            let access = Dogpile::kept(&beside.lock).fetch_stamped(|| beside.get_stamped()).timeout(timeout);
            let got = access.in_background(runner).or_try_create(creator)?;
            Ok((outcome_of_value(None, before), got.value))
        })
    }
}

impl sync_reader::Way for InBackground {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        leaving(swapped.lock.policy(), creator, |creator, runner, handed| {
            let access = SyncReaderDogpile::kept(&swapped.lock).timeout(timeout).in_background(runner);
            let guard = access.or_try_create(|| creator().map(|_| ()))?;
            let read = (*guard, swapped.value.read());
            drop(guard);
            handed();
            Ok(read)
        })
    }
}

impl sync_reader::Way for ByGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let before = swapped.lock.freshness();
        leaving(swapped.lock.policy(), creator, |creator, runner, handed| {
            let access = SyncReaderDogpile::kept(&swapped.lock).fetch(|| swapped.get()).timeout(timeout);
            let value = *access.in_background(runner).or_try_create(creator)?;
            handed();
            Ok((outcome_of_value(None, before), value))
        })
    }
}

impl sync_reader::Way for ByStampedGetter {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let before = swapped.lock.freshness();
        leaving(swapped.lock.policy(), creator, |creator, runner, handed| {
            let access = SyncReaderDogpile::kept(&swapped.lock).fetch_stamped(|| swapped.get_stamped());
            let value = access.timeout(timeout).in_background(runner).or_try_create(creator)?.value;
            handed();
            Ok((outcome_of_value(None, before), value))
        })
    }
}

/// Does the same as [`access_by`] where the job waits for the guard of the access that handed it over. `access` is
/// given a function besides, which waits for the job; it calls that once its guard is gone.
fn leaving(
    policy: &Policy,
    creator: Creator<'_>,
    access: impl FnOnce(Creator<'static>, &dyn Runner, &dyn Fn()) -> AccessResult,
) -> AccessResult {
    access_by(policy, creator, |creator, _| {
        let at_work = Mutex::new(None);
        let join = || {
            let job: Option<thread::JoinHandle<()>> = at_work.lock().take();
            if let Some(job) = job {
                job.join().unwrap_or_else(|_| panic!("a job does not panic"));
            }
        };
        let runner = |job: Job| *at_work.lock() = Some(thread::spawn(job));
        let access = catch_unwind(AssertUnwindSafe(|| access(creator, &runner, &join)));
        join();
        access.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

impl cached::Way for InBackground {
    fn access(lock: &Arc<Cached<u64, Clock>>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        access_by(lock.policy(), creator, |creator, runner| {
            Ok(told(&Cached::kept(lock).timeout(timeout).in_background(runner).or_try_create(creator)?))
        })
    }
}

impl registry::Way<Dogpile<Clock>> for InBackground {
    fn access(
        locks: &Locks<Dogpile<Clock>>,
        slot: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let lock = locks.get_owned("key");
        let creator = Box::new(|| {
            let value = creator()?;
            slot.store(value, Ordering::Relaxed);
            Ok(value)
        });
        access_by(lock.policy(), creator, |creator, runner| {
            let access = Dogpile::kept(&lock).timeout(timeout).in_background(runner);
            let outcome = access.or_try_create(|| creator().map(|_| ()))?;
            Ok((outcome, slot.load(Ordering::Relaxed)))
        })
    }
}

impl registry::Way<Cached<u64, Clock>> for InBackground {
    fn access(
        locks: &Locks<Cached<u64, Clock>>,
        _: &AtomicU64,
        timeout: Duration,
        creator: Creator<'_>,
    ) -> AccessResult {
        let lock = locks.get_owned("key");
        access_by(lock.policy(), creator, |creator, runner| {
            Ok(told(&Cached::kept(&lock).timeout(timeout).in_background(runner).or_try_create(creator)?))
        })
    }
}
