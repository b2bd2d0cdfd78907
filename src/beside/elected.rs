//! What an access is elected to.

use crate::creation::{Creation, Middle};
use crate::generation::Generation;
use crate::lock::Lock;

/// A [`Creation`] without its lifetime: the access that was elected need not know how long the creation may live. (A
/// future that knew would not be `Send`.)
pub(crate) trait Elected {
    fn is_dead(&self) -> bool;

    /// Returns the generation in which the creation was elected.
    fn born_in(&self) -> Generation;

    fn stand_down(self);

    fn middle(&self) -> Middle<'_>;
}

impl<L: Lock> Elected for Creation<'_, L> {
    fn is_dead(&self) -> bool {
        Creation::is_dead(self)
    }

    fn born_in(&self) -> Generation {
        self.born().generation
    }

    fn stand_down(self) {
        Creation::stand_down(self);
    }

    fn middle(&self) -> Middle<'_> {
        Creation::middle(self)
    }
}

/// A creation that stands down when it is dropped, unless it [goes on](Self::goes_on).
pub(crate) struct StandsDown<N: Elected>(Option<N>);

impl<N: Elected> StandsDown<N> {
    pub(crate) fn new(creation: N) -> Self {
        Self(Some(creation))
    }

    pub(crate) fn creation(&self) -> &N {
        self.0.as_ref().expect("it is there until it goes on")
    }

    pub(crate) fn goes_on(mut self) -> N {
        self.0.take().expect("it goes on once")
    }
}

impl<N: Elected> Drop for StandsDown<N> {
    fn drop(&mut self) {
        if let Some(creation) = self.0.take() {
            creation.stand_down();
        }
    }
}
