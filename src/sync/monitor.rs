//! A monitor: a mutex, and a condition that threads wait for under it.
//!
//! Both are std's, since a thread of this crate that has nothing to do sleeps here. `parking_lot` keeps all sleepers of
//! a program in one table. In a child that is forked while a thread goes to sleep or wakes, that table is half-changed
//! for good, and a thread that sleeps there next hangs or crashes. The sleepers of a monitor sleep on words of the
//! monitor's own, and a child [has monitors of its own](super::process).

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A mutex with a condition. A panic does not poison it.
#[derive(Default)]
pub(crate) struct Monitor<T> {
    state: Mutex<T>,
    changed: Condvar,
    /// The order of the mutex, stated once more for ThreadSanitizer, which does not see into std. Each release of the
    /// mutex is counted (Release), and a thread that has acquired the mutex reads the count (Acquire).
    released: AtomicU32,
}

/// The state of a [`Monitor`], locked.
pub(crate) struct Locked<'a, T> {
    /// The guard; `None` while the monitor is waited for.
    state: Option<MutexGuard<'a, T>>,
    released: &'a AtomicU32,
}

impl<T> Monitor<T> {
    pub(crate) fn lock(&self) -> Locked<'_, T> {
        self.locked(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn locked<'a>(&'a self, state: MutexGuard<'a, T>) -> Locked<'a, T> {
        self.released.load(Ordering::Acquire); // with `Locked::release`
        Locked { state: Some(state), released: &self.released }
    }

    /// Waits until the thread is told of a change, or until the time-out is over; may return early. Returns whether the
    /// time-out was over.
    pub(crate) fn wait<'a>(&'a self, mut locked: Locked<'a, T>, timeout: Duration) -> (Locked<'a, T>, bool) {
        let waited = self.changed.wait_timeout(locked.release().expect(HELD), timeout);
        let (state, time) = waited.unwrap_or_else(PoisonError::into_inner);
        (self.locked(state), time.timed_out())
    }

    /// Wakes one waiting thread.
    pub(crate) fn tell_one(&self) {
        self.changed.notify_one();
    }

    /// Wakes all waiting threads.
    pub(crate) fn tell_all(&self) {
        self.changed.notify_all();
    }
}

const HELD: &str = "the guard of a monitor holds it until it is waited with or dropped";

impl<'a, T> Locked<'a, T> {
    fn release(&mut self) -> Option<MutexGuard<'a, T>> {
        let state = self.state.take()?;
        self.released.fetch_add(1, Ordering::Release); // with `Monitor::locked`
        Some(state)
    }
}

impl<T> Drop for Locked<'_, T> {
    fn drop(&mut self) {
        drop(self.release());
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.state.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.state.as_mut().expect(HELD)
    }
}
