//! How a [`Cached`] is made, and given its policy.

use super::Cached;
use super::tray::Trays;
use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::Dogpile;
use crate::ruled::ruled;
use crate::sync::cell::ArcCell;
use crate::sync::{AtomicU64, const_fn};
use std::time::Duration;

impl<T> Cached<T> {
    const_fn! {
        /// Makes a lock without a value. A value expires `expires_after` the return of its creator, unless the value
        /// says [itself](crate::Made::expires_after) when.
        ///
        /// The precision is that of [`Dogpile::new`], and so is the meaning of zero and of `Duration::MAX`.
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// Makes a lock without a value. A value does not expire, unless it says [itself](crate::Made::expires_after)
        /// when. So a value is created once, and again when it was [invalidated](Self::invalidate) or [marked
        /// stale](Self::mark_stale).
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<T, C: Clock> Cached<T, C> {
    const_fn! {
        /// As [`new`](Cached::new), on a clock of the user's.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            let dogpile = Dogpile::with_clock(expires_after, clock);
            Self { dogpile, cell: ArcCell::new(), changes: AtomicU64::new(0), trays: Trays::new() }
        }
    }

    ruled! {
        /// Has `policy` say how the values of this lock age, and what happens when creating goes wrong, in place of the
        /// [defaults](crate::Policy).
        by dogpile.status
    }
}
