//! What the crate promises, and what proves each promise.
//!
//! The crate keeps twelve laws, L1 to L12. Comments, tests and models refer to a law by its number. This page states
//! each law in full, with its exceptions. It says why the law holds, and it names the models and the tests that check
//! it. [What checks the laws](#what-checks-the-laws) describes these models and tests, and says what they do not cover.
//! At the end is the list of [cases](#cases-that-broke-others), C1 to C25: bugs of comparable libraries, which this
//! crate is tested against.
//!
//! | law | in short |
//! |---|---|
//! | [L1](#l1-one-creator) | One lock runs one creation at a time, and none for a value that needs none. |
//! | [L2](#l2-an-old-value-is-never-waited-for) | An access with an old value does not wait for the creation of another. |
//! | [L3](#l3-one-creation-serves-all-its-waiters) | One creation serves all accesses that waited for it. |
//! | [L4](#l4-what-the-creator-wrote-is-seen) | An access that sees a creation sees what its creator wrote. |
//! | [L5](#l5-failure-frees) | A creation that fails frees the lock, and leaves the old value. |
//! | [L6](#l6-invalidation-wins) | A value from before an invalidation never becomes the current one. |
//! | [L7](#l7-no-silent-deadlock) | A wait of a creator for itself, or a circle of creators, is found. |
//! | [L8](#l8-a-getter-is-called-once-on-a-hit) | A getter is called once on a hit, and at most twice. |
//! | [L9](#l9-the-write-lock-excludes-every-read-guard) | Nobody reads while the write lock is held. |
//! | [L10](#l10-every-wait-can-be-bounded) | Every wait can be bounded, and giving up harms no one else. |
//! | [L11](#l11-nothing-expires-early) | No value expires early. |
//! | [L12](#l12-a-hit-only-reads) | A hit takes no lock, writes no shared memory and allocates nothing. |
//!
//! # How to read the names
//!
//! The source, the models and the tests are in the repository of the crate. Each law below names them in three lines:
//!
//! - *Kept by* names files in `src/`. Where a file has a section "Why it holds" in its module docs, that section is the
//!   argument for the law, case by case.
//! - *Models* names files in `loom-tests/tests/`. The functions that model law L1 begin with `l1_`, or contain `_l1_`;
//!   other functions are named after their case (`c11_…`) or after a regression (`f9_…`, `k1_…`). The command `grep -rn
//!   'l1_' loom-tests/tests tests` lists models and tests of L1.
//! - *Tests* names files and folders in `tests/`. There `contract` is the suite that runs over every type.
//!
//! # The laws
//!
//! ## L1: One creator
//!
//! No two creations of one lock run at the same time. No creation begins for a value that is fresh, unless the value is
//! due for early renewal, or an access asks for it [anew](crate::Access::anew) or for a
//! [newer](crate::Access::renew_if) one.
//!
//! - *Exception:* A creation that was declared dead, under a
//!   [`creation_timeout`](crate::PolicyBuilder::creation_timeout), may still run beside the one that took its place. A
//!   dead creation can no longer publish, and its value goes to its own access alone.
//! - *Scope:* The law holds within one process. A [`Registry`](crate::Registry) has one lock per key at any time, so
//!   the law holds for each key. Of several processes each elects for itself: see
//!   [limitations](super::limitations#one-creator-in-each-process).
//!
//! *Why it holds:* An election is one compare-and-swap from a word without the creating flag. (Where creations may be
//! declared dead, the same happens under a mutex.) Only the owner of the creation clears that flag, or the access that
//! takes over. The same word holds the generation. So an access that has seen an old state of the value is not elected:
//! the word has moved.
//!
//! - *Kept by:* `election.rs`; for keys, `registry/shard.rs`.
//! - *Models:* `election.rs`, `dogpile.rs`, `policy.rs`, `background.rs`, `wants.rs`; for keys, `registry.rs`.
//! - *Tests:* `contract`, `wants`, `policy/creation_timeout.rs`, `policy/aging.rs`, `access.rs`, `chaos`.
//!
//! ## L2: An old value is never waited for
//!
//! An access that finds an old value, and is not elected, returns at once. While another thread creates, and in a
//! pause, it only reads shared memory: neither the lock nor the value is written. The elected access runs its own
//! creator; after [`in_background`](crate::Access::in_background) or [`spawned_by`](crate::AsyncAccess::spawned_by) it
//! hands its creation over instead, and returns the old value at once.
//!
//! - *Exception:* An access waits if it says so, by [`soft_timeout`](crate::Access::soft_timeout),
//!   [`renew_if`](crate::Access::renew_if) or [`anew`](crate::Access::anew).
//! - *Exception:* Where the access takes a guard of a [`SyncReaderDogpile`](crate::SyncReaderDogpile), it waits while a
//!   writer is in or waits (L9).
//! - *Scope:* While nobody creates, or when the creation that runs is overdue, an access tries to be elected, and that
//!   writes to the lock.
//! - *Scope:* A value beyond its [`max_stale`](crate::PolicyBuilder::max_stale), and one that was invalidated, is no
//!   old value: it is missing. An owned guard, and a guard beyond the eighth that a thread holds, are counted in shared
//!   memory, as L12 says. A getter and an [`Observer`](crate::Observer) are the user's, and do what they do.
//!
//! *Why it holds:* The access reads the election's word, then the deadline, and takes no mutex between the two. It
//! queues only if there is no value.
//!
//! - *Kept by:* `dogpile/settle.rs`, `dogpile/usable.rs`, `election.rs`; `beside/lock_mode.rs` and `beside/dogpile.rs`;
//!   for a value in the lock, `cached/hit.rs`, `cached/settle.rs` and `cached/serve.rs`.
//! - *Models:* `election.rs`, `dogpile.rs`, `cached.rs`.
//! - *Tests:* `contract`, `hit_path.rs` (the lock lies in a page that may only be read), `policy/aging.rs`,
//!   `stamped_mode.rs`, `background`, `tasks`.
//!
//! ## L3: One creation serves all its waiters
//!
//! All accesses that waited for a creation which finishes get its value. This is so even if the value has expired, or
//! was invalidated, by the time a waiter wakes up. No access is elected just for having waited.
//!
//! - *Exception:* A creation that was superseded serves the accesses that have waited since before that, as L6 says.
//!
//! *Why it holds:* The thread that ends the creation takes each waiter that it serves out of the queue, under the
//! mutex. Only a waiter that is still in the queue can be called to create. A value of a [`Cached`](crate::Cached) is
//! kept for its waiters until the last of them has it.
//!
//! - *Kept by:* `election.rs`, `spawner/own_wait.rs`, `cached.rs`, `cached/tray.rs`, `dogpile/settle.rs`.
//! - *Models:* `election.rs`, `dogpile.rs`, `cached.rs`, `sync_reader.rs`, `tasks.rs`, `wants.rs`.
//! - *Tests:* `contract`, `wants`, `waiters.rs` and `tasks_waiting.rs` (a thousand threads, ten thousand tasks: C24),
//!   `cached.rs`, `tasks`.
//!
//! ## L4: What the creator wrote is seen
//!
//! What a creator wrote before its creation finished happens before everything that an access does which sees that
//! creation: as fresh, as stale, or by having waited for it. All of that also happens before the next creator runs.
//! What was done before a value was [`set`](crate::Cached::set) is seen in the same way.
//!
//! *Why it holds:* The deadline is stored with release ordering after the value, and each access loads the deadline
//! with acquire ordering before it reads the value. Waiters, watchers and the next elected access are ordered by the
//! mutex of the election or by its word.
//!
//! - *Kept by:* `freshness.rs`, `dogpile/aging.rs`, `cached.rs`, `cached/reader.rs`.
//! - *Models:* `freshness.rs`, `dogpile.rs`, `cached.rs`, `policy.rs`, `tasks.rs`, `watcher.rs`. What a creator writes
//!   is a plain cell there, and loom fails the model if a read of it is not ordered.
//! - *Tests:* `contract`.
//!
//! ## L5: Failure frees
//!
//! A creation ends without a value if its creator returns an error or panics, if its job or task is dropped unrun, or
//! if its owner drops it. Under a [`creation_timeout`](crate::PolicyBuilder::creation_timeout) one that hangs is
//! declared dead. In each case the lock is free again, and the value stays what it was. If there is an old value, the
//! next access is elected. If there is none, exactly one waiter is elected, and the others go on waiting. There is no
//! poisoning.
//!
//! - *Exception:* In a [pause](crate::PolicyBuilder::retry_after) no access is elected that can do without: an old
//!   value serves, and where there is none, all waiters are told of the pause and its cause. An access that has no
//!   error to return, and one that is made [anew](crate::Access::anew), creates in a pause as well, one at a time.
//! - *Exception:* Waiters that [share errors](crate::Access::share_errors) are told of the error.
//! - *Exception:* A [`Creation`](crate::Creation) that is leaked by [`std::mem::forget`] is never dropped, and holds
//!   the lock. A `creation_timeout` ends that, too.
//!
//! *Why it holds:* The right to create is a value with a destructor, which exists from the election on, before any job
//! or task. Exactly one waiter has the *baton* at a time: it is called to create. A waiter that leaves hands the baton
//! on.
//!
//! - *Kept by:* `election.rs`, `creation.rs`, `runner.rs`.
//! - *Models:* `election.rs`, `dogpile.rs`, `getter_mode.rs`, `background.rs`, `policy.rs`, `tasks.rs`, `wants.rs`,
//!   `watcher.rs`.
//! - *Tests:* `contract`, `wants`, `policy`, `background/lost_jobs.rs`, `tasks/cancellation.rs`, `tasks/deaths.rs`,
//!   `destructors.rs`, `chaos`.
//!
//! ## L6: Invalidation wins
//!
//! A value whose creation began before an invalidation never becomes the current one. The same is so if another value
//! was [`set`](crate::Cached::set) while the creation ran, or the old value was [taken](crate::Cached::take).
//!
//! The value of such a creation still goes to its own creator's access, and to the accesses that had begun to wait
//! before the invalidation. (Where a value was set, these have that value already.) An access that comes after the
//! invalidation never gets it.
//!
//! - *Exception:* Once the creation has been told that it is superseded, its value goes to its own access alone. It has
//!   been told if [`publish`](crate::Creation::publish) or [`write_lock`](crate::Creation::write_lock) was refused, or
//!   if [`is_superseded`](crate::Creation::is_superseded) has returned `true`.
//! - *Exception:* A value that was only [marked stale](crate::Dogpile::mark_stale) while its successor was made is no
//!   obstacle: the new value is published, as stale. So steady marking starves no one.
//! - *Scope:* What a creator writes elsewhere is covered if it is written inside [`publish`](crate::Creation::publish)
//!   (or by a setter, or under the write lock of the creation). An invalidation then returns only after such a write
//!   has ended, and later ones are refused.
//!
//! *Why it holds:* An invalidation moves the generation and clears the deadline under one mutex. A creation that ends
//! compares the generation and stores the deadline under the same mutex. The one that comes second knows of the first.
//!
//! - *Kept by:* `election.rs`, `election/store.rs`, `beside/creating.rs`, `cached.rs`.
//! - *Models:* `election.rs`, `dogpile.rs`, `cached.rs`, `freshness.rs`, `getter_mode.rs`, `policy.rs`,
//!   `sync_reader.rs`, `background.rs`, `tasks.rs`, `watcher.rs`, `wants.rs`.
//! - *Tests:* `contract`, `wants`, `cached.rs`, `dogpile.rs`, `getter_mode.rs`, `stamped_mode.rs`, `sync_reader.rs`,
//!   `background`, `tasks`.
//!
//! ## L7: No silent deadlock
//!
//! Where the lock can know of it, a wait that would never end does not begin. An access that has an error to return
//! returns it ([`CreateError::WouldDeadlock`](crate::CreateError::WouldDeadlock) or
//! [`AcquireError::WouldDeadlock`](crate::AcquireError::WouldDeadlock)). For guards the errors are `ReadLockHeld`,
//! `WriteLockHeld` and [`LockError`](crate::LockError). The other accesses panic. The message names the mistake, and
//! the [names](crate::PolicyBuilder::name) of the locks. Found are
//!
//! - a creator that asks for its own value on its own thread, or in its own poll, where there is no value;
//! - the last access of a circle: several creators that would wait for each other's values, over any threads and locks;
//! - a thread that asks for the write lock while it reads, or that reads or writes while it has the write lock.
//!
//! What cannot be known is not found:
//!
//! - The owner of an [owned guard](crate::OwnedReadGuard) is unknown, and so is that of a [`Creation`](crate::Creation)
//!   that is held or moved about and not run.
//! - A circle among tasks is found as far as each wait in it is polled whenever its creator is polled. The docs of
//!   [tasks](crate::Dogpile#for-tasks) say which circles are missed.
//! - Waits by other means are unknown, such as a join, a channel or a mutex of the user's.
//!   [Limitations](super::limitations) lists all of these.
//!
//! *Why it holds:* Each thread keeps a stack of what it is in the middle of, and an access that is about to wait looks
//! there. One table of the process has an edge for each creation that waits for another. An edge is added under a
//! mutex, so the last edge of a circle finds the others.
//!
//! - *Kept by:* `running.rs`, `cycle.rs`, `dogpile/watch.rs`, `readers.rs`.
//! - *Models:* `dogpile.rs`, `policy.rs`, `sync_reader.rs`, `tasks.rs`.
//! - *Tests:* `contract`, `policy/wait_cycles.rs`, `tasks/circles.rs`, `tasks/itself.rs`, `asked/watching.rs`,
//!   `rm_lock_laws/own_thread.rs`.
//!
//! ## L8: A getter is called once on a hit
//!
//! An access calls its getter once if the value is fresh and the getter finds it. In any case the access calls the
//! getter at most twice, and never after its creator has succeeded.
//!
//! - *Scope:* An access does not call the getter for a value that is missing to the lock: one that was invalidated, or
//!   that the lock has never known. In stamped getter mode the access calls the getter unless the value was invalidated
//!   through this lock.
//!
//! *Why it holds:* A miss of the getter counts only in the generation in which the getter was called. If a creation has
//! finished since, the access asks the getter again in place of creating. After the second miss it waits until it is
//! elected, and creates.
//!
//! - *Kept by:* `beside/fetch.rs`.
//! - *Models:* `getter_mode.rs`.
//! - *Tests:* `getter_mode.rs`, `stamped_mode.rs`, `tasks/spawned_modes.rs`, `background/each_type.rs`.
//!
//! ## L9: The write lock excludes every read guard
//!
//! While the write lock of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) or an [`RmLock`](crate::RmLock) is held,
//! no read guard of that lock exists, and no other write guard. While a writer waits, new readers wait behind it. A
//! thread that holds a guard which stays on its thread gets another at once, whatever the freshness, and is never
//! elected.
//!
//! - *Exception:* A holder of an owned guard is not known as a reader, and an access of it may wait behind a writer.
//!   Its `again` method gives another guard at once.
//!
//! *Why it holds:* A reader marks a seat, fences, and reads the gate. A writer closes the gate, fences, and reads all
//! seats. By the fences at least one of the two sees the other. The module docs of `readers.rs` go through the cases.
//!
//! - *Kept by:* `readers.rs` and the files in `readers/`.
//! - *Models:* `readers.rs`, `sync_reader.rs`, `background.rs`, `tasks.rs`.
//! - *Tests:* `rm_lock_laws` (run by `rm_lock.rs` with the kernel's help, and by `full_fences.rs` without),
//!   `contract/sync_reader.rs`, `sync_reader.rs`, `destructors.rs`, `tasks`. `./test.sh deep fences` runs the tests of
//!   the fences in an optimized build, since in a debug build a missing fence hardly ever shows.
//!
//! ## L10: Every wait can be bounded
//!
//! Every wait for another thread or task has a form with a time-out, or is a future that may be dropped. A thread whose
//! time is out, or a task that is dropped, does not stop the creation of another access: that creation goes on, and
//! serves the others.
//!
//! - One time-out covers all waits of a call together. A time-out interrupts no getter, no creator and no setter, so an
//!   elected access takes as long as its creator takes.
//! - *Scope:* The mutexes of the crate itself, held for moments, have no time-out.
//!
//! *Why it holds:* All waits of an access go through one piece of code with one deadline. A waiter that leaves the
//! queue hands the baton on, as in L5.
//!
//! - *Kept by:* `wait.rs`, `election/waiter.rs`, `readers/ask.rs`, `readers/drain.rs`.
//! - *Models:* `dogpile.rs`, `readers.rs`.
//! - *Tests:* `contract`, `access.rs`, `rm_lock_laws/waiting.rs`, `policy/creation_timeout.rs`,
//!   `tasks/cancellation.rs`.
//!
//! ## L11: Nothing expires early
//!
//! No access finds a value expired before its lifetime is over. The lock's own time is monotonic. Lifetimes of zero and
//! of [`Duration::MAX`](std::time::Duration::MAX) work, and arithmetic saturates. A test brings its own
//! [`Clock`](crate::Clock).
//!
//! - *Exception:* In stamped getter mode a stamp is wall-clock time, which may be set back or differ between machines.
//!   A stamp from the future counts as now, within a [tolerance](crate::PolicyBuilder::max_skew).
//! - *Exception:* Early renewal is asked for: a value that is due is renewed while it is still fresh.
//!   [`jitter`](crate::PolicyBuilder::jitter) shortens the lifetime itself.
//! - *Scope:* A value may live longer than its lifetime by the lag of the clock's cheap form: see
//!   [limitations](super::limitations#the-clock-and-its-precision).
//!
//! *Why it holds:* A value is stamped by the exact clock when its creator returns, and a hit reads a clock that is
//! never ahead of the exact one.
//!
//! - *Kept by:* `clock.rs`, `freshness.rs`.
//! - *Models:* `freshness.rs`, `dogpile.rs`.
//! - *Tests:* `contract`, `policy/aging.rs`, `cached.rs`, and the unit tests in `src/clock.rs` and `src/freshness.rs`.
//!
//! ## L12: A hit only reads
//!
//! A hit takes no lock, writes no shared memory, allocates nothing and does not enter the kernel. So it costs the same
//! on every core, however many threads read at once.
//!
//! - *Exception:* A thread's first guard makes its record of readers, or for a [`Cached`](crate::Cached) its slots:
//!   that may take a lock and allocate.
//! - *Exception:* An owned guard is counted in shared memory. So is a guard of a `Cached` beyond the eighth that a
//!   thread holds, and a [`Reader`](crate::Reader) once for each new value. A read guard beyond the eighth on one
//!   thread is counted in its lock.
//! - *Exception:* A task's hit of a lock that a registry [holds](crate::Held) allocates once under readers, for the
//!   hold that its owned guard takes. A hit that asks a getter allocates once after a step such as `soft_timeout`.
//! - *Exception:* The first hit of a lock that was [born fresh](crate::Dogpile::born_fresh) stamps the value: one
//!   write.
//! - *Scope:* The kernel is not entered where the system offers its clocks in user space, as Linux does by the vDSO.
//!   The look-up of a key in a [`Registry`](crate::Registry) is not part of the hit: it takes the mutex of one shard.
//!   The user's getter does what it does.
//!
//! *Why it holds:* The hit loads one word, reads the clock and compares. A guard is marked in memory of its own thread.
//!
//! - *Kept by:* `freshness.rs`, `access/threads.rs`, `beside/dogpile.rs`, `sync_reader/reading.rs`, `cached/hit.rs`,
//!   `cached/reader.rs`, `readers/record.rs`.
//! - *Models:* none. Loom sees orders of memory accesses, not their cost.
//! - *Tests:* `hit_path.rs` has the kernel as its witness: the lock lies in a page that may only be read, or the thread
//!   may make no system call but read(2) and write(2). The bench `benches/instructions.rs` counts the instructions of
//!   each form of hit under each setting of a policy, and fails if one costs more than it did.
//!
//! # What checks the laws
//!
//! ## Models
//!
//! A model is a small program of a few threads over the real code of the crate. The model checker
//! loom runs it in every order of its threads that takes at most two preemptions. (The
//! environment variable `LOOM_MAX_PREEMPTIONS` sets another bound.) A model fails if an assertion fails, if two
//! accesses to a plain cell are not ordered, or if all threads wait: a lost wake-up shows as a deadlock. Models cover
//! the election, the queue, the hand-overs to runners, the policies, the getter modes, the readers, the cached value
//! and its readers' handles, the watchers, the registry, and tasks beside threads. Run
//! them by `./test.sh deep loom`; [internals](super::internals#how-loom-is-wired) says how they are wired.
//!
//! A model shows less than a proof, in four ways:
//!
//! - Orders with more than two preemptions are not tried.
//! - Of the accesses to one atomic loom remembers the last only, so a few orders within the bound are not tried either.
//!   A model that depends on an order asserts that this order was reached at least once.
//! - Both sides of the readers' fence are full fences in a model. That the asymmetric fence of Linux does as much is
//!   the kernel's promise, which `./test.sh deep fences` puts under load.
//! - What other crates do inside (arc-swap, `parking_lot`, crossbeam) is replaced by a twin with the orderings that
//!   they document.
//!
//! ## Planted faults
//!
//! A model that cannot fail proves nothing. So most layers have a *planted fault*: a line that a model may break on
//! purpose, listed by the enum `Mutant` in `src/sync/mutant.rs`. For each of them `loom-tests/tests/mutants.rs` has a
//! test that runs a model twice. With the fault the model must fail, with the message that is expected; without it the
//! model must pass.
//!
//! | law | faults |
//! |---|---|
//! | L1 | `DeadIsLive`, `RenewedAgain`; for keys, `LastWithoutALook`, `HeldEvicted` |
//! | L2 | `OldValueAwaited` |
//! | L3 | `AloneUntold` |
//! | L4 | `UnreleasedDeadline`, `DeadlineBeforeValue`, `CellBeforeDeadline` |
//! | L5 | `BatonKept`, `CalledWithoutCreator`, `EndingUnsaid` |
//! | L6 | `LateFinishPublishes`, `OldOutsideMutex` |
//! | L7 | `EdgesStay` |
//! | L8 | `ElectedOnOldNews` |
//! | L9 | `NoReaderFence`, `TakenUncounted`, `LeavesSilently`, `NestedNotWaitedFor` |
//! | wake-ups (C16), the dead (C11) | `NoRecheck`, `LooksBeforeItWatches`, `OverdueUntold`, `FailureUntold`, `StorerTakenOver` |
//!
//! L10, L11 and L12 have no fault of their own: tests and benches check what they say of time and cost.
//!
//! ## The contract
//!
//! `tests/contract` is one suite of the laws, run over everything that elects: every type and mode, by threads, in the
//! background, through a registry, and by tasks on three executors (tokio with several threads, tokio with one thread,
//! smol). It also runs over a naive lock, one mutex around everything, which shows that the suite asks for nothing
//! unfair; and a random script compares the real lock with the naive one. Under policies it runs with each of five
//! settings (`retry_after`, `serve_stale`, `creation_timeout`, `max_stale`, `refresh_early`), each pair of them, an
//! observer, and everything at once.
//!
//! ## Cancellation
//!
//! `tests/tasks/cancellation.rs` has three tasks share a lock, polls them in each order, and drops one of them at each
//! of its awaits, for each form of access. A task is polled only when it was woken, so a lost wake-up shows as a task
//! that never ends.
//!
//! ## Chaos
//!
//! `tests/chaos` runs creators that fail, panic, hang, dawdle, are dropped or ask for their own value, at random, under
//! random policies. An observer that shares no code with the crate watches over the laws. The seed is printed, and
//! `DOGPILE_CHAOS_SEED` runs it again.
//!
//! ## ThreadSanitizer
//!
//! Where a nightly toolchain is installed, `./test.sh deep tsan` runs the concurrent tests under ThreadSanitizer, and
//! the readers once more with full fences. ThreadSanitizer knows no fences. It finds the crate ordered all the same,
//! since the crate carries what a thread did by release and acquire of its words, never by a fence.
//!
//! ## Other platforms
//!
//! `./test.sh deep portable` runs the tests on Linux with the clocks and the fences of other platforms.
//!
#![doc = include_str!("../../docs/cases.md")]
