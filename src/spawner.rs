//! Creating in a task of its own: what a [`Runner`](crate::Runner) is to threads, a [`Spawner`] is to tasks.
//!
//! | the value is | an access that is [`spawned_by`](crate::AsyncAccess::spawned_by) a spawner |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early, or stale | if elected, spawns the creation, and goes on with the old value |
//! | missing | if elected, spawns the creation, and waits for it; else waits |
//!
//! So no creation is a part of the task that asks, and dropping that stops none (C12): the work goes on, once, and is
//! kept. (But for one whose creator has come back: see [`own_wait`].) The creation on its way is in [`in_flight`].

pub(crate) mod in_flight;
mod own_wait;

pub(crate) use in_flight::{Making, OwnCreation};
pub(crate) use own_wait::Came;

use std::pin::Pin;

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
/// | panics, is dropped half-way, or takes longer than its [time](crate::PolicyBuilder::creation_timeout) | is [`Lost`](crate::CreateError::Lost), at the turn of the access |
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
