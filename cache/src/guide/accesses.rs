//! What can be asked of a key, and what does an access do?
//!
//! [`Region::get`](crate::Region::get) opens an access to a key. *Steps* describe the access, and a *terminal* makes
//! it. Nothing happens before the terminal's future is polled.
//!
//! ```
//! use dogpile_cache::Region;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pages = Region::builder("page").expires_after(Duration::from_secs(60)).build::<str, String>()?;
//!     let page = pages
//!         .get("/index")
//!         .timeout(Duration::from_secs(1)) // a step
//!         .or_create(async || "hello".to_owned()) // the terminal
//!         .await?;
//!     assert_eq!(*page, "hello");
//!     Ok(())
//! }
//! ```
//!
//! # The terminals
//!
//! | the program wants | terminal |
//! |---|---|
//! | the value; the creator cannot fail | [`or_create`](Get::or_create) |
//! | the value; the creator can fail | [`or_try_create`](Get::or_try_create) |
//! | to say more of the value than the value (a lifetime, "unchanged"), or to see the old value | [`or_create_with`](Get::or_create_with), [`or_try_create_with`](Get::or_try_create_with) |
//! | the value, or that there is none | [`or_try_find`](Get::or_try_find) |
//! | what is there, and no creation | [`value`](Get::value) |
//! | the right to create, for code that is not a closure | [`claim`](Get::claim) |
//!
//! ```
//! use dogpile_cache::{Made, Region};
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let minute = Duration::from_secs(60);
//!     let tokens = Region::builder("token").expires_after(minute).build::<str, String>()?;
//!
//!     // What is there.
//!     assert!(tokens.get("anna").value().await?.is_none());
//!
//!     // A value that says itself how long it lives.
//!     let token = tokens.get("anna").or_create_with(async |creation| {
//!         assert!(creation.old().is_none());
//!         Made::new("a1".to_owned()).expires_after(minute * 59)
//!     });
//!     assert_eq!(*token.await?, "a1");
//!
//!     // There is no such user: that is remembered, too, for `absence_expires_after`.
//!     for _ in 0..2 {
//!         let found = tokens.get("nobody").or_try_find(async || Ok::<_, Infallible>(None)).await?;
//!         assert!(found.is_none());
//!     }
//!     assert_eq!(tokens.counts().creations, 2); // one of each key
//!     Ok(())
//! }
//! ```
//!
//! A region whose values are `Option`s is another thing: `None` is a value there, and lives as long as any other.
//!
//! # What an access does
//!
//! | it finds | near alone | over a backend |
//! |---|---|---|
//! | a fresh value | returns it | returns it: from near without a round trip, else with one |
//! | an old value, and nobody creates | creates, and returns the new value | a look, a claim, the creator, a publication: three round trips |
//! | an old value, and another access creates | returns the old value | the same; at most one look and one claim |
//! | an old value, and a creator has failed a short time ago | returns the old value | the same |
//! | no value, and another access creates | waits for it | waits for it: in its process without round trips, for another process by looking again, upon a signal or after a poll |
//! | no value, and nobody creates | creates | as with an old value |
//! | no value, and a creator has failed a short time ago | [`Paused`](crate::CreateError::Paused) | the same |
//!
//! All accesses of a process to one key are one to the backend: one of them has the turn, and the others wait for it in
//! the process, or go on with the old value. Ten thousand tasks that want a missing key are one creation, and a few
//! looks. Between two looks a waiter waits for [`poll`](crate::RegionBuilder::poll) at most. On a backend with
//! [signals](crate::backend::Signal) the waiter listens, and looks as soon as it hears that the value is there. On a
//! backend without, the first waits are about as long as the last creation took.
//!
//! A `Faulty` without faults counts the operations of its backend, each of which is one round trip to a server:
//!
//! ```
//! use dogpile_cache::Region;
//! use dogpile_cache::backend::{Faulty, Memory};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let counted = Arc::new(Faulty::new(Memory::new(), 0));
//!     let pages = Region::builder("page").far(counted.clone()).expires_after(Duration::from_secs(60));
//!     let pages = pages.build::<str, u32>()?;
//!
//!     pages.get("/index").or_create(async || 1).await?;
//!     assert_eq!(counted.operations(), 3); // a look, a claim, a publication
//!     pages.get("/index").or_create(async || 1).await?;
//!     assert_eq!(counted.operations(), 4); // a look
//!     pages.invalidate("/index").await?;
//!     assert_eq!(counted.operations(), 5);
//!     Ok(())
//! }
//! ```
//!
//! [`Got::outcome`](crate::Got::outcome) says which of these cases it was, and
//! [`Got::published`](crate::Got::published) what has become of a new value.
//!
//! # The steps
//!
//! | step | what it changes |
//! |---|---|
//! | [`timeout`](Get::timeout) | a bound on the wait for others: then the old value, or [`TimedOut`](crate::CreateError::TimedOut). The creator of the access itself is not interrupted |
//! | [`soft_timeout`](Get::soft_timeout) | an access with an old value waits that long for the new one, if another access creates it |
//! | [`renew_if`](Get::renew_if) | a value of that version is refused: see [changes](super::changes#a-value-that-a-caller-has-found-wrong) |
//! | [`in_background`](Get::in_background) | the creation runs in a task of its own, and an access with an old value returns that at once |
//!
//! # In the background
//!
//! Without this step the elected access waits for its own creator, though there is an old value. After the step no
//! access with an old value waits:
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::{Got, Outcome, Region};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, minute) = (Arc::new(ManualClock::new()), Duration::from_secs(60));
//!     let rates = Region::builder("rate").expires_after(minute).clock(clock.clone()).build::<str, f64>()?;
//!     rates.get("eur").or_create(async || 1.09).await?;
//!
//!     clock.advance(minute); // the value has expired
//!     let old = rates.get("eur").in_background().or_create(|| async { 1.10 }).await?;
//!     assert_eq!((*old, Got::outcome(&old)), (1.09, Outcome::Stale));
//!
//!     tokio::task::yield_now().await; // the task of the creation runs
//!     assert_eq!(*rates.get("eur").or_create(async || unreachable!()).await?, 1.10);
//!     Ok(())
//! }
//! ```
//!
//! Such a creator makes a future that owns what it needs (`'static + Send`), since it outlives the access. Its error
//! reaches the [observer](super::seen) alone if there was an old value to return.
//!
//! # The right to create
//!
//! After [`claim`](Get::claim) the miss is the right to create. The program owns a [`Creation`](crate::Creation), and
//! [publishes](crate::Creation::publish) a value, [fails](crate::Creation::fail), or drops it. While it lives, no other
//! access of the fleet creates that key.
//!
//! ```
//! use dogpile_cache::{Claim, Region};
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pages = Region::builder("page").expires_after(Duration::from_secs(60)).build::<str, String>()?;
//!     let page = match pages.get("/index").claim().await? {
//!         Claim::Value(page) => page,
//!         Claim::Create(creation) => creation.publish("made elsewhere".to_owned()).await?,
//!     };
//!     assert_eq!(*page, "made elsewhere");
//!     Ok(())
//! }
//! ```
//!
//! A creation that is held while the same task accesses the same key waits for itself, and nothing tells. (Inside of a
//! creator that is found: [`WouldDeadlock`](crate::CreateError::WouldDeadlock).)
//!
//! # A refresh by hand
//!
//! [`Region::refresh`](crate::Region::refresh) opens an access that creates whatever is there, and in a pause as well.
//! While another access creates, it waits for that creation, and takes its value.
//!
//! # Many keys
//!
//! [`Region::get_many`](crate::Region::get_many) opens one access to many keys. What is not near is looked up by one
//! round trip to each server. Each key that is to be created is claimed by itself, and one call of the creator makes
//! the values of all that were granted, in the order of the keys that the creator is given:
//!
//! ```
//! use dogpile_cache::Region;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let squares = Region::builder("square").expires_after(Duration::from_secs(60)).build::<u64, u64>()?;
//!     squares.get(&2).or_create(async || 4).await?;
//!     let some = squares.get_many(&[1, 2, 3]).or_create(async |missing| {
//!         assert_eq!(missing, [1, 3]);
//!         missing.iter().map(|number| number * number).collect()
//!     });
//!     assert_eq!(*some.await?[2], 9);
//!     Ok(())
//! }
//! ```
//!
//! The keys that others create are waited for after that. A server of several that is down fails its own keys alone:
//! the others have their values, and those are created as
//! [`on_backend_failure`](crate::RegionBuilder::on_backend_failure) says. The steps are `timeout` and `soft_timeout`,
//! the terminals `or_create`, `or_try_create`, `or_try_find` and `values`: see [`GetMany`](crate::region::GetMany).
//!
//! # Get and set, without a creator
//!
//! [`Mint`](crate::mint::Mint) is for programs that get and set, and have no place for a closure. Of the readers of a
//! late value one gets `None`, and the right to set the new one; the others get the old value for a grace.
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::mint::{Mint, Timeout};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, minute) = (Arc::new(ManualClock::new()), Duration::from_secs(60));
//!     let prices = Mint::builder("price").default_timeout(minute).with(|region| region.clock(clock.clone()));
//!     let mut one = prices.build::<str, u32>()?;
//!     let mut other = one.clone(); // another reader: of another task, or another request
//!     one.set("pear", 120_u32, Timeout::Default).await?;
//!
//!     clock.advance(minute);
//!     assert!(one.get("pear").await?.is_none() && one.is_elected("pear"));
//!     assert_eq!(other.get("pear").await?, Some(120)); // old, for 30 s by default
//!     one.set("pear", 130_u32, Timeout::Default).await?;
//!     assert_eq!(other.get("pear").await?, Some(130));
//!     Ok(())
//! }
//! ```
//!
//! What each call answers in which case, and where it differs from `MintCache`, is said by [its
//! module](crate::mint). To give a creation out of a region by hand, see [`claim`](Get::claim).
//!
//! # Creators
//!
//! A creator is an `AsyncFnOnce`: an async closure (`async || …`), or a function that returns a future. It may borrow
//! from its caller, and runs as a part of the access: if the access is dropped, so is the creator. In a creator that is
//! lent the creation, [`is_superseded`](crate::Creation::is_superseded) tells a long one that its value will not be
//! published, and [`unchanged`](crate::Creation::unchanged) stores the old value again as new:
//!
//! ```
//! use dogpile::ManualClock;
//! use dogpile_cache::{Made, Region};
//! use std::io;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! /// A page and its `ETag`.
//! type Page = (String, u32);
//!
//! /// The server answers with 304 if the page is still that one.
//! async fn fetch(tag: Option<u32>) -> Option<Page> {
//!     (tag != Some(1)).then(|| ("hello".to_owned(), 1))
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (clock, minute) = (Arc::new(ManualClock::new()), Duration::from_secs(60));
//!     let pages = Region::builder("page").expires_after(minute).clock(clock.clone()).build::<str, Page>()?;
//!     for _ in 0..2 {
//!         let page = pages.get("/index").or_try_create_with(async |creation| {
//!             match fetch(creation.old().map(|page| page.1)).await {
//!                 Some(page) => Ok(Made::new(page)),
//!                 None => creation.unchanged().ok_or(io::Error::other("304 without a page")),
//!             }
//!         });
//!         assert_eq!(page.await?.0, "hello");
//!         clock.advance(minute);
//!     }
//!     assert_eq!((pages.counts().creations, pages.counts().unchanged), (2, 1));
//!     Ok(())
//! }
//! ```

#[cfg(doc)]
use crate::region::Get;
