//! Which creators run on this thread right now: what it takes to see that a creator would wait for itself (L7).
//!
//! A stack of lock identities per thread, pushed around each run of a creator. It is asked only by an access that is
//! about to wait, so neither hits nor stale accesses know of it. A lock's identity is the address of its election: whoever
//! runs a creation borrows or holds the lock, so the address stays taken as long as the entry is on the stack.

use crate::creation::Election;
use crate::sync::thread_local;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::ptr;

thread_local! {
    // loom's macro takes no `const` initializer.
    #[allow(clippy::missing_const_for_thread_local)]
    static RUNNING: RefCell<Vec<usize>> = RefCell::new(Vec::new());
}

fn identity(election: &Election) -> usize {
    ptr::from_ref(election).addr()
}

/// While it lives, this thread is known to run a creator of that lock. It stays on its thread.
#[derive(Debug)]
pub(crate) struct Running {
    identity: usize,
    not_send: PhantomData<*const ()>,
}

impl Running {
    pub(crate) fn enter(election: &Election) -> Self {
        let identity = identity(election);
        // Where the thread's locals are gone (we run inside a destructor of one), nothing is known, and nothing found.
        let _known = RUNNING.try_with(|running| running.borrow_mut().push(identity));
        Self { identity, not_send: PhantomData }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _known = RUNNING.try_with(|running| {
            let mut running = running.borrow_mut();
            if let Some(at) = running.iter().rposition(|identity| *identity == self.identity) {
                running.remove(at);
            }
        });
    }
}

/// Whether this thread runs a creator of that lock, and would wait for itself.
pub(crate) fn is_running_here(election: &Election) -> bool {
    RUNNING.try_with(|running| running.borrow().contains(&identity(election))).unwrap_or(false)
}
