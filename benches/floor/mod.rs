//! The least that an expiring value can cost: load a deadline, read the coarse clock, compare.

#[allow(dead_code)] // not every bench measures a guarded access
pub mod guarded;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub struct Floor(AtomicU64);

/// Reads the clock that the lock reads on its hit path.
#[cfg(target_os = "linux")]
#[inline]
#[allow(clippy::cast_sign_loss)] // the clock counts up from the boot
fn now() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::MonotonicCoarse);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(not(target_os = "linux"))]
fn now() -> u64 {
    use dogpile::{Clock, MonotonicClock};
    MonotonicClock.now_coarse()
}

impl Floor {
    pub fn fresh_for(lifetime: Duration) -> Self {
        Self(AtomicU64::new(now() + lifetime.as_secs() * 1_000_000_000))
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // so that no bench that measures it pays for a call
    pub fn is_fresh(&self) -> bool {
        // Acquire, as in the lock: the value is written before its deadline is.
        let deadline = self.0.load(Ordering::Acquire);
        now() < deadline
    }
}
