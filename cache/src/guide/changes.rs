//! What does a program do after it has written to the source?
//!
//! It [invalidates](crate::Region::invalidate) the key. Once that call has returned, no value that was created before
//! it becomes fresh, and no access that begins later gets one as fresh, in any process (law
//! [G3](super::guarantees#g3-invalidation-wins)).
//!
//! ```
//! use dogpile_cache::Region;
//! use std::cell::Cell;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let prices = Region::builder("price").expires_after(Duration::from_secs(600)).build::<str, u32>()?;
//!     let database = Cell::new(120);
//!     assert_eq!(*prices.get("pear").or_create(async || database.get()).await?, 120);
//!
//!     database.set(130); // the write, and its commit
//!     prices.invalidate("pear").await?; // after it
//!     assert_eq!(*prices.get("pear").or_create(async || database.get()).await?, 130);
//!     Ok(())
//! }
//! ```
//!
//! # What each does to the others
//!
//! | each on the other | the value | a creation under way | a pause |
//! |---|---|---|---|
//! | a creation publishes | replaced | ends | cleared |
//! | [`set`](Region::set) | replaced | voided | cleared |
//! | [`set_if`](Region::set_if) | replaced if it is still as seen, else refused | voided if stored | cleared if stored |
//! | [`add`](Region::add) | stored where none is fresh, else refused | voided if stored | cleared if stored |
//! | [`touch`](Region::touch) | its lifetime begins anew | goes on | stays |
//! | [`mark_stale`](Region::mark_stale) | marked: it serves as the old value | goes on; its value is stored as stale | stays |
//! | [`invalidate`](Region::invalidate) | gone, without grace; not in `creation.old()` either | voided | cleared |
//! | a creator fails | as it was | ends | begins |
//! | a creation is dropped, or cancelled | as it was | ends | stays |
//! | [`refresh`](Region::refresh) | as it was, until the new one is published | waited for | passed through |
//! | [`renew_if`](crate::region::Get::renew_if) | as it was, until the new one is published | waited for | stays |
//!
//! A creation that was *voided* is not stopped. Its value goes to its caller, and to the waiters of its process that
//! have waited since before its grant; it is not published. Accesses that came later get another value: they create, or
//! wait.
//! The creator may ask [`is_superseded`](crate::Creation::is_superseded).
//!
//! # Invalidate or mark stale?
//!
//! | after | accesses |
//! |---|---|
//! | `invalidate` | wait for a new value |
//! | `mark_stale` | go on with the old value, while one of them creates a new one |
//!
//! A mark is the gentler of the two: nobody waits. An invalidation is for values that must not be served any more: a
//! permission that was revoked, a price that is wrong.
//!
//! Both must come *after* the write has been committed. A creation that began before the commit has read the old state,
//! and the change of the region voids it (or marks it) only if it comes after that.
//!
//! On [PostgreSQL](super::postgres#within-your-own-transactions) a change can also be part of the transaction that
//! writes: `invalidate_in`, and functions for SQL. Then it takes effect with the commit, or not at all.
//!
//! # `set` is not fenced
//!
//! [`set`](Region::set) stores whatever is there, and of two the last to arrive wins. A program that writes to its
//! database and then sets the new value loses this race:
//!
//! ```text
//!        process 1                       process 2
//!        writes 1 to the database
//!                                        writes 2 to the database
//!                                        set(2)
//!        set(1)
//!                            the cache says 1 until it expires, the database says 2
//! ```
//!
//! So after a write, invalidate. Where a value is to be replaced by what it was computed from,
//! [`set_if`](Region::set_if) is fenced: it stores only if what lies there is still what was [seen](Region::see).
//!
//! ```
//! use dogpile_cache::Region;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let stock = Region::builder("stock").expires_after(Duration::from_secs(600)).build::<str, u32>()?;
//!     stock.set("pear", 10).await?;
//!
//!     let seen = stock.see("pear").await?;
//!     let one_less = **seen.value().expect("it was set") - 1;
//!     stock.set("pear", 7).await?; // another task was faster
//!     assert!(!stock.set_if("pear", &seen, one_less).await?);
//!     assert_eq!(*stock.get("pear").value().await?.unwrap(), 7);
//!     Ok(())
//! }
//! ```
//!
//! # A value that a caller has found wrong
//!
//! Some values are found wrong by their use: a key that verifies nothing, an address where nobody answers. The caller
//! refuses this one value by its [version](crate::Got::version), and gets another one. A hundred callers that refuse
//! one value cause one creation, and those that do not refuse it go on with it.
//!
//! ```
//! use dogpile_cache::{Got, Region};
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tokens = Region::builder("token").expires_after(Duration::from_secs(600)).build::<str, u32>()?;
//!     let refused = tokens.get("api").or_create(async || 1).await?;
//!
//!     // The server has answered with 401: the token was revoked.
//!     for _ in 0..3 {
//!         let newer = tokens.get("api").renew_if(Got::version(&refused)).or_create(async || 2).await?;
//!         assert_eq!(*newer, 2);
//!     }
//!     assert_eq!(tokens.counts().creations, 2);
//!     Ok(())
//! }
//! ```
//!
//! # What a change returns
//!
//! A change that the backend has not confirmed within [`backend_timeout`](crate::RegionBuilder::backend_timeout) is a
//! [`BackendError`](crate::backend::BackendError). The error says whether the change may take effect all the same:
//! [`is_in_doubt`](crate::backend::BackendError::is_in_doubt). An invalidation that the backend was not told of is told
//! before this process reads the key there again; other processes may get the old value meanwhile. Near alone there are
//! no such errors.
//!
//! # Two builds at a time
//!
//! A deploy has two builds, and the new one may have another [`schema`](crate::RegionBuilder::schema). Each build reads
//! its own entries alone. [`beside`](crate::RegionBuilder::beside) names the other schema, so that invalidations and
//! marks reach both: see [keys](super::keys#schemas-and-what-lies-beside).

#[cfg(doc)]
use crate::Region;
