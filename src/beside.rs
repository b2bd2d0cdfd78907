//! The locks whose value lies beside them, [`Dogpile`](crate::Dogpile) and
//! [`SyncReaderDogpile`](crate::SyncReaderDogpile): what an access does to both, by a thread and by a task.
//!
//! They differ in what an access holds on to while it uses the value, its *pass*: nothing, or a place among the
//! readers. And a thread's pass is not a task's. [`Guards`] is all that; [`Beside`] is what a lock says of it.
//!
//! An access in [`lock_mode`] finds an [`Outcome`], one with a getter what that brings: see [`fetch`], and [`age`] for how
//! old that is. Accesses of threads are served in [`serve`], those of tasks in [`tasks`], and those whose creation is
//! spawned in [`spawned`]; those that do not create by themselves end in [`turns`]. What an access is elected to is in
//! [`elected`]. How a creation comes to its end is in [`how`], and for the owner of a creation in [`creating`],
//! [`creating_async`] and [`handing_over`].
//!
//! A [`Dogpile`](crate::Dogpile) as one of these locks is in [`mod@dogpile`], with its [`accesses`]; a
//! `SyncReaderDogpile` is in [`crate::sync_reader`].

mod accesses;
mod age;
mod creating;
mod creating_async;
mod dogpile;
pub(crate) mod elected;
pub(crate) mod fetch;
mod guards;
mod handing_over;
pub(crate) mod how;
pub(crate) mod lock_mode;
pub(crate) mod serve;
pub(crate) mod spawned;
mod tasks;
mod turns;

pub(crate) use guards::{Guards, OfTask, OfThread};

use crate::creation::Creation;
use crate::error::{LockError, Refusal};
use crate::lock::Lock;
use crate::outcome::Outcome;
use crate::running::Doing;
use crate::wait::{Glance, Wait};
use std::num::NonZero;

/// A lock whose value lies beside it: [`Dogpile`](crate::Dogpile) or
/// [`SyncReaderDogpile`](crate::SyncReaderDogpile). The trait is sealed.
pub trait Beside: Besides {}

impl<L: Besides> Beside for L {}

/// The time, if a look has read it. (No clock is as early as zero: see [`Expiry`](crate::freshness::Expiry).)
pub type Looked = Option<NonZero<u64>>;

// Public only because it stands above `Beside`: this module is not.
pub trait Besides: Lock<Noted = ()> + Send + Sync {
    /// What a thread holds while it uses the value.
    type Pass<'a>
    where
        Self: 'a;

    /// What a task holds.
    type OwnedPass: Send;

    /// A hit, or what else takes no more than loads, as far as that will do; or the time, if that was read.
    fn at_once(&self, glance: Glance) -> Result<Self::Got<'_, Outcome>, Looked>;

    /// The same for a task.
    fn at_once_by_task(
        &self,
        owner: impl FnOnce() -> Self::Owner,
        glance: Glance,
    ) -> Result<Self::GotByTask<Outcome>, Looked>;

    /// Whether this thread has a pass already.
    fn is_reading_here(&self) -> bool;

    fn enter<'a>(&'a self, wait: &Wait) -> Result<Self::Pass<'a>, LockError>;

    fn enter_by_task(
        owner: Self::Owner,
        wait: &Wait,
    ) -> impl Future<Output = Result<Self::OwnedPass, LockError>> + Send;

    fn give<V>(value: V, pass: Self::Pass<'_>) -> Self::Got<'_, V>;

    fn give_to_task<V>(value: V, pass: Self::OwnedPass) -> Self::GotByTask<V>;

    fn value<'g, V>(got: &'g Self::Got<'_, V>) -> &'g V;

    fn value_of_task<V>(got: &Self::GotByTask<V>) -> &V;

    /// The turn of an access that goes on.
    fn turn<'a, 'c>(&self, got: Self::Got<'a, Outcome>) -> Self::Turn<'a, 'c>
    where
        Self: 'a + 'c;

    /// The turn of one that is to create.
    fn turn_to_create<'a, 'c>(creation: Creation<'c, Self>) -> Self::Turn<'a, 'c>
    where
        Self: 'a + 'c;

    fn turn_by_task<'c>(&self, got: Self::GotByTask<Outcome>) -> Self::TurnByTask<'c>
    where
        Self: 'c;

    fn turn_by_task_to_create<'c>(creation: Creation<'c, Self>) -> Self::TurnByTask<'c>
    where
        Self: 'c;

    /// Runs a setter, unless the creation must not store any more.
    fn store<R>(creation: &Creation<'_, Self>, wait: &Wait, set: impl FnOnce() -> R) -> Result<Option<R>, Refusal>;

    /// What a task's setter runs in, unless the creation must not store any more.
    type Alone<'h>: Send
    where
        Self: 'h;

    /// What a task is in the middle of while its setter runs.
    const STORING: Doing;

    fn begin_store_by_task<'h>(
        creation: &'h Creation<'_, Self>,
    ) -> impl Future<Output = Result<Option<Self::Alone<'h>>, Refusal>> + Send;
}
