//! Creating in a task of its own: a [`Spawner`] is to tasks what a [`Runner`](crate::Runner) is to threads.
//!
//! | the value is | an access that is [`spawned_by`](crate::AsyncAccess::spawned_by) a spawner |
//! |---|---|
//! | fresh | goes on |
//! | due to be renewed early, or stale | if elected, spawns the creation, and goes on with the old value |
//! | missing | if elected, spawns the creation, and waits for it; else waits |
//!
//! So no creation is a part of the task that asks. If that task is dropped, no creation stops (C12): the work goes on,
//! once, and is kept. There is one exception: an access that has its creator back runs the creator itself. How an
//! access waits for its own creation is in [`own_wait`], and the creation on its way is in [`in_flight`].

pub(crate) mod in_flight;
mod own_wait;

pub(crate) use in_flight::{Making, OwnCreation};
pub(crate) use own_wait::Came;

use std::pin::Pin;

/// A creation that any executor polls to its end. Dropping the task gives the creation up. If the task has not begun by
/// then, the access that [waits for it](Spawner#the-access-that-waits) has its creator back.
///
/// A task does not panic. The panic hook reports a panic of the creator as it reports any panic, and the panic ends the
/// creation as failed.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has tasks polled somewhere else: spawns them. The step [`spawned_by`](crate::AsyncAccess::spawned_by) gives a
/// spawner to an access.
///
/// Any `Fn(Task)` is a spawner: `|task| drop(tokio::spawn(task))`, or `|task| smol::spawn(task).detach()`. A spawner
/// that cannot take the task drops it, which frees the lock.
///
/// # The access that waits
///
/// An access that has spawned its creation, and has no old value to go on with, waits for the task. Meanwhile the
/// access is a waiter like any other. A creation of another access or a value that is set serves the access, and a
/// [pause](crate::PolicyBuilder::retry_after) ends it with an error. The rest is up to the task:
///
/// | the task | the access |
/// |---|---|
/// | creates | gives the value |
/// | fails | gives the error |
/// | is dropped before it is polled, or is not polled within the [`creation_timeout`](crate::PolicyBuilder::creation_timeout) | has its creator back, and runs the creator itself once the access is elected |
/// | panics, is dropped half-way, or takes longer than the `creation_timeout` | ends as [`Lost`](crate::CreateError::Lost), at its turn |
/// | ends while the creator's [`Shared`](crate::Shared) is still held | ends as `Lost`, at its turn |
///
/// An access that has its creator back and asks for a [newer](crate::Access::renew_if) value is not elected within the
/// [interval](crate::PolicyBuilder::renew_interval), since the renewal that it has spawned was its own. If an access is
/// dropped while it runs the creator itself, that creation is given up.
///
/// An access has its *turn* when the access would be elected if it still had its creator. Two conditions make it so: no
/// creation runs, or the creation that runs is overdue; and no other waiter could create. A waiter that could create is
/// passed over if it has not done so when the creation has been overdue for as long again. An overdue creation goes on,
/// and its value may yet become the current one.
///
/// # Deadlocks
///
/// A spawner must not poll its task to the end before it returns. Such a spawner waits for itself where the task waits
/// for the access that has spawned it. With a [`SyncReaderDogpile`](crate::SyncReaderDogpile) and an old value, the
/// access reads meanwhile, and the task's write lock waits for the access.
///
/// # Examples
///
/// ```
/// use dogpile::{AcquireError, Cached, Task};
/// use std::time::Duration;
///
/// static GREETING: Cached<String> = Cached::new(Duration::from_secs(600));
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), AcquireError> {
///     let spawner = |task: Task| drop(tokio::spawn(task));
///     let greeting = GREETING.access_async().spawned_by(&spawner).or_create(async || "hello".to_owned()).await?;
///     assert_eq!(*greeting, "hello");
///     Ok(())
/// }
/// ```
pub trait Spawner {
    /// Has the task polled, soon.
    fn spawn(&self, task: Task);
}

impl<F: Fn(Task) + ?Sized> Spawner for F {
    fn spawn(&self, task: Task) {
        self(task);
    }
}
