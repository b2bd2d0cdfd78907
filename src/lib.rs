// The labels of README's links, which lead to files there and to pages here: the first definition of a label counts.
//! [guide]: crate::guide
//! [modes]: crate::guide::modes
//! [policy]: crate::guide::policy
//! [background]: crate::guide::background
//! [tasks]: crate::guide::tasks
//! [registry]: crate::guide::registry
//! [limitations]: crate::guide::limitations
//! [guarantees]: crate::guide::guarantees
//! [internals]: crate::guide::internals
//! [performance]: crate::guide::performance
//!
#![doc = include_str!("../README.md")]
//!
//! # Where to go from here
//!
//! | a program | uses |
//! |---|---|
//! | keeps a value fresh | [`Cached`], with a [`Reader`] for a thread that reads all the time; [`CachedFn`]; [`cached_by_key`](cached_by_key()) |
//! | keeps the value elsewhere | [`Dogpile`], [`SyncReaderDogpile`] |
//! | has many keys | [`Registry`], [`cached_by_key`](cached_by_key()) |
//! | asks a lock | [`Access`], [`AsyncAccess`] for tasks; [`Status`] for what a lock tells without an access |
//! | creates by itself | [`Turn`] and [`Creation`], the right to create; [`Renewal`] of a [`Cached`] |
//! | says how values age and failures end | [`Policy`] for all creations, [`Made`] for one value, [`Failure`] for one failure |
//! | creates in the background | [`Runner`] and [`Pool`] for threads, [`Spawner`] for tasks |
//! | watches | [`Observer`] and [`Stats`] |
//! | says what time it is | [`Clock`], [`ManualClock`] in tests |
//!
//! # Glossary
//!
//! The documentation, the messages and the source use these words, each for one thing.
//!
//! | word | meaning |
//! |---|---|
//! | lock | a dogpile lock of any type: [`Dogpile`], [`SyncReaderDogpile`], [`Cached`] |
//! | access | one request to a lock: it is opened, described by its *steps*, and made by its *terminal* |
//! | caller | the thread or task that makes an access |
//! | creator | the user's closure that makes the value |
//! | creation | one run of the creator, and the right to it, which a [`Creation`] owns |
//! | elected thread, elected task | the one that runs the creator, or hands it over |
//! | waiter | a thread or task that waits for a creation to end |
//! | reader | a thread or task that holds a guard of a [`SyncReaderDogpile`] or an [`RmLock`] |
//! | getter, setter | the user's closures that fetch the value from where it lives, and store what the creator has made |
//! | old value | the value that a creation is to replace |
//! | fresh, due, stale, missing | not expired; not expired, but to be renewed early; expired, and still usable; not there, invalidated, or too old to use |
//! | generation | the lock's counter, which every finished creation, `set` and invalidation moves |
//! | to publish | to make the value of a creation the current one |
//! | to invalidate, to mark stale | to make the value missing; to make it stale |
//! | superseded | overtaken by an invalidation, a `set` or a newer creation: said of a creation |
//! | dead | older than its [`creation_timeout`](PolicyBuilder::creation_timeout), so that another one may begin: said of a creation |
//! | outcome | what an access has met: [`Outcome`] |
//! | pause | the time after a failure in which no creator is called: see [`retry_after`](PolicyBuilder::retry_after) |
//! | renewal | a creation that replaces a value that is still there |
//! | to hand over | to give a creation to a [`Runner`], as a [`Job`], or to a [`Spawner`], as a [`Task`] |
//! | task | a future that an executor polls; where nothing is said of tasks, "thread" means both |

#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(dogpile_loom, dogpile_portable))))]
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

mod alarm;
mod clock;
mod cycle;
mod derived;
mod dogpile;
mod election;
mod error;
mod failure;
mod freshness;
mod generation;
pub mod guide;
mod keeper;
mod lock;
mod observer;
mod outcome;
mod panics;
mod policy;
mod readers;
#[allow(unsafe_code)]
mod rm_lock;
mod ruled;
mod runner;
mod running;
mod shared_error;
mod shown;
mod sync;
mod wait;
mod wakers;

// Each of these modules knows the modules above it. The documentation of a type has its functions in this order, too.
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
pub use crate::election::Finished;
pub use crate::error::{
    AcquireError, CreateError, FencesDecided, LockError, PublishError, StillStoring, WaitCycle, WouldBlock,
    WriteLockError,
};
pub use crate::failure::{Cause, Failure};
pub use crate::freshness::Freshness;
pub use crate::generation::Generation;
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
    pub use crate::sync::{Deadline, Mutant, block_until, plant};
}
