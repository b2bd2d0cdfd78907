//! The seats, where readers are marked: entries of a thread's record, and counters of the lock.

use super::record::Record;
use crate::sync::{AtomicU64, const_fn, local, unique};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// How many counters a lock has. More counters would make the lock larger, and their users write shared memory anyway.
pub(super) const COUNTERS: usize = if cfg!(dogpile_loom) { 1 } else { 4 };

/// A count of readers. On most machines it has a cache line of its own.
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

/// The place where a reader is marked.
///
/// On the hit path a seat is two words in registers, and becomes a [`Pass`](super::Pass) only at the end. The long way
/// in returns a seat, too, and the pass is put together where both ways meet. Otherwise the pass, which could come from
/// either way, would go through memory, and would be written in pieces of other sizes than it is read in: a hit would
/// cost three times as much.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The record that the entry belongs to; `None` for a counter.
    pub(super) record: Option<&'static Record>,
    /// The entry of the record, or the counter of the lock.
    pub(super) mark: &'a AtomicU64,
}

impl<'a> Seat<'a> {
    /// The seat at an entry of a record.
    pub(super) const fn entry(record: &'static Record, mark: &'static AtomicU64) -> Self {
        Self { record: Some(record), mark }
    }

    /// The seat at a counter of a lock.
    pub(super) const fn counter(mark: &'a AtomicU64) -> Self {
        Self { record: None, mark }
    }

    /// The name of the seat among all seats, for as long as its lock lives.
    pub(super) fn address(self) -> usize {
        ptr::from_ref(self.mark).addr()
    }
}

local! {
    /// The counter that this thread uses, once it has been chosen.
    static COUNTER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The counter that this thread uses in every lock.
pub(super) fn counter_here() -> usize {
    COUNTER.with(|here| {
        let at = here.get().unwrap_or_else(|| usize::try_from(unique() % COUNTERS as u64).expect("there are few"));
        here.set(Some(at));
        at
    })
}

/// Makes a type stay on its thread, while other threads may still look at it: the type is `Sync` and not `Send`.
#[derive(Debug)]
pub(super) struct StaysOnItsThread(pub(super) PhantomData<std::sync::MutexGuard<'static, ()>>);
