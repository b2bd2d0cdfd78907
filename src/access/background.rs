//! Accesses whose creation is handed over to a runner: see [`runner`](crate::runner).

use super::after;
use super::serve::{Served, Serves, ServesInBackground};
use super::{Access, ByThread, CannotFail, Origin, Reach, Sets, Tells, Waits, refused};
use crate::creation::Creation;
use crate::derived::opaque;
use crate::error::never;
use crate::failure::{Cause, Takes};
use crate::lock::Lock;
use crate::runner::Runner;
use std::convert::Infallible;

/// An access after its step [`in_background`](Access::in_background). If it is elected and has an old value, it gives
/// its creation to a [`Runner`].
///
/// Its terminals give what the terminals of an [`Access`] give. If the creation was handed over, the outcome is
/// [`Stale`](crate::Outcome::Stale); if the value is only [due](crate::PolicyBuilder::refresh_at), it is
/// [`Fresh`](crate::Outcome::Fresh); if a [soft time-out](Access::soft_timeout) has brought the new value, it is
/// [`Waited`](crate::Outcome::Waited).
///
/// # Panics
///
/// A panic of the runner goes on to the caller, and the creation is given up. A panic of a creator that was handed over
/// ends in its job, as a failed creation.
#[must_use = "nothing happens before the access ends in `or_create` or `or_try_create`"]
pub struct InBackground<'r, K, S, W, R: ?Sized> {
    pub(super) access: Access<K, S, W>,
    pub(super) runner: &'r R,
}

/// # In the background
impl<K, S, W: Waits> Access<K, S, W> {
    /// Has an elected access with an old value give its creator to `runner`, and go on with the old value at once.
    ///
    /// **The creator runs on the caller's thread in these cases:** there is no old value, or the access asks for
    /// another value than the old one, by [`anew`](Self::anew) or [`renew_if`](Self::renew_if). In these cases the
    /// access would have to wait for the runner anyway. To have a fresh value renewed by the runner,
    /// [mark](crate::Cached::mark_stale) the value as stale in place of `anew`.
    ///
    /// This is the last step: a getter, a setter and a time-out come before it. (A time-out bounds no creator: see
    /// [`timeout`](Self::timeout).) The lock outlives the access: the lock is in a `static`, or the access is
    /// [`kept`](crate::Dogpile::kept) by an `Arc` or a [`Held`](crate::Held). The creator and the setter are `Send` and
    /// `'static`. The getter runs on the caller's thread.
    ///
    /// The page [background](crate::guide::background) of the guide says more of runners and their jobs.
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
    ///     Dogpile::kept(&fresh).in_background(&POOL).or_try_create_with(move |creation| {
    ///         let made = vec![1.0, 1.09]; // slow
    ///         creation.publish(|| *rates.write().unwrap() = made) // or it fails: it was invalidated meanwhile
    ///     })
    /// };
    /// assert_eq!(access(), Ok(Outcome::Created), "there was nothing to go on with");
    /// fresh.mark_stale();
    /// assert_eq!(access(), Ok(Outcome::Stale), "the pool creates");
    /// ```
    pub fn in_background<R: Runner + ?Sized>(self, runner: &R) -> InBackground<'_, K, S, W, R> {
        InBackground { access: self, runner }
    }
}

/// # By a creator that cannot fail
impl<'a, K: Reach<'a, 'static>, S: Origin<ByThread>, W: Waits, R: Runner + ?Sized> InBackground<'_, K, S, W, R>
where
    K::Lock: ServesInBackground<S>,
{
    /// As [`Access::or_create`], by a creator that another thread may run.
    ///
    /// Blocks until the runner has returned, if the creation is handed over. Otherwise blocks as `Access::or_create`
    /// does.
    ///
    /// # Errors
    ///
    /// As `Access::or_create`.
    ///
    /// # Panics
    ///
    /// As `Access::or_create`. A panic of the runner goes on to the caller.
    #[track_caller]
    pub fn or_create(
        self,
        creator: impl FnOnce() -> S::Made + Send + 'static,
    ) -> W::Gives<<K::Lock as Lock>::Got<'a, S::Value>>
    where
        S::Error: CannotFail,
        S::Setter: Sets<S::Value, Infallible> + Send + 'static,
    {
        self.or_create_with(|_| S::with(creator()))
    }

    /// As [`Access::or_create_with`], by a creator that another thread may run. Such a creator has more reason to ask
    /// whether the value is [still wanted](Creation::is_superseded).
    ///
    /// # Errors
    ///
    /// As [`or_create`](Self::or_create).
    ///
    /// # Panics
    ///
    /// As [`or_create`](Self::or_create).
    #[track_caller]
    pub fn or_create_with(
        self,
        creator: impl FnOnce(&Creation<'static, K::Lock>) -> S::MadeWith + Send + 'static,
    ) -> W::Gives<<K::Lock as Lock>::Got<'a, S::Value>>
    where
        S::Error: CannotFail,
        S::Setter: Sets<S::Value, Infallible> + Send + 'static,
    {
        let Self { access: Access { lock, source, waits }, runner } = self;
        W::give(match lock.lock().look(waits.glance()) {
            Ok(got) => Ok(after((creator, source), got)),
            Err(missed) => {
                let (wait, creator) = (&waits.wait(false), |creation: &_| never(creator(creation)));
                K::Lock::serve_in_background::<Infallible, Infallible>(lock, runner, missed, wait, source, creator)
                    .map_err(refused)
            }
        })
    }
}

/// # What can fail
impl<'a, K: Reach<'a, 'static>, S: Origin<ByThread>, W: Waits, R: Runner + ?Sized> InBackground<'_, K, S, W, R>
where
    K::Lock: ServesInBackground<S>,
{
    /// As [`Access::or_try_create`], by a creator that another thread may run. If the creator fails there, its creation
    /// has failed, and only an [`Observer`](crate::Observer) is told the error.
    ///
    /// # Errors
    ///
    /// As `Access::or_try_create`.
    ///
    /// # Panics
    ///
    /// A panic of the getter or the runner goes on to the caller. So does a panic of the creator or the setter, if this
    /// thread creates.
    pub fn or_try_create<E: Cause>(
        self,
        creator: impl FnOnce() -> Result<S::Made, E> + Send + 'static,
    ) -> Served<'a, K::Lock, S, E>
    where
        W: Tells<E>,
        S::Setter: Sets<S::Value, E> + Send + 'static,
    {
        self.or_try_create_with(|_| creator().map(S::with))
    }

    /// As [`or_try_create`](Self::or_try_create), by a creator that is handed its [`Creation`], as
    /// [`Access::or_create_with`] says.
    ///
    /// # Errors
    ///
    /// As `or_try_create`.
    ///
    /// # Panics
    ///
    /// As `or_try_create`.
    pub fn or_try_create_with<E: Cause>(
        self,
        creator: impl FnOnce(&Creation<'static, K::Lock>) -> Result<S::MadeWith, E> + Send + 'static,
    ) -> Served<'a, K::Lock, S, E>
    where
        W: Tells<E>,
        S::Setter: Sets<S::Value, E> + Send + 'static,
    {
        let Self { access: Access { lock, source, waits }, runner } = self;
        match lock.lock().look(waits.glance()) {
            Ok(got) => Ok(after((creator, source), got)),
            Err(missed) => {
                let (wait, creator) = (&waits.begin(), |creation: &_| creator(creation).map_err(W::As::take));
                let served = K::Lock::serve_in_background::<E, W::As>(lock, runner, missed, wait, source, creator);
                W::told(wait, served)
            }
        }
    }
}

opaque! { [K, S, W, R: ?Sized] InBackground<'_, K, S, W, R>, "InBackground" }
