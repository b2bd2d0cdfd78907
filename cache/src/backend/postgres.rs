//! A backend on a PostgreSQL server.
//!
//! # What lies on the server
//!
//! All of it lies in one schema of the database (`dogpile`, unless said otherwise).
//!
//! | table | primary key | what lies there | written by |
//! |---|---|---|---|
//! | `entry` | `place`, `schema`, `format` | an entry: `value` (the envelope), `version`, `is_marked`, `expires` | publish, set, touch, mark, invalidate |
//! | `place` | `place` | a grant or its tombstone: `life`, `token`, `number`, `beat`, `is_void`, `is_marked`, `until`; a pause: `failures`, `pause_ends`, `pause_until` | claim, renew, publish, end, set, mark, invalidate |
//! | `counter` | `place` | `value`, `expires` | count |
//! | `waiter` | `lock` | until when somebody waits for the signals of a place: `until` | listen |
//! | `life` | one row | a random number | connect |
//!
//! and a sequence `number`. Keys are `bytea`: a text column takes no NUL. Each row has a lifetime, but an entry or a
//! counter that was asked to live for ever (`infinity`), and the one row of `life` (G17). A row whose lifetime is over
//! is none for each operation. A row of `place` that has neither grant nor pause is deleted by the operation that has
//! left nothing in it. The [culling](cull) takes the others.
//!
//! `entry` is UNLOGGED by default: after a crash of the server its entries are gone, which is a cold start, and on a
//! standby they cannot be read. By
//! [`logged`](PostgresBuilder::logged) they survive a crash, at the price of the write-ahead log. `place`, `waiter` and
//! `life` are UNLOGGED always. `counter` is LOGGED: a counter that was confirmed survives a crash.
//!
//! # What excludes what
//!
//! The *lock of a place* is an advisory lock of the transaction: 64 bits of SHA-256 over the name of the schema and the
//! place. Two places whose bits are equal wait for each other, and nothing else (G13, S14). Each operation that changes
//! entry or grant is one call of a PL/pgSQL function, in a transaction of its own, at READ COMMITTED. Its first
//! statement takes the lock of the place, and each later statement has a snapshot of its own, taken when the lock was
//! held. So each function sees all that was committed under the lock before, and decides by nothing older. (In a single
//! statement the snapshot would be older than the lock: a publish would find the grant that was voided meanwhile.) The
//! server releases the lock after the commit can be seen.
//!
//! | function | the lock of the place | a row that a stranger has locked |
//! |---|---|---|
//! | claim, renew, publish, end | `pg_try_advisory_xact_lock`: if another has it, the answer is *locked* | `FOR UPDATE SKIP LOCKED`: a row that is there, and was skipped, makes the answer *locked* |
//! | set, set if, touch, mark, invalidate | the same: *busy*. A user's call waits for it (`pg_advisory_xact_lock`), and holds nothing meanwhile | the same: *locked* |
//! | count | none: it takes its one row, and waits for it | waits |
//! | look, get of a counter, listen | none | none: a plain read sees what was committed last |
//! | what [users](within) call: `users.sql` | `pg_advisory_xact_lock`: waits | waits, behind the lock of the place |
//!
//! *Locked* means that nothing was changed. It is found before the first change of a function: the rows are locked
//! first, in the order place, entries. A function of ours that waits for a lock holds none, so that no deadlock can go
//! through it. (What users call waits while it holds others: two such transactions may deadlock, as with any rows. None
//! of our sessions can be part of that, since none waits.)
//!
//! Before all that, each function [asks](sql) two things. The transaction is READ COMMITTED: a user's transaction at
//! another level, which has one snapshot for all its statements, is an error (S76). And the row of `life` is the one
//! that the session has read when it was opened: where the tables were emptied or made anew, the session's operation is
//! an error, nothing was executed, and the connection is dead, so that no two lives are used at a time (G1, G10). A
//! user's session has no life.
//!
//! A row that is inserted is locked by nothing that others could skip: a session that inserts the same key waits for
//! the first transaction's end. Therefore each insert comes behind the lock of its place, also in a transaction of the
//! user's that calls one of these functions: while the lock is held, nobody else can have inserted, and a row that is
//! not there is not about to be. (A user's own `INSERT` into these tables makes our insert of the same key wait, until
//! the `statement_timeout` of the connection. Nothing else does.)
//!
//! The model in `tests/round/postgres` executes the functions statement by statement, beside other sessions and a user's
//! transaction, and finds that each is one step by the paper. It lists their statements: a change of the SQL is one of
//! the model.
//!
//! # States and transitions
//!
//! The states of a place are those of the [module `backend`](crate::backend). `G` is the grant in the row of `place`: a
//! token, this life, and `until` after the server's clock. `P` is the pause in it, `E` the entry, which is there if
//! `expires` is after the server's clock. The clock is `clock_timestamp()`, read after the locks were taken: `now()`
//! stands still in a transaction.
//!
//! | operation | the function asks, in this order | and does, if so |
//! |---|---|---|
//! | claim | `G` is of this token, and no tombstone: *granted* again | `until`, another `beat` |
//! | | `G` is of another: *held*, unless it is passed over. (This goes by the row as it was committed, and takes neither lock nor transaction id: those who wait ask again and again.) The place is locked: *locked*. `P` lasts: *paused*, unless it is passed through. `E` is locked: *locked*. `E` has another version than was seen: *changed*, with `E` | the row of `place` is inserted or updated: life, token, `number` and `beat` by the sequence, `until`; `P` stays beneath |
//! | renew | `G` has token and number, and is no tombstone | `until`, another `beat` |
//! | publish | the same | `E` is stored, marked if `G` is, with another version; the row of `place` is deleted. A tombstone of the token: the row is deleted |
//! | end | the same (number null: any) | `P` replaces `G`, or the row is deleted; without a pause, a `P` beneath stays. A tombstone of the token: the row is deleted |
//! | set, set if | `E` has the version that was seen | `E` is stored; `G` becomes a tombstone; `P` goes |
//! | touch | `E` is there, and has the version that was seen | value, version, lifetime; the mark stays |
//! | mark | | the mark in each `E` of the shapes, with another version; the mark in `G` |
//! | invalidate | | each `E` of the shapes is deleted; `G` becomes a tombstone; `P` goes |
//! | count | the sum is within its bounds | one `UPDATE`; where no row is, an `INSERT … ON CONFLICT DO NOTHING`, and once more |
//!
//! - The *version* of an entry is a random number that the caller brings: none comes again, not even after a failover
//!   that has turned back a sequence (S40).
//! - The *number* of a grant comes from the sequence: a claim that is executed again after its grant has ended has
//!   another number (G2). The *beat* is the number of the last claim or renewal and the life, added in 32
//!   bits: a failover may turn back the sequence.
//! - A clock that is set back brings back nothing that was found to be over (G6): a look deletes such an entry, a count
//!   or a get such a counter, a holder's question such a grant. A mark goes to what is over as well. The tombstone's
//!   row has its length (as `number`): one that ends later than that is over, so that none outlives its time by a step.
//! - A row that no function has written, with columns that are null or out of range, is no grant; a value above the
//!   largest entry is no entry, and is not read (G7).
//! - A grant counts in its *life* alone. The life is a hash of the system identifier, the timeline, the start of the
//!   postmaster, the number of the database, and the row of `life`: its random number, its table (`tableoid`) and the
//!   transaction that has written it (`xmin`). A restart, a failover and a copy of the server's files differ in one of
//!   the first three, and a copy by `CREATE DATABASE … TEMPLATE` in the fourth. A crash of a single session's process
//!   differs in none of them (the postmaster goes on), but the recovery after it empties the UNLOGGED tables, and the
//!   next connection makes another row of `life`. A dump that is restored brings the row back with its random number,
//!   in another table or by another transaction. The life is read on each connection, before anything else (G10). All
//!   open connections of a backend are of [one life](lane). A restart, a failover and a crash end all connections. A
//!   dump that is restored under open connections ends none: the next function that is called there does, which is the
//!   heartbeat's at the latest.
//!
//! # What a locked place costs
//!
//! - A *claim* that is answered *locked* is sent again a few times, for some 15 ms: among ourselves a lock is held for
//!   less than one. Then it is answered [`Claimed::Held`] by nobody that is known (token 0, beat 0, no lease left): not
//!   elected. The caller waits as for any other holder, and asks again.
//! - A *publish*, *renew* or *end* that is answered *locked* is sent again until the answer is another one. The server
//!   answers *gone* when the lease is over (G9). The sending goes on if the caller goes away: its time is that of the
//!   lease, not of the caller.
//! - A *change* tries the lock too, and is sent again until it has it. Changes of other processes have the lock one
//!   after the other, and no attempt is worse than any other, so that a stream of claims and changes starves none: it
//!   is tried for [`LONGEST_CHANGES_WAIT`]. A stranger's transaction keeps the lock, or a row: one that has kept it for
//!   [`CHANGES_WAIT`], or for half of that between two questions for the holder of the lock, is not waited for any
//!   longer. Then it is an error: refused, as nothing was changed. Nothing waits at the server meanwhile, and so no
//!   change of another key does (G5). A caller that goes away has sent at most one attempt, which takes effect at once
//!   or never; none follows.
//! - A region that gives up a publication, or a change, after its
//!   [`backend_timeout`](crate::RegionBuilder::backend_timeout) asks whether the place [is locked](Backend::is_locked).
//!   Then the server has answered each attempt: no pause begins, and the other keys go on. The result is in doubt.
//! - A *count* waits at the server for its row: others that count have it for a commit each. No change before it waits
//!   there. What is behind it on the connection waits for it.
//!
//! # Connections
//!
//! | connection | driven by | what goes there |
//! |---|---|---|
//! | looks | each runtime that looks: one for each | look, get of a counter |
//! | claims | the keeper | claim, renew, publish, end: none of them waits |
//! | changes | the keeper | set, touch, mark, invalidate: none of them waits; count, which waits for its row; the [culling](cull) |
//! | signals | the keeper, once somebody listens or is to be told | LISTEN, NOTIFY, waiters |
//!
//! A connection executes one statement after the other. So what waits on one of them holds up nothing of another kind.
//! Our sessions have settings of their own, READ COMMITTED and `statement_timeout` among them, whatever those of the
//! database and of the role are; so has the session that makes the tables. They are in the first message of a
//! connection and are read back before anything else: a [pooler](what), which would lend a session with our settings to
//! others, is refused, and nothing was set on its sessions. What the schema has is called once it is known to be [no
//! stranger's](what).
//!
//! The sessions of looks, claims and signals do not wait for the disk (`synchronous_commit = off`): a grant needs no
//! durability, and a value that was published and is lost in a crash is missing in the next life. What an invalidation
//! has committed it commits as the server's own setting says.
//!
//! The states of a connection are those of [`lane`]. A heartbeat asks once a second, and ends a connection whose answer
//! takes four seconds (S67). On that of looks it asks whether the life is still that of the session, and ends it if not
//! (G10); it waits for no lock, as looks would wait behind it. A connection that has failed is of no use any more: its
//! operations fail, in doubt, and the next operation connects anew. Nothing that may have been executed is sent again;
//! *locked* was not.
//!
//! # Signals
//!
//! NOTIFY takes a lock of the whole server at commit, and fails the commit when its queue is full. So it is never in
//! the transaction of a change, nor in a user's: the function answers whether anybody waits, and the process sends the
//! signal afterwards, on the connection for signals, several at once.
//!
//! A waiter says so by a row of `waiter`, for a few seconds; the processes that wait for one place share the row. To
//! listen is: LISTEN, the row, and then a `pg_try_advisory_xact_lock_shared` of the place, in one round trip. A change
//! that has asked for waiters before the row was committed holds the lock of the place until its own commit. If the
//! lock is free after the row, that change has committed, and the look that follows sees it; or the change comes later,
//! and finds the row. If the lock is not free, it is asked for again for some 30 ms. If it is not free then, as beside
//! a commit that waits for a standby, the listening fails, and the caller polls.
//!
//! What a transaction of a user's has changed is signalled by nobody. Those who wait find it by their polls.
//!
//! What is sent by a caller that goes away takes effect all the same. So publications, ends and changes are asked on
//! the keeper, which tells those who wait.
//!
//! There is one channel for the schema. The payload is the lock of the place in hexadecimal digits, and a letter: 17
//! bytes, whatever the key (S70).
//!
//! # Round trips
//!
//! A look, a claim, a renewal, a publication, an end, a change and a count are one round trip each, and one
//! transaction. A look of many keys is one statement, and [`gather`](super::gather) makes one of what many tasks ask at
//! the same moment. The statements are prepared when the connection is made. A look that finds an entry that is over,
//! and was not culled yet, deletes it by a second one, on the connection of claims: a clock that is set back does not
//! bring it back (G6). The look does not wait for that connection to be made, and for the deletion for [`BURIAL`] at
//! most (G11).
//!
//! # What kill -9, a restart and a failover cost
//!
//! A holder that dies costs one lease. A server that is stopped at once (or killed) starts with empty UNLOGGED tables:
//! a cold start. One that was shut down in peace starts with its entries, in another life. A standby that takes over
//! has the counters, and with [`logged`](PostgresBuilder::logged) the entries that were replicated. A standby, or a
//! database that takes no writes, is refused at connect.

mod address;
mod builder;
mod cull;
mod failure;
mod hub;
mod lane;
mod link;
mod millis;
mod place;
mod reply;
mod sql;
#[cfg(not(feature = "postgres-tls"))]
#[path = "postgres/no_tls.rs"]
mod tls;
#[cfg(feature = "postgres-tls")]
mod tls;
mod what;
mod within;

pub use self::builder::PostgresBuilder;

use self::address::Address;
use self::failure::{Failure, another_dialect};
use self::hub::Hub;
use self::lane::Lanes;
use self::link::{Link, NotOpened, Purpose, sleep};
use self::place::Place;
use self::reply::Answer;
use self::sql::Call;
use super::connect::ConnectError;
use crate::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    HeldBy, Life, Limits, Look, Over, PauseFor, Pending, Published, Renewed, Signals, Token,
};
use crate::codec::Shape;
use crate::key::StoredKey;
use crate::time::unless;
use crate::together::together;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// The largest entry. The server takes a gigabyte, but an entry that is read holds up all that is asked behind it on
/// the connection, the heartbeat among it.
const LARGEST_ENTRY: usize = 64 << 20;

/// The longest key. A row of the server's index has 2,700 bytes at most, with the schema and the format; a longer key
/// is hashed, and the entry has the whole of it.
const LONGEST_KEY: usize = 1024;

/// How long a look waits until an entry that is over is deleted.
const BURIAL: Duration = Duration::from_millis(50);

/// How long a change waits for one other transaction that has its place.
const CHANGES_WAIT: Duration = Duration::from_millis(400);

/// How long a change waits for all of them, one after the other.
const LONGEST_CHANGES_WAIT: Duration = Duration::from_secs(2);

/// The waits between the attempts of a claim whose place is locked.
const CLAIM_AGAIN: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(4), Duration::from_millis(8)];

/// The first wait between the attempts of a holder, or of a change, whose place is locked.
const AGAIN: Duration = Duration::from_millis(1);

/// The longest of them. Each attempt of a contender is as good as any other's, so that it gets its turn by and by.
const LONGEST_AGAIN: Duration = Duration::from_millis(8);

/// A backend on a PostgreSQL server.
///
/// Regions that name the same tables elect one creator among all processes. A `Postgres` may be shared by regions, by
/// an `Arc`; it has one connection for the looks of each runtime of tokio that asks, and two or three more: see the
/// table below.
///
/// The tables are made by [`migrate`](PostgresBuilder::migrate), or by the statements that
/// [`sql`](PostgresBuilder::sql) returns. Values are lost in a crash of the server, unless the tables are made as
/// [`logged`](PostgresBuilder::logged); counters are not.
///
/// # Round trips
///
/// | operation | round trips | connection |
/// |---|---|---|
/// | look, of one key or of many; `get` of a counter | 1 | of the runtime, for looks |
/// | claim, renew, publish, end | 1; more where another transaction has the place at this moment | for claims |
/// | change | 1; more while another transaction has the place, for 0.4 s, or for 2 s where many have it one after the other | for changes |
/// | count | 1; it waits while another transaction has the counter, for 2 s at most | for changes |
/// | listen | 2 or more, for the first who listens to a place in the process | for signals |
/// | ping | 1 on each connection | all |
/// | connect | 3, those of the password, and 1 for the statements; on three connections at once | |
///
/// # Errors
///
/// A server that is not reached, is a standby, or takes no writes, is [`Unreachable`](BackendErrorKind::Unreachable):
/// nothing was executed. A connection that is lost, or closed after a heartbeat without an answer, is
/// [`InDoubt`](BackendErrorKind::InDoubt) for each operation under way. Each other error of the server is
/// [`Refused`](BackendErrorKind::Refused): the server has rolled the operation back. A missing table, a missing right,
/// a full disk and a change whose place another transaction has kept for 0.4 s are among them, and tables that were
/// emptied or made anew since the connection was made: nothing was executed then. No error, and no `Debug`, contains a
/// name of a user or a password.
///
/// # Waiting
///
/// No look, claim, publication or renewal waits for another transaction, whatever that has locked by the functions of
/// these tables, or by `SELECT … FOR UPDATE`. A change is tried again, and a count waits. An operation has no other
/// time-out of its own, but for the `statement_timeout` of its session, two seconds, and the heartbeat: it asks once a
/// second, and ends a connection whose answer takes four seconds. A region gives each access
/// [`backend_timeout`](crate::RegionBuilder::backend_timeout).
///
/// # Cancel safety
///
/// An operation that is dropped may have been sent, and takes effect then. A publication, a renewal or an end that has
/// met a locked place goes on being tried until the lease is over. A connection that is being made goes on being made.
///
/// # Examples
///
/// ```no_run
/// use dogpile_cache::Region;
/// use dogpile_cache::backend::Postgres;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = "postgresql://app@127.0.0.1/app";
/// Postgres::builder(url).migrate().await?;
/// let region = Region::builder("greeting")
///     .far(Postgres::connect(url).await?)
///     .expires_after(Duration::from_secs(60))
///     .build::<str, String>()?;
/// let greeting = region.get("anna").or_create(async || "hello".to_owned()).await?;
/// assert_eq!(*greeting, "hello");
/// # Ok(())
/// # }
/// ```
pub struct Postgres {
    hub: Arc<Hub>,
}

impl Postgres {
    /// Connects to the server that a URL names, and to the tables in its schema `dogpile`.
    ///
    /// | URL | |
    /// |---|---|
    /// | `postgresql://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE][?…]` | a server; `postgres:` is the same |
    /// | `postgresql:///DATABASE?host=/PATH` | a server by its socket, in this directory |
    ///
    /// The host is one: two servers that both take writes know nothing of each other's invalidations. Its name may come
    /// to lead to another server, after a failover; then no connection to the one from before is used any more, once a
    /// connection to the other one is made. A pooler in between is refused, in each of its modes: a session is to be
    /// this connection's own. A schema that belongs to a [stranger](PostgresBuilder::owner) is refused before anything
    /// of it is called.
    ///
    /// With `sslmode=require`, and the feature `postgres-tls`, connections are by TLS, and the server's certificate is
    /// verified: by the roots of the operating system, or by those of the builder's `trusting`. Without that (also by
    /// `prefer`, which anybody in between could turn down) they are without TLS.
    ///
    /// # Errors
    ///
    /// The URL is none of these ([`Malformed`](ConnectError::Malformed)). The server was not reached within two
    /// seconds, takes no writes, or does not let this user in, or at the tables
    /// ([`Unreachable`](ConnectError::Unreachable)). The server is older than 15, or no PostgreSQL, or behind a pooler,
    /// or the tables are missing, of another build, or a stranger's ([`Unfit`](ConnectError::Unfit)).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection in use.
    pub async fn connect(url: &str) -> Result<Postgres, ConnectError> {
        Postgres::builder(url).connect().await
    }

    /// Makes the backend of the server that a URL names, as [`connect`](Postgres::connect) does, but connects when an
    /// operation needs it. Never blocks.
    ///
    /// # Errors
    ///
    /// The URL names nothing ([`Malformed`](ConnectError::Malformed)), or the operating system gives no thread for
    /// timers.
    pub fn lazy(url: &str) -> Result<Postgres, ConnectError> {
        Postgres::builder(url).lazy()
    }

    /// Says where the tables are, and how they are made. Never blocks.
    pub fn builder(url: &str) -> PostgresBuilder {
        PostgresBuilder::new(url)
    }

    fn at(at: Address, keeper: &Handle) -> Postgres {
        let hub = Hub::new(|on_note| Lanes::new(at, keeper.clone(), on_note));
        keeper.spawn(cull::cull(Arc::downgrade(&hub)));
        Postgres { hub }
    }

    /// Returns a connection.
    async fn link(&self, purpose: Purpose) -> Result<Arc<Link>, BackendError> {
        self.hub.lanes.opened(purpose).await.map_err(|not| not.error())
    }

    fn place(&self, key: &StoredKey) -> Place {
        Place::new(&self.hub, key)
    }

    /// Executes a statement, and says for which life.
    async fn ask(
        &self,
        purpose: Purpose,
        call: Call,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<Row>, Life), BackendError> {
        let link = self.link(purpose).await?;
        Ok((link.ask(call, parameters).await.map_err(Failure::error)?, link.life))
    }
}

fn takes(key: &StoredKey) -> Result<(), BackendError> {
    let long = key.full().len();
    if long <= LONGEST_KEY {
        return Ok(());
    }
    let why = format!("a key of {long} bytes is longer than {LONGEST_KEY}");
    Err(BackendError::new(BackendErrorKind::Refused).caused_by(why))
}

fn takes_entry(key: &StoredKey, entry: &Entry) -> Result<(), BackendError> {
    takes(key)?;
    let large = entry.bytes.len();
    if large <= LARGEST_ENTRY {
        return Ok(());
    }
    let why = format!("an entry of {large} bytes is larger than {LARGEST_ENTRY}");
    Err(BackendError::new(BackendErrorKind::TooLarge).caused_by(why))
}

/// The key of an entry, as the tables have it.
fn shape(shape: Shape) -> (i64, i16) {
    (i64::from(shape.schema), i16::from(shape.format.number()))
}

/// The keys of entries, as the tables have them.
fn names(keys: &[StoredKey]) -> (Vec<&[u8]>, Vec<i64>, Vec<i16>) {
    let places = keys.iter().map(|key| key.place().as_bytes()).collect();
    let (schemas, formats) = keys.iter().map(|key| shape(key.shape())).unzip();
    (places, schemas, formats)
}

impl Backend for Postgres {
    fn look<'a>(&'a self, keys: &'a [StoredKey], _ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(async move {
            let [key] = keys else { return Box::pin(self.look_many(keys)).await };
            takes(key)?;
            let link = self.link(Purpose::Looks).await?;
            let (look, is_over) = link.look(key.place(), shape(key.shape())).await.map_err(Failure::error)?;
            if is_over {
                Box::pin(self.bury(keys)).await;
            }
            Ok(vec![look])
        })
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        Box::pin(async move {
            takes(key)?;
            let place = self.place(key);
            for again in CLAIM_AGAIN {
                match place.claim(&claim).await? {
                    Answer::Done(done) => return Ok(done),
                    // (Not all at once: the lock is held for less than a millisecond.)
                    Answer::Locked | Answer::Busy => {
                        sleep(&self.hub.lanes.keeper, again.mul_f32(0.5 + fastrand::f32())).await;
                    }
                }
            }
            Ok(match place.claim(&claim).await? {
                Answer::Done(done) => done,
                // The caller has waited for nobody that is known, for a whole lease.
                Answer::Locked | Answer::Busy if claim.over == Over::Dead(NOBODY_KNOWN.token, NOBODY_KNOWN.beat) => {
                    let why = "another transaction has kept the place locked for a lease";
                    return Err(BackendError::new(BackendErrorKind::Refused).caused_by(why));
                }
                Answer::Locked | Answer::Busy => Claimed::Held(NOBODY_KNOWN),
            })
        })
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        Box::pin(async move {
            takes(key)?;
            let (place, grant) = (self.place(key), *grant);
            self.until_free(place.lock(), move || place.clone().renew(grant, lease)).await
        })
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        Box::pin(async move {
            takes_entry(key, &entry)?;
            let (place, grant) = (self.place(key), *grant);
            self.link(Purpose::Claims).await?;
            self.until_free(place.lock(), move || place.clone().publish(grant, entry.clone())).await
        })
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        Box::pin(async move {
            takes(key)?;
            let (place, grant) = (self.place(key), *grant);
            self.link(Purpose::Claims).await?;
            self.until_free(place.lock(), move || place.clone().end(grant, pause)).await
        })
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        Box::pin(async move {
            match &change {
                Change::Set { entry, .. } | Change::SetIf { entry, .. } | Change::Touch { entry, .. } => {
                    takes_entry(key, entry)?;
                }
                Change::MarkStale { .. } | Change::Invalidate { .. } => takes(key)?,
            }
            let (place, change) = (self.place(key), Arc::new(change));
            // A caller that goes away while the connection is made sends nothing.
            self.link(Purpose::Changes).await?;
            let (mut waiting, mut again) = (Waiting::new(), AGAIN);
            loop {
                let (asked, change) = (place.clone(), Arc::clone(&change));
                let is_busy = match self.kept(async move { asked.change(&change).await }).await? {
                    Answer::Done(done) => return Ok(done),
                    Answer::Locked => false,
                    Answer::Busy => true,
                };
                self.hub.note_locked(place.lock());
                if self.is_in_vain(&mut waiting, is_busy, place.lock()).await? {
                    let why = "another transaction has kept the place locked";
                    return Err(BackendError::new(BackendErrorKind::Refused).caused_by(why));
                }
                sleep(&self.hub.lanes.keeper, again.mul_f32(0.5 + fastrand::f32())).await;
                again = (2 * again).min(LONGEST_AGAIN);
            }
        })
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Box::pin(async move {
            takes(key)?;
            let place = key.place().as_bytes();
            match count {
                Count::Get => {
                    let (rows, _) = self.ask(Purpose::Looks, Call::Get, &[&place]).await?;
                    let (value, is_over) = reply::counter(&rows)?;
                    if is_over {
                        Box::pin(self.bury_counter(key)).await;
                    }
                    Ok(Counted::Now(value))
                }
                Count::Reset => {
                    self.ask(Purpose::Changes, Call::Reset, &[&place]).await?;
                    Ok(Counted::Now(0))
                }
                Count::Add { delta, ceiling, lifetime } => {
                    let (ceiling, lifetime) = (i64::try_from(ceiling).unwrap_or(i64::MAX), millis::lifetime(lifetime));
                    let parameters: [&(dyn ToSql + Sync); 4] = [&place, &delta, &ceiling, &lifetime];
                    let (rows, _) = self.ask(Purpose::Changes, Call::Count, &parameters).await?;
                    reply::counted(rows)
                }
            }
        })
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        Some(Box::pin(async move {
            takes(key)?;
            self.hub.listen(key.place(), self.place(key).lock()).await
        }))
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut links = self.all().await.map_err(|not| not.error())?;
            links.extend(self.hub.lanes.ready(Purpose::Signals));
            together(links.iter().map(|link| async { link.check().await.map_err(Failure::error) })).await?;
            Ok(())
        })
    }

    fn life_of(&self, _key: &StoredKey) -> Option<Life> {
        self.hub.lanes.life()
    }

    fn is_locked(&self, key: &StoredKey) -> bool {
        self.hub.is_locked(self.place(key).lock())
    }

    fn tables(&self) -> Option<&Postgres> {
        Some(self)
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::none();
        (limits.largest_entry, limits.longest_key) = (LARGEST_ENTRY, LONGEST_KEY);
        limits.has_signals = true;
        limits
    }
}

impl Postgres {
    /// Looks at many keys, by one statement.
    async fn look_many(&self, keys: &[StoredKey]) -> Result<Vec<Look>, BackendError> {
        keys.iter().try_for_each(takes)?;
        let (places, schemas, formats) = names(keys);
        let asked = self.ask(Purpose::Looks, Call::LookMany, &[&places, &schemas, &formats]).await?;
        let looks = Postgres::looked(&asked, keys)?;
        let over = looks.iter().zip(keys).filter(|((_, is_over), _)| *is_over).map(|(_, key)| key.clone());
        let over: Vec<_> = over.collect();
        if !over.is_empty() {
            self.bury(&over).await;
        }
        Ok(looks.into_iter().map(|(look, _)| look).collect())
    }

    fn looked((rows, life): &(Vec<Row>, Life), keys: &[StoredKey]) -> Result<Vec<(Look, bool)>, BackendError> {
        if rows.len() != keys.len() {
            return Err(another_dialect());
        }
        rows.iter().map(|row| reply::look(row, *life)).collect()
    }

    /// Deletes entries that a look has found to be over: a clock that is set back does not bring them back. The look is
    /// right without it, and waits for no connection.
    async fn bury(&self, keys: &[StoredKey]) {
        let lanes = &self.hub.lanes;
        let Some(link) = lanes.ready(Purpose::Claims) else { return lanes.begin(Purpose::Claims) };
        let (places, schemas, formats) = names(keys);
        let parameters: [&(dyn ToSql + Sync); 3] = [&places, &schemas, &formats];
        let burial = Box::pin(link.ask(Call::Bury, &parameters));
        drop(unless(burial, || sleep(&lanes.keeper, BURIAL)).await);
    }

    /// Deletes a counter that is over, as [`bury`](Postgres::bury) does.
    async fn bury_counter(&self, key: &StoredKey) {
        let lanes = &self.hub.lanes;
        let Some(link) = lanes.ready(Purpose::Claims) else { return lanes.begin(Purpose::Claims) };
        let place = key.place().as_bytes();
        let parameters: [&(dyn ToSql + Sync); 1] = [&place];
        let burial = Box::pin(link.ask(Call::BuryCounter, &parameters));
        drop(unless(burial, || sleep(&lanes.keeper, BURIAL)).await);
    }

    /// Asks on the keeper, so that what has taken effect is told, whether the caller goes away or not.
    async fn kept<T: Send + 'static>(
        &self,
        asking: impl Future<Output = Result<T, BackendError>> + Send + 'static,
    ) -> Result<T, BackendError> {
        let ended = |_| BackendError::new(BackendErrorKind::InDoubt).caused_by("the keeper has ended");
        self.hub.lanes.keeper.spawn(asking).await.map_err(ended)?
    }

    /// Says whether a change has waited for long enough: for one transaction, or for all. Changes of other processes
    /// have the lock one after the other; a stranger's transaction keeps it.
    async fn is_in_vain(&self, waiting: &mut Waiting, is_busy: bool, lock: i64) -> Result<bool, BackendError> {
        if let Some(is_in_vain) = waiting.met(is_busy, Instant::now()) {
            return Ok(is_in_vain);
        }
        let (rows, _) = self.ask(Purpose::Changes, Call::Holder, &[&lock]).await?;
        let holder = reply::holder(&rows)?;
        let is_same = holder.is_some() && holder == waiting.holder;
        waiting.holder = holder;
        Ok(is_same)
    }

    /// Asks for a holder, until the place is not locked: then the answer is a result, or says that the lease is over.
    /// It goes on if the caller goes away.
    async fn until_free<T, F>(&self, lock: i64, ask: impl Fn() -> F + Send + 'static) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Answer<T>, BackendError>> + Send + 'static,
    {
        let hub = Arc::clone(&self.hub);
        self.kept(async move {
            let mut again = AGAIN;
            loop {
                if let Answer::Done(done) = ask().await? {
                    return Ok(done);
                }
                hub.note_locked(lock);
                tokio::time::sleep(again.mul_f32(0.5 + fastrand::f32())).await;
                again = (2 * again).min(LONGEST_AGAIN);
            }
        })
        .await
    }

    /// Returns a connection of each kind that operations need, and opens them before that if there are none.
    async fn all(&self) -> Result<Vec<Arc<Link>>, NotOpened> {
        let purposes = [Purpose::Looks, Purpose::Claims, Purpose::Changes];
        together(purposes.into_iter().map(|purpose| self.hub.lanes.opened(purpose))).await
    }
}

/// The waiting of a change.
struct Waiting {
    began: Instant,
    /// Since when each attempt has found a row locked.
    row_since: Option<Instant>,
    /// After which time the change asks for the transaction that has the lock.
    asks: Duration,
    /// The one that had it when that was asked before.
    holder: Option<String>,
}

impl Waiting {
    fn new() -> Waiting {
        Waiting { began: Instant::now(), row_since: None, asks: CHANGES_WAIT / 2, holder: None }
    }

    /// Takes an attempt that has met a lock, of the place if `is_busy`, else of a row. Returns whether the change has
    /// waited for long enough; `None`: the holder of the lock says so.
    fn met(&mut self, is_busy: bool, now: Instant) -> Option<bool> {
        let waited = now.duration_since(self.began);
        if waited >= LONGEST_CHANGES_WAIT {
            return Some(true);
        }
        if !is_busy {
            // (Others may have had the place before that, one after the other.)
            let since = *self.row_since.get_or_insert(now);
            return Some(now.duration_since(since) >= CHANGES_WAIT);
        }
        self.row_since = None;
        if waited < self.asks {
            return Some(false);
        }
        self.asks = waited + CHANGES_WAIT / 2;
        None
    }
}

/// The holder of a place that is locked: its token is none, and it says nothing of its lease.
const NOBODY_KNOWN: HeldBy = HeldBy { token: Token(0), beat: 0, lease_left: Duration::ZERO, is_void: false };

/// Without credentials.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("server", &self.hub.lanes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g5_a_row_is_waited_for_since_it_was_found_locked() {
        let mut waiting = Waiting::new();
        let began = waiting.began;
        let at = |part: u32| began + CHANGES_WAIT * part / 4;
        // Others have the place, one after the other: their turn says nothing of the row.
        assert_eq!(waiting.met(true, at(1)), Some(false));
        assert_eq!(waiting.met(true, at(3)), None);
        assert_eq!(waiting.met(false, at(5)), Some(false));
        assert_eq!(waiting.met(false, at(8)), Some(false));
        assert_eq!(waiting.met(false, at(9)), Some(true));
        // Another one has had the place in between.
        assert_eq!(waiting.met(true, at(10)), None);
        assert_eq!(waiting.met(false, at(11)), Some(false));
        // That is all there is, whatever has the place.
        assert_eq!(waiting.met(false, at(20)), Some(true));
        assert_eq!(waiting.met(true, at(20)), Some(true));
    }
}
