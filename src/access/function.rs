//! Accesses of functions that keep their results: a [`CachedFn`](crate::CachedFn), or a
//! [`CachedByKey`](crate::CachedByKey) with its arguments. Such a function brings its own creator.

use super::reach::{Refers, Shares};
use super::serve::Boxed;
use super::{Access, AsyncAccess, AtMost, Fails, Forever, FunctionCannotFail, InBackground, Spawned, Tells, Waits};
use crate::error::{AcquireError, CreateError, or_deadlock};
use crate::failure::{Cause, Takes};
use crate::runner::Runner;
use crate::spawner::Spawner;
use crate::wait::{Glance, Wait, Waiting};
use std::fmt::Display;

/// The source of an access of a function: the function itself creates the value.
#[derive(Clone, Copy, Debug)]
pub struct ByItself;

/// The result of a call of a [`Function`].
pub type FunctionResult<F, Kind> =
    Result<<F as Function<Kind>>::Got, CreateError<<F as Function<Kind>>::Error, <F as Function<Kind>>::StoreError>>;

/// A function that keeps its results, as an access reaches it.
///
/// `Kind` tells apart what functions return. A program never names it. The trait is sealed.
pub trait Function<Kind> {
    /// The value that a call returns.
    type Got;
    /// The error of the function.
    type Error: Cause;
    /// The error of the store that keeps the results.
    type StoreError: Display;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call<W: Tells<Self::Error>>(self, wait: &Wait) -> FunctionResult<Self, Kind>
    where
        Self: Sized;
}

/// A [`Function`] whose creation may be handed over to a runner. The trait is sealed.
pub trait FunctionInBackground<Kind>: Function<Kind> {
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call_in_background<W: Tells<Self::Error>>(
        self,
        wait: &Wait,
        runner: &(impl Runner + ?Sized),
    ) -> FunctionResult<Self, Kind>
    where
        Self: Sized;
}

/// The result of a call of an [`AsyncFunction`].
pub type FunctionResultByTask<F, Kind> = Result<
    <F as AsyncFunction<Kind>>::Got,
    CreateError<<F as AsyncFunction<Kind>>::Error, <F as AsyncFunction<Kind>>::StoreError>,
>;

/// A [`Function`] that returns futures, for tasks.
pub trait AsyncFunction<Kind> {
    /// The value that a call returns.
    type Got;
    /// The error of the function.
    type Error: Cause;
    /// The error of the store that keeps the results.
    type StoreError: Display;

    /// The value, if the access can have it at once, without waiting or creating.
    #[doc(hidden)]
    fn look(&self, glance: Glance) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_async<W: Tells<Self::Error>>(&self, wait: &Wait) -> impl Future<Output = FunctionResultByTask<Self, Kind>>;
}

/// The value and the error of a [`SpawnedFunction`].
///
/// This trait is separate, and has no `'static` bound. With one, the future of an access would not be `Send` if the
/// type of an error had a lifetime in it.
pub trait SpawnedKept<Kind> {
    /// The value that a call returns.
    type Got;
    /// The error of the function.
    type Error: Cause;
}

/// An [`AsyncFunction`] whose creations are spawned.
pub trait SpawnedFunction<Kind>: SpawnedKept<Kind> + Sized {
    /// The value, if the access can have it at once, without waiting or creating.
    #[doc(hidden)]
    fn look(&self, glance: Glance) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_spawned<'x, N: Takes<Self::Error> + Send + 'static>(
        shared: impl Shares<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
    ) -> Boxed<'x, Result<Self::Got, CreateError<N>>>;
}

/// A source of an access whose terminal is `get` or `try_get`, and which allows the steps that `W` stands for. The
/// trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a call for many keys takes a `timeout`, and no other step",
    label = "`anew`, `renew_if`, `soft_timeout` and `share_errors` are for one key"
)]
pub trait Calls<W>: AnyCalls {}

pub trait AnyCalls {}

impl AnyCalls for ByItself {}

impl<W> Calls<W> for ByItself {}

/// The source of an access to many keys: a batch function creates the values.
#[derive(Clone, Copy, Debug)]
pub struct ByBatch;

impl AnyCalls for ByBatch {}

impl Calls<Forever> for ByBatch {}

impl Calls<AtMost> for ByBatch {}

/// The error of a call whose function and store cannot fail.
fn unable<E: FunctionCannotFail, G: FunctionCannotFail>(error: CreateError<E, G>) -> AcquireError {
    error.map(|error| match error.fails() {}, Fails::fails, Fails::fails)
}

/// # Of a function
///
/// The terminals of an access to a [`CachedFn`](crate::CachedFn), or to a [`CachedByKey`](crate::CachedByKey) for some
/// arguments.
impl<K, S: Calls<W>, W: Waits> Access<K, S, W> {
    /// Returns the value, which the function makes if this access is elected. As
    /// [`CachedFn::get`](crate::CachedFn::get).
    ///
    /// Blocks while the function runs, if this access is elected. Blocks while another thread makes the value, if there
    /// is none yet.
    ///
    /// # Errors
    ///
    /// Without the step [`timeout`](Access::timeout) there is no error. With it the errors are those of
    /// [`Access::or_create`].
    ///
    /// # Panics
    ///
    /// As [`Access::or_create`]. A panic of the function goes on to the caller.
    #[track_caller]
    pub fn get<Kind>(self) -> W::Gives<K::Got>
    where
        K: Function<Kind, Error: FunctionCannotFail, StoreError: FunctionCannotFail>,
    {
        W::give(self.lock.call::<Forever>(&self.waits.wait(false)).map_err(unable))
    }

    /// Returns the value, as [`get`](Self::get) does, where the function or the store can fail.
    ///
    /// # Errors
    ///
    /// As [`Access::or_try_create`].
    ///
    /// # Panics
    ///
    /// A panic of the function goes on to the caller.
    pub fn try_get<Kind>(self) -> FunctionResult<K, Kind>
    where
        K: Function<Kind>,
        W: Tells<K::Error>,
    {
        self.lock.call::<W>(&self.waits.begin())
    }
}

/// # Of a function
impl<K, W: Waits, R: Runner + ?Sized> InBackground<'_, K, ByItself, W, R> {
    /// Returns the value, as [`Access::get`] does. If this access is elected and has an old value, the function runs on
    /// another thread, and the access goes on with the old value.
    ///
    /// # Errors
    ///
    /// As [`Access::get`].
    ///
    /// # Panics
    ///
    /// As [`Access::get`]. A panic of the runner goes on to the caller.
    #[track_caller]
    pub fn get<Kind>(self) -> W::Gives<K::Got>
    where
        K: FunctionInBackground<Kind, Error: FunctionCannotFail, StoreError: FunctionCannotFail>,
    {
        let Access { lock, waits, .. } = self.access;
        W::give(lock.call_in_background::<Forever>(&waits.wait(false), self.runner).map_err(unable))
    }

    /// Returns the value, as [`Access::try_get`] does. If this access is elected and has an old value, the function
    /// runs on another thread, and the access goes on with the old value.
    ///
    /// # Errors
    ///
    /// As [`Access::try_get`].
    ///
    /// # Panics
    ///
    /// As [`Access::try_get`]. A panic of the runner goes on to the caller.
    pub fn try_get<Kind>(self) -> FunctionResult<K, Kind>
    where
        K: FunctionInBackground<Kind>,
        W: Tells<K::Error>,
    {
        let Access { lock, waits, .. } = self.access;
        lock.call_in_background::<W>(&waits.begin(), self.runner)
    }
}

/// # Of a function
impl<K: Refers<L>, L, S: Calls<W>, W: Waits> AsyncAccess<K, L, S, W> {
    /// Returns the value, as [`Access::get`] does, for a task. The function's future runs as a part of the returned
    /// future.
    ///
    /// # Panics
    ///
    /// Panics if this task is already running the function, and so would wait for itself. A panic of the function goes
    /// on to the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says.
    pub fn get<Kind>(self) -> impl Future<Output = L::Got>
    where
        L: AsyncFunction<Kind, Error: FunctionCannotFail, StoreError: FunctionCannotFail>,
    {
        async move {
            if let Some(got) = self.lock.refer().look(self.waits.glance()) {
                return got;
            }
            let wait = self.waits.of_infallible_task();
            let got = Box::pin(self.lock.refer().call_async::<Forever>(wait.wait())).await;
            or_deadlock(got.map_err(unable))
        }
    }

    /// Returns the value, as [`Access::try_get`] does, for a task. The function's future runs as a part of the returned
    /// future.
    ///
    /// # Errors
    ///
    /// As [`Access::try_get`], except that this call does not time out.
    ///
    /// # Panics
    ///
    /// A panic of the function goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says.
    pub fn try_get<Kind>(self) -> impl Future<Output = FunctionResultByTask<L, Kind>>
    where
        L: AsyncFunction<Kind>,
        W: Tells<L::Error>,
    {
        async move {
            if let Some(got) = self.lock.refer().look(self.waits.glance()) {
                return Ok(got);
            }
            let wait = self.waits.begin_by_task();
            Box::pin(self.lock.refer().call_async::<W>(wait.wait())).await
        }
    }
}

/// # Of a function
impl<K: Shares<L> + Send + Sync, L, P: Spawner + Sync + ?Sized, W: Waits> Spawned<'_, K, L, ByItself, P, W> {
    /// Returns the value, as [`Access::try_get`] does, for a task whose creation is spawned. The function's future runs
    /// in a task of its own.
    ///
    /// # Errors
    ///
    /// As [`Access::try_get`], with two differences: this call does not time out, and its creation may be
    /// [lost](CreateError::Lost).
    ///
    /// # Panics
    ///
    /// A panic of the spawner goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// As [`Spawned`](crate::Spawned#cancel-safety) says.
    pub fn try_get<Kind>(self) -> impl Future<Output = Result<L::Got, CreateError<L::Error>>>
    where
        L: SpawnedFunction<Kind>,
        W: Tells<L::Error, As: Send + 'static>,
    {
        async move {
            if let Some(got) = self.lock.refer().look(self.waits.glance()) {
                return Ok(got);
            }
            let wait = self.waits.begin_by_task();
            let got = L::call_spawned::<W::As>(self.lock, self.spawner, wait.clone()).await;
            W::told(wait.wait(), got)
        }
    }
}
