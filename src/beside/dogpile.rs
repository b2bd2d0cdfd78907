//! How a [`Dogpile`] is one of these locks. It has no readers, so a pass is nothing.

use super::{Besides, Looked};
use crate::clock::Clock;
use crate::creation::{Creation, Store};
use crate::dogpile::Dogpile;
use crate::error::{LockError, Refusal};
use crate::freshness::Freshness;
use crate::outcome::Outcome;
use crate::running::Doing;
use crate::turn::Turn;
use crate::wait::{Glance, Wait};
use std::future::ready;
use std::num::NonZero;

impl<C: Clock> Dogpile<C> {
    #[cold]
    fn turn_of_one_that_waited<'c>(&self) -> Turn<'c, C> {
        if self.own_freshness() == Freshness::Fresh { Turn::Fresh } else { Turn::Stale }
    }
}

impl<C: Clock> Besides for Dogpile<C> {
    type Pass<'a>
        = ()
    where
        Self: 'a;
    type OwnedPass = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    fn at_once(&self, glance: Glance) -> Result<Outcome, Looked> {
        if glance == Glance::Nothing {
            return Err(None);
        }
        match self.expiry().unless_fresh(self.clock()) {
            None => Ok(Outcome::Fresh),
            Some(now) if glance == Glance::Fresh => Err(NonZero::new(now)),
            Some(now) => self.usable(now).ok_or(NonZero::new(now)),
        }
    }

    #[inline]
    fn at_once_by_task(&self, _: impl FnOnce(), glance: Glance) -> Result<Outcome, Looked> {
        self.at_once(glance)
    }

    #[inline]
    fn is_reading_here(&self) -> bool {
        false
    }

    #[inline]
    fn enter(&self, _: &Wait) -> Result<(), LockError> {
        Ok(())
    }

    #[inline]
    fn enter_by_task((): (), _: &Wait) -> impl Future<Output = Result<(), LockError>> {
        ready(Ok(()))
    }

    #[inline]
    fn give<'a, V>(value: V, (): ()) -> V
    where
        Self: 'a,
    {
        value
    }

    #[inline]
    fn give_to_task<V>(value: V, (): ()) -> V {
        value
    }

    #[inline]
    fn value<V>(value: &V) -> &V {
        value
    }

    #[inline]
    fn value_of_task<V>(value: &V) -> &V {
        value
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn turn<'a, 'c>(&self, outcome: Outcome) -> Turn<'c, C>
    where
        Self: 'a + 'c,
    {
        match outcome {
            Outcome::Fresh => Turn::Fresh,
            Outcome::Waited | Outcome::TooSoon => self.turn_of_one_that_waited(),
            _ => Turn::Stale,
        }
    }

    fn turn_to_create<'a, 'c>(creation: Creation<'c, Self>) -> Turn<'c, C>
    where
        Self: 'a + 'c,
    {
        Turn::Create(creation)
    }

    #[inline]
    fn turn_by_task<'c>(&self, outcome: Outcome) -> Turn<'c, C>
    where
        Self: 'c,
    {
        self.turn(outcome)
    }

    fn turn_by_task_to_create<'c>(creation: Creation<'c, Self>) -> Turn<'c, C>
    where
        Self: 'c,
    {
        Turn::Create(creation)
    }

    fn store<R>(creation: &Creation<'_, Self>, _: &Wait, set: impl FnOnce() -> R) -> Result<Option<R>, Refusal> {
        // The creation is superseded or dead: the value still goes to its caller.
        Ok(creation.publish(set).ok())
    }

    type Alone<'h>
        = Store<'h>
    where
        Self: 'h;

    const STORING: Doing = Doing::Storing;

    fn begin_store_by_task<'h>(
        creation: &'h Creation<'_, Self>,
    ) -> impl Future<Output = Result<Option<Store<'h>>, Refusal>> {
        ready(Ok(creation.begin_store().ok()))
    }
}
