//! How the crate is built, for a reader of its source.
//!
//! This page says in which order to read the files, what happens during one access, how a hit avoids shared writes, how
//! the models see the code, and where `unsafe` is. The reasons are in the module docs of each file: states first, then
//! transitions, then a section "Why it holds". The links of the first table lead to the source.
//!
//! # Layers, in reading order
//!
//! The table goes from the bottom up: a file is built on files that stand before it. `cargo test --test rooms` checks
//! that the imports among the files have no circles, and with `-- --nocapture` it prints them all.
//!
//! | file | is |
//! |---|---|
//! | [`sync.rs`](../../../src/dogpile/sync.rs.html), `sync/` | the primitives (atomics, mutex, fences, where threads park, what a forked child begins anew), and their twins for loom; no other file names those of std, `parking_lot`, crossbeam, the kernel or loom |
//! | [`clock.rs`](../../../src/dogpile/clock.rs.html) | what time it is: cheap on the hit path, exact for stamps, settable in tests |
//! | [`freshness.rs`](../../../src/dogpile/freshness.rs.html) | whether the value is fresh, stale or missing: one word and one compare, no waiting |
//! | [`running.rs`](../../../src/dogpile/running.rs.html), [`cycle.rs`](../../../src/dogpile/cycle.rs.html) | which thread or task runs which creation, and so a wait for oneself, and a circle of waits |
//! | [`wait.rs`](../../../src/dogpile/wait.rs.html), [`wakers.rs`](../../../src/dogpile/wakers.rs.html) | how threads and tasks wait by one code, with one deadline for all waits, and how their wakers are run |
//! | [`policy.rs`](../../../src/dogpile/policy.rs.html), `policy/` | the settings: how values age, and what happens when creating goes wrong; they know no lock |
//! | [`observer.rs`](../../../src/dogpile/observer.rs.html), `observer/` | what happens, counted and told |
//! | [`generation.rs`](../../../src/dogpile/generation.rs.html), [`election.rs`](../../../src/dogpile/election.rs.html), `election/` | the election, the queue of waiters, the hand-over after a failure: the heart of the crate, without a value, a clock or a closure of the user's |
//! | [`dogpile.rs`](../../../src/dogpile/dogpile.rs.html), `dogpile/` | freshness and election together: how an access comes to its turn, what the policy means to the lock, what the lock can be asked, watchers |
//! | [`lock.rs`](../../../src/dogpile/lock.rs.html) | what the locks have in common |
//! | [`creation.rs`](../../../src/dogpile/creation.rs.html), `creation/` | the right to create, as a value with a destructor, and what is made of it: jobs, shares, parts of a creator |
//! | [`runner.rs`](../../../src/dogpile/runner.rs.html), [`spawner.rs`](../../../src/dogpile/spawner.rs.html), `spawner/` | creating elsewhere: jobs for threads, tasks for executors, and how an access waits for a task of its own |
//! | [`outcome.rs`](../../../src/dogpile/outcome.rs.html), [`turn.rs`](../../../src/dogpile/turn.rs.html) | what an access is given |
//! | [`access.rs`](../../../src/dogpile/access.rs.html), `access/` | one way to ask: an access, its steps and its terminals; by what it reaches its lock, and where the value is |
//! | [`registry.rs`](../../../src/dogpile/registry.rs.html), `registry/` | one lock for each key: the states of an entry, and its holders |
//! | [`beside.rs`](../../../src/dogpile/beside.rs.html), `beside/` | how the locks that hold no value serve an access: lock mode and the getter modes |
//! | [`readers.rs`](../../../src/dogpile/readers.rs.html), `readers/` | the readers of a lock, and how a writer waits for them |
//! | [`sync_reader.rs`](../../../src/dogpile/sync_reader.rs.html), `sync_reader/` | the lock over readers: its hit, its guards, the write lock |
//! | [`cached.rs`](../../../src/dogpile/cached.rs.html), `cached/` | the lock with its value: how value, deadline and generation move together |
//! | [`cached_fn.rs`](../../../src/dogpile/cached_fn.rs.html), [`cached_by_key.rs`](../../../src/dogpile/cached_by_key.rs.html), `cached_by_key/` | functions that keep their results, inside and in a store |
//!
//! Beside these stand `rm_lock.rs` (the readers as a lock with data), `keeper.rs` (how a creation holds on to its
//! lock), `alarm.rs` (what wakes tasks whose time is out), `panics.rs` (how a panic ends in code that must go on),
//! `error.rs`, `failure.rs` and `shared_error.rs`, and three files of macros: `ruled.rs` (how a lock is given its
//! policy), `derived.rs` and `shown.rs` (`Debug` and the like). Files called `tasks.rs` have what is for tasks alone,
//! and files called `accesses.rs` the functions of a type that open an access.
//!
//! If you read five files only, read `freshness.rs`, `election.rs` (which argues for `election/transitions.rs`),
//! `dogpile/settle.rs` and `cached.rs`. Outside `src/`, `tests/contract` has the laws as tests, `loom-tests` as models,
//! and `benches` what they cost: see [guarantees](super::guarantees) and [performance](super::performance).
//!
//! # The life of one access
//!
//! The access is `RATES.get_or_create(fetch)`, of a [`Cached`](crate::Cached). With other types and steps the order is
//! the same. The file that does each step stands behind it.
//!
//! 1. *Description.* `access()` and the steps build an [`Access`](crate::Access): by what it reaches its lock, where
//!    the value is, how it waits. Nothing happens yet. The types of these parts decide at compile time which terminals
//!    there are. (`access/threads.rs`, `access/patience.rs`)
//! 2. *First look.* The terminal makes one look that needs no more than loads. A fresh value is a hit, and the access
//!    ends here. An old value that another thread is renewing ends the access as well. All of this is inlined; the rest
//!    is out of line. (`cached/hit.rs`, `cached/serve.rs`; without a value in the lock `beside/dogpile.rs`)
//! 3. *Future.* From here on an access is written once for threads and tasks, as a future. A thread polls that future
//!    once, and its waits park the thread. A task's waits leave a waker and are pending. (`wait.rs`)
//! 4. *Need.* The access reads the election's word first and the deadline second. By the deadline and the policy the
//!    value is fresh, due, stale or missing. (`cached/settle.rs`, `dogpile/sight.rs`, `dogpile/aging.rs`)
//! 5. *Turn.* The access settles what it is to do. Its answer holds as long as the generation in the word stands.
//!    (`dogpile/settle.rs`, and for the swap `election/transitions.rs`)
//!    - If a creation runs and the access has a value to go on with, the access carries on.
//!    - If a creation runs and there is no value, the access waits (step 6).
//!    - In a pause after a failure the access carries on with an old value, or ends with an error that says so.
//!    - Otherwise the access is elected by one compare-and-swap, from the word that it saw. If that fails, the access
//!      looks again.
//! 6. *Wait.* The access makes sure that it would not wait for itself or close a circle. It is added to the queue under
//!    the mutex, if the creation still runs by then, and sleeps. When it wakes up it has been served, or called to
//!    create, or told of a pause or an error; or its time is out. (`election/waiter.rs`, `cycle.rs`, `wakers.rs`)
//! 7. *Creation.* The elected access owns a [`Creation`](crate::Creation). The creator runs on this thread, outside
//!    every mutex, and this thread is known to run it. With `in_background` or `spawned_by` creation and creator go
//!    into a job or a task, and the access carries on with the old value. (`creation.rs`, `creation/middle.rs`)
//! 8. *End.* The elected thread reads the exact clock. Under the mutex it compares the generation: was this creation
//!    superseded? If not, the thread puts the value into the cell, stores the deadline, moves the generation and takes
//!    all waiters out of the queue. After the mutex it wakes them, drops the old value and tells the observer.
//!    (`election/transitions.rs`, `cached/node.rs`)
//! 9. *Failure.* An error, a panic or a drop leaves the deadline and the value alone. One waiter gets the baton; or a
//!    pause begins, and all waiters that can be told are told. (`election/queue.rs`; how a shared error comes to its
//!    access, `access/patience.rs` says)
//!
//! # The queue
//!
//! A waiter is a waker in a list behind the mutex of its lock, under a ticket that grows with the order of arrival. A
//! thread is a task that parks: its waker unparks it. So threads and tasks wait in one queue, and one creation serves
//! both.
//!
//! - *The baton.* While nobody creates, exactly one waiter that can create is *called*: woken, and to elect itself when
//!   it looks. It keeps its place meanwhile. If a newcomer is faster, the waiter stays first in line. If it leaves, it
//!   calls the next.
//! - *Generations split the queue.* A waiter remembers the generation that it saw. A creation serves the waiters that
//!   have waited since its own generation or before, so that nobody gets a value from before an invalidation that came
//!   before the access.
//! - *No user code under the mutex.* A waker is cloned before the mutex, and woken or dropped after it. So are values,
//!   errors and closures.
//! - *Watchers* ([`changed`](crate::Status::changed)) are in a list of their own: they are never called.
//!
//! The queue and whatever else few locks need is allocated when it is first needed. So a [`Dogpile`](crate::Dogpile)
//! takes one cache line, is built in a `const`, and has nothing to clean up.
//!
//! # How a hit avoids shared writes
//!
//! A write to memory that several cores use costs more than everything else in a hit, and more with each core. So:
//!
//! - *Freshness is one load.* The deadline word has the special states (missing, stale, born fresh, never) as small and
//!   large numbers, so that one compare with the clock sorts out the hit. A policy that renews early stores an earlier
//!   deadline. An access knows nothing of that before the value is due; from then on it looks at the policy as well.
//! - *The value is not counted.* A guard of a [`Cached`](crate::Cached) marks a slot of its own thread (arc-swap). A
//!   [`Reader`](crate::Reader) holds a share from one access to the next, and compares a count of changes.
//! - *Readers mark a seat.* A thread has one record of eight entries, for all locks together. To read it stores the
//!   lock's number into a free entry, takes a fence that the compiler alone sees, and looks at the gate. The rare
//!   writer pays: it has the kernel put a real fence into every running thread (membarrier), and looks at all records.
//!   Where the kernel does not help, both sides take full fences.
//! - *A lock is shared only by a creation.* An access of a lock in an `Arc` clones that when it is elected, not before.
//! - *Nothing is counted on a hit.* The [`stats`](crate::Status::stats) count creations and waits.
//!
//! # How loom is wired
//!
//! Loom checks a program by running its threads in many orders. For that it has to see each atomic, mutex and fence.
//!
//! - *The switch* is `--cfg dogpile_loom`, and not `loom`, since other crates react to that one. Loom is a dependency
//!   only under that switch, and is not in an ordinary build.
//! - *The shim* is `sync.rs`. Under the switch its types are loom's, or twins: of arc-swap's cell (a number in an
//!   atomic, with the orderings that arc-swap documents), of the fences (full on both sides), of `static`s. A
//!   constructor that is `const` otherwise is a plain function there.
//! - *Time-outs* have no clock in a model: a wait that may time out does so at its first chance. Since loom runs the
//!   other threads in every order up to that moment, this covers a time-out before, during and after what they do. A
//!   lock's own time is a [`ManualClock`](crate::ManualClock), moved by a thread of the model.
//! - *What models see.* They use the public types. For the layers below there is a hidden module `model` in `lib.rs`,
//!   under the switch alone.
//! - *`loom-tests/src/lib.rs`* has what models share: `check` runs a model, a `Slot` is plain memory whose accesses
//!   loom checks, and `Reached` asserts that a model came across the order that it is about.
//! - *Planted faults.* `Mutant` in `sync/mutant.rs` names them. The line that it breaks asks `mutant(Mutant::…)`, which
//!   is `false` in every other build. `loom-tests/tests/mutants.rs` runs each model with its fault in a process of its
//!   own, since loom aborts the process on a deadlock.
//!
//! A second switch, `--cfg dogpile_portable`, has Linux build the code for other platforms, so that it is compiled and
//! tested there too.
//!
//! # Where unsafe is
//!
//! In one file, `rm_lock.rs`. In the rest of the crate `unsafe_code` is denied.
//!
//! An [`RmLock`](crate::RmLock) gives out references to what lies in an `UnsafeCell`. A safe way would be a standard
//! lock around the data, whose cost is what the type is there to save. One invariant carries all of its blocks, and
//! `readers.rs` keeps it: while a read guard of a lock lives, no write guard of it does, and no two write guards live
//! at once (L9). Each block says in its `SAFETY` comment how it relies on that. The models of `readers` run over an
//! `RmLock`, so loom sees whether data is read while it is written.
//!
//! [`SyncReaderDogpile`](crate::SyncReaderDogpile) uses the same readers and holds no data, so it needs no `unsafe`.
//!
//! # Conventions
//!
//! - The comment of each atomic operation says what it pairs with, and why nothing weaker will do. A comment and its
//!   ordering change together.
//! - A word with several states has a table of them. A tricky interleaving is an argument by cases.
//! - A law is named by its number, L1 to L12, and a case that broke others by its number, C1 to C25: see
//!   [guarantees](super::guarantees).
