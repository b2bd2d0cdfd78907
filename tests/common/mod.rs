//! What most tests with threads need.

use std::thread;

/// Waits until another thread has brought about the `state`.
pub fn until(state: impl Fn() -> bool) {
    while !state() {
        thread::yield_now();
    }
}
