//! Accesses of tasks whose creations are spawned: see [`spawner`](crate::spawner).

use super::after;
use super::serve::{ServedByTask, ServesSpawned};
use super::{AsyncAccess, ByTask, CannotFail, Forever, Keep, Kept, Origin, Owns, Tells, Waits, refused};
use crate::creation::Shared;
use crate::derived::opaque;
use crate::error::{AcquireError, never};
use crate::failure::{Cause, Takes};
use crate::lock::Lock;
use crate::spawner::Spawner;
use crate::wait::{TASK, Wait, Waiting};
use std::convert::Infallible;
use std::marker::PhantomData;

/// An access of a task after its step [`spawned_by`](crate::AsyncAccess::spawned_by). If it is elected, its creation is
/// spawned, and survives the task that asks.
///
/// Each terminal gives a `Result`, even if the creator cannot fail: a creation that was spawned may be
/// [lost](crate::CreateError::Lost).
///
/// # Cancel safety
///
/// The future may be dropped at any time. Its drop stops no creation that has been spawned: the creation goes on, once,
/// and its value is kept. There is one exception: a creation whose creator has come back to the access, as
/// [`Spawner`](crate::Spawner#the-access-that-waits) says, is given up.
#[must_use = "nothing happens before the access ends in `or_create` or `or_try_create` and is awaited"]
pub struct Spawned<'p, K, L, S, P: ?Sized, W = Forever> {
    pub(crate) lock: K,
    pub(crate) source: S,
    pub(crate) spawner: &'p P,
    pub(crate) waits: W,
    pub(super) of: PhantomData<fn() -> L>,
}

/// # Which task creates
impl<K, L, S, W> AsyncAccess<K, L, S, W> {
    /// Has an elected access give its creation to a task of its own, which survives the task that asks.
    ///
    /// With an old value the access goes on at once. Without one it waits for that creation, as the others do. So does
    /// an access that asks for another value than the old one, by [`anew`](Self::anew) or [`renew_if`](Self::renew_if).
    ///
    /// This is the last step: a getter and a setter come before it. Each terminal that follows gives a `Result`, since
    /// the task may be [lost](crate::CreateError::Lost). An access of a function ends in [`try_get`](Spawned::try_get).
    ///
    /// The lock outlives the access: the lock is a `static`, or the access is [`kept`](crate::Dogpile::kept_async). All
    /// that the access is given is `Send`. The creator and the setter are `'static`.
    ///
    /// The page [tasks](crate::guide::tasks#a-creation-that-survives-the-task) of the guide says more.
    ///
    /// # Examples
    ///
    /// A token that says how long it lives is renewed by a task that survives the task which asked:
    ///
    /// ```
    /// use dogpile::{Cached, CreateError, Made, Task};
    /// use std::{io, time::Duration};
    ///
    /// static TOKEN: Cached<String> = Cached::new(Duration::from_secs(600));
    ///
    /// async fn log_in(_old: Option<&str>) -> io::Result<(String, Duration)> {
    ///     Ok(("token".to_owned(), Duration::from_secs(300))) // slow
    /// }
    ///
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

impl<'p, L, K, S, P, W> Spawned<'p, K, L, S, P, W>
where
    L: Lock,
    K: Owns<L> + Send + Sync + 'p,
    S: Origin<ByTask>,
    P: Spawner + Sync + ?Sized,
    W: Waits + 'p,
{
    /// As [`Access::or_create`](crate::Access::or_create), with a creator that runs in a task of its own.
    ///
    /// # Errors
    ///
    /// - [`AcquireError::WouldDeadlock`], if this task is running the creator that the access would wait for.
    /// - [`AcquireError::Paused`], after a failure, if there is no value.
    /// - [`AcquireError::Lost`], if the creation is lost.
    ///
    /// # Panics
    ///
    /// A panic of the getter or the spawner goes on to the caller. A panic of the creator or the setter ends in its
    /// task, as a failed creation.
    pub fn or_create<F: Future<Output = S::Made> + Send + 'static>(
        self,
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Result<L::GotByTask<S::Value>, AcquireError>>
    where
        S::Error: CannotFail,
        S::Made: 'static,
        L: ServesSpawned<'p, S, Infallible, Infallible>,
    {
        let begin = W::of_task;
        self.serve(move |_| creator(), begin, |made| never(S::with(made)), |_, got| got.map_err(refused))
    }

    /// As [`or_create`](Self::or_create), by a creator that is handed a [share](Shared) of its creation by value. The
    /// creator's future drops the share before it is ready.
    ///
    /// # Errors
    ///
    /// As `or_create`.
    ///
    /// # Panics
    ///
    /// As `or_create`.
    pub fn or_create_with<F: Future<Output = S::MadeWith> + Send + 'static>(
        self,
        creator: impl FnOnce(Shared<L>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<L::GotByTask<S::Value>, AcquireError>>
    where
        S::Error: CannotFail,
        S::MadeWith: 'static,
        L: ServesSpawned<'p, S, Infallible, Infallible>,
    {
        let begin = W::of_task;
        self.serve(creator, begin, never, |_, got| got.map_err(refused))
    }

    /// As [`Access::or_try_create`](crate::Access::or_try_create), with a creator that runs in a task of its own.
    ///
    /// # Errors
    ///
    /// As `Access::or_try_create`, with two differences: the access does not time out, and there is
    /// [`CreateError::Lost`](crate::CreateError::Lost).
    ///
    /// # Panics
    ///
    /// As [`or_create`](Self::or_create).
    pub fn or_try_create<E: Cause + 'static, F: Future<Output = Result<S::Made, E>> + Send + 'static>(
        self,
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = ServedByTask<L, S, E>>
    where
        S::Made: 'static,
        W: Tells<E, As: 'static>,
        L: ServesSpawned<'p, S, E, W::As>,
    {
        let begin = W::begin_by_task;
        let made = |made: Result<S::Made, E>| made.map(S::with).map_err(W::As::take);
        self.serve(move |_| creator(), begin, made, W::told)
    }

    /// As [`or_try_create`](Self::or_try_create), by a creator that is handed a [share](Shared) of its creation by
    /// value. The creator's future drops the share before it is ready.
    ///
    /// # Errors
    ///
    /// As `or_try_create`.
    ///
    /// # Panics
    ///
    /// As [`or_create`](Self::or_create).
    pub fn or_try_create_with<E: Cause + 'static, F: Future<Output = Result<S::MadeWith, E>> + Send + 'static>(
        self,
        creator: impl FnOnce(Shared<L>) -> F + Send + 'static,
    ) -> impl Future<Output = ServedByTask<L, S, E>>
    where
        S::MadeWith: 'static,
        W: Tells<E, As: 'static>,
        L: ServesSpawned<'p, S, E, W::As>,
    {
        let begin = W::begin_by_task;
        self.serve(creator, begin, |made: Result<S::MadeWith, E>| made.map_err(W::As::take), W::told)
    }

    fn serve<V: 'static, N, E: 'static, T, X: Waiting + Clone + 'p, F: Future<Output = V> + Send + 'static>(
        self,
        creator: impl FnOnce(Shared<L>) -> F + Send + 'static,
        begin: impl FnOnce(&W) -> X,
        made: fn(V) -> Result<S::MadeWith, E>,
        end: fn(&Wait, ServedByTask<L, S, E>) -> T,
    ) -> impl Future<Output = T>
    where
        L: ServesSpawned<'p, S, N, E>,
    {
        let Self { lock, source, spawner, waits, .. } = self;
        async move {
            if let Some(got) = lock.refer().look(|| lock.owner(), waits.glance()) {
                return end(&TASK, Ok(after((source, creator), got)));
            }
            let wait = begin(&waits);
            let got = L::serve_spawned(lock, spawner, wait.clone(), source, creator, made).await;
            end(wait.wait(), got)
        }
    }
}

opaque! { [K, L, S, P: ?Sized, W] Spawned<'_, K, L, S, P, W>, "Spawned" }
