//! What does a fleet on PostgreSQL get, and what must its operator know?
//!
//! ```toml
//! dogpile-cache = { version = "0.1", features = ["postgres"] }
//! ```
//!
//! For those whose one server is their database: a cache whose `set` does not race and whose counters do not lose, with
//! the fleet's election beside it. Where there is a Redis or a memcached, a hit costs half as much there.
//!
//! ```no_run
//! use dogpile_cache::Region;
//! use dogpile_cache::backend::connect;
//! use std::time::Duration;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let postgres = connect("postgresql://app@db.internal/app").await?;
//!     let products = Region::builder("product")
//!         .far(postgres.clone()) // several regions share it
//!         .expires_after(Duration::from_secs(600))
//!         .build::<u64, String>()?;
//!     let product = products.get(&7).or_create(async || "product 7".to_owned()).await?;
//!     println!("{product}");
//!     Ok(())
//! }
//! ```
//!
//! [`Postgres::connect`][connect] is the same by the type, which has more to say: `lazy`, and `builder`, by which the
//! tables are made.
//!
//! # The tables
//!
//! `Postgres::builder(url).migrate()` makes a schema (`dogpile`, or another name), its tables and its functions. For a
//! migration of your own, `Postgres::builder(url).sql()` returns the statements.
//!
//! | table | what lies there | after a crash of the server |
//! |---|---|---|
//! | `entry` | the values, by key, schema and format | gone; with `logged()` there, at the price of the write-ahead log |
//! | `place` | grants, tombstones and pauses | gone |
//! | `counter` | the counters | there |
//! | `waiter`, `life` | who is to be told; a number | gone |
//!
//! The user of the program needs `USAGE` of the schema and of its sequence, and `SELECT`, `INSERT`, `UPDATE` and
//! `DELETE` of its tables. The extension `plpgsql` must be there, as it is by default.
//!
//! The schema, and all that is in it, must belong to the user of the program, to a superuser, to the owner of the
//! database, or to the user that [`owner`](crate::backend::PostgresBuilder::owner) names: another user's functions
//! would act with the rights of the program.
//!
//! # Which servers
//!
//! PostgreSQL 15 or later; tested on Debian's 15. An older server is refused by `connect`, and so are a standby, a URL
//! of several hosts, and a pooler (`PgBouncer`), in each of its modes: the sessions have settings of their own. TLS is
//! to come. Until then a program connects to the server itself, within a network that it trusts, or by a socket.
//!
//! # What it gives, law by law
//!
//! | law | on PostgreSQL | what can break it, and what that costs |
//! |---|---|---|
//! | G1 one creator | one grant of a place, under an advisory lock of the transaction | a lease that runs out, a crash, a failover: one more creation, counted as an [overlap](crate::observer::Overlap) |
//! | G2 a late holder | to publish is one transaction, conditional on token, number and life | nothing that we know: it depends on no clock |
//! | G3 invalidation | one transaction, durable as the server is set | a failover to a standby that lags: `other_life` says what its entries are worth |
//! | G5 bounds | nothing but a count waits at the server for another transaction. A change is tried again, for 0.4 s at most beside a transaction that keeps the key | a count that waits, for 2 s at most, holds up the changes of its process behind it |
//! | G6 clocks | `clock_timestamp()` of the server, in the statement itself | a step of the server's clock moves lifetimes |
//! | G8 failures | the pause is stored in the transaction that ends the grant | a crash takes the pause with it |
//! | G9 a lost lease | a publication whose row is locked is tried again until the lease ends | a transaction of yours that keeps the row for longer |
//! | G10 an empty server | the life is that of the system, the timeline, the start, the database, and of the UNLOGGED tables, as they were made and filled | - |
//! | G12 counters | exact; a confirmed one survives a crash | - |
//! | G16 signals | `NOTIFY`, only where somebody waits, and never in a transaction that changes something | - |
//! | G17 lifetimes | what is over is nothing, and is deleted by samples of the tables | - |
//!
//! # What it costs
//!
//! A hit is one prepared `SELECT` by primary key, a creation three round trips. A process has three connections: for
//! looks (one for each runtime), for claims, for changes; and a fourth one once it waits for another process, or is to
//! tell one. Each of them is a process of the server: mind `max_connections`.
//!
//! # Beside your own transactions
//!
//! - A transaction that has locked rows of these tables (`SELECT … FOR UPDATE`, `DELETE`), or has called one of the
//!   functions, makes the keys of these rows *locked* until it ends. A process that would create one of them waits, as
//!   for another's creation. A publication or a change that a region gives up meanwhile is in doubt, or refused; the
//!   region goes on asking for the other keys.
//! - `TRUNCATE` of these tables makes all that asks for them wait until its transaction ends. Prefer `DELETE`.
//! - Do not `INSERT` into the tables yourself: another insert of the same key waits for your transaction's end. The
//!   functions take the lock of the place before.
//! - To delete by hand: `DELETE FROM dogpile.entry WHERE place = 'product:7'`. A creation that is under way then
//!   publishes all the same; [`Region::invalidate`](crate::Region::invalidate) voids it.
//!
//! See [keys](crate::guide::keys) for what the text of a place is. A place of more than 1 KB is hashed.
//!
//! # When the server is away
//!
//! As on the page of [failures](crate::guide::failures). A connection that is closed fails what is under way on it, in
//! doubt, and the next operation connects anew. Nothing that may have been executed is sent twice. A server that hangs
//! is noticed by a heartbeat, too: it asks once a second, and an answer that takes four seconds ends the connection.
//!
#![cfg_attr(feature = "postgres", doc = "[connect]: crate::backend::Postgres")]
#![cfg_attr(not(feature = "postgres"), doc = "[connect]: crate::backend")]
