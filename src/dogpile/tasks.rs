//! The forms for tasks: see [`wait`](crate::wait) for what has one code serve both.
//!
//! There are no twins that end in `_timeout`: whoever polls a future can race it with a timer.

use super::Dogpile;
use super::lock_mode::{Access, AtOnce};
use super::stamped_mode::Stamped;
use crate::clock::Clock;
use crate::creation::{Creation, Once, Stored};
use crate::election::Generation;
use crate::error::{CreateError, GetError, NeedRegeneration, Refusal, never, or_deadlock, would_deadlock};
use crate::keeper::Keeper;
use crate::sync::Arc;
use crate::turn::{Outcome, Turn};
use crate::wait::{INFALLIBLE_TASK, TASK, Wait};
use std::convert::identity;
use std::fmt::Display;

/// # For tasks
///
/// The same lock may be used by threads and by tasks at once: a creation of either wakes those who wait of both.
/// Nothing here blocks its thread, on any executor; a hit, or a stale value that somebody else renews, does not even
/// suspend its task.
///
/// A future does nothing before it is polled. It is `Send` if the closures that it is given are, and their futures.
///
/// # Time-outs
///
/// To bound the wait, race the future with a timer of your runtime, and drop it: that is safe at any time. It bounds
/// the getter and the creator as well. (One that is to go on is spawned: see [`Creation::run_async`].)
///
/// ```
/// use dogpile::{Dogpile, Outcome};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let lock = Dogpile::new(Duration::from_secs(60));
/// let access = lock.acquire_or_create_async(async || { /* rebuild */ });
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
/// Dropped while its own creator or getter runs, it drops that first, and then gives its creation up: exactly one of
/// those who wait is elected (L5). What it has not returned by then is lost, and nothing else: that creation has not
/// [failed](Creation).
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
/// lock.acquire_or_create_async(async || {
///     task2.await;                        lock.acquire_async().await;
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
/// - a [`Creation`] that was moved about, or a wait by other means, as above.
///
/// (What a blocking creator polls by an executor of its own counts until it is dropped, or the creator has returned.)
///
/// And a future that is neither polled nor dropped holds on to what it has: its creation, if its creator runs; or its
/// place in the queue, and then, if the creation that it waited for fails, the turn of all who queue behind it.
/// (Whoever comes anew is elected past it.) So do not keep one unpolled beside something else that you wait for.
impl<C: Clock> Dogpile<C> {
    /// As [`acquire`](Self::acquire), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is.
    pub fn acquire_async(&self) -> impl Future<Output = Turn<'_, C>> {
        self.acquire_kept_async(|| Keeper::Borrowed(self))
    }

    /// As [`acquire_owned`](Self::acquire_owned), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_async`](Self::acquire_async).
    pub fn acquire_owned_async(self: &Arc<Self>) -> impl Future<Output = Turn<'static, C>>
    where
        C: 'static,
    {
        self.acquire_kept_async(|| Keeper::Shared(Arc::clone(self)))
    }

    /// An access whose creation, if it comes to one, holds on to the lock by a keeper of its own.
    pub(crate) fn acquire_kept_async<'a>(
        &self,
        keeper: impl FnOnce() -> Keeper<'a, Self>,
    ) -> impl Future<Output = Turn<'a, C>>
    where
        C: 'a,
    {
        async move {
            let now = match self.at_once() {
                Ok(AtOnce::Fresh) => return Turn::Fresh,
                Ok(AtOnce::Stale) => return Turn::Stale,
                Err(now) => now,
            };
            match self.access_unless_fresh(now, &INFALLIBLE_TASK).await {
                Ok(access) => self.turn(access, keeper),
                Err(error) => would_deadlock(error),
            }
        }
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `creator` goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while its creator runs, it drops that, and then gives the creation up: exactly one of those who wait is elected.
    pub fn acquire_or_create_async(&self, creator: impl AsyncFnOnce()) -> impl Future<Output = Outcome> {
        self.acquire_or_create_with_async(move |_: &Creation<'_, Self>| creator())
    }

    /// As [`acquire_or_create_with`](Self::acquire_or_create_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_create_with_async(
        &self,
        creator: impl AsyncFnOnce(&Creation<'_, Self>),
    ) -> impl Future<Output = Outcome> {
        let mut creator = Once::new(creator);
        async move {
            match self.at_once() {
                Ok(seen) => seen.into(),
                Err(now) => or_deadlock(
                    self.create_by(now, &INFALLIBLE_TASK, |creation| {
                        Box::pin(creation.run_closure(&mut creator, never))
                    })
                    .await,
                ),
            }
        }
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_try_create_async<E: Display>(
        &self,
        creator: impl AsyncFnOnce() -> Result<(), E>,
    ) -> impl Future<Output = Result<Outcome, CreateError<E>>> {
        self.acquire_or_try_create_with_async(move |_: &Creation<'_, Self>| creator())
    }

    /// As [`acquire_or_try_create_with`](Self::acquire_or_try_create_with), for a task.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_try_create_with_async<E: Display>(
        &self,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> impl Future<Output = Result<Outcome, CreateError<E>>> {
        let mut creator = Once::new(creator);
        async move {
            match self.at_once() {
                Ok(seen) => Ok(seen.into()),
                Err(now) => {
                    self.create_by(now, &TASK, |creation| Box::pin(creation.run_closure(&mut creator, identity))).await
                }
            }
        }
    }

    /// As [`get_or_create`](Self::get_or_create), for a task, with a getter and a creator that give futures.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `getter` or `creator` goes on to the
    /// caller.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while `getter`, `creator` or a setter runs, it drops that, and then gives the creation up, if it had one:
    /// exactly one of those who wait is elected.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, NeedRegeneration};
    /// use std::time::Duration;
    ///
    /// # struct Client;
    /// # impl Client {
    /// #     async fn get(&self, _: &str) -> Option<u64> { None }
    /// #     async fn set(&self, _: &str, _: u64) {}
    /// # }
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// async fn answer(memcached: &Client) -> u64 {
    ///     LOCK.get_or_create_and_set_async(
    ///         || async { memcached.get("answer").await.ok_or(NeedRegeneration) },
    ///         async || 42, // slow
    ///         async |made| memcached.set("answer", *made).await,
    ///     )
    ///     .await
    /// }
    /// # assert_eq!(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer(&Client)), 42);
    /// ```
    pub fn get_or_create_async<T, F: Future<Output = Result<T, NeedRegeneration>>>(
        &self,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
    ) -> impl Future<Output = T> {
        self.get_or_create_with_async(getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_create_with`](Self::get_or_create_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_with_async<T, F: Future<Output = Result<T, NeedRegeneration>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> T,
    ) -> impl Future<Output = T> {
        let mut creator = Once::new(creator);
        async move {
            or_deadlock(
                self.get_by(&INFALLIBLE_TASK, &mut getter, |creation| {
                    Box::pin(creation.run_closure(&mut creator, never))
                })
                .await,
            )
        }
    }

    /// As [`get_or_create_and_set`](Self::get_or_create_and_set), for a task. The setter runs inside
    /// [`Creation::publish_async`].
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async), and if `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_and_set_async<T, F: Future<Output = Result<T, NeedRegeneration>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
        setter: impl AsyncFnOnce(&T),
    ) -> impl Future<Output = T> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            or_deadlock(
                self.get_by(&INFALLIBLE_TASK, &mut getter, |creation| {
                    Box::pin(creation.run_and_set(&mut creator, never, &mut setter))
                })
                .await,
            )
        }
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_async<T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        &self,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<T, CreateError<E, G>>> {
        self.get_or_try_create_with_async(getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_try_create_with`](Self::get_or_try_create_with), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_with_async<T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> impl Future<Output = Result<T, CreateError<E, G>>> {
        let mut creator = Once::new(creator);
        async move {
            self.get_by(&TASK, &mut getter, |creation| Box::pin(creation.run_closure(&mut creator, identity))).await
        }
    }

    /// As [`get_or_try_create_and_set`](Self::get_or_try_create_and_set), for a task. The setter runs inside
    /// [`Creation::publish_async`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_and_set`.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_and_set_async<T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
        setter: impl AsyncFnOnce(&T) -> Result<(), E>,
    ) -> impl Future<Output = Result<T, CreateError<E, G>>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            self.get_by(&TASK, &mut getter, |creation| {
                Box::pin(creation.run_and_set(&mut creator, identity, &mut setter))
            })
            .await
        }
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_async<T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        &self,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
    ) -> impl Future<Output = Stamped<T>> {
        self.get_or_create_stamped_with_async(getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_create_stamped_with`](Self::get_or_create_stamped_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_with_async<T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> T,
    ) -> impl Future<Output = Stamped<T>> {
        let mut creator = Once::new(creator);
        async move {
            let stamp = |value| never(self.stamp(value));
            or_deadlock(
                self.get_stamped_by(&INFALLIBLE_TASK, &mut getter, |creation| {
                    Box::pin(creation.run_closure(&mut creator, stamp))
                })
                .await,
            )
        }
    }

    /// As [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set), for a task. The setter runs inside
    /// [`Creation::publish_async`].
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async), and if `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_and_set_async<T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
        setter: impl AsyncFnOnce(&Stamped<T>),
    ) -> impl Future<Output = Stamped<T>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            let stamp = |value| never(self.stamp(value));
            or_deadlock(
                self.get_stamped_by(&INFALLIBLE_TASK, &mut getter, |creation| {
                    Box::pin(creation.run_and_set(&mut creator, stamp, &mut setter))
                })
                .await,
            )
        }
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_async<T, E: Display, G, F: Future<Output = Result<Stamped<T>, GetError<G>>>>(
        &self,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>> {
        self.get_or_try_create_stamped_with_async(getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_try_create_stamped_with`](Self::get_or_try_create_stamped_with), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_with_async<
        T,
        E: Display,
        G,
        F: Future<Output = Result<Stamped<T>, GetError<G>>>,
    >(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>> {
        let mut creator = Once::new(creator);
        async move {
            let stamp = |made: Result<T, E>| made.map(|value| self.stamp(value));
            self.get_stamped_by(&TASK, &mut getter, |creation| Box::pin(creation.run_closure(&mut creator, stamp)))
                .await
        }
    }

    /// As [`get_or_try_create_stamped_and_set`](Self::get_or_try_create_stamped_and_set), for a task. The setter runs
    /// inside [`Creation::publish_async`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped_and_set`.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_and_set_async<
        T,
        E: Display,
        G,
        F: Future<Output = Result<Stamped<T>, GetError<G>>>,
    >(
        &self,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
        setter: impl AsyncFnOnce(&Stamped<T>) -> Result<(), E>,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move { self.get_stamped_and_set_by(&mut getter, &mut creator, identity, &mut setter).await }
    }

    /// The last, with a creator and a setter that may be fallible or not.
    pub(crate) fn get_stamped_and_set_by<T, V, E: Display, G, N: Into<GetError<G>>, F, S: Stored<E>>(
        &self,
        getter: &mut impl FnMut() -> F,
        creator: &mut Once<impl AsyncFnOnce() -> V>,
        made: impl FnOnce(V) -> Result<T, E>,
        setter: &mut Once<impl AsyncFnOnce(&Stamped<T>) -> S>,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>>
    where
        F: Future<Output = Result<Stamped<T>, N>>,
    {
        async move {
            let stamp = |value| made(value).map(|value| self.stamp(value));
            self.get_stamped_by(&TASK, getter, |creation| Box::pin(creation.run_and_set(creator, stamp, setter))).await
        }
    }

    /// As [`invalidate`](Self::invalidate), for a task: takes effect when it is first polled, and waits while a
    /// creation is inside [`publish`](Creation::publish), so that nothing older is stored once this is ready. (In the
    /// middle of that creation it does not wait, be its store polled or not.)
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

    pub(super) fn access_async(&self, wait: &Wait) -> impl Future<Output = Result<Access, Refusal>> {
        async move {
            match self.at_once() {
                Ok(AtOnce::Fresh) => Ok(Access::Fresh),
                Ok(AtOnce::Stale) => Ok(Access::Stale),
                Err(now) => self.access_unless_fresh(now, wait).await,
            }
        }
    }

    /// Of who has found nothing to use at once, at that time. (Looked for here, what is there would cost a hit another
    /// future.)
    pub(super) fn create_by<'a, E, R: Future<Output = Result<(), E>>>(
        &'a self,
        now: u64,
        wait: &Wait,
        run: impl FnOnce(Creation<'a, Self>) -> R,
    ) -> impl Future<Output = Result<Outcome, CreateError<E>>> {
        async move {
            match self.access_unless_fresh(now, wait).await? {
                Access::Fresh => Ok(Outcome::Fresh),
                Access::Stale => Ok(Outcome::Stale),
                Access::Waited => Ok(Outcome::Waited),
                Access::Elected(born, _) => self.created(run(Creation::new(Keeper::Borrowed(self), born)).await),
            }
        }
    }
}
