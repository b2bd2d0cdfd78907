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
        /// No value yet; one expires `expires_after` its creator returned, unless it [says
        /// itself](crate::Made::expires_after) when.
        ///
        /// Precision, zero and `Duration::MAX` are those of [`Dogpile::new`].
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// No value yet; it does not expire, unless it [says itself](crate::Made::expires_after) when. It is created
        /// once, and again when [invalidated](Self::invalidate) or [marked stale](Self::mark_stale).
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<T, C: Clock> Cached<T, C> {
    const_fn! {
        /// As [`new`](Cached::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            let dogpile = Dogpile::with_clock(expires_after, clock);
            Self { dogpile, cell: ArcCell::new(), changes: AtomicU64::new(0), trays: Trays::new() }
        }
    }

    ruled! {
        /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
        /// [defaults](crate::Policy).
        by dogpile.status
    }
}
