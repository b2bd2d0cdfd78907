//! What this thread is in the middle of: what it takes to see that it would wait for itself (L7).
//!
//! A stack per thread, pushed around each run of a creator and each store. It is asked only by who is about to wait, so
//! neither hits nor stale accesses know of it. A lock's identity is the address of its election: whoever runs a creation
//! borrows or holds the lock, so the address stays taken as long as the entry is on the stack.
//!
//! The stack has no destructor, and so is still there while other locals of an ending thread are destroyed; its memory is
//! given back whenever it is empty.

use crate::election::Election;
use crate::sync::thread_local;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, take};
use std::ptr;

/// What a thread can be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Running a creator.
    Creating,
    /// Running what a creator gave to `publish`.
    Storing,
}

type Entry = (usize, Doing);

thread_local! {
    // loom's macro takes no `const` initializer.
    #[allow(clippy::missing_const_for_thread_local)]
    static RUNNING: RefCell<ManuallyDrop<Vec<Entry>>> = RefCell::new(ManuallyDrop::new(Vec::new()));
}

fn entry(election: &Election, doing: Doing) -> Entry {
    (ptr::from_ref(election).addr(), doing)
}

/// While it lives, this thread is known to be doing that for that lock. It stays on its thread.
#[derive(Debug)]
pub(crate) struct Running {
    entry: Entry,
    not_send: PhantomData<*const ()>,
}

impl Running {
    pub(crate) fn enter(election: &Election, doing: Doing) -> Self {
        let entry = entry(election, doing);
        RUNNING.with(|running| running.borrow_mut().push(entry));
        Self { entry, not_send: PhantomData }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|running| {
            let mut running = running.borrow_mut();
            if let Some(at) = running.iter().rposition(|entry| *entry == self.entry) {
                running.remove(at);
            }
            if running.is_empty() {
                drop(take(&mut **running));
            }
        });
    }
}

/// Whether this thread is in the middle of anything that keeps a creation of that lock from ending: to wait for that end
/// would be to wait for itself.
pub(crate) fn is_creating_here(election: &Election) -> bool {
    is_here(election, Doing::Creating) || is_here(election, Doing::Storing)
}

/// Whether this thread is in the middle of a store of that lock.
pub(crate) fn is_storing_here(election: &Election) -> bool {
    is_here(election, Doing::Storing)
}

fn is_here(election: &Election, doing: Doing) -> bool {
    RUNNING.with(|running| running.borrow().contains(&entry(election, doing)))
}
