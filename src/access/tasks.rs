//! Accesses of tasks: see [`wait`](crate::wait) for what has one code serve both.
//!
//! There is no time-out: whoever polls a future can race it with a timer.

use super::{
    ByGetter, ByLock, ByStamp, CannotFail, Elsewhere, Finds, Forever, Found, Nothing, SetByTask, Sharing, UnsetByTask,
    Waits, refused,
};
use crate::derived::opaque;
use crate::error::{CreateError, or_deadlock};
use crate::generation::Generation;
use crate::wait::Wants;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

/// An access of a task that is being described step by step. Its last call gives a future, which does nothing before
/// it is polled.
///
/// | its last call | what its future gives |
/// |---|---|
/// | [`turn`](Self::turn) | the turn |
/// | `or_create`, `or_create_with` | the value; a panic in place of a wait for itself |
/// | `or_try_create`, `or_try_create_with` | `Result<_, CreateError<E, G>>` |
///
/// The value is that of an [`Access`](crate::Access), but under readers it comes in an
/// [`OwnedReadGuard`](crate::OwnedReadGuard), which may be held across an `.await`. Getter, creator and setter give
/// futures. There is no time-out: whoever polls a future can race it with a timer, and drop it at any time. What holds
/// for all tasks is said at [`Dogpile`](crate::Dogpile#for-tasks).
///
/// # Steps
///
/// ```
/// # struct Client;
/// # impl Client {
/// #     async fn get(&self, _: &str) -> std::io::Result<Option<u64>> { Ok(None) }
/// #     async fn set(&self, _: &str, _: u64) -> std::io::Result<()> { Ok(()) }
/// # }
/// # async fn load() -> std::io::Result<u64> { Ok(42) }
/// use dogpile::{Dogpile, SyncReaderDogpile, Task};
/// use std::{sync::Arc, time::Duration};
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
///
/// async fn answer(client: &'static Client) -> Result<u64, Box<dyn std::error::Error>> {
///     // A getter brings the value; a setter stores what is created.
///     let made = LOCK
///         .access_async()
///         .fetch(|| client.get("answer"))
///         .and_set(async |made| client.set("answer", *made).await)
///         .or_try_create(load)
///         .await?;
///
///     // A task of its own creates, and survives this one.
///     let spawner = |task: Task| drop(tokio::spawn(task));
///     let made = LOCK.access_async().fetch(|| client.get("answer")).spawned_by(&spawner).or_try_create(load).await?;
///
///     // The lock is not a `static`, and the creation is to outlive the caller; or there are readers.
///     let readers = Arc::new(SyncReaderDogpile::never_expires());
///     let guard = SyncReaderDogpile::kept_async(&readers).or_create(async || { /* rebuild */ }).await;
///     Ok(made)
/// }
/// # assert_eq!(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer(&Client)).unwrap(), 42);
/// ```
///
/// # Cancel safety
///
/// Dropped while it waits, the future leaves the queue; if it had just been called to create, the next waiter is.
/// Dropped while a creator or a setter runs, it drops that, and then gives the creation up: exactly one waiter is elected
/// (L5). Dropped while a getter runs, it drops that; if it was to create, all who wait look once more, and one of them
/// is elected.
///
/// # Send
///
/// A future is `Send` if the closures that it is given are, and their futures. (Today's compiler cannot see that where a
/// creator that is handed something, or a setter, is an async closure, and the type of the value has a lifetime in it:
/// such as `&'static str`, or a trait object.)
#[must_use = "nothing happens before the access ends in `turn`, `or_create` or `or_try_create` and is awaited"]
pub struct AsyncAccess<K, L, S = Elsewhere, W = Forever> {
    pub(crate) lock: K,
    pub(crate) source: S,
    pub(crate) waits: W,
    of: PhantomData<fn() -> L>,
}

/// # What it wants
impl<K, L, S, W: Waits> AsyncAccess<K, L, S, W> {
    /// As [`Access::soft_timeout`](crate::Access::soft_timeout): the access waits for a new value for `timeout` at most,
    /// though there be an old one, and then goes on with that.
    ///
    /// An access that is elected has its creation go on in another task by [`spawned_by`](Self::spawned_by), and waits
    /// for that as long as this says; otherwise it creates. The time is kept by a thread of this crate, which is there
    /// while a task waits so.
    pub fn soft_timeout(self, timeout: Duration) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|_, soft| *soft = Some(timeout))
    }

    /// As [`Access::anew`](crate::Access::anew): the value is made anew, though it be fresh, and though there be a pause.
    pub fn anew(self) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|wants, _| *wants = Wants::Anew)
    }

    /// As [`Access::renew_if`](crate::Access::renew_if): the caller was refused with the value of generation `seen`, and
    /// asks for a newer one; the others carry on with the old value.
    ///
    /// By [`spawned_by`](Self::spawned_by) the access waits for the task, since it has no value to go on with.
    pub fn renew_if(self, seen: Generation) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|wants, _| *wants = Wants::Newer(seen))
    }

    /// As [`Access::share_errors`](crate::Access::share_errors): if the creation fails, all accesses that have waited for
    /// it, and also share errors, fail with that same error.
    ///
    /// Where the future is to be `Send`, the type of the error has no lifetime in it, not even `'static`, as in
    /// `&'static str`: today's compiler could not tell. A `String` or an `Arc<…>` will do.
    pub fn share_errors(self) -> AsyncAccess<K, L, S, Sharing<W>> {
        AsyncAccess { lock: self.lock, source: self.source, waits: Sharing(self.waits), of: PhantomData }
    }

    fn wanting(self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> AsyncAccess<K, L, S, W::Wanting> {
        AsyncAccess { lock: self.lock, source: self.source, waits: self.waits.wanting(want), of: PhantomData }
    }
}

impl<K, L, S> AsyncAccess<K, L, S> {
    pub(crate) const fn new(lock: K, source: S) -> Self {
        Self { lock, source, waits: Forever, of: PhantomData }
    }
}

impl<K, L, S, W> AsyncAccess<K, L, S, W> {
    fn with<Z>(self, source: impl FnOnce(S) -> Z) -> AsyncAccess<K, L, Z, W> {
        AsyncAccess { lock: self.lock, source: source(self.source), waits: self.waits, of: PhantomData }
    }
}

/// # Where the value is
impl<K, L, W> AsyncAccess<K, L, Elsewhere, W> {
    /// As [`Access::fetch`](crate::Access::fetch), by a getter whose future gives `Option<T>` or `Result<Option<T>, G>`.
    pub fn fetch<R: Found, Q: Future<Output = R>, F: FnMut() -> Q>(
        self,
        getter: F,
    ) -> AsyncAccess<K, L, ByGetter<F, ByLock, UnsetByTask>, W> {
        self.with(|_| ByGetter { getter, setter: SetByTask::new(None), age: PhantomData })
    }

    /// As [`Access::fetch_stamped`](crate::Access::fetch_stamped), by a getter that gives a future.
    pub fn fetch_stamped<T, R, Q, F>(self, getter: F) -> AsyncAccess<K, L, ByGetter<F, ByStamp, UnsetByTask>, W>
    where
        R: Found + Finds<Value = crate::Stamped<T>>,
        Q: Future<Output = R>,
        F: FnMut() -> Q,
    {
        self.with(|_| ByGetter { getter, setter: SetByTask::new(None), age: PhantomData })
    }
}

impl<K, L, F, A, Q, R, N, W> AsyncAccess<K, L, ByGetter<F, A, SetByTask<N, Nothing>>, W>
where
    R: Finds,
    Q: Future<Output = R>,
    F: FnMut() -> Q,
{
    /// As [`Access::and_set`](crate::Access::and_set), by a setter that gives a future. It runs inside
    /// [`Creation::publish_async`](crate::Creation::publish_async), or under readers with the [write
    /// lock](crate::Creation::write_lock_async) held.
    pub fn and_set<P, Z: AsyncFnOnce(&R::Value) -> P>(
        self,
        setter: Z,
    ) -> AsyncAccess<K, L, ByGetter<F, A, SetByTask<Z>>, W> {
        self.with(|ByGetter { getter, age, .. }| ByGetter { getter, setter: SetByTask::new(Some(setter)), age })
    }
}

/// How an access of a task ends. It is said of each source apart, since a future that were told it by a trait would not
/// be `Send` where there is a lifetime in the type of the value or of an error.
///
/// Where this is used, the traits and types that it names are in scope, and each such access has a `serve`.
macro_rules! ends {
    ($(#[$meta:meta])* [$($generics:tt)*] $lock:ty, $source:ty => $made:ty, $made_with:ty, $got:ty, $error:ty
        where { $($bounds:tt)* } { $($can_fail:tt)* } { $($stores:tt)* } $with:expr
    ) => {
        $(#[$meta])*
        impl<$($generics)*, W: Waits> AsyncAccess<K, $lock, $source, W>
        where
            K: ReachByTask<$lock>,
            $($bounds)*
        {
            /// As [`Access::or_create`](crate::Access::or_create), for a task.
            ///
            /// # Panics
            ///
            /// If this task is running the creator that it would wait for. A panic of the getter, the creator or the
            /// setter goes on to the caller.
            ///
            /// # Cancel safety
            ///
            /// As [`AsyncAccess`](Self#cancel-safety) says.
            pub fn or_create(self, creator: impl AsyncFnOnce() -> $made) -> impl Future<Output = $got>
            where
                $($can_fail)*
            {
                let made = |made| never($with(made));
                let begin = W::of_infallible_task;
                self.serve(move |_: &Creation<'_, $lock>| creator(), made, begin, |_, got| without_error(got))
            }

            /// As [`Access::or_create_with`](crate::Access::or_create_with), for a task.
            ///
            /// # Panics
            ///
            /// As [`or_create`](Self::or_create).
            ///
            /// # Cancel safety
            ///
            /// As [`AsyncAccess`](Self#cancel-safety) says.
            pub fn or_create_with(
                self,
                creator: impl AsyncFnOnce(&Creation<'_, $lock>) -> $made_with,
            ) -> impl Future<Output = $got>
            where
                $($can_fail)*
            {
                self.serve(creator, never, W::of_infallible_task, |_, got| without_error(got))
            }

            /// As [`Access::or_try_create`](crate::Access::or_try_create), for a task.
            ///
            /// # Errors
            ///
            /// As that; it does not time out.
            ///
            /// # Panics
            ///
            /// If the getter, the creator or the setter does.
            ///
            /// # Cancel safety
            ///
            /// As [`AsyncAccess`](Self#cancel-safety) says.
            pub fn or_try_create<E: Cause>(
                self,
                creator: impl AsyncFnOnce() -> Result<$made, E>,
            ) -> impl Future<Output = Result<$got, CreateError<E, $error>>>
            where
                W: Tells<E>,
                $($stores)*
            {
                let made = |made: Result<$made, E>| made.map($with).map_err(W::As::take);
                self.serve(move |_: &Creation<'_, $lock>| creator(), made, W::begin_by_task, W::told)
            }

            /// As [`Access::or_try_create_with`](crate::Access::or_try_create_with), for a task.
            ///
            /// # Errors
            ///
            /// As [`or_try_create`](Self::or_try_create).
            ///
            /// # Panics
            ///
            /// As [`or_try_create`](Self::or_try_create).
            ///
            /// # Cancel safety
            ///
            /// As [`AsyncAccess`](Self#cancel-safety) says.
            pub fn or_try_create_with<E: Cause>(
                self,
                creator: impl AsyncFnOnce(&Creation<'_, $lock>) -> Result<$made_with, E>,
            ) -> impl Future<Output = Result<$got, CreateError<E, $error>>>
            where
                W: Tells<E>,
                $($stores)*
            {
                self.serve(creator, |made: Result<$made_with, E>| made.map_err(W::As::take), W::begin_by_task, W::told)
            }
        }
    };
}

pub(crate) use ends;

/// How an access ends that has no error.
pub(crate) fn without_error<T, G: CannotFail>(got: Result<T, CreateError<Infallible, G>>) -> T {
    or_deadlock(got.map_err(refused))
}

opaque! { [K, L, S, W] AsyncAccess<K, L, S, W>, "AsyncAccess" }
