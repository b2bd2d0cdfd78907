//! Readers that are no thread's: they own their lock, or a share of it, and may be left anywhere.

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
    /// As [`enter`](Self::enter), by a counter, which any thread may leave.
    fn enter_counter(&self, wait: &Wait) -> impl Future<Output = Result<usize, LockError>> {
        async move {
            let counter = counter_here();
            self.count(counter);
            // Acquire: as in `sit_at_once`.
            if self.gate.load(Ordering::Acquire) & CLOSED == 0 {
                return Ok(counter);
            }
            self.leave_counter(counter);
            // A task may come to sit down on another thread than it asked on.
            let seat = apart!(wait, self.ask(None, wait))?;
            let at = |counter: &usize| ptr::eq(&raw const self.counters[*counter].0, seat.mark);
            Ok((0..COUNTERS).find(at).expect("who may leave anywhere sits at a counter"))
        }
    }

    /// Enters by a counter that is in use.
    fn enter_counter_again(&self, counter: usize) {
        // Relaxed: the counter is not 0, and does not become 0 before this one is left too.
        self.counters[counter].0.fetch_add(1, Ordering::Relaxed);
    }

    /// Enters by a counter, beside a pass.
    fn enter_counter_beside(&self, held: &Pass<'_>) -> usize {
        debug_assert!(ptr::eq(held.readers(), self));
        let counter = counter_here();
        self.count(counter);
        // Relaxed: nobody writes as long as `held` is held.
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 {
            // A writer that has looked already must wait for this one as well.
            let mut inner = self.inner.lock();
            inner.list(self.seat_at(counter));
        }
        counter
    }

    fn leave_counter(&self, counter: usize) {
        self.leave_seat_at(self.seat_at(counter));
    }
}

/// A lock that has readers.
pub trait HasReaders: Send + Sync {
    fn readers(&self) -> &Readers;
}

/// What an owned guard holds its lock by: a share (`Arc`), or for ever (`&'static`). Made from either by `into`.
///
/// An `Arc` is cloned once for each owned guard that is made, which writes shared memory; a `&'static` costs nothing.
#[derive(Clone)]
pub struct Owner(Holds);

#[derive(Clone)]
enum Holds {
    Static(&'static Readers),
    Shared(Arc<dyn HasReaders>),
}

// Nothing can be reached through it but the readers, which no panic leaves half-done.
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

/// Somebody reads. Dropping it leaves, on any thread.
#[must_use]
#[derive(Debug)]
pub struct OwnedPass {
    owner: Owner,
    counter: usize,
}

impl OwnedPass {
    /// Waits as [`Readers::enter`] does.
    pub(crate) fn enter(owner: Owner, wait: &Wait) -> impl Future<Output = Result<Self, LockError>> {
        async move {
            let counter = owner.readers().enter_counter(wait).await?;
            Ok(Self { owner, counter })
        }
    }

    /// Enters beside a guard of this thread, which is why it need not wait.
    ///
    /// # Panics
    ///
    /// If `owner` is of another lock.
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
