//! A function that keeps its result: [`Cached`] with its creator. What of it is for tasks is in [`tasks`].

mod tasks;

pub use tasks::{AsyncCreator, cached_async};

use crate::cached::{Cached, CachedGuard, Made, Renewal};
use crate::clock::{Clock, MonotonicClock};
use crate::error::{AcquireError, CreateError, or_deadlock};
use crate::keeper::{Keep, Keeper};
use crate::lock::Elects;
use crate::policy::Policy;
use crate::runner::Runner;
use crate::sync::{Arc, const_fn};
use crate::wait::{FOREVER, Patience, Wait, block_on};
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::ready;
use std::ops::Deref;
use std::time::Duration;

/// What a [`CachedFn`] can be made of. `Kind` tells the four apart and is never named.
///
/// | a function | which |
/// |---|---|
/// | `Fn() -> T` | makes the value |
/// | `Fn() -> Result<T, E>` | can fail |
/// | `Fn(&Renewal<'_, T, C>) -> Made<T>` | looks at the old value, answers "unchanged", or how long the new one lives |
/// | `Fn(&Renewal<'_, T, C>) -> Result<Made<T>, E>` | all of that |
///
/// The argument of a closure has to be written out: `|renewal: &Renewal<'_, Keys>|`.
#[diagnostic::on_unimplemented(
    message = "a `CachedFn` of `{T}` cannot be made of this",
    label = "not `Fn() -> {T}`, `Fn() -> Result<{T}, E>`, `Fn(&Renewal<'_, {T}, C>) -> Made<{T}>` or that in a `Result`",
    note = "write the argument of a closure out, as in `|renewal: &Renewal<'_, {T}>|`; one that can fail is asked by `get_fallible`"
)]
pub trait Creator<T, C: Clock, Kind> {
    /// What it can fail with: [`Infallible`], for those that cannot.
    type Error: Display;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn create(&self, renewal: &Renewal<'_, T, C>) -> Result<Made<T>, Self::Error>;
}

/// The kinds of [`Creator`].
#[doc(hidden)]
pub mod kind {
    use std::marker::PhantomData;

    #[derive(Debug)]
    pub enum Plain {}
    #[derive(Debug)]
    pub struct Fallible<E>(PhantomData<E>);
    #[derive(Debug)]
    pub enum With {}
    #[derive(Debug)]
    pub struct FallibleWith<E>(PhantomData<E>);

    // Without the error's type: with its lifetimes in it, a future would hardly ever be `Send`.
    /// `Fn() -> impl Future<Output = Result<T, E>>`.
    #[derive(Debug)]
    pub enum FallibleFuture {}

    /// `AsyncFn(&Renewal<'_, T, C>) -> Result<Made<T>, E>`.
    #[derive(Debug)]
    pub enum FallibleFutureWith {}
}

impl<T, C: Clock, F: Fn() -> T> Creator<T, C, kind::Plain> for F {
    type Error = Infallible;

    fn create(&self, _: &Renewal<'_, T, C>) -> Result<Made<T>, Infallible> {
        Ok(Made::new(self()))
    }
}

impl<T, C: Clock, E: Display, F: Fn() -> Result<T, E>> Creator<T, C, kind::Fallible<E>> for F {
    type Error = E;

    fn create(&self, _: &Renewal<'_, T, C>) -> Result<Made<T>, E> {
        self().map(Made::new)
    }
}

impl<T, C: Clock, F: Fn(&Renewal<'_, T, C>) -> Made<T>> Creator<T, C, kind::With> for F {
    type Error = Infallible;

    fn create(&self, renewal: &Renewal<'_, T, C>) -> Result<Made<T>, Infallible> {
        Ok(self(renewal))
    }
}

impl<T, C: Clock, E: Display, F> Creator<T, C, kind::FallibleWith<E>> for F
where
    F: Fn(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
{
    type Error = E;

    fn create(&self, renewal: &Renewal<'_, T, C>) -> Result<Made<T>, E> {
        self(renewal)
    }
}

/// A function that keeps its result, and is run again when that has expired: a [`Cached`] that knows its creator.
///
/// It derefs to its [`Cached`], for everything that does not create: `try_get`, `get_stale`, `set`, `take`,
/// `invalidate`, `invalidate_if`, `mark_stale`, `age` and so on. Who runs the function, who waits and who gets the old
/// value when several threads come at once, is said there.
///
/// What it can be made of is listed at [`Creator`]. For functions with arguments see
/// [`cached_by_key`](crate::cached_by_key()).
///
/// # Examples
///
/// ```
/// use dogpile::{CachedFn, CreateError};
/// use std::{fs, io, time::Duration};
///
/// static HOSTS: CachedFn<String, fn() -> io::Result<String>> =
///     CachedFn::new(Duration::from_secs(60), || fs::read_to_string("/etc/hosts"));
///
/// fn knows(host: &str) -> Result<bool, CreateError<io::Error>> {
///     Ok(HOSTS.get_fallible()?.contains(host))
/// }
/// # let _ = knows("localhost");
/// # assert!(HOSTS.age().is_some() || fs::metadata("/etc/hosts").is_err());
/// HOSTS.invalidate();
/// assert!(!HOSTS.has_value());
/// ```
///
/// In a field, with a closure that captures something:
///
/// ```
/// use dogpile::CachedFn;
/// use std::time::Duration;
///
/// struct Service {
///     limits: CachedFn<Vec<u32>, Box<dyn Fn() -> Vec<u32> + Send + Sync>>,
/// }
///
/// let base = 10;
/// let service = Service { limits: CachedFn::new(Duration::from_secs(60), Box::new(move || vec![base, base * 2])) };
/// assert_eq!(service.limits.get()[1], 20);
/// ```
pub struct CachedFn<T, F = fn() -> T, C: Clock = MonotonicClock> {
    cached: Cached<T, C>,
    creator: F,
}

const_fn! {
    /// Has a function keep its result for `expires_after`: short for [`CachedFn::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::cached;
    /// use std::time::Duration;
    ///
    /// let base = 40;
    /// let answer = cached(Duration::from_secs(60), move || base + 2 /* slow */);
    /// assert_eq!(*answer.get(), 42);
    /// ```
    ///
    /// One that can fail says what of (or the compiler cannot tell whether its `Result` is the value): its errors are
    /// not kept.
    ///
    /// ```
    /// use dogpile::{CachedFn, cached};
    /// use std::time::Duration;
    ///
    /// let port: CachedFn<u16, _> = cached(Duration::from_secs(60), || "80".parse::<u16>());
    /// assert_eq!(*port.get_fallible()?, 80);
    /// # Ok::<(), dogpile::CreateError<std::num::ParseIntError>>(())
    /// ```
    #[must_use]
    pub const fn cached<T, F: Creator<T, MonotonicClock, Kind>, Kind>(
        expires_after: Duration,
        function: F,
    ) -> CachedFn<T, F> {
        CachedFn::new(expires_after, function)
    }
}

impl<T, F> CachedFn<T, F> {
    const_fn! {
        /// Has `creator` keep its result for `expires_after`, as [`Cached::new`] does. `Duration::MAX` never expires.
        #[must_use]
        pub const fn new(expires_after: Duration, creator: F) -> Self {
            Self::with_clock(expires_after, MonotonicClock, creator)
        }
    }
}

impl<T, F, C: Clock> CachedFn<T, F, C> {
    const_fn! {
        /// As [`new`](CachedFn::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C, creator: F) -> Self {
            Self { cached: Cached::with_clock(expires_after, clock), creator }
        }
    }

    const_fn! {
        /// Has it do as `policy` says as a result ages and when the function fails or hangs, in place of the
        /// [defaults](crate::Policy).
        ///
        /// Say the type before the function (`CachedFn::<u8>::new`), which is a closure of its own otherwise. In a
        /// field, where it is boxed, `Box::new(…) as _` will do.
        ///
        /// ```
        /// use dogpile::{CachedFn, Policy};
        /// use std::time::Duration;
        ///
        /// static POLICY: Policy = Policy::builder().creation_timeout(Duration::from_secs(5)).build_const();
        /// static ANSWER: CachedFn<u8> = CachedFn::<u8>::new(Duration::from_secs(60), || 42).with_policy(&POLICY);
        /// assert_eq!(*ANSWER.get(), 42);
        /// ```
        #[must_use]
        pub const fn with_policy(mut self, policy: &'static Policy) -> Self {
            self.cached.rule(policy);
            self
        }
    }

    /// As [`with_policy`](Self::with_policy), with a policy that is made at run time, and may be shared.
    #[must_use]
    pub fn with_shared_policy(mut self, policy: Arc<Policy>) -> Self {
        self.cached.dogpile_mut().share_rule(policy);
        self
    }

    /// The value, made if need be. As [`Cached::get_or_create`]. Of a function that can fail:
    /// [`get_fallible`](Self::get_fallible).
    ///
    /// Blocks as long as the function runs, if this access is elected, or while there is no value and somebody else
    /// makes it.
    ///
    /// # Panics
    ///
    /// If this thread is running the function already and would wait for itself; if the function does.
    #[inline]
    #[track_caller]
    pub fn get<K>(&self) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        match self.cached.at_once() {
            Some(guard) => guard,
            None => {
                or_deadlock(self.cached.get_unless_fresh(Patience::Infallible, |renewal| self.creator.create(renewal)))
            }
        }
    }

    /// As [`get`](Self::get), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`Cached::get_or_create_timeout`].
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn get_timeout<K>(&self, timeout: Duration) -> Result<CachedGuard<T>, AcquireError>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        self.get_fallible_timeout(timeout)
    }

    /// As [`get`](Self::get), of a function that can fail. Its errors are its caller's, and not kept. As
    /// [`Cached::get_or_try_create`].
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If the function does.
    #[inline]
    pub fn get_fallible<K>(&self) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.cached.get_or_try_create_with(|renewal| self.creator.create(renewal))
    }

    /// As [`get_fallible`](Self::get_fallible), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_fallible`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn get_fallible_timeout<K>(&self, timeout: Duration) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.cached.get_or_try_create_with_timeout(timeout, |renewal| self.creator.create(renewal))
    }

    /// Makes the value anew, though it be fresh, and returns one whose making began after this call did.
    ///
    /// Readers carry on with the old one meanwhile. If somebody else is making a value already, waits for that to end,
    /// and then makes another, or gets the one that yet somebody else has begun to make since. So of many that refresh
    /// at once few run the function, one at a time (L1).
    ///
    /// # Panics
    ///
    /// If this thread is running the function already and would wait for itself; if the function does.
    #[track_caller]
    pub fn refresh<K>(&self) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        or_deadlock(self.renewed(Patience::Infallible))
    }

    /// As [`refresh`](Self::refresh), but waits for others for `timeout` at most. If it does not come to it in time,
    /// the value is stale all the same, for the next access to make anew.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn refresh_timeout<K>(&self, timeout: Duration) -> Result<CachedGuard<T>, AcquireError>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        self.refresh_fallible_timeout(timeout)
    }

    /// As [`refresh`](Self::refresh), of a function that can fail. If it fails, the value stays, and is stale; and is
    /// returned, if the policy [says so](crate::OnError::ServeStale). In a [pause](crate::PolicyBuilder::retry_after)
    /// it is told of that.
    ///
    /// # Errors
    ///
    /// As [`get_fallible`](Self::get_fallible).
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn refresh_fallible<K>(&self) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.renewed(FOREVER)
    }

    /// As [`refresh_fallible`](Self::refresh_fallible), but waits for others for `timeout` at most, as
    /// [`refresh_timeout`](Self::refresh_timeout) does.
    ///
    /// # Errors
    ///
    /// As [`get_fallible`](Self::get_fallible), and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn refresh_fallible_timeout<K>(&self, timeout: Duration) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.renewed(Patience::For(timeout))
    }

    fn renewed<K>(&self, patience: Patience) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        let run = |renewal: Renewal<'_, T, C>| ready(renewal.run(|renewal| self.creator.create(renewal)));
        block_on(self.cached.renewed(&Wait::new(patience), run))
    }
}

/// # In the background
///
/// As the forms without that suffix, but an access that is elected and has an old value hands the function's run over
/// to a [`Runner`], and returns that value at once. If there is none, it runs the function on its own thread.
///
/// They are given what the function itself is [kept](Keep) by: a `static`, or an `Arc` (a field `Arc<CachedFn<…>>`:
/// that of the struct around it will not do). To have a fresh result made anew, [mark it stale](Cached::mark_stale)
/// before.
impl<T, F, C> CachedFn<T, F, C>
where
    T: Send + Sync + 'static,
    F: Send + Sync + 'static,
    C: Clock + 'static,
{
    /// As [`get`](Self::get), in the background: with this and [`refresh_at`](crate::PolicyBuilder::refresh_at) nobody
    /// waits for a value that is in use, nor sees it expired, as long as making it takes no longer than the rest of its
    /// lifetime.
    ///
    /// Blocks until the runner has taken the job; if there is no value, as `get` does.
    ///
    /// # Panics
    ///
    /// As `get`; if the runner does.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedFn, Policy, Pool};
    /// use std::time::Duration;
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    /// static POLICY: Policy = Policy::builder().refresh_at(0.8).build_const();
    /// static RATES: CachedFn<Vec<f64>> =
    ///     CachedFn::<Vec<f64>>::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */).with_policy(&POLICY);
    ///
    /// fn rate(currency: usize) -> f64 {
    ///     CachedFn::get_in_background(&RATES, &POOL)[currency]
    /// }
    /// assert_eq!(rate(1), 1.09);
    /// ```
    #[track_caller]
    pub fn get_in_background<'a, K>(function: impl Keep<'a, Self>, runner: &(impl Runner + ?Sized)) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        or_deadlock(Self::hand_over(function, runner, Patience::Infallible))
    }

    /// As [`get_in_background`](Self::get_in_background), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    ///
    /// # Panics
    ///
    /// If the function does on this thread, or the runner.
    pub fn get_in_background_timeout<'a, K>(
        function: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
    ) -> Result<CachedGuard<T>, AcquireError>
    where
        F: Creator<T, C, K, Error = Infallible>,
    {
        Self::hand_over(function, runner, Patience::For(timeout))
    }

    /// As [`get_in_background`](Self::get_in_background), of a function that can fail. In a job its error has no
    /// caller: it is what the [pause](crate::PolicyBuilder::retry_after) that may follow and an
    /// [`Observer`](crate::Observer) are told.
    ///
    /// # Errors
    ///
    /// As [`get_fallible`](Self::get_fallible).
    ///
    /// # Panics
    ///
    /// If the function does on this thread, or the runner.
    pub fn get_fallible_in_background<'a, K>(
        function: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
    ) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        Self::hand_over(function, runner, FOREVER)
    }

    /// As [`get_fallible_in_background`](Self::get_fallible_in_background), but waits for others for `timeout` at most.
    ///
    /// # Errors
    ///
    /// As `get_fallible_in_background`, and [`CreateError::TimedOut`].
    ///
    /// # Panics
    ///
    /// If the function does on this thread, or the runner.
    pub fn get_fallible_in_background_timeout<'a, K>(
        function: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        timeout: Duration,
    ) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        Self::hand_over(function, runner, Patience::For(timeout))
    }

    fn hand_over<'a, K>(
        function: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
    ) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        let cached = &function.kept().cached;
        if let Some(guard) = cached.at_once() {
            return Ok(guard);
        }
        cached.get_or_hand_over(runner, patience, || {
            // One hold for the creation, one for its creator.
            let (keeper, kept) = (CachedOf(function.keeper()), function.keeper());
            let creator = move |renewal: &Renewal<'static, T, C>| kept.creator.create(renewal);
            (Keeper::Held(Box::new(keeper)), creator)
        })
    }
}

/// What a function that is kept keeps.
struct CachedOf<T: 'static, F: 'static, C: Clock + 'static>(Keeper<'static, CachedFn<T, F, C>>);

impl<T, F, C: Clock> Deref for CachedOf<T, F, C> {
    type Target = Cached<T, C>;

    fn deref(&self) -> &Cached<T, C> {
        &self.0.cached
    }
}

impl<T, F, C: Clock> Deref for CachedFn<T, F, C> {
    type Target = Cached<T, C>;

    #[inline]
    fn deref(&self) -> &Cached<T, C> {
        &self.cached
    }
}

impl<T: fmt::Debug, F, C: Clock> fmt::Debug for CachedFn<T, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedFn").field(&self.cached).finish()
    }
}
