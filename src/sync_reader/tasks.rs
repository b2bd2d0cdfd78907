//! What a [`SyncReaderDogpile`] has for tasks alone: see [`wait`](crate::wait).
//!
//! The guards of tasks own a share of their lock, and are marked by its counters (see [`readers`](crate::readers)),
//! because a task may be polled by one thread and then by another. So an access by a task is given the lock in a form
//! that [keeps](crate::access::Keep) it.

use super::SyncReaderDogpile;
use crate::clock::Clock;
use crate::generation::Generation;
use crate::wait::TASK;

/// # For tasks
///
/// Threads and tasks may use the same lock at once. A task accesses it by [`kept_async`](Self::kept_async). What holds
/// for the [tasks of a `Dogpile`](crate::Dogpile#for-tasks) holds here: no future blocks its thread, a future may be
/// dropped at any time, and a race against a timer bounds its wait. The [guards](crate::OwnedReadGuard) of tasks may be
/// held across an `.await`.
///
/// # Deadlocks
///
/// The lock does not know which task holds such a guard. So a task that holds one is not known to read (L9), and may
/// wait for itself. Such a task reads once more by [`again`](crate::OwnedReadGuard::again), and lets go before it
/// creates or writes. (The [write guard](crate::AsyncWriteGuard) of a creation is known to be that creation's.)
///
/// The guards of a thread, on the other hand, are known to be that thread's. A task that does not change threads could
/// hold one of these across an `.await`. The other tasks that the thread polls meanwhile are then told that they would
/// wait for themselves. So a task should hold the guards of tasks there.
///
/// A future that has waited for a writer, and is neither polled nor dropped, keeps all others out once another writer
/// comes, because that writer waits for the future to go in. Like every future that waits, it should not be kept
/// unpolled.
impl<C: Clock> SyncReaderDogpile<C> {
    /// Forgets the value, as [`invalidate`](Self::invalidate) does, for a task. As
    /// [`Dogpile::invalidate_async`](crate::Dogpile::invalidate_async).
    ///
    /// # Cancel safety
    ///
    /// Once the future was polled, it has invalidated. If it is dropped after that, it no longer waits.
    pub fn invalidate_async(&self) -> impl Future<Output = ()> {
        async move {
            self.forget_async(None).await;
        }
    }

    /// Forgets the value, as [`invalidate_if`](Self::invalidate_if) does, for a task. As
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
            // A wait without an end does not fail.
            self.forget(only_if, &TASK).await.unwrap_or(true)
        }
    }
}
