//! What the crate cannot do, and what a program does about it.
//!
//! The limits stand here in one place. A type or function that has a limit says so in its own documentation as well.
//!
//! # One creator in each process
//!
//! A lock lives in one process, and elects one creator there. In a fleet of a hundred processes a hundred creators may
//! run when a shared value expires.
//!
//! - In stamped getter mode ([`fetch_stamped`](crate::Access::fetch_stamped)) each process uses what another has
//!   created, by the stamp of the value. So creators run at the same time only where several processes find the value
//!   expired at the same moment.
//! - [`refresh_early`](crate::PolicyBuilder::refresh_early) has the processes renew at different moments, so that most
//!   often one of them is first.
//! - A lock does not hear of what another process stores or removes until an access asks the getter. So
//!   [`wait_for_value`](crate::Status::wait_for_value), [`changed`](crate::Status::changed) and the questions of
//!   [`Status`](crate::Status) tell what this process knows.
//! - An invalidation is one of this process. Another process with the same store goes on by its own lock.
//!
//! For exactly one creator among all processes use a lock of the store (`add` in memcached, `SET NX` in Redis), beside
//! this one.
//!
//! # No cache
//!
//! The crate elects. A lock keeps one value at most, and the crate does not manage memory:
//!
//! - A [`Dogpile`](crate::Dogpile) holds no value. A [`Cached`](crate::Cached) holds one, until it is replaced or
//!   invalidated. An expired value stays in memory: there is no thread that removes it.
//! - A [`Registry`](crate::Registry) counts entries, not bytes. Without [`at_most_idle`](crate::Registry::at_most_idle)
//!   its number of idle keys has no bound, and with it the key that was let go longest ago goes first. There is no
//!   admission policy. A registry that is not used at all any more keeps its entries until it is
//!   [swept](crate::Registry::sweep).
//! - A registry forgets. An idle lock without a value is not kept, unless [`keep_idle`](crate::Registry::keep_idle)
//!   says so, and with the lock goes its state: in getter mode a key that is asked for more seldom than that never
//!   expires. Of locks that are kept for a pause alone there are [1,024 at the most](crate::Registry::at_most_paused);
//!   the pauses of others are forgotten.
//! - A [`cached_by_key`](crate::cached_by_key()) keeps nothing itself. Its store decides what stays.
//!
//! For many values in one process with a bound on memory use a cache such as moka or `quick_cache`, by itself or as the
//! store of `cached_by_key`.
//!
//! # Deadlocks that are not found
//!
//! [Law L7](super::guarantees#l7-no-silent-deadlock) says which deadlocks are found. The following are not. A time-out
//! bounds such a wait, and a [`creation_timeout`](crate::PolicyBuilder::creation_timeout) frees a lock whose creation
//! never ends.
//!
//! ## A creation that is held
//!
//! A [`Creation`](crate::Creation) that was given out by `turn` may be sent to any thread. So the lock does not know
//! which thread will finish it. A thread that holds one and accesses the same lock, where there is no value, waits for
//! itself. From the moment the creation is [run](crate::Creation::run) until the creator returns, its thread is known.
//! So it is while a closure runs [within](crate::Creation::within) the creation.
//!
//! A creation that is leaked by [`std::mem::forget`] holds its lock for ever. Old values go on being served, and
//! waiters for a missing value wait until their time is out.
//!
//! ## Owned guards
//!
//! An [`OwnedReadGuard`](crate::OwnedReadGuard), an [`OwnedRmLockReadGuard`](crate::OwnedRmLockReadGuard) and an
//! [`AsyncWriteGuard`](crate::AsyncWriteGuard) that was not taken from a running creation have no known owner. So these
//! waits have no end, and are not found:
//!
//! - The owner of an owned read guard accesses the lock again, and waits behind a writer that waits for that guard. Use
//!   the guard's `again` method there: it never waits.
//! - The owner of an owned read guard is elected, and its creator takes the write lock.
//! - A task that holds an `AsyncWriteGuard` asks for a guard of the same lock, or invalidates.
//!
//! A guard that is leaked holds up the writers of its lock for ever. So does a guard that is held for long, as long as
//! it is held; and while a writer waits, new readers wait as well.
//!
//! Guards that stay on their thread are taken for that thread's. If a task holds one across an `.await`, the other
//! tasks that this thread polls are told that they would wait for themselves.
//!
//! ## Waits by other means
//!
//! The crate knows waits for its own locks. A creator that joins a thread, receives from a channel, awaits another task
//! or takes a mutex of the user's may be part of a circle that is not found. The same is so of these:
//!
//! - *Watchers.* A circle through [`wait_for_value`](crate::Status::wait_for_value) or
//!   [`changed`](crate::Status::changed) is not found: a watcher waits for any creation, and for none in particular.
//!   Only a watcher in the middle of its own lock's creation is told. Inside a creator give these a time-out. A thread
//!   that holds a [`ReadGuard`](crate::ReadGuard) and watches the same lock keeps the creator from its write lock.
//! - *Stores.* A store inside [`publish`](crate::Creation::publish) must not wait for a thread that invalidates the
//!   same lock: that thread waits for the store. Two stores that invalidate each other's locks wait for each other. Use
//!   [`invalidate_timeout`](crate::Dogpile::invalidate_timeout) there.
//! - *Two `RmLock`s* that are taken in different orders by two threads.
//! - *A [`Pool`](crate::Pool).* A creator that runs as a job may wait for a value whose job stands behind it in the
//!   same pool. Give such creators pools of their own.
//! - *A runner that waits for its job,* or a [`Spawner`](crate::Spawner) that polls its task to the end before it
//!   returns. With a [`SyncReaderDogpile`](crate::SyncReaderDogpile) the access reads meanwhile, and the job's write
//!   lock waits for it.
//!
//! ## Circles among tasks
//!
//! A task may keep a future and no longer be interested in it, and nobody says so. So a circle among tasks is found
//! only as far as its waits are polled whenever their creators are. It is missed if it goes through a task that is not
//! polled although it was woken, or through a set of futures that polls only those that were woken themselves, such as
//! `FuturesUnordered`. On the other hand a wait that is polled on a thread in the middle of a creator of that thread is
//! taken for a part of that creation, and told so, though as a task it could have waited. The docs of
//! [`Dogpile`](crate::Dogpile#for-tasks) have all conditions.
//!
//! # Tasks
//!
//! - *Futures that are kept unpolled.* A future that is neither polled nor dropped holds on to what it has: its
//!   creation, or its place in the queue. If it is then called to create, all waiters behind it wait on. (An access
//!   that comes anew is elected past it.) So do not keep one beside something else that the task waits for.
//! - *No time-out of its own.* A task's access has no `timeout`. Race the future with a timer of the runtime. The timer
//!   then also interrupts the creator, unless that was [spawned](crate::AsyncAccess::spawned_by).
//! - *Wakers that block.* The call that ends a wait runs the wakers of all tasks that waited, on its own thread. A
//!   waker must not block on the lock that wakes it, nor on a thread that waits for that lock. A waker that takes long
//!   delays the others; under a [`creation_timeout`](crate::PolicyBuilder::creation_timeout) one thread runs the wakers
//!   of all locks of the process.
//! - *Spawners that drop.* A spawner that drops the task before it was polled gives the creator back to an access that
//!   waits, and that access runs the creator when it is elected. If the task was dropped half-way, has panicked, or
//!   takes longer than its creation may, such an access ends with [`CreateError::Lost`](crate::CreateError::Lost), when
//!   its turn has come. A task that is leaked holds the creation, and without a `creation_timeout` its lock.
//! - *`Send`.* Today's compiler cannot see that some futures are `Send`: those with an async closure that is handed
//!   something, of a value whose type has a lifetime in it, such as `&'static str`.
//!   [`AsyncAccess`](crate::AsyncAccess#send) says which.
//!
//! # Runners
//!
//! - A [`Runner`](crate::Runner) that drops a job frees the lock, and nothing has failed by that: no pause follows, no
//!   failure is counted, and no observer is told. If a runner refuses all jobs, each access is elected, hands over and
//!   goes on, and the value grows old. A bound on that is [`max_stale`](crate::PolicyBuilder::max_stale): beyond it the
//!   value is missing, and the elected thread creates by itself.
//! - The access that hands over waits until the runner returns.
//! - Without an old value there is nothing to go on with: the elected thread creates by itself, also in the background.
//! - An error of a creation in the background reaches no caller. It is told to the observer, counted in the
//!   [`stats`](crate::Status::stats), and there as [`last_failure`](crate::Status::last_failure).
//!
//! # A creator is not interrupted
//!
//! No thread can be stopped from outside. A time-out bounds the wait of the access, never its own getter, creator or
//! setter. A creation that was [declared dead](crate::PolicyBuilder::creation_timeout) still runs on its thread: each
//! creator that hangs costs a thread, and eight bytes. The creator may ask [`is_dead`](crate::Creation::is_dead) and
//! stop.
//!
//! A creation cannot be declared dead while it is inside [`publish`](crate::Creation::publish), holds the write lock or
//! waits for it. What hangs there holds up the others: use [`write_lock_timeout`](crate::Creation::write_lock_timeout).
//!
//! # Old values
//!
//! - By default an old value serves however old it is: after an idle night the first access creates, and the others are
//!   given yesterday's value meanwhile. [`max_stale`](crate::PolicyBuilder::max_stale) sets a bound.
//! - Beyond `max_stale` an old value covers a failure for the elected access alone, as far as
//!   [`max_stale_on_error`](crate::PolicyBuilder::max_stale_on_error) allows. The waiters wait for a new value, and in
//!   a pause get [`CreateError::Paused`](crate::CreateError::Paused). Where all accesses are to have the old value
//!   then, the creator returns it, by [`unchanged`](crate::Creation::unchanged).
//! - A [`SyncReaderDogpile`](crate::SyncReaderDogpile) does not know its resource. A swap that fails half-way leaves
//!   what it left, and is not undone: prepare first, and invalidate before letting go of the write lock.
//!
//! # The clock and its precision
//!
//! - *Coarse time.* With a lifetime of a second or more a hit reads the coarse clock, which lags by a scheduler tick at
//!   most: 1 to 10 ms on Linux, as the kernel is configured (4 ms is common). A value may live that much longer, never
//!   shorter. With shorter lifetimes the exact clock is read.
//! - *Suspended machines.* The default [`MonotonicClock`](crate::MonotonicClock) is `CLOCK_MONOTONIC` on Linux, which
//!   stands still while the machine is suspended. A token that was good for ten minutes before the lid was closed is
//!   taken for fresh when the lid is opened the next day. On Linux `BoottimeClock` counts the suspended time; it has no
//!   coarse form, and a reading costs about 20 ns. On other platforms [`MonotonicClock`](crate::MonotonicClock) is
//!   [`std::time::Instant`], whose behaviour in suspend is the platform's, and a [`Clock`](crate::Clock) of one's own
//!   is what remains.
//! - *Stamps.* In stamped getter mode age goes by the time of day. If a clock is set back, or machines disagree, a
//!   value lives longer or shorter by that. A stamp from the future counts as now within
//!   [`max_skew`](crate::PolicyBuilder::max_skew), and as stale beyond it.
//! - *Clocks of one's own.* A clock that does not go at the pace of real time must implement
//!   [`wake_at`](crate::Clock::wake_at). Without it, waiters for a creation that may be declared dead sleep for as much
//!   real time as the clock said.
//! - *Time-outs* of waits are real time, on whatever clock values expire.
//! - *No timer.* Nothing happens by itself when a value expires or is due. An access finds it so. To keep a value fresh
//!   that nobody reads, a thread sleeps for [`due_in`](crate::Status::due_in) and accesses: see
//!   [recipes](super::recipes#refresh-ahead-on-a-schedule).
//!
//! # Panics and destructors
//!
//! - There is no poisoning. A creator of lock mode that panics half-way leaves what it has written: see to that in the
//!   creator, or write inside [`publish`](crate::Creation::publish) what belongs together.
//! - An old value is dropped where its last owner lets go: in the call that replaces it, or on the thread of its last
//!   reader. A slow destructor is slow there. Destructors run outside every mutex of the crate. A destructor that
//!   panics does so in that call; the lock is in order afterwards.
//! - A panic of an observer goes on to the caller whose access it was.
//! - A panic of a waker ends in the lock, and so does a panic of a creator that runs in a job or in a spawned task.
//!   Only the panic hook tells of it.
//! - `Eq` of a registry's key runs under the mutex of its shard, and must not use that registry.
//!
//! # Fork
//!
//! A child made by fork(2) has all locks as they were at that moment, and of the threads only the one that forked. What
//! the other threads were in the middle of does not end in the child. Nothing tells of that, and the parent does not
//! notice.
//!
//! | at the moment of the fork | in the child |
//! |---|---|
//! | another thread, or a job or a task on one, created a value | that creation [runs](crate::Status::is_creating) without an end. A stale value is served as long, without an error, and an access that finds no value waits until its time is out. With a [`creation_timeout`](crate::PolicyBuilder::creation_timeout) another access is elected when that is over, unless the creation was inside [`publish`](crate::Creation::publish) or had the write lock |
//! | another thread, or a task that nobody polls any more, waited for a value | that waiter keeps its place in the queue. If it is called to create, the waiters behind it wait until another access comes |
//! | another thread held a guard of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) or an [`RmLock`](crate::RmLock) | no thread can ever write; if it was a write guard, none can read |
//! | another thread had a [`Held`](crate::Held) of a [`Registry`](crate::Registry) | that key's lock is there for good, and so is a value of a [`Cached`](crate::Cached) that was being read |
//! | another thread was changing a lock's queue, a registry's table, or what else is behind a mutex for moments, or was waking the thread that forks | an access that comes to need that mutex hangs; a hit does not |
//! | a [`Pool`](crate::Pool) had threads and jobs | the pool begins with new threads and no jobs: what ran or waited is the parent's |
//! | a task waited under a `creation_timeout` or a [soft time-out](crate::AsyncAccess::soft_timeout) | the task is woken in time if it is polled in the child once more, else not |
//!
//! So a program that forks, and does not run another program in the child at once as [`std::process::Command`] does,
//! has three ways: it forks before it uses its locks, or its children make locks of their own, or it gives a
//! `creation_timeout` to the locks that another thread may be renewing at that moment. What a child of a program with
//! threads may do at all is the system's to say.
//!
//! # Platforms
//!
//! - The crate needs Rust 1.85 or later, std, 64-bit atomics and a monotonic clock. A target without 64-bit atomics,
//!   and `wasm32-unknown-unknown`, which has no clock, are compile errors that say so. (`wasm32-wasip1`,
//!   `wasm32-wasip2` and `wasm32-unknown-emscripten` have a clock.)
//! - On Linux the hit path reads the coarse monotonic clock through the vDSO. Elsewhere it reads
//!   [`std::time::Instant`].
//! - On Linux 4.14 or later readers under a guard pay for no fence, since a writer has the kernel put one into every
//!   running thread (membarrier). Elsewhere, and where a system-call filter forbids membarrier, readers pay for two
//!   fences. The filter must be in place before the first read: a writer panics if membarrier worked at first and is
//!   forbidden later. A write interrupts all running threads of the process for a moment; programs on isolated cores
//!   call [`force_full_fences`](crate::force_full_fences()) first thing.
//! - `BoottimeClock` exists on Linux only.
