// The labels of README's links, which lead to files there and to pages here: the first definition of a label counts.
//! [guide]: crate::guide
//! [recipes]: crate::guide::recipes
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
//! | the program | uses |
//! |---|---|
//! | keeps one value fresh | [`Cached`], with a [`Reader`] for a thread that reads all the time; [`CachedFn`] for the result of a function |
//! | keeps the results of a function with arguments | [`cached_by_key`](cached_by_key()), in a store of its choice |
//! | keeps the value elsewhere | [`Dogpile`]; [`SyncReaderDogpile`] for a resource that must not change while it is read |
//! | has many keys | [`Registry`], a lock for each key |
//! | makes accesses to a lock | [`Access`]; [`AsyncAccess`] for tasks |
//! | asks a lock how it is, without an access | [`Status`] |
//! | runs the creation by itself | [`Turn`] and [`Creation`], the right to create; [`Renewal`] for a [`Cached`] |
//! | says how values age, and what follows a failure | [`Policy`] for all creations of a lock, [`Made`] for one value, [`Failure`] for one failure |
//! | creates in the background | [`Runner`] and [`Pool`] for threads, [`Spawner`] for tasks |
//! | watches what happens | [`Observer`] and [`Stats`] |
//! | says what time it is | [`Clock`]; [`ManualClock`] in tests |
//!
//! The [`guide`] answers the questions that this page leaves open, one on each page.
//!
//! # Glossary
//!
//! The documentation, the messages and the source use these words, and each word means one thing.
//!
//! | word | meaning |
//! |---|---|
//! | lock | a dogpile lock of any type: [`Dogpile`], [`SyncReaderDogpile`], [`Cached`], [`CachedFn`] |
//! | access | one request to a lock: the program opens it, describes it by *steps*, and makes it by its *terminal* |
//! | step | a call that says how the access is made: [`timeout`](Access::timeout), [`and_set`](Access::and_set), [`in_background`](Access::in_background) |
//! | terminal | the call that makes the access and ends it: [`turn`](Access::turn), [`or_create`](Access::or_create), [`or_try_create`](Access::or_try_create), [`get`](Access::get) |
//! | caller | the thread or task that makes an access, and the code that it runs |
//! | user | the program that uses this crate |
//! | creator | the user's closure or function that makes the value |
//! | creation | one run of the creator, and the right to it; a [`Creation`] owns that right |
//! | elected thread, elected task | the thread or task whose access won the election, and which runs the creator or hands it over |
//! | waiter | a thread or task that waits for a creation to end |
//! | watcher | a thread or task that [waits for a value](Status#waiting-for-a-value), and never creates |
//! | reader | a thread or task that holds a guard of a [`SyncReaderDogpile`] or an [`RmLock`]; the type [`Reader`] is the handle of a [`Cached`] |
//! | getter, setter | the user's closures that fetch the value from where it lives, and store what the creator has made |
//! | old value | the value before the creation that is running or due: it is stale, or is due to be renewed |
//! | fresh | not expired |
//! | due | not expired, but to be renewed early |
//! | stale | expired, or marked as stale, and still usable |
//! | missing | not there, invalidated, or too old to be used |
//! | generation | the lock's counter: each finished creation, each `set` and each invalidation moves it |
//! | superseded | overtaken by an invalidation, a `set` or a newer creation; said of a creation |
//! | dead | running for longer than its [`creation_timeout`](PolicyBuilder::creation_timeout), and replaced by another creation; said of a creation |
//! | to publish | to make the value of a creation the current one |
//! | to invalidate | to make the value missing |
//! | to mark stale | to make the value stale |
//! | outcome | what an access has met: [`Outcome`] |
//! | pause | the time after a failure in which no creator is called: see [`retry_after`](PolicyBuilder::retry_after) |
//! | renewal | a creation that replaces a value that is still there |
//! | policy | a [`Policy`]: how values age, and what happens when creating goes wrong |
//! | runner, job | a [`Runner`] runs [`Job`]s on other threads |
//! | spawner | a [`Spawner`], which has futures polled elsewhere, each as a [`Task`] |
//! | to hand over | an elected access hands its creation over when it gives it to a runner or to a spawner |
//! | observer | an [`Observer`], which is told of what happens |
//! | owner | the thread, task or data structure that holds a creation or a guard |
//! | task | a future that an executor polls; where nothing is said of tasks, "thread" means both |

#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(dogpile_loom, dogpile_portable))))]
// One module is excepted: `rm_lock`, whose lock hands out references to what it holds.
#![deny(unsafe_code)]
// The future of an `async fn` has room for its arguments twice: once as they came, and once as they are used. So has
// each future that it is a part of, and `tests/tasks/sizes.rs` would fail. So a function whose arguments are more than
// references returns an `async move` block.
#![allow(clippy::manual_async_fn)]
// The items that only the models see need not be as polished as the public interface.
#![cfg_attr(dogpile_loom, allow(clippy::must_use_candidate, clippy::new_without_default))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("dogpile keeps deadlines and generations in 64-bit atomics, which this target does not have");

// (On that target std compiles, and panics when it is first asked for the time.)
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

// Each of these modules knows the modules above it. The documentation of a type lists its functions in this order, too.
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

/// The layers below [`Dogpile`], open to the models of `loom-tests` alone.
#[cfg(dogpile_loom)]
#[doc(hidden)]
pub mod model {
    pub use crate::election::{
        Birth, Election, Failed, Pause, Pausing, State, StoreEnd, Timer, Verdict, Waiter, Watcher,
    };
    pub use crate::freshness::{Expiry, Look};
    pub use crate::sync::{Deadline, Mutant, block_until, plant};
}
