//! How an access comes to its guard: what a [`SyncReaderDogpile`] has beside a [`Dogpile`](crate::Dogpile).

use super::SyncReaderDogpile;
use super::guard::{AsyncWriteGuard, OwnedReadGuard, ReadGuard};
use super::turn::ReadTurn;
use crate::beside::{Besides, Looked};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::error::{LockError, Refusal, WriteLockError};
use crate::outcome::Outcome;
use crate::readers::{OwnedPass, Owner, Pass, Seat};
use crate::running::Doing;
use crate::wait::{Glance, Patience, Wait, block_on};

impl<C: Clock> SyncReaderDogpile<C> {
    /// Takes a seat, if the value is fresh and the seat takes nothing but loads and a store. In all other cases the
    /// access goes on elsewhere, as if it had not looked.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn hit(&self) -> Option<Seat<'_>> {
        let seat = self.readers.sit_at_once()?;
        // The clock is the user's: if it panics, the seat is left.
        let taken = self.readers.taken(seat);
        let seen = self.dogpile.expiry().unless_fresh(self.dogpile.clock());
        let seat = taken.into_seat();
        if seen.is_none() {
            return Some(seat);
        }
        self.readers.leave_seat(seat);
        None
    }

    /// Returns the turn of an access that has met `outcome`, and has this guard.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn turn_after<'c, G>(&self, outcome: Outcome, guard: G) -> ReadTurn<'c, C, G> {
        let is_fresh = match outcome {
            Outcome::Fresh => true,
            // The outcome alone does not say whether the value is fresh. If it is, the access may take it for fresh.
            Outcome::Waited | Outcome::TooSoon => self.has_own_fresh_value(),
            _ => false,
        };
        if is_fresh { ReadTurn::Fresh(guard) } else { ReadTurn::Stale(guard) }
    }
}

/// Returns what the setter has, if it has the write lock, and `None` if its creation may store nothing. All else that
/// keeps a setter from the write lock is an error.
fn or_kept<W>(alone: Result<W, WriteLockError>) -> Result<Option<W>, Refusal> {
    match alone {
        Ok(alone) => Ok(Some(alone)),
        Err(WriteLockError::Superseded | WriteLockError::Dead) => Ok(None),
        Err(WriteLockError::TimedOut) => Err(LockError::TimedOut.into()),
        Err(WriteLockError::ReadLockHeld) => Err(LockError::ReadLockHeld.into()),
        Err(WriteLockError::WriteLockHeld) => Err(LockError::WriteLockHeld.into()),
        Err(WriteLockError::InsidePublish) => Err(LockError::InsidePublish.into()),
    }
}

impl<C: Clock> Besides for SyncReaderDogpile<C> {
    type Pass<'a>
        = Pass<'a>
    where
        Self: 'a;
    type OwnedPass = OwnedPass;

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn at_once(&self, glance: Glance) -> Result<ReadGuard<'_, Outcome>, Looked> {
        if glance == Glance::Nothing {
            return Err(None);
        }
        match self.hit() {
            Some(seat) => Ok(ReadGuard::new(Outcome::Fresh, self.readers.pass(seat))),
            None => Err(None),
        }
    }

    fn at_once_by_task(
        &self,
        owner: impl FnOnce() -> Owner,
        glance: Glance,
    ) -> Result<OwnedReadGuard<Outcome>, Looked> {
        if glance == Glance::Nothing {
            return Err(None);
        }
        // The future does not wait, and so is ready. In all other cases the access goes on elsewhere, as if it had not
        // looked.
        let pass = block_on(OwnedPass::enter(owner(), &Wait::new(Patience::None))).map_err(|_| None)?;
        match self.dogpile.at_once(glance) {
            Ok(outcome) => Ok(OwnedReadGuard::new(outcome, pass)),
            Err(_) => Err(None),
        }
    }

    fn is_reading_here(&self) -> bool {
        self.readers.is_reading_here()
    }

    fn enter<'a>(&'a self, wait: &Wait) -> Result<Pass<'a>, LockError> {
        self.readers.enter(wait)
    }

    fn enter_by_task(owner: Owner, wait: &Wait) -> impl Future<Output = Result<OwnedPass, LockError>> {
        OwnedPass::enter(owner, wait)
    }

    #[inline]
    fn give<'a, V>(value: V, pass: Pass<'a>) -> ReadGuard<'a, V>
    where
        Self: 'a,
    {
        ReadGuard::new(value, pass)
    }

    #[inline]
    fn give_to_task<V>(value: V, pass: OwnedPass) -> OwnedReadGuard<V> {
        OwnedReadGuard::new(value, pass)
    }

    fn value<'g, V>(guard: &'g ReadGuard<'_, V>) -> &'g V {
        guard
    }

    fn value_of_task<V>(guard: &OwnedReadGuard<V>) -> &V {
        guard
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn turn<'a, 'c>(&self, guard: ReadGuard<'a, Outcome>) -> ReadTurn<'c, C, ReadGuard<'a>>
    where
        Self: 'a + 'c,
    {
        self.turn_after(*guard, ReadGuard::map(guard, drop))
    }

    fn turn_to_create<'a, 'c>(creation: Creation<'c, Self>) -> ReadTurn<'c, C, ReadGuard<'a>>
    where
        Self: 'a + 'c,
    {
        ReadTurn::Create(creation)
    }

    fn turn_by_task<'c>(&self, guard: OwnedReadGuard<Outcome>) -> ReadTurn<'c, C, OwnedReadGuard>
    where
        Self: 'c,
    {
        self.turn_after(*guard, OwnedReadGuard::map(guard, drop))
    }

    fn turn_by_task_to_create<'c>(creation: Creation<'c, Self>) -> ReadTurn<'c, C, OwnedReadGuard>
    where
        Self: 'c,
    {
        ReadTurn::Create(creation)
    }

    fn store<R>(creation: &Creation<'_, Self>, wait: &Wait, set: impl FnOnce() -> R) -> Result<Option<R>, Refusal> {
        Ok(or_kept(creation.write(wait))?.map(|_alone| set()))
    }

    type Alone<'h>
        = AsyncWriteGuard<'h>
    where
        Self: 'h;

    // The task is not noted as storing: the guard says that.
    const STORING: Doing = Doing::Creating;

    fn begin_store_by_task<'h>(
        creation: &'h Creation<'_, Self>,
    ) -> impl Future<Output = Result<Option<AsyncWriteGuard<'h>>, Refusal>> {
        async move { or_kept(creation.write_lock_async().await) }
    }
}
