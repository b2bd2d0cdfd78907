//! The end of a region.
//!
//! ```text
//! open ── close ──▶ closed: no access begins ── the last access has ended, or the grace is over ──▶ ended
//! ```
//!
//! Once the region has *ended*, accesses that wait go with an error, and the grants of the creations that still run are
//! ended, without a pause; their values go to their callers alone.
//!
//! # Rights
//!
//! The caller of a claim has a creation for as long as it likes, and may not touch it for hours. Its [`Part`] in the
//! region ends before:
//!
//! | state | event | next |
//! |---|---|---|
//! | under way | the caller publishes it, lets it fail, or drops it | ended |
//! | | the creation is dead: over a backend the keeper has ended the grant | ended, by the keeper |
//! | | the creation is dead, near alone, where no task keeps it | the same |
//! | the same, and a close waits, or begins to | | ended, by the close |

use super::lock;
use crate::time::RegionTime;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// From how many rights on those that have ended are looked for.
const FIRST_SWEEP: usize = 64;

/// How far a region is closed.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    is_closed: AtomicBool,
    has_ended: AtomicBool,
    /// How many accesses are under way.
    accesses: AtomicUsize,
    /// The rights that no task keeps.
    unkept: Mutex<Unkept>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Unkept {
    /// When the creation of each is dead, in nanoseconds of the region's clock.
    parts: Vec<(u64, Weak<Part>)>,
    /// With how many of them the next sweep is due: with twice as many as the last one has left, so that a right costs
    /// a constant number of steps.
    sweep_at: usize,
}

/// The part of a right in the region. It ends once, and the region may close then.
#[derive(Debug)]
pub(crate) struct Part(Mutex<Option<Entered>>);

impl Part {
    pub(crate) fn new(entered: Entered) -> Arc<Part> {
        Arc::new(Part(Mutex::new(Some(entered))))
    }

    pub(crate) fn end(&self) {
        let entered = lock(&self.0).take();
        drop(entered);
    }
}

/// An access that is under way.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Closing>);

/// As [`Entered`], for the first look of an access.
pub(crate) struct EnteredFor<'a>(&'a Arc<Closing>);

impl EnteredFor<'_> {
    /// The access goes on.
    pub(crate) fn stay(self) -> Entered {
        let entered = Entered(Arc::clone(self.0));
        mem::forget(self);
        entered
    }
}

impl Closing {
    /// Begins an access. Returns `None` if the region is closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Entered> {
        self.enter_for_now().map(EnteredFor::stay)
    }

    /// Begins an access that will hardly go on.
    pub(crate) fn enter_for_now(self: &Arc<Self>) -> Option<EnteredFor<'_>> {
        // Sequentially consistent, with `close`: either this access is counted when `close` counts, or it sees that the
        // region is closed. Both store first, and load then.
        self.accesses.fetch_add(1, Ordering::SeqCst);
        let entered = EnteredFor(self);
        (!self.is_closed.load(Ordering::SeqCst)).then_some(entered)
    }

    fn leave(&self) {
        if self.accesses.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_closed() {
            self.changed.notify_waiters();
        }
    }

    /// Begins what an access leaves to the keeper, whether the region is closed or not: the close waits for that, too.
    pub(crate) fn hold(self: &Arc<Self>) -> Entered {
        // (Nothing depends on it but a count: see `enter`.)
        self.accesses.fetch_add(1, Ordering::SeqCst);
        Entered(Arc::clone(self))
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: an access that must not miss it enters.
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Lets no access begin any more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst); // see `enter`
        self.changed.notify_waiters();
    }

    /// Ends the region.
    pub(crate) fn end(&self) {
        // Release, with the acquire in `has_ended`: what was decided before is seen by those who end.
        self.has_ended.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire) // with `end`
    }

    /// A right has begun that no task keeps. Its creation is dead then, in nanoseconds of the region's clock.
    pub(crate) fn watch(&self, part: &Arc<Part>, dead_at: u64) {
        {
            let mut unkept = lock(&self.unkept);
            if unkept.parts.len() >= unkept.sweep_at {
                unkept.parts.retain(|(_, part)| part.strong_count() > 0);
                unkept.sweep_at = FIRST_SWEEP.max(unkept.parts.len() * 2);
            }
            unkept.parts.push((dead_at, Arc::downgrade(part)));
        }
        // Either a close that waits has seen the right, under the mutex, or its store to `is_closed` is seen here: the
        // close has had the mutex before.
        if self.is_closed() {
            self.changed.notify_waiters();
        }
    }

    /// Ends the parts of the rights whose creations are dead. Returns when the next one is.
    fn end_dead(&self, now: u64) -> Option<u64> {
        let mut dead = Vec::new();
        let next = {
            let mut unkept = lock(&self.unkept);
            dead.extend(unkept.parts.extract_if(.., |(dead_at, _)| *dead_at <= now));
            unkept.parts.iter().filter(|(_, part)| part.strong_count() > 0).map(|(dead_at, _)| *dead_at).min()
        };
        dead.iter().filter_map(|(_, part)| part.upgrade()).for_each(|part| part.end());
        next
    }

    /// Waits until no access is under way. A right whose creation is dead is none.
    pub(crate) async fn idle(&self, time: &RegionTime) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let next = self.end_dead(time.nanos());
            if self.accesses.load(Ordering::SeqCst) == 0 {
                return;
            }
            time.until(next.map_or(Duration::MAX, Duration::from_nanos), changed).await;
        }
    }

    /// Waits until the region has ended.
    pub(crate) async fn ended(&self) {
        self.until(|| self.has_ended()).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for EnteredFor<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
