//! How does a program begin, alone and as a fleet?
//!
//! A [`Region`](crate::Region) has the entries of one type under one name: products by their numbers, pages by their
//! paths. A program builds each region once, and clones it wherever it is used. A clone is the same region.
//!
//! # A program of one process
//!
//! A region without a backend needs no server. It keeps its values decoded in this process, and has a bound on their
//! number or their [weight](crate::Near::weighing).
//!
//! ```
//! use dogpile_cache::{Got, Near, Outcome, Region};
//! use std::io;
//! use std::time::Duration;
//!
//! /// A slow query.
//! async fn query(id: u64) -> io::Result<String> {
//!     Ok(format!("product {id}"))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let products = Region::builder("product")
//!         .near(Near::holding(10_000))
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!
//!     let first = products.get(&7).or_try_create(async || query(7).await).await?;
//!     assert_eq!(*first, "product 7"); // a `Got<String>`, which derefs to the value
//!     assert_eq!(Got::outcome(&first), Outcome::Created);
//!
//!     let second = products.get(&7).or_try_create(async || query(7).await).await?;
//!     assert_eq!(Got::outcome(&second), Outcome::Near); // no query
//!     Ok(())
//! }
//! ```
//!
//! Once ten minutes have gone by, the first access that comes creates the next value. All other accesses go on with the
//! old value meanwhile: for ten more minutes, since [`max_stale`](crate::RegionBuilder::max_stale) is as long as the
//! lifetime unless it is set. Where there is no value at all, one access creates, and the others wait for it.
//!
//! # The line that makes it a fleet's
//!
//! With a [backend](crate::RegionBuilder::far) the entries lie where other processes reach them, and one access creates
//! of all accesses of all these processes.
//!
//! The backend of a fleet is [Redis](crate::guide::redis). [`Memory`](crate::backend::Memory) lies in this process, and
//! is for tests and for programs of one process: it takes the place of a server in this example. `Memcached` (feature
//! `memcached`) is another one for a fleet, and a backend for PostgreSQL is to come; the line is the same with them. A
//! backend of your own implements the trait [`Backend`](crate::backend::Backend).
//!
//! ```
//! use dogpile_cache::backend::Memory;
//! use dogpile_cache::{Got, Near, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Arc::new(Memory::new()); // for a fleet: `Redis::connect("redis://127.0.0.1/").await?`
//!     let products = Region::builder("product")
//!         .far(memory.clone()) // <- this line
//!         .near(Near::holding(10_000).at_most(Duration::from_secs(1)))
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!     // What another process of the fleet has.
//!     let elsewhere =
//!         Region::builder("product").far(memory).expires_after(Duration::from_secs(600)).build::<u64, String>()?;
//!
//!     products.get(&7).or_create(async || "product 7".to_owned()).await?;
//!     let product = elsewhere.get(&7).or_create(async || unreachable!("it is there")).await?;
//!     assert_eq!((&**product, Got::outcome(&product)), ("product 7", Outcome::Fresh));
//!     Ok(())
//! }
//! ```
//!
//! Three things are different with a backend:
//!
//! - The values cross a network as bytes. So their type must be one of serde's (`Serialize`, `DeserializeOwned`), or
//!   the region has another [codec](crate::RegionBuilder::codec). A type that changes takes another
//!   [`schema`](crate::RegionBuilder::schema).
//! - Nothing is kept near unless the region says so. A near value is late for what other processes change, by
//!   [`at_most`](crate::Near::at_most): one second in this example.
//! - The backend can be down. [Failures](super::failures#the-backend) says what an access does then.
//!
//! # In a server
//!
//! A region is `Clone`, `Send` and `Sync`. The future of an access is `Send` if its creator's future and the values
//! are, so an access can be a part of a handler of axum or of any other framework.
//!
//! ```
//! use dogpile_cache::{CreateError, Region};
//! use std::io;
//! use std::time::Duration;
//!
//! /// What all handlers share. (In axum: the state of the router.)
//! #[derive(Clone)]
//! struct App {
//!     products: Region<u64, String>,
//! }
//!
//! async fn query(id: u64) -> io::Result<String> {
//!     if id < 1_000 { Ok(format!("product {id}")) } else { Err(io::Error::other("the database is busy")) }
//! }
//!
//! /// A handler. It returns a status and a body.
//! async fn product(app: App, id: u64) -> (u16, String) {
//!     match app.products.get(&id).or_try_create(async || query(id).await).await {
//!         Ok(product) => (200, product.to_string()),
//!         // The creator of this access has failed, or a creator has failed a short time ago.
//!         Err(CreateError::Failed(error)) => (502, error.to_string()),
//!         Err(CreateError::Paused { left, .. }) => (503, format!("come back in {} s", left.as_secs() + 1)),
//!         Err(error) => (503, error.to_string()),
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let products = Region::builder("product").expires_after(Duration::from_secs(600)).build()?;
//!     let app = App { products };
//!
//!     // A server has a task for each request.
//!     let requests = [7, 7, 7].map(|id| tokio::spawn(product(app.clone(), id)));
//!     for request in requests {
//!         assert_eq!(request.await?, (200, "product 7".to_owned()));
//!     }
//!     assert_eq!(app.products.counts().creations, 1);
//!
//!     assert_eq!(product(app.clone(), 4_711).await, (502, "the database is busy".to_owned()));
//!     assert_eq!(product(app, 4_711).await, (503, "come back in 1 s".to_owned())); // the database is left in peace
//!     Ok(())
//! }
//! ```
//!
//! # In a thread
//!
//! [`blocking`](crate::Region::blocking) gives the same accesses to threads. A region whose backend needs no runtime
//! (near alone, `Memory`) needs none either.
//!
//! ```
//! use dogpile_cache::Region;
//! use std::time::Duration;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let products = Region::builder("product").expires_after(Duration::from_secs(600)).build::<str, u32>()?;
//!     let price = products.blocking().get("pear").or_create(|| 120)?;
//!     assert_eq!(*price, 120);
//!     Ok(())
//! }
//! ```
//!
//! # At the end
//!
//! A program that ends in order [closes](crate::Region::close) its regions. The accesses under way end, and the grants
//! of those that do not end in time are given back, so that another process can create at once. A process that ends
//! without that costs each key that it was creating one [lease](crate::RegionBuilder::lease) at most.
