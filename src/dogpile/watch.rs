//! Waiting for a value without creating it: readiness, dependents, watchers.
//!
//! A [`Watcher`](crate::election::Watcher) waits; its [module](crate::election) says what it is told of. Here is what a
//! value is to it: what the lock itself knows of, fresh or stale, as an access in lock mode would find it. That is
//! asked once, at the first look. From then on it is the publishing of a value that ends the wait, and no clock is
//! asked any more.
//!
//! | there is a value, and its generation is another than the one seen | the watcher |
//! |---|---|
//! | at the first look | goes on at once |
//! | not then, but one is published or set later | is woken by that, and goes on |
//! | not then, and its own creation is what it waits in the middle of | is told that it would wait for itself (L7) |
//! | not in time | has timed out |
//!
//! Nothing but its own creation is known to keep a watcher: no creation has been promised to it, and what another one
//! fails to make, a third may set. So it is in no [`cycle`](crate::cycle).

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
/// A *watcher* waits for a value that others make or set. It never creates, is never elected, and keeps nobody from
/// anything: if nobody accesses the lock, nothing comes.
///
/// A value is what the lock itself knows of, fresh or stale. In [getter mode](crate::Dogpile::fetch) and [stamped
/// getter mode](crate::Dogpile::fetch_stamped) a watcher hears of what this lock creates, not of what another process
/// stores; and not of what a getter brings. A value that a creator finds [unchanged](crate::Renewal) counts as a new
/// one: it is known anew to be current.
///
/// Watchers are neither counted as [waiting](Self::waiting) nor in the [`stats`](Self::stats), and no observer is told
/// of them. While a watcher of a [`Registry`](crate::Registry)'s lock waits, its [`Held`](crate::Held) keeps the entry.
///
/// # Deadlocks
///
/// In the middle of its own creation a watcher would wait for itself, and is told so (L7). What else keeps a value from
/// coming is not found, so bound the wait where a creator waits for another lock's value. A thread that waits here
/// while it holds a [`ReadGuard`](crate::ReadGuard) of the same lock keeps the creator from its write lock; drop the
/// guard first.
///
/// # Memory ordering
///
/// What a creator wrote before it finished, and what was done before a value was set, happens before the return of each
/// wait that it ends.
impl<C: Clock> Status<C> {
    /// Waits until there is a value, fresh or stale, and creates nothing. Blocks until then, for `timeout` at most:
    /// zero looks once, and `Duration::MAX` waits without end.
    ///
    /// To be ready is to have a value: so a program that answers health checks waits for its first values, while other
    /// threads create or [set](crate::Cached::set) them. A value that comes, and is invalidated again before this
    /// thread has woken up, ends the wait as well.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`] if there was none in time. [`AcquireError::WouldDeadlock`] if there is none, and this
    /// thread runs the creator of this lock.
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
    /// RATES.wait_for_value(Duration::MAX)?;
    /// assert!(RATES.has_value());
    /// # pushes.join().unwrap();
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub fn wait_for_value(&self, timeout: Duration) -> Result<(), AcquireError> {
        block_on(self.watch(None, &Wait::new(Patience::For(timeout)))).map(drop)
    }

    /// Waits until there is a value, fresh or stale, in another generation than `since`; returns the current
    /// generation, which is what the next call is given. Blocks until then, for `timeout` at most: zero looks once, and
    /// `Duration::MAX` waits without end.
    ///
    /// Each value that is created or [set](crate::Cached::set) moves the generation, and so does one that is found
    /// unchanged. Values that follow each other fast may be told of as one. An invalidation alone tells nothing: the
    /// value that is made after it does.
    ///
    /// The first `since` is the [`generation`](Self::generation), taken before the value is read; or that of a
    /// [guard](crate::CachedGuard::generation), whose value is then the one that is known already. One of another lock
    /// is never current here: then any value will do.
    ///
    /// When this returns, the new value may be gone again: read it as ever.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`] if there was none in time. [`AcquireError::WouldDeadlock`] if there is none, and this
    /// thread runs the creator of this lock.
    ///
    /// # Examples
    ///
    /// A thread makes what depends on the value anew, each time that it has changed:
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
    /// watches.join().unwrap()?;
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub fn changed(&self, since: Generation, timeout: Duration) -> Result<Generation, AcquireError> {
        block_on(self.watch(Some(since), &Wait::new(Patience::For(timeout))))
    }

    /// As [`wait_for_value`](Self::wait_for_value), for a task. Does not block.
    ///
    /// It has no time-out of its own: race it with a timer of your runtime.
    ///
    /// # Errors
    ///
    /// [`AcquireError::WouldDeadlock`] if there is no value, and this task runs the creator of this lock.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it no longer waits, and nothing is lost.
    pub fn wait_for_value_async(&self) -> impl Future<Output = Result<(), AcquireError>> {
        async move { self.watch(None, &TASK).await.map(drop) }
    }

    /// As [`changed`](Self::changed), for a task. Does not block.
    ///
    /// It has no time-out of its own: race it with a timer of your runtime.
    ///
    /// # Errors
    ///
    /// [`AcquireError::WouldDeadlock`] if there is no such value, and this task runs the creator of this lock.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it no longer waits. Nothing is lost: called with the same `since`, it is ready at
    /// once if there has been a value meanwhile, and still is.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Cached;
    /// use std::sync::Arc;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let config = Arc::new(Cached::never_expires());
    /// let seen = config.generation();
    /// let watches = tokio::spawn({
    ///     let config = Arc::clone(&config);
    ///     async move {
    ///         config.changed_async(seen).await?;
    ///         Ok::<_, dogpile::AcquireError>(config.peek().map(|config| *config))
    ///     }
    /// });
    /// config.set(1);
    /// assert_eq!(watches.await.unwrap(), Ok(Some(1)));
    /// # });
    /// ```
    pub fn changed_async(&self, since: Generation) -> impl Future<Output = Result<Generation, AcquireError>> {
        self.watch(Some(since), &TASK)
    }

    fn watch(&self, since: Option<Generation>, wait: &Wait) -> impl Future<Output = Result<Generation, AcquireError>> {
        async move {
            let deadline = wait.begin().ok_or(AcquireError::TimedOut)?;
            let mut watcher = self.election.watch(since);
            // The clock first: it is the user's, and stays outside the mutex. A value that is published later is there
            // as of now all the more.
            let now = self.expiry.now(&self.clock);
            let poll = |waker: &Waker| match watcher.poll(waker, || self.has_own_value_at(now)) {
                Poll::Ready(generation) => Poll::Ready(Ok(generation)),
                // At each poll: a task may have come here by another way than before.
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
