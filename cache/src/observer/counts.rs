//! What a region has counted.

use super::case::{By, NotPublished, Operation, Overlap};
use crate::envelope::Why;
use std::fmt;
use std::time::Duration;

/// Counts of what a region of this process has done since it was built.
///
/// The [module docs](super) say when each event is counted. Each count stands by itself: a snapshot that is taken while
/// the region is in use may have counted one part of an event and not yet another. Times are measured on the region's
/// own clock, and saturate at 584 years. More fields will be added as the crate grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Accesses that were served a fresh value that this process keeps near. `None` unless the region was asked to
    /// count them.
    ///
    /// By default they are not counted, as a hit of `dogpile` is not, since that is all that a count could cost: a miss
    /// costs a round trip or a creation. The count is split over lines of memory by thread, so that threads do not wait
    /// for each other. It costs 2 ns, where a bare hit of `quick_cache` takes 12.
    pub near_hits: Option<u64>,
    /// Accesses that were served the old value that this process keeps near.
    pub near_stale: u64,
    /// Accesses that were served a fresh value of the far backend.
    pub far_fresh: u64,
    /// Accesses that were served the old value of the far backend.
    pub far_stale: u64,
    /// Accesses that were served a value that this process had created a short time ago, without the backend.
    pub own: u64,
    /// Accesses that had nothing to be served, and had to wait or to create.
    pub misses: u64,
    /// Accesses that shared the look of another, and saved one of their own.
    pub saved_looks: u64,
    /// Creations that ended with a value, whatever has become of its publication.
    pub creations: u64,
    /// Creations that failed, with an error or a panic. A creation that was cancelled or dropped is not counted at all.
    pub failures: u64,
    /// How long all these creations took together, from the grant until the creator had ended.
    pub creating: Duration,
    /// Creations that ended with a value, and whose creator had an old value.
    pub renewals: u64,
    /// Renewals whose creator said that the value is unchanged.
    pub unchanged: u64,
    /// Waits for a creation of this or another process. One access may wait more than once.
    pub waits: u64,
    /// How long all these waits took together.
    pub waiting: Duration,
    /// Created values that were stored, and became the current ones.
    pub published_fresh: u64,
    /// Created values that were stored as stale, since the key was marked stale during the creation.
    pub published_stale: u64,
    /// Created values that were not stored, by reason.
    pub refused: By<NotPublished>,
    /// Creations that may have run beside another one, by reason (G1).
    pub overlaps: By<Overlap>,
    /// Operations of the backend that failed.
    pub backend_errors: By<Operation>,
    /// Entries that were no value, by reason (G7).
    pub unreadable: By<Why>,
    /// Invalidations by this process of which the backend was told.
    pub invalidations: u64,
    /// The bytes of all entries that were read, as they lay on the backend.
    pub bytes_read: u64,
    /// The bytes of all entries that were stored.
    pub bytes_written: u64,
    /// The ages of the values that were served out of the far backend, and of all old values that were served.
    ///
    /// A near hit is not among them: its age is bounded by the age that the region allows near.
    pub ages: Ages,
}

impl Counts {
    /// Returns the share of renewals that found the value unchanged, from 0 to 1. `None` if there was no renewal.
    ///
    /// A large share says that the lifetime of the region could be longer.
    #[must_use]
    pub fn share_unchanged(&self) -> Option<f64> {
        // A share needs no more digits than a double has.
        #[allow(clippy::cast_precision_loss)]
        (self.renewals > 0).then(|| self.unchanged as f64 / self.renewals as f64)
    }
}

/// How many buckets there are.
pub(super) const BUCKETS: usize = 32;

/// How old values were when they were served: a histogram whose buckets double.
///
/// The first bucket has the ages below 1 ms, and bucket `i` those from 2^(i-1) ms to below 2^i ms. The last one, number
/// 31, has all from 2^30 ms, which is 12 days, on. An age is rounded down to the millisecond.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Ages {
    pub(super) buckets: [u64; BUCKETS],
    /// In milliseconds.
    pub(super) sum: u64,
    /// In milliseconds.
    pub(super) oldest: u64,
}

/// The bucket of an age in milliseconds.
pub(super) fn bucket(millis: u64) -> usize {
    ((u64::BITS - millis.leading_zeros()) as usize).min(BUCKETS - 1)
}

impl Ages {
    /// Returns how many ages were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the mean of all ages. Zero if there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_millis(self.sum.checked_div(self.count()).unwrap_or(0))
    }

    /// Returns the largest age. Zero if there is none.
    #[must_use]
    pub fn oldest(&self) -> Duration {
        Duration::from_millis(self.oldest)
    }

    /// Returns an age that at least the share `q` of all ages does not exceed: the end of its bucket, or the
    /// [oldest](Ages::oldest) age if that is less. Zero if there is none.
    ///
    /// The true quantile is not larger, and, but for the last bucket, not smaller than half of it. A `q` below 0 or
    /// that is not a number is taken as 0, which asks for the smallest age; a `q` above 1 is taken as 1.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        // The rank may be off by the rounding of a double, which is less than the histogram is.
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
        let rank = ((q.clamp(0.0, 1.0) * self.count() as f64).ceil() as u64).max(1);
        let mut below = 0_u64;
        for (at, count) in self.buckets.iter().enumerate() {
            below = below.saturating_add(*count);
            if below >= rank {
                let end = if at == BUCKETS - 1 { self.oldest } else { (1 << at) - 1 };
                return Duration::from_millis(end.min(self.oldest));
            }
        }
        self.oldest()
    }

    /// Returns the end of each bucket, exclusive, with the count of its ages. The last bucket has no end.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let end = |at| (at < BUCKETS - 1).then(|| Duration::from_millis(1_u64 << at));
        self.buckets.iter().enumerate().map(move |(at, count)| (end(at), *count))
    }
}

impl fmt::Debug for Ages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ages")
            .field("count", &self.count())
            .field("mean", &self.mean())
            .field("median", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("oldest", &self.oldest())
            .finish()
    }
}
