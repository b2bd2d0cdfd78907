//! What most tests with threads need.

use std::thread;

/// Waits for a state that another thread brings about.
pub fn until(state: impl Fn() -> bool) {
    while !state() {
        thread::yield_now();
    }
}
