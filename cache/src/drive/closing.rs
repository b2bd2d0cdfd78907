//! The end of a region.
//!
//! ```text
//! open ── close ──▶ closed: no access begins ── the last access has ended, or the grace is over ──▶ ended
//! ```
//!
//! Once the region has *ended*, accesses that wait go with an error, and the grants of the creations that still run are
//! ended, without a pause; their values go to their callers alone.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// How far a region is closed.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    is_closed: AtomicBool,
    has_ended: AtomicBool,
    /// How many accesses are under way.
    accesses: AtomicUsize,
    changed: Notify,
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

    /// Waits until no access is under way.
    pub(crate) async fn idle(&self) {
        self.until(|| self.accesses.load(Ordering::SeqCst) == 0).await;
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
