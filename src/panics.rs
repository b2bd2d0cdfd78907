//! A panic that goes no further.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs something, and lets no panic out: not that of what the panic brings, when it is dropped, either.
pub(crate) fn quietly(run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            mem::forget(another);
        }
    }
}
