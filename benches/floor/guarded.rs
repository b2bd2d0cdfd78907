//! The least that an expiring value under a guard can cost: mark the thread's own record, look for a writer, look
//! whether the value is fresh, and take the mark away.

use super::Floor;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

/// As many entries as the crate's, of which the floor uses the first: it does not nest.
type Record = [AtomicU64; 8];

thread_local! {
    // Without a destructor: an access to it is an access to memory.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };
}

#[cold]
fn make_record() -> &'static Record {
    let record: &'static Record = Box::leak(Box::default());
    RECORD.set(Some(record));
    record
}

pub struct GuardedFloor {
    /// The number that marks a record. Its highest bit: a writer waits.
    gate: AtomicU64,
    floor: Floor,
}

const CLOSED: u64 = 1 << 63;

#[cold]
fn writer() {
    unreachable!("nobody writes");
}

impl GuardedFloor {
    pub fn fresh_for(lifetime: Duration) -> Self {
        Self { gate: AtomicU64::new(1), floor: Floor::fresh_for(lifetime) }
    }

    /// Enters, looks and leaves, with the orderings that it takes for a writer to be sure.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Floor::is_fresh`
    pub fn is_fresh(&self) -> bool {
        let number = self.gate.load(Ordering::Relaxed);
        let [entry, ..] = RECORD.get().unwrap_or_else(make_record);
        entry.store(number, Ordering::Release);
        // A writer's membarrier makes it a full one.
        compiler_fence(Ordering::SeqCst);
        if self.gate.load(Ordering::Acquire) != number {
            writer();
        }
        let is_fresh = self.floor.is_fresh();
        entry.store(0, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
        if self.gate.load(Ordering::Relaxed) & CLOSED != 0 {
            writer();
        }
        is_fresh
    }
}
