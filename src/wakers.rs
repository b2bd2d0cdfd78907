//! The wakers of those who wait: kept under a mutex, and run outside it.
//!
//! A waker is user code: an executor's, or anybody's. It may be a task itself, with all that the task holds, a guard of
//! the lock for one; and it may ask the lock whatever it likes.
//!
//! | a waker is | by | when |
//! |---|---|---|
//! | cloned | the poll that brings it | before the mutex |
//! | woken, once | whoever ends the wait | after the mutex |
//! | dropped without that | whoever ends the wait, or brings a newer one | after the mutex |
//!
//! So what is kept is a [`Sleeper`], made before the mutex, and what leaves goes into a [`Leaving`], which was there
//! before the mutex and is done with after it.

use crate::sync::together;
use std::fmt;
use std::mem;
use std::task::Waker;

/// A thread or task that sleeps until it is woken; or nobody, once it was.
#[derive(Default)]
pub(crate) struct Sleeper(Option<Waker>);

impl Sleeper {
    /// Before the mutex.
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(Some(waker.clone()))
    }

    pub(crate) fn is_nobody(&self) -> bool {
        self.0.is_none()
    }

    /// After the mutex.
    fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
    }
}

impl fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_nobody() { "Nobody" } else { "Sleeper" })
    }
}

/// What leaves a mutex. Declared before that is locked, it outlives the guard, however that goes.
#[must_use = "it wakes when it is dropped, after the mutex"]
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    woken: Vec<Sleeper>,
    dropped: Vec<Sleeper>,
}

impl Leaving {
    /// It is to be woken. Whoever is polls again before it sleeps again, and brings a new one.
    pub(crate) fn wake(&mut self, sleeper: &mut Sleeper) {
        if !sleeper.is_nobody() {
            self.woken.push(mem::take(sleeper));
        }
    }

    /// It sleeps no more, and knows.
    pub(crate) fn drop(&mut self, sleeper: &mut Sleeper) {
        if !sleeper.is_nobody() {
            self.dropped.push(mem::take(sleeper));
        }
    }

    /// Once the mutex is released.
    pub(crate) fn done(mut self) {
        together(|| self.wake_all());
    }

    fn wake_all(&mut self) {
        while let Some(sleeper) = self.woken.pop() {
            sleeper.wake();
        }
    }
}

impl Drop for Leaving {
    /// After a waker that panicked, the others are woken all the same.
    fn drop(&mut self) {
        self.wake_all();
    }
}
