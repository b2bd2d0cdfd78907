//! Getter mode, with guards: the getter runs as a reader, and what it brings is returned in its guard.

use super::guard::after;
use super::{ReadGuard, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::{Creation, Stored};
use crate::dogpile::{ByLock, Fetched, Getter, Guarded, Judge, Spared, found};
use crate::election::Birth;
use crate::error::{
    AcquireError, CreateError, GetError, LockError, NeedRegeneration, WriteLockError, never, or_deadlock,
};
use crate::keeper::{Keep, Keeper};
use crate::runner::Runner;
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::convert::identity;
use std::fmt::Display;
use std::future::ready;
use std::ops::Deref;
use std::time::Duration;

/// A creator as the engine runs it: it shares the deadline of its access, if it has to wait for readers.
pub(super) fn making<'a, T, E, G, C: Clock>(
    creator: impl FnOnce(&Creation<'a, SyncReaderDogpile<C>>) -> Result<T, E>,
) -> impl FnOnce(&Creation<'a, SyncReaderDogpile<C>>, &Wait) -> Result<T, CreateError<E, G>> {
    |creation, _| creator(creation).map_err(CreateError::Failed)
}

/// The creator of the forms with a setter apart: what it makes is stored under the write lock, unless it was
/// superseded.
pub(super) fn and_set<'a, T, E, G, S: Stored<E>, C: Clock>(
    creator: impl FnOnce(&Creation<'a, SyncReaderDogpile<C>>, &Wait) -> Result<T, CreateError<E, G>>,
    setter: impl FnOnce(&T) -> S,
) -> impl FnOnce(&Creation<'a, SyncReaderDogpile<C>>, &Wait) -> Result<T, CreateError<E, G>> {
    |creation, wait| {
        let value = creator(creation, wait)?;
        if let Some(_alone) = or_kept(creation.write(wait))? {
            setter(&value).stored().map_err(CreateError::Failed)?;
        }
        Ok(value)
    }
}

/// The write lock for a setter; `None` if its value is its caller's alone.
pub(super) fn or_kept<W, E, G>(alone: Result<W, WriteLockError>) -> Result<Option<W>, CreateError<E, G>> {
    match alone {
        Ok(alone) => Ok(Some(alone)),
        Err(WriteLockError::Superseded | WriteLockError::Dead) => Ok(None),
        Err(WriteLockError::TimedOut) => Err(CreateError::TimedOut),
        Err(WriteLockError::ReadLockHeld) => Err(CreateError::ReadLockHeld),
        Err(WriteLockError::WriteLockHeld) => Err(CreateError::WriteLockHeld),
        Err(WriteLockError::InsidePublish) => Err(LockError::InsidePublish.into()),
    }
}

/// # Getter mode
///
/// As [`Dogpile`](crate::Dogpile)'s, the getter's value in a guard for as long as it is in use.
impl<C: Clock> SyncReaderDogpile<C> {
    /// Gets the value by `getter`, called under the guard that it is returned in, or makes it by `creator`. As
    /// [`Dogpile::get_or_create`](crate::Dogpile::get_or_create): who creates, who waits, and how often `getter` is
    /// called.
    ///
    /// `creator` runs without a guard, and what it made is returned in one. A thread that holds a guard already is
    /// never elected: for it, `getter` is called once.
    ///
    /// Blocks as long as its own creator runs, while there is no value and somebody else creates it, and while a writer
    /// is in or waits.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for, or holds the write lock; or if it holds a guard
    /// and `getter` finds nothing. A panic of `getter` or `creator` goes on to the caller; the creation, if there is
    /// one, is given up.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{NeedRegeneration, SyncReaderDogpile};
    /// use std::sync::RwLock;
    ///
    /// static TABLE: RwLock<Vec<u32>> = RwLock::new(Vec::new()); // say, a file
    /// static LOCK: SyncReaderDogpile = SyncReaderDogpile::never_expires();
    ///
    /// let sum = LOCK.get_or_create_and_set(
    ///     || TABLE.read().unwrap().iter().copied().reduce(|a, b| a + b).ok_or(NeedRegeneration),
    ///     || 42,
    ///     |made| *TABLE.write().unwrap() = vec![*made], // under the write lock: no other getter runs
    /// );
    /// assert_eq!(*sum, 42);
    /// ```
    #[track_caller]
    pub fn get_or_create<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> ReadGuard<'_, T> {
        self.get_or_create_with(getter, |_| creator())
    }

    /// As [`get_or_create`](Self::get_or_create); the creator is handed its [`Creation`], whose
    /// [`write_lock`](Creation::write_lock) it takes for its last step.
    ///
    /// # Panics
    ///
    /// As `get_or_create`.
    #[track_caller]
    pub fn get_or_create_with<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce(&Creation<'_, Self>) -> T,
    ) -> ReadGuard<'_, T> {
        or_deadlock(self.get(Patience::Infallible, getter, making(|creation| never(creator(creation)))))
    }

    /// As [`get_or_create`](Self::get_or_create), but waits for others for `timeout` at most. It bounds the waits
    /// alone: neither `getter` nor the creator of this access is interrupted, nor a setter.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`]; [`AcquireError::WouldDeadlock`] if this thread is running the creator that it would
    /// wait for; [`AcquireError::WriteLockHeld`] if it holds the write lock; [`AcquireError::ReadLockHeld`] if it holds
    /// a guard and `getter` finds nothing; [`AcquireError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_create_timeout<T>(
        &self,
        timeout: Duration,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
    ) -> Result<ReadGuard<'_, T>, AcquireError> {
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
    ) -> Result<ReadGuard<'_, T>, AcquireError> {
        let creator = making(|creation: &Creation<'_, Self>| never(creator(creation)));
        self.get(Patience::For(timeout), getter, creator)
    }

    /// As [`get_or_create`](Self::get_or_create), with the storing apart: `setter` stores what `creator` made, under
    /// the write lock, unless the creation was superseded meanwhile: see [`Creation::write_lock`].
    ///
    /// # Panics
    ///
    /// As `get_or_create`, and if `setter` does; or if this thread holds a guard when its turn to set comes.
    #[track_caller]
    pub fn get_or_create_and_set<T>(
        &self,
        getter: impl FnMut() -> Result<T, NeedRegeneration>,
        creator: impl FnOnce() -> T,
        setter: impl FnOnce(&T),
    ) -> ReadGuard<'_, T> {
        let creator = making(|_: &Creation<'_, Self>| never(creator()));
        or_deadlock(self.get(Patience::Infallible, getter, and_set(creator, setter)))
    }

    /// As [`get_or_create_and_set`](Self::get_or_create_and_set), but waits for others, and for readers to let go, for
    /// `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_or_create_timeout`](Self::get_or_create_timeout). If it is the setter that had no time left, the
    /// creation is given up.
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
    ) -> Result<ReadGuard<'_, T>, AcquireError> {
        let creator = making(|_: &Creation<'_, Self>| never(creator()));

        self.get(Patience::For(timeout), getter, and_set(creator, setter))
    }

    /// As [`get_or_create`](Self::get_or_create), with a getter and a creator that can fail. As
    /// [`Dogpile::get_or_try_create`](crate::Dogpile::get_or_try_create).
    ///
    /// # Errors
    ///
    /// [`CreateError::GetterFailed`] and [`CreateError::Failed`] with the getter's and the creator's own;
    /// [`CreateError::WouldDeadlock`] if this thread is running the creator that it would wait for;
    /// [`CreateError::WriteLockHeld`] if it holds the write lock; [`CreateError::ReadLockHeld`] if it holds a guard and
    /// `getter` finds nothing; [`CreateError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    pub fn get_or_try_create<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
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
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
        self.get(FOREVER, getter, making(creator))
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
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
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
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
        self.get(Patience::For(timeout), getter, making(creator))
    }

    /// [`get_or_create_and_set`](Self::get_or_create_and_set) with a getter, a creator and a setter that can fail.
    ///
    /// # Errors
    ///
    /// As [`get_or_try_create`](Self::get_or_try_create). A setter that fails fails the creation, with
    /// [`CreateError::Failed`]; [`CreateError::ReadLockHeld`] if this thread holds a guard when its turn to set comes.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    pub fn get_or_try_create_and_set<T, E: Display, G>(
        &self,
        getter: impl FnMut() -> Result<T, GetError<G>>,
        creator: impl FnOnce() -> Result<T, E>,
        setter: impl FnOnce(&T) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
        self.get(FOREVER, getter, and_set(making(|_: &Creation<'_, Self>| creator()), setter))
    }

    /// As [`get_or_try_create_and_set`](Self::get_or_try_create_and_set), but waits for others, and for readers to let
    /// go, for `timeout` at most.
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
    ) -> Result<ReadGuard<'_, T>, CreateError<E, G>> {
        self.get(Patience::For(timeout), getter, and_set(making(|_: &Creation<'_, Self>| creator()), setter))
    }

    fn get<'a, T, E: Display, G, N: Into<GetError<G>>>(
        &'a self,
        patience: Patience,
        getter: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'a, Self>, &Wait) -> Result<T, CreateError<E, G>>,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        self.fetch_or_create(patience, ByLock(&self.dogpile), getter, creator)
    }

    /// As [`Dogpile`](crate::Dogpile)'s: the getter takes its guard first, and whoever reads already does no more than
    /// that.
    pub(super) fn fetch_or_create<'a, T, E: Display, G, N: Into<GetError<G>>>(
        &'a self,
        patience: Patience,
        judge: impl Judge<T>,
        mut get: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'a, Self>, &Wait) -> Result<T, CreateError<E, G>>,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        let wait = &Wait::new(patience);
        let mut getter = || self.get_within(wait, &mut get);
        if self.readers.is_reading_here() {
            let guard = self.read_on(&judge, getter()?)?;
            return Ok(after((creator, get), guard));
        }
        let elected = |born| Creation::new(Keeper::Borrowed(self), born);
        let run = |creation| ready(self.make_here(creation, wait, creator));
        let mut getter = Getter { ask: || ready(getter()), read: identity };
        let guard = block_on(self.fetch_by(wait, Guarded(judge), &mut getter, elected, run))?;
        Ok(after(get, guard))
    }

    /// The access of each form, of a thread or a task, whose guards are `W`. `run` runs a creation to its end, and
    /// takes a guard.
    pub(super) fn fetch_by<'l, T, W: Deref<Target = T>, E, G, F, R>(
        &self,
        wait: &Wait,
        judge: Guarded<impl Judge<T>>,
        getter: &mut Getter<impl FnMut() -> F, impl Fn(F::Output) -> Result<Option<W>, CreateError<E, G>>>,
        elected: impl Fn(Birth) -> Creation<'l, Self>,
        run: impl FnOnce(Creation<'l, Self>) -> R,
    ) -> impl Future<Output = Result<W, CreateError<E, G>>>
    where
        F: Future<Output = Result<Option<W>, CreateError<E, G>>>,
        R: Future<Output = Result<W, CreateError<E, G>>>,
        C: 'l,
    {
        async move {
            let (creation, calls) = match self.dogpile.fetch(0, wait, &judge, getter, elected).await? {
                Fetched::Value(guard) => return Ok(after(run, guard)),
                Fetched::Create(create) => create.here(),
            };
            match run(creation).await {
                Err(CreateError::Failed(error)) => match self.dogpile.fetch_old(calls, &judge, getter).await {
                    Some(guard) => Ok(after(error, guard)),
                    None => Err(CreateError::Failed(error)),
                },
                made => made,
            }
        }
    }

    /// As [`fetch_or_create`](Self::fetch_or_create), by a creator that a runner may be given.
    pub(super) fn fetch_or_hand_over<'a, T, E: Display, G, N: Into<GetError<G>>>(
        kept: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        judge: impl Judge<T>,
        mut get: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>>
    where
        C: 'static,
    {
        let (this, wait) = (kept.kept(), &Wait::new(patience));
        let mut getter = || this.get_within(wait, &mut get);
        if this.readers.is_reading_here() {
            let guard = this.read_on(&judge, getter()?)?;
            return Ok(after((creator, get), guard));
        }
        let (judge, mut getter) = (&Guarded(judge), Getter { ask: || ready(getter()), read: identity });
        let elected = |born| Creation::new(kept.keeper(), born);
        match block_on(this.dogpile.fetch_sparing(wait, judge, &mut getter, elected))? {
            Spared::Value(guard) => Ok(after((creator, get), guard)),
            Spared::HandOver(creation, need, guard) => {
                creation.run_fallible_in_background(runner, creator);
                this.dogpile.goes_on(need);
                Ok(after(get, guard))
            }
            Spared::Create(creation, calls) => match this.make_here(creation, wait, making(creator)) {
                Err(CreateError::Failed(error)) => match block_on(this.dogpile.fetch_old(calls, judge, &mut getter)) {
                    Some(guard) => Ok(after((error, get), guard)),
                    None => Err(CreateError::Failed(error)),
                },
                made => Ok(after(get, made?)),
            },
        }
    }

    /// An access of whoever reads already, whatever the freshness.
    fn read_on<'a, T, E, G>(
        &'a self,
        judge: &impl Judge<T>,
        got: Option<ReadGuard<'a, T>>,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        let guard = got.ok_or(CreateError::ReadLockHeld)?;
        self.dogpile.tell_of(judge.known(self.dogpile.election().look()), judge.judge(&guard));
        Ok(guard)
    }

    fn get_within<'a, T, E, G, N: Into<GetError<G>>>(
        &'a self,
        wait: &Wait,
        getter: &mut impl FnMut() -> Result<T, N>,
    ) -> Result<Option<ReadGuard<'a, T>>, CreateError<E, G>> {
        let pass = self.readers.enter(wait)?;
        Ok(found(getter())?.map(|value| ReadGuard::new(value, pass)))
    }

    /// Creates on this thread, and takes a guard.
    fn make_here<'a, 'l, T, E: Display, G>(
        &'a self,
        creation: Creation<'l, Self>,
        wait: &Wait,
        creator: impl FnOnce(&Creation<'l, Self>, &Wait) -> Result<T, CreateError<E, G>>,
    ) -> Result<ReadGuard<'a, T>, CreateError<E, G>> {
        let made = creation.enter(|creation| creator(creation, wait));
        let value = ended(creation, made)?;
        Ok(ReadGuard::new(value, self.readers.enter(wait)?))
    }
}

/// Finishes a creation, or gives it up.
pub(super) fn ended<T, E: Display, G, C: Clock>(
    creation: Creation<'_, SyncReaderDogpile<C>>,
    made: Result<T, CreateError<E, G>>,
) -> Result<T, CreateError<E, G>> {
    match made {
        Err(CreateError::Failed(error)) => creation.end_as(Err(error)).map_err(CreateError::Failed),
        made => creation.end_as(made),
    }
}
