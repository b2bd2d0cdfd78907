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
//!         .far(memcached.clone()) // several regions share it
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!     let minute = Duration::from_secs(60);
//!     let prices = Region::builder("price").far(memcached).expires_after(minute).build::<u64, u32>()?;
//!
//!     let product = products.get(&7).or_create(async || "product 7".to_owned()).await?;
//!     let price = prices.get(&7).or_create(async || 120).await?;
//!     println!("{product}: {price}");
//!     Ok(())
//! }
//! ```
//!
//! [`Memcached::connect`][connect] is the same by the type, which has more to say: `lazy`, and `formerly`.
//!
//! Programs that get and set, as with `MintCache`, have [`Mint`](crate::mint::Mint) over the same backend.
//!
//! `cargo run --release -p example-memcached` in the repository starts a server and processes that share a value, kills
//! a process while it creates, and the server, and counts what the source is asked.
//!
//! # Which servers
//!
//! memcached 1.6.12 or later; tested on 1.6.18. A server that is older is refused by [`Memcached::connect`][connect],
//! and so is a proxy of several servers: a proxy hides whether one of them has begun anew.
//!
//! Each of several servers owns its keys: which one has a key is decided by the texts of the addresses, so all
//! processes of a fleet write them alike. The order of the list does not matter, and `host` is `host:11211`; but
//! `localhost` and `127.0.0.1` are two servers. No server takes the place of one that is away, since two processes
//! would disagree which one. Meanwhile each process creates the keys of that server for itself, and to invalidate one
//! of them is an error.
//!
//! To change the list, see `formerly` of [`Memcached`][connect]. While two lists are named, a server of the second list
//! that is away does not keep a key from being cached. To invalidate the key is an error then, since builds of the
//! other list may serve the earlier value, and the backend tells that server once it is back.
//!
//! # What it gives, law by law
//!
//! | law | on memcached | what can break it, and what that costs |
//! |---|---|---|
//! | G1 one creator | one grant of a key and a shape (a schema and a format), given by compare-and-swap | a lease that runs out, an eviction, a flush, a restart: one more creation, counted as an [overlap](crate::observer::Overlap). An invalidation leaves nothing behind that keeps the next creation from beginning at once: a hundred invalidations in a second may be a hundred creations. |
//! | G2 a late holder | to publish is a compare-and-swap on what the grant has written | nothing that we know: it depends on no clock |
//! | G3 invalidation | a `md` for each shape, on its server | a server that is away: the process by-passes the key, and tells the server when it is back. Until then other processes that reach the server may serve the earlier value; if the process ends before, nobody tells it |
//! | G5 bounds | an access to a server that hangs waits for `backend_timeout`, half a second by default; for a moment after that no other access asks the server. A change waits for it each time. A holder that died costs one lease | - |
//! | G6 clocks | the server's time since its start, which no step of a clock moves, estimated by each connection | the server shows whole seconds: freshness may be wrong by half a second when a connection is new, and by some hundredths after twenty seconds |
//! | G8 failures | the pause is stored in the step that ends the grant, and outlasts an old value | an eviction, a flush or a restart takes the pause with it |
//! | G10 an empty server | a grant of another run of the server is none | - |
//! | G12 counters | exact | an eviction, a flush or a restart loses counts |
//! | G16 signals | none: accesses that wait for another process poll | - |
//! | G17 lifetimes | all keys have one, but what was asked to live for ever. The server keeps a value for a second more, and for a minute more than a creation that has outlasted the value; nobody is served it then | a counter that is to end after January 2038 lives for ever. Else as with freshness |
//!
//! # What it costs
//!
//! A hit is one `mg`, in one write with whatever else the process asks at that moment. A creation is three
//! round trips: the look, the claim, the publication. No claim and no renewal sends the value, unless the value is over
//! before the lease is: then it is read and stored once more, about once a minute. A `Memcached` has one connection for
//! each server and each runtime that asks, and another one for values of 16 KB and more, so that small values do not
//! wait behind large ones.
//!
//! Measured on two cores, with values of 100 bytes: a hit takes 1.1 times as long as an `mg` over a connection that
//! does nothing else with one task, 1.2 times with 16, and twice as long with 256 tasks that have a key each. Where 8
//! processes want a key that is missing, one creates; for a creation of 50 ms a waiter returns 14 ms after its end in
//! the mean, and 21 ms at most. While a value of 900 KB is read and written again and again, 99 of 100 hits of small
//! values take 0.7 ms at most, instead of 0.2; where another runtime does so over connections of its own, 0.6.
//! `benches/servers` in the repository measures this, beside other clients.
//!
//! # What the operator decides
//!
//! - **Memory.** A server that is full evicts entries, and with an entry its grant: one more creation, and what the
//!   first holder publishes is refused. A server that is started with `-M` evicts nothing: it
//!   refuses to store, and has deleted then what was there.
//! - **The largest item** is 1 MB unless the server is started with another `-I`; a region learns of it from the
//!   server. A larger value goes to its caller, and is not stored: each access creates it again. `Got::published` says
//!   so.
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
//! | `product:7@0.2` | the entry of schema 0 (the default) in format 2, its grant and its pause |
//! | `product:7@count` | a counter |
//!
//! To delete a key by hand: `md product:7@0.2`, to the server that has the key; the others answer `NF`. That deletes
//! the grant with it. Better is [`Region::invalidate`](crate::Region::invalidate), which knows server and shapes.
//!
//! # When a server is away
//!
//! As on the page of [failures](crate::guide::failures), for its keys alone: each server has its own pause, and the
//! keys of the others are served as always. (Only `values` of many keys fails as a whole, if a server is away and this
//! process has no value of its own.) A server that is back is used again within a second. A connection that is closed
//! fails what is under way on it, and the next operation connects anew, after a pause that grows from 20 ms to a
//! second. Nothing that changes something is sent twice. A server that hangs is noticed by a heartbeat, too: it asks
//! once a second, and an answer that takes four seconds ends the connection.
//!
#![cfg_attr(feature = "memcached", doc = "[connect]: crate::backend::Memcached")]
#![cfg_attr(not(feature = "memcached"), doc = "[connect]: crate::backend")]
