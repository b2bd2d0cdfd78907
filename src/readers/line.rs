//! Those who wait, and whose turn it is.

use super::{CLOSED, Readers, Seat};
use crate::running::Which;
use crate::sync::{Mutant, Ordering, mutant};
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

    fn is_empty(&self) -> bool {
        self.inside.is_empty() && self.drains.is_nobody() && self.writers.is_empty() && self.readers.is_empty()
    }
}

impl Readers {
    /// Changes what is under the mutex; then releases that, gives memory back, and wakes, in this order.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Inner, &mut Leaving) -> R) -> R {
        let mut leaving = Leaving::default();
        let mut inner = self.inner.lock();
        let changed = change(&mut inner, &mut leaving);
        let empty = inner.line.take_if(|line| line.is_empty());
        drop(inner);
        drop(empty);
        drop(leaving);
        changed
    }

    /// Ends a writer's turn, written or not.
    pub(super) fn end_turn(&self) {
        self.change(|inner, leaving| {
            (inner.phase, inner.writer) = (Phase::Idle, None);
            if let Some(line) = &mut inner.line {
                line.inside.clear();
                leaving.drops(&mut line.drains);
                for asking in line.readers.values_mut() {
                    asking.admitted = true;
                    leaving.wakes(&mut asking.sleeper);
                }
                line.admitted = line.readers.len();
            }
            self.next(inner, leaving);
        });
    }

    /// Nobody has the turn: calls the first writer in line, or opens the gate.
    pub(super) fn next(&self, inner: &mut Inner, leaving: &mut Leaving) {
        debug_assert_eq!(inner.phase, Phase::Idle);
        match &mut inner.line {
            Some(line) if !line.writers.is_empty() => {
                if let (0, Some(mut first)) = (line.admitted, line.writers.first_entry()) {
                    leaving.wakes(first.get_mut());
                }
            }
            line => {
                // Release: pairs with the acquire in `sit_at_once`: who finds it open sees what was written.
                self.gate.fetch_and(!CLOSED, Ordering::Release);
                // Who waits for a writer that gave up before its turn.
                if let Some(line) = line {
                    for asking in line.readers.values_mut().filter(|asking| !asking.admitted) {
                        leaving.wakes(&mut asking.sleeper);
                    }
                }
            }
        }
    }

    /// An admitted reader has gone in or away.
    pub(super) fn one_less_admitted(&self, inner: &mut Inner, leaving: &mut Leaving) {
        let Some(line) = &mut inner.line else { return };
        line.admitted -= 1;
        if line.admitted == 0 && !line.writers.is_empty() {
            self.next(inner, leaving);
        }
    }
}
