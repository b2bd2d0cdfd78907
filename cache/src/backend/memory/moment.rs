//! The moment at which an operation takes effect.

use crate::backend::Life;
use bytes::Bytes;
use std::time::Duration;

/// The nanosecond of the backend's monotonic clock at which a lifetime ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Until(u64);

impl Until {
    /// The end of a lifetime for ever.
    pub(crate) const NEVER: Until = Until(u64::MAX);

    /// Already.
    const AT_ONCE: Until = Until(0);

    /// Returns the time itself.
    pub(crate) fn time(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(crate) fn is_over(self, now: u64) -> bool {
        self != Until::NEVER && self.0 <= now
    }
}

/// The moment at which an operation takes effect.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    /// Nanoseconds of the monotonic clock.
    pub(crate) now: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) wall: u64,
    pub(crate) life: Life,
    /// Nanoseconds; not 0.
    pub(crate) grain: u64,
    pub(crate) has_tombstones: bool,
    /// The number of the newest state of an entry, or of the newest grant or renewal.
    pub(crate) numbers: &'a mut u64,
    /// The values that were taken away. Their destructors may be the user's code, so they run after the mutex.
    pub(crate) gone: &'a mut Vec<Bytes>,
}

impl Moment<'_> {
    pub(crate) fn is_over(&self, until: Until) -> bool {
        until.is_over(self.now)
    }

    /// Returns the end of a lifetime that begins now: rounded up to the grain, at once for zero, never if the clock
    /// ends before.
    pub(crate) fn after(&self, lifetime: Duration) -> Until {
        if lifetime.is_zero() {
            return Until::AT_ONCE;
        }
        let rounded = lifetime.as_nanos().div_ceil(u128::from(self.grain)).saturating_mul(u128::from(self.grain));
        Until(u128::from(self.now).saturating_add(rounded).try_into().unwrap_or(u64::MAX))
    }

    pub(crate) fn after_or_never(&self, lifetime: Option<Duration>) -> Until {
        lifetime.map_or(Until::NEVER, |lifetime| self.after(lifetime))
    }

    /// Returns how long it is until then.
    pub(crate) fn left(&self, until: Until) -> Duration {
        if until == Until::NEVER { Duration::MAX } else { Duration::from_nanos(until.0.saturating_sub(self.now)) }
    }

    /// Returns a number that no state of an entry of this shard had before, no grant and no beat. It is not
    /// 0.
    pub(crate) fn number(&mut self) -> u64 {
        *self.numbers += 1;
        *self.numbers
    }
}
