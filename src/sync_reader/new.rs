//! How a [`SyncReaderDogpile`] is made, and given its policy.

use super::SyncReaderDogpile;
use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::Dogpile;
use crate::readers::Readers;
use crate::ruled::ruled;
use crate::sync::const_fn;
use std::time::Duration;

impl SyncReaderDogpile {
    const_fn! {
        /// A lock without a value yet, which expires `expires_after` its creation ended. As [`Dogpile::new`].
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// A lock without a value yet, which does not expire. As [`Dogpile::never_expires`].
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> SyncReaderDogpile<C> {
    const_fn! {
        /// As [`new`](SyncReaderDogpile::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { dogpile: Dogpile::with_clock(expires_after, clock), readers: Readers::new() }
        }
    }

    const_fn! {
        /// Starts as if the value had just been created: for a resource that is there before the lock is. As
        /// [`Dogpile::born_fresh`].
        #[must_use]
        pub const fn born_fresh(mut self) -> Self {
            self.dogpile.be_born();
            self
        }
    }

    ruled! {
        /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
        /// [defaults](crate::Policy).
        by dogpile.status
    }
}
