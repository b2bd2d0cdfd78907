#![doc = include_str!("../README.md")]
//!
//! # Where to go from here
//!
//! [`Cached`] keeps one value fresh, [`CachedFn`] a function's, and [`cached_by_key`](cached_by_key()) the results of a
//! function with arguments, in a store. [`Dogpile`] is the lock under all of them; its documentation says who runs, who
//! waits and who carries on. [`Access`] is the one way to ask any of them, with its steps and last calls, and
//! [`AsyncAccess`] that of tasks; what holds for all tasks is said at [`Dogpile`](Dogpile#for-tasks). [`Turn`] is what
//! an access is given that does not create by itself, [`Creation`] the right to create, and [`Status`] what a lock can
//! be asked. [`Reader`] is a handle for a thread that reads one value all the time. [`Registry`] has a lock for each key. [`SyncReaderDogpile`] is the lock for what readers hold on to while
//! it is swapped, and [`RmLock`] its readers by themselves. [`Clock`] is what time it is. [`Policy`] is what happens as
//! a value ages and when creating goes wrong, unless a value ([`Made`]) or a failure ([`Failure`]) says so itself;
//! [`Runner`] and [`Spawner`] are who creates in the background, and [`Observer`] is who is told.
//!
//! # Fork
//!
//! A child made by fork(2) has all locks as they were in that moment, and of the threads only the one that forked. What
//! the others were in the middle of does not end there. Nothing tells of that, and the parent does not notice:
//!
//! | at that moment | in the child |
//! |---|---|
//! | another thread, or a job or a task on one, created a value | that creation [runs](Status::is_creating) without an end: a stale value is served as long, without an error, and an access that finds none waits until its time is out. With a [`creation_timeout`](PolicyBuilder::creation_timeout) another access is elected when that is over, unless the creation was inside [`publish`](Creation::publish) or had the write lock |
//! | another thread, or a task that nobody polls any more, waited for a value | that waiter keeps its place in the queue; if it is called to create, those behind it wait until another access comes |
//! | another thread held a guard of a [`SyncReaderDogpile`] or an [`RmLock`] | nobody can ever write, or if that was a write guard read |
//! | another thread had a [`Held`] of a [`Registry`] | that key's lock is there for good; so is what was being read of a [`Cached`] |
//! | another thread was changing a lock's queue, a registry's table, or what else is behind a mutex for moments | an access that comes to need that mutex hangs; a hit does not |
//! | a [`Pool`] had threads, and jobs | it begins with new threads and no jobs: what ran or waited is the parent's |
//! | a task waited under a `creation_timeout` | that task is woken in time if it is polled there once more, else not |
//!
//! So a program that forks, and does not run another program in the child at once as [`std::process::Command`] does,
//! had best fork before it uses its locks, or have its children make locks of their own. What is left are locks that
//! another thread may be renewing just then: to those it gives a `creation_timeout`. What a child of a program with
//! threads may do at all is the system's to say.

// But for the lock that hands out what it holds: see `rm_lock`.
#![deny(unsafe_code)]
// The future of an `async fn` has room for its arguments twice, once as they came and once as they are used, and so has
// each future that it is a part of: `tests/tasks/sizes.rs` would fail. Where they are more than references, a function
// gives an `async move` block.
#![allow(clippy::manual_async_fn)]
// What the models are shown beyond the public interface need not be as polished.
#![cfg_attr(dogpile_loom, allow(clippy::must_use_candidate, clippy::new_without_default))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("dogpile keeps deadlines and generations in 64-bit atomics, which this target does not have");

// (There std compiles, and panics where it is first asked for the time.)
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
compile_error!(
    "dogpile needs a monotonic clock, and `std::time::Instant` panics on this target: build for one whose std has a \
     clock, as `wasm32-wasip1`, `wasm32-wasip2` or `wasm32-unknown-emscripten`"
);

mod clock;
mod cycle;
mod derived;
mod dogpile;
mod election;
mod error;
mod failure;
mod freshness;
pub mod guide;
mod keeper;
mod lock;
mod observer;
mod outcome;
mod policy;
mod readers;
#[allow(unsafe_code)]
mod rm_lock;
mod ruled;
mod runner;
mod running;
mod shown;
mod sync;
mod wait;
mod wakers;

// Each of these knows those above it, and none below. The documentation of a type is in this order as well.
mod creation;

mod spawner;

mod turn;

pub mod access;

mod registry;

mod beside;

mod sync_reader;

mod cached;

mod cached_fn;

mod cached_by_key;

pub use crate::access::{Access, AsyncAccess, InBackground, Spawned};
pub use crate::beside::Beside;
pub use crate::cached::{Cached, CachedGuard, Guarded, Made, Reader, Renewal};
pub use crate::cached_by_key::{
    AsyncFunctionOf, AsyncStore, BoxedFunctionOf, Brings, CachedByKey, Closures, For, ForMany, FunctionOf, KeptFor,
    SpawnedFunctionOf, SpawnedStore, Store, cached_by_key,
};
#[doc(hidden)]
pub use crate::cached_fn::kind;
pub use crate::cached_fn::{
    AsyncCreator, BoxedCreator, BoxedFuture, CachedFn, Creator, SpawnedCreator, cached, cached_async,
};
#[cfg(all(target_os = "linux", not(dogpile_portable)))]
pub use crate::clock::BoottimeClock;
pub use crate::clock::{Clock, ManualClock, MonotonicClock};
pub use crate::creation::{Creation, Shared};
pub use crate::dogpile::{Dogpile, LastFailure, Stamped, Status};
pub use crate::election::{Finished, Generation};
pub use crate::error::{
    AcquireError, CreateError, FencesDecided, LockError, PublishError, StillStoring, WaitCycle, WouldBlock,
    WriteLockError,
};
pub use crate::failure::{Cause, Failure};
pub use crate::freshness::Freshness;
pub use crate::lock::Lock;
#[cfg(feature = "metrics")]
pub use crate::observer::Metrics;
#[cfg(feature = "tracing")]
pub use crate::observer::Tracing;
pub use crate::observer::{Observer, Source, Stats};
pub use crate::outcome::Outcome;
pub use crate::policy::{Backoff, OnError, Policy, PolicyBuilder, PolicyError};
pub use crate::readers::Owner;
#[cfg(not(dogpile_loom))]
pub use crate::readers::force_full_fences;
pub use crate::registry::{Held, Iter, Registry};
pub use crate::rm_lock::{OwnedRmLockReadGuard, RmLock, RmLockReadGuard, RmLockWriteGuard};
pub use crate::runner::{Job, Runner, ThreadPerJob};
#[cfg(not(dogpile_loom))]
pub use crate::runner::{JobsLeft, Pool};
pub use crate::spawner::{Spawner, Task};
pub use crate::sync_reader::{AsyncWriteGuard, OwnedReadGuard, ReadGuard, ReadTurn, SyncReaderDogpile, WriteGuard};
pub use crate::turn::Turn;

/// The layers below [`Dogpile`], open to the models of `loom-tests` and to nobody else.
#[cfg(dogpile_loom)]
#[doc(hidden)]
pub mod model {
    pub use crate::election::{
        Birth, Election, Failed, Pause, Pausing, State, StoreEnd, Timer, Verdict, Waiter, Watcher,
    };
    pub use crate::freshness::{Expiry, Look};
    pub use crate::sync::{Deadline, Mutant, Room, block_until, plant};
}
