//! Where a thread parks: crossbeam's `Parker`, apart from the user's own `std::thread::park`.
//!
//! Each waiter is woken by itself, which is one call into the kernel for each. On Linux one call could wake 32 of them
//! (`FUTEX_WAKE_BITSET`, each thread under a bit of its own). That was built and modelled: 16 waiters were served 1.4
//! times as fast by it, 256 waiters 1.2 to 1.4 times, a single waiter no faster (`benches/stale.rs`). A waiter has then
//! waited for a creator, which takes far longer than those microseconds, so the code was not worth its 300 lines.

use crossbeam_utils::sync::{Parker, Unparker};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

/// A thread as a task: where it parks, and the waker that unparks it.
pub(super) struct Parking {
    parker: Parker,
    waker: Waker,
}

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Parking {
    pub(super) fn new() -> Self {
        let parker = Parker::new();
        let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
        Self { parker, waker }
    }

    /// Wakes the thread that parks here.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Parks until the waker is woken, or until `until`, if there is such a moment. May return early.
    pub(super) fn park(&self, until: Option<Instant>) {
        match until {
            None => self.parker.park(),
            Some(until) => self.parker.park_deadline(until),
        }
    }
}
