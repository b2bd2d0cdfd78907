//! Lock mode, with guards: the forms of [`Dogpile`](crate::Dogpile).

use super::access::{Access, leave};
use super::guard::after;
use super::{OwnedReadGuard, ReadGuard, ReadTurn, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::error::{AcquireError, CreateError, would_deadlock};
use crate::keeper::{Keep, Keeper};
use crate::readers::{Owner, Seat};
use crate::runner::Runner;
use crate::sync::Arc;
use crate::turn::Outcome;
use crate::wait::{FOREVER, Patience, Wait};
use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

/// # Lock mode
///
/// As [`Dogpile`](crate::Dogpile)'s, each access with a guard for as long as the resource is in use.
impl<C: Clock> SyncReaderDogpile<C> {
    /// What this access is to do: use the value under its guard, or create it. As
    /// [`Dogpile::acquire`](crate::Dogpile::acquire).
    ///
    /// Blocks while there is no value and somebody else creates it, and while a writer is in or waits; a thread that
    /// holds a guard already never blocks, and is never elected.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for, or holds the write lock.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> ReadTurn<'_, C> {
        match self.access(Patience::Infallible) {
            Ok(access) => self.turn(access),
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire`](Self::acquire), but never blocks.
    ///
    /// # Errors
    ///
    /// Those of [`acquire_timeout`](Self::acquire_timeout): [`AcquireError::TimedOut`] if it would have to wait for
    /// others.
    #[inline]
    pub fn try_acquire(&self) -> Result<ReadTurn<'_, C>, AcquireError> {
        Ok(self.turn(self.access(Patience::None)?))
    }

    /// As [`acquire`](Self::acquire), but blocks for `timeout` at most. Zero does not wait, and `Duration::MAX` waits
    /// without an end.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`]; [`AcquireError::WouldDeadlock`] if this thread is running the creator that it would
    /// wait for; [`AcquireError::WriteLockHeld`] if it holds the write lock; [`AcquireError::Paused`] after a failure,
    /// if there is no value.
    #[inline]
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<ReadTurn<'_, C>, AcquireError> {
        Ok(self.turn(self.access(Patience::For(timeout))?))
    }

    /// Runs `creator` if the value needs creating and this access is the one elected; returns a guard, and what the
    /// access met. As [`Dogpile::acquire_or_create`](crate::Dogpile::acquire_or_create).
    ///
    /// Blocks as long as its own creator runs, while there is no value and somebody else creates it, and while a writer
    /// is in or waits.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for, or holds the write lock. A panic of `creator` goes
    /// on to the caller; the creation is given up.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> ReadGuard<'_, Outcome> {
        self.acquire_or_create_with(|_| creator())
    }

    /// As [`acquire_or_create`](Self::acquire_or_create); the creator is handed its [`Creation`], whose
    /// [`write_lock`](Creation::write_lock) it takes for its last step.
    ///
    /// # Panics
    ///
    /// As `acquire_or_create`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    #[track_caller]
    pub fn acquire_or_create_with(&self, creator: impl FnOnce(&Creation<'_, Self>)) -> ReadGuard<'_, Outcome> {
        match self.create_infallibly(Patience::Infallible, creator) {
            Ok(guard) => guard,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), but waits for others for `timeout` at most. The creator of
    /// this access, if it is elected, is not interrupted; if the time is out when it returns and a writer is in, the
    /// access ends with an error although its creation has succeeded.
    ///
    /// # Errors
    ///
    /// As [`acquire_timeout`](Self::acquire_timeout).
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_create_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(),
    ) -> Result<ReadGuard<'_, Outcome>, AcquireError> {
        self.acquire_or_create_with_timeout(timeout, |_| creator())
    }

    /// [`acquire_or_create_timeout`](Self::acquire_or_create_timeout) with the creator of
    /// [`acquire_or_create_with`](Self::acquire_or_create_with), which bounds its own wait for readers by
    /// [`write_lock_timeout`](Creation::write_lock_timeout).
    ///
    /// # Errors
    ///
    /// As `acquire_or_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_create_with_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Creation<'_, Self>),
    ) -> Result<ReadGuard<'_, Outcome>, AcquireError> {
        self.create_infallibly(Patience::For(timeout), creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), with a creator that can fail. As
    /// [`Dogpile::acquire_or_try_create`](crate::Dogpile::acquire_or_try_create).
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that it would wait for; [`CreateError::WriteLockHeld`] if it holds the write lock;
    /// [`CreateError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create<E: Display>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.acquire_or_try_create_with(|_| creator())
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create); the creator is handed its [`Creation`].
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_with<E: Display>(
        &self,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.create(FOREVER, creator)
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), but waits for others for `timeout` at most, as
    /// [`acquire_or_create_timeout`](Self::acquire_or_create_timeout) does.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_timeout<E: Display>(
        &self,
        timeout: Duration,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.acquire_or_try_create_with_timeout(timeout, |_| creator())
    }

    /// [`acquire_or_try_create_timeout`](Self::acquire_or_try_create_timeout) with the creator of
    /// [`acquire_or_try_create_with`](Self::acquire_or_try_create_with).
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create_timeout`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_try_create_with_timeout<E: Display>(
        &self,
        timeout: Duration,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        self.create(Patience::For(timeout), creator)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn create<E: Display>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        match self.hit() {
            Some(seat) => Ok(after(creator, self.guard(Outcome::Fresh, seat))),
            None => self.create_slowly(patience, creator),
        }
    }

    #[cold]
    fn create_slowly<E: Display>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        let wait = Wait::new(patience);
        match self.access_slowly(&wait, leave)? {
            Access::In(outcome, seat) => Ok(after(creator, self.guard(outcome, seat))),
            Access::Elected(born) => self.create_here(Creation::new(Keeper::Borrowed(self), born), &wait, creator),
        }
    }

    fn create_here<'l, E: Display>(
        &self,
        creation: Creation<'l, Self>,
        wait: &Wait,
        creator: impl FnOnce(&Creation<'l, Self>) -> Result<(), E>,
    ) -> Result<ReadGuard<'_, Outcome>, CreateError<E>> {
        match creation.run_fallible(creator) {
            Ok(()) => Ok(ReadGuard::new(Outcome::Created, self.readers.enter(wait)?)),
            Err(error) => match self.old(wait) {
                Some(guard) => Ok(after(error, guard)),
                None => Err(CreateError::Failed(error)),
            },
        }
    }

    /// As [`create`](Self::create), by a creator that a runner may be given.
    pub(super) fn create_in_background<'a, E: Display>(
        kept: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<(), E> + Send + 'static,
    ) -> Result<ReadGuard<'a, Outcome>, CreateError<E>>
    where
        C: 'static,
    {
        let this = kept.kept();
        if let Some(seat) = this.hit() {
            return Ok(after(creator, this.guard(Outcome::Fresh, seat)));
        }
        let (wait, mut old) = (Wait::new(patience), None);
        match this.access_slowly(&wait, |need, pass| old = pass.map(|pass| (need, pass)))? {
            Access::In(outcome, seat) => Ok(after(creator, this.guard(outcome, seat))),
            Access::Elected(born) => {
                let creation = Creation::new(kept.keeper(), born);
                let Some((need, pass)) = old else {
                    return this.create_here(creation, &wait, creator);
                };
                creation.run_fallible_in_background(runner, creator);
                Ok(ReadGuard::new(this.dogpile.goes_on(need), pass))
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn guard<'a>(&'a self, outcome: Outcome, seat: Seat<'a>) -> ReadGuard<'a, Outcome> {
        ReadGuard::new(outcome, self.readers.pass(seat))
    }

    /// The old resource, for an access whose creator has failed: if it is to have it, and there is one, as a reader
    /// sees it.
    fn old(&self, wait: &Wait) -> Option<ReadGuard<'_, Outcome>> {
        if !self.dogpile.serves_stale() {
            return None;
        }
        // What comes first is the creator's error: that there was no time left to read has nothing to add to it.
        let pass = self.readers.enter(wait).ok()?;
        self.old_within(pass, ReadGuard::new)
    }

    pub(super) fn old_within<P, W>(&self, pass: P, guard: impl FnOnce(Outcome, P) -> W) -> Option<W> {
        if !self.has_value() {
            return None;
        }
        self.dogpile.tell_if_stale();
        Some(guard(Outcome::StaleOnError, pass))
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn create_infallibly(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>),
    ) -> Result<ReadGuard<'_, Outcome>, AcquireError> {
        self.create(patience, |creation| {
            creator(creation);
            Ok::<(), Infallible>(())
        })
    }
}

/// # Lock mode, owned
impl<C: Clock + 'static> SyncReaderDogpile<C> {
    /// As [`acquire`](Self::acquire), with a guard or a [`Creation`] that shares the lock and may outlive the caller.
    /// As [`Dogpile::acquire_owned`](crate::Dogpile::acquire_owned). For a lock in a `static` see
    /// [`ReadGuard::into_owned`].
    ///
    /// # Panics
    ///
    /// As `acquire`.
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> ReadTurn<'static, C, OwnedReadGuard> {
        match self.acquire_shared(Patience::Infallible) {
            Ok(turn) => turn,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire_owned`](Self::acquire_owned), but never blocks.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        self.acquire_shared(Patience::None)
    }

    /// As [`acquire_owned`](Self::acquire_owned), but blocks for `timeout` at most, as
    /// [`acquire_timeout`](Self::acquire_timeout) does.
    ///
    /// # Errors
    ///
    /// As `acquire_timeout`.
    pub fn acquire_owned_timeout(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        self.acquire_shared(Patience::For(timeout))
    }

    fn acquire_shared(
        self: &Arc<Self>,
        patience: Patience,
    ) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        self.acquire_kept(patience, || Keeper::Shared(Arc::clone(self)), || Arc::clone(self).into())
    }

    /// An access whose creation, if it comes to one, holds on to the lock by a keeper of its own, and its guard by an
    /// owner.
    pub(crate) fn acquire_kept(
        &self,
        patience: Patience,
        keeper: impl FnOnce() -> Keeper<'static, Self>,
        owner: impl FnOnce() -> Owner,
    ) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        let guard = |pass| ReadGuard::into_owned(ReadGuard::new((), pass), owner());
        Ok(self.turn_as(self.access(patience)?, keeper, guard))
    }
}
