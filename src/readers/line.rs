//! The state under the mutex: the phase, and the readers and writers that wait.

use super::seat::Seat;
use crate::running::Which;
use crate::sync::{Mutant, mutant};
use crate::wakers::{Leaving, Sleeper};
use std::collections::{BTreeMap, BTreeSet};

/// How far the writer that has the turn has come: see [`readers`](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Closing,
    Draining,
    Writing,
}

/// All that is under the mutex.
pub(super) struct Inner {
    pub(super) phase: Phase,
    /// The creation that is in, if a creation is, whichever thread polls it.
    pub(super) writer: Option<Which>,
    /// The readers and writers that wait, in a box that exists only while there are any.
    pub(super) line: Option<Box<Line>>,
}

impl Inner {
    /// Adds a seat that was taken under the mutex to the seats that a writer waits for.
    pub(super) fn list(&mut self, seat: Seat<'_>) {
        if self.phase == Phase::Draining && !mutant(Mutant::NestedNotWaitedFor) {
            self.line.get_or_insert_default().inside.insert(seat.address());
        }
    }
}

/// The readers and writers that wait, by their tickets. Tickets grow in the order of arrival.
#[derive(Default)]
pub(super) struct Line {
    /// The seats that the writer which has the turn waits for, by their addresses.
    pub(super) inside: BTreeSet<usize>,
    /// The writer that has the turn, while it waits for seats.
    pub(super) drains: Sleeper,
    pub(super) writers: BTreeMap<u64, Sleeper>,
    pub(super) readers: BTreeMap<u64, Asking>,
    /// How many of the readers are admitted.
    pub(super) admitted: usize,
}

/// A reader that waits.
#[derive(Default)]
pub(super) struct Asking {
    pub(super) sleeper: Sleeper,
    pub(super) admitted: bool,
}

impl Line {
    /// Removes a writer from the line.
    pub(super) fn leave(&mut self, ticket: u64, leaving: &mut Leaving) {
        if let Some(mut left) = self.writers.remove(&ticket) {
            leaving.drops(&mut left);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.drains.is_nobody() && self.writers.is_empty() && self.readers.is_empty()
    }
}
