//! How an access of a [`Dogpile`] is opened, and the short forms of the most common accesses.

use crate::access::{Access, AsyncAccess, ByGetter, ByStamp, Elsewhere, Finds, Found, Keep, Kept, Reach};
use crate::clock::Clock;
use crate::dogpile::{Dogpile, Stamped};
use crate::error::{AcquireError, CreateError};
use crate::failure::Cause;
use crate::outcome::Outcome;
use crate::turn::Turn;

/// # Accesses
///
/// An access is opened, its *steps* describe it, and its *terminal* makes it: see [`Access`]. These functions open
/// accesses, and make the most common accesses in a short form.
///
/// ```
/// use dogpile::{Dogpile, Outcome};
/// use std::time::Duration;
///
/// let lock = Dogpile::new(Duration::from_secs(60));
/// let outcome = lock.access().timeout(Duration::from_secs(1)).or_create(|| { /* rebuild */ });
/// assert_eq!(outcome, Ok(Outcome::Created));
/// ```
impl<C: Clock> Dogpile<C> {
    /// Opens an access. Never blocks: nothing happens before the terminal of the [`Access`].
    #[inline]
    pub fn access(&self) -> Access<&Self> {
        Access::new(self, Elsewhere)
    }

    /// Opens an access whose creation shares the lock, and so may outlive the caller. Never blocks.
    ///
    /// The lock is given by `&Arc<Dogpile>`, or by a reference to a [`Held`](crate::Held). A lock in a `static` needs
    /// neither: the creation of its [`access`](Self::access) may outlive the caller as it is. If the compiler says that
    /// `self` or the lock does not live long enough, `kept` is missing. The `Arc` is around the lock itself, not around
    /// a type that has the lock for a field.
    ///
    /// So a caller may return the old value at once, and have a thread pool, a queue or a timer run the creator. The
    /// step [`in_background`](Access::in_background) does that. By hand, the terminal [`turn`](Access::turn) gives the
    /// [`Creation`](crate::Creation). The right to create exists before the job does: a job that is lost, or is dropped
    /// before it has run, gives that right back.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Outcome, ThreadPerJob};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let lock = Arc::new(Dogpile::new(Duration::from_secs(60)).born_fresh());
    /// lock.mark_stale();
    /// let outcome = Dogpile::kept(&lock).in_background(&ThreadPerJob).or_create(|| { /* rebuild */ });
    /// assert_eq!(outcome, Outcome::Stale, "the old value serves meanwhile");
    /// ```
    #[inline]
    pub fn kept<'a, 'c, K: Reach<'a, 'c, Lock = Self>>(lock: K) -> Access<K> {
        Access::new(lock, Elsewhere)
    }

    /// Opens an access of a task. Never blocks: nothing happens before the future of the terminal is polled.
    ///
    /// [`AsyncAccess`] has the steps and the terminals. [Below](#for-tasks) is what holds for all accesses of tasks.
    #[inline]
    pub fn access_async(&self) -> AsyncAccess<&Self, Self> {
        AsyncAccess::new(self, Elsewhere)
    }

    /// Opens an access of a task whose creation shares the lock, and so may outlive the caller. Never blocks.
    ///
    /// The lock is given by `&Arc<Dogpile>`, by a reference to a `static`, or by a reference to a
    /// [`Held<'static, …>`](crate::Held).
    #[inline]
    pub fn kept_async<K: Keep<Self>>(lock: K) -> AsyncAccess<Kept<K, Self>, Self> {
        AsyncAccess::new(lock.own(), Elsewhere)
    }

    /// Returns what this access is to do: to use the value, or to create it. Short for
    /// [`access().turn()`](Access::turn).
    ///
    /// Blocks while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// Panics if this thread is running the creator that the access would wait for. After a
    /// [`timeout`](Access::timeout) of `Duration::MAX`, the access has an error instead.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Turn<'_, C> {
        self.access().turn()
    }

    /// As [`acquire`](Self::acquire), but never blocks and never queues. The access does what
    /// `access().timeout(Duration::ZERO).turn()` does, and is not counted as an access that has [waited](crate::Stats).
    ///
    /// # Errors
    ///
    /// As [`turn`](Access::turn): [`AcquireError::TimedOut`], if there is no value and another thread creates it.
    #[inline]
    pub fn try_acquire(&self) -> Result<Turn<'_, C>, AcquireError> {
        self.access().turn_at_once()
    }

    /// Runs `creator` if the value has to be created and this access is elected. Short for
    /// [`access().or_create(…)`](Access::or_create).
    ///
    /// When this function returns, a value has been created. The creator puts it where the caller looks.
    ///
    /// Blocks while its own creator runs. Blocks while there is no value and another thread creates it.
    ///
    /// # Panics
    ///
    /// Panics if this thread is running the creator that the access would wait for. A panic of `creator` goes on to the
    /// caller. Then the creation is given up, and a waiter or the next access takes over.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> Outcome {
        self.access().or_create(creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), by a creator that can fail. Short for
    /// [`access().or_try_create(…)`](Access::or_try_create).
    ///
    /// The error is the caller's own, and a waiter does not get it. One waiter is elected, and calls its own creator.
    /// So while the source is down, the waiters fail one after the other. There are three remedies:
    ///
    /// - A [`timeout`](Access::timeout) bounds the waits.
    /// - Under a policy that [pauses](crate::PolicyBuilder::retry_after) after a failure, all waiters are told at once.
    ///   A failure can say that there is a pause, too, and [for how long](crate::Failure).
    /// - Accesses that [share errors](Access::share_errors) fail together.
    ///
    /// The elected thread gets the error even if there is an old value, which all other threads go on using.
    /// [`has_value`](crate::Status::has_value) says whether there is one. A policy can
    /// [say](crate::OnError::ServeStale) that the elected thread, too, gets the old value, with
    /// [`Outcome::StaleOnError`].
    ///
    /// # Errors
    ///
    /// - [`CreateError::Failed`], with the creator's error.
    /// - [`CreateError::WouldDeadlock`], if this thread is running the creator that the access would wait for, or a
    ///   creator for which that creator waits.
    /// - [`CreateError::Paused`], after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// A panic of `creator` goes on to the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile, Outcome};
    ///
    /// let lock = Dogpile::never_expires();
    /// assert_eq!(lock.acquire_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
    /// assert!(!lock.has_value());
    /// assert_eq!(lock.acquire_or_try_create(|| Ok::<(), String>(())), Ok(Outcome::Created));
    /// ```
    #[inline]
    pub fn acquire_or_try_create<E: Cause>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.access().or_try_create(creator)
    }

    /// Opens an access whose value a getter fetches, and may find gone: *getter mode*. Never blocks.
    ///
    /// Short for [`access().fetch(…)`](Access::fetch), which says when the getter is called, which access creates, and
    /// which accesses wait.
    ///
    /// **A lock in getter mode begins with [`born_fresh`](Self::born_fresh).** Without it the first access creates, and
    /// asks no getter, although the store may hold a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    /// use std::{collections::BTreeMap, sync::Mutex, time::Duration};
    ///
    /// static STORE: Mutex<BTreeMap<&str, u64>> = Mutex::new(BTreeMap::new()); // may lose entries when it likes
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// fn answer() -> u64 {
    ///     LOCK.fetch(|| STORE.lock().unwrap().get("answer").copied())
    ///         .and_set(|made| drop(STORE.lock().unwrap().insert("answer", *made)))
    ///         .or_create(|| 42) // slow
    /// }
    ///
    /// STORE.lock().unwrap().insert("answer", 41); // before this program began
    /// assert_eq!(answer(), 41);
    /// STORE.lock().unwrap().clear();
    /// assert_eq!(answer(), 42);
    /// ```
    #[inline]
    pub fn fetch<R: Found, F: FnMut() -> R>(&self, getter: F) -> Access<&Self, ByGetter<F>> {
        self.access().fetch(getter)
    }

    /// Opens an access whose value a getter fetches with the time when it was created: *stamped getter mode*. Never
    /// blocks.
    ///
    /// Short for [`access().fetch_stamped(…)`](Access::fetch_stamped), which says what that time means.
    ///
    /// The getter is asked even if this lock has never known a value. So several processes agree on what is fresh, and
    /// a lock without [`born_fresh`](Self::born_fresh) will do. After an [`invalidate`](Self::invalidate) through this
    /// lock the getter is not asked, until a value was created through it.
    #[inline]
    pub fn fetch_stamped<T, R, F>(&self, getter: F) -> Access<&Self, ByGetter<F, ByStamp>>
    where
        R: Found + Finds<Value = Stamped<T>>,
        F: FnMut() -> R,
    {
        self.access().fetch_stamped(getter)
    }
}
