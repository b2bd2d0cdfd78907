//! The accesses that do not create by themselves: they end in a turn.

use super::guards::{Guards, OfTask, OfThread};
use super::lock_mode::{self, Met};
use super::{Beside, Besides, Looked};
use crate::access::{Access, AsyncAccess, AtMost, Elsewhere, ForEver, Reach, ReachesByTask, Refers, Shares, Waits};
use crate::creation::Creation;
use crate::election::Birth;
use crate::error::{AcquireError, Refusal, or_deadlock};
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::outcome::Outcome;
use crate::registry::HeldForEver;
use crate::sync::Arc;
use crate::wait::{Glance, Patience, Wait, Waiting, block_on};

/// How a task reaches a lock that gives turns.
pub trait TurnsByTask<L: Beside>: ReachesByTask<L> {
    type Turn;

    fn turn(&self, got: L::GotByTask<Outcome>) -> Self::Turn;

    fn turn_to_create(&self, born: Birth) -> Self::Turn;
}

impl<'a, L: Beside + Lock<Owner = ()>> TurnsByTask<L> for &'a L {
    type Turn = L::TurnByTask<'a>;

    #[inline]
    fn turn(&self, got: L::GotByTask<Outcome>) -> L::TurnByTask<'a> {
        L::turn_by_task(self, got)
    }

    fn turn_to_create(&self, born: Birth) -> L::TurnByTask<'a> {
        L::turn_by_task_to_create(Creation::new(Keeper::Borrowed(self), born))
    }
}

macro_rules! turns {
    ($([$($generics:tt)*] $by:ty where [$($bound:tt)*];)+) => {$(
        impl<L: Beside + 'static, $($generics)*> TurnsByTask<L> for $by
        where
            $($bound)*
        {
            type Turn = L::TurnByTask<'static>;

            fn turn(&self, got: L::GotByTask<Outcome>) -> L::TurnByTask<'static> {
                Refers::<L>::refer(self).turn_by_task(got)
            }

            fn turn_to_create(&self, born: Birth) -> L::TurnByTask<'static> {
                L::turn_by_task_to_create(Creation::new(Shares::<L>::share(self), born))
            }
        }
    )+};
}

turns! {
    [] ForEver<L> where [];
    [] &Arc<L> where [];
    [K: Send + Sync + 'static] HeldForEver<'_, K, L> where [L: Send + Sync];
}

/// # Turns
impl<'a, 'c, K: Reach<'a, 'c, Lock: Beside>, W> Access<K, Elsewhere, W> {
    /// Returns the turn of an access that does not wait.
    pub(crate) fn turn_at_once(self) -> Result<<K::Lock as Lock>::Turn<'a, 'c>, AcquireError> {
        match self.lock.lock().at_once(Glance::Usable) {
            Ok(got) => Ok(self.lock.lock().turn(got)),
            Err(now) => turn_slowly::<AtMost, _>(self.lock, now, &Wait::new(Patience::None)),
        }
    }
}

#[cold]
#[track_caller]
fn turn_slowly<'a, 'c, W: Waits, K: Reach<'a, 'c, Lock: Beside>>(
    reached: K,
    now: Looked,
    wait: &Wait,
) -> W::Gives<<K::Lock as Lock>::Turn<'a, 'c>> {
    let lock = reached.lock();
    let met = block_on(lock_mode::access(&OfThread(lock), now, wait, |_, pass| drop(pass)));
    let turn = met.map(|met| match met {
        Met::In(outcome, pass) => lock.turn(K::Lock::give(outcome, pass)),
        Met::Elected(born) => K::Lock::turn_to_create(Creation::new(reached.keeper(), born)),
    });
    W::give(turn.map_err(AcquireError::from))
}

impl<'a, 'c, K: Reach<'a, 'c>, W: Waits> Access<K, Elsewhere, W>
where
    K::Lock: Beside,
{
    /// Returns what this access is to do: to use the value, or to create it. See [`Turn`](crate::Turn) and
    /// [`ReadTurn`](crate::ReadTurn).
    ///
    /// Blocks while there is no value and another access creates it. Under readers also blocks while a writer is in or
    /// waits. If the creation that the access has waited for succeeds, the turn is `Fresh`; or `Stale`, if its value
    /// has expired or was invalidated already. If that creation fails, one of the waiters gets `Create`.
    ///
    /// # Errors
    ///
    /// Without a [`timeout`](Self::timeout) there is no error. With one:
    ///
    /// - [`AcquireError::TimedOut`], if the waits took too long.
    /// - [`AcquireError::WouldDeadlock`], if this thread is running the creator that the access would wait for.
    /// - [`AcquireError::Paused`], after a failure, if there is no value.
    /// - [`AcquireError::WriteLockHeld`], if this thread holds the write lock.
    ///
    /// # Panics
    ///
    /// Panics without a time-out, if this thread is running the creator that the access would wait for, or holds the
    /// write lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Turn};
    /// use std::{sync::Arc, thread, time::Duration};
    ///
    /// let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
    /// if let Turn::Create(creation) = Dogpile::kept(&lock).turn() {
    ///     thread::spawn(move || creation.run(|_| { /* rebuild */ }));
    /// }
    /// ```
    #[inline]
    #[track_caller]
    pub fn turn(self) -> W::Gives<<K::Lock as Lock>::Turn<'a, 'c>> {
        match self.lock.lock().at_once(self.waits.glance()) {
            Ok(got) => W::give(Ok(self.lock.lock().turn(got))),
            Err(now) => turn_slowly::<W, _>(self.lock, now, &self.waits.wait(false)),
        }
    }
}

/// # Turns
impl<L: Beside, K: TurnsByTask<L>, W: Waits> AsyncAccess<K, L, Elsewhere, W> {
    /// As [`Access::turn`](crate::Access::turn), for a task.
    ///
    /// # Panics
    ///
    /// Panics if this task is running the creator that the access would wait for. Under readers also panics if this
    /// thread, or the creation that this task runs, holds the write lock. [`try_turn`](Self::try_turn) returns an error
    /// instead.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while the access waits, the access leaves the queue. If it had just been called to
    /// create, the next waiter is called.
    pub fn turn(self) -> impl Future<Output = K::Turn> {
        self.turn_by(W::of_infallible_task, or_deadlock)
    }

    /// As [`turn`](Self::turn), with an error in place of a panic. Its future waits as that of `turn` does.
    ///
    /// An access that ends in `turn` cannot be told of a [pause](crate::PolicyBuilder::retry_after), and creates in the
    /// pause when it is elected. An access that ends in `try_turn` is told.
    ///
    /// # Errors
    ///
    /// - [`AcquireError::WouldDeadlock`], if this task is running the creator that the access would wait for, or a
    ///   creator for which that creator waits.
    /// - [`AcquireError::Paused`], after a failure, if there is no value.
    /// - [`AcquireError::WriteLockHeld`], if this thread, or the creation that this task runs, holds the write lock.
    ///
    /// # Cancel safety
    ///
    /// As of [`turn`](Self::turn).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Dogpile, Turn};
    /// use std::sync::Arc;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let lock = Arc::new(Dogpile::never_expires());
    /// let Ok(Turn::Create(creation)) = Dogpile::kept_async(&lock).try_turn().await else { panic!("no value") };
    /// creation
    ///     .run_async(async |_| {
    ///         // The creator asks for the value that it is creating.
    ///         let asked = Dogpile::kept_async(&lock).try_turn().await;
    ///         assert!(matches!(asked, Err(AcquireError::WouldDeadlock(_))));
    ///     })
    ///     .await;
    /// assert!(matches!(Dogpile::kept_async(&lock).try_turn().await, Ok(Turn::Fresh)));
    /// # }
    /// ```
    pub fn try_turn(self) -> impl Future<Output = Result<K::Turn, AcquireError>> {
        self.turn_by(W::of_task, |turn| turn.map_err(AcquireError::from))
    }

    /// Makes the access, with the waits that `wait` makes of its terms. `end` makes of the turn what the future gives.
    fn turn_by<V: Waiting, R>(
        self,
        wait: impl FnOnce(&W) -> V,
        end: impl FnOnce(Result<K::Turn, Refusal>) -> R,
    ) -> impl Future<Output = R> {
        let (guards, waits) = (OfTask::new(self.lock), self.waits);
        async move {
            let now = match guards.lock().at_once_by_task(|| guards.reached.owner(), waits.glance()) {
                Ok(got) => return end(Ok(guards.reached.turn(got))),
                Err(now) => now,
            };
            let wait = wait(&waits);
            let met = Box::pin(lock_mode::access(&guards, now, wait.wait(), |_, pass| drop(pass))).await;
            end(met.map(|met| match met {
                Met::In(outcome, pass) => guards.reached.turn(L::give_to_task(outcome, pass)),
                Met::Elected(born) => guards.reached.turn_to_create(born),
            }))
        }
    }
}
