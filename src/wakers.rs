//! The wakers of waiting threads and tasks: kept under a mutex, and run outside it.
//!
//! A waker is user code: an executor's, or any other caller's. A waker may be a task itself, with all that the task
//! holds, such as a guard of the lock. And a waker may ask the lock anything it likes.
//!
//! | a waker is | by | when | a panic of the waker |
//! |---|---|---|---|
//! | cloned | the poll that brings it | before the mutex | goes on to the caller that polls, for which nothing has changed |
//! | woken, once | the call that ends the wait | after the mutex | ends there; the panic hook has reported it |
//! | woken by its own poll | a wait that [asks](crate::cycle) | after the mutex | ends there, likewise |
//! | dropped without being woken | the call that ends the wait, or the poll that brings a newer waker | after the mutex | ends there, likewise |
//!
//! So what is kept is a [`Sleeper`], which is made before the mutex is taken. A sleeper that leaves a mutex is carried
//! out of it, and given to [`wake_all`] or dropped. A panic of one waker does no harm elsewhere: neither to the call
//! that ends the wait, which has done its work, nor to the sleepers that are to be woken next.
//!
//! # Threads first
//!
//! Of the sleepers that are woken together, threads come first. All threads have been called before the first waker of
//! a task runs. That waker may take its time, and may even wait for one of these threads (which it should not do, see
//! [`Dogpile`](crate::Dogpile#wakers)). The waker of a thread is this crate's own, and waits for nobody.

use crate::panics::quietly;
use crate::sync::is_of_this_thread;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::task::Waker;

/// A thread or task that sleeps until it is woken. Once woken, it is nobody.
#[derive(Default)]
pub(crate) struct Sleeper {
    waker: Option<Waker>,
    is_thread: bool,
}

impl Sleeper {
    /// Makes the sleeper of the thread or task that is polled with that waker. To be called before the mutex is taken.
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { waker: Some(waker.clone()), is_thread: is_of_this_thread(waker) }
    }

    /// Returns whether it has been woken or taken.
    pub(crate) fn is_nobody(&self) -> bool {
        self.waker.is_none()
    }

    /// Takes the sleeper out, to be woken. A thread or task that is woken polls again before it sleeps again, and then
    /// brings a new waker.
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Wakes the sleeper. To be called after the mutex.
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            contained(|| waker.wake());
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(waker) = self.waker.take() {
            contained(|| drop(waker));
        }
    }
}

impl fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self { waker: None, .. } => "Nobody",
            Self { is_thread: true, .. } => "Thread",
            Self { is_thread: false, .. } => "Task",
        })
    }
}

/// Runs a closure, and lets no panic out; but a model is to see its panics.
pub(crate) fn contained(run: impl FnOnce()) {
    if cfg!(dogpile_loom) { run() } else { quietly(run) }
}

/// One sleeper, or several.
pub(crate) trait Sleepers {
    /// Visits each of them.
    fn each(&mut self, visit: impl FnMut(&mut Sleeper));
}

impl Sleepers for Sleeper {
    fn each(&mut self, mut visit: impl FnMut(&mut Sleeper)) {
        visit(self);
    }
}

impl Sleepers for Vec<Sleeper> {
    fn each(&mut self, visit: impl FnMut(&mut Sleeper)) {
        self.iter_mut().for_each(visit);
    }
}

impl<K> Sleepers for BTreeMap<K, Sleeper> {
    fn each(&mut self, visit: impl FnMut(&mut Sleeper)) {
        self.values_mut().for_each(visit);
    }
}

/// Wakes all of them. To be called after the mutex.
pub(crate) fn wake_all(sleepers: &mut impl Sleepers) {
    let wake_if_thread = |sleeper: &mut Sleeper| {
        if sleeper.is_thread {
            sleeper.wake();
        }
    };
    sleepers.each(wake_if_thread);
    sleepers.each(Sleeper::wake);
}

/// The sleepers that leave a mutex. A `Leaving` is declared before the mutex is locked, so it outlives the guard,
/// however the guard's scope ends. When it is dropped, it wakes the sleepers that are to be woken.
#[must_use = "it is dropped after the mutex"]
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    woken: Vec<Sleeper>,
    dropped: Vec<Sleeper>,
}

impl Leaving {
    /// The sleeper is to be woken.
    pub(crate) fn wakes(&mut self, sleeper: &mut Sleeper) {
        if !sleeper.is_nobody() {
            self.woken.push(sleeper.take());
        }
    }

    /// The sleeper is to be dropped: it does not sleep any more, and knows.
    pub(crate) fn drops(&mut self, sleeper: &mut Sleeper) {
        if !sleeper.is_nobody() {
            self.dropped.push(sleeper.take());
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !self.woken.is_empty() {
            wake_all(&mut self.woken);
        }
    }
}
