//! The forms for tasks: see [`wait`](crate::wait).
//!
//! Their guards own a share of their lock, and are marked by its counters (see [`readers`](crate::readers)): a task may
//! be polled by one thread and then by another. So they are given the lock as what it is [kept](crate::Keep) by.

use super::access::{Access, leave};
use super::getter_mode::{ended, or_kept};
use super::guard::after;
use super::{OwnedReadGuard, ReadTurn, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::{Creation, Once, Stored};
use crate::dogpile::{ByLock, ByStamp, Getter, Guarded, Judge, Stamped, found};
use crate::election::Generation;
use crate::error::{CreateError, GetError, NeedRegeneration, Refusal, never, or_deadlock, would_deadlock};
use crate::keeper::Keep;
use crate::readers::OwnedPass;
use crate::sync::Mutex;
use crate::turn::Outcome;
use crate::wait::{INFALLIBLE_TASK, TASK, Wait};
use std::convert::identity;
use std::fmt::Display;

/// # For tasks
///
/// The same lock may be used by threads and by tasks at once. What holds for the [tasks of a
/// `Dogpile`](crate::Dogpile#for-tasks) holds here: nothing blocks, a future may be dropped at any time, and to race it
/// with a timer is how to bound it. So is a guard, which may be held across an `.await`.
///
/// They are given a reference to what the lock is [kept](Keep) by: a `static`, an `Arc`, or a
/// [`Held<'static, …>`](crate::Held).
///
/// # Deadlocks
///
/// Whose guards these are the lock does not know: a task that holds one is not known to read (L9), and may wait for
/// itself. It reads once more by [`again`](OwnedReadGuard::again), and lets go before it creates or writes. (The
/// [write guard](crate::AsyncWriteGuard) of a creation is known to be that creation's.)
///
/// The guards of a thread, on the other hand, are known to be that thread's: while it holds one across an `.await`, as
/// a task that does not change threads could, the other tasks that it polls are told that they would wait for
/// themselves. Hold these there.
///
/// A future that has waited for a writer and is neither polled nor dropped keeps all others out, once another writer
/// comes: that one waits for it to go in. As any that waits, it should not be kept unpolled.
impl<C: Clock + 'static> SyncReaderDogpile<C> {
    /// As [`acquire`](Self::acquire), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is.
    pub fn acquire_async<'a>(lock: impl Keep<'a, Self>) -> impl Future<Output = ReadTurn<'static, C, OwnedReadGuard>> {
        async move {
            match Self::access_as_task(lock, &INFALLIBLE_TASK).await {
                Ok(Access::In(outcome, pass)) => {
                    let guard = OwnedReadGuard::new((), pass);
                    match outcome {
                        Outcome::Fresh => ReadTurn::Fresh(guard),
                        Outcome::Waited if !lock.kept().is_expired() => ReadTurn::Fresh(guard),
                        _ => ReadTurn::Stale(guard),
                    }
                }
                Ok(Access::Elected(born)) => ReadTurn::Create(Creation::new(lock.keeper(), born)),
                Err(error) => would_deadlock(error),
            }
        }
    }

    /// As [`acquire_or_create`](Self::acquire_or_create), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `creator` goes on to the caller.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while its creator runs, it drops that, and then gives the creation up: exactly one of those who wait is elected.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::SyncReaderDogpile;
    /// use std::{sync::Arc, time::Duration};
    ///
    /// # async fn download() {}
    /// # async fn swap() {}
    /// # async fn read() -> u32 { 42 }
    /// async fn look_up(lock: &Arc<SyncReaderDogpile>) -> u32 {
    ///     let _guard = SyncReaderDogpile::acquire_or_create_with_async(lock, async |creation| {
    ///         download().await; // slow: readers carry on with the old one
    ///         if let Ok(_alone) = creation.write_lock_async().await {
    ///             swap().await; // nobody reads
    ///         }
    ///     })
    ///     .await;
    ///     read().await // stays as it is as long as the guard lives
    /// }
    /// # let lock = Arc::new(SyncReaderDogpile::new(Duration::from_secs(600)));
    /// # assert_eq!(tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(look_up(&lock)), 42);
    /// ```
    pub fn acquire_or_create_async<'a>(
        lock: impl Keep<'a, Self>,
        creator: impl AsyncFnOnce(),
    ) -> impl Future<Output = OwnedReadGuard<Outcome>> {
        Self::acquire_or_create_with_async(lock, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`acquire_or_create_with`](Self::acquire_or_create_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_create_with_async<'a>(
        lock: impl Keep<'a, Self>,
        creator: impl AsyncFnOnce(&Creation<'_, Self>),
    ) -> impl Future<Output = OwnedReadGuard<Outcome>> {
        let mut creator = Once::new(creator);
        async move {
            or_deadlock(
                Self::create_by(lock, &INFALLIBLE_TASK, |creation| Box::pin(creation.run_closure(&mut creator, never)))
                    .await,
            )
        }
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_try_create_async<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        creator: impl AsyncFnOnce() -> Result<(), E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<Outcome>, CreateError<E>>> {
        Self::acquire_or_try_create_with_async(lock, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`acquire_or_try_create_with`](Self::acquire_or_try_create_with), for a task.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub fn acquire_or_try_create_with_async<'a, E: Display>(
        lock: impl Keep<'a, Self>,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<(), E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<Outcome>, CreateError<E>>> {
        let mut creator = Once::new(creator);
        async move { Self::create_by(lock, &TASK, |creation| Box::pin(creation.run_closure(&mut creator, identity))).await }
    }

    /// As [`get_or_create`](Self::get_or_create), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `getter` or `creator` goes on to the
    /// caller.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Dropped
    /// while `getter`, `creator` or a setter runs, it drops that, and then gives the creation up, if it had one:
    /// exactly one of those who wait is elected.
    pub fn get_or_create_async<'a, T, F: Future<Output = Result<T, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
    ) -> impl Future<Output = OwnedReadGuard<T>> {
        Self::get_or_create_with_async(lock, getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_create_with`](Self::get_or_create_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_with_async<'a, T, F: Future<Output = Result<T, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> T,
    ) -> impl Future<Output = OwnedReadGuard<T>> {
        let mut creator = Once::new(creator);
        async move {
            or_deadlock(
                Self::get_by(lock, &INFALLIBLE_TASK, &mut getter, |creation| {
                    told(creation.run_closure(&mut creator, never))
                })
                .await,
            )
        }
    }

    /// As [`get_or_create_and_set`](Self::get_or_create_and_set), for a task. The setter runs under
    /// [`write_lock_async`](Creation::write_lock_async).
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async), and if `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_and_set_async<'a, T, F: Future<Output = Result<T, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
        setter: impl AsyncFnOnce(&T),
    ) -> impl Future<Output = OwnedReadGuard<T>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            or_deadlock(
                Self::get_by(lock, &INFALLIBLE_TASK, &mut getter, |creation| {
                    make_and_set(creation, &mut creator, never, &mut setter)
                })
                .await,
            )
        }
    }

    /// As [`get_or_try_create`](Self::get_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_async<'a, T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        lock: impl Keep<'a, Self>,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<T>, CreateError<E, G>>> {
        Self::get_or_try_create_with_async(lock, getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_try_create_with`](Self::get_or_try_create_with), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_with_async<'a, T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<T>, CreateError<E, G>>> {
        let mut creator = Once::new(creator);
        async move {
            Self::get_by(lock, &TASK, &mut getter, |creation| told(creation.run_closure(&mut creator, identity))).await
        }
    }

    /// As [`get_or_try_create_and_set`](Self::get_or_try_create_and_set), for a task. The setter runs under
    /// [`write_lock_async`](Creation::write_lock_async).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_and_set`.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_and_set_async<'a, T, E: Display, G, F: Future<Output = Result<T, GetError<G>>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
        setter: impl AsyncFnOnce(&T) -> Result<(), E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<T>, CreateError<E, G>>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            Self::get_by(lock, &TASK, &mut getter, |creation| {
                make_and_set(creation, &mut creator, identity, &mut setter)
            })
            .await
        }
    }

    /// As [`get_or_create_stamped`](Self::get_or_create_stamped), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for. A panic of `getter` or `creator` goes on to the
    /// caller.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_async<'a, T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
    ) -> impl Future<Output = OwnedReadGuard<Stamped<T>>> {
        Self::get_or_create_stamped_with_async(lock, getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_create_stamped_with`](Self::get_or_create_stamped_with), for a task.
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_with_async<'a, T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> T,
    ) -> impl Future<Output = OwnedReadGuard<Stamped<T>>> {
        let mut creator = Once::new(creator);
        async move {
            let stamp = |value| never(lock.kept().dogpile.stamp(value));
            or_deadlock(
                Self::get_stamped_by(lock, &INFALLIBLE_TASK, &mut getter, |creation| {
                    told(creation.run_closure(&mut creator, stamp))
                })
                .await,
            )
        }
    }

    /// As [`get_or_create_stamped_and_set`](Self::get_or_create_stamped_and_set), for a task. The setter runs under
    /// [`write_lock_async`](Creation::write_lock_async).
    ///
    /// # Panics
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async), and if `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_create_stamped_and_set_async<'a, T, F: Future<Output = Result<Stamped<T>, NeedRegeneration>>>(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> T,
        setter: impl AsyncFnOnce(&Stamped<T>),
    ) -> impl Future<Output = OwnedReadGuard<Stamped<T>>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            let stamp = |value| never(lock.kept().dogpile.stamp(value));
            or_deadlock(
                Self::get_stamped_by(lock, &INFALLIBLE_TASK, &mut getter, |creation| {
                    make_and_set(creation, &mut creator, stamp, &mut setter)
                })
                .await,
            )
        }
    }

    /// As [`get_or_try_create_stamped`](Self::get_or_try_create_stamped), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_async<
        'a,
        T,
        E: Display,
        G,
        F: Future<Output = Result<Stamped<T>, GetError<G>>>,
    >(
        lock: impl Keep<'a, Self>,
        getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<Stamped<T>>, CreateError<E, G>>> {
        Self::get_or_try_create_stamped_with_async(lock, getter, move |_: &Creation<'_, Self>| creator())
    }

    /// As [`get_or_try_create_stamped_with`](Self::get_or_try_create_stamped_with), for a task.
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped`.
    ///
    /// # Panics
    ///
    /// If `getter` or `creator` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_with_async<
        'a,
        T,
        E: Display,
        G,
        F: Future<Output = Result<Stamped<T>, GetError<G>>>,
    >(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce(&Creation<'_, Self>) -> Result<T, E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<Stamped<T>>, CreateError<E, G>>> {
        let mut creator = Once::new(creator);
        async move {
            let stamp = |made: Result<T, E>| made.map(|value| lock.kept().dogpile.stamp(value));
            Self::get_stamped_by(lock, &TASK, &mut getter, |creation| told(creation.run_closure(&mut creator, stamp)))
                .await
        }
    }

    /// As [`get_or_try_create_stamped_and_set`](Self::get_or_try_create_stamped_and_set), for a task. The setter runs
    /// under [`write_lock_async`](Creation::write_lock_async).
    ///
    /// # Errors
    ///
    /// As `get_or_try_create_stamped_and_set`.
    ///
    /// # Panics
    ///
    /// If `getter`, `creator` or `setter` does.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_create_async`](Self::get_or_create_async).
    pub fn get_or_try_create_stamped_and_set_async<
        'a,
        T,
        E: Display,
        G,
        F: Future<Output = Result<Stamped<T>, GetError<G>>>,
    >(
        lock: impl Keep<'a, Self>,
        mut getter: impl FnMut() -> F,
        creator: impl AsyncFnOnce() -> Result<T, E>,
        setter: impl AsyncFnOnce(&Stamped<T>) -> Result<(), E>,
    ) -> impl Future<Output = Result<OwnedReadGuard<Stamped<T>>, CreateError<E, G>>> {
        let (mut creator, mut setter) = (Once::new(creator), Once::new(setter));
        async move {
            let stamp = |made: Result<T, E>| made.map(|value| lock.kept().dogpile.stamp(value));
            Self::get_stamped_by(lock, &TASK, &mut getter, |creation| {
                make_and_set(creation, &mut creator, stamp, &mut setter)
            })
            .await
        }
    }

    fn access_as_task<'a>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
    ) -> impl Future<Output = Result<Access<OwnedPass>, Refusal>> {
        async move { lock.kept().access_by(wait, false, || OwnedPass::enter(lock.owner(), wait), leave).await }
    }

    fn create_by<'a, E, R: Future<Output = Result<(), E>>>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
        run: impl FnOnce(Creation<'static, Self>) -> R,
    ) -> impl Future<Output = Result<OwnedReadGuard<Outcome>, CreateError<E>>> {
        async move {
            let born = match Self::access_as_task(lock, wait).await? {
                Access::In(outcome, pass) => return Ok(after(run, OwnedReadGuard::new(outcome, pass))),
                Access::Elected(born) => born,
            };
            match run(Creation::new(lock.keeper(), born)).await {
                Ok(()) => Ok(OwnedReadGuard::new(Outcome::Created, OwnedPass::enter(lock.owner(), wait).await?)),
                Err(error) => match Self::old_as_task(lock, wait).await {
                    Some(guard) => Ok(after(error, guard)),
                    None => Err(CreateError::Failed(error)),
                },
            }
        }
    }

    /// The old value, for an access whose creator has failed.
    fn old_as_task<'a>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
    ) -> impl Future<Output = Option<OwnedReadGuard<Outcome>>> {
        async move {
            let this = lock.kept();
            if !this.dogpile.serves_stale() {
                return None;
            }
            // What comes first is the creator's error: that it may not read has nothing to add to it.
            let pass = OwnedPass::enter(lock.owner(), wait).await.ok()?;
            this.old_within(pass, OwnedReadGuard::new)
        }
    }

    fn get_by<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
        getter: &mut impl FnMut() -> F,
        run: impl FnOnce(Creation<'static, Self>) -> R,
    ) -> impl Future<Output = Result<OwnedReadGuard<T>, CreateError<E, G>>>
    where
        F: Future<Output = Result<T, N>>,
        R: Future<Output = Result<T, CreateError<E, G>>>,
    {
        Self::fetch_as_task(lock, wait, ByLock(&lock.kept().dogpile), getter, run)
    }

    fn get_stamped_by<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
        getter: &mut impl FnMut() -> F,
        run: impl FnOnce(Creation<'static, Self>) -> R,
    ) -> impl Future<Output = Result<OwnedReadGuard<Stamped<T>>, CreateError<E, G>>>
    where
        F: Future<Output = Result<Stamped<T>, N>>,
        R: Future<Output = Result<Stamped<T>, CreateError<E, G>>>,
    {
        Self::fetch_as_task(lock, wait, ByStamp(&lock.kept().dogpile), getter, run)
    }

    fn fetch_as_task<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        lock: impl Keep<'a, Self>,
        wait: &Wait,
        judge: impl Judge<T>,
        getter: &mut impl FnMut() -> F,
        run: impl FnOnce(Creation<'static, Self>) -> R,
    ) -> impl Future<Output = Result<OwnedReadGuard<T>, CreateError<E, G>>>
    where
        F: Future<Output = Result<T, N>>,
        R: Future<Output = Result<T, CreateError<E, G>>>,
    {
        async move {
            // It is called as a reader, and so not before one has come in: what `fetch` calls only gives a future. The
            // mutex is what that may call it through; nobody else does.
            let getter = Mutex::new(getter);
            let ask = || async {
                let pass = OwnedPass::enter(lock.owner(), wait).await?;
                let got = getter.lock()();
                Ok(found(got.await)?.map(|value| OwnedReadGuard::new(value, pass)))
            };
            let elected = |born| Creation::new(lock.keeper(), born);
            let run = |creation| {
                Box::pin(async {
                    let value = run(creation).await?;
                    Ok(OwnedReadGuard::new(value, OwnedPass::enter(lock.owner(), wait).await?))
                })
            };
            let mut ask = Getter { ask, read: identity };
            lock.kept().fetch_by(wait, Guarded(judge), &mut ask, elected, run).await
        }
    }
}

/// What a creator that stores by itself has come to, run to the end of its creation.
async fn told<T, E, G>(run: impl Future<Output = Result<T, E>>) -> Result<T, CreateError<E, G>> {
    run.await.map_err(CreateError::Failed)
}

/// The same, of one whose setter stores under the write lock, unless it was superseded.
fn make_and_set<C: Clock, V, T, E: Display, G, S: Stored<E>>(
    creation: Creation<'static, SyncReaderDogpile<C>>,
    creator: &mut Once<impl AsyncFnOnce() -> V>,
    made: impl FnOnce(V) -> Result<T, E>,
    setter: &mut Once<impl AsyncFnOnce(&T) -> S>,
) -> impl Future<Output = Result<T, CreateError<E, G>>> {
    async move {
        let creating = creation.enter_async(|| async {
            let made = made(creator.take()().await).map_err(CreateError::Failed)?;
            if let Some(_alone) = or_kept(creation.write_lock_async().await)? {
                setter.take()(&made).await.stored().map_err(CreateError::Failed)?;
            }
            Ok(made)
        });
        let made = creating.await;
        ended(creation, made)
    }
}

/// # For tasks
impl<C: Clock> SyncReaderDogpile<C> {
    /// As [`invalidate`](Self::invalidate), for a task: as
    /// [`Dogpile::invalidate_async`](crate::Dogpile::invalidate_async).
    ///
    /// # Cancel safety
    ///
    /// Once it was polled, it has invalidated. Dropped after that, it no longer waits.
    pub fn invalidate_async(&self) -> impl Future<Output = ()> {
        async move {
            self.forget_async(None).await;
        }
    }

    /// As [`invalidate_if`](Self::invalidate_if), for a task: as
    /// [`Dogpile::invalidate_if_async`](crate::Dogpile::invalidate_if_async).
    ///
    /// # Cancel safety
    ///
    /// As [`invalidate_async`](Self::invalidate_async).
    pub fn invalidate_if_async(&self, seen: Generation) -> impl Future<Output = bool> {
        async move { self.forget_async(Some(seen)).await }
    }

    fn forget_async(&self, only_if: Option<Generation>) -> impl Future<Output = bool> {
        async move {
            // Without an end to the wait it only ends well.
            self.forget(only_if, &TASK).await.unwrap_or(true)
        }
    }
}
