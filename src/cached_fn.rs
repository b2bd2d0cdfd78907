//! A function that keeps its result: [`Cached`] with its creator. What of it is for tasks is in [`tasks`], and the
//! calls that end an access of it in [`crate::access`].

mod tasks;

pub use tasks::{AsyncCreator, BoxedCreator, BoxedFuture, SpawnedCreator, cached_async};

use crate::access::{
    Access, AsyncAccess, ByItself, Fails, ForEver, Function, FunctionCannotFail, FunctionInBackground, FunctionKept,
    Keep, Keeps, Kept, Refers, Shares, Tells,
};
use crate::cached::{Cached, CachedGuard, Made, Reader, Renewal};
use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::Status;
use crate::election::Generation;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::lock::ruled;
use crate::runner::Runner;
use crate::sync::{Arc, const_fn};
use crate::wait::{Wait, block_on};
use std::convert::Infallible;
use std::fmt;
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
    label = "not `Fn() -> {T}`, `Fn() -> Result<{T}, E>`, `Fn(&Renewal<'_, {T}, C>) -> Made<{T}>` or that in a \
             `Result`",
    note = "write the argument of a closure out, as in `|renewal: &Renewal<'_, {T}>|`",
    note = "one that can fail is asked by `try_get`",
    note = "one that gives a future is asked by tasks: `access_async().get().await`"
)]
pub trait Creator<T, C: Clock, Kind> {
    /// What it can fail with: [`Infallible`], for those that cannot.
    type Error: Cause;

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

    /// [`BoxedCreator`](crate::BoxedCreator).
    #[derive(Debug)]
    pub enum Boxed {}
}

impl<T, C: Clock, F: Fn() -> T> Creator<T, C, kind::Plain> for F {
    type Error = Infallible;

    fn create(&self, _: &Renewal<'_, T, C>) -> Result<Made<T>, Infallible> {
        Ok(Made::new(self()))
    }
}

impl<T, C: Clock, E: Cause, F: Fn() -> Result<T, E>> Creator<T, C, kind::Fallible<E>> for F {
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

impl<T, C: Clock, E: Cause, F> Creator<T, C, kind::FallibleWith<E>> for F
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
/// It derefs to its [`Status`], which answers `freshness`, `age` and so on. [`Cached`] says who runs the function, who
/// waits and who gets the old value when several threads come at once.
///
/// [`Creator`] lists what a `CachedFn` can be made of; [`AsyncCreator`] does for tasks, and [`SpawnedCreator`] for
/// tasks that are spawned. It is called by threads, or gives futures and is called by tasks; where both are to have one
/// value, share a [`Cached`], with a creator for each. For functions with arguments see
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
///     Ok(HOSTS.try_get()?.contains(host))
/// }
/// # let _ = knows("localhost");
/// # assert!(HOSTS.age().is_some() || fs::metadata("/etc/hosts").is_err());
/// HOSTS.invalidate();
/// assert!(!HOSTS.has_value());
/// ```
///
/// Each value is a result of the function, or was [set](Self::set) from outside: no access is told another creator.
///
/// ```compile_fail,E0599
/// # use std::time::Duration;
/// let answer = dogpile::cached(Duration::MAX, || 42);
/// answer.get_or_create(|| 7);
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
///
/// (A field for a function that gives futures is a [`BoxedCreator`].)
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
    /// assert_eq!(*port.try_get()?, 80);
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

    ruled! {
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
        ///
        /// // One that can fail:
        /// fn load() -> std::io::Result<u8> {
        ///     Ok(42)
        /// }
        /// static FILE: CachedFn<u8, fn() -> std::io::Result<u8>> =
        ///     CachedFn::new(Duration::from_secs(60), load as fn() -> _).with_policy(&POLICY);
        /// assert_eq!(*FILE.try_get()?, 42);
        /// # Ok::<(), dogpile::CreateError<std::io::Error>>(())
        /// ```
        by cached.dogpile.status
    }

    /// Gives the value, made if need be. As [`Cached::get_or_create`]; short for [`access().get()`](Access::get). Of a
    /// function that can fail: [`try_get`](Self::try_get).
    ///
    /// Blocks as long as the function runs, if this access is elected, or while there is no value and another thread
    /// makes it.
    ///
    /// # Panics
    ///
    /// If this thread is running the function already and would wait for itself; if the function does.
    #[inline]
    #[track_caller]
    pub fn get<K>(&self) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error: FunctionCannotFail>,
    {
        self.cached
            .access()
            .or_create_apart(|renewal| self.creator.create(renewal).unwrap_or_else(|error| match error.fails() {}))
    }

    /// As [`get`](Self::get), of a function that can fail. Its errors are its caller's, and not kept. As
    /// [`Cached::get_or_try_create`]; short for [`access().try_get()`](Access::try_get).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If the function does.
    #[inline]
    pub fn try_get<K>(&self) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.cached.access().or_try_create_with(|renewal| self.creator.create(renewal))
    }

    /// Makes the value anew, though it be fresh, and returns one whose making began after this call did. Short for
    /// [`access().anew().get()`](Access::anew).
    ///
    /// Blocks as long as the function runs, here or in another thread. Readers carry on with the old value meanwhile.
    /// If another thread is making a value already, this call waits for that to end, and then makes another, or gets
    /// the one that a third thread has begun to make since. So of many that refresh at once few run the function, one
    /// at a time (L1).
    ///
    /// By [`access().anew()`](Access::anew) a refresh may have a [time-out](Access::timeout), and a function that can
    /// fail. If the time is out or the function fails, the value stays, and is stale, for the next access to make anew.
    /// (It is returned in place of the function's error, if the policy [says so](crate::OnError::ServeStale).)
    ///
    /// # Panics
    ///
    /// If this thread is running the function already and would wait for itself; if the function does.
    #[track_caller]
    pub fn refresh<K>(&self) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error: FunctionCannotFail>,
    {
        self.access().anew().get()
    }

    /// Begins an access, which ends in [`get`](Access::get) or [`try_get`](Access::try_get). Never blocks: nothing
    /// happens before that.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, cached};
    /// use std::time::Duration;
    ///
    /// let answer = cached(Duration::from_secs(60), || 42 /* slow */);
    /// assert_eq!(*answer.access().timeout(Duration::from_secs(1)).get()?, 42);
    /// assert_eq!(*answer.access().anew().timeout(Duration::from_secs(1)).get()?, 42, "made once more");
    /// # Ok::<(), AcquireError>(())
    /// ```
    pub fn access(&self) -> Access<&Self, ByItself> {
        Access::new(self, ByItself)
    }

    /// As [`access`](Self::access), with a creation that shares the function and may outlive the caller: [in the
    /// background](Access::in_background). Never blocks.
    ///
    /// The function is given by `&Arc<CachedFn<…>>` (that of a struct around the function will not do), or by a
    /// reference to a `static`. A function in a `static` needs no `kept`: its [`access`](Self::access) does.
    ///
    /// With this and [`refresh_at`](crate::PolicyBuilder::refresh_at) no thread waits for a value that is in use, nor
    /// sees it expired, as long as making it takes no longer than the rest of its lifetime. An access that is
    /// made [`anew`](Access::anew) calls the function on its own thread: rather [mark the value
    /// stale](Self::mark_stale).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedFn, Policy, Pool};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    /// static EARLY: Policy = Policy::builder().refresh_at(0.8).build_const();
    ///
    /// let rates = CachedFn::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */).with_policy(&EARLY);
    /// let rates = Arc::new(rates);
    /// assert_eq!(CachedFn::kept(&rates).in_background(&POOL).get()[1], 1.09);
    /// ```
    pub fn kept<K: Keep<Self>>(function: K) -> Access<Kept<K, Self>, ByItself> {
        Access::new(function.own(), ByItself)
    }

    /// Begins an access by a task, of a function that gives futures: see [`AsyncCreator`]. Never blocks: nothing
    /// happens before the future of the last call is polled.
    ///
    /// The function runs as a part of the task that asks. What holds for the [tasks of a
    /// `Cached`](crate::Cached#for-tasks) holds here.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::cached_async;
    /// use std::{io, time::Duration};
    ///
    /// async fn fetch() -> io::Result<Vec<f64>> {
    ///     Ok(vec![1.0, 1.09]) // slow
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let rates = cached_async::<Vec<f64>, _, _>(Duration::from_secs(600), fetch);
    /// assert_eq!(rates.access_async().try_get().await.unwrap()[1], 1.09);
    /// assert_eq!(rates.access_async().anew().try_get().await.unwrap()[1], 1.09, "made once more");
    /// # });
    /// ```
    pub fn access_async(&self) -> AsyncAccess<&Self, Self, ByItself> {
        AsyncAccess::new(self, ByItself)
    }

    /// As [`access_async`](Self::access_async), with a creation that shares the function and may outlive the caller: it
    /// is [spawned](AsyncAccess::spawned_by), of a function as [`SpawnedCreator`] says. Never blocks.
    ///
    /// The function is given by `&Arc<CachedFn<…>>`, or by a reference to a `static`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedFn, Task, cached_async};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// async fn fetch() -> Vec<f64> {
    ///     vec![1.0, 1.09] // slow
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let spawner = |task: Task| drop(tokio::spawn(task));
    /// let rates = Arc::new(cached_async(Duration::from_secs(600), fetch));
    /// assert_eq!(CachedFn::kept_async(&rates).spawned_by(&spawner).try_get().await.unwrap()[1], 1.09);
    /// # });
    /// ```
    pub fn kept_async<K: Keep<Self>>(function: K) -> AsyncAccess<Kept<K, Self>, Self, ByItself> {
        AsyncAccess::new(function.own(), ByItself)
    }

    /// An access by a thread.
    fn call<K, W>(&self, wait: &Wait) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
        W: Tells<F::Error>,
    {
        let cached = &self.cached;
        let run = |born| {
            let renewal = Renewal::new(Keeper::Borrowed(cached), born);
            let creator = |renewal: &_| self.creator.create(renewal).map_err(W::As::take);
            ready(renewal.renew(creator).map_err(CreateError::Failed))
        };
        W::told(wait, cached.at_once(wait.glance()).map_or_else(|| block_on(cached.get_by(wait, run)), Ok))
    }
}

/// What a thread reaches a function by, and what of that a runner may be given.
macro_rules! reached_by {
    ($($reached:ty, $kept:ty;)+) => {$(
        impl<T, F, C, Kind> Function<Kind> for $reached
        where
            F: Creator<T, C, Kind>,
            C: Clock,
        {
            type Got = CachedGuard<T>;
            type Error = F::Error;
            type StoreError = Infallible;

            fn call<W: Tells<F::Error>>(self, wait: &Wait) -> FunctionKept<Self, Kind> {
                let function: &CachedFn<T, F, C> = self.refer();
                function.call::<Kind, W>(wait)
            }
        }

        impl<T, F, C, Kind> FunctionInBackground<Kind> for $kept
        where
            T: Send + Sync + 'static,
            F: Creator<T, C, Kind> + Send + Sync + 'static,
            C: Clock + 'static,
        {
            fn call_in_background<W: Tells<F::Error>>(
                self,
                wait: &Wait,
                runner: &(impl Runner + ?Sized),
            ) -> FunctionKept<Self, Kind> {
                let own = Keeps::<CachedFn<T, F, C>>::own(self);
                hand_over::<_, _, _, _, W>(own, wait, runner)
            }
        }
    )+};
}

reached_by! {
    &CachedFn<T, F, C>, &'static CachedFn<T, F, C>;
    &Arc<CachedFn<T, F, C>>, &Arc<CachedFn<T, F, C>>;
    ForEver<CachedFn<T, F, C>>, ForEver<CachedFn<T, F, C>>;
}

fn hand_over<T, F, C, Kind, W>(
    function: impl Shares<CachedFn<T, F, C>>,
    wait: &Wait,
    runner: &(impl Runner + ?Sized),
) -> Result<CachedGuard<T>, CreateError<F::Error>>
where
    T: Send + Sync + 'static,
    F: Creator<T, C, Kind> + Send + Sync + 'static,
    C: Clock + 'static,
    W: Tells<F::Error>,
{
    if let Some(guard) = function.refer().cached.at_once(wait.glance()) {
        return Ok(guard);
    }
    let elected = || {
        // One hold for the creation, one for its creator.
        let kept = function.share();
        let creator = move |renewal: &Renewal<'static, T, C>| kept.creator.create(renewal).map_err(W::As::take);
        (CachedOf::keeper(function), creator)
    };
    W::told(wait, function.refer().cached.hand_over(elected, wait, runner))
}

/// # Without the function
///
/// What is asked and said of the value that is there, as of one of a [`Cached`]. None of it runs the function.
impl<T, F, C: Clock> CachedFn<T, F, C> {
    /// The value, if it is fresh; `None` otherwise. As [`Cached::get_fresh`]. Never blocks.
    #[inline]
    #[must_use]
    pub fn get_fresh(&self) -> Option<CachedGuard<T>> {
        self.cached.get_fresh()
    }

    /// The value, fresh or stale; `None` if it is missing. As [`Cached::peek`]. Never blocks.
    #[must_use]
    pub fn peek(&self) -> Option<CachedGuard<T>> {
        self.cached.peek()
    }

    /// A handle for a thread or a task that reads all the time, by `reader.by(|_| function.get())`. As
    /// [`Cached::reader`]. Never blocks.
    #[inline]
    pub fn reader(&self) -> Reader<'_, T, C> {
        self.cached.reader()
    }

    /// Puts a value there, which counts as a result of the function: it is fresh from now on. As [`Cached::set`].
    /// Blocks only for moments.
    pub fn set(&self, value: T) {
        self.cached.set(value);
    }

    /// As [`set`](Self::set), with a value that says itself how long it lives. As [`Cached::set_expiring`]. Blocks only
    /// for moments.
    pub fn set_expiring(&self, value: T, expires_after: Duration) {
        self.cached.set_expiring(value, expires_after);
    }

    /// Forgets the value: the next access runs the function, the others wait for it. As [`Cached::invalidate`]. Blocks
    /// only for moments.
    pub fn invalidate(&self) {
        self.cached.invalidate();
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did. As
    /// [`Cached::invalidate_if`]. Blocks only for moments.
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        self.cached.invalidate_if(seen)
    }

    /// Makes the value stale: the next access runs the function, the others carry on with the old value. As
    /// [`Cached::mark_stale`]. Never blocks on a run of the function.
    pub fn mark_stale(&self) {
        self.cached.mark_stale();
    }
}

/// What holds a function, and so its `Cached`.
struct CachedOf<T: 'static, F: 'static, C: Clock + 'static>(Keeper<'static, CachedFn<T, F, C>>);

impl<T: Send + Sync, F: Send + Sync, C: Clock> CachedOf<T, F, C> {
    fn keeper(function: impl Shares<CachedFn<T, F, C>>) -> Keeper<'static, Cached<T, C>> {
        Keeper::Held(Box::new(Self(function.share())))
    }
}

impl<T, F, C: Clock> Deref for CachedOf<T, F, C> {
    type Target = Cached<T, C>;

    fn deref(&self) -> &Cached<T, C> {
        &self.0.cached
    }
}

impl<T, F, C: Clock> Deref for CachedFn<T, F, C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.cached
    }
}

impl<T, F, C: Clock> fmt::Debug for CachedFn<T, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedFn").field(&self.cached).finish()
    }
}
