//! How does a program test what it does with a region?
//!
//! No test has to wait for real time, and none needs a server:
//!
//! | the test is of | it uses |
//! |---|---|
//! | what happens as values age | [`ManualClock`](dogpile::ManualClock): the test moves the time |
//! | tasks that wait and sleep | tokio's paused time, and [`tokio_time`](crate::RegionBuilder::tokio_time) |
//! | several processes | [`Memory`](crate::backend::Memory): regions that share one are a fleet |
//! | a backend that is down, slow or loses replies | [`Faulty`](crate::backend::Faulty): faults by a seed |
//! | a server that restarts, evicts or fails over | [`lose_everything`](crate::backend::Memory::lose_everything), [`lose_entry`](crate::backend::Memory::lose_entry), [`fail_over_to`](crate::backend::Memory::fail_over_to) of `Memory` |
//!
//! The program under test needs one place where its regions are built, so that a test can give them another clock and
//! another backend. In a test, `#[tokio::test]` stands where the examples say
//! `#[tokio::main(flavor = "current_thread")]`.
//!
//! # A clock that the test moves
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::{Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//!
//! #[tokio::main(flavor = "current_thread")] // #[tokio::test]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let clock = Arc::new(ManualClock::new());
//!     let prices = Region::builder("price").expires_after(MINUTE).clock(clock.clone()).build::<str, u32>()?;
//!
//!     prices.get("pear").or_create(async || 120).await?;
//!     clock.advance(MINUTE - Duration::from_nanos(1));
//!     let fresh = prices.get("pear").or_create(async || unreachable!("it is fresh")).await?;
//!     assert_eq!((*fresh, Got::age(&fresh)), (120, MINUTE - Duration::from_nanos(1)));
//!
//!     // It has expired. While one access creates, another one gets the old value.
//!     clock.advance(Duration::from_nanos(1));
//!     let new = prices.get("pear").or_create_with(async |creation| {
//!         assert_eq!(creation.old(), Some(&120));
//!         let meanwhile = prices.get("pear").or_create(async || unreachable!("another access creates")).await.unwrap();
//!         assert_eq!((*meanwhile, Got::outcome(&meanwhile)), (120, Outcome::Stale));
//!         130.into()
//!     });
//!     assert_eq!(*new.await?, 130);
//!     Ok(())
//! }
//! ```
//!
//! A `ManualClock` stands still until it is moved. So an access that has to wait for *time* (a poll, a time-out, the
//! end of a lease) waits until the test moves the clock. An access that waits for another access of its process does
//! not need the clock.
//!
//! # Tokio's paused time
//!
//! A runtime whose time is paused moves it by itself when all its tasks wait. A region with
//! [`tokio_time`](crate::RegionBuilder::tokio_time) goes by that time, and so do its timers. Whatever sleeps in the
//! program takes no time in the test.
//!
//! ```
//! use dogpile_cache::{CreateError, Got, Outcome, Region};
//! use std::time::Duration;
//! use tokio::time::{Instant, sleep};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! /// A source that takes five seconds.
//! async fn source() -> u32 {
//!     sleep(SECOND * 5).await;
//!     120
//! }
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // #[tokio::test(start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let begun = Instant::now();
//!     let prices = Region::builder("price").expires_after(SECOND * 60).tokio_time().build::<str, u32>()?;
//!
//!     // Of three accesses one creates, one waits for it, and one has no patience.
//!     let (created, waited, hurried) = tokio::join!(
//!         prices.get("pear").or_create(source),
//!         prices.get("pear").or_create(source),
//!         prices.get("pear").timeout(SECOND).or_create(source),
//!     );
//!     assert_eq!(Got::outcome(&created?), Outcome::Created);
//!     assert_eq!(Got::outcome(&waited?), Outcome::Waited);
//!     assert!(matches!(hurried, Err(CreateError::TimedOut)));
//!     assert_eq!((prices.counts().creations, begun.elapsed()), (1, SECOND * 5));
//!
//!     sleep(SECOND * 60).await; // the value expires
//!     assert_eq!(Got::outcome(&prices.get("pear").value().await?.unwrap()), Outcome::Stale);
//!     Ok(())
//! }
//! ```
//!
//! A creator that blocks its thread is not for this setting: the region's timers are on that thread, too.
//!
//! # A fleet in one test
//!
//! Two regions over one `Memory` are two processes of a fleet, as far as a backend can tell. Each of them has its own
//! local election, its own near values and its own counts. The `Memory` must go by the same clock as the regions: give it
//! the clock by `Memory::with_clock`, or nothing ever expires, and nothing tells of that.
//!
//! ```
//! use dogpile_cache::backend::Memory;
//! use dogpile_cache::{Got, Outcome, Region, TokioClock};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::time::{Instant, sleep};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! /// A process of the fleet.
//! fn process(memory: &Arc<Memory<TokioClock>>) -> Region<str, u32> {
//!     let prices = Region::builder("price").far(Arc::clone(memory)).expires_after(SECOND * 60).tokio_time();
//!     prices.build().expect("these settings agree")
//! }
//!
//! async fn source() -> u32 {
//!     sleep(SECOND * 5).await;
//!     120
//! }
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // #[tokio::test(start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Arc::new(Memory::with_clock(TokioClock::current()));
//!     let (one, other) = (process(&memory), process(&memory));
//!     let begun = Instant::now();
//!
//!     let (created, found) = tokio::join!(one.get("pear").or_create(source), other.get("pear").or_create(source));
//!     assert_eq!(Got::outcome(&created?), Outcome::Created);
//!     assert_eq!(Got::outcome(&found?), Outcome::Fresh); // it has waited, and looked again
//!     assert_eq!(one.counts().creations + other.counts().creations, 1);
//!     assert!(begun.elapsed() < SECOND * 5 + SECOND / 4, "it was late by one poll at most");
//!
//!     // What one process invalidates is gone for the other.
//!     one.invalidate("pear").await?;
//!     assert!(other.get("pear").value().await?.is_none());
//!     Ok(())
//! }
//! ```
//!
//! ## A process that is killed
//!
//! A test cannot kill a part of itself. It claims the key as another process would, and never ends the grant:
//!
//! ```
//! use dogpile_cache::backend::{Backend, Claim, Claimed, Memory, Token};
//! use dogpile_cache::codec::{Format, Shape};
//! use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
//! use dogpile_cache::{Region, TokioClock};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::time::Instant;
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // #[tokio::test(start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (memory, lease) = (Arc::new(Memory::with_clock(TokioClock::current())), Duration::from_secs(10));
//!     let prices = Region::builder("price").far(memory.clone()).expires_after(lease * 6).tokio_time();
//!     let prices = prices.lease(lease).build::<str, u32>()?;
//!
//!     // A process has the grant of this key, and is killed.
//!     let shape = Shape { schema: 0, format: Format::MESSAGE_PACK };
//!     let key = StoredKey::new(&Namespace::new("price")?, "pear", shape, KeyLimit::NONE);
//!     let claimed = memory.claim(&key, Claim::new(Token::random(), lease)).await?;
//!     assert!(matches!(claimed, Claimed::Granted { .. }));
//!
//!     let begun = Instant::now();
//!     assert_eq!(*prices.get("pear").or_create(async || 120).await?, 120);
//!     assert!(begun.elapsed() >= lease && begun.elapsed() < lease + Duration::from_millis(251));
//!     Ok(())
//! }
//! ```
//!
//! # Faults by a seed
//!
//! [`Faulty`](crate::backend::Faulty) stands between the region and its backend. A test that runs on one thread meets
//! the same faults in each run of a seed. Print the seed of a test that takes a random one: `Debug` of a `Faulty` shows
//! it.
//!
//! ```
//! use dogpile_cache::backend::{Fault, Faulty, Memory};
//! use dogpile_cache::{Region, TokioClock};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tokio::time::sleep;
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)] // #[tokio::test(start_paused = true)]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (minute, seed) = (Duration::from_secs(60), 42);
//!     let faulty = Faulty::new(Memory::with_clock(TokioClock::current()), seed)
//!         .with(Fault::Unreachable, 0.2)
//!         .with(Fault::ReplyLost, 0.2)
//!         .with(Fault::Delayed, 0.5)
//!         .delayed_by(move |part| sleep(minute.mul_f64(part / 60.0))); // up to a second
//!     let faulty = Arc::new(faulty);
//!     let prices = Region::builder("price").far(faulty.clone()).expires_after(minute).tokio_time();
//!     let prices = prices.build::<u64, u64>()?;
//!
//!     // Whatever the backend does, each access gets its value.
//!     for number in 0..200 {
//!         let key = number % 10;
//!         assert_eq!(*prices.get(&key).or_create(async || key * 2).await?, key * 2, "{faulty:?}");
//!         sleep(minute / 20).await;
//!     }
//!     assert!(faulty.count_of(Fault::ReplyLost) > 0 && prices.counts().backend_errors.total() > 0);
//!
//!     // The backend is well again.
//!     [Fault::Unreachable, Fault::ReplyLost, Fault::Delayed].map(|fault| faulty.set_rate(fault, 0.0));
//!     faulty.deliver().await;
//!     sleep(minute).await;
//!     let errors = prices.counts().backend_errors.total();
//!     prices.get(&1).or_create(async || 2).await?;
//!     assert_eq!(prices.counts().backend_errors.total(), errors);
//!     Ok(())
//! }
//! ```
//!
//! # A server with other limits
//!
//! [`Memory::with_limits`](crate::backend::Memory::with_limits) makes a backend with the limits of another: leases of
//! whole seconds, short keys, small entries, no tombstones. So a test sees today what a region will do on memcached.
//!
//! # What not to test by
//!
//! - Real sleeps. A test that sleeps is slow, and fails on a machine that is slower.
//! - [`Counts`](crate::observer::Counts) in the middle of things: each number stands by itself, and an event is counted
//!   piece by piece. Between accesses they are exact.
//! - Versions and tokens: they are random.
