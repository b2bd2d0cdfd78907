//! What an access costs, beside what else can do the same job.
//!
//! The first half of this page is the cost model: what a hit does and does not do, and what everything else costs. The
//! second half compares the crate with others in one run of a benchmark, and says [where others are
//! faster](#where-others-are-faster). [The last section](#how-to-measure-by-yourself) has the commands.
//!
//! # What a hit does
//!
//! A hit is an access that finds a fresh value. A hit of a [`Dogpile`](crate::Dogpile) does three things:
//!
//! 1. It loads one word, the deadline, with acquire ordering.
//! 2. It reads the clock. If the lifetime is a second or more, this is the coarse clock, which takes about 3 ns on
//!    Linux. If the lifetime is shorter, it is the exact clock, which takes about 20 ns. If the value never expires,
//!    the clock is not read at all.
//! 3. It compares the two.
//!
//! Nothing with an expiry can do with less, so the benchmarks call these three steps the *floor*.
//!
//! | a hit | does it? |
//! |---|---|
//! | takes a lock | no |
//! | writes memory that another thread reads or writes | no |
//! | allocates | no |
//! | enters the kernel | no, where the system offers its clocks in user space (on Linux: the vDSO) |
//! | reads its policy, its statistics or its queue | no. (While a value is due to be renewed early, each access reads the policy as well: some 30 % more) |
//! | calls an observer | no |
//!
//! The exceptions are those of [law L12](super::guarantees#l12-a-hit-only-reads). What a hit costs beyond the floor
//! depends on what the access gives:
//!
//! | a hit of | also | time | instructions |
//! |---|---|---|--:|
//! | the floor | | 3.3 ns | 23 |
//! | [`Dogpile`](crate::Dogpile) | nothing | as much | 32 |
//! | [`Reader`](crate::Reader) of a `Cached` | loads a count of changes | 1.25 times the floor | 45 |
//! | [`SyncReaderDogpile`](crate::SyncReaderDogpile) | marks a seat in the record of its thread, and leaves it with the guard | some ns more than a `Dogpile` | 61 |
//! | [`Cached`](crate::Cached) | marks the value as being read, in memory of its thread | 8 to 12 ns | 97 |
//!
//! The instructions are those of the terminals that take a creator that cannot fail, as `cargo bench -p dogpile-benches
//! --bench instructions` counts them, on a machine where the floor takes 23. That bench fails if a hit takes more than
//! this table says, under any setting of a policy. The times are those of one machine: see the comparison below. A hit
//! of a `Cached` is 8 ns where the compiler happens to inline all of it.
//!
//! An access that finds an old value while another thread creates loads a few words more, and writes nothing either.
//!
//! # What else costs something
//!
//! | what | costs |
//! |---|---|
//! | a creation | one compare-and-swap, one transition under a mutex that is held for moments (two with [`creation_timeout`](crate::PolicyBuilder::creation_timeout)), the exact clock twice, and its creator |
//! | a wait | a place in the queue, sleeping, and one call to the kernel for each thread that is woken |
//! | a look-up in a [`Registry`](crate::Registry), and letting go | the hash of the key and a mutex of one of 64 shards, twice: some 35 ns together; 60 ns where the lock has to be made; some 130 ns more with [`at_most_idle`](crate::Registry::at_most_idle) |
//! | the first read guard of a thread | a place in a record, 132 bytes |
//! | a write lock | a call to the kernel, and a look at each thread that reads such locks: 0.7 µs with 10 of them, 3 µs with 1,000, 31 µs with 10,000 |
//! | the other threads, for each write lock | one interruption for a moment, of those that run |
//! | a job of [`ThreadPerJob`](crate::ThreadPerJob) | some 20 µs to start its thread |
//!
//! Memory:
//!
//! | what | bytes |
//! |---|---|
//! | a `Dogpile` | at most 64: one cache line |
//! | a `SyncReaderDogpile` | 384 |
//! | an [`RmLock`](crate::RmLock), beside its data | 320 |
//! | a key of a `Registry` that lives | 160 with a number for a key and a `Dogpile`; 88 more once that has created something |
//! | a `Registry` | 10 KB |
//!
//! # Beside others
//!
//! All figures of this section, but where a part says otherwise, are from one run of
//!
//! ```sh
//! cargo bench -p dogpile-peers --bench peers --locked -- nothing
//! ```
//!
//! which takes six minutes; `nothing` is a filter that leaves out criterion's part. The run was made on 2026-11-21, on
//! a shared virtual machine with 2 cores of an AMD EPYC, Linux 6.18, Rust 1.95. The ratios are what to look at: on
//! another machine they are others. In that run all subjects take turns, so that whatever else the machine does falls
//! on all of them.
//!
//! "By hand" is what one writes in half an hour. "foyer" is its part in memory. "cached (crate)" is the crate of that
//! name, and no part of this one. The versions of all are in `Cargo.lock` of the repository. `quick_cache` and foyer
//! have no expiry, and look at the time by hand.
//!
//! ## One hot value that expires
//!
//! One fresh value is read all the time. The table has the time of the other's read, in reads of a `Cached`. Above 1,
//! `Cached` is faster.
//!
//! | | 1 thread | 2 threads | 4 threads on 2 cores |
//! |---|--:|--:|--:|
//! | moka | 9.5 × | 21 × | 20 × |
//! | `quick_cache` | 3.7 × | 9.5 × | 9.5 × |
//! | cached (crate) | 4.0 × | 9.0 × | 14 × |
//! | foyer | 6.4 × | 24 × | 37 × |
//! | arc-swap by hand | 2.4 × | 2.4 × | 2.4 × |
//! | `parking_lot` by hand | 2.3 × | 4.5 × | 3.1 × |
//! | std by hand | 2.4 × | 11 × | 9.8 × |
//! | `once_cell`, which has no expiry | 0.1 × | 0.1 × | 0.1 × |
//!
//! A read of a `Cached` was 12 ns with 1, 2 and 4 threads; the others that expire took 28 to 444 ns. With a lifetime
//! under a second the exact clock adds some 20 ns. The lock alone, `Dogpile`, takes 3.3 ns, as much as to load a
//! deadline and look at the clock; that is from `cargo bench -p dogpile-benches --bench hit -- nothing`.
//!
//! <style>.dogpile-plot { overflow-x: auto; } .dogpile-plot svg { max-width: 100%; height: auto; }</style>
//!
//! <div class="dogpile-plot" role="img"
//! aria-label="Time of a read of one hot value: Cached 12 ns with 1, 2 and 4 threads; the others that expire 28 to 444
//! ns">
#![doc = include_str!("../../docs/plots/peers-hot-hit.svg")]
//! </div>
//!
//! ## Expiry under load
//!
//! A value lives for 50 ms and takes 10 ms to create. 64 threads read it, each every millisecond. Beside it runs the
//! same load with nothing expiring.
//!
//! | | 99.9th percentile | in its own without expiry | reads over 1 ms | what it cannot do |
//! |---|--:|--:|--:|---|
//! | `Cached` | 0.65 µs | 1.1 × | 0.027 % | spare the one read that creates |
//! | `Cached`, in background | 0.83 µs | 1.3 × | none | |
//! | arc-swap by hand | 0.68 µs | 1.1 × | 0.027 % | spare that read; bound a wait; find a creator that waits for itself |
//! | moka, cached (crate) | 10 ms | 1,800 × and 13,000 × | 1.7 % | serve the old value: all wait for the creator |
//! | `quick_cache`, foyer | 10 ms | 18,000 × and 6,300 × | 1.7 % | expire by themselves; serve the old value |
//! | `parking_lot`, std by hand | 10 ms | 31,000 × and 27,000 × | 1.7 % | serve the old value |
//!
//! Where all threads wait for the creator, one read in 58 takes 10 ms. With `Cached` one read in 3,700 does: the read
//! that creates. In the background none does.
//!
//! <div class="dogpile-plot" role="img"
//! aria-label="How slow reads are: where all wait for the creator, one in 58 takes 10 ms; with Cached one in 3,700; in
//! the background none">
#![doc = include_str!("../../docs/plots/peers-expiry.svg")]
//! </div>
//!
//! The slowest read of a round (of 0.75 s) was 46 µs in the background, where with nothing expiring it was 34 µs, and
//! 10 to 11 ms everywhere else. The last thousandth is the machine's scheduler as much as the lock: two later runs, on
//! a busier machine, had 1.7 and 4.1 × for `Cached` and 1.3 and 1.2 × in the background, beside 2 to 9 µs where nothing
//! expires.
//!
//! Two readers without a pause are not in the table. With and without expiry both forms of `Cached` have the same
//! 99.9th percentile (1.0 ×). `Cached` in the background has no higher maximum either, and the same throughput (1.00
//! ×). Where a reader runs the creator, or all readers wait for it, throughput is 9 to 19 % lower. In all of them one
//! creator ran at a time.
//!
//! ## Every other creation fails
//!
//! The load is the same, and lasts three seconds.
//!
//! | | reads that fail | 99.9th percentile |
//! |---|--:|--:|
//! | `Cached` | 44 | 1.0 µs |
//! | `Cached`, in background | 0 | 1.9 µs |
//! | `Cached`, with `retry_after` and `ServeStale` | 0 | 1.0 µs |
//! | arc-swap by hand | 44 | 1.0 µs |
//! | moka, foyer (all 64 threads that wait are told of a failure) | 2,816 | 11 ms |
//! | `quick_cache`, cached (crate), std by hand | 44 | 20 ms |
//! | `parking_lot` by hand | 44 | 21 ms |
//!
//! ## 256 threads wait for a missing value
//!
//! The table has the time from the end of the creator to the return of the last thread, in that of `Cached`. Below 1, the
//! other is faster. These figures are newer than the others: three runs of this part on 2026-11-29, on the same machine,
//! in which `Cached` took 0.9 to 1.6 ms.
//!
//! | | |
//! |---|--:|
//! | `quick_cache`, `parking_lot` by hand, `once_cell` | 0.8 × |
//! | moka | 0.9 × |
//! | foyer | 0.9 to 1.1 × |
//! | those behind a mutex: cached (crate), std by hand, arc-swap by hand | 1.7 to 3.3 × in the quietest run, 0.6 to 0.7 × in the others |
//!
//! ## A million keys
//!
//! The keys are drawn by Zipf's law. The table has the time of the other's read, in reads of a `Registry` of `Cached`
//! with `keep_idle`. Below 1, the other is faster.
//!
//! | | 1 thread | 2 threads | 4 threads on 2 cores |
//! |---|--:|--:|--:|
//! | moka | 2.0 × | 2.0 × | 0.9 × |
//! | `quick_cache` | 0.7 × | 0.8 × | 0.4 × |
//! | cached (crate) | 0.9 × | 1.0 × | 1.1 × |
//! | foyer | 1.1 × | 1.6 × | 1.6 × |
//! | dashmap by hand | 0.6 × | 0.5 × | 0.3 × |
//! | `parking_lot` by hand | 0.5 × | 0.5 × | 0.3 × |
//! | std by hand | 0.6 × | 1.3 × | 1.7 × |
//!
//! The first four bound how many keys they keep. A registry does so if it is told to
//! ([`at_most_idle`](crate::Registry::at_most_idle)), and here it was not.
//!
//! # Where others are faster
//!
//! - *Among many keys* `quick_cache`, dashmap by hand and `parking_lot` by hand are faster than a `Registry`: a read
//!   takes 0.3 to 0.8 times as long. So is std by hand on one thread, and moka and the crate cached are by a tenth at
//!   one end of the table. A registry has a lock for each key, and takes two mutexes in a read. With more threads than
//!   cores a thread may be interrupted while it holds one. [`cached_by_key`](crate::cached_by_key()) keeps results in
//!   any store, but takes the lock of the key from a registry as well.
//! - *Among 256 threads* that wait for one missing value `quick_cache`, `once_cell`, `parking_lot` by hand and moka take
//!   0.8 to 0.9 times as long. `Cached` wakes its waiters one by one.
//! - *Among tasks* that wait for one missing value `quick_cache` and tokio's `OnceCell` are faster than `Cached`: they
//!   take 0.6 to 0.8 times as long (`cargo bench -p dogpile-peers --bench async_hit`).
//! - *Without expiry* `once_cell` reads in a tenth of the time of a `Cached`: it has no clock to read and no guard. For
//!   a value that is made once, use `std::sync::OnceLock`.
//! - *arc-swap by hand*, with a deadline and a creator that takes a mutex, keeps up with `Cached` under expiry and
//!   under failures. Its reads take 2.4 times as long here because it reads the exact clock, as all subjects by hand do
//!   (`Instant`); with a coarse clock it would be close.
//! - *A write* under readers is slow: a plain `RwLock` writes in some ns, an `RmLock` in a microsecond.
//!
//! # What expiry costs a database
//!
//! `cargo run --release -p example-fleet` simulates up to 100,000 processes over one shared cache. It shows how much
//! each way to expire spares the database, checks the simulation against the real locks, and sets it beside published
//! results. Each process makes 10 requests a second for one key. A value takes 200 ms to create and lives for 10 s.
//!
//! <div class="dogpile-plot" role="img" aria-label="Queries per second over the number of processes, by strategy">
#![doc = include_str!("../../docs/plots/fleet-processes.svg")]
//! </div>
//!
//! The second picture lays 334 expiries under 1,000 processes over each other, from three seconds before an expiry to
//! one second after.
//!
//! <div class="dogpile-plot" role="img"
//! aria-label="Queries per second around an expiry under 1,000 processes, by strategy">
#![doc = include_str!("../../docs/plots/fleet-expiry.svg")]
//! </div>
//!
//! # How to measure by yourself
//!
//! In a clone of the repository:
//!
//! | command | answers |
//! |---|---|
//! | `cargo bench -p dogpile-benches --bench hit` | What does a fresh hit cost, beside the floor? |
//! | `cargo bench -p dogpile-benches --bench reader_hit` | What does a hit cost through a reader's handle? |
//! | `cargo bench -p dogpile-benches --bench guarded_hit` | What does a hit cost with its guard, and what does the write lock? |
//! | `cargo bench -p dogpile-benches --bench stale` | What does an access cost that meets a creation that runs? |
//! | `cargo bench -p dogpile-benches --bench instructions` | How many instructions does a hit take? (Linux on `x86_64`, needs valgrind) |
//! | `cargo bench -p dogpile-peers --bench peers --locked` | What do others cost in the same job? |
//! | `cargo bench -p dogpile-peers --bench registry` | What does a lock per key cost, in time and memory? |
//! | `cargo bench -p dogpile-peers --bench async_hit` | What does a task pay that a thread does not? |
//! | `cargo run --release -p example-stampede` | What do readers notice of an expiry, six ways? |
//!
//! To each bench `-- nothing` leaves out criterion's part, and prints the tables of ratios alone. Compare within one
//! run only: on a shared machine two runs differ by more than most of the ratios. What matters most is your own load:
//! count creations, waits and their times by [`stats`](crate::Status::stats), or watch them by an
//! [`Observer`](crate::Observer).
