//! The time of a region: its clock, and the timers that nobody's runtime has to drive.
//!
//! | | the clock | the timers |
//! |---|---|---|
//! | by default | [`MonotonicClock`] | those of the [keeper] |
//! | with a clock of the user's | that clock | what its [`Clock::wake_at`] says, else those of the keeper |
//! | with [`tokio_time`](crate::RegionBuilder::tokio_time) | tokio's, which a test may pause | those of that runtime |
//!
//! [keeper]: keeper

pub(crate) mod keeper;
mod tokio_clock;

pub use self::tokio_clock::TokioClock;

use dogpile::{Clock, MonotonicClock};
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;

/// The clock of a region. The default one is known by its type, so that a hit calls it directly.
#[derive(Clone)]
pub(crate) enum RegionClock {
    Monotonic,
    Other(Arc<dyn Clock>),
}

impl Clock for RegionClock {
    #[inline]
    fn now(&self) -> u64 {
        match self {
            RegionClock::Monotonic => MonotonicClock.now(),
            RegionClock::Other(clock) => clock.now(),
        }
    }

    #[inline]
    fn now_coarse(&self) -> u64 {
        match self {
            RegionClock::Monotonic => MonotonicClock.now_coarse(),
            RegionClock::Other(clock) => clock.now_coarse(),
        }
    }

    fn wake_at(&self, at: u64, ticket: u64, waker: &std::task::Waker) -> bool {
        match self {
            RegionClock::Monotonic => MonotonicClock.wake_at(at, ticket, waker),
            RegionClock::Other(clock) => clock.wake_at(at, ticket, waker),
        }
    }

    fn cancel_wake(&self, at: u64, ticket: u64) {
        match self {
            RegionClock::Monotonic => MonotonicClock.cancel_wake(at, ticket),
            RegionClock::Other(clock) => clock.cancel_wake(at, ticket),
        }
    }

    fn wall(&self) -> SystemTime {
        match self {
            RegionClock::Monotonic => MonotonicClock.wall(),
            RegionClock::Other(clock) => clock.wall(),
        }
    }
}

/// Clock and timers of a region.
#[derive(Clone)]
pub(crate) struct RegionTime {
    pub(crate) clock: RegionClock,
    /// The runtime whose timers are used, and which runs what no caller waits for.
    pub(crate) keeper: Handle,
}

impl fmt::Debug for RegionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegionTime")
    }
}

/// The tickets of this crate are apart from those of `dogpile`, which count up from 0.
static TICKETS: AtomicU64 = AtomicU64::new(1 << 63);

impl RegionTime {
    /// Returns the exact time, in nanoseconds.
    pub(crate) fn nanos(&self) -> u64 {
        self.clock.now()
    }

    /// Returns the exact time, as the round has it.
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }

    /// Waits until the clock has reached `at`. A time that the clock cannot reach is never over.
    pub(crate) fn sleep_until(&self, at: Duration) -> Sleep<'_> {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        Sleep { time: self, at, ticket: None, timer: None }
    }

    /// Waits for a future, until the clock has reached `at`. Returns `None` if that came first.
    pub(crate) fn until<F: Future>(&self, at: Duration, future: F) -> impl Future<Output = Option<F::Output>> {
        unless(future, move || self.sleep_until(at))
    }
}

/// Waits for a future, unless another one is ready before. The first one is asked first.
/// (That one is made here, or this future would have room for it twice.)
pub(crate) async fn unless<F: Future, S: Future<Output = ()>>(
    future: F,
    stop: impl FnOnce() -> S,
) -> Option<F::Output> {
    let (mut future, mut stop) = (pin!(future), pin!(stop()));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// The future of [`RegionTime::sleep_until`].
pub(crate) struct Sleep<'a> {
    time: &'a RegionTime,
    at: u64,
    /// The ticket of a request to the clock.
    ticket: Option<u64>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.at == u64::MAX {
            return Poll::Pending;
        }
        loop {
            let now = this.time.nanos();
            if now >= this.at {
                return Poll::Ready(());
            }
            if let Some(timer) = &mut this.timer {
                match timer.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    // The timer of a runtime may be ahead of the clock: another one for the rest.
                    Poll::Ready(()) => this.timer = None,
                }
                continue;
            }
            // Relaxed: only that no number comes twice.
            let ticket = *this.ticket.get_or_insert_with(|| TICKETS.fetch_add(1, Ordering::Relaxed));
            if this.time.clock.wake_at(this.at, ticket, cx.waker()) {
                // The clock may have come there just now.
                return if this.time.nanos() >= this.at { Poll::Ready(()) } else { Poll::Pending };
            }
            this.ticket = None;
            let _entered = this.time.keeper.enter();
            this.timer = Some(Box::pin(tokio::time::sleep(Duration::from_nanos(this.at - now))));
        }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.time.clock.cancel_wake(self.at, ticket);
        }
    }
}
