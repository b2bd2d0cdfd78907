//! Model (ii), for memcached: the steps of the crate over a model of the server's commands.
//!
//! | file | what is in it |
//! |---|---|
//! | `store` | items with values, CAS numbers and lifetimes, and the commands on them, as a server answers them |
//! | `client` | what a client does, by the crate's own `steps`: each command is a step of the search |
//! | `paper` | what the place is by the paper, and what of the laws is judged there |
//! | `world` | the server, the clients, what happens to them, and the laws |
//! | `model`, `searches`, `planted` | the search, the searches, and the mistakes that they must find |
//! | `single` | single operations, without a search |
//!
//! On Redis an operation that changes something is one step of the server, so that model (ii) of Redis drives `Access`.
//! Here an operation is several commands, and what matters is who comes in between. So the clients of this model are
//! simpler than an access: look; claim, if nothing fresh is there; create; renew, publish, fail or go. Another kind of
//! client refreshes by hand, touches, or sets if as seen. Each command of a client is executed by itself. Between any
//! two of them there may be those of another client, of a stranger, and of the environment.
//!
//! Two things are checked:
//!
//! - The laws. G1: a grant is given if nobody has one, on what was seen. G2: what is published, renewed or ended is the
//!   holder's. G3: nothing that was granted before an invalidation or a `set` is stored after it, and what was granted
//!   before a mark is stored as marked; what is touched, or set as seen, is as it was seen. G6: a holder whose grant
//!   another gets has known before that its lease is over. G8: nobody is granted in a pause. G9: nobody loses a grant
//!   without a reason. G10: no grant counts in another life.
//! - The *refinement*: after each command, what a look would show (the entry, its mark, the holder, the pause) is what
//!   the paper says. The paper is a place in which each operation is one step: the command that decides.
//!
//! # What is modelled
//!
//! - `N` with `W` and `Z`; `X`, by a mark; CAS numbers, which begin with 1 in each life, so that those of two lives
//!   collide; lifetimes in seconds. A tick is a second. A second passes while no operation is under way, or as a step
//!   of the environment.
//! - Strangers: an `mg` that takes the win of a mark; an `mg N` that wins a stub; bytes that are none of ours; an item
//!   whose lifetime is taken; an eviction. (A `get` changes nothing.)
//! - Requests that are given up, doubled, or late, also those of a process that was killed; replies that are lost. The
//!   client of a claim that has failed ends its grant without a number.
//! - Entries that live for some ticks: they end while they are fresh, old, claimed or paused. A touched one lives for a
//!   tick.
//! - A restart loses the data, the connections, and what was sent on them. A client that creates goes on.
//! - A watcher claims over the dead once it has seen token and beat for a whole lease.
//!
//! # What the paper says of memcached alone
//!
//! - A marked stub is an orphan: it keeps the place closed, and its holder is refused. So is a grant that was added
//!   where nothing was, until its lease begins anew.
//! - A grant over an entry whose lease is over may be renewed and published as long as nobody has come.
//! - There are no tombstones: an invalidation frees the place.
//!
//! # What is not modelled
//!
//! - `Access`: the round is proved over an ideal backend, in model (i); here a client takes the answers.
//! - A server that finds no memory; other shapes; counters. `single` has some of them.
//! - An item that ends within its last second: the grain is taken from the holder's own lease, and ticks are whole.
//!   (`servers/tests/memcached_edges` has lifetimes that end between two seconds.)
//! - Estimates of the server's clock that differ between processes.
//!
//! # Bounds
//!
//! Two clients, in one search three; one to three programs for each, and one or two renewals; one to three steps of the
//! environment; one to five ticks. `searches` says which for each search.
//!
//! # What was found
//!
//! A beat that was the CAS number alone: after a restart, another grant had the beat and the token of a stub that a
//! watcher had seen before, and the watcher claimed over it while its holder created. So the life is a part of the
//! beat.

mod client;
mod model;
mod paper;
mod planted;
mod searches;
mod single;
mod store;
mod world;
