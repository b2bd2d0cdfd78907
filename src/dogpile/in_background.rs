//! The forms that hand their creation over to a runner: see [`runner`](crate::runner).
//!
//! They are associated functions, since they are given the lock as what it is [kept](crate::Keep) by. Each creator is
//! handed its [`Creation`], since in a job it has more need to ask whether it is still wanted; the `_with` twins would
//! say nothing more.

use super::Dogpile;
use super::access::Need;
use super::lock_mode::Access;
use crate::clock::Clock;
use crate::creation::{Creation, Once, infallibly};
use crate::dogpile::{ByLock, ByStamp, Stamped};
use crate::error::{AcquireError, CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::keeper::Keep;
use crate::runner::Runner;
use crate::spawner::{Came, Spawner, spawn};
use crate::turn::Outcome;
use crate::wait::{FOREVER, INFALLIBLE_TASK, Patience, TASK, Wait, apart};
use std::convert::identity;
use std::fmt::Display;
use std::time::Duration;

/// # In the background
///
/// As the forms without that suffix, but an access that is elected and has an old value hands its creation over to a
/// [`Runner`], and goes on with that value at once. If there is none, it creates on its own thread.
///
/// They are given a reference to what the lock is [kept](Keep) by: a `static`, an `Arc`, or a
/// [`Held<'static, …>`](crate::Held) (from a registry in a `static`, or by [`get_owned`](crate::Registry::get_owned);
/// and unless that registry [keeps what is idle](crate::Registry::keep_idle), there is an old value only while somebody
/// holds the lock).
impl<C: Clock + 'static> Dogpile<C> {
    /// As [`acquire_or_create`](Self::acquire_or_create), in the background: the outcome is [`Outcome::Stale`] if the
    /// creation was handed over (or [`Outcome::Fresh`], if the value is only [due](crate::PolicyBuilder::refresh_at)).
    ///
    /// Blocks until the runner has taken the job; if there is no value, as `acquire_or_create` does.
    ///
    /// # Panics
    ///
    /// As `acquire_or_create`; if the runner does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Outcome, Pool};
    /// use std::{sync::{Arc, RwLock}, time::Duration};
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    ///
    /// let rates = Arc::new(RwLock::new(vec![]));
    /// let fresh = Arc::new(Dogpile::new(Duration::from_secs(600)));
    /// let access = || {
    ///     let rates = Arc::clone(&rates); // the job's
    ///     Dogpile::acquire_or_try_create_in_background(&fresh, &POOL, move |creation| {
    ///         let made = vec![1.0, 1.09]; // slow
    ///         creation.publish(|| *rates.write().unwrap() = made) // or it fails: it was invalidated meanwhile
    ///     })
    /// };
    /// assert_eq!(access(), Ok(Outcome::Created), "there was nothing to go on with");
    /// fresh.mark_stale();
    /// assert_eq!(access(), Ok(Outcome::Stale));
    /// assert_eq!(rates.read().unwrap()[1], 1.09);
    /// ```
    #[track_caller]
    pub fn acquire_or_create_in_background<'a>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Creation<'static, Self>) + Send + 'static,
    ) -> Outcome {
        let creator = infallibly(creator);
        or_deadlock(Self::create_in_background(lock, runner, Patience::Infallible, creator))
    }

    /// As [`acquire_or_create_in_background`](Self::acquire_or_create_in_background), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`acquire_or_create_timeout`](Self::acquire_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn acquire_or_create_in_background_timeout<'a>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        creator: impl FnOnce(&Creation<'static, Self>) + Send + 'static,
    ) -> Result<Outcome, AcquireError> {
        let creator = infallibly(creator);

        Self::create_in_background(lock, runner, Patience::For(timeout), creator)
    }

    /// As [`acquire_or_create_in_background`](Self::acquire_or_create_in_background), with a creator that can fail. In
    /// a job its error has no caller: it is the creation's [cause](Creation::fail).
    ///
    /// # Errors
    ///
    /// As [`acquire_or_try_create`](Self::acquire_or_try_create).
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn acquire_or_try_create_in_background<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<(), E> + Send + 'static,
    ) -> Result<Outcome, CreateError<E>> {
        Self::create_in_background(lock, runner, FOREVER, creator)
    }

    /// As [`acquire_or_try_create_in_background`](Self::acquire_or_try_create_in_background), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create_in_background`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `creator` does on this thread, or the runner.
    pub fn acquire_or_try_create_in_background_timeout<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<(), E> + Send + 'static,
    ) -> Result<Outcome, CreateError<E>> {
        Self::create_in_background(lock, runner, Patience::For(timeout), creator)
    }

    /// As [`acquire_or_create_in_background`](Self::acquire_or_create_in_background), for a task: the creation is
    /// spawned, also where there is no value; then this waits for it.
    ///
    /// # Panics
    ///
    /// If this task is running a creator that it would wait for; if it is to wait and the creator panics; if the
    /// spawner does. A task that is dropped or hangs is no panic: see [the access that
    /// waits](Spawner#the-access-that-waits).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the creation to itself: that serves the others, and is kept. (Unless it has
    /// its creator back, and runs that by itself: then that creation is given up.)
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Outcome, Task};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let fresh = Arc::new(Dogpile::new(Duration::from_secs(600)));
    /// let spawner = |task: Task| drop(tokio::spawn(task));
    /// let access = || Dogpile::acquire_or_create_in_background_async(&fresh, &spawner, || async { /* rebuild */ });
    /// assert_eq!(access().await, Outcome::Created);
    /// fresh.mark_stale();
    /// assert_eq!(access().await, Outcome::Stale);
    /// # });
    /// ```
    pub fn acquire_or_create_in_background_async<'a, F: Future<Output = ()> + Send + 'static>(
        lock: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Outcome> {
        async move { or_deadlock(Self::create_spawned(lock, &INFALLIBLE_TASK, spawner, creator, never).await) }
    }

    /// As [`acquire_or_create_in_background_async`](Self::acquire_or_create_in_background_async), with a creator that
    /// can fail. Where nobody waits for it, its error is the creation's [cause](Creation::fail) alone.
    ///
    /// # Errors
    ///
    /// As [`acquire_or_try_create`](Self::acquire_or_try_create); [`CreateError::Lost`]: see
    /// [the access that waits](Spawner#the-access-that-waits).
    ///
    /// # Panics
    ///
    /// If the spawner does.
    ///
    /// # Cancel safety
    ///
    /// As `acquire_or_create_in_background_async`.
    pub fn acquire_or_try_create_in_background_async<'a, E, F>(
        lock: impl Keep<'a, Self>,
        spawner: &(impl Spawner + ?Sized),
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Result<Outcome, CreateError<E>>>
    where
        E: Display + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        Self::create_spawned(lock, &TASK, spawner, creator, identity)
    }

    fn create_spawned<'a, E: Display + Send + 'static, F: Future<Output: Send> + Send + 'static>(
        kept: impl Keep<'a, Self>,
        wait: &Wait,
        spawner: &(impl Spawner + ?Sized),
        creator: impl FnOnce() -> F + Send + 'static,
        made: fn(F::Output) -> Result<(), E>,
    ) -> impl Future<Output = Result<Outcome, CreateError<E>>> {
        async move {
            let lock = kept.kept();
            let (born, need) = match lock.access_async(wait).await? {
                Access::Fresh => return Ok(Outcome::Fresh),
                Access::Stale => return Ok(Outcome::Stale),
                Access::Waited => return Ok(Outcome::Waited),
                Access::Elected(born, need) => (born, need),
            };
            let creation = Creation::new(kept.keeper(), born);
            let run = async move |creation: Creation<'_, Self>, creator, ending| {
                let made = made(creation.enter_async(creator).await);
                drop(ending);
                creation.end_as(made)
            };
            let in_flight = spawn(spawner, creation, Creation::is_dead, creator, run);
            if need != Need::Missing {
                return Ok(lock.goes_on(need));
            }
            let found = |served| (served || lock.has_value()).then_some(Outcome::Waited);
            match apart!(wait, lock.spawned(wait, in_flight, found))? {
                Came::Made(created) => lock.created(created),
                Came::Served(outcome) => Ok(outcome),
                Came::TookBack(creator) => {
                    let mut creator = Once::new(move |_: &Creation<'_, Self>| creator());
                    let now = match lock.at_once() {
                        Ok(seen) => return Ok(seen.into()),
                        Err(now) => now,
                    };
                    apart!(
                        wait,
                        lock.create_by(now, wait, |creation| Box::pin(creation.run_closure(&mut creator, made)))
                    )
                }
            }
        }
    }

    /// As [`get_or_create`](Self::get_or_create), in the background: if the creation is handed over, the old value that
    /// `getter` brings is returned.
    ///
    /// What the creator returns in a job is dropped: it stores it itself.
    ///
    /// # Panics
    ///
    /// As `get_or_create`; if the runner does.
    #[track_caller]
    pub fn get_or_create_in_background<'a, T>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'static, Self>) -> T + Send + 'static,
    ) -> T {
        let creator = |creation: &Creation<'static, Self>| never(creator(creation));
        or_deadlock(Self::fetch_in_background(lock, runner, Patience::Infallible, getter, creator))
    }

    /// As [`get_or_create_in_background`](Self::get_or_create_in_background), but waits for others for `timeout` at
    /// most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_create_in_background_timeout<'a, T>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'static, Self>) -> T + Send + 'static,
    ) -> Result<T, AcquireError> {
        let creator = |creation: &Creation<'static, Self>| never(creator(creation));

        Self::fetch_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_in_background`](Self::get_or_create_in_background), with a getter and a creator that can
    /// fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create).
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_try_create_in_background<'a, T, E: Display, G>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CreateError<E, G>> {
        Self::fetch_in_background(lock, runner, FOREVER, getter, creator)
    }

    /// As [`get_or_try_create_in_background`](Self::get_or_try_create_in_background), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_in_background`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_try_create_in_background_timeout<'a, T, E: Display, G>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CreateError<E, G>> {
        Self::fetch_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), in the background: if the creation is handed over,
    /// the old value that `getter` brings is returned.
    ///
    /// What the creator returns in a job is dropped: it stores it itself.
    ///
    /// # Panics
    ///
    /// As `get_or_create_stamped`; if the runner does.
    #[track_caller]
    pub fn get_or_create_stamped_in_background<'a, T>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'static, Self>) -> T + Send + 'static,
    ) -> Stamped<T> {
        let creator = |creation: &Creation<'static, Self>| never(creator(creation));
        or_deadlock(Self::fetch_stamped_in_background(lock, runner, Patience::Infallible, getter, creator))
    }

    /// As [`get_or_create_stamped_in_background`](Self::get_or_create_stamped_in_background), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_stamped_timeout`](Self::get_or_create_stamped_timeout).
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_create_stamped_in_background_timeout<'a, T>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'static, Self>) -> T + Send + 'static,
    ) -> Result<Stamped<T>, AcquireError> {
        let creator = |creation: &Creation<'static, Self>| never(creator(creation));

        Self::fetch_stamped_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped_in_background`](Self::get_or_create_stamped_in_background), with a getter and a
    /// creator that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped).
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_try_create_stamped_in_background<'a, T, E: Display, G>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        Self::fetch_stamped_in_background(lock, runner, FOREVER, getter, creator)
    }

    /// As [`get_or_try_create_stamped_in_background`](Self::get_or_try_create_stamped_in_background), but waits for
    /// others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped_in_background`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` does, `creator` on this thread, or the runner.
    pub fn get_or_try_create_stamped_in_background_timeout<'a, T, E: Display, G>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        Self::fetch_stamped_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    fn fetch_in_background<'a, T, E: Display, G, N: Into<GetError<G>>>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        getter: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CreateError<E, G>> {
        Self::fetch_or_hand_over(lock, runner, patience, &ByLock(lock.kept()), getter, creator)
    }

    fn fetch_stamped_in_background<'a, T, E: Display, G, N: Into<GetError<G>>>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        getter: impl FnMut() -> Result<Stamped<T>, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        let stamped = |creation: &Creation<'static, Self>| creator(creation).map(|value| creation.lock().stamp(value));
        Self::fetch_or_hand_over(lock, runner, patience, &ByStamp(lock.kept()), getter, stamped)
    }
}
