//! The server's clock, as a connection knows it.

use dogpile::{Clock, MonotonicClock};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far the server's clock is ahead of this machine's monotonic one.
///
/// The server is asked for its time when the connection is made, and then once a heartbeat. The estimate is the middle
/// between the request and the reply, so that it is wrong by half a round trip at most, and by what the two clocks
/// drift apart within a heartbeat. A step of the server's clock is known after the next heartbeat. Freshness alone
/// depends on it (G6).
#[derive(Debug)]
pub(super) struct ServerClock {
    estimate: Mutex<Estimate>,
    /// As the estimate has it: each hit reads it. Relaxed: a number of its own.
    ahead: AtomicI64,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    /// The server's time less that of this machine, in microseconds.
    ahead: i64,
    /// What the estimate may be wrong by.
    within: i64,
}

/// A monotonic time of this machine, in microseconds.
pub(super) fn now() -> i64 {
    i64::try_from(MonotonicClock.now() / 1000).unwrap_or(i64::MAX)
}

impl ServerClock {
    /// `server` is what the server has answered, in microseconds since the Unix epoch, to a request that was sent then.
    pub(super) fn new(server: i64, sent: i64) -> ServerClock {
        ServerClock::of(estimate(server, sent, now()))
    }

    fn of(estimate: Estimate) -> ServerClock {
        ServerClock { ahead: AtomicI64::new(estimate.ahead), estimate: Mutex::new(estimate) }
    }

    /// The server has answered this time to a request that was sent then.
    pub(super) fn told(&self, server: i64, sent: i64) {
        self.told_at(server, sent, now());
    }

    fn told_at(&self, server: i64, sent: i64, received: i64) {
        let new = estimate(server, sent, received);
        let mut known = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is known more exactly is kept, if the two can both be right.
        if new.within > known.within && (new.ahead - known.ahead).abs() <= new.within {
            // (It ages: the clocks drift by less than this within a heartbeat.)
            known.within += 100;
            return;
        }
        *known = new;
        self.ahead.store(new.ahead, Ordering::Relaxed);
    }

    /// Returns the server's time, in milliseconds since the Unix epoch.
    pub(super) fn millis(&self) -> u64 {
        self.millis_at(now())
    }

    fn millis_at(&self, now: i64) -> u64 {
        u64::try_from((now + self.ahead.load(Ordering::Relaxed)) / 1000).unwrap_or(0)
    }
}

fn estimate(server: i64, sent: i64, received: i64) -> Estimate {
    let within = (received - sent).max(0) / 2;
    Estimate { ahead: server - (sent + within), within }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_estimate_is_the_middle_of_the_round_trip() {
        let clock = ServerClock::of(estimate(1000 * SECOND, 10 * SECOND, 12 * SECOND));
        assert_eq!(clock.millis_at(11 * SECOND), 1_000_000);
        assert_eq!(clock.millis_at(12 * SECOND), 1_001_000);
    }

    #[test]
    fn a_better_estimate_replaces_a_worse_one_and_a_step_any() {
        let clock = ServerClock::of(estimate(1000 * SECOND, 0, 2 * SECOND));
        clock.told_at(1010 * SECOND, 10 * SECOND, 10 * SECOND);
        assert_eq!(clock.millis_at(10 * SECOND), 1_010_000);
        // A slow reply says no more.
        clock.told_at(1013 * SECOND, 11 * SECOND, 15 * SECOND);
        assert_eq!(clock.millis_at(15 * SECOND), 1_015_000);
        // But one that contradicts does.
        clock.told_at(5000 * SECOND, 20 * SECOND, 22 * SECOND);
        assert_eq!(clock.millis_at(21 * SECOND), 5_000_000);
    }
}
