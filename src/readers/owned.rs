//! Readers that belong to no thread: they own their lock, or a share of it, and may leave on any thread.

use super::gate::{CLOSED, Readers};
use super::pass::Pass;
use super::seat::{COUNTERS, counter_here};
use crate::error::LockError;
use crate::sync::{Arc, Ordering};
use crate::wait::{Wait, apart};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;

impl Readers {
    /// Enters by a counter, which any thread may leave. Waits as [`enter`](Self::enter) does.
    fn enter_counter(&self, wait: &Wait) -> impl Future<Output = Result<usize, LockError>> {
        async move {
            let counter = counter_here();
            self.count(counter);
            // Acquire: as in `sit_at_once`.
            if self.gate.load(Ordering::Acquire) & CLOSED == 0 {
                return Ok(counter);
            }
            self.leave_counter(counter);
            // A task may be given its seat on another thread than the thread on which it asked.
            let seat = apart!(wait, self.ask(None, wait))?;
            let at = |counter: &usize| ptr::eq(&raw const self.counters[*counter].0, seat.mark);
            Ok((0..COUNTERS).find(at).expect("a reader that any thread may leave sits at a counter"))
        }
    }

    /// Enters once more by a counter that is in use.
    fn enter_counter_again(&self, counter: usize) {
        // Relaxed: the counter is not 0, and does not become 0 before this reader has left as well.
        self.counters[counter].0.fetch_add(1, Ordering::Relaxed);
    }

    /// Enters by a counter, beside a pass that is held.
    fn enter_counter_beside(&self, held: &Pass<'_>) -> usize {
        debug_assert!(ptr::eq(held.readers(), self));
        let counter = counter_here();
        self.count(counter);
        // Relaxed: no writer can be in as long as `held` is held.
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 {
            // A writer that has looked already must wait for this reader as well.
            let mut inner = self.inner.lock();
            inner.list(self.seat_at(counter));
        }
        counter
    }

    /// Leaves a counter, on any thread.
    fn leave_counter(&self, counter: usize) {
        self.leave_seat_at(self.seat_at(counter));
    }
}

/// A lock that has readers.
pub trait HasReaders: Send + Sync {
    /// The readers.
    fn readers(&self) -> &Readers;
}

/// What an owned guard keeps its lock alive by: a share of the lock, or a reference to a lock that lives for ever.
///
/// An `Owner` is made by `into` from an `Arc` of the lock, from a `&'static` to the lock, or, for a lock in a registry,
/// from its [`Held`](crate::Held). Each owned guard that is made with a share clones an `Arc` once, which writes shared
/// memory. A `&'static` costs nothing.
#[derive(Clone)]
pub struct Owner(Holds);

#[derive(Clone)]
enum Holds {
    Static(&'static Readers),
    Shared(Arc<dyn HasReaders>),
}

// An owner gives access to the readers only, and no panic leaves the readers half-done.
impl UnwindSafe for Owner {}
impl RefUnwindSafe for Owner {}

impl Owner {
    pub(crate) fn shared(lock: Arc<impl HasReaders + 'static>) -> Self {
        Self(Holds::Shared(lock))
    }

    pub(crate) fn for_ever(readers: &'static Readers) -> Self {
        Self(Holds::Static(readers))
    }

    fn readers(&self) -> &Readers {
        match &self.0 {
            Holds::Static(readers) => readers,
            Holds::Shared(lock) => lock.readers(),
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Holds::Static(_) => "Owner::Static",
            Holds::Shared(_) => "Owner::Shared",
        })
    }
}

/// A reader that belongs to no thread. Dropping the pass leaves, on any thread.
#[must_use]
#[derive(Debug)]
pub struct OwnedPass {
    owner: Owner,
    counter: usize,
}

impl OwnedPass {
    /// Enters. Waits as [`Readers::enter`] does.
    pub(crate) fn enter(owner: Owner, wait: &Wait) -> impl Future<Output = Result<Self, LockError>> {
        async move {
            let counter = owner.readers().enter_counter(wait).await?;
            Ok(Self { owner, counter })
        }
    }

    /// Enters beside a guard of this thread. Never waits, because the guard keeps every writer out.
    ///
    /// # Panics
    ///
    /// If `owner` is of another lock than the guard.
    #[track_caller]
    pub(crate) fn beside(held: &Pass<'_>, owner: Owner) -> Self {
        assert!(
            ptr::eq(held.readers(), owner.readers()),
            "a read guard can be owned through its own lock only, and this is the owner of another"
        );
        let counter = owner.readers().enter_counter_beside(held);
        Self { owner, counter }
    }

    /// Enters once more. Never blocks.
    pub(crate) fn again(&self) -> Self {
        self.owner.readers().enter_counter_again(self.counter);
        Self { owner: self.owner.clone(), counter: self.counter }
    }
}

impl Drop for OwnedPass {
    fn drop(&mut self) {
        self.owner.readers().leave_counter(self.counter);
    }
}
