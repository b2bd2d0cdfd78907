//! What of it is for tasks alone: see [`wait`](crate::wait).
//!
//! The guards of tasks own a share of their lock, and are marked by its counters (see [`readers`](crate::readers)): a
//! task may be polled by one thread and then by another. So an access by a task is given the lock as what it is
//! [kept](crate::access::Keep) by.

use super::SyncReaderDogpile;
use crate::clock::Clock;
use crate::generation::Generation;
use crate::wait::TASK;

/// # For tasks
///
/// Threads and tasks may use the same lock at once, and a task accesses it by [`kept_async`](Self::kept_async). What
/// holds for the [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here: nothing blocks, a future may be dropped
/// at any time, and to race it with a timer is how to bound it. The [guards](crate::OwnedReadGuard) of tasks may be
/// held across an `.await`.
///
/// # Deadlocks
///
/// Whose guards these are the lock does not know: a task that holds one is not known to read (L9), and may wait for
/// itself. The task reads once more by [`again`](crate::OwnedReadGuard::again), and lets go before it creates or
/// writes. (The [write guard](crate::AsyncWriteGuard) of a creation is known to be that creation's.)
///
/// The guards of a thread, on the other hand, are known to be that thread's: while it holds one across an `.await`, as
/// a task that does not change threads could, the other tasks that it polls are told that they would wait for
/// themselves. Hold these there.
///
/// A future that has waited for a writer and is neither polled nor dropped keeps all others out, once another writer
/// comes: that one waits for it to go in. As any that waits, it should not be kept unpolled.
impl<C: Clock> SyncReaderDogpile<C> {
    /// As [`invalidate`](Self::invalidate), for a task: as
    /// [`Dogpile::invalidate_async`](crate::Dogpile::invalidate_async).
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it has invalidated. Dropped after that, it no longer waits.
    pub fn invalidate_async(&self) -> impl Future<Output = ()> {
        async move {
            self.forget_async(None).await;
        }
    }

    /// As [`invalidate_if`](Self::invalidate_if), for a task: as
    /// [`Dogpile::invalidate_if_async`](crate::Dogpile::invalidate_if_async).
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate_async`](Self::invalidate_async).
    pub fn invalidate_if_async(&self, seen: Generation) -> impl Future<Output = bool> {
        async move { self.forget_async(Some(seen)).await }
    }

    fn forget_async(&self, only_if: Option<Generation>) -> impl Future<Output = bool> {
        async move {
            // Without an end to the wait it only ends well.
            self.forget(only_if, &TASK).await.unwrap_or(true)
        }
    }
}
