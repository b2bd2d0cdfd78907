//! How often an access looks that waits for another process, and hears no signals.

use std::time::Duration;

/// How often an access looks that waits for another process.
///
/// The first poll comes after what the last creation took, since this one will take about as long; where there was
/// none, soon. Each later one comes after one and a half times as long, up to the longest. A quarter of each is drawn,
/// so that the processes of a fleet do not look in step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Polls {
    last: Option<Duration>,
}

/// The first poll of an access that does not know how long a creation takes.
const FIRST: Duration = Duration::from_millis(2);

impl Polls {
    /// Returns the time until the next poll, at most `longest`.
    pub(super) fn next(&mut self, took: Option<Duration>, longest: Duration) -> Duration {
        let next = match self.last {
            None => took.unwrap_or(FIRST).max(FIRST),
            Some(last) => last.saturating_mul(3) / 2,
        };
        let next = next.min(longest);
        self.last = Some(next);
        drawn(next)
    }

    /// Returns the time until the next poll of an access that listens. Its polls are bounds alone, in case that a
    /// signal is lost. So they begin at the longest.
    pub(super) fn longest(longest: Duration) -> Duration {
        drawn(longest)
    }
}

/// Takes up to a quarter off.
fn drawn(poll: Duration) -> Duration {
    poll.saturating_sub(poll.mul_f64(fastrand::f64() / 4.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn g5_polls_begin_at_what_the_last_creation_took_and_grow_to_the_longest() {
        let mut polls = Polls::default();
        let first = polls.next(Some(MS * 100), MS * 250);
        assert!(first > MS * 74 && first <= MS * 100, "{first:?}");
        let second = polls.next(Some(MS), MS * 250);
        assert!(second > MS * 112 && second <= MS * 150, "{second:?}");
        for _ in 0..10 {
            let next = polls.next(None, MS * 250);
            assert!(next > Duration::ZERO && next <= MS * 250, "{next:?}");
        }
        let last = polls.next(None, MS * 250);
        assert!(last > MS * 187, "{last:?}");
    }

    #[test]
    fn a_poll_is_never_longer_than_the_longest() {
        assert!(Polls::default().next(Some(Duration::MAX), MS) <= MS);
    }
}
