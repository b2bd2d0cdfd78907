//! The forms that hand their creation over to a runner: see [`runner`](crate::runner).

use super::{ReadGuard, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::{Creation, infallibly};
use crate::dogpile::{ByLock, ByStamp, Stamped};
use crate::error::{AcquireError, CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::keeper::Keep;
use crate::runner::Runner;
use crate::turn::Outcome;
use crate::wait::{FOREVER, Patience};
use std::fmt::Display;
use std::time::Duration;

/// # In the background
///
/// As the forms without that suffix, but an access that is elected and has an old value hands its creation over to a
/// [`Runner`], and reads that value at once. If there is none, it creates on its own thread. As
/// [`Dogpile`](crate::Dogpile)'s.
impl<C: Clock + 'static> SyncReaderDogpile<C> {
    /// As [`acquire_or_create`](Self::acquire_or_create), in the background: a guard of the old value is returned if
    /// the creation was handed over, with [`Outcome::Stale`] (or [`Outcome::Fresh`], if the value is only
    /// [due](crate::PolicyBuilder::refresh_at)).
    ///
    /// The guard is taken before the job is handed over, so that nothing has to be waited for: the swap waits for this
    /// reader, as for every other. (So a runner that runs the job at once, on this thread, has the write lock refused.)
    ///
    /// Blocks until the runner has taken the job; if there is no value, as `acquire_or_create` does.
    ///
    /// # Panics
    ///
    /// As `acquire_or_create`; if the runner does.
    #[track_caller]
    pub fn acquire_or_create_in_background<'a>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Creation<'static, Self>) + Send + 'static,
    ) -> ReadGuard<'a, Outcome> {
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
    ) -> Result<ReadGuard<'a, Outcome>, AcquireError> {
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
    ) -> Result<ReadGuard<'a, Outcome>, CreateError<E>> {
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
    ) -> Result<ReadGuard<'a, Outcome>, CreateError<E>> {
        Self::create_in_background(lock, runner, Patience::For(timeout), creator)
    }

    /// As [`get_or_create`](Self::get_or_create), in the background: if the creation is handed over, the old value that
    /// `getter` brings is returned. (If the thread reads already, as there: it is not elected.)
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
    ) -> ReadGuard<'a, T> {
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
    ) -> Result<ReadGuard<'a, T>, AcquireError> {
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
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
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
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        Self::fetch_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), in the background: if the creation is handed over,
    /// the old value that `getter` brings is returned. (If the thread reads already, as there: it is not elected.)
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
    ) -> ReadGuard<'a, Stamped<T>> {
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
    ) -> Result<ReadGuard<'a, Stamped<T>>, AcquireError> {
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
    ) -> Result<ReadGuard<'a, Stamped<T>>, CreateError<E, G>> {
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
    ) -> Result<ReadGuard<'a, Stamped<T>>, CreateError<E, G>> {
        Self::fetch_stamped_in_background(lock, runner, Patience::For(timeout), getter, creator)
    }

    fn fetch_in_background<'a, T, E: Display, G, N: Into<GetError<G>>>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        getter: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        Self::fetch_or_hand_over(lock, runner, patience, ByLock(&lock.kept().dogpile), getter, creator)
    }

    fn fetch_stamped_in_background<'a, T, E: Display, G, N: Into<GetError<G>>>(
        lock: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        getter: impl FnMut() -> Result<Stamped<T>, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<ReadGuard<'a, Stamped<T>>, CreateError<E, G>> {
        let stamped =
            |creation: &Creation<'static, Self>| creator(creation).map(|value| creation.lock().dogpile.stamp(value));
        Self::fetch_or_hand_over(lock, runner, patience, ByStamp(&lock.kept().dogpile), getter, stamped)
    }
}
