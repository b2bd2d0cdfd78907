//! How does a program learn of what happens in a region?
//!
//! # Counts
//!
//! Each region counts what it does in this process. [`counts`](crate::Region::counts) takes a snapshot, and never
//! blocks.
//!
//! ```
//! use dogpile_cache::observer::Overlap;
//! use dogpile_cache::{Near, Region};
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let prices = Region::builder("price")
//!         .near(Near::holding(1_000))
//!         .expires_after(Duration::from_secs(60))
//!         .count_hits() // some nanoseconds a hit
//!         .build::<str, u32>()?;
//!     for _ in 0..3 {
//!         prices.get("pear").or_create(async || 120).await?;
//!     }
//!     let counts = prices.counts();
//!     assert_eq!((counts.near_hits, counts.creations, counts.published_fresh), (Some(2), 1, 1));
//!     assert_eq!(counts.overlaps.get(Overlap::LeaseLost), 0);
//!     assert_eq!(prices.kept_near(), 1);
//!     Ok(())
//! }
//! ```
//!
//! | question | [`Counts`](crate::observer::Counts) |
//! |---|---|
//! | Does the cache help? | `near_hits` and `far_fresh` beside `misses` and `creations` |
//! | Do users see old values, and how old? | `near_stale`, `far_stale`, `ages` |
//! | Do they wait? | `waits`, `waiting` |
//! | Was there one creator? | `overlaps`, by reason. All zero in the whole fleet: no key had two creations at once |
//! | Do values get to the backend? | `published_fresh`, `published_stale`, `refused`, by reason |
//! | Is the backend well? | `backend_errors`, by operation; `own` |
//! | Does somebody write to our keys? | `unreadable`, by reason |
//! | Could values live longer? | [`share_unchanged`](crate::observer::Counts::share_unchanged) |
//!
//! Near hits are not counted unless the region is built with [`count_hits`](crate::RegionBuilder::count_hits): all that
//! such a count could cost is the speed of a hit.
//!
//! # An observer
//!
//! An [`Observer`](crate::Observer) is told of events as they happen, with the region and the key: creations, failures,
//! refused publications, waits, overlaps, errors of the backend, entries that are no value, invalidations. It is never
//! told of a hit. The table in the module [`observer`](crate::observer) says what is told when.
//!
//! ```
//! use dogpile_cache::observer::{Observer, Source};
//! use dogpile_cache::Region;
//! use std::fmt::Display;
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! #[derive(Debug, Default)]
//! struct Log(Mutex<Vec<String>>);
//!
//! impl Observer for Log {
//!     fn failed(&self, of: Source<'_>, _: Duration, cause: &dyn Display) {
//!         self.0.lock().unwrap().push(format!("{} {}: {cause}", of.region, of.key));
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let log = Arc::new(Log::default());
//!     let prices = Region::builder("price").expires_after(Duration::from_secs(60)).observer(log.clone());
//!     let prices = prices.build::<str, u32>()?;
//!     assert!(prices.get("pear").or_try_create(async || Err("no answer")).await.is_err());
//!     assert_eq!(*log.0.lock().unwrap(), ["price pear: no answer"]);
//!     Ok(())
//! }
//! ```
//!
//! # `tracing` and `metrics`
//!
//! | feature | what it brings |
//! |---|---|
//! | `tracing` | the observer `dogpile_cache::Tracing`, which makes an event of each; and a span for each creation, with region and key, in which the creator runs |
//! | `metrics` | the observer `dogpile_cache::Metrics`, which makes counters and histograms; its `report` sends the counts |
//!
//! A region takes both as a pair: `.observer((Tracing, Metrics))`. A key is never the label of a metric, since there
//! would be as many time series as keys.
//!
//! # A health check
//!
//! [`ping`](crate::Region::ping) makes one round trip to each server of the backend, and is bounded by
//! [`backend_timeout`](crate::RegionBuilder::backend_timeout). Near alone it returns at once. A backend that is down
//! need not make a process unhealthy: it serves on, as [failures](super::failures#the-backend) says.
//!
//! ```
//! use dogpile_cache::backend::{Fault, Faulty, Memory};
//! use dogpile_cache::observer::Operation;
//! use dogpile_cache::Region;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let faulty = Arc::new(Faulty::new(Memory::new(), 42));
//!     let prices = Region::builder("price").far(faulty.clone()).expires_after(Duration::from_secs(60));
//!     let prices = prices.build::<str, u32>()?;
//!     assert!(prices.ping().await.is_ok());
//!     faulty.set_rate(Fault::Unreachable, 1.0);
//!     assert!(prices.ping().await.is_err());
//!     assert_eq!(prices.counts().backend_errors.get(Operation::Ping), 1);
//!     Ok(())
//! }
//! ```
