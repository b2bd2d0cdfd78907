//! What happens as a value ages, and which setting is right?
//!
//! ```text
//! created              due                   expires                    gone
//!    |------ fresh ------|--- fresh, due ------|---------- stale ----------|------ missing ------
//!                         one access is elected, the others carry on        … the others wait
//!                        refresh_at            expires_after               + max_stale
//! ```
//!
//! # Lifetimes
//!
//! | setting | default | reason |
//! |---|---|---|
//! | [`expires_after`](RegionBuilder::expires_after) | none: `build` fails without it | only the program knows for how long a value is right |
//! | [`max_stale`](RegionBuilder::max_stale) | as long as `expires_after` | a key that is used once in a lifetime always has an old value to go on with, and no entry lives for ever |
//! | [`absence_expires_after`](RegionBuilder::absence_expires_after) | `expires_after`, 10 s at most | what is missing is often about to be inserted |
//! | [`jitter`](RegionBuilder::jitter) | none | a value lives exactly for its lifetime |
//! | [`Near::at_most`](crate::Near::at_most), over a backend | 1 s | a near copy is late for what others change by that, so it is short; a hot key costs one look a second |
//!
//! A value may say otherwise for itself, by [`Made`](crate::Made). A lifetime of `Duration::MAX` is for ever. With
//! `max_stale(Duration::ZERO)` an expired value is never served, and all accesses wait for each new one. Over a backend
//! a lifetime below two grains of that backend is refused: most of it would be rounding.
//!
//! `jitter(0.1)` shortens each lifetime by up to a tenth at random, so that a thousand values that were created
//! together do not expire together. An absence has no grace, and its lifetime has the jitter, too.
//!
//! # Renewal before the expiry
//!
//! By default a value is renewed once it has expired. If its creation takes long, the elected access is slow, and the
//! others serve a value that is older than its lifetime. Two settings renew earlier:
//!
//! | setting | one access is elected |
//! |---|---|
//! | [`refresh_at(0.8)`](RegionBuilder::refresh_at) | once 80 % of the lifetime are over |
//! | [`refresh_early(1.0)`](RegionBuilder::refresh_early) | at random, the sooner the longer the last creation took. The entry tells the fleet how long that was |
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::{Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, second) = (Arc::new(ManualClock::new()), Duration::from_secs(1));
//!     let rates = Region::builder("rate")
//!         .expires_after(second * 100)
//!         .max_stale(second * 50)
//!         .refresh_at(0.8)
//!         .clock(clock.clone())
//!         .build::<str, u32>()?;
//!     rates.get("eur").or_create(async || 1).await?;
//!
//!     clock.advance(second * 80); // fresh, and due
//!     let renewed = rates.get("eur").or_create(async || 2).await?;
//!     assert_eq!((*renewed, Got::outcome(&renewed)), (2, Outcome::Created));
//!
//!     clock.advance(second * 120); // stale
//!     assert_eq!(Got::outcome(&rates.get("eur").value().await?.unwrap()), Outcome::Stale);
//!
//!     clock.advance(second * 30); // gone
//!     assert!(rates.get("eur").value().await?.is_none());
//!     Ok(())
//! }
//! ```
//!
//! With either of them, and the step [`in_background`](crate::region::Get::in_background), no access waits for a value
//! that is in use.
//!
//! # After a failure
//!
//! | setting | default | reason |
//! |---|---|---|
//! | [`retry_after`](RegionBuilder::retry_after) | 1 s, doubled with each failure in a row up to 30 s; each pause is shortened by up to a half at random | a source that fails is called once in a pause by the whole fleet, not by each access and not by each process |
//! | [`on_error`](RegionBuilder::on_error) | [`Propagate`](dogpile::OnError::Propagate) | the elected access learns that its creator has failed; the others get the old value |
//! | [`creation_timeout`](RegionBuilder::creation_timeout) | 60 s | a creation that hangs must not hold up the fleet for ever, so it must be finite |
//!
//! In a pause an access with an old value gets that, and one without gets [`Paused`](crate::CreateError::Paused). With
//! [`ServeStale`](dogpile::OnError::ServeStale) the elected access, too, gets the old value:
//!
//! ```
//! use dogpile::{Backoff, ManualClock, OnError};
//! use dogpile_cache::{CreateError, Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, second) = (Arc::new(ManualClock::new()), Duration::from_secs(1));
//!     let rates = Region::builder("rate")
//!         .expires_after(second * 600)
//!         .on_error(OnError::ServeStale)
//!         .retry_after(Backoff::new(second, second * 30).jitter(0.0)) // in a program, leave the jitter on
//!         .clock(clock.clone())
//!         .build::<str, u32>()?;
//!     let read = async |source: Result<u32, &'static str>| {
//!         rates.get("eur").or_try_create(async || source).await.map(|rate| (*rate, Got::outcome(&rate)))
//!     };
//!
//!     // There never was a value.
//!     assert!(matches!(read(Err("down")).await, Err(CreateError::Failed("down"))));
//!     assert!(matches!(read(Ok(1)).await, Err(CreateError::Paused { failures: 1, left }) if left == second));
//!     clock.advance(second);
//!     assert_eq!(read(Ok(1)).await.unwrap(), (1, Outcome::Created));
//!
//!     // The value has expired, and the source is down again.
//!     clock.advance(second * 600);
//!     assert_eq!(read(Err("down")).await.unwrap(), (1, Outcome::StaleOnError));
//!     assert_eq!(read(Ok(2)).await.unwrap(), (1, Outcome::Stale), "no creator is called in the pause");
//!     clock.advance(second);
//!     assert_eq!(read(Ok(2)).await.unwrap(), (2, Outcome::Created));
//!     Ok(())
//! }
//! ```
//!
//! A creator that returns an error or panics has failed. One that is dropped has not: its caller went away. Each value
//! that is stored ends the count of failures, and so does twice the pause without another failure.
//!
//! # The backend
//!
//! | setting | default | reason |
//! |---|---|---|
//! | [`lease`](RegionBuilder::lease) | 10 s, renewed each third of it | what a holder that is killed costs. A thread of this crate renews it, so that a creator may block its thread; a creation of three seconds never renews |
//! | [`poll`](RegionBuilder::poll) | 250 ms | what a waiter in another process is late at most. On a backend with [signals](crate::backend::Limits::has_signals) that is only what a lost signal costs |
//! | [`backend_timeout`](RegionBuilder::backend_timeout) | 500 ms | it bounds the *sum* of what the backend takes in one access: long beside a round trip, short beside a request |
//! | [`on_backend_failure`](RegionBuilder::on_backend_failure) | [`Elect`](crate::OnBackendFailure::Elect) | each process goes on without its backend |
//! | [`backend_pause`](RegionBuilder::backend_pause) | 1 s | a backend that is down costs one `backend_timeout` in that time, not one for each access |
//! | [`own_for`](RegionBuilder::own_for) | 1 s | a hot key is not created back to back while the backend is down |
//! | [`other_life`](RegionBuilder::other_life) | [`Revalidate`](crate::OtherLife::Revalidate) | after a failover each key is renewed once |
//! | [`void_pause`](RegionBuilder::void_pause) | 100 ms | a hundred invalidations a second of a slow key are ten creations, not a hundred |
//!
//! A lease that is shorter is over sooner when a process is killed, and is lost sooner when a process or the network
//! stands still: then two creations run, and the late one publishes nothing. All builds of a fleet should have one
//! lease.
//!
//! # Contradictions
//!
//! [`build`](RegionBuilder::build) refuses settings that make no sense, and names them:
//!
//! ```
//! use dogpile_cache::{BuildError, Region};
//! use std::time::Duration;
//!
//! fn main() {
//!     let built = Region::builder("rate").build::<str, u32>();
//!     assert!(matches!(built, Err(BuildError::NoLifetime)));
//!
//!     let built = Region::builder("rate").expires_after(Duration::ZERO).build::<str, u32>();
//!     assert!(matches!(built, Err(BuildError::TooShort { what: "expires_after", .. })));
//!
//!     let minute = Duration::from_secs(60);
//!     let built = Region::builder("rate").expires_after(minute).creation_timeout(Duration::MAX).build::<str, u32>();
//!     assert!(matches!(built, Err(BuildError::Endless)));
//!
//!     let built = Region::builder("rate:2").expires_after(minute).build::<str, u32>();
//!     assert!(matches!(built, Err(BuildError::Name(_))), "a colon ends the name in a key");
//! }
//! ```

#[cfg(doc)]
use crate::RegionBuilder;
