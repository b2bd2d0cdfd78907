//! How a lock serves an access: the traits that each lock implements for each place in which the value may be.

use super::reach::{Owns, Reaches};
use super::setter::Sets;
use super::source::{Asks, ByTask, ByThread};
use crate::creation::{Creation, Shared};
use crate::error::CreateError;
use crate::failure::Takes;
use crate::lock::Lock;
use crate::runner::Runner;
use crate::spawner::Spawner;
use crate::wait::{Glance, Wait, Waiting};
use std::pin::Pin;

/// What an access of a thread ends with.
pub type Served<'a, L, S, E> =
    Result<<L as Lock>::Got<'a, <S as Asks<ByThread>>::Value>, CreateError<E, <S as Asks<ByThread>>::Error>>;

/// What an access of a task ends with.
pub type ServedByTask<L, S, E> =
    Result<<L as Lock>::GotByTask<<S as Asks<ByTask>>::Value>, CreateError<E, <S as Asks<ByTask>>::Error>>;

/// A lock that serves threads, whose values are where `S` says.
pub trait Serves<'c, S: Asks<ByThread>>: Lock + 'c {
    /// What a look has seen that did not end the access.
    type Missed;

    /// Looks at the lock, and ends the access if it can by loads alone: with a hit, or with an old value that another
    /// access renews, as far as `glance` allows.
    fn look(&self, glance: Glance) -> Result<Self::Got<'_, S::Value>, Self::Missed>;

    /// Serves the access, after a look that has `missed`. The access's setter fails with an `N`.
    fn serve<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'c, Lock = Self>,
        missed: Self::Missed,
        wait: &Wait,
        source: S,
        creator: impl FnOnce(&Creation<'c, Self>) -> Result<S::MadeWith, E>,
    ) -> Served<'a, Self, S, E>
    where
        Self: 'a,
        S::Setter: Sets<S::Value, N>;
}

/// A lock that serves threads, by creators that a runner may be given.
pub trait ServesInBackground<S: Asks<ByThread>>: Serves<'static, S> + 'static {
    /// Serves the access, after a look that has `missed`.
    fn serve_in_background<'a, N, E: Takes<N>>(
        reached: impl Reaches<'a, 'static, Lock = Self>,
        runner: &(impl Runner + ?Sized),
        missed: Self::Missed,
        wait: &Wait,
        source: S,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<S::MadeWith, E> + Send + 'static,
    ) -> Served<'a, Self, S, E>
    where
        S::Setter: Sets<S::Value, N> + Send + 'static;
}

/// A future of which only this type is known. So it is `Send`, even if there are lifetimes in the types that it is
/// made of.
pub type Boxed<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// A lock that serves tasks whose creations are spawned, for as long as `'x`. The tasks' setters fail with an `N`.
pub trait ServesSpawned<'x, S: Asks<ByTask>, N, E>: Lock + 'static {
    fn look(&self, owner: impl FnOnce() -> Self::Owner, glance: Glance) -> Option<Self::GotByTask<S::Value>>;

    /// Serves the access, after a look that did not end it.
    fn serve_spawned<V: 'static, F: Future<Output = V> + Send + 'static>(
        reached: impl Owns<Self> + Send + Sync + 'x,
        spawner: &'x (impl Spawner + Sync + ?Sized),
        wait: impl Waiting + 'x,
        source: S,
        creator: impl FnOnce(Shared<Self>) -> F + Send + 'static,
        made: fn(V) -> Result<S::MadeWith, E>,
    ) -> Boxed<'x, ServedByTask<Self, S, E>>;
}
