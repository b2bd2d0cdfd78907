//! Stamped getter mode: the value brings the time it was created, so the lock need not live between uses and several
//! processes agree on what is fresh.
//!
//! The steps of an access are those of [`fetch`](super::fetch). What differs is who judges: the getter is asked first,
//! and its stamp says whether the value is fresh. The lock's own deadline counts for nothing; what counts is what
//! somebody *said* to this lock, for as long as it lives: after [`invalidate`](Dogpile::invalidate) a value must be
//! created through it, whatever the store still holds (L6), and after [`mark_stale`](Dogpile::mark_stale) any value is
//! stale.

use super::Dogpile;
use super::access::Need;
use super::aging::Sight;
use super::fetch::{Getter, Judge, Known, found};
use super::getter_mode::and_set;
use crate::clock::{Clock, nanoseconds};
use crate::creation::{Creation, Stored};
use crate::election::{Birth, State};
use crate::error::{AcquireError, CreateError, GetError, NeedRegeneration, never, or_deadlock};
use crate::freshness::{Expiry, Freshness};
use crate::keeper::Keeper;
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::fmt::Display;
use std::future::ready;
use std::time::{Duration, SystemTime};

/// A value and when it was created, by the wall clock of the machine that created it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamped<T> {
    /// The value.
    pub value: T,
    /// When its creator returned.
    pub created: SystemTime,
}

impl<T> Stamped<T> {
    /// A value and when it was created, in nanoseconds since 1970-01-01 00:00 UTC: the form in which a stamp is stored.
    #[must_use]
    pub fn from_unix_nanos(value: T, nanoseconds: u64) -> Self {
        Self { value, created: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds) }
    }

    /// When it was created, in nanoseconds since 1970-01-01 00:00 UTC; 0 if before, `u64::MAX` if after the year 2554.
    #[must_use]
    pub fn unix_nanos(&self) -> u64 {
        self.created.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
    }
}

/// # Stamped getter mode
///
/// The value brings the time it was created. A lock in this mode remembers nothing of it:
/// [`freshness`](Self::freshness), [`age`](Self::age) and the like tell of what was created and said through this lock,
/// not of what the store holds.
impl<C: Clock> Dogpile<C> {
    /// Gets the value and its stamp by `getter`, or makes it by `creator`. Returns when there is a value.
    ///
    /// `getter` is always asked first, so this lock need not know of the value: it may have been created by another
    /// process. A stamp younger than [`expires_after`](Self::expires_after) is fresh, an older one stale. A stamp ahead
    /// of this machine's clock counts as now, but as stale if it is ahead by more than
    /// [`max_skew`](crate::PolicyBuilder::max_skew). For the rest, who is elected, who waits and how often `getter` is
    /// called, see [`get_or_create`](Self::get_or_create).
    ///
    /// One of the accesses through *this lock* is elected: those that run at the same time must share it. In between,
    /// while nobody uses it, the lock may go and another take its place. Each process elects for itself; what one has
    /// created the others find by its stamp.
    ///
    /// What is created is stamped when `creator` returns. `creator` stores it too, or see
    /// [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set), whose setter is given the stamp to
    /// store.
    ///
    /// The stamp counts for nothing after [`invalidate`](Self::invalidate), until something was created through this
    /// lock: what the store still holds may be what was invalidated.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it.
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[track_caller]
    pub fn get_or_create_stamped<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> Stamped<T> {
        self.get_or_create_stamped_with(getter, |_| creator())
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped); the creator is handed its [`Creation`], as by
    /// [`get_or_create_with`](Self::get_or_create_with).
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[track_caller]
    pub fn get_or_create_stamped_with<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> Stamped<T> {
        let creator = self.stamping(|creation| never(creator(creation)));
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
    ) -> Result<Stamped<T>, AcquireError> {
        self.get_or_create_stamped_with_timeout(timeout, getter, |_| creator())
    }

    /// [`get_or_create_stamped_timeout`](Self::get_or_create_stamped_timeout) with the creator of
    /// [`get_or_create_stamped_with`](Self::get_or_create_stamped_with).
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_stamped_with_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> Result<Stamped<T>, AcquireError> {
        let creator = self.stamping(|creation| never(creator(creation)));

        self.get_stamped(Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), with the storing apart: `setter` stores what
    /// `creator` made, with its stamp, unless the creation was superseded meanwhile. It runs inside
    /// [`Creation::publish`].
    ///
    /// # Panics
    ///
    /// As `get_or_create`, and if `setter` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, NeedRegeneration, Stamped};
    /// use std::{sync::Mutex, time::Duration};
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)); // each process has its own
    /// let store = Mutex::new(None::<(u64, u64)>); // and all of them share a server
    ///
    /// let access = || {
    ///     LOCK.get_or_create_stamped_and_set(
    ///         || {
    ///             let (value, stamp) = store.lock().unwrap().ok_or(NeedRegeneration)?;
    ///             Ok(Stamped::from_unix_nanos(value, stamp))
    ///         },
    ///         || 42, // slow
    ///         |made| *store.lock().unwrap() = Some((made.value, made.unix_nanos())),
    ///     )
    /// };
    /// let made = access();
    /// assert_eq!(made.value, 42);
    /// assert_eq!(access().value, 42);
    /// ```
    #[track_caller]
    pub fn get_or_create_stamped_and_set<T>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&Stamped<T>),
    ) -> Stamped<T> {
        let creator = and_set(self.stamping(|_| never(creator())), setter);
        or_deadlock(self.get_stamped(Patience::Infallible, getter, creator))
    }

    /// As [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set), but waits for others for `timeout` at
    /// most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout).
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
    ) -> Result<Stamped<T>, AcquireError> {
        let creator = and_set(self.stamping(|_| never(creator())), setter);

        self.get_stamped(Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), with a getter and a creator that can fail, as
    /// [`get_or_try_create`](Self::get_or_try_create) has them.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_or_try_create_stamped_with(getter, |_| creator())
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped); the creator is handed its [`Creation`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_with<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_stamped(FOREVER, getter, self.stamping(creator))
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_or_try_create_stamped_with_timeout(timeout, getter, |_| creator())
    }

    /// As [`get_or_try_create_stamped_with`](Self::get_or_try_create_stamped_with), but waits for others for `timeout`
    /// at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create_stamped_with_timeout<T, E: Display, G>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_stamped(Patience::For(timeout), getter, self.stamping(creator))
    }

    /// [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set) with a getter, a creator and a setter
    /// that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create_and_set`](Self::get_or_try_create_and_set).
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_stamped_and_set<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&Stamped<T>) -> Result<(), E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_stamped_and_set(&Wait::new(FOREVER), getter, creator, setter)
    }

    /// As [`get_or_try_create_stamped_and_set`](Self::get_or_try_create_stamped_and_set), but waits for others for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_and_set`, and [`CreateError::TimedOut`].
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
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        self.get_stamped_and_set(&Wait::new(Patience::For(timeout)), getter, creator, setter)
    }

    pub(crate) fn get_stamped_and_set<T, E: Display, G, S: Stored<E>>(
        &self,
        wait: &Wait,
        mut getter: impl FnMut() -> Result<Stamped<T>, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&Stamped<T>) -> S,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        let run = |creation| ready(self.run_and_set(creation, creator, setter));
        block_on(self.get_stamped_by(wait, || ready(getter()), run))
    }

    pub(crate) fn run_and_set<'a, T, E: Display, S: Stored<E>>(
        &'a self,
        creation: Creation<'a, Self>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&Stamped<T>) -> S,
    ) -> Result<Stamped<T>, E> {
        creation.run_fallible(and_set(self.stamping(|_| creator()), setter))
    }

    /// `born` must come from an election of this lock which nobody else has answered for.
    pub(crate) fn create_stamped_by<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        &'a self,
        born: Birth,
        getter: impl FnMut() -> F,
        run: impl FnOnce(Creation<'a, Self>) -> R,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>>
    where
        F: Future<Output = Result<Stamped<T>, N>>,
        R: Future<Output = Result<Stamped<T>, E>>,
    {
        async move {
            let error = match run(Creation::new(Keeper::Borrowed(self), born)).await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            let mut getter = Getter { ask: getter, read: found::<_, E, G> };
            self.fetch_old(0, &ByStamp(self), &mut getter).await.ok_or(CreateError::Failed(error))
        }
    }

    /// Stamps what a creator makes once it has made it: a slow one does not yield a value born stale (C18).
    fn stamping<'a, T, E>(
        &'a self,
        creator: impl FnOnce(&Creation<'a, Self>) -> Result<T, E>,
    ) -> impl FnOnce(&Creation<'a, Self>) -> Result<Stamped<T>, E> {
        |creation| creator(creation).map(|value| self.stamp(value))
    }

    /// Stamps what has just been made.
    pub(crate) fn stamp<T>(&self, value: T) -> Stamped<T> {
        Stamped { value, created: self.clock.wall() }
    }

    fn get_stamped<'a, T, E: Display, G, N: Into<GetError<G>>>(
        &'a self,
        patience: Patience,
        mut getter: impl FnMut() -> Result<Stamped<T>, N>,
        creator: impl FnOnce(&Creation<'a, Self>) -> Result<Stamped<T>, E>,
    ) -> Result<Stamped<T>, CreateError<E, G>> {
        let run = |creation: Creation<'a, Self>| ready(creation.run_fallible(creator));
        block_on(self.get_stamped_by(&Wait::new(patience), || ready(getter()), run))
    }

    /// The access of each form: see [`fetch`](super::fetch).
    pub(crate) fn get_stamped_by<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        &'a self,
        wait: &Wait,
        getter: impl FnMut() -> F,
        run: impl FnOnce(Creation<'a, Self>) -> R,
    ) -> impl Future<Output = Result<Stamped<T>, CreateError<E, G>>>
    where
        F: Future<Output = Result<Stamped<T>, N>>,
        R: Future<Output = Result<Stamped<T>, E>>,
    {
        self.fetch_or_create(wait, ByStamp(self), getter, run)
    }
}

/// The getter's stamp says how old the value is, and the lock what somebody said of it.
pub(crate) struct ByStamp<'a, C: Clock>(pub(crate) &'a Dogpile<C>);

impl<T, C: Clock> Judge<Stamped<T>> for ByStamp<'_, C> {
    fn known(&self, _: State) -> Known {
        match self.0.expiry.told() {
            Freshness::Missing => Known::Need(Need::Missing),
            _ => Known::Ask,
        }
    }

    /// Whoever said something to this lock has made no value younger.
    fn judge(&self, got: &Stamped<T>) -> Sight {
        let (lock, policy) = (self.0, self.0.policy());
        let told = lock.expiry.told();
        if told == Freshness::Missing {
            return Sight::Missing;
        }
        match lock.judge_age(Expiry::age_of_stamp(got.created, lock.clock.wall(), policy.max_skew())) {
            Sight::Fresh | Sight::Due if told == Freshness::Stale && policy.max_stale() == Some(Duration::ZERO) => {
                Sight::Missing
            }
            Sight::Fresh | Sight::Due if told == Freshness::Stale => Sight::Stale,
            sight => sight,
        }
    }
}
