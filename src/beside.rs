//! How an access is served by a lock whose value lies beside it: by a [`Dogpile`](crate::Dogpile), or by a
//! [`SyncReaderDogpile`](crate::SyncReaderDogpile).
//!
//! The two locks are served by one code. They differ in what an access holds on to while it uses the value, its *pass*:
//! nothing, or a place among the readers. A thread's pass and a task's pass differ as well. The trait [`Guards`] hides
//! these differences from the code, and the trait [`Beside`] is implemented by each lock.
//!
//! | file | what is in it |
//! |---|---|
//! | [`guards`] | the passes of threads and of tasks |
//! | [`lock_mode`] | an access without a getter, up to its creator |
//! | [`fetch`] | an access with a getter, up to its creator |
//! | [`age`] | how old the value is that a getter has brought |
//! | [`serve`], [`tasks`], [`spawned`] | the accesses of threads, of tasks, and of tasks whose creation is spawned, which rest on `lock_mode` and `fetch` |
//! | [`turns`] | the accesses that do not create by themselves, and end in a turn |
//! | [`elected`] | what an access is elected to |
//! | [`how`] | how the creation of an access ends |
//! | [`within`] | how the owner of a creation runs a part of it |
//! | [`creating`], [`creating_async`], [`handing_over`] | how the owner of a creation ends it, or hands it over |
//! | [`accesses`], [`mod@dogpile`] | how an access of a `Dogpile` is opened, and how a `Dogpile` is one of these locks |
//!
//! How a `SyncReaderDogpile` is one of these locks is in [`crate::sync_reader`].

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
mod within;

pub(crate) use guards::{Guards, OfTask, OfThread};

use crate::creation::Creation;
use crate::error::{LockError, Refusal};
use crate::lock::Lock;
use crate::outcome::Outcome;
use crate::running::Doing;
use crate::wait::{Glance, Wait};
use std::num::NonZero;

/// A lock whose value lies beside it: a [`Dogpile`](crate::Dogpile) or a
/// [`SyncReaderDogpile`](crate::SyncReaderDogpile). The trait is sealed.
pub trait Beside: Besides {}

impl<L: Besides> Beside for L {}

/// The time, if a look has read it. (No clock is as early as zero: see [`Expiry`](crate::freshness::Expiry).)
pub type Looked = Option<NonZero<u64>>;

// Public only because it is a supertrait of `Beside`: this module is not public.
pub trait Besides: Lock<Noted = ()> + Send + Sync {
    /// What a thread holds while it uses the value.
    type Pass<'a>
    where
        Self: 'a;

    /// What a task holds while it uses the value.
    type OwnedPass: Send;

    /// Looks at the lock, and ends the access if it can by loads alone: with a hit, or with an old value that another
    /// access renews, as far as `glance` allows. Otherwise returns the time, if the look has read it.
    fn at_once(&self, glance: Glance) -> Result<Self::Got<'_, Outcome>, Looked>;

    /// As [`at_once`](Self::at_once), for a task.
    fn at_once_by_task(
        &self,
        owner: impl FnOnce() -> Self::Owner,
        glance: Glance,
    ) -> Result<Self::GotByTask<Outcome>, Looked>;

    /// Returns whether this thread has a pass already.
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

    /// Makes the turn of an access that goes on with the value.
    fn turn<'a, 'c>(&self, got: Self::Got<'a, Outcome>) -> Self::Turn<'a, 'c>
    where
        Self: 'a + 'c;

    /// Makes the turn of an access that is to create.
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
