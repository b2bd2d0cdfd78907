//! The clock of a tokio runtime, which a test may pause.

use dogpile::Clock;
use std::fmt;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// The clock of a tokio runtime: [`tokio::time::Instant`]. A test that pauses the time of its runtime moves this clock.
///
/// A region takes this clock by [`RegionBuilder::tokio_time`](crate::RegionBuilder::tokio_time), and a
/// [`Memory`](crate::backend::Memory) by [`Memory::with_clock`](crate::backend::Memory::with_clock). The time of day
/// goes with it: it is the time of day at which the clock was made, and what has gone by since.
///
/// Copies of a clock are one clock. Two clocks of one runtime have different origins.
#[derive(Clone)]
pub struct TokioClock {
    runtime: Handle,
    origin: Instant,
    wall: SystemTime,
}

impl TokioClock {
    /// Makes a clock of the runtime that this thread is in. Never blocks.
    ///
    /// # Panics
    ///
    /// Panics if this thread is not in a runtime of tokio.
    #[must_use]
    pub fn current() -> TokioClock {
        let runtime = Handle::current();
        // Not 0, which a lock may take for other things.
        let origin = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        TokioClock { runtime, origin, wall: SystemTime::now() }
    }

    /// Returns the runtime.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn elapsed(&self) -> Duration {
        let _entered = self.runtime.enter();
        self.origin.elapsed()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> SystemTime {
        self.wall + self.elapsed()
    }
}

impl fmt::Debug for TokioClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioClock").field("elapsed", &self.elapsed()).finish()
    }
}
