//! A function that keeps its result: a [`Cached`] with its creator.
//!
//! Creators for tasks are in [`tasks`], and the terminals of an access in [`crate::access`].

mod tasks;

pub use tasks::{AsyncCreator, BoxedCreator, BoxedFuture, SpawnedCreator, cached_async};

use crate::access::{
    Access, AsyncAccess, ByItself, Fails, ForEver, Function, FunctionCannotFail, FunctionInBackground, FunctionResult,
    Keep, Keeps, Kept, Refers, Shares, Tells,
};
use crate::cached::{Cached, CachedGuard, Made, Reader, Renewal};
use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::Status;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::generation::Generation;
use crate::keeper::Keeper;
use crate::ruled::ruled;
use crate::runner::Runner;
use crate::sync::{Arc, const_fn};
use crate::wait::{Wait, block_on};
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::ops::Deref;
use std::time::Duration;

/// A function that a [`CachedFn`] can be made of, for threads.
///
/// | function | can fail | is handed its [`Renewal`] |
/// |---|---|---|
/// | `Fn() -> T` | no | no |
/// | `Fn() -> Result<T, E>` | yes | no |
/// | `Fn(&Renewal<'_, T, C>) -> Made<T>` | no | yes |
/// | `Fn(&Renewal<'_, T, C>) -> Result<Made<T>, E>` | yes | yes |
///
/// With its [`Renewal`] a function can look at the old value, and can answer that the value is unchanged. With a
/// [`Made`] it can say how long the new value lives.
///
/// A closure has to write out the type of its argument: `|renewal: &Renewal<'_, Keys>|`.
///
/// `Kind` tells the four apart. A program never names it.
#[diagnostic::on_unimplemented(
    message = "a `CachedFn` of `{T}` cannot be made of this",
    label = "not `Fn() -> {T}`, `Fn() -> Result<{T}, E>`, `Fn(&Renewal<'_, {T}, C>) -> Made<{T}>` or that in a \
             `Result`",
    note = "write the argument of a closure out, as in `|renewal: &Renewal<'_, {T}>|`",
    note = "one that can fail is asked by `try_get`",
    note = "one that gives a future is asked by tasks: `access_async().get().await`"
)]
pub trait Creator<T, C: Clock, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
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

    // The kinds of futures do not name the type of the error. A lifetime in that type would keep almost every future
    // from being `Send`.
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

/// A function that keeps its result, and runs again when the result has expired: a [`Cached`] that knows its creator.
///
/// When several threads need a new value at once, exactly one of them is elected to run the function. The others return
/// the old value, and wait only if there is none. [`Cached`] describes this in full.
///
/// A `CachedFn` derefs to its [`Status`], which answers questions such as `freshness` and `age`.
///
/// | the function | is a |
/// |---|---|
/// | returns the value, and is called by threads | [`Creator`] |
/// | returns a future, and is called by tasks | [`AsyncCreator`] |
/// | returns a future that is spawned as a task of its own | [`SpawnedCreator`] |
///
/// If threads and tasks need the same value, share a [`Cached`] between them, with a creator for each. For functions
/// with arguments see [`cached_by_key`](crate::cached_by_key()).
///
/// # Examples
///
/// ```
/// use dogpile::CachedFn;
/// use std::time::Duration;
///
/// static RATES: CachedFn<Vec<f64>> = CachedFn::new(Duration::from_secs(600), || {
///     vec![1.0, 1.09] // slow: one thread in ten minutes comes here
/// });
/// assert_eq!(RATES.get()[1], 1.09);
/// ```
///
/// A function that can fail is called by [`try_get`](Self::try_get):
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
/// match knows("localhost") {
///     Ok(knows) => println!("{knows}"),
///     Err(error) => println!("{error}"),
/// }
/// HOSTS.invalidate();
/// assert!(!HOSTS.has_value());
/// ```
///
/// Each value is a result of the function, or was [set](Self::set) from outside. An access cannot bring a creator of
/// its own:
///
/// ```compile_fail,E0599
/// use std::time::Duration;
///
/// let answer = dogpile::cached(Duration::MAX, || 42);
/// answer.get_or_create(|| 7);
/// ```
///
/// A field can hold a closure that captures something, in a box:
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
/// A field can hold a function that returns futures as a [`BoxedCreator`].
pub struct CachedFn<T, F = fn() -> T, C: Clock = MonotonicClock> {
    cached: Cached<T, C>,
    creator: F,
}

const_fn! {
    /// Makes a function keep its result for `expires_after`. Short for [`CachedFn::new`].
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
    /// With a function that can fail, write out the type of the value. Otherwise the compiler cannot tell whether the
    /// `Result` itself is the value. Errors are not kept.
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
        /// Makes a function that keeps its result for `expires_after`. Precision and zero are as for [`Cached::new`].
        /// With `Duration::MAX` a value never expires.
        #[must_use]
        pub const fn new(expires_after: Duration, creator: F) -> Self {
            Self::with_clock(expires_after, MonotonicClock, creator)
        }
    }
}

impl<T, F, C: Clock> CachedFn<T, F, C> {
    const_fn! {
        /// Makes a function that keeps its result, as [`new`](CachedFn::new) does, on a clock of the user's.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C, creator: F) -> Self {
            Self { cached: Cached::with_clock(expires_after, clock), creator }
        }
    }

    ruled! {
        /// Gives a policy to this function, in place of the [defaults](crate::Policy). The policy says how a value
        /// ages, and what happens when the function fails or hangs.
        ///
        /// In a `static`, name the type before `new` (`CachedFn::<u8>::new`). Otherwise the closure keeps a type of its
        /// own, which does not fit the type of the `static`. In a field, where the closure is boxed, write
        /// `Box::new(…) as _`.
        ///
        /// ```
        /// use dogpile::{CachedFn, Policy};
        /// use std::time::Duration;
        ///
        /// static POLICY: Policy = Policy::builder().creation_timeout(Duration::from_secs(5)).build_const();
        /// static ANSWER: CachedFn<u8> = CachedFn::<u8>::new(Duration::from_secs(60), || 42).with_policy(&POLICY);
        /// assert_eq!(*ANSWER.get(), 42);
        ///
        /// // With a function that can fail:
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

    /// Returns the value, made by the function if need be.
    ///
    /// Blocks while the function runs, if this access is elected. Blocks while another thread makes the value, if there
    /// is none yet.
    ///
    /// As [`Cached::get_or_create`]. Short for [`access().get()`](Access::get). A function that can fail is called by
    /// [`try_get`](Self::try_get).
    ///
    /// # Panics
    ///
    /// Panics if this thread is already running the function, and so would wait for itself. A panic of the function
    /// goes on to the caller.
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

    /// Returns the value, as [`get`](Self::get) does, where the function can fail.
    ///
    /// Blocks as `get` does. An error of the function goes to the caller of this access, and is not kept.
    ///
    /// As [`Cached::get_or_try_create`]. Short for [`access().try_get()`](Access::try_get).
    ///
    /// # Errors
    ///
    /// As [`Cached::get_or_try_create`].
    ///
    /// # Panics
    ///
    /// A panic of the function goes on to the caller.
    #[inline]
    pub fn try_get<K>(&self) -> Result<CachedGuard<T>, CreateError<F::Error>>
    where
        F: Creator<T, C, K>,
    {
        self.cached.access().or_try_create_with(|renewal| self.creator.create(renewal))
    }

    /// Makes the value anew, even if it is fresh. The function begins to make the returned value after this call has
    /// begun.
    ///
    /// Blocks while the function runs, on this thread or on another. Other accesses carry on with the old value
    /// meanwhile.
    ///
    /// If another thread is already making a value, this call waits for that creation to end. It then makes another
    /// value, or returns the value that a third thread has begun to make since. So if many threads refresh at once, few
    /// of them run the function, one at a time (L1).
    ///
    /// Short for [`access().anew().get()`](Access::anew). In that form a refresh can have a
    /// [time-out](Access::timeout). For a function that can fail, the form is `access().anew().try_get()`. If the time
    /// is out or the function fails, the old value stays and is stale, and the next access makes it anew. If the policy
    /// [says so](crate::OnError::ServeStale), the old value is returned in place of the function's error.
    ///
    /// # Panics
    ///
    /// Panics if this thread is already running the function, and so would wait for itself. A panic of the function
    /// goes on to the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedFn, cached};
    /// use std::{fs, io, time::Duration};
    ///
    /// let answer = cached(Duration::from_secs(60), || 42 /* slow */);
    /// assert_eq!(*answer.refresh(), 42);
    ///
    /// static MANIFEST: CachedFn<String, fn() -> io::Result<String>> =
    ///     CachedFn::new(Duration::from_secs(60), || fs::read_to_string("Cargo.toml"));
    ///
    /// let manifest = MANIFEST.access().anew().try_get().unwrap(); // the function can fail
    /// assert!(manifest.contains("dogpile"));
    /// ```
    #[track_caller]
    pub fn refresh<K>(&self) -> CachedGuard<T>
    where
        F: Creator<T, C, K, Error: FunctionCannotFail>,
    {
        self.access().anew().get()
    }

    /// Opens an access, whose terminal is [`get`](Access::get) or [`try_get`](Access::try_get). Never blocks: nothing
    /// happens before the terminal is called.
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

    /// Opens an access, as [`access`](Self::access) does, whose creation may run [in the
    /// background](Access::in_background) and outlive the caller. Never blocks.
    ///
    /// The creation shares the function, so the function is passed as `&Arc<CachedFn<…>>`, or as a reference to a
    /// `static`. An `Arc` of a struct around the function will not do. For a function in a `static`,
    /// [`access`](Self::access) does the same as `kept`.
    ///
    /// In the background, and with [`refresh_at`](crate::PolicyBuilder::refresh_at), no thread waits for a value that
    /// is in use. Nor does any thread see that value expired, as long as making it takes no longer than the rest of
    /// its lifetime.
    ///
    /// An access with the step [`anew`](Access::anew) calls the function on its own thread. To have a value renewed in
    /// the background, [mark it as stale](Self::mark_stale) instead.
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

    /// Opens an access by a task, of a function that returns futures: see [`AsyncCreator`]. Never blocks: nothing
    /// happens before the future of the terminal is polled.
    ///
    /// The function's future runs as a part of the task that makes the access. All that is said of the [tasks of a
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

    /// Opens an access by a task, as [`access_async`](Self::access_async) does, whose creation is
    /// [spawned](AsyncAccess::spawned_by) and may outlive the caller. Never blocks.
    ///
    /// The function is a [`SpawnedCreator`]. The creation shares it, so the function is passed as
    /// `&Arc<CachedFn<…>>`, or as a reference to a `static`.
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

    /// Makes an access by a thread.
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

/// The ways in which a thread reaches a function. The second type of each line is what a creation in the background can
/// share.
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

            fn call<W: Tells<F::Error>>(self, wait: &Wait) -> FunctionResult<Self, Kind> {
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
            ) -> FunctionResult<Self, Kind> {
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
        // One share of the function is for the creation, the other for its creator.
        let kept = function.share();
        let creator = move |renewal: &Renewal<'static, T, C>| kept.creator.create(renewal).map_err(W::As::take);
        (CachedOf::keeper(function), creator)
    };
    W::told(wait, function.refer().cached.hand_over(elected, wait, runner))
}

/// # Without the function
///
/// These methods look at the value, set it, or make it stale or missing, as those of a [`Cached`] do. None of them runs
/// the function.
impl<T, F, C: Clock> CachedFn<T, F, C> {
    /// Returns the value if it is fresh, and `None` otherwise. Never blocks. As [`Cached::get_fresh`].
    #[inline]
    #[must_use]
    pub fn get_fresh(&self) -> Option<CachedGuard<T>> {
        self.cached.get_fresh()
    }

    /// Returns the value, fresh or stale, and `None` if it is missing. Never blocks. As [`Cached::peek`].
    #[must_use]
    pub fn peek(&self) -> Option<CachedGuard<T>> {
        self.cached.peek()
    }

    /// Returns a handle for a thread or a task that reads all the time, as in `reader.by(|_| function.get())`. Never
    /// blocks. As [`Cached::reader`].
    #[inline]
    pub fn reader(&self) -> Reader<'_, T, C> {
        self.cached.reader()
    }

    /// Sets the value, which counts as a result of the function and is fresh from now on. Blocks only for moments. As
    /// [`Cached::set`].
    pub fn set(&self, value: T) {
        self.cached.set(value);
    }

    /// Sets the value, as [`set`](Self::set) does, with a lifetime of its own. Blocks only for moments. As
    /// [`Cached::set_expiring`].
    pub fn set_expiring(&self, value: T, expires_after: Duration) {
        self.cached.set_expiring(value, expires_after);
    }

    /// Forgets the value. The next access runs the function, and the other accesses wait for that. Blocks only for
    /// moments. As [`Cached::invalidate`].
    pub fn invalidate(&self) {
        self.cached.invalidate();
    }

    /// Forgets the value, as [`invalidate`](Self::invalidate) does, unless the generation has moved since `seen`.
    /// Returns whether the value was forgotten. Blocks only for moments. As [`Cached::invalidate_if`].
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        self.cached.invalidate_if(seen)
    }

    /// Makes the value stale. The next access runs the function, and the other accesses carry on with the old value.
    /// Never waits for a run of the function. As [`Cached::mark_stale`].
    pub fn mark_stale(&self) {
        self.cached.mark_stale();
    }
}

/// A share of a function, which derefs to the function's `Cached`.
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
