//! A spawned creation: what its task runs, and what has become of it.
//!
//! The task and the access that has spawned it share a [`Slip`]. The slip holds the creator until the task begins.
//! After that, the slip says what has become of the creation. All states of the slip are listed in
//! [`own_wait`](super::own_wait).

use super::Spawner;
use crate::creation::Creation;
use crate::derived::opaque;
use crate::error::CreateError;
use crate::lock::Lock;
use crate::panics::quietly;
use crate::sync::{Arc, Mutant, Mutex, mutant};
use crate::wakers::{Sleeper, wake_all};
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A creation that owns its hold on its lock. The type has no lifetime that says for how long: futures that held such a
/// type would not be `Send`.
#[derive(Debug)]
pub struct OwnCreation<L: Lock + 'static>(pub(crate) Creation<'static, L>);

type Creating<R> = Pin<Box<dyn Future<Output = Option<R>> + Send>>;

/// A creator, and everything else that brings its creation to an end. The closure drops the [`Ending`] before it ends
/// the creation. The closure gives `None` if the creator has left its handle where the handle is still held: then the
/// creation is given up with that handle.
#[allow(clippy::type_complexity)]
pub struct Making<L: Lock + 'static, R>(Box<dyn FnOnce(OwnCreation<L>, Option<Ending<L, R>>) -> Creating<R> + Send>);

opaque! { [L: Lock, R] Making<L, R>, "Making" }

impl<L: Lock, R> Making<L, R> {
    pub(crate) fn new<F: Future<Output = Option<R>> + Send + 'static>(
        run: impl FnOnce(Creation<'static, L>, Option<Ending<L, R>>) -> F + Send + 'static,
    ) -> Self {
        Self(Box::new(|creation, ending| Box::pin(run(creation.0, ending))))
    }

    fn run(self, creation: OwnCreation<L>, ending: Option<Ending<L, R>>) -> Creating<R> {
        (self.0)(creation, ending)
    }
}

impl<L: Lock, T, E, X> Making<L, Result<T, CreateError<E, X>>> {
    /// Runs the creator in the access that has it back.
    pub(crate) fn run_here(self, creation: OwnCreation<L>) -> impl Future<Output = Result<T, CreateError<E, X>>> {
        let running = self.run(creation, None);
        async move { running.await.unwrap_or(Err(CreateError::Lost)) }
    }
}

/// What has become of a creation, for the access that has spawned it. See [`own_wait`](super::own_wait).
pub(super) struct Slip<L: Lock + 'static, R> {
    creator: Option<Making<L, R>>,
    says: Says<R>,
    sleeper: Sleeper,
}

pub(super) enum Says<R> {
    Nothing,
    Ending,
    Made(R),
    Lost,
    Gone,
    /// The access does not ask any more, or has been told.
    Read,
}

pub(super) type SharedSlip<L, R> = Arc<Mutex<Slip<L, R>>>;

/// The task's side of the slip.
struct Fill<L: Lock + 'static, R>(SharedSlip<L, R>);

impl<L: Lock, R> Fill<L, R> {
    /// Says how the task has ended. Only the first call has an effect.
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

/// Says on the slip that the task is about to end its creation. Dropped before the creation is ended.
pub struct Ending<L: Lock + 'static, R>(SharedSlip<L, R>);

impl<L: Lock, R> Drop for Ending<L, R> {
    fn drop(&mut self) {
        let mut slip = self.0.lock();
        if matches!(slip.says, Says::Nothing) && !mutant(Mutant::EndingUnsaid) {
            slip.says = Says::Ending;
        }
    }
}

/// The access's side of the slip: the access waits for the creation that it has spawned.
pub struct InFlight<L: Lock + 'static, R>(pub(super) SharedSlip<L, R>);

opaque! { [L: Lock, R] InFlight<L, R>, "InFlight" }

impl<L: Lock, R> Drop for InFlight<L, R> {
    fn drop(&mut self) {
        let mut slip = self.0.lock();
        let said = mem::replace(&mut slip.says, Says::Read);
        let sleeper = slip.sleeper.take();
        drop(slip);
        // What was said and the waker are the user's, and so are dropped outside the mutex. The creator on the slip is
        // the task's.
        drop((said, sleeper));
    }
}

impl<L: Lock, R> InFlight<L, R> {
    /// Returns what the slip says, or has the slip wake the access when that changes.
    pub(super) fn poll(&self, waker: &Waker) -> Says<R> {
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
        drop(sleeper); // the old waker
        said
    }
}

pub(super) fn take_creator<L: Lock, R>(slip: &SharedSlip<L, R>) -> Option<Making<L, R>> {
    slip.lock().creator.take()
}

/// Spawns a task that runs the creation to its end, or says on the slip that the creation is lost. If the creation is
/// dead by the time the task begins, the task runs nothing, since another access was elected in its place.
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
        // The access may have taken the creator back.
        let Some(creator) = take_creator(&fill.0) else { return };
        let ending = Ending(Arc::clone(&fill.0));
        let made = caught(creator.run(creation, Some(ending))).await.flatten();
        fill.with(made.map_or(Says::Lost, Says::Made));
    };
    spawner.spawn(Box::pin(async move { _ = caught(run).await }));
    in_flight
}

/// Polls `run`, and lets no panic out. After a panic there is no output.
async fn caught<R>(run: impl Future<Output = R>) -> Option<R> {
    let mut run = pin!(run);
    poll_fn(|context: &mut Context<'_>| {
        let polled = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)));
        polled.map_or_else(
            |panic| {
                quietly(|| drop(panic));
                Poll::Ready(None)
            },
            |polled| polled.map(Some),
        )
    })
    .await
}
