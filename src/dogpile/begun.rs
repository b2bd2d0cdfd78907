//! The time between an election and its creation.
//!
//! From the election on until a [`Creation`](crate::Creation) exists, the right to create has no owner. Meanwhile code
//! of the user's may run: the clock, the observer, the drop of an old value. If that code panics, the right is given
//! back here.

use super::Dogpile;
use crate::clock::Clock;
use crate::election::Birth;
use crate::observer::End;
use crate::running::{Doing, Running};
use std::mem;

/// A creation that has no owner yet. When it is dropped by a panic, the creation stands down.
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
    /// Runs code of the user's between an election and the moment at which the creation has an owner. If that code
    /// panics, the creation stands down, and a pause goes on. If that code comes to wait for the creation, it is told
    /// that it would wait for itself (L7).
    pub(crate) fn meanwhile<R>(&self, born: Birth, run: impl FnOnce() -> R) -> R {
        let _running = Running::enter(&self.election, born.ticket, self.policy().name(), Doing::Creating);
        let unbegun = Unbegun { of: self, born };
        let ran = run();
        mem::forget(unbegun);
        ran
    }

    /// Notes when a creation begins. If the creation has taken the place of a dead one, counts that one and tells of
    /// it. If the access has waited since `waited_since`, counts that wait and tells of it.
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
