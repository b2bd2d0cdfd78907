//! Creating in a task of its own: what a [`Runner`](crate::Runner) is to threads, a [`Spawner`] is to tasks.
//!
//! | the value is | an access that ends in `_in_background_async` |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early, or stale | if elected, spawns the creation, and goes on with the old value |
//! | missing | if elected, spawns the creation, and waits for it; else waits |
//!
//! So no creation is a part of the task that asks, and dropping that stops none (C12): the work goes on, once, and is
//! kept.
//!
//! # The one who waits for its own creation
//!
//! It is in the queue of its lock, as everybody who waits: so a circle of creations is found (L7), and whoever creates
//! or sets a value in its place serves it (L3). But its creator is gone, so it is never elected, and never declares a
//! creation dead. A [`Slip`] tells it what its own creation has come to:
//!
//! | the task | the slip says | the access |
//! |---|---|---|
//! | has created | the value | has it |
//! | has failed | the error | has that |
//! | has panicked, was dropped, or found itself dead | lost | goes on waiting while somebody else creates; then it is served, or it is [`Lost`](crate::CreateError::Lost) |
//!
//! What the slip brings counts for more than what the queue says. It is filled in after the creation has ended, and
//! says before that that it is going to be; so who is told first by the queue waits for the slip. A creation that hangs
//! is declared dead by others who wait, or come: where there are none, its access hangs with it.

use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::election::Verdict;
use crate::error::CreateError;
use crate::runner;
use crate::sync::{Arc, Mutant, Mutex, mutant};
use crate::wakers::{Sleeper, wake_all};
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A creation to be polled to its end, by any executor. Dropping it gives the creation up.
///
/// It does not panic: a panic of the creator is reported by the panic hook, as any, and ends the creation as failed.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has tasks polled somewhere else: spawns them.
///
/// Any `Fn(Task)` is one: `|task| drop(tokio::spawn(task))`, or `|task| smol::spawn(task).detach()`. One that cannot
/// take the task drops it, and frees the lock; who waits for it is told, by [`CreateError::Lost`].
pub trait Spawner {
    /// Has the task polled, soon.
    fn spawn(&self, task: Task);
}

impl<F: Fn(Task) + ?Sized> Spawner for F {
    fn spawn(&self, task: Task) {
        self(task);
    }
}

/// What has become of a creation, for the one that has spawned it.
enum Slip<R> {
    Blank {
        sleeper: Sleeper,
        /// It is about to be filled in, come what may.
        ending: bool,
    },
    Filled(R),
    Lost,
    /// Nobody asks any more, or it has been told.
    Read,
}

struct Fill<R>(Arc<Mutex<Slip<R>>>);

impl<R> Fill<R> {
    /// Fills it in, unless it is, and wakes the one who waits for that.
    fn fill(&self, with: Slip<R>) {
        let mut slip = self.0.lock();
        let Slip::Blank { sleeper, .. } = &mut *slip else { return };
        let mut sleeper = sleeper.take();
        *slip = with;
        drop(slip);
        wake_all(&mut sleeper);
    }
}

/// To be said before the creation is ended.
pub(crate) struct Ending<R>(Arc<Mutex<Slip<R>>>);

impl<R> Ending<R> {
    pub(crate) fn now(self) {
        if let Slip::Blank { ending, .. } = &mut *self.0.lock() {
            *ending = !mutant(Mutant::EndingUnsaid);
        }
    }
}

impl<R> Drop for Fill<R> {
    fn drop(&mut self) {
        self.fill(Slip::Lost);
    }
}

/// What has come of a wait for it.
pub(crate) enum Came<R> {
    /// Its own, or its error.
    Made(R),
    /// Somebody else's.
    Served,
}

/// What a slip says.
enum Told<R> {
    NotYet { ending: bool },
    Made(R),
    Lost,
}

/// One that waits for what it has spawned.
pub(crate) struct Spawned<R>(Arc<Mutex<Slip<R>>>);

impl<R> Drop for Spawned<R> {
    fn drop(&mut self) {
        // What is in it is the user's, and dropped outside the mutex.
        let left = mem::replace(&mut *self.0.lock(), Slip::Read);
        drop(left);
    }
}

impl<R> Spawned<R> {
    fn poll(&self, waker: &Waker) -> Told<R> {
        let mut sleeper = Sleeper::of(waker);
        let mut slip = self.0.lock();
        match &mut *slip {
            Slip::Blank { sleeper: old, ending } => {
                let ending = *ending;
                mem::swap(old, &mut sleeper);
                drop(slip);
                drop(sleeper); // the old one
                Told::NotYet { ending }
            }
            _ => match mem::replace(&mut *slip, Slip::Read) {
                Slip::Filled(with) => Told::Made(with),
                _ => Told::Lost,
            },
        }
    }
}

/// Spawns what runs a creation to its end, unless that is dead by then: what was replaced has nobody to create for.
pub(crate) fn spawn<N: Send + 'static, R: Send + 'static, F: Future<Output = R> + Send>(
    spawner: &(impl Spawner + ?Sized),
    creation: N,
    is_dead: fn(&N) -> bool,
    run: impl FnOnce(N, Ending<R>) -> F + Send + 'static,
) -> Spawned<R> {
    let slip = Arc::new(Mutex::new(Slip::Blank { sleeper: Sleeper::default(), ending: false }));
    let (fill, ending) = (Fill(Arc::clone(&slip)), Ending(Arc::clone(&slip)));
    let run = async move {
        if is_dead(&creation) {
            return;
        }
        let ended = run(creation, ending).await;
        fill.fill(Slip::Filled(ended));
    };
    spawner.spawn(Box::pin(quietly(run)));
    Spawned(slip)
}

/// Polls something, and lets no panic out.
async fn quietly(run: impl Future<Output = ()>) {
    let mut run = pin!(run);
    poll_fn(|context: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| {
            runner::quietly(|| drop(panic));
            Poll::Ready(())
        })
    })
    .await;
}

impl<C: Clock> Dogpile<C> {
    /// Waits for a creation that was spawned for this access.
    pub(crate) async fn spawned<R, E, G>(&self, spawned: Spawned<R>) -> Result<Came<R>, CreateError<E, G>> {
        let mut waiter = Some(self.election().wait_without_creator(self.election().look()));
        let mut lost = false;
        poll_fn(|context| {
            loop {
                let queued = waiter.as_mut().map(|waiter| waiter.poll(context.waker(), None));
                match spawned.poll(context.waker()) {
                    Told::Made(made) => return Poll::Ready(Ok(Came::Made(made))),
                    Told::Lost => lost = true,
                    // The queue may have told of just that end.
                    Told::NotYet { ending: true } => {
                        if let Some(Poll::Ready(_)) = queued {
                            waiter = None;
                        }
                        return Poll::Pending;
                    }
                    Told::NotYet { ending: false } => {}
                }
                match queued {
                    Some(Poll::Pending) => return Poll::Pending,
                    Some(Poll::Ready(Verdict::Served)) => return Poll::Ready(Ok(Came::Served)),
                    Some(Poll::Ready(Verdict::WouldDeadlock(cycle))) => {
                        return Poll::Ready(Err(CreateError::WouldDeadlock(cycle)));
                    }
                    // The creation that it has waited for has ended without a value, or had before it could queue.
                    Some(Poll::Ready(_)) | None => {}
                }
                let seen = self.election().look();
                if self.has_value() {
                    return Poll::Ready(Ok(Came::Served));
                }
                waiter = seen.is_creating().then(|| self.election().wait_without_creator(seen));
                if waiter.is_none() {
                    return if lost { Poll::Ready(Err(CreateError::Lost)) } else { Poll::Pending };
                }
            }
        })
        .await
    }
}
