//! An election that nobody answers for yet: what runs between it and the creation.
//!
//! From its election on until somebody owns the [`Creation`](crate::Creation), the right to create is in nobody's
//! hands. What runs meanwhile may be the user's: the clock, the observer, the drop of an old value. If that panics, the
//! right is given back here.

use super::Dogpile;
use crate::clock::Clock;
use crate::election::Birth;
use crate::observer::End;
use crate::running::{Doing, Running};
use std::mem;

/// A creation that nobody has yet.
struct Unbegun<'a, C: Clock> {
    of: &'a Dogpile<C>,
    born: Birth,
}

impl<C: Clock> Drop for Unbegun<'_, C> {
    fn drop(&mut self) {
        self.of.stand_down(self.born);
    }
}

impl<C: Clock> Dogpile<C> {
    /// Runs what is the user's between an election and whatever answers for it. If it panics, the creation stands down,
    /// and a pause goes on; if it comes to wait for that creation, it is told (L7).
    pub(crate) fn meanwhile<R>(&self, born: Birth, run: impl FnOnce() -> R) -> R {
        let _running = Running::enter(&self.election, born.ticket, self.policy().name(), Doing::Creating);
        let unbegun = Unbegun { of: self, born };
        let ran = run();
        mem::forget(unbegun);
        ran
    }

    /// Notes when a creation begins, and tells of the one that it takes the place of; and of the wait since then, if
    /// there was one.
    pub(crate) fn begun(&self, born: Birth, waited_since: Option<u64>) -> Birth {
        if let Some(after) = born.buried {
            self.count(&End::Buried, after);
        }
        self.meanwhile(born, || {
            let started = self.clock.now();
            let waited = waited_since.map(|since| self.count_wait(since, started));
            if let Some(after) = born.buried {
                self.tell(&End::Buried, after);
            }
            if let Some(took) = waited {
                self.tell_wait(took);
            }
            Birth { started, ..born }
        })
    }
}
