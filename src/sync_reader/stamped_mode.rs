//! Stamped getter mode, with guards: as [`getter_mode`](super::getter_mode), with the time the value was created.

use super::getter_mode::{and_set, making};
use super::{ReadGuard, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::dogpile::{ByStamp, Stamped};
use crate::error::{AcquireError, CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::wait::{FOREVER, Patience, Wait};
use std::fmt::Display;
use std::time::Duration;

/// # Stamped getter mode
///
/// As [`Dogpile`](crate::Dogpile)'s, the getter's value in a guard for as long as it is in use.
impl<C: Clock> SyncReaderDogpile<C> {
    /// Gets the value and its stamp by `getter`, called under the guard that it is returned in, or makes it by
    /// `creator`. As [`Dogpile::get_or_create_stamped`](crate::Dogpile::get_or_create_stamped); the guard, and when it
    /// blocks, as [`get_or_create`](Self::get_or_create).
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[track_caller]
    pub fn get_or_create_stamped<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> ReadGuard<'_, Stamped<T>> {
        self.get_or_create_stamped_with(getter, |_| creator())
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped); the creator is handed its [`Creation`], whose
    /// [`write_lock`](Creation::write_lock) it takes for its last step.
    ///
    /// # Panics
    ///
    /// As `get_or_create_stamped`.
    #[track_caller]
    pub fn get_or_create_stamped_with<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> ReadGuard<'_, Stamped<T>> {
        let creator = self.stamping(making(|creation: &Creation<'_, Self>| never(creator(creation))));
        or_deadlock(self.get_stamped(Patience::Infallible, getter, creator))
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_stamped_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> Result<ReadGuard<'_, Stamped<T>>, AcquireError> {
        self.get_or_create_stamped_with_timeout(timeout, getter, |_| creator())
    }

    /// [`get_or_create_stamped_timeout`](Self::get_or_create_stamped_timeout) with the creator of
    /// [`get_or_create_stamped_with`](Self::get_or_create_stamped_with).
    ///
    /// # Errors
    ///
    /// As `get_or_create_stamped_timeout`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_stamped_with_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> Result<ReadGuard<'_, Stamped<T>>, AcquireError> {
        let creator = self.stamping(making(|creation: &Creation<'_, Self>| never(creator(creation))));
        self.get_stamped(Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), with the storing apart: `setter` stores what
    /// `creator` made, with its stamp, under the write lock, unless the creation was superseded meanwhile: see
    /// [`Creation::write_lock`].
    ///
    /// # Panics
    ///
    /// As `get_or_create_stamped`, and if `setter` does; or if this thread holds a guard when its turn to set comes.
    #[track_caller]
    pub fn get_or_create_stamped_and_set<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&Stamped<T>),
    ) -> ReadGuard<'_, Stamped<T>> {
        let creator = self.stamping(making(|_: &Creation<'_, Self>| never(creator())));
        or_deadlock(self.get_stamped(Patience::Infallible, getter, and_set(creator, setter)))
    }

    /// As [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set), but waits for others, and for readers
    /// to let go, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout). If it is the setter that had no time left, the
    /// creation is given up.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_create_stamped_and_set_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&Stamped<T>),
    ) -> Result<ReadGuard<'_, Stamped<T>>, AcquireError> {
        let creator = self.stamping(making(|_: &Creation<'_, Self>| never(creator())));

        self.get_stamped(Patience::For(timeout), getter, and_set(creator, setter))
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), with a getter and a creator that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create).
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_or_try_create_stamped_with(getter, |_| creator())
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped); the creator is handed its [`Creation`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_with<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_stamped(FOREVER, getter, self.stamping(making(creator)))
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_or_try_create_stamped_with_timeout(timeout, getter, |_| creator())
    }

    /// [`get_or_try_create_stamped_timeout`](Self::get_or_try_create_stamped_timeout) with the creator of
    /// [`get_or_try_create_stamped_with`](Self::get_or_try_create_stamped_with).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped_timeout`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_with_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_stamped(Patience::For(timeout), getter, self.stamping(making(creator)))
    }

    /// [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set) with a getter, a creator and a setter
    /// that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped). A setter that fails fails the creation, with
    /// [`CreateError::Failed`]; [`CreateError::ReadLockHeld`] if this thread holds a guard when its turn to set comes.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_stamped_and_set<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&Stamped<T>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_stamped(FOREVER, getter, and_set(self.stamping(making(|_: &Creation<'_, Self>| creator())), setter))
    }

    /// As [`get_or_try_create_stamped_and_set`](Self::get_or_try_create_stamped_and_set), but waits for others, and for
    /// readers to let go, for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped_and_set`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_stamped_and_set_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&Stamped<T>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Stamped<T>>, CreateError<E, G>> {
        self.get_stamped(
            Patience::For(timeout),
            getter,
            and_set(self.stamping(making(|_: &Creation<'_, Self>| creator())), setter),
        )
    }

    /// Stamps what a creator makes once it has made it (C18).
    fn stamping<'a, T, E, G>(
        &'a self,
        creator: impl FnOnce(&Creation<'a, Self>, &Wait) -> Result<T, CreateError<E, G>>,
    ) -> impl FnOnce(&Creation<'a, Self>, &Wait) -> Result<Stamped<T>, CreateError<E, G>> {
        |creation, wait| creator(creation, wait).map(|value| self.dogpile.stamp(value))
    }

    fn get_stamped<'a, T, E: Display, G, N: Into<GetError<G>>>(
        &'a self,
        patience: Patience,
        getter: impl FnMut() -> Result<Stamped<T>, N>,
        creator: impl FnOnce(&Creation<'a, Self>, &Wait) -> Result<Stamped<T>, CreateError<E, G>>,
    ) -> Result<ReadGuard<'a, Stamped<T>>, CreateError<E, G>> {
        self.fetch_or_create(patience, ByStamp(&self.dogpile), getter, creator)
    }
}
