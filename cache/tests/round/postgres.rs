//! Model (ii), for PostgreSQL: the functions, statement by statement, over a model of the server.
//!
//! | file | what is in it |
//! |---|---|
//! | `tables` | the rows of one place, and what they are to the paper |
//! | `statements` | the statements of the functions in their order, and the test that compares them with the SQL |
//! | `session` | a session: the function that it executes, its transaction, the function's variables |
//! | `run` | what a statement sees and does: locks, rows, the commit |
//! | `functions` | the functions, written from their SQL |
//! | `client` | what a client does |
//! | `laws` | what a function has done by the paper, and the laws |
//! | `world` | the server, the sessions, the clients, a user's transaction, and what happens to them |
//! | `model`, `searches`, `planted` | the search, the searches, and the mistakes that they must find |
//!
//! On Redis a script is one step of the server, so that model (ii) of Redis drives `Access`. Here a function is several
//! statements, each with a snapshot of its own, and what matters is what comes in between. So the clients of this model
//! are simpler than an access: look; claim, if nothing fresh is there; create; renew, publish, fail or go; or listen.
//! Each statement of a session is executed by itself. Between any two of them there may be those of another session, of
//! a user's transaction, and of the environment.
//!
//! Three things are checked:
//!
//! - The *refinement*. What a function has written can be seen at its commit, all at once. At that moment the ideal
//!   backend does the same in one step, by the paper, on the data before the commit: its reply, and the data after the
//!   commit, must be the same. An answer that changes nothing is compared when the function has read what it answers.
//!   So a function is one step among all others: that is shown, and not taken for granted. Model (ii) of Redis searches
//!   `Access` over a server whose steps are those of the same ideal backend.
//! - The laws, on what the functions do. G1: a grant is given if nobody has one, on what was seen, and of two creators
//!   one has lost its grant. G2: what is published is published by a grant that nobody has ended. G3: nothing that was
//!   granted before an invalidation or a `set` is stored after it, and what was granted before a mark is stored as
//!   marked. G5: no statement of ours waits for another transaction; no waiter sleeps beside a fresh value, nor beside
//!   a place that a holder has left, while no signal was lost. G8: nobody is granted in a pause. G9: nobody is refused
//!   without a reason. G10: no grant counts in another life.
//! - *Locked* means that nothing was changed.
//!
//! # How the model is tied to the SQL
//!
//! `statements` lists, for each function, its calls, its locks, and what reads or writes a table, in the order of the
//! text. A test reads the same from the `.sql` files and compares. A digest of the functions notices a change of what a
//! statement asks. So a change of the SQL makes a test red until the model was looked at. That the functions of the
//! model ask what the SQL asks was compared by eye. `each_statement_is_executed` searches until each of them was met.
//!
//! # What is modelled
//!
//! - READ COMMITTED: a statement is one step. It sees what was committed when it began, and what its own transaction
//!   has written. A row that another transaction has locked or written is skipped by `SKIP LOCKED`, read as it was
//!   committed by a plain read, and waited for by what writes. A row that was inserted and not committed is seen by
//!   nobody, and waited for by an insert of the same key. (A statement that locks a row takes the newest version of it,
//!   also if that was committed while the statement ran. So its snapshot could differ from this step in a row alone
//!   that a stranger has inserted meanwhile.)
//! - The commit: first all can be seen, and the rows are free; then, a step later, the lock of the place is released;
//!   then the answer comes.
//! - *A user's transaction*, which stays open for any time: it calls functions (and waits for the lock of the place, as
//!   nothing of ours does), takes rows by `FOR UPDATE`, deletes rows, all of it several times and in any order; it is
//!   committed or rolled back.
//! - *Locked*: a claim or a change is sent again or goes, a holder's call is sent again.
//! - Callers that go, and leave the rest to the keeper; connections that are lost, while the server goes on with the
//!   statement; sessions that the server ends; processes that are killed. A claim without an answer is followed by the
//!   end of its grant without a number, on another connection: the two are in no order. What nobody waits for is
//!   executed at any time. A claim is executed twice (which no connection does): what its number is for.
//! - *Signals*: LISTEN, the row of `waiter`, the question for the lock, shared; NOTIFY after the answer. A user's
//!   transaction tells nobody. Each waiter may poll at any time.
//! - *Lives*: a crash empties the UNLOGGED tables, a restart does not; both end all sessions. Tables that are made anew
//!   under open connections end none.
//! - *The clock* of the server, in ticks, which stands still while a function runs, but for a step of the environment;
//!   it steps by a lease, either way. A watcher claims over a holder that it has watched for a lease.
//!
//! # What is not modelled
//!
//! - `Access`; more places, more shapes than one; `touch`, `set` as seen, counters, the culling; entries that end, and
//!   bytes of strangers.
//! - A user's own `INSERT` into the tables, and columns that no function writes.
//! - Isolation levels above READ COMMITTED: each function refuses them.
//! - The sequence: a grant, a `set` and a mark have the next number, which no other one has. A beat is the grant's
//!   number times 256, or one more for each lease that begins anew.
//! - `check` goes with the next statement, unless the tables are made anew.
//!
//! # Bounds
//!
//! One place; one or two clients, in some searches three; one to three programs for each, and one renewal; a user's
//! transaction, of up to three deeds; up to three things that happen; one to four ticks. `searches` says which for each
//! search.
//!
//! # What was found
//!
//! No fault in the functions. A publication, or an end, of a grant that was voided, and whose place is locked at that
//! moment, is refused by the row as it was committed, and leaves the tombstone: it stays for its time, `void_pause` at
//! most.

mod client;
mod functions;
mod laws;
mod model;
mod planted;
mod run;
mod searches;
mod session;
mod statements;
mod tables;
mod world;
