//! The right to create, as its owner holds it. What of it is for tasks is in [`tasks`], and what several creations do
//! as one in [`together`].

mod tasks;
mod together;

pub(crate) use tasks::{Middle, Once};
pub(crate) use together::enter_all;

use crate::beside::Beside;
use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::election::{Birth, Election, Failed, Finished, Generation, SharedError};
use crate::error::PublishError;
use crate::failure::{Cause, Hints};
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::observer::End;
use crate::policy::Life;
use crate::runner::{Job, Runner, quietly};
use crate::running::{Doing, Which};
use crate::sync::{Arc, AtomicBool, AtomicU64, Flag, Ordering};
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// The right to create: while it exists, nobody else is elected (L1).
///
/// `L` is the lock it is of: a [`Dogpile`], unless said otherwise.
///
/// A creation is given out by [`turn`](crate::Access::turn), and lent to the creator by
/// [`or_create_with`](crate::Access::or_create_with). It is `Send`: the elected thread may hand it to another thread,
/// which runs the creator there and finishes it. A `Creation<'static>`, of a lock that is [kept](Dogpile::kept) by an
/// `Arc` or of one in a `static`, may outlive the caller, in a thread pool, a queue or a timer.
///
/// A creation that is dropped unfinished leaves the value as it was, and hands on to exactly one waiter (L5).
///
/// | a creation that is dropped | has failed | so it is counted, told, and [paused](crate::PolicyBuilder::retry_after) after |
/// |---|---|---|
/// | by a panic of its creator, or by a panic while its owner holds it and has not run it | yes | yes |
/// | because its future was cancelled, its job or task never ran, or its owner let go of it | no | no; a pause that the creation was elected in goes on |
///
/// (A future is also cancelled if its task panics in something else that the task polls.) A creator's error is no drop:
/// see [`fail`](Self::fail).
///
/// Leaking a creation with [`std::mem::forget`] holds the lock for ever: stale values go on being served, and those who
/// wait for a missing one wait until their time is out; unless a creation has a
/// [time-out](crate::PolicyBuilder::creation_timeout), after which another is elected.
///
/// # Deadlocks
///
/// While a creator runs inside [`run`](Self::run), or in any access that is given the creator, or while a closure runs
/// inside [`publish`](Self::publish), its thread is known, and waiting for itself is found at once (L7). A `Creation`
/// that is merely held may be on its way to another thread, so this is *not* found, and waits for ever:
///
/// ```text
/// one thread
///
/// let Turn::Create(creation) = lock.acquire() else { … };
/// lock.acquire();     // no value yet: waits for `creation`,
/// creation.finish();  // which would be finished after the wait
/// ```
///
/// # Examples
///
/// Readers go on with the old value while a thread of its own makes the new one:
///
/// ```
/// use dogpile::{Dogpile, Turn};
/// use std::{sync::Arc, thread, time::Duration};
///
/// let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
/// if let Turn::Create(creation) = Dogpile::kept(&lock).turn() {
///     thread::spawn(move || creation.run(|_| { /* rebuild */ }));
/// }
/// if !lock.has_value() {
///     assert!(matches!(lock.acquire(), Turn::Fresh)); // nothing to go on with: this waits
/// }
/// ```
#[must_use = "dropping a creation gives it up; `finish` or `run` it"]
pub struct Creation<'a, L: Lock = Dogpile> {
    lock: Keeper<'a, L>,
    born: Birth,
    /// It knows that it is superseded: what was created, if anything, lies where nobody finds it.
    kept_back: AtomicBool,
    /// Its creator has been run, or a part of it.
    entered: Flag,
    /// Its creator is a future, and was dropped by a panic that was not its own.
    cancelled: Flag,
    /// How many `publish` are running.
    stores: AtomicU64,
    noted: L::Noted,
    open: bool,
}

/// A share of the right to create, as a creator is handed it that runs in a task of its own: see
/// [`AsyncAccess::spawned_by`](crate::AsyncAccess::spawned_by).
///
/// It is a [`Creation`] that can be asked, and published through; of a [`Cached`](crate::Cached) it is a
/// [`Renewal`](crate::Renewal), with the [old value](Creation::old). The task ends the creation; so the creator's
/// future lets go of its shares before it is ready. As long as one is held after that, the creation cannot end: it is
/// given up when the last share is dropped, and what was made is [lost](crate::CreateError::Lost).
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Shared, Task};
/// use std::time::Duration;
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
///
/// # async fn rebuild() {}
/// # async fn store() {}
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let spawner = |task: Task| drop(tokio::spawn(task));
/// let access = LOCK.access_async().spawned_by(&spawner).or_try_create_with(async |creation: Shared<Dogpile>| {
///     rebuild().await;
///     creation.publish_async(store).await // or it fails: it was invalidated meanwhile
/// });
/// access.await.unwrap();
/// # });
/// assert!(LOCK.has_value());
/// ```
pub struct Shared<L: Lock + 'static>(Arc<Creation<'static, L>>);

impl<L: Lock> Shared<L> {
    pub(crate) fn new(creation: Creation<'static, L>) -> Self {
        Self(Arc::new(creation))
    }

    /// The creation, if there is no other share of it.
    pub(crate) fn into_creation(self) -> Option<Creation<'static, L>> {
        Arc::try_unwrap(self.0).ok()
    }
}

impl<L: Lock> Clone for Shared<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Lock> Deref for Shared<L> {
    type Target = Creation<'static, L>;

    fn deref(&self) -> &Creation<'static, L> {
        &self.0
    }
}

impl<L: Lock> fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a, L: Lock> Creation<'a, L> {
    /// `born` must come from an election of that lock which nobody else has answered for.
    pub(crate) fn new(lock: Keeper<'a, L>, born: Birth) -> Self {
        let (kept_back, stores) = (AtomicBool::new(false), AtomicU64::new(0));
        let [entered, cancelled] = [(); 2].map(|()| Flag::new(false));
        Self { lock, born, kept_back, entered, cancelled, stores, noted: L::Noted::default(), open: true }
    }

    /// When it was elected, and which one it is.
    pub(crate) fn born(&self) -> Birth {
        self.born
    }

    /// What it is known by.
    pub(crate) fn which(&self) -> Which {
        Which::of(self.election(), self.born.ticket)
    }

    /// What it is of.
    pub(crate) fn lock(&self) -> &L {
        &self.lock
    }

    /// What its lock notes of it.
    pub(crate) fn noted(&self) -> &L::Noted {
        &self.noted
    }

    fn election(&self) -> &Election {
        self.lock.dogpile().election()
    }

    /// Ends the creation with success. `publish` runs within the transition, see [`Election::finish`]; it is also told
    /// the lock and the time, which is read before. A `flaw` has it count as a failure as well.
    pub(crate) fn end(mut self, flaw: Option<&str>, publish: impl FnOnce(&L, Finished, Generation, u64)) -> Finished {
        let Self { lock, open, born, kept_back, .. } = &mut self;
        // The clock first: it is the user's, and if it panics the creation is dropped and frees the lock.
        let dogpile = lock.dogpile();
        let now = dogpile.clock().now();
        let took = now.saturating_sub(born.started);
        let mut counted = false;
        let publish = |finished, generation| {
            dogpile.count(&End::Finished(finished), took);
            counted = true;
            publish(lock, finished, generation, now);
        };
        let end = |failed: Option<Failed<'_>>| {
            *open = false;
            let cause = failed.as_ref().map(|failed| Arc::clone(&failed.cause));
            let publish = |finished, generation| {
                publish(finished, generation);
                // It has failed to a policy that pauses, and to nobody else.
                if let Some(cause) = &cause {
                    dogpile.note_failure(cause, now);
                }
            };
            // Relaxed: whoever set it gave the creation back to this thread since.
            dogpile.election().finish(*born, kept_back.load(Ordering::Relaxed), failed, publish)
        };
        let finished = match flaw {
            None => end(None),
            Some(flaw) => dogpile.as_failed(&flaw, Hints::default(), now, |failed, _| end(failed)),
        };
        if !counted {
            dogpile.count(&End::Finished(finished), took);
        }
        dogpile.tell(&End::Finished(finished), took);
        finished
    }

    /// Ends it as failed, with that error and what it says of the time after.
    pub(crate) fn fail_with(&mut self, cause: &impl Cause) {
        self.fail_as(cause.error(), cause.hints(), cause.shared().as_ref());
    }

    fn fail_as(&mut self, cause: &dyn fmt::Display, hints: Hints, shared: Option<&SharedError>) {
        let Self { lock, open, born, .. } = self;
        let dogpile = lock.dogpile();
        let now = dogpile.clock().now();
        let live = dogpile.as_failed(cause, hints, now, |failed, cause| {
            *open = false;
            dogpile.election().abandon(*born, failed, shared, || dogpile.note_failure(cause, now))
        });
        if live {
            let (end, took) = (End::Failed(cause), now.saturating_sub(born.started));
            dogpile.count(&end, took);
            dogpile.tell(&end, took);
        }
    }

    /// Ends it without a value, and without a failure.
    fn give_up(&mut self) {
        let dogpile = self.lock.dogpile();
        let pause = dogpile.pause_to_leave();
        self.open = false;
        dogpile.election().give_up(self.born, pause);
    }

    /// Whatever is stored until it is dropped is stored before any later invalidation returns.
    pub(crate) fn begin_store(&self) -> Result<Store<'_>, PublishError> {
        let election = self.election();
        match election.begin_store(self.born, &self.stores) {
            Ok(()) => Ok(Store { election, stores: &self.stores }),
            Err(Finished::Dead) => Err(PublishError::Dead),
            Err(_superseded) => {
                // Relaxed: see `end`.
                self.kept_back.store(true, Ordering::Relaxed);
                Err(PublishError::Superseded)
            }
        }
    }

    /// Whether the value was invalidated after this creation began. Never blocks.
    ///
    /// A long creator may ask now and then, and stop early. Once true it stays true. From then on the lock assumes that
    /// the creator stops: its value serves nobody else, not even those who have waited for it since before.
    ///
    /// A value that was only [marked stale](Dogpile::mark_stale) meanwhile is published all the same.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        let superseded = !self.election().is_current(self.born);
        if superseded {
            // Relaxed: see `end`.
            self.kept_back.store(true, Ordering::Relaxed);
        }
        superseded
    }

    /// Whether another was elected in its place, since this one took longer than its
    /// [time-out](crate::PolicyBuilder::creation_timeout). Blocks only for moments.
    ///
    /// A long creator may ask now and then, and stop early. Once true it stays true: whatever it makes is its own
    /// caller's alone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.election().is_live(self.born.ticket)
    }

    /// Ends the creation without a value; all who wait look for themselves.
    pub(crate) fn stand_down(mut self) {
        self.open = false;
        self.lock.dogpile().stand_down(self.born);
    }

    /// Runs something on this thread as part of the creation: who waits for it meanwhile is told (L7).
    pub(crate) fn enter<R>(&self, creator: impl FnOnce(&Self) -> R) -> R {
        // Relaxed: see `end`.
        self.entered.store(true, Ordering::Relaxed);
        let _running = self.middle().running(Doing::Creating);
        creator(self)
    }
}

/// # Of a lock whose value lies beside it
impl<L: Beside> Creation<'_, L> {
    /// Ends the creation: the value is made, and stamped now. Blocks only for moments.
    ///
    /// Everybody who waited is served. If the creation was [superseded](Self::is_superseded), freshness stays as the
    /// invalidation left it: those who were waiting before the invalidation are given this value, and one of those who
    /// came later creates anew. If the creation has learned of it, because a [`publish`](Self::publish) was refused or
    /// [`is_superseded`](Self::is_superseded) said so, nobody is given it.
    ///
    /// # Memory ordering
    ///
    /// All that was written before `finish` happens before whatever an access does that sees this creation (L4).
    #[allow(clippy::must_use_candidate)] // most callers do not mind how it ended
    pub fn finish(self) -> Finished {
        let born = self.born;
        self.end(None, |lock, finished, _, now| match finished {
            Finished::Published => lock.dogpile().renew(now, Life::AS_USUAL, Some(born)),
            Finished::PublishedStale => lock.dogpile().renew_stale(now, Life::AS_USUAL),
            Finished::Superseded | Finished::Dead => {}
        })
    }

    /// Gives the creation up as failed, saying why: those who hear of the [pause](crate::PolicyBuilder::retry_after)
    /// that may follow are told. Blocks only for moments.
    ///
    /// [`try_run`](Self::try_run) does it with the creator's error. A [`Failure`](crate::Failure) says how long the pause
    /// is. To give a creation up that has not failed, drop it.
    ///
    /// # Panics
    ///
    /// If `cause` panics on being displayed; the creation is given up all the same.
    #[allow(clippy::needless_pass_by_value)] // it is an error or a reference to one
    pub fn fail(mut self, cause: impl Cause) {
        self.fail_with(&cause);
    }

    /// Runs `store` unless the creation was superseded. Blocks no longer than `store` takes. The creation goes on:
    /// [`finish`](Self::finish) it afterwards.
    ///
    /// Put here what makes the new value the current one (the write to memcached, the rename of the file): then a value
    /// that was invalidated while it was being created never overwrites what came after it (L6).
    ///
    /// An invalidation that comes while `store` runs takes effect at once, and holds for what `store` stores; but
    /// [`invalidate`](Dogpile::invalidate) returns only after `store` has. So once a value is invalidated, nothing
    /// older is written any more, and whoever invalidated may clean up the store.
    ///
    /// # Errors
    ///
    /// [`PublishError::Superseded`] if the value was invalidated after this creation began; [`PublishError::Dead`] if
    /// it took too long, and another was elected in its place. `store` is dropped without running, so let it borrow
    /// what is still needed. (While it runs, nobody is elected in its place.) What was made is then this creation's
    /// own: a creator that has nothing to return it by does best to fail.
    ///
    /// # Panics
    ///
    /// If `store` does; the creation can still be used.
    ///
    /// # Deadlocks
    ///
    /// `store` may invalidate this lock on its own thread, and so may the creator, which do not wait for themselves;
    /// and if one of them asks for the value that it is part of, it is told (L7). `store` must not wait for another
    /// thread that invalidates, be it for a mutex as here or because two stores invalidate each other's locks:
    ///
    /// ```text
    /// thread 1                             thread 2
    ///
    /// creation.publish(|| {
    ///                                      let entry = entries.lock();
    ///     entries.lock();                  lock.invalidate();
    ///     // waits for thread 2            // waits for thread 1
    /// });
    /// ```
    ///
    /// # Memory ordering
    ///
    /// A refusal happens after what the invalidating thread did before it invalidated. What `store` wrote happens
    /// before the return of an `invalidate` that waited for it.
    pub fn publish<R>(&self, store: impl FnOnce() -> R) -> Result<R, PublishError> {
        let _store = self.begin_store()?;
        let _running = self.middle().running(Doing::Storing);
        Ok(store())
    }

    /// Runs the creator on this thread and [finishes](Self::finish). Blocks no longer than `creator` takes.
    ///
    /// If `creator` may fail, see [`try_run`](Self::try_run): here a returned `Err` is a value like any other.
    ///
    /// # Panics
    ///
    /// If `creator` panics, the panic goes on, and the creation is given up.
    pub fn run<R>(self, creator: impl FnOnce(&Self) -> R) -> R {
        let created = self.enter(creator);
        self.finish();
        created
    }

    /// Runs a creator that can fail on this thread, and [finishes](Self::finish) if it did not. Blocks no longer than
    /// `creator` takes.
    ///
    /// # Errors
    ///
    /// The creator's own; the creation is given up, with that for a [cause](Self::fail).
    ///
    /// # Panics
    ///
    /// If `creator` panics, the panic goes on, and the creation is given up.
    pub fn try_run<R, E: Cause>(self, creator: impl FnOnce(&Self) -> Result<R, E>) -> Result<R, E> {
        let made = self.enter(creator);
        self.end_as(made)
    }

    /// Finishes it, or gives it up.
    pub(crate) fn end_as<R, E: Cause>(mut self, made: Result<R, E>) -> Result<R, E> {
        match &made {
            Ok(_) => drop(self.finish()),
            Err(error) => self.fail_with(error),
        }
        made
    }
}

/// # In the background
impl<L: Beside> Creation<'static, L> {
    /// Has a `runner` [run](Self::run) it. Blocks until the runner has taken the job, or refused it; then the creation
    /// is given up.
    ///
    /// The creator has nobody to return a value to: it keeps what it makes. For an access that does all of this, see
    /// [`Access::in_background`](crate::Access::in_background).
    ///
    /// # Panics
    ///
    /// If the runner does. A panic of `creator` ends in the job.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, ThreadPerJob, Turn};
    /// use std::time::Duration;
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
    /// if let Turn::Create(creation) = LOCK.acquire() {
    ///     creation.run_in_background(&ThreadPerJob, |_| { /* rebuild */ });
    /// }
    /// ```
    pub fn run_in_background(self, runner: &(impl Runner + ?Sized), creator: impl FnOnce(&Self) + Send + 'static) {
        self.try_run_in_background(runner, infallibly(creator));
    }

    /// As [`run_in_background`](Self::run_in_background), with a creator that can fail: its error is what the creation
    /// is given up [with](Self::fail).
    ///
    /// # Panics
    ///
    /// If the runner does.
    pub fn try_run_in_background<R, E: Cause>(
        self,
        runner: &(impl Runner + ?Sized),
        creator: impl FnOnce(&Self) -> Result<R, E> + Send + 'static,
    ) {
        runner.run(job(self, Self::is_dead, |creation| drop(creation.try_run(creator))));
    }
}

/// Has a creator that cannot fail, and returns nothing, speak as one that can.
pub(crate) fn infallibly<'l, L: Lock>(
    creator: impl FnOnce(&Creation<'l, L>),
) -> impl FnOnce(&Creation<'l, L>) -> Result<(), Infallible> {
    |creation| {
        creator(creation);
        Ok(())
    }
}

/// A job that runs that creation, unless it is dead by then: what was replaced while it waited has nobody to create
/// for. It does not panic.
pub(crate) fn job<N: Send + 'static>(
    creation: N,
    is_dead: fn(&N) -> bool,
    run: impl FnOnce(N) + Send + 'static,
) -> Job {
    let run = move || {
        if !is_dead(&creation) {
            run(creation);
        }
    };
    // What a panic could leave half-done is the creation, which it gives up. (A model is to see its panics.)
    if cfg!(dogpile_loom) { Box::new(run) } else { Box::new(|| quietly(run)) }
}

/// A store that runs; it ends however its closure ends.
#[derive(Debug)]
pub struct Store<'a> {
    election: &'a Election,
    stores: &'a AtomicU64,
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        self.election.end_store(self.stores);
    }
}

impl<L: Lock> Drop for Creation<'_, L> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let panicking = thread::panicking();
        let failed = panicking && !*self.cancelled.get_mut();
        let ran = *self.entered.get_mut();
        let cause = if ran { "the creator panicked" } else { "the creation was dropped by a panic" };
        // The clock and the observer are the user's. If they panic, too, there is no pause (or all who wait look
        // whether there is one); and no panic beside another.
        let end = AssertUnwindSafe(|| if failed { self.fail_with(&cause) } else { self.give_up() });
        if let Err(panic) = catch_unwind(end) {
            let dogpile = self.lock.dogpile();
            if self.open && !failed {
                dogpile.stand_down(self.born);
            } else if self.open {
                // What time it is now, the clock does not say.
                let note = || dogpile.note_failure(&cause.into(), self.born.started);
                if self.election().abandon(self.born, None, None, note) {
                    dogpile.count(&End::Failed(&cause), 0);
                }
            }
            if !panicking {
                resume_unwind(panic);
            }
        }
    }
}

impl<L: Lock> fmt::Debug for Creation<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Creation")
            .field("born", &self.born.generation)
            .field("superseded", &!self.election().is_current(self.born))
            .field("dead", &self.is_dead())
            .finish_non_exhaustive()
    }
}
