//! Getter mode: a getter fetches the value from where it lives, and may find that it is gone. What one access does is
//! told in [`fetch`](super::fetch).

use super::Dogpile;
use super::fetch::ByLock;
use crate::clock::Clock;
use crate::creation::{Creation, Stored};
use crate::error::{AcquireError, CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::fmt::Display;
use std::future::ready;
use std::time::Duration;

/// The creator of the forms with a setter apart: what it makes is stored unless the creation was superseded.
pub(super) fn and_set<'a, T, E, S: Stored<E>, C: Clock>(
    creator: impl FnOnce(&Creation<'a, Dogpile<C>>) -> Result<T, E>,
    setter: impl FnOnce(&T) -> S,
) -> impl FnOnce(&Creation<'a, Dogpile<C>>) -> Result<T, E> {
    move |creation| {
        let value = creator(creation)?;
        match creation.publish(|| setter(&value)) {
            Ok(stored) => stored.stored()?,
            Err(_superseded_or_dead) => {} // the value is still its caller's
        }
        Ok(value)
    }
}

/// # Getter mode
///
/// A getter fetches the value from where it lives, and may find it gone.
impl<C: Clock> Dogpile<C> {
    /// Gets the value by `getter`, or makes it by `creator`, which also stores it. Returns when there is a value.
    ///
    /// - Fresh: `getter` is called once, and its value returned.
    /// - Stale: one access is elected and runs `creator`; the others get the old value by `getter`, without waiting.
    /// - Missing, to the lock or to the getter: one access is elected and runs `creator`; the others wait, and get its
    ///   value by `getter`.
    ///
    /// `getter` is called at most twice in one access, and never after `creator` has made a value. (After one that
    /// failed it may be asked for the old value: see [`OnError::ServeStale`](crate::OnError).) An access that is told
    /// twice that there is nothing creates, when its turn comes. Say [`NeedRegeneration`] of a miss only, not of a
    /// store that is down, or all accesses create one after the other: that is an error, for
    /// [`get_or_try_create`](Self::get_or_try_create).
    ///
    /// **`getter` is not called for a value that is missing to the lock**, as it is at first: start with
    /// [`born_fresh`](Self::born_fresh) if the store may hold one from before.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. A panic of `getter` or `creator` goes on to the
    /// caller; the creation, if there is one, is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, NeedRegeneration};
    /// use std::{collections::HashMap, sync::Mutex, time::Duration};
    ///
    /// let store = Mutex::new(HashMap::new()); // may lose entries when it likes
    /// let lock = Dogpile::new(Duration::from_secs(60)).born_fresh();
    /// let access = || {
    ///     lock.get_or_create(
    ///         || store.lock().unwrap().get("answer").copied().ok_or(NeedRegeneration),
    ///         || {
    ///             let answer = 42; // slow
    ///             store.lock().unwrap().insert("answer", answer);
    ///             answer
    ///         },
    ///     )
    /// };
    /// assert_eq!(access(), 42);
    /// store.lock().unwrap().clear();
    /// assert_eq!(access(), 42);
    /// ```
    #[track_caller]
    pub fn get_or_create<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> T {
        self.get_or_create_with(getter, |_| creator())
    }

    /// As [`get_or_create`](Self::get_or_create); the creator is handed its [`Creation`], to
    /// [publish](Creation::publish) through it or to ask whether it is still wanted.
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[track_caller]
    pub fn get_or_create_with<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> T {
        or_deadlock(self.get(Patience::Infallible, getter, |creation| never(creator(creation))))
    }

    /// As [`get_or_create`](Self::get_or_create), but waits for others for `timeout` at most. It bounds the waits
    /// alone: neither `getter` nor the creator of this access is interrupted, nor a setter.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for; or [`AcquireError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> Result<T, AcquireError> {
        self.get_or_create_with_timeout(timeout, getter, |_| creator())
    }

    /// [`get_or_create_timeout`](Self::get_or_create_timeout) with the creator of
    /// [`get_or_create_with`](Self::get_or_create_with).
    ///
    /// # Errors
    ///
    /// As `get_or_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_with_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> Result<T, AcquireError> {
        self.get(Patience::For(timeout), getter, |creation| never(creator(creation)))
    }

    /// As [`get_or_create`](Self::get_or_create), with the storing apart: `setter` stores what `creator` made, unless
    /// the creation was superseded meanwhile. It runs inside [`Creation::publish`].
    ///
    /// So a value that was invalidated while it was being made never overwrites a newer one (L6). Its own caller gets
    /// it.
    ///
    /// # Panics
    ///
    /// As `get_or_create`, and if `setter` does.
    #[track_caller]
    pub fn get_or_create_and_set<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&T),
    ) -> T {
        let creator = and_set(|_: &Creation<'_, Self>| never(creator()), setter);
        or_deadlock(self.get(Patience::Infallible, getter, creator))
    }

    /// As [`get_or_create_and_set`](Self::get_or_create_and_set), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_create_and_set_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&T),
    ) -> Result<T, AcquireError> {
        let creator = and_set(|_: &Creation<'_, Self>| never(creator()), setter);
        self.get(Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create`](Self::get_or_create), with a getter and a creator that can fail.
    ///
    /// A failure of either is the caller's own. A getter that fails is not taken for one that finds nothing: the access
    /// ends, and nothing is created. A getter that would rather create then says [`GetError::NeedRegeneration`].
    ///
    /// # Errors
    ///
    /// [`CreateError::GetterFailed`] and [`CreateError::Failed`] with the getter's and the creator's own;
    /// [`CreateError::WouldDeadlock`] if this thread is running the creator that it would wait for, or one that the
    /// other waits for; [`CreateError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile, GetError, NeedRegeneration};
    /// use std::{io, num::ParseIntError, time::Duration};
    ///
    /// # fn ask_server(_: &str) -> Result<Option<u64>, io::Error> { Ok(None) }
    /// # fn tell_server(_: &str, _: u64) {}
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// fn answer() -> Result<u64, CreateError<ParseIntError, io::Error>> {
    ///     LOCK.get_or_try_create(
    ///         || {
    ///             let found = ask_server("answer").map_err(GetError::Failed)?;
    ///             Ok(found.ok_or(NeedRegeneration)?)
    ///         },
    ///         || {
    ///             let made = "42".parse()?; // slow, and may fail
    ///             tell_server("answer", made);
    ///             Ok(made)
    ///         },
    ///     )
    /// }
    /// assert_eq!(answer()?, 42);
    /// # Ok::<(), CreateError<ParseIntError, io::Error>>(())
    /// ```
    pub fn get_or_try_create<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get_or_try_create_with(getter, |_| creator())
    }

    /// As [`get_or_try_create`](Self::get_or_try_create); the creator is handed its [`Creation`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_with<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get(FOREVER, getter, creator)
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get_or_try_create_with_timeout(timeout, getter, |_| creator())
    }

    /// [`get_or_try_create_timeout`](Self::get_or_try_create_timeout) with the creator of
    /// [`get_or_try_create_with`](Self::get_or_try_create_with).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_with_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get(Patience::For(timeout), getter, creator)
    }

    /// [`get_or_create_and_set`](Self::get_or_create_and_set) with a getter, a creator and a setter that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create). A setter that fails fails the creation, with
    /// [`CreateError::Failed`], and what was created is lost. A setter that would rather have it served returns `Ok`;
    /// then the creation has succeeded, and the getter of the next access may find nothing.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_and_set<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&T) -> Result<(), E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get(FOREVER, getter, and_set(|_: &Creation<'_, Self>| creator(), setter))
    }

    /// As [`get_or_try_create_and_set`](Self::get_or_try_create_and_set), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_and_set`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_and_set_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&T) -> Result<(), E>,
    ) -> Result<T, CreateError<E, G>> {
        self.get(Patience::For(timeout), getter, and_set(|_: &Creation<'_, Self>| creator(), setter))
    }

    fn get<'a, T, E: Display, G, N: Into<GetError<G>>>(
        &'a self,
        patience: Patience,
        mut getter: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'a, Self>) -> Result<T, E>,
    ) -> Result<T, CreateError<E, G>> {
        let run = |creation: Creation<'a, Self>| ready(creation.run_fallible(creator));
        block_on(self.get_by(&Wait::new(patience), || ready(getter()), run))
    }

    /// The access of each form: see [`fetch`](super::fetch).
    pub(super) fn get_by<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        &'a self,
        wait: &Wait,
        getter: impl FnMut() -> F,
        run: impl FnOnce(Creation<'a, Self>) -> R,
    ) -> impl Future<Output = Result<T, CreateError<E, G>>>
    where
        F: Future<Output = Result<T, N>>,
        R: Future<Output = Result<T, E>>,
    {
        self.fetch_or_create(wait, ByLock(self), getter, run)
    }
}
