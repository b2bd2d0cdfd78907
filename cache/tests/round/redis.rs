//! Model (ii), for Redis: the round over a model of the server, on which each script is one step.
//!
//! | file | what is in it |
//! |---|---|
//! | `store` | keys with values and lifetimes, and the commands of Redis that the scripts use |
//! | `scripts` | each script as a function on the keys, written from its Lua |
//! | `server` | the server, the refinement mapping, and what the laws see |
//! | `client` | what a client sends, and how it takes the reply |
//! | `searches`, `planted` | the searches, and the mistakes that they must find |
//! | `single` | single scripts, without a search |
//!
//! The processes, the environment and the checks are those of model (i). In place of the ideal backend there is
//! `Redis`. It holds the keys of one place, with one shape. Three things are checked:
//!
//! - The laws, on what Redis does. `Redis::observe` looks at the data before a step and at the reply alone.
//! - The *refinement*: `mapped` says what the keys are to the paper. Each step of a process and each change by
//!   another client is also made by the ideal backend, on the data before the step. Its reply, and the data after the
//!   step, must be the same, and where it signals, Redis must signal. For this the ideal backend keeps all of the
//!   paper (`Rules::by_the_paper`). In model (i) it is simpler: there a pause is gone with its count once it is over,
//!   and a mark does not change what a claim compares.
//! - Waits. No access waits for longer than a poll and an operation at a place that is free. While no signal was
//!   lost, no waiter sleeps beside a fresh value, nor beside a place that a holder has left.
//!
//! # What is modelled
//!
//! - A look is one `GET`: it shows no rest. A claim, a renewal, a publication, an end, an invalidation, a `set` and a
//!   mark are one script each.
//! - A grant that a stranger, the server or the clock has touched is as it would be: it may be deleted (that is an
//!   eviction, an expiry at any time, or the `DEL` of a stranger, which nobody can tell apart), be of another type,
//!   be another text, have no lifetime, or be a tombstone of our form without a lifetime. The same for entry and
//!   pause, each apart.
//! - *Life.* A process reads the life when it connects, and sends it with each script. `OtherLife` is answered by the
//!   client, without a request. A change of the life (empty restart, failover to the state before the last change,
//!   and back, by which `run_id` comes back and the life does not) cuts all connections. What was sent on them, and
//!   is awaited by nobody, is lost with them. What is still awaited is taken as sent after it, on the new connection.
//! - *Requests* are given up, doubled, late, and executed after their callers have gone. They are in no order, so
//!   each order that connections keep is one of those that are met.
//! - *Signals* are messages to each subscribed task: on their way while other steps are made, lost, late, or come for
//!   nothing (which is a doubled one). They carry nothing, so that their order does not matter. A connection for
//!   signals that is lost is a gap: what is on its way is lost, nothing is sent until the connection is made again,
//!   and then each waiter is woken.
//! - *The clock.* It steps by a lease, either way, and moves all that ends by it. A tick is two milliseconds.
//!
//! # Numbers and beats
//!
//! The number of a grant, and its beat, are small counts that are never repeated: `TIME` is the count of grants times
//! 256, or one more than the beat for a lease that begins anew. On a real server they are microseconds. What a clock
//! could do that is set back, and meets the very microsecond again:
//!
//! - A claim that was doubled, and arrives late, could be granted with the token *and* the number of the grant
//!   before, and that grant's holder could publish what was invalidated (G2, G3). The claim must be executed in
//!   exactly that microsecond, after the first grant has ended, while its holder still creates.
//! - A watcher could take two leases of one token for one, if the beats are the same (of 2^32), and claim over the
//!   second one too early: an overlap (G1). Its holder is refused.
//!
//! A claim *over* a grant cannot: its number is larger than that of the grant, and its beat another.
//!
//! # What is not modelled
//!
//! - The server that was primary, while it does not know yet that it is not: a connection to it that lives on is
//!   answered by its old data, and what is written there is lost. A look there may return a value that was
//!   invalidated elsewhere. No protocol of one server can tell.
//! - A connection that outlives a change of the life. `planted` shows that it breaks G2 and G3, so the client must
//!   not have any: Sentinel cuts the clients of a server that it demotes, but a node of a Cluster does not. A client
//!   that is answered `MOVED` or `READONLY` has to close that connection.
//! - Lifetimes of entries (they are evicted instead), more shapes than one, `touch`, `set` as seen, counters, a user
//!   without the right to the channel, scripts that run out of memory. `single` has some of them.
//! - A grant with a lifetime that a stranger has forged, with the life: it counts.
//!
//! # Bounds
//!
//! Two processes with one task each, or two tasks and one; one access for each task; one to three steps of the
//! environment; up to eight ticks. `searches` says which for each search.
//!
//! # What was found
//!
//! No fault in the scripts, and none in the round, but at the edge: a number of 2^53 and more, which only a stranger
//! can have written, is no exact float, so a claim over that grant may be given the same number, or one that is no
//! integer. The ideal backend of model (i) says *gone* where the scripts and the backend in memory say *overtaken*
//! (the tombstone of another holder); the laws do not tell them apart.

mod client;
mod planted;
pub mod scripts;
mod searches;
mod server;
mod single;
mod store;
