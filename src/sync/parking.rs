//! Where a thread parks: crossbeam's `Parker`. Each thread is woken by itself.

use super::{Arc, Deadline};
use crossbeam_utils::sync::{Parker, Unparker};
use std::task::{Wake, Waker};

pub(super) struct Place(Parker);

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Place {
    pub(super) fn new() -> Self {
        Self(Parker::new())
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::new(Unpark(self.0.unparker().clone())))
    }

    /// Parks until woken (true), or until the deadline has passed (false).
    pub(super) fn park(&self, deadline: Deadline) -> bool {
        match deadline.left() {
            None => self.0.park(),
            Some(left) if left.is_zero() => return false,
            Some(left) => self.0.park_timeout(left),
        }
        true
    }
}
