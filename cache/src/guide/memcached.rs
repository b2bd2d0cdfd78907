//! What does a fleet on memcached get, and what must its operator know?
//!
//! ```toml
//! dogpile-cache = { version = "0.1", features = ["memcached"] }
//! ```
//!
//! ```no_run
//! use dogpile_cache::Region;
//! use dogpile_cache::backend::connect;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memcached = connect("memcached://cache-1.internal,cache-2.internal").await?;
//!     let products = Region::builder("product")
//!         .far(memcached)
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!
//!     let product = products.get(&7).or_create(async || "product 7".to_owned()).await?;
//!     println!("{product}");
//!     Ok(())
//! }
//! ```
//!
//! [`Memcached::connect`][connect] is the same by the type, which has more to say: `lazy`, and `formerly`.
//!
//! # Which servers
//!
//! memcached 1.6.12 or later; tested on 1.6.18. A server that is older is refused by [`Memcached::connect`][connect],
//! and so is a proxy of several servers, behind which nobody can tell whether one of them has begun anew.
//!
//! Each of several servers owns its keys: which one has a key is decided by the texts of the addresses, so all
//! processes of a fleet write them alike. While a server is away, its keys are not cached, and to invalidate one of
//! them is an error: no other server takes its place, since two processes would disagree which one. To change the list,
//! see `formerly` of [`Memcached`][connect].
//!
//! # What it gives, law by law
//!
//! | law | on memcached | what can break it, and what that costs |
//! |---|---|---|
//! | G1 one creator | one grant of a key and a shape, given by compare-and-swap | a lease that runs out, an eviction, a flush, a restart: one more creation, counted as an [overlap](crate::observer::Overlap). There are no tombstones: after an invalidation the next creation begins at once, so a hundred invalidations in a second may be a hundred creations |
//! | G2 a late holder | to publish is a compare-and-swap on what the grant has written | nothing that we know: it depends on no clock |
//! | G3 invalidation | a `md` for each shape, on its server | a server that is away: the process by-passes the key, and tells the server when it is back |
//! | G5 bounds | each access spends `backend_timeout` once; a holder that died costs one lease | - |
//! | G6 clocks | the server's time since its start, which no step of a clock moves, estimated by each connection | the server counts seconds: freshness may be wrong by one |
//! | G8 failures | the pause is stored in the step that ends the grant | - |
//! | G10 an empty server | a grant of another run of the server is none | - |
//! | G12 counters | exact | an eviction, a flush or a restart loses counts |
//! | G16 signals | none: accesses that wait for another process poll | - |
//! | G17 lifetimes | all keys have one, but what was asked to live for ever | - |
//!
//! # What it costs
//!
//! A hit is one `mg`, in one write with whatever else the process asks at that moment. A creation of a missing value is
//! four round trips: the look, two of the claim, the publication; that of an old value is three. A value is not sent
//! again when its lease is claimed or renewed. A `Memcached` has one connection for each server and each runtime that
//! asks, and another one for values of 16 KB and more, so that small values do not wait behind large ones.
//!
//! # What the operator decides
//!
//! - **Memory.** A server that is full evicts entries, and with an entry its grant: one more creation, and what the
//!   first holder publishes is refused. A server that is started with `-M` evicts nothing: it
//!   refuses to store, and has deleted then what was there.
//! - **The largest item** is 1 MB unless the server is started with another `-I`; a region learns of it from the
//!   server. A larger value goes to its caller, and is not stored.
//! - **Leases** are whole seconds; a region takes none under four. The default is ten.
//! - **Rights and TLS.** memcached has neither, as the client speaks to it: let it listen where your processes are, or
//!   on a socket, `memcached+unix:///PATH`.
//!
//! # What the keys look like
//!
//! See [keys](crate::guide::keys) for the part before the `@`. A key of more than 250 bytes is hashed.
//!
//! | key | |
//! |---|---|
//! | `product:7@3.2` | the entry of schema 3 in format 2, its grant and its pause |
//! | `product:7@count` | a counter |
//!
//! To delete a key by hand: `md product:7@3.2`. That deletes the grant with it. Better is
//! [`Region::invalidate`](crate::Region::invalidate), which knows all shapes.
//!
//! # When a server is away
//!
//! As on the page of [failures](crate::guide::failures), for its keys alone: each server has its own pause, and the
//! keys of the others are served as always. A connection that is closed fails what is under way on it, and the next
//! operation connects anew, after a pause that grows from 20 ms to a second. Nothing that changes something is sent
//! twice. A server that hangs is noticed by a heartbeat, too: it asks once a second, and an answer that takes four
//! seconds ends the connection.
//!
#![cfg_attr(feature = "memcached", doc = "[connect]: crate::backend::Memcached")]
#![cfg_attr(not(feature = "memcached"), doc = "[connect]: crate::backend")]
