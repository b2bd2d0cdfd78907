//! What an election keeps behind its mutex: waiters and watchers, by ticket, and what there is to say of creations.

use super::failures::{Pause, Streak};
use crate::cycle::Edges;
use crate::generation::Generation;
use crate::shared_error::SharedError;
use crate::sync::{Mutant, MutexGuard, mutant};
use crate::wakers::{Sleeper, Sleepers, wake_all};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::mem;

/// What a waiter is there for, beside being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// It creates, if it is called. Else its creator was given away.
    pub(super) creates: bool,
    /// If there is a pause, it can be told of that, and then need not create.
    pub(super) hears_of_pauses: bool,
    /// If a creation fails with that type of error, and shares it, it can be told of that, and then need not create.
    pub(super) shares: Option<TypeId>,
}

pub(super) struct Waiting {
    pub(super) sleeper: Sleeper,
    pub(super) since: Generation,
    pub(super) role: Role,
    /// Has the baton: was woken to elect itself and has not looked yet.
    pub(super) called: bool,
    /// Was woken to look at the value once more, and has not yet.
    pub(super) again: bool,
    /// Was woken to hear of a pause, and has not yet.
    pub(super) paused: Option<Pause>,
    /// Was woken to hear what the creation has failed with, and has not yet.
    pub(super) failed: Option<SharedError>,
    /// Who else waits for this thread's creations waits for this. There only while others are to end this wait.
    pub(super) edges: Edges,
}

impl Waiting {
    pub(super) fn can_create(&self) -> bool {
        self.role.creates && self.paused.is_none() && self.failed.is_none()
    }
}

/// Tickets are never used twice in a process, and grow with the order of arrival. Whoever ends a wait takes its ticket
/// out.
#[derive(Default)]
pub(super) struct Book {
    /// Who waits for a creation.
    pub(super) accesses: BTreeMap<u64, Waiting>,
    /// How many of them may have edges.
    pub(super) with_edges: usize,
    /// How many of them cannot be elected.
    pub(super) without_creator: usize,
    /// Who waits for the end of a store, having invalidated while it ran.
    pub(super) invalidations: BTreeMap<u64, Sleeper>,
    /// The watchers, which wait for a value and are never elected: see [`watcher`](super::watcher).
    pub(super) watchers: BTreeMap<u64, Sleeper>,
    /// The ticket of the creation that runs, if it can be declared dead.
    pub(super) running: Option<u64>,
    /// Somebody would have declared it dead, but for its store, or may come to find it storing.
    pub(super) overdue: bool,
    pub(super) streak: Option<Streak>,
}

impl Book {
    fn is_empty(&self) -> bool {
        self.accesses.is_empty()
            && self.invalidations.is_empty()
            && self.watchers.is_empty()
            && self.running.is_none()
            && !self.overdue
            && self.streak.is_none()
    }

    /// Takes the edges out of those waits that end; there are hardly ever any.
    fn end_edges<'a>(with_edges: &mut usize, waits: impl Iterator<Item = &'a mut Waiting>) {
        if *with_edges == 0 {
            return;
        }
        for waiting in waits.filter(|waiting| !waiting.edges.is_empty()) {
            waiting.edges.end();
            *with_edges -= 1;
        }
    }

    /// Takes an access out.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Waiting> {
        let mut left = self.accesses.remove(&ticket)?;
        self.without_creator -= usize::from(!left.role.creates);
        Self::end_edges(&mut self.with_edges, [&mut left].into_iter());
        Some(left)
    }

    /// Takes out all accesses.
    pub(super) fn take_all(&mut self) -> BTreeMap<u64, Waiting> {
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        self.without_creator = 0;
        mem::take(&mut self.accesses)
    }

    /// Takes out the accesses that have waited since `born` or before. Tickets and generations grow together.
    pub(super) fn take_until(&mut self, born: Generation) -> BTreeMap<u64, Waiting> {
        let later = self.accesses.iter().find(|(_, waiting)| waiting.since > born).map(|(ticket, _)| *ticket);
        let later = later.map(|ticket| self.accesses.split_off(&ticket)).unwrap_or_default();
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        if self.without_creator != 0 {
            self.without_creator = later.values().filter(|waiting| !waiting.role.creates).count();
        }
        mem::replace(&mut self.accesses, later)
    }

    /// Tells all accesses to look again. They stay in their places until they do, so that whoever creates first
    /// serves them.
    pub(super) fn tell_again(&mut self) -> Vec<Sleeper> {
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        let tell = |waiting: &mut Waiting| {
            waiting.again = true;
            waiting.sleeper.take()
        };
        self.accesses.values_mut().map(tell).collect()
    }

    /// Lets those go who wait for the end of a store.
    pub(super) fn let_go(&mut self) -> BTreeMap<u64, Sleeper> {
        mem::take(&mut self.invalidations)
    }

    /// Wakes all accesses, to see what has become of an overdue creation.
    pub(super) fn wake_overdue(&mut self) -> Vec<Sleeper> {
        if !mem::take(&mut self.overdue) {
            return Vec::new();
        }
        self.accesses.values_mut().map(|waiting| waiting.sleeper.take()).collect()
    }

    /// Tells those of a pause who can be told. They too stay in their places until they look.
    pub(super) fn tell_of_pause(&mut self, pause: &Pause) -> Vec<Sleeper> {
        let tell = |waiting: &mut Waiting| {
            waiting.paused = Some(pause.clone());
            waiting.sleeper.take()
        };
        let hears = |waiting: &&mut Waiting| waiting.role.hears_of_pauses && waiting.failed.is_none();
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(hears));
        self.accesses.values_mut().filter(hears).map(tell).collect()
    }

    /// Tells those what a creation has failed with that was born then, who can be told and have waited for it. They too
    /// stay in their places until they look.
    pub(super) fn tell_of_failure(&mut self, born: Generation, error: &SharedError) -> Vec<Sleeper> {
        let shared = error.type_of_error();
        let hears = |waiting: &&mut Waiting| {
            waiting.role.shares == Some(shared) && waiting.since <= born && waiting.failed.is_none()
        };
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(hears));
        let told = self.accesses.values_mut().filter(hears).map(|waiting| {
            waiting.failed = Some(error.clone());
            if mutant(Mutant::FailureUntold) { Sleeper::default() } else { waiting.sleeper.take() }
        });
        told.collect()
    }

    /// A value has been published: takes out every watcher.
    pub(super) fn tell_watchers(&mut self) -> BTreeMap<u64, Sleeper> {
        mem::take(&mut self.watchers)
    }

    /// How many accesses are known to wait: see [`cycle`](crate::cycle).
    pub(super) fn waiting(&self) -> usize {
        let asking = |waiting: &&Waiting| waiting.edges.are_asked_for();
        let asked = if self.with_edges == 0 { 0 } else { self.accesses.values().filter(asking).count() };
        self.accesses.len() - asked
    }

    /// Whether somebody waits who can be elected, and is not about to hear of a pause.
    pub(super) fn has_who_can(&self) -> bool {
        self.accesses.values().any(Waiting::can_create)
    }

    /// Wakes those who cannot be elected, if nobody else is left: for all that they know it is their turn. There are
    /// hardly ever any.
    pub(super) fn wake_if_alone(&mut self) -> Vec<Sleeper> {
        if self.without_creator == 0 || self.has_who_can() || mutant(Mutant::AloneUntold) {
            return Vec::new();
        }
        let cannot = |waiting: &&mut Waiting| !waiting.role.creates;
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(cannot));
        self.accesses.values_mut().filter(cannot).map(|waiting| waiting.sleeper.take()).collect()
    }

    /// Gives the first in line the baton, leaving out those who were told of a pause or cannot be elected; returns whom
    /// to wake, unless it has been woken already.
    pub(super) fn call_next(&mut self) -> Option<Sleeper> {
        let can = |waiting: &Waiting| waiting.can_create() || mutant(Mutant::CalledWithoutCreator);
        let first = self.accesses.values_mut().find(|waiting| can(waiting))?;
        if first.called {
            return None;
        }
        first.called = true;
        let called = first.sleeper.take();
        if !first.edges.is_empty() {
            first.edges.end();
            self.with_edges -= 1;
        }
        Some(called)
    }
}

/// The book, in a box that exists only while there is something in it: memory is given back, and the lock stays small.
pub(super) type Lazy = Option<Box<Book>>;

/// Who is to be woken once the mutex is released (C22).
#[must_use = "wake them, after the mutex"]
#[derive(Default)]
pub(super) struct Wake {
    pub(super) served: BTreeMap<u64, Waiting>,
    pub(super) called: Option<Sleeper>,
    pub(super) again: Vec<Sleeper>,
    pub(super) let_go: BTreeMap<u64, Sleeper>,
    pub(super) watchers: BTreeMap<u64, Sleeper>,
}

impl Sleepers for Wake {
    fn each(&mut self, mut visit: impl FnMut(&mut Sleeper)) {
        self.called.iter_mut().for_each(&mut visit);
        self.again.iter_mut().for_each(&mut visit);
        self.served.values_mut().for_each(|waiting| visit(&mut waiting.sleeper));
        self.let_go.values_mut().for_each(&mut visit);
        self.watchers.values_mut().for_each(visit);
    }
}

/// Releases the mutex, gives memory back, and wakes, in this order.
pub(super) fn release(mut book: MutexGuard<'_, Lazy>, mut wake: Wake) {
    let empty = book.take_if(|book| book.is_empty());
    drop(book);
    drop(empty);
    wake_all(&mut wake);
}

/// What becomes of the book; nothing, if there is none.
pub(super) fn in_book<R: Default>(book: &mut Lazy, change: impl FnOnce(&mut Book) -> R) -> R {
    book.as_mut().map(|book| change(book)).unwrap_or_default()
}
