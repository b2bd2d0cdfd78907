//! The server's clock, as a connection knows it.
//!
//! A memcached shows its time in whole seconds. When it shows second `s` to a question that was sent at `a`, and whose
//! reply came at `b`, its clock stood between `s` and `s + 1` at some moment between the two: it is ahead of this
//! machine's clock by more than `s - b`, and by less than `s + 1 - a`. That is a *window*. Each heartbeat gives another
//! window, and the clock is in all of them: the estimate is the middle of what they have in common. The heartbeats come
//! at other fractions of a second each time, so that the first estimate, which is wrong by half a second at most,
//! becomes better with each of them.
//!
//! A window that has nothing in common with those before is that of a server whose clock has stepped: it begins anew.

use crate::time::RegionClock;
use dogpile::Clock;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A second of the clock, in microseconds.
const SECOND: i64 = 1_000_000;

/// By how much the two clocks drift apart between two heartbeats, in microseconds. The server counts its seconds by a
/// timer, which comes a little late each time.
const DRIFT: i64 = 1_000;

/// How far the server's clock is ahead of this machine's monotonic one. Freshness alone depends on it (G6).
pub(super) struct ServerClock {
    /// This machine's clock.
    here: RegionClock,
    window: Mutex<Window>,
    /// The middle of the window, in microseconds.
    ahead: AtomicI64,
}

/// The server's clock is ahead by `least` and `most`, or by something in between, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    least: i64,
    most: i64,
}

/// A monotonic time of this machine, in microseconds.
pub(super) fn now(here: &RegionClock) -> i64 {
    i64::try_from(here.now() / 1000).unwrap_or(i64::MAX)
}

impl Window {
    fn of(second: u32, sent: i64, received: i64) -> Window {
        let shown = i64::from(second) * SECOND;
        Window { least: shown - received, most: shown + SECOND - sent }
    }

    /// What two windows have in common, the first of which has aged; `None`: nothing.
    fn and(self, new: Window) -> Option<Window> {
        let both = Window { least: new.least.max(self.least - DRIFT), most: new.most.min(self.most + DRIFT) };
        (both.least <= both.most).then_some(both)
    }

    fn middle(self) -> i64 {
        self.least.midpoint(self.most)
    }
}

impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerClock").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl ServerClock {
    /// The server has shown this second to a question that was sent then.
    pub(super) fn new(here: RegionClock, second: u32, sent: i64) -> ServerClock {
        let window = Window::of(second, sent, now(&here));
        ServerClock::of(here, window)
    }

    fn of(here: RegionClock, window: Window) -> ServerClock {
        ServerClock { here, window: Mutex::new(window), ahead: AtomicI64::new(window.middle()) }
    }

    /// The server has shown this second to a question that was sent then.
    pub(super) fn told(&self, second: u32, sent: i64) {
        self.told_window(Window::of(second, sent, self.here()));
    }

    fn told_window(&self, new: Window) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        *window = window.and(new).unwrap_or(new);
        // Relaxed: nothing else depends on it.
        self.ahead.store(window.middle(), Ordering::Relaxed);
    }

    /// Returns the time of this machine.
    pub(super) fn here(&self) -> i64 {
        now(&self.here)
    }

    /// Returns the server's time, in milliseconds since the Unix epoch.
    pub(super) fn millis(&self) -> u64 {
        self.millis_at(self.here())
    }

    fn millis_at(&self, now: i64) -> u64 {
        // Relaxed: nothing else depends on it.
        u64::try_from((now + self.ahead.load(Ordering::Relaxed)) / 1000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose clock is ahead by `AHEAD`, and which shows the second that has begun.
    const AHEAD: i64 = 1_000_400_000;

    fn window(sent: i64, received: i64) -> Window {
        let second = u32::try_from((sent.midpoint(received) + AHEAD) / SECOND).unwrap();
        Window::of(second, sent, received)
    }

    #[test]
    fn each_heartbeat_narrows_the_window() {
        let clock = ServerClock::of(RegionClock::Monotonic, window(0, 100));
        let off = |clock: &ServerClock| (i64::try_from(clock.millis_at(0)).unwrap() - AHEAD / 1000).abs();
        assert!(off(&clock) <= 500);
        for beat in 1..=20 {
            let sent = beat * 1_037_000;
            clock.told_window(window(sent, sent + 100));
        }
        assert!(off(&clock) <= 40, "{}", off(&clock));
        // A slow reply says no more.
        clock.told_window(window(30 * SECOND, 33 * SECOND));
        assert!(off(&clock) <= 40, "{}", off(&clock));
    }

    #[test]
    fn g6_a_step_is_known_with_the_next_heartbeat() {
        let clock = ServerClock::of(RegionClock::Monotonic, window(0, 100));
        let step = Window::of(5_000, 2 * SECOND, 2 * SECOND);
        clock.told_window(step);
        assert_eq!(clock.millis_at(2 * SECOND), 5_000_500);
    }
}
