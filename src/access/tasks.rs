//! Accesses of tasks: see [`wait`](crate::wait) for what has one code serve both.
//!
//! There is no time-out: whoever polls a future can race it with a timer.

use super::{
    Age, ByGetter, ByLock, ByStamp, CannotFail, Elsewhere, Finds, Forever, Found, Inside, Keep, Kept, Lends, Nothing,
    ReachByTask, SetByTask, Sharing, Spawned, Stored, Tells, TurnsByTask, UnsetByTask, Waits, refused,
};
use crate::beside::fetch::Lookup;
use crate::beside::how;
use crate::beside::lock_mode::{self, Met};
use crate::beside::{Beside, Guards, Looked, OfTask, after};
use crate::cached::{Cached, CachedGuard, Made, Renewal};
use crate::clock::Clock;
use crate::creation::{Creation, Once};
use crate::derived::opaque;
use crate::election::Generation;
use crate::error::{CreateError, never, or_deadlock, would_deadlock};
use crate::failure::{Cause, Takes};
use crate::keeper::Keeper;
use crate::outcome::Outcome;
use crate::spawner::Spawner;
use crate::wait::{TASK, Wait, Waiting, Wants};
use std::convert::{Infallible, identity};
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
    pub(super) lock: K,
    source: S,
    pub(super) waits: W,
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
    /// [`Creation::publish_async`], or under readers with the [write lock](Creation::write_lock_async) held.
    pub fn and_set<P, Z: AsyncFnOnce(&R::Value) -> P>(
        self,
        setter: Z,
    ) -> AsyncAccess<K, L, ByGetter<F, A, SetByTask<Z>>, W> {
        self.with(|ByGetter { getter, age, .. }| ByGetter { getter, setter: SetByTask::new(Some(setter)), age })
    }
}

/// # Who creates
impl<K, L, S, W> AsyncAccess<K, L, S, W> {
    /// An access that is elected gives its creation to a task of its own: it survives the one that asks. With an old
    /// value the access goes on at once; without one it waits for that creation, as the others do.
    ///
    /// This is the last step: a getter and a setter come before it. What follows gives a `Result`, since the task may
    /// be [lost](CreateError::Lost); an access of a function ends in [`try_get`](Spawned::try_get). The lock outlives
    /// the access: it is a `static`, or the access is [`kept`](crate::Dogpile::kept_async). All that the access is
    /// given is `Send`, and creator and setter are `'static`.
    ///
    /// # Examples
    ///
    /// A token that says how long it lives, renewed by a task that survives its asker:
    ///
    /// ```
    /// use dogpile::{Cached, CreateError, Made, Task};
    /// use std::{io, time::Duration};
    ///
    /// static TOKEN: Cached<String> = Cached::new(Duration::from_secs(600));
    ///
    /// # async fn log_in(_: Option<&str>) -> io::Result<(String, Duration)> { Ok((String::new(), Duration::ZERO)) }
    /// async fn token() -> Result<String, CreateError<io::Error>> {
    ///     let spawner = |task: Task| drop(tokio::spawn(task));
    ///     let token = TOKEN.access_async().spawned_by(&spawner).or_try_create_with(|renewal| async move {
    ///         let (token, lives) = log_in(renewal.old().map(String::as_str)).await?;
    ///         Ok(Made::new(token).expires_after(lives))
    ///     });
    ///     Ok(token.await?.clone())
    /// }
    /// ```
    pub fn spawned_by<P: Spawner + ?Sized>(self, spawner: &P) -> Spawned<'_, Kept<K, L>, L, S, P, W>
    where
        K: Keep<L>,
    {
        Spawned { lock: self.lock.own(), source: self.source, spawner, waits: self.waits, of: PhantomData }
    }
}

/// # Turns
impl<L: Beside, K: TurnsByTask<L>, W: Waits> AsyncAccess<K, L, Elsewhere, W> {
    /// As [`Access::turn`](crate::Access::turn), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for; under readers also if this thread, or the creation that
    /// this task runs, holds the write lock.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next waiter is.
    pub fn turn(self) -> impl Future<Output = K::Turn> {
        let (guards, waits) = (OfTask::new(self.lock), self.waits);
        async move {
            let now = match guards.lock().at_once_by_task(|| guards.reached.owner(), waits.glance()) {
                Ok(got) => return guards.reached.turn(got),
                Err(now) => now,
            };
            let wait = waits.of_infallible_task();
            let met = Box::pin(lock_mode::access(&guards, now, wait.wait(), |_, pass| drop(pass))).await;
            match met {
                Ok(Met::In(outcome, pass)) => guards.reached.turn(L::give_to_task(outcome, pass)),
                Ok(Met::Elected(born)) => guards.reached.turn_to_create(born),
                Err(error) => would_deadlock(error),
            }
        }
    }
}

/// How an access of a task ends. It is said of each source apart, since a future that were told it by a trait would not
/// be `Send` where there is a lifetime in the type of the value or of an error.
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
                self.serve(move |_: &Creation<'_, $lock>| creator(), made, begin, |_, got| infallibly(got))
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
                self.serve(creator, never, W::of_infallible_task, |_, got| infallibly(got))
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

ends! {
    /// # In lock mode
    [K, L: Beside] L, Elsewhere => (), (), L::GotByTask<Outcome>, Infallible where {} {} {} identity
}

ends! {
    /// # By a getter
    [K, L: Beside, R: Finds, Q: Future<Output = R>, F: FnMut() -> Q, A: Age<R::Value>, P, M: Lends<R::Value>,
        Z: AsyncFnOnce(&M::Lent) -> P]
    L, ByGetter<F, A, SetByTask<Z, M>> => A::Made, A::Made, L::GotByTask<R::Value>, R::Error
    where {} { R::Error: CannotFail, P: Stored<Infallible>, } { P: Stored<E>, } identity
}

ends! {
    /// # Of a lock that has its value
    [K, T, C: Clock] Cached<T, C>, Inside<T> => T, Made<T>, CachedGuard<T>, Infallible where {} {} {} Made::new
}

/// How an access ends that has no error.
fn infallibly<T, G: CannotFail>(got: Result<T, CreateError<Infallible, G>>) -> T {
    or_deadlock(got.map_err(refused))
}

// A hit returns early, below: a guard that leaves a `match` beside one that was awaited is put together in memory and
// copied in other pieces than it was written in, which costs more than the hit.
//
// How large a future is (`tests/tasks/sizes.rs`): what a block is given has its place there as long as the block has,
// also after it was moved on; so has what is matched on, as long as an arm awaits. So each access is one block as far as
// it can be, what is awaited is bound before it is looked at, and what takes place only after a look has come to nothing
// is in a box: all of an access without a getter, and the creator with all that comes after it.

impl<K: ReachByTask<L>, L: Beside, W: Waits> AsyncAccess<K, L, Elsewhere, W> {
    fn serve<V, E: Cause, T, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Creation<'_, L>) -> V,
        made: impl FnOnce(V) -> Result<(), E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<L::GotByTask<Outcome>, CreateError<E>>) -> T,
    ) -> impl Future<Output = T> {
        let (waits, mut access) = (self.waits, (OfTask::new(self.lock), Once::new(creator)));
        async move {
            let now = match access.0.lock().at_once_by_task(|| access.0.reached.owner(), waits.glance()) {
                Ok(got) => return end(&TASK, Ok(after(access.1, got))),
                Err(now) => now,
            };
            let wait = begin(&waits);
            let got = Box::pin(serve_slowly(&mut access, now, wait.wait(), made)).await;
            end(wait.wait(), after(access.1, got))
        }
    }
}

/// What a hit has not come to. It is a future of its own: the drop of the other's is so small that it stands in line.
fn serve_slowly<L: Beside, K: ReachByTask<L>, V, E: Cause>(
    access: &mut (OfTask<K, L>, Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>),
    now: Looked,
    wait: &Wait,
    made: impl FnOnce(V) -> Result<(), E>,
) -> impl Future<Output = Result<L::GotByTask<Outcome>, CreateError<E>>> {
    async move {
        let creating = {
            let met = lock_mode::access(&access.0, now, wait, |_, pass| drop(pass)).await;
            match met {
                Ok(Met::In(outcome, pass)) => return Ok(L::give_to_task(outcome, pass)),
                Ok(Met::Elected(born)) => {
                    let (guards, creator) = access;
                    let creation = Creation::new(Keeper::Borrowed(guards.lock()), born);
                    Box::pin(create_by_task(guards, wait, creation, creator, made))
                }
                Err(error) => return Err(error.into()),
            }
        };
        creating.await
    }
}

fn create_by_task<L: Beside, K: ReachByTask<L>, V, E: Cause>(
    guards: &OfTask<K, L>,
    wait: &Wait,
    creation: Creation<'_, L>,
    creator: &mut Once<impl AsyncFnOnce(&Creation<'_, L>) -> V>,
    made: impl FnOnce(V) -> Result<(), E>,
) -> impl Future<Output = Result<L::GotByTask<Outcome>, CreateError<E>>> {
    async move {
        let made = creation.run_closure(creator, made).await.map_err(CreateError::Failed);
        lock_mode::created(guards, wait, made).await
    }
}

impl<K, L, R, Q, F, A, P, Z, M, W> AsyncAccess<K, L, ByGetter<F, A, SetByTask<Z, M>>, W>
where
    K: ReachByTask<L>,
    L: Beside,
    R: Finds,
    Q: Future<Output = R>,
    F: FnMut() -> Q,
    A: Age<R::Value>,
    M: Lends<R::Value>,
    Z: AsyncFnOnce(&M::Lent) -> P,
    W: Waits,
{
    fn serve<V, N, E: Takes<N>, T, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Creation<'_, L>) -> V,
        made: impl FnOnce(V) -> Result<A::Made, E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<L::GotByTask<R::Value>, CreateError<E, R::Error>>) -> T,
    ) -> impl Future<Output = T>
    where
        P: Stored<N>,
    {
        let ByGetter { getter, mut setter, .. } = self.source;
        let (lock, mut creator) = (self.lock, Once::new(creator));
        let mut lookup = Lookup::<_, _, A, _>::new(OfTask::new(lock), begin(&self.waits), getter);
        async move {
            let elected = |born| Creation::new(Keeper::Borrowed(lock.refer()), born);
            let run = |creation| {
                how::create_by_task::<L, _, _, N, _, _, A, _, _, _>(creation, &mut creator, made, &mut setter)
            };
            let got = lookup.create(elected, run).await;
            let wait = after((creator, setter), lookup.into_wait());
            end(wait.wait(), got)
        }
    }
}

impl<K: ReachByTask<Cached<T, C>>, T, C: Clock, W: Waits> AsyncAccess<K, Cached<T, C>, Inside<T>, W> {
    fn serve<V, E: Cause, G, X: Waiting>(
        self,
        creator: impl AsyncFnOnce(&Renewal<'_, T, C>) -> V,
        made: impl FnOnce(V) -> Result<Made<T>, E>,
        begin: impl FnOnce(&W) -> X,
        end: impl FnOnce(&Wait, Result<CachedGuard<T>, CreateError<E>>) -> G,
    ) -> impl Future<Output = G> {
        let (lock, waits, mut creator) = (self.lock, self.waits, Once::new(creator));
        async move {
            if let Some(guard) = lock.refer().at_once(waits.glance()) {
                return end(&TASK, Ok(after(creator, guard)));
            }
            let wait = begin(&waits);
            let got = lock.refer().get_by_task(wait.wait(), &mut creator, made).await;
            end(wait.wait(), after(creator, got))
        }
    }
}

opaque! { [K, L, S, W] AsyncAccess<K, L, S, W>, "AsyncAccess" }
