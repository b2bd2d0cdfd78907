//! The wakers of those who wait: kept under a mutex, and run outside it.
//!
//! A waker is user code: an executor's, or anybody's. It may be a task itself, with all that the task holds, a guard of
//! the lock for one; and it may ask the lock whatever it likes.
//!
//! | a waker is | by | when | its panic |
//! |---|---|---|---|
//! | cloned | the poll that brings it | before the mutex | goes on to whoever polls, for whom nothing has changed |
//! | woken, once | whoever ends the wait | after the mutex | ends there; the panic hook has told of it |
//! | woken by its own poll | a wait that [asks](crate::cycle) | after the mutex | likewise |
//! | dropped without that | whoever ends the wait, or brings a newer one | after the mutex | likewise |
//!
//! So what is kept is a [`Sleeper`], made before the mutex; what leaves a mutex is carried out of it, for [`wake_all`]
//! or to be dropped. Nobody pays for somebody else's waker: not the call that ends the wait, which has done what it was
//! for, nor those who are to be woken next.
//!
//! # Threads first
//!
//! Of those that are woken together threads come first, and all of them have been called before the first waker of a
//! task runs: that may take its time, and even wait for one of these threads (which it should not, see
//! [`Dogpile`](crate::Dogpile#wakers)). What wakes a thread is ours, and waits for nobody.

use crate::panics::quietly;
use crate::sync::{is_of_this_thread, together};
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::task::Waker;

/// A thread or task that sleeps until it is woken; or nobody, once it was.
#[derive(Default)]
pub(crate) struct Sleeper {
    waker: Option<Waker>,
    is_thread: bool,
}

impl Sleeper {
    /// Who is about to sleep, and may be polled by that waker. Before the mutex.
    pub(crate) fn of(waker: &Waker) -> Self {
        Self { waker: Some(waker.clone()), is_thread: is_of_this_thread(waker) }
    }

    pub(crate) fn is_nobody(&self) -> bool {
        self.waker.is_none()
    }

    /// To be woken. Whoever is polls again before it sleeps again, and brings a new one.
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// After the mutex.
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

/// A panic ends here; but a model is to see its panics.
pub(crate) fn contained(run: impl FnOnce()) {
    if cfg!(dogpile_loom) { run() } else { quietly(run) }
}

/// One of them, or several.
pub(crate) trait Sleepers {
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

/// Wakes them. After the mutex.
pub(crate) fn wake_all(sleepers: &mut impl Sleepers) {
    let wake_if_thread = |sleeper: &mut Sleeper| {
        if sleeper.is_thread {
            sleeper.wake();
        }
    };
    together(|| sleepers.each(wake_if_thread));
    sleepers.each(Sleeper::wake);
}

/// What leaves a mutex. Declared before that is locked, it outlives the guard, however that goes; when it is dropped,
/// it wakes those that are to be woken.
#[must_use = "it is dropped after the mutex"]
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    woken: Vec<Sleeper>,
    dropped: Vec<Sleeper>,
}

impl Leaving {
    pub(crate) fn wakes(&mut self, sleeper: &mut Sleeper) {
        if !sleeper.is_nobody() {
            self.woken.push(sleeper.take());
        }
    }

    /// It sleeps no more, and knows.
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
