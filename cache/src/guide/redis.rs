//! What does a fleet on Redis get, and what must its operator know?
//!
//! ```toml
//! dogpile-cache = { version = "0.1", features = ["redis"] }
//! ```
//!
//! ```no_run
//! use dogpile_cache::Region;
//! use dogpile_cache::backend::connect;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let redis = connect("redis://cache.internal/").await?;
//!     let products = Region::builder("product")
//!         .far(redis.clone()) // several regions share it
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!     let minute = Duration::from_secs(60);
//!     let prices = Region::builder("price").far(redis).expires_after(minute).build::<u64, u32>()?;
//!
//!     let product = products.get(&7).or_create(async || "product 7".to_owned()).await?;
//!     let price = prices.get(&7).or_create(async || 120).await?;
//!     println!("{product}: {price}");
//!     Ok(())
//! }
//! ```
//!
//! [`Redis::connect`][connect] is the same by the type, which has more to say: its `warnings`.
//!
//! # Which servers
//!
//! Redis 6.2 or later; tested on 7.0. A server that is older is refused by [`Redis::connect`][connect], and so is a
//! replica. One server, a primary behind sentinels, and a Cluster are told apart by the URL, and by what the server
//! says of itself:
//!
//! | URL | |
//! |---|---|
//! | `redis://[USER][:PASSWORD@]HOST[:PORT][/DATABASE]` | one server, or a Cluster by any of its servers |
//! | `rediss://…` | the same by TLS, with the feature `redis-tls` |
//! | `unix:///PATH` | one server by its socket |
//! | `redis+sentinel://[USER][:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/DATABASE]` | the primary of a service |
//!
//! A process that is to start while its cache is away makes the backend by [`Redis::lazy`][connect]. Of a Cluster the
//! server that the URL names must be there for [`Redis::connect`][connect]. If another one is away, that is one of its
//! `warnings`: the process starts, and what lies on that server is as on a backend that is down, until it is back.
//! [`Region::ping`](crate::Region::ping) asks all servers, and fails if one does not answer.
//!
//! # What it gives, law by law
//!
//! | law | on Redis | what can break it, and what that costs |
//! |---|---|---|
//! | G1 one creator | one grant of a key, given by a script | a lease that runs out, an eviction, a flush, a restart, a failover: one more creation, counted as an [overlap](crate::observer::Overlap) |
//! | G2 a late holder | to publish is one script, which asks for token, number and life | nothing that we know: it depends on no clock |
//! | G3 invalidation | one script deletes the entries and voids the grant | a failover that loses acknowledged writes: what had been invalidated may be served again as stale, never as fresh, unless the region says [`Distrust`][life] (nothing of it) or [`Trust`][life]. A server that is demoted without a sentinel's word, and keeps its connections, may be read as before until the next heartbeat: a second at most |
//! | G5 bounds | each access spends `backend_timeout` once; a holder that died costs one lease | - |
//! | G6 clocks | the server's time, as a connection estimates it, decides what is fresh | a step of the server's clock moves the freshness of all that was stored before it, by as much; processes see it after a heartbeat, a second at most; it ends leases early |
//! | G8 failures | the pause is stored in the step that ends the grant | - |
//! | G10 an empty server | a grant of another run or history of the server is none | - |
//! | G12 counters | exact: one script | an eviction, a flush or a failover loses counts |
//! | G16 signals | a channel for each place that is waited for | lost messages cost a poll |
//! | G17 lifetimes | all keys have one, but what was asked to live for ever | - |
//!
//! # What it costs
//!
//! A hit is one plain `GET`; what many tasks of the process look at in one moment is one `MGET`. A creation is three
//! round trips: the look, the claim, the publication. Those who wait in another process hear of the publication by a
//! message, and look: about two round trips after it. A `Redis` has one connection for each runtime that asks, one for
//! the [keeper](crate#glossary) once a lease is to be renewed or the process waits for another one, and one for signals
//! once it waits; on a Cluster, each of them for each server.
//!
//! Measured on two cores, beside the raw client on the same server (values of 100 bytes, the codec for bytes): a hit
//! takes 1.0 to 1.1 times as long as a `GET` with one task, and 1.1 and 0.9 times with 16 and with 256 tasks that have
//! a key each. (On a Cluster the looks of one moment are so many `GET`s: on a server alone those took 1.3 and 1.4 times
//! as long.) A waiter of another process returns 0.6 to 0.8 ms after the publication. Of 8 processes whose 256 tasks
//! wait for one key, the median returns after 2 ms. `benches/servers` in the repository measures this, beside other
//! caches.
//!
//! # What the operator decides
//!
//! - **Memory.** By the policy `noeviction` a server that is full refuses to store: the creator's value goes to its
//!   caller, and the next access creates again. `allkeys-lru` and `allkeys-lfu` evict entries, and now and then a
//!   grant: one more creation. `volatile-ttl` evicts what expires first, which are the grants. Do not use it for a
//!   cache of this crate. [`Redis::warnings`][connect] names the policy of a server that evicts.
//! - **Persistence.** None is needed. A server that comes back empty is a cold start; one that comes back with an older
//!   snapshot has another life, and its entries are stale (see [`OtherLife`][life]).
//! - **Replicas.** Reads go to primaries alone. What a primary has acknowledged and not yet replicated is lost with it.
//!   `min-replicas-to-write 1` bounds for how long a primary that was cut off takes writes. While it refuses them, hits
//!   are served, and each process creates for itself. A primary whose first replica comes begins another history of its
//!   data: that is as a failover, though nothing is lost.
//! - **Rights.** See below. A user without a right to the channels works: its processes poll.
//! - **Databases.** The database number of the URL separates keys. Channels are the server's: a process may be woken by
//!   a key of the same name in another database, and looks for nothing.
//!
//! # The rights of a user
//!
//! ```text
//! ACL SETUSER cache on >PASSWORD ~{* &{* +@connection +info +time +get +mget +set +del +getrange +setrange +pttl
//!     +incrby +eval +evalsha +publish +subscribe +unsubscribe
//! ```
//!
//! On a Cluster: `+cluster|slots +asking +spublish +ssubscribe +sunsubscribe` as well. All keys and channels begin with
//! `{` and the name of their region: `~{product:* &{product:*` are the rights to one region.
//!
//! # What the keys look like
//!
//! See [keys](crate::guide::keys) for the part between the braces.
//!
//! | key | |
//! |---|---|
//! | `{product:7}@3.2` | the entry of schema 3 in format 2 |
//! | `{product:7}@grant` | while a creation runs: who creates. After an invalidation, for a moment, its tombstone |
//! | `{product:7}@pause` | after a failure |
//! | `{product:7}@count` | a counter |
//!
//! To delete a key by hand, delete the entry, and the grant too: a creation that runs would publish otherwise.
//! `UNLINK {product:7}@3.2 {product:7}@grant`. Better is [`Region::invalidate`](crate::Region::invalidate), which does
//! both in one step.
//!
//! # When the server is away
//!
//! A connection that is closed fails what is under way on it, and the next operation connects anew. Nothing that
//! changes something is sent twice. A server that hangs is noticed by the region, whose operations have a bound, and by
//! a heartbeat: it asks once a second, and an answer that takes four seconds ends the connection. What a region
//! does without its backend is on the page of [failures](crate::guide::failures). On a Cluster each server has its own
//! pause: while one is away, the keys of the others are served as always, also in an access to keys of all of them.
//!
//! [life]: crate::OtherLife
#![cfg_attr(feature = "redis", doc = "[connect]: crate::backend::Redis")]
#![cfg_attr(not(feature = "redis"), doc = "[connect]: crate::backend")]
