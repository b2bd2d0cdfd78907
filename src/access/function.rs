//! Accesses of what knows its creator: a [`CachedFn`](crate::CachedFn), or a [`CachedByKey`](crate::CachedByKey) with
//! its arguments.

use super::reach::{Refers, Shares};
use super::serve::Boxed;
use super::{Access, AsyncAccess, AtMost, Fails, Forever, FunctionCannotFail, InBackground, Spawned, Tells, Waits};
use crate::error::{AcquireError, CreateError, or_deadlock};
use crate::failure::{Cause, Takes};
use crate::runner::Runner;
use crate::spawner::Spawner;
use crate::wait::{Glance, Wait, Waiting};
use std::fmt::Display;

/// What is accessed knows how to create its value.
#[derive(Clone, Copy, Debug)]
pub struct ByItself;

/// What a function comes to that keeps its results.
pub type Kept<F, Kind> =
    Result<<F as Function<Kind>>::Got, CreateError<<F as Function<Kind>>::Error, <F as Function<Kind>>::StoreError>>;

/// A function that keeps its results, as an access reaches it. `Kind` says what it returns, and is never named. The
/// trait is sealed.
pub trait Function<Kind> {
    /// What a call gives.
    type Got;
    /// What the function fails with.
    type Error: Cause;
    /// What the store of its results fails with.
    type StoreError: Display;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call<W: Tells<Self::Error>>(self, wait: &Wait) -> Kept<Self, Kind>
    where
        Self: Sized;
}

/// A [`Function`] that a runner may be given. The trait is sealed.
pub trait FunctionInBackground<Kind>: Function<Kind> {
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call_in_background<W: Tells<Self::Error>>(
        self,
        wait: &Wait,
        runner: &(impl Runner + ?Sized),
    ) -> Kept<Self, Kind>
    where
        Self: Sized;
}

/// What a function comes to that keeps its results, and gives futures.
pub type KeptAsync<F, Kind> = Result<
    <F as AsyncFunction<Kind>>::Got,
    CreateError<<F as AsyncFunction<Kind>>::Error, <F as AsyncFunction<Kind>>::StoreError>,
>;

/// As [`Function`], for tasks.
pub trait AsyncFunction<Kind> {
    /// What a call gives.
    type Got;
    /// What the function fails with.
    type Error: Cause;
    /// What the store of its results fails with.
    type StoreError: Display;

    /// What needs no function, as far as that will do.
    #[doc(hidden)]
    fn look(&self, glance: Glance) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_async<W: Tells<Self::Error>>(&self, wait: &Wait) -> impl Future<Output = KeptAsync<Self, Kind>>;
}

/// What a call comes to of a [`SpawnedFunction`]. (It is said apart, and asks for nothing that is `'static`: the futures
/// of accesses would not be `Send` where there is a lifetime in the type of an error.)
pub trait SpawnedKept<Kind> {
    /// What a call gives.
    type Got;
    /// What the function fails with.
    type Error: Cause;
}

/// As [`AsyncFunction`], by creations that are spawned.
pub trait SpawnedFunction<Kind>: SpawnedKept<Kind> + Sized {
    /// What needs no function, as far as that will do.
    #[doc(hidden)]
    fn look(&self, glance: Glance) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_spawned<'x, N: Takes<Self::Error> + Send + 'static>(
        shared: impl Shares<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
    ) -> Boxed<'x, Result<Self::Got, CreateError<N>>>;
}

/// What the access of a function wants that ends in `get` or `try_get`, on terms `W`. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a call for many keys takes a `timeout`, and no other step",
    label = "`anew`, `renew_if`, `soft_timeout` and `share_errors` are for one key"
)]
pub trait Calls<W>: AnyCalls {}

pub trait AnyCalls {}

impl AnyCalls for ByItself {}

impl<W> Calls<W> for ByItself {}

/// What is accessed makes the values of many keys at once, by a batch.
#[derive(Clone, Copy, Debug)]
pub struct ByBatch;

impl AnyCalls for ByBatch {}

impl Calls<Forever> for ByBatch {}

impl Calls<AtMost> for ByBatch {}

/// An error where neither the function nor its store can fail.
fn unable<E: FunctionCannotFail, G: FunctionCannotFail>(error: CreateError<E, G>) -> AcquireError {
    error.map(|error| match error.fails() {}, Fails::fails, Fails::fails)
}

/// # Of a function
///
/// The value of a [`CachedFn`](crate::CachedFn), or of a [`CachedByKey`](crate::CachedByKey) for some arguments.
impl<K, S: Calls<W>, W: Waits> Access<K, S, W> {
    /// The value, made by its function if this access is elected. As [`CachedFn::get`](crate::CachedFn::get).
    ///
    /// Blocks as long as the function runs, if this access is elected, or while there is no value and somebody else
    /// makes it.
    ///
    /// # Errors
    ///
    /// After a [`timeout`](Access::timeout), as [`Access::or_create`].
    ///
    /// # Panics
    ///
    /// As [`Access::or_create`]; if the function does.
    #[track_caller]
    pub fn get<Kind>(self) -> W::Gives<K::Got>
    where
        K: Function<Kind, Error: FunctionCannotFail, StoreError: FunctionCannotFail>,
    {
        W::give(self.lock.call::<Forever>(&self.waits.wait(false)).map_err(unable))
    }

    /// As [`get`](Self::get), of a function or a store that can fail.
    ///
    /// # Errors
    ///
    /// As [`Access::or_try_create`].
    ///
    /// # Panics
    ///
    /// If the function does.
    pub fn try_get<Kind>(self) -> Kept<K, Kind>
    where
        K: Function<Kind>,
        W: Tells<K::Error>,
    {
        self.lock.call::<W>(&self.waits.begin())
    }
}

/// # Of a function
impl<K, W: Waits, R: Runner + ?Sized> InBackground<'_, K, ByItself, W, R> {
    /// As [`Access::get`]; the function runs on another thread, if there is an old value to go on with.
    ///
    /// # Errors
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that; and if the runner does.
    #[track_caller]
    pub fn get<Kind>(self) -> W::Gives<K::Got>
    where
        K: FunctionInBackground<Kind, Error: FunctionCannotFail, StoreError: FunctionCannotFail>,
    {
        let Access { lock, waits, .. } = self.access;
        W::give(lock.call_in_background::<Forever>(&waits.wait(false), self.runner).map_err(unable))
    }

    /// As [`Access::try_get`]; the function runs on another thread, if there is an old value to go on with.
    ///
    /// # Errors
    ///
    /// As that.
    ///
    /// # Panics
    ///
    /// As that; and if the runner does.
    pub fn try_get<Kind>(self) -> Kept<K, Kind>
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
    /// As [`Access::get`], for a task. The function's future runs as a part of this one.
    ///
    /// # Panics
    ///
    /// If this task is running the function already and would wait for itself; if the function does.
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

    /// As [`Access::try_get`], for a task. The function's future runs as a part of this one.
    ///
    /// # Errors
    ///
    /// As that; it does not time out.
    ///
    /// # Panics
    ///
    /// If the function does.
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says.
    pub fn try_get<Kind>(self) -> impl Future<Output = KeptAsync<L, Kind>>
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
    /// As [`Access::try_get`], for a task; the function's future runs in a task of its own.
    ///
    /// # Errors
    ///
    /// As that; it does not time out, and may be [lost](CreateError::Lost).
    ///
    /// # Panics
    ///
    /// If the spawner does.
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
