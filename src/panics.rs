//! Panics that go no further.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a closure, and lets no panic out. A panic brings a payload, and dropping that payload may panic as well: that
/// panic does not get out either.
pub(crate) fn quietly(run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            mem::forget(another);
        }
    }
}
