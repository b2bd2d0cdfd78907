//! How a [`Dogpile`] is made, and given its policy.

use super::Dogpile;
use super::status::Status;
use crate::clock::{Clock, MonotonicClock};
use crate::ruled::ruled;
use crate::sync::const_fn;
use std::time::Duration;

impl Dogpile {
    const_fn! {
        /// A lock without a value yet, which expires `expires_after` its creation ended.
        ///
        /// Precise to the nanosecond, but for the lag of the clock's cheap form (see [`MonotonicClock`]) from one
        /// second up: a value may live that much longer, never shorter. Zero makes every value stale at once: each
        /// access finds it so, and at most one at a time creates. `Duration::MAX`, or anything over 584 years, never
        /// expires.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// A lock without a value yet, which does not expire: it is created once, and again when
        /// [invalidated](Self::invalidate) or [marked stale](Self::mark_stale). (A stamp from the future is not trusted
        /// even so: see [`max_skew`](crate::PolicyBuilder::max_skew).)
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<C: Clock> Dogpile<C> {
    const_fn! {
        /// As [`new`](Dogpile::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { status: Status::missing(expires_after, clock) }
        }
    }

    const_fn! {
        /// Starts as if the value had just been created: for a value that is there before the lock is.
        ///
        /// Its life begins with the first access, since a `static` cannot read a clock.
        ///
        /// A lock in [getter mode](Self::fetch) starts so, since the store may hold a value from before: an access asks
        /// the getter then, where it would otherwise create at once.
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
        /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
        /// [defaults](crate::Policy).
        by status
    }
}
