//! Lock mode: the value lives wherever the user keeps it, and the lock alone says whether it is fresh.

use super::Dogpile;
use super::access::{Need, Settled};
use super::aging::Sight;
use crate::clock::Clock;
use crate::creation::Creation;
use crate::election::Birth;
use crate::error::{AcquireError, CreateError, Refusal, would_deadlock};
use crate::freshness::Freshness;
use crate::keeper::{Keep, Keeper};
use crate::policy::OnError;
use crate::runner::Runner;
use crate::sync::Arc;
use crate::turn::{Outcome, Turn};
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

/// How an access came out: a [`Turn`] that does not hold its lock yet, and tells who has waited.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Fresh,
    Stale,
    Waited,
    /// To meet what it needs.
    Elected(Birth, Need),
}

/// What an access is given that needs no more than to load.
#[derive(Clone, Copy)]
pub(crate) enum AtOnce {
    Fresh,
    Stale,
}

impl From<AtOnce> for Outcome {
    #[inline]
    fn from(seen: AtOnce) -> Self {
        match seen {
            AtOnce::Fresh => Self::Fresh,
            AtOnce::Stale => Self::Stale,
        }
    }
}

/// # Lock mode
///
/// The value lives wherever the user keeps it.
impl<C: Clock> Dogpile<C> {
    /// What this access is to do: use the value, or create it.
    ///
    /// Blocks while there is no value and somebody else creates it. If that creation succeeds, the turn is
    /// [`Turn::Fresh`], or [`Turn::Stale`] if the value that was waited for has expired or was invalidated already; if
    /// it fails, one of those who wait gets [`Turn::Create`].
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. [`acquire_timeout`](Self::acquire_timeout) with
    /// `Duration::MAX` returns an error instead.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Turn<'_, C> {
        match self.at_once() {
            Ok(AtOnce::Fresh) => Turn::Fresh,
            Ok(AtOnce::Stale) => Turn::Stale,
            Err(now) => self.acquire_unless_fresh(now),
        }
    }

    #[cold]
    #[track_caller]
    fn acquire_unless_fresh(&self, now: u64) -> Turn<'_, C> {
        match block_on(self.access_unless_fresh(now, &Wait::new(Patience::Infallible))) {
            Ok(access) => self.turn(access, || Keeper::Borrowed(self)),
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire`](Self::acquire), but never blocks.
    ///
    /// # Errors
    ///
    /// Those of [`acquire_timeout`](Self::acquire_timeout): [`AcquireError::TimedOut`] if there is no value and
    /// somebody else creates it.
    #[inline]
    pub fn try_acquire(&self) -> Result<Turn<'_, C>, AcquireError> {
        Ok(self.turn(self.access(Patience::None)?, || Keeper::Borrowed(self)))
    }

    /// As [`acquire`](Self::acquire), but blocks for `timeout` at most.
    ///
    /// The time-out is real time, on whatever clock values expire; zero does not wait, and `Duration::MAX` waits
    /// without an end.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for; or [`AcquireError::Paused`] after a failure, if there is no value.
    #[inline]
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Turn<'_, C>, AcquireError> {
        Ok(self.turn(self.access(Patience::For(timeout))?, || Keeper::Borrowed(self)))
    }

    /// As [`acquire`](Self::acquire), with a [`Creation`] that shares the lock and may outlive the caller.
    ///
    /// So a caller may return the old value at once and let a thread pool, a queue or a timer run the creator. If there
    /// is no old value ([`has_value`](Self::has_value)), it may [`acquire`](Self::acquire) once more, to wait for that
    /// creator as everybody does. The right to create exists before the job does: a job that is lost or dropped unrun
    /// gives it back. A lock in a `static` needs no `Arc`: its `acquire` gives a `Turn<'static>` as it is.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for.
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> Turn<'static, C> {
        match self.acquire_kept(Patience::Infallible, || Keeper::Shared(Arc::clone(self))) {
            Ok(turn) => turn,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire_owned`](Self::acquire_owned), but never blocks.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<Turn<'static, C>, AcquireError> {
        self.acquire_kept(Patience::None, || Keeper::Shared(Arc::clone(self)))
    }

    /// As [`acquire_owned`](Self::acquire_owned), but blocks for `timeout` at most, as
    /// [`acquire_timeout`](Self::acquire_timeout) does.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for; or [`AcquireError::Paused`] after a failure, if there is no value.
    pub fn acquire_owned_timeout(self: &Arc<Self>, timeout: Duration) -> Result<Turn<'static, C>, AcquireError> {
        self.acquire_kept(Patience::For(timeout), || Keeper::Shared(Arc::clone(self)))
    }

    /// Runs `creator` if the value needs creating and this access is the one elected. When it returns a value has been
    /// created: keep it where `creator` put it, and look there.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it.
    ///
    /// # Panics
    ///
    /// If this thread is running the creator that it would wait for. A panic of `creator` goes on to the caller; the
    /// creation is given up, and the next access or one who waits takes over.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create(&self, creator: impl FnOnce()) -> Outcome {
        self.acquire_or_create_with(|_| creator())
    }

    /// As [`acquire_or_create`](Self::acquire_or_create); the creator is handed its [`Creation`], to
    /// [publish](Creation::publish) through it or to ask whether it is still wanted.
    ///
    /// # Panics
    ///
    /// As `acquire_or_create`.
    #[inline]
    #[track_caller]
    pub fn acquire_or_create_with(&self, creator: impl FnOnce(&Creation<'_, Self>)) -> Outcome {
        match self.create_infallibly(Patience::Infallible, creator) {
            Ok(outcome) => outcome,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), but waits for others for `timeout` at most. The creator of
    /// this access, if it is elected, is not interrupted.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TimedOut`], or [`AcquireError::WouldDeadlock`] if this thread is running the creator that it
    /// would wait for; or [`AcquireError::Paused`] after a failure, if there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    #[inline]
    pub fn acquire_or_create_timeout(
        &self,
        timeout: Duration,
        creator: impl FnOnce(),
    ) -> Result<Outcome, AcquireError> {
        self.acquire_or_create_with_timeout(timeout, |_| creator())
    }

    /// [`acquire_or_create_timeout`](Self::acquire_or_create_timeout) with the creator of
    /// [`acquire_or_create_with`](Self::acquire_or_create_with).
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
    ) -> Result<Outcome, AcquireError> {
        self.create_infallibly(Patience::For(timeout), creator)
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), with a creator that can fail.
    ///
    /// A failure is the caller's own: those who wait do not get it. One of them is elected, and calls its own creator;
    /// if the source is down they fail one after the other, which the `_timeout` form bounds. A policy that
    /// [pauses](crate::PolicyBuilder::retry_after) after a failure has all of them told at once.
    ///
    /// The caller that was elected gets the error even if there is an old value, which all others go on using. It may
    /// use it as well: [`has_value`](Self::has_value) says whether there is one, and the policy can
    /// [say](crate::OnError::ServeStale) that it is to, with [`Outcome::StaleOnError`].
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error; [`CreateError::WouldDeadlock`] if this thread is running the
    /// creator that it would wait for, or one that the other waits for; [`CreateError::Paused`] after a failure, if
    /// there is no value.
    ///
    /// # Panics
    ///
    /// If `creator` does.
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
    pub fn acquire_or_try_create<E: Display>(
        &self,
        creator: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
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
    ) -> Result<Outcome, CreateError<E>> {
        self.create(FOREVER, creator)
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), but waits for others for `timeout` at most.
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
    ) -> Result<Outcome, CreateError<E>> {
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
    ) -> Result<Outcome, CreateError<E>> {
        self.create(Patience::For(timeout), creator)
    }

    /// An access whose creation, if it comes to one, holds on to the lock by a keeper of its own.
    pub(crate) fn acquire_kept<'a>(
        &self,
        patience: Patience,
        keeper: impl FnOnce() -> Keeper<'a, Self>,
    ) -> Result<Turn<'a, C>, AcquireError> {
        Ok(self.turn(self.access(patience)?, keeper))
    }

    /// The hit path: all that a fresh value costs.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn access(&self, patience: Patience) -> Result<Access, Refusal> {
        match self.at_once() {
            Ok(AtOnce::Fresh) => Ok(Access::Fresh),
            Ok(AtOnce::Stale) => Ok(Access::Stale),
            Err(now) => block_on(self.access_unless_fresh(now, &Wait::new(patience))),
        }
    }

    /// What needs no more than to load: else the time that was read.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    pub(super) fn at_once(&self) -> Result<AtOnce, u64> {
        match self.expiry.unless_fresh(&self.clock) {
            None => Ok(AtOnce::Fresh),
            Some(now) => self.usable(now).ok_or(now),
        }
    }

    /// The second shortest path: there is a value, and somebody else is creating a new one, or nobody is to.
    #[inline]
    pub(crate) fn usable(&self, now: u64) -> Option<AtOnce> {
        // In this order: the word first, the deadline second. See `election`.
        let state = self.election.look();
        if !self.is_closed(state, || now) || !self.expiry.has_passed(now) {
            None
        } else if state.is_ruled() {
            self.usable_by_rule(now)
        } else {
            Some(AtOnce::Stale)
        }
    }

    /// Apart, as all that a plain lock has no need of.
    #[cold]
    fn usable_by_rule(&self, now: u64) -> Option<AtOnce> {
        match self.sight(self.expiry.look(now), now) {
            Sight::Fresh | Sight::Due => Some(AtOnce::Fresh),
            Sight::Stale => {
                self.tell_stale_by_rule();
                Some(AtOnce::Stale)
            }
            Sight::Missing => None,
        }
    }

    #[cold]
    pub(super) fn access_unless_fresh(
        &self,
        mut now: u64,
        wait: &Wait,
    ) -> impl Future<Output = Result<Access, Refusal>> {
        async move {
            loop {
                // In this order: the word first, the deadline second. See `election`.
                let seen = self.election.look();
                let need = match self.look_at(now) {
                    Sight::Fresh => return Ok(Access::Fresh),
                    Sight::Due => Need::Due,
                    Sight::Stale => Need::Stale,
                    Sight::Missing => Need::Missing,
                };
                match self.settle(seen, need, wait).await? {
                    Settled::Elected { born, .. } => return Ok(Access::Elected(born, need)),
                    Settled::CarryOn if need == Need::Due => return Ok(Access::Fresh),
                    Settled::CarryOn => {
                        self.tell_stale();
                        return Ok(Access::Stale);
                    }
                    Settled::Served => return Ok(Access::Waited),
                    // Time may have passed: look at it as of now.
                    Settled::Moved | Settled::LookAgain => now = self.expiry.now(&self.clock),
                }
            }
        }
    }

    /// Turns what an access met into what its caller is given. All but a hit is apart: inlined, it would cost a hit
    /// more than the goal allows (`benches/instructions.rs`).
    #[inline]
    pub(super) fn turn<'a>(&self, access: Access, keeper: impl FnOnce() -> Keeper<'a, Self>) -> Turn<'a, C> {
        match access {
            Access::Fresh => Turn::Fresh,
            access => self.turn_unless_fresh(access, keeper),
        }
    }

    /// Only a creation needs the `keeper`: to share the lock is to write beside it, which a hit and a stale access must
    /// not do (L2, L12).
    #[inline(never)]
    fn turn_unless_fresh<'a>(&self, access: Access, keeper: impl FnOnce() -> Keeper<'a, Self>) -> Turn<'a, C> {
        match access {
            Access::Fresh => Turn::Fresh,
            Access::Stale => Turn::Stale,
            Access::Waited => match self.freshness() {
                Freshness::Fresh => Turn::Fresh,
                Freshness::Stale | Freshness::Missing => Turn::Stale,
            },
            Access::Elected(born, _) => Turn::Create(Creation::new(keeper(), born)),
        }
    }

    /// Whether an access whose creator has failed is to use the old value.
    pub(crate) fn serves_stale(&self) -> bool {
        self.policy().on_error() == OnError::ServeStale
    }

    #[inline]
    fn create<E: Display>(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        match self.at_once() {
            Ok(AtOnce::Fresh) => Ok(Outcome::Fresh),
            Ok(AtOnce::Stale) => Ok(Outcome::Stale),
            Err(now) => self.create_unless_fresh(now, patience, creator),
        }
    }

    #[cold]
    fn create_unless_fresh<E: Display>(
        &self,
        now: u64,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        match block_on(self.access_unless_fresh(now, &Wait::new(patience)))? {
            Access::Fresh => Ok(Outcome::Fresh),
            Access::Stale => Ok(Outcome::Stale),
            Access::Waited => Ok(Outcome::Waited),
            Access::Elected(born, _) => self.create_here(Creation::new(Keeper::Borrowed(self), born), creator),
        }
    }

    fn create_here<'a, E: Display>(
        &self,
        creation: Creation<'a, Self>,
        creator: impl FnOnce(&Creation<'a, Self>) -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.created(creation.run_fallible(creator))
    }

    /// What an access meets that was elected.
    pub(super) fn created<E>(&self, created: Result<(), E>) -> Result<Outcome, CreateError<E>> {
        match created {
            Ok(()) => Ok(Outcome::Created),
            Err(_) if self.serves_stale() && self.has_value() => {
                self.tell_if_stale();
                Ok(Outcome::StaleOnError)
            }
            Err(error) => Err(CreateError::Failed(error)),
        }
    }

    #[inline]
    fn create_infallibly(
        &self,
        patience: Patience,
        creator: impl FnOnce(&Creation<'_, Self>),
    ) -> Result<Outcome, AcquireError> {
        self.create(patience, |creation| {
            creator(creation);
            Ok::<(), Infallible>(())
        })
    }

    /// As [`create`](Self::create), by a creator that a runner may be given.
    pub(super) fn create_in_background<'a, E: Display>(
        kept: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<(), E> + Send + 'static,
    ) -> Result<Outcome, CreateError<E>>
    where
        C: 'static,
    {
        let lock = kept.kept();
        match lock.access(patience)? {
            Access::Fresh => Ok(Outcome::Fresh),
            Access::Stale => Ok(Outcome::Stale),
            Access::Waited => Ok(Outcome::Waited),
            Access::Elected(born, need) => {
                let creation = Creation::new(kept.keeper(), born);
                if need == Need::Missing {
                    return lock.create_here(creation, creator);
                }
                creation.run_fallible_in_background(runner, creator);
                Ok(lock.goes_on(need))
            }
        }
    }

    /// What an access meets that needs something, and has handed it over.
    pub(crate) fn goes_on(&self, need: Need) -> Outcome {
        if need == Need::Due {
            return Outcome::Fresh;
        }
        self.tell_stale();
        Outcome::Stale
    }
}
