//! A function that returns futures and keeps their result, for tasks.

use super::{CachedFn, CachedOf, kind};
use crate::access::serve::{Boxed, ServesSpawned};
use crate::access::{
    AsyncFunction, FunctionResultByTask, Inside, ReachesByTask, Refers, Shares, SpawnedFunction, SpawnedKept, Tells,
};
use crate::cached::{Cached, CachedGuard, Made, Renewal};
use crate::clock::{Clock, MonotonicClock};
use crate::creation::Shared;
use crate::derived::copied;
use crate::error::CreateError;
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::spawner::Spawner;
use crate::sync::const_fn;
use crate::wait::{Glance, Wait, Waiting};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

/// A function that a [`CachedFn`] can be made of, for tasks: a [`Creator`](super::Creator) that returns a future, as an
/// `async fn` does.
///
/// | function | can fail | is handed its [`Renewal`] | its type can be named |
/// |---|---|---|---|
/// | `Fn() -> impl Future<Output = T>` | no | no | no |
/// | `Fn() -> impl Future<Output = Result<T, E>>` | yes | no | no |
/// | `AsyncFn(&Renewal<'_, T, C>) -> Made<T>` | no | yes | no |
/// | `AsyncFn(&Renewal<'_, T, C>) -> Result<Made<T>, E>` | yes | yes | no |
/// | [`BoxedCreator<T, E, C>`](BoxedCreator) | yes | yes | yes |
///
/// With its [`Renewal`] a function can look at the old value, and can answer that the value is unchanged. With a
/// [`Made`] it can say how long the new value lives.
///
/// `Kind` tells the five apart. A program never names it.
#[diagnostic::on_unimplemented(
    message = "tasks cannot have a `CachedFn` of `{T}` call this",
    label = "its future does not give `{T}`, `Result<{T}, E>`, or `Made<{T}>` for an argument `&Renewal<'_, {T}, C>`, \
             or that in a `Result`",
    note = "one that can fail is asked by `access_async().try_get()`"
)]
pub trait AsyncCreator<T, C: Clock, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
    type Error: Cause;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Self::Error>>;
}

impl<T, C: Clock, R: Future<Output = T>, F: Fn() -> R> AsyncCreator<T, C, kind::Plain> for F {
    type Error = Infallible;

    fn create_async(&self, _: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Infallible>> {
        let made = self();
        async { Ok(Made::new(made.await)) }
    }
}

impl<T, C: Clock, E: Cause, R: Future<Output = Result<T, E>>, F: Fn() -> R> AsyncCreator<T, C, kind::FallibleFuture>
    for F
{
    type Error = E;

    fn create_async(&self, _: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, E>> {
        let made = self();
        async { made.await.map(Made::new) }
    }
}

impl<T, C: Clock, F: AsyncFn(&Renewal<'_, T, C>) -> Made<T>> AsyncCreator<T, C, kind::With> for F {
    type Error = Infallible;

    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, Infallible>> {
        async move { Ok(self(renewal).await) }
    }
}

impl<T, C: Clock, E: Cause, F> AsyncCreator<T, C, kind::FallibleFutureWith> for F
where
    F: AsyncFn(&Renewal<'_, T, C>) -> Result<Made<T>, E>,
{
    type Error = E;

    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, E>> {
        async move { self(renewal).await }
    }
}

const_fn! {
    /// Makes a function that returns futures keep its result for `expires_after`, as [`cached`](super::cached()) does,
    /// for tasks.
    ///
    /// The function is an [`AsyncCreator`]. A [`SpawnedCreator`] that is handed its renewal is not an `AsyncCreator`:
    /// pass such a function to [`CachedFn::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::cached_async;
    /// use std::time::Duration;
    ///
    /// async fn fetch() -> Vec<f64> {
    ///     vec![1.0, 1.09] // slow
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let rates = cached_async(Duration::from_secs(600), fetch);
    /// assert_eq!(rates.access_async().get().await[1], 1.09);
    /// # });
    /// ```
    #[must_use]
    pub const fn cached_async<T, F: AsyncCreator<T, MonotonicClock, Kind>, Kind>(
        expires_after: Duration,
        function: F,
    ) -> CachedFn<T, F> {
        CachedFn::new(expires_after, function)
    }
}

/// An [`AsyncCreator`] whose type can be named in a field. It is handed its [`Renewal`], and returns a boxed future.
///
/// A `BoxedCreator` can also be called by an access of a [`Cached`]:
/// `or_try_create_with(async |renewal| (self.creator)(renewal).await)`.
///
/// # Examples
///
/// ```
/// use dogpile::{BoxedCreator, CachedFn, CreateError, Made, Renewal};
/// use std::{io, sync::Arc, time::Duration};
///
/// struct Client {
///     token: CachedFn<String, BoxedCreator<String, io::Error>>,
/// }
///
/// impl Client {
///     fn new(name: String) -> Self {
///         let log_in: BoxedCreator<String, io::Error> = Box::new(move |renewal: &Renewal<'_, String>| {
///             let old = renewal.old().unwrap_or(&name).clone();
///             Box::pin(async move { Ok(Made::new(old + "'s token").expires_after(Duration::from_secs(60))) })
///         });
///         Self { token: CachedFn::new(Duration::from_secs(600), log_in) }
///     }
///
///     async fn token(&self) -> Result<String, CreateError<io::Error>> {
///         Ok(self.token.access_async().try_get().await?.clone())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let client = Arc::new(Client::new("Ada".into()));
/// let token = tokio::spawn(async move { client.token().await });
/// assert_eq!(token.await.unwrap().unwrap(), "Ada's token");
/// # });
/// ```
pub type BoxedCreator<T, E, C = MonotonicClock> =
    Box<dyn for<'a, 'b> Fn(&'a Renewal<'b, T, C>) -> BoxedFuture<'a, Result<Made<T>, E>> + Send + Sync>;

/// The future that a [`BoxedCreator`] returns.
pub type BoxedFuture<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

// For a box of any lifetime. With an impl for `'static` alone, today's compiler could not tell that the futures of
// accesses are `Send`.
impl<T, E: Cause, C: Clock> AsyncCreator<T, C, kind::Boxed>
    for Box<dyn for<'a, 'b> Fn(&'a Renewal<'b, T, C>) -> BoxedFuture<'a, Result<Made<T>, E>> + Send + Sync + '_>
{
    type Error = E;

    fn create_async(&self, renewal: &Renewal<'_, T, C>) -> impl Future<Output = Result<Made<T>, E>> {
        self(renewal)
    }
}

/// A function that a [`CachedFn`] can be made of, and that runs in tasks that are
/// [spawned](crate::AsyncAccess::spawned_by).
///
/// The function returns a future that is `Send` and `'static`.
///
/// | function | can fail | is handed its renewal |
/// |---|---|---|
/// | `Fn() -> impl Future<Output = T>` | no | no |
/// | `Fn() -> impl Future<Output = Result<T, E>>` | yes | no |
/// | `Fn(Shared<Cached<T, C>>) -> impl Future<Output = Made<T>>` | no | yes |
/// | `Fn(Shared<Cached<T, C>>) -> impl Future<Output = Result<Made<T>, E>>` | yes | yes |
///
/// With its renewal, a [`Shared`], a function can look at the old value, and can answer that the value is unchanged.
/// With a [`Made`] it can say how long the new value lives.
///
/// The function's future has to drop its [`Shared`] before the future is ready. A `Shared` that is still held then
/// keeps the creation from ending, and the creation is given up.
///
/// `Kind` tells the four apart. A program never names it.
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, CachedFn, Made, Shared, Task};
/// use std::time::Duration;
///
/// async fn fetch(renewal: Shared<Cached<u64>>) -> Made<u64> {
///     Made::new(renewal.old().map_or(0, |old| old + 1)).expires_after(Duration::from_secs(60))
/// }
/// static COUNT: CachedFn<u64, fn(Shared<Cached<u64>>) -> Fetching> =
///     CachedFn::new(Duration::from_secs(600), |renewal| Box::pin(fetch(renewal)));
/// type Fetching = std::pin::Pin<Box<dyn Future<Output = Made<u64>> + Send>>;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let spawner = |task: Task| drop(tokio::spawn(task));
/// assert_eq!(*COUNT.access_async().spawned_by(&spawner).try_get().await.unwrap(), 0);
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "no task can be spawned for a `CachedFn` of `{T}` that calls this",
    label = "its future does not give `{T}`, `Result<{T}, E>`, or `Made<{T}>` for an argument \
             `Shared<Cached<{T}, C>>`, or that in a `Result`; or it is not `Send` and `'static`"
)]
pub trait SpawnedCreator<T: 'static, C: Clock + 'static, Kind>:
    SpawnedFails<T, C, Kind, Error: Send + 'static>
{
    #[doc(hidden)]
    type Given: 'static;

    #[doc(hidden)]
    type Creating: Future<Output = Self::Given> + Send + 'static;

    #[doc(hidden)]
    fn create_spawned(&self, renewal: Shared<Cached<T, C>>) -> Self::Creating;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn made(given: Self::Given) -> Result<Made<T>, Self::Error>;
}

/// The error of a [`SpawnedCreator`].
///
/// This trait is separate, and has no `'static` bound. With one, the future of an access would not be `Send` if the
/// type of the error had a lifetime in it.
pub trait SpawnedFails<T, C: Clock, Kind> {
    /// The error of the function: [`Infallible`] if the function cannot fail.
    type Error: Cause;
}

macro_rules! spawned_creators {
    ($([$($error_type:ident)?] $kind:ty: ($($static:lifetime, $renewal:ident: $handle:ty)?) $given:ty, $error:ty,
        |$made:ident| $result:expr;)+
    ) => {$(
        impl<T $(: $static)?, C: Clock $(+ $static)?, R, F, $($error_type: Cause)?> SpawnedFails<T, C, $kind> for F
        where
            R: Future<Output = $given>,
            F: Fn($($handle)?) -> R,
        {
            type Error = $error;
        }

        impl<T: 'static, C: Clock + 'static, R, F, $($error_type: Cause + Send + 'static)?>
            SpawnedCreator<T, C, $kind> for F
        where
            R: Future<Output = $given> + Send + 'static,
            F: Fn($($handle)?) -> R,
        {
            type Given = $given;
            type Creating = R;

            fn create_spawned(&self, _renewal: Shared<Cached<T, C>>) -> R {
                $(let $renewal = _renewal;)?
                self($($renewal)?)
            }

            fn made($made: $given) -> Result<Made<T>, $error> {
                $result
            }
        }
    )+};
}

spawned_creators! {
    [] kind::Plain: () T, Infallible, |made| Ok(Made::new(made));
    [E] kind::FallibleFuture: () Result<T, E>, E, |made| made.map(Made::new);
    [] kind::With: ('static, renewal: Shared<Cached<T, C>>) Made<T>, Infallible, |made| Ok(made);
    [E] kind::FallibleFutureWith: ('static, renewal: Shared<Cached<T, C>>) Result<Made<T>, E>, E, |made| made;
}

impl<T, F: AsyncCreator<T, C, Kind>, C: Clock, Kind> AsyncFunction<Kind> for CachedFn<T, F, C> {
    type Got = CachedGuard<T>;
    type Error = F::Error;
    type StoreError = Infallible;

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Cached::at_once`
    fn look(&self, glance: Glance) -> Option<CachedGuard<T>> {
        self.cached.at_once(glance)
    }

    fn call_async<W: Tells<F::Error>>(&self, wait: &Wait) -> impl Future<Output = FunctionResultByTask<Self, Kind>> {
        async move {
            let run = |born| {
                Box::pin(async move {
                    let renewal = Renewal::new(Keeper::Borrowed(&self.cached), born);
                    let made = renewal.enter_async(|| self.creator.create_async(&renewal)).await;
                    renewal.renewed(made.map_err(W::As::take)).map_err(CreateError::Failed)
                })
            };
            W::told(wait, self.cached.get_by(wait, run).await)
        }
    }
}

/// A share of a function, from which a share of the function's `Cached` is made.
#[derive(Debug)]
pub struct OwnCached<K, F>(K, PhantomData<fn() -> F>);

copied! { [K: Copy, F] OwnCached<K, F> }

impl<T, F, C: Clock, K: Refers<CachedFn<T, F, C>>> Refers<Cached<T, C>> for OwnCached<K, F> {
    fn refer(&self) -> &Cached<T, C> {
        &self.0.refer().cached
    }
}

impl<T, F, C: Clock, K: Refers<CachedFn<T, F, C>> + Copy> ReachesByTask<Cached<T, C>> for OwnCached<K, F> {
    fn owner(&self) {}
}

impl<T, F, C, K> Shares<Cached<T, C>> for OwnCached<K, F>
where
    T: Send + Sync + 'static,
    F: Send + Sync + 'static,
    C: Clock + 'static,
    K: Shares<CachedFn<T, F, C>>,
{
    fn share(&self) -> Keeper<'static, Cached<T, C>> {
        CachedOf::keeper(self.0)
    }
}

impl<T, F: SpawnedFails<T, C, Kind>, C: Clock, Kind> SpawnedKept<Kind> for CachedFn<T, F, C> {
    type Got = CachedGuard<T>;
    type Error = F::Error;
}

impl<T, F, C, Kind> SpawnedFunction<Kind> for CachedFn<T, F, C>
where
    T: Send + Sync + 'static,
    F: SpawnedCreator<T, C, Kind> + Send + Sync + 'static,
    C: Clock + 'static,
{
    fn look(&self, glance: Glance) -> Option<CachedGuard<T>> {
        self.cached.at_once(glance)
    }

    fn call_spawned<'x, N: Takes<F::Error> + Send + 'static>(
        shared: impl Shares<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
    ) -> Boxed<'x, Result<CachedGuard<T>, CreateError<N>>> {
        // One share of the function is for the creation, the other for its creator.
        let kept = shared.share();
        let creator = move |renewal| kept.creator.create_spawned(renewal);
        let made = |given| F::made(given).map_err(N::take);
        let (own, inside) = (OwnCached(shared, PhantomData), Inside(PhantomData));
        <Cached<T, C> as ServesSpawned<'x, Inside<T>, F::Error, N>>::serve_spawned(
            own, spawner, wait, inside, creator, made,
        )
    }
}
