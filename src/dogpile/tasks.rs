//! The part of a lock that is for tasks alone.

use super::Dogpile;
use crate::clock::Clock;
use crate::generation::Generation;
use crate::wait::TASK;

/// # For tasks
///
/// Threads and tasks may use the same lock at once: a creation of either wakes the waiters of both. A task accesses the
/// lock by [`access_async`](Self::access_async), or by [`kept_async`](Self::kept_async) where the creation is to
/// outlive the access. None of these futures blocks its thread, on any executor. A hit does not even suspend its task,
/// and neither does an access that takes a stale value while another access creates.
///
/// A future does nothing before it is polled. [`AsyncAccess`](crate::AsyncAccess#send) says when it is `Send`. The
/// [guide](crate::guide::tasks) shows what differs from an access by a thread.
///
/// # Time-outs
///
/// To bound the wait, race the future with a timer of your runtime. The future may be dropped at any time. The timer
/// bounds the getter and the creator as well. A creation that is to go on is [spawned](crate::AsyncAccess::spawned_by).
///
/// ```
/// use dogpile::{Dogpile, Outcome};
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let lock = Dogpile::new(Duration::from_secs(60));
///     let access = lock.access_async().or_create(async || { /* rebuild */ });
///     match tokio::time::timeout(Duration::from_secs(1), access).await {
///         Ok(outcome) => assert_eq!(outcome, Outcome::Created),
///         Err(_elapsed) => { /* go on without */ }
///     }
/// }
/// ```
///
/// # Wakers
///
/// The call that ends a wait runs the waker of the task that has waited: the end of a creation, a `set`, the drop of a
/// guard. The waker runs on the thread of that call, outside every mutex of this crate. The call first wakes all
/// threads that have waited for the same event, and then runs the wakers of tasks, one after the other. A waker may use
/// the lock, and may poll its task or drop it at once.
///
/// A waker must not block on the lock that wakes it, nor on a thread or task that waits for that lock: all of them may
/// wait for the very call that runs the waker.
///
/// A waker may panic when the lock wakes or drops it. The panic hook reports that panic, and it ends there: the call
/// that has run the waker goes on, and all other waiters are woken. The lock then treats the task of that waker as
/// woken. A panic when the lock clones a waker goes on to the code that polls.
///
/// Under a [`creation_timeout`](crate::PolicyBuilder::creation_timeout), one thread runs the wakers of all tasks whose
/// time has come, of all locks of the process. (Where a clock is [moved](crate::ManualClock), the thread that moves it
/// runs them.) A waker that takes long holds up the others.
///
/// # Deadlocks
///
/// While the future of a creator is polled, its creation is known to be that task's (L7). An access in the same poll
/// that would wait for that creation is told so. So is an access that would close a circle of creations. A task that
/// waits by other means is not found:
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
/// The lock knows the thread that polls, and not the task. So a wait that is polled on a thread in the middle of a
/// creator of that thread, or in the middle of the poll of another creator's future, counts as a part of that creation.
/// Such a wait is told that it would wait for itself, although as a task of its own it could have waited. This concerns
/// the tasks of a runtime that a blocking creator blocks on, and a waker that polls its task at once.
///
/// A circle among tasks is found as far as its tasks are known to wait still. A creator may begin to wait, go on
/// without that wait, and keep its future: behind a time-out, or beside another future that was ready first. Such a
/// wait is in no circle. To tell whether it is still wanted, a wait in the middle of a creator *asks*: it wakes its
/// task once. Only if the wait is polled again does it count in the search for circles. A wait asks when it begins, and
/// whenever the creator was polled for the sake of another future. From then on the wait counts as long as it is polled
/// whenever its creator's future is. (A creator may poll the wait as it has asked, and go on without it in the same
/// poll, as with a very short time-out. Then the wait counts until the creator's next poll.) What a blocking creator
/// polls by an executor of its own counts until it is dropped, or until the creator has returned.
///
/// Therefore these circles are missed:
///
/// - a circle through a task that is not polled although it was woken;
/// - a circle through a wait in a set of futures that are polled only when they are woken themselves, such as
///   `FuturesUnordered`: from a poll of the creator's future for the sake of another future of the set until that wait
///   is polled again;
/// - a circle through a [`Creation`](crate::Creation) that was moved to another thread, or through a wait by other
///   means, as above.
///
/// A future that is neither polled nor dropped holds on to what it has. A future whose creator runs holds its creation.
/// A future that waits holds its place in the queue; if the creation that it waited for fails, all waiters behind it
/// are held up as well. (An access that comes anew is elected past it.) So do not keep such a future unpolled beside
/// something else that you wait for.
///
/// # Cancel safety
///
/// A future that is dropped while it waits leaves the queue. If it had just been called to create, the next waiter is
/// called. A future that is dropped while its own creator runs drops the creator first, and then gives its creation up:
/// exactly one waiter is elected (L5). The creator's unfinished work is lost, and nothing else. That creation has not
/// [failed](crate::Creation). [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says the rest.
impl<C: Clock> Dogpile<C> {
    /// As [`invalidate`](Self::invalidate), for a task. Never blocks.
    ///
    /// The invalidation takes effect when the future is first polled. The future waits while a creation is inside
    /// [`publish`](crate::Creation::publish), so that nothing older is stored once the future is ready. In the middle
    /// of that creation the future does not wait, whether the store is being polled or not.
    ///
    /// # Cancel safety
    ///
    /// A future that was polled has invalidated the value. If it is dropped after that, it no longer waits.
    pub fn invalidate_async(&self) -> impl Future<Output = ()> {
        async move {
            if let Some(end) = self.forget(None) {
                // A wait without a time-out only ends well.
                self.wait_for(end, &TASK).await.unwrap_or(());
            }
        }
    }

    /// As [`invalidate_if`](Self::invalidate_if), for a task. Never blocks.
    ///
    /// The invalidation takes effect, and the future waits, as that of [`invalidate_async`](Self::invalidate_async).
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
