//! Waiting for a value without creating it: for readiness, for dependents, for watchers.
//!
//! A [`Watcher`](crate::election::Watcher) waits; `election/watcher.rs` says what a watcher is told of. This
//! file says which value a watcher waits for: a value that the lock itself knows of, fresh or stale, as an access in
//! lock mode would find it. The watcher asks for that once, at its first look. From then on the publishing of a value
//! ends the wait, and the watcher reads no clock any more.
//!
//! | a value of another generation than the one seen | the watcher |
//! |---|---|
//! | is there at the first look | goes on at once |
//! | is published or set later | is woken by that, and goes on |
//! | would have to come from the creation in whose middle the watcher waits | is told that it would wait for itself (L7) |
//! | does not come in time | has timed out |
//!
//! Only the watcher's own creation is known to keep the value from it. No creation has been promised to a watcher, and
//! if one creation fails to make a value, another thread may set one. So a watcher is in no [`cycle`](crate::cycle).

use super::Status;
use crate::clock::Clock;
use crate::error::{AcquireError, WaitCycle};
use crate::generation::Generation;
use crate::running::is_creating_here;
use crate::wait::{Patience, TASK, Wait, block_on};
use std::task::{Poll, Waker};
use std::time::Duration;

/// # Waiting for a value
///
/// A *watcher* waits for a value that others make or set. A watcher never creates, is never elected, and holds up no
/// access. If no thread accesses the lock, no value comes.
///
/// A value is what the lock itself knows of, fresh or stale. In [getter mode](crate::Dogpile::fetch) and [stamped
/// getter mode](crate::Dogpile::fetch_stamped) a watcher hears of the values that this lock creates. A watcher does not
/// hear of values that another process stores, or that a getter brings. A value that a creator finds
/// [unchanged](crate::Renewal) counts as a new value: it is known anew to be current.
///
/// Watchers are neither counted as [waiting](Self::waiting) nor in the [`stats`](Self::stats), and no observer is told
/// of them. While a watcher of a [`Registry`](crate::Registry)'s lock waits, its [`Held`](crate::Held) keeps the entry.
///
/// # Deadlocks
///
/// A watcher in the middle of its own creation would wait for itself, and is told so (L7). If anything else keeps the
/// value from coming, that is not found. So bound the wait where a creator waits for another lock's value. A thread
/// that waits here while it holds a [`ReadGuard`](crate::ReadGuard) of the same lock keeps the creator from its write
/// lock: drop the guard first.
///
/// # Memory ordering
///
/// What a creator wrote before it finished happens before the return of each wait that its value ends. So does what a
/// thread did before it set a value.
impl<C: Clock> Status<C> {
    /// Waits until there is a value, fresh or stale, and creates nothing. Blocks until then, for `timeout` at most.
    ///
    /// `timeout` is real time. Zero looks once, and `Duration::MAX` waits without an end.
    ///
    /// A program that answers health checks is ready once it has its first values. So it waits for them, while other
    /// threads create or [set](crate::Cached::set) them. A value that comes, and is invalidated again before this
    /// thread has woken up, ends the wait as well.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], if no value came in time. [`AcquireError::WouldDeadlock`], if there is no value, and
    /// this thread runs the creator of this lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Cached};
    /// use std::{thread, time::Duration};
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::never_expires();
    ///
    /// assert_eq!(RATES.wait_for_value(Duration::ZERO), Err(AcquireError::TimedOut));
    /// let pushes = thread::spawn(|| RATES.set(vec![1.0, 1.09]));
    /// RATES.wait_for_value(Duration::MAX).unwrap();
    /// assert!(RATES.has_value());
    /// pushes.join().unwrap();
    /// ```
    pub fn wait_for_value(&self, timeout: Duration) -> Result<(), AcquireError> {
        block_on(self.watch(None, &Wait::new(Patience::For(timeout)))).map(drop)
    }

    /// Waits until there is a value, fresh or stale, in another generation than `since`. Blocks until then, for
    /// `timeout` at most.
    ///
    /// Returns the current generation, which the next call is given as `since`. `timeout` is real time. Zero looks
    /// once, and `Duration::MAX` waits without an end.
    ///
    /// Each value that is created or [set](crate::Cached::set) moves the generation, and so does a value that is found
    /// unchanged. Values that follow each other fast may be told of as one. An invalidation alone does not end the
    /// wait; the value that is made after it does.
    ///
    /// The first `since` is the [`generation`](Self::generation), taken before the value is read; or it is that of a
    /// [guard](crate::CachedGuard::generation), whose value is then the one that is known already. The generation of
    /// another lock is never current here, so that any value ends the wait.
    ///
    /// When this returns, the new value may be gone again. Read it by an access as ever.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], if no such value came in time. [`AcquireError::WouldDeadlock`], if there is no such
    /// value, and this thread runs the creator of this lock.
    ///
    /// # Examples
    ///
    /// A thread renews what depends on the value, each time that the value has changed:
    ///
    /// ```
    /// use dogpile::{AcquireError, Cached};
    /// use std::{sync::mpsc, thread, time::Duration};
    ///
    /// static CONFIG: Cached<u32> = Cached::never_expires();
    ///
    /// let seen = CONFIG.generation(); // before the value is read
    /// let (tells, told) = mpsc::channel();
    /// let watches = thread::spawn(move || {
    ///     let mut seen = seen;
    ///     loop {
    ///         seen = CONFIG.changed(seen, Duration::MAX)?;
    ///         if tells.send(CONFIG.peek().map(|config| *config)).is_err() {
    ///             return Ok::<(), AcquireError>(()); // nobody listens any more
    ///         }
    ///     }
    /// });
    /// CONFIG.set(1);
    /// assert_eq!(told.recv(), Ok(Some(1)));
    /// drop(told);
    /// CONFIG.set(2);
    /// watches.join().unwrap().unwrap();
    /// ```
    pub fn changed(&self, since: Generation, timeout: Duration) -> Result<Generation, AcquireError> {
        block_on(self.watch(Some(since), &Wait::new(Patience::For(timeout))))
    }

    /// As [`wait_for_value`](Self::wait_for_value), for a task. Never blocks.
    ///
    /// The future has no time-out of its own. Race it with a timer of your runtime.
    ///
    /// # Errors
    ///
    /// [`AcquireError::WouldDeadlock`], if there is no value, and this task runs the creator of this lock.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready no longer waits, and nothing is lost.
    pub fn wait_for_value_async(&self) -> impl Future<Output = Result<(), AcquireError>> {
        async move { self.watch(None, &TASK).await.map(drop) }
    }

    /// As [`changed`](Self::changed), for a task. Never blocks.
    ///
    /// The future has no time-out of its own. Race it with a timer of your runtime.
    ///
    /// # Errors
    ///
    /// [`AcquireError::WouldDeadlock`], if there is no such value, and this task runs the creator of this lock.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready no longer waits, and nothing is lost. Suppose that a value has come
    /// meanwhile, and is still there. Then a call with the same `since` is ready at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Cached};
    /// use std::sync::Arc;
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let config = Arc::new(Cached::never_expires());
    ///     let seen = config.generation();
    ///     let watches = tokio::spawn({
    ///         let config = Arc::clone(&config);
    ///         async move {
    ///             config.changed_async(seen).await?;
    ///             Ok::<_, AcquireError>(config.peek().map(|config| *config))
    ///         }
    ///     });
    ///     config.set(1);
    ///     assert_eq!(watches.await.unwrap(), Ok(Some(1)));
    /// }
    /// ```
    pub fn changed_async(&self, since: Generation) -> impl Future<Output = Result<Generation, AcquireError>> {
        self.watch(Some(since), &TASK)
    }

    /// Waits for a value of another generation than `since`, or for any value without a `since`.
    fn watch(&self, since: Option<Generation>, wait: &Wait) -> impl Future<Output = Result<Generation, AcquireError>> {
        async move {
            let deadline = wait.begin().ok_or(AcquireError::TimedOut)?;
            let mut watcher = self.election.watch(since);
            // The clock first: it is the user's, and stays outside the mutex. A value that is published later is all
            // the more there as of now.
            let now = self.expiry.now(&self.clock);
            let poll = |waker: &Waker| match watcher.poll(waker, || self.has_own_value_at(now)) {
                Poll::Ready(generation) => Poll::Ready(Ok(generation)),
                // This looks at each poll, since a task may be polled in the middle of another creation than before.
                Poll::Pending if is_creating_here(&self.election) => {
                    let cycle = WaitCycle::of(vec![self.policy().name()]);
                    Poll::Ready(Err(AcquireError::WouldDeadlock(cycle)))
                }
                Poll::Pending => Poll::Pending,
            };
            wait.until_woken(deadline, poll).await.unwrap_or(Err(AcquireError::TimedOut))
        }
    }
}
