//! Those who wait, and whose turn it is.

use super::seat::Seat;
use crate::running::Which;
use crate::sync::{Mutant, mutant};
use crate::wakers::{Leaving, Sleeper};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Closing,
    Draining,
    Writing,
}

pub(super) struct Inner {
    pub(super) phase: Phase,
    /// The creation that is in, if it is one, whoever polls it.
    pub(super) writer: Option<Which>,
    /// In a box that exists only while somebody waits.
    pub(super) line: Option<Box<Line>>,
}

impl Inner {
    /// Adds a seat that was taken under the mutex to those that a writer waits for.
    pub(super) fn list(&mut self, seat: Seat<'_>) {
        if self.phase == Phase::Draining && !mutant(Mutant::NestedNotWaitedFor) {
            self.line.get_or_insert_default().inside.insert(seat.address());
        }
    }
}

/// Those who wait, by ticket: tickets grow with the order of arrival.
#[derive(Default)]
pub(super) struct Line {
    /// The seats that the writer whose turn it is waits for, by their addresses.
    pub(super) inside: BTreeSet<usize>,
    /// That writer.
    pub(super) drains: Sleeper,
    pub(super) writers: BTreeMap<u64, Sleeper>,
    pub(super) readers: BTreeMap<u64, Asking>,
    /// How many of the readers are admitted.
    pub(super) admitted: usize,
}

#[derive(Default)]
pub(super) struct Asking {
    pub(super) sleeper: Sleeper,
    pub(super) admitted: bool,
}

impl Line {
    /// A writer is no longer in line.
    pub(super) fn leave(&mut self, ticket: u64, leaving: &mut Leaving) {
        if let Some(mut left) = self.writers.remove(&ticket) {
            leaving.drops(&mut left);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.drains.is_nobody() && self.writers.is_empty() && self.readers.is_empty()
    }
}
