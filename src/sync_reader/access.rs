//! How an access comes to its guard.
//!
//! # One access
//!
//! 1. It enters as a reader, which waits for a writer that is in or waits.
//! 2. As a reader it looks at the value, so that what it sees of the freshness holds as long as its guard does: whoever
//!    invalidates, takes the write lock and clears the resource away is either seen, or waits.
//! 3. Fresh, or stale while somebody else creates: that is its turn, and it keeps its place as a reader.
//! 4. Elected, or to wait because there is no value: it leaves first. So nobody who creates or waits keeps a writer
//!    out.
//! 5. When it has created or waited, it enters again.
//!
//! A thread that reads already is let in at step 1 whoever waits, and stays: it neither creates nor waits (L9).

use super::{ReadGuard, ReadTurn, SyncReaderDogpile};
use crate::clock::Clock;
use crate::creation::Creation;
use crate::dogpile::{Need, Settled, Sight};
use crate::election::Birth;
use crate::error::{LockError, Refusal};
use crate::keeper::Keeper;
use crate::readers::{Pass, Seat};
use crate::turn::Outcome;
use crate::wait::{Patience, Wait, block_on};
use std::future::ready;

/// How an access came out. On a thread's hit path `P` is a pass in pieces: see [`Seat`].
#[derive(Clone, Copy)]
pub(super) enum Access<P> {
    /// In, and this is what it met.
    In(Outcome, P),
    /// To create, and not in.
    Elected(Birth),
}

/// What an access does that is elected and creates for itself.
pub(super) fn leave<P>(_: Need, pass: Option<P>) {
    drop(pass);
}

impl<C: Clock> SyncReaderDogpile<C> {
    /// The hit path: all that a fresh value costs. In this order: as a reader it looks whether the value is fresh.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    pub(super) fn hit(&self) -> Option<Seat<'_>> {
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

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    pub(super) fn access(&self, patience: Patience) -> Result<Access<Seat<'_>>, Refusal> {
        match self.hit() {
            Some(seat) => Ok(Access::In(Outcome::Fresh, seat)),
            None => self.access_slowly(&Wait::new(patience), leave),
        }
    }

    #[cold]
    pub(super) fn access_slowly<'a>(
        &'a self,
        wait: &Wait,
        elected: impl FnOnce(Need, Option<Pass<'a>>),
    ) -> Result<Access<Seat<'a>>, Refusal> {
        let enter = || ready(self.readers.enter(wait));
        Ok(match block_on(self.access_by(wait, self.readers.is_reading_here(), enter, elected))? {
            Access::In(outcome, pass) => Access::In(outcome, pass.into_seat()),
            Access::Elected(born) => Access::Elected(born),
        })
    }

    /// An access of a thread or a task, which is in by a `P`. `nested`: it is in already, whatever it does here.
    ///
    /// What may be read until the new one is there, `elected` is given: an access that creates for itself has to leave
    /// it.
    pub(super) fn access_by<P, F: Future<Output = Result<P, LockError>>>(
        &self,
        wait: &Wait,
        nested: bool,
        enter: impl Fn() -> F,
        elected: impl FnOnce(Need, Option<P>),
    ) -> impl Future<Output = Result<Access<P>, Refusal>> {
        async move {
            let lock = &self.dogpile;
            loop {
                let pass = enter().await?;
                // In this order: the word first, the deadline second. See `election`.
                let seen = lock.election().look();
                let need = match lock.look() {
                    Sight::Fresh => return Ok(Access::In(Outcome::Fresh, pass)),
                    Sight::Due if nested => return Ok(Access::In(Outcome::Fresh, pass)),
                    sight if nested => {
                        if sight == Sight::Stale {
                            lock.tell_stale();
                        }
                        return Ok(Access::In(Outcome::Stale, pass));
                    }
                    Sight::Due => Need::Due,
                    Sight::Stale => Need::Stale,
                    Sight::Missing => Need::Missing,
                };
                // Who has a value to go on with does not wait, and may stay; whoever is to create must not.
                let pass = (need != Need::Missing).then_some(pass);
                match (lock.settle(seen, need, wait).await?, pass) {
                    (Settled::Elected { born, .. }, pass) => {
                        // A writer may be waiting for just that pass, and its waker runs then, which is the user's.
                        lock.meanwhile(born, || elected(need, pass));
                        return Ok(Access::Elected(born));
                    }
                    (Settled::CarryOn, Some(pass)) => return Ok(Access::In(lock.goes_on(need), pass)),
                    (Settled::Served, _) => return Ok(Access::In(Outcome::Waited, enter().await?)),
                    (Settled::CarryOn, None) | (Settled::Moved | Settled::LookAgain, _) => {}
                }
            }
        }
    }

    #[inline]
    pub(super) fn turn<'a>(&'a self, access: Access<Seat<'a>>) -> ReadTurn<'a, C> {
        self.turn_as(access, || Keeper::Borrowed(self), |pass| ReadGuard::new((), pass))
    }

    #[inline]
    pub(super) fn turn_as<'a, 'l, G>(
        &'a self,
        access: Access<Seat<'a>>,
        keeper: impl FnOnce() -> Keeper<'l, Self>,
        guard: impl FnOnce(Pass<'a>) -> G,
    ) -> ReadTurn<'l, C, G> {
        match access {
            Access::In(Outcome::Fresh, seat) => ReadTurn::Fresh(guard(self.readers.pass(seat))),
            Access::In(outcome, seat) => {
                // First of all: the clock, below, is the user's.
                let pass = self.readers.pass(seat);
                match outcome {
                    Outcome::Waited if !self.is_expired() => ReadTurn::Fresh(guard(pass)),
                    _ => ReadTurn::Stale(guard(pass)),
                }
            }
            Access::Elected(born) => ReadTurn::Create(Creation::new(keeper(), born)),
        }
    }
}
