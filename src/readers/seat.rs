//! Where a reader is marked: an entry of a thread's record, or a counter of the lock.

use super::record::Record;
use crate::sync::{AtomicU64, const_fn, local, unique};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// Counters of a lock. More of them would make it larger, and their users write shared memory anyway.
pub(super) const COUNTERS: usize = if cfg!(dogpile_loom) { 1 } else { 4 };

/// On a cache line of its own, on most machines.
#[repr(align(64))]
#[derive(Debug)]
pub(super) struct Counter(pub(super) AtomicU64);

impl Counter {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }
}

/// Where a reader is marked.
///
/// On the hit path it is two words in registers, and becomes a [`Pass`](super::Pass) at the end. What the long way brings is taken
/// apart and put together again there, because a pass that comes from either way goes through memory, in pieces of
/// other sizes than it is read in, and a hit costs three times as much.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// Whose entry; `None` for a counter.
    pub(super) record: Option<&'static Record>,
    /// The entry of the record, or the counter of the lock.
    pub(super) mark: &'a AtomicU64,
}

impl<'a> Seat<'a> {
    pub(super) const fn entry(record: &'static Record, mark: &'static AtomicU64) -> Self {
        Self { record: Some(record), mark }
    }

    pub(super) const fn counter(mark: &'a AtomicU64) -> Self {
        Self { record: None, mark }
    }

    /// What it is known by among all seats, as long as its lock lives.
    pub(super) fn address(self) -> usize {
        ptr::from_ref(self.mark).addr()
    }
}

local! {
    /// The counter that this thread uses, once it is known.
    static COUNTER: Cell<Option<usize>> = const { Cell::new(None) };
}

pub(super) fn counter_here() -> usize {
    COUNTER.with(|here| {
        let at = here.get().unwrap_or_else(|| usize::try_from(unique() % COUNTERS as u64).expect("there are few"));
        here.set(Some(at));
        at
    })
}

/// Marks what belongs to its thread, though others may look at it.
#[derive(Debug)]
pub(super) struct StaysOnItsThread(pub(super) PhantomData<std::sync::MutexGuard<'static, ()>>);
