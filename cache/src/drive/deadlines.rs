//! What ends a look that is not answered: its time, or the end of the region.
//!
//! Each hit by a backend needs such an end, and hardly any meets it. A timer and a notification for each look would be
//! a third of what a region adds to a round trip. So the looks of a region share one timer: they lie here by their
//! deadlines, in a few parts, and a task of the keeper waits for the first of all.
//!
//! # The timer
//!
//! | state | [`wakes_at`](Deadlines::wakes_at) | event | next |
//! |---|---|---|---|
//! | *none*: there is no task | `NEVER` | a look with a deadline | *seeking*: the task is spawned |
//! | *seeking*: the task walks through the parts, wakes the looks that are due, and finds the first of the others | `NEVER` | it has found none | *none* |
//! | | | it has found one | *waiting* until then |
//! | *waiting* | that time | the time is there, or a look has come with an earlier deadline | *seeking* |
//!
//! A look that was answered is taken away, and the task is not told: it wakes for nothing then, once per deadline at
//! most. So a region whose looks come one after the other has two wake-ups in a second.
//!
//! # Why no deadline is missed
//!
//! A look writes its deadline into its part, and then reads `wakes_at`; the task writes `NEVER`, and then reads the
//! parts. Each part has a mutex. If the task has read a part before the look has written there, then the look has the
//! mutex after the task, and reads the `NEVER`, or what came later: it tells the task, unless that waits for an earlier
//! time. Otherwise the task has seen the deadline. The same holds for the end of the region, which is written before
//! the parts are read. A deadline that is over when it comes is met by the task, like any other.
//!
//! The timer is for the default clock alone. A clock of the user's is asked for each look by itself
//! ([`RegionTime::until`]): a test that moves it by hand sees what waits for it.

use super::lock;
use crate::time::{RegionClock, RegionTime, unless};
use crossbeam_utils::CachePadded;
use slab::Slab;
use std::future::poll_fn;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// How many parts there are. Two threads meet in one of them rarely.
const PARTS: usize = 16;

/// No look waits.
const NEVER: u64 = u64::MAX;

/// The deadlines of the looks of a region.
pub(crate) struct Deadlines {
    time: RegionTime,
    parts: [CachePadded<Mutex<Part>>; PARTS],
    /// Until when the task waits. See the [module docs](self) for what it is read and written with; the parts' mutexes
    /// order it.
    wakes_at: AtomicU64,
    /// Whether there is a task.
    is_kept: Mutex<bool>,
    earlier: Notify,
    /// The region has ended: no look waits any more. As `wakes_at`.
    has_ended: AtomicBool,
}

/// What waits, in no order: a look comes and goes in a few steps, and only the task searches.
#[derive(Default)]
struct Part {
    waits: Slab<Wait>,
    numbers: u64,
}

/// A look that waits.
struct Wait {
    at: u64,
    /// The place may have been another look's before.
    number: u64,
    waker: Waker,
}

impl Part {
    /// Returns the look that has this place and number, if it waits still.
    fn get(&mut self, (place, number): (usize, u64)) -> Option<&mut Wait> {
        self.waits.get_mut(place).filter(|wait| wait.number == number)
    }

    /// Takes away those that are due at a time. Returns them, and when the next one is.
    fn take_due(&mut self, now: u64) -> (Vec<Waker>, u64) {
        let (mut due, mut first) = (Vec::new(), NEVER);
        for (place, wait) in &self.waits {
            if wait.at <= now {
                due.push(place);
            } else {
                first = first.min(wait.at);
            }
        }
        (due.into_iter().map(|place| self.waits.remove(place).waker).collect(), first)
    }
}

/// Why a look has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Time,
    Region,
}

impl Deadlines {
    /// `None`: the clock is of the user's.
    pub(crate) fn new(time: &RegionTime) -> Option<Arc<Deadlines>> {
        matches!(time.clock, RegionClock::Monotonic).then(|| {
            Arc::new(Deadlines {
                time: time.clone(),
                parts: Default::default(),
                wakes_at: AtomicU64::new(NEVER),
                is_kept: Mutex::new(false),
                earlier: Notify::new(),
                has_ended: AtomicBool::new(false),
            })
        })
    }

    /// Waits for a future, until the clock has reached `at`, or the region ends. `part` is any number; looks that come
    /// at once should have different ones.
    pub(super) fn until<F: Future>(
        self: &Arc<Self>,
        part: usize,
        at: Duration,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Result<F::Output, Over>> + Unpin {
        let at = u64::try_from(at.as_nanos()).unwrap_or(NEVER);
        let mut place = Place { deadlines: self, part: &self.parts[part % PARTS], key: None };
        poll_fn(move |cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => place.poll(at, cx).map(Err),
        })
    }

    /// The region has ended.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
        for part in &self.parts {
            let all = mem::take(&mut lock(part).waits);
            wake(all.into_iter().map(|(_, wait)| wait.waker));
        }
    }

    /// A look has come whose deadline is before the time for which the task waits.
    #[cold]
    fn come_earlier(self: &Arc<Self>, at: u64) {
        let mut is_kept = lock(&self.is_kept);
        self.wakes_at.fetch_min(at, Ordering::Relaxed);
        if mem::replace(&mut *is_kept, true) {
            self.earlier.notify_one();
        } else {
            self.time.keeper.spawn(Arc::clone(self).keep());
        }
    }

    async fn keep(self: Arc<Self>) {
        loop {
            let wakes_at = self.seek();
            if wakes_at == NEVER {
                let mut is_kept = lock(&self.is_kept);
                if self.wakes_at.load(Ordering::Relaxed) == NEVER {
                    *is_kept = false;
                    return;
                }
                continue;
            }
            unless(self.earlier.notified(), || self.time.sleep_until(Duration::from_nanos(wakes_at))).await;
        }
    }

    /// Wakes the looks that are due. Returns when the next one is.
    fn seek(&self) -> u64 {
        self.wakes_at.store(NEVER, Ordering::Relaxed);
        let now = self.time.nanos();
        let mut first = NEVER;
        for part in &self.parts {
            let (due, next) = lock(part).take_due(now);
            first = first.min(next);
            wake(due.into_iter());
        }
        self.wakes_at.fetch_min(first, Ordering::Relaxed).min(first)
    }
}

/// Wakes outside of all mutexes. Wakers are the user's: one that panics takes the wake-up from no other.
fn wake(wakers: impl Iterator<Item = Waker>) {
    for waker in wakers {
        // (What it says was printed. Its task is not woken, as it has asked for.)
        drop(panic::catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
}

/// The place of a look among the deadlines.
struct Place<'a> {
    deadlines: &'a Arc<Deadlines>,
    part: &'a Mutex<Part>,
    /// Where it lies, and its number.
    key: Option<(usize, u64)>,
}

impl Place<'_> {
    /// Returns what is over, if anything is. Else the task is woken then.
    fn poll(&mut self, at: u64, cx: &Context<'_>) -> Poll<Over> {
        let waker = cx.waker().clone();
        let mut part = lock(self.part);
        let Some(key) = self.key else {
            let number = part.numbers;
            part.numbers += 1;
            let place = part.waits.insert(Wait { at, number, waker });
            drop(part);
            self.key = Some((place, number));
            if self.deadlines.has_ended.load(Ordering::Relaxed) {
                return Poll::Ready(Over::Region);
            }
            if at < self.deadlines.wakes_at.load(Ordering::Relaxed) {
                self.deadlines.come_earlier(at);
            }
            return Poll::Pending;
        };
        if let Some(wait) = part.get(key) {
            let before = mem::replace(&mut wait.waker, waker);
            drop(part);
            drop(before);
            return Poll::Pending;
        }
        drop(part);
        self.key = None;
        let has_ended = self.deadlines.has_ended.load(Ordering::Relaxed);
        Poll::Ready(if has_ended { Over::Region } else { Over::Time })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let mut part = lock(self.part);
            let gone = part.get(key).is_some().then(|| part.waits.remove(key.0));
            drop(part);
            // Outside of the mutex.
            drop(gone);
        }
    }
}

#[cfg(test)]
mod tests;
