//! What does the crate promise, and what shows it?
//!
//! The crate keeps the laws below, G1 to G17. Comments, tests and models refer to a law by its number. They hold beside
//! the laws L1 to L12 of the crate `dogpile`, which hold within each process. G15 (tags) is of a later part.
//!
//! | law | in short |
//! |---|---|
//! | [G1](#g1-one-creator-in-the-fleet) | One key has one live grant, and one creation. |
//! | [G2](#g2-a-late-holder-publishes-nothing) | What is published is published with a grant that still counts. |
//! | [G3](#g3-invalidation-wins) | A value of before an invalidation never becomes fresh. |
//! | [G4](#g4-no-result-is-lost) | A caller gets what its creator has made, whatever the backend says. |
//! | [G5](#g5-every-wait-is-bounded) | No wait rests on another process, or on a backend, without a bound. |
//! | [G6](#g6-safety-needs-no-clock) | No step of a clock lets a late holder publish, or undoes an invalidation. |
//! | [G7](#g7-hostile-bytes) | Bytes of strangers are a miss, and no more. |
//! | [G8](#g8-failure-frees) | A creation that fails frees its key, and the fleet leaves the source in peace. |
//! | [G9](#g9-a-lost-lease-is-a-lost-grant) | A holder whose lease is lost publishes nothing; a holder in time publishes. |
//! | [G10](#g10-an-empty-server-is-a-cold-start) | Nothing of an earlier life of a server is taken for fresh. |
//! | [G11](#g11-a-stale-value-is-never-waited-for) | An access with an old value does not wait for the creation of another. |
//! | [G12](#g12-counters) | The increments of a fleet add up. |
//! | [G13](#g13-keys-do-not-collide) | Two keys are never one. |
//! | [G14](#g14-many-keys) | Many keys are one round trip. |
//! | [G16](#g16-notifications-are-hints) | A lost notification costs time only. |
//! | [G17](#g17-everything-has-a-lifetime) | Nothing stays for ever that was not asked to. |
//!
//! # What each backend gives
//!
//! | law | near alone | [`Memory`](crate::backend::Memory) | [Redis](crate::guide::redis) | [memcached](crate::guide::memcached) | [PostgreSQL](crate::guide::postgres) |
//! |---|---|---|---|---|---|
//! | G1 to G11 | within the process | among all regions that share it; exact | in the fleet; what a failover, an eviction or a step of the server's clock costs is on [its page](crate::guide::redis) | in the fleet, for each shape; without tombstones, and with a second's grain: see [its page](crate::guide::memcached) | in the fleet; what a crash, a failover or a step of the server's clock costs is on [its page](crate::guide::postgres) |
//! | G12 | - (counters need a backend) | exact | exact, until the server loses the counter | the same | exact; a confirmed counter survives a crash |
//! | G13 | by `Eq` of the keys | whole keys, of any length | keys above 1 KB are hashed, and the entry has the whole key | the same above 250 bytes | as on Redis |
//! | G16 | no notifications: what happens is in the process | exact | a channel for each place that is waited for | no notifications: polls | `NOTIFY`, where somebody waits |
//! | G17 | near is bounded | exact | by the server's lifetimes, in milliseconds | the same, in seconds | by the time in the row, in milliseconds; what is over is culled |
//! | what kill -9 of a holder costs | the process, and all values | the same: it lies in the process | one lease | one lease | one lease |
//! | what a failover costs | - | - | the grants under way, and one renewal of each entry | there is none: the keys of a server that is away are not cached | the grants under way; the entries, unless they are `logged` |
//!
//! # How to read the names
//!
//! The source, the models and the tests are in the repository of the crate. Each law below names them:
//!
//! - *Kept by* names files in `src/`. The [round](#the-model) has its argument for each law in the module docs of
//!   `round.rs`.
//! - *Models* names files and folders in `tests/`. A model has a property named for each law.
//! - *Tests* names files and folders in `tests/`. The functions that test law G1 begin with `g1_`, or contain `_g1_`.
//!   Functions that begin with `s31_` test a case of a list of what broke other caches. The command
//!   `grep -rn 'g1_' cache/tests` lists the tests of G1.
//!
//! # The laws
//!
//! ## G1: One creator in the fleet
//!
//! A key has at most one live grant on its backend, and an access creates only with a grant. No creation begins for a
//! value that is fresh, unless the value is due for early renewal, or an access [refreshes](crate::Region::refresh) it
//! or [refuses](crate::region::Get::renew_if) it.
//!
//! - *Exception:* Creations overlap if a lease has run out; if the server has lost the grant (an eviction, a flush, a
//!   restart, a failover, its clock stepped); if an invalidation or a `set` has voided the grant; if a creation takes
//!   longer than [`creation_timeout`](crate::RegionBuilder::creation_timeout); or if a process that is cut off from the
//!   backend creates for itself. Each overlap is counted by its reason: [`Overlap`](crate::observer::Overlap). A run
//!   without these has none.
//! - *Scope:* A voided grant leaves a tombstone until its holder ends, for
//!   [`void_pause`](crate::RegionBuilder::void_pause) at most. So a hundred invalidations a second of a key that takes
//!   a second are not a hundred creators at a time.
//!
//! *Why it holds:* Two accesses of one process need the turn of the local election, and two processes need the grant. A
//! claim names the entry that was seen. So what has become fresh between the look and the claim is answered with that
//! entry, and not with a grant.
//!
//! - *Kept by:* `round/access.rs`, `slot.rs`, `drive/advance.rs`; `backend/memory/place.rs`, `backend/redis.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `backend_faulty.rs`, `backend_memory.rs`, `region`.
//!
//! ## G2: A late holder publishes nothing
//!
//! To publish is one operation of the backend, conditional on the token and the number of the grant, in the life in
//! which it was given. A publication that is refused is not tried in any other way. The answer is yes, refused (with
//! the reason), or unknown: the reply was lost.
//!
//! *Why it holds:* A grant is a random token, and the backend gives each grant a number of its own. So not even a
//! request that was doubled on its way can publish twice.
//!
//! - *Kept by:* `round/access/creating.rs`, `store/far.rs`; `backend/memory/place.rs`, `backend/redis.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `backend_faulty.rs`, `backend_memory.rs`.
//!
//! ## G3: Invalidation wins
//!
//! Once [`invalidate`](crate::Region::invalidate) has returned, no value that was granted before it becomes fresh, and
//! no access that begins later gets one as fresh. That holds for all builds that know the schema, as their own or
//! [beside](crate::RegionBuilder::beside) it.
//!
//! - *Exception:* The near stores of *other* processes serve a value for their
//!   [`at_most`](crate::Near::at_most). A process that is cut off from the backend serves what it has created itself,
//!   with the outcome [`Own`](crate::Outcome::Own).
//! - *Exception:* An invalidation that the backend was not told of is an error. Its own process tells it before it
//!   reads the key there again; if that process ends before, the invalidation is lost.
//! - *Scope:* A [`set`](crate::Region::set) is not fenced: the last to arrive wins. `set_if` is.
//! - *Scope:* An invalidation [within a transaction](crate::guide::postgres#within-your-own-transactions) of the
//!   caller's is one from the commit on, for this process as for the others: all near stores serve for their `at_most`.
//!
//! *Why it holds:* The backend deletes the entry and voids the grant in one step. Within the process an access shares a
//! look only if that was sent after the access began, and a creation only if that was published after the access began,
//! or if the access has waited for it since before the grant.
//!
//! - *Kept by:* `region/change.rs`, `round/access.rs`, `round/remembered.rs`, `round/looks.rs`, `drive/looking.rs`;
//!   `backend/memory/place.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `backend_faulty.rs`, `region`.
//!
//! ## G4: No result is lost
//!
//! Whether the lease is lost, the publication refused, the backend down, the value too large or not encodable: the
//! caller gets the value that its creator has made, and so do the waiters of its process since before the
//! grant. [`Got::published`](crate::Got::published) says apart from that whether it is stored.
//!
//! *Why it holds:* Each way from a creator's value leads to the end of the access with that value.
//!
//! - *Kept by:* `round/access/creating.rs`, `drive/creating.rs`, `slot.rs`.
//! - *Models:* `round`.
//! - *Tests:* `results.rs`, `region`.
//!
//! ## G5: Every wait is bounded
//!
//! Between two looks a waiter waits for one [`poll`](crate::RegionBuilder::poll) at most, on its own monotonic clock,
//! whether its backend has signals or not. To begin to listen takes no longer than that, either. A
//! holder whose token and beat have been the same for a whole lease is dead, and its key is claimed over it. A creation
//! has its grant for `creation_timeout` at most, which is always finite.
//! [`backend_timeout`](crate::RegionBuilder::backend_timeout) bounds the sum of what the backend takes in one access.
//!
//! - *Scope:* The creator of the access itself runs for as long as it needs: no task can be stopped from outside.
//! - *Scope:* An access to many keys has that sum for each key, and waits at each step for the slowest of its servers.
//!   So a server that is silent costs it one `backend_timeout`, and so does each other one that falls silent later.
//! - *Scope:* An access may wait for several creations one after the other. Its own
//!   [`timeout`](crate::region::Get::timeout) bounds the whole.
//!
//! *Why it holds:* Each wait ends at a poll, at the end of the watched lease or at the deadline, and is followed by a
//! look.
//!
//! - *Kept by:* `round/access.rs`, `round/remembered.rs`, `drive/advance.rs`, `drive/waiting.rs`,
//!   `drive/many/waiting.rs`, `drive/polls.rs`, `drive/keep.rs`, `slot.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `round/steps.rs`, `region`.
//!
//! ## G6: Safety needs no clock
//!
//! A step of the server's clock moves freshness, and may end a lease early, which counts as lost. It never lets a late
//! holder publish, and undoes no invalidation. Freshness goes by the server's clock, never by a process's time of day.
//!
//! *Why it holds:* To publish depends on the grant alone. A holder counts its lease from before the claim is sent, less
//! the backend's [grain](crate::backend::Limits::grain), so the lease ends for the holder first.
//!
//! - *Kept by:* `round/settings.rs`, `round/remembered.rs`, `store/far.rs`; `backend/memory/moment.rs`,
//!   `backend/redis/clock.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`.
//!
//! ## G7: Hostile bytes
//!
//! Bytes on a server may be damaged, of another program, or made by an attacker. They neither crash a process nor run
//! anything nor make it allocate beyond a bound: they count as no value, and are replaced by the next creation. Schema
//! and format are a part of the stored key, so that a build reads only what it can understand.
//!
//! *Why it holds:* An envelope is checked, with its checksum, its key and its sizes, before anything of it is used, and
//! its lengths are compared with what is there before anything is allocated.
//!
//! - *Kept by:* `envelope/decode.rs`, `envelope/compression.rs`, `key/stored.rs`, `store/far.rs`,
//!   `backend/redis/entry.rs`, `backend/redis/reply.rs`.
//! - *Tests:* `envelope`, `memory.rs`, `codec.rs`, `key.rs`, `contract`.
//!
//! ## G8: Failure frees
//!
//! A creation that fails, panics, is dropped, takes too long or is shut down ends its grant: that is sent, not
//! promised, and costs one lease at worst. So does kill -9. After an error or a panic a pause takes the place of the
//! grant, in the same operation: no creator of the fleet is called until it is over. A creation that was dropped leaves
//! no pause.
//!
//! - *Scope:* A process believes a pause of another process no longer than its own longest pause.
//! - *Exception:* A [refresh by hand](crate::Region::refresh) passes through a pause.
//!
//! *Why it holds:* The right to create is a value with a destructor. What must still be sent is left to a thread of the
//! crate, the keeper, also if the caller's runtime is gone.
//!
//! - *Kept by:* `drive/alone.rs`, `drive/creating.rs`, `round/access/creating.rs`, `round/remembered.rs`;
//!   `backend/memory/place.rs`, `backend/redis.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `round/steps.rs`, `region`.
//!
//! ## G9: A lost lease is a lost grant
//!
//! If a lease is lost, the publication is refused, the caller has its result, and the next access is elected. On a
//! server that answers within a third of the lease and evicts nothing, each creation within `creation_timeout` that
//! nobody voided publishes.
//!
//! *Why it holds:* The keeper renews a lease each third of it, whatever the creator does to its own thread. So one
//! renewal may fail.
//!
//! - *Kept by:* `drive/keep.rs`, `time/keeper.rs`, `round/access/creating.rs`; `backend/memory/place.rs`,
//!   `backend/redis.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `region`.
//!
//! ## G10: An empty server is a cold start
//!
//! A server that has lost its data has another *life*, and no token of an earlier life counts. Where a server takes
//! over that lags behind, it may not know of the last invalidations. So an entry of another life is stale, or nothing,
//! or trusted, as [`other_life`](crate::RegionBuilder::other_life) says.
//!
//! - *Exception:* With [`Revalidate`](crate::OtherLife::Revalidate), the default, what had been invalidated can be
//!   served once more as the old value. With [`Trust`](crate::OtherLife::Trust) it can be served as fresh.
//!
//! *Why it holds:* A grant names its life, and so does each envelope.
//!
//! - *Kept by:* `round/judge.rs`, `store/far.rs`; `backend/memory/place.rs`, `backend/redis/server.rs`,
//!   `backend/redis/link.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract`, `region`.
//!
//! ## G11: A stale value is never waited for
//!
//! An access that finds an old value, and is not elected, returns it. A fresh hit is one round trip, or none if the
//! value is near. The first stale look of a process adds a claim; if another process creates, this process only looks
//! for one `poll`.
//!
//! - *Exception:* An access waits if it says so: [`soft_timeout`](crate::region::Get::soft_timeout),
//!   [`renew_if`](crate::region::Get::renew_if), [`refresh`](crate::Region::refresh).
//! - *Scope:* A value beyond its [`max_stale`](crate::RegionBuilder::max_stale), and one that was invalidated, is no
//!   old value.
//! - *Scope:* The elected access runs its creator. After [`in_background`](crate::region::Get::in_background) it does
//!   not wait either.
//!
//! *Why it holds:* Where an access has an old value, the local election answers at once whether it is elected, and a
//! claim that is not granted ends the access.
//!
//! - *Kept by:* `round/access.rs`, `round/access/otherwise.rs`, `drive/advance.rs`, `region/get/background.rs`.
//! - *Models:* `round`.
//! - *Tests:* `round/steps.rs`, `region`.
//!
//! ## G12: Counters
//!
//! A [counter](crate::counter::Counters) is a whole number of 0 to 2^63 - 1, atomic from the first increment on. Its
//! lifetime begins with that increment, and nothing moves it. A counter is never below 0, an overflow is an error, and
//! one that has expired counts from 0.
//!
//! *Why it holds:* Each move is one operation of the backend, with its bounds and its lifetime.
//!
//! - *Kept by:* `counter.rs`; `backend/memory/place.rs`, `backend/redis.rs`.
//! - *Tests:* `counter.rs`, `contract`.
//!
//! ## G13: Keys do not collide
//!
//! Different keys of a region are stored under different texts, and so are the keys of different regions. A key that is
//! too long for its backend is hashed by SHA-256, and the entry carries the whole key, which is compared.
//!
//! - *Scope:* A [`Key`](crate::Key) of the user's keeps the duties that the trait states.
//!
//! *Why it holds:* The text of a key can be read back, which the tests do.
//!
//! - *Kept by:* `key/writer.rs`, `key/stored.rs`, `key/namespace.rs`, `envelope/decode.rs`.
//! - *Tests:* `key.rs`, `envelope`.
//!
//! ## G14: Many keys
//!
//! Many keys are looked at by one round trip to each server, all at once, and each key is claimed for itself. What an
//! access was granted is created before the access waits for others. What others have failed to create comes in a
//! second batch. Keys that are equal are one key. A server that is down fails its own keys alone.
//!
//! - *Scope:* Two accesses to many keys send a look each, also if they come at once. Claims and publications are as
//!   many as the keys, all under way together.
//! - *Scope:* A key whose server has changed while that server was asked in vain is looked at once more.
//!
//! *Why it holds:* No access waits for another one while it holds a grant that it has not created. So a wait for a
//! grant depends on nothing that the access itself holds. The module `drive/many.rs` gives the cases. Each server has a
//! look of its own, with its own outcome, time and pause: `drive/many/looking.rs`.
//!
//! - *Kept by:* `drive/many.rs`, `drive/many/looking.rs`, `drive/many/peeking.rs`, `region/many.rs`, `backend.rs`,
//!   `backend/redis.rs`.
//! - *Tests:* `region/many.rs` and the directory of that name; `contract`.
//!
//! ## G16: Notifications are hints
//!
//! A notification is a [signal](crate::backend::Signal) of the backend that something has happened at a place. One that
//! is lost, repeated, late or out of order changes how long a waiter waits, and nothing else.
//!
//! - *Scope:* A waiter looks at once when it hears that something was stored. When it hears that a grant has ended
//!   without a value, or that signals may have been lost, it looks at a random moment of the next 20 ms: each waiting
//!   process of the fleet hears the same.
//! - *Scope:* A waiter that has heard nothing looks after a poll. A backend that cannot listen is polled from the first
//!   wait on, and does not count as down.
//!
//! *Why it holds:* A signal has no content but "look again". A waiter looks after it has begun to listen, what is
//! signalled from then on is kept until the waiter takes it, and no wait is longer than a poll (G5).
//!
//! - *Kept by:* `backend/signals.rs`, `backend/memory.rs`, `drive/waiting.rs`, `drive/many/waiting.rs`,
//!   `round/access.rs`, `backend/redis/hub.rs`.
//! - *Models:* `round`.
//! - *Tests:* `contract/laws/signals.rs`, `region/signals.rs`.
//!
//! ## G17: Everything has a lifetime
//!
//! Everything that is written to a backend has a lifetime, except for what was asked to live for ever. A mark outlives
//! what it guards. Nothing outside of the region's names is read or touched. In the process, near is bounded, and so is
//! [what is remembered of idle keys](crate::RegionBuilder::at_most_idle).
//!
//! *Why it holds:* No operation of a backend stores without a lifetime, and each stored key begins with the region's
//! name.
//!
//! - *Kept by:* `backend.rs`, `backend/memory/shard.rs`, `backend/signals/listeners.rs`, `near/store.rs`, `slots.rs`.
//! - *Tests:* `contract`, `backend_memory.rs`, `memory.rs`.
//!
//! # What checks the laws
//!
//! ## The model
//!
//! `round.rs` is one access across processes as a state machine without I/O. A region drives it, and so does the model
//! checker stateright in `tests/round`: the same code. The model has two or three processes of up to two tasks, an
//! ideal backend, and an environment that invalidates, sets, marks, kills, stops, loses and doubles requests and
//! replies, loses the server's data, steps its clock and fails over. Each search is exhausted within its bounds, and
//! prints how many states it has met: `./test.sh deep model`.
//!
//! A search that cannot fail shows nothing. So `tests/round/planted.rs` breaks the round or its driver on purpose, and
//! the search must find which law is broken:
//!
//! | fault | law |
//! |---|---|
//! | `a_publication_without_a_token`, `an_addition_after_a_refusal`, `a_grant_without_a_number` | G2, G3 |
//! | `a_lease_from_the_reply` | G6 |
//! | `no_look_after_subscribing` | G5, G16 |
//! | `a_dead_holder_that_is_never_claimed_over` | G5 |
//! | `a_claim_without_what_was_seen`, `a_watcher_that_counts_its_own_lease` | G1 |
//! | `a_late_joiner_served_from_a_refused_publication`, `a_late_joiner_by_the_moment_of_the_reply`, `a_look_in_flight_that_is_joined`, `an_invalidation_lost_with_a_pause`, `a_light_look_whose_access_takes_what_was_sent_before_the_reply` | G3 |
//! | `no_time_left_is_taken_for_a_backend_that_is_down` | G1, G3 |
//! | `a_soft_timeout_that_is_an_error` | G11 |
//! | `a_pause_that_is_believed_for_ever`, `a_failure_without_the_backend_that_begins_no_pause` | G8 |
//! | `a_renewal_that_takes_what_another_access_has_found` | `renew_if` |
//!
//! The model shows less than a proof: it knows no more processes, ticks and accidents than its bounds say. It is of the
//! round, not of the driver around it, which the tests of regions cover.
//!
//! ## The model of Redis
//!
//! The same searches run over a model of a Redis server (`tests/round/redis`): its keys with their lifetimes, and each
//! script as one step. In addition strangers delete and overwrite keys, the server evicts entry, grant and pause apart,
//! and fails over to an older state and back; signals are lost, doubled and come late. Each reply must be the one that
//! the ideal backend gives in the state that the keys stand for. The faults that are planted there, and found: a bare
//! `SET NX` for the claim, a publication without the check of the token or of the number, a claim over a tombstone or
//! through a pause, a grant of another life, a grant without a lifetime, an invalidation that leaves the grant, and a
//! signal that comes before the change.
//!
//! That the scripts do what the model says is shown by running both: random calls on a real server and on the functions
//! of the model, compared step by step (`servers/tests/redis_scripts.rs` in the repository).
//!
//! ## The model of PostgreSQL
//!
//! A function there is several statements. The model (`tests/round/postgres`) executes them one by one, and between any
//! two of them those of other sessions and of a user's transaction, which calls functions, locks and deletes rows,
//! stays open, and is committed or rolled back. Sessions are ended, connections lost, processes killed; the server
//! crashes with empty tables, restarts with full ones, and its clock steps. At its commit each function must have done
//! what the ideal backend does in one step; no statement waits for another transaction; and no listener sleeps through
//! a change. The faults that are planted in `tests/round/postgres/planted.rs`:
//!
//! | fault | law |
//! |---|---|
//! | `a_claim_that_waits_for_the_lock`, `a_claim_that_waits_for_a_row`, `an_insert_that_is_not_behind_the_lock` | G5 |
//! | `a_publication_by_a_snapshot_that_is_older_than_the_lock`, `a_grant_that_is_known_by_its_token_alone` | G2, G3 |
//! | `a_claim_that_decides_by_what_it_read_before_the_lock` | G1 |
//! | `a_lock_that_is_released_before_the_commit` | G1, G5 |
//! | `a_signal_before_the_commit`, `a_listener_that_does_not_ask_for_the_lock` | G5, G16 |
//! | `a_grant_of_another_life` | G2, G10 |
//!
//! The model lists the statements of each function, and a test compares that list with the SQL.
//!
//! ## Real servers
//!
//! The folder `servers` of the repository starts servers, stops, kills and moves them in time. Its tests run the
//! contract over real Redis, memcached and PostgreSQL servers (`servers/tests/contract`), regions over servers that
//! hang, restart and fail over (`servers/tests/redis_edges`, `servers/tests/redis_cluster`,
//! `servers/tests/redis_sentinel.rs`, `servers/tests/memcached_edges`, `servers/tests/postgres_edges`), and chaos:
//! `./test.sh deep servers`.
//!
//! In `servers/tests/chaos` many processes share keys on a Redis server, on a memcached server, on three of them, and on
//! a PostgreSQL server. Creators fail, hang and are killed; processes are stopped past their leases; a server forgets
//! grants, entries or all of its data, is killed, stopped, restarted empty, in peace or from a snapshot, and fails over
//! to a replica that lags behind; sessions are ended, tables emptied, places kept locked by strangers; connections are
//! delayed, held back and cut. The history of all calls is judged by an observer that shares no code
//! with this crate: `servers/tests/chaos/judge`. It judges G1 to G5, G7, G9, G12 and G13. An overlap of two creations
//! needs a reason that the test itself has made, and a run without faults has no overlap. What the observer finds is
//! shown by histories with a fault each (`servers/tests/chaos/judge/planted.rs`).
//!
//! ## The contract
//!
//! `tests/contract` is one suite of laws, run over each backend: `Memory`, `Memory` with the limits of a small server,
//! and a `Faulty` that delays. It runs over a naive backend as well, one mutex around everything, and random scripts
//! compare the two. The suite also runs over backends with one planted fault each, and fails if a fault is not found by
//! the laws that it breaks, or if a law finds no fault.
//!
//! ## Fuzzing
//!
//! `tests/envelope` decodes every truncation, every flipped bit and a million mutations of envelopes. `tests/memory.rs`
//! counts what that allocates.
