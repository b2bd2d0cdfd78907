//! Accesses of tasks: their steps, and the terminals that are given a creator. The module [`wait`](crate::wait) says
//! how one code serves threads and tasks.
//!
//! There is no time-out among the steps: the code that polls a future can race it with a timer.

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

/// One request of a task to a lock: its *steps* describe it, and its *terminal* makes it.
///
/// The terminal gives a future, and nothing happens before the future is polled.
/// [`access_async()`](crate::Dogpile::access_async) opens an access. [`kept_async(&lock)`](crate::Dogpile::kept_async)
/// opens an access whose creation may outlive the caller.
///
/// | step | the access |
/// |---|---|
/// | [`fetch(getter)`](Self::fetch) | has the getter fetch the value from where it lives |
/// | [`fetch_stamped(getter)`](Self::fetch_stamped) | has the getter fetch the value with the time when it was created |
/// | [`and_set(setter)`](Self::and_set) | has the setter store what the creator made |
/// | [`soft_timeout(d)`](Self::soft_timeout) | waits for a new value for `d` at most although there is an old one, and then takes the old one |
/// | [`anew()`](Self::anew) | gives a value whose creation began after the access did, although there is a fresh one |
/// | [`renew_if(generation)`](Self::renew_if) | asks for a newer value than that of the generation, which the caller was refused with |
/// | [`share_errors()`](Self::share_errors) | shares the error of a failed creation with the other accesses that have this step |
/// | [`spawned_by(&spawner)`](Self::spawned_by) | if it is elected, gives its creation to a task of its own. This step comes last |
///
/// | terminal | its future gives | after `spawned_by` |
/// |---|---|---|
/// | [`turn`](Self::turn) | what the access is to do: to use the value, or to create it; a panic in place of a wait for itself | - |
/// | [`try_turn`](Self::try_turn) | `Result<_, AcquireError>` of the same | - |
/// | `or_create`, `or_create_with` | the value; a panic in place of a wait for itself | `Result<_, AcquireError>` |
/// | `or_try_create`, `or_try_create_with` | `Result<_, CreateError<E, G>>` | the same |
/// | [`get`](Self::get), of a function that keeps its results | the value; a panic in place of a wait for itself | - |
/// | [`try_get`](Self::try_get), of such a function | `Result<_, CreateError<E, G>>` | the same |
///
/// The value is that of an [`Access`](crate::Access), with one difference: under readers it comes in an
/// [`OwnedReadGuard`](crate::OwnedReadGuard), which may be held across an `.await`. The getter, the creator and the
/// setter give futures.
///
/// There is no time-out among the steps: the code that polls the future can race it with a timer, and drop it at any
/// time. [`Dogpile`](crate::Dogpile#for-tasks) says what holds for all tasks, and the page [tasks](crate::guide::tasks)
/// of the guide shows it.
///
/// # Cancel safety
///
/// The future may be dropped at any time. What its drop does depends on what the access is doing:
///
/// | the access | the drop of its future |
/// |---|---|
/// | waits | takes the access out of the queue; if the access had just been called to create, the next waiter is called |
/// | runs a creator or a setter | drops that, and then gives the creation up: exactly one waiter is elected (L5) |
/// | runs a getter | drops that; if the access was to create, all waiters look once more, and one of them is elected |
///
/// # Send
///
/// A future is `Send` if the closures that it is given are, and their futures. Today's compiler cannot see this in one
/// case: a creator that is handed something, or a setter, is an async closure, and the type of the value has a lifetime
/// in it, such as `&'static str`, or is a trait object.
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, SyncReaderDogpile, Task};
/// use std::{error::Error, io, sync::Arc, time::Duration};
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
///
/// struct Client; // say, of memcached
///
/// impl Client {
///     async fn get(&self, _key: &str) -> io::Result<Option<u64>> {
///         Ok(None)
///     }
///
///     async fn set(&self, _key: &str, _made: u64) -> io::Result<()> {
///         Ok(())
///     }
/// }
///
/// async fn load() -> io::Result<u64> {
///     Ok(42) // slow
/// }
///
/// async fn answer(client: &'static Client) -> Result<u64, Box<dyn Error>> {
///     // A getter brings the value. A setter stores what the creator makes.
///     let made = LOCK
///         .access_async()
///         .fetch(|| client.get("answer"))
///         .and_set(async |made| client.set("answer", *made).await)
///         .or_try_create(load)
///         .await?;
///
///     // A task of its own creates, and survives this task.
///     let spawner = |task: Task| drop(tokio::spawn(task));
///     let made = LOCK.access_async().fetch(|| client.get("answer")).spawned_by(&spawner).or_try_create(load).await?;
///
///     // The lock is not a `static`, and the creation is to outlive the caller; or there are readers.
///     let readers = Arc::new(SyncReaderDogpile::never_expires());
///     let guard = SyncReaderDogpile::kept_async(&readers).or_create(async || { /* rebuild */ }).await;
///     Ok(made)
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     assert_eq!(answer(&Client).await.unwrap(), 42);
/// }
/// ```
#[must_use = "nothing happens before the access ends in `turn`, `or_create` or `or_try_create` and is awaited"]
pub struct AsyncAccess<K, L, S = Elsewhere, W = Forever> {
    pub(crate) lock: K,
    pub(crate) source: S,
    pub(crate) waits: W,
    of: PhantomData<fn() -> L>,
}

/// # How long it waits, and for what
impl<K, L, S, W: Waits> AsyncAccess<K, L, S, W> {
    /// As [`Access::soft_timeout`](crate::Access::soft_timeout): lets the access wait for a new value for `timeout` at
    /// most although there is an old one, and then go on with the old one.
    ///
    /// An elected access creates. After [`spawned_by`](Self::spawned_by) its creation goes on in another task, and the
    /// access waits for that task, within this time-out. A thread of this crate keeps the time. It is there while a
    /// task waits so.
    pub fn soft_timeout(self, timeout: Duration) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|_, soft| *soft = Some(timeout))
    }

    /// As [`Access::anew`](crate::Access::anew): has the value made anew, although it is fresh, and although there is a
    /// pause.
    pub fn anew(self) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|wants, _| *wants = Wants::Anew)
    }

    /// As [`Access::renew_if`](crate::Access::renew_if): asks for a newer value than that of generation `seen`, which
    /// the caller was refused with. Other accesses carry on with the old value.
    pub fn renew_if(self, seen: Generation) -> AsyncAccess<K, L, S, W::Wanting> {
        self.wanting(|wants, _| *wants = Wants::Newer(seen))
    }

    /// As [`Access::share_errors`](crate::Access::share_errors): if the creation fails, all accesses that have waited
    /// for it, and have this step as well, fail with the same error.
    ///
    /// Where the future is to be `Send`, the type of the error has no lifetime in it, not even `'static` as in
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
    /// As [`Access::fetch`](crate::Access::fetch), by a getter whose future gives `Option<T>`, or
    /// `Result<Option<T>, G>`.
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
    /// As [`Access::and_set`](crate::Access::and_set), by a setter that gives a future. The future runs inside
    /// [`Creation::publish_async`](crate::Creation::publish_async). Under readers it runs while the creation holds the
    /// [write lock](crate::Creation::write_lock_async) instead.
    pub fn and_set<P, Z: AsyncFnOnce(&R::Value) -> P>(
        self,
        setter: Z,
    ) -> AsyncAccess<K, L, ByGetter<F, A, SetByTask<Z>>, W> {
        self.with(|ByGetter { getter, age, .. }| ByGetter { getter, setter: SetByTask::new(Some(setter)), age })
    }
}

/// The terminals of an access of a task. They are written out for each source: if a trait told the future where its
/// value is, the future would not be `Send` where the type of the value or of an error has a lifetime in it.
///
/// Where this macro is used, the traits and types that it names are in scope, and each such access has a `serve`.
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
            /// Panics if this task is running the creator that the access would wait for. A panic of the getter, the
            /// creator or the setter goes on to the caller.
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
            /// As `Access::or_try_create`, but the access does not time out.
            ///
            /// # Panics
            ///
            /// A panic of the getter, the creator or the setter goes on to the caller.
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

/// Returns the value of an access that has no error.
pub(crate) fn without_error<T, G: CannotFail>(got: Result<T, CreateError<Infallible, G>>) -> T {
    or_deadlock(got.map_err(refused))
}

opaque! { [K, L, S, W] AsyncAccess<K, L, S, W>, "AsyncAccess" }
