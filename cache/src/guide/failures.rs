//! What happens when something fails, hangs, dies or lies?
//!
//! # The creator
//!
//! | what happens | the caller | the others | what it costs | law |
//! |---|---|---|---|---|
//! | the creator returns an error | gets [`Failed`](CreateError::Failed); with [`ServeStale`](dogpile::OnError::ServeStale) the old value | get the old value; without one, [`Paused`](CreateError::Paused) until the [pause](RegionBuilder::retry_after) is over | one call of the source in a pause, for the whole fleet | G8 |
//! | the creator panics | gets the panic | the same | the same | G8 |
//! | the creator hangs | waits for it | go on with the old value, or wait; after [`creation_timeout`](RegionBuilder::creation_timeout) another access is elected | 60 s without a new value | G5 |
//! | the caller is dropped: a request was cancelled, a time-out of the program's | is gone, and its creator with it | the next access is elected at once; no pause | one creation that was in vain | G8 |
//! | the process is killed | - | wait, or go on with the old value, for one [lease](RegionBuilder::lease) | 10 s at most | G5, G8 |
//! | the process or its network stands still past its lease | gets its value, which is [not published](crate::Got::published) | one of them is elected after the lease | two creations, counted as [overlaps](crate::observer::Overlap) | G2, G9 |
//! | a creator asks for its own key | gets [`WouldDeadlock`](CreateError::WouldDeadlock) inside | - | - | |
//!
//! An error reaches the caller as it is: `E` is the program's own type, which must be `Display`. No failure poisons
//! anything.
//!
//! ```
//! use dogpile_cache::{CreateError, Region};
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let prices = Region::builder("price").expires_after(Duration::from_secs(60)).build::<str, u32>()?;
//!
//!     // A creator that panics: the panic is its caller's, and a pause begins.
//!     let region = prices.clone();
//!     let task = tokio::spawn(async move { *region.get("pear").or_create(async || panic!("a bug")).await.unwrap() });
//!     assert!(task.await.unwrap_err().is_panic());
//!     let paused = prices.get("pear").or_create(async || 120).await;
//!     assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })));
//!
//!     // A caller that is dropped, in the middle of its creator: the next access is elected.
//!     let given_up = prices.get("plum").or_create(std::future::pending);
//!     assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
//!     assert_eq!(*prices.get("plum").or_create(async || 90).await?, 90);
//!
//!     // A creator that wants its own value is told so.
//!     let nested = prices.get("fig").or_try_create(async || {
//!         prices.get("fig").or_create(async || 1).await.map(|fig| *fig)
//!     });
//!     assert!(matches!(nested.await, Err(CreateError::Failed(CreateError::WouldDeadlock))));
//!     Ok(())
//! }
//! ```
//!
//! # The backend
//!
//! A backend that is down is no error of each call, but a setting of the region:
//!
//! | [`on_backend_failure`](RegionBuilder::on_backend_failure) | an access that has seen an old value before the backend failed | any other access |
//! |---|---|---|
//! | [`Elect`](OnBackendFailure::Elect), the default | returns it | the process elects among its own accesses, and creates for itself |
//! | [`OldOnly`](OnBackendFailure::OldOnly) | returns it | gets [`Backend`](CreateError::Backend) |
//! | [`Fail`](OnBackendFailure::Fail) | gets `Backend` | gets `Backend` |
//!
//! A value that is kept near is served for its [`at_most`](crate::Near::at_most) in any case, since the backend is not
//! asked. Beyond that near is of no help: an access whose look was not answered has seen no old value.
//!
//! What `Elect` costs: each process creates each key that it uses, once in [`own_for`](RegionBuilder::own_for), one
//! second by default. A fleet of a hundred processes calls the source for a hot key a hundred times a second, and not
//! once in a lifetime. Where the source cannot take that, choose `OldOnly`, or a longer `own_for`.
//!
//! | what happens | the caller | what it costs | law |
//! |---|---|---|---|
//! | the backend is down | gets a value, as above | one [`backend_timeout`](RegionBuilder::backend_timeout) in each [`backend_pause`](RegionBuilder::backend_pause); and the creations, as above | G4, G5 |
//! | one of several servers is down | the same, for the keys of that server; an access to many keys has the others as always | the same, for that server | G5, G14 |
//! | the backend is slow | waits for it for `backend_timeout` in all, then as if it were down | the same | G5 |
//! | a reply is lost | the same; a value whose publication is in doubt goes to its caller | perhaps one creation more | G2, G4 |
//! | the server is restarted, and empty | creates: a cold start, one creation for each key | the source's load of a cold start | G10 |
//! | a server takes over that lags behind | gets values of before the failover as the old value, and renews each once | one creation for each key | G10 |
//! | the server is full, and evicts entries | creates them again | these creations | G1 |
//! | the server evicts a grant | gets its value, which is not published if another access has been elected by then | perhaps two creations, counted | G1, G9 |
//! | a value is too large, or cannot be encoded | gets it; `Got::published` says why it is not stored | a creation for each access, or for each `at_most` where a near store keeps it | G4 |
//! | an entry is damaged, of another program, or hostile | creates: such bytes are a miss | one creation; at most [`largest_value`](RegionBuilder::largest_value) of memory | G7 |
//! | the server's clock steps | sees values as older or younger than they are | early or late renewals | G6 |
//! | the process's clock steps | nothing: a process goes by its monotonic clock | - | G6 |
//!
//! What had been invalidated just before a failover can come back with the server that takes over: as the old value,
//! never as fresh. Where a revoked value must not come back even so, choose [`Distrust`](crate::OtherLife::Distrust),
//! which makes a failover a cold start. Where values only expire, [`Trust`](crate::OtherLife::Trust) renews nothing.
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::backend::{Fault, Faulty, Memory};
//! use dogpile_cache::observer::{NotPublished, Published};
//! use dogpile_cache::{Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, second) = (Arc::new(ManualClock::new()), Duration::from_secs(1));
//!     let faulty = Arc::new(Faulty::new(Memory::with_clock(clock.clone()), 42));
//!     let prices = Region::builder("price").far(faulty.clone()).expires_after(second * 60).clock(clock.clone());
//!     let prices = prices.build::<str, u32>()?;
//!
//!     // The backend is down: the process creates for itself, and that value serves for a second.
//!     faulty.set_rate(Fault::Unreachable, 1.0);
//!     let created = prices.get("pear").or_create(async || 120).await?;
//!     assert_eq!(Got::published(&created), Some(Published::No(NotPublished::CutOff)));
//!     let again = prices.get("pear").or_create(async || unreachable!()).await?;
//!     assert_eq!((*again, Got::outcome(&again)), (120, Outcome::Own));
//!     assert_eq!(faulty.operations(), 1, "the backend is left in peace for a second");
//!
//!     // The backend is there again.
//!     faulty.set_rate(Fault::Unreachable, 0.0);
//!     clock.advance(second);
//!     let created = prices.get("pear").or_create(async || 130).await?;
//!     assert_eq!(Got::published(&created), Some(Published::Fresh));
//!     Ok(())
//! }
//! ```
//!
//! A restart, and a failover to a server that lags behind:
//!
//! ```
//! use dogpile_cache::backend::Memory;
//! use dogpile_cache::{Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Arc::new(Memory::new());
//!     let prices = Region::builder("price").far(memory.clone()).expires_after(Duration::from_secs(60));
//!     let prices = prices.build::<str, u32>()?;
//!     prices.set("pear", 120).await?;
//!     let replica = memory.snapshot();
//!     prices.invalidate("pear").await?;
//!
//!     // The replica that takes over had not been told of the invalidation. Its value is stale, and is renewed.
//!     memory.fail_over_to(&replica);
//!     let old = prices.get("pear").value().await?.expect("it has come back");
//!     assert_eq!((*old, Got::outcome(&old)), (120, Outcome::Stale));
//!     assert_eq!(*prices.get("pear").or_create(async || 130).await?, 130);
//!
//!     memory.lose_everything();
//!     assert!(prices.get("pear").value().await?.is_none());
//!     Ok(())
//! }
//! ```
//!
//! Values that cannot be stored, and bytes that are no value:
//!
//! ```
//! use dogpile_cache::backend::{Backend, Change, Entry, Memory};
//! use dogpile_cache::codec::{Format, Shape};
//! use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
//! use dogpile_cache::observer::{NotPublished, Published};
//! use dogpile_cache::{Got, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Arc::new(Memory::new());
//!     let pages = Region::builder("page").far(memory.clone()).expires_after(Duration::from_secs(60));
//!     let pages = pages.largest_value(1_000).build::<str, String>()?;
//!
//!     let large = pages.get("/large").or_create(async || "x".repeat(2_000)).await?;
//!     assert_eq!(large.len(), 2_000);
//!     assert_eq!(Got::published(&large), Some(Published::No(NotPublished::TooLarge)));
//!
//!     // A stranger writes to the server.
//!     let shape = Shape { schema: 0, format: Format::MESSAGE_PACK };
//!     let key = StoredKey::new(&Namespace::new("page")?, "/index", shape, KeyLimit::NONE);
//!     let entry = Entry { bytes: "<html>".into(), lifetime: None };
//!     memory.change(&key, Change::Set { entry, void_pause: Duration::ZERO }).await?;
//!
//!     let page = pages.get("/index").or_create(async || "hello".to_owned()).await?;
//!     assert_eq!((&**page, Got::published(&page)), ("hello", Some(Published::Fresh)));
//!     assert_eq!(pages.counts().unreadable.total(), 1);
//!     Ok(())
//! }
//! ```
//!
//! # Which call returns which error
//!
//! | call | can return |
//! |---|---|
//! | `or_create`, `or_create_with`, `claim` | [`Paused`](CreateError::Paused), [`TimedOut`](CreateError::TimedOut) with the step `timeout`, [`WouldDeadlock`](CreateError::WouldDeadlock), [`Closed`](CreateError::Closed); over a backend, [`Backend`](CreateError::Backend) if the region says so |
//! | `or_try_create`, `or_try_create_with`, `or_try_find` | these, and [`Failed`](CreateError::Failed) |
//! | any of them after `in_background` | these, and [`Lost`](CreateError::Lost) if the task of the creation was dropped or has panicked |
//! | any of them by [`blocking`](crate::Region::blocking) | these, and [`BlocksRuntime`](CreateError::BlocksRuntime) |
//! | those of [`get_many`](crate::Region::get_many) | those of the same name; and [`WrongCount`](CreateError::WrongCount) |
//! | `value`, `values`, `set`, `see`, `set_if`, `add`, `touch`, `mark_stale`, `invalidate`, `ping` | [`BackendError`](crate::backend::BackendError) |
//!
//! Of a region that was [closed](crate::Region::close), accesses and `value` end with an error. Changes go on to reach
//! the backend: an invalidation is not to be lost because a process ends.
//!
//! # What is not found
//!
//! - Two creators of two processes that wait for each other's keys wait until one of them is out of time:
//!   `creation_timeout` at most. In one process that is found.
//! - A [`Creation`](crate::Creation) of a claim that is held while its task accesses the same key waits for itself.
//! - A child of fork(2) has no keeper, the thread that renews leases. Build regions after the fork.

#[cfg(doc)]
use crate::{CreateError, OnBackendFailure, RegionBuilder};
