//! The least that an expiring value under a guard can cost. An access marks the thread's own record, looks for a
//! writer, looks whether the value is fresh, and takes the mark away.

use super::Floor;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::time::Duration;

/// A record with as many entries as the crate's. The floor uses only the first entry, since it does not nest.
type Record = [AtomicU64; 8];

thread_local! {
    // Without a destructor, so that an access to it is an access to memory.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };
}

#[cold]
fn make_record() -> &'static Record {
    let record: &'static Record = Box::leak(Box::default());
    RECORD.set(Some(record));
    record
}

pub struct GuardedFloor {
    /// The number that marks a record. Its highest bit says that a writer waits.
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

    /// Enters, looks and leaves, with the orderings that a writer relies on.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Floor::is_fresh`
    pub fn is_fresh(&self) -> bool {
        let number = self.gate.load(Ordering::Relaxed);
        let [entry, ..] = RECORD.get().unwrap_or_else(make_record);
        entry.store(number, Ordering::Release);
        // A writer's membarrier turns this fence into a full one.
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
