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
//! left nothing in it. The culling takes the others.
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
//! | set, set if, touch, mark, invalidate | `pg_advisory_xact_lock`: waits, and holds nothing meanwhile | the same: *locked* |
//! | count | none: it takes its one row, and waits for it | waits |
//! | look, get of a counter, listen | none | none: a plain read sees what was committed last |
//!
//! *Locked* means that nothing was changed. It is found before the first change of a function: the rows are locked
//! first, in the order place, entries. A function of ours that waits for a lock holds none, so that no deadlock can go
//! through it; and a request for the lock that waits makes each `try` after it fail, so that a stream of claims starves
//! no invalidation.
//!
//! A row that is inserted is locked by nothing that others could skip: a session that inserts the same key waits for
//! the first transaction's end. Therefore each insert comes behind the lock of its place, also in a transaction of the user's
//! that calls one of these functions: while the lock is held, nobody else can have inserted, and a row that is not
//! there is not about to be. (A user's own `INSERT` into these tables makes our insert of the same key wait, until the
//! `statement_timeout` of the connection. Nothing else does.)
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
//! | | `G` is of another: *held*, unless it is passed over. (Also where the place is locked: by the row as it was committed.) The place is locked: *locked*. `P` lasts: *paused*, unless it is passed through. `E` is locked: *locked*. `E` has another version than was seen: *changed*, with `E` | the row of `place` is inserted or updated: life, token, `number` and `beat` by the sequence, `until`; `P` stays beneath |
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
//!   another number (G2). The *beat* is the number of the last claim or renewal, in 32 bits.
//! - A grant counts in its *life* alone. The life is a hash of the system identifier, the timeline, the start of the
//!   postmaster, and the row of `life`. A restart, a failover and a restored copy differ in one of the first three. A
//!   crash of a single session's process does not (the postmaster goes on), but the recovery after it empties the
//!   UNLOGGED tables, and the next connection makes another row of `life`. Each of these ends all connections, so that
//!   a connection has one life. It is read on each connection, before anything else (G10).
//!
//! # What a locked place costs
//!
//! - A *claim* that is answered *locked* is sent again a few times, for some 15 ms: among ourselves a lock is held for
//!   less than one. Then it is answered [`Claimed::Held`] by nobody that is known (token 0, beat 0, no lease left): not
//!   elected. The caller waits as for any other holder, and asks again.
//! - A *publish*, *renew* or *end* that is answered *locked* is sent again until the answer is another one. The server
//!   answers *gone* when the lease is over (G9). The sending goes on if the caller goes away: its time is that of the
//!   lease, not of the caller.
//! - A *change* waits at the server for the lock of the place, for [`CHANGES_WAIT`] at most, and holds up the changes
//!   behind it, on this connection alone. Where a row is locked, the change is sent again for as long. Then it is an
//!   error: refused, as the server has rolled it back. A region whose `backend_timeout` is over first calls it in
//!   doubt, and it may take effect within the rest of that time.
//!
//! # Connections
//!
//! | connection | driven by | what goes there |
//! |---|---|---|
//! | looks | each runtime that looks: one for each | look, get of a counter |
//! | claims | the keeper | claim, renew, publish, end: none of them waits |
//! | changes | the keeper | set, touch, mark, invalidate, count |
//! | signals | the keeper, once somebody listens or is to be told | LISTEN, NOTIFY, waiters, culling |
//!
//! A connection executes one statement after the other. So what waits on one of them holds up nothing of another kind.
//! Our sessions set READ COMMITTED and `statement_timeout`, whatever the database's defaults are. The sessions of
//! claims do not wait for the disk (`synchronous_commit = off`): a grant needs no durability, and a value that was
//! published and is lost in a crash is missing in the next life. What an invalidation has committed it commits as the
//! server's own setting says.
//!
//! The states of a connection are those of [`lane`]. A heartbeat asks once a second, and ends a connection whose answer
//! takes four seconds (S67). A connection that has failed is of no use any more: its operations fail, in doubt, and the
//! next operation connects anew. Nothing that may have been executed is sent again; *locked* was not.
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
//! and finds the row. If the lock is not free, it is asked for again a few times. (A user's transaction may hold it for
//! longer. It tells nobody in any case.)
//!
//! There is one channel for the schema. The payload is the lock of the place in hexadecimal digits, and a letter: 17
//! bytes, whatever the key (S70).
//!
//! # Round trips
//!
//! A look, a claim, a renewal, a publication, an end, a change and a count are one round trip each, and one transaction.
//! A look of many keys is one statement. The statements are prepared when the connection is made.
//!
//! # What kill -9, a restart and a failover cost
//!
//! A holder that dies costs one lease. A server that is stopped at once (or killed) starts with empty UNLOGGED tables:
//! a cold start. One that was shut down in peace starts with its entries, in another life. A standby that takes over
//! has the counters, and with [`logged`](PostgresBuilder::logged) the entries that were replicated. A standby, or a
//! database that takes no writes, is refused at connect.
