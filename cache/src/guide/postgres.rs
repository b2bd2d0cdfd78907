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
//! of several hosts, and a pooler (`PgBouncer`), in each of its modes: the sessions have settings of their own. A
//! transaction of your own, with the methods `_in` or the functions, may go through a pooler.
//!
//! # TLS
//!
//! | the URL | the builder (feature `postgres-tls`) | a connection |
//! |---|---|---|
//! | `sslmode=require`, `sslmode=verify-full` | | with TLS; the certificate must be of a root that the operating system trusts, and name the host |
//! | any but `sslmode=disable` | `trusting(roots)` | the same, by these roots alone |
//! | without `sslmode`, or another one | | without TLS, whatever the server would take |
//!
//! There is no TLS without a verified certificate: it would keep nobody out that is in between. So the two words are
//! one here, and `prefer` is no TLS. A password goes by SCRAM, without a binding to the channel. A connection without
//! TLS is for a network that you trust, or a socket.
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
//! A hit is one prepared `SELECT` by primary key; what many tasks look at in one moment is one statement, for up to 64
//! keys. A creation is three round trips. A process has three connections: for looks (one for each runtime), for
//! claims, for changes; and a fourth one once it waits for another process, or is to tell one. Each of them is a
//! process of the server: mind `max_connections`.
//!
//! Measured on two cores, with values of 100 bytes: a hit takes 1.1 times as long as a prepared `SELECT` of one column
//! by the raw client with one task, and 0.9 and 0.5 times with 16 and with 256 tasks that have a key each. By sqlx, with
//! a pool of 8 connections that are asked whether they are alive before each use, as by default, the same `SELECT`
//! takes 1.4, 2.9 and 4 times as long as by the raw client. A waiter of another process returns 1.6 ms after the
//! creation has ended, in the median. `benches/servers` in the repository measures this.
//!
//! # Within your own transactions
//!
//! A write to the source and the change of what was computed from it can be one transaction: committed together, or not
//! at all. With tokio-postgres, by the methods whose names end in `_in`:
//! [`Region::invalidate_in`][invalidate_in], `mark_stale_in`, `set_in`, `add_in`, `touch_in`, and of
//! [`Counters`](crate::counter::Counters) `increment_in`, `decrement_in`, `get_in`, `reset_in`. With sqlx, diesel or
//! psql, or in a trigger, by functions:
//!
//! ```sql
//! BEGIN;
//! UPDATE product SET price = price * 2 WHERE id = 7;
//! SELECT dogpile.invalidate('product:7');
//! COMMIT;
//! ```
//!
//! | function | returns | |
//! |---|---|---|
//! | `place(region, key, …)` | `text` | the text of a place, with the key's items escaped: `place('order', 'anna', '7')` |
//! | `invalidate(place, void_pause => '100 ms')` | whether a value was there | |
//! | `mark_stale(place)` | the same | |
//! | `invalidate(places, void_pause)`, `mark_stale(places)` | how many had a value | an array, in an order of its own: two such calls do not deadlock |
//! | `set(place, value, lifetime, max_stale => '0', schema => 0, format => 2, void_pause)` | | `value` is `jsonb`, stored as MessagePack (format 2) or JSON (3) |
//! | `set_bytes(…, format => 1)` | | `value` is `bytea`, as the codec has made it: `Raw` (1), or one of yours |
//! | `add`, `add_bytes` | whether it was stored | as the two above, where no fresh value is |
//! | `touch(place, lifetime, max_stale => '0', schema => 0, format => 2)` | whether a value was there | |
//! | `increment(counter, delta, lifetime, ceiling => 2^63 - 1)` | the new value; null if it would be above the ceiling | the lifetime is that of a counter that this creates |
//! | `decrement(counter, delta)`, `counter(counter)`, `reset(counter)` | the value; `reset`: whether there was one | |
//! | `message_pack(value)` | `bytea` | `jsonb` as MessagePack, for `set_bytes` |
//!
//! - A lifetime is an interval; null is for ever, and so is what is longer than a hundred years. `max_stale` says for
//!   how long the value can be used once it has expired: regions take the shorter of this and their own.
//! - `set`, `add` and `touch` name one schema and format. `invalidate` and `mark_stale` reach each of a place.
//! - All of it takes effect when the transaction commits. Counters are rolled back as well; what a program counts by
//!   `increment` is not.
//! - `lifetime` and `void_pause` begin with the call, not with the commit.
//! - The transaction waits for another that has the same key, as for any row, and nobody creates the key until it ends.
//!   So call late, and commit soon. `lock_timeout` and `statement_timeout` of your session are in force.
//! - The transaction must be READ COMMITTED: at another level the functions of values raise an error, and the methods
//!   `_in` refuse before anything is done. Counters do at each level what an `UPDATE` does.
//! - Nobody is signalled. An access that waits for such a key looks again by its next
//!   [poll](crate::RegionBuilder::poll).
//! - The near stores of all processes serve what they have for their [`at_most`](crate::Near::at_most).
//! - The functions have a search path of their own, and the rights of their caller: those of a program, as above.
//! - `set`, `add` and `touch` compute a checksum in PL/pgSQL, a third of a millisecond for each kilobyte: they are for
//!   values of some kilobytes. `set_in` is for larger ones.
//! - A value that is set before any process has connected since the last crash is one of
//!   [another life](crate::OtherLife): stale, unless the region says otherwise.
//! - The database is in UTF-8, or its keys in ASCII.
//!
//! The other functions of the schema are for the program alone.
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
//! - Nor `DELETE` from them, but to see what happens: a creation that is under way publishes all the same.
//!   `dogpile.invalidate('product:7')` voids it.
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
#![cfg_attr(feature = "postgres", doc = "[invalidate_in]: crate::Region::invalidate_in")]
#![cfg_attr(not(feature = "postgres"), doc = "[invalidate_in]: crate::Region")]
