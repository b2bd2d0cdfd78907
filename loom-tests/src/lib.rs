//! The models of `dogpile`, checked by loom. They are in `tests/`, one file for each module modelled, and exist only
//! under `--cfg dogpile_loom`; `../test.sh` runs them. This file holds what the models share.
//!
//! The threads of a model run in every order that takes at most two preemptions, or as many as the environment variable
//! `LOOM_MAX_PREEMPTIONS` says. A model fails if an assertion fails, if two accesses to a `Slot` are not ordered, or if
//! all its threads wait: a lost wake-up is a deadlock.
//!
//! "Every order" is loom's: of the accesses to an atomic, loom remembers the last one only. A thread that reads a word
//! and then writes it, as an invalidation does, is not tried in front of a read that came before both. So spawn the
//! writers before the readers, and let the main thread join: then loom begins with the writes, and moves the reads
//! forward. A `Reached` tells when an order was lost.
#![cfg(dogpile_loom)]

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Checks a model: runs it in every order of its threads, within the bound.
pub fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(model);
}

/// An interleaving that a model must reach, so that its assertions there are not vacuous.
///
/// A `Reached` is outside the model's view and outlives its runs: make it a `static` of the test.
#[derive(Debug, Default)]
pub struct Reached(AtomicBool);

impl Reached {
    /// Creates one that is not reached yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Records, inside the model, that the interleaving is reached.
    pub fn here(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Records, inside the model, that the interleaving is reached, if `condition` holds.
    pub fn here_if(&self, condition: bool) {
        if condition {
            self.here();
        }
    }

    /// Asserts, after the model, that at least one run has reached the interleaving.
    ///
    /// # Panics
    ///
    /// If no run has.
    #[track_caller]
    pub fn at_least_once(&self) {
        assert!(self.0.load(Ordering::Relaxed), "the model never came here: it shows less than it claims");
    }
}

/// Runs `run` on a thread of the model, with what that thread shares with the others.
pub fn spawn<S: 'static, T: 'static>(shared: &Arc<S>, run: impl FnOnce(&S) -> T + 'static) -> JoinHandle<T> {
    let shared = Arc::clone(shared);
    thread::spawn(move || run(&shared))
}

/// Memory of the model's user, plain and not synchronized. Loom fails the model if two accesses to a slot, one of them
/// a write, are not ordered by happens-before. So a slot checks visibility (L4) and the exclusion of creators (L1) at
/// once.
#[derive(Debug)]
pub struct Slot(UnsafeCell<usize>);

// SAFETY: a `Slot` is not `Sync`. Every model claims that the slot is used as if it were, and loom checks that claim
// before each access.
unsafe impl Sync for Slot {}

impl Slot {
    /// Creates a slot that holds 0.
    #[must_use]
    pub fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    /// Reads the slot, without synchronization.
    #[must_use]
    pub fn read(&self) -> usize {
        // SAFETY: loom has just checked that no write is concurrent, and runs one thread at a time.
        self.0.with(|value| unsafe { *value })
    }

    /// Writes the slot, without synchronization.
    pub fn write(&self, new: usize) {
        // SAFETY: loom has just checked that no access is concurrent, and runs one thread at a time.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}

impl From<usize> for Slot {
    /// Creates a slot whose last write was `value`.
    fn from(value: usize) -> Self {
        let slot = Self::new();
        slot.write(value);
        slot
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

/// The waker of a task that no executor drives. It counts how often it was woken. The count is outside the model's
/// view, so read it only when the thread that wakes has been joined.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    /// Returns how often the waker was woken since it was made.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns a waker that counts here.
    #[must_use]
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
