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
        /// Makes a lock without a value. A value expires `expires_after` its creation has ended. As [`Dogpile::new`],
        /// which says how precise that is, and what zero and `Duration::MAX` do.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// Makes a lock without a value, whose values do not expire. As [`Dogpile::never_expires`].
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> SyncReaderDogpile<C> {
    const_fn! {
        /// Makes a lock as [`new`](SyncReaderDogpile::new) does, on another clock.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { dogpile: Dogpile::with_clock(expires_after, clock), readers: Readers::new() }
        }
    }

    const_fn! {
        /// Has the lock start as if the value had just been created: for a resource that is there before the lock is.
        /// As [`Dogpile::born_fresh`].
        #[must_use]
        pub const fn born_fresh(mut self) -> Self {
            self.dogpile.be_born();
            self
        }
    }

    ruled! {
        /// Gives the lock a policy, in place of the [defaults](crate::Policy). The policy says how values age, and what
        /// happens when creating goes wrong.
        by dogpile.status
    }
}
