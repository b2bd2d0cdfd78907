//! How is something swapped that threads are reading?
//!
//! A [`SyncReaderDogpile`] does that. Each access gives a guard, which is held as long as the resource is in use. The
//! creator prepares the new resource while readers carry on with the old one. For its last step the creator takes the
//! write lock ([`Creation::write_lock`]), which waits until every reader has let go, and keeps new readers waiting
//! meanwhile. A `SyncReaderDogpile` holds no resource itself. For data of the program's own that hardly ever changes,
//! an [`RmLock`] has the same readers and carries its data.
//!
//! ```
//! use dogpile::{CreateError, SyncReaderDogpile};
//! use std::{env, fs, io, path::Path, process, time::Duration};
//!
//! static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600));
//!
//! fn look_up(file: &Path, next: &Path) -> Result<String, CreateError<io::Error>> {
//!     let _guard = LOCK.access().or_try_create_with(|creation| {
//!         fs::write(next, "the new edition")?; // slow: readers carry on with the old edition
//!         let _alone = creation.write_lock().map_err(io::Error::other)?; // refused, if the value was invalidated
//!         // No reader is inside here. If the copy fails half-way, no reader may enter a broken file: invalidate.
//!         fs::copy(next, file).inspect_err(|_| LOCK.invalidate())?;
//!         Ok(())
//!     })?;
//!     Ok(fs::read_to_string(file).expect("it is there")) // and stays as it is as long as the guard lives
//! }
//!
//! let file = env::temp_dir().join(format!("dogpile-guide-{}", process::id()));
//! let next = file.with_extension("next");
//! assert_eq!(look_up(&file, &next).unwrap(), "the new edition");
//! fs::remove_file(file).and(fs::remove_file(next)).unwrap();
//! ```
//!
//! `cargo run --release -p example-swap-datafile` does this to a memory-mapped file, and with `-- --no-lock` shows what
//! happens without the lock.
//!
//! # A swap, step by step
//!
//! ```text
//! creator                    reader 1                  reader 2                  reader 3
//!
//! is elected, as the         guard of the old one
//! value has expired          |
//! prepares the new one       |                         guard of the old one
//! |                          |                         |
//! creation.write_lock()      |                         drops its guard
//! .  waits for reader 1      |                                                   access: waits behind
//! .                          drops its guard                                     .  the writer
//! swaps: it is alone                                                             .
//! drops the write guard                                                          .
//! finishes: the value is                               access: guard of          guard of the new one
//! fresh, and its access                                the new one               |
//! has a guard as well                                  |                         |
//! ```
//!
//! | the value is | the first access | the others, until its creation ends |
//! |---|---|---|
//! | fresh | gets a guard | get a guard |
//! | stale | is elected, and creates without a guard | get a guard of the old one without waiting; but wait while the write lock is held or waited for |
//! | missing | is elected, and creates without a guard | wait; this one creation serves them all |
//!
//! A thread that holds a guard which stays on its thread gets another at once, even if a writer waits, and is never
//! elected: its first guard keeps the resource where it is (L9).
//!
//! # What the write lock of a creation promises
//!
//! - The write lock is refused if the creation was superseded or is dead ([`WriteLockError`](crate::WriteLockError)).
//!   Then the creator fails: a creator that returns `Ok` all the same has its access given a guard for a resource that
//!   was not swapped in.
//! - Once an invalidation has returned, nothing older is swapped in (L6). An invalidation that comes during a swap
//!   takes effect at once, and returns when the swap has ended. No invalidation waits for readers, so a reader may
//!   invalidate.
//! - A panic releases the write lock, and ends the creation as failed. Nothing is poisoned: readers go on with the
//!   resource as the panic has left it. So a creator prepares all that may fail before it takes the lock, and
//!   invalidates before it lets go if the swap fails.
//! - [`write_lock_timeout`](Creation::write_lock_timeout) bounds the wait for readers. Readers then go on as if the
//!   lock had never been asked for.
//!
//! A [`timeout`](crate::Access::timeout) of the access bounds the wait for its guard as well. A
//! [setter](crate::Access::and_set) runs under the write lock, and a getter as a reader.
//! [`acquire_write_lock`](SyncReaderDogpile::acquire_write_lock) takes the write lock without a creation. [In the
//! background](super::background) an access takes the guard of the old value before it hands its creation over, so the
//! swap waits for this reader as for every other.
//!
//! # Guards
//!
//! | guard | given by | stays on its thread | of whom it is, the lock |
//! |---|---|---|---|
//! | [`ReadGuard`] | an access of a thread | yes | knows |
//! | [`OwnedReadGuard`] | an access of a task (`kept_async`), [`ReadGuard::into_owned`] | no | does not know |
//! | [`WriteGuard`] | `creation.write_lock()`, `acquire_write_lock()` | yes | knows |
//! | [`AsyncWriteGuard`] | `creation.write_lock_async()` | no | knows, while the creator is run: it is the creation's |
//! | `AsyncWriteGuard` | `acquire_write_lock_async()` | no | does not know |
//! | [`RmLockReadGuard`], [`RmLockWriteGuard`] | `read()`, `write()` | yes | knows |
//! | [`OwnedRmLockReadGuard`] | `read_owned()`, `RmLockReadGuard::into_owned` | no | does not know |
//!
//! A guard derefs to what the access gave: the [`Outcome`](crate::Outcome), or the getter's value. [`ReadGuard::map`]
//! puts something else into it, such as the opened file. Owned guards cost more, since they count in memory that they
//! share.
//!
//! ```
//! use dogpile::{OwnedReadGuard, ReadGuard, SyncReaderDogpile};
//! use std::{sync::Arc, thread};
//!
//! let lock = Arc::new(SyncReaderDogpile::never_expires());
//! let guard = ReadGuard::into_owned(lock.acquire_or_create(|| { /* prepare and swap */ }), Arc::clone(&lock));
//! let reads = thread::spawn(move || {
//!     let page = OwnedReadGuard::map(guard, |_outcome| "page 7");
//!     let inner = page.again(); // reads once more, and never waits
//!     drop(page);
//!     drop(inner);
//! });
//! reads.join().unwrap();
//! assert!(lock.try_acquire_write_lock().is_ok(), "all readers have left");
//! ```
//!
//! In tasks the guards cross an `.await`:
//!
//! ```
//! use dogpile::SyncReaderDogpile;
//! use std::time::Duration;
//!
//! static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600));
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let access = SyncReaderDogpile::kept_async(&LOCK).or_try_create_with(async |creation| {
//!         tokio::task::yield_now().await; // slow: readers carry on with the old one
//!         let _alone = creation.write_lock_async().await?;
//!         tokio::task::yield_now().await; // swap: no reader is in
//!         Ok::<_, dogpile::WriteLockError>(())
//!     });
//!     let guard = access.await.unwrap();
//!     tokio::task::yield_now().await; // read: the resource stays as it is
//!     drop(guard);
//! }
//! ```
//!
//! # Deadlocks
//!
//! | what is asked for | while | and the lock |
//! |---|---|---|
//! | the write lock | this thread holds a `ReadGuard` or an `RmLockReadGuard` | finds it |
//! | reading, or writing once more | this thread holds the write lock | finds it |
//! | the write lock | this thread is inside [`Creation::publish`] | finds it |
//! | the value | this thread or task creates it, and there is none | finds it (L7) |
//! | a creation, or a value that is gone | this thread holds a `ReadGuard` | gives an access with a getter the error [`ReadLockHeld`](crate::CreateError::ReadLockHeld); in lock mode the access reads |
//! | anything that waits | this thread or task holds an *owned* guard, or that of `acquire_write_lock_async` | does not find it |
//! | two locks | two threads take them in different orders | does not find it |
//!
//! Where the lock finds it, an access or a write lock with an error (one with a time-out, for instance) ends with that,
//! and the others panic. `try_` forms say [`WouldBlock`](crate::WouldBlock), as in other cases. With an owned guard,
//! read once more by [`again`](OwnedReadGuard::again), and let go before creating or writing. A time-out bounds what
//! cannot be found. A guard that is held for long keeps the next swap waiting, and with it all new readers.
//!
//! # `RmLock`
//!
//! Readers share no memory, so that reading costs about as much on all cores at once as on one. A writer pays for that:
//! on Linux it has the kernel interrupt all running threads of the process for a moment, and it looks at each thread
//! that reads. After a writer the readers that waited go first, and then the next writer. For more than one write in
//! some hundred reads, and for very many locks, `RwLock` is better.
//!
//! ```
//! use dogpile::{RmLock, RmLockReadGuard};
//! use std::collections::BTreeMap;
//!
//! static CONFIG: RmLock<BTreeMap<&str, u32>> = RmLock::new(BTreeMap::new());
//!
//! CONFIG.write().insert("limit", 10);
//! let limit = RmLockReadGuard::filter_map(CONFIG.read(), |config| config.get("limit")).expect("it is set");
//! assert_eq!(*limit, 10);
//! assert!(CONFIG.try_write().is_err(), "this thread is reading");
//! ```
//!
//! A handle that is replaced together with the resource of a `SyncReaderDogpile`, such as a memory map, lies in an
//! `RmLock` beside it. Under the write lock of the first there are no readers, so no thread waits for the second.
//!
//! On Linux 4.14 or later readers pay for no fence, since a writer has the kernel put one into every running thread
//! (membarrier). Elsewhere, and where a system-call filter forbids that, readers pay for two full fences. A program
//! whose threads must not be interrupted chooses so itself, first thing in `main`:
//!
//! ```
//! if dogpile::force_full_fences().is_err() {
//!     eprintln!("too late: a lock was read or written already");
//! }
//! ```

#[cfg(doc)]
use crate::{
    AsyncWriteGuard, Creation, OwnedReadGuard, OwnedRmLockReadGuard, ReadGuard, RmLock, RmLockReadGuard,
    RmLockWriteGuard, SyncReaderDogpile, WriteGuard,
};
