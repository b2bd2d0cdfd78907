//! Creating in a task of its own: what a [`Runner`](crate::Runner) is to threads, a [`Spawner`] is to tasks.
//!
//! | the value is | an access that is [`spawned_by`](crate::AsyncAccess::spawned_by) a spawner |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early, or stale | if elected, spawns the creation, and goes on with the old value |
//! | missing | if elected, spawns the creation, and waits for it; else waits |
//!
//! So no creation is a part of the task that asks, and dropping that stops none (C12): the work goes on, once, and is
//! kept. (But for one whose creator has come back, as below.)
//!
//! # The one who waits for its own creation
//!
//! It is in the queue of its lock, as everybody who waits, from when it is first polled until it has what it came for:
//! so a circle of creations is found (L7), whoever creates or sets a value serves it (L3), and it hears of pauses. It
//! stays there also while nobody creates; but since its creator was given away, it is never called. Instead it is told
//! that it is *its turn*, when it would be elected if it could: nobody creates, or the creation that runs is overdue,
//! and nobody else waits who could go first. Whoever could and does not, for as long as a creation may take again, is
//! taken not to be polled any more: then it is its turn all the same.
//!
//! A [`Slip`] that it shares with the task tells it what its own creation has come to. The creator lies there until the
//! task begins:
//!
//! | the task | the slip | the creator |
//! |---|---|---|
//! | has not begun | `Nothing` | is there |
//! | has begun | `Nothing` | is with the task |
//! | is about to end its creation | `Ending` | is gone |
//! | has created, or failed | `Made` | is gone |
//! | has panicked, or its creator has left its handle where it is still held | `Lost` | is gone |
//! | was dropped, or found its creation dead before it began | `Gone` | is there, if the task had not begun |
//!
//! With both of them, at each poll, the first line that fits:
//!
//! | the slip | the queue says | the access |
//! |---|---|---|
//! | `Made` | - | has that: its value, or its error |
//! | `Ending` | - | waits for the slip, which is filled in come what may: the queue may have told of just that end |
//! | - | served | has that |
//! | - | there is a pause | ends with that |
//! | - | it would deadlock | ends with that |
//! | `Gone`, and the creator is there | - | takes that back, and takes part anew, as one that has not spawned |
//! | the creator is there | it is its turn | the same: the task was leaked, or is late |
//! | the creator is gone | it is its turn | is [`Lost`](crate::CreateError::Lost) |
//! | - | - | waits on |
//!
//! It never declares a creation dead: there would be nobody to create in its place, and the one that runs may yet end
//! well, and be kept. A creator that was taken back is run in the access itself.

use crate::clock::Clock;
use crate::creation::Creation;
use crate::derived::opaque;
use crate::dogpile::{Dogpile, Nap};
use crate::election::Verdict;
use crate::error::CreateError;
use crate::lock::Lock;
use crate::runner;
use crate::sync::{Arc, Deadline, Mutant, Mutex, mutant};
use crate::wait::TASK;
use crate::wakers::{Sleeper, wake_all};
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A creation to be polled to its end, by any executor. Dropping it gives the creation up; the access that
/// [waits for it](Spawner#the-access-that-waits) has its creator back, if that has not begun.
///
/// It does not panic: a panic of the creator is reported by the panic hook, as any, and ends the creation as failed.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has tasks polled somewhere else: spawns them. An access by a task is given one by the step
/// [`spawned_by`](crate::AsyncAccess::spawned_by).
///
/// Any `Fn(Task)` is one: `|task| drop(tokio::spawn(task))`, or `|task| smol::spawn(task).detach()`. A spawner that
/// cannot take the task drops it, and frees the lock.
///
/// # Deadlocks
///
/// A spawner that polls its task to the end before it returns (blocks on it) waits for itself where the task waits for
/// the access that spawned it: with a [`SyncReaderDogpile`](crate::SyncReaderDogpile) and an old value the access reads
/// meanwhile, and the task's write lock waits for it.
///
/// # The access that waits
///
/// An access that has spawned its creation, and has no old value to go on with, waits for the task. Meanwhile the
/// access is a waiter like any other: a creation of another access or a value that is set serves the access, and a
/// [pause](crate::PolicyBuilder::retry_after) ends it. What else becomes of the access:
///
/// | the task | the access |
/// |---|---|
/// | creates | gives its value |
/// | fails | gives its error |
/// | is dropped before it is polled, or is not polled in [time](crate::PolicyBuilder::creation_timeout) | has its creator back, and runs the creator itself when the access is elected (one that asks for a [newer](crate::Access::renew_if) value does not within the [interval](crate::PolicyBuilder::renew_interval): the renewal was its own); if the access is dropped then, that creation is given up |
/// | panics, is dropped half-way, or takes longer than its [time](crate::PolicyBuilder::creation_timeout) | is [`Lost`](CreateError::Lost), at the turn of the access |
/// | ends while the creator's [`Shared`](crate::Shared) is still held | is `Lost`, at the turn of the access |
///
/// The turn of an access has come when the access would be elected if it still had its creator: nobody creates, or the
/// creation that runs is overdue; and no other waiter could create. (A waiter that could, and has not when the creation
/// has been overdue for as long again, is passed over.) An overdue creation goes on, and its value may yet become the
/// current one.
pub trait Spawner {
    /// Has the task polled, soon.
    fn spawn(&self, task: Task);
}

impl<F: Fn(Task) + ?Sized> Spawner for F {
    fn spawn(&self, task: Task) {
        self(task);
    }
}

/// A creation that owns its hold on its lock. (It does not say for how long: futures that held on to what says so would
/// not be `Send`.)
#[derive(Debug)]
pub struct OwnCreation<L: Lock + 'static>(pub(crate) Creation<'static, L>);

type Boxed<R> = Pin<Box<dyn Future<Output = Option<R>> + Send>>;

/// A creator, and all else that brings its creation to an end. The [`Ending`] goes before that. There is nothing if the
/// creator has left its handle where it is still held: the creation is given up with that.
#[allow(clippy::type_complexity)]
pub struct Making<L: Lock + 'static, R>(Box<dyn FnOnce(OwnCreation<L>, Option<Ending<L, R>>) -> Boxed<R> + Send>);

opaque! { [L: Lock, R] Making<L, R>, "Making" }

impl<L: Lock, R> Making<L, R> {
    pub(crate) fn new<F: Future<Output = Option<R>> + Send + 'static>(
        run: impl FnOnce(Creation<'static, L>, Option<Ending<L, R>>) -> F + Send + 'static,
    ) -> Self {
        Self(Box::new(|creation, ending| Box::pin(run(creation.0, ending))))
    }

    fn run(self, creation: OwnCreation<L>, ending: Option<Ending<L, R>>) -> Boxed<R> {
        (self.0)(creation, ending)
    }
}

impl<L: Lock, T, E, X> Making<L, Result<T, CreateError<E, X>>> {
    /// In the access that has its creator back.
    pub(crate) fn run_here(self, creation: OwnCreation<L>) -> impl Future<Output = Result<T, CreateError<E, X>>> {
        let running = self.run(creation, None);
        async move { running.await.unwrap_or(Err(CreateError::Lost)) }
    }
}

/// What has become of a creation, for the one that has spawned it. See the [module docs](self).
struct Slip<L: Lock + 'static, R> {
    creator: Option<Making<L, R>>,
    says: Says<R>,
    sleeper: Sleeper,
}

enum Says<R> {
    Nothing,
    Ending,
    Made(R),
    Lost,
    Gone,
    /// Nobody asks any more, or it has been told.
    Read,
}

type Shared<L, R> = Arc<Mutex<Slip<L, R>>>;

/// The task's side of it.
struct Fill<L: Lock + 'static, R>(Shared<L, R>);

impl<L: Lock, R> Fill<L, R> {
    /// Says how the task has ended, once.
    fn with(&self, says: Says<R>) {
        let mut slip = self.0.lock();
        if !matches!(slip.says, Says::Nothing | Says::Ending) {
            return;
        }
        slip.says = says;
        let mut sleeper = slip.sleeper.take();
        drop(slip);
        wake_all(&mut sleeper);
    }
}

impl<L: Lock, R> Drop for Fill<L, R> {
    fn drop(&mut self) {
        self.with(Says::Gone);
    }
}

/// To be dropped before the creation is ended.
pub struct Ending<L: Lock + 'static, R>(Shared<L, R>);

impl<L: Lock, R> Drop for Ending<L, R> {
    fn drop(&mut self) {
        let mut slip = self.0.lock();
        if matches!(slip.says, Says::Nothing) && !mutant(Mutant::EndingUnsaid) {
            slip.says = Says::Ending;
        }
    }
}

/// One that waits for what it has spawned.
pub struct InFlight<L: Lock + 'static, R>(Shared<L, R>);

opaque! { [L: Lock, R] InFlight<L, R>, "InFlight" }

impl<L: Lock, R> Drop for InFlight<L, R> {
    fn drop(&mut self) {
        let mut slip = self.0.lock();
        let said = mem::replace(&mut slip.says, Says::Read);
        let sleeper = slip.sleeper.take();
        drop(slip);
        // The user's, and so outside the mutex. The creator is the task's.
        drop((said, sleeper));
    }
}

impl<L: Lock, R> InFlight<L, R> {
    /// What the slip says; or has it wake the access when that changes.
    fn poll(&self, waker: &Waker) -> Says<R> {
        let mut sleeper = Sleeper::of(waker);
        let mut slip = self.0.lock();
        mem::swap(&mut slip.sleeper, &mut sleeper);
        let said = match slip.says {
            Says::Nothing => Says::Nothing,
            Says::Ending => Says::Ending,
            Says::Lost => Says::Lost,
            Says::Gone => Says::Gone,
            Says::Made(_) | Says::Read => mem::replace(&mut slip.says, Says::Read),
        };
        drop(slip);
        drop(sleeper); // the old one
        said
    }
}

fn take_creator<L: Lock, R>(slip: &Shared<L, R>) -> Option<Making<L, R>> {
    slip.lock().creator.take()
}

/// Spawns what runs a creation to its end, or loses it, unless that is dead by then: what was replaced has nobody to
/// create for.
pub(crate) fn spawn<L: Lock, R: Send + 'static>(
    spawner: &(impl Spawner + ?Sized),
    creation: OwnCreation<L>,
    creator: Making<L, R>,
) -> InFlight<L, R>
where
    Creation<'static, L>: Send,
{
    let slip = Slip { creator: Some(creator), says: Says::Nothing, sleeper: Sleeper::default() };
    let in_flight = InFlight(Arc::new(Mutex::new(slip)));
    let fill = Fill(Arc::clone(&in_flight.0));
    let run = async move {
        if creation.0.is_dead() {
            return;
        }
        // The access may have taken it back.
        let Some(creator) = take_creator(&fill.0) else { return };
        let ending = Ending(Arc::clone(&fill.0));
        let made = caught(creator.run(creation, Some(ending))).await.flatten();
        fill.with(made.map_or(Says::Lost, Says::Made));
    };
    spawner.spawn(Box::pin(async move { _ = caught(run).await }));
    in_flight
}

/// Polls something, and lets no panic out: then there is nothing.
async fn caught<R>(run: impl Future<Output = R>) -> Option<R> {
    let mut run = pin!(run);
    poll_fn(|context: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)));
        polled.map_or_else(
            |panic| {
                runner::quietly(|| drop(panic));
                Poll::Ready(None)
            },
            |polled| polled.map(Some),
        )
    })
    .await
}

/// What has come of a wait for it.
pub(crate) enum Came<L: Lock + 'static, R, V> {
    /// Its own value, or its error.
    Made(R),
    /// Somebody else's.
    Served(V),
    /// Nothing: it has its creator back.
    TookBack(Making<L, R>),
}

impl<C: Clock> Dogpile<C> {
    /// Waits for a creation that was spawned for this access. `found` says what there is; or what it was served with,
    /// if it was.
    pub(crate) async fn spawned<L: Lock, R, V, E, G>(
        &self,
        spawned: &InFlight<L, R>,
        found: impl Fn(bool) -> Option<V>,
    ) -> Result<Came<L, R, V>, CreateError<E, G>> {
        let (mut waiter, mut reminder) = (self.election().wait_without_creator(), self.reminder());
        let (mut looked, mut verdict) = (false, None);
        let poll = |waker: &Waker| {
            let timer = self.timer();
            loop {
                let mut its_turn = false;
                if verdict.is_none() {
                    match waiter.poll(waker, timer) {
                        Poll::Ready(Verdict::LookAgain) => its_turn = true,
                        Poll::Ready(told) => verdict = Some(told),
                        Poll::Pending => {}
                    }
                }
                // Whoever makes one from now on serves it. (Before the slip, which says so first if it is its own.)
                let there = if looked { None } else { found(false) };
                let said = spawned.poll(waker);
                match said {
                    Says::Made(made) => return Ok(Ok(Came::Made(made))),
                    Says::Ending => return Err(None),
                    _ => looked = true,
                }
                let served = match verdict.take() {
                    Some(Verdict::Paused(pause)) => return Ok(Err(self.paused(pause).into())),
                    Some(Verdict::WouldDeadlock(cycle)) => return Ok(Err(CreateError::WouldDeadlock(cycle))),
                    Some(Verdict::Served) => {
                        let served = found(true);
                        looked = served.is_some();
                        served
                    }
                    _ => None,
                };
                if let Some(value) = served.or(there) {
                    return Ok(Ok(Came::Served(value)));
                }
                if !looked {
                    continue; // it is not in the queue
                }
                if its_turn || matches!(said, Says::Gone) {
                    if let Some(creator) = take_creator(&spawned.0) {
                        return Ok(Ok(Came::TookBack(creator)));
                    }
                }
                if its_turn {
                    return Ok(Err(CreateError::Lost));
                }
                return Err(self.nap(Nap::of(&waiter), &mut reminder, waker, timer));
            }
        };
        TASK.until(Deadline::never(), poll).await.expect("it waits without an end")
    }
}
