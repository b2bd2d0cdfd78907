//! Lock mode for tasks: the accesses of [`lock_mode`](super::lock_mode), made by who may not block.

use super::Dogpile;
use super::access::would_deadlock;
use super::lock_mode::{Access, AtOnce};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::error::{AcquireError, CreateError};
use crate::keeper::Keeper;
use crate::turn::{Outcome, Turn};
use crate::wait::{FOREVER, Patience, Wait};
use std::convert::Infallible;
use std::fmt::Display;

/// # Lock mode, for tasks
///
/// The same lock may be used by threads and by tasks at once: a creation of either wakes those who wait of both. Nothing here
/// blocks its thread. A hit does not even suspend its task.
///
/// To bound the wait, race the future with a timer of your runtime: to drop it is safe at any time.
impl<C: Clock> Dogpile<C> {
    /// As [`acquire`](Self::acquire), for a task.
    ///
    /// # Panics
    ///
    /// If this task is running the creator that it would wait for.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it leaves the queue; if it had just been called to create, the next one is. Once it is ready it has
    /// nothing to lose but the turn that it returns.
    pub async fn acquire_async(&self) -> Turn<'_, C> {
        match self.access_async(Patience::Endless).await {
            Ok(access) => self.turn(access, || Keeper::Borrowed(self)),
            Err(error) => would_deadlock(&error),
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
    /// Dropped while it waits, as [`acquire_async`](Self::acquire_async). Dropped while `creator` runs, that is dropped, and the
    /// creation is given up: exactly one of those who wait is elected.
    pub async fn acquire_or_create_async(&self, creator: impl AsyncFnOnce()) -> Outcome {
        let creator = async || {
            creator().await;
            Ok::<(), Infallible>(())
        };
        match self.create_async(Patience::Endless, creator).await.map_err(CreateError::of_a_wait) {
            Ok(outcome) => outcome,
            Err(error) => would_deadlock(&error),
        }
    }

    /// As [`acquire_or_try_create`](Self::acquire_or_try_create), for a task.
    ///
    /// # Errors
    ///
    /// As `acquire_or_try_create`.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_or_create_async`](Self::acquire_or_create_async).
    pub async fn acquire_or_try_create_async<E: Display>(
        &self,
        creator: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        self.create_async(FOREVER, creator).await
    }

    async fn access_async(&self, patience: Patience) -> Result<Access, AcquireError> {
        match self.at_once() {
            Ok(AtOnce::Fresh) => Ok(Access::Fresh),
            Ok(AtOnce::Stale) => Ok(Access::Stale),
            Err(now) => self.access_unless_fresh(now, &mut Wait::of_a_task(patience)).await,
        }
    }

    async fn create_async<E: Display>(
        &self,
        patience: Patience,
        creator: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<Outcome, CreateError<E>> {
        match self.access_async(patience).await? {
            Access::Fresh => Ok(Outcome::Fresh),
            Access::Stale => Ok(Outcome::Stale),
            Access::Waited => Ok(Outcome::Waited),
            Access::Elected(born, _) => {
                let creation = Creation::new(Keeper::Borrowed(self), born);
                match creation.run_fallible_async(async { creator().await }).await {
                    Ok(()) => Ok(Outcome::Created),
                    Err(_) if self.serves_stale() && self.has_value() => {
                        self.tell_if_stale();
                        Ok(Outcome::StaleOnError)
                    }
                    Err(error) => Err(CreateError::Failed(error)),
                }
            }
        }
    }
}
