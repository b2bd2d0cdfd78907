//! Accesses of what knows its creator: a [`CachedFn`](crate::CachedFn), or a [`CachedByKey`](crate::CachedByKey) with
//! its arguments.

use super::reach::{Refers, Shares};
use super::serve::Boxed;
use super::{Access, AsyncAccess, Fails, FunctionCannotFail, InBackground, Spawned, Waits};
use crate::error::{AcquireError, CreateError, or_deadlock};
use crate::runner::Runner;
use crate::spawner::Spawner;
use crate::wait::{INFALLIBLE_TASK, Patience, TASK, Wait};
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
    type Error: Display;
    /// What the store of its results fails with.
    type StoreError: Display;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call(self, patience: Patience, anew: bool) -> Kept<Self, Kind>
    where
        Self: Sized;
}

/// A [`Function`] that a runner may be given. The trait is sealed.
pub trait FunctionInBackground<Kind>: Function<Kind> {
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn call_in_background(self, patience: Patience, runner: &(impl Runner + ?Sized)) -> Kept<Self, Kind>
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
    type Error: Display;
    /// What the store of its results fails with.
    type StoreError: Display;

    /// What needs no function.
    #[doc(hidden)]
    fn look(&self) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_async(&self, wait: &Wait, anew: bool) -> impl Future<Output = KeptAsync<Self, Kind>>;
}

/// What a call comes to of a [`SpawnedFunction`]. (It is said apart, and asks for nothing that is `'static`: the futures
/// of accesses would not be `Send` where there is a lifetime in the type of an error.)
pub trait SpawnedKept<Kind> {
    /// What a call gives.
    type Got;
    /// What the function fails with.
    type Error: Display;
}

/// As [`AsyncFunction`], by creations that are spawned.
pub trait SpawnedFunction<Kind>: SpawnedKept<Kind> + Sized {
    /// What needs no function.
    #[doc(hidden)]
    fn look(&self) -> Option<Self::Got>;

    #[doc(hidden)]
    fn call_spawned<'x>(
        shared: impl Shares<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
    ) -> Boxed<'x, Result<Self::Got, CreateError<Self::Error>>>;
}

/// Whether a function is called anew, or for what it has kept. The trait is sealed.
pub trait Calls: Copy {
    #[doc(hidden)]
    const ANEW: bool;
}

impl Calls for ByItself {
    const ANEW: bool = false;
}

/// As [`ByItself`], and its value is made anew.
#[derive(Clone, Copy, Debug)]
pub struct Anew;

impl Calls for Anew {
    const ANEW: bool = true;
}

/// An error where neither the function nor its store can fail.
fn unable<E: FunctionCannotFail, G: FunctionCannotFail>(error: CreateError<E, G>) -> AcquireError {
    error.map(|error| match error.fails() {}, Fails::fails, Fails::fails)
}

/// # Of a function
///
/// The value of a [`CachedFn`](crate::CachedFn), or of a [`CachedByKey`](crate::CachedByKey) for some arguments.
impl<K, W> Access<K, ByItself, W> {
    /// The value is made anew, though it be fresh: the access gives one whose making began after it did. See
    /// [`CachedFn::refresh`](crate::CachedFn::refresh).
    pub fn anew(self) -> Access<K, Anew, W> {
        Access { lock: self.lock, source: Anew, waits: self.waits }
    }
}

impl<K, S: Calls, W: Waits> Access<K, S, W> {
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
        W::give(self.lock.call(self.waits.infallible_patience(), S::ANEW).map_err(unable))
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
    {
        self.lock.call(self.waits.patience(), S::ANEW)
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
        let patience = self.access.waits.infallible_patience();
        W::give(self.access.lock.call_in_background(patience, self.runner).map_err(unable))
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
    {
        self.access.lock.call_in_background(self.access.waits.patience(), self.runner)
    }
}

/// # Of a function
impl<K, L> AsyncAccess<K, L, ByItself> {
    /// The value is made anew, though it be fresh: the access gives one whose making began after it did. See
    /// [`CachedFn::refresh`](crate::CachedFn::refresh).
    pub fn anew(self) -> AsyncAccess<K, L, Anew> {
        AsyncAccess::new(self.lock, Anew)
    }
}

impl<K: Refers<L>, L, S: Calls> AsyncAccess<K, L, S> {
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
            if !S::ANEW {
                if let Some(got) = self.lock.refer().look() {
                    return got;
                }
            }
            let got = self.lock.refer().call_async(&INFALLIBLE_TASK, S::ANEW).await;
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
    {
        async move {
            if !S::ANEW {
                if let Some(got) = self.lock.refer().look() {
                    return Ok(got);
                }
            }
            self.lock.refer().call_async(&TASK, S::ANEW).await
        }
    }
}

/// # Of a function
impl<K: Shares<L> + Send + Sync, L, P: Spawner + Sync + ?Sized> Spawned<'_, K, L, ByItself, P> {
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
    {
        async move {
            if let Some(got) = self.lock.refer().look() {
                return Ok(got);
            }
            L::call_spawned(self.lock, self.spawner).await
        }
    }
}
