//! What of it is for tasks.

use super::Dogpile;
use crate::clock::Clock;
use crate::generation::Generation;
use crate::wait::TASK;

/// # For tasks
///
/// Threads and tasks may use the same lock at once: a creation of either wakes the waiters of both. A task accesses the
/// lock by [`access_async`](Self::access_async), or by [`kept_async`](Self::kept_async) where the creation is to
/// outlive the access. No future of these blocks its thread, on any executor. A hit, or a stale value that another task
/// renews, does not even suspend its task.
///
/// A future does nothing before it is polled. [`AsyncAccess`](crate::AsyncAccess#send) says when it is `Send`.
///
/// # Time-outs
///
/// To bound the wait, race the future with a timer of your runtime, and drop it: that is safe at any time. The timer
/// bounds the getter and the creator as well. (A creation that is to go on is
/// [spawned](crate::AsyncAccess::spawned_by).)
///
/// ```
/// use dogpile::{Dogpile, Outcome};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let lock = Dogpile::new(Duration::from_secs(60));
/// let access = lock.access_async().or_create(async || { /* rebuild */ });
/// match tokio::time::timeout(Duration::from_secs(1), access).await {
///     Ok(outcome) => assert_eq!(outcome, Outcome::Created),
///     Err(_elapsed) => { /* go on without */ }
/// }
/// # });
/// ```
///
/// # Cancel safety
///
/// A future that is dropped while it waits leaves the queue; if it had just been called to create, the next one is.
/// Dropped while its own creator runs, it drops that first, and then gives its creation up: exactly one of those who
/// wait is elected (L5). ([`AsyncAccess`](crate::AsyncAccess#cancel-safety) says the rest.) What it has not returned by
/// then is lost, and nothing else: that creation has not [failed](crate::Creation).
///
/// # Wakers
///
/// The call that ends a wait runs the waker of the task that has waited, on its own thread and outside every mutex of
/// this crate: the end of a creation, a `set`, the drop of a guard. It wakes all threads that have waited for the same
/// first, and then runs the wakers of tasks, one after the other. A waker may use the lock, and may poll its task or
/// drop it at once. A waker must not block on the lock that wakes it, nor on anybody else who waits for that: the call
/// which runs the waker may be what all of them wait for.
///
/// A panic of a waker, as the lock wakes or drops it, is reported by the panic hook and ends there: the call that has
/// run the waker goes on, and all others are woken. The lock takes the waker's task for woken. (A panic as the lock
/// clones a waker goes on to whoever polls.)
///
/// Under a [`creation_timeout`](crate::PolicyBuilder::creation_timeout) one thread runs the wakers of all tasks whose
/// time has come, of all locks of the process (or, where a clock is [moved](crate::ManualClock), the thread that moves
/// it): a waker that takes long holds up the others.
///
/// # Deadlocks
///
/// While a creator's future is polled, its creation is known to be that task's (L7): if the same poll comes to wait for
/// it, that is told, and so is a circle of creations. What it waits for by other means is not known:
///
/// ```text
/// task 1                                  task 2
///
/// lock.access_async().or_create(async || {
///     task2.await;                        lock.access_async().turn().await;
///     // waits for task 2                 // no value yet: waits for task 1
/// })
/// ```
///
/// Who waits is whoever polls: what is polled on a thread in the midst of a creator of that thread, or in the poll of
/// another, is taken for a part of that creation, and told so, though as a task it could have waited. That is so of the
/// tasks of a runtime that a blocking creator blocks on, and of a waker that polls its task at once.
///
/// A circle is told as far as its tasks are known to wait still. A creator may go on without what it has begun to wait
/// for, behind a time-out or beside something that came first, and keep that future; then it is in no circle. So in the
/// middle of a creator a wait counts only after it has asked whether it is wanted: it wakes its task once, as it begins
/// and whenever it was polled for the sake of something else, and is polled again. From then on it counts as long as it
/// is polled whenever its creator's future is. (A creator that polls the wait as it has asked, and goes on without it
/// in the same poll, is taken to wait for it until its own next poll: a very short time-out can do that.) Missed is,
/// therefore, a circle through
///
/// - a task that is not polled although it was woken;
/// - a wait in a set of futures which are polled only when they are woken themselves (`FuturesUnordered`, for
///   instance), once the creator's future was polled for another one of them, and until that wait is polled again;
/// - a [`Creation`](crate::Creation) that was moved about, or a wait by other means, as above.
///
/// (What a blocking creator polls by an executor of its own counts until it is dropped, or the creator has returned.)
///
/// And a future that is neither polled nor dropped holds on to what it has: its creation, if its creator runs; or its
/// place in the queue, and then, if the creation that it waited for fails, the turn of all who queue behind it.
/// (Whoever comes anew is elected past it.) So do not keep one unpolled beside something else that you wait for.
impl<C: Clock> Dogpile<C> {
    /// As [`invalidate`](Self::invalidate), for a task: takes effect when it is first polled, and waits while a
    /// creation is inside [`publish`](crate::Creation::publish), so that nothing older is stored once this is ready.
    /// (In the middle of that creation it does not wait, be its store polled or not.)
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it has invalidated. Dropped after that, it no longer waits.
    pub fn invalidate_async(&self) -> impl Future<Output = ()> {
        async move {
            if let Some(end) = self.forget(None) {
                // Without an end to the wait it only ends well.
                self.wait_for(end, &TASK).await.unwrap_or(());
            }
        }
    }

    /// As [`invalidate_if`](Self::invalidate_if), for a task; otherwise as
    /// [`invalidate_async`](Self::invalidate_async).
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate_async`](Self::invalidate_async).
    pub fn invalidate_if_async(&self, seen: Generation) -> impl Future<Output = bool> {
        async move {
            let Some(end) = self.forget(Some(seen)) else { return false };
            self.wait_for(end, &TASK).await.is_ok()
        }
    }
}
