//! How a [`Dogpile`] is made, and how it is given its policy.

use super::Dogpile;
use super::status::Status;
use crate::clock::{Clock, MonotonicClock};
use crate::ruled::ruled;
use crate::sync::const_fn;
use std::time::Duration;

impl Dogpile {
    const_fn! {
        /// Returns a lock without a value. A value expires `expires_after` the end of its creation.
        ///
        /// The time is measured in nanoseconds. From one second up, expiry is seen on the coarse clock (see
        /// [`MonotonicClock`]): a value may live longer by the lag of that clock, and never shorter. With zero every
        /// value is stale at once: each access finds it stale, and one access at a time creates. With `Duration::MAX`,
        /// or anything over 584 years, a value never expires.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// Returns a lock without a value, whose values never expire.
        ///
        /// The value is created once, and again when it is [invalidated](Self::invalidate) or [marked
        /// stale](Self::mark_stale). Even so a stamp from the future is not believed: see
        /// [`max_skew`](crate::PolicyBuilder::max_skew).
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> Dogpile<C> {
    const_fn! {
        /// As [`new`](Dogpile::new), on a clock of the user's.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { status: Status::missing(expires_after, clock) }
        }
    }

    const_fn! {
        /// Starts the lock as if its value had just been created. This is for a value that is there before the lock is.
        ///
        /// The life of the value begins with the first access, since a `static` cannot read a clock.
        ///
        /// A lock in [getter mode](Self::fetch) starts this way, since the store may hold a value from before: then the
        /// first access asks the getter, and otherwise it would create at once.
        ///
        /// # Examples
        ///
        /// ```
        /// use dogpile::{Dogpile, Outcome};
        /// use std::time::Duration;
        ///
        /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(600)).born_fresh();
        /// assert_eq!(LOCK.acquire_or_create(|| ()), Outcome::Fresh);
        /// ```
        #[must_use]
        pub const fn born_fresh(mut self) -> Self {
            self.be_born();
            self
        }
    }
}

/// # Policy
impl<C: Clock> Dogpile<C> {
    ruled! {
        /// Gives a policy to the lock, in place of the [defaults](crate::Policy). The policy says how a value ages, and
        /// what happens when creating goes wrong.
        by status
    }
}
