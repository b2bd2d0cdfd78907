//! How long a lock pauses after failures.

use super::error::PolicyError;
use super::random::random;
use crate::clock::nanoseconds;
use std::time::Duration;

/// How long the pauses after failures are, and how they grow: see
/// [`PolicyBuilder::retry_after`](super::PolicyBuilder::retry_after).
///
/// The first pause is doubled from failure to failure, up to the longest. Each pause is then shortened by a random
/// part, so that processes which failed together do not come back together.
///
/// The n-th pause in a row is drawn evenly from `p - jitter * p ..= p`, where
/// `p = min(longest, first * multiplier^(n - 1))`. (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture
/// Blog, 2015, calls a jitter of 0.5 "equal" and a jitter of 1 "full".)
///
/// # Examples
///
/// ```
/// use dogpile::{Backoff, Policy};
/// use std::time::Duration;
///
/// // Up to 100 ms, 200 ms, 400 ms, and so on up to 30 s; each pause lasts at least half as long.
/// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
/// let policy = Policy::builder().retry_after(backoff).build().unwrap();
/// assert_eq!(policy.retry_after(), Some(backoff));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    multiplier: u32,
    jitter: f64,
}

impl Backoff {
    /// Makes pauses that grow from `first` up to `longest`, precise to the nanosecond.
    ///
    /// If the two are the same, the pauses do not grow. A `first` of zero is a contradiction, and so is a `longest`
    /// that is shorter than `first`. A `longest` of `Duration::MAX` sets no bound. Each pause is shortened by up to a
    /// half, unless [`jitter`](Self::jitter) says otherwise: for pauses of exactly this length, call `jitter(0.0)`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, multiplier: 2, jitter: 0.5 }
    }

    /// Sets the factor from each pause to the next. The default is 2, so that a source which stays down is soon asked
    /// rarely.
    ///
    /// With 1 the pauses do not grow. Zero is a contradiction.
    #[must_use]
    pub const fn multiplier(mut self, multiplier: u32) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Sets the part of itself by which a pause may be shortened, from 0 (not at all) to 1 (to nothing). The default is
    /// 0.5, so that the source is left in peace for at least half of the pause.
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Returns the longest pause. Never blocks.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// Returns an error if the settings contradict themselves.
    pub(super) const fn check(&self) -> Result<(), PolicyError> {
        if self.first.is_zero() {
            Err(PolicyError::PauseOfZero)
        } else if self.longest.as_nanos() < self.first.as_nanos() {
            Err(PolicyError::PausesShrink)
        } else if self.multiplier == 0 {
            Err(PolicyError::MultiplierOfZero)
        } else if !(self.jitter >= 0.0 && self.jitter <= 1.0) {
            Err(PolicyError::JitterOutOfRange)
        } else {
            Ok(())
        }
    }

    /// Returns how long to pause after `failures` failures in a row. Never blocks.
    ///
    /// A lock that has this backoff in its [policy](super::PolicyBuilder::retry_after) counts failures and pauses by
    /// itself. This is for a cache that keeps failures elsewhere, where other processes see them. Each call draws its
    /// jitter anew: draw once for each failure, and keep what was drawn.
    ///
    /// The pause is precise to the nanosecond, and is 584 years at most. Zero failures count as one.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Backoff;
    /// use std::time::Duration;
    ///
    /// let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
    /// let third = backoff.pause(3);
    /// assert!(Duration::from_millis(200) <= third && third <= Duration::from_millis(400));
    /// assert_eq!(backoff.jitter(0.0).pause(3), Duration::from_millis(400));
    /// assert_eq!(backoff.jitter(0.0).pause(100), Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        Duration::from_nanos(self.pause_by(failures, random()))
    }

    /// As [`pause`](Self::pause), in nanoseconds. `random` is from 0 and below 1.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // A jitter to 53 bits is random enough. What is cast back lies between 0 and a u64.
    pub(crate) fn pause_by(&self, failures: u32, random: f64) -> u64 {
        let growth = u64::from(self.multiplier).saturating_pow(failures.saturating_sub(1));
        let pause = nanoseconds(self.first).saturating_mul(growth).min(nanoseconds(self.longest));
        pause - ((pause as f64 * self.jitter * random) as u64).min(pause)
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::new(MS * 100, SECOND).jitter(0.0);
        let pauses = [1, 2, 3, 4, 5, 6, 1_000].map(|failures| Duration::from_nanos(backoff.pause_by(failures, 0.9)));
        assert_eq!(pauses, [MS * 100, MS * 200, MS * 400, MS * 800, SECOND, SECOND, SECOND]);
        let constant = backoff.multiplier(1);
        assert_eq!(constant.pause_by(50, 0.0), nanoseconds(MS * 100));
        // Nothing overflows.
        assert_eq!(Backoff::new(MS, Duration::MAX).pause_by(u32::MAX, 0.0), u64::MAX);
    }

    #[test]
    fn jitter_shortens_within_its_part() {
        let backoff = Backoff::new(SECOND, SECOND);
        assert_eq!(backoff.pause_by(1, 0.0), nanoseconds(SECOND));
        assert_eq!(backoff.pause_by(1, 0.5), nanoseconds(MS * 750));
        let least = backoff.pause_by(1, 1.0 - f64::EPSILON);
        assert!((nanoseconds(MS * 500)..nanoseconds(MS * 501)).contains(&least), "{least}");
        assert!(backoff.jitter(1.0).pause_by(1, 1.0 - f64::EPSILON) < 1_000);
    }

    #[test]
    fn contradictions_are_told_apart() {
        let build = |backoff| Policy::builder().retry_after(backoff).build().map(|_| ());
        assert_eq!(build(Backoff::new(MS, MS)), Ok(()));
        assert_eq!(build(Backoff::new(Duration::ZERO, MS)), Err(PolicyError::PauseOfZero));
        assert_eq!(build(Backoff::new(MS * 2, MS)), Err(PolicyError::PausesShrink));
        assert_eq!(build(Backoff::new(MS, MS).multiplier(0)), Err(PolicyError::MultiplierOfZero));
        for part in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(build(Backoff::new(MS, MS).jitter(part)), Err(PolicyError::JitterOutOfRange));
        }
    }
}
